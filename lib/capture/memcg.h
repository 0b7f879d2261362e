/*
 * capture/memcg.h - the memory limit that a process lives under, and how near it is.
 *
 * Linux Documentation/admin-guide/cgroup-v2.rst ("Memory"), cgroup-v1/memory.rst.
 */
#ifndef HEAPFX_CAPTURE_MEMCG_H
#define HEAPFX_CAPTURE_MEMCG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define MEMCG_UNLIMITED UINT64_MAX

struct memcg_state {
	uint64_t current, high, max; /* bytes; MEMCG_UNLIMITED where nothing is set */
	uint64_t inactive_file;	     /* of current: pages of files that can go */
	uint64_t hits;		     /* how often the limit was met, or the killer called */
	bool v1;
};

/*
 * Of the cgroup in `dir`, v2 or v1 as its files are called. ERR_OS when it has neither's.
 */
struct err *memcg_read(const char *dir, struct memcg_state *ret) MUST_CHECK;
/*
 * One of its files; the directory may be the target's own (/proc/PID/root/...), so neither does the
 * name lead out of its root, nor is the file a link, nor does it block.  -1 and errno.
 */
int memcg_open(const char *dir, const char *name, int flags);
/*
 * The directory of the memory cgroup of a process under `root` ("/sys/fs/cgroup"); malloc'd; NULL
 * when there is none.
 */
char *memcg_dir_of(pid_t pid, const char *root);

#endif
