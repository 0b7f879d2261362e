/* Where an allocator's variables may be: a module's data, its .bss, and nothing that merely lies behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fake_image.h"
#include "heap/module_data.h"

enum { PAGE = 0x1000, CODE = 0x10000, DATA = 0x11000, BEHIND = 0x12000, FAR = 0x20000 };

static const struct fake_mapping memory[] = {
	{ CODE, PAGE, SEG_R | SEG_X, 1 },
	{ DATA, PAGE, SEG_R | SEG_W, 1 },
	{ BEHIND, PAGE, SEG_R | SEG_W }, /* .bss where the headers are unknown; or what mmap() put there */
	{ FAR, PAGE, SEG_R | SEG_W },
	{},
};

static void what_lies_behind(void **state)
{
	(void)state;
	for (unsigned whole = 0; whole < 2; whole++) {
		struct env env;
		struct fake_image *f;
		struct module_data d;
		const struct segment *seg;

		env_init(&env);
		f = fake_image_new(&env, memory, (const struct fake_word[]){ {} });
		f->modules[0].is_whole = whole;
		f->modules[0].end = BEHIND;
		d = module_data(&f->img);
		seg = module_data_next(&d);
		assert_non_null(seg);
		assert_int_equal(seg->start, DATA);
		seg = module_data_next(&d);
		if (whole) {
			assert_null(seg);
		} else {
			assert_non_null(seg);
			assert_int_equal(seg->start, BEHIND);
			assert_null(module_data_next(&d));
		}
		fake_image_free(f);
		env_fini(&env);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_lies_behind) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
