/* base/words.h: masks of words and bytes against one look at a time, for every length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/words.h"

enum { WORDS = 64 };

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

static void bytes_in_a_range(void **state)
{
	static const uint8_t ranges[][2] = { { 0, 1 }, { 0, 255 }, { 3, 2 }, { 2, 4 }, { 250, 10 }, { 127, 2 }, { 255, 1 } };
	uint64_t seed = 1;

	(void)state;
	for (unsigned n = 0; n <= WORDS; n++)
		for (size_t k = 0; k < sizeof(ranges) / sizeof(ranges[0]); k++) {
			uint8_t bytes[WORDS];
			uint64_t want = 0;

			for (unsigned i = 0; i < n; i++) {
				bytes[i] = (uint8_t)(ranges[k][0] - 2 + next_random(&seed) % 8);
				for (unsigned v = 0; v < ranges[k][1]; v++)
					want |= (uint64_t)(bytes[i] == (uint8_t)(ranges[k][0] + v)) << i;
			}
			assert_int_equal(bytes_in_range(ranges[k][0], ranges[k][1], bytes, n), want);
		}
}

static void bytes_and_the_next(void **state)
{
	uint64_t seed = 2;

	(void)state;
	for (unsigned n = 0; n <= WORDS; n++)
		for (unsigned again = 0; again < 20; again++) {
			uint8_t bytes[WORDS + 1];
			uint64_t want = 0;

			for (unsigned i = 0; i <= n; i++)
				bytes[i] = (uint8_t)(next_random(&seed) % 2 * 255);
			for (unsigned i = 0; i < n; i++)
				want |= (uint64_t)(bytes[i] != bytes[i + 1]) << i;
			assert_int_equal(bytes_followed_by_others(bytes, n), want);
		}
}

static void words_in_ranges(void **state)
{
	static const uint64_t lows[] = { 0, 0x7f0000000000, 1ull << 63, UINT64_MAX - 100 }, spans[] = { 1, 100, 1ull << 40 };
	uint64_t seed = 3;

	(void)state;
	for (unsigned n = 0; n <= WORDS; n++)
		for (size_t k = 0; k < 12; k++) {
			uint64_t low[2] = { lows[k % 4], 0x1000 }, span[2] = { spans[k / 4], 0x10 };
			uint64_t words[2 * WORDS], one = 0, two = 0;

			for (unsigned i = 0; i < 2 * n; i++)
				words[i] = low[i & 2 ? 1 : 0] + span[i & 2 ? 1 : 0] - 2 + next_random(&seed) % 4;
			for (unsigned i = 0; i < n; i++) {
				one |= (uint64_t)(words[i] - low[0] < span[0]) << i;
				two |= (uint64_t)(words[2 * i] - low[0] < span[0] || words[2 * i] - low[1] < span[1]) << i;
			}
			assert_int_equal(words_in_range(low[0], span[0], (const uint8_t *)words, n), one);
			assert_int_equal(second_words_in_ranges(low, span, (const uint8_t *)words, n), two);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_in_a_range),
		cmocka_unit_test(bytes_and_the_next),
		cmocka_unit_test(words_in_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
