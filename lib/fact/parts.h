/*
 * fact/parts.h - the steps by which facts_compute() fills the facts, one file each, and the two
 * small structures they share: a numbered subset of the nodes, and nearest common ancestors.
 */
#ifndef HEAPFX_FACT_PARTS_H
#define HEAPFX_FACT_PARTS_H

#include "base/words.h"
#include "fact/fact.h"

/* Index in facts.cols of the column behind each fact. */
enum {
	COL_REACH,
	COL_LOST,
	COL_CYCLES,
	COL_MEMBERS,
	COL_IDOM,
	COL_RETAINED,
	COL_PARENT,
	COL_IN_ROW,
	COL_IN_BASE,
	COL_IN_SRC,
	COL_OWNER,
	COL_OWNER_TOTAL,
	COL_STUCK,
	COL_FINAL_RINGS,
	COL_IN_FINAL_RING,
	COL_AWAKE,
	COL_THINGS,
	COL_WAITS,
	COL_HOLDERS,
	COL_RING,
	COL_KNOT,
	COL_STUCK_RINGS,
	COL_ALONE,
	COL_GROUP_TOTAL,
	COL_BY_KEYS,
	COL_KEYED,
	COL_RETAINED_SET,
	COL_RETAINED_RANK,
	COL_REF_RINGS,
	COL_REF_MEMBERS,
	COL_REF_STEPS,
	COL_IN_REF_RING,
	COL_WAY,
	COL_ORDER,
	COL_ORDER_WAY,
	COL_TREE,
	COL_ESCAPED,
	COL_FAMILY,
	COL_FAMILY_TOTAL,
};

/* A set of nodes, numbered densely in id order: a bit a node, and a count for each 64. */
struct subset {
	uint64_t *set;
	uint32_t *rank; /* members in the words before */
	uint32_t n;
	struct col set_col, rank_col;
};
struct err *subset_open(struct env *env, uint64_t n, struct subset *ret) MUST_CHECK; /* empty */
struct err *subset_copy(struct env *env, uint64_t n, const struct subset *from,
			struct subset *ret) MUST_CHECK;
void subset_rank(struct subset *s); /* after the bits are set */
void subset_close(struct subset *s);

static inline uint32_t subset_no(const struct subset *s, node_id i) /* i is a member */
{
	return s->rank[i >> 6] +
	       (uint32_t)__builtin_popcountll(s->set[i >> 6] & ((1ull << (i & 63)) - 1));
}

struct err *inner_nodes(struct env *env, const struct graph *g, struct subset *ret) MUST_CHECK;

/* The steps.  `inner`: nodes with edges; the rest are leaves, which no walk has to visit. */
typedef struct err *compute_fn(struct env *env, const struct graph *g, const struct subset *inner,
			       struct facts *f);
compute_fn reach_compute, cycles_compute, dom_compute, parent_compute, reverse_compute;
compute_fn stuck_compute, knots_compute, stuck_rings_compute, owner_compute, final_rings_compute;
compute_fn walk_compute, held_compute, by_keys_compute, ref_rings_compute, lost_held_compute;

/*
 * fact/common.c: what reach, stuck and owner all mark, made once for the first of them.  Each goes
 * on from there: common_begin() copies the set and pushes what it stopped at; then come the roots,
 * and marker_mark_late() of f->common.late.
 */
struct marker;
struct err *common_open(struct env *env, const struct graph *g, const struct subset *inner,
			struct facts *f) MUST_CHECK;
void common_begin(const struct facts *f, struct marker *m);
/* How many nodes common_begin() pushes at most. */
static inline uint64_t common_pushes(const struct graph *g)
{
	return (uint64_t)g->n_gates + g->n_waits;
}
void common_close(struct facts *f);

/*
 * Ancestors in logarithmic steps: a skew-binary jump pointer a node (Myers, "An applicative
 * random-access stack", 1983).  A node is added after its parent; the root is its own parent.
 */
struct jump {
	uint32_t up; /* parent */
	uint32_t far, depth;
};
struct jumps {
	struct jump *at;
};
static inline void jumps_add_root(struct jumps *j, uint32_t root)
{
	j->at[root] = (struct jump){ .up = root, .far = root };
}
static inline void jumps_add(struct jumps *j, uint32_t node) /* its `up` is set */
{
	struct jump *a = j->at, *up = &a[a[node].up], *far = &a[up->far];

	a[node].depth = up->depth + 1;
	a[node].far =
		up->depth - far->depth == far->depth - a[far->far].depth ? far->far : a[node].up;
}
static inline uint32_t jumps_common(const struct jumps *j, uint32_t x, uint32_t y)
{
	const struct jump *a = j->at;

	if (a[x].depth < a[y].depth) {
		uint32_t z = x;

		x = y;
		y = z;
	}
	while (a[x].depth > a[y].depth)
		x = a[a[x].far].depth >= a[y].depth ? a[x].far : a[x].up;
	while (x != y) { /* same depth: their jumps reach the same depth too */
		bool far = a[x].far != a[y].far;

		x = far ? a[x].far : a[x].up;
		y = far ? a[y].far : a[y].up;
	}
	return x;
}

/* Strongly connected components of the lost nodes, numbered sinks first. */
struct lost_parts {
	struct subset lost;
	uint32_t *part; /* of each lost node, by its number in `lost` */
	uint32_t n_parts;
	struct col part_col;
};
/* The bits of lost nodes are set. */
void lost_nodes(const uint8_t *reach, node_id n, uint64_t *set);
/* Of the nodes of a word of bits, those between two kinds, both included. */
static inline uint64_t reach_in(const uint8_t *reach, node_id n, uint64_t word, enum reach from,
				enum reach to)
{
	uint64_t left = n - 64 * word;

	return bytes_in_range((uint8_t)from, (uint8_t)(to - from + 1), reach + 64 * word,
			      left < 64 ? (unsigned)left : 64);
}
struct err *lost_parts_open(struct env *env, const struct graph *g, const uint8_t *reach,
			    struct lost_parts *ret) MUST_CHECK;
/* The same of any nodes: a bit each. */
struct err *parts_of_set(struct env *env, const struct graph *g, const uint64_t *set,
			 struct lost_parts *ret) MUST_CHECK;
void lost_parts_close(struct lost_parts *p);

/*
 * fact/ref_edges.c: who keeps whom where references are counted.  Into a node with a count lead its
 * references, into what such a one manages its own pointer, into others all pointers.
 */
struct ref_edges {
	const struct graph *g;
	struct subset counted;	/* nodes of graph.counteds, numbered as these are */
	struct subset sources;	/* nodes with references */
	struct subset managed;	/* `value`s */
	uint64_t *first;	/* of each source, and one behind: in graph.references */
	node_id *manager;	/* of each managed: the node with the count */
	uint32_t *strong, *unsure; /* references of each counted one that were found */
	uint64_t *rooted; /* one bit a counted one: a root points at its start */
	struct col cols[5];
};
struct err *ref_edges_open(struct env *env, const struct graph *g,
			   struct ref_edges *ret) MUST_CHECK;
void ref_edges_close(struct ref_edges *r);
/* As many references were found in blocks as are counted: nothing else holds it. */
bool ref_is_explained(const struct ref_edges *r, uint32_t counted);
/* A word that may be a weak reference, for its target has such ones. */
bool ref_may_be_weak(const struct ref_edges *r, const struct reference *ref);

struct ref_edge {
	node_id to;
	uint64_t reference; /* UINT64_MAX: none, a pointer */
};
/* All of one node's, references first. */
struct ref_iter {
	const struct ref_edges *r;
	node_id from;
	uint64_t next, end; /* in references */
	edge_id edge, edge_end;
};
struct ref_iter ref_iter(const struct ref_edges *r, node_id from);
bool ref_next(struct ref_iter *it, struct ref_edge *ret);

/* fact/ref_steps.c: adds the shortest ring among the members; `ring` gets its steps. */
struct err *ref_steps_find(struct env *env, const struct ref_edges *r, const node_id *members,
			   struct ref_ring *ring, struct col *steps) MUST_CHECK;

#endif
