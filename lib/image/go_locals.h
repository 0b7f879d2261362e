/*
 * image/go_locals.h - variables of frames and of closures without debug info, by the code that made them.
 *
 * Functions are read as they are asked for, and what was found is kept.  One thread.
 */
#ifndef HEAPFX_IMAGE_GO_LOCALS_H
#define HEAPFX_IMAGE_GO_LOCALS_H

#include "image/go_type.h"

struct go_locals;
struct err *go_locals_open(const struct go *go, struct go_locals **ret) MUST_CHECK;
void go_locals_close(struct go_locals *l); /* NULL is fine */

/*
 * What the function that begins at pc captured, as a struct whose first field is "F", its code: the function around it, by its
 * name, puts it together.  NULL: nothing, or not told.
 */
const struct go_type *go_locals_closure(struct go_locals *l, taddr pc);
/*
 * Of the word at `offset` from the stack pointer of a frame, in the function that begins at `entry`, which goes on at pc, behind a
 * call; live there.  A slice's length does not follow it.  NULL: not told.
 */
const struct go_type *go_locals_slot(struct go_locals *l, taddr entry, taddr pc, uint64_t offset);

#endif
