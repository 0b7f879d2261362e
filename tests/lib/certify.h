/*
 * certify.h - what proves the facts of a graph, once they are known: for those too large for a twin.
 *
 * Everything but the last point is looked at for all nodes:
 *
 * - reach is a fixed point: what the roots point at, and what plain and interior edges go on to; a
 *   walk from the roots that knows nothing of the library counts as many.  Each lost node is
 *   reached from a head, and no head from another one.
 * - a parent is one step nearer to the roots, and no edge skips a step (so distances are shortest).
 * - the tree of dominators has the parent property: whatever points at a node lies below its
 *   dominator (so each dominates).  Georgiadis, Tarjan: "Dominator tree certification and divergent
 *   spanning trees" (2016).
 * - retained sizes add up: a node's own, and those below it in that tree; at its top to all.
 * - incoming edges are the outgoing ones.
 * - of sampled nodes: on one way from a root to it, what no other way goes round is the chain of its
 *   dominators, and nothing else (so each is the immediate one).
 */
#ifndef HEAPFX_TESTS_CERTIFY_H
#define HEAPFX_TESTS_CERTIFY_H

#include "fact/fact.h"

/* How much is wrong, and the first of it to standard output. Needs REACH, DOM, PARENT, REVERSE. */
uint64_t certify(const struct graph *g, const struct facts *f, uint64_t samples);

#endif
