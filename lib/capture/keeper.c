/* capture/keeper.c - freeze, copy, thaw; then wait for the end of heapfx. */
#include "capture/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/guard.h"
#include "capture/caps.h"
#include "capture/inject.h"

enum { REAP_TRIES = 20, REAP_NAP_US = 50000, KILL_NAP_US = 200 };

/* What the keeper answers: twice, at the copy and at the end. */
struct answer {
	int32_t failed, kind, os_errno; /* the error's, when failed */
	int32_t child;
	uint64_t stop_ns, threads, n_message, n_notes, n_maps;
};

void copy_fini(struct held_copy *c)
{
	bytes_fini(&c->notes);
	bytes_fini(&c->maps);
}

/* ---- the keeper's side */

static bool send_all(int sock, const void *v, size_t n)
{
	const char *at = v;

	while (n) {
		ssize_t sent = send(sock, at, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		at += sent;
		n -= (size_t)sent;
	}
	return true;
}

/* When nobody listens any more there is nobody to tell. */
static void answer(int sock, const struct held_copy *c, const struct err *err)
{
	struct answer a = {
		.failed = err != NULL,
		.kind = err ? (int32_t)err->kind : 0,
		.os_errno = err ? err->os_errno : 0,
		.child = c->pid,
		.stop_ns = c->stop_ns,
		.threads = c->threads,
		.n_message = err ? strlen(err->message) : 0,
		.n_notes = c->notes.n,
		.n_maps = c->maps.n,
	};

	(void)(send_all(sock, &a, sizeof(a)) && (!err || send_all(sock, err->message, a.n_message)) &&
	       send_all(sock, c->notes.v, a.n_notes) && send_all(sock, c->maps.v, a.n_maps));
}

/* Of the two processes the copy is the one to lose when memory runs out. */
static void offer_to_oom_killer(pid_t child)
{
	_close_ int fd = proc_open(child, "oom_score_adj", O_WRONLY);

	if (fd >= 0 && write(fd, "1000", 4) < 0)
		return; /* then it is as likely as its parent */
}

/* All of its threads, though its parent may not have heard yet. */
static bool is_gone(pid_t pid)
{
	struct tids tids = {};
	struct err *err = proc_tids(pid, &tids);
	bool gone = true;

	for (size_t i = 0; !err && gone && i < tids.n; i++)
		gone = proc_has_ended(tids.v[i]);
	free(tids.v);
	err_free(err);
	return gone;
}

/* `maps`: what stays of the mappings for finding a system call in the copy. */
static struct err *make_copy(pid_t target, uint64_t started, struct held_copy *c, struct maps *maps)
{
	struct frozen f = {};
	struct bytes text = {};
	struct err *err = freeze(target, started, &f);

	if (!err)
		err = proc_read(target, "maps", &c->maps);
	if (!err && !bytes_add(&text, c->maps.v, c->maps.n))
		err = &err_nomem;
	if (!err)
		err = maps_parse(&text, maps);
	if (!err)
		err = notes_build(&f, "fork", &c->notes);
	if (!err)
		err = inject_fork(&f, maps, &c->pid);
	thaw(&f);
	if (err && is_gone(target)) {
		err_free(err);
		err = err_os(ESRCH, "process %d ended before there was a copy of it", (int)target);
	}
	c->stop_ns = f.ended - f.began;
	c->threads = f.n;
	frozen_fini(&f);
	bytes_fini(&text);
	return err;
}

/*
 * kill() is not for a process of another user; its tracer may with PTRACE_KILL, on older kernels
 * only while it stands, which it will, at the end of its one call.
 */
static void kill_copy(pid_t child)
{
	int status = 0;
	pid_t got;

	do {
		kill(child, SIGKILL);
		ptrace(PTRACE_KILL, child, NULL, NULL);
		got = waitpid(child, &status, __WALL | WNOHANG);
		if (!got)
			usleep(KILL_NAP_US);
	} while (got == 0 || (got == child && WIFSTOPPED(status)));
}

/* The copy ends now; the target, if it lives, takes it away. */
static struct err *end_copy(pid_t target, pid_t child)
{
	struct err *err = NULL;

	kill_copy(child);
	for (unsigned i = 0; i < REAP_TRIES; i++) {
		err_free(err);
		err = inject_reap(target, child);
		if (!err || is_gone(target)) /* its orphans are init's */
			break;
		usleep(REAP_NAP_US);
	}
	if (err && is_gone(target)) {
		err_free(err);
		err = NULL;
	}
	return err;
}

/* Filters are read again when the copy is taken away. */
static void keep_what_it_takes(pid_t child)
{
	uint64_t mode;

	if (proc_status_number(child, "Seccomp", &mode) && !mode)
		caps_keep(CAPS_TRACE | CAPS_FILES);
}

static void leave_the_world(int sock)
{
	sigset_t all;
	int null = open("/dev/null", O_RDWR);

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "heapfx-keeper");
	setpriority(PRIO_PROCESS, 0, -20); /* its time is the target's pause; where it may */
	caps_keep(CAPS_TRACE | CAPS_FILES | CAPS_ADMIN);
	for (int fd = 0; fd < 3 && null >= 0; fd++)
		dup2(null, fd);
	if (sock != 3) {
		dup2(sock, 3);
		sock = 3;
	}
	syscall(SYS_close_range, 4u, ~0u, 0u);
}

static void __attribute__((noreturn)) keeper_main(pid_t target, uint64_t started, int sock)
{
	struct maps maps = {};
	struct held_copy c = {};
	struct err *err;
	char byte;

	leave_the_world(sock);
	sock = 3;
	if (!recv(sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT))
		_exit(0); /* heapfx is gone already */
	err = make_copy(target, started, &c, &maps);
	if (!err) {
		keep_what_it_takes(c.pid);
		offer_to_oom_killer(c.pid);
		inject_close_files(c.pid, &maps);
	}
	answer(sock, &c, err);
	if (c.pid) {
		while (recv(sock, &byte, 1, 0) < 0 && errno == EINTR)
			continue;
		err_free(err);
		err = end_copy(target, c.pid);
		answer(sock, &(struct held_copy){}, err);
	}
	_exit(0);
}

/* ---- heapfx's side */

static bool recv_all(int sock, void *v, size_t n)
{
	char *at = v;

	while (n) {
		ssize_t got = recv(sock, at, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += got;
		n -= (size_t)got;
	}
	return true;
}

static bool recv_bytes(int sock, uint64_t n, struct bytes *ret)
{
	*ret = (struct bytes){ .v = malloc(n + 1) };
	if (!ret->v || !recv_all(sock, ret->v, n))
		return false;
	ret->v[n] = 0;
	ret->n = n;
	ret->cap = n + 1;
	return true;
}

static struct err *hear(const struct keeper *k, struct held_copy *ret)
{
	_cleanup_(bytes_fini) struct bytes message = {};
	struct held_copy c = {};
	struct answer a;

	if (!recv_all(k->sock, &a, sizeof(a)) || !recv_bytes(k->sock, a.n_message, &message) ||
	    !recv_bytes(k->sock, a.n_notes, &c.notes) || !recv_bytes(k->sock, a.n_maps, &c.maps)) {
		copy_fini(&c);
		return err_new(ERR_OS, "the process that makes the copy was killed");
	}
	if (a.failed) {
		struct err *err = err_new((enum err_kind)a.kind, "%s", (char *)message.v);

		err->os_errno = err == &err_nomem ? 0 : a.os_errno;
		copy_fini(&c);
		return err;
	}
	c.pid = a.child;
	c.stop_ns = a.stop_ns;
	c.threads = a.threads;
	*ret = c;
	return NULL;
}

static void bury(struct keeper *k)
{
	close(k->sock);
	while (waitpid(k->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	*k = (struct keeper){ .sock = -1 };
}

struct err *keeper_start(pid_t target, uint64_t started, struct keeper *ret,
			 struct held_copy *ret_copy)
{
	struct keeper k;
	struct err *err;
	int socks[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks))
		return err_os(errno, "socketpair");
	fflush(NULL);
	k = (struct keeper){ .pid = fork(), .sock = socks[0] };
	if (!k.pid) {
		close(socks[0]);
		keeper_main(target, started, socks[1]);
	}
	close(socks[1]);
	if (k.pid < 0) {
		close(socks[0]);
		return err_os(errno, "fork");
	}
	err = hear(&k, ret_copy);
	if (err)
		bury(&k);
	else
		*ret = k;
	return err;
}

struct err *keeper_end(struct keeper *k)
{
	struct held_copy none = {};
	struct err *err;

	shutdown(k->sock, SHUT_WR);
	err = hear(k, &none);
	copy_fini(&none);
	bury(k);
	return err;
}
