/*
 * breakdown.c - where the dumped bytes went: every byte of the core's memory in exactly one line.
 *
 * Heaps come first, split by what reaches their blocks; then what lies outside every heap, by
 * what the mapping is for.  The lines add up to report.dumped_bytes.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "pipeline.h"
#include "type/pieces.h"

/* Mappings outside heaps. */
enum place {
	PLACE_STACK_LIVE,
	PLACE_STACK_REST,
	PLACE_DATA,
	PLACE_CODE,
	PLACE_ANON,
	PLACE_UNTOUCHED,
	PLACES
};

static const struct {
	const char *category, *label;
} places[PLACES] = {
	[PLACE_STACK_LIVE] = { "stack/live", "thread stacks: in use" },
	[PLACE_STACK_REST] = { "stack/unused", "thread stacks: used before, not now" },
	[PLACE_DATA] = { "module/data", "programs and libraries: data" },
	[PLACE_CODE] = { "module/code", "programs and libraries: code, read-only" },
	[PLACE_ANON] = { "mapping/anonymous", "anonymous mappings outside heaps" },
	[PLACE_UNTOUCHED] = { "mapping/untouched", "address space reserved, never written" },
};

/*
 * What allocators say of their memory, as pieces whose owner is what to count them for: claims come
 * first, so that a region never takes the bytes of a block.
 */
enum zone_owner {
	ZONE_CLAIM,
	ZONE_PRECISE /* a claim of a precise heap */,
	ZONE_REGION /* and up: regions.lines */
};

struct zones {
	struct piece *v; /* ascending, disjoint */
	size_t n;
};

struct regions {
	struct region_sink sink; /* first: add_region() casts back */
	struct {
		struct piece *v;
		size_t n, cap;
	} pieces;
	struct {
		struct rp_breakdown *v; /* in the order they came up */
		size_t n, cap;
	} lines;
};

struct sums {
	uint64_t claimed[2]; /* dumped bytes inside claims, by zone_owner */
	struct rp_breakdown *regions;
	uint64_t place[PLACES];
};

enum { PAGE = 4096 };

/*
 * Bytes of whole pages that hold zeros alone.  gcore writes reservations and stacks that were
 * never touched as zeros: they are in the file, and no memory.
 */
static uint64_t zero_pages(const uint8_t *bytes, uint64_t n)
{
	uint64_t sum = 0;

	for (uint64_t at = 0; at + PAGE <= n; at += PAGE)
		if (!load_u64(bytes + at) && !memcmp(bytes + at, bytes + at + 8, PAGE - 8))
			sum += PAGE;
	return sum;
}

static const struct thread *thread_of_stack(const struct image *img, const struct segment *seg)
{
	for (size_t i = 0; i < img->n_threads; i++)
		if (img->threads[i].sp >= seg->start && img->threads[i].sp < seg->end)
			return &img->threads[i];
	return NULL;
}

/* [start, end) of an anonymous segment, in no claim. */
static void count_anonymous(const struct run *run, const struct segment *seg, taddr start,
			    taddr end, struct sums *sums)
{
	const struct thread *t = thread_of_stack(run->image, seg);
	uint64_t n = end - start, live = 0, zero;

	if (t && t->live_low >= start && t->live_low < end)
		live = end - t->live_low;
	zero = zero_pages(seg->bytes + (start - seg->start), n - live);
	sums->place[PLACE_STACK_LIVE] += live;
	sums->place[PLACE_UNTOUCHED] += zero;
	sums->place[t ? PLACE_STACK_REST : PLACE_ANON] += n - live - zero;
}

static void count_unclaimed(const struct run *run, const struct segment *seg, taddr start,
			    taddr end, struct sums *sums)
{
	if (start >= end)
		return;
	if (seg->module >= 0 || seg->file)
		sums->place[seg->flags & SEG_W ? PLACE_DATA : PLACE_CODE] += end - start;
	else
		count_anonymous(run, seg, start, end, sums);
}

/* One segment, cut by the zones; zones ascend, `at` remembers how far we came. */
static void count_segment(const struct run *run, const struct segment *seg, const struct zones *z,
			  size_t *at, struct sums *sums)
{
	taddr from = seg->start;

	while (*at < z->n && z->v[*at].end <= seg->start)
		++*at;
	for (size_t i = *at; i < z->n && z->v[i].start < seg->end; i++) {
		const struct piece *zone = &z->v[i];
		taddr start = zone->start > from ? zone->start : from;
		taddr end = zone->end < seg->end ? zone->end : seg->end;

		count_unclaimed(run, seg, from, start, sums);
		if (zone->owner >= ZONE_REGION)
			sums->regions[zone->owner - ZONE_REGION].bytes += end - start;
		else
			sums->claimed[zone->owner] += end - start;
		from = end;
	}
	count_unclaimed(run, seg, from, seg->end, sums);
}

static void sum_segments(struct run *run, const struct zones *z, struct sums *sums)
{
	size_t at = 0;

	for (size_t i = 0; i < run->image->n_segments; i++)
		if (run->image->segments[i].origin == SEG_CORE)
			count_segment(run, &run->image->segments[i], z, &at, sums);
	run->report.untouched_bytes = sums->place[PLACE_UNTOUCHED];
}

/* ---- zones ---- */

static struct err *add_piece(struct regions *r, taddr start, taddr end, uint32_t owner)
{
	struct piece p = { start, end, owner };

	return start >= end || vec_push(&r->pieces, &p) ? NULL : &err_nomem;
}

static struct err *add_region(struct region_sink *sink, const struct heap_region *region)
{
	struct regions *r = (struct regions *)sink;
	struct rp_breakdown line = { .category = region->category, .label = region->label };
	size_t i = 0;

	while (i < r->lines.n && strcmp(r->lines.v[i].category, region->category))
		i++;
	if (i == r->lines.n && !vec_push(&r->lines, &line))
		return &err_nomem;
	return add_piece(r, region->start, region->end, ZONE_REGION + (uint32_t)i);
}

static struct err *find_regions(const struct blocks *b, struct regions *r)
{
	struct err *err = NULL;

	for (size_t i = 0; i < b->n_claims && !err; i++) {
		uint32_t owner =
			b->heaps[b->claim_heap[i]].ops->precise ? ZONE_PRECISE : ZONE_CLAIM;
		struct piece *last = r->pieces.n ? &r->pieces.v[r->pieces.n - 1] : NULL;

		if (last && last->end == b->claims[i].start && last->owner == owner)
			last->end = b->claims[i].end;
		else
			err = add_piece(r, b->claims[i].start, b->claims[i].end, owner);
	}
	for (size_t i = 0; i < b->n_heaps && !err; i++)
		if (b->heaps[i].ops->regions)
			err = b->heaps[i].ops->regions(b->heaps[i].ctx, &r->sink);
	return err;
}

static int by_start(const void *pa, const void *pb)
{
	const struct piece *a = pa, *b = pb;

	return a->start < b->start ? -1 : a->start > b->start;
}

static struct err *find_zones(const struct blocks *b, struct regions *r, struct zones *z)
{
	struct err *err = find_regions(b, r);

	if (!err)
		err = pieces_cut(r->pieces.v, r->pieces.n, &z->v, &z->n);
	if (!err && z->n)
		qsort(z->v, z->n, sizeof(*z->v), by_start);
	return err;
}

static void regions_fini(struct regions *r)
{
	free(r->pieces.v);
	free(r->lines.v);
}

static void zones_fini(struct zones *z)
{
	free(z->v);
}

/* ---- lines ---- */

static struct err *add_line(struct run *run, const char *category, const char *label,
			    uint64_t bytes)
{
	struct rp_breakdown line = { .category = category, .label = label, .bytes = bytes };

	if (!bytes)
		return NULL;
	return vec_push(&run->report.breakdown, &line) ? NULL : &err_nomem;
}

struct heap_line {
	const char *category, *label;
	uint64_t bytes;
};

/*
 * Claims of a truncated core count more than it holds: what is missing comes off, least certain
 * first.
 */
static void fit_lines(struct heap_line *lines, size_t n, uint64_t present)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += lines[i].bytes;
	for (size_t i = n; i-- > 0 && sum > present;) {
		uint64_t cut = sum - present < lines[i].bytes ? sum - present : lines[i].bytes;

		lines[i].bytes -= cut;
		sum -= cut;
	}
	if (sum < present)
		lines[n - 1].bytes += present - sum;
}

/* "glibc", or "glibc and jemalloc": the allocators of the process, for labels. */
static const char *allocators(struct run *run, bool precise)
{
	struct text t = TEXT_INIT;
	const char *s;

	for (size_t i = 0; i < run->blocks.n_heaps; i++)
		if (run->blocks.heaps[i].ops->precise == precise)
			text_printf(&t, "%s%s", *text_str(&t) ? " and " : "",
				    run->blocks.heaps[i].ops->name);
	s = arena_strdup(&run->report.mem, text_str(&t));
	text_fini(&t);
	return s ? s : "";
}

/* Free and overhead of all heaps of one sort. */
static void add_free(const struct run *run, bool precise, uint64_t *freed, uint64_t *overhead)
{
	for (size_t i = 0; i < run->blocks.n_heaps; i++) {
		const struct heap *h = &run->blocks.heaps[i];

		if (h->info && h->ops->precise == precise) {
			*freed += h->info->free;
			*overhead += h->info->overhead;
		}
	}
}

static struct err *add_heap_lines(struct run *run, struct heap_line *lines, size_t n,
				  uint64_t present)
{
	struct err *err = NULL;

	if (!present)
		return NULL;
	fit_lines(lines, n, present);
	for (size_t i = 0; !err && i < n; i++)
		err = add_line(run, lines[i].category, lines[i].label, lines[i].bytes);
	return err;
}

static struct err *heap_lines(struct run *run, uint64_t present)
{
	const struct facts *f = &run->facts;
	const struct total *reach = f->reach_total;
	struct heap_line lines[] = {
		{ "heap/reachable", NULL, reach[REACH_REACHABLE].bytes - f->collected.bytes },
		{ "heap/possibly-lost", "C heap: possibly lost", reach[REACH_POSSIBLE].bytes },
		{ "heap/lost", "C heap: lost",
		  reach[REACH_DEFINITE].bytes + reach[REACH_INDIRECT].bytes },
		{ "heap/free", "C heap: free, not returned", 0 },
		{ "heap/overhead", "C heap: allocator's own structures", 0 },
	};

	add_free(run, false, &lines[3].bytes, &lines[4].bytes);
	lines[0].label =
		arena_printf(&run->report.mem, "C heap (%s): reachable", allocators(run, false));
	return lines[0].label ? add_heap_lines(run, lines, ARRAY_SIZE(lines), present) : &err_nomem;
}

static const char *collected_label(struct run *run, const char *what)
{
	return arena_printf(&run->report.mem, "%s heap: %s", allocators(run, true), what);
}

static struct err *collected_lines(struct run *run, uint64_t present)
{
	const struct facts *f = &run->facts;
	struct heap_line lines[] = {
		{ "collected/live", collected_label(run, "live"), f->collected.bytes },
		{ "collected/uncollected", collected_label(run, "uncollected garbage"),
		  f->reach_total[REACH_UNCOLLECTED].bytes },
		{ "collected/free", collected_label(run, "free slots in spans"), 0 },
		{ "collected/overhead",
		  collected_label(run, "size classes, pointer bits"), 0 },
	};

	add_free(run, true, &lines[2].bytes, &lines[3].bytes);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (!lines[i].label)
			return &err_nomem;
	return add_heap_lines(run, lines, ARRAY_SIZE(lines), present);
}

void measure_run(struct run *run)
{
	for (size_t i = 0; i < run->image->n_segments; i++) {
		const struct segment *seg = &run->image->segments[i];

		run->report.virtual_bytes += seg->end - seg->start;
		if (seg->origin == SEG_CORE)
			run->report.dumped_bytes += seg->end - seg->start;
	}
}

struct err *breakdown_run(struct run *run)
{
	_cleanup_(regions_fini) struct regions r = { .sink = { add_region } };
	_cleanup_(zones_fini) struct zones z = {};
	struct sums sums = {};
	struct err *err = find_zones(&run->blocks, &r, &z);

	if (err)
		return err;
	measure_run(run);
	sums.regions = r.lines.v;
	sum_segments(run, &z, &sums);
	err = collected_lines(run, sums.claimed[ZONE_PRECISE]);
	for (size_t i = 0; !err && i < r.lines.n; i++)
		err = add_line(run, r.lines.v[i].category, r.lines.v[i].label, r.lines.v[i].bytes);
	if (!err)
		err = heap_lines(run, sums.claimed[ZONE_CLAIM]);
	for (size_t i = 0; !err && i < PLACES; i++)
		err = add_line(run, places[i].category, places[i].label, sums.place[i]);
	return err;
}
