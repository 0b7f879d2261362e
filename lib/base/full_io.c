/* full_io.c - the loops around read() and write(). */
#include "base/full_io.h"

#include <errno.h>
#include <unistd.h>

ssize_t read_full(int fd, void *to, size_t n)
{
	size_t have = 0;

	while (have < n) {
		ssize_t got = read(fd, (char *)to + have, n - have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (!got)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

bool write_full(int fd, const void *from, size_t n)
{
	const char *at = from;

	while (n) {
		ssize_t done = write(fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (!done)
			errno = EIO; /* nor will the next one get on */
		if (done <= 0)
			return false;
		at += done;
		n -= (size_t)done;
	}
	return true;
}
