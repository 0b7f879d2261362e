/* image/registry.c - the formats of memory dumps that heapfx reads. */
#include "image/image.h"

extern const struct dump_ops dump_elf_core;

const struct dump_ops *const dump_registry[] = { &dump_elf_core, NULL };
