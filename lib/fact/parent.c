/*
 * fact/parent.c - the shortest chain to each node: breadth-first from the roots (Moore, "The
 * shortest path through a maze", 1959).
 *
 * At equal distance a root that explains more wins (enum root_kind's order), and a plain pointer
 * wins over an interior one.  What vector registers hold alone comes after all that is held
 * otherwise, at any distance (ROOT_VECTOR).  Leaves are given a parent and never queued.
 *
 * What is asked for lies near the roots mostly, and a list is millions of levels deep: so chains
 * of single nodes (FACT_CHAINS) are searched for until the node that is asked for is met, and from
 * there on when another is.
 */
#include <stdlib.h>

#include "base/fetch.h"
#include "base/guard.h"
#include "fact/parts.h"

enum {
	AHEAD = 16,
	BATCH = 256, /* nodes, before it is asked whether that was far enough */
};

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
	uint64_t at, end; /* in the queue: who is next, and where the level ends */
	bool has_vectors; /* what vector registers hold is in the queue */
	bool done;	  /* nothing is left */
	struct col late; /* interior edges wait until the plain ones of their level are done */
	struct col seen_col, queue_col;
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

/* Some of a level. */
static struct err *some(struct bfs *b)
{
	uint64_t at = b->at, end = b->end - at > BATCH ? at + BATCH : b->end;
	struct err *err = NULL;

	for (; at < end && !err; at++) {
		if (at + AHEAD < b->n)
			edge_rows_fetch(&b->g->rows, b->queue[at + AHEAD].node);
		if (at + AHEAD / 2 < b->n)
			fetch_row(b, b->queue[at + AHEAD / 2].node);
		err = from_node(b, (uint32_t)at);
	}
	b->at = at;
	return err;
}

static void begin_search(struct bfs *b)
{
	for (unsigned interior = 0; interior < 2; interior++)
		for (unsigned kind = 0; kind < ROOT_VECTOR; kind++)
			from_roots(b, kind, interior);
	b->end = b->n;
}

/* The next level; that of the vector registers comes when nothing else is left. */
static void begin_level(struct bfs *b)
{
	reach_late_ones(b);
	if (b->at == b->n && !b->has_vectors) {
		for (unsigned interior = 0; interior < 2; interior++)
			from_roots(b, ROOT_VECTOR, interior);
		b->has_vectors = true;
	}
	b->done = b->at == b->n;
	b->end = b->n;
}

/* Until a node has been met; NODE_NONE: all of them. */
static struct err *search(struct bfs *b, node_id until)
{
	struct err *err = NULL;

	while (!b->done && !err && (until == NODE_NONE || !bit_get(b->seen, until))) {
		if (b->at == b->end)
			begin_level(b);
		else
			err = some(b);
	}
	return err;
}

static struct err *open_search(struct env *env, const struct graph *g, const struct subset *inner,
			       struct bfs *b)
{
	struct err *err = col_fixed(env, 8, bits_words(g->n) + 1, "nodes seen", &b->seen_col);

	b->g = g;
	b->inner = inner->set;
	if (!err)
		err = col_sparse(env, sizeof(*b->queue), inner->n, "nodes to visit", &b->queue_col);
	if (!err)
		err = col_open(env, sizeof(struct step), g->m, "interior pointers", &b->late);
	b->seen = b->seen_col.base;
	b->queue = b->queue_col.base;
	return err;
}

static void close_search(struct bfs *b)
{
	col_close(&b->late);
	col_close(&b->queue_col);
	col_close(&b->seen_col);
}

/* The queue holds all nodes in the end: it is their order. */
static struct err *compute(struct env *env, const struct graph *g, const struct subset *inner,
			   struct facts *f, bool keeps_walk)
{
	_cleanup_(close_search) struct bfs b = {};
	struct err *err = col_fixed(env, 4, g->n, "shortest chains", &f->cols[COL_PARENT]);

	if (!err && keeps_walk && g->slot)
		err = col_fixed(env, 1, g->n, "shortest chains", &f->cols[COL_WAY]);
	if (!err && keeps_walk && g->slot)
		err = col_fixed(env, 1, inner->n, "shortest chains", &f->cols[COL_ORDER_WAY]);
	if (!err)
		err = open_search(env, g, inner, &b);
	if (!err) {
		b.parent = f->cols[COL_PARENT].base;
		b.way = f->cols[COL_WAY].base;
		b.queue_way = f->cols[COL_ORDER_WAY].base;
		memset(b.parent, 0xff, 4 * (uint64_t)g->n); /* NODE_NONE */
		begin_search(&b);
		err = search(&b, NODE_NONE);
	}
	if (!err && keeps_walk) {
		f->order = b.queue;
		f->n_order = b.queue_col.n = b.n;
		f->cols[COL_ORDER] = b.queue_col;
		b.queue_col = (struct col){};
	}
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

/* ---- as far as they are asked for */

struct chains {
	struct bfs bfs;
	struct subset inner;
	struct col parent_col;
	struct err *err; /* the first: nothing more is found */
};

void chains_close(struct chains *c)
{
	if (!c)
		return;
	close_search(&c->bfs);
	subset_close(&c->inner);
	col_close(&c->parent_col);
	err_free(c->err);
	free(c);
}

struct err *chains_compute(struct env *env, const struct graph *g, const struct subset *inner,
			   struct facts *f)
{
	struct chains *c = f->parent ? NULL : calloc(1, sizeof(*c));
	struct err *err;

	if (f->parent)
		return NULL;
	if (!c)
		return &err_nomem;
	f->chains = c;
	err = subset_copy(env, g->n, inner, &c->inner);
	if (!err)
		err = col_sparse(env, 4, g->n, "shortest chains", &c->parent_col);
	if (!err)
		err = open_search(env, g, &c->inner, &c->bfs);
	if (err)
		return err;
	c->bfs.parent = c->parent_col.base;
	begin_search(&c->bfs);
	return NULL;
}

/* What is lost or not live is never met: nobody has to search all of the graph for it. */
uint32_t chains_parent(struct chains *c, const uint8_t *reach, node_id node)
{
	struct bfs *b = &c->bfs;

	if (!c->err && !bit_get(b->seen, node) &&
	    (reach[node] == REACH_REACHABLE || reach[node] == REACH_POSSIBLE))
		c->err = search(b, node);
	return bit_get(b->seen, node) ? b->parent[node] : NODE_NONE;
}

struct err *facts_failure(struct facts *f)
{
	struct err *err = f->chains ? f->chains->err : NULL;

	if (err)
		f->chains->err = NULL;
	return err ? err_wrap(err, "shortest chains") : NULL;
}
