/* registry.c - the heap walkers, one entry an allocator. */
#include "heap/walker.h"

extern const struct walker_ops go_walker, jemalloc_walker, glibc_walker, tcmalloc_walker, google_tcmalloc_walker;
extern const struct walker_ops mimalloc_walker, mallocng_walker, oldmalloc_walker, pymalloc_walker;

const struct walker_ops *const walker_registry[] = {
	&go_walker,
	&jemalloc_walker,
	&glibc_walker,
	&tcmalloc_walker,
	&google_tcmalloc_walker,
	&mimalloc_walker,
	&mallocng_walker,
	&oldmalloc_walker,
	&pymalloc_walker,
	NULL,
};
