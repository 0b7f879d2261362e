/*
 * image/go_dwarf.h - what only debug info tells of a Go program: names and types of globals, and what
 * functions captured.
 *
 * Types come out as descriptors where those exist, and are made from DWARF where not.  One thread.
 */
#ifndef HEAPFX_IMAGE_GO_DWARF_H
#define HEAPFX_IMAGE_GO_DWARF_H

#include "image/go_type.h"

struct go_variable {
	const char *name; /* "main.sessions", "net/http.DefaultServeMux" */
	taddr addr;
	const struct go_type *type;
};

struct go_dwarf;
/* NULL in *ret when the program has no debug info. */
struct err *go_dwarf_open(const struct go *go, struct go_dwarf **ret) MUST_CHECK;
void go_dwarf_close(struct go_dwarf *d); /* NULL is fine */
/* Ascending by address. */
const struct go_variable *go_dwarf_variables(const struct go_dwarf *d, size_t *ret_n);
/*
 * What the function that begins at pc captured, as a struct whose first field is "F", its code.
 * NULL: nothing, or not told (Go before 1.23).
 */
const struct go_type *go_dwarf_closure(struct go_dwarf *d, taddr pc);

#endif
