/*
 * type/contents.h - which bytes were seen before: for noters of equal contents.
 *
 * Equal are bytes that were compared, in blocks of one size.  A dump may be made so that all hashes
 * fall together, or hold more different contents than are worth telling apart: then some equal ones
 * are not found.
 */
#ifndef HEAPFX_TYPE_CONTENTS_H
#define HEAPFX_TYPE_CONTENTS_H

#include "image/image.h"
#include "type/noter.h"

/* Some bytes, in the first block that holds them. */
struct contents_entry {
	uint64_t hash;
	taddr at;
	uint32_t length, size; /* of them; of a block */
	uint32_t count;
	uint32_t content; /* of the sink */
};

struct contents {
	const struct image *img;
	struct {
		struct contents_entry *v;
		size_t n, cap;
	} entries;
	uint32_t *slots; /* entry + 1; a power of two of them */
	uint64_t n_slots;
	bool is_full;
	/* Of blocks below that size one of `every` was entered; 0: all were. */
	uint32_t sampled_below;
	uint64_t every;
};

void contents_fini(struct contents *c);
/*
 * The entry of `length` bytes at `at` (which `b` has) in a block of `size`, + 1, made when it is new;
 * 0: they are nothing but zeros, or there are too many contents.
 */
struct err *contents_enter(struct contents *c, taddr at, const uint8_t *b, uint32_t length, uint32_t size,
			   uint32_t *ret) MUST_CHECK;
/* Met more than once; in a sample so often that it says something of all. */
bool contents_is_told(const struct contents *c, const struct contents_entry *e);
/* Those, told; and that some are not known. */
struct err *contents_note(struct contents *c, struct env *env, struct note_sink *sink) MUST_CHECK;

#endif
