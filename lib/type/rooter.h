/*
 * type/rooter.h - where reachability starts: ranges of memory and registers that hold pointers.
 *
 * A rooter names ranges; type/scan.c reads them.  Never roots: free memory, allocator metadata,
 * the dead part of a stack, read-only memory that was never relocated.
 */
#ifndef HEAPFX_TYPE_ROOTER_H
#define HEAPFX_TYPE_ROOTER_H

#include "graph/graph.h"
#include "heap/blocks.h"
#include "image/image.h"

struct root_sink {
	/* Scan [source->start, source->end), 8-aligned words. Later ranges do not rescan what an earlier one covers. */
	struct err *(*range)(struct root_sink *sink, const struct root_source *source);
	/* One value, not in memory: a register. */
	struct err *(*value)(struct root_sink *sink, const struct root_source *source, uint64_t value, uint64_t where);
	/* Never a root, whatever another rooter says: allocator metadata, dead stacks. */
	struct err *(*exclude)(struct root_sink *sink, taddr start, taddr end);
	/*
	 * A pointer that is one for sure, from a slot or a register (`where` as for value): the only kind
	 * that keeps blocks of a precise heap (heap/walker.h).
	 */
	struct err *(*pointer)(struct root_sink *sink, const struct root_source *source, uint64_t value, uint64_t where);
};

struct rooter_ops {
	const char *name; /* "go", "threads", "ended threads", "python", "globals", "mappings" */
	struct err *(*find)(struct env *env, const struct image *img, const struct blocks *blocks, struct root_sink *sink);
	/* A root in words; false: it is none of its own. NULL: by kind, address and symbol (type/build.c). */
	bool (*describe)(const struct image *img, const struct root_source *source, uint64_t where, struct text *ret);
	/* For graph_ops.place; false: it is none of its own. NULL: none of its roots is in a frame of its own. */
	bool (*place)(const struct image *img, const struct root_source *source, uint64_t where,
		      struct root_place *ret);
};
extern const struct rooter_ops *const rooter_registry[]; /* in this order; NULL-terminated */

/* Bytes that the static TLS of all modules may take, on one side of each thread pointer. */
uint64_t roots_static_tls(const struct image *img);

#endif
