/*
 * native_places.c: places of nodes along lists that go one way, where lists meet, loop and lead nowhere.
 */
#include "base/guard.h"
#include "fake_image.h"
#include "type/native.h"
#include "unit_env.h"

enum { DATA = 0x100000, DATA_BYTES = 0x1000, NOWHERE = 0x900000, NONE = -1 };
#define NODE(i) (DATA + 16 * (taddr)(i))

/* 0 to 3; 4 leads into its midst; 5 and 6 are a ring; 7 leads out of memory. */
static const struct fake_word words[] = {
	{ NODE(0), NODE(1) }, { NODE(1), NODE(2) }, { NODE(2), NODE(3) }, { NODE(4), NODE(2) },
	{ NODE(5), NODE(6) }, { NODE(6), NODE(5) }, { NODE(7), NOWHERE },
	{},
};

static void test_a_place_is_how_many_nodes_come_before(void **state)
{
	static const struct {
		taddr lists[3];
		unsigned node;
		int place;
	} cases[] = {
		{ { NODE(0) }, 0, 0 },
		{ { NODE(0) }, 3, 3 },
		{ { NODE(0) }, 4, NONE },		   /* no list has it */
		{ {}, 0, NONE },
		{ { NODE(0), NODE(0) }, 3, 3 },		   /* moved from, with its bytes still there */
		{ { NODE(0), NODE(2) }, 1, 1 },
		{ { NODE(0), NODE(2) }, 2, NONE },	   /* another begins in its midst */
		{ { NODE(0), NODE(2) }, 3, NONE },
		{ { NODE(4), NODE(0) }, 4, 0 },		   /* another goes on in it */
		{ { NODE(4), NODE(0) }, 3, NONE },
		{ { NODE(5) }, 6, NONE },
		{ { NODE(7), NOWHERE, NODE(0) }, 7, 0 },
		{ { NODE(7), NOWHERE, NODE(0) }, 3, 3 },
	};
	static const struct fake_mapping memory[] = { { DATA, DATA_BYTES, SEG_R | SEG_W, 1 }, {} };
	struct fake_image *f = fake_image_new(&env, memory, words);
	struct native n = { .env = &env, .img = &f->img };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct native_places places = {};
		uint64_t place = 77;
		bool found;

		for (size_t k = 0; k < ARRAY_SIZE(cases[i].lists); k++)
			assert_null(native_places_add(&n, &places, cases[i].lists[k]));
		native_places_sort(&places);
		found = native_places_find(&places, NODE(cases[i].node), &place);
		assert_int_equal(found, cases[i].place != NONE);
		assert_int_equal(place, found ? cases[i].place : 77);
		native_places_fini(&places);
	}
	fake_image_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_place_is_how_many_nodes_come_before, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
