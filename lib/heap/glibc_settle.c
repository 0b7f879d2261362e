/*
 * glibc_settle.c - pointers decide whether a chunk that holds a chain of headers is several chunks.
 *
 * Somebody holds most blocks by a pointer to their start.  So a chunk is several if pointers from
 * outside of it lead to such starts, and nothing leads to the same place in other chunks of that
 * size (there it is a part of the program's objects).  Stale pointers count for nothing: those in
 * free memory and below the stack pointer, and links of a free chunk that was where a block is now
 * and has not written.  One pass over writable memory, only if there is a doubt.
 * Chunks that one flag calls free and no list holds are settled here too: only all pieces' sum tells.
 */
#include <stdlib.h>

#include "base/guard.h"
#include "base/par.h"
#include "base/search.h"
#include "base/vec.h"
#include "base/words.h"
#include "heap/blocks.h"
#include "heap/glibc_fields.h"
#include "image/resident.h"

enum {
	SAME_MAX = 8,	     /* chunks of one size with a header at one place: the program's own data */
	STARTS_MAX = 4096,   /* of one chain that are looked for */
	CONTROLS_MAX = 32,   /* other chunks of the size */
	CONTROLS_SEEN = 1 << 16,
	COMMON_DOUBTS = 8,   /* more of them, and stale headers are nothing special in this heap */
	COMMON_SIZE = 4,     /* so many others make it a size that the program uses */
	SIEVE = 1 << 14,
	FAR_BACK = 1 << 16,  /* words of the index: 64 MiB */
	REMNANT_BACK = 1 << 10,
	PASS_BYTES = 1 << 20,
	BINS_BYTES = 128 * 16, /* of an arena: the heads of lists (malloc/malloc.c, bin_at) */
};

enum role {
	ROLE_START,   /* of one of the chunks that it would be */
	ROLE_OWN,     /* of the chunk itself */
	ROLE_CONTROL, /* the same place in another chunk of the size */
};

/* An address that pointers may lead to, and who asks. */
struct wanted {
	taddr mem;
	uint32_t doubt;
	uint8_t role; /* enum role */
	uint8_t outside, inside; /* found elsewhere; found behind the first header in the chunk itself */
};

struct doubt {
	struct glibc_inner in;
	uint32_t piece;
	uint32_t n_starts, outside, any, own, n_controls, controls;
};

struct part {
	const struct segment *seg;
	taddr start, end;
};

struct settle {
	struct glibc *g;
	struct block_sink *sink;
	struct {
		struct doubt *v;
		size_t n, cap;
	} doubts;
	size_t n_doubts; /* with those that are left out */
	struct {
		struct wanted *v;
		size_t n, cap;
	} targets; /* by mem */
	struct {
		struct part *v;
		size_t n, cap;
	} parts;
	uint64_t sieve[SIEVE / 64];
};

static void guard_settle(struct settle *s)
{
	free(s->doubts.v);
	free(s->targets.v);
	free(s->parts.v);
}

/* --- doubts -------------------------------------------------------------------------------- */

static int by_shape(const void *a, const void *b)
{
	const struct glibc_inner *x = &((const struct doubt *)a)->in, *y = &((const struct doubt *)b)->in;
	uint64_t keys[][2] = {
		{ x->end - x->chunk, y->end - y->chunk },
		{ x->inner - x->chunk, y->inner - y->chunk },
		{ x->chunk, y->chunk },
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i][0] != keys[i][1])
			return keys[i][0] > keys[i][1] ? 1 : -1;
	return 0;
}

/*
 * All pieces' doubts but those that many chunks of one size share, and those of chunks in lists: a
 * list is of one size, and where a header said another one it was mended.
 */
static struct err *collect_doubts(struct settle *s)
{
	size_t kept = 0;

	for (uint32_t i = 0; i < s->g->pieces.n; i++)
		for (size_t d = 0; d < s->g->pieces.v[i].doubts.n; d++) {
			struct doubt doubt = { .in = s->g->pieces.v[i].doubts.v[d], .piece = i };

			if (glibc_is_listed(s->g, &s->g->pieces.v[i], doubt.in.chunk + CHUNK_HEADER))
				continue;
			if (!vec_push(&s->doubts, &doubt))
				return &err_nomem;
		}
	s->n_doubts = s->doubts.n;
	if (s->doubts.n)
		qsort(s->doubts.v, s->doubts.n, sizeof(*s->doubts.v), by_shape);
	for (size_t i = 0, next; i < s->doubts.n; i = next) {
		const struct glibc_inner first = s->doubts.v[i].in;

		for (next = i; next < s->doubts.n; next++) {
			const struct glibc_inner *in = &s->doubts.v[next].in;

			if (in->end - in->chunk != first.end - first.chunk ||
			    in->inner - in->chunk != first.inner - first.chunk)
				break;
		}
		for (size_t k = i; k < next && next - i <= SAME_MAX; k++)
			s->doubts.v[kept++] = s->doubts.v[k];
	}
	s->doubts.n = kept;
	return NULL;
}

/* --- what is looked for -------------------------------------------------------------------- */

static unsigned sieve_at(taddr mem)
{
	return (unsigned)((mem >> 4) * 0x9e3779b97f4a7c15ull >> 50);
}

static struct err *add_target(struct settle *s, uint32_t doubt, taddr mem, enum role role)
{
	struct wanted t = { .mem = mem, .doubt = doubt, .role = (uint8_t)role };
	unsigned bit = sieve_at(mem);

	s->sieve[bit / 64] |= 1ull << bit % 64;
	return vec_push(&s->targets, &t) ? NULL : &err_nomem;
}

/* The head of a list in an arena. */
static bool is_head(const struct settle *s, uint64_t word)
{
	for (size_t i = 0; i < s->g->arenas.n; i++)
		if (word - (s->g->arenas.v[i].bins - 16) < BINS_BYTES)
			return true;
	return false;
}

/* An address as a list of free chunks has it: of a chunk, or of a list's head in an arena. */
static bool is_link(const struct settle *s, uint64_t word)
{
	return glibc_piece_at(s->g, word) || is_head(s, word);
}

/* It has the links of a free chunk that was the last of its list: nobody wrote there since. */
static bool is_remnant(const struct settle *s, struct window *w, taddr chunk)
{
	uint64_t fd, bk;

	return window_u64(w, chunk + CHUNK_HEADER, &fd) && window_u64(w, chunk + CHUNK_HEADER + 8, &bk) &&
	       is_link(s, fd) && is_link(s, bk) && (is_head(s, fd) || is_head(s, bk));
}

static struct err *add_starts(struct settle *s, uint32_t no)
{
	struct doubt *d = &s->doubts.v[no];
	struct window w = { .img = s->g->img };
	taddr at = d->in.inner;
	uint64_t header;

	for (; at < d->in.end && d->n_starts < STARTS_MAX && window_u64(&w, at + 8, &header);
	     at += chunk_size(header), d->n_starts++) {
		struct err *err = NULL;

		if (!is_remnant(s, &w, at))
			err = add_target(s, no, at + CHUNK_HEADER, ROLE_START);
		if (err)
			return err;
	}
	return NULL;
}

/* Chunks in use of the same size, behind it and before it. */
static struct err *add_controls(struct settle *s, uint32_t no)
{
	struct doubt *d = &s->doubts.v[no];
	const struct glibc_piece *p = &s->g->pieces.v[d->piece];
	uint64_t size = d->in.end - d->in.chunk, seen = 0;
	taddr starts[] = { d->in.end, p->first };
	struct window w = { .img = s->g->img };

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
		for (taddr at = starts[i]; at < p->end && at != d->in.chunk; seen++) {
			uint64_t header, grain = grain_of(s->sink->grains, at + CHUNK_HEADER);

			if (d->n_controls == CONTROLS_MAX || seen == CONTROLS_SEEN ||
			    grain == GRAIN_NONE || !window_u64(&w, at + 8, &header) ||
			    !chunk_size_fits(header, at, p->end))
				break;
			if (chunk_size(header) == size && bit_get(s->sink->used, grain)) {
				struct err *err = add_target(
					s, no, at + (d->in.inner - d->in.chunk) + CHUNK_HEADER, ROLE_CONTROL);

				if (err)
					return err;
				d->n_controls++;
			}
			at += chunk_size(header);
		}
	return NULL;
}

static int by_mem(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;

	if (x->mem != y->mem)
		return x->mem > y->mem ? 1 : -1;
	if (x->doubt != y->doubt)
		return x->doubt > y->doubt ? 1 : -1;
	return x->role - y->role;
}

static struct err *collect_targets(struct settle *s)
{
	for (uint32_t i = 0; i < s->doubts.n; i++) {
		struct err *err = add_target(s, i, s->doubts.v[i].in.chunk + CHUNK_HEADER, ROLE_OWN);

		if (!err)
			err = add_starts(s, i);
		if (!err)
			err = add_controls(s, i);
		if (err)
			return err;
	}
	qsort(s->targets.v, s->targets.n, sizeof(*s->targets.v), by_mem);
	return NULL;
}

/* --- the pass ------------------------------------------------------------------------------ */

/*
 * Behind the header and the links (fd, bk) of a free chunk that was here once, in the midst of a block that did
 * not write there.  They lead to chunks, which by then may have begun 16 bytes beside those of now, where a
 * block's start is; and what is behind them may be as old.
 */
static bool is_behind_remnant(const struct settle *s, const struct glibc_piece *p, taddr block, taddr at)
{
	taddr least = at - block > REMNANT_BACK ? at - REMNANT_BACK : block;

	for (taddr chunk = (at - CHUNK_HEADER) & ~15ull; chunk >= least; chunk -= 16) {
		struct window w = { .img = s->g->img };
		uint64_t header, fd, bk;

		if (window_u64(&w, chunk + 8, &header) && header & CHUNK_PREV_INUSE &&
		    chunk_size_fits(header, chunk, p->end) && window_u64(&w, chunk + 16, &fd) &&
		    window_u64(&w, chunk + 24, &bk) && is_link(s, fd) && is_link(s, bk))
			return true;
	}
	return false;
}

/* The block at an address of a heap, used or not; 0: none begins near before it. */
static taddr block_before(const struct settle *s, taddr at)
{
	const struct grains *grains = s->sink->grains;
	uint64_t grain = grain_of(grains, at), word, starts;

	if (grain == GRAIN_NONE)
		return 0;
	starts = grains->words[grain >> 6].start & (~0ull >> (63 - (grain & 63)));
	for (word = grain >> 6; !starts && word && (grain >> 6) - word < FAR_BACK;)
		starts = grains->words[--word].start;
	return starts ? grain_key(grains, word << 6 | (63 - (unsigned)__builtin_clzll(starts))) : 0;
}

/* In a heap, only what a block in use holds counts. */
static bool is_stale(const struct settle *s, taddr at)
{
	const struct glibc_piece *p = glibc_piece_at(s->g, at);
	taddr block;

	if (!p)
		return image_is_dead_stack(s->g->img, at);
	if (p->kind == CLAIM_MMAPPED || at < p->first + CHUNK_HEADER)
		return at < p->first + CHUNK_HEADER;
	block = block_before(s, at);
	return !block || !bit_get(s->sink->used, grain_of(s->sink->grains, block)) ||
	       is_behind_remnant(s, p, block, at);
}

static size_t first_target(const struct settle *s, taddr mem)
{
	size_t lo = partition_point(s->targets.n, i, s->targets.v[i].mem < mem);

	return lo;
}

/* In the chunk itself, behind the first header; or before, and it leads to the chunk's very end. */
static bool is_inside(const struct glibc_inner *in, taddr at, taddr mem)
{
	return at >= (in->end - mem < CHUNK_MIN ? in->chunk : in->inner) && at < in->end;
}

/* A word `mem` that stands at `at` (0: in a register). */
static void meet(struct settle *s, taddr at, taddr mem)
{
	for (size_t i = first_target(s, mem); i < s->targets.n && s->targets.v[i].mem == mem; i++) {
		struct wanted *t = &s->targets.v[i];
		const struct glibc_inner *in = &s->doubts.v[t->doubt].in;
		uint8_t *flag = is_inside(in, at, mem) ? &t->inside : &t->outside;

		if (!__atomic_load_n(flag, __ATOMIC_RELAXED) && !(at && is_stale(s, at)))
			__atomic_store_n(flag, 1, __ATOMIC_RELAXED);
	}
}

static struct err *pass_part(void *arg, uint64_t index, uint64_t first, uint64_t last)
{
	struct settle *s = arg;
	taddr low = s->targets.v[0].mem, span = s->targets.v[s->targets.n - 1].mem - low + 1;

	(void)index; /* a mark is a mark, whoever sets it */
	for (uint64_t i = first; i < last; i++) {
		const struct part *part = &s->parts.v[i];
		const uint8_t *bytes = part->seg->bytes + (part->start - part->seg->start);
		uint64_t n_words = (part->end - part->start) / 8;

		image_expect(s->g->img, part->start, part->end);
		for (uint64_t k = 0; k < n_words; k += 64) {
			unsigned n = n_words - k < 64 ? (unsigned)(n_words - k) : 64;

			for (uint64_t mask = words_in_range(low, span, bytes + 8 * k, n); mask; mask &= mask - 1) {
				uint64_t at = k + (unsigned)__builtin_ctzll(mask), word = load_u64(bytes + 8 * at);
				unsigned bit = sieve_at(word);

				if (s->sieve[bit / 64] >> bit % 64 & 1)
					meet(s, part->start + 8 * at, word);
			}
		}
		image_leave(s->g->img, part->start, part->end);
	}
	return NULL;
}

static struct err *pass_memory(struct settle *s)
{
	const struct image *img = s->g->img;

	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *seg = &img->segments[i];
		taddr at = align_up(seg->start, 8);

		while (seg->bytes && seg->flags & SEG_W && !seg->zero_reserve && at < seg->end) {
			struct part part = { seg, at, seg->end };

			if (part.end - at > PASS_BYTES)
				part.end = at + PASS_BYTES;
			if (!vec_push(&s->parts, &part))
				return &err_nomem;
			at = part.end;
		}
	}
	for (size_t i = 0; i < img->n_threads; i++)
		for (size_t r = 0; img->threads[i].has_regs && r < TARGET_MAX_REGS; r++)
			meet(s, 0, img->threads[i].regs[r]);
	return par_ranges(s->g->env, s->parts.n, 1, pass_part, s);
}

/* --- the verdict --------------------------------------------------------------------------- */

static void count_hits(struct settle *s)
{
	for (size_t i = 0; i < s->targets.n; i++) {
		const struct wanted *t = &s->targets.v[i];
		struct doubt *d = &s->doubts.v[t->doubt];

		if (t->role == ROLE_CONTROL) {
			d->controls += t->outside || t->inside;
		} else if (t->role == ROLE_OWN) {
			d->own += t->outside || t->inside;
		} else {
			d->outside += t->outside;
			d->any += t->outside || t->inside;
		}
	}
}

/*
 * What nobody holds by its start, while others of its size are held inside at the same place, too, is
 * an object behind data of its library's (a GObject, a GParamSpec).  Memory that was several chunks
 * before, and is not all written to since, has headers left, and stale pointers to them lie in memory of
 * the same kind: where much of the heap is so, sizes that the program uses are believed, for an overrun
 * makes such a one by chance alone.
 */
static bool is_several(const struct settle *s, const struct doubt *d)
{
	unsigned common = d->n_starts == 1 ? 1 : COMMON_SIZE;

	if (!d->own && d->controls)
		return false;
	if (d->n_starts == 1 && d->controls) /* stale pointers lead into others, too: one says nothing */
		return false;
	if (s->n_doubts > COMMON_DOUBTS && d->n_controls >= common)
		return false;
	return d->outside && d->any * 4 >= d->n_starts && d->controls * 8 <= d->n_controls;
}

static void split(struct settle *s, const struct doubt *d)
{
	struct glibc_piece *p = &s->g->pieces.v[d->piece];
	struct window w = { .img = s->g->img };
	uint64_t header;

	for (taddr at = d->in.inner; at < d->in.end && window_u64(&w, at + 8, &header);
	     at += chunk_size(header)) {
		block_sink_add(s->sink, at + CHUNK_HEADER, true);
		p->n_used++;
	}
	glibc_piece_damage(s->g, p, d->in.chunk, d->in.end, glibc_inner_words(&d->in));
}

/* --- chunks that are free by one flag alone ----------------------------------------------------- */

/* More chunks look free than the lists hold, all of which are sound. */
static bool has_too_many(const struct glibc *g, uint32_t a)
{
	uint64_t found = 0, listed = 0;

	for (size_t i = 0; i < g->pieces.n; i++)
		if (g->pieces.v[i].arena == a)
			found += g->pieces.v[i].n_free;
	for (unsigned w = 0; w < N_WHERES; w++)
		listed += g->arenas.v[a].n_in[w];
	return found > listed && !g->arenas.v[a].lists_broken;
}

/* Whose flag was run over while its last word, the program's, happened to be its size. */
static void retake_unlisted(struct glibc *g, struct glibc_piece *p, struct block_sink *sink)
{
	struct window w = { .img = g->img };
	uint64_t header, size, grain;

	for (taddr at = p->first; at < p->end && at != p->top; at += size) {
		struct window lists = { .img = g->img };
		taddr mem = at + CHUNK_HEADER, next;

		if (!window_u64(&w, at + 8, &header) || !chunk_size_fits(header, at, p->end))
			break;
		size = chunk_size(header);
		next = at + size;
		grain = grain_of(sink->grains, mem);
		if (grain == GRAIN_NONE || !grain_is_start(sink->grains, grain, mem) ||
		    bit_get(sink->used, grain) || bit_get(sink->filler, grain) || glibc_is_listed(g, p, mem) ||
		    chunk_is_linked(&lists, at))
			continue;
		bit_set(sink->used, grain);
		p->n_free--;
		p->free -= size;
		p->n_used++;
		p->used += size;
		glibc_piece_damage(g, p, next, at,
				   text_format("chunk at 0x%lx: it says that the block before it is free, "
					       "which hangs in no list; likely an overrun of the block at 0x%lx",
					       next, mem));
	}
}

static void retake_all(struct glibc *g, struct block_sink *sink)
{
	for (uint32_t a = 0; a < g->arenas.n; a++)
		for (size_t i = 0; i < g->pieces.n && has_too_many(g, a); i++)
			if (g->pieces.v[i].arena == a && g->pieces.v[i].kind != CLAIM_MMAPPED)
				retake_unlisted(g, &g->pieces.v[i], sink);
}

static int by_place(const void *a, const void *b)
{
	const struct doubt *x = a, *y = b;

	return (x->in.chunk > y->in.chunk) - (x->in.chunk < y->in.chunk);
}

struct err *glibc_settle(void *ctx, struct block_sink *sink)
{
	_cleanup_(guard_settle) struct settle s = { .g = ctx, .sink = sink };
	struct err *err = collect_doubts(&s);

	retake_all(s.g, sink);
	if (!err && s.doubts.n)
		err = collect_targets(&s);
	if (err || !s.targets.n)
		return err;
	err = pass_memory(&s);
	if (err)
		return err;
	count_hits(&s);
	qsort(s.doubts.v, s.doubts.n, sizeof(*s.doubts.v), by_place);
	for (size_t i = 0; i < s.doubts.n; i++)
		if (is_several(&s, &s.doubts.v[i]))
			split(&s, &s.doubts.v[i]);
	return NULL;
}
