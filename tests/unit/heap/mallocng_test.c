/*
 * musl's mallocng over images built word by word: which slots are used, where their blocks begin and how
 * much was asked for is known from how the groups were laid out.
 */
#include "unit_env.h"

#include <string.h>

#include "base/guard.h"
#include "fake_image.h"
#include "heap/blocks.h"

extern const struct walker_ops mallocng_walker;
static const struct walker_ops *const walkers[] = { &mallocng_walker, NULL };

enum {
	CTX = 0x10040,
	AREA = 0x20000,
	GROUP = 0x100000,
	LARGE = 0x200000,
	DONATED = 0x11000,
	SECRET_ = 0x5ec4e7,
};

static const struct fake_mapping memory[] = {
	{ 0x10000, 0x2000, SEG_R | SEG_W, 1 },	/* the program's data */
	{ AREA, 0x1000, SEG_R | SEG_W },
	{ GROUP, 0x4000, SEG_R | SEG_W },
	{ LARGE, 0x200000, SEG_R | SEG_W },
	{},
};

static void put_bytes(struct fake_image *f, taddr at, const void *bytes, size_t n)
{
	uint64_t avail;
	uint8_t *to = (uint8_t *)image_view(&f->img, at, &avail);

	assert_true(to && avail >= n);
	memcpy(to, bytes, n);
}

static void put16(struct fake_image *f, taddr at, uint16_t v)
{
	put_bytes(f, at, &v, 2);
}

static void put8(struct fake_image *f, taddr at, uint8_t v)
{
	put_bytes(f, at, &v, 1);
}

static struct fake_image *process_new(void)
{
	struct fake_image *f = fake_image_new(&env, memory, &(struct fake_word){});

	fake_image_put(f, CTX, SECRET_);
	fake_image_put(f, CTX + 8, 1); /* init_done */
	fake_image_put(f, CTX + 56, AREA);
	fake_image_put(f, CTX + 64, AREA);
	fake_image_put(f, AREA, SECRET_);
	fake_image_put(f, AREA + 16, 101);
	return f;
}

static taddr meta_at(unsigned no)
{
	return AREA + 24 + 40 * no;
}

/* A group of n slots; sizes by class: 1 is 32 bytes, 7 is 128, 23 is 2,032; counted unless donated. */
static void put_group(struct fake_image *f, unsigned no, taddr mem, unsigned n, unsigned class, uint64_t pages,
		      bool freeable, uint32_t avail, uint32_t freed)
{
	taddr meta = meta_at(no), usage = CTX + 464 + 8 * class;
	uint64_t count;

	fake_image_put(f, meta + 16, mem);
	fake_image_put(f, meta + 24, avail | (uint64_t)freed << 32);
	fake_image_put(f, meta + 32, (n - 1) | (uint64_t)freeable << 5 | class << 6 | pages << 12);
	fake_image_put(f, mem, meta);
	put8(f, mem + 8, (uint8_t)(n - 1));
	if (class >= 48 || !freeable)
		return;
	assert_int_equal(image_read_u64(&f->img, usage, &count), MEM_OK);
	fake_image_put(f, usage, count + n);
}

/* The slot's block begins `units` behind its start, and `reserved` bytes are left behind it. */
static void put_used(struct fake_image *f, taddr mem, uint32_t stride, unsigned i, unsigned units, uint32_t reserved)
{
	taddr start = mem + 16 + (uint64_t)stride * i, block = start + 16 * units, end = start + stride - 4;

	if (units) {
		put8(f, start - 3, 7 << 5);
		put16(f, start - 2, (uint16_t)units);
	}
	put8(f, block - 4, 0);
	put8(f, block - 3, (uint8_t)(i | (reserved < 5 ? reserved : 5) << 5));
	put16(f, block - 2, (uint16_t)((block - mem - 16) / 16));
	if (reserved >= 5)
		put_bytes(f, end - 4, &reserved, 4);
}

static const struct heap_info *info_of(const struct blocks *b)
{
	assert_int_equal(b->n_heaps, 1);
	return b->heaps[0].info;
}

static bool is_used(const struct blocks *b, taddr at, uint64_t size)
{
	uint32_t id = block_at(b, at);
	struct block block;

	if (id == BLOCK_NONE)
		return false;
	block_get(b, id, &block);
	return block.used && block.addr == at && block.size == size;
}

static void slots_by_their_masks(void **state)
{
	struct fake_image *f = process_new();
	const struct heap_info *info;
	struct blocks b;

	(void)state;
	put_group(f, 0, GROUP, 20, 7, 1, true, 1 << 5, 1 << 2 | 1 << 19);
	put8(f, GROUP + 8, 18);
	for (unsigned i = 0; i < 19; i++)
		put_used(f, GROUP, 128, i, i == 4 ? 3 : 0, i == 3 ? 100 : i % 5);
	put8(f, GROUP + 16 + 128 * 2 - 3, 255);
	put8(f, GROUP + 16 + 128 * 5 - 3, 255);
	assert_null(blocks_build_with(&env, &f->img, walkers, &b));
	info = info_of(&b);
	assert_int_equal(info->n_used, 17);
	assert_int_equal(info->n_free, 3);
	assert_int_equal(info->checks_failed, 0);
	assert_int_equal(info->n_wheres, 3);
	assert_true(is_used(&b, GROUP + 16, 128));
	assert_true(is_used(&b, GROUP + 16 + 3 * 128, 32)); /* 24 bytes and the next one's header */
	assert_true(is_used(&b, GROUP + 16 + 4 * 128 + 48, 80));
	assert_false(is_used(&b, GROUP + 16 + 2 * 128, 128));
	blocks_fini(&b);
	fake_image_free(f);
}

/* A group in a slot of another, one that the loader donated, and one block with a mapping of its own. */
static void groups_of_every_kind(void **state)
{
	struct fake_image *f = process_new();
	taddr inner = GROUP + 16 + 2032;
	const struct heap_info *info;
	struct blocks b;

	(void)state;
	put_group(f, 0, GROUP, 7, 23, 4, true, 0, 0x7c);
	put_used(f, GROUP, 2032, 0, 0, 0);
	put_used(f, GROUP, 2032, 1, 0, 6);
	put8(f, inner - 3, 6 << 5 | 1);
	put_group(f, 1, inner, 15, 7, 0, true, 0, 0);
	for (unsigned i = 0; i < 15; i++)
		put_used(f, inner, 128, i, 0, 0);
	put_group(f, 2, DONATED + 0x800, 1, 7, 0, false, 0, 0);
	put_used(f, DONATED + 0x800, 128, 0, 0, 1);
	put_group(f, 3, DONATED + 0x20, 1, 1, 0, false, 0, 1); /* in the same page */
	put8(f, DONATED + 0x20 + 16 - 3, 255);
	put_group(f, 4, LARGE, 1, 63, 0x200, true, 0, 0);
	put_used(f, LARGE, 0x200000 - 16, 0, 2, 4096 + 7);
	assert_null(blocks_build_with(&env, &f->img, walkers, &b));
	info = info_of(&b);
	assert_int_equal(info->checks_failed, 0);
	assert_int_equal(info->n_used, 1 + 15 + 1 + 1);
	assert_int_equal(info->n_free, 5 + 1);
	assert_int_equal(b.n_claims, 4);
	assert_true(is_used(&b, inner + 16 + 14 * 128, 128));
	assert_true(is_used(&b, DONATED + 0x810, 128));
	assert_true(is_used(&b, LARGE + 48, align_up(0x200000 - 48 - 4103, 16)));
	assert_true(block_is_filler(&b, block_at(&b, inner)));
	blocks_fini(&b);
	fake_image_free(f);
}

/* Aligned to 1 MiB: the header in front of the block has 32 bits for what 16 at the start cannot hold. */
static void a_block_far_into_its_mapping(void **state)
{
	struct fake_image *f = process_new();
	taddr block = LARGE + 0x100000;
	uint32_t units = (block - LARGE - 16) / 16;
	struct blocks b;

	(void)state;
	put_group(f, 0, LARGE, 1, 63, 0x200, true, 0, 0);
	put8(f, LARGE + 16 - 3, 7 << 5);
	put16(f, LARGE + 16 - 2, (uint16_t)units);
	put_bytes(f, block - 8, &units, 4);
	put8(f, block - 4, 1);
	put8(f, block - 3, 0);
	assert_null(blocks_build_with(&env, &f->img, walkers, &b));
	assert_true(is_used(&b, block, 0x100000));
	assert_int_equal(info_of(&b)->checks_failed, 0);
	blocks_fini(&b);
	fake_image_free(f);
}

/* What is overwritten, and the blocks that are left; in every case something is said. */
static const struct {
	const char *name;
	taddr at;
	uint64_t value;
	unsigned n_used;
} damage[] = {
	{ "the group's word that names its meta", GROUP, 0x4141414141414141, 20 },
	{ "a slot's header", GROUP + 16 + 128 * 3 - 8, 0x4141414141414141, 20 },
	{ "where the group is", AREA + 24 + 16, 0x4141414141414140, 0 },
	{ "where the group is: in unmapped memory", AREA + 24 + 16, 0x7000000000, 0 },
	{ "how many slots, and of what class", AREA + 24 + 32, ~0ull, 0 },
	{ "masks of slots there are not", AREA + 24 + 24, ~0ull, 0 },
	{ "a mask that frees what is used", AREA + 24 + 24, 1 << 7, 20 },
	{ "the link of the last area", AREA + 8, 0x4141414141414141, 20 },
	{ "the first area", CTX + 56, 0x4141414141414141, 20 },
	{ "what malloc counts", CTX + 464 + 8 * 7, 7, 20 },
};

static void damage_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(damage); i++) {
		struct fake_image *f = process_new();
		struct blocks b;

		put_group(f, 0, GROUP, 20, 7, 1, true, 0, 0);
		for (unsigned s = 0; s < 20; s++)
			put_used(f, GROUP, 128, s, 0, 0);
		fake_image_put(f, damage[i].at, damage[i].value);
		assert_null(blocks_build_with(&env, &f->img, walkers, &b));
		if (info_of(&b)->n_used != damage[i].n_used || !info_of(&b)->n_damage ||
		    !info_of(&b)->checks_failed)
			fail_msg("%s: %lu used, %zu told", damage[i].name, info_of(&b)->n_used,
				 info_of(&b)->n_damage);
		blocks_fini(&b);
		fake_image_free(f);
	}
}

static void groups_across_each_other(void **state)
{
	struct fake_image *f = process_new();
	struct blocks b;

	(void)state;
	put_group(f, 0, GROUP, 20, 7, 1, true, 0, 0);
	for (unsigned s = 0; s < 20; s++)
		put_used(f, GROUP, 128, s, 0, 0);
	put_group(f, 1, GROUP + 16 + 64, 15, 7, 0, true, 0, 0); /* in no one slot */
	assert_null(blocks_build_with(&env, &f->img, walkers, &b));
	assert_int_equal(info_of(&b)->n_used, 20);
	assert_true(info_of(&b)->n_damage);
	blocks_fini(&b);
	fake_image_free(f);
}

static void no_context_is_no_heap(void **state)
{
	struct fake_image *f = process_new();
	struct blocks b;

	(void)state;
	fake_image_put(f, AREA, SECRET_ + 1); /* the area has another secret */
	assert_null(blocks_build_with(&env, &f->img, walkers, &b));
	assert_int_equal(b.n_heaps, 0);
	blocks_fini(&b);
	fake_image_free(f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(slots_by_their_masks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(groups_of_every_kind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_block_far_into_its_mapping, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damage_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(groups_across_each_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_context_is_no_heap, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
