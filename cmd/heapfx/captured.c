/*
 * captured.c - when a dump was made, in the words of who made it: the metadata of `heapfx capture`
 * (docs/pipeline.md), in a bundle or beside the core, or systemd-coredump's extended attribute
 * (systemd 252, src/coredump/coredump.c).  A file's own time is not asked: copies have theirs.
 */
#include "captured.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/full_io.h"
#include "base/guard.h"
#include "capture_name.h"

enum { META_MAX = 1 << 20 };

/* Of a capture's metadata; 0: it is none, or of another dump. */
static int64_t time_of_meta(const struct run *run, const void *bytes, size_t n, bool is_beside)
{
	struct json_member m[] = { { "schema" }, { "captured_at" }, { "pid" }, { "raw_bytes" } };
	struct tm tm = {};
	const char *end;
	time_t t;

	if (n > META_MAX || !json_read_members(bytes, n, m, ARRAY_SIZE(m)) ||
	    strcmp(m[0].text, "heapfx-capture/1") != 0)
		return 0;
	if (is_beside && (strtoull(m[2].text, NULL, 10) != run->image->pid ||
			  strtoull(m[3].text, NULL, 10) != run->image->core->size))
		return 0;
	end = strptime(m[1].text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	t = end && !*end ? timegm(&tm) : 0;
	return t > 0 && t < INT32_MAX * INT64_C(4) ? t * INT64_C(1000000000) : 0;
}

static int64_t time_in_bundle(const struct run *run)
{
	for (size_t i = 0; run->input->n > 1 && i < run->input->n; i++) {
		const struct member *m = &run->input->members[i];
		const char *slash = strrchr(m->name, '/');

		if (!strcmp(slash ? slash + 1 : m->name, "capture.json"))
			return time_of_meta(run, m->map, m->size, false);
	}
	return 0;
}

static int64_t time_beside(const struct run *run)
{
	_free_ char *path = capture_meta_name(run->input->path), *text = malloc(META_MAX);
	_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	struct stat st;
	ssize_t n;

	if (!text || fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return 0;
	n = read_full(fd, text, META_MAX);
	return n > 0 ? time_of_meta(run, text, (size_t)n, true) : 0;
}

/* Microseconds, in decimal. */
static int64_t time_of_systemd(const struct run *run)
{
	char s[24] = "";
	ssize_t n = getxattr(run->input->path, "user.coredump.timestamp", s, sizeof(s) - 1);
	uint64_t us = n > 0 ? strtoull(s, NULL, 10) : 0;

	return us < INT64_MAX / 1000 ? (int64_t)us * 1000 : 0;
}

int64_t captured_time(struct run *run)
{
	int64_t t = time_in_bundle(run);

	if (!t)
		t = time_beside(run);
	return t ? t : time_of_systemd(run);
}
