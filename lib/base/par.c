/* base/par.c - ranges handed out in order from one counter to a few threads; single jobs. */
#include "base/par.h"

#include <stdatomic.h>

#include "base/guard.h"

enum { PAR_MAX_THREADS = 256 };

struct par {
	par_fn *fn;
	void *arg;
	uint64_t n, grain, n_ranges;
	_Atomic uint64_t next, failed; /* failed: lowest index that failed so far */
	pthread_mutex_t lock;	       /* for err */
	struct err *err;
};

static void keep_first_error(struct par *p, uint64_t index, struct err *err)
{
	pthread_mutex_lock(&p->lock);
	if (index < p->failed) {
		err_free(p->err);
		p->err = err;
		p->failed = index;
	} else {
		err_free(err);
	}
	pthread_mutex_unlock(&p->lock);
}

static void *work(void *arg)
{
	struct par *p = arg;

	for (;;) {
		uint64_t i = atomic_fetch_add(&p->next, 1);
		uint64_t first, last;
		struct err *err;

		/*
		 * Ranges before a failed one still run: the first error in range order is the
		 * answer.
		 */
		if (i >= p->n_ranges || i > p->failed)
			return NULL;
		first = i * p->grain;
		last = p->n - first < p->grain ? p->n : first + p->grain;
		err = p->fn(p->arg, i, first, last);
		if (err)
			keep_first_error(p, i, err);
	}
}

struct err *par_ranges(struct env *env, uint64_t n, uint64_t grain, par_fn *fn, void *arg)
{
	struct par p = { .fn = fn, .arg = arg, .n = n, .grain = grain, .failed = UINT64_MAX };
	pthread_t threads[PAR_MAX_THREADS];
	unsigned wanted = env->threads, started = 0;

	if (!n)
		return NULL;
	p.n_ranges = n / grain + (n % grain != 0);
	if (wanted > p.n_ranges)
		wanted = (unsigned)p.n_ranges;
	if (wanted > PAR_MAX_THREADS)
		wanted = PAR_MAX_THREADS;
	pthread_mutex_init(&p.lock, NULL);
	/* A thread that cannot be started is no error: the others do its work. */
	while (started + 1 < wanted && !pthread_create(&threads[started], NULL, work, &p))
		started++;
	work(&p);
	while (started)
		pthread_join(threads[--started], NULL);
	pthread_mutex_destroy(&p.lock);
	return p.err;
}

static void *run_job(void *arg)
{
	struct par_job *job = arg;

	job->err = job->fn(job->arg);
	return NULL;
}

void par_begin(struct env *env, struct err *(*fn)(void *arg), void *arg, struct par_job *ret)
{
	*ret = (struct par_job){ .fn = fn, .arg = arg };
	ret->is_beside = env->threads > 1 && !pthread_create(&ret->thread, NULL, run_job, ret);
	if (!ret->is_beside)
		run_job(ret);
}

struct err *par_end(struct par_job *job)
{
	if (job->is_beside)
		pthread_join(job->thread, NULL);
	job->is_beside = false;
	return take(&job->err);
}
