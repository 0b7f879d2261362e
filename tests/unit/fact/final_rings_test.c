/* Rings that finalizers keep, by table: nodes are letters, "!a" has a finalizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fact/fact.h"

/* A finalizer's roots are what its object points at; the rings expected: "lowest node:nodes". */
static const struct {
	unsigned n;
	const char *edges, *global, *finalizable, *rings, *calls; /* "ab": what is to be called for a is b */
} cases[] = {
	{ 2, "ab ba", "", "a", "a:2" },
	{ 2, "ab ba", "", "ab", "a:2" },
	{ 2, "ab ba", "b", "a", "" },	     /* alive by other means */
	{ 2, "ab", "", "a", "" },	     /* it only keeps what it refers to */
	{ 2, "ab", "", "ab", "" },	     /* one after the other is no ring */
	{ 1, "aa", "", "a", "a:1" },	     /* itself */
	{ 3, "ab bc cb", "", "a", "" },	     /* a ring that the finalizer's object only keeps */
	{ 3, "ab bc cb", "", "c", "c:2" },
	{ 4, "ab ba cd dc", "", "ac", "a:2 c:2" },
	{ 2, "ab ba", "", "", "" },
	{ 2, "", "", "a", "", "ab" },	     /* a function that holds nothing */
	{ 2, "ba", "", "a", "a:2!", "ab" },  /* it holds its own object */
	{ 3, "bc ca", "", "a", "a:3!", "ab" },
	{ 2, "ba", "a", "a", "", "ab" },     /* which something else holds too */
	{ 4, "bc", "", "ac", "", "ab cd" },	     /* another's */
	{ 4, "bc da", "", "ac", "a:4!", "ab cd" }, /* two that hold each other's */
	{ 3, "ab ba", "", "a", "a:2", "ac" },
};

static struct graph *build(struct env *env, size_t k, node_id *finalizable)
{
	struct graph_builder *b;
	struct graph *g;
	static const struct root_source global = { .kind = ROOT_GLOBAL, .thread = UINT32_MAX };

	assert_null(graph_builder_new(env, &b));
	for (unsigned i = 0; i < cases[k].n; i++)
		assert_null(graph_add_node(b, 0x1000 + 0x100 * i, 16));
	for (unsigned i = 0; i < cases[k].n; i++)
		for (const char *e = cases[k].edges; *e; e += 2 + (e[2] == ' '))
			if (e[0] == 'a' + (int)i && e[1] != e[0]) /* graphs have no edges to self */
				assert_null(graph_add_edge(b, i, (uint32_t)(e[1] - 'a')));
	for (const char *at = cases[k].global; *at; at++)
		assert_null(graph_add_root(b, &global, (uint32_t)(*at - 'a'), 8));
	for (const char *at = cases[k].finalizable; *at; at++) {
		uint64_t key = 0x1000 + 0x100 * (uint64_t)(*at - 'a');
		struct root_source source = {
			.kind = ROOT_FINALIZER, .thread = UINT32_MAX, .start = key, .end = key + 16, .owner = 1,
		};

		for (const char *e = cases[k].edges; *e; e += 2 + (e[2] == ' '))
			if (e[0] == *at)
				assert_null(graph_add_root(b, &source, (uint32_t)(e[1] - 'a'), key));
		for (const char *e = cases[k].calls; e && *e; e += 2 + (e[2] == ' '))
			if (e[0] == *at) /* a slot outside the object */
				assert_null(graph_add_root(b, &source, (uint32_t)(e[1] - 'a'), 8));
	}
	assert_null(graph_build_finish(b, &g));
	graph_builder_free(b);
	for (const char *at = cases[k].finalizable; *at; at++)
		finalizable[g->n_finalizable++] = (node_id)(*at - 'a');
	g->finalizable = finalizable;
	return g;
}

static void test_table(void **state)
{
	static const struct owner owners[] = { { OWNER_FINALIZER, "finalizers", 1 } };

	(void)state;
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		struct env env;
		struct facts f = {};
		node_id finalizable[4];
		struct graph *g;
		char got[64] = "", *to = got;

		env_init(&env);
		g = build(&env, k, finalizable);
		g->owners = owners;
		g->n_owners = 1;
		assert_null(facts_compute(&env, g, FACT_FINAL_RINGS, &f));
		for (uint64_t i = 0; i < f.n_final_rings; i++) {
			assert_int_equal(f.final_rings[i].bytes, 16 * f.final_rings[i].nodes);
			to += sprintf(to, "%s%c:%d%s", i ? " " : "", (char)('a' + f.final_rings[i].node),
				      (int)f.final_rings[i].nodes,
				      f.final_rings[i].by_function ? "!" : "");
			assert_true(bit_get(f.in_final_ring, f.final_rings[i].node));
		}
		if (strcmp(got, cases[k].rings))
			fail_msg("case %zu: %s, not %s", k, got, cases[k].rings);
		facts_fini(&f);
		graph_free(g);
		assert_int_equal(env.mem_used, 0);
		env_fini(&env);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_table) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
