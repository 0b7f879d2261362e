/*
 * capture/inject.h - a stopped thread makes a system call for us and never knows.
 *
 * Its registers and signal mask are put back exactly, and it stands in PTRACE_EVENT_STOP again, so
 * that a call of its own that was interrupted is restarted by the kernel as if nothing had been.
 * No byte of its memory is written.
 *
 * Between the call and the registers put back the thread is not itself: a tracer that is killed
 * there leaves it broken.  So this is done by a process of its own that no signal but SIGKILL to
 * its own number reaches (capture/keeper.h).
 */
#ifndef HEAPFX_CAPTURE_INJECT_H
#define HEAPFX_CAPTURE_INJECT_H

#include "capture/freeze.h"

/*
 * A copy of the process, stopped, traced by the caller and to die with it (PTRACE_O_EXITKILL).  It
 * ran nothing, sends no signal when it ends, and its parent's wait() does not see it; it is the
 * process's child until inject_reap().
 */
struct err *inject_fork(const struct frozen *f, const struct maps *maps, pid_t *ret) MUST_CHECK;
/*
 * The copy closes the files it has in common with the process, so that nothing waits for their end
 * because of it.  The call may take its time; it is not waited for.
 */
void inject_close_files(pid_t child, const struct maps *maps);
/* The process takes away its dead child: one thread of it is stopped for a moment. */
struct err *inject_reap(pid_t pid, pid_t child) MUST_CHECK;

#endif
