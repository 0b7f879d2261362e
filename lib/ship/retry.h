/* ship/retry.h - how long to wait before the next try, and when to give up. */
#ifndef HEAPFX_SHIP_RETRY_H
#define HEAPFX_SHIP_RETRY_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct retry {
	uint64_t give_up_ns; /* CLOCK_MONOTONIC */
	const volatile sig_atomic_t *stop; /* may be NULL */
	unsigned tries;
};

struct retry retry_begin(uint64_t seconds, const volatile sig_atomic_t *stop);
/*
 * Up to 0.2 s, then twice as much each time until 20 s, a random part of it (so that a fleet that
 * failed together does not come back together), and no less than what the server asks for.  false,
 * at once: there is no time left, or a signal says to end.
 */
bool retry_wait(struct retry *r, uint64_t asked_s);

#endif
