/*
 * pool_truth.h - what a program knows of its pools, as totals of its truth:
 *
 *	pool.NAME.at	the address of its head, masked (truth.h)
 *	pool.NAME.parent	the same of the pool around it; not there without one
 *	pool.NAME.bytes, pool.NAME.blocks	that it took from malloc or the system
 *	pool.NAME.free	that it has not given out; not there if the program cannot say
 */
#ifndef HEAPFX_CORPUS_POOL_TRUTH_H
#define HEAPFX_CORPUS_POOL_TRUTH_H

#include <stdio.h>

#include "truth.h"

#define FREE_UNKNOWN UINT64_MAX

static inline void note_pool_total(const char *name, const char *what, uint64_t value)
{
	static char keys[64][48];
	static unsigned n;

	snprintf(keys[n], sizeof keys[n], "pool.%s.%s", name, what);
	truth_total(keys[n++], value);
}

static inline void note_pool(const char *name, const void *at, const void *parent, uint64_t bytes,
			     uint64_t blocks, uint64_t left)
{
	note_pool_total(name, "at", (uintptr_t)at ^ TRUTH_MASK);
	if (parent)
		note_pool_total(name, "parent", (uintptr_t)parent ^ TRUTH_MASK);
	note_pool_total(name, "bytes", bytes);
	note_pool_total(name, "blocks", blocks);
	if (left != FREE_UNKNOWN)
		note_pool_total(name, "free", left);
}

#endif
