/* Return addresses on a dead stack: what stands in front of the place that a word points to. */
#include <string.h>

#include "base/guard.h"
#include "fake_image.h"
#include "image/dead_calls.h"
#include "image/target.h"
#include "unit_env.h"

enum { CODE = 0x100000, DATA = 0x110000, STACK = 0x200000, SIZE = 0x1000, RET = CODE + 0x108 };

static const struct fake_mapping mappings[] = {
	{ .start = CODE, .size = SIZE, .flags = SEG_R | SEG_X, .module = 1 },
	{ .start = DATA, .size = SIZE, .flags = SEG_R | SEG_W, .module = 1 },
	{ .start = STACK, .size = SIZE, .flags = SEG_R | SEG_W },
	{},
};

/* The eight bytes in front of RET, as they are in memory. */
static const struct {
	const char *name, *bytes;
	bool is_call;
	taddr callee;
} cases[] = {
	{ "call near", "\0\0\0\xe8\xf8\0\0\0", true, CODE + 0x200 },
	{ "call back", "\0\0\0\xe8\x78\xff\xff\xff", true, CODE + 0x80 },
	{ "to where no code is", "\0\0\0\xe8\0\0\0\x70", false, 0 },
	{ "call *%rax", "\0\0\0\0\0\0\xff\xd0", true, 0 },
	{ "call *%r8", "\0\0\0\0\0\x41\xff\xd0", true, 0 },
	{ "call *0x10(%rax)", "\0\0\0\0\0\xff\x50\x10", true, 0 },
	{ "call *0x100(%rax)", "\0\0\xff\x90\0\1\0\0", true, 0 },
	{ "call *0x10(%rsp)", "\0\0\0\0\xff\x54\x24\x10", true, 0 },
	{ "call *x(%rip)", "\0\0\xff\x15\xf8\xfe\0\0", true, CODE + 0x300 },
	{ "jmp *%rax", "\0\0\0\0\0\0\xff\xe0", false, 0 },
	{ "push", "\0\0\0\0\0\0\xff\xf0", false, 0 },
	{ "nothing", "\x90\x90\x90\x90\x90\x90\x90\x90", false, 0 },
};

static void x86(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_image *f = fake_image_new(&env, mappings, (const struct fake_word[]){ {} });
		struct thread t = { .stack_low = STACK, .stack_high = STACK + SIZE, .sp = STACK + 0x800 };
		struct dead_call calls[2];
		uint64_t word;
		size_t n;

		memcpy(&word, cases[i].bytes, 8);
		fake_image_put(f, RET - 8, word);
		fake_image_put(f, DATA, CODE + 0x300); /* what call *x(%rip) reads */
		fake_image_put(f, STACK + 0x400, RET);
		fake_image_put(f, STACK + 0x900, RET); /* of a frame that lives */
		n = dead_calls_at(&f->img, &t, STACK + 0x100, calls, 2);
		if (n != cases[i].is_call || (n && calls[0].callee != cases[i].callee))
			fail_msg("%s: %zu, %llx", cases[i].name, n, (unsigned long long)calls[0].callee);
		assert_int_equal(dead_calls_at(&f->img, &t, STACK + 0x408, calls, 2), 0);
		assert_int_equal(dead_calls_at(&f->img, &t, STACK - 8, calls, 2), 0);
		assert_int_equal(dead_calls_at(&f->img, &t, STACK + 0x900, calls, 2), 0);
		fake_image_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(x86, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
