/* Which goroutines nobody can wake: a table, and random graphs against the plain fixpoint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fact/fact.h"
#include "unit_env.h"

enum { MAX = 18, THREADS = 5, WAITS = 12 };

struct plain {
	unsigned n;
	bool edge[MAX][MAX];
	bool root[MAX];		 /* by a global */
	bool stack[THREADS][MAX]; /* by a goroutine */
	struct wait waits[WAITS];
	uint32_t n_waits;
};

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

static int by_node(const void *pa, const void *pb)
{
	const struct wait *a = pa, *b = pb;

	return a->node < b->node ? -1 : a->node > b->node;
}

static void make_random(struct plain *p, uint64_t *seed)
{
	*p = (struct plain){ .n = 1 + (unsigned)(next_random(seed) % MAX) };
	for (uint64_t m = next_random(seed) % (2 * p->n + 1); m; m--)
		p->edge[next_random(seed) % p->n][next_random(seed) % p->n] = true;
	for (unsigned i = 0; i < p->n; i++)
		p->edge[i][i] = false;
	p->root[next_random(seed) % p->n] = true;
	for (unsigned t = 0; t < THREADS; t++)
		for (unsigned k = 0; k < 2; k++)
			p->stack[t][next_random(seed) % p->n] = true;
	for (p->n_waits = 0; p->n_waits < next_random(seed) % (WAITS + 1); p->n_waits++)
		p->waits[p->n_waits] = (struct wait){
			.node = next_random(seed) % 6 ? (node_id)(next_random(seed) % p->n) : NODE_NONE,
			.thread = (uint32_t)(next_random(seed) % (THREADS - 1)), /* the last one always runs */
			.kind = next_random(seed) % 3 ? WAIT_FOR : WAIT_HIDDEN,
		};
	for (uint32_t i = 0; i < p->n_waits; i++)
		if (p->waits[i].node == NODE_NONE)
			p->waits[i].kind = WAIT_FOR;
	qsort(p->waits, p->n_waits, sizeof(p->waits[0]), by_node);
}

static struct graph *build(const struct plain *p)
{
	struct graph_builder *b;
	struct graph *g;

	assert_null(graph_builder_new(&env, &b));
	for (unsigned i = 0; i < p->n; i++)
		assert_null(graph_add_node(b, 0x1000 + 0x100 * i, 16));
	for (unsigned i = 0; i < p->n; i++)
		for (unsigned j = 0; j < p->n; j++)
			if (p->edge[i][j])
				assert_null(graph_add_edge(b, i, j | ((i + j) % 3 ? 0 : EDGE_INTERIOR)));
	for (unsigned i = 0; i < p->n; i++) {
		struct root_source source = { .kind = ROOT_GLOBAL, .thread = 1 };

		if (p->root[i])
			assert_null(graph_add_root(b, &source, i, 8 * i));
	}
	for (uint32_t t = 0; t < THREADS; t++)
		for (unsigned i = 0; i < p->n; i++) {
			struct root_source source = { .kind = ROOT_GOROUTINE, .thread = t };

			if (p->stack[t][i])
				assert_null(graph_add_root(b, &source, i, 8 * i));
		}
	assert_null(graph_build_finish(b, &g));
	graph_builder_free(b);
	g->waits = p->waits;
	g->n_waits = p->n_waits;
	return g;
}

/* Everything over again until nothing changes. */
static void wait_plainly(const struct plain *p, bool *stuck)
{
	bool awake[THREADS], waits[THREADS] = {};

	for (uint32_t i = 0; i < p->n_waits; i++)
		waits[p->waits[i].thread] = true;
	for (unsigned t = 0; t < THREADS; t++)
		awake[t] = !waits[t];
	for (bool woke = true; woke;) {
		bool seen[MAX] = {}, hidden[MAX] = {};

		woke = false;
		for (uint32_t i = 0; i < p->n_waits; i++)
			if (p->waits[i].kind == WAIT_HIDDEN && !awake[p->waits[i].thread])
				hidden[p->waits[i].node] = true;
		for (unsigned i = 0; i < p->n; i++) {
			seen[i] = p->root[i];
			for (unsigned t = 0; t < THREADS; t++)
				seen[i] |= awake[t] && p->stack[t][i];
		}
		for (bool more = true; more;) {
			more = false;
			for (unsigned i = 0; i < p->n; i++)
				for (unsigned j = 0; j < p->n; j++)
					if (seen[i] && !hidden[i] && !seen[j] && p->edge[i][j])
						seen[j] = more = true;
		}
		for (uint32_t i = 0; i < p->n_waits; i++) {
			const struct wait *w = &p->waits[i];

			if (w->kind == WAIT_FOR && w->node != NODE_NONE && seen[w->node] && !awake[w->thread])
				awake[w->thread] = woke = true;
		}
	}
	for (unsigned t = 0; t < THREADS; t++)
		stuck[t] = !awake[t];
}

static void test_random(void **state)
{
	uint64_t seed = 3;
	unsigned n_stuck = 0, n_free = 0;

	(void)state;
	for (unsigned round = 0; round < 6000; round++) {
		struct facts f = {};
		struct plain p;
		struct graph *g;
		bool stuck[THREADS];

		make_random(&p, &seed);
		g = build(&p);
		assert_null(facts_compute(&env, g, FACT_STUCK, &f));
		wait_plainly(&p, stuck);
		for (uint32_t t = 0; t < THREADS; t++) {
			assert_int_equal(is_stuck(&f, t), stuck[t]);
			n_stuck += stuck[t];
			n_free += !stuck[t];
		}
		facts_fini(&f);
		graph_free(g);
	}
	assert_true(n_stuck > 1000 && n_free > 1000);
}

/* What a stuck goroutine reaches from its own roots, past no block that is a stuck one's own. */
static void reach_plainly(const struct plain *p, const bool *stuck, unsigned t, bool *seen)
{
	bool hidden[MAX] = {};

	for (uint32_t i = 0; i < p->n_waits; i++)
		if (p->waits[i].kind == WAIT_HIDDEN && stuck[p->waits[i].thread])
			hidden[p->waits[i].node] = true;
	for (unsigned i = 0; i < p->n; i++)
		seen[i] = p->stack[t][i];
	for (bool more = true; more;) {
		more = false;
		for (unsigned i = 0; i < p->n; i++)
			for (unsigned j = 0; j < p->n; j++)
				if (seen[i] && !hidden[i] && !seen[j] && p->edge[i][j])
					seen[j] = more = true;
	}
}

static bool waits_plainly(const struct plain *p, unsigned t, const struct wait *for_what)
{
	for (uint32_t i = 0; i < p->n_waits; i++)
		if (p->waits[i].kind == WAIT_FOR && p->waits[i].thread == t &&
		    p->waits[i].node == for_what->node)
			return true;
	return false;
}

/* after[t][h]: t waits for what h reaches; then for what that one waits for, and so on. */
static void follow_plainly(const struct plain *p, const bool *stuck, bool after[THREADS][THREADS])
{
	for (unsigned h = 0; h < THREADS; h++) {
		bool seen[MAX];

		if (!stuck[h])
			continue;
		reach_plainly(p, stuck, h, seen);
		for (uint32_t i = 0; i < p->n_waits; i++) {
			const struct wait *w = &p->waits[i];

			if (w->kind == WAIT_FOR && w->node != NODE_NONE && stuck[w->thread] &&
			    seen[w->node] && !waits_plainly(p, h, w))
				after[w->thread][h] = true;
		}
	}
	for (unsigned k = 0; k < THREADS; k++)
		for (unsigned i = 0; i < THREADS; i++)
			for (unsigned j = 0; j < THREADS; j++)
				after[i][j] |= after[i][k] && after[k][j];
}

/* Who reaches what another waits for, and who is in one ring, against every pair. */
static void test_knots(void **state)
{
	uint64_t seed = 11;
	unsigned n_rings = 0, n_holders = 0;

	(void)state;
	for (unsigned round = 0; round < 500; round++) {
		bool stuck[THREADS], after[THREADS][THREADS] = {}, found[THREADS][THREADS] = {};
		struct facts f = {};
		struct plain p;
		struct graph *g;

		make_random(&p, &seed);
		g = build(&p);
		assert_null(facts_compute(&env, g, FACT_KNOTS, &f));
		wait_plainly(&p, stuck);
		follow_plainly(&p, stuck, after);
		assert_false(f.holders_cut);
		for (uint64_t i = 0; i < f.n_holders; i++)
			for (uint64_t k = 0; k < f.n_thing_waits; k++)
				if (f.thing_waits[k].thing == f.holders[i].thing)
					found[f.thing_waits[k].thread][f.holders[i].thread] = true;
		n_holders += (unsigned)f.n_holders;
		for (unsigned k = 0; k < THREADS; k++)
			for (unsigned i = 0; i < THREADS; i++)
				for (unsigned j = 0; j < THREADS; j++)
					found[i][j] |= found[i][k] && found[k][j];
		assert_memory_equal(found, after, sizeof(after));
		for (unsigned i = 0; f.ring && i < f.n_stuck_bits; i++)
			for (unsigned j = 0; j < f.n_stuck_bits; j++) {
				bool one = i != j && after[i][j] && after[j][i];

				if (i == j)
					continue;
				assert_int_equal(f.ring[i] && f.ring[i] == f.ring[j], one);
				n_rings += one;
			}
		facts_fini(&f);
		graph_free(g);
	}
	assert_true(n_rings && n_holders > 20);
}

/* Two that wait for each other's channel, which nobody else has; a third that main can wake. */
static void test_deadlock(void **state)
{
	struct plain p = {
		.n = 4, .root = { [3] = true },
		.stack = { [0] = { [0] = true, [1] = true }, [1] = { [0] = true, [1] = true }, [2] = { [3] = true } },
		.waits = { { 0, 0, WAIT_FOR }, { 1, 1, WAIT_FOR }, { 3, 2, WAIT_FOR } }, .n_waits = 3,
	};
	struct facts f = {};
	struct graph *g = build(&p);

	(void)state;
	assert_null(facts_compute(&env, g, FACT_STUCK, &f));
	assert_true(is_stuck(&f, 0));
	assert_true(is_stuck(&f, 1));
	assert_false(is_stuck(&f, 2));
	assert_false(is_stuck(&f, 4000000000u));
	facts_fini(&f);
	graph_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_deadlock, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_knots, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
