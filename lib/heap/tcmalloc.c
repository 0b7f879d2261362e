/*
 * tcmalloc.c - the walker of gperftools' tcmalloc, 2.8 to 2.18: opens, claims, explains, sums up.
 *
 * The steps are files of their own, in this order: tcmalloc_anchor.c, tcmalloc_central.c, tcmalloc_spans.c,
 * tcmalloc_walk.c; what its profilers know is in tcmalloc_samples.c, tcmalloc_profiler.c.  google/tcmalloc, with caches by processor, is another allocator.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "heap/blocks.h"
#include "heap/region_claims.h"
#include "heap/tcmalloc_fields.h"
#include "heap/touched.h"
#include "image/shadow.h"

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
	tc_spans_close(&t->spans);
	free(t->info.arenas);
	tcm_copies_fini(t);
	free(t);
}

static void guard_heap(struct tcmalloc **t)
{
	close_heap(*t);
}

/*
 * libtcmalloc_debug and libtcmalloc_minimal_debug (debugallocation.cc): MallocBlock's header stands before what the
 * program has, and what it freed is kept in a queue, in full, for a while.  That is not seen through.
 */
static void tell_debug(struct env *env, const struct image *img, const struct tcm_copy *c)
{
	struct symbol sym;

	if (c->module && image_symbol(img, c->module, "_ZN11MallocBlock10alloc_map_E", &sym))
		diag(env, "heap/debug-allocator", sym.addr,
		     "this is tcmalloc's debugging allocator: what the program has begins 32 bytes or more behind a block's "
		     "start, and what it freed and MallocBlock::alloc_map_ knows still counts as used; that map leads to "
		     "every block, so that what is lost is not told");
}

static struct err *open_heap(struct env *env, const struct image *img, void **ret_ctx)
{
	_cleanup_(guard_heap) struct tcmalloc *t = calloc(1, sizeof(*t));
	struct err *err;

	if (!t)
		return &err_nomem;
	t->img = img;
	err = tc_spans_open(env, &t->spans);
	if (!err)
		err = tcm_find_copies(t);
	for (uint32_t i = 0; i < t->n_copies && !err; i++) {
		tell_debug(env, img, &t->copies[i]);
		err = tcm_find_lists(t, &t->copies[i]);
	}
	if (!err)
		err = tcm_read_spans(t);
	tcm_find_profilers(t);
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
	struct tcmalloc t = { .spans.env = env, .img = img };
	struct err *err = tcm_find_copies(&t);

	if (err) {
		diag_err(env, "heap/no-page-map", err);
	} else if (t.n_copies) {
		ret->score = 80 + 5 * t.copies[0].by_symbol + 5 * t.copies[0].by_code;
		copy_why(&t.copies[0], ret->why, sizeof(ret->why));
	}
	tcm_copies_fini(&t);
}

/* ---- totals */

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
			t->spans.passed++;
		else
			t->spans.failed++;
}

/* CentralFreeList::num_spans_ and counter_. */
static struct err *check_central(struct tcmalloc *t, uint32_t copy)
{
	const struct tcm_copy *c = &t->copies[copy];
	_free_ uint64_t *n = calloc(2 * TCM_CLASSES, sizeof(*n));

	if (!n)
		return &err_nomem;
	for (size_t i = 0; i < t->spans.n; i++) {
		const struct tc_span *s = &t->spans.v[i];

		if (s->copy != copy || s->location != SPAN_IN_USE || s->class >= c->n_classes)
			continue;
		n[2 * s->class]++;
		n[2 * s->class + 1] += s->n_free;
	}
	for (uint32_t k = 1; k < c->n_classes && c->central; k++) {
		uint64_t said[2];

		if (image_read(t->img, c->central + (taddr)k * c->central_stride + CENTRAL_SPANS, said, sizeof(said)) != MEM_OK)
			continue;
		for (unsigned i = 0; i < 2; i++)
			if (said[i] == n[2 * k + i])
				t->spans.passed++;
			else
				t->spans.failed++;
	}
	return NULL;
}

/* Spans with no block: ReleaseFreeMemory() returns them. */
static void add_normal(struct tcmalloc *t)
{
	struct where_total normal = { .where = "page-heap" };

	for (size_t i = 0; i < t->spans.n; i++) {
		const struct tc_span *s = &t->spans.v[i];

		if (s->location != SPAN_NORMAL)
			continue;
		normal.count++;
		normal.bytes += tc_span_bytes(s);
		normal.returnable += touched_pages(t->img, s->base, s->end);
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
	for (size_t i = 0; i < t->spans.n; i++) {
		const struct tc_span *s = &t->spans.v[i];

		if (s->problem != SPAN_NOT_WALKED)
			tc_count(info, s, tcm_object_size(t, s), tcm_span_objects(t, s));
	}
	tc_add_where(info, where_thread, t->n_in_caches, t->bytes_in_caches);
	tc_add_where(info, where_transfer, t->n_in_transfer, t->bytes_in_transfer);
	tc_add_where(info, where_central, info->n_free - t->n_in_caches - t->n_in_transfer,
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
			diag_err(t->spans.env, "heap/unchecked", err);
	}
	info->checks_passed = t->spans.passed;
	info->checks_failed = t->spans.failed;
	info->damage = t->spans.damage.v;
	info->n_damage = t->spans.damage.n;
	if (t->n_copies) {
		copy_how(&t->copies[0], info->how, sizeof(info->how));
		copy_why(&t->copies[0], info->why, sizeof(info->why));
		snprintf(info->version, sizeof(info->version), "%s", version_of(&t->copies[0]));
	}
	return info;
}

/* ---- one block in words */

static const char *explain_free(const struct tcmalloc *t, const struct tc_listed *l, struct text *ret)
{
	const struct tcm_cache *cache;

	if (!l) {
		text_add(ret, ", free: in the list of its span");
		return where_central;
	}
	if (l->cache == TCM_TRANSFER) {
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
static bool in_span_list(const struct tcmalloc *t, const struct tc_span *s, taddr block)
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
	const struct tc_span *s = tc_span_at(&t->spans, block);
	const struct tc_listed *l = tc_listed_at(&t->spans, block);
	uint64_t size, asked;

	if (!s || s->problem == SPAN_NOT_WALKED)
		return NULL;
	size = tcm_object_size(t, s);
	text_printf(ret, "span at 0x%" PRIx64 " of 0x%" PRIx64 "-0x%" PRIx64, s->addr, s->base, s->end);
	if (!s->class) {
		text_add(ret, ", a block of its own");
		if (s->sampled && image_read_u64(t->img, s->objects, &asked) == MEM_OK)
			text_printf(ret, ", sampled: %" PRIu64 " bytes were asked for", asked);
		return NULL;
	}
	text_printf(ret, ", size class %u (%" PRIu64 " bytes), object %" PRIu64 " of %u, %u of them in use", s->class, size,
		    (block - s->base) / size, tcm_span_objects(t, s), tcm_span_objects(t, s) - s->n_free - s->n_cached);
	return l || in_span_list(t, s, block) ? explain_free(t, l, ret) : NULL;
}

/* ---- what is no block */

static struct err *free_spans(const struct tcmalloc *t, struct region_sink *sink)
{
	struct err *err = NULL;

	for (size_t i = 0; i < t->spans.n && !err; i++) {
		const struct tc_span *s = &t->spans.v[i];
		struct heap_region region = {
			.start = s->base,
			.end = s->end,
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

static bool add_range(struct tcm_ranges *r, taddr start, uint64_t n)
{
	struct tcm_range range = { start, start + n, false };

	return vec_push(r, &range);
}

static int by_start(const void *pa, const void *pb)
{
	const struct tcm_range *a = pa, *b = pb;

	return a->start != b->start ? (a->start > b->start) - (a->start < b->start) : (a->end > b->end) - (a->end < b->end);
}

/* The nodes of a page map below its root. */
static bool map_ranges(const struct image *img, const struct tcm_copy *c, struct tcm_ranges *r)
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

static bool own_ranges(const struct tcmalloc *t, struct tcm_ranges *r)
{
	for (uint32_t i = 0; i < t->n_copies; i++) {
		const struct tcm_copy *c = &t->copies[i];

		if (!map_ranges(t->img, c, r))
			return false;
		for (size_t k = 0; k < c->caches.n; k++)
			if (!add_range(r, c->caches.v[k].addr, CACHE_LINKS_END))
				return false;
	}
	for (size_t i = 0; i < t->spans.n; i++) {
		const struct tc_span *s = &t->spans.v[i];

		if (!add_range(r, s->addr, SPAN_SIZE) || (s->sampled && !add_range(r, s->objects, STACK_TRACE)))
			return false;
	}
	return true;
}

/* No span's pages lie in [start, end). */
static bool no_pages(const struct tcmalloc *t, taddr start, taddr end)
{
	for (taddr at = start; at < end; at += 1 << 12)
		if (tc_span_at(&t->spans, at))
			return false;
	return !tc_span_at(&t->spans, end - 1);
}

/* One of the n sorted ranges begins in [start, end), or ends where it begins. */
static bool is_known(const struct tcm_ranges *r, size_t n, taddr start, taddr end)
{
	size_t first = partition_point(n, i, r->v[i].start < start);

	return (first < n && r->v[first].start < end) || (first && r->v[first - 1].end == start);
}

/*
 * A PageHeapAllocator is free_area_, free_avail_, free_list_, inuse_: what it took last ends where free_avail_
 * does.  Words of a module that say so count if a known structure lies there, or ends where it begins.
 */
static bool area_at(const struct tcmalloc *t, const uint8_t *words, const struct tcm_ranges *r, size_t n_known,
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

static bool area_ranges(const struct tcmalloc *t, const struct tcm_copy *c, struct tcm_ranges *r)
{
	const struct image *img = t->img;
	size_t known = r->n;
	taddr start;

	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *seg = &img->segments[i];
		uint64_t n = seg->end - seg->start;

		if (!seg->bytes || !(seg->flags & SEG_W) || seg->module < 0 || &img->modules[seg->module] != c->module)
			continue;
		for (uint64_t at = 0; n >= 32 && at <= n - 32; at += 8) {
			if (!area_at(t, seg->bytes + at, r, known, &start))
				continue;
			image_keep(img, seg->start + at, 32);
			if (!add_range(r, start, OWN_GAP))
				return false;
		}
	}
	return true;
}

static void sort_ranges(struct tcm_ranges *r)
{
	if (r->n)
		qsort(r->v, r->n, sizeof(*r->v), by_start);
}

/* Areas lie one behind the other: a second look knows those that the first one found. */
static bool all_ranges(const struct tcmalloc *t, struct tcm_ranges *r)
{
	if (!own_ranges(t, r))
		return false;
	sort_ranges(r);
	for (uint32_t i = 0; i < 2 * t->n_copies; i++) {
		if (!area_ranges(t, &t->copies[i % t->n_copies], r))
			return false;
		sort_ranges(r);
	}
	if (!tcm_profiler_ranges(t, r))
		return false;
	sort_ranges(r);
	return true;
}

/*
 * tcmalloc's own structures: nodes of the page map, caches, spans, stack traces.  MetaDataAlloc() cuts
 * them from larger pieces, so that what lies between two near ones, and is no page of a span, is its own
 * as well: structures that are not in use.
 */
static struct err *own_regions(const struct tcmalloc *t, struct region_sink *sink)
{
	struct tcm_ranges r = {};
	struct err *err = all_ranges(t, &r) ? NULL : &err_nomem;
	size_t kept = 0;

	for (size_t i = 0; i < r.n && !err; i++) {
		struct tcm_range *last = kept ? &r.v[kept - 1] : NULL;

		if (r.v[i].exact && !no_pages(t, r.v[i].start, r.v[i].end))
			continue;
		if (last && r.v[i].start <= last->end && last->exact == r.v[i].exact) {
			if (r.v[i].end > last->end)
				last->end = r.v[i].end;
		} else if (last && !last->exact && !r.v[i].exact && r.v[i].start - last->end < OWN_GAP &&
			   no_pages(t, last->end, r.v[i].start)) {
			last->end = r.v[i].end;
		} else {
			r.v[kept++] = r.v[i];
		}
	}
	for (size_t i = 0; i < kept && !err; i++) {
		struct heap_region region = {
			.start = r.v[i].start,
			.end = r.v[i].end,
			.category = r.v[i].exact ? "tcmalloc/profiler" : "tcmalloc/metadata",
			.label = r.v[i].exact ? "tcmalloc: tables of its heap profiler" :
						"tcmalloc: page map, spans, thread caches",
			.returned = r.v[i].exact, /* the tables are sparse */
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

/* The sizes of its classes: two of them in a word look like no number.  And what its profilers know. */
static struct err *keep(void *ctx, const struct blocks *b)
{
	const struct tcmalloc *t = ctx;

	(void)b;
	for (uint32_t i = 0; i < t->n_copies; i++)
		image_keep(t->img, t->copies[i].class_size_at, 4 * TCM_CLASSES);
	return tcm_keep_profilers(t);
}

extern const struct walker_ops tcmalloc_walker;
const struct walker_ops tcmalloc_walker = {
	.name = "tcmalloc",
	.links = 8,
	.bid = bid,
	.open = open_heap,
	.claim = tc_claim,
	.walk = tcm_walk,
	.settle = tcm_settle,
	.info = info,
	.explain = explain,
	.metadata = metadata,
	.regions = regions,
	.samples = tcm_samples,
	.unit = tc_unit,
	.unit_name = "span",
	.keep = keep,
	.close = close_heap,
};
