/*
 * Pools, laid out word by word as sync/pool.go and poolqueue.go describe them: what is in them, what
 * their rings tell of things taken, and what liars get.
 */
#include <string.h>

#include "unit_env.h"

#include "fake_image.h"
#include "type/go_pools.h"

enum {
	POOL = 0x100000,
	LOCALS = 0x100100,  /* of two P's */
	VICTIMS = 0x100200,
	RING = 0x100400,    /* poolChainElts, 0x40 bytes each */
	VALS = 0x100800,    /* behind all of them: never read */
	MAX_WORDS = 32,
};

static const struct fake_mapping memory[] = { { POOL, 0x1000, SEG_R | SEG_W }, {} };

#define ELT(i) (RING + 0x40 * (i))
#define LOCAL(n) { POOL, LOCALS }, { POOL + 8, (n) }
#define VICTIM(n) { POOL + 16, VICTIMS }, { POOL + 24, (n) }
/* Its head; the one before. */
#define RINGS(local, first) { (local) + 16, ELT(first) }
#define RING_OF(i, head, tail, len, prev)                                                \
	{ ELT(i), (uint64_t)(head) << 32 | (uint32_t)(tail) }, { ELT(i) + 8, VALS },     \
	{ ELT(i) + 16, (len) }, { ELT(i) + 40, (prev) }

static const struct test_case {
	const char *name;
	struct fake_word words[MAX_WORDS];
	uint64_t n_local, n_victim, undrawn, blocks;
} cases[] = {
	{ "nothing was ever put in", {}, 0, 0, 0, 0 },
	{ "one thing", { LOCAL(2), { LOCALS + 128, 0x77 } }, 1, 0, 1, 1 },
	{ "a ring that was never full",
	  { LOCAL(2), { LOCALS, 0x77 }, RINGS(LOCALS, 0), RING_OF(0, 5, 0, 8, 0) }, 6, 0, 1, 3 },
	{ "a second ring: the first has been full since",
	  { LOCAL(2), { LOCALS, 0x77 }, RINGS(LOCALS, 1), RING_OF(1, 3, 0, 16, ELT(0)), RING_OF(0, 8, 0, 8, 0) },
	  12, 0, 9, 5 },
	{ "its own P took what was put first",
	  { LOCAL(2), RINGS(LOCALS, 1), RING_OF(1, 3, 0, 16, ELT(0)), RING_OF(0, 8, 0, 8, 0) }, 11, 0, 0, 5 },
	{ "another P took from the oldest",
	  { LOCAL(2), { LOCALS, 0x77 }, RINGS(LOCALS, 1), RING_OF(1, 3, 0, 16, ELT(0)), RING_OF(0, 8, 1, 8, 0) },
	  11, 0, 0, 5 },
	{ "the oldest was emptied and is gone",
	  { LOCAL(2), { LOCALS, 0x77 }, RINGS(LOCALS, 1), RING_OF(1, 3, 0, 16, 0) }, 4, 0, 0, 3 },
	{ "the newest was emptied",
	  { LOCAL(2), { LOCALS, 0x77 }, RINGS(LOCALS, 1), RING_OF(1, 0, 0, 16, ELT(0)), RING_OF(0, 8, 0, 8, 0) },
	  9, 0, 0, 5 },
	{ "an older one is not full",
	  { LOCAL(2), { LOCALS, 0x77 }, RINGS(LOCALS, 1), RING_OF(1, 16, 0, 16, ELT(0)), RING_OF(0, 7, 0, 8, 0) },
	  24, 0, 0, 5 },
	{ "both halves",
	  { LOCAL(1), VICTIM(2), { LOCALS, 0x77 }, { VICTIMS, 0x77 }, { VICTIMS + 128, 0x77 } }, 1, 2, 3, 2 },
	{ "one shard that was drawn from is enough",
	  { LOCAL(1), VICTIM(2), { LOCALS, 0x77 }, { VICTIMS, 0x77 }, RINGS(VICTIMS, 0),
	    RING_OF(0, 5, 2, 8, 0) },
	  1, 4, 0, 4 },
	{ "indices that went all the way round",
	  { LOCAL(1), { LOCALS, 0x77 }, RINGS(LOCALS, 0), RING_OF(0, 3, 0xfffffffe, 8, 0) }, 6, 0, 0, 3 },
	{ "more in a ring than it has room for",
	  { LOCAL(1), { LOCALS, 0x77 }, RINGS(LOCALS, 0), RING_OF(0, 100, 0, 8, 0) }, 1, 0, 0, 3 },
	{ "a ring of no length",
	  { LOCAL(1), { LOCALS, 0x77 }, RINGS(LOCALS, 0), RING_OF(0, 5, 0, 0, 0) }, 1, 0, 0, 3 },
	{ "a chain that leads back into itself",
	  { LOCAL(1), { LOCALS, 0x77 }, RINGS(LOCALS, 0), RING_OF(0, 8, 0, 8, ELT(0)) }, 513, 0, 0, 129 },
	{ "more P's than there can be", { LOCAL(1 << 20), { LOCALS, 0x77 } }, 0, 0, 0, 0 },
	{ "P's that are not there", { { POOL, 0x900000 }, { POOL + 8, 4 } }, 0, 0, 0, 1 },
};

static struct err *count_block(void *arg, taddr at)
{
	(void)at;
	++*(uint64_t *)arg;
	return NULL;
}

static void by_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct test_case *want = &cases[i];
		struct fake_image *f = fake_image_new(&env, memory, want->words);
		struct go go = { .env = &env, .img = &f->img };
		uint64_t blocks = 0;
		struct go_pool_sink sink = { .block = count_block, .arg = &blocks };
		struct go_pool pool;

		assert_null(go_pool_read(&go, POOL, &sink, &pool));
		if (pool.n_local != want->n_local || pool.n_victim != want->n_victim ||
		    pool.undrawn != want->undrawn || blocks != want->blocks)
			fail_msg("%s: local %lu victim %lu undrawn %lu blocks %lu", want->name,
				 pool.n_local, pool.n_victim, pool.undrawn, blocks);
		fake_image_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(by_words, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
