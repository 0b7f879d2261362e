/*
 * image/insn_x86.h - the x86-64 instructions that compilers write most, without a disassembler.
 *
 * Source: Intel's manual, volume 2, appendix A.  What is said of one is what insn_step.c makes of capstone's answer.
 */
#ifndef HEAPFX_IMAGE_INSN_X86_H
#define HEAPFX_IMAGE_INSN_X86_H

#include "image/insn_step.h"

/* The step of the instruction that begins at code[0], of `n` bytes; its length.  0: another one, or not all there. */
unsigned insn_x86_step(const uint8_t *code, size_t n, taddr pc, struct insn_step *ret);

#endif
