/*
 * capture/confine.h - what a process will not need any more, taken from it by the kernel.
 *
 * Beyond capabilities (capture/caps.h): Landlock (landlock(7), Linux 5.13) leaves it a few
 * directories to write to and no program to execute; a seccomp filter (seccomp(2)) refuses, with
 * EPERM, the calls by which one would reach other processes, the network or the kernel.  Hostile
 * bytes that take over a packer or a sender then have what it has open, and little more.
 */
#ifndef HEAPFX_CAPTURE_CONFINE_H
#define HEAPFX_CAPTURE_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

enum { CONFINE_DIRS_MAX = 20 };

struct confine {
	const char *writable[CONFINE_DIRS_MAX]; /* directories; all else can only be read */
	size_t n_writable;
	bool network, programs; /* kept */
};

/*
 * For good, for the calling thread and those that it starts afterwards; ptrace() is left for letting
 * go.  Where the kernel has neither this does nothing: it is a second wall.  Sets no_new_privs.
 */
void confine(const struct confine *c);

#endif
