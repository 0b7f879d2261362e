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
bool go_is_sched(const struct go *go, taddr addr);
bool go_is_gc_controller(const struct go *go, taddr addr);
bool go_is_memstats(const struct go *go, taddr addr);
bool go_is_gcphase(const struct go *go, taddr addr);
bool go_is_flag(const struct go *go, taddr addr); /* a uint32 that is 0 or 1 */
/* A variable that leads a list of finalizer blocks, by alllink or by next; an empty one passes. */
bool go_is_finblocks(const struct go *go, taddr var);
/* A slice of *sync.Pool; an empty one passes. */
bool go_is_pools(const struct go *go, taddr slice);
/* A variable that leads a list of memory profile buckets; an empty one passes. */
bool go_is_mbuckets(const struct go *go, taddr var);
/* A lock and a list of spans; an empty one passes. */
bool go_is_stack_list(const struct go *go, taddr item);
/* How many chunks of persistentalloc a variable leads to, of the first some; 0 if to something else. */
unsigned go_persistent_chunks(const struct go *go, taddr var);
/* How many strings the array has that begins at addr; 0 unless it is the runtime's wait reasons. */
uint32_t go_wait_reasons(const struct go *go, taddr addr);

/*
 * What must hold of fields that no variable is told by: counted in go->checks_passed and
 * checks_failed (go_check_fields.c).
 */
void go_check_fields(struct go *go);

#endif
