/*
 * Reports against each other: what is matched, what is summed, what the clock says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "diff/diff.h"
#include "unit_env.h"

/* One dump, in values: a type "T" and a suspect that main.sessions holds. */
struct dump {
	uint64_t bytes;	   /* of T; 0: not there */
	uint64_t retained; /* of the suspect; 0: not there */
	const char *symbol;
	uint32_t pid;
	int64_t clock, file; /* 0: unknown */
	const char *title;   /* of the suspect; NULL: "sessions" */
};

static struct rp_hop hops[] = { { .type = "T", .via_name = ".m[\"key\"]", .repeat = 1 } };

static void add_dump(struct diff *d, const struct dump *dump)
{
	struct rp_type type = { .name = "T", .count = dump->bytes / 10, .bytes = dump->bytes };
	struct rp_suspect suspect = {
		.rule = "growth/accumulation",
		.title = dump->title ? dump->title : "sessions",
		.type = "T",
		.count = 1,
		.retained = dump->retained,
		.has_chain = true,
		.chain = { { .kind = "global", .symbol = dump->symbol, .address = (uintptr_t)dump },
			   hops, 1 },
	};
	struct report r = { .input = { .path = "core", .pid = dump->pid } };

	if (dump->bytes)
		assert_true(vec_push(&r.types, &type));
	if (dump->retained)
		assert_true(vec_push(&r.suspects, &suspect));
	r.categories[CAT_LOST] = (struct rp_total){ true, 1, 7 };
	assert_null(diff_add(d, &r, (struct diff_time){ dump->clock, dump->file }));
	report_fini(&r);
}

static const struct diff_row *only_row(const struct diff *d, enum diff_section section)
{
	size_t first, end;

	diff_rows(d, section, &first, &end);
	return end - first == 1 ? &d->rows.v[first] : NULL;
}

static void test_growth(void **state)
{
	static const struct {
		struct dump dumps[3];
		unsigned n;
		int64_t grown, more, retained; /* of the type; of the suspect */
		bool is_monotone;
		double hours;
	} cases[] = {
		{ { { 100, 10, "a", 5, 0 }, { 250, 30, "a", 5, 0 } }, 2, 150, 15, 20, false, 0 },
		{ { { 100, 10, "a", 5, 0 }, { 0, 0, "a", 5, 0 } }, 2, -100, -10, -10, false, 0 },
		{ { { 0, 0, "a", 5, 0 }, { 80, 8, "a", 5, 0 } }, 2, 80, 8, 8, false, 0 },
		{ { { 10, 1, "a", 5, 0 }, { 20, 2, "a", 5, 0 }, { 30, 3, "a", 5, 0 } }, 3, 20, 2, 2, true, 0 },
		{ { { 10, 1, "a", 5, 0 }, { 40, 2, "a", 5, 0 }, { 30, 3, "a", 5, 0 } }, 3, 20, 2, 2, false, 0 },
		/* of one process two hours apart; of another one nobody knows */
		{ { { 10, 1, "a", 5, 1 }, { 20, 1, "a", 5, 1 + 7200000000000 } }, 2, 10, 1, 0, false, 2 },
		{ { { 10, 1, "a", 5, 1 }, { 20, 1, "a", 6, 1 + 7200000000000 } }, 2, 10, 1, 0, false, 0 },
		{ { { 10, 1, "a", 5, 9 }, { 20, 1, "a", 5, 8 } }, 2, 10, 1, 0, false, 0 },
		/* files an hour apart, of whatever process; but not against the process's own clock */
		{ { { 10, 1, "a", 5, 0, 1 }, { 20, 1, "a", 6, 0, 1 + 3600000000000 } }, 2, 10, 1, 0, false, 1 },
		{ { { 10, 1, "a", 5, 9, 1 }, { 20, 1, "a", 5, 8, 1 + 3600000000000 } }, 2, 10, 1, 0, false, 0 },
		{ { { 10, 1, "a", 5, 0, 1 }, { 20, 1, "a", 5, 0, 2 } }, 2, 10, 1, 0, false, 0 },
		{ { { 10, 1, "a", 5, INT64_MIN, INT64_MIN }, { 20, 1, "a", 5, 8, INT64_MAX } }, 2, 10, 1, 0, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct diff d = {};
		const struct diff_row *type, *suspect;

		for (unsigned k = 0; k < cases[i].n; k++)
			add_dump(&d, &cases[i].dumps[k]);
		assert_null(diff_finish(&d));
		type = only_row(&d, DIFF_TYPES);
		suspect = only_row(&d, DIFF_SUSPECTS);
		assert_non_null(type);
		assert_non_null(suspect);
		assert_int_equal(type->grown, cases[i].grown);
		assert_int_equal(type->more, cases[i].more);
		assert_int_equal(suspect->grown, cases[i].retained);
		assert_int_equal(type->is_monotone, cases[i].is_monotone);
		assert_true(d.hours == cases[i].hours);
		assert_int_equal(only_row(&d, DIFF_CATEGORIES)->grown, 0);
		diff_fini(&d);
	}
}

/* How long is always said; growth an hour from ten minutes on. */
static void test_rates(void **state)
{
	static const struct {
		int64_t seconds;
		double rate_hours;
		const char *span;
	} cases[] = {
		{ 3, 0, "3 seconds" },	      { 119, 0, "119 seconds" },     { 300, 0, "5 minutes" },
		{ 599, 0, "10 minutes" },     { 1800, 0.5, "30 minutes" },   { 7200, 2, "2.0 hours" },
		{ 90000, 25, "25.0 hours" },  { 259200, 72, "3.0 days" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dump first = { 10, 1, "a", 5, 1 };
		struct dump last = { 20, 1, "a", 5, 1 + cases[i].seconds * 1000000000 };
		struct text span = TEXT_INIT, verdict = TEXT_INIT;
		struct diff d = {};

		add_dump(&d, &first);
		add_dump(&d, &last);
		assert_null(diff_finish(&d));
		assert_true(d.rate_hours == cases[i].rate_hours);
		diff_span(&d, &span);
		assert_string_equal(text_str(&span), cases[i].span);
		diff_verdict(&d, &verdict);
		assert_non_null(strstr(text_str(&verdict), text_str(&span)));
		text_fini(&span);
		text_fini(&verdict);
		diff_fini(&d);
	}
}

/* A suspect of another holder is another one; of another address it is the same. */
static void test_what_a_suspect_is(void **state)
{
	static const struct dump one = { 0, 10, "main.a", 5, 0 }, same = { 0, 30, "main.a", 5, 0 },
				 other = { 0, 30, "main.b", 5, 0 };
	struct diff d = {};
	size_t first, end;

	(void)state;
	add_dump(&d, &one);
	add_dump(&d, &same);
	assert_null(diff_finish(&d));
	assert_int_equal(only_row(&d, DIFF_SUSPECTS)->grown, 20);
	diff_fini(&d);
	add_dump(&d, &one);
	add_dump(&d, &other);
	assert_null(diff_finish(&d));
	diff_rows(&d, DIFF_SUSPECTS, &first, &end);
	assert_int_equal(end - first, 2);
	assert_int_equal(d.rows.v[first].grown, 30);
	assert_false(d.rows.v[first].at[0].is_there);
	assert_int_equal(d.rows.v[first + 1].grown, -10);
	assert_false(d.rows.v[first + 1].at[1].is_there);
	diff_fini(&d);
}

/* Names of Go that are too long for a row lose their packages' paths, not what tells them apart. */
static void test_rows_without_import_paths(void **state)
{
	const char *title = "12,000 github.com/example/a-service/internal/sessions.One, kept";
	struct dump dumps[] = { { 10, 1, "a", 5, 0, 0, title }, { 20, 9, "a", 5, 0, 0, title } };
	struct diff d = {};
	char *page = NULL;
	size_t n;
	FILE *out = open_memstream(&page, &n);

	(void)state;
	assert_non_null(out);
	for (unsigned i = 0; i < 2; i++)
		add_dump(&d, &dumps[i]);
	assert_null(diff_finish(&d));
	assert_null(diff_write_text(&d, 8, out));
	fclose(out);
	assert_non_null(strstr(page, "  12,000 sessions.One, kept "));
	free(page);
	diff_fini(&d);
}

static void test_limits(void **state)
{
	static const struct dump dump = { 10, 0, "a", 5, 0 };
	struct report r = {};
	struct diff d = {};
	struct err *err;

	(void)state;
	add_dump(&d, &dump);
	err = diff_finish(&d);
	assert_non_null(err);
	assert_int_equal(err->kind, ERR_USAGE);
	err_free(err);
	for (unsigned i = 1; i < DIFF_MAX; i++)
		add_dump(&d, &dump);
	err = diff_add(&d, &r, (struct diff_time){});
	assert_non_null(err);
	err_free(err);
	assert_null(diff_finish(&d));
	diff_fini(&d);
}

/* Renumbered closures of one size are one type; others, and other sizes, are not. */
static void test_anonymous_types(void **state)
{
	static const struct {
		const char *old, *new;
		uint64_t old_size, new_size;
		bool is_one;
	} cases[] = {
		{ "func main.serve.func1", "func main.serve.func12", 32, 32, true },
		{ "func main.serve.func1", "func main.serve.func12", 32, 48, false },
		{ "func main.serve.func1", "func main.other.func1", 32, 32, false },
		{ "main::{lambda(int)#1}", "main::{lambda(int)#2}", 8, 8, true },
		{ "int32", "int64", 8, 8, false },
		{ "main.T1", "main.T2", 8, 8, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct diff d = {};
		size_t first, end;

		for (unsigned k = 0; k < 2; k++) {
			struct report r = {};
			struct rp_type t = { .name = k ? cases[i].new : cases[i].old, .count = 3,
					     .bytes = 3 * (k ? cases[i].new_size :
							       cases[i].old_size) };

			assert_true(vec_push(&r.types, &t));
			assert_null(diff_add(&d, &r, (struct diff_time){}));
			report_fini(&r);
		}
		assert_null(diff_finish(&d));
		diff_rows(&d, DIFF_TYPES, &first, &end);
		assert_int_equal(end - first, cases[i].is_one ? 1 : 2);
		diff_fini(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_growth, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rates, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_a_suspect_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rows_without_import_paths, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
		cmocka_unit_test(test_anonymous_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
