/* tests/lib/fake_types.h - a Go module with type descriptors, in a fake image. */
#ifndef HEAPFX_TESTS_FAKE_TYPES_H
#define HEAPFX_TESTS_FAKE_TYPES_H

#include "fake_image.h"
#include "image/go_type.h"

/* Descriptors lie in [FAKE_TYPES, FAKE_TYPES_END), their names from FAKE_NAMES on. */
enum { FAKE_TYPES = 0x500000, FAKE_NAMES = 0x508000, FAKE_TYPES_END = 0x50a000 };

struct fake_module {
	struct go go;
	struct go_module module;
	struct fake_image *fake;
	taddr next_name;
};

/* Go 1.26 with Swiss maps and malloc headers; the image must map the types. Sets img.go. */
void fake_types_init(struct fake_module *g, struct env *env, struct fake_image *fake);
void fake_types_fini(struct fake_module *g);

enum { FAKE_UNCOMMON = 1, FAKE_EXTRA_STAR = 2, FAKE_NAMED = 4, FAKE_DIRECT = 32 }; /* tflag */

/* The part that every descriptor has; the hash is the low half of the address. */
struct fake_type {
	taddr at;
	uint64_t size, ptr_bytes;
	uint8_t kind, tflag, align; /* align 0: 8 */
	const char *name;
};
taddr fake_types_add(struct fake_module *g, struct fake_type t); /* its address */
taddr fake_types_name(struct fake_module *g, const char *s);	    /* an abi.Name */
void fake_types_words(struct fake_module *g, taddr at, const uint64_t *words, size_t n);
#define FAKE_WORDS(g, at, ...)                                                                     \
	fake_types_words(g, at, (const uint64_t[]){ __VA_ARGS__ },                                    \
		      sizeof((uint64_t[]){ __VA_ARGS__ }) / 8)

#endif
