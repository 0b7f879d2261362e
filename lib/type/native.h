/*
 * type/native.h - what a block of a C or C++ program can be, and how it came to be known.
 *
 * A shape is made once for each kind of block and class; type rows refer to it.
 */
#ifndef HEAPFX_TYPE_NATIVE_H
#define HEAPFX_TYPE_NATIVE_H

#include "image/cxx.h"
#include "type/typer.h"

enum native_kind {
	NATIVE_VALUE,  /* one object */
	NATIVE_ARRAY,  /* objects one after another: of a vector, of malloc(n * size) */
	NATIVE_COUNTED, /* the same behind the count that new[] keeps */
	NATIVE_KINDS
};

struct native_shape {
	const char *name; /* "shop::Order", "shop::Order[]"; with "?" behind it where that is a guess */
	uint8_t kind;	  /* enum native_kind */
	uint8_t language; /* enum type_language */
	bool is_guess;
	uint64_t size;	  /* of one object, 0: unknown */
	type_id id;	  /* 0 before one is assigned */
};

struct native {
	struct env *env;
	const struct image *img;
	const struct blocks *blocks;
	struct type_columns *cols; /* while typers run */
	struct cxx cxx;
	struct {
		struct native_shape **v; /* by type_id; of other typers: NULL */
		size_t n, cap;
	} by_id;
	struct arena mem;
	taddr window_start, window_end; /* of the segment used last */
	const uint8_t *window;
};

/* `name` of one object.  NULL when out of memory. */
struct native_shape *native_shape_new(struct native *n, const char *name, enum native_kind kind, bool is_guess,
				      enum type_language language);
/* A block is of a shape from now on. */
struct err *native_assign(struct native *n, uint32_t id, struct native_shape *shape,
			  enum type_confidence confidence) MUST_CHECK;
/* NULL: of no type, or of another typer. */
struct native_shape *native_shape_now(const struct native *n, uint32_t id);
/* Bytes at an address; NULL when there are none. */
const uint8_t *native_view(struct native *n, taddr at, uint64_t *ret_avail);

/* A used block that no other typer is sure of. */
struct native_block {
	uint32_t id;
	taddr at;	 /* what the program holds */
	uint64_t usable; /* bytes from there on; at least one word */
};
/* Until fn fails, in order; blocks of collected heaps are not among them. */
struct err *native_each(struct native *n, struct err *(*fn)(void *arg, const struct native_block *b), void *arg) MUST_CHECK;

/* native_vtables.c: objects with virtual functions or bases, by their vtable pointers. */
struct err *native_vtables(struct native *n) MUST_CHECK;

#endif
