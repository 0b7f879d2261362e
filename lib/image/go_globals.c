/*
 * image/go_globals.c - types and packages of Go's variables out of its code.
 */
#include "image/go_globals.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/addrmap.h"
#include "base/bits.h"
#include "base/guard.h"
#include "base/par.h"
#include "base/search.h"
#include "base/vec.h"
#include "image/go_func.h"
#include "image/insn_step.h"

enum {
	FUNCS_A_RANGE = 2048,
	FUNC_BYTES_MAX = 1 << 20,
	LEA_SPAN = 512, /* from the address of a struct to a word of it that is wanted */
	SLOTS_MAX = 64, /* of a frame, that are remembered */
	USERS_MAX = 64,
	DATA_MAX = 1 << 30,
	REFS_MAX = 1 << 17,  /* in a range: ten times what compilers make */
	FACTS_MAX = 1 << 16,
	PACKAGE_MAX = 256,
	PACKAGES_MAX = 8, /* of one stack of inlined calls */
	VALUE_BYTES_MAX = 1 << 20,
	ARGS_MAX = 5,
};

/* ---- what is found out */

enum fact_kind {
	FACT_VALUE,   /* a T lies there */
	FACT_HEADER,  /* a T that is a pointer itself: a map, a channel */
	FACT_POINTER, /* a *T */
	FACT_SLICE,   /* a []T */
	FACT_RECEIVER, /* a *T, or a pointer to what begins with a T */
};

struct fact {
	taddr addr;
	const struct go_type *type; /* T */
	uint8_t kind;		    /* enum fact_kind */
};

struct ref {
	taddr addr, pc;
};

/* Of one range of functions, by one thread. */
struct found {
	struct {
		struct fact *v;
		size_t n, cap;
	} facts;
	struct {
		struct ref *v;
		size_t n, cap;
	} refs;
};

struct go_globals {
	const struct go *go;
	struct {
		struct go_global *v;
		size_t n, cap;
	} types;
	struct {
		struct ref *v;
		size_t n, cap;
	} refs; /* ascending */
	struct arena mem;
};

/* A bit a word of each module's data. */
struct wanted {
	taddr low, high;
	uint64_t *bits;
};

struct search {
	struct env *env;
	const struct go *go;
	struct wanted *wanted; /* one a module */
	struct found *found;   /* one a range */
	uint64_t *first; /* function of each module, and one more */
	bool is_arm;
};

static void data_bounds(const struct go_module *m, taddr *low, taddr *high)
{
	*low = m->noptrdata && m->noptrdata < m->data ? m->noptrdata : m->data;
	*high = m->enoptrbss > m->ebss ? m->enoptrbss : m->ebss;
}

static const struct wanted *data_of(const struct search *s, taddr addr)
{
	for (size_t i = 0; i < s->go->n_modules; i++)
		if (addr >= s->wanted[i].low && addr < s->wanted[i].high)
			return &s->wanted[i];
	return NULL;
}

/* A word in [addr, addr + span) is wanted. */
static bool is_wanted(const struct search *s, taddr addr, uint64_t span)
{
	const struct wanted *w = data_of(s, addr);
	uint64_t i, end;

	if (!w)
		return false;
	end = (addr - w->low + span + 7) / 8;
	end = end < (w->high - w->low) / 8 ? end : (w->high - w->low) / 8;
	for (i = (addr - w->low) / 8; i < end; i++)
		if (w->bits[i / 64] >> i % 64 & 1)
			return true;
	return false;
}

/* ---- which functions are worth reading */

static bool x86_refers(const struct search *s, const uint8_t *code, uint64_t n, taddr addr)
{
	/* mov and lea of 64 bits with an address relative to the next instruction */
	for (uint64_t i = 2; i + 5 <= n; i++) {
		taddr target;

		if ((code[i] & 0xc7) != 5 || (code[i - 2] & 0xf8) != 0x48 ||
		    (code[i - 1] != 0x8b && code[i - 1] != 0x89 && code[i - 1] != 0x8d))
			continue;
		target = addr + i + 5 + (uint64_t)(int64_t)(int32_t)load_u32(code + i + 1);
		if (is_wanted(s, target, code[i - 1] == 0x8d ? LEA_SPAN : 8))
			return true;
	}
	return false;
}

static bool arm_refers(const struct search *s, const uint8_t *code, uint64_t n, taddr addr)
{
	for (uint64_t i = 0; i + 4 <= n; i += 4) {
		uint32_t in = load_u32(code + i);
		int64_t page;

		if ((in & 0x9f000000) != 0x90000000) /* adrp */
			continue;
		page = (int64_t)(((uint64_t)(in >> 5 & 0x7ffff) << 2 | (in >> 29 & 3)) << 43) >> 31;
		if (is_wanted(s, ((addr + i) & ~0xfffull) + (uint64_t)page, 4096 + LEA_SPAN))
			return true;
	}
	return false;
}

/* ---- reading one */

enum value_kind {
	VALUE_UNKNOWN,
	VALUE_ADDRESS, /* v, static */
	VALUE_LOADED,  /* what the variable at v holds */
	VALUE_NEW, VALUE_ARRAY, /* a new T, or several: T's descriptor is at v */
	VALUE_HEADER,  /* a new map or channel of the type whose descriptor is at v */
};

struct value {
	uint64_t v;
	uint8_t kind; /* enum value_kind */
};

enum callee_kind {
	CALLEE_ANY,
	CALLEE_BARRIER,	 /* changes no register that matters */
	CALLEE_NEW,	 /* (type) */
	CALLEE_MALLOC,	 /* (size, type, ..) */
	CALLEE_MAKE,	 /* a map, a channel: (type, ..) */
	CALLEE_ARRAY,	 /* (element's type, ..) */
	CALLEE_MAP,	 /* (type, map, ..) */
	CALLEE_GROW,	 /* growslice */
	CALLEE_MOVE,	 /* (type, where, ..) */
	CALLEE_METHOD,	 /* (receiver, ..) */
};

struct callee {
	const struct go_type *receiver;
	uint8_t kind; /* enum callee_kind */
};

struct reading {
	const struct search *s;
	struct found *found;
	struct insn_reader *code;
	struct addrmap callees; /* struct callee, by entry */
	struct arena mem;
	struct value regs[INSN_REGS];
	struct {
		uint64_t offset; /* from the stack pointer */
		struct value value;
	} slots[SLOTS_MAX];
	unsigned n_slots;
	bool is_out_of_memory;
};

static const int8_t x86_args[ARGS_MAX] = { 0, 3, 1, 7, 6 };
static const int8_t arm_args[ARGS_MAX] = { 0, 1, 2, 3, 4 };
enum { X86_SP = 4, ARM_SP = 31, X86_BARRIER_RESULT = 11, ARM_BARRIER_RESULT = 25 };

static struct value arg(const struct reading *r, unsigned i)
{
	return r->regs[r->s->is_arm ? arm_args[i] : x86_args[i]];
}

static void forget(struct reading *r)
{
	memset(r->regs, 0, sizeof(r->regs));
	r->n_slots = 0;
}

static void note_fact(struct reading *r, taddr addr, const struct go_type *type, enum fact_kind kind)
{
	struct fact f = { .addr = addr, .type = type, .kind = (uint8_t)kind };
	uint64_t span = kind == FACT_VALUE && type ? type->size : 8;

	if (!type || !type->size || addr % 8 || span > VALUE_BYTES_MAX || !is_wanted(r->s, addr, span))
		return;
	if ((kind == FACT_VALUE && !type->ptr_bytes) || r->found->facts.n == FACTS_MAX)
		return;
	if (!vec_push(&r->found->facts, &f))
		r->is_out_of_memory = true;
}

static void note_ref(struct reading *r, taddr addr, uint64_t span, taddr pc)
{
	struct ref ref = { .addr = addr, .pc = pc };

	if (r->found->refs.n < REFS_MAX && is_wanted(r->s, addr, span) && !vec_push(&r->found->refs, &ref))
		r->is_out_of_memory = true;
}

static const struct go_type *type_in(const struct reading *r, struct value v)
{
	return v.kind == VALUE_ADDRESS ? go_type_at(r->s->go, v.v) : NULL;
}

/* ---- calls */

static const struct {
	const char *name;
	bool is_whole;
	uint8_t kind;
} callee_names[] = {
	{ "gcWriteBarrier", false, CALLEE_BARRIER },
	{ "newobject", true, CALLEE_NEW },
	{ "mallocgc", false, CALLEE_MALLOC },
	{ "makemap", true, CALLEE_MAKE },
	{ "makemap64", true, CALLEE_MAKE },
	{ "makechan", true, CALLEE_MAKE },
	{ "makechan64", true, CALLEE_MAKE },
	{ "makeslice", true, CALLEE_ARRAY },
	{ "makeslice64", true, CALLEE_ARRAY },
	{ "makeslicecopy", true, CALLEE_ARRAY },
	{ "mapaccess1", false, CALLEE_MAP },
	{ "mapaccess2", false, CALLEE_MAP },
	{ "mapassign", false, CALLEE_MAP },
	{ "mapdelete", false, CALLEE_MAP },
	{ "mapiterinit", true, CALLEE_MAP },
	{ "mapIterStart", true, CALLEE_MAP },
	{ "mapclear", true, CALLEE_MAP },
	{ "growslice", true, CALLEE_GROW },
	{ "typedmemmove", true, CALLEE_MOVE },
	{ "typedmemclr", true, CALLEE_MOVE },
	{ "wbZero", true, CALLEE_MOVE },
	{ "wbMove", true, CALLEE_MOVE },
};

static struct callee callee_of(const struct reading *r, taddr entry)
{
	static const char runtime[] = "runtime.";
	struct callee c = {};
	struct text name = TEXT_INIT;
	const char *s;
	struct go_func f;

	if (!go_func_at(r->s->go, entry, &f) || f.entry != entry)
		return c;
	go_func_name(r->s->go, &f, &name);
	s = text_str(&name);
	if (!strncmp(s, runtime, sizeof(runtime) - 1)) {
		s += sizeof(runtime) - 1;
		for (size_t i = 0; i < ARRAY_SIZE(callee_names) && !c.kind; i++)
			if (callee_names[i].is_whole ? !strcmp(s, callee_names[i].name) :
						       !strncmp(s, callee_names[i].name, strlen(callee_names[i].name)))
				c.kind = callee_names[i].kind;
	}
	text_fini(&name);
	if (!c.kind) {
		c.receiver = go_receiver(r->s->go, &f);
		c.kind = c.receiver ? CALLEE_METHOD : CALLEE_ANY;
	}
	return c;
}

static const struct callee *callee_at(struct reading *r, taddr entry)
{
	static const struct callee any;
	const struct callee *known = entry ? addrmap_get(&r->callees, entry) : &any;
	struct callee *c;

	if (known)
		return known;
	c = arena_alloc(&r->mem, sizeof(*c));
	if (c)
		*c = callee_of(r, entry);
	if (!c || !addrmap_put(&r->callees, entry, c))
		r->is_out_of_memory = true;
	return c ? c : &any;
}

static struct value on_grow(struct reading *r)
{
	bool old = r->s->go->minor && r->s->go->minor < 20; /* (type, old slice, cap); since: (old, new length, cap, n, type) */
	struct value type = arg(r, old ? 0 : 4), from = arg(r, old ? 1 : 0), cap = arg(r, old ? 3 : 2);

	if (from.kind == VALUE_LOADED && cap.kind == VALUE_LOADED && cap.v == from.v + 16)
		note_fact(r, from.v, type_in(r, type), FACT_SLICE);
	return type.kind == VALUE_ADDRESS ? (struct value){ type.v, VALUE_ARRAY } : (struct value){};
}

/* What the call says of variables; what it returns. */
static struct value on_call(struct reading *r, const struct callee *c)
{
	struct value first = arg(r, 0), second = arg(r, 1), none = {};
	const struct go_type *t;

	switch ((enum callee_kind)c->kind) {
	case CALLEE_NEW:
		return first.kind == VALUE_ADDRESS ? (struct value){ first.v, VALUE_NEW } : none;
	case CALLEE_MALLOC:
		return second.kind == VALUE_ADDRESS ? (struct value){ second.v, VALUE_NEW } : none;
	case CALLEE_MAKE:
		return first.kind == VALUE_ADDRESS ? (struct value){ first.v, VALUE_HEADER } : none;
	case CALLEE_ARRAY:
		return first.kind == VALUE_ADDRESS ? (struct value){ first.v, VALUE_ARRAY } : none;
	case CALLEE_MAP:
		t = second.kind == VALUE_LOADED ? type_in(r, first) : NULL;
		if (t && t->kind == GO_MAP)
			note_fact(r, second.v, t, FACT_HEADER);
		break;
	case CALLEE_GROW:
		return on_grow(r);
	case CALLEE_MOVE:
		if (second.kind == VALUE_ADDRESS)
			note_fact(r, second.v, type_in(r, first), FACT_VALUE);
		break;
	case CALLEE_METHOD:
		if (first.kind == VALUE_ADDRESS)
			note_fact(r, first.v, c->receiver, FACT_VALUE);
		else if (first.kind == VALUE_LOADED)
			note_fact(r, first.v, c->receiver, FACT_RECEIVER);
		break;
	case CALLEE_ANY:
	case CALLEE_BARRIER:
		break;
	}
	return none;
}

/* ---- registers, frames and variables */

static void set_slot(struct reading *r, uint64_t offset, struct value value)
{
	unsigned i = 0;

	while (i < r->n_slots && r->slots[i].offset != offset)
		i++;
	if (i == SLOTS_MAX)
		return;
	r->slots[i].offset = offset;
	r->slots[i].value = value;
	r->n_slots += i == r->n_slots;
}

static struct value get_slot(const struct reading *r, uint64_t offset)
{
	for (unsigned i = 0; i < r->n_slots; i++)
		if (r->slots[i].offset == offset)
			return r->slots[i].value;
	return (struct value){};
}

/* A place in static memory; false: in none, or nobody knows. */
static bool static_place(const struct reading *r, const struct insn_step *s, taddr *ret)
{
	if (s->base != INSN_NO_REG && r->regs[s->base].kind != VALUE_ADDRESS)
		return false;
	*ret = s->value + (s->base != INSN_NO_REG ? r->regs[s->base].v : 0);
	return true;
}

static void on_put(struct reading *r, const struct insn_step *s)
{
	struct value value = s->reg != INSN_NO_REG && s->size == 8 ? r->regs[s->reg] : (struct value){};
	taddr at;

	if (s->base == (r->s->is_arm ? ARM_SP : X86_SP)) {
		for (uint64_t i = 0; i < s->size; i += 8)
			set_slot(r, (s->value & ~7ull) + i, value);
		return;
	}
	if (!static_place(r, s, &at))
		return;
	note_ref(r, at, 8, s->pc);
	if (value.kind == VALUE_NEW)
		note_fact(r, at, go_type_at(r->s->go, value.v), FACT_POINTER);
	else if (value.kind == VALUE_ARRAY)
		note_fact(r, at, go_type_at(r->s->go, value.v), FACT_SLICE);
	else if (value.kind == VALUE_HEADER)
		note_fact(r, at, go_type_at(r->s->go, value.v), FACT_HEADER);
}

static struct value on_get(struct reading *r, const struct insn_step *s)
{
	taddr at;

	if (s->base == (r->s->is_arm ? ARM_SP : X86_SP))
		return get_slot(r, s->value);
	if (!static_place(r, s, &at))
		return (struct value){};
	note_ref(r, at, 8, s->pc);
	return data_of(r->s, at) ? (struct value){ at, VALUE_LOADED } : (struct value){};
}

static struct value on_add(const struct reading *r, const struct insn_step *s)
{
	struct value from = r->regs[s->base];

	if (s->value && from.kind != VALUE_ADDRESS)
		return (struct value){};
	from.v += from.kind == VALUE_ADDRESS ? s->value : 0;
	return from;
}

static void on_step(void *p, const struct insn_step *s)
{
	struct reading *r = p;
	struct value result = {};
	const struct callee *c;
	uint32_t written = s->written;
	int8_t to = s->reg;

	switch ((enum insn_op)s->op) {
	case INSN_SET:
		result = (struct value){ s->value, VALUE_ADDRESS };
		break;
	case INSN_ADD:
		result = on_add(r, s);
		break;
	case INSN_GET:
		result = on_get(r, s);
		break;
	case INSN_PUT:
		on_put(r, s);
		to = INSN_NO_REG;
		break;
	case INSN_STEP_CALL:
		c = callee_at(r, s->value);
		result = on_call(r, c);
		to = 0;
		written = c->kind != CALLEE_BARRIER ? UINT32_MAX :
			  1u << (r->s->is_arm ? ARM_BARRIER_RESULT : X86_BARRIER_RESULT);
		if (c->kind == CALLEE_BARRIER)
			to = INSN_NO_REG;
		written &= ~(1u << (r->s->is_arm ? ARM_SP : X86_SP));
		break;
	case INSN_LEAVE:
		forget(r);
		return;
	case INSN_OTHER:
		to = INSN_NO_REG;
		break;
	}
	for (; written; written &= written - 1)
		r->regs[__builtin_ctz(written)].kind = VALUE_UNKNOWN;
	if (s->written >> (r->s->is_arm ? ARM_SP : X86_SP) & 1)
		r->n_slots = 0;
	if (to != INSN_NO_REG)
		r->regs[to] = result;
	/* adrp gives a page, and what is added to it the variable */
	if (result.kind == VALUE_ADDRESS && (s->op == INSN_ADD || (s->op == INSN_SET && !r->s->is_arm)))
		note_ref(r, result.v, LEA_SPAN, s->pc);
}

static void read_function(struct reading *r, taddr entry, taddr end)
{
	uint64_t avail, n = end - entry;
	const uint8_t *code = image_view(r->s->go->img, entry, &avail);

	if (!code || n > FUNC_BYTES_MAX)
		return;
	n = n < avail ? n : avail;
	if (r->s->is_arm ? !arm_refers(r->s, code, n, entry) : !x86_refers(r->s, code, n, entry))
		return;
	forget(r);
	insn_steps(r->code, entry, n, on_step, r);
}

static struct err *read_range(void *p, uint64_t index, uint64_t first, uint64_t last)
{
	struct search *s = p;
	struct reading r = { .s = s, .found = &s->found[index] };
	struct err *err = insn_reader_open(s->go->img, &r.code);
	size_t k = 0;

	for (uint64_t i = first; !err && r.code && i < last; i++) {
		taddr entry, end;

		while (k + 1 < s->go->n_modules && i >= s->first[k + 1])
			k++;
		if (go_func_bounds(s->go, &s->go->modules[k], i - s->first[k], &entry, &end))
			read_function(&r, entry, end);
		if (r.is_out_of_memory)
			err = &err_nomem;
	}
	insn_reader_close(r.code);
	addrmap_fini(&r.callees);
	arena_fini(&r.mem);
	return err;
}

/* ---- all of it together */

static int by_fact(const void *a, const void *b)
{
	const struct fact *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind - y->kind;
	if (x->type->size != y->type->size) /* a struct before its first field */
		return x->type->size > y->type->size ? -1 : 1;
	return x->type->addr < y->type->addr ? -1 : x->type->addr > y->type->addr;
}

static int by_ref(const void *a, const void *b)
{
	const struct ref *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->pc < y->pc ? -1 : x->pc > y->pc;
}

/* *T, []T */
static const struct go_type *made_of(struct go_globals *g, enum fact_kind kind, const struct go_type *elem)
{
	bool is_slice = kind == FACT_SLICE;
	const char *name = arena_printf(&g->mem, "%s%s", is_slice ? "[]" : "*", elem->name);
	struct go_type *t = name ? go_type_make(g->go) : NULL;

	if (t && kind == FACT_POINTER && go_type_is_closure(elem))
		*t = (struct go_type){ .name = "func", .size = 8, .ptr_bytes = 8, .kind = GO_FUNC, .direct = true };
	else if (t)
		*t = (struct go_type){ .name = name, .size = is_slice ? 24 : 8, .ptr_bytes = 8, .elem = elem,
				       .kind = is_slice ? GO_SLICE : GO_POINTER, .direct = !is_slice };
	return t;
}

/*
 * The word is an interface's second one: what is in it now need not be what the code that was read expects.
 */
static bool is_boxed(const struct go *go, taddr addr)
{
	uint64_t word;

	return !image_read_u64(go->img, addr - 8, &word) && word && (go_itab_type(go, word) || go_type_at(go, word));
}

/* Facts of one address, the strongest kind first: they are of one kind and agree, or nothing is taken. */
static struct err *take_facts(struct go_globals *g, const struct fact *f, size_t n)
{
	struct go_global v = { .addr = f->addr, .is_sure = f->kind != FACT_RECEIVER };

	if (f->kind != FACT_VALUE) {
		bool agree = true;

		/* Of receivers the largest is taken: the others are its first fields. */
		for (size_t i = 1; i < n && f->kind != FACT_RECEIVER; i++)
			agree &= f[i].kind == FACT_RECEIVER || (f[i].kind == f->kind && f[i].type == f->type);
		if (!agree || is_boxed(g->go, f->addr))
			return NULL;
	}
	v.type = f->kind == FACT_VALUE || f->kind == FACT_HEADER ? f->type : made_of(g, f->kind, f->type);
	return v.type && vec_push(&g->types, &v) ? NULL : &err_nomem;
}

static struct err *take_types(struct go_globals *g, struct found *all)
{
	taddr end = 0; /* of the last value */
	struct err *err = NULL;

	if (all->facts.n)
		qsort(all->facts.v, all->facts.n, sizeof(*all->facts.v), by_fact);
	for (size_t i = 0, next; i < all->facts.n && !err; i = next) {
		const struct fact *f = &all->facts.v[i];
		size_t had = g->types.n;

		for (next = i + 1; next < all->facts.n && all->facts.v[next].addr == f->addr;)
			next++;
		if (f->addr >= end)
			err = take_facts(g, f, next - i);
		if (!err && g->types.n > had)
			end = f->addr + g->types.v[had].type->size;
	}
	return err;
}

static struct err *join(struct found *all, const struct found *part)
{
	for (size_t i = 0; i < part->facts.n; i++)
		if (!vec_push(&all->facts, &part->facts.v[i]))
			return &err_nomem;
	for (size_t i = 0; i < part->refs.n; i++)
		if (!vec_push(&all->refs, &part->refs.v[i]))
			return &err_nomem;
	return NULL;
}

static void fini_found(struct found *f)
{
	free(f->facts.v);
	free(f->refs.v);
}

/* One after another, as the linker writes them: then no code is read twice. */
static bool is_ascending(const struct go *go, const struct go_module *m)
{
	taddr last = 0, entry, end;

	for (uint64_t i = 0; i + 1 < m->n_ftab; i++) {
		if (!go_func_bounds(go, m, i, &entry, &end))
			continue; /* of no bytes: it is not read */
		if (entry < last)
			return false;
		last = end;
	}
	return true;
}

static struct err *open_wanted(struct search *s, const taddr *wanted, size_t n)
{
	for (size_t k = 0; k < s->go->n_modules; k++) {
		struct wanted *w = &s->wanted[k];

		data_bounds(&s->go->modules[k], &w->low, &w->high);
		s->first[k + 1] = s->first[k] + (is_ascending(s->go, &s->go->modules[k]) ? s->go->modules[k].n_ftab : 0);
		if (w->high <= w->low || w->high - w->low > DATA_MAX) {
			w->high = w->low;
			continue;
		}
		w->bits = calloc(bits_words((w->high - w->low + 7) / 8), sizeof(*w->bits));
		if (!w->bits)
			return &err_nomem;
	}
	for (size_t i = 0; i < n; i++) {
		const struct wanted *w = data_of(s, wanted[i]);

		if (w)
			w->bits[(wanted[i] - w->low) / 8 / 64] |= 1ull << (wanted[i] - w->low) / 8 % 64;
	}
	return NULL;
}

static struct err *search_all(struct search *s, struct go_globals *g)
{
	uint64_t n = s->first[s->go->n_modules], n_ranges = (n + FUNCS_A_RANGE - 1) / FUNCS_A_RANGE;
	struct found all = {};
	struct err *err;

	s->found = calloc(n_ranges ? n_ranges : 1, sizeof(*s->found));
	err = s->found ? par_ranges(s->env, n, FUNCS_A_RANGE, read_range, s) : &err_nomem;
	for (uint64_t i = 0; s->found && i < n_ranges; i++) {
		if (!err)
			err = join(&all, &s->found[i]);
		fini_found(&s->found[i]);
	}
	if (!err)
		err = take_types(g, &all);
	if (!err) {
		if (all.refs.n)
			qsort(all.refs.v, all.refs.n, sizeof(*all.refs.v), by_ref);
		g->refs.v = all.refs.v;
		g->refs.n = all.refs.n;
		all.refs.v = NULL;
	}
	fini_found(&all);
	free(s->found);
	return err;
}

struct err *go_globals_open(struct env *env, const struct go *go, const taddr *wanted, size_t n,
			    struct go_globals **ret)
{
	struct search s = { .env = env, .go = go, .is_arm = go->img->target->id == TARGET_AARCH64 };
	struct go_globals *g = calloc(1, sizeof(*g));
	struct err *err;

	*ret = NULL;
	s.wanted = calloc(go->n_modules + 1, sizeof(*s.wanted));
	s.first = calloc(go->n_modules + 1, sizeof(*s.first));
	err = g && s.wanted && s.first ? open_wanted(&s, wanted, n) : &err_nomem;
	if (!err) {
		g->go = go;
		err = search_all(&s, g);
	}
	for (size_t k = 0; s.wanted && k < go->n_modules; k++)
		free(s.wanted[k].bits);
	free(s.wanted);
	free(s.first);
	if (err)
		go_globals_close(g);
	else
		*ret = g;
	return err;
}

void go_globals_close(struct go_globals *g)
{
	if (!g)
		return;
	free(g->types.v);
	free(g->refs.v);
	arena_fini(&g->mem);
	free(g);
}

const struct go_global *go_globals_types(const struct go_globals *g, size_t *ret_n)
{
	*ret_n = g->types.n;
	return g->types.v;
}

/* ---- names */

/* Packages of a function and of what was inlined around it, innermost first. */
struct packages {
	char v[PACKAGES_MAX][PACKAGE_MAX];
	unsigned n;
	bool is_init; /* the function that gives a package's variables their first values */
};

static bool has_package(const struct packages *p, const char *package)
{
	for (unsigned i = 0; i < p->n; i++)
		if (!strcmp(p->v[i], package))
			return true;
	return false;
}

static void on_function(void *arg, const char *function, const char *file, unsigned line)
{
	struct packages *p = arg;
	size_t n = go_package_bytes(function);

	(void)file;
	(void)line;
	if (!n || n >= PACKAGE_MAX || p->n == PACKAGES_MAX || strchr(function, ':'))
		return;
	p->is_init = !p->n && !strcmp(function + n, ".init");
	memcpy(p->v[p->n], function, n);
	p->v[p->n][n] = 0;
	/* its methods are inlined everywhere, and it has no variables */
	if (n >= 7 && !strcmp(p->v[p->n] + n - 7, "/atomic"))
		return;
	for (unsigned i = 0; i < p->n; i++)
		if (!strcmp(p->v[i], p->v[p->n]))
			return;
	p->n++;
}

/* Those of `all` that `other` has as well. */
static void keep_common(struct packages *all, const struct packages *other)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < all->n; i++)
		if (has_package(other, all->v[i]))
			memmove(all->v[kept++], all->v[i], PACKAGE_MAX);
	all->n = kept;
}

/*
 * The package whose code all the uses are, wherever it was inlined and whatever was inlined into it; else the
 * only one whose own init gives the variable a value.
 */
bool go_globals_package(const struct go_globals *g, taddr start, taddr end, struct text *ret)
{
	size_t i = partition_point(g->refs.n, k, g->refs.v[k].addr < start);
	struct packages all = {}, one;
	char owner[PACKAGE_MAX] = "";
	bool owners_differ = false;

	for (unsigned n = 0; i < g->refs.n && g->refs.v[i].addr < end && n < USERS_MAX; i++, n++) {
		one = (struct packages){};
		go_source(g->go, g->refs.v[i].pc, on_function, &one);
		if (!n)
			all = one;
		else
			keep_common(&all, &one);
		if (one.n && one.is_init) {
			owners_differ |= *owner && strcmp(owner, one.v[0]) != 0;
			memcpy(owner, one.v[0], PACKAGE_MAX);
		}
	}
	if (all.n == 1)
		memcpy(owner, all.v[0], PACKAGE_MAX);
	else if (owners_differ)
		return false;
	go_path_add(ret, owner, strlen(owner));
	return *owner;
}

/* The variable that begins at `start`, by whatever tells. */
static bool add_variable(const struct go_globals *g, taddr start, taddr end, struct text *ret)
{
	const struct module *m = image_module_at(g->go->img, start);
	struct symbol symbol;

	if (start == g->go->at.pool_all) {
		text_add(ret, "sync.allPools");
		return true;
	}
	if (image_symbol_at(g->go->img, start, &symbol)) {
		if (symbol.addr == start)
			text_add(ret, symbol.name);
		return symbol.addr == start;
	}
	if (!m || !go_globals_package(g, start, end, ret))
		return false;
	text_printf(ret, ".0x%" PRIx64, start - m->start);
	return true;
}

bool go_globals_name(const struct go_globals *g, taddr addr, struct text *ret)
{
	size_t lo = partition_point(g->types.n, i, g->types.v[i].addr <= addr), had = ret->n;
	const struct go_global *v = lo ? &g->types.v[lo - 1] : NULL;

	if (!v || addr - v->addr >= v->type->size)
		return add_variable(g, addr, addr + 8, ret);
	if (!add_variable(g, v->addr, v->addr + v->type->size, ret))
		return false;
	if (!go_type_path(g->go, v->type, addr - v->addr, ret))
		text_cut(ret, had);
	return ret->n > had;
}
