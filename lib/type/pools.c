/*
 * type/pools.c - runs the finders of pools, and answers which pool a block is of.
 */
#include "type/pools.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"

enum {
	NAME_MAX_BYTES = 128,
	PATH_MAX_STEPS = 16,
};

struct err *pools_add(struct pools *p, const struct pool *pool, uint32_t *ret)
{
	if (p->n >= POOL_NONE || !vec_push(p, pool))
		return &err_nomem;
	*ret = (uint32_t)p->n - 1;
	return NULL;
}

static struct err *add_member(struct pools *p, uint32_t pool, taddr at, const char *type)
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
	p->v[pool].n_blocks++;
	return vec_push(&p->members, &member) ? NULL : &err_nomem;
}

struct err *pools_add_block(struct pools *p, uint32_t pool, taddr at)
{
	return add_member(p, pool, at, NULL);
}

struct err *pools_add_named(struct pools *p, uint32_t pool, taddr at, const char *type)
{
	return add_member(p, pool, at, type);
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

const char *pools_literal(struct pools *p, taddr at)
{
	const struct segment *seg = image_segment(p->img, at);

	return seg && seg->module >= 0 && !(seg->flags & SEG_W) ? pools_data(p, at) : NULL;
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

struct err *pools_find(struct env *env, const struct image *img, const struct blocks *blocks, struct pools *ret)
{
	struct pools p = { .env = env, .img = img, .blocks = blocks };

	for (size_t i = 0; pool_registry[i]; i++) {
		struct err *err = pool_registry[i]->find(&p);

		if (err) {
			pools_fini(&p);
			return err_wrap(err, "pools of %s", pool_registry[i]->name);
		}
	}
	sort_members(&p);
	*ret = p;
	return NULL;
}

void pools_fini(struct pools *p)
{
	free(p->v);
	free(p->members.v);
	arena_fini(&p->mem);
	*p = (struct pools){};
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
	return lo < p->members.n && p->members.v[lo].block == block ? p->members.v[lo].pool : POOL_NONE;
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
		text_printf(ret, "%s%s", p->v[steps[n]].name ? p->v[steps[n]].name : "?", n ? "/" : "");
}

void pools_label(const struct pool *pool, struct text *ret)
{
	text_printf(ret, "%s%s%s", pool->kind, pool->name ? " " : "", pool->name ? pool->name : "");
}
