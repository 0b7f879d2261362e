/* base/hash.c - XXH64 as its specification has it: four lanes of eight bytes, then what is left. */
#include "base/hash.h"

#include <string.h>

static const uint64_t p1 = 0x9e3779b185ebca87, p2 = 0xc2b2ae3d27d4eb4f, p3 = 0x165667b19e3779f9,
		      p4 = 0x85ebca77c2b2ae63, p5 = 0x27d4eb2f165667c5;

static uint64_t rotate(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

static uint64_t get_u64(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static uint64_t mix(uint64_t lane, uint64_t v)
{
	return rotate(lane + v * p2, 31) * p1;
}

static uint64_t merge(uint64_t h, uint64_t lane)
{
	return (h ^ mix(0, lane)) * p1 + p4;
}

static uint64_t stripes(const uint8_t *s, uint64_t n)
{
	uint64_t a = p1 + p2, b = p2, c = 0, d = 0 - p1, h;

	for (; n >= 32; n -= 32, s += 32) {
		a = mix(a, get_u64(s));
		b = mix(b, get_u64(s + 8));
		c = mix(c, get_u64(s + 16));
		d = mix(d, get_u64(s + 24));
	}
	h = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
	return merge(merge(merge(merge(h, a), b), c), d);
}

uint64_t hash_bytes(const void *bytes, uint64_t n)
{
	const uint8_t *s = n ? bytes : (const uint8_t *)""; /* no bytes may be at NULL */
	uint64_t h = n >= 32 ? stripes(s, n) : p5, left = n & 31;

	h += n;
	for (s += n - left; left >= 8; left -= 8, s += 8)
		h = rotate(h ^ mix(0, get_u64(s)), 27) * p1 + p4;
	if (left >= 4) {
		uint32_t v;

		memcpy(&v, s, sizeof(v));
		h = rotate(h ^ v * p1, 23) * p2 + p3;
		left -= 4;
		s += 4;
	}
	for (; left; left--)
		h = rotate(h ^ *s++ * p5, 11) * p1;
	h = (h ^ h >> 33) * p2;
	h = (h ^ h >> 29) * p3;
	return h ^ h >> 32;
}
