/*
 * fact/paths.h - several shortest ways from the roots to one node: a question, not a column.
 *
 * Shortest first; at equal length a root that explains more (enum root_kind's order) and a plain
 * pointer win.  Any two ways differ in the node from which they enter the target, or in the root
 * they start at; roots of one source that point at one node count as one.  None passes through
 * the target on its way.
 */
#ifndef HEAPFX_FACT_PATHS_H
#define HEAPFX_FACT_PATHS_H

#include "fact/fact.h"

enum { PATHS_MAX = 64 };

struct path {
	uint32_t root;
	uint64_t n;
	const node_id *nodes; /* the target first, the node that the root points at last */
};

struct paths {
	struct path v[PATHS_MAX];
	unsigned n; /* 0: no root reaches the target */
	struct col nodes_col;
};

/* At most `max` of them. Needs FACT_REVERSE. */
struct err *paths_find(struct env *env, const struct graph *g, const struct facts *f,
		       node_id target, unsigned max, struct paths *ret) MUST_CHECK;
void paths_fini(struct paths *p); /* a zeroed one is fine */

#endif
