/*
 * fact/parent.c - the shortest chain to each node: breadth-first from the roots (Moore, "The
 * shortest path through a maze", 1959).
 *
 * At equal distance a root that explains more wins (enum root_kind's order), and a plain pointer
 * wins over an interior one.  What vector registers hold alone comes after all that is held
 * otherwise, at any distance (ROOT_VECTOR).  Leaves are given a parent and never queued.
 */
#include "base/fetch.h"
#include "fact/parts.h"

enum { AHEAD = 16 };

/* An edge, and the place of its source in the queue. */
struct step {
	node_id to;
	uint32_t from;
	uint32_t place;
	edge_id by;
};

struct bfs {
	const struct graph *g;
	const uint64_t *inner;
	uint64_t *seen;
	uint32_t *parent;
	uint8_t *way, *queue_way; /* NULL: nobody asked, or nobody knows */
	struct walked *queue;
	uint64_t n; /* in the queue, those done included */
	struct col late; /* interior edges wait until the plain ones of their level are done */
};

static inline void reach_by(struct bfs *b, struct step s)
{
	if (bit_get(b->seen, s.to))
		return;
	bit_set(b->seen, s.to);
	b->parent[s.to] = s.from;
	if (bit_get(b->inner, s.to)) {
		b->queue[b->n] = (struct walked){ s.to, s.place };
		if (b->way && s.place != NODE_NONE) /* 0 for SLOT_UNKNOWN */
			b->queue_way[b->n] = (uint8_t)(b->g->slot[s.by] + 1);
		b->n++;
	} else if (b->way && s.place != NODE_NONE) {
		b->way[s.to] = (uint8_t)(b->g->slot[s.by] + 1);
	}
}

static void reach_late_ones(struct bfs *b)
{
	const struct step *late = b->late.base;

	for (uint64_t i = 0; i < b->late.n; i++)
		reach_by(b, late[i]);
	b->late.n = 0;
}

static void from_roots(struct bfs *b, enum root_kind kind, bool is_interior)
{
	const struct graph *g = b->g;

	for (uint32_t i = 0; i < g->n_roots; i++)
		if (g->root_node[i] >> 31 == is_interior &&
		    g->sources[g->root_source[i]].kind == kind)
			reach_by(b, (struct step){ EDGE_NODE(g->root_node[i]), PARENT_ROOT | i,
						   NODE_NONE, 0 });
}

static struct err *from_node(struct bfs *b, uint32_t place)
{
	node_id node = b->queue[place].node;
	edge_id e = graph_row(b->g, node), end = graph_row(b->g, node + 1);
	struct err *err = NULL;

	for (; e < end && !err; e++) {
		uint32_t to = b->g->dst[e];
		struct step s = { EDGE_NODE(to), node, place, e };

		if (!(to & EDGE_INTERIOR))
			reach_by(b, s);
		else if (!bit_get(b->seen, s.to))
			err = col_append(&b->late, &s, 1);
	}
	return err;
}

static FETCHES void fetch_row(const struct bfs *b, node_id node)
{
	edge_id first = graph_row(b->g, node);

	__builtin_prefetch(&b->g->dst[first]);
	if (b->way)
		__builtin_prefetch(&b->g->slot[first]);
}

/* All that can be reached from the nodes that were queued last. */
static struct err *levels(struct bfs *b, uint64_t at)
{
	struct err *err = NULL;

	while (!err && at < b->n) {
		uint64_t end = b->n;

		for (; at < end && !err; at++) {
			if (at + AHEAD < b->n)
				edge_rows_fetch(&b->g->rows, b->queue[at + AHEAD].node);
			if (at + AHEAD / 2 < b->n)
				fetch_row(b, b->queue[at + AHEAD / 2].node);
			err = from_node(b, (uint32_t)at);
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

/* The queue holds all nodes in the end: it is their order. */
static struct err *compute(struct env *env, const struct graph *g, const struct subset *inner,
			   struct facts *f, bool keeps_walk)
{
	struct bfs b = { .g = g };
	struct col seen = {}, queue = {};
	struct err *err = col_fixed(env, 4, g->n, "shortest chains", &f->cols[COL_PARENT]);

	if (!err && keeps_walk && g->slot)
		err = col_fixed(env, 1, g->n, "shortest chains", &f->cols[COL_WAY]);
	if (!err && keeps_walk && g->slot)
		err = col_fixed(env, 1, inner->n, "shortest chains", &f->cols[COL_ORDER_WAY]);
	if (!err)
		err = col_fixed(env, 8, bits_words(g->n) + 1, "nodes seen", &seen);
	if (!err)
		err = col_fixed(env, sizeof(*b.queue), inner->n, "nodes to visit", &queue);
	if (!err)
		err = col_open(env, sizeof(struct step), g->m, "interior pointers", &b.late);
	if (!err) {
		b.inner = inner->set;
		b.seen = seen.base;
		b.queue = queue.base;
		b.parent = f->cols[COL_PARENT].base;
		b.way = f->cols[COL_WAY].base;
		b.queue_way = f->cols[COL_ORDER_WAY].base;
		memset(b.parent, 0xff, 4 * (uint64_t)g->n); /* NODE_NONE */
		err = search(&b);
	}
	if (!err && keeps_walk) {
		f->order = queue.base;
		f->n_order = queue.n = b.n;
		f->cols[COL_ORDER] = queue;
		queue = (struct col){};
	}
	col_close(&b.late);
	col_close(&queue);
	col_close(&seen);
	f->parent = err ? NULL : f->cols[COL_PARENT].base;
	f->way = err ? NULL : f->cols[COL_WAY].base;
	f->order_way = err ? NULL : f->cols[COL_ORDER_WAY].base;
	return err;
}

struct err *parent_compute(struct env *env, const struct graph *g, const struct subset *inner,
			   struct facts *f)
{
	return f->parent ? NULL : compute(env, g, inner, f, false);
}

/* Before parent_compute(), which then has nothing to do. */
struct err *walk_compute(struct env *env, const struct graph *g, const struct subset *inner,
			 struct facts *f)
{
	return compute(env, g, inner, f, true);
}
