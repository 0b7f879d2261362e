/*
 * heap/touched.h - which pages of free memory are memory at all.
 *
 * A dump says of no page whether it was resident.  One that holds nothing but zeros was never written, or
 * has gone back to the system: it is not counted.
 */
#ifndef HEAPFX_HEAP_TOUCHED_H
#define HEAPFX_HEAP_TOUCHED_H

#include "image/image.h"

/* Bytes of the whole 4-KiB pages in [start, end) that hold anything. */
uint64_t touched_pages(const struct image *img, taddr start, taddr end);
/*
 * Is [start, end) all the process's memory?  Of what was not dumped, which nothing can confirm, only so much
 * is believed: *absent counts it, from 0 on; NULL: all of it is.
 */
bool is_believable(const struct image *img, taddr start, taddr end, uint64_t *absent);

#endif
