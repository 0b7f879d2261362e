/*
 * mimalloc_map_fuzz.c - a real heap of mimalloc 3.x with words of its pages and free lists overwritten
 * (tests/fuzz/patches.h).
 */
#include "patches.h"

extern const struct walker_ops mimalloc_walker;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	patches_open("HEAPFX_FUZZ_MIMALLOC_MAP_CORE", &mimalloc_walker);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return patches_run(data, size);
}
