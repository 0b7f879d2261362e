/*
 * input/spill.c - unpacked bytes in an unlinked temporary file, then mapped.
 *
 * The file has no name (base/temp_file.h), so nothing is left behind however heapfx ends.
 */
#include "input/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/temp_file.h"
#include "input/holes.h"

enum { PAGE = 4096, STEP = 16 << 20, CHUNK = 1 << 20 };

static const char *tmp_dir(const struct env *env)
{
	return env->tmp_dir ? env->tmp_dir : "/tmp";
}

struct err *spill_open(struct env *env, const char *object, struct spill *ret)
{
	struct spill s = { .env = env, .object = object, .fd = -1, .room = UINT64_MAX };
	struct err *err = temp_file_open(tmp_dir(env), &s.fd);
	struct statvfs fs;

	if (err)
		return err;
	if (env->disk_budget == UINT64_MAX && !fstatvfs(s.fd, &fs) &&
	    !checked_mul(fs.f_bavail, fs.f_frsize, &s.room))
		s.room = UINT64_MAX;
	*ret = s;
	return NULL;
}

void spill_close(struct spill *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	env_disk_give(s->env, s->taken);
	s->taken = 0;
}

static bool all_zero(const uint8_t *p, uint64_t n)
{
	return !n || (!p[0] && !memcmp(p, p + 1, n - 1));
}

static struct err *write_all(const struct spill *s, uint64_t at, const uint8_t *p, uint64_t n)
{
	while (n) {
		ssize_t done = pwrite(s->fd, p, n, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && (errno == ENOSPC || errno == EDQUOT))
			return err_new(
				ERR_LIMIT,
				"%s: %s is full while unpacking; --tmp names another directory",
				s->object, tmp_dir(s->env));
		if (done < 0)
			return err_os(errno, "%s: writing a temporary file", s->object);
		at += (uint64_t)done;
		p += done;
		n -= (uint64_t)done;
	}
	return NULL;
}

/* The budget is taken in steps, so that a bomb ends soon after it passes it. */
struct err *spill_room(struct spill *s, uint64_t end)
{
	if (end > s->room)
		return err_new(
			ERR_LIMIT,
			"%s: unpacks to more than the %llu MiB that are free in %s; --tmp names "
			"another directory, and --disk allows more if much of it is zeros",
			s->object, (unsigned long long)(s->room >> 20), tmp_dir(s->env));
	if (end > s->taken) {
		uint64_t more = end - s->taken;
		struct err *err;

		if (more < STEP && s->taken)
			more = STEP;
		err = env_disk_take(s->env, more, s->object);
		if (err && more > end - s->taken) { /* the last, smaller step may still fit */
			err_free(err);
			more = end - s->taken;
			err = env_disk_take(s->env, more, s->object);
		}
		if (err)
			return err;
		s->taken += more;
	}
	if (end > s->size)
		s->size = end;
	return NULL;
}

struct err *spill_put(const struct spill *s, uint64_t at, const void *bytes, uint64_t n)
{
	const uint8_t *p = bytes;
	struct err *err = NULL;

	while (!err && n) {
		uint64_t run = 0; /* bytes up to the next page of zeros */

		while (run < n) {
			uint64_t page = n - run < PAGE ? n - run : PAGE;

			if (all_zero(p + run, page))
				break;
			run += page;
		}
		err = write_all(s, at, p, run);
		if (run < n) /* and over that page */
			run += n - run < PAGE ? n - run : PAGE;
		at += run;
		p += run;
		n -= run;
	}
	return err;
}

struct err *spill_write(struct spill *s, uint64_t at, const void *bytes, uint64_t n)
{
	struct err *err;

	if (at > INT64_MAX || n > INT64_MAX - at)
		return err_at(ERR_FORMAT, s->object, at,
			      "a piece of 0x%llx bytes past the end of any file",
			      (unsigned long long)n);
	err = spill_room(s, at + n);
	return err ? err : spill_put(s, at, bytes, n);
}

struct err *spill_finish(struct spill *s, struct member *ret)
{
	struct member m = { .size = s->size, .disk = s->size };

	if (ftruncate(s->fd, (off_t)s->size))
		return err_os(errno, "%s: ending a temporary file", s->object);
	if (s->size) {
		void *map = mmap(NULL, s->size, PROT_READ, MAP_PRIVATE, s->fd, 0);

		if (map == MAP_FAILED)
			return err_os(errno, "%s: mapping a temporary file", s->object);
		holes_remap(map, s->size, s->fd);
		m.map = map;
	}
	env_disk_give(s->env, s->taken - s->size);
	s->taken = 0;
	spill_close(s);
	*ret = m;
	return NULL;
}

static struct err *copy_stream(struct spill *s, const struct input_source *src)
{
	_free_ uint8_t *buf = malloc(CHUNK);
	struct err *err = spill_write(s, 0, src->head, src->n_head);
	ssize_t n;

	if (!buf && !err)
		return &err_nomem;
	while (!err) {
		n = read(src->fd, buf, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_os(errno, "%s: reading", s->object);
		if (n == 0)
			return NULL;
		err = spill_write(s, s->size, buf, (uint64_t)n);
		progress(s->env, "reading", s->size, 0);
	}
	return err;
}

struct err *spill_stream(struct env *env, const char *object, const struct input_source *src,
			 struct member *ret)
{
	struct spill s;
	struct err *err = spill_open(env, object, &s);

	if (err)
		return err;
	err = copy_stream(&s, src);
	if (!err)
		err = spill_finish(&s, ret);
	if (err)
		spill_close(&s);
	return err;
}
