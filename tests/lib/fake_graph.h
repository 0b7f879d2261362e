/* tests/lib/fake_graph.h - a small graph from text: "a->b b~>c" and the roots "a ~b". */
#ifndef HEAPFX_TESTS_FAKE_GRAPH_H
#define HEAPFX_TESTS_FAKE_GRAPH_H

#include "graph/graph.h"

/*
 * Nodes are letters, 'a' = 0; `n` of them, 16 bytes each at 16 apart.  "->" is a plain edge, "~>"
 * an interior one; "~a" an interior root.  Edges in order of their sources.
 */
struct graph *fake_graph(struct env *env, unsigned n, const char *edges, const char *roots);

#endif
