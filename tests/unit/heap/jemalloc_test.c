/*
 * jemalloc's heap built word by word: bin_infos and the root in a module's data, one leaf, extents; and
 * the same with words that contradict each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fake_image.h"
#include "heap/blocks.h"
#include "heap/jemalloc_fields.h"
#include "unit_env.h"

enum {
	PAGE = 4096,
	DATA = 0x100000,
	BIN_INFOS = DATA + 0x40,
	ROOT = DATA + 0x10018,
	DATA_SIZE = 0x220000,
	BASE = 0x40000000, /* a base block: extent structures, then the leaf */
	EDATA = BASE + 0x1000,
	EDATA_BYTES = 128,
	LEAF = BASE + 0x200000,
	BASE_SIZE = 0x400000,
	HEAP = 0x80000000,
	HEAP_PAGES = 64,
	CLASS_64 = 4,
	CLASS_16K = 36,
	MAX_EXTENTS = 8,
};

static const uint16_t sizes[] = { 8,	16,   32,   48,	  64,	80,   96,   112,  128,	160,   192,   224,
				  256,	320,  384,  448,  512,	640,  768,  896,  1024, 1280,  1536,  1792,
				  2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192, 10240, 12288, 14336 };

/*
 * Extents from HEAP on, one behind the other: s a slab of 64-byte regions (those named by hexadecimal
 * bits are free), L a large one of 16 KiB with its padding, d dirty pages.  What is said of it:
 * used blocks, free ones, pages that are dirty.
 */
struct extent_row {
	char kind;
	uint64_t free_bits;
};

static const struct {
	struct extent_row extents[MAX_EXTENTS];
	unsigned used, free, dirty;
} cases[] = {
	{ { { 's', 0 } }, 64, 0, 0 },
	{ { { 's', 0x5 } }, 62, 2, 0 },
	{ { { 's', ~0ull } }, 0, 64, 0 },
	{ { { 's', ~1ull }, { 's', 1 } }, 64, 64, 0 },
	{ { { 'L' } }, 1, 0, 0 },
	{ { { 's', 0 }, { 'd' }, { 'L' }, { 'd' }, { 's', 0xf0 } }, 64 + 1 + 60, 4, 2 },
};

/* Old and new: where e_bits has its fields, and whether a leaf says the state. */
static const struct {
	unsigned state, szind, nfree;
	bool in_leaf;
} forms[] = { { 16, 18, 26, false }, { 17, 20, 28, true } };

struct world {
	struct fake_image *f;
	taddr next; /* where the next extent begins */
	unsigned n;
};

static void put_bin_infos(struct world *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		taddr at = BIN_INFOS + i * 40;
		uint64_t slab = PAGE;

		while (slab % sizes[i])
			slab += PAGE;
		fake_image_put(w->f, at, sizes[i]);
		fake_image_put(w->f, at + 8, slab);
		fake_image_put(w->f, at + 16, slab / sizes[i] | 1ull << 32);
		fake_image_put(w->f, at + 24, slab / sizes[i]);
		fake_image_put(w->f, at + 32, 1);
	}
}

static void put_leaf(struct world *w, taddr page, uint64_t edata, uint64_t szind, unsigned state, bool slab)
{
	fake_image_put(w->f, LEAF + (page >> 12 & 0x3ffff) * 8, szind << 48 | edata | state << 2 | slab);
}

static taddr put_extent(struct world *w, unsigned form, const struct extent_row *row)
{
	taddr edata = EDATA + w->n++ * EDATA_BYTES, at = w->next, addr = row->kind == 'L' ? at + 0x340 : at;
	uint64_t pages = row->kind == 'L' ? 5 : 1, state = row->kind == 'd';
	uint64_t szind = row->kind == 's' ? CLASS_64 : row->kind == 'L' ? CLASS_16K : 232;
	uint64_t nfree = (uint64_t)__builtin_popcountll(row->free_bits);
	unsigned in_leaf = forms[form].in_leaf ? (unsigned)state : 0;

	fake_image_put(w->f, edata, (uint64_t)(row->kind == 's') << 12 | state << forms[form].state |
			       szind << forms[form].szind | nfree << forms[form].nfree);
	fake_image_put(w->f, edata + 8, addr);
	fake_image_put(w->f, edata + 16, pages * PAGE | w->n);
	fake_image_put(w->f, edata + 64, row->free_bits);
	put_leaf(w, at, edata, szind, in_leaf, row->kind == 's');
	if (pages > 1)
		put_leaf(w, at + (pages - 1) * PAGE, edata, 232, in_leaf, false);
	w->next += pages * PAGE;
	return edata;
}

static void open_world(struct world *w)
{
	static const struct fake_mapping mappings[] = {
		{ DATA, DATA_SIZE, SEG_R | SEG_W, .module = 1 },
		{ BASE, BASE_SIZE, SEG_R | SEG_W },
		{ HEAP, HEAP_PAGES * PAGE, SEG_R | SEG_W },
		{},
	};
	static const struct fake_word words[] = {
		{ ROOT + (HEAP >> 30) * 8, LEAF }, { BASE, BASE_SIZE },	     { BASE + 24, BASE + 0x100000 },
		{ BASE + 32, 0x1000 },		   {},
	};

	*w = (struct world){ .next = HEAP };
	w->f = fake_image_new(&env, mappings, words);
	assert_non_null(w->f);
	put_bin_infos(w);
}

static void close_world(struct world *w)
{
	fake_image_free(w->f);
}

extern const struct walker_ops jemalloc_walker;
static const struct walker_ops *const walkers[] = { &jemalloc_walker, NULL };

static void count(struct world *w, struct blocks *b, unsigned *ret_used, unsigned *ret_free)
{
	*ret_used = *ret_free = 0;
	assert_null(blocks_build_with(&env, &w->f->img, walkers, b));
	for (uint32_t id = 0; id < b->grains.n; id++) {
		*ret_used += block_is_used(b, id);
		*ret_free += !block_is_used(b, id) && !block_is_filler(b, id);
	}
}

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases) * ARRAY_SIZE(forms); i++) {
		unsigned form = i % ARRAY_SIZE(forms), used, n_free;
		const struct extent_row *row = cases[i / ARRAY_SIZE(forms)].extents;
		struct blocks b = {};
		struct world w;

		open_world(&w);
		for (; row->kind; row++)
			put_extent(&w, form, row);
		count(&w, &b, &used, &n_free);
		assert_int_equal(b.n_heaps, 1);
		assert_string_equal(b.heaps[0].info->version, form ? "5.3" : "5.2");
		assert_int_equal(used, cases[i / ARRAY_SIZE(forms)].used);
		assert_int_equal(n_free, cases[i / ARRAY_SIZE(forms)].free);
		assert_int_equal(b.heaps[0].info->idle, cases[i / ARRAY_SIZE(forms)].dirty * PAGE);
		assert_int_equal(b.heaps[0].info->checks_failed, 0);
		blocks_fini(&b);
		close_world(&w);
	}
}

/* A large allocation begins behind its extent's start, and has the bytes of its class. */
static void test_large(void **state)
{
	const struct extent_row large = { 'L' };
	struct blocks b = {};
	struct world w;
	struct block block;
	unsigned used, n_free;

	(void)state;
	open_world(&w);
	put_extent(&w, 1, &large);
	count(&w, &b, &used, &n_free);
	block_get(&b, block_at(&b, HEAP + 0x1000), &block);
	assert_int_equal(block.addr, HEAP + 0x340);
	assert_int_equal(block.usable, 16384);
	assert_true(block.used);
	blocks_fini(&b);
	close_world(&w);
}

/* One word of the second of three slabs: what is used in all, and that it is told. */
static const struct {
	unsigned offset;
	uint64_t value;
	unsigned used, failed;
} damages[] = {
	{ 8, 0x4141414141414141, 192, 1 },	     /* its address */
	{ 16, 0, 192, 1 },			     /* its size */
	{ 16, ~0ull, 192, 1 },
	{ 0, (uint64_t)CLASS_64 << 20, 192, 1 },     /* no slab */
	{ 0, 1ull << 12 | 35ull << 20, 192, 2 },     /* of another class, which the count is not of */
	{ 0, 1ull << 12 | 1ull << 17 | (uint64_t)CLASS_64 << 20, 192, 1 }, /* dirty */
	{ 64, 3, 190, 1 },			     /* its bitmap */
};

static void test_damage(void **state)
{
	const struct extent_row slab = { 's', 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		struct blocks b = {};
		struct world w;
		unsigned used, n_free;
		taddr second;

		open_world(&w);
		put_extent(&w, 1, &slab);
		second = put_extent(&w, 1, &slab);
		put_extent(&w, 1, &slab);
		fake_image_put(w.f, second + damages[i].offset, damages[i].value);
		count(&w, &b, &used, &n_free);
		assert_int_equal(used, damages[i].used);
		assert_in_range(b.heaps[0].info->checks_failed, 1, damages[i].failed);
		assert_in_range(b.heaps[0].info->n_damage, 1, damages[i].failed);
		blocks_fini(&b);
		close_world(&w);
	}
}

/* A tree whose elements lead nowhere is no jemalloc. */
static void test_no_heap(void **state)
{
	struct blocks b = {};
	struct world w;
	unsigned used, n_free;

	(void)state;
	open_world(&w);
	for (unsigned i = 0; i < 32; i++)
		put_leaf(&w, HEAP + i * PAGE, BASE + 0x100000 + i * 128, CLASS_64, 0, true);
	count(&w, &b, &used, &n_free);
	assert_int_equal(b.n_heaps, 0);
	blocks_fini(&b);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_table, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_large, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_heap, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
