/*
 * pymalloc_fuzz.c - a heap of CPython with words of its lists, arenas, pools and blocks overwritten
 * (tests/fuzz/patches.h).
 */
#include "patches.h"

extern const struct walker_ops pymalloc_walker;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	patched_core.typed = true;
	patches_open("HEAPFX_FUZZ_PYMALLOC_CORE", &pymalloc_walker);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return patches_run(data, size);
}
