/* secret.c - one read to the end, with a limit. */
#include "ship/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/full_io.h"
#include "base/guard.h"

void secret_free(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

static void guard_secret(char **s)
{
	secret_free(*s);
}

struct err *secret_read(const char *path, size_t max, char **ret)
{
	_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(guard_secret) char *s = calloc(1, max + 2);
	ssize_t n;

	if (!s)
		return &err_nomem;
	n = fd < 0 ? -1 : read_full(fd, s, max + 1);
	if (n < 0)
		return err_os(errno, "%s", path);
	if ((size_t)n > max)
		return err_new(ERR_USAGE, "%s: longer than %zu bytes", path, max);
	while (n && strchr(" \t\r\n", s[n - 1]))
		s[--n] = 0;
	*ret = take(&s);
	return NULL;
}
