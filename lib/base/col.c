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

static uint64_t committed_bytes(const struct col *col)
{
	return round_page(col->cap * col->elem_size);
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
	*ret = (struct col){
		.base = p, .max = max, .elem_size = elem_size, .env = env, .what = what
	};
	return NULL;
}

/* Counts `n` elements in all as ours. */
static struct err *commit(struct col *col, uint64_t n)
{
	uint64_t had = committed_bytes(col), want = align_up(n * col->elem_size, COL_STEP);
	uint64_t limit = round_page(col->max * col->elem_size);
	struct err *err;

	if (want > limit)
		want = limit;
	if (want <= had)
		return NULL;
	err = env_mem_take(col->env, want - had, col->what);
	if (err)
		return err;
	col->cap = want / col->elem_size < col->max ? want / col->elem_size : col->max;
	spare_drop(&col->env->spare, want - had);
	pages_populate((char *)col->base + had, want - had);
	/*
	 * What rounding left between cap and the pages taken is given back at close by the same
	 * sum.
	 */
	env_mem_give(col->env, want - had - (committed_bytes(col) - had));
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
		*ret = (struct col){ base, n, n, n, elem_size, false, env, what };
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

void col_seal(struct col *col)
{
	uint64_t all = round_page((col->max ? col->max : 1) * col->elem_size);
	uint64_t keep = round_page((col->n ? col->n : 1) * col->elem_size);
	uint64_t had = committed_bytes(col);

	if (keep < all)
		munmap((char *)col->base + keep, all - keep);
	col->max = col->n ? col->n : 1;
	if (col->cap > col->n) {
		col->cap = col->n;
		env_mem_give(col->env, had - committed_bytes(col));
	}
	col->sealed = true;
}

void col_close(struct col *col)
{
	if (col->base) {
		uint64_t all = round_page((col->max ? col->max : 1) * col->elem_size);
		uint64_t had = committed_bytes(col);

		if (had < all)
			munmap((char *)col->base + had, all - had);
		env_mem_give(col->env, had);
		if (had)
			spare_give(&col->env->spare, col->base, had);
	}
	*col = (struct col){};
}
