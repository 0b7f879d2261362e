/*
 * analysis/tree_rows.h - rows of a tree in the order of a report.
 */
#ifndef HEAPFX_ANALYSIS_TREE_ROWS_H
#define HEAPFX_ANALYSIS_TREE_ROWS_H

#include "report/report.h"

/*
 * Into the report's memory; `rows` is in any order, with TREE_TOP the last of parents. `told`,
 * `nodes`: as in struct rp_tree.
 */
struct err *tree_settle(struct report *r, const struct rp_tree_row *rows, size_t n, uint64_t told,
			uint64_t nodes, const struct rp_tree **ret) MUST_CHECK;

#endif
