/*
 * report/tree.h - bounded pictures of memory: what holds what, and what each part of the address
 * space is used for.
 *
 * Strings as in report.h: of the report's arena, raw bytes of the dump.
 */
#ifndef HEAPFX_REPORT_TREE_H
#define HEAPFX_REPORT_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define TREE_TOP UINT32_MAX

/* What it takes away when it goes: a node of the dominator tree, or several alike. */
struct rp_tree_row {
	uint32_t parent;  /* index of a row before this one; TREE_TOP: nothing holds it alone */
	const char *name; /* its type, or "64-byte block" */
	uint64_t address; /* 0: several together */
	uint64_t count;	  /* how many it stands for, without what hangs below them */
	uint64_t total;	  /* bytes, with all below; those of children never add up to more */
};
struct rp_tree {
	const struct rp_tree_row *rows; /* a parent first; siblings by `total`, largest first */
	size_t n;
	uint64_t told, nodes; /* nodes with a row of their own; all that the tree is of */
};

/*
 * The least total of rows such that at most `max` have it or more.  What holds a row has more than
 * it: those are a tree too.
 */
struct err *tree_least(const struct rp_tree_row *rows, size_t n, size_t max,
		       uint64_t *ret) MUST_CHECK;

/* A range of the address space, and how much of each piece of it is in use. */
struct rp_bucket {
	uint64_t used, free; /* bytes; the rest is the allocator's own, or given to nobody yet */
};
struct rp_space {
	uint64_t start, end;
	const char *kind;    /* "heap", "stack", "module", "mapping" */
	const char *name;    /* "glibc: the main arena", a path; NULL = none */
	uint64_t used, free; /* of a heap */
	uint64_t largest_free; /* of its free memory, the longest piece in a row */
	const struct rp_bucket *buckets; /* of a heap: `bucket` bytes each, from `start` on */
	size_t n_buckets;
	uint64_t bucket;
};

#endif
