/*
 * report/report.h - the second narrow waist: what was found, before anyone renders it.
 *
 * Analyses fill it, writers read it; neither includes the other, so A analyses and W writers are
 * A + W pieces of code.  The core vocabulary of the contract (breakdown, heaps, reachability,
 * categories, suspects, cycles) is typed; what a single runtime or analysis adds is a generic
 * table, which every writer can render without knowing it.  A report holds the top of things and
 * totals, never the graph: a few MB for any dump.
 *
 * Strings are borrowed from the report's arena (report->mem) or are literals; they are raw bytes
 * of the dump: each writer escapes for its format.  "Unknown" is NULL, or has_x == false.
 */
#ifndef HEAPFX_REPORT_REPORT_H
#define HEAPFX_REPORT_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/env.h"
#include "base/text.h"
#include "report/profile.h"
#include "report/tree.h"

enum severity { SEV_NOTE, SEV_WARNING, SEV_ERROR };
const char *severity_name(enum severity severity);

/* One rule, with a page in docs/rules/; the table is report/rules.c. */
struct rule {
	const char *id; /* "lost/definite" */
	enum severity severity;
	const char *means;  /* one line */
	const char *advice; /* one line: what to do about it */
};
const struct rule *rule_get(const char *id); /* asserts that it exists */
const struct rule *rule_find(const char *id); /* NULL: there is none */
extern const struct rule rules[];
extern const size_t n_rules;

enum category {
	CAT_LOST,
	CAT_CYCLE,
	CAT_UNCOLLECTED,
	CAT_PARKED,
	CAT_SLACK,
	CAT_FREE_HELD,
	CAT_STUCK,
	CAT_DUPLICATE,
	CAT_COUNT
};
const char *category_name(enum category category); /* "lost", "cycle", ... */

struct rp_input {
	const char *path, *kind, *arch, *command, *args, *exe, *made_by;
	uint32_t pid; /* 0 = unknown */
	int signal;
	uint64_t bytes;
	bool complete;
	int64_t captured; /* ns since 1970, as who made the dump says; 0: nobody does */
};

struct rp_thread {
	uint32_t tid;
	const char *name, *function;
	uint64_t pc;
};

struct rp_module {
	const char *path, *build_id, *symbols;
	uint64_t base;
};

/* One line of "where it went"; lines of all groups add up to memory.dumped (or resident). */
struct rp_breakdown {
	/* stable id: "heap/used", "stack", "module/data", "free-held/tcache", ... */
	const char *category;
	const char *label;    /* for people: "C heap (glibc): reachable" */
	const char *detail;   /* NULL if none */
	uint64_t bytes;
};

struct rp_where {
	const char *where;
	uint64_t count, bytes, returnable;
};

struct rp_setting {
	const char *name;
	uint64_t bytes;
};

struct rp_arena {
	uint64_t addr, bytes, used, free, overhead, top, largest_free, n_used, n_free;
	const char *kind; /* "main", "thread", "mmapped" */
};

struct rp_heap {
	const char *allocator, *version, *how, *why;
	enum confidence confidence;
	uint64_t n_used, used, n_free, free, overhead, checks_passed, checks_failed;
	uint64_t idle, returned; /* outside the heap's blocks: free and held; given back */
	bool knows_returnable; /* of wheres and idles */
	struct rp_where *wheres; /* of free blocks */
	size_t n_wheres;
	struct rp_where *idles; /* of `idle` */
	size_t n_idles;
	struct rp_setting *settings;
	size_t n_settings;
	struct rp_arena *arenas;
	size_t n_arenas;
	struct rp_class {
		uint64_t size, units, blocks, used, cached;
	} *classes; /* by size; none where its blocks do not lie in slabs, spans or groups */
	size_t n_classes;
};

struct rp_total {
	bool known;
	uint64_t count, bytes;
};

struct rp_root {
	const char *kind, *module, *symbol, *source, *frame, *function;
	const char *variable; /* of `function`, which the slot is in; NULL = of none, or unknown */
	uint32_t thread; /* tid, 0 = none or unknown */
	uint64_t goroutine; /* its id, 0 = none */
	uint64_t address; /* of the slot; 0 = not in memory (a register) */
	const char *file; /* of the variable or code, by debug information; NULL: unknown */
	uint32_t line;
};

struct rp_hop {
	uint64_t address, size;
	const char *type;	/* NULL = unknown */
	/* "field", "element", "interior", "scanned", ... how it was reached from the hop before */
	const char *via_kind;
	const char *via_name;	/* NULL = unknown */
	uint64_t via_offset;
	uint64_t repeat;	/* 1, or how many hops alike were folded into this one */
	bool is_mixed;		/* these are not all called the same: the branches of a tree */
};

/*
 * From a root to the suspect. For a lost one root.kind is NULL: it starts at the head of its group.
 */
struct rp_chain {
	struct rp_root root;
	struct rp_hop *hops;
	size_t n_hops;
};

struct rp_evidence {
	const char *what, *value;
};

/* What a row of evidence is called that pages of text show too. */
#define EVIDENCE_ONLY_WAY "held only through"
/* Something else than the rule says: the suspect is a guess then. */
#define EVIDENCE_MAY_BE "may be"
struct rp_suspect {
	const char *id;	   /* stable for one input: "s1" */
	const char *rule;  /* rules[].id */
	const char *title; /* one line for people */
	const char *line;  /* what a page of text says instead of the chain; NULL: nothing */
	const char *more;  /* and below that, of a few lines; NULL: nothing */
	const char *type;  /* NULL = unknown */
	const char *type_file; /* where its type is declared in the source; NULL = unknown */
	const char *type_method; /* not declared there: this method of it begins there; or NULL */
	unsigned type_line;
	uint64_t count, bytes, retained;
	enum confidence confidence;
	uint64_t *addresses; /* some of them, ascending */
	size_t n_addresses;
	bool has_chain;
	bool is_everywhere; /* between analyses: all modules of a program keep it together */
	struct rp_chain chain;
	struct rp_evidence *evidence;
	size_t n_evidence;
	const char *advice;
	/* Between analyses: the rule that tells of the same bytes, and of which type; or NULL. */
	const char *told_by, *told_type;
	/* The container that it is about, and that the other rule is to be about; 0: any. */
	uint64_t container, told_of;
	/* By gate/: why it does not count, and to which day; NULL: it counts. */
	const char *suppressed, *suppressed_until;
	enum baseline_state { BASELINE_NONE, BASELINE_NEW, BASELINE_KNOWN } baseline;
	uint64_t signature; /* of a report that was read back; 0: suspect_fingerprint() makes it */
};
bool suspect_counts(const struct rp_suspect *s); /* neither suppressed nor known */

struct rp_cycle {
	uint64_t nodes, bytes, retained;
	bool reachable;
	const char *kind; /* "unreachable", "refcount" */
	bool held; /* of "refcount": something outside has references to it; it is no leak */
	struct rp_member {
		uint64_t address;
		const char *type, *via; /* via: how this one points at the next */
	} *members; /* the shortest ring through its lowest node, at most 64 */
	size_t n_members;
	struct rp_member weaken; /* the reference that would break it; no `via`: not told */
};

struct rp_finding {
	const char *rule, *message;
	int64_t suspect; /* index in suspects, -1 if none */
};

/* One thing that a gate held against the report, and what came of it. */
struct rp_check {
	const char *gate; /* "budget", "baseline", "fail-on", "suppressions" */
	const char *name; /* "max category lost 0" */
	const char *file; /* that says so, NULL if none */
	unsigned line;
	enum check_result { CHECK_OK, CHECK_BREACHED, CHECK_NOTE } result;
	bool is_bytes, has_values;
	uint64_t limit, actual;
	const char *message; /* one line for people: what, and by how much */
};

struct rp_type {
	const char *name, *language;
	uint64_t count, bytes, retained;
	bool knows_retained;
	enum confidence confidence; /* of the name, where it is least */
};

/* Pools of one kind with the same names up to the outermost. */
struct rp_pool_group {
	const char *kind, *path;
	uint64_t pools, blocks, bytes;
	uint64_t free, retained; /* as far as is known */
	bool knows_free, knows_retained;
	const char *holder; /* of the largest: where a chain to it begins; NULL: unknown, or none */
	const char *contents; /* of the largest: what it has given out; NULL: unknown */
};

/* Goroutines at one place for one reason. */
struct rp_goroutines {
	const char *place; /* "chan receive in main.worker (main.go:33)" */
	uint64_t count, stacks;
	uint64_t retained; /* that is reached from their stacks alone; no part of it: the stacks */
};

enum cell_kind { CELL_COUNT, CELL_BYTES, CELL_ADDR, CELL_TEXT, CELL_RATIO };
/* Unknown, for numbers of tables that only queries show. */
#define CELL_UNKNOWN UINT64_MAX
struct rp_cell {
	union {
		uint64_t u;
		double d;
		const char *text; /* NULL = unknown */
	};
};
struct rp_table {
	const char *name; /* key in the JSON */
	const char *title;
	const struct rp_column {
		const char *name;
		enum cell_kind kind;
	} *columns;
	size_t n_columns;
	struct rp_cell *rows; /* n_rows * n_columns */
	size_t n_rows;
};

/*
 * What one language runtime adds: a tree of named values, which every writer can render without
 * knowing the runtime.  Values of a list have no key.  Made by the functions below, in the report's
 * arena; depth is fixed by the code that makes it, never by the input.
 */
enum node_kind {
	NODE_MAP,
	NODE_LIST,
	NODE_COUNT,
	NODE_BYTES,
	NODE_SIGNED,
	NODE_ADDR,
	NODE_TEXT,
	NODE_BOOL
};
struct rp_node {
	const char *key;
	enum node_kind kind;
	union {
		uint64_t u;
		int64_t i;
		const char *text;
	};
	struct rp_node *first, *last; /* of a map or list */
	struct rp_node *next;
};

#define RP_LIST(type, name) \
	struct {            \
		type *v;    \
		size_t n, cap; \
	} name

struct report {
	struct arena mem;
	struct rp_input input;
	RP_LIST(struct rp_thread, threads);
	RP_LIST(struct rp_module, modules);
	uint64_t virtual_bytes, dumped_bytes;
	uint64_t untouched_bytes; /* of the dumped ones: pages of zeros that were never written */
	uint64_t file_bytes, absent_bytes; /* that matching files have; that nobody has */
	bool has_resident;
	uint64_t resident_bytes;
	RP_LIST(struct rp_breakdown, breakdown); /* in the order to print */
	RP_LIST(struct rp_heap, heaps);
	/* by enum reach of fact/fact.h: 1 reachable .. 4 definitely lost */
	struct rp_total reach[5];
	struct rp_total categories[CAT_COUNT];
	RP_LIST(struct rp_type, types);
	RP_LIST(struct rp_suspect, suspects); /* ranked: the first is the worst */
	RP_LIST(struct rp_cycle, cycles);
	uint64_t n_cycles; /* of all, when `cycles` holds the largest alone */
	RP_LIST(struct rp_chain, chains); /* of the one block that was asked for, shortest first */
	RP_LIST(struct rp_finding, findings);
	RP_LIST(struct rp_check, checks); /* in the order of gates, then of their files */
	RP_LIST(struct rp_table, tables);
	struct rp_node *pools; /* programs' own allocators; NULL without one */
	RP_LIST(struct rp_goroutines, goroutines); /* what keeps most first, stacks too */
	RP_LIST(struct rp_pool_group, pool_groups); /* of these, the largest first */
	struct rp_node *go; /* the contract's "go"; NULL without a Go runtime */
	/* by enum profile_kind; NULL where nobody asked for it, or there is none */
	const struct rp_profile *profiles[PROFILE_KINDS];
	/* NULL, and none, where nobody asked (enum picture_need) */
	const struct rp_tree *dominators; /* the largest nodes; smaller ones by type */
	const struct rp_tree *by_type;	  /* the same tree with like things on like ways as one */
	RP_LIST(struct rp_space, space);  /* ascending */
	const char *verdict;  /* one sentence */
	/* "heapfx explain core 0x..": commands worth typing, with what they show */
	const char *next[8];
	const char *next_why[8];
	size_t n_next;
	const struct diags *problems; /* of the run's env */
	bool nodes_failed;
};

void report_fini(struct report *r);
/* NULL: nobody made it. */
const struct rp_table *report_table(const struct report *r, const char *name);
size_t report_breaches(const struct report *r); /* checks that failed */
const char *check_result_name(enum check_result result); /* "ok", "breached", "note" */
const char *baseline_state_name(enum baseline_state state); /* "new", "unchanged"; NULL: none */
/* Address space that was never touched is in the file, but is no memory: it has no share of it. */
bool breakdown_is_memory(const struct rp_breakdown *b);
uint64_t report_memory_bytes(const struct report *r); /* of all that are */
/*
 * What shares of suspects are of: used, free and idle memory of all heaps; without heaps, all live
 * nodes.
 */
uint64_t report_heap_bytes(const struct report *r);
/*
 * What a suspect is without what differs from run to run (addresses, counts): a hash of its rule,
 * type and the names along its chain, the same for every run.
 */
uint64_t suspect_fingerprint(const struct rp_suspect *s);
uint64_t text_hash(const char *s);
/* One line for people: "global main.sessions -> +0x10 64-byte block -> ...", escaped, not cut. */
void chain_print(const struct rp_chain *chain, struct text *ret);
/*
 * Of a chain from CPython's modules, the names in its first `n` hops up to a variable, as in
 * `["app"].cache`, or the module's alone.  False: they do not lead into one module.
 */
bool chain_print_variable(const struct rp_chain *chain, size_t n, struct text *ret);

/*
 * Nodes (report/node.c); parent NULL: a tree's root.  Out of memory: NULL, which every one of these
 * takes for a parent, so that a caller checks once, at the end, report_nodes_failed().  Texts are
 * copied; NULL texts add nothing.
 */
struct rp_node *node_map(struct report *r, struct rp_node *parent, const char *key);
struct rp_node *node_list(struct report *r, struct rp_node *parent, const char *key);
void node_uint(struct report *r, struct rp_node *parent, const char *key, enum node_kind kind,
	       uint64_t value);
void node_int(struct report *r, struct rp_node *parent, const char *key, int64_t value);
void node_text(struct report *r, struct rp_node *parent, const char *key, const char *value);
bool report_nodes_failed(const struct report *r);
/* A child of a map by its key; NULL if there is none, or `parent` is NULL. */
const struct rp_node *node_get(const struct rp_node *parent, const char *key);

/*
 * What --format json wrote, as far as comparisons need it: input, breakdown, heaps, totals, types,
 * suspects with their signatures, findings.  `ret` is zeroed before; free it also when this fails.
 */
struct err *report_read_json(const void *bytes, size_t n, struct report *ret) MUST_CHECK;
/* A member of a JSON file's outermost map. */
struct json_member {
	const char *key;
	char text[64];	 /* cut to fit; of a number its digits; "" when it is not there */
};
/* False: it is no such file.  The last of several alike counts. */
bool json_read_members(const void *bytes, size_t n, struct json_member *members, size_t n_members);

/* Rendering options that writers share. */
struct writer_options {
	unsigned top;	/* suspects to print in full */
	bool color;
	unsigned width; /* columns of text */
};

/* What some writers alone show, in writer_ops.needs beside 1 << enum profile_kind. */
enum picture_need {
	NEED_PICTURES = 1 << PROFILE_KINDS, /* dominators, space */
	NEED_BY_TYPE = 2 << PROFILE_KINDS,  /* by_type, and dominators */
	NEED_SLOTS = 4 << PROFILE_KINDS,    /* none of the report: of an export of the graph */
};

/* One format. `out` is buffered; the writer checks ferror() at the end. */
struct writer_ops {
	const char *name, *extension; /* "json", "json" */
	unsigned needs; /* 1 << enum profile_kind, enum picture_need */
	struct err *(*write)(const struct report *r, const struct writer_options *opt, FILE *out);
};
/* NULL-terminated; the first is the default */
extern const struct writer_ops *const writer_registry[];
const struct writer_ops *writer_by_name(const char *name); /* NULL if unknown */

#endif
