/*
 * glibc_fastbins.c - the fast bins: chunks that are free though their headers look like used ones.
 *
 * A program may leave millions in them, spread all over its heap in no order.  So a member costs one
 * bit beside its piece, and nothing is sorted; what damage leaves of a list is kept by address.
 */
#include "base/bits.h"
#include "base/vec.h"
#include "heap/blocks.h"
#include "heap/glibc_fields.h"

enum {
	FASTBIN_AHEAD = 16, /* members */
};

/* A list of one bin: where it begins, what its members must be, and how its links are written. */
struct fastbin {
	taddr first;
	uint64_t size; /* of its chunks */
	bool safe;     /* links are mangled by their own address */
};

static bool fits(struct window *w, taddr at, const struct fastbin *bin)
{
	uint64_t header;

	return !(at & 15) && window_u64(w, at + 8, &header) && chunk_size(header) == bin->size;
}

static inline taddr link_of(const struct fastbin *bin, taddr at, uint64_t fd)
{
	return bin->safe ? fd ^ (at + 16) >> 12 : fd;
}

/* The bit of the chunk at `at`, in the piece that was asked last or another one: false, there is none. */
static bool find_bit(struct glibc *g, struct glibc_piece **piece, taddr at, uint64_t *ret)
{
	struct glibc_piece *p = *piece;

	if (!p || at - p->start >= p->end - p->start)
		p = *piece = glibc_piece_at(g, at);
	if (!p || p->kind == CLAIM_MMAPPED)
		return false;
	*ret = (at - p->start) >> GRAIN_SHIFT;
	return true;
}

/* Outside of every piece there is no block that it could make free. */
static struct err *set_member(struct glibc *g, struct glibc_piece **piece, taddr at, bool *ret_was_set)
{
	struct err *err = NULL;
	struct glibc_piece *p;
	uint64_t bit;

	*ret_was_set = false;
	if (!find_bit(g, piece, at, &bit))
		return NULL;
	p = *piece;
	if (!p->fast)
		err = col_sparse(g->env, sizeof(*p->fast), bits_words((p->end - p->start) >> GRAIN_SHIFT) + 1, "fast bins",
				 &p->fast_col);
	if (err)
		return err;
	p->fast = p->fast_col.base;
	*ret_was_set = bit_get(p->fast, bit);
	bit_set(p->fast, bit);
	return NULL;
}

/* The first n members are none: their list is not sound. */
static void clear_members(struct glibc *g, const struct fastbin *bin, uint64_t n)
{
	struct window w = { .img = g->img };
	struct glibc_piece *piece = NULL;
	uint64_t bit, fd;

	for (taddr at = bin->first; n && window_u64(&w, at + 16, &fd); n--) {
		if (find_bit(g, &piece, at, &bit))
			bit_clear(piece->fast, bit);
		at = link_of(bin, at, fd);
	}
}

/*
 * The members of one fast bin: all of them, or none if any of them or its end is wrong, or if one is
 * a member already.  What is freed in a row lies evenly, so where the link that is yet to be read leads
 * is mostly known.
 */
static struct err *take_whole(struct glibc *g, const struct fastbin *bin, uint64_t max, bool *ret_whole,
			      uint64_t *ret_n)
{
	struct window w = { .img = g->img };
	struct glibc_piece *piece = NULL;
	struct loop_guard loop = {}; /* bits tell of no loop outside of pieces */
	taddr at = bin->first, next;
	uint64_t n = 0, fd;

	for (; at; n++, at = next) {
		struct err *err;
		bool was_set;

		if (n >= max || loop_closes(&loop, at) || !fits(&w, at, bin) || !window_u64(&w, at + 16, &fd))
			break;
		next = link_of(bin, at, fd);
		window_prefetch(&w, at + FASTBIN_AHEAD * (next - at));
		err = set_member(g, &piece, at, &was_set);
		if (err)
			return err;
		if (was_set)
			break;
	}
	*ret_whole = !at;
	*ret_n = at ? 0 : n;
	if (at)
		clear_members(g, bin, n);
	return NULL;
}

/* A member whose size alone is wrong: its mangled link leads on all the same. */
static bool is_mendable(struct glibc *g, const struct fastbin *bin, taddr at)
{
	struct window w = { .img = g->img };
	uint64_t fd;

	if (!bin->safe || at & 15 || !glibc_piece_at(g, at) || !window_u64(&w, at + 16, &fd))
		return false;
	fd = link_of(bin, at, fd);
	return !fd || fits(&w, fd, bin);
}

/* What can be had of a fast bin whose members do not all fit. */
static struct err *take_broken(struct glibc *g, uint32_t a, const struct fastbin *bin, unsigned i, uint64_t max)
{
	struct glibc_arena *arena = &g->arenas.v[a];
	struct window w = { .img = g->img };
	struct loop_guard loop = {};
	size_t first = g->listed.n;
	taddr at = bin->first, last = 0;

	for (uint64_t n = 0; at && n < max && !loop_closes(&loop, at); n++) {
		bool is_sound = fits(&w, at, bin);
		struct err *err;
		uint64_t fd;

		if ((!is_sound && !is_mendable(g, bin, at)) || !window_u64(&w, at + 16, &fd))
			break;
		err = is_sound ? NULL : glibc_mend(g, at, bin->size);
		if (!err)
			err = glibc_keep_listed(g, at, WHERE_FASTBIN, a);
		if (err)
			return err;
		last = at;
		at = link_of(bin, at, fd);
	}
	if (at) {
		g->failed++;
		glibc_damage(g, last ? last : arena->addr,
			     "fast bin %u of the arena at 0x%lx: its list is broken at 0x%lx, which leads "
			     "to 0x%lx; likely a double free or a write into freed memory",
			     i, arena->addr, last ? last : arena->addr, at);
		glibc_listed_unique(g, first);
	}
	return NULL;
}

struct err *glibc_read_fastbin(struct glibc *g, uint32_t a, unsigned i, uint64_t max)
{
	struct glibc_arena *arena = &g->arenas.v[a];
	struct glibc_copy *copy = &g->copies.v[arena->copy];
	struct fastbin bin = { .size = CHUNK_MIN + 16 * i, .safe = true };
	bool safe = copy->facts.safe_linking != 0, whole;
	size_t first = g->listed.n;
	struct err *err;
	uint64_t n;

	if (image_read_u64(g->img, arena->addr + copy->form->fastbins_at + 8 * i, &bin.first) != MEM_OK ||
	    !bin.first)
		return NULL;
	err = take_whole(g, &bin, max, &whole, &n);
	if (err)
		return err;
	if (whole) {
		safe = true;
	} else {
		bin.safe = false;
		err = take_whole(g, &bin, max, &whole, &n);
		safe = safe && !whole;
	}
	if (copy->facts.safe_linking < 0)
		copy->facts.safe_linking = safe;
	bin.safe = safe;
	if (whole)
		g->passed++;
	else if (!err)
		err = take_broken(g, a, &bin, i, max);
	n += g->listed.n - first;
	arena->n_in[WHERE_FASTBIN] += n;
	arena->bytes_in[WHERE_FASTBIN] += n * bin.size;
	return err;
}

/* Bytes from the block at `grain` to the next one, or to where the last one of the piece would end. */
static uint64_t size_at(const struct grains *grains, uint64_t grain, uint64_t most)
{
	uint64_t starts = grains->words[grain >> 6].start >> (grain & 63) >> 1, at = grain + 1;

	most >>= grains->shift;
	if (!starts) {
		for (at = (grain | 63) + 1; at - grain < most; at += 64)
			if ((starts = grains->words[at >> 6].start))
				break;
		if (!starts)
			return most << grains->shift;
	}
	return (at + (unsigned)__builtin_ctzll(starts) - grain) << grains->shift;
}

static void apply(struct glibc *g, struct glibc_piece *p, taddr chunk, struct block_sink *sink)
{
	taddr mem = chunk + CHUNK_HEADER;
	uint64_t grain = grain_of(sink->grains, mem), size;

	if (!grain_is_start(sink->grains, grain, mem)) {
		glibc_listed_inside(g, p, chunk, WHERE_FASTBIN);
		return;
	}
	if (!bit_get(sink->used, grain))
		return;
	bit_clear(sink->used, grain);
	size = size_at(sink->grains, grain, p->end - chunk);
	p->n_used--;
	p->used -= size;
	glibc_count_free(p, size);
	p->passed++;
}

void glibc_apply_fastbins(struct glibc *g, struct glibc_piece *p, struct block_sink *sink)
{
	uint64_t n = p->fast ? bits_words((p->end - p->start) >> GRAIN_SHIFT) : 0;

	for (uint64_t i = 0; i < n; i++)
		for (uint64_t bits = p->fast[i]; bits; bits &= bits - 1)
			apply(g, p, p->start + ((64 * i + (unsigned)__builtin_ctzll(bits)) << GRAIN_SHIFT), sink);
}
