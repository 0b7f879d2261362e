/*
 * analysis/copies.c - the same contents in many blocks: what one copy of each would save.
 *
 * The contents that cost most are suspects of their own; all others together are one.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/chain.h"
#include "base/guard.h"
#include "base/vec.h"

enum { LEAST_WASTED = 64 << 10, LEAST_REST = 1 << 20, SHOWN = 8 };

/* Of one content: those of its blocks that are reachable; of a sample, what it stands for. */
struct group {
	uint32_t content, n_nodes;
	uint64_t count, wasted;
	node_id nodes[SUSPECT_ADDRESSES]; /* the first of them */
};

static int by_waste(const void *pa, const void *pb)
{
	const struct group *a = pa, *b = pb;

	if (a->wasted != b->wasted)
		return a->wasted < b->wasted ? 1 : -1;
	return a->content < b->content ? -1 : a->content > b->content;
}

/* Garbage costs nothing that its collection would not give back. */
static void count_copies(const struct subject *s, struct group *groups)
{
	const struct graph *g = s->graph;

	for (uint32_t i = 0; i < g->n_contents; i++)
		groups[i].content = i;
	for (uint64_t i = 0; i < g->n_copies; i++) {
		const struct copy *copy = &g->copies[i];
		struct group *group = &groups[copy->content];
		const struct content *content = &g->contents[copy->content];
		uint64_t each = content->every ? content->every : 1;
		uint8_t reach = s->facts->reach[copy->node];

		if (reach != REACH_REACHABLE && reach != REACH_POSSIBLE)
			continue;
		if (group->n_nodes < SUSPECT_ADDRESSES)
			group->nodes[group->n_nodes++] = copy->node;
		group->wasted += (group->count ? each : each - 1) * content->size;
		group->count += each;
	}
}

/* "string", "strings", "[]uint8" */
static void add_kind(const struct graph *g, node_id node, bool one, struct text *t)
{
	const char *type = node_type(g, node);

	if (type && node_is_of_pool(g, node))
		text_add(t, one ? "block of " : "blocks of ");
	if (type && !strcmp(type, "string data"))
		text_add(t, one ? "string" : "strings");
	else
		text_add(t, type ? type : one ? "block" : "blocks");
}

static struct err *add_addresses(const struct subject *s, struct report *r,
				 const struct group *group, struct rp_suspect *out)
{
	out->addresses = arena_alloc(&r->mem, SUSPECT_ADDRESSES * sizeof(*out->addresses));
	if (!out->addresses || !out->title)
		return &err_nomem;
	for (uint32_t i = 0; i < group->n_nodes; i++)
		out->addresses[out->n_addresses++] = graph_key(s->graph, group->nodes[i]);
	out->has_chain = true;
	return chain_to(s, r, group->nodes[0], &out->chain);
}

/* "120,000 copies of one string of 34 bytes" */
static struct err *add_suspect(const struct subject *s, struct report *r, const struct group *group)
{
	const struct graph *g = s->graph;
	const struct content *content = &g->contents[group->content];
	struct text t = TEXT_INIT;
	struct rp_suspect out = {
		.rule = "duplicate/content",
		.type = arena_strdup(&r->mem, node_type(g, group->nodes[0])),
		.count = group->count,
		.bytes = group->wasted + content->size,
		.retained = group->wasted,
		.confidence = CONF_RUNTIME,
	};
	struct err *err;

	text_add(&t, content->every > 1 ? "about " : "");
	text_add_count(&t, group->count);
	text_add(&t, " copies of one ");
	add_kind(g, group->nodes[0], true, &t);
	text_add(&t, " of ");
	text_add_count(&t, content->length);
	text_add(&t, " bytes");
	out.title = report_text(r, &t);
	text_reset(&t);
	err = add_addresses(s, r, group, &out);
	if (!err && content->every > 1) {
		text_printf(&t, "one block of %" PRIu64, content->every);
		err = evidence_add(r, &out, "estimated from", text_str(&t));
	}
	if (!err && g->env->show_contents && content->sample)
		err = evidence_add(r, &out, "contents", content->sample);
	text_fini(&t);
	if (err)
		return err;
	return vec_push(&r->suspects, &out) ? NULL : &err_nomem;
}

/* "53,000 strings that hold what others hold: 12,000 different ones" */
static struct err *add_rest(const struct subject *s, struct report *r, const struct group *groups,
			    size_t n, const struct group *all)
{
	struct text t = TEXT_INIT;
	struct rp_suspect out = {
		.rule = "duplicate/content",
		.count = all->count,
		.bytes = all->wasted,
		.retained = all->wasted,
		.confidence = CONF_RUNTIME,
	};
	struct err *err;

	text_add_count(&t, all->count);
	text_add(&t, " copies of ");
	text_add_count(&t, n);
	text_add(&t, " different contents");
	out.title = report_text(r, &t);
	text_reset(&t);
	err = add_addresses(s, r, &groups[0], &out);
	if (!err) {
		text_add_count(&t, groups[0].count);
		text_add(&t, " copies of ");
		text_add_count(&t, s->graph->contents[groups[0].content].length);
		text_add(&t, " bytes");
		err = evidence_add(r, &out, "the worst of them", text_str(&t));
	}
	text_fini(&t);
	if (err)
		return err;
	return vec_push(&r->suspects, &out) ? NULL : &err_nomem;
}

static struct err *add_all(const struct subject *s, struct report *r, const struct group *groups,
			   size_t n)
{
	struct rp_total *total = &r->categories[CAT_DUPLICATE];
	struct group rest = {};
	struct err *err = NULL;
	size_t shown = 0, i;

	for (i = 0; i < n && !err && shown < SHOWN && groups[i].wasted >= LEAST_WASTED; i++) {
		err = add_suspect(s, r, &groups[i]);
		shown++;
	}
	for (size_t k = 0; k < n; k++) {
		total->count += groups[k].count - 1;
		total->bytes += groups[k].wasted;
		rest.count += k >= shown ? groups[k].count : 0;
		rest.wasted += k >= shown ? groups[k].wasted : 0;
	}
	if (!err && rest.wasted >= LEAST_REST)
		err = add_rest(s, r, groups + shown, n - shown, &rest);
	return err;
}

static struct err *copies_run(struct env *env, const struct subject *s, struct report *r)
{
	_free_ struct group *groups = NULL;
	size_t n = 0;

	(void)env;
	if (!s->graph->n_contents)
		return NULL;
	groups = calloc(s->graph->n_contents, sizeof(*groups));
	if (!groups)
		return &err_nomem;
	count_copies(s, groups);
	for (uint32_t i = 0; i < s->graph->n_contents; i++)
		if (groups[i].wasted)
			groups[n++] = groups[i];
	if (n)
		qsort(groups, n, sizeof(*groups), by_waste);
	r->categories[CAT_DUPLICATE].known = true;
	return add_all(s, r, groups, n);
}

const struct analysis_ops copies_analysis = {
	.name = "copies",
	.summary = "the same contents held many times",
	.needs = FACT_REACH | FACT_PARENT,
	.run = copies_run,
};
