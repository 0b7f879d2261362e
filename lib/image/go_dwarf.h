/*
 * image/go_dwarf.h - what only debug info tells of a Go program: names and types of globals, and what
 * functions captured.
 *
 * Of each module of the runtime: a plugin has its own.  Types come out as descriptors where those
 * exist, and are made from DWARF where not.  One thread.
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
/* NULL in *ret when no module of it has debug info. */
struct err *go_dwarf_open(const struct go *go, struct go_dwarf **ret) MUST_CHECK;
void go_dwarf_close(struct go_dwarf *d); /* NULL is fine */
/* Ascending by address. */
const struct go_variable *go_dwarf_variables(const struct go_dwarf *d, size_t *ret_n);
/*
 * What the function that begins at pc captured, as a struct whose first field is "F", its code.
 * NULL: nothing, or not told (Go before 1.23).
 */
const struct go_type *go_dwarf_closure(struct go_dwarf *d, taddr pc);

/* Bytes of a local variable or argument, from the frame's canonical address on. */
struct go_local {
	int64_t at;
	uint64_t size, offset;	    /* of the bytes; where in the variable they begin */
	const struct go_type *type; /* of the whole variable */
};
/*
 * Those of the function that begins at `entry` which lie in its frame when it stands at pc; ascending
 * by `at`.  NULL: none.
 */
const struct go_local *go_dwarf_locals(struct go_dwarf *d, taddr entry, taddr pc, size_t *ret_n);

#endif
