/*
 * base/fetch.h - for functions that only ask for memory ahead of its use.
 *
 * gcc 12 takes a function of prefetches alone for one without effect (ipa-pure-const), and leaves
 * out the calls that it has not inlined before that: static FETCHES void fetch_row(...).
 */
#ifndef HEAPFX_BASE_FETCH_H
#define HEAPFX_BASE_FETCH_H

#include <stdint.h>

#define FETCHES inline __attribute__((always_inline))

/*
 * Asks for the lines of bytes[at, at + size), if there are n of them, in a pass over all of these:
 * the processor foresees such a pass by itself, but for the first lines of each page.
 */
static FETCHES void fetch_stream(const uint8_t *bytes, uint64_t n, uint64_t at, unsigned size)
{
	if (at >= n || n - at < size)
		return;
	for (unsigned i = 0; i < size; i += 64)
		__builtin_prefetch(bytes + at + i);
}

#endif
