/*
 * input/frames.h - a core packed by zstd in several frames, unpacked by several threads.
 *
 * heapfx's own captures are such files, a frame each MiB, and so is what pzstd writes.
 */
#ifndef HEAPFX_INPUT_FRAMES_H
#define HEAPFX_INPUT_FRAMES_H

#include "input/input.h"

/*
 * Adds the ELF file that the mapped file `src` holds in frames which each say what they unpack to.
 * Anything else is left alone, `ret_done` false: one frame, other contents, no sizes, and also
 * damage, for who reads in order knows what comes before it.
 */
struct err *frames_open(struct env *env, struct input *in, const struct input_source *src,
			bool *ret_done) MUST_CHECK;

#endif
