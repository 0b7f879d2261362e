/*
 * type/roots_go_stack.c - what goroutines hold, exactly as the collector sees it.
 *
 * runtime/mgcmark.go, scanstack(): each frame's arguments and locals by the stack map of its pc;
 * objects on the stack whose address was taken (FUNCDATA_StackObjects) when something live points
 * at them; the saved context register; deferred calls and panics.  A frame that stopped between any
 * two instructions (running, preempted by a signal) has no map: its words are taken conservatively,
 * with the registers.  Registers of a thread in a system call hold nothing that its goroutine's
 * stack does not hold.
 */
#include <stdlib.h>

#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "image/go_sched.h"
#include "image/shadow.h"
#include "type/roots_go.h"

enum {
	CACHE = 4096,	       /* places; a power of two */
	OBJECTS_MAX = 1 << 16, /* records of one function */
	DEFERS_MAX = 1 << 20,
	XREGS_AMD64 = 2112, /* bytes of runtime.xRegState: z0-z31, k0-k7 */
	XREGS_ARM64 = 512,  /* v0-v31 */
	SLOTS_MAX = 1 << 28, /* stack words looked at in all, beyond once each */
};

/* The maps that hold at a pc. */
struct place {
	taddr pc;
	bool known, has_func;
	struct go_func func;
	int32_t map;		      /* index of the stack map, -1: out of range */
	const uint8_t *locals, *args; /* NULL: nothing live */
	uint32_t n_locals, n_args;
	bool no_locals, no_args; /* there should be a map, and is none */
	taddr objects;
	uint32_t n_objects;
};

struct object {
	taddr at;
	uint32_t size, ptr_bytes;
	const uint8_t *mask; /* NULL: every word may hold a pointer */
	uint64_t avail;	     /* bytes at mask */
	bool done;
};

struct stacks {
	const struct go_roots *r;
	struct place *cache;
	struct {
		struct object *v;
		size_t n, cap;
	} objects; /* of the goroutine at hand */
	struct {
		taddr *v;
		size_t n, cap;
	} queue; /* addresses in its stack that something live holds */
	bool sorted;
	struct root_source source;
	const struct goroutine *g;
	const uint8_t *bytes; /* of its stack; NULL unless they lie together */
	uint64_t budget;      /* slots, for stacks that claim more than their size */
	uint64_t n_conservative, n_unmapped;
};

static bool word_at(const struct stacks *s, taddr at, taddr *ret)
{
	if (s->bytes && at - s->g->stack_low < s->g->stack_high - s->g->stack_low &&
	    s->g->stack_high - at >= 8) {
		*ret = load_u64(s->bytes + (at - s->g->stack_low));
		return true;
	}
	return image_read_u64(s->r->img, at, ret) == MEM_OK;
}

/* A live slot: its value is a root, or leads to an object of the stack. */
static struct err *take_value(struct stacks *s, taddr value, taddr where)
{
	if (value < 4096)
		return NULL;
	if (value >= s->g->stack_low && value < s->g->stack_high)
		image_keep(s->r->img, where, 8);
	if (value >= s->g->stack_low && value < s->g->stack_high)
		return vec_push(&s->queue, &value) ? NULL : &err_nomem;
	return go_root(s->r, &s->source, value, where);
}

static struct err *take_slot(struct stacks *s, taddr at)
{
	taddr value;

	if (!s->budget)
		return NULL;
	s->budget--;
	return word_at(s, at, &value) ? take_value(s, value, at) : NULL;
}

/* ---- words and bitmaps ---- */

/* Whatever looks like a pointer. */
static struct err *take_words(struct stacks *s, taddr start, taddr end)
{
	struct err *err = NULL;

	if (start < s->g->stack_low)
		start = s->g->stack_low;
	if (end > s->g->stack_high)
		end = s->g->stack_high;
	s->source.exact = false;
	for (taddr at = align_up(start, 8); at < end && end - at >= 8 && !err && s->budget; at += 8)
		err = take_slot(s, at);
	s->source.exact = true;
	return err;
}

/* n slots from `start`, of which `mask` says which hold pointers. */
static struct err *take_mask(struct stacks *s, taddr start, const uint8_t *mask, uint64_t n)
{
	struct err *err = NULL;

	for (uint64_t i = 0; i < n && !err; i++) {
		taddr at = start + 8 * i;

		if (!(i & 7) && !mask[i / 8]) {
			i += 7;
			continue;
		}
		if (mask[i / 8] >> (i & 7) & 1 && at >= s->g->stack_low && at < s->g->stack_high)
			err = take_slot(s, at);
	}
	return err;
}

/* ---- stack maps ---- */

/* struct stackmap {n, nbit int32; bytedata}: false when there is no map number `index`. */
static bool stack_map(const struct stacks *s, taddr at, int32_t index, const uint8_t **ret,
		      uint32_t *ret_n)
{
	uint64_t avail = 0, stride;
	const uint8_t *p = at ? image_view(s->r->img, at, &avail) : NULL;
	int32_t n, bits;

	if (!p || avail < 8)
		return false;
	n = (int32_t)load_u32(p);
	bits = (int32_t)load_u32(p + 4);
	if (n <= 0 || bits < 0)
		return false;
	image_keep_exact(s->r->img, p, 8);
	if (!bits) {
		*ret_n = 0;
		return true;
	}
	stride = ((uint64_t)bits + 7) / 8;
	if (index < 0 || index >= n || stride * ((uint64_t)index + 1) > avail - 8)
		return false;
	*ret = p + 8 + stride * (uint64_t)index;
	image_keep_exact(s->r->img, *ret, stride);
	*ret_n = (uint32_t)bits;
	return true;
}

static void read_objects(const struct stacks *s, struct place *p)
{
	taddr at = go_funcdata(s->r->go, &p->func, GO_FUNCDATA_STACK_OBJECTS);
	uint64_t n;

	if (!at || image_read_u64(s->r->img, at, &n) || n > OBJECTS_MAX)
		return;
	p->objects = at + 8;
	p->n_objects = (uint32_t)n;
}

/*
 * stkframe.getStackMap(): the map of the call before pc; before the first instruction the first
 * one.
 */
static const struct place *place_at(struct stacks *s, taddr pc)
{
	struct place *p = &s->cache[(pc ^ pc >> 12) & (CACHE - 1)];
	const struct go *go = s->r->go;
	int32_t map = -1;

	if (p->known && p->pc == pc)
		return p;
	*p = (struct place){ .pc = pc, .known = true };
	p->has_func = go_func_at(go, pc, &p->func);
	if (!p->has_func)
		return p;
	if (pc == p->func.entry || !go_pcdata(go, &p->func, GO_PCDATA_STACK_MAP, pc - 1, &map) ||
	    map == -1)
		map = 0;
	p->map = map;
	p->no_locals = !stack_map(s, go_funcdata(go, &p->func, GO_FUNCDATA_LOCALS), map, &p->locals,
				  &p->n_locals);
	p->no_args = !stack_map(s, go_funcdata(go, &p->func, GO_FUNCDATA_ARGS), map, &p->args,
				&p->n_args);
	read_objects(s, p);
	return p;
}

/* ---- frames ---- */

/* No map: everything in the frame, and its arguments. */
static struct err *take_frame_words(struct stacks *s, const struct go_frame *f,
				    const struct go_func *func)
{
	taddr args = go_frame_args(s->r->img, f), end = go_frame_locals_end(s->r->img, f);
	struct err *err;

	s->n_conservative++;
	if (s->r->img->target->id == TARGET_AARCH64 && end < s->g->stack_high)
		end += 16; /* the link register that a signal handler pushed */
	err = take_words(s, f->sp, end);
	if (!err && func && func->args > 0)
		err = take_words(s, args, args + (uint32_t)func->args);
	return err;
}

/* One more object of the stack: off from the end of the locals, or from the arguments. */
static struct err *add_object(struct stacks *s, const struct go_frame *f, const uint8_t *record,
			      const struct go_module *m)
{
	int32_t off = (int32_t)load_u32(record), ptr_bytes = (int32_t)load_u32(record + 8);
	const struct image *img = s->r->img;
	taddr base = off < 0 ? go_frame_locals_end(img, f) : go_frame_args(img, f);
	struct object o = { .at = base + (taddr)(int64_t)off, .size = load_u32(record + 4) };

	if (o.at < f->sp || o.at >= s->g->stack_high || o.at % 8 ||
	    o.size > s->g->stack_high - o.at)
		return NULL; /* not made yet, or damage */
	if (ptr_bytes >= 0)
		o.mask = image_view(img, m->rodata + load_u32(record + 12), &o.avail);
	o.ptr_bytes = (uint32_t)(ptr_bytes < 0 ? -(int64_t)ptr_bytes :
						 ptr_bytes); /* below 0: a GC program, to 1.23 */
	if (o.ptr_bytes > o.size)
		o.ptr_bytes = o.size;
	if (o.mask && o.avail < ((uint64_t)o.ptr_bytes / 8 + 7) / 8)
		o.mask = NULL;
	if (o.mask)
		image_keep_exact(img, o.mask, ((uint64_t)o.ptr_bytes / 8 + 7) / 8);
	s->sorted &= !s->objects.n || s->objects.v[s->objects.n - 1].at <= o.at;
	return vec_push(&s->objects, &o) ? NULL : &err_nomem;
}

static struct err *add_objects(struct stacks *s, const struct go_frame *f, const struct place *p)
{
	struct err *err = NULL;

	for (uint32_t i = 0; i < p->n_objects && !err && s->budget; i++) {
		uint8_t record[16];
		const uint8_t *at;
		uint64_t avail;

		s->budget--;
		if (image_read(s->r->img, p->objects + 16ull * i, record, sizeof(record)) != MEM_OK)
			break;
		at = image_view(s->r->img, p->objects + 16ull * i, &avail);
		image_keep_exact(s->r->img, at, at && avail >= sizeof(record) ? sizeof(record) : 0);
		err = add_object(s, f, record, p->func.module);
	}
	return err;
}

/*
 * reflect.makeFuncStub and reflect.methodValueCall take the arguments of whatever they stand for:
 * their map is in the *reflect.methodValue at the bottom of the frame, {fn, *bitvector, argLen},
 * and abi.RegArgs, {ints, floats, ptrs, ..} of which only the last hold pointers, ends their
 * locals.
 */
static struct err *take_reflect(struct stacks *s, const struct go_frame *f)
{
	static const uint8_t regs_amd64[] = { 0, 0, 0, 0xff, 1 },
			     regs_arm64[] = { 0, 0, 0, 0, 0xff, 0xff };
	const struct image *img = s->r->img;
	bool is_arm = img->target->id == TARGET_AARCH64;
	uint32_t size = is_arm ? 392 : 272;
	taddr arg0 = f->sp + (is_arm ? 8 : 0), value, fn = 0, vector = 0, bits = 0, length = 0,
	      valid = 0;
	uint32_t n = 0;
	uint64_t avail = 0;
	const uint8_t *mask;
	struct object regs = { .at = go_frame_locals_end(img, f) - size,
			       .size = size,
			       .ptr_bytes = is_arm ? 384 : 264,
			       .mask = is_arm ? regs_arm64 : regs_amd64 };
	struct err *err = NULL;

	if (arg0 >= f->fp - (is_arm ? 0 : 8) || !word_at(s, arg0, &value))
		return NULL;
	if (image_read_u64(img, value, &fn) || fn != f->entry ||
	    image_read_u64(img, value + 8, &vector) || image_read_u64(img, value + 16, &length) ||
	    image_read_u32(img, vector, &n) || image_read_u64(img, vector + 8, &bits) ||
	    !word_at(s, arg0 + 32, &valid))
		return take_frame_words(s, f, NULL);
	image_keep(img, arg0, 8);
	image_keep(img, arg0 + 32, 1);
	if (!(valid & 0xff) && length / 8 < n)
		n = (uint32_t)(length / 8);
	mask = n ? image_view(img, bits, &avail) : NULL;
	if (mask && avail >= ((uint64_t)n + 7) / 8)
		image_keep_exact(img, mask, ((uint64_t)n + 7) / 8);
	if (mask && avail >= ((uint64_t)n + 7) / 8)
		err = take_mask(s, go_frame_args(img, f), mask, n);
	if (err || regs.at < f->sp || regs.at >= s->g->stack_high)
		return err;
	s->sorted &= !s->objects.n || s->objects.v[s->objects.n - 1].at <= regs.at;
	return vec_push(&s->objects, &regs) ? NULL : &err_nomem;
}

static struct err *take_args(struct stacks *s, const struct go_frame *f, const struct place *p)
{
	taddr args = go_frame_args(s->r->img, f);

	if (p->func.args <= 0)
		return NULL;
	if (!p->no_args)
		return p->args ? take_mask(s, args, p->args, p->n_args) : NULL;
	s->n_unmapped++;
	return take_words(s, args, args + (uint32_t)p->func.args);
}

static struct err *take_locals(struct stacks *s, const struct go_frame *f, const struct place *p)
{
	taddr end = go_frame_locals_end(s->r->img, f);
	unsigned least = s->r->img->target->id == TARGET_AARCH64 ? 16 : 0;

	if (end <= f->sp || end - f->sp <= least)
		return NULL;
	if (p->no_locals) {
		s->n_unmapped++;
		return take_words(s, f->sp, end);
	}
	if (!p->locals || p->n_locals > (end - s->g->stack_low) / 8)
		return NULL;
	return take_mask(s, end - 8ull * p->n_locals, p->locals, p->n_locals);
}

static struct err *take_frame(struct stacks *s, const struct go_frame *f)
{
	const struct place *p;
	struct err *err;

	p = place_at(s, f->live_pc ? f->live_pc : f->pc);
	if (!f->is_precise || !p->has_func)
		return take_frame_words(s, f, p->has_func ? &p->func : NULL);
	if (!f->live_pc)
		return NULL;
	err = take_locals(s, f, p);
	if (err)
		return err;
	if (p->func.args == INT32_MIN)
		return take_reflect(s, f);
	err = take_args(s, f, p);
	return err ? err : add_objects(s, f, p);
}

/* ---- what is no frame ---- */

static struct err *take_thread_registers(struct stacks *s)
{
	const struct image *img = s->r->img;
	const struct thread *t = &img->threads[s->g->thread];
	struct root_source goroutine = s->source;
	struct err *err = NULL;

	s->source =
		(struct root_source){ .kind = ROOT_REGISTER, .thread = s->g->thread, .module = -1 };
	for (unsigned i = 0; i < img->target->n_regs && i < TARGET_MAX_REGS && !err; i++)
		err = take_value(s, t->regs[i], i);
	s->source.kind = ROOT_VECTOR;
	for (size_t i = 0; i < t->n_vectors && !err; i++)
		err = take_value(s, t->vectors[i].value, t->vectors[i].no);
	s->source = goroutine;
	return err;
}

static struct err *take_registers(struct stacks *s)
{
	struct err *err = NULL;

	s->source.exact = false;
	if (s->g->on_cpu && s->g->thread < s->r->img->n_threads)
		err = take_thread_registers(s);
	else
		for (unsigned i = 0; s->g->signal_regs && i < go_signal_regs(s->r->img) && !err; i++)
			err = take_slot(s, s->g->signal_regs + 8 * i);
	s->source.exact = true;
	return err;
}

/*
 * The chain of _defer records, on the stack and off it: {.., heap, .., sp, pc, fn, [_panic], link}.
 */
static struct err *take_defers(struct stacks *s)
{
	const struct go_layout *l = &s->r->go->layout;
	bool is_old = s->r->go->minor && s->r->go->minor < 22;
	unsigned heap = is_old ? 1 : 0, link = is_old ? 40 : 32;
	taddr slot = s->g->g + l->g.defer_, at;
	struct err *err = NULL;

	if (l->g.defer_ == GO_ABSENT)
		return NULL;
	for (unsigned n = 0; n < DEFERS_MAX && !err && s->budget; n++) {
		uint8_t is_heap;

		if (!word_at(s, slot, &at) || !at ||
		    image_read(s->r->img, at + heap, &is_heap, 1) != MEM_OK)
			break;
		image_keep(s->r->img, slot, 8);
		if (n)
			err = take_slot(s, slot); /* the link of the one before */
		if (!err && is_heap)
			err = take_value(s, at, slot);
		if (!err)
			err = take_slot(s, at + 24);
		slot = at + link;
	}
	return err;
}

/* Vector registers of one that a signal preempted: off its stack since 1.26, scanned since 1.27. */
static struct err *take_vectors(struct stacks *s)
{
	const struct go *go = s->r->go;
	uint64_t bytes = s->r->img->target->id == TARGET_AARCH64 ? XREGS_ARM64 : XREGS_AMD64;
	struct err *err = NULL;
	taddr at;

	if (go->layout.g.xRegs == GO_ABSENT || (go->minor && go->minor < 27) ||
	    !word_at(s, s->g->g + go->layout.g.xRegs, &at) || !at)
		return NULL;
	s->source.exact = false;
	for (uint64_t i = 0; i < bytes && !err; i += 8)
		err = take_slot(s, at + i);
	s->source.exact = true;
	return err;
}

static struct err *take_rest(struct stacks *s)
{
	const struct go_layout *l = &s->r->go->layout;
	struct err *err = NULL;
	taddr panic = 0;

	if (l->g.sched_sp != GO_ABSENT)
		err = take_slot(s, s->g->g + l->g.sched_sp + GOBUF_CTXT);
	if (!err)
		err = take_defers(s);
	if (!err)
		err = take_vectors(s);
	if (!err && l->g.panic != GO_ABSENT && word_at(s, s->g->g + l->g.panic, &panic) &&
	    panic >= s->g->stack_low && panic < s->g->stack_high)
		image_keep(s->r->img, s->g->g + l->g.panic, 8);
	if (!err && panic >= s->g->stack_low && panic < s->g->stack_high)
		err = vec_push(&s->queue, &panic) ? NULL : &err_nomem;
	return err;
}

/* ---- objects on the stack ---- */

static int by_address(const void *a, const void *b)
{
	const struct object *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static struct object *object_at(const struct stacks *s, taddr at)
{
	size_t lo = partition_point(s->objects.n, i, s->objects.v[i].at <= at); /* the first one past it */

	return lo && at - s->objects.v[lo - 1].at < s->objects.v[lo - 1].size ?
		       &s->objects.v[lo - 1] :
		       NULL;
}

/* Those that live slots point at, and those that these point at. */
static struct err *take_objects(struct stacks *s)
{
	struct err *err = NULL;

	if (!s->sorted)
		qsort(s->objects.v, s->objects.n, sizeof(*s->objects.v), by_address);
	while (s->queue.n && !err) {
		struct object *o = object_at(s, s->queue.v[--s->queue.n]);

		if (!o || o->done)
			continue;
		o->done = true;
		err = o->mask ? take_mask(s, o->at, o->mask, o->ptr_bytes / 8) :
				take_words(s, o->at, o->at + o->ptr_bytes);
	}
	return err;
}

/* ---- one goroutine ---- */

static void begin(struct stacks *s, const struct goroutine *g, uint32_t no)
{
	uint64_t avail = 0;

	s->g = g;
	s->bytes = image_view(s->r->img, g->stack_low, &avail);
	if (avail < g->stack_high - g->stack_low)
		s->bytes = NULL;
	s->source = (struct root_source){
		.kind = ROOT_GOROUTINE,
		.thread = no,
		.module = -1,
		.start = g->stack_low,
		.end = g->stack_high,
		.is_busy = g->status != GO_WAITING,
		.exact = true,
	};
	s->objects.n = 0;
	s->queue.n = 0;
	s->sorted = true;
	s->budget += (g->stack_high - g->stack_low) / 8;
}

static struct err *take_goroutine(struct stacks *s)
{
	const struct goroutine *g = s->g;
	struct err *err = take_registers(s);

	for (size_t i = 0; i < g->n_frames && !err; i++)
		err = take_frame(s, &g->frames[i]);
	if (!err && !g->complete) { /* cut: what lies above is anyone's */
		s->n_conservative++;
		err = take_words(s, g->n_frames ? g->frames[g->n_frames - 1].fp : g->sp,
				 g->stack_high);
	}
	if (!err)
		err = take_rest(s);
	return err ? err : take_objects(s);
}

static bool has_stack(const struct goroutine *g)
{
	return g->status != GO_DEAD && g->status != GO_IDLE && g->status != GO_DEADEXTRA &&
	       g->stack_low < g->stack_high;
}

static struct err *take_all(struct stacks *s)
{
	const struct go *go = s->r->go;
	struct err *err = NULL;

	for (size_t i = 0; i < go->n_goroutines && i < UINT32_MAX && !err; i++) {
		if (!has_stack(&go->goroutines[i]))
			continue;
		begin(s, &go->goroutines[i], (uint32_t)i);
		err = take_goroutine(s);
	}
	if (s->n_unmapped)
		diag(s->r->env, "go/stack-map", ERR_NOWHERE,
		     "%llu parts of frames without a stack map: all of their words count",
		     (unsigned long long)s->n_unmapped);
	if (!s->budget)
		diag(s->r->env, "go/stack-limit", ERR_NOWHERE,
		     "stacks name more slots than they have: some are not read");
	return err;
}

struct err *go_roots_stacks(const struct go_roots *r)
{
	struct stacks s = { .r = r, .cache = calloc(CACHE, sizeof(*s.cache)), .budget = SLOTS_MAX };
	struct err *err = s.cache ? take_all(&s) : &err_nomem;

	free(s.cache);
	free(s.objects.v);
	free(s.queue.v);
	return err;
}
