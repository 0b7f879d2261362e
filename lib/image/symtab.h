/*
 * image/symtab.h - the names of one module, by address and by name.
 *
 * Filled, then sealed, then const.
 */
#ifndef HEAPFX_IMAGE_SYMTAB_H
#define HEAPFX_IMAGE_SYMTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

struct elf_file;

struct sym {
	const char *name;
	uint64_t addr, size; /* TLS: offset in the block */
	uint8_t kind;	     /* STT_* */
	uint8_t rank;	     /* among those of one name, the highest wins: global, weak, local */
};

struct symtab {
	struct sym *v; /* addresses ascending; TLS symbols after the n_addr others */
	size_t n, cap, n_addr;
	uint32_t *by_name; /* hash table of index + 1; a power of two of them */
	size_t n_slots;
	struct arena names; /* names that had to be copied */
	struct elf_file *file; /* that the names point into, if it is the table's own */
	uint8_t *unpacked;     /* likewise */
};

struct symtab *symtab_new(void); /* NULL if out of memory */
void symtab_free(struct symtab *t);
/*
 * Adds the usable ones of `n` bytes of Elf64_Sym, their names in `strings` (which must outlive the
 * table), `bias` added to each address.  Damaged entries are left out.
 */
struct err *symtab_add(struct symtab *t, const uint8_t *syms, uint64_t n, const uint8_t *strings,
		       uint64_t n_strings, uint64_t bias) MUST_CHECK;
struct err *symtab_seal(struct symtab *t) MUST_CHECK;
const struct sym *symtab_find(const struct symtab *t, const char *name); /* NULL if there is none */
const struct sym *symtab_at(const struct symtab *t, uint64_t addr);	  /* likewise */

#endif
