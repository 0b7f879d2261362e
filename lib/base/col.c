/* base/col.c - columns in private reservations that grow in place. */
#include "base/col.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"

enum { COL_STEP = 1 << 20 }; /* bytes committed at a time: one budget call a MiB */

static uint64_t round_page(uint64_t bytes)
{
	return align_up(bytes, 4096);
}

struct err *col_open(struct env *env, uint32_t elem_size, uint64_t max, const char *what,
		     struct col *ret)
{
	uint64_t bytes;
	void *p;

	if (!checked_mul(max ? max : 1, elem_size, &bytes) || bytes > UINT64_MAX / 2)
		return err_new(ERR_LIMIT, "%s: more elements than an address space holds", what);
	p = mmap(NULL, round_page(bytes), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return errno == ENOMEM ? &err_nomem : err_os(errno, "%s: mmap", what);
	*ret = (struct col){ .base = p,
			     .max = max,
			     .elem_size = elem_size,
			     .reserved = round_page(bytes),
			     .env = env,
			     .what = what };
	return NULL;
}

/* Counts `n` elements in all as ours. */
static struct err *commit(struct col *col, uint64_t n)
{
	uint64_t want = align_up(n * col->elem_size, COL_STEP), had = col->committed;
	struct err *err;

	if (want > col->reserved)
		want = col->reserved;
	if (want <= had)
		return NULL;
	err = env_mem_take(col->env, want - had, col->what);
	if (err)
		return err;
	spare_drop(&col->env->spare, want - had);
	if (want > COL_STEP) /* of a short column few pages are ever touched */
		pages_populate((char *)col->base + had, want - had);
	col->committed = want;
	col->cap = want / col->elem_size < col->max ? want / col->elem_size : col->max;
	return NULL;
}

/* A column of n elements in pages that others left; `ret` stays as it is if there are none. */
static struct err *take_spare(struct env *env, uint32_t elem_size, uint64_t n, const char *what,
			      struct col *ret)
{
	uint64_t bytes;
	struct err *err;
	void *base;

	if (!checked_mul(n, elem_size, &bytes) || bytes < SPARE_MIN_BYTES || bytes > UINT64_MAX / 2)
		return NULL;
	bytes = round_page(bytes);
	err = env_mem_take(env, bytes, what);
	if (err)
		return err;
	base = spare_take(&env->spare, bytes);
	if (base)
		*ret = (struct col){ .base = base,
				     .n = n,
				     .cap = n,
				     .max = n,
				     .elem_size = elem_size,
				     .committed = bytes,
				     .reserved = bytes,
				     .env = env,
				     .what = what };
	else
		env_mem_give(env, bytes);
	return NULL;
}

struct err *col_fixed(struct env *env, uint32_t elem_size, uint64_t n, const char *what,
		      struct col *ret)
{
	struct col col = {};
	struct err *err = take_spare(env, elem_size, n, what, &col);

	if (!err && col.base) {
		*ret = col;
		return NULL;
	}
	if (!err)
		err = col_open(env, elem_size, n, what, &col);
	if (err)
		return err;
	err = commit(&col, n);
	if (err) {
		col_close(&col);
		return err;
	}
	col.n = n;
	*ret = col;
	return NULL;
}

struct err *col_sparse(struct env *env, uint32_t elem_size, uint64_t n, const char *what,
		       struct col *ret)
{
	struct col col = {};
	struct err *err = col_open(env, elem_size, n, what, &col);

	if (!err)
		err = env_mem_take(env, col.reserved, what);
	if (err) {
		col_close(&col);
		return err;
	}
	spare_drop(&env->spare, col.reserved);
	col.sparse = true;
	col.committed = col.reserved;
	col.cap = col.n = n;
	*ret = col;
	return NULL;
}

struct err *col_reserve(struct col *col, uint64_t n, void *ret_room)
{
	uint64_t want;

	assert(!col->sealed);
	if (!checked_add(col->n, n, &want) || want > col->max)
		return err_new(ERR_LIMIT, "%s: more than %llu elements", col->what,
			       (unsigned long long)col->max);
	if (want > col->cap) {
		struct err *err = commit(col, want);

		if (err)
			return err;
	}
	*(void **)ret_room = (char *)col->base + col->n * col->elem_size;
	return NULL;
}

struct err *col_append(struct col *col, const void *elems, uint64_t n)
{
	void *room = NULL;
	struct err *err = col_reserve(col, n, &room);

	if (err)
		return err;
	memcpy(room, elems, n * col->elem_size);
	col->n += n;
	return NULL;
}

/* To the next column, or to the system, what lies from byte `keep` on. */
static void leave(struct col *col, uint64_t keep)
{
	char *from = (char *)col->base + keep;

	if (col->sparse)
		munmap(from, col->committed - keep);
	else
		spare_give(&col->env->spare, from, col->committed - keep);
}

struct err *col_recast(struct col *col, uint32_t elem_size, uint64_t n)
{
	uint64_t bytes, keep;

	assert(!col->sealed);
	if (!checked_mul(n, elem_size, &bytes) || bytes > col->reserved)
		return err_new(ERR_LIMIT, "%s: more than the %llu bytes reserved", col->what,
			       (unsigned long long)col->reserved);
	keep = round_page(bytes);
	col->elem_size = elem_size;
	col->n = n;
	if (col->committed > keep) { /* what is given up may serve the next column */
		leave(col, keep);
		if (col->reserved > col->committed)
			munmap((char *)col->base + col->committed, col->reserved - col->committed);
		env_mem_give(col->env, col->committed - keep);
		col->committed = col->reserved = keep;
	}
	col->max = col->reserved / elem_size;
	col->cap = col->committed / elem_size;
	return commit(col, n);
}

void col_seal(struct col *col)
{
	uint64_t keep = round_page((col->n ? col->n : 1) * col->elem_size);

	if (keep < col->reserved) {
		munmap((char *)col->base + keep, col->reserved - keep);
		col->reserved = keep;
	}
	if (keep < col->committed) {
		env_mem_give(col->env, col->committed - keep);
		col->committed = keep;
	}
	col->max = col->n ? col->n : 1;
	col->cap = col->n;
	col->sealed = true;
}

void col_close(struct col *col)
{
	if (col->base) {
		if (col->committed < col->reserved)
			munmap((char *)col->base + col->committed, col->reserved - col->committed);
		env_mem_give(col->env, col->committed);
		if (col->committed)
			leave(col, 0);
	}
	*col = (struct col){};
}
