/*
 * restless.c - a process that a capture finds in the middle of something.
 *
 * usage: restless HOW
 *
 *	exec	becomes itself, again and again
 *	fork	makes children that end at once, and waits for each: it ends with 2 when it finds another
 *	threads	starts and joins threads
 *	vfork	waits for a child that has its memory and does not give it back
 *	seccomp	is killed by its own filter for clone()
 *	waits	the same for wait4()
 *	docker	has two filters, the second as container engines set them: name spaces are refused
 *	uffd	has a userfaultfd that hears of forks, and a thread that serves it
 *	named	is called what no file should be, and nothing else
 *
 * Says "ready" on standard output when it is; exec says so once.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int uffd;

static void *nothing(void *arg)
{
	return arg;
}

static __attribute__((noreturn)) void *serve(void *arg)
{
	struct uffd_msg m;

	(void)arg;
	for (;;)
		if (read(uffd, &m, sizeof(m)) == sizeof(m) && m.event == UFFD_EVENT_FORK)
			close((int)m.arg.fork.ufd);
}

static void fork_on(void)
{
	for (;;) {
		pid_t child = fork();
		int status = 0;

		if (!child)
			_exit(7);
		if (wait(&status) != child || WEXITSTATUS(status) != 7)
			exit(2);
	}
}

static void start_threads(void)
{
	pthread_t t[4];

	for (;;) {
		for (unsigned i = 0; i < 4; i++)
			if (pthread_create(&t[i], NULL, nothing, NULL))
				exit(3);
		for (unsigned i = 0; i < 4; i++)
			pthread_join(t[i], NULL);
	}
}

static void add_filter(struct sock_filter *v, unsigned short n)
{
	struct sock_fprog p = { n, v };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p))
		exit(4);
}

static void forbid(uint32_t number)
{
	struct sock_filter v[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	add_filter(v, 4);
}

/* What moby's default profile says to clone(), mount() and numbers that are not in its list. */
static void be_in_a_container(void)
{
	struct sock_filter v[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mount, 7, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 600, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x7e020000, 2, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 38),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
	};

	forbid(SYS_ptrace);
	add_filter(v, sizeof(v) / sizeof(*v));
}

/* Status 77: the kernel does not let us. */
static void hear_of_forks(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_EVENT_FORK };
	size_t n = 1 << 20;
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register r = { { (uintptr_t)p, n }, UFFDIO_REGISTER_MODE_MISSING, 0 };
	pthread_t t;

	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &r))
		exit(77);
	pthread_create(&t, NULL, serve, NULL);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";

	if (!strcmp(how, "seccomp"))
		forbid(SYS_clone);
	if (!strcmp(how, "waits"))
		forbid(SYS_wait4);
	if (!strcmp(how, "docker"))
		be_in_a_container();
	if (!strcmp(how, "uffd"))
		hear_of_forks();
	if (!strcmp(how, "named"))
		prctl(PR_SET_NAME, "../x\n\33[31m\377\"");
	if (argc == 2) {
		puts("ready");
		fflush(stdout);
	}
	if (!strcmp(how, "exec")) {
		usleep(200);
		execl("/proc/self/exe", argv[0], how, "again", NULL);
	}
	if (!strcmp(how, "vfork") && !vfork())
		pause();
	if (!strcmp(how, "fork"))
		fork_on();
	if (!strcmp(how, "threads"))
		start_threads();
	for (;;)
		sleep(1000);
}
