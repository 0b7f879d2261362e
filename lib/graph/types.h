/*
 * graph/types.h - the types that nodes refer to; every language, one table.
 *
 * Filled by typers, const afterwards.  Two types of one name and size are two rows when their
 * makers say so (a `handle` each); reports join them by name.
 */
#ifndef HEAPFX_GRAPH_TYPES_H
#define HEAPFX_GRAPH_TYPES_H

#include "base/arena.h"
#include "base/env.h"
#include "base/text.h"

typedef uint32_t type_id; /* 0 = unknown */

enum type_language { LANG_NONE, LANG_C, LANG_CXX, LANG_RUST, LANG_GO, LANG_PYTHON };
const char *type_language_name(enum type_language lang); /* "c", "c++", "rust", "go", "python" */

/* How sure a typer is; the strongest wins, ties go to the earlier typer. */
enum type_confidence { TYPE_UNKNOWN, TYPE_GUESSED, TYPE_SPREAD /* along typed pointers */, TYPE_EXACT /* the runtime says so */ };

struct type_row {
	const char *name; /* as the language writes it: "[]*main.Order", "std::string" */
	uint64_t size;	  /* of one value; 0 = varies */
	uint64_t handle;  /* the typer's own; (typer, handle) is unique */
	uint8_t language, typer; /* enum type_language; index in the typer registry */
	uint8_t confidence; /* enum confidence: what its name comes from */
	bool is_pool; /* called by the pool whose memory it is, which may have several blocks; not in saved results */
	/* What it is one part of, where types are counted: "std::map<int, shop::Line> nodes"; NULL: of nothing. */
	const char *whole;
};

/*
 * What a node may be besides what it is: two that are as sure contradict; type 0: that it is of its
 * type is a guess, though what the type is called is known better.
 */
struct type_rival {
	uint32_t node;
	type_id type;
};

struct types {
	struct type_row *v; /* by type_id; row 0 is the unknown type */
	size_t n, cap;
	struct { uint32_t *v; size_t n_slots; } index; /* hash of (typer, handle) */
	struct {
		struct type_rival *v; /* by node, after types_seal() */
		size_t n, cap;
	} rivals;
	struct arena mem; /* names */
};

struct err *types_open(struct types *t) MUST_CHECK;
void types_close(struct types *t);
/* The id of (typer, handle), made when it is new; `name` is copied. */
struct err *types_intern(struct types *t, const struct type_row *row, type_id *ret) MUST_CHECK;
/* A type is called so from now on, and counted as a part of `whole`; both are copied. */
struct err *types_rename(struct types *t, type_id id, const char *name, const char *whole) MUST_CHECK;
struct err *types_add_rival(struct types *t, uint32_t node, type_id type) MUST_CHECK;
void types_seal(struct types *t); /* nothing is added any more */
type_id types_rival(const struct types *t, uint32_t node); /* 0: none */
bool types_is_guess(const struct types *t, uint32_t node); /* or has a rival */

#endif
