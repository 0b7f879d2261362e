/*
 * Maps, old and Swiss, laid out word by word as runtime/map.go and internal/runtime/maps describe
 * them; and what liars get: no loop, no byte counted twice, and `damaged`.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fake_image.h"
#include "type/go_maps.h"

enum {
	HEAP = 0x100000,
	HEAP_END = HEAP + 0x1000,
	HEADER = HEAP, /* 0x40 bytes */
	DIRECTORY = HEAP + 0x40,
	TABLE_A = HEAP + 0x60,
	TABLE_B = HEAP + 0xa0,
	GROUP_A = HEAP + 0xe0, /* 0x90 bytes: of a map[uint64]uint64, as its buckets */
	GROUP_B = HEAP + 0x170,
	SPARE = HEAP + 0x200,
	OTHER = HEAP + 0x290,
	REST = HEAP + 0x320,	/* nobody's */
	BUCKETS = HEAP + 0x400, /* room for five */
	END = HEAP + 0x6d0,
	MAX_WORDS = 40,
};

static const struct fake_mapping memory[] = { { HEAP, 0x1000, SEG_R | SEG_W }, {} };

static const struct fake_block blocks_of_heap[] = {
	{ HEADER, 'u' },  { DIRECTORY, 'u' }, { TABLE_A, 'u' }, { TABLE_B, 'u' },
	{ GROUP_A, 'u' }, { GROUP_B, 'u' },   { SPARE, 'u' },	{ OTHER, 'u' },
	{ REST, 'f' },	  { BUCKETS, 'u' },   { END, 'f' },	{},
};

static const struct go_type bucket = { .name = "map.group[uint64]uint64", .size = 136 + 8 };
static const struct go_type group = { .name = "map.group[uint64]uint64", .size = 136 };

/* Control bytes, tophashes: the first slot is the lowest byte. */
enum { H = 0x80 };
#define CTRL(a, b, c, d)                                                          \
	((uint64_t)0x80808080 << 32 | (uint64_t)(d) << 24 | (uint64_t)(c) << 16 | \
	 (uint64_t)(b) << 8 | (uint64_t)(a))
#define TOPS(a, b, c, d) \
	((uint64_t)(d) << 24 | (uint64_t)(c) << 16 | (uint64_t)(b) << 8 | (uint64_t)(a))
#define TABLE(used, capacity) ((uint64_t)(capacity) << 16 | (uint64_t)(used))
#define BITS(b, flags) ((uint64_t)(b) << 8 | (uint64_t)(flags))
#define NEXT(at) ((at) + 136)

struct expected {
	uint64_t used, capacity, deleted, overflow, bytes, need;
	bool growing, damaged, changing;
};

struct test_case {
	const char *name;
	unsigned minor; /* of Go; from 24 on Swiss */
	struct fake_word words[MAX_WORDS];
	struct expected want;
};

static const struct test_case cases[] = {
	{ "swiss: nothing was ever put in", 26, {}, { .bytes = 0x40, .need = 0x40 } },
	{ "swiss: one group",
	  26,
	  { { HEADER, 3 }, { HEADER + 16, GROUP_A }, { GROUP_A, CTRL(0x11, 0x22, 0x7f, H) } },
	  { 3, 8, 0, 0, 0x40 + 0x90, 0x40 + 144 } },
	{ "swiss: one group, emptied",
	  26,
	  { { HEADER + 16, GROUP_A }, { GROUP_A, CTRL(H, H, H, H) } },
	  { 0, 8, 0, 0, 0x40 + 0x90, 0x40 } },
	{ "swiss: two tables, each in two entries of the directory; one slot deleted",
	  26,
	  { { HEADER, 5 },
	    { HEADER + 16, DIRECTORY },
	    { HEADER + 24, 4 },
	    { HEADER + 32, 2 },
	    { DIRECTORY, TABLE_A },
	    { DIRECTORY + 8, TABLE_A },
	    { DIRECTORY + 16, TABLE_B },
	    { DIRECTORY + 24, TABLE_B },
	    { TABLE_A, TABLE(3, 8) },
	    { TABLE_A + 16, GROUP_A },
	    { TABLE_B, TABLE(2, 8) },
	    { TABLE_B + 8, 2 },
	    { TABLE_B + 16, GROUP_B },
	    { GROUP_A, CTRL(0, 1, 2, H) },
	    { GROUP_B, CTRL(0xfe, 1, 2, H) } },
	  { 5, 16, 1, 0, 0x40 + 0x20 + 2 * 0x40 + 2 * 0x90, 0x40 + 144 } },
	{ "swiss: entries are not as many as the header says",
	  26,
	  { { HEADER, 7 }, { HEADER + 16, GROUP_A }, { GROUP_A, CTRL(1, 2, 3, H) } },
	  { 7, 8, 0, 0, 0x40 + 0x90, 0x40 + 144, .damaged = true } },
	{ "swiss: entries are one less, and somebody is at it",
	  26,
	  { { HEADER, 2 },
	    { HEADER + 16, GROUP_A },
	    { HEADER + 32, 1 << 16 },
	    { GROUP_A, CTRL(1, 2, 3, H) } },
	  { 2, 8, 0, 0, 0x40 + 0x90, 0x40 + 144, .changing = true } },
	{ "swiss: somebody is at it, and all holds together",
	  26,
	  { { HEADER, 3 },
	    { HEADER + 16, GROUP_A },
	    { HEADER + 32, 1 << 16 },
	    { GROUP_A, CTRL(1, 2, 3, H) } },
	  { 3, 8, 0, 0, 0x40 + 0x90, 0x40 + 144 } },
	{ "swiss: a flag that is none",
	  26,
	  { { HEADER, 2 },
	    { HEADER + 16, GROUP_A },
	    { HEADER + 32, 0x55 << 16 },
	    { GROUP_A, CTRL(1, 2, 3, H) } },
	  { 2, 8, 0, 0, 0x40 + 0x90, 0x40 + 144, .damaged = true } },
	{ "swiss: a directory longer than its block",
	  26,
	  { { HEADER + 16, DIRECTORY }, { HEADER + 24, 1ull << 40 }, { HEADER + 32, 40 } },
	  { 0, 0, 0, 0, 0x40, 0x40, .damaged = true } },
	{ "swiss: a directory whose length overflows",
	  26,
	  { { HEADER + 16, DIRECTORY }, { HEADER + 24, 1ull << 61 | 1 } },
	  { 0, 0, 0, 0, 0x40, 0x40, .damaged = true } },
	{ "swiss: a length that is not the depth's",
	  26,
	  { { HEADER, 3 },
	    { HEADER + 16, DIRECTORY },
	    { HEADER + 24, 1 },
	    { HEADER + 32, 1 },
	    { DIRECTORY, TABLE_A },
	    { TABLE_A, TABLE(3, 8) },
	    { TABLE_A + 16, GROUP_A },
	    { GROUP_A, CTRL(1, 2, 3, H) } },
	  { 3, 8, 0, 0, 0x40 + 0x20 + 0x40 + 0x90, 0x40 + 144, .damaged = true } },
	{ "swiss: a table that stands where it does not belong counts once",
	  26,
	  { { HEADER, 3 },
	    { HEADER + 16, DIRECTORY },
	    { HEADER + 24, 4 },
	    { HEADER + 32, 2 },
	    { DIRECTORY, TABLE_A },
	    { DIRECTORY + 8, TABLE_B },
	    { DIRECTORY + 16, TABLE_A },
	    { DIRECTORY + 24, TABLE_B },
	    { TABLE_A, TABLE(3, 8) },
	    { TABLE_A + 16, GROUP_A },
	    { TABLE_B + 8, 9 },
	    { GROUP_A, CTRL(1, 2, 3, H) } },
	  { 3, 8, 0, 0, 0x40 + 0x20 + 0x40 + 0x90, 0x40 + 144 } },
	{ "swiss: two tables of one group: the second gets nothing",
	  26,
	  { { HEADER, 3 },
	    { HEADER + 16, DIRECTORY },
	    { HEADER + 24, 2 },
	    { HEADER + 32, 1 },
	    { DIRECTORY, TABLE_A },
	    { DIRECTORY + 8, TABLE_B },
	    { TABLE_A, TABLE(3, 8) },
	    { TABLE_A + 16, GROUP_A },
	    { TABLE_B, TABLE(3, 8) },
	    { TABLE_B + 8, 1 },
	    { TABLE_B + 16, GROUP_A },
	    { GROUP_A, CTRL(1, 2, 3, H) } },
	  { 3, 16, 0, 0, 0x40 + 0x20 + 2 * 0x40 + 0x90, 0x40 + 144, .damaged = true } },
	{ "swiss: a table of more groups than its block has",
	  26,
	  { { HEADER, 3 },
	    { HEADER + 16, DIRECTORY },
	    { HEADER + 24, 1 },
	    { DIRECTORY, TABLE_A },
	    { TABLE_A, TABLE(3, 1024) },
	    { TABLE_A + 16, GROUP_A },
	    { TABLE_A + 24, 127 },
	    { GROUP_A, CTRL(1, 2, 3, H) } },
	  { 3, 1024, 0, 0, 0x40 + 0x20 + 0x40, 0x40 + 144, .damaged = true } },
	{ "swiss: a group that is a free block",
	  26,
	  { { HEADER + 16, REST } },
	  { 0, 0, 0, 0, 0x40, 0x40, .damaged = true } },

	{ "old: nothing was ever put in", 23, {}, { .bytes = 0x40, .need = 0x40 } },
	{ "old: one bucket, a slot deleted",
	  23,
	  { { HEADER, 2 }, { HEADER + 16, GROUP_A }, { GROUP_A, TOPS(5, 1, 0xff, 0) } },
	  { 2, 8, 1, 0, 0x40 + 0x90, 0x40 + 144 } },
	{ "old: four buckets, one behind another and a spare one",
	  23,
	  { { HEADER, 4 },
	    { HEADER + 8, BITS(2, 0) },
	    { HEADER + 16, BUCKETS },
	    { BUCKETS, TOPS(9, 0, 0, 0) },
	    { NEXT(BUCKETS), SPARE },
	    { SPARE, TOPS(9, 9, 1, 0) },
	    { BUCKETS + 144, TOPS(1, 1, 0, 0) },
	    { NEXT(BUCKETS + 144), BUCKETS + 4 * 144 },
	    { BUCKETS + 4 * 144, TOPS(7, 0, 0, 0) } },
	  { 4, 32, 3, 2, 0x40 + 5 * 144 + 0x90, 0x40 + 144 } },
	{ "old: growing; what has moved counts in its new place alone",
	  23,
	  { { HEADER, 3 },
	    { HEADER + 8, BITS(1, 0) },
	    { HEADER + 16, BUCKETS },
	    { HEADER + 24, GROUP_A },
	    { GROUP_A, TOPS(2, 3, 4, 4) },
	    { BUCKETS, TOPS(9, 9, 9, 0) } },
	  { 3, 16, 0, 0, 0x40 + 5 * 144 + 0x90, 0x40 + 144, .growing = true } },
	{ "old: growing; what has not moved counts where it is",
	  23,
	  { { HEADER, 3 },
	    { HEADER + 8, BITS(1, 0) },
	    { HEADER + 16, BUCKETS },
	    { HEADER + 24, GROUP_A },
	    { GROUP_A, TOPS(9, 9, 1, 9) } },
	  { 3, 16, 1, 0, 0x40 + 5 * 144 + 0x90, 0x40 + 144, .growing = true } },
	{ "old: extra, and its list of overflow buckets",
	  23,
	  { { HEADER + 16, GROUP_A },
	    { HEADER + 40, DIRECTORY },
	    { DIRECTORY, TABLE_A },
	    { TABLE_A, TABLE_B } },
	  { 0, 8, 0, 0, 0x40 + 0x90 + 0x20 + 0x40 + 0x40, 0x40 } },
	{ "old: noswissmap has clearSeq before extra",
	  25,
	  { { HEADER + 16, GROUP_A }, { HEADER + 40, 77 }, { HEADER + 48, DIRECTORY } },
	  { 0, 8, 0, 0, 0x40 + 0x90 + 0x20, 0x40 } },
	{ "old: entries are one more, and somebody is at it",
	  23,
	  { { HEADER, 3 },
	    { HEADER + 8, BITS(0, 4) },
	    { HEADER + 16, GROUP_A },
	    { GROUP_A, TOPS(9, 9, 0, 0) } },
	  { 3, 8, 0, 0, 0x40 + 0x90, 0x40 + 144, .changing = true } },
	{ "old: entries are one more, and somebody iterates",
	  23,
	  { { HEADER, 3 },
	    { HEADER + 8, BITS(0, 1) },
	    { HEADER + 16, GROUP_A },
	    { GROUP_A, TOPS(9, 9, 0, 0) } },
	  { 3, 8, 0, 0, 0x40 + 0x90, 0x40 + 144, .damaged = true } },
	{ "old: a chain that loops",
	  23,
	  { { HEADER, 3 },
	    { HEADER + 16, GROUP_A },
	    { GROUP_A, TOPS(9, 0, 0, 0) },
	    { NEXT(GROUP_A), SPARE },
	    { SPARE, TOPS(9, 0, 0, 0) },
	    { NEXT(SPARE), OTHER },
	    { OTHER, TOPS(9, 0, 0, 0) },
	    { NEXT(OTHER), SPARE } },
	  { 3, 8, 0, 2, 0x40 + 3 * 0x90, 0x40 + 144, .damaged = true } },
	{ "old: a chain that loops among the spare buckets",
	  23,
	  { { HEADER, 3 },
	    { HEADER + 8, BITS(2, 0) },
	    { HEADER + 16, BUCKETS },
	    { NEXT(BUCKETS), BUCKETS + 4 * 144 },
	    { NEXT(BUCKETS + 4 * 144), BUCKETS + 4 * 144 } },
	  { 3, 32, 0, 1, 0x40 + 5 * 144, 0x40 + 144, .damaged = true } },
	{ "old: more buckets than the block has",
	  23,
	  { { HEADER + 8, BITS(3, 0) }, { HEADER + 16, BUCKETS } },
	  { 0, 64, 0, 0, 0x40, 0x40, .damaged = true } },
	{ "old: a B that no shift allows",
	  23,
	  { { HEADER + 8, BITS(255, 0) }, { HEADER + 16, BUCKETS } },
	  { 0, 0, 0, 0, 0x40, 0x40, .damaged = true } },
};

/* ---- what make() takes: slots of 16 bytes, sizes by the allocator's classes */

static const struct {
	unsigned minor;
	uint64_t used, need; /* header not counted */
} needs[] = {
	{ 23, 8, 144 },	 /* one bucket */
	{ 23, 9, 288 },	 /* two */
	{ 23, 13, 288 }, /* 6.5 a bucket */
	{ 23, 14, 576 },
	{ 23, 53, 2688 + 24 }, /* B 4: 16 and a spare one, 2448; extra */
	{ 21, 13, 576 },	 /* 6 a bucket */
	{ 26, 8, 144 },		 /* one group: 136 -> 144 */
	{ 26, 9, 8 + 32 + 288 }, /* a directory, a table, two groups: 272 -> 288 */
	{ 26, 14, 8 + 32 + 288 },
	{ 26, 15, 8 + 32 + 576 },    /* 17 slots -> 32: 544 -> 576 */
	{ 26, 896, 8 + 32 + 18432 }, /* 1024 slots: 17408 */
	{ 26, 897, 16 + 2 * (32 + 9472) }, /* 1025 slots in two tables: 512 each, 8704 */
};

static void read_with(unsigned minor, const struct fake_word *words, bool twice, struct go_map *ret)
{
	struct env env;
	struct fake_image *f;
	struct blocks blocks;
	struct go_maps maps;
	struct go go = { .minor = minor,
			 .allocheaders = minor >= 22,
			 .swissmap = minor >= 24 && minor != 25 };
	struct go_type type = { .name = "map[uint64]uint64",
				.kind = GO_MAP,
				.size = 8,
				.bucket = go.swissmap ? &group : &bucket };
	struct go_map again;

	env_init(&env);
	f = fake_image_new(&env, memory, words);
	f->heaps[0].score = 90;
	f->heaps[0].claims[0] = (struct claim){ .start = HEAP, .end = HEAP_END };
	memcpy(f->heaps[0].blocks, blocks_of_heap, sizeof(blocks_of_heap));
	f->img.go = &go;
	assert_null(blocks_build_with(&env, &f->img, fake_walkers, &blocks));
	assert_null(go_maps_open(&env, &f->img, &blocks, &maps));
	assert_true(go_map_read(&maps, &type, HEADER, ret));
	if (twice) /* what is one map's is not another's */
		assert_false(go_map_read(&maps, &type, HEADER, &again));
	assert_false(go_map_read(&maps, &type, REST, &again));
	assert_false(go_map_read(&maps, &type, HEAP_END + 0x1000, &again));
	go_maps_close(&maps);
	blocks_fini(&blocks);
	fake_image_free(f);
	env_fini(&env);
}

static void by_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct expected *want = &cases[i].want;
		struct go_map m;

		read_with(cases[i].minor, cases[i].words, true, &m);
		if (m.used != want->used || m.capacity != want->capacity ||
		    m.deleted != want->deleted || m.overflow != want->overflow ||
		    m.bytes != want->bytes || m.need != want->need || m.growing != want->growing ||
		    m.damaged != want->damaged || m.changing != want->changing)
			fail_msg(
				"%s: used %lu capacity %lu deleted %lu overflow %lu bytes %#lx need %#lx%s%s%s",
				cases[i].name, m.used, m.capacity, m.deleted, m.overflow, m.bytes,
				m.need, m.growing ? " growing" : "", m.damaged ? " damaged" : "",
				m.changing ? " changing" : "");
	}
}

static void what_make_takes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
		const struct fake_word words[] = { { HEADER, needs[i].used }, {} };
		struct go_map m;

		read_with(needs[i].minor, words, false, &m);
		if (m.need != 0x40 + needs[i].need)
			fail_msg("1.%u: %lu entries need %lu", needs[i].minor, needs[i].used,
				 m.need - 0x40);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_words),
		cmocka_unit_test(what_make_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
