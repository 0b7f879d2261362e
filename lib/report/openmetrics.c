/*
 * report/openmetrics.c - totals as OpenMetrics 1.0 text (openmetrics.io), for a textfile collector.
 *
 * Labels are names that a program has few of; addresses and chains are no metrics.
 */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "report/put.h"
#include "report/report.h"

static void put_label(FILE *out, const char *name, const char *value, bool more)
{
	struct text t = TEXT_INIT;

	text_add_escaped(&t, value ? value : "", value ? strlen(value) : 0);
	fprintf(out, "%s=\"", name);
	for (const char *p = text_str(&t); *p; p++) {
		if (*p == '\\' || *p == '"')
			fputc('\\', out);
		fputc(*p, out);
	}
	fputs(more ? "\"," : "\"", out);
	text_fini(&t);
}

/* The first line of each metric says what it is. */
static void head(FILE *out, const char *name, const char *unit, const char *help)
{
	fprintf(out, "# TYPE %s gauge\n", name);
	if (unit)
		fprintf(out, "# UNIT %s %s\n", name, unit);
	fprintf(out, "# HELP %s %s\n", name, help);
}

static void sample(FILE *out, const char *metric, const char *label, const char *value, uint64_t n)
{
	fprintf(out, "%s{", metric);
	put_label(out, label, value, false);
	fprintf(out, "} %" PRIu64 "\n", n);
}

/* Lines of one category are one sample, at the first of them. */
static void put_memory(FILE *out, const struct report *r)
{
	head(out, "heapfx_memory_bytes", "bytes", "Where the memory of the dumped process went.");
	for (size_t i = 0; i < r->breakdown.n; i++) {
		const char *category = r->breakdown.v[i].category;
		uint64_t bytes = 0;
		bool is_first = true;

		for (size_t k = 0; k < r->breakdown.n; k++) {
			if (strcmp(r->breakdown.v[k].category, category))
				continue;
			is_first = is_first && k >= i;
			bytes += r->breakdown.v[k].bytes;
		}
		if (is_first)
			sample(out, "heapfx_memory_bytes", "category", category, bytes);
	}
}

static void put_categories(FILE *out, const struct report *r)
{
	head(out, "heapfx_category_bytes", "bytes",
	     "Memory that is kept without use, by category.");
	for (unsigned i = 0; i < CAT_COUNT; i++)
		if (r->categories[i].known)
			sample(out, "heapfx_category_bytes", "category", category_name(i),
			       r->categories[i].bytes);
	head(out, "heapfx_category_blocks", NULL, "Blocks that are kept without use, by category.");
	for (unsigned i = 0; i < CAT_COUNT; i++)
		if (r->categories[i].known)
			sample(out, "heapfx_category_blocks", "category", category_name(i),
			       r->categories[i].count);
}

static void put_heap(FILE *out, const struct report *r, const char *state,
		     uint64_t (*bytes)(const struct rp_heap *h))
{
	for (size_t i = 0; i < r->heaps.n; i++) {
		fputs("heapfx_heap_bytes{", out);
		put_label(out, "allocator", r->heaps.v[i].allocator, true);
		fprintf(out, "heap=\"%zu\",", i);
		put_label(out, "state", state, false);
		fprintf(out, "} %" PRIu64 "\n", bytes(&r->heaps.v[i]));
	}
}

static uint64_t used(const struct rp_heap *h)
{
	return h->used;
}

static uint64_t unused(const struct rp_heap *h)
{
	return h->free;
}

static uint64_t idle(const struct rp_heap *h)
{
	return h->idle;
}

static void put_rules(FILE *out, const struct report *r)
{
	head(out, "heapfx_suspect_retained_bytes", "bytes", "What the suspects of a rule retain.");
	for (size_t i = 0; i < n_rules; i++) {
		uint64_t bytes = 0;

		for (size_t k = 0; k < r->suspects.n; k++)
			if (!strcmp(r->suspects.v[k].rule, rules[i].id))
				bytes += r->suspects.v[k].retained;
		sample(out, "heapfx_suspect_retained_bytes", "rule", rules[i].id, bytes);
	}
	head(out, "heapfx_suspects", NULL, "Suspects of a rule.");
	for (size_t i = 0; i < n_rules; i++) {
		uint64_t n = 0;

		for (size_t k = 0; k < r->suspects.n; k++)
			n += !strcmp(r->suspects.v[k].rule, rules[i].id);
		sample(out, "heapfx_suspects", "rule", rules[i].id, n);
	}
}

/* 1: breached.  What a gate holds against what, where it has numbers. */
static void put_checks(FILE *out, const struct report *r)
{
	head(out, "heapfx_gate_breached", NULL, "Whether a gate is breached.");
	for (size_t i = 0; i < r->checks.n; i++) {
		fputs("heapfx_gate_breached{", out);
		put_label(out, "gate", r->checks.v[i].gate, true);
		fprintf(out, "check=\"%zu\",", i);
		put_label(out, "name", r->checks.v[i].name, false);
		fprintf(out, "} %d\n", r->checks.v[i].result == CHECK_BREACHED);
	}
}

static struct err *openmetrics_write(const struct report *r, const struct writer_options *opt,
				     FILE *out)
{
	(void)opt; /* all of it is totals */
	put_memory(out, r);
	put_categories(out, r);
	head(out, "heapfx_heap_bytes", "bytes", "Blocks of each heap, and what it holds idle.");
	put_heap(out, r, "used", used);
	put_heap(out, r, "free", unused);
	put_heap(out, r, "idle", idle);
	put_rules(out, r);
	if (r->checks.n)
		put_checks(out, r);
	head(out, "heapfx_problems", NULL, "Defects of the dump, by kind.");
	fprintf(out, "heapfx_problems %zu\n# EOF\n", r->problems ? r->problems->n : 0);
	return put_end(out, "openmetrics");
}

const struct writer_ops openmetrics_writer = {
	.name = "openmetrics",
	.extension = "prom",
	.write = openmetrics_write,
};
