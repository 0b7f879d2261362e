/* type/go_map_keys.h - which edges of a map's storage come from the slots of keys alone. */
#ifndef HEAPFX_TYPE_GO_MAP_KEYS_H
#define HEAPFX_TYPE_GO_MAP_KEYS_H

#include "type/go_maps.h"
#include "type/noter.h"

struct go_map_keys {
	const struct image *img;
	const struct blocks *blocks;
	const struct graph *g;
	struct note_sink *sink;
	struct {
		edge_id *v;
		size_t n, cap;
	} edges;			 /* of the map looked at last */
	const struct go_type *seen; /* the bucket looked at last */
	bool seen_wanted;
};
void go_map_keys_close(struct go_map_keys *k);

/*
 * Notes them, where keys are, or hold, pointers that are no strings.  Says nothing of a map whose
 * entries have no known type, or whose words and edges do not agree.
 */
struct err *go_map_keys_note(struct go_map_keys *k, node_id node,
			     const struct go_map *map) MUST_CHECK;

#endif
