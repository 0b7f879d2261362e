/* Vector registers from notes: where each word lies, what is believed, names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <elf.h>

#include <cmocka.h>

#include "base/guard.h"
#include "image/vectors.h"

enum { AREA = 3072, XCR0 = 464, BV = 512, XCOMP = 520 };
#define COMPACTED (1ull << 63)

struct area {
	uint8_t bytes[AREA];
};

static void put(struct area *a, unsigned at, uint64_t value)
{
	memcpy(a->bytes + at, &value, 8);
}

/* Every word says where it lies, so that a word that is read shows from where. */
static void fill(struct area *a, uint64_t xcr0, uint64_t present, uint64_t xcomp)
{
	for (unsigned at = 0; at < AREA; at += 8)
		put(a, at, 0x1000 + at);
	put(a, XCR0, xcr0);
	put(a, BV, present);
	put(a, XCOMP, xcomp);
}

struct result {
	struct env env;
	struct image img;
	struct thread thread;
};

static void read_notes(struct result *r, unsigned machine, const struct area *xstate,
		       uint64_t n_xstate, const struct area *fpregs, uint64_t n_fpregs,
		       const struct xsave_layout *told)
{
	static const struct xsave_layout nothing;
	struct vector_notes notes = {};

	*r = (struct result){};
	env_init(&r->env);
	r->img.env = &r->env;
	r->img.target = target_by_machine((uint16_t)machine);
	if (xstate)
		notes.xstate = cursor_init(xstate->bytes, n_xstate, "core", 0);
	if (fpregs)
		notes.fpregs = cursor_init(fpregs->bytes, n_fpregs, "core", 0);
	assert_null(vectors_read(&r->img, &notes, told ? told : &nothing, &r->thread));
}

static void result_fini(struct result *r)
{
	arena_fini(&r->img.names);
	env_fini(&r->env);
}

/* Where the word of this name was read, 0 if it was not. */
static uint64_t from(const struct result *r, const char *name)
{
	for (size_t i = 0; i < r->thread.n_vectors; i++) {
		struct text t = TEXT_INIT;
		bool same;

		assert_true(vector_word_name(r->img.target, r->thread.vectors[i].no, &t));
		same = !strcmp(text_str(&t), name);
		text_fini(&t);
		if (same)
			return r->thread.vectors[i].value - 0x1000;
	}
	return 0;
}

/* Offsets by hand from the SDM's table of component sizes, and from CPUID leaf 0xD of Zen 4. */
static void test_layouts(void **state)
{
	static const struct {
		uint64_t xcr0, present, xcomp, size;
		unsigned xmm3_high, ymm3, k2, zmm3, zmm17; /* where they are read */
		bool doubt;
	} rows[] = {
		{ 0x7, 0x7, 0, 832, 160 + 56, 576 + 48, 0, 0, 0 },
		{ 0x7, 0x3, 0, 832, 160 + 56, 0, 0, 0, 0 }, /* AVX is as it was at the start */
		{ 0x7, 0x4, 0, 832, 0, 576 + 48, 0, 0, 0 }, /* SSE is */
		{ 0x7, 0x0, 0, 832, 0, 0, 0, 0, 0 },
		{ 0xff, 0xff, 0, 2688, 216, 624, 1088 + 16, 1152 + 96, 1664 + 64 }, /* Intel */
		{ 0x2e7, 0x2e7, 0, 2696, 216, 624, 1104, 1248, 1728 },		    /* with PKRU */
		{ 0xe7, 0xe7, 0, 2432, 216, 624, 832 + 16, 896 + 96, 1408 + 64 },   /* AMD */
		{ 0x2e7, 0x2e7, 0, 2440, 216, 624, 848, 992, 1472 },
		{ 0xe7, 0xe7, 0, 1024, 216, 624, 0, 0, 0, true }, /* no processor's */
		/* compacted: 576, then what XCOMP_BV names */
		{ 0xe7, 0xe7, COMPACTED | 0xe7, 2432, 216, 624, 848, 992, 1472 },
		{ 0xe7, 0xe3, COMPACTED | 0xe3, 2176, 216, 0, 592, 640 + 96, 1152 + 64 },
		{ 0xe7, 0xc7, COMPACTED | 0xc7, 2368, 216, 624, 0, 832 + 96, 1344 + 64 },
		{ 0xff, 0xff, COMPACTED | 0xff, 2560, 216, 624, 960 + 16, 1024 + 96, 1536 + 64 },
		{ 0xe7, 0xe7, COMPACTED | 0x3, 2432, 216, 0, 0, 0, 0, true },
		/* lies */
		{ 0x7, 0xe7, 0, 2688, 216, 624, 0, 0, 0, true }, /* xcr0 lacks what is present */
		{ 0, 0x7, 0, 832, 216, 0, 0, 0, 0, true },
		{ 0x7, 0x7, 0, 831, 216, 0, 0, 0, 0, true }, /* a byte short */
		{ 0x7, 0x7, 0, 576, 216, 0, 0, 0, 0, true },
		{ UINT64_MAX, UINT64_MAX, UINT64_MAX, 600, 216, 0, 0, 0, 0, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct area a;
		struct result r;

		fill(&a, rows[i].xcr0, rows[i].present, rows[i].xcomp);
		read_notes(&r, EM_X86_64, &a, rows[i].size, NULL, 0, NULL);
		assert_int_equal(from(&r, "xmm3 (high half)"), rows[i].xmm3_high);
		assert_int_equal(from(&r, "ymm3 (bits 128-191)"), rows[i].ymm3);
		assert_int_equal(from(&r, "k2"), rows[i].k2);
		assert_int_equal(from(&r, "zmm3 (bits 256-319)"), rows[i].zmm3);
		assert_int_equal(from(&r, "xmm17 (low half)"), rows[i].zmm17);
		assert_int_equal(r.env.diags.n > 0, rows[i].doubt);
		result_fini(&r);
	}
}

/* Words of zero are no roots; the last word of the last register is one. */
static void test_compact(void **state)
{
	struct area a = {};
	struct result r;

	(void)state;
	put(&a, XCR0, 0xe7);
	put(&a, BV, 0xe7);
	put(&a, 1408 + 1024 - 8, 0x1234);
	read_notes(&r, EM_X86_64, &a, 2432, NULL, 0, NULL);
	assert_int_equal(r.thread.n_vectors, 1);
	assert_int_equal(from(&r, "zmm31 (bits 448-511)"), 0x234);
	result_fini(&r);
}

/* NT_FPREGSET is asked only where NT_X86_XSTATE says nothing. */
static void test_fall_back(void **state)
{
	static const struct {
		unsigned n_xstate, n_fpregs; /* 0: no such note */
		uint64_t xmm1;
		bool doubt;
	} rows[] = {
		{ 0, 512, 160 + 16 },
		{ 0, 511, 0, true },
		{ 500, 512, 176, true },
		{ 527, 512, 176, true },
		{ 832, 512, 0 }, /* it says that SSE is as it was at the start */
		{ 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct area xstate, fpregs;
		struct result r;

		fill(&xstate, 7, 0, 0);
		fill(&fpregs, 0, 0, 0);
		read_notes(&r, EM_X86_64, rows[i].n_xstate ? &xstate : NULL, rows[i].n_xstate,
			   rows[i].n_fpregs ? &fpregs : NULL, rows[i].n_fpregs, NULL);
		assert_int_equal(from(&r, "xmm1 (low half)"), rows[i].xmm1);
		assert_int_equal(r.env.diags.n > 0, rows[i].doubt);
		result_fini(&r);
	}
}

static void test_aarch64(void **state)
{
	struct area a;
	struct result r;

	(void)state;
	fill(&a, 1, 1, 1); /* those places mean nothing here */
	read_notes(&r, EM_AARCH64, NULL, 0, &a, 528, NULL);
	assert_int_equal(r.thread.n_vectors, 64);
	assert_int_equal(from(&r, "v1 (low half)"), 16);
	assert_int_equal(from(&r, "v31 (high half)"), 504);
	result_fini(&r);

	read_notes(&r, EM_AARCH64, NULL, 0, &a, 511, NULL);
	assert_int_equal(r.thread.n_vectors, 0);
	assert_int_equal(r.env.diags.n, 1);
	result_fini(&r);
}

/* Linux 6.12 says where: believed before the size, and held to the sizes that components have. */
static void test_layout_note(void **state)
{
	static const struct {
		uint32_t rows[3][4];
		unsigned ymm3, zmm3;
		bool doubt;
	} cases[] = {
		{ { { 2, 256, 576 }, { 6, 512, 2000 }, { 9, 8, 2432 } }, 624, 2096 },
		{ { { 2, 256, 576 }, { 6, 100, 2000 } }, 624, 0, true }, /* no such size */
		{ { { 2, 256, 576 }, { 6, 512, 570 } }, 624, 0, true },	 /* within the header */
		{ { { 2, 256, 576 }, { 6, 512, 0xffffffc0 } }, 624, 0, true }, /* past the end */
		{ { { 2, 256, 0xfffffff8 }, { 6, 512, 896 } }, 0, 992, true },
		{ { { 0xffffffff, 256, 576 } }, 624, 992 }, /* nothing said: the size decides */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct xsave_layout told = {};
		struct env env;
		struct area a;
		struct result r;
		size_t doubts;

		env_init(&env);
		vectors_read_layout(
			&env, cursor_init(cases[i].rows, sizeof(cases[i].rows), "core", 0), &told);
		doubts = env.diags.n;
		env_fini(&env);
		fill(&a, 0x47, 0x47, 0);
		read_notes(&r, EM_X86_64, &a, 2560, NULL, 0, &told);
		assert_int_equal(from(&r, "xmm3 (high half)"), 216);
		assert_int_equal(from(&r, "ymm3 (bits 128-191)"), cases[i].ymm3);
		assert_int_equal(from(&r, "zmm3 (bits 256-319)"), cases[i].zmm3);
		assert_int_equal(doubts + r.env.diags.n > 0, cases[i].doubt);
		result_fini(&r);
	}
}

static void test_names(void **state)
{
	static const struct {
		unsigned machine;
		uint64_t no;
		const char *name; /* NULL: no vector register */
	} rows[] = {
		{ EM_X86_64, VECTOR_FIRST, "xmm0 (low half)" },
		{ EM_X86_64, VECTOR_FIRST + 8 * 15 + 3, "ymm15 (bits 192-255)" },
		{ EM_X86_64, VECTOR_FIRST + 8 * 31 + 4, "zmm31 (bits 256-319)" },
		{ EM_X86_64, VECTOR_FIRST + 8 * 39, "k7" },
		{ EM_X86_64, VECTOR_FIRST + 8 * 40, NULL },
		{ EM_X86_64, VECTOR_FIRST - 1, NULL },
		{ EM_X86_64, UINT64_MAX, NULL },
		{ EM_AARCH64, VECTOR_FIRST + 8 * 8 + 1, "v8 (high half)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct text t = TEXT_INIT;

		assert_int_equal(vector_word_name(target_by_machine((uint16_t)rows[i].machine),
						  rows[i].no, &t),
				 rows[i].name != NULL);
		assert_string_equal(text_str(&t), rows[i].name ? rows[i].name : "");
		text_fini(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layouts),	    cmocka_unit_test(test_compact),
		cmocka_unit_test(test_fall_back),   cmocka_unit_test(test_aarch64),
		cmocka_unit_test(test_layout_note), cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
