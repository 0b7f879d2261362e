/*
 * freed_by.c - which thread's cache a freed block is in.
 *
 * Source of truth: glibc 2.26 to 2.42, malloc/malloc.c (tcache_perthread_struct, tcache_put; from
 * 2.32 on links are XORed with their own address >> 12).  A word of a thread's static TLS points at
 * its cache, which is no block of the program's; the words of that which lead to cached blocks
 * begin lists of them.  When a thread allocates, chunks of that size go from the arena's bins to
 * its cache too, up to seven: so `probably`.
 */
#include "freed_by.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "image/resident.h"

enum {
	TLS_NEAR = 4096, /* from the thread pointer, where libc's variables may lie */
	THREADS_MAX = 4096,
	CACHE_BYTES = 1024, /* no version's is larger */
	STEPS_MAX = 1 << 22, /* words of caches and blocks in them, of all threads together */
};

/* A block in some cache of glibc's; false: it is none. */
static bool is_cached(const struct run *run, taddr at, struct block *ret)
{
	uint32_t id = at & 15 ? BLOCK_NONE : block_at(&run->blocks, at);

	if (id == BLOCK_NONE)
		return false;
	block_get(&run->blocks, id, ret);
	return !ret->used && ret->addr == at && ret->where && !strcmp(ret->where, "tcache") &&
	       ret->heap->info && !strcmp(ret->heap->info->allocator, "glibc");
}

/* What follows in its list. */
static bool next_of(const struct run *run, taddr at, struct block *ret)
{
	uint64_t word;

	return !image_read_u64(run->image, at, &word) &&
	       (is_cached(run, word ^ at >> 12, ret) || is_cached(run, word, ret));
}

static struct err *add_list(const struct run *run, struct block b, uint32_t thread, uint64_t *left,
			    struct freed_by *f)
{
	for (bool more = true; more && *left; (*left)--) {
		struct freed freed = { b.id, thread };
		taddr at = b.addr;

		if (!vec_push(f, &freed))
			return &err_nomem;
		more = next_of(run, at, &b);
	}
	return NULL;
}

/* No memory of the program's: the cache is the allocator's own. */
static bool may_be_cache(const struct run *run, taddr at)
{
	uint32_t id = at && !(at & 15) ? block_at(&run->blocks, at) : BLOCK_NONE;
	struct block b;

	if (!at || at & 15 || !blocks_claim_at(&run->blocks, at))
		return false;
	if (id == BLOCK_NONE)
		return true;
	block_get(&run->blocks, id, &b);
	return b.filler;
}

static struct err *add_cache(const struct run *run, taddr cache, uint32_t thread, uint64_t *left,
			     struct freed_by *f)
{
	struct err *err = NULL;
	struct block b;
	uint64_t word;

	for (taddr at = cache; at < cache + CACHE_BYTES && *left && !err; at += 8) {
		--*left;
		if (block_get_at(&run->blocks, at, &b))
			break; /* behind its end */
		if (!image_read_u64(run->image, at, &word) && is_cached(run, word, &b))
			err = add_list(run, b, thread, left, f);
	}
	return err;
}

static int by_block(const void *pa, const void *pb)
{
	const struct freed *a = pa, *b = pb;

	if (a->block != b->block)
		return a->block < b->block ? -1 : 1;
	return a->thread < b->thread ? -1 : a->thread > b->thread;
}

/* Each once; in the caches of two threads none is. */
static void settle(struct freed_by *f)
{
	size_t n = 0, end;

	if (f->n)
		qsort(f->v, f->n, sizeof(*f->v), by_block);
	for (size_t i = 0; i < f->n; i = end) {
		for (end = i + 1; end < f->n && f->v[end].block == f->v[i].block; end++)
			;
		if (f->v[end - 1].thread == f->v[i].thread)
			f->v[n++] = f->v[i];
	}
	f->n = n;
}

struct err *freed_by_open(const struct run *run, struct freed_by *ret)
{
	uint64_t left = STEPS_MAX;
	struct err *err = NULL;

	*ret = (struct freed_by){};
	for (uint32_t i = 0; i < run->image->n_threads && i < THREADS_MAX && !err; i++) {
		taddr tp = run->image->threads[i].tp;
		uint64_t word, last = 0;

		for (taddr at = tp - TLS_NEAR; tp > TLS_NEAR && at < tp + TLS_NEAR && !err;
		     at += 8) {
			if (image_read_u64(run->image, at, &word) || word == last ||
			    !may_be_cache(run, word))
				continue;
			last = word;
			err = add_cache(run, word, i, &left, ret);
		}
		image_leave_all(run->image); /* its blocks lie anywhere in its arena */
	}
	settle(ret);
	return err;
}

const char *freed_beside(struct run *run, const struct freed_by *f, uint32_t block)
{
	const struct blocks *b = &run->blocks;
	struct block lost, beside;

	block_get(b, block, &lost);
	for (int side = -1; side <= 1; side += 2) {
		uint32_t id = block + (uint32_t)side;
		uint32_t thread = id < b->grains.n ? freed_by_thread(f, id) : UINT32_MAX;

		if (thread == UINT32_MAX)
			continue;
		block_get(b, id, &beside);
		if (side < 0 ? beside.start + beside.size == lost.start :
			       lost.start + lost.size == beside.start)
			return arena_printf(
				&run->report.mem,
				"probably thread %u: the block of %" PRIu64
				" bytes %s is in its cache",
				run->image->threads[thread].tid, beside.size,
				side < 0 ? "in front" : "behind");
	}
	return NULL;
}

void freed_by_close(struct freed_by *f)
{
	free(f->v);
	*f = (struct freed_by){};
}

uint32_t freed_by_thread(const struct freed_by *f, uint32_t block)
{
	size_t i = partition_point(f->n, k, f->v[k].block < block);

	return i < f->n && f->v[i].block == block ? f->v[i].thread : UINT32_MAX;
}
