/*
 * export/heapsnapshot.h - the live graph as V8's .heapsnapshot, which Chrome DevTools and memlab open.
 *
 * The format is V8's (src/profiler/heap-snapshot-generator.cc, HeapSnapshotJSONSerializer, of 2024):
 * node and edge tables of numbers with their strings behind them.  Retained sizes that a reader
 * computes are those of fact/dom.h.
 */
#ifndef HEAPFX_EXPORT_HEAPSNAPSHOT_H
#define HEAPFX_EXPORT_HEAPSNAPSHOT_H

#include <stdio.h>

#include "fact/fact.h"

enum { HEAPSNAPSHOT_NODES = 1000000 }; /* what DevTools opens in some ten seconds */

/*
 * Needs REACH and DOM.  Of more than `max` live nodes (0: no bound) the largest by retained bytes
 * are written, the others as one node a holder and type: what is retained stays what it is.
 * `*ret_pruned` is how many nodes are in such groups.
 */
struct err *heapsnapshot_write(struct env *env, const struct graph *g, const struct facts *f,
			       uint64_t max, FILE *out, uint64_t *ret_pruned) MUST_CHECK;

#endif
