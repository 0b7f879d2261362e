/*
 * image/cache_file.h - files in image.cache_dir of what was found in a module's debug info, by its build id.
 *
 * dwarf-BUILDID and the ending, mode 0600.  One that others own or may write to is not read.
 */
#ifndef HEAPFX_IMAGE_CACHE_FILE_H
#define HEAPFX_IMAGE_CACHE_FILE_H

#include "image/elf.h"
#include "image/image.h"

/* malloc'd, *ret_n bytes of it; NULL: there is none, or the module has no build id. */
uint8_t *cache_file_read(const struct image *img, const struct module *m, const char *ending, uint64_t *ret_n);
/* Whole or not at all; nothing is lost when it cannot be written. */
void cache_file_write(const struct image *img, const struct module *m, const char *ending, const uint8_t *bytes,
		      uint64_t n);

/* Those of a file by its own build id. */
struct cache_piece {
	const void *at;
	uint64_t n;
};
/* Mapped, for the caller to unmap, and marked as used now; NULL: there is none. */
const uint8_t *cache_file_map(const struct image *img, const struct build_id *id, const char *ending, uint64_t *ret_n);
void cache_file_write_pieces(const struct image *img, const struct build_id *id, const char *ending,
			     const struct cache_piece *pieces, size_t n);
/* Removes those with that ending that were used longest ago, until the rest is no more than so many bytes. */
void cache_file_make_room(const struct image *img, const char *ending, uint64_t most);

#endif
