/*
 * type/go_sync_maps.h - every sync.Map: live, deleted and expunged entries, storage.
 *
 * To 1.23 (and with nosynchashtriemap) sync/map.go: two maps of entries, `read` and `dirty`; since
 * 1.24 internal/sync/hashtriemap.go: a trie of 16-way nodes.
 */
#ifndef HEAPFX_TYPE_GO_SYNC_MAPS_H
#define HEAPFX_TYPE_GO_SYNC_MAPS_H

#include "graph/graph.h"
#include "heap/blocks.h"
#include "image/go_type.h"
#include "image/image.h"

enum { SYNC_CHILDREN = 16 };

/* Where the words of a sync.Map are, of this program's. */
struct go_sync_layout {
	const struct go_type *type;
	uint64_t read, dirty, misses; /* to 1.23; `read`: of the pointer itself */
	uint64_t root, hash;
	uint64_t parent, children, overflow; /* in nodes of a trie */
	bool is_trie;
};
bool go_sync_layout(const struct go *go, struct go_sync_layout *ret); /* false: there are none */

/* go_sync_find.c: those in globals and blocks of unknown type. */
struct sync_search {
	const struct image *img;
	const struct blocks *blocks;
	struct go_sync_layout l;
	const struct go_type *map; /* of entries */
};
bool go_sync_search(const struct image *img, const struct blocks *blocks, struct sync_search *ret);
/* Word `i` of those at `words`, a pointer to a block, may be such a pointer: a cheap question first. */
bool go_sync_may_be(const struct sync_search *s, const uint8_t *words, uint64_t n, uint64_t i);
/* The sync.Map whose storage is reached from the pointer in that word; 0: none that is known. */
taddr go_sync_at(const struct sync_search *s, taddr slot);

struct go_sync_map {
	taddr addr;    /* of the sync.Map */
	uint32_t root; /* the global's word that leads to its storage; UINT32_MAX: it lies in a block, */
	node_id in;    /* in this one; NODE_NONE: a global */
	node_id head;  /* of its storage: `read`, `dirty` when that is all there is, the trie's root */
	uint64_t live; /* entries */
	uint64_t deleted; /* keys whose entry is empty: to 1.23 they stay until `dirty` takes the place of `read` */
	uint64_t expunged; /* the same, and left out of `dirty` already */
	uint64_t only_dirty; /* of the live ones, those that `read` does not have */
	uint64_t misses;     /* of `read` since `dirty` was made; at len(dirty) it takes its place */
	uint64_t nodes;	     /* inner ones of a trie */
	uint64_t bytes;	     /* of its own blocks, without those of keys and values */
	uint64_t need;	     /* that the live ones would take alone; 0: not known */
	bool is_trie;
	bool damaged; /* not all could be read, or it does not hold together */
	bool is_unread; /* one of its maps has no type that is known: nothing is said of it */
};

/* Those whose type is known; in order of roots, then of nodes. A block belongs to one of them alone. */
struct err *go_sync_maps_each(struct env *env, const struct image *img, const struct blocks *blocks,
			      const struct graph *g,
			      struct err *(*fn)(void *arg, const struct go_sync_map *map),
			      void *arg) MUST_CHECK;

#endif
