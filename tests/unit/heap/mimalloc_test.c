/*
 * mimalloc's heap over images built word by word: a segment of 2.x with and without keys, and a page of
 * 3.x behind its page map.  Which blocks are free is known from how the lists were laid out.
 */
#include "unit_env.h"

#include <string.h>

#include "base/guard.h"
#include "fake_image.h"
#include "heap/blocks.h"
#include "heap/mimalloc.h"

extern const struct walker_ops mimalloc_walker;
static const struct walker_ops *const walkers[] = { &mimalloc_walker, NULL };

#define SEGMENT 0x10000000ull
#define MAP 0x40000000ull
#define PART 0x50000000ull
#define ARENA 0x60000000ull
#define COOKIE 0x5eed5eed5eedull

enum {
	DATA = 0x10000,
	HEAP = DATA + 0x800, /* mi_heap_t */
	THREAD = 0x7f0000,
	BLOCKS = 10,
	SIZE = 64,
	MAP_BYTES = 0x1000,
};

static const struct fake_mapping memory[] = {
	{ DATA, 0x2000, SEG_R | SEG_W, 1 },
	{ SEGMENT, 0x40000, SEG_R | SEG_W },
	{},
};

/* Where a page of 2.1.9 and later has what; with keys behind the first block's place. */
struct form {
	unsigned stride;
	uint64_t keys[2];
};

static const struct form plain = { 96, {} };
static const struct form secure = { 112, { 0x123456789abcdef1, 0xfedcba9876543210 } };

static taddr page_at(const struct form *f)
{
	return SEGMENT + 288 + f->stride;
}

static taddr block_of(unsigned i)
{
	return SEGMENT + 0x10000 + SIZE * i;
}

static uint64_t rotl(uint64_t x, uint64_t n)
{
	return n & 63 ? x << (n & 63) | x >> (64 - (n & 63)) : x;
}

/* As mi_ptr_encode() of 2.x: `null` stands for no block. */
static uint64_t encoded(const struct form *f, taddr null, taddr p)
{
	return f->keys[0] ? rotl((p ? p : null) ^ f->keys[1], f->keys[0]) + f->keys[0] : p;
}

/* The blocks of "036" are in the list whose head is at `head`, in that order. */
static void put_list(struct fake_image *img, const struct form *f, taddr head, taddr null, const char *blocks)
{
	taddr before = head;

	fake_image_put(img, head, 0);
	for (; *blocks; blocks++) {
		taddr block = block_of((unsigned)(*blocks - '0'));

		fake_image_put(img, before, before == head ? block : encoded(f, null, block));
		fake_image_put(img, block, encoded(f, null, 0));
		before = block;
	}
}

/* One page of ten blocks of 64 bytes in the second slice; the rest of the segment is one free span. */
static struct fake_image *process_new(const struct form *f, const char *free, const char *local, const char *thread,
				      const char *delayed)
{
	struct fake_image *img = fake_image_new(&env, memory, &(struct fake_word){});
	taddr page = page_at(f), lists = page + (f->keys[0] ? 72 : 56);

	fake_image_put(img, DATA + 0x100, COOKIE);
	fake_image_put(img, HEAP + 16, THREAD);
	fake_image_put(img, HEAP + 40, f->keys[0]);
	fake_image_put(img, HEAP + 48, f->keys[1]);
	fake_image_put(img, SEGMENT + 216, 1); /* used */
	fake_image_put(img, SEGMENT + 224, SEGMENT ^ COOKIE);
	fake_image_put(img, SEGMENT + 248, 512);
	fake_image_put(img, SEGMENT + 256, 1);
	fake_image_put(img, SEGMENT + 272, 512);
	fake_image_put(img, SEGMENT + 280, THREAD);
	fake_image_put(img, SEGMENT + 288, 1); /* the table's own slice */
	fake_image_put(img, SEGMENT + 288 + 2 * f->stride, 510);
	fake_image_put(img, SEGMENT + 288 + 511 * f->stride, 509ull * f->stride << 32); /* the way back */
	fake_image_put(img, page, 1);
	fake_image_put(img, page + 8, (uint64_t)BLOCKS << 16 | (uint64_t)1023 << 32);
	fake_image_put(img, page + 32, BLOCKS - strlen(free) - strlen(local));
	fake_image_put(img, page + 40, SIZE);
	fake_image_put(img, page + 48, block_of(0));
	if (f->keys[0]) {
		fake_image_put(img, page + 56, f->keys[0]);
		fake_image_put(img, page + 64, f->keys[1]);
	}
	fake_image_put(img, lists + 8, HEAP);
	put_list(img, f, page + 16, page, free);
	put_list(img, f, page + 24, page, local);
	put_list(img, f, lists, page, thread);
	put_list(img, f, HEAP + 8, HEAP, delayed);
	return img;
}

static const struct heap_info *info_of(const struct blocks *b)
{
	assert_int_equal(b->n_heaps, 1);
	return b->heaps[0].info;
}

static const char *where_of(const struct blocks *b, unsigned i)
{
	struct block block;

	assert_int_not_equal(block_at(b, block_of(i)), BLOCK_NONE);
	block_get(b, block_at(b, block_of(i)), &block);
	assert_int_equal(block.addr, block_of(i));
	assert_int_equal(block.size, SIZE);
	return block.used ? "used" : block.where;
}

static void blocks_by_their_lists(void **state)
{
	static const struct form *const forms[] = { &plain, &secure };
	static const char *const want[BLOCKS] = {
		"free", "used", "free", "local_free", "used", "thread_free", "used", "thread_delayed_free", "free", "used",
	};

	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
		struct fake_image *img = process_new(forms[f], "820", "3", "5", "7");
		struct blocks b;

		assert_null(blocks_build_with(&env, &img->img, walkers, &b));
		for (unsigned i = 0; i < BLOCKS; i++)
			assert_string_equal(where_of(&b, i), want[i]);
		assert_int_equal(info_of(&b)->n_used, 4);
		assert_int_equal(info_of(&b)->checks_failed, 0);
		assert_string_equal(info_of(&b)->version, "2.1.9-2.4.1");
		blocks_fini(&b);
		fake_image_free(img);
	}
}

/* In a build with padding a block ends in a canary, and in how much of it was not asked for. */
static void canaries(void **state)
{
	struct fake_image *img = process_new(&secure, "", "", "", "");
	struct text words = TEXT_INIT;
	struct blocks b;

	(void)state;
	for (unsigned i = 0; i < BLOCKS; i++) {
		uint32_t canary = (uint32_t)encoded(&secure, 0, block_of(i)) & 0xffffff00;

		fake_image_put(img, block_of(i) + SIZE - 8, canary | (uint64_t)i << 32);
	}
	fake_image_put(img, block_of(4) + SIZE - 8, 0x4141414141414141);
	assert_null(blocks_build_with(&env, &img->img, walkers, &b));
	assert_int_equal(info_of(&b)->n_used, BLOCKS);
	assert_int_equal(info_of(&b)->n_damage, 1);
	assert_int_equal(info_of(&b)->damage[0].at, block_of(4));
	assert_null(b.heaps[0].ops->explain(b.heaps[0].ctx, block_of(3), &words));
	assert_non_null(strstr(text_str(&words), "53 bytes were asked for"));
	text_fini(&words);
	blocks_fini(&b);
	fake_image_free(img);
}

/* What is overwritten, and how many blocks then count as used; it is told each time. */
static const struct {
	const char *name;
	taddr at;
	uint64_t value;
	unsigned n_used;
} damage[] = {
	{ "a link into nothing", SEGMENT + 0x10000 + 8 * SIZE, 0x4141414141414141, 8 },
	{ "a link into the middle of a block", SEGMENT + 0x10000 + 8 * SIZE, SEGMENT + 0x10010, 8 },
	{ "a link back", SEGMENT + 0x10000 + 2 * SIZE, SEGMENT + 0x10000 + 8 * SIZE, 7 },
	{ "a list that begins nowhere", SEGMENT + 288 + 96 + 16, 0x4141414141414141, 9 },
	{ "how many are used", SEGMENT + 288 + 96 + 32, 3, 6 },
	{ "the size of its blocks", SEGMENT + 288 + 96 + 40, 0x4141414141414141, 0 },
	{ "where its blocks begin", SEGMENT + 288 + 96 + 48, 0x4141414141414141, 0 },
	{ "how many slices it takes", SEGMENT + 288 + 96, 0x4141414141414141, 0 },
};

static void damage_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(damage); i++) {
		struct fake_image *img = process_new(&plain, "820", "3", "", "");
		taddr other = SEGMENT + 288 + 2 * 96;
		struct blocks b;

		/* A second page, so that what a segment is stays proved. */
		fake_image_put(img, other, 1);
		fake_image_put(img, other + 8, 1 << 16 | 1023ull << 32);
		fake_image_put(img, other + 32, 1);
		fake_image_put(img, other + 40, SIZE);
		fake_image_put(img, other + 48, SEGMENT + 0x20000);
		fake_image_put(img, SEGMENT + 288 + 3 * 96, 509);
		fake_image_put(img, damage[i].at, damage[i].value);
		assert_null(blocks_build_with(&env, &img->img, walkers, &b));
		if (!b.n_heaps) {
			assert_int_equal(damage[i].n_used, 0); /* no whole segment is left: nothing is claimed */
		} else if (info_of(&b)->n_used != damage[i].n_used + 1 || !info_of(&b)->n_damage) {
			fail_msg("%s: %lu used, %zu told", damage[i].name, info_of(&b)->n_used, info_of(&b)->n_damage);
		}
		blocks_fini(&b);
		fake_image_free(img);
	}
}

/* ---- 3.4: a page behind the page map */

static const struct fake_mapping mapped[] = {
	{ DATA, 0x2000, SEG_R | SEG_W, 1 },
	{ MAP, 0x11000, SEG_R | SEG_W },
	{ PART, 0x10000, SEG_R | SEG_W },
	{ ARENA, 0x30000, SEG_R | SEG_W },
	{},
};

static void a_page_of_the_map(void **state)
{
	struct fake_image *img = fake_image_new(&env, mapped, &(struct fake_word){});
	taddr page = ARENA + 0x10000, first = page + 0x100;
	struct blocks b;

	(void)state;
	fake_image_put(img, DATA + 0x200, MAP);
	fake_image_put(img, MAP, MAP + MAP_BYTES);
	fake_image_put(img, MAP + 8 * (ARENA >> 29), PART);
	fake_image_put(img, PART + 8 * (page >> 16 & 8191), page);
	fake_image_put(img, ARENA, ARENA); /* of the arena: memid */
	fake_image_put(img, ARENA + 8, 0x30000);
	fake_image_put(img, page, THREAD | 2); /* has aligned blocks */
	fake_image_put(img, page + 8, first + 2 * 48);
	fake_image_put(img, first + 2 * 48, 0);
	fake_image_put(img, page + 16, 4 | 6 << 16 | 100ull << 32);
	fake_image_put(img, page + 24, first + 5 * 48);
	fake_image_put(img, page + 32, (first + 4 * 48) | 1);
	fake_image_put(img, page + 40, 48);
	fake_image_put(img, page + 48, 0x100 / 8);
	fake_image_put(img, page + 64, HEAP);
	fake_image_put(img, page + 88, ARENA);
	assert_null(blocks_build_with(&env, &img->img, walkers, &b));
	assert_int_equal(info_of(&b)->n_used, 3);
	assert_int_equal(info_of(&b)->n_free, 3);
	assert_int_equal(info_of(&b)->n_wheres, 3);
	assert_int_equal(info_of(&b)->checks_failed, 0);
	assert_int_equal(b.n_claims, 1);
	assert_true(b.claims[0].aligned_inside);
	assert_string_equal(info_of(&b)->version, "3.4");
	blocks_fini(&b);
	fake_image_free(img);
}

static void links_decode(void **state)
{
	static const uint64_t keys[][2] = { { 1, 2 }, { 64, ~0ull }, { 0x123456789abcdef1, 0x1111222233334444 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct form f = { 0, { keys[i][0], keys[i][1] } };

		assert_int_equal(mi_decode(0x1000, encoded(&f, 0x1000, 0x7f1234567890), keys[i]), 0x7f1234567890);
		assert_int_equal(mi_decode(0x1000, encoded(&f, 0x1000, 0), keys[i]), 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(blocks_by_their_lists, set_up, tear_down),
		cmocka_unit_test_setup_teardown(canaries, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damage_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_page_of_the_map, set_up, tear_down),
		cmocka_unit_test(links_decode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
