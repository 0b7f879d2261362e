/*
 * base/addrmap.h - addresses to pointers: one writer at a time, readers without a lock.
 *
 * For things read on demand and kept (type descriptors).  Keys are never 0, values never NULL;
 * nothing is ever taken out, so that what a reader found stays.
 */
#ifndef HEAPFX_BASE_ADDRMAP_H
#define HEAPFX_BASE_ADDRMAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addrmap {
	_Atomic(struct addrmap_table *) now;
	size_t n;
};

/* NULL when there is none. Any thread. */
const void *addrmap_get(const struct addrmap *m, uint64_t key);
/* False when out of memory. The caller sees to it that there is one writer. */
bool addrmap_put(struct addrmap *m, uint64_t key, const void *value);
/* In no order that means anything; not while there is a writer. */
void addrmap_each(const struct addrmap *m, void (*fn)(void *arg, uint64_t key, const void *value),
		  void *arg);
void addrmap_fini(struct addrmap *m); /* a zeroed map is a valid empty one */

#endif
