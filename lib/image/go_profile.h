/*
 * image/go_profile.h - the allocation profile that a Go runtime keeps of itself.
 *
 * Sampled: one in about `rate` bytes.  As of the last completed collection, as runtime.MemProfile()
 * answers.
 */
#ifndef HEAPFX_IMAGE_GO_PROFILE_H
#define HEAPFX_IMAGE_GO_PROFILE_H

#include "image/go.h"

struct go_bucket {
	uint64_t allocs, frees, alloc_bytes, free_bytes; /* of the samples */
	size_t first, n; /* its stack, innermost first, in pcs: return addresses, one a logical call */
};

struct go_profile {
	struct { struct go_bucket *v; size_t n, cap; } buckets; /* in the runtime's order */
	struct { taddr *v; size_t n, cap; } pcs;
	int64_t rate; /* runtime.MemProfileRate */
	bool has_rate;
};

/* Nothing in it where the runtime keeps none. Damage is diag()'ed as "go/profile". */
struct err *go_profile_read(const struct go *go, struct go_profile *ret) MUST_CHECK;
void go_profile_fini(struct go_profile *p);

/* Is the function that this pc stands for a part of the runtime, so that profiles leave it out? */
bool go_profile_hides(const struct go *go, taddr pc);
/* What a sample of `count` objects, `bytes` in all, stands for (runtime/pprof, scaleHeapSample). */
void go_profile_scale(const struct go_profile *p, uint64_t count, uint64_t bytes,
		      int64_t *ret_count, int64_t *ret_bytes);

#endif
