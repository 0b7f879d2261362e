/*
 * image/go_block_profile.h - the block and mutex profiles that a Go runtime keeps when asked to.
 *
 * How often and how long goroutines waited, by the stack of who waited (block) or of who let go
 * (mutex), since the process began.
 */
#ifndef HEAPFX_IMAGE_GO_BLOCK_PROFILE_H
#define HEAPFX_IMAGE_GO_BLOCK_PROFILE_H

#include "image/go.h"

enum go_block_kind { GO_BLOCK_PROFILE, GO_MUTEX_PROFILE };

struct go_block_bucket {
	int64_t count, cycles; /* as runtime/pprof has them before it divides by the clock rate */
	size_t first, n;       /* its stack, innermost first, in pcs: return addresses, one a logical call */
};

struct go_block_profile {
	struct { struct go_block_bucket *v; size_t n, cap; } buckets; /* in the runtime's order */
	struct { taddr *v; size_t n, cap; } pcs;
	int64_t per_second; /* cycles; 0: nobody ever asked the runtime, so that it does not know */
	bool is_unscaled;   /* to 1.19: of the mutex profile, when its rate is not found */
};

/* Nothing in it where the runtime keeps none. Damage is diag()'ed as "go/profile". */
struct err *go_block_profile_read(const struct go *go, enum go_block_kind kind,
				  struct go_block_profile *ret) MUST_CHECK;
void go_block_profile_fini(struct go_block_profile *p);

/* What `cycles` are in nanoseconds; per_second is not 0. */
int64_t go_block_profile_ns(const struct go_block_profile *p, int64_t cycles);

#endif
