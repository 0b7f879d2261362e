/* analysis/by_type.c - the dominator tree by type, from the cells of its nodes. */
#include "analysis/by_type.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/tree_rows.h"
#include "base/guard.h"

enum { TYPE_ROWS = 8000 };

static struct err *keep_largest(struct report *r, struct rp_tree_row *rows, size_t n)
{
	_free_ uint32_t *at = calloc(n + 1, sizeof(*at));
	size_t told = 0;
	uint64_t least;
	struct err *err = at ? tree_least(rows, n, TYPE_ROWS, &least) : &err_nomem;

	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		if (rows[i].total < least)
			continue;
		at[i] = (uint32_t)told;
		rows[told] = rows[i];
		if (rows[told].parent != TREE_TOP)
			rows[told].parent = at[rows[told].parent];
		told++;
	}
	return tree_settle(r, rows, told, told, n, &r->by_type);
}

static bool is_held(const struct path_tree *t, uint32_t row)
{
	const struct path_row *at = &t->rows.v[row];

	return at->parent == PATH_NONE && !strcmp(t->frames.v[at->frame].name, alike_held);
}

struct err *by_type_add(struct report *r, const struct alike *a)
{
	const struct path_tree *t = &a->types;
	_free_ struct rp_tree_row *rows = calloc(t->rows.n + 1, sizeof(*rows));

	if (!rows)
		return &err_nomem;
	for (size_t i = 0; i < t->rows.n; i++) {
		uint32_t up = t->rows.v[i].parent;

		rows[i] = (struct rp_tree_row){
			.parent = up == PATH_NONE || is_held(t, up) ? TREE_TOP : up,
			.name = t->frames.v[t->rows.v[i].frame].name,
		};
	}
	for (size_t i = 0; i < a->cells.n; i++) {
		const struct alike_cell *cell = &a->cells.v[i];

		if (cell->row == PATH_NONE)
			continue;
		rows[cell->row].count += cell->count;
		rows[cell->row].total += cell->bytes;
	}
	for (size_t i = t->rows.n; i--;) /* a row is younger than the one above it */
		if (rows[i].parent != TREE_TOP)
			rows[rows[i].parent].total += rows[i].total;
	return keep_largest(r, rows, t->rows.n);
}
