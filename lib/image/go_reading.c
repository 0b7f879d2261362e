/*
 * image/go_reading.c - registers, a frame and variables on the ways through a function.
 */
#include "image/go_reading.h"

#include <stdlib.h>
#include <string.h>

#include "base/addrmap.h"
#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "image/go_func.h"
#include "image/insn_step.h"

enum {
	ARGS_MAX = 5,
	DEPTH_MAX = 3, /* of functions whose results are asked for, one by another */
	RESULT_BYTES_MAX = 1 << 14,
	RESULTS_CODE_MAX = 1 << 20, /* bytes that are read for results, at each depth */
	WAYS_MAX = 1 << 10, /* two kilobytes each */
};

enum callee_kind {
	CALLEE_ANY,
	CALLEE_RUNTIME,	 /* what it returns is not what the program has it as: an hmap is a map */
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

/* What is known at one place of the code, on a way there. */
struct state {
	size_t at; /* step */
	struct go_value regs[INSN_REGS];
	struct {
		uint64_t offset; /* from the stack pointer */
		struct go_value value;
	} slots[GO_READING_SLOTS];
	unsigned n_slots;
};

struct go_reading {
	const struct go *go;
	const struct go_reading_to *to;
	bool is_arm;
	struct insn_reader *code;
	struct addrmap callees; /* struct callee, by entry */
	struct arena mem;
	struct state now, at_stop;
	struct {
		struct insn_step *v; /* of the function, ascending */
		size_t n, cap;
	} steps;
	struct {
		struct state *v;
		size_t n, cap;
	} ways; /* that are still to go */
	struct {
		uint64_t *v;
		size_t n, cap;
	} seen; /* a bit a step */
	bool is_out_of_memory;
	struct addrmap results; /* struct go_value, by function */
	struct go_reading *inner; /* reads what this one calls */
	unsigned depth;
	uint64_t results_code;	  /* bytes that were read for them */
	struct go_value returned; /* of the function that is read, by the ways that tell */
	bool differ;
};

static const int8_t x86_args[ARGS_MAX] = { 0, 3, 1, 7, 6 };
static const int8_t arm_args[ARGS_MAX] = { 0, 1, 2, 3, 4 };
enum { X86_SP = 4, ARM_SP = 31, X86_BARRIER_RESULT = 11, ARM_BARRIER_RESULT = 25 };

static struct go_value arg(const struct go_reading *r, unsigned i)
{
	return r->now.regs[r->is_arm ? arm_args[i] : x86_args[i]];
}

/* What a generic function sees of its types: any of one layout. */
static bool is_layout(const struct go_type *t)
{
	return strstr(t->name, "go.shape.");
}

static void note_fact(const struct go_reading *r, taddr addr, const struct go_type *type, enum go_fact_kind kind)
{
	if (type && !is_layout(type) && type->size && addr % 8 == 0 && r->to->fact && go_in_data(r->go, addr))
		r->to->fact(r->to->arg, addr, type, kind);
}

static void note_use(const struct go_reading *r, taddr addr, bool is_address, taddr pc)
{
	if (r->to->use && go_in_data(r->go, addr))
		r->to->use(r->to->arg, addr, is_address, pc);
}

static const struct go_type *type_in(const struct go_reading *r, struct go_value v)
{
	return v.kind == GO_VALUE_ADDRESS ? go_type_at(r->go, v.v) : NULL;
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

/* Packages that hand out memory as something else than it is. */
static bool is_below(const char *function)
{
	static const char *const packages[] = { "runtime.", "internal/", "runtime/", "reflect.", "unsafe.", "sync/atomic." };

	for (size_t i = 0; i < ARRAY_SIZE(packages); i++)
		if (!strncmp(function, packages[i], strlen(packages[i])))
			return true;
	return false;
}

static struct callee callee_of(const struct go_reading *r, taddr entry)
{
	static const char runtime[] = "runtime.";
	struct callee c = {};
	struct text name = TEXT_INIT;
	const char *s;
	struct go_func f;

	if (!go_func_at(r->go, entry, &f) || f.entry != entry)
		return c;
	go_func_name(r->go, &f, &name);
	s = text_str(&name);
	if (!strncmp(s, runtime, sizeof(runtime) - 1)) {
		s += sizeof(runtime) - 1;
		for (size_t i = 0; i < ARRAY_SIZE(callee_names) && !c.kind; i++)
			if (callee_names[i].is_whole ? !strcmp(s, callee_names[i].name) :
						       !strncmp(s, callee_names[i].name, strlen(callee_names[i].name)))
				c.kind = callee_names[i].kind;
	}
	if (!c.kind && is_below(text_str(&name)))
		c.kind = CALLEE_RUNTIME;
	text_fini(&name);
	if (!c.kind) {
		c.receiver = go_receiver(r->go, &f);
		c.kind = c.receiver ? CALLEE_METHOD : CALLEE_ANY;
	}
	return c;
}

static const struct callee *callee_at(struct go_reading *r, taddr entry)
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

static struct go_value on_grow(struct go_reading *r)
{
	bool old = r->go->minor && r->go->minor < 20; /* (type, old slice, cap); since: (old, new length, cap, n, type) */
	struct go_value type = arg(r, old ? 0 : 4), from = arg(r, old ? 1 : 0), cap = arg(r, old ? 3 : 2);

	if (from.kind == GO_VALUE_LOADED && cap.kind == GO_VALUE_LOADED && cap.v == from.v + 16)
		note_fact(r, from.v, type_in(r, type), GO_FACT_SLICE);
	return type.kind == GO_VALUE_ADDRESS ? (struct go_value){ type.v, GO_VALUE_ARRAY } : (struct go_value){};
}

/* What the call says of variables; what it returns. */
static struct go_value on_call(struct go_reading *r, const struct callee *c, taddr entry)
{
	struct go_value first = arg(r, 0), second = arg(r, 1), none = {}, result = { entry, GO_VALUE_RESULT };
	const struct go_type *t;

	switch ((enum callee_kind)c->kind) {
	case CALLEE_NEW:
		return first.kind == GO_VALUE_ADDRESS ? (struct go_value){ first.v, GO_VALUE_NEW } : none;
	case CALLEE_MALLOC:
		return second.kind == GO_VALUE_ADDRESS ? (struct go_value){ second.v, GO_VALUE_NEW } : none;
	case CALLEE_MAKE:
		return first.kind == GO_VALUE_ADDRESS ? (struct go_value){ first.v, GO_VALUE_HEADER } : none;
	case CALLEE_ARRAY:
		return first.kind == GO_VALUE_ADDRESS ? (struct go_value){ first.v, GO_VALUE_ARRAY } : none;
	case CALLEE_MAP:
		t = second.kind == GO_VALUE_LOADED ? type_in(r, first) : NULL;
		if (t && t->kind == GO_MAP)
			note_fact(r, second.v, t, GO_FACT_HEADER);
		break;
	case CALLEE_GROW:
		return on_grow(r);
	case CALLEE_MOVE:
		if (second.kind == GO_VALUE_ADDRESS)
			note_fact(r, second.v, type_in(r, first), GO_FACT_VALUE);
		break;
	case CALLEE_METHOD:
		if (first.kind == GO_VALUE_ADDRESS)
			note_fact(r, first.v, c->receiver, GO_FACT_VALUE);
		else if (first.kind == GO_VALUE_LOADED)
			note_fact(r, first.v, c->receiver, GO_FACT_RECEIVER);
		return result;
	case CALLEE_ANY:
		return entry ? result : none;
	case CALLEE_RUNTIME:
	case CALLEE_BARRIER:
		break;
	}
	return none;
}

/* ---- registers, frames and variables */

/* What is said of a variable that holds the value; false: nothing. */
static bool fact_of(struct go_value value, enum go_fact_kind *ret)
{
	switch ((enum go_value_kind)value.kind) {
	case GO_VALUE_NEW:
		*ret = GO_FACT_POINTER;
		return true;
	case GO_VALUE_ARRAY:
		*ret = GO_FACT_SLICE;
		return true;
	case GO_VALUE_HEADER:
		*ret = GO_FACT_HEADER;
		return true;
	case GO_VALUE_UNKNOWN:
	case GO_VALUE_ADDRESS:
	case GO_VALUE_LOADED:
	case GO_VALUE_RESULT:
		break;
	}
	return false;
}

static void set_slot(struct go_reading *r, uint64_t offset, struct go_value value)
{
	unsigned i = 0;

	while (i < r->now.n_slots && r->now.slots[i].offset != offset)
		i++;
	if (i == GO_READING_SLOTS)
		return;
	r->now.slots[i].offset = offset;
	r->now.slots[i].value = value;
	r->now.n_slots += i == r->now.n_slots;
}

static struct go_value get_slot(const struct go_reading *r, uint64_t offset)
{
	for (unsigned i = 0; i < r->now.n_slots; i++)
		if (r->now.slots[i].offset == offset)
			return r->now.slots[i].value;
	return (struct go_value){};
}

/* A place in static memory; false: in none, or nobody knows. */
static bool static_place(const struct go_reading *r, const struct insn_step *s, taddr *ret)
{
	if (s->base != INSN_NO_REG && r->now.regs[s->base].kind != GO_VALUE_ADDRESS)
		return false;
	*ret = s->value + (s->base != INSN_NO_REG ? r->now.regs[s->base].v : 0);
	return true;
}

/* Of a new T: its function, if it is a closure. */
static void on_first_word(const struct go_reading *r, taddr descriptor, struct go_value value)
{
	const struct go_type *t =
		r->to->closure && value.kind == GO_VALUE_ADDRESS ? go_type_at(r->go, descriptor) : NULL;

	if (t && go_type_is_closure(t))
		r->to->closure(r->to->arg, value.v, t);
}

static struct go_value result_of(struct go_reading *r, taddr entry);

static void note_stored(struct go_reading *r, taddr at, struct go_value value)
{
	enum go_fact_kind kind;

	if (!r->to->fact || !go_in_data(r->go, at))
		return;
	if (value.kind == GO_VALUE_RESULT)
		value = result_of(r, value.v);
	if (fact_of(value, &kind))
		note_fact(r, at, go_type_at(r->go, value.v), kind);
}

static void on_put(struct go_reading *r, const struct insn_step *s)
{
	struct go_value value = s->reg != INSN_NO_REG && s->size == 8 ? r->now.regs[s->reg] : (struct go_value){};
	taddr at;

	if (s->base == (r->is_arm ? ARM_SP : X86_SP)) {
		for (uint64_t i = 0; i < s->size; i += 8)
			set_slot(r, (s->value & ~7ull) + i, value);
		return;
	}
	if (s->base != INSN_NO_REG && r->now.regs[s->base].kind == GO_VALUE_NEW && !s->value)
		on_first_word(r, r->now.regs[s->base].v, value);
	if (!static_place(r, s, &at))
		return;
	note_use(r, at, false, s->pc);
	note_stored(r, at, value);
}

static struct go_value on_get(struct go_reading *r, const struct insn_step *s)
{
	taddr at;

	if (s->base == (r->is_arm ? ARM_SP : X86_SP))
		return get_slot(r, s->value);
	if (!static_place(r, s, &at))
		return (struct go_value){};
	note_use(r, at, false, s->pc);
	return go_in_data(r->go, at) ? (struct go_value){ at, GO_VALUE_LOADED } : (struct go_value){};
}

static struct go_value on_add(const struct go_reading *r, const struct insn_step *s)
{
	struct go_value from = r->now.regs[s->base];

	if (s->value && from.kind != GO_VALUE_ADDRESS)
		return (struct go_value){};
	from.v += from.kind == GO_VALUE_ADDRESS ? s->value : 0;
	return from;
}

static void on_return(struct go_reading *r)
{
	struct go_value value = r->now.regs[0];
	enum go_fact_kind kind;

	if (value.kind == GO_VALUE_RESULT)
		value = result_of(r, value.v);
	if (!fact_of(value, &kind))
		return;
	r->differ |= r->returned.kind && (r->returned.kind != value.kind || r->returned.v != value.v);
	r->returned = value;
}

static void on_step(struct go_reading *r, const struct insn_step *s)
{
	struct go_value result = {};
	const struct callee *c;
	uint32_t written = s->written;
	int8_t to = s->reg;

	switch ((enum insn_op)s->op) {
	case INSN_SET:
		result = (struct go_value){ s->value, GO_VALUE_ADDRESS };
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
		result = on_call(r, c, s->value);
		to = 0;
		written = c->kind != CALLEE_BARRIER ? UINT32_MAX :
			  1u << (r->is_arm ? ARM_BARRIER_RESULT : X86_BARRIER_RESULT);
		if (c->kind == CALLEE_BARRIER)
			to = INSN_NO_REG;
		written &= ~(1u << (r->is_arm ? ARM_SP : X86_SP));
		break;
	case INSN_RETURN:
		on_return(r);
		to = INSN_NO_REG;
		break;
	case INSN_BRANCH:
	case INSN_JUMP:
	case INSN_OTHER:
		to = INSN_NO_REG;
		break;
	}
	for (; written; written &= written - 1)
		r->now.regs[__builtin_ctz(written)].kind = GO_VALUE_UNKNOWN;
	if (s->written >> (r->is_arm ? ARM_SP : X86_SP) & 1)
		r->now.n_slots = 0;
	if (to != INSN_NO_REG)
		r->now.regs[to] = result;
	/* adrp gives a page, and what is added to it the variable */
	if (result.kind == GO_VALUE_ADDRESS && (s->op == INSN_ADD || (s->op == INSN_SET && !r->is_arm)))
		note_use(r, result.v, true, s->pc);
}

/* ---- the ways through a function */

static void keep_step(void *p, const struct insn_step *s)
{
	struct go_reading *r = p;

	if (!vec_push(&r->steps, s))
		r->is_out_of_memory = true;
}

/* The first step at an address; steps.n: outside the function, or inside an instruction. */
static size_t step_at(const struct go_reading *r, taddr pc)
{
	size_t i = partition_point(r->steps.n, k, r->steps.v[k].pc < pc);

	return i < r->steps.n && r->steps.v[i].pc == pc ? i : r->steps.n;
}

static bool is_new(struct go_reading *r, size_t step)
{
	uint64_t bit = 1ull << step % 64;
	bool was = step < r->steps.n && r->seen.v[step / 64] & bit;

	if (step < r->steps.n)
		r->seen.v[step / 64] |= bit;
	return step < r->steps.n && !was;
}

/* From `now` on, until somebody was there before. */
static void follow_way(struct go_reading *r, taddr stop)
{
	size_t i = r->now.at;

	while (is_new(r, i)) {
		const struct insn_step *s = &r->steps.v[i];
		size_t to = s->op == INSN_BRANCH || s->op == INSN_JUMP ? step_at(r, s->value) : r->steps.n;

		on_step(r, s);
		if (s->op == INSN_RETURN)
			return;
		if (s->op == INSN_STEP_CALL && i + 1 < r->steps.n && s[1].pc == stop)
			r->at_stop = r->now;
		if (s->op == INSN_BRANCH && to < r->steps.n && !(r->seen.v[to / 64] >> to % 64 & 1) &&
		    r->ways.n < WAYS_MAX) {
			r->now.at = to;
			if (!vec_push(&r->ways, &r->now))
				r->is_out_of_memory = true;
		}
		i = s->op == INSN_JUMP ? to : i + 1;
	}
}

struct err *go_reading_function(struct go_reading *r, taddr entry, taddr end, taddr stop)
{
	r->returned = (struct go_value){};
	r->differ = false;
	r->at_stop.n_slots = 0;
	r->steps.n = r->ways.n = 0;
	if (end <= entry || end - entry > GO_CODE_MAX)
		return NULL;
	insn_steps(r->code, entry, end - entry, keep_step, r);
	if (!vec_grow((void **)&r->seen.v, &r->seen.cap, bits_words(r->steps.n) + 1, sizeof(*r->seen.v)))
		return &err_nomem;
	memset(r->seen.v, 0, bits_words(r->steps.n) * sizeof(*r->seen.v));
	/* behind a table of jumps nothing is known, and so it begins anew */
	for (size_t i = 0; i < r->steps.n; i++) {
		if (r->seen.v[i / 64] >> i % 64 & 1)
			continue;
		r->now = (struct state){ .at = i };
		follow_way(r, stop);
		while (r->ways.n) {
			r->now = r->ways.v[--r->ways.n];
			follow_way(r, stop);
		}
	}
	return r->is_out_of_memory ? &err_nomem : NULL;
}

/* What a function returns is of one type, however it was come by: one way to a return tells. */
static struct go_value read_result(struct go_reading *r, taddr entry)
{
	static const struct go_reading_to nobody = {};
	struct go_value none = {};
	struct go_func f;

	if (r->depth == DEPTH_MAX || !go_func_at(r->go, entry, &f) || f.entry != entry ||
	    f.end - f.entry > RESULT_BYTES_MAX || r->results_code > RESULTS_CODE_MAX)
		return none;
	r->results_code += f.end - f.entry;
	if (!r->inner && go_reading_open(r->go, &nobody, &r->inner))
		r->is_out_of_memory = true;
	if (!r->inner)
		return none;
	r->inner->depth = r->depth + 1;
	if (go_reading_function(r->inner, f.entry, f.end, 0))
		r->is_out_of_memory = true;
	return r->inner->differ ? none : r->inner->returned;
}

static struct go_value result_of(struct go_reading *r, taddr entry)
{
	const struct go_value *known = addrmap_get(&r->results, entry);
	struct go_value *kept, found;

	if (known)
		return *known;
	found = read_result(r, entry);
	kept = arena_memdup(&r->mem, &found, sizeof(found));
	if (!kept || !addrmap_put(&r->results, entry, kept))
		r->is_out_of_memory = true;
	return found;
}

bool go_reading_nth_slot(const struct go_reading *r, unsigned i, uint64_t *ret_offset, struct go_value *ret)
{
	if (i >= r->at_stop.n_slots)
		return false;
	*ret_offset = r->at_stop.slots[i].offset;
	*ret = r->at_stop.slots[i].value;
	return true;
}

const struct go_type *go_fact_type(const struct go *go, const struct go_type *t, enum go_fact_kind kind)
{
	static const struct go_type func = { .name = "func", .size = 8, .ptr_bytes = 8, .kind = GO_FUNC, .direct = true };

	if (!t || kind == GO_FACT_VALUE || kind == GO_FACT_HEADER)
		return t;
	if (kind == GO_FACT_POINTER && go_type_is_closure(t))
		return &func;
	return go_type_of(go, kind == GO_FACT_SLICE ? GO_SLICE : GO_POINTER, t);
}

struct err *go_reading_open(const struct go *go, const struct go_reading_to *to, struct go_reading **ret)
{
	struct go_reading *r = calloc(1, sizeof(*r));
	struct err *err = r ? insn_reader_open(go->img, &r->code) : &err_nomem;

	*ret = NULL;
	if (err || !r->code) {
		free(r);
		return err;
	}
	r->go = go;
	r->to = to;
	r->is_arm = go->img->target->id == TARGET_AARCH64;
	*ret = r;
	return NULL;
}

void go_reading_close(struct go_reading *r)
{
	if (!r)
		return;
	insn_reader_close(r->code);
	go_reading_close(r->inner);
	addrmap_fini(&r->callees);
	addrmap_fini(&r->results);
	arena_fini(&r->mem);
	free(r->steps.v);
	free(r->ways.v);
	free(r->seen.v);
	free(r);
}

const struct go_type *go_reading_type(struct go_reading *r, struct go_value value)
{
	const struct go_type *t;
	enum go_fact_kind kind;

	if (value.kind == GO_VALUE_RESULT)
		value = result_of(r, value.v);
	t = fact_of(value, &kind) ? go_type_at(r->go, value.v) : NULL;
	return t && !is_layout(t) ? go_fact_type(r->go, t, kind) : NULL;
}
