/*
 * fact/marker.h - marking what some nodes reach: a stack, and behind it two batches of nodes, so
 * that rows and edges come into the cache before they are read.
 *
 *	marker_mark(&m, root);
 *	while (marker_next(&m, &node))
 *		marker_follow(&m, node);
 */
#ifndef HEAPFX_FACT_MARKER_H
#define HEAPFX_FACT_MARKER_H

#include "graph/graph.h"

enum { MARKER_BATCH = 32 }; /* nodes */

struct marker {
	const struct graph *g;
	const uint64_t *inner; /* nodes that marker_next() gives; leaves need no visit */
	uint64_t *set;	       /* marked nodes */
	uint32_t *stack;
	uint64_t n, room; /* in it; how many there may be, and then `extra` ones */
	uint64_t extra;
	/* the nodes to visit now, and where their edges are; those before `next` have been */
	node_id node[MARKER_BATCH];
	edge_id begin[MARKER_BATCH], end[MARKER_BATCH];
	unsigned n_nodes, next;
	node_id coming[MARKER_BATCH]; /* to visit after them, whose rows are on their way */
	unsigned n_coming;
	struct err *err; /* then there is no next one */
	struct col col;	 /* of the stack */
};

/*
 * `extra`: how many nodes are marked or pushed at most between two calls of marker_next(), besides
 * those that the row of its node leads to; or of marker_turn() and the rows of its nodes.
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

/*
 * The next batch of nodes, once all of the last one have been visited; false: there are none.  All
 * that their rows lead to can be pushed.
 */
static inline bool marker_turn(struct marker *m)
{
	uint64_t n = 0;

	do {
		for (unsigned i = 0; i < m->n_coming; i++) {
			node_id node = m->coming[i];

			m->node[i] = node;
			m->begin[i] = graph_row(m->g, node);
			m->end[i] = graph_row(m->g, node + 1);
			n += m->end[i] - m->begin[i];
			__builtin_prefetch(&m->g->dst[m->begin[i]]);
		}
		m->n_nodes = m->n_coming;
		m->next = 0;
		m->n_coming = m->n < MARKER_BATCH ? (unsigned)m->n : MARKER_BATCH;
		for (unsigned i = 0; i < m->n_coming; i++) {
			m->coming[i] = m->stack[--m->n];
			edge_rows_fetch(&m->g->rows, m->coming[i]);
		}
	} while (!m->n_nodes && m->n_coming);
	if (m->n + n > m->room)
		marker_grow(m, n);
	return m->n_nodes && !m->err;
}

/* The next node to visit; false: there is none. */
static inline bool marker_next(struct marker *m, node_id *ret)
{
	uint64_t n;

	if (m->next == m->n_nodes && !marker_turn(m))
		return false;
	*ret = m->node[m->next];
	n = m->end[m->next] - m->begin[m->next];
	m->next++;
	if (m->n + n > m->room)
		marker_grow(m, n);
	return !m->err;
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
