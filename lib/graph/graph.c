/* graph/graph.c - reading a graph: keys, sizes, the iterator; and its end. */
#include "graph/graph.h"

#include "base/search.h"

#include <inttypes.h>
#include <stdlib.h>

const char *root_kind_name(enum root_kind kind)
{
	static const char *const names[ROOT_KINDS] = {
		[ROOT_GLOBAL] = "global",     [ROOT_TLS] = "tls",	 [ROOT_STACK] = "stack",
		[ROOT_REGISTER] = "register", [ROOT_ANON] = "mapping",
		[ROOT_VECTOR] = "vector",     [ROOT_COUNTED] = "counted",
		[ROOT_GOROUTINE] = "goroutine", [ROOT_FINALIZER] = "finalizer", [ROOT_RUNTIME] = "runtime",
	};

	return (unsigned)kind < ROOT_KINDS ? names[kind] : "unknown";
}

uint64_t graph_start(const struct graph *g, node_id i)
{
	return g->grains ? grains_key(g->grains, i) : g->key[i];
}

uint64_t graph_key(const struct graph *g, node_id i)
{
	uint64_t start = graph_start(g, i);

	return g->ops && g->ops->held ? g->ops->held(g->ctx, start) : start;
}

uint64_t graph_size(const struct graph *g, node_id i)
{
	uint64_t near = 0;

	return graph_size_near(g, i, &near);
}

/* The last node of a sorted key column that starts at or before `key`, if it reaches that far. */
static node_id find_key(const struct graph *g, uint64_t key)
{
	node_id lo = partition_point(g->n, i, g->key[i] <= key);

	if (!lo)
		return NODE_NONE;
	return key == g->key[lo - 1] || key - g->key[lo - 1] < g->size[lo - 1] ? lo - 1 : NODE_NONE;
}

node_id graph_node_at(const struct graph *g, uint64_t key)
{
	return g->grains ? grains_at(g->grains, key) : find_key(g, key);
}

/* `id` may be at the end: then nothing else of the iterator means anything. */
static void settle(struct graph_iter *it)
{
	const struct graph *g = it->g;

	if (!g->grains) {
		while (it->id < g->n && !graph_is_live(g, it->id))
			it->id++;
		if (it->id < g->n) {
			it->key = g->key[it->id];
			it->size = g->size[it->id];
		}
		return;
	}
	while (it->grains.id < g->n && !graph_is_live(g, it->grains.id))
		grains_next(&it->grains);
	it->id = it->grains.id;
	it->key = it->grains.key;
	it->size = it->grains.size;
}

struct graph_iter graph_iter(const struct graph *g, node_id first)
{
	struct graph_iter it = { .g = g, .id = first };

	if (g->grains)
		it.grains = grains_iter(g->grains, first);
	settle(&it);
	return it;
}

static void add_name(const char *type, uint64_t size, struct text *ret)
{
	if (type) {
		text_add(ret, type);
	} else if (size < 1024) {
		text_printf(ret, "%" PRIu64 "-byte block", size);
	} else {
		text_add_bytes(ret, size);
		text_add(ret, " block");
	}
}

void graph_name_node(const struct graph *g, node_id node, uint64_t size, struct text *ret)
{
	add_name(graph_type_name(g, node), size, ret);
}

void graph_name_kind(const struct graph *g, node_id node, uint64_t size, struct text *ret)
{
	add_name(graph_kind_name(g, node), size, ret);
}

void graph_own(struct graph *g, struct col *col)
{
	col_seal(col);
	g->cols[g->n_cols++] = *col;
	*col = (struct col){};
}

void graph_own_rows(struct graph *g, struct edge_row_cols *rows)
{
	g->rows = edge_rows_of(rows);
	graph_own(g, &rows->base);
	graph_own(g, &rows->group);
	graph_own(g, &rows->off);
	graph_own(g, &rows->wide);
}

void graph_free(struct graph *g)
{
	if (!g)
		return;
	if (g->ctx && g->ops && g->ops->close)
		g->ops->close(g->ctx);
	while (g->n_cols)
		col_close(&g->cols[--g->n_cols]);
	arena_fini(&g->names);
	free(g);
}
