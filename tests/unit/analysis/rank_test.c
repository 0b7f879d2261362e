/* The order of suspects: what a program can do nothing about comes behind what it can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/analysis.h"
#include "base/guard.h"
#include "base/vec.h"

extern const struct analysis_ops rank_analysis;

#define GROWTH "growth/accumulation"
#define TIMERS .chain.hops = (struct rp_hop[]){ { .type = "[]*runtime.p" }, { .type = "runtime.p", .via_name = "[0]" }, \
	{ .type = "[]runtime.timerWhen", .via_name = ".timers.heap" } }, .chain.n_hops = 3
#define FROM(symbol_) .has_chain = true, .chain.root.symbol = (symbol_)

static const struct {
	const char *name;
	bool is_go, is_python;
	struct rp_suspect suspects[3];
	const char *order[3], *own; /* titles; the one that is the runtime's */
} cases[] = {
	{ "by what they retain", true, false,
	  { { .rule = GROWTH, .title = "small", .retained = 1, FROM("main.small") },
	    { .rule = GROWTH, .title = "large", .retained = 9, FROM("main.large") },
	    { .rule = GROWTH, .title = "middle", .retained = 5, FROM("main.middle") } },
	  { "large", "middle", "small" }, NULL },
	{ "the runtime's own, and garbage at last", true, false,
	  { { .rule = "uncollected/garbage", .title = "garbage", .retained = 99 },
	    { .rule = GROWTH, .title = "goroutines", .retained = 50, FROM("runtime.allgptr") },
	    { .rule = GROWTH, .title = "the program's", .retained = 1, FROM("main.cache") } },
	  { "the program's", "goroutines", "garbage" }, "goroutines" },
	{ "timers are the program's, though the runtime has them", true, false,
	  { { .rule = GROWTH, .title = "goroutines", .retained = 50, FROM("runtime.allgptr") },
	    { .rule = GROWTH, .title = "timers", .retained = 9, FROM("runtime.allp"), TIMERS },
	    { .rule = GROWTH, .title = "the program's", .retained = 1, FROM("main.cache") } },
	  { "timers", "the program's", "goroutines" }, "goroutines" },
	{ "a namespace of C++ with that name is no runtime", false, false,
	  { { .rule = GROWTH, .title = "large", .retained = 50, FROM("runtime.pool") },
	    { .rule = GROWTH, .title = "middle", .retained = 5, FROM("cache") },
	    { .rule = GROWTH, .title = "small", .retained = 1, FROM("names") } },
	  { "large", "middle", "small" }, NULL },
	{ "what waits behind the runtime's variables is a finding of its own", true, false,
	  { { .rule = "stuck/goroutine", .title = "stuck", .retained = 50, FROM("runtime.allgs") },
	    { .rule = GROWTH, .title = "middle", .retained = 5, FROM("main.cache") },
	    { .rule = GROWTH, .title = "small", .retained = 1, FROM("main.names") } },
	  { "stuck", "middle", "small" }, NULL },
	{ "CPython's tree of arenas", false, true,
	  { { .rule = GROWTH, .title = "arenas", .retained = 50, FROM("arena_map_root.ptrs[0]") },
	    { .rule = GROWTH, .title = "middle", .retained = 5, FROM("sys.modules") },
	    { .rule = GROWTH, .title = "small", .retained = 1, FROM("names") } },
	  { "middle", "small", "arenas" }, "arenas" },
	{ "another program's variable of that name", false, false,
	  { { .rule = GROWTH, .title = "arenas", .retained = 50, FROM("arenas") },
	    { .rule = GROWTH, .title = "middle", .retained = 5, FROM("cache") },
	    { .rule = GROWTH, .title = "small", .retained = 1, FROM("names") } },
	  { "arenas", "middle", "small" }, NULL },
};

static void order(void **state)
{
	static const struct rp_heap python = { .allocator = "cpython" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct env env;
		struct report r = {};
		struct subject s = {};

		env_init(&env);
		r.go = cases[i].is_go ? arena_alloc(&r.mem, sizeof(*r.go)) : NULL;
		if (cases[i].is_python)
			assert_true(vec_push(&r.heaps, &python));
		for (size_t k = 0; k < 3; k++)
			assert_true(vec_push(&r.suspects, &cases[i].suspects[k]));
		print_message("%s\n", cases[i].name);
		assert_null(rank_analysis.run(&env, &s, &r));
		assert_int_equal(r.suspects.n, 3);
		for (size_t k = 0; k < 3; k++) {
			const struct rp_suspect *is = &r.suspects.v[k];
			bool own = cases[i].own && !strcmp(is->title, cases[i].own);

			assert_string_equal(is->title, cases[i].order[k]);
			assert_int_equal(is->advice != NULL && strstr(is->advice, "'s own"), own);
			assert_int_equal(is->advice && strstr(is->advice, "stop timers"), !strcmp(is->title, "timers"));
		}
		assert_int_equal(r.findings.n, 3);
		report_fini(&r);
		env_fini(&env);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(order) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
