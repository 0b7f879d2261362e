/*
 * type/go_pools.c - every sync.Pool, and the blocks its storage is.
 *
 * sync/pool.go, sync/poolqueue.go, the same memory layout from 1.19 to 1.27:
 *	Pool {local, localSize, victim, victimSize, New}
 *	poolLocal {private any; shared {head, tail *poolChainElt}; padded to 128 bytes}
 *	poolChainElt {headTail; vals []eface; next, prev}
 * A pool that was put to since the last collection is in sync.allPools, one that was not in
 * sync.oldPools; one may be in both.
 */
#include <stdlib.h>

#include "base/guard.h"
#include "base/vec.h"
#include "image/go.h"
#include "type/noter.h"

enum {
	LOCAL_BYTES = 128,
	LOCALS_MAX = 1 << 16, /* processors */
	CHAIN_MAX = 64,	      /* rings double from 8 to 2^30 */
	RING_MAX = 1 << 30,
};

struct pools {
	const struct image *img;
	const struct go *go;
	const struct graph *g;
	struct note_sink *sink;
	struct {
		taddr *v;
		size_t n, cap;
	} addresses;
	struct { /* of the pool that is read */
		node_id *v;
		size_t n, cap;
	} gates;
	uint64_t items;
};

static uint64_t word(const struct pools *p, taddr at)
{
	uint64_t v;

	return image_read_u64(p->img, at, &v) == MEM_OK ? v : 0;
}

static struct err *add_gate(struct pools *p, taddr at)
{
	node_id node = at ? graph_node_at(p->g, at) : NODE_NONE;

	if (node == NODE_NONE || !graph_is_live(p->g, node))
		return NULL;
	return vec_push(&p->gates, &node) ? NULL : &err_nomem;
}

/* Filled slots of a ring: those between tail and head, as far as they are there. */
static void count_ring(struct pools *p, taddr elt)
{
	uint64_t ends = word(p, elt), vals = word(p, elt + 8), len = word(p, elt + 16);
	uint32_t head = (uint32_t)(ends >> 32), tail = (uint32_t)ends;

	if (len && len <= RING_MAX && vals && head - tail <= len)
		p->items += head - tail;
}

static struct err *read_chain(struct pools *p, taddr elt)
{
	struct err *err = NULL;

	for (unsigned i = 0; elt && i < CHAIN_MAX && !err; i++) { /* from head to tail by prev */
		count_ring(p, elt);
		err = add_gate(p, elt);
		if (!err)
			err = add_gate(p, word(p, elt + 8));
		elt = word(p, elt + 40);
	}
	return err;
}

static struct err *read_locals(struct pools *p, taddr locals, uint64_t n)
{
	struct err *err = locals && n && n <= LOCALS_MAX ? add_gate(p, locals) : NULL;

	for (uint64_t i = 0; locals && n <= LOCALS_MAX && i < n && !err; i++) {
		taddr local = locals + i * LOCAL_BYTES;

		p->items += word(p, local) != 0; /* the type word of `private` */
		err = read_chain(p, word(p, local + 16));
	}
	return err;
}

/* "sync.Pool main.bufPool"; one in a struct by what makes its values, or by its address. */
static void name_pool(const struct pools *p, taddr pool, struct text *ret)
{
	taddr make = word(p, word(p, pool + 32));
	struct symbol symbol;
	struct go_func f;

	text_add(ret, "sync.Pool ");
	if (image_symbol_at(p->img, pool, &symbol) && symbol.is_object) {
		image_describe(p->img, pool, ret);
	} else if (make && go_func_at(p->go, make, &f) && f.entry == make) {
		text_add(ret, "with New ");
		go_func_name(p->go, &f, ret);
	} else {
		text_printf(ret, "at 0x%llx", (unsigned long long)pool);
	}
}

static struct err *note_pool(struct pools *p, taddr pool)
{
	struct text name = TEXT_INIT;
	struct owner owner = { .kind = OWNER_POOL };
	uint32_t id = 0;
	struct err *err;

	p->gates.n = 0;
	p->items = 0;
	err = read_locals(p, word(p, pool), word(p, pool + 8));
	if (!err)
		err = read_locals(p, word(p, pool + 16), word(p, pool + 24));
	if (err || !p->gates.n)
		return err;
	name_pool(p, pool, &name);
	owner.name = text_str(&name);
	owner.count = p->items;
	err = p->sink->owner(p->sink, &owner, &id);
	for (size_t i = 0; i < p->gates.n && !err; i++)
		err = p->sink->gate(p->sink, p->gates.v[i], id);
	text_fini(&name);
	return err;
}

static struct err *add_list(struct pools *p, taddr slice)
{
	taddr at;
	uint64_t n;
	struct err *err = NULL;

	if (!slice || !go_slice(p->go, slice, 8, &at, &n))
		return NULL;
	for (uint64_t i = 0; i < n && !err; i++) {
		taddr pool = word(p, at + 8 * i);

		if (pool && !vec_push(&p->addresses, &pool))
			err = &err_nomem;
	}
	return err;
}

static int by_address(const void *pa, const void *pb)
{
	taddr a = *(const taddr *)pa, b = *(const taddr *)pb;

	return a < b ? -1 : a > b;
}

static struct err *note_all(struct pools *p)
{
	struct err *err = add_list(p, p->go->at.pool_all);

	if (!err)
		err = add_list(p, p->go->at.pool_old);
	if (p->addresses.n)
		qsort(p->addresses.v, p->addresses.n, sizeof(taddr), by_address);
	for (size_t i = 0; i < p->addresses.n && !err; i++)
		if (!i || p->addresses.v[i] != p->addresses.v[i - 1])
			err = note_pool(p, p->addresses.v[i]);
	return err;
}

static struct err *find(struct env *env, const struct image *img, const struct blocks *blocks,
			const struct graph *g, struct note_sink *sink)
{
	struct pools p = { .img = img, .go = img->go, .g = g, .sink = sink };
	struct err *err;

	(void)env;
	(void)blocks;
	if (!p.go)
		return NULL;
	err = note_all(&p);
	free(p.addresses.v);
	free(p.gates.v);
	return err;
}

extern const struct noter_ops noter_go_pools;
const struct noter_ops noter_go_pools = { .name = "pools", .find = find };
