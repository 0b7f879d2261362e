/* tests/lib/unit_env.h - an env for each test of a program; a test that leaves memory in it fails. */
#ifndef HEAPFX_TESTS_UNIT_ENV_H
#define HEAPFX_TESTS_UNIT_ENV_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/env.h"

static struct env env;

static int set_up(void **state)
{
	(void)state;
	env_init(&env);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(env.mem_used, 0);
	env_fini(&env);
	return 0;
}

#endif
