/*
 * oldmalloc.c - the walker of musl's malloc up to 1.2.0: bids, claims, lists, explains, sums up.
 *
 * The steps before are files of their own: oldmalloc_bins.c, oldmalloc_runs.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fetch.h"
#include "base/guard.h"
#include "base/search.h"
#include "heap/oldmalloc.h"
#include "image/shadow.h"

enum {
	ARENA_RUNS = 0,
	ARENA_MAPPED = 1,
	KIND_RUN = 0,
	KIND_MAPPED = 1,
	SEARCHES = 8 /* through a whole run */,
	EXPLAIN_TRIES = 1 << 16,
	AHEAD = 4096, /* bytes between a header and those that are fetched meanwhile */
	AHEAD_BYTES = 128
};

static void old_close(void *ctx)
{
	struct old_heap *h = ctx;

	if (!h)
		return;
	for (size_t i = 0; i < h->runs.n; i++)
		damages_free(&h->runs.v[i].damage);
	damages_free(&h->damage);
	free(h->runs.v);
	free(h);
}

static void guard_heap(struct old_heap **h)
{
	old_close(*h);
}

static struct err *old_open(struct env *env, const struct image *img, void **ret_ctx)
{
	_cleanup_(guard_heap) struct old_heap *h = calloc(1, sizeof(*h));
	struct err *err;

	if (!h)
		return &err_nomem;
	h->env = env;
	h->img = img;
	if (!old_find_bins(env, img, &h->bins))
		return err_new(ERR_FORMAT, "no bins of musl's malloc");
	err = old_find_runs(h);
	if (err)
		return err;
	old_read_lists(h);
	*ret_ctx = take(&h);
	return NULL;
}

static void say_why(const struct old_bins *b, char *ret, size_t n)
{
	snprintf(ret, n,
		 "64 bins of musl's malloc before 1.2.1 at 0x%" PRIx64
		 " by layout%s, %u with chunks",
		 b->at, b->by_code ? "+disassembly" : "", b->n_filled);
}

static void old_bid(struct env *env, const struct image *img, struct walker_bid *ret)
{
	struct old_bins b;

	if (!old_find_bins(env, img, &b))
		return;
	ret->score = 70 + 10 * b.by_code;
	say_why(&b, ret->why, sizeof(ret->why));
}

static struct err *old_claim(void *ctx, struct claim_sink *sink)
{
	const struct old_heap *h = ctx;

	for (size_t i = 0; i < h->runs.n; i++) {
		const struct old_run *r = &h->runs.v[i];
		struct claim claim = {
			.start = r->start,
			.end = r->end,
			.arena = r->chunk ? UINT32_MAX : ARENA_RUNS,
			.kind = r->chunk ? KIND_MAPPED : KIND_RUN,
			.bias = OLD_HEADER,
			.overhead = OLD_HEADER,
		};
		struct err *err = sink->add(sink, &claim);

		if (err)
			return err;
	}
	return NULL;
}

/* ---- blocks */

static void list_chunk(struct old_run *r, taddr at, uint64_t size, bool used,
		       struct block_sink *sink)
{
	block_sink_add(sink, at + OLD_HEADER, used);
	if (used) {
		r->n_used++;
		r->used += size;
		return;
	}
	r->n_free++;
	r->free += size;
	if (size > r->largest_free)
		r->largest_free = size;
}

static void walk_mapped(struct old_run *r, struct block_sink *sink)
{
	if (r->chunk != r->start)
		block_sink_gap(sink, r->start + OLD_HEADER);
	list_chunk(r, r->chunk, r->end - r->chunk, true, sink);
	r->passed++;
}

/* A header that was run over: what it says of use is not believed, but what the next chunk says. */
static bool is_used(const struct old_heap *h, taddr at, taddr next, enum old_step step, taddr bad)
{
	struct old_chunk c = { .csize = OLD_IN_USE }, behind = { .psize = OLD_IN_USE };

	if (step == OLD_LOST)
		return true;
	(void)old_read_chunk(h->img, at, &c); /* in use unless they say otherwise */
	if (step == OLD_MENDED && bad != at)
		step = OLD_OK;
	if (step == OLD_MENDED && old_read_chunk(h->img, next, &behind) &&
	    old_size(behind.psize) == next - at)
		return behind.psize & OLD_IN_USE;
	return step == OLD_MENDED || c.csize & OLD_IN_USE;
}

/*
 * Sound chunks that lie in one stretch of the dump, nearly all there are: listed by the place of their
 * grains alone.  Returns where they end.
 */
static taddr walk_sound(struct old_heap *h, struct old_run *r, taddr at, struct block_sink *sink)
{
	uint64_t avail, grain = grain_of(sink->grains, at + OLD_HEADER), n_used = 0, used = 0, n = 0;
	const uint8_t *bytes = image_view(h->img, at, &avail), *start = bytes;
	unsigned shift = sink->grains->shift;

	if (bytes && avail > r->end - at + OLD_HEADER)
		avail = r->end - at + OLD_HEADER;
	while (bytes && avail >= 2 * OLD_HEADER) {
		uint64_t csize = load_u64(bytes + 8), size = old_size(csize);

		fetch_stream(bytes, avail, AHEAD, AHEAD_BYTES);
		if (size < OLD_ALIGN || size & (OLD_ALIGN - 1) || size > avail - OLD_HEADER ||
		    load_u64(bytes + size) != csize)
			break;
		grains_set_start(sink->grains, grain);
		if (csize & OLD_IN_USE) {
			bit_set(sink->used, grain);
			n_used++;
			used += size;
		} else if (size > r->largest_free) {
			r->largest_free = size;
		}
		n++;
		grain += size >> shift;
		bytes += size;
		avail -= size;
	}
	r->passed += n;
	r->n_used += n_used;
	r->used += used;
	r->n_free += n - n_used;
	r->free += (uint64_t)(bytes - start) - used;
	return at + (uint64_t)(bytes - start);
}

static taddr walk_damaged(struct old_heap *h, struct old_run *r, taddr at, uint64_t *budget,
			  struct block_sink *sink)
{
	taddr next, bad = 0;
	enum old_step step = old_next_chunk(h->img, at, r->end, budget, &next, &bad);

	if (step == OLD_OK) {
		r->passed++;
	} else {
		r->failed++;
		damage_add(&r->damage, h->env, bad,
			   "chunk at 0x%" PRIx64
			   ": its size and what the next one says of it disagree%s",
			   bad,
			   step == OLD_LOST ? "; the rest of the heap is one block" :
					      "; likely an overrun of the block before it");
	}
	if (step == OLD_LOST)
		next = r->end;
	list_chunk(r, at, next - at, is_used(h, at, next, step, bad), sink);
	return next;
}

static struct err *old_walk(void *ctx, uint32_t claim, struct block_sink *sink)
{
	struct old_heap *h = ctx;
	struct old_run *r = &h->runs.v[claim];
	uint64_t budget = (r->end - r->start) / OLD_ALIGN * SEARCHES;

	if (r->chunk) {
		walk_mapped(r, sink);
		return NULL;
	}
	for (taddr at = r->start; at < r->end;) {
		at = walk_sound(h, r, at, sink);
		if (at < r->end)
			at = walk_damaged(h, r, at, &budget, sink);
	}
	return NULL;
}

/* ---- totals */

static void sum_run(struct old_heap *h, struct old_run *r)
{
	struct heap_arena *a = &h->arenas[r->chunk ? ARENA_MAPPED : ARENA_RUNS];

	a->bytes += r->end - r->start;
	a->n_used += r->n_used;
	a->used += r->used;
	a->n_free += r->n_free;
	a->free += r->free;
	if (r->largest_free > a->largest_free)
		a->largest_free = r->largest_free;
	h->passed += r->passed;
	h->failed += r->failed;
	damages_move(&h->damage, h->env, &r->damage);
}

static void check_binned(struct old_heap *h, uint64_t n_free)
{
	/* Each thread may have one chunk in hand that it took from a bin. */
	if (n_free == h->n_binned) {
		h->passed++;
	} else {
		h->failed++;
		diag(h->env, "heap/free-lists", h->bins.at,
		     "%" PRIu64 " chunks are free by their sizes, and %" PRIu64 " are in bins",
		     n_free, h->n_binned);
	}
}

static const struct heap_info *old_info(void *ctx)
{
	struct old_heap *h = ctx;
	struct heap_info *info = &h->info;

	if (h->have_info)
		return info;
	h->have_info = true;
	info->allocator = "musl";
	snprintf(info->version, sizeof(info->version), "1.2.0 or earlier");
	snprintf(info->how, sizeof(info->how), "%slayout", h->bins.by_code ? "disassembly+" : "");
	say_why(&h->bins, info->why, sizeof(info->why));
	for (size_t i = 0; i < h->runs.n; i++)
		sum_run(h, &h->runs.v[i]);
	h->arenas[ARENA_RUNS].addr = h->bins.at - 8;
	h->arenas[ARENA_MAPPED].kind = ARENA_MMAP;
	info->arenas = h->arenas;
	info->n_arenas = h->arenas[ARENA_MAPPED].bytes ? 2 : 1;
	for (size_t i = 0; i < info->n_arenas; i++) {
		struct heap_arena *a = &h->arenas[i];

		a->overhead = a->bytes - a->used - a->free;
		info->n_used += a->n_used;
		info->used += a->used;
		info->n_free += a->n_free;
		info->free += a->free;
		info->overhead += a->overhead;
	}
	check_binned(h, info->n_free);
	if (info->n_free)
		info->wheres[info->n_wheres++] =
			(struct where_total){ "bin", info->n_free, info->free, 0 };
	info->knows_returnable = true; /* nothing does: free() gives back what it can */
	info->checks_passed = h->passed;
	info->checks_failed = h->failed;
	info->damage = h->damage.v;
	info->n_damage = h->damage.n;
	return info;
}

/* ---- one block in words */

static const char *old_explain(void *ctx, taddr block, struct text *ret)
{
	const struct old_heap *h = ctx;
	taddr at = block - OLD_HEADER, next = 0, bad = at;
	uint64_t budget = EXPLAIN_TRIES;
	size_t i = partition_point(h->runs.n, k, h->runs.v[k].start <= at);
	const struct old_run *r = i ? &h->runs.v[i - 1] : NULL;
	struct old_chunk c;
	enum old_step step;

	if (!r || at >= r->end || !old_read_chunk(h->img, at, &c))
		return NULL;
	if (r->chunk) {
		text_printf(ret,
			    "chunk of its own mapping 0x%" PRIx64 "-0x%" PRIx64 ", size 0x%" PRIx64,
			    r->start, r->end, c.csize);
		return NULL;
	}
	text_printf(ret, "chunk of the heap at 0x%" PRIx64 "-0x%" PRIx64 ", size 0x%" PRIx64,
		    r->start, r->end, old_size(c.csize));
	step = old_next_chunk(h->img, at, r->end, &budget, &next, &bad);
	if (step != OLD_OK)
		text_add(ret, ", which is damaged");
	if (is_used(h, at, next, step, bad))
		return NULL;
	text_printf(ret, ", free: bin %u", old_bin_index(next - at));
	return "bin";
}

static struct err *old_metadata(void *ctx, struct claim_sink *sink)
{
	const struct old_heap *h = ctx;
	struct claim mal = { .start = h->bins.at - 8, .end = h->bins.at + OLD_BINS * OLD_BIN };

	return sink->add(sink, &mal);
}

static void keep_header(const void *ctx, taddr mem)
{
	const struct old_heap *h = ctx;

	image_keep(h->img, mem - OLD_HEADER, OLD_HEADER);
}

/* Sound chunks are read in views; behind the last one there is a header without a block. */
static struct err *old_keep(void *ctx, const struct blocks *b)
{
	const struct old_heap *h = ctx;

	blocks_each_of(b, ctx, keep_header);
	for (size_t i = 0; i < h->runs.n; i++)
		image_keep(h->img, h->runs.v[i].end, OLD_HEADER);
	return NULL;
}

extern const struct walker_ops oldmalloc_walker;
const struct walker_ops oldmalloc_walker = {
	.name = "musl",
	.links = 16,
	.bid = old_bid,
	.open = old_open,
	.claim = old_claim,
	.walk = old_walk,
	.info = old_info,
	.explain = old_explain,
	.metadata = old_metadata,
	.keep = old_keep,
	.close = old_close,
};
