/*
 * pymalloc_pools.c - the blocks of each pool of an arena: used ones, those its free list has, those never given out.
 */
#include <inttypes.h>
#include <string.h>

#include "base/search.h"
#include "heap/pymalloc.h"
#include "image/shadow.h"

enum { FREEBLOCK = 8, NEXT = 16, CLASS = 36, OFFSET = 40, OFFSET_MAX = 44 };

const struct py_arena *py_arena_at(const struct py_heap *h, taddr at)
{
	size_t i = partition_point(h->arenas.n, k, h->arenas.v[k].start <= at);

	return i && at < h->arenas.v[i - 1].end ? &h->arenas.v[i - 1] : NULL;
}

void py_read_pool(const struct py_heap *h, taddr at, struct py_pool *ret)
{
	const struct py_layout *l = &h->layout;
	uint64_t avail = 0;
	uint32_t offset, max;

	*ret = (struct py_pool){ .at = at, .bytes = image_view(h->img, at, &avail) };
	if (!ret->bytes || avail < l->pool_bytes) {
		ret->bytes = NULL;
		return;
	}
	image_keep_bytes(h->img, ret->bytes, PY_POOL_HEADER);
	ret->count = load_u32(ret->bytes);
	ret->freeblock = load_u64(ret->bytes + FREEBLOCK);
	ret->class_no = load_u32(ret->bytes + CLASS);
	offset = load_u32(ret->bytes + OFFSET);
	max = load_u32(ret->bytes + OFFSET_MAX);
	if (ret->class_no >= l->n_classes)
		return;
	ret->size = (ret->class_no + 1) << l->shift;
	ret->n = (l->pool_bytes - PY_POOL_HEADER) / ret->size;
	if (max != l->pool_bytes - ret->size || offset < PY_POOL_HEADER || offset > l->pool_bytes ||
	    (offset - PY_POOL_HEADER) % ret->size)
		return;
	ret->carved = (offset - PY_POOL_HEADER) / ret->size;
	ret->sound = ret->count && ret->count <= ret->carved;
}

bool py_free_blocks(const struct py_heap *h, const struct py_pool *p, uint64_t marks[PY_POOL_MARKS], uint32_t *ret_n)
{
	uint32_t n = 0;

	memset(marks, 0, PY_POOL_MARKS * sizeof(*marks));
	*ret_n = 0;
	for (taddr at = p->freeblock; at; n++) {
		uint64_t off = at - p->at - PY_POOL_HEADER, i = off / p->size;

		if (at < p->at + PY_POOL_HEADER || off % p->size || i >= p->carved || bit_get(marks, i))
			return false;
		bit_set(marks, i);
		*ret_n = n + 1;
		image_keep(h->img, at, 8);
		at = load_u64(p->bytes + (at - p->at));
	}
	return true;
}

static void add_free(struct py_arena *a, enum py_where where, uint64_t n, uint64_t bytes, uint64_t largest)
{
	a->n_in[where] += n;
	a->bytes_in[where] += bytes;
	a->largest = n && largest > a->largest ? largest : a->largest;
}

static void list_blocks(struct py_arena *a, const struct py_pool *p, const uint64_t *marks, struct block_sink *sink)
{
	struct py_class *c = &a->classes[p->class_no];
	uint32_t n_listed = 0;

	for (uint32_t i = 0; i < p->n; i++) {
		bool listed = i < p->carved && bit_get(marks, i);

		n_listed += listed;
		block_sink_add(sink, p->at + PY_POOL_HEADER + (uint64_t)p->size * i, i < p->carved && !listed);
	}
	c->pools++;
	c->used += p->carved - n_listed;
	c->free += p->n - p->carved + n_listed;
	add_free(a, PY_USED, p->carved - n_listed, (uint64_t)(p->carved - n_listed) * p->size, 0);
	add_free(a, PY_FREEBLOCK, n_listed, (uint64_t)n_listed * p->size, p->size);
	add_free(a, PY_UNTOUCHED, p->n - p->carved, (uint64_t)(p->n - p->carved) * p->size, p->size);
}

/* Every block of its freelist is what it should be; what the count says is one off at most, in a thread's hands. */
static void walk_pool(const struct py_heap *h, struct py_arena *a, const struct py_pool *p, struct block_sink *sink)
{
	uint64_t marks[PY_POOL_MARKS];
	uint32_t n_listed;
	taddr end = p->at + PY_POOL_HEADER + (uint64_t)p->size * p->n;

	block_sink_gap(sink, p->at);
	if (!py_free_blocks(h, p, marks, &n_listed)) {
		a->failed++;
		damage_add(&a->damage, h->env, p->at,
			   "pool at 0x%" PRIx64 ": its free list leaves its blocks after %u of %u", p->at, n_listed,
			   p->carved - p->count);
	} else if (n_listed + p->count == p->carved) {
		a->passed++;
	} else if (n_listed + p->count + 1 == p->carved || n_listed + p->count == p->carved + 1) {
		a->n_moving++;
		a->moving = a->moving ? a->moving : p->at;
	} else {
		a->failed++;
		damage_add(&a->damage, h->env, p->at,
			   "pool at 0x%" PRIx64 ": %u of its blocks are in use by its count, and %u by its free list",
			   p->at, p->count, p->carved - n_listed);
	}
	list_blocks(a, p, marks, sink);
	if (end < p->at + h->layout.pool_bytes)
		block_sink_gap(sink, end);
}

/* True for a pool without a block in use, which is free for any class; or for one that says nothing. */
static bool walk_other(const struct py_heap *h, struct py_arena *a, const struct py_pool *p, struct block_sink *sink)
{
	if (p->bytes && !p->count) {
		block_sink_add(sink, p->at, false);
		add_free(a, PY_FREEPOOL, 1, h->layout.pool_bytes, h->layout.pool_bytes);
		return true;
	}
	block_sink_gap(sink, p->at);
	if (!p->bytes)
		return false;
	a->failed++;
	damage_add(&a->damage, h->env, p->at,
		   "pool at 0x%" PRIx64 ": its header was overwritten, its blocks are not known", p->at);
	return false;
}

struct err *py_walk(void *ctx, uint32_t claim, struct block_sink *sink)
{
	struct py_heap *h = ctx;
	struct py_arena *a = &h->arenas.v[claim];
	taddr end = a->first + (uint64_t)a->n_pools * h->layout.pool_bytes;

	if (a->first > a->start)
		block_sink_gap(sink, a->start);
	for (taddr at = a->first; at < a->carved; at += h->layout.pool_bytes) {
		struct py_pool p;

		py_read_pool(h, at, &p);
		if (p.sound)
			walk_pool(h, a, &p, sink);
		else
			a->empty += walk_other(h, a, &p, sink);
	}
	if (a->carved < end) {
		block_sink_add(sink, a->carved, false);
		add_free(a, PY_UNCARVED, 1, end - a->carved, end - a->carved);
	}
	if (end < a->end)
		block_sink_gap(sink, end);
	if (a->empty + (end - a->carved) / h->layout.pool_bytes == a->n_free) {
		a->passed++;
	} else {
		a->failed++;
		damage_add(&a->damage, h->env, a->record,
			   "arena at 0x%" PRIx64 ": %u of its pools are free by its record, %" PRIu64 " are", a->start,
			   a->n_free, a->empty + (end - a->carved) / h->layout.pool_bytes);
	}
	return NULL;
}
