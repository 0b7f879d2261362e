/*
 * image/resident.h - how much of a mapped dump is in memory at a time.
 *
 * What is read stays mapped, and counts as resident, until somebody says that he is done with it.
 * A pass over all memory says what it will read next and what it is done with; the bytes do not
 * change by it, and what is left comes back from the file, mostly from the page cache, when it is
 * read again.  Any thread may call these; nothing happens where the dump is no mapped file.
 */
#ifndef HEAPFX_IMAGE_RESIDENT_H
#define HEAPFX_IMAGE_RESIDENT_H

#include "image/image.h"

enum { RESIDENT_WINDOW = 16 << 20 }; /* bytes that a pass takes and leaves at once */

/* [start, end) is read next, all of it, in order. */
void image_expect(const struct image *img, taddr start, taddr end);
/*
 * Nearly every page of [start, end) is read next, in any order: they are mapped at once, not by a fault
 * every few of them, and what is fetched ahead is not lost where no page is mapped yet.
 */
void image_take(const struct image *img, taddr start, taddr end);
/* The bytes of [start, end) are not needed for now. */
void image_leave(const struct image *img, taddr start, taddr end);
/* Nothing of the dump is: between two passes. */
void image_leave_all(const struct image *img);

/*
 * A pass by one thread that looks at ascending addresses, and from there anywhere: at each window's
 * end all is left.
 *	struct resident_pass pass = { img };
 *	for each address: resident_pass_at(&pass, at);
 */
struct resident_pass {
	const struct image *img;
	taddr from;
};
void resident_pass_move(struct resident_pass *p, taddr at);
static inline void resident_pass_at(struct resident_pass *p, taddr at)
{
	if (__builtin_expect(at - p->from >= RESIDENT_WINDOW, 0))
		resident_pass_move(p, at);
}

/*
 * What one thread reads in any order, of `bytes` of the dump: when it has touched so much that a
 * third of them may be in memory, all is left.  Pieces are what the system maps at a fault at most.
 * A little is not bounded, nor is anything by zeros.
 */
enum { RESIDENT_PIECE_SHIFT = 21 };

struct resident_bound {
	const struct image *img;
	uint64_t *touched;	     /* owned: a bit a piece */
	uintptr_t first;	     /* the number of the piece that has the mapping's first byte */
	uint64_t n, n_touched, most; /* pieces */
};
/* ERR_NOMEM: *ret is zeros then. */
struct err *resident_bound_open(const struct image *img, uint64_t bytes, struct resident_bound *ret);
void resident_bound_close(struct resident_bound *b);
void resident_bound_more(struct resident_bound *b, uint64_t piece);
/* `bytes`: of the image, read next; what was read before may be left, and comes back. */
static inline void resident_touch(struct resident_bound *b, const uint8_t *bytes)
{
	uint64_t piece = ((uintptr_t)bytes >> RESIDENT_PIECE_SHIFT) - b->first;

	if (piece < b->n && !(b->touched[piece >> 6] >> (piece & 63) & 1))
		resident_bound_more(b, piece);
}

#endif
