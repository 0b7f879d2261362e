/*
 * jemalloc_fuzz.c - a real jemalloc heap with words of its radix tree, extents, bitmaps and caches
 * overwritten (tests/fuzz/patches.h).
 */
#include "patches.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	patches_open("HEAPFX_FUZZ_JEMALLOC_CORE");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return patches_run(data, size);
}
