/*
 * analysis/sites.c - where what a suspect is made of was allocated, by the allocator's own samples.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/chain.h"
#include "base/guard.h"

enum {
	SITES = 64, /* of one suspect; the samples of more are not told */
	SITES_SHOWN = 2,
};

struct site {
	const char *stack;
	uint64_t count, bytes;
	bool every;
};

static int by_bytes(const void *pa, const void *pb)
{
	const struct site *a = pa, *b = pb;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return strcmp(a->stack, b->stack);
}

static void count_sample(struct site *sites, unsigned *n, const struct sample *s)
{
	unsigned i = 0;

	while (i < *n && sites[i].stack != s->stack)
		i++;
	if (i == SITES)
		return;
	if (i == *n)
		sites[(*n)++] = (struct site){ .stack = s->stack, .every = s->every };
	sites[i].count++;
	sites[i].bytes += s->bytes;
}

struct err *evidence_sites(const struct subject *s, struct report *r, struct rp_suspect *suspect,
			   bool (*is_ours)(const void *ctx, node_id node), const void *ctx)
{
	struct site sites[SITES];
	unsigned n = 0;

	for (size_t i = 0; i < s->n_samples; i++)
		if (is_ours(ctx, s->samples[i].node))
			count_sample(sites, &n, &s->samples[i]);
	qsort(sites, n, sizeof(*sites), by_bytes);
	for (unsigned i = 0; i < n && i < SITES_SHOWN; i++) {
		struct text t = TEXT_INIT;
		struct err *err;

		text_printf(&t, "%s (", sites[i].stack);
		text_add_count(&t, sites[i].count);
		if (sites[i].every)
			text_add(&t, sites[i].count == 1 ? " block, " : " blocks, ");
		else
			text_add(&t, sites[i].count == 1 ? " sample, for " : " samples, for ");
		text_add_bytes(&t, sites[i].bytes);
		text_add(&t, ")");
		err = evidence_add(r, suspect, "allocated at", text_str(&t));
		text_fini(&t);
		if (err)
			return err;
	}
	return NULL;
}

/* ---- of suspects whose analysis does not know more */

struct likeness {
	const struct subject *s;
	const struct rp_suspect *suspect;
};

/* Of its type; without one the blocks that it shows. */
static bool is_alike(const void *ctx, node_id node)
{
	const struct likeness *l = ctx;
	const struct graph *g = l->s->graph;
	const char *type = l->suspect->type ? node_type(g, node) : NULL;

	if (l->s->facts->reach[node] == REACH_UNCOLLECTED)
		return false;
	if (l->suspect->type)
		return type && !strcmp(type, l->suspect->type);
	for (size_t i = 0; i < l->suspect->n_addresses; i++)
		if (graph_key(g, node) == l->suspect->addresses[i])
			return true;
	return false;
}

/* Growth, loss and pools know their own; garbage is nobody's. */
static bool is_known(const struct rp_suspect *suspect)
{
	static const char *const known[] = {
		"growth/", "lost/", "cycle/unreachable", "parked/pool", "uncollected/",
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strncmp(suspect->rule, known[i], strlen(known[i])))
			return true;
	return false;
}

static struct err *sites_run(struct env *env, const struct subject *s, struct report *r)
{
	struct err *err = NULL;

	(void)env;
	for (size_t i = 0; s->n_samples && i < r->suspects.n && !err; i++) {
		struct likeness l = { s, &r->suspects.v[i] };

		if (!is_known(l.suspect))
			err = evidence_sites(s, r, &r->suspects.v[i], is_alike, &l);
	}
	return err;
}

const struct analysis_ops sites_analysis = {
	.name = "sites",
	.summary = "where a profiler saw the objects of suspects allocated",
	.needs = FACT_REACH,
	.run = sites_run,
};
