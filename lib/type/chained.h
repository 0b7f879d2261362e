#ifndef HEAPFX_TYPE_CHAINED_H
#define HEAPFX_TYPE_CHAINED_H
/*
 * type/chained.h - hash tables of chains, told by their words alone.
 */
#include "graph/graph.h"
#include "heap/blocks.h"

/*
 * Is this block an array of buckets?  link: where each entry leads to the next; TABLE_ANY_LINK:
 * nobody knows.  False, and nothing written, when it is none or not for sure; what one lookup costs
 * is bounded by what the table has, what it allocates is a bit a block.
 */
bool chained_table(const struct image *img, const struct blocks *blocks, uint32_t id, uint64_t link,
		   struct graph_table *ret);

#endif
