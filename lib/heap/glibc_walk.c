/*
 * glibc_walk.c - the chunks of one piece, from its first to its end, around whatever is damaged.
 *
 * One word a chunk: the next chunk's header says whether this one is in use.  Caches, fast bins
 * and the unsorted list come from lists read before (glibc_lists.c, glibc_fastbins.c, glibc_tcache.c).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"
#include "heap/blocks.h"
#include "heap/glibc_fields.h"
#include "image/resident.h"

enum {
	RESYNC_CHAIN = 16, /* chunks in a row that make a place believable */
	DOUBTS_MAX = 1 << 16,
};

/* Start and used bits of the word being filled, written out when it is full. */
struct cursor_bits {
	struct block_sink *sink;
	uint64_t base; /* grain of the piece's first key */
	unsigned shift; /* of an address to its grain */
	taddr first;
	uint64_t word, start, used;
};

static inline void bits_flush(struct cursor_bits *c)
{
	c->sink->grains->words[c->word].start |= c->start;
	c->sink->used[c->word] |= c->used;
	c->start = c->used = 0;
}

static inline void bits_add(struct cursor_bits *c, taddr mem, bool used)
{
	uint64_t grain = c->base + ((mem - c->first) >> c->shift), word = grain >> 6;

	if (word != c->word) {
		bits_flush(c);
		c->word = word;
	}
	c->start |= 1ull << (grain & 63);
	c->used |= (uint64_t)used << (grain & 63);
}

void glibc_piece_damage(struct glibc *g, struct glibc_piece *p, taddr at, taddr other, char *what)
{
	p->failed++;
	damage_add_words(&p->damage, g->env, at, other, what);
}

static char *bad_header_words(const struct glibc_piece *p, taddr at, uint64_t header, taddr prev,
			      bool prev_used)
{
	uint64_t size = chunk_size(header);
	taddr end = p->top > at ? p->top : p->end;
	char likely[64] = "likely a stray write";

	if (prev)
		snprintf(likely, sizeof(likely),
			 prev_used ? "likely an overrun of the block at 0x%" PRIx64 :
				     "likely a write into the freed block at 0x%" PRIx64,
			 prev + CHUNK_HEADER);
	if (size > end - at)
		return text_format("chunk at 0x%" PRIx64 ": size 0x%" PRIx64 " runs past 0x%" PRIx64
				   "; %s",
				   at, size, end, likely);
	return text_format("chunk at 0x%" PRIx64 ": bad size 0x%" PRIx64 "; %s", at, header,
			   likely);
}

/*
 * At the end of a piece: posts of 0x10, two or, after a top of 0x30, three; in a heap such a top
 * becomes one of 0x20, with a size of 0 behind it.
 */
static bool is_fence(struct window *w, taddr at, uint64_t size)
{
	uint64_t next = 0;

	return size == CHUNK_HEADER ||
	       (size == CHUNK_MIN && window_u64(w, at + CHUNK_MIN + 8, &next) &&
		chunk_size(next) == 0);
}

/* The next address behind `at` from which chunks follow each other; `limit` if none before. */
static taddr resync(const struct glibc_piece *p, struct window *w, taddr at, taddr limit)
{
	taddr stop = p->top ? p->top : p->end;

	for (at += 16; at < limit && p->end - at >= CHUNK_MIN; at += 16) {
		taddr next = at;
		unsigned i;

		for (i = 0; i < RESYNC_CHAIN; i++) {
			uint64_t header, footer;
			taddr this = next;

			if (p->top && next == p->top)
				return at;
			if (next >= stop || !window_u64(w, next + 8, &header))
				break;
			if (i && !p->top && stop - next <= 3 * CHUNK_HEADER &&
			    is_fence(w, next, chunk_size(header)))
				return at;
			if (!chunk_size_fits(header, next, stop))
				break;
			next += chunk_size(header);
			if (next < stop && window_u64(w, next + 8, &footer) && !(footer & 1) &&
			    (!window_u64(w, next, &footer) || footer != next - this))
				break;
		}
		if (i == RESYNC_CHAIN || (i && next == stop))
			return at;
	}
	return limit;
}

static char *bad_size_words(taddr at, uint64_t size, uint64_t better)
{
	return text_format("chunk at 0x%" PRIx64 ": bad size 0x%" PRIx64 " leads to no chunk, 0x%" PRIx64
			   " would; likely an overrun of the block before it",
			   at, size, better);
}

void glibc_count_free(struct glibc_piece *p, uint64_t size)
{
	p->n_free++;
	p->free += size;
	if (size > p->largest_free)
		p->largest_free = size;
}

/* A walk through one piece. */
struct walk {
	struct glibc *g;
	struct glibc_piece *p;
	struct cursor_bits bits;
	struct window w;
	struct glibc_run run;
	taddr prev; /* the chunk before, 0 at the start and behind damage */
	bool prev_used;
	const struct glibc_mended *mended, *mended_end; /* what lies ahead */
	taddr suspect; /* a chunk whose header was written to: its size may be wrong too */
	taddr from, taken; /* what of the dump is taken into memory */
};

static void uncount(struct glibc_piece *p, bool used, uint64_t size)
{
	if (used) {
		p->n_used--;
		p->used -= size;
	} else {
		p->n_free--;
		p->free -= size;
	}
}

/*
 * The header at `at` is damaged, so its PREV_INUSE says nothing: the chunk before is free only
 * if its size stands at its end.
 */
static void settle_prev(struct walk *walk, taddr at)
{
	uint64_t size = at - walk->prev, footer;

	if (walk->prev_used || (window_u64(&walk->w, at, &footer) && footer == size))
		return;
	uncount(walk->p, false, size);
	walk->p->n_used++;
	walk->p->used += size;
	walk->prev_used = true;
	bits_add(&walk->bits, walk->prev + CHUNK_HEADER, true);
}

/*
 * Was it the chunk before whose size led here?  Then chunks follow each other from inside of it
 * on, or, if its header was written to, from anywhere: answers where, and makes the chunk end
 * there; else `at`.
 */
static taddr leap_back(struct walk *walk, taddr at)
{
	taddr back, limit = walk->prev == walk->suspect ? walk->p->end : at;

	if (!walk->prev || !walk->prev_used)
		return at; /* settle_prev() has found a free chunk's size where it must be */
	back = resync(walk->p, &walk->w, walk->prev + CHUNK_HEADER, limit);
	if (back >= limit)
		return at;
	glibc_piece_damage(walk->g, walk->p, walk->prev, at,
			   bad_size_words(walk->prev, at - walk->prev, back - walk->prev));
	uncount(walk->p, walk->prev_used, at - walk->prev);
	walk->p->n_used++;
	walk->p->used += back - walk->prev;
	bits_add(&walk->bits, walk->prev + CHUNK_HEADER, true);
	walk->prev = 0;
	return back;
}

/* The chunk before is free after all, and ends at `end`. */
static void make_free(struct walk *walk, uint64_t size, taddr end)
{
	uncount(walk->p, true, size);
	glibc_count_free(walk->p, end - walk->prev);
	bits_flush(&walk->bits);
	block_sink_free(walk->bits.sink, walk->prev + CHUNK_HEADER);
	walk->prev_used = false;
}

/*
 * The chunk before hangs in a list, so it is free.  If its size does not stand at its end, it is its
 * size that is wrong: answers where it ends, else `at`.
 */
static taddr mend_free(struct walk *walk, taddr at)
{
	taddr prev = walk->prev;
	uint64_t size, footer;

	if (!prev || !walk->prev_used || !chunk_is_linked(&walk->w, prev))
		return at;
	if (window_u64(&walk->w, at, &footer) && footer == at - prev) {
		make_free(walk, at - prev, at);
		return at;
	}
	size = glibc_size_by_end(&walk->w, walk->p, prev);
	if (!size)
		return at;
	glibc_piece_damage(walk->g, walk->p, prev, at,
			   text_format("free chunk at 0x%" PRIx64 ": bad size 0x%" PRIx64
				       ", 0x%" PRIx64 " at its end; likely an overrun of the block "
				       "before it",
				       prev, at - prev, size));
	make_free(walk, at - prev, prev + size);
	walk->prev = 0;
	return prev + size;
}

/* No block from `at` on. The last header of a piece is none of its keys. */
static void add_gap(struct walk *walk, taddr at, taddr end)
{
	if (walk->p->end - at > CHUNK_HEADER)
		block_sink_gap(walk->bits.sink, at + CHUNK_HEADER);
	walk->p->overhead += end - at;
}

/*
 * From a damaged header to where chunks follow each other again: one block in use, for the
 * memory is somebody's, unless what follows says that it is free or nothing follows.
 */
static void add_damaged(struct walk *walk, taddr at, taddr end)
{
	uint64_t header;

	bits_flush(&walk->bits);
	if (end < walk->p->end && window_u64(&walk->w, end + 8, &header) &&
	    header & CHUNK_PREV_INUSE) {
		bits_add(&walk->bits, at + CHUNK_HEADER, true);
		walk->p->n_used++;
		walk->p->used += end - at;
	} else {
		add_gap(walk, at, end);
	}
	walk->prev = 0;
}

static bool ends_in_zeros(struct window *w, taddr at, taddr end)
{
	uint64_t word;

	for (; at < end; at += 8)
		if (!window_u64(w, at, &word) || word)
			return false;
	return true;
}

/*
 * The header behind says that this chunk is free, but its size is not at its end.  In a list it is
 * free for all that; in none it is in use, and the flag was run over: a string of just its length,
 * and its NUL, do that, and take the lowest byte of the size along.
 */
static void add_unproved(struct walk *walk, taddr at, uint64_t size, uint64_t footer)
{
	taddr next = at + size;

	walk->prev_used = !chunk_is_linked(&walk->w, at);
	if (walk->prev_used) {
		walk->suspect = next;
		glibc_piece_damage(walk->g, walk->p, next, at,
			     text_format("chunk at 0x%" PRIx64
					 ": it says that the block before it is free, which hangs "
					 "in no list; likely an overrun of the block at 0x%" PRIx64,
					 next, at + CHUNK_HEADER));
	} else {
		glibc_piece_damage(walk->g, walk->p, at, next,
			     text_format("free chunk at 0x%" PRIx64 ": size 0x%" PRIx64
					 ", but 0x%" PRIx64
					 " at its end; likely a write into freed memory",
					 at, size, footer));
	}
}

/* Can the header behind a chunk be believed? If not, the walk settles it when it gets there. */
static bool can_tell(const struct glibc_piece *p, taddr at, uint64_t header)
{
	return at >= p->end || at == p->top || chunk_size(header) == CHUNK_HEADER ||
	       chunk_size_fits(header, at, p->end);
}

/* A chunk with a sound header; the one behind it says whether it is in use. */
static void add_chunk(struct walk *walk, taddr at, uint64_t size, uint64_t next_header)
{
	struct glibc_piece *p = walk->p;
	uint64_t footer;

	walk->prev = at;
	walk->prev_used = next_header & CHUNK_PREV_INUSE;
	if (!walk->prev_used && window_u64(&walk->w, at + size, &footer) && footer == size)
		p->passed++;
	else if (!walk->prev_used && can_tell(p, at + size, next_header) &&
		 window_u64(&walk->w, at + size, &footer))
		add_unproved(walk, at, size, footer);
	bits_add(&walk->bits, at + CHUNK_HEADER, walk->prev_used);
	if (walk->prev_used) {
		p->n_used++;
		p->used += size;
	} else {
		glibc_count_free(p, size);
	}
}

/*
 * The header behind calls this chunk free, and nothing else does.  If headers inside of it lead past
 * that one, that is none, and the size led astray.
 */
static uint64_t bypass(struct walk *walk, taddr at, uint64_t size)
{
	taddr end = at + size, back, next;
	uint64_t header;

	if (chunk_is_linked(&walk->w, at))
		return size;
	back = resync(walk->p, &walk->w, at + CHUNK_HEADER, end);
	for (next = back; next < end && window_u64(&walk->w, next + 8, &header) &&
			  chunk_size_fits(header, next, walk->p->end);)
		next += chunk_size(header);
	if (next <= end)
		return size;
	glibc_piece_damage(walk->g, walk->p, at, end, bad_size_words(at, size, back - at));
	return back - at;
}

/*
 * The size of a chunk less what it has swallowed, as far as lists prove it; what they do not is
 * noted.  `next_header` stands behind it.
 */
static uint64_t proper_size(struct walk *walk, taddr at, uint64_t size, uint64_t next_header)
{
	struct glibc_piece *p = walk->p;
	bool is_used = next_header & CHUNK_PREV_INUSE;
	struct glibc_inner in;
	uint64_t footer;

	if (!is_used && window_u64(&walk->w, at + size, &footer) && footer == size)
		return size;
	if (!glibc_find_inner(walk->g, p, &walk->w, at, at + size, &in))
		return is_used ? size : bypass(walk, at, size);
	if (in.proved || (at == walk->suspect && !chunk_is_linked(&walk->w, at))) {
		glibc_piece_damage(walk->g, p, at, at + size, glibc_inner_words(&in));
		return in.inner - at;
	}
	if (is_used && p->doubts.n < DOUBTS_MAX && !chunk_is_linked(&walk->w, at))
		vec_push(&p->doubts, &in); /* out of memory: a doubt less */
	return size;
}

/* The header at `at`, or what a list says that it must be. */
static uint64_t mended_header(struct walk *walk, taddr at, uint64_t header, uint64_t flags)
{
	while (walk->mended < walk->mended_end && walk->mended->at < at)
		walk->mended++;
	if (walk->mended == walk->mended_end || walk->mended->at != at)
		return header;
	if (walk->prev)
		settle_prev(walk, at);
	return walk->mended->size | flags;
}

/* Malloc marks what it hands out from a thread's arena; free chunks may have lost the mark. */
static bool flags_fit(uint64_t header, uint64_t next_header, uint64_t flags)
{
	return !(header & 15 & ~flags) &&
	       (!(next_header & CHUNK_PREV_INUSE) || !(flags & ~header & CHUNK_NON_MAIN));
}

/* The header names another arena than its own. */
static void note_flags(struct walk *walk, taddr at, uint64_t header)
{
	walk->suspect = at;
	glibc_piece_damage(walk->g, walk->p, at, at,
			   text_format("chunk at 0x%" PRIx64 ": header 0x%" PRIx64
				       " names another arena; likely an overrun of the block before it",
				       at, header));
}

/* At a header that cannot be: where the walk goes on. */
static taddr step_over(struct walk *walk, taddr at, taddr stop, uint64_t header)
{
	struct glibc_piece *p = walk->p;
	taddr next;

	if (walk->prev)
		settle_prev(walk, at);
	if (!p->top && !chunk_size(header) && ends_in_zeros(&walk->w, at, stop)) {
		/* A heap cut off, or grown and not yet used. */
		add_gap(walk, at, stop);
		return stop;
	}
	next = mend_free(walk, at);
	if (next == at)
		next = leap_back(walk, at);
	if (next != at)
		return next;
	glibc_piece_damage(walk->g, p, at, walk->prev ? walk->prev : at,
		     bad_header_words(p, at, header, walk->prev, walk->prev_used));
	next = resync(p, &walk->w, at, p->end);
	add_damaged(walk, at, next);
	return next;
}

/* The walk goes on at `at`: takes the next window of the dump in, and leaves what lies before. */
static void take_next(struct walk *walk, taddr at, taddr stop)
{
	image_leave(walk->g->img, walk->from, at);
	walk->from = at;
	walk->taken = stop - at > RESIDENT_WINDOW ? at + RESIDENT_WINDOW : stop;
	image_expect(walk->g->img, at, walk->taken);
}

/* Passes over ordinary chunks: answers where they end. `stop` is not to be met. */
static taddr run_on(struct walk *walk, taddr at, taddr stop)
{
	taddr limit = stop - at > GLIBC_RUN_MAX + 3 * CHUNK_HEADER ? stop - GLIBC_RUN_MAX - 3 * CHUNK_HEADER : at;
	taddr end;

	if (walk->mended != walk->mended_end && walk->mended->at < limit)
		limit = walk->mended->at;
	if (limit > walk->taken)
		limit = walk->taken;
	end = glibc_run(&walk->run, &walk->w, at, limit, walk->bits.sink);
	if (end != at) {
		walk->prev = walk->run.last;
		walk->prev_used = walk->run.last_used;
	}
	return end;
}

static void count_run(struct glibc_piece *p, const struct glibc_run *r)
{
	p->n_used += r->n_used;
	p->used += r->bytes - r->free;
	p->n_free += r->n_free;
	p->free += r->free;
	p->passed += r->n_free;
	if (r->largest_free > p->largest_free)
		p->largest_free = r->largest_free;
}

/*
 * Chunks from p->first.  What was assumed to be one piece and is not, or is damaged, is left
 * (p->mistaken).  A header's PREV_INUSE speaks of the chunk before it, so each is added
 * when the next one's header is read.  Ends at top, at fence posts or at the piece's end.
 */
static void walk_chunks(struct glibc *g, struct glibc_piece *p, struct block_sink *sink)
{
	struct walk walk = {
		.g = g,
		.p = p,
		.w = { .img = g->img },
		.from = p->first,
		.taken = p->first,
		.mended = g->mended.v,
		.mended_end = g->mended.n ? g->mended.v + g->mended.n : g->mended.v,
		.bits = {
			.sink = sink,
			.first = p->start + CHUNK_HEADER,
			.base = grain_of(sink->grains, p->start + CHUNK_HEADER),
			.shift = sink->grains->shift,
		},
	};
	taddr at = p->first, stop = p->top ? p->top : p->end;
	uint64_t header = 0, next_header, flags = glibc_used_flags(p);

	walk.bits.word = walk.bits.base >> 6;
	walk.run.flags = flags;
	if (p->first > p->start)
		p->overhead += p->first - p->start;
	while (at < stop) {
		uint64_t size;

		if (at >= walk.taken)
			take_next(&walk, at, stop);
		if (!window_u64(&walk.w, at + 8, &header))
			header = 0;
		if (walk.mended != walk.mended_end)
			header = mended_header(&walk, at, header, flags);
		size = chunk_size(header);
		if (size <= GLIBC_RUN_MAX) {
			taddr end = run_on(&walk, at, stop);

			if (end != at) {
				at = end;
				continue;
			}
		}
		if (p->assumed && (size == CHUNK_HEADER || p->failed)) {
			p->mistaken = true;
			return;
		}
		if (!p->top && stop - at <= 3 * CHUNK_HEADER && is_fence(&walk.w, at, size)) {
			add_gap(&walk, at, stop);
			break;
		}
		if (p->cut && !p->top && size >= stop - at && !(size & 8)) {
			/* The dump ends inside of it; what would call it free is not there. */
			bits_add(&walk.bits, at + CHUNK_HEADER, true);
			p->n_used++;
			p->used += stop - at;
			break;
		}
		if (!p->top && size == stop - at) {
			/* No fence and no known top: what reaches the very end is the top. */
			p->top = at;
			break;
		}
		if (!chunk_size_fits(header, at, stop) ||
		    !window_u64(&walk.w, at + size + 8, &next_header)) {
			at = step_over(&walk, at, stop, header);
			continue;
		}
		if (!flags_fit(header, next_header, flags) && !chunk_is_linked(&walk.w, at))
			note_flags(&walk, at, header);
		if (size >= 2 * CHUNK_MIN && glibc_has_headers(&walk.w, at, size, flags)) {
			uint64_t proper = proper_size(&walk, at, size, next_header);

			if (proper != size && !window_u64(&walk.w, at + proper + 8, &next_header))
				proper = size;
			size = proper;
		}
		add_chunk(&walk, at, size, next_header);
		at += size;
	}
	if (p->top && at == p->top) {
		bits_add(&walk.bits, at + CHUNK_HEADER, false);
		glibc_count_free(p, p->end - at);
		p->passed++;
	} else if (p->top) {
		p->failed++;
	}
	p->mistaken = p->assumed && p->failed;
	bits_flush(&walk.bits);
	count_run(p, &walk.run);
}

void glibc_listed_inside(struct glibc *g, struct glibc_piece *p, taddr chunk, enum glibc_where where)
{
	glibc_piece_damage(g, p, chunk, chunk + CHUNK_HEADER,
			   text_format("free chunk at 0x%" PRIx64 " (%s): the chunks before it do not "
				       "lead to it; likely an overrun of one of them",
				       chunk, glibc_where_names[where]));
}

/* A bin holds it, and the chunk behind it does not know. */
static void listed_in_use(struct glibc *g, struct glibc_piece *p, const struct glibc_listed *l,
			  uint64_t header)
{
	taddr next = l->mem - CHUNK_HEADER + chunk_size(header);

	glibc_piece_damage(g, p, next, l->mem,
			   text_format("chunk at 0x%" PRIx64
				       ": it says that the block before it is in use, which hangs in "
				       "a bin (%s); likely a stray write",
				       next, glibc_where_names[l->where]));
}

/* What the lists say is free after all, and the caches' own structs. */
static void apply_lists(struct glibc *g, struct glibc_piece *p, struct block_sink *sink)
{
	struct window w = { .img = g->img };

	for (size_t i = glibc_listed_from(g, p->start + CHUNK_HEADER);
	     i < g->listed.n && g->listed.v[i].mem < p->end; i++) {
		const struct glibc_listed *l = &g->listed.v[i];
		uint64_t grain = grain_of(sink->grains, l->mem), header;

		if (!grain_is_start(sink->grains, grain, l->mem)) {
			glibc_listed_inside(g, p, l->mem - CHUNK_HEADER, l->where);
			continue;
		}
		if (!bit_get(sink->used, grain))
			continue;
		if (!window_u64(&w, l->mem - 8, &header))
			continue;
		if (!l->is_struct && l->where != WHERE_TCACHE && l->where != WHERE_FASTBIN)
			listed_in_use(g, p, l, header);
		block_sink_free(sink, l->mem);
		p->n_used--;
		p->used -= chunk_size(header);
		if (l->is_struct) {
			block_sink_gap(sink, l->mem);
			p->overhead += chunk_size(header);
		} else {
			glibc_count_free(p, chunk_size(header));
			p->passed++;
		}
	}
}

struct err *glibc_walk(void *ctx, uint32_t claim, struct block_sink *sink)
{
	struct glibc *g = ctx;
	struct glibc_piece *p;

	if (claim >= g->pieces.n)
		return NULL;
	p = &g->pieces.v[claim];
	if (p->kind == CLAIM_MMAPPED) {
		block_sink_add(sink, p->first + CHUNK_HEADER, true);
		p->n_used = 1;
		p->used = p->end - p->first;
		p->overhead = p->first - p->start;
		return NULL;
	}
	walk_chunks(g, p, sink);
	apply_lists(g, p, sink);
	glibc_apply_fastbins(g, p, sink);
	glibc_count_merged(g, p, sink);
	return NULL;
}
