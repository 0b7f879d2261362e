/*
 * analysis/final_rings.c - rings with a finalizer: the ring keeps itself, the finalizer never runs.
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
	       (!g->type || g->type[a->node] == g->type[b->node]);
}

static struct err *add_suspect(const struct subject *s, struct report *r,
			       const struct final_ring *rings, size_t n)
{
	struct rp_suspect out = {
		.rule = "cycle/finalizer",
		.count = n,
		.bytes = n * rings[0].bytes,
		.retained = n * rings[0].bytes,
		.confidence = CONF_RUNTIME,
		.addresses = arena_alloc(&r->mem, SUSPECT_ADDRESSES * sizeof(*out.addresses)),
		.has_chain = true,
	};
	struct text title = TEXT_INIT;
	struct err *err;

	if (n > 1) {
		text_add_count(&title, n);
		text_add(&title, " rings of ");
	} else {
		text_add(&title, "a ring of ");
	}
	text_add_count(&title, rings[0].nodes);
	text_add(&title, rings[0].nodes == 1 ? " object" : " objects");
	text_add(&title, n > 1 ? " whose finalizers never run" : " whose finalizer never runs");
	out.title = report_text(r, &title);
	text_fini(&title);
	if (!out.title || !out.addresses)
		return &err_nomem;
	for (size_t i = 0; i < n && i < SUSPECT_ADDRESSES; i++)
		out.addresses[out.n_addresses++] = graph_key(s->graph, rings[i].node);
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
