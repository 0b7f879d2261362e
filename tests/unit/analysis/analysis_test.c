/*
 * The analyses over graphs whose facts are known by construction: what is one suspect, who holds
 * it, and that no byte is counted in two of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/analysis.h"
#include "base/guard.h"

enum { NODES = 30000, EDGES = 60000, ROOTS = 20000 };

/* A graph and its facts, filled node by node: an edge belongs to the node added last. */
struct world {
	struct graph g;
	struct facts f;
	uint64_t key[NODES], size[NODES], live[NODES / 64 + 1], row_base[2], row[NODES + ROW_GROUP], retained[NODES], root_at[ROOTS];
	uint64_t with_retained[NODES / 64 + 1];
	uint32_t rank[NODES / 64 + 1], row_group[NODES / ROW_GROUP + 1], dst[EDGES], root_node[ROOTS], root_source[ROOTS], parent[NODES];
	node_id idom[NODES], members[NODES];
	uint8_t reach[NODES];
	struct root_source source;
	struct lost_head lost[NODES];
	struct cycle cycles[4];
	struct env env;
	struct report r;
	const char *names[4]; /* of the roots, by a quarter of the slots each */
	struct sample samples[4];
	size_t n_samples;
};

static void name_root(void *ctx, uint32_t root, struct text *ret)
{
	const struct world *w = ctx;

	text_printf(ret, "%s+0x%x", w->names[root * 4 / w->g.n_roots], root * 8);
}

static bool find_edge(void *ctx, node_id src, node_id dst, struct edge_label *ret)
{
	const struct world *w = ctx;

	for (uint64_t e = w->row[src]; e < w->row[src + 1]; e++) {
		if (EDGE_NODE(w->dst[e]) == dst) {
			*ret = (struct edge_label){ .offset = 8 * (e - w->row[src]) };
			return true;
		}
	}
	return false;
}

static const struct graph_ops ops = { .root = name_root, .edge = find_edge };

static struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	env_init(&w->env);
	w->source = (struct root_source){ .kind = ROOT_GLOBAL, .thread = UINT32_MAX, .module = -1 };
	w->g = (struct graph){
		.env = &w->env, .key = w->key, .size = w->size, .live = w->live,
		.rows = { .base = w->row_base, .group = w->row_group, .wide = w->row },
		.dst = w->dst, .root_node = w->root_node, .root_source = w->root_source, .root_at = w->root_at,
		.sources = &w->source, .n_sources = 1, .ops = &ops, .ctx = w,
	};
	w->f = (struct facts){
		.reach = w->reach, .lost = w->lost, .cycles = w->cycles, .cycle_members = w->members,
		.idom = w->idom, .retained = {
			.set = w->with_retained, .rank = w->rank, .wide = w->retained,
		}, .parent = w->parent,
	};
	for (uint32_t i = 0; i <= NODES / ROW_GROUP; i++)
		w->row_group[i] = ROW_WIDE | i;
	for (unsigned i = 0; i < 4; i++)
		w->names[i] = "main.table";
	return w;
}

static void world_free(struct world *w)
{
	report_fini(&w->r);
	env_fini(&w->env);
	free(w);
}

static node_id add_node(struct world *w, uint64_t size, enum reach reach, node_id idom, uint64_t retained, uint32_t parent)
{
	node_id i = w->g.n++;

	w->key[i] = 0x10000 + 0x10000ull * i;
	w->size[i] = size;
	bit_set(w->live, i);
	w->g.n_live++;
	w->g.live_bytes += size;
	w->reach[i] = (uint8_t)reach;
	w->f.reach_total[reach].count++;
	w->f.reach_total[reach].bytes += size;
	w->idom[i] = idom;
	w->retained[i] = retained;
	bit_set(w->with_retained, i);
	w->rank[i >> 6] = i & ~63u;
	w->parent[i] = parent;
	w->row[i + 1] = w->row[i];
	return i;
}

static void add_edge(struct world *w, node_id dst)
{
	w->dst[w->g.m++] = dst;
	w->row[w->g.n]++;
}

static uint32_t add_root(struct world *w, node_id node)
{
	uint32_t i = w->g.n_roots++;

	w->root_node[i] = node;
	w->root_at[i] = 0x600000 + 8 * i;
	return PARENT_ROOT | i;
}

static void add_head(struct world *w, node_id node, uint64_t held_count, uint64_t held_bytes)
{
	w->lost[w->f.n_lost++] = (struct lost_head){ node, w->size[node], held_count, held_bytes };
}

static void run_all(struct world *w)
{
	const struct subject s = { .graph = &w->g, .facts = &w->f, .top = 10, .samples = w->samples, .n_samples = w->n_samples };

	for (const struct analysis_ops *const *a = analysis_registry; *a; a++)
		assert_null((*a)->run(&w->env, &s, &w->r));
}

/* 6,000 heads of 48 bytes that hold 64 each, and one of 1,008 alone. */
static void test_like_heads(void **state)
{
	struct world *w = world_new();
	const struct rp_suspect *s;

	(void)state;
	for (unsigned i = 0; i < 6000; i++) {
		node_id head = add_node(w, 48, REACH_DEFINITE, NODE_NONE, 112, NODE_NONE);

		add_edge(w, head + 1);
		add_node(w, 64, REACH_INDIRECT, head, 64, NODE_NONE);
		add_head(w, head, 1, 64);
	}
	add_head(w, add_node(w, 1008, REACH_DEFINITE, NODE_NONE, 1008, NODE_NONE), 0, 0);
	run_all(w);

	assert_int_equal(w->r.suspects.n, 2);
	s = &w->r.suspects.v[0];
	assert_string_equal(s->rule, "lost/definite");
	assert_string_equal(s->id, "s1");
	assert_int_equal(s->count, 6000);
	assert_int_equal(s->bytes, 6000 * 48);
	assert_int_equal(s->retained, 6000 * 112);
	assert_int_equal(s->addresses[0], 0x10000);
	assert_null(s->chain.root.kind);
	assert_int_equal(s->chain.n_hops, 2);
	assert_int_equal(s->chain.hops[1].size, 64);
	assert_int_equal(w->r.suspects.v[1].retained, 1008);
	assert_int_equal(w->r.categories[CAT_LOST].bytes, 6000 * 112 + 1008);
	assert_int_equal(w->r.reach[REACH_DEFINITE].count, 6001);
	world_free(w);
}

/* Lost rings are suspects of their own, not a second time among the heads. */
static void test_rings(void **state)
{
	struct world *w = world_new();

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		add_node(w, 32, i ? REACH_INDIRECT : REACH_DEFINITE, i ? i - 1 : NODE_NONE, 96 - 32 * i, NODE_NONE);
		add_edge(w, (i + 1) % 3);
		w->members[i] = i;
	}
	add_head(w, 0, 2, 64);
	w->cycles[w->f.n_cycles++] = (struct cycle){ .nodes = 3, .bytes = 96 };
	run_all(w);

	assert_int_equal(w->r.suspects.n, 1);
	assert_string_equal(w->r.suspects.v[0].rule, "cycle/unreachable");
	assert_int_equal(w->r.suspects.v[0].retained, 96);
	assert_int_equal(w->r.cycles.n, 1);
	assert_int_equal(w->r.cycles.v[0].n_members, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(w->r.cycles.v[0].members[i].address, w->key[i]);
	assert_int_equal(w->r.categories[CAT_CYCLE].bytes, 96);
	assert_int_equal(w->r.categories[CAT_LOST].bytes, 96);
	world_free(w);
}

static const char *told(const struct rp_suspect *s, const char *what)
{
	for (size_t i = 0; i < s->n_evidence; i++)
		if (!strcmp(s->evidence[i].what, what))
			return s->evidence[i].value;
	return "";
}

/* Where rings were allocated is told of one block a ring: of these rings, and of no other block as large. */
static void test_where_rings_were_allocated(void **state)
{
	struct world *w = world_new();

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		add_node(w, 48, i % 2 ? REACH_INDIRECT : REACH_DEFINITE, i % 2 ? i - 1 : NODE_NONE, i % 2 ? 48 : 96, NODE_NONE);
		add_edge(w, i ^ 1);
		w->members[i] = i;
		if (i % 2 == 0) {
			add_head(w, i, 1, 48);
			w->cycles[w->f.n_cycles++] = (struct cycle){ .node = i, .nodes = 2, .bytes = 96, .first_member = i };
		}
	}
	add_head(w, add_node(w, 96, REACH_DEFINITE, NODE_NONE, 96, NODE_NONE), 0, 0);
	for (unsigned i = 0; i < 4; i++)
		w->samples[w->n_samples++] = (struct sample){
			.node = i + i / 3, .stack = i == 3 ? "make_other <- main" : "make_ring <- main", .bytes = 40, .every = i < 3,
		};
	run_all(w);

	assert_int_equal(w->r.suspects.n, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct rp_suspect *s = &w->r.suspects.v[i];

		assert_string_equal(told(s, "allocated at"), strcmp(s->rule, "cycle/unreachable") ?
			"make_other <- main (1 sample, for 40 B)" : "make_ring <- main (2 blocks, 80 B)");
	}
	world_free(w);
}

static const struct rp_suspect *only_suspect(const struct world *w)
{
	assert_int_equal(w->r.suspects.n, 1);
	assert_string_equal(w->r.suspects.v[0].rule, "growth/accumulation");
	return &w->r.suspects.v[0];
}

/* global -> config -> array -> 10,000 sessions of 80 bytes */
static void test_table(void **state)
{
	enum { N = 10000 };
	struct world *w = world_new();
	const struct rp_suspect *s;
	uint64_t all = N * 80 + N * 8;

	(void)state;
	add_node(w, 64, REACH_REACHABLE, NODE_NONE, all + 64, add_root(w, 0));
	add_edge(w, 1);
	add_node(w, N * 8, REACH_REACHABLE, 0, all, 0);
	for (unsigned i = 0; i < N; i++)
		add_edge(w, 2 + i);
	for (unsigned i = 0; i < N; i++)
		add_node(w, 80, REACH_REACHABLE, 1, 80, 1);
	run_all(w);

	s = only_suspect(w);
	assert_int_equal(s->count, N);
	assert_int_equal(s->bytes, N * 80);
	assert_int_equal(s->retained, all);
	assert_string_equal(s->chain.root.kind, "global");
	assert_string_equal(s->chain.root.symbol, "main.table+0x0");
	assert_int_equal(s->chain.n_hops, 3);
	assert_int_equal(s->chain.hops[1].address, w->key[1]);
	assert_int_equal(s->chain.hops[2].address, s->addresses[0]);
	assert_string_equal(s->title, "10,000 blocks of 80 bytes in main.table");
	world_free(w);
}

static const struct local {
	const char *source, *function, *frame, *variable, *title;
} locals[] = {
	{ "stack of thread 7 in slow (app.py:29): rows", "slow", "slow (app.py:29)", "rows", "10,000 blocks of 80 bytes in rows of slow" },
	/* What is named in a frame of code may be its caller's: it is no variable of the function's. */
	{ "stack of thread 7 in inner+0x12 (rbx of its caller): rows", "inner+0x12", "", "",
	  "10,000 blocks of 80 bytes, from stack of thread 7 in inner" },
};
static const struct local *local;

static void name_local(void *ctx, uint32_t root, struct text *ret)
{
	(void)ctx;
	(void)root;
	text_add(ret, local->source);
}

static void place_local(void *ctx, uint32_t root, struct root_place *ret)
{
	(void)ctx;
	(void)root;
	text_add(&ret->function, local->function);
	text_add(&ret->frame, local->frame);
	text_add(&ret->variable, local->variable);
}

/* A title has the function whose variable it is, or none. */
static void test_locals_in_titles(void **state)
{
	enum { N = 10000 };
	static const struct graph_ops placed = { .root = name_local, .edge = find_edge, .place = place_local };

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(locals); k++) {
		struct world *w = world_new();

		local = &locals[k];
		w->source.kind = ROOT_STACK;
		w->g.ops = &placed;
		add_node(w, N * 8, REACH_REACHABLE, NODE_NONE, N * 88, add_root(w, 0));
		for (unsigned i = 0; i < N; i++)
			add_edge(w, 1 + i);
		for (unsigned i = 0; i < N; i++)
			add_node(w, 80, REACH_REACHABLE, 0, 80, 0);
		run_all(w);
		assert_string_equal(only_suspect(w)->title, local->title);
		world_free(w);
	}
}

/* Most bytes are of blocks that are too few to name what is held: the title does not give them to the others. */
static void test_title_of_less_than_half(void **state)
{
	enum { N = 10000, FEW = 90, LARGE = 16384 };
	struct world *w = world_new();

	(void)state;
	add_node(w, (N + FEW) * 8, REACH_REACHABLE, NODE_NONE, (N + FEW) * 8 + N * 80 + FEW * LARGE, add_root(w, 0));
	for (unsigned i = 0; i < N + FEW; i++)
		add_edge(w, 1 + i);
	for (unsigned i = 0; i < N; i++)
		add_node(w, 80, REACH_REACHABLE, 0, 80, 0);
	for (unsigned i = 0; i < FEW; i++)
		add_node(w, LARGE, REACH_REACHABLE, 0, LARGE, 0);
	run_all(w);
	assert_string_equal(only_suspect(w)->title, "10,000 blocks of 80 bytes and others in main.table");
	world_free(w);
}

/* A map in four parts, each as large as a suspect: they are one. */
static void test_parts_of_one(void **state)
{
	enum { PARTS = 4, N = 4000 };
	struct world *w = world_new();
	const struct rp_suspect *s;
	uint64_t part = N * 88;

	(void)state;
	add_node(w, 64, REACH_REACHABLE, NODE_NONE, 64 + PARTS * (48 + part), add_root(w, 0));
	for (unsigned i = 0; i < PARTS; i++)
		add_edge(w, 1 + i);
	for (unsigned i = 0; i < PARTS; i++) {
		add_node(w, 48, REACH_REACHABLE, 0, 48 + part, 0);
		add_edge(w, 1 + PARTS + i);
	}
	for (unsigned i = 0; i < PARTS; i++) {
		add_node(w, N * 8, REACH_REACHABLE, 1 + i, part, 1 + i);
		for (unsigned k = 0; k < N; k++)
			add_edge(w, 1 + 2 * PARTS + i * N + k);
	}
	for (unsigned i = 0; i < PARTS * N; i++)
		add_node(w, 80, REACH_REACHABLE, 1 + PARTS + i / N, 80, 1 + PARTS + i / N);
	run_all(w);

	s = only_suspect(w);
	assert_int_equal(s->count, PARTS * N);
	assert_int_equal(s->retained, PARTS * part);
	assert_int_equal(s->chain.n_hops, 4);
	assert_string_equal(s->title, "16,000 blocks of 80 bytes in main.table");
	world_free(w);
}

/*
 * main.table -> cache -> 8,000 entries, 3,000 of which another pointer leads to as well: still one
 * suspect.  With a second slot in main.table that leads to those, the cache is one thing of two.
 */
static void test_shared_part(void **state)
{
	enum { OWN = 5000, SHARED = 3000 };

	(void)state;
	for (unsigned slots = 1; slots <= 2; slots++) {
		struct world *w = world_new();
		const uint64_t table = 8 * (OWN + SHARED), own = table + 100 * OWN;

		w->names[2] = w->names[3] = slots == 1 ? "main.left" : "main.table";
		add_node(w, table, REACH_REACHABLE, NODE_NONE, own, add_root(w, 0));
		for (unsigned i = 0; i < OWN + SHARED; i++)
			add_edge(w, 1 + i);
		for (unsigned i = 0; i < OWN + SHARED; i++)
			add_node(w, 100, REACH_REACHABLE, i < OWN ? 0 : NODE_NONE, 100, 0);
		add_root(w, 1 + OWN);
		run_all(w);

		assert_int_equal(w->r.suspects.n, slots);
		if (slots == 1)
			assert_int_equal(only_suspect(w)->retained, own + 100 * SHARED);
		else
			assert_int_equal(w->r.suspects.v[0].retained, own);
		assert_int_equal(w->r.suspects.v[0].confidence, CONF_PATTERN);
		world_free(w);
	}
}

/*
 * main.table -> header -> a spine of 4,000 nodes that lead to each other both ways, and from the
 * first two of them each a branch of 5,000 of the same size: one suspect.
 */
static void test_branches(void **state)
{
	enum { SPINE = 4000, BRANCH = 5000 };
	struct world *w = world_new();

	(void)state;
	add_node(w, 48, REACH_REACHABLE, NODE_NONE, 48, add_root(w, 0));
	add_edge(w, 1);
	for (unsigned i = 0; i < SPINE; i++) {
		add_node(w, 80, REACH_REACHABLE, NODE_NONE, 80, i);
		if (i < 2)
			add_edge(w, 1 + SPINE + i * BRANCH);
		add_edge(w, i + 1 < SPINE ? 2 + i : i);
	}
	for (unsigned i = 0; i < 2 * BRANCH; i++) {
		const node_id head = 1 + SPINE + i / BRANCH * BRANCH;
		const bool is_head = i % BRANCH == 0;

		add_node(w, 80, REACH_REACHABLE, is_head ? NODE_NONE : head, is_head ? 80 * BRANCH : 80,
			is_head ? 1 + i / BRANCH : head);
		for (unsigned k = 1; is_head && k < BRANCH; k++)
			add_edge(w, head + k);
	}
	run_all(w);

	assert_int_equal(only_suspect(w)->count, SPINE + 2 * BRANCH);
	assert_int_equal(only_suspect(w)->retained, 48 + 80 * (SPINE + 2 * BRANCH));
	world_free(w);
}

/* By a type's number: a declaration, a method beside it, nothing; a long one. */
static bool tell_place(void *ctx, type_id type, struct type_place *ret)
{
	static const char *const methods[] = { NULL, "", "main.(*Session).Touch", NULL, "" };

	(void)ctx;
	if (!methods[type])
		return false;
	text_printf(&ret->file, "/src/of type %u.go", type);
	ret->line = 10 * type;
	text_add(&ret->method, methods[type]);
	return true;
}

/* Each suspect of a type stands where that type does; of two suspects of one, both do. */
static void test_places_of_types(void **state)
{
	enum { N = 4000, TABLES = 5 };
	static const struct {
		const char *type;
		unsigned no;
	} told[TABLES] = { { "struct link", 1 }, { "main.Session", 2 }, { "main.Session", 2 },
			   { "func1", 3 }, { "", 0 } };
	static const struct graph_ops placed = { .root = name_root, .edge = find_edge,
						 .type_place = tell_place };
	static uint16_t type[TABLES * (N + 1)];
	struct type_row rows[] = { { .name = "" }, { .name = "struct link" },
				   { .name = "main.Session" }, { .name = "func1" } };
	struct types types = { .v = rows, .n = ARRAY_SIZE(rows) };
	struct world *w = world_new();
	unsigned seen[5] = {};

	(void)state;
	w->g.ops = &placed;
	w->g.types = &types;
	w->g.type_narrow = type;
	for (unsigned k = 0; k < TABLES; k++) {
		node_id table = w->g.n;
		uint64_t all = N * (96 + 16ull * k) + N * 8;

		add_node(w, N * 8, REACH_REACHABLE, NODE_NONE, all, add_root(w, table));
		for (unsigned i = 0; i < N; i++)
			add_edge(w, table + 1 + i);
		for (unsigned i = 0; i < N; i++) {
			add_node(w, 96 + 16 * k, REACH_REACHABLE, table, 96 + 16 * k, table);
			type[table + 1 + i] = (uint16_t)told[k].no;
		}
	}
	run_all(w);

	assert_int_equal(w->r.suspects.n, TABLES);
	for (unsigned i = 0; i < TABLES; i++) {
		const struct rp_suspect *s = &w->r.suspects.v[i];
		unsigned no = 0;

		for (unsigned k = 0; k < TABLES; k++)
			no = s->type && !strcmp(s->type, told[k].type) ? told[k].no : no;
		seen[no]++;
		if (no == 0 || no == 3) {
			assert_null(s->type_file);
			continue;
		}
		assert_string_equal(s->type_file, no == 1 ? "/src/of type 1.go" : "/src/of type 2.go");
		assert_int_equal(s->type_line, 10 * no);
		if (no == 1)
			assert_null(s->type_method);
		else
			assert_string_equal(s->type_method, "main.(*Session).Touch");
	}
	assert_true(seen[0] == 1 && seen[1] == 1 && seen[2] == 2 && seen[3] == 1);
	world_free(w);
}

/* A list: each node alone keeps the next, and a payload. Its holder is the first node, not the last. */
static void test_list(void **state)
{
	enum { N = 10000 };
	struct world *w = world_new();
	const struct rp_suspect *s;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		node_id up = 2 * i - 2, me = 2 * i;

		add_node(w, 32, REACH_REACHABLE, i ? up : NODE_NONE, (N - i) * 132ull, i ? up : add_root(w, 0));
		if (i + 1 < N)
			add_edge(w, me + 2);
		add_edge(w, me + 1);
		add_node(w, 100, REACH_REACHABLE, me, 100, me);
	}
	run_all(w);

	s = only_suspect(w);
	assert_int_equal(s->retained, N * 132);
	assert_int_equal(s->count, N);
	assert_int_equal(s->chain.n_hops, 2);
	assert_int_equal(s->chain.hops[0].address, w->key[0]);
	assert_int_equal(s->chain.hops[1].address, w->key[1]);
	world_free(w);
}

/* Two static tables of 4,000 and 12,000 slots, and no big node anywhere: the symbols are the holders. */
static void test_static_tables(void **state)
{
	enum { N = 16000 };
	struct world *w = world_new();

	(void)state;
	w->names[0] = "main.first";
	for (unsigned i = 0; i < N; i++)
		add_node(w, i < N / 4 ? 96 : 128, REACH_REACHABLE, NODE_NONE, i < N / 4 ? 96 : 128, add_root(w, i));
	run_all(w);

	assert_int_equal(w->r.suspects.n, 2);
	assert_int_equal(w->r.suspects.v[0].retained, N / 4 * 3 * 128);
	assert_string_equal(w->r.suspects.v[0].title, "12,000 blocks of 128 bytes in main.table");
	assert_int_equal(w->r.suspects.v[1].retained, N / 4 * 96);
	assert_string_equal(w->r.suspects.v[1].title, "4,000 blocks of 96 bytes in main.first");
	world_free(w);
}

/* A long chain is folded, and ends at the node that was asked for. */
static void test_chain_folds(void **state)
{
	enum { N = 1203 };
	struct world *w = world_new();
	const struct subject s = { .graph = &w->g, .facts = &w->f };
	struct rp_chain chain;
	struct text t = TEXT_INIT;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		add_node(w, 48, REACH_REACHABLE, NODE_NONE, 48, i ? i - 1 : add_root(w, 0));
		if (i + 1 < N)
			add_edge(w, i + 1);
	}
	assert_null(chain_to(&s, &w->r, N - 1, &chain));
	assert_int_equal(chain.n_hops, 2);
	assert_int_equal(chain.hops[0].repeat, 1);
	assert_int_equal(chain.hops[1].repeat, N - 1);
	assert_int_equal(chain.hops[1].address, w->key[N - 1]);
	chain_print(&chain, &t);
	assert_string_equal(text_str(&t), "global main.table+0x0 -> 48-byte block -> +0x0 48-byte block (x1,202)");
	text_fini(&t);
	world_free(w);
}

/* Free memory: a suspect by share or by size, the top never. */
static void test_free_held(void **state)
{
	static const struct {
		uint64_t used, bins, tcache, top;
		const char *rules; /* of the suspects, in order */
	} cases[] = {
		{ 1 << 20, 0, 0, 100 << 20, "" },
		{ 1 << 20, 512 << 10, 0, 0, "free-held/fragmentation " },
		{ 100 << 20, 512 << 10, 0, 0, "" },
		{ 100 << 20, 2 << 20, 0, 0, "free-held/fragmentation " },
		{ 100 << 20, 2 << 20, 3 << 20, 0, "free-held/thread-cache free-held/fragmentation " },
		{ 10 << 10, 40 << 10, 0, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world *w = world_new();
		struct rp_where wheres[] = {
			{ "smallbin", 5, cases[i].bins }, { "tcache", 9, cases[i].tcache }, { "top", 1, cases[i].top },
		};
		struct rp_heap heap = {
			.allocator = "glibc",
			.used = cases[i].used,
			.n_free = 15,
			.free = cases[i].bins + cases[i].tcache + cases[i].top,
			.wheres = wheres,
			.n_wheres = ARRAY_SIZE(wheres),
		};
		char rule[128] = "";

		w->r.heaps.v = malloc(sizeof(heap));
		assert_non_null(w->r.heaps.v);
		w->r.heaps.v[0] = heap;
		w->r.heaps.n = w->r.heaps.cap = 1;
		run_all(w);
		for (size_t k = 0; k < w->r.suspects.n; k++) {
			strcat(rule, w->r.suspects.v[k].rule);
			strcat(rule, " ");
		}
		assert_string_equal(rule, cases[i].rules);
		assert_int_equal(w->r.categories[CAT_FREE_HELD].bytes, heap.free);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_heads),     cmocka_unit_test(test_rings),	cmocka_unit_test(test_where_rings_were_allocated),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_parts_of_one),
		cmocka_unit_test(test_shared_part),
		cmocka_unit_test(test_branches),
		cmocka_unit_test(test_list),	       cmocka_unit_test(test_static_tables),
		cmocka_unit_test(test_chain_folds),    cmocka_unit_test(test_free_held),
		cmocka_unit_test(test_places_of_types), cmocka_unit_test(test_locals_in_titles),
		cmocka_unit_test(test_title_of_less_than_half),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
