/* Reports read back from JSON: what is taken, and what is no report of ours. */
#include <stdlib.h>
#include <string.h>

#include "report/report.h"
#include "unit_env.h"

#define TOOL "{\"tool\":{\"name\":\"heapfx\",\"schema\":1}"

static void test_values(void **state)
{
	static const char text[] =
		TOOL ",\"input\":{\"path\":\"core\",\"pid\":7,\"command\":\"x\",\"problems\":[{\"count\":3}]},"
		"\"memory\":{\"dumped\":9,\"breakdown\":[{\"category\":\"heap/used\",\"bytes\":5},"
		"{\"category\":\"stack\",\"label\":\"s\",\"bytes\":6}]},"
		"\"heaps\":[{\"arena_list\":[{\"used\":{\"bytes\":99}}],\"used\":{\"count\":1,\"bytes\":2},"
		"\"free\":{\"bytes\":3,\"by_where\":{\"top\":{\"bytes\":98}}}}],"
		"\"categories\":{\"lost\":{\"count\":4,\"bytes\":8}},"
		"\"types\":[{\"name\":\"T\",\"count\":2,\"bytes\":32,\"retained\":64}],"
		"\"suspects\":[{\"id\":\"s1\",\"rule\":\"lost/definite\",\"title\":\"t\",\"type\":\"T\","
		"\"retained\":18446744073709551615,\"signature\":\"00000000000000ff\","
		"\"chain\":{\"hops\":[{\"type\":\"no\"}]},\"share\":0.5}],"
		"\"findings\":[{\"rule\":\"lost/definite\",\"message\":\"m\",\"suspect\":\"s1\"},"
		"{\"rule\":\"lost/indirect\",\"message\":\"n\"}]}";
	struct report r = {};

	(void)state;
	assert_null(report_read_json(text, strlen(text), &r));
	assert_string_equal(r.input.path, "core");
	assert_int_equal(r.input.pid, 7);
	assert_int_equal(r.breakdown.n, 2);
	assert_int_equal(r.breakdown.v[1].bytes, 6);
	assert_int_equal(r.heaps.n, 1);
	assert_int_equal(r.heaps.v[0].used, 2);
	assert_int_equal(r.heaps.v[0].free, 3);
	assert_int_equal(r.categories[CAT_LOST].bytes, 8);
	assert_int_equal(r.categories[CAT_LOST].count, 4);
	assert_int_equal(r.types.n, 1);
	assert_int_equal(r.types.v[0].bytes, 32);
	assert_int_equal(r.suspects.n, 1);
	assert_string_equal(r.suspects.v[0].type, "T");
	assert_true(r.suspects.v[0].retained == UINT64_MAX);
	assert_int_equal(suspect_fingerprint(&r.suspects.v[0]), 0xff);
	assert_int_equal(r.findings.n, 2);
	assert_int_equal(r.findings.v[0].suspect, 0);
	assert_int_equal(r.findings.v[1].suspect, -1);
	report_fini(&r);
}

static void test_refused(void **state)
{
	static const char *const cases[] = {
		"", "{", "[]", "{}", "[1,2", "{\"tool\":{\"name\":\"other\",\"schema\":1}}",
		"{\"tool\":{\"name\":\"heapfx\",\"schema\":2}}", TOOL "}x", TOOL,
		TOOL ",\"suspects\":[{\"rule\":\"no/such\"}]}", TOOL ",\"a\\u0000b\":1}",
		TOOL ",\"suspects\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
		"{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct report r = {};
		struct err *err = report_read_json(cases[i], strlen(cases[i]), &r);

		assert_non_null(err);
		err_free(err);
		report_fini(&r);
	}
}

static void test_long_keys(void **state)
{
	char *text = malloc(8192);
	struct report r = {};
	struct err *err;

	(void)state;
	memset(text, 'k', 8192);
	memcpy(text, "{\"", 2);
	memcpy(text + 8000, "\":1}", 5);
	err = report_read_json(text, strlen(text), &r);
	assert_non_null(err);
	err_free(err);
	report_fini(&r);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_long_keys),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
