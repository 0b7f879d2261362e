/* Descriptors of Go types, read from a small module: what they say, and what liars get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "fake_image.h"
#include "image/go_type.h"

enum {
	TYPES = 0x500000,
	NAMES = 0x508000,
	END = 0x50a000,
	HEAP = 0xc000000000,
	UNCOMMON = 1,
	STAR = 2,
	NAMED = 4,
};

static struct env env;
static struct fake_image *fake;
static struct go go;
static struct go_module module;
static taddr next_name;

static int setup(void **state)
{
	static const struct fake_mapping maps[] = {
		{ TYPES, END - TYPES, SEG_R, 1, false },
		{ HEAP, 0x1000, SEG_R | SEG_W, 0, false },
		{},
	};
	static const struct fake_word none[] = { {} };

	(void)state;
	env_init(&env);
	fake = fake_image_new(&env, maps, none);
	module = (struct go_module){ .types = TYPES, .etypes = END };
	go = (struct go){ .env = &env,
			  .img = &fake->img,
			  .minor = 26,
			  .swissmap = true,
			  .modules = &module,
			  .n_modules = 1 };
	next_name = NAMES;
	return go_types_open(&go, &go.types) != NULL;
}

static int teardown(void **state)
{
	(void)state;
	go_types_close(go.types);
	fake_image_free(fake);
	env_fini(&env);
	return 0;
}

/* An abi.Name; eight bytes more than it needs. */
static taddr put_name(const char *s)
{
	uint8_t bytes[128] = { 0, (uint8_t)strlen(s) };
	taddr at = next_name;

	memcpy(bytes + 2, s, strlen(s));
	for (unsigned i = 0; i < strlen(s) + 2; i += 8)
		fake_image_put(fake, at + i, load_u64(bytes + i));
	next_name += align_up(strlen(s) + 2, 8) + 8;
	return at;
}

struct head {
	taddr at;
	uint64_t size, ptr_bytes;
	uint8_t kind, tflag, align;
	const char *name;
};

/* The part that every descriptor has; the hash is the low half of the address. */
static taddr put_head(struct head h)
{
	uint64_t name = put_name(h.name) - TYPES;
	uint8_t align = h.align ? h.align : 8;

	fake_image_put(fake, h.at, h.size);
	fake_image_put(fake, h.at + 8, h.ptr_bytes);
	fake_image_put(fake, h.at + 16,
		       (uint32_t)h.at | (uint64_t)h.tflag << 32 | (uint64_t)align << 40 |
			       (uint64_t)align << 48 | (uint64_t)h.kind << 56);
	fake_image_put(fake, h.at + 40, name);
	return h.at;
}

static void put_words(taddr at, const uint64_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fake_image_put(fake, at + 8 * i, words[i]);
}
#define PUT(at, ...) \
	put_words(at, (const uint64_t[]){ __VA_ARGS__ }, sizeof((uint64_t[]){ __VA_ARGS__ }) / 8)

/* main.Node { Next *main.Node; Name string; Any interface {}; Pair [2]main.Small }, Small { a int32; p *int } */
enum {
	INT = TYPES + 0x100,
	STRING = TYPES + 0x200,
	ANY = TYPES + 0x300,
	PTR_NODE = TYPES + 0x400,
	NODE = TYPES + 0x500,
	SMALL = TYPES + 0x600,
	PAIR = TYPES + 0x700,
	PTR_INT = TYPES + 0x800,
	INT32 = TYPES + 0x900,
	NODE_FIELDS = TYPES + 0xa00,
	SMALL_FIELDS = TYPES + 0xb00,
	SLICE = TYPES + 0xc00,
};

static void put_node(void)
{
	put_head((struct head){ INT, 8, 0, GO_INT, NAMED, 0, "int" });
	put_head((struct head){ INT32, 4, 0, GO_INT32, NAMED, 4, "int32" });
	put_head((struct head){ STRING, 16, 8, GO_STRING, NAMED, 0, "string" });
	put_head((struct head){ ANY, 16, 16, GO_INTERFACE, 0, 0, "interface {}" });
	PUT(put_head((struct head){ PTR_NODE, 8, 8, GO_POINTER, 0, 0, "*main.Node" }) + 48, NODE);
	PUT(put_head((struct head){ PTR_INT, 8, 8, GO_POINTER, 0, 0, "*int" }) + 48, INT);
	PUT(put_head((struct head){ SMALL, 16, 16, GO_STRUCT, NAMED, 0, "main.Small" }) + 48, 0,
	    SMALL_FIELDS, 2, 2);
	PUT(SMALL_FIELDS, put_name("a"), INT32, 0, put_name("p"), PTR_INT, 8);
	PUT(put_head((struct head){ PAIR, 32, 32, GO_ARRAY, 0, 0, "[2]main.Small" }) + 48, SMALL,
	    SLICE, 2);
	PUT(put_head((struct head){ SLICE, 24, 8, GO_SLICE, 0, 0, "[]main.Small" }) + 48, SMALL);
	put_head(
		(struct head){ NODE, 72, 72, GO_STRUCT, UNCOMMON | STAR | NAMED, 0, "*main.Node" });
	PUT(NODE + 48, 0, NODE_FIELDS, 4, 4, put_name("example.org/app/main") - TYPES);
	PUT(NODE_FIELDS, put_name("Next"), PTR_NODE, 0, put_name("Name"), STRING, 8,
	    put_name("Any"), ANY, 24, put_name("Pair"), PAIR, 40);
}

static void what_a_descriptor_says(void **state)
{
	const struct go_type *t;

	(void)state;
	put_node();
	t = go_type_at(&go, NODE);
	assert_non_null(t);
	assert_string_equal(t->name, "main.Node");
	assert_string_equal(t->pkg, "example.org/app/main");
	assert_int_equal(t->size, 72);
	assert_int_equal(t->n_fields, 4);
	assert_string_equal(t->fields[0].name, "Next");
	assert_ptr_equal(t->fields[0].type->elem, t); /* a ring of types is a ring of pointers */
	assert_ptr_equal(t, go_type_at(&go, NODE));
	assert_int_equal(t->fields[3].type->len, 2);
	assert_string_equal(t->fields[3].type->elem->name, "main.Small");
	assert_null(go_type_at(&go, NODE + 8));
	assert_null(go_type_at(&go, HEAP));
	assert_null(go_type_at(&go, 0));
}

static void paths(void **state)
{
	static const struct {
		uint64_t offset;
		const char *path, *type; /* NULL: nothing there */
	} cases[] = {
		{ 0, ".Next", "*main.Node" },  { 8, ".Name", "string" },
		{ 16, ".Name", "string" },     { 32, ".Any", "interface {}" },
		{ 40, ".Pair[0].a", "int32" }, { 44, ".Pair[0]", NULL },
		{ 64, ".Pair[1].p", "*int" },  { 72, "", NULL },
		{ UINT64_MAX, "", NULL },
	};

	(void)state;
	put_node();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct text text = TEXT_INIT;
		const struct go_type *t =
			go_type_path(&go, go_type_at(&go, NODE), cases[i].offset, &text);

		if (cases[i].type) {
			assert_non_null(t);
			assert_string_equal(t->name, cases[i].type);
			assert_string_equal(text_str(&text), cases[i].path);
		} else {
			assert_null(t);
		}
		text_fini(&text);
	}
}

static void masks_by_structure(void **state)
{
	const uint64_t *mask;

	(void)state;
	put_node();
	mask = go_type_mask(&go, go_type_at(&go, NODE));
	assert_non_null(mask);
	/* Next, Name's bytes, the second word of Any, p of both Smalls */
	assert_int_equal(mask[0], 1 << 0 | 1 << 1 | 1 << 4 | 1 << 6 | 1 << 8);
	assert_ptr_equal(mask, go_type_mask(&go, go_type_at(&go, NODE)));
	assert_null(go_type_mask(&go, go_type_at(&go, INT)));
}

/* Where the parts do not lead to the last pointer: the compiler's mask, or every word. */
static void masks_of_incomplete_types(void **state)
{
	const uint64_t *mask;

	(void)state;
	put_node();
	PUT(SMALL_FIELDS, put_name("a"), INT32, 0, put_name("p"), INT,
	    8); /* no pointer where one is promised */
	mask = go_type_mask(&go, go_type_at(&go, SMALL));
	assert_int_equal(mask[0], 3);
	fake_image_put(fake, PAIR + 32, HEAP);
	fake_image_put(fake, HEAP, 0xa);
	mask = go_type_mask(&go, go_type_at(&go, PAIR));
	assert_int_equal(mask[0], 0xa);
}

/* One word of a good descriptor is changed. */
static void liars(void **state)
{
	static const struct {
		taddr at;
		uint64_t value;
		taddr asked;
	} cases[] = {
		{ NODE, 64, NODE },		       /* smaller than its fields */
		{ NODE, 1ull << 50, NODE },	       /* larger than memory */
		{ NODE + 8, 80, NODE },		       /* pointers past its end */
		{ NODE + 64, UINT64_MAX, NODE },       /* fields without end */
		{ NODE + 56, 0x10, NODE },	       /* fields nowhere */
		{ NODE_FIELDS + 24 + 16, 4, NODE },    /* a field inside the one before */
		{ NODE_FIELDS + 8, NODE, NODE },       /* a value that holds itself */
		{ NODE_FIELDS, 0x30, NODE },	       /* a field's name nowhere */
		{ NODE + 40, 0x7fffffff, NODE },       /* a name outside of the module */
		{ NODE + 40, 0, NODE },		       /* none */
		{ PAIR + 64, 3, PAIR },		       /* more elements than bytes */
		{ PAIR + 64, 1ull << 61, PAIR },       /* a product that wraps */
		{ PAIR + 48, 0, PAIR },		       /* of nothing */
		{ INT, 7, INT },		       /* a word of seven bytes */
		{ INT + 16, 0xff00000000000000, INT }, /* no kind */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		go_types_close(go.types);
		assert_null(go_types_open(&go, &go.types));
		next_name = NAMES;
		put_node();
		assert_non_null(go_type_at(&go, cases[i].asked));
		go_types_close(go.types);
		assert_null(go_types_open(&go, &go.types));
		fake_image_put(fake, cases[i].at, cases[i].value);
		if (go_type_at(&go, cases[i].asked))
			fail_msg("case %zu", i);
	}
}

/* A struct whose only field is a struct whose only field is the first. */
static void values_that_nest_for_ever(void **state)
{
	const struct go_type *t;
	struct text text = TEXT_INIT;

	(void)state;
	PUT(put_head((struct head){ SMALL, 8, 8, GO_STRUCT, NAMED, 0, "main.A" }) + 48, 0,
	    SMALL_FIELDS, 1, 1);
	PUT(put_head((struct head){ NODE, 8, 8, GO_STRUCT, NAMED, 0, "main.B" }) + 48, 0,
	    NODE_FIELDS, 1, 1);
	PUT(SMALL_FIELDS, put_name("b"), NODE, 0);
	PUT(NODE_FIELDS, put_name("a"), SMALL, 0);
	t = go_type_at(&go, SMALL);
	assert_non_null(t);
	assert_null(go_type_path(&go, t, 0, &text));
	assert_int_equal(*go_type_mask(&go, t), 1); /* every word that may be one */
	text_fini(&text);
}

static void what_reflect_made(void **state)
{
	const struct go_type *t;

	(void)state;
	put_node();
	PUT(HEAP + 0x100, 24, 8, 0x1234 | 8ull << 40 | 8ull << 48 | (uint64_t)GO_SLICE << 56, 0, 0,
	    0xfffffffe, PTR_NODE);
	t = go_type_at(&go, HEAP + 0x100);
	assert_non_null(t);
	assert_string_equal(t->name, "[]*main.Node");
	/* The same with a name of a module. */
	PUT(HEAP + 0x200, 24, 8, 0x1234 | 8ull << 40 | 8ull << 48 | (uint64_t)GO_SLICE << 56, 0, 0,
	    5, PTR_NODE);
	assert_null(go_type_at(&go, HEAP + 0x200));
}

static void method_tables(void **state)
{
	(void)state;
	put_node();
	PUT(HEAP, ANY, PTR_NODE, (uint32_t)PTR_NODE, 0x401000);
	assert_ptr_equal(go_itab_type(&go, HEAP), go_type_at(&go, PTR_NODE));
	PUT(HEAP + 64, ANY, PTR_NODE, (uint32_t)NODE, 0x401000); /* another's hash */
	assert_null(go_itab_type(&go, HEAP + 64));
	PUT(HEAP + 128, NODE, PTR_NODE, (uint32_t)PTR_NODE, 0x401000); /* not of an interface */
	assert_null(go_itab_type(&go, HEAP + 128));
	assert_null(go_itab_type(&go, 0x10));
}

static void types_by_name(void **state)
{
	(void)state;
	put_node();
	fake_image_put(fake, HEAP,
		       (PTR_NODE - TYPES) | (uint64_t)0x7fffffff
						    << 32); /* one link, and one to nowhere */
	module.typelinks = HEAP;
	module.n_typelinks = 2;
	assert_ptr_equal(go_type_named(&go, "main.Small"), go_type_at(&go, SMALL));
	assert_ptr_equal(go_type_named(&go, "*main.Node"), go_type_at(&go, PTR_NODE));
	assert_null(go_type_named(&go, "main.Other"));
	assert_null(go_type_named(&go, ""));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(what_a_descriptor_says),
		TEST(paths),
		TEST(masks_by_structure),
		TEST(masks_of_incomplete_types),
		TEST(liars),
		TEST(values_that_nest_for_ever),
		TEST(what_reflect_made),
		TEST(method_tables),
		TEST(types_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
