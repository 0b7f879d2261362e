/*
 * musl's malloc before 1.2.1 over images built word by word: chunks with both of their sizes, bins and
 * mapped chunks; and each word of a chunk overwritten.
 */
#include "unit_env.h"

#include <string.h>

#include "base/guard.h"
#include "fake_image.h"
#include "heap/blocks.h"
#include "heap/oldmalloc.h"

extern const struct walker_ops oldmalloc_walker;
static const struct walker_ops *const walkers[] = { &oldmalloc_walker, NULL };

enum {
	BINS = 0x10108,
	HEAP = 0x100000,
	HEAP_SIZE = 0x2000,
	MAPPED = 0x200000,
	MAPPED_SIZE = 0x40000,
	FIRST = HEAP + 16,
	CHUNKS = 32,
};

static const struct fake_mapping memory[] = {
	{ 0x10000, 0x2000, SEG_R | SEG_W, 1 },
	{ HEAP, HEAP_SIZE, SEG_R | SEG_W },
	{ MAPPED, MAPPED_SIZE, SEG_R | SEG_W },
	{},
};

static taddr bin_chunk(unsigned i)
{
	return BINS + 24 * i - 8;
}

static uint64_t get(struct fake_image *f, taddr at)
{
	uint64_t word;

	assert_int_equal(image_read_u64(&f->img, at, &word), MEM_OK);
	return word;
}

/* In front of its list. */
static void put_in_bin(struct fake_image *f, taddr chunk, uint64_t size)
{
	unsigned i = old_bin_index(size);
	taddr bin = bin_chunk(i), first = get(f, bin + 16) ? get(f, bin + 16) : bin;

	fake_image_put(f, chunk + 16, first);
	fake_image_put(f, chunk + 24, bin);
	fake_image_put(f, first == bin ? bin + 24 : first + 24, chunk);
	fake_image_put(f, bin + 16, chunk);
	if (first == bin)
		fake_image_put(f, bin + 24, chunk);
	fake_image_put(f, BINS - 8, get(f, BINS - 8) | 1ull << i);
}

/* "u40 f60 ...": sizes in hexadecimal; the last one takes what is left, and is used. */
static size_t lay_out(struct fake_image *f, const char *layout, taddr *chunks)
{
	taddr at = FIRST, end = HEAP + HEAP_SIZE - 16;
	uint64_t before = 1;
	size_t n = 0;

	while (*layout) {
		char kind = *layout++, *rest;
		uint64_t size = strtoul(layout, &rest, 16);

		layout = rest + strspn(rest, " ");
		if (!*layout)
			size = end - at;
		chunks[n++] = at;
		fake_image_put(f, at, before);
		before = size | (kind == 'u');
		fake_image_put(f, at + 8, before);
		if (kind == 'f')
			put_in_bin(f, at, size);
		at += size;
	}
	fake_image_put(f, at, before);
	fake_image_put(f, at + 8, 1);
	return n;
}

static struct fake_image *process_new(const char *layout, taddr *chunks)
{
	struct fake_image *f = fake_image_new(&env, memory, &(struct fake_word){});

	for (unsigned i = 40; i < 44; i++) { /* used before, and empty */
		fake_image_put(f, bin_chunk(i) + 16, bin_chunk(i));
		fake_image_put(f, bin_chunk(i) + 24, bin_chunk(i));
	}
	lay_out(f, layout, chunks);
	return f;
}

static const struct heap_info *info_of(const struct blocks *b)
{
	assert_int_equal(b->n_heaps, 1);
	return b->heaps[0].info;
}

static void block_is(const struct blocks *b, taddr at, uint64_t usable, bool used)
{
	struct block block;

	assert_int_not_equal(block_at(b, at), BLOCK_NONE);
	block_get(b, block_at(b, at), &block);
	assert_int_equal(block.addr, at);
	assert_int_equal(block.usable, usable);
	assert_int_equal(block.used, used);
}

static void chunks_of_a_heap(void **state)
{
	taddr c[CHUNKS];
	struct fake_image *f = process_new("u40 f60 u20 f60 u80 f400 u1", c);
	const struct heap_info *info;
	struct blocks b;

	(void)state;
	assert_null(blocks_build_with(&env, &f->img, walkers, &b));
	info = info_of(&b);
	assert_int_equal(info->n_used, 4);
	assert_int_equal(info->n_free, 3);
	assert_int_equal(info->free, 0x60 + 0x60 + 0x400);
	assert_int_equal(info->checks_failed, 0);
	block_is(&b, c[0] + 16, 0x30, true);
	block_is(&b, c[1] + 16, 0x50, false);
	block_is(&b, c[4] + 16, 0x70, true);
	blocks_fini(&b);
	fake_image_free(f);
}

static void mapped_chunks(void **state)
{
	taddr c[CHUNKS], aligned = MAPPED + 0x10000 + 0x1000;
	struct fake_image *f = process_new("u40 f60 u1", c);
	struct blocks b;

	(void)state;
	fake_image_put(f, MAPPED + 16, 16);
	fake_image_put(f, MAPPED + 24, 0x10000 - 16);
	/* Aligned to a page: the header it had before is still there. */
	fake_image_put(f, MAPPED + 0x10000 + 16, 16);
	fake_image_put(f, MAPPED + 0x10000 + 24, 0x20000 - 16);
	fake_image_put(f, aligned - 16, 0x1000 - 16);
	fake_image_put(f, aligned - 8, 0x20000 - 0x1000 + 16);
	assert_null(blocks_build_with(&env, &f->img, walkers, &b));
	assert_int_equal(info_of(&b)->n_used, 4);
	assert_int_equal(info_of(&b)->checks_failed, 0);
	block_is(&b, MAPPED + 32, 0x10000 - 32, true);
	block_is(&b, aligned, 0x20000 - 0x1000, true);
	blocks_fini(&b);
	fake_image_free(f);
}

/* Of eight chunks the fourth's header is overwritten; where chunks begin stays clear, and so does use. */
static void headers_run_over(void **state)
{
	static const uint64_t values[] = { 0, 1, 0x20, 0x41, 0x1001, 0x4141414141414141, ~0ull };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(values) * 3; i++) {
		unsigned words = 1 + i % 3; /* its own size, the one before it, both */
		taddr c[CHUNKS];
		struct fake_image *f = process_new("u60 u80 f60 ua0 uc0 f80 u60 ue0 u1", c);
		struct blocks b;

		if (words & 1)
			fake_image_put(f, c[3] + 8, values[i / 3]);
		if (words & 2)
			fake_image_put(f, c[3], values[i / 3]);
		assert_null(blocks_build_with(&env, &f->img, walkers, &b));
		if (info_of(&b)->n_used != 7 || info_of(&b)->n_free != 2 || !info_of(&b)->n_damage)
			fail_msg("value 0x%lx, words %u: %lu used, %lu free, %zu told", values[i / 3], words,
				 info_of(&b)->n_used, info_of(&b)->n_free, info_of(&b)->n_damage);
		block_is(&b, c[3] + 16, 0x90, true);
		block_is(&b, c[4] + 16, 0xb0, true);
		blocks_fini(&b);
		fake_image_free(f);
	}
}

/* No sound chunk is left behind it: the rest is one block in use. */
static void all_behind_is_lost(void **state)
{
	taddr c[CHUNKS];
	struct fake_image *f = process_new("u60 f60 u60 f80 ua0 u1", c);
	struct blocks b;

	(void)state;
	for (taddr at = c[4]; at < HEAP + HEAP_SIZE - 16; at += 8)
		fake_image_put(f, at, 0x4141414141414141);
	assert_null(blocks_build_with(&env, &f->img, walkers, &b));
	assert_int_equal(info_of(&b)->n_used, 3);
	assert_true(info_of(&b)->n_damage);
	block_is(&b, c[4] + 16, HEAP + HEAP_SIZE - 16 - c[4] - 16, true);
	blocks_fini(&b);
	fake_image_free(f);
}

/* Lists like those of bins, but of things that have no size at both ends: another program's. */
static void lists_of_others(void **state)
{
	taddr c[CHUNKS];
	struct fake_image *f = process_new("u60 f60 u60 f80 ua0 u1", c);
	struct blocks b;

	(void)state;
	fake_image_put(f, c[2], 0x7777);
	fake_image_put(f, c[4], 0x7777);
	assert_null(blocks_build_with(&env, &f->img, walkers, &b));
	assert_int_equal(b.n_heaps, 0);
	blocks_fini(&b);
	fake_image_free(f);
}

static void a_list_that_loops(void **state)
{
	taddr c[CHUNKS];
	struct fake_image *f = process_new("u60 f80 ua0 f80 u60 f80 u1", c);
	struct blocks b;

	(void)state;
	fake_image_put(f, c[3] + 16, c[3]);
	assert_null(blocks_build_with(&env, &f->img, walkers, &b));
	assert_int_equal(info_of(&b)->n_free, 3); /* by their sizes */
	assert_true(info_of(&b)->checks_failed);
	blocks_fini(&b);
	fake_image_free(f);
}

/* src/malloc/malloc.c, bin_index(): one size each up to 33 units, then four to a power of two. */
static void sizes_and_bins(void **state)
{
	static const struct {
		uint64_t size;
		unsigned bin;
	} cases[] = {
		{ 0x20, 0 }, { 0x40, 1 }, { 0x420, 32 }, { 0x440, 32 }, { 0x520, 33 }, { 0x620, 34 },
		{ 0x820, 36 }, { 0x1020, 40 }, { 0x38000, 62 }, { 0x100000, 63 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (old_bin_index(cases[i].size) != cases[i].bin)
			fail_msg("0x%lx: bin %u", cases[i].size, old_bin_index(cases[i].size));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(chunks_of_a_heap, set_up, tear_down),
		cmocka_unit_test_setup_teardown(mapped_chunks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(headers_run_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(all_behind_is_lost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lists_of_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_list_that_loops, set_up, tear_down),
		cmocka_unit_test(sizes_and_bins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
