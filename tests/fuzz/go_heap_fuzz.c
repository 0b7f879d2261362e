/*
 * go_heap_fuzz.c - a small Go heap with words overwritten: claims, slots, regions, graph, words.
 *
 * The input: which Go, then a list of 12-byte patches, each a place among the runtime's own words and
 * what to put there.  The heap underneath is made anew for each input, in memory alone.
 */
#include "base/cursor.h"
#include "fuzz.h"
#include "graph/graph.h"
#include "heap/go_memstats.h"
#include "heap/go_spans.h"
#include "image/go_layout.h"
#include "image/go_type.h"
#include "type/build.h"

enum {
	MSPANS = 0x200000, /* 0x100 each; BITS, ALLSPANS behind */
	ALLSPANS = 0x204000,
	BITS = 0x206000,
	MHEAP = 0x300000,
	ARENA = 0x400000,
	CHUNKS = 0x700000,
	TYPES = 0x800000,
	HEAP = 0x4000000,
	PAGE = 8192,
	PAGES = 16,
	L2 = MHEAP + 0x40000,
	MAX_PATCHES = 64,
	PATCH_BYTES = 12,
	SWEEPGEN = 10,
};

static const struct {
	taddr start;
	uint64_t size;
} maps[] = {
	{ MSPANS, 0x10000 }, { MHEAP, 0x50000 }, { ARENA, 0x230000 },
	{ CHUNKS, 0x10000 }, { TYPES, 0x1000 },	 { HEAP, PAGES * PAGE },
};
enum { N_MAPS = sizeof(maps) / sizeof(maps[0]) };

struct world {
	struct segment segments[N_MAPS];
	struct target target;
	struct image img;
	struct go go;
	struct go_module module;
};

static void put(struct world *w, taddr at, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < N_MAPS; i++)
		if (at >= maps[i].start && at - maps[i].start <= maps[i].size - size)
			memcpy((uint8_t *)w->segments[i].bytes + (at - maps[i].start), &value, size);
}

static void put_span(struct world *w, unsigned no, unsigned page, unsigned npages, unsigned class, uint64_t elemsize)
{
	const struct go_layout *l = &w->go.layout;
	taddr at = MSPANS + 0x100 * no;

	put(w, at + l->mspan.startAddr, HEAP + page * PAGE, 8);
	put(w, at + l->mspan.npages, npages, 8);
	put(w, at + l->mspan.freeindex, 1, l->mspan.int_size);
	put(w, at + l->mspan.nelems, class > 1 ? npages * PAGE / elemsize - 1 : 1, l->mspan.int_size);
	put(w, at + l->mspan.allocBits, BITS + 0x100 * no, 8);
	put(w, at + l->mspan.gcmarkBits, BITS + 0x100 * no, 8);
	put(w, BITS + 0x100 * no, 0x5555, 8);
	put(w, at + l->mspan.sweepgen, SWEEPGEN + no % 2 * 3, 4);
	put(w, at + l->mspan.spanclass, class, 1);
	put(w, at + l->mspan.state, GO_SPAN_IN_USE, 1);
	put(w, at + l->mspan.elemsize, elemsize, 8);
	if (l->mspan.largeType != GO_ABSENT)
		put(w, at + l->mspan.largeType, TYPES, 8);
	if (l->mspan.isUserArenaChunk != GO_ABSENT)
		put(w, at + l->mspan.isUserArenaChunk, no == 5, 1);
	for (unsigned i = 0; i < npages; i++)
		put(w, ARENA + l->heapArena.spans + 8 * (page + i), at, 8);
	put(w, ALLSPANS + 8 * no, at, 8);
}

/* Spans of every form, a type that is one pointer, free pages. */
static void put_heap(struct world *w)
{
	const struct go_layout *l = &w->go.layout;
	taddr pages = MHEAP + l->mheap.pages;

	put(w, MHEAP + l->mheap.allspans, ALLSPANS, 8);
	put(w, MHEAP + l->mheap.allspans + 8, 6, 8);
	put(w, MHEAP + l->mheap.allspans + 16, 6, 8);
	put(w, MHEAP + l->mheap.sweepgen, SWEEPGEN, 4);
	put(w, MHEAP + l->mheap.arenas, L2, 8);
	put(w, L2 + HEAP / GO_ARENA * 8, ARENA, 8);
	put_span(w, 0, 0, 1, 2, 8);
	put_span(w, 1, 1, 1, 40, 512);
	put_span(w, 2, 2, 1, 60, 1024);
	put_span(w, 3, 3, 1, 61, 1024);
	put_span(w, 4, 4, 3, 0, 3 * PAGE);
	put_span(w, 5, 7, 3, 0, 2 * PAGE);
	for (unsigned i = 0; i < 8; i++)
		put(w, HEAP + 2 * PAGE + 1024 * i, TYPES, 8);
	put(w, pages + l->pageAlloc.inUse, CHUNKS + 0x8000, 8);
	put(w, pages + l->pageAlloc.inUse + 8, 1, 8);
	put(w, pages + l->pageAlloc.inUse + 16, 1, 8);
	put(w, CHUNKS + 0x8000, HEAP, 8);
	put(w, CHUNKS + 0x8008, HEAP + PAGES * PAGE, 8);
	put(w, pages + l->pageAlloc.chunks, CHUNKS, 8);
	put(w, TYPES, 8, 8);
	put(w, TYPES + 8, 8, 8);
	put(w, TYPES + 16, 0x1a080800ull << 32 | TYPES, 8);
}

static bool world_open(struct world *w, struct env *env, unsigned minor)
{
	*w = (struct world){ .target = { .id = TARGET_AARCH64, .name = "aarch64" } };
	for (unsigned i = 0; i < N_MAPS; i++) {
		w->segments[i] = (struct segment){
			.start = maps[i].start, .end = maps[i].start + maps[i].size, .bytes = calloc(1, maps[i].size),
			.flags = SEG_R | SEG_W, .origin = SEG_CORE, .load = i, .module = -1,
		};
		if (!w->segments[i].bytes)
			return false;
	}
	w->img = (struct image){ .env = env, .target = &w->target, .segments = w->segments, .n_segments = N_MAPS };
	w->module = (struct go_module){ .types = TYPES, .etypes = TYPES + 0x1000 };
	w->go = (struct go){
		.env = env, .img = &w->img, .minor = minor, .how = "structure", .greentea = minor >= 26,
		.allocheaders = minor >= 22, .modules = &w->module, .n_modules = 1,
		.at = { .mheap = MHEAP, .memstats = CHUNKS + 0x9000, .gcController = CHUNKS + 0x9000 },
	};
	go_layout_of(minor, TARGET_AARCH64, w->go.allocheaders, w->go.greentea, &w->go.layout);
	w->img.go = &w->go;
	put_heap(w);
	return true;
}

static void world_close(struct world *w)
{
	go_types_close(w->go.types);
	for (unsigned i = 0; i < N_MAPS; i++)
		free((uint8_t *)w->segments[i].bytes);
}

/* Places that something follows from: mspans by field, the few words of mheap_, tables, the heap. */
static void patch(struct world *w, struct cursor *c)
{
	const struct go_layout *l = &w->go.layout;
	const uint32_t in_mheap[] = {
		l->mheap.allspans, l->mheap.sweepgen, l->mheap.arenas, l->mheap.pages + l->pageAlloc.inUse,
		l->mheap.pages + l->pageAlloc.chunks, l->mheap.pages, l->mheap.spanalloc, l->mheap.cachealloc,
	};
	unsigned where = cursor_u16(c), what = cursor_u16(c);
	uint64_t value = cursor_u64(c);
	unsigned size = 1u << (what & 3);

	value = what & 4 ? HEAP + value % (PAGES * PAGE) : what & 8 ? MSPANS + value % 0x8000 : value;
	switch (where >> 13) {
	case 0:
		put(w, MSPANS + where % 0x600, value, size);
		break;
	case 1:
		put(w, BITS + where % 0x600, value, size);
		break;
	case 2:
		put(w, MHEAP + in_mheap[where % 8] + where / 8 % 3 * 8, value, size);
		break;
	case 3:
		put(w, ARENA + l->heapArena.spans + where % 32 * 8, value, size);
		break;
	case 4:
		put(w, CHUNKS + where % 0x1000 + (what & 16 ? 0x8000 : 0), value, size);
		break;
	case 5:
		put(w, TYPES + where % 0x200, value, size);
		break;
	case 6:
		put(w, ARENA + where % 0x1000, value, size); /* bitmaps, to 1.21 */
		break;
	default:
		put(w, HEAP + (uint64_t)(where & 0x1fff) * 16, value, size);
	}
}

static struct err *ignore(struct region_sink *sink, const struct heap_region *r)
{
	(void)sink;
	if (r->start >= r->end)
		abort();
	return NULL;
}

static void use_heap(const struct heap *heap, const struct blocks *b)
{
	struct region_sink sink = { ignore };
	struct text text = TEXT_INIT;

	err_free(heap->ops->regions(heap->ctx, &sink));
	for (taddr at = HEAP; at < HEAP + PAGES * PAGE; at += 1000) {
		struct block block;
		uint32_t id = block_at(b, at);

		if (id == BLOCK_NONE)
			continue;
		block_get(b, id, &block);
		if (block.start > at || at - block.start >= block.size)
			abort();
		heap->ops->explain(heap->ctx, block.addr, &text);
	}
	text_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct walker_ops *const walkers[] = { &go_walker, NULL };
	struct cursor c = cursor_init(data, size, "patches", 0);
	struct env env;
	struct world w;
	struct blocks b = {};
	struct graph *g = NULL;
	struct err *err;

	if (!size)
		return 0;
	fuzz_env(&env);
	if (!world_open(&w, &env, 19 + cursor_u8(&c) % 9))
		abort();
	for (unsigned i = 0; i < MAX_PATCHES && cursor_left(&c) >= PATCH_BYTES; i++)
		patch(&w, &c);
	err = go_types_open(&w.go, &w.go.types);
	if (!err)
		err = blocks_build_with(&env, &w.img, walkers, &b);
	if (!err)
		err = graph_from_blocks(&env, &w.img, &b, NULL, false, &g);
	if (!err && g)
		err = graph_tell(&env, &w.img, &b, NULL, g);
	if (!err && b.n_heaps)
		use_heap(&b.heaps[0], &b);
	err_free(err);
	graph_free(g);
	blocks_fini(&b);
	world_close(&w);
	env_fini(&env);
	return 0;
}
