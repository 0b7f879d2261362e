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

/* What a symbol of this name is called. */
static void describe_one(const char *name, struct text *ret)
{
	struct symtab *t = symtab_new();
	struct segment seg = { .start = 0x1000, .end = 0x3000, .module = 0 };
	struct module m = { .path = "/lib/m.so", .start = 0x1000, .end = 0x3000, .symtab = t };
	struct image img = { .segments = &seg, .n_segments = 1, .modules = &m, .n_modules = 1 };
	const Elf64_Sym s = { 1, INFO(GLOBAL, FUNC), 0, 1, 0x1000, 8 };
	struct text strtab = TEXT_INIT;

	text_add_n(&strtab, "", 1);
	text_add(&strtab, name);
	assert_null(symtab_add(t, (const uint8_t *)&s, sizeof(s), (const uint8_t *)strtab.s, strtab.n + 1, 0));
	assert_null(symtab_seal(t));
	image_describe(&img, 0x1000, ret);
	text_fini(&strtab);
	symtab_free(t);
}

/* Rust: the examples of RFC 2603, as it writes them but for spaces and turbofish; C++; and neither. */
static void demangled(void **state)
{
	static const struct {
		const char *name, *want;
	} cases[] = {
		{ "_RNvNtNtCs1234_7mycrate3foo3bar3baz", "mycrate::foo::bar::baz" },
		{ "_RNvNvMCs1234_7mycrateINtCs1234_7mycrate3FoopE3bar4QUUX", "<mycrate::Foo<_>>::bar::QUUX" },
		{ "_RNvNvXCs1234_7mycrateINtCs1234_7mycrate3FoopENtNtC3std5clone5Clone5clone4QUUX",
		  "<mycrate::Foo<_> as std::clone::Clone>::clone::QUUX" },
		{ "_RNvNvCs1234_7mycrate4QUUX3FOO", "mycrate::QUUX::FOO" },
		{ "_RINvNtC3std3mem8align_ofdE", "std::mem::align_of::<f64>" },
		{ "_RINvNtC3std3mem8align_ofRcE", "std::mem::align_of::<&char>" },
		{ "_RINvNtC3std3mem8align_ofQTReuEE", "std::mem::align_of::<&mut (&str, ())>" },
		{ "_RINvNtC3std3mem8align_ofjEC3foo", "std::mem::align_of::<usize>" },
		{ "_RNvNvXs2_C7mycrateINtC7mycrate3FoopEINtNtC3std7convert4FrompE4from3MSG",
		  "<mycrate::Foo<_> as std::convert::From<_>>::from::MSG" },
		{ "_RNCNvNtC7mycrate3foo3bars_0", "mycrate::foo::bar::{closure#1}" },
		{ "_RNvC7mycrateu8gdel_5qa", "mycrate::g\303\266del" }, /* punycode of RFC 3492 */
		{ "_RINvC7mycrate3fooNvB2_3barE", "mycrate::foo::<mycrate::bar>" }, /* the crate again */
		{ "_ZN7mycrate3foo3bar17h0123456789abcdefE", "mycrate::foo::bar" },
		{ "_ZN1a1bEi", "a::b(int)" },
		{ "_ZN7mycrate3foo3bar17hnothing_of_a_hasE", "mycrate::foo::bar::hnothing_of_a_has" },
		{ "_R", "_R" },
		{ "_RNvC1a", "_RNvC1a" }, /* it ends too early: no half of a name */
		{ "_RNvC1a1bzz", "_RNvC1a1bzz" },
		{ "_RINvC1a1bB9999_E", "_RINvC1a1bB9999_E" },
		{ "_RNvC1a1b.llvm.123", "a::b" },
		{ "_ZZ", "_ZZ" },
		{ "main", "main" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct text t = TEXT_INIT;

		describe_one(cases[i].name, &t);
		assert_string_equal(text_str(&t), cases[i].want);
		text_fini(&t);
	}
}

/* A short name that stands for 2^36 types: the text ends, and so does the work. */
static void endless_cxx_name(struct text *name)
{
	text_add(name, "_Z1f1aIiiE");
	for (unsigned i = 0; i < 36; i++) { /* each parameter is a template of the one before, twice */
		char c = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i];

		text_printf(name, "S_IS%c_S%c_E", c, c);
	}
}

/* Likewise: pairs of the pair before.  The innermost names are `ident`. */
static void endless_rust_name(struct text *name, const char *ident)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t last;

	text_add(name, "_RINvC1a1b");
	last = name->n - 2;
	text_printf(name, "T%s%sE", ident, ident);
	for (unsigned i = 0; i < 36; i++) {
		size_t v = last - 1;
		char at[4] = "", *p = at;

		last = name->n - 2;
		if (v >= 62)
			*p++ = digits[v / 62];
		*p++ = digits[v % 62];
		text_printf(name, "TB%s_B%s_E", at, at);
	}
	text_add(name, "E");
}

static void hostile_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct text out = TEXT_INIT, name = TEXT_INIT;

		if (i == 0)
			endless_cxx_name(&name);
		else if (i == 1)
			endless_rust_name(&name, "u");
		else if (i == 2)
			endless_rust_name(&name, "NtC1au8gdel_5qa");
		else
			for (text_add(&name, "_RINvC1a1b"); name.n < 4000;) /* references, a thousand deep */
				text_add(&name, "R");
		describe_one(text_str(&name), &out);
		assert_true(out.n > 1000 && out.n < 16384);
		assert_int_equal(!strcmp(text_str(&out), text_str(&name)), i == 3);
		text_fini(&out);
		text_fini(&name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_name),   cmocka_unit_test(by_address),   cmocka_unit_test(damaged),
		cmocka_unit_test(described), cmocka_unit_test(demangled),    cmocka_unit_test(hostile_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
