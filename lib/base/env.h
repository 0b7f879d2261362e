/*
 * base/env.h - everything a run may use, passed explicitly; there are no globals.
 *
 * Also doubt: what was skipped and why (diags) and how sure we are (confidence),
 * carried from the layer that knows to the report that prints.
 */
#ifndef HEAPFX_BASE_ENV_H
#define HEAPFX_BASE_ENV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/spare.h"

enum confidence { CONF_NONE, CONF_GUESS, CONF_PATTERN, CONF_DEBUG_INFO, CONF_RUNTIME };

const char *confidence_name(enum confidence conf); /* "none", "guess", "pattern", ... */

/*
 * One kind of survivable defect of the input.  `code` is a stable id, printed in reports:
 * "core/truncated", "module/build-id-mismatch", "heap/corrupt", ...
 */
struct diag {
	const char *code;
	uint64_t where;	 /* first place seen: file offset or address; ERR_NOWHERE if none */
	char *message;	 /* of the first one */
	uint64_t count;	 /* how many had this code and this format string */
	const char *fmt; /* identity, with code */
};

/* At most DIAGS_MAX kinds are kept; further kinds are counted in `dropped`. */
enum { DIAGS_MAX = 256 };

struct diags {
	struct diag *list;
	size_t n;
	uint64_t dropped;
	atomic_flag lock;
};

struct env {
	uint64_t mem_budget;	/* bytes of anonymous memory; columns past it are on disk */
	uint64_t disk_budget;	/* bytes of temporary files */
	_Atomic uint64_t mem_used, disk_used;
	const char *tmp_dir;	/* unlinked spill files live here */
	unsigned threads;	/* >= 1; results never depend on this number */
	/*
	 * --strings preview: what the program's memory holds may be shown where it explains
	 * something.  Otherwise its own names alone: its literals are its own, its data are not.
	 */
	bool show_contents;
	struct diags diags;
	struct spare spare; /* of closed columns */
	/* may be NULL */
	void (*progress)(void *arg, const char *phase, uint64_t done, uint64_t total);
	void *progress_arg;
};

/* defaults: no limits but the machine's, one thread per processor */
void env_init(struct env *ret);
void env_fini(struct env *env);

/*
 * Record a survivable defect of the input and go on.  `code` and `fmt` must be string
 * literals.  Same code and fmt: counted, only the first is stored.  Thread safe.
 */
void diag(struct env *env, const char *code, uint64_t where, const char *fmt, ...) PRINTF(4, 5);
/* One of an earlier run; `d->code` lives as long as env, `d->message` is not looked at. */
void diag_again(struct env *env, const struct diag *d, const char *message);
/* What was recorded so far, and back to it: what came since is to be done again. One thread. */
struct diags_mark {
	size_t n;
	uint64_t dropped, counts[DIAGS_MAX];
};
void diags_mark(const struct env *env, struct diags_mark *ret);
void diags_back(struct env *env, const struct diags_mark *mark);
/* The same, taking ownership of an error that turned out to be survivable. */
void diag_err(struct env *env, const char *code, struct err *err);

void progress(const struct env *env, const char *phase, uint64_t done, uint64_t total);

/* Take `n` bytes out of the memory (disk) budget: NULL, or ERR_LIMIT naming --memory (--disk). */
struct err *env_mem_take(struct env *env, uint64_t n, const char *what) MUST_CHECK;
/*
 * The same for what could as well lie on disk: false when it has to.  An eighth of the budget is
 * left to those who have no such choice.
 */
bool env_mem_take_some(struct env *env, uint64_t n);
void env_mem_give(struct env *env, uint64_t n);
struct err *env_disk_take(struct env *env, uint64_t n, const char *what) MUST_CHECK;
void env_disk_give(struct env *env, uint64_t n);

#endif
