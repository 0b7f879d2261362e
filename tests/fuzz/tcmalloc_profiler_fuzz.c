/*
 * tcmalloc_profiler_fuzz.c - a heap of tcmalloc's with words of what its heap profiler knows overwritten
 * (tests/fuzz/patches.h): tables, buckets, stacks and the map of addresses; its samples are asked for.
 */
#include "patches.h"

extern const struct walker_ops tcmalloc_walker;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	patches_open("HEAPFX_FUZZ_TCMALLOC_PROFILER_CORE", &tcmalloc_walker);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return patches_run(data, size);
}
