/* All memory as paths: what comes together, what adds up, what is retained once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/analysis.h"

extern const struct analysis_ops samples_analysis;

enum { OBJECTS, BYTES, RETAINED };

/* In its small parent: how far the target's id is from the parent's. */
static uint8_t slot(node_id src, node_id dst)
{
	return (uint8_t)(dst > src ? dst - src : 0);
}

static bool edge(void *ctx, node_id src, node_id dst, struct edge_label *ret)
{
	(void)ctx;
	*ret = (struct edge_label){ .offset = 8 * (uint64_t)slot(src, dst) };
	return true;
}

static void name_root(void *ctx, uint32_t root, struct text *ret)
{
	(void)ctx;
	text_printf(ret, "root%u+0x40", root);
}

static const struct graph_ops ops = { .edge = edge, .root = name_root };

/* Nodes by size, edges as pairs of node numbers, one root at node 0 unless `rootless`. */
struct expected {
	const char *path; /* outermost first */
	int64_t objects, bytes, retained;
};
static const struct {
	const char *name;
	uint64_t sizes[8]; /* 0 ends */
	const char *edges;
	bool rootless;
	struct expected want[6];
} cases[] = {
	{ "a list folds: what its first keeps is kept once", { 32, 32, 32, 32 }, "01 12 23", false,
	  { { "global root0;32-byte block", 1, 32, 128 },
	    { "global root0;32-byte block;+0x8 32-byte block", 3, 96, 96 } } },
	{ "two kinds in turn lead back", { 32, 48, 32, 48, 32 }, "01 12 23 34", false,
	  { { "global root0;32-byte block", 1, 32, 192 },
	    { "global root0;32-byte block;+0x8 48-byte block", 2, 96, 160 },
	    { "global root0;32-byte block;+0x8 48-byte block;+0x8 32-byte block", 2, 64, 112 } } },
	{ "fields are told apart", { 32, 16, 16 }, "01 02", false,
	  { { "global root0;32-byte block", 1, 32, 64 },
	    { "global root0;32-byte block;+0x8 16-byte block", 1, 16, 16 },
	    { "global root0;32-byte block;+0x10 16-byte block", 1, 16, 16 } } },
	{ "elements of a large one are not", { 4096, 16, 16 }, "01 02", false,
	  { { "global root0;4.0 KiB block", 1, 4096, 4128 },
	    { "global root0;4.0 KiB block;16-byte block", 2, 32, 32 } } },
	{ "what two hold is retained by what holds both", { 32, 16, 48, 64 }, "01 02 13 23", false,
	  { { "global root0;32-byte block", 1, 32, 160 },
	    { "global root0;32-byte block;+0x8 16-byte block", 1, 16, 16 },
	    { "global root0;32-byte block;+0x10 48-byte block", 1, 48, 48 },
	    { "global root0;32-byte block;+0x8 16-byte block;+0x10 64-byte block", 1, 64, 64 } } },
	{ "nothing holds the first", { 32, 16 }, "01", true,
	  { { "(lost);32-byte block", 1, 32, 48 },
	    { "(lost);32-byte block;+0x8 16-byte block", 1, 16, 16 } } },
};

static struct graph *make(struct env *env, size_t no, uint8_t *slots)
{
	struct root_source source = { .kind = ROOT_GLOBAL, .thread = UINT32_MAX, .module = -1 };
	struct graph_builder *b;
	struct graph *g;

	assert_null(graph_builder_new(env, &b));
	for (unsigned i = 0; cases[no].sizes[i]; i++)
		assert_null(graph_add_node(b, 0x100000 + 0x10000 * (uint64_t)i, cases[no].sizes[i]));
	for (const char *e = cases[no].edges; *e; e += e[2] ? 3 : 2)
		assert_null(graph_add_edge(b, (node_id)(e[0] - '0'), (uint32_t)(e[1] - '0')));
	if (!cases[no].rootless)
		assert_null(graph_add_root(b, &source, 0, 0x10));
	assert_null(graph_build_finish(b, &g));
	graph_builder_free(b);
	g->ops = &ops;
	for (node_id i = 0; i < g->n; i++)
		for (edge_id e = graph_row(g, i); e < graph_row(g, i + 1); e++)
			slots[e] = graph_size(g, i) > SLOT_BLOCK ? SLOT_UNKNOWN :
								   slot(i, EDGE_NODE(g->dst[e]));
	g->slot = slots;
	return g;
}

static void path_of(const struct rp_profile *p, const struct rp_sample *s, struct text *ret)
{
	text_reset(ret);
	for (size_t i = s->n_locations; i--;) {
		text_add(ret, ret->n ? ";" : "");
		text_add(ret, p->locations[s->locations[i]].lines[0].function);
	}
}

static void check_sample(size_t no, const struct rp_profile *p, const struct rp_sample *s)
{
	struct text path = TEXT_INIT;
	const struct expected *want = cases[no].want;

	path_of(p, s, &path);
	while (want->path && strcmp(want->path, text_str(&path)) != 0)
		want++;
	if (!want->path)
		fail_msg("%s: unexpected %s", cases[no].name, text_str(&path));
	text_fini(&path);
	assert_int_equal(s->values[OBJECTS], want->objects);
	assert_int_equal(s->values[BYTES], want->bytes);
	assert_int_equal(s->values[RETAINED], want->retained);
}

static void paths(void **state)
{
	(void)state;
	for (size_t no = 0; no < sizeof(cases) / sizeof(cases[0]); no++) {
		struct env env;
		struct facts f = {};
		struct report r = {};
		struct subject s = { .facts = &f, .wants_paths = true };
		const struct rp_profile *p;
		int64_t objects = 0, bytes = 0;
		uint8_t slots[16];
		struct graph *g;
		size_t n = 0;

		env_init(&env);
		s.graph = g = make(&env, no, slots);
		assert_null(facts_compute(&env, g, samples_analysis.needs | FACT_WALK, &f));
		assert_null(samples_analysis.run(&env, &s, &r));
		p = r.profiles[PROFILE_PATHS];
		while (cases[no].want[n].path)
			n++;
		if (p->n_samples != n)
			fail_msg("%s: %zu samples", cases[no].name, p->n_samples);
		for (size_t i = 0; i < n; i++) {
			check_sample(no, p, &p->samples[i]);
			objects += p->samples[i].values[OBJECTS];
			bytes += p->samples[i].values[BYTES];
		}
		assert_int_equal(objects, g->n_live);
		assert_int_equal(bytes, g->live_bytes);
		report_fini(&r);
		facts_fini(&f);
		graph_free(g);
		assert_int_equal(env.mem_used, 0);
		env_fini(&env);
	}
}

static void only_when_wanted(void **state)
{
	struct subject s = {};
	struct report r = {};

	(void)state;
	assert_null(samples_analysis.run(NULL, &s, &r));
	assert_null(r.profiles[PROFILE_PATHS]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths),
		cmocka_unit_test(only_when_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
