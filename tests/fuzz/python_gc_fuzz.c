/*
 * python_gc_fuzz.c - a heap of CPython with words of its collector's lists, of the objects on them and of weak
 * references overwritten (tests/fuzz/patches.h): what is no reference, and what is garbage.
 */
#include "patches.h"

#include "type/python_gc.h"

extern const struct walker_ops pymalloc_walker;

static bool noted;

static void note_lists(const struct image *img, const struct blocks *blocks, const struct py_gc *gc)
{
	patched_core.n_places = 0;
	for (unsigned i = 0; i < gc->n_heads; i++)
		patches_note(img, gc->heads[i]);
	for (uint32_t id = 0; gc->tracked && id < blocks->grains.n; id++) {
		struct block b;

		if (!bit_get(gc->known, id))
			continue;
		block_get(blocks, id, &b);
		patches_note(img, b.addr);
	}
	noted = patched_core.n_places;
}

static void use(struct env *env, const struct image *img)
{
	struct blocks blocks = {};
	struct py_gc gc = {};
	struct graph *graph = NULL;
	struct err *err = blocks_build_with(env, img, patched_core.walkers, &blocks);

	if (!err)
		err = py_gc_open(env, img, &blocks, &gc);
	if (!err && !noted)
		note_lists(img, &blocks, &gc);
	else if (!err)
		err = graph_from_blocks(env, img, &blocks, NULL, false, &graph);
	err_free(err);
	py_gc_close(&gc);
	graph_free(graph);
	blocks_fini(&blocks);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	patches_open("HEAPFX_FUZZ_PYTHON_GC_CORE", &pymalloc_walker);
	fuzz_image_of(patched_core.path, NULL, use);
	if (!noted)
		exit(2);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return patches_run_with(data, size, use);
}
