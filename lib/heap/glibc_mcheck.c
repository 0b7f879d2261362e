/*
 * glibc_mcheck.c - is glibc's mcheck() (libmcheck) on?  Its headers are not seen through: that is said.
 *
 * Source: glibc malloc/mcheck.c, 2.28 to 2.41: struct hdr {size, magic, prev, next, block, magic2} of 48
 * bytes stands before what the program has, `root` leads to the newest, and next to all others; magic is
 * MAGICWORD exclusive-or prev + next, magic2 exclusive-or block.
 */
#include <string.h>

#include "base/bits.h"
#include "heap/glibc_fields.h"

enum { HDR_MAGIC = 1, HDR_PREV, HDR_NEXT, HDR_BLOCK, HDR_MAGIC2, HDR_WORDS };

#define MAGICWORD 0xfedabeebull

static bool is_newest(const struct image *img, taddr at)
{
	uint64_t w[HDR_WORDS];

	return !(at & 15) && at >= 4096 && image_read(img, at, w, sizeof(w)) == MEM_OK && !w[HDR_PREV] &&
	       w[HDR_MAGIC] == (MAGICWORD ^ w[HDR_NEXT]) && w[HDR_MAGIC2] == (MAGICWORD ^ w[HDR_BLOCK]);
}

void glibc_tell_mcheck(struct env *env, const struct image *img, const struct module *module)
{
	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *seg = &img->segments[i];
		uint64_t n = seg->end - seg->start;

		if (!seg->bytes || !(seg->flags & SEG_W) || seg->module < 0 ||
		    &img->modules[seg->module] != module)
			continue;
		for (uint64_t at = 0; n >= 8 && at <= n - 8; at += 8) {
			if (!is_newest(img, load_u64(seg->bytes + at)))
				continue;
			diag(env, "heap/debug-allocator", seg->start + at,
			     "mcheck is on: what the program has begins 48 bytes or more behind a block's start, and "
			     "mcheck's list leads to every block, so that what is lost is not told");
			return;
		}
	}
}
