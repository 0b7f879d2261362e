/*
 * graph/build.c - a graph from nodes, edges and roots given one by one.
 *
 * For producers that have edges in source order (snapshots, tests); each node is live.
 */
#include <stdlib.h>

#include "base/guard.h"
#include "graph/graph.h"

enum { COL_KEY, COL_SIZE, COL_LIVE, COL_DST, COL_ROOT_NODE, COL_ROOT_SOURCE, COL_ROOT_AT, COL_SOURCES, N_COLS };

#define MAX_NODES (1ull << 31)
#define MAX_EDGES (1ull << 40)

struct graph_builder {
	struct env *env;
	struct col cols[N_COLS];
	struct col starts; /* of rows already begun */
	uint32_t max_node; /* greatest node that an edge or a root named, plus one */
};

void graph_builder_free(struct graph_builder *b)
{
	if (!b)
		return;
	for (unsigned i = 0; i < N_COLS; i++)
		col_close(&b->cols[i]);
	col_close(&b->starts);
	free(b);
}

static void guard_builder(struct graph_builder **b)
{
	graph_builder_free(*b);
}

struct err *graph_builder_new(struct env *env, struct graph_builder **ret)
{
	static const struct {
		uint8_t elem_size;
		uint64_t max;
		const char *what;
	} kinds[N_COLS] = {
		[COL_KEY] = { 8, MAX_NODES, "node keys" },
		[COL_SIZE] = { 8, MAX_NODES, "node sizes" },
		[COL_LIVE] = { 8, MAX_NODES / 64, "live nodes" },
		[COL_DST] = { 4, MAX_EDGES, "edges" },
		[COL_ROOT_NODE] = { 4, UINT32_MAX, "roots" },
		[COL_ROOT_SOURCE] = { 4, UINT32_MAX, "roots" },
		[COL_ROOT_AT] = { 8, UINT32_MAX, "roots" },
		[COL_SOURCES] = { sizeof(struct root_source), UINT32_MAX, "root sources" },
	};
	_cleanup_(guard_builder) struct graph_builder *b = calloc(1, sizeof(*b));
	struct err *err;

	if (!b)
		return &err_nomem;
	b->env = env;
	err = col_open_moving(env, 8, MAX_NODES + 1, "edge rows", &b->starts);
	for (unsigned i = 0; i < N_COLS && !err; i++)
		err = col_open_moving(env, kinds[i].elem_size, kinds[i].max, kinds[i].what, &b->cols[i]);
	if (err)
		return err;
	*ret = take(&b);
	return NULL;
}

struct err *graph_add_node(struct graph_builder *b, uint64_t key, uint64_t size)
{
	struct col *keys = &b->cols[COL_KEY];
	struct err *err;

	if (keys->n && key <= ((const uint64_t *)keys->base)[keys->n - 1])
		return err_new(ERR_FORMAT, "node keys do not ascend at %#llx", (unsigned long long)key);
	err = col_append(keys, &key, 1);
	if (!err)
		err = col_append(&b->cols[COL_SIZE], &size, 1);
	return err;
}

/* Begins rows up to that of `node`. */
static struct err *begin_rows(struct graph_builder *b, uint64_t upto)
{
	struct err *err = NULL;

	while (b->starts.n <= upto && !err)
		err = col_append(&b->starts, &b->cols[COL_DST].n, 1);
	return err;
}

static void note_node(struct graph_builder *b, uint32_t node)
{
	if (node >= b->max_node)
		b->max_node = node + 1;
}

struct err *graph_add_edge(struct graph_builder *b, node_id src, uint32_t dst)
{
	struct col *edges = &b->cols[COL_DST];
	const uint64_t *starts;
	const uint32_t *d = edges->base;
	struct err *err;

	if (src >= MAX_NODES || (b->starts.n && src < b->starts.n - 1))
		return err_new(ERR_FORMAT, "edges of node %u come out of order", src);
	err = begin_rows(b, src);
	if (err)
		return err;
	starts = b->starts.base; /* which may have moved */
	note_node(b, src);
	note_node(b, EDGE_NODE(dst));
	if (EDGE_NODE(dst) == src)
		return NULL;
	if (edges->n > starts[src] && d[edges->n - 1] == dst)
		return NULL;
	return col_append(edges, &dst, 1);
}

static bool same_source(const struct root_source *a, const struct root_source *b)
{
	return a->kind == b->kind && a->thread == b->thread && a->module == b->module && a->start == b->start &&
	       a->end == b->end;
}

struct err *graph_add_root(struct graph_builder *b, const struct root_source *source, uint32_t node, uint64_t at)
{
	struct col *sources = &b->cols[COL_SOURCES];
	uint32_t index;
	struct err *err = NULL;

	if (!sources->n || !same_source(&((const struct root_source *)sources->base)[sources->n - 1], source))
		err = col_append(sources, source, 1);
	index = (uint32_t)sources->n - 1;
	if (!err)
		err = col_append(&b->cols[COL_ROOT_NODE], &node, 1);
	if (!err)
		err = col_append(&b->cols[COL_ROOT_SOURCE], &index, 1);
	if (!err)
		err = col_append(&b->cols[COL_ROOT_AT], &at, 1);
	if (!err)
		note_node(b, EDGE_NODE(node));
	return err;
}

static struct err *all_live(struct graph_builder *b, uint64_t n)
{
	for (uint64_t left = n; left; left -= left < 64 ? left : 64) {
		uint64_t word = left < 64 ? (1ull << left) - 1 : ~0ull;
		struct err *err = col_append(&b->cols[COL_LIVE], &word, 1);

		if (err)
			return err;
	}
	return NULL;
}

static struct err *make_rows(struct graph_builder *b, uint64_t n, struct edge_row_cols *ret)
{
	struct edge_row_cols rows;
	struct err *err = begin_rows(b, n);
	const uint64_t *starts = b->starts.base;

	if (!err)
		err = edge_rows_open(b->env, n, &rows);
	if (err)
		return err;
	for (uint64_t i = 0; i <= n && !err; i++)
		err = edge_rows_begin(&rows, (node_id)i, starts[i]);
	if (err) {
		edge_rows_close(&rows);
		return err;
	}
	*ret = rows;
	return NULL;
}

struct err *graph_build_finish(struct graph_builder *b, struct graph **ret)
{
	uint64_t n = b->cols[COL_KEY].n;
	_free_ struct graph *g = calloc(1, sizeof(*g));
	struct edge_row_cols rows;
	struct err *err;

	if (!g)
		return &err_nomem;
	if (b->max_node > n)
		return err_new(ERR_FORMAT, "an edge or a root names node %u of %llu", b->max_node - 1,
			       (unsigned long long)n);
	err = all_live(b, n);
	if (!err)
		err = make_rows(b, n, &rows);
	if (err)
		return err;
	*g = (struct graph){
		.env = b->env,
		.n = (node_id)n,
		.n_live = (node_id)n,
		.m = b->cols[COL_DST].n,
		.key = b->cols[COL_KEY].base,
		.size = b->cols[COL_SIZE].base,
		.live = b->cols[COL_LIVE].base,
		.dst = b->cols[COL_DST].base,
		.n_roots = (uint32_t)b->cols[COL_ROOT_NODE].n,
		.root_node = b->cols[COL_ROOT_NODE].base,
		.root_source = b->cols[COL_ROOT_SOURCE].base,
		.root_at = b->cols[COL_ROOT_AT].base,
		.sources = b->cols[COL_SOURCES].base,
		.n_sources = (uint32_t)b->cols[COL_SOURCES].n,
	};
	for (node_id i = 0; i < g->n; i++)
		g->live_bytes += g->size[i];
	for (unsigned i = 0; i < N_COLS; i++)
		graph_own(g, &b->cols[i]);
	graph_own_rows(g, &rows);
	*ret = take(&g);
	return NULL;
}
