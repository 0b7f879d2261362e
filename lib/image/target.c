/*
 * image/target.c - x86-64 and aarch64 under Linux.
 *
 * Register numbers: System V ABI AMD64 supplement, figure 3.36; DWARF for the Arm 64-bit
 * Architecture, 4.1.  Register sets: struct user_regs_struct of Linux's asm/user_64.h and struct
 * user_pt_regs of asm/ptrace.h, as core dumps hold them in NT_PRSTATUS.
 */
#include "image/target.h"

#include <elf.h>
#include <stddef.h>

static const char *const x86_64_names[] = {
	"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8",
	"r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip",
};
static const int8_t x86_64_gregset[] = { 10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16 };

static const struct target x86_64 = {
	.id = TARGET_X86_64,
	.name = "x86_64",
	.elf_machine = EM_X86_64,
	.n_regs = 17,
	.sp = 7,
	.pc = 16,
	.callee_saved = 1 << 3 | 1 << 6 | 0xf << 12,
	.red_zone = 128,
	.reg_names = x86_64_names,
	.gregset = x86_64_gregset,
	.n_gregset = 27,
	.gregset_tp = 21, /* fs_base */
	.tls_below_tp = 1,
};

static const char *const aarch64_names[] = {
	"x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",	"x8",  "x9",  "x10",
	"x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21",
	"x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30", "sp",  "pc",
};
static const int8_t aarch64_gregset[] = {
	0,  1,	2,  3,	4,  5,	6,  7,	8,  9,	10, 11, 12, 13, 14, 15, 16,
	17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
};

static const struct target aarch64 = {
	.id = TARGET_AARCH64,
	.name = "aarch64",
	.elf_machine = EM_AARCH64,
	.n_regs = 33,
	.sp = 31,
	.pc = 32,
	.callee_saved = 0x7ffull << 19,
	.red_zone = 0, /* AAPCS64 has none */
	.reg_names = aarch64_names,
	.gregset = aarch64_gregset,
	.n_gregset = 34,
	.gregset_tp = -1, /* NT_ARM_TLS */
	.tls_below_tp = 0,
};

const struct target *const targets[] = { &x86_64, &aarch64, NULL };

const struct target *target_by_machine(uint16_t elf_machine)
{
	for (const struct target *const *t = targets; *t; t++)
		if ((*t)->elf_machine == elf_machine)
			return *t;
	return NULL;
}
