/*
 * image/smaps.h - /proc/PID/smaps, saved beside a dump: what of each mapping was resident.
 *
 * Linux Documentation/filesystems/proc.rst.
 */
#ifndef HEAPFX_IMAGE_SMAPS_H
#define HEAPFX_IMAGE_SMAPS_H

#include "image/image.h"

struct smaps_row {
	taddr start, end;
	uint64_t rss; /* bytes; <= end - start */
	bool is_file, writable;
};

struct smaps {
	struct smaps_row *v; /* ascending, disjoint */
	size_t n, cap;
	uint64_t rss; /* of all */
};

/*
 * `text` need not be terminated.  ERR_FORMAT when it is no smaps, or its mappings do not ascend.
 */
struct err *smaps_parse(const char *text, size_t n, struct smaps *ret) MUST_CHECK;
void smaps_fini(struct smaps *s);

#endif
