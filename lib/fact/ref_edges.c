/*
 * fact/ref_edges.c - who keeps whom where references are counted.
 *
 * A pointer to what has a count keeps nothing unless it is one of the counted ones: raw pointers,
 * weak ones and stale ones lead nowhere here.
 */
#include "base/guard.h"
#include "fact/parts.h"

void ref_edges_close(struct ref_edges *r)
{
	subset_close(&r->counted);
	subset_close(&r->sources);
	subset_close(&r->managed);
	for (unsigned i = 0; i < ARRAY_SIZE(r->cols); i++)
		col_close(&r->cols[i]);
	*r = (struct ref_edges){};
}

static void set_nodes(struct ref_edges *r)
{
	const struct graph *g = r->g;

	for (uint32_t i = 0; i < g->n_counteds; i++) {
		bit_set(r->counted.set, g->counteds[i].node);
		if (g->counteds[i].value != NODE_NONE)
			bit_set(r->managed.set, g->counteds[i].value);
	}
	for (uint64_t i = 0; i < g->n_references; i++)
		bit_set(r->sources.set, g->references[i].from);
	subset_rank(&r->counted);
	subset_rank(&r->sources);
	subset_rank(&r->managed);
}

static void fill(struct ref_edges *r)
{
	const struct graph *g = r->g;
	node_id last = NODE_NONE;

	for (uint32_t i = 0; i < g->n_counteds; i++)
		if (g->counteds[i].value != NODE_NONE)
			r->manager[subset_no(&r->managed, g->counteds[i].value)] =
				g->counteds[i].node;
	for (uint64_t i = 0; i < g->n_references; i++) {
		const struct reference *ref = &g->references[i];

		if (ref->from != last)
			r->first[subset_no(&r->sources, ref->from)] = i;
		last = ref->from;
		++*(ref->sure ? &r->strong[ref->to] : &r->unsure[ref->to]);
	}
	r->first[r->sources.n] = g->n_references;
	for (uint32_t i = 0; i < g->n_roots; i++) {
		node_id node = g->root_node[i]; /* an interior one is no number of a node */

		if (node < g->n && bit_get(r->counted.set, node))
			bit_set(r->rooted, subset_no(&r->counted, node));
	}
}

struct err *ref_edges_open(struct env *env, const struct graph *g, struct ref_edges *ret)
{
	struct ref_edges r = { .g = g };
	struct err *err = subset_open(env, g->n, &r.counted);

	if (!err)
		err = subset_open(env, g->n, &r.sources);
	if (!err)
		err = subset_open(env, g->n, &r.managed);
	if (!err) {
		set_nodes(&r);
		err = col_fixed(env, 8, (uint64_t)r.sources.n + 1, "references", &r.cols[0]);
	}
	if (!err)
		err = col_fixed(env, 4, (uint64_t)r.managed.n + 1, "references", &r.cols[1]);
	if (!err)
		err = col_fixed(env, 4, (uint64_t)g->n_counteds + 1, "references", &r.cols[2]);
	if (!err)
		err = col_fixed(env, 4, (uint64_t)g->n_counteds + 1, "references", &r.cols[3]);
	if (!err)
		err = col_fixed(env, 8, bits_words(g->n_counteds) + 1, "references", &r.cols[4]);
	if (err) {
		ref_edges_close(&r);
		return err;
	}
	r.first = r.cols[0].base;
	r.manager = r.cols[1].base;
	r.strong = r.cols[2].base;
	r.unsure = r.cols[3].base;
	r.rooted = r.cols[4].base;
	fill(&r);
	*ret = r;
	return NULL;
}

bool ref_is_explained(const struct ref_edges *r, uint32_t counted)
{
	const struct counted *c = &r->g->counteds[counted];

	if (r->strong[counted] == c->strong)
		return true;
	/*
	 * Which of them are weak is open, but all that there are lie in blocks; unless one of those
	 * is nobody's any more, and a root the one that counts.
	 */
	return r->unsure[counted] && !bit_get(r->rooted, counted) &&
	       r->strong[counted] + r->unsure[counted] + c->found_weak == c->strong + c->weak;
}

bool ref_may_be_weak(const struct ref_edges *r, const struct reference *ref)
{
	const struct counted *c = &r->g->counteds[ref->to];

	return !ref->sure && c->weak > c->found_weak;
}

struct ref_iter ref_iter(const struct ref_edges *r, node_id from)
{
	struct ref_iter it = { .r = r, .from = from };

	if (bit_get(r->sources.set, from)) {
		uint32_t no = subset_no(&r->sources, from);

		it.next = r->first[no];
		it.end = r->first[no + 1];
	}
	it.edge = graph_row(r->g, from);
	it.edge_end = graph_row(r->g, from + 1);
	return it;
}

bool ref_next(struct ref_iter *it, struct ref_edge *ret)
{
	const struct ref_edges *r = it->r;

	while (it->next < it->end) {
		const struct reference *ref = &r->g->references[it->next++];

		if (!ref->sure && r->strong[ref->to] == r->g->counteds[ref->to].strong)
			continue; /* all that count are known: it does not */
		ret->reference = it->next - 1;
		ret->to = r->g->counteds[ref->to].node;
		return true;
	}
	ret->reference = UINT64_MAX;
	while (it->edge < it->edge_end) {
		node_id to = EDGE_NODE(r->g->dst[it->edge++]);

		if (bit_get(r->counted.set, to) ||
		    (bit_get(r->managed.set, to) &&
		     r->manager[subset_no(&r->managed, to)] != it->from))
			continue;
		ret->to = to;
		return true;
	}
	return false;
}
