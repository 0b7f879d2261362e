/*
 * type/look.h - what the bytes of a block look like, where nobody knows its type.
 *
 * A guess from a bounded sample, never a name: of text no word is kept.
 */
#ifndef HEAPFX_TYPE_LOOK_H
#define HEAPFX_TYPE_LOOK_H

#include "base/text.h"
#include "image/image.h"

/*
 * "text", "utf-16", "pointers", "zero-filled", "high-entropy"; NULL: like none of these, or the
 * bytes are not there.
 */
const char *look_at(const struct image *img, taddr at, uint64_t usable);
/* How text and UTF-16 begin, as UTF-8, not escaped; false, and nothing, for all that looks otherwise. */
bool look_preview(const struct image *img, taddr at, uint64_t usable, struct text *ret);
/* Bytes of characters of UTF-8 that `b` begins with, of at most n. */
uint64_t look_text_length(const uint8_t *b, uint64_t n);
/* The same of UTF-16. */
uint64_t look_utf16_length(const uint8_t *b, uint64_t n);

#endif
