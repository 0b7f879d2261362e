/* What owners alone keep: small graphs by table, random ones against the definition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fact/fact.h"
#include "unit_env.h"

enum { MAX = 20, OWNERS = 4 };

static const struct owner owners[OWNERS] = {
	{ OWNER_POOL, "p1", 1 }, { OWNER_POOL, "p2", 1 }, { OWNER_STUCK, "s1", 3 }, { OWNER_STUCK, "s2", 1 },
};

/* The goroutines of the third owner wait for nothing; those of the last may be woken, in odd rounds. */
static const struct wait waits[] = { { NODE_NONE, 3, WAIT_FOR }, { NODE_NONE, 4, WAIT_FOR } };

struct plain {
	unsigned n;
	bool edge[MAX][MAX];
	bool root[MAX][OWNERS + 1];
	uint32_t gate[MAX]; /* 0: none */
	bool both_stuck;
};

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

static void make_random(struct plain *p, uint64_t *seed)
{
	*p = (struct plain){ .n = 1 + (unsigned)(next_random(seed) % MAX) };
	for (uint64_t m = next_random(seed) % (2 * p->n + 1); m; m--)
		p->edge[next_random(seed) % p->n][next_random(seed) % p->n] = true;
	for (unsigned i = 0; i < p->n; i++)
		p->edge[i][i] = false;
	for (unsigned k = 0; k < 4; k++)
		p->root[next_random(seed) % p->n][next_random(seed) % (OWNERS + 1)] = true;
	if (next_random(seed) % 2)
		p->gate[next_random(seed) % p->n] = 1 + (uint32_t)(next_random(seed) % 2);
}

static struct graph *build(const struct plain *p, struct gate *gates)
{
	struct graph_builder *b;
	struct graph *g;

	assert_null(graph_builder_new(&env, &b));
	for (unsigned i = 0; i < p->n; i++)
		assert_null(graph_add_node(b, 0x1000 + 0x100 * i, 16 + i));
	for (unsigned i = 0; i < p->n; i++)
		for (unsigned j = 0; j < p->n; j++)
			if (p->edge[i][j])
				assert_null(graph_add_edge(b, i, j | ((i + j) % 3 ? 0 : EDGE_INTERIOR)));
	for (uint32_t o = 0; o <= OWNERS; o++)
		for (unsigned i = 0; i < p->n; i++) {
			struct root_source source = { .kind = o < 3 ? ROOT_GLOBAL : ROOT_GOROUTINE,
						      .thread = o, .owner = o };

			if (p->root[i][o])
				assert_null(graph_add_root(b, &source, i | (i % 3 ? 0 : EDGE_INTERIOR), 8 * i));
		}
	assert_null(graph_build_finish(b, &g));
	graph_builder_free(b);
	g->owners = owners;
	g->n_owners = OWNERS;
	g->waits = waits;
	g->n_waits = p->both_stuck ? 2 : 1;
	g->gates = gates;
	for (unsigned i = 0; i < p->n; i++)
		if (p->gate[i])
			gates[g->n_gates++] = (struct gate){ i, p->gate[i] };
	return g;
}

/* Which owners (bit 0: nobody in particular) a node is reached by; beyond a gate the gate's alone. */
static void reach_plainly(const struct plain *p, bool both_stuck, unsigned *by)
{
	memset(by, 0, MAX * sizeof(*by));
	for (unsigned i = 0; i < p->n; i++)
		for (unsigned o = 0; o <= OWNERS; o++)
			by[i] |= (unsigned)p->root[i][o] << (o == 4 && !both_stuck ? 0 : o);
	for (bool more = true; more;) {
		more = false;
		for (unsigned i = 0; i < p->n; i++) {
			if (by[i] && p->gate[i])
				by[i] = 1u << p->gate[i];
			for (unsigned j = 0; j < p->n; j++)
				if (p->edge[i][j] && (by[i] & ~by[j]) && !(by[j] && p->gate[j])) {
					by[j] |= by[i];
					more = true;
				}
		}
	}
}

static uint32_t expected(unsigned by)
{
	switch (by) {
	case 0:
		return OWNER_UNREACHED;
	case 1 << 1:
		return 1;
	case 1 << 2:
		return 2;
	case 1 << 1 | 1 << 2:
		return OWNER_SHARED(OWNER_POOL);
	case 1 << 3:
		return 3;
	case 1 << 4:
		return 4;
	case 1 << 3 | 1 << 4:
		return OWNER_SHARED(OWNER_STUCK);
	default:
		return OWNER_OTHERS;
	}
}

static void test_random(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (unsigned round = 0; round < 4000; round++) {
		uint64_t bytes[OWNERS] = {}, shared = 0;
		struct gate gates[MAX];
		struct facts f = {};
		struct plain p;
		struct graph *g;
		unsigned by[MAX];

		make_random(&p, &seed);
		p.both_stuck = round % 2 == 0;
		g = build(&p, gates);
		assert_null(facts_compute(&env, g, FACT_OWNER, &f));
		reach_plainly(&p, p.both_stuck, by);
		for (unsigned i = 0; i < p.n; i++) {
			assert_int_equal(f.owner[i], expected(by[i]));
			if (f.owner[i] && f.owner[i] <= OWNERS)
				bytes[f.owner[i] - 1] += 16 + i;
			shared += f.owner[i] == OWNER_SHARED(OWNER_POOL) ? 16 + i : 0;
		}
		for (unsigned o = 0; o < OWNERS; o++)
			assert_int_equal(f.owner_total[o].bytes, bytes[o]);
		assert_int_equal(f.owner_shared[OWNER_POOL].bytes, shared);
		facts_fini(&f);
		graph_free(g);
	}
}

/* What goroutines at one place alone keep, stuck or not: here the last two owners'. */
static void test_groups(void **state)
{
	uint64_t seed = 5, all = 0;

	(void)state;
	for (unsigned round = 0; round < 1000; round++) {
		uint64_t bytes[OWNERS] = {}, shared = 0;
		struct gate gates[MAX];
		struct facts f = {};
		struct plain p;
		struct graph *g;
		unsigned by[MAX];

		make_random(&p, &seed);
		memset(p.gate, 0, sizeof(p.gate));
		p.both_stuck = round % 2 == 0;
		g = build(&p, gates);
		assert_null(facts_compute(&env, g, FACT_HELD, &f));
		reach_plainly(&p, true, by);
		for (unsigned i = 0; i < p.n; i++) {
			bytes[2] += by[i] == 1 << 3 ? 16 + i : 0;
			bytes[3] += by[i] == 1 << 4 ? 16 + i : 0;
			shared += by[i] == (1 << 3 | 1 << 4) ? 16 + i : 0;
		}
		for (unsigned o = 0; o < OWNERS; o++)
			assert_int_equal(f.group_total[o].bytes, bytes[o]);
		assert_int_equal(f.groups_shared.bytes, shared);
		all += bytes[2] + shared;
		facts_fini(&f);
		graph_free(g);
	}
	assert_true(all > 3000);
}

/* Several groups that one function started are a family, those of whom some are stuck in none. */
static void test_families(void **state)
{
	static const struct owner started[] = {
		{ OWNER_GOROUTINES, "a", 1, .starter = "x" }, { OWNER_GOROUTINES, "b", 1, .starter = "y" },
		{ OWNER_GOROUTINES, "c", 1, .starter = "x" }, { OWNER_STUCK, "d", 1, .starter = "x" },
		{ OWNER_GOROUTINES, "e", 1 },
	};
	static const struct wait forever[] = { { NODE_NONE, 3, WAIT_FOR } };
	/* who reaches each node, of the owners from 1 on; and whether a global does */
	static const struct { unsigned by; bool global; unsigned family; } nodes[] = {
		{ 1 << 1, false, 1 }, { 1 << 1 | 1 << 3, false, 1 }, { 1 << 3, false, 1 },
		{ 1 << 2, false, 2 }, { 1 << 1 | 1 << 2, false, 0 }, { 1 << 1 | 1 << 4, false, 0 },
		{ 1 << 4, false, 0 }, { 1 << 5, false, 0 }, { 1 << 1 | 1 << 3, true, 0 },
		{ 1 << 1 | 1 << 2 | 1 << 3, false, 0 },
	};
	uint64_t bytes[3] = {};
	struct graph_builder *b;
	struct facts f = {};
	struct graph *g;

	(void)state;
	assert_null(graph_builder_new(&env, &b));
	for (unsigned i = 0; i < ARRAY_SIZE(nodes); i++) {
		struct root_source global = { .kind = ROOT_GLOBAL };

		assert_null(graph_add_node(b, 0x1000 + 0x100 * i, 16 + i));
		bytes[nodes[i].family] += 16 + i;
		for (uint32_t o = 1; o <= ARRAY_SIZE(started); o++) {
			struct root_source stack = { .kind = ROOT_GOROUTINE, .thread = o - 1, .owner = o };

			if (nodes[i].by >> o & 1)
				assert_null(graph_add_root(b, &stack, i, 8 * i));
		}
		if (nodes[i].global)
			assert_null(graph_add_root(b, &global, i, 8 * i));
	}
	assert_null(graph_build_finish(b, &g));
	graph_builder_free(b);
	g->owners = started;
	g->n_owners = ARRAY_SIZE(started);
	g->waits = forever;
	g->n_waits = 1;
	assert_null(facts_compute(&env, g, FACT_HELD, &f));
	for (unsigned o = 0; o < ARRAY_SIZE(started); o++)
		assert_int_equal(f.family[o], ((unsigned[]){ 1, 2, 1, 0, 0 })[o]);
	assert_int_equal(f.family_total[0].bytes, bytes[1]);
	assert_int_equal(f.family_total[1].bytes, bytes[2]);
	assert_int_equal(f.family_total[0].count, 3);
	facts_fini(&f);
	graph_free(g);
}

static void test_without_owners(void **state)
{
	struct plain p = { .n = 2, .root = { [0] = { true } }, .edge = { [0] = { [1] = true } } };
	struct gate gates[MAX];
	struct facts f = {};
	struct graph *g = build(&p, gates);

	(void)state;
	g->n_owners = 0;
	assert_null(facts_compute(&env, g, FACT_OWNER, &f));
	assert_null(f.owner);
	facts_fini(&f);
	graph_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_without_owners, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_groups, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_families, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
