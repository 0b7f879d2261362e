/*
 * What tells the runtime's structures from what looks like them, and fields that moved: a small
 * runtime whose words are changed one at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fake_image.h"
#include "image/go_build.h"
#include "image/go_calibrate.h"
#include "image/go_check.h"
#include "image/go_layout.h"

enum {
	VARS = 0x600000, /* slices and other variables */
	MHEAP = 0x610000,
	MHEAP_SIZE = 0x20000,
	SPANS = 0x700000, /* mspans, 0x100 apart; in front of them allspans' array */
	N_SPANS = 8,
	ARENA = 0x800000,
	L2 = 0x900000, /* the part of the arena table that is mapped */
	MS = 0xa00000, /* m's and g's, 0x400 apart */
	MINOR = 26,
};

static const taddr heap = 0xc000000000;

static const struct fake_mapping memory[] = {
	{ VARS, 0x2000, SEG_R | SEG_W, 1 },	  { MHEAP, MHEAP_SIZE, SEG_R | SEG_W, 1 },
	{ SPANS, 0x2000, SEG_R | SEG_W, 0 },	  { ARENA, 0x12000, SEG_R | SEG_W, 0 },
	{ L2, 0x1000, SEG_R | SEG_W, 0 },	  { MS, 0x8000, SEG_R | SEG_W, 0 },
	{ heap, N_SPANS * 0x2000, SEG_R | SEG_W, 0 }, {},
};

struct world {
	struct env env;
	struct fake_image *f;
	struct go go;
};

static void put(struct world *w, taddr at, uint64_t value)
{
	fake_image_put(w->f, at, value);
}

static void slice(struct world *w, taddr at, taddr ptr, uint64_t n)
{
	put(w, at, ptr);
	put(w, at + 8, n);
	put(w, at + 16, n);
}

static taddr span_at(unsigned i)
{
	return SPANS + 0x400 + 0x100ull * i;
}

/* malloc.go, arenaIndex: by 64 MiB, from 1 << 47 below. */
static uint64_t arena_index(void)
{
	return (heap + (1ull << 47)) >> 26;
}

static void put_spans(struct world *w, uint32_t allspans, uint32_t arenas)
{
	const struct go_layout *l = &w->go.layout;

	slice(w, MHEAP + allspans, SPANS, N_SPANS);
	put(w, MHEAP + arenas, L2 - arena_index() * 8);
	put(w, L2, ARENA);
	for (unsigned i = 0; i < N_SPANS; i++) {
		taddr s = span_at(i), base = heap + 0x2000ull * i;

		put(w, SPANS + 8ull * i, s);
		put(w, s + l->mspan.startAddr, base);
		put(w, s + l->mspan.npages, 1);
		put(w, s + l->mspan.limit, base + 0x2000);
		put(w, s + l->mspan.spanclass - 2, 1ull << 24); /* allocCount, spanclass, state: in use */
		put(w, ARENA + l->heapArena.spans + 8ull * i, s);
	}
}

static void world_init(struct world *w)
{
	static const struct fake_word nothing[] = { {} };

	memset(w, 0, sizeof(*w));
	env_init(&w->env);
	w->f = fake_image_new(&w->env, memory, nothing);
	w->go.env = &w->env;
	w->go.img = &w->f->img;
	w->go.minor = MINOR;
	go_layout_of(MINOR, TARGET_X86_64, true, true, &w->go.layout);
}

static void world_fini(struct world *w)
{
	fake_image_free(w->f);
	env_fini(&w->env);
}

/* ---- the heap */

static void heaps(void **state)
{
	static const struct {
		taddr at; /* 0: in `mspan` number `span` */
		unsigned span, of_span; /* byte offset there */
		uint64_t value;
		bool is_mspan, is_mheap;
	} cases[] = {
		{ MHEAP + 0x10, 0, 0, 5, true, true }, /* what it does not look at */
		{ 0, 2, 24, 0xc000004001, false, true }, /* one span that begins in a page */
		{ 0, 2, 32, 0, false, true },		 /* or has no pages: run over */
		{ MHEAP + 65864 + 8, 0, 0, 0, true, false }, /* no spans */
		{ MHEAP + 65864 + 16, 0, 0, 1, true, false }, /* len > cap */
		{ MHEAP + 65864, 0, 0, 0x12345678, true, false }, /* nowhere */
		{ MHEAP + 66008, 0, 0, 0, true, false },	 /* no arenas */
		{ L2, 0, 0, 0, true, false },
		{ L2, 0, 0, ARENA + 0x8000, true, false }, /* another arena: its pages have other spans */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		world_init(&w);
		put_spans(&w, 65864, 66008);
		assert_true(go_is_mheap(&w.go, MHEAP));
		assert_false(go_is_mheap(&w.go, MHEAP + 8));
		w.go.at.mheap = MHEAP;
		assert_int_equal(go_span_of(&w.go, heap + 0x5000), span_at(2));
		assert_int_equal(go_span_of(&w.go, heap + (64ull << 20)), 0);
		put(&w, cases[i].at ? cases[i].at : span_at(cases[i].span) + cases[i].of_span, cases[i].value);
		assert_int_equal(go_is_mspan(&w.go, span_at(cases[i].span)), cases[i].is_mspan);
		assert_int_equal(go_is_mheap(&w.go, MHEAP), cases[i].is_mheap);
		world_fini(&w);
	}
}

static void heaps_that_moved(void **state)
{
	static const struct {
		uint32_t allspans, arenas;
		bool found;
	} cases[] = {
		{ 65864, 66008, true },
		{ 65864, 66072, true }, /* a cache line in between */
		{ 65800, 65944, true }, /* all of it */
		{ 65900 / 8 * 8, 66300 / 8 * 8, true },
		{ 65864, 65864 + 4096, false }, /* too far */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;
		struct go_layout was;

		world_init(&w);
		was = w.go.layout;
		put_spans(&w, cases[i].allspans, cases[i].arenas);
		assert_int_equal(go_calibrate_mheap(&w.go, MHEAP), cases[i].found);
		if (cases[i].found) {
			assert_int_equal(w.go.layout.mheap.allspans, cases[i].allspans);
			assert_int_equal(w.go.layout.mheap.arenas, cases[i].arenas);
			assert_int_equal(w.go.layout.mheap.central - cases[i].arenas,
					 was.mheap.central - was.mheap.arenas);
		} else {
			assert_memory_equal(&w.go.layout, &was, sizeof(was));
		}
		world_fini(&w);
	}
}

/* ---- goroutines */

struct fake_g {
	uint64_t id;
	unsigned status;
};

static void put_gs(struct world *w, uint32_t status_at, const struct fake_g *gs, unsigned n)
{
	slice(w, VARS, VARS + 0x100, n);
	for (unsigned i = 0; i < n; i++) {
		taddr g = MS + 0x400ull * i;

		put(w, VARS + 0x100 + 8ull * i, g);
		put(w, g, heap + 0x1000ull * i);
		put(w, g + 8, heap + 0x1000ull * i + 0x800);
		put(w, g + status_at, gs[i].status);
		put(w, g + status_at + 8, gs[i].id);
	}
}

static void goroutines(void **state)
{
	static const struct {
		struct fake_g gs[4];
		bool ok;
	} cases[] = {
		{ { { 1, 4 }, { 2, 4 }, { 3, 2 }, { 70000, 1 } }, true },
		{ { { 19, 4 }, { 17, 3 }, { 2, 4 }, { 34, 11 } }, true }, /* a library: nobody has 1 */
		{ { { 1, 0x1004 }, { 2, 0x1002 }, { 3, 4 }, { 4, 4 } }, true }, /* while they are scanned */
		{ { { 1, 4 }, { 1, 4 }, { 3, 4 }, { 4, 4 } }, false },
		{ { { 1, 4 }, { 1, 6 }, { 1, 6 }, { 4, 4 } }, true }, /* dead ones keep their last */
		{ { { 0, 4 }, { 2, 4 }, { 3, 4 }, { 4, 4 } }, false },
		{ { { 1, 77 }, { 2, 4 }, { 3, 4 }, { 4, 4 } }, false },
		{ { { 1, 6 }, { 2, 6 }, { 3, 6 }, { 4, 6 } }, false }, /* nobody lives */
		{ { { MS, 4 }, { MS + 8, 4 }, { MS + 16, 4 }, { VARS, 4 } }, false }, /* addresses */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		world_init(&w);
		put_gs(&w, w.go.layout.g.atomicstatus, cases[i].gs, 4);
		assert_int_equal(go_is_allgs(&w.go, VARS), cases[i].ok);
		put(&w, MS + 0x400, heap + 0x9000); /* a stack that ends before it begins */
		assert_false(go_is_allgs(&w.go, VARS));
		world_fini(&w);
	}
}

static void goroutines_that_moved(void **state)
{
	static const struct fake_g gs[] = { { 1, 4 }, { 2, 4 }, { 5, 2 }, { 9, 6 } };

	(void)state;
	for (int by = -24; by <= 64; by += 8) {
		struct world w;
		struct go_layout was;

		world_init(&w);
		was = w.go.layout;
		put_gs(&w, was.g.atomicstatus + (uint32_t)by, gs, 4);
		assert_int_equal(go_is_allgs(&w.go, VARS), by == 0);
		assert_true(go_calibrate_allgs(&w.go, VARS));
		assert_int_equal(w.go.layout.g.atomicstatus, was.g.atomicstatus + (uint32_t)by);
		assert_int_equal(w.go.layout.g.goid, was.g.goid + (uint32_t)by);
		assert_int_equal(w.go.layout.g.waitreason, was.g.waitreason + (uint32_t)by);
		assert_int_equal(w.go.layout.g.sched_sp, was.g.sched_sp);
		world_fini(&w);
	}
}

/* ---- threads */

enum { N_MS = 5 };

/* runtime.m grew by allpSnapshot within 1.23. */
static void threads(void **state)
{
	static const int moves[] = { 0, -24, 24, 8 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(moves); i++) {
		struct world w;
		uint32_t link;

		world_init(&w);
		link = w.go.layout.m.alllink + (uint32_t)moves[i];
		w.f->img.n_threads = N_MS;
		put(&w, VARS, MS);
		for (unsigned k = 0; k < N_MS; k++) {
			taddr m = MS + 0x1000ull * k, g0 = m + 0x800;

			put(&w, m, g0);
			put(&w, g0 + w.go.layout.g.m, m);
			put(&w, m + link, k + 1 < N_MS ? m + 0x1000 : 0);
			/* Two of them idle, in a list that is shorter. */
			put(&w, m + link + 8, k == 0 ? MS + 0x3000 : 0);
		}
		assert_int_equal(go_is_allm(&w.go, VARS), moves[i] == 0);
		assert_true(go_calibrate_allm(&w.go, VARS));
		assert_int_equal(w.go.layout.m.alllink, link);
		put(&w, MS + 0x800 + w.go.layout.g.m, MS + 8);
		assert_false(go_is_allm(&w.go, VARS));
		world_fini(&w);
	}
}

/* ---- variables */

static void put_text(struct world *w, taddr at, const char *text)
{
	for (size_t i = 0; i < strlen(text); i += 8) {
		uint64_t v = 0;

		memcpy(&v, text + i, strlen(text) - i < 8 ? strlen(text) - i : 8);
		put(w, at + i, v);
	}
}

static void wait_reasons(void **state)
{
	static const struct {
		const char *reasons[5];
		uint32_t n;
	} cases[] = {
		{ { "", "GC assist marking", "IO wait", "chan receive (nil chan)" }, 4 },
		{ { "", "GC assist marking", "IO wait", "x\ny" }, 3 },
		{ { "", "GC assist marking" }, 2 },
		{ { "", "something else" }, 0 },
		{ { "zero", "GC assist marking" }, 0 },
		{ { "" }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		world_init(&w);
		for (unsigned k = 0; k < 5 && cases[i].reasons[k]; k++) {
			put_text(&w, VARS + 0x400 + 0x40 * k, cases[i].reasons[k]);
			put(&w, VARS + 16 * k, *cases[i].reasons[k] ? VARS + 0x400 + 0x40 * k : 0);
			put(&w, VARS + 16 * k + 8, strlen(cases[i].reasons[k]));
		}
		assert_int_equal(go_wait_reasons(&w.go, VARS), cases[i].n);
		world_fini(&w);
	}
}

static bool has_chunks(const struct go *go, taddr var)
{
	return go_persistent_chunks(go, var) != 0;
}

/* A variable at VARS, and up to four words elsewhere. */
static void lists(void **state)
{
	static const struct {
		bool (*check)(const struct go *go, taddr at);
		struct fake_word words[4];
		bool ok;
	} cases[] = {
		{ go_is_finblocks, { {} }, true }, /* none yet */
		{ go_is_finblocks, { { VARS, SPANS }, { SPANS, SPANS + 0x100 }, { SPANS + 16, 101 } }, true },
		{ go_is_finblocks, { { VARS, SPANS }, { SPANS + 16, 102 } }, false },
		{ go_is_finblocks, { { VARS, SPANS }, { SPANS, SPANS } }, true }, /* a ring ends, too */
		{ go_is_finblocks, { { VARS, 0x1234 } }, false },
		{ go_is_mbuckets, { {} }, true },
		{ go_is_mbuckets, { { VARS, SPANS }, { SPANS + 16, 1 } }, true },
		{ go_is_mbuckets, { { VARS, SPANS }, { SPANS + 16, 2 } }, false }, /* of blocked time */
		{ go_is_pools, { {} }, true },
		{ go_is_pools, { { VARS, SPANS }, { VARS + 8, 1 }, { VARS + 16, 1 }, { SPANS, MS } }, true },
		{ go_is_pools, { { VARS, SPANS }, { VARS + 8, 1 }, { VARS + 16, 1 }, { SPANS, 8 } }, false },
		{ has_chunks, { { VARS, SPANS }, { SPANS, MS }, { MS, 0 } }, true },
		{ has_chunks, { { VARS, SPANS }, { SPANS, MS + 8 } }, false },
		{ has_chunks, { {} }, false },
		{ go_is_gcphase, { { VARS, 2 } }, true },
		{ go_is_gcphase, { { VARS, 3 } }, false },
		{ go_is_flag, { { VARS, 1 } }, true },
		{ go_is_flag, { { VARS, 2 } }, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		world_init(&w);
		for (size_t k = 0; k < ARRAY_SIZE(cases[i].words) && cases[i].words[k].at; k++)
			put(&w, cases[i].words[k].at, cases[i].words[k].value);
		assert_int_equal(cases[i].check(&w.go, VARS), cases[i].ok);
		assert_false(cases[i].check(&w.go, VARS + 0x100000000)); /* not in the dump */
		world_fini(&w);
	}
}

/* ---- fields that no variable is told by */

enum {
	CHUNK_BITS = SPANS + 0x1000, /* pallocData of the heap's chunk */
	ALLOC_BITS = SPANS + 0x1200,
	RANGES = SPANS + 0x1400,
	NELEMS = 100, TAKEN = 40, /* objects of a span, and the first of them are allocated */
	SWEEPGEN = 8,
};

/* malloc.go, chunkIndex: by 4 MiB, likewise; tables of 8192. */
static uint64_t chunk_index(void)
{
	return (heap + (1ull << 47)) >> 22;
}

static void put_fields(struct world *w)
{
	const struct go_layout *l = &w->go.layout;

	put_spans(w, 65864, 66008);
	w->go.at.mheap = MHEAP;
	put(w, MHEAP + l->mheap.sweepgen, SWEEPGEN);
	put(w, MHEAP + l->mheap.pages + l->pageAlloc.chunks + (chunk_index() >> 13) * 8,
	    CHUNK_BITS - (chunk_index() & 8191) * 128);
	put(w, CHUNK_BITS, 0xff);
	slice(w, MHEAP + l->mheap.pages + l->pageAlloc.inUse, RANGES, 1);
	put(w, RANGES, heap);
	put(w, RANGES + 8, heap + N_SPANS * 0x2000);
	put(w, ARENA + l->heapArena.pageInUse, 0xff);
	put(w, ALLOC_BITS, 0);
	for (unsigned i = 0; i < N_SPANS; i++) {
		taddr s = span_at(i);

		put(w, s + 48, TAKEN | (uint64_t)NELEMS << 16); /* freeindex, nelems, freeIndexForScan */
		put(w, s + l->mspan.allocBits, ALLOC_BITS);
		put(w, s + l->mspan.gcmarkBits, ALLOC_BITS);
		put(w, s + l->mspan.elemsize, 80);
		put(w, s + l->mspan.sweepgen, SWEEPGEN);
		put(w, s + l->mspan.allocCount, TAKEN | 14 << 16 | 1 << 24); /* spanclass, state */
	}
}

static void fields(void **state)
{
#define OF(f) offsetof(struct go_layout, f)
	static const struct {
		size_t field;
		int by; /* how far it is moved */
	} cases[] = {
		{ 0, 0 }, /* as it is */
		{ OF(mspan.elemsize), 8 },	{ OF(mspan.elemsize), -8 },	{ OF(mspan.nelems), 2 },
		{ OF(mspan.freeindex), 2 },	{ OF(mspan.freeindex), -8 },	{ OF(mspan.allocCount), 2 },
		{ OF(mspan.allocCount), -4 },	{ OF(mspan.spanclass), 1 },	{ OF(mspan.sweepgen), 8 },
		{ OF(mspan.allocBits), 24 },	{ OF(mspan.specials), 8 * -8 },	{ OF(mheap.sweepgen), 8 },
		{ OF(mheap.pages), 8 },		{ OF(pageAlloc.inUse), 8 },	{ OF(pageAlloc.chunks), -8 },
		{ OF(heapArena.pageInUse), 8 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;
		uint32_t at;

		world_init(&w);
		put_fields(&w);
		memcpy(&at, (uint8_t *)&w.go.layout + cases[i].field, sizeof(at));
		at += (uint32_t)cases[i].by;
		memcpy((uint8_t *)&w.go.layout + cases[i].field, &at, sizeof(at));
		go_check_fields(&w.go);
		assert_true(w.go.checks_passed >= 3);
		if ((w.go.checks_failed != 0) != (cases[i].by != 0))
			fail_msg("field at %zu moved by %d: %u of %u fail", cases[i].field, cases[i].by,
				 (unsigned)w.go.checks_failed, (unsigned)(w.go.checks_passed + w.go.checks_failed));
		world_fini(&w);
	}
#undef OF
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heaps),
		cmocka_unit_test(heaps_that_moved),
		cmocka_unit_test(goroutines),
		cmocka_unit_test(goroutines_that_moved),
		cmocka_unit_test(threads),
		cmocka_unit_test(wait_reasons),
		cmocka_unit_test(lists),
		cmocka_unit_test(fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
