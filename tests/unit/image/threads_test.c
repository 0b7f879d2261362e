/* threads_place(): whose stack is what, when a mapping is one stack, several, or a guard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <elf.h>

#include <cmocka.h>

#include "base/guard.h"
#include "image/parts.h"

static struct segment segments[] = {
	{ .start = 0x400000, .end = 0x401000, .flags = 6, .load = 0, .module = 0 },
	{ .start = 0x500000, .end = 0x521000, .flags = 6, .load = 1, .module = -1 },
	{ .start = 0x7f0000000000, .end = 0x7f0000001000, .flags = 0, .load = 2, .module = -1 },
	{ .start = 0x7f0000001000, .end = 0x7f0000081000, .flags = 6, .load = 3, .module = -1 },
	{ .start = 0x7f0000081000, .end = 0x7f0000090000, .flags = 6, .load = 4, .module = -1 },
	{ .start = 0x7fff00000000, .end = 0x7fff00010000, .flags = 6, .load = 5, .module = -1 },
	{ .start = 0x7fff00010000, .end = 0x7fff00020000, .flags = 6, .load = 5, .module = -1 },
};

static void test_stacks(void **state)
{
	static const struct {
		taddr sp, tp, low, high, live;
	} rows[] = {
		/* the main thread: its control block is elsewhere, its mapping in two segments */
		{ 0x7fff0000f000, 0x7f0000085000, 0x7fff00000000, 0x7fff00020000, 0x7fff0000ef80 },
		/* two stacks in one mapping: the upper begins where the lower's block ends */
		{ 0x7f0000080000, 0x7f00000806c0, 0x7f0000041000, 0x7f0000081000, 0x7f000007ff80 },
		{ 0x7f000003f000, 0x7f00000406c0, 0x7f0000001000, 0x7f0000041000, 0x7f000003ef80 },
		/* overflowed into the guard */
		{ 0x7f0000000ff8, 0x7f00000406c0, 0x7f0000001000, 0x7f0000041000, 0x7f0000001000 },
		/* at the very start of a mapping: no red zone below it */
		{ 0x7f0000081010, 0, 0x7f0000081000, 0x7f0000090000, 0x7f0000081000 },
		/* nowhere */
		{ 0x10, 0, 0, 0, 0 },
	};
	struct thread threads[ARRAY_SIZE(rows)] = {};
	struct image img = { .target = target_by_machine(EM_X86_64),
			     .segments = segments,
			     .n_segments = ARRAY_SIZE(segments),
			     .threads = threads,
			     .n_threads = ARRAY_SIZE(rows) };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		threads[i] =
			(struct thread){ .has_regs = true, .sp = rows[i].sp, .tp = rows[i].tp };
	assert_null(threads_place(&img));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(threads[i].stack_low, rows[i].low);
		assert_int_equal(threads[i].stack_high, rows[i].high);
		assert_int_equal(threads[i].live_low, rows[i].live);
	}
}

static void test_names(void **state)
{
	struct thread threads[2] = { { .tid = 8 }, { .tid = 7 } };
	struct image img = { .target = target_by_machine(EM_X86_64),
			     .pid = 7,
			     .command = "prog",
			     .threads = threads,
			     .n_threads = 2 };

	(void)state;
	assert_null(threads_place(&img));
	assert_null(threads[0].name);
	assert_string_equal(threads[1].name, "prog");
}

static void test_brk(void **state)
{
	struct module exe = { .start = 0x400000, .end = 0x401000, .is_exe = true };
	struct image img = { .target = target_by_machine(EM_X86_64),
			     .segments = segments,
			     .n_segments = ARRAY_SIZE(segments),
			     .modules = &exe,
			     .n_modules = 1 };

	(void)state;
	assert_null(threads_place(&img));
	assert_int_equal(img.brk_start, 0x500000);
	assert_int_equal(img.brk_end, 0x521000);
	img.brk_start = img.brk_end = 0;
	exe.end = 0x600000; /* nothing anonymous within reach */
	assert_null(threads_place(&img));
	assert_int_equal(img.brk_start, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stacks),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_brk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
