/*
 * analysis/alike.h - live nodes that lie alike, counted together: one pass for all that shows paths
 * and types by holder.
 *
 * Two nodes are alike when they have one row in the tree of paths from the roots, one in the tree
 * of types by holder, one state and one heap.  A node's path is that of its shortest chain by
 * names; a lost one's goes up its dominators.  By type, a node stands below its dominator.
 */
#ifndef HEAPFX_ANALYSIS_ALIKE_H
#define HEAPFX_ANALYSIS_ALIKE_H

#include "analysis/analysis.h"
#include "analysis/paths_tree.h"

#define ALIKE_NONE UINT32_MAX

/* Whose stack a path begins on: labels of rows of paths, + 1. */
struct alike_holder {
	uint32_t thread; /* tid; 0: none */
	uint64_t goroutine;
};

struct alike_cell {
	uint32_t path; /* row of `paths` */
	uint32_t row;  /* of `types`; PATH_NONE: it is not in that tree, as garbage is not */
	uint32_t heap; /* index in report.heaps, + 1; 0: unknown */
	uint8_t reach; /* enum reach */
	bool is_many;  /* of no type, and too large to be one thing: its slots have no names */
	uint64_t count, bytes; /* 0, 0: it stands for a row of a root */
	uint64_t retained;     /* of each node for itself */
};

struct alike {
	struct path_tree paths; /* from the roots */
	struct path_tree types; /* from what nothing holds: ALIKE_HELD, or "(lost)" */
	struct {
		struct alike_holder *v;
		size_t n, cap;
	} holders;
	bool unlabelled; /* there are more than are told apart */
	struct {
		struct alike_cell *v;
		size_t n, cap;
	} cells;
	const uint32_t *cell; /* by node; ALIKE_NONE: it is not live */
	const uint32_t *walked; /* the same by place in facts.order */
	struct pair_table holder_of; /* by thread, goroutine */
	struct pair_table step_of;   /* by the cells above, and what leads on */
	struct pair_table cell_of;   /* by path, row, and state */
	struct col cell_col, walked_col, heap_col;
};

/* The name of the row in `types` above all that is not lost. */
extern const char alike_held[];

/* Needs REACH, DOM and PARENT; with WALK it is quick, and slots are named. */
struct err *alike_find(struct env *env, const struct subject *s, struct report *r,
		       struct alike *ret) MUST_CHECK;
void alike_fini(struct alike *a); /* safe on a zeroed one */

/* Up to its first address, which would differ from run to run: "global table+0x40". */
void alike_drop_addresses(struct text *t);

#endif
