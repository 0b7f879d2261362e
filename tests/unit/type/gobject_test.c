/*
 * gobject_open() on a type system word by word: which classes there are, what lies in front of their
 * objects, and what is none.
 */
#include "base/guard.h"
#include "fake_image.h"
#include "heap/blocks.h"
#include "type/gobject.h"
#include "unit_env.h"

enum {
	HEAP = 0x10000000,
	DATA = 0x20000000,
	CODE = 0x30000000,
	TABLE = DATA + 0x100, /* static_fundamental_type_nodes */
	NODES = HEAP + 0x1000, /* of fundamental types, 0x100 bytes each */
	CHILD = HEAP + 0x4000, /* a type that is derived of GObject */
	CHILDREN = HEAP + 0x4100,
	INFO = HEAP + 0x4200, /* its data */
	CLASS = HEAP + 0x4300,
	QUARKS = HEAP + 0x5000, /* a block */
	NAMES = HEAP + 0xa000,
	OBJECT = HEAP + 0x4400,
	FUNDAMENTALS = 22,
};

static struct fake_image *make(void)
{
	static const struct fake_mapping mappings[] = {
		{ HEAP, 0x10000, SEG_R | SEG_W },
		{ DATA, 0x1000, SEG_R | SEG_W, .module = 2 },
		{ CODE, 0x1000, SEG_R | SEG_X, .module = 2 },
		{},
	};
	static const struct fake_word words[] = {
		{ CHILDREN, CHILD },
		{ CHILD + 20, 1 }, /* n_supers */
		{ CHILD + 32, INFO },
		{ CHILD + 40, 5 },
		{ CHILD + 72, CHILD },
		{ CHILD + 80, 80 },
		{ INFO + 56, CLASS },
		{ INFO + 64, 40 | 24 << 16 },
		{ CLASS, CHILD },
		{ OBJECT + 32, CLASS },
		{ DATA + 8, QUARKS },
		{ QUARKS + 8 * 4, NAMES },
		{ QUARKS + 8 * 5, NAMES + 16 },
		{ NAMES, 0x007463656a624f47 },	    /* "GObject" */
		{ NAMES + 16, 0x006d657449706f68 }, /* "hopItem" */
		{},
	};
	struct fake_image *f = fake_image_new(&env, mappings, words);

	for (uint64_t i = 1; i < FUNDAMENTALS; i++) {
		fake_image_put(f, TABLE + 8 * i, NODES + 0x100 * i);
		fake_image_put(f, NODES + 0x100 * i + 72, i << 2);
	}
	fake_image_put(f, NODES + 0x100 * 20 - 8, 2); /* it has instances */
	fake_image_put(f, NODES + 0x100 * 20 + 16, 1);
	fake_image_put(f, NODES + 0x100 * 20 + 24, CHILDREN);
	fake_image_put(f, NODES + 0x100 * 20 + 40, 4);
	f->modules[1].path = "/usr/lib/libgobject-2.0.so.0";
	f->heaps[0] = (struct fake_heap){
		90,
		.claims = { { HEAP + 0x1000, HEAP + 0x10000, .overhead = 8 } },
		.blocks = { { HEAP + 0x1000, 'u' }, { QUARKS, 'u' }, { NAMES, 'u' } },
	};
	return f;
}

static struct gobject_types opened(struct fake_image *f)
{
	struct blocks blocks = {};
	struct gobject_types g;

	assert_null(blocks_build_with(&env, &f->img, fake_walkers, &blocks));
	assert_null(gobject_open(&f->img, &blocks, &g));
	blocks_fini(&blocks);
	return g;
}

/* libglib is another module, which no test has: what it would name has no name. */
static void a_class_is_found_by_its_type(void **state)
{
	struct fake_image *f = make();
	struct gobject_types g = opened(f);
	const struct gobject_class *c = gobject_class_at(&g, CLASS);

	(void)state;
	assert_int_equal(g.classes.n, 1);
	assert_non_null(c);
	assert_int_equal(c->size, 40);
	assert_int_equal(c->before, 32);
	assert_null(c->name);
	assert_null(gobject_class_at(&g, CLASS + 8));
	assert_null(gobject_class_at(&g, 0));
	gobject_close(&g);
	f->modules[1].path = "/usr/lib/libglib-2.0.so.0";
	g = opened(f);
	assert_int_equal(g.classes.n, 0);
	gobject_close(&g);
	fake_image_free(f);
}

static void what_does_not_lead_back_is_none(void **state)
{
	static const struct {
		const char *what;
		taddr at;
		uint64_t value;
	} cases[] = {
		{ "a fundamental type that is another", NODES + 0x100 * 7 + 72, 99 },
		{ "a table with a hole", TABLE + 8 * 9, 0 },
		{ "a child that is none", CHILD + 72, CHILD + 8 },
		{ "children that are nowhere", NODES + 0x100 * 20 + 24, 0x40 },
		{ "a class of another type", CLASS, NODES },
		{ "an object smaller than a GObject", INFO + 64, 16 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_image *f = make();
		struct gobject_types g;

		fake_image_put(f, cases[i].at, cases[i].value);
		g = opened(f);
		if (g.classes.n)
			fail_msg("%s: %zu classes", cases[i].what, g.classes.n);
		gobject_close(&g);
		fake_image_free(f);
	}
}

static void children_that_lead_to_themselves_end(void **state)
{
	struct fake_image *f = make();
	struct gobject_types g;

	(void)state;
	fake_image_put(f, CHILD + 16, UINT32_MAX | 1ull << 32);
	fake_image_put(f, CHILD + 24, CHILDREN);
	g = opened(f);
	assert_int_equal(g.classes.n, 1);
	gobject_close(&g);
	fake_image_free(f);
}

static void an_object_lies_behind_its_private_data(void **state)
{
	struct fake_image *f = make();

	(void)state;
	assert_true(gobject_is_behind(&f->img, OBJECT, OBJECT + 32));
	assert_false(gobject_is_behind(&f->img, OBJECT + 16, OBJECT + 32));
	assert_false(gobject_is_behind(&f->img, OBJECT, OBJECT + 16));
	fake_image_put(f, CHILD + 72, CHILD + 8); /* no type */
	assert_false(gobject_is_behind(&f->img, OBJECT, OBJECT + 32));
	/* A closure: references, a marshaller. */
	fake_image_put(f, OBJECT + 32, 1);
	fake_image_put(f, OBJECT + 40, CODE);
	assert_true(gobject_is_behind(&f->img, OBJECT, OBJECT + 32));
	assert_false(gobject_is_behind(&f->img, OBJECT - 16, OBJECT + 32));
	fake_image_put(f, OBJECT + 24, DATA); /* where its va_marshal belongs */
	assert_false(gobject_is_behind(&f->img, OBJECT, OBJECT + 32));
	fake_image_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_class_is_found_by_its_type, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_does_not_lead_back_is_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(children_that_lead_to_themselves_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_object_lies_behind_its_private_data, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
