/*
 * image/python.h - the CPython of a process: where its type `type` is, and what is an object.
 *
 * Every object begins with a count and the address of its type, every type is an object, and the chain of
 * types of types ends in PyType_Type, whose type is itself. Layouts of 64-bit CPython 2.7 to 3.15:
 * Include/object.h (PyObject, PyVarObject), Include/cpython/object.h (struct _typeobject, the same since 2.7 as
 * far as it is read here).
 */
#ifndef HEAPFX_IMAGE_PYTHON_H
#define HEAPFX_IMAGE_PYTHON_H

#include "image/image.h"

struct python {
	taddr type;	/* PyType_Type */
	bool by_symbol; /* else by its shape alone */
	unsigned minor; /* 11 of 3.11, by the size of a heap type; 8: or 9; 15: or later; 0: it has another size */
};

/* "3.11"; NULL: it is not known. */
const char *python_version(const struct python *py);
/* Sets img->python if there is one. */
struct err *python_open(struct image *img) MUST_CHECK;
void python_close(struct python *py);

/* A type: its own type is `type`, or a type that is derived from `type` and proven in the same way. */
bool python_is_type(const struct image *img, taddr at);
/* Something whose type is one. */
bool python_is_object(const struct image *img, taddr at);
/*
 * `value` stands for the whole block that begins at `start` and has `usable` bytes: it is
 * - an object behind what CPython puts in front of it: the collector's head (two words; four before 3.8), and before that, since 3.11, two words for an instance's dict and its weak references; or
 *   that head itself, behind those;
 * - such an object, as a variable of 3.14 and later has it, which may add 1 (_Py_TAG_REFCNT of pycore_stackref.h);
 * - the values of an instance's attributes behind the order in which they came (3.11; 3.12, less 1 for a mark):
 *   a byte each, one for how many, one for how long all that is (Objects/dictobject.c, new_values()).
 */
bool python_is_start(const struct image *img, taddr start, uint64_t usable, taddr value);

#endif
