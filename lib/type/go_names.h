/*
 * type/go_names.h - how Go's words are called: globals, fields, elements, keys of maps, captures.
 */
#ifndef HEAPFX_TYPE_GO_NAMES_H
#define HEAPFX_TYPE_GO_NAMES_H

#include "image/go_dwarf.h"
#include "image/go_globals.h"
#include "image/go_locals.h"
#include "image/go_sched.h"
#include "type/go_spread.h"
#include "type/go_statics.h"

struct go_names {
	struct shapes *shapes;
	const struct image *img;
	const struct go *go;
	struct go_dwarf *dwarf; /* NULL without debug info */
	struct go_statics statics;  /* with it, once go_names_globals() has read them */
	struct go_locals *locals;   /* by the code: what it does not tell */
	struct go_globals *globals; /* by the code, where there is none, once go_names_globals() has read it */
};

struct err *go_names_open(struct shapes *shapes, const struct image *img, struct go_names *ret) MUST_CHECK;
void go_names_close(struct go_names *n);

/*
 * The typed globals are where types spread from. Without debug info `roots` says which words of them are of use;
 * NULL: none.
 */
struct err *go_names_globals(struct go_names *n, const struct graph *roots, struct spread *s) MUST_CHECK;
/* The type of the word at an address of a goroutine's stack, and how much of its variable follows. */
const struct go_type *go_names_stack(struct go_names *n, const struct goroutine *g, taddr at,
				     uint64_t *ret_left);
/* What the function of a closure captured, put into the shape when it is first asked for. */
void go_names_closure(struct go_names *n, struct shape *closure);
/*
 * How the word at `offset` of a block of `shape` is called, whose contents begin at addr: ".h.buf", "[3].items",
 * `["/receipt"]`; "" where the language sees no step: from a map's header to its slots; "*" from a variable that has a
 * block of its own to what it refers to.
 */
bool go_names_path(const struct go_names *n, const struct shape *shape, taddr addr, uint64_t offset, struct text *ret);
bool go_names_global(const struct go_names *n, taddr addr, struct text *ret);

#endif
