/*
 * type/row_slots.h - where each edge of a small block comes from, for a pass over all of them.
 *
 * Nothing is looked up where as many words lie in the heaps' range as the block has edges: then each
 * of those is one, in their order.
 */
#ifndef HEAPFX_TYPE_ROW_SLOTS_H
#define HEAPFX_TYPE_ROW_SLOTS_H

#include "type/scan.h"

struct row_slots {
	taddr at, end; /* what was seen last */
	const uint8_t *bytes;
	const struct claim *claim; /* the one used last; NULL: none */
};

enum { ROW_SLOTS_BYTES = 512 };

/*
 * Offsets in what the program holds, one for each edge of src; `start`, `size`: of its block.
 * False: it is too large, has no edges, or they are not found where they were.
 */
bool row_slots_find(struct row_slots *r, const struct scan *s, const struct graph *g, node_id src,
		    taddr start, uint64_t size, uint16_t *ret);

#endif
