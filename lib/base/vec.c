/* base/vec.c - doubling growth, checked. */
#include "base/vec.h"

#include <stdlib.h>

bool vec_grow(void **v, size_t *cap, size_t n, size_t elem_size)
{
	size_t want = *cap ? *cap : 8, bytes;
	void *p;

	if (n <= *cap)
		return true;
	while (want < n)
		if (__builtin_mul_overflow(want, (size_t)2, &want))
			return false;
	if (__builtin_mul_overflow(want, elem_size, &bytes))
		return false;
	p = realloc(*v, bytes);
	if (!p)
		return false;
	*v = p;
	*cap = want;
	return true;
}
