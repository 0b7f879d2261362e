/*
 * glibc_fuzz.c - a real glibc heap with words overwritten: blocks, graph and facts of it.
 *
 * The input is a list of 14-byte patches to the core that HEAPFX_FUZZ_CORE names (tests/fuzz/run
 * makes it): which block, which word of it, and what to put there.  So every mutation lands where
 * malloc's own words are, and the core is written once.
 */
#include "base/cursor.h"
#include "fact/fact.h"
#include "fuzz.h"
#include "graph/graph.h"
#include "heap/blocks.h"
#include "type/build.h"

enum { MAX_PATCHES = 64, PATCH_BYTES = 14 };

static struct base {
	uint8_t *bytes;
	size_t size;
	int fd;
	char path[64];
	uint64_t *block_at; /* file offset of each block's memory */
	size_t n_blocks;
} base;

static void note_blocks(struct env *env, const struct image *img)
{
	struct blocks blocks = {};
	struct err *err = blocks_build(env, img, &blocks);
	uint64_t n = err ? 0 : blocks.grains.n;

	err_free(err);
	base.block_at = calloc(n + 1, sizeof(*base.block_at));
	for (uint64_t id = 0; id < n && base.block_at; id++) {
		struct block block;
		const uint8_t *view;
		uint64_t left;

		block_get(&blocks, (uint32_t)id, &block);
		view = image_view(img, block.addr - 16, &left);
		if (view && view >= img->core->map && view < img->core->map + img->core->size)
			base.block_at[base.n_blocks++] = (uint64_t)(view - img->core->map);
	}
	blocks_fini(&blocks);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *path = getenv("HEAPFX_FUZZ_CORE");
	FILE *f = path ? fopen(path, "rb") : NULL;

	(void)argc;
	(void)argv;
	if (!f || fseek(f, 0, SEEK_END)) {
		fprintf(stderr, "HEAPFX_FUZZ_CORE names no core: use tests/fuzz/run\n");
		exit(2);
	}
	base.size = (size_t)ftell(f);
	rewind(f);
	base.bytes = malloc(base.size);
	if (!base.bytes || fread(base.bytes, 1, base.size, f) != base.size)
		abort();
	fclose(f);
	base.fd = fuzz_file(base.bytes, base.size, base.path);
	fuzz_image(base.path, note_blocks);
	if (!base.n_blocks) {
		fprintf(stderr, "no blocks in %s\n", path);
		exit(2);
	}
	return 0;
}

static void put(uint64_t offset, uint64_t word)
{
	if (offset > base.size - sizeof(word))
		return;
	if (pwrite(base.fd, &word, sizeof(word), (off_t)offset) != sizeof(word))
		abort();
}

static uint64_t original(uint64_t offset)
{
	uint64_t word = 0;

	if (offset <= base.size - sizeof(word))
		memcpy(&word, base.bytes + offset, sizeof(word));
	return word;
}

/* A value, a small step, one bit, or a link of another block. */
static uint64_t patched(uint64_t before, unsigned how, uint64_t value)
{
	switch (how % 4) {
	case 0: return value;
	case 1: return before + value % 64;
	case 2: return before ^ 1ull << value % 64;
	default: return original(base.block_at[value % base.n_blocks] + 16);
	}
}

/* Patches the file; returns how many offsets are to be put back. */
static unsigned patch(struct cursor *c, uint64_t *offsets)
{
	unsigned n = 0;

	while (n < MAX_PATCHES && cursor_left(c) >= PATCH_BYTES) {
		uint32_t block = cursor_u32(c);
		unsigned word = cursor_u8(c), how = cursor_u8(c);
		uint64_t value = cursor_u64(c), offset = base.block_at[block % base.n_blocks] + word % 8 * 8;
		uint64_t before = original(offset);

		offsets[n++] = offset;
		put(offset, patched(before, how, value));
	}
	return n;
}

static void whole_way(struct env *env, const struct image *img)
{
	struct blocks blocks = {};
	struct graph *graph = NULL;
	struct facts facts = {};
	struct err *err = blocks_build(env, img, &blocks);

	if (!err)
		err = graph_from_blocks(env, img, &blocks, NULL, false, &graph);
	if (!err)
		err = graph_tell(env, img, &blocks, NULL, graph);
	if (!err)
		err = facts_compute(env, graph,
				    FACT_REACH | FACT_CYCLES | FACT_DOM | FACT_PARENT | FACT_REVERSE, &facts);
	err_free(err);
	facts_fini(&facts);
	graph_free(graph);
	blocks_fini(&blocks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_init(data, size, "patches", 0);
	uint64_t offsets[MAX_PATCHES];
	unsigned n = patch(&c, offsets);

	fuzz_image(base.path, whole_way);
	while (n-- > 0)
		put(offsets[n], original(offsets[n]));
	return 0;
}
