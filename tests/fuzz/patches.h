/*
 * patches.h - a real core whose words are overwritten where an allocator's own words are.
 *
 * The input is a list of 14-byte patches: which place, which word from it on, and what to put there.
 * Places are the first words of blocks, and of what the walkers call their own and of modules' variables
 * the words that are not 0, so that every mutation lands in what a walker reads; the core is written once.
 */
#ifndef HEAPFX_TESTS_FUZZ_PATCHES_H
#define HEAPFX_TESTS_FUZZ_PATCHES_H

#include "base/cursor.h"
#include "fact/fact.h"
#include "fuzz.h"
#include "graph/graph.h"
#include "heap/blocks.h"
#include "type/build.h"

enum { MAX_PATCHES = 64, PATCH_BYTES = 14, MAX_PLACES = 1 << 18, BLOCKS_ASKED = 256 };

static struct patched_core {
	uint8_t *bytes;
	size_t size;
	int fd;
	char path[64];
	const char *exe; /* NULL: none */
	uint64_t *places; /* offsets in the file */
	size_t n_places;
	const struct walker_ops *walkers[2]; /* the one whose words they are: others' searches take most of a run */
	bool typed; /* types are what is looked at: else they are not asked for, as they take longer than the walk */
	unsigned n_patches; /* of this run */
} patched_core;

static inline void patches_note(const struct image *img, taddr at)
{
	struct patched_core *p = &patched_core;
	uint64_t left;
	const uint8_t *view = image_view(img, at, &left);

	if (view && view >= img->core->map && view < img->core->map + img->core->size && p->n_places < MAX_PLACES)
		p->places[p->n_places++] = (uint64_t)(view - img->core->map);
}

struct patches_sink {
	struct claim_sink sink; /* first: patches_note_range() casts back */
	const struct image *img;
};

/* Half of all places are left for blocks. */
static inline struct err *patches_note_range(struct claim_sink *sink, const struct claim *claim)
{
	const struct image *img = ((struct patches_sink *)sink)->img;

	for (taddr at = claim->start; at < claim->end && patched_core.n_places < MAX_PLACES / 2; at += 8) {
		uint64_t word;

		if (image_read_u64(img, at, &word) == MEM_OK && word)
			patches_note(img, at);
	}
	return NULL;
}

/* Variables of programs and libraries, by which heaps are found: an eighth of all places at most. */
static inline void patches_note_variables(const struct image *img)
{
	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *seg = &img->segments[i];
		uint64_t n = seg->end - seg->start;

		if (!seg->bytes || seg->module < 0 || !(seg->flags & SEG_W))
			continue;
		for (uint64_t at = 0; at + 8 <= n && patched_core.n_places < MAX_PLACES / 8; at += 8)
			if (load_u64(seg->bytes + at))
				patches_note(img, seg->start + at);
	}
}

static inline void patches_note_heaps(struct env *env, const struct image *img)
{
	struct patches_sink sink = { .sink = { patches_note_range }, .img = img };
	struct blocks blocks = {};
	struct err *err = blocks_build_with(env, img, patched_core.walkers, &blocks);
	uint64_t n = err ? 0 : blocks.grains.n;

	patches_note_variables(img);
	for (size_t i = 0; i < blocks.n_heaps && !err; i++)
		if (blocks.heaps[i].ops->metadata)
			err = blocks.heaps[i].ops->metadata(blocks.heaps[i].ctx, &sink.sink);
	err_free(err);
	for (uint64_t id = 0; id < n; id++) {
		struct block block;

		block_get(&blocks, (uint32_t)id, &block);
		patches_note(img, block.start);
	}
	blocks_fini(&blocks);
}

/* The core that an environment variable names, with a heap of this walker's; exits when there is none. */
static inline void patches_open(const char *variable, const struct walker_ops *walker)
{
	struct patched_core *p = &patched_core;
	const char *path = getenv(variable);
	FILE *f = path ? fopen(path, "rb") : NULL;

	if (!f || fseek(f, 0, SEEK_END)) {
		fprintf(stderr, "%s names no core: use tests/fuzz/run\n", variable);
		exit(2);
	}
	p->size = (size_t)ftell(f);
	rewind(f);
	p->bytes = malloc(p->size);
	p->places = calloc(MAX_PLACES, sizeof(*p->places));
	if (!p->bytes || !p->places || fread(p->bytes, 1, p->size, f) != p->size)
		abort();
	fclose(f);
	p->walkers[0] = walker;
	p->fd = fuzz_file(p->bytes, p->size, p->path);
	fuzz_image_of(p->path, p->exe, patches_note_heaps);
	if (!p->n_places) {
		fprintf(stderr, "no heap in %s\n", path);
		exit(2);
	}
}

static inline void patches_put(uint64_t offset, uint64_t word)
{
	if (offset > patched_core.size - sizeof(word))
		return;
	if (pwrite(patched_core.fd, &word, sizeof(word), (off_t)offset) != sizeof(word))
		abort();
}

static inline uint64_t patches_original(uint64_t offset)
{
	uint64_t word = 0;

	if (offset <= patched_core.size - sizeof(word))
		memcpy(&word, patched_core.bytes + offset, sizeof(word));
	return word;
}

/* A value, a small step, one bit, or the word of another place. */
static inline uint64_t patches_word(uint64_t before, unsigned how, uint64_t value)
{
	switch (how % 4) {
	case 0: return value;
	case 1: return before + value % 64;
	case 2: return before ^ 1ull << value % 64;
	default: return patches_original(patched_core.places[value % patched_core.n_places]);
	}
}

/* Patches the file; returns how many offsets are to be put back. */
static inline unsigned patches_apply(struct cursor *c, uint64_t *offsets)
{
	unsigned n = 0;

	while (n < MAX_PATCHES && cursor_left(c) >= PATCH_BYTES) {
		uint32_t place = cursor_u32(c);
		unsigned word = cursor_u8(c), how = cursor_u8(c);
		uint64_t value = cursor_u64(c);
		uint64_t offset = patched_core.places[place % patched_core.n_places] + word % 8 * 8;

		offsets[n++] = offset;
		patches_put(offset, patches_word(patches_original(offset), how, value));
	}
	return n;
}

static inline struct err *patches_take_sample(struct sample_sink *sink, const struct heap_sample *sample)
{
	volatile uint64_t last = 0; /* each is read */

	(void)sink;
	for (uint64_t i = 0; i < sample->n_pcs; i++)
		last = sample->pcs[i];
	(void)last;
	return NULL;
}

static inline struct err *patches_take_region(struct region_sink *sink, const struct heap_region *region)
{
	(void)sink;
	if (region->end < region->start)
		abort();
	return NULL;
}

/* What a walker is asked beside its blocks. */
static inline void patches_ask_heap(const struct heap *heap)
{
	struct sample_sink samples = { patches_take_sample };
	struct region_sink regions = { patches_take_region };

	heap->ops->info(heap->ctx);
	if (heap->ops->samples)
		err_free(heap->ops->samples(heap->ctx, &samples));
	if (heap->ops->regions)
		err_free(heap->ops->regions(heap->ctx, &regions));
}

static inline void patches_ask_block(const struct blocks *b, uint32_t id)
{
	struct block block;
	struct text words = TEXT_INIT;
	taddr start, end;

	block_get(b, id, &block);
	if (!block.heap || block.filler)
		return;
	block.heap->ops->explain(block.heap->ctx, block.addr, &words);
	if (block.heap->ops->unit)
		block.heap->ops->unit(block.heap->ctx, block.start, &start, &end);
	text_fini(&words);
}

/*
 * Most runs end with what the target is for, blocks or types: what is made of them has targets of its own, and
 * takes as long.
 */
static inline bool patches_go_on(void)
{
	return patched_core.n_patches % 4 == 1;
}

/* Every heap, many blocks in words, then graph and facts. */
static inline void patches_use(struct env *env, const struct image *img)
{
	struct blocks blocks = {};
	struct graph *graph = NULL;
	struct facts facts = {};
	struct err *err = blocks_build_with(env, img, patched_core.walkers, &blocks);

	for (size_t i = 0; i < blocks.n_heaps && !err; i++)
		patches_ask_heap(&blocks.heaps[i]);
	for (uint32_t id = 0; !err && id < blocks.grains.n; id += 1 + blocks.grains.n / BLOCKS_ASKED)
		patches_ask_block(&blocks, id);
	if (!err && (patched_core.typed || patches_go_on()))
		err = graph_from_blocks(env, img, &blocks, NULL, false, &graph);
	if (!err && graph && patched_core.typed)
		err = graph_tell(env, img, &blocks, NULL, graph);
	if (!err && graph && patches_go_on())
		err = facts_compute(env, graph, FACT_REACH | FACT_CYCLES | FACT_DOM | FACT_PARENT | FACT_REVERSE, &facts);
	err_free(err);
	facts_fini(&facts);
	graph_free(graph);
	blocks_fini(&blocks);
}

/* Patches the core, has it looked at, and puts it back. */
static inline int patches_run_with(const uint8_t *data, size_t size, void (*look)(struct env *, const struct image *))
{
	struct cursor c = cursor_init(data, size, "patches", 0);
	uint64_t offsets[MAX_PATCHES];
	unsigned n = patches_apply(&c, offsets);

	patched_core.n_patches = n;
	fuzz_image_of(patched_core.path, patched_core.exe, look);
	while (n-- > 0)
		patches_put(offsets[n], patches_original(offsets[n]));
	return 0;
}

static inline int patches_run(const uint8_t *data, size_t size)
{
	return patches_run_with(data, size, patches_use);
}

#endif
