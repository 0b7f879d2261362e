/*
 * fact/stuck.c - goroutines that wait for what nobody who could run can reach.
 *
 * Marking starts from all roots but the stacks of those that only another can wake.  Whenever it
 * reaches what one of these waits for, that one may be woken, and its stack is marked from too;
 * those that are left at the end wait forever (Saioc et al., "Dynamic partial deadlock detection
 * and recovery via garbage collection", ASPLOS 2025).
 */
#include "base/guard.h"
#include "base/search.h"
#include "fact/marker.h"
#include "fact/parts.h"

struct waiter {
	bool waits, awake;
};

struct search {
	const struct graph *g;
	struct marker m; /* `inner`: of the graph, and what waits name */
	const uint64_t *inner;
	uint64_t *special; /* nodes that waits name */
	struct waiter *waiters; /* by goroutine */
	uint32_t n_waiters;
	struct by_thread {
		uint32_t *row, *v; /* v[row[t]] .. v[row[t + 1] - 1] are of goroutine t */
		struct col row_col, v_col;
	} roots, hidden; /* indexes of roots; of WAIT_HIDDEN rows */
	struct col woken; /* goroutines whose roots are yet to be marked */
};

/* The first of the rows of a node. */
static uint32_t first_wait(const struct graph *g, node_id node)
{
	uint32_t lo = partition_point(g->n_waits, i, g->waits[i].node < node);

	return lo;
}

static struct err *wake(struct search *s, uint32_t thread)
{
	if (s->waiters[thread].awake)
		return NULL;
	s->waiters[thread].awake = true;
	return col_append(&s->woken, &thread, 1);
}

/* A node that waits name: wakes who waits for it; true if it leads on now. */
static struct err *look_at(struct search *s, node_id node, bool *leads_on)
{
	const struct graph *g = s->g;
	struct err *err = NULL;

	*leads_on = true;
	for (uint32_t i = first_wait(g, node); i < g->n_waits && g->waits[i].node == node && !err;
	     i++) {
		if (g->waits[i].kind == WAIT_FOR)
			err = wake(s, g->waits[i].thread);
		else if (!s->waiters[g->waits[i].thread].awake)
			*leads_on = false;
	}
	return err;
}

/* A block of one that woke up leads on from now, if it was reached before. */
static struct err *unhide(struct search *s, node_id node)
{
	bool leads_on = false;
	struct err *err = NULL;

	if (!bit_get(s->m.set, node) || !bit_get(s->special, node))
		return NULL;
	err = look_at(s, node, &leads_on);
	if (err || !leads_on)
		return err;
	bit_clear(s->special, node); /* once is enough */
	if (bit_get(s->inner, node))
		s->m.stack[s->m.n++] = node;
	return NULL;
}

/* The roots of one that may run, and its own blocks that were passed over before. */
static struct err *mark_woken(struct search *s, uint32_t thread)
{
	const struct graph *g = s->g;
	struct err *err = NULL;

	for (uint32_t i = s->roots.row[thread]; i < s->roots.row[thread + 1]; i++)
		marker_mark(&s->m, EDGE_NODE(g->root_node[s->roots.v[i]]));
	for (uint32_t i = s->hidden.row[thread]; i < s->hidden.row[thread + 1] && !err; i++)
		err = unhide(s, g->waits[s->hidden.v[i]].node);
	return err;
}

static struct err *mark_reached(struct search *s)
{
	struct err *err = NULL;
	node_id node;

	while (!err && marker_next(&s->m, &node)) {
		bool leads_on = true;

		if (bit_get(s->special, node))
			err = look_at(s, node, &leads_on);
		if (leads_on && !err)
			marker_follow(&s->m, node);
	}
	return err ? err : take(&s->m.err);
}

static struct err *mark_all(struct search *s)
{
	struct err *err = mark_reached(s);

	while (!err && s->woken.n) {
		err = mark_woken(s, ((const uint32_t *)s->woken.base)[--s->woken.n]);
		if (!err)
			err = mark_reached(s);
	}
	return err;
}

#define NOBODY UINT32_MAX

/* The goroutine that a root is a candidate's. */
static uint32_t thread_of_root(const struct search *s, uint32_t root)
{
	const struct root_source *source = &s->g->sources[s->g->root_source[root]];
	uint32_t thread = source->kind == ROOT_GOROUTINE ? source->thread : NOBODY;

	return thread < s->n_waiters && s->waiters[thread].waits ? thread : NOBODY;
}

static uint32_t thread_of_hidden(const struct search *s, uint32_t wait)
{
	return s->g->waits[wait].kind == WAIT_HIDDEN ? s->g->waits[wait].thread : NOBODY;
}

/* A counting sort of [0, n) by goroutine, without those of nobody. */
static struct err *sort_by_thread(struct env *env, const struct search *s, uint32_t n,
				  uint32_t (*thread_of)(const struct search *s, uint32_t i),
				  struct by_thread *ret)
{
	struct err *err =
		col_fixed(env, 4, (uint64_t)s->n_waiters + 2, "stuck goroutines", &ret->row_col);
	uint32_t thread;

	if (!err)
		err = col_fixed(env, 4, n, "stuck goroutines", &ret->v_col);
	if (err)
		return err;
	ret->row = ret->row_col.base;
	ret->v = ret->v_col.base;
	for (uint32_t i = 0; i < n; i++)
		if ((thread = thread_of(s, i)) != NOBODY)
			ret->row[thread + 2]++;
	for (uint64_t t = 2; t < (uint64_t)s->n_waiters + 2; t++)
		ret->row[t] += ret->row[t - 1];
	for (uint32_t i = 0; i < n; i++)
		if ((thread = thread_of(s, i)) != NOBODY)
			ret->v[ret->row[thread + 1]++] = i;
	return NULL;
}

static void by_thread_close(struct by_thread *b)
{
	col_close(&b->row_col);
	col_close(&b->v_col);
}

static struct err *from_roots(struct search *s, const struct facts *f)
{
	struct err *err;
	uint64_t late = 0;

	common_begin(f, &s->m);
	for (uint32_t i = 0; i < s->g->n_roots; i++)
		if (thread_of_root(s, i) == NOBODY)
			marker_mark(&s->m, EDGE_NODE(s->g->root_node[i]));
	err = mark_all(s);
	while (!err && marker_mark_late(&s->m, f->common.late, &late))
		err = mark_all(s);
	return err;
}

static struct err *run(struct env *env, struct search *s, struct facts *f)
{
	struct err *err = sort_by_thread(env, s, s->g->n_roots, thread_of_root, &s->roots);
	uint64_t *stuck;

	if (!err)
		err = sort_by_thread(env, s, s->g->n_waits, thread_of_hidden, &s->hidden);
	if (!err)
		err = from_roots(s, f);
	by_thread_close(&s->roots);
	by_thread_close(&s->hidden);
	if (!err)
		err = col_fixed(env, 8, bits_words(s->n_waiters) + 1, "stuck goroutines",
				&f->cols[COL_STUCK]);
	if (err)
		return err;
	stuck = f->cols[COL_STUCK].base;
	for (uint32_t t = 0; t < s->n_waiters; t++)
		if (s->waiters[t].waits && !s->waiters[t].awake)
			bit_set(stuck, t);
	f->stuck = stuck;
	f->n_stuck_bits = s->n_waiters;
	f->awake = s->m.set;
	return NULL;
}

/* Nodes that waits name are visited, leaves too. */
static void name_waits(struct search *s, uint64_t *visited)
{
	const struct graph *g = s->g;

	memcpy(visited, s->inner, 8 * bits_words(g->n));
	for (uint32_t i = 0; i < g->n_waits; i++) {
		s->waiters[g->waits[i].thread].waits = true;
		if (g->waits[i].node == NODE_NONE)
			continue;
		bit_set(s->special, g->waits[i].node);
		bit_set(visited, g->waits[i].node);
	}
}

struct err *stuck_compute(struct env *env, const struct graph *g, const struct subset *inner,
			  struct facts *f)
{
	struct search s = { .g = g, .inner = inner->set };
	struct col special = {}, visited = {}, waiters = {};
	struct err *err;

	if (!g->n_waits)
		return NULL;
	for (uint32_t i = 0; i < g->n_waits; i++)
		s.n_waiters =
			g->waits[i].thread >= s.n_waiters ? g->waits[i].thread + 1 : s.n_waiters;
	err = common_open(env, g, inner, f);
	if (!err)
		err = col_fixed(env, 8, bits_words(g->n) + 1, "reachable nodes",
				&f->cols[COL_AWAKE]);
	if (!err)
		err = col_fixed(env, 8, bits_words(g->n) + 1, "what goroutines wait for", &special);
	if (!err)
		err = col_fixed(env, 8, bits_words(g->n) + 1, "nodes to visit", &visited);
	if (!err)
		err = col_fixed(env, sizeof(struct waiter), s.n_waiters, "stuck goroutines",
				&waiters);
	if (!err) /* of one goroutine's roots and blocks */
		err = marker_open(env, g, visited.base, f->cols[COL_AWAKE].base,
				  common_pushes(g) + g->n_roots + 64, &s.m);
	if (!err)
		err = col_open(env, 4, s.n_waiters, "stuck goroutines", &s.woken);
	if (!err) {
		s.special = special.base;
		s.waiters = waiters.base;
		name_waits(&s, visited.base);
		err = run(env, &s, f);
	}
	col_close(&s.woken);
	marker_close(&s.m);
	col_close(&waiters);
	col_close(&visited);
	col_close(&special);
	return err;
}
