/*
 * analysis/sites.c - where what a suspect is made of was allocated, by the allocator's own samples.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/chain.h"

enum {
	SITES = 64, /* of one suspect; the samples of more are not told */
	SITES_SHOWN = 2,
};

struct site {
	const char *stack;
	uint64_t count, bytes;
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
		sites[(*n)++] = (struct site){ .stack = s->stack };
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
