/*
 * type/go_block.h - a block by any address in it: for noters, which look at very many.
 *
 * Like block_get() without what only output needs; a select and two searches less.
 */
#ifndef HEAPFX_TYPE_GO_BLOCK_H
#define HEAPFX_TYPE_GO_BLOCK_H

#include "heap/blocks.h"

struct go_block {
	uint32_t id;
	taddr start;	 /* of what the program holds: behind a header of Go's */
	uint64_t size;	 /* that the allocator spends */
	uint64_t usable; /* from `start` on */
};

static inline uint64_t go_block_grain(const struct grains *g, uint64_t grain)
{
	uint64_t w = grain >> 6, upto = g->words[w].start & (~0ull >> (63 - (grain & 63)));

	while (!upto)
		upto = g->words[--w].start; /* the first unit begins with a start */
	return w << 6 | (uint64_t)(63 - __builtin_clzll(upto));
}

/* False: no used block. */
static inline bool go_block_at(const struct blocks *b, taddr at, struct go_block *ret)
{
	const struct grains *g = &b->grains;
	uint64_t grain = grain_of(g, at), start;
	const struct claim *claim;
	uint64_t head = 0;
	uint32_t id;

	if (grain == GRAIN_NONE)
		return false;
	id = grain_block(g, grain);
	if (!block_is_used(b, id))
		return false;
	start = go_block_grain(g, grain);
	ret->id = id;
	ret->size = (grain_next_start(g, start) - start) << g->shift;
	ret->start = grain_key(g, start);
	if (ret->size > 512) { /* smaller ones have no header */
		claim = blocks_claim_at(b, ret->start);
		head = claim ? claim->head : 0;
	}
	ret->start += head;
	ret->usable = ret->size > head ? ret->size - head : 0;
	return at - ret->start < ret->usable;
}

#endif
