/*
 * analysis/analysis.h - a question asked of a graph.
 *
 * An analysis reads the subject and the facts it declared and adds to the report.  It never
 * prints, never re-reads the input, never calls another analysis: what two share is a fact or a
 * helper of this folder.
 */
#ifndef HEAPFX_ANALYSIS_ANALYSIS_H
#define HEAPFX_ANALYSIS_ANALYSIS_H

#include "fact/entry.h"
#include "fact/fact.h"
#include "fact/paths.h"
#include "graph/graph.h"
#include "report/report.h"

struct subject {
	const struct graph *graph;
	const struct facts *facts;
	unsigned top; /* how many suspects are wanted */
	bool wants_paths; /* PROFILE_PATHS of the report */
	bool wants_trees; /* its dominators */
	bool wants_types; /* and by_type */
	/*
	 * Who had or allocated lost heads; in the order to show; NULL if nobody looked.  `how`
	 * and `what` are for people: "still pointed at by" "freed block at 0x7f10 +0x50", "dead
	 * stack of thread 12"; "allocated by" "probably thread 12: ..".
	 */
	const struct stale_place {
		node_id node;
		const char *how, *what;
	} *stale;
	size_t n_stale;
	/*
	 * In what units of its allocator lies what each owner alone keeps, by index in
	 * graph.owners; NULL if nobody looked.
	 */
	const struct residence {
		uint64_t spans, bytes, free; /* `free`: in slots of these that nothing uses */
		uint64_t alone;		     /* spans in which nothing else is used */
	} *residences;
	/* Allocations that an allocator's own profiler sampled, or knows, by node. */
	const struct sample {
		node_id node;
		const char *stack; /* for people, innermost first; one string a stack */
		uint64_t bytes;	   /* that it stands for */
		bool every;	   /* the profiler knows each allocation */
	} *samples;
	size_t n_samples;
	/* Where allocators keep their blocks, ascending; none if nobody looked. */
	const struct extent {
		uint64_t start, end; /* keys of its nodes */
		uint32_t heap;	     /* index in report.heaps */
		enum extent_kind {
			EXTENT_FIXED,	/* never goes back by itself */
			/* free memory at its end goes back, or is the next to be given out */
			EXTENT_SHRINKS,
			EXTENT_WHOLE,	/* goes back when nothing in it is used */
		} kind;
		const char *name; /* "the main arena": what it is a part of */
		const char *unit; /* "slab": its blocks lie in units of that name; NULL: in none */
	} *extents;
	size_t n_extents;
	/*
	 * Where a node that is not live lies, in the allocator's own words ("tcache", "top"); NULL:
	 * it is a structure of the allocator's.  Only called with nodes of extents.
	 */
	const char *(*where)(void *ctx, node_id node);
	void *where_ctx;
	/* Where the unit of a node begins and ends; false: it has none. Of extents with `unit`. */
	bool (*unit)(void *ctx, node_id node, uint64_t *ret_start, uint64_t *ret_end);
};

/*
 * The report's `heaps`, and `threads` and `modules` in the order of the image (roots refer to
 * them by index), are filled before analyses run.  The last of the registry ranks the suspects
 * and gives them their ids.
 */
struct analysis_ops {
	const char *name;    /* "leaks", "cycles", "suspects" */
	const char *summary; /* one line for --help */
	unsigned needs;	     /* enum fact bits */
	/* the same where nothing is asked but what is lost; 0: then it does not run */
	unsigned needs_for_lost;
	struct err *(*run)(struct env *env, const struct subject *s, struct report *r);
};
/* in the order they run; NULL-terminated */
extern const struct analysis_ops *const analysis_registry[];

/* The verdict, when all else is there; `leaks`: nothing but what is lost was looked for. */
struct err *verdict_write(struct report *r, bool leaks) MUST_CHECK;

/*
 * The shortest chain from a root to the node by facts->parent; for a lost one what it holds,
 * largest first.
 */
struct err *chain_to(const struct subject *s, struct report *r, node_id node,
		     struct rp_chain *ret) MUST_CHECK;
/*
 * What a lost one holds: its head and, with DOM, the largest of what is below, step by step; no
 * root.
 */
struct err *chain_held(const struct subject *s, struct report *r, node_id head,
		       struct rp_chain *ret) MUST_CHECK;
/* The chain of one path that paths_find() found. */
struct err *chain_along(const struct subject *s, struct report *r, const struct path *path,
			struct rp_chain *ret) MUST_CHECK;
/* Of one root or node, by its name: "global main.cache", "struct cache.table (0x7f10 +0x8)". */
void entry_words(const struct graph *g, struct entry entry, node_id into, struct text *ret);

#endif
