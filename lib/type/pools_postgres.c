/*
 * type/pools_postgres.c - PostgreSQL's MemoryContexts, 11 to 17: the tree below TopMemoryContext.
 *
 * Source of truth: src/include/nodes/memnodes.h, src/backend/utils/mmgr/{aset,generation}.c of 15; the heads
 * of contexts and blocks are alike from 13 (mem_allocated) to 17.  The variable TopMemoryContext is exported by
 * the server for its extensions, so that it is found in stripped ones; elsewhere it is the one that points at a
 * context above which there is none.  Each link is held against the one that leads back; bytes against
 * mem_allocated.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "heap/module_data.h"
#include "image/shadow.h"
#include "type/pools.h"

#define TOP "TopMemoryContext"

enum {
	CONTEXTS_MAX = 1 << 20,
	STEPS_MAX = 1 << 26, /* along lists, in all */
	FREE_LISTS = 11,      /* ALLOCSET_NUM_FREELISTS; list k has chunks of 8 << k bytes */
	TAIL_WORDS = 16,      /* behind the head, where a generation's list of blocks may lie */
};

/*
 * GenerationBlock: node (prev, next), from 16 on its context, blksize, two counts, freeptr, endptr.
 */
static const struct generation_form {
	uint8_t context; /* 0: none */
	uint8_t size, freeptr, endptr;
} generation_forms[] = { { 16, 24, 40, 48 }, { 0, 16, 32, 40 } };

/* MemoryContextData: type, isReset, allowInCritSection in the first word; 13 and later count bytes. */
static const struct form {
	uint8_t mem_allocated; /* 0: not counted */
	uint8_t parent, firstchild, prevchild, nextchild, name, ident, size;
} forms[] = {
	{ 8, 24, 32, 40, 48, 56, 64, 80 },
	{ 0, 16, 24, 32, 40, 48, 56, 72 },
};

struct tree {
	struct pools *p;
	const struct form *f;
	uint32_t n, steps;
};

static uint64_t word(const struct image *img, taddr at)
{
	uint64_t v;

	return image_read_u64(img, at, &v) == MEM_OK ? v : 0;
}

/* ---- blocks */

/* AllocBlockData: aset, prev, next, freeptr, endptr. */
struct alloc_block {
	uint64_t aset, prev, next, freeptr, endptr;
};

static bool read_block(const struct tree *t, taddr at, taddr context, struct alloc_block *ret)
{
	return at && !(at & 7) && image_read(t->p->img, at, ret, sizeof(*ret)) == MEM_OK && ret->aset == context &&
	       ret->freeptr > at && ret->freeptr <= ret->endptr && ret->endptr - at <= UINT32_MAX * 16ull;
}

/*
 * Bytes on the free lists, with chunk headers: no more than `room`.  Before 16 a header is a size and a word that
 * links free chunks; since then 8 bytes, and the link lies behind them.
 */
static bool add_listed(struct tree *t, taddr context, uint64_t room, uint64_t *bytes)
{
	taddr lists = context + t->f->size + 8;
	uint64_t sum = 0;

	for (unsigned k = 0; k < FREE_LISTS; k++)
		for (taddr at = word(t->p->img, lists + 8 * k); at; at = word(t->p->img, at + 8)) {
			uint64_t size = (8u << k) + (word(t->p->img, at) == 8u << k ? 16 : 8);

			if (block_at(t->p->blocks, at) == BLOCK_NONE || size > room - sum || t->steps++ >= STEPS_MAX) {
				diag(t->p->env, "pool/broken-list", at,
				     "a free list of the MemoryContext at 0x%" PRIx64 ": not sound at 0x%" PRIx64
				     ", its free bytes are left out", context, at);
				return false;
			}
			sum += size;
		}
	*bytes += sum;
	return true;
}

/* AllocSetContext: `blocks` right behind the head, then the free lists. */
static struct err *add_alloc_set(struct tree *t, uint32_t pool, bool *ret_is)
{
	struct pool *me = &t->p->v[pool];
	taddr context = me->addr, at = word(t->p->img, context + t->f->size), prev = 0;
	uint64_t bytes = 0, free = 0;
	bool is_first = true;

	for (; at && t->steps++ < STEPS_MAX; is_first = false) {
		struct alloc_block b;
		struct err *err;

		if (!read_block(t, at, context, &b) || b.prev != prev)
			return NULL;
		bytes += b.endptr - at;
		free += b.endptr - b.freeptr;
		err = pools_add_block(t->p, pool, at); /* the keeper is in the context's own */
		if (err)
			return err;
		if (at > context && at - context <= 512)
			bytes += at - context;
		prev = at;
		at = b.next;
	}
	if (is_first)
		return NULL;
	*ret_is = true;
	t->p->v[pool].bytes = bytes;
	t->p->v[pool].free = add_listed(t, context, bytes - free, &free) ? free : UINT64_MAX;
	return NULL;
}

/* Adds up a ring of blocks; false if it is none. */
static bool sum_generation(struct tree *t, taddr context, taddr head, const struct generation_form *g,
			   uint64_t *ret_bytes, uint64_t *ret_free, uint64_t *ret_own)
{
	const struct image *img = t->p->img;
	taddr at = word(img, head + 8);
	unsigned n = 0;

	*ret_bytes = *ret_free = *ret_own = 0;
	for (; at && at != head && t->steps++ < STEPS_MAX; n++) {
		taddr next = word(img, at + 8);
		uint64_t size = word(img, at + g->size), end = word(img, at + g->endptr), left = end - word(img, at + g->freeptr);

		if ((g->context && word(img, at + g->context) != context) || word(img, next) != at || end - at != size || left > size)
			return false;
		*ret_bytes += size;
		*ret_free += left;
		if (at > context && at - context <= 512)
			*ret_own = at - context;
		at = next;
	}
	return n && at == head;
}

/*
 * GenerationContext: somewhere behind the head the ring of its blocks.  mem_allocated leaves out the
 * context itself, which lies before the first of them, in one block of malloc.
 */
static struct err *add_generation(struct tree *t, uint32_t pool, taddr head, uint64_t counted, bool *ret_is)
{
	taddr context = t->p->v[pool].addr;
	uint64_t bytes, free, own;

	for (size_t i = 0; i < ARRAY_SIZE(generation_forms) && !*ret_is; i++) {
		if (!sum_generation(t, context, head, &generation_forms[i], &bytes, &free, &own) || bytes != counted)
			continue;
		for (taddr at = word(t->p->img, head + 8); at != head; at = word(t->p->img, at + 8)) {
			struct err *err = pools_add_block(t->p, pool, at);

			if (err)
				return err;
		}
		*ret_is = true;
		t->p->v[pool].bytes = bytes + own;
		t->p->v[pool].free = free;
		t->p->v[pool].agrees = true;
	}
	return NULL;
}

static struct err *add_blocks(struct tree *t, uint32_t pool)
{
	taddr context = t->p->v[pool].addr;
	uint64_t counted = t->f->mem_allocated ? word(t->p->img, context + t->f->mem_allocated) : 0;
	bool is = false;
	struct err *err = pools_add_block(t->p, pool, context);

	if (!err)
		err = add_alloc_set(t, pool, &is);
	if (!err && is)
		t->p->v[pool].agrees = t->p->v[pool].bytes == counted;
	for (unsigned i = 0; i < TAIL_WORDS && !err && !is; i++)
		err = add_generation(t, pool, context + t->f->size + 8 * i, counted, &is);
	t->p->v[pool].counts = counted != 0;
	if (!err && !t->p->v[pool].agrees && counted)
		t->p->v[pool].bytes = counted;
	if (!err && t->p->v[pool].free > t->p->v[pool].bytes)
		t->p->v[pool].free = UINT64_MAX;
	return err;
}

/* ---- the tree */

static bool is_context(const struct tree *t, taddr at, taddr parent, taddr prev)
{
	const struct image *img = t->p->img;
	uint32_t id = block_at(t->p->blocks, at);

	return at && !(at & 7) && id != BLOCK_NONE && block_is_used(t->p->blocks, id) &&
	       word(img, at + t->f->parent) == parent && word(img, at + t->f->prevchild) == prev && word(img, at + t->f->name);
}

/* A report shows it whatever it may show: a blanked dump has it, too. */
static void keep_name(const struct tree *t, taddr at)
{
	uint64_t avail;
	const uint8_t *name = image_view(t->p->img, at, &avail);

	if (name)
		image_keep_exact(t->p->img, name, strnlen((const char *)name, avail));
}

static struct err *add_context(struct tree *t, taddr at, uint32_t parent, uint32_t *ret)
{
	struct pool pool = {
		.addr = at,
		.kind = "MemoryContext",
		.name = pools_literal(t->p, word(t->p->img, at + t->f->name)),
		.parent = parent,
		.free = UINT64_MAX,
	};
	taddr ident = word(t->p->img, at + t->f->ident);
	struct err *err;

	if (ident)
		pool.ident = pools_data(t->p, ident);
	/* As PostgreSQL's own reports have it: hash tables are called by what their code calls them. */
	if (pool.name && pool.ident && !strcmp(pool.name, "dynahash")) {
		pool.name = pool.ident;
		keep_name(t, ident);
	}
	err = pools_add(t->p, &pool, ret);
	t->n++;
	return err ? err : add_blocks(t, *ret);
}

/* Children before siblings; links up and back are held against the way that led here, so that it ends. */
static struct err *walk(struct tree *t, taddr top)
{
	uint32_t me;
	struct err *err = add_context(t, top, POOL_NONE, &me);

	while (!err && t->n < CONTEXTS_MAX) {
		taddr at = t->p->v[me].addr, next = word(t->p->img, at + t->f->firstchild);
		uint32_t parent = me;

		if (!next || !is_context(t, next, at, 0)) {
			for (;; me = parent) { /* up to one that has a sibling */
				parent = t->p->v[me].parent;
				if (parent == POOL_NONE)
					return NULL;
				at = t->p->v[me].addr;
				next = word(t->p->img, at + t->f->nextchild);
				if (next && is_context(t, next, t->p->v[parent].addr, at))
					break;
			}
		}
		err = add_context(t, next, parent, &me);
	}
	return err;
}

static bool is_top(const struct pools *p, const struct form *f, taddr top)
{
	taddr first = word(p->img, top + f->firstchild);
	char s[sizeof(TOP)];

	return !word(p->img, top + f->parent) && !word(p->img, top + f->prevchild) && !word(p->img, top + f->nextchild) &&
	       first && word(p->img, first + f->parent) == top &&
	       (image_read_str(p->img, word(p->img, top + f->name), s, sizeof(s)) != MEM_OK || !strcmp(s, TOP));
}

/* A tree of the first form that fits. */
static bool find_form(struct tree *t, taddr top)
{
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		t->f = &forms[i];
		if (is_context(t, top, 0, 0) && is_top(t->p, t->f, top))
			return true;
	}
	return false;
}

/* The variable without its name: its context's first block is its own. */
static bool find_top(struct tree *t, taddr *ret)
{
	struct module_data data = module_data(t->p->img);
	const struct segment *seg;
	struct alloc_block b;

	while ((seg = module_data_next(&data)))
		for (taddr at = seg->start; seg->end - at >= 8; at += 8) {
			taddr top = load_u64(seg->bytes + (at - seg->start));

			if (!find_form(t, top) ||
			    !read_block(t, word(t->p->img, top + t->f->size), top, &b))
				continue;
			image_keep(t->p->img, at, 8);
			*ret = top;
			return true;
		}
	return false;
}

static struct err *find(struct pools *p, void *ctx)
{
	struct tree t = { .p = p };
	struct symbol sym;
	taddr top;

	(void)ctx;
	if (image_symbol(p->img, NULL, TOP, &sym)) {
		top = word(p->img, sym.addr);
		return find_form(&t, top) ? walk(&t, top) : NULL;
	}
	return pools_may_have_text(p, TOP) && find_top(&t, &top) ? walk(&t, top) : NULL;
}

extern const struct pool_ops pools_postgres;
const struct pool_ops pools_postgres = { .name = "PostgreSQL", .find = find };
