/*
 * What the keys of one container alone keep, by table.  Nodes are letters of 64 KiB; "h" is the
 * container's header, "s" its storage; edges of keys are named among all.
 */
#include <string.h>

#include "fact/fact.h"
#include "unit_env.h"

enum { SIZE = 64 << 10, MAX_EDGES = 64 };

static const struct {
	const char *name, *edges, *roots, *keys, *kept;
	const char *inner; /* edges of keys of a second container, "i" */
	const char *inner_kept;
} cases[] = {
	{ "one key and what is behind it", "hs sk kx xy", "h", "sk", "kxy" },
	{ "an element", "hs sk se", "h", "sk", "k" },
	{ "an element leads to it", "hs sk se ek kx", "h", "sk", "" },
	{ "somebody else holds the key", "hs sk kx", "hk", "sk", "" },
	{ "somebody else holds what is behind it", "hs sk kx xy", "hx", "sk", "k" },
	{ "two keys share it", "hs sk sl kx lx", "h", "sk sl", "klx" },
	{ "two keys lead to each other", "hs sk sl kl lk", "h", "sk sl", "kl" },
	{ "only one of two is left to keys", "hs sk sl kx lx", "hl", "sk sl", "k" },
	{ "the key leads back to the map", "hs sk kh kx", "h", "sk", "kx" },
	{ "what is behind the key holds the storage's key", "hs sk kx xk", "h", "sk", "kx" },
	{ "the header is two people's", "ah bh hs sk", "ab", "sk", "k" },
	{ "the storage is somebody else's, too", "hs sk kx", "hs", "sk", "" },
	{ "garbage", "hs sk kx", "", "sk", "" },
	{ "a map behind a key", "hs sk ki it tl lx", "h", "sk", "kitlx", "tl", "lx" },
	{ "a map behind an element", "hs se ei it tl lx", "h", "", "", "tl", "lx" },
	{ "a ring of a key, an element", "hs sk se ke ek", "h", "sk", "" },
};

static edge_id edge_of(const struct graph *g, const char *e)
{
	node_id src = (node_id)(e[0] - 'a');

	for (edge_id i = graph_row(g, src); i < graph_row(g, src + 1); i++)
		if (g->dst[i] == (uint32_t)(e[1] - 'a'))
			return i;
	fail_msg("no edge %.2s", e);
	return 0;
}

static struct graph *build(const char *edges, const char *roots)
{
	static const struct root_source global = { .kind = ROOT_GLOBAL, .thread = UINT32_MAX };
	struct graph_builder *b;
	struct graph *g;

	assert_null(graph_builder_new(&env, &b));
	for (unsigned i = 0; i < 26; i++)
		assert_null(graph_add_node(b, 0x100000 + (uint64_t)SIZE * i, SIZE));
	for (unsigned i = 0; i < 26; i++)
		for (const char *e = edges; *e; e += 2 + (e[2] == ' '))
			if (e[0] == 'a' + (int)i)
				assert_null(graph_add_edge(b, i, (uint32_t)(e[1] - 'a')));
	for (; *roots; roots++)
		assert_null(graph_add_root(b, &global, (uint32_t)(*roots - 'a'), 8));
	assert_null(graph_build_finish(b, &g));
	graph_builder_free(b);
	return g;
}

static uint64_t take_edges(const struct graph *g, const char *keys, edge_id *ret)
{
	uint64_t n = 0;

	for (const char *e = keys; e && *e; e += 2 + (e[2] == ' '))
		ret[n++] = edge_of(g, e);
	return n;
}

static const struct by_keys *found(const struct graph *g, const struct facts *f, char header)
{
	for (uint64_t i = 0; i < f->n_by_keys; i++)
		if (g->keyeds[f->by_keys[i].keyed].node == (node_id)(header - 'a'))
			return &f->by_keys[i];
	return NULL;
}

static void check_kept(const char *name, const struct graph *g, const struct facts *f, char header,
		       const char *kept)
{
	const struct by_keys *k = found(g, f, header);

	if (strlen(kept) != (k ? k->total.count : 0))
		fail_msg("%s: %c keeps %u nodes by its keys", name, header,
			 k ? (unsigned)k->total.count : 0);
	if (k)
		assert_int_equal(k->total.bytes, strlen(kept) * SIZE);
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct graph *g = build(cases[c].edges, cases[c].roots);
		edge_id edges[MAX_EDGES];
		struct keyed rows[2] = { { .node = 'h' - 'a', .keys = 1 },
					 { .node = 'i' - 'a', .keys = 1 } };
		struct facts f = {};

		rows[0].n = rows[1].first = take_edges(g, cases[c].keys, edges);
		rows[1].n = take_edges(g, cases[c].inner, edges + rows[0].n);
		g->keyeds = rows;
		g->n_keyeds = cases[c].inner ? 2 : 1;
		g->key_edges = edges;
		assert_null(facts_compute(&env, g, FACT_BY_KEYS, &f));
		check_kept(cases[c].name, g, &f, 'h', cases[c].kept);
		if (cases[c].inner)
			check_kept(cases[c].name, g, &f, 'i', cases[c].inner_kept);
		for (const char *n = cases[c].kept; *n; n++)
			assert_int_not_equal(f.keyed[*n - 'a'], 0);
		facts_fini(&f);
		graph_free(g);
	}
}

/* Containers that nest deeper than what may be visited: it ends, and is said. */
static void test_nesting(void **state)
{
	enum { DEPTH = 2000 };
	static const struct root_source global = { .kind = ROOT_GLOBAL, .thread = UINT32_MAX };
	static struct keyed rows[DEPTH];
	static edge_id edges[DEPTH];
	struct graph_builder *b;
	struct facts f = {};
	struct graph *g;

	(void)state;
	assert_null(graph_builder_new(&env, &b));
	for (unsigned i = 0; i <= 2 * DEPTH; i++)
		assert_null(graph_add_node(b, 0x100000 + (uint64_t)SIZE * i, SIZE));
	for (unsigned i = 0; i < DEPTH; i++) { /* header to its key, and on to the next header */
		assert_null(graph_add_edge(b, 2 * i, 2 * i + 1));
		assert_null(graph_add_edge(b, 2 * i, 2 * i + 2));
		rows[i] = (struct keyed){ .node = 2 * i, .keys = 1, .first = i, .n = 1 };
		edges[i] = 2 * i;
	}
	assert_null(graph_add_root(b, &global, 0, 8));
	assert_null(graph_build_finish(b, &g));
	graph_builder_free(b);
	g->keyeds = rows;
	g->n_keyeds = DEPTH;
	g->key_edges = edges;
	assert_null(facts_compute(&env, g, FACT_BY_KEYS, &f));
	assert_true(f.n_by_keys && f.n_by_keys < DEPTH);
	assert_int_equal(env.diags.n, 1);
	assert_string_equal(env.diags.list[0].code, "facts/keys");
	facts_fini(&f);
	graph_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cases, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nesting, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
