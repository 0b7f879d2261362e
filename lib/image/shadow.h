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

enum { SHADOW_NO_POINTER = 1 }; /* a word that is neither zero nor a pointer */

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
	bool salted;  /* what is compared becomes digests */
	struct {
		struct shadow_range *v;
		size_t n, cap;
	} compared; /* likewise by one thread, and under no_room */
};

/*
 * What is left, with a salt, of contents that were compared with others: words that are no address
 * and, for their last two bytes, no UTF-8.  The first one of all, if that was not kept, has how many
 * bytes they were, where that is less than 64 KiB: of a string nothing else would tell.
 */
enum {
	DIGEST_FIRST = 0xf5a5, /* bits 48 to 63; 32 to 47 are the length */
	DIGEST_WORD = 0xf6a6,
};

/*
 * `ret` is zero but for .salted.  The room is there: nothing that is kept later finds a full disk.
 * ERR_LIMIT names --tmp.
 */
struct err *shadow_open(struct env *env, const struct member *core, struct shadow *ret) MUST_CHECK;
void shadow_close(struct shadow *s); /* zeroed is fine */

/* Where the copy has the byte at an address; NULL: not in the dump. A zero of the dump's stays one. */
uint8_t *shadow_at(const struct image *img, taddr addr, uint64_t *ret_avail);
/* A word that may stay wherever it stands: a pointer to something mapped or to its end, or a small number. */
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
void shadow_compare(const struct image *img, taddr addr, uint64_t n);

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

/* The word at `addr` is no pointer; which one it is does not matter, unless it is zero. */
static inline void image_keep_no_pointer(const struct image *img, taddr addr)
{
	if (__builtin_expect(img->shadow != NULL, 0))
		shadow_keep_no_pointer(img, addr);
}

/* Whether equal bytes say that there were equal contents. */
static inline bool image_is_comparable(const struct image *img)
{
	return !img->blanked || img->hashed || (img->shadow && img->shadow->salted);
}

/* [addr, addr + n), in one segment, is told from other contents or is the same; one thread. */
static inline void image_compare(const struct image *img, taddr addr, uint64_t n)
{
	if (__builtin_expect(img->shadow != NULL, 0))
		shadow_compare(img, addr, n);
}

/* Of contents that begin with this word, how many bytes they were; 0: it does not say. */
static inline uint64_t digest_length(const struct image *img, uint64_t first)
{
	return img->hashed && first >> 48 == DIGEST_FIRST ? first >> 32 & 0xffff : 0;
}

/* Bytes in a view that are known to be what they are whatever the mode: one of few values. */
static inline void image_keep_exact(const struct image *img, const void *p, uint64_t n)
{
	if (__builtin_expect(img->shadow != NULL, 0))
		shadow_keep_exact(img, p, n);
}

#endif
