/*
 * base/cursor.h - the only way to parse bytes that came from a file.
 *
 * Sticky failure: a read past the end returns zero, moves nothing, and sets
 * `bad` for good.  So a record is parsed straight through and checked once.
 * Counts read from the input go through cursor_count(), never into a loop or
 * an allocation directly.
 */
#ifndef HEAPFX_BASE_CURSOR_H
#define HEAPFX_BASE_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct cursor {
	const uint8_t *start, *pos, *end; /* start <= pos <= end, always */
	const char *object;		  /* for messages; borrowed */
	uint64_t origin;		  /* file offset or address of `start` */
	bool big_endian, bad;
};

struct cursor cursor_init(const void *bytes, uint64_t n, const char *object, uint64_t origin);
/* [off, off + n) of these bytes; an empty, bad cursor when it does not lie inside. */
struct cursor cursor_slice(const void *bytes, uint64_t total, uint64_t off, uint64_t n,
			   const char *object);

uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
uint64_t cursor_uint(struct cursor *c, unsigned bytes); /* 1, 2, 4 or 8 */
uint64_t cursor_uleb(struct cursor *c);			/* at most 10 bytes */
const uint8_t *cursor_bytes(struct cursor *c, uint64_t n); /* NULL and bad if short */
const char *cursor_cstr(struct cursor *c);		/* NULL and bad if no NUL before the end */
void cursor_skip(struct cursor *c, uint64_t n);
void cursor_align(struct cursor *c, unsigned align);	/* relative to start; power of two */
struct cursor cursor_sub(struct cursor *c, uint64_t n); /* bounded child; consumes n */
uint64_t cursor_left(const struct cursor *c);
uint64_t cursor_offset(const struct cursor *c); /* origin + bytes consumed */
/* `n` if n elements of at least min_elem_size bytes fit in what is left; else 0 and bad. */
uint64_t cursor_count(struct cursor *c, uint64_t n, uint64_t min_elem_size);
struct err *cursor_err(const struct cursor *c, const char *what); /* NULL unless bad */

#endif
