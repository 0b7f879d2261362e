/*
 * type/pieces.h - ranges that overlap, cut into disjoint ones: the first named wins, and what is
 * excluded belongs to nobody.
 */
#ifndef HEAPFX_TYPE_PIECES_H
#define HEAPFX_TYPE_PIECES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PIECE_EXCLUDED UINT32_MAX

struct piece {
	uint64_t start, end;
	uint32_t owner; /* the caller's; lower wins, but PIECE_EXCLUDED before all */
};

/*
 * `in` is sorted in place.  The result: by owner, then by address, without what is excluded;
 * freed by the caller.
 */
struct err *pieces_cut(struct piece *in, size_t n, struct piece **ret, size_t *ret_n) MUST_CHECK;

#endif
