/*
 * image/go_layout.h - where the runtime's fields are: by version, and by debug information.
 */
#ifndef HEAPFX_IMAGE_GO_LAYOUT_H
#define HEAPFX_IMAGE_GO_LAYOUT_H

#include "image/go.h"

/*
 * Of Go 1.<minor>, the nearest known one if there is no such; `allocheaders` counts for 1.22 alone,
 * `greentea` since 1.25.
 */
void go_layout_of(unsigned minor, enum target_id target, bool allocheaders, bool greentea,
		  struct go_layout *ret);
/* Where two layouts differ: the first field, and how many do. */
struct go_layout_change {
	const char *of, *name; /* "mspan", "elemsize" */
	uint32_t was, is;
	unsigned n;
};
/* Replaces what the module's DWARF says otherwise; how many fields it knew, 0 without DWARF. */
unsigned go_layout_debug_info(const struct image *img, const struct module *m, struct go_layout *l,
			      struct go_layout_change *ret);

#endif
