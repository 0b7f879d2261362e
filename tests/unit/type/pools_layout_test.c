/*
 * pools_find() on memory word by word: which heads count, with what bytes, free bytes and
 * parents; and pool_layouts_parse(): which texts are layouts.
 */
#include "base/guard.h"
#include "fake_image.h"
#include "heap/blocks.h"
#include "type/pools.h"
#include "unit_env.h"

enum {
	HEAP = 0x10000000,
	DATA = 0x20000000, /* of libx.so */
	MAPPED = HEAP + 0x10000, /* of the same megabyte as the heap */
	CODE = 0x40000000,
	A = HEAP + 16, /* blocks of 0x100 bytes, 0xf8 of them usable; G is free */
	B = A + 0x100,
	C = B + 0x100,
	D = C + 0x100,
	E = D + 0x100,
	F = E + 0x100,
	G = F + 0x100,
	POOLS_MAX = 4,
	WORDS = 24,
};

/* A magic, the parent, the first chunk; chunks with a link, their end, what is free. */
static const char arena[] = "pool arena\nhead.size 24\nhead.magic 0 u64 0x4d41474943\n"
			    "head.parent 8\nhead.first 16\n"
			    "chunk.size 24\nchunk.next 0\nchunk.end 8\nchunk.avail 16\n";
/* A head in its first chunk, which says whose it is; in blocks and in pages. */
static const char inside[] = "pool inside\nfind block 16\nfind page 16\nhead.size 16\nhead.first 0\n"
			     "chunk.size 16\nchunk.owner 0\nchunk.fixed 0x80\n";
static const char sums[] = "pool sums\nfind anywhere\nhead.size 16\nhead.first 0\nhead.total 8\n"
			   "chunk.size 16\nchunk.next 0\nchunk.bytes 8 16\n";
static const char coded[] = "pool coded\nfind anywhere\nhead.size 16\nhead.first 0\nhead.code 8\n"
			    "chunk.size 8\nchunk.end 0\n";

/* Two lists of blocks beside its chunks, which count their bytes themselves. */
static const char listed[] = "pool listed\nfind anywhere\nhead.size 48\nhead.first 0\nhead.avail 8\n"
			     "head.limit 16\nhead.total 24\nhead.large 32 40\nchunk.size 16\n"
			     "chunk.next 0\nchunk.bytes 8\nlarge.next 0\nlarge.bytes 8 u16\n";
/* What fits one fits the other as well, a word on. */
static const char twice[] = "pool sums\nfind anywhere\nhead.size 24\nhead.first 8\nhead.total 16\n"
			    "chunk.size 16\nchunk.next 0\nchunk.bytes 8 16\n"
			    "pool sums\nfind anywhere\nhead.size 16\nhead.first 0\nhead.total 8\n"
			    "chunk.size 16\nchunk.next 0\nchunk.bytes 8 16\n";

#define MAGIC 0x4d41474943

static const struct pool_case {
	const char *name, *layout;
	struct fake_word words[WORDS];
	struct {
		taddr addr;
		uint64_t bytes, free; /* free: 1: unknown */
		taddr parent;
	} pools[POOLS_MAX];
} cases[] = {
	{ "a head and two chunks",
	  arena,
	  { { A, MAGIC }, { A + 16, B }, { B, C }, { B + 8, B + 0xf0 }, { B + 16, B + 0x50 },
	    { C + 8, C + 0x80 }, { C + 16, C + 0x80 } },
	  { { A, 0x170, 0xa0 } } },
	{ "a child before its parent",
	  arena,
	  { { A, MAGIC }, { A + 8, D }, { A + 16, B }, { B + 8, B + 0xf0 }, { B + 16, B + 0x18 },
	    { D, MAGIC }, { D + 16, E }, { E + 8, E + 0xf0 }, { E + 16, E + 0xf0 } },
	  { { D, 0xf0, 0 }, { A, 0xf0, 0xd8, D } } },
	{ "parents of each other",
	  arena,
	  { { A, MAGIC }, { A + 8, D }, { A + 16, B }, { B + 8, B + 0xf0 }, { B + 16, B + 0xf0 },
	    { D, MAGIC }, { D + 8, A }, { D + 16, E }, { E + 8, E + 0xf0 }, { E + 16, E + 0xf0 } },
	  { { D, 0xf0, 0 }, { A, 0xf0, 0, D } } },
	{ "a parent that is none",
	  arena,
	  { { A, MAGIC }, { A + 8, F }, { A + 16, B }, { B + 8, B + 0xf0 }, { B + 16, B + 0xf0 } },
	  { { A, 0xf0, 0 } } },
	{ "the chunk ends behind its block",
	  arena,
	  { { A, MAGIC }, { A + 16, B }, { B + 8, B + 0x100 }, { B + 16, B + 0x50 } },
	  {} },
	{ "the first chunk is free",
	  arena,
	  { { A, MAGIC }, { A + 16, G }, { G + 8, G + 0xf0 }, { G + 16, G + 0x50 } },
	  {} },
	{ "the head is free",
	  arena,
	  { { G, MAGIC }, { G + 16, B }, { B + 8, B + 0xf0 }, { B + 16, B + 0x50 } },
	  {} },
	{ "a list that breaks off: without free bytes",
	  arena,
	  { { A, MAGIC }, { A + 16, B }, { B, C }, { B + 8, B + 0xf0 }, { B + 16, B + 0x50 },
	    { C + 8, C + 0x8000 } },
	  { { A, 0xf0, 1 } } },
	{ "a list that loops, but not to its start",
	  arena,
	  { { A, MAGIC }, { A + 16, B }, { B, C }, { B + 8, B + 0xf0 }, { B + 16, B + 0x50 },
	    { C, D }, { C + 8, C + 0xf0 }, { C + 16, C + 0xf0 }, { D, C }, { D + 8, D + 0xf0 },
	    { D + 16, D + 0xf0 } },
	  { { A, 3 * 0xf0, 1 } } },
	{ "a ring",
	  arena,
	  { { A, MAGIC }, { A + 16, B }, { B, C }, { B + 8, B + 0xf0 }, { B + 16, B + 0x50 }, { C, B },
	    { C + 8, C + 0xf0 }, { C + 16, C + 0xf0 } },
	  { { A, 0x1e0, 0xa0 } } },
	{ "two heads, the same chunks: the first",
	  arena,
	  { { A, MAGIC }, { A + 16, B }, { B + 8, B + 0xf0 }, { B + 16, B + 0xf0 }, { D, MAGIC },
	    { D + 16, B } },
	  { { A, 0xf0, 0 } } },
	{ "inside a block, and inside a page",
	  inside,
	  { { A, A + 16 }, { A + 16, A }, { MAPPED + 0x1000, MAPPED + 0x1010 },
	    { MAPPED + 0x1010, MAPPED + 0x1000 } },
	  { { A + 16, 0x80, 1 }, { MAPPED + 0x1010, 0x80, 1 } } },
	{ "not its own place",
	  inside,
	  { { A, A + 16 }, { A + 16, B }, { B, A + 16 } },
	  {} },
	{ "sums that agree, of a variable",
	  sums,
	  { { DATA + 0x40, A }, { DATA + 0x48, 0xc0 }, { A, B }, { A + 8, 0x60 }, { B + 8, 0x40 } },
	  { { DATA + 0x40, 0xc0, 1 } } },
	{ "sums that do not",
	  sums,
	  { { DATA + 0x40, A }, { DATA + 0x48, 0xc8 }, { A, B }, { A + 8, 0x60 }, { B + 8, 0x40 } },
	  {} },
	{ "a count that wraps",
	  sums,
	  { { DATA + 0x40, A }, { DATA + 0x48, 8 }, { A + 8, UINT64_MAX - 7 } },
	  {} },
	{ "lists of blocks of its own, one of which lies in a chunk",
	  listed,
	  { { DATA + 0x40, A }, { DATA + 0x48, A + 0x60 }, { DATA + 0x50, A + 0x80 }, { DATA + 0x58, 0x100 },
	    { DATA + 0x60, C }, { DATA + 0x68, D }, { A + 8, 0x80 }, { C, A + 0x20 }, { C + 8, 0x77770050 },
	    { A + 0x28, 0x10 }, { D + 8, 0x30 } },
	  { { DATA + 0x40, 0x100, 0x20 } } },
	{ "lists whose sum is another",
	  listed,
	  { { DATA + 0x40, A }, { DATA + 0x48, A + 0x60 }, { DATA + 0x50, A + 0x80 }, { DATA + 0x58, 0x100 },
	    { DATA + 0x60, C }, { A + 8, 0x80 }, { C + 8, 0x50 } },
	  {} },
	{ "one that is larger than its block",
	  listed,
	  { { DATA + 0x40, A }, { DATA + 0x48, A + 0x60 }, { DATA + 0x50, A + 0x80 }, { DATA + 0x58, 0x280 },
	    { DATA + 0x60, C }, { A + 8, 0x80 }, { C + 8, 0x200 } },
	  {} },
	{ "two layouts that fit the same chunks: the first",
	  twice,
	  { { DATA + 0x48, A }, { DATA + 0x50, 0xc0 }, { A, B }, { A + 8, 0x60 }, { B + 8, 0x40 } },
	  { { DATA + 0x40, 0xc0, 1 } } },
	{ "code, and a chunk that fills its block",
	  coded,
	  { { DATA + 0x40, A }, { DATA + 0x48, CODE + 8 }, { A, A + 0xf8 } },
	  { { DATA + 0x40, 0xf8, 1 } } },
	{ "code, and a chunk that does not",
	  coded,
	  { { DATA + 0x40, A }, { DATA + 0x48, CODE + 8 }, { A, A + 0x40 } },
	  {} },
	{ "no code",
	  coded,
	  { { DATA + 0x40, A }, { DATA + 0x48, DATA }, { A, A + 0xf8 } },
	  {} },
};

static void find_pools(const struct image *img, const struct blocks *blocks, const char *text,
		       struct pools *ret)
{
	struct pool_layouts layouts = {};

	assert_null(pool_layouts_parse("x", text, strlen(text), &layouts));
	assert_null(pools_find(&env, img, blocks, &layouts, true, ret));
	pool_layouts_fini(&layouts);
}

static void check(const struct pool_case *c)
{
	static const struct fake_mapping mappings[] = {
		{ HEAP, 0x1000, SEG_R | SEG_W },
		{ MAPPED, 0x3000, SEG_R | SEG_W },
		{ DATA, 0x1000, SEG_R | SEG_W, .module = 2 },
		{ CODE, 0x1000, SEG_R | SEG_X, .module = 2 },
		{},
	};
	struct fake_image *f;
	struct blocks blocks = {};
	struct pools p;
	size_t n = 0;

	f = fake_image_new(&env, mappings, c->words);
	f->heaps[0] = (struct fake_heap){
		90,
		.claims = { { HEAP, HEAP + 0x1000, .bias = 16, .overhead = 8 } },
		.blocks = { { A, 'u' }, { B, 'u' }, { C, 'u' }, { D, 'u' }, { E, 'u' }, { F, 'u' },
			    { G, 'f' }, { G + 0x100, '.' } },
	};
	assert_null(blocks_build_with(&env, &f->img, fake_walkers, &blocks));
	find_pools(&f->img, &blocks, c->layout, &p);
	for (; n < POOLS_MAX && c->pools[n].addr; n++) {
		if (n >= p.n || p.v[n].addr != c->pools[n].addr || p.v[n].bytes != c->pools[n].bytes ||
		    p.v[n].free != (c->pools[n].free == 1 ? UINT64_MAX : c->pools[n].free) ||
		    (p.v[n].parent == POOL_NONE ? 0 : p.v[p.v[n].parent].addr) != c->pools[n].parent)
			fail_msg("%s: pool %zu of %zu: 0x%llx, %llu bytes, %llu free", c->name, n, p.n,
				 n < p.n ? (unsigned long long)p.v[n].addr : 0,
				 n < p.n ? (unsigned long long)p.v[n].bytes : 0,
				 n < p.n ? (unsigned long long)p.v[n].free : 0);
	}
	if (p.n != n)
		fail_msg("%s: %zu pools", c->name, p.n);
	pools_fini(&p);
	blocks_fini(&blocks);
	fake_image_free(f);
}

static void heads_count_when_all_fits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(&cases[i]);
}

static void texts_are_read_to_the_letter(void **state)
{
	static const struct {
		const char *text;
		const char *wrong; /* how the message begins; NULL: it is a layout */
	} texts[] = {
		{ arena, NULL },
		{ "", NULL },
		{ "# nothing\n\n \t\n", NULL },
		{ "pool a b c\r\nhead.size 0x10 # hex\nhead.self 8\n", NULL },
		{ "pool a\nhead.size 16\nhead.self 0\npool b\nhead.size 16\nhead.self 8", NULL },
		{ "pool a\nhead.size 16\nhead.self 9", "x:1: " },
		{ "pool a\nhead.self 8", "x:1: " },
		{ "pool a\nhead.size 16\nhead.self", "x:3: " },
		{ "pool a\nhead.size 16\nhead.self 1 2", "x:3: " },
		{ "pool a\nhead.size 0", "x:2: " },
		{ "pool a\nhead.size 16\nhead.self 18446744073709551616", "x:3: " },
		{ "pool a\nhead.size 16\nhead.magic 12 u64 5", "x:1: " },
		{ "pool a\nhead.size 16\nhead.magic 12 u32 5", "x:1: " }, /* alone: too little */
		{ "pool a\nhead.size 16\nhead.magic 0 u16 5", "x:3: " },
		{ "pool a\nhead.size 16\nhead.text 0\nhead.self 8", "x:1: " },
		{ "pool a\nhead.size 16\nhead.self 8\nhead.large 0", "x:1: " },
		{ "pool a\nhead.size 16\nhead.self 8\nhead.large 0\nlarge.bytes 8 u32", NULL },
		{ "pool a\nhead.size 16\nhead.self 8\nhead.large 0 16\nlarge.bytes 8 u32", "x:1: " },
		{ "pool a\nhead.size 16\nhead.self 8\nhead.large 0\nlarge.bytes 8 u8", "x:5: " },
		{ "pool a\nhead.size 16\nfind variable", "x:3: " },
		{ "pool a\nhead.size 16\nfind page 0x10 3\n", "x:3: " },
		{ "pool a\nhead.size 16\nfind variable v\n", "x:1: " }, /* no way to its chunks */
		{ "pool a\nhead.size 16\nhead.first 0\nfind variable v\n", NULL },
		{ "pool a\nhead.size 16\nhead.self 8\nchunk.next 0", "x:1: " }, /* no chunk.size */
		{ "pool a\nhead.size 16\nhead.self 0\nhead.spare 8 0", "x:4: " },
		{ "pool a\nhead.size 16\nhead.self 0\nhead.spare 8 0 4", "x:1: " }, /* no link */
		{ "a b c d e f g h i j", "x:1: " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct pool_layouts layouts = {};
		struct err *err = pool_layouts_parse("x", texts[i].text, strlen(texts[i].text), &layouts);

		if (!err != !texts[i].wrong ||
		    (err && strncmp(err->message, texts[i].wrong, strlen(texts[i].wrong))))
			fail_msg("%s: %s", texts[i].text, err ? err->message : "no error");
		err_free(err);
		pool_layouts_fini(&layouts);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(heads_count_when_all_fits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(texts_are_read_to_the_letter, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
