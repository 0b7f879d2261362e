/* analysis/largest.h - the few largest nodes of many, for the addresses of a suspect. */
#ifndef HEAPFX_ANALYSIS_LARGEST_H
#define HEAPFX_ANALYSIS_LARGEST_H

#include "analysis/chain.h"

struct largest {
	node_id node[SUSPECT_ADDRESSES]; /* by size descending, then as they came */
	uint64_t size[SUSPECT_ADDRESSES];
	unsigned n;
};

static inline void largest_add(struct largest *l, node_id node, uint64_t size)
{
	unsigned at = l->n;

	if (l->n < SUSPECT_ADDRESSES)
		l->n++;
	else if (l->size[--at] >= size)
		return;
	for (; at && l->size[at - 1] < size; at--) {
		l->size[at] = l->size[at - 1];
		l->node[at] = l->node[at - 1];
	}
	l->size[at] = size;
	l->node[at] = node;
}

#endif
