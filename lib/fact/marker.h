/*
 * fact/marker.h - marking what some nodes reach: a stack, and behind it a short queue in which rows
 * of nodes come into the cache before they are read.
 *
 *	marker_mark(&m, root);
 *	while (marker_next(&m, &node))
 *		marker_follow(&m, node);
 */
#ifndef HEAPFX_FACT_MARKER_H
#define HEAPFX_FACT_MARKER_H

#include "graph/graph.h"

enum { AHEAD = 16 }; /* nodes whose rows are being fetched while one is worked on */

struct marker {
	const struct graph *g;
	const uint64_t *inner; /* nodes that marker_next() gives; leaves need no visit */
	uint64_t *set;	       /* marked nodes */
	uint32_t *stack;
	uint64_t n, room; /* in it; how many there may be, and then `extra` ones */
	uint64_t extra;
	node_id queue[AHEAD];
	unsigned at, queued; /* queue[at - queued .. at - 1] */
	struct err *err;     /* then there is no next one */
	struct col col;	     /* of the stack */
};

/*
 * `extra`: how many nodes are marked or pushed at most between two calls of marker_next(), besides
 * those that the row of its node leads to.
 */
struct err *marker_open(struct env *env, const struct graph *g, const uint64_t *inner,
			uint64_t *set, uint64_t extra, struct marker *ret) MUST_CHECK;
void marker_close(struct marker *m);
void marker_grow(struct marker *m, uint64_t n);

static inline void marker_mark(struct marker *m, node_id node)
{
	uint64_t *word = &m->set[node >> 6], bit = 1ull << (node & 63), fresh = bit & ~*word;

	*word |= bit;
	m->stack[m->n] = node;
	m->n += (fresh & m->inner[node >> 6]) != 0; /* nobody can foretell it: no branch */
}

/* All that its row leads to can be pushed. */
static inline bool marker_gives(struct marker *m, node_id node)
{
	uint64_t n = graph_row(m->g, node + 1) - graph_row(m->g, node);

	if (m->n + n > m->room)
		marker_grow(m, n);
	return !m->err;
}

/* The next node to visit; false: there is none. */
static inline bool marker_next(struct marker *m, node_id *ret)
{
	while (m->n) {
		node_id node = m->stack[--m->n];

		edge_rows_fetch(&m->g->rows, node);
		if (m->queued >= AHEAD / 2) /* its row has come: now what the row begins */
			__builtin_prefetch(&m->g->dst[graph_row(
				m->g, m->queue[(m->at - AHEAD / 2) % AHEAD])]);
		*ret = m->queue[m->at % AHEAD];
		m->queue[m->at++ % AHEAD] = node;
		if (m->queued == AHEAD)
			return marker_gives(m, *ret);
		m->queued++;
	}
	if (!m->queued)
		return false;
	*ret = m->queue[(m->at - m->queued--) % AHEAD];
	return marker_gives(m, *ret);
}

/* By plain edges; `late` gets a bit for each node that an interior one leads to. */
static inline void marker_follow_plain(struct marker *m, node_id node, uint64_t *late)
{
	edge_id e = graph_row(m->g, node), end = graph_row(m->g, node + 1);

	for (; e < end; e++) {
		if (m->g->dst[e] & EDGE_INTERIOR)
			bit_set(late, EDGE_NODE(m->g->dst[e]));
		else
			marker_mark(m, m->g->dst[e]);
	}
}

/* Marks up to 64 nodes of `late`, from its word *at on; false: there are none.  extra >= 64. */
static inline bool marker_mark_late(struct marker *m, const uint64_t *late, uint64_t *at)
{
	uint64_t rest = 0, w = *at, words = bits_words(m->g->n);

	while (w < words && !(rest = late[w] & ~m->set[w]))
		w++;
	*at = w;
	for (; rest; rest &= rest - 1)
		marker_mark(m, (node_id)(w << 6 | (uint64_t)__builtin_ctzll(rest)));
	return w < words;
}

/* By edges of all kinds. */
static inline void marker_follow(struct marker *m, node_id node)
{
	edge_id e = graph_row(m->g, node), end = graph_row(m->g, node + 1);

	for (; e < end; e++)
		marker_mark(m, EDGE_NODE(m->g->dst[e]));
}

/*
 * Visits all that is left: by plain edges, `late` getting a bit for each node that an interior one
 * leads to; by all edges when that is NULL.  By env's threads when there is much.  m->err.
 */
void marker_run(struct env *env, struct marker *m, uint64_t *late);

#endif
