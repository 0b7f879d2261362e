/* base/cursor.c - bounded, sticky reads; see the header for the protocol. */
#include "base/cursor.h"

#include <inttypes.h>
#include <string.h>

struct cursor cursor_init(const void *bytes, uint64_t n, const char *object, uint64_t origin)
{
	const uint8_t *p = bytes;

	return (struct cursor){
		.start = p, .pos = p, .end = p ? p + n : p, .object = object, .origin = origin
	};
}

struct cursor cursor_slice(const void *bytes, uint64_t total, uint64_t off, uint64_t n,
			   const char *object)
{
	struct cursor c;

	if (off > total || n > total - off) {
		c = cursor_init(NULL, 0, object, off);
		c.bad = true;
		return c;
	}
	return cursor_init((const uint8_t *)bytes + off, n, object, off);
}

uint64_t cursor_left(const struct cursor *c)
{
	return (uint64_t)(c->end - c->pos);
}

uint64_t cursor_offset(const struct cursor *c)
{
	return c->origin + (uint64_t)(c->pos - c->start);
}

const uint8_t *cursor_bytes(struct cursor *c, uint64_t n)
{
	const uint8_t *p = c->pos;

	if (c->bad || n > cursor_left(c)) {
		c->bad = true;
		return NULL;
	}
	c->pos += n;
	return p;
}

uint64_t cursor_uint(struct cursor *c, unsigned bytes)
{
	const uint8_t *p = cursor_bytes(c, bytes);
	uint64_t v = 0;

	if (!p)
		return 0;
	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | p[c->big_endian ? i : bytes - 1 - i];
	return v;
}

uint8_t cursor_u8(struct cursor *c)
{
	return (uint8_t)cursor_uint(c, 1);
}

uint16_t cursor_u16(struct cursor *c)
{
	return (uint16_t)cursor_uint(c, 2);
}

uint32_t cursor_u32(struct cursor *c)
{
	return (uint32_t)cursor_uint(c, 4);
}

uint64_t cursor_u64(struct cursor *c)
{
	return cursor_uint(c, 8);
}

uint64_t cursor_uleb(struct cursor *c)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 10; i++) {
		uint8_t byte = cursor_u8(c);

		v |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80))
			return i == 9 && byte > 1 ? (c->bad = true, 0) : v;
	}
	c->bad = true;
	return 0;
}

const char *cursor_cstr(struct cursor *c)
{
	const uint8_t *nul = c->bad ? NULL : memchr(c->pos, 0, cursor_left(c));
	const char *s = (const char *)c->pos;

	if (!nul) {
		c->bad = true;
		return NULL;
	}
	c->pos = nul + 1;
	return s;
}

void cursor_skip(struct cursor *c, uint64_t n)
{
	cursor_bytes(c, n);
}

void cursor_align(struct cursor *c, unsigned align)
{
	uint64_t used = (uint64_t)(c->pos - c->start);

	cursor_bytes(c, -used & (align - 1));
}

struct cursor cursor_sub(struct cursor *c, uint64_t n)
{
	uint64_t origin = cursor_offset(c);
	const uint8_t *p = cursor_bytes(c, n);
	struct cursor sub = cursor_init(p, p ? n : 0, c->object, origin);

	sub.big_endian = c->big_endian;
	sub.bad = !p;
	return sub;
}

uint64_t cursor_count(struct cursor *c, uint64_t n, uint64_t min_elem_size)
{
	if (c->bad || n > cursor_left(c) / min_elem_size) {
		c->bad = true;
		return 0;
	}
	return n;
}

struct err *cursor_err(const struct cursor *c, const char *what)
{
	if (!c->bad)
		return NULL;
	return err_at(ERR_TRUNCATED, c->object, cursor_offset(c),
		      "%s ends early or counts more than there is, at offset 0x%" PRIx64, what,
		      cursor_offset(c));
}
