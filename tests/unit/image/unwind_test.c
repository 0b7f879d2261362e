/* unwind.c: frames by call frame information written out by hand, else by frame pointers. */
#include <dwarf.h>
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fake_elf.h"
#include "image/elf.h"
#include "image/parts.h"

enum {
	BASE = 0x500000, /* of the module with call frame information */
	INNER = 0x1000,	 /* its functions, 0x100 bytes each: frames of 24 bytes, of 16, the last */
	MIDDLE = 0x1100,
	OUTER = 0x1200,
	BARE = 0x700000, /* code of no module */
	STACK = 0x900000,
	WORDS = 64,
	END = 0x2000,
	RBX = 3,
	RBP = 6,
	RSP = 7,
	RIP = 16,
};

/* What frames must be: pc, and the stack pointer of the caller (0: unknown). */
struct want {
	uint64_t pc, sp;
};

struct world {
	struct env env;
	struct image img;
	struct module module;
	struct segment segments[3];
	struct thread threads[2];
	struct member core;
	struct bytes frame;
	struct fake_elf file, dump;
	uint64_t stack[WORDS];
};

/* One function whose frame address is rsp + cfa; cfa 0: nobody called it. */
static void put_fde(struct bytes *b, size_t cie, uint64_t at, unsigned cfa)
{
	size_t length = b->n;

	put_u32(b, 0);
	put_u32(b, (uint32_t)(b->n - cie));
	put_u64(b, at);
	put_u64(b, 0x100);
	if (cfa > 16) /* it saves rbx, next to the return address */
		put_n(b, (uint8_t[]){ DW_CFA_def_cfa, RSP, (uint8_t)cfa, DW_CFA_offset | RIP, 1, DW_CFA_offset | RBX, 2 }, 7);
	else if (cfa)
		put_n(b, (uint8_t[]){ DW_CFA_def_cfa, RSP, (uint8_t)cfa, DW_CFA_offset | RIP, 1 },
		      5);
	else
		put_n(b, (uint8_t[]){ DW_CFA_def_cfa, RSP, 8, DW_CFA_undefined, RIP }, 5);
	while (b->n % 8 != 4)
		put_u8(b, DW_CFA_nop);
	set_u32(b, length, (uint32_t)(b->n - length - 4));
}

static void put_frames(struct bytes *b)
{
	put_u32(b, 20);
	put_u32(b, 0); /* a CIE of .eh_frame */
	put_u8(b, 1);
	put_str(b, "");
	put_n(b, (uint8_t[]){ 1, 0x78, RIP }, 3); /* data alignment -8 */
	while (b->n < 24)
		put_u8(b, DW_CFA_nop);
	put_fde(b, 0, INNER, 24);
	put_fde(b, 0, MIDDLE, 16);
	put_fde(b, 0, OUTER, 0);
	put_u32(b, 0);
}

static void world_init(struct world *w, bool with_file)
{
	memset(w, 0, sizeof(*w));
	env_init(&w->env);
	put_frames(&w->frame);
	fake_elf_init(&w->file, ET_DYN, END, 0x11,
		      (struct fake_section[]){ { ".eh_frame", 0x200, &w->frame }, {} });
	fake_elf_init(&w->dump, ET_CORE, 0, 0, NULL);
	w->segments[0] = (struct segment){ BASE, BASE + END, .flags = SEG_R | SEG_X };
	w->segments[1] =
		(struct segment){ BARE, BARE + 0x1000, .flags = SEG_R | SEG_X, .module = -1 };
	w->segments[2] = (struct segment){ STACK,
					   STACK + sizeof(w->stack),
					   (const uint8_t *)w->stack,
					   SEG_R | SEG_W,
					   SEG_CORE,
					   .module = -1 };
	w->module =
		(struct module){ .path = "prog", .start = BASE, .end = BASE + END, .bias = BASE };
	if (with_file)
		assert_null(elf_file_open_bytes("prog", w->file.v, w->file.n, &w->module.elf));
	w->core = (struct member){ .name = "core", .size = w->dump.n, .map = w->dump.v };
	w->img = (struct image){ .env = &w->env,
				 .core = &w->core,
				 .target = target_by_machine(EM_X86_64),
				 .segments = w->segments,
				 .n_segments = 3,
				 .modules = &w->module,
				 .n_modules = 1,
				 .threads = w->threads,
				 .n_threads = 1 };
}

static void start_at(struct thread *t, uint64_t pc, uint64_t sp, uint64_t fp)
{
	*t = (struct thread){ .tid = 7, .has_regs = true, .pc = pc, .sp = sp };
	t->regs[RIP] = pc;
	t->regs[RSP] = sp;
	t->regs[RBP] = fp;
}

static void check(const char *name, const struct thread *t, const struct want *want)
{
	size_t n = 0;

	while (want[n].pc)
		n++;
	if (t->n_frames != n)
		fail_msg("%s: %zu frames, not %zu", name, t->n_frames, n);
	for (size_t i = 0; i < n; i++)
		if (t->frames[i].pc != want[i].pc || t->frames[i].sp != want[i].sp)
			fail_msg("%s: frame %zu is 0x%llx, 0x%llx", name, i,
				 (unsigned long long)t->frames[i].pc,
				 (unsigned long long)t->frames[i].sp);
}

static void world_fini(struct world *w)
{
	for (size_t i = 0; i < w->img.n_threads; i++) {
		free(w->threads[i].frames);
		free(w->threads[i].saved);
	}
	elf_file_free(w->module.elf);
	env_fini(&w->env);
}

static uint64_t word(unsigned i)
{
	return STACK + 8 * i;
}

/* Return addresses lie where the table says, whatever the frame pointer holds. */
static void by_call_frame_information(void **state)
{
	static const struct {
		const char *name;
		uint64_t pc, stack[WORDS];
		struct want want[4];
	} cases[] = {
		{ "three functions",
		  BASE + INNER + 4,
		  { 1, 2, BASE + MIDDLE + 8, 3, BASE + OUTER + 9 },
		  { { BASE + INNER + 4, STACK + 24 },
		    { BASE + MIDDLE + 8, STACK + 40 },
		    { BASE + OUTER + 9 } } },
		{ "no caller", BASE + OUTER, { BASE + MIDDLE + 8 }, { { BASE + OUTER } } },
		{ "a return address that is no code",
		  BASE + INNER,
		  { 1, 2, STACK + 8, BASE + OUTER + 1 },
		  { { BASE + INNER } } },
		{ "a return address of zero", BASE + MIDDLE, { 1, 0 }, { { BASE + MIDDLE } } },
	};
	struct world *w = test_malloc(sizeof(*w));

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		world_init(w, true);
		memcpy(w->stack, cases[i].stack, sizeof(w->stack));
		start_at(&w->threads[0], cases[i].pc, STACK, 0);
		assert_null(unwind_threads(&w->img, NULL));
		check(cases[i].name, &w->threads[0], cases[i].want);
		world_fini(w);
	}
	test_free(w);
}

/* What the innermost function saved is its caller's, and that one's as well: nobody saved it again. */
static void what_callers_had_in_registers(void **state)
{
	static const struct {
		uint64_t pc, stack[5];
		size_t n;
		struct saved_reg want;
	} cases[] = {
		{ BASE + INNER + 4, { 1, 77, BASE + MIDDLE + 8, 3, BASE + OUTER + 9 }, 1, { 1, RBX, true, STACK + 8, 77 } },
		{ BASE + INNER + 4, { 77, 5, BASE + MIDDLE + 8, 3, BASE + OUTER + 9 }, 1, { 1, RBX, true, STACK + 8, 5 } }, /* as it was */
		{ BASE + MIDDLE, { 77, BASE + OUTER + 1 }, 0, {} }, /* it is in its register still */
		{ BASE + OUTER, { 77 }, 0, {} },
	};
	struct world *w = test_malloc(sizeof(*w));

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct saved_reg *want = &cases[i].want, *is;

		world_init(w, true);
		memcpy(w->stack, cases[i].stack, sizeof(cases[i].stack));
		start_at(&w->threads[0], cases[i].pc, STACK, 0);
		w->threads[0].regs[RBX] = 5;
		assert_null(unwind_threads(&w->img, NULL));
		is = w->threads[0].saved;
		assert_int_equal(w->threads[0].n_saved, cases[i].n);
		assert_true(!cases[i].n || (is->frame == want->frame && is->reg == want->reg && is->is_known && is->at == want->at &&
					    is->value == want->value));
		world_fini(w);
	}
	test_free(w);
}

/* { caller's frame pointer, return address }: each above the last, in code, and there. */
static void by_frame_pointers(void **state)
{
	const struct {
		const char *name;
		uint64_t fp, stack[WORDS];
		struct want want[4];
	} cases[] = {
		{ "two callers",
		  word(2),
		  { 0, 0, word(6), BARE + 8, 0, 0, 0, BARE + 9 },
		  { { BARE, word(4) }, { BARE + 8, word(8) }, { BARE + 9 } } },
		{ "it points at itself",
		  word(2),
		  { 0, 0, word(2), BARE + 8 },
		  { { BARE, word(4) }, { BARE + 8 } } },
		{ "it goes down",
		  word(4),
		  { 0, 0, 0, 0, word(2), BARE + 8 },
		  { { BARE, word(6) }, { BARE + 8 } } },
		{ "below the stack pointer", STACK - 16, { BARE + 8 }, { { BARE } } },
		{ "unaligned", word(2) + 1, { 0, 0, 0, BARE + 8 }, { { BARE } } },
		{ "past the stack", word(WORDS), { 0 }, { { BARE } } },
		{ "half of it past the stack", word(WORDS - 1), { 0 }, { { BARE } } },
		{ "the end of memory", UINT64_MAX - 7, { 0 }, { { BARE } } },
		{ "no code", word(2), { 0, 0, word(6), STACK, 0, 0, 0, BARE + 9 }, { { BARE } } },
		{ "no frame pointer", 0, { BARE + 8, BARE + 9 }, { { BARE } } },
	};
	struct world *w = test_malloc(sizeof(*w));

	(void)state;
	for (unsigned file = 0; file < 2;
	     file++) /* the code is of no module: its file does not matter */
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			world_init(w, file);
			memcpy(w->stack, cases[i].stack, sizeof(w->stack));
			start_at(&w->threads[0], BARE, STACK, cases[i].fp);
			assert_null(unwind_threads(&w->img, NULL));
			check(cases[i].name, &w->threads[0], cases[i].want);
			world_fini(w);
		}
	test_free(w);
}

/* Call frame information that leads into code without any goes before a chain no longer than it. */
static void both(void **state)
{
	struct world *w = test_malloc(sizeof(*w));

	(void)state;
	world_init(w, true);
	w->stack[1] = BARE + 16; /* what a chain from the frame pointer finds */
	w->stack[2] = BARE + 8;	 /* the return address of INNER */
	start_at(&w->threads[0], BASE + INNER, STACK, word(0));
	assert_null(unwind_threads(&w->img, NULL));
	assert_int_equal(w->threads[0].n_frames, 2);
	assert_int_equal(w->threads[0].frames[0].pc, BASE + INNER);
	assert_int_equal(w->threads[0].frames[1].pc, BARE + 8);
	world_fini(w);
	test_free(w);
}

/* A chain as long as memory ends, and threads of one id or without registers are told apart. */
static void bounds(void **state)
{
	static uint64_t tall[2 * 1000];
	struct world *w = test_malloc(sizeof(*w));

	(void)state;
	world_init(w, false);
	for (unsigned i = 0; i < 1000; i++) {
		tall[2 * i] = STACK + 16 * (i + 1);
		tall[2 * i + 1] = BARE + i;
	}
	w->segments[2].bytes = (const uint8_t *)tall;
	w->segments[2].end = STACK + sizeof(tall);
	w->img.n_threads = 2;
	start_at(&w->threads[0], BARE, STACK, STACK);
	w->threads[1] = (struct thread){ .tid = 7, .pc = BARE, .sp = STACK };
	assert_null(unwind_threads(&w->img, NULL));
	assert_int_equal(w->threads[0].n_frames, 256);
	assert_int_equal(w->threads[0].frames[255].pc, BARE + 254);
	assert_int_equal(w->threads[1].n_frames, 0);
	world_fini(w);
	test_free(w);
}

/* Damaged call frame information of any kind ends: it need not find anything. */
static void damaged(void **state)
{
	struct world *w = test_malloc(sizeof(*w));
	size_t n;

	(void)state;
	world_init(w, true);
	n = w->frame.n;
	world_fini(w);
	for (size_t i = 0; i < n; i++) {
		uint8_t *at;

		world_init(w, true);
		at = memmem(w->file.v, w->file.n, w->frame.v, n);
		assert_non_null(at);
		at[i] ^= 0xff;
		w->stack[2] = BASE + MIDDLE + 8;
		w->stack[4] = BASE + OUTER + 9;
		start_at(&w->threads[0], BASE + INNER + 4, STACK, 0);
		assert_null(unwind_threads(&w->img, NULL));
		assert_true(w->threads[0].n_frames >= 1 && w->threads[0].n_frames <= 256);
		assert_int_equal(w->threads[0].frames[0].pc, BASE + INNER + 4);
		world_fini(w);
	}
	test_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_call_frame_information),
		cmocka_unit_test(what_callers_had_in_registers),
		cmocka_unit_test(by_frame_pointers),
		cmocka_unit_test(both),
		cmocka_unit_test(bounds),
		cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
