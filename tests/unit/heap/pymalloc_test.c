/*
 * CPython's pools over images built word by word: an arena with a pool of each kind, both sizes of pools; each word of
 * what is read overwritten; and a module's data that only looks like lists of pools.
 */
#include "unit_env.h"

#include <string.h>

#include "base/guard.h"
#include "fake_image.h"
#include "heap/blocks.h"
#include "heap/pymalloc.h"
#include "image/python.h"

extern const struct walker_ops pymalloc_walker;
static const struct walker_ops *const walkers[] = { &pymalloc_walker, NULL };

enum {
	DATA = 0x10000,
	TYPE = DATA + 0x100,
	USED = DATA + 0x1000,
	ARENAS = DATA + 0x2000,
	RECORDS = 0x100000,
	ARENA = 0x200000,
	ARENA_SIZE = 1 << 20,
	N_RECORDS = 16,
	SMALL = 3,  /* classes: 64 bytes, */
	LARGE = 31, /* 512 */
};

static const struct fake_mapping memory[] = {
	{ DATA, 0x4000, SEG_R | SEG_W, 1 },
	{ RECORDS, 0x1000, SEG_R | SEG_W },
	{ ARENA, ARENA_SIZE, SEG_R | SEG_W },
	{},
};

static void put_type(struct fake_image *f)
{
	fake_image_put(f, TYPE + 8, TYPE);
	fake_image_put(f, TYPE + 32, 920);
	fake_image_put(f, TYPE + 40, 40);
	fake_image_put(f, TYPE + 168, 1ull << 31 | 1 << 12);
}

static void put_pool(struct fake_image *f, taddr at, unsigned class, unsigned count, unsigned carved, uint32_t pool_bytes)
{
	uint32_t size = (class + 1) << 4;
	taddr head = USED + 16ull * class;

	fake_image_put(f, at, count);
	fake_image_put(f, at + 16, head - 16);
	fake_image_put(f, at + 24, head - 16);
	fake_image_put(f, at + 32, (uint64_t)class << 32);
	fake_image_put(f, at + 40, (uint64_t)(pool_bytes - size) << 32 | (PY_POOL_HEADER + carved * size));
	fake_image_put(f, head, at);
	fake_image_put(f, head + 8, at);
}

/* Three of five blocks of 64 bytes in use, one of two of 512, and a pool without any. */
static struct fake_image *process_new(uint32_t pool_bytes)
{
	struct fake_image *f = fake_image_new(&env, memory, &(struct fake_word){});
	taddr blocks = ARENA + PY_POOL_HEADER;

	put_type(f);
	for (unsigned i = 0; i < 32; i++) {
		fake_image_put(f, USED + 16 * i, USED + 16 * i - 16);
		fake_image_put(f, USED + 16 * i + 8, USED + 16 * i - 16);
	}
	put_pool(f, ARENA, SMALL, 3, 5, pool_bytes);
	fake_image_put(f, ARENA + 8, blocks + 64);
	fake_image_put(f, blocks + 64, blocks + 3 * 64);
	put_pool(f, ARENA + pool_bytes, LARGE, 1, 2, pool_bytes);
	fake_image_put(f, ARENA + pool_bytes + 8, ARENA + pool_bytes + PY_POOL_HEADER + 512);
	fake_image_put(f, ARENAS, RECORDS);
	fake_image_put(f, RECORDS, ARENA);
	fake_image_put(f, RECORDS + 8, ARENA + 3 * pool_bytes);
	fake_image_put(f, RECORDS + 16, 64ull << 32 | 62);
	fake_image_put(f, RECORDS + 24, ARENA + 2 * pool_bytes);
	for (unsigned i = 1; i < N_RECORDS - 1; i++)
		fake_image_put(f, RECORDS + 48 * i + 32, RECORDS + 48 * (i + 1));
	assert_null(python_open(&f->img));
	assert_non_null(f->img.python);
	return f;
}

static void process_free(struct fake_image *f)
{
	python_close(f->img.python);
	fake_image_free(f);
}

static void block_is(const struct blocks *b, taddr at, uint64_t size, bool used, const char *where)
{
	struct block block;

	assert_int_not_equal(block_at(b, at), BLOCK_NONE);
	block_get(b, block_at(b, at), &block);
	assert_int_equal(block.addr, at);
	assert_int_equal(block.size, size);
	assert_int_equal(block.used, used);
	if (where)
		assert_string_equal(block.where, where);
}

static void pools_of_each_kind(void **state)
{
	static const uint32_t sizes[] = { 4096, 16384 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint32_t pool = sizes[i];
		struct fake_image *f = process_new(pool);
		const struct heap_info *info;
		struct blocks b;

		assert_null(blocks_build_with(&env, &f->img, walkers, &b));
		assert_int_equal(b.n_heaps, 1);
		info = b.heaps[0].info;
		assert_int_equal(info->n_used, 4);
		assert_int_equal(info->used, 3 * 64 + 512);
		assert_int_equal(info->checks_failed, 0);
		assert_int_equal(info->used + info->free + info->overhead, 64ull * pool);
		assert_int_equal(info->n_classes, 2);
		assert_int_equal(info->classes[0].blocks, (pool - PY_POOL_HEADER) / 64);
		block_is(&b, ARENA + PY_POOL_HEADER, 64, true, NULL);
		block_is(&b, ARENA + PY_POOL_HEADER + 64, 64, false, "freeblock");
		block_is(&b, ARENA + PY_POOL_HEADER + 2 * 64, 64, true, NULL);
		block_is(&b, ARENA + PY_POOL_HEADER + 3 * 64, 64, false, "freeblock");
		block_is(&b, ARENA + PY_POOL_HEADER + 5 * 64, 64, false, "untouched");
		block_is(&b, ARENA + pool + PY_POOL_HEADER, 512, true, NULL);
		block_is(&b, ARENA + 2 * pool, pool, false, "freepool");
		block_is(&b, ARENA + 3 * pool, 61ull * pool, false, "uncarved");
		blocks_fini(&b);
		process_free(f);
	}
}

/* The smallest blocks that a dump may claim, in the largest pool: no build has both. */
static void as_many_blocks_as_fit(void **state)
{
	enum { POOL = PY_POOL_MOST, N = (POOL - PY_POOL_HEADER) / 8 };
	struct fake_image *f = fake_image_new(&env, memory, &(struct fake_word){});
	taddr last = ARENA + PY_POOL_HEADER + 8ull * (N - 1);
	struct blocks b;

	(void)state;
	put_type(f);
	for (unsigned i = 0; i < PY_CLASSES; i++) {
		fake_image_put(f, USED + 16 * i, USED + 16 * i - 16);
		fake_image_put(f, USED + 16 * i + 8, USED + 16 * i - 16);
	}
	fake_image_put(f, ARENA, N - 1);
	fake_image_put(f, ARENA + 8, last);
	fake_image_put(f, ARENA + 16, USED - 16);
	fake_image_put(f, ARENA + 24, USED - 16);
	fake_image_put(f, ARENA + 40, (uint64_t)(POOL - 8) << 32 | (PY_POOL_HEADER + 8 * N));
	fake_image_put(f, USED, ARENA);
	fake_image_put(f, USED + 8, ARENA);
	fake_image_put(f, ARENAS, RECORDS);
	fake_image_put(f, RECORDS, ARENA);
	fake_image_put(f, RECORDS + 8, ARENA + POOL);
	fake_image_put(f, RECORDS + 16, 64ull << 32 | 63);
	assert_null(python_open(&f->img));
	assert_null(blocks_build_with(&env, &f->img, walkers, &b));
	assert_int_equal(b.n_heaps, 1);
	assert_int_equal(b.heaps[0].info->n_used, N - 1);
	assert_int_equal(b.heaps[0].info->checks_failed, 0);
	block_is(&b, last - 8, 8, true, NULL);
	block_is(&b, last, 8, false, "freeblock");
	blocks_fini(&b);
	process_free(f);
}

/* What one pool says that is wrong costs that pool alone. */
static void words_run_over(void **state)
{
	static const taddr words[] = { 0, 8, 32, 40, PY_POOL_HEADER + 64 };
	static const uint64_t values[] = { UINT64_MAX, 0x4141414141414141, 7, ARENA + 16384 + PY_POOL_HEADER };

	(void)state;
	for (size_t w = 0; w < ARRAY_SIZE(words); w++)
		for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
			struct fake_image *f = process_new(16384);
			struct blocks b;

			fake_image_put(f, ARENA + words[w], values[v]);
			assert_null(blocks_build_with(&env, &f->img, walkers, &b));
			assert_int_equal(b.n_heaps, 1);
			if (!b.heaps[0].info->checks_failed)
				fail_msg("word %zu, value 0x%lx", w, values[v]);
			block_is(&b, ARENA + 16384 + PY_POOL_HEADER, 512, true, NULL);
			block_is(&b, ARENA + 16384 + PY_POOL_HEADER + 512, 512, false, "freeblock");
			blocks_fini(&b);
			process_free(f);
		}
}

/* The bins of glibc look like lists without pools. */
static void lists_without_pools(void **state)
{
	struct fake_image *f = fake_image_new(&env, memory, &(struct fake_word){});
	struct py_layout l;

	(void)state;
	for (taddr at = USED; at < USED + 0x800; at += 16) {
		fake_image_put(f, at, at - 16);
		fake_image_put(f, at + 8, at - 16);
	}
	assert_null(python_open(&f->img));
	assert_null(f->img.python);
	assert_false(py_find(&f->img, &l));
	put_type(f);
	assert_null(python_open(&f->img));
	assert_non_null(f->img.python);
	assert_false(py_find(&f->img, &l));
	process_free(f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pools_of_each_kind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(as_many_blocks_as_fit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(words_run_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lists_without_pools, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
