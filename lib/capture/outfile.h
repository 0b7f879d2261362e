/*
 * capture/outfile.h - a secret file that is whole or not there.
 *
 * Mode 0600 whatever the umask, in a directory that is no symbolic link, written as NAME.partial
 * and renamed when all of it is on the disk.  Nothing that exists is written over; a .partial whose
 * writer is gone (nobody holds its lock) is replaced.
 */
#ifndef HEAPFX_CAPTURE_OUTFILE_H
#define HEAPFX_CAPTURE_OUTFILE_H

#include <stddef.h>

#include "base/err.h"

struct outfile {
	int dir, fd; /* -1: closed */
	char *path;  /* as asked for; owned */
	char *name, *partial; /* in dir; owned */
};

struct err *outfile_open(const char *path, struct outfile *ret) MUST_CHECK;
/* fsync, rename. */
struct err *outfile_commit(struct outfile *f) MUST_CHECK;
/* What is not committed goes. */
void outfile_close(struct outfile *f);
/* What is not committed stays, as PATH.partial. */
void outfile_leave(struct outfile *f);
/* A small one at once. */
struct err *outfile_write(const char *path, const void *v, size_t n) MUST_CHECK;

#endif
