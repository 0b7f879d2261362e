/* Graphs that are hard by their shape: each goes through every fact in memory bounded by its size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fact/entry.h"
#include "fact/paths.h"
#include "unit_env.h"

enum {
	ALL = FACT_REACH | FACT_CYCLES | FACT_DOM | FACT_PARENT | FACT_REVERSE,
	MANY = 1000000,
	/* bytes of columns a node and an edge, for all facts at once, and what a small graph has anyhow */
	NODE_BYTES = 100,
	EDGE_BYTES = 40,
	FLOOR = 8 << 20,
};

static const struct root_source global = { .kind = ROOT_GLOBAL, .thread = UINT32_MAX };

/* Edge i of `edges`, and root i of `roots`, as a shape has them. */
struct shape {
	const char *name;
	uint32_t nodes, edges, roots;
	uint32_t (*from)(uint32_t i), (*to)(uint32_t i), (*root)(uint32_t i);
	uint64_t reachable, retained; /* of node 0 */
};

static uint32_t zero(uint32_t i)
{
	(void)i;
	return 0;
}
static uint32_t same(uint32_t i)
{
	return i;
}
static uint32_t next(uint32_t i)
{
	return i + 1;
}
static uint32_t in_turn(uint32_t i) /* no two equal ones beside each other */
{
	return 1 + i % 2;
}

static const struct shape shapes[] = {
	{ "a root for each of a million nodes", MANY, 0, MANY, NULL, NULL, same, MANY, 16 },
	{ "a million roots at one node", 2, 1, MANY, zero, next, zero, 2, 32 },
	{ "ten million edges from one node to two", 3, 10 * MANY, 1, zero, in_turn, zero, 3, 48 },
	{ "a million edges from one node", MANY + 1, MANY, 1, zero, next, zero, MANY + 1,
	  16ull * (MANY + 1) },
	{ "a million edges to one node", MANY + 1, MANY, 1, next, zero, zero, 1, 16 },
	{ "a million edges to themselves", MANY, MANY, 1, same, same, zero, 1, 16 },
};

static struct graph *build(const struct shape *s)
{
	struct graph_builder *b;
	struct graph *g;

	assert_null(graph_builder_new(&env, &b));
	for (uint32_t i = 0; i < s->nodes; i++)
		assert_null(graph_add_node(b, 0x1000 + 16ull * i, 16));
	for (uint32_t i = 0; i < s->edges; i++)
		assert_null(graph_add_edge(b, s->from(i), s->to(i)));
	for (uint32_t i = 0; i < s->roots; i++)
		assert_null(graph_add_root(b, &global, s->root(i), 8ull * i));
	assert_null(graph_build_finish(b, &g));
	graph_builder_free(b);
	return g;
}

static void ask(const struct graph *g, const struct facts *f)
{
	const node_id nodes[] = { 0, 1 };
	struct entry entries[2];
	struct paths paths;

	assert_null(entries_find(&env, g, f, nodes, 2, entries));
	assert_null(paths_find(&env, g, f, 1, 3, &paths));
	paths_fini(&paths);
}

static void test_shapes(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof(shapes) / sizeof(shapes[0]); k++) {
		const struct shape *s = &shapes[k];
		struct graph *g = build(s);
		struct facts f = {};
		struct err *err;

		env.mem_budget = env.mem_used + FLOOR + NODE_BYTES * (uint64_t)s->nodes +
				 EDGE_BYTES * ((uint64_t)s->edges + s->roots);
		env.disk_budget = 0;
		err = facts_compute(&env, g, ALL, &f);
		if (err)
			fail_msg("%s: %s", s->name, err->message);
		if (f.reach_total[REACH_REACHABLE].count != s->reachable ||
		    facts_retained(&f, 0) != s->retained)
			fail_msg("%s: reachable %llu, node 0 retains %llu", s->name,
				 (unsigned long long)f.reach_total[REACH_REACHABLE].count,
				 (unsigned long long)facts_retained(&f, 0));
		env.mem_budget = UINT64_MAX;
		ask(g, &f);
		facts_fini(&f);
		graph_free(g);
	}
}

/* With too little memory, and no disk, it is said which option gives more; nothing stays behind. */
static void test_budget(void **state)
{
	struct graph *g = build(&shapes[3]);
	uint64_t before = env.mem_used;

	(void)state;
	env.disk_budget = 0;
	for (unsigned fact = FACT_REACH; fact <= FACT_REVERSE; fact <<= 1) {
		struct facts f = {};
		struct err *err;

		env.mem_budget = before + 4096;
		err = facts_compute(&env, g, fact, &f);
		assert_non_null(err);
		assert_int_equal(err->kind, ERR_LIMIT);
		assert_true(strstr(err->message, "--memory") || strstr(err->message, "--disk"));
		err_free(err);
		facts_fini(&f);
		assert_int_equal(env.mem_used, before);
	}
	graph_free(g);
}

/* Dominators of a saved result are somebody else's: ends, whatever comes out. */
static void test_rings_of_dominators(void **state)
{
	static const node_id idom[] = { 1, 0, 3, 4, 2 }, nodes[] = { 1, 3, 4 };
	static const struct shape s = { "star", 5, 4, 1, zero, next, zero, 5, 80 };
	struct graph *g = build(&s);
	struct facts f = {}, theirs;
	struct entry entries[3];

	(void)state;
	assert_null(facts_compute(&env, g, ALL, &f));
	theirs = f;
	theirs.idom = idom;
	assert_null(entries_find(&env, g, &theirs, nodes, 3, entries));
	facts_fini(&f);
	graph_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_shapes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_budget, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rings_of_dominators, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
