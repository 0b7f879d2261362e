/* base/words.h - which of many words lie in a range: the first look at all of memory. */
#ifndef HEAPFX_BASE_WORDS_H
#define HEAPFX_BASE_WORDS_H

#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

#include "base/bits.h"

/* Bit i: little-endian word i (of n <= 64) lies in [low, low + span). */
static inline uint64_t words_in_range(uint64_t low, uint64_t span, const uint8_t *words, unsigned n)
{
	uint64_t mask = 0;
	unsigned i = 0;

#ifdef __SSE4_2__
	/* Unsigned (v - low) < span by a signed comparison: both moved by 2^63. */
	const uint64_t top = 1ull << 63;
	__m128i lows = _mm_set1_epi64x((long long)(low + top));
	__m128i spans = _mm_set1_epi64x((long long)(span + top));

	for (; i + 8 <= n; i += 8) {
		unsigned m = 0;

		for (unsigned k = 0; k < 8; k += 2) {
			const void *at = words + 8 * (i + k);
			__m128i v = _mm_loadu_si128(at);

			v = _mm_cmpgt_epi64(spans, _mm_sub_epi64(v, lows));
			m |= (unsigned)_mm_movemask_pd(_mm_castsi128_pd(v)) << k;
		}
		mask |= (uint64_t)m << i;
	}
#endif
	for (; i < n; i++)
		mask |= (uint64_t)(load_u64(words + 8 * i) - low < span) << i;
	return mask;
}

#endif
