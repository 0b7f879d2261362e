/*
 * image/dead_calls.h - which functions had the frames that a stack has no more.
 *
 * A frame leaves its return address behind, above what it left of its variables.  Calls that came
 * later wrote over some of it: what is found is likely, not certain.
 */
#ifndef HEAPFX_IMAGE_DEAD_CALLS_H
#define HEAPFX_IMAGE_DEAD_CALLS_H

#include "image/image.h"

struct dead_call {
	taddr ret;    /* where it was to return to: behind a call instruction */
	taddr callee; /* the first byte of what that calls; 0: it goes through a register */
};
/* Those whose frames lay around a word below the stack pointer, innermost first, and how many. */
size_t dead_calls_at(const struct image *img, const struct thread *t, taddr at, struct dead_call *ret,
		     size_t n);
/* "leak_one, called by worker, main": as far as each calls the one before; false: nobody is known. */
bool dead_calls_describe(const struct image *img, const struct thread *t, taddr at, struct text *ret);

#endif
