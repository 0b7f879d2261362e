/*
 * type/go_keys.h - how slots of maps are called: `["/receipt"]`, ` key "/receipt"`, "[...]".
 */
#ifndef HEAPFX_TYPE_GO_KEYS_H
#define HEAPFX_TYPE_GO_KEYS_H

#include "type/go_names.h"

/* Where the keys and the elements of a group or bucket lie. */
struct go_map_slots {
	const struct go_type *key, *elem; /* as they stand there: pointers when they are large */
	uint64_t keys, elems, key_stride, elem_stride;
};
/* `t`: a group or bucket; false: it is none. */
bool go_map_slots_of(const struct go_type *t, struct go_map_slots *ret);

/* Of groups or buckets of type `t`: the array of them begins at addr, the word lies at `offset`. */
bool go_keys_map_path(const struct go_names *n, const struct go_type *t, taddr addr,
		      uint64_t offset, struct text *ret);
/*
 * Of the pieces of a sync.Map: readOnly and entry to 1.23 (sync/map.go), the nodes of a
 * HashTrieMap since (internal/sync/hashtriemap.go).  False: `t` is none of them.
 */
bool go_keys_sync_path(const struct go_names *n, const struct go_type *t, taddr addr,
		       uint64_t offset, struct text *ret);

#endif
