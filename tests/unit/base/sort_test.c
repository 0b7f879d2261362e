/* sort_by_key(): records by address, each once, in the order that the comparison says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/sort.h"

struct record {
	uint64_t key, tie, no;
};

static int by_key_and_tie(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	if (x->key != y->key)
		return x->key > y->key ? 1 : -1;
	return (x->tie > y->tie) - (x->tie < y->tie);
}

/* Numbers without an order, the same each time. */
static uint64_t mix(uint64_t i)
{
	i = (i ^ i >> 31) * 0x9e3779b97f4a7c15;
	return i ^ i >> 29;
}

static void many_and_few(void **state)
{
	static const struct {
		size_t n;
		uint64_t base, mask; /* of keys */
		uint64_t step;	     /* 0: mixed; else keys lie evenly, from the last to the first */
	} cases[] = {
		{ 0, 0, ~0ull, 0 },
		{ 1, 0, ~0ull, 0 },
		{ 100, 0, ~0ull, 0 },
		{ SORT_FEW - 1, 0, 0xff, 0 },
		{ SORT_FEW, 0, ~0ull, 0 }, /* the highest bit too */
		{ SORT_FEW + 1, 0x7f0000000000, 0xfffffff0, 0 },
		{ 10000, 0x7f0000000000, 0, 0 }, /* one key */
		{ 10000, 0, 0x8000000000000001, 0 },
		{ 10000, 0x7f0000000000, 0x3f0, 0 }, /* many of each key */
		{ 30000, 0x555500000010, 0, 896 },
	};

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		size_t n = cases[c].n;
		struct record *v = calloc(n + 1, sizeof(*v));
		uint8_t *met = calloc(n + 1, 1);

		assert_true(v && met);
		for (size_t i = 0; i < n; i++)
			v[i] = (struct record){
				.key = cases[c].base + (mix(i) & cases[c].mask) + (n - i) * cases[c].step,
				.tie = mix(i + n),
				.no = i,
			};
		v[n].key = 1; /* behind them: none of theirs */
		sort_by_key(v, n, sizeof(*v), by_key_and_tie);
		for (size_t i = 0; i < n; i++) {
			assert_true(v[i].no < n && !met[v[i].no]++);
			assert_int_equal(v[i].tie, mix(v[i].no + n));
			assert_true(!i || by_key_and_tie(&v[i - 1], &v[i]) <= 0);
		}
		assert_int_equal(v[n].key, 1);
		free(met);
		free(v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_and_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
