/* capture/confine.c - Landlock and seccomp by their system calls: a table and a few instructions. */
#include "capture/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/guard.h"

/* ---- Landlock */

/* Of ABI 2 (Linux 5.19) and 3 (6.2); Debian 12's header has them by other releases' names or not. */
#define FS_REFER (UINT64_C(1) << 13)
#define FS_TRUNCATE (UINT64_C(1) << 14)

static uint64_t rights_of(int abi)
{
	uint64_t rights = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
			  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
			  LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
			  LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
			  LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

	return rights | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0);
}

static void allow(int rules, const char *dir, uint64_t rights)
{
	_close_ int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct landlock_path_beneath_attr below = { .allowed_access = rights, .parent_fd = fd };

	if (fd >= 0)
		syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0);
}

static void limit_files(const struct confine *c)
{
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	uint64_t rights = abi > 0 ? rights_of(abi) : 0;
	struct landlock_ruleset_attr attr = {
		.handled_access_fs = rights | (c->programs ? 0 : LANDLOCK_ACCESS_FS_EXECUTE),
	};
	_close_ int rules = -1;

	/* ABI 1 cannot allow a rename between directories; none of ours is one */
	if (abi <= 0)
		return;
	rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
	if (rules < 0)
		return;
	for (size_t i = 0; i < c->n_writable; i++)
		allow(rules, c->writable[i], rights);
	syscall(SYS_landlock_restrict_self, rules, 0);
}

/* ---- seccomp */

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

/* Other processes, name spaces, the kernel itself, and ways around files' names. */
static const uint32_t never[] = {
	SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_pidfd_getfd, SYS_mount,
	SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_setns, SYS_unshare, SYS_open_by_handle_at,
	SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_io_uring_setup, SYS_init_module,
	SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_reboot, SYS_swapon, SYS_swapoff,
	SYS_add_key, SYS_request_key, SYS_keyctl, SYS_setuid, SYS_setgid, SYS_setreuid,
	SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setgroups, SYS_acct, SYS_quotactl,
	SYS_sethostname, SYS_settimeofday, SYS_clock_settime, SYS_personality,
};
static const uint32_t network[] = { SYS_socket, SYS_connect, SYS_bind, SYS_listen, SYS_accept,
				    SYS_accept4 };
static const uint32_t programs[] = { SYS_execve, SYS_execveat };

enum { PROGRAM_MAX = 2 * (ARRAY_SIZE(never) + ARRAY_SIZE(network) + ARRAY_SIZE(programs)) + 16 };

struct filter {
	struct sock_filter v[PROGRAM_MAX];
	unsigned short n;
};

static void add(struct filter *f, struct sock_filter insn)
{
	f->v[f->n++] = insn;
}

static void refuse(struct filter *f)
{
	add(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
}

static void refuse_all(struct filter *f, const uint32_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, v[i], 0, 1));
		refuse(f);
	}
}

static void load(struct filter *f, size_t at)
{
	add(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)at));
}

/* ptrace() lets go, and nothing else. */
static void refuse_tracing(struct filter *f)
{
#ifndef __SANITIZE_ADDRESS__ /* at its end LeakSanitizer stops the program's own threads by it */
	add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 3));
	load(f, offsetof(struct seccomp_data, args));
	add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PTRACE_DETACH, 1, 0));
	refuse(f);
#else
	(void)f;
#endif
}

static void filter_calls(const struct confine *c)
{
#ifdef OUR_ARCH
	struct filter f = {};
	struct sock_fprog program = { .filter = f.v };

	load(&f, offsetof(struct seccomp_data, arch));
	add(&f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0));
	refuse(&f);
	load(&f, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
	/* x32's numbers begin here: the same calls by other names */
	add(&f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1));
	refuse(&f);
#endif
	refuse_all(&f, never, ARRAY_SIZE(never));
	if (!c->network)
		refuse_all(&f, network, ARRAY_SIZE(network));
	if (!c->programs)
		refuse_all(&f, programs, ARRAY_SIZE(programs));
	refuse_tracing(&f);
	add(&f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	program.len = f.n;
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
#else
	(void)c;
#endif
}

void confine(const struct confine *c)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	limit_files(c);
	filter_calls(c);
}
