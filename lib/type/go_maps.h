/*
 * type/go_maps.h - Go's maps as they lie in memory: entries, room, deleted slots, storage.
 *
 * To 1.23 (and with noswissmap) runtime/map.go: hmap and chains of bmap; since 1.24
 * internal/runtime/maps: one group, or a directory of tables of groups.
 */
#ifndef HEAPFX_TYPE_GO_MAPS_H
#define HEAPFX_TYPE_GO_MAPS_H

#include "base/col.h"
#include "graph/graph.h"
#include "heap/blocks.h"
#include "image/go_type.h"

/* Buckets or groups one after another, in a block of their own. */
struct go_map_array {
	uint32_t block;
	taddr at;
	uint64_t n; /* as many as have room */
};

struct go_map {
	taddr addr;		    /* of its header */
	const struct go_type *type; /* NULL: unknown */
	uint64_t used;		    /* len() */
	uint64_t capacity; /* slots, those of overflow buckets not counted; 0 without storage */
	uint64_t deleted;  /* slots that a deleted entry still takes */
	uint64_t overflow; /* buckets past the first of their chain; 0 since 1.24 */
	uint64_t bytes;	   /* of all its blocks, header included */
	uint64_t need; /* that make() would take for `used` entries, overflow buckets not counted */
	uint64_t group; /* of one found by structure: bytes of a group or bucket */
	bool scan;	/* ... and whether it has pointers */
	/* its storage, by no order; until the next map is read */
	const struct go_map_array *arrays;
	size_t n_arrays;
	bool growing;  /* to 1.23: entries still move from the old buckets */
	bool changing; /* the same by a goroutine that is in the middle of putting or deleting */
	bool damaged;  /* what was counted is not what the header says, or not all could be read */
};

static inline uint64_t go_map_wasted(const struct go_map *m)
{
	return m->bytes > m->need ? m->bytes - m->need : 0;
}

/* Reads maps; a block is storage of one map alone, so that all together cost no more than the heap is large. */
struct go_maps {
	const struct image *img;
	const struct blocks *blocks;
	struct col seen; /* one bit a block */
	struct {
		uint32_t *v;
		size_t n, cap;
	} owned;       /* blocks of the map read last */
	struct {
		struct go_map_array *v;
		size_t n, cap;
	} arrays; /* those of them with its entries */
	uint64_t work; /* groups and buckets read */
	bool is_out_of_memory;
};
struct err *go_maps_open(struct env *env, const struct image *img, const struct blocks *blocks,
			 struct go_maps *ret) MUST_CHECK;
void go_maps_close(struct go_maps *m);

/* False: no header can be there. `type`: of kind GO_MAP. */
bool go_map_read(struct go_maps *m, const struct go_type *type, taddr header, struct go_map *ret);

/* What make() takes for a map of n entries. `type`: of kind GO_MAP. */
uint64_t go_map_need(const struct go *go, const struct go_type *type, uint64_t n);

/*
 * A map of unknown type, whose groups or buckets would be of so many bytes: false unless all of it
 * holds together; its blocks are then nobody's.
 */
bool go_map_try(struct go_maps *m, uint64_t group, bool scan, taddr header, struct go_map *ret);

/*
 * go_maps_find.c: blocks for which `wanted` answers true and that are headers of maps by what they
 * lead to; needs no graph.
 */
struct err *go_maps_untyped(struct env *env, const struct image *img, const struct blocks *blocks,
			    bool (*wanted)(void *arg, uint32_t id),
			    struct err *(*fn)(void *arg, uint32_t id, const struct go_map *map),
			    void *arg) MUST_CHECK;

/*
 * go_maps_find.c: every live block that is known to be a map's header, then untyped ones that are
 * headers by what they lead to.
 */
struct err *go_maps_each(struct env *env, const struct image *img, const struct blocks *blocks,
			 const struct graph *g,
			 struct err *(*fn)(void *arg, node_id node, const struct go_map *map),
			 void *arg) MUST_CHECK;

#endif
