/*
 * fact/fact.h - derived columns of a graph: computed once, kept beside it.
 *
 * Every algorithm is exact, iterative (nothing recurses on data) and deterministic for any
 * number of threads; its paper is named in its file.  facts_compute() may be called again to add
 * facts.
 */
#ifndef HEAPFX_FACT_FACT_H
#define HEAPFX_FACT_FACT_H

#include "base/par.h"
#include "graph/graph.h"

enum fact {
	FACT_REACH = 1 << 0,   /* reach: memcheck's four kinds, and the heads of lost groups */
	/* unreachable rings: strongly connected components of lost nodes; needs REACH */
	FACT_CYCLES = 1 << 1,
	FACT_DOM = 1 << 2,     /* idom and retained; needs REACH */
	/* breadth-first tree from the roots: the shortest chain to each node */
	FACT_PARENT = 1 << 3,
	FACT_REVERSE = 1 << 4, /* incoming edges, compressed sparse rows */
	/* what pools and stuck goroutines alone keep; needs KNOTS; nothing without graph.owners */
	FACT_OWNER = 1 << 5,
	/* goroutines that nobody who could run can wake; nothing without graph.waits */
	FACT_STUCK = 1 << 6,
	/* rings that their own finalizers keep; needs OWNER; nothing without graph.finalizable */
	FACT_FINAL_RINGS = 1 << 7,
	/* who of the stuck has what another waits for; needs STUCK; nothing when none is stuck */
	FACT_KNOTS = 1 << 8,
	/* rings of blocks that stuck goroutines alone keep; needs OWNER */
	FACT_STUCK_RINGS = 1 << 9,
	/* what each group of goroutines alone keeps; needs OWNER */
	FACT_HELD = 1 << 10,
	/* what the keys of one container alone keep; needs DOM; nothing without graph.keyeds */
	FACT_BY_KEYS = 1 << 11,
	/* rings of counted references; needs REACH; nothing without graph.counteds */
	FACT_REF_RINGS = 1 << 12,
	/* held_* of lost heads alone, for those who need no DOM; needs REACH */
	FACT_LOST_HELD = 1 << 13,
	/* how a walk from the roots comes along; PARENT, too, and ways if there is graph.slot */
	FACT_WALK = 1 << 14,
};

/*
 * In memcheck's words and by its rules.  A lost node is definitely lost when no lost node outside
 * its own strongly connected component points at it and it has the lowest key of that component;
 * the other lost nodes are indirectly lost.  What a collector owns is never lost, and holds nothing
 * when it is unreachable itself.
 */
enum reach {
	REACH_DEAD,	   /* not live: free memory */
	REACH_REACHABLE,
	REACH_POSSIBLE,
	REACH_INDIRECT,
	REACH_DEFINITE,
	REACH_UNCOLLECTED, /* a collector's, and no root reaches it: its next cycle will free it */
	REACH_KINDS
};
const char *reach_name(enum reach reach); /* "reachable", "possibly-lost", ... */

struct total {
	uint64_t count, bytes;
};

/* A definitely lost node and what is lost with it. */
struct lost_head {
	node_id node;
	uint64_t bytes;	       /* of the head alone */
	uint64_t held_count;   /* lost nodes it dominates among the lost, without itself */
	uint64_t held_bytes;
};

/*
 * A strongly connected component of lost nodes with more than one node, or one that points at
 * itself.
 */
struct cycle {
	node_id node;	     /* lowest key of its nodes */
	uint64_t nodes, bytes;
	uint64_t held_count, held_bytes; /* lost nodes outside it that it keeps */
	uint64_t first_member; /* in cycle_members: `nodes` of them, ascending */
};

/* In owner[], besides the index of an owner + 1. */
#define OWNER_OTHERS 0u		 /* reached without any owner, or by owners of different kinds */
#define OWNER_UNREACHED ((uint32_t)UINT16_MAX)
/* by several owners of one kind, and nobody else */
#define OWNER_SHARED(kind) (OWNER_UNREACHED - 1 - (kind))
/* Owners beyond this many are not told apart: what they keep is shared by their kind. */
enum { OWNERS_TOLD = 60000 };

/* What stuck goroutines wait for. */
struct thing {
	node_id node;
	uint32_t offset; /* as in struct wait */
	uint8_t on;	 /* enum wait_on */
};
struct thing_wait {
	uint32_t thread, thing; /* index in things */
};
/*
 * A stuck goroutine that reaches a thing from its own roots and does not wait for it: who may have
 * the lock, or would have to send.  Only a candidate.
 */
struct thing_holder {
	uint32_t thing, thread;
};

struct final_ring {
	node_id node; /* the lowest with a finalizer */
	uint64_t nodes, bytes; /* of the ring */
	bool by_function; /* what a finalizer or cleanup calls holds its own object */
};

struct stuck_ring {
	node_id node;	/* the lowest */
	uint32_t owner; /* as in knot[] */
	uint64_t nodes, bytes;
};

/* Less than that keys keep is not told. */
enum { BY_KEYS_LEAST = 64 << 10, BY_KEYS_WORST = 8 };
struct by_keys {
	uint64_t keyed;	    /* index in graph.keyeds */
	struct total total; /* of what nothing keeps but its keys */
	node_id worst[BY_KEYS_WORST]; /* keys that retain most, by that */
	unsigned n_worst;
};

/*
 * Blocks that keep each other, by counted references and by pointers of blocks that nobody counts.
 * What has a count is kept by its references alone, whatever else points at it; what has none by
 * every pointer to it.
 */
struct ref_ring {
	node_id node;	/* the lowest of those with a count */
	uint64_t nodes, counted, bytes;
	/* besides, what nothing but this ring keeps; 0 for a held one */
	uint64_t held_count, held_bytes;
	uint64_t first_member; /* in ref_members: `nodes` of them, ascending */
	/* in ref_steps: the shortest ring, from one with a count on */
	uint64_t first_step, n_steps;
	bool held;   /* one has more references than the ring has */
	bool unsure; /* some references are known by their place alone */
};
/* One block of the shortest ring, and how it keeps the next one. */
struct ref_step {
	node_id node;
	/* index in graph.references; UINT64_MAX: by a pointer to what has no count */
	uint64_t reference;
	bool breaks; /* made weak, it would let all counted ones of its ring go */
};

#define PARENT_ROOT (1u << 31) /* in parent[]: the low bits are a root index */

struct facts {
	unsigned have; /* enum fact bits */
	/* REACH */
	const uint8_t *reach; /* n, enum reach */
	struct total reach_total[REACH_KINDS];
	struct total collected; /* of REACH_REACHABLE, what a collector owns */
	/* ascending by node; held_* filled by FACT_DOM or LOST_HELD, 0 before */
	const struct lost_head *lost;
	uint64_t n_lost;
	/* CYCLES */
	const struct cycle *cycles; /* by bytes descending, then by node */
	uint64_t n_cycles;
	const node_id *cycle_members;
	/*
	 * DOM: immediate dominator under a super-root that points at all roots and at every lost
	 * head.  idom NODE_NONE: the super-root itself (or not live, or uncollected).  retained, to
	 * be asked by facts_retained(): bytes of the dominator subtree.
	 */
	const node_id *idom;
	const node_id *tree; /* nodes with edges, each behind its dominator */
	uint64_t n_tree;
	struct retained {
		const struct graph *g;
		/* nodes with edges, numbered; the others keep nothing besides themselves */
		const uint64_t *set;
		const uint32_t *rank; /* members in the words before */
		/*
		 * By number, in units of 1 << shift, which sizes are multiples of; in the wide
		 * column where all that is live is more than 2^32 of them, else that is NULL.
		 */
		const uint32_t *narrow;
		const uint64_t *wide;
		unsigned shift;
	} retained;
	/* PARENT: parent node, or PARENT_ROOT | root index; NODE_NONE when no root reaches it */
	const uint32_t *parent;
	/*
	 * WALK: nodes with edges that a root reaches, nearest first: each behind its parent, and
	 * behind its dominators.
	 */
	const struct walked {
		node_id node;
		uint32_t up; /* place of its parent; NODE_NONE: that is a root */
	} *order;
	uint64_t n_order;
	/*
	 * And of each other node that a root reaches 1 + the slot of the parent that leads to it,
	 * as in graph.slot; 0: of a root, or unknown. The same by place in `order`. NULL without
	 * graph.slot.
	 */
	const uint8_t *way, *order_way;
	/* REVERSE */
	const uint32_t *in_row;
	const uint64_t *in_row_base;
	const uint32_t *in_src; /* source node, EDGE_INTERIOR */
	/* OWNER: by whose roots and gates alone a node is reached; NULL without owners */
	const uint16_t *owner;
	/* of each owner, what it alone keeps, gates included */
	const struct total *owner_total;
	struct total owner_shared[OWNER_KINDS]; /* what several of a kind keep together */
	/* STUCK: one bit a goroutine, by root_source.thread; NULL without waits */
	const uint64_t *stuck;
	uint32_t n_stuck_bits; /* goroutines with an index below that may be asked */
	const uint64_t *awake; /* one bit a node: who may run reaches it; NULL without waits */
	/* KNOTS, all NULL and 0 when nobody is stuck */
	const struct thing *things;	       /* by node, then offset */
	const struct thing_wait *thing_waits; /* by goroutine, then thing */
	const struct thing_holder *holders;	       /* by thing, then goroutine */
	uint64_t n_things, n_thing_waits, n_holders;
	bool holders_cut; /* there are more, and perhaps rings of them */
	/* by goroutine: those that wait for each other have one number; 0: in no ring */
	const uint32_t *ring;
	/* by owner: those with goroutines in one ring are the lowest of them; others itself */
	const uint32_t *knot;
	/*
	 * FINAL_RINGS: what only finalizers reach, in a ring with a node that has one: its own
	 * contents keep it, or the function to be called, so that it never runs
	 * (runtime.SetFinalizer, AddCleanup). By node; and one bit a node of all of them.
	 */
	const struct final_ring *final_rings;
	uint64_t n_final_rings;
	const uint64_t *in_final_ring;
	/* STUCK_RINGS: by owner, the largest first */
	const struct stuck_ring *stuck_rings;
	uint64_t n_stuck_rings;
	const uint64_t *alone; /* OWNER: one bit a node that goroutines' stacks alone reach */
	/* OWNER: one bit a node that is in a pool and held outside, not by who runs alone */
	const uint64_t *escaped;
	/*
	 * HELD: by owner, of OWNER_GOROUTINES and OWNER_STUCK, whether they can be woken or not;
	 * and what several of them keep together. NULL without owners.
	 */
	const struct total *group_total;
	struct total groups_shared;
	/*
	 * HELD: by owner, the lowest of those whose goroutines the same function started, + 1;
	 * 0: it is not known, or some of its own are stuck. And by that lowest one, what the
	 * stacks of all of these alone reach. NULL without owners.
	 */
	const uint32_t *family;
	const struct total *family_total;
	/*
	 * BY_KEYS: those that retain most first; and of each node the one that it counts for, + 1;
	 * 0: none.
	 */
	const struct by_keys *by_keys;
	uint64_t n_by_keys;
	const uint16_t *keyed; /* NULL without by_keys */
	/* REF_RINGS: those that are not held first, then by bytes; one bit a node of these */
	const struct ref_ring *ref_rings;
	uint64_t n_ref_rings;
	const node_id *ref_members;
	const struct ref_step *ref_steps;
	const uint64_t *in_ref_ring;
	struct col cols[39];
	/* Within facts_compute(): fact/common.c. */
	struct common {
		uint64_t *set, *late;
		struct col set_col, late_col;
	} common;
};
/* Of the node with edges that has that number: place in `set`. */
static inline uint64_t retained_of_inner(const struct retained *r, uint32_t no)
{
	return (r->wide ? r->wide[no] : (uint64_t)r->narrow[no]) << r->shift;
}
/* Of a node whose size is known, as in passes over all of them; live ones alone. */
static inline uint64_t facts_retained_of(const struct facts *f, node_id i, uint64_t size)
{
	const struct retained *r = &f->retained;
	uint64_t word = r->set[i >> 6];
	uint32_t no;

	if (!(word >> (i & 63) & 1))
		return size;
	no = r->rank[i >> 6] + (uint32_t)__builtin_popcountll(word & ((1ull << (i & 63)) - 1));
	return retained_of_inner(r, no);
}
static inline uint64_t facts_retained(const struct facts *f, node_id i)
{
	bool is_leaf = !bit_get(f->retained.set, i);

	return facts_retained_of(f, i, is_leaf ? graph_size(f->retained.g, i) : 0);
}
static inline bool is_stuck(const struct facts *f, uint32_t thread)
{
	return f->stuck && thread < f->n_stuck_bits && bit_get(f->stuck, thread);
}

/* Adds what `needs` names and what that needs, in turn. */
struct err *facts_compute(struct env *env, const struct graph *g, unsigned needs,
			  struct facts *facts) MUST_CHECK;
void facts_fini(struct facts *facts);

/*
 * The facts of `needs` in a thread of their own while the caller finds what they do not ask for:
 * FACT_REACH and FACT_DOM need no types, FACT_PARENT and FACT_WALK no notes.  With several threads,
 * and memory to spare; until facts_end() nobody looks at `facts`.  What was not begun, or failed,
 * facts_compute() does then.
 */
struct facts_early {
	struct env *env;
	const struct graph *g;
	unsigned needs;
	struct facts *f;
	struct par_job job;
};
void facts_begin(struct env *env, const struct graph *g, unsigned needs, struct facts *facts,
		 struct facts_early *ret);
void facts_end(struct facts_early *early);

#endif
