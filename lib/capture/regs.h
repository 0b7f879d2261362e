/*
 * capture/regs.h - all that differs between processors: register sets, and how a system call is
 * made by hand.
 *
 * System call numbers and register use: Linux arch/x86/entry/syscalls/syscall_64.tbl,
 * include/uapi/asm-generic/unistd.h, syscall(2); register sets: include/uapi/linux/elf.h.
 */
#ifndef HEAPFX_CAPTURE_REGS_H
#define HEAPFX_CAPTURE_REGS_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/user.h>

#include "base/guard.h"

struct call {
	uint64_t nr, args[6];
};

#if defined(__x86_64__)

#define REGS_MACHINE EM_X86_64
typedef struct user_regs_struct regs_t;

static const uint8_t regs_syscall_insn[] = { 0x0f, 0x05 }; /* syscall */
enum { REGS_INSN_ALIGN = 1 };

/* Register sets that go into the core behind NT_PRSTATUS, in the kernel's order. */
static const struct {
	uint32_t type;
	const char *owner;
} regs_more[] = {
	{ NT_FPREGSET, "CORE" },
	{ NT_X86_XSTATE, "LINUX" },
};

static inline uint64_t regs_pc(const regs_t *r)
{
	return r->rip;
}

static inline void regs_set_pc(regs_t *r, uint64_t pc)
{
	r->rip = pc;
}

/* A 32-bit thread: its registers and calls are others. */
static inline bool regs_are_compat(const regs_t *r)
{
	return r->cs == 0x23;
}

/* In a system call, where no restartable sequence can be under way (rseq(2)). */
static inline bool regs_in_call(const regs_t *r)
{
	return (int64_t)r->orig_rax >= 0;
}

/*
 * `r` becomes a thread about to execute the system call instruction at `insn`.  orig_rax of -1 says
 * that no call of its own is to be restarted on the way.
 */
static inline void regs_make_call(regs_t *r, uint64_t insn, const struct call *c)
{
	r->rip = insn;
	r->rax = c->nr;
	r->orig_rax = UINT64_MAX;
	r->rdi = c->args[0];
	r->rsi = c->args[1];
	r->rdx = c->args[2];
	r->r10 = c->args[3];
	r->r8 = c->args[4];
	r->r9 = c->args[5];
	r->eflags &= ~0x100ul; /* TF: no single step */
}

static inline int64_t regs_result(const regs_t *r)
{
	return (int64_t)r->rax;
}

enum { CALL_CLONE = 56, CALL_WAIT4 = 61, CALL_CLOSE_RANGE = 436 };

#elif defined(__aarch64__)

/*
 * The kernel prepares the restart of an interrupted call before it stops for a tracer (arm64
 * kernel/signal.c, do_signal), so these registers put back restart it.  A call with a time-out
 * of its own (nanosleep) restarts with the whole of it, for what was left is not in registers.
 */
#define REGS_MACHINE EM_AARCH64
typedef struct user_regs_struct regs_t;

static const uint8_t regs_syscall_insn[] = { 0x01, 0x00, 0x00, 0xd4 }; /* svc #0 */
enum { REGS_INSN_ALIGN = 4 };

static const struct {
	uint32_t type;
	const char *owner;
} regs_more[] = {
	{ NT_FPREGSET, "CORE" },
	{ NT_ARM_TLS, "LINUX" },
	{ 0x406 /* NT_ARM_PAC_MASK */, "LINUX" },
};

static inline uint64_t regs_pc(const regs_t *r)
{
	return r->pc;
}

static inline void regs_set_pc(regs_t *r, uint64_t pc)
{
	r->pc = pc;
}

static inline bool regs_are_compat(const regs_t *r)
{
	return r->pstate & 0x10;
}

/* Not told by the registers: every thread is asked for a restartable sequence. */
static inline bool regs_in_call(const regs_t *r)
{
	(void)r;
	return false;
}

static inline void regs_make_call(regs_t *r, uint64_t insn, const struct call *c)
{
	r->pc = insn;
	r->regs[8] = c->nr;
	memcpy(r->regs, c->args, sizeof(c->args));
}

static inline int64_t regs_result(const regs_t *r)
{
	return (int64_t)r->regs[0];
}

enum { CALL_CLONE = 220, CALL_WAIT4 = 260, CALL_CLOSE_RANGE = 436 };

#else
#error "capture knows x86-64 and aarch64"
#endif

_Static_assert(sizeof(regs_t) == sizeof(elf_gregset_t), "NT_PRSTATUS holds them as they are");

/* clone(2) without flags is fork() with no signal at the end; `stack` 0 keeps the parent's. */
static inline struct call regs_clone_call(uint64_t stack)
{
	return (struct call){ CALL_CLONE, { 0, stack } };
}

#endif
