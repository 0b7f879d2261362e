/*
 * type/build.h - blocks + rooters (+ typers) -> the graph.
 *
 * Every used block's aligned words are looked up among the blocks; a hit at a start is a plain
 * edge, one inside is EDGE_INTERIOR unless one of memcheck's heuristics explains it (old
 * std::string, length-prefixed block, new[] cookie, multiple inheritance: mc_leakcheck.c of
 * Valgrind 3.19).  Free blocks are never scanned.
 */
#ifndef HEAPFX_TYPE_BUILD_H
#define HEAPFX_TYPE_BUILD_H

#include "graph/graph.h"
#include "heap/blocks.h"
#include "image/image.h"
#include "type/typer.h"

/*
 * Blocks, edges and roots; with `wants_slots` graph.slot, too.  `img`, `blocks` and what `hints` has (NULL:
 * nothing) must outlive the graph.
 */
struct err *graph_from_blocks(struct env *env, const struct image *img, const struct blocks *blocks,
			      const struct hints *hints, bool wants_slots, struct graph **ret) MUST_CHECK;
/*
 * What blocks are, by typers; of the same image, blocks and hints.  Edges, roots and which blocks live stay as they are:
 * facts of these alone may be found meanwhile.
 */
struct err *graph_find_types(struct env *env, const struct image *img, const struct blocks *blocks,
			     const struct hints *hints, struct graph *g) MUST_CHECK;
/* What runtimes know of them, by noters.  Types stay as they are, too, and of roots all but their owners. */
struct err *graph_find_notes(struct env *env, const struct image *img, const struct blocks *blocks,
			     struct graph *g) MUST_CHECK;
/* Both. */
struct err *graph_tell(struct env *env, const struct image *img, const struct blocks *blocks,
		       const struct hints *hints, struct graph *g) MUST_CHECK;

/*
 * Words that point into [start, end), memory of no heap, from outside of it: of used blocks, of
 * what is a root's memory and of threads' general registers.  One pass over all that is writable.
 */
enum { POINTERS_KEPT = 8 };
struct pointers_in {
	struct pointer_in {
		taddr at;	 /* of a register: its number */
		uint64_t value;
		node_id node;	 /* the block; NODE_NONE: of none */
		uint32_t thread; /* that has the register; UINT32_MAX: it is no register */
	} v[POINTERS_KEPT]; /* to `start` first, then of no blocks first, then by address */
	unsigned n_kept;
	uint64_t n, n_start; /* all, and those to `start` */
};
void find_pointers_in(const struct image *img, const struct blocks *blocks, taddr start, taddr end, struct pointers_in *ret);
/* "register rbx of thread 12" */
void graph_describe_register(const struct graph *g, uint32_t thread, uint64_t no, struct text *ret);
/* What has a word at an address, as roots are described; nothing is added where no root's memory is. */
void graph_describe_at(const struct graph *g, taddr at, struct text *ret);

/*
 * Places that hold a pointer to a block but are no roots and no used blocks: freed memory and the
 * dead part of stacks.  Evidence of who had a lost block last.  One pass over that memory for the
 * given nodes; each place once, ascending, at most `max_per_node` a node.
 */
enum stale_kind { STALE_FREE_BLOCK, STALE_DEAD_STACK };
struct stale {
	node_id node;
	uint8_t kind;	 /* enum stale_kind */
	taddr at;	 /* address of the slot */
	uint32_t thread; /* index, for a dead stack */
};
struct err *find_stale(struct env *env, const struct image *img, const struct blocks *blocks, const node_id *nodes,
		       size_t n_nodes, unsigned max_per_node, struct stale **ret, size_t *ret_n) MUST_CHECK;

#endif
