/*
 * breakdown.c - where the dumped bytes went: every byte of the core's memory in exactly one line.
 *
 * Heaps come first, split by what reaches their blocks; then what lies outside every heap, by
 * what the mapping is for.  The lines add up to report.dumped_bytes; with --smaps to the resident
 * bytes of the process, mapping by mapping.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "image/resident.h"
#include "pipeline.h"
#include "type/pieces.h"

enum {
	MISSING_LEAST = 1 << 20, /* bytes of writable memory that nobody has, likewise */
	UNCLAIMED_LEAST = 4 << 20, /* bytes in mappings of nobody's that are worth a word */
	UNCLAIMED_SHARE = 10,	   /* if there is one to so many of heaps */
};

/* Mappings outside heaps. */
enum place {
	PLACE_STACK_LIVE,
	PLACE_STACK_REST,
	PLACE_DATA,
	PLACE_CODE,
	PLACE_POOLS,
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
	[PLACE_POOLS] = { "mapping/pools", "pools of the program, outside heaps" },
	[PLACE_ANON] = { "mapping/anonymous", "anonymous mappings outside heaps" },
	[PLACE_UNTOUCHED] = { "mapping/untouched",
			      "address space without memory: never written, or given back" },
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
		struct heap_region *v; /* one of each category, in the order they came up */
		size_t n, cap;
	} lines;
};

/* Bytes of one line, or of its part in one mapping: pages of zeros may never have been memory. */
struct tally {
	uint64_t full, zero;
	bool returned; /* to the system: resident last of all */
};

struct sums {
	struct tally *v; /* by slot: zone_owner, with the places in between (see slot_of_region) */
	size_t n;
	bool split; /* look for pages of zeros everywhere, not in anonymous mappings alone */
	uint64_t largest; /* of PLACE_ANON in one piece */
	taddr largest_at;
	struct resident_pass pass;
};

static struct tally *place(struct sums *sums, enum place place)
{
	return &sums->v[ZONE_REGION + place];
}

static size_t slot_of_region(size_t i)
{
	return ZONE_REGION + PLACES + i;
}

enum { PAGE = 4096 };

/*
 * Bytes of whole pages that hold zeros alone.  gcore writes reservations, stacks and bss that were
 * never touched as zeros: they are in the file, and no memory.
 */
static uint64_t zero_pages(const struct segment *seg, taddr start, uint64_t n,
			   struct resident_pass *pass)
{
	const uint8_t *bytes = seg->bytes + (start - seg->start);
	uint64_t sum = 0;

	for (uint64_t at = 0; at + PAGE <= n; at += PAGE) {
		resident_pass_at(pass, start + at);
		if (bytes_are_zero(bytes + at, PAGE))
			sum += PAGE;
	}
	return sum;
}

/*
 * Whose stack [at, *ret_end) is; NULL: nobody's.  The kernel makes one mapping of a stack and of
 * what the program maps right above it.
 */
static const struct thread *stack_at(const struct image *img, taddr at, taddr end, taddr *ret_end)
{
	*ret_end = end;
	for (size_t i = 0; i < img->n_threads; i++) {
		const struct thread *t = &img->threads[i];

		if (at >= t->stack_low && at < t->stack_high) {
			*ret_end = end < t->stack_high ? end : t->stack_high;
			return t;
		}
		if (t->stack_low > at && t->stack_low < *ret_end && t->stack_low < t->stack_high)
			*ret_end = t->stack_low;
	}
	return NULL;
}

/* `n` bytes from `start`, which the segment has. */
static void add_bytes(const struct segment *seg, taddr start, uint64_t n, bool split,
		      struct sums *sums, struct tally *t)
{
	uint64_t zero = split ? zero_pages(seg, start, n, &sums->pass) : 0;

	t->full += n - zero;
	t->zero += zero;
}

/* Memory that begins as zeros. */
static void add_touched(const struct segment *seg, taddr start, uint64_t n, enum place at,
			struct sums *sums)
{
	struct tally t = {};

	add_bytes(seg, start, n, true, sums, &t);
	place(sums, at)->full += t.full;
	if (sums->split)
		place(sums, at)->zero += t.zero;
	else
		place(sums, PLACE_UNTOUCHED)->full += t.zero;
}

/* The end of the pages from `at` on that are all a pool's, or all none's. */
static taddr same_owner(const struct run *run, taddr at, taddr end, bool *ret_is_pool)
{
	*ret_is_pool = pools_at(&run->pools, at) != POOL_NONE;
	if (!run->pools.spans.n)
		return end;
	for (at += PAGE - at % PAGE; at < end; at += PAGE)
		if ((pools_at(&run->pools, at) != POOL_NONE) != *ret_is_pool)
			return at;
	return end;
}

static void count_stack(const struct segment *seg, const struct thread *t, taddr start, taddr end,
			struct sums *sums)
{
	taddr live = t->live_low < start ? start : t->live_low < end ? t->live_low : end;

	place(sums, PLACE_STACK_LIVE)->full += end - live;
	add_touched(seg, start, live - start, PLACE_STACK_REST, sums);
}

static void note_largest(struct sums *sums, taddr start, uint64_t bytes)
{
	if (bytes <= sums->largest)
		return;
	sums->largest = bytes;
	sums->largest_at = start;
}

/* [start, end) of an anonymous segment, in no claim. */
static void count_anonymous(const struct run *run, const struct segment *seg, taddr start,
			    taddr end, struct sums *sums)
{
	while (start < end) {
		taddr stop;
		const struct thread *t = stack_at(run->image, start, end, &stop);
		bool is_pool;

		if (t) {
			count_stack(seg, t, start, stop, sums);
		} else {
			uint64_t before = place(sums, PLACE_ANON)->full;

			stop = same_owner(run, start, stop, &is_pool);
			add_touched(seg, start, stop - start, is_pool ? PLACE_POOLS : PLACE_ANON,
				    sums);
			note_largest(sums, start, place(sums, PLACE_ANON)->full - before);
		}
		start = stop;
	}
}

static void count_unclaimed(const struct run *run, const struct segment *seg, taddr start,
			    taddr end, struct sums *sums)
{
	if (start >= end)
		return;
	if (seg->module < 0 && !seg->file)
		count_anonymous(run, seg, start, end, sums);
	else if (seg->flags & SEG_W) /* bss is of a module */
		add_touched(seg, start, end - start, PLACE_DATA, sums);
	else
		add_bytes(seg, start, end - start, sums->split, sums, place(sums, PLACE_CODE));
}

static size_t slot_of_zone(uint32_t owner)
{
	return owner < ZONE_REGION ? owner : slot_of_region(owner - ZONE_REGION);
}

/* [from, upto) of one segment, cut by the zones; zones ascend, `at` remembers how far we came. */
static void count_segment(const struct run *run, const struct segment *seg, taddr from, taddr upto,
			  const struct zones *z, size_t *at, struct sums *sums)
{
	while (*at < z->n && z->v[*at].end <= from)
		++*at;
	for (size_t i = *at; i < z->n && z->v[i].start < upto; i++) {
		const struct piece *zone = &z->v[i];
		taddr start = zone->start > from ? zone->start : from;
		taddr end = zone->end < upto ? zone->end : upto;
		struct tally *to;

		count_unclaimed(run, seg, from, start, sums);
		to = &sums->v[slot_of_zone(zone->owner)];
		add_bytes(seg, start, end - start, sums->split || to->returned, sums, to);
		from = end;
	}
	count_unclaimed(run, seg, from, upto, sums);
}

static void sum_segments(struct run *run, const struct zones *z, struct sums *sums)
{
	size_t at = 0;

	for (size_t i = 0; i < run->image->n_segments; i++) {
		const struct segment *seg = &run->image->segments[i];

		if (seg->origin == SEG_CORE)
			count_segment(run, seg, seg->start, seg->end, z, &at, sums);
	}
	for (size_t i = 0; i < sums->n; i++)
		if (sums->v[i].returned)
			place(sums, PLACE_UNTOUCHED)->full += sums->v[i].zero;
	run->report.untouched_bytes = place(sums, PLACE_UNTOUCHED)->full;
}

/* ---- resident bytes, by a saved smaps ---- */

/*
 * Pages that hold something were memory; what is resident beyond them is pages of zeros, those of
 * blocks first and those given back to the system last.  Less than that: the rest was swapped out,
 * or has changed since.
 */
static void share_out(const struct tally *part, size_t n, uint64_t rss, struct sums *total)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t take = part[i].full < rss ? part[i].full : rss;

		total->v[i].full += take;
		rss -= take;
	}
	for (size_t k = 0; k < 2 * n; k++) {
		size_t i = k % n;
		uint64_t take = part[i].zero < rss ? part[i].zero : rss;

		if (total->v[i].returned != (k >= n))
			continue;
		total->v[i].full += take;
		rss -= take;
	}
	place(total, PLACE_ANON)->full += rss; /* not in the dump at all */
}

/* What of one mapping the dump has, by slot. */
static void count_mapping(const struct run *run, const struct smaps_row *row, size_t *seg_at,
			  const struct zones *z, size_t *zone_at, struct sums *part)
{
	const struct image *img = run->image;

	memset(part->v, 0, part->n * sizeof(*part->v));
	while (*seg_at < img->n_segments && img->segments[*seg_at].end <= row->start)
		++*seg_at;
	for (size_t i = *seg_at; i < img->n_segments && img->segments[i].start < row->end; i++) {
		const struct segment *seg = &img->segments[i];
		taddr start = seg->start > row->start ? seg->start : row->start;
		taddr end = seg->end < row->end ? seg->end : row->end;

		if (seg->origin == SEG_CORE)
			count_segment(run, seg, start, end, z, zone_at, part);
		else if (row->is_file) /* which of its pages were in memory, no one knows */
			place(part, row->writable ? PLACE_DATA : PLACE_CODE)->zero += end - start;
	}
}

static struct err *sum_mappings(struct run *run, const struct zones *z, struct sums *total)
{
	_free_ struct tally *v = calloc(total->n, sizeof(*v));
	struct sums part = {
		.v = v, .n = total->n, .split = true, .pass = { .img = run->image },
	};
	size_t seg_at = 0, zone_at = 0;

	if (!v)
		return &err_nomem;
	for (size_t i = 0; i < run->smaps.n; i++) {
		count_mapping(run, &run->smaps.v[i], &seg_at, z, &zone_at, &part);
		share_out(part.v, part.n, run->smaps.v[i].rss, total);
	}
	total->largest = part.largest;
	total->largest_at = part.largest_at;
	run->report.has_resident = true;
	run->report.resident_bytes = run->smaps.rss;
	return NULL;
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
	size_t i = 0;

	while (i < r->lines.n && strcmp(r->lines.v[i].category, region->category))
		i++;
	if (i == r->lines.n && !vec_push(&r->lines, region))
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
		if (run->blocks.heaps[i].ops->precise == precise && heap_is_told(&run->blocks, i))
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

/* Garbage of a collector whose objects lie in heaps of others (CPython's). */
static uint64_t loose_garbage(const struct run *run)
{
	const struct graph *g = run->graph;
	const struct facts *f = &run->facts;
	uint64_t bytes = 0;

	if (!run->blocks.unit_heap || !f->reach_total[REACH_UNCOLLECTED].count)
		return f->reach_total[REACH_UNCOLLECTED].bytes;
	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it)) {
		const struct claim *claim;

		if (f->reach[it.id] != REACH_UNCOLLECTED)
			continue;
		claim = blocks_claim_at(&run->blocks, graph_start(g, it.id));
		if (claim &&
		    !blocks_is_precise(&run->blocks, (size_t)(claim - run->blocks.claims)))
			bytes += it.size;
	}
	return bytes;
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
		{ "heap/uncollected", "C heap: uncollected garbage", loose_garbage(run) },
		{ "heap/free", "C heap: free, not returned", 0 },
		{ "heap/overhead", "C heap: allocator's own structures", 0 },
	};

	add_free(run, false, &lines[4].bytes, &lines[5].bytes);
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
		  f->reach_total[REACH_UNCOLLECTED].bytes - loose_garbage(run) },
		{ "collected/free", collected_label(run, "free slots in spans"), 0 },
		{ "collected/overhead", collected_label(run, "size classes, pointer bits"), 0 },
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
		*(seg->origin == SEG_CORE ? &run->report.dumped_bytes :
		  seg->origin == SEG_FILE ? &run->report.file_bytes :
					    &run->report.absent_bytes) += seg->end - seg->start;
	}
}

/* Roots keep what they lead to: where many bytes are roots for want of an owner, that is said. */
static void note_unclaimed(struct run *run, struct sums *sums)
{
	uint64_t bytes = place(sums, PLACE_ANON)->full;

	if (bytes >= UNCLAIMED_LEAST && bytes >= report_heap_bytes(&run->report) / UNCLAIMED_SHARE)
		diag(&run->env, "memory/unclaimed", ERR_NOWHERE,
		     "%" PRIu64 " bytes in mappings are no allocator's that is known here: "
		     "all their words count as roots, so that nothing that they point at is lost "
		     "(explain 0x%" PRIx64 " says who points into the largest, %" PRIu64 " bytes; "
		     "--pool-layout describes an arena)",
		     bytes, sums->largest_at, sums->largest);
}

/* The program may have written there, and nobody has what. */
static bool is_missing(const struct segment *seg)
{
	return seg->origin == SEG_NONE && seg->flags & SEG_W && !seg->file;
}

/*
 * What a truncated file lacks is told by itself.  The kernel also leaves out what was never written
 * to, and gcore does not name what it leaves out: our own captures alone tell one from the other.
 */
static void note_missing(struct run *run)
{
	const struct image *img = run->image;
	uint64_t bytes = 0, n = 0;
	taddr first = 0;

	if (!img->complete || !img->made_by || strcmp(img->made_by, "heapfx") != 0)
		return;
	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *seg = &img->segments[i];

		if (!is_missing(seg))
			continue;
		first = n++ ? first : seg->start;
		bytes += seg->end - seg->start;
	}
	if (bytes >= MISSING_LEAST)
		diag(&run->env, "memory/missing", first,
		     "%" PRIu64 " bytes in %" PRIu64 " writable mappings were left out when the "
		     "file was made (MADV_DONTDUMP, MADV_DONTFORK, a filter): "
		     "what only they point at is called lost, and is not",
		     bytes, n);
}

static struct err *add_lines(struct run *run, const struct regions *r, struct sums *sums)
{
	struct err *err = collected_lines(run, sums->v[ZONE_PRECISE].full);

	for (size_t i = 0; !err && i < r->lines.n; i++)
		err = add_line(run, r->lines.v[i].category, r->lines.v[i].label,
			       sums->v[slot_of_region(i)].full);
	if (!err)
		err = heap_lines(run, sums->v[ZONE_CLAIM].full);
	for (unsigned i = 0; !err && i < PLACES; i++)
		err = add_line(run, places[i].category, places[i].label, place(sums, i)->full);
	if (!err)
		note_unclaimed(run, sums);
	note_missing(run);
	return err;
}

struct err *breakdown_run(struct run *run)
{
	_cleanup_(regions_fini) struct regions r = { .sink = { add_region } };
	_cleanup_(zones_fini) struct zones z = {};
	_free_ struct tally *v = NULL;
	struct sums sums = { .pass = { .img = run->image } };
	struct err *err = find_zones(&run->blocks, &r, &z);

	if (err)
		return err;
	sums.n = slot_of_region(r.lines.n);
	sums.v = v = calloc(sums.n, sizeof(*v));
	if (!v)
		return &err_nomem;
	for (size_t i = 0; i < r.lines.n; i++)
		v[slot_of_region(i)].returned = r.lines.v[i].returned;
	measure_run(run);
	if (run->smaps.n)
		err = sum_mappings(run, &z, &sums);
	else
		sum_segments(run, &z, &sums);
	return err ? err : add_lines(run, &r, &sums);
}
