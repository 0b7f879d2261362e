/* cursor, text, columns, ranges and the diagnostics: tables of cases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/col.h"
#include "base/cursor.h"
#include "base/par.h"
#include "base/text.h"

static void cursor_is_sticky(void **state)
{
	static const uint8_t bytes[] = { 1, 2, 3, 4, 5 };
	struct cursor c = cursor_init(bytes, sizeof(bytes), "t", 100);
	struct err *err;

	(void)state;
	assert_int_equal(cursor_u16(&c), 0x0201);
	assert_int_equal(cursor_offset(&c), 102);
	assert_int_equal(cursor_u32(&c), 0);
	assert_true(c.bad);
	assert_int_equal(cursor_u8(&c), 0); /* the byte is there, but the failure sticks */
	assert_int_equal(cursor_offset(&c), 102);
	err = cursor_err(&c, "record");
	assert_non_null(err);
	assert_int_equal(err->kind, ERR_TRUNCATED);
	err_free(err);
}

static void cursor_counts_fit(void **state)
{
	static const struct {
		uint64_t n, elem, ret;
	} cases[] = { { 2, 4, 2 }, { 3, 4, 0 }, { UINT64_MAX, 1, 0 }, { 1ull << 62, 8, 0 }, { 0, 8, 0 } };
	uint8_t bytes[8] = {};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cursor c = cursor_init(bytes, sizeof(bytes), NULL, 0);

		assert_int_equal(cursor_count(&c, cases[i].n, cases[i].elem), cases[i].ret);
		assert_int_equal(c.bad, cases[i].n && !cases[i].ret);
	}
	assert_true(cursor_slice(bytes, 8, 4, 5, NULL).bad);
	assert_true(cursor_slice(bytes, 8, UINT64_MAX, 2, NULL).bad);
	assert_false(cursor_slice(bytes, 8, 8, 0, NULL).bad);
}

static void uleb(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		uint64_t value;
		bool bad;
	} cases[] = {
		{ "\x05", 1, 5, false },
		{ "\xe5\x8e\x26", 3, 624485, false },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, UINT64_MAX, false },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, 0, true },
		{ "\x80", 1, 0, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cursor c = cursor_init(cases[i].bytes, cases[i].n, NULL, 0);
		uint64_t v = cursor_uleb(&c);

		assert_int_equal(c.bad, cases[i].bad);
		if (!c.bad)
			assert_int_equal(v, cases[i].value);
	}
}

static void escapes(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain.so", "plain.so" },
		{ "\033[2Jx", "\\x1b[2Jx" },
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
		{ "\xff\xfe", "\\xff\\xfe" },
		{ "a\\b", "a\\\\b" },
		{ "\xe2\x80\xae" "evil", "\\u{202e}evil" },
		{ "\xc0\xaf", "\\xc0\\xaf" },	  /* overlong */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" }, /* surrogate */
		{ "a\xc2\xad" "b", "a\\xad" "b" }, /* a hyphen that is not seen */
		{ "\\x1", "\\\\x1" }, { "\\u{}", "\\\\u{}" }, { "\\u{1", "\\\\u{1" }, { "\\", "\\\\" },
	};
	struct text t = TEXT_INIT, again = TEXT_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		text_reset(&t);
		text_add_escaped(&t, cases[i].in, strlen(cases[i].in));
		assert_string_equal(text_str(&t), cases[i].out);
		/* whoever writes it escapes it again */
		text_reset(&again);
		text_add_escaped(&again, t.s, t.n);
		assert_string_equal(text_str(&again), cases[i].out);
	}
	text_fini(&t);
	text_fini(&again);
}

static void sizes(void **state)
{
	static const struct {
		uint64_t n;
		const char *text;
	} cases[] = {
		{ 0, "0 B" }, { 1023, "1023 B" }, { 1024, "1.0 KiB" }, { 100663296, "96.0 MiB" },
		{ (1 << 20) - 1, "1.0 MiB" }, { UINT64_MAX, "16.0 EiB" },
	};
	static const struct {
		const char *text;
		bool ok;
		uint64_t n;
	} parses[] = {
		{ "512M", true, 512ull << 20 }, { "4G", true, 4ull << 30 }, { "123", true, 123 },
		{ "1.5GiB", true, 3ull << 29 }, { "x", false, 0 }, { "-1", false, 0 },
		{ "99999999999E", false, 0 }, { "4Gx", false, 0 }, { "", false, 0 }, { "4 ", false, 0 },
	};
	static const struct {
		uint64_t ns;
		const char *text;
	} durations[] = {
		{ 0, "0 ms" },		      { 999999999, "999 ms" },	      { 1000000000, "1 s" },
		{ 59999999999, "59 s" },      { 60000000000, "1 min" },	      { 3599999999999, "59 min" },
		{ 3600000000000, "1 h" },     { 7500000000000, "2 h 5 min" }, { 86400000000000, "1 day" },
		{ 273600000000000, "3 days 4 h" }, { UINT64_MAX, "213503 days 23 h" },
	};
	struct text t = TEXT_INIT;
	uint64_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		text_reset(&t);
		text_add_bytes(&t, cases[i].n);
		assert_string_equal(text_str(&t), cases[i].text);
	}
	for (size_t i = 0; i < sizeof(parses) / sizeof(parses[0]); i++) {
		assert_int_equal(text_parse_size(parses[i].text, &n), parses[i].ok);
		if (parses[i].ok)
			assert_int_equal(n, parses[i].n);
	}
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		text_reset(&t);
		text_add_duration(&t, durations[i].ns);
		assert_string_equal(text_str(&t), durations[i].text);
	}
	text_reset(&t);
	text_add_count(&t, 1234567);
	assert_string_equal(text_str(&t), "1,234,567");
	text_cut(&t, 9);
	assert_string_equal(text_str(&t), "1,234,567");
	text_cut(&t, 5);
	text_add(&t, "!");
	assert_string_equal(text_str(&t), "1,234!");
	text_fini(&t);
	text_cut(&t, 0);
	assert_string_equal(text_str(&t), "");
}

static void column_keeps_to_its_budget(void **state)
{
	struct env env;
	struct col col;
	struct err *err = NULL;
	uint64_t i;

	(void)state;
	env_init(&env);
	env.mem_budget = 5 << 20; /* of which columns may have seven eighths */
	env.disk_budget = 0;
	assert_null(col_open(&env, 8, 1 << 24, "numbers", &col));
	for (i = 0; !err; i++)
		err = col_append(&col, &i, 1);
	assert_int_equal(err->kind, ERR_LIMIT);
	assert_non_null(strstr(err->message, "--memory"));
	err_free(err);
	assert_int_equal(col.n, (4 << 20) / 8);
	for (i = 0; i < col.n; i += 1000)
		assert_int_equal(((uint64_t *)col.base)[i], i);
	col_seal(&col);
	col_close(&col);
	assert_int_equal(env.mem_used, 0);
	assert_null(col_fixed(&env, 24, 12345, "rows", &col));
	assert_true(env.mem_used >= 12345 * 24 && env.mem_used < 12345 * 24 + (1 << 20));
	col_close(&col);
	assert_int_equal(env.mem_used, 0);
	env_fini(&env);
}

static uint64_t spare_bytes(const struct env *env)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < env->spare.n; i++)
		n += env->spare.v[i].bytes;
	return n;
}

/* What one column left is zeroed for the next; both never take more than columns did at once. */
static void columns_take_what_others_left(void **state)
{
	enum { COLS = 6, ROUNDS = 200, PAGE = 4096 };
	struct env env;
	struct col cols[COLS] = {};
	uint64_t seed = 88172645463325252ull, peak = 0, taken = 0;

	(void)state;
	env_init(&env);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct col *col = &cols[round % COLS];
		uint64_t n, spare;

		col_close(col);
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		n = (seed >> 33) % (1u << (10 + round % 11)) + 1;
		spare = spare_bytes(&env);
		if (round % 3) {
			assert_null((round % 5 ? col_fixed : col_sparse)(&env, 8, n, "rows", col));
			for (uint64_t i = 0; i < n; i++)
				assert_int_equal(((uint64_t *)col->base)[i], 0);
			taken += spare_bytes(&env) < spare;
		} else {
			void *room;

			assert_null(col_open(&env, 8, 2 * n, "rows", col));
			assert_null(col_reserve(col, n, &room));
			col->n = n;
			if (round % 2)
				col_seal(col);
		}
		memset(col->base, 0xff, n * 8);
		peak = env.mem_used > peak ? env.mem_used : peak;
		assert_true(env.mem_used + spare_bytes(&env) <= peak + PAGE * COLS);
	}
	assert_true(taken > ROUNDS / 8);
	for (unsigned i = 0; i < COLS; i++)
		col_close(&cols[i]);
	assert_int_equal(env.mem_used, 0);
	env_fini(&env);
	assert_int_equal(spare_bytes(&env), 0);
}

/* In memory, and with all but the first MiBs in a file: what was there comes along. */
static void column_moves(void **state)
{
	static const uint64_t budgets[] = { 1ull << 30, 8 << 20 };
	const uint64_t n = (40 << 20) / 8;

	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		struct env env;
		struct col col;
		struct err *err;

		env_init(&env);
		env.mem_budget = budgets[k];
		assert_null(col_open_moving(&env, 8, n, "numbers", &col));
		assert_true(col.reserved < n * 8 / 2);
		for (uint64_t i = 0; i < n; i++)
			assert_null(col_append(&col, &i, 1));
		assert_int_equal(col.spill != 0, k);
		err = col_append(&col, &n, 1);
		assert_non_null(err);
		assert_int_equal(err->kind, ERR_LIMIT);
		err_free(err);
		for (uint64_t i = 0; i < n; i++)
			if (((const uint64_t *)col.base)[i] != i)
				fail_msg("%lu", i);
		col_seal(&col);
		col_close(&col);
		assert_int_equal(env.mem_used, 0);
		env_fini(&env);
	}
}

static void column_is_recast(void **state)
{
	struct env env;
	struct col col;
	uint32_t *small, *wide;
	struct err *err;

	(void)state;
	env_init(&env);
	assert_null(col_open(&env, 16, 1 << 20, "numbers", &col));
	assert_null(col_recast(&col, 4, 1 << 20));
	small = col.base;
	for (uint32_t i = 0; i < 1 << 20; i++)
		small[i] = i * 3;
	assert_true(env.mem_used >= 4 << 20 && env.mem_used < 6 << 20);
	assert_null(col_recast(&col, 16, 1 << 20));
	assert_ptr_equal(col.base, small);
	assert_true(env.mem_used >= 16 << 20);
	wide = col.base;
	for (uint32_t i = 0; i < 1 << 20; i++)
		assert_int_equal(wide[i], i * 3);
	wide[(4 << 20) - 1] = 7; /* all of it is there */
	err = col_recast(&col, 16, (1 << 20) + 1);
	assert_int_equal(err->kind, ERR_LIMIT);
	err_free(err);
	assert_null(col_recast(&col, 4, 1000));
	assert_int_equal(col.n, 1000);
	assert_int_equal(env.mem_used, 4096);
	assert_int_equal(((uint32_t *)col.base)[999], 999 * 3);
	err = col_recast(&col, 4, 2000); /* what was given back is gone */
	assert_int_equal(err->kind, ERR_LIMIT);
	err_free(err);
	col_close(&col);
	assert_int_equal(env.mem_used, 0);
	env_fini(&env);
}

static void diags_are_counted(void **state)
{
	struct env env;

	(void)state;
	env_init(&env);
	for (unsigned i = 0; i < 1000; i++)
		diag(&env, "a/b", i, "thing %u", i);
	diag_err(&env, "a/b", err_new(ERR_FORMAT, "one"));
	diag_err(&env, "a/b", err_new(ERR_FORMAT, "two"));
	diag_err(&env, "a/b", err_new(ERR_FORMAT, "one"));
	assert_int_equal(env.diags.n, 3);
	assert_int_equal(env.diags.list[0].count, 1000);
	assert_string_equal(env.diags.list[0].message, "thing 0");
	assert_int_equal(env.diags.list[1].count, 2);
	env_fini(&env);
}

/* What came since a mark is gone, and counts are those of then. */
static void diags_are_taken_back(void **state)
{
	struct diags_mark mark;
	struct env env;

	(void)state;
	env_init(&env);
	for (unsigned i = 0; i < 3; i++)
		diag(&env, "a/b", i, "thing %u", i);
	diags_mark(&env, &mark);
	diag(&env, "a/b", 7, "thing %u", 7);
	diag(&env, "c/d", 8, "other %u", 8);
	diags_back(&env, &mark);
	assert_int_equal(env.diags.n, 1);
	assert_int_equal(env.diags.list[0].count, 3);
	diag(&env, "c/d", 9, "other %u", 9);
	assert_int_equal(env.diags.n, 2);
	assert_int_equal(env.diags.list[1].count, 1);
	assert_string_equal(env.diags.list[1].message, "other 9");
	env_fini(&env);
}

struct sums {
	uint64_t slot[64];
	uint64_t fail_at;
};

static struct err *add_range(void *arg, uint64_t index, uint64_t first, uint64_t last)
{
	struct sums *s = arg;

	if (index >= s->fail_at)
		return err_new(ERR_FORMAT, "range %u", (unsigned)index);
	for (uint64_t i = first; i < last; i++)
		s->slot[index] += i;
	return NULL;
}

static void ranges_do_not_depend_on_threads(void **state)
{
	struct env env;
	struct err *err;

	(void)state;
	env_init(&env);
	for (env.threads = 1; env.threads <= 8; env.threads++) {
		struct sums s = { .fail_at = UINT64_MAX };
		uint64_t sum = 0;

		assert_null(par_ranges(&env, 1001, 17, add_range, &s));
		for (unsigned i = 0; i < 64; i++)
			sum += s.slot[i];
		assert_int_equal(sum, 1000 * 1001 / 2);
		assert_int_equal(s.slot[1], (17 + 33) * 17 / 2);
		s.fail_at = 5;
		err = par_ranges(&env, 1001, 17, add_range, &s);
		assert_string_equal(err->message, "range 5");
		err_free(err);
	}
	env_fini(&env);
}

static struct err *one_more(void *arg)
{
	int *n = arg;

	return ++*n == 3 ? err_new(ERR_LIMIT, "three") : NULL;
}

static void a_job_is_done_once(void **state)
{
	struct env env;

	(void)state;
	env_init(&env);
	for (env.threads = 1; env.threads <= 2; env.threads++) {
		struct par_job job, never = {};
		struct err *err;
		int n = 1;

		par_begin(&env, one_more, &n, &job);
		assert_null(par_end(&job));
		assert_int_equal(n, 2);
		par_begin(&env, one_more, &n, &job);
		err = par_end(&job);
		assert_string_equal(err->message, "three");
		err_free(err);
		assert_null(par_end(&job));
		assert_null(par_end(&never));
		assert_int_equal(n, 3);
	}
	env_fini(&env);
}

static void copies_lie_in_the_arena(void **state)
{
	static const char word[] = "abcdefgh";
	struct arena a = {};

	(void)state;
	for (size_t n = 0; n <= sizeof(word); n++) {
		char *copy = arena_memdup(&a, n ? word : NULL, n);

		assert_non_null(copy);
		assert_int_equal((uintptr_t)copy % 16, 0);
		assert_memory_equal(copy, word, n);
	}
	assert_null(arena_memdup(&a, word, SIZE_MAX));
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cursor_is_sticky),
		cmocka_unit_test(cursor_counts_fit),
		cmocka_unit_test(uleb),
		cmocka_unit_test(copies_lie_in_the_arena),
		cmocka_unit_test(escapes),
		cmocka_unit_test(sizes),
		cmocka_unit_test(column_keeps_to_its_budget),
		cmocka_unit_test(column_is_recast),
		cmocka_unit_test(column_moves),
		cmocka_unit_test(columns_take_what_others_left),
		cmocka_unit_test(diags_are_counted), cmocka_unit_test(diags_are_taken_back),
		cmocka_unit_test(ranges_do_not_depend_on_threads),
		cmocka_unit_test(a_job_is_done_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
