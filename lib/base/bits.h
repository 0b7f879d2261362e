/* base/bits.h - bit sets in uint64_t words, alignment, overflow-checked arithmetic. */
#ifndef HEAPFX_BASE_BITS_H
#define HEAPFX_BASE_BITS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool bit_get(const uint64_t *set, uint64_t i)
{
	return set[i >> 6] >> (i & 63) & 1;
}

static inline void bit_set(uint64_t *set, uint64_t i)
{
	set[i >> 6] |= 1ull << (i & 63);
}

static inline void bit_clear(uint64_t *set, uint64_t i)
{
	set[i >> 6] &= ~(1ull << (i & 63));
}

/* Bits [first, end). */
static inline void bits_set_range(uint64_t *set, uint64_t first, uint64_t end)
{
	while (first < end) {
		uint64_t rest = 64 - (first & 63), n = end - first < rest ? end - first : rest;

		set[first >> 6] |= ~0ull >> (64 - n) << (first & 63);
		first += n;
	}
}

/* Is one of the bits [first, end) set? */
static inline bool bits_any(const uint64_t *set, uint64_t first, uint64_t end)
{
	while (first < end) {
		uint64_t rest = 64 - (first & 63), n = end - first < rest ? end - first : rest;

		if (set[first >> 6] & ~0ull >> (64 - n) << (first & 63))
			return true;
		first += n;
	}
	return false;
}

/* How many bits [first, end) are set. */
static inline uint64_t bits_count(const uint64_t *set, uint64_t first, uint64_t end)
{
	uint64_t count = 0;

	while (first < end) {
		uint64_t rest = 64 - (first & 63), n = end - first < rest ? end - first : rest;
		uint64_t of = ~0ull >> (64 - n) << (first & 63);

		count += (uint64_t)__builtin_popcountll(set[first >> 6] & of);
		first += n;
	}
	return count;
}

static inline uint64_t bits_words(uint64_t n_bits)
{
	return n_bits / 64 + (n_bits % 64 != 0);
}

/*
 * Place of the bit that has `n` set bits below it; there are more than n.  Sums of the bytes' bits
 * find the byte (Vigna, "Broadword implementation of rank/select queries", 2008).
 */
static inline unsigned nth_bit(uint64_t word, unsigned n)
{
	const uint64_t ones = 0x0101010101010101, high = 0x8080808080808080;
	uint64_t sums = word - (word >> 1 & 0x5555555555555555);
	unsigned below, byte;

	sums = (sums & 0x3333333333333333) + (sums >> 2 & 0x3333333333333333);
	sums = ((sums + (sums >> 4)) & 0x0f0f0f0f0f0f0f0f) * ones; /* byte i: bits of 0 to i */
	below = (unsigned)__builtin_popcountll(((n * ones | high) - sums) & high);
	n -= (unsigned)(sums << 8 >> 8 * below & 0xff);
	for (byte = (unsigned)(word >> 8 * below & 0xff); n; n--)
		byte &= byte - 1;
	return 8 * below + (unsigned)__builtin_ctz(byte);
}

static inline bool is_pow2(uint64_t n)
{
	return n && !(n & (n - 1));
}

static inline uint64_t align_down(uint64_t n, uint64_t align) /* align: a power of two */
{
	return n & ~(align - 1);
}

static inline uint64_t align_up(uint64_t n, uint64_t align) /* may wrap to 0 at the top */
{
	return (n + align - 1) & ~(align - 1);
}

static inline bool checked_add(uint64_t a, uint64_t b, uint64_t *ret)
{
	return !__builtin_add_overflow(a, b, ret);
}

static inline bool checked_mul(uint64_t a, uint64_t b, uint64_t *ret)
{
	return !__builtin_mul_overflow(a, b, ret);
}

/* [start, start + len) lies inside [0, end). */
static inline bool range_fits(uint64_t start, uint64_t len, uint64_t end)
{
	return start <= end && len <= end - start;
}

/* Little-endian loads from bytes that a caller has bounds-checked. */
static inline uint64_t load_u64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t load_u32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint16_t load_u16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline bool bytes_are_zero(const uint8_t *b, uint64_t n)
{
	return !n || (!b[0] && !memcmp(b, b + 1, n - 1));
}

#endif
