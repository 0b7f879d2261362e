/* tests/lib/fake_shadow.h - a dump of three pages, and a copy of it in which nothing is kept yet. */
#ifndef HEAPFX_TESTS_FAKE_SHADOW_H
#define HEAPFX_TESTS_FAKE_SHADOW_H

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "image/shadow.h"

enum {
	FAKE_DATA = 0x10000, /* a program's own memory, */
	FAKE_NEXT = 0x11000, /* the next segment of it, */
	FAKE_TEXT = 0x20000, /* a module's constants */
	FAKE_PAGE = 0x1000,
};

struct fake_shadow {
	struct image img;
	struct shadow shadow;
	struct segment segments[3];
	uint8_t from[3 * FAKE_PAGE], to[3 * FAKE_PAGE];
};

static inline void fake_shadow_init(struct fake_shadow *f, enum shadow_mode mode)
{
	static const taddr starts[] = { FAKE_DATA, FAKE_NEXT, FAKE_TEXT };

	*f = (struct fake_shadow){};
	for (unsigned i = 0; i < 3; i++)
		f->segments[i] = (struct segment){
			.start = starts[i],
			.end = starts[i] + FAKE_PAGE,
			.bytes = f->from + i * FAKE_PAGE,
			.flags = i < 2 ? SEG_R | SEG_W : SEG_R,
			.origin = SEG_CORE,
			.module = i < 2 ? -1 : 0,
		};
	f->shadow = (struct shadow){
		.from = f->from, .to = f->to, .size = sizeof(f->from), .mode = mode
	};
	f->img = (struct image){ .segments = f->segments, .n_segments = 3, .shadow = &f->shadow };
}

static inline void fake_shadow_fini(struct fake_shadow *f)
{
	free(f->shadow.first.v);
	free(f->shadow.compared.v);
}

/* Where the dump, and the copy, have it. */
static inline uint64_t fake_shadow_at(taddr at)
{
	return at < FAKE_TEXT ? at - FAKE_DATA : at - FAKE_TEXT + 2 * FAKE_PAGE;
}

static inline void fake_shadow_put(struct fake_shadow *f, taddr at, uint64_t word)
{
	memcpy(f->from + fake_shadow_at(at), &word, sizeof(word));
}

static inline uint64_t fake_shadow_get(const struct fake_shadow *f, taddr at)
{
	return load_u64(f->to + fake_shadow_at(at));
}

#endif
