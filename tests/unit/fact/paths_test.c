/* The shortest ways to a node: small graphs by table, random ones against every pair of holder and root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fact/paths.h"
#include "fake_graph.h"
#include "unit_env.h"

enum { MAX = 12, FAR = 1000 };

/* Paths as words, root first: "abd acd". */
static const struct {
	unsigned n;
	const char *edges, *roots;
	char target;
	unsigned max;
	const char *paths;
} cases[] = {
	{ 1, "", "a", 'a', 3, "a" },
	{ 2, "a->b", "", 'b', 3, "" },			      /* no root: no way */
	{ 2, "a->b b->a", "", 'b', 3, "" },
	{ 4, "a->b a->c b->d c->d", "a", 'd', 3, "abd acd" }, /* two holders below one root */
	{ 4, "a->b a->c b->d c->d", "a", 'd', 1, "abd" },
	{ 3, "a->c b->c", "a b", 'c', 3, "ac bc" },
	{ 3, "a->c b->c", "a b c", 'c', 3, "c ac bc" },	      /* the root itself, then its holders */
	{ 3, "a->b b->c", "a b", 'c', 3, "bc abc" },	      /* one holder, two roots: the nearer first */
	{ 3, "a->b b->c c->b", "a", 'c', 3, "abc" },
	{ 3, "a->b b->c c->b", "a", 'b', 3, "ab" },	      /* c holds b, but is reached through b alone */
	{ 4, "a->b b->c c->b d->c", "a d", 'b', 3, "ab dcb" },
	{ 5, "a->b b->c b->e c->d d->e", "a", 'e', 3, "abe abcde" },
	{ 3, "a~>c b->c", "a b", 'c', 3, "bc ac" },	      /* at equal length plain pointers win */
	{ 2, "", "~b b", 'b', 3, "b" },			      /* one source, one node: one root */
	{ 5, "a->b a->c a->d b->e c->e d->e", "a", 'e', 2, "abe ace" },
};

static struct graph *graph_of(unsigned n, const char *edges, const char *roots, struct facts *f)
{
	struct graph *g = fake_graph(&env, n, edges, roots);

	assert_null(facts_compute(&env, g, FACT_REVERSE, f));
	return g;
}

static void put_words(const struct paths *p, char *ret)
{
	for (unsigned i = 0; i < p->n; i++) {
		if (i)
			*ret++ = ' ';
		for (uint64_t k = p->v[i].n; k--;)
			*ret++ = (char)('a' + p->v[i].nodes[k]);
	}
	*ret = 0;
}

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct facts f = {};
		struct graph *g = graph_of(cases[i].n, cases[i].edges, cases[i].roots, &f);
		struct paths p;
		char words[256];

		assert_null(paths_find(&env, g, &f, (node_id)(cases[i].target - 'a'), cases[i].max, &p));
		put_words(&p, words);
		assert_string_equal(words, cases[i].paths);
		paths_fini(&p);
		facts_fini(&f);
		graph_free(g);
	}
}

struct plain {
	unsigned n;
	bool edge[MAX][MAX], root[MAX];
};

static uint64_t dice(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

static struct graph *random_graph(struct plain *p, uint64_t *seed, struct facts *f)
{
	char edges[MAX * MAX * 5 + 1], roots[2 * MAX + 1], *e = edges, *r = roots;

	*p = (struct plain){ .n = 2 + (unsigned)(dice(seed) % (MAX - 1)) };
	for (unsigned i = 0; i < p->n; i++) {
		for (unsigned j = 0; j < p->n; j++) {
			p->edge[i][j] = i != j && dice(seed) % 100 < 25;
			if (p->edge[i][j])
				e += sprintf(e, "%c->%c ", 'a' + i, 'a' + j);
		}
		p->root[i] = dice(seed) % 4 == 0;
		if (p->root[i])
			r += sprintf(r, "%c ", 'a' + i);
	}
	*e = *r = 0;
	return graph_of(p->n, edges, roots, f);
}

/* Nodes on the shortest way from `from` to `to` that keeps off `off`; FAR if there is none. */
static unsigned distance(const struct plain *p, unsigned from, unsigned to, unsigned off)
{
	unsigned at[MAX];

	for (unsigned i = 0; i < p->n; i++)
		at[i] = i == from && i != off ? 1 : FAR;
	for (unsigned round = 0; round < p->n; round++)
		for (unsigned i = 0; i < p->n; i++)
			for (unsigned j = 0; j < p->n; j++)
				if (j != off && p->edge[i][j] && at[i] + 1 < at[j])
					at[j] = at[i] + 1;
	return at[to];
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* The lengths of the shortest ways of all pairs of holder and root, ascending. */
static unsigned all_lengths(const struct plain *p, unsigned target, int *ret)
{
	unsigned n = 0;

	if (p->root[target])
		ret[n++] = 1;
	for (unsigned holder = 0; holder < p->n; holder++)
		for (unsigned root = 0; root < p->n; root++) {
			unsigned d = distance(p, root, holder, target);

			if (p->edge[holder][target] && p->root[root] && d < FAR)
				ret[n++] = (int)d + 1;
		}
	qsort(ret, n, sizeof(*ret), by_number);
	return n;
}

static void check_path(const struct plain *p, const struct graph *g, const struct path *path, unsigned target)
{
	assert_int_equal(path->nodes[0], target);
	assert_int_equal(EDGE_NODE(g->root_node[path->root]), path->nodes[path->n - 1]);
	for (uint64_t i = 1; i < path->n; i++) {
		assert_true(p->edge[path->nodes[i]][path->nodes[i - 1]]);
		assert_int_not_equal(path->nodes[i], target);
	}
}

static void test_random(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		struct plain plain;
		struct facts f = {};
		struct graph *g = random_graph(&plain, &seed, &f);
		unsigned target = (unsigned)(dice(&seed) % plain.n), max = 1 + (unsigned)(dice(&seed) % 6), n;
		int lengths[MAX * MAX + 1];
		struct paths p;

		assert_null(paths_find(&env, g, &f, target, max, &p));
		n = all_lengths(&plain, target, lengths);
		assert_int_equal(p.n, n < max ? n : max);
		for (unsigned i = 0; i < p.n; i++) {
			check_path(&plain, g, &p.v[i], target);
			assert_int_equal(p.v[i].n, lengths[i]);
			for (unsigned k = 0; k < i; k++)
				assert_true(p.v[i].root != p.v[k].root || p.v[i].n == 1 || p.v[k].n == 1 ||
					    p.v[i].nodes[1] != p.v[k].nodes[1]);
		}
		paths_fini(&p);
		facts_fini(&f);
		graph_free(g);
	}
}

/* A list of a million with one root at its start, and one source of two slots at its end. */
static void test_long_list(void **state)
{
	static const struct root_source global = { .kind = ROOT_GLOBAL, .thread = UINT32_MAX };
	const uint32_t n = 1000000;
	struct graph_builder *b;
	struct graph *g;
	struct facts f = {};
	struct paths p;

	(void)state;
	assert_null(graph_builder_new(&env, &b));
	for (uint32_t i = 0; i < n; i++)
		assert_null(graph_add_node(b, 0x1000 + 16ull * i, 16));
	for (uint32_t i = 0; i + 1 < n; i++)
		assert_null(graph_add_edge(b, i, i + 1));
	assert_null(graph_add_root(b, &global, 0, 0));
	assert_null(graph_add_root(b, &global, n - 1, 8));
	assert_null(graph_add_root(b, &global, n - 1, 16));
	assert_null(graph_build_finish(b, &g));
	graph_builder_free(b);
	assert_null(facts_compute(&env, g, FACT_REVERSE, &f));
	assert_null(paths_find(&env, g, &f, n - 1, 3, &p));
	assert_int_equal(p.n, 2);
	assert_int_equal(p.v[0].n, 1);
	assert_int_equal(p.v[1].n, n);
	assert_int_equal(p.v[1].root, 0);
	paths_fini(&p);
	facts_fini(&f);
	graph_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_table, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_random, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_long_list, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
