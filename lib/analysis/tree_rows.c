/* analysis/tree_rows.c - a tree as reports have it: rows below their parent, the largest first. */
#include "analysis/tree_rows.h"

#include <stdlib.h>

#include "base/guard.h"

static int by_parent(const void *pa, const void *pb)
{
	const struct rp_tree_row *const *x = pa, *const *y = pb, *a = *x, *b = *y;

	if (a->parent != b->parent)
		return a->parent < b->parent ? -1 : 1;
	if (a->total != b->total)
		return a->total < b->total ? 1 : -1;
	return a < b ? -1 : a > b;
}

struct err *tree_settle(struct report *r, const struct rp_tree_row *rows, size_t n, uint64_t told,
			  uint64_t nodes, const struct rp_tree **ret)
{
	_free_ const struct rp_tree_row **order = calloc(n + 1, sizeof(*order));
	_free_ uint32_t *first = calloc(n + 2, sizeof(*first)), *stack = calloc(n + 1, 8);
	struct rp_tree_row *out = arena_alloc(&r->mem, (n + 1) * sizeof(*out));
	struct rp_tree *tree = arena_alloc(&r->mem, sizeof(*tree));
	size_t open = 0, done = 0;

	if (!order || !first || !stack || !out || !tree)
		return &err_nomem;
	for (size_t i = 0; i < n; i++)
		order[i] = &rows[i];
	qsort(order, n, sizeof(*order), by_parent);
	/* first[p] .. first[p + 1]: children of row p; those of TREE_TOP come behind all others */
	for (size_t p = 0, i = 0; p <= n + 1; p++) {
		while (i < n && order[i]->parent < p)
			i++;
		first[p] = (uint32_t)i;
	}
	for (size_t i = n; i-- > first[n];) {
		stack[2 * open] = (uint32_t)i;
		stack[2 * open++ + 1] = TREE_TOP;
	}
	while (open) {
		const struct rp_tree_row *row = order[stack[2 * --open]];
		size_t id = (size_t)(row - rows);

		if (!row->total)
			continue;
		out[done] = *row;
		out[done].parent = stack[2 * open + 1];
		for (size_t i = first[id + 1]; i-- > first[id]; open++) {
			stack[2 * open] = (uint32_t)i;
			stack[2 * open + 1] = (uint32_t)done;
		}
		done++;
	}
	*tree = (struct rp_tree){ .rows = out, .n = done, .told = told, .nodes = nodes };
	*ret = tree;
	return NULL;
}
