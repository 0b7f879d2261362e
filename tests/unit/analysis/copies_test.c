/* Equal contents: which are suspects, what counts as one copy too many, who sees what they hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/analysis.h"
#include "base/guard.h"

extern const struct analysis_ops copies_analysis;

enum { KIB = 1024, MIB = 1024 * 1024, NODES = 20 };

struct world {
	struct env env;
	struct graph *g;
	struct facts f;
	struct report r;
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

static const struct graph_ops ops = { .edge = find_edge, .root = name_root };

/* NODES blocks of 64 bytes, all but the last `n_lost` held by a global. */
static void open_world(struct world *w, unsigned n_lost)
{
	const struct root_source source = { .kind = ROOT_GLOBAL,
					    .thread = UINT32_MAX,
					    .module = -1 };
	struct graph_builder *b;

	*w = (struct world){};
	env_init(&w->env);
	assert_null(graph_builder_new(&w->env, &b));
	for (unsigned i = 0; i < NODES; i++)
		assert_null(graph_add_node(b, 0x1000 * (i + 1), 64));
	for (unsigned i = 0; i < NODES - n_lost; i++)
		assert_null(graph_add_root(b, &source, i, 0x10));
	assert_null(graph_build_finish(b, &w->g));
	graph_builder_free(b);
	w->g->ops = &ops;
}

static void run(struct world *w, const struct content *contents, uint32_t n,
		const struct copy *copies, uint64_t n_copies, bool show)
{
	struct subject s = { .graph = w->g, .facts = &w->f, .top = 10 };

	w->env.show_contents = show;
	w->g->contents = contents;
	w->g->n_contents = n;
	w->g->copies = copies;
	w->g->n_copies = n_copies;
	assert_null(facts_compute(&w->env, w->g, copies_analysis.needs, &w->f));
	assert_null(copies_analysis.run(&w->env, &s, &w->r));
}

static void close_world(struct world *w)
{
	report_fini(&w->r);
	facts_fini(&w->f);
	graph_free(w->g);
	assert_int_equal(w->env.mem_used, 0);
	env_fini(&w->env);
}

static const struct content contents[] = {
	{ .length = 60000, .size = 64 * KIB, .sample = "some text" },
	{ .length = 20, .size = 24 },
	{ .length = 3 * MIB, .size = 4 * MIB },
};

/* Three of 64 KiB, two small ones, and two of which one is garbage. */
static const struct copy copies[] = {
	{ 0, 0 }, { 1, 1 }, { 2, 0 }, { 3, 1 }, { 4, 0 }, { 5, 2 }, { NODES - 1, 2 },
};

static void one_copy_stays(void **state)
{
	struct world w;
	const struct rp_suspect *s;

	(void)state;
	open_world(&w, 1);
	run(&w, contents, ARRAY_SIZE(contents), copies, ARRAY_SIZE(copies), false);
	assert_int_equal(w.r.suspects.n, 1);
	s = &w.r.suspects.v[0];
	assert_string_equal(s->rule, "duplicate/content");
	assert_int_equal(s->count, 3);
	assert_int_equal(s->bytes, 3 * 64 * KIB);
	assert_int_equal(s->retained, 2 * 64 * KIB);
	assert_int_equal(s->n_addresses, 3);
	assert_int_equal(s->addresses[2], 0x5000);
	assert_true(s->has_chain);
	assert_int_equal(s->n_evidence, 0); /* what they hold is nobody's business */
	assert_true(w.r.categories[CAT_DUPLICATE].known);
	assert_int_equal(w.r.categories[CAT_DUPLICATE].count, 3);
	assert_int_equal(w.r.categories[CAT_DUPLICATE].bytes, 2 * 64 * KIB + 24);
	close_world(&w);
}

static void contents_are_shown_when_asked_for(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, 0);
	run(&w, contents, ARRAY_SIZE(contents), copies, ARRAY_SIZE(copies), true);
	assert_int_equal(w.r.suspects.n, 2);		       /* nothing is garbage here */
	assert_int_equal(w.r.suspects.v[0].retained, 4 * MIB); /* what costs most is first */
	assert_int_equal(w.r.suspects.v[0].n_evidence, 0);
	assert_int_equal(w.r.suspects.v[1].n_evidence, 1);
	assert_string_equal(w.r.suspects.v[1].evidence[0].value, "some text");
	close_world(&w);
}

/*
 * The eight worst are suspects of their own; what is left is one, from 1 MiB on, and is no more
 * than a number below that.
 */
static void the_rest_is_one_suspect(void **state)
{
	static const struct {
		uint64_t size; /* of all contents but the first eight */
		size_t n_suspects;
	} cases[] = { { 512 * KIB, 9 }, { 511 * KIB, 8 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct content many[10];
		struct copy rows[NODES];
		struct world w;

		open_world(&w, 0);
		for (unsigned k = 0; k < 10; k++) {
			many[k] = (struct content){ 30, k < 8 ? 800 * KIB : cases[i].size, 0, NULL };
			rows[2 * k] = (struct copy){ 2 * k, k };
			rows[2 * k + 1] = (struct copy){ 2 * k + 1, k };
		}
		run(&w, many, 10, rows, NODES, false);
		assert_int_equal(w.r.suspects.n, cases[i].n_suspects);
		assert_int_equal(w.r.categories[CAT_DUPLICATE].count, 10);
		assert_int_equal(w.r.categories[CAT_DUPLICATE].bytes,
				 8 * 800 * KIB + 2 * cases[i].size);
		if (cases[i].n_suspects == 9) {
			assert_int_equal(w.r.suspects.v[8].retained, MIB);
			assert_int_equal(w.r.suspects.v[8].count, 4);
		}
		close_world(&w);
	}
}

static void nothing_without_notes(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, 0);
	run(&w, NULL, 0, NULL, 0, true);
	assert_int_equal(w.r.suspects.n, 0);
	assert_false(w.r.categories[CAT_DUPLICATE].known);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_copy_stays),
		cmocka_unit_test(contents_are_shown_when_asked_for),
		cmocka_unit_test(the_rest_is_one_suspect),
		cmocka_unit_test(nothing_without_notes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
