/*
 * image/dbg.h - the DWARF of one module, opened when it is first asked.
 *
 * Libdw caches inside; a lock makes that safe, and what is found is kept here.
 */
#ifndef HEAPFX_IMAGE_DBG_H
#define HEAPFX_IMAGE_DBG_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/elf.h"

struct dbg_field {
	char *of, *name;
	uint64_t offset;
	bool found;
};

struct dbg_variable {
	uint64_t addr, size; /* as in the file */
	const char *file;
	unsigned line;
};

struct dbg {
	pthread_mutex_t lock; /* over all that follows */
	const struct elf_file *file;
	struct elf_file *own; /* `file`, when the module's own file has no DWARF */
	struct elf_file *alt; /* what dwz moved out of `file`; NULL if it is whole */
	bool opened;
	struct dbg_reader {
		struct elf_copy copy; /* what libelf reads */
		struct Elf *elf;
		struct Dwarf *dwarf; /* NULL before it is opened, and when it cannot be */
	} main, rest;
	struct {
		struct dbg_field *v;
		size_t n, cap;
	} fields;
	bool variables_read;
	struct { /* by address */
		struct dbg_variable *v;
		size_t n, cap;
	} variables;
};

#endif
