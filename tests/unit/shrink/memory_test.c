/* Words of memory: whose they are says whether they stay, and as what. */
#include <stdlib.h>

#include "unit_env.h"

#include "base/guard.h"
#include "fake_shadow.h"
#include "heap/blocks.h"
#include "shrink/shrink.h"

#define TEXT_WORD 0x7465726365537941 /* "AySecret" */

/* A heap in the first half of the program's memory: two used blocks, a free one, and its own words. */
enum {
	USED = FAKE_DATA + 0x10,
	FREED = FAKE_DATA + 0x110,
	OTHER_USED = FAKE_DATA + 0x210,
	HEAP_END = FAKE_DATA + 0x800,
	OWN = FAKE_DATA + 0x900,
	OWN_END = FAKE_DATA + 0x940,
	IDLE = FAKE_DATA + 0xa00,
	IDLE_END = FAKE_DATA + 0xa40,
	OTHER = FAKE_NEXT + 0x100,
};

static void bid(struct env *e, const struct image *img, struct walker_bid *ret)
{
	(void)e;
	(void)img;
	ret->score = 50;
}

static struct err *open_heap(struct env *e, const struct image *img, void **ret)
{
	(void)e;
	*ret = (void *)img;
	return NULL;
}

static struct err *claim(void *ctx, struct claim_sink *sink)
{
	static const struct claim c = { .start = FAKE_DATA, .end = HEAP_END, .bias = 16, .overhead = 16 };

	(void)ctx;
	return sink->add(sink, &c);
}

static struct err *walk(void *ctx, uint32_t no, struct block_sink *sink)
{
	(void)ctx;
	(void)no;
	block_sink_add(sink, USED, true);
	block_sink_add(sink, FREED, false);
	block_sink_add(sink, OTHER_USED, true);
	return NULL;
}

static const struct heap_info *info(void *ctx)
{
	static const struct heap_info none = { .allocator = "fake" };

	(void)ctx;
	return &none;
}

static const char *explain(void *ctx, taddr block, struct text *ret)
{
	(void)ctx;
	(void)block;
	(void)ret;
	return "list";
}

static struct err *metadata(void *ctx, struct claim_sink *sink)
{
	static const struct claim c = { .start = OWN, .end = OWN_END };

	(void)ctx;
	return sink->add(sink, &c);
}

static struct err *regions(void *ctx, struct region_sink *sink)
{
	static const struct heap_region r = { IDLE, IDLE_END, "fake/idle", "idle", false };

	(void)ctx;
	return sink->add(sink, &r);
}

/* The size of the first chunk, as glibc's walker would say. */
static struct err *keep(void *ctx, const struct blocks *b)
{
	(void)b;
	image_keep(ctx, USED - 8, 8);
	return NULL;
}

static void close_heap(void *ctx)
{
	(void)ctx;
}

static const struct walker_ops walker = {
	.name = "fake",
	.bid = bid,
	.open = open_heap,
	.claim = claim,
	.walk = walk,
	.info = info,
	.explain = explain,
	.metadata = metadata,
	.regions = regions,
	.keep = keep,
	.close = close_heap,
};
static const struct walker_ops *const walkers[] = { &walker, NULL };

static const struct target target = { .id = TARGET_X86_64, .name = "x86_64" };
static struct fake_shadow f;
static struct blocks blocks;

static void begin(enum shadow_mode mode)
{
	fake_shadow_init(&f, mode);
	f.img.env = &env;
	f.img.target = &target;
	assert_null(blocks_build_with(&env, &f.img, walkers, &blocks));
}

static void end(void)
{
	blocks_fini(&blocks);
	fake_shadow_fini(&f);
}

/* What was read while heaps were walked. */
static const struct {
	const char *name;
	taddr at;
	uint64_t word, after_blocks, at_the_end;
} cases[] = {
	{ "text in a used block", USED, TEXT_WORD, 0, 0 },
	{ "a number in it", USED + 8, 7, 0, 0 },
	{ "a pointer in it comes back as an edge", USED + 16, OTHER_USED, 0, OTHER_USED },
	{ "one into the middle tells the block alone", USED + 24, OTHER_USED + 0x123, 0, OTHER_USED + 7 },
	{ "one to a free block is none", USED + 32, FREED, 0, 0 },
	{ "one to other memory is none", USED + 40, FAKE_NEXT, 0, 0 },
	{ "the link of a free block, disguised or not", FREED, TEXT_WORD, TEXT_WORD, TEXT_WORD },
	{ "text behind it", FREED + 8, TEXT_WORD, 0, 0 },
	{ "a number behind it", FREED + 16, 7, 7, 7 },
	{ "what the walker says is kept", USED - 8, TEXT_WORD, TEXT_WORD, TEXT_WORD },
	{ "text in the allocator's own memory", OWN, TEXT_WORD, TEXT_WORD, TEXT_WORD },
	{ "text in idle memory", IDLE, TEXT_WORD, 0, 0 },
	{ "text in the program's own memory", OTHER, TEXT_WORD, 0, 0 },
	{ "a small number there", OTHER + 8, UINT32_MAX, UINT32_MAX, UINT32_MAX },
	{ "a pointer there", OTHER + 16, FAKE_TEXT + 5, FAKE_TEXT + 5, FAKE_TEXT + 5 },
	{ "one to a block there, as it is: it was read", OTHER + 24, USED + 5, USED + 5, USED + 5 },
	{ "a module's constants", FAKE_TEXT + 0x100, TEXT_WORD, TEXT_WORD, TEXT_WORD },
};

static void test_what_was_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t after;

		begin(SHADOW_ALL);
		/* not the first nor the last byte of its page: those say that it was written to */
		fake_shadow_put(&f, align_down(cases[i].at, FAKE_PAGE), 1);
		fake_shadow_put(&f, align_down(cases[i].at, FAKE_PAGE) + FAKE_PAGE - 8, 1);
		fake_shadow_put(&f, cases[i].at, cases[i].word);
		image_keep(&f.img, cases[i].at, 8);
		assert_null(shrink_blocks(&f.img, &blocks));
		after = fake_shadow_get(&f, cases[i].at);
		assert_null(shrink_pointers(&f.img, &blocks, NULL));
		if (after != cases[i].after_blocks ||
		    fake_shadow_get(&f, cases[i].at) != cases[i].at_the_end)
			fail_msg("%s: 0x%llx, 0x%llx", cases[i].name, (unsigned long long)after,
				 (unsigned long long)fake_shadow_get(&f, cases[i].at));
		end();
	}
}

/* What nobody asked for: pointers to used blocks, and that a page was written to. */
static void test_what_was_not(void **state)
{
	(void)state;
	begin(SHADOW_ALL);
	assert_null(shrink_blocks(&f.img, &blocks));
	fake_shadow_put(&f, OTHER, TEXT_WORD);
	fake_shadow_put(&f, OTHER + 8, USED);
	fake_shadow_put(&f, OTHER + 16, USED + 0x20);
	fake_shadow_put(&f, OTHER + 24, TEXT_WORD);
	fake_shadow_put(&f, OTHER + 32, TEXT_WORD);
	fake_shadow_put(&f, USED, TEXT_WORD);
	assert_null(shrink_pointers(&f.img, &blocks, NULL));
	assert_int_equal(fake_shadow_get(&f, OTHER), 1);
	assert_int_equal(fake_shadow_get(&f, OTHER + 8), USED);
	assert_int_equal(fake_shadow_get(&f, OTHER + 16), USED + 7);
	assert_int_equal(fake_shadow_get(&f, OTHER + 24), 0);
	assert_int_equal(fake_shadow_get(&f, OTHER + 32), 1ull << 56);
	assert_int_equal(fake_shadow_get(&f, USED), 0);
	assert_int_equal(fake_shadow_get(&f, FAKE_NEXT), 0); /* zeros stay zeros */
	end();
}

/* What readers asked for before there was a heap comes back whole outside of it, and as plain words inside. */
static void test_the_first_readers(void **state)
{
	(void)state;
	begin(SHADOW_FIRST);
	fake_shadow_put(&f, OTHER, TEXT_WORD);
	fake_shadow_put(&f, USED, TEXT_WORD);
	fake_shadow_put(&f, USED + 8, 5);
	image_keep(&f.img, OTHER, 8);
	image_keep(&f.img, USED, 16);
	assert_null(shrink_blocks(&f.img, &blocks));
	assert_int_equal(fake_shadow_get(&f, OTHER), TEXT_WORD);
	assert_int_equal(fake_shadow_get(&f, USED), 0);
	assert_int_equal(fake_shadow_get(&f, USED + 8), 5);
	end();
}

static void test_no_room_to_note_them(void **state)
{
	(void)state;
	begin(SHADOW_ALL);
	f.shadow.no_room = true;
	assert_ptr_equal(shrink_blocks(&f.img, &blocks), &err_nomem);
	end();
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_read),
		TEST(test_what_was_not),
		TEST(test_the_first_readers),
		TEST(test_no_room_to_note_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
