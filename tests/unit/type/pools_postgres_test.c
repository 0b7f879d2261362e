/* PostgreSQL's MemoryContexts, word by word: their bytes, and what is free where lists of free chunks are damaged. */
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
	TOP = HEAP + 16, /* blocks of 0x100 bytes, 0xf8 of them usable */
	CHILD = TOP + 0x100,
	MORE = TOP + 0x300,
	KEEPER = TOP + 0xc8,
	FREE_1 = MORE + 40, /* right behind the block's head */
	FREE_2 = FREE_1 + 24,
	LISTS = TOP + 88,
	BYTES = 0xf0 + 0xf8,
	BEHIND = 0x58,
	UNKNOWN = 1,
	WORDS = 6,
};

/* A context of 13 and later with two blocks, the second one's last BEHIND bytes free; and one child. */
static const struct fake_word tree[] = {
	{ DATA, TOP },
	{ CODE, 0x726f6d654d706f54 }, /* "TopMemor" */
	{ CODE + 8, 0x747865746e6f4379 },	      /* "yContext" */
	{ TOP + 8, BYTES }, { TOP + 32, CHILD }, { TOP + 56, CODE }, { TOP + 80, KEEPER },
	{ KEEPER, TOP }, { KEEPER + 16, MORE }, { KEEPER + 24, TOP + 0xf0 }, { KEEPER + 32, TOP + 0xf0 },
	{ MORE, TOP }, { MORE + 8, KEEPER }, { MORE + 24, MORE + 0xf8 - BEHIND }, { MORE + 32, MORE + 0xf8 },
	{ CHILD + 8, 0x100 }, { CHILD + 24, TOP }, { CHILD + 56, CODE },
	{},
};

static const struct pool_case {
	const char *name;
	struct fake_word words[WORDS];
	uint64_t bytes, free;
	bool agrees;
} cases[] = {
	{ "nothing on a list", {}, BYTES, BEHIND, true },
	{ "two chunks of 8 bytes", { { LISTS, FREE_1 }, { FREE_1 + 8, FREE_2 } }, BYTES, BEHIND + 32, true },
	{ "before 16", { { LISTS, FREE_1 }, { FREE_1, 8 }, { FREE_1 + 8, FREE_2 }, { FREE_2, 8 } }, BYTES, BEHIND + 48, true },
	{ "on two lists", { { LISTS, FREE_1 }, { LISTS + 24, FREE_2 } }, BYTES, BEHIND + 16 + 72, true },
	{ "in a ring", { { LISTS, FREE_1 }, { FREE_1 + 8, FREE_2 }, { FREE_2 + 8, FREE_1 } }, BYTES, UNKNOWN, true },
	{ "to where no block is", { { LISTS, FREE_1 }, { FREE_1 + 8, 0x41414140 } }, BYTES, UNKNOWN, true },
	{ "from where no block is", { { LISTS + 8, 0x41414140 } }, BYTES, UNKNOWN, true },
	{ "larger than all there is", { { LISTS + 80, FREE_1 } }, BYTES, UNKNOWN, true },
	{ "less bytes than are free", { { TOP + 8, BEHIND - 8 } }, BEHIND - 8, UNKNOWN, false },
};

static void put_words(struct fake_image *f, const struct fake_word *w)
{
	for (; w->at; w++)
		fake_image_put(f, w->at, w->value);
}

static void check(const struct pool_case *c)
{
	static const struct fake_mapping mappings[] = {
		{ HEAP, 0x1000, SEG_R | SEG_W },
		{ DATA, 0x1000, SEG_R | SEG_W, .module = 1 },
		{ CODE, 0x1000, SEG_R | SEG_X, .module = 1 },
		{},
	};
	struct fake_image *f = fake_image_new(&env, mappings, tree);
	struct blocks blocks = {};
	struct pools p = {};

	assert_non_null(f);
	f->modules[0].is_exe = true;
	put_words(f, c->words);
	f->heaps[0] = (struct fake_heap){
		90,
		.claims = { { HEAP, HEAP + 0x1000, .bias = 16, .overhead = 8 } },
		.blocks = { { TOP, 'u' }, { CHILD, 'u' }, { CHILD + 0x100, 'u' }, { MORE, 'u' }, { MORE + 0x100, '.' } },
	};
	assert_null(blocks_build_with(&env, &f->img, fake_walkers, &blocks));
	assert_null(pools_find(&env, &f->img, &blocks, NULL, false, &p));
	assert_int_equal(p.n, 2);
	assert_string_equal(p.v[0].name, "TopMemoryContext");
	assert_int_equal(p.v[1].parent, 0);
	assert_int_equal(p.v[1].bytes, 0x100);
	if (p.v[0].bytes != c->bytes || p.v[0].free != (c->free == UNKNOWN ? UINT64_MAX : c->free) ||
	    p.v[0].agrees != c->agrees)
		fail_msg("%s: %llu bytes, %llu free, %s", c->name, (unsigned long long)p.v[0].bytes,
			 (unsigned long long)p.v[0].free, p.v[0].agrees ? "agrees" : "does not agree");
	pools_fini(&p);
	blocks_fini(&blocks);
	fake_image_free(f);
}

static void contexts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(&cases[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(contexts, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
