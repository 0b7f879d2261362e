/* Equal contents become equal words, which say nothing else and point nowhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake_shadow.h"
#include "shrink/shrink.h"

enum { A = FAKE_DATA, B = FAKE_DATA + 0x100, C = FAKE_DATA + 0x200, N = 27 };

static struct fake_shadow f;
static struct salt salt = { .bytes = "sixteen bytes ..", .n = 16 };

static void put_text(taddr at, const char *text)
{
	memcpy(f.from + fake_shadow_at(at), text, strlen(text));
}

static int set_up(void **state)
{
	(void)state;
	fake_shadow_init(&f, SHADOW_WORDS);
	f.shadow.salted = true;
	put_text(A, "the same twenty-seven bytes, and more");
	put_text(B, "the same twenty-seven bytes. Not here");
	put_text(C, "the same twenty-seven bytez, and more");
	image_compare(&f.img, A, N);
	image_compare(&f.img, B, N);
	image_compare(&f.img, C, N);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_shadow_fini(&f);
	return 0;
}

static void test_equal_and_not(void **state)
{
	(void)state;
	assert_null(shrink_digests(&f.img, &salt));
	for (unsigned i = 0; i < 32; i += 8) {
		uint64_t a = fake_shadow_get(&f, A + i);

		assert_int_equal(a >> 48, i ? DIGEST_WORD : DIGEST_FIRST);
		assert_int_equal(a, fake_shadow_get(&f, B + i));
		assert_int_not_equal(a, fake_shadow_get(&f, C + i));
	}
	assert_int_equal(fake_shadow_get(&f, A + 32), 0); /* behind what was compared */
	f.img.hashed = true;
	assert_int_equal(digest_length(&f.img, fake_shadow_get(&f, A)), N);
	assert_int_equal(digest_length(&f.img, fake_shadow_get(&f, A + 8)), 0);
	f.img.hashed = false;
	assert_int_equal(digest_length(&f.img, fake_shadow_get(&f, A)), 0);
}

static void test_salts_differ(void **state)
{
	struct salt other = { .bytes = "sixteen bytes .,", .n = 16 };
	uint64_t words[4];

	(void)state;
	assert_null(shrink_digests(&f.img, &salt));
	memcpy(words, f.to + fake_shadow_at(A), sizeof(words));
	memset(f.to, 0, sizeof(f.to));
	assert_null(shrink_digests(&f.img, &other));
	for (unsigned i = 0; i < 4; i++)
		assert_int_not_equal(words[i], fake_shadow_get(&f, A + 8 * i));
}

static void test_what_stays(void **state)
{
	(void)state;
	fake_shadow_put(&f, A + 8, 0);
	fake_shadow_put(&f, A + 16, FAKE_NEXT);
	image_keep(&f.img, A + 16, 8);
	image_keep_no_pointer(&f.img, A);
	assert_null(shrink_digests(&f.img, &salt));
	assert_int_equal(fake_shadow_get(&f, A) >> 48, DIGEST_FIRST);
	assert_int_equal(fake_shadow_get(&f, A + 8), 0);
	assert_int_equal(fake_shadow_get(&f, A + 16), FAKE_NEXT);
	assert_int_equal(fake_shadow_get(&f, A + 24) >> 48, DIGEST_WORD);
}

static void test_at_the_end_of_the_file(void **state)
{
	(void)state;
	put_text(FAKE_TEXT + FAKE_PAGE - 12, "twelve bytes");
	image_compare(&f.img, FAKE_TEXT + FAKE_PAGE - 12, 12);
	assert_null(shrink_digests(&f.img, &salt));
	assert_int_equal(load_u64(f.to + sizeof(f.to) - 12) >> 48, DIGEST_FIRST);
	assert_int_equal(load_u64(f.to + sizeof(f.to) - 8) >> 32, 0);
}

static void test_no_room_to_note_them(void **state)
{
	(void)state;
	f.shadow.no_room = true;
	assert_ptr_equal(shrink_digests(&f.img, &salt), &err_nomem);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_equal_and_not),
		TEST(test_salts_differ),
		TEST(test_what_stays),
		TEST(test_at_the_end_of_the_file),
		TEST(test_no_room_to_note_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
