/* type/go_pools_read.c - every sync.Pool, its two halves, and what their rings tell. */
#include <stdlib.h>

#include "base/vec.h"
#include "type/go_pools.h"

enum {
	LOCAL_BYTES = 128,
	LOCALS_MAX = 1 << 16, /* processors */
	CHAIN_MAX = 64,	      /* rings double from 8 to 2^30 */
	FIRST_RING = 8,
	RING_MAX = 1 << 30,
};

struct reader {
	const struct go *go;
	const struct go_pool_sink *sink;
	struct go_pool *pool;
	bool is_drawn; /* somewhere */
};

/* A chain from its newest ring on, as far as it was read. */
struct chain {
	uint64_t count;	 /* filled slots */
	uint64_t older;	 /* of them, in all rings but the newest */
	uint64_t length; /* slots of the last one read */
	unsigned rings;
	bool is_drawn, is_whole;
};

static struct err *add_block(const struct reader *r, taddr at)
{
	return at && r->sink->block ? r->sink->block(r->sink->arg, at) : NULL;
}

/* Filled slots of a ring: those between tail and head, as far as they are there. */
static void read_ring(const struct reader *r, taddr elt, struct chain *chain)
{
	uint64_t ends = go_word(r->go, elt), vals = go_word(r->go, elt + 8);
	uint64_t len = go_word(r->go, elt + 16);
	uint32_t head = (uint32_t)(ends >> 32), tail = (uint32_t)ends, n = head - tail;

	if (!len || len > RING_MAX || !vals || n > len) {
		chain->is_drawn = true; /* damaged: nothing is known */
		return;
	}
	if (tail || !n || (chain->rings && (n != len || len * 2 != chain->length)))
		chain->is_drawn = true;
	chain->count += n;
	chain->older += chain->rings ? n : 0;
	chain->length = len;
	chain->rings++;
}

static struct err *read_chain(const struct reader *r, taddr elt, struct chain *chain)
{
	struct err *err = NULL;

	for (unsigned i = 0; elt && i < CHAIN_MAX && !err; i++) { /* from head to tail by prev */
		read_ring(r, elt, chain);
		err = add_block(r, elt);
		if (!err)
			err = add_block(r, go_word(r->go, elt + 8));
		elt = go_word(r->go, elt + 40);
	}
	chain->is_drawn |= elt || (chain->rings && chain->length != FIRST_RING);
	return err;
}

/* Put fills `private` before the rings, Get empties it first. */
static void judge(struct reader *r, const struct chain *chain, struct go_pool_shard *shard)
{
	bool is_drawn = chain->is_drawn || (chain->rings && !shard->has_private);

	r->is_drawn |= is_drawn;
	if (!is_drawn)
		shard->undrawn = chain->older + shard->has_private;
}

static struct err *read_shard(struct reader *r, struct go_pool_shard *shard)
{
	struct chain chain = {};
	struct err *err;

	shard->has_private = go_word(r->go, shard->addr) != 0; /* its type word */
	err = read_chain(r, go_word(r->go, shard->addr + 16), &chain);
	if (err)
		return err;
	shard->shared = chain.count;
	judge(r, &chain, shard);
	r->pool->undrawn += shard->undrawn;
	if (shard->is_victim)
		r->pool->n_victim += shard->shared + shard->has_private;
	else
		r->pool->n_local += shard->shared + shard->has_private;
	if (!r->sink->shard || (!shard->shared && !shard->has_private))
		return NULL;
	return r->sink->shard(r->sink->arg, shard);
}

static struct err *read_half(struct reader *r, taddr at, bool is_victim)
{
	taddr locals = go_word(r->go, at);
	uint64_t n = go_word(r->go, at + 8);
	struct err *err;

	if (!locals || !n || n > LOCALS_MAX)
		return NULL;
	err = add_block(r, locals);
	for (uint64_t i = 0; i < n && !err; i++) {
		struct go_pool_shard shard = {
			.addr = locals + i * LOCAL_BYTES,
			.p = (uint32_t)i,
			.is_victim = is_victim,
		};

		err = read_shard(r, &shard);
	}
	return err;
}

struct err *go_pool_read(const struct go *go, taddr pool, const struct go_pool_sink *sink,
			 struct go_pool *ret)
{
	struct reader r = { .go = go, .sink = sink, .pool = ret };
	struct err *err;

	*ret = (struct go_pool){ .addr = pool };
	err = read_half(&r, pool, false);
	if (!err)
		err = read_half(&r, pool + 16, true);
	if (r.is_drawn)
		ret->undrawn = 0;
	return err;
}

void go_pool_name(const struct go *go, taddr pool, struct text *ret)
{
	taddr make = go_word(go, go_word(go, pool + 32));
	struct symbol symbol;
	struct go_func f;

	text_add(ret, "sync.Pool ");
	if (image_symbol_at(go->img, pool, &symbol) && symbol.is_object) {
		image_describe(go->img, pool, ret);
	} else if (make && go_func_at(go, make, &f) && f.entry == make) {
		text_add(ret, "with New ");
		go_func_name(go, &f, ret);
	} else {
		text_printf(ret, "at 0x%llx", (unsigned long long)pool);
	}
}

struct addresses {
	taddr *v;
	size_t n, cap;
};

static struct err *add_list(const struct go *go, taddr slice, struct addresses *all)
{
	taddr at;
	uint64_t n;

	if (!slice || !go_slice(go, slice, 8, &at, &n))
		return NULL;
	for (uint64_t i = 0; i < n; i++) {
		taddr pool = go_word(go, at + 8 * i);

		if (pool && !vec_push(all, &pool))
			return &err_nomem;
	}
	return NULL;
}

static int by_address(const void *pa, const void *pb)
{
	taddr a = *(const taddr *)pa, b = *(const taddr *)pb;

	return a < b ? -1 : a > b;
}

struct err *go_pools_list(const struct go *go, taddr **ret, size_t *ret_n)
{
	struct addresses all = {};
	struct err *err = add_list(go, go->at.pool_all, &all);
	size_t n = 0;

	if (!err)
		err = add_list(go, go->at.pool_old, &all);
	if (err) {
		free(all.v);
		return err;
	}
	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), by_address);
	for (size_t i = 0; i < all.n; i++)
		if (!n || all.v[n - 1] != all.v[i])
			all.v[n++] = all.v[i];
	*ret = all.v;
	*ret_n = n;
	return NULL;
}
