/*
 * glibc_lists.c - walk the bins of each arena; its fast bins are glibc_fastbins.c's.
 *
 * Counts by list for the report; members of the unsorted list (which no size tells) are kept by
 * address.  A list that does not close is damage, and its walk ends.
 */
#include "base/bits.h"
#include "base/vec.h"
#include "heap/glibc_fields.h"
#include "image/resident.h"

enum {
	SMALL_LIMIT = 0x400,
	UNSORTED_KEPT = 1 << 20,
	LIST_AHEAD = 16, /* members */
};

static uint64_t chunks_at_most(const struct glibc *g, uint32_t arena)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < g->pieces.n; i++)
		if (g->pieces.v[i].arena == arena)
			bytes += g->pieces.v[i].end - g->pieces.v[i].start;
	return bytes / CHUNK_MIN + 1;
}

/* One end of a bin's list, and how its chunks lead to the next from there and back. */
struct bin_walk {
	taddr bin;
	unsigned number;
	uint8_t next_at, back_at; /* of fd and bk in a chunk */
	bool broken;		  /* at `at`, before it came back to the bin */
	taddr at, last; /* last: the member before */
};

/* The walk will take this chunk for a free one: the header behind it says that it is, and its size. */
static bool looks_free(struct window *w, const struct glibc_piece *p, taddr at, uint64_t header)
{
	uint64_t next_header, footer;

	return p && chunk_size_fits(header, at, p->end) &&
	       window_u64(w, at + chunk_size(header) + 8, &next_header) &&
	       !(next_header & CHUNK_PREV_INUSE) &&
	       window_u64(w, at + chunk_size(header), &footer) && footer == chunk_size(header);
}

/* The size that a member of this bin must have, if its header's is wrong; else 0. */
static uint64_t proper_size(struct window *w, const struct glibc_piece *p, unsigned number, taddr at,
			    uint64_t header)
{
	uint64_t size, next_header, footer;

	if (!p || !chunk_is_linked(w, at))
		return 0;
	size = chunk_size(header);
	/* Either of the two that speak of it from behind would do. */
	if (chunk_size_fits(header, at, p->end) && window_u64(w, at + size, &footer) &&
	    window_u64(w, at + size + 8, &next_header) &&
	    (footer == size || (!(next_header & CHUNK_PREV_INUSE) &&
				chunk_size_fits(next_header, at + size, p->end))))
		return 0;
	if (number && number < SMALL_LIMIT / 16 - 1)
		size = 16 * (number + 1);
	else
		size = glibc_size_by_end(w, p, at);
	return size != chunk_size(header) && size <= p->end - at ? size : 0;
}

static struct err *add_member(struct glibc *g, uint32_t a, struct window *w,
			      const struct bin_walk *b, taddr at)
{
	struct glibc_arena *arena = &g->arenas.v[a];
	struct glibc_piece *p = glibc_piece_at(g, at);
	uint8_t where = WHERE_UNSORTED;
	uint64_t header;

	if (!window_u64(w, at + 8, &header))
		return NULL;
	if (b->number)
		where = chunk_size(header) < SMALL_LIMIT ? WHERE_SMALLBIN : WHERE_LARGEBIN;
	arena->bytes_in[where] += chunk_size(header);
	arena->trims[where] += glibc_trimmed(g, p, at, chunk_size(header));
	if (arena->n_in[where]++ >= UNSORTED_KEPT)
		return NULL;
	if (!looks_free(w, p, at, header)) {
		uint64_t size = proper_size(w, p, b->number, at, header);
		struct err *err = size ? glibc_mend(g, at, size) : NULL;

		if (err)
			return err;
	} else if (b->number) {
		return NULL;
	}
	return glibc_keep_listed(g, at, where, a);
}

/* Members from one end on: each must lead back to the one before it. */
static struct err *walk_bin(struct glibc *g, uint32_t a, struct bin_walk *b, uint64_t max)
{
	struct window w = { .img = g->img };
	taddr prev = b->bin, next, back;
	struct err *err = NULL;

	if (image_read_u64(g->img, b->bin + b->next_at, &b->at) != MEM_OK)
		return NULL;
	for (uint64_t n = 0; !err && !b->broken && b->at != b->bin; n++) {
		b->broken = n >= max || !window_u64(&w, b->at + b->next_at, &next) ||
			    !window_u64(&w, b->at + b->back_at, &back) || back != prev;
		if (b->broken)
			break;
		window_prefetch(&w, b->at + LIST_AHEAD * (next - b->at)); /* what is freed in a row lies evenly */
		err = add_member(g, a, &w, b, b->at);
		prev = b->last = b->at;
		b->at = next;
	}
	return err;
}

/*
 * A list that breaks is read from its other end too, up to the break.  No chunk is met twice: from
 * those met on the way back, fd leads to the bin, and from the others to the break.
 */
static struct err *read_bin(struct glibc *g, uint32_t a, unsigned i, uint64_t max)
{
	const struct glibc_arena *arena = &g->arenas.v[a];
	struct bin_walk there = {
		.bin = arena->bins + 16 * i - 16, .number = i, .next_at = 16, .back_at = 24,
	};
	struct bin_walk back = {
		.bin = there.bin, .number = i, .next_at = 24, .back_at = 16,
	};
	struct window w = { .img = g->img };
	struct err *err = walk_bin(g, a, &there, max);

	if (err)
		return err;
	if (!there.broken) {
		g->passed++;
		return NULL;
	}
	g->failed++;
	g->arenas.v[a].lists_broken = true;
	err = walk_bin(g, a, &back, max);
	/* One of the two was written to: fd of the one leads to the other, bk of that not to the one. */
	glibc_damage(g, there.last ? there.last : back.at,
		     "bin %u of the arena at 0x%lx: its list is broken between the free chunks at 0x%lx "
		     "and 0x%lx; likely a write into freed memory",
		     i + 1, arena->addr, there.last ? there.last : there.bin, back.last ? back.last : back.bin);
	/* Both neighbours lead to it, and it to neither. */
	if (!err && back.broken && back.at == there.at && back.at != there.last &&
	    back.at != back.last)
		err = add_member(g, a, &w, &there, there.at);
	return err;
}

struct err *glibc_read_lists(struct glibc *g)
{
	for (uint32_t a = 0; a < g->arenas.n; a++) {
		struct glibc_arena *arena = &g->arenas.v[a];
		uint64_t max = chunks_at_most(g, a);
		struct err *err = NULL;

		for (unsigned i = 0; i < GLIBC_BINS && !err; i++)
			err = read_bin(g, a, i, max);
		for (unsigned i = 0; i < GLIBC_FASTBINS && !err; i++)
			if (g->copies.v[arena->copy].form->fastbins_at)
				err = glibc_read_fastbin(g, a, i, max);
		if (err)
			return err;
		if (arena->top_size) {
			arena->n_in[WHERE_TOP] = 1;
			arena->bytes_in[WHERE_TOP] = arena->top_size;
			arena->trims[WHERE_TOP] = glibc_trimmed_top(g, arena);
		}
		/* An arena's lists lead through all of it, in no order; the walk comes to the last one's. */
		if (a + 1 < g->arenas.n)
			image_leave_all(g->img);
	}
	return NULL;
}
