/*
 * analysis/types.h - report.types from the cells of all live nodes, where somebody has found them.
 */
#ifndef HEAPFX_ANALYSIS_TYPES_H
#define HEAPFX_ANALYSIS_TYPES_H

#include "analysis/alike.h"

/* `a` NULL: in a pass of its own over all nodes, to the same end. Needs DOM. */
struct err *types_count(const struct subject *s, const struct alike *a,
			struct report *r) MUST_CHECK;

#endif
