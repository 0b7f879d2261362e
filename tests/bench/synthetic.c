/*
 * synthetic.c - a graph that no core is behind goes through every fact.
 *
 *	synthetic EDGES [--shape random|star] [--memory BYTES] [--tmp DIR] [--certify SAMPLES]
 *	synthetic ids
 *
 * EDGES / 6 nodes of 64 bytes with 0 to 12 edges each (6 on average), 85 % of them to within
 * 2000 nodes, the others anywhere; one in a hundred thousand nodes has a root, one in a thousand is
 * a ring of two that nobody holds.  Far harder than a heap: every way is short and there are many.
 * A star is one node with all the edges, each to a node of its own.  `ids` asks for more blocks than
 * there are ids, which has to be said.
 *
 * A row for each fact: CPU seconds, and the peak of columns in memory and in files meanwhile.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "certify.h"
#include "fact/parts.h"
#include "fact/paths.h"

enum { SIZE = 64, NEAR = 2000, DEGREES = 13, ROOT_EVERY = 100000, LOST_EVERY = 1000, PATHS = 3 };
#define BASE 0x10000000000ull

struct meter {
	struct env *env;
	_Atomic uint64_t memory, disk;
	_Atomic bool done;
	pthread_t thread;
	double cpu;
};

static void must(struct err *err)
{
	if (!err)
		return;
	fprintf(stderr, "synthetic: %s\n", err->message);
	exit(1);
}

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void *watch(void *arg)
{
	struct meter *m = arg;

	while (!m->done) {
		uint64_t memory = m->env->mem_used, disk = m->env->disk_used;

		m->memory = memory > m->memory ? memory : m->memory;
		m->disk = disk > m->disk ? disk : m->disk;
		usleep(5000);
	}
	return NULL;
}

static void begin(struct meter *m, struct env *env)
{
	*m = (struct meter){ .env = env, .cpu = cpu_seconds() };
	if (pthread_create(&m->thread, NULL, watch, m))
		exit(1);
}

static void end(struct meter *m, const char *what)
{
	m->done = true;
	pthread_join(m->thread, NULL);
	printf("| %s | %.1f | %.2f | %.2f |\n", what, cpu_seconds() - m->cpu,
	       (double)m->memory / 1e9, (double)m->disk / 1e9);
	fflush(stdout);
}

static uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed << 13; /* xorshift64: Marsaglia, 2003 */
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Of the nodes that nobody holds: pairs that begin at a multiple of LOST_EVERY. */
static bool is_lost(uint64_t i, uint64_t n)
{
	return i % LOST_EVERY < 2 && i / LOST_EVERY * LOST_EVERY + 1 < n;
}

static uint32_t target_of(uint64_t i, uint64_t n, uint64_t *seed)
{
	uint64_t r = random_next(seed), to = r >> 8;

	if (r % 100 < 85)
		to = i + n + to % (2 * NEAR + 1) - NEAR;
	to %= n;
	while (is_lost(to, n))
		to = to + 1 < n ? to + 1 : 2;
	return (uint32_t)to;
}

/* All from the node that has the root. */
static struct err *fill_star(uint64_t n, struct edge_row_cols *rows, struct col *dst)
{
	struct err *err = edge_rows_begin(rows, 0, 0);

	for (uint32_t i = 1; i < n && !err; i++)
		err = col_append(dst, &i, 1);
	for (uint64_t i = 1; i <= n && !err; i++)
		err = edge_rows_begin(rows, (node_id)i, dst->n);
	return err;
}

static struct err *fill_edges(uint64_t n, struct edge_row_cols *rows, struct col *dst)
{
	uint64_t seed = 88172645463325252ull;
	struct err *err = NULL;

	for (uint64_t i = 0; i < n && !err; i++) {
		uint32_t to[DEGREES], *room;
		uint64_t degree = random_next(&seed) % DEGREES, kept = 0;

		err = edge_rows_begin(rows, (node_id)i, dst->n);
		if (is_lost(i, n)) {
			to[kept++] = (uint32_t)(i ^ 1);
			degree = 0;
		}
		for (uint64_t k = 0; k < degree; k++) {
			uint32_t next = target_of(i, n, &seed);

			if (next != i && (!kept || to[kept - 1] != next))
				to[kept++] = next;
		}
		if (!err && kept)
			err = col_reserve(dst, kept, &room);
		if (err || !kept)
			continue;
		memcpy(room, to, 4 * kept);
		dst->n += kept;
	}
	return err ? err : edge_rows_begin(rows, (node_id)n, dst->n);
}

static struct err *fill_roots(uint64_t first, uint64_t n, struct graph *g, struct col cols[4])
{
	struct root_source source = { .kind = ROOT_GLOBAL, .thread = UINT32_MAX, .module = -1 };
	struct err *err = NULL;

	for (uint64_t i = first; i < n && !err; i += ROOT_EVERY) {
		uint32_t node = (uint32_t)i;

		err = col_append(&cols[0], &node, 1);
		if (!err)
			err = col_append(&cols[1], &(uint32_t){ 0 }, 1);
		if (!err)
			err = col_append(&cols[2], &i, 1);
	}
	if (!err)
		err = col_append(&cols[3], &source, 1);
	g->n_roots = (uint32_t)cols[0].n;
	g->root_node = cols[0].base;
	g->root_source = cols[1].base;
	g->root_at = cols[2].base;
	g->sources = cols[3].base;
	g->n_sources = 1;
	return err;
}

/* Of columns alone, as the scan of a core makes them. */
static struct err *make_graph(struct env *env, uint64_t n, bool star, struct grains *grains,
			      struct graph **ret)
{
	struct grain_range range = { BASE, BASE + SIZE * n };
	struct graph *g = calloc(1, sizeof(*g));
	struct col live = {}, dst = {}, roots[4] = {};
	struct edge_row_cols rows;
	uint64_t n_roots = n / ROOT_EVERY + 1;
	struct err *err = grains_open(env, &range, 1, GRAIN_SHIFT, grains);

	if (!g)
		return &err_nomem;
	for (uint64_t i = 0; i < n && !err; i++)
		grains_set_start(grains, i * SIZE >> GRAIN_SHIFT);
	if (!err && n * SIZE % (1u << UNIT_SHIFT)) /* a filler behind them */
		grains_set_start(grains, n * SIZE >> GRAIN_SHIFT);
	if (!err)
		err = grains_seal(grains);
	if (!err)
		err = col_fixed(env, 8, bits_words(grains->n), "live nodes", &live);
	if (!err)
		err = edge_rows_open(env, grains->n, &rows);
	if (!err)
		err = col_open(env, 4, n * DEGREES, "edges", &dst);
	for (unsigned i = 0; i < 4 && !err; i++)
		err = col_open(env, ((uint32_t[]){ 4, 4, 8, sizeof(struct root_source) })[i],
			       n_roots, "roots", &roots[i]);
	if (!err)
		err = star ? fill_star(n, &rows, &dst) : fill_edges(n, &rows, &dst);
	if (!err && grains->n > n)
		err = edge_rows_begin(&rows, (node_id)n + 1, dst.n);
	if (err)
		return err;
	*g = (struct graph){ .env = env, .n = grains->n, .n_live = (node_id)n, .m = dst.n,
			     .live_bytes = SIZE * n, .grains = grains, .live = live.base,
			     .dst = dst.base };
	for (uint64_t i = 0; i < n; i++)
		bit_set(live.base, i);
	err = fill_roots(star ? 0 : 2, n, g, roots);
	graph_own(g, &live);
	graph_own(g, &dst);
	for (unsigned i = 0; i < 4; i++)
		graph_own(g, &roots[i]);
	graph_own_rows(g, &rows);
	*ret = g;
	return err;
}

static void find_components(struct env *env, const struct graph *g)
{
	struct lost_parts p;

	must(parts_of_set(env, g, g->live, &p));
	printf("components: %u\n", p.n_parts);
	lost_parts_close(&p);
}

static void find_paths(struct env *env, const struct graph *g, const struct facts *f)
{
	for (unsigned i = 1; i < 5; i++) {
		struct paths p;

		must(paths_find(env, g, f, (node_id)(g->n / 5 * i), PATHS, &p));
		paths_fini(&p);
	}
}

static void measure(struct env *env, const struct graph *g, struct facts *f)
{
	static const struct {
		unsigned fact;
		const char *what;
	} steps[] = {
		{ FACT_REACH, "reachability, lost heads" },
		{ FACT_CYCLES, "rings of lost nodes" },
		{ FACT_DOM, "dominators, retained sizes" },
		{ FACT_PARENT, "shortest distance and parent" },
		{ FACT_REVERSE, "incoming edges" },
	};
	struct meter m;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		begin(&m, env);
		must(facts_compute(env, g, steps[i].fact, f));
		end(&m, steps[i].what);
	}
	begin(&m, env);
	find_components(env, g);
	end(&m, "components of all nodes");
	begin(&m, env);
	find_paths(env, g, f);
	end(&m, "three distinct paths to each of four nodes");
}

/* 2^31 blocks side by side: one more than there are ids. */
static int ask_too_many(struct env *env)
{
	struct grain_range range = { BASE, BASE + (1ull << (31 + GRAIN_SHIFT)) };
	struct grains grains = {};
	struct err *err;

	must(grains_open(env, &range, 1, GRAIN_SHIFT, &grains));
	for (uint64_t i = 0; i < grains_words(&grains); i++)
		grains.words[i].start = ~0ull;
	err = grains_seal(&grains);
	printf("%s\n", err ? err->message : "nothing was said");
	grains_close(&grains);
	return err && err->kind == ERR_LIMIT ? 0 : 1;
}

int main(int argc, char **argv)
{
	uint64_t edges = argc > 1 ? strtoull(argv[1], NULL, 10) : 0, samples = 0, n_wrong = 0;
	struct grains grains = {};
	struct facts f = {};
	struct graph *g;
	struct meter m;
	bool star = false;
	struct env env;

	env_init(&env);
	if (argc == 2 && !strcmp(argv[1], "ids"))
		return ask_too_many(&env);
	for (int i = 2; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--memory"))
			env.mem_budget = strtoull(argv[i + 1], NULL, 10);
		else if (!strcmp(argv[i], "--tmp"))
			env.tmp_dir = argv[i + 1];
		else if (!strcmp(argv[i], "--shape"))
			star = !strcmp(argv[i + 1], "star");
		else if (!strcmp(argv[i], "--certify"))
			samples = strtoull(argv[i + 1], NULL, 10);
	}
	if (!edges) {
		fprintf(stderr, "usage: synthetic EDGES|ids [--shape random|star] [--memory BYTES] "
				"[--tmp DIR] [--certify SAMPLES]\n");
		return 2;
	}
	printf("| fact | CPU s | columns in memory, GB | in files, GB |\n|---|---|---|---|\n");
	begin(&m, &env);
	must(make_graph(&env, star ? edges + 1 : edges / (DEGREES / 2), star, &grains, &g));
	end(&m, "making the graph");
	printf("nodes %u, edges %llu, roots %u\n", g->n, (unsigned long long)g->m, g->n_roots);
	measure(&env, g, &f);
	printf("reachable %llu, lost %llu\n",
	       (unsigned long long)f.reach_total[REACH_REACHABLE].count,
	       (unsigned long long)(f.reach_total[REACH_DEFINITE].count +
				    f.reach_total[REACH_INDIRECT].count));
	if (samples) {
		begin(&m, &env);
		n_wrong = certify(g, &f, samples);
		end(&m, "certifying");
		printf("%llu wrong\n", (unsigned long long)n_wrong);
	}
	facts_fini(&f);
	graph_free(g);
	grains_close(&grains);
	env_fini(&env);
	return n_wrong != 0;
}
