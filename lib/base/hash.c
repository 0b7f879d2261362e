/* base/hash.c - libxxhash behind one call. */
#include "base/hash.h"

#include <xxhash.h>

uint64_t hash_bytes(const void *bytes, uint64_t n)
{
	return XXH64(bytes, n, 0);
}
