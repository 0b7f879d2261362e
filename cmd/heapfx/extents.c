/*
 * extents.c - the claims of allocators that give memory back from the end of a range, as analyses
 * see them: where free memory at the end goes back, and what goes back as a whole.
 */
#include <inttypes.h>
#include <string.h>

#include "pipeline.h"

static const char *where_of(void *ctx, node_id node)
{
	struct run *run = ctx;
	struct block b;

	block_get(&run->blocks, node, &b); /* nodes are blocks */
	return b.filler || b.used ? NULL : b.where;
}

static bool unit_of(void *ctx, node_id node, uint64_t *ret_start, uint64_t *ret_end)
{
	struct run *run = ctx;
	uint64_t key = grains_iter(&run->blocks.grains, node).key;
	const struct heap *heap = blocks_heap_at(&run->blocks, key);

	return heap && heap->ops->unit && heap->ops->unit(heap->ctx, key, ret_start, ret_end);
}

static bool is_top(struct run *run, uint64_t key)
{
	uint32_t id = block_at(&run->blocks, key);
	const char *where = id == BLOCK_NONE ? NULL : where_of(run, id);

	return where && !strcmp(where, "top");
}

static const char *name_of(struct run *run, const struct heap_arena *a)
{
	if (a->kind == ARENA_MAIN)
		return "the main arena";
	return arena_printf(&run->report.mem, "the arena at 0x%" PRIx64, a->addr);
}

/*
 * A heap segment of a thread's arena goes back whole, but for the one that the arena itself lies
 * in.
 */
static enum extent_kind kind_of(struct run *run, const struct claim *c, const struct heap_arena *a)
{
	if (is_top(run, c->end + c->bias - 1))
		return EXTENT_SHRINKS;
	if (a->kind == ARENA_THREAD && (a->addr < c->start || a->addr >= c->end))
		return EXTENT_WHOLE;
	return EXTENT_FIXED;
}

static struct err *add_extent(struct run *run, const struct claim *c, const struct heap_info *info,
			      uint32_t heap, const char *unit, struct extent *ret)
{
	const struct heap_arena *a = &info->arenas[c->arena];

	*ret = (struct extent){
		.start = c->start + c->bias,
		.end = c->end + c->bias,
		.heap = heap,
		.kind = kind_of(run, c, a),
		.name = name_of(run, a),
		.unit = unit,
	};
	return ret->name ? NULL : &err_nomem;
}

struct err *find_extents(struct run *run, struct subject *subject)
{
	const struct blocks *b = &run->blocks;
	struct extent *extents =
		arena_alloc(&run->report.mem, (b->n_claims + 1) * sizeof(*extents));
	size_t n = 0;

	if (!extents)
		return &err_nomem;
	for (size_t i = 0; i < b->n_claims; i++) {
		const struct heap_info *info = b->heaps[b->claim_heap[i]].info;
		uint32_t heap = 0;
		struct err *err;

		if (!info || b->claims[i].arena >= info->n_arenas ||
		    b->claims[i].end <= b->claims[i].start)
			continue;
		for (unsigned h = 0; h < b->claim_heap[i]; h++)
			heap += heap_is_told(b, h);
		err = add_extent(run, &b->claims[i], info, heap,
				 b->heaps[b->claim_heap[i]].ops->unit_name, &extents[n++]);
		if (err)
			return err;
	}
	subject->extents = extents;
	subject->n_extents = n;
	subject->where = where_of;
	subject->where_ctx = run;
	subject->unit = unit_of;
	return NULL;
}
