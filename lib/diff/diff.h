/*
 * diff/diff.h - reports of one program at different times, against each other: what grew.
 *
 * Nothing is matched by address.  Types match by name (those that a compiler numbers by the name
 * without numbers, and size), blocks of no known type by size, pools by kind and names, suspects by
 * their signature (report/signature.c), chains by the names along them, the rest by category.  Two
 * dumps or more, oldest first; with three it shows what grew each time.
 */
#ifndef HEAPFX_DIFF_DIFF_H
#define HEAPFX_DIFF_DIFF_H

#include "report/report.h"

enum { DIFF_MAX = 16 }; /* dumps */

enum diff_section {
	DIFF_MEMORY,	 /* lines of the breakdown, by category */
	DIFF_CATEGORIES, /* of memory kept without use */
	DIFF_TYPES,
	DIFF_POOLS, /* by kind and names */
	DIFF_SUSPECTS,
	DIFF_CHAINS, /* ways from roots by their names, of the profile of paths */
	DIFF_SECTIONS
};
const char *diff_section_name(enum diff_section section); /* key in the JSON */

struct diff_value {
	bool is_there;
	uint64_t count, bytes; /* of suspects: what they retain */
};

struct diff_row {
	enum diff_section section;
	const char *key;   /* what it is matched by */
	const char *label; /* for people; of the newest and largest */
	const char *rule;  /* of suspects */
	struct diff_value at[DIFF_MAX];
	int64_t grown;	   /* bytes, from the first dump to the last */
	int64_t more;	   /* count */
	bool is_monotone;  /* more bytes each time; needs three dumps */
};

/* Where hours between dumps are from. */
enum diff_clock {
	DIFF_CAPTURES, /* who made the dumps says when */
	DIFF_RUNTIME,  /* a runtime's own clock, of one process */
	DIFF_FILES,    /* when the files were last written */
};
const char *diff_clock_name(enum diff_clock clock); /* "captures", "runtime", "files" */

/* When it was, besides what the report says: nanoseconds by either clock; 0: unknown. */
struct diff_time {
	int64_t clock; /* of a runtime: of one process the same clock */
	int64_t file;  /* when the file was last written: late, if it was copied; a hint, no more */
};

struct diff_input {
	const char *path, *command;
	uint32_t pid;
	uint64_t memory; /* bytes of memory that the breakdown adds up to, without what was never touched */
	uint64_t heap;	 /* used bytes of all heaps */
	struct diff_time time;
	int64_t captured; /* as in struct rp_input */
};

struct diff {
	struct arena mem;
	struct diff_input inputs[DIFF_MAX];
	unsigned n; /* dumps */
	RP_LIST(struct diff_row, rows); /* by section, then what grew most; made by diff_finish() */
	double hours; /* from the first to the last; 0: unknown */
	double rate_hours; /* the same where growth an hour may be told of it, else 0: diff.c */
	enum diff_clock clock; /* where they are from */
};

const char *diff_clock_words(const struct diff *d); /* "by the times of the files" */
void diff_span(const struct diff *d, struct text *ret); /* "12 seconds", "25 minutes" */
/* Adds the next dump; nothing of `r` is needed afterwards. */
struct err *diff_add(struct diff *d, const struct report *r, struct diff_time time) MUST_CHECK;
struct err *diff_finish(struct diff *d) MUST_CHECK;
void diff_fini(struct diff *d);
/* The rows of a section: [*ret_first, *ret_end). */
void diff_rows(const struct diff *d, enum diff_section section, size_t *ret_first, size_t *ret_end);
/*
 * The rows of a section that grew or shrank, the largest change first; NULL if there is no memory.
 * The caller frees it.
 */
const struct diff_row **diff_changes(const struct diff *d, enum diff_section section, size_t *ret_n);
/* In one sentence, names escaped for a terminal: how much, of what type most, who holds it. */
void diff_verdict(const struct diff *d, struct text *ret);
struct err *diff_write_text(const struct diff *d, unsigned top, FILE *out) MUST_CHECK;
struct err *diff_write_json(const struct diff *d, FILE *out) MUST_CHECK;
struct err *diff_write_html(const struct diff *d, unsigned top, FILE *out) MUST_CHECK;
/* What each chain grew by, as a profile (gzip): `go tool pprof` shows it. */
struct err *diff_write_pprof(const struct diff *d, FILE *out) MUST_CHECK;
/* Names of a key of DIFF_CHAINS, outermost first, stand between these. */
#define DIFF_BETWEEN '\x1f'

#endif
