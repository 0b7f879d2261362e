/*
 * breakdown.c - where the dumped bytes went: every byte of the core's memory in exactly one line.
 *
 * Heaps come first, split by what reaches their blocks; then what lies outside every heap, by
 * what the mapping is for.  The lines add up to report.dumped_bytes.
 */
#include <inttypes.h>
#include <string.h>

#include "base/vec.h"
#include "pipeline.h"

/* Mappings outside heaps. */
enum place { PLACE_STACK_LIVE, PLACE_STACK_REST, PLACE_DATA, PLACE_CODE, PLACE_ANON, PLACE_RESERVED, PLACES };

static const struct {
	const char *category, *label;
} places[PLACES] = {
	[PLACE_STACK_LIVE] = { "stack/live", "thread stacks: in use" },
	[PLACE_STACK_REST] = { "stack/unused", "thread stacks: not in use" },
	[PLACE_DATA] = { "module/data", "programs and libraries: data" },
	[PLACE_CODE] = { "module/code", "programs and libraries: code, read-only" },
	[PLACE_ANON] = { "mapping/anonymous", "anonymous mappings outside heaps" },
	[PLACE_RESERVED] = { "mapping/reserved", "address space reserved, not accessible" },
};

struct sums {
	uint64_t claimed; /* dumped bytes inside claims */
	uint64_t place[PLACES];
};

/* Dumped bytes of [start, end) that claims cover; claims ascend, `at` remembers how far we came. */
static uint64_t claimed_in(const struct blocks *b, size_t *at, taddr start, taddr end)
{
	uint64_t sum = 0;

	while (*at < b->n_claims && b->claims[*at].end <= start)
		++*at;
	for (size_t i = *at; i < b->n_claims && b->claims[i].start < end; i++) {
		taddr from = b->claims[i].start > start ? b->claims[i].start : start;
		taddr to = b->claims[i].end < end ? b->claims[i].end : end;

		sum += to - from;
	}
	return sum;
}

static const struct thread *thread_of_stack(const struct image *img, const struct segment *seg)
{
	for (size_t i = 0; i < img->n_threads; i++)
		if (img->threads[i].sp >= seg->start && img->threads[i].sp < seg->end)
			return &img->threads[i];
	return NULL;
}

/* `n` bytes of the segment lie outside claims. */
static void count_rest(const struct run *run, const struct segment *seg, uint64_t n, struct sums *sums)
{
	const struct thread *t = thread_of_stack(run->image, seg);
	uint64_t live;

	if (t && n == seg->end - seg->start) {
		live = t->live_low > seg->start && t->live_low < seg->end ? seg->end - t->live_low : n;
		sums->place[PLACE_STACK_LIVE] += live;
		sums->place[PLACE_STACK_REST] += n - live;
	} else if (seg->zero_reserve || !(seg->flags & (SEG_R | SEG_W | SEG_X))) {
		sums->place[PLACE_RESERVED] += n;
	} else if (seg->module >= 0 || seg->file) {
		sums->place[seg->flags & SEG_W ? PLACE_DATA : PLACE_CODE] += n;
	} else {
		sums->place[PLACE_ANON] += n;
	}
}

static void sum_segments(struct run *run, struct sums *sums)
{
	size_t at = 0;

	for (size_t i = 0; i < run->image->n_segments; i++) {
		const struct segment *seg = &run->image->segments[i];
		uint64_t n = seg->end - seg->start, claimed;

		run->report.virtual_bytes += n;
		if (seg->origin != SEG_CORE)
			continue;
		run->report.dumped_bytes += n;
		claimed = claimed_in(&run->blocks, &at, seg->start, seg->end);
		sums->claimed += claimed;
		if (n > claimed)
			count_rest(run, seg, n - claimed, sums);
	}
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
	struct sums sums = {};

	sum_segments(run, &sums);
}

struct err *breakdown_run(struct run *run)
{
	struct sums sums = {};
	struct err *err = NULL;

	sum_segments(run, &sums);
	if (sums.claimed)
		err = heap_lines(run, sums.claimed);
	for (size_t i = 0; !err && i < PLACES; i++)
		err = add_line(run, places[i].category, places[i].label, sums.place[i]);
	return err;
}
