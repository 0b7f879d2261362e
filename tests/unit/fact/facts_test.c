/* The facts of graphs: small ones by table, random ones against the plain definitions, long ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fact/fact.h"
#include "fake_graph.h"
#include "unit_env.h"

enum { ALL = FACT_REACH | FACT_CYCLES | FACT_DOM | FACT_PARENT | FACT_REVERSE, MAX = 24 };

static const struct root_source global = { .kind = ROOT_GLOBAL, .thread = UINT32_MAX };
static const struct root_source goroutine = { .kind = ROOT_GOROUTINE, .thread = 1 };

/* ---- by table: r reachable, p possibly, d definitely, i indirectly lost ---- */

static const struct {
	unsigned n;
	const char *edges, *roots, *kinds;
	unsigned cycles;
} cases[] = {
	{ 3, "a->b b->c", "a", "rrr", 0 },
	{ 3, "a->b b->c", "", "dii", 0 },
	{ 2, "a->b b->a", "", "di", 1 },	 /* a ring keeps nobody alive; its lowest node is its head */
	{ 3, "a->b b->c c->b", "", "dii", 1 },	 /* a ring that something lost holds has no head */
	{ 1, "a->a", "a", "r", 0 },
	{ 1, "a->a", "", "d", 0 },
	{ 2, "a~>b", "a", "rp", 0 },
	{ 3, "a~>b b->c", "a", "rpp", 0 },	 /* possibly lost spreads */
	{ 3, "a~>b a->b b->c", "a", "rrr", 0 },	 /* a plain pointer beats an interior one */
	{ 2, "a->b", "~a", "pp", 0 },
	{ 2, "a~>b", "", "di", 0 },		 /* among lost blocks every pointer counts */
	{ 4, "a->b c->b d->a", "d", "rrdr", 0 },
	{ 2, "", "", "dd", 0 },
	{ 0, "", "", "", 0 },
};

static char kind_letter(uint8_t reach)
{
	return "-rpidu"[reach];
}

static void test_table(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		struct graph *g = fake_graph(&env, cases[k].n, cases[k].edges, cases[k].roots);
		struct facts f = {};

		assert_null(facts_compute(&env, g, ALL, &f));
		for (unsigned i = 0; i < cases[k].n; i++)
			if (kind_letter(f.reach[i]) != cases[k].kinds[i])
				fail_msg("case %zu, node %c: %c", k, 'a' + i, kind_letter(f.reach[i]));
		assert_int_equal(f.n_cycles, cases[k].cycles);
		facts_fini(&f);
		graph_free(g);
	}
}

/* ---- random graphs against the definitions ---- */

struct plain {
	unsigned n;
	bool edge[MAX][MAX], interior[MAX][MAX]; /* plain; interior */
	bool root[MAX], iroot[MAX];
	bool collected[MAX]; /* a collector's: only such ones and roots point at it, and never into its middle */
	unsigned shift; /* of sizes: 28 makes sums of more than 32 bits */
};

static uint64_t size_of(const struct plain *p, unsigned i)
{
	return (uint64_t)(16 + i) << p->shift;
}

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

static void make_random(struct plain *p, uint64_t *seed)
{
	*p = (struct plain){ .n = 1 + (unsigned)(next_random(seed) % MAX) };
	p->shift = next_random(seed) % 4 ? 0 : 28;
	for (unsigned i = 0, m = (unsigned)(next_random(seed) % (3 * p->n)); i < m; i++) {
		unsigned from = (unsigned)(next_random(seed) % p->n), to = (unsigned)(next_random(seed) % p->n);

		if (from != to)
			(next_random(seed) % 5 ? p->edge : p->interior)[from][to] = true;
	}
	for (unsigned i = 0; i < p->n; i++) {
		p->root[i] = next_random(seed) % 8 == 0;
		p->iroot[i] = next_random(seed) % 16 == 0;
	}
}

/* Some of the nodes become a collector's. */
static void add_collector(struct plain *p, uint64_t *seed)
{
	for (unsigned i = 0; i < p->n; i++) {
		p->collected[i] = next_random(seed) % 2;
		p->iroot[i] &= !p->collected[i];
	}
	for (unsigned i = 0; i < p->n; i++)
		for (unsigned j = 0; j < p->n; j++)
			if (p->collected[j]) {
				p->edge[i][j] &= p->collected[i];
				p->interior[i][j] = false;
			}
}

static struct graph *build(const struct plain *p)
{
	struct graph_builder *b;
	struct graph *g;

	assert_null(graph_builder_new(&env, &b));
	for (unsigned i = 0; i < p->n; i++)
		assert_null(graph_add_node(b, 0x1000 + 0x100 * i, size_of(p, i)));
	for (unsigned i = 0; i < p->n; i++)
		for (unsigned j = 0; j < p->n; j++) {
			if (p->edge[i][j])
				assert_null(graph_add_edge(b, i, j));
			if (p->interior[i][j])
				assert_null(graph_add_edge(b, i, j | EDGE_INTERIOR));
		}
	for (unsigned i = 0; i < p->n; i++) {
		if (p->root[i])
			assert_null(graph_add_root(b, i % 3 ? &global : &goroutine, i, 8 * i));
		if (p->iroot[i])
			assert_null(graph_add_root(b, &global, i | EDGE_INTERIOR, 8 * i));
	}
	assert_null(graph_build_finish(b, &g));
	graph_builder_free(b);
	return g;
}

/* Everything that `seen` leads to, without going through `without`. */
static void close_over(const struct plain *p, bool *seen, bool interior_too, unsigned without)
{
	for (bool more = true; more;) {
		more = false;
		for (unsigned i = 0; i < p->n; i++)
			for (unsigned j = 0; j < p->n; j++)
				if (seen[i] && !seen[j] && i != without && j != without &&
				    (p->edge[i][j] || (interior_too && p->interior[i][j])))
					seen[j] = more = true;
	}
}

static void reach_plainly(const struct plain *p, char *kinds)
{
	bool reached[MAX] = {}, possible[MAX] = {}, to[MAX][MAX] = {};

	for (unsigned i = 0; i < p->n; i++) {
		reached[i] = p->root[i];
		possible[i] = p->root[i] || p->iroot[i];
		to[i][i] = true;
	}
	close_over(p, reached, false, MAX);
	close_over(p, possible, true, MAX);
	for (unsigned i = 0; i < p->n; i++)
		close_over(p, to[i], true, MAX);
	for (unsigned i = 0; i < p->n; i++) {
		kinds[i] = reached[i] ? 'r' : possible[i] ? 'p' : p->collected[i] ? 'u' : 'd';
		for (unsigned j = 0; j < p->n && kinds[i] == 'd'; j++)
			if (j != i && !p->collected[j] && !reached[j] && !possible[j] && to[j][i] && (!to[i][j] || j < i))
				kinds[i] = 'i';
	}
}

/* a is dominated by d when removing d cuts it off from all roots and heads. */
static void dominate_plainly(const struct plain *p, const char *kinds, bool dom[MAX][MAX])
{
	for (unsigned d = 0; d < p->n; d++) {
		bool seen[MAX] = {};

		for (unsigned i = 0; i < p->n; i++)
			seen[i] = i != d && (p->root[i] || p->iroot[i] || kinds[i] == 'd');
		close_over(p, seen, true, d);
		for (unsigned i = 0; i < p->n; i++)
			dom[d][i] = !seen[i];
	}
}

/* Nodes with edges, each once and behind its dominator; no garbage. */
static void check_tree(const struct plain *p, const struct facts *f, const char *kinds)
{
	bool seen[MAX] = {};

	for (uint64_t k = 0; k < f->n_tree; k++) {
		node_id node = f->tree[k], up = f->idom[node];

		assert_false(seen[node]);
		assert_true(up == NODE_NONE || seen[up]);
		seen[node] = true;
	}
	for (unsigned i = 0; i < p->n; i++) {
		bool leads = false;

		for (unsigned j = 0; j < p->n; j++)
			leads |= p->edge[i][j] || p->interior[i][j];
		assert_int_equal(seen[i], leads && kinds[i] != 'u');
	}
}

static void check_dom(const struct plain *p, const struct facts *f, const char *kinds)
{
	bool dom[MAX][MAX];

	dominate_plainly(p, kinds, dom);
	for (unsigned i = 0; i < p->n; i++) {
		uint64_t bytes = 0;
		unsigned n_dominators = 0, depth = 0;

		if (kinds[i] == 'u') { /* garbage dominates nothing */
			assert_int_equal(f->idom[i], NODE_NONE);
			assert_int_equal(facts_retained(f, i), size_of(p, i));
			continue;
		}

		for (unsigned j = 0; j < p->n; j++) {
			bytes += dom[i][j] && kinds[j] != 'u' ? size_of(p, j) : 0;
			n_dominators += j != i && dom[j][i];
		}
		assert_int_equal(facts_retained(f, i), bytes);
		for (node_id d = f->idom[i]; d != NODE_NONE; d = f->idom[d], depth++)
			assert_true(dom[d][i]);
		assert_int_equal(depth, n_dominators);
	}
	check_tree(p, f, kinds);
	for (uint64_t k = 0; k < f->n_lost; k++)
		assert_int_equal(f->lost[k].held_bytes, facts_retained(f, f->lost[k].node) - f->lost[k].bytes);
}

/* No block has a type, so an interior edge is sure only from one of a collector. */
static bool is_sure(const struct plain *p, unsigned from, unsigned to)
{
	return p->edge[from][to] || (p->interior[from][to] && p->collected[from]);
}

enum { DOUBT = 1 << 16 }; /* in a depth: behind all ways of sure edges alone */

/* By rounds until nothing changes. */
static void measure_depths(const struct plain *p, bool doubtful_too, uint32_t depth[MAX])
{
	for (bool more = true; more;) {
		more = false;
		for (unsigned i = 0; i < p->n; i++)
			for (unsigned j = 0; j < p->n; j++) {
				uint32_t down = (is_sure(p, i, j) ? depth[i] : depth[i] | DOUBT) + 1;

				if (depth[i] == UINT32_MAX || depth[j] <= down ||
				    !(is_sure(p, i, j) || (doubtful_too && p->interior[i][j])))
					continue;
				depth[j] = down;
				more = true;
			}
	}
}

static void check_parent(const struct plain *p, const struct facts *f)
{
	uint32_t depth[MAX];

	memset(depth, 0xff, sizeof(depth));
	for (unsigned i = 0; i < p->n; i++)
		if (p->root[i] || p->iroot[i])
			depth[i] = 0;
	measure_depths(p, false, depth);
	measure_depths(p, true, depth);
	for (unsigned i = 0; i < p->n; i++) {
		unsigned steps = 0;
		uint32_t at = f->parent[i], doubt = 0;

		if (depth[i] == UINT32_MAX) {
			assert_int_equal(at, NODE_NONE);
			continue;
		}
		for (uint32_t down = i; !(at & PARENT_ROOT); at = f->parent[at], steps++) {
			if (!is_sure(p, at, down))
				doubt = DOUBT;
			down = at;
		}
		assert_int_equal(steps | doubt, depth[i]);
	}
}

static void check_reverse(const struct plain *p, const struct graph *g, const struct facts *f)
{
	uint64_t n = 0;

	for (unsigned to = 0; to < p->n; to++)
		for (uint64_t e = f->in_row_base[0] + f->in_row[to]; e < f->in_row_base[0] + f->in_row[to + 1]; e++, n++) {
			unsigned from = EDGE_NODE(f->in_src[e]);

			assert_true(f->in_src[e] & EDGE_INTERIOR ? p->interior[from][to] : p->edge[from][to]);
		}
	assert_int_equal(n, g->m);
}

/* What heads hold, found among the lost alone. */
static void check_lost_held(const struct graph *g, const struct facts *full)
{
	struct facts f = {};

	assert_null(facts_compute(&env, g, FACT_LOST_HELD, &f));
	assert_null(f.idom);
	assert_int_equal(f.n_lost, full->n_lost);
	for (uint64_t i = 0; i < f.n_lost; i++) {
		assert_int_equal(f.lost[i].node, full->lost[i].node);
		assert_int_equal(f.lost[i].held_count, full->lost[i].held_count);
		assert_int_equal(f.lost[i].held_bytes, full->lost[i].held_bytes);
	}
	facts_fini(&f);
}


/* Lost nodes outside a ring that are cut off from the heads when all of the ring goes. */
static void check_cycles(const struct plain *p, const struct facts *f, const char *kinds)
{
	for (uint64_t k = 0; k < f->n_cycles; k++) {
		struct plain without = *p;
		bool seen[MAX] = {}, in[MAX] = {};
		unsigned held = 0;

		for (uint64_t m = 0; m < f->cycles[k].nodes; m++)
			in[f->cycle_members[f->cycles[k].first_member + m]] = true;
		for (unsigned i = 0; i < p->n; i++) {
			seen[i] = !in[i] && kinds[i] == 'd';
			for (unsigned j = 0; j < p->n; j++)
				if (in[i])
					without.edge[i][j] = without.interior[i][j] = false;
		}
		close_over(&without, seen, true, MAX);
		for (unsigned i = 0; i < p->n; i++)
			held += !in[i] && !seen[i] && (kinds[i] == 'd' || kinds[i] == 'i');
		assert_int_equal(f->cycles[k].held_count, held);
	}
}

static void test_random(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 4000; round++) {
		struct wait waits[2] = { { .thread = 1, .kind = WAIT_FOR }, { .thread = 1, .kind = WAIT_HIDDEN } };
		struct gate gate = { .owner = 1 };
		uint64_t collected = 0;
		char kinds[MAX];
		struct plain p;
		struct facts f = {};
		struct graph *g;

		make_random(&p, &seed);
		if (round % 2)
			add_collector(&p, &seed);
		g = build(&p);
		for (unsigned i = 0; i < p.n; i++)
			collected |= (uint64_t)p.collected[i] << i;
		g->collected = round % 2 ? &collected : NULL;
		if (round % 3) { /* what marks of goroutines and owners stop at is no end of this one */
			waits[0].node = (node_id)(round / 6 % p.n);
			waits[1].node = gate.node = p.n - 1;
			g->waits = waits;
			g->n_waits = 2;
			g->gates = &gate;
			g->n_gates = 1;
		}
		assert_null(facts_compute(&env, g, ALL, &f));
		reach_plainly(&p, kinds);
		for (unsigned i = 0; i < p.n; i++)
			assert_int_equal(kind_letter(f.reach[i]), kinds[i]);
		check_dom(&p, &f, kinds);
		check_parent(&p, &f);
		check_reverse(&p, g, &f);
		check_cycles(&p, &f, kinds);
		check_lost_held(g, &f);
		facts_fini(&f);
		graph_free(g);
	}
}

/* ---- long ones: nothing recurses, nothing is quadratic ---- */

/* A list, each node of which also points at one shared leaf; `ring`: its end points at its start. */
static struct graph *list(uint32_t n, bool rooted, bool ring)
{
	struct graph_builder *b;
	struct graph *g;

	assert_null(graph_builder_new(&env, &b));
	for (uint32_t i = 0; i <= n; i++)
		assert_null(graph_add_node(b, 0x1000 + 16ull * i, 16));
	for (uint32_t i = 0; i < n; i++) {
		if (i + 1 < n || ring)
			assert_null(graph_add_edge(b, i, (i + 1) % n));
		assert_null(graph_add_edge(b, i, n));
	}
	if (rooted)
		assert_null(graph_add_root(b, &global, 0, 0));
	assert_null(graph_build_finish(b, &g));
	graph_builder_free(b);
	return g;
}

/*
 * Of two roots the second is one that a runtime names, or names before the other: what it leads to begins there,
 * however far, but for what it leads to by a doubtful edge alone and the other does not.
 */
static const struct {
	const char *edges;
	char of, parent; /* 'a' and 'b' are held by the roots */
} named[] = {
	{ "a->c b->d d->c", 'c', 'd' },		/* longer, and named */
	{ "a->c b~>c", 'c', 'a' },		/* doubtful */
	{ "a->d b~>c d->c", 'c', 'd' },		/* so it is, however long the other is */
	{ "a~>c b~>c", 'c', 'b' },		/* both are */
	{ "a~>c b->d d~>c", 'c', 'd' },
	{ "a->d b~>c c->d", 'd', 'a' },		/* and what is behind it */
	{ "b~>c c->d", 'd', 'c' },
};

static void named_by(uint8_t first, uint8_t second)
{
	for (size_t k = 0; k < ARRAY_SIZE(named); k++) {
		struct graph *g = fake_graph(&env, 4, named[k].edges, "a b");
		const struct root_source sources[] = { { .kind = ROOT_GLOBAL, .thread = UINT32_MAX, .first = first },
			{ .kind = ROOT_GLOBAL, .thread = UINT32_MAX, .first = second } };
		const uint32_t of[] = { 0, 1 };
		struct facts f = {};

		g->sources = sources;
		g->n_sources = ARRAY_SIZE(sources);
		g->root_source = of;
		assert_null(facts_compute(&env, g, FACT_PARENT, &f));
		if (f.parent[named[k].of - 'a'] != (uint32_t)(named[k].parent - 'a'))
			fail_msg("%u, %u: %s: %#x", first, second, named[k].edges, f.parent[named[k].of - 'a']);
		facts_fini(&f);
		graph_free(g);
	}
}

static void test_named_roots(void **state)
{
	(void)state;
	named_by(FIRST_NONE, FIRST_NAMED);
	named_by(FIRST_NONE, FIRST_FRAME);
	named_by(FIRST_FRAME, FIRST_NAMED);
}

static void test_long_list(void **state)
{
	const uint32_t n = 1000000;

	(void)state;
	for (unsigned rooted = 0; rooted < 2; rooted++) {
		struct graph *g = list(n, rooted, false);
		struct facts f = {};

		assert_null(facts_compute(&env, g, ALL, &f));
		assert_int_equal(f.reach_total[REACH_REACHABLE].count, rooted ? n + 1 : 0);
		assert_int_equal(f.n_lost, rooted ? 0 : 1);
		assert_int_equal(facts_retained(&f, 0), 16ull * (n + 1));
		assert_int_equal(facts_retained(&f, n - 1), 16);
		assert_int_equal(f.idom[n], 0);
		assert_int_equal(f.idom[n - 1], n - 2);
		facts_fini(&f);
		graph_free(g);
	}
}

/* A list whose sizes add up to the last number of 32 bits, to the first beyond, and to more. */
static void test_wide_sums(void **state)
{
	static const uint64_t sizes[][3] = {
		{ UINT32_MAX - 48, 32, 16 },
		{ UINT32_MAX - 48, 32, 17 },
		{ 1ull << 40, 1ull << 37, 1ull << 36 },
	};

	(void)state;
	for (unsigned k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		struct graph_builder *b;
		struct facts f = {};
		struct graph *g;

		assert_null(graph_builder_new(&env, &b));
		for (unsigned i = 0; i < 3; i++)
			assert_null(graph_add_node(b, (1 + i) * (1ull << 41), sizes[k][i]));
		for (unsigned i = 0; i < 2; i++)
			assert_null(graph_add_edge(b, i, i + 1));
		assert_null(graph_build_finish(b, &g)); /* no roots: the first is a lost head */
		graph_builder_free(b);
		assert_null(facts_compute(&env, g, ALL, &f));
		assert_int_equal(facts_retained(&f, 0), sizes[k][0] + sizes[k][1] + sizes[k][2]);
		assert_int_equal(facts_retained(&f, 1), sizes[k][1] + sizes[k][2]);
		assert_int_equal(facts_retained(&f, 2), sizes[k][2]);
		assert_int_equal(f.lost[0].held_bytes, sizes[k][1] + sizes[k][2]);
		facts_fini(&f);
		graph_free(g);
	}
}

static void test_ring(void **state)
{
	struct graph *g = list(1000, false, true);
	struct facts f = {};

	(void)state;
	assert_null(facts_compute(&env, g, ALL, &f));
	assert_int_equal(f.n_lost, 1);
	assert_int_equal(f.lost[0].node, 0);
	assert_int_equal(f.lost[0].held_count, 1000);
	assert_int_equal(f.n_cycles, 1);
	assert_int_equal(f.cycles[0].nodes, 1000);
	assert_int_equal(f.cycles[0].bytes, 16000);
	assert_int_equal(f.cycles[0].held_count, 1);
	facts_fini(&f);
	graph_free(g);
}

/* ---- more nodes than one thread marks alone ---- */

static struct graph *wide_graph(uint32_t n)
{
	struct graph_builder *b;
	struct graph *g;
	uint64_t seed = 7;

	assert_null(graph_builder_new(&env, &b));
	for (uint32_t i = 0; i < n; i++)
		assert_null(graph_add_node(b, 0x1000 + 16ull * i, 16));
	for (uint32_t i = 0; i < n; i++)
		for (unsigned k = 0, m = (unsigned)(next_random(&seed) % 4); k < m; k++) {
			uint32_t to = (uint32_t)(next_random(&seed) % n);

			assert_null(graph_add_edge(b, i, next_random(&seed) % 4 ? to : to | EDGE_INTERIOR));
		}
	for (unsigned i = 0; i < 8; i++)
		assert_null(graph_add_root(b, &global, (uint32_t)(next_random(&seed) % n), 8 * i));
	assert_null(graph_build_finish(b, &g));
	graph_builder_free(b);
	return g;
}

/* Node by node, in no order that matters: reached by plain edges, then by all of them. */
static void mark_plainly(const struct graph *g, uint8_t *kind, uint8_t as, node_id *todo)
{
	uint64_t n = 0;

	for (node_id i = 0; i < g->n; i++)
		if (kind[i])
			todo[n++] = i;
	while (n) {
		node_id i = todo[--n];

		for (edge_id e = graph_row(g, i); e < graph_row(g, i + 1); e++) {
			node_id to = EDGE_NODE(g->dst[e]);

			if (kind[to] || (as == REACH_REACHABLE && g->dst[e] & EDGE_INTERIOR))
				continue;
			kind[to] = as;
			todo[n++] = to;
		}
	}
}

static void test_many_threads(void **state)
{
	const uint32_t n = 400000;
	struct graph *g = wide_graph(n);
	uint8_t *kind = calloc(n, 1);
	node_id *todo = calloc(n, sizeof(*todo));
	uint64_t of_kind[REACH_KINDS] = {};

	(void)state;
	assert_true(kind && todo);
	for (uint32_t i = 0; i < g->n_roots; i++)
		kind[g->root_node[i]] = REACH_REACHABLE;
	mark_plainly(g, kind, REACH_REACHABLE, todo);
	mark_plainly(g, kind, REACH_POSSIBLE, todo);
	for (uint32_t i = 0; i < n; i++)
		of_kind[kind[i]]++;
	assert_true(of_kind[REACH_REACHABLE] > n / 8 && of_kind[REACH_POSSIBLE] > n / 8 && of_kind[0] > n / 64);
	for (env.threads = 1; env.threads < 16; env.threads *= 2) {
		struct facts f = {};

		assert_null(facts_compute(&env, g, FACT_REACH, &f));
		for (uint32_t i = 0; i < n; i++)
			if (kind[i] ? f.reach[i] != kind[i] : f.reach[i] != REACH_DEFINITE && f.reach[i] != REACH_INDIRECT)
				fail_msg("%u threads, node %u: %u, not %u", env.threads, i, f.reach[i], kind[i]);
		facts_fini(&f);
	}
	free(todo);
	free(kind);
	graph_free(g);
}

/* What goes on beside others says the same as one after the other. */
static void test_steps_beside(void **state)
{
	enum { EVERY = FACT_REACH | FACT_CYCLES | FACT_DOM | FACT_PARENT | FACT_REVERSE | FACT_LOST_HELD | FACT_REF_RINGS };
	const uint32_t n = 200000;
	struct graph *g = wide_graph(n);
	struct facts one = {};

	(void)state;
	env.threads = 1;
	assert_null(facts_compute(&env, g, EVERY, &one));
	for (env.threads = 2; env.threads < 9; env.threads++) {
		struct facts f = {};

		assert_null(facts_compute(&env, g, EVERY, &f));
		assert_int_equal(f.have & EVERY, EVERY);
		assert_memory_equal(f.idom, one.idom, n * sizeof(*f.idom));
		assert_memory_equal(f.parent, one.parent, n * sizeof(*f.parent));
		assert_int_equal(f.n_tree, one.n_tree);
		assert_memory_equal(f.tree, one.tree, f.n_tree * sizeof(*f.tree));
		assert_int_equal(f.n_lost, one.n_lost);
		assert_true(f.n_lost > 100);
		for (uint64_t i = 0; i < f.n_lost; i++)
			assert_int_equal(f.lost[i].held_bytes, one.lost[i].held_bytes);
		for (node_id i = 0; i < n; i++)
			assert_int_equal(facts_retained(&f, i), facts_retained(&one, i));
		facts_fini(&f);
	}
	facts_fini(&one);
	graph_free(g);
}

/* What is begun beside types and notes is the same; without threads or memory to spare it is not begun. */
static void test_early(void **state)
{
	const uint32_t n = 200000;
	struct graph *g = wide_graph(n);
	struct facts one = {}, f = {};
	struct facts_early early;

	(void)state;
	env.threads = 1;
	facts_begin(&env, g, FACT_DOM, &one, &early);
	facts_end(&early);
	assert_int_equal(one.have, 0);
	assert_null(facts_compute(&env, g, FACT_DOM | FACT_PARENT, &one));
	env.threads = 4;
	env.mem_budget = env.mem_used + 16 * n;
	facts_begin(&env, g, FACT_DOM, &f, &early);
	facts_end(&early);
	assert_int_equal(f.have, 0);
	env.mem_budget = UINT64_MAX;
	facts_begin(&env, g, FACT_DOM, &f, &early);
	facts_end(&early);
	assert_int_equal(f.have, FACT_REACH | FACT_DOM);
	assert_memory_equal(f.idom, one.idom, n * sizeof(*f.idom));
	facts_begin(&env, g, FACT_PARENT, &f, &early);
	facts_end(&early);
	assert_int_equal(f.have, FACT_REACH | FACT_DOM | FACT_PARENT);
	assert_null(facts_compute(&env, g, FACT_DOM | FACT_PARENT, &f));
	assert_int_equal(f.have, one.have);
	assert_memory_equal(f.parent, one.parent, n * sizeof(*f.parent));
	for (node_id i = 0; i < n; i++)
		assert_int_equal(facts_retained(&f, i), facts_retained(&one, i));
	facts_fini(&f);
	facts_fini(&one);
	graph_free(g);
}

/* Too little memory for one of them: the error of the first in their order, and no thread left behind. */
static void test_steps_beside_fail(void **state)
{
	const uint32_t n = 200000;
	struct graph *g = wide_graph(n);
	uint64_t used = env.mem_used;

	(void)state;
	for (uint64_t more = 1 << 18; more < 64 << 20; more += more / 2) {
		struct facts f = {};
		struct err *err;

		env.threads = 4;
		env.mem_budget = used + more;
		env.disk_budget = 0;
		err = facts_compute(&env, g, FACT_REACH | FACT_DOM | FACT_PARENT | FACT_REVERSE, &f);
		if (err)
			assert_int_equal(err->kind, ERR_LIMIT);
		assert_true(!err == (f.idom && f.parent && f.in_src));
		err_free(err);
		facts_fini(&f);
		spare_drop(&env.spare, UINT64_MAX);
		assert_int_equal(env.mem_used, used);
	}
	env.mem_budget = env.disk_budget = UINT64_MAX;
	graph_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_table, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_random, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_named_roots, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_long_list, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_wide_sums, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ring, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_threads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_steps_beside, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_steps_beside_fail, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_early, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
