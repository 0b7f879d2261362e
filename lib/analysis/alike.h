/*
 * analysis/alike.h - live nodes that lie alike, counted together: one pass for all that shows paths
 * and types by holder.
 *
 * Two nodes are alike when they have one row in the tree of paths from the roots, one in the tree
 * of types by holder, one type, dominators of one type, one state, one heap and the same samples
 * among all their dominators.  A node's
 * path is that of its shortest chain by names; a lost one's goes up its dominators.  By type, a
 * node stands below its dominator.
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
	bool is_held;  /* has dominators */
	type_id type, above_type; /* of its nodes, and of their dominators; 0: unknown */
	uint32_t sample; /* of one path, state and heap; ALIKE_NONE: it stands for a root's row */
	uint32_t above;	 /* set of the samples of its nodes' dominators */
	uint64_t count, bytes;
	uint64_t retained; /* of each node for itself */
};

/*
 * Samples: what a sample's nodes retain together is what those do that have no dominator of it.
 * Sets of samples above a node are few, for dominators stand on its shortest path, too, and paths
 * are folded.
 */
struct alike_set {
	uint64_t hash; /* of the members in any order */
	const uint32_t *members;
	uint32_t n;
};

struct alike_place {
	uint32_t above; /* the cell; until it has one, the dominator */
	uint32_t sort;	/* of alike.c; ALIKE_PLACED: it has one, or is not live */
};
#define ALIKE_PLACED (1u << 31)

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
	uint32_t n_samples;
	struct {
		struct alike_set *v;
		size_t n, cap;
	} sets;		 /* the first is empty */
	bool sets_ended; /* there are too many: `above` is not to be trusted */
	const struct alike_place *places; /* by node */
	struct arena mem;
	struct col places_col;
};

/* The name of the row in `types` above all that is not lost. */
extern const char alike_held[];

/* Needs REACH, DOM and PARENT; with WALK it is quick, and slots are named. */
struct err *alike_find(struct env *env, const struct subject *s, struct report *r,
		       struct alike *ret) MUST_CHECK;
void alike_fini(struct alike *a); /* safe on a zeroed one */
bool alike_stands_above(const struct alike *a, const struct alike_cell *cell, uint32_t sample);

/* Up to its first address, which would differ from run to run: "global table+0x40". */
void alike_drop_addresses(struct text *t);

#endif
