/*
 * base/size_steps.h - a histogram of sizes, to choose the largest without a sort.
 *
 * Sizes count in steps, 16 a doubling, that rise with them.
 */
#ifndef HEAPFX_BASE_SIZE_STEPS_H
#define HEAPFX_BASE_SIZE_STEPS_H

#include <stdint.h>

enum {
	SIZE_STEPS_DOUBLING = 16,
	SIZE_STEPS = 61 * SIZE_STEPS_DOUBLING,
};

struct size_steps {
	uint64_t n[SIZE_STEPS]; /* how many are of that step */
};

static inline unsigned size_step(uint64_t size)
{
	unsigned top;

	if (size < SIZE_STEPS_DOUBLING)
		return (unsigned)size;
	top = 63 - (unsigned)__builtin_clzll(size);
	return (top - 3) * SIZE_STEPS_DOUBLING +
	       (unsigned)(size >> (top - 4) & (SIZE_STEPS_DOUBLING - 1));
}

/* The smallest size of a step; of the one past the last, UINT64_MAX. */
static inline uint64_t size_step_start(unsigned step)
{
	if (step < SIZE_STEPS_DOUBLING)
		return step;
	if (step >= SIZE_STEPS)
		return UINT64_MAX;
	return (uint64_t)(SIZE_STEPS_DOUBLING + step % SIZE_STEPS_DOUBLING)
	       << (step / SIZE_STEPS_DOUBLING - 1);
}

/* The lowest step such that at most `max` are of it or above. */
static inline unsigned size_steps_least(const struct size_steps *s, uint64_t max)
{
	unsigned step = SIZE_STEPS;
	uint64_t sum = 0;

	while (step && s->n[step - 1] <= max - sum)
		sum += s->n[--step];
	return step;
}

#endif
