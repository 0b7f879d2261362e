/* region_claims.c - a sink of regions that passes their ranges on to a sink of claims. */
#include "heap/region_claims.h"

static struct err *as_claim(struct region_sink *sink, const struct heap_region *region)
{
	struct claim claim = { .start = region->start, .end = region->end };
	struct claim_sink *claims = ((struct region_claims *)sink)->claims;

	return claims->add(claims, &claim);
}

struct region_claims region_claims_to(struct claim_sink *claims)
{
	return (struct region_claims){ .sink = { as_claim }, .claims = claims };
}
