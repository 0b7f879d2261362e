/*
 * fact/lost_held.c - what each lost head holds, without dominators of the rest.
 *
 * Nothing else leads to lost nodes: their dominators are those of a graph of them alone, which is
 * small unless all is lost.  The numbers are those that FACT_DOM gives.
 */
#include "base/guard.h"
#include "fact/parts.h"

struct lost_graph {
	struct graph g;
	struct subset lost; /* its nodes are numbers in here */
	struct facts facts; /* of it: heads, then dominators */
	struct edge_row_cols rows;
	struct col size, live, dst;
};

static void lost_graph_close(struct lost_graph *l)
{
	facts_fini(&l->facts);
	edge_rows_close(&l->rows);
	col_close(&l->size);
	col_close(&l->live);
	col_close(&l->dst);
	subset_close(&l->lost);
}

static struct err *find_lost(struct env *env, const struct graph *g, const uint8_t *reach,
			     struct subset *ret)
{
	struct err *err = subset_open(env, g->n, ret);

	if (err)
		return err;
	lost_nodes(reach, g->n, ret->set);
	subset_rank(ret);
	return NULL;
}

static struct err *add_node(struct lost_graph *l, const struct graph *g, node_id node, uint32_t no,
			    uint64_t *near)
{
	edge_id e = graph_row(g, node), end = graph_row(g, node + 1);
	struct err *err = edge_rows_begin(&l->rows, no, l->dst.n);

	((uint64_t *)l->size.base)[no] = graph_size_near(g, node, near);
	bit_set(l->live.base, no);
	for (; e < end && !err; e++) {
		node_id to = EDGE_NODE(g->dst[e]);
		uint32_t no_to;

		if (!bit_get(l->lost.set, to))
			continue;
		no_to = subset_no(&l->lost, to);
		err = col_append(&l->dst, &no_to, 1);
	}
	return err;
}

static struct err *add_nodes(struct lost_graph *l, const struct graph *g)
{
	struct err *err = NULL;
	uint64_t near = 0;
	uint32_t no = 0;

	for (uint64_t w = 0; w < bits_words(g->n) && !err; w++)
		for (uint64_t rest = l->lost.set[w]; rest && !err; rest &= rest - 1)
			err = add_node(l, g, (node_id)(w << 6 | (uint64_t)__builtin_ctzll(rest)),
				       no++, &near);
	return err ? err : edge_rows_begin(&l->rows, no, l->dst.n);
}

static struct err *copy_heads(struct env *env, const struct facts *f, struct lost_graph *l)
{
	struct col *col = &l->facts.cols[COL_LOST];
	struct err *err = col_fixed(env, sizeof(struct lost_head), f->n_lost, "lost blocks", col);
	struct lost_head *heads = col->base;

	for (uint64_t i = 0; i < f->n_lost && !err; i++) {
		heads[i] = f->lost[i];
		heads[i].node = subset_no(&l->lost, f->lost[i].node);
	}
	l->facts.lost = heads;
	l->facts.n_lost = f->n_lost;
	return err;
}

static struct err *make_graph(struct env *env, const struct graph *g, const struct facts *f,
			      struct lost_graph *l)
{
	const struct total *total = f->reach_total;
	struct err *err = find_lost(env, g, f->reach, &l->lost);
	uint64_t n = l->lost.n;

	if (!err)
		err = edge_rows_open(env, n, &l->rows);
	if (!err)
		err = col_fixed(env, sizeof(uint64_t), n, "lost blocks", &l->size);
	if (!err)
		err = col_fixed(env, sizeof(uint64_t), bits_words(n) + 1, "lost blocks", &l->live);
	if (!err)
		err = col_open(env, sizeof(uint32_t), g->m + 1, "lost blocks", &l->dst);
	if (!err)
		err = add_nodes(l, g);
	if (!err)
		err = copy_heads(env, f, l);
	if (err)
		return err;
	l->g = (struct graph){
		.env = env, .n = (node_id)n, .n_live = (node_id)n, .m = l->dst.n,
		.key = l->size.base, /* nobody asks for keys */
		.size = l->size.base, .live = l->live.base, .dst = l->dst.base,
		.rows = edge_rows_of(&l->rows),
		.live_bytes = total[REACH_INDIRECT].bytes + total[REACH_DEFINITE].bytes,
	};
	return NULL;
}

static struct err *hold(struct env *env, struct lost_graph *l)
{
	struct subset inner;
	struct err *err = inner_nodes(env, &l->g, &inner);

	if (err)
		return err;
	err = dom_compute(env, &l->g, &inner, &l->facts);
	subset_close(&inner);
	return err;
}

struct err *lost_held_compute(struct env *env, const struct graph *g, const struct subset *inner,
			      struct facts *f)
{
	_cleanup_(lost_graph_close) struct lost_graph l = {};
	struct lost_head *heads = f->cols[COL_LOST].base;
	struct err *err;

	(void)inner; /* of the whole graph */
	if (!f->n_lost || f->have & FACT_DOM)
		return NULL;
	err = make_graph(env, g, f, &l);
	if (!err)
		err = hold(env, &l);
	for (uint64_t i = 0; i < f->n_lost && !err; i++) {
		heads[i].held_count = l.facts.lost[i].held_count;
		heads[i].held_bytes = l.facts.lost[i].held_bytes;
	}
	return err;
}
