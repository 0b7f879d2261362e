/* tests/lib/fake_image.h - a small image, and heaps in it, from tables. */
#ifndef HEAPFX_TESTS_FAKE_IMAGE_H
#define HEAPFX_TESTS_FAKE_IMAGE_H

#include "heap/walker.h"
#include "image/image.h"

enum { FAKE_SEGMENTS = 12, FAKE_CLAIMS = 6, FAKE_BLOCKS = 96, FAKE_HEAPS = 4, FAKE_SLOTS = 16 };

/* One mapping, in address order; a table ends with one of size 0. */
struct fake_mapping {
	taddr start;
	uint64_t size;
	uint8_t flags;
	int module;	/* 1-based; 0: anonymous */
	bool absent;	/* mapped, and not in the dump */
};

/* Memory is zeros but for these words; a table ends with address 0. */
struct fake_word {
	taddr at;
	uint64_t value;
};

/* What a walker claims and lists: 'u' used, 'f' free, '.' a gap; tables end with zeros. */
struct fake_heap {
	unsigned score;
	bool unreadable; /* it bids, and cannot be opened */
	struct claim claims[FAKE_CLAIMS];
	struct fake_block {
		taddr at;
		char state;
	} blocks[FAKE_BLOCKS];
	struct {
		taddr at;
		uint32_t n;
	} freed; /* n blocks of 32 bytes: of a heap with nothing else */
	taddr slots[FAKE_SLOTS]; /* of the precise heap: its pointer slots; ends with 0 */
};

struct fake_image {
	struct image img; /* first: the walkers find the heaps behind it */
	struct fake_heap heaps[FAKE_HEAPS];
	struct segment segments[FAKE_SEGMENTS];
	struct module modules[2];
	struct target target;
};

/* x86-64, two modules "prog" and "libx.so", no threads. */
struct fake_image *fake_image_new(struct env *env, const struct fake_mapping *mappings,
				  const struct fake_word *words);
uint8_t *fake_image_bytes(struct fake_image *f, taddr at); /* stops where no memory is */
void fake_image_put(struct fake_image *f, taddr at, uint64_t value);
void fake_image_free(struct fake_image *f);

/* The walker of each of an image's heaps, the last one precise; NULL-terminated. */
extern const struct walker_ops *const fake_walkers[];

#endif
