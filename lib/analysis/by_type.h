/*
 * analysis/by_type.h - the dominator tree by type: like things on like ways are one row.
 */
#ifndef HEAPFX_ANALYSIS_BY_TYPE_H
#define HEAPFX_ANALYSIS_BY_TYPE_H

#include "analysis/alike.h"

/* report.by_type: exact for all nodes, then cut to its largest rows. */
struct err *by_type_add(struct report *r, const struct alike *a) MUST_CHECK;

#endif
