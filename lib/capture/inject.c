/*
 * capture/inject.c - a system call in somebody else's thread.
 *
 * Sources: ptrace(2); Linux kernel/fork.c (kernel_clone: a clone without SIGCHLD is
 * PTRACE_EVENT_CLONE), kernel/exit.c (eligible_child: wait() without __WCLONE passes over a child
 * whose exit signal is not SIGCHLD), kernel/rseq.c, arch/x86/kernel/signal.c
 * (arch_do_signal_or_restart).
 */
#include "capture/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/guard.h"
#include "capture/seccomp.h"

enum { CALL_TIMEOUT_MS = 10000, KERNEL_SIGSET = 8, SEARCH_STEP = 1 << 16, ASKED_MAX = 8 };

/* include/uapi/linux/ptrace.h, which does not go together with sys/ptrace.h. */
#define GET_RSEQ_CONFIGURATION 0x420f
struct rseq_configuration {
	uint64_t rseq_abi_pointer;
	uint32_t rseq_abi_size, signature, flags, pad;
};

/* include/uapi/linux/rseq.h: where struct rseq has its rseq_cs, and what that points to. */
enum { RSEQ_CS_AT = 8 };
struct rseq_section {
	uint32_t version, flags;
	uint64_t start_ip, post_commit_offset, abort_ip;
};

static uint64_t deadline_of(void)
{
	return clock_ns() + CALL_TIMEOUT_MS * 1000000ull;
}

/* ---- where a system call instruction stands */

static bool search_map(int mem, const struct map *m, uint64_t *ret)
{
	enum { N = sizeof(regs_syscall_insn) };
	_free_ uint8_t *buf = malloc(SEARCH_STEP);
	uint64_t at = m->start;

	while (buf && m->end - at >= N) {
		size_t want = m->end - at < SEARCH_STEP ? (size_t)(m->end - at) : SEARCH_STEP;
		ssize_t got = pread(mem, buf, want, (off_t)at);

		if (got < N)
			return false;
		for (size_t i = 0; i + N <= (size_t)got; i += REGS_INSN_ALIGN)
			if (!memcmp(buf + i, regs_syscall_insn, N)) {
				*ret = at + i;
				return true;
			}
		at += (uint64_t)got - (N - 1);
	}
	return false;
}

/* The kernel's own page first: every process has one, and nobody patches it. */
static struct err *find_syscall(int mem, const struct maps *maps, pid_t pid, uint64_t *ret)
{
	for (size_t i = 0; i < maps->n; i++)
		if (!strcmp(maps->v[i].path, "[vdso]") && search_map(mem, &maps->v[i], ret))
			return NULL;
	for (size_t i = 0; i < maps->n; i++)
		if (maps->v[i].flags & VMA_X && maps->v[i].inode &&
		    search_map(mem, &maps->v[i], ret))
			return NULL;
	return err_new(ERR_UNSUPPORTED, "process %d has no system call instruction in its code",
		       (int)pid);
}

static struct err *open_mem(pid_t pid, int *ret)
{
	*ret = proc_open(pid, "mem", O_RDONLY);
	return *ret < 0 ? err_os(errno, "/proc/%d/mem", (int)pid) : NULL;
}

/* ---- restartable sequences */

/*
 * A thread that was stopped inside such a sequence must go on at its abort handler: with other
 * registers the kernel would see it outside, and forget.  Answers where it goes on.
 */
static uint64_t resume_at(int mem, pid_t tid, uint64_t pc)
{
	struct rseq_configuration conf = {};
	struct rseq_section cs;
	uint64_t at;

	if (ptrace(GET_RSEQ_CONFIGURATION, tid, (void *)sizeof(conf), &conf) <= 0 ||
	    !conf.rseq_abi_pointer ||
	    pread(mem, &at, sizeof(at), (off_t)(conf.rseq_abi_pointer + RSEQ_CS_AT)) !=
		    sizeof(at) ||
	    !at || pread(mem, &cs, sizeof(cs), (off_t)at) != sizeof(cs))
		return pc;
	return pc - cs.start_ip < cs.post_commit_offset ? cs.abort_ip : pc;
}

/* ---- the call */

struct injected {
	pid_t pid, tid;
	regs_t saved;
	uint64_t mask;
	bool changed; /* the thread's registers are not its own */
	int held;     /* a signal that came in between and could not be blocked */
};

/* From here on the thread is not itself. Nothing but SIGKILL may come in between. */
static struct err *begin_call(struct injected *in, regs_t regs, uint64_t insn,
			      const struct call *call)
{
	static const uint64_t all = UINT64_MAX;

	if (ptrace(PTRACE_GETSIGMASK, in->tid, (void *)KERNEL_SIGSET, &in->mask) ||
	    ptrace(PTRACE_SETSIGMASK, in->tid, (void *)KERNEL_SIGSET, &all))
		return err_os(errno, "signal mask of thread %d", (int)in->tid);
	in->changed = true;
	regs_make_call(&regs, insn, call);
	return trace_set_regs(in->tid, &regs);
}

/* Everything as it was: the thread stands in PTRACE_EVENT_STOP and has its registers and mask. */
static struct err *end_call(struct injected *in)
{
	struct err *err;

	if (!in->changed)
		return NULL;
	err = trace_set_regs(in->tid, &in->saved);
	if (ptrace(PTRACE_SETSIGMASK, in->tid, (void *)KERNEL_SIGSET, &in->mask) && !err)
		err = err_os(errno, "signal mask of thread %d", (int)in->tid);
	if (in->held)
		syscall(SYS_tgkill, in->pid, in->tid, in->held);
	return err;
}

static struct err *step(const struct injected *in, int request, int *ret_status)
{
	if (ptrace(request, in->tid, NULL, NULL))
		return err_os(errno, "thread %d", (int)in->tid);
	return trace_wait(in->tid, UINT64_MAX, ret_status);
}

/*
 * Runs to the end of the call: PTRACE_SYSCALL stops at its entry, at its exit, and at the event of
 * a clone in between.  There is no time-out: a copy of a terabyte takes its time, and there is no
 * way back before it is done.
 */
static struct err *run_call(struct injected *in, pid_t *ret_child, int64_t *ret_result)
{
	for (unsigned plain = 0;;) {
		int status;
		struct err *err = step(in, PTRACE_SYSCALL, &status);
		unsigned long child;
		regs_t regs;

		if (err)
			return err;
		if (!WIFSTOPPED(status))
			return err_os(ESRCH, "thread %d ended", (int)in->tid);
		if (status >> 16 == PTRACE_EVENT_CLONE) {
			if (!ptrace(PTRACE_GETEVENTMSG, in->tid, NULL, &child) && ret_child)
				*ret_child = (pid_t)child;
			continue;
		}
		if (!(status >> 16) && WSTOPSIG(status) != (SIGTRAP | 0x80))
			in->held = WSTOPSIG(status); /* only SIGSTOP cannot be blocked */
		else if (!(status >> 16))
			plain++;
		if (plain < 2)
			continue;
		err = trace_get_regs(in->tid, &regs);
		if (!err)
			*ret_result = regs_result(&regs);
		return err;
	}
}

/* Out of the stop at the exit of a call, where the kernel restarts nothing, into one where it does. */
static struct err *to_event_stop(const struct injected *in)
{
	if (ptrace(PTRACE_INTERRUPT, in->tid, NULL, NULL) ||
	    ptrace(PTRACE_CONT, in->tid, NULL, NULL))
		return err_os(errno, "thread %d", (int)in->tid);
	return trace_until_stop(in->tid, UINT64_MAX);
}

static struct err *first_of(struct err *a, struct err *b)
{
	if (a)
		err_free(b);
	return a ? a : b;
}

/*
 * `t` is in PTRACE_EVENT_STOP, and is again afterwards, whatever came of it.  `ret_child`: of a
 * clone; it may be set even when this fails.
 */
static struct err *make_call(pid_t pid, const struct frozen_thread *t, int mem, uint64_t insn,
			     const struct call *call, pid_t *ret_child, int64_t *ret_result)
{
	struct injected in = { pid, t->tid, t->regs };
	uintptr_t options = PTRACE_O_TRACESYSGOOD | (ret_child ? PTRACE_O_TRACECLONE : 0);
	struct err *err;

	if (ptrace(PTRACE_SETOPTIONS, t->tid, NULL, (void *)options))
		return err_os(errno, "thread %d", (int)t->tid);
	if (!regs_in_call(&t->regs))
		regs_set_pc(&in.saved, resume_at(mem, t->tid, regs_pc(&t->regs)));
	err = begin_call(&in, t->regs, insn, call);
	if (!err) {
		err = run_call(&in, ret_child, ret_result);
		err = first_of(err, to_event_stop(&in));
	}
	err = first_of(err, end_call(&in));
	ptrace(PTRACE_SETOPTIONS, t->tid, NULL, NULL);
	return err;
}

/* ---- what it is for */

static struct call wait_call(pid_t child)
{
	return (struct call){ CALL_WAIT4, { (uint64_t)child, 0, WNOHANG | __WALL, 0 } };
}

/* What its filters say to the copy, and to taking it away, whatever number it will have. */
static enum seccomp_answer ask_for_copy(pid_t tid, uint64_t insn, const struct call *call)
{
	const struct call wait = wait_call(tid);
	enum seccomp_answer says = seccomp_ask(tid, insn, call);

	return says == SECCOMP_LETS ? seccomp_ask(tid, insn, &wait) : says;
}

/*
 * Best one that waits in a system call: nothing of its own can be under way in user mode.  Filters
 * are a thread's own, and mostly all have the same: a few are asked.
 */
static struct err *choose(const struct frozen *f, uint64_t insn, const struct call *call,
			  const struct frozen_thread **ret)
{
	enum seccomp_answer says = SECCOMP_REFUSES;
	unsigned asked = 0;

	for (unsigned any = 0; any < 2; any++) {
		for (size_t i = 0; i < f->n && asked < ASKED_MAX; i++) {
			if (any == regs_in_call(&f->v[i].regs))
				continue;
			*ret = &f->v[i];
			asked++;
			says = ask_for_copy(f->v[i].tid, insn, call);
			if (says == SECCOMP_LETS)
				return NULL;
		}
	}
	return err_new(ERR_UNSUPPORTED,
		       says == SECCOMP_REFUSES ?
			       "process %d: its seccomp filter does not let it make a copy (--mode "
			       "stop makes none)" :
			       "process %d: its seccomp filter might kill it for making a copy, and "
			       "cannot be read (--mode stop makes none)",
		       (int)f->pid);
}

/* Its first stop, and from then on it dies when we do. */
static struct err *take_child(pid_t child)
{
	int status;
	struct err *err = trace_wait(child, deadline_of(), &status);

	if (!err && !WIFSTOPPED(status))
		err = err_os(ESRCH, "the copy ended");
	if (!err && ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)PTRACE_O_EXITKILL))
		err = err_os(errno, "the copy");
	return err;
}

/*
 * The copy's stack is set to where nothing can be: should we be killed before the copy is bound to
 * die with us, its first instructions kill it.
 */
struct err *inject_fork(const struct frozen *f, const struct maps *maps, pid_t *ret)
{
	const struct frozen_thread *t = NULL;
	const struct call call = regs_clone_call(16);
	_close_ int mem = -1;
	uint64_t insn;
	int64_t result = 0;
	pid_t child = 0;
	struct err *err = open_mem(f->pid, &mem);

	if (!err)
		err = find_syscall(mem, maps, f->pid, &insn);
	if (!err)
		err = choose(f, insn, &call, &t);
	if (!err)
		err = make_call(f->pid, t, mem, insn, &call, &child, &result);
	if (!err && result < 0)
		err = err_os((int)-result, "process %d may not make a copy of itself", (int)f->pid);
	if (child)
		err = first_of(err, take_child(child));
	else if (!err)
		err = err_new(ERR_UNSUPPORTED, "the copy of process %d was not seen", (int)f->pid);
	if (err && child)
		kill(child, SIGKILL);
	*ret = child;
	return err;
}

void inject_close_files(pid_t child, const struct maps *maps)
{
	struct call call = { CALL_CLOSE_RANGE, { 0, UINT32_MAX, 0 } };
	_close_ int mem = -1;
	struct err *err = open_mem(child, &mem);
	uint64_t insn;
	regs_t regs;
	int status;

	/* a kernel before 5.9 knows no such call, a filter may refuse it: they stay open until its end */
	if (!err)
		err = find_syscall(mem, maps, child, &insn);
	if (!err && seccomp_ask(child, insn, &call) != SECCOMP_LETS)
		return;
	if (!err)
		err = trace_get_regs(child, &regs);
	if (!err) {
		regs_make_call(&regs, insn, &call);
		err = trace_set_regs(child, &regs);
	}
	/* to the entry of the call, and on to its exit: never back to its own code */
	if (!err && !ptrace(PTRACE_SYSCALL, child, NULL, NULL) &&
	    !(err = trace_wait(child, deadline_of(), &status)) && WIFSTOPPED(status))
		ptrace(PTRACE_SYSCALL, child, NULL, NULL);
	err_free(err);
}

static struct err *stop_one(pid_t pid, pid_t tid, struct frozen_thread *ret)
{
	struct frozen_thread t = { .tid = tid, .stopped = true };
	struct err *err;

	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) || ptrace(PTRACE_INTERRUPT, tid, NULL, NULL))
		return err_os(errno, "thread %d of process %d", (int)tid, (int)pid);
	err = trace_until_stop(tid, deadline_of());
	if (!err)
		err = trace_get_regs(tid, &t.regs);
	*ret = t;
	return err;
}

static struct err *reap_by(pid_t pid, pid_t tid, pid_t child)
{
	const struct call call = wait_call(child);
	_cleanup_(maps_fini) struct maps maps = {};
	struct frozen_thread t = {};
	_close_ int mem = -1;
	uint64_t insn;
	int64_t result = 0;
	struct err *err = stop_one(pid, tid, &t);

	if (!err)
		err = proc_maps(pid, "maps", &maps);
	if (!err)
		err = open_mem(pid, &mem);
	if (!err)
		err = find_syscall(mem, &maps, pid, &insn);
	if (!err && seccomp_ask(tid, insn, &call) != SECCOMP_LETS)
		err = err_new(ERR_UNSUPPORTED,
			      "process %d: its seccomp filter does not let it take its copy %d away",
			      (int)pid, (int)child);
	if (!err)
		err = make_call(pid, &t, mem, insn, &call, NULL, &result);
	if (!err && result != child && result != -ECHILD)
		err = err_new(ERR_OS, "process %d could not take its copy %d away: %lld", (int)pid,
			      (int)child, (long long)result);
	ptrace(PTRACE_DETACH, tid, NULL, NULL);
	return err;
}

struct err *inject_reap(pid_t pid, pid_t child)
{
	struct tids tids = {};
	struct err *err = proc_tids(pid, &tids);

	for (size_t i = 0; !err && i < tids.n; i++) {
		err = reap_by(pid, tids.v[i], child);
		if (!err)
			break;
		if (i + 1 < tids.n) { /* one thread may have ended, or be deep in the kernel */
			err_free(err);
			err = NULL;
		}
	}
	free(tids.v);
	return err;
}
