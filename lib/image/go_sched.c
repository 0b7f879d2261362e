/*
 * image/go_sched.c - every goroutine that runtime.allgs names, and where it stands.
 *
 * One that waits stands where the scheduler left it (g.sched), one in a system call where it
 * entered it (g.syscallsp); one that runs, where its thread's registers are: on its own stack, in
 * the frame of a signal handler that interrupted it, or on a system stack while it waits in g.sched
 * (runtime/proc.go, runtime/asm_*.s).
 */
#include "image/go_sched.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "image/go_func.h"
#include "image/go_unwind.h"
#include "image/shadow.h"

enum {
	G_BYTES = 1024, /* more than any version's runtime.g that is read */
	GOROUTINES_MAX = 1 << 24,
	STACK_MAX =
		1
		<< 30, /* runtime.maxstackceiling is twice maxstacksize, 1 GB at most by default */
	SIGNAL_STACK = 64 << 10, /* searched for a signal frame: gsignal has 32 KiB */
	WAIT_REASONS_MAX = 256,
	WORDS_MAX = 64, /* bytes of a wait reason */
	SCAN_BIT = 0x1000,
	EVENT_SHIFT = 61,
	CALIBRATE_WITH = 64, /* goroutines */
	CALIBRATE_FROM = 192,
	CALIBRATE_TO = 512, /* bytes of a g */
};

static const uint64_t CLOCK_MAX = 1ull << 58; /* nanoseconds: nine years of uptime */

struct reader {
	struct go *go;
	uint32_t size; /* bytes of a g that are read */
	const char **reasons;
	uint32_t n_reasons;
	struct go_unwind *unwind;
	struct {
		struct goroutine *v;
		size_t n, cap;
	} list;
	uint64_t n_bad;
	taddr start_pc; /* last asked for, with its answer */
	bool start_is_system;
};

const char *go_status_name(enum go_status status)
{
	static const char *const names[] = {
		[GO_IDLE] = "idle",	      [GO_RUNNABLE] = "runnable",
		[GO_RUNNING] = "running",     [GO_SYSCALL] = "syscall",
		[GO_WAITING] = "waiting",     [GO_MORIBUND] = "moribund",
		[GO_DEAD] = "dead",	      [GO_ENQUEUE] = "enqueue",
		[GO_COPYSTACK] = "copystack", [GO_PREEMPTED] = "preempted",
		[GO_LEAKED] = "leaked",	      [GO_DEADEXTRA] = "waiting for cgo callback",
	};

	return (size_t)status < ARRAY_SIZE(names) ? names[status] : "unknown";
}

/* ---- the words of one g ---- */

static uint64_t field(const uint8_t *g, uint32_t offset, unsigned bytes)
{
	uint64_t v = 0;

	if (offset > G_BYTES - 8)
		return 0;
	memcpy(&v, g + offset, bytes);
	return v;
}

static uint32_t g_size(const struct go_layout *l)
{
	const uint32_t offsets[] = {
		l->g.stack + 8,	 l->g.sched_sp,	  l->g.sched_pc,     l->g.sched_bp, l->g.syscallsp,
		l->g.syscallpc,	 l->g.m,	  l->g.atomicstatus, l->g.goid,	    l->g.waitsince,
		l->g.waitreason, l->g.parentGoid, l->g.gopc,	     l->g.startpc,
	};
	uint32_t size = 0;

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++)
		if (offsets[i] <= G_BYTES - 8 && offsets[i] + 8 > size)
			size = offsets[i] + 8;
	return size;
}

static bool is_sane(const struct goroutine *g)
{
	if (g->status > GO_DEADEXTRA)
		return false;
	if (g->stack_low == g->stack_high)
		return g->status == GO_DEAD || g->status == GO_IDLE || g->status == GO_DEADEXTRA;
	return g->stack_low < g->stack_high && g->stack_high - g->stack_low <= STACK_MAX &&
	       g->stack_high % 8 == 0;
}

/*
 * Started by the runtime for itself: runtime.isSystemGoroutine(), but for the states of its
 * helpers.
 */
static bool is_system_start(const struct go *go, taddr start_pc)
{
	static const char *const users[] = { "runtime.main", "runtime.corostart",
					     "runtime.handleAsyncEvent" };
	struct go_func f;
	char name[32] = "";

	if (!go_func_at(go, start_pc, &f))
		return false;
	for (size_t i = 0; i < sizeof(name) - 1; i++)
		if (image_read(go->img, f.name + i, &name[i], 1) != MEM_OK || !name[i])
			break;
	for (size_t i = 0; i < ARRAY_SIZE(users); i++)
		if (!strcmp(name, users[i]))
			return false;
	return !strncmp(name, "runtime.", 8);
}

static bool is_system(struct reader *r, taddr start_pc)
{
	if (r->start_pc != start_pc || !start_pc) {
		r->start_pc = start_pc;
		r->start_is_system = is_system_start(r->go, start_pc);
	}
	return r->start_is_system;
}

/* ---- running ones: registers ---- */

static uint32_t thread_of(const struct reader *r, const uint8_t *g)
{
	const struct image *img = r->go->img;
	taddr m = field(g, r->go->layout.g.m, 8);
	uint64_t tid;

	if (!m || r->go->layout.m.procid == GO_ABSENT ||
	    image_read_u64(img, m + r->go->layout.m.procid, &tid))
		return UINT32_MAX;
	for (size_t i = 0; i < img->n_threads; i++)
		if (tid && img->threads[i].tid == tid)
			return (uint32_t)i;
	return UINT32_MAX;
}

static bool is_on(const struct goroutine *g, taddr sp)
{
	return sp >= g->stack_low && sp < g->stack_high;
}

static uint32_t thread_on_stack(const struct image *img, const struct goroutine *g)
{
	for (size_t i = 0; i < img->n_threads; i++)
		if (img->threads[i].has_regs && is_on(g, img->threads[i].sp))
			return (uint32_t)i;
	return UINT32_MAX;
}

/*
 * The words of a sigcontext whose stack pointer lies on the goroutine's stack and whose pc in code
 * of Go: amd64 {.., rsp, rip, eflags, cs 0x33 ..}, arm64 {.., x28 = g, .., sp, pc, pstate of EL0}.
 */
static bool is_sigcontext(const struct reader *r, const struct goroutine *g, const uint8_t *words,
			  unsigned n)
{
	taddr sp = load_u64(words + 8 * (n - 1)), pc = load_u64(words + 8 * n);
	uint64_t flags = load_u64(words + 8 * (n + 1));
	struct go_func f;

	if (!is_on(g, sp) || sp % 8)
		return false;
	if (r->go->img->target->id == TARGET_AARCH64) {
		if (flags & 0xf || load_u64(words + 8 * 28) != g->g)
			return false;
	} else if ((load_u64(words + 8 * (n + 2)) & 0xffff) != 0x33 || flags >> 32 ||
		   !(flags & 2)) {
		return false;
	}
	return go_func_at(r->go, pc, &f);
}

/* On the stack that its thread runs on now: the handler's. */
static bool find_signal_frame(const struct reader *r, struct goroutine *g, taddr sp)
{
	unsigned n = go_signal_regs(r->go->img), need = 8 * (n + 3);
	uint64_t avail = 0;
	const uint8_t *bytes = image_view(r->go->img, align_up(sp, 8), &avail);

	if (!bytes)
		return false;
	if (avail > SIGNAL_STACK)
		avail = SIGNAL_STACK;
	for (uint64_t at = 0; at < avail && avail - at >= need; at += 8) {
		if (!is_sigcontext(r, g, bytes + at, n))
			continue;
		image_keep_bytes(r->go->img, bytes + at, need);
		g->signal_regs = align_up(sp, 8) + at;
		g->sp = load_u64(bytes + at + 8 * (n - 1));
		g->pc = load_u64(bytes + at + 8 * n);
		g->bp = load_u64(bytes + at + 8 * (n == 16 ? 10 : 29));
		return true;
	}
	return false;
}

/*
 * The clock is read on the system stack, and g.sched not set: m.vdsoSP and m.vdsoPC say where it goes
 * on (runtime/sys_linux_*.s, nanotime1).
 */
static bool find_vdso_call(const struct reader *r, const struct goroutine *g, taddr m,
			   struct go_stand *ret)
{
	uint32_t at = r->go->layout.m.vdsoSP;

	if (!m || at == GO_ABSENT || image_read_u64(r->go->img, m + at, &ret->sp) ||
	    image_read_u64(r->go->img, m + at + 8, &ret->pc))
		return false;
	return is_on(g, ret->sp) && ret->pc;
}

/* amd64 numbers rbp 6 in DWARF; arm64 x29, and x30 is the link register. */
static void stand_of_running(struct reader *r, struct goroutine *g, taddr m, struct go_stand *ret)
{
	const struct image *img = r->go->img;
	bool is_arm = img->target->id == TARGET_AARCH64;
	const struct thread *t;
	uint32_t on = thread_on_stack(img, g);

	if (on != UINT32_MAX)
		g->thread = on;
	if (g->thread == UINT32_MAX || !img->threads[g->thread].has_regs)
		return;
	t = &img->threads[g->thread];
	if (on != UINT32_MAX) {
		g->on_cpu = true;
		g->sp = t->sp;
		g->pc = t->pc;
		g->bp = t->regs[is_arm ? 29 : 6];
		ret->lr = is_arm ? t->regs[30] : 0;
	} else if (find_signal_frame(r, g, t->sp)) {
		if (is_arm && image_read_u64(img, g->signal_regs + 8 * 30, &ret->lr))
			ret->lr = 0;
	} else {
		if (!find_vdso_call(r, g, m, ret))
			*ret = (struct go_stand){ .low = ret->low, .high = ret->high };
		return; /* else on a system stack: it goes on where g.sched says */
	}
	ret->is_anywhere = true;
	ret->pc = g->pc;
	ret->sp = g->sp;
}

/* ---- where it stands, and its frames ---- */

static void find_stand(struct reader *r, const uint8_t *bytes, struct goroutine *g,
		       struct go_stand *ret)
{
	const struct go_layout *l = &r->go->layout;

	*ret = (struct go_stand){ .low = g->stack_low, .high = g->stack_high };
	if (g->status == GO_RUNNING)
		stand_of_running(r, g, field(bytes, l->g.m, 8), ret);
	if (ret->sp) {
		g->sp = ret->sp;
		g->pc = ret->pc;
		return;
	}
	ret->sp = field(bytes, l->g.syscallsp, 8);
	if (ret->sp) {
		ret->pc = field(bytes, l->g.syscallpc, 8);
		ret->is_syscall = true;
	} else {
		ret->sp = field(bytes, l->g.sched_sp, 8);
		ret->pc = field(bytes, l->g.sched_pc, 8);
		g->bp = field(bytes, l->g.sched_bp, 8);
		if (l->g.sched_bp >= 8)
			ret->lr = field(bytes, l->g.sched_bp - 8, 8); /* gobuf ends {.., lr, bp} */
	}
	g->sp = ret->sp;
	g->pc = ret->pc;
}

static struct err *read_frames(struct reader *r, const struct go_stand *stand, struct goroutine *g)
{
	const struct go_frame *frames;
	size_t n;
	struct err *err = go_unwind_stack(r->unwind, stand, &frames, &n, &g->complete);

	if (err || !n)
		return err;
	g->frames = arena_memdup(&r->go->mem, frames, n * sizeof(*frames));
	if (!g->frames)
		return &err_nomem;
	g->n_frames = n;
	return NULL;
}

static struct err *add_goroutine(struct reader *r, taddr at)
{
	const struct go_layout *l = &r->go->layout;
	uint8_t bytes[G_BYTES] = {};
	struct goroutine g = { .g = at, .thread = UINT32_MAX };
	struct go_stand stand;
	uint32_t status;
	uint8_t reason;
	struct err *err;

	if (!at || image_read(r->go->img, at, bytes, r->size) != MEM_OK) {
		r->n_bad++;
		return NULL;
	}
	status = (uint32_t)field(bytes, l->g.atomicstatus, 4);
	g.is_scan = status & SCAN_BIT;
	status &= ~(uint32_t)SCAN_BIT;
	g.status = status < UINT8_MAX ? (uint8_t)status : UINT8_MAX;
	g.stack_low = field(bytes, l->g.stack, 8);
	g.stack_high = field(bytes, l->g.stack + 8, 8);
	if (!is_sane(&g)) {
		r->n_bad++;
		return NULL;
	}
	g.id = field(bytes, l->g.goid, 8);
	g.parent = field(bytes, l->g.parentGoid, 8);
	g.wait_since = (int64_t)field(bytes, l->g.waitsince, 8);
	g.start_pc = field(bytes, l->g.startpc, 8);
	g.go_pc = field(bytes, l->g.gopc, 8);
	g.is_system = is_system(r, g.start_pc);
	reason = (uint8_t)field(bytes, l->g.waitreason, 1);
	if ((g.status == GO_WAITING || g.status == GO_LEAKED) && reason < r->n_reasons)
		g.wait_reason = r->reasons[reason];
	if (g.status == GO_RUNNING || g.status == GO_SYSCALL)
		g.thread = thread_of(r, bytes);
	if (g.status != GO_DEAD && g.status != GO_IDLE && g.stack_high) {
		find_stand(r, bytes, &g, &stand);
		err = read_frames(r, &stand, &g);
		if (err)
			return err;
	}
	return vec_push(&r->list, &g) ? NULL : &err_nomem;
}

/* ---- all of them ---- */

static struct err *read_reasons(struct reader *r)
{
	struct go *go = r->go;
	uint32_t n =
		go->at.n_wait_reasons < WAIT_REASONS_MAX ? go->at.n_wait_reasons : WAIT_REASONS_MAX;

	if (!go->at.wait_reasons || !n)
		return NULL;
	r->reasons = arena_alloc(&go->mem, n * sizeof(*r->reasons));
	if (!r->reasons)
		return &err_nomem;
	for (uint32_t i = 0; i < n; i++) {
		char words[WORDS_MAX];

		if (!go_string(go, go->at.wait_reasons + 16ull * i, words, sizeof(words)) ||
		    !words[0])
			continue;
		r->reasons[i] = arena_strdup(&go->mem, words);
		if (!r->reasons[i])
			return &err_nomem;
	}
	r->n_reasons = n;
	return NULL;
}

static int by_id(const void *a, const void *b)
{
	const struct goroutine *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->g < y->g ? -1 : x->g > y->g;
}

struct stack_range {
	taddr low, high;
	size_t no; /* in the list */
};

static int by_low(const void *a, const void *b)
{
	const struct stack_range *x = a, *y = b;

	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	return x->no < y->no ? -1 : x->no > y->no;
}

/* No two stacks overlap: what is read of all of them together is then no more than there is. */
static struct err *drop_shared_stacks(struct reader *r, struct goroutine *v, size_t n)
{
	_free_ struct stack_range *ranges = calloc(n, sizeof(*ranges));
	taddr end = 0;
	size_t k = 0;

	if (!ranges)
		return &err_nomem;
	for (size_t i = 0; i < n; i++)
		if (v[i].status != GO_DEAD && v[i].stack_low < v[i].stack_high)
			ranges[k++] = (struct stack_range){ v[i].stack_low, v[i].stack_high, i };
	qsort(ranges, k, sizeof(*ranges), by_low);
	for (size_t i = 0; i < k; i++) {
		struct goroutine *g = &v[ranges[i].no];

		if (ranges[i].low >= end) {
			end = ranges[i].high;
			continue;
		}
		diag(r->go->env, "go/stack-shared", g->stack_low,
		     "the stack of goroutine %llu is another's, too", (unsigned long long)g->id);
		g->stack_low = g->stack_high = 0;
		g->frames = NULL;
		g->n_frames = 0;
		g->complete = false;
	}
	return NULL;
}

/* Sorted; a g that allgs names twice is one. */
static struct err *keep(struct reader *r)
{
	struct goroutine *v = r->list.v;
	struct err *err;
	size_t n = 0;

	if (!r->list.n)
		return NULL;
	qsort(v, r->list.n, sizeof(*v), by_id);
	for (size_t i = 0; i < r->list.n; i++)
		if (!n || v[n - 1].g != v[i].g)
			v[n++] = v[i];
	err = drop_shared_stacks(r, v, n);
	if (err)
		return err;
	r->go->goroutines = arena_memdup(&r->go->mem, v, n * sizeof(*v));
	if (!r->go->goroutines)
		return &err_nomem;
	r->go->n_goroutines = n;
	return NULL;
}

/* ---- what time it was ---- */

static void note_time(struct go *go, uint64_t t)
{
	if (t < CLOCK_MAX && (int64_t)t > go->clock)
		go->clock = (int64_t)t;
}

/* When a P was last seen to do something else, and since when it is idle (mgclimit.go, limiterEventStamp). */
static void note_processors(struct go *go)
{
	const struct go_layout *l = &go->layout;
	uint64_t n;
	taddr ptr;

	if (!go->at.allp || !go_slice(go, go->at.allp, 8, &ptr, &n))
		return;
	for (uint64_t i = 0; i < n; i++) {
		taddr p = go_word(go, ptr + i * 8);
		uint64_t event = go_word(go, p + l->p.limiterEvent);

		note_time(go, go_word(go, p + l->p.schedwhen));
		note_time(go, go_word(go, p + l->p.syscallwhen));
		if (event >> EVENT_SHIFT)
			note_time(go, event & ((1ull << EVENT_SHIFT) - 1));
	}
}

/* No dump has the monotonic clock; the latest time that the runtime wrote down is how late it was at least. */
static void find_clock(struct go *go)
{
	const struct go_layout *l = &go->layout;

	if (go->at.sched)
		note_time(go, go_word(go, go->at.sched + l->schedt.lastpoll));
	if (go->at.memstats)
		note_time(go, go_word(go, go->at.memstats + l->mstats.last_gc_nanotime));
	note_processors(go);
	for (size_t i = 0; i < go->n_goroutines; i++) {
		const struct goroutine *g = &go->goroutines[i];

		if (g->status == GO_DEAD)
			continue;
		note_time(go, (uint64_t)g->wait_since);
		if (l->g.trackingStamp != GO_ABSENT)
			note_time(go, go_word(go, g->g + l->g.trackingStamp));
	}
}

uint64_t goroutine_waited(const struct go *go, const struct goroutine *g)
{
	bool waits = g->status == GO_WAITING || g->status == GO_SYSCALL;

	return waits && g->wait_since > 0 && go->clock > g->wait_since ? (uint64_t)(go->clock - g->wait_since) : 0;
}

/*
 * One that is neither dead nor running unwinds to the first function of its stack, or something is
 * wrong.
 */
static void check_frames(struct reader *r)
{
	struct go *go = r->go;

	for (size_t i = 0; i < go->n_goroutines; i++) {
		const struct goroutine *g = &go->goroutines[i];

		if (g->status == GO_DEAD || g->status == GO_IDLE || !g->stack_high)
			continue;
		if (g->complete) {
			go->checks_passed++;
			continue;
		}
		if (!go_has_functions(go))
			continue; /* go/no-tables */
		go->checks_failed++;
		diag(go->env, "go/stack-cut", g->sp,
		     "the stack of goroutine %llu ends after %zu frames, before its first function",
		     (unsigned long long)g->id, g->n_frames);
	}
	if (r->n_bad)
		diag(go->env, "go/goroutine", go->at.allgs,
		     "%llu of runtime.allgs are no goroutines", (unsigned long long)r->n_bad);
}

static struct err *read_all(struct reader *r, taddr allgs, uint64_t n)
{
	struct err *err = NULL;

	if (n > GOROUTINES_MAX) {
		diag(r->go->env, "go/goroutine", r->go->at.allgs,
		     "%llu goroutines: %d of them are read", (unsigned long long)n, GOROUTINES_MAX);
		n = GOROUTINES_MAX;
	}
	for (uint64_t i = 0; i < n && !err; i++)
		err = add_goroutine(r, go_word(r->go, allgs + 8 * i));
	return err ? err : keep(r);
}

/* Of some goroutines, those whose word at `offset` is the first byte of a function, and those asked. */
static void count_entries(const struct go *go, taddr allgs, uint64_t n, uint32_t offset,
			  unsigned *ret_hits, unsigned *ret_asked)
{
	struct go_func f;

	*ret_hits = *ret_asked = 0;
	for (uint64_t i = 0; i < n && i < CALIBRATE_WITH; i++) {
		taddr g = go_word(go, allgs + 8 * i), pc = g ? go_word(go, g + offset) : 0;

		*ret_asked += g != 0;
		*ret_hits += pc && go_func_at(go, pc, &f) && f.entry == pc;
	}
}

static bool holds_entries(const struct go *go, taddr allgs, uint64_t n, uint32_t offset)
{
	unsigned hits, asked;

	count_entries(go, allgs, n, offset, &hits, &asked);
	return hits && hits >= asked - asked / 10;
}

/*
 * g.startpc is where nearly all goroutines have the first byte of a function; where the layout says
 * otherwise (a version unknown to it) the words are asked.  {parentGoid, gopc, ancestors, startpc}
 * have stayed together since 1.21.
 */
static void calibrate(struct go *go, taddr allgs, uint64_t n)
{
	struct go_layout *l = &go->layout;

	if (!n || holds_entries(go, allgs, n, l->g.startpc))
		return;
	for (uint32_t at = CALIBRATE_FROM; at < CALIBRATE_TO; at += 8)
		if (holds_entries(go, allgs, n, at)) {
			diag(go->env, "go/layout", go->at.allgs,
			     "g.startpc is at %u, not at %u as in the version known", at,
			     l->g.startpc);
			l->g.startpc = at;
			l->g.gopc = at - 16;
			l->g.parentGoid = l->g.parentGoid == GO_ABSENT ? GO_ABSENT : at - 24;
			return;
		}
}

struct err *go_sched_open(struct go *go)
{
	struct reader r = { .go = go };
	taddr allgs;
	uint64_t n;
	struct err *err;

	if (!go->at.allgs || go->layout.g.atomicstatus == GO_ABSENT)
		return NULL;
	if (!go_slice(go, go->at.allgs, 8, &allgs, &n)) {
		diag(go->env, "go/goroutine", go->at.allgs, "runtime.allgs is no slice");
		return NULL;
	}
	calibrate(go, allgs, n);
	r.size = g_size(&go->layout);
	err = read_reasons(&r);
	if (!err)
		err = go_unwind_new(go, &r.unwind);
	if (!err)
		err = read_all(&r, allgs, n);
	if (!err)
		check_frames(&r);
	find_clock(go);
	go_unwind_free(r.unwind);
	free(r.list.v);
	return err;
}

const struct goroutine *go_goroutine_of_stack(const struct go *go, taddr addr)
{
	for (size_t i = 0; i < go->n_goroutines; i++)
		if (is_on(&go->goroutines[i], addr))
			return &go->goroutines[i];
	return NULL;
}

static int compare_frames(const struct goroutine *a, const struct goroutine *b)
{
	if (a->n_frames != b->n_frames)
		return a->n_frames < b->n_frames ? -1 : 1;
	for (size_t i = 0; i < a->n_frames; i++)
		if (a->frames[i].pc != b->frames[i].pc)
			return a->frames[i].pc < b->frames[i].pc ? -1 : 1;
	return 0;
}

int goroutine_compare(const struct goroutine *a, const struct goroutine *b)
{
	int diff = (int)a->status - (int)b->status;

	if (!diff && a->wait_reason && b->wait_reason)
		diff = strcmp(a->wait_reason, b->wait_reason);
	else if (!diff)
		diff = !!a->wait_reason - !!b->wait_reason;
	if (!diff)
		diff = compare_frames(a, b);
	if (!diff && a->go_pc != b->go_pc)
		diff = a->go_pc < b->go_pc ? -1 : 1;
	return diff;
}
