/*
 * go_sched_open() on goroutines in every state: where each stands, which frames it has, which of
 * them stack maps hold for; and what stops the walk of a stack that leads nowhere.
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

enum {
	WORKER,
	CALLER,
	GOPARK,
	GOEXIT,
	SYSTEMSTACK,
	SIGPANIC,
	ASYNC,
	MAIN,
	SPWRITE,
	RECOVERS,
	LEAF
};
enum { TOP_FRAME = 1, SP_WRITE = 2 };

static const struct fake_func funcs[] = {
	[WORKER] = { "main.worker", .frame = 0x28 },
	[CALLER] = { "main.caller", .frame = 0x48 },
	[GOPARK] = { "runtime.gopark", .frame = 0x18 },
	[GOEXIT] = { "runtime.goexit", .frame = 0, .id = 8, .flag = TOP_FRAME },
	[SYSTEMSTACK] = { "runtime.systemstack_switch", .frame = 0, .id = 22 },
	[SIGPANIC] = { "runtime.sigpanic", .frame = 0x38, .id = 20 },
	[ASYNC] = { "runtime.asyncPreempt", .frame = 0x58, .id = 3 },
	[MAIN] = { "runtime.main", .frame = 0x18 },
	[SPWRITE] = { "main.switches", .frame = 0x8, .flag = SP_WRITE },
	[RECOVERS] = { "main.recovers", .frame = 0x28, .deferreturn = 0x60 },
	[LEAF] = { "main.leaf", .frame = 0 },
	{},
};

/* Functions from innermost to outermost, by number; ends with -1. */
enum { CALLS = 6 };

/*
 * Lays frames on goroutine no. `g`'s stack from `sp` up: return addresses, each in its caller's
 * body.
 */
static void lay(struct fake_go *f, taddr sp, const int *calls)
{
	for (unsigned i = 0; calls[i] >= 0; i++) {
		bool is_arm = f->image->target.id == TARGET_AARCH64;
		taddr fp = sp + (taddr)funcs[calls[i]].frame + (is_arm ? 0 : 8);

		if (calls[i + 1] >= 0 && !(is_arm && fp == sp))
			fake_go_put(f, is_arm ? sp : fp - 8, fake_pc((unsigned)calls[i + 1]));
		sp = fp;
	}
}

static void park(struct fake_go *f, taddr g, taddr pc, taddr sp)
{
	fake_go_put(f, g + f->go.layout.g.sched_pc, pc);
	fake_go_put(f, g + f->go.layout.g.sched_sp, sp);
}

static struct fake_go *start(struct env *env, unsigned minor, enum target_id target)
{
	struct fake_go *f;
	static const char words[] = "chan receive";

	env_init(env);
	f = fake_go_new(env, minor, target, funcs);
	fake_go_put(f, FAKE_REASONS + 2 * 16, FAKE_REASONS + 0x100);
	fake_go_put(f, FAKE_REASONS + 2 * 16 + 8, sizeof(words) - 1);
	fake_go_bytes(f, FAKE_REASONS + 0x100, words, sizeof(words));
	return f;
}

static void finish(struct env *env, struct fake_go *f)
{
	fake_go_free(f);
	env_fini(env);
}

static const struct goroutine *only(struct fake_go *f)
{
	assert_null(go_sched_open(&f->go));
	assert_int_equal(f->go.n_goroutines, 1);
	return &f->go.goroutines[0];
}

/* ---- fields ---- */

static void fields(void **state)
{
	static const int calls[] = { GOPARK, WORKER, GOEXIT, -1 };

	(void)state;
	for (unsigned minor = 20; minor <= 28; minor++) {
		struct env env;
		struct fake_go *f = start(&env, minor, TARGET_X86_64);
		const struct go_layout *l = &f->go.layout;
		const struct goroutine *g;
		taddr a = fake_go_add(f, 18, GO_WAITING | 0x1000), b = fake_go_add(f, 2, GO_DEAD);

		fake_go_add(f, 9, 77); /* no status */
		lay(f, fake_stack(0) + 0x800, calls);
		park(f, a, fake_pc(GOPARK), fake_stack(0) + 0x800);
		park(f, b, fake_pc(GOPARK), fake_stack(1) + 0x800);
		fake_go_put(f, a + l->g.waitsince, 5000000000);
		fake_go_bytes(f, a + l->g.waitreason, &(uint8_t){ 2 }, 1);
		fake_go_put(f, a + l->g.gopc, fake_pc(CALLER));
		fake_go_put(f, a + l->g.startpc, fake_entry(WORKER));
		if (l->g.parentGoid != GO_ABSENT)
			fake_go_put(f, a + l->g.parentGoid, 7);
		fake_go_put(f, b + l->g.startpc, fake_entry(GOPARK));
		assert_null(go_sched_open(&f->go));
		assert_int_equal(f->go.n_goroutines, 2);
		g = &f->go.goroutines[0];
		assert_int_equal(g->id, 2);
		assert_int_equal(g->status, GO_DEAD);
		assert_true(g->is_system);
		assert_int_equal(g->n_frames, 0);
		g++;
		assert_int_equal(g->id, 18);
		assert_int_equal(g->g, a);
		assert_int_equal(g->status, GO_WAITING);
		assert_true(g->is_scan && !g->is_system && g->complete);
		assert_string_equal(g->wait_reason, "chan receive");
		assert_int_equal(g->wait_since, 5000000000);
		assert_int_equal(g->parent, minor >= 21 ? 7 : 0);
		assert_int_equal(g->go_pc, fake_pc(CALLER));
		assert_int_equal(g->start_pc, fake_entry(WORKER));
		assert_int_equal(g->n_frames, 3);
		assert_int_equal(env.diags.n, 1); /* the one without a status */
		assert_ptr_equal(go_goroutine_of_stack(&f->go, fake_stack(0) + 8), g);
		assert_null(go_goroutine_of_stack(&f->go, FAKE_OTHER));
		finish(&env, f);
	}
}

static void system_ones(void **state)
{
	static const struct {
		int func;
		bool is_system;
	} cases[] = { { WORKER, false }, { GOPARK, true }, { MAIN, false } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct env env;
		struct fake_go *f = start(&env, 26, TARGET_X86_64);
		taddr g = fake_go_add(f, 1, GO_DEAD);

		fake_go_put(f, g + f->go.layout.g.startpc, fake_entry((unsigned)cases[i].func));
		assert_int_equal(only(f)->is_system, cases[i].is_system);
		finish(&env, f);
	}
}

/* ---- frames ---- */

/* `live`: offset of live_pc in its function; NEVER: it does not go on. */
enum { BODY = 0x40, NEVER = -1, DEFERRETURN = 0x61 };

static const struct stack_case {
	const char *what;
	int calls[CALLS];
	struct {
		bool is_precise;
		int live;
	} frames[CALLS];
	bool complete;
} stacks[] = {
	{ "parked",
	  { GOPARK, WORKER, CALLER, GOEXIT, -1 },
	  { { true, BODY }, { true, BODY }, { true, BODY }, { true, BODY } },
	  true },
	{ "preempted by a signal: the interrupted function's registers lie in the frame below",
	  { ASYNC, WORKER, CALLER, GOEXIT, -1 },
	  { { false, BODY }, { false, BODY }, { true, BODY }, { true, BODY } },
	  true },
	{ "panicked for good",
	  { GOPARK, SIGPANIC, WORKER, GOEXIT, -1 },
	  { { true, BODY }, { true, BODY }, { true, NEVER }, { true, BODY } },
	  true },
	{ "panicked, may recover",
	  { GOPARK, SIGPANIC, RECOVERS, GOEXIT, -1 },
	  { { true, BODY }, { true, BODY }, { true, DEFERRETURN }, { true, BODY } },
	  true },
	{ "a function that moves sp, where it can only be before that",
	  { SPWRITE, WORKER, GOEXIT, -1 },
	  { { true, BODY }, { true, BODY }, { true, BODY } },
	  true },
	{ "and where it cannot be known",
	  { GOPARK, SPWRITE, WORKER, GOEXIT, -1 },
	  { { true, BODY }, { true, BODY } },
	  false },
	{ "no return address", { GOPARK, WORKER, -1 }, { { true, BODY }, { true, BODY } }, false },
};

static void check_stack(const struct fake_go *f, const struct stack_case *c, taddr sp,
			const struct goroutine *g)
{
	size_t n = 0;

	print_message("%s\n", c->what);
	assert_int_equal(g->complete, c->complete);
	for (; n < g->n_frames; n++) {
		const struct go_frame *frame = &g->frames[n];
		taddr entry = fake_entry((unsigned)c->calls[n]);

		assert_true(c->calls[n] >= 0 && c->frames[n].live);
		assert_int_equal(frame->entry, entry);
		assert_int_equal(frame->pc, entry + BODY);
		assert_int_equal(frame->sp, sp);
		sp += (taddr)funcs[c->calls[n]].frame +
		      (f->image->target.id == TARGET_AARCH64 ? 0 : 8);
		assert_int_equal(frame->fp, sp);
		assert_int_equal(frame->is_top, n == 0);
		assert_int_equal(frame->is_precise, c->frames[n].is_precise);
		assert_int_equal(frame->live_pc, c->frames[n].live == NEVER ?
							 0 :
							 entry + (unsigned)c->frames[n].live);
	}
	assert_int_equal(c->frames[n].live, 0);
}

static void frames(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
		const struct stack_case *c = &stacks[i];
		struct env env;
		struct fake_go *f = start(&env, 26, TARGET_X86_64);
		taddr g = fake_go_add(f, 1, GO_WAITING), sp = fake_stack(0) + 0x800;

		lay(f, sp, c->calls);
		park(f, g, fake_pc((unsigned)c->calls[0]), sp);
		check_stack(f, c, sp, only(f));
		assert_int_equal(env.diags.n, !c->complete);
		finish(&env, f);
	}
}

/*
 * arm64: the return address at the frame's bottom, or in the link register as long as there is no
 * frame.
 */
static void link_register(void **state)
{
	static const struct {
		int calls[CALLS];
		int saved; /* function in g.sched.lr, -1: none */
	} cases[] = {
		{ { GOPARK, WORKER, GOEXIT, -1 }, -1 },
		{ { LEAF, WORKER, GOEXIT, -1 }, WORKER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct env env;
		struct fake_go *f = start(&env, 26, TARGET_AARCH64);
		taddr at = fake_go_add(f, 1, GO_WAITING), sp = fake_stack(0) + 0x800;
		const struct goroutine *g;

		lay(f, sp, cases[i].calls);
		park(f, at, fake_pc((unsigned)cases[i].calls[0]), sp);
		if (cases[i].saved >= 0)
			fake_go_put(f, at + f->go.layout.g.sched_bp - 8,
				    fake_pc((unsigned)cases[i].saved));
		g = only(f);
		assert_true(g->complete);
		assert_int_equal(g->n_frames, 3);
		for (unsigned k = 0; k < 3; k++)
			assert_int_equal(g->frames[k].entry,
					 fake_entry((unsigned)cases[i].calls[k]));
		finish(&env, f);
	}
}

/* ---- where it stands ---- */

enum { M = FAKE_GO_DATA + 0x1000, TID = 42 };

static struct fake_go *with_thread(struct env *env, unsigned status, struct thread *t, taddr pc,
				   taddr sp, taddr *ret_g)
{
	static const int calls[] = { WORKER, CALLER, GOEXIT, -1 };
	struct fake_go *f = start(env, 26, TARGET_X86_64);

	*ret_g = fake_go_add(f, 1, status);
	*t = (struct thread){ .tid = TID, .has_regs = true, .pc = pc, .sp = sp };
	f->image->img.threads = t;
	f->image->img.n_threads = 1;
	fake_go_put(f, *ret_g + f->go.layout.g.m, M);
	fake_go_put(f, M + f->go.layout.m.procid, TID);
	lay(f, fake_stack(0) + 0x800, calls);
	lay(f, fake_stack(0) + 0x400, (const int[]){ SYSTEMSTACK, CALLER, GOEXIT, -1 });
	park(f, *ret_g, fake_pc(SYSTEMSTACK), fake_stack(0) + 0x400);
	return f;
}

static void on_cpu(void **state)
{
	struct env env;
	struct thread t;
	taddr at;
	struct fake_go *f =
		with_thread(&env, GO_RUNNING, &t, fake_pc(WORKER), fake_stack(0) + 0x800, &at);
	const struct goroutine *g = only(f);

	(void)state;
	assert_true(g->on_cpu && g->complete);
	assert_int_equal(g->thread, 0);
	assert_int_equal(g->n_frames, 3);
	assert_int_equal(g->frames[0].entry, fake_entry(WORKER));
	assert_false(g->frames[0].is_precise);
	assert_true(g->frames[1].is_precise);
	assert_int_equal(go_frame_source_pc(&g->frames[0]), fake_pc(WORKER));
	assert_int_equal(go_frame_source_pc(&g->frames[1]), fake_pc(CALLER) - 1);
	finish(&env, f);
}

static void on_system_stack(void **state)
{
	struct env env;
	struct thread t;
	taddr at;
	struct fake_go *f =
		with_thread(&env, GO_RUNNING, &t, fake_pc(GOPARK), FAKE_OTHER + 0x100, &at);
	const struct goroutine *g = only(f);

	(void)state;
	assert_false(g->on_cpu);
	assert_int_equal(g->thread, 0);
	assert_int_equal(g->signal_regs, 0);
	assert_true(g->complete);
	assert_int_equal(g->frames[0].entry, fake_entry(SYSTEMSTACK));
	assert_true(g->frames[0].is_precise);
	finish(&env, f);
}

static void in_vdso(void **state)
{
	struct env env;
	struct thread t;
	taddr at;
	struct fake_go *f =
		with_thread(&env, GO_RUNNING, &t, 0x7fff00000000, FAKE_OTHER + 0x100, &at);
	const struct goroutine *g;

	(void)state;
	fake_go_put(f, M + f->go.layout.m.vdsoSP, fake_stack(0) + 0x800);
	fake_go_put(f, M + f->go.layout.m.vdsoSP + 8, fake_pc(WORKER));
	g = only(f);
	assert_false(g->on_cpu);
	assert_true(g->complete);
	assert_int_equal(g->sp, fake_stack(0) + 0x800);
	assert_int_equal(g->frames[0].entry, fake_entry(WORKER));
	assert_true(g->frames[0].is_precise);
	finish(&env, f);
}

/* A sigcontext is known by its flags and code segment: the same words without them are none. */
static void on_signal_stack(void **state)
{
	(void)state;
	for (unsigned damaged = 0; damaged < 2; damaged++) {
		enum { AT = FAKE_OTHER + 0x300 };
		struct env env;
		struct thread t;
		taddr at;
		struct fake_go *f =
			with_thread(&env, GO_RUNNING, &t, 0x12345, FAKE_OTHER + 0x100, &at);
		const struct goroutine *g;

		fake_go_put(f, AT + 8 * 15, fake_stack(0) + 0x800);
		fake_go_put(f, AT + 8 * 16, fake_pc(WORKER));
		fake_go_put(f, AT + 8 * 17, 0x246);
		fake_go_put(f, AT + 8 * 18, damaged ? 0x2b000000000007 : 0x2b000000000033);
		g = only(f);
		assert_int_equal(g->signal_regs, damaged ? 0 : AT);
		assert_int_equal(g->frames[0].entry, fake_entry(damaged ? SYSTEMSTACK : WORKER));
		assert_int_equal(g->frames[0].is_precise, damaged);
		assert_true(g->complete && !g->on_cpu);
		finish(&env, f);
	}
}

static void in_syscall(void **state)
{
	struct env env;
	struct thread t;
	taddr at;
	struct fake_go *f =
		with_thread(&env, GO_SYSCALL, &t, fake_pc(LEAF), fake_stack(0) + 0x700, &at);
	const struct goroutine *g;

	(void)state;
	fake_go_put(f, at + f->go.layout.g.syscallsp, fake_stack(0) + 0x800);
	fake_go_put(f, at + f->go.layout.g.syscallpc, fake_pc(WORKER));
	g = only(f);
	assert_false(g->on_cpu);
	assert_int_equal(g->thread, 0);
	assert_int_equal(g->sp, fake_stack(0) + 0x800);
	assert_int_equal(g->frames[0].entry, fake_entry(WORKER));
	assert_true(g->frames[0].is_precise && g->complete);
	finish(&env, f);
}

/* ---- input that leads nowhere ---- */

static void nowhere(void **state)
{
	static const struct {
		const char *what;
		taddr pc, sp;
	} cases[] = {
		{ "no function", 0x1234, FAKE_GO_STACKS + 0x800 },
		{ "outside the stack", FAKE_TEXT + 0x40, FAKE_OTHER },
		{ "a frame that runs past the stack", FAKE_TEXT + FAKE_FUNC + 0x40,
		  FAKE_GO_STACKS + FAKE_STACK - 0x20 },
		{ "the top of memory", FAKE_TEXT + 0x40, UINT64_MAX - 7 },
		{ "a call of nothing, at the end of the stack", 0,
		  FAKE_GO_STACKS + FAKE_STACK - 8 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct env env;
		struct fake_go *f = start(&env, 26, TARGET_X86_64);
		taddr at = fake_go_add(f, 1, GO_WAITING);

		print_message("%s\n", cases[i].what);
		park(f, at, cases[i].pc, cases[i].sp);
		assert_int_equal(only(f)->n_frames, 0);
		assert_false(f->go.goroutines[0].complete);
		finish(&env, f);
	}
}

/*
 * A return address into a function without a frame, whose "return address" it is again: arm64 alone
 * can.
 */
static void no_progress(void **state)
{
	struct env env;
	struct fake_go *f = start(&env, 26, TARGET_AARCH64);
	taddr at = fake_go_add(f, 1, GO_WAITING), sp = fake_stack(0) + 0x800;

	(void)state;
	park(f, at, fake_pc(LEAF), sp);
	fake_go_put(f, at + f->go.layout.g.sched_bp - 8, fake_pc(LEAF));
	fake_go_put(f, sp, fake_pc(LEAF));
	assert_true(only(f)->n_frames < 3);
	finish(&env, f);
}

static void bad_lists(void **state)
{
	static const struct {
		taddr at;
		uint64_t value;
		size_t n;
	} cases[] = {
		{ FAKE_ALLGS, 0x10, 0 },		   /* points nowhere */
		{ FAKE_ALLGS + 8, 1 << 20, 0 },		   /* longer than its memory */
		{ FAKE_ALLGS + 16, 0, 0 },		   /* longer than its capacity */
		{ FAKE_ALLGS + 0x100, 0, 1 },		   /* one of two is nothing */
		{ FAKE_ALLGS + 0x100, FAKE_G + 0x400, 1 }, /* both are the same */
		{ FAKE_G, FAKE_GO_STACKS + 0x2000, 1 },	   /* a stack upside down */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct env env;
		struct fake_go *f = start(&env, 26, TARGET_X86_64);

		fake_go_add(f, 1, GO_RUNNABLE);
		fake_go_add(f, 2, GO_RUNNABLE);
		fake_go_put(f, cases[i].at, cases[i].value);
		assert_null(go_sched_open(&f->go));
		assert_int_equal(f->go.n_goroutines, cases[i].n);
		finish(&env, f);
	}
}

/* A version that the layout is not of: the start functions tell where they are. */
static void calibrated(void **state)
{
	struct env env;
	struct fake_go *f = start(&env, 26, TARGET_X86_64);
	uint32_t at = f->go.layout.g.startpc + 40;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		taddr g = fake_go_add(f, i + 1, GO_DEAD);

		fake_go_put(f, g + at, fake_entry(WORKER));
		fake_go_put(f, g + at - 8, fake_pc(CALLER));
		fake_go_put(f, g + at - 16, fake_pc(MAIN));
		fake_go_put(f, g + at - 24, 7);
	}
	assert_null(go_sched_open(&f->go));
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(f->go.goroutines[i].start_pc, fake_entry(WORKER));
		assert_int_equal(f->go.goroutines[i].go_pc, fake_pc(MAIN));
		assert_int_equal(f->go.goroutines[i].parent, 7);
	}
	assert_int_equal(env.diags.n, 1);
	finish(&env, f);
}

static void shared_stack(void **state)
{
	static const int calls[] = { GOPARK, WORKER, GOEXIT, -1 };
	struct env env;
	struct fake_go *f = start(&env, 26, TARGET_X86_64);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		taddr g = fake_go_add(f, i + 1, GO_WAITING), stack = fake_stack(i == 1 ? 0 : i);

		fake_go_put(f, g + f->go.layout.g.stack, stack);
		fake_go_put(f, g + f->go.layout.g.stack + 8, stack + FAKE_STACK);
		lay(f, stack + 0x800, calls);
		park(f, g, fake_pc(GOPARK), stack + 0x800);
	}
	assert_null(go_sched_open(&f->go));
	assert_int_equal(f->go.n_goroutines, 3);
	assert_int_equal(f->go.goroutines[0].n_frames, 3);
	assert_int_equal(f->go.goroutines[1].n_frames, 0);
	assert_int_equal(f->go.goroutines[2].n_frames, 3);
	assert_int_equal(env.diags.n, 1);
	finish(&env, f);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(go_status_name(GO_SYSCALL), "syscall");
	assert_string_equal(go_status_name((enum go_status)99), "unknown");
}

/* The latest time that the runtime noted anywhere, and how long one waits by it. */
static void clocks(void **state)
{
	enum { SINCE = 1000, P = FAKE_GO_DATA + 0x100, ALLP = FAKE_GO_DATA + 0x80, SCHED = FAKE_GO_DATA + 0x1800 };
#define OF(part) offsetof(struct go_layout, part)
	const struct {
		taddr base;
		size_t field; /* in struct go_layout */
		uint64_t value, clock;
	} cases[] = {
		{ 0, 0, 0, SINCE }, /* the other one's waitsince alone */
		{ SCHED, OF(schedt.lastpoll), 5000, 5000 },
		{ SCHED, OF(schedt.lastpoll), 0, SINCE }, /* a thread polls */
		{ SCHED, OF(schedt.lastpoll), 1ull << 58, SINCE }, /* no time */
		{ SCHED, OF(schedt.lastpoll), UINT64_MAX, SINCE },
		{ P, OF(p.schedwhen), 6000, 6000 },
		{ P, OF(p.syscallwhen), 7000, 7000 },
		{ P, OF(p.limiterEvent), 4ull << 61 | 8000, 8000 }, /* idle since */
		{ P, OF(p.limiterEvent), 8000, SINCE },		    /* nothing goes on */
		{ FAKE_G, OF(g.trackingStamp), 9000, 9000 },
	};
#undef OF

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct env env;
		struct fake_go *f;
		uint32_t offset;
		taddr g;

		env_init(&env);
		f = fake_go_new(&env, 26, TARGET_X86_64, funcs);
		g = fake_go_add(f, 1, GO_WAITING);
		fake_go_put(f, g + f->go.layout.g.waitsince, 400);
		g = fake_go_add(f, 2, GO_WAITING);
		fake_go_put(f, g + f->go.layout.g.waitsince, SINCE);
		f->go.layout.p.limiterEvent = 0x60; /* the memory here is small */
		f->go.at.sched = SCHED;
		f->go.at.allp = ALLP;
		fake_go_put(f, ALLP, ALLP + 0x20);
		fake_go_put(f, ALLP + 8, 1);
		fake_go_put(f, ALLP + 16, 1);
		fake_go_put(f, ALLP + 0x20, P);
		memcpy(&offset, (const uint8_t *)&f->go.layout + cases[i].field, sizeof(offset));
		if (cases[i].base)
			fake_go_put(f, cases[i].base + offset, cases[i].value);
		assert_null(go_sched_open(&f->go));
		assert_int_equal(f->go.clock, cases[i].clock);
		assert_int_equal(goroutine_waited(&f->go, &f->go.goroutines[0]), cases[i].clock - 400);
		f->go.goroutines[0].status = GO_RUNNABLE;
		assert_int_equal(goroutine_waited(&f->go, &f->go.goroutines[0]), 0);
		f->go.goroutines[1].wait_since = 0;
		assert_int_equal(goroutine_waited(&f->go, &f->go.goroutines[1]), 0);
		fake_go_free(f);
		env_fini(&env);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clocks),
		cmocka_unit_test(fields),      cmocka_unit_test(system_ones),
		cmocka_unit_test(frames),      cmocka_unit_test(link_register),
		cmocka_unit_test(on_cpu),      cmocka_unit_test(on_system_stack),
		cmocka_unit_test(in_vdso),     cmocka_unit_test(on_signal_stack),
		cmocka_unit_test(in_syscall),  cmocka_unit_test(nowhere),
		cmocka_unit_test(no_progress), cmocka_unit_test(bad_lists),
		cmocka_unit_test(calibrated),  cmocka_unit_test(shared_stack),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
