/*
 * heap/region_claims.h - a walker's regions as ranges that are never roots: what its metadata() lists besides.
 */
#ifndef HEAPFX_HEAP_REGION_CLAIMS_H
#define HEAPFX_HEAP_REGION_CLAIMS_H

#include "heap/walker.h"

struct region_claims {
	struct region_sink sink; /* first: it is cast back */
	struct claim_sink *claims;
};

/* What is added to its `sink` goes on to `claims`, which it borrows. */
struct region_claims region_claims_to(struct claim_sink *claims);

#endif
