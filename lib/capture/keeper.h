/*
 * capture/keeper.h - the process that makes the copy, and sees it off.
 *
 * While a thread of the target makes our system call, its tracer must not die.  So that work is
 * done by a process of its own: in a session of its own, deaf to signals, holding no file of ours.
 * Whatever happens to heapfx, the keeper gives the target its threads back within the stop, and
 * when heapfx ends, in any way, ends the copy and has the target take it away.
 */
#ifndef HEAPFX_CAPTURE_KEEPER_H
#define HEAPFX_CAPTURE_KEEPER_H

#include "capture/notes.h"

struct keeper {
	pid_t pid;
	int sock;
};

struct held_copy {
	pid_t pid;
	uint64_t stop_ns; /* how long the target stood */
	uint64_t threads;
	struct bytes notes, maps; /* of the target, at the stop */
};

/*
 * The calling process must have no other thread.  A failure left the target as it was; then there
 * is no keeper.  `started`: see freeze().
 */
struct err *keeper_start(pid_t target, uint64_t started, struct keeper *ret,
			 struct held_copy *ret_copy) MUST_CHECK;
/* Ends the copy. An error: the target could not take its dead child away. */
struct err *keeper_end(struct keeper *k) MUST_CHECK;
void copy_fini(struct held_copy *c);

#endif
