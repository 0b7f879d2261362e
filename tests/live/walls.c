/* walls.c - confines itself to a directory, and tells what it can still do: "what ok" or an errno's name. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/confine.h"

static void tell(const char *what, long result)
{
	printf("%s %s\n", what, result >= 0 ? "ok" : strerrorname_np(errno));
}

static int in(const char *dir, const char *name, int flags)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return open(path, flags, 0600);
}

int main(int argc, char **argv)
{
	struct confine c = { .writable = { argv[1] }, .n_writable = 1 };
	char from[4096], to[4096], other[4096];

	if (argc != 3)
		return 2;
	snprintf(from, sizeof(from), "%s/a", argv[1]);
	snprintf(to, sizeof(to), "%s/b", argv[1]);
	snprintf(other, sizeof(other), "%s/walls", argv[2]);
	printf("landlock %d\n", syscall(444, NULL, 0, 1) > 0);
	confine(&c);
	tell("write-mine", in(argv[1], "a", O_WRONLY | O_CREAT));
	tell("rename-mine", rename(from, to));
	tell("write-other", in(argv[2], "a", O_WRONLY | O_CREAT));
	tell("unlink-other", unlink(other));
	tell("read-other", in(argv[2], "walls", O_RDONLY));
	tell("exec", execl("/bin/true", "true", NULL));
	tell("socket", socket(AF_INET, SOCK_STREAM, 0));
	tell("ptrace", ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
	tell("peek", syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
	tell("setns", setns(0, 0));
	tell("bpf", syscall(SYS_bpf, 0, NULL, 0));
	tell("detach", ptrace(PTRACE_DETACH, getppid(), NULL, NULL));
	return 0;
}
