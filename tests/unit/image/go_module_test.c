/*
 * moduledata: found by its shape in the data of a module, read by version or by what fits, in
 * chains; and what only looks like one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fake_image.h"
#include "image/go_build.h"

enum {
	TABLES = 0x500000, /* pclntab */
	DATA = 0x600000,
	HEAP = 0x700000,
	FIRST = DATA + 0x100,
	SECOND = DATA + 0x800,
	TEXT = 0x401000,
	RW = DATA + 0x1000, /* what the moduledata calls data and bss */
};

static const struct fake_mapping memory[] = {
	{ TABLES, 0x2000, SEG_R, 1 },
	{ DATA, 0x4000, SEG_R | SEG_W, 1 },
	{ HEAP, 0x2000, SEG_R | SEG_W, 0 },
	{},
};

/* Words of runtime.moduledata (runtime/symtab.go) that are not alike in all versions. */
static const struct shape {
	unsigned minor;
	unsigned end, types, etypes, rodata, gofunc, textsectmap, typelinks, gcdatamask, next;
} shapes[] = {
	{ 19, 32, 35, 36, 37, 38, 39, 42, 62, 68 }, { 20, 34, 37, 38, 39, 40, 41, 44, 64, 70 },
	{ 21, 34, 37, 38, 39, 40, 41, 44, 67, 73 }, { 22, 34, 37, 38, 39, 40, 41, 44, 67, 73 },
	{ 23, 34, 37, 38, 39, 40, 41, 44, 67, 72 }, { 24, 34, 37, 38, 39, 40, 41, 44, 67, 72 },
	{ 25, 34, 37, 38, 39, 40, 41, 44, 67, 72 }, { 26, 34, 37, 38, 39, 40, 42, 45, 68, 73 },
	{ 27, 34, 37, 39, 42, 43, 45, 0, 65, 70 },
};

struct world {
	struct env env;
	struct fake_image *f;
	struct go go;
	struct go_hits hits;
};

static void word(struct world *w, taddr at, unsigned i, uint64_t value)
{
	fake_image_put(w->f, at + 8 * i, value);
}

static void slice(struct world *w, taddr at, unsigned i, taddr ptr, uint64_t n)
{
	word(w, at, i, ptr);
	word(w, at, i + 1, n);
	word(w, at, i + 2, n);
}

/* The pclntab's header, at the start of the tables. */
static void put_header(struct world *w)
{
	static const uint64_t offsets[] = { 0x48, 0x100, 0x200, 0x300, 0x400 };

	word(w, TABLES, 0, 0x08010000fffffff1);
	for (unsigned i = 0; i < 5; i++)
		word(w, TABLES, 4 + i, offsets[i]);
}

static void put_module(struct world *w, taddr at, const struct shape *s, taddr text, taddr next)
{
	word(w, at, 0, TABLES);
	slice(w, at, 1, TABLES + 0x48, 0xb8);
	slice(w, at, 4, TABLES + 0x100, 0x40);
	slice(w, at, 7, TABLES + 0x200, 0x100);
	slice(w, at, 10, TABLES + 0x300, 0x100);
	slice(w, at, 13, TABLES + 0x400, 0x800);
	slice(w, at, 16, TABLES + 0x400, 5);
	word(w, at, 19, TABLES + 0xd00);
	word(w, at, 20, text);
	word(w, at, 21, text + 0x400);
	word(w, at, 22, text);
	word(w, at, 23, text + 0x500);
	for (unsigned i = 0; i < 4; i++) { /* noptrdata, data, bss, noptrbss */
		word(w, at, 24 + 2 * i, RW + 0x400 * i);
		word(w, at, 25 + 2 * i, RW + 0x400 * i + 0x400);
	}
	word(w, at, s->end, RW + 0x1000);
	word(w, at, s->types, TABLES + 0xe00);
	word(w, at, s->etypes, TABLES + 0x1e00);
	word(w, at, s->rodata, TABLES);
	word(w, at, s->gofunc, TABLES + 0xd80);
	slice(w, at, s->textsectmap, HEAP, 1);
	if (s->typelinks) {
		slice(w, at, s->typelinks, TABLES + 0x1f00, 3);
		slice(w, at, s->typelinks + 3, TABLES + 0x1f80, 2);
	} else {
		word(w, at, 40, 0xf00); /* itaboffset, itabsize */
		word(w, at, 41, 0x80);
	}
	for (unsigned i = 0; i < 2; i++) {
		word(w, at, s->gcdatamask + 2 * i, 0x80);
		word(w, at, s->gcdatamask + 2 * i + 1, HEAP + 0x100 * i);
	}
	word(w, at, s->next, next);
}

static void world_init(struct world *w)
{
	static const struct fake_word nothing[] = { {} };

	memset(w, 0, sizeof(*w));
	env_init(&w->env);
	w->f = fake_image_new(&w->env, memory, nothing);
	w->go.env = &w->env;
	w->go.img = &w->f->img;
	put_header(w);
}

static void world_fini(struct world *w)
{
	free(w->hits.v);
	arena_fini(&w->go.mem);
	fake_image_free(w->f);
	env_fini(&w->env);
}

static void find(struct world *w)
{
	assert_null(go_modules_scan(&w->go, &w->hits));
	if (w->hits.n)
		assert_null(go_modules_read(&w->go, &w->hits));
}

static bool has_diag(const struct world *w, const char *code)
{
	for (size_t i = 0; i < w->env.diags.n; i++)
		if (!strcmp(w->env.diags.list[i].code, code))
			return true;
	return false;
}

static void every_version(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		const struct go_module *m;
		struct world w;

		world_init(&w);
		put_module(&w, FIRST, &shapes[i], TEXT, 0);
		w.go.minor = shapes[i].minor;
		find(&w);
		assert_int_equal(w.go.n_modules, 1);
		m = w.go.modules;
		assert_int_equal(m->addr, FIRST);
		assert_int_equal(m->pclntab, TABLES);
		assert_int_equal(m->n_ftab, 5);
		assert_int_equal(m->n_cutab, 0x100); /* bytes */
		assert_int_equal(m->maxpc, TEXT + 0x400);
		assert_int_equal(m->bss, RW + 0x800);
		assert_int_equal(m->types, TABLES + 0xe00);
		assert_int_equal(m->etypes, TABLES + 0x1e00);
		assert_int_equal(m->gofunc, TABLES + 0xd80);
		assert_int_equal(m->n_gcdatamask, 0x80);
		assert_int_equal(m->gcbssmask, HEAP + 0x100);
		assert_int_equal(m->n_typelinks, shapes[i].minor < 27 ? 3 : 0);
		assert_int_equal(m->itaboffset_base, shapes[i].minor < 27 ? 0 : TABLES + 0x1d00);
		assert_int_equal(w.go.checks_failed, 0);
		assert_int_equal(w.env.diags.n, 0);
		world_fini(&w);
	}
}

/* Nothing tells the version: the newest that has this moduledata; it may be as old as `oldest`. */
static void without_version(void **state)
{
	static const struct {
		unsigned minor, read_as, oldest;
	} cases[] = { { 19, 19, 19 }, { 20, 20, 20 }, { 22, 25, 21 }, { 25, 25, 21 }, { 26, 26, 26 }, { 27, 27, 27 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		world_init(&w);
		put_module(&w, FIRST, &shapes[cases[i].minor - 19], TEXT, 0);
		find(&w);
		assert_int_equal(w.go.n_modules, 1);
		assert_int_equal(w.go.minor, cases[i].read_as);
		assert_int_equal(go_modules_oldest_like(w.go.minor), cases[i].oldest);
		world_fini(&w);
	}
}

/* A version that is not what it says: read as it is, and said. */
static void another_shape(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	put_module(&w, FIRST, &shapes[7], TEXT, 0);
	w.go.minor = 28;
	find(&w);
	assert_int_equal(w.go.modules->gcdatamask, HEAP);
	assert_true(has_diag(&w, "go/moduledata"));
	world_fini(&w);
}

static void chains(void **state)
{
	static const struct {
		taddr next[2]; /* of the first, of the second */
		size_t n;
		taddr leads;
		const char *diag;
	} cases[] = {
		{ { SECOND, 0 }, 2, FIRST, NULL },
		{ { 0, FIRST }, 2, SECOND, NULL },
		{ { 0, 0 }, 1, FIRST, "go/runtimes" },
		{ { SECOND, HEAP }, 2, FIRST, "go/moduledata" }, /* leads to no moduledata */
		{ { SECOND, SECOND }, 2, FIRST, "go/moduledata" }, /* round and round */
		{ { SECOND, FIRST }, 2, FIRST, "go/moduledata" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		world_init(&w);
		put_module(&w, FIRST, &shapes[8], TEXT, cases[i].next[0]);
		put_module(&w, SECOND, &shapes[8], TEXT + 0x10000, cases[i].next[1]);
		w.go.minor = 27;
		find(&w);
		assert_int_equal(w.go.n_modules, cases[i].n);
		assert_int_equal(w.go.modules->addr, cases[i].leads);
		assert_ptr_equal(w.go.module, &w.f->modules[0]);
		assert_int_equal(has_diag(&w, "go/moduledata") || has_diag(&w, "go/runtimes"), cases[i].diag != NULL);
		if (cases[i].diag)
			assert_true(has_diag(&w, cases[i].diag));
		world_fini(&w);
	}
}

/* One word of it, or of the pclntab's header, overwritten: what is no moduledata any more. */
static void not_one(void **state)
{
	static const struct {
		taddr at;
		unsigned word;
		uint64_t value;
		size_t hits;
	} cases[] = {
		{ FIRST, 0, 0, 0 },
		{ FIRST, 0, TABLES + 8, 0 },
		{ FIRST, 1, TABLES + 0x50, 0 },	 /* not where the header says */
		{ FIRST, 2, 0xb9, 0 },		 /* len is not cap */
		{ FIRST, 4, TABLES + 0x20, 0 },	 /* tables out of order */
		{ FIRST, 17, 0, 0 },
		{ TABLES, 0, 0x08040000fffffff1, 1 }, /* minLC is no matter */
		{ TABLES, 0, 0x04010000fffffff1, 0 },		      /* of 32 bits */
		{ TABLES, 0, 0x0801000000000000, 0 },
		{ TABLES, 6, 0x208, 0 },
		{ FIRST, 21, TEXT, 1 }, /* no code: it is one, and does not hold together */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		world_init(&w);
		put_module(&w, FIRST, &shapes[8], TEXT, 0);
		word(&w, cases[i].at, cases[i].word, cases[i].value);
		w.go.minor = 27;
		find(&w);
		assert_int_equal(w.hits.n, cases[i].hits);
		if (cases[i].at == FIRST && cases[i].hits)
			assert_true(has_diag(&w, "go/moduledata"));
		world_fini(&w);
	}
}

/* Only in writable data of a module. */
static void elsewhere(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	put_module(&w, HEAP + 0x400, &shapes[8], TEXT, 0);
	put_module(&w, TABLES + 0x1000, &shapes[8], TEXT, 0);
	w.go.minor = 27;
	find(&w);
	assert_int_equal(w.hits.n, 0);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_version), cmocka_unit_test(without_version),
		cmocka_unit_test(another_shape), cmocka_unit_test(chains),
		cmocka_unit_test(not_one),	 cmocka_unit_test(elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
