/*
 * analysis/paths_tree.h - paths by names: like nodes on like ways from a root come together.
 *
 * A tree of names, outermost first.  A name that comes again on its own way leads back to where it
 * stood, so that lists and trees of any depth are a few paths.
 */
#ifndef HEAPFX_ANALYSIS_PATHS_TREE_H
#define HEAPFX_ANALYSIS_PATHS_TREE_H

#include "base/arena.h"
#include "base/text.h"

#define PATH_NONE UINT32_MAX

struct path_row {
	uint32_t parent; /* PATH_NONE: it begins at a root */
	uint32_t frame;
	uint32_t label;	 /* of its root: 0, or the caller's own */
	uint16_t depth;
	bool repeats; /* one way may stay here for more than a step */
	bool in_loop; /* one way may come here again after it was elsewhere */
};

struct path_frame {
	const char *name;
	const char *type; /* NULL = unknown */
	uint32_t bare;	  /* the frame that says what it is, and not how it was reached */
};

/* An open table of two words to one; only ever grows. */
struct pair_table {
	struct pair_slot {
		uint64_t a, b;
		uint32_t value; /* + 1; 0: empty */
	} *slots;
	size_t n, n_slots;
};
/* Where (a, b) is or is to be put: `value` 0 then, and n counts it already; NULL: out of memory. */
uint32_t *pair_place(struct pair_table *t, uint64_t a, uint64_t b);
/* Where (a, b) is, or the empty slot where it would be; there is one. */
static inline struct pair_slot *pair_find(const struct pair_table *t, uint64_t a, uint64_t b)
{
	uint64_t h = a * 0x9e3779b97f4a7c15 ^ b * 0xc2b2ae3d27d4eb4f;
	size_t i;

	h ^= h >> 32;
	i = h * 0xd6e8feb86659fd93 >> 16 & (t->n_slots - 1);
	while (t->slots[i].value && (t->slots[i].a != a || t->slots[i].b != b))
		i = (i + 1) & (t->n_slots - 1);
	return &t->slots[i];
}
/* value + 1; 0: none */
static inline uint32_t pair_get(const struct pair_table *t, uint64_t a, uint64_t b)
{
	return t->n_slots ? pair_find(t, a, b)->value : 0;
}

struct path_tree {
	struct arena *mem; /* of names */
	struct { struct path_row *v; size_t n, cap; } rows;
	struct { struct path_frame *v; size_t n, cap; } frames;
	struct pair_table children; /* by parent and label, frame */
	struct pair_table names;    /* by two hashes of the text */
	size_t max;		    /* rows; past it a path ends in "(other)" */
	uint64_t n_ended;	    /* steps that did */
};

void path_tree_fini(struct path_tree *t);
/* PATH_NONE: out of memory. Names are copied; `type` is borrowed. */
uint32_t path_root(struct path_tree *t, const char *name, uint32_t label);
/* `bare`: the name without how it was reached, for what comes again and again in other ways. */
uint32_t path_step(struct path_tree *t, uint32_t from, const char *name, const char *bare,
		   const char *type);

#endif
