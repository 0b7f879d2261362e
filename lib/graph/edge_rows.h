/*
 * graph/edge_rows.h - where the edges of each node begin: 1.25 bytes a node.
 *
 * A node in numbers has few edges, so the rows of sixteen nodes lie close together: one 32-bit
 * start for the sixteen, relative to a 64-bit one for 65,536, and a byte for each.  A group whose
 * rows lie further apart is wide: it has sixteen 64-bit starts of its own.
 */
#ifndef HEAPFX_GRAPH_EDGE_ROWS_H
#define HEAPFX_GRAPH_EDGE_ROWS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/col.h"
#include "base/fetch.h"

typedef uint32_t node_id; /* dense, < 2^31 */
typedef uint64_t edge_id;

enum { ROW_BLOCK_SHIFT = 16, ROW_GROUP_SHIFT = 4, ROW_GROUP = 1 << ROW_GROUP_SHIFT };
#define ROW_WIDE (1u << 31)

/* Of n nodes there are n + 1 rows: the last one is where the edges end. */
struct edge_rows {
	const uint64_t *base;  /* by block */
	const uint32_t *group; /* relative to that; or ROW_WIDE | the place of its starts in `wide` */
	const uint8_t *off;    /* by node, relative to its group */
	const uint64_t *wide;  /* ROW_GROUP for each wide group, relative to base */
};

static inline edge_id edge_rows_start(const struct edge_rows *r, node_id i)
{
	uint64_t base = r->base[i >> ROW_BLOCK_SHIFT];
	uint32_t group = r->group[i >> ROW_GROUP_SHIFT];

	if (__builtin_expect(group & ROW_WIDE, 0))
		return base + r->wide[(uint64_t)(group & ~ROW_WIDE) << ROW_GROUP_SHIFT |
				      (i & (ROW_GROUP - 1))];
	return base + group + r->off[i];
}
static FETCHES void edge_rows_fetch(const struct edge_rows *r, node_id i)
{
	__builtin_prefetch(&r->group[i >> ROW_GROUP_SHIFT]);
	__builtin_prefetch(&r->off[i]);
}
/* How many groups of n nodes are wide. */
uint64_t edge_rows_wide(const struct edge_rows *r, node_id n);
/*
 * Whether rows of n nodes go up to m edges and nowhere else, with n_wide wide groups: for those that
 * a file brought.
 */
bool edge_rows_check(const struct edge_rows *r, node_id n, edge_id m, uint64_t n_wide);
/* Bit i: node first + i has edges; first is a multiple of 64, n at most 64. */
uint64_t edge_rows_used(const struct edge_rows *r, node_id first, unsigned n);

/*
 * Rows being filled, in order of the nodes; threads may fill different blocks at once, counting
 * edges from where they like: each adds that to the base of its blocks in the end.
 */
struct edge_row_cols {
	struct col base, group, off, wide;
	pthread_mutex_t lock; /* of wide.n */
};
struct err *edge_rows_open(struct env *env, uint64_t n, struct edge_row_cols *ret) MUST_CHECK;
void edge_rows_close(struct edge_row_cols *c); /* safe on a zeroed one */
struct edge_rows edge_rows_of(const struct edge_row_cols *c);

struct err *edge_rows_begin_wide(struct edge_row_cols *c, node_id i, uint64_t start) MUST_CHECK;
/* The edges of node i begin at `at`. */
static inline struct err *edge_rows_begin(struct edge_row_cols *c, node_id i, edge_id at)
{
	uint64_t *base = (uint64_t *)c->base.base + (i >> ROW_BLOCK_SHIFT), start;
	uint32_t *group = (uint32_t *)c->group.base + (i >> ROW_GROUP_SHIFT);

	if (!(i & ((1u << ROW_BLOCK_SHIFT) - 1)))
		*base = at;
	start = at - *base;
	if (!(i & (ROW_GROUP - 1)) && start < ROW_WIDE)
		*group = (uint32_t)start;
	else if (!(i & (ROW_GROUP - 1)) || *group & ROW_WIDE || start - *group > UINT8_MAX)
		return edge_rows_begin_wide(c, i, start);
	((uint8_t *)c->off.base)[i] = (uint8_t)(start - *group);
	return NULL;
}
/* The same of n nodes in a row; those from `first` on begin at starts[]. */
struct err *edge_rows_begin_all(struct edge_row_cols *c, node_id first, const edge_id *starts,
				unsigned n) MUST_CHECK;

#endif
