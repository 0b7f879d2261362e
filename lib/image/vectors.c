/*
 * image/vectors.c - XSAVE areas, FXSAVE areas and aarch64's SIMD registers -> 64-bit words.
 *
 * Sources: Intel SDM volume 1, 13.4 (the XSAVE area, standard and compacted); Linux
 * arch/x86/kernel/fpu/xstate.c and arch/x86/include/asm/user.h (what a note holds), include/uapi/
 * asm/ptrace.h of arm64.  x87 and MMX registers, SVE and AMX are not read.
 */
#include "image/vectors.h"

#include <string.h>

#include "base/guard.h"

enum {
	FXSAVE_SIZE = 512,
	XMM_AT = 160,
	XCR0_AT = 464,	 /* in bytes that the processor leaves to software: Linux's, and gdb's */
	HEADER_AT = 512, /* XSTATE_BV, XCOMP_BV */
	EXTENDED_AT = 576,
	X87 = 0,
	SSE = 1,
	AVX = 2,
	OPMASK = 5,
	ZMM_HI256 = 6,
	HI16_ZMM = 7,
	LAYOUT_ROW = 16, /* struct x86_xfeat_component */
	N_VECTORS = 32,
	N_MASKS = 8, /* numbered behind the vectors; compilers spill integers into them */
	MAX_WORDS = (N_VECTORS + N_MASKS) * VECTOR_WORDS,
};

static const uint64_t compacted = 1ull << 63;

/* Bytes of each component from AVX on: these are the same on every processor. */
static const uint64_t part_bytes[XSAVE_PARTS] = {
	[AVX] = 256, 64, 64, 64, [ZMM_HI256] = 512, [HI16_ZMM] = 1024
};

/* Which words of which registers a component holds, register after register. */
static const struct part {
	uint8_t no, first_reg, n_regs, first_word, n_words;
	const char *name;
} parts[] = {
	{ SSE, 0, 16, 0, 2, "SSE" },
	{ AVX, 0, 16, 2, 2, "AVX" },
	{ OPMASK, N_VECTORS, N_MASKS, 0, 1, "opmask" },
	{ ZMM_HI256, 0, 16, 4, 4, "ZMM_Hi256" },
	{ HI16_ZMM, 16, 16, 0, 8, "Hi16_ZMM" },
};
static const struct part fpsimd = { 0, 0, N_VECTORS, 0, 2, "SIMD" };

struct words {
	struct vector_word v[MAX_WORDS];
	size_t n;
};

static void take_words(struct words *w, struct cursor c, const struct part *part)
{
	for (unsigned reg = part->first_reg; reg < part->first_reg + part->n_regs; reg++)
		for (unsigned i = part->first_word; i < part->first_word + part->n_words; i++) {
			uint64_t value = cursor_u64(&c);

			if (value && w->n < MAX_WORDS)
				w->v[w->n++] = (struct vector_word){
					value, VECTOR_FIRST + reg * VECTOR_WORDS + i
				};
		}
}

/* ---- XSAVE */

/* In the compacted form every component of XCOMP_BV lies behind the one before it. */
static struct xsave_layout compacted_layout(uint64_t xcomp)
{
	struct xsave_layout l = { .at[SSE] = XMM_AT };
	uint64_t at = EXTENDED_AT;

	for (unsigned i = AVX; i < XSAVE_PARTS; i++) {
		if (!(xcomp >> i & 1))
			continue;
		l.at[i] = at;
		at += part_bytes[i];
	}
	return l;
}

/*
 * In the standard form the processor decides.  AVX is everywhere first; the others lie behind the
 * place of MPX on Intel's (the area then ends at 2688 or later), right behind AVX on AMD's.
 */
static struct xsave_layout standard_layout(uint64_t size)
{
	struct xsave_layout l = { .at = { [SSE] = XMM_AT, [AVX] = EXTENDED_AT } };

	if (size >= 2688) {
		l.at[OPMASK] = 1088;
		l.at[ZMM_HI256] = 1152;
		l.at[HI16_ZMM] = 1664;
	} else if (size >= 2432) {
		l.at[OPMASK] = 832;
		l.at[ZMM_HI256] = 896;
		l.at[HI16_ZMM] = 1408;
	}
	return l;
}

static struct xsave_layout choose_layout(const struct xsave_layout *told, uint64_t xcomp,
					 uint64_t size)
{
	struct xsave_layout l;

	if (xcomp & compacted)
		return compacted_layout(xcomp);
	if (!told->at[AVX])
		return standard_layout(size);
	l = *told;
	l.at[SSE] = XMM_AT;
	return l;
}

static void take_part(struct env *env, struct words *w, struct cursor area, const struct part *part,
		      uint64_t at)
{
	uint64_t where = cursor_offset(&area), size = cursor_left(&area);
	struct cursor c = area;

	if (!at) {
		diag(env, "core/note", where,
		     "NT_X86_XSTATE of %llu bytes: where its component %s lies is unknown; "
		     "it is not read",
		     (unsigned long long)size, part->name);
		return;
	}
	cursor_skip(&c, at);
	c = cursor_sub(&c, 8ull * part->n_regs * part->n_words);
	if (c.bad)
		diag(env, "core/note", where,
		     "NT_X86_XSTATE of %llu bytes ends before its component %s at %llu; it is not "
		     "read",
		     (unsigned long long)size, part->name, (unsigned long long)at);
	else
		take_words(w, c, part);
}

/* False when it is too short to be one. */
static bool take_xsave(struct env *env, struct words *w, struct cursor area,
		       const struct xsave_layout *told)
{
	uint64_t size = cursor_left(&area), xcr0, present, xcomp;
	struct cursor c = area, header = area;
	struct xsave_layout layout;

	cursor_skip(&c, XCR0_AT);
	xcr0 = cursor_u64(&c) | 1 << X87 | 1 << SSE;
	cursor_skip(&header, HEADER_AT);
	present = cursor_u64(&header);
	xcomp = cursor_u64(&header);
	if (c.bad || header.bad) {
		diag(env, "core/note", cursor_offset(&area),
		     "NT_X86_XSTATE of %llu bytes is too short", (unsigned long long)size);
		return false;
	}
	if (present & ~xcr0)
		diag(env, "core/note", cursor_offset(&area),
		     "NT_X86_XSTATE holds components 0x%llx, of which xcr0 knows 0x%llx; "
		     "the others are not read",
		     (unsigned long long)present, (unsigned long long)(present & xcr0));
	layout = choose_layout(told, xcomp, size);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if ((present & xcr0) >> parts[i].no & 1)
			take_part(env, w, area, &parts[i], layout.at[parts[i].no]);
	return true;
}

void vectors_read_layout(struct env *env, struct cursor desc, struct xsave_layout *ret)
{
	uint64_t where = cursor_offset(&desc);

	while (cursor_left(&desc) >= LAYOUT_ROW) {
		uint32_t no = cursor_u32(&desc), size = cursor_u32(&desc), at = cursor_u32(&desc);

		cursor_skip(&desc, 4); /* flags */
		if (no < AVX || no >= XSAVE_PARTS)
			continue;
		if (size == part_bytes[no] && at >= EXTENDED_AT)
			ret->at[no] = at;
		else
			diag(env, "core/note", where,
			     "NT_X86_XSAVE_LAYOUT puts %u bytes at %u for component %u; "
			     "that cannot be",
			     size, at, no);
	}
}

/* ---- all */

static void take_fpregs(struct env *env, struct words *w, struct cursor area,
			const struct target *target)
{
	bool x86 = target->id == TARGET_X86_64;
	uint64_t need = x86 ? FXSAVE_SIZE : 16 * N_VECTORS;
	struct cursor c = area;

	if (cursor_left(&area) < need) {
		diag(env, "core/note", cursor_offset(&area),
		     "NT_FPREGSET of %llu bytes is too short",
		     (unsigned long long)cursor_left(&area));
		return;
	}
	if (x86)
		cursor_skip(&c, XMM_AT);
	take_words(w, c, x86 ? &parts[0] : &fpsimd);
}

struct err *vectors_read(struct image *img, const struct vector_notes *notes,
			 const struct xsave_layout *told, struct thread *t)
{
	struct words w = { .n = 0 };
	struct vector_word *kept;

	if (!notes->xstate.start || !take_xsave(img->env, &w, notes->xstate, told))
		if (notes->fpregs.start)
			take_fpregs(img->env, &w, notes->fpregs, img->target);
	if (!w.n)
		return NULL;
	kept = arena_memdup(&img->names, w.v, w.n * sizeof(*kept));
	if (!kept)
		return &err_nomem;
	t->vectors = kept;
	t->n_vectors = w.n;
	return NULL;
}

/* ---- names */

bool vector_word_name(const struct target *target, uint64_t no, struct text *ret)
{
	unsigned reg, word;

	if (no < VECTOR_FIRST || no - VECTOR_FIRST >= MAX_WORDS)
		return false;
	reg = (unsigned)(no - VECTOR_FIRST) / VECTOR_WORDS;
	word = (unsigned)(no - VECTOR_FIRST) % VECTOR_WORDS;
	if (reg >= N_VECTORS)
		text_printf(ret, "k%u", reg - N_VECTORS);
	else if (word < 2)
		text_printf(ret, "%s%u (%s half)", target->id == TARGET_X86_64 ? "xmm" : "v", reg,
			    word ? "high" : "low");
	else
		text_printf(ret, "%cmm%u (bits %u-%u)", word < 4 ? 'y' : 'z', reg, 64 * word,
			    64 * word + 63);
	return true;
}
