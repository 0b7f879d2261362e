/* image/demangle.h - names of C++ and Rust as their languages write them, by libiberty. */
#ifndef HEAPFX_IMAGE_DEMANGLE_H
#define HEAPFX_IMAGE_DEMANGLE_H

#include <stdbool.h>

#include "base/text.h"

enum { DEMANGLE_MAX = 4096 }; /* bytes; names longer than this end in "..." */

/* Adds it escaped. False, and nothing added, when it is no mangled name of C++ or Rust. */
bool demangle(const char *name, struct text *ret);

#endif
