/* What bytes look like: each class, and what is nearly one. */
#include <string.h>

#include "base/guard.h"
#include "fake_image.h"
#include "type/look.h"
#include "unit_env.h"

enum { BLOCK = 0x100000, SIZE = 0x4000, HEAP = 0x200000 };

static const struct fake_mapping mappings[] = {
	{ .start = BLOCK, .size = SIZE, .flags = SEG_R | SEG_W },
	{ .start = HEAP, .size = SIZE, .flags = SEG_R | SEG_W },
	{},
};

static const struct {
	const char *name;
	uint64_t usable;
	const char *bytes; /* as they are; the rest of the block is zeros */
	size_t n;
	const char *looks, *preview;
} cases[] = {
#define BYTES(s) s, sizeof(s) - 1
	{ "nothing", 64, BYTES(""), "zero-filled", NULL },
	{ "a string", 24, BYTES("orders"), "text", "orders" },
	{ "what malloc rounded up", 72, BYTES("GET /orders HTTP/1.1, a line that is long enough\0\1\2\377"), "text",
	  "GET /orders HTTP/1.1, a line that is long enough" },
	{ "a string before numbers", 64, BYTES("orders\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5\0\0\0\6\0\0\0\7\0"
					       "\0\0\10\0\0\0\11\0\0\0\12\0\0\0\13"), NULL, NULL },
	{ "strings", 40, BYTES("one\0two\0three\0four\0five\0six and more"), NULL, NULL },
	{ "longer strings", 40, BYTES("first\0second\0third one\0fourth, too, is"), "text", "first" },
	{ "three letters are a number", 24, BYTES("abc"), NULL, NULL },
	{ "UTF-8", 24, BYTES("stra\303\237e"), "text", "stra\303\237e" },
	{ "half a character", 24, BYTES("stra\303\1\2\3\4\5\6\7"), NULL, NULL },
	{ "too long a form", 24, BYTES("\300\257\300\257\300\257\300\257"), NULL, NULL },
	{ "escapes are no text", 24, BYTES("\33]0;title\7"), NULL, NULL },
	{ "UTF-16", 24, BYTES("o\0r\0d\0e\0r\0s\0"), "utf-16", "orders" },
	{ "beyond ASCII", 32, BYTES("s\0t\0r\0a\0\337\0e\0"), "utf-16", "stra\303\237e" },
	{ "numbers of four bytes", 32, BYTES("o\0\0\0r\0\0\0d\0\0\0e\0\0\0r\0\0\0s\0\0\0x"), NULL, NULL },
	{ "a pointer", 24, BYTES("\0\0\40\0\0\0\0\0\10\0\40\0\0\0\0\0\20\0\40\0\0\0\0\0"), "pointers", NULL },
	{ "pointers and nulls", 24, BYTES("\0\0\40\0\0\0\0\0\0\0\0\0\0\0\0\0\20\0\40\0\0\0\0\0"), "pointers", NULL },
	{ "no mapping is there", 24, BYTES("\0\0\60\0\0\0\0\0\10\0\60\0\0\0\0\0\20\0\60\0\0\0\0\0"), NULL, NULL },
#undef BYTES
};

static void put_bytes(struct fake_image *f, const char *bytes, size_t n)
{
	for (size_t at = 0; at < n; at += 8) {
		uint64_t word = 0;

		memcpy(&word, bytes + at, n - at < 8 ? n - at : 8);
		fake_image_put(f, BLOCK + at, word);
	}
}

static void classes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_image *f = fake_image_new(&env, mappings, (const struct fake_word[]){ {} });
		struct text t = TEXT_INIT;
		const char *looks;

		put_bytes(f, cases[i].bytes, cases[i].n);
		looks = look_at(&f->img, BLOCK, cases[i].usable);
		if (!looks != !cases[i].looks || (looks && strcmp(looks, cases[i].looks) != 0))
			fail_msg("%s: %s", cases[i].name, looks ? looks : "like nothing");
		if (look_preview(&f->img, BLOCK, cases[i].usable, &t) != (cases[i].preview != NULL) ||
		    strcmp(text_str(&t), cases[i].preview ? cases[i].preview : "") != 0)
			fail_msg("%s: \"%s\"", cases[i].name, text_str(&t));
		text_fini(&t);
		fake_image_free(f);
	}
}

/* Bytes with so many values, none more often than another by much. */
static const char *look_of_values(unsigned values, uint64_t usable)
{
	struct fake_image *f = fake_image_new(&env, mappings, (const struct fake_word[]){ {} });
	uint64_t x = 88172645463325252ull, word = 0;
	const char *ret;

	for (uint64_t i = 0; i < usable; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		word = word >> 8 | (128 + (x >> 20) % values) << 56;
		if (i % 8 == 7)
			fake_image_put(f, BLOCK + i - 7, word);
	}
	ret = look_at(&f->img, BLOCK, usable);
	fake_image_free(f);
	return ret;
}

static void random_bytes(void **state)
{
	(void)state;
	for (uint64_t usable = 256; usable <= SIZE; usable *= 2) {
		assert_string_equal(look_of_values(256, usable), "high-entropy");
		assert_null(look_of_values(64, usable)); /* as base64 has */
	}
	assert_null(look_of_values(256, 128)); /* too few to tell */
}

/* A large block is looked at in pieces; one of zeros all through. */
static void large(void **state)
{
	struct fake_image *f = fake_image_new(&env, mappings, (const struct fake_word[]){ {} });

	(void)state;
	assert_string_equal(look_at(&f->img, BLOCK, SIZE), "zero-filled");
	fake_image_put(f, BLOCK + 0x2988, 1);
	assert_null(look_at(&f->img, BLOCK, SIZE));
	assert_null(look_at(&f->img, BLOCK + 0x3000, SIZE)); /* its end is not there */
	fake_image_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(classes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(random_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(large, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
