/*
 * image/dbg_view.h - one more libdw over sections of DWARF that lie in memory already.
 *
 * Libdw is no thing for two threads, and knows no packages of split DWARF.  A view is an ELF file
 * that nobody wrote: its sections are where they lie, so that an entry has the same address in all
 * views of a section.  They must outlive it.
 */
#ifndef HEAPFX_IMAGE_DBG_VIEW_H
#define HEAPFX_IMAGE_DBG_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct Dwarf;
struct Elf;

struct dbg_section {
	const char *name; /* ".debug_info" */
	const void *at;
	uint64_t n;
};

struct dbg_view { /* zeroed: none */
	struct Elf *elf;
	struct Dwarf *dwarf;
	char *names;
	void *joined[2]; /* sections that it alone has; owned, set once it is open */
};

/* For the machine that `like` is of.  False: libdw makes nothing of it, or there is no memory. */
bool dbg_view_open(struct Elf *like, const struct dbg_section *sections, size_t n, struct dbg_view *ret);
/* The same, with sections that it is to own: freed when it is closed, and where it cannot be opened. */
bool dbg_view_open_joined(struct Elf *like, const struct dbg_section *sections, size_t n, void *joined[2],
			  struct dbg_view *ret);
/* Sections of DWARF that a file has, as libelf has unpacked them; how many.  Not of one file by two threads. */
enum { DBG_SECTIONS_MAX = 64 };
size_t dbg_sections_of(struct Elf *elf, struct dbg_section ret[static DBG_SECTIONS_MAX]);
void dbg_view_close(struct dbg_view *v); /* zeroed is fine */
/*
 * How many sections of that name there are, and their bytes: copied one behind the other to `to`, which has `*bytes`
 * as an earlier call with NULL has said.
 */
size_t dbg_sections_named(struct Elf *elf, const char *name, uint8_t *to, uint64_t *bytes);
/* The bytes of a section, unpacked; false: it has none. */
bool dbg_section_of(struct Elf *elf, const char *name, struct dbg_section *ret);

#endif
