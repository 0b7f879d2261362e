/*
 * fact/knots.c - of goroutines that wait forever: who reaches what another one waits for, and which
 * wait for each other in a ring.
 *
 * One search from the roots of each, over what nobody who may run reaches; goroutines and things
 * make a small graph, whose strongly connected components are the rings (Coffman, Elphick and
 * Shoshani, "System deadlocks", 1971).  A channel, or a lock, does not say who has it: who reaches
 * it is a candidate, not more.
 */
#include "fact/parts.h"

#include <stdlib.h>

#include "base/guard.h"
#include "base/vec.h"

enum {
	VISITS_MAX = 1 << 26, /* of nodes and edges, in all searches */
	HOLDERS_MAX = 1 << 20,
};

struct knots {
	const struct graph *g;
	const struct facts *f;
	uint64_t *visited, *special; /* special: a node that waits name */
	struct col visited_col, special_col;
	struct { node_id *v; size_t n, cap; } stack, seen;
	struct { struct thing *v; size_t n, cap; } things;
	struct { struct thing_wait *v; size_t n, cap; } waits;
	struct { struct thing_holder *v; size_t n, cap; } holders;
	struct { uint32_t *v; size_t n, cap; } roots; /* of stuck goroutines, by goroutine */
	uint64_t visits;
	bool cut;
};

static void fini(struct knots *k)
{
	col_close(&k->visited_col);
	col_close(&k->special_col);
	free(k->stack.v);
	free(k->seen.v);
	free(k->things.v);
	free(k->waits.v);
	free(k->holders.v);
	free(k->roots.v);
}

/* ---- things */

static int by_thing(const void *pa, const void *pb)
{
	const struct wait *a = *(const struct wait *const *)pa;
	const struct wait *b = *(const struct wait *const *)pb;

	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	return a->thread < b->thread ? -1 : a->thread > b->thread;
}

static int by_thread(const void *pa, const void *pb)
{
	const struct thing_wait *a = pa, *b = pb;

	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	return a->thing < b->thing ? -1 : a->thing > b->thing;
}

static struct err *add_wait(struct knots *k, const struct wait *w)
{
	struct thing *last = k->things.n ? &k->things.v[k->things.n - 1] : NULL;
	struct thing_wait row = { .thread = w->thread };

	if (!last || last->node != w->node || last->offset != w->offset) {
		struct thing fresh = { .node = w->node, .offset = w->offset, .on = w->on };

		if (!vec_push(&k->things, &fresh))
			return &err_nomem;
	}
	row.thing = (uint32_t)k->things.n - 1;
	return vec_push(&k->waits, &row) ? NULL : &err_nomem;
}

static struct err *find_things(struct knots *k)
{
	const struct graph *g = k->g;
	_free_ const struct wait **rows = calloc((size_t)g->n_waits + 1, sizeof(*rows));
	struct err *err = NULL;
	size_t n = 0;

	if (!rows)
		return &err_nomem;
	for (uint32_t i = 0; i < g->n_waits; i++) {
		const struct wait *w = &g->waits[i];

		if (w->node == NODE_NONE || !is_stuck(k->f, w->thread))
			continue;
		bit_set(k->special, w->node);
		if (w->kind == WAIT_FOR)
			rows[n++] = w;
	}
	qsort(rows, n, sizeof(*rows), by_thing);
	for (size_t i = 0; i < n && !err; i++)
		err = add_wait(k, rows[i]);
	if (!err && k->waits.n)
		qsort(k->waits.v, k->waits.n, sizeof(*k->waits.v), by_thread);
	return err;
}

/* ---- who reaches them */

static bool waits_for(const struct knots *k, uint32_t thread, uint32_t thing)
{
	struct thing_wait key = { thread, thing };

	return k->waits.n &&
	       bsearch(&key, k->waits.v, k->waits.n, sizeof(key), by_thread) != NULL;
}

/* The things in a node, for a goroutine that has come there. */
static struct err *meet(struct knots *k, uint32_t thread, node_id node)
{
	size_t lo = 0, hi = k->things.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (k->things.v[mid].node < node)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < k->things.n && k->things.v[lo].node == node; lo++) {
		struct thing_holder h = { (uint32_t)lo, thread };

		if (waits_for(k, thread, h.thing))
			continue;
		k->cut |= k->holders.n == HOLDERS_MAX;
		if (!k->cut && !vec_push(&k->holders, &h))
			return &err_nomem;
	}
	return NULL;
}

/* A goroutine's own block: what it leads to is what the goroutine waits for. */
static bool is_hidden(const struct graph *g, const struct facts *f, node_id node)
{
	uint32_t lo = 0, hi = g->n_waits;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (g->waits[mid].node < node)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < g->n_waits && g->waits[lo].node == node; lo++)
		if (g->waits[lo].kind == WAIT_HIDDEN && is_stuck(f, g->waits[lo].thread))
			return true;
	return false;
}

static struct err *visit(struct knots *k, uint32_t thread, node_id node)
{
	k->visits++;
	if (bit_get(k->visited, node) || bit_get(k->f->awake, node))
		return NULL;
	bit_set(k->visited, node);
	if (!vec_push(&k->seen, &node))
		return &err_nomem;
	if (bit_get(k->special, node)) {
		struct err *err = meet(k, thread, node);

		if (err || is_hidden(k->g, k->f, node))
			return err;
	}
	return vec_push(&k->stack, &node) ? NULL : &err_nomem;
}

static struct err *search(struct knots *k, uint32_t thread, const uint32_t *roots, size_t n)
{
	const struct graph *g = k->g;
	struct err *err = NULL;

	for (size_t i = 0; i < n && !err; i++)
		err = visit(k, thread, EDGE_NODE(g->root_node[roots[i]]));
	while (k->stack.n && !err && k->visits < VISITS_MAX) {
		node_id node = k->stack.v[--k->stack.n];

		for (edge_id e = graph_row(g, node); e < graph_row(g, node + 1) && !err; e++)
			err = visit(k, thread, EDGE_NODE(g->dst[e]));
	}
	k->cut |= k->stack.n > 0;
	k->stack.n = 0;
	for (size_t i = 0; i < k->seen.n; i++)
		bit_clear(k->visited, k->seen.v[i]);
	k->seen.n = 0;
	return err;
}

static uint32_t thread_of(const struct graph *g, uint32_t root)
{
	return g->sources[g->root_source[root]].thread;
}

/* Roots come source by source, and all of a goroutine's sources together. */
static struct err *search_all(struct knots *k)
{
	const struct graph *g = k->g;
	struct err *err = NULL;

	for (uint32_t i = 0; i < g->n_roots; i++)
		if (g->sources[g->root_source[i]].kind == ROOT_GOROUTINE &&
		    is_stuck(k->f, thread_of(g, i)) && !vec_push(&k->roots, &i))
			return &err_nomem;
	for (size_t i = 0, end = 0; i < k->roots.n && !err && k->visits < VISITS_MAX; i = end) {
		uint32_t thread = thread_of(g, k->roots.v[i]);

		while (end < k->roots.n && thread_of(g, k->roots.v[end]) == thread)
			end++;
		err = search(k, thread, &k->roots.v[i], end - i);
	}
	k->cut |= k->visits >= VISITS_MAX;
	return err;
}

static int by_holder(const void *pa, const void *pb)
{
	const struct thing_holder *a = pa, *b = pb;

	if (a->thing != b->thing)
		return a->thing < b->thing ? -1 : 1;
	return a->thread < b->thread ? -1 : a->thread > b->thread;
}

/* Sources of one goroutine that did not come together may have found a thing twice. */
static void sort_holders(struct knots *k)
{
	size_t n = 0;

	if (k->holders.n)
		qsort(k->holders.v, k->holders.n, sizeof(*k->holders.v), by_holder);
	for (size_t i = 0; i < k->holders.n; i++)
		if (!n || by_holder(&k->holders.v[n - 1], &k->holders.v[i]))
			k->holders.v[n++] = k->holders.v[i];
	k->holders.n = n;
}

/* ---- rings */

/* Nodes: every goroutine, then every thing. */
static struct err *build(struct env *env, const struct knots *k, struct graph_builder *b,
			 struct graph **ret)
{
	uint32_t n = k->f->n_stuck_bits;
	size_t at = 0;
	struct err *err = NULL;

	(void)env;
	for (uint64_t i = 0; i < n + k->things.n && !err; i++)
		err = graph_add_node(b, i + 1, 1);
	for (; at < k->waits.n && !err; at++)
		err = graph_add_edge(b, k->waits.v[at].thread, n + k->waits.v[at].thing);
	for (at = 0; at < k->holders.n && !err; at++)
		err = graph_add_edge(b, n + k->holders.v[at].thing, k->holders.v[at].thread);
	return err ? err : graph_build_finish(b, ret);
}

/* Owners of one ring are one from now on: the lowest. */
static uint32_t top_of(const uint32_t *knot, uint32_t owner)
{
	while (knot[owner] != owner)
		owner = knot[owner];
	return owner;
}

static void tie(uint32_t *knot, uint32_t a, uint32_t b)
{
	a = top_of(knot, a);
	b = top_of(knot, b);
	if (a < b)
		knot[b] = a;
	else
		knot[a] = b;
}

/* ring[]: of each goroutine a number from 1 on, by the lowest of its ring; 0: in none. */
static struct err *number_rings(struct env *env, const struct graph *threads, uint32_t n,
				uint32_t *ring)
{
	_free_ uint64_t *all = calloc(bits_words(threads->n) + 1, 8);
	_free_ uint32_t *size = NULL, *number = NULL;
	struct lost_parts parts;
	uint32_t n_rings = 0;
	struct err *err;

	if (!all)
		return &err_nomem;
	for (node_id i = 0; i < threads->n; i++)
		bit_set(all, i);
	err = parts_of_set(env, threads, all, &parts);
	if (err)
		return err;
	size = calloc((size_t)parts.n_parts + 1, sizeof(*size));
	number = calloc((size_t)parts.n_parts + 1, sizeof(*number));
	for (node_id i = 0; i < n && size && number; i++)
		size[parts.part[i]]++;
	for (node_id i = 0; i < n && size && number; i++) {
		uint32_t part = parts.part[i];

		if (size[part] > 1 && !number[part])
			number[part] = ++n_rings;
		ring[i] = number[part];
	}
	lost_parts_close(&parts);
	return size && number ? NULL : &err_nomem;
}

static void tie_owners(const struct knots *k, const uint32_t *ring, uint32_t n, uint32_t *first,
		       uint32_t *knot)
{
	for (uint32_t i = 0; i < k->g->n_sources; i++) {
		const struct root_source *s = &k->g->sources[i];

		if (s->kind != ROOT_GOROUTINE || s->thread >= n || !ring[s->thread] || !s->owner)
			continue;
		if (first[ring[s->thread]])
			tie(knot, first[ring[s->thread]] - 1, s->owner - 1);
		first[ring[s->thread]] = s->owner;
	}
	for (uint32_t i = 0; i < k->g->n_owners; i++)
		knot[i] = top_of(knot, i);
}

static struct err *find_rings(struct env *env, const struct knots *k, struct facts *f)
{
	_free_ uint32_t *first = calloc((size_t)f->n_stuck_bits + 2, sizeof(*first));
	struct graph_builder *b = NULL;
	struct graph *threads = NULL;
	struct err *err = first ? NULL : &err_nomem;
	uint32_t *knot;

	if (!err)
		err = col_fixed(env, 4, f->n_stuck_bits, "rings of goroutines", &f->cols[COL_RING]);
	if (!err)
		err = col_fixed(env, 4, k->g->n_owners, "rings of goroutines", &f->cols[COL_KNOT]);
	if (err)
		return err;
	knot = f->cols[COL_KNOT].base;
	for (uint32_t i = 0; i < k->g->n_owners; i++)
		knot[i] = i;
	if (!k->holders.n)
		return NULL;
	err = graph_builder_new(env, &b);
	if (!err)
		err = build(env, k, b, &threads);
	graph_builder_free(b);
	if (!err)
		err = number_rings(env, threads, f->n_stuck_bits, f->cols[COL_RING].base);
	graph_free(threads);
	if (!err)
		tie_owners(k, f->cols[COL_RING].base, f->n_stuck_bits, first, knot);
	return err;
}

/* ---- all */

static struct err *keep(struct env *env, struct facts *f, unsigned col, const void *v, size_t n,
			size_t size, const char *what)
{
	struct err *err = col_fixed(env, size, n, what, &f->cols[col]);

	if (!err && n)
		memcpy(f->cols[col].base, v, n * size);
	return err;
}

static struct err *run(struct env *env, struct knots *k, struct facts *f)
{
	struct err *err = col_fixed(env, 8, bits_words(k->g->n) + 1, "nodes to visit",
				    &k->visited_col);

	if (!err)
		err = col_fixed(env, 8, bits_words(k->g->n) + 1, "what goroutines wait for",
				&k->special_col);
	if (err)
		return err;
	k->visited = k->visited_col.base;
	k->special = k->special_col.base;
	err = find_things(k);
	if (!err)
		err = search_all(k);
	if (err)
		return err;
	sort_holders(k);
	err = find_rings(env, k, f);
	if (!err)
		err = keep(env, f, COL_THINGS, k->things.v, k->things.n, sizeof(struct thing),
			   "things waited for");
	if (!err)
		err = keep(env, f, COL_WAITS, k->waits.v, k->waits.n, sizeof(struct thing_wait),
			   "things waited for");
	if (!err)
		err = keep(env, f, COL_HOLDERS, k->holders.v, k->holders.n,
			   sizeof(struct thing_holder), "things waited for");
	return err;
}

struct err *knots_compute(struct env *env, const struct graph *g, const struct subset *inner,
			  struct facts *f)
{
	_cleanup_(fini) struct knots k = { .g = g, .f = f };
	struct err *err;
	bool any = false;

	(void)inner;
	for (uint32_t t = 0; t < f->n_stuck_bits && !any; t++)
		any = is_stuck(f, t);
	if (!any)
		return NULL;
	err = run(env, &k, f);
	if (err)
		return err;
	f->things = f->cols[COL_THINGS].base;
	f->n_things = k.things.n;
	f->thing_waits = f->cols[COL_WAITS].base;
	f->n_thing_waits = k.waits.n;
	f->holders = f->cols[COL_HOLDERS].base;
	f->n_holders = k.holders.n;
	f->holders_cut = k.cut;
	f->ring = f->cols[COL_RING].base;
	f->knot = f->cols[COL_KNOT].base;
	return NULL;
}
