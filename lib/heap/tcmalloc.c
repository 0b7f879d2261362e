/*
 * tcmalloc.c - the walker of gperftools' tcmalloc, 2.8 to 2.18: opens, claims, explains, sums up.
 *
 * The steps are files of their own, in this order: tcmalloc_anchor.c, tcmalloc_central.c, tcmalloc_spans.c,
 * tcmalloc_walk.c.  google/tcmalloc, with caches by processor, is another allocator.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "heap/blocks.h"
#include "heap/region_claims.h"
#include "heap/tcmalloc_fields.h"
#include "heap/touched.h"

/* By the walker, in words of gperftools' own statistics. */
static const char where_thread[] = "thread-cache", where_transfer[] = "transfer-cache", where_central[] = "central";

enum {
	OWN_GAP = 128 << 10, /* PageHeapAllocator takes this much at once: what lies between its objects is its own */
	STACK_TRACE = 8 * (2 + STACK_MAX),
};

/* ---- life */

static void close_heap(void *ctx)
{
	struct tcmalloc *t = ctx;

	if (!t)
		return;
	damages_free(&t->damage);
	free(t->runs.v);
	free(t->info.arenas);
	tcm_copies_fini(t);
	col_close(&t->spans_col);
	col_close(&t->listed_col);
	free(t);
}

static void guard_heap(struct tcmalloc **t)
{
	close_heap(*t);
}

static struct err *open_heap(struct env *env, const struct image *img, void **ret_ctx)
{
	_cleanup_(guard_heap) struct tcmalloc *t = calloc(1, sizeof(*t));
	struct err *err;

	if (!t)
		return &err_nomem;
	t->env = env;
	t->img = img;
	err = tcm_find_copies(t);
	for (uint32_t i = 0; i < t->n_copies && !err; i++)
		err = tcm_find_lists(t, &t->copies[i]);
	if (!err)
		err = tcm_read_spans(t);
	if (err)
		return err;
	*ret_ctx = take(&t);
	return NULL;
}

static void copy_how(const struct tcm_copy *c, char *ret, size_t n)
{
	snprintf(ret, n, "%s%slayout", c->by_symbol ? "symbols+" : "", c->by_code ? "disassembly+" : "");
}

static void copy_why(const struct tcm_copy *c, char *ret, size_t n)
{
	char how[48];

	copy_how(c, how, sizeof(how));
	snprintf(ret, n, "page map at 0x%" PRIx64 " by %s", c->map.root, how);
}

static void bid(struct env *env, const struct image *img, struct walker_bid *ret)
{
	struct tcmalloc t = { .env = env, .img = img };
	struct err *err = tcm_find_copies(&t);

	if (err) {
		diag_err(env, "heap/no-page-map", err);
	} else if (t.n_copies) {
		ret->score = 80 + 5 * t.copies[0].by_symbol + 5 * t.copies[0].by_code;
		copy_why(&t.copies[0], ret->why, sizeof(ret->why));
	}
	tcm_copies_fini(&t);
}

static struct err *claim_runs(void *ctx, struct claim_sink *sink)
{
	const struct tcmalloc *t = ctx;
	struct err *err = NULL;

	for (size_t i = 0; i < t->runs.n && !err; i++) {
		const struct tcm_run *run = &t->runs.v[i];
		const struct tcm_span *s = &t->spans[run->first];
		struct claim claim = {
			.start = s->base,
			.end = tcm_span_end(t, s + run->n - 1),
			.arena = s->copy,
			.small_grains = run->small_grains,
		};

		err = sink->add(sink, &claim);
	}
	return err;
}

/* ---- totals */

static void count_span(struct tcmalloc *t, const struct tcm_span *s)
{
	struct heap_info *info = &t->info;
	struct heap_arena *a = &info->arenas[s->copy];
	uint64_t size = tcm_object_size(t, s), n = tcm_span_objects(t, s), n_free = s->n_free + s->n_cached;
	uint64_t overhead = tcm_span_bytes(t, s) - n * size;

	info->n_used += n - n_free;
	info->used += (n - n_free) * size;
	info->n_free += n_free;
	info->free += n_free * size;
	info->overhead += overhead;
	a->bytes += tcm_span_bytes(t, s);
	a->n_used += n - n_free;
	a->used += (n - n_free) * size;
	a->n_free += n_free;
	a->free += n_free * size;
	a->overhead += overhead;
	if (n_free && size > a->largest_free)
		a->largest_free = size;
}

/* PageHeap::stats_: bytes from the system, on normal lists, on returned ones. */
static void check_pages(struct tcmalloc *t, const struct tcm_copy *c)
{
	uint64_t stats[3], sum = c->pages[SPAN_IN_USE] + c->pages[SPAN_NORMAL] + c->pages[SPAN_RETURNED];
	const uint64_t want[3] = { sum << c->page_shift, c->pages[SPAN_NORMAL] << c->page_shift,
				   c->pages[SPAN_RETURNED] << c->page_shift };

	if (image_read(t->img, c->stats, stats, sizeof(stats)) != MEM_OK)
		return;
	for (unsigned i = 0; i < 3; i++)
		if (stats[i] == want[i])
			t->passed++;
		else
			t->failed++;
}

/* CentralFreeList::num_spans_ and counter_. */
static struct err *check_central(struct tcmalloc *t, uint32_t copy)
{
	const struct tcm_copy *c = &t->copies[copy];
	_free_ uint64_t *n = calloc(2 * TCM_CLASSES, sizeof(*n));

	if (!n)
		return &err_nomem;
	for (size_t i = 0; i < t->n_spans; i++) {
		const struct tcm_span *s = &t->spans[i];

		if (s->copy != copy || s->location != SPAN_IN_USE || s->sizeclass >= c->n_classes)
			continue;
		n[2 * s->sizeclass]++;
		n[2 * s->sizeclass + 1] += s->n_free;
	}
	for (uint32_t k = 1; k < c->n_classes && c->central; k++) {
		uint64_t said[2];

		if (image_read(t->img, c->central + (taddr)k * c->central_stride + CENTRAL_SPANS, said, sizeof(said)) != MEM_OK)
			continue;
		for (unsigned i = 0; i < 2; i++)
			if (said[i] == n[2 * k + i])
				t->passed++;
			else
				t->failed++;
	}
	return NULL;
}

/* Not to be returned: what a thread cache gives up goes to transfer caches and spans. */
static void add_where(struct heap_info *info, const char *where, uint64_t count, uint64_t bytes)
{
	if (count)
		info->wheres[info->n_wheres++] = (struct where_total){ where, count, bytes, 0 };
}

/* Spans with no block: ReleaseFreeMemory() returns them. */
static void add_normal(struct tcmalloc *t)
{
	struct where_total normal = { .where = "page-heap" };

	for (size_t i = 0; i < t->n_spans; i++) {
		const struct tcm_span *s = &t->spans[i];

		if (s->location != SPAN_NORMAL)
			continue;
		normal.count++;
		normal.bytes += tcm_span_bytes(t, s);
		normal.returnable += touched_pages(t->img, s->base, tcm_span_end(t, s));
	}
	if (normal.count)
		t->info.idles[t->info.n_idles++] = normal;
}

static const char *version_of(const struct tcm_copy *c)
{
	if (*c->version)
		return c->version;
	if (!c->has_min_span)
		return "2.8-2.10";
	if (!c->cache_next)
		return "2.11-2.18";
	return c->cache_next > CACHE_SIZE + 32 ? "2.11-2.15" : "2.16-2.18";
}

static const struct heap_info *info(void *ctx)
{
	struct tcmalloc *t = ctx;
	struct heap_info *info = &t->info;

	if (t->have_info)
		return info;
	t->have_info = true;
	info->allocator = "tcmalloc";
	info->arenas = calloc(t->n_copies + 1, sizeof(*info->arenas));
	if (!info->arenas)
		return info;
	info->n_arenas = t->n_copies;
	for (size_t i = 0; i < t->n_spans; i++)
		if (t->spans[i].problem != SPAN_NOT_WALKED)
			count_span(t, &t->spans[i]);
	add_where(info, where_thread, t->n_in_caches, t->bytes_in_caches);
	add_where(info, where_transfer, t->n_in_transfer, t->bytes_in_transfer);
	add_where(info, where_central, info->n_free - t->n_in_caches - t->n_in_transfer,
		  info->free - t->bytes_in_caches - t->bytes_in_transfer);
	add_normal(t);
	info->knows_returnable = true;
	for (uint32_t i = 0; i < t->n_copies; i++) {
		const struct tcm_copy *c = &t->copies[i];
		struct err *err;

		info->arenas[i].addr = c->lists;
		info->arenas[i].kind = ARENA_MAIN;
		info->idle += c->pages[SPAN_NORMAL] << c->page_shift;
		info->returned += c->pages[SPAN_RETURNED] << c->page_shift;
		check_pages(t, c);
		err = check_central(t, i);
		if (err)
			diag_err(t->env, "heap/unchecked", err);
	}
	info->checks_passed = t->passed;
	info->checks_failed = t->failed;
	info->damage = t->damage.v;
	info->n_damage = t->damage.n;
	if (t->n_copies) {
		copy_how(&t->copies[0], info->how, sizeof(info->how));
		copy_why(&t->copies[0], info->why, sizeof(info->why));
		snprintf(info->version, sizeof(info->version), "%s", version_of(&t->copies[0]));
	}
	return info;
}

/* ---- one block in words */

static const char *explain_free(const struct tcmalloc *t, const struct tcm_listed *l, struct text *ret)
{
	const struct tcm_cache *cache;

	if (!l) {
		text_add(ret, ", free: in the list of its span");
		return where_central;
	}
	if (l->cache == UINT32_MAX) {
		text_add(ret, ", free: in a transfer cache");
		return where_transfer;
	}
	cache = &t->copies[l->copy].caches.v[l->cache];
	text_printf(ret, ", free: in the thread cache at 0x%" PRIx64, cache->addr);
	if (cache->tid)
		text_printf(ret, " of thread %u", cache->tid);
	return where_thread;
}

/* Is it in its span's own list? */
static bool in_span_list(const struct tcmalloc *t, const struct tcm_span *s, taddr block)
{
	taddr at = s->objects;

	for (uint32_t i = 0; i < s->n_free && at; i++) {
		if (at == block)
			return true;
		if (image_read_u64(t->img, at, &at) != MEM_OK)
			return false;
	}
	return false;
}

static const char *explain(void *ctx, taddr block, struct text *ret)
{
	const struct tcmalloc *t = ctx;
	const struct tcm_span *s = tcm_span_at(t, block);
	const struct tcm_listed *l = tcm_listed_at(t, block);
	uint64_t size, asked;

	if (!s || s->problem == SPAN_NOT_WALKED)
		return NULL;
	size = tcm_object_size(t, s);
	text_printf(ret, "span at 0x%" PRIx64 " of 0x%" PRIx64 "-0x%" PRIx64, s->addr, s->base, tcm_span_end(t, s));
	if (!s->sizeclass) {
		text_add(ret, ", a block of its own");
		if (s->sampled && image_read_u64(t->img, s->objects, &asked) == MEM_OK)
			text_printf(ret, ", sampled: %" PRIu64 " bytes were asked for", asked);
		return NULL;
	}
	text_printf(ret, ", size class %u (%" PRIu64 " bytes), object %" PRIu64 " of %u, %u of them in use", s->sizeclass, size,
		    (block - s->base) / size, tcm_span_objects(t, s), tcm_span_objects(t, s) - s->n_free - s->n_cached);
	return l || in_span_list(t, s, block) ? explain_free(t, l, ret) : NULL;
}

/* ---- what is no block */

static struct err *free_spans(const struct tcmalloc *t, struct region_sink *sink)
{
	struct err *err = NULL;

	for (size_t i = 0; i < t->n_spans && !err; i++) {
		const struct tcm_span *s = &t->spans[i];
		struct heap_region region = {
			.start = s->base,
			.end = tcm_span_end(t, s),
			.category = s->location == SPAN_NORMAL ? "tcmalloc/idle" : "tcmalloc/returned",
			.label = s->location == SPAN_NORMAL ? "tcmalloc: free spans, not given back" :
							      "tcmalloc: free spans, given back to the system",
			.returned = s->location == SPAN_RETURNED,
		};

		if (s->location != SPAN_IN_USE)
			err = sink->add(sink, &region);
	}
	return err;
}

struct range {
	taddr start, end;
};

struct ranges {
	struct range *v;
	size_t n, cap;
};

static bool add_range(struct ranges *r, taddr start, uint64_t n)
{
	struct range range = { start, start + n };

	return vec_push(r, &range);
}

static int by_start(const void *pa, const void *pb)
{
	const struct range *a = pa, *b = pb;

	return a->start != b->start ? (a->start > b->start) - (a->start < b->start) : (a->end > b->end) - (a->end < b->end);
}

/* The nodes of a page map below its root. */
static bool map_ranges(const struct image *img, const struct tcm_copy *c, struct ranges *r)
{
	const struct tcm_map *m = &c->map;

	for (uint64_t i = 0; i >> m->root_bits == 0; i++) {
		uint64_t node, leaf;

		if (image_read_u64(img, m->root + 8 * i, &node) != MEM_OK || !node)
			continue;
		if (!add_range(r, node, 8ull << (m->node_bits ? m->node_bits : m->leaf_bits)))
			return false;
		for (uint64_t k = 0; m->node_bits && k >> m->node_bits == 0; k++)
			if (image_read_u64(img, node + 8 * k, &leaf) == MEM_OK && leaf && !add_range(r, leaf, 8ull << m->leaf_bits))
				return false;
	}
	return true;
}

static bool own_ranges(const struct tcmalloc *t, struct ranges *r)
{
	for (uint32_t i = 0; i < t->n_copies; i++) {
		const struct tcm_copy *c = &t->copies[i];

		if (!map_ranges(t->img, c, r))
			return false;
		for (size_t k = 0; k < c->caches.n; k++)
			if (!add_range(r, c->caches.v[k].addr, CACHE_LINKS_END))
				return false;
	}
	for (size_t i = 0; i < t->n_spans; i++) {
		const struct tcm_span *s = &t->spans[i];

		if (!add_range(r, s->addr, SPAN_SIZE) || (s->sampled && !add_range(r, s->objects, STACK_TRACE)))
			return false;
	}
	return true;
}

/* No span's pages lie in [start, end). */
static bool no_pages(const struct tcmalloc *t, taddr start, taddr end)
{
	for (taddr at = start; at < end; at += 1 << 12)
		if (tcm_span_at(t, at))
			return false;
	return !tcm_span_at(t, end - 1);
}

/* One of the n sorted ranges begins in [start, end), or ends where it begins. */
static bool is_known(const struct ranges *r, size_t n, taddr start, taddr end)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->v[mid].start < start)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (lo < n && r->v[lo].start < end) || (lo && r->v[lo - 1].end == start);
}

/*
 * A PageHeapAllocator is free_area_, free_avail_, free_list_, inuse_: what it took last ends where free_avail_
 * does.  Words of a module that say so count if a known structure lies there, or ends where it begins.
 */
static bool area_at(const struct tcmalloc *t, const uint8_t *words, const struct ranges *r, size_t n_known,
		    taddr *ret_start)
{
	uint64_t area = load_u64(words), avail = load_u64(words + 8);
	taddr start = area + avail - OWN_GAP;

	if (!area || area & 7 || area >> 48 || avail > OWN_GAP || start > area || start & 63 ||
	    load_u64(words + 16) & 7 || !is_known(r, n_known, start, start + OWN_GAP) ||
	    !no_pages(t, start, start + OWN_GAP))
		return false;
	*ret_start = start;
	return true;
}

static bool area_ranges(const struct tcmalloc *t, const struct tcm_copy *c, struct ranges *r)
{
	const struct image *img = t->img;
	size_t known = r->n;
	taddr start;

	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *seg = &img->segments[i];
		uint64_t n = seg->end - seg->start;

		if (!seg->bytes || !(seg->flags & SEG_W) || seg->module < 0 || &img->modules[seg->module] != c->module)
			continue;
		for (uint64_t at = 0; n >= 32 && at <= n - 32; at += 8)
			if (area_at(t, seg->bytes + at, r, known, &start) && !add_range(r, start, OWN_GAP))
				return false;
	}
	return true;
}

static void sort_ranges(struct ranges *r)
{
	if (r->n)
		qsort(r->v, r->n, sizeof(*r->v), by_start);
}

/* Areas lie one behind the other: a second look knows those that the first one found. */
static bool all_ranges(const struct tcmalloc *t, struct ranges *r)
{
	if (!own_ranges(t, r))
		return false;
	sort_ranges(r);
	for (uint32_t i = 0; i < 2 * t->n_copies; i++) {
		if (!area_ranges(t, &t->copies[i % t->n_copies], r))
			return false;
		sort_ranges(r);
	}
	return true;
}

/*
 * tcmalloc's own structures: nodes of the page map, caches, spans, stack traces.  MetaDataAlloc() cuts
 * them from larger pieces, so that what lies between two near ones, and is no page of a span, is its own
 * as well: structures that are not in use.
 */
static struct err *own_regions(const struct tcmalloc *t, struct region_sink *sink)
{
	struct ranges r = {};
	struct err *err = all_ranges(t, &r) ? NULL : &err_nomem;
	size_t kept = 0;

	for (size_t i = 0; i < r.n && !err; i++) {
		struct range *last = kept ? &r.v[kept - 1] : NULL;

		if (last && r.v[i].start <= last->end) {
			if (r.v[i].end > last->end)
				last->end = r.v[i].end;
		} else if (last && r.v[i].start - last->end < OWN_GAP && no_pages(t, last->end, r.v[i].start)) {
			last->end = r.v[i].end;
		} else {
			r.v[kept++] = r.v[i];
		}
	}
	for (size_t i = 0; i < kept && !err; i++) {
		struct heap_region region = {
			.start = r.v[i].start,
			.end = r.v[i].end,
			.category = "tcmalloc/metadata",
			.label = "tcmalloc: page map, spans, thread caches",
		};

		err = sink->add(sink, &region);
	}
	free(r.v);
	return err;
}

static struct err *regions(void *ctx, struct region_sink *sink)
{
	struct err *err = free_spans(ctx, sink);

	return err ? err : own_regions(ctx, sink);
}

/* Besides: its variables, from the page map's root to the page heap's statistics, and the central lists. */
static struct err *metadata(void *ctx, struct claim_sink *sink)
{
	const struct tcmalloc *t = ctx;
	struct region_claims own = region_claims_to(sink);
	struct err *err = regions(ctx, &own.sink);

	for (uint32_t i = 0; i < t->n_copies && !err; i++) {
		const struct tcm_copy *c = &t->copies[i];
		struct claim heap = { .start = c->map.root, .end = c->stats };
		struct claim central = { .start = c->central,
					 .end = c->central + (taddr)TCM_CLASSES * c->central_stride };

		err = sink->add(sink, &heap);
		if (!err && c->central)
			err = sink->add(sink, &central);
	}
	return err;
}

/* A span goes back to the page heap when its last object has come back to its list. */
static bool unit(void *ctx, taddr block, taddr *ret_start, taddr *ret_end)
{
	const struct tcmalloc *t = ctx;
	const struct tcm_span *s = tcm_span_at(t, block);

	if (!s || !s->sizeclass)
		return false;
	*ret_start = s->base;
	*ret_end = tcm_span_end(t, s);
	return true;
}

extern const struct walker_ops tcmalloc_walker;
const struct walker_ops tcmalloc_walker = {
	.name = "tcmalloc",
	.bid = bid,
	.open = open_heap,
	.claim = claim_runs,
	.walk = tcm_walk,
	.settle = tcm_settle,
	.info = info,
	.explain = explain,
	.metadata = metadata,
	.regions = regions,
	.samples = tcm_samples,
	.unit = unit,
	.unit_name = "span",
	.close = close_heap,
};
