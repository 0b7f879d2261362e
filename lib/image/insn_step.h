/*
 * image/insn_step.h - what instructions do to registers and static memory, one after another.
 *
 * By capstone.  Registers have the machine's numbers: rax 0, rcx 1, rdx 2, rbx 3, rsp 4 ... r15; x0 ... x30, sp 31.
 */
#ifndef HEAPFX_IMAGE_INSN_STEP_H
#define HEAPFX_IMAGE_INSN_STEP_H

#include "image/image.h"

enum insn_op {
	INSN_OTHER, /* nothing of the following */
	INSN_SET,   /* reg = value */
	INSN_ADD,   /* reg = base + value */
	INSN_GET,   /* reg = the 8 bytes at base + value */
	INSN_PUT,   /* the `size` bytes at base + value = reg */
	INSN_STEP_CALL, /* of `value`; 0 when a register says of what */
	INSN_BRANCH, /* to `value`, or on */
	INSN_JUMP,   /* to `value`; 0 when a register says where, or nowhere */
	INSN_RETURN,
};
enum { INSN_NO_REG = -1, INSN_REGS = 32 };

struct insn_step {
	taddr pc;
	uint64_t value;
	uint32_t written; /* bits of registers with another value afterwards, known or not */
	uint8_t op;	  /* enum insn_op */
	uint8_t size;	  /* INSN_PUT */
	int8_t reg;	  /* INSN_NO_REG for INSN_PUT: a value that nobody knows */
	int8_t base;	  /* INSN_NO_REG: `value` is the address */
};

struct insn_reader;
/* One a thread. NULL in *ret when this capstone cannot read the machine's code. */
struct err *insn_reader_open(const struct image *img, struct insn_reader **ret) MUST_CHECK;
void insn_reader_close(struct insn_reader *r); /* NULL is fine */
/* Calls fn for each step of `size` bytes of code; ends early where the code is not in the image or is none. */
void insn_steps(struct insn_reader *r, taddr addr, uint64_t size,
		void (*fn)(void *arg, const struct insn_step *s), void *arg);

#endif
