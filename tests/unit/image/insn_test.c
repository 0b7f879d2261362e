/* insn_refs(): what assembled code refers to; the bytes are GNU as's, the targets worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "image/insn.h"

enum { CODE = 0x10000, MAX = 4 };

static const struct row {
	const char *name;
	uint16_t machine;
	uint8_t code[32];
	size_t n;
	unsigned max_insns;
	struct insn_ref want[MAX];
	size_t n_want;
} rows[] = {
	{ "lea 0x100(%rip), %rdi",
	  62,
	  { 0x48, 0x8d, 0x3d, 0, 1, 0, 0 },
	  7,
	  9,
	  { { CODE, CODE + 0x107, INSN_LEA } },
	  1 },
	{ "mov 0x200(%rip), %rax",
	  62,
	  { 0x48, 0x8b, 5, 0, 2, 0, 0 },
	  7,
	  9,
	  { { CODE, CODE + 0x207, INSN_LOAD } },
	  1 },
	{ "mov %fs:-8, %rcx",
	  62,
	  { 0x64, 0x48, 0x8b, 0x0c, 0x25, 0xf8, 0xff, 0xff, 0xff },
	  9,
	  9,
	  { { CODE, (taddr)-8, INSN_TLS } },
	  1 },
	{ "call .+0x50", 62, { 0xe8, 0x4b, 0, 0, 0 }, 5, 9, { { CODE, CODE + 0x50, INSN_CALL } }, 1 },
	{ "cut short", 62, { 0xe8, 0x4b, 0 }, 3, 9, {}, 0 },
	{ "no more than asked for", 62, { 0x90, 0xe8, 0x4b, 0, 0, 0 }, 6, 1, {}, 0 },
	{ "adrp, add, ldr",
	  183,
	  { 0, 0, 0, 0xd0, 0, 0x60, 0, 0x91, 1, 4, 0x40, 0xf9 },
	  12,
	  9,
	  { { CODE + 4, CODE + 0x2018, INSN_LEA }, { CODE + 8, CODE + 0x2020, INSN_LOAD } },
	  2 },
	{ "mrs tpidr_el0, add lsl 12, add",
	  183,
	  { 0x42, 0xd0, 0x3b, 0xd5, 0x42, 0, 0x40, 0x91, 0x42, 0x40, 0, 0x91 },
	  12,
	  9,
	  { { CODE + 4, 0, INSN_TLS }, { CODE + 8, 0x10, INSN_TLS } },
	  2 },
	{ "bl .+0x40", 183, { 0x10, 0, 0, 0x94 }, 4, 9, { { CODE, CODE + 0x40, INSN_CALL } }, 1 },
};

static void refs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct segment s = { CODE, CODE + r->n, r->code, SEG_R | SEG_X, SEG_CORE };
		struct image img = { .target = target_by_machine(r->machine), .segments = &s, .n_segments = 1 };
		struct insn_ref got[MAX];

		print_message("%s\n", r->name);
		assert_int_equal(insn_refs(&img, CODE, 100, r->max_insns, got, MAX), r->n_want);
		for (size_t k = 0; k < r->n_want; k++) {
			assert_int_equal(got[k].pc, r->want[k].pc);
			assert_int_equal(got[k].target, r->want[k].target);
			assert_int_equal(got[k].kind, r->want[k].kind);
		}
		assert_int_equal(insn_refs(&img, CODE + r->n, 100, 9, got, MAX), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(refs) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
