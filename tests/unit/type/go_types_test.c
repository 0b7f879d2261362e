/* What blocks of a small Go heap are, from one object whose type its malloc header tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "fake_types.h"
#include "heap/blocks.h"
#include "type/typing.h"

extern const struct typer_ops typer_go;
static const struct typer_ops *const typers[] = { &typer_go, NULL };

/* Node { Next *Node; Name string }, Inner { p *Node }, Outer { Inner; n int } */
enum {
	INT = FAKE_TYPES + 0x100,
	STRING = FAKE_TYPES + 0x200,
	ANY = FAKE_TYPES + 0x300,
	PTR_NODE = FAKE_TYPES + 0x400,
	NODE = FAKE_TYPES + 0x500,
	NODES = FAKE_TYPES + 0x600,
	INNER = FAKE_TYPES + 0x700,
	OUTER = FAKE_TYPES + 0x800,
	PTR_INNER = FAKE_TYPES + 0x900,
	PTR_OUTER = FAKE_TYPES + 0xa00,
	MAP = FAKE_TYPES + 0xb00,
	GROUP = FAKE_TYPES + 0xc00,
	SLOT = FAKE_TYPES + 0xd00,
	SLOTS = FAKE_TYPES + 0xe00,
	UINT64 = FAKE_TYPES + 0xf00,
	BIG = FAKE_TYPES + 0x1000,
	PAD = FAKE_TYPES + 0x1100,
	PTR_BIG = FAKE_TYPES + 0x1200,
	FIELDS = FAKE_TYPES + 0x2000,
};

/* Big: what a test lets the header object's words be. */
enum {
	BIG_NODE = 0,
	BIG_STRING = 8,
	BIG_NODES = 24,
	BIG_ANY = 48,
	BIG_INNER = 64,
	BIG_OUTER = 72,
	BIG_MAP = 80,
	BIG_NODE2 = 88,
	BIG_SIZE = 552,
};

enum { HEAP = 0xc000000000, BIG_BLOCK = HEAP + 0x2000, BIG_AT = BIG_BLOCK + 8, PLAIN = HEAP + 0x3000 };

static struct env env;
static struct fake_image *fake;
static struct fake_module g;

static taddr next_fields;

static taddr fields(const uint64_t *words, size_t n)
{
	taddr at = next_fields;

	fake_types_words(&g, at, words, n);
	next_fields += 8 * n;
	return at;
}

static void structure(taddr at, uint64_t size, uint64_t ptr_bytes, const char *name,
		      const uint64_t *words, size_t n)
{
	fake_types_add(&g,
		       (struct fake_type){ at, size, ptr_bytes, GO_STRUCT, FAKE_NAMED, 0, name });
	FAKE_WORDS(&g, at + 48, 0, fields(words, n), n / 3, n / 3);
}
#define STRUCT(at, size, ptr_bytes, name, ...)                                  \
	structure(at, size, ptr_bytes, name, (const uint64_t[]){ __VA_ARGS__ }, \
		  sizeof((uint64_t[]){ __VA_ARGS__ }) / 8)

static void pointer(taddr at, const char *name, taddr elem)
{
	fake_types_add(&g, (struct fake_type){ at, 8, 8, GO_POINTER, FAKE_DIRECT, 0, name });
	FAKE_WORDS(&g, at + 48, elem);
}

static void types(void)
{
	next_fields = FIELDS;
	fake_types_add(&g, (struct fake_type){ INT, 8, 0, GO_INT, FAKE_NAMED, 0, "int" });
	fake_types_add(&g, (struct fake_type){ UINT64, 8, 0, GO_UINT64, FAKE_NAMED, 0, "uint64" });
	fake_types_add(&g, (struct fake_type){ STRING, 16, 8, GO_STRING, FAKE_NAMED, 0, "string" });
	fake_types_add(&g, (struct fake_type){ ANY, 16, 16, GO_INTERFACE, 0, 0, "interface {}" });
	pointer(PTR_NODE, "*main.Node", NODE);
	pointer(PTR_INNER, "*main.Inner", INNER);
	pointer(PTR_OUTER, "*main.Outer", OUTER);
	STRUCT(NODE, 24, 16, "main.Node", fake_types_name(&g, "Next"), PTR_NODE, 0,
	       fake_types_name(&g, "Name"), STRING, 8);
	STRUCT(INNER, 8, 8, "main.Inner", fake_types_name(&g, "p"), PTR_NODE, 0);
	STRUCT(OUTER, 16, 8, "main.Outer", fake_types_name(&g, "Inner"), INNER, 0,
	       fake_types_name(&g, "n"), INT, 8);
	fake_types_add(&g, (struct fake_type){ NODES, 24, 8, GO_SLICE, 0, 0, "[]main.Node" });
	FAKE_WORDS(&g, NODES + 48, NODE);
	fake_types_add(&g, (struct fake_type){ MAP, 8, 8, GO_MAP, FAKE_DIRECT, 0,
					       "map[string]*main.Node" });
	FAKE_WORDS(&g, MAP + 48, STRING, PTR_NODE, GROUP);
	STRUCT(SLOT, 24, 24, "struct { key string; elem *main.Node }", fake_types_name(&g, "key"),
	       STRING, 0, fake_types_name(&g, "elem"), PTR_NODE, 16);
	fake_types_add(&g,
		       (struct fake_type){ SLOTS, 192, 192, GO_ARRAY, 0, 0, "[8]struct {...}" });
	FAKE_WORDS(&g, SLOTS + 48, SLOT, 0, 8);
	STRUCT(GROUP, 200, 200, "map.group[string]*main.Node", fake_types_name(&g, "ctrl"), UINT64,
	       0, fake_types_name(&g, "slots"), SLOTS, 8);
	fake_types_add(&g, (struct fake_type){ PAD, 456, 0, GO_ARRAY, 0, 0, "[57]int" });
	FAKE_WORDS(&g, PAD + 48, INT, 0, 57);
	STRUCT(BIG, BIG_SIZE, 96, "main.Big", fake_types_name(&g, "node"), PTR_NODE, BIG_NODE,
	       fake_types_name(&g, "name"), STRING, BIG_STRING, fake_types_name(&g, "nodes"), NODES,
	       BIG_NODES, fake_types_name(&g, "any"), ANY, BIG_ANY, fake_types_name(&g, "inner"),
	       PTR_INNER, BIG_INNER, fake_types_name(&g, "outer"), PTR_OUTER, BIG_OUTER,
	       fake_types_name(&g, "m"), MAP, BIG_MAP, fake_types_name(&g, "node2"), PTR_NODE,
	       BIG_NODE2, fake_types_name(&g, "pad"), PAD, 96);
}

/* Blocks by size class: each class a page; the second of each is free. */
static const struct fake_heap heap = {
	.score = 90,
	.claims = {
		{ .start = HEAP, .end = HEAP + 0x2000, .small_grains = true },
		{ .start = BIG_BLOCK, .end = BIG_BLOCK + 0x1000, .head = 8, .small_grains = true },
		{ .start = PLAIN, .end = PLAIN + 0x1000, .small_grains = true, .no_pointers = true },
	},
	.blocks = {
		{ HEAP, 'u' }, { HEAP + 24, 'u' }, { HEAP + 48, 'u' }, { HEAP + 72, 'f' }, /* 24 */
		{ HEAP + 96, '.' },
		{ HEAP + 0x100, 'u' }, { HEAP + 0x110, 'u' }, { HEAP + 0x120, '.' }, /* 16 */
		{ HEAP + 0x200, 'u' }, { HEAP + 0x260, '.' },			  /* 96 */
		{ HEAP + 0x300, 'u' }, { HEAP + 0x330, '.' },			  /* 48 */
		{ HEAP + 0x400, 'u' }, { HEAP + 0x4d0, '.' },			  /* 208 */
		{ BIG_BLOCK, 'u' }, { BIG_BLOCK + 576, '.' },
		{ PLAIN, 'u' }, { PLAIN + 24, '.' }, { PLAIN + 0x100, 'u' }, { PLAIN + 0x130, '.' },
	},
};

static int setup(void **state)
{
	static const struct fake_mapping maps[] = {
		{ FAKE_TYPES, FAKE_TYPES_END - FAKE_TYPES, SEG_R, 1, false },
		{ HEAP, 0x4000, SEG_R | SEG_W, 0, false },
		{},
	};
	static const struct fake_word none[] = { {} };

	(void)state;
	env_init(&env);
	fake = fake_image_new(&env, maps, none);
	fake->heaps[0] = heap;
	fake_types_init(&g, &env, fake);
	types();
	fake_image_put(fake, BIG_BLOCK, BIG);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_types_fini(&g);
	fake_image_free(fake);
	env_fini(&env);
	return 0;
}

/* Words of the heap, and what blocks are then; NULL: nobody can tell. */
struct row {
	struct fake_word words[16];
	struct {
		taddr at;
		const char *type;
	} want[8];
};

static type_id type_of(const struct typing *t, uint32_t id)
{
	const uint16_t *narrow;
	const type_id *wide;

	typing_columns(t, &narrow, &wide);
	return narrow ? narrow[id] : wide[id];
}

static void check(const struct row *row, size_t no)
{
	struct blocks b;
	struct typing *t = NULL;

	for (const struct fake_word *w = row->words; w->at; w++)
		fake_image_put(fake, w->at, w->value);
	assert_null(blocks_build_with(&env, &fake->img, fake_walkers, &b));
	assert_null(typing_run(&env, &fake->img, &b, NULL, NULL, typers, &t));
	assert_non_null(t);
	for (unsigned i = 0; row->want[i].at; i++) {
		type_id id = type_of(t, block_at(&b, row->want[i].at));
		const char *name = id ? typing_types(t)->v[id].name : NULL;

		if (!name != !row->want[i].type || (name && strcmp(name, row->want[i].type)))
			fail_msg("row %zu: %#lx is %s", no, (unsigned long)row->want[i].at,
				 name ? name : "unknown");
	}
	typing_free(t);
	blocks_fini(&b);
}

static const struct row rows[] = {
	{ {}, { { BIG_BLOCK, "main.Big" }, { HEAP, NULL } } },
	/* along pointers, around a ring */
	{ { { BIG_AT + BIG_NODE, HEAP }, { HEAP, HEAP + 24 }, { HEAP + 24, HEAP } },
	  { { HEAP, "main.Node" }, { HEAP + 24, "main.Node" }, { HEAP + 48, NULL } } },
	/* into the middle, at a free slot, at a block of another class: nothing is said */
	{ { { BIG_AT + BIG_NODE, HEAP + 8 } }, { { HEAP, NULL } } },
	{ { { BIG_AT + BIG_NODE, HEAP + 72 } }, { { HEAP + 72, NULL } } },
	{ { { BIG_AT + BIG_NODE, HEAP + 0x300 } }, { { HEAP + 0x300, NULL } } },
	/* an array of as many as the class holds; one of too many; one of none */
	{ { { BIG_AT + BIG_NODES, HEAP + 0x200 },
	    { BIG_AT + BIG_NODES + 8, 1 },
	    { BIG_AT + BIG_NODES + 16, 4 },
	    { HEAP + 0x200 + 72, HEAP } },
	  { { HEAP + 0x200, "[]main.Node" }, { HEAP, "main.Node" } } },
	{ { { BIG_AT + BIG_NODES, HEAP + 0x200 }, { BIG_AT + BIG_NODES + 16, 5 } },
	  { { HEAP + 0x200, NULL } } },
	{ { { BIG_AT + BIG_NODES, HEAP + 0x200 }, { BIG_AT + BIG_NODES + 16, UINT64_MAX } },
	  { { HEAP + 0x200, NULL } } },
	{ { { BIG_AT + BIG_NODES, HEAP + 0x200 } }, { { HEAP + 0x200, NULL } } },
	/* the bytes of a string */
	{ { { BIG_AT + BIG_STRING, PLAIN }, { BIG_AT + BIG_STRING + 8, 20 } },
	  { { PLAIN, "string data" } } },
	/* ... are not where the collector looks for pointers, and no map or node is where it does not */
	{ { { BIG_AT + BIG_STRING, HEAP + 48 }, { BIG_AT + BIG_STRING + 8, 20 } },
	  { { HEAP + 48, NULL } } },
	{ { { BIG_AT + BIG_MAP, PLAIN + 0x100 }, { BIG_AT + BIG_NODE, PLAIN } },
	  { { PLAIN + 0x100, NULL }, { PLAIN, NULL } } },
	/* what an interface says: a value behind the word, or the word itself */
	{ { { BIG_AT + BIG_ANY, NODE }, { BIG_AT + BIG_ANY + 8, HEAP } },
	  { { HEAP, "main.Node" } } },
	{ { { BIG_AT + BIG_ANY, PTR_NODE }, { BIG_AT + BIG_ANY + 8, HEAP } },
	  { { HEAP, "main.Node" } } },
	{ { { BIG_AT + BIG_ANY, HEAP + 24 }, { BIG_AT + BIG_ANY + 8, HEAP } }, { { HEAP, NULL } } },
	/* of a struct and its first field the struct, whichever comes first */
	{ { { BIG_AT + BIG_INNER, HEAP + 0x100 },
	    { BIG_AT + BIG_OUTER, HEAP + 0x100 },
	    { HEAP + 0x100, HEAP } },
	  { { HEAP + 0x100, "main.Outer" }, { HEAP, "main.Node" } } },
	/* a map of one group, and what its values are */
	{ { { BIG_AT + BIG_MAP, HEAP + 0x300 },
	    { HEAP + 0x300, 1 },
	    { HEAP + 0x310, HEAP + 0x400 },
	    { HEAP + 0x408, HEAP + 48 },
	    { HEAP + 0x410, 3 },
	    { HEAP + 0x418, HEAP } },
	  { { HEAP + 0x300, "map[string]*main.Node" },
	    { HEAP + 0x400, "map[string]*main.Node (group)" },
	    { HEAP, "main.Node" } } },
};

static void what_blocks_are(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		check(&rows[i], i);
		teardown(state);
		setup(state);
	}
}

/* ---- as many types as two bytes tell apart, and one more ---- */

static uint32_t n_types; /* besides the unknown one */

static struct err *many_open(struct env *e, const struct image *img, const struct blocks *b,
			     const struct hints *hints, void **ret)
{
	(void)e, (void)img, (void)b, (void)hints;
	*ret = &n_types;
	return NULL;
}

static struct err *many_assign(void *ctx, struct type_columns *cols)
{
	(void)ctx;
	for (uint32_t i = 1; i <= n_types; i++) {
		struct type_row row = { .name = i == n_types ? "last" : "other", .handle = i };

		assert_null(types_intern(cols->types, &row, &cols->type[i % 2]));
	}
	return NULL;
}

static void many_close(void *ctx)
{
	(void)ctx;
}

static void very_many_types(void **state)
{
	static const struct typer_ops many = {
		.name = "many", .open = many_open, .assign = many_assign, .close = many_close
	};
	static const struct typer_ops *const only[] = { &many, NULL };
	static const uint32_t counts[] = { UINT16_MAX - 1, UINT16_MAX, UINT16_MAX + 1 };
	struct blocks b;

	(void)state;
	assert_null(blocks_build_with(&env, &fake->img, fake_walkers, &b));
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		struct typing *t = NULL;

		n_types = counts[i];
		assert_null(typing_run(&env, &fake->img, &b, NULL, NULL, only, &t));
		assert_int_equal(type_of(t, n_types % 2), n_types);
		assert_int_equal(type_of(t, 1 - n_types % 2), n_types - 1);
		assert_int_equal(type_of(t, 2), 0);
		assert_string_equal(typing_types(t)->v[type_of(t, n_types % 2)].name, "last");
		typing_free(t);
	}
	blocks_fini(&b);
}

static void how_words_are_called(void **state)
{
	static const struct row map = {
		{ { BIG_AT + BIG_MAP, HEAP + 0x300 },
		  { HEAP + 0x300, 1 },
		  { HEAP + 0x310, HEAP + 0x400 },
		  { HEAP + 0x408, HEAP + 48 },
		  { HEAP + 0x410, 3 },
		  { HEAP + 0x418, HEAP },
		  { HEAP + 48, 0x78226b /* k"x */ },
		  { BIG_AT + BIG_NODES, HEAP + 0x200 },
		  { BIG_AT + BIG_NODES + 16, 4 } },
		{},
	};
	static const struct {
		taddr at;
		uint64_t size, offset;
		const char *name;
	} cases[] = {
		{ BIG_AT, BIG_SIZE, BIG_NODE, ".node" },
		{ BIG_AT, BIG_SIZE, BIG_ANY + 8, ".any" },
		{ BIG_AT, BIG_SIZE, BIG_SIZE, NULL },
		{ HEAP + 0x300, 48, 16, "" },
		{ HEAP + 0x400, 208, 24, "[\"k\\\"x\"]" },
		{ HEAP + 0x400, 208, 8, " key \"k\\\"x\"" },
		{ HEAP + 0x200, 96, 24, "[1].Next" },
		{ HEAP + 24, 24, 0, NULL },
	};
	struct blocks b;
	struct typing *t = NULL;

	(void)state;
	for (const struct fake_word *w = map.words; w->at; w++)
		fake_image_put(fake, w->at, w->value);
	assert_null(blocks_build_with(&env, &fake->img, fake_walkers, &b));
	assert_null(typing_run(&env, &fake->img, &b, NULL, NULL, typers, &t));
	assert_string_equal(typing_path(t, block_at(&b, HEAP + 0x400), HEAP + 0x400, 208, 24),
			    "[...]"); /* nobody asked for contents */
	env.show_contents = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *name = typing_path(t, block_at(&b, cases[i].at), cases[i].at,
					       cases[i].size, cases[i].offset);

		if (cases[i].name)
			assert_string_equal(name ? name : "(none)", cases[i].name);
		else
			assert_null(name);
	}
	typing_free(t);
	blocks_fini(&b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_blocks_are, setup, teardown),
		cmocka_unit_test_setup_teardown(very_many_types, setup, teardown),
		cmocka_unit_test_setup_teardown(how_words_are_called, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
