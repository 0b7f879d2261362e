/*
 * analysis/final_rings.c - rings with a finalizer: the ring keeps itself, or what is to be called
 * keeps its object; the finalizer never runs.
 *
 * They count as cycles; analysis/owned.c leaves them out of what only waits for a finalizer.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "analysis/chain.h"
#include "base/guard.h"
#include "base/vec.h"

static int by_bytes(const void *pa, const void *pb)
{
	const struct final_ring *a = pa, *b = pb;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return a->node < b->node ? -1 : a->node > b->node;
}

/* Rings of one size, and of one type where types are known, are one suspect. */
static bool are_alike(const struct graph *g, const struct final_ring *a, const struct final_ring *b)
{
	return a->bytes == b->bytes && a->nodes == b->nodes &&
	       a->by_function == b->by_function &&
	       graph_type(g, a->node) == graph_type(g, b->node);
}

/* "1,000 rings of 2 main.Cyc, never finalized", "25 main.Handle held by their own finalizers" */
static void add_title(const struct graph *g, const struct final_ring *ring, size_t n,
		      struct text *t)
{
	const char *type = node_type(g, ring->node);

	if (ring->by_function) {
		text_add_count(t, n);
		text_printf(t, " %s", type ? type : n == 1 ? "object" : "objects");
		text_add(t, " held by ");
		text_add(t, n == 1 ? "its own finalizer" : "their own finalizers");
		return;
	}
	if (n > 1) {
		text_add_count(t, n);
		text_add(t, " rings of ");
	} else {
		text_add(t, "a ring of ");
	}
	text_add_count(t, ring->nodes);
	text_printf(t, " %s", type ? type : ring->nodes == 1 ? "object" : "objects");
	text_add(t, ", never finalized");
}

/* The roots of its special, of which one leads back to it. */
static struct err *add_function(const struct subject *s, struct report *r,
				const struct final_ring *ring, struct rp_suspect *out)
{
	const struct graph *g = s->graph;
	struct text t = TEXT_INIT;
	struct err *err = NULL;

	for (uint32_t i = 0; i < g->n_roots && !t.n; i++) {
		const struct root_source *source = &g->sources[g->root_source[i]];

		if (source->kind == ROOT_FINALIZER && source->end > source->start &&
		    g->root_at[i] - source->start >= source->end - source->start &&
		    bit_get(s->facts->in_final_ring, EDGE_NODE(g->root_node[i])) &&
		    graph_node_at(g, source->start) == ring->node && g->ops && g->ops->root)
			g->ops->root(g->ctx, i, &t);
	}
	if (t.n)
		err = evidence_add(r, out, "holds its own object", text_str(&t));
	text_fini(&t);
	return err;
}

static struct err *add_suspect(const struct subject *s, struct report *r,
			       const struct final_ring *rings, size_t n)
{
	struct rp_suspect out = {
		.rule = "cycle/finalizer",
		.type = node_type(s->graph, rings[0].node),
		.count = n,
		.bytes = n * rings[0].bytes,
		.retained = n * rings[0].bytes,
		.confidence = CONF_RUNTIME,
		.addresses = arena_alloc(&r->mem, SUSPECT_ADDRESSES * sizeof(*out.addresses)),
		.has_chain = true,
	};
	struct text title = TEXT_INIT;
	struct err *err = NULL;

	add_title(s->graph, &rings[0], n, &title);
	out.title = report_text(r, &title);
	text_fini(&title);
	if (!out.title || !out.addresses)
		return &err_nomem;
	for (size_t i = 0; i < n && i < SUSPECT_ADDRESSES; i++)
		out.addresses[out.n_addresses++] = graph_key(s->graph, rings[i].node);
	if (rings[0].by_function) {
		out.advice = "hand what it needs to the function; it must not hold its own object";
		err = add_function(s, r, &rings[0], &out);
	}
	if (!err)
		err = chain_to(s, r, rings[0].node, &out.chain);
	if (err)
		return err;
	return vec_push(&r->suspects, &out) ? NULL : &err_nomem;
}

static void count(struct report *r, const struct final_ring *ring)
{
	struct rp_total *cycle = &r->categories[CAT_CYCLE];

	cycle->known = true;
	cycle->count += ring->nodes;
	cycle->bytes += ring->bytes;
}

static struct err *final_rings_run(struct env *env, const struct subject *s, struct report *r)
{
	size_t n = s->facts->n_final_rings, shown = 0;
	_free_ struct final_ring *rings = calloc(n + 1, sizeof(*rings));
	struct err *err = NULL;

	(void)env;
	if (!rings)
		return &err_nomem;
	for (size_t i = 0; i < n; i++) {
		rings[i] = s->facts->final_rings[i];
		count(r, &rings[i]);
	}
	qsort(rings, n, sizeof(*rings), by_bytes);
	for (size_t i = 0, end; i < n && shown++ < SUSPECTS_PER_RULE && !err; i = end) {
		for (end = i + 1; end < n && are_alike(s->graph, &rings[i], &rings[end]);)
			end++;
		err = add_suspect(s, r, &rings[i], end - i);
	}
	return err;
}

const struct analysis_ops final_rings_analysis = {
	.name = "finalizers",
	.summary = "rings whose finalizers never run",
	.needs = FACT_FINAL_RINGS | FACT_PARENT,
	.run = final_rings_run,
};
