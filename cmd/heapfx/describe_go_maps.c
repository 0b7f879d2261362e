/*
 * describe_go_maps.c - Go's maps -> report.go: those first that waste most.
 */
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "pipeline.h"
#include "type/go_maps.h"

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
	if (map->damaged)
		node_uint(r, node, "damaged", NODE_BOOL, true);
}

struct err *describe_go_maps(struct run *run)
{
	struct report *r = &run->report;
	_free_ struct worst *w = NULL;
	struct rp_node *list;
	struct err *err;

	if (!r->go || !run->graph->type)
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
	return report_nodes_failed(r) ? &err_nomem : NULL;
}
