/*
 * jemalloc_fuzz.c - a real jemalloc heap with words of its radix tree, extents, bitmaps and caches
 * overwritten (tests/fuzz/patches.h).
 */
#include "patches.h"

extern const struct walker_ops jemalloc_walker;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	patches_open("HEAPFX_FUZZ_JEMALLOC_CORE", &jemalloc_walker);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return patches_run(data, size);
}
