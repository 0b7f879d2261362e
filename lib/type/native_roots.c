/*
 * type/native_roots.c - typed roots: static variables, variables of threads, of frames.
 *
 * Only what holds a root is looked at.  Thread variables lie where the thread's DTV says (glibc:
 * sysdeps/x86_64/nptl/tls.h, sysdeps/aarch64/nptl/tls.h: tcbhead_t; elf/dl-tls.c: module ids in load order); that it is
 * one, the executable's own block must show.  Variables of frames are read where DWARF tells their
 * address, their registers or what their caller gave, in one part or several, innermost frames first;
 * what a caller has in registers lies where functions that it called saved it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "image/dbg_frame.h"
#include "type/native.h"

enum {
	FRAMES_MAX = 256,
	DTV_MODULES = 1 << 12,
	CALLERS_MAX = 16,      /* to ask for one value */
	ENTRY_STEPS = 1 << 24, /* entries of DWARF's that are looked at for calls, and bytes of code */
};

#define NOT_TWICE UINT64_MAX

/* A thread's registers as one of its frames has them: dbg_frame's. */
struct frame_regs {
	uint64_t regs[TARGET_MAX_REGS], known;
	taddr saved[TARGET_MAX_REGS]; /* where functions that it called keep them; 0: they are there still */
	taddr twice[TARGET_MAX_REGS]; /* where one is besides; NOT_TWICE */
	size_t n_saved; /* of the thread's, that count so far */
};

struct roots {
	struct native *n;
	struct native_spread *s;
	const struct graph *g;
	struct native_local last; /* followed last: roots come by address */
	const struct thread *thread;
	struct frame_regs now; /* of the frame at hand */
	uint64_t steps_left; /* of ENTRY_STEPS */
	struct insn_reader *code;
	bool failed;
};

static bool covers(const struct native_local *l, taddr at)
{
	return at >= l->start && at < l->end;
}

static struct dbg_types *dwarf_of(const struct native *n, const struct module *m)
{
	return m && n->has_dwarf ? n->dwarf[m - n->img->modules] : NULL;
}

static void follow_local(struct roots *r, const struct native_local *l)
{
	r->last = *l;
	native_follow(r->s, l->start, l->end - l->start, l->type);
}

/* ---- static variables */

static bool static_at(struct native *n, taddr at, struct native_local *ret)
{
	const struct module *m = image_module_at(n->img, at);
	struct dbg_types *t = dwarf_of(n, m);
	const struct dbg_var *v = t ? dbg_var_at(t, false, at - m->bias) : NULL;

	if (!v)
		return false;
	*ret = (struct native_local){ .start = v->addr + m->bias, .name = v->name, .type = dbg_var_type(t, v) };
	ret->end = ret->start + ret->type->size;
	return covers(ret, at);
}

static void on_static(struct roots *r, taddr at)
{
	struct native_local l;

	if (!covers(&r->last, at) && static_at(r->n, at, &l))
		follow_local(r, &l);
}

/* ---- variables of threads */

static bool keep(struct roots *r, const struct native_local *l)
{
	r->failed = r->failed || !vec_push(&r->n->locals, l);
	return !r->failed;
}

/* Where a thread has the variables of the module with this number, from 1; 0: nowhere. */
static taddr tls_block(const struct native *n, const struct thread *t, uint64_t id)
{
	taddr dtv, block;

	if (!t->tp || image_read_u64(n->img, t->tp + (n->img->target->tls_below_tp ? 8 : 0), &dtv) ||
	    image_read_u64(n->img, dtv + 16 * id, &block) || !image_segment(n->img, block))
		return 0;
	return block;
}

static bool has_dtv(const struct native *n, const struct thread *t, const struct module *m)
{
	uint64_t align = m->tls_align && is_pow2(m->tls_align) ? m->tls_align : 1;
	taddr block = tls_block(n, t, 1);

	if (!block)
		return false;
	return n->img->target->tls_below_tp ? t->tp - block >= m->tls_size && t->tp - block < m->tls_size + 2 * align :
					      block - t->tp < 16 + 2 * align;
}

/* The variable of a thread that covers an address. */
static bool tls_at(struct native *n, const struct thread *t, taddr at, struct native_local *ret)
{
	const struct module *first = NULL;
	uint64_t id = 0;

	for (size_t i = 0; i < n->img->n_modules && id < DTV_MODULES; i++) {
		const struct module *m = &n->img->modules[i];
		struct dbg_types *d = dwarf_of(n, m);
		const struct dbg_var *v;
		taddr block;

		if (!m->tls_size)
			continue;
		id++;
		first = first ? first : m;
		if (!first->is_exe || !has_dtv(n, t, first))
			return false;
		block = d ? tls_block(n, t, id) : 0;
		if (!block || at < block || at - block >= m->tls_size)
			continue;
		v = dbg_var_at(d, true, at - block);
		if (!v)
			return false;
		*ret = (struct native_local){ .start = v->addr + block, .name = v->name, .type = dbg_var_type(d, v) };
		ret->end = ret->start + ret->type->size;
		return covers(ret, at);
	}
	return false;
}

static void on_tls(struct roots *r, const struct root_source *source, taddr at)
{
	struct native_local l;

	if (covers(&r->last, at) || source->thread >= r->n->img->n_threads ||
	    !tls_at(r->n, &r->n->img->threads[source->thread], at, &l))
		return;
	if (keep(r, &l))
		follow_local(r, &l);
}

/* ---- variables of frames */

static bool in_stack(const struct thread *t, taddr start, taddr end)
{
	return start >= t->live_low && end <= t->stack_high && end > start;
}

/* All of a variable lies in the stack. */
static void on_whole(struct roots *r, const struct dbg_local_var *v, taddr at)
{
	struct native_local l = { .start = at, .end = at + v->type->size, .name = v->name, .type = v->type };

	if (in_stack(r->thread, l.start, l.end) && keep(r, &l))
		follow_local(r, &l);
}

/* A word of a variable that is the word at an address, or of a register that is the thread's still. */
static void keep_word(struct roots *r, const struct dbg_local_var *v, const struct dbg_place *p, taddr at, unsigned reg)
{
	struct native_var_word w = { .name = v->name, .type = v->type, .offset = p->offset, .is_entry = p->is_entry };

	if (at ? !in_stack(r->thread, at, at + 8) : reg == UINT32_MAX)
		return;
	w.at = at ? at : typer_register((uint32_t)(r->thread - r->n->img->threads), reg);
	w.order = (uint32_t)r->n->words.n;
	r->failed = r->failed || !vec_push(&r->n->words, &w);
}

/* Where words of a variable are: in memory whole ones alone count. */
static void keep_place(struct roots *r, const struct dbg_local_var *v, const struct dbg_place *p)
{
	const struct frame_regs *now = &r->now;

	if (p->is_value) {
		keep_word(r, v, p, p->at, p->reg);
	} else if (p->reg != UINT32_MAX) {
		keep_word(r, v, p, now->saved[p->reg], p->reg);
		if (now->twice[p->reg] != NOT_TWICE)
			keep_word(r, v, p, now->twice[p->reg], p->reg);
	} else {
		for (uint64_t i = 0; i + 8 <= p->size && i < NATIVE_VALUE_MAX; i += 8) {
			struct dbg_place word = { .offset = p->offset + i };

			keep_word(r, v, &word, p->at + i, UINT32_MAX);
		}
	}
}

/* The words of a value whose bytes are known, by what its parts are. */
static uint32_t read_place(const struct roots *r, const struct dbg_place *p, uint8_t bytes[NATIVE_VALUE_MAX])
{
	uint64_t word = p->is_value ? p->value : p->reg != UINT32_MAX ? r->now.regs[p->reg] : 0;
	uint64_t first = p->offset / 8, n = p->size / 8;

	if (p->offset % 8 || p->offset >= NATIVE_VALUE_MAX || p->size > NATIVE_VALUE_MAX - p->offset)
		return 0;
	if (p->is_value || p->reg != UINT32_MAX)
		memcpy(bytes + p->offset, &word, p->size);
	else if (!in_stack(r->thread, p->at, p->at + p->size) ||
		 image_read(r->n->img, p->at, bytes + p->offset, p->size) != MEM_OK)
		return 0;
	return n ? (UINT32_MAX >> (32 - n)) << first : 0;
}

static void on_var(void *arg, const struct dbg_local_var *v)
{
	struct roots *r = arg;
	const struct dbg_place *first = &v->places[0];
	bool in_reg = !first->is_value && first->reg != UINT32_MAX;
	uint8_t bytes[NATIVE_VALUE_MAX] = {};
	uint32_t known = 0;

	if (first->size == v->type->size && !first->is_value && !in_reg) {
		on_whole(r, v, first->at);
		return;
	}
	if (in_reg && first->size == v->type->size && v->type->kind == DBG_KIND_POINTER && r->now.saved[first->reg]) {
		on_whole(r, v, r->now.saved[first->reg]);
		if (r->now.twice[first->reg] != NOT_TWICE && r->now.twice[first->reg])
			on_whole(r, v, r->now.twice[first->reg]);
		else if (!r->now.twice[first->reg])
			keep_word(r, v, first, 0, first->reg);
		return;
	}
	for (unsigned i = 0; i < v->n; i++)
		known |= read_place(r, &v->places[i], bytes);
	if (!known || v->type->kind == DBG_KIND_BASE)
		return;
	native_follow_value(r->s, bytes, known, v->type);
	for (unsigned i = 0; i < v->n; i++)
		keep_place(r, v, &v->places[i]);
}
/* From the frame inside to this one. */
static void restore_regs(const struct roots *r, size_t frame, struct frame_regs *regs)
{
	const struct thread *t = r->thread;

	if (!frame) {
		regs->n_saved = 0;
		regs->known = t->has_regs ? ~0ull : 0;
		memcpy(regs->regs, t->regs, sizeof(regs->regs));
		memset(regs->saved, 0, sizeof(regs->saved));
		memset(regs->twice, 0xff, sizeof(regs->twice));
		return;
	}
	/* Go's functions leave no register as it was, and no call frame information says so. */
	regs->known &= t->n_saved && !r->n->img->go ? r->n->img->target->callee_saved : 0;
	if (r->n->img->go)
		return;
	for (; regs->n_saved < t->n_saved && t->saved[regs->n_saved].frame <= frame; regs->n_saved++) {
		const struct saved_reg *s = &t->saved[regs->n_saved];
		/* The kernel saves all registers for a handler, which saves those again that it needs. */
		bool same = frame_is_interrupted(t->frames, frame) && regs->known >> s->reg & 1 &&
			    regs->regs[s->reg] == s->value;

		regs->known = s->is_known ? regs->known | 1ull << s->reg : regs->known & ~(1ull << s->reg);
		regs->regs[s->reg] = s->value;
		regs->twice[s->reg] = same ? regs->saved[s->reg] : NOT_TWICE;
		regs->saved[s->reg] = s->at;
	}
}

/* A frame that is asked for what it gave. */
struct caller {
	struct roots *r;
	size_t frame; /* that it called */
	unsigned depth;
	struct frame_regs regs; /* of `frame` */
};

static bool entry_value(void *arg, const struct dbg_callee *callee, unsigned reg, struct dbg_word *ret);

/* A frame of the thread's for dbg_frame.c; NULL: nothing is told of its function. */
static struct dbg_types *open_frame(struct roots *r, size_t i, struct caller *called, struct dbg_frame *ret)
{
	const struct thread *t = r->thread;
	const struct frame *f = &t->frames[i];
	const struct module *m = image_module_at(r->n->img, f->pc);
	struct dbg_types *d = dwarf_of(r->n, m);

	if (!d)
		return NULL;
	*ret = (struct dbg_frame){
		/* A caller's pc is behind its call. */
		.pc = f->pc - m->bias - (i && !f->is_signal),
		.is_caller = i && !f->is_signal,
		.cfa = f->sp,
		.sp = i ? t->frames[i - 1].sp : t->sp,
		.sp_reg = r->n->img->target->sp,
		.regs = called->regs.regs,
		.saved = called->regs.saved,
		.known = called->regs.known,
		.n_regs = r->n->img->target->n_regs,
		.entry = entry_value,
		.arg = called,
		.steps_left = &r->steps_left,
		.code = r->code,
	};
	return d;
}

/* What a function was called with, by the frame behind it, if that one called it. */
static bool entry_value(void *arg, const struct dbg_callee *callee, unsigned reg, struct dbg_word *ret)
{
	const struct caller *called = arg;
	const struct thread *t = called->r->thread;
	struct caller at = { .r = called->r, .frame = called->frame + 1, .depth = called->depth + 1, .regs = called->regs };
	struct dbg_frame frame;
	struct dbg_types *d;

	if (at.depth > CALLERS_MAX || at.frame >= t->n_frames || t->frames[at.frame].is_signal || !called->r->steps_left)
		return false;
	restore_regs(at.r, at.frame, &at.regs);
	d = open_frame(at.r, at.frame, &at, &frame);
	return d && dbg_call_value(d, &frame, callee, reg, ret);
}

static void on_frame(struct roots *r, size_t i)
{
	struct caller at = { .r = r, .frame = i };
	struct dbg_frame frame;
	struct dbg_types *d;

	restore_regs(r, i, &r->now);
	at.regs = r->now;
	d = open_frame(r, i, &at, &frame);
	if (d)
		dbg_frame_vars(d, &frame, on_var, r);
}

static void on_threads(struct roots *r)
{
	for (size_t i = 0; i < r->n->img->n_threads && !r->failed; i++) {
		r->thread = &r->n->img->threads[i];
		for (size_t k = 0; k < r->thread->n_frames && k < FRAMES_MAX; k++)
			on_frame(r, k);
	}
}

static int by_start(const void *a, const void *b)
{
	const struct native_local *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? 1 : x->end > y->end ? -1 : strcmp(x->name, y->name);
}

/* Of what is told of one word a variable of a frame's own comes first, then what the outermost call was given. */
static int by_place(const void *a, const void *b)
{
	const struct native_var_word *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	if (x->is_entry != y->is_entry)
		return x->is_entry ? 1 : -1;
	if (!x->is_entry && strcmp(x->name, y->name) != 0)
		return strcmp(x->name, y->name);
	return x->order > y->order ? -1 : x->order < y->order;
}

struct err *native_roots(struct native *n, struct native_spread *s)
{
	struct roots r = { .n = n, .s = s, .g = n->cols->graph, .steps_left = ENTRY_STEPS };
	struct err *err = NULL;

	for (uint32_t i = 0; r.g && i < r.g->n_roots && !r.failed; i++) {
		const struct root_source *source = &r.g->sources[r.g->root_source[i]];

		if (source->kind == ROOT_GLOBAL)
			on_static(&r, r.g->root_at[i]);
		else if (source->kind == ROOT_TLS)
			on_tls(&r, source, r.g->root_at[i]);
	}
	if (n->has_dwarf)
		err = insn_reader_open(n->img, &r.code);
	if (err)
		return err;
	on_threads(&r);
	insn_reader_close(r.code);
	if (n->locals.n)
		qsort(n->locals.v, n->locals.n, sizeof(*n->locals.v), by_start);
	if (n->words.n)
		qsort(n->words.v, n->words.n, sizeof(*n->words.v), by_place);
	return r.failed ? &err_nomem : NULL;
}

struct err *native_each_variable(struct native *n, const struct graph *g,
				 struct err *(*fn)(void *arg, const struct native_local *l), void *arg)
{
	struct native_local last = {}, l;
	struct err *err = NULL;

	for (uint32_t i = 0; i < g->n_roots && !err; i++) {
		if (g->sources[g->root_source[i]].kind != ROOT_GLOBAL || covers(&last, g->root_at[i]) ||
		    !static_at(n, g->root_at[i], &l))
			continue;
		last = l;
		err = fn(arg, &l);
	}
	for (size_t i = 0; i < n->locals.n && !err; i++)
		if (!i || n->locals.v[i].start != n->locals.v[i - 1].start)
			err = fn(arg, &n->locals.v[i]);
	return err;
}

/* The word of a variable that an address is in; NULL. */
static const struct native_var_word *word_at(const struct native *n, taddr at)
{
	size_t i = partition_point(n->words.n, k, n->words.v[k].at + 8 <= at);

	return i < n->words.n && n->words.v[i].at <= at ? &n->words.v[i] : NULL;
}

bool native_global(struct native *n, taddr at, struct text *ret)
{
	size_t i = partition_point(n->locals.n, k, n->locals.v[k].start <= at);
	const struct native_var_word *w = word_at(n, at);
	struct native_local l;

	if (i && covers(&n->locals.v[i - 1], at)) {
		l = n->locals.v[i - 1];
	} else if (w) {
		text_add(ret, w->name);
		native_path(n, w->type, false, 0, w->offset + (at - w->at), ".", ret);
		return true;
	} else if (!static_at(n, at, &l)) {
		return false;
	}
	text_add(ret, l.name);
	native_path(n, l.type, false, l.start, at - l.start, ".", ret);
	return true;
}
