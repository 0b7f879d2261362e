/*
 * base/spare.h - pages of closed columns, kept for the next ones.
 *
 * An analysis opens and closes columns of hundreds of megabytes one after another.  Pages fresh
 * from the system cost several times what zeroing them does, so what one column leaves the next
 * one takes.  There is never more at hand than columns have taken at once: whoever takes fresh
 * pages gives as many spare ones back.
 */
#ifndef HEAPFX_BASE_SPARE_H
#define HEAPFX_BASE_SPARE_H

#include <stdatomic.h>
#include <stdint.h>

enum { SPARE_MAX = 32, SPARE_MIN_BYTES = 1 << 20 };

struct spare {
	struct {
		void *base;
		uint64_t bytes;
	} v[SPARE_MAX]; /* each in one private mapping */
	unsigned n;
	atomic_flag lock;
};

/* Takes pages over, or gives them back to the system when they are few. */
void spare_give(struct spare *s, void *base, uint64_t bytes);
/* A zeroed mapping of `bytes`, whole pages, made of spare ones as far as they reach; NULL: none. */
void *spare_take(struct spare *s, uint64_t bytes);
/* `bytes` of spare pages, or all there are, go back to the system. */
void spare_drop(struct spare *s, uint64_t bytes);

/*
 * One call for fresh pages that will be written at once: a third of the cost of a fault each.  No
 * failure matters (kernels before 5.14 do not know it): the pages then come when they are touched.
 */
void pages_populate(void *start, uint64_t bytes);

#endif
