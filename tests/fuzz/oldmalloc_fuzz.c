/*
 * oldmalloc_fuzz.c - a real heap of musl's malloc before 1.2.1 with words of its bins and chunks overwritten
 * (tests/fuzz/patches.h).
 */
#include "patches.h"

extern const struct walker_ops oldmalloc_walker;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	patches_open("HEAPFX_FUZZ_OLDMALLOC_CORE", &oldmalloc_walker);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return patches_run(data, size);
}
