/* report/flame.h - the samples of a profile as one tree of names: what flame graphs draw. */
#ifndef HEAPFX_REPORT_FLAME_H
#define HEAPFX_REPORT_FLAME_H

#include "base/err.h"
#include "report/profile.h"

#define FLAME_TOP UINT32_MAX

struct flame_row {
	uint32_t parent;   /* index of a row before this one; FLAME_TOP: it begins a path */
	uint32_t location; /* its name: flame_name() */
	uint64_t values[PROFILE_VALUES]; /* with all below */
};
struct flame {
	struct flame_row *rows; /* depth first, siblings by location */
	size_t n;
	uint32_t depth; /* rows from the top to the deepest */
};

enum { FLAME_DEPTH_MAX = 200 }; /* what is deeper counts for the last row that is not */

struct err *flame_build(const struct rp_profile *p, struct flame *ret) MUST_CHECK;
void flame_fini(struct flame *f); /* a zeroed one is fine */
const char *flame_name(const struct rp_profile *p, uint32_t location);

#endif
