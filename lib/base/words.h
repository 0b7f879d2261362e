/* base/words.h - which of many words, or bytes, lie in a range: the first look at all of memory. */
#ifndef HEAPFX_BASE_WORDS_H
#define HEAPFX_BASE_WORDS_H

#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

#include "base/bits.h"

#ifdef __SSE4_2__
/* For 8 words each: 16 bits, all ones or none. */
static inline __m128i eight_in_range(__m128i lows, __m128i spans, const uint8_t *words)
{
	__m128 v[4];

	for (unsigned i = 0; i < 4; i++) {
		const void *at = words + 16 * i;
		__m128i offsets = _mm_sub_epi64(_mm_loadu_si128(at), lows);

		v[i] = _mm_castsi128_ps(_mm_cmpgt_epi64(spans, offsets));
	}
	return _mm_packs_epi32(_mm_castps_si128(_mm_shuffle_ps(v[0], v[1], 0x88)),
			       _mm_castps_si128(_mm_shuffle_ps(v[2], v[3], 0x88)));
}

/* The same for each second of 16 words, and two ranges. */
static inline __m128i eight_seconds_in_ranges(const __m128i lows[2], const __m128i spans[2],
					      const uint8_t *words)
{
	__m128 v[4];

	for (unsigned i = 0; i < 4; i++) {
		const void *at = words + 32 * i, *next = words + 32 * i + 16;
		__m128i two = _mm_castpd_si128(_mm_loadh_pd(_mm_load_sd(at), next));

		v[i] = _mm_castsi128_ps(
			_mm_or_si128(_mm_cmpgt_epi64(spans[0], _mm_sub_epi64(two, lows[0])),
				     _mm_cmpgt_epi64(spans[1], _mm_sub_epi64(two, lows[1]))));
	}
	return _mm_packs_epi32(_mm_castps_si128(_mm_shuffle_ps(v[0], v[1], 0x88)),
			       _mm_castps_si128(_mm_shuffle_ps(v[2], v[3], 0x88)));
}

/* For 16 bytes: a bit each. */
static inline unsigned sixteen_in_range(__m128i low, __m128i last, const uint8_t *bytes)
{
	__m128i offsets = _mm_sub_epi8(_mm_loadu_si128((const void *)bytes), low);

	return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(offsets, last), offsets));
}
#endif

/* Bit i: byte i (of n <= 64) is one of the `span` (> 0) from `low` on. */
static inline uint64_t bytes_in_range(uint8_t low, uint8_t span, const uint8_t *bytes, unsigned n)
{
	uint64_t mask = 0;
	unsigned i = 0;

#ifdef __SSE4_2__
	__m128i lows = _mm_set1_epi8((char)low), lasts = _mm_set1_epi8((char)(span - 1));

	for (; i + 16 <= n; i += 16)
		mask |= (uint64_t)sixteen_in_range(lows, lasts, bytes + i) << i;
#endif
	for (; i < n; i++)
		mask |= (uint64_t)((uint8_t)(bytes[i] - low) < span) << i;
	return mask;
}

/* Bit i: byte i (of n <= 64) is not the one behind it, of which there is one more than n. */
static inline uint64_t bytes_followed_by_others(const uint8_t *bytes, unsigned n)
{
	uint64_t mask = 0;
	unsigned i = 0;

#ifdef __SSE4_2__
	for (; i + 16 <= n; i += 16) {
		__m128i these = _mm_loadu_si128((const void *)(bytes + i));
		__m128i next = _mm_loadu_si128((const void *)(bytes + i + 1));
		unsigned same = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(these, next));

		mask |= (uint64_t)(same ^ 0xffff) << i;
	}
#endif
	for (; i < n; i++)
		mask |= (uint64_t)(bytes[i] != bytes[i + 1]) << i;
	return mask;
}

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

	for (; i + 16 <= n; i += 16) {
		__m128i bytes = _mm_packs_epi16(eight_in_range(lows, spans, words + 8 * i),
						eight_in_range(lows, spans, words + 8 * i + 64));

		mask |= (uint64_t)(unsigned)_mm_movemask_epi8(bytes) << i;
	}
#endif
	for (; i < n; i++)
		mask |= (uint64_t)(load_u64(words + 8 * i) - low < span) << i;
	return mask;
}

/* Bit i: word 2 * i (of n <= 64 such) lies in one of two ranges. */
static inline uint64_t second_words_in_ranges(const uint64_t low[2], const uint64_t span[2],
					      const uint8_t *words, unsigned n)
{
	uint64_t mask = 0;
	unsigned i = 0;

#ifdef __SSE4_2__
	const uint64_t top = 1ull << 63;
	__m128i lows[2], spans[2];

	for (unsigned k = 0; k < 2; k++) {
		lows[k] = _mm_set1_epi64x((long long)(low[k] + top));
		spans[k] = _mm_set1_epi64x((long long)(span[k] + top));
	}
	for (; i + 16 <= n; i += 16) {
		const uint8_t *at = words + 16 * i;
		__m128i some = eight_seconds_in_ranges(lows, spans, at);
		__m128i more = eight_seconds_in_ranges(lows, spans, at + 128);

		mask |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_packs_epi16(some, more)) << i;
	}
#endif
	for (; i < n; i++) {
		uint64_t v = load_u64(words + 16 * i);

		mask |= (uint64_t)((v - low[0] < span[0]) | (v - low[1] < span[1])) << i;
	}
	return mask;
}

#endif
