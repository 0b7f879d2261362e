/*
 * image/shadow.h - a second copy of a dump, zeros but for what is kept of it.
 *
 * `heapfx shrink` makes one: whatever readers ask for by address (image_read() and its kind) is
 * kept as they ask, and who takes a view of more than it uses says what it used by image_keep().
 * A word kept in SHADOW_WORDS has to be a pointer into the process's memory or a small number:
 * those who read there look at what may be anything.
 */
#ifndef HEAPFX_IMAGE_SHADOW_H
#define HEAPFX_IMAGE_SHADOW_H

#include "image/image.h"

enum shadow_mode {
	SHADOW_OFF,   /* what is read is not kept */
	SHADOW_FIRST, /* as it is, and noted: shadow.first */
	SHADOW_ALL,   /* as it is */
	SHADOW_WORDS, /* words that can be no text; all of a module's memory that nobody may write */
};

struct shadow_range {
	uint64_t offset, n; /* in the file */
};

struct shadow {
	struct env *env;
	const uint8_t *from; /* the dump: image.core->map */
	uint8_t *to;	     /* as long: a mapped file without a name */
	uint64_t size, taken;
	enum shadow_mode mode; /* changes between phases, while one thread runs */
	struct {
		struct shadow_range *v;
		size_t n, cap;
	} first;      /* by one thread, in its order */
	bool no_room; /* for one more of them: the copy is of no use */
};

/* The room is there: nothing that is kept later finds a full disk. ERR_LIMIT names --tmp. */
struct err *shadow_open(struct env *env, const struct member *core, struct shadow *ret) MUST_CHECK;
void shadow_close(struct shadow *s); /* zeroed is fine */

/* Where the copy has the byte at an address; NULL: not in the dump. A zero of the dump's stays one. */
uint8_t *shadow_at(const struct image *img, taddr addr, uint64_t *ret_avail);
/* A word that may stay wherever it stands: a pointer to something mapped, or a small number. */
bool shadow_word_is_plain(const struct image *img, uint64_t word);

/* Memory of a module that nobody may write to: the program's own, not its data. */
static inline bool shadow_is_constant(const struct segment *seg)
{
	return !(seg->flags & SEG_W) && seg->module >= 0;
}

void shadow_keep(const struct image *img, taddr addr, uint64_t n);
void shadow_keep_bytes(const struct image *img, const uint8_t *p, uint64_t n);
void shadow_keep_exact(const struct image *img, const uint8_t *p, uint64_t n);
void shadow_keep_as(const struct image *img, taddr addr, uint64_t value);
void shadow_keep_no_pointer(const struct image *img, taddr addr);

/*
 * Around what looks for something in all of a program's data: what comes of it is read again, or
 * said to be kept.  While one thread runs.
 */
static inline enum shadow_mode image_keep_pause(const struct image *img)
{
	enum shadow_mode mode = img->shadow ? img->shadow->mode : SHADOW_OFF;

	if (img->shadow)
		img->shadow->mode = SHADOW_OFF;
	return mode;
}

static inline void image_keep_resume(const struct image *img, enum shadow_mode mode)
{
	if (img->shadow)
		img->shadow->mode = mode;
}

/* [addr, addr + n) was read and matters. Nothing but for `shrink`. Any thread. */
static inline void image_keep(const struct image *img, taddr addr, uint64_t n)
{
	if (__builtin_expect(img->shadow != NULL, 0))
		shadow_keep(img, addr, n);
}

/* The same of bytes in a view; of others nothing. */
static inline void image_keep_bytes(const struct image *img, const void *p, uint64_t n)
{
	if (__builtin_expect(img->shadow != NULL, 0))
		shadow_keep_bytes(img, p, n);
}

/* The word at `addr` as if it were `value`: less than is there, and enough. */
static inline void image_keep_as(const struct image *img, taddr addr, uint64_t value)
{
	if (__builtin_expect(img->shadow != NULL, 0))
		shadow_keep_as(img, addr, value);
}

/* At `addr` is a word that is neither zero nor a pointer; which one does not matter. */
static inline void image_keep_no_pointer(const struct image *img, taddr addr)
{
	if (__builtin_expect(img->shadow != NULL, 0))
		shadow_keep_no_pointer(img, addr);
}

/* Bytes in a view that are known to be what they are whatever the mode: one of few values. */
static inline void image_keep_exact(const struct image *img, const void *p, uint64_t n)
{
	if (__builtin_expect(img->shadow != NULL, 0))
		shadow_keep_exact(img, p, n);
}

#endif
