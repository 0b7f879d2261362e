/*
 * analysis/tables.h - the hash table whose entries are what an owner keeps.
 */
#ifndef HEAPFX_ANALYSIS_TABLES_H
#define HEAPFX_ANALYSIS_TABLES_H

#include "analysis/largest.h"

struct entries_of {
	uint64_t entries, bytes; /* their own, without what they lead to */
	uint64_t link;
	bool has_ends; /* there are entries that a tag makes the last of a bucket */
	node_id array, old; /* old: what entries still move from; NODE_NONE: nothing */
	uint64_t used; /* buckets of `array` */
	node_id some[TABLE_SAMPLES]; /* ascending; fewer where there are fewer entries */
};

enum { TABLES_KNOWN = 8 };

/* Who asks, and what was found out last: about one array it is asked several times. */
struct tables {
	const struct subject *s;
	struct {
		node_id node;
		uint64_t link; /* asked for, or TABLE_ANY_LINK */
		bool is_one;
		struct graph_table table;
	} known[TABLES_KNOWN];
	unsigned n; /* found out; the oldest are gone */
};

/*
 * Of the largest nodes that an owner has, the buckets of a table that keeps at least half of
 * `bytes`; false: none does.
 */
bool tables_find(struct tables *t, const struct largest *l, uint64_t bytes,
		 struct entries_of *ret);

/* What leads to the array, on the shortest chain; NODE_NONE: nothing, or a root. */
node_id tables_holder(const struct facts *f, node_id array);
/* Behind the last of its edges that may lead to an array of a table. */
edge_id tables_edges_end(const struct graph *g, node_id holder);
/* Are both the buckets of one table, whose entries move from one to the other? */
bool tables_are_one(struct tables *t, node_id a, node_id b);

#endif
