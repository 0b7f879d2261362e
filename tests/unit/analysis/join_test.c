/* Suspects that tell of the same blocks: which of them stay, and what becomes of the others. */
#include <string.h>

#include "unit_env.h"

#include "analysis/analysis.h"
#include "base/vec.h"

extern const struct analysis_ops join_analysis;

enum { SUSPECTS = 4 };

struct given {
	const char *rule, *type;
	uint64_t retained, address;
	const char *told_by, *told_type;
	uint64_t bytes, container, told_of;
};

static const struct test_case {
	const char *name;
	struct given s[SUSPECTS];
	const char *left;	 /* first letters of the titles: "ac" */
	const char *joined_to;	 /* for each finding: the title of its suspect */
} cases[] = {
	{ "no rule says more", { { "growth/large-block", "[]uint8", 100, 1 }, { "slack/capacity", "[]int", 90, 2 } }, "ab", "" },
	{ "by its type",
	  { { "growth/large-block", "[]uint8", 100, 1, "slack/capacity", "[]uint8" },
	    { "slack/capacity", "[]int", 90, 2 },
	    { "slack/capacity", "[]uint8", 90, 3 } },
	  "bc", "c" },
	{ "by a block, without a type",
	  { { "slack/subslice", NULL, 90, 2 },
	    { "growth/large-block", NULL, 100, 1, "slack/subslice" },
	    { "slack/subslice", NULL, 100, 1 } },
	  "ac", "c" },
	{ "too small to be a suspect",
	  { { "growth/large-block", NULL, 100, 1, "slack/subslice" }, { "slack/subslice", NULL, 90, 2 } },
	  "ab", "" },
	{ "two in one",
	  { { "growth/large-block", "a", 100, 1, "slack/map-dead", "map" },
	    { "slack/map-dead", "map", 90, 2 },
	    { "growth/accumulation", "a", 100, 3, "slack/map-dead", "map" } },
	  "b", "bb" },
	{ "equal contents, most of it",
	  { { "growth/accumulation", "a", 100, 1 }, { "duplicate/content", "a", 50, 1 } }, "b", "b" },
	{ "equal contents, little of it",
	  { { "growth/accumulation", "a", 100, 1 }, { "duplicate/content", "a", 49, 1 } }, "ab", "" },
	{ "what it names is mostly room",
	  { { "growth/accumulation", "a", 1000, 1, .bytes = 100 }, { "slack/capacity", "a", 50, 1 } },
	  "b", "b" },
	{ "what it names is mostly in use",
	  { { "growth/accumulation", "a", 1000, 1, .bytes = 102 }, { "slack/capacity", "a", 50, 1 } },
	  "ab", "" },
	{ "by the container",
	  { { "growth/map-keys", "m", 90, 2, .container = 5 },
	    { "growth/accumulation", "a", 100, 1, "growth/map-keys", .told_of = 6 },
	    { "growth/map-keys", "m", 90, 3, .container = 6 } },
	  "ac", "c" },
	{ "rules of other kinds stay",
	  { { "parked/pool", "a", 100, 1 }, { "duplicate/content", "a", 100, 1 } }, "ab", "" },
};

static void by_table(void **state)
{
	static const char *const titles[SUSPECTS] = { "a", "b", "c", "d" };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct report r = {};
		uint64_t address[SUSPECTS];
		char left[SUSPECTS + 1] = "", joined[SUSPECTS + 1] = "";

		for (unsigned k = 0; k < SUSPECTS && cases[i].s[k].rule; k++) {
			const struct given *g = &cases[i].s[k];
			struct rp_suspect s = {
				.rule = g->rule, .title = titles[k], .type = g->type,
				.retained = g->retained, .addresses = &address[k], .n_addresses = 1,
				.told_by = g->told_by, .told_type = g->told_type,
				.bytes = g->bytes ? g->bytes : g->retained,
				.container = g->container, .told_of = g->told_of,
			};

			address[k] = g->address;
			assert_true(vec_push(&r.suspects, &s));
		}
		assert_null(join_analysis.run(&env, NULL, &r));
		for (size_t k = 0; k < r.suspects.n; k++)
			strcat(left, r.suspects.v[k].title);
		for (size_t k = 0; k < r.findings.n; k++)
			strcat(joined, r.suspects.v[r.findings.v[k].suspect].title);
		if (strcmp(left, cases[i].left) || strcmp(joined, cases[i].joined_to))
			fail_msg("%s: %s left, joined to %s", cases[i].name, left, joined);
		report_fini(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(by_table, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
