/*
 * Hash tables of chains, laid out word by word: what is counted as one, and what is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fake_image.h"
#include "heap/blocks.h"
#include "image/shadow.h"
#include "type/chained.h"

enum {
	ARRAY = 0x100000, /* a heap with one block */
	ENTRIES = 0x200000,
	VALUES = 0x300000, /* of the same size */
	BUCKETS = 128,
	SIZE = 32,
	N = 90,
	KEY = 0,
	VALUE = 8,
	NEXT = 16,
};

static const struct fake_mapping memory[] = {
	{ ARRAY, 0x1000, SEG_R | SEG_W },
	{ ENTRIES, 0x1000, SEG_R | SEG_W },
	{ VALUES, 0x2000, SEG_R | SEG_W },
	{},
};

struct world {
	struct env env;
	struct fake_image *f;
	struct blocks blocks;
};

static taddr entry(unsigned i)
{
	return ENTRIES + i * SIZE;
}

static taddr value(unsigned i)
{
	return VALUES + i * SIZE;
}

static uint64_t word(const struct world *w, taddr at)
{
	uint64_t v = 0;

	assert_int_equal(image_read_u64(&w->f->img, at, &v), MEM_OK);
	return v;
}

static taddr bucket_of(unsigned i)
{
	uint64_t h = (i + 1) * 0x9e3779b97f4a7c15ull;

	h = (h ^ h >> 31) * 0xbf58476d1ce4e5b9ull; /* splitmix64: a product alone spreads better than chance */
	return ARRAY + 8 * ((h ^ h >> 27) & (BUCKETS - 1));
}

/* As a program does: the new one is the first of its bucket. */
static void insert(struct world *w, taddr bucket, taddr at)
{
	fake_image_put(w->f, at + NEXT, word(w, bucket));
	fake_image_put(w->f, bucket, at);
}

static void put_blocks(struct fake_heap *h, taddr start, uint64_t size, unsigned n)
{
	*h = (struct fake_heap){ 90, .claims = { { start, start + n * size } } };
	for (unsigned i = 0; i < n; i++)
		h->blocks[i].at = start + i * size, h->blocks[i].state = 'u';
}

static void world_open(struct world *w)
{
	env_init(&w->env);
	w->f = fake_image_new(&w->env, memory, &(struct fake_word){});
	put_blocks(&w->f->heaps[0], ARRAY, 8 * BUCKETS, 1);
	put_blocks(&w->f->heaps[1], ENTRIES, SIZE, N);
	put_blocks(&w->f->heaps[2], VALUES, SIZE, N);
	for (unsigned i = 0; i < N; i++) {
		fake_image_put(w->f, entry(i) + KEY, 2 * i + 1);
		fake_image_put(w->f, entry(i) + VALUE, value(i));
		fake_image_put(w->f, value(i) + VALUE, 7);
		fake_image_put(w->f, value(i) + NEXT, value((i + 1) % N));
	}
}

static void insert_all(struct world *w)
{
	for (unsigned i = 0; i < N; i++)
		insert(w, bucket_of(i), entry(i));
}

static bool find(struct world *w, uint64_t link, struct graph_table *ret)
{
	bool is_one;

	assert_null(blocks_build_with(&w->env, &w->f->img, fake_walkers, &w->blocks));
	is_one = chained_table(&w->f->img, &w->blocks, block_at(&w->blocks, ARRAY), link, ret);
	blocks_fini(&w->blocks);
	return is_one;
}

static void world_close(struct world *w)
{
	fake_image_free(w->f);
	env_fini(&w->env);
}

static void entries_are_counted(void **state)
{
	struct graph_table t;
	struct world w = {};
	unsigned used = 0;

	(void)state;
	world_open(&w);
	insert_all(&w);
	for (unsigned i = 0; i < BUCKETS; i++)
		used += word(&w, ARRAY + 8 * i) != 0;
	assert_true(find(&w, TABLE_ANY_LINK, &t));
	assert_int_equal(t.entries, N);
	assert_int_equal(t.bytes, N * SIZE);
	assert_int_equal(t.used, used);
	assert_int_equal(t.link, NEXT);
	assert_true(t.is_spread);
	assert_false(find(&w, VALUE, &t));
	world_close(&w);
}

/* One word, and it is no table any more. */
static const struct {
	const char *name;
	taddr at;
	uint64_t value;
} damages[] = {
	{ "an entry that leads to itself", ENTRIES + NEXT, ENTRIES },
	{ "an entry that leads to one of another bucket", ENTRIES + NEXT, ENTRIES + 2 * SIZE },
	{ "a link into the middle of one", ENTRIES + NEXT, ENTRIES + SIZE + 8 },
	{ "a link that is no pointer", ENTRIES + NEXT, 12 },
	{ "a bucket that is no pointer", ARRAY + 8 * 5, 1 },
	{ "an entry with a tag of its own", ENTRIES + NEXT, ENTRIES | 2 },
	{ "a bucket that leads to no block", ARRAY + 8 * 5, VALUES + 0xff8 },
};

static void each_word_counts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		struct graph_table t;
		struct world w = {};

		world_open(&w);
		insert_all(&w);
		fake_image_put(w.f, damages[i].at, damages[i].value);
		if (find(&w, TABLE_ANY_LINK, &t))
			fail_msg("%s", damages[i].name);
		world_close(&w);
	}
}

static void what_is_not_hashed_is_none(void **state)
{
	struct graph_table t;
	struct world w = {};

	(void)state;
	world_open(&w);
	assert_false(find(&w, TABLE_ANY_LINK, &t)); /* empty */
	for (unsigned i = 0; i < N; i++) /* an array of pointers: no chain has two */
		insert(&w, ARRAY + 8 * i, entry(i));
	assert_false(find(&w, TABLE_ANY_LINK, &t));
	assert_true(find(&w, NEXT, &t)); /* it may be a part of a table that is known otherwise */
	assert_int_equal(t.entries, N);
	world_close(&w);
	world_open(&w);
	for (unsigned i = 0; i < N; i++) /* a few lists, in two of all buckets */
		insert(&w, ARRAY + 8 * (i % 2 ? 3 : 100), entry(i));
	assert_false(find(&w, TABLE_ANY_LINK, &t));
	world_close(&w);
}

/* An array of structs of which each third has something behind it: as many buckets are used as by hashing, or more. */
static void structs_with_parts_are_none(void **state)
{
	enum { PARTS = 4 * SIZE };

	(void)state;
	for (unsigned gaps = 0; gaps < 2; gaps++) {
		struct graph_table t;
		struct world w = {};

		world_open(&w);
		put_blocks(&w.f->heaps[2], VALUES, PARTS, N / 3);
		for (unsigned i = 0; i < N; i++)
			insert(&w, ARRAY + 8 * (i + (gaps ? i / 4 : 0)), entry(i));
		for (unsigned i = 0; i < N / 3; i++) {
			fake_image_put(w.f, VALUES + i * PARTS + NEXT, 0);
			fake_image_put(w.f, entry(3 * i) + NEXT, VALUES + i * PARTS);
			fake_image_put(w.f, VALUES + i * PARTS + VALUE, 7);
		}
		for (unsigned i = 0; i < N; i++)
			fake_image_put(w.f, entry(i) + VALUE, 7);
		assert_false(find(&w, TABLE_ANY_LINK, &t));
		world_close(&w);
	}
}

/* By the values, too, chains end: which of both is the table nobody can tell. */
static void two_links_that_differ_are_none(void **state)
{
	struct graph_table t;
	struct world w = {};

	(void)state;
	world_open(&w);
	insert_all(&w);
	for (unsigned i = 0; i < N; i++)
		fake_image_put(w.f, value(i) + VALUE, 0);
	assert_false(find(&w, TABLE_ANY_LINK, &t));
	world_close(&w);
	world_open(&w);
	insert_all(&w);
	for (unsigned i = 0; i < N; i++) /* twice the same */
		fake_image_put(w.f, entry(i) + VALUE, word(&w, entry(i) + NEXT));
	assert_true(find(&w, TABLE_ANY_LINK, &t));
	assert_int_equal(t.entries, N);
	world_close(&w);
}

/* Of 512 buckets all but 128 were emptied; twice as many entries, so that these are mostly used. */
static void buckets_may_have_been_emptied(void **state)
{
	enum { OF = 4 };
	struct graph_table t;
	struct world w = {};

	(void)state;
	world_open(&w);
	put_blocks(&w.f->heaps[0], ARRAY, 8 * OF * BUCKETS, 1);
	for (unsigned i = 0; i < 2 * N; i++)
		insert(&w, ARRAY + OF * (bucket_of(i) - ARRAY), i < N ? entry(i) : value(i - N));
	assert_true(find(&w, TABLE_ANY_LINK, &t));
	assert_int_equal(t.entries, 2 * N);
	assert_int_equal(t.link, NEXT);
	assert_true(t.is_thinned);
	assert_false(t.is_spread);
	world_close(&w);
	world_open(&w);
	put_blocks(&w.f->heaps[0], ARRAY, 8 * OF * BUCKETS, 1);
	for (unsigned i = 0; i < 2 * N; i++) /* lists of two: not by chance */
		insert(&w, ARRAY + 40 * (i / 2), i < N ? entry(i) : value(i - N));
	assert_false(find(&w, TABLE_ANY_LINK, &t));
	world_close(&w);
}

/* What a program leads to by a tag has no link: the last of its bucket is the thing itself. */
struct tagging {
	const char *name;
	uint64_t entry, end; /* in the low bits of words that lead to one with a link, and to one without */
	uint64_t header;     /* bytes before the place that each third of the latter is known by */
};

static const struct tagging taggings[] = {
	{ "the last one is tagged", 0, 2, 0 },
	{ "behind a header, too", 0, 2, 8 },
	{ "entries are tagged, and the last one otherwise", 2, 1, 0 },
};

static unsigned insert_tagged(struct world *w, const struct tagging *how)
{
	unsigned entries = 0;

	for (unsigned i = 0; i < N; i++) {
		taddr bucket = bucket_of(i), last = (value(i) + (i % 3 ? 0 : how->header)) | how->end;

		fake_image_put(w->f, value(i) + NEXT, 1); /* it has no link */
		if (!word(w, bucket)) {
			fake_image_put(w->f, bucket, last);
			continue;
		}
		fake_image_put(w->f, entry(entries) + NEXT, word(w, bucket));
		fake_image_put(w->f, bucket, entry(entries++) | how->entry);
	}
	return entries;
}

static void entries_end_by_a_tag(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(taggings); i++) {
		const struct tagging *how = &taggings[i];
		struct graph_table t;
		struct world w = {};

		world_open(&w);
		assert_true(insert_tagged(&w, how) > 10);
		if (!find(&w, TABLE_ANY_LINK, &t))
			fail_msg("%s", how->name);
		assert_int_equal(t.entries, N);
		assert_int_equal(t.link, NEXT | how->entry);
		assert_int_equal(t.tags, 1u << how->entry | 1u << how->end);
		assert_int_equal(t.headers, how->header ? 3 : 1);
		assert_true(find(&w, t.link, &t));
		assert_int_equal(t.entries, N);
		assert_false(find(&w, NEXT | (how->entry ^ 4), &t));
		world_close(&w);
	}
}

static void each_tagged_word_counts(void **state)
{
	static const struct {
		const char *name;
		uint64_t first; /* of the first entry, instead of what it leads to; 0: what a bucket leads to */
	} wrong[] = {
		{ "a tagged word into the middle", (VALUES + 5 * SIZE + 8) | 2 },
		{ "a tagged word that another one is, too", 0 },
		{ "a tagged word to no block", 0x400000 | 2 },
		{ "an entry that leads to itself", ENTRIES },
		{ "what is tagged as the last, without a tag", VALUES + 89 * SIZE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct graph_table t;
		struct world w = {};
		taddr bucket = ARRAY;

		world_open(&w);
		insert_tagged(&w, &taggings[0]);
		while (!(word(&w, bucket) & 2))
			bucket += 8;
		fake_image_put(w.f, entry(0) + NEXT, wrong[i].first ? wrong[i].first : word(&w, bucket));
		if (find(&w, TABLE_ANY_LINK, &t))
			fail_msg("%s", wrong[i].name);
		world_close(&w);
	}
}

/* Each bucket has one: that is an array of tagged pointers, and no chain says more. */
static void tagged_pointers_alone_are_none(void **state)
{
	struct graph_table t;
	struct world w = {};

	(void)state;
	world_open(&w);
	for (unsigned i = 0; i < N; i++)
		fake_image_put(w.f, ARRAY + 8 * i, value(i) | 2);
	assert_false(find(&w, TABLE_ANY_LINK, &t));
	for (unsigned i = 0; i < 20; i++) /* and these lead to one each: far better than chance */
		fake_image_put(w.f, ARRAY + 8 * i, entry(i)), fake_image_put(w.f, entry(i) + NEXT, value(i) | 2);
	assert_false(find(&w, TABLE_ANY_LINK, &t));
	world_close(&w);
}

/* What a blanked dump keeps of a table: its buckets and links as they are, and nothing else of entries. */
static void buckets_and_links_are_kept(void **state)
{
	uint8_t kept[0x1000];
	struct shadow shadow = { .to = kept, .size = sizeof(kept), .mode = SHADOW_WORDS };
	struct graph_table t;
	struct world w = {};

	(void)state;
	world_open(&w);
	insert_tagged(&w, &taggings[0]);
	for (unsigned i = 0; i < 2; i++) {
		memset(kept, 0, sizeof(kept));
		shadow.from = fake_image_bytes(w.f, i ? ENTRIES : ARRAY);
		w.f->img.shadow = &shadow;
		assert_true(find(&w, TABLE_ANY_LINK, &t));
		w.f->img.shadow = NULL;
		for (unsigned k = 0; !i && k < BUCKETS; k++)
			assert_int_equal(load_u64(kept + 8 * k), word(&w, ARRAY + 8 * k));
		for (unsigned k = 0; i && k < N; k++) {
			assert_int_equal(load_u64(kept + k * SIZE + NEXT), word(&w, entry(k) + NEXT));
			assert_int_equal(load_u64(kept + k * SIZE + KEY), 0);
		}
	}
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_are_counted),
		cmocka_unit_test(each_word_counts),
		cmocka_unit_test(what_is_not_hashed_is_none),
		cmocka_unit_test(two_links_that_differ_are_none),
		cmocka_unit_test(structs_with_parts_are_none),
		cmocka_unit_test(buckets_may_have_been_emptied),
		cmocka_unit_test(entries_end_by_a_tag),
		cmocka_unit_test(each_tagged_word_counts),
		cmocka_unit_test(tagged_pointers_alone_are_none),
		cmocka_unit_test(buckets_and_links_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
