/* memcached's slab classes, word by word: their pages, and what is free where a page is none. */
#include <string.h>

#include "base/guard.h"
#include "fake_image.h"
#include "heap/blocks.h"
#include "type/pools.h"
#include "unit_env.h"

enum {
	HEAP = 0x10000000,
	DATA = 0x20000000, /* of the program */
	CODE = 0x40000000,
	PAGE = 4096,
	SLABS = HEAP + 16,
	LIST = SLABS + 6 * PAGE, /* of the first class's three slabs */
	CLASSES = 6,
	FREE = 5, /* chunks of 64 bytes */
};

static const struct pool_case {
	const char *name;
	taddr second; /* slab of three */
	uint64_t bytes, free;
	bool agrees;
} cases[] = {
	{ "sound", SLABS + PAGE, 3 * PAGE, FREE * 64, true },
	{ "a slab that is in no heap", CODE, 2 * PAGE, UINT64_MAX, false },
	{ "a slab that is free", SLABS + 5 * PAGE, 2 * PAGE, UINT64_MAX, false },
};

static void put_classes(struct fake_image *f, taddr second)
{
	for (unsigned i = 0; i < CLASSES; i++) {
		uint64_t size = 64 + 16 * i;

		fake_image_put(f, DATA + 40 * i, size | PAGE / size << 32);
		fake_image_put(f, DATA + 40 * i + 16, i ? 0 : FREE | 3ull << 32);
		fake_image_put(f, DATA + 40 * i + 24, LIST);
	}
	fake_image_put(f, LIST, SLABS);
	fake_image_put(f, LIST + 8, second);
	fake_image_put(f, LIST + 16, SLABS + 2 * PAGE);
}

static void check(const struct pool_case *c)
{
	static const struct fake_mapping mappings[] = {
		{ HEAP, 0x10000, SEG_R | SEG_W },
		{ DATA, 0x1000, SEG_R | SEG_W, .module = 1 },
		{ CODE, 0x1000, SEG_R | SEG_X, .module = 1 },
		{},
	};
	struct fake_image *f = fake_image_new(&env, mappings, (struct fake_word[]){ {} });
	struct blocks blocks = {};
	struct pools p = {};

	assert_non_null(f);
	f->modules[0].is_exe = true;
	strcpy((char *)fake_image_bytes(f, CODE), "slab class %3d: chunk size");
	put_classes(f, c->second);
	f->heaps[0] = (struct fake_heap){
		90,
		.claims = { { HEAP, HEAP + 0x10000, .bias = 16, .overhead = 8 } },
		.blocks = { { SLABS, 'u' }, { SLABS + PAGE, 'u' }, { SLABS + 2 * PAGE, 'u' }, { SLABS + 3 * PAGE, 'u' },
			    { SLABS + 5 * PAGE, 'f' }, { LIST, 'u' }, { LIST + PAGE, '.' } },
	};
	assert_null(blocks_build_with(&env, &f->img, fake_walkers, &blocks));
	assert_null(pools_find(&env, &f->img, &blocks, NULL, false, &p));
	assert_int_equal(p.n, 1);
	assert_string_equal(p.v[0].name, "64");
	if (p.v[0].bytes != c->bytes || p.v[0].free != c->free || p.v[0].agrees != c->agrees)
		fail_msg("%s: %llu bytes, %llu free, %s", c->name, (unsigned long long)p.v[0].bytes,
			 (unsigned long long)p.v[0].free, p.v[0].agrees ? "agrees" : "does not agree");
	assert_int_equal(p.v[0].contents[0].count, 3 * PAGE / 64 - FREE);
	pools_fini(&p);
	blocks_fini(&blocks);
	fake_image_free(f);
}

static void slab_classes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(&cases[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(slab_classes, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
