#ifndef HEAPFX_TYPE_TAGGED_H
#define HEAPFX_TYPE_TAGGED_H
/*
 * type/tagged.h - the low bits in which a program keeps something beside the address of a block.
 */
#include "heap/blocks.h"
#include "image/image.h"

/* Such pointers are the program's habit: one of its hash tables has them and all of it agrees (type/chained.h). */
struct tagged {
	uint8_t tags;	 /* bit i: with i in the low bits; 0: none has */
	uint8_t headers; /* bit i: they lead i words behind the start of a block */
};

struct tagged tagged_find(const struct image *img, const struct blocks *blocks);

/* A pointer so many bytes behind the start of a block stands for all of it. */
static inline bool tagged_is_start(struct tagged t, uint64_t off)
{
	return off < 64 && t.tags >> (off & 7) & 1 && t.headers >> (off / 8) & 1;
}

#endif
