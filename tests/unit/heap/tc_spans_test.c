/* Spans of a tcmalloc, in whatever order they come: which are kept, which claims they make, what is found by address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/guard.h"
#include "heap/tc_spans.h"
#include "unit_env.h"

enum { MAX_SPANS = 6, MIB = 1 << 20 };

struct claims {
	struct claim_sink sink; /* first: add() casts back */
	char text[256];
};

static struct err *add(struct claim_sink *sink, const struct claim *c)
{
	struct claims *s = (struct claims *)sink;
	size_t n = strlen(s->text);

	snprintf(s->text + n, sizeof(s->text) - n, "%lx-%lx of %u%s;", c->start, c->end, c->arena,
		 c->small_grains ? " by 8" : "");
	return NULL;
}

static void spans_open(struct tc_spans *s, const struct tc_span *spans)
{
	assert_null(tc_spans_open(&env, s));
	for (size_t i = 0; i < MAX_SPANS && spans[i].end; i++)
		assert_null(tc_spans_add(s, &spans[i]));
	assert_null(tc_spans_join(s));
}

static void neighbours_in_use_are_one_claim(void **state)
{
	static const struct {
		struct tc_span spans[MAX_SPANS];
		const char *claims;
		size_t n_damage;
	} cases[] = {
		{ {}, "", 0 },
		{ { { 1, 0x1000, 0x3000 }, { 2, 0x3000, 0x4000 } }, "1000-4000 of 0;", 0 },
		{ { { 1, 0x1000, 0x3000 }, { 2, 0x4000, 0x5000 } },
		  "1000-3000 of 0;4000-5000 of 0;", 0 },
		{ { { 1, 0x1000, 0x2000 },
		    { 2, 0x2000, 0x3000, .location = SPAN_NORMAL },
		    { 3, 0x3000, 0x4000, .small_grains = true },
		    { 4, 0x4000, 0x5000 } },
		  "1000-2000 of 0;3000-5000 of 0 by 8;", 0 },
		{ { { 1, 0x3000, 0x4000 }, { 2, 0x1000, 0x3000, .copy = 1 } },
		  "1000-3000 of 1;3000-4000 of 0;", 0 },
		{ { { 1, 0x2000, 0x4000 }, { 2, 0x1000, 0x3000, .copy = 1 } },
		  "1000-3000 of 1;", 1 },
		{ { { 2, 0x1000, 0x2000 }, { 1, 0x1000, 0x3000, .copy = 1 } },
		  "1000-3000 of 1;", 1 },
		{ { { 1, MIB, 16 * MIB }, { 2, 16 * MIB, 32 * MIB }, { 3, 32 * MIB, 33 * MIB } },
		  "100000-2000000 of 0;2000000-2100000 of 0;", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct claims claims = { .sink = { add } };
		struct tc_spans s = {};

		spans_open(&s, cases[i].spans);
		assert_null(tc_claim(&s, &claims.sink));
		assert_string_equal(claims.text, cases[i].claims);
		assert_int_equal(s.damage.n, cases[i].n_damage);
		assert_int_equal(s.failed, cases[i].n_damage);
		tc_spans_close(&s);
	}
}

static void spans_and_listed_objects_are_found(void **state)
{
	static const struct tc_span spans[MAX_SPANS] = {
		{ 1, 0x1000, 0x2000, .class = 3 },
		{ 2, 0x2000, 0x3000 },
		{ 3, 0x5000, 0x6000, .class = 4 },
	};
	static const struct {
		taddr at, span;
		bool unit, listed;
	} cases[] = {
		{ 0xfff },
		{ 0x1000, 1, true, true },
		{ 0x1fff, 1, true },
		{ 0x2000, 2 },
		{ 0x3000 },
		{ 0x5010, 3, true, true },
		{ 0x5018, 3, true },
		{ 0x6000 },
	};
	struct tc_spans s = {};

	(void)state;
	spans_open(&s, spans);
	for (size_t i = ARRAY_SIZE(cases); i-- > 0;) {
		struct tc_listed l = { .at = cases[i].at, .cache = (uint32_t)i };

		if (cases[i].listed)
			assert_null(tc_list(&s, &l));
	}
	tc_sort_listed(&s);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct tc_span *span = tc_span_at(&s, cases[i].at);
		const struct tc_listed *l = tc_listed_at(&s, cases[i].at);
		taddr start = 0, end = 0;

		assert_int_equal(span ? span->addr : 0, cases[i].span);
		assert_int_equal(tc_unit(&s, cases[i].at, &start, &end), cases[i].unit);
		assert_int_equal(start, cases[i].unit ? span->base : 0);
		assert_int_equal(end, cases[i].unit ? span->end : 0);
		assert_int_equal(l != NULL, cases[i].listed);
		assert_true(!l || l->cache == i);
	}
	tc_spans_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(neighbours_in_use_are_one_claim, set_up, tear_down),
		cmocka_unit_test_setup_teardown(spans_and_listed_objects_are_found, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
