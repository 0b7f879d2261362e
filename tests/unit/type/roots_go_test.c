/*
 * The Go rooter on a runtime word by word: which slots of globals, frames, stack objects, deferred
 * calls, specials and queues are pointers to it, and which are not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fake_go.h"
#include "image/go_sched.h"
#include "type/rooter.h"

extern const struct rooter_ops rooter_go;

enum { WORKER, CALLER, GOPARK, GOEXIT, ASYNC, UNMAPPED, OBJECTS, DEAD_SLOTS, MAKE_FUNC, SIGPANIC };
enum { TOP_FRAME = 1 };

/* Frames of 0x28 bytes: four words of locals at sp, the saved frame pointer, the return address. */
static const struct fake_func funcs[] = {
	[WORKER] = { "main.worker", .frame = 0x28, .args = 16, .n_locals = 4, .locals = { 0x5 },
		     .n_args = 2, .arg_bits = 0x2 },
	[CALLER] = { "main.caller", .frame = 0x28, .n_locals = 4, .locals = { 0x1, 0x8 },
		     .map = 1 },
	[GOPARK] = { "runtime.gopark", .frame = 0x18, .n_locals = 2, .locals = { 0 } },
	[GOEXIT] = { "runtime.goexit", .id = 8, .flag = TOP_FRAME },
	[ASYNC] = { "runtime.asyncPreempt", .frame = 0x28, .id = 3 },
	[UNMAPPED] = { "main.unmapped", .frame = 0x28 },
	/* Words 0 and 3 are live; objects: words 1 and 2 (a pointer in each), and word 3. */
	[OBJECTS] = { "main.objects", .frame = 0x28, .n_locals = 4, .locals = { 0x1 },
		      .objects = { { -0x18, 16, 0x3 }, { -8, 8, 0x1 } } },
	[DEAD_SLOTS] = { "main.dead", .frame = 0x28, .n_locals = 4, .locals = { 0 } },
	[MAKE_FUNC] = { "reflect.makeFuncStub", .frame = 0x148, .args = INT32_MIN, .n_locals = 40,
			.locals = { 0 } },
	[SIGPANIC] = { "runtime.sigpanic", .frame = 0x18, .id = 20, .n_locals = 2,
		       .locals = { 0 } },
	{},
};

/* What the rooter said. */
enum { SEEN_MAX = 256 };
struct seen {
	struct root_sink sink; /* first: the ops cast back */
	struct {
		taddr value, where;
		struct root_source source;
	} v[SEEN_MAX];
	size_t n;
	struct {
		taddr start, end;
	} excluded[SEEN_MAX];
	size_t n_excluded;
};

static struct err *no_range(struct root_sink *sink, const struct root_source *source)
{
	(void)sink;
	(void)source;
	fail();
	return NULL;
}

static struct err *no_value(struct root_sink *sink, const struct root_source *source,
			    uint64_t value, uint64_t where)
{
	(void)value;
	(void)where;
	return no_range(sink, source);
}

static struct err *on_exclude(struct root_sink *sink, taddr start, taddr end)
{
	struct seen *s = (struct seen *)sink;

	assert_true(s->n_excluded < SEEN_MAX && start < end);
	s->excluded[s->n_excluded].start = start;
	s->excluded[s->n_excluded++].end = end;
	return NULL;
}

static struct err *on_pointer(struct root_sink *sink, const struct root_source *source,
			      uint64_t value, uint64_t where)
{
	struct seen *s = (struct seen *)sink;

	assert_true(s->n < SEEN_MAX);
	s->v[s->n].value = value;
	s->v[s->n].where = where;
	s->v[s->n++].source = *source;
	return NULL;
}

struct world {
	struct env env;
	struct fake_go *f;
	struct blocks blocks;
	struct seen seen;
};

static void start(struct world *w, unsigned minor, enum target_id target)
{
	memset(w, 0, sizeof(*w));
	env_init(&w->env);
	w->f = fake_go_new(&w->env, minor, target, funcs);
	w->seen.sink = (struct root_sink){ no_range, no_value, on_exclude, on_pointer };
}

static void find(struct world *w)
{
	assert_null(go_sched_open(&w->f->go));
	assert_null(rooter_go.find(&w->env, &w->f->image->img, &w->blocks, &w->seen.sink));
}

static void finish(struct world *w)
{
	fake_go_free(w->f);
	blocks_fini(&w->blocks);
	env_fini(&w->env);
}

/* Every value once; the values of the heap are FAKE_HEAP + 16 * something. */
static void expect(const struct world *w, uint8_t kind, const taddr *values, size_t n)
{
	size_t found = 0;

	for (size_t i = 0; i < w->seen.n; i++) {
		bool wanted = false;

		if (w->seen.v[i].source.kind != kind)
			continue;
		for (size_t k = 0; k < n; k++)
			wanted |= values[k] == w->seen.v[i].value;
		if (!wanted)
			print_message("0x%llx at 0x%llx is no root\n",
				      (unsigned long long)w->seen.v[i].value,
				      (unsigned long long)w->seen.v[i].where);
		assert_true(wanted);
		found++;
	}
	if (found != n)
		print_message("%zu roots of kind %u, not %zu\n", found, kind, n);
	assert_int_equal(found, n);
}

#define EXPECT(w, kind, ...)                                   \
	do {                                                   \
		const taddr values_[] = { __VA_ARGS__ };       \
		expect(w, kind, values_, ARRAY_SIZE(values_)); \
	} while (0)

/* ---- frames ---- */

enum { SP = FAKE_GO_STACKS + 0x800 };

static taddr object(unsigned i)
{
	return FAKE_HEAP + 16ull * i;
}

/*
 * Frames one above the other from SP; every word of each holds a pointer to the object of its
 * number.
 */
static void stack(struct world *w, const int *calls)
{
	taddr sp = SP, g = fake_go_add(w->f, 1, GO_WAITING);

	fake_go_put(w->f, g + w->f->go.layout.g.sched_pc, fake_pc((unsigned)calls[0]));
	fake_go_put(w->f, g + w->f->go.layout.g.sched_sp, sp);
	for (taddr at = SP; at < SP + 0x400; at += 8)
		fake_go_put(w->f, at, object((unsigned)(at - SP) / 8));
	for (unsigned i = 0; calls[i] >= 0; i++) {
		sp += (taddr)funcs[calls[i]].frame;
		if (calls[i + 1] >= 0)
			fake_go_put(w->f, sp, fake_pc((unsigned)calls[i + 1]));
		sp += 8;
	}
}

/*
 * WORKER's locals: words 0 to 3, of which 0 and 2 are live; its arguments, 6 and 7: 7 is. CALLER's:
 * 6 to 9: 9 is.
 */
static void maps(void **state)
{
	struct world w;

	(void)state;
	start(&w, 26, TARGET_X86_64);
	stack(&w, (const int[]){ WORKER, CALLER, GOEXIT, -1 });
	find(&w);
	EXPECT(&w, ROOT_GOROUTINE, object(0), object(2), object(7), object(9));
	assert_int_equal(w.seen.v[0].where, SP);
	assert_int_equal(w.seen.v[0].source.thread, 0);
	assert_int_equal(w.seen.v[0].source.start, FAKE_GO_STACKS);
	assert_int_equal(w.seen.v[0].source.end, FAKE_GO_STACKS + FAKE_STACK);
	for (size_t i = 0; i < w.seen.n; i++)
		assert_true(w.seen.v[i].source.exact);
	finish(&w);
}

/* At its entry a function has no locals, and its arguments are those of the first map. */
static void at_entry(void **state)
{
	struct world w;
	taddr g;

	(void)state;
	start(&w, 26, TARGET_X86_64);
	g = fake_go_add(w.f, 1, GO_RUNNABLE);
	fake_go_put(w.f, g + w.f->go.layout.g.sched_pc, fake_entry(WORKER));
	fake_go_put(w.f, g + w.f->go.layout.g.sched_sp, SP);
	fake_go_put(w.f, SP, fake_pc(GOEXIT));
	for (unsigned i = 1; i < 8; i++)
		fake_go_put(w.f, SP + 8 * i, object(i));
	find(&w);
	EXPECT(&w, ROOT_GOROUTINE, object(2));
	finish(&w);
}

static void dead_frame(void **state)
{
	struct world w;

	(void)state;
	start(&w, 26, TARGET_X86_64);
	stack(&w, (const int[]){ GOPARK, SIGPANIC, WORKER, GOEXIT, -1 });
	find(&w);
	assert_int_equal(w.seen.n, 0); /* WORKER panicked and defers nothing: it never goes on */
	finish(&w);
}

/*
 * Both the frame that holds the registers and the interrupted one, as a whole; the next by its map.
 */
static void conservative(void **state)
{
	struct world w;

	(void)state;
	start(&w, 26, TARGET_X86_64);
	stack(&w, (const int[]){ ASYNC, DEAD_SLOTS, CALLER, GOEXIT, -1 });
	find(&w);
	EXPECT(&w, ROOT_GOROUTINE, object(0), object(1), object(2), object(3), object(6), object(7),
	       object(8), object(9), object(15));
	for (size_t i = 0; i < w.seen.n; i++)
		assert_int_equal(w.seen.v[i].source.exact, w.seen.v[i].value == object(15));
	assert_int_equal(w.env.diags.n, 0);
	finish(&w);
}

/* No map where there must be one: everything, and said. */
static void unmapped(void **state)
{
	struct world w;

	(void)state;
	start(&w, 26, TARGET_X86_64);
	stack(&w, (const int[]){ UNMAPPED, GOEXIT, -1 });
	find(&w);
	EXPECT(&w, ROOT_GOROUTINE, object(0), object(1), object(2), object(3));
	assert_int_equal(w.env.diags.n, 1);
	finish(&w);
}

/* What lies above where the frames end is anyone's. */
static void cut(void **state)
{
	struct world w;
	taddr g;

	(void)state;
	start(&w, 26, TARGET_X86_64);
	g = fake_go_add(w.f, 1, GO_WAITING);
	fake_go_put(w.f, g + w.f->go.layout.g.sched_pc, fake_pc(WORKER));
	fake_go_put(w.f, g + w.f->go.layout.g.sched_sp, SP);
	fake_go_put(w.f, SP + 8, object(1));
	fake_go_put(w.f, SP + 16, object(2));
	fake_go_put(w.f, SP + 0x300, object(3));
	find(&w);
	EXPECT(&w, ROOT_GOROUTINE, object(2), object(3));
	finish(&w);
}

/* ---- objects on the stack ---- */

static void stack_objects(void **state)
{
	static const struct {
		const char *what;
		taddr words[4];
		size_t n;
		taddr roots[4];
	} cases[] = {
		{ "nothing points at them",
		  { 0, FAKE_HEAP, FAKE_HEAP + 16, FAKE_HEAP + 32 },
		  0,
		  {} },
		{ "the live word points into the first one",
		  { SP + 16, FAKE_HEAP, FAKE_HEAP + 16, FAKE_HEAP + 32 },
		  2,
		  { FAKE_HEAP, FAKE_HEAP + 16 } },
		{ "which points at the second one",
		  { SP + 8, FAKE_HEAP, SP + 24, FAKE_HEAP + 32 },
		  2,
		  { FAKE_HEAP, FAKE_HEAP + 32 } },
		{ "and both at each other",
		  { SP + 8, FAKE_HEAP, SP + 24, SP + 8 },
		  1,
		  { FAKE_HEAP } },
		{ "one past the first is the second",
		  { SP + 24, FAKE_HEAP, FAKE_HEAP + 16, FAKE_HEAP + 32 },
		  1,
		  { FAKE_HEAP + 32 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		print_message("%s\n", cases[i].what);
		start(&w, 26, TARGET_X86_64);
		stack(&w, (const int[]){ OBJECTS, GOEXIT, -1 });
		for (unsigned k = 0; k < 4; k++)
			fake_go_put(w.f, SP + 8 * k, cases[i].words[k]);
		find(&w);
		expect(&w, ROOT_GOROUTINE, cases[i].roots, cases[i].n);
		finish(&w);
	}
}

/*
 * reflect.makeFuncStub: {*makeFuncImpl, .., .., .., results are valid} at sp; its map is in
 * {fn, *bitvector {n, bytes}, bytes of arguments}; abi.RegArgs ends the locals, 272 bytes on amd64.
 */
static void reflect_stub(void **state)
{
	enum {
		IMPL = FAKE_GO_DATA + 0x800,
		VECTOR = IMPL + 0x40,
		BITS = IMPL + 0x80,
		ARGS = SP + 0x150,
		REGS = SP + 0x140 - 272
	};

	(void)state;
	for (unsigned valid = 0; valid < 2; valid++) {
		struct world w;

		start(&w, 26, TARGET_X86_64);
		stack(&w, (const int[]){ MAKE_FUNC, GOEXIT, -1 });
		fake_go_put(w.f, SP, IMPL);
		fake_go_put(w.f, SP + 32, valid);
		fake_go_put(w.f, IMPL, fake_entry(MAKE_FUNC));
		fake_go_put(w.f, IMPL + 8, VECTOR);
		fake_go_put(w.f, IMPL + 16, 16);
		fake_go_put(w.f, VECTOR, 3);
		fake_go_put(w.f, VECTOR + 8, BITS);
		fake_go_put(w.f, BITS, 0x6);
		fake_go_put(w.f, ARGS, object(200));
		fake_go_put(w.f, ARGS + 8, REGS);
		fake_go_put(w.f, ARGS + 16, object(202)); /* a result */
		for (taddr at = REGS; at < REGS + 264; at += 8)
			fake_go_put(w.f, at, 0);
		fake_go_put(w.f, REGS, object(1));	 /* an integer */
		fake_go_put(w.f, REGS + 192, object(2)); /* the first pointer */
		fake_go_put(w.f, REGS + 256, object(3)); /* the last */
		find(&w);
		if (valid)
			EXPECT(&w, ROOT_GOROUTINE, object(202), object(2), object(3));
		else
			EXPECT(&w, ROOT_GOROUTINE, object(2), object(3));
		finish(&w);
	}
}

/* ---- what goroutines hold besides ---- */

/* _defer {.., heap, .., sp, pc, fn, [_panic], link}: from 1.22 on without _panic, `heap` first. */
static void defers(void **state)
{
	static const struct {
		unsigned minor, heap, link;
	} cases[] = { { 21, 1, 40 }, { 22, 0, 32 }, { 27, 0, 32 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;
		taddr first = FAKE_HEAP + 0x100, second = SP + 0x300, g;

		start(&w, cases[i].minor, TARGET_X86_64);
		stack(&w, (const int[]){ GOPARK, GOEXIT, -1 });
		g = FAKE_G;
		fake_go_put(w.f, g + w.f->go.layout.g.defer_, first);
		fake_go_bytes(w.f, first + cases[i].heap, &(uint8_t){ 1 }, 1);
		fake_go_put(w.f, first + 24, object(1));
		fake_go_put(w.f, first + cases[i].link, second);
		fake_go_put(w.f, second, 0);
		fake_go_put(w.f, second + 24, object(2));
		fake_go_put(w.f, second + cases[i].link, 0);
		fake_go_put(w.f, g + w.f->go.layout.g.sched_sp + 24, object(3)); /* gobuf.ctxt */
		find(&w);
		EXPECT(&w, ROOT_GOROUTINE, first, object(1), object(2), object(3));
		finish(&w);
	}
}

static void defers_loop(void **state)
{
	struct world w;
	taddr at = SP + 0x300;

	(void)state;
	start(&w, 26, TARGET_X86_64);
	stack(&w, (const int[]){ GOPARK, GOEXIT, -1 });
	fake_go_put(w.f, FAKE_G + w.f->go.layout.g.defer_, at);
	fake_go_put(w.f, at, 0);
	fake_go_put(w.f, at + 24, 0);
	fake_go_put(w.f, at + 32, at);
	find(&w);
	assert_int_equal(w.seen.n, 0);
	finish(&w);
}

/* Of 1.26 the collector does not look at them. */
static void vector_registers(void **state)
{
	enum { XREGS = FAKE_GO_DATA + 0xb000 };

	(void)state;
	for (unsigned minor = 25; minor <= 27; minor++) {
		struct world w;

		start(&w, minor, TARGET_X86_64);
		stack(&w, (const int[]){ GOPARK, GOEXIT, -1 });
		fake_go_put(w.f, FAKE_G + 400, XREGS);
		fake_go_put(w.f, XREGS, object(1));
		fake_go_put(w.f, XREGS + 2104, object(2));
		fake_go_put(w.f, XREGS + 2112, object(3));
		find(&w);
		if (minor == 27)
			EXPECT(&w, ROOT_GOROUTINE, object(1), object(2));
		else
			EXPECT(&w, ROOT_GOROUTINE);
		finish(&w);
	}
}

static void registers(void **state)
{
	enum { AT = FAKE_OTHER + 0x300 };

	(void)state;
	for (unsigned on_cpu = 0; on_cpu < 2; on_cpu++) {
		struct thread t = { .tid = 42, .has_regs = true, .sp = on_cpu ? SP : FAKE_OTHER };
		struct world w;
		taddr g;

		start(&w, 26, TARGET_X86_64);
		g = fake_go_add(w.f, 1, GO_RUNNING);
		t.pc = fake_pc(WORKER);
		t.regs[3] = object(3);
		w.f->image->img.threads = &t;
		w.f->image->img.n_threads = 1;
		fake_go_put(w.f, g + w.f->go.layout.g.m, FAKE_GO_DATA + 0x1000);
		fake_go_put(w.f, FAKE_GO_DATA + 0x1000 + w.f->go.layout.m.procid, 42);
		fake_go_put(w.f, SP + 0x28, fake_pc(GOEXIT));
		fake_go_put(w.f, SP + 8, object(1)); /* not in WORKER's map */
		fake_go_put(w.f, AT + 8 * 4, object(4));
		fake_go_put(w.f, AT + 8 * 15, SP);
		fake_go_put(w.f, AT + 8 * 16, fake_pc(WORKER));
		fake_go_put(w.f, AT + 8 * 17, 0x246);
		fake_go_put(w.f, AT + 8 * 18, 0x33);
		find(&w);
		if (on_cpu) {
			EXPECT(&w, ROOT_REGISTER, object(3));
			EXPECT(&w, ROOT_GOROUTINE, object(1));
		} else {
			EXPECT(&w, ROOT_REGISTER);
			EXPECT(&w, ROOT_GOROUTINE, object(1), object(4));
		}
		finish(&w);
	}
}

/* One in a system call: its thread's registers hold nothing. */
static void syscall_registers(void **state)
{
	struct thread t = {
		.tid = 42, .has_regs = true, .sp = SP - 0x20, .regs = { object(1), object(2) }
	};
	struct world w;

	(void)state;
	start(&w, 26, TARGET_X86_64);
	stack(&w, (const int[]){ DEAD_SLOTS, GOEXIT, -1 });
	fake_go_put(w.f, FAKE_G + w.f->go.layout.g.atomicstatus, GO_SYSCALL);
	fake_go_put(w.f, FAKE_G + w.f->go.layout.g.syscallsp, SP);
	fake_go_put(w.f, FAKE_G + w.f->go.layout.g.syscallpc, fake_pc(DEAD_SLOTS));
	w.f->image->img.threads = &t;
	w.f->image->img.n_threads = 1;
	find(&w);
	assert_int_equal(w.seen.n, 0);
	finish(&w);
}

static void dead_goroutine(void **state)
{
	struct world w;

	(void)state;
	start(&w, 26, TARGET_X86_64);
	stack(&w, (const int[]){ WORKER, GOEXIT, -1 });
	fake_go_put(w.f, FAKE_G + w.f->go.layout.g.atomicstatus, GO_DEAD);
	find(&w);
	assert_int_equal(w.seen.n, 0);
	finish(&w);
}

/* ---- globals ---- */

static void globals(void **state)
{
	enum { DATA = FAKE_GO_DATA, BSS = FAKE_GO_DATA + 0x100, MASK = FAKE_GO_TABLES + 0xf000 };
	struct world w;

	(void)state;
	start(&w, 26, TARGET_X86_64);
	w.f->module.data = DATA;
	w.f->module.edata = DATA + 0x60;
	w.f->module.bss = BSS;
	w.f->module.ebss = BSS + 0x10;
	w.f->module.gcdatamask = MASK;
	w.f->module.n_gcdatamask = 12;
	w.f->module.gcbssmask = MASK + 8;
	w.f->module.n_gcbssmask = 2;
	fake_go_put(w.f, MASK, 0x801);
	fake_go_put(w.f, MASK + 8, 0x2);
	for (unsigned i = 0; i < 64; i++)
		fake_go_put(w.f, DATA + 8 * i, object(i));
	find(&w);
	EXPECT(&w, ROOT_GLOBAL, object(0), object(11), object(33));
	assert_int_equal(w.seen.n_excluded, 2);
	assert_int_equal(w.seen.excluded[0].start, DATA);
	assert_int_equal(w.seen.excluded[0].end, DATA + 0x60);
	assert_int_equal(w.seen.excluded[1].start, BSS);
	finish(&w);
}

/* Without the mask they are left to the other rooters. */
static void globals_without_mask(void **state)
{
	struct world w;

	(void)state;
	start(&w, 26, TARGET_X86_64);
	w.f->module.data = FAKE_GO_DATA;
	w.f->module.edata = FAKE_GO_DATA + 0x60;
	w.f->module.gcdatamask = 0x1000;
	w.f->module.n_gcdatamask = 12;
	find(&w);
	assert_int_equal(w.seen.n, 0);
	assert_int_equal(w.seen.n_excluded, 0);
	assert_int_equal(w.env.diags.n, 1);
	finish(&w);
}

/* ---- specials and queues ---- */

enum {
	MHEAP = FAKE_GO_DATA + 0x5800,
	SPAN = FAKE_GO_DATA + 0x7000,
	SPECIALS = FAKE_GO_DATA + 0x7800,
	ELEM = 64
};

static taddr special(unsigned i)
{
	return SPECIALS + 0x40ull * i;
}

/* A span of objects of 64 bytes from FAKE_HEAP on; an mheap_ smaller than a real one. */
static void span(struct world *w)
{
	struct go_layout *l = &w->f->go.layout;

	w->f->go.at.mheap = MHEAP;
	l->mheap.allspans = 0;
	l->mheap.heapArenas = 0x20;
	l->mheap.arenas = 0x40;
	fake_go_put(w->f, MHEAP, MHEAP + 0x100);
	fake_go_put(w->f, MHEAP + 8, 1);
	fake_go_put(w->f, MHEAP + 16, 1);
	fake_go_put(w->f, MHEAP + 0x100, SPAN);
	fake_go_put(w->f, SPAN + l->mspan.startAddr, FAKE_HEAP);
	fake_go_put(w->f, SPAN + l->mspan.npages, 1);
	fake_go_put(w->f, SPAN + l->mspan.specials, special(0));
	fake_go_bytes(w->f, SPAN + l->mspan.spanclass, &(uint8_t){ 10 }, 1);
	fake_go_bytes(w->f, SPAN + l->mspan.state, &(uint8_t){ 1 }, 1);
	fake_go_put(w->f, SPAN + l->mspan.elemsize, ELEM);
}

static void add_special(struct world *w, unsigned i, uint32_t kind, uint64_t offset, bool last)
{
	const struct go_layout *l = &w->f->go.layout;

	fake_go_put(w->f, special(i) + l->special.next, last ? 0 : special(i + 1));
	fake_go_bytes(w->f, special(i) + l->special.offset, &offset, l->special.offset_size);
	fake_go_bytes(w->f, special(i) + l->special.kind, &(uint8_t){ (uint8_t)kind }, 1);
	for (unsigned k = 0; k < 3; k++)
		fake_go_put(w->f, special(i) + l->special.size + 8 * k, object(100 + 10 * i + k));
}

/*
 * The finalizer's function; the weak pointer's handle; the cleanup's function, or all three words
 * since 1.26.
 */
static void specials(void **state)
{
	(void)state;
	for (unsigned minor = 20; minor <= 27; minor++) {
		const struct go_layout *l;
		struct world w;

		start(&w, minor, TARGET_X86_64);
		l = &w.f->go.layout;
		span(&w);
		add_special(&w, 0, l->special_kind.finalizer, ELEM + 8, false);
		add_special(&w, 1, l->special_kind.profile, ELEM + 8, minor < 23);
		add_special(&w, 2, l->special_kind.weak_handle, 3 * ELEM, minor < 24);
		add_special(&w, 3, l->special_kind.cleanup, 3 * ELEM, true);
		find(&w);
		if (minor < 24)
			EXPECT(&w, ROOT_FINALIZER, object(100));
		else if (minor < 26)
			EXPECT(&w, ROOT_FINALIZER, object(100), object(130));
		else
			EXPECT(&w, ROOT_FINALIZER, object(100), object(130), object(131),
			       object(132));
		if (minor >= 23)
			EXPECT(&w, ROOT_RUNTIME, object(120));
		else
			EXPECT(&w, ROOT_RUNTIME);
		/* The object of a special inside it is the whole one. */
		assert_int_equal(w.seen.v[0].source.start, FAKE_HEAP + ELEM);
		assert_int_equal(w.seen.v[0].source.end, FAKE_HEAP + 2 * ELEM);
		finish(&w);
	}
}

static void specials_that_loop(void **state)
{
	(void)state;
	for (unsigned back = 0; back < 2; back++) {
		struct world w;

		start(&w, 26, TARGET_X86_64);
		span(&w);
		add_special(&w, 0, 99, ELEM, false);
		add_special(&w, 1, 99, back ? 2 * ELEM : 1 << 20,
			    false); /* one is outside the span */
		fake_go_put(w.f, special(1), special(0));
		find(&w);
		assert_int_equal(w.seen.n, 0);
		assert_int_equal(w.env.diags.n, 1);
		finish(&w);
	}
}

/* What the object of a finalizer refers to, by the slots of its heap; not the object itself. */
static void finalized_object(void **state)
{
	(void)state;
	for (unsigned noscan = 0; noscan < 2; noscan++) {
		struct world w;
		struct fake_heap *h;

		start(&w, 26, TARGET_X86_64);
		h = &w.f->image->heaps[3];
		*h = (struct fake_heap){
			.score = 90,
			.claims = { { .start = FAKE_HEAP, .end = FAKE_HEAP + 0x2000 } },
			.slots = { FAKE_HEAP + ELEM + 8, FAKE_HEAP + ELEM + 56,
				   FAKE_HEAP + 2 * ELEM },
		};
		for (unsigned i = 0; i < FAKE_BLOCKS; i++)
			h->blocks[i] = (struct fake_block){ FAKE_HEAP + (taddr)i * ELEM, 'u' };
		assert_null(blocks_build_with(&w.env, &w.f->image->img, fake_walkers, &w.blocks));
		span(&w);
		if (noscan)
			fake_go_bytes(w.f, SPAN + w.f->go.layout.mspan.spanclass, &(uint8_t){ 11 },
				      1);
		add_special(&w, 0, w.f->go.layout.special_kind.finalizer, ELEM, true);
		for (unsigned i = 0; i < 3 * ELEM / 8; i++)
			fake_go_put(w.f, FAKE_HEAP + 8 * i, object(300 + i));
		find(&w);
		if (noscan)
			EXPECT(&w, ROOT_FINALIZER, object(100));
		else
			EXPECT(&w, ROOT_FINALIZER, object(100), object(300 + 9), object(300 + 15));
		finish(&w);
	}
}

/* Blocks {alllink, next, cnt, {fn, arg, nret, fint, ot}..}: the number of results is no pointer. */
static void finalizer_queue(void **state)
{
	enum { ALLFIN = FAKE_GO_DATA + 0x9000, BLOCK = ALLFIN + 0x100, SECOND = BLOCK + 0x1000 };

	(void)state;
	for (unsigned loops = 0; loops < 2; loops++) {
		struct world w;

		start(&w, 26, TARGET_X86_64);
		w.f->go.at.allfin = ALLFIN;
		fake_go_put(w.f, ALLFIN, BLOCK);
		fake_go_put(w.f, BLOCK, SECOND);
		fake_go_put(w.f, BLOCK + 16, 1);
		for (unsigned i = 0; i < 10; i++)
			fake_go_put(w.f, BLOCK + 24 + 8 * i, object(i));
		fake_go_put(w.f, SECOND, loops ? SECOND : 0);
		fake_go_put(w.f, SECOND + 16, 102); /* more than fit: damage */
		find(&w);
		EXPECT(&w, ROOT_FINALIZER, object(0), object(1), object(3), object(4));
		assert_int_equal(w.seen.v[0].source.start, w.seen.v[0].source.end);
		finish(&w);
	}
}

/* Blocks {next, pushcnt, alllink, n, cleanups}, the first at the third cache line of gcCleanups. */
static void cleanup_queue(void **state)
{
	enum { QUEUE = FAKE_GO_DATA + 0x9000, BLOCK = QUEUE + 0x200 };
	static const struct {
		unsigned minor;
		enum target_id target;
		unsigned all, words;
	} cases[] = {
		{ 25, TARGET_X86_64, 128, 1 },
		{ 26, TARGET_X86_64, 128, 3 },
		{ 27, TARGET_AARCH64, 256, 3 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		start(&w, cases[i].minor, cases[i].target);
		w.f->go.at.gcCleanups = QUEUE;
		fake_go_put(w.f, QUEUE + cases[i].all, BLOCK);
		fake_go_put(w.f, BLOCK + 24, 1);
		for (unsigned k = 0; k < 6; k++)
			fake_go_put(w.f, BLOCK + 32 + 8 * k, object(k));
		find(&w);
		if (cases[i].words == 1)
			EXPECT(&w, ROOT_FINALIZER, object(0));
		else
			EXPECT(&w, ROOT_FINALIZER, object(0), object(1), object(2));
		finish(&w);
	}
}

static void tiny_blocks(void **state)
{
	enum { ALLP = FAKE_GO_DATA + 0x9000, P = ALLP + 0x100, MCACHE = P + 0x200 };
	struct world w;

	(void)state;
	start(&w, 26, TARGET_X86_64);
	w.f->go.at.allp = ALLP;
	fake_go_put(w.f, ALLP, ALLP + 0x40);
	fake_go_put(w.f, ALLP + 8, 2);
	fake_go_put(w.f, ALLP + 16, 2);
	fake_go_put(w.f, ALLP + 0x40, P);
	fake_go_put(w.f, P + w.f->go.layout.p.mcache, MCACHE);
	fake_go_put(w.f, MCACHE + w.f->go.layout.mcache.tiny, object(5));
	find(&w);
	EXPECT(&w, ROOT_RUNTIME, object(5));
	finish(&w);
}

/* ---- whose memory it is ---- */

static void arenas(void **state)
{
	enum { L2 = FAKE_GO_DATA + 0xa000, BASE = 0xc000000000 };
	static const struct {
		enum target_id target;
		uint64_t bias;
	} cases[] = { { TARGET_X86_64, 0xffff800000000000 }, { TARGET_AARCH64, 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t no = (BASE - cases[i].bias) >> 26;
		struct world w;

		start(&w, 26, cases[i].target);
		span(&w);
		fake_go_put(w.f, SPAN + w.f->go.layout.mspan.specials, 0);
		fake_go_put(w.f, MHEAP + 0x20, MHEAP + 0x200);
		fake_go_put(w.f, MHEAP + 0x28, 2);
		fake_go_put(w.f, MHEAP + 0x30, 2);
		fake_go_put(w.f, MHEAP + 0x200, no);
		fake_go_put(w.f, MHEAP + 0x208, no + 1); /* not in the table: not Go's */
		fake_go_put(w.f, MHEAP + 0x40, L2 - 8 * no);
		fake_go_put(w.f, L2, 0x1234);
		find(&w);
		assert_int_equal(w.seen.n_excluded, 1);
		assert_int_equal(w.seen.excluded[0].start, BASE);
		assert_int_equal(w.seen.excluded[0].end, BASE + (64 << 20));
		finish(&w);
	}
}

static void no_go(void **state)
{
	struct world w;

	(void)state;
	start(&w, 26, TARGET_X86_64);
	w.f->image->img.go = NULL;
	assert_null(rooter_go.find(&w.env, &w.f->image->img, &w.blocks, &w.seen.sink));
	assert_int_equal(w.seen.n + w.seen.n_excluded, 0);
	finish(&w);
}

/* ---- in words ---- */

static void words(void **state)
{
	static const struct {
		struct root_source source;
		taddr where;
		const char *text;
	} cases[] = {
		{ { .kind = ROOT_GOROUTINE, .thread = 0 },
		  SP,
		  "goroutine 1 [waiting] main.worker" },
		{ { .kind = ROOT_GOROUTINE, .thread = 0 },
		  SP + 0x38, /* an argument of the worker, in its caller's frame */
		  "goroutine 1 [waiting] main.worker" },
		{ { .kind = ROOT_GOROUTINE, .thread = 0 },
		  SP + 0x40,
		  "goroutine 1 [waiting] main.caller" },
		{ { .kind = ROOT_GOROUTINE, .thread = 0 },
		  FAKE_HEAP,
		  "goroutine 1 [waiting] main.worker, for a deferred call" },
		{ { .kind = ROOT_GOROUTINE, .thread = 0 },
		  FAKE_G + 56 + 24, /* g.sched.ctxt */
		  "goroutine 1 [waiting] main.worker, in its context register" },
		{ { .kind = ROOT_GOROUTINE, .thread = 7 }, SP, "an unknown goroutine" },
		{ { .kind = ROOT_FINALIZER, .start = FAKE_HEAP, .end = FAKE_HEAP + 64 },
		  FAKE_HEAP + 8,
		  "finalizer's object at 0x900000, +0x8" },
		{ { .kind = ROOT_FINALIZER, .start = FAKE_HEAP, .end = FAKE_HEAP + 64 },
		  SPECIALS,
		  "finalizer or cleanup main.caller of the object at 0x900000" },
		{ { .kind = ROOT_FINALIZER, .start = SPAN, .end = SPAN },
		  SPAN + 8,
		  "finalizer or cleanup that waits to be run" },
		{ { .kind = ROOT_RUNTIME, .start = FAKE_HEAP, .end = FAKE_HEAP + 64 },
		  SPECIALS,
		  "weak pointer to the object at 0x900000" },
		{ { .kind = ROOT_RUNTIME }, SPECIALS, "block that the tiny allocator fills" },
	};
	struct world w;

	(void)state;
	start(&w, 26, TARGET_X86_64);
	stack(&w, (const int[]){ WORKER, CALLER, GOEXIT, -1 });
	fake_go_put(w.f, SPECIALS, SPECIALS + 0x40);
	fake_go_put(w.f, SPECIALS + 0x40, fake_entry(CALLER));
	find(&w);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct text t = TEXT_INIT;

		rooter_go.describe(&w.f->image->img, &cases[i].source, cases[i].where, &t);
		assert_string_equal(text_str(&t), cases[i].text);
		text_fini(&t);
	}
	finish(&w);
}

/* At least as long as is known: another goroutine began to wait that much later. */
static void how_long(void **state)
{
	static const struct {
		uint64_t since, later;
		const char *text;
	} cases[] = {
		{ 5, 3 * 60000000000ull + 7, "goroutine 1 [waiting, at least 3 min] main.worker" },
		{ 5, 59000000005ull, "goroutine 1 [waiting, at least 59 s] main.worker" },
		{ 5, 1000000004, "goroutine 1 [waiting] main.worker" },
		{ 0, 3 * 60000000000ull, "goroutine 1 [waiting] main.worker" },
		{ UINT64_MAX, 60000000000ull, "goroutine 1 [waiting] main.worker" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct root_source source = { .kind = ROOT_GOROUTINE, .thread = 0 };
		struct text t = TEXT_INIT;
		struct world w;
		uint32_t at;

		start(&w, 26, TARGET_X86_64);
		at = w.f->go.layout.g.waitsince;
		stack(&w, (const int[]){ WORKER, CALLER, GOEXIT, -1 });
		fake_go_put(w.f, FAKE_G + at, cases[i].since);
		fake_go_put(w.f, fake_go_add(w.f, 2, GO_WAITING) + at, cases[i].later);
		find(&w);
		rooter_go.describe(&w.f->image->img, &source, SP, &t);
		assert_string_equal(text_str(&t), cases[i].text);
		text_fini(&t);
		finish(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps),
		cmocka_unit_test(at_entry),
		cmocka_unit_test(dead_frame),
		cmocka_unit_test(conservative),
		cmocka_unit_test(unmapped),
		cmocka_unit_test(cut),
		cmocka_unit_test(stack_objects),
		cmocka_unit_test(reflect_stub),
		cmocka_unit_test(defers),
		cmocka_unit_test(defers_loop),
		cmocka_unit_test(vector_registers),
		cmocka_unit_test(registers),
		cmocka_unit_test(syscall_registers),
		cmocka_unit_test(dead_goroutine),
		cmocka_unit_test(globals),
		cmocka_unit_test(globals_without_mask),
		cmocka_unit_test(specials),
		cmocka_unit_test(specials_that_loop),
		cmocka_unit_test(finalized_object),
		cmocka_unit_test(finalizer_queue),
		cmocka_unit_test(cleanup_queue),
		cmocka_unit_test(tiny_blocks),
		cmocka_unit_test(arenas),
		cmocka_unit_test(no_go),
		cmocka_unit_test(words),
		cmocka_unit_test(how_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
