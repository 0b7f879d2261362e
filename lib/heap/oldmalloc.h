/*
 * heap/oldmalloc.h - musl's malloc up to 1.2.0 as its walker knows it: bins, runs of chunks, mappings.
 *
 * musl 1.1.0 to 1.2.0, src/malloc/malloc.c, memalign.c, expand_heap.c.  A chunk's header is the size of
 * the one before it and its own, both with a low bit for "in use"; the program holds what is 16 bytes
 * behind it, a multiple of 32.
 */
#ifndef HEAPFX_HEAP_OLDMALLOC_H
#define HEAPFX_HEAP_OLDMALLOC_H

#include "base/bits.h"
#include "heap/blocks.h"
#include "heap/damage.h"

enum {
	OLD_BINS = 64,
	OLD_BIN = 24,	 /* bytes: a lock, head and tail */
	OLD_ALIGN = 32,	 /* SIZE_ALIGN */
	OLD_HEADER = 16, /* OVERHEAD */
	OLD_IN_USE = 1,
	OLD_PAGE = 4096,
};

struct old_bins {
	taddr at;		   /* of the first bin; binmap is in front of it */
	unsigned n_filled, n_used; /* with chunks; initialised at all */
	bool by_code;
};

/* A claim: chunks one behind the other, or one in a mapping of its own. */
struct old_run {
	taddr start, end; /* the first chunk; the chunk of size 0 at its end, or the mapping's */
	taddr chunk;	  /* mapped: where the chunk is in it; else 0 */
	bool broken;	  /* it does not end in a chunk of size 0 */
	uint64_t n_used, used, n_free, free, largest_free;
	uint64_t passed, failed;
	struct damages damage;
};

struct old_heap {
	struct env *env;
	const struct image *img;
	struct old_bins bins;
	struct {
		struct old_run *v; /* by start */
		size_t n, cap;
	} runs;
	uint64_t n_binned;
	uint64_t passed, failed;
	struct damages damage;
	struct heap_info info;
	struct heap_arena arenas[2];
	bool have_info;
};

struct old_chunk {
	uint64_t psize, csize;
};

static inline uint64_t old_size(uint64_t word)
{
	return word & ~(uint64_t)OLD_IN_USE;
}
bool old_read_chunk(const struct image *img, taddr at, struct old_chunk *ret);

/* ---- oldmalloc_bins.c */
bool old_find_bins(struct env *env, const struct image *img, struct old_bins *ret);
/* The bin for a size. */
unsigned old_bin_index(uint64_t size);
/* Follows the lists; *ret_n: chunks in them. */
void old_read_lists(struct old_heap *h);

/* ---- oldmalloc_runs.c */
struct err *old_find_runs(struct old_heap *h) MUST_CHECK;
enum old_step {
	OLD_OK,	    /* both sizes agree */
	OLD_MENDED, /* they do not, but it is clear where the next chunk is */
	OLD_LOST,
};
/*
 * From one chunk to the next, which lies at most at `limit`.  *ret_bad is the header that is wrong
 * when it is not OLD_OK.  `budget`: places that may be tried where one is.
 */
enum old_step old_next_chunk(const struct image *img, taddr at, taddr limit, uint64_t *budget,
			     taddr *ret_next, taddr *ret_bad);

#endif
