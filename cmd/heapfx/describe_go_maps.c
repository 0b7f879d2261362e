/*
 * describe_go_maps.c - Go's maps -> report.go: those first that waste most; of package sync those
 * that are largest.
 */
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "pipeline.h"
#include "type/go_maps.h"
#include "type/go_sync_maps.h"

enum { MAPS_MAX = 256 };

/* The worst so far, worst first; and how many there are in all. */
struct worst {
	struct go_map v[MAPS_MAX];
	size_t n;
	uint64_t total;
};

static bool is_worse(const struct go_map *a, const struct go_map *b)
{
	uint64_t wa = go_map_wasted(a), wb = go_map_wasted(b);

	if (wa != wb)
		return wa > wb;
	if (a->bytes != b->bytes)
		return a->bytes > b->bytes;
	return a->addr < b->addr;
}

static struct err *keep(void *arg, node_id node, const struct go_map *map)
{
	struct worst *w = arg;
	size_t at = w->n;

	(void)node;
	w->total++;
	if (w->n == MAPS_MAX && !is_worse(map, &w->v[MAPS_MAX - 1]))
		return NULL;
	while (at && is_worse(map, &w->v[at - 1]))
		at--;
	w->n += w->n < MAPS_MAX;
	memmove(&w->v[at + 1], &w->v[at], (w->n - at - 1) * sizeof(*w->v));
	w->v[at] = *map;
	return NULL;
}

static void add_map(struct report *r, struct rp_node *list, const struct go_map *map)
{
	struct rp_node *node = node_map(r, list, NULL);

	node_text(r, node, "type", map->type ? map->type->name : NULL);
	node_uint(r, node, "address", NODE_ADDR, map->addr);
	node_uint(r, node, "used", NODE_COUNT, map->used);
	node_uint(r, node, "capacity", NODE_COUNT, map->capacity);
	node_uint(r, node, "deleted", NODE_COUNT, map->deleted);
	node_uint(r, node, "overflow_buckets", NODE_COUNT, map->overflow);
	node_uint(r, node, "bytes", NODE_BYTES, map->bytes);
	node_uint(r, node, "wasted", NODE_BYTES, go_map_wasted(map));
	node_uint(r, node, "growing", NODE_BOOL, map->growing);
	if (map->changing)
		node_uint(r, node, "changing", NODE_BOOL, true);
	if (map->damaged)
		node_uint(r, node, "damaged", NODE_BOOL, true);
}

/* ---- of package sync */

struct largest {
	struct go_sync_map v[MAPS_MAX];
	size_t n;
	uint64_t total;
};

static struct err *keep_sync(void *arg, const struct go_sync_map *map)
{
	struct largest *l = arg;
	size_t at = l->n;

	l->total++;
	if (l->n == MAPS_MAX && map->bytes <= l->v[MAPS_MAX - 1].bytes)
		return NULL;
	at -= l->n == MAPS_MAX;
	l->n += l->n < MAPS_MAX;
	while (at && map->bytes > l->v[at - 1].bytes) {
		l->v[at] = l->v[at - 1];
		at--;
	}
	l->v[at] = *map;
	return NULL;
}

/* A global's name; the block's type else. */
static void name_sync_map(struct run *run, struct rp_node *node, const struct go_sync_map *map)
{
	const struct graph *g = run->graph;
	struct text name = TEXT_INIT;

	if (map->in != NODE_NONE) {
		if (graph_type(g, map->in))
			node_text(&run->report, node, "in",
				  g->types->v[graph_type(g, map->in)].name);
		return;
	}
	if (g->ops && g->ops->root)
		g->ops->root(g->ctx, map->root, &name);
	node_text(&run->report, node, "name",
		  name.n ? arena_strdup(&run->report.mem, text_str(&name)) : NULL);
	text_fini(&name);
}

static void add_sync_map(struct run *run, struct rp_node *list, const struct go_sync_map *map)
{
	struct report *r = &run->report;
	struct rp_node *node = node_map(r, list, NULL);

	name_sync_map(run, node, map);
	node_uint(r, node, "address", NODE_ADDR, map->addr);
	node_uint(r, node, "entries", NODE_COUNT, map->live);
	node_uint(r, node, "bytes", NODE_BYTES, map->bytes);
	if (map->is_trie) {
		node_uint(r, node, "nodes", NODE_COUNT, map->nodes);
	} else {
		node_uint(r, node, "deleted", NODE_COUNT, map->deleted);
		node_uint(r, node, "expunged", NODE_COUNT, map->expunged);
		node_uint(r, node, "only_dirty", NODE_COUNT, map->only_dirty);
		node_uint(r, node, "misses", NODE_COUNT, map->misses);
	}
	if (map->need && !map->damaged)
		node_uint(r, node, "wasted", NODE_BYTES,
			  map->bytes > map->need ? map->bytes - map->need : 0);
	if (map->damaged)
		node_uint(r, node, "damaged", NODE_BOOL, true);
}

static struct err *describe_sync_maps(struct run *run)
{
	struct report *r = &run->report;
	_free_ struct largest *l = calloc(1, sizeof(*l));
	struct rp_node *list;
	struct err *err;

	if (!l)
		return &err_nomem;
	err = go_sync_maps_each(&run->env, run->image, &run->blocks, run->graph, keep_sync, l);
	if (err)
		return err;
	node_uint(r, r->go, "sync_maps_total", NODE_COUNT, l->total);
	list = node_list(r, r->go, "sync_maps");
	for (size_t i = 0; i < l->n; i++)
		add_sync_map(run, list, &l->v[i]);
	return NULL;
}

struct err *describe_go_maps(struct run *run)
{
	struct report *r = &run->report;
	_free_ struct worst *w = NULL;
	struct rp_node *list;
	struct err *err;

	if (!r->go || !run->graph->types)
		return NULL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return &err_nomem;
	err = go_maps_each(&run->env, run->image, &run->blocks, run->graph, keep, w);
	if (err)
		return err;
	node_uint(r, r->go, "maps_total", NODE_COUNT, w->total);
	list = node_list(r, r->go, "maps");
	for (size_t i = 0; i < w->n; i++)
		add_map(r, list, &w->v[i]);
	err = describe_sync_maps(run);
	if (err)
		return err;
	return report_nodes_failed(r) ? &err_nomem : NULL;
}
