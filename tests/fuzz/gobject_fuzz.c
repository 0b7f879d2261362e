/*
 * gobject_fuzz.c - a real program of GLib's with words of its classes, objects, signals and tables
 * overwritten (tests/fuzz/patches.h): its types, and what its references count.
 */
#include "patches.h"

extern const struct walker_ops glibc_walker;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	patched_core.typed = true;
	patches_open("HEAPFX_FUZZ_GOBJECT_CORE", &glibc_walker);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return patches_run(data, size);
}
