/*
 * image/go_search.h - variables of the runtime by what they look like, without code or symbols.
 */
#ifndef HEAPFX_IMAGE_GO_SEARCH_H
#define HEAPFX_IMAGE_GO_SEARCH_H

#include "image/go.h"

struct go_found {
	taddr allspans; /* mheap_.allspans */
	taddr allgs;
	taddr wait_reasons;
	/* By go_search_more() alone. */
	taddr allp, allm, sched, gcController, memstats, allfin, gcCleanups;
};
/* One pass over bss of the runtime's modules, one over data; what is not found, or not alone, is 0. */
void go_search(const struct go *go, struct go_found *ret);
/*
 * When go->at has mheap and allgs, and nothing but structure tells: the others, by passes over bss
 * and noptrbss.
 */
void go_search_more(const struct go *go, struct go_found *ret);

#endif
