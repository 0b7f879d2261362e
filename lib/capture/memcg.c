/* capture/memcg.c - reading a memory cgroup. */
#include "capture/memcg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/text.h"
#include "capture/proc.h"

enum { NUMBER_MAX = 64 };

/* "max" and v1's largest page-aligned number both mean: no limit. */
#define V1_UNLIMITED (UINT64_C(1) << 62)

int memcg_open(const char *dir, const char *name, int flags)
{
	_close_ int fd = proc_open_dir(dir);

	return fd < 0 ? -1 : openat(fd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
}

/* false: no such file */
static bool read_number(const char *dir, const char *name, uint64_t *ret)
{
	_close_ int fd = memcg_open(dir, name, O_RDONLY);
	char text[NUMBER_MAX + 1];
	ssize_t n = fd < 0 ? -1 : read(fd, text, NUMBER_MAX);

	if (n <= 0)
		return false;
	text[n] = 0;
	*ret = !strncmp(text, "max", 3) ? MEMCG_UNLIMITED : strtoull(text, NULL, 10);
	return true;
}

static uint64_t limit_or_none(const char *dir, const char *name, bool v1)
{
	uint64_t n;

	if (!read_number(dir, name, &n) || (v1 && n >= V1_UNLIMITED))
		return MEMCG_UNLIMITED;
	return n;
}

/* A row "name number" of a file; 0 when it is not there. */
static uint64_t row_of(const char *dir, const char *file, const char *name)
{
	int fd = memcg_open(dir, file, O_RDONLY);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	unsigned long long n, found = 0;
	char word[64];

	while (f && fscanf(f, "%63s %llu", word, &n) == 2)
		if (!strcmp(word, name))
			found = n;
	if (f)
		fclose(f);
	else
		guard_close(&fd);
	return found;
}

static void read_rows(const char *dir, struct memcg_state *s)
{
	if (s->v1) {
		s->inactive_file = row_of(dir, "memory.stat", "total_inactive_file");
		if (!read_number(dir, "memory.failcnt", &s->hits))
			s->hits = 0;
		return;
	}
	s->inactive_file = row_of(dir, "memory.stat", "inactive_file");
	s->hits = row_of(dir, "memory.events", "max") + row_of(dir, "memory.events", "oom");
}

struct err *memcg_read(const char *dir, struct memcg_state *ret)
{
	struct memcg_state s = {};

	if (!read_number(dir, "memory.current", &s.current)) {
		s.v1 = true;
		if (!read_number(dir, "memory.usage_in_bytes", &s.current))
			return err_os(ENOENT, "%s has neither memory.current nor "
					      "memory.usage_in_bytes", dir);
	}
	s.max = limit_or_none(dir, s.v1 ? "memory.limit_in_bytes" : "memory.max", s.v1);
	s.high = limit_or_none(dir, s.v1 ? "memory.soft_limit_in_bytes" : "memory.high", s.v1);
	read_rows(dir, &s);
	*ret = s;
	return NULL;
}

static bool has_memory_files(const char *dir)
{
	uint64_t n;

	return read_number(dir, "memory.current", &n) ||
	       read_number(dir, "memory.usage_in_bytes", &n);
}

/* "0::/a/b" of v2, "4:memory:/a/b" of v1: the path in `line`, or NULL. */
static const char *memory_path(const char *line, bool *ret_v1)
{
	const char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;

	if (!path)
		return NULL;
	*ret_v1 = path > list + 1;
	for (const char *p = list + 1; p < path; p += strcspn(p, ",:") + (p[strcspn(p, ",:")] == ','))
		if (!strncmp(p, "memory", 6) && (p[6] == ',' || p[6] == ':'))
			return path + 1;
	return *ret_v1 ? NULL : path + 1;
}

char *memcg_dir_of(pid_t pid, const char *root)
{
	_cleanup_(bytes_fini) struct bytes b = {};
	struct err *err = proc_read(pid, "cgroup", &b);
	char *save = NULL;

	if (err) {
		err_free(err);
		return NULL;
	}
	for (char *line = strtok_r((char *)b.v, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		bool v1 = false;
		const char *path = memory_path(line, &v1);
		/*
		 * In a container only the part below its own root is there; "/../x" is above it
		 * (cgroup_namespaces(7)), and would be somewhere else here.
		 */
		_free_ char *full = path && !strstr(path, "/..") ?
					    text_format("%s%s%s", root, v1 ? "/memory" : "", path) :
					    NULL;
		_free_ char *own = path ? text_format("%s%s", root, v1 ? "/memory" : "") : NULL;

		if (full && has_memory_files(full))
			return take(&full);
		if (own && has_memory_files(own))
			return take(&own);
	}
	return NULL;
}
