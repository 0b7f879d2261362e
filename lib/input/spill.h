/*
 * input/spill.h - bytes that could not be mapped where they are, in an unlinked temporary file.
 *
 * Pages of zeros are left out (holes).  Every byte counts against env->disk_budget all the same,
 * holes too: what a packed input may unpack to is then the same on every file system, and a bomb of
 * zeros ends as early as one of noise.  Without a budget what is free in env->tmp_dir is the limit.
 */
#ifndef HEAPFX_INPUT_SPILL_H
#define HEAPFX_INPUT_SPILL_H

#include "input/input.h"

struct spill {
	struct env *env;
	const char *object; /* for messages; borrowed */
	int fd;
	uint64_t room;	/* free in the file system when it was opened */
	uint64_t size;	/* end of the highest byte written */
	uint64_t taken; /* of the disk budget; >= size */
};

struct err *spill_open(struct env *env, const char *object, struct spill *ret) MUST_CHECK;
/* In any order; what was never written reads as zeros. */
struct err *spill_write(struct spill *s, uint64_t at, const void *bytes, uint64_t n) MUST_CHECK;
/* In two steps: the budget for all up to `end`, by one thread; then bytes below it, by any. */
struct err *spill_room(struct spill *s, uint64_t end) MUST_CHECK;
struct err *spill_put(const struct spill *s, uint64_t at, const void *bytes, uint64_t n) MUST_CHECK;
/* Maps the whole as `ret` (all but its name); the budget is the member's from then on. */
struct err *spill_finish(struct spill *s, struct member *ret) MUST_CHECK;
void spill_close(struct spill *s);

/* Everything that is left of a stream, its head first. */
struct err *spill_stream(struct env *env, const char *object, const struct input_source *src,
			 struct member *ret) MUST_CHECK;

#endif
