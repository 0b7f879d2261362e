/*
 * image/go_type.h - Go's own type descriptors (internal/abi.Type): what is in every binary,
 * stripped or not.
 *
 * Read on demand, kept; any thread.  Layout: internal/abi/type.go since 1.21, runtime/type.go
 * before; same memory layout 1.19 to 1.27.
 */
#ifndef HEAPFX_IMAGE_GO_TYPE_H
#define HEAPFX_IMAGE_GO_TYPE_H

#include "image/go.h"

enum go_kind { /* abi.Kind, reflect.Kind */
	GO_BOOL = 1, GO_INT, GO_INT8, GO_INT16, GO_INT32, GO_INT64, GO_UINT, GO_UINT8, GO_UINT16,
	GO_UINT32, GO_UINT64, GO_UINTPTR, GO_FLOAT32, GO_FLOAT64, GO_COMPLEX64, GO_COMPLEX128,
	GO_ARRAY, GO_CHAN, GO_FUNC, GO_INTERFACE, GO_MAP, GO_POINTER, GO_SLICE, GO_STRING,
	GO_STRUCT, GO_UNSAFE_POINTER,
};

struct go_field {
	const char *name;
	const struct go_type *type;
	uint64_t offset;
	bool embedded;
};

struct go_type {
	taddr addr;	   /* of the abi.Type; 0 for one made from debug info */
	/* as reflect writes it, with the last element of the package path: "*bytes.Buffer" */
	const char *name;
	const char *pkg;   /* full package path of a named type, NULL if none or unknown */
	uint64_t size, ptr_bytes; /* ptr_bytes: the prefix that may hold pointers */
	uint8_t kind;	   /* enum go_kind */
	bool direct;	   /* stored in the interface word itself */
	const struct go_type *elem; /* array, chan, map (value), pointer, slice; NULL else or unknown */
	const struct go_type *key;  /* map */
	/* map: to 1.23 the bucket (bmap), since 1.24 the group of a Swiss map; NULL if unknown */
	const struct go_type *bucket;
	uint64_t len;	   /* array */
	const struct go_field *fields; /* struct; ascending by offset */
	size_t n_fields;
};

struct go_types;
struct err *go_types_open(struct go *go, struct go_types **ret) MUST_CHECK;
void go_types_close(struct go_types *t); /* NULL is fine */

/*
 * The type whose descriptor is at addr, with what it is made of, to any depth (built without
 * recursion; rings of types are rings of pointers); NULL when there is none: a descriptor lies in
 * [types, etypes) of a module, or anywhere for reflect-made ones, and must hold together (kind,
 * size against fields, name readable).  Any address may be asked.
 */
const struct go_type *go_type_at(const struct go *go, taddr addr);
/* Of an itab {inter, type, hash, ...}: the concrete type; NULL unless hash and ranges agree. */
const struct go_type *go_itab_type(const struct go *go, taddr itab);
/* Every type that typelinks (or the walk of [types, etypes) since 1.27) name: for finding by name. */
const struct go_type *go_type_named(const struct go *go, const char *name);
/* The same by the package's whole path, which may end in another name than the package has: "gopkg.in/yaml.v3", "Node". */
const struct go_type *go_type_in_package(const struct go *go, const char *pkg, const char *name);
/* A function and what it captured has a type of its own: struct { F uintptr; ... }, ".F" to 1.20. */
static inline bool go_type_is_closure(const struct go_type *t)
{
	const char *name = t->kind == GO_STRUCT && t->n_fields ? t->fields[0].name : "";

	name += *name == '.';
	return name[0] == 'F' && !name[1] && t->fields[0].type->kind == GO_UINTPTR;
}
/* What a method is of, by its name: "net/http.(*conn).serve". NULL: none, of a generic type, or a function inside one. */
const struct go_type *go_receiver(const struct go *go, const struct go_func *f);
/* "net/http.(*conn).serve": how many bytes are the package's path as the linker writes it (go_path_add()); 0: none. */
size_t go_package_bytes(const char *function);
/* The path of a package out of a function's name: behind the last slash "%2e" is a dot. */
void go_path_add(struct text *ret, const char *s, size_t n);

/* An empty one, to be filled by who knows the type from elsewhere (debug info); NULL: no memory. */
struct go_type *go_type_make(const struct go *go);
/* *T (GO_POINTER) or []T (GO_SLICE) of a T that is known: one each. NULL: no memory. */
const struct go_type *go_type_of(const struct go *go, enum go_kind kind, const struct go_type *elem);

/*
 * Pointer words of one value: bit i = word i holds a pointer; ptr_bytes / 8 bits, built from the
 * structure (GC programs and on-demand masks are never trusted to be there).  NULL: no pointers, or
 * more than 2^20 words (use go_type_pointers() then).  Lives as long as the model.
 */
const uint64_t *go_type_mask(const struct go *go, const struct go_type *t);
/* Calls fn for each pointer word of a value, by offset, in order; stops when it answers false. */
void go_type_pointers(const struct go *go, const struct go_type *t,
		      bool (*fn)(void *arg, uint64_t offset, const struct go_type *slot), void *arg);

/*
 * How the byte at `offset` of a value of type t is called: ".h.items[3].buf", "" for the start of a
 * scalar.  Returns the innermost type that covers it, NULL when offset is padding or past the end.
 * `ret` may be NULL.  What is inside a sync.Map, a lock, a
 * WaitGroup or a Cond has no name: it is one thing to who uses it.
 */
const struct go_type *go_type_path(const struct go *go, const struct go_type *t, uint64_t offset,
				   struct text *ret);

#endif
