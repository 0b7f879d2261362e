/*
 * describe_pools.c - programs' own allocators -> report.pools and pool_groups, those that hold most
 * first; and whose an address is.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/vec.h"
#include "pipeline.h"

enum {
	POOLS_SHOWN = 1000,
	CONTENTS_SHOWN = 3,
	DOMINATORS_MAX = 8,  /* above a block that are asked whether they are the pool's too */
	STEPS_MAX = 1 << 22, /* along chains to holders, in all */
};

#define UNKNOWN UINT64_MAX

/* ---- what pools keep, and who keeps them; as far as there are facts */

static bool is_live(const struct run *run, uint32_t block)
{
	return run->graph && block != BLOCK_NONE && block_is_used(&run->blocks, block);
}

/* One of the blocks that alone lead to this one is the pool's: its bytes have this in them. */
static bool is_below_its_own(const struct run *run, uint32_t block, uint32_t pool)
{
	const node_id *idom = run->facts.idom;
	unsigned n = 0;

	for (block = idom[block]; block != NODE_NONE && n < DOMINATORS_MAX;
	     block = idom[block], n++)
		if (pools_of(&run->pools, block) == pool)
			return true;
	return false;
}

/*
 * Bytes that each pool's blocks keep, of `run->pools.n`; UNKNOWN for one without blocks: what
 * lies in no heap is all roots.  NULL without facts. malloc'd
 */
static struct err *find_retained(const struct run *run, uint64_t **ret)
{
	const struct pools *p = &run->pools;
	uint64_t *retained;

	*ret = NULL;
	if (!run->graph || !(run->facts.have & FACT_DOM))
		return NULL;
	retained = malloc((p->n + 1) * sizeof(*retained));
	if (!retained)
		return &err_nomem;
	memset(retained, 0xff, (p->n + 1) * sizeof(*retained));
	for (size_t i = 0; i < p->members.n; i++) {
		const struct pool_block *m = &p->members.v[i];

		if (!is_live(run, m->block))
			continue;
		if (retained[m->pool] == UNKNOWN)
			retained[m->pool] = 0;
		if (!is_below_its_own(run, m->block, m->pool))
			retained[m->pool] += facts_retained(&run->facts, m->block);
	}
	*ret = retained;
	return NULL;
}

/* Where the shortest chain to the pool begins, in words; nothing when no root leads to a block. */
static void find_holder(const struct run *run, const struct pool *pool, uint64_t *steps,
			struct text *ret)
{
	const struct graph *g = run->graph;
	uint32_t at = block_at(&run->blocks, pool->addr);

	if (!is_live(run, at) || !(run->facts.have & FACT_PARENT) || !g->ops || !g->ops->root)
		return;
	for (at = run->facts.parent[at]; at != NODE_NONE && ++*steps < STEPS_MAX;
	     at = run->facts.parent[at])
		if (at & PARENT_ROOT) {
			g->ops->root(g->ctx, at & ~PARENT_ROOT, ret);
			return;
		}
}

/* ---- groups: pools of one kind with the same names up to the outermost */

struct group {
	uint32_t largest; /* pool */
	struct rp_pool_group row;
};

struct groups {
	struct group *v;
	size_t n, cap;
	struct addrmap by_hash; /* index + 1 */
	uint32_t *of;		/* each pool's */
};

static void groups_fini(struct groups *g)
{
	free(g->v);
	free(g->of);
	addrmap_fini(&g->by_hash);
}

static uint64_t hash(uint64_t h, const char *s)
{
	for (; s && *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3;
	return (h ^ 0xff) * 0x100000001b3;
}

static struct err *group_of(struct groups *g, const struct pool *pool, uint32_t no, uint32_t *ret)
{
	uint64_t above = pool->parent == POOL_NONE ? 0 : g->of[pool->parent] + 1ull;
	uint64_t h = hash(hash(0xcbf29ce484222325 ^ above, pool->kind), pool->name) | 1;
	uintptr_t known = (uintptr_t)addrmap_get(&g->by_hash, h);
	struct group group = { .largest = no, .row = { .kind = pool->kind } };

	if (known) {
		*ret = (uint32_t)known - 1;
		return NULL;
	}
	if (!vec_push(g, &group) || !addrmap_put(&g->by_hash, h, (void *)(uintptr_t)g->n))
		return &err_nomem;
	*ret = (uint32_t)g->n - 1;
	return NULL;
}

static void add_up(struct group *g, const struct pools *pools, uint32_t no,
		   const uint64_t *retained)
{
	const struct pool *pool = &pools->v[no];

	g->row.pools++;
	g->row.blocks += pool->n_blocks;
	g->row.bytes += pool->bytes;
	g->row.free += pool->free == UINT64_MAX ? 0 : pool->free;
	g->row.knows_free |= pool->free != UINT64_MAX;
	if (retained && retained[no] != UNKNOWN) {
		g->row.retained += retained[no];
		g->row.knows_retained = true;
	}
	if (pool->bytes > pools->v[g->largest].bytes)
		g->largest = no;
}

static int by_group_bytes(const void *pa, const void *pb)
{
	const struct group *a = pa, *b = pb;

	if (a->row.bytes != b->row.bytes)
		return a->row.bytes > b->row.bytes ? -1 : 1;
	return (a->largest > b->largest) - (a->largest < b->largest);
}

/* "2.1 MiB in 40,123 tables, 1.0 MiB in 20,000 strings" */
static void add_content_words(const struct pool *pool, struct text *ret)
{
	for (uint32_t i = 0; i < pool->n_contents && i < CONTENTS_SHOWN; i++) {
		text_add(ret, i ? ", " : "");
		text_add_bytes(ret, pool->contents[i].bytes);
		text_add(ret, " in ");
		text_add_count(ret, pool->contents[i].count);
		text_printf(ret, " %s", pool->contents[i].name);
	}
}

/* Its path, who holds its largest pool, and what is in that. */
static struct err *name_group(struct run *run, struct group *g, uint64_t *steps)
{
	struct report *r = &run->report;
	struct text t = TEXT_INIT;

	pools_path(&run->pools, g->largest, &t);
	g->row.path = arena_strdup(&r->mem, text_str(&t));
	g->row.kind = arena_strdup(&r->mem, g->row.kind);
	text_reset(&t);
	find_holder(run, &run->pools.v[g->largest], steps, &t);
	g->row.holder = t.n ? arena_strdup(&r->mem, text_str(&t)) : NULL;
	text_reset(&t);
	add_content_words(&run->pools.v[g->largest], &t);
	g->row.contents = t.n ? arena_strdup(&r->mem, text_str(&t)) : NULL;
	text_fini(&t);
	return g->row.path && g->row.kind && vec_push(&r->pool_groups, &g->row) ? NULL : &err_nomem;
}

static struct err *add_groups(struct run *run, const uint64_t *retained)
{
	_cleanup_(groups_fini) struct groups g = {};
	const struct pools *pools = &run->pools;
	uint64_t steps = 0;
	struct err *err = NULL;

	g.of = calloc(pools->n + 1, sizeof(*g.of));
	if (!g.of)
		return &err_nomem;
	for (uint32_t i = 0; i < pools->n && !err; i++) {
		err = group_of(&g, &pools->v[i], i, &g.of[i]);
		if (!err)
			add_up(&g.v[g.of[i]], pools, i, retained);
	}
	if (g.n)
		qsort(g.v, g.n, sizeof(*g.v), by_group_bytes);
	for (size_t i = 0; i < g.n && !err; i++)
		err = name_group(run, &g.v[i], &steps);
	return err;
}

/* ---- one by one */

static int by_bytes(const void *pa, const void *pb)
{
	const struct pool *const *a = pa, *const *b = pb;

	if ((*a)->bytes != (*b)->bytes)
		return (*a)->bytes > (*b)->bytes ? -1 : 1;
	return *a < *b ? -1 : *a > *b;
}

static void add_contents(struct report *r, struct rp_node *pool_node, const struct pool *pool)
{
	struct rp_node *list = pool->n_contents ? node_list(r, pool_node, "contents") : NULL;

	for (uint32_t i = 0; i < pool->n_contents; i++) {
		struct rp_node *node = node_map(r, list, NULL);

		node_text(r, node, "name", pool->contents[i].name);
		node_uint(r, node, "count", NODE_COUNT, pool->contents[i].count);
		node_uint(r, node, "bytes", NODE_BYTES, pool->contents[i].bytes);
	}
}

static void add_pool(struct run *run, struct rp_node *list, const struct pool *pool,
		     const uint64_t *retained, uint64_t *steps)
{
	const struct pools *pools = &run->pools;
	struct report *r = &run->report;
	struct rp_node *node = node_map(r, list, NULL);
	struct text path = TEXT_INIT;

	pools_path(pools, (uint32_t)(pool - pools->v), &path);
	node_text(r, node, "kind", pool->kind);
	node_text(r, node, "name", pool->name);
	node_text(r, node, "path", text_str(&path));
	if (run->env.show_contents)
		node_text(r, node, "ident", pool->ident);
	node_uint(r, node, "address", NODE_ADDR, pool->addr);
	if (pool->parent != POOL_NONE)
		node_uint(r, node, "parent", NODE_ADDR, pools->v[pool->parent].addr);
	node_uint(r, node, "blocks", NODE_COUNT, pool->n_blocks);
	node_uint(r, node, "bytes", NODE_BYTES, pool->bytes);
	if (pool->free != UINT64_MAX)
		node_uint(r, node, "free", NODE_BYTES, pool->free);
	if (pool->counts)
		node_uint(r, node, "agrees", NODE_BOOL, pool->agrees);
	add_contents(r, node, pool);
	if (retained && retained[pool - pools->v] != UNKNOWN)
		node_uint(r, node, "retained", NODE_BYTES, retained[pool - pools->v]);
	text_reset(&path);
	find_holder(run, pool, steps, &path);
	if (path.n)
		node_text(r, node, "held_by", text_str(&path));
	text_fini(&path);
}

static void add_group_node(struct report *r, struct rp_node *list, const struct rp_pool_group *g)
{
	struct rp_node *node = node_map(r, list, NULL);

	node_text(r, node, "kind", g->kind);
	node_text(r, node, "path", g->path);
	node_uint(r, node, "pools", NODE_COUNT, g->pools);
	node_uint(r, node, "blocks", NODE_COUNT, g->blocks);
	node_uint(r, node, "bytes", NODE_BYTES, g->bytes);
	if (g->knows_free)
		node_uint(r, node, "free", NODE_BYTES, g->free);
	if (g->knows_retained)
		node_uint(r, node, "retained", NODE_BYTES, g->retained);
	node_text(r, node, "held_by", g->holder);
}

static struct err *add_pools(struct run *run, const uint64_t *retained)
{
	const struct pools *pools = &run->pools;
	uint64_t steps = 0, bytes = 0, unused = 0;
	struct report *r = &run->report;
	_free_ const struct pool **order = calloc(pools->n + 1, sizeof(*order));
	struct rp_node *list;

	if (!order)
		return &err_nomem;
	for (size_t i = 0; i < pools->n; i++) {
		order[i] = &pools->v[i];
		bytes += pools->v[i].bytes;
		unused += pools->v[i].free == UINT64_MAX ? 0 : pools->v[i].free;
	}
	qsort(order, pools->n, sizeof(*order), by_bytes);
	r->pools = node_map(r, NULL, "pools");
	node_uint(r, r->pools, "total", NODE_COUNT, pools->n);
	node_uint(r, r->pools, "bytes", NODE_BYTES, bytes);
	node_uint(r, r->pools, "free", NODE_BYTES, unused);
	list = node_list(r, r->pools, "groups");
	for (size_t i = 0; i < r->pool_groups.n && i < POOLS_SHOWN; i++)
		add_group_node(r, list, &r->pool_groups.v[i]);
	list = node_list(r, r->pools, "list");
	for (size_t i = 0; i < pools->n && i < POOLS_SHOWN; i++)
		add_pool(run, list, order[i], retained, &steps);
	return report_nodes_failed(r) ? &err_nomem : NULL;
}

struct err *describe_pools(struct run *run)
{
	_free_ uint64_t *retained = NULL;
	struct err *err = run->pools.n ? find_retained(run, &retained) : NULL;

	if (err || !run->pools.n)
		return err;
	err = add_groups(run, retained);
	return err ? err : add_pools(run, retained);
}

void pool_words(struct run *run, taddr at, struct text *ret)
{
	uint32_t block = block_at(&run->blocks, at), no = pools_at(&run->pools, at);
	const struct pool *pool;

	if (no == POOL_NONE && block != BLOCK_NONE)
		no = pools_of(&run->pools, block);
	if (no == POOL_NONE)
		return;
	pool = &run->pools.v[no];
	pools_words(&run->pools, no, ret);
	text_printf(ret, " at 0x%" PRIx64, pool->addr);
	if (run->env.show_contents && pool->ident) {
		text_add(ret, " (");
		text_add_escaped(ret, pool->ident, strlen(pool->ident));
		text_add(ret, ")");
	}
	text_add(ret, ": ");
	text_add_bytes(ret, pool->bytes);
	text_printf(ret, " in %u block%s", pool->n_blocks, pool->n_blocks == 1 ? "" : "s");
	if (pool->free != UINT64_MAX) {
		text_add(ret, ", ");
		text_add_bytes(ret, pool->free);
		text_add(ret, " of them free");
	}
	if (pool->n_contents) {
		text_add(ret, "; ");
		add_content_words(pool, ret);
	}
}
