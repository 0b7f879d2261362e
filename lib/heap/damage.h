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

/* diag()s it as heap/corrupt and, when it is among the first, keeps it. */
void damage_add(struct damages *d, struct env *env, taddr at, const char *fmt, ...) PRINTF(4, 5);
void damage_vadd(struct damages *d, struct env *env, taddr at, const char *fmt, va_list args);
/* The same with words that become the list's; NULL, out of memory, adds nothing. */
void damage_add_words(struct damages *d, struct env *env, taddr at, char *words);
/* What `from` kept goes to the end of `to`; `from` is empty after it. */
void damages_move(struct damages *to, struct damages *from);
void damages_free(struct damages *d);

#endif
