/*
 * heap/module_data.h - where an allocator's own variables lie: the writable data of modules.
 *
 *	struct module_data d = module_data(img);
 *	while ((seg = module_data_next(&d)))
 *		search(seg);
 */
#ifndef HEAPFX_HEAP_MODULE_DATA_H
#define HEAPFX_HEAP_MODULE_DATA_H

#include "image/image.h"

struct module_data {
	const struct image *img;
	size_t next;
	bool nameless; /* the core names no module (qemu-user's): any small mapping may be data */
	taddr bss_end; /* of the module's data so far, if the last segment was of it; 0 */
	uint64_t bss_bytes; /* of its anonymous part */
};

struct module_data module_data(const struct image *img);
/*
 * The next segment that is mapped from a module and writable, or the anonymous .bss right behind one, which
 * may be in parts (madvise()); its bytes are there.  NULL: no more.
 */
const struct segment *module_data_next(struct module_data *d);
/* From `at` on, a multiple of 8, the first of n bytes' words that is not 0; n if none: most of .bss is 0. */
uint64_t module_data_skip(const uint8_t *bytes, uint64_t at, uint64_t n);

#endif
