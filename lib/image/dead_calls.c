/*
 * image/dead_calls.c - return addresses in the dead part of a stack: words that point behind a call.
 *
 * Source of truth: Intel SDM volume 2, CALL and JMP (E8, FF /2, FF /4); Arm ARM, BL and BLR; the
 * stubs of the System V ABI's procedure linkage table.
 */
#include "image/dead_calls.h"

#include "base/bits.h"
#include "base/guard.h"
#include "image/shadow.h"
#include "image/target.h"

enum {
	SCAN_BYTES = 32 << 10, /* no frame is larger, or nobody is told of it */
	CALL_BYTES = 7,	       /* of the longest one that is known here */
	CALLS = 4,
};

static bool is_code(const struct image *img, taddr at)
{
	const struct segment *seg = image_segment(img, at);

	return seg && (seg->flags & SEG_X) && seg->module >= 0;
}

/* ---- x86-64 */

/* Bytes of a call through a register or memory that begins with FF; 0: it is none. */
static unsigned indirect_length(const uint8_t *b)
{
	unsigned mod = b[1] >> 6, rm = b[1] & 7, sib = mod != 3 && rm == 4;

	if (b[0] != 0xff || (b[1] >> 3 & 7) != 2)
		return 0;
	return 2 + sib + (mod == 1 ? 1 : mod == 2 || (!mod && rm == 5) ? 4 : 0);
}

/* Where a stub of the procedure linkage table goes: endbr64, bnd, jmp *x(%rip). */
static taddr behind_stub(const struct image *img, taddr at)
{
	uint64_t to, avail;
	const uint8_t *b = image_view(img, at, &avail);
	unsigned n = 0;

	if (!b || avail < 16)
		return at;
	image_keep(img, at, 16);
	n += load_u32(b) == 0xfa1e0ff3 ? 4 : 0;
	n += b[n] == 0xf2;
	if (b[n] != 0xff || b[n + 1] != 0x25)
		return at;
	at += n + 6 + (uint64_t)(int64_t)(int32_t)load_u32(b + n + 2);
	return image_read_u64(img, at, &to) ? 0 : to;
}

/* `b`: the CALL_BYTES in front of ret. */
static bool x86_call(const struct image *img, const uint8_t *b, struct dead_call *ret)
{
	const uint8_t *end = b + CALL_BYTES;
	uint64_t slot = ret->ret + (uint64_t)(int64_t)(int32_t)load_u32(end - 4), to;

	ret->callee = 0;
	if (end[-5] == 0xe8) {
		ret->callee = behind_stub(img, slot);
		return is_code(img, ret->callee);
	}
	if (end[-6] == 0xff && end[-5] == 0x15) { /* as -fno-plt has them */
		ret->callee = image_read_u64(img, slot, &to) ? 0 : to;
		return is_code(img, ret->callee);
	}
	for (unsigned n = 2; n <= CALL_BYTES; n++)
		if (indirect_length(end - n) == n)
			return true;
	return false;
}

/* ---- AArch64 */

static bool arm_call(const struct image *img, const uint8_t *b, struct dead_call *ret)
{
	uint32_t insn = load_u32(b + CALL_BYTES - 4);

	ret->callee = 0;
	if ((insn & 0xfffffc1f) == 0xd63f0000)
		return true;
	if (insn >> 26 != 0x25)
		return false;
	ret->callee = ret->ret - 4 + (uint64_t)((int64_t)(int32_t)(insn << 6) >> 4);
	return is_code(img, ret->callee);
}

/* ---- all */

static bool is_return(const struct image *img, uint64_t word, struct dead_call *ret)
{
	uint64_t avail;
	const uint8_t *b = is_code(img, word) ? image_view(img, word - CALL_BYTES, &avail) : NULL;

	if (!b || avail < CALL_BYTES)
		return false;
	image_keep(img, word - CALL_BYTES, CALL_BYTES);
	ret->ret = word;
	if (img->target->id == TARGET_X86_64)
		return x86_call(img, b, ret);
	return img->target->id == TARGET_AARCH64 && arm_call(img, b, ret);
}

size_t dead_calls_at(const struct image *img, const struct thread *t, taddr at, struct dead_call *ret,
		     size_t n)
{
	uint64_t word;
	size_t found = 0;

	if (at < t->stack_low || at >= t->sp || !img->target)
		return 0;
	at = align_up(at, 8);
	for (taddr end = t->sp - at > SCAN_BYTES ? at + SCAN_BYTES : t->sp; at < end && found < n; at += 8)
		if (!image_read_u64(img, at, &word) && is_return(img, word, &ret[found]))
			found++;
	return found;
}

/* The function that an address lies in; of no known name where there is none. */
static bool function_at(const struct image *img, taddr at, struct symbol *ret)
{
	return at && image_symbol_at(img, at, ret) && ret->is_func;
}

bool dead_calls_describe(const struct image *img, const struct thread *t, taddr at, struct text *ret)
{
	struct dead_call calls[CALLS];
	size_t n = dead_calls_at(img, t, at, calls, CALLS);
	struct symbol callee, caller;

	if (!n || !function_at(img, calls[0].ret - 1, &caller))
		return false;
	if (function_at(img, calls[0].callee, &callee) && callee.addr == calls[0].callee)
		image_describe(img, callee.addr, ret);
	else
		text_add(ret, "a function");
	text_add(ret, ", called by ");
	image_describe(img, caller.addr, ret);
	for (size_t i = 1; i < n; i++) {
		/* Of the same calls only if it is the caller that was called there. */
		if (calls[i].callee != caller.addr || !function_at(img, calls[i].ret - 1, &caller))
			break;
		text_add(ret, ", ");
		image_describe(img, caller.addr, ret);
	}
	return true;
}
