/*
 * heap/go_memstats.h - runtime.MemStats of a dump: recomputed from the structures, and as the runtime
 * itself counts.
 */
#ifndef HEAPFX_HEAP_GO_MEMSTATS_H
#define HEAPFX_HEAP_GO_MEMSTATS_H

#include "heap/blocks.h"

enum { GO_PAUSES = 256 }; /* that a runtime remembers */
enum { GO_CLASSES = 68 }; /* size classes of every version; 0: large objects */

enum go_figure_no {
	GO_ALLOC_BYTES, /* HeapAlloc: all elements that are allocated, unreachable ones too */
	GO_ALLOC_OBJECTS,
	GO_HEAP_INUSE,
	GO_HEAP_IDLE,
	GO_HEAP_RELEASED,
	GO_HEAP_SYS,
	GO_STACK_INUSE,
	GO_STACK_SYS,
	GO_MSPAN_INUSE,
	GO_MSPAN_SYS,
	GO_MCACHE_INUSE,
	GO_MCACHE_SYS,
	GO_BUCK_HASH_SYS,
	GO_GC_SYS,
	GO_OTHER_SYS,
	GO_SYS,
	GO_MALLOCS,
	GO_FREES,
	GO_TOTAL_ALLOC,
	GO_NEXT_GC,
	GO_LAST_GC,	/* nanoseconds since 1970; 0: never */
	GO_PAUSE_TOTAL,	/* nanoseconds */
	GO_NUM_GC,
	GO_NUM_FORCED_GC,
	GO_FIGURES,
};

struct go_figure {
	const char *name; /* as runtime.MemStats has it: "HeapAlloc" */
	uint64_t computed, counted; /* from spans, pages and bits; by the runtime's own counters */
	bool is_computed, is_counted;
};

struct go_class {
	uint64_t elemsize; /* 0 for large objects, whose sizes differ */
	uint64_t n_spans, bytes; /* of the spans */
	uint64_t n_used, used;	 /* objects, bytes of their elements */
	uint64_t n_free;	 /* elements; elemsize bytes each */
	uint64_t n_noscan;	 /* of the objects: without pointers */
};

struct go_memstats {
	struct go_figure figures[GO_FIGURES]; /* all named */
	struct go_class classes[GO_CLASSES];
	const char *class_names[GO_CLASSES]; /* "size class 48", "large objects" */
	uint64_t n_classes_used;
	/*
	 * Objects in spans that processors hold: the runtime counts them when it gets the spans back, or
	 * when somebody reads MemStats.  HeapAlloc and HeapObjects as computed have them, as counted not.
	 */
	uint64_t n_cached, cached;
	/* Spans in use by sweep state, and manually managed ones. */
	uint64_t n_spans, n_unswept, n_manual;
	uint64_t idle, returned; /* bytes of pages without span: still resident as far as touched; given back */
	uint64_t work_bufs;	 /* manual spans that are no stacks */
	int64_t gc_percent;	 /* GOGC; -1: off */
	uint64_t memory_limit;	 /* GOMEMLIMIT; INT64_MAX: none */
	bool has_gc_percent, has_memory_limit;
	bool gc_running;	 /* marking when the dump was taken */
	uint64_t heap_live, heap_marked; /* gcController: allocated since marked; marked by the last cycle */
	uint64_t last_goal;    /* of the cycle that ended last; 0: none has */
	uint64_t heap_minimum; /* the least goal of GOGC */
	uint64_t percent_goal, limit_goal; /* what GOGC alone and GOMEMLIMIT alone ask for; the lower one rules */
	/* Of the last collections, the newest first. A collection has two pauses: both are in `ns`. */
	struct go_pause {
		uint64_t ns, end; /* end: nanoseconds since 1970 */
	} pauses[GO_PAUSES];
	uint32_t n_pauses;
};

/* After blocks_build(); NULL when there is no Go heap. */
const struct go_memstats *go_memstats_of(const struct blocks *b);

struct go_heap;
/* Fills its stats: once, after the walk. */
void go_memstats_fill(struct go_heap *h);

extern const struct walker_ops go_walker; /* heap/go_walk.c */

#endif
