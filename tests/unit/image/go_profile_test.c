/* Buckets of an allocation profile, whole and damaged, and what a sample stands for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_image.h"
#include "image/go_profile.h"

enum { VARS = 0x600000, BUCKETS = 0x700000, APART = 0x100, END = BUCKETS + 0x1000, RATE = VARS + 8 };

static const struct fake_mapping memory[] = {
	{ VARS, 0x1000, SEG_R | SEG_W, 1 }, { BUCKETS, 0x1000, SEG_R | SEG_W, 0 }, {},
};

struct world {
	struct env env;
	struct fake_image *f;
	struct go go;
	struct go_profile p;
};

static taddr bucket_at(unsigned i)
{
	return BUCKETS + (taddr)APART * i;
}

/* Bucket i of `n`: i + 1 return addresses, and the words that follow them. */
static void put_bucket(struct world *w, unsigned i, unsigned n, const uint64_t *record,
		       unsigned words)
{
	taddr at = bucket_at(i);

	fake_image_put(w->f, at + 8, i + 1 < n ? bucket_at(i + 1) : 0);
	fake_image_put(w->f, at + 16, 1);
	fake_image_put(w->f, at + 32, 64);
	fake_image_put(w->f, at + 40, i + 1);
	for (unsigned k = 0; k <= i; k++)
		fake_image_put(w->f, at + 48 + 8 * k, 0x401000 + 16 * i + k);
	for (unsigned k = 0; k < words; k++)
		fake_image_put(w->f, at + 48 + 8 * (i + 1) + 8 * k, record[k]);
}

static void open_world(struct world *w, unsigned minor)
{
	static const struct fake_word nothing[] = { {} };

	memset(w, 0, sizeof(*w));
	env_init(&w->env);
	w->f = fake_image_new(&w->env, memory, nothing);
	w->go = (struct go){ .env = &w->env, .img = &w->f->img, .minor = minor };
	w->go.at.mbuckets = VARS;
	w->go.at.mem_profile_rate = RATE;
	fake_image_put(w->f, VARS, BUCKETS);
	fake_image_put(w->f, RATE, 512);
}

static void close_world(struct world *w)
{
	go_profile_fini(&w->p);
	fake_image_free(w->f);
	env_fini(&w->env);
}

static void published(void **state)
{
	static const uint64_t first[] = { 5, 2, 320, 128, 9, 9, 9, 9 }, second[] = { 1, 0, 64, 0 };
	struct world w;

	(void)state;
	open_world(&w, 26);
	put_bucket(&w, 0, 2, first, 8);
	put_bucket(&w, 1, 2, second, 4);
	assert_null(go_profile_read(&w.go, &w.p));
	assert_int_equal(w.p.buckets.n, 2);
	assert_int_equal(w.p.buckets.v[0].allocs, 5);
	assert_int_equal(w.p.buckets.v[0].free_bytes, 128); /* what is to come does not count */
	assert_int_equal(w.p.buckets.v[1].first, 1);
	assert_int_equal(w.p.buckets.v[1].n, 2);
	assert_int_equal(w.p.pcs.v[2], 0x401011);
	assert_true(w.p.has_rate);
	assert_int_equal(w.p.rate, 512);
	assert_int_equal(w.env.diags.n, 0);
	close_world(&w);
}

/* Before the first collection nothing is published: the three cycles to come count. */
static void not_yet_published(void **state)
{
	static const uint64_t old[] = { 0, 0, 0, 0, 3, 1, 192, 64, 4, 0, 256, 0 };
	static const uint64_t new[] = { 0, 0, 3, 1, 4, 0 }; /* since 1.27: of 64 bytes each */

	(void)state;
	for (unsigned minor = 26; minor <= 27; minor++) {
		struct world w;

		open_world(&w, minor);
		put_bucket(&w, 0, 1, minor == 26 ? old : new, minor == 26 ? 12 : 6);
		assert_null(go_profile_read(&w.go, &w.p));
		assert_int_equal(w.p.buckets.v[0].allocs, 7);
		assert_int_equal(w.p.buckets.v[0].frees, 1);
		assert_int_equal(w.p.buckets.v[0].alloc_bytes, 448);
		assert_int_equal(w.p.buckets.v[0].free_bytes, 64);
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
		{ BUCKETS + 2 * APART + 8, BUCKETS, 3, 12 },		  /* a ring */
		{ BUCKETS + 8, BUCKETS, 1, 4 },				  /* of one */
		{ BUCKETS + APART + 8, 0x1234, 2, 2 },			  /* into nothing */
		{ BUCKETS + APART + 16, 2, 1, 1 },			  /* of blocked time */
		{ BUCKETS + APART + 40, UINT64_MAX, 1, 1 },		  /* a stack without end */
		{ BUCKETS + APART + 40, 2048, 1, 1 },			  /* past what was dumped */
		{ VARS, END - 16, 0, 0 },
	};
	static const uint64_t record[] = { 1, 0, 64, 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;

		open_world(&w, 26);
		for (unsigned k = 0; k < 3; k++)
			put_bucket(&w, k, 3, record, 4);
		fake_image_put(w.f, cases[i].at, cases[i].value);
		assert_null(go_profile_read(&w.go, &w.p));
		assert_in_range(w.p.buckets.n, cases[i].n_least, cases[i].n_most);
		assert_int_equal(w.env.diags.n, 1);
		assert_string_equal(w.env.diags.list[0].code, "go/profile");
		close_world(&w);
	}
}

/* scaleHeapSample() of runtime/pprof, by its own formula: 1 / (1 - exp(-size / rate)). */
static void scaled(void **state)
{
	static const struct {
		int64_t rate;
		uint64_t count, bytes;
		int64_t want_count, want_bytes;
	} cases[] = {
		{ 1, 3, 300, 3, 300 },
		{ 0, 3, 300, 3, 300 },
		{ 512, 0, 0, 0, 0 },
		{ 512, 1, 512, 1, 809 },
		{ 512 << 10, 2, 2 << 20, 2, 2425393 },
		{ 512, 100, 1600, 3250, 52004 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct go_profile p = { .rate = cases[i].rate, .has_rate = true };
		int64_t count, bytes;

		go_profile_scale(&p, cases[i].count, cases[i].bytes, &count, &bytes);
		assert_int_equal(count, cases[i].want_count);
		assert_int_equal(bytes, cases[i].want_bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published),
		cmocka_unit_test(not_yet_published),
		cmocka_unit_test(damaged),
		cmocka_unit_test(scaled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
