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

static bool is_looked_at(node_id id, uint64_t size, uint64_t each)
{
	uint64_t chance = id * 0x9e3779b97f4a7c15ull >> 32;

	return size >= each || chance * each >> 32 < size;
}

/* Of most nodes it is known that they are not looked at before their size is. */
static void look(const struct graph *g, uint64_t each, struct class *classes, size_t *n)
{
	uint64_t near = 0;

	for (uint64_t w = 0; w < bits_words(g->n); w++) {
		uint64_t most = graph_size_most(g, w);

		for (uint64_t bits = g->live[w]; bits; bits &= bits - 1) {
			node_id id = (node_id)(w << 6 | (unsigned)__builtin_ctzll(bits));
			struct class *class;
			uint64_t size;

			if (!is_looked_at(id, most, each) || graph_type(g, id))
				continue;
			size = graph_size_near(g, id, &near);
			if (!is_looked_at(id, size, each))
				continue;
			class = class_of(classes, n, g->ops->label(g->ctx, id));
			class->looked_at++;
			class->count += size < each ? each / size : 1;
			class->bytes += size < each ? each : size;
		}
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
