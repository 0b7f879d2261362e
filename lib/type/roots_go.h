/*
 * type/roots_go.h - what the two halves of the Go rooter share: roots_go.c (globals, specials,
 * queues) and roots_go_stack.c (goroutines).
 */
#ifndef HEAPFX_TYPE_ROOTS_GO_H
#define HEAPFX_TYPE_ROOTS_GO_H

#include "image/go.h"
#include "type/rooter.h"

enum { GOBUF_CTXT = 24 }; /* gobuf {sp, pc, g, ctxt, ..} */

struct go_roots {
	struct env *env;
	const struct image *img;
	const struct go *go;
	const struct blocks *blocks;
	struct root_sink *sink;
};

/* A live slot at `where` holds `value`. */
struct err *go_root(const struct go_roots *r, const struct root_source *source, taddr value,
		    taddr where) MUST_CHECK;
/* Every goroutine: registers, frames, deferred calls. */
struct err *go_roots_stacks(const struct go_roots *r) MUST_CHECK;

#endif
