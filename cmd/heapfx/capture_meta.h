/* capture_meta.h - the metadata beside a captured core (docs/pipeline.md has its fields). */
#ifndef HEAPFX_CMD_CAPTURE_META_H
#define HEAPFX_CMD_CAPTURE_META_H

#include <stdio.h>

#include "capture/capture.h"

/* Where a capture went. */
struct stored {
	const char *path, *pack; /* its file; "zstd" or "none" */
	char when[32];		 /* UTC, to the second */
	uint64_t raw, stored;	 /* bytes before and after packing */
	bool done; /* written, and the process is free: before, times and sizes are not known */
};

/* A core that the kernel made and handed over. */
struct kernel_core {
	pid_t pid;		  /* 0: unknown; likewise NULL */
	const char *comm, *exe;
	uint64_t expected; /* bytes, by its own headers; 0 when they do not say */
};

/* One of `c` and `k` is NULL. */
struct err *capture_meta_write(FILE *out, const struct capture *c, const struct kernel_core *k,
			       const struct stored *s) MUST_CHECK;
struct err *capture_meta_text(const struct capture *c, const struct kernel_core *k,
			      const struct stored *s, char **ret) MUST_CHECK; /* malloc'd */

#endif
