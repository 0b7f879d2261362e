/* capture/outfile.c - .partial, fsync, rename. */
#include "capture/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/full_io.h"
#include "base/guard.h"
#include "base/text.h"

/* Somebody's .partial: its writer holds a lock on it as long as it lives. */
static bool is_abandoned(int dir, const char *name)
{
	_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && !flock(fd, LOCK_EX | LOCK_NB);
}

static struct err *open_partial(struct outfile *f)
{
	enum { FLAGS = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC };

	f->fd = openat(f->dir, f->partial, FLAGS, 0600);
	if (f->fd < 0 && errno == EEXIST) {
		if (!is_abandoned(f->dir, f->partial))
			return err_os(EEXIST, "%s.partial is being written by another process",
				      f->path);
		unlinkat(f->dir, f->partial, 0);
		f->fd = openat(f->dir, f->partial, FLAGS, 0600);
	}
	if (f->fd < 0)
		return err_os(errno, "%s.partial", f->path);
	if (fchmod(f->fd, 0600) || flock(f->fd, LOCK_EX | LOCK_NB))
		return err_os(errno, "%s.partial", f->path);
	return NULL;
}

/* Without slashes and dots at its end: what stands before one is followed when it is a link. */
static char *folder_of(const char *path, const char *name)
{
	size_t n = (size_t)(name - path);

	if (!n)
		return strdup(".");
	while (n > 1 && (path[n - 1] == '/' || (path[n - 1] == '.' && path[n - 2] == '/')))
		n--;
	return strndup(path, n);
}

struct err *outfile_open(const char *path, struct outfile *ret)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	_free_ char *dir = folder_of(path, name);
	struct outfile f = {
		.dir = -1,
		.fd = -1,
		.path = strdup(path),
		.name = strdup(name),
		.partial = text_format("%s.partial", name),
	};
	struct stat st;
	struct err *err = dir && f.path && f.name && f.partial ? NULL : &err_nomem;

	if (!err) {
		f.dir = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (f.dir < 0)
			err = err_os(errno, "%s (a directory that is no symbolic link is needed)",
				     dir);
	}
	if (!err && !fstatat(f.dir, f.name, &st, AT_SYMLINK_NOFOLLOW))
		err = err_os(EEXIST, "%s", path);
	if (!err)
		err = open_partial(&f);
	if (err) {
		/* a .partial that was not ours to open stays */
		outfile_leave(&f);
		return err;
	}
	*ret = f;
	return NULL;
}

struct err *outfile_commit(struct outfile *f)
{
	if (fsync(f->fd))
		return err_os(errno, "writing %s", f->path);
	if (renameat2(f->dir, f->partial, f->dir, f->name, RENAME_NOREPLACE)) {
		/* a file system that cannot: a link does not replace either */
		if (errno != EINVAL && errno != ENOSYS)
			return err_os(errno, "%s", f->path);
		if (linkat(f->dir, f->partial, f->dir, f->name, 0) ||
		    unlinkat(f->dir, f->partial, 0))
			return err_os(errno, "%s", f->path);
	}
	if (fsync(f->dir) && errno != EINVAL)
		return err_os(errno, "%s", f->path);
	outfile_leave(f);
	return NULL;
}

void outfile_leave(struct outfile *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->dir >= 0)
		close(f->dir);
	free(f->path);
	free(f->name);
	free(f->partial);
	*f = (struct outfile){ .dir = -1, .fd = -1 };
}

void outfile_close(struct outfile *f)
{
	if (f->fd >= 0)
		unlinkat(f->dir, f->partial, 0);
	outfile_leave(f);
}

struct err *outfile_write(const char *path, const void *v, size_t n)
{
	_cleanup_(outfile_close) struct outfile f = { .dir = -1, .fd = -1 };
	struct err *err = outfile_open(path, &f);

	if (!err && !write_full(f.fd, v, n))
		err = err_os(errno, "writing %s", path);
	return err ? err : outfile_commit(&f);
}
