/* Blocks of types that are asked for by name stay byte for byte, others and what is around them do not. */
#include <stdlib.h>

#include "unit_env.h"

#include "base/guard.h"
#include "fake_image.h"
#include "graph/graph.h"
#include "image/shadow.h"
#include "shrink/shrink.h"

enum { HEAP = 0x10000, SIZE = 0x1000, A = HEAP + 0x10, B = HEAP + 0x110, C = HEAP + 0x210, D = HEAP + 0x310 };

static const struct fake_mapping mappings[] = { { HEAP, SIZE, SEG_R | SEG_W, 0, false }, {} };
static const struct fake_word nothing[] = { {} };

struct kept {
	struct fake_image *fake;
	struct blocks blocks;
	struct shadow shadow;
	uint8_t to[SIZE];
	struct types types;
	struct graph graph;
};

static struct type_row rows[] = { {}, { .name = "account" }, { .name = "char[]" }, { .name = "account" } };
static uint16_t type_of[8]; /* by block */

/* Two types of one name, another between them, and a block whose type is unknown. */
static void put_types(const struct blocks *b)
{
	static const taddr at[] = { A, B, C };

	assert_true(b->grains.n <= ARRAY_SIZE(type_of));
	for (uint16_t i = 0; i < ARRAY_SIZE(at); i++)
		type_of[block_at(b, at[i]) % ARRAY_SIZE(type_of)] = (uint16_t)(i + 1);
}

static void begin(struct kept *k)
{
	static const struct fake_heap heap = {
		.score = 50,
		.claims = { { .start = HEAP, .end = HEAP + SIZE, .bias = 16, .overhead = 16 } },
		.blocks = { { A, 'u' }, { B, 'u' }, { C, 'u' }, { D, 'u' } },
	};

	*k = (struct kept){ .fake = fake_image_new(&env, mappings, nothing) };
	memset(fake_image_bytes(k->fake, HEAP), 'x', SIZE);
	k->fake->heaps[0] = heap;
	assert_null(blocks_build_with(&env, &k->fake->img, fake_walkers, &k->blocks));
	k->shadow = (struct shadow){
		.from = fake_image_bytes(k->fake, HEAP), .to = k->to, .size = SIZE, .mode = SHADOW_OFF
	};
	k->fake->img.shadow = &k->shadow;
	put_types(&k->blocks);
	k->types = (struct types){ .v = rows, .n = ARRAY_SIZE(rows) };
	k->graph = (struct graph){ .grains = &k->blocks.grains,
				   .n = (node_id)k->blocks.grains.n,
				   .live = k->blocks.used,
				   .type_narrow = type_of,
				   .types = &k->types };
}

static void end(struct kept *k)
{
	blocks_fini(&k->blocks);
	fake_image_free(k->fake);
}

static unsigned count(const struct kept *k, taddr from, taddr to)
{
	unsigned n = 0;

	for (; from < to; from++)
		n += k->to[from - HEAP] == 'x';
	return n;
}

static void test_by_name(void **state)
{
	static const char *const names[] = { "account" };
	static struct kept k;

	(void)state;
	begin(&k);
	assert_null(shrink_keep(&k.fake->img, &k.blocks, &k.graph, names, 1));
	assert_int_equal(count(&k, A, B - 16), B - 16 - A);
	assert_int_equal(count(&k, C, D - 16), D - 16 - C);
	assert_int_equal(count(&k, HEAP, HEAP + SIZE), B - 16 - A + D - 16 - C);
	end(&k);
}

static void test_no_such_type(void **state)
{
	static const char *const names[] = { "char[]", "acount" };
	static struct kept k;
	struct err *err;

	(void)state;
	begin(&k);
	err = shrink_keep(&k.fake->img, &k.blocks, &k.graph, names, 2);
	assert_non_null(err);
	assert_int_equal(err->kind, ERR_USAGE);
	assert_non_null(strstr(err->message, "acount"));
	err_free(err);
	assert_int_equal(count(&k, HEAP, HEAP + SIZE), 0);
	k.graph.types = NULL; /* nothing is known of any block */
	err = shrink_keep(&k.fake->img, &k.blocks, &k.graph, names, 1);
	assert_int_equal(err->kind, ERR_USAGE);
	err_free(err);
	assert_null(shrink_keep(&k.fake->img, &k.blocks, &k.graph, names, 0));
	end(&k);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_by_name),
		TEST(test_no_such_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
