/*
 * fact/held.c - what each group of goroutines alone keeps, stuck or not: blocks that no root but
 * those on their stacks reaches.
 *
 * fact/owner.c leaves a bit for each node that goroutines' stacks alone can reach; inside of these
 * every node takes the join of the groups that reach it: nobody < one group < several.
 */
#include "fact/parts.h"

#define SEVERAL UINT32_MAX

struct held {
	const struct graph *g;
	struct subset alone;
	uint32_t *group; /* of each member: 0, a group's owner + 1, SEVERAL */
	struct col group_col, stack;
};

static void close_held(struct held *h)
{
	subset_close(&h->alone);
	col_close(&h->group_col);
	col_close(&h->stack);
}

static struct err *reach(struct held *h, node_id node, uint32_t group)
{
	uint32_t *now;

	if (!bit_get(h->alone.set, node))
		return NULL;
	now = &h->group[subset_no(&h->alone, node)];
	if (*now == group || *now == SEVERAL)
		return NULL;
	*now = *now ? SEVERAL : group;
	return col_append(&h->stack, &node, 1);
}

static struct err *spread_all(struct held *h)
{
	while (h->stack.n) {
		node_id node = ((const node_id *)h->stack.base)[--h->stack.n];
		uint32_t group = h->group[subset_no(&h->alone, node)];

		for (edge_id e = graph_row(h->g, node); e < graph_row(h->g, node + 1); e++) {
			struct err *err = reach(h, EDGE_NODE(h->g->dst[e]), group);

			if (err)
				return err;
		}
	}
	return NULL;
}

static struct err *from_roots(struct held *h)
{
	const struct graph *g = h->g;
	struct err *err = NULL;

	for (uint32_t i = 0; i < g->n_roots && !err; i++) {
		const struct root_source *source = &g->sources[g->root_source[i]];

		/* A goroutine that no group has is one that nobody else is like. */
		if (source->kind == ROOT_GOROUTINE)
			err = reach(h, EDGE_NODE(g->root_node[i]),
				    source->owner ? source->owner : SEVERAL);
		if (!err)
			err = spread_all(h);
	}
	return err;
}

static struct err *sum_up(struct env *env, const struct held *h, struct facts *f)
{
	struct err *err = col_fixed(env, sizeof(struct total), h->g->n_owners, "goroutines",
				    &f->cols[COL_GROUP_TOTAL]);
	struct total *totals;

	if (err)
		return err;
	totals = f->cols[COL_GROUP_TOTAL].base;
	f->groups_shared = (struct total){};
	for (struct graph_iter it = graph_iter(h->g, 0); it.id < h->g->n; graph_next(&it)) {
		uint32_t group;
		struct total *t;

		if (!bit_get(h->alone.set, it.id))
			continue;
		group = h->group[subset_no(&h->alone, it.id)];
		if (!group)
			continue;
		t = group == SEVERAL ? &f->groups_shared : &totals[group - 1];
		t->count++;
		t->bytes += it.size;
	}
	f->group_total = totals;
	return NULL;
}

struct err *held_compute(struct env *env, const struct graph *g, const struct subset *inner,
			 struct facts *f)
{
	struct held h = { .g = g };
	struct err *err;

	(void)inner;
	if (!f->alone)
		return NULL;
	err = subset_open(env, g->n, &h.alone);
	if (err)
		return err;
	memcpy(h.alone.set, f->alone, 8 * bits_words(g->n));
	subset_rank(&h.alone);
	err = col_fixed(env, 4, h.alone.n, "goroutines", &h.group_col);
	if (!err)
		err = col_open(env, 4, 2 * (uint64_t)h.alone.n, "nodes to visit", &h.stack);
	h.group = h.group_col.base;
	if (!err)
		err = from_roots(&h);
	if (!err)
		err = sum_up(env, &h, f);
	close_held(&h);
	return err;
}
