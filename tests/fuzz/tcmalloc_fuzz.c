/*
 * tcmalloc_fuzz.c - a real tcmalloc heap with words of its page map, spans, caches and free lists
 * overwritten (tests/fuzz/patches.h).
 */
#include "patches.h"

extern const struct walker_ops tcmalloc_walker;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	patches_open("HEAPFX_FUZZ_TCMALLOC_CORE", &tcmalloc_walker);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return patches_run(data, size);
}
