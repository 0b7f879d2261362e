/*
 * image/dbg_dwp.h - units of a package of split DWARF (.dwp), each as if it were a file of its own.
 */
#ifndef HEAPFX_IMAGE_DBG_DWP_H
#define HEAPFX_IMAGE_DBG_DWP_H

#include "base/err.h"
#include "image/dbg_view.h"

struct dbg_dwp;

/* The package's indexes; `package` must outlive it.  NULL: it has none. */
struct err *dbg_dwp_open(struct Elf *package, struct dbg_dwp **ret) MUST_CHECK;
void dbg_dwp_close(struct dbg_dwp *p); /* NULL is fine */
/*
 * The unit with this id, with the units of types of the file that it comes from if no unit had them before.  Its
 * addresses are in `addr` of the program's own file: .debug_addr from the unit's base on, and .debug_ranges where
 * DWARF 4 has them; n 0: it has none.  False: it is not there, or no memory.
 */
bool dbg_dwp_unit(struct dbg_dwp *p, uint64_t id, const struct dbg_section addr[2], struct dbg_view *ret);

#endif
