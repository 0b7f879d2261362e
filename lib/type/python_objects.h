/*
 * type/python_objects.h - which blocks are CPython's objects, and of which types.
 *
 * A block is an object if the word where its type would be leads to a proven type, the front of that type's objects
 * is what lies before, it is counted, and it has room for one.
 */
#ifndef HEAPFX_TYPE_PYTHON_OBJECTS_H
#define HEAPFX_TYPE_PYTHON_OBJECTS_H

#include "graph/types.h"
#include "type/python_values.h"

struct py_known {
	taddr at;
	bool is_type;
	struct py_type type;
	bool is_named; /* by the table's user, as `id` */
	type_id id;
};

/* One a thread: types that are known, or known to be none. */
struct py_objects {
	const struct image *img;
	struct py_version version;
	struct py_known known[1 << 12];
};

/* NULL in *ret: no CPython whose objects are known. free() ends it. */
struct err *py_objects_new(const struct image *img, struct py_objects **ret) MUST_CHECK;
/* NULL: no type. Good until the next is asked for. */
struct py_known *py_objects_type(struct py_objects *o, taddr at);
/* The type of the object in a block, and how far it begins in it; NULL: it is none, or a dead one. */
struct py_known *py_objects_in(struct py_objects *o, taddr addr, uint64_t usable, unsigned *ret_front);

#endif
