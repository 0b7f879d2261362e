/* The block index against a plain sorted array of starts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/grains.h"

enum { MAX_STARTS = 20000 };

/* Blocks of pseudo-random sizes fill each range from end to end, as blocks_build() leaves them. */
static size_t fill(struct grains *g, const struct grain_range *r, size_t n_ranges, uint64_t max_size, uint64_t *starts)
{
	uint64_t seed = 12345;
	size_t n = 0;

	for (size_t i = 0; i < n_ranges; i++)
		for (uint64_t at = r[i].start; at < r[i].end && n < MAX_STARTS;) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			starts[n++] = at;
			grains_set_start(g, grain_of(g, at));
			at += (1u << g->shift) + ((seed >> 33) % max_size >> g->shift << g->shift);
		}
	return n;
}

static void against_array_of(const struct grain_range *r, size_t n_ranges, uint64_t max_size, unsigned shift)
{
	static uint64_t starts[MAX_STARTS];
	struct env env;
	struct grains g;
	struct grains_iter it;
	uint64_t near = 0, far = 0, wide = 0, few = 0, sized = 0, size[64], most, larger = 0;
	size_t n, k = 0;

	env_init(&env);
	assert_null(grains_open(&env, r, n_ranges, shift, &g));
	n = fill(&g, r, n_ranges, max_size, starts);
	assert_null(grains_seal(&g));
	for (it = grains_iter(&g, 0); it.id < g.n; grains_next(&it)) {
		if (k < n && it.key == starts[k]) {
			assert_int_equal(grains_at(&g, it.key), it.id);
			assert_int_equal(grains_at(&g, it.key + it.size - 1), it.id);
			assert_true(grain_is_start(&g, grain_of(&g, it.key), it.key));
			assert_false(grain_is_start(&g, grain_of(&g, it.key), it.key + (1u << shift) / 2));
			if (k + 1 < n && starts[k + 1] - starts[k] <= max_size)
				assert_int_equal(it.size, starts[k + 1] - starts[k]);
			k++;
		}
		assert_int_equal(grains_key(&g, it.id), it.key);
		assert_int_equal(grains_select_near(&g, it.id, &near), it.grain);
		assert_int_equal(grains_select_near(&g, g.n - 1 - it.id, &far), grains_select(&g, g.n - 1 - it.id));
		if (it.id % 37 == 0) { /* some words on */
			struct grains_iter from = grains_iter(&g, it.id);

			assert_int_equal(grains_select_near(&g, it.id, &wide), it.grain);
			assert_int_equal(from.key, it.key);
			assert_int_equal(from.size, it.size);
			assert_int_equal(grains_key_near(&g, it.id, &few, &most), it.key);
			assert_int_equal(most, it.size);
		}
		/* No block is larger than is said of its 64, and one nearly is. */
		most = grains_size_most(&g, it.id / 64);
		assert_true(it.size <= most);
		larger = it.id % 64 && larger > it.size ? larger : it.size;
		if (it.id % 64 == 63 || it.id + 1 == g.n)
			assert_true(most <= larger + (128ull << g.shift));
		if (it.id % 64 == 0)
			grains_sizes(&g, it.id, g.n - it.id < 64 ? g.n - it.id : 64, &sized, size);
		assert_int_equal(size[it.id % 64], it.size);
	}
	assert_int_equal(k, n);
	assert_int_equal(grains_at(&g, 0x10), BLOCK_NONE);
	assert_int_equal(grains_at(&g, UINT64_MAX), BLOCK_NONE);
	grains_close(&g);
	assert_int_equal(env.mem_used, 0);
	env_fini(&env);
}

static void against_array(const struct grain_range *r, size_t n_ranges, uint64_t max_size)
{
	against_array_of(r, n_ranges, max_size, GRAIN_SHIFT);
	against_array_of(r, n_ranges, max_size, GRAIN_SHIFT_SMALL);
}

/* Against counting bit by bit. */
static void nth_bits(void **state)
{
	static const uint64_t words[] = { 1, 1ull << 63, ~0ull, 0x8000000000000001, 0x00ff00ff00ff00ff, 0x0123456789abcdef };

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (unsigned bit = 0, n = 0; bit < 64; bit++)
			if (words[i] >> bit & 1)
				assert_int_equal(nth_bit(words[i], n++), bit);
}

static void counted_bits(void **state)
{
	static const uint64_t words[] = { 0x0123456789abcdef, 0, ~0ull, 0x8000000000000001 };

	(void)state;
	for (unsigned first = 0; first <= 256; first++)
		for (uint64_t end = first, n = 0; end <= 256; end++) {
			assert_int_equal(bits_count(words, first, end), n);
			n += end < 256 && bit_get(words, end);
		}
}

static void small_blocks(void **state)
{
	static const struct grain_range r[] = { { 0x555555559010, 0x55555557a010 }, { 0x7f0000000010, 0x7f0000021010 } };

	(void)state;
	against_array(r, 2, 200);
}

static void blocks_over_units(void **state)
{
	static const struct grain_range r[] = { { 0x5555555ff010, 0x555557000010 }, { 0x7f0000000010, 0x7f0008000010 } };

	(void)state;
	against_array(r, 2, 5 << 20);
}

static void neighbours_in_one_unit(void **state)
{
	static const struct grain_range r[] = { { 0x10000000, 0x10001000 }, { 0x10001000, 0x10003000 },
						{ 0x10300000, 0x10400000 }, { 0xfffffffff000, 0xffffffffffff + 1 } };

	(void)state;
	against_array(r, 4, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nth_bits),
		cmocka_unit_test(counted_bits), cmocka_unit_test(small_blocks),
		cmocka_unit_test(blocks_over_units),
		cmocka_unit_test(neighbours_in_one_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
