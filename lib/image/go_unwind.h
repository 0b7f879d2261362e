/*
 * image/go_unwind.h - the frames of one Go stack, by the tables that the linker writes for every
 * function (pcsp): neither DWARF nor frame pointers.
 */
#ifndef HEAPFX_IMAGE_GO_UNWIND_H
#define HEAPFX_IMAGE_GO_UNWIND_H

#include "image/go_sched.h"

/* Where a goroutine stands. */
struct go_stand {
	taddr pc, sp;
	taddr lr;	  /* arm64's link register, 0 = unknown; not used on amd64 */
	taddr low, high;  /* its stack */
	bool is_anywhere; /* stopped between any two instructions, not at a call */
	bool is_syscall;  /* where it entered a system call */
};

struct go_unwind;
struct err *go_unwind_new(const struct go *go, struct go_unwind **ret) MUST_CHECK;
void go_unwind_free(struct go_unwind *u); /* NULL is fine */

/*
 * Frames from innermost to outermost, until the first function of the stack (`complete`) or as far
 * as the tables go.  The array belongs to `u` and lasts until the next call.
 */
struct err *go_unwind_stack(struct go_unwind *u, const struct go_stand *from,
			    const struct go_frame **ret, size_t *ret_n,
			    bool *ret_complete) MUST_CHECK;

#endif
