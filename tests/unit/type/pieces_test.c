/* Overlapping ranges cut into disjoint ones, against an owner for each single address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "type/pieces.h"

enum { SPACE = 200, MAX_RANGES = 12 };

static void test_random(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (unsigned round = 0; round < 5000; round++) {
		struct piece in[MAX_RANGES], *out = NULL;
		uint32_t want[SPACE], got[SPACE];
		size_t n_out = 0, n = round % (MAX_RANGES + 1);

		for (unsigned i = 0; i < SPACE; i++)
			want[i] = got[i] = PIECE_EXCLUDED - 1;
		for (size_t i = 0; i < n; i++) {
			uint64_t start, size;

			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			start = (seed >> 33) % SPACE;
			size = (seed >> 45) % (SPACE - start + 1); /* 0: an empty range changes nothing */
			in[i] = (struct piece){ start, start + size, seed >> 62 ? (uint32_t)i : PIECE_EXCLUDED };
		}
		for (size_t i = n; i--;) /* the first named wins */
			for (uint64_t a = in[i].start; a < in[i].end && in[i].owner != PIECE_EXCLUDED; a++)
				want[a] = in[i].owner;
		for (size_t i = 0; i < n; i++)
			for (uint64_t a = in[i].start; a < in[i].end && in[i].owner == PIECE_EXCLUDED; a++)
				want[a] = PIECE_EXCLUDED - 1;
		assert_null(pieces_cut(in, n, &out, &n_out));
		for (size_t i = 0; i < n_out; i++) {
			assert_true(out[i].start < out[i].end);
			assert_true(!i || out[i - 1].owner <= out[i].owner);
			for (uint64_t a = out[i].start; a < out[i].end; a++) {
				assert_int_equal(got[a], PIECE_EXCLUDED - 1);
				got[a] = out[i].owner;
			}
		}
		assert_memory_equal(got, want, sizeof(want));
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
