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

enum { FETCH_STEPS = 8 };

/*
 * The member of a list at bytes[at] leads to `next`, the one before led `*step` bytes on: what is
 * freed in a row lies evenly, so asks for where as many more such steps lead, as far as that is
 * among the n bytes.
 */
static FETCHES void fetch_steps(const uint8_t *bytes, uint64_t n, uint64_t at, uint64_t next,
				uint64_t *step)
{
	unsigned known = next - at == *step ? FETCH_STEPS - 1 : 1;

	*step = next - at;
	for (unsigned i = known; i < FETCH_STEPS; i++)
		if (next + i * *step < n)
			__builtin_prefetch(bytes + next + i * *step);
}

#endif
