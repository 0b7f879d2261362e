/*
 * capture/capture.h - a running process into a core file; the process never notices but by time.
 *
 * Needs: the same user as the target's, or CAP_SYS_PTRACE in its user namespace; with
 * kernel.yama.ptrace_scope of 1 the capability.  Never follows a path that the target names.
 */
#ifndef HEAPFX_CAPTURE_CAPTURE_H
#define HEAPFX_CAPTURE_CAPTURE_H

#include "base/env.h"
#include "capture/keeper.h"
#include "capture/memcg.h"
#include "capture/pack.h"
#include "capture/plan.h"

enum capture_mode {
	CAPTURE_AUTO,  /* fork, unless that is unwise: `why` says so */
	CAPTURE_FORK,  /* stop, let it make a copy of itself, let it go, dump the copy */
	CAPTURE_STOP,  /* stop, dump, let go */
	CAPTURE_GCORE, /* gdb's gcore, for where ptrace alone fails */
};

const char *capture_mode_name(enum capture_mode mode);

struct capture_request {
	pid_t pid;
	enum capture_mode mode;
	bool only_heap;
	const char *tmp_dir; /* for gcore's own file: beside the output */
};

struct capture {
	struct env *env;
	struct capture_request request; /* its tmp_dir is not used again */
	char *tmp_dir;
	enum capture_mode mode; /* the one that was taken */
	char *why;		/* fork was not, though CAPTURE_AUTO; NULL */
	/* of the target, at the stop */
	struct proc_stat stat;
	char exe[4096]; /* "" if unknown */
	unsigned filter;
	uint64_t threads;
	bool was_stopped; /* before we came */
	bool has_memcg;
	struct memcg_state memcg;
	uint64_t stop_ns; /* how long it stood; final after capture_release() */
	struct maps maps;  /* of the process that is read */
	struct maps original; /* in CAPTURE_FORK: of the target */
	struct plan plan;
	/* owned: what holds the memory still */
	struct frozen frozen;
	struct keeper keeper;
	struct held_copy copy;
	bool has_keeper, is_frozen;
	struct err *left; /* of the end of a copy that was of no use */
	int mem, pagemap, gcore_fd;
	struct bytes notes, head;
	struct stream stream; /* the core */
};

/* Looks at the target; nothing happens to it yet. */
struct err *capture_open(struct env *env, const struct capture_request *r,
			 struct capture **ret) MUST_CHECK;
/* Once. From here on the memory stands still, in the target or in a copy. */
struct err *capture_take(struct capture *c) MUST_CHECK;
/*
 * The target is free and the copy gone; nothing can be read any more.  An error is not one of the
 * capture: the target holds a dead child.
 */
struct err *capture_release(struct capture *c) MUST_CHECK;
void capture_close(struct capture *c); /* NULL is fine */

#endif
