/*
 * cxx.c: vtables as the Itanium C++ ABI lays them out (2.5.2, 2.9.5), and what only resembles one.
 */
#include <elf.h>
#include <string.h>

#include "fake_image.h"
#include "image/cxx.h"
#include "image/symtab.h"
#include "unit_env.h"

enum {
	CODE = 0x10000,
	DATA = 0x20000, /* read-only, of the module */
	BSS = 0x30000,	/* of the module, no file behind it */
	HEAP = 0x40000,
	ABSENT = 0x50000, /* of the module, not in the dump */
	/* of the runtime: type_infos of the three kinds, and the vtables that those kinds' objects point at */
	KIND_INFO = DATA, KIND_TABLE = DATA + 0x100, KIND_NAME = DATA + 0x200,
	/* class A; B of A; C of A and B */
	INFO = DATA + 0x400, NAME = DATA + 0x500, TABLE = DATA + 0x600,
};

static const struct fake_mapping memory[] = {
	{ CODE, 0x1000, SEG_R | SEG_X, 1 },
	{ DATA, 0x1000, SEG_R, 1 },
	{ BSS, 0x1000, SEG_R | SEG_W, 1 },
	{ HEAP, 0x1000, SEG_R | SEG_W },
	{ ABSENT, 0x1000, SEG_R, 1, .absent = true },
	{},
};

static void put_text(struct fake_image *f, taddr at, const char *s)
{
	uint64_t words[8] = {};

	assert_true(strlen(s) < sizeof(words));
	memcpy(words, s, strlen(s));
	for (unsigned i = 0; i < 8; i++)
		fake_image_put(f, at + 8 * i, words[i]);
}

/* The three kinds, as libstdc++ has them: each is itself a class with one base. */
static void put_runtime(struct fake_image *f)
{
	static const char *const names[] = { "N10__cxxabiv117__class_type_infoE",
					     "N10__cxxabiv120__si_class_type_infoE",
					     "N10__cxxabiv121__vmi_class_type_infoE" };

	for (unsigned i = 0; i < 3; i++) {
		taddr info = KIND_INFO + 0x20 * i, table = KIND_TABLE + 0x20 * i;

		put_text(f, KIND_NAME + 0x40 * i, names[i]);
		fake_image_put(f, info, KIND_TABLE + 0x20 + 0x10); /* is of the second kind */
		fake_image_put(f, info + 8, KIND_NAME + 0x40 * i);
		fake_image_put(f, table + 8, info);
		fake_image_put(f, table + 0x10, CODE);
	}
}

enum kind { CLASS, SI, VMI };

static void put_class(struct fake_image *f, unsigned no, enum kind kind, const char *name)
{
	put_text(f, NAME + 0x40 * no, name);
	fake_image_put(f, INFO + 0x40 * no, KIND_TABLE + 0x20 * kind + 0x10);
	fake_image_put(f, INFO + 0x40 * no + 8, NAME + 0x40 * no);
}

/* Two words and a function; the point that objects have. */
static taddr put_table(struct fake_image *f, taddr at, uint64_t inside, taddr info)
{
	fake_image_put(f, at, 0 - inside);
	fake_image_put(f, at + 8, info);
	fake_image_put(f, at + 16, CODE + 0x10);
	return at + 16;
}

static struct fake_image *image(void)
{
	static const struct fake_word none[] = { {} };
	struct fake_image *f = fake_image_new(&env, memory, none);

	put_runtime(f);
	put_class(f, 0, CLASS, "1A");
	put_class(f, 1, SI, "N4shop1BE");
	put_class(f, 2, VMI, "*N12_GLOBAL__N_11CE");
	return f;
}

static void names(void **state)
{
	static const struct {
		const char *what, *name; /* NULL: no vtable */
		unsigned no;
		uint64_t inside;
		uint64_t patch_at, patch;
	} cases[] = {
		{ "no base", "A", 0, 0, },
		{ "one base", "shop::B", 1, 0 },
		{ "several bases, local to a file", "(anonymous namespace)::C", 2, 0 },
		{ "a base inside", "(anonymous namespace)::C", 2, 16 },
		{ "a base too far inside", NULL, 2, 1ull << 40 },
		{ "a base at no word", NULL, 2, 12 },
		{ "a base before the object", NULL, 2, -16ull },
		{ "a virtual function that nobody may call", "A", 0, 0, TABLE + 16, 0 },
		{ "no function where one must be", NULL, 0, 0, TABLE + 16, DATA },
		{ "virtual bases and no function", "(anonymous namespace)::C", 2, 0, TABLE + 16, DATA },
		{ "no type_info", NULL, 0, 0, TABLE + 8, 0 },
		{ "a type_info of the heap", NULL, 0, 0, TABLE + 8, HEAP },
		{ "a type_info at no word", NULL, 0, 0, TABLE + 8, INFO + 4 },
		{ "no name", NULL, 0, 0, INFO + 8, 0 },
		{ "a name that is none", NULL, 0, 0, NAME, 0x21212121 },
		{ "a name that ends in its middle", NULL, 1, 0, NAME + 0x40, 0x34 /* "4" */ },
		{ "a type_info of no class", NULL, 0, 0, INFO, KIND_TABLE + 0x10 + 8 },
		{ "the C++ library's names are not at hand", "A", 0, 0, KIND_INFO + 8, ABSENT },
		{ "its vtables are not", "A", 0, 0, INFO, ABSENT + 16 },
		{ "the name of the class is not", NULL, 0, 0, INFO + 8, ABSENT },
		{ "kinds in a loop", NULL, 0, 0, INFO, INFO },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fake_image *f = image();
		taddr point = put_table(f, TABLE, cases[i].inside, INFO + 0x40 * cases[i].no);
		const struct cxx_point *p;
		struct cxx c;

		if (cases[i].patch_at)
			fake_image_put(f, cases[i].patch_at, cases[i].patch);
		assert_null(cxx_open(&f->img, &c));
		p = cxx_point_at(&c, point);
		if (!!p->of != !!cases[i].name)
			fail_msg("%s: %s", cases[i].what, p->of ? p->of->name : "none");
		if (p->of) {
			assert_string_equal(p->of->name, cases[i].name);
			assert_int_equal(p->inside, cases[i].inside);
		}
		assert_ptr_equal(cxx_point_at(&c, point), p);
		cxx_close(&c);
		fake_image_free(f);
	}
}

static void no_points(void **state)
{
	static const uint64_t words[] = { 0, 1, DATA + 4, HEAP, HEAP + 16, CODE, INFO, INFO + 24, NAME, ~0ull, TABLE,
					  TABLE + 8, TABLE + 17 };
	struct fake_image *f = image();
	struct cxx c;

	(void)state;
	put_table(f, TABLE, 0, INFO);
	put_table(f, HEAP, 0, INFO); /* a vtable is of no heap */
	assert_null(cxx_open(&f->img, &c));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		assert_null(cxx_point_at(&c, words[i])->of);
	cxx_close(&c);
	fake_image_free(f);
}

/* Where the bases' vtable pointers are follows the first vtable; another class's ends them. */
static void parts(void **state)
{
	struct fake_image *f = image();
	taddr first = put_table(f, TABLE, 0, INFO + 0x80);
	const struct cxx_point *p;
	struct cxx c;

	(void)state;
	put_table(f, TABLE + 0x20, 16, INFO + 0x80);
	put_table(f, TABLE + 0x40, 40, INFO + 0x80);
	put_table(f, TABLE + 0x60, 0, INFO);
	put_table(f, TABLE + 0x80, 56, INFO + 0x80);
	assert_null(cxx_open(&f->img, &c));
	p = cxx_point_at(&c, first);
	assert_non_null(p->of);
	assert_int_equal(p->n_parts, 2);
	assert_int_equal(p->parts[0].offset, 16);
	assert_int_equal(p->parts[0].point, TABLE + 0x30);
	assert_int_equal(p->parts[1].offset, 40);
	assert_int_equal(p->least, 48);
	assert_ptr_equal(cxx_point_at(&c, TABLE + 0x50)->of, p->of);
	cxx_close(&c);
	fake_image_free(f);
}

/* The linker copies a library's vtable to .bss of a program at a fixed address. */
static void copied(void **state)
{
	struct fake_image *f = image();
	struct cxx c;

	(void)state;
	put_table(f, BSS, 0, INFO);
	assert_null(cxx_open(&f->img, &c));
	assert_string_equal(cxx_point_at(&c, BSS + 16)->of->name, "A");
	cxx_close(&c);
	fake_image_free(f);
}

/* -fno-rtti: the symbol alone has the name. */
static void by_symbol(void **state)
{
	static const char strings[] = "\0_ZTV3Bar\0_ZTI3Bar";
	static const Elf64_Sym syms[] = {
		{},
		{ 1, ELF64_ST_INFO(STB_WEAK, STT_OBJECT), 0, 1, TABLE, 0x40 },
		{ 10, ELF64_ST_INFO(STB_WEAK, STT_OBJECT), 0, 1, TABLE + 0x80, 0x40 },
	};
	struct fake_image *f = image();
	struct symtab *t = symtab_new();
	const struct cxx_point *p;
	struct cxx c;

	(void)state;
	assert_null(symtab_add(t, (const uint8_t *)syms, sizeof(syms), (const uint8_t *)strings, sizeof(strings), 0));
	assert_null(symtab_seal(t));
	f->modules[0].symtab = t;
	put_table(f, TABLE, 0, 0);
	put_table(f, TABLE + 0x20, 8, 0);
	put_table(f, TABLE + 0x80, 0, 0);
	assert_null(cxx_open(&f->img, &c));
	p = cxx_point_at(&c, TABLE + 0x10);
	assert_string_equal(p->of->name, "Bar");
	assert_int_equal(p->inside, 0);
	assert_ptr_equal(cxx_point_at(&c, TABLE + 0x30)->of, p->of);
	assert_int_equal(cxx_point_at(&c, TABLE + 0x30)->inside, 8);
	assert_null(cxx_point_at(&c, TABLE + 0x90)->of); /* a type_info's symbol */
	cxx_close(&c);
	symtab_free(t);
	fake_image_free(f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_points, set_up, tear_down),
		cmocka_unit_test_setup_teardown(parts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(copied, set_up, tear_down),
		cmocka_unit_test_setup_teardown(by_symbol, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
