/*
 * capture/bundle.h - the core with what it needs on another machine: one tar archive.
 *
 *	core			the core
 *	proc/smaps, ...		what /proc said of the process
 *	files/usr/bin/x		the executable and every library that is mapped
 *
 * POSIX ustar, with pax headers where a name or a size does not fit (8 GiB and more).  heapfx opens it, packed or
 * not, and takes modules from it by name and build id.
 */
#ifndef HEAPFX_CAPTURE_BUNDLE_H
#define HEAPFX_CAPTURE_BUNDLE_H

#include "capture/capture.h"

struct bundle {
	struct stream stream; /* the archive */
	/* owned */
	struct {
		struct bytes *v;
		size_t n, cap;
	} texts;
	struct {
		int *v;
		size_t n, cap;
	} fds;
	size_t n_files;
	uint64_t file_bytes;
	size_t n_missing; /* mapped files that could not be added; a diag names each */
};

/*
 * `meta`, borrowed, becomes capture.json.  Files are opened through the process's own root and
 * added only if they are the very files that are mapped (device and inode): a path of the target's
 * is not trusted to name them.
 */
struct err *bundle_make(struct capture *c, const char *meta, struct bundle *ret) MUST_CHECK;
void bundle_fini(struct bundle *b);

#endif
