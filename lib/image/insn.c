/*
 * image/insn.c - what a piece of code refers to, by capstone.
 *
 * Not a disassembler: x86-64's RIP-relative and fs-relative operands and direct branches, and
 * aarch64's adrp pairs, branches and reads relative to TPIDR_EL0 are all it knows.
 */
#include "image/insn.h"

#include <capstone/capstone.h>
#include <string.h>

#include "base/guard.h"
#include "image/shadow.h"

struct out {
	struct insn_ref *v;
	size_t n, max;
};

static void ref_add(struct out *out, taddr pc, taddr target, enum insn_ref_kind kind)
{
	if (out->n < out->max)
		out->v[out->n++] = (struct insn_ref){ .pc = pc, .target = target, .kind = (uint8_t)kind };
}

static void x86_refs(csh cs, const cs_insn *in, struct out *out)
{
	const cs_x86 *x = &in->detail->x86;
	bool branch = cs_insn_group(cs, in, CS_GRP_CALL) || cs_insn_group(cs, in, CS_GRP_JUMP);

	for (unsigned i = 0; i < x->op_count; i++) {
		const cs_x86_op *op = &x->operands[i];

		if (op->type == X86_OP_IMM && branch) {
			ref_add(out, in->address, (taddr)op->imm, INSN_CALL);
		} else if (op->type == X86_OP_MEM && op->mem.segment == X86_REG_FS) {
			if (op->mem.base == X86_REG_INVALID && op->mem.index == X86_REG_INVALID)
				ref_add(out, in->address, (taddr)op->mem.disp, INSN_TLS);
		} else if (op->type == X86_OP_MEM && op->mem.base == X86_REG_RIP) {
			ref_add(out, in->address, in->address + in->size + (taddr)op->mem.disp,
				in->id == X86_INS_LEA ? INSN_LEA : INSN_LOAD);
		} else if (op->type == X86_OP_MEM && op->mem.base == X86_REG_INVALID &&
			   op->mem.index == X86_REG_INVALID && op->mem.segment == X86_REG_INVALID) {
			ref_add(out, in->address, (taddr)op->mem.disp, INSN_LOAD);
		}
	}
}

/* What is known of x0..x30 on the way: pages from adrp, and the thread pointer. */
struct arm_state {
	uint64_t value[31];
	bool known[31], is_tp[31];
};

static int arm_gpr(unsigned reg)
{
	if (reg >= ARM64_REG_X0 && reg <= ARM64_REG_X28)
		return (int)(reg - ARM64_REG_X0);
	if (reg == ARM64_REG_X29)
		return 29;
	if (reg == ARM64_REG_X30)
		return 30;
	if (reg >= ARM64_REG_W0 && reg <= ARM64_REG_W30)
		return (int)(reg - ARM64_REG_W0);
	return -1;
}

static void arm_forget(struct arm_state *st, const cs_insn *in)
{
	const cs_arm64 *a = &in->detail->arm64;

	for (unsigned i = 0; i < a->op_count; i++) {
		int r = a->operands[i].type == ARM64_OP_REG && a->operands[i].access & CS_AC_WRITE ?
				arm_gpr(a->operands[i].reg) :
				-1;
		if (r >= 0)
			st->known[r] = st->is_tp[r] = false;
	}
}

/* adrp, add with an immediate and mrs leave a register that is known afterwards; true if so. */
static bool arm_address(struct arm_state *st, const cs_insn *in, struct out *out)
{
	const cs_arm64 *a = &in->detail->arm64;
	const cs_arm64_op *op = a->operands;
	int d = a->op_count ? arm_gpr(op[0].reg) : -1, s;
	uint64_t imm;

	if (d < 0)
		return false;
	if ((in->id == ARM64_INS_ADRP || in->id == ARM64_INS_ADR) && a->op_count == 2) {
		st->value[d] = (uint64_t)op[1].imm;
		st->known[d] = true;
		st->is_tp[d] = false;
		if (in->id == ARM64_INS_ADR)
			ref_add(out, in->address, st->value[d], INSN_LEA);
		return true;
	}
	if (in->id == ARM64_INS_MRS && a->op_count == 2 && op[1].type == ARM64_OP_REG_MRS && op[1].reg == 0xde82) {
		st->value[d] = 0;
		st->known[d] = st->is_tp[d] = true;
		return true;
	}
	if (in->id != ARM64_INS_ADD || a->op_count != 3 || op[1].type != ARM64_OP_REG || op[2].type != ARM64_OP_IMM)
		return false;
	s = arm_gpr(op[1].reg);
	if (s < 0 || !st->known[s])
		return false;
	imm = (uint64_t)op[2].imm;
	if (op[2].shift.type == ARM64_SFT_LSL && op[2].shift.value < 64)
		imm <<= op[2].shift.value;
	st->value[d] = st->value[s] + imm;
	st->is_tp[d] = st->is_tp[s];
	st->known[d] = true;
	ref_add(out, in->address, st->value[d], st->is_tp[d] ? INSN_TLS : INSN_LEA);
	return true;
}

/* A pair of 64-bit registers is two words of memory. */
static unsigned arm_words(const cs_insn *in)
{
	unsigned reg = in->detail->arm64.operands[0].reg;

	if (in->id != ARM64_INS_LDP && in->id != ARM64_INS_STP)
		return 1;
	return (reg >= ARM64_REG_X0 && reg <= ARM64_REG_X28) || reg == ARM64_REG_X29 || reg == ARM64_REG_X30 ||
	       reg == ARM64_REG_XZR ? 2 : 1;
}

static void arm_refs(csh cs, const cs_insn *in, struct arm_state *st, struct out *out)
{
	const cs_arm64 *a = &in->detail->arm64;
	bool call = cs_insn_group(cs, in, CS_GRP_CALL);

	if (arm_address(st, in, out))
		return;
	for (unsigned i = 0; i < a->op_count; i++) {
		const cs_arm64_op *op = &a->operands[i];
		int base;

		if (op->type == ARM64_OP_IMM && (call || cs_insn_group(cs, in, CS_GRP_JUMP)) &&
		    i + 1 == a->op_count)
			ref_add(out, in->address, (taddr)op->imm, INSN_CALL);
		if (op->type != ARM64_OP_MEM || op->mem.index != ARM64_REG_INVALID)
			continue;
		base = arm_gpr(op->mem.base);
		if (base < 0 || !st->known[base])
			continue;
		for (unsigned k = 0; k < arm_words(in); k++)
			ref_add(out, in->address, st->value[base] + (uint64_t)(int64_t)op->mem.disp + k * 8,
				st->is_tp[base] ? INSN_TLS : INSN_LOAD);
	}
	arm_forget(st, in);
	/* What a call leaves in x0..x18 is its own. */
	if (call)
		for (unsigned i = 0; i <= 18; i++)
			st->known[i] = st->is_tp[i] = false;
}

static void walk(csh cs, bool arm, const uint8_t *code, size_t n, taddr addr, unsigned max, struct out *out)
{
	struct arm_state st = {};
	cs_insn *in = cs_malloc(cs);

	if (!in)
		return;
	while (max && n && out->n < out->max) {
		max--;
		if (cs_disasm_iter(cs, &code, &n, &addr, in)) {
			if (arm)
				arm_refs(cs, in, &st, out);
			else
				x86_refs(cs, in, out);
			continue;
		}
		/* An instruction that this capstone does not know: its length is known on aarch64 alone. */
		if (!arm || n < 4)
			break;
		code += 4;
		n -= 4;
		addr += 4;
	}
	cs_free(in, 1);
}

size_t insn_refs(const struct image *img, taddr addr, uint64_t size, unsigned max_insns,
		 struct insn_ref *ret, size_t n_ret)
{
	bool arm = img->target->id == TARGET_AARCH64;
	struct out out = { .v = ret, .max = n_ret };
	uint64_t avail;
	const uint8_t *code = image_view(img, addr, &avail);
	csh cs;

	if (!code || cs_open(arm ? CS_ARCH_ARM64 : CS_ARCH_X86, arm ? CS_MODE_ARM : CS_MODE_64, &cs) != CS_ERR_OK)
		return 0;
	if (cs_option(cs, CS_OPT_DETAIL, CS_OPT_ON) == CS_ERR_OK)
		walk(cs, arm, code, size < avail ? size : avail, addr, max_insns, &out);
	image_keep_bytes(img, code, size < avail ? size : avail);
	cs_close(&cs);
	return out.n;
}
