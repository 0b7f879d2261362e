/*
 * capture/freeze.h - all threads of a process stopped, and let go again.
 *
 * PTRACE_SEIZE and PTRACE_INTERRUPT (ptrace(2)): no signal is sent, a call that is interrupted is
 * restarted, a process stopped by SIGSTOP stays stopped afterwards.  No register is touched here,
 * and PTRACE_O_EXITKILL is never set: a tracer that dies lets the kernel detach, and the process
 * goes on as if nothing had been.
 *
 * Everything must be called from the thread that called freeze().
 */
#ifndef HEAPFX_CAPTURE_FREEZE_H
#define HEAPFX_CAPTURE_FREEZE_H

#include "capture/proc.h"
#include "capture/regs.h"

struct frozen_thread {
	pid_t tid;
	bool stopped; /* seen in PTRACE_EVENT_STOP, and not let go yet */
	regs_t regs;
};

struct frozen {
	pid_t pid;
	struct frozen_thread *v; /* the main thread first, then by number */
	size_t n, cap;
	uint64_t began, ended; /* CLOCK_MONOTONIC, ns: first stop, last thread let go (0: not yet) */
};

enum { FREEZE_TIMEOUT_MS = 5000 }; /* a failure costs the others this much, too */

uint64_t clock_ns(void);

/*
 * Stops them all within FREEZE_TIMEOUT_MS, or lets them go and says why not.  The registers of each
 * are read.  thaw() must follow in any case.  `started` as proc_stat() told it: a process that has
 * got the number of another one meanwhile is not stopped.
 */
struct err *freeze(pid_t pid, uint64_t started, struct frozen *ret) MUST_CHECK;
void thaw(struct frozen *f); /* lets go; the list of threads stays until frozen_fini() */
void frozen_fini(struct frozen *f);

/*
 * One wait for `tid`: NULL and its status, or ERR_OS: gone, or nothing by `deadline`
 * (CLOCK_MONOTONIC, ns).
 */
struct err *trace_wait(pid_t tid, uint64_t deadline, int *ret) MUST_CHECK;
/*
 * Lets `tid` go on until it stands in PTRACE_EVENT_STOP; signals on the way are delivered.
 * PTRACE_INTERRUPT must have been asked for.
 */
struct err *trace_until_stop(pid_t tid, uint64_t deadline) MUST_CHECK;
struct err *trace_get_regs(pid_t tid, regs_t *ret) MUST_CHECK;
struct err *trace_set_regs(pid_t tid, const regs_t *r) MUST_CHECK;

#endif
