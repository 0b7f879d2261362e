/*
 * type/go_statics.h - objects that Go's linker laid out: what `var x = &T{...}` points to.
 *
 * They lie in the data of a module and have no symbol that is kept (cmd/compile calls them
 * "pkg..stmp_N"; the linker leaves those out of the symbol table), nor debug info.  What names one
 * is the variable, or the field of another one, that points to it and says its type.
 */
#ifndef HEAPFX_TYPE_GO_STATICS_H
#define HEAPFX_TYPE_GO_STATICS_H

#include "image/go_dwarf.h"

struct go_static {
	taddr addr;
	const struct go_type *type;
	taddr holder; /* the word that points to it */
	bool shared;  /* several do, as near to a variable: it is not told which of them names it */
};

struct go_statics {
	struct go_static *v; /* ascending by address; none overlaps another, or a variable */
	size_t n, cap;
};

/* `variables` as go_dwarf_variables() has them. */
struct err *go_statics_find(const struct go *go, const struct go_variable *variables, size_t n,
			    struct go_statics *ret) MUST_CHECK;
void go_statics_fini(struct go_statics *s); /* safe on a zeroed one */
/* The one that covers an address; NULL: none. */
const struct go_static *go_statics_at(const struct go_statics *s, taddr addr);

#endif
