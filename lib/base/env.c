/* base/env.c - budgets, and the list of what was wrong with the input. */
#include "base/env.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *confidence_name(enum confidence conf)
{
	static const char *const names[] = {
		[CONF_NONE] = "none",	    [CONF_GUESS] = "guess",
		[CONF_PATTERN] = "pattern", [CONF_DEBUG_INFO] = "debug-info",
		[CONF_RUNTIME] = "runtime",
	};

	return names[conf];
}

void env_init(struct env *ret)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	*ret = (struct env){
		.mem_budget = UINT64_MAX,
		.disk_budget = UINT64_MAX,
		.tmp_dir = "/tmp",
		.threads = n > 0 && n < UINT_MAX ? (unsigned)n : 1,
		.diags.lock = ATOMIC_FLAG_INIT,
		.spare.lock = ATOMIC_FLAG_INIT,
	};
}

void env_fini(struct env *env)
{
	for (size_t i = 0; i < env->diags.n; i++)
		free(env->diags.list[i].message);
	free(env->diags.list);
	env->diags.list = NULL;
	env->diags.n = 0;
	spare_drop(&env->spare, UINT64_MAX);
}

/* The kind (code, fmt), or NULL; an error's text is its own kind. Called with the lock held. */
static struct diag *diag_find(struct diags *d, const char *code, const char *fmt,
			      const char *message)
{
	for (size_t i = 0; i < d->n; i++)
		if (!strcmp(d->list[i].code, code) && !strcmp(d->list[i].fmt, fmt) &&
		    (!message || !strcmp(d->list[i].message, message)))
			return &d->list[i];
	return NULL;
}

/* Takes ownership of message; NULL when memory for it ran out. */
static void diag_store(struct env *env, const char *code, uint64_t where, const char *fmt,
		       char *message)
{
	struct diags *d = &env->diags;
	struct diag *grown;

	if (!d->list)
		d->list = calloc(DIAGS_MAX, sizeof(*d->list));
	if (!message || !d->list || d->n == DIAGS_MAX) {
		d->dropped++;
		free(message);
		return;
	}
	grown = &d->list[d->n++];
	*grown = (struct diag){
		.code = code, .where = where, .message = message, .count = 1, .fmt = fmt
	};
}

static void lock(struct diags *d)
{
	while (atomic_flag_test_and_set_explicit(&d->lock, memory_order_acquire))
		continue;
}

static void unlock(struct diags *d)
{
	atomic_flag_clear_explicit(&d->lock, memory_order_release);
}

void diag(struct env *env, const char *code, uint64_t where, const char *fmt, ...)
{
	struct diag *known;
	va_list args;
	char *s;

	lock(&env->diags);
	known = diag_find(&env->diags, code, fmt, NULL);
	if (known) {
		known->count++;
	} else {
		va_start(args, fmt);
		if (vasprintf(&s, fmt, args) < 0)
			s = NULL;
		va_end(args);
		diag_store(env, code, where, fmt, s);
	}
	unlock(&env->diags);
}

void diag_again(struct env *env, const struct diag *d, const char *message)
{
	struct diags *all = &env->diags;
	size_t n;

	lock(all);
	n = all->n;
	diag_store(env, d->code, d->where, "", strdup(message));
	if (all->n > n)
		all->list[n].count = d->count;
	unlock(all);
}

void diag_err(struct env *env, const char *code, struct err *err)
{
	struct diag *known;

	lock(&env->diags);
	known = diag_find(&env->diags, code, "%s", err->message);
	if (known)
		known->count++;
	else
		diag_store(env, code, err->where, "%s", strdup(err->message));
	unlock(&env->diags);
	err_free(err);
}

void diags_mark(const struct env *env, struct diags_mark *ret)
{
	ret->n = env->diags.n;
	ret->dropped = env->diags.dropped;
	for (size_t i = 0; i < ret->n; i++)
		ret->counts[i] = env->diags.list[i].count;
}

void diags_back(struct env *env, const struct diags_mark *mark)
{
	struct diags *d = &env->diags;

	while (d->n > mark->n)
		free(d->list[--d->n].message);
	d->dropped = mark->dropped;
	for (size_t i = 0; i < d->n; i++)
		d->list[i].count = mark->counts[i];
}

void progress(const struct env *env, const char *phase, uint64_t done, uint64_t total)
{
	if (env->progress)
		env->progress(env->progress_arg, phase, done, total);
}

/* False: `n` more are past the budget; `*ret_had` are taken. */
static bool take(_Atomic uint64_t *used, uint64_t budget, uint64_t n, uint64_t *ret_had)
{
	*ret_had = atomic_load(used);
	do {
		if (*ret_had > budget || n > budget - *ret_had)
			return false;
	} while (!atomic_compare_exchange_weak(used, ret_had, *ret_had + n));
	return true;
}

static struct err *take_all(_Atomic uint64_t *used, uint64_t budget, uint64_t n, const char *what,
			    const char *option)
{
	uint64_t had;

	if (take(used, budget, n, &had))
		return NULL;
	return err_new(ERR_LIMIT, "%s: %llu MiB more needed than the limit of %llu MiB; raise %s",
		       what, (unsigned long long)((had + n - budget + (1 << 20) - 1) >> 20),
		       (unsigned long long)(budget >> 20), option);
}

struct err *env_mem_take(struct env *env, uint64_t n, const char *what)
{
	return take_all(&env->mem_used, env->mem_budget, n, what, "--memory");
}

bool env_mem_take_some(struct env *env, uint64_t n)
{
	uint64_t had;

	return take(&env->mem_used, env->mem_budget - env->mem_budget / 8, n, &had);
}

void env_mem_give(struct env *env, uint64_t n)
{
	atomic_fetch_sub(&env->mem_used, n);
}

struct err *env_disk_take(struct env *env, uint64_t n, const char *what)
{
	return take_all(&env->disk_used, env->disk_budget, n, what, "--disk");
}

void env_disk_give(struct env *env, uint64_t n)
{
	atomic_fetch_sub(&env->disk_used, n);
}
