/*
 * glib_fuzz.c - a program with GLib in its own file, words of its hash tables and trees overwritten: lib/type/native_glib.c.
 */
#include "patches.h"

extern const struct walker_ops glibc_walker;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	patched_core.exe = getenv("HEAPFX_FUZZ_GLIB_EXE");
	patched_core.typed = true;
	patches_open("HEAPFX_FUZZ_GLIB_CORE", &glibc_walker);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return patches_run(data, size);
}
