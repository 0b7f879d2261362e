/*
 * analysis/pins.h - the few used blocks that keep free memory from going back to the system.
 */
#ifndef HEAPFX_ANALYSIS_PINS_H
#define HEAPFX_ANALYSIS_PINS_H

#include "analysis/analysis.h"

enum { PINS_GAP_MIN = 64 << 10 }; /* bytes of a large free gap */

/* Free memory that suspects of this rule account for: none of it is in a cache or a top. */
struct pinned {
	uint64_t bytes, pieces;
};

/*
 * Suspects for one heap (index in r->heaps) that keep `least` bytes or more each. Needs REACH, DOM,
 * PARENT.  What they account for is added to `ret`.
 */
struct err *pins_add(const struct subject *s, struct report *r, uint32_t heap, uint64_t least,
		     struct pinned *ret) MUST_CHECK;

/* The same for a heap whose blocks lie in slabs, spans or groups: what is left in sparse ones. */
struct err *units_add(const struct subject *s, struct report *r, uint32_t heap, uint64_t least,
		      struct pinned *ret) MUST_CHECK;

/* What an allocator without units gives back when all of it is free. */
struct run_kind {
	const char *name; /* "page" */
	const char *by;	  /* what does it: "malloc_trim(0)" */
	uint64_t bytes;
};

/* The same for sparse runs beside the gaps of pins_add(). */
struct err *runs_add(const struct subject *s, struct report *r, uint32_t heap,
		     const struct run_kind *kind, uint64_t least, struct pinned *ret) MUST_CHECK;

#endif
