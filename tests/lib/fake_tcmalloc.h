/*
 * tests/lib/fake_tcmalloc.h - a tcmalloc's heap in an image that is written word by word: its memory, the
 * objects that were laid out, and what blocks_build() has to make of them.
 */
#ifndef HEAPFX_TESTS_FAKE_TCMALLOC_H
#define HEAPFX_TESTS_FAKE_TCMALLOC_H

#include <string.h>

#include "base/bits.h"
#include "fake_image.h"

enum { FAKE_OBJECTS = 512 };

struct world {
	struct env env;
	struct fake_image *f;
	taddr object[FAKE_OBJECTS]; /* the n-th of the layout */
	size_t n_objects, n_spans;
	taddr next; /* page */
};

/* What is written over a layout, and what can be said then. */
struct overwrite {
	const char *what;
	taddr at;
	uint64_t value;
	const char *states;
	size_t n_damage;
};

/* The first mapping is the code of the one module, the second its data. */
struct world *world_new(const struct fake_mapping *mappings);
void world_free(struct world *w);

/*
 * One letter an object: u: in use; f: in its span's list; p: in a processor's cache; c: in a thread's; t: in a
 * transfer cache; -: no block.
 */
void world_expect(struct world *w, const char *states, size_t n_damage);
void world_expect_damage(struct world *(*laid_out)(void), const struct overwrite *cases, size_t n);

static inline void put(struct world *w, taddr at, uint64_t value)
{
	memcpy(fake_image_bytes(w->f, at), &value, 8);
}

static inline void put32(struct world *w, taddr at, uint32_t value)
{
	memcpy(fake_image_bytes(w->f, at), &value, 4);
}

static inline uint64_t get(struct world *w, taddr at)
{
	return load_u64(fake_image_bytes(w->f, at));
}

#endif
