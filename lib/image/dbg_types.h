/*
 * image/dbg_types.h - types and variables of one module, as its DWARF tells them; C, C++ and Rust.
 *
 * One pass over the DWARF names what there is (dbg_index.c); a type's parts are read when they are
 * asked for, and kept.  All strings and types live as long as the struct dbg_types.  One thread.
 */
#ifndef HEAPFX_IMAGE_DBG_TYPES_H
#define HEAPFX_IMAGE_DBG_TYPES_H

#include <string.h>

#include "base/addrmap.h"
#include "base/arena.h"
#include "base/text.h"
#include "image/image.h"

enum dbg_kind {
	DBG_KIND_NONE, /* function, nothing, or of no known size: nothing can be said of a pointer to it */
	DBG_KIND_BASE, /* number, character, enumeration */
	DBG_KIND_POINTER,
	DBG_KIND_STRUCT, /* class */
	DBG_KIND_UNION,	 /* and what a tag chooses from */
	DBG_KIND_ARRAY,
};

enum dbg_language { DBG_LANG_C, DBG_LANG_CXX, DBG_LANG_RUST, DBG_LANG_OTHER };

struct dbg_type;
/* When a variant is the one there: its tag, a number in the same struct, lies in [low, high], or does not. */
struct dbg_variant {
	uint64_t offset, low, high;
	uint8_t size; /* bytes of the tag */
	bool is_other;
};
struct dbg_member {
	const char *name; /* NULL: unnamed */
	uint64_t offset;
	const struct dbg_type *type; /* never NULL */
	const struct dbg_variant *variant; /* NULL: it is always there */
	bool is_base; /* the part of a base class */
};

struct dbg_type {
	const char *name; /* as the language writes it: "struct order", "shop::Order"; NULL: unnamed */
	uint64_t size;
	uint8_t kind;	  /* enum dbg_kind */
	uint8_t language; /* enum dbg_language */
	bool has_vtable;  /* of its own or of a base; after dbg_type_load() */
	bool is_text;	  /* a character, or a byte */
	/* Smallest of the types that begin with one of these; 0: none does. */
	uint64_t outer;
	uint64_t place; /* of its entry in the module: the same in each run */
	/* The rest is there after dbg_type_load(). */
	const struct dbg_type *to; /* what a pointer points at (NULL: nothing known), an array is of */
	uint64_t count;		   /* of an array; 0: unknown */
	const struct dbg_member *members; /* ascending by offset */
	uint32_t n_members;
	const struct dbg_member *params; /* of a template: what it was made for; offsets are 0 */
	uint32_t n_params;
	/* dbg_types.c's own */
	struct dbg_types *of;
	void *die;
	bool in_alt, loaded;
	void *user; /* of who asks: NULL at first */
	uint8_t user_flags; /* likewise: 0 at first */
};

struct dbg_var {
	uint64_t addr; /* as in the file; of a thread's variable: in its TLS block */
	void *die;
	const char *name; /* qualified */
	bool is_tls, in_alt;
	uint8_t language;
};

struct dbg_func {
	uint64_t low, high;
	void *die;
	bool in_alt;
	uint8_t language;
};

/* A struct as it is declared or defined somewhere. */
struct dbg_named {
	void *die;
	const char *name; /* qualified */
	uint64_t hash;	  /* of the name, without blanks */
	uint64_t size, outer;
	uint32_t line;	  /* where it is defined: of two of one name, which */
	bool is_declaration, in_alt;
	bool is_alias; /* C's: it has no name but a typedef's */
	uint8_t language;
};

enum { DBG_STRINGS = 2 };

struct dbg_types {
	struct env *env;
	const struct image *img;
	const struct module *module;
	struct {
		struct dbg_var *v; /* by is_tls, then address */
		size_t n, cap;
	} vars;
	struct {
		struct dbg_func *v; /* by address */
		size_t n, cap;
	} funcs;
	struct {
		struct dbg_named *v; /* by DIE */
		size_t n, cap;
	} named;
	struct {
		uint32_t *v; /* definitions in `named`, by hash */
		size_t n, cap;
	} by_hash;
	struct addrmap types; /* struct dbg_type by DIE */
	struct addrmap same;  /* and by what makes two one */
	uint64_t n_types, n_members;
	bool too_many; /* entries: the rest is not used */
	struct dbg_type nothing; /* stands for what has no type */
	struct dbg_type *strings[DBG_STRINGS]; /* std::string and std::wstring, where they are only declared; NULL before they are met */
	struct arena mem;
};

/* Two units tell of one type: the same name, the same size. */
static inline bool dbg_type_is_same(const struct dbg_type *a, const struct dbg_type *b)
{
	return a == b || (a->name && b->name && a->size == b->size && !strcmp(a->name, b->name));
}

/* Its DWARF is parted among threads: such modules are best opened one after the other. */
bool dbg_types_is_large(const struct module *m);
/* *ret is NULL where the module has no DWARF.  Of different modules at once, from any threads. */
struct err *dbg_types_open(struct env *env, const struct image *img, const struct module *m,
			   struct dbg_types **ret) MUST_CHECK;
/* What of the DWARF was not there, or not used: a diag each. */
void dbg_types_tell(const struct dbg_types *t);
void dbg_types_close(struct dbg_types *t); /* NULL is fine */

/* The name without what compilers write in different ways: for dbg_types_named(). */
uint64_t dbg_name_hash(const char *name);
/*
 * The definition of a struct, class or union; NULL: there is none.  Of several that differ the one of the unit
 * that `near` is of (NULL: of none), where it has just one.
 */
struct dbg_type *dbg_types_named(struct dbg_types *t, uint64_t hash, const struct dbg_type *near);
/* Where it is declared, of a pointer or an array what it is of; NULL: that is nowhere told. */
const char *dbg_type_file(const struct dbg_type *type, unsigned *ret_line);
/* Reads what a type is made of, once. */
void dbg_type_load(struct dbg_type *type);
/* The static variable at or before an address (as in the file), or at an offset in the TLS block. */
const struct dbg_var *dbg_var_at(const struct dbg_types *t, bool is_tls, uint64_t addr);
const struct dbg_type *dbg_var_type(struct dbg_types *t, const struct dbg_var *v);
/* The class that a member function, which begins at an address (as in the file), is declared in; NULL: there is none. */
const struct dbg_type *dbg_func_class(struct dbg_types *t, uint64_t addr);
/* A constant of a class, by its name; false: it has none, or its value is not told. */
bool dbg_class_constant(const struct dbg_type *type, const char *name, uint64_t *ret);
/* Rust: the compiler of its unit is version 1.N; 0: not told. */
unsigned dbg_type_rustc(const struct dbg_type *type);
/* Rust: what the vtable of a trait at an address (as in the file) is for; NULL: it is none. */
const struct dbg_type *dbg_vtable_type(struct dbg_types *t, uint64_t addr);

/* image/dbg_types.c for dbg_frame.c, under the lock: entries are Dwarf_Die of libdw's. */
bool dbg_die_at(const struct dbg_types *t, void *addr, bool in_alt, void *ret);
/* The entry that an attribute of one refers to. */
bool dbg_die_referred(const struct dbg_types *t, void *die, unsigned name, void *ret);
const struct dbg_type *dbg_die_type(struct dbg_types *t, void *die);
const char *dbg_die_name(struct dbg_types *t, void *die); /* NULL: it has none */

/* image/dbg_index.c, under the lock: fills vars, funcs and named, from all parts, on env->threads threads. */
struct err *dbg_index(struct dbg_types *t) MUST_CHECK;
struct err *dbg_index_finish(struct dbg_types *t) MUST_CHECK;
/* NULL: not a struct with a name. */
struct dbg_named *dbg_named_of(struct dbg_types *t, const void *die);

#endif
