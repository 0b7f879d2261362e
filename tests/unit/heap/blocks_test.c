/* blocks_build(): which claims stay, and one index of what walkers list; heaps from tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fake_image.h"
#include "heap/blocks.h"

static const struct fake_mapping memory[] = { { 0x100000, 0x10000, SEG_R | SEG_W }, {} };

static uint64_t diags_of(const struct env *env, const char *code)
{
	uint64_t n = 0;

	for (size_t i = 0; i < env->diags.n; i++)
		if (!strcmp(env->diags.list[i].code, code))
			n += env->diags.list[i].count;
	return n;
}

struct kept {
	taddr start, end;
	const char *heap;
};

static const struct {
	const char *name;
	struct fake_heap heaps[FAKE_HEAPS];
	struct kept kept[FAKE_CLAIMS];
	unsigned overlaps, bad, unreadable;
} cases[] = {
	{ "nobody bids", { { 0, .claims = { { 0x101000, 0x102000 } } } } },
	{ "two that do not meet",
	  { { 50, .claims = { { 0x103000, 0x104000 } } }, { 50, .claims = { { 0x101000, 0x103000 } } } },
	  { { 0x101000, 0x103000, "fake1" }, { 0x103000, 0x104000, "fake0" } } },
	{ "the surer one stays, though it comes later in the registry and in memory",
	  { { 50, .claims = { { 0x101000, 0x104000 } } }, { 80, .claims = { { 0x103000, 0x105000 } } } },
	  { { 0x103000, 0x105000, "fake1" } }, 1 },
	{ "the surer one stays, though it starts first",
	  { { 80, .claims = { { 0x101000, 0x104000 } } }, { 50, .claims = { { 0x103000, 0x105000 } } } },
	  { { 0x101000, 0x104000, "fake0" } }, 1 },
	{ "of equals the first of the registry",
	  { { 60, .claims = { { 0x102000, 0x104000 } } }, { 60, .claims = { { 0x101000, 0x103000 } } } },
	  { { 0x102000, 0x104000, "fake0" } }, 1 },
	{ "of one heap's own the first in memory",
	  { { 60, .claims = { { 0x103000, 0x105000 }, { 0x101000, 0x104000 } } } },
	  { { 0x101000, 0x104000, "fake0" } }, 1 },
	{ "a page is not shared",
	  { { 80, .claims = { { 0x101000, 0x102010 } } }, { 50, .claims = { { 0x102800, 0x104000 } } } },
	  { { 0x101000, 0x102010, "fake0" } }, 1 },
	{ "but with the same heap's",
	  { { 80, .claims = { { 0x102800, 0x104000 }, { 0x101000, 0x102010 } } } },
	  { { 0x101000, 0x102010, "fake0" }, { 0x102800, 0x104000, "fake0" } } },
	{ "one takes the place of several",
	  { { 50, .claims = { { 0x101000, 0x102000 }, { 0x103000, 0x104000 }, { 0x107000, 0x108000 } } },
	    { 90, .claims = { { 0x100000, 0x106000 } } } },
	  { { 0x100000, 0x106000, "fake1" }, { 0x107000, 0x108000, "fake0" } }, 2 },
	{ "one in the middle of a less sure one",
	  { { 50, .claims = { { 0x101000, 0x108000 } } }, { 90, .claims = { { 0x103000, 0x104000 } } } },
	  { { 0x103000, 0x104000, "fake1" } }, 1 },
	{ "impossible ranges: backwards, empty, past user space, unaligned keys",
	  { { 50, .claims = { { 0x104000, 0x103000 }, { 0x105000, 0x105000 },
			      { 1ull << 47, 1ull << 48 }, { 0x106008, 0x107000 },
			      { 0x101000, 0x102000 } } } },
	  { { 0x101000, 0x102000, "fake0" } }, 0, 4 },
	{ "a heap that cannot be opened takes no other with it",
	  { { 90, .unreadable = true, .claims = { { 0x101000, 0x102000 } } },
	    { 50, .claims = { { 0x101000, 0x102000 } } } },
	  { { 0x101000, 0x102000, "fake1" } }, 0, 0, 1 },
};

static void claims_that_meet(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct env env;
		struct fake_image *f;
		struct blocks b;
		size_t n = 0;

		env_init(&env);
		f = fake_image_new(&env, memory, &(struct fake_word){});
		memcpy(f->heaps, cases[i].heaps, sizeof(f->heaps));
		assert_null(blocks_build_with(&env, &f->img, fake_walkers, &b));
		for (; n < FAKE_CLAIMS && cases[i].kept[n].heap; n++) {
			const struct kept *k = &cases[i].kept[n];

			assert_true(n < b.n_claims);
			assert_int_equal(b.claims[n].start, k->start);
			assert_int_equal(b.claims[n].end, k->end);
			assert_string_equal(b.heaps[b.claim_heap[n]].ops->name, k->heap);
		}
		if (b.n_claims != n)
			fail_msg("%s: %zu claims, not %zu", cases[i].name, b.n_claims, n);
		assert_int_equal(diags_of(&env, "heap/claim-overlap"), cases[i].overlaps);
		assert_int_equal(diags_of(&env, "heap/bad-claim"), cases[i].bad);
		assert_int_equal(diags_of(&env, "heap/unreadable"), cases[i].unreadable);
		blocks_fini(&b);
		fake_image_free(f);
		env_fini(&env);
	}
}

/* Of the heap's second claim: the first is refused, and each is walked by its own number. */
static void blocks_of_claims(void **state)
{
	static const struct {
		taddr at, start; /* `start` 0: in no block */
		uint64_t size, usable;
		char is;
	} want[] = {
		{ 0x102010, 0x102010, 0x30, 0x28, 'u' },
		{ 0x10203f, 0x102010, 0x30, 0x28, 'u' },	/* its last byte */
		{ 0x102040, 0x102040, 0x20, 0x18, 'f' },
		{ 0x102060, 0x102060, 0x40, 0, '.' },
		{ 0x1020a0, 0x1020a0, 0x102010 + 0x1000 - 0x1020a0, 0x102010 + 0x1000 - 0x1020a8, 'u' },
		{ 0x103010, 0x103010, 0x2000, 0, '.' },		/* behind the claim */
		{ 0x105010, 0x105010, 0x10, 0, '.' },		/* in front of the first block */
		{ 0x105020, 0x105020, 0xfe0, 0xfd0, 'u' },
		{ 0x104fff, 0x103010, 0x2000, 0, '.' },
		{ 0x100008, 0x100000, 0x2010, 0, '.' },		/* the unit's beginning */
		{ 0x200000, 0, 0, 0, 0 },			/* of another unit */
	};
	struct env env;
	struct fake_image *f;
	struct blocks b;

	(void)state;
	env_init(&env);
	f = fake_image_new(&env, memory, &(struct fake_word){});
	f->heaps[0] = (struct fake_heap){ 90, .claims = { { 0x105010, 0x106000, .overhead = 16 } },
					  .blocks = { { 0x105020, 'u' } } };
	f->heaps[1] = (struct fake_heap){
		50,
		.claims = { { 0x105000, 0x106000 }, { 0x102000, 0x103000, .bias = 16, .overhead = 8 } },
		.blocks = { { 0x102010, 'u' }, { 0x102040, 'f' }, { 0x102060, '.' }, { 0x1020a0, 'u' },
			    { 0x105800, 'u' } },
	};
	assert_null(blocks_build_with(&env, &f->img, fake_walkers, &b));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		uint32_t id = block_at(&b, want[i].at);
		struct block block;

		if (!want[i].is) {
			assert_int_equal(id, BLOCK_NONE);
			continue;
		}
		assert_int_not_equal(id, BLOCK_NONE);
		block_get(&b, id, &block);
		assert_int_equal(block.addr, want[i].start);
		assert_int_equal(block.size, want[i].size);
		assert_int_equal(block.usable, want[i].usable);
		assert_int_equal(block.used, want[i].is == 'u');
		assert_int_equal(block.filler, want[i].is == '.');
		assert_true(!!block.where == (want[i].is == 'f'));
	}
	assert_ptr_equal(blocks_claim_at(&b, 0x10300f), &b.claims[0]); /* keys reach `bias` past the end */
	assert_null(blocks_claim_at(&b, 0x103010));
	assert_null(blocks_claim_at(&b, 0x101fff));
	assert_string_equal(blocks_heap_at(&b, 0x105010)->ops->name, "fake0");
	blocks_fini(&b);
	fake_image_free(f);
	env_fini(&env);
}

/* More blocks than a word of bits has, so that bits by grain and bits by id part. */
static void bits_by_id(void **state)
{
	struct env env;
	struct fake_image *f;
	struct blocks b;
	unsigned n_used = 0;

	(void)state;
	env_init(&env);
	f = fake_image_new(&env, memory, &(struct fake_word){});
	f->heaps[0] = (struct fake_heap){ 90, .claims = { { 0x101000, 0x109000 } } };
	for (unsigned i = 0; i < FAKE_BLOCKS; i++) /* a dozen in 1 KiB */
		f->heaps[0].blocks[i] = (struct fake_block){ 0x101000 + i * 0x50, i % 4 ? 'u' : 'f' };
	assert_null(blocks_build_with(&env, &f->img, fake_walkers, &b));
	for (unsigned i = 0; i < FAKE_BLOCKS; i++) {
		uint32_t id = block_at(&b, 0x101000 + i * 0x50);

		assert_int_equal(grains_key(&b.grains, id), 0x101000 + i * 0x50);
		assert_int_equal(block_is_used(&b, id), i % 4 != 0);
		assert_false(block_is_filler(&b, id));
	}
	for (uint32_t id = 0; id < b.grains.n; id++)
		n_used += block_is_used(&b, id);
	assert_int_equal(n_used, FAKE_BLOCKS - FAKE_BLOCKS / 4);
	blocks_fini(&b);
	fake_image_free(f);
	env_fini(&env);
}

/* --- a walker that takes its memory for one range, where it is two with another heap's between --- */

struct assuming {
	bool sure;
	enum { TOLD_BY_CLAIMS, TOLD_BY_WALK } told;
	bool walked;
};
static struct assuming assuming; /* of the last that was opened; `told` is set by the test */

static void assuming_bid(struct env *env, const struct image *img, struct walker_bid *ret)
{
	(void)env;
	(void)img;
	ret->score = 90;
}

static struct err *assuming_open(struct env *env, const struct image *img, void **ret)
{
	(void)img;
	diag(env, "test/opened", 0, "opened");
	assuming.sure = false;
	*ret = &assuming;
	return NULL;
}

static struct err *assuming_open_sure(struct env *env, const struct image *img, void **ret)
{
	struct err *err = assuming_open(env, img, ret);

	assuming.sure = true;
	return err;
}

static bool assuming_is_mistaken(const void *ctx, bool claims_meet)
{
	const struct assuming *a = ctx;

	return !a->sure && (a->told == TOLD_BY_CLAIMS ? claims_meet : a->walked);
}

static struct err *assuming_claim(void *ctx, struct claim_sink *sink)
{
	const struct assuming *a = ctx;
	static const struct claim whole = { 0x101000, 0x106000 };
	static const struct claim parts[] = { { 0x101000, 0x102000 }, { 0x105000, 0x106000 } };
	struct err *err = sink->add(sink, a->sure ? &parts[0] : &whole);

	return err || !a->sure ? err : sink->add(sink, &parts[1]);
}

static struct err *assuming_walk(void *ctx, uint32_t no, struct block_sink *sink)
{
	struct assuming *a = ctx;

	(void)no;
	a->walked = true;
	for (taddr at = sink->claim->start; at < sink->claim->end; at += 0x800)
		block_sink_add(sink, at, true);
	return NULL;
}

static const struct heap_info *assuming_info(void *ctx)
{
	static const struct heap_info none = { .allocator = "assuming" };

	(void)ctx;
	return &none;
}

static void assuming_close(void *ctx)
{
	(void)ctx;
}

static void what_was_assumed_is_done_again(void **state)
{
	static const struct walker_ops ops = {
		.name = "assuming",
		.bid = assuming_bid,
		.open = assuming_open,
		.open_sure = assuming_open_sure,
		.mistaken = assuming_is_mistaken,
		.claim = assuming_claim,
		.walk = assuming_walk,
		.info = assuming_info,
		.close = assuming_close,
	};
	const struct walker_ops *const walkers[] = { &ops, fake_walkers[0], NULL };

	(void)state;
	for (int told = TOLD_BY_CLAIMS; told <= TOLD_BY_WALK; told++)
		for (int other = 0; other < 2; other++) { /* another heap in its middle */
			bool again = told == TOLD_BY_WALK || other;
			struct env env;
			struct fake_image *f;
			struct blocks b;

			env_init(&env);
			f = fake_image_new(&env, memory, &(struct fake_word){});
			if (other)
				f->heaps[0] = (struct fake_heap){ 50, .claims = { { 0x103000, 0x104000 } } };
			assuming = (struct assuming){ .told = told };
			assert_null(blocks_build_with(&env, &f->img, walkers, &b));
			assert_int_equal(assuming.sure, again);
			assert_int_equal(diags_of(&env, "test/opened"), 1);
			assert_int_equal(diags_of(&env, "heap/claim-overlap"), 0);
			assert_int_equal(b.n_heaps, 1 + other);
			assert_int_equal(b.n_claims, 1 + again + other);
			assert_int_equal(block_is_used(&b, block_at(&b, 0x101800)), true);
			assert_int_equal(block_is_used(&b, block_at(&b, 0x102800)), !again);
			assert_int_equal(block_is_used(&b, block_at(&b, 0x105800)), true);
			blocks_fini(&b);
			fake_image_free(f);
			env_fini(&env);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_assumed_is_done_again),
		cmocka_unit_test(claims_that_meet),
		cmocka_unit_test(blocks_of_claims),
		cmocka_unit_test(bits_by_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
