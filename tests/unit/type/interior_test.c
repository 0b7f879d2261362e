/*
 * memcheck's four exceptions for interior pointers, against what its manual says of each: the
 * value of --leak-check-heuristics ("stdstring", "length64", "newarray", "multipleinheritance").
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fake_image.h"
#include "image/shadow.h"
#include "type/interior.h"

enum {
	CODE = 0x10000,
	TABLES = 0x20000, /* read-only, of the module: vtables */
	ANON = 0x30000,
	ANON_CODE = 0x40000,
	ABSENT = 0x50000,
	BLOCK = ANON + 0x100,
};

static const struct fake_mapping memory[] = {
	{ CODE, 0x1000, SEG_R | SEG_X, 1 },
	{ TABLES, 0x1000, SEG_R, 1 },
	{ ANON, 0x1000, SEG_R | SEG_W },
	{ ANON_CODE, 0x1000, SEG_R | SEG_X },
	{ ABSENT, 0x1000, SEG_R, 1, .absent = true },
	{},
};

/* A block of `usable` bytes came of malloc(usable - 15) to malloc(usable). */
static const struct {
	const char *name;
	uint64_t usable;
	unsigned offset;   /* of the pointer in the block */
	uint64_t words[3]; /* the block's first */
	bool is_start;
} cases[] = {
	{ "string: header of 24, 5 characters, NUL: 30 bytes", 40, 24, { 5, 5 }, true },
	{ "string: empty, with room", 40, 24, { 0, 15 }, true },
	{ "string: as full as the block", 40, 24, { 15, 15 }, true },
	{ "string: one more than the block holds", 40, 24, { 15, 16 }, false },
	{ "string: longer than its capacity", 40, 24, { 6, 5 }, false },
	{ "string: a block much larger than the capacity", 104, 24, { 5, 5 }, false },
	{ "string: the least capacity of such a block", 104, 24, { 5, 64 }, true },
	{ "string: one less", 104, 24, { 5, 63 }, false },
	{ "string: a capacity that overflows", 24, 24, { 0, UINT64_MAX }, false },
	{ "string: a pointer behind its first character", 40, 25, { 5, 5 }, false },
	{ "string: a pointer to its reference count", 40, 16, { 5, 5 }, false },

	{ "length: all the rest", 104, 8, { 96 }, true },
	{ "length: the least that malloc rounds to this block", 104, 8, { 81 }, true },
	{ "length: more than the rest", 104, 8, { 97 }, false },
	{ "length: far less than the rest, and no count either", 104, 8, { 40 }, false },
	{ "length: all the rest, and a pointer further in", 104, 16, { 96 }, false },

	{ "new[]: 3 elements of 32", 104, 8, { 3 }, true },
	{ "new[]: 5 elements of 18 or 19", 104, 8, { 5 }, true },
	{ "new[]: of none", 104, 8, { 0 }, false },
	{ "new[]: 40 elements of 2 would leave 16 bytes over", 104, 8, { 40 }, false },
	{ "new[]: a pointer to the second element", 104, 40, { 3 }, false },
	{ "my_malloc of MariaDB: 384 bytes", 408, 24, { 0, 384 }, true },
	{ "my_malloc of MariaDB: 384 bytes of a thread's, with both flags", 408, 24, { 0, 387 }, true },
	{ "my_malloc of MariaDB: what is no flag", 408, 24, { 0, 388 }, false },
	{ "my_malloc of MariaDB: less than the block holds", 408, 24, { 0, 352 }, false },
	{ "my_malloc of MariaDB: more than the block holds", 408, 24, { 0, 392 }, false },
	{ "my_malloc of MariaDB: nothing", 56, 24, { 0, 0 }, false },
	{ "my_malloc of MariaDB: 200000 bytes in pages of their own", 200688, 24, { 0, 200002 }, true },
	{ "my_malloc of MariaDB: 200000 bytes, and a page more than that", 204784, 24, { 0, 200002 }, false },
	{ "my_malloc of MariaDB: an owner that is no pointer", 408, 24, { 15, 384 }, false },
	{ "ut_allocator of InnoDB: 240 bytes and its header", 264, 24, { 7, 0, 264 }, true },
	{ "ut_allocator of InnoDB: an owner", 264, 24, { 7, ANON, 264 }, true },
	{ "ut_allocator of InnoDB: an owner that is no pointer", 264, 24, { 7, 77, 264 }, false },
	{ "ut_allocator of InnoDB: no key", 264, 24, { UINT64_MAX, 0, 264 }, false },
	{ "ut_allocator of InnoDB: less than the block holds", 264, 24, { 7, 0, 240 }, false },
	{ "my_malloc of MySQL: 371 bytes", 408, 32, { 1234ull << 32 | 7, 371 }, true },
	{ "my_malloc of MySQL: another magic", 408, 32, { 1233ull << 32 | 7, 371 }, false },
	{ "my_malloc of MySQL: more than the block holds", 408, 32, { 1234ull << 32 | 7, 377 }, false },
	{ "my_malloc of MySQL: a size that overflows", 408, 32, { 1234ull << 32 | 7, UINT64_MAX - 31 }, false },
	{ "a block of less than a word has no inside", 4, 8, { 1 }, false },
};

static void by_contents(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct env env;
		struct fake_image *f;
		taddr value = BLOCK + cases[i].offset;

		env_init(&env);
		f = fake_image_new(&env, memory, &(struct fake_word){});
		for (unsigned k = 0; k < 3; k++)
			fake_image_put(f, BLOCK + 8 * k, cases[i].words[k]);
		if (interior_is_start(&f->img, BLOCK, cases[i].usable, value) != cases[i].is_start)
			fail_msg("%s", cases[i].name);
		fake_image_free(f);
		env_fini(&env);
	}
}

/* By sds.h of sds 2.0: len, alloc, flags, text, NUL; sdshdr5 has its length in the flags. */
static const struct {
	const char *name;
	uint64_t usable;
	unsigned offset;
	const char *bytes; /* of the block, with the literal's own NUL behind */
	size_t n;
	bool is_sds;
} strings[] = {
#define S(text) text, sizeof(text)
	{ "of 5 bits", 16, 1, S("\x58rdbchecksum"), true },
	{ "in the least block for it", 13, 1, S("\x58rdbchecksum"), true },
	{ "longer than its length says", 16, 1, S("\x50rdbchecksum"), false },
	{ "a pointer, and zeros after it", 32, 1, S("\xe0\1\x12\xd6\xae\5\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), false },
	{ "empty, of 5 bits: zeros", 16, 1, S("\0"), false },
	{ "of 5 bits, in a block far too large", 48, 1, S("\x58rdbchecksum"), false },
	{ "a pointer behind its first character", 16, 2, S("\x58rdbchecksum"), false },
	{ "of 8 bits", 32, 3, S("\5\x10\1hello"), true },
	{ "empty", 16, 3, S("\0\0\1"), true },
	{ "as long as its room", 16, 3, S("\5\5\1hello"), true },
	{ "longer than its room", 16, 3, S("\5\4\1hello"), false },
	{ "more room than the block", 16, 3, S("\5\x0d\1hello"), false },
	{ "all of the block", 16, 3, S("\5\x0c\1hello"), true },
	{ "far less room than the block", 200, 3, S("\5\5\1hello"), false },
	{ "another type's flags", 32, 3, S("\5\x10\2hello"), false },
	{ "of 16 bits", 300, 5, S("\5\0\x20\1\2hello"), true },
	{ "of 32 bits", 65800, 9, S("\5\0\0\0\1\0\1\0\3hello"), true },
	{ "of 64 bits", 32, 17, S("\5\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0\4hello"), true },
	{ "of 64 bits, with room that overflows", 32, 17,
	  S("\5\0\0\0\0\0\0\0\377\377\377\377\377\377\377\377\4hello"), false },
	{ "a header of no type", 32, 7, S("\5\x10\1\1\1\1\1hello"), false },
	{ "the header is all of the block", 3, 3, S("\0\0\1"), false },
	{ "a field, and a value behind it", 96, 1, S("\x10""f7\0\5\x58\1hello"), true },
	{ "of 8 bits, and a value behind it", 96, 3, S("\2\2\1f7\0\5\x55\1hello"), true },
	{ "a value longer than the block", 96, 1, S("\x10""f7\0\5\x59\1hello"), false },
	{ "a value in a block far too large", 96, 1, S("\x10""f7\0\5\5\1hello"), false },
	{ "behind it what is no string", 96, 1, S("\x10""f7\0\5\x58\2hello"), false },
	{ "a field behind a pointer", 16, 11, S("\0\0\x20\0\0\0\0\0\1\1\x11""f"), true },
	{ "behind a time to live and a pointer", 24, 19, S("\0\0\x20\0\0\0\0\0\0\0\x20\0\0\0\0\0\1\1\x19""f"), true },
	{ "behind two words, with a flag for a pointer alone", 24, 19, S("\0\0\x20\0\0\0\0\0\0\0\x20\0\0\0\0\0\1\1\x11""f"), false },
	{ "behind a time to live of two words", 24, 19, S("\0\0\x20\0\0\0\0\0\0\0\x20\0\0\0\0\0\1\1\x09""f"), true },
	{ "with a flag for a word that is not there", 16, 3, S("\5\x0c\x09hello"), false },
#undef S
};

static void by_the_header_of_sds(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		struct env env;
		struct fake_image *f;

		env_init(&env);
		f = fake_image_new(&env, memory, &(struct fake_word){});
		memcpy(fake_image_bytes(f, BLOCK), strings[i].bytes, strings[i].n);
		if (interior_is_sds(&f->img, BLOCK, strings[i].usable, BLOCK + strings[i].offset) != strings[i].is_sds)
			fail_msg("%s", strings[i].name);
		fake_image_free(f);
		env_fini(&env);
	}
}

/* Of a list from HEAD on, whose links lie 16 bytes into their blocks: what that of BLOCK has. */
enum { HEAD = ANON + 0x10, LINK = BLOCK + 16, OTHER = ANON + 0x410 };
static const struct {
	const char *name;
	struct fake_word words[8];
	bool is_link;
} links[] = {
	{ "the only one of a list", { { HEAD, LINK }, { HEAD + 8, LINK }, { LINK, HEAD }, { LINK + 8, HEAD } }, true },
	{ "one of two", { { LINK, OTHER }, { LINK + 8, HEAD }, { HEAD, LINK }, { OTHER + 8, LINK } }, true },
	{ "one of two, the other way round", { { LINK, HEAD }, { LINK + 8, OTHER }, { OTHER, LINK }, { HEAD + 8, LINK } }, true },
	{ "whose next one leads elsewhere", { { LINK, OTHER }, { LINK + 8, HEAD }, { HEAD, LINK }, { OTHER + 8, HEAD } }, false },
	{ "that the one before does not lead to", { { LINK, OTHER }, { LINK + 8, HEAD }, { HEAD, OTHER }, { OTHER + 8, LINK } }, false },
	{ "the last of a list of hlist_node", { { LINK + 8, HEAD }, { HEAD, LINK } }, true },
	{ "the head of an empty list", { { LINK, LINK }, { LINK + 8, LINK } }, false },
	{ "zeros", { { LINK, 0 } }, false },
	{ "a node of a tree with parent, and its right child", { { HEAD + 16, LINK }, { LINK, HEAD | 1 }, { LINK + 8, OTHER }, { OTHER, LINK | 1 } }, true },
	{ "the root of a tree, red and black", { { LINK, 1 }, { LINK + 8, OTHER }, { OTHER, LINK } }, true },
	{ "whose parent does not lead back", { { LINK, HEAD }, { LINK + 8, OTHER }, { OTHER, LINK } }, false },
	{ "whose child does not lead back", { { HEAD + 16, LINK }, { LINK, HEAD | 1 }, { LINK + 8, OTHER }, { OTHER, HEAD } }, false },
	{ "outside of all memory", { { LINK, 0x7000 }, { LINK + 8, 0x7000 } }, false },
};

static void by_links_that_lead_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		struct env env;
		struct fake_image *f;

		env_init(&env);
		f = fake_image_new(&env, memory, links[i].words);
		if (interior_is_link(&f->img, LINK, 24) != links[i].is_link)
			fail_msg("%s", links[i].name);
		fake_image_free(f);
		env_fini(&env);
	}
}

/* A header of Mesa's ralloc at BLOCK: src/util/ralloc.c. */
enum { PARENT = ANON + 0x400, SISTER = ANON + 0x500, CHILD = ANON + 0x600 };
static const struct {
	const char *name;
	unsigned offset; /* of the pointer */
	struct fake_word words[8]; /* parent, child, prev, next */
	bool is_start;
} rallocs[] = {
	{ "an only child", 48, { { BLOCK, PARENT }, { PARENT + 8, BLOCK } }, true },
	{ "another pointer into it", 40, { { BLOCK, PARENT }, { PARENT + 8, BLOCK } }, false },
	{ "whom its parent does not know", 48, { { BLOCK, PARENT }, { PARENT + 8, SISTER } }, false },
	{ "the second child", 48, { { BLOCK, PARENT }, { PARENT + 8, SISTER }, { BLOCK + 16, SISTER }, { SISTER + 24, BLOCK } }, true },
	{ "whose sister leads elsewhere", 48, { { BLOCK, PARENT }, { PARENT + 8, BLOCK }, { BLOCK + 24, SISTER }, { SISTER + 16, CHILD } }, false },
	{ "a parent without one", 48, { { BLOCK + 8, CHILD }, { CHILD, BLOCK } }, true },
	{ "whose child has another", 48, { { BLOCK + 8, CHILD }, { CHILD, SISTER } }, false },
	{ "alone: nothing says what it is", 48, { { 0, 0 } }, false },
	{ "that leads to itself", 48, { { BLOCK + 8, BLOCK }, { BLOCK, BLOCK } }, false },
	{ "that leads nowhere", 48, { { BLOCK, 0x7000 } }, false },
};

static void by_a_family_of_rallocs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rallocs); i++) {
		struct env env;
		struct fake_image *f;

		env_init(&env);
		f = fake_image_new(&env, memory, rallocs[i].words);
		if (interior_is_ralloc(&f->img, BLOCK, BLOCK + rallocs[i].offset) != rallocs[i].is_start)
			fail_msg("%s", rallocs[i].name);
		fake_image_free(f);
		env_fini(&env);
	}
}

/* GArcBox: ref_count, mem_size, private_offset, magic; of glib/grcboxprivate.h. */
static const struct {
	const char *name;
	uint64_t usable;
	unsigned offset;
	uint64_t size, private, magic;
	bool is_start;
} boxes[] = {
	{ "16 bytes", 56, 32, 16, 0, 0x44ae2bf0, true },
	{ "as much as there is", 56, 32, 24, 0, 0x44ae2bf0, true },
	{ "more than there is", 56, 32, 25, 0, 0x44ae2bf0, false },
	{ "another magic", 56, 32, 16, 0, 0x44ae2bf1, false },
	{ "garbage behind the magic", 56, 32, 16, 0, 0x6544ae2bf0 | 1ull << 40, true },
	{ "behind what is private", 104, 48, 16, 16, 0x44ae2bf0, true },
	{ "which is not as large", 104, 48, 16, 8, 0x44ae2bf0, false },
	{ "no room for a header", 56, 24, 16, 0, 0x44ae2bf0, false },
};

static void by_glib_s_boxes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(boxes); i++) {
		taddr head = BLOCK + boxes[i].offset - 32;
		struct env env;
		struct fake_image *f;

		env_init(&env);
		f = fake_image_new(&env, memory, (const struct fake_word[]){ { head, 1 }, { head + 8, boxes[i].size },
			{ head + 16, boxes[i].private }, { head + 24, boxes[i].magic }, {} });
		if (interior_is_glib_box(&f->img, BLOCK, boxes[i].usable, BLOCK + boxes[i].offset) != boxes[i].is_start)
			fail_msg("%s", boxes[i].name);
		fake_image_free(f);
		env_fini(&env);
	}
}

/* zend_array.arData of PHP, by HT_SIZE_TO_MASK() and HT_DATA_SIZE() of Zend/zend_types.h. */
static const struct {
	const char *name;
	uint64_t usable;
	unsigned offset;
	uint64_t first, second; /* words of the hash: the others are -1 */
	bool is_array;
} arrays_of_php[] = {
	{ "8 elements of 32 bytes, two of them used", 328, 64, 0xffffffff00000000, 0x00000001ffffffff, true },
	{ "none used", 328, 64, UINT64_MAX, UINT64_MAX, true },
	{ "one that is used twice", 328, 64, 0xffffffff00000000, 0x00000000ffffffff, false },
	{ "one behind the last", 328, 64, 0xffffffff00000008, UINT64_MAX, false },
	{ "from another place", 328, 72, UINT64_MAX, UINT64_MAX, false },
	{ "in a block that is too large", 360, 64, UINT64_MAX, UINT64_MAX, false },
	{ "in one that is too small", 312, 64, UINT64_MAX, UINT64_MAX, false },
	{ "a list of 8, of 16 bytes each", 136, 8, UINT64_MAX, 0, true },
	{ "without its two slots", 136, 8, 0, 0, false },
	{ "of 9", 152, 8, UINT64_MAX, 0, false },
};

static void by_the_hash_of_php(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(arrays_of_php); i++) {
		struct env env;
		struct fake_image *f;

		env_init(&env);
		f = fake_image_new(&env, memory, &(struct fake_word){});
		memset(fake_image_bytes(f, BLOCK), 0xff, 64);
		memcpy(fake_image_bytes(f, BLOCK), &arrays_of_php[i].first, 8);
		memcpy(fake_image_bytes(f, BLOCK + 8), &arrays_of_php[i].second, 8);
		if (interior_is_zend(&f->img, BLOCK, arrays_of_php[i].usable, BLOCK + arrays_of_php[i].offset) !=
		    arrays_of_php[i].is_array)
			fail_msg("%s", arrays_of_php[i].name);
		memset(fake_image_bytes(f, BLOCK), 0, 64);
		assert_false(interior_is_zend(&f->img, BLOCK, 328, BLOCK + 64));
		fake_image_free(f);
		env_fini(&env);
	}
}

/* By hashbrown's own rules: control bytes behind the values, then the first 16 of them again. */
#define REST_EMPTY "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
static const struct {
	const char *name;
	uint64_t usable;
	unsigned offset;
	const char *control;
	unsigned n;
	bool is_table;
} tables_of_rust[] = {
	{ "16 buckets of 8 bytes", 168, 128,
	  "\x01\xff\x7f\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"
	  "\x01\xff\x7f\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 32, true },
	{ "whose first ones do not come again", 168, 128,
	  "\x01\xff\x7f\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"
	  "\x01\xff\x7f\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 32, false },
	{ "with a byte that none has", 168, 128,
	  "\x01\xff\x7f\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"
	  "\x01\xff\x7f\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 32, false },
	{ "without a free bucket: zeros", 168, 128, "", 0, false },
	{ "without a value", 168, 128, "\xff\xff\xff\xff" REST_EMPTY "\xff\xff\xff\xff" REST_EMPTY, 32, false },
	{ "from another place of it", 168, 112,
	  "\x01\xff\x7f\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"
	  "\x01\xff\x7f\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 32, false },
	{ "in a block that is far too large", 296, 128,
	  "\x01\xff\x7f\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"
	  "\x01\xff\x7f\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 32, false },
	{ "4 buckets of 32 bytes, where 8 would have room", 152, 128, "\xff\x05\xff\xff" REST_EMPTY "\xff\x05\xff\xff", 20, true },
	{ "8 buckets of 16 bytes", 152, 128,
	  "\xff\x05\xff\xff\x11\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x05\xff\xff\x11\xff\xff\xff", 24, true },
	{ "4 buckets, with something behind them", 152, 128,
	  "\xff\x05\xff\xff\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x05\xff\xff\xff\xff\xff\xff", 24, false },
};

static void by_the_control_bytes_of_hashbrown(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tables_of_rust); i++) {
		struct env env;
		struct fake_image *f;

		env_init(&env);
		f = fake_image_new(&env, memory, &(struct fake_word){});
		memcpy(fake_image_bytes(f, BLOCK + 128), tables_of_rust[i].control, tables_of_rust[i].n);
		if (interior_is_hashbrown(&f->img, BLOCK, tables_of_rust[i].usable, BLOCK + tables_of_rust[i].offset) !=
		    tables_of_rust[i].is_table)
			fail_msg("%s", tables_of_rust[i].name);
		fake_image_free(f);
		env_fini(&env);
	}
}

/* What a blanked dump keeps of a table is one as well, and nothing of what its keys hash to. */
static void kept_control_bytes_are_enough(void **state)
{
	enum { SIZE = 0x1000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tables_of_rust); i++) {
		uint8_t kept[SIZE] = {}, *bytes;
		struct shadow shadow = { .to = kept, .size = SIZE, .mode = SHADOW_WORDS };
		taddr table = BLOCK + tables_of_rust[i].offset;
		struct env env;
		struct fake_image *f;

		if (!tables_of_rust[i].is_table)
			continue;
		env_init(&env);
		f = fake_image_new(&env, memory, &(struct fake_word){});
		bytes = fake_image_bytes(f, BLOCK);
		shadow.from = bytes;
		memcpy(bytes + 128, tables_of_rust[i].control, tables_of_rust[i].n);
		memset(bytes + 128 + tables_of_rust[i].n, 0x33, 8); /* the program's */
		f->img.shadow = &shadow;
		assert_true(interior_is_hashbrown(&f->img, BLOCK, tables_of_rust[i].usable, table));
		f->img.shadow = NULL;
		memcpy(bytes, kept, tables_of_rust[i].usable);
		if (!interior_is_hashbrown(&f->img, BLOCK, tables_of_rust[i].usable, table))
			fail_msg("%s", tables_of_rust[i].name);
		for (unsigned k = 0; k < tables_of_rust[i].usable; k++)
			assert_true(kept[k] == 0xff || kept[k] == 0x80 || !kept[k]);
		fake_image_free(f);
		env_fini(&env);
	}
}

/*
 * 32,768 buckets of 8 bytes, two of three in use.  Any number of words may lead to it: no more than
 * the first 8,192 of its control bytes are looked at, and the copy of the first ones behind all.
 */
static void of_a_large_table_the_first_control_bytes(void **state)
{
	enum { BUCKETS = 1 << 15, CONTROL = BUCKETS * 8, WIDTH = 16, SEEN = 1 << 13 };
	static const struct fake_mapping wide[] = { { ANON, CONTROL + BUCKETS + 0x1000, SEG_R | SEG_W }, {} };
	static const struct {
		const char *name;
		unsigned at; /* a control byte that is another */
		uint8_t byte;
		bool is_table;
	} damages[] = {
		{ "as it should be", 0, 0x11, true },
		{ "a byte that none has", 100, 0x91, false },
		{ "the last that is looked at", SEEN - 1, 0x91, false },
		{ "one behind it", SEEN, 0x91, true },
		{ "the first ones do not come again", BUCKETS + 3, 0x12, false },
		{ "the last of them does not", BUCKETS + WIDTH - 1, 0x12, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		struct fake_image *f;
		struct env env;
		uint8_t *control;

		env_init(&env);
		f = fake_image_new(&env, wide, &(struct fake_word){});
		control = fake_image_bytes(f, ANON) + CONTROL;
		for (unsigned k = 0; k < BUCKETS + WIDTH; k++)
			control[k] = k % BUCKETS % 3 ? 0x11 : 0xff;
		if (i)
			control[damages[i].at] = damages[i].byte;
		if (interior_is_hashbrown(&f->img, ANON, CONTROL + BUCKETS + WIDTH, ANON + CONTROL) != damages[i].is_table)
			fail_msg("%s", damages[i].name);
		fake_image_free(f);
		env_fini(&env);
	}
}

/* Where tables lie in the module: of two functions, of one, far apart, and of what is no code. */
enum {
	TWO = TABLES + 0x100,
	APART = TABLES + 0x200,
	ONE = TABLES + 0x300,
	FAR = TABLES + 0x500,
	NO_CODE = TABLES + 0x700,
	FREE_CODE = TABLES + 0x780,
	IN_ANON = ANON + 0x800,
	LAST = TABLES + 0xff8,
};

static const struct fake_word tables[] = {
	{ TWO, CODE + 0x10 }, { TWO + 8, CODE + 0x20 },
	{ APART + 16, CODE + 0x10 }, { APART + 64, CODE + 0x20 },
	{ ONE, CODE + 0x10 },
	{ FAR, CODE + 0x10 }, { FAR + 30 * 8, CODE + 0x20 },
	{ NO_CODE, CODE + 0x10 }, { NO_CODE + 8, TABLES },
	{ FREE_CODE, ANON_CODE + 0x10 }, { FREE_CODE + 8, ANON_CODE + 0x20 },
	{ IN_ANON, CODE + 0x10 }, { IN_ANON + 8, CODE + 0x20 },
	{ LAST, CODE + 0x10 },
	{},
};

static const struct {
	const char *name;
	unsigned offset;
	taddr first, inner; /* the words at the block's start, and where the pointer leads */
	bool is_start;
} bases[] = {
	{ "two tables", 16, TWO, TWO, true },
	{ "entries may be zero", 16, TWO, APART, true },
	{ "the block's own table too", 16, APART, TWO, true },
	{ "one function is no table", 16, TWO, ONE, false },
	{ "nor at the start", 16, ONE, TWO, false },
	{ "functions too far apart", 16, TWO, FAR, false },
	{ "an entry that is data", 16, TWO, NO_CODE, false },
	{ "code of no file", 16, TWO, FREE_CODE, false },
	{ "a table in anonymous memory", 16, TWO, IN_ANON, false },
	{ "a table that the mapping's end cuts", 16, TWO, LAST, false },
	{ "a table that was not dumped", 16, TWO, ABSENT + 0x100, false },
	{ "no table in the inner base", 16, TWO, 0, false },
	{ "no table at the start", 16, 0, TWO, false },
	{ "a table at an odd address", 16, TWO, TWO + 1, false },
	{ "an inner base at an odd address", 17, TWO, TWO, false },
	{ "nothing mapped there", 16, TWO, 0x7000000, false },
};

static void by_tables(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		struct env env;
		struct fake_image *f;

		env_init(&env);
		f = fake_image_new(&env, memory, tables);
		fake_image_put(f, BLOCK, bases[i].first);
		fake_image_put(f, BLOCK + bases[i].offset, bases[i].inner);
		if (interior_is_start(&f->img, BLOCK, 200, BLOCK + bases[i].offset) != bases[i].is_start)
			fail_msg("%s", bases[i].name);
		fake_image_free(f);
		env_fini(&env);
	}
}

/* What a larger block holds for an aligned request begins at the first address of that alignment. */
static void by_alignment(void **state)
{
	static const struct {
		taddr start;
		uint64_t value;
		bool is_aligned;
	} places[] = {
		{ 0x10010, 0x10020, true },   /* 32 */
		{ 0x10010, 0x10040, true },   /* 64 */
		{ 0x10010, 0x10060, false },  /* 32 came at 0x10020 */
		{ 0x10010, 0x10030, false },  /* 16 is every block's */
		{ 0x10010, 0x11000, true },   /* a page */
		{ 0x10010, 0x12000, true },
		{ 0x10010, 0x13000, false },  /* a page came at 0x11000 */
		{ 0x10010, 0x10028, false },
		{ 0xff0, 0x100000, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (interior_is_aligned(places[i].start, places[i].value) != places[i].is_aligned)
			fail_msg("0x%lx in a block at 0x%lx", places[i].value, places[i].start);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_contents), cmocka_unit_test(by_the_header_of_sds),
		cmocka_unit_test(by_links_that_lead_back),
		cmocka_unit_test(by_a_family_of_rallocs),
		cmocka_unit_test(by_glib_s_boxes),
		cmocka_unit_test(by_the_control_bytes_of_hashbrown), cmocka_unit_test(by_the_hash_of_php),
		cmocka_unit_test(kept_control_bytes_are_enough),
		cmocka_unit_test(of_a_large_table_the_first_control_bytes),
		cmocka_unit_test(by_tables),
		cmocka_unit_test(by_alignment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
