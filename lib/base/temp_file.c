/* base/temp_file.c - O_TMPFILE, or a name that is gone at once where a file system has none. */
#include "base/temp_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/text.h"

struct err *temp_file_open(const char *dir, int *ret)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0) {
		_free_ char *path = text_format("%s/heapfx-XXXXXX", dir);

		if (!path)
			return &err_nomem;
		fd = mkostemp(path, O_CLOEXEC);
		if (fd < 0)
			return err_os(errno,
				      "%s: making a temporary file (--tmp names another directory)",
				      dir);
		unlink(path);
	}
	*ret = fd;
	return NULL;
}

struct err *temp_file_room(int fd, uint64_t at, uint64_t n, const char *dir,
			   const char *what)
{
	int failed;

	do
		failed = posix_fallocate(fd, (off_t)at, (off_t)n);
	while (failed == EINTR);
	if (failed == ENOSPC || failed == EDQUOT || failed == EFBIG)
		return err_new(ERR_LIMIT,
			       "%s: %s has no room for %llu MiB; --tmp names another directory",
			       what, dir, (unsigned long long)((n + (1 << 20) - 1) >> 20));
	return failed ? err_os(failed, "%s: a temporary file in %s", what, dir) : NULL;
}
