/*
 * base/vec.h - a small array that grows: for things counted in thousands (segments, threads).
 *
 *	struct { struct segment *v; size_t n, cap; } segs = {};
 *	if (!vec_push(&segs, &seg)) return &err_nomem;
 *	free(segs.v);
 */
#ifndef HEAPFX_BASE_VEC_H
#define HEAPFX_BASE_VEC_H

#include <stdbool.h>
#include <stddef.h>

/* False when out of memory; the array is then as it was. */
bool vec_grow(void **v, size_t *cap, size_t n, size_t elem_size);

#define vec_push(vec, elem)                                                            \
	(vec_grow((void **)&(vec)->v, &(vec)->cap, (vec)->n + 1, sizeof(*(vec)->v)) && \
	 ((vec)->v[(vec)->n++] = *(elem), true))

#endif
