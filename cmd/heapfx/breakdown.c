/*
 * breakdown.c - where the dumped bytes went: every byte of the core's memory in exactly one line.
 *
 * Heaps come first, split by what reaches their blocks; then what lies outside every heap, by
 * what the mapping is for.  The lines add up to report.dumped_bytes.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "base/vec.h"
#include "pipeline.h"

/* Mappings outside heaps. */
enum place { PLACE_STACK_LIVE, PLACE_STACK_REST, PLACE_DATA, PLACE_CODE, PLACE_ANON, PLACE_UNTOUCHED, PLACES };

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

struct sums {
	uint64_t claimed; /* dumped bytes inside claims */
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
static void count_anonymous(const struct run *run, const struct segment *seg, taddr start, taddr end, struct sums *sums)
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

static void count_unclaimed(const struct run *run, const struct segment *seg, taddr start, taddr end, struct sums *sums)
{
	if (start >= end)
		return;
	if (seg->module >= 0 || seg->file)
		sums->place[seg->flags & SEG_W ? PLACE_DATA : PLACE_CODE] += end - start;
	else
		count_anonymous(run, seg, start, end, sums);
}

/* One segment, cut by the claims; claims ascend, `at` remembers how far we came. */
static void count_segment(const struct run *run, const struct segment *seg, size_t *at, struct sums *sums)
{
	const struct blocks *b = &run->blocks;
	taddr from = seg->start;

	while (*at < b->n_claims && b->claims[*at].end <= seg->start)
		++*at;
	for (size_t i = *at; i < b->n_claims && b->claims[i].start < seg->end; i++) {
		taddr start = b->claims[i].start > from ? b->claims[i].start : from;
		taddr end = b->claims[i].end < seg->end ? b->claims[i].end : seg->end;

		count_unclaimed(run, seg, from, start, sums);
		sums->claimed += end - start;
		from = end;
	}
	count_unclaimed(run, seg, from, seg->end, sums);
}

static void sum_segments(struct run *run, struct sums *sums)
{
	size_t at = 0;

	for (size_t i = 0; i < run->image->n_segments; i++)
		if (run->image->segments[i].origin == SEG_CORE)
			count_segment(run, &run->image->segments[i], &at, sums);
	run->report.untouched_bytes = sums->place[PLACE_UNTOUCHED];
}

static struct err *add_line(struct run *run, const char *category, const char *label, uint64_t bytes)
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

/* Claims of a truncated core count more than it holds: what is missing comes off, least certain first. */
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
static const char *allocators(struct run *run)
{
	struct text t = TEXT_INIT;
	const char *s;

	for (size_t i = 0; i < run->report.heaps.n; i++)
		text_printf(&t, "%s%s", i ? " and " : "", run->report.heaps.v[i].allocator);
	s = arena_strdup(&run->report.mem, text_str(&t));
	text_fini(&t);
	return s;
}

static struct err *heap_lines(struct run *run, uint64_t present)
{
	const struct total *reach = run->facts.reach_total;
	const char *names = allocators(run);
	struct arena *mem = &run->report.mem;
	uint64_t freed = 0, overhead = 0;
	struct heap_line lines[] = {
		{ "heap/reachable", NULL, reach[REACH_REACHABLE].bytes },
		{ "heap/possibly-lost", "possibly lost", reach[REACH_POSSIBLE].bytes },
		{ "heap/lost", "lost", reach[REACH_DEFINITE].bytes + reach[REACH_INDIRECT].bytes },
		{ "heap/free", "free, not returned", 0 },
		{ "heap/overhead", "allocator's own structures", 0 },
	};
	struct err *err = NULL;

	for (size_t i = 0; i < run->report.heaps.n; i++) {
		freed += run->report.heaps.v[i].free;
		overhead += run->report.heaps.v[i].overhead;
	}
	lines[0].label = arena_printf(mem, "C heap (%s): reachable", names ? names : "");
	lines[3].bytes = freed;
	lines[4].bytes = overhead;
	fit_lines(lines, sizeof(lines) / sizeof(lines[0]), present);
	for (size_t i = 0; !err && i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (i)
			lines[i].label = arena_printf(mem, "%s %s", "C heap:", lines[i].label);
		err = add_line(run, lines[i].category, lines[i].label, lines[i].bytes);
	}
	return err;
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
	struct sums sums = {};
	struct err *err = NULL;

	measure_run(run);
	sum_segments(run, &sums);
	if (sums.claimed)
		err = heap_lines(run, sums.claimed);
	for (size_t i = 0; !err && i < PLACES; i++)
		err = add_line(run, places[i].category, places[i].label, sums.place[i]);
	return err;
}
