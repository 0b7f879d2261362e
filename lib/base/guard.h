/* base/guard.h - scope guards for early returns, and visible moves out of them. */
#ifndef HEAPFX_BASE_GUARD_H
#define HEAPFX_BASE_GUARD_H

#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

static inline void guard_free(void *p)
{
	free(*(void **)p);
}

static inline void guard_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define _free_ _cleanup_(guard_free)
#define _close_ _cleanup_(guard_close)

/* Ownership leaves the guarded variable. */
#define take(p)                      \
	({                           \
		__auto_type p_ = *(p); \
		*(p) = NULL;         \
		p_;                  \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
