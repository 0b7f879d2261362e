/* PHP's own heap, word by word: which chunks count, what is used and free in them, and where damage ends it. */
#include <string.h>

#include "base/guard.h"
#include "fake_image.h"
#include "heap/blocks.h"
#include "type/pools.h"
#include "unit_env.h"

enum {
	MIB2 = 2 << 20,
	FIRST = 0x20000000, /* a multiple of 2 MiB */
	SECOND = FIRST + MIB2,
	HUGE = SECOND + MIB2,
	CACHED = HUGE + MIB2,
	HEAP = FIRST + 64,
	SMALL = FIRST + 4096, /* 170 blocks of 24 bytes */
	ODD = FIRST + 2 * 4096, /* five pages, 64 blocks of 320 */
	RUN = 1u << 31,
	LARGE = 1 << 30,
	USED = 168 * 24 + 63 * 320 + (3 + 100) * 4096 + MIB2,
};

/* Of 8.3 and before, and since 8.4: which has one word more, and another where nobody looks. */
static const struct form {
	unsigned slots, main, map;
} forms[] = { { 32, 312, 512 }, { 40, 320, 552 }, { 32, 328, 544 } };

static const struct pool_case {
	const char *name;
	taddr at; /* 0: nothing; else the word there is overwritten */
	unsigned in_heap, in_map;
	uint64_t value;
	uint64_t bytes, used; /* 0: no pool */
	bool agrees;
	unsigned counts[2]; /* else 2 chunks and a cached one */
	uint64_t real;	    /* else all of them */
} cases[] = {
	{ "sound", 0, 0, 0, 0, 4 * MIB2, USED, true },
	{ "another first chunk", 0, 1, 0, SECOND, 0, 0, false },
	{ "another heap", FIRST, 0, 0, HEAP + 64, 0, 0, false },
	{ "a number of free pages that is not", FIRST + 24, 0, 0, 400, 0, 0, false },
	{ "a second chunk of another heap", SECOND, 0, 0, SECOND + 64, 3 * MIB2, USED - 100 * 4096, false },
	{ "chunks that lead nowhere", FIRST + 8, 0, 0, 0x41414141, 3 * MIB2, USED - 100 * 4096, false },
	{ "chunks in a ring without the first", SECOND + 8, 0, 0, SECOND, 4 * MIB2, 0, false },
	{ "a list of free blocks that loops", SMALL + 7 * 24, 0, 0, SMALL + 5 * 24, 4 * MIB2, USED + 2 * 24, false },
	{ "a list of free blocks that leads to others", SMALL + 7 * 24, 0, 0, ODD, 4 * MIB2, USED + 2 * 24, false },
	{ "a run of too many pages", 0, 0, 7, (uint64_t)LARGE | 0x3ff, 4 * MIB2, USED - 3 * 4096, false },
	{ "a page of no run", 0, 0, 7, 0, 4 * MIB2, USED - 3 * 4096, false },
	{ "a huge block of no size", SMALL + 8, 0, 0, 0, 3 * MIB2, USED - MIB2, false },
	{ "huge blocks in a ring", SMALL + 16, 0, 0, SMALL, 0, 1, false },
	{ "a size that it does not have", HEAP + 16, 0, 0, USED - 24, 4 * MIB2, USED, false },
	{ "a chunk that no list has", 0, 0, 0, 0, 4 * MIB2, USED, false, .counts = { 3, 1 } },
	{ "a cached chunk that no list has", 0, 0, 0, 0, 4 * MIB2, USED, false, .counts = { 2, 2 } },
	{ "cached chunks that are not in real_size, as in 7.4", 0, 0, 0, 0, 4 * MIB2, USED, true, .real = 3 * MIB2 },
};

static void put_pages(struct fake_image *f, taddr map, unsigned from, unsigned n, uint32_t first, uint32_t then)
{
	for (unsigned i = from; i < from + n; i++) {
		uint32_t run = i == from ? first : then;

		memcpy(fake_image_bytes(f, map + 4ull * i), &run, sizeof(run));
		*fake_image_bytes(f, map - 64 + i / 8) |= (uint8_t)(1 << i % 8);
	}
}

static void put_chunk(struct fake_image *f, taddr at, taddr next, unsigned free_pages, taddr map)
{
	fake_image_put(f, at, HEAP);
	fake_image_put(f, at + 8, next);
	fake_image_put(f, at + 16, next);
	fake_image_put(f, at + 24, free_pages);
	put_pages(f, map, 0, 1, LARGE | 1, 0);
}

static void put_heap(struct fake_image *f, const struct form *form)
{
	taddr slots = HEAP + form->slots, main = HEAP + form->main;

	fake_image_put(f, HEAP + 16, USED);
	fake_image_put(f, HEAP + 24, USED);
	if (form->slots == 40)
		fake_image_put(f, HEAP + 32, 0x123456789abcdef0); /* shadow_key */
	fake_image_put(f, slots + 8 * 2, SMALL + 5 * 24);
	fake_image_put(f, SMALL + 5 * 24, SMALL + 7 * 24);
	fake_image_put(f, slots + 8 * 16, ODD + 320);
	fake_image_put(f, slots + 240, 4 * MIB2);
	fake_image_put(f, slots + 248, 4 * MIB2);
	fake_image_put(f, slots + 256, 128 << 20); /* limit */
	fake_image_put(f, main - 8, SMALL);
	fake_image_put(f, main, FIRST);
	fake_image_put(f, main + 8, CACHED);
	fake_image_put(f, main + 16, 2 | 4ull << 32); /* chunks, and at the peak */
	fake_image_put(f, main + 24, 1);
	fake_image_put(f, SMALL, HUGE);
	fake_image_put(f, SMALL + 8, MIB2);
	put_chunk(f, FIRST, SECOND, 512 - 10, FIRST + form->map);
	put_pages(f, FIRST + form->map, 1, 1, RUN | 2, 0);
	put_pages(f, FIRST + form->map, 2, 5, RUN | 16, RUN | LARGE | 16);
	put_pages(f, FIRST + form->map, 7, 3, LARGE | 3, 0);
	put_chunk(f, SECOND, FIRST, 512 - 101, SECOND + form->map);
	put_pages(f, SECOND + form->map, 1, 100, LARGE | 100, 0);
}

static void damage(struct fake_image *f, const struct form *form, const struct pool_case *c)
{
	uint32_t run = (uint32_t)c->value;

	if (c->at)
		fake_image_put(f, c->at, c->value);
	if (c->counts[0]) {
		fake_image_put(f, HEAP + form->main + 16, c->counts[0]);
		fake_image_put(f, HEAP + form->main + 24, c->counts[1]);
	}
	if (c->real)
		fake_image_put(f, HEAP + form->slots + 240, c->real);
	if (c->in_heap)
		fake_image_put(f, HEAP + form->main, c->value);
	if (c->in_map)
		memcpy(fake_image_bytes(f, FIRST + form->map + 4 * c->in_map), &run, sizeof(run));
}

static void check(const struct form *form, const struct pool_case *c)
{
	static const struct fake_mapping mappings[] = { { FIRST, 4 * MIB2, SEG_R | SEG_W, 0, false }, {} };
	struct fake_image *f = fake_image_new(&env, mappings, (struct fake_word[]){ {} });
	struct blocks blocks = {};
	struct pools p = {};
	uint64_t used = 0;

	assert_non_null(f);
	put_heap(f, form);
	damage(f, form, c);
	assert_null(blocks_build_with(&env, &f->img, fake_walkers, &blocks));
	assert_null(pools_find(&env, &f->img, &blocks, NULL, false, &p));
	assert_int_equal(p.n, c->used != 0 || c->bytes);
	for (uint32_t i = 0; p.n && i < p.v[0].n_contents; i++)
		used += p.v[0].contents[i].bytes;
	if (p.n && (p.v[0].agrees != c->agrees || (c->bytes && p.v[0].bytes != c->bytes) ||
		    (c->used > 1 && used != c->used)))
		fail_msg("%s: %llu bytes, %llu used, %s", c->name, (unsigned long long)p.v[0].bytes,
			 (unsigned long long)used, p.v[0].agrees ? "agrees" : "does not agree");
	pools_fini(&p);
	blocks_fini(&blocks);
	fake_image_free(f);
}

static void heaps_of_php(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(forms); k++)
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
			check(&forms[k], &cases[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(heaps_of_php, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
