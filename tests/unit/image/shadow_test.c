/* What readers ask for, in the copy: all of it, plain words of it, or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake_shadow.h"

#define TEXT_WORD 0x7465726365537941 /* "AySecret" */

static const struct {
	const char *name;
	enum shadow_mode mode;
	taddr at;
	uint64_t n, word, kept; /* word: at both 8-byte places from `at` on */
	uint64_t next;		/* what is kept of the second one */
} cases[] = {
	{ "nothing", SHADOW_OFF, FAKE_DATA, 16, TEXT_WORD, 0, 0 },
	{ "as it is", SHADOW_ALL, FAKE_DATA, 8, TEXT_WORD, TEXT_WORD, 0 },
	{ "and first", SHADOW_FIRST, FAKE_DATA + 8, 16, TEXT_WORD, TEXT_WORD, TEXT_WORD },
	{ "part of a word", SHADOW_ALL, FAKE_DATA, 3, TEXT_WORD, 0x537941, 0 },
	{ "from one segment into the next", SHADOW_ALL, FAKE_NEXT - 8, 16, TEXT_WORD, TEXT_WORD,
	  TEXT_WORD },
	{ "to the end of the last segment and no further", SHADOW_ALL,
	  FAKE_TEXT + FAKE_PAGE - 16, UINT64_MAX, TEXT_WORD, TEXT_WORD, TEXT_WORD },
	{ "no text among words", SHADOW_WORDS, FAKE_DATA, 16, TEXT_WORD, 0, 0 },
	{ "a pointer", SHADOW_WORDS, FAKE_DATA, 16, FAKE_NEXT + 5, FAKE_NEXT + 5, FAKE_NEXT + 5 },
	{ "a pointer to what is not mapped", SHADOW_WORDS, FAKE_DATA, 16, 0x7f0012345678, 0, 0 },
	{ "a number", SHADOW_WORDS, FAKE_DATA, 8, UINT32_MAX, UINT32_MAX, 0 },
	{ "one too large", SHADOW_WORDS, FAKE_DATA, 8, 1ull << 32 | 1 << 16, 0, 0 },
	{ "two small numbers", SHADOW_WORDS, FAKE_DATA, 8, 7ull << 32 | 9, 7ull << 32 | 9, 0 },
	{ "four bytes by themselves", SHADOW_WORDS, FAKE_DATA, 4, TEXT_WORD, 0x65537941,
	  0 },
	{ "a module's constants", SHADOW_WORDS, FAKE_TEXT, 8, TEXT_WORD, TEXT_WORD, 0 },
};

static void test_keep(void **state)
{
	static struct fake_shadow f;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		fake_shadow_init(&f, cases[i].mode);
		fake_shadow_put(&f, cases[i].at, cases[i].word);
		fake_shadow_put(&f, cases[i].at + 8, cases[i].word);
		image_keep(&f.img, cases[i].at, cases[i].n);
		if (fake_shadow_get(&f, cases[i].at) != cases[i].kept ||
		    fake_shadow_get(&f, cases[i].at + 8) != cases[i].next)
			fail_msg("%s: 0x%llx, 0x%llx", cases[i].name,
				 (unsigned long long)fake_shadow_get(&f, cases[i].at),
				 (unsigned long long)fake_shadow_get(&f, cases[i].at + 8));
		fake_shadow_fini(&f);
	}
}

static void test_first_is_noted(void **state)
{
	static struct fake_shadow f;

	(void)state;
	fake_shadow_init(&f, SHADOW_FIRST);
	fake_shadow_put(&f, FAKE_NEXT, TEXT_WORD);
	image_keep(&f.img, FAKE_NEXT, 16);
	image_keep(&f.img, FAKE_DATA, 16); /* zeros alone */
	f.shadow.mode = SHADOW_ALL;
	image_keep(&f.img, FAKE_NEXT, 16);
	assert_int_equal(f.shadow.first.n, 1);
	assert_int_equal(f.shadow.first.v[0].offset, FAKE_PAGE);
	assert_int_equal(f.shadow.first.v[0].n, 16);
	fake_shadow_fini(&f);
}

static void test_less_than_is_there(void **state)
{
	static struct fake_shadow f;

	(void)state;
	fake_shadow_init(&f, SHADOW_WORDS);
	fake_shadow_put(&f, FAKE_DATA, TEXT_WORD);
	fake_shadow_put(&f, FAKE_DATA + 16, TEXT_WORD);
	image_keep_as(&f.img, FAKE_DATA, 5);
	image_keep_no_pointer(&f.img, FAKE_DATA);      /* it has one already */
	image_keep_no_pointer(&f.img, FAKE_DATA + 8);  /* a zero stays one */
	image_keep_no_pointer(&f.img, FAKE_DATA + 16);
	image_keep_as(&f.img, FAKE_NEXT - 4, UINT64_MAX); /* reaches over the end */
	image_keep_as(&f.img, 0x999000, UINT64_MAX);
	assert_int_equal(fake_shadow_get(&f, FAKE_DATA), 5);
	assert_int_equal(fake_shadow_get(&f, FAKE_DATA + 8), 0);
	assert_int_equal(fake_shadow_get(&f, FAKE_DATA + 16), SHADOW_NO_POINTER);
	assert_int_equal(fake_shadow_get(&f, FAKE_NEXT - 8), 0);
	fake_shadow_fini(&f);
}

static void test_bytes_of_a_view(void **state)
{
	static struct fake_shadow f;
	uint8_t foreign[8] = "foreign";

	(void)state;
	fake_shadow_init(&f, SHADOW_WORDS);
	fake_shadow_put(&f, FAKE_DATA, TEXT_WORD);
	fake_shadow_put(&f, FAKE_DATA + 8, TEXT_WORD);
	image_keep_bytes(&f.img, f.from, 8);
	image_keep_exact(&f.img, f.from + 8, 8);
	image_keep_exact(&f.img, foreign, sizeof(foreign));
	image_keep_exact(&f.img, f.from + sizeof(f.from) - 4, 8);
	assert_int_equal(fake_shadow_get(&f, FAKE_DATA), 0);
	assert_int_equal(fake_shadow_get(&f, FAKE_DATA + 8), TEXT_WORD);
	fake_shadow_fini(&f);
}

static void test_compared(void **state)
{
	static struct fake_shadow f;

	(void)state;
	fake_shadow_init(&f, SHADOW_WORDS);
	image_compare(&f.img, FAKE_NEXT + 8, 20); /* no salt */
	assert_int_equal(f.shadow.compared.n, 0);
	f.shadow.salted = true;
	image_compare(&f.img, FAKE_NEXT + 8, 20);
	image_compare(&f.img, FAKE_NEXT - 8, 20); /* not in one segment */
	image_compare(&f.img, 0x999000, 20);
	assert_int_equal(f.shadow.compared.n, 1);
	assert_int_equal(f.shadow.compared.v[0].offset, FAKE_PAGE + 8);
	assert_int_equal(f.shadow.compared.v[0].n, 20);
	fake_shadow_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keep),
		cmocka_unit_test(test_first_is_noted),
		cmocka_unit_test(test_less_than_is_there),
		cmocka_unit_test(test_bytes_of_a_view),
		cmocka_unit_test(test_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
