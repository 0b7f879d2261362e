/*
 * dwarf_fuzz.c - any ELF file's DWARF as the types of a module: all are read, what blocks of each
 * would be, and how each of their words is called.  The file is its own package of split units as well.
 */
#include "fuzz.h"
#include "image/dbg.h"
#include "image/parts.h"
#include "type/native.h"

enum { ASKED = 200, WORDS = 64, OPS_TOP = 0x7000 };

static struct dbg *open_debug(const uint8_t *data, size_t size)
{
	struct dbg *d = calloc(1, sizeof(*d));
	struct err *err;

	if (!d)
		abort();
	pthread_mutex_init(&d->lock, NULL);
	err = elf_file_open_bytes("fuzzed", data, size, &d->own);
	err_free(err);
	d->file = d->own;
	if (d->own) {
		err_free(elf_file_open_bytes("package", data, size, &d->dwp));
		return d;
	}
	dbg_free(d);
	return NULL;
}

static size_t ask_type(struct native *n, const struct dbg_type *dbg)
{
	struct native_type *type = native_type_of(n, dbg);
	struct text text = TEXT_INIT, pretty = TEXT_INIT;
	size_t sum = 0;

	if (!type)
		return 0;
	native_compile(n, type);
	native_refs(n, type);
	native_stores(n, type);
	native_rule_leads(n, dbg);
	native_type_name(dbg, &text);
	for (unsigned i = 0; i < WORDS; i++)
		native_path(n, dbg, i % 2, 0, i * 8ull, "->", &text);
	native_pretty(text_str(&text), &pretty);
	sum = pretty.n + type->n_slots;
	text_fini(&text);
	text_fini(&pretty);
	return sum;
}

static void on_var(void *arg, const struct dbg_local_var *v)
{
	*(size_t *)arg += strlen(v->name) + v->type->size;
}

static size_t ask(struct native *n, struct dbg_types *t)
{
	uint64_t regs[17] = {};
	size_t sum = 0;

	for (size_t i = 0; i < t->named.n && i < ASKED; i++)
		sum += ask_type(n, dbg_types_named(t, t->named.v[i].hash, NULL));
	for (size_t i = 0; i < t->vars.n && i < ASKED; i++)
		sum += ask_type(n, dbg_var_type(t, &t->vars.v[i]));
	for (size_t i = 0; i < t->funcs.n && i < ASKED; i++) {
		struct dbg_frame f = { .pc = t->funcs.v[i].low, .cfa = OPS_TOP, .sp = OPS_TOP - 64, .regs = regs, .known = 0x1ffff, .n_regs = 17 };

		dbg_frame_vars(t, &f, on_var, &sum);
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct env env;
	struct module module = { .path = "fuzzed" };
	struct image img = { .env = &env, .modules = &module, .n_modules = 1 };
	struct dbg_types *types = NULL;
	struct native n = { .env = &env, .img = &img, .dwarf = &types };
	struct err *err = NULL;

	fuzz_env(&env);
	module.dbg = open_debug(data, size);
	if (module.dbg)
		err = dbg_types_open(&env, &img, &module, &types);
	n.has_dwarf = types != NULL;
	if (types && ask(&n, types) == SIZE_MAX)
		abort(); /* so that nothing is left out as unused */
	err_free(err);
	dbg_types_close(types);
	arena_fini(&n.mem);
	dbg_free(module.dbg);
	env_fini(&env);
	return 0;
}
