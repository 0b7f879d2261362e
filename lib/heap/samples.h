/*
 * heap/samples.h - what walkers share that report an allocator's own samples.
 */
#ifndef HEAPFX_HEAP_SAMPLES_H
#define HEAPFX_HEAP_SAMPLES_H

#include "heap/walker.h"

/* The innermost calls are the allocator's own, where it is a library: they are left out, but for the last. */
static inline void sample_skip_own(const struct image *img, const struct module *own, struct heap_sample *s)
{
	if (!own || own->is_exe)
		return;
	while (s->n_pcs > 1 && image_module_at(img, s->pcs[0]) == own) {
		s->pcs++;
		s->n_pcs--;
	}
}

#endif
