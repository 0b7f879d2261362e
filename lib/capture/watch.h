/*
 * capture/watch.h - when a process near its memory limit is to be captured, and which one.
 *
 * Above the threshold once, then not again before it was below the lower mark and the cool-down is
 * over: a leak gives a few cores, not a disk full.  The decisions are apart from reading and
 * capturing, and know no clock.
 */
#ifndef HEAPFX_CAPTURE_WATCH_H
#define HEAPFX_CAPTURE_WATCH_H

#include "capture/memcg.h"

struct watch_rule {
	unsigned threshold, rearm; /* percent of the limit; rearm <= threshold */
	uint64_t cool_down_s;
	uint64_t most;	/* captures in all */
};

/* What a restart must know; one line of text in a file. */
struct watch_state {
	bool fired; /* and not below the lower mark since */
	uint64_t captures;
	uint64_t last; /* of them, seconds since 1970 */
};

enum watch_verdict {
	WATCH_CALM,
	WATCH_ABOVE,	/* the threshold is reached: capture */
	WATCH_EVENTS,	/* memory.events says that the limit was hit: capture */
	WATCH_PRESSURE, /* tasks stand still for want of memory: capture */
	WATCH_COOLING,	/* it would be time, but it has been done */
	WATCH_SPENT,	/* all captures that were allowed are made */
};

const char *watch_verdict_name(enum watch_verdict v); /* "threshold", "events", ... */

/* What is seen at one moment. */
struct watch_sample {
	struct memcg_state memcg;
	uint64_t limit;	    /* that counts: max, else high, else what was given */
	bool hit, pressure; /* since the last sample */
};

/* In percent of the limit, of memory that cannot be dropped: file pages that nobody used are. */
unsigned watch_percent(const struct watch_sample *s);
/* Changes `state`: below the lower mark it is ready again. */
enum watch_verdict watch_decide(const struct watch_rule *rule, const struct watch_sample *s,
				uint64_t now, struct watch_state *state);
/* To be saved before the capture begins: a restart in its middle does not start over. */
void watch_captured(struct watch_state *state, uint64_t now);
/* It gave no core: it does not count, but the cool-down stays. */
void watch_failed(struct watch_state *state);

/* "fired captures last": as it stands in the file; a false answer leaves `ret` as it was. */
bool watch_state_parse(const char *text, struct watch_state *ret);

enum watch_pick { WATCH_LARGEST, WATCH_INIT, WATCH_NAMED };

/*
 * Of the processes in the cgroup `dir` and below it: the one with most anonymous memory, the first
 * of its namespace, or the largest whose command is `name`. ERR_OS (ESRCH) when there is none.
 */
struct err *watch_choose(const char *dir, enum watch_pick pick, const char *name,
			 pid_t *ret) MUST_CHECK;

#endif
