/*
 * glibc_pieces.c - the ranges that a glibc heap owns: pieces of the main arena, heaps of the
 * others, mapped chunks.
 *
 * The main arena is one run from mp_.sbrk_base to the end of top unless others called sbrk():
 * then malloc closes its run with two fence posts at a page's end and goes on behind what they
 * took; where, nothing records.  When brk fails it goes on in mappings.
 *
 * That it is one run is taken for granted, for to look at the end of each page would map all of
 * them once more.  The walk meets the fence posts if it is not, and then all begins anew.
 */
#include <stdlib.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "heap/glibc_fields.h"
#include "image/go.h"
#include "image/resident.h"

enum {
	CHAIN = 64,	/* chunks in a row that make a start believable */
	HEAPS_MAX = 1 << 20,
	FENCE = 0x20,	/* two fence posts */
	FOREIGN_MAX = 1 << 26, /* bytes that others take of brk at once */
};

/* The mapping goes on behind `end`, but the dump does not hold it. */
static bool is_cut(const struct glibc *g, taddr end)
{
	const struct segment *in = image_segment(g->img, end - 1), *behind = image_segment(g->img, end);

	return in && behind && in != behind && !behind->bytes && in->load == behind->load;
}

static struct err *add_piece(struct glibc *g, const struct glibc_piece *piece)
{
	return vec_push(&g->pieces, piece) ? NULL : &err_nomem;
}

/* Two fence posts end at `end`: sizes of 0x10; the first may have its PREV_INUSE cleared. */
static bool is_fence_end(struct window *w, taddr end)
{
	uint64_t first = 0, second = 0;

	return window_u64(w, end - 0x18, &first) && (first | 1) == 0x11 &&
	       window_u64(w, end - 8, &second) && second == 0x11;
}

enum chain_end { CHAIN_BROKEN, CHAIN_LONG, CHAIN_FENCE, CHAIN_TOP };

/*
 * Follows chunks from `at` for at most `max` steps; where it stopped goes to ret_at: the first
 * fence post, top, or the header that makes no sense; the chunk before that to ret_last.
 */
static enum chain_end follow(struct window *w, taddr at, taddr end, taddr top, uint64_t max,
			     taddr *ret_at, taddr *ret_last)
{
	struct resident_pass pass = { .img = w->img, .from = at };

	*ret_last = at;
	for (uint64_t i = 0; i < max; i++) {
		uint64_t header, second;

		resident_pass_at(&pass, at);
		*ret_at = at;
		if (at == top)
			return CHAIN_TOP;
		if (at >= end || end - at < CHUNK_HEADER || !window_u64(w, at + 8, &header))
			return CHAIN_BROKEN;
		if ((header | 1) == 0x11 && window_u64(w, at + 0x18, &second) && second == 0x11) {
			/* A top of 0x30 became a third post before the two. */
			if (!((at + FENCE + 16) & (GLIBC_PAGE - 1)))
				*ret_at = at += 16;
			if (!((at + FENCE) & (GLIBC_PAGE - 1)))
				return CHAIN_FENCE;
		}
		if (!chunk_size_fits(header, at, end) || header & CHUNK_NON_MAIN)
			return CHAIN_BROKEN;
		*ret_last = at;
		at += chunk_size(header);
	}
	return CHAIN_LONG;
}

static bool chain_ok(struct window *w, taddr at, taddr end, taddr top)
{
	taddr stop, last;

	return follow(w, at, end, top, CHAIN, &stop, &last) != CHAIN_BROKEN && stop != at;
}

/* The chunk's body begins with what may be a header too. */
static bool is_ambiguous(struct window *w, taddr at, taddr end)
{
	uint64_t header;

	return window_u64(w, at + 24, &header) && header & CHUNK_PREV_INUSE &&
	       chunk_size_fits(header, at + 16, end);
}

/*
 * Where the main arena goes on behind what others took of brk, from `from` on.  Their words may
 * look like chunks that lead into real ones.  Two things tell.  Malloc asked the system because
 * a request, the first chunk there, did not fit in the old top, whose rest (at least the chunk
 * of size `last` before the fence) is smaller therefore.  And words that imitate headers do so
 * inside each other's bodies.  A first chunk that is too small but has an ordinary body stays:
 * it was split since.
 */
static taddr next_start(struct window *w, taddr from, taddr end, taddr top, uint64_t last)
{
	taddr at = from, first;
	uint64_t header;

	for (;; at += 16) {
		if (at >= end || end - at < CHUNK_MIN || at - from > FOREIGN_MAX)
			return 0;
		if (at == top)
			return at;
		if (window_u64(w, at + 8, &header) && header & CHUNK_PREV_INUSE &&
		    chunk_size_fits(header, at, end) && chain_ok(w, at, end, top))
			break;
	}
	first = at;
	if (!is_ambiguous(w, at, end))
		return at;
	while (at < end && end - at >= CHUNK_MIN && at != top) {
		if (!window_u64(w, at + 8, &header) || !chunk_size_fits(header, at, end))
			break;
		if (chunk_size(header) > last && !is_ambiguous(w, at, end))
			return at;
		at += chunk_size(header);
	}
	return at == top ? at : first;
}

/* The next page's end at or behind `at` that has fence posts, or `end`. */
static taddr next_fence(struct window *w, taddr at, taddr end)
{
	struct resident_pass pass = { .img = w->img, .from = at };

	for (taddr page = align_down(at, GLIBC_PAGE) + GLIBC_PAGE; page < end; page += GLIBC_PAGE) {
		resident_pass_at(&pass, page);
		if (page - at >= FENCE && is_fence_end(w, page))
			return page;
	}
	return end;
}

/* The arena ends elsewhere than its top chunk says; both are the allocator's own words. */
static void tell_top(struct glibc *g, struct glibc_arena *arena, taddr end)
{
	g->failed++;
	glibc_damage(g, arena->top,
		     "top chunk at 0x%lx: size 0x%lx, but its arena ends at 0x%lx; likely an overrun of the "
		     "block before it",
		     arena->top, arena->top_size, end);
	arena->top_size = end - arena->top;
}

/* What of a contiguous main arena's top cannot be is made to fit system_mem, if that can be. */
static void check_brk_top(struct glibc *g, struct glibc_arena *arena, taddr base, taddr end)
{
	taddr sum = base + arena->system_mem;

	if (arena->noncontiguous || arena->top < base || arena->top >= end || is_cut(g, end) ||
	    arena->top + arena->top_size == sum || arena->system_mem > end - base ||
	    sum <= arena->top || sum & (GLIBC_PAGE - 1))
		return;
	tell_top(g, arena, sum);
}

/* One piece for now: its walk will come from its start to top, or tell. */
static bool may_assume_one(const struct glibc *g, const struct glibc_arena *arena, taddr at, taddr end)
{
	return !g->sure && !g->failed && !g->damage.n && !arena->noncontiguous && arena->top >= at &&
	       arena->top < end && !is_cut(g, end);
}

/* Pieces of brk: from sbrk_base to the end of top, or to the last fence post. */
static struct err *brk_pieces(struct glibc *g, uint32_t a)
{
	struct glibc_arena *arena = &g->arenas.v[a];
	const struct glibc_copy *copy = &g->copies.v[arena->copy];
	const struct segment *seg = image_segment(g->img, copy->sbrk_base);
	struct window w = { .img = g->img };
	taddr at = align_up(copy->sbrk_base, 16), end;

	if (!copy->sbrk_base || !seg)
		return NULL;
	end = seg->end;
	while (!arena->noncontiguous && end < arena->top) {
		const struct segment *next = image_segment(g->img, end);

		if (!next || !next->bytes)
			break;
		end = next->end;
	}
	check_brk_top(g, arena, copy->sbrk_base, end);
	if (arena->top >= at && arena->top < end && arena->top_size <= end - arena->top)
		end = arena->top + arena->top_size;
	if (may_assume_one(g, arena, at, end)) {
		struct glibc_piece whole = {
			.start = at, .first = at, .end = end, .top = arena->top, .arena = a, .kind = CLAIM_MAIN, .assumed = true,
		};

		return add_piece(g, &whole);
	}
	while (at && at < end) {
		struct glibc_piece piece = { .start = at, .first = at, .arena = a, .kind = CLAIM_MAIN };
		taddr fence = next_fence(&w, at, end), stop, last = at;
		uint64_t last_size = 0;
		struct err *err;

		/* A fence that no chain of chunks reaches is somebody's data. */
		if (fence < end) {
			enum chain_end how = follow(&w, at, end, arena->top, UINT64_MAX, &stop, &last);

			if (how == CHAIN_FENCE && last != stop)
				last_size = stop - last;
			if (how == CHAIN_FENCE)
				fence = stop + FENCE;
			else if (how == CHAIN_TOP)
				fence = end;
		}
		piece.end = fence;
		if (arena->top >= at && arena->top < fence)
			piece.top = arena->top;
		piece.cut = is_cut(g, fence);
		if (piece.cut)
			glibc_damage(g, fence, "main arena at 0x%lx: cut off", arena->addr);
		err = add_piece(g, &piece);
		if (err)
			return err;
		if (fence >= end)
			break;
		at = next_start(&w, fence, end, arena->top, last_size);
	}
	return NULL;
}

static bool overlaps_piece(const struct glibc *g, taddr start, taddr end, taddr *ret_end)
{
	for (size_t i = 0; i < g->pieces.n; i++)
		if (start < g->pieces.v[i].end && g->pieces.v[i].start < end) {
			*ret_end = g->pieces.v[i].end;
			return true;
		}
	return false;
}

/* The kernel gives mappings of huge pages (glibc.malloc.hugetlb=2) a file's name. */
static bool is_anon_data(const struct segment *seg)
{
	static const char huge[] = "/anon_hugepage";

	return seg->bytes && seg->flags & SEG_W && seg->module < 0 && !seg->zero_reserve &&
	       (!seg->file || !strncmp(seg->file, huge, sizeof(huge) - 1));
}

/* Mappings the main arena went on in: chains from a page's start to a fence at a page's end, or to top. */
static struct err *mapped_pieces(struct glibc *g, uint32_t a)
{
	const struct glibc_arena *arena = &g->arenas.v[a];
	struct window w = { .img = g->img };

	for (size_t i = 0; i < g->img->n_segments; i++) {
		const struct segment *seg = &g->img->segments[i];
		uint64_t steps = (seg->end - seg->start) / 16;

		for (taddr at = align_up(seg->start, GLIBC_PAGE); is_anon_data(seg) && at < seg->end;) {
			struct glibc_piece piece = { .start = at, .first = at, .arena = a, .kind = CLAIM_MAIN };
			enum chain_end how;
			uint64_t header;
			struct err *err;
			taddr stop, last;

			if (overlaps_piece(g, at, at + 1, &at))
				continue;
			at += GLIBC_PAGE;
			if (!window_u64(&w, piece.start + 8, &header) || !(header & CHUNK_PREV_INUSE) || !steps)
				continue;
			how = follow(&w, piece.start, seg->end, arena->top, steps, &stop, &last);
			steps -= (stop - piece.start) / CHUNK_MIN > steps ? steps : 0;
			if (how == CHAIN_FENCE && stop != piece.start)
				piece.end = stop + FENCE;
			else if (how == CHAIN_TOP && arena->top_size <= seg->end - stop)
				piece.end = stop + arena->top_size, piece.top = stop;
			else
				continue;
			err = add_piece(g, &piece);
			if (err)
				return err;
			at = align_up(piece.end, GLIBC_PAGE);
		}
	}
	return NULL;
}

/* What of the main arena no piece has: bytes, if a mapping of its own may hold them. */
static uint64_t missing_bytes(const struct glibc *g, uint32_t a)
{
	uint64_t bytes = g->arenas.v[a].system_mem;

	for (size_t i = 0; i < g->pieces.n; i++)
		if (g->pieces.v[i].arena == a)
			bytes -= g->pieces.v[i].end - g->pieces.v[i].start;
	return bytes <= g->arenas.v[a].system_mem && !(bytes & (GLIBC_PAGE - 1)) ? bytes : 0;
}

static struct glibc_piece *main_piece_from(const struct glibc *g, uint32_t a, taddr start)
{
	for (size_t i = 0; i < g->pieces.n; i++)
		if (g->pieces.v[i].start == start && g->pieces.v[i].arena == a)
			return &g->pieces.v[i];
	return NULL;
}

/*
 * A piece in a mapping, though no chain of chunks leads through all of it: what lacks of the whole
 * arena lies before posts, before top's end, or before the part that a chain did lead through.
 */
static struct err *broken_piece(struct glibc *g, uint32_t a)
{
	const struct glibc_arena *arena = &g->arenas.v[a];
	uint64_t missing = missing_bytes(g, a), found = 0;
	struct glibc_piece piece = { .arena = a, .kind = CLAIM_MAIN }, *rest;
	struct window w = { .img = g->img };
	taddr ignored;

	for (size_t i = 0; i < g->img->n_segments && missing; i++) {
		const struct segment *seg = &g->img->segments[i];
		taddr end = align_up(seg->start, GLIBC_PAGE) + GLIBC_PAGE;

		for (; is_anon_data(seg) && end <= seg->end; end += GLIBC_PAGE) {
			if (end - seg->start < missing ||
			    (!is_fence_end(&w, end) && end != arena->top + arena->top_size &&
			     !main_piece_from(g, a, end)) ||
			    overlaps_piece(g, end - missing, end, &ignored))
				continue;
			piece.start = piece.first = end - missing;
			piece.end = end;
			found++;
		}
	}
	if (found != 1)
		return NULL;
	rest = main_piece_from(g, a, piece.end);
	if (rest) {
		rest->start = rest->first = piece.start;
		return NULL;
	}
	if (arena->top >= piece.start && arena->top < piece.end)
		piece.top = arena->top;
	return add_piece(g, &piece); /* its walk tells what is broken */
}

/* Heaps of a thread arena, from that of its top back to the first. */
static struct err *heap_pieces(struct glibc *g, uint32_t a)
{
	struct glibc_arena *arena = &g->arenas.v[a];
	const struct glibc_copy *copy = &g->copies.v[arena->copy];
	taddr heap = align_down(arena->top ? arena->top : arena->addr, g->heap_max), ignored;
	uint16_t info_size = arena->addr & (GLIBC_PAGE - 1);

	for (unsigned i = 0; i < HEAPS_MAX && heap; i++) {
		struct glibc_piece piece = { .start = heap, .arena = a, .kind = CLAIM_HEAP };
		const struct segment *seg = image_segment(g->img, heap);
		taddr ar_ptr, prev;
		uint64_t size;
		struct err *err;

		if (!seg || !seg->bytes || image_read_u64(g->img, heap, &ar_ptr) != MEM_OK ||
		    image_read_u64(g->img, heap + 8, &prev) != MEM_OK ||
		    image_read_u64(g->img, heap + 16, &size) != MEM_OK || ar_ptr != arena->addr) {
			glibc_damage(g, heap, "heap at 0x%lx of the arena at 0x%lx does not name its arena", heap, arena->addr);
			break;
		}
		piece.cut = size <= g->heap_max && size > seg->end - heap && is_cut(g, seg->end);
		if (piece.cut) {
			size = seg->end - heap;
			glibc_damage(g, seg->end, "heap at 0x%lx: cut off", heap);
		}
		if (size > g->heap_max || size > seg->end - heap || size < GLIBC_PAGE || size % 16) {
			glibc_damage(g, heap, "heap at 0x%lx: size 0x%lx, but its mapping ends at 0x%lx", heap, size, seg->end);
			size = seg->end - heap < g->heap_max ? seg->end - heap : g->heap_max;
		}
		if (overlaps_piece(g, heap, heap + size, &ignored))
			break;
		piece.end = heap + size;
		piece.first = heap + info_size;
		if (heap == align_down(arena->addr, g->heap_max))
			piece.first = align_up(arena->addr + copy->form->bins_at + BINS_END, 16);
		if (arena->top >= piece.first && arena->top < piece.end)
			piece.top = arena->top;
		if (piece.top && !piece.cut && piece.end - piece.top != arena->top_size)
			tell_top(g, arena, piece.end);
		err = add_piece(g, &piece);
		if (err)
			return err;
		g->passed++;
		heap = prev;
	}
	return NULL;
}

struct err *glibc_find_pieces(struct glibc *g)
{
	for (uint32_t a = 0; a < g->arenas.n; a++) {
		struct err *err;

		if (!g->arenas.v[a].is_main)
			err = heap_pieces(g, a);
		else
			err = brk_pieces(g, a);
		if (err)
			return err;
	}
	for (uint32_t a = 0; a < g->arenas.n; a++)
		if (g->arenas.v[a].is_main && g->arenas.v[a].noncontiguous) {
			struct err *err = mapped_pieces(g, a);

			if (!err)
				err = broken_piece(g, a);
			if (err)
				return err;
		}
	return NULL;
}

/*
 * Mappings without a gap: the kernel splits one where madvise() was asked something of a part of it, as NumPy asks
 * for huge pages from the first whole page of an array on, behind the page with the header.
 */
struct stretch {
	taddr start, end;
};

static void stretch_from(const struct glibc *g, size_t i, struct stretch *s)
{
	const struct segment *seg = &g->img->segments[i];

	if (seg->start < s->end)
		return;
	*s = (struct stretch){ seg->start, seg->end };
	while (++i < g->img->n_segments && g->img->segments[i].start == s->end && is_anon_data(&g->img->segments[i]))
		s->end = g->img->segments[i].end;
}

/* A mapped chunk's header at `at`: its whole range, or false. */
static bool mapped_chunk_at(struct window *w, taddr at, const struct stretch *seg,
			    bool size_without_header, struct glibc_piece *ret)
{
	uint64_t header, offset, size;

	if (!window_u64(w, at + 8, &header) || (header & 7) != CHUNK_IS_MMAPPED ||
	    !window_u64(w, at, &offset))
		return false;
	size = chunk_size(header);
	if (size_without_header) {
		offset &= ~1ull; /* bit 0: in huge pages */
		if (!checked_add(size, CHUNK_HEADER, &size))
			return false;
	}
	if (size < CHUNK_MIN || size & 15 || offset > at - seg->start || (at - offset) & (GLIBC_PAGE - 1) ||
	    size > seg->end - at || (at + size) & (GLIBC_PAGE - 1))
		return false;
	*ret = (struct glibc_piece){
		.start = at - offset,
		.end = at + size,
		.first = at,
		.arena = UINT32_MAX,
		.kind = CLAIM_MMAPPED,
	};
	return true;
}

/*
 * An aligned one lies behind the start of its mapping, where the header it had before it was
 * aligned stays: the first address of that alignment at least a smallest chunk behind.
 */
static void move_to_aligned(struct window *w, const struct stretch *seg, bool bare, struct glibc_piece *piece)
{
	for (unsigned shift = 5; shift < 40; shift++) {
		uint64_t align = 1ull << shift;
		taddr at = align_up(piece->start + CHUNK_HEADER, align) - CHUNK_HEADER;
		struct glibc_piece aligned;

		if (at - piece->start < CHUNK_MIN)
			at += align;
		if (at >= piece->end || piece->end - at < CHUNK_MIN)
			return;
		if (mapped_chunk_at(w, at, seg, bare, &aligned) && aligned.start == piece->start &&
		    aligned.end == piece->end) {
			*piece = aligned;
			return;
		}
	}
}

/* Where memory that no piece has got begins, from `at` on; its end to ret_end. */
static taddr next_gap(const struct glibc *g, const struct segment *seg, taddr at, taddr *ret_end)
{
	*ret_end = seg->end;
	for (size_t i = 0; i < g->pieces.n; i++) {
		const struct glibc_piece *p = &g->pieces.v[i];

		if (p->end <= at)
			continue;
		if (p->start > at) {
			if (p->start < seg->end)
				*ret_end = p->start;
			break;
		}
		at = align_up(p->end, GLIBC_PAGE);
	}
	return at;
}

static bool is_stack(const struct image *img, const struct segment *seg)
{
	for (size_t i = 0; i < img->n_threads; i++)
		if (img->threads[i].sp >= seg->start && img->threads[i].sp < seg->end)
			return true;
	return false;
}

/* Nothing writable is absent, so that what lacks is not elsewhere. */
static bool all_dumped(const struct glibc *g)
{
	for (size_t i = 0; i < g->img->n_segments; i++)
		if (!g->img->segments[i].bytes && g->img->segments[i].flags & SEG_W)
			return false;
	return g->img->complete;
}

/*
 * Fewer mapped chunks than mp_ counts: the header of one was run over.  mp_ also has the bytes of all;
 * where a stretch of just what lacks lies between others, that is the chunk.
 */
static struct err *mend_mapped(struct glibc *g, const struct glibc_copy *copy, uint64_t missing)
{
	struct glibc_piece found = { .arena = UINT32_MAX, .kind = CLAIM_MMAPPED };
	uint64_t bytes, gaps = 0;

	if (missing != 1 || image_read_u64(g->img, copy->sbrk_base_at - 16, &bytes) != MEM_OK)
		return NULL;
	for (size_t i = 0; i < g->pieces.n; i++)
		if (g->pieces.v[i].kind == CLAIM_MMAPPED)
			bytes -= g->pieces.v[i].end - g->pieces.v[i].start;
	for (size_t i = 0; i < g->img->n_segments; i++) {
		const struct segment *seg = &g->img->segments[i];
		taddr at = align_up(seg->start, GLIBC_PAGE), end;

		for (; is_anon_data(seg) && !is_stack(g->img, seg) && at < seg->end; at = end) {
			at = next_gap(g, seg, at, &end);
			if (at >= seg->end || end - at != bytes)
				continue;
			found.start = found.first = at;
			found.end = end;
			gaps++;
		}
	}
	if (gaps != 1)
		return NULL;
	glibc_damage(g, found.start,
		     "mapped chunk at 0x%lx: bad header, its size must be 0x%lx; likely a stray write",
		     found.start, bytes);
	return add_piece(g, &found);
}

static struct err *check_mapped(struct glibc *g)
{
	const struct glibc_copy *copy = g->copies.v;
	uint64_t expected = 0;

	for (size_t c = 0; c < g->copies.n; c++)
		expected += g->copies.v[c].n_mmaps;
	if (expected == g->n_mapped) {
		g->passed++;
		return NULL;
	}
	g->failed++;
	if (expected < g->n_mapped || g->copies.n != 1 || !copy->sbrk_base_at)
		return NULL;
	glibc_sort_pieces(g);
	if (all_dumped(g))
		glibc_damage(g, copy->sbrk_base_at - copy->facts.n_mmaps_before,
			     "mp_ counts %lu mapped chunks, %lu have a sound header; likely stray writes",
			     expected, g->n_mapped);
	return mend_mapped(g, copy, expected - g->n_mapped);
}

/*
 * Mapped chunks are on no list; their headers, at pages' starts, are all there is.  Go's own arenas
 * have none.
 */
struct err *glibc_find_mapped(struct glibc *g)
{
	bool bare = g->copies.n && g->copies.v[0].form->mmap_size_without_header;
	size_t n_pieces = g->pieces.n;
	struct resident_pass pass = { .img = g->img };
	struct window w = { .img = g->img };
	struct stretch stretch = {};
	taddr done = 0; /* a chunk's end, in a later segment than its start */

	for (size_t i = 0; i < g->img->n_segments; i++) {
		const struct segment *seg = &g->img->segments[i];
		size_t next_piece = 0;
		taddr at = align_up(seg->start > done ? seg->start : done, GLIBC_PAGE);

		if (!is_anon_data(seg))
			continue;
		stretch_from(g, i, &stretch);
		while (next_piece < n_pieces && g->pieces.v[next_piece].end <= at)
			next_piece++;
		while (at < seg->end) {
			struct glibc_piece piece = {};
			bool found;
			struct err *err;

			resident_pass_at(&pass, at);
			while (next_piece < n_pieces && g->pieces.v[next_piece].end <= at)
				next_piece++;
			if (next_piece < n_pieces && g->pieces.v[next_piece].start < at + GLIBC_PAGE) {
				at = align_up(g->pieces.v[next_piece].end, GLIBC_PAGE);
				continue;
			}
			if (g->img->go && go_heap_arena(g->img->go, at)) {
				at = align_down(at, GO_ARENA) + GO_ARENA;
				continue;
			}
			found = mapped_chunk_at(&w, at, &stretch, bare, &piece);
			if (found)
				move_to_aligned(&w, &stretch, bare, &piece);
			at += GLIBC_PAGE;
			if (!found || (next_piece < n_pieces && piece.end > g->pieces.v[next_piece].start))
				continue;
			err = add_piece(g, &piece);
			if (err)
				return err;
			g->n_mapped++;
			at = done = piece.end;
		}
	}
	return check_mapped(g);
}
