/* analysis/only_way.h - the one pointer that a suspect is held through, where there is one. */
#ifndef HEAPFX_ANALYSIS_ONLY_WAY_H
#define HEAPFX_ANALYSIS_ONLY_WAY_H

#include "analysis/chain.h"

struct only_way {
	/* what owns it: NODE_NONE, no node does; how much; set by the caller */
	node_id owner;
	uint64_t bytes;
	struct entry entry; /* ENTRY_SEVERAL: whichever is cut, another way leads there */
	node_id into;	    /* the node that it leads to: the owner, or one that dominates it */
};

/* One pass over all edges for all of them. */
struct err *only_ways_find(struct env *env, const struct subject *s, struct only_way *ways,
			   unsigned n) MUST_CHECK;
/* "held only through": its name, and what would go without it. */
struct err *evidence_only_way(const struct subject *s, struct report *r, const struct only_way *way,
			      struct rp_suspect *suspect) MUST_CHECK;

#endif
