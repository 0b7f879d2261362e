/*
 * glibc_trim.c - what malloc_trim() returns of each arena's free chunks.
 *
 * Source of truth: mtrim(), malloc_consolidate() and systrim() of malloc.c, 2.19 to 2.43.  It merges the
 * fast bins' chunks with what is free beside them first, and returns the whole pages of what it has then.
 */
#include "base/bits.h"
#include "base/guard.h"
#include "heap/blocks.h"
#include "heap/glibc_fields.h"
#include "heap/touched.h"
#include "image/resident.h"

/* The whole pages behind sizeof(struct malloc_chunk). */
enum { CHUNK_STRUCT = 48, TRIM_PAGE = 4096, MINSIZE = 32, LEAVE_WORDS = 1 << 16 };

/*
 * A chunk is looked at as a member of a list, as one of those that are merged, and within what they are then:
 * more than so often all of a piece is not, unless damage makes chunks overlap.
 */
enum { LOOKS = 3 };

static bool may_look(struct glibc_piece *p, uint64_t bytes)
{
	if (p->looked / LOOKS >= p->end - p->start)
		return false;
	p->looked += bytes;
	return true;
}

uint64_t glibc_trimmed(const struct glibc *g, struct glibc_piece *p, taddr at, uint64_t size)
{
	if (size < TRIM_PAGE || !p || at < p->start || at >= p->end || size > p->end - at || !may_look(p, size))
		return 0;
	return touched_pages(g->img, at + CHUNK_STRUCT, at + size);
}

uint64_t glibc_trimmed_top(const struct glibc *g, const struct glibc_arena *a)
{
	if (!a->is_main || a->noncontiguous || a->top_size <= MINSIZE || a->top_size > UINT64_MAX - a->top)
		return 0;
	return touched_pages(g->img, a->top + MINSIZE, a->top + a->top_size);
}

/* Free chunks that follow each other, and will be one. */
struct run {
	taddr start, end;
	uint64_t counted; /* of what its chunks that lie in bins return by themselves */
};

struct consolidation {
	const struct glibc *g;
	struct glibc_piece *p;
	struct window w;
	struct run run;
	uint64_t more; /* than is counted */
};

/* Above a thread's arena's top nothing goes back, and of the main one's what that has not got already. */
static void end_run(struct consolidation *c)
{
	const struct run *run = &c->run;
	uint64_t bytes = 0;

	if (run->end > run->start && run->end != c->p->top)
		bytes = glibc_trimmed(c->g, c->p, run->start, run->end - run->start);
	else if (run->end > run->start && c->p->kind == CLAIM_MAIN && may_look(c->p, run->end - run->start))
		bytes = touched_pages(c->g->img, run->start + MINSIZE, run->end);
	if (bytes > run->counted)
		c->more += bytes - run->counted;
	c->run = (struct run){};
}

/* The size of the free chunk of a bin at `at`; 0: there is none. */
static uint64_t binned_at(struct consolidation *c, taddr at)
{
	uint64_t header, behind;

	if (at == c->p->top || at < c->p->start || at >= c->p->end || !window_u64(&c->w, at + 8, &header) ||
	    !chunk_size_fits(header, at, c->p->end) || !window_u64(&c->w, at + chunk_size(header) + 8, &behind) ||
	    behind & CHUNK_PREV_INUSE)
		return 0;
	return chunk_size(header);
}

static void add_binned(struct consolidation *c, taddr at, uint64_t size)
{
	c->run.counted += glibc_trimmed(c->g, c->p, at, size);
}

static void merge(struct consolidation *c, taddr at)
{
	uint64_t header, before, size;

	if (!window_u64(&c->w, at + 8, &header) || !chunk_size_fits(header, at, c->p->end))
		return;
	if (at != c->run.end) {
		end_run(c);
		c->run.start = at;
		if (!(header & CHUNK_PREV_INUSE) && window_u64(&c->w, at, &before) && before <= at - c->p->start &&
		    binned_at(c, at - before) == before) {
			c->run.start = at - before;
			add_binned(c, at - before, before);
		}
	}
	c->run.end = at + chunk_size(header);
	size = binned_at(c, c->run.end);
	if (size)
		add_binned(c, c->run.end, size);
	c->run.end += size;
}

/*
 * Blocks in use begin on both sides of the chunk at `at`, within a page: what is free between them
 * has no whole one.  So it is with nearly all, and the dump is not looked at for them.
 */
static bool is_between_used(const struct block_sink *sink, const struct glibc_piece *p, taddr at)
{
	uint64_t half = TRIM_PAGE / 2 >> sink->grains->shift;
	uint64_t grain = grain_of(sink->grains, at + CHUNK_HEADER);

	return grain != GRAIN_NONE && at - p->start >= TRIM_PAGE && p->end - at >= TRIM_PAGE &&
	       bits_any(sink->used, grain + 1 - half, grain) &&
	       bits_any(sink->used, grain + 1, grain + half);
}

void glibc_count_merged(const struct glibc *g, struct glibc_piece *p, const struct block_sink *sink)
{
	struct consolidation c = { .g = g, .p = p, .w = { .img = g->img } };
	uint64_t n = p->fast ? bits_words((p->end - p->start) >> GRAIN_SHIFT) : 0;

	for (uint64_t i = 0; i < n; i++) {
		for (uint64_t bits = p->fast[i]; bits; bits &= bits - 1) {
			uint64_t grain = 64 * i + (unsigned)__builtin_ctzll(bits);
			taddr at = p->start + (grain << GRAIN_SHIFT);

			if (!is_between_used(sink, p, at))
				merge(&c, at);
		}
		if (!((i + 1) % LEAVE_WORDS) || i + 1 == n)
			image_leave(g->img, p->start, p->start + ((64 * i + 64) << GRAIN_SHIFT));
	}
	end_run(&c);
	p->merged = c.more;
}

void glibc_share_merged(const struct glibc *g, uint32_t arena, uint64_t trims[N_WHERES])
{
	/* Told of where the chunks lie now: of the fast bins first, for they bring it about. */
	static const uint8_t wheres[] = { WHERE_FASTBIN, WHERE_UNSORTED, WHERE_LARGEBIN, WHERE_SMALLBIN };
	const struct glibc_arena *a = &g->arenas.v[arena];
	uint64_t more = 0;

	for (size_t i = 0; i < g->pieces.n; i++)
		more += g->pieces.v[i].arena == arena ? g->pieces.v[i].merged : 0;
	for (unsigned w = 0; w < N_WHERES; w++)
		trims[w] = a->trims[w];
	for (unsigned i = 0; i < ARRAY_SIZE(wheres); i++) {
		uint64_t bytes = a->bytes_in[wheres[i]], *at = &trims[wheres[i]];
		uint64_t room = bytes > *at ? bytes - *at : 0, part = more < room ? more : room;

		*at += part;
		more -= part;
	}
}
