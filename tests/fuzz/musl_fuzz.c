/*
 * musl_fuzz.c - a real heap of musl's mallocng with words of its context, metas, groups and slots overwritten
 * (tests/fuzz/patches.h).
 */
#include "patches.h"

extern const struct walker_ops mallocng_walker;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	patches_open("HEAPFX_FUZZ_MUSL_CORE", &mallocng_walker);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return patches_run(data, size);
}
