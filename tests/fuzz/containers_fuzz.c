/*
 * containers_fuzz.c - a program of C++ with debug info, words of its containers overwritten (tests/fuzz/patches.h):
 * what types make of them: std::any and std::function (lib/type/native_erased.c), sizes, nodes and their links.
 */
#include "patches.h"

extern const struct walker_ops glibc_walker;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	patched_core.exe = getenv("HEAPFX_FUZZ_CONTAINERS_EXE");
	patched_core.typed = true;
	patches_open("HEAPFX_FUZZ_CONTAINERS_CORE", &glibc_walker);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return patches_run(data, size);
}
