/*
 * image/vectors.h - the vector registers of a thread, from the notes that hold them.
 *
 * A register is taken apart into 64-bit words, for that is what a pointer takes; words of zero
 * are left out.
 */
#ifndef HEAPFX_IMAGE_VECTORS_H
#define HEAPFX_IMAGE_VECTORS_H

#include "base/cursor.h"
#include "image/image.h"

/* Where the components of an x86 XSAVE area lie, by their numbers: 0 = unknown. */
enum { XSAVE_PARTS = 8 };
struct xsave_layout {
	uint64_t at[XSAVE_PARTS];
};

/* What the notes of one thread say about its vector registers; zeroed: nothing. */
struct vector_notes {
	struct cursor xstate; /* NT_X86_XSTATE */
	struct cursor
		fpregs; /* NT_FPREGSET: FXSAVE on x86-64, struct user_fpsimd_state on aarch64 */
};

/*
 * Fills vectors and n_vectors of the thread: from NT_X86_XSTATE, or from NT_FPREGSET where there
 * is none or none that can be read.  `told` is what the dump says about the layout, zeroed when
 * it says nothing.  Damage is a diag "core/note".
 */
struct err *vectors_read(struct image *img, const struct vector_notes *notes,
			 const struct xsave_layout *told, struct thread *t) MUST_CHECK;

/* NT_X86_XSAVE_LAYOUT of Linux 6.12 and later. */
void vectors_read_layout(struct env *env, struct cursor desc, struct xsave_layout *ret);

/* A word of a vector register as a register number, past those of general registers. */
enum { VECTOR_FIRST = 1 << 16, VECTOR_WORDS = 8 };
/* "xmm3 (low half)", "ymm3 (bits 128-191)"; false if it is no such number. */
bool vector_word_name(const struct target *target, uint64_t no, struct text *ret);

#endif
