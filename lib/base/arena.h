/*
 * base/arena.h - memory for things that die together: allocate, never free one, free all.
 *
 * For names, rows of reports and other small things; never for what is counted in millions.
 */
#ifndef HEAPFX_BASE_ARENA_H
#define HEAPFX_BASE_ARENA_H

#include <stddef.h>

#include "base/err.h"

struct arena {
	struct arena_chunk *chunks;
};

/* zeroed, 16-aligned; NULL if out of memory */
void *arena_alloc(struct arena *a, size_t n);
/* a copy of n bytes, 16-aligned, of none too; NULL if out of memory */
void *arena_memdup(struct arena *a, const void *from, size_t n);
/* terminated copy; NULL if out of memory */
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_strdup(struct arena *a, const char *s);		/* NULL in, NULL out */
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
/* What `from` has dies with `a`; `from` is empty then. */
void arena_join(struct arena *a, struct arena *from);
void arena_fini(struct arena *a); /* a zeroed arena is a valid empty one */

#endif
