/*
 * capture/seccomp.h - what a thread's seccomp filters would say to a call, before it is made.
 *
 * Sources: seccomp(2), PTRACE_SECCOMP_GET_FILTER of ptrace(2); Linux kernel/seccomp.c
 * (seccomp_check_filter: which instructions there are; seccomp_run_filters: the strictest answer of
 * all filters counts), net/core/filter.c (what the classic instructions do).
 */
#ifndef HEAPFX_CAPTURE_SECCOMP_H
#define HEAPFX_CAPTURE_SECCOMP_H

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "capture/regs.h"

/*
 * The answer of one program, SECCOMP_RET_...; SECCOMP_RET_KILL_PROCESS of one that is not as the
 * kernel lets them be.
 */
uint32_t seccomp_run(const struct sock_filter *v, size_t n, const struct seccomp_data *d);

enum seccomp_answer {
	SECCOMP_LETS,	 /* no filter, or all of them let the call pass */
	SECCOMP_REFUSES, /* or ends the thread, or asks somebody */
	SECCOMP_UNTOLD,	 /* reading filters takes CAP_SYS_ADMIN, and no filter of one's own */
};

/* `tid` is stopped and traced by the caller; `insn`: where the instruction of the call stands. */
enum seccomp_answer seccomp_ask(pid_t tid, uint64_t insn, const struct call *c);

#endif
