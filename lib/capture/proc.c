/*
 * capture/proc.c - reading /proc/PID.
 *
 * Sources: Linux fs/proc/task_mmu.c (show_map_vma, show_smap_vma_flags), fs/proc/array.c
 * (do_task_stat).
 */
#include "capture/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"

enum { READ_STEP = 1 << 16, READ_MAX = 256 << 20 };

void bytes_fini(struct bytes *b)
{
	free(b->v);
	*b = (struct bytes){};
}

bool bytes_add(struct bytes *b, const void *v, size_t n)
{
	if (!vec_grow((void **)&b->v, &b->cap, b->n + n + 1, 1))
		return false;
	if (n)
		memcpy(b->v + b->n, v, n);
	b->n += n;
	b->v[b->n] = 0;
	return true;
}

int proc_open(pid_t pid, const char *name, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return open(path, flags | O_CLOEXEC | O_NOCTTY);
}

int proc_open_in_root(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

int proc_open_dir(const char *path)
{
	int pid, end = 0;
	_close_ int root = -1;

	if (sscanf(path, "/proc/%d/root%n", &pid, &end) != 1 || !end ||
	    (path[end] && path[end] != '/'))
		return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	root = proc_open((pid_t)pid, "root", O_PATH | O_DIRECTORY);
	return root < 0 ? -1 : proc_open_in_root(root, path[end] ? path + end : "/",
						 O_RDONLY | O_DIRECTORY);
}

struct err *proc_read(pid_t pid, const char *name, struct bytes *ret)
{
	_close_ int fd = proc_open(pid, name, O_RDONLY);
	_cleanup_(bytes_fini) struct bytes b = {};

	if (fd < 0)
		return err_os(errno, "/proc/%d/%s", (int)pid, name);
	for (;;) {
		ssize_t n;

		if (!vec_grow((void **)&b.v, &b.cap, b.n + READ_STEP + 1, 1))
			return &err_nomem;
		n = read(fd, b.v + b.n, READ_STEP);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_os(errno, "/proc/%d/%s", (int)pid, name);
		b.n += (size_t)n;
		b.v[b.n] = 0;
		if (!n)
			break;
		if (b.n > READ_MAX)
			return err_new(ERR_LIMIT, "/proc/%d/%s is over 256 MiB", (int)pid, name);
	}
	*ret = b;
	b = (struct bytes){};
	return NULL;
}

/* ---- mappings */

void maps_fini(struct maps *m)
{
	free(m->v);
	free(m->names);
	*m = (struct maps){};
}

const struct map *maps_find(const struct maps *m, uint64_t addr)
{
	size_t at = partition_point(m->n, i, m->v[i].end <= addr);

	return at < m->n && m->v[at].start <= addr ? &m->v[at] : NULL;
}

bool map_is_deleted(const struct map *m)
{
	static const char mark[] = " (deleted)";
	size_t n = strlen(m->path);

	return n >= sizeof(mark) - 1 && !strcmp(m->path + n - (sizeof(mark) - 1), mark);
}

/* The kernel writes a newline in a name as \012, and nothing else so. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (!strncmp(s, "\\012", 4)) {
			*to++ = '\n';
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = 0;
}

/* "55d0..-55d1.. r-xp 00002000 fe:00 1234    /usr/bin/x" */
static bool parse_row(char *line, struct map *ret)
{
	unsigned long long start, end, offset, inode;
	unsigned major, minor;
	char perms[5];
	int at = 0;

	if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu %n", &start, &end, perms, &offset, &major,
		   &minor, &inode, &at) != 7 ||
	    !at || start >= end)
		return false;
	unescape(line + at);
	*ret = (struct map){
		.start = start,
		.end = end,
		.offset = offset,
		.dev = (uint64_t)major << 32 | minor,
		.inode = inode,
		.flags = (perms[0] == 'r' ? VMA_R : 0u) | (perms[1] == 'w' ? VMA_W : 0u) |
			 (perms[2] == 'x' ? VMA_X : 0u) | (perms[3] == 's' ? VMA_SHARES : 0u),
		.path = line + at,
	};
	return true;
}

/* "VmFlags: rd wr mr mw me ac dd" */
static unsigned parse_vm_flags(const char *s)
{
	static const struct {
		char name[3];
		unsigned flag;
	} names[] = {
		{ "dd", VMA_DONTDUMP },
		{ "io", VMA_IO },
		{ "ht", VMA_HUGETLB },
		{ "wf", VMA_WIPEONFORK },
	};
	unsigned flags = 0;

	while (*s) {
		s += strspn(s, " ");
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			if (!strncmp(s, names[i].name, 2))
				flags |= names[i].flag;
		s += strcspn(s, " ");
	}
	return flags;
}

/* A line of smaps below the mapping's own: "Anonymous:  12 kB". */
static void parse_field(const char *line, struct map *m)
{
	unsigned long long kib;

	if (sscanf(line, "Anonymous: %llu kB", &kib) == 1 ||
	    sscanf(line, "Swap: %llu kB", &kib) == 1 ||
	    sscanf(line, "Private_Hugetlb: %llu kB", &kib) == 1 ||
	    sscanf(line, "Shared_Hugetlb: %llu kB", &kib) == 1)
		m->anonymous += kib << 10;
	else if (!strncmp(line, "VmFlags:", 8))
		m->flags |= parse_vm_flags(line + 8);
}

/* Fields are called with a capital letter; a mapping's line begins with a lower-case digit. */
static bool is_field(const char *line)
{
	return isupper((unsigned char)*line);
}

static struct err *parse_lines(char *text, struct maps *m)
{
	for (char *line = text, *next; *line; line = next) {
		struct map row;

		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		if (is_field(line)) {
			if (m->n)
				parse_field(line, &m->v[m->n - 1]);
			continue;
		}
		if (!parse_row(line, &row) || (m->n && row.start < m->v[m->n - 1].end))
			return err_new(ERR_FORMAT, "mapping %zu is not one of /proc/PID/maps", m->n);
		if (!vec_push(m, &row))
			return &err_nomem;
	}
	return NULL;
}

struct err *maps_parse(struct bytes *text, struct maps *ret)
{
	struct maps m = { .names = (char *)text->v };
	struct err *err;

	*text = (struct bytes){};
	err = m.names ? parse_lines(m.names, &m) : NULL;
	if (err)
		maps_fini(&m);
	else
		*ret = m;
	return err;
}

struct err *proc_maps(pid_t pid, const char *name, struct maps *ret)
{
	struct bytes text = {};
	struct err *err = proc_read(pid, name, &text);

	return err ? err : maps_parse(&text, ret);
}

/* ---- threads and state */

static DIR *open_list(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return opendir(path);
}

struct err *proc_tids(pid_t pid, struct tids *ret)
{
	DIR *dir = open_list(pid, "task");
	struct dirent *e;
	struct err *err = NULL;

	if (!dir)
		return err_os(errno, "process %d", (int)pid);
	while (!err && (e = readdir(dir))) {
		pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);

		if (tid > 0 && !vec_push(ret, &tid))
			err = &err_nomem;
	}
	closedir(dir);
	return err;
}

/* "API:	aa:2:7f": the features that were asked for (fs/userfaultfd.c, userfaultfd_show_fdinfo) */
static bool hears_of_forks(pid_t pid, const char *fd)
{
	_cleanup_(bytes_fini) struct bytes b = {};
	char name[32], link[32];
	unsigned features = 0;
	const char *at;
	struct err *err;

	snprintf(name, sizeof(name), "fd/%.16s", fd);
	if (!proc_link(pid, name, link, sizeof(link)) || strcmp(link, "anon_inode:[userfaultfd]"))
		return false;
	snprintf(name, sizeof(name), "fdinfo/%.16s", fd);
	err = proc_read(pid, name, &b);
	at = err ? NULL : strstr((char *)b.v, "API:");
	err_free(err); /* it is closed meanwhile */
	return at && sscanf(at, "API: %*x:%x", &features) == 1 && features & UFFD_FEATURE_EVENT_FORK;
}

bool proc_serves_forks(pid_t pid)
{
	DIR *dir = open_list(pid, "fd");
	struct dirent *e;
	bool any = false;

	while (dir && !any && (e = readdir(dir)))
		any = hears_of_forks(pid, e->d_name);
	if (dir)
		closedir(dir);
	return any;
}

struct err *proc_stat(pid_t pid, pid_t tid, struct proc_stat *ret)
{
	_cleanup_(bytes_fini) struct bytes b = {};
	struct proc_stat s = {};
	char name[48] = "stat";
	const char *open, *close;
	struct err *err;
	int ppid, pgrp, sid;
	unsigned long long flags, utime, stime, started;
	long long cutime, cstime, nice;
	size_t n;

	if (tid)
		snprintf(name, sizeof(name), "task/%d/stat", (int)tid);
	err = proc_read(pid, name, &b);
	if (err)
		return err;
	/* the name may hold anything, a bracket too: it ends at the last one */
	open = strchr((char *)b.v, '(');
	close = strrchr((char *)b.v, ')');
	if (!open || !close || close < open ||
	    sscanf(close + 1,
		   " %c %d %d %d %*d %*d %llu %*u %*u %*u %*u %llu %llu %lld %lld %*d %lld %*d %*d "
		   "%llu",
		   &s.state, &ppid, &pgrp, &sid, &flags, &utime, &stime, &cutime, &cstime, &nice,
		   &started) != 11)
		return err_new(ERR_FORMAT, "/proc/%d/%s is not as proc(5) says", (int)pid, name);
	n = (size_t)(close - open - 1);
	memcpy(s.comm, open + 1, n < sizeof(s.comm) ? n : sizeof(s.comm) - 1);
	s.ppid = ppid;
	s.pgrp = pgrp;
	s.sid = sid;
	s.flags = flags;
	s.utime = utime;
	s.stime = stime;
	s.cutime = (uint64_t)cutime;
	s.cstime = (uint64_t)cstime;
	s.nice = nice;
	s.started = started;
	*ret = s;
	return NULL;
}

bool proc_has_ended(pid_t pid)
{
	struct proc_stat st;
	struct err *err = proc_stat(pid, 0, &st);
	bool ended = err || st.state == 'Z' || st.state == 'X';

	err_free(err);
	return ended;
}

bool proc_status_number(pid_t pid, const char *field, uint64_t *ret)
{
	_cleanup_(bytes_fini) struct bytes b = {};
	struct err *err = proc_read(pid, "status", &b);
	size_t n = strlen(field);

	if (err) {
		err_free(err); /* the caller does without */
		return false;
	}
	for (const char *line = (char *)b.v; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, field, n) && line[n] == ':') {
			*ret = strtoull(line + n + 1, NULL, 10);
			return true;
		}
	}
	return false;
}

bool proc_link(pid_t pid, const char *name, char *ret, size_t n)
{
	char path[128];
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	got = readlink(path, ret, n - 1);
	if (got < 0)
		return false;
	ret[got] = 0;
	return true;
}
