/* type/go_pools.c - every sync.Pool as an owner, and the blocks its storage is as its gates. */
#include <stdlib.h>

#include "base/guard.h"
#include "base/vec.h"
#include "type/go_pools.h"
#include "type/noter.h"

struct pools {
	const struct go *go;
	const struct graph *g;
	struct note_sink *sink;
	struct { /* of the pool that is read */
		node_id *v;
		size_t n, cap;
	} gates;
};

static struct err *add_gate(void *arg, taddr at)
{
	struct pools *p = arg;
	node_id node = graph_node_at(p->g, at);

	if (node == NODE_NONE || !graph_is_live(p->g, node))
		return NULL;
	return vec_push(&p->gates, &node) ? NULL : &err_nomem;
}

static struct err *note_pool(struct pools *p, taddr at)
{
	struct go_pool_sink sink = { .block = add_gate, .arg = p };
	struct text name = TEXT_INIT;
	struct owner owner = { .kind = OWNER_POOL, .address = at };
	struct go_pool pool;
	uint32_t id = 0;
	struct err *err;

	p->gates.n = 0;
	err = go_pool_read(p->go, at, &sink, &pool);
	if (err || !p->gates.n)
		return err;
	go_pool_name(p->go, at, &name);
	owner.name = text_str(&name);
	owner.count = pool.n_local + pool.n_victim;
	owner.old = pool.n_victim;
	owner.undrawn = pool.undrawn;
	err = p->sink->owner(p->sink, &owner, &id);
	for (size_t i = 0; i < p->gates.n && !err; i++)
		err = p->sink->gate(p->sink, p->gates.v[i], id);
	text_fini(&name);
	return err;
}

static struct err *find(struct env *env, const struct image *img, const struct blocks *blocks,
			const struct graph *g, struct note_sink *sink)
{
	struct pools p = { .go = img->go, .g = g, .sink = sink };
	_free_ taddr *pools = NULL;
	size_t n = 0;
	struct err *err;

	(void)env;
	(void)blocks;
	if (!p.go)
		return NULL;
	err = go_pools_list(p.go, &pools, &n);
	for (size_t i = 0; i < n && !err; i++)
		err = note_pool(&p, pools[i]);
	free(p.gates.v);
	return err;
}

extern const struct noter_ops noter_go_pools;
const struct noter_ops noter_go_pools = { .name = "pools", .find = find };
