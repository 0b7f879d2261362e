/*
 * tests/lib/fake_go.c - see the header. Tables as cmd/link/internal/ld/pcln.go writes them since Go
 * 1.20.
 */
#include "fake_go.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "image/go_build.h"
#include "image/go_func.h"
#include "image/go_layout.h"

enum {
	NAMES = FAKE_GO_TABLES,
	PCTAB = FAKE_GO_TABLES + 0x1000,
	PCLN = FAKE_GO_TABLES + 0x3000,
	GOFUNC = FAKE_GO_TABLES + 0x6000,
	RODATA = FAKE_GO_TABLES + 0x9000,
	PART = 0x1000,
	NO_DATA = -1,
};

/* Where the next bytes of each table go. */
struct tables {
	taddr name, pctab, func, funcdata, rodata;
	unsigned quantum;
};

void fake_go_bytes(struct fake_go *f, taddr at, const void *bytes, size_t n)
{
	for (size_t i = 0; i < f->image->img.n_segments; i++) {
		const struct segment *s = &f->image->segments[i];

		if (at >= s->start && at < s->end && s->end - at >= n) {
			memcpy((uint8_t *)s->bytes + (at - s->start), bytes, n);
			return;
		}
	}
	assert(!"bytes outside every mapping");
}

void fake_go_put(struct fake_go *f, taddr at, uint64_t value)
{
	fake_go_bytes(f, at, &value, sizeof(value));
}

static void put32(struct fake_go *f, taddr at, uint32_t value)
{
	fake_go_bytes(f, at, &value, sizeof(value));
}

static void varint(struct fake_go *f, taddr *at, uint32_t v)
{
	do {
		uint8_t b = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));

		fake_go_bytes(f, (*at)++, &b, 1);
		v >>= 7;
	} while (v);
}

/*
 * `first` in the prologue, `then` to the end of the function; no step is of nothing, for that ends
 * a table.
 */
static uint32_t pc_table(struct fake_go *f, struct tables *t, int first, int then)
{
	uint32_t at = (uint32_t)(t->pctab - PCTAB);
	const struct {
		int value;
		unsigned pcs;
	} steps[] = { { first, first == then ? FAKE_FUNC : FAKE_PROLOGUE },
		      { then, FAKE_FUNC - FAKE_PROLOGUE } };
	int last = -1;

	for (unsigned i = 0; i < (first == then ? 1 : 2); i++) {
		int delta = steps[i].value - last;

		varint(f, &t->pctab, delta < 0 ? (uint32_t)~delta << 1 | 1 : (uint32_t)delta << 1);
		varint(f, &t->pctab, steps[i].pcs / t->quantum);
		last = steps[i].value;
	}
	varint(f, &t->pctab, 0);
	assert(t->pctab < PCLN);
	return at;
}

static void stack_maps(struct fake_go *f, struct tables *t, unsigned n_bits, const unsigned *bits,
		       unsigned n)
{
	taddr at = t->funcdata;

	put32(f, at, n);
	put32(f, at + 4, n_bits);
	at += 8;
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < (n_bits + 7) / 8; k++, at++)
			fake_go_bytes(f, at, &(uint8_t){ (uint8_t)((uint64_t)bits[i] >> 8 * k) }, 1);
	at = (at + 7) & ~7ull;
	t->funcdata = at;
}

static void objects(struct fake_go *f, struct tables *t, const struct fake_func *fn)
{
	taddr at = t->funcdata;
	unsigned n = 0;

	for (; n < 2 && fn->objects[n].size; n++) {
		taddr record = at + 8 + 16 * n;

		put32(f, record, (uint32_t)fn->objects[n].off);
		put32(f, record + 4, (uint32_t)fn->objects[n].size);
		put32(f, record + 8, (uint32_t)fn->objects[n].size);
		put32(f, record + 12, (uint32_t)(t->rodata - RODATA));
		put32(f, t->rodata, fn->objects[n].bits);
		t->rodata += 4;
	}
	fake_go_put(f, at, n);
	t->funcdata = at + 8 + 16 * n;
}

/* Offsets of the function's stack maps and objects in gofunc; ~0 where it has none. */
static void func_data(struct fake_go *f, struct tables *t, const struct fake_func *fn,
		      uint32_t *ret)
{
	memset(ret, 0xff, 3 * sizeof(*ret));
	if (fn->n_args) {
		ret[GO_FUNCDATA_ARGS] = (uint32_t)(t->funcdata - GOFUNC);
		stack_maps(f, t, fn->n_args,
			   (const unsigned[]){ fn->arg_bits, fn->arg_bits, fn->arg_bits },
			   FAKE_MAPS);
	}
	if (fn->n_locals) {
		ret[GO_FUNCDATA_LOCALS] = (uint32_t)(t->funcdata - GOFUNC);
		stack_maps(f, t, fn->n_locals, fn->locals, FAKE_MAPS);
	}
	if (fn->objects[0].size) {
		ret[GO_FUNCDATA_STACK_OBJECTS] = (uint32_t)(t->funcdata - GOFUNC);
		objects(f, t, fn);
	}
}

static void add_func(struct fake_go *f, struct tables *t, unsigned no, const struct fake_func *fn)
{
	uint32_t data[3], pcsp = pc_table(f, t, 0, fn->frame);
	uint32_t map = pc_table(f, t, NO_DATA, fn->map);
	uint32_t fixed[] = {
		no * FAKE_FUNC, (uint32_t)(t->name - NAMES), (uint32_t)fn->args, fn->deferreturn,
		pcsp, 0, 0, 2, 0, 1,
	};
	uint8_t tail[] = { fn->id, fn->flag, 0, 3 };

	func_data(f, t, fn, data);
	put32(f, PCLN + 8 * no, no * FAKE_FUNC);
	put32(f, PCLN + 8 * no + 4, (uint32_t)(t->func - PCLN));
	fake_go_bytes(f, t->name, fn->name, strlen(fn->name) + 1);
	t->name += strlen(fn->name) + 1;
	fake_go_bytes(f, t->func, fixed, sizeof(fixed));
	fake_go_bytes(f, t->func + 40, tail, sizeof(tail));
	put32(f, t->func + 44, 0);
	put32(f, t->func + 48, map);
	fake_go_bytes(f, t->func + 52, data, sizeof(data));
	t->func += 64;
}

static void add_module(struct fake_go *f, const struct fake_func *funcs)
{
	struct tables t = {
		.name = NAMES + 1,
		.pctab = PCTAB + 1,
		.func = PCLN + 0x200,
		.funcdata = GOFUNC,
		.rodata = RODATA,
		.quantum = f->image->target.id == TARGET_AARCH64 ? 4 : 1,
	};
	unsigned n = 0;

	for (; funcs[n].name; n++)
		add_func(f, &t, n, &funcs[n]);
	assert(n <= FAKE_FUNCS);
	put32(f, PCLN + 8 * n, n * FAKE_FUNC);
	f->module = (struct go_module){
		.funcnametab = NAMES,
		.n_funcnametab = PART,
		.pctab = PCTAB,
		.n_pctab = 2 * PART,
		.pclntable = PCLN,
		.n_pclntable = 3 * PART,
		.ftab = PCLN,
		.n_ftab = n + 1,
		.minpc = FAKE_TEXT,
		.maxpc = FAKE_TEXT + n * FAKE_FUNC,
		.text = FAKE_TEXT,
		.etext = FAKE_TEXT + n * FAKE_FUNC,
		.gofunc = GOFUNC,
		.rodata = RODATA,
	};
}

struct fake_go *fake_go_new(struct env *env, unsigned minor, enum target_id target,
			    const struct fake_func *funcs)
{
	static const struct fake_mapping memory[] = {
		{ FAKE_GO_TABLES, 0x10000, SEG_R, 1 },
		{ FAKE_GO_DATA, 0x10000, SEG_R | SEG_W, 1 },
		{ FAKE_GO_STACKS, 0x10000, SEG_R | SEG_W, 0 },
		{ FAKE_OTHER, 0x4000, SEG_R | SEG_W, 0 },
		{ FAKE_HEAP, 0x4000, SEG_R | SEG_W, 0 },
		{},
	};
	static const struct fake_word nothing[] = { {} };
	struct fake_go *f = calloc(1, sizeof(*f));

	assert(f);
	f->image = fake_image_new(env, memory, nothing);
	f->image->target.id = target;
	f->image->target.n_regs = 17;
	f->go = (struct go){
		.env = env,
		.img = &f->image->img,
		.minor = minor,
		.modules = &f->module,
		.n_modules = 1,
		.names = go_names_new(),
		.at.allgs = FAKE_ALLGS,
		.at.wait_reasons = FAKE_REASONS,
		.at.n_wait_reasons = 4,
	};
	go_layout_of(minor, target, true, minor >= 26, &f->go.layout);
	add_module(f, funcs);
	f->image->img.go = &f->go;
	return f;
}

void fake_go_free(struct fake_go *f)
{
	go_names_free(f->go.names);
	arena_fini(&f->go.mem);
	fake_image_free(f->image);
	free(f);
}

taddr fake_go_add(struct fake_go *f, uint64_t id, unsigned status)
{
	const struct go_layout *l = &f->go.layout;
	taddr g = FAKE_G + 0x400ull * f->n_gs;

	fake_go_put(f, g + l->g.stack, fake_stack(f->n_gs));
	fake_go_put(f, g + l->g.stack + 8, fake_stack(f->n_gs) + FAKE_STACK);
	fake_go_put(f, g + l->g.atomicstatus, status);
	fake_go_put(f, g + l->g.goid, id);
	fake_go_put(f, FAKE_ALLGS, FAKE_ALLGS + 0x100);
	fake_go_put(f, FAKE_ALLGS + 0x100 + 8ull * f->n_gs, g);
	f->n_gs++;
	fake_go_put(f, FAKE_ALLGS + 8, f->n_gs);
	fake_go_put(f, FAKE_ALLGS + 16, f->n_gs);
	return g;
}
