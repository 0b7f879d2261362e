/*
 * glibc_inner.c - a chunk in use that is really several: its size was made larger, and what it
 * leads to is a chunk all the same.
 *
 * The headers that such a size swallowed still follow each other to exactly its end.  So do those
 * of a stretch of heap that was copied into a block, of a heap that the program keeps inside a block,
 * and the one that stays in a block which realloc() grew over the free chunk behind it.  A chain alone
 * is a doubt therefore.  A free list that leads into it proves it, here; pointers do in glibc_settle.c.
 */
#include <inttypes.h>

#include "heap/glibc_fields.h"

enum {
	WHOLE_MAX = 512 << 10, /* larger chunks are looked at near both ends only */
	END_PART = 256 << 10,
};

/* One chunk in question and what its headers must say. */
struct scan {
	const struct glibc *g;
	const struct glibc_piece *p;
	struct window w;
	taddr chunk, end;
	uint64_t flags;	 /* glibc_used_flags() */
	uint64_t budget; /* headers that may be read: as many as could fit */
};

static bool header_fits(const struct scan *s, taddr at, uint64_t header)
{
	uint64_t size = chunk_size(header);

	return !(header & 15 & ~s->flags) && size >= CHUNK_MIN && size <= s->end - at;
}

/* The chunk [prev, at) is free, as the header behind it says: its size is at its end, a list leads to it. */
static bool is_free_proved(struct scan *s, taddr prev, taddr at)
{
	struct window w = s->w;
	uint64_t footer;

	return window_u64(&w, at, &footer) && footer == at - prev && chunk_is_linked(&w, prev);
}

/*
 * Headers from `at` on that lead to the end.  A free chunk among them that no list knows is a copy
 * of one; and when a second header fits into each of them, this is an array of the program's.
 */
static bool follow(struct scan *s, taddr prev, taddr at, struct glibc_inner *ret)
{
	struct glibc_inner in = { .chunk = s->chunk, .inner = at, .end = s->end };
	uint64_t header, second, doubles = 0, last = s->flags;

	for (; s->budget && window_u64(&s->w, at + 8, &header); s->budget--) {
		if (!(header & CHUNK_PREV_INUSE)) {
			if (!is_free_proved(s, prev, at))
				return false;
			in.proved = true;
		} else if (s->flags & ~last & CHUNK_NON_MAIN) {
			return false; /* in use, and not of this arena */
		}
		last = header;
		if (at == s->end) {
			*ret = in;
			return in.n && (in.proved || in.n < 3 || doubles + 1 < in.n);
		}
		if (!header_fits(s, at, header))
			return false;
		in.proved |= glibc_is_listed(s->g, s->p, at + CHUNK_HEADER);
		doubles += window_u64(&s->w, at + 24, &second) && second & CHUNK_PREV_INUSE &&
			   header_fits(s, at + 16, second);
		in.n++;
		prev = at;
		at += chunk_size(header);
	}
	return false;
}

/* The first header in [from, to) that leads to the end. */
static bool scan_part(struct scan *s, taddr from, taddr to, struct glibc_inner *ret)
{
	const uint8_t *bytes = s->w.bytes + (from - s->w.start) + 8;
	uint64_t room = s->end - from;

	for (; room > s->end - to; bytes += 16, room -= 16) {
		uint64_t header;

		memcpy(&header, bytes, 8);
		if (header - CHUNK_MIN <= room - CHUNK_MIN + 7 &&
		    !(header & 15 & ~s->flags) && follow(s, s->chunk, s->end - room, ret))
			return true;
	}
	return false;
}

bool glibc_find_inner(const struct glibc *g, const struct glibc_piece *p, const struct window *w,
		      taddr chunk, taddr end, struct glibc_inner *ret)
{
	struct scan s = {
		.g = g,
		.p = p,
		.w = *w,
		.chunk = chunk,
		.end = end,
		.flags = glibc_used_flags(p),
		.budget = (end - chunk) / 16,
	};
	taddr first = chunk + CHUNK_MIN, last = end - CHUNK_MIN + 16;
	struct glibc_inner whole;
	bool found;

	if (end - chunk < 2 * CHUNK_MIN || chunk < w->start || chunk - w->start >= w->n ||
	    end - chunk > w->n - (chunk - w->start) || is_free_proved(&s, chunk, end))
		return false;
	if (end - chunk <= WHOLE_MAX)
		found = scan_part(&s, first, last, ret);
	else
		found = scan_part(&s, first, chunk + END_PART, ret) ||
			scan_part(&s, end - END_PART, last, ret);
	/* Headers from the block's very first byte on are the program's own: no chunk is so small. */
	return found && (ret->proved || !scan_part(&s, chunk + 16, chunk + 32, &whole));
}

char *glibc_inner_words(const struct glibc_inner *in)
{
	return text_format("chunk at 0x%" PRIx64 ": bad size 0x%" PRIx64 " covers %" PRIu64
			   " more chunk%s, from 0x%" PRIx64
			   " on; likely an overrun of the block before it",
			   in->chunk, in->end - in->chunk, in->n, in->n == 1 ? "" : "s", in->inner);
}
