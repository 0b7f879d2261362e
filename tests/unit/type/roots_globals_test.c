/* Which memory is a module's data: rows of its file, .bss right behind them, RELRO; and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fake_image.h"
#include "type/rooter.h"

extern const struct rooter_ops rooter_globals;

enum { PAGE = 0x1000, RELRO = 0x11000, DATA = 0x12000, BEHIND = 0x13000, FAR = 0x20000, BRK = 0x31000 };

static const struct fake_mapping memory[] = {
	{ 0x10000, PAGE, SEG_R | SEG_X, 1 },
	{ RELRO, PAGE, SEG_R, 1 },
	{ DATA, PAGE, SEG_R | SEG_W, 1 },
	{ BEHIND, 4 * PAGE, SEG_R | SEG_W }, /* .bss, or what mmap() put there */
	{ FAR, PAGE, SEG_R | SEG_W },
	{ 0x30000, PAGE, SEG_R | SEG_W, 2 },
	{ BRK, PAGE, SEG_R | SEG_W },
	{},
};

static const struct {
	const char *name;
	bool is_whole;
	taddr end;	/* of the module */
	bool is_bss;	/* what lies at BEHIND */
} cases[] = {
	{ "no headers: it may be .bss", false, BEHIND, true },
	{ "the headers end before it", true, BEHIND, false },
	{ "they end behind it", true, BEHIND + PAGE, true },
};

struct seen {
	struct root_sink sink;
	taddr starts[8];
	size_t n;
};

static struct err *on_range(struct root_sink *sink, const struct root_source *source)
{
	struct seen *s = (struct seen *)sink;

	assert_true(s->n < ARRAY_SIZE(s->starts));
	assert_int_equal(source->kind, ROOT_GLOBAL);
	s->starts[s->n++] = source->start;
	return NULL;
}

static void data_and_bss(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct env env;
		struct fake_image *f;
		struct seen seen = { .sink.range = on_range };

		print_message("%s\n", cases[i].name);
		env_init(&env);
		f = fake_image_new(&env, memory, (const struct fake_word[]){ {} });
		f->modules[0].is_whole = cases[i].is_whole;
		f->modules[0].end = cases[i].end;
		f->img.brk_start = BRK;
		f->img.brk_end = BRK + PAGE;
		assert_null(rooter_globals.find(&env, &f->img, NULL, &seen.sink));
		assert_int_equal(seen.n, 3 + cases[i].is_bss);
		assert_int_equal(seen.starts[0], RELRO);
		assert_int_equal(seen.starts[1], DATA);
		assert_int_equal(seen.starts[2], cases[i].is_bss ? BEHIND : 0x30000);
		fake_image_free(f);
		env_fini(&env);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(data_and_bss) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
