/*
 * describe_pools.c - programs' own allocators -> report.pools, those that hold most first; and
 * whose an address is.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "pipeline.h"
#include "type/pools.h"

enum { POOLS_SHOWN = 1000 };

static int by_bytes(const void *pa, const void *pb)
{
	const struct pool *const *a = pa, *const *b = pb;

	if ((*a)->bytes != (*b)->bytes)
		return (*a)->bytes > (*b)->bytes ? -1 : 1;
	return *a < *b ? -1 : *a > *b;
}

static void add_pool(struct run *run, struct rp_node *list, const struct pools *pools,
		     const struct pool *pool)
{
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
	text_fini(&path);
}

static struct err *add_pools(struct run *run, const struct pools *pools)
{
	struct report *r = &run->report;
	_free_ const struct pool **order = calloc(pools->n + 1, sizeof(*order));
	struct rp_node *list;

	if (!order)
		return &err_nomem;
	for (size_t i = 0; i < pools->n; i++)
		order[i] = &pools->v[i];
	qsort(order, pools->n, sizeof(*order), by_bytes);
	r->pools = node_map(r, NULL, "pools");
	node_uint(r, r->pools, "total", NODE_COUNT, pools->n);
	list = node_list(r, r->pools, "list");
	for (size_t i = 0; i < pools->n && i < POOLS_SHOWN; i++)
		add_pool(run, list, pools, order[i]);
	return report_nodes_failed(r) ? &err_nomem : NULL;
}

struct err *describe_pools(struct run *run)
{
	return run->pools.n ? add_pools(run, &run->pools) : NULL;
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
	text_printf(ret, "%s ", pool->kind);
	pools_path(&run->pools, no, ret);
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
}
