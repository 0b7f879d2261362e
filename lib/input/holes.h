/* input/holes.h - the holes of a mapped file cost nothing to read. */
#ifndef HEAPFX_INPUT_HOLES_H
#define HEAPFX_INPUT_HOLES_H

#include <stdint.h>

/*
 * `map` is all `size` bytes of `fd`, read-only.  Large holes are mapped anew as memory that was
 * never written, which reads as the same zeros; without it the kernel makes a page for each page
 * read.  Never fails: what cannot be done is left as it was.
 */
void holes_remap(void *map, uint64_t size, int fd);

#endif
