/*
 * type/relative.h - words that lead to a block by how far it is from where theirs begins: fontconfig's.
 *
 * A pattern, a set of characters and the table of that one's leaves may as well lie in a file that is
 * mapped, so they have distances where others have addresses (FcPatternElts(), FcCharSetLeaves(),
 * FcCharSetNumbers(), FcCharSetLeaf() of fontconfig's src/fcint.h, 2.4 to 2.16).
 */
#ifndef HEAPFX_TYPE_RELATIVE_H
#define HEAPFX_TYPE_RELATIVE_H

#include "heap/blocks.h"
#include "image/image.h"

struct relative {
	uint64_t *words; /* one bit for eight bytes of the grains; NULL: there are none */
	struct col col;
};

/* Nothing where no libfontconfig is. However much the blocks claim, each word of the heaps is looked at four times at most, on average. */
struct err *relative_open(struct env *env, const struct image *img, const struct blocks *blocks,
			  struct relative *ret) MUST_CHECK;
void relative_close(struct relative *r); /* safe on a zeroed one */

/* The bit of the word at an address that has this grain. */
static inline uint64_t relative_bit(const struct grains *g, uint64_t grain, uint64_t at)
{
	return grain << (g->shift - 3) | (at & ((1u << g->shift) - 1)) >> 3;
}

#endif
