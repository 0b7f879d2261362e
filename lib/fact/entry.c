/*
 * fact/entry.c - which edges enter the subtree of a node in the tree of dominators.
 *
 * An edge is crossed by all ways to its target if and only if every other edge into that target
 * comes from a node that the target dominates (Italiano, Laura, Santaroni, "Finding strong bridges
 * and strong articulation points in linear time", 2012).  Whether it does is answered by labels: of
 * a node that was asked for, the nearest of the nodes in question on its way up, found once.
 */
#include "fact/entry.h"

#include "base/search.h"

enum { FILTER_BITS = 1 << 15 };

#define LABEL_OUTSIDE UINT8_MAX /* below none of them; else the place + 1; 0: nobody asked yet */

struct search {
	const struct graph *g;
	const struct facts *f;
	node_id nodes[ENTRIES_MAX]; /* ascending */
	struct entry found[ENTRIES_MAX];
	unsigned n;
	uint8_t *label;		  /* by node */
	uint8_t up[ENTRIES_MAX];  /* label of each one's dominator */
	/* most targets are none of the nodes: bits by the target's number, a few of them each */
	unsigned shift;
	uint64_t filter[FILTER_BITS / 64];
	node_id at; /* where the last edge came from */
};

static unsigned place_of(const struct search *x, node_id node)
{
	return (unsigned)partition_point(x->n, i, x->nodes[i] < node);
}

/* Dominators that a file brought may form a ring, which then lies outside. */
static uint8_t label_of(const struct search *x, node_id node)
{
	node_id top = node;
	uint8_t label;

	for (; top != NODE_NONE && !x->label[top]; top = x->f->idom[top])
		x->label[top] = LABEL_OUTSIDE;
	label = top == NODE_NONE ? LABEL_OUTSIDE : x->label[top];
	if (label == LABEL_OUTSIDE)
		return label;
	for (; node != top; node = x->f->idom[node])
		x->label[node] = label;
	return label;
}

static bool is_below(const struct search *x, node_id node, unsigned place)
{
	uint8_t label = label_of(x, node);

	for (unsigned i = 0; i < x->n && label != LABEL_OUTSIDE; i++) {
		if (label == place + 1)
			return true;
		label = x->up[label - 1];
	}
	return false;
}

static void add_entry(struct entry *e, enum entry_kind kind, uint32_t from)
{
	if (e->kind == ENTRY_NONE)
		*e = (struct entry){ kind, from };
	else if (e->kind != kind || e->from != from)
		e->kind = ENTRY_SEVERAL;
}

/* The node whose row has the edge, which lies behind that of the last one asked for. */
static node_id source_of(struct search *x, edge_id e)
{
	uint64_t lo = x->at, step = 1, hi;

	for (hi = lo + 1; hi <= x->g->n && graph_row(x->g, (node_id)hi) <= e; step *= 2) {
		lo = hi;
		hi = hi + step <= x->g->n ? hi + step : (uint64_t)x->g->n + 1;
	}
	x->at = (node_id)(lo + partition_point(hi - lo, i,
					       graph_row(x->g, (node_id)(lo + i)) <= e) - 1);
	return x->at;
}

static void look_at_edges(struct search *x)
{
	const struct graph *g = x->g;
	const uint32_t *dst = g->dst;
	uint64_t *filter = x->filter;

	for (edge_id e = 0; e < g->m; e++) {
		node_id to = EDGE_NODE(dst[e]), from;
		unsigned place;

		if (!bit_get(filter, to >> x->shift))
			continue;
		place = place_of(x, to);
		if (place == x->n || x->nodes[place] != to || x->found[place].kind == ENTRY_SEVERAL)
			continue;
		from = source_of(x, e);
		if (x->f->reach[from] != REACH_UNCOLLECTED && !is_below(x, from, place))
			add_entry(&x->found[place], ENTRY_NODE, from);
	}
}

static void look_at_roots(struct search *x)
{
	for (uint32_t i = 0; i < x->g->n_roots; i++) {
		node_id to = EDGE_NODE(x->g->root_node[i]);
		unsigned place = place_of(x, to);

		if (place < x->n && x->nodes[place] == to)
			add_entry(&x->found[place], ENTRY_ROOT, i);
	}
}

static void add_node(struct search *x, node_id node)
{
	unsigned at = x->n++;

	for (; at && x->nodes[at - 1] > node; at--)
		x->nodes[at] = x->nodes[at - 1];
	x->nodes[at] = node;
}

struct err *entries_find(struct env *env, const struct graph *g, const struct facts *f,
			 const node_id *nodes, unsigned n, struct entry *ret)
{
	struct search x = { .g = g, .f = f };
	struct col labels;
	struct err *err = col_sparse(env, 1, g->n, "ways into blocks", &labels);

	if (err)
		return err;
	x.label = labels.base;
	while (g->n >> x.shift > FILTER_BITS - 1)
		x.shift++;
	for (unsigned i = 0; i < n; i++)
		add_node(&x, nodes[i]);
	for (unsigned i = 0; i < n; i++) {
		x.label[x.nodes[i]] = (uint8_t)(i + 1);
		bit_set(x.filter, x.nodes[i] >> x.shift);
	}
	for (unsigned i = 0; i < n; i++) {
		node_id up = f->idom[x.nodes[i]];

		x.up[i] = up == NODE_NONE ? LABEL_OUTSIDE : label_of(&x, up);
	}
	look_at_roots(&x);
	look_at_edges(&x);
	for (unsigned i = 0; i < n; i++)
		ret[i] = x.found[place_of(&x, nodes[i])];
	col_close(&labels);
	return NULL;
}
