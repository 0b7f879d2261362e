/*
 * fact/entry.h - the one pointer that all ways to a node cross, where there is one: a question, not
 * a column.
 *
 * Cut, it would free what the node retains, and nothing else; no other pointer to the node would
 * free anything.
 */
#ifndef HEAPFX_FACT_ENTRY_H
#define HEAPFX_FACT_ENTRY_H

#include "fact/fact.h"

enum { ENTRIES_MAX = 250 };

struct entry {
	enum entry_kind {
		ENTRY_NONE,    /* nothing leads to it: a lost head, or uncollected */
		ENTRY_ROOT,    /* one root */
		ENTRY_NODE,    /* pointers of one node */
		ENTRY_SEVERAL, /* it is reached whichever of them is cut */
	} kind;
	uint32_t from; /* index of the root; node */
};

/* Of up to ENTRIES_MAX nodes, each once.  Needs DOM; one pass over all edges. */
struct err *entries_find(struct env *env, const struct graph *g, const struct facts *f,
			 const node_id *nodes, unsigned n, struct entry *ret) MUST_CHECK;

#endif
