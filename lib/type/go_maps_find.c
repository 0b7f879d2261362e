/*
 * type/go_maps_find.c - finds the headers of maps; notes those that are mostly empty, and which
 * edges are their keys' alone.
 *
 * By type; and without one (programs without symbols) by structure: a header that leads to tables
 * or buckets whose control bytes are all valid and as many as it says.  Maps of one bucket or group
 * are too small to be told that way.
 */
#include <stdlib.h>

#include "base/bits.h"
#include "base/guard.h"
#include "type/go_block.h"
#include "type/go_map_keys.h"
#include "type/go_maps.h"
#include "type/go_shape.h"
#include "type/noter.h"

enum {
	TRIES = 64,	    /* sizes of a group or bucket that fit one block */
	WORK_MAX = 1 << 27, /* groups read in vain, of all */
	SLOTS = 8,
	SWISS_DEPTH = 32,
	HMAP_FLAGS = 8,
	LOG_BUCKETS_MAX = 32,
};

struct finder {
	const struct image *img;
	const struct blocks *blocks;
	const struct graph *g;
	struct go_maps maps;
	uint64_t vain; /* work */
	bool (*wanted)(void *arg, uint32_t id); /* of untyped ones */
	void *wanted_arg;
	struct err *(*fn)(void *arg, node_id node, const struct go_map *map);
	void *arg;
};

static void fini(struct finder *f)
{
	go_maps_close(&f->maps);
}

/* The type of a map whose headers are of type `id`; NULL: of no map. */
static const struct go_type *map_of(const struct graph *g, type_id id)
{
	const struct type_row *row = &g->types->v[id];
	const struct shape *shape =
		row->language == LANG_GO ? (const struct shape *)(uintptr_t)row->handle : NULL;

	return shape && shape->kind == SHAPE_MAP ? shape->type : NULL;
}

/* ---- by structure */

static uint64_t word(const struct finder *f, taddr at)
{
	uint64_t v;

	return image_read_u64(f->img, at, &v) == MEM_OK ? v : 0;
}

static bool starts_block(const struct finder *f, taddr at, struct go_block *ret)
{
	return go_block_at(f->blocks, at, ret) && ret->start == at;
}

static bool has_pointers(const struct finder *f, taddr at)
{
	const struct claim *claim = blocks_claim_at(f->blocks, at);

	return claim && !claim->no_pointers;
}

/* Every size of `n` like things that makes the allocator give such a block, the largest first. */
static bool try_sizes(struct finder *f, taddr header, const struct go_block *array, uint64_t n,
		      struct go_map *ret)
{
	bool scan = has_pointers(f, array->start);
	uint64_t size = align_down(array->usable / n, 8), work = f->maps.work;
	bool found = false;

	for (unsigned i = 0; i < TRIES && size >= 16 && !found; i++, size -= 8) {
		if (go_block_size(f->img->go, n * size, scan) != array->size)
			break;
		found = go_map_try(&f->maps, size, scan, header, ret);
		ret->group = size;
		ret->scan = scan;
	}
	f->vain += found ? 0 : f->maps.work - work;
	return found;
}

static bool try_swiss(struct finder *f, taddr at, struct go_map *ret)
{
	uint64_t n = word(f, at + SWISS_DIR_LEN), depth = word(f, at + SWISS_DEPTH);
	struct go_block directory, table, groups;
	uint64_t mask;

	if (!is_pow2(n) || (depth & 0xff) > LOG_BUCKETS_MAX || n != 1ull << (depth & 0xff) ||
	    (depth >> 8 & 0xff) != 64 - (depth & 0xff) ||
	    !starts_block(f, word(f, at + SWISS_DIR), &directory) || directory.usable / 8 < n ||
	    !starts_block(f, word(f, directory.start), &table) || table.usable < TABLE_MASK + 8)
		return false;
	mask = word(f, table.start + TABLE_MASK);
	return mask < 128 && starts_block(f, word(f, table.start + TABLE_GROUPS), &groups) &&
	       try_sizes(f, at, &groups, mask + 1, ret);
}

static bool try_old(struct finder *f, taddr at, struct go_map *ret)
{
	uint64_t flags = word(f, at + HMAP_FLAGS), bits = flags >> 8 & 0xff, n = 1;
	taddr old = word(f, at + HMAP_OLDBUCKETS);
	struct go_block buckets, b;

	if (!bits || bits > LOG_BUCKETS_MAX || (flags & 0xff) > 15 ||
	    word(f, at + HMAP_COUNT) > (uint64_t)2 * SLOTS << bits ||
	    !starts_block(f, word(f, at + HMAP_BUCKETS), &buckets) ||
	    (old && !starts_block(f, old, &b)))
		return false;
	n <<= bits;
	return try_sizes(f, at, &buckets, bits < 4 ? n : n + (n >> 4), ret);
}

/* Headers are blocks of one size: those of 48 bytes, or of 64 with clearSeq. */
static struct err *try_claim(struct finder *f, const struct claim *claim)
{
	const struct go *go = f->img->go;
	uint64_t want = go_block_size(go, go->swissmap || go->minor < 24 ? 48 : 56, true);
	uint32_t first = block_at(f->blocks, claim->start + claim->bias);
	struct err *err = NULL;
	struct grains_iter it;

	if (first == BLOCK_NONE || claim->no_pointers || claim->head)
		return NULL;
	it = grains_iter(&f->blocks->grains, first);
	for (; it.id < f->blocks->grains.n && it.key < claim->end && !err; grains_next(&it)) {
		struct go_map map;

		if (it.size != want)
			return NULL;
		if (f->vain > WORK_MAX || !f->wanted(f->wanted_arg, it.id))
			continue;
		if (go->swissmap ? try_swiss(f, it.key, &map) : try_old(f, it.key, &map))
			err = f->fn(f->arg, it.id, &map);
	}
	return err;
}

/* ---- all */

static struct err *find_typed(struct finder *f)
{
	const struct graph *g = f->g;
	_free_ const struct go_type **maps = calloc(g->types->n + 1, sizeof(*maps));
	struct err *err = maps ? NULL : &err_nomem;
	size_t n_maps = 0;

	for (size_t i = 1; i < g->types->n && !err; i++)
		n_maps += (maps[i] = map_of(g, (type_id)i)) != NULL;
	for (node_id i = 0; i < g->n && n_maps && !err; i++) {
		struct go_map map;

		if (graph_type(g, i) && maps[graph_type(g, i)] && graph_is_live(g, i) &&
		    !blocks_is_dead(f->blocks, graph_key(g, i)) && /* what it leads to may be another map's */
		    go_map_read(&f->maps, maps[graph_type(g, i)], graph_key(g, i), &map))
			err = f->fn(f->arg, i, &map);
	}
	return err;
}

static struct err *find_untyped(struct finder *f)
{
	struct err *err = NULL;

	for (size_t i = 0; i < f->blocks->n_claims && !err; i++)
		if (blocks_is_precise(f->blocks, i))
			err = try_claim(f, &f->blocks->claims[i]);
	return err ? err : f->maps.is_out_of_memory ? &err_nomem : NULL;
}

static bool is_live_untyped(void *graph, uint32_t id)
{
	const struct graph *g = graph;

	return id < g->n && !graph_type(g, id) && graph_is_live(g, id);
}

struct err *go_maps_untyped(struct env *env, const struct image *img, const struct blocks *blocks,
			    bool (*wanted)(void *arg, uint32_t id),
			    struct err *(*fn)(void *arg, uint32_t id, const struct go_map *map),
			    void *arg)
{
	_cleanup_(fini) struct finder f = {
		.img = img, .blocks = blocks, .wanted = wanted, .wanted_arg = arg, .fn = fn, .arg = arg
	};
	struct err *err = img->go ? go_maps_open(env, img, blocks, &f.maps) : NULL;

	return err || !img->go ? err : find_untyped(&f);
}

struct err *go_maps_each(struct env *env, const struct image *img, const struct blocks *blocks,
			 const struct graph *g,
			 struct err *(*fn)(void *arg, node_id node, const struct go_map *map),
			 void *arg)
{
	_cleanup_(fini) struct finder f = {
		.img = img, .blocks = blocks, .g = g, .fn = fn, .arg = arg,
		.wanted = is_live_untyped, .wanted_arg = (void *)g,
	};
	struct err *err;

	if (!img->go || !g->types || !g->grains)
		return NULL;
	err = go_maps_open(env, img, blocks, &f.maps);
	if (!err)
		err = find_typed(&f);
	return err ? err : find_untyped(&f);
}

/* ---- notes */

struct notes {
	struct env *env;
	struct note_sink *sink;
	struct go_map_keys keys;
};

static void fini_notes(struct notes *n)
{
	go_map_keys_close(&n->keys);
}

/*
 * Splits and growth leave a healthy map up to a third above what make() would take: what is noted
 * wastes two fifths.
 */
static bool is_slack(const struct go_map *m)
{
	uint64_t wasted = go_map_wasted(m);

	return m->capacity && wasted && wasted / 2 >= m->bytes / 5;
}

static struct err *note(void *arg, node_id node, const struct go_map *map)
{
	struct notes *n = arg;
	struct slack slack = {
		.node = node,
		.kind = map->used ? SLACK_MAP : SLACK_EMPTY,
		.used = map->used,
		.capacity = map->capacity,
		.bytes = map->bytes,
		.wasted = go_map_wasted(map),
	};
	struct err *err;

	if (map->damaged)
		diag(n->env, "go/maps", map->addr,
		     "a map's entries are not as many as its header says");
	if (map->changing)
		diag(n->env, "go/map-in-flight", map->addr,
		     "a goroutine is in the middle of changing a map: its entries may be off by what it is at");
	if ((map->damaged || map->changing) &&
	    map->used > map->capacity + SLOTS * map->overflow)
		return NULL; /* a header that was written over */
	err = go_map_keys_note(&n->keys, node, map);
	return !err && is_slack(map) ? n->sink->slack(n->sink, &slack) : err;
}

static struct err *find(struct env *env, const struct image *img, const struct blocks *blocks,
			const struct graph *g, struct note_sink *sink)
{
	_cleanup_(fini_notes) struct notes n = {
		.env = env, .sink = sink,
		.keys = { .img = img, .blocks = blocks, .g = g, .sink = sink },
	};

	return go_maps_each(env, img, blocks, g, note, &n);
}

extern const struct noter_ops noter_go_maps;
const struct noter_ops noter_go_maps = { .name = "maps", .find = find };
