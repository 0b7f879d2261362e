/*
 * Functions by address and by name; pc-value tables; source places with what was inlined.  Tables
 * are written here as cmd/link/internal/ld/pcln.go writes them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fake_go.h"
#include "image/go_func.h"

enum { MAIN, OTHER, LAST };

static const struct fake_func funcs[] = {
	[MAIN] = { "main.main", .frame = 0x28, .map = 1 },
	[OTHER] = { "main.(*T).Do[...]", .frame = 0x18, .n_locals = 2 },
	[LAST] = { "runtime.goexit", .frame = 0 },
	{},
};

struct world {
	struct env env;
	struct fake_go *f;
};

static void world_init(struct world *w, unsigned minor, enum target_id target)
{
	env_init(&w->env);
	w->f = fake_go_new(&w->env, minor, target, funcs);
}

static void world_fini(struct world *w)
{
	fake_go_free(w->f);
	env_fini(&w->env);
}

static void name_of(const struct world *w, const struct go_func *f, char *ret, size_t max)
{
	struct text t = TEXT_INIT;

	go_func_name(&w->f->go, f, &t);
	snprintf(ret, max, "%s", text_str(&t));
	text_fini(&t);
}

static void by_address(void **state)
{
	static const struct {
		taddr pc;
		const char *name; /* NULL: no function */
	} cases[] = {
		{ FAKE_TEXT - 1, NULL },
		{ FAKE_TEXT, "main.main" },
		{ FAKE_TEXT + FAKE_FUNC - 1, "main.main" },
		{ FAKE_TEXT + FAKE_FUNC, "main.(*T).Do[...]" },
		{ FAKE_TEXT + 3 * FAKE_FUNC - 1, "runtime.goexit" },
		{ FAKE_TEXT + 3 * FAKE_FUNC, NULL },
		{ 0, NULL },
		{ UINT64_MAX, NULL },
	};
	struct world w;

	(void)state;
	world_init(&w, 26, TARGET_X86_64);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct go_func f;
		char name[64];

		assert_int_equal(go_func_at(&w.f->go, cases[i].pc, &f), cases[i].name != NULL);
		if (!cases[i].name)
			continue;
		name_of(&w, &f, name, sizeof(name));
		assert_string_equal(name, cases[i].name);
		assert_true(f.entry <= cases[i].pc && cases[i].pc < f.end);
	}
	world_fini(&w);
}

static void by_name(void **state)
{
	static const struct {
		const char *name;
		int func; /* -1: none */
	} cases[] = {
		{ "main.main", MAIN }, { "main.(*T).Do[...]", OTHER }, { "runtime.goexit", LAST },
		{ "main.mai", -1 },    { "main.mainx", -1 },	       { "", -1 },
	};
	struct world w;

	(void)state;
	world_init(&w, 26, TARGET_X86_64);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct go_func f;

		assert_int_equal(go_func_named(&w.f->go, cases[i].name, &f), cases[i].func >= 0);
		if (cases[i].func >= 0)
			assert_int_equal(f.entry, fake_entry((unsigned)cases[i].func));
	}
	world_fini(&w);
}

/* The frame's size by pc, and the index of the stack map. */
static void values_by_pc(void **state)
{
	static const struct {
		unsigned func, offset;
		int sp, map;
	} cases[] = {
		{ MAIN, 0, 0, -1 },	 { MAIN, FAKE_PROLOGUE - 4, 0, -1 }, { MAIN, FAKE_PROLOGUE, 0x28, 1 },
		{ MAIN, 0xfc, 0x28, 1 }, { OTHER, 0x80, 0x18, 0 },	     { LAST, 0x80, 0, 0 },
	};

	(void)state;
	for (unsigned target = TARGET_X86_64; target <= TARGET_AARCH64; target++) {
		struct world w;

		world_init(&w, 26, target);
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			taddr pc = fake_entry(cases[i].func) + cases[i].offset;
			struct go_func f;
			int32_t v = -7;

			assert_true(go_func_at(&w.f->go, pc, &f));
			assert_true(go_pcvalue(&w.f->go, &f, f.pcsp, pc, &v));
			assert_int_equal(v, cases[i].sp);
			assert_true(go_pcdata(&w.f->go, &f, GO_PCDATA_STACK_MAP, pc, &v));
			assert_int_equal(v, cases[i].map);
			assert_false(go_pcdata(&w.f->go, &f, 2, pc, &v)); /* it has two tables */
			assert_false(go_pcvalue(&w.f->go, &f, 0, pc, &v));
			assert_false(go_pcvalue(&w.f->go, &f, f.pcsp, f.end, &v));
			assert_false(go_pcvalue(&w.f->go, &f, UINT32_MAX, pc, &v));
		}
		world_fini(&w);
	}
}

static void function_data(void **state)
{
	struct go_func f;
	struct world w;

	(void)state;
	world_init(&w, 26, TARGET_X86_64);
	assert_true(go_func_at(&w.f->go, fake_pc(OTHER), &f));
	assert_int_equal(go_funcdata(&w.f->go, &f, GO_FUNCDATA_ARGS), 0);
	assert_true(go_funcdata(&w.f->go, &f, GO_FUNCDATA_LOCALS) >= w.f->module.gofunc);
	assert_int_equal(go_funcdata(&w.f->go, &f, GO_FUNCDATA_INL_TREE), 0);
	world_fini(&w);
}

/* ---- a function with files, lines and calls that were inlined */

enum {
	TREE_AT = FAKE_GO_DATA + 0x800, /* what gofunc is set to */
	CUTAB_AT = FAKE_GO_DATA + 0x900,
	FILES_AT = FAKE_GO_DATA + 0xa00,
	PCTAB_AT = FAKE_GO_DATA + 0xb00,
	NAMES_AT = FAKE_GO_DATA + 0xc00,
	PCLN_AT = FAKE_GO_DATA + 0xd00,
};

static void bytes(struct world *w, taddr at, const void *p, size_t n)
{
	fake_go_bytes(w->f, at, p, n);
}

static void put32(struct world *w, taddr at, uint32_t v)
{
	bytes(w, at, &v, 4);
}

/*
 * main.outer, 0x100 bytes: from 0x40 main.middle is inlined (called at 0x10), in it from 0x80
 * main.inner (called at 0x44).  Lines: 10 to 0x40, 20 to 0x80, 30 behind; files a.go, b.go, a.go.
 */
static void put_inlined(struct world *w, unsigned minor)
{
	static const uint8_t lines[] = { 22, 0x40, 20, 0x40, 20, 0x80, 1, 0 }; /* +11, +10, +10 */
	static const uint8_t files[] = { 2, 0x40, 2, 0x40, 1, 0x80, 1, 0 };    /* +1 (0), +1, -1 */
	static const uint8_t tree[] = { 0, 0x40, 2, 0x40, 2, 0x80, 1, 0 };     /* -1, 0, 1 */
	static const char names[] = "\0main.outer\0main.middle\0main.inner";
	struct go_module *m = &w->f->module;
	bool old = minor < 20;
	unsigned fixed = old ? 40 : 44, call = old ? 20 : 16;
	taddr fn = PCLN_AT + 0x20;

	bytes(w, PCTAB_AT + 1, lines, sizeof(lines));
	bytes(w, PCTAB_AT + 0x10, files, sizeof(files));
	bytes(w, PCTAB_AT + 0x20, tree, sizeof(tree));
	bytes(w, NAMES_AT, names, sizeof(names));
	bytes(w, FILES_AT, "a.go\0b.go", 10);
	put32(w, CUTAB_AT + 4, 0); /* the unit's files begin at 1 */
	put32(w, CUTAB_AT + 8, 5);
	put32(w, PCLN_AT, 0);
	put32(w, PCLN_AT + 4, 0x20);
	put32(w, PCLN_AT + 8, 0x100);
	put32(w, fn + 4, 1);   /* name */
	put32(w, fn + 20, 0x10); /* pcfile */
	put32(w, fn + 24, 1);  /* pcln */
	put32(w, fn + 28, 3);  /* npcdata */
	put32(w, fn + 32, 1);  /* cuOffset */
	bytes(w, fn + fixed - 1, &(uint8_t){ 4 }, 1);
	put32(w, fn + fixed + 8, 0x20);
	for (unsigned i = 0; i < 4; i++)
		put32(w, fn + fixed + 12 + 4 * i, i == GO_FUNCDATA_INL_TREE ? 0 : UINT32_MAX);
	for (unsigned i = 0; i < 2; i++) {
		taddr at = TREE_AT + i * call;

		put32(w, at + (old ? 12 : 4), i ? 24 : 12);
		put32(w, at + (old ? 16 : 8), i ? 0x44 : 0x10);
	}
	*m = (struct go_module){ .funcnametab = NAMES_AT, .n_funcnametab = sizeof(names), .cutab = CUTAB_AT,
				 .n_cutab = 12, .filetab = FILES_AT, .n_filetab = 10, .pctab = PCTAB_AT,
				 .n_pctab = 0x30, .pclntable = PCLN_AT, .n_pclntable = 0x100, .ftab = PCLN_AT,
				 .n_ftab = 2, .minpc = FAKE_TEXT, .maxpc = FAKE_TEXT + 0x100, .text = FAKE_TEXT,
				 .etext = FAKE_TEXT + 0x100, .gofunc = TREE_AT };
}

static void add_place(void *arg, const char *function, const char *file, unsigned line)
{
	text_printf(arg, "%s %s:%u, ", function, file ? file : "?", line);
}

static void places(void **state)
{
	static const struct {
		taddr pc;
		const char *places;
	} cases[] = {
		{ 0x20, "main.outer a.go:10, " },
		{ 0x50, "main.middle b.go:20, main.outer a.go:10, " },
		{ 0x90, "main.inner a.go:30, main.middle b.go:20, main.outer a.go:10, " },
		{ 0x100, "" },
	};
	static const unsigned minors[] = { 19, 20, 27 };

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(minors); k++)
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			struct text t = TEXT_INIT;
			struct world w;

			world_init(&w, minors[k], TARGET_X86_64);
			put_inlined(&w, minors[k]);
			go_source(&w.f->go, FAKE_TEXT + cases[i].pc, add_place, &t);
			assert_string_equal(text_str(&t), cases[i].places);
			text_fini(&t);
			world_fini(&w);
		}
}

/* Damage of the tables ends a walk, and says nothing that is not there. */
static void damaged(void **state)
{
	static const struct {
		taddr at;
		uint32_t value;
		const char *places; /* of 0x90 */
	} cases[] = {
		{ TREE_AT + 16 + 8, 0x10000, "main.outer a.go:30, " },	 /* called from beyond the function */
		{ TREE_AT + 16 + 8, 0x90, NULL },			 /* calls itself: some levels, no more */
		{ TREE_AT + 16 + 4, 0x7fffffff, "? a.go:30, main.middle b.go:20, main.outer a.go:10, " },
		{ CUTAB_AT + 4, 0x1000, "main.inner ?:0, main.middle b.go:20, main.outer ?:0, " },
		{ PCTAB_AT, 0xffffffff, "main.inner ?:0, main.middle ?:0, main.outer ?:0, " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct text t = TEXT_INIT;
		struct world w;

		world_init(&w, 27, TARGET_X86_64);
		put_inlined(&w, 27);
		put32(&w, cases[i].at, cases[i].value);
		go_source(&w.f->go, FAKE_TEXT + 0x90, add_place, &t);
		if (cases[i].places)
			assert_string_equal(text_str(&t), cases[i].places);
		assert_true(t.n < 16384);
		text_fini(&t);
		world_fini(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_address),	 cmocka_unit_test(by_name), cmocka_unit_test(values_by_pc),
		cmocka_unit_test(function_data), cmocka_unit_test(places),  cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
