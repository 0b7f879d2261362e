/*
 * image/dbg_frame.c - expressions of DWARF's that say where a variable is, and what a call gave.
 *
 * Nothing here recurses by itself; a value at entry leads to the caller's frame by who asks
 * (dbg_frame.entry), who must see to an end.  Branches and what is typed are not read.  A call's
 * values are of use only while it is sure who was called: where tail calls may lead from the function
 * back to itself, or to what is not known, the values may be those of an earlier call of it.
 */
#include "image/dbg_frame.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <string.h>

#include "base/guard.h"
#include "base/search.h"
#include "image/dbg.h"

enum {
	SCOPES_MAX = 32,      /* blocks and inlined calls inside each other */
	LOCALS_MAX = 1 << 14, /* entries of one function */
	TAILS_MAX = 16,	      /* functions that tail calls lead to */
	OPS_MAX = 128,
	STACK_MAX = 16,
	POINTER = 8,
	CODE_MAX = 1 << 16, /* bytes of a function that are looked through for jumps */
	INSN_BYTES_MAX = 16,
};

/* ---- functions and their entries */

static bool function_at(struct dbg_types *t, uint64_t pc, Dwarf_Die *ret)
{
	size_t i = partition_point(t->funcs.n, k, t->funcs.v[k].low <= pc);

	return i && pc < t->funcs.v[i - 1].high && dbg_die_at(t, t->funcs.v[i - 1].die, t->funcs.v[i - 1].in_alt, ret);
}

static bool knows(const struct dbg_frame *f, uint64_t reg)
{
	return f->regs && reg < f->n_regs && reg < 64 && f->known >> reg & 1;
}

/* Where a function names its variables from, at this pc. */
static bool frame_base(Dwarf_Die *function, const struct dbg_frame *f, taddr *ret)
{
	Dwarf_Attribute attr;
	Dwarf_Op *ops;
	size_t n;

	if (!dwarf_attr_integrate(function, DW_AT_frame_base, &attr) ||
	    dwarf_getlocation_addr(&attr, f->pc, &ops, &n, 1) != 1 || n != 1)
		return false;
	if (ops[0].atom == DW_OP_call_frame_cfa)
		*ret = f->cfa;
	else if (ops[0].atom == DW_OP_reg0 + f->sp_reg)
		*ret = f->sp;
	else if (ops[0].atom == DW_OP_reg6) /* of x86-64: what it points at lies below the return address */
		*ret = knows(f, 6) ? f->regs[6] : f->cfa - 2 * POINTER;
	else
		return false;
	return *ret;
}

/* The entries inside a function that fn wants to see, blocks that `f` does not stand in left out (NULL: none). */
struct walk {
	const struct dbg_frame *f;
	uint64_t *steps_left; /* NULL: LOCALS_MAX */
	bool (*fn)(void *arg, Dwarf_Die *die, int tag); /* false: enough */
	void *arg;
};

static bool is_scope(const struct walk *w, Dwarf_Die *die, int tag)
{
	return (tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine) &&
	       (!w->f || dwarf_haspc(die, w->f->pc) == 1);
}

/* False: there are more than it looks at. */
static bool walk(const struct walk *w, Dwarf_Die *function)
{
	Dwarf_Die stack[SCOPES_MAX];
	unsigned n = 1, seen = 0;

	if (dwarf_child(function, &stack[0]))
		return true;
	while (n) {
		Dwarf_Die *at = &stack[n - 1], here = *at;
		int tag = dwarf_tag(&here);

		if (seen++ >= LOCALS_MAX || (w->steps_left && !*w->steps_left))
			return false;
		if (w->steps_left)
			--*w->steps_left;
		if (dwarf_siblingof(at, at))
			n--;
		if (!w->fn(w->arg, &here, tag))
			return true;
		if (!is_scope(w, &here, tag))
			continue;
		if (n == SCOPES_MAX)
			return false;
		if (!dwarf_child(&here, &stack[n]))
			n++;
	}
	return true;
}

/* ---- who was called */

static bool has_flag(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;
	bool is = false;

	return dwarf_attr(die, name, &attr) && !dwarf_formflag(&attr, &is) && is;
}

/* What other units call it; NULL: they cannot. */
static const char *linkage_of(Dwarf_Die *die)
{
	Dwarf_Attribute attr;
	bool is = false;

	if (!dwarf_attr_integrate(die, DW_AT_external, &attr) || dwarf_formflag(&attr, &is) || !is)
		return NULL;
	if (!dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) &&
	    !dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attr) && !dwarf_attr_integrate(die, DW_AT_name, &attr))
		return NULL;
	return dwarf_formstring(&attr);
}

static void callee_of(const struct dbg_types *t, Dwarf_Die *function, struct dbg_callee *ret)
{
	Dwarf_Die die = *function;

	*ret = (struct dbg_callee){ .linkage = linkage_of(function) };
	do {
		ret->dies[ret->n++] = die.addr;
	} while (ret->n < DBG_ORIGINS && (dbg_die_referred(t, &die, DW_AT_abstract_origin, &die) ||
					  dbg_die_referred(t, &die, DW_AT_specification, &die)));
}

static bool is_same_function(const struct dbg_callee *a, const struct dbg_callee *b)
{
	for (unsigned i = 0; i < a->n; i++)
		for (unsigned k = 0; k < b->n; k++)
			if (a->dies[i] == b->dies[k])
				return true;
	return a->linkage && b->linkage && !strcmp(a->linkage, b->linkage);
}

static bool is_call(int tag)
{
	return tag == DW_TAG_call_site || tag == DW_TAG_GNU_call_site;
}

/* The function that a call is for; false: that is found when it is made. */
static bool called(const struct dbg_types *t, Dwarf_Die *site, Dwarf_Die *ret)
{
	return dbg_die_referred(t, site, DW_AT_call_origin, ret) || dbg_die_referred(t, site, DW_AT_abstract_origin, ret);
}

struct tails {
	const struct dbg_types *t;
	const struct dbg_callee *first;
	Dwarf_Die functions[TAILS_MAX];
	unsigned n;
	bool unsure;
};

static bool on_tail(void *arg, Dwarf_Die *die, int tag)
{
	struct tails *s = arg;
	struct dbg_callee to;
	Dwarf_Die function;
	Dwarf_Addr low;
	unsigned i = 0;

	if (!is_call(tag) || !(has_flag(die, DW_AT_call_tail_call) || has_flag(die, DW_AT_GNU_tail_call)))
		return true;
	s->unsure = true;
	if (!called(s->t, die, &function) || dwarf_lowpc(&function, &low))
		return false; /* it may lead anywhere */
	callee_of(s->t, &function, &to);
	if (is_same_function(&to, s->first))
		return false;
	while (i < s->n && s->functions[i].addr != function.addr)
		i++;
	if (i == TAILS_MAX)
		return false;
	if (i == s->n)
		s->functions[s->n++] = function;
	s->unsure = false;
	return true;
}

/* No tail call leads from a function to itself, as far as one can see. */
static bool is_called_once(const struct dbg_types *t, const struct dbg_callee *callee, Dwarf_Die *function,
			   uint64_t *steps_left)
{
	struct tails s = { .t = t, .first = callee, .functions = { *function }, .n = 1 };
	struct walk w = { .steps_left = steps_left, .fn = on_tail, .arg = &s };

	for (unsigned i = 0; i < s.n && !s.unsure; i++) {
		Dwarf_Die *at = &s.functions[i];

		if (!has_flag(at, DW_AT_call_all_calls) && !has_flag(at, DW_AT_call_all_tail_calls) &&
		    !has_flag(at, DW_AT_GNU_all_call_sites) && !has_flag(at, DW_AT_GNU_all_tail_call_sites))
			return false;
		if (!walk(&w, at))
			return false;
	}
	return !s.unsure;
}

/* ---- expressions */

struct eval {
	struct dbg_types *t;
	const struct dbg_frame *f;
	taddr base; /* of the function's variables; 0: unknown */
	Dwarf_Attribute attr; /* that has the expression */
	Dwarf_Die *function;
	bool is_argument; /* of a call: memory outside of the frame may not be what it was */
	struct dbg_word stack[STACK_MAX];
	unsigned n;
	unsigned reg; /* what was asked for is in it; UINT32_MAX */
	bool is_value, is_entry, bad;
	enum { UNKNOWN, YES, NO } falls; /* the frame's call comes back, for nothing else leads behind it */
};

static void push(struct eval *e, struct dbg_word w)
{
	if (e->n == STACK_MAX)
		e->bad = true;
	else
		e->stack[e->n++] = w;
}

static void push_number(struct eval *e, uint64_t n)
{
	push(e, (struct dbg_word){ .value = n, .reg = UINT32_MAX });
}

static uint64_t pop(struct eval *e)
{
	if (e->n)
		return e->stack[--e->n].value;
	e->bad = true;
	return 0;
}

static struct dbg_word register_of(const struct dbg_frame *f, uint64_t reg)
{
	taddr at = f->saved ? f->saved[reg] : 0;

	return (struct dbg_word){ .value = f->regs[reg], .at = at, .reg = at ? UINT32_MAX : (unsigned)reg };
}

static void push_register(struct eval *e, uint64_t reg, uint64_t add)
{
	if (reg == e->f->sp_reg && e->f->sp)
		push_number(e, e->f->sp + add);
	else if (!knows(e->f, reg))
		e->bad = true;
	else if (add)
		push_number(e, e->f->regs[reg] + add);
	else
		push(e, register_of(e->f, reg));
}

static void push_memory(struct eval *e)
{
	struct dbg_word w = { .at = pop(e), .reg = UINT32_MAX };

	if (e->bad || (e->is_argument && (w.at < e->f->sp || w.at >= e->f->cfa)) ||
	    image_read_u64(e->t->img, w.at, &w.value) != MEM_OK)
		e->bad = true;
	else
		push(e, w);
}


/* The register that a value at entry is of; false: it is more than one. */
static bool entry_register(Dwarf_Attribute *attr, const Dwarf_Op *op, unsigned *ret)
{
	Dwarf_Attribute inner;
	Dwarf_Op *ops;
	size_t n;

	if (dwarf_getlocation_attr(attr, op, &inner) || dwarf_getlocation(&inner, &ops, &n) || n != 1)
		return false;
	*ret = ops[0].atom == DW_OP_regx ? (unsigned)ops[0].number : ops[0].atom - (unsigned)DW_OP_reg0;
	return ops[0].atom == DW_OP_regx || (ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg31);
}

static void push_entry(struct eval *e, const Dwarf_Op *op)
{
	struct dbg_callee callee;
	struct dbg_word w;
	unsigned reg;
	bool is_known;

	e->bad = true;
	if (!e->f->entry || !entry_register(&e->attr, op, &reg))
		return;
	callee_of(e->t, e->function, &callee);
	if (!is_called_once(e->t, &callee, e->function, e->f->steps_left))
		return;
	/* The caller's function may be of this module. */
	pthread_mutex_unlock(&e->t->module->dbg->lock);
	is_known = e->f->entry(e->f->arg, &callee, reg, &w);
	pthread_mutex_lock(&e->t->module->dbg->lock);
	if (!is_known)
		return;
	e->bad = false;
	e->is_entry = true;
	push(e, w);
}

static void two_numbers(struct eval *e, uint8_t atom)
{
	uint64_t b = pop(e), a = pop(e);

	switch (atom) {
	case DW_OP_plus:
		push_number(e, a + b);
		break;
	case DW_OP_minus:
		push_number(e, a - b);
		break;
	case DW_OP_and:
		push_number(e, a & b);
		break;
	case DW_OP_or:
		push_number(e, a | b);
		break;
	case DW_OP_mul:
		push_number(e, a * b);
		break;
	case DW_OP_shl:
		push_number(e, b < 64 ? a << b : 0);
		break;
	default:
		push_number(e, b < 64 ? a >> b : 0);
	}
}

static void constant(struct eval *e, const Dwarf_Op *op)
{
	switch (op->atom) {
	case DW_OP_const1s:
		push_number(e, (uint64_t)(int8_t)op->number);
		break;
	case DW_OP_const2s:
		push_number(e, (uint64_t)(int16_t)op->number);
		break;
	case DW_OP_const4s:
		push_number(e, (uint64_t)(int32_t)op->number);
		break;
	default:
		push_number(e, op->number);
	}
}

static void operate(struct eval *e, const Dwarf_Op *op)
{
	switch (op->atom) {
	case DW_OP_lit0 ... DW_OP_lit31:
		push_number(e, op->atom - DW_OP_lit0);
		break;
	case DW_OP_const1u ... DW_OP_consts:
		constant(e, op);
		break;
	case DW_OP_addr:
		push_number(e, op->number + e->t->module->bias);
		break;
	case DW_OP_breg0 ... DW_OP_breg31:
		push_register(e, op->atom - DW_OP_breg0, op->number);
		break;
	case DW_OP_bregx:
		push_register(e, op->number, op->number2);
		break;
	case DW_OP_fbreg:
		push_number(e, e->base + op->number);
		e->bad |= !e->base;
		break;
	case DW_OP_call_frame_cfa:
		push_number(e, e->f->cfa);
		break;
	case DW_OP_plus_uconst:
		push_number(e, pop(e) + op->number);
		break;
	case DW_OP_plus:
	case DW_OP_minus:
	case DW_OP_and:
	case DW_OP_or:
	case DW_OP_mul:
	case DW_OP_shl:
	case DW_OP_shr:
		two_numbers(e, op->atom);
		break;
	case DW_OP_deref:
		push_memory(e);
		break;
	case DW_OP_entry_value:
	case DW_OP_GNU_entry_value:
		push_entry(e, op);
		break;
	case DW_OP_stack_value:
		e->is_value = true;
		break;
	case DW_OP_reg0 ... DW_OP_reg31:
		e->reg = op->atom - DW_OP_reg0;
		break;
	case DW_OP_regx:
		e->reg = op->number < e->f->n_regs ? (unsigned)op->number : UINT32_MAX;
		break;
	default:
		e->bad = true;
	}
}

/* ---- variables */

static void begin(struct eval *e)
{
	e->n = 0;
	e->reg = UINT32_MAX;
	e->is_value = e->is_entry = e->bad = false;
}

/* What the operations so far say of some bytes. */
static void end_place(struct eval *e, uint64_t offset, uint64_t size, struct dbg_local_var *v)
{
	struct dbg_place p = { .offset = offset, .size = size, .reg = e->reg };
	const struct dbg_word *w = &e->stack[0];
	bool in_reg = e->reg != UINT32_MAX;

	/* An address that a call gave is of what was there then. */
	if (e->bad || !size || e->n != !in_reg || v->n == DBG_PLACES_MAX || (e->is_entry && !e->is_value))
		return;
	if (in_reg && !knows(e->f, e->reg))
		return;
	if (e->is_value) {
		p.is_value = true;
		p.is_entry = e->is_entry;
		p.value = w->value;
		p.reg = w->reg;
	}
	if ((in_reg || e->is_value) && size > POINTER)
		return;
	p.at = in_reg ? 0 : e->is_value ? w->at : w->value;
	if (in_reg || e->is_value || p.at)
		v->places[v->n++] = p;
}

static void places_of(struct eval *e, const Dwarf_Op *ops, size_t n, struct dbg_local_var *v)
{
	uint64_t size = v->type->size, offset = 0;

	begin(e);
	for (size_t i = 0; i < n && offset < size; i++) {
		if (ops[i].atom != DW_OP_piece) {
			if (!e->bad)
				operate(e, &ops[i]);
			continue;
		}
		if (ops[i].number > size - offset)
			return;
		end_place(e, offset, ops[i].number, v);
		offset += ops[i].number;
		begin(e);
	}
	if (!offset)
		end_place(e, 0, size, v);
}

struct site {
	uint64_t pc; /* that the call returns to */
	Dwarf_Die die;
	bool found;
};

static bool on_site(void *arg, Dwarf_Die *die, int tag)
{
	struct site *s = arg;
	Dwarf_Attribute attr;
	Dwarf_Addr pc;

	if (!is_call(tag) || !(dwarf_attr(die, DW_AT_call_return_pc, &attr) || dwarf_attr(die, DW_AT_low_pc, &attr)) ||
	    dwarf_formaddr(&attr, &pc) || pc != s->pc)
		return true;
	s->die = *die;
	s->found = true;
	return false;
}

/* The call that a frame stands in; its arguments are inside. */
static bool site_of(const struct dbg_frame *f, Dwarf_Die *function, Dwarf_Die *ret)
{
	struct site site = { .pc = f->pc + 1 };
	struct walk w = { .f = f, .steps_left = f->steps_left, .fn = on_site, .arg = &site };

	if (!f->is_caller || !walk(&w, function) || !site.found)
		return false;
	*ret = site.die;
	return true;
}

struct jumps {
	uint64_t to; /* of the process */
	taddr last;
	bool some; /* there are, or may be */
};

static void on_step(void *arg, const struct insn_step *step)
{
	struct jumps *j = arg;

	j->last = step->pc;
	j->some |= (step->op == INSN_BRANCH || step->op == INSN_JUMP) && (step->value == j->to || !step->value);
}

/* What is behind a frame's call comes after it and nothing else: no jump leads there. */
static bool falls_through(const struct eval *e)
{
	uint64_t bias = e->t->module->bias, low, high;
	struct jumps jumps = { .to = e->f->pc + 1 + bias };
	Dwarf_Attribute attr;
	Dwarf_Die site, to;

	if (!e->f->code || !site_of(e->f, e->function, &site) ||
	    (called(e->t, &site, &to) && dwarf_attr_integrate(&to, DW_AT_noreturn, &attr)) ||
	    dwarf_lowpc(e->function, &low) || dwarf_highpc(e->function, &high) || high <= low || high - low > CODE_MAX ||
	    e->f->pc + 1 >= high || *e->f->steps_left < high - low)
		return false;
	*e->f->steps_left -= high - low;
	insn_steps(e->f->code, low + bias, high - low, on_step, &jumps);
	return !jumps.some && jumps.last + INSN_BYTES_MAX >= high + bias;
}

/*
 * Clang has an argument in its register up to where a call returns, and says behind it where it was saved, or that
 * it is what it was at entry: so it is during the call, if that is how one gets there.
 */
static void places_behind(struct eval *e, struct dbg_local_var *v)
{
	Dwarf_Op *ops;
	size_t n;

	if (v->n || !e->f->is_caller || v->type->kind == DBG_KIND_BASE ||
	    dwarf_getlocation_addr(&e->attr, e->f->pc + 1, &ops, &n, 1) != 1 || n > OPS_MAX)
		return;
	places_of(e, ops, n, v);
	if (v->n && e->falls == UNKNOWN)
		e->falls = falls_through(e) ? YES : NO;
	if (e->falls != YES)
		v->n = 0;
}

struct vars {
	struct eval e;
	void (*fn)(void *arg, const struct dbg_local_var *v);
	void *arg;
};

static bool on_var(void *arg, Dwarf_Die *die, int tag)
{
	struct vars *s = arg;
	struct dbg_local_var v = {};
	Dwarf_Op *ops;
	size_t n;

	if ((tag != DW_TAG_variable && tag != DW_TAG_formal_parameter) || !dwarf_attr(die, DW_AT_location, &s->e.attr) ||
	    dwarf_getlocation_addr(&s->e.attr, s->e.f->pc, &ops, &n, 1) != 1)
		return true;
	if (n > OPS_MAX)
		return true;
	v.type = dbg_die_type(s->e.t, die);
	places_of(&s->e, ops, n, &v);
	places_behind(&s->e, &v);
	v.name = v.n ? dbg_die_name(s->e.t, die) : NULL;
	if (v.name)
		s->fn(s->arg, &v);
	return true;
}

void dbg_frame_vars(struct dbg_types *t, const struct dbg_frame *f, void (*fn)(void *arg, const struct dbg_local_var *v),
		    void *arg)
{
	Dwarf_Die function;
	struct vars s = { .e = { .t = t, .f = f, .function = &function }, .fn = fn, .arg = arg };
	struct walk w = { .f = f, .fn = on_var, .arg = &s };

	pthread_mutex_lock(&t->module->dbg->lock);
	if (function_at(t, f->pc, &function)) {
		if (!frame_base(&function, f, &s.e.base))
			s.e.base = 0;
		walk(&w, &function);
	}
	pthread_mutex_unlock(&t->module->dbg->lock);
}

/* ---- what calls gave */

/* The call that a frame stands in is for that function. */
static bool is_for(const struct dbg_types *t, Dwarf_Die *site, const struct dbg_callee *callee)
{
	struct dbg_callee to;
	Dwarf_Die function;

	if (!called(t, site, &function))
		return false;
	callee_of(t, &function, &to);
	return is_same_function(&to, callee);
}

/* The expression for what a register had. */
static bool argument(Dwarf_Die *site, unsigned reg, Dwarf_Attribute *attr, Dwarf_Op **ret, size_t *ret_n)
{
	Dwarf_Die die;
	unsigned seen = 0;

	if (dwarf_child(site, &die))
		return false;
	do {
		int tag = dwarf_tag(&die);

		if ((tag == DW_TAG_call_site_parameter || tag == DW_TAG_GNU_call_site_parameter) &&
		    dwarf_attr(&die, DW_AT_location, attr) && !dwarf_getlocation(attr, ret, ret_n) && *ret_n == 1 &&
		    (*ret)[0].atom == DW_OP_reg0 + reg && reg < 32)
			return (dwarf_attr(&die, DW_AT_call_value, attr) || dwarf_attr(&die, DW_AT_GNU_call_site_value, attr)) &&
			       !dwarf_getlocation(attr, ret, ret_n) && *ret_n && *ret_n <= OPS_MAX;
	} while (++seen < OPS_MAX && !dwarf_siblingof(&die, &die));
	return false;
}

static bool call_value(struct dbg_types *t, const struct dbg_frame *f, const struct dbg_callee *callee, unsigned reg,
		       struct dbg_word *ret)
{
	Dwarf_Die function, site;
	Dwarf_Op *ops;
	size_t n;
	struct eval e = { .t = t, .f = f, .function = &function, .is_argument = true };

	if (!function_at(t, f->pc, &function) || !site_of(f, &function, &site) ||
	    !is_for(t, &site, callee) || !argument(&site, reg, &e.attr, &ops, &n))
		return false;
	if (!frame_base(&function, f, &e.base))
		e.base = 0;
	begin(&e);
	for (size_t i = 0; i < n && !e.bad; i++)
		operate(&e, &ops[i]);
	if (e.bad || e.n != 1 || e.reg != UINT32_MAX || e.is_value)
		return false;
	*ret = e.stack[0];
	return true;
}

bool dbg_call_value(struct dbg_types *t, const struct dbg_frame *f, const struct dbg_callee *callee, unsigned reg,
		    struct dbg_word *ret)
{
	bool found;

	pthread_mutex_lock(&t->module->dbg->lock);
	found = call_value(t, f, callee, reg, ret);
	pthread_mutex_unlock(&t->module->dbg->lock);
	return found;
}
