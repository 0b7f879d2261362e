/*
 * fact/parent.c - the shortest chain to each node: breadth-first from the roots.
 *
 * At equal distance a root that explains more wins (enum root_kind's order), and a plain pointer
 * wins over an interior one.  What vector registers hold alone comes after all that is held
 * otherwise, at any distance (ROOT_VECTOR).  Leaves are given a parent and never queued.
 */
#include "fact/parts.h"

enum { AHEAD = 16 };

/* An interior edge waits until the plain ones of its level are done. */
struct late {
	node_id node;
	uint32_t parent;
};

struct bfs {
	const struct graph *g;
	const uint64_t *inner;
	uint64_t *seen;
	uint32_t *parent;
	node_id *queue;
	uint64_t n; /* in the queue, those done included */
	struct col late;
};

static inline void reach_by(struct bfs *b, node_id node, uint32_t parent)
{
	if (bit_get(b->seen, node))
		return;
	bit_set(b->seen, node);
	b->parent[node] = parent;
	if (bit_get(b->inner, node))
		b->queue[b->n++] = node;
}

static struct err *reach_later(struct bfs *b, node_id node, uint32_t parent)
{
	struct late late = { node, parent };

	return bit_get(b->seen, node) ? NULL : col_append(&b->late, &late, 1);
}

static void reach_late_ones(struct bfs *b)
{
	const struct late *late = b->late.base;

	for (uint64_t i = 0; i < b->late.n; i++)
		reach_by(b, late[i].node, late[i].parent);
	b->late.n = 0;
}

static void from_roots(struct bfs *b, enum root_kind kind, bool is_interior)
{
	const struct graph *g = b->g;

	for (uint32_t i = 0; i < g->n_roots; i++)
		if (g->root_node[i] >> 31 == is_interior &&
		    g->sources[g->root_source[i]].kind == kind)
			reach_by(b, EDGE_NODE(g->root_node[i]), PARENT_ROOT | i);
}

static struct err *from_node(struct bfs *b, node_id node)
{
	edge_id e = graph_row(b->g, node), end = graph_row(b->g, node + 1);
	struct err *err = NULL;

	for (; e < end && !err; e++) {
		uint32_t to = b->g->dst[e];

		if (to & EDGE_INTERIOR)
			err = reach_later(b, EDGE_NODE(to), node);
		else
			reach_by(b, to, node);
	}
	return err;
}

/* All that can be reached from the nodes that were queued last. */
static struct err *levels(struct bfs *b, uint64_t at)
{
	struct err *err = NULL;

	while (!err && at < b->n) {
		uint64_t end = b->n;

		for (; at < end && !err; at++) {
			if (at + AHEAD < b->n)
				edge_rows_fetch(&b->g->rows, b->queue[at + AHEAD]);
			if (at + AHEAD / 2 < b->n)
				__builtin_prefetch(
					&b->g->dst[graph_row(b->g, b->queue[at + AHEAD / 2])]);
			err = from_node(b, b->queue[at]);
		}
		reach_late_ones(b);
	}
	return err;
}

static struct err *search(struct bfs *b)
{
	struct err *err;
	uint64_t before;

	for (unsigned interior = 0; interior < 2; interior++)
		for (unsigned kind = 0; kind < ROOT_VECTOR; kind++)
			from_roots(b, kind, interior);
	err = levels(b, 0);
	before = b->n;
	for (unsigned interior = 0; interior < 2; interior++)
		from_roots(b, ROOT_VECTOR, interior);
	return err ? err : levels(b, before);
}

struct err *parent_compute(struct env *env, const struct graph *g, const struct subset *inner,
			  struct facts *f)
{
	struct bfs b = { .g = g };
	struct col seen = {}, queue = {};
	struct err *err = col_fixed(env, 4, g->n, "shortest chains", &f->cols[COL_PARENT]);

	if (!err)
		err = col_fixed(env, 8, bits_words(g->n) + 1, "nodes seen", &seen);
	if (!err)
		err = col_fixed(env, 4, inner->n, "nodes to visit", &queue);
	if (!err)
		err = col_open(env, sizeof(struct late), g->m, "interior pointers", &b.late);
	if (!err) {
		b.inner = inner->set;
		b.seen = seen.base;
		b.queue = queue.base;
		b.parent = f->cols[COL_PARENT].base;
		memset(b.parent, 0xff, 4 * (uint64_t)g->n); /* NODE_NONE */
		err = search(&b);
	}
	col_close(&b.late);
	col_close(&queue);
	col_close(&seen);
	f->parent = err ? NULL : f->cols[COL_PARENT].base;
	return err;
}
