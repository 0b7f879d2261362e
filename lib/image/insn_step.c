/*
 * image/insn_step.c - instructions of x86-64 and aarch64 as steps, by capstone.
 */
#include "image/insn_step.h"

#include <capstone/capstone.h>
#include <pthread.h>
#include <stdlib.h>

#include "image/shadow.h"

struct insn_reader {
	const struct image *img;
	csh cs;
	cs_insn *in;
	bool is_arm;
	uint8_t x86_numbers[X86_REG_ENDING]; /* one more than the number; 0: no general register */
	void (*fn)(void *arg, const struct insn_step *s);
	void *arg;
};

static void tell(const struct insn_reader *r, struct insn_step s)
{
	s.pc = r->in->address;
	r->fn(r->arg, &s);
}

/* ---- x86-64 */

enum { X86_RSP = 4 };

/* A general register has its number, whichever part of it is meant. */
static void x86_number_all(uint8_t *numbers)
{
	static const uint16_t parts[16][5] = {
		{ X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL, X86_REG_AH },
		{ X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL, X86_REG_CH },
		{ X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL, X86_REG_DH },
		{ X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL, X86_REG_BH },
		{ X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL },
		{ X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL },
		{ X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL },
		{ X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL },
		{ X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B },
		{ X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B },
		{ X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B },
		{ X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B },
		{ X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B },
		{ X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B },
		{ X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B },
		{ X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B },
	};

	for (unsigned i = 0; i < 16; i++)
		for (unsigned k = 0; k < 5; k++)
			if (parts[i][k])
				numbers[parts[i][k]] = (uint8_t)(i + 1);
}

static int8_t x86_number(const struct insn_reader *r, unsigned reg)
{
	return reg < X86_REG_ENDING ? (int8_t)(r->x86_numbers[reg] - 1) : INSN_NO_REG;
}

static bool x86_only_reads(const struct insn_reader *r)
{
	const cs_insn *in = r->in;

	return cs_insn_group(r->cs, in, CS_GRP_JUMP) || in->id == X86_INS_CMP || in->id == X86_INS_TEST || in->id == X86_INS_BT || in->id == X86_INS_PUSH ||
	       in->id == X86_INS_NOP; /* whose operand is no place that is written to */
}

static uint32_t x86_written(const struct insn_reader *r)
{
	const cs_insn *in = r->in;
	const cs_x86 *x = &in->detail->x86;
	uint32_t written = 0;
	int8_t n;

	for (unsigned i = 0; i < x->op_count; i++)
		if (x->operands[i].type == X86_OP_REG && (i == 0 || x->operands[i].access & CS_AC_WRITE) &&
		    !x86_only_reads(r) && (n = x86_number(r, x->operands[i].reg)) >= 0)
			written |= 1u << n;
	for (unsigned i = 0; i < in->detail->regs_write_count; i++)
		if ((n = x86_number(r, in->detail->regs_write[i])) >= 0 && n != X86_RSP)
			written |= 1u << n;
	return written;
}

/* True: an address of one register at most, or a static one. */
static bool x86_place(const struct insn_reader *r, const cs_x86_op *op, struct insn_step *s)
{
	if (op->type != X86_OP_MEM || op->mem.index != X86_REG_INVALID || op->mem.segment != X86_REG_INVALID)
		return false;
	s->value = (uint64_t)op->mem.disp;
	if (op->mem.base == X86_REG_RIP)
		s->value += r->in->address + r->in->size;
	s->base = op->mem.base == X86_REG_RIP || op->mem.base == X86_REG_INVALID ? INSN_NO_REG :
										      x86_number(r, op->mem.base);
	return s->base >= 0 || op->mem.base == X86_REG_RIP || op->mem.base == X86_REG_INVALID;
}

static void x86_step(const struct insn_reader *r)
{
	const cs_insn *in = r->in;
	const cs_x86 *x = &in->detail->x86;
	const cs_x86_op *to = &x->operands[0], *from = &x->operands[1];
	struct insn_step s = { .reg = INSN_NO_REG, .base = INSN_NO_REG, .size = 8 };
	bool is_mov = in->id == X86_INS_MOV || in->id == X86_INS_MOVABS;

	s.written = x86_written(r);
	if (in->id == X86_INS_CALL) {
		s.op = INSN_STEP_CALL;
		s.value = x->op_count && to->type == X86_OP_IMM ? (uint64_t)to->imm : 0;
	} else if (in->id == X86_INS_JMP || in->id == X86_INS_UD2 || in->id == X86_INS_INT3) {
		s.op = INSN_JUMP;
		s.value = x->op_count && to->type == X86_OP_IMM ? (uint64_t)to->imm : 0;
	} else if (cs_insn_group(r->cs, in, CS_GRP_JUMP) && x->op_count && to->type == X86_OP_IMM) {
		s.op = INSN_BRANCH;
		s.value = (uint64_t)to->imm;
	} else if (in->id == X86_INS_RET) {
		s.op = INSN_RETURN;
	} else if (x->op_count == 2 && to->type == X86_OP_REG && to->size == 8 && (is_mov || in->id == X86_INS_LEA) &&
		   x86_number(r, to->reg) >= 0) {
		s.reg = x86_number(r, to->reg);
		if (from->type == X86_OP_REG && x86_number(r, from->reg) >= 0) {
			s.op = INSN_ADD;
			s.base = x86_number(r, from->reg);
		} else if (x86_place(r, from, &s)) {
			s.op = is_mov ? INSN_GET : s.base == INSN_NO_REG ? INSN_SET : INSN_ADD;
		}
	} else if (x->op_count && to->type == X86_OP_MEM && !x86_only_reads(r) && x86_place(r, to, &s)) {
		s.op = INSN_PUT;
		s.size = to->size;
		s.reg = is_mov && from->type == X86_OP_REG && from->size == 8 ? x86_number(r, from->reg) : INSN_NO_REG;
	}
	tell(r, s);
}

/* ---- aarch64 */

enum { ARM_SP = 31 };

static int8_t arm_number(unsigned reg)
{
	if (reg >= ARM64_REG_X0 && reg <= ARM64_REG_X28)
		return (int8_t)(reg - ARM64_REG_X0);
	if (reg >= ARM64_REG_W0 && reg <= ARM64_REG_W30)
		return (int8_t)(reg - ARM64_REG_W0);
	return reg == ARM64_REG_X29 ? 29 : reg == ARM64_REG_X30 ? 30 : reg == ARM64_REG_SP ? ARM_SP : INSN_NO_REG;
}

static bool arm_is_wide(unsigned reg)
{
	return (reg >= ARM64_REG_X0 && reg <= ARM64_REG_X28) || reg == ARM64_REG_X29 || reg == ARM64_REG_X30 ||
	       reg == ARM64_REG_XZR;
}

static uint32_t arm_written(const cs_insn *in)
{
	const cs_arm64 *a = &in->detail->arm64;
	uint32_t written = 0;

	for (unsigned i = 0; i < a->op_count; i++) {
		const cs_arm64_op *op = &a->operands[i];
		int8_t n = INSN_NO_REG;

		if (op->type == ARM64_OP_REG && op->access & CS_AC_WRITE)
			n = arm_number(op->reg);
		else if (op->type == ARM64_OP_MEM && a->writeback)
			n = arm_number(op->mem.base);
		if (n >= 0)
			written |= 1u << n;
	}
	return written;
}

/* ldr, str and their pairs: a step a word. */
static void arm_memory(const struct insn_reader *r, struct insn_step s, bool is_load, unsigned n)
{
	const cs_arm64 *a = &r->in->detail->arm64;
	const cs_arm64_op *mem = &a->operands[n];
	uint32_t written = s.written;
	bool is_plain = mem->mem.index == ARM64_REG_INVALID && !a->writeback && arm_number(mem->mem.base) >= 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned reg = a->operands[i].reg;

		s.op = is_plain && (!is_load || arm_is_wide(reg)) ? is_load ? INSN_GET : INSN_PUT : INSN_OTHER;
		s.base = arm_number(mem->mem.base);
		s.value = (uint64_t)(int64_t)mem->mem.disp + 8 * i;
		s.reg = arm_is_wide(reg) ? arm_number(reg) : INSN_NO_REG;
		if (is_load && s.reg < 0)
			s.op = INSN_OTHER;
		/* the first of a pair must not take the base away from the second */
		s.written = i + 1 < n ? (is_load && s.reg >= 0 && s.reg != s.base ? 1u << s.reg : 0) : written;
		tell(r, s);
	}
}

static void arm_step(const struct insn_reader *r)
{
	const cs_insn *in = r->in;
	const cs_arm64 *a = &in->detail->arm64;
	const cs_arm64_op *op = a->operands;
	struct insn_step s = { .reg = INSN_NO_REG, .base = INSN_NO_REG, .size = 8, .written = arm_written(in) };
	int8_t d = a->op_count && op[0].type == ARM64_OP_REG ? arm_number(op[0].reg) : INSN_NO_REG;

	switch (in->id) {
	case ARM64_INS_BL:
	case ARM64_INS_BLR:
		s.op = INSN_STEP_CALL;
		s.value = in->id == ARM64_INS_BL && a->op_count ? (uint64_t)op[0].imm : 0;
		break;
	case ARM64_INS_B:
		s.op = a->cc == ARM64_CC_INVALID || a->cc == ARM64_CC_AL ? INSN_JUMP : INSN_BRANCH;
		s.value = (uint64_t)op[0].imm;
		break;
	case ARM64_INS_CBZ:
	case ARM64_INS_CBNZ:
	case ARM64_INS_TBZ:
	case ARM64_INS_TBNZ:
		s.op = INSN_BRANCH;
		s.value = (uint64_t)op[a->op_count - 1].imm;
		break;
	case ARM64_INS_BR:
	case ARM64_INS_BRK:
		s.op = INSN_JUMP;
		break;
	case ARM64_INS_RET:
		s.op = INSN_RETURN;
		break;
	case ARM64_INS_ADR:
	case ARM64_INS_ADRP:
		s.op = INSN_SET;
		s.reg = d;
		s.value = (uint64_t)op[1].imm;
		break;
	case ARM64_INS_MOV:
		if (d < 0 || !arm_is_wide(op[0].reg) || op[1].type != ARM64_OP_REG || arm_number(op[1].reg) < 0)
			break;
		s.op = INSN_ADD;
		s.reg = d;
		s.base = arm_number(op[1].reg);
		break;
	case ARM64_INS_ADD:
		if (d < 0 || a->op_count != 3 || op[1].type != ARM64_OP_REG || arm_number(op[1].reg) < 0 ||
		    op[2].type != ARM64_OP_IMM || !arm_is_wide(op[1].reg))
			break;
		s.op = INSN_ADD;
		s.reg = d;
		s.base = arm_number(op[1].reg);
		s.value = (uint64_t)op[2].imm;
		if (op[2].shift.type == ARM64_SFT_LSL && op[2].shift.value < 64)
			s.value <<= op[2].shift.value;
		break;
	case ARM64_INS_LDR:
	case ARM64_INS_LDUR:
	case ARM64_INS_STR:
	case ARM64_INS_STUR:
		if (a->op_count == 2 && op[0].type == ARM64_OP_REG && op[1].type == ARM64_OP_MEM) {
			arm_memory(r, s, in->id == ARM64_INS_LDR || in->id == ARM64_INS_LDUR, 1);
			return;
		}
		break;
	case ARM64_INS_LDP:
	case ARM64_INS_STP:
		if (a->op_count == 3 && op[2].type == ARM64_OP_MEM) {
			arm_memory(r, s, in->id == ARM64_INS_LDP, 2);
			return;
		}
		break;
	default:
		break;
	}
	tell(r, s);
}

/* ---- both */

/*
 * Capstone 4 and 5 sort a table of x86 registers when the first instruction is read, for the whole
 * process and without a lock (arch/X86/X86Mapping.c, X86_insn_reg_intel()): that is done before there
 * are threads that read.
 */
static void read_first(void)
{
	static const uint8_t add_eax[] = { 0x05, 0, 0, 0, 0 };
	cs_insn *in;
	csh cs;

	if (cs_open(CS_ARCH_X86, CS_MODE_64, &cs) != CS_ERR_OK)
		return;
	if (cs_option(cs, CS_OPT_DETAIL, CS_OPT_ON) == CS_ERR_OK && cs_disasm(cs, add_eax, sizeof(add_eax), 0, 1, &in))
		cs_free(in, 1);
	cs_close(&cs);
}

struct err *insn_reader_open(const struct image *img, struct insn_reader **ret)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct insn_reader *r = calloc(1, sizeof(*r));

	*ret = NULL;
	if (!r)
		return &err_nomem;
	(void)pthread_once(&once, read_first);
	r->img = img;
	r->is_arm = img->target->id == TARGET_AARCH64;
	if (cs_open(r->is_arm ? CS_ARCH_ARM64 : CS_ARCH_X86, r->is_arm ? CS_MODE_ARM : CS_MODE_64, &r->cs) != CS_ERR_OK) {
		free(r);
		return NULL;
	}
	if (cs_option(r->cs, CS_OPT_DETAIL, CS_OPT_ON) == CS_ERR_OK)
		r->in = cs_malloc(r->cs);
	if (!r->in) {
		insn_reader_close(r);
		return NULL;
	}
	x86_number_all(r->x86_numbers);
	*ret = r;
	return NULL;
}

void insn_reader_close(struct insn_reader *r)
{
	if (!r)
		return;
	if (r->in)
		cs_free(r->in, 1);
	cs_close(&r->cs);
	free(r);
}

void insn_steps(struct insn_reader *r, taddr addr, uint64_t size,
		void (*fn)(void *arg, const struct insn_step *s), void *arg)
{
	uint64_t avail;
	const uint8_t *code = image_view(r->img, addr, &avail);
	size_t n = code ? size < avail ? size : avail : 0;

	image_keep(r->img, addr, n);
	r->fn = fn;
	r->arg = arg;
	while (n) {
		if (cs_disasm_iter(r->cs, &code, &n, &addr, r->in)) {
			if (r->is_arm)
				arm_step(r);
			else
				x86_step(r);
			continue;
		}
		if (!r->is_arm || n < 4)
			break; /* how long it is, nobody knows */
		code += 4;
		n -= 4;
		addr += 4;
		fn(arg, &(struct insn_step){ .pc = addr - 4, .op = INSN_JUMP, .reg = INSN_NO_REG, .base = INSN_NO_REG });
	}
}
