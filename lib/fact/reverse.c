/*
 * fact/reverse.c - incoming edges: a counting sort of the forward ones by target.
 *
 * The counts of the rows serve as the cursors of the scatter, so no other memory is needed
 * (Seward, "Information sorting in the application of electronic digital computers", 1954; Knuth,
 * TAOCP 5.2).
 */
#include "fact/parts.h"

enum { AHEAD = 24 };

/* Adds one to the row of each target. */
static void count(const struct graph *g, uint32_t *row)
{
	for (edge_id e = 0; e < g->m; e++) {
		if (e + AHEAD < g->m)
			__builtin_prefetch(&row[EDGE_NODE(g->dst[e + AHEAD])], 1);
		row[EDGE_NODE(g->dst[e])]++;
	}
}

/* Counts become starts, relative to a base for each ROW_BLOCK nodes. */
static struct err *starts(const struct graph *g, uint32_t *row, uint64_t *base)
{
	uint64_t at = 0, from = 0;

	for (uint64_t i = 0; i <= g->n; i++) {
		uint32_t n = row[i];

		if (!(i & ((1u << ROW_BLOCK_SHIFT) - 1)))
			base[i >> ROW_BLOCK_SHIFT] = from = at;
		if (at - from > UINT32_MAX)
			return err_new(ERR_LIMIT, "more than 2^32 edges to 65,536 nodes");
		row[i] = (uint32_t)(at - from);
		at += n;
	}
	return NULL;
}

static void scatter(const struct graph *g, uint32_t *row, const uint64_t *base, uint32_t *src)
{
	node_id from = 0;

	for (edge_id e = 0; e < g->m; e++) {
		uint32_t to = EDGE_NODE(g->dst[e]);

		if (e + 2 * AHEAD < g->m)
			__builtin_prefetch(&row[EDGE_NODE(g->dst[e + 2 * AHEAD])], 1);
		if (e + AHEAD < g->m) {
			uint32_t next = EDGE_NODE(g->dst[e + AHEAD]);

			__builtin_prefetch(&src[base[next >> ROW_BLOCK_SHIFT] + row[next]], 1);
		}
		while (graph_row(g, from + 1) <= e)
			from++;
		src[base[to >> ROW_BLOCK_SHIFT] + row[to]++] = from | (g->dst[e] & EDGE_INTERIOR);
	}
	/* Each cursor stands at the end of its row, the start of the next. */
	for (uint64_t i = g->n; i; i--)
		row[i] = i & ((1u << ROW_BLOCK_SHIFT) - 1) ? row[i - 1] : 0;
	row[0] = 0;
}

struct err *reverse_compute(struct env *env, const struct graph *g, const struct subset *inner,
			    struct facts *f)
{
	struct col *cols = f->cols;
	struct err *err =
		col_fixed(env, 4, (uint64_t)g->n + 1, "incoming edges", &cols[COL_IN_ROW]);

	(void)inner;
	if (!err)
		err = col_fixed(env, 8, (g->n >> ROW_BLOCK_SHIFT) + 1, "incoming edges",
				&cols[COL_IN_BASE]);
	if (!err)
		err = col_fixed(env, 4, g->m, "incoming edges", &cols[COL_IN_SRC]);
	if (err)
		return err;
	count(g, cols[COL_IN_ROW].base);
	err = starts(g, cols[COL_IN_ROW].base, cols[COL_IN_BASE].base);
	if (err)
		return err;
	scatter(g, cols[COL_IN_ROW].base, cols[COL_IN_BASE].base, cols[COL_IN_SRC].base);
	f->in_row = cols[COL_IN_ROW].base;
	f->in_row_base = cols[COL_IN_BASE].base;
	f->in_src = cols[COL_IN_SRC].base;
	return NULL;
}
