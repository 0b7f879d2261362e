/*
 * capture/freeze.c - seizing and interrupting every thread.
 *
 * Threads that are not stopped yet may start others: the list is read again until a whole pass
 * finds none that is new.  A main thread that has ended while others run cannot be seized, and
 * need not.
 */
#include "capture/freeze.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "base/vec.h"

enum { PASSES_MAX = 1000, SPINS = 200, NAP_NS = 50000, BURY_TIMEOUT_MS = 1000 };

uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

struct err *trace_wait(pid_t tid, uint64_t deadline, int *ret)
{
	for (unsigned spins = 0;; spins++) {
		pid_t got = waitpid(tid, ret, __WALL | WNOHANG);

		if (got == tid)
			return NULL;
		if (got < 0 && errno != EINTR)
			return err_os(errno, "waiting for thread %d", (int)tid);
		if (spins < SPINS)
			continue;
		/* a main thread's end is told only when all others are gone */
		if (proc_has_ended(tid))
			return err_os(ESRCH, "thread %d", (int)tid);
		if (clock_ns() > deadline)
			return err_os(ETIMEDOUT,
				      "thread %d does not stop: it is in a system call that cannot "
				      "be interrupted",
				      (int)tid);
		nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
	}
}

struct err *trace_until_stop(pid_t tid, uint64_t deadline)
{
	for (;;) {
		int status, sig;
		struct err *err = trace_wait(tid, deadline, &status);

		if (err)
			return err;
		if (!WIFSTOPPED(status))
			return err_os(ESRCH, "thread %d ended", (int)tid);
		if (status >> 16 == PTRACE_EVENT_STOP)
			return NULL;
		/* about to take a signal: it takes it, and stops before its handler runs */
		sig = status >> 16 ? 0 : WSTOPSIG(status);
		if (ptrace(PTRACE_CONT, tid, NULL, (void *)(intptr_t)sig))
			return err_os(errno, "thread %d", (int)tid);
	}
}

struct err *trace_get_regs(pid_t tid, regs_t *ret)
{
	struct iovec iov = { ret, sizeof(*ret) };

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &iov))
		return err_os(errno, "registers of thread %d", (int)tid);
	if (iov.iov_len != sizeof(*ret))
		return err_new(ERR_UNSUPPORTED, "thread %d is a 32-bit one", (int)tid);
	return NULL;
}

struct err *trace_set_regs(pid_t tid, const regs_t *r)
{
	struct iovec iov = { (void *)r, sizeof(*r) };

	if (ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &iov))
		return err_os(errno, "registers of thread %d", (int)tid);
	return NULL;
}

static bool is_known(const struct frozen *f, pid_t tid)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].tid == tid)
			return true;
	return false;
}

static struct err *refused(pid_t pid, pid_t tid, int why)
{
	uint64_t tracer;

	if (proc_status_number(pid, "TracerPid", &tracer) && tracer)
		return err_os(why, "process %d is traced by process %llu already", (int)pid,
			      (unsigned long long)tracer);
	return err_os(why,
		      "thread %d may not be traced (the same user or CAP_SYS_PTRACE is needed, and "
		      "kernel.yama.ptrace_scope allowing it)",
		      (int)tid);
}

static struct err *seize(struct frozen *f, pid_t tid)
{
	struct frozen_thread t = { .tid = tid };

	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL)) {
		int why = errno;

		return proc_has_ended(tid) ? NULL : refused(f->pid, tid, why);
	}
	if (!vec_push(f, &t)) {
		ptrace(PTRACE_DETACH, tid, NULL, NULL);
		return &err_nomem;
	}
	/* fails for one that ends just now, and its wait says so */
	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	return NULL;
}

static struct err *seize_new(struct frozen *f, bool *ret_any)
{
	struct tids tids = {};
	struct err *err = proc_tids(f->pid, &tids);
	size_t before = f->n;

	for (size_t i = 0; !err && i < tids.n; i++)
		if (!is_known(f, tids.v[i]))
			err = seize(f, tids.v[i]);
	*ret_any = f->n > before;
	free(tids.v);
	return err;
}

/* Those seized since the last call; who ended meanwhile leaves the list. */
static struct err *stop_new(struct frozen *f, uint64_t deadline)
{
	size_t kept = 0;
	struct err *err = NULL;

	for (size_t i = 0; i < f->n; i++) {
		struct frozen_thread t = f->v[i];

		if (!err && !t.stopped) {
			err = trace_until_stop(t.tid, deadline);
			t.stopped = !err;
			if (!err)
				err = trace_get_regs(t.tid, &t.regs);
			if (err && err->kind == ERR_OS && proc_has_ended(t.tid)) {
				err_free(err);
				err = NULL;
				continue;
			}
		}
		f->v[kept++] = t;
	}
	f->n = kept;
	return err;
}

static int by_tid(const void *a, const void *b)
{
	const struct frozen_thread *x = a, *y = b;

	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

static void main_thread_first(struct frozen *f)
{
	qsort(f->v, f->n, sizeof(*f->v), by_tid);
	for (size_t i = 0; i < f->n; i++) {
		struct frozen_thread t = f->v[i];

		if (t.tid != f->pid)
			continue;
		for (; i; i--)
			f->v[i] = f->v[i - 1];
		f->v[0] = t;
		return;
	}
}

/* What is stopped keeps its number: asked then, the answer stays true. */
static struct err *check_is_same(pid_t pid, uint64_t started)
{
	struct proc_stat st;
	struct err *err = proc_stat(pid, 0, &st);

	if (!err && st.started != started)
		err = err_os(ESRCH, "process %d ended, and another one has its number", (int)pid);
	return err;
}

struct err *freeze(pid_t pid, uint64_t started, struct frozen *ret)
{
	struct frozen f = { .pid = pid, .began = clock_ns() };
	uint64_t deadline = f.began + FREEZE_TIMEOUT_MS * 1000000ull;
	struct err *err = NULL;
	bool any = true;

	for (unsigned pass = 0; !err && any; pass++) {
		err = seize_new(&f, &any);
		if (!err)
			err = stop_new(&f, deadline);
		if (!err && pass == PASSES_MAX)
			err = err_os(EAGAIN,
				     "process %d starts threads faster than they can be stopped",
				     (int)pid);
	}
	if (!err && !f.n)
		err = err_os(ESRCH, "process %d has ended", (int)pid);
	if (!err)
		err = check_is_same(pid, started);
	if (!err)
		main_thread_first(&f);
	for (size_t i = 0; !err && i < f.n; i++)
		if (regs_are_compat(&f.v[i].regs))
			err = err_new(ERR_UNSUPPORTED, "process %d is a 32-bit one", (int)pid);
	*ret = f;
	if (err) {
		thaw(ret);
		frozen_fini(ret);
	}
	return err;
}

/*
 * Who was killed while it stood, by a signal or by the end of its process, stands no more, and its
 * end is its tracer's to hear: until then the process cannot end, nor become another program.  A
 * thread that never stopped cannot be detached by name; when its tracer ends the kernel does it, and
 * until then it runs.
 */
static void bury(pid_t tid, uint64_t deadline)
{
	while (ptrace(PTRACE_DETACH, tid, NULL, NULL)) {
		int status = 0;
		pid_t got = waitpid(tid, &status, __WALL | WNOHANG);

		if (got == tid ? !WIFSTOPPED(status) : got < 0 && errno != EINTR)
			return;
		if (clock_ns() > deadline)
			return;
		if (!got)
			nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
	}
}

void thaw(struct frozen *f)
{
	uint64_t deadline;

	if (f->ended)
		return;
	for (size_t i = 0; i < f->n; i++)
		f->v[i].stopped = ptrace(PTRACE_DETACH, f->v[i].tid, NULL, NULL) != 0;
	f->ended = clock_ns();
	deadline = f->ended + BURY_TIMEOUT_MS * 1000000ull;
	/* the main thread's end is told when all others are gone; it may have left the list */
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].stopped && f->v[i].tid != f->pid)
			bury(f->v[i].tid, deadline);
	bury(f->pid, deadline);
}

void frozen_fini(struct frozen *f)
{
	free(f->v);
	f->v = NULL;
	f->n = f->cap = 0;
}
