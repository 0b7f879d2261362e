/*
 * fact/parent.c - the shortest chain to each node: breadth-first from the roots (Moore, "The
 * shortest path through a maze", 1959).  From those first that a runtime names, in the order of
 * root_source.first: what these lead to for sure begins there, however far.  Those that hold for a
 * time only (is_last) come after all others.
 *
 * At equal distance a root that explains more wins (enum root_kind's order), and a plain pointer
 * wins over an interior one.  A word of a block of unknown type that points inside another block
 * is often none, or an old pointer into what was freed since: such a doubtful edge leads only to
 * what no chain without one does, at any distance.  What vector registers hold alone comes after
 * all that is held otherwise (ROOT_VECTOR).  Leaves are given a parent and never queued.
 */
#include "base/fetch.h"
#include "fact/parts.h"

enum { AHEAD = 16 };

/* An edge, and the place of its source in the queue. */
struct step {
	node_id to;
	uint32_t from;
	uint32_t place;
	uint32_t far; /* steps from the root to the source; of doubtful ones */
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
	uint32_t far; /* of the level at hand */
	bool is_doubting; /* doubtful edges wait, too */
	struct col late; /* interior edges wait until the plain ones of their level are done */
	struct col doubtful; /* until all that others reach is; ascending by far */
};

/* Its words are what they are taken for. */
static bool is_sure(const struct graph *g, node_id node)
{
	type_id type = graph_type(g, node);

	return (type && g->types->v[type].confidence > CONF_GUESS) ||
	       (g->collected && bit_get(g->collected, node));
}

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
		    g->sources[g->root_source[i]].kind == kind &&
		    !g->sources[g->root_source[i]].is_last)
			reach_by(b, (struct step){ EDGE_NODE(g->root_node[i]), PARENT_ROOT | i,
						   NODE_NONE, 0, 0 });
}

static struct col *where_to_wait(struct bfs *b, node_id from)
{
	return b->is_doubting && !is_sure(b->g, from) ? &b->doubtful : &b->late;
}

static struct err *from_node(struct bfs *b, uint32_t place)
{
	node_id node = b->queue[place].node;
	edge_id e = graph_row(b->g, node), end = graph_row(b->g, node + 1);
	struct err *err = NULL;

	for (; e < end && !err; e++) {
		uint32_t to = b->g->dst[e];
		struct step s = { EDGE_NODE(to), node, place, b->far, e };

		if (!(to & EDGE_INTERIOR))
			reach_by(b, s);
		else if (!bit_get(b->seen, s.to))
			err = col_append(where_to_wait(b, node), &s, 1);
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

/*
 * All that can be reached from the nodes that were queued last, and by `n` doubtful edges, each at
 * its distance.
 */
static struct err *levels(struct bfs *b, uint64_t at, const struct step *doubtful, uint64_t n)
{
	struct err *err = NULL;

	for (b->far = 0; !err && (at < b->n || n); b->far++) {
		uint64_t end = b->n;

		if (at == end)
			b->far = doubtful->far;
		for (; at < end && !err; at++) {
			if (at + AHEAD < b->n)
				edge_rows_fetch(&b->g->rows, b->queue[at + AHEAD].node);
			if (at + AHEAD / 2 < b->n)
				fetch_row(b, b->queue[at + AHEAD / 2].node);
			err = from_node(b, (uint32_t)at);
		}
		reach_late_ones(b);
		for (; n && doubtful->far == b->far; doubtful++, n--)
			reach_by(b, *doubtful);
	}
	return err;
}

/*
 * From the roots that were taken up since there were `at` nodes in the queue; doubtful edges are
 * put by.
 */
static struct err *search_surely(struct bfs *b, uint64_t at)
{
	struct err *err;

	b->is_doubting = true;
	err = levels(b, at, NULL, 0);
	b->is_doubting = false;
	return err;
}

/* By the doubtful edges of a search too, which were put by from the one with that number on. */
static struct err *search_doubtfully(struct bfs *b, uint64_t from, uint64_t to)
{
	const struct step *edges = b->doubtful.base;

	return levels(b, b->n, edges + from, to - from);
}

static struct err *search_from(struct bfs *b, uint64_t at)
{
	struct err *err;

	b->doubtful.n = 0;
	err = search_surely(b, at);
	return err ? err : search_doubtfully(b, 0, b->doubtful.n);
}

static void from_first_roots(struct bfs *b, enum root_first first)
{
	const struct graph *g = b->g;

	for (uint32_t i = 0; i < g->n_roots; i++)
		if (g->sources[g->root_source[i]].first == first)
			reach_by(b, (struct step){ EDGE_NODE(g->root_node[i]), PARENT_ROOT | i,
						   NODE_NONE, 0, 0 });
}

/* A name is worth any way, but not a doubtful one: what other roots lead to for sure is theirs. */
static struct err *search_from_named(struct bfs *b)
{
	uint64_t before, doubtful[N_FIRST + 1] = {};
	struct err *err = NULL;

	b->doubtful.n = 0;
	for (unsigned first = FIRST_NAMED; first < N_FIRST; first++) {
		before = b->n;
		from_first_roots(b, first);
		if (!err)
			err = search_surely(b, before);
		doubtful[first] = b->doubtful.n;
	}
	before = b->n;
	for (unsigned interior = 0; interior < 2; interior++)
		for (unsigned kind = 0; kind < ROOT_VECTOR; kind++)
			from_roots(b, kind, interior);
	if (!err)
		err = search_surely(b, before);
	doubtful[N_FIRST] = b->doubtful.n;
	for (unsigned first = FIRST_NAMED; first <= N_FIRST && !err; first++)
		err = search_doubtfully(b, doubtful[first - 1], doubtful[first]);
	return err;
}

static void from_last_roots(struct bfs *b)
{
	const struct graph *g = b->g;

	for (uint32_t i = 0; i < g->n_roots; i++)
		if (g->sources[g->root_source[i]].is_last)
			reach_by(b, (struct step){ EDGE_NODE(g->root_node[i]), PARENT_ROOT | i,
						   NODE_NONE, 0, 0 });
}

static struct err *search(struct bfs *b)
{
	struct err *err = search_from_named(b);
	uint64_t before;

	if (err)
		return err;
	before = b->n;
	from_last_roots(b);
	err = search_from(b, before);
	for (unsigned kind = ROOT_VECTOR; kind < ROOT_KINDS && !err; kind++) {
		before = b->n;
		for (unsigned interior = 0; interior < 2; interior++)
			from_roots(b, kind, interior);
		err = search_from(b, before);
	}
	return err;
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
	if (!err)
		err = col_open(env, sizeof(struct step), g->m, "doubtful pointers", &b.doubtful);
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
	col_close(&b.doubtful);
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
