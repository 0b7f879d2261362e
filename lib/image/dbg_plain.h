/*
 * image/dbg_plain.h - the sections of DWARF of a file that has them compressed, as they were unpacked,
 * kept for the next run: image.cache_dir/dwarf-BUILDID.plain, by the rules of image/cache_file.h.
 *
 * One that is damaged, of a file of another size or time or of another version is not believed, and of what lies in
 * an archive none is kept.  Files of this kind are at
 * most DBG_PLAIN_ALL bytes together: those read longest ago go first.
 */
#ifndef HEAPFX_IMAGE_DBG_PLAIN_H
#define HEAPFX_IMAGE_DBG_PLAIN_H

#include "image/dbg_view.h"
#include "image/elf.h"

#define DBG_PLAIN_ONE (256ull << 20)
#define DBG_PLAIN_ALL (512ull << 20)

struct dbg_plain { /* zeroed: none */
	const uint8_t *map;
	uint64_t size;
	struct dbg_view view; /* of the sections in it */
};

/* It is compressed at all. */
bool dbg_plain_is_for(const struct image *img, const struct elf_file *file);
/* False: there is none to be had.  `like`: the file itself, for its machine. */
bool dbg_plain_read(const struct image *img, const struct elf_file *file, struct Elf *like, struct dbg_plain *ret);
/* Of a file that libdw has opened. */
void dbg_plain_write(const struct image *img, const struct elf_file *file, struct Elf *unpacked);
void dbg_plain_close(struct dbg_plain *p); /* zeroed is fine */

/* The sections in the bytes of such a file; 0: it is none for a file of that size and time, or damaged. */
size_t dbg_plain_parse(const uint8_t *bytes, uint64_t n, uint64_t file_size, uint64_t mtime_ns,
		       struct dbg_section ret[static DBG_SECTIONS_MAX]);

#endif
