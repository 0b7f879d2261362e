/*
 * image/go_unwind.c - pc to frame size to return address, frame by frame.
 *
 * As runtime/traceback.go does for a garbage collection (gentraceback to 1.20, unwinder since): the
 * frame is as large as the pcsp table says at pc; amd64 has the return address above it, arm64 at
 * its bottom or still in the link register.  Thousands of goroutines stand at the same few places,
 * so what was found for a pc is kept.  Stacks are memory of the program: every step goes up.
 */
#include "image/go_unwind.h"

#include <stdlib.h>

#include "base/guard.h"
#include "base/vec.h"

enum {
	CACHE = 4096,		/* places; a power of two */
	FRAMES_MAX = 1 << 20,	/* of one stack */
	FRAMES_TOTAL = 1 << 23, /* of all stacks that one go_unwind reads */
};
enum { FLAG_TOP_FRAME = 1, FLAG_SP_WRITE = 2 }; /* abi.FuncFlag */

/* What is known of a pc. */
struct place {
	taddr pc;
	bool known, has_func, has_delta;
	int32_t delta; /* pcsp at pc */
	struct go_func func;
};

/* abi.FuncID of the functions that are no ordinary callers; numbers move, names do not. */
struct special_ids {
	uint8_t sigpanic, async_preempt, debug_call, cgocallback;
};

struct go_unwind {
	const struct go *go;
	bool uses_lr;
	struct special_ids ids;
	uint64_t n_total;
	struct {
		struct go_frame *v;
		size_t n, cap;
	} frames;
	struct place *cache;
};

/* The id of a function by name; the table is for binaries that do not have it under that name. */
static uint8_t func_id(const struct go *go, const char *name, uint8_t otherwise)
{
	struct go_func f;

	return go_func_named(go, name, &f) && f.id ? f.id : otherwise;
}

struct err *go_unwind_new(const struct go *go, struct go_unwind **ret)
{
	_free_ struct go_unwind *u = calloc(1, sizeof(*u));
	unsigned minor = go->minor ? go->minor : 99;

	if (!u)
		return &err_nomem;
	u->cache = calloc(CACHE, sizeof(*u->cache));
	if (!u->cache)
		return &err_nomem;
	u->go = go;
	u->uses_lr = go->img->target->id == TARGET_AARCH64;
	u->ids = (struct special_ids){
		.sigpanic = func_id(go, "runtime.sigpanic",
				    minor < 22 ? 18 :
				    minor < 25 ? 19 :
						 20),
		.async_preempt = func_id(go, "runtime.asyncPreempt", 3),
		.debug_call = func_id(go, "runtime.debugCallV2", minor < 22 ? 5 : 6),
		.cgocallback = func_id(go, "runtime.cgocallback", 4),
	};
	*ret = take(&u);
	return NULL;
}

void go_unwind_free(struct go_unwind *u)
{
	if (!u)
		return;
	free(u->frames.v);
	free(u->cache);
	free(u);
}

static const struct place *place_at(struct go_unwind *u, taddr pc)
{
	struct place *p = &u->cache[(pc ^ pc >> 12) & (CACHE - 1)];

	if (p->known && p->pc == pc)
		return p;
	*p = (struct place){ .pc = pc, .known = true };
	p->has_func = go_func_at(u->go, pc, &p->func);
	p->has_delta = p->has_func && p->func.pcsp &&
		       go_pcvalue(u->go, &p->func, p->func.pcsp, pc, &p->delta);
	return p;
}

static bool word_at(const struct go_unwind *u, taddr at, taddr *ret)
{
	return image_read_u64(u->go->img, at, ret) == MEM_OK;
}

static bool is_injected(const struct go_unwind *u, uint8_t id)
{
	return id == u->ids.sigpanic || id == u->ids.async_preempt || id == u->ids.debug_call;
}

/* The walk of one stack. */
struct walk {
	const struct go_stand *from;
	taddr pc, sp, lr;
	uint8_t callee;	   /* id of the function that pc called */
	bool conservative; /* its registers lie in the frame below: stack maps do not hold here */
	unsigned stuck;	   /* frames of no size met in a row */
};

/* A call of a nil function leaves pc 0: the caller is what stands. */
static void skip_nil_call(const struct go_unwind *u, struct walk *w)
{
	if (w->pc || !word_at(u, w->sp, &w->pc))
		return;
	w->lr = 0;
	if (!u->uses_lr)
		w->sp += 8;
}

/* Where the caller's frame begins; false when the table says nothing that fits the stack. */
static bool frame_end(const struct go_unwind *u, struct walk *w, const struct place *p, taddr *ret)
{
	uint64_t size = (uint64_t)p->delta + (u->uses_lr ? 0 : 8);

	if (!p->has_delta || p->delta < 0 || p->delta % 8 || w->sp < w->from->low ||
	    w->sp > w->from->high || size > w->from->high - w->sp)
		return false;
	w->stuck = size ? 0 : w->stuck + 1;
	*ret = w->sp + size;
	return w->stuck < 2;
}

/*
 * Does pc tell nothing about sp?  Functions that write it say so, but some do so only where it does
 * not matter.
 */
static bool sp_is_lost(const struct go_unwind *u, const struct walk *w, const struct go_func *f,
		       bool is_top)
{
	if (!(f->flag & FLAG_SP_WRITE) || f->id == u->ids.cgocallback)
		return false;
	return !is_top || (w->from->is_anywhere && !w->from->is_syscall);
}

static taddr return_address(const struct go_unwind *u, const struct walk *w, taddr fp, bool is_top)
{
	taddr lr = w->lr;

	if (!u->uses_lr)
		return word_at(u, fp - 8, &lr) ? lr : 0;
	if ((is_top && w->sp < fp) || !lr)
		return word_at(u, w->sp, &lr) ? lr : 0;
	return lr;
}

/* sigpanic's caller goes on at its deferreturn, if at all. */
static taddr live_pc(const struct go_unwind *u, const struct walk *w, const struct go_func *f)
{
	if (!w->callee || w->callee != u->ids.sigpanic)
		return w->pc;
	return f->deferreturn ? f->entry + f->deferreturn + 1 : 0;
}

static void step(const struct go_unwind *u, struct walk *w, const struct go_func *f, taddr fp,
		 taddr lr)
{
	taddr saved;

	w->callee = f->id;
	w->pc = lr;
	w->sp = fp;
	w->lr = 0;
	if (!u->uses_lr || !is_injected(u, f->id) || !word_at(u, fp, &saved))
		return;
	w->sp += 16; /* the link register that the signal handler pushed (sigctxt.pushCall) */
	w->lr = saved;
}

/*
 * The place of the frame that comes.  The link register that a signal handler pushed counts only
 * where the interrupted function has not saved its own, or is none (a call of a bad function
 * pointer).
 */
static const struct place *next_place(struct go_unwind *u, struct walk *w)
{
	const struct place *p = place_at(u, w->pc);

	if (!u->uses_lr || !w->callee || !is_injected(u, w->callee))
		return p;
	if (!p->has_func) {
		w->pc = w->lr;
		p = place_at(u, w->pc);
		w->lr = 0;
	} else if (!p->has_delta || p->delta) {
		w->lr = 0;
	}
	return p;
}

static struct err *add_frame(struct go_unwind *u, struct walk *w, const struct go_func *f, taddr fp)
{
	bool is_top = !u->frames.n,
	     injected = f->id && (f->id == u->ids.async_preempt || f->id == u->ids.debug_call);
	struct go_frame frame = {
		.pc = w->pc,
		.sp = w->sp,
		.fp = fp,
		.entry = f->entry,
		.is_top = is_top,
		.live_pc = live_pc(u, w, f),
		.is_precise = !w->conservative && !injected && !(is_top && w->from->is_anywhere),
	};

	w->conservative = injected;
	return vec_push(&u->frames, &frame) ? NULL : &err_nomem;
}

struct err *go_unwind_stack(struct go_unwind *u, const struct go_stand *from,
			    const struct go_frame **ret, size_t *ret_n, bool *ret_complete)
{
	struct walk w = { .from = from, .pc = from->pc, .sp = from->sp, .lr = from->lr };
	bool complete = false;

	u->frames.n = 0;
	skip_nil_call(u, &w);
	while (!complete && w.pc && u->frames.n < FRAMES_MAX && u->n_total < FRAMES_TOTAL) {
		const struct place *p = next_place(u, &w);
		bool is_top = !u->frames.n;
		taddr fp, lr;
		struct err *err;

		if (!p->has_func || !frame_end(u, &w, p, &fp))
			break;
		err = add_frame(u, &w, &p->func, fp);
		if (err)
			return err;
		u->n_total++;
		complete = p->func.flag & FLAG_TOP_FRAME;
		if (complete || sp_is_lost(u, &w, &p->func, is_top))
			break;
		lr = return_address(u, &w, fp, is_top);
		step(u, &w, &p->func, fp, lr);
	}
	if (u->n_total >= FRAMES_TOTAL)
		diag(u->go->env, "go/stack-limit", from->sp,
		     "more than %d frames in all: the others are not read", FRAMES_TOTAL);
	*ret = u->frames.v;
	*ret_n = u->frames.n;
	*ret_complete = complete;
	return NULL;
}
