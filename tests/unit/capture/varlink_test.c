/* varlink: what is a call, what it is of, and which paths are of cgroups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "capture/varlink.h"

#define NOTIFY "io.systemd.oom.Prekill.Notify"

static const struct {
	const char *message;
	enum varlink_method method;
	const char *cgroup;
	bool oneway;
} calls[] = {
	{ "{\"method\":\"" NOTIFY "\",\"parameters\":{\"cgroup\":\"/a/b.service\"}}", VARLINK_NOTIFY,
	  "/a/b.service", false },
	{ "{\"parameters\":{\"cgroup\":\"/\"},\"oneway\":true,\"method\":\"" NOTIFY "\"}",
	  VARLINK_NOTIFY, "/", true },
	{ "{\"method\":\"" NOTIFY "\",\"parameters\":{\"cgroup\":[\"/a\"]}}", VARLINK_NOTIFY, NULL,
	  false },
	{ "{\"method\":\"" NOTIFY "\",\"parameters\":{\"cgroup\":\"/a/../b\"}}", VARLINK_NOTIFY, NULL,
	  false },
	{ "{\"method\":\"" NOTIFY "\",\"oneway\":false}", VARLINK_NOTIFY, NULL, false },
	{ "{\"method\":\"org.varlink.service.GetInfo\"}", VARLINK_GET_INFO, NULL, false },
	{ "{\"method\":\"io.systemd.oom.PreKill\"}", VARLINK_UNKNOWN, NULL, false },
};

static const char *const no_calls[] = { "", "{}", "[]", "null", "{\"method\":1}", "{\"method\":",
					"{\"method\":\"a\"} x" };

static const struct {
	const char *path;
	bool ok;
} paths[] = {
	{ "/", true },	     { "/a", true },	  { "/a/b.slice/c", true }, { "/a//b", true },
	{ "/..a/b..", true }, { "/...", true },	  { "", false },	    { "a", false },
	{ "/..", false },     { "/a/../b", false }, { "/a/.", false },	    { "/./a", false },
};

static void test_calls(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		struct varlink_call c;

		assert_null(varlink_parse(calls[i].message, &c));
		assert_int_equal(c.method, calls[i].method);
		assert_int_equal(c.oneway, calls[i].oneway);
		assert_int_equal(!c.cgroup, !calls[i].cgroup);
		if (c.cgroup)
			assert_string_equal(c.cgroup, calls[i].cgroup);
		varlink_call_fini(&c);
	}
}

static void test_no_calls(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(no_calls); i++) {
		struct varlink_call c;
		struct err *err = varlink_parse(no_calls[i], &c);

		assert_non_null(err);
		err_free(err);
	}
}

static void test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		assert_int_equal(varlink_is_cgroup(paths[i].path), paths[i].ok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_no_calls),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
