/*
 * heap/damage.h - what a walker finds broken in its allocator's records, each with a place, in words.
 */
#ifndef HEAPFX_HEAP_DAMAGE_H
#define HEAPFX_HEAP_DAMAGE_H

#include <stdarg.h>

#include "heap/walker.h"

enum { DAMAGE_MAX = 1000 }; /* descriptions kept, a list; the walker counts all */

struct damages {
	struct heap_damage *v;
	size_t n, cap;
};

/* Keeps it when it is among the first, to be told later; else it is diag()'ed as heap/corrupt. */
void damage_add(struct damages *d, struct env *env, taddr at, const char *fmt, ...) PRINTF(4, 5);
void damage_vadd(struct damages *d, struct env *env, taddr at, const char *fmt, va_list args);
/*
 * The same with words that become the list's, of the memory from `at` to `other`, in either order.  NULL
 * words, out of memory, add nothing.
 */
void damage_add_words(struct damages *d, struct env *env, taddr at, taddr other, char *words);
/* What `from` kept goes to the end of `to`; `from` is empty after it. */
void damages_move(struct damages *to, struct env *env, struct damages *from);
void damages_free(struct damages *d);

#endif
