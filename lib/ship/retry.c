/* ship/retry.c - exponential back-off with full jitter. */
#include "ship/retry.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

enum { FIRST_MS = 200, MOST_MS = 20000, STEP_MS = 100 };
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

struct retry retry_begin(uint64_t seconds, const volatile sig_atomic_t *stop)
{
	uint64_t now = now_ns();
	uint64_t most = (UINT64_MAX - now) / NS_PER_S;

	return (struct retry){ now + (seconds < most ? seconds : most) * NS_PER_S, stop, 0 };
}

static uint64_t random_below(uint64_t n)
{
	uint64_t v = 0;

	/* without the kernel's numbers the wait is the longest: nobody is hurt by that */
	if (getrandom(&v, sizeof(v), GRND_NONBLOCK) != sizeof(v))
		return n;
	return v % n;
}

bool retry_wait(struct retry *r, uint64_t asked_s)
{
	uint64_t ms = r->tries < 7 ? (uint64_t)FIRST_MS << r->tries : MOST_MS, end;

	ms = random_below(ms < MOST_MS ? ms : MOST_MS) + 1;
	if (asked_s)
		ms += (asked_s < 60 ? asked_s : 60) * 1000;
	r->tries++;
	end = now_ns() + ms * NS_PER_MS;
	if (end > r->give_up_ns)
		return false;
	while (now_ns() < end) {
		if (r->stop && *r->stop)
			return false;
		nanosleep(&(struct timespec){ .tv_nsec = STEP_MS * NS_PER_MS < end - now_ns() ?
								 STEP_MS * NS_PER_MS :
								 NS_PER_MS },
			  NULL);
	}
	return !r->stop || !*r->stop;
}
