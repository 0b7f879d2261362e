/*
 * jemalloc_prof.c - the allocations that jemalloc's own profiler sampled (opt.prof), with their stacks.
 *
 * A sampled allocation has an extent of its own, whose edata_t leads to a prof_tctx_t (one thread at one
 * stack, with counters), that to a prof_gctx_t with the stack itself (prof_structs.h).  Fields of these
 * two lie elsewhere in each release; they are known by what they hold: a prof_gctx_t ends in a
 * prof_bt_t that points right behind itself.
 *
 * These structures are blocks that jemalloc takes from its own arenas.
 */
#include <stdlib.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "heap/jemalloc_fields.h"
#include "heap/samples.h"
#include "image/shadow.h"

enum {
	TCTX_WORDS = 32,
	GCTX_WORDS = 32,  /* before the prof_bt_t */
	COUNTS_BEFORE = 8, /* words of a prof_tctx_t, before the one that leads to the prof_gctx_t */
	STACK_MAX = 1024, /* PROF_BT_MAX_LIMIT */
	SLOW_BEFORE = 48, /* words of a tsd_t before its tcache_slow_t that may lead to its tdata */
	OWN_MAX = 1 << 20,
	LOCKS_MAX = 64 << 10, /* bytes of the locks of all prof_tdata_t's */
	ROUNDS_MAX = 128,
	LG_SHIFT = 3, /* SC_LG_TINY_MIN: of the unbiased counts */
};

/* Where the stack is in a prof_gctx_t: the word that points 16 bytes behind itself. */
static bool find_stack(const struct image *img, taddr gctx, taddr *ret_vec, uint64_t *ret_n)
{
	for (unsigned i = 2; i < GCTX_WORDS; i++) {
		uint64_t w[2];

		if (!je_words(img, gctx + i * 8, w, 2))
			return false;
		*ret_vec = gctx + i * 8 + 16;
		*ret_n = w[1] & UINT32_MAX;
		if (w[0] == *ret_vec && *ret_n && *ret_n <= STACK_MAX)
			return true;
	}
	return false;
}

/* The prof_gctx_t of a prof_tctx_t, and which word leads to it. */
static bool find_gctx(const struct image *img, taddr tctx, taddr *ret_gctx, unsigned *ret_word)
{
	uint64_t n;
	taddr vec;

	for (unsigned i = 5; i < TCTX_WORDS; i++) {
		if (image_read_u64(img, tctx + i * 8, ret_gctx) != MEM_OK)
			return false;
		*ret_word = i;
		if (*ret_gctx % 8 == 0 && find_stack(img, *ret_gctx, &vec, &n))
			return true;
	}
	return false;
}

/* 5.2: { nstime_t, tctx } at the end of the extent_t; 5.3: { nstime_t, size, tctx, .. }. 0, 1: not sampled. */
static taddr tctx_of(const struct jemalloc *je, const struct je_extent *x)
{
	bool old = je->copies.v[x->copy].form->tail_descriptor;
	uint64_t tctx = 0;

	if (x->state != JE_ACTIVE || x->slab ||
	    image_read_u64(je->img, x->edata + JE_BITMAP_AT + (old ? 8 : 16), &tctx) != MEM_OK ||
	    tctx < 4096)
		return 0;
	return tctx;
}

/* ---- samples */

/*
 * What one sample of a tctx stands for.  5.3 counts that itself, in words before the gctx: curobjs, the same
 * unbiased and shifted, curbytes, the same unbiased, and four of all that ever was.
 */
static void scale(const struct jemalloc *je, taddr tctx, unsigned gctx_word,
		  struct heap_sample *ret)
{
	uint64_t w[4];

	if (gctx_word < COUNTS_BEFORE + 3 ||
	    !je_words(je->img, tctx + (gctx_word - COUNTS_BEFORE) * 8, w, 4) || !w[0])
		return;
	ret->objects = (double)w[1] / (1 << LG_SHIFT) / (double)w[0];
	ret->bytes = (double)w[3] / (double)w[0];
}

void je_keep_prof(const struct jemalloc *je)
{
	for (size_t i = 0; i < je->n_extents; i++) {
		taddr tctx = je->extents[i].n_used ? tctx_of(je, &je->extents[i]) : 0, gctx;
		unsigned word;

		if (tctx && find_gctx(je->img, tctx, &gctx, &word) && word >= COUNTS_BEFORE + 3)
			image_keep(je->img, tctx + (word - COUNTS_BEFORE) * 8, 32);
	}
}

struct err *je_samples(void *ctx, struct sample_sink *sink)
{
	const struct jemalloc *je = ctx;
	_free_ taddr *pcs = calloc(STACK_MAX, sizeof(*pcs));
	struct err *err = pcs ? NULL : &err_nomem;

	for (size_t i = 0; i < je->n_extents && !err; i++) {
		const struct je_extent *x = &je->extents[i];
		struct heap_sample s = { .block = x->addr, .size = x->usable, .pcs = pcs };
		taddr tctx = x->n_used ? tctx_of(je, x) : 0, gctx, vec;
		unsigned word;

		if (!tctx || !find_gctx(je->img, tctx, &gctx, &word) ||
		    !find_stack(je->img, gctx, &vec, &s.n_pcs))
			continue;
		for (size_t k = 0; k < s.n_pcs; k++)
			if (image_read_u64(je->img, vec + k * 8, &pcs[k]) != MEM_OK)
				s.n_pcs = k;
		sample_skip_own(je->img, je->copies.v[x->copy].module, &s);
		scale(je, tctx, word, &s);
		err = sink->add(sink, &s);
	}
	return err;
}

/* ---- its own blocks */

struct set {
	taddr *v; /* sorted, each once, when a round begins */
	size_t n, cap;
};

struct search {
	struct jemalloc *je;
	struct set known, fresh, next; /* of this round; of the next one, in any order */
	uint64_t lock;		       /* of a prof_tdata_t: its locks lie together */
};

static void close_search(struct search *x)
{
	free(x->known.v);
	free(x->fresh.v);
	free(x->next.v);
}

/* Does a block in use begin at `at`? Its size. */
static uint64_t block_at_start(const struct jemalloc *je, taddr at)
{
	const struct je_extent *x = at % 8 ? NULL : je_extent_at(je, at);
	uint64_t size;

	if (!x || x->state != JE_ACTIVE)
		return 0;
	size = x->slab ? je->copies.v[x->copy].sizes[x->szind] : x->usable;
	return (x->slab ? (at - x->base) % size == 0 : at == x->addr) ? size : 0;
}

static bool has(const struct set *s, taddr at)
{
	size_t i = partition_point(s->n, k, s->v[k] < at);

	return i < s->n && s->v[i] == at;
}

static struct err *note(struct search *x, taddr at)
{
	if (x->next.n >= OWN_MAX || !block_at_start(x->je, at) || has(&x->known, at))
		return NULL;
	return vec_push(&x->next, &at) ? NULL : &err_nomem;
}

static int by_value(const void *a, const void *b)
{
	const taddr *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void sort_set(struct set *s)
{
	size_t kept = 0;

	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), by_value);
	for (size_t i = 0; i < s->n; i++)
		if (!kept || s->v[kept - 1] != s->v[i])
			s->v[kept++] = s->v[i];
	s->n = kept;
}

/* The blocks that those of this round lead to; of such blocks every pointer is to another one. */
static struct err *follow(struct search *x, taddr block)
{
	uint64_t size = block_at_start(x->je, block), avail = 0;
	const uint8_t *bytes = image_view(x->je->img, block, &avail);
	struct err *err = NULL;

	for (uint64_t i = 0; bytes && i + 8 <= size && i + 8 <= avail && !err; i += 8) {
		if (block_at_start(x->je, load_u64(bytes + i)))
			image_keep(x->je->img, block + i, 8);
		err = note(x, load_u64(bytes + i));
	}
	return err;
}

static struct err *close_over(struct search *x)
{
	for (unsigned round = 0; x->next.n && round < ROUNDS_MAX; round++) {
		struct err *err = NULL;

		free(x->fresh.v);
		sort_set(&x->next);
		x->fresh = x->next;
		x->next = (struct set){};
		for (size_t i = 0; i < x->fresh.n && !err; i++)
			err = vec_push(&x->known, &x->fresh.v[i]) ? NULL : &err_nomem;
		sort_set(&x->known);
		for (size_t i = 0; i < x->fresh.n && !err && x->known.n < OWN_MAX; i++)
			err = follow(x, x->fresh.v[i]);
		if (err)
			return err;
	}
	return NULL;
}

static struct err *note_sampled(struct search *x)
{
	const struct jemalloc *je = x->je;
	struct err *err = NULL;

	for (size_t i = 0; i < je->n_extents && !err; i++) {
		taddr tctx = tctx_of(je, &je->extents[i]), gctx, tdata;
		unsigned word;

		if (!tctx || !find_gctx(je->img, tctx, &gctx, &word))
			continue;
		if (image_read_u64(je->img, tctx, &tdata) == MEM_OK && block_at_start(je, tdata))
			(void)image_read_u64(je->img, tdata, &x->lock); /* 0 if it is not there */
		err = note(x, tctx);
	}
	return err;
}

/* A tsd_t leads to its thread's prof_tdata_t, which begins with one of an array of locks. */
static struct err *note_tdata(struct search *x, const struct je_cache *cache)
{
	struct err *err = NULL;

	for (unsigned i = 1; i <= SLOW_BEFORE && cache->low && !err; i++) {
		uint64_t tdata, lock;

		if (image_read_u64(x->je->img, cache->low - i * 8, &tdata) == MEM_OK &&
		    block_at_start(x->je, tdata) &&
		    image_read_u64(x->je->img, tdata, &lock) == MEM_OK &&
		    lock - x->lock + LOCKS_MAX < 2 * LOCKS_MAX)
			err = note(x, tdata);
	}
	return err;
}

/*
 * ckh_t: prng_state, count, lg_minbuckets u32, lg_curbuckets u32, two functions of the module, the table, whose
 * buckets are a cache line each.  Three of them are static: bt2gctx, and two of 5.2's log.
 */
static bool is_hash(const struct search *x, const struct je_copy *copy, const uint8_t *words)
{
	const struct module *m = copy->module;
	uint64_t lg = load_u64(words), hash = load_u64(words + 8), equal = load_u64(words + 16);

	return (lg & UINT32_MAX) <= lg >> 32 && lg >> 32 < 40 && hash > m->start && hash < m->end &&
	       equal > m->start && equal < m->end &&
	       block_at_start(x->je, load_u64(words + 24)) >= 64ull << (lg >> 32);
}

static struct err *note_tables(struct search *x, const struct je_copy *copy)
{
	const struct image *img = x->je->img;
	struct err *err = NULL;

	for (size_t i = 0; i < img->n_segments && copy->module; i++) {
		const struct segment *seg = &img->segments[i];

		if (!seg->bytes || !(seg->flags & SEG_W) ||
		    image_module_at(img, seg->start) != copy->module)
			continue;
		for (uint64_t at = 0; at + 32 <= seg->end - seg->start && !err; at += 8)
			if (is_hash(x, copy, seg->bytes + at)) {
				image_keep(img, seg->start + at, 32);
				err = note(x, load_u64(seg->bytes + at + 24));
			}
	}
	return err;
}

struct err *je_find_prof(struct jemalloc *je)
{
	_cleanup_(close_search) struct search x = { .je = je };
	struct err *err = note_sampled(&x);

	if (err || !x.next.n)
		return err;
	for (size_t i = 0; i < je->caches.n && !err; i++)
		err = note_tdata(&x, &je->caches.v[i]);
	if (!err)
		err = close_over(&x);
	for (size_t i = 0; i < je->copies.n && !err; i++)
		err = note_tables(&x, &je->copies.v[i]);
	if (!err)
		err = close_over(&x);
	for (size_t i = 0; i < x.known.n && !err; i++)
		err = vec_push(&je->own, &x.known.v[i]) ? NULL : &err_nomem;
	return err;
}
