/*
 * type/go_map_keys.c - edges of maps by whether a key's slot is all that is behind them.
 *
 * A row of the graph has the targets of a block's words in their order, those that follow each
 * other once: so that the words of a map's storage are read again beside it.  An edge that a key
 * and the element behind it share is not the key's alone.
 */
#include "type/go_map_keys.h"

#include <stdlib.h>

#include "base/vec.h"
#include "type/go_block.h"
#include "type/go_keys.h"

void go_map_keys_close(struct go_map_keys *k)
{
	free(k->edges.v);
}

/* Its slot alone says whether there is more behind it than text. */
static bool is_text(void *arg, uint64_t offset, const struct go_type *slot)
{
	bool *more = arg;

	(void)offset;
	*more = slot->kind != GO_STRING;
	return !*more;
}

static bool is_wanted(const struct go_map_keys *k, const struct go_type *key)
{
	bool more = false;

	if (key->ptr_bytes)
		go_type_pointers(k->img->go, key, is_text, &more);
	return more;
}

/* The type of a map's groups or buckets: of the map's own, or as their block is typed. */
static const struct go_type *bucket_of(const struct graph *g, const struct go_map *map)
{
	const struct type_row *row;
	const struct shape *shape;

	if (map->type)
		return map->type->bucket;
	if (!g->types || !graph_type(g, map->arrays[0].block))
		return NULL;
	row = &g->types->v[graph_type(g, map->arrays[0].block)];
	shape = row->language == LANG_GO ? (const struct shape *)(uintptr_t)row->handle : NULL;
	return shape && shape->kind == SHAPE_ARRAY ? shape->type : NULL;
}

/* One block of a map, word by word beside its row. */
struct beside {
	struct go_map_keys *k;
	const struct go_map_slots *slots;
	uint64_t group;
	uint32_t block;
	edge_id next, end;
	uint32_t last; /* node of the edge before `next` */
};

static bool is_key(const struct beside *b, uint64_t offset)
{
	uint64_t in = offset % b->group - b->slots->keys, stride = b->slots->key_stride;

	return offset % b->group >= b->slots->keys && in / stride < 8 &&
	       in % stride < b->slots->key->size;
}

/* False: out of memory. */
static bool add_word(struct beside *b, uint64_t word, uint64_t offset)
{
	struct go_map_keys *k = b->k;
	struct go_block to;

	if (!word || !go_block_at(k->blocks, word, &to) || to.id == b->block)
		return true;
	if (b->next < b->end && EDGE_NODE(k->g->dst[b->next]) == to.id) {
		b->last = to.id;
		b->next++;
		return !is_key(b, offset) || vec_push(&k->edges, &(edge_id){ b->next - 1 });
	}
	if (to.id == b->last && !is_key(b, offset) && k->edges.n &&
	    k->edges.v[k->edges.n - 1] == b->next - 1)
		k->edges.n--;
	return true;
}

static struct err *add_array(struct go_map_keys *k, const struct go_map_slots *slots,
			     uint64_t group, const struct go_map_array *array, bool *ret_agrees)
{
	struct beside b = {
		.k = k, .slots = slots, .group = group, .block = array->block, .last = NODE_NONE,
		.next = graph_row(k->g, array->block), .end = graph_row(k->g, array->block + 1),
	};
	uint64_t n = array->n * (group / 8), avail = 0, i = 0;
	const uint8_t *bytes = NULL;

	for (; i < n; i++, avail -= 8, bytes += 8) {
		if (avail < 8)
			bytes = image_view(k->img, array->at + 8 * i, &avail);
		if (!bytes || avail < 8)
			break;
		if (!add_word(&b, load_u64(bytes), 8 * i))
			return &err_nomem;
	}
	*ret_agrees = b.next == b.end;
	return NULL;
}

static int by_edge(const void *pa, const void *pb)
{
	edge_id a = *(const edge_id *)pa, b = *(const edge_id *)pb;

	return a < b ? -1 : a > b;
}

struct err *go_map_keys_note(struct go_map_keys *k, node_id node, const struct go_map *map)
{
	const struct go_type *bucket = map->n_arrays && map->used ? bucket_of(k->g, map) : NULL;
	struct keyed keyed = { .node = node, .keys = map->used };
	struct go_map_slots slots;
	bool agrees = true;

	if (!bucket || (bucket == k->seen && !k->seen_wanted) ||
	    !go_map_slots_of(bucket, &slots) || !slots.key_stride || bucket->size < 16 ||
	    bucket->size % 8)
		return NULL;
	k->seen = bucket;
	/* Large keys stand elsewhere, and their slots have pointers in any case. */
	k->seen_wanted = is_wanted(k, map->type && map->type->key ? map->type->key : slots.key);
	if (!k->seen_wanted)
		return NULL;
	k->edges.n = 0;
	for (size_t i = 0; i < map->n_arrays && agrees; i++) {
		struct err *err =
			add_array(k, &slots, bucket->size, &map->arrays[i], &agrees);

		if (err)
			return err;
	}
	if (!agrees || !k->edges.n)
		return NULL;
	keyed.n = k->edges.n;
	qsort(k->edges.v, k->edges.n, sizeof(*k->edges.v), by_edge);
	return k->sink->keyed(k->sink, &keyed, k->edges.v);
}
