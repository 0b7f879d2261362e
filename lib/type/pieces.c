/* type/pieces.c - a sweep over the ends of ranges, with a heap of those that cover the place. */
#include "type/pieces.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/guard.h"
#include "base/vec.h"

struct pieces {
	struct piece *v;
	size_t n, cap;
};

/* Precedence: what is excluded, then the lowest owner. */
static bool wins(const struct piece *a, const struct piece *b)
{
	return a->owner + 1u < b->owner + 1u;
}

static int by_start(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->owner == y->owner ? 0 : wins(x, y) ? -1 : 1;
}

static int by_owner(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

static void heap_add(struct piece *heap, size_t *n, struct piece p)
{
	size_t i = (*n)++;

	for (; i && wins(&p, &heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = p;
}

static void heap_drop(struct piece *heap, size_t *n)
{
	struct piece last = heap[--*n];
	size_t i = 0, child;

	for (; (child = 2 * i + 1) < *n; i = child) {
		if (child + 1 < *n && wins(&heap[child + 1], &heap[child]))
			child++;
		if (!wins(&heap[child], &last))
			break;
		heap[i] = heap[child];
	}
	heap[i] = last;
}

static bool emit(struct pieces *out, uint64_t start, uint64_t end, uint32_t owner)
{
	struct piece p = { start, end, owner };

	if (owner == PIECE_EXCLUDED)
		return true;
	if (out->n && out->v[out->n - 1].owner == owner && out->v[out->n - 1].end == start) {
		out->v[out->n - 1].end = end;
		return true;
	}
	return vec_push(out, &p);
}

struct err *pieces_cut(struct piece *in, size_t n, struct piece **ret, size_t *ret_n)
{
	_free_ struct piece *heap = calloc(n + 1, sizeof(*heap));
	struct pieces out = {};
	size_t n_heap = 0, i = 0;
	uint64_t at = 0;

	if (!heap)
		return &err_nomem;
	if (n)
		qsort(in, n, sizeof(*in), by_start);
	while (i < n || n_heap) {
		uint64_t end;

		while (n_heap && heap[0].end <= at)
			heap_drop(heap, &n_heap);
		if (!n_heap) {
			if (i == n)
				break;
			if (in[i].start > at)
				at = in[i].start;
		}
		for (; i < n && in[i].start <= at; i++)
			if (in[i].end > at)
				heap_add(heap, &n_heap, in[i]);
		if (!n_heap)
			continue;
		end = heap[0].end;
		if (i < n && in[i].start < end)
			end = in[i].start;
		if (!emit(&out, at, end, heap[0].owner)) {
			free(out.v);
			return &err_nomem;
		}
		at = end;
	}
	if (out.n)
		qsort(out.v, out.n, sizeof(*out.v), by_owner);
	*ret = out.v;
	*ret_n = out.n;
	return NULL;
}
