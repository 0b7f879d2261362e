/*
 * image/insn_x86.c - moves, arithmetic, jumps and calls of general registers: nine in ten of what is in Go's code.
 *
 * Prefixes but REX, and whatever has results that no operand shows, are left to capstone.
 */
#include "image/insn_x86.h"

#include "base/bits.h"

enum { REX_W = 8, REX_R = 4, REX_X = 2, REX_B = 1, RSP = 4, RBP = 5 };

struct form {
	const uint8_t *at; /* that is read next */
	size_t left;
	uint8_t rex;
	bool cut; /* there was less than that */
	/* ModRM */
	unsigned reg, rm; /* with the bits of REX */
	bool is_mem, has_place;
	bool by_rip;
};

static uint32_t take(struct form *f, unsigned bytes)
{
	uint32_t v = 0;

	f->cut |= f->left < bytes;
	if (f->cut)
		return 0;
	for (unsigned i = 0; i < bytes; i++)
		v |= (uint32_t)f->at[i] << 8 * i;
	f->at += bytes;
	f->left -= bytes;
	return v;
}

static uint64_t take_signed(struct form *f, unsigned bytes)
{
	uint32_t v = take(f, bytes);

	return bytes == 1 ? (uint64_t)(int64_t)(int8_t)v : (uint64_t)(int64_t)(int32_t)v;
}

/* ModRM, SIB and displacement; base and value are the step's where that is an address of one register at most. */
static void take_operands(struct form *f, struct insn_step *s)
{
	unsigned modrm = take(f, 1), mod = modrm >> 6, base = modrm & 7, sib;
	bool has_index = false, has_base = true;
	uint64_t value;

	f->reg = (modrm >> 3 & 7) | (f->rex & REX_R ? 8 : 0);
	f->rm = base | (f->rex & REX_B ? 8 : 0);
	f->is_mem = mod != 3;
	if (!f->is_mem)
		return;
	if (base == RSP) {
		sib = take(f, 1);
		has_index = (sib >> 3 & 7) != RSP || f->rex & REX_X;
		base = sib & 7;
		has_base = base != RBP || mod;
	} else if (base == RBP && !mod) {
		f->by_rip = true;
		has_base = false;
	}
	value = mod == 1 ? take_signed(f, 1) : mod == 2 || !has_base ? take_signed(f, 4) : 0;
	f->has_place = !has_index;
	if (has_index)
		return;
	s->value = value;
	s->base = has_base ? (int8_t)(base | (f->rex & REX_B ? 8 : 0)) : INSN_NO_REG;
}

/* ah to bh are parts of rax to rbx. */
static unsigned byte_register(const struct form *f, unsigned n)
{
	return f->rex ? n : n & 3;
}

/* An operand of `bytes` is written, and what is written tells no more. */
static void write_rm(const struct form *f, struct insn_step *s, unsigned bytes)
{
	if (!f->is_mem) {
		s->written |= 1u << (bytes == 1 ? byte_register(f, f->rm) : f->rm);
	} else if (f->has_place) {
		s->op = INSN_PUT;
		s->size = (uint8_t)bytes;
	}
}

static void forget_place(struct insn_step *s)
{
	s->value = 0;
	s->base = INSN_NO_REG;
}

/* mov and lea of 8 bytes into a register. */
static void set_wide(const struct form *f, struct insn_step *s, unsigned to, bool is_lea)
{
	s->reg = (int8_t)to;
	if (!f->is_mem) {
		s->op = INSN_ADD;
		s->base = (int8_t)f->rm;
	} else if (f->has_place) {
		s->op = !is_lea ? INSN_GET : s->base == INSN_NO_REG ? INSN_SET : INSN_ADD;
	}
}

/* Operands of a ModRM byte, and then `immediate` bytes; false: not one of these. */
static bool one_byte(struct form *f, unsigned op, struct insn_step *s)
{
	unsigned wide = f->rex & REX_W ? 8 : 4, bytes = op & 1 ? wide : 1;
	bool is_compare = op >= 0x38;

	if (op < 0x40 && (op & 7) < 4) { /* add, or, adc, sbb, and, sub, xor, cmp */
		take_operands(f, s);
		if (!is_compare && !(op & 2))
			write_rm(f, s, bytes);
		else if (!is_compare)
			s->written |= 1u << (bytes == 1 ? byte_register(f, f->reg) : f->reg);
		return true;
	}
	switch (op) {
	case 0x63: /* movsxd */
	case 0x69: /* imul with an immediate */
	case 0x6b:
		take_operands(f, s);
		if (op != 0x63)
			take(f, op == 0x69 ? 4 : 1);
		s->written |= 1u << f->reg;
		return true;
	case 0x80: /* the eight, with an immediate */
	case 0x81:
	case 0x83:
		take_operands(f, s);
		take(f, op == 0x81 ? 4 : 1);
		if ((f->reg & 7) != 7)
			write_rm(f, s, op == 0x80 ? 1 : wide);
		return true;
	case 0x84: /* test */
	case 0x85:
		take_operands(f, s);
		return true;
	case 0x88: /* mov */
	case 0x89:
		take_operands(f, s);
		if (!f->is_mem && bytes == 8) {
			unsigned from = f->reg, to = f->rm;

			f->rm = from;
			s->written |= 1u << to;
			set_wide(f, s, to, false);
			return true;
		}
		write_rm(f, s, bytes);
		if (s->op == INSN_PUT && bytes == 8)
			s->reg = (int8_t)f->reg;
		return true;
	case 0x8a:
	case 0x8b:
	case 0x8d: /* lea */
		take_operands(f, s);
		s->written |= 1u << (bytes == 1 ? byte_register(f, f->reg) : f->reg);
		if (bytes == 8)
			set_wide(f, s, f->reg, op == 0x8d);
		return op != 0x8d || f->is_mem;
	case 0xc1: /* shifts */
	case 0xd1:
	case 0xd3:
		take_operands(f, s);
		if (op == 0xc1)
			take(f, 1);
		write_rm(f, s, wide);
		return true;
	case 0xc6: /* mov of an immediate */
	case 0xc7:
		take_operands(f, s);
		take(f, op == 0xc6 ? 1 : 4);
		write_rm(f, s, bytes);
		if (!f->is_mem && bytes == 8)
			s->reg = (int8_t)f->rm;
		return !(f->reg & 7);
	default:
		return false;
	}
}

static bool two_bytes(struct form *f, struct insn_step *s, taddr pc, const uint8_t *code)
{
	unsigned op = take(f, 1);

	if (op >= 0x80 && op <= 0x8f) { /* jcc */
		uint64_t to = take_signed(f, 4);

		s->op = INSN_BRANCH;
		s->value = pc + (uint64_t)(f->at - code) + to;
		return !f->rex;
	}
	if ((op & 0xf0) != 0x40 && (op & 0xf0) != 0x90 && op != 0xaf && op != 0xb6 && op != 0xb7 && op != 0xbe &&
	    op != 0xbf && op != 0x10 && op != 0x11 && op != 0x1f)
		return false;
	take_operands(f, s);
	if ((op & 0xf0) == 0x90) /* setcc */
		write_rm(f, s, 1);
	else if (op == 0x11 && f->is_mem) /* movups */
		write_rm(f, s, 16);
	else if (op != 0x10 && op != 0x11 && op != 0x1f) /* cmovcc, imul, movzx, movsx; not nop */
		s->written |= 1u << f->reg;
	return op != 0x1f || !f->reg;
}

static bool any(struct form *f, struct insn_step *s, taddr pc, const uint8_t *code)
{
	unsigned op = take(f, 1);
	uint64_t to;

	if ((op & 0xf0) == 0x40) {
		f->rex = (uint8_t)op;
		op = take(f, 1);
	}
	if (op == 0x0f)
		return two_bytes(f, s, pc, code);
	if (op >= 0x50 && op <= 0x5f) { /* push, pop */
		if (op >= 0x58)
			s->written = 1u << ((op & 7) | (f->rex & REX_B ? 8 : 0));
		return !(f->rex & REX_W);
	}
	if (op >= 0xb8 && op <= 0xbf) { /* mov of an immediate */
		unsigned n = (op & 7) | (f->rex & REX_B ? 8 : 0);

		take(f, 4);
		if (f->rex & REX_W) {
			take(f, 4);
			s->reg = (int8_t)n;
		}
		s->written = 1u << n;
		return true;
	}
	if (f->rex ? op == 0x90 || op == 0xcc || op == 0xc3 : false)
		return false;
	switch (op) {
	case 0x90:
		return true;
	case 0xcc:
		s->op = INSN_JUMP;
		return true;
	case 0xc3:
		s->op = INSN_RETURN;
		return true;
	case 0xe8:
	case 0xe9:
	case 0xeb:
		to = take_signed(f, op == 0xeb ? 1 : 4);
		s->op = op == 0xe8 ? INSN_STEP_CALL : INSN_JUMP;
		s->value = pc + (uint64_t)(f->at - code) + to;
		return !f->rex;
	default:
		break;
	}
	if (op >= 0x70 && op <= 0x7f) {
		to = take_signed(f, 1);
		s->op = INSN_BRANCH;
		s->value = pc + (uint64_t)(f->at - code) + to;
		return !f->rex;
	}
	return one_byte(f, op, s);
}

unsigned insn_x86_step(const uint8_t *code, size_t n, taddr pc, struct insn_step *ret)
{
	struct insn_step s = { .pc = pc, .reg = INSN_NO_REG, .base = INSN_NO_REG, .size = 8 };
	struct form f = { .at = code, .left = n };
	unsigned bytes;

	if (!any(&f, &s, pc, code) || f.cut)
		return 0;
	bytes = (unsigned)(f.at - code);
	if (f.is_mem && s.op != INSN_GET && s.op != INSN_SET && s.op != INSN_ADD && s.op != INSN_PUT)
		forget_place(&s);
	else if (f.by_rip)
		s.value += pc + bytes;
	*ret = s;
	return bytes;
}
