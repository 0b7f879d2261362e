/*
 * heap/in_flight.h - what an allocator has in hand while the dump is taken.
 *
 * A thread that stood still inside malloc() or free() leaves records that contradict each other, of the
 * few blocks that it was at work on.  Their addresses are in its registers, or on its stack above the
 * frame that called the allocator.
 */
#ifndef HEAPFX_HEAP_IN_FLIGHT_H
#define HEAPFX_HEAP_IN_FLIGHT_H

#include "heap/blocks.h"

/*
 * Says of each damage of the heap's info what it is: a thread's that was inside an allocator with an address of [low, high]
 * in hand (heap/in-flight, and `in_flight` is set), or heap/corrupt.  A thread that a fault or abort()
 * killed explains nothing: it may be there because of the damage.
 */
void in_flight_settle(struct env *env, const struct image *img, const struct heap *heap);

#endif
