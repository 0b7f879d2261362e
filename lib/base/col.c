/* base/col.c - columns in private reservations that grow in place; past the budget, in a file. */
#include "base/col.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/temp_file.h"

enum {
	COL_STEP = 1 << 20,  /* bytes committed at a time: one budget call a MiB */
	COL_FIRST = 16 << 20, /* bytes reserved of a column that moves; twice as many each time */
};

static uint64_t round_page(uint64_t bytes)
{
	return align_up(bytes, 4096);
}

/* Address space alone: what nobody may write to is not committed, however strict the system is. */
static struct err *reserve(uint64_t bytes, const char *what, void **ret)
{
	void *p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return errno == ENOMEM ? &err_nomem : err_os(errno, "%s: mmap", what);
	*ret = p;
	return NULL;
}

static struct err *open_reserved(struct env *env, uint32_t elem_size, uint64_t max, uint64_t first,
				 const char *what, struct col *ret)
{
	uint64_t bytes;
	struct err *err;
	void *p;

	if (!checked_mul(max ? max : 1, elem_size, &bytes) || bytes > UINT64_MAX / 2)
		return err_new(ERR_LIMIT, "%s: more elements than an address space holds", what);
	bytes = round_page(bytes < first ? bytes : first);
	err = reserve(bytes, what, &p);
	if (err)
		return err;
	*ret = (struct col){ .base = p,
			     .max = max,
			     .elem_size = elem_size,
			     .moves = first != UINT64_MAX,
			     .reserved = bytes,
			     .env = env,
			     .what = what };
	return NULL;
}

struct err *col_open(struct env *env, uint32_t elem_size, uint64_t max, const char *what,
		     struct col *ret)
{
	return open_reserved(env, elem_size, max, UINT64_MAX, what, ret);
}

struct err *col_open_moving(struct env *env, uint32_t elem_size, uint64_t max, const char *what,
			    struct col *ret)
{
	return open_reserved(env, elem_size, max, COL_FIRST, what, ret);
}

/* ---- past the budget */

static const char *tmp_dir(const struct col *col)
{
	return col->env->tmp_dir ? col->env->tmp_dir : "/tmp";
}

static struct err *past_both(const struct col *col, struct err *disk)
{
	err_free(disk);
	return err_new(ERR_LIMIT,
		       "%s: more needed than the %llu MiB of --memory and the %llu MiB of --disk, "
		       "where the rest would lie",
		       col->what, (unsigned long long)(col->env->mem_budget >> 20),
		       (unsigned long long)(col->env->disk_budget >> 20));
}

/* The file's bytes from `at` on, where they belong in a column at `base`. */
static struct err *map_part(const struct col *col, void *base, uint64_t at, uint64_t n)
{
	void *p = mmap((char *)base + col->anon + at, n, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED, col->spill - 1, (off_t)at);

	return p == MAP_FAILED ? err_os(errno, "%s: mapping a temporary file", col->what) : NULL;
}

static struct err *map_file(struct col *col, uint64_t more)
{
	uint64_t at = col->committed - col->anon;
	struct err *err = temp_file_room(col->spill - 1, at, more, tmp_dir(col), col->what);

	return err ? err : map_part(col, col->base, at, more);
}

static void close_file(struct col *col)
{
	close(col->spill - 1);
	col->spill = 0;
}

/* The file behind the column has its bytes up to `want`. */
static struct err *spill(struct col *col, uint64_t want)
{
	uint64_t more = want - col->committed;
	struct err *err = env_disk_take(col->env, more, col->what);
	int fd;

	if (err)
		return past_both(col, err);
	if (!col->spill) {
		err = temp_file_open(tmp_dir(col), &fd);
		col->spill = err ? 0 : fd + 1;
	}
	if (!err)
		err = map_file(col, more);
	if (!err) {
		col->committed = want;
		return NULL;
	}
	env_disk_give(col->env, more);
	if (col->spill && col->committed == col->anon)
		close_file(col);
	return err;
}

/* ---- growing */

static void set_cap(struct col *col)
{
	col->cap = col->committed / col->elem_size;
	if (col->cap > col->max)
		col->cap = col->max;
}

/* To where `want` bytes can be reserved: its pages go along, and its file is mapped anew. */
static struct err *move(struct col *col, uint64_t want)
{
	uint64_t most = round_page(col->max * col->elem_size), bytes = 2 * col->reserved;
	struct err *err;
	void *p;

	bytes = bytes < want ? want : bytes;
	bytes = bytes < most ? bytes : most;
	err = reserve(bytes, col->what, &p);
	if (!err && col->committed > col->anon)
		err = map_part(col, p, 0, col->committed - col->anon);
	if (err)
		return err;
	if (col->anon && mremap(col->base, col->anon, col->anon, MREMAP_MAYMOVE | MREMAP_FIXED,
				p) == MAP_FAILED) {
		munmap(p, bytes);
		return &err_nomem;
	}
	munmap((char *)col->base + col->anon, col->reserved - col->anon);
	col->base = p;
	col->reserved = bytes;
	return NULL;
}

/* The next bytes up to `want` may be written to. */
static struct err *allow(struct col *col, uint64_t want)
{
	char *from = (char *)col->base + col->committed;

	if (mprotect(from, want - col->committed, PROT_READ | PROT_WRITE))
		return errno == ENOMEM ? &err_nomem : err_os(errno, "%s: mprotect", col->what);
	spare_drop(&col->env->spare, want - col->committed);
	return NULL;
}

/* Counts `n` elements in all as ours. */
static struct err *commit(struct col *col, uint64_t n)
{
	uint64_t want = align_up(n * col->elem_size, COL_STEP), had = col->committed;
	struct err *err = NULL;

	if (col->moves && n * col->elem_size > col->reserved)
		err = move(col, want);
	if (err)
		return err;
	if (want > col->reserved)
		want = col->reserved;
	if (want <= had)
		return NULL;
	if (col->spill || !env_mem_take_some(col->env, want - had)) {
		err = spill(col, want);
	} else {
		err = allow(col, want);
		if (err) {
			env_mem_give(col->env, want - had);
			return err;
		}
		if (want > COL_STEP) /* of a short column few pages are ever touched */
			pages_populate((char *)col->base + had, want - had);
		col->committed = col->anon = want;
	}
	if (!err)
		set_cap(col);
	return err;
}

/* A column of n elements in pages that others left; false: there are none. */
static bool take_spare(struct env *env, uint32_t elem_size, uint64_t n, const char *what,
		       struct col *ret)
{
	uint64_t bytes;
	void *base;

	if (!checked_mul(n, elem_size, &bytes) || bytes < SPARE_MIN_BYTES || bytes > UINT64_MAX / 2)
		return false;
	bytes = round_page(bytes);
	if (!env_mem_take_some(env, bytes))
		return false;
	base = spare_take(&env->spare, bytes);
	if (base)
		*ret = (struct col){ .base = base,
				     .n = n,
				     .cap = n,
				     .max = n,
				     .elem_size = elem_size,
				     .anon = bytes,
				     .committed = bytes,
				     .reserved = bytes,
				     .env = env,
				     .what = what };
	else
		env_mem_give(env, bytes);
	return base;
}

struct err *col_fixed(struct env *env, uint32_t elem_size, uint64_t n, const char *what,
		      struct col *ret)
{
	struct col col = {};
	struct err *err;

	if (take_spare(env, elem_size, n, what, ret))
		return NULL;
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

	if (err)
		return err;
	if (env_mem_take_some(env, col.reserved)) {
		err = allow(&col, col.reserved);
		if (err)
			env_mem_give(env, col.reserved);
		else
			col.committed = col.anon = col.reserved;
	} else {
		err = spill(&col, col.reserved);
	}
	if (err) {
		col_close(&col);
		return err;
	}
	col.sparse = true;
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

/* ---- giving back */

/* What the file has from byte `keep` on. */
static void leave_file(struct col *col, uint64_t keep)
{
	uint64_t n;
	int failed = 0;

	if (!col->spill)
		return;
	keep = keep > col->anon ? keep : col->anon;
	n = col->committed - keep;
	munmap((char *)col->base + keep, n);
	env_disk_give(col->env, n);
	col->committed = keep;
	if (keep == col->anon)
		close_file(col);
	else
		failed = ftruncate(col->spill - 1, (off_t)(keep - col->anon));
	(void)failed; /* then its room stays taken until the file is closed, no more than that */
}

/* To the next column, or to the system, what lies from byte `keep` on. */
static void leave(struct col *col, uint64_t keep)
{
	char *base = col->base;
	uint64_t end = keep > col->committed ? keep : col->committed;

	if (end < col->reserved)
		munmap(base + end, col->reserved - end);
	col->reserved = keep < col->reserved ? keep : col->reserved;
	if (col->committed > keep)
		leave_file(col, keep);
	if (col->committed <= keep)
		return;
	if (col->sparse)
		munmap(base + keep, col->committed - keep);
	else
		spare_give(&col->env->spare, base + keep, col->committed - keep);
	env_mem_give(col->env, col->committed - keep);
	col->committed = col->anon = keep;
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
	if (col->committed > keep)
		leave(col, keep);
	col->max = col->reserved / elem_size;
	set_cap(col);
	return commit(col, n);
}

void col_seal(struct col *col)
{
	leave(col, round_page((col->n ? col->n : 1) * col->elem_size));
	col->max = col->n ? col->n : 1;
	col->cap = col->n;
	col->sealed = true;
}

void col_close(struct col *col)
{
	if (col->base)
		leave(col, 0);
	*col = (struct col){};
}
