/*
 * tagged_find(): what tells that tagged pointers are a program's habit, and that nothing less does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fake_image.h"
#include "type/scan.h"

enum {
	ARRAY = 0x100000,
	ENTRIES = 0x200000,
	LAST = 0x300000, /* and what has no link */
	BUCKETS = 512,
	SIZE = 64,
	N = 90,
	NEXT = 0,
	TAG = 2,
};

static const struct fake_mapping memory[] = {
	{ ARRAY, 0x1000, SEG_R | SEG_W },
	{ ENTRIES, 0x2000, SEG_R | SEG_W },
	{ LAST, 0x2000, SEG_R | SEG_W },
	{},
};

struct world {
	struct env env;
	struct fake_image *f;
	struct blocks blocks;
};

static void put_blocks(struct fake_heap *h, taddr start, uint64_t size, unsigned n)
{
	*h = (struct fake_heap){ 90, .claims = { { start, start + n * size } } };
	for (unsigned i = 0; i < n; i++)
		h->blocks[i].at = start + i * size, h->blocks[i].state = 'u';
}

static taddr bucket_of(unsigned i)
{
	uint64_t h = (i + 1) * 0x9e3779b97f4a7c15ull;

	h = (h ^ h >> 31) * 0xbf58476d1ce4e5b9ull;
	return ARRAY + 8 * ((h ^ h >> 27) & (BUCKETS - 1));
}

static void put(struct world *w, unsigned i, unsigned header, unsigned *entries)
{
	taddr last = (LAST + (uint64_t)i * SIZE + header) | TAG;
	uint64_t first = 0;

	assert_int_equal(image_read_u64(&w->f->img, bucket_of(i), &first), MEM_OK);
	if (first) {
		last = ENTRIES + (uint64_t)(*entries)++ * SIZE;
		fake_image_put(w->f, last + NEXT, first);
	}
	fake_image_put(w->f, bucket_of(i), last);
}

static struct scan open_world(struct world *w, unsigned header)
{
	struct scan s;
	unsigned entries = 0;

	*w = (struct world){};
	env_init(&w->env);
	w->f = fake_image_new(&w->env, memory, &(struct fake_word){});
	put_blocks(&w->f->heaps[0], ARRAY, 8 * BUCKETS, 1);
	put_blocks(&w->f->heaps[1], ENTRIES, SIZE, N);
	put_blocks(&w->f->heaps[2], LAST, SIZE, N);
	for (unsigned i = 0; i < N; i++)
		put(w, i, i % 3 ? 0 : header, &entries);
	assert_null(blocks_build_with(&w->env, &w->f->img, fake_walkers, &w->blocks));
	s = scan_init(&w->f->img, &w->blocks);
	return s;
}

static void close_world(struct world *w)
{
	blocks_fini(&w->blocks);
	fake_image_free(w->f);
	env_fini(&w->env);
}

static void a_table_proves_its_tag(void **state)
{
	uint32_t block;
	struct world w;
	struct scan s;

	(void)state;
	s = open_world(&w, 16);
	block = block_at(&w.blocks, LAST);
	assert_int_equal(scan_target(&s, LAST | TAG), block | EDGE_INTERIOR);
	s.tagged = tagged_find(&w.f->img, &w.blocks);
	assert_int_equal(s.tagged.tags, 1u << TAG);
	assert_int_equal(s.tagged.headers, 1u << 0 | 1u << 2);
	assert_int_equal(scan_target(&s, LAST | TAG), block);
	assert_int_equal(scan_target(&s, (LAST + 16) | TAG), block);
	assert_int_equal(scan_target(&s, LAST), block);
	assert_int_equal(scan_target(&s, LAST | 1), block | EDGE_INTERIOR);
	assert_int_equal(scan_target(&s, LAST | 6), block | EDGE_INTERIOR);
	assert_int_equal(scan_target(&s, (LAST + 8) | TAG), block | EDGE_INTERIOR);
	assert_int_equal(scan_target(&s, LAST + 16), block | EDGE_INTERIOR);
	close_world(&w);
}

/* One word of it that leads elsewhere, and nothing is known. */
static void a_table_with_a_word_of_its_own_proves_none(void **state)
{
	static const uint64_t words[] = { 7, LAST | TAG, (LAST + 89 * SIZE + 60) | TAG, 0x7f0000000002 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		struct world w;
		struct tagged found;

		open_world(&w, 0);
		fake_image_put(w.f, bucket_of(0), words[i]);
		fake_image_put(w.f, bucket_of(1), words[i]);
		found = tagged_find(&w.f->img, &w.blocks);
		assert_int_equal(found.tags, 0);
		close_world(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_proves_its_tag),
		cmocka_unit_test(a_table_with_a_word_of_its_own_proves_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
