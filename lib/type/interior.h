/* type/interior.h - interior pointers that stand for the whole block, by memcheck's heuristics. */
#ifndef HEAPFX_TYPE_INTERIOR_H
#define HEAPFX_TYPE_INTERIOR_H

#include "heap/blocks.h"
#include "image/image.h"

/* Without a look at memory: no heuristic knows other places than these, `off` bytes into a block. */
static inline bool interior_may_be_start(uint64_t off, uint64_t value)
{
	return !(value & 7) || off == 8 || off == 24;
}

/* `value` points inside the block at `start`, of which the program may use `usable` bytes. */
bool interior_is_start(const struct image *img, taddr start, uint64_t usable, uint64_t value);

/* `value` is the first address of its own alignment in a block that begins at `start`. */
bool interior_is_aligned(taddr start, uint64_t value);

/*
 * `value` is what talloc gave the program: 96 bytes behind the header that a block begins with (or has
 * behind a talloc_pool()'s, of 32 bytes), of whose links at least one leads back; or such a pool's header.
 */
bool interior_is_talloc(const struct image *img, taddr start, uint64_t value);

/*
 * `value` is what Mesa's ralloc gave the program (src/util/ralloc.c of 10 to 25): 48 bytes behind a header of which
 * parent, first child and siblings, as far as there are any, all lead back; one at least.
 */
bool interior_is_ralloc(const struct image *img, taddr start, uint64_t value);

/*
 * `value` is what GLib counts the references to by a header in front (g_rc_box_alloc(), g_atomic_rc_box_alloc(),
 * GRefString; GArcBox of glib/grcboxprivate.h, 2.58 on): its magic is there, its size in the block, and what is
 * private in front of it begins the block.
 */
bool interior_is_glib_box(const struct image *img, taddr start, uint64_t usable, uint64_t value);

/*
 * `value` is a string of sds (Redis, Valkey, hiredis; sds.h 2.0): the text behind a header of 1, 3, 5, 9 or 17
 * bytes whose type is the byte before it, whose length leads to a NUL, and whose capacity fills the block.  Or it
 * is the field of an entry of a hash (entry.c of Redis 8 and Valkey): before it a time to live and a pointer to a
 * value, if its flags say so, and behind it the value, if that is no larger.
 */
enum { SDS_HEADER_MAX = 3 + 3 * 8 };
bool interior_is_sds(const struct image *img, taddr start, uint64_t usable, uint64_t value);

/*
 * `value` is a link of a list that goes both ways (Linux's list_head, wl_list, dlist_node of PostgreSQL): two words
 * there lead to such links, whose words lead back.  An empty list's, which leads to itself alone, is none.  Or of
 * Linux's hlist_node, the last of which has no next one; of its rb_node, whose parent and children lead back.
 * `left`: bytes of the block from there on.
 */
bool interior_is_link(const struct image *img, uint64_t value, uint64_t left);

/*
 * `value` is where the control bytes of a table of Rust's HashMap begin (hashbrown 0.4 to 0.16, raw/mod.rs): its
 * values lie in front of them, and behind them the first of them again, to the end of the block.
 */
bool interior_is_hashbrown(const struct image *img, taddr start, uint64_t usable, uint64_t value);
/* Without a look at memory: how many buckets such a table has at most; 0: it is none. */
uint64_t interior_buckets(const struct image *img, taddr start, uint64_t usable, uint64_t value);

/*
 * `value` is where the elements of an array of PHP's begin (zend_array.arData; Zend/zend_types.h of 7.3 to 8.4): in
 * front of them a hash of twice as many 32-bit numbers, each that of an element or -1, of a list two of them; and
 * elements, a power of two of 32 bytes each (of a list since 8.2: 16), to the end of the block.
 */
bool interior_is_zend(const struct image *img, taddr start, uint64_t usable, uint64_t value);

#endif
