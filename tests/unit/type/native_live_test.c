/*
 * native_live.c: which elements containers say are in use, and where what they claim ends.  native_words().
 */
#include <string.h>

#include "base/guard.h"
#include "fake_image.h"
#include "heap/blocks.h"
#include "type/native.h"
#include "unit_env.h"

enum { DATA = 0x100000, HEAP = 0x200000, BLOCK = 64, N = 4, DATA_BYTES = 0x1000, GONE = 0x300000 };

static struct dbg_type number = { .name = "long", .size = 8, .kind = DBG_KIND_BASE, .loaded = true };
static struct dbg_type holder = { .name = "holder", .size = 24, .kind = DBG_KIND_STRUCT, .loaded = true };
static struct native_type value = { .dbg = &number, .compiled = true };
static const struct native_slot slots[] = { { .op = NATIVE_VECTOR, .to = &value } };
static struct native_type vectors = { .dbg = &holder, .slots = slots, .n_slots = 1, .compiled = true };
static const struct native_shape array = { .kind = NATIVE_ARRAY, .type = &vectors };

static bool any(struct native *n, struct native_type *type)
{
	(void)n;
	return type == &value;
}

static struct fake_image *image_of(void)
{
	static const struct fake_mapping memory[] = {
		{ DATA, DATA_BYTES, SEG_R | SEG_W, 1 },
		{ HEAP, 0x1000, SEG_R | SEG_W },
		{ .start = GONE, .size = 0x10000, .flags = SEG_R | SEG_W, .absent = true },
		{},
	};
	struct fake_image *f = fake_image_new(&env, memory, &(struct fake_word){});

	f->heaps[0] = (struct fake_heap){ .score = 50, .claims = { { .start = HEAP, .end = HEAP + N * BLOCK } } };
	for (unsigned i = 0; i < N; i++)
		f->heaps[0].blocks[i] = (struct fake_block){ HEAP + i * BLOCK, 'u' };
	return f;
}

struct world {
	struct fake_image *f;
	struct blocks blocks;
	struct native n;
	struct native_live live;
};

static void open_world(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->f = image_of();
	assert_null(blocks_build_with(&env, &w->f->img, fake_walkers, &w->blocks));
	w->n = (struct native){ .env = &env, .img = &w->f->img, .blocks = &w->blocks };
}

static void close_world(struct world *w)
{
	native_live_fini(&w->live);
	blocks_fini(&w->blocks);
	fake_image_free(w->f);
}

/* start, end */
static void add_vectors(struct world *w, const uint64_t (*v)[2], size_t n)
{
	uint8_t bytes[64 * 24] = {};

	assert_true(n <= 64);
	for (size_t i = 0; i < n; i++)
		memcpy(bytes + 24 * i, v[i], 16);
	assert_null(native_live_add(&w->n, &w->live, &array, bytes, 24 * n, any));
}

static void test_what_a_container_does_not_have_is_spare(void **state)
{
	static const struct {
		uint64_t vectors[3][2];
		unsigned block;
		uint64_t offset;
		bool is_spare;
	} cases[] = {
		{ { { HEAP, HEAP + 24 } }, 0, 16, false },
		{ { { HEAP, HEAP + 24 } }, 0, 24, true },
		{ { { HEAP, HEAP } }, 0, 0, true },
		{ { { HEAP, HEAP + 24 } }, 1, 24, false },				  /* nobody says anything */
		{ { { HEAP, HEAP + BLOCK } }, 0, 56, false },				  /* it is full */
		{ { { HEAP, HEAP + 8 }, { HEAP, HEAP + 40 } }, 0, 32, false },		  /* one of two has it */
		{ { { HEAP, HEAP + 8 }, { HEAP, HEAP + 40 } }, 0, 40, true },
		{ { { HEAP, HEAP + 8 }, { HEAP, HEAP + BLOCK } }, 0, 56, false },
		{ { { HEAP + 24, HEAP } }, 0, 24, false },				  /* it ends before it begins */
		{ { { DATA, DATA + 8 } }, 0, 24, false },				  /* no block */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t id;
		struct world w;

		open_world(&w);
		add_vectors(&w, cases[i].vectors, 3);
		native_live_sort(&w.live);
		id = block_at(&w.blocks, HEAP + cases[i].block * BLOCK);
		assert_int_equal(native_is_spare(&w.live, id, cases[i].offset), cases[i].is_spare);
		native_live_spare(&w.n, &w.live);
		assert_int_equal(native_is_spare(&w.live, id, cases[i].offset), cases[i].is_spare);
		close_world(&w);
	}
}

static void test_words_are_those_that_the_dump_has(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	assert_int_equal(native_words(&w.n), (DATA_BYTES + 0x1000) / 8);
	close_world(&w);
}

/* The same block again and again: no more claims than a quarter of the words, then nothing is told of any. */
static void test_claims_end(void **state)
{
	uint64_t all[64][2], most;
	struct world w;

	(void)state;
	open_world(&w);
	most = native_words(&w.n) / 4;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		memcpy(all[i], (uint64_t[]){ HEAP, HEAP + 8 }, sizeof(all[i]));
	for (uint64_t i = 0; i < most / ARRAY_SIZE(all); i++)
		add_vectors(&w, all, ARRAY_SIZE(all));
	assert_false(w.live.is_full);
	assert_int_equal(w.live.n, most);
	add_vectors(&w, all, ARRAY_SIZE(all));
	assert_true(w.live.is_full);
	assert_int_equal(w.live.n, most);
	native_live_sort(&w.live);
	assert_false(native_is_spare(&w.live, block_at(&w.blocks, HEAP), 32));
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_a_container_does_not_have_is_spare, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_words_are_those_that_the_dump_has, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_claims_end, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
