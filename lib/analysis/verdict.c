/* analysis/verdict.c - the report in a sentence: what the heap should not hold, what is no heap. */
#include <string.h>

#include "analysis/chain.h"
#include "base/guard.h"

static void add_percent(struct text *t, uint64_t part, uint64_t whole, const char *of)
{
	double percent = whole ? 100.0 * (double)part / (double)whole : 0;

	if (!whole || part > whole)
		return;
	if (part && percent < 0.05) /* what is there is never "0.0%" */
		text_printf(t, ", <0.1%% of %s", of);
	else
		text_printf(t, percent < 9.95 ? ", %.1f%% of %s" : ", %.0f%% of %s", percent, of);
}

static void add_lost(const struct report *r, struct text *t)
{
	const struct rp_total *lost = &r->categories[CAT_LOST];

	text_add_bytes(t, lost->bytes);
	add_percent(t, lost->bytes, report_heap_bytes(r), "the heap");
	text_add(t, lost->count == 1 ? ", is lost in 1 block" : ", is lost in ");
	if (lost->count != 1) {
		text_add_count(t, lost->count);
		text_add(t, " blocks");
	}
}

/* Most of the memory is no block of any heap: what is said of heaps is said of the smaller part. */
static void add_unknown(const struct report *r, struct text *t)
{
	uint64_t all = report_memory_bytes(r), unknown = 0, pools = 0;

	for (size_t i = 0; i < r->breakdown.n; i++)
		if (!strcmp(r->breakdown.v[i].category, "mapping/anonymous"))
			unknown += r->breakdown.v[i].bytes;
		else if (!strcmp(r->breakdown.v[i].category, "mapping/pools"))
			pools += r->breakdown.v[i].bytes;
	if (unknown <= all / 2 && pools <= all / 2)
		return;
	text_add_bytes(t, unknown > pools ? unknown : pools);
	add_percent(t, unknown > pools ? unknown : pools, all, "the memory");
	if (unknown > pools)
		text_add(t, ", is in mappings of no allocator known here; in the rest: ");
	else
		text_add(t, ", is in pools of the program's own, outside heaps; in the rest: ");
}

/* Nothing stands out: say how much there is, and no more than is known. */
static void calm_verdict(const struct report *r, bool leaks, struct text *t)
{
	const struct rp_total *ok = &r->reach[1];

	if (!ok->known) {
		text_add(t, "no suspects; what is reachable is not known.");
		return;
	}
	if (r->categories[CAT_LOST].count)
		text_add(t, "no suspects: ");
	else if (leaks)
		text_add(t, "nothing is lost: ");
	else
		text_add(t, "nothing is lost and no owner stands out: ");
	text_add_bytes(t, ok->bytes);
	text_add(t, " in ");
	text_add_count(t, ok->count);
	text_add(t, ok->count == 1 ? " used block is reachable." : " used blocks are reachable.");
}

static void worst_verdict(const struct report *r, struct text *t)
{
	const struct rp_suspect *worst = &r->suspects.v[0];
	bool is_lost =
		!strncmp(worst->rule, "lost/", 5) || !strcmp(worst->rule, "cycle/unreachable");

	if (is_lost) {
		add_lost(r, t);
		if (worst->retained == r->categories[CAT_LOST].bytes) { /* there is no other part */
			text_add(t, ": ");
			text_add(t, worst->title);
			text_add(t, ".");
			return;
		}
		text_add(t, "; the largest part: ");
		text_add(t, worst->title);
		if (worst->count > 1) {
			text_add(t, " (");
			text_add_count(t, worst->count);
			text_add(t, ")");
		}
		text_add(t, ", ");
		text_add_bytes(t, worst->retained);
		text_add(t, ".");
		return;
	}
	text_add(t, worst->title);
	text_add(t, ": ");
	text_add_bytes(t, worst->retained);
	if (!strcmp(worst->rule, "growth/goroutines")) /* stacks are no part of a heap */
		add_percent(t, worst->retained, report_memory_bytes(r), "the memory");
	else
		add_percent(t, worst->retained, report_heap_bytes(r), "the heap");
	if (r->categories[CAT_LOST].count) {
		text_add(t, "; ");
		add_lost(r, t);
	}
	text_add(t, ".");
}

struct err *verdict_write(struct report *r, bool leaks)
{
	struct text t = TEXT_INIT;

	add_unknown(r, &t);
	if (r->suspects.n)
		worst_verdict(r, &t);
	else
		calm_verdict(r, leaks, &t);
	r->verdict = report_text(r, &t);
	text_fini(&t);
	return r->verdict ? NULL : &err_nomem;
}
