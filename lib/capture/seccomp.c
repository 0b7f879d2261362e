/* capture/seccomp.c - the classic BPF of seccomp, as far as the kernel lets it be. */
#include "capture/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <stdlib.h>
#include <sys/ptrace.h>

#include "base/guard.h"
#include "capture/proc.h"

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

enum { FILTERS_MAX = 1 << 10 }; /* the kernel's own bound is 32768 instructions for all of them */

struct machine {
	uint32_t a, x, mem[BPF_MEMWORDS];
};

static bool load(struct machine *m, const struct sock_filter *f, const struct seccomp_data *d)
{
	uint32_t v;

	switch (f->code & ~BPF_LDX) { /* BPF_LD is 0 */
	case BPF_W | BPF_ABS:
		if (f->code & BPF_LDX || f->k > sizeof(*d) - sizeof(v) || f->k % sizeof(v))
			return false;
		memcpy(&v, (const char *)d + f->k, sizeof(v));
		break;
	case BPF_W | BPF_LEN:
		v = sizeof(*d);
		break;
	case BPF_IMM:
		v = f->k;
		break;
	case BPF_MEM:
		if (f->k >= BPF_MEMWORDS)
			return false;
		v = m->mem[f->k];
		break;
	default:
		return false;
	}
	*(f->code & BPF_LDX ? &m->x : &m->a) = v;
	return true;
}

/* `ret_done`: the kernel ends a program that divides by zero with an answer of 0. */
static bool calculate(struct machine *m, const struct sock_filter *f, bool *ret_done)
{
	uint32_t by = BPF_SRC(f->code) == BPF_X ? m->x : f->k;

	switch (BPF_OP(f->code)) {
	case BPF_ADD:
		m->a += by;
		return true;
	case BPF_SUB:
		m->a -= by;
		return true;
	case BPF_MUL:
		m->a *= by;
		return true;
	case BPF_DIV:
		*ret_done = !by;
		m->a = by ? m->a / by : 0;
		return true;
	case BPF_AND:
		m->a &= by;
		return true;
	case BPF_OR:
		m->a |= by;
		return true;
	case BPF_XOR:
		m->a ^= by;
		return true;
	case BPF_LSH:
		m->a <<= by & 31;
		return true;
	case BPF_RSH:
		m->a >>= by & 31;
		return true;
	case BPF_NEG:
		m->a = -m->a;
		return true;
	}
	return false;
}

/* How many instructions it goes over; they only go forward. */
static bool jump(const struct machine *m, const struct sock_filter *f, uint32_t *ret)
{
	uint32_t with = BPF_SRC(f->code) == BPF_X ? m->x : f->k;
	bool is;

	switch (BPF_OP(f->code)) {
	case BPF_JA:
		*ret = f->k;
		return true;
	case BPF_JEQ:
		is = m->a == with;
		break;
	case BPF_JGT:
		is = m->a > with;
		break;
	case BPF_JGE:
		is = m->a >= with;
		break;
	case BPF_JSET:
		is = m->a & with;
		break;
	default:
		return false;
	}
	*ret = is ? f->jt : f->jf;
	return true;
}

static bool store(struct machine *m, const struct sock_filter *f)
{
	if (f->k >= BPF_MEMWORDS)
		return false;
	m->mem[f->k] = BPF_CLASS(f->code) == BPF_STX ? m->x : m->a;
	return true;
}

static void move(struct machine *m, const struct sock_filter *f)
{
	if (BPF_MISCOP(f->code) == BPF_TXA)
		m->a = m->x;
	else
		m->x = m->a;
}

uint32_t seccomp_run(const struct sock_filter *v, size_t n, const struct seccomp_data *d)
{
	struct machine m = {};

	for (size_t at = 0; at < n; at++) {
		const struct sock_filter *f = &v[at];
		bool ok = true, done = false;
		uint32_t over = 0;

		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
		case BPF_LDX:
			ok = load(&m, f, d);
			break;
		case BPF_ST:
		case BPF_STX:
			ok = store(&m, f);
			break;
		case BPF_ALU:
			ok = calculate(&m, f, &done);
			break;
		case BPF_JMP:
			ok = jump(&m, f, &over);
			break;
		case BPF_MISC:
			move(&m, f);
			break;
		case BPF_RET:
			return BPF_RVAL(f->code) == BPF_A ? m.a : f->k;
		}
		if (done)
			return 0;
		if (!ok || over >= n - at)
			break;
		at += over;
	}
	return SECCOMP_RET_KILL_PROCESS;
}

/* ---- of a thread */

static enum seccomp_answer ask_one(pid_t tid, unsigned long index, const struct seccomp_data *d,
				   bool *ret_end)
{
	long n = ptrace(PTRACE_SECCOMP_GET_FILTER, tid, (void *)index, NULL);
	_free_ struct sock_filter *v = NULL;
	uint32_t says;

	*ret_end = n < 0 && errno == ENOENT && index;
	if (*ret_end)
		return SECCOMP_LETS;
	if (n <= 0 || n > BPF_MAXINSNS || !(v = calloc((size_t)n, sizeof(*v))) ||
	    ptrace(PTRACE_SECCOMP_GET_FILTER, tid, (void *)index, v) != n)
		return SECCOMP_UNTOLD;
	says = seccomp_run(v, (size_t)n, d) & SECCOMP_RET_ACTION_FULL;
	return says == SECCOMP_RET_ALLOW || says == SECCOMP_RET_LOG ? SECCOMP_LETS :
								       SECCOMP_REFUSES;
}

enum seccomp_answer seccomp_ask(pid_t tid, uint64_t insn, const struct call *c)
{
	struct seccomp_data d = {
		.nr = (int)c->nr,
		.arch = OUR_ARCH,
		.instruction_pointer = insn + sizeof(regs_syscall_insn),
	};
	uint64_t mode = SECCOMP_MODE_STRICT;
	enum seccomp_answer says = SECCOMP_LETS;
	bool end = false;

	memcpy(d.args, c->args, sizeof(d.args));
	if (!proc_status_number(tid, "Seccomp", &mode) || mode == SECCOMP_MODE_STRICT)
		return SECCOMP_REFUSES;
	if (mode == SECCOMP_MODE_DISABLED)
		return SECCOMP_LETS;
	for (unsigned long i = 0; says == SECCOMP_LETS && !end; i++)
		says = i < FILTERS_MAX ? ask_one(tid, i, &d, &end) : SECCOMP_UNTOLD;
	return says;
}
