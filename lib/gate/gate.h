/*
 * gate/gate.h - what a project has decided about its reports, held against one: limits (--budget),
 * what is known already (--baseline), what is not to be told of for a while (--suppressions), and
 * which findings break a build (--fail-on).
 *
 * The two files are lines of words (docs/ci.md); a line that is not understood is ERR_USAGE that
 * names file and line.  What came of it stands in the report: checks, and what each suspect's state
 * is.  Nothing here reads a clock or a file.
 */
#ifndef HEAPFX_GATE_GATE_H
#define HEAPFX_GATE_GATE_H

#include "report/report.h"

enum limit_of {
	LIMIT_MEMORY, /* what the breakdown adds up to */
	LIMIT_HEAP,   /* used and free bytes of all heaps */
	LIMIT_CATEGORY,
	LIMIT_RULE, /* what its suspects retain */
	LIMIT_TYPE,
	LIMIT_ROOT, /* what hangs on it alone, as the profile of paths has it */
	LIMIT_KINDS
};

enum limit_unit { UNIT_BYTES, UNIT_COUNT, UNIT_PERCENT };

/* "max type main.Session 64M", "growth memory 10%" */
struct limit {
	enum limit_of of;
	const char *pattern; /* of names, for the last four; all that match are added up */
	bool is_growth;	     /* against the baseline */
	enum limit_unit unit;
	uint64_t value;
	double percent;
	unsigned line;
};

struct suppression {
	const char *rule; /* a pattern */
	const char *type, *root, *chain; /* patterns; NULL: any */
	uint64_t signature; /* 0: any */
	int64_t until;	    /* the last day on which it holds: days since 1970-01-01 */
	const char *until_text, *reason;
	unsigned line;
};

struct gates {
	struct arena mem;
	const char *budget_path, *suppressions_path;
	RP_LIST(struct limit, limits);
	RP_LIST(struct suppression, suppressions);
	const char *fail_on; /* NULL: nothing; checked by gates_check_fail_on() */
};
struct err *gates_read_budget(struct gates *g, const char *path, const void *bytes,
			      size_t n) MUST_CHECK;
struct err *gates_read_suppressions(struct gates *g, const char *path, const void *bytes,
				    size_t n) MUST_CHECK;
/* A misspelt gate is an error, and not a gate that never closes. */
struct err *gates_check_fail_on(const char *list) MUST_CHECK;
bool gates_need_growth(const struct gates *g); /* a limit asks for a baseline */
bool gates_need_roots(const struct gates *g);  /* a limit asks for PROFILE_PATHS */
void gates_fini(struct gates *g);

/* What a report is held against: another one's suspects and totals. */
struct baseline {
	struct arena mem;
	const char *path;
	RP_LIST(uint64_t, signatures);	    /* ascending */
	RP_LIST(const char *, rules);	    /* of findings without a suspect; literals */
	RP_LIST(struct amount, amounts);
};
/* One total: of everything by that name. */
struct amount {
	enum limit_of of;
	const char *name; /* NULL for LIMIT_MEMORY, LIMIT_HEAP */
	uint64_t bytes, count;
};
/* Nothing of `r` is needed afterwards. */
struct err *baseline_take(struct baseline *b, const struct report *r) MUST_CHECK;
void baseline_fini(struct baseline *b);
/* All totals of a report that limits may be set on, in `mem`. */
struct amounts {
	RP_LIST(struct amount, list);
};
struct err *amounts_of(const struct report *r, struct arena *mem, struct amounts *ret) MUST_CHECK;

/*
 * Fills report.checks, the state of each suspect, and a finding for each limit that is exceeded.
 * `b`: NULL without a baseline; `today`: as suppression.until.
 */
struct err *gates_apply(const struct gates *g, const struct baseline *b, int64_t today,
			struct report *r) MUST_CHECK;

#endif
