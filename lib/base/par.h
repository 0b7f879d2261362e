/*
 * base/par.h - run a function over [0, n) in ranges, on env->threads threads; or one beside others.
 *
 * Ranges are fixed by `n` and `grain` alone, never by the number of threads; a range's
 * result goes to its own slot (by `index`), so that joining slots in order gives the same
 * output for any thread count.  The first failing range, in range order, is the one
 * whose error is returned.
 */
#ifndef HEAPFX_BASE_PAR_H
#define HEAPFX_BASE_PAR_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/env.h"

/* One range [first, last); `index` = first / grain. Called from any thread, once a range. */
typedef struct err *par_fn(void *arg, uint64_t index, uint64_t first, uint64_t last);

struct err *par_ranges(struct env *env, uint64_t n, uint64_t grain, par_fn *fn,
		       void *arg) MUST_CHECK;

/*
 * One piece of work beside the caller's own, which writes nothing that it reads: begun, and waited
 * for.  With one thread, or where no other can be started, it is done before par_begin() returns.
 */
struct par_job {
	struct err *(*fn)(void *arg);
	void *arg;
	pthread_t thread;
	bool is_beside;
	struct err *err;
};
void par_begin(struct env *env, struct err *(*fn)(void *arg), void *arg, struct par_job *ret);
struct err *par_end(struct par_job *job) MUST_CHECK; /* what fn returned; nothing if never begun */

#endif
