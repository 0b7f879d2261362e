/*
 * type/noter.h - what a runtime knows of blocks beyond their types: what a pool keeps, who waits
 * for what, how much of a container is in use.
 *
 * Noters run once, last: the graph has its nodes, edges, roots and types.  What they note becomes
 * columns of the graph (owners, gates, waits, slacks, keys, copies, counts), which facts and analyses
 * read.
 */
#ifndef HEAPFX_TYPE_NOTER_H
#define HEAPFX_TYPE_NOTER_H

#include "graph/graph.h"
#include "heap/blocks.h"
#include "image/image.h"
#include "type/typing.h"

struct note_sink {
	/* `name` and `starter` are copied; *ret is what gates and roots refer to: 1 and up. */
	struct err *(*owner)(struct note_sink *sink, const struct owner *owner, uint32_t *ret);
	/* A node that is the owner's, and behind which all is reached by way of it. The first owner of a node stays. */
	struct err *(*gate)(struct note_sink *sink, node_id node, uint32_t owner);
	/*
	 * All roots of one kind and thread (a goroutine's index in go->goroutines; UINT32_MAX)
	 * count for the owner.
	 */
	struct err *(*owner_of_roots)(struct note_sink *sink, enum root_kind kind, uint32_t thread,
				      uint32_t owner);
	/* A node with a finalizer. */
	struct err *(*finalizable)(struct note_sink *sink, node_id node);
	/* A node whose finalizer is due, or runs. */
	struct err *(*queued)(struct note_sink *sink, node_id node);
	struct err *(*wait)(struct note_sink *sink, const struct wait *wait);
	struct err *(*slack)(struct note_sink *sink, const struct slack *slack);
	/* `edges`: keyed->n of them, ascending, copied; keyed->first is the sink's business. */
	struct err *(*keyed)(struct note_sink *sink, const struct keyed *keyed, const edge_id *edges);
	/* `sample` is copied; *ret is what copies refer to. */
	struct err *(*content)(struct note_sink *sink, const struct content *content, uint32_t *ret);
	/* Nodes ascend, from one noter alone. */
	struct err *(*copy)(struct note_sink *sink, node_id node, uint32_t content);
	/* `kind` is copied; nodes ascend, each once, from one noter alone. */
	struct err *(*counted)(struct note_sink *sink, const struct counted *counted);
	struct err *(*reference)(struct note_sink *sink, const struct reference *reference);
	const struct typing *typing; /* for noters that know more by their language's types; NULL */
};

struct noter_ops {
	const char *name; /* "go pools", "go maps" */
	struct err *(*find)(struct env *env, const struct image *img, const struct blocks *blocks, const struct graph *g,
			    struct note_sink *sink);
};
extern const struct noter_ops *const noter_registry[]; /* type/registry.c; NULL-terminated */

/* type/noting.c: runs the noters, gives `g` what they note; the columns are the graph's. */
struct err *noting_run(struct env *env, const struct image *img, const struct blocks *blocks,
		       const struct typing *typing, const struct noter_ops *const *noters,
		       struct graph *g) MUST_CHECK;

#endif
