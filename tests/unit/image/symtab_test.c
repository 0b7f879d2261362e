/* symtab.c: which symbols are taken, which name wins, which symbol holds an address, demangling. */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "image/parts.h"
#include "image/symtab.h"

enum { BIAS = 0x1000 };

static const char strings[] = "\0outer\0inner\0asm\0versioned@@V2\0versioned@V1\0var\0tls\0undefined\0twice\0_ZN1a1bEi";
/* offsets in `strings` */
enum { OUTER = 1, INNER = 7, ASM = 13, V2 = 17, V1 = 31, VAR = 44, TLS = 48, UNDEF = 52, TWICE = 62, CXX = 68 };

#define INFO(bind, type) ELF64_ST_INFO(STB_##bind, STT_##type)

static const Elf64_Sym syms[] = {
	{ 0 },
	{ INNER, INFO(LOCAL, FUNC), 0, 1, 0x120, 0x10 },
	{ OUTER, INFO(GLOBAL, FUNC), 0, 1, 0x100, 0x100 },
	{ ASM, INFO(LOCAL, FUNC), 0, 1, 0x300, 0 },
	{ V1, INFO(GLOBAL, FUNC), 0, 1, 0x400, 8 },
	{ V2, INFO(GLOBAL, FUNC), 0, 1, 0x410, 8 },
	{ VAR, INFO(GLOBAL, OBJECT), 0, 2, 0x500, 8 },
	{ TLS, INFO(GLOBAL, TLS), 0, 3, 0x10, 8 },
	{ UNDEF, INFO(GLOBAL, FUNC), 0, SHN_UNDEF, 0, 0 },
	{ TWICE, INFO(LOCAL, OBJECT), 0, 2, 0x600, 8 },
	{ TWICE, INFO(GLOBAL, OBJECT), 0, 2, 0x5f0, 8 },
	{ 9999, INFO(GLOBAL, FUNC), 0, 1, 0x700, 8 },		  /* a name past the strings */
	{ VAR, INFO(GLOBAL, SECTION), 0, 1, 0x800, 8 },		  /* no symbol of a program */
	{ CXX, INFO(GLOBAL, FUNC), 0, 1, 0x900, UINT64_MAX },	  /* a size past the end of memory */
};

static struct symtab *sample(size_t cut)
{
	struct symtab *t = symtab_new();

	assert_non_null(t);
	assert_null(symtab_add(t, (const uint8_t *)syms, sizeof(syms) - cut, (const uint8_t *)strings,
			       sizeof(strings), BIAS));
	assert_null(symtab_seal(t));
	return t;
}

static void by_name(void **state)
{
	static const struct {
		const char *name;
		uint64_t addr; /* 0: no such symbol */
	} cases[] = {
		{ "outer", BIAS + 0x100 }, { "inner", BIAS + 0x120 }, { "var", BIAS + 0x500 },
		{ "versioned", BIAS + 0x410 },	  /* the default version */
		{ "versioned@@V2", 0 },		  /* versions are no part of names */
		{ "twice", BIAS + 0x5f0 },	  /* global before local */
		{ "tls", 0x10 },		  /* an offset, not moved with the module */
		{ "undefined", 0 },		  { "nothing", 0 }, { "", 0 },
	};
	struct symtab *t = sample(0);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct sym *s = symtab_find(t, cases[i].name);

		print_message("'%s'\n", cases[i].name);
		assert_int_equal(s != NULL, cases[i].addr != 0);
		assert_int_equal(s ? s->addr : 0, cases[i].addr);
	}
	symtab_free(t);
}

static void by_address(void **state)
{
	static const struct {
		uint64_t addr;
		const char *name;
	} cases[] = {
		{ BIAS + 0xff, NULL },	 { BIAS + 0x100, "outer" }, { BIAS + 0x11f, "outer" },
		{ BIAS + 0x120, "inner" }, { BIAS + 0x12f, "inner" }, { BIAS + 0x130, "outer" }, /* around inner */
		{ BIAS + 0x1ff, "outer" }, { BIAS + 0x200, NULL },	  { BIAS + 0x300, "asm" },
		{ BIAS + 0x3ff, "asm" }, /* size unknown: up to the next */
		{ BIAS + 0x400, "versioned" }, { BIAS + 0x408, NULL }, { 0x10, NULL }, { 0, NULL },
		{ UINT64_MAX, "_ZN1a1bEi" },
	};
	struct symtab *t = sample(0);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct sym *s = symtab_at(t, cases[i].addr);

		print_message("0x%lx\n", (unsigned long)cases[i].addr);
		assert_int_equal(s != NULL, cases[i].name != NULL);
		if (s)
			assert_string_equal(s->name, cases[i].name);
	}
	symtab_free(t);
}

static void damaged(void **state)
{
	struct symtab *t = sample(1); /* the last entry is cut */

	(void)state;
	assert_null(symtab_find(t, "_ZN1a1bEi"));
	symtab_free(t);
	t = symtab_new();
	assert_null(symtab_add(t, (const uint8_t *)syms, sizeof(syms), (const uint8_t *)strings, 3, 0));
	assert_null(symtab_seal(t));
	assert_int_equal(t->n, 0); /* no name ends inside the strings */
	assert_null(symtab_at(t, 0x100));
	symtab_free(t);
}

static void described(void **state)
{
	static const struct {
		taddr addr;
		const char *text;
	} cases[] = {
		{ 0x1100, "outer" }, { 0x1130, "outer+0x30" }, { 0x1904, "a::b(int)+0x4" },
		{ 0x1010, "m.so+0x10" }, { 0x9999, "0x9999" },
	};
	struct segment seg = { .start = 0x1000, .end = 0x3000, .module = 0 };
	struct module m = { .path = "/lib/m.so", .start = 0x1000, .end = 0x3000, .bias = BIAS };
	struct image img = { .segments = &seg, .n_segments = 1, .modules = &m, .n_modules = 1 };

	(void)state;
	m.symtab = sample(0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct text t = TEXT_INIT;

		image_describe(&img, cases[i].addr, &t);
		assert_string_equal(text_str(&t), cases[i].text);
		text_fini(&t);
	}
	symtab_free(m.symtab);
}

/* A short name that stands for 2^36 types: the text ends, and so does the work. */
static void hostile_name(void **state)
{
	struct symtab *t = symtab_new();
	struct segment seg = { .start = 0x1000, .end = 0x3000, .module = 0 };
	struct module m = { .path = "/lib/m.so", .start = 0x1000, .end = 0x3000, .symtab = t };
	struct image img = { .segments = &seg, .n_segments = 1, .modules = &m, .n_modules = 1 };
	const Elf64_Sym s = { 1, INFO(GLOBAL, FUNC), 0, 1, 0x1000, 8 };
	struct text out = TEXT_INIT, name = TEXT_INIT;

	(void)state;
	text_add_n(&name, "\0_Z1f1aIiiE", 11);
	for (unsigned i = 0; i < 36; i++) { /* each parameter is a template of the one before, twice */
		char c = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i];

		text_printf(&name, "S_IS%c_S%c_E", c, c);
	}
	assert_null(symtab_add(t, (const uint8_t *)&s, sizeof(s), (const uint8_t *)name.s, name.n + 1, 0));
	assert_null(symtab_seal(t));
	image_describe(&img, 0x1000, &out);
	assert_true(out.n > 1000 && out.n < 16384);
	text_fini(&out);
	text_fini(&name);
	symtab_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_name),   cmocka_unit_test(by_address),   cmocka_unit_test(damaged),
		cmocka_unit_test(described), cmocka_unit_test(hostile_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
