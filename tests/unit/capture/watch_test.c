/* When a watcher captures: a table of what it sees, one moment after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture/watch.h"

static const struct watch_rule rule = {
	.threshold = 90, .rearm = 70, .cool_down_s = 100, .most = 2,
};

static const struct {
	unsigned current, file; /* percent */
	bool hit, pressure;
	uint64_t now;
	enum watch_verdict verdict;
} steps[] = {
	{ 89, 0, false, false, 1000, WATCH_CALM },
	{ 60, 0, true, true, 1001, WATCH_CALM },     /* the limit is far away */
	{ 95, 30, false, false, 1002, WATCH_CALM },  /* pages of files can go */
	{ 75, 0, true, false, 1003, WATCH_EVENTS },  /* captured */
	{ 95, 0, false, false, 1004, WATCH_COOLING }, /* not below the lower mark since */
	{ 95, 0, false, false, 2000, WATCH_COOLING },
	{ 69, 0, false, false, 2001, WATCH_CALM },
	{ 91, 0, false, false, 2002, WATCH_ABOVE }, /* captured */
	{ 10, 0, false, false, 2003, WATCH_CALM },
	{ 75, 0, false, true, 3000, WATCH_SPENT },
};

static struct watch_sample sample(unsigned current, unsigned file, bool hit, bool pressure)
{
	return (struct watch_sample){
		.memcg = { .current = current, .inactive_file = file },
		.limit = 100,
		.hit = hit,
		.pressure = pressure,
	};
}

static void test_steps(void **state)
{
	struct watch_state st = {};

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct watch_sample s = sample(steps[i].current, steps[i].file, steps[i].hit,
					       steps[i].pressure);
		enum watch_verdict v = watch_decide(&rule, &s, steps[i].now, &st);

		assert_int_equal(v, steps[i].verdict);
		if (v == WATCH_ABOVE || v == WATCH_EVENTS || v == WATCH_PRESSURE)
			watch_captured(&st, steps[i].now);
	}
	assert_int_equal(st.captures, 2);
}

static void test_cool_down(void **state)
{
	struct watch_state st = { .captures = 1, .last = 1000 };
	struct watch_sample s = sample(95, 0, false, false);

	(void)state;
	assert_int_equal(watch_decide(&rule, &s, 1099, &st), WATCH_COOLING);
	assert_int_equal(watch_decide(&rule, &s, 1100, &st), WATCH_ABOVE);
	assert_int_equal(watch_decide(&rule, &s, 10, &st), WATCH_ABOVE); /* the clock was set back */
	watch_captured(&st, 1100);
	watch_failed(&st); /* it does not count, and is not tried again at once */
	assert_int_equal(st.captures, 1);
	assert_int_equal(watch_decide(&rule, &s, 1101, &st), WATCH_COOLING);
}

static void test_percent(void **state)
{
	struct watch_sample s = sample(50, 60, false, false);

	(void)state;
	assert_int_equal(watch_percent(&s), 0); /* read one after the other, they need not fit */
	s = sample(500, 0, false, false);
	assert_int_equal(watch_percent(&s), 100);
	s.limit = 0;
	assert_int_equal(watch_percent(&s), 100);
}

static void test_state(void **state)
{
	struct watch_state st = { .captures = 7 };
	static const char *const bad[] = { "", "heapfx-watch/1 1 2", "heapfx-watch/2 1 2 3", "1 2 3",
					   "heapfx-watch/1 2 2 3" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(watch_state_parse(bad[i], &st));
	assert_int_equal(st.captures, 7);
	assert_true(watch_state_parse("heapfx-watch/1 1 2 3\n", &st));
	assert_true(st.fired && st.captures == 2 && st.last == 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps), cmocka_unit_test(test_cool_down),
		cmocka_unit_test(test_percent), cmocka_unit_test(test_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
