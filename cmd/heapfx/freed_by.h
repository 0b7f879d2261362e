/* freed_by.h - the thread that freed a block: glibc keeps small ones in a cache of that thread. */
#ifndef HEAPFX_FREED_BY_H
#define HEAPFX_FREED_BY_H

#include "pipeline.h"
#include "type/build.h"

struct freed_by {
	struct freed {
		uint32_t block, thread; /* ids in the index, in the image */
	} *v; /* by block */
	size_t n, cap;
};

struct err *freed_by_open(const struct run *run, struct freed_by *ret) MUST_CHECK;
void freed_by_close(struct freed_by *f); /* zeroed is fine */
/* UINT32_MAX: nobody knows. */
uint32_t freed_by_thread(const struct freed_by *f, uint32_t block);
/* Of the block in front of a lost one, or behind it, who freed it; NULL: neither is in a cache. */
const char *freed_beside(struct run *run, const struct freed_by *f, uint32_t block);
/* lost_evidence.c */
const char *stale_text(struct run *run, const struct freed_by *f, const struct stale *s);

#endif
