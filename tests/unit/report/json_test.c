/*
 * The JSON of a literal report: names, shapes and order of the contract; absent is unknown; bytes
 * of a dump cannot break out.  The schema itself is held against real reports end to end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "report/report.h"

/* The report in JSON with all white space outside strings dropped. */
static char *render(const struct report *r)
{
	char *page = NULL, *to;
	bool quoted = false;
	size_t n;
	FILE *out = open_memstream(&page, &n);

	assert_non_null(out);
	assert_null(writer_by_name("json")->write(r, &(struct writer_options){}, out));
	fclose(out);
	to = page;
	for (const char *s = page; *s; s++) {
		quoted ^= *s == '"' && (s == page || s[-1] != '\\');
		if (quoted || (*s != ' ' && *s != '\n'))
			*to++ = *s;
	}
	*to = '\0';
	return page;
}

static void expect(const char *json, const char *part)
{
	if (!strstr(json, part))
		print_error("missing: %s\nin: %s\n", part, json);
	assert_non_null(strstr(json, part));
}

static void test_empty(void **state)
{
	const struct report r = { .input = { .kind = "elf-core" } };
	_free_ char *json = render(&r);

	(void)state;
	expect(json, "\"input\":{\"kind\":\"elf-core\",\"bytes\":0,\"complete\":false,\"problems\":[]},\"threads\":[]");
	expect(json, "\"reachability\":{},\"categories\":{},\"types\":[],\"suspects\":[],\"cycles\":[],\"findings\":[]}");
	assert_null(strstr(json, "pid"));
	assert_null(strstr(json, "resident"));
}

static void test_shapes(void **state)
{
	struct rp_hop hops[] = {
		{ .address = 0x1000, .size = 64, .via_kind = "scanned", .repeat = 1 },
		{ .address = 0x7f0000001000, .size = 32, .via_kind = "interior", .via_offset = 16, .repeat = 1203 },
		{ .address = 0x3000, .size = 32, .repeat = 1 },
	};
	uint64_t addresses[] = { 0x7f0000001000 };
	struct rp_suspect suspect = {
		.id = "s1", .rule = "lost/definite", .title = "t", .count = 2, .bytes = 64, .retained = 512,
		.confidence = CONF_PATTERN, .addresses = addresses, .n_addresses = 1, .has_chain = true,
		.chain = { { .kind = "stack", .source = "stack of thread 7", .thread = 7, .address = 0x7ffe0000 }, hops, 3 },
	};
	struct rp_finding finding = { "lost/definite", "m", 0 };
	struct rp_where where = { "tcache", 3, 1024 };
	struct rp_heap heap = { .allocator = "glibc", .how = "symbols", .used = 1024, .free = 1024, .n_free = 3,
				.wheres = &where, .n_wheres = 1 };
	const struct report r = {
		.input = { .kind = "elf-core", .pid = 7 },
		.heaps = { &heap, 1, 1 },
		.suspects = { &suspect, 1, 1 },
		.findings = { &finding, 1, 1 },
		.reach = { [1] = { true, UINT64_MAX, 5 }, [4] = { true, 0, 0 } },
		.categories = { [CAT_FREE_HELD] = { true, 3, 1024 } },
	};
	_free_ char *json = render(&r);

	(void)state;
	expect(json, "\"free\":{\"count\":3,\"bytes\":1024,\"by_where\":{\"tcache\":{\"count\":3,\"bytes\":1024}}}");
	expect(json, "\"reachable\":{\"count\":18446744073709551615,\"bytes\":5},\"definitely-lost\":{\"count\":0,\"bytes\":0}}");
	expect(json, "\"categories\":{\"free-held\":{\"count\":3,\"bytes\":1024}}");
	expect(json, "\"severity\":\"error\",\"title\":\"t\",\"count\":2,\"bytes\":64,\"retained\":512,\"share\":0.2500,"
		     "\"confidence\":\"pattern\",\"addresses\":[\"0x7f0000001000\"]");
	expect(json, "\"chain\":{\"root\":{\"kind\":\"stack\",\"source\":\"stack of thread 7\",\"thread\":7,"
		     "\"address\":\"0x7ffe0000\"},\"hops\":[{\"address\":\"0x1000\",\"size\":64,\"via\":{\"kind\":\"scanned\","
		     "\"offset\":0}},{\"address\":\"0x7f0000001000\",\"size\":32,\"via\":{\"kind\":\"interior\",\"offset\":16},"
		     "\"repeat\":1203},{\"address\":\"0x3000\",\"size\":32}]}");
	expect(json, "\"findings\":[{\"rule\":\"lost/definite\",\"severity\":\"error\",\"message\":\"m\",\"suspect\":\"s1\"}]");
}

static void test_hostile_text(void **state)
{
	const struct report r = { .input = { .kind = "elf-core", .command = "a\"b\n\xff\033[m", .args = "é" } };
	_free_ char *json = render(&r);

	(void)state;
	expect(json, "\"command\":\"a\\\"b\\\\x0a\\\\xff\\\\x1b[m\",\"args\":\"é\"");
}

/* Every rule that a suspect may carry exists once, and says what to do. */
static void test_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_rules; i++) {
		assert_ptr_equal(rule_get(rules[i].id), &rules[i]);
		assert_true(rules[i].means[0] && rules[i].advice[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_hostile_text),
		cmocka_unit_test(test_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
