/*
 * image/dbg_cache.h - what dbg_index() found in a module's DWARF, kept in a file for the next run.
 *
 * image.cache_dir/dwarf-BUILDID, mode 0600.  It goes by the build id, the sizes of the files with
 * the DWARF and the ids of units in others; one that is damaged, of another version, or that others own or may write to is not
 * believed, and made anew.  Nothing is lost when it cannot be written.
 */
#ifndef HEAPFX_IMAGE_DBG_CACHE_H
#define HEAPFX_IMAGE_DBG_CACHE_H

#include "image/dbg_types.h"

/* Where libdw has sections with entries, in the order of the module's parts; size 0: not there. */
struct dbg_space {
	uint64_t at, size;
};
struct dbg_cache_base {
	const struct dbg_space *v;
	size_t n;
};

/* Under the module's lock.  *ret: t has vars, funcs, named and by_hash. */
struct err *dbg_cache_read(struct dbg_types *t, const struct dbg_cache_base *base, bool *ret) MUST_CHECK;
void dbg_cache_write(const struct dbg_types *t, const struct dbg_cache_base *base);

/*
 * The bytes of such a file.  Entries are offsets in all sections, as if one followed the other; `base` makes
 * addresses of them.
 */
struct dbg_cache_key {
	uint64_t size, alt_size; /* of the files */
	uint64_t parts;		 /* hash of what split units there are */
};
/* False: it is none of this key, or damaged.  ERR_NOMEM alone is an error. */
struct err *dbg_cache_parse(struct dbg_types *t, const uint8_t *bytes, uint64_t n, const struct dbg_cache_key *key,
			    const struct dbg_cache_base *base, bool *ret) MUST_CHECK;
/* malloc'd; NULL: out of memory, or an entry lies somewhere else. */
uint8_t *dbg_cache_bytes(const struct dbg_types *t, const struct dbg_cache_key *key, const struct dbg_cache_base *base,
			 uint64_t *ret_n);

#endif
