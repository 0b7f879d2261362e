/*
 * type/python_values.h - what lies in CPython's own objects: texts, dicts, types.
 *
 * Layouts of 64-bit builds of 3.7 to 3.15: Include/object.h, Include/cpython/object.h (struct _typeobject,
 * PyHeapTypeObject), Include/cpython/unicodeobject.h (PyASCIIObject), Include/cpython/dictobject.h, and of the keys
 * Objects/dict-common.h to 3.10, Include/internal/pycore_dict.h since. Which one it is, the size of a heap type tells.
 */
#ifndef HEAPFX_TYPE_PYTHON_VALUES_H
#define HEAPFX_TYPE_PYTHON_VALUES_H

#include "base/text.h"
#include "image/image.h"

enum {
	PY_TYPE = 8, /* ob_type */
	PY_SIZE = 16, /* ob_size */
	PY_LIST_ITEMS = 24,
	PY_LIST_ROOM = 32,
	PY_DICT_KEYS = 32,
	PY_DICT_VALUES = 40,
	PY_SET_MASK = 32,
	PY_SET_TABLE = 40,
	PY_BYTEARRAY_BYTES = 32, /* ob_bytes */
	PY_BYTEARRAY_OBJECT = 56, /* ob_bytes_object: 3.15 */
	PY_MODULE_DICT = 16,
	PY_TEXT_MAX = 256,
};

/* tp_flags */
enum {
	PY_FLAG_INLINE_VALUES = 1 << 2, /* 3.13 */
	PY_FLAG_WEAKREF = 1 << 3, /* 3.12 */
	PY_FLAG_DICT = 1 << 4, /* 3.11 */
	PY_FLAG_HEAP = 1 << 9,
	PY_FLAG_GC = 1 << 14,
	PY_FLAG_LONG = 1 << 24,
	PY_FLAG_LIST = 1 << 25,
	PY_FLAG_TUPLE = 1 << 26,
	PY_FLAG_BYTES = 1 << 27,
	PY_FLAG_TEXT = 1 << 28,
	PY_FLAG_DICT_SUBCLASS = 1 << 29,
};

struct py_version {
	unsigned gc_head;   /* bytes */
	unsigned text;	    /* where the characters of a str of ASCII begin */
	bool new_keys;	    /* PyDictKeysObject of 3.11 */
	bool new_long;	    /* PyLongObject of 3.12 */
	unsigned tuple;	    /* where the items of a tuple begin: 3.14 keeps a hash before them */
	bool flags;	    /* the upper half of an object's first word is not its count's: 3.14 */
};

struct py_type {
	taddr at;
	uint64_t flags, basic, item; /* tp_flags, tp_basicsize, tp_itemsize */
	unsigned front; /* bytes of a block before an object of it */
	int64_t weak; /* where an object has its list of weak references; 0: nowhere */
};

/* The entries of a dict's keys. */
struct py_keys {
	taddr entries;
	uint64_t n;
	unsigned bytes, key, value; /* of one; where they are in it */
};

/*
 * References to an object, of its first word.  Since 3.14 its flags are the upper 16 bits (Include/refcount.h), and
 * what is no count has more than 32 still.
 */
static inline uint64_t py_count(const struct py_version *v, uint64_t first)
{
	return v->flags ? first & ~(0xffffull << 48) : first;
}

/* False: none, or one whose objects are not known. */
bool py_version(const struct image *img, struct py_version *ret);
/* A proven type (python_is_type()). */
bool py_type(const struct image *img, const struct py_version *v, taddr at, struct py_type *ret);
/* `tuple` itself: what is derived of it may have items that it does not count (Objects/structseq.c). */
bool py_is_plain_tuple(const struct image *img, const struct py_type *t);
/* As the program knows it: "dict", "shop.Order"; false: it is not in the dump. */
bool py_type_name(const struct image *img, const struct py_version *v, const struct py_type *t, struct text *ret);
/* A str of printable ASCII, of less than PY_TEXT_MAX characters. */
bool py_read_text(const struct image *img, const struct py_version *v, taddr at, char ret[PY_TEXT_MAX]);
/* An int that fits. */
bool py_read_int(const struct image *img, const struct py_version *v, taddr at, int64_t *ret);
bool py_read_keys(const struct image *img, const struct py_version *v, taddr keys, struct py_keys *ret);
/* How the value of the entry at an address of the keys is called: `["name"]`, `[17]`; false: not known. */
bool py_key_path(const struct image *img, const struct py_version *v, taddr key, struct text *ret);
/*
 * How the word at an offset of an object of that type is called: a slot of the class or of one it is derived from, or
 * a member that the type describes; ".name". False: none.
 */
bool py_member_path(const struct image *img, const struct py_type *t, uint64_t offset, struct text *ret);
/* The attribute that is so far in the values of the type's instances: ".name". */
bool py_attribute_path(const struct image *img, const struct py_version *v, const struct py_type *t, uint64_t index,
		       struct text *ret);
/* Where the values of an instance are that are a block of their own, and where that begins; 0: nowhere. */
taddr py_values_of(const struct image *img, const struct py_version *v, const struct py_type *t, taddr object,
		   taddr *ret_block);
/* sys.modules: a dict that has these two modules. */
bool py_is_modules(const struct image *img, const struct py_version *v, taddr dict);
/* The value of a key in a dict that has its own keys; 0. */
taddr py_dict_get(const struct image *img, const struct py_version *v, taddr dict, const char *key);

#endif
