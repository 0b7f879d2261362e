/*
 * type/python_gc.h - CPython's cyclic collector: which words are its own links, and which objects are its garbage.
 *
 * Objects that may be part of a cycle have two words in front, by which they hang on the list of a generation; the
 * words of weak references are no references either.  Layouts of 64-bit 3.8 to 3.15: Include/internal/pycore_gc.h
 * (PyGC_Head, struct _gc_runtime_state), Include/cpython/weakrefobject.h (struct _PyWeakReference).
 */
#ifndef HEAPFX_TYPE_PYTHON_GC_H
#define HEAPFX_TYPE_PYTHON_GC_H

#include "graph/graph.h"
#include "heap/blocks.h"
#include "image/image.h"

struct scan;

enum { PY_GC_HEADS = 64 };

struct py_gc {
	uint64_t *links;   /* one bit for eight bytes of the grains: no reference; NULL: no collector was found */
	uint64_t *tracked; /* one bit a node: on the list of a generation */
	uint64_t *known;   /* those, and what weak references refer to */
	struct col links_col, tracked_col, known_col;
	taddr heads[PY_GC_HEADS]; /* of the lists */
	unsigned n_heads;
};

/* Follows the lists. One that breaks is none: nothing is left out of the graph then. */
struct err *py_gc_open(struct env *env, const struct image *img, const struct blocks *blocks, struct py_gc *ret) MUST_CHECK;
void py_gc_close(struct py_gc *gc);

/* The bit of the word at an address that has this grain. */
static inline uint64_t py_gc_bit(const struct grains *g, uint64_t grain, uint64_t at)
{
	return grain << (g->shift - 3) | (at & ((1u << g->shift) - 1)) >> 3;
}

/* What py_gc_judge() finds; one bit a node. */
struct py_gc_judged {
	uint64_t *held;	   /* nothing was found that holds them, and they are counted more often than they are referred to */
	uint64_t *garbage; /* what the next collection frees, and what goes with that; NULL: none */
	struct col held_col, garbage_col;
};
/*
 * As the collector itself does it (subtract_refs() of Modules/gcmodule.c): of the objects that none of the n
 * root nodes reaches, those are garbage whose count is that of the references from among them, and that none of
 * the others reaches.  `g` has nodes and edges.
 */
struct err *py_gc_judge(struct env *env, const struct scan *s, const struct graph *g, const struct py_gc *gc,
			const uint32_t *roots, uint64_t n, struct py_gc_judged *ret) MUST_CHECK;
void py_gc_judged_close(struct py_gc_judged *j);

#endif
