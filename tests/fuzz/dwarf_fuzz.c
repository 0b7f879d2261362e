/*
 * dwarf_fuzz.c - any ELF file's DWARF as the types of a module: all are read, what blocks of each
 * would be, and how each of their words is called.  The file is its own package of split units as well.
 */
#include "fuzz.h"
#include <elf.h>

#include "image/dbg.h"
#include "image/dbg_frame.h"
#include "image/parts.h"
#include "type/native.h"

enum {
	ASKED = 200,
	WORDS = 64,
	OPS_TOP = 0x7000,
	FRAMES = 8,	   /* functions with frames */
	PLACES = 48,	   /* bytes of each that one stands at */
	CALLERS = 3,	   /* behind each other */
	STEPS = 1 << 13,
};

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
	*(size_t *)arg += strlen(v->name) + v->type->size + v->places[v->n - 1].value;
}

/* Frames of every function, at each of its first bytes: whatever calls whatever. */
struct frames {
	struct dbg_types *types;
	struct insn_reader *code;
	uint64_t steps_left;
	unsigned depth;
};

static bool entry(void *arg, const struct dbg_callee *callee, unsigned reg, struct dbg_word *ret);

static struct dbg_frame frame_at(struct frames *all, uint64_t pc)
{
	static const uint64_t regs[17] = { [3] = 0x5000, [6] = OPS_TOP - 16, [12] = 0x6000 };

	return (struct dbg_frame){
		.pc = pc, .is_caller = true, .cfa = OPS_TOP, .sp = OPS_TOP - 64, .sp_reg = 7, .regs = regs, .known = 0x1ffff,
		.n_regs = 17, .entry = entry, .arg = all, .steps_left = &all->steps_left, .code = all->code,
	};
}

static bool entry(void *arg, const struct dbg_callee *callee, unsigned reg, struct dbg_word *ret)
{
	struct frames *all = arg;
	const struct dbg_types *t = all->types;
	bool found = false;

	if (all->depth == CALLERS)
		return false;
	all->depth++;
	for (size_t i = 0; i < t->funcs.n && i < FRAMES && !found; i++)
		for (uint64_t at = 0; at < PLACES && !found && all->steps_left; at++) {
			struct dbg_frame f = frame_at(all, t->funcs.v[i].low + at);

			found = dbg_call_value(all->types, &f, callee, reg, ret);
		}
	all->depth--;
	return found;
}

static size_t ask_frames(struct dbg_types *t, struct insn_reader *code)
{
	struct frames all = { .types = t, .code = code, .steps_left = STEPS };
	size_t sum = 0;

	for (size_t i = 0; i < t->funcs.n && i < ASKED; i++)
		for (uint64_t at = 0; at < (i < FRAMES ? PLACES : 1); at++) {
			struct dbg_frame f = frame_at(&all, t->funcs.v[i].low + at);

			f.is_caller = at % 2;
			dbg_frame_vars(t, &f, on_var, &sum);
		}
	return sum;
}

static size_t ask(struct native *n, struct dbg_types *t, struct insn_reader *code)
{
	size_t sum = 0;

	for (size_t i = 0; i < t->named.n && i < ASKED; i++)
		sum += ask_type(n, dbg_types_named(t, t->named.v[i].hash, NULL));
	for (size_t i = 0; i < t->vars.n && i < ASKED; i++)
		sum += ask_type(n, dbg_var_type(t, &t->vars.v[i]));
	sum += ask_frames(t, code);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct env env;
	struct module module = { .path = "fuzzed" };
	struct segment file = { .end = size, .bytes = data, .flags = SEG_R | SEG_X, .module = 0, .behind = 0 };
	struct image img = {
		.env = &env, .target = target_by_machine(EM_X86_64), .modules = &module, .n_modules = 1, .segments = &file, .n_segments = size > 0,
	};
	struct insn_reader *code = NULL;
	struct dbg_types *types = NULL;
	struct native n = { .env = &env, .img = &img, .dwarf = &types };
	struct err *err = NULL;

	fuzz_env(&env);
	module.dbg = open_debug(data, size);
	if (module.dbg)
		err = dbg_types_open(&env, &img, &module, &types);
	n.has_dwarf = types != NULL;
	if (!err)
		err = insn_reader_open(&img, &code);
	if (types && ask(&n, types, code) == SIZE_MAX)
		abort(); /* so that nothing is left out as unused */
	err_free(err);
	insn_reader_close(code);
	dbg_types_close(types);
	arena_fini(&n.mem);
	dbg_free(module.dbg);
	env_fini(&env);
	return 0;
}
