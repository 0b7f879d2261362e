/* Buckets of the block and mutex profiles, whole and damaged. */
#include <string.h>

#include "unit_env.h"

#include "fake_image.h"
#include "image/go_block_profile.h"

enum {
	VARS = 0x600000,
	XBUCKETS = VARS + 8,
	TICKS = VARS + 16,
	RATE = VARS + 24,
	BUCKETS = 0x700000,
	APART = 0x100,
	END = BUCKETS + 0x10000,
	BLOCK = 2, /* runtime.blockProfile, mutexProfile */
	MUTEX = 3,
};

static const struct fake_mapping memory[] = {
	{ VARS, 0x1000, SEG_R | SEG_W, 1 }, { BUCKETS, END - BUCKETS, SEG_R | SEG_W, 0 }, {},
};

struct world {
	struct fake_image *f;
	struct go go;
	struct go_block_profile p;
};

static taddr bucket_at(unsigned i)
{
	return BUCKETS + (taddr)APART * i;
}

static uint64_t as_bits(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

/* Bucket i of `n`: i + 1 return addresses, then how often and how long. */
static void put_bucket(struct world *w, unsigned i, unsigned n, unsigned type, double count,
		       uint64_t cycles)
{
	taddr at = bucket_at(i);

	fake_image_put(w->f, at + 8, i + 1 < n ? bucket_at(i + 1) : 0);
	fake_image_put(w->f, at + 16, type);
	fake_image_put(w->f, at + 40, i + 1);
	for (unsigned k = 0; k <= i; k++)
		fake_image_put(w->f, at + 48 + 8 * k, 0x401000 + 16 * i + k);
	fake_image_put(w->f, at + 48 + 8 * (i + 1), as_bits(count));
	fake_image_put(w->f, at + 56 + 8 * (i + 1), cycles);
}

/* To 1.22 every return address of a stack is one call of the program. */
static void open_world(struct world *w, unsigned minor)
{
	static const struct fake_word nothing[] = { {} };

	memset(w, 0, sizeof(*w));
	w->f = fake_image_new(&env, memory, nothing);
	w->go = (struct go){ .env = &env, .img = &w->f->img, .minor = minor };
	w->go.at.bbuckets = VARS;
	w->go.at.xbuckets = XBUCKETS;
	w->go.at.ticks = TICKS;
	w->go.at.mutex_profile_rate = RATE;
	fake_image_put(w->f, VARS, BUCKETS);
	fake_image_put(w->f, XBUCKETS, BUCKETS);
	fake_image_put(w->f, TICKS, 2000000000);
	fake_image_put(w->f, RATE, 5);
}

static void close_world(struct world *w)
{
	go_block_profile_fini(&w->p);
	fake_image_free(w->f);
}

static void whole(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, 22);
	put_bucket(&w, 0, 2, BLOCK, 3, 1000);
	put_bucket(&w, 1, 2, BLOCK, 0.25, 4000); /* a sample of less than one event */
	assert_null(go_block_profile_read(&w.go, GO_BLOCK_PROFILE, &w.p));
	assert_int_equal(w.p.buckets.n, 2);
	assert_int_equal(w.p.buckets.v[0].count, 3);
	assert_int_equal(w.p.buckets.v[0].cycles, 1000);
	assert_int_equal(w.p.buckets.v[1].count, 1);
	assert_int_equal(w.p.buckets.v[1].n, 2);
	assert_int_equal(w.p.pcs.v[w.p.buckets.v[1].first + 1], 0x401011);
	assert_int_equal(w.p.per_second, 2000000000);
	assert_int_equal(go_block_profile_ns(&w.p, 4000), 2000);
	assert_int_equal(env.diags.n, 0);
	close_world(&w);
}

/* To 1.19 what is in memory is not multiplied by the rate yet. */
static void mutexes(void **state)
{
	static const struct {
		unsigned minor;
		uint64_t rate;
		int64_t count, cycles;
		bool is_unscaled;
	} cases[] = {
		{ 19, 5, 10, 500, false }, { 20, 5, 2, 100, false },	      { 27, 5, 2, 100, false },
		{ 19, 0, 2, 100, true },   { 19, UINT64_MAX, 2, 100, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;

		open_world(&w, cases[i].minor);
		fake_image_put(w.f, RATE, cases[i].rate);
		put_bucket(&w, 0, 1, MUTEX, 2, 100);
		assert_null(go_block_profile_read(&w.go, GO_MUTEX_PROFILE, &w.p));
		assert_int_equal(w.p.buckets.n, 1);
		assert_int_equal(w.p.buckets.v[0].count, cases[i].count);
		assert_int_equal(w.p.buckets.v[0].cycles, cases[i].cycles);
		assert_int_equal(w.p.is_unscaled, cases[i].is_unscaled);
		close_world(&w);
	}
}

/* Three buckets, of which one word is changed: how many are read, and it is said. */
static void damaged(void **state)
{
	static const struct {
		taddr at;
		uint64_t value;
		size_t n_least, n_most;
	} cases[] = {
		{ BUCKETS + 2 * APART + 8, BUCKETS, 3, 12 },	/* a ring */
		{ BUCKETS + 8, BUCKETS, 1, 4 },			/* of one */
		{ BUCKETS + APART + 8, 0x1234, 2, 2 },		/* into nothing */
		{ BUCKETS + APART + 16, 1, 1, 1 },		/* of memory */
		{ BUCKETS + APART + 16, MUTEX, 1, 1 },
		{ BUCKETS + APART + 40, UINT64_MAX, 1, 1 },	/* a stack without end */
		{ BUCKETS + APART + 40, 2048, 1, 3 },
		{ BUCKETS + APART + 64, 0x7ff8000000000000, 1, 1 }, /* no number of times */
		{ BUCKETS + APART + 64, 0xbff0000000000000, 1, 1 }, /* -1 */
		{ BUCKETS + APART + 64, 0x7fe0000000000000, 1, 1 }, /* too many */
		{ BUCKETS + APART + 72, UINT64_MAX, 1, 1 },	/* a negative time */
		{ VARS, END - 16, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;
		size_t before = env.diags.n;

		open_world(&w, 26);
		for (unsigned k = 0; k < 3; k++)
			put_bucket(&w, k, 3, BLOCK, 1, 10);
		fake_image_put(w.f, cases[i].at, cases[i].value);
		assert_null(go_block_profile_read(&w.go, GO_BLOCK_PROFILE, &w.p));
		if (w.p.buckets.n < cases[i].n_least || w.p.buckets.n > cases[i].n_most)
			fail_msg("case %zu: %zu buckets", i, w.p.buckets.n);
		if (cases[i].value != 2048)
			assert_true(env.diags.n > before || env.diags.list[0].count > 1);
		assert_true(!env.diags.n || !strcmp(env.diags.list[0].code, "go/profile"));
		close_world(&w);
	}
}

/* Not enabled, or of a runtime in which it was not found. */
static void nothing(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, 26);
	fake_image_put(w.f, VARS, 0);
	w.go.at.xbuckets = w.go.at.ticks = 0;
	assert_null(go_block_profile_read(&w.go, GO_BLOCK_PROFILE, &w.p));
	assert_int_equal(w.p.buckets.n, 0);
	assert_null(go_block_profile_read(&w.go, GO_MUTEX_PROFILE, &w.p));
	assert_int_equal(w.p.buckets.n, 0);
	assert_int_equal(w.p.per_second, 0);
	assert_int_equal(env.diags.n, 0);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(mutexes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damaged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
