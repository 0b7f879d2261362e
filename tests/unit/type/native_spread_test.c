/*
 * Types along pointers, from variables given in every order and by both ways to keep what is
 * pending: the table says what each block is then.
 */
#include <string.h>

#include "base/guard.h"
#include "fake_image.h"
#include "heap/blocks.h"
#include "type/native.h"
#include "unit_env.h"

enum {
	DATA = 0x10000,
	HEAP = 0x100000,
	BLOCK = 48, /* bytes of each: A to H, of which H is free */
	N = 8,
	A = 1, B, C, D, E, F, G, H, /* as words of the tables: the address of the block's first byte */
	ROOTS = 3,
	WORDS = 8,
};

static taddr address(unsigned block)
{
	return HEAP + BLOCK * (block - 1);
}

/* ---- types, as DWARF has them */

static struct dbg_type number = { .name = "long", .size = 8, .kind = DBG_KIND_BASE, .loaded = true };
static struct dbg_type character = { .name = "char", .size = 1, .kind = DBG_KIND_BASE, .is_text = true, .loaded = true };
static struct dbg_type item, leaf, base, derived, other, cell, vec;

#define POINTER_TO(t) { .size = 8, .kind = DBG_KIND_POINTER, .to = (t), .loaded = true }
static struct dbg_type to_item = POINTER_TO(&item), to_leaf = POINTER_TO(&leaf), to_base = POINTER_TO(&base),
		       to_derived = POINTER_TO(&derived), to_other = POINTER_TO(&other), to_cell = POINTER_TO(&cell),
		       to_text = POINTER_TO(&character);

#define STRUCT(n, bytes, ...)                                                                          \
	{                                                                                              \
		.name = "struct " n, .size = (bytes), .kind = DBG_KIND_STRUCT, .loaded = true,         \
		.members = (const struct dbg_member[]){ __VA_ARGS__ },                                 \
		.n_members = ARRAY_SIZE(((const struct dbg_member[]){ __VA_ARGS__ })),                 \
	}
#define MEMBER(n, at, t) { .name = (n), .offset = (at), .type = &(t) }

static struct dbg_type leaf = STRUCT("leaf", 40, MEMBER("id", 0, number));
static struct dbg_type item = STRUCT("item", 40, MEMBER("next", 0, to_item), MEMBER("leaf", 8, to_leaf));
static struct dbg_type base = STRUCT("base", 40, MEMBER("id", 0, number));
static struct dbg_type derived = STRUCT("derived", 48, MEMBER("base", 0, base), MEMBER("leaf", 40, to_leaf));
static struct dbg_type other = STRUCT("other", 36, MEMBER("x", 0, number), MEMBER("leaf", 8, to_leaf));
static struct dbg_type cell = STRUCT("cell", 16, MEMBER("leaf", 0, to_leaf), MEMBER("n", 8, number));
static struct dbg_type vec = STRUCT("vec", 24, MEMBER("_M_start", 0, to_cell), MEMBER("_M_finish", 8, to_cell),
				    MEMBER("_M_end_of_storage", 16, to_cell));

static struct dbg_type *const types[] = {
	&number, &character, &item, &leaf, &base, &derived, &other, &cell, &vec, &to_item, &to_leaf, &to_base,
	&to_derived, &to_other, &to_cell, &to_text,
};

/* ---- cases */

struct case_root {
	struct dbg_type *type;
	unsigned block, to, end; /* what it holds; of a vector how many values there are, and room for how many */
	uint64_t offset;	 /* where in the block a pointer leads */
};

static const struct spread_case {
	const char *name;
	struct case_root roots[ROOTS];
	struct {
		unsigned block, offset, to;
	} words[WORDS];
	const char *is[N], *or[N];
} cases[] = {
	{ "a list, and what it leads to", { { &to_item, A } }, { { A, 0, B }, { A, 8, C }, { B, 0, D }, { D, 8, E } },
	  { "struct item", "struct item", "struct leaf", "struct item", "struct leaf" } },
	{ "a list that ends where it begins", { { &to_item, A } }, { { A, 0, B }, { B, 0, A } }, { "struct item", "struct item" } },
	{ "no pointer leads out of a word that is none", { { &to_leaf, A } }, { { A, 8, B } }, { "struct leaf" } },
	{ "what others begin with may be one of those", { { &to_base, A } }, { { A, 40, B } }, { "struct base?" } },
	{ "and is, if a pointer says so", { { &to_base, A }, { &to_derived, A } }, { { A, 40, B } }, { "struct derived", "struct leaf" } },
	{ "two that contradict: the larger one, and the other", { { &to_item, A }, { &to_other, A } }, { { A, 0, B } },
	  { "struct item?", "struct item?" }, { "struct other?" } },
	{ "two that say so, and one against them", { { &to_item, A }, { &to_other, A }, { &to_item, A } }, { { A, 8, B } },
	  { "struct item?", "struct leaf?" }, { "struct other?" } },
	{ "one that contradicts in a later round", { { &to_item, A }, { &to_other, C } }, { { A, 0, C }, { C, 8, D } },
	  { "struct item", NULL, "struct item?", "struct leaf" }, { NULL, NULL, "struct other?" } },
	{ "bytes are whatever else is said", { { &to_text, A }, { &to_item, A } }, { { A, 8, B } }, { "struct item", "struct leaf" } },
	{ "bytes alone", { { &to_text, A } }, {}, { "char[]" } },
	{ "inside a block", { { &to_item, A, .offset = 16 } }, {}, {} },
	{ "a free block", { { &to_item, H } }, { { H, 0, A } }, {} },
	{ "behind a count", { { &to_cell, A, .offset = 8 } }, { { A, 0, 0 }, { A, 8, B }, { A, 24, C } },
	  { "struct cell[]", "struct leaf", "struct leaf" } },
	{ "of a vector the values that there are", { { &vec, A, 1, 3 } }, { { A, 0, B }, { A, 16, C } }, { "struct cell[]", "struct leaf" } },
	{ "also where a pointer leads there", { { &vec, A, 1, 3 }, { &to_cell, A } }, { { A, 0, B }, { A, 16, C } },
	  { "struct cell[]", "struct leaf" } },
	{ "two vectors, of which one is the other a moment ago", { { &vec, A, 1, 3 }, { &vec, A, 2, 3 } },
	  { { A, 0, B }, { A, 16, C }, { A, 32, D } }, { "struct cell[]", "struct leaf", "struct leaf" } },
	{ "one of no values", { { &vec, A, 0, 3 }, { &vec, A, 1, 3 } }, { { A, 0, B } }, { "struct cell[]", "struct leaf" } },
	{ "a vector with more room than the block", { { &vec, A, 1, 4 } }, { { A, 0, B } }, {} },
	{ "an array by what its elements lead to", { { &to_cell, A } }, { { A, 0, B }, { A, 16, C }, { A, 32, D } },
	  { "struct cell[]", "struct leaf", "struct leaf", "struct leaf" } },
	{ "a guess makes guesses", { { &to_cell, A } }, { { A, 0, B } }, { "struct cell[]?", "struct leaf?" } },
	{ "unless somebody knows", { { &to_cell, A }, { &to_leaf, B } }, { { A, 0, B } }, { "struct cell[]?", "struct leaf" } },
};

/* ---- one run */

static const struct {
	unsigned order[ROOTS], few, step;
} ways[] = {
	{ { 0, 1, 2 }, 64 }, { { 0, 2, 1 }, 64 }, { { 1, 0, 2 }, 64 }, { { 1, 2, 0 }, 64 }, { { 2, 0, 1 }, 64 },
	{ { 2, 1, 0 }, 64 }, { { 0, 1, 2 }, 0 },  { { 2, 1, 0 }, 0 },  { { 0, 1, 2 }, 1 }, { { 2, 1, 0 }, 1 },
	{ { 0, 1, 2 }, 64, 1 }, { { 2, 1, 0 }, 64, 1 }, { { 1, 2, 0 }, 64, 2 }, { { 2, 1, 0 }, 2, 1 },
};

static struct {
	const struct spread_case *is;
	unsigned way;
} now;

static taddr place_of_root(unsigned i)
{
	return DATA + 64 * i;
}

static struct err *roots(struct native *n, struct native_spread *s)
{
	(void)n;
	for (unsigned i = 0; i < ROOTS; i++) {
		unsigned root = ways[now.way].order[i];
		const struct dbg_type *type = now.is->roots[root].type;

		if (type)
			native_follow(s, place_of_root(root), type->size, type);
	}
	return NULL;
}

static struct fake_image *image_of(const struct spread_case *c)
{
	static const struct fake_mapping memory[] = {
		{ DATA, 0x1000, SEG_R | SEG_W, 1 },
		{ HEAP, 0x1000, SEG_R | SEG_W },
		{},
	};
	struct fake_image *f = fake_image_new(&env, memory, &(struct fake_word){});

	f->heaps[0] = (struct fake_heap){ .score = 50, .claims = { { .start = HEAP, .end = HEAP + N * BLOCK } } };
	for (unsigned i = 0; i < N; i++)
		f->heaps[0].blocks[i] = (struct fake_block){ address(i + 1), i + 1 == H ? 'f' : 'u' };
	for (unsigned i = 0; i < ROOTS && c->roots[i].type; i++) {
		const struct case_root *r = &c->roots[i];

		fake_image_put(f, place_of_root(i), address(r->block) + r->offset);
		if (r->type != &vec)
			continue;
		fake_image_put(f, place_of_root(i) + 8, address(r->block) + cell.size * r->to);
		fake_image_put(f, place_of_root(i) + 16, address(r->block) + cell.size * r->end);
	}
	for (unsigned i = 0; i < WORDS && c->words[i].block; i++) /* to 0: the count of two */
		fake_image_put(f, address(c->words[i].block) + c->words[i].offset,
			       c->words[i].to ? address(c->words[i].to) : 2);
	return f;
}

static const char *name_of(const struct types *t, type_id id)
{
	return id ? t->v[id].name : NULL;
}

static void check(const struct native *n, const struct types *t)
{
	for (unsigned i = 0; i < N; i++) {
		uint32_t id = block_at(n->blocks, address(i + 1));
		const char *is = name_of(t, n->cols->type[id]), *or = name_of(t, types_rival(t, id));
		const char *want = now.is->is[i], *want_or = now.is->or[i];

		if ((is || want) && (!is || !want || strcmp(is, want) != 0))
			fail_msg("%s, way %u: block %c is %s", now.is->name, now.way, 'A' + i, is ? is : "nothing");
		if ((or || want_or) && (!or || !want_or || strcmp(or, want_or) != 0))
			fail_msg("%s, way %u: block %c is or else %s", now.is->name, now.way, 'A' + i, or ? or : "nothing");
	}
}

static void run(void)
{
	struct fake_image *f = image_of(now.is);
	type_id type[2 * N] = {};
	uint8_t confidence[2 * N] = {};
	struct types t;
	struct type_columns cols = { .type = type, .confidence = confidence, .types = &t };
	struct native n = { .env = &env, .img = &f->img, .cols = &cols, .few = ways[now.way].few, .step = ways[now.way].step };
	struct blocks blocks;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		types[i]->user = NULL;
	assert_null(blocks_build_with(&env, &f->img, fake_walkers, &blocks));
	assert_true(blocks.grains.n <= 2 * N);
	assert_null(types_open(&t));
	n.blocks = &blocks;
	assert_null(native_spread(&n, roots));
	types_seal(&t);
	check(&n, &t);
	free(n.by_id.v);
	arena_fini(&n.mem);
	types_close(&t);
	blocks_fini(&blocks);
	fake_image_free(f);
}

static void any_order_says_the_same(void **state)
{
	(void)state;
	base.outer = derived.size;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (unsigned way = 0; way < ARRAY_SIZE(ways); way++) {
			now.is = &cases[i];
			now.way = way;
			run();
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(any_order_says_the_same, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
