/*
 * type/native_roots.c - typed roots: static variables, variables of threads, of frames.
 *
 * Only what holds a root is looked at.  Thread variables lie where the thread's DTV says (glibc:
 * sysdeps/x86_64/nptl/tls.h, sysdeps/aarch64/nptl/tls.h: tcbhead_t; elf/dl-tls.c: module ids in load order); that it is
 * one, the executable's own block must show.  Variables of frames are read where DWARF tells their
 * address or their register, innermost frames first; what a caller has in registers lies where
 * functions that it called saved it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "type/native.h"

enum { FRAMES_MAX = 256, DTV_MODULES = 1 << 12 };

#define NOT_TWICE UINT64_MAX

struct roots {
	struct native *n;
	struct native_spread *s;
	const struct graph *g;
	struct native_local last; /* followed last: roots come by address */
	const struct thread *thread;
	/* Its registers as the frame at hand has them: dbg_frame's. */
	uint64_t regs[TARGET_MAX_REGS], known;
	taddr saved[TARGET_MAX_REGS]; /* where functions that it called keep them; 0: they are there still */
	taddr twice[TARGET_MAX_REGS]; /* where one is besides; NOT_TWICE */
	size_t n_saved; /* of the thread's, that count so far */
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

/* A variable in a register: `at` is where that is saved; 0: nowhere. */
static void on_reg_var(struct roots *r, const struct dbg_local_var *v, taddr at)
{
	struct native_local l = { .start = at, .end = at + 8, .name = v->name, .type = v->type };
	const struct thread *t = r->thread;

	if (at) {
		if (at >= t->live_low && at < t->stack_high && keep(r, &l))
			follow_local(r, &l);
		return;
	}
	native_follow_word(r->s, r->regs[v->reg], v->type);
	l.start = typer_register((uint32_t)(t - r->n->img->threads), v->reg);
	l.end = l.start + 8;
	r->failed = r->failed || !vec_push(&r->n->in_regs, &l);
}

static void on_var(void *arg, const struct dbg_local_var *v)
{
	struct roots *r = arg;
	struct native_local l = { .start = v->at, .end = v->at + v->type->size, .name = v->name, .type = v->type };
	const struct thread *t = r->thread;

	if (v->reg != UINT32_MAX) {
		if (v->type->kind != DBG_KIND_POINTER)
			return;
		on_reg_var(r, v, r->saved[v->reg]);
		if (r->twice[v->reg] != NOT_TWICE)
			on_reg_var(r, v, r->twice[v->reg]);
		return;
	}
	if (l.start < t->live_low || l.end > t->stack_high || l.end <= l.start)
		return;
	if (keep(r, &l))
		follow_local(r, &l);
}

/* From the frame inside to this one. */
static void restore_regs(struct roots *r, const struct thread *t, size_t frame)
{
	if (!frame) {
		r->n_saved = 0;
		r->known = t->has_regs ? ~0ull : 0;
		memcpy(r->regs, t->regs, sizeof(r->regs));
		memset(r->saved, 0, sizeof(r->saved));
		memset(r->twice, 0xff, sizeof(r->twice));
		return;
	}
	/* Go's functions leave no register as it was, and no call frame information says so. */
	r->known &= t->n_saved && !r->n->img->go ? r->n->img->target->callee_saved : 0;
	if (r->n->img->go)
		return;
	for (; r->n_saved < t->n_saved && t->saved[r->n_saved].frame <= frame; r->n_saved++) {
		const struct saved_reg *s = &t->saved[r->n_saved];
		/* The kernel saves all registers for a handler, which saves those again that it needs. */
		bool same = frame_is_interrupted(t->frames, frame) && r->known >> s->reg & 1 && r->regs[s->reg] == s->value;

		r->known = s->is_known ? r->known | 1ull << s->reg : r->known & ~(1ull << s->reg);
		r->regs[s->reg] = s->value;
		r->twice[s->reg] = same ? r->saved[s->reg] : NOT_TWICE;
		r->saved[s->reg] = s->at;
	}
}

static void on_frame(struct roots *r, const struct thread *t, size_t i)
{
	const struct frame *f = &t->frames[i];
	struct dbg_frame frame = { .cfa = f->sp, .sp = i ? t->frames[i - 1].sp : t->sp };
	bool inner = !i || f->is_signal;
	const struct module *m = image_module_at(r->n->img, f->pc);
	struct dbg_types *d = dwarf_of(r->n, m);

	restore_regs(r, t, i);
	if (!d)
		return;
	/* A caller's pc is behind its call. */
	frame.pc = f->pc - m->bias - !inner;
	frame.regs = r->regs;
	frame.known = r->known;
	frame.n_regs = r->n->img->target->n_regs;
	if (r->n->img->target->tls_below_tp && r->known >> 6 & 1)
		frame.fp = r->regs[6];
	dbg_frame_vars(d, &frame, on_var, r);
}

static void on_threads(struct roots *r)
{
	for (size_t i = 0; i < r->n->img->n_threads && !r->failed; i++) {
		r->thread = &r->n->img->threads[i];
		for (size_t k = 0; k < r->thread->n_frames && k < FRAMES_MAX; k++)
			on_frame(r, r->thread, k);
	}
}

static int by_start(const void *a, const void *b)
{
	const struct native_local *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? 1 : x->end > y->end ? -1 : strcmp(x->name, y->name);
}

struct err *native_roots(struct native *n, struct native_spread *s)
{
	struct roots r = { .n = n, .s = s, .g = n->cols->graph };

	for (uint32_t i = 0; r.g && i < r.g->n_roots && !r.failed; i++) {
		const struct root_source *source = &r.g->sources[r.g->root_source[i]];

		if (source->kind == ROOT_GLOBAL)
			on_static(&r, r.g->root_at[i]);
		else if (source->kind == ROOT_TLS)
			on_tls(&r, source, r.g->root_at[i]);
	}
	on_threads(&r);
	if (n->locals.n)
		qsort(n->locals.v, n->locals.n, sizeof(*n->locals.v), by_start);
	if (n->in_regs.n)
		qsort(n->in_regs.v, n->in_regs.n, sizeof(*n->in_regs.v), by_start);
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

bool native_global(struct native *n, taddr at, struct text *ret)
{
	size_t i = partition_point(n->locals.n, k, n->locals.v[k].start <= at);
	struct native_local l;

	size_t k = partition_point(n->in_regs.n, j, n->in_regs.v[j].start < at);

	if (k < n->in_regs.n && n->in_regs.v[k].start == at)
		l = n->in_regs.v[k];
	else if (i && covers(&n->locals.v[i - 1], at))
		l = n->locals.v[i - 1];
	else if (!static_at(n, at, &l))
		return false;
	text_add(ret, l.name);
	native_path(n, l.type, false, l.start, at - l.start, ".", ret);
	return true;
}
