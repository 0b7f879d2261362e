/* input/registry.c - the packings that heapfx reads. */
#include "input/input.h"

extern const struct input_ops input_archive, input_plain;

const struct input_ops *const input_registry[] = { &input_archive, &input_plain, NULL };
