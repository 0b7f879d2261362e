/*
 * image/insn.h - just enough disassembly (capstone) to find what a function refers to.
 */
#ifndef HEAPFX_IMAGE_INSN_H
#define HEAPFX_IMAGE_INSN_H

#include "image/image.h"

enum insn_ref_kind {
	INSN_LEA,  /* address computed: lea reg, [rip + x]; adrp + add */
	INSN_LOAD, /* memory read or written at a static address */
	INSN_CALL, /* direct call or tail jump */
	INSN_TLS,  /* access relative to the thread pointer; target is the signed offset */
};
struct insn_ref {
	taddr pc, target;
	uint8_t kind; /* enum insn_ref_kind */
};
/*
 * Decodes `size` bytes from addr (at most max_insns instructions), writes at most n_ret references
 * in order and returns how many; 0 when the code is not in the image.
 */
size_t insn_refs(const struct image *img, taddr addr, uint64_t size, unsigned max_insns, struct insn_ref *ret, size_t n_ret);

#endif
