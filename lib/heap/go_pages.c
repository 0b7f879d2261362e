/*
 * heap/go_pages.c - pages without objects: idle, returned to the system, stacks, the heap's own data.
 *
 * Source of truth: runtime/{mpagealloc,mpallocbits,mpagecache,mheap,malloc}.go.  A chunk is 512 pages
 * with a bit each for "allocated" and "scavenged".  A processor's cache holds up to 64 pages that look
 * allocated.  Since 1.26 the pages in front of a random heap base have both bits and no span: the
 * runtime counts them as released.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "heap/go_spans.h"
#include "image/go_sched.h"

enum {
	CHUNK_PAGES = 512,
	L1 = 1 << 13, /* of pageAlloc.chunks */
	L2 = 1 << 13,
	SUMMARY_LEVELS = 5,
	PERSISTENT_CHUNK = 256 << 10, /* malloc.go */
	PERSISTENT_MAX = 1 << 20,
	PROCS_MAX = 1 << 16,
	CACHE_PAGES = 64,
	RANGES_MAX = 1 << 16, /* of pageAlloc.inUse */
	BITS_PAGE = 4096,
};
#define CHUNK_BYTES ((uint64_t)CHUNK_PAGES * GO_PAGE)
#define OWN_MAX (1ull << 40) /* bytes that one reservation of the runtime's may have */

enum page_state { PAGE_IDLE, PAGE_RETURNED, PAGE_STATES };

/* Pages found free, in any order; runs are joined as they come. */
struct pages {
	const struct go_heap *h;
	struct err *(*emit)(void *arg, taddr start, taddr end, enum page_state state);
	void *arg;
	taddr start, end; /* of the run that is open; none if equal */
	enum page_state state;
};

static struct err *close_run(struct pages *p)
{
	taddr start = p->start;

	p->start = p->end;
	return start < p->end ? p->emit(p->arg, start, p->end, p->state) : NULL;
}

static struct err *add_page(struct pages *p, taddr at, enum page_state state)
{
	struct err *err;

	if (at == p->end && state == p->state && p->start < p->end) {
		p->end += GO_PAGE;
		return NULL;
	}
	err = close_run(p);
	p->start = at;
	p->end = at + GO_PAGE;
	p->state = state;
	return err;
}

/* pallocData of a chunk: pallocBits, then scavenged. */
static bool read_chunk(const struct go_heap *h, taddr at, uint64_t ret[16])
{
	uint64_t base = h->img->target->id == TARGET_X86_64 ? 0xffff800000000000 : 0;
	uint64_t i = (at - base) / CHUNK_BYTES;
	taddr chunks = h->go->at.mheap + h->go->layout.mheap.pages + h->go->layout.pageAlloc.chunks, l2;

	if (i / L2 >= L1)
		return false;
	l2 = go_word(h->go, chunks + i / L2 * 8);
	return l2 && image_read(h->img, l2 + i % L2 * 128, ret, 128) == MEM_OK;
}

static struct err *add_chunk_pages(struct pages *p, taddr from, taddr to)
{
	taddr chunk = align_down(from, CHUNK_BYTES);
	uint64_t bits[16];
	struct err *err = NULL;

	if (!read_chunk(p->h, chunk, bits))
		return NULL;
	for (taddr at = from; at < to && !err; at += GO_PAGE) {
		uint64_t i = (at - chunk) / GO_PAGE;
		bool allocated = bit_get(bits, i), scavenged = bit_get(bits + 8, i);

		if (!allocated)
			err = add_page(p, at, scavenged ? PAGE_RETURNED : PAGE_IDLE);
		else if (scavenged && !go_span_at(p->h, at))
			err = add_page(p, at, PAGE_RETURNED);
	}
	return err;
}

static struct err *add_range_pages(struct pages *p, taddr from, taddr to)
{
	struct err *err = NULL;

	while (from < to && !err) {
		taddr stop = align_down(from, CHUNK_BYTES) + CHUNK_BYTES;

		stop = stop < to ? stop : to;
		if (go_heap_arena(p->h->go, from))
			err = add_chunk_pages(p, from, stop);
		from = stop;
	}
	return err;
}

/* What each processor keeps aside. */
static struct err *add_cached_pages(struct pages *p)
{
	const struct go *go = p->h->go;
	struct err *err = NULL;
	taddr list;
	uint64_t n;

	if (!go->at.allp || !go_slice(go, go->at.allp, 8, &list, &n) || n > PROCS_MAX)
		return NULL;
	for (uint64_t i = 0; i < n && !err; i++) {
		taddr proc = go_word(go, list + 8 * i);
		uint64_t cache[3]; /* base, cache, scav */

		if (!proc || image_read(p->h->img, proc + go->layout.p.pcache, cache, sizeof(cache)) != MEM_OK ||
		    cache[0] % GO_PAGE || !go_heap_arena(go, cache[0]))
			continue;
		for (unsigned k = 0; k < CACHE_PAGES && !err; k++)
			if (cache[1] >> k & 1)
				err = add_page(p, cache[0] + (uint64_t)k * GO_PAGE,
					       cache[2] >> k & 1 ? PAGE_RETURNED : PAGE_IDLE);
	}
	return err;
}

static struct err *each_free_page(const struct go_heap *h, struct pages *p)
{
	taddr in_use = h->go->at.mheap + h->go->layout.mheap.pages + h->go->layout.pageAlloc.inUse, list;
	struct err *err = NULL;
	taddr done = 0;
	uint64_t n;

	p->h = h;
	if (!go_slice(h->go, in_use, 16, &list, &n) || n > RANGES_MAX)
		return NULL;
	for (uint64_t i = 0; i < n && !err; i++) {
		taddr from = go_word(h->go, list + 16 * i), to = go_word(h->go, list + 16 * i + 8);

		if (from < done || from % GO_PAGE || to % GO_PAGE || from > to || to >> 48)
			continue; /* sorted and disjoint, or no ranges */
		err = add_range_pages(p, from, to);
		done = to;
	}
	if (!err)
		err = add_cached_pages(p);
	return err ? err : close_run(p);
}

static struct err *count_pages(void *arg, taddr start, taddr end, enum page_state state)
{
	struct go_heap *h = arg;

	if (state == PAGE_IDLE)
		h->stats.idle += end - start;
	else
		h->stats.returned += end - start;
	return NULL;
}

struct err *go_pages_count(struct go_heap *h)
{
	struct pages p = { .emit = count_pages, .arg = h };

	return each_free_page(h, &p);
}

/* ---- regions */

enum region { REGION_IDLE, REGION_RETURNED, REGION_STACKS, REGION_STACKS_REST, REGION_METADATA };

static struct err *add_region(struct region_sink *sink, taddr start, taddr end, enum region what)
{
	static const struct heap_region regions[] = {
		[REGION_IDLE] = { .category = "go/idle", .label = "go heap: idle, not returned" },
		[REGION_RETURNED] = { .category = "go/returned", .label = "go heap: idle, returned to the system",
				      .returned = true },
		[REGION_STACKS] = { .category = "go/stacks", .label = "goroutine stacks: in use" },
		[REGION_STACKS_REST] = { .category = "go/stacks-rest", .label = "goroutine stacks: not in use" },
		[REGION_METADATA] = { .category = "go/metadata", .label = "go runtime: the heap's own structures" },
	};
	struct heap_region r = regions[what];

	r.start = start;
	r.end = end;
	return start < end ? sink->add(sink, &r) : NULL;
}

static struct err *add_free_region(void *arg, taddr start, taddr end, enum page_state state)
{
	return add_region(arg, start, end, state == PAGE_IDLE ? REGION_IDLE : REGION_RETURNED);
}

struct stack {
	taddr start, end;
};

static int by_start(const void *pa, const void *pb)
{
	const struct stack *a = pa, *b = pb;

	return a->start < b->start ? -1 : a->start > b->start;
}

/* The parts of goroutines' stacks that are in use, ascending. */
static struct stack *live_stacks(const struct go *go, size_t *ret_n)
{
	struct stack *v = calloc(go->n_goroutines + 1, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; v && i < go->n_goroutines; i++) {
		const struct goroutine *g = &go->goroutines[i];

		if (g->status == GO_DEAD || g->sp < g->stack_low || g->sp >= g->stack_high)
			continue;
		v[n++] = (struct stack){ g->sp, g->stack_high };
	}
	if (n)
		qsort(v, n, sizeof(*v), by_start);
	*ret_n = n;
	return v;
}

static struct err *stack_span(const struct go_span *s, const struct stack *v, size_t n, size_t *i, struct region_sink *sink)
{
	taddr at = s->base, end = go_span_end(s);
	struct err *err = NULL;

	while (*i < n && v[*i].end <= at)
		++*i;
	for (; *i < n && v[*i].start < end && !err; ++*i) {
		taddr from = v[*i].start > at ? v[*i].start : at, to = v[*i].end < end ? v[*i].end : end;

		if (to <= at)
			continue;
		err = add_region(sink, at, from, REGION_STACKS_REST);
		if (!err)
			err = add_region(sink, from, to, REGION_STACKS);
		at = to;
		if (v[*i].end > end)
			break;
	}
	if (!err)
		err = add_region(sink, at, end, REGION_STACKS_REST);
	return err;
}

static struct err *manual_spans(const struct go_heap *h, struct region_sink *sink)
{
	struct err *err = NULL;
	size_t n = 0, i = 0;
	_free_ struct stack *v = live_stacks(h->go, &n);

	if (!v)
		return &err_nomem;
	for (size_t k = 0; k < h->n_spans && !err; k++) {
		const struct go_span *s = &h->spans[k];

		if (s->state != GO_SPAN_MANUAL)
			continue;
		err = s->elemsize ? stack_span(s, v, n, &i, sink) :
				    add_region(sink, s->base, go_span_end(s), REGION_METADATA);
	}
	return err;
}

/* The runtime's own data outside the arenas, as far as it was written: reservations are no memory. */
static struct err *own(const struct go_heap *h, struct region_sink *sink, taddr start, uint64_t bytes)
{
	taddr end;

	if (!start || bytes > OWN_MAX || start >> 48)
		return NULL;
	for (end = start + bytes; start < end;) {
		const struct segment *seg = image_segment(h->img, start);
		taddr to = seg && seg->end < end ? seg->end : end;
		struct err *err = NULL;

		if (!seg)
			return NULL;
		if (!seg->zero_reserve && seg->flags & SEG_W && seg->origin == SEG_CORE)
			err = add_region(sink, start, to, REGION_METADATA);
		if (err)
			return err;
		start = to;
	}
	return NULL;
}

static struct err *own_slice(const struct go_heap *h, struct region_sink *sink, taddr slice, uint64_t elem)
{
	uint64_t w[3]; /* ptr, len, cap */

	if (image_read(h->img, slice, w, sizeof(w)) != MEM_OK || w[2] > OWN_MAX)
		return NULL;
	return own(h, sink, w[0], w[2] * elem);
}

static struct err *own_arenas(const struct go_heap *h, struct region_sink *sink)
{
	struct err *err = NULL;
	taddr done = 0;

	for (size_t i = 0; i < h->n_spans && !err; i++) {
		taddr arena = align_down(h->spans[i].base, GO_ARENA);

		for (; arena < go_span_end(&h->spans[i]) && !err; arena += GO_ARENA) {
			if (arena < done)
				continue;
			err = own(h, sink, go_heap_arena(h->go, arena), h->go->layout.heapArena.size);
			done = arena + GO_ARENA;
		}
	}
	return err;
}

static struct err *own_page_tables(const struct go_heap *h, struct region_sink *sink)
{
	taddr pages = h->go->at.mheap + h->go->layout.mheap.pages;
	struct err *err = NULL;

	for (unsigned i = 0; i < SUMMARY_LEVELS && !err; i++)
		err = own_slice(h, sink, pages + h->go->layout.pageAlloc.summary + 24 * i, 8);
	for (uint64_t i = 0; i < L1 && !err; i++)
		err = own(h, sink, go_word(h->go, pages + h->go->layout.pageAlloc.chunks + 8 * i), L2 * 128);
	return err;
}

static struct err *own_persistent(const struct go_heap *h, struct region_sink *sink)
{
	taddr chunk = h->go->at.persistentChunks ? go_word(h->go, h->go->at.persistentChunks) : 0;
	struct err *err = NULL;

	for (unsigned n = 0; chunk && n < PERSISTENT_MAX && !err; n++) {
		err = own(h, sink, chunk, PERSISTENT_CHUNK);
		chunk = go_word(h->go, chunk);
	}
	return err;
}

/* Pages of the arenas that mark and allocation bits come from. */
static struct err *own_bits(const struct go_heap *h, struct region_sink *sink)
{
	_free_ struct stack *v = calloc(2 * h->n_spans + 1, sizeof(*v));
	struct err *err = NULL;
	size_t n = 0;

	if (!v)
		return &err_nomem;
	for (size_t i = 0; i < h->n_spans; i++) {
		const struct go_span *s = &h->spans[i];

		if (s->state != GO_SPAN_IN_USE)
			continue;
		v[n++].start = align_down(s->alloc_bits, BITS_PAGE);
		v[n++].start = align_down(s->mark_bits, BITS_PAGE);
	}
	if (n)
		qsort(v, n, sizeof(*v), by_start);
	for (size_t i = 0; i < n && !err; i++)
		if (!i || v[i].start != v[i - 1].start)
			err = own(h, sink, v[i].start, BITS_PAGE);
	return err;
}

struct err *go_own_regions(const struct go_heap *h, struct region_sink *sink)
{
	struct err *err = own_arenas(h, sink);

	if (!err)
		err = own_page_tables(h, sink);
	if (!err)
		err = own_persistent(h, sink);
	if (!err)
		err = own_slice(h, sink, h->go->at.mheap + h->go->layout.mheap.allspans, 8);
	return err ? err : own_bits(h, sink);
}

struct err *go_regions(void *ctx, struct region_sink *sink)
{
	const struct go_heap *h = ctx;
	struct pages p = { .emit = add_free_region, .arg = sink };
	struct err *err = manual_spans(h, sink);

	if (!err)
		err = each_free_page(h, &p);
	return err ? err : go_own_regions(h, sink);
}
