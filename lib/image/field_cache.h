/*
 * image/field_cache.h - offsets of fields that a module's DWARF gave, kept in a file for the next run.
 *
 * image.cache_dir/dwarf-BUILDID.fields (image/cache_file.h).  To open the DWARF of a libc takes as long as
 * all else about a small heap, for libdw unpacks every section, and one number is asked of it.
 */
#ifndef HEAPFX_IMAGE_FIELD_CACHE_H
#define HEAPFX_IMAGE_FIELD_CACHE_H

#include "image/dbg.h"
#include "image/image.h"

/* Under the module's lock. Into m->dbg->fields, once; what cannot be read or believed is none. */
void field_cache_read(const struct image *img, const struct module *m);
/* Those of m->dbg->fields that are there and have names that fit. */
void field_cache_write(const struct image *img, const struct module *m);

/* The bytes of such a file, of a module with files of these sizes; false: they are none, or damaged. */
bool field_cache_parse(struct dbg *d, const uint8_t *bytes, uint64_t n, uint64_t size, uint64_t alt_size);

#endif
