/*
 * image/target.h - what differs between processor architectures, as const tables.
 */
#ifndef HEAPFX_IMAGE_TARGET_H
#define HEAPFX_IMAGE_TARGET_H

#include <stdint.h>

enum { TARGET_MAX_REGS = 34 };

enum target_id { TARGET_X86_64, TARGET_AARCH64 };

struct target {
	enum target_id id;
	const char *name;     /* "x86_64", "aarch64": as in the JSON */
	uint16_t elf_machine; /* EM_* */
	unsigned n_regs;      /* DWARF-numbered general registers, sp and pc included */
	unsigned sp, pc;      /* their DWARF numbers */
	uint64_t callee_saved; /* bits: registers that functions leave as they were */
	unsigned red_zone;    /* bytes below sp that a leaf function may use */
	const char *const *reg_names; /* by DWARF number */
	/* Index in the elf_gregset_t (words) of each DWARF register; -1 if it is not there. */
	const int8_t *gregset;
	unsigned n_gregset;   /* words in elf_gregset_t */
	int8_t gregset_tp;    /* word with the thread pointer (fs_base), -1: it is in a note of its own */
	/* glibc: does the TLS block lie below the thread pointer (variant II) or above (variant I)? */
	int tls_below_tp;
};

extern const struct target *const targets[]; /* NULL-terminated */
const struct target *target_by_machine(uint16_t elf_machine); /* NULL if we do not read it */

#endif
