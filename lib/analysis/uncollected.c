/*
 * analysis/uncollected.c - a collector's garbage: what no root reaches and the next cycle frees.
 *
 * No leak: one suspect at most, with the types that make up most of it.
 */
#include <inttypes.h>

#include "analysis/chain.h"
#include "base/guard.h"
#include "base/vec.h"

enum { TYPES_SHOWN = 4 };

struct kind {
	type_id type;
	uint64_t count, bytes;
};

static int by_bytes(const void *pa, const void *pb)
{
	const struct kind *a = pa, *b = pb;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return a->type < b->type ? -1 : a->type > b->type;
}

/* One pass: totals by type, and the first few addresses. */
static void collect(const struct subject *s, struct kind *kinds, struct rp_suspect *out)
{
	const struct graph *g = s->graph;

	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it)) {
		struct kind *k;

		if (s->facts->reach[it.id] != REACH_UNCOLLECTED)
			continue;
		k = &kinds[graph_type(g, it.id)];
		k->count++;
		k->bytes += it.size;
		if (out->n_addresses < SUSPECT_ADDRESSES)
			out->addresses[out->n_addresses++] = graph_key(g, it.id);
	}
}

static struct err *add_types(const struct subject *s, struct report *r, struct kind *kinds,
			     size_t n, struct rp_suspect *out)
{
	if (!s->graph->types)
		return NULL;
	qsort(kinds, n, sizeof(*kinds), by_bytes);
	for (size_t i = 0; i < n && i < TYPES_SHOWN && kinds[i].bytes; i++) {
		struct text t = TEXT_INIT;
		struct err *err;

		text_add_bytes(&t, kinds[i].bytes);
		text_printf(&t, " in %" PRIu64 " of ", kinds[i].count);
		text_add(&t,
			 kinds[i].type ? s->graph->types->v[kinds[i].type].name : "unknown type");
		err = evidence_add(r, out, "garbage", text_str(&t));
		text_fini(&t);
		if (err)
			return err;
	}
	return NULL;
}

static struct err *add_suspect(const struct subject *s, struct report *r)
{
	const struct total *total = &s->facts->reach_total[REACH_UNCOLLECTED];
	size_t n = s->graph->types ? s->graph->types->n : 1;
	_free_ struct kind *kinds = calloc(n, sizeof(*kinds));
	struct text title = TEXT_INIT;
	struct rp_suspect out = {
		.rule = "uncollected/garbage",
		.count = total->count,
		.bytes = total->bytes,
		.retained = total->bytes,
		.confidence = CONF_RUNTIME,
		.addresses = arena_alloc(&r->mem, SUSPECT_ADDRESSES * sizeof(*out.addresses)),
	};
	struct err *err;

	text_add_count(&title, total->count);
	text_add(&title, total->count == 1 ? " object that the next collection frees" :
					     " objects that the next collection frees");
	out.title = report_text(r, &title);
	text_fini(&title);
	if (!kinds || !out.addresses || !out.title)
		return &err_nomem;
	for (size_t i = 0; i < n; i++)
		kinds[i].type = (type_id)i;
	collect(s, kinds, &out);
	err = add_types(s, r, kinds, n, &out);
	if (err)
		return err;
	return vec_push(&r->suspects, &out) ? NULL : &err_nomem;
}

static struct err *uncollected_run(struct env *env, const struct subject *s, struct report *r)
{
	const struct total *total = &s->facts->reach_total[REACH_UNCOLLECTED];

	(void)env;
	if (!s->graph->collected)
		return NULL;
	r->categories[CAT_UNCOLLECTED] = (struct rp_total){ true, total->count, total->bytes };
	return total->count ? add_suspect(s, r) : NULL;
}

const struct analysis_ops uncollected_analysis = {
	.name = "uncollected",
	.summary = "garbage that a collector has not swept yet",
	.needs = FACT_REACH,
	.run = uncollected_run,
};
