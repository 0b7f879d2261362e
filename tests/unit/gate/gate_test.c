/*
 * Budgets, suppressions and baselines: what their lines mean, what is wrong with them, what breaks.
 */
#include <string.h>

#include "base/vec.h"
#include "gate/gate.h"
#include "unit_env.h"

/* ---- files */

typedef struct err *read_fn(struct gates *g, const char *path, const void *bytes, size_t n);

static void expect_error(read_fn *read, const char *text, const char *wanted)
{
	struct gates g = {};
	struct err *err = read(&g, "f", text, strlen(text));

	if (!wanted) {
		assert_null(err);
	} else {
		assert_non_null(err);
		assert_int_equal(err->kind, ERR_USAGE);
		assert_string_equal(err->message, wanted);
	}
	err_free(err);
	gates_fini(&g);
}

static void test_budget_lines(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "", NULL },
		{ "# nothing\n\n  \t\n", NULL },
		{ "max memory 2G\ngrowth memory 10%\n", NULL },
		{ "max type \"a b\\\"c\" 5 count", NULL },
		{ "max category free-* 10%", NULL },
		{ "min memory 2G", "f:1: a line begins with max or growth, not min" },
		{ "\n\nmax", "f:3: max of memory, heap, category, rule, type or root, not nothing" },
		{ "max cat lost 1", "f:1: max of memory, heap, category, rule, type or root, not cat" },
		{ "max memory", "f:1: an amount is missing" },
		{ "max memory lots", "f:1: no amount: lots" },
		{ "max memory 10%", "f:1: a share of what? max memory takes bytes" },
		{ "max memory -1", "f:1: no amount: -1" },
		{ "max memory 1e99", "f:1: no amount: 1e99" },
		{ "max memory 1 2", "f:1: a word too many: 2" },
		{ "max memory 3 count", "f:1: memory is not counted in blocks" },
		{ "max rule lost/definit 0", "f:1: no such rule: lost/definit" },
		{ "max rule 0", "f:1: no such rule: 0" },
		{ "max rule", "f:1: which rule?" },
		{ "max category gone 0", "f:1: no such category: gone" },
		{ "max type x y count", "f:1: no count: y" },
		{ "max type x 9999999999999999999 count", "f:1: no count: 9999999999999999999" },
		{ "max type \"x", "f:1: a quote that does not end on its line" },
		{ "a a a a a a a a a a a a a a a a a a a a a a a a a", "f:1: more than 24 words" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		expect_error(gates_read_budget, cases[i].text, cases[i].error);
}

static void test_hostile_bytes(void **state)
{
	char long_word[2000];
	struct gates g = {};
	struct err *err = gates_read_budget(&g, "f", "max\0memory 1", 12);

	(void)state;
	assert_non_null(err);
	assert_string_equal(err->message, "f:1: a zero byte: this is no text");
	err_free(err);
	gates_fini(&g);
	memset(long_word, 'x', sizeof(long_word) - 1);
	long_word[sizeof(long_word) - 1] = '\0';
	expect_error(gates_read_budget, long_word, "f:1: a word of more than 512 bytes");
	long_word[0] = '"';
	expect_error(gates_read_budget, long_word, "f:1: a word of more than 512 bytes");
}

static void test_suppression_lines(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "suppress * until 2030-02-28 because x", NULL },
		{ "suppress lost/* type \"T\" root r chain c signature 00000000000000ff "
		  "until 2024-02-29 because \"a reason\"", NULL },
		{ "allow x", "f:1: a line begins with suppress, not allow" },
		{ "suppress", "f:1: no such rule: " },
		{ "suppress lost", "f:1: no such rule: lost" },
		{ "suppress * until 2023-02-29 because x", "f:1: no date (2026-12-31): 2023-02-29" },
		{ "suppress * until 2023-13-01 because x", "f:1: no date (2026-12-31): 2023-13-01" },
		{ "suppress * until 1900-01-01 because x", "f:1: no date (2026-12-31): 1900-01-01" },
		{ "suppress * until 2023-1-1 because x", "f:1: no date (2026-12-31): 2023-1-1" },
		{ "suppress * because x", "f:1: until which day? (until 2026-12-31)" },
		{ "suppress * until 2030-01-01", "f:1: why? (because \"...\")" },
		{ "suppress * until 2030-01-01 because \"\"", "f:1: why? (because \"...\")" },
		{ "suppress * until", "f:1: until needs a word after it" },
		{ "suppress * when 2030-01-01",
		  "f:1: type, root, chain, signature, until or because, not when" },
		{ "suppress * signature xyz until 2030-01-01 because x",
		  "f:1: a signature is 16 hexadecimal digits, not xyz" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		expect_error(gates_read_suppressions, cases[i].text, cases[i].error);
}

static void test_dates(void **state)
{
	static const struct {
		const char *text;
		int64_t days; /* by date -d DATE +%s, over 86400 */
	} cases[] = {
		{ "1970-01-01", 0 }, { "2000-02-29", 11016 }, { "2024-03-01", 19783 },
		{ "2026-12-31", 20818 }, { "2100-03-01", 47541 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct gates g = {};
		char line[80];

		snprintf(line, sizeof(line), "suppress * until %s because x", cases[i].text);
		assert_null(gates_read_suppressions(&g, "f", line, strlen(line)));
		assert_int_equal(g.suppressions.v[0].until, cases[i].days);
		gates_fini(&g);
	}
}

/* ---- a report of two suspects, "sessions" and "cache", in types and categories */

static void make_report(struct report *r, uint64_t sessions, uint64_t cache)
{
	static struct rp_hop hop = { .type = "T", .repeat = 1, .size = 16 };
	struct rp_suspect s = {
		.rule = "growth/accumulation", .title = "many sessions", .type = "Session",
		.count = 5, .bytes = sessions, .retained = sessions, .has_chain = true,
		.chain = { { .kind = "global", .symbol = "main.sessions" }, &hop, 1 },
	};
	struct rp_suspect c = { .rule = "lost/definite", .title = "lost cache", .type = "Cache",
				.count = 2, .bytes = cache, .retained = cache };
	struct rp_finding f = { .rule = "growth/accumulation", .message = "m", .suspect = 0 };
	struct rp_type t = { .name = "Session", .bytes = sessions, .count = 5 };
	struct rp_breakdown b = { .category = "heap/used", .label = "x", .bytes = 1000 };
	struct rp_heap h = { .used = 600, .free = 400 };

	*r = (struct report){};
	assert_true(vec_push(&r->suspects, &s) && vec_push(&r->findings, &f));
	f.rule = "lost/definite";
	f.suspect = 1;
	if (cache)
		assert_true(vec_push(&r->suspects, &c) && vec_push(&r->findings, &f));
	assert_true(vec_push(&r->types, &t) && vec_push(&r->breakdown, &b) &&
		    vec_push(&r->heaps, &h));
	r->categories[CAT_LOST] = (struct rp_total){ true, 2, cache };
}

static size_t breaches(const char *budget, const char *suppressions, const char *fail_on,
		       bool with_baseline, struct report *r)
{
	struct baseline base = {};
	struct gates g = { .fail_on = fail_on };
	struct report old;

	make_report(r, 300, 50);
	make_report(&old, 200, 0);
	assert_null(gates_read_budget(&g, "budget", budget, strlen(budget)));
	assert_null(gates_read_suppressions(&g, "supp", suppressions, strlen(suppressions)));
	assert_null(baseline_take(&base, &old));
	assert_null(gates_apply(&g, with_baseline ? &base : NULL, 100, r));
	report_fini(&old);
	baseline_fini(&base);
	gates_fini(&g);
	return report_breaches(r);
}

static void test_gates(void **state)
{
	static const char later[] = "suppress lost/* until 1999-01-01 because y",
			  over[] = "suppress lost/* until 1970-01-02 because y",
			  other[] = "suppress lost/* type Other until 1999-01-01 because y",
			  chain[] = "suppress * chain *sessions* until 1999-01-01 because y";
	static const struct {
		const char *budget, *suppressions, *fail_on;
		bool baseline;
		size_t breaches;
		const char *message; /* of the first check */
	} cases[] = {
		{ "", "", NULL, false, 0, NULL },
		{ "max memory 1000", "", NULL, false, 0, "1000 B of 1000 B" },
		{ "max memory 999", "", NULL, false, 1, "1000 B, 1 B over the limit of 999 B" },
		{ "max heap 990", "", NULL, false, 1, "1000 B, 10 B over the limit of 990 B" },
		{ "max category lost 5%", "", NULL, false, 0, "50 B of 50 B (5%)" },
		{ "max category lost 4%", "", NULL, false, 1, "50 B, 10 B over the limit of 40 B (4%)" },
		{ "max type Sess* 4 count", "", NULL, false, 1, "5 blocks, 1 over the limit of 4" },
		{ "max type Nobody 4", "", NULL, false, 0, "nothing here by that name, nothing to measure" },
		{ "max rule lost/definite 0", "", NULL, false, 1, "50 B, 50 B over the limit of 0 B" },
		{ "max rule lost/definite 0", later, NULL, false, 0, "0 B of 0 B" },
		{ "max rule lost/definite 0", other, NULL, false, 1, "50 B, 50 B over the limit of 0 B" },
		{ "max rule lost/definite 0", over, NULL, false, 1,
		  "expired on 1970-01-02 and no longer suppresses 1 suspect: y" },
		{ "growth type Session 40%", "", NULL, true, 2, "new: lost/definite: lost cache, 50 B that - does not know" },
		{ "growth type Session 50%", later, NULL, true, 0, "from 200 B to 300 B, +100 B of 100 B (50%)" },
		{ "growth type Session 99", later, NULL, true, 1,
		  "from 200 B to 300 B, +100 B, 1 B over the limit of 99 B" },
		{ "growth category lost 50", later, NULL, true, 0, "from 0 B to 50 B, +50 B of 50 B" },
		{ "", "", "error", false, 1, "lost/definite: m" },
		{ "", "", "warning", false, 2, "growth/accumulation: m" },
		{ "", later, "error", false, 0, NULL },
		{ "", chain, "warning", false, 1, "lost/definite: m" },
		{ "", later, "warning", true, 0, NULL }, /* sessions are known */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct report r;
		size_t n = breaches(cases[i].budget, cases[i].suppressions, cases[i].fail_on,
				    cases[i].baseline, &r);

		if (n != cases[i].breaches)
			print_error("case %zu: %s\n", i, cases[i].budget);
		assert_int_equal(n, cases[i].breaches);
		assert_true(!cases[i].message == !r.checks.n);
		if (cases[i].message)
			assert_string_equal(r.checks.v[0].message, cases[i].message);
		report_fini(&r);
	}
}

static void test_states(void **state)
{
	struct report r;

	(void)state;
	breaches("max rule lost/definite 0", "suppress growth/* until 1999-01-01 because why", NULL,
		 true, &r);
	assert_string_equal(r.suspects.v[0].suppressed, "why");
	assert_string_equal(r.suspects.v[0].suppressed_until, "1999-01-01");
	assert_int_equal(r.suspects.v[0].baseline, BASELINE_KNOWN);
	assert_null(r.suspects.v[1].suppressed);
	assert_int_equal(r.suspects.v[1].baseline, BASELINE_NEW);
	assert_string_equal(r.findings.v[r.findings.n - 1].rule, "budget/exceeded");
	report_fini(&r);
}

static void test_growth_without_baseline(void **state)
{
	struct gates g = {};
	struct report r;
	struct err *err;

	(void)state;
	make_report(&r, 1, 1);
	assert_null(gates_read_budget(&g, "b", "growth memory 1", 15));
	assert_true(gates_need_growth(&g));
	err = gates_apply(&g, NULL, 0, &r);
	assert_non_null(err);
	err_free(err);
	gates_fini(&g);
	report_fini(&r);
}

static void test_fail_on(void **state)
{
	struct err *err = gates_check_fail_on("error,lost/definit");

	(void)state;
	assert_non_null(err);
	err_free(err);
	assert_null(gates_check_fail_on("error,lost/definite,note"));
	assert_null(gates_check_fail_on(NULL));
}

static void test_patterns(void **state)
{
	static const struct {
		const char *pattern, *s;
		bool is_match;
	} cases[] = {
		{ "", "", true },     { "*", "", true },	{ "?", "", false },
		{ "a*c", "abbc", true }, { "a*c", "abcb", false }, { "*a*b*", "xaxbx", true },
		{ "a?c", "abc", true },  { "[]x", "[]x", true },   { "**", "ab", true },
		{ "ab", "abc", false },  { "*ab", "aab", true },   { "a*", "b", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(text_matches(cases[i].pattern, cases[i].s), cases[i].is_match);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_budget_lines),
		cmocka_unit_test(test_hostile_bytes),
		cmocka_unit_test(test_suppression_lines),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_gates),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_growth_without_baseline),
		cmocka_unit_test(test_fail_on),
		cmocka_unit_test(test_patterns),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
