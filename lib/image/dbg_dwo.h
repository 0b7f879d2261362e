/*
 * image/dbg_dwo.h - a unit that was split off, in a file of its own (.dwo), with the units of types there.
 */
#ifndef HEAPFX_IMAGE_DBG_DWO_H
#define HEAPFX_IMAGE_DBG_DWO_H

#include "image/dbg_view.h"
#include "image/image.h"

struct dbg_dwo;

/*
 * The unit with this id, from a member of the input that is called as the last part of `path`, in any folder there;
 * else, when it may be looked for, from the file at that path, if that begins with '/'.  `addr` is as in
 * dbg_dwp_unit().  The view's sections are the file's, which must outlive it.  False: there is no such file, it has
 * another unit, or no memory.
 */
bool dbg_dwo_open(const struct image *img, const char *path, bool may_look, uint64_t id,
		  const struct dbg_section addr[2], struct dbg_dwo **ret, struct dbg_view *ret_view);
void dbg_dwo_close(struct dbg_dwo *d); /* NULL is fine */

#endif
