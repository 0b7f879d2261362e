/*
 * image/dbg.h - the DWARF of one module, opened when it is first asked.
 *
 * Libdw caches inside; a lock makes that safe, and what is found is kept here.
 */
#ifndef HEAPFX_IMAGE_DBG_H
#define HEAPFX_IMAGE_DBG_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/dbg_parts.h"
#include "image/dbg_plain.h"
#include "image/elf.h"

struct dbg_field {
	char *of, *name;
	uint64_t offset;
	bool found;
};

struct dbg_variable {
	uint64_t addr, size; /* as in the file */
	const char *file;
	unsigned line;
};

struct dbg {
	pthread_mutex_t lock; /* over all that follows */
	const struct elf_file *file;
	struct elf_file *own; /* `file`, when the module's own file has no DWARF */
	struct elf_file *alt; /* what dwz moved out of `file`; NULL if it is whole */
	struct elf_file *dwp; /* the package of its split units; NULL: there is none */
	bool opened;
	bool may_look; /* files that split units name may be opened, besides those in the input */
	struct dbg_reader {
		struct elf_copy copy; /* what libelf reads */
		struct dbg_plain plain; /* read instead where it was compressed: `elf` and `dwarf` are its view's */
		struct Elf *elf;
		struct Dwarf *dwarf; /* NULL before it is opened, and when it cannot be */
	} main, rest, package; /* no `dwarf` of the package: each of its units has one */
	struct dbg_parts parts; /* empty before dbg_parts_open() */
	struct {
		struct dbg_field *v;
		size_t n, cap;
	} fields;
	bool fields_read; /* of the cache (image/field_cache.h) */
	bool variables_read;
	struct { /* by address */
		struct dbg_variable *v;
		size_t n, cap;
	} variables;
};

struct image;
struct module;

/* A file's bytes for libelf; NULL, with a diag, when they cannot be had. */
struct Elf *dbg_reader_elf(const struct image *img, const struct elf_file *file, struct dbg_reader *r);
void dbg_reader_close(struct dbg_reader *r); /* zeroed is fine */
/* Under the lock: what all of this folder reads; NULL when it cannot be opened. */
struct Dwarf *dbg_dwarf(const struct image *img, struct dbg *d);

/*
 * Entries, for readers that know a language.  Attributes 0x2900 and up are Go's own
 * (cmd/internal/dwarf).  Strings live as long as the image; callbacks must not ask again.
 */
enum {
	DBG_GO_KIND = 0x2900, DBG_GO_KEY = 0x2901, DBG_GO_ELEM = 0x2902, DBG_GO_EMBEDDED = 0x2903,
	DBG_GO_RUNTIME_TYPE = 0x2904, DBG_GO_CLOSURE_OFFSET = 0x2907,
	/* tags, of DWARF itself */
	DBG_MEMBER = 0x0d, DBG_STRUCT = 0x13, DBG_TYPEDEF = 0x16,
};

struct dbg_entry {
	uint64_t id;
	unsigned tag;	  /* DW_TAG_* */
	const char *name; /* NULL if none */
	uint64_t type;	  /* id of its type, 0 if none */
	uint64_t size;
	uint64_t addr;	  /* as in the file: of a static variable, of a function's first byte */
	uint64_t offset;  /* of a member; of a captured variable */
	uint64_t count;	  /* of an array */
	unsigned go_kind; /* reflect.Kind, 0 if none */
	uint64_t go_runtime_type, go_key, go_elem;
	bool has_addr, has_closure_offset;
};

/* A static variable or a function. */
struct dbg_static {
	uint64_t id, addr;
	bool is_function;
};

/* Something that the DWARF tells of a struct, or the value of a constant. */
struct dbg_ask {
	const char *of; /* the struct's name; NULL: `path` is a constant's name */
	/*
	 * Which byte: names of fields with dots between, "[]" for the element of an array; with "#" in
	 * front how many bytes that has, "#" alone: the struct itself.  NULL asks nothing.
	 */
	const char *path;
	uint64_t value; /* when found */
	bool found;
};
/*
 * Answers them from the top level of Go's units of that name (the types of all packages are in one
 * called "runtime"), in one pass; how many it found.
 */
size_t dbg_ask_all(const struct image *img, const struct module *m, const char *unit, struct dbg_ask *asks,
		   size_t n);
bool dbg_entry_read(const struct image *img, const struct module *m, uint64_t id, struct dbg_entry *ret);
/* Until fn answers false; false then, and without DWARF. */
bool dbg_children(const struct image *img, const struct module *m, uint64_t id,
		  bool (*fn)(void *arg, const struct dbg_entry *e), void *arg);
/*
 * The variable or parameter whose storage at `pc` (of the process) covers the byte that is `at`
 * bytes from the canonical frame address, of the innermost scope; `ret_into`: which byte of its
 * value.
 */
bool dbg_local(const struct image *img, const struct module *m, uint64_t pc, int64_t at,
	       struct dbg_entry *ret, uint64_t *ret_into);
/*
 * The variables of a function that lie in its frame when it stands at pc (as in the file), also of
 * what is inlined there.  Bytes [offset, offset + size) of a variable lie at the canonical frame
 * address + at; size UINT64_MAX: all of it.
 */
enum { DBG_PIECES = 8 };
struct dbg_piece {
	int64_t at;
	uint64_t offset, size;
};
bool dbg_locals(const struct image *img, const struct module *m, uint64_t id, uint64_t pc,
		bool (*fn)(void *arg, const struct dbg_entry *e, const struct dbg_piece *p, size_t n),
		void *arg);
/* Every variable and function of the top level of all units: one pass over the DWARF. */
bool dbg_statics(const struct image *img, const struct module *m,
		 bool (*fn)(void *arg, const struct dbg_static *s), void *arg);

#endif
