/* base/sort.h - many records by address: qsort() takes longer than it took to find them. */
#ifndef HEAPFX_BASE_SORT_H
#define HEAPFX_BASE_SORT_H

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

typedef int sort_cmp(const void *a, const void *b);

enum {
	SORT_FEW = 1 << 12, /* so many take no time */
	SORT_BITS = 11,
	SORT_KEYS = 1 << SORT_BITS,
};

/* One pass of a radix sort, by SORT_BITS of the key; those of equal ones keep their order. */
static inline void sort_pass(const uint8_t *from, uint8_t *to, size_t n, size_t size,
			     unsigned shift)
{
	size_t first[SORT_KEYS] = {}, sum = 0;

	for (size_t i = 0; i < n; i++)
		first[load_u64(from + i * size) >> shift & (SORT_KEYS - 1)]++;
	for (size_t k = 0; k < SORT_KEYS; k++) {
		size_t count = first[k];

		first[k] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++) {
		size_t at = first[load_u64(from + i * size) >> shift & (SORT_KEYS - 1)]++;

		memcpy(to + at * size, from + i * size, size);
	}
}

/* Records with one key next to each other are few: those `cmp` tells apart. */
static inline void sort_equal(uint8_t *v, size_t n, size_t size, sort_cmp *cmp)
{
	for (size_t i = 0, end; i < n; i = end) {
		uint64_t key = load_u64(v + i * size);

		for (end = i + 1; end < n && load_u64(v + end * size) == key;)
			end++;
		if (end - i > 1)
			qsort(v + i * size, end - i, size, cmp);
	}
}

/*
 * As qsort(v, n, size, cmp) does, for records of eight-byte words whose first is the key that `cmp`
 * looks at before all else.  Bits that all keys have in common need no pass.
 */
static inline void sort_by_key(void *v, size_t n, size_t size, sort_cmp *cmp)
{
	uint8_t *from = v, *to = n < SORT_FEW ? NULL : malloc(n * size), *spare = to;
	uint64_t differ = 0, key = n ? load_u64(from) : 0;

	if (!to) {
		if (n)
			qsort(v, n, size, cmp);
		return;
	}
	for (size_t i = 1; i < n; i++)
		differ |= load_u64(from + i * size) ^ key;
	for (unsigned shift = (unsigned)__builtin_ctzll(differ | 1ull << 63);
	     shift < 64 && differ >> shift; shift += SORT_BITS) {
		uint8_t *sorted = to;

		sort_pass(from, to, n, size, shift);
		to = from;
		from = sorted;
	}
	if (from != v)
		memcpy(v, from, n * size);
	sort_equal(v, n, size, cmp);
	free(spare);
}

#endif
