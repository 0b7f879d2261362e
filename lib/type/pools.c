/*
 * type/pools.c - runs the finders of pools, and answers which pool a block is of.
 */
#include "type/pools.h"

#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/vec.h"
#include "image/window.h"

enum {
	NAME_MAX_BYTES = 128,
	SPAN_STEPS_MAX = 64, /* from a start below back to the span around it */
	PATH_MAX_STEPS = 16,
};

struct err *pools_add(struct pools *p, const struct pool *pool, uint32_t *ret)
{
	if (p->n >= POOL_NONE || !vec_push(p, pool))
		return &err_nomem;
	*ret = (uint32_t)p->n - 1;
	return NULL;
}

static struct err *add_member(struct pools *p, uint32_t pool, taddr at, const char *type,
			      bool counts)
{
	struct pool_block member = { block_at(p->blocks, at), pool, NULL };
	struct block b;

	if (member.block == BLOCK_NONE)
		return NULL;
	block_get(p->blocks, member.block, &b);
	if (b.addr != at || !b.used)
		return NULL;
	if (type) {
		member.type = arena_strdup(&p->mem, type);
		if (!member.type)
			return &err_nomem;
	}
	p->v[pool].n_blocks += counts;
	return vec_push(&p->members, &member) ? NULL : &err_nomem;
}

struct err *pools_add_block(struct pools *p, uint32_t pool, taddr at)
{
	return add_member(p, pool, at, NULL, true);
}

struct err *pools_add_named(struct pools *p, uint32_t pool, taddr at, const char *type)
{
	return add_member(p, pool, at, type, true);
}

struct err *pools_add_head(struct pools *p, uint32_t pool, taddr block)
{
	return add_member(p, pool, block, NULL, false);
}

struct err *pools_add_chunk(struct pools *p, uint32_t pool, taddr at, uint64_t size)
{
	struct pool_span span = { at, at + size, pool };

	p->v[pool].n_blocks++;
	if (!vec_push(&p->spans, &span))
		return &err_nomem;
	return add_member(p, pool, at, NULL, false);
}

static bool is_text(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

const char *pools_data(struct pools *p, taddr at)
{
	char s[NAME_MAX_BYTES];

	if (image_read_str(p->img, at, s, sizeof(s)) != MEM_OK || !is_text(s))
		return NULL;
	return arena_strdup(&p->mem, s);
}

const char *pools_data_n(struct pools *p, taddr at, size_t max)
{
	char s[NAME_MAX_BYTES] = "";

	max = max < sizeof(s) ? max : sizeof(s) - 1;
	if (image_read(p->img, at, s, max) != MEM_OK || !is_text(s))
		return NULL;
	return arena_strdup(&p->mem, s);
}

const char *pools_literal(struct pools *p, taddr at)
{
	const struct segment *seg = image_segment(p->img, at);

	return seg && seg->module >= 0 && !(seg->flags & SEG_W) ? pools_data(p, at) : NULL;
}

const struct segment *pools_writable(const struct image *img, taddr at)
{
	const struct segment *seg = image_segment(img, at);

	return seg && seg->flags & SEG_W && seg->bytes && !seg->zero_reserve ? seg : NULL;
}

struct err *pools_each_run(struct pools *p, struct err *(*fn)(void *arg, taddr start, taddr end),
			   void *arg)
{
	const struct image *img = p->img;
	const struct blocks *b = p->blocks;
	struct err *err = NULL;
	size_t k = 0;

	for (size_t i = 0; i < img->n_segments && !err; i++) {
		const struct segment *seg = &img->segments[i];
		taddr at = seg->start;

		if (!pools_writable(img, at))
			continue;
		while (at < seg->end && !err) {
			taddr end;

			while (k < b->n_claims && b->claims[k].end <= at)
				k++;
			end = k < b->n_claims && b->claims[k].start < seg->end ?
				      b->claims[k].start :
				      seg->end;
			if (end > at)
				err = fn(arg, at, end);
			at = end < seg->end ? b->claims[k].end : end;
		}
	}
	return err;
}

static int by_block(const void *pa, const void *pb)
{
	const struct pool_block *a = pa, *b = pb;

	if (a->block != b->block)
		return a->block < b->block ? -1 : 1;
	return (a->pool > b->pool) - (a->pool < b->pool);
}

/* A block in two pools is the later one's: a chunk of talloc's is a pool within its parent's. */
static void sort_members(struct pools *p)
{
	size_t kept = 0;

	if (!p->members.n)
		return;
	qsort(p->members.v, p->members.n, sizeof(*p->members.v), by_block);
	for (size_t i = 0; i < p->members.n; i++) {
		if (kept && p->members.v[kept - 1].block == p->members.v[i].block)
			kept--;
		p->members.v[kept++] = p->members.v[i];
	}
	p->members.n = kept;
}

static int by_start(const void *pa, const void *pb)
{
	const struct pool_span *a = pa, *b = pb;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return (a->pool > b->pool) - (a->pool < b->pool);
}

/* ---- looking for them */

struct err *pools_seek(struct pools *p, const struct pool_seeker *seeker)
{
	return vec_push(&p->seekers, seeker) ? NULL : &err_nomem;
}

static int by_least(const void *pa, const void *pb)
{
	const struct pool_seeker *a = pa, *b = pb;

	return (a->least > b->least) - (a->least < b->least);
}

/* One pass for all: what costs is to get the beginnings of blocks from memory. */
static struct err *see_blocks(struct pools *p)
{
	const struct blocks *b = p->blocks;
	struct image_window window = {};
	struct err *err = NULL;

	if (!p->seekers.n)
		return NULL;
	qsort(p->seekers.v, p->seekers.n, sizeof(*p->seekers.v), by_least);
	for (struct grains_iter it = grains_iter(&b->grains, 0); it.id < b->grains.n && !err;
	     grains_next(&it)) {
		uint64_t n = 0;
		const uint8_t *bytes;

		if (it.size < p->seekers.v[0].least || !block_is_used(b, it.id))
			continue;
		bytes = window_view(&window, p->img, it.key, &n);
		n = n < it.size ? n : it.size;
		for (size_t i = 0; i < p->seekers.n && p->seekers.v[i].least <= n && bytes && !err; i++)
			err = p->seekers.v[i].see(p->seekers.v[i].arg, bytes, it.key, n);
	}
	return err;
}

/* One of the registry's at work. */
struct finder {
	const struct pool_ops *ops;
	void *ctx;
};

struct finders {
	struct finder *v;
	size_t n, cap;
	struct layout_search *users;
};

static void finders_fini(struct finders *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].ops->close)
			f->v[i].ops->close(f->v[i].ctx);
	free(f->v);
	pools_close_layouts(f->users);
}

static struct err *open_finders(struct pools *p, const struct pool_layouts *layouts, struct finders *f)
{
	struct err *err = pools_open_layouts(p, layouts, true, &f->users);

	for (size_t i = 0; pool_registry[i] && !err; i++) {
		struct finder one = { .ops = pool_registry[i] };

		if (!vec_push(f, &one))
			return &err_nomem;
		if (one.ops->open)
			err = one.ops->open(p, &f->v[f->n - 1].ctx);
	}
	return err;
}

static struct err *run_finders(struct pools *p, const struct pool_layouts *layouts)
{
	_cleanup_(finders_fini) struct finders f = {};
	struct err *err = open_finders(p, layouts, &f);

	if (!err)
		err = see_blocks(p);
	if (!err)
		err = pools_find_layouts(f.users);
	for (size_t i = 0; i < f.n && !err; i++) {
		err = f.v[i].ops->find(p, f.v[i].ctx);
		if (err)
			err = err_wrap(err, "pools of %s", f.v[i].ops->name);
	}
	return err;
}

struct err *pools_find(struct env *env, const struct image *img, const struct blocks *blocks,
		       const struct pool_layouts *layouts, bool only_sure, struct pools *ret)
{
	struct pools p = { .env = env, .img = img, .blocks = blocks, .only_sure = only_sure };
	struct err *err = run_finders(&p, layouts);

	free(p.seekers.v);
	p.seekers.v = NULL;
	if (p.left_out)
		diag(env, "pool/left-out", ERR_NOWHERE,
		     "blocks in libraries' own pools (talloc, APR, ...) are not listed: the dump does not name "
		     "the program's libraries, and only analyze looks for pools of all kinds");
	if (err) {
		pools_fini(&p);
		return err;
	}
	sort_members(&p);
	if (p.spans.n)
		qsort(p.spans.v, p.spans.n, sizeof(*p.spans.v), by_start);
	*ret = p;
	return NULL;
}

void pools_fini(struct pools *p)
{
	free(p->v);
	free(p->members.v);
	free(p->spans.v);
	arena_fini(&p->mem);
	*p = (struct pools){};
}

struct err *pools_mark(struct env *env, const struct pools *p, uint64_t n, struct col *ret)
{
	struct err *err;

	*ret = (struct col){};
	if (!p->members.n)
		return NULL;
	err = col_fixed(env, 8, bits_words(n) + 1, "blocks of pools", ret);
	for (size_t i = 0; i < p->members.n && !err; i++)
		bit_set(ret->base, p->members.v[i].block);
	return err;
}

uint32_t pools_of(const struct pools *p, uint32_t block)
{
	size_t lo = 0, hi = p->members.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->members.v[mid].block < block)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->members.n && p->members.v[lo].block == block ? p->members.v[lo].pool :
								      POOL_NONE;
}

uint32_t pools_at(const struct pools *p, taddr at)
{
	size_t lo = 0, hi = p->spans.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->spans.v[mid].start <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (size_t i = lo; i-- > 0 && lo - i <= SPAN_STEPS_MAX;)
		if (at < p->spans.v[i].end)
			return p->spans.v[i].pool;
	return POOL_NONE;
}

void pools_path(const struct pools *p, uint32_t pool, struct text *ret)
{
	uint32_t steps[PATH_MAX_STEPS];
	unsigned n = 0;

	for (; pool != POOL_NONE && n < PATH_MAX_STEPS; pool = p->v[pool].parent)
		steps[n++] = pool;
	if (pool != POOL_NONE)
		text_add(ret, ".../");
	while (n-- > 0)
		text_printf(ret, "%s%s", p->v[steps[n]].name ? p->v[steps[n]].name : "?",
			    n ? "/" : "");
}

void pools_words(const struct pools *p, uint32_t pool, struct text *ret)
{
	const struct pool *at = &p->v[pool];

	text_add(ret, at->kind);
	if (!at->name && at->parent == POOL_NONE)
		return;
	text_add(ret, " ");
	pools_path(p, pool, ret);
}

void pools_label(const struct pool *pool, struct text *ret)
{
	text_printf(ret, "%s%s%s", pool->kind, pool->name ? " " : "", pool->name ? pool->name : "");
}
