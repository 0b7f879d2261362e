/*
 * image/dbg_dwp.h - units of a package of split DWARF (.dwp), each as if it were a file of its own.
 */
#ifndef HEAPFX_IMAGE_DBG_DWP_H
#define HEAPFX_IMAGE_DBG_DWP_H

#include "image/dbg_view.h"

/*
 * The unit with this id.  Its addresses are in `addr` of the program's own file: .debug_addr from the
 * unit's base on, and .debug_ranges where DWARF 4 has them; n 0: it has none.  False: it is not there.
 */
bool dbg_dwp_unit(struct Elf *package, uint64_t id, const struct dbg_section addr[2], struct dbg_view *ret);

#endif
