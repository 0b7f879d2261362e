/*
 * base/hash.h - a 64-bit hash of bytes, to notice damage: XXH64 (github.com/Cyan4973/xxHash,
 * doc/xxhash_spec.md), seed 0.  No protection against those who mean it.
 */
#ifndef HEAPFX_BASE_HASH_H
#define HEAPFX_BASE_HASH_H

#include <stdint.h>

uint64_t hash_bytes(const void *bytes, uint64_t n);

#endif
