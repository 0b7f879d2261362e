/*
 * type/scan.h - the words of memory that point at used blocks.
 *
 * Sixty-four words are compared with the range of all blocks at once; what is left is looked up
 * in the block index, by batches whose index lines come into the cache meanwhile.
 */
#ifndef HEAPFX_TYPE_SCAN_H
#define HEAPFX_TYPE_SCAN_H

#include "graph/graph.h"
#include "heap/blocks.h"
#include "image/image.h"
#include "type/tagged.h"

/* The lookup of one pass; nothing in it is written after scan_init(). */
struct scan {
	const struct image *img;
	const struct blocks *blocks;
	uint64_t low, span; /* all blocks lie in [low, low + span) */
	uint8_t overhead_max; /* of all claims */
	bool has_talloc, has_gobject; /* its chunks are held by their insides */
	uint64_t loose_low, loose_span; /* those lie here that a word found by chance may keep */
	const uint64_t *relative; /* words that lead to a block by their distance (type/relative.h); NULL: none, as at first */
	const uint64_t *links; /* words that are no references (type/python_gc.h); NULL: none, as at first */
	/* blocks that pools cut up: pointers to what is in one hold it as those to its start do; NULL: none, as at first */
	const uint64_t *pooled;
	/* for scan_range(): bit SCAN_PAGE() is set of each page where a target lies that is asked for; NULL: all are */
	const uint64_t *pages;
	struct tagged tagged; /* none at first */
	bool wants_slots; /* graph.slot; false at first */
};
enum { SCAN_PAGES = 1 << 16 };
#define SCAN_PAGE(address) ((address) >> 12 & (SCAN_PAGES - 1))
struct scan scan_init(const struct image *img, const struct blocks *blocks);

/*
 * What a word with `value` points at: a used block, EDGE_INTERIOR unless it is a start or memcheck
 * would take it for one; NODE_NONE for anything else.
 */
uint32_t scan_target(const struct scan *s, uint64_t value);
/* The same of a word that is a pointer for sure: it keeps blocks of precise heaps too, wherever it points inside. */
uint32_t scan_pointer(const struct scan *s, uint64_t value);

/* The address that the word `value` at `at` leads to: itself, or by its distance. */
taddr scan_address(const struct scan *s, taddr at, uint64_t value);

/* A word that points at a block, in a range given to scan_range() or scan_block(). */
typedef struct err *scan_fn(void *arg, taddr at, uint32_t target) MUST_CHECK;
/* Calls `fn` for each in order; what was not dumped is passed over. For roots: not the fast pass. */
struct err *scan_range(const struct scan *s, taddr start, taddr end, scan_fn *fn, void *arg) MUST_CHECK;

/* The words of one block: of a precise heap, its slots. For output. */
struct err *scan_block(const struct scan *s, taddr start, taddr end, scan_fn *fn, void *arg) MUST_CHECK;

/* The edges of all used blocks, into columns: the fast pass. Rows as in struct graph. */
struct scan_columns {
	struct edge_row_cols rows;
	struct col dst, slot; /* `slot` is not open unless it is wanted */
};
struct err *scan_blocks(struct env *env, const struct scan *s, struct scan_columns *ret) MUST_CHECK;

#endif
