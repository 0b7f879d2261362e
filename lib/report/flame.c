/*
 * report/flame.c - samples that share a beginning share its rows.
 *
 * Sorted by their steps from the root, what shares a beginning lies together: one pass opens a row
 * for each step that the sample before has not (as B. Gregg's flamegraph.pl does).
 */
#include "report/flame.h"

#include <stdlib.h>

#include "base/guard.h"
#include "base/vec.h"

static uint32_t step(const struct rp_sample *s, size_t k) /* k-th from the root */
{
	return s->locations[s->n_locations - 1 - k];
}

static int by_steps(const void *pa, const void *pb)
{
	const struct rp_sample *const *a = pa, *const *b = pb, *x = *a, *y = *b;
	size_t n = x->n_locations, m = y->n_locations;

	for (size_t k = 0; k < n && k < m; k++)
		if (step(x, k) != step(y, k))
			return step(x, k) < step(y, k) ? -1 : 1;
	return n < m ? -1 : n > m ? 1 : 0;
}

const char *flame_name(const struct rp_profile *p, uint32_t location)
{
	const struct rp_location *l = &p->locations[location];

	return l->n_lines && l->lines[0].function ? l->lines[0].function : "?";
}

/* The rows on the way to the sample before. */
struct way {
	uint32_t row[FLAME_DEPTH_MAX];
	size_t n;
};

struct rows {
	struct flame_row *v;
	size_t n, cap;
};

static bool add_sample(struct rows *rows, struct way *way, const struct rp_sample *s,
		       size_t n_values)
{
	size_t depth = s->n_locations < FLAME_DEPTH_MAX ? s->n_locations : FLAME_DEPTH_MAX, k = 0;

	while (k < way->n && k < depth && rows->v[way->row[k]].location == step(s, k))
		k++;
	for (way->n = k; k < depth; way->n = ++k) {
		struct flame_row row = { .parent = k ? way->row[k - 1] : FLAME_TOP,
					 .location = step(s, k) };

		if (rows->n >= FLAME_TOP || !vec_push(rows, &row))
			return false;
		way->row[k] = (uint32_t)(rows->n - 1);
	}
	for (size_t v = 0; depth && v < n_values; v++)
		if (s->values[v] > 0)
			rows->v[way->row[depth - 1]].values[v] += (uint64_t)s->values[v];
	return true;
}

static struct err *make_rows(const struct rp_profile *p, const struct rp_sample **order,
			     struct rows *rows)
{
	struct way way = {};

	for (size_t i = 0; i < p->n_samples; i++)
		if (!add_sample(rows, &way, order[i], p->n_values))
			return &err_nomem;
	for (size_t i = rows->n; i--;) { /* each behind the one above it */
		struct flame_row *row = &rows->v[i];

		for (size_t v = 0; row->parent != FLAME_TOP && v < p->n_values; v++)
			rows->v[row->parent].values[v] += row->values[v];
	}
	return NULL;
}

struct err *flame_build(const struct rp_profile *p, struct flame *ret)
{
	_free_ const struct rp_sample **order = calloc(p->n_samples + 1, sizeof(*order));
	struct rows rows = {};
	uint32_t depth = 0;
	struct err *err;

	if (!order)
		return &err_nomem;
	for (size_t i = 0; i < p->n_samples; i++) {
		order[i] = &p->samples[i];
		if (order[i]->n_locations > depth)
			depth = (uint32_t)order[i]->n_locations;
	}
	if (p->n_samples)
		qsort(order, p->n_samples, sizeof(*order), by_steps);
	err = make_rows(p, order, &rows);
	if (err) {
		free(rows.v);
		return err;
	}
	*ret = (struct flame){ rows.v, rows.n, depth < FLAME_DEPTH_MAX ? depth : FLAME_DEPTH_MAX };
	return NULL;
}

void flame_fini(struct flame *f)
{
	free(f->rows);
	*f = (struct flame){};
}
