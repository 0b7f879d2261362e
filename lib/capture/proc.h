/*
 * capture/proc.h - what /proc says of a process: mappings, threads, state.
 *
 * Linux Documentation/filesystems/proc.rst, proc(5).  The process may change or go between any two
 * reads; nothing here takes part in that.  Names in /proc are the target's own words: bounded, and
 * never opened.
 */
#ifndef HEAPFX_CAPTURE_PROC_H
#define HEAPFX_CAPTURE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct bytes {
	uint8_t *v;
	size_t n, cap;
};

void bytes_fini(struct bytes *b);
bool bytes_add(struct bytes *b, const void *v, size_t n); /* false: out of memory */

/* All of /proc/PID/NAME, terminated (the NUL is not counted); at most 256 MiB. */
struct err *proc_read(pid_t pid, const char *name, struct bytes *ret) MUST_CHECK;
int proc_open(pid_t pid, const char *name, int flags); /* -1 and errno */
/*
 * Below the directory `root` as if that were "/": no link leads out of it, and nothing that is no
 * file makes it wait.  -1 and errno.
 */
int proc_open_in_root(int root, const char *path, int flags);
/*
 * A directory.  Below /proc/PID/root, where what a name leads to is that process's choice, in its
 * root alone.  -1 and errno.
 */
int proc_open_dir(const char *path);

enum vma_flag {
	VMA_R = 1,
	VMA_W = 2,
	VMA_X = 4,
	VMA_SHARES = 8,
	/* what only smaps knows */
	VMA_DONTDUMP = 16,
	VMA_IO = 32,
	VMA_HUGETLB = 64,
	VMA_WIPEONFORK = 128,
};

struct map {
	uint64_t start, end; /* start < end */
	uint64_t offset;     /* into its file, bytes */
	uint64_t dev, inode; /* inode 0: no file */
	uint64_t anonymous;  /* bytes of pages that are no file's, with swapped ones; smaps only */
	unsigned flags;	     /* of enum vma_flag */
	const char *path;    /* as mmap's caller or the kernel calls it; "" if nameless */
};

struct maps {
	struct map *v; /* ascending, disjoint */
	size_t n, cap;
	char *names; /* owned; paths lie in it */
};

/* Of the text of maps or smaps, which it takes over and cuts up. ERR_FORMAT if it is neither. */
struct err *maps_parse(struct bytes *text, struct maps *ret) MUST_CHECK;
struct err *proc_maps(pid_t pid, const char *name, struct maps *ret) MUST_CHECK; /* of /proc/PID */
void maps_fini(struct maps *m);
const struct map *maps_find(const struct maps *m, uint64_t addr); /* NULL: unmapped */
bool map_is_deleted(const struct map *m); /* its file has no name any more */

struct tids {
	pid_t *v;
	size_t n, cap;
};

struct err *proc_tids(pid_t pid, struct tids *ret) MUST_CHECK; /* appends; free(ret->v) */

/* /proc/PID/stat, or of a thread: /proc/PID/task/TID/stat. */
struct proc_stat {
	char comm[16];
	char state; /* 'R', 'S', 'D', 'T', 't', 'Z', 'X' */
	pid_t ppid, pgrp, sid;
	uint64_t flags, utime, stime, cutime, cstime; /* times in clock ticks */
	int64_t nice;
	uint64_t started; /* ticks after boot: with the pid, who this is */
};

struct err *proc_stat(pid_t pid, pid_t tid, struct proc_stat *ret) MUST_CHECK;
/* A process or a thread that is no more, or waits for its parent to hear so. */
bool proc_has_ended(pid_t pid);
/* "Seccomp" of /proc/PID/status, a number; false when the field is not there. */
bool proc_status_number(pid_t pid, const char *field, uint64_t *ret);
/* The target of the link /proc/PID/NAME, at most `n` - 1 bytes; false when it cannot be read. */
bool proc_link(pid_t pid, const char *name, char *ret, size_t n);

/*
 * Whether a descriptor of it is a userfaultfd that hears of forks: a fork then waits until somebody
 * has read of it, who most likely is a thread of the same process.
 */
bool proc_serves_forks(pid_t pid);

#endif
