/*
 * image/go_check.h - is this the runtime's structure? What must hold, evaluated on the dump.
 */
#ifndef HEAPFX_IMAGE_GO_CHECK_H
#define HEAPFX_IMAGE_GO_CHECK_H

#include "image/go.h"

/* Each samples a bounded number of elements. */
bool go_is_mspan(const struct go *go, taddr span);
/* A slice of span pointers; a few may be dead, none may be anything else. */
bool go_is_allspans(const struct go *go, taddr slice);
/* allspans, and a heapArena table that leads from the spans' addresses back to the spans. */
bool go_is_mheap(const struct go *go, taddr addr);
/* A slice of g's with sound stacks and states, the main goroutine among them. */
bool go_is_allgs(const struct go *go, taddr slice);
/* A slice of p's whose ids are their places. */
bool go_is_allp(const struct go *go, taddr slice);
/* The first of the list of m's: each with a g0 that knows its m. */
bool go_is_allm(const struct go *go, taddr var);

#endif
