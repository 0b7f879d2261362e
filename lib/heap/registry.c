/* registry.c - the heap walkers, one entry an allocator. */
#include "heap/walker.h"

extern const struct walker_ops glibc_walker;

const struct walker_ops *const walker_registry[] = {
	&glibc_walker,
	NULL,
};
