/* capture/capture.c - which way to take, and the way from a process to a laid out core. */
#include "capture/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/text.h"
#include "capture/caps.h"

/* The kernel's default: private and shared anonymous memory, ELF headers, private huge pages. */
enum { FILTER_DEFAULT = 0x33 };
enum {
	ROOM_LEAST = 64 << 20,
	ROOM_SHARE = 4,
	LACKING_LEAST = 4 << 20, /* bytes that a copy lacks: it is not taken then */
};
#define CGROUP_ROOT "/sys/fs/cgroup"

const char *capture_mode_name(enum capture_mode mode)
{
	static const char *const names[] = { "auto", "fork", "stop", "gcore" };

	return names[mode];
}

/* ---- what is asked of the target before it is touched */

static unsigned read_filter(pid_t pid)
{
	_cleanup_(bytes_fini) struct bytes b = {};
	struct err *err = proc_read(pid, "coredump_filter", &b);

	if (err || !b.n) { /* a kernel without it dumps by the default */
		err_free(err);
		return FILTER_DEFAULT;
	}
	return (unsigned)strtoul((char *)b.v, NULL, 16);
}

static struct err *look_at(struct capture *c)
{
	pid_t pid = c->request.pid;
	_free_ char *dir = NULL;
	struct err *err;

	if (pid <= 0 || pid == getpid())
		return err_new(ERR_USAGE, "%d is no process to capture", (int)pid);
	err = proc_stat(pid, 0, &c->stat);
	if (err && err->kind == ERR_OS && err->os_errno == ENOENT) {
		err_free(err);
		return err_os(ESRCH, "process %d", (int)pid);
	}
	if (err)
		return err;
	if (c->stat.state == 'Z' || c->stat.state == 'X')
		return err_os(ESRCH, "process %d has ended", (int)pid);
	c->was_stopped = c->stat.state == 'T';
	c->filter = read_filter(pid);
	if (!proc_link(pid, "exe", c->exe, sizeof(c->exe)))
		*c->exe = 0;
	dir = memcg_dir_of(pid, CGROUP_ROOT);
	if (dir) {
		err = memcg_read(dir, &c->memcg);
		c->has_memcg = !err;
		err_free(err); /* without a limit that is known there is none to heed */
	}
	return NULL;
}

/* "MemAvailable" and its kind, bytes. */
static uint64_t machine_room(void)
{
	char line[128];
	unsigned long long kib = 0;
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib << 10;
}

/* Why making a copy would not leave the process as it is, whoever asks for it; NULL: it does. */
static const char *harm_of_fork(pid_t pid)
{
	uint64_t its = 0, ours = 0;

	/* what can be read the keeper asks (capture/seccomp.h), before the copy is made */
	if (proc_status_number(pid, "Seccomp", &its) && its &&
	    (!caps_have(CAPS_ADMIN) || !proc_status_number(getpid(), "Seccomp", &ours) || ours))
		return "its seccomp filter might kill it for making a copy, and is read only with "
		       "CAP_SYS_ADMIN and no filter of one's own";
	if (proc_serves_forks(pid))
		return "a thread of it is asked before it makes a copy (userfaultfd), and would stand "
		       "still like all others";
	return NULL;
}

/*
 * What the target writes to while its copy lives is there twice, and counts against its limit.  Room
 * for a quarter of what it has is asked for: how fast it writes nobody knows beforehand.
 */
static char *why_not_fork(const struct capture *c)
{
	const char *harm = harm_of_fork(c->request.pid);
	uint64_t kib = 0, need, room;

	if (c->was_stopped)
		return strdup("it is stopped already");
	if (harm)
		return strdup(harm);
	proc_status_number(c->request.pid, "RssAnon", &kib);
	need = (kib << 10) / ROOM_SHARE;
	need = need < ROOM_LEAST ? ROOM_LEAST : need;
	room = machine_room();
	if (c->has_memcg && c->memcg.max != MEMCG_UNLIMITED) {
		uint64_t left = c->memcg.max > c->memcg.current ? c->memcg.max - c->memcg.current : 0;

		room = left < room ? left : room;
	}
	if (room < need)
		return text_format("only %llu MiB are left below the memory limit, and %llu MiB "
				   "might be needed",
				   (unsigned long long)(room >> 20),
				   (unsigned long long)(need >> 20));
	return NULL;
}

/* ---- from a process that stands still to a laid out core */

static struct err *open_memory(struct capture *c, pid_t pid)
{
	c->mem = proc_open(pid, "mem", O_RDONLY);
	if (c->mem < 0)
		return err_os(errno, "/proc/%d/mem", (int)pid);
	c->pagemap = proc_open(pid, "pagemap", O_RDONLY); /* without it every page is read */
	c->stream.mem = c->mem;
	c->stream.pagemap = c->pagemap;
	c->stream.pid = pid;
	return proc_maps(pid, "smaps", &c->maps);
}

static struct err *lay_out(struct capture *c)
{
	struct plan_request r = {
		.filter = c->filter,
		.only_heap = c->request.only_heap,
		.maps = &c->maps,
		.original = c->mode == CAPTURE_FORK ? &c->original : NULL,
		.mem = c->mem,
		.pagemap = c->pagemap,
	};
	struct err *err = plan_make(&r, &c->plan);

	if (!err)
		err = notes_add_files(r.original ? r.original : r.maps, &c->notes);
	if (!err)
		err = plan_layout(&c->plan, &c->notes, &c->head, &c->stream);
	return err;
}

static struct err *take_stopped(struct capture *c)
{
	struct err *err = freeze(c->request.pid, c->stat.started, &c->frozen);

	if (err)
		return err;
	c->is_frozen = true;
	c->threads = c->frozen.n;
	err = notes_build(&c->frozen, "stop", &c->notes);
	if (!err)
		err = open_memory(c, c->request.pid);
	return err ? err : lay_out(c);
}

static struct err *take_copy(struct capture *c)
{
	const char *harm = harm_of_fork(c->request.pid);
	struct err *err;

	if (harm)
		return err_new(ERR_UNSUPPORTED, "process %d: %s (--mode stop makes none)",
			       (int)c->request.pid, harm);
	err = keeper_start(c->request.pid, c->stat.started, &c->keeper, &c->copy);

	if (err)
		return err;
	c->has_keeper = true;
	c->stop_ns = c->copy.stop_ns;
	c->threads = c->copy.threads;
	c->notes = c->copy.notes;
	c->copy.notes = (struct bytes){};
	err = maps_parse(&c->copy.maps, &c->original);
	if (!err)
		err = open_memory(c, c->copy.pid);
	return err ? err : lay_out(c);
}

/* As if nothing was taken yet. */
static void drop_taken(struct capture *c)
{
	copy_fini(&c->copy);
	plan_fini(&c->plan);
	maps_fini(&c->maps);
	maps_fini(&c->original);
	bytes_fini(&c->notes);
	bytes_fini(&c->head);
	stream_fini(&c->stream);
	guard_close(&c->mem);
	guard_close(&c->pagemap);
	c->copy = (struct held_copy){};
	c->stream = (struct stream){ .mem = -1, .pagemap = -1 };
	c->mem = c->pagemap = -1;
}

/*
 * V8 keeps its heap from copies (MADV_DONTFORK), and so do drivers what a device writes to: a core
 * without it would be no use, and call lost what only that memory holds.
 */
static char *why_not_copy(const struct capture *c)
{
	struct plan_request r = { .filter = c->filter, .maps = &c->maps, .original = &c->original };
	_close_ int pagemap = proc_open(c->request.pid, "pagemap", O_RDONLY);
	uint64_t lacking = plan_lacking(&r, pagemap);

	if (lacking < LACKING_LEAST)
		return NULL;
	return text_format("a copy is not given %llu MiB of its memory (MADV_DONTFORK, "
			   "MADV_WIPEONFORK)",
			   (unsigned long long)(lacking >> 20));
}

/* ---- gcore */

static struct err *run_gcore(const char *prefix, pid_t pid)
{
	char number[16];
	int status;
	pid_t child;

	snprintf(number, sizeof(number), "%d", (int)pid);
	fflush(NULL);
	child = fork();
	if (child < 0)
		return err_os(errno, "fork");
	if (!child) {
		int null = open("/dev/null", O_RDWR);

		for (int fd = 0; fd < 3 && null >= 0; fd++)
			dup2(null, fd);
		execlp("gcore", "gcore", "-o", prefix, number, NULL);
		_exit(127);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_os(ENOENT, "gcore (it comes with gdb)");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return err_new(ERR_OS, "gcore could not dump process %d", (int)pid);
	return NULL;
}

/* What is mapped, for the metadata and a bundle; the process runs, and this is of a moment later. */
static struct err *find_modules(struct capture *c)
{
	struct err *err = open_memory(c, c->request.pid);
	struct plan_request r = { .maps = &c->maps, .mem = c->mem, .pagemap = c->pagemap };

	return err ? err : plan_make(&r, &c->plan);
}

/* Its file has a name only until it is open. */
static struct err *take_gcore(struct capture *c)
{
	_free_ char *own = text_format("%s/.heapfx-gcore-XXXXXX", c->tmp_dir);
	_free_ char *prefix = NULL, *path = NULL;
	uint64_t began;
	struct err *err;
	off_t size;

	if (!own)
		return &err_nomem;
	if (!mkdtemp(own))
		return err_os(errno, "%s", own);
	prefix = text_format("%s/core", own);
	path = text_format("%s/core.%d", own, (int)c->request.pid);
	began = clock_ns();
	err = prefix && path ? run_gcore(prefix, c->request.pid) : &err_nomem;
	c->stop_ns = clock_ns() - began; /* with gdb's own start: it stands no longer than that */
	if (!err) {
		c->gcore_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (c->gcore_fd < 0)
			err = err_os(errno, "%s", path);
	}
	if (path)
		unlink(path);
	rmdir(own);
	if (err)
		return err;
	size = lseek(c->gcore_fd, 0, SEEK_END);
	if (size <= 0)
		return err_new(ERR_OS, "gcore wrote nothing");
	err = find_modules(c);
	return err ? err : stream_add(&c->stream, &(struct piece){ .n = (uint64_t)size,
						       .kind = PIECE_FILE,
						       .fd = c->gcore_fd });
}

/* ---- the whole */

static struct err *take_auto(struct capture *c)
{
	struct err *err;

	c->why = why_not_fork(c);
	c->mode = c->why ? CAPTURE_STOP : CAPTURE_FORK;
	if (c->mode == CAPTURE_STOP)
		return take_stopped(c);
	err = take_copy(c);
	if (!err) {
		c->why = why_not_copy(c);
		if (!c->why)
			return NULL;
		c->has_keeper = false;
		c->left = keeper_end(&c->keeper);
		drop_taken(c);
		c->mode = CAPTURE_STOP;
		return take_stopped(c);
	}
	/* a thread that does not stop will not for the other mode, and the others have waited for it */
	if (c->has_keeper || err->kind == ERR_NOMEM || err->os_errno == ETIMEDOUT)
		return err;
	c->why = strdup(err->message);
	c->mode = CAPTURE_STOP;
	err_free(err);
	return take_stopped(c);
}

struct err *capture_take(struct capture *c)
{
	switch (c->request.mode) {
	case CAPTURE_AUTO:
		return take_auto(c);
	case CAPTURE_FORK:
		return take_copy(c);
	case CAPTURE_STOP:
		return take_stopped(c);
	case CAPTURE_GCORE:
		return take_gcore(c);
	}
	return NULL;
}

struct err *capture_open(struct env *env, const struct capture_request *r, struct capture **ret)
{
	struct capture *c = calloc(1, sizeof(*c));
	struct err *err;

	if (!c)
		return &err_nomem;
	c->env = env;
	c->request = *r;
	c->mode = r->mode;
	c->mem = c->pagemap = c->gcore_fd = c->stream.mem = c->stream.pagemap = -1;
	c->tmp_dir = strdup(r->tmp_dir ? r->tmp_dir : ".");
	err = c->tmp_dir ? look_at(c) : &err_nomem;
	if (err)
		capture_close(c);
	else
		*ret = c;
	return err;
}

struct err *capture_release(struct capture *c)
{
	struct err *err = take(&c->left);

	if (c->is_frozen) {
		thaw(&c->frozen);
		c->stop_ns += c->frozen.ended - c->frozen.began;
		c->is_frozen = false;
	}
	if (c->has_keeper) {
		c->has_keeper = false;
		err_free(err);
		err = keeper_end(&c->keeper);
	}
	return err;
}

void capture_close(struct capture *c)
{
	if (!c)
		return;
	err_free(capture_release(c)); /* who wants to know has asked before */
	frozen_fini(&c->frozen);
	drop_taken(c);
	guard_close(&c->gcore_fd);
	free(c->why);
	free(c->tmp_dir);
	free(c);
}
