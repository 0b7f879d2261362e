/*
 * analysis/dirty.h - what the last user of a pooled object left in it.
 *
 * Two things show it: a map that has entries and that the pool alone keeps, and a pointer to what
 * the rest of the program uses.  A pointer that all objects of a type have, to the same place, is
 * what they were made with, and left alone; but for one to a map, which is told as a guess.
 */
#ifndef HEAPFX_ANALYSIS_DIRTY_H
#define HEAPFX_ANALYSIS_DIRTY_H

#include "analysis/chain.h"

/* Maps of one type at one place, or pointers at one place. */
struct dirty {
	uint32_t owner; /* index in graph.owners */
	bool is_map;	/* the first kind */
	bool is_guess;
	uint64_t count;	   /* maps; objects with such a pointer */
	uint64_t of;	   /* objects of that type in the pool */
	uint64_t entries;  /* of all these maps */
	uint64_t retained; /* by the maps; by what is pointed at */
	/* some, by what the target retains */
	node_id sources[SUSPECT_ADDRESSES], targets[SUSPECT_ADDRESSES];
	unsigned n;
};

struct dirties {
	struct dirty *v; /* by owner, then by retained, descending */
	size_t n, cap;
};

/* Needs OWNER, PARENT and DOM. */
struct err *dirty_find(struct env *env, const struct subject *s, struct dirties *ret) MUST_CHECK;
void dirty_free(struct dirties *d);

/* "main.Ctx.session: 100 of 120 point at main.Session" */
void dirty_words(const struct subject *s, const struct dirty *d, struct text *ret);

#endif
