/* Pools, stuck goroutines and slack: the suspects that a graph with such notes gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/analysis.h"
#include "base/guard.h"

extern const struct analysis_ops owned_analysis, slack_analysis, stuck_analysis, crowds_analysis,
	map_keys_analysis;

enum { KIB = 1024 };

struct world {
	struct env env;
	struct graph_builder *b;
	struct graph *g;
	struct facts f;
	struct report r;
	node_id n;
};

static bool find_edge(void *ctx, node_id src, node_id dst, struct edge_label *ret)
{
	(void)ctx;
	(void)src;
	(void)dst;
	*ret = (struct edge_label){ .offset = 0 };
	return true;
}

static void name_root(void *ctx, uint32_t root, struct text *ret)
{
	(void)ctx;
	text_printf(ret, "root %u", root);
}

/* Of graphs without types: fields are told apart by the numbers of nodes they lead to. */
static bool find_slot(void *ctx, node_id src, node_id dst, uint64_t *ret)
{
	(void)ctx;
	*ret = dst < src ? 8 : 16;
	return true;
}

/* Every node is a map, whose size says how full it is. */
static uint64_t count_entries(void *ctx, node_id node)
{
	const struct graph *g = ctx;

	return graph_size(g, node) == 4096 ? 20 : 0;
}

static const struct graph_ops ops = { .edge = find_edge, .root = name_root };
static const struct graph_ops map_ops = {
	.edge = find_edge, .root = name_root, .slot = find_slot, .entries = count_entries
};

static void open_world(struct world *w)
{
	*w = (struct world){};
	env_init(&w->env);
	assert_null(graph_builder_new(&w->env, &w->b));
}

static node_id add(struct world *w, uint64_t size)
{
	assert_null(graph_add_node(w->b, 0x100000 + 0x1000000ull * w->n, size));
	return w->n++;
}

static void edge(struct world *w, node_id from, node_id to)
{
	assert_null(graph_add_edge(w->b, from, to));
}

static void root(struct world *w, struct root_source source, node_id node)
{
	assert_null(graph_add_root(w->b, &source, node, 0x10));
}

static void finish(struct world *w)
{
	assert_null(graph_build_finish(w->b, &w->g));
	graph_builder_free(w->b);
	w->g->ops = &ops;
}

static void run(struct world *w, const struct analysis_ops *analysis)
{
	struct subject s = { .graph = w->g, .facts = &w->f, .top = 10 };

	assert_null(facts_compute(&w->env, w->g, analysis->needs, &w->f));
	assert_null(analysis->run(&w->env, &s, &w->r));
}

static void close_world(struct world *w)
{
	report_fini(&w->r);
	facts_fini(&w->f);
	graph_free(w->g);
	assert_int_equal(w->env.mem_used, 0);
	env_fini(&w->env);
}

static const struct root_source global = { .kind = ROOT_GLOBAL, .thread = UINT32_MAX, .module = -1 };

/* A pool array with `n` buffers of `size`, one more of `large`, and one that a global holds too. */
static void make_pool_of(struct world *w, const struct owner *owner, unsigned n, uint64_t size,
			 uint64_t large, bool escaped)
{
	static struct gate gate[1];
	node_id array;

	open_world(w);
	array = add(w, 128);
	for (unsigned i = 0; i < n; i++)
		edge(w, array, add(w, size));
	if (large)
		edge(w, array, add(w, large));
	if (escaped)
		edge(w, array, add(w, 64));
	root(w, global, array);
	if (escaped)
		root(w, global, w->n - 1);
	finish(w);
	gate[0] = (struct gate){ array, 1 };
	w->g->owners = owner;
	w->g->n_owners = 1;
	w->g->gates = gate;
	w->g->n_gates = 1;
	run(w, &owned_analysis);
}

static void make_pool(struct world *w, unsigned n, uint64_t size, uint64_t large, bool escaped)
{
	static const struct owner owner = { OWNER_POOL, "sync.Pool main.bufs", 1 };

	make_pool_of(w, &owner, n, size, large, escaped);
}

static void test_pool(void **state)
{
	struct world w;
	const struct rp_suspect *s;

	(void)state;
	make_pool(&w, 100, KIB, 0, false);
	assert_int_equal(w.r.suspects.n, 1);
	s = &w.r.suspects.v[0];
	assert_string_equal(s->rule, "parked/pool");
	assert_int_equal(s->count, 101);
	assert_int_equal(s->retained, 100 * KIB + 128);
	assert_non_null(strstr(s->title, "sync.Pool main.bufs"));
	assert_int_equal(w.r.categories[CAT_PARKED].bytes, 100 * KIB + 128);
	assert_false(w.r.categories[CAT_STUCK].known);
	close_world(&w);
}

/* One buffer of a megabyte among a hundred of a kilobyte is the matter, not their number. */
static void test_large_buffer(void **state)
{
	struct world w;
	const struct rp_suspect *s;

	(void)state;
	make_pool(&w, 100, KIB, 1024 * KIB, false);
	assert_int_equal(w.r.suspects.n, 1);
	s = &w.r.suspects.v[0];
	assert_string_equal(s->rule, "parked/pool-large-buffer");
	assert_int_equal(s->count, 1);
	assert_int_equal(s->bytes, 1024 * KIB);
	assert_int_equal(s->addresses[0], graph_key(w.g, 101));
	close_world(&w);
}

static void test_escaped(void **state)
{
	struct world w;

	(void)state;
	make_pool(&w, 3, 16, 0, true); /* too small for a suspect of its own */
	assert_int_equal(w.r.suspects.n, 1);
	assert_string_equal(w.r.suspects.v[0].rule, "parked/pool-escaped");
	assert_int_equal(w.r.suspects.v[0].count, 1);
	assert_int_equal(w.r.suspects.v[0].addresses[0], graph_key(w.g, 4));
	close_world(&w);
}

/*
 * 20 objects in a pool: each points at `shared` of a global's blocks (all at one, or each at its
 * own), or at a map of its own of that size.
 */
static void make_objects(struct world *w, unsigned shared, uint64_t map, unsigned with)
{
	static const struct owner owners[] = { { OWNER_POOL, "sync.Pool main.ctx", 20 } };
	static struct type_row rows[] = { {}, { .name = "main.Ctx", .language = LANG_GO } };
	static const struct types types = { .v = rows, .n = 2 };
	static struct gate gate[1];
	static type_id of[64];
	node_id live[20], array;

	open_world(w);
	for (unsigned i = 0; i < shared; i++)
		live[i] = add(w, KIB);
	array = add(w, 512);
	for (unsigned i = 0; i < 20; i++)
		edge(w, array, add(w, 64));
	for (unsigned i = 0; i < 20; i++) {
		if (i < with && shared)
			edge(w, array + 1 + i, live[i % shared]);
		if (map)
			edge(w, array + 1 + i, array + 21 + i);
	}
	for (unsigned i = 0; i < 20 && map; i++)
		add(w, map);
	for (unsigned i = 0; i < shared; i++)
		root(w, global, live[i]);
	root(w, global, array);
	finish(w);
	for (unsigned i = 0; i < w->n; i++)
		of[i] = 1;
	gate[0] = (struct gate){ array, 1 };
	w->g->ops = &map_ops;
	w->g->ctx = w->g;
	w->g->type_wide = of;
	w->g->types = &types;
	w->g->owners = owners;
	w->g->n_owners = 1;
	w->g->gates = gate;
	w->g->n_gates = 1;
	run(w, &owned_analysis);
	w->g->type_wide = NULL;
	w->g->ctx = NULL;
}

static void test_dirty(void **state)
{
	static const struct {
		unsigned shared; /* in use */
		uint64_t map;
		unsigned with; /* objects that point at what is in use */
		uint64_t count, retained; /* of pool-dirty; 0: not told */
	} cases[] = {
		{ 0, 0, 0, 0, 0 },
		{ 20, 0, 20, 20, 20 * KIB }, /* each at another */
		{ 1, 0, 20, 0, 0 },	     /* how they are made */
		{ 2, 0, 20, 0, 0 },	     /* two of a kilobyte: too little */
		{ 0, 4096, 0, 20, 20 * 4096 }, /* maps with entries */
		{ 0, 2048, 0, 0, 0 },	       /* cleared ones */
		{ 20, 2048, 5, 5, 5 * KIB },   /* some of them */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct world w;
		const struct rp_suspect *s = NULL;

		make_objects(&w, cases[i].shared, cases[i].map, cases[i].with);
		for (size_t k = 0; k < w.r.suspects.n; k++)
			if (!strcmp(w.r.suspects.v[k].rule, "parked/pool-dirty"))
				s = &w.r.suspects.v[k];
		if ((s ? s->count : 0) != cases[i].count ||
		    (s ? s->retained : 0) != cases[i].retained)
			fail_msg("case %zu: count %lu retained %lu", i, s ? s->count : 0,
				 s ? s->retained : 0);
		close_world(&w);
	}
}

/* Nothing taken: said of a pool with things from before the last collection and since, or of many. */
static void test_not_drawn_from(void **state)
{
	static const struct {
		uint64_t count, old, undrawn;
		const char *rule;
		enum confidence confidence;
	} cases[] = {
		{ 1000, 500, 900, "parked/pool-no-reuse", CONF_PATTERN },
		{ 1000, 500, 0, "parked/pool", CONF_RUNTIME },
		{ 1000, 0, 900, "parked/pool-no-reuse", CONF_GUESS },
		{ 1000, 0, 100, "parked/pool", CONF_RUNTIME }, /* most came after the newest ring */
		{ 60, 2, 40, "parked/pool", CONF_RUNTIME },
		{ 10, 5, 2000, "parked/pool", CONF_RUNTIME }, /* more than there are */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct world w;
		struct owner owner = { OWNER_POOL, "sync.Pool main.bufs", cases[i].count, 0,
				       cases[i].old, cases[i].undrawn };

		make_pool_of(&w, &owner, 100, KIB, 0, false);
		assert_int_equal(w.r.suspects.n, 1);
		assert_string_equal(w.r.suspects.v[0].rule, cases[i].rule);
		assert_int_equal(w.r.suspects.v[0].confidence, cases[i].confidence);
		assert_int_equal(w.r.suspects.v[0].retained, 100 * KIB + 128);
		close_world(&w);
	}
}

static void test_stuck(void **state)
{
	static const struct owner owners[] = { { OWNER_STUCK, "chan receive in main.worker", 3 } };
	static struct wait waits[2];
	struct world w;
	node_id channel[2];
	const struct rp_suspect *s;

	(void)state;
	open_world(&w);
	channel[0] = add(&w, 96); /* nobody else has it */
	channel[1] = add(&w, 96); /* a global has it */
	for (uint32_t t = 0; t < 2; t++) {
		struct root_source stack = { .kind = ROOT_GOROUTINE, .thread = t, .owner = 1 };

		root(&w, stack, channel[t]);
		root(&w, stack, add(&w, 5 * KIB));
	}
	root(&w, global, channel[1]);
	finish(&w);
	waits[0] = (struct wait){ channel[0], 0, WAIT_FOR };
	waits[1] = (struct wait){ channel[1], 1, WAIT_FOR };
	w.g->owners = owners;
	w.g->n_owners = 1;
	w.g->waits = waits;
	w.g->n_waits = 2;
	run(&w, &stuck_analysis);
	assert_int_equal(w.r.suspects.n, 1);
	s = &w.r.suspects.v[0];
	assert_string_equal(s->rule, "stuck/goroutine");
	assert_string_equal(s->title, "1 goroutine waits forever in main.worker");
	assert_int_equal(s->count, 1);
	assert_int_equal(s->retained, 96 + 5 * KIB);
	assert_int_equal(s->addresses[0], graph_key(w.g, 2)); /* the largest */
	close_world(&w);
}

/* It waits for what it alone has, or for what a goroutine has that waits itself. */
static void test_main_goroutine(void **state)
{
	static const struct owner owners[] = {
		{ OWNER_STUCK, "chan receive in main.main (x.go:1)", 1, .is_main = true },
		{ OWNER_STUCK, "chan send in main.worker (x.go:2)", 1 },
	};
	static struct wait waits[2];

	(void)state;
	for (unsigned shared = 0; shared < 2; shared++) {
		node_id channel[2];
		struct world w;

		open_world(&w);
		for (uint32_t t = 0; t < 2; t++) {
			struct root_source stack = { .kind = ROOT_GOROUTINE, .thread = t, .owner = t + 1 };

			channel[t] = add(&w, 96);
			root(&w, stack, channel[t]);
			root(&w, stack, add(&w, 5 * KIB));
			if (t && shared)
				root(&w, stack, channel[0]);
		}
		finish(&w);
		for (uint32_t t = 0; t < 2; t++)
			waits[t] = (struct wait){ channel[t], t, WAIT_FOR, WAIT_CHANNEL, UINT32_MAX };
		w.g->owners = owners;
		w.g->n_owners = 2;
		w.g->waits = waits;
		w.g->n_waits = 2;
		run(&w, &stuck_analysis);
		assert_int_equal(w.r.suspects.n, 1 + shared);
		assert_string_equal(w.r.suspects.v[0].title, "1 goroutine waits forever in main.worker");
		assert_int_equal(w.r.suspects.v[0].retained, 96 + 5 * KIB);
		if (shared) {
			assert_string_equal(w.r.suspects.v[1].title, "1 goroutine waits forever in main.main");
			assert_int_equal(w.r.suspects.v[1].retained, 0);
		}
		close_world(&w);
	}
}

static const char *value_of(const struct rp_suspect *s, const char *what)
{
	for (size_t i = 0; i < s->n_evidence; i++)
		if (!strcmp(s->evidence[i].what, what))
			return s->evidence[i].value;
	return "";
}

/* How many stand where, of those that one function started, and what that is called. */
static void test_crowds(void **state)
{
	static const struct {
		struct owner owners[2];
		uint64_t kept; /* by each in a block of its own */
		const char *title, *line, *more, *advice;
	} cases[] = {
		{ { { OWNER_GOROUTINES, "select in main.worker (x.go:1)", 150, .stacks = 300 * KIB, .starter = "main.serve" },
		    { OWNER_GOROUTINES, "select in main.other (x.go:2)", 50, .stacks = 100 * KIB, .starter = "main.run" } },
		  50 * KIB, "150 goroutines in main.worker",
		  "select in main.worker (x.go:1); stacks 300.0 KiB, behind 50.0 KiB", NULL, NULL },
		{ { { OWNER_GOROUTINES, "select in main.worker (x.go:1)", 150, .stacks = 300 * KIB, .starter = "main.serve" },
		    { OWNER_GOROUTINES, "sleep in main.other (x.go:2)", 10, .stacks = 20 * KIB, .starter = "main.serve" } },
		  0, "160 goroutines, most in main.worker", "stacks 320.0 KiB",
		  "150 select in main.worker (x.go:1); 10 sleep in main.other (x.go:2)", NULL },
		{ { { OWNER_GOROUTINES, "select in net/http.(*persistConn).writeLoop (t.go:1)", 150, .stacks = 300 * KIB,
		      .starter = "net/http.dial" },
		    { OWNER_GOROUTINES, "select in net/http.(*persistConn).readLoop (t.go:2)", 149, .stacks = 300 * KIB,
		      .starter = "net/http.dial" } },
		  100 * KIB, "299 goroutines started by net/http.dial",
		  "stacks 600.0 KiB, and only reached from there 200.0 KiB",
		  "150 select in net/http.(*persistConn).writeLoop (t.go:1); "
		  "149 select in net/http.(*persistConn).readLoop (t.go:2)",
		  "close the Body of every http.Response, also where it is not read" },
		/* too few, too little, the runtime's own */
		{ { { OWNER_GOROUTINES, "select in main.worker (x.go:1)", 99, .stacks = 300 * KIB, .starter = "main.serve" } } },
		{ { { OWNER_GOROUTINES, "select in main.worker (x.go:1)", 100, .stacks = 200 * KIB, .starter = "main.serve" } } },
		{ { { OWNER_GOROUTINES, "GC worker (idle)", 128, .stacks = 300 * KIB, .starter = "runtime.gcBgMarkStartWorkers" } } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct rp_suspect *s;
		struct world w;

		open_world(&w);
		for (uint32_t t = 0; t < 2; t++) {
			struct root_source stack = { .kind = ROOT_GOROUTINE, .thread = t, .owner = t + 1 };

			if (cases[i].kept)
				root(&w, stack, add(&w, cases[i].kept));
		}
		root(&w, global, add(&w, KIB));
		finish(&w);
		w.g->owners = cases[i].owners;
		w.g->n_owners = 2;
		run(&w, &crowds_analysis);
		assert_int_equal(w.r.suspects.n, cases[i].title ? 1 : 0);
		s = cases[i].title ? &w.r.suspects.v[0] : NULL;
		if (s) {
			assert_string_equal(s->rule, "growth/goroutines");
			assert_string_equal(s->title, cases[i].title);
			assert_string_equal(s->line, cases[i].line);
			assert_true(!s->more == !cases[i].more && (!s->more || !strcmp(s->more, cases[i].more)));
			assert_true(!s->advice == !cases[i].advice &&
				    (!s->advice || !strcmp(s->advice, cases[i].advice)));
		}
		close_world(&w);
	}
}

/*
 * Two have a lock each and wait for the other's; a third waits for one of the locks as well.  One
 * of the two alone has a ring of blocks.
 */
static void test_deadlock(void **state)
{
	static const struct owner owners[] = {
		{ OWNER_STUCK, "sync.Mutex.Lock in main.a (x.go:1)", 1 },
		{ OWNER_STUCK, "sync.Mutex.Lock in main.b (x.go:2)", 1 },
		{ OWNER_STUCK, "sync.Mutex.Lock in main.c (x.go:3)", 1 },
	};
	static struct wait waits[3];
	struct world w;
	node_id lock[2], ring[2];
	const struct rp_suspect *s;

	(void)state;
	open_world(&w);
	for (unsigned i = 0; i < 2; i++)
		lock[i] = add(&w, 64);
	for (unsigned i = 0; i < 2; i++)
		ring[i] = add(&w, KIB);
	edge(&w, ring[0], ring[1]);
	edge(&w, ring[1], ring[0]);
	for (uint32_t t = 0; t < 3; t++) {
		struct root_source stack = { .kind = ROOT_GOROUTINE, .thread = t, .owner = t + 1 };

		root(&w, stack, lock[0]);
		if (t < 2)
			root(&w, stack, lock[1]);
		if (t == 1)
			root(&w, stack, ring[0]);
	}
	finish(&w);
	waits[0] = (struct wait){ lock[0], 1, WAIT_FOR, WAIT_MUTEX, 8 };
	waits[1] = (struct wait){ lock[0], 2, WAIT_FOR, WAIT_MUTEX, 8 };
	waits[2] = (struct wait){ lock[1], 0, WAIT_FOR, WAIT_MUTEX, 8 };
	w.g->owners = owners;
	w.g->n_owners = 3;
	w.g->waits = waits;
	w.g->n_waits = 3;
	run(&w, &stuck_analysis);
	assert_int_equal(w.r.suspects.n, 2);
	s = &w.r.suspects.v[0];
	assert_string_equal(s->title, "deadlock: main.a, main.b");
	assert_int_equal(s->count, 2);
	assert_int_equal(s->retained, 2 * KIB + 64); /* the other lock is the third one's as well */
	assert_string_equal(value_of(s, "who else reaches that"), "nobody else");
	assert_string_equal(value_of(s, "rings of objects that it alone keeps"), "2 blocks, 2.0 KiB");
	assert_string_equal(value_of(s, "waits in a ring"),
			    "a goroutine in main.a waits for sync.Mutex at 0x1100008, reached by "
			    "a goroutine in main.b, which waits for sync.Mutex at 0x100008, reached by "
			    "a goroutine in main.a");
	s = &w.r.suspects.v[1];
	assert_string_equal(s->title, "1 goroutine waits forever in main.c");
	assert_string_equal(value_of(s, "waits for"), "sync.Mutex at 0x100008");
	assert_string_equal(value_of(s, "who else reaches that"),
			    "a goroutine in main.a, which waits forever itself");
	assert_string_equal(value_of(s, "waits in a ring"), "");
	close_world(&w);
}

/* What a context has of its children is told as that. */
static void test_map_keys(void **state)
{
	static const struct {
		const char *type, *title;
		bool has_advice; /* of its own */
	} cases[] = {
		{ "map[*main.Session]int64", "kept by keys of map[*main.Session]int64", false },
		{ "map[context.canceler]struct {}", "3 contexts not cancelled", true },
	};
	static const type_id of[8] = { 1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct type_row rows[] = { {}, { .name = cases[i].type, .language = LANG_GO } };
		const struct types types = { .v = rows, .n = 2 };
		struct keyed keyed = { .keys = 3, .n = 3 };
		edge_id edges[3];
		struct world w;
		node_id map, storage;

		open_world(&w);
		map = add(&w, 48);
		storage = add(&w, 512);
		edge(&w, map, storage);
		for (unsigned k = 0; k < 3; k++)
			edge(&w, storage, add(&w, 40 * KIB));
		root(&w, global, map);
		finish(&w);
		for (unsigned k = 0; k < 3; k++)
			edges[k] = graph_row(w.g, storage) + k;
		keyed.node = map;
		w.g->keyeds = &keyed;
		w.g->n_keyeds = 1;
		w.g->key_edges = edges;
		w.g->types = &types;
		w.g->type_wide = of;
		run(&w, &map_keys_analysis);
		assert_int_equal(w.r.suspects.n, 1);
		assert_string_equal(w.r.suspects.v[0].title, cases[i].title);
		assert_int_equal(w.r.suspects.v[0].retained, 120 * KIB);
		assert_int_equal(w.r.suspects.v[0].advice != NULL, cases[i].has_advice);
		w.g->type_wide = NULL;
		close_world(&w);
	}
}

/*
 * Two maps of one type are one suspect, without a type only those that are as large and as empty;
 * garbage and small ones are none.
 */
static void test_slack(void **state)
{
	static struct slack slacks[4];
	static struct type_row rows[] = { {}, { .name = "map[int]int", .language = LANG_GO } };
	static const struct types types = { .v = rows, .n = 2 };
	static const type_id of[4] = { 1, 1, 1, 1 };
	struct world w;
	node_id map[4];

	(void)state;
	open_world(&w);
	for (unsigned i = 0; i < 4; i++)
		map[i] = add(&w, 48);
	for (unsigned i = 0; i < 3; i++)
		root(&w, global, map[i]);
	finish(&w);
	slacks[0] = (struct slack){ map[0], SLACK_MAP, 10, 1000, 80 * KIB, 50 * KIB };
	slacks[1] = (struct slack){ map[1], SLACK_MAP, 5, 2000, 160 * KIB, 150 * KIB };
	slacks[2] = (struct slack){ map[2], SLACK_SUBSLICE, 16, 2 * KIB, 2 * KIB, 2 * KIB - 16 };
	slacks[3] = (struct slack){ map[3], SLACK_MAP, 0, 9000, 900 * KIB, 900 * KIB };
	w.g->slacks = slacks;
	w.g->n_slacks = 4;
	w.g->types = &types;
	w.g->type_wide = of;
	run(&w, &slack_analysis);
	assert_int_equal(w.r.suspects.n, 1);
	assert_string_equal(w.r.suspects.v[0].rule, "slack/map-dead");
	assert_int_equal(w.r.suspects.v[0].count, 2);
	assert_int_equal(w.r.suspects.v[0].bytes, 240 * KIB);
	assert_int_equal(w.r.suspects.v[0].retained, 200 * KIB);
	assert_int_equal(w.r.suspects.v[0].addresses[0], graph_key(w.g, map[1])); /* the worst first */
	assert_int_equal(w.r.categories[CAT_SLACK].bytes, 202 * KIB - 16);
	assert_string_equal(w.r.suspects.v[0].title, "2 map[int]int, 240.0 KiB together, 0.5% used");
	report_fini(&w.r);
	w.r = (struct report){};
	w.g->type_wide = NULL;
	facts_fini(&w.f);
	w.f = (struct facts){};
	run(&w, &slack_analysis);
	assert_int_equal(w.r.suspects.n, 1); /* the other wastes less than 64 KiB */
	assert_int_equal(w.r.suspects.v[0].count, 1);
	assert_int_equal(w.r.suspects.v[0].retained, 150 * KIB);
	assert_string_equal(w.r.suspects.v[0].title, "map of 160.0 KiB, 0.2% used");
	report_fini(&w.r);
	w.r = (struct report){};
	facts_fini(&w.f);
	w.f = (struct facts){};
	slacks[0] = slacks[1];
	slacks[0].node = map[0];
	run(&w, &slack_analysis);
	assert_int_equal(w.r.suspects.n, 1);
	assert_int_equal(w.r.suspects.v[0].count, 2);
	assert_int_equal(w.r.suspects.v[0].retained, 300 * KIB);
	assert_string_equal(w.r.suspects.v[0].title, "2 maps, 320.0 KiB together, 0.2% used");
	report_fini(&w.r);
	w.r = (struct report){};
	facts_fini(&w.f);
	w.f = (struct facts){};
	slacks[0].bytes += KIB; /* not as large: not alike */
	run(&w, &slack_analysis);
	assert_int_equal(w.r.suspects.n, 2);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool), cmocka_unit_test(test_large_buffer), cmocka_unit_test(test_escaped),
		cmocka_unit_test(test_dirty), cmocka_unit_test(test_not_drawn_from),
		cmocka_unit_test(test_stuck),
		cmocka_unit_test(test_main_goroutine),
		cmocka_unit_test(test_map_keys), cmocka_unit_test(test_crowds), cmocka_unit_test(test_deadlock), cmocka_unit_test(test_slack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
