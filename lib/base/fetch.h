/*
 * base/fetch.h - for functions that only ask for memory ahead of its use.
 *
 * gcc 12 takes a function of prefetches alone for one without effect (ipa-pure-const), and leaves
 * out the calls that it has not inlined before that: static FETCHES void fetch_row(...).
 */
#ifndef HEAPFX_BASE_FETCH_H
#define HEAPFX_BASE_FETCH_H

#define FETCHES inline __attribute__((always_inline))

#endif
