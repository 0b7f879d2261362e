/*
 * plugin_own.c - a library with an allocator of its own: whatever malloc it is linked with, and hides.
 */
#include <stdlib.h>

void *plugin_alloc(size_t size)
{
	return malloc(size);
}

void plugin_free(void *block)
{
	free(block);
}
