/*
 * fact/paths.c - breadth-first from the target against the edges, until enough roots are met.
 *
 * Moore's search ("The shortest path through a maze", 1959) with several labels a node, as in
 * label setting for k shortest paths (Shier, "On algorithms for finding the k shortest paths in a
 * network", 1979): a label is a way down to the target through one of its direct holders.  A node
 * takes one label for each holder and `max` in all; whatever a further one could give, `max`
 * others give in no more steps.  So an edge is looked at 2 * max times at most.  Paths through the
 * target are never followed: the target takes the first label alone.  Ways from vector registers
 * and from what holds for a time only (ROOT_VECTOR, is_last) fill up what the others leave.
 */
#include "fact/paths.h"

#include <stdlib.h>

#include "base/vec.h"

#define LABEL_NONE UINT32_MAX
#define LABELS_MAX (1ull << 31)

struct label {
	node_id node, holder; /* holder: NODE_NONE for the target itself */
	uint32_t down;	      /* the label one step nearer to the target */
	uint32_t same;	      /* the label that this node was given before */
};

/* A root that a label of the level at hand is pointed at by. */
struct met {
	uint32_t root, label;
};

struct mets {
	struct met *v;
	size_t n, cap;
};

struct search {
	const struct graph *g;
	const struct facts *f;
	node_id target;
	unsigned max;
	struct col label_col, last_col, first_col, next_col;
	const struct label *labels;
	uint32_t *last;	 /* by node: its newest label, + 1 */
	uint32_t *first; /* by node: the first root that points at it, + 1 */
	uint32_t *next;	 /* by root: the next one that points at the same node, + 1 */
	struct mets met, late; /* of this level; of all levels, `max` */
};

static void close_search(struct search *x)
{
	col_close(&x->label_col);
	col_close(&x->last_col);
	col_close(&x->first_col);
	col_close(&x->next_col);
	free(x->met.v);
	free(x->late.v);
}

static struct err *open_search(struct env *env, struct search *x)
{
	uint64_t n = x->g->n, labels = x->max * n < LABELS_MAX ? x->max * n : LABELS_MAX;
	struct err *err =
		col_open(env, sizeof(struct label), labels, "ways to a block", &x->label_col);

	if (!err)
		err = col_fixed(env, 4, n, "ways to a block", &x->last_col);
	if (!err)
		err = col_fixed(env, 4, n, "roots by block", &x->first_col);
	if (!err)
		err = col_fixed(env, 4, x->g->n_roots, "roots by block", &x->next_col);
	if (err)
		return err;
	x->labels = x->label_col.base;
	x->last = x->last_col.base;
	x->first = x->first_col.base;
	x->next = x->next_col.base;
	for (uint32_t i = x->g->n_roots; i--;) { /* backwards: each list ascends */
		uint32_t *first = &x->first[EDGE_NODE(x->g->root_node[i])];

		x->next[i] = *first;
		*first = i + 1;
	}
	return NULL;
}

static struct err *add_label(struct search *x, node_id node, node_id holder, uint32_t down)
{
	uint32_t newest = x->last[node] - 1;
	struct label label = { node, holder, down, newest };
	unsigned have = 0;
	struct err *err;

	for (uint32_t at = newest; at != LABEL_NONE; at = x->labels[at].same, have++)
		if (x->labels[at].holder == holder)
			return NULL;
	if (have == x->max || x->label_col.n == x->label_col.max)
		return NULL;
	err = col_append(&x->label_col, &label, 1);
	if (!err)
		x->last[node] = (uint32_t)x->label_col.n;
	return err;
}

/* The edges of one sort into a node that was just reached. */
static struct err *extend(struct search *x, uint32_t at, uint32_t sort)
{
	const struct facts *f = x->f;
	const struct label from = x->labels[at];
	edge_id e = f->in_row_base[from.node >> ROW_BLOCK_SHIFT] + f->in_row[from.node];
	edge_id end = f->in_row_base[(from.node + 1) >> ROW_BLOCK_SHIFT] + f->in_row[from.node + 1];
	struct err *err = NULL;

	for (; e < end && !err; e++) {
		node_id src = EDGE_NODE(f->in_src[e]);

		if ((f->in_src[e] & EDGE_INTERIOR) == sort && src != x->target)
			err = add_label(x, src, from.holder == NODE_NONE ? src : from.holder, at);
	}
	return err;
}

/* The roots of a label's node: of each source one, a plain pointer if there is any. */
static struct err *meet_roots(struct search *x, uint32_t label)
{
	const struct graph *g = x->g;
	uint32_t at = x->first[x->labels[label].node];

	while (at) {
		struct met met = { at - 1, label };
		uint32_t source = g->root_source[met.root];

		for (; at && g->root_source[at - 1] == source; at = x->next[at - 1])
			if (g->root_node[met.root] & EDGE_INTERIOR &&
			    !(g->root_node[at - 1] & EDGE_INTERIOR))
				met.root = at - 1;
		if (!vec_push(&x->met, &met))
			return &err_nomem;
	}
	return NULL;
}

static unsigned root_rank(const struct graph *g, uint32_t root)
{
	const struct root_source *source = &g->sources[g->root_source[root]];

	if (source->first)
		return source->first;
	return N_FIRST + (g->root_node[root] >> 31) * ROOT_KINDS + source->kind;
}

static int by_rank(const void *pa, const void *pb, void *graph)
{
	const struct met *a = pa, *b = pb;
	unsigned ra = root_rank(graph, a->root), rb = root_rank(graph, b->root);

	if (ra != rb)
		return ra < rb ? -1 : 1;
	if (a->label != b->label) /* given to plain pointers first */
		return a->label < b->label ? -1 : 1;
	return a->root < b->root ? -1 : a->root > b->root;
}

static struct err *keep_path(const struct search *x, struct met met, struct paths *ret)
{
	struct path *path = &ret->v[ret->n];
	node_id *nodes;
	struct err *err;

	path->root = met.root;
	path->n = 0;
	for (uint32_t at = met.label; at != LABEL_NONE; at = x->labels[at].down)
		path->n++;
	err = col_reserve(&ret->nodes_col, path->n, &nodes);
	if (err)
		return err;
	for (uint64_t i = path->n; i--; met.label = x->labels[met.label].down)
		nodes[i] = x->labels[met.label].node;
	ret->nodes_col.n += path->n;
	path->nodes = nodes;
	ret->n++;
	return NULL;
}

static struct err *keep_or_wait(struct search *x, const struct met *met, struct paths *ret)
{
	const struct root_source *source = &x->g->sources[x->g->root_source[met->root]];

	if (source->kind < ROOT_VECTOR && !source->is_last)
		return keep_path(x, *met, ret);
	return x->late.n >= x->max || vec_push(&x->late, met) ? NULL : &err_nomem;
}

/* The ways that the labels [at, end) complete: all of one length. */
static struct err *finish_level(struct search *x, uint64_t at, uint64_t end, struct paths *ret)
{
	struct err *err = NULL;

	x->met.n = 0;
	for (; at < end && !err; at++)
		err = meet_roots(x, (uint32_t)at);
	if (x->met.n)
		qsort_r(x->met.v, x->met.n, sizeof(*x->met.v), by_rank, (void *)x->g);
	for (size_t i = 0; i < x->met.n && ret->n < x->max && !err; i++)
		err = keep_or_wait(x, &x->met.v[i], ret);
	return err;
}

static struct err *levels(struct search *x, struct paths *ret)
{
	struct err *err = add_label(x, x->target, NODE_NONE, LABEL_NONE);

	for (uint64_t at = 0, end; !err && at < x->label_col.n; at = end) {
		end = x->label_col.n;
		err = finish_level(x, at, end, ret);
		if (ret->n == x->max)
			break;
		for (uint64_t i = at; i < end && !err; i++)
			err = extend(x, (uint32_t)i, 0);
		for (uint64_t i = at; i < end && !err; i++)
			err = extend(x, (uint32_t)i, EDGE_INTERIOR);
	}
	for (size_t i = 0; i < x->late.n && ret->n < x->max && !err; i++)
		err = keep_path(x, x->late.v[i], ret);
	return err;
}

struct err *paths_find(struct env *env, const struct graph *g, const struct facts *f,
		       node_id target, unsigned max, struct paths *ret)
{
	struct search x = {
		.g = g, .f = f, .target = target, .max = max < PATHS_MAX ? max : PATHS_MAX
	};
	struct err *err;

	*ret = (struct paths){};
	if (target >= g->n || !max)
		return NULL;
	err = col_open(env, sizeof(node_id), x.max * (uint64_t)g->n, "ways to a block",
		       &ret->nodes_col);
	if (!err)
		err = open_search(env, &x);
	if (!err)
		err = levels(&x, ret);
	close_search(&x);
	if (err)
		paths_fini(ret);
	return err;
}

void paths_fini(struct paths *p)
{
	col_close(&p->nodes_col);
	*p = (struct paths){};
}
