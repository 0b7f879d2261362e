/*
 * relative_open(): what a pattern and a set of fontconfig's have to be, and that many that claim one table
 * do not cost more than memory is large.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fake_image.h"
#include "type/relative.h"

enum {
	HEAP = 0x100000,
	SIZE = 0x40000,
	/* Blocks: heads of 32 bytes, tables behind them. */
	HEAD = HEAP + 0x10,
	HEADS = 80,
	TABLE = HEAD + HEADS * 32,
	NUMBERS = TABLE + 0x10000,
	LEAF = NUMBERS + 0x100,
	END = LEAF + 0x100,
	ELTS = 4095,
};

static const struct fake_mapping memory[] = { { HEAP, SIZE, SEG_R | SEG_W }, {} };

struct world {
	struct env env;
	struct fake_image *f;
	struct blocks blocks;
	struct relative found;
};

static void open_world(struct world *w, const char *library)
{
	struct fake_block *b;

	*w = (struct world){};
	env_init(&w->env);
	w->f = fake_image_new(&w->env, memory, (const struct fake_word[]){ {} });
	w->f->modules[1].path = library;
	w->f->heaps[0] = (struct fake_heap){ 90, .claims = { { HEAP, HEAP + SIZE - 0x1000, .bias = 16, .overhead = 8 } } };
	b = w->f->heaps[0].blocks;
	for (unsigned i = 0; i < HEADS; i++)
		b[i] = (struct fake_block){ HEAD + 32 * i, 'u' };
	b[HEADS] = (struct fake_block){ TABLE, 'u' };
	b[HEADS + 1] = (struct fake_block){ NUMBERS, 'u' };
	b[HEADS + 2] = (struct fake_block){ LEAF, 'u' };
	b[HEADS + 3] = (struct fake_block){ END, '.' };
	assert_null(blocks_build_with(&w->env, &w->f->img, fake_walkers, &w->blocks));
}

static void close_world(struct world *w)
{
	relative_close(&w->found);
	blocks_fini(&w->blocks);
	fake_image_free(w->f);
	env_fini(&w->env);
}

static bool is_found(struct world *w, taddr at)
{
	const struct grains *g = &w->blocks.grains;

	return w->found.words && bit_get(w->found.words, relative_bit(g, grain_of(g, at), at));
}

static void put_pattern(struct world *w, taddr at, uint32_t n, uint32_t size)
{
	fake_image_put(w->f, at, n | (uint64_t)size << 32);
	fake_image_put(w->f, at + 8, TABLE - at);
	fake_image_put(w->f, at + 16, 1);
}

static void put_element(struct world *w, uint32_t i, uint32_t object, uint64_t values)
{
	fake_image_put(w->f, TABLE + 16 * i, object);
	fake_image_put(w->f, TABLE + 16 * i + 8, values);
}

/* Two leaves. */
static void put_set(struct world *w)
{
	fake_image_put(w->f, HEAD, 1 | 2ull << 32);
	fake_image_put(w->f, HEAD + 8, TABLE - HEAD);
	fake_image_put(w->f, HEAD + 16, NUMBERS - HEAD);
	fake_image_put(w->f, TABLE, LEAF - TABLE);
	fake_image_put(w->f, TABLE + 8, LEAF + 32 - TABLE);
	fake_image_put(w->f, NUMBERS, 3 | 7 << 16);
}

static void a_pattern_is_what_holds_together(void **state)
{
	static const struct {
		const char *library;
		uint64_t at, value; /* what is put there instead; 0: nothing */
		bool is_one;
	} cases[] = {
		{ "/usr/lib/libfontconfig.so.1.12.0", 0, 0, true },
		{ "/usr/lib/libfontmaker.so.1", 0, 0, false },
		{ "libfontconfig.so.1", HEAD, 16ull << 32, false },	     /* none at all */
		{ "libfontconfig.so.1", HEAD, 3 | 2ull << 32, false },	     /* more elements than room */
		{ "libfontconfig.so.1", HEAD, 2 | 4096ull << 32, false },    /* the block has less */
		{ "libfontconfig.so.1", HEAD + 8, TABLE - HEAD + 16, false }, /* no start of a block */
		{ "libfontconfig.so.1", HEAD + 8, 0x7fffffffff, false },     /* nowhere */
		{ "libfontconfig.so.1", HEAD + 16, 0, false },		     /* nobody refers to it */
		{ "libfontconfig.so.1", TABLE + 16, 5, false },		     /* objects that do not ascend */
		{ "libfontconfig.so.1", TABLE + 24, 0x10, false },	     /* values that are nowhere */
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		open_world(&w, cases[i].library);
		put_pattern(&w, HEAD, 2, 16);
		put_element(&w, 0, 5, LEAF);
		put_element(&w, 1, 9, LEAF + 32);
		if (cases[i].at)
			fake_image_put(w.f, cases[i].at, cases[i].value);
		assert_null(relative_open(&w.env, &w.f->img, &w.blocks, &w.found));
		assert_int_equal(is_found(&w, HEAD + 8), cases[i].is_one);
		assert_false(is_found(&w, HEAD));
		close_world(&w);
	}
}

static void a_set_is_what_holds_together(void **state)
{
	static const struct {
		uint64_t at, value;
		bool is_one;
	} cases[] = {
		{ 0, 0, true },
		{ HEAD, 2ull << 32, false },		   /* nobody refers to it */
		{ HEAD, 1 | 0x1100ull << 32, false },	   /* the tables have less */
		{ HEAD + 16, NUMBERS - HEAD + 2, false },  /* no start of a block */
		{ TABLE + 8, 0x7fffffffff, false },	   /* a leaf that is nowhere */
		{ NUMBERS, 7 | 3 << 16, false },	   /* numbers that do not ascend */
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		open_world(&w, "libfontconfig.so.1");
		put_set(&w);
		if (cases[i].at)
			fake_image_put(w.f, cases[i].at, cases[i].value);
		assert_null(relative_open(&w.env, &w.f->img, &w.blocks, &w.found));
		assert_int_equal(is_found(&w, HEAD + 8), cases[i].is_one);
		assert_int_equal(is_found(&w, HEAD + 16), cases[i].is_one);
		assert_int_equal(is_found(&w, TABLE), cases[i].is_one);
		assert_int_equal(is_found(&w, TABLE + 8), cases[i].is_one);
		close_world(&w);
	}
}

static void many_that_claim_one_table_are_left_out(void **state)
{
	struct world w;
	unsigned n = 0;

	(void)state;
	open_world(&w, "libfontconfig.so.1");
	for (unsigned i = 0; i < ELTS; i++)
		put_element(&w, i, i + 1, LEAF);
	for (unsigned i = 0; i < HEADS; i++)
		put_pattern(&w, HEAD + 32 * i, ELTS, ELTS);
	assert_null(relative_open(&w.env, &w.f->img, &w.blocks, &w.found));
	for (unsigned i = 0; i < HEADS; i++)
		n += is_found(&w, HEAD + 32 * i + 8);
	/* Four looks at each word of one unit of 1 MiB; a pattern takes two for each element. */
	assert_int_equal(n, 4 * (1 << 17) / (2 * ELTS));
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pattern_is_what_holds_together),
		cmocka_unit_test(a_set_is_what_holds_together),
		cmocka_unit_test(many_that_claim_one_table_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
