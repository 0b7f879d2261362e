/* report/tree.c - trees cut to their largest rows. */
#include "report/tree.h"

#include <stdlib.h>

#include "base/guard.h"

static int largest_first(const void *pa, const void *pb)
{
	const uint64_t *a = pa, *b = pb;

	return *a < *b ? 1 : *a > *b ? -1 : 0;
}

struct err *tree_least(const struct rp_tree_row *rows, size_t n, size_t max, uint64_t *ret)
{
	_free_ uint64_t *totals = calloc(n + 1, sizeof(*totals));

	if (!totals)
		return &err_nomem;
	for (size_t i = 0; i < n; i++)
		totals[i] = rows[i].total;
	if (n)
		qsort(totals, n, sizeof(*totals), largest_first);
	*ret = n <= max ? 0 : totals[max] + 1;
	return NULL;
}
