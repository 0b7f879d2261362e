/*
 * type/roots_go.c - what keeps Go's objects alive, as its collector counts it and no more.
 *
 * runtime/mgcmark.go, markroot(): data and bss of every module by their pointer masks; goroutines
 * (roots_go_stack.c); the queues of finalizers and cleanups; the specials of spans: what a
 * finalizer calls and what its object refers to (not the object), what a cleanup calls, the handle
 * of a weak pointer (not what it points at); the block that each processor's tiny allocator fills. 
 * All else that the runtime holds (timers, caches, sudogs) hangs on these.
 *
 * Words that hold no pointers by Go's own masks are left to the other rooters, which may find
 * blocks of C by them; Go's heap and stacks are none of theirs.
 */
#include "type/go_specials.h"
#include "type/roots_go.h"

#include <stdlib.h>

#include "base/guard.h"
#include "base/search.h"
#include "image/dbg.h"
#include "image/go_sched.h"

enum {
	ARENA_BYTES = 64 << 20, /* heapArenaBytes on linux, 64 bit */
	ARENAS_MAX = 1 << 22,
	BLOCKS_MAX = 1 << 20,	/* of a queue */
	FINALIZER = 40,
	FIN_HEADER = 24,
	FIN_BLOCK = 4096,
	CLEANUP_HEADER = 32,
	CLEANUP_BLOCK = 512,
	PROCESSORS_MAX = 1 << 16,
};

struct err *go_root(const struct go_roots *r, const struct root_source *source, taddr value,
		    taddr where)
{
	return value ? r->sink->pointer(r->sink, source, value, where) : NULL;
}

static struct err *slot_root(const struct go_roots *r, const struct root_source *source, taddr at)
{
	taddr value;

	return image_read_u64(r->img, at, &value) == MEM_OK ? go_root(r, source, value, at) : NULL;
}

/* ---- data and bss ---- */

/*
 * A word of a variable.  The lists of pools that are not empty lead to what the pools lie in, and the
 * second collection from now lets go of them: whatever else holds that says more.
 */
static struct err *global_root(const struct go_roots *r, const struct root_source *source, taddr at)
{
	struct root_source last = *source;

	if (at && (at == r->go->at.pool_all || at == r->go->at.pool_old)) {
		last.is_last = true;
		source = &last;
	}
	return slot_root(r, source, at);
}

static struct err *add_masked(const struct go_roots *r, const struct root_source *source,
			      taddr mask, uint64_t n)
{
	uint64_t avail = 0, words = (source->end - source->start) / 8;
	const uint8_t *bits = mask ? image_view(r->img, mask, &avail) : NULL;
	struct err *err = NULL;

	if (source->start >= source->end || !n)
		return NULL;
	if (!bits || avail < n / 8 + (n % 8 != 0) || n > words) {
		diag(r->env, "go/data-mask", source->start,
		     "no pointer mask for 0x%llx words of a module's data",
		     (unsigned long long)words);
		return NULL;
	}
	for (uint64_t i = 0; i < n && !err; i++)
		if (!(i & 7) && !bits[i / 8])
			i += 7;
		else if (bits[i / 8] >> (i & 7) & 1)
			err = global_root(r, source, source->start + 8 * i);
	return err ? err : r->sink->exclude(r->sink, source->start, source->end);
}

static struct err *add_globals(const struct go_roots *r)
{
	struct err *err = NULL;

	for (size_t i = 0; i < r->go->n_modules && !err; i++) {
		const struct go_module *m = &r->go->modules[i];
		const struct module *of = image_module_at(r->img, m->data);
		struct root_source source = {
			.kind = ROOT_GLOBAL,
			.thread = UINT32_MAX,
			.exact = true,
			.module = of ? (int32_t)(of - r->img->modules) : -1,
			.start = m->data,
			.end = m->edata,
		};

		err = add_masked(r, &source, m->gcdatamask, m->n_gcdatamask);
		source.start = m->bss;
		source.end = m->ebss;
		if (!err)
			err = add_masked(r, &source, m->gcbssmask, m->n_gcbssmask);
	}
	return err;
}

/* ---- specials of spans ---- */

/* The words of an object that hold pointers, as its heap has them. */
static struct err *add_slots(const struct go_roots *r, const struct root_source *source)
{
	const struct claim *claim = blocks_claim_at(r->blocks, source->start);
	const struct heap *heap = claim ? blocks_heap_at(r->blocks, source->start) : NULL;
	struct err *err = NULL;

	if (!heap || !heap->ops->slots || source->end > claim->end + claim->bias)
		return NULL;
	for (taddr at = source->start; at < source->end && !err; at += 512) {
		uint64_t mask = 0;
		unsigned n = source->end - at < 512 ? (unsigned)((source->end - at) / 8) : 64;

		heap->ops->slots(heap->ctx, r->blocks->claim_no[claim - r->blocks->claims], at, n,
				 &mask);
		for (; mask && !err; mask &= mask - 1)
			err = slot_root(r, source, at + 8 * (unsigned)__builtin_ctzll(mask));
	}
	return err;
}

static struct err *add_special(void *arg, const struct go_special *s)
{
	const struct go_roots *r = arg;
	const struct go_layout *l = &r->go->layout;
	struct root_source source = {
		.kind = ROOT_FINALIZER,
		.thread = UINT32_MAX,
		.exact = true,
		.module = -1,
		.start = s->object,
		.end = s->object + s->elem,
	};
	bool is_new = !r->go->minor || r->go->minor >= 26; /* cleanupFn {call, fn, arg} */
	struct err *err;

	if (s->kind == l->special_kind.finalizer) {
		err = slot_root(r, &source, s->fields);
		return err || s->noscan ? err : add_slots(r, &source);
	}
	if (s->kind == l->special_kind.cleanup) {
		err = slot_root(r, &source, s->fields);
		for (unsigned i = 1; is_new && i < 3 && !err; i++)
			err = slot_root(r, &source, s->fields + 8 * i);
		return err;
	}
	if (s->kind != l->special_kind.weak_handle)
		return NULL;
	source.kind = ROOT_RUNTIME;
	return slot_root(r, &source, s->fields);
}

/* ---- queues of what is to be called ---- */

/* finblock {alllink, next, cnt, fin[cnt] {fn, arg, nret, fint, ot}}: all but nret are pointers. */
static struct err *add_finalizer_block(const struct go_roots *r, taddr at)
{
	struct root_source source = {
		.kind = ROOT_FINALIZER, .thread = UINT32_MAX, .module = -1, .start = at, .end = at, .exact = true
	};
	struct err *err = NULL;
	uint32_t n;

	if (image_read_u32(r->img, at + 16, &n) || n > (FIN_BLOCK - FIN_HEADER) / FINALIZER)
		return NULL;
	for (uint32_t i = 0; i < 5 * n && !err; i++)
		if (i % 5 != 2)
			err = slot_root(r, &source, at + FIN_HEADER + 8 * i);
	return err;
}

/*
 * cleanupBlock {lfnode {next, pushcnt}, alllink, n, cleanups[n]}: a funcval in 1.25, {call, fn,
 * arg} since.
 */
static struct err *add_cleanup_block(const struct go_roots *r, taddr at)
{
	struct root_source source = {
		.kind = ROOT_FINALIZER, .thread = UINT32_MAX, .module = -1, .start = at, .end = at, .exact = true
	};
	uint32_t n, words = r->go->minor == 25 ? 1 : 3;
	struct err *err = NULL;

	if (image_read_u32(r->img, at + 24, &n) ||
	    n > (CLEANUP_BLOCK - CLEANUP_HEADER) / (8 * words))
		return NULL;
	for (uint32_t i = 0; i < words * n && !err; i++)
		err = slot_root(r, &source, at + CLEANUP_HEADER + 8 * i);
	return err;
}

static struct err *add_queue(const struct go_roots *r, taddr first, unsigned link,
			     struct err *(*add)(const struct go_roots *r, taddr at))
{
	taddr at = first, seen = 0;
	struct err *err = NULL;

	for (uint64_t i = 0; at && i < BLOCKS_MAX && !err; i++) {
		err = add(r, at);
		at = go_word(r->go, at + link);
		if (at == seen)
			break; /* a loop: Brent's check */
		if (is_pow2(i + 1))
			seen = at;
	}
	return err;
}

static struct err *add_queues(const struct go_roots *r)
{
	unsigned line = r->img->target->id == TARGET_AARCH64 ? 128 : 64; /* cpu.CacheLinePadSize */
	struct err *err = NULL;

	if (r->go->at.allfin)
		err = add_queue(r, go_word(r->go, r->go->at.allfin), 0, add_finalizer_block);
	if (!err && r->go->at.gcCleanups) /* cleanupQueue {full ..; free ..; all} */
		err = add_queue(r, go_word(r->go, r->go->at.gcCleanups + 2 * line), 16,
				add_cleanup_block);
	return err;
}

/* ---- the tiny allocators (gcMarkTinyAllocs) ---- */

static struct err *add_tiny(const struct go_roots *r)
{
	const struct go_layout *l = &r->go->layout;
	struct root_source source = { .kind = ROOT_RUNTIME, .thread = UINT32_MAX, .module = -1, .exact = true };
	struct err *err = NULL;
	taddr ps;
	uint64_t n;

	if (!r->go->at.allp || l->p.mcache == GO_ABSENT || l->mcache.tiny == GO_ABSENT ||
	    !go_slice(r->go, r->go->at.allp, 8, &ps, &n))
		return NULL;
	for (uint64_t i = 0; i < n && i < PROCESSORS_MAX && !err; i++) {
		taddr p = go_word(r->go, ps + 8 * i),
		      mcache = p ? go_word(r->go, p + l->p.mcache) : 0;

		if (mcache)
			err = slot_root(r, &source, mcache + l->mcache.tiny);
	}
	return err;
}

/* ---- memory that only Go's rules apply to ---- */

/* Every arena: its objects, stacks and free pages. */
static struct err *exclude_arenas(const struct go_roots *r)
{
	const struct go_layout *l = &r->go->layout;
	taddr base = r->img->target->id == TARGET_X86_64 ? 0xffff800000000000 : 0, list, l2;
	struct err *err = NULL;
	uint64_t n;

	if (!r->go->at.mheap || l->mheap.heapArenas == GO_ABSENT || l->mheap.arenas == GO_ABSENT ||
	    !go_slice(r->go, r->go->at.mheap + l->mheap.heapArenas, 8, &list, &n))
		return NULL;
	l2 = go_word(r->go, r->go->at.mheap + l->mheap.arenas);
	for (uint64_t i = 0; l2 && i < n && i < ARENAS_MAX && !err; i++) {
		uint64_t no = go_word(r->go, list + 8 * i);
		taddr at = base + no * ARENA_BYTES;

		if (no >= ARENAS_MAX || !go_word(r->go, l2 + 8 * no))
			continue;
		err = r->sink->exclude(r->sink, at, at + ARENA_BYTES);
	}
	return err;
}

static struct err *find(struct env *env, const struct image *img, const struct blocks *blocks,
			struct root_sink *sink)
{
	struct go_roots r = {
		.env = env, .img = img, .go = img->go, .blocks = blocks, .sink = sink
	};
	struct err *err;

	if (!img->go)
		return NULL;
	err = add_globals(&r);
	if (!err)
		err = go_roots_stacks(&r);
	if (!err)
		err = go_specials_each(r.env, r.go, add_special, &r);
	if (!err)
		err = add_queues(&r);
	if (!err)
		err = add_tiny(&r);
	return err ? err : exclude_arenas(&r);
}

/* ---- in words ---- */

/* The function a *funcval calls. */
static void describe_funcval(const struct go *go, taddr slot, struct text *ret)
{
	taddr fn = go_word(go, slot);
	struct go_func f;

	if (!fn || !go_func_at(go, go_word(go, fn), &f))
		return;
	text_add(ret, " ");
	go_func_name(go, &f, ret);
}

static void describe_special(const struct image *img, const struct root_source *source,
			     uint64_t where, struct text *ret)
{
	if (source->start == source->end) {
		text_add(ret, "finalizer or cleanup that waits to be run");
	} else if (where >= source->start && where < source->end) {
		text_printf(ret, "finalizer's object at 0x%llx, +0x%llx",
			    (unsigned long long)source->start,
			    (unsigned long long)(where - source->start));
	} else {
		text_add(ret, "finalizer or cleanup");
		describe_funcval(img->go, where, ret);
		text_printf(ret, " of the object at 0x%llx", (unsigned long long)source->start);
	}
}

/* The last call is the function that the frame is of: the others were inlined into it. */
static void on_call(void *arg, const char *function, const char *file, unsigned line)
{
	struct root_place *p = arg;
	const char *slash = file ? strrchr(file, '/') : NULL;

	text_reset(&p->function);
	text_add(&p->function, function);
	text_reset(&p->frame);
	text_add(&p->frame, function);
	if (file)
		text_printf(&p->frame, " (%s:%u)", slash ? slash + 1 : file, line);
	text_reset(&p->file);
	text_add(&p->file, file ? file : "");
	p->line = line;
}

/* Where a program called the runtime says more than where in the runtime it waits. */
static void on_outer_call(void *arg, const char *function, const char *file, unsigned line)
{
	struct root_place *p = arg;

	(void)function;
	if (!file)
		return;
	text_reset(&p->file);
	text_add(&p->file, file);
	p->line = line;
}

static const struct go_frame *frame_at(const struct goroutine *g, taddr at)
{
	size_t lo = partition_point(g->n_frames, i, g->frames[i].sp <= at); /* the first one that begins past it */

	return lo ? &g->frames[lo - 1] : NULL;
}

/* In the words of a traceback, and how long it waits as far as that is known. */
static void describe_state(const struct go *go, const struct goroutine *g, struct text *ret)
{
	text_printf(ret, "goroutine %llu [%s", (unsigned long long)g->id,
		    g->wait_reason ? g->wait_reason : go_status_name(g->status));
	if (goroutine_waited(go, g) >= 1000000000) {
		text_add(ret, ", at least ");
		text_add_duration(ret, goroutine_waited(go, g));
	}
	text_add(ret, "]");
}

static bool is_runtime(const struct go *go, const struct go_frame *f)
{
	struct go_func func;
	char name[8];

	return go_func_at(go, f->entry, &func) && func.name_length > sizeof(name) &&
	       image_read(go->img, func.name, name, sizeof(name)) == MEM_OK &&
	       !memcmp(name, "runtime.", sizeof(name));
}

/* The innermost one that is not the runtime's own. */
static const struct go_frame *first_frame(const struct go *go, const struct goroutine *g)
{
	for (size_t i = 0; i < g->n_frames; i++)
		if (!is_runtime(go, &g->frames[i]))
			return &g->frames[i];
	return g->n_frames ? &g->frames[0] : NULL;
}

/* The frame a slot belongs to: arguments lie in the caller's, and are the called function's. */
static const struct go_frame *frame_of(const struct go *go, const struct goroutine *g,
				       uint64_t where)
{
	const struct go_frame *f = frame_at(g, where);
	struct go_func callee;

	if (where < g->stack_low || where >= g->stack_high || !f)
		return first_frame(go, g);
	if (f == g->frames || !go_func_at(go, f[-1].entry, &callee) || callee.args <= 0 ||
	    where - go_frame_args(go->img, &f[-1]) >= (uint32_t)callee.args)
		return f;
	return f - 1;
}

static const struct goroutine *goroutine_of(const struct image *img,
					    const struct root_source *source)
{
	const struct go *go = source->kind == ROOT_GOROUTINE ? img->go : NULL;

	return go && source->thread < go->n_goroutines ? &go->goroutines[source->thread] : NULL;
}

static bool place(const struct image *img, const struct root_source *source, uint64_t where,
		  struct root_place *ret)
{
	const struct goroutine *g = goroutine_of(img, source);
	const struct go_frame *f = g ? frame_of(img->go, g, where) : NULL;

	if (g)
		ret->goroutine = g->id;
	if (!f)
		return source->kind == ROOT_GOROUTINE;
	go_source(img->go, go_frame_source_pc(f), on_call, ret);
	if (!is_runtime(img->go, f))
		return true;
	while (++f < g->frames + g->n_frames)
		if (!is_runtime(img->go, f)) {
			go_source(img->go, go_frame_source_pc(f), on_outer_call, ret);
			break;
		}
	return true;
}

/* The variable a slot of a frame belongs to, where debug information tells. */
static void describe_variable(const struct image *img, const struct go_frame *f, uint64_t where,
			      struct text *ret)
{
	const struct module *m = image_module_at(img, f->entry);
	struct dbg_entry e;
	uint64_t into;

	if (!m || !dbg_local(img, m, go_frame_source_pc(f), (int64_t)(where - f->fp), &e, &into) ||
	    !e.name)
		return;
	text_printf(ret, ", in %s", e.name);
	if (into)
		text_printf(ret, "+0x%llx", (unsigned long long)into);
}

/* What it holds outside its stack. */
static const char *what_else(const struct image *img, const struct goroutine *g, uint64_t where)
{
	if (g->signal_regs && where - g->signal_regs < 8 * go_signal_regs(img))
		return ", in a register";
	if (where == g->g + img->go->layout.g.sched_sp + GOBUF_CTXT)
		return ", in its context register";
	return ", for a deferred call";
}

static void describe_goroutine(const struct image *img, const struct root_source *source,
			       uint64_t where, struct text *ret)
{
	const struct goroutine *g = goroutine_of(img, source);
	struct root_place p = ROOT_PLACE_INIT;
	const struct go_frame *f;

	if (!g) {
		text_add(ret, "an unknown goroutine");
		return;
	}
	describe_state(img->go, g, ret);
	place(img, source, where, &p);
	if (p.frame.n)
		text_printf(ret, " %s", text_str(&p.frame));
	f = frame_of(img->go, g, where);
	if (where < g->stack_low || where >= g->stack_high)
		text_add(ret, what_else(img, g, where));
	else if (f && !f->is_precise)
		text_add(ret, ", not by a stack map");
	else if (f)
		describe_variable(img, f, where, ret);
	root_place_fini(&p);
}

static bool describe(const struct image *img, const struct root_source *source, uint64_t where,
		     struct text *ret)
{
	switch ((enum root_kind)source->kind) {
	case ROOT_GOROUTINE:
		describe_goroutine(img, source, where, ret);
		break;
	case ROOT_FINALIZER:
		describe_special(img, source, where, ret);
		break;
	case ROOT_RUNTIME:
		if (source->end)
			text_printf(ret, "weak pointer to the object at 0x%llx",
				    (unsigned long long)source->start);
		else
			text_add(ret, "block that the tiny allocator fills");
		break;
	default:
		return false;
	}
	return true;
}

extern const struct rooter_ops rooter_go;
const struct rooter_ops rooter_go = { .name = "go",
				      .find = find,
				      .describe = describe,
				      .place = place };
