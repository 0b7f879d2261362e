/* The trees of runtimes: order, kinds, and what the JSON writer makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report/report.h"

static void fill(struct report *r)
{
	struct rp_node *list;

	r->go = node_map(r, NULL, "go");
	node_text(r, r->go, "version", "go1.26.8");
	node_text(r, r->go, "absent", NULL);
	node_uint(r, r->go, "big", NODE_BYTES, UINT64_MAX);
	node_int(r, r->go, "since", -7);
	list = node_list(r, r->go, "ids");
	node_uint(r, list, NULL, NODE_COUNT, 1);
	node_uint(r, list, NULL, NODE_ADDR, 0xc000);
	node_uint(r, node_map(r, list, NULL), "system", NODE_BOOL, true);
	assert_false(report_nodes_failed(r));
}

static void test_json(void **state)
{
	struct report r = { .input = { .path = "x", .kind = "elf-core", .arch = "x86_64" } };
	struct writer_options opt = { .top = 10, .width = 100 };
	char *text = NULL, *at, *to;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	(void)state;
	assert_non_null(out);
	fill(&r);
	assert_null(writer_by_name("json")->write(&r, &opt, out));
	fclose(out);
	for (at = to = text; *at; at++) /* the shape, whatever the white space */
		if (*at != ' ' && *at != '\n')
			*to++ = *at;
	*to = 0;
	assert_non_null(strstr(text, "\"go\":{\"version\":\"go1.26.8\",\"big\":18446744073709551615,\"since\":-7,"
				     "\"ids\":[1,\"0xc000\",{\"system\":true}]}"));
	free(text);
	report_fini(&r);
}

/* A parent that could not be made takes children without harm, and the failure is not lost. */
static void test_failed_parent(void **state)
{
	struct report r = { .nodes_failed = true };

	(void)state;
	assert_null(node_map(&r, NULL, "go"));
	node_text(&r, NULL, "version", "go1.26.8");
	node_uint(&r, NULL, "n", NODE_COUNT, 1);
	assert_true(report_nodes_failed(&r));
	report_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_json), cmocka_unit_test(test_failed_parent) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
