/*
 * type/count_rules.h - what has a count of the references to it in a program of somebody's own, as a
 * small text says it (docs/formats/cxx.md, "Counts of one's own"): for --count-rules.
 *
 * The language is that of --pool-layout (type/rule_text.h).
 */
#ifndef HEAPFX_TYPE_COUNT_RULES_H
#define HEAPFX_TYPE_COUNT_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

enum {
	COUNT_RULES_MAX = 64,
	COUNT_LIST_MAX = 32,	   /* of types, and of fields */
	COUNT_OFFSET_MAX = 64 << 10, /* bytes into a struct */
};

/* Where a number of the struct is, and what it stands for: (word >> shift & mask) + bias. */
struct count_place {
	const char *field; /* "base.refs"; NULL: `offset` is known, by `width` bytes */
	uint32_t offset;
	uint8_t width; /* 1, 2, 4, 8; 0: as its field has it */
	uint8_t shift;
	uint64_t mask;
	int64_t bias;
	bool given;
};

enum count_ref_kind { COUNT_REF, COUNT_REF_WEAK, COUNT_REF_NONE };

/* A pointer of a struct. */
struct count_ref {
	const char *type;  /* whose; how its name begins, with `*` behind it */
	const char *field; /* "owner", "links.up"; NULL: `offset` is known */
	uint32_t offset;
	uint8_t kind; /* enum count_ref_kind */
};

struct count_rule {
	const char *name; /* of the kind, as reports call it */
	unsigned line;	  /* where it begins */
	const char *types[COUNT_LIST_MAX]; /* whose blocks have the count: as `type` of a count_ref */
	unsigned n_types;
	struct count_place strong, weak;
	struct count_ref refs[COUNT_LIST_MAX];
	unsigned n_refs;
	bool is_listed; /* only pointers that are listed count; else each whose type leads to one */
};

struct count_rules {
	struct count_rule *v;
	size_t n, cap;
	struct arena mem; /* names */
};

/* Adds what the text says.  ERR_USAGE names `file` and the line that is wrong. */
struct err *count_rules_parse(const char *file, const char *text, size_t n,
			      struct count_rules *ret) MUST_CHECK;
void count_rules_fini(struct count_rules *r); /* a zeroed one is fine */
/* A name as DWARF or a demangler has it against one of a rule; blanks do not count. */
bool count_rule_names(const char *pattern, const char *name);
/* The count that a number stands for; false: none, or less than 0. */
bool count_place_value(const struct count_place *p, uint64_t word, uint64_t *ret);

#endif
