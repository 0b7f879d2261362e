/* The dominator tree as pictures show it: runs that fold, what stands below what, by node and by type. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/analysis.h"

extern const struct analysis_ops holders_analysis, samples_analysis;

enum { MANY = 9000 };

/* Nodes by size, edges as pairs of node numbers, a root at node 0 unless `rootless`. */
static const struct {
	const char *what;
	uint64_t sizes[8]; /* 0 ends */
	const char *edges;
	bool rootless;
	const char *nodes, *types; /* "depth:name*count=total", in order */
} cases[] = {
	{ "a list is one row",
	  { 32, 32, 32, 32 },
	  "01 12 23",
	  false,
	  "0:32-byte block*4=128",
	  "0:32-byte block*4=128" },
	{ "what two hold hangs from what holds both",
	  { 32, 48, 64, 16 },
	  "01 02 13 23",
	  false,
	  "0:32-byte block*1=160 1:64-byte block*1=64 1:48-byte block*1=48 1:16-byte block*1=16",
	  "0:32-byte block*1=160 1:64-byte block*1=64 1:48-byte block*1=48 1:16-byte block*1=16" },
	{ "payloads hang from their list",
	  { 32, 32, 16, 16 },
	  "01 02 13",
	  false,
	  "0:32-byte block*2=96 1:16-byte block*1=16 1:16-byte block*1=16",
	  "0:32-byte block*2=96 1:16-byte block*2=32" },
	{ "nothing reaches it",
	  { 32, 16 },
	  "01",
	  true,
	  "0:(lost)*1=48 1:32-byte block*1=48 2:16-byte block*1=16",
	  "0:(lost)*0=48 1:32-byte block*1=48 2:16-byte block*1=16" },
	{ "kinds in turn are rows by node, and come back by type",
	  { 32, 16, 32, 16 },
	  "01 12 23",
	  false,
	  "0:32-byte block*1=96 1:16-byte block*1=64 2:32-byte block*1=48 3:16-byte block*1=16",
	  "0:32-byte block*2=96 1:16-byte block*2=32" },
};

static struct graph *finish(struct graph_builder *b, bool rootless)
{
	struct root_source source = { .kind = ROOT_GLOBAL, .thread = UINT32_MAX, .module = -1 };
	struct graph *g;

	if (!rootless)
		assert_null(graph_add_root(b, &source, 0, 0x10));
	assert_null(graph_build_finish(b, &g));
	graph_builder_free(b);
	return g;
}

static void run(struct env *env, struct graph *g, struct report *r)
{
	struct facts f = {};
	struct subject s = { .graph = g, .facts = &f, .wants_trees = true, .wants_types = true };

	assert_null(facts_compute(env, g, holders_analysis.needs | samples_analysis.needs, &f));
	assert_null(holders_analysis.run(env, &s, r));
	assert_null(samples_analysis.run(env, &s, r));
	facts_fini(&f);
	graph_free(g);
}

static void check(const char *what, const struct rp_tree *t, const char *want)
{
	struct text s = TEXT_INIT;

	for (size_t i = 0; i < t->n; i++) {
		unsigned depth = 0;

		for (uint32_t at = (uint32_t)i; t->rows[at].parent != TREE_TOP;
		     at = t->rows[at].parent) {
			assert_true(t->rows[at].parent < at);
			depth++;
		}
		text_printf(&s, "%s%u:%s*%u=%u", i ? " " : "", depth, t->rows[i].name,
			    (unsigned)t->rows[i].count, (unsigned)t->rows[i].total);
	}
	if (strcmp(text_str(&s), want) != 0)
		fail_msg("%s: %s", what, text_str(&s));
	text_fini(&s);
}

static void trees(void **state)
{
	(void)state;
	for (size_t no = 0; no < sizeof(cases) / sizeof(cases[0]); no++) {
		struct graph_builder *b;
		struct report r = {};
		struct env env;

		env_init(&env);
		assert_null(graph_builder_new(&env, &b));
		for (unsigned i = 0; cases[no].sizes[i]; i++)
			assert_null(
				graph_add_node(b, 0x1000 * (uint64_t)(i + 1), cases[no].sizes[i]));
		for (const char *e = cases[no].edges; *e; e += e[2] ? 3 : 2)
			assert_null(
				graph_add_edge(b, (node_id)(e[0] - '0'), (uint32_t)(e[1] - '0')));
		run(&env, finish(b, cases[no].rootless), &r);
		check(cases[no].what, r.dominators, cases[no].nodes);
		check(cases[no].what, r.by_type, cases[no].types);
		report_fini(&r);
		assert_int_equal(env.mem_used, 0);
		env_fini(&env);
	}
}

/* One that holds thousands, each with one of its own: more than rows are told. */
static void what_is_small_comes_together(void **state)
{
	struct graph_builder *b;
	struct report r = {};
	struct env env;

	(void)state;
	env_init(&env);
	assert_null(graph_builder_new(&env, &b));
	assert_null(graph_add_node(b, 0x1000, 1008));
	for (uint32_t i = 0; i < MANY; i++) {
		assert_null(graph_add_node(b, 0x10000 + 256 * (uint64_t)i, 64));
		assert_null(graph_add_node(b, 0x10000 + 256 * (uint64_t)i + 128, 16));
	}
	for (uint32_t i = 0; i < MANY; i++)
		assert_null(graph_add_edge(b, 0, 2 * i + 1));
	for (uint32_t i = 0; i < MANY; i++)
		assert_null(graph_add_edge(b, 2 * i + 1, 2 * i + 2));
	run(&env, finish(b, false), &r);
	check("dominators", r.dominators, "0:1008-byte block*1=721008 1:64-byte block*9000=720000");
	check("by type", r.by_type,
	      "0:1008-byte block*1=721008 1:64-byte block*9000=720000 2:16-byte block*9000=144000");
	assert_int_equal(r.dominators->told, 1);
	assert_int_equal(r.dominators->nodes, 2 * MANY + 1);
	report_fini(&r);
	env_fini(&env);
}

static void only_when_wanted(void **state)
{
	struct subject s = {};
	struct report r = {};

	(void)state;
	assert_null(holders_analysis.run(NULL, &s, &r));
	assert_null(r.dominators);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trees),
		cmocka_unit_test(what_is_small_comes_together),
		cmocka_unit_test(only_when_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
