/*
 * analysis/looks.c - what blocks of no known type look like: text, pointers, zeros, ...
 *
 * Each block is looked at with a chance by its size, the large ones always, and stands for as many
 * as it took the place of: about LOOKS looks, whatever the number of blocks.  The chance is a hash
 * of the node's number, so that all runs look at the same ones.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/analysis.h"
#include "base/guard.h"
#include "base/vec.h"

enum { LOOKS = 1 << 14, CLASSES = 8 };

struct class {
	const char *name; /* NULL: like nothing in particular */
	uint64_t count, bytes, looked_at;
};

static struct class *class_of(struct class *classes, size_t *n, const char *name)
{
	size_t i = 0;

	for (; i < *n; i++)
		if (classes[i].name == name ||
		    (name && classes[i].name && !strcmp(classes[i].name, name)))
			return &classes[i];
	if (*n < CLASSES)
		classes[(*n)++].name = name;
	return &classes[i < CLASSES ? i : CLASSES - 1];
}

static void look(const struct graph *g, uint64_t each, struct class *classes, size_t *n)
{
	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it)) {
		uint64_t chance = it.id * 0x9e3779b97f4a7c15ull >> 32;
		struct class *class;

		if ((it.size < each && chance * each >> 32 >= it.size) || graph_type(g, it.id))
			continue;
		class = class_of(classes, n, g->ops->label(g->ctx, it.id));
		class->looked_at++;
		class->count += it.size < each ? each / it.size : 1;
		class->bytes += it.size < each ? each : it.size;
	}
}

static int by_bytes(const void *pa, const void *pb)
{
	const struct class *a = pa, *b = pb;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return !a->name || !b->name ? !a->name - !b->name : strcmp(a->name, b->name);
}

static const struct rp_column columns[] = {
	{ "class", CELL_TEXT },
	{ "count", CELL_COUNT },
	{ "bytes", CELL_BYTES },
	{ "looked_at", CELL_COUNT },
};

static struct err *looks_run(struct env *env, const struct subject *s, struct report *r)
{
	const struct graph *g = s->graph;
	struct rp_table table = {
		.name = "contents",
		.title = "Blocks of no known type, by what they look like",
		.columns = columns,
		.n_columns = ARRAY_SIZE(columns),
	};
	struct class classes[CLASSES] = {};

	(void)env;
	if (!g->ops || !g->ops->label || !g->n_live)
		return NULL;
	look(g, g->n_live <= 4 * LOOKS ? 1 : g->live_bytes / LOOKS, classes, &table.n_rows);
	if (!table.n_rows)
		return NULL;
	qsort(classes, table.n_rows, sizeof(*classes), by_bytes);
	table.rows = arena_alloc(&r->mem, table.n_rows * ARRAY_SIZE(columns) * sizeof(*table.rows));
	if (!table.rows || !vec_push(&r->tables, &table))
		return &err_nomem;
	for (size_t i = 0; i < table.n_rows; i++) {
		struct rp_cell *row = &table.rows[i * ARRAY_SIZE(columns)];

		row[0].text = classes[i].name ? classes[i].name : "other";
		row[1].u = classes[i].count;
		row[2].u = classes[i].bytes;
		row[3].u = classes[i].looked_at;
	}
	return NULL;
}

const struct analysis_ops looks_analysis = {
	.name = "looks",
	.summary = "what blocks of no known type look like",
	.run = looks_run,
};
