/*
 * glibc_arenas.c - the arenas of each libc (the ring of `next`, and heaps the ring lost), and the
 * start of the main one: mp_.sbrk_base.
 */
#include <stdlib.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "heap/glibc_fields.h"

enum {
	MP_NEAR = 16384,    /* how far from main_arena mp_ is looked for */
	BASE_CHAIN = 64,    /* chunks that must follow sbrk_base */
	MMAPS_LIKELY = 1 << 24,
	NONCONTIGUOUS = 2,
};

static bool have_arena(const struct glibc *g, taddr bins)
{
	for (size_t i = 0; i < g->arenas.n; i++)
		if (g->arenas.v[i].bins == bins)
			return true;
	return false;
}

static struct err *add_arena(struct glibc *g, uint32_t copy, taddr bins, bool is_main, bool in_ring)
{
	const struct image *img = g->img;
	uint64_t attached = 0;
	uint32_t flags = 0;
	struct glibc_arena arena = {
		.bins = bins,
		.addr = bins - g->copies.v[copy].form->bins_at,
		.copy = copy,
		.is_main = is_main,
		.in_ring = in_ring,
	};

	if (image_read_u64(img, bins + BINS_TOP, &arena.top) != MEM_OK ||
	    image_read_u64(img, bins + BINS_SYSTEM_MEM, &arena.system_mem) != MEM_OK ||
	    image_read_u64(img, bins + BINS_ATTACHED, &attached) != MEM_OK ||
	    image_read_u32(img, arena.addr + 4, &flags) != MEM_OK)
		return NULL;
	arena.attached = attached > UINT32_MAX ? UINT32_MAX : attached;
	arena.noncontiguous = flags & NONCONTIGUOUS;
	/* An arena that never gave a chunk has its first bin as top. */
	if (arena.top == bins - 16)
		arena.top = 0;
	if (arena.top) {
		enum mem_status status = image_read_u64(img, arena.top + 8, &arena.top_size);

		if (status != MEM_OK)
			glibc_damage(g, arena.top, "arena at 0x%lx: its top 0x%lx is not mapped", arena.addr,
				     arena.top);
		if (status == MEM_UNMAPPED)
			arena.top = 0;
	}
	arena.top_size &= ~(uint64_t)7;
	return vec_push(&g->arenas, &arena) ? NULL : &err_nomem;
}

static struct err *read_ring(struct glibc *g, uint32_t copy)
{
	taddr bins = g->copies.v[copy].bins;
	uint16_t bins_at = g->copies.v[copy].form->bins_at;
	taddr first = bins - bins_at, at = first;

	for (unsigned i = 0; i < ARENAS_MAX; i++) {
		struct err *err;

		err = add_arena(g, copy, at + bins_at, at == first, true);
		if (err)
			return err;
		if (image_read_u64(g->img, at + bins_at + BINS_NEXT, &at) != MEM_OK)
			break;
		if (at == first) {
			g->passed++;
			return NULL;
		}
	}
	g->failed++;
	return NULL;
}

/* Chunks follow each other from `at` on: enough of them, or up to `top` or a fence post. */
static bool chain_follows(struct window *w, taddr at, taddr top)
{
	uint64_t header;

	for (unsigned i = 0; i < BASE_CHAIN; i++) {
		if (at == top)
			return true;
		if (!window_u64(w, at + 8, &header))
			return false;
		if (i && chunk_size(header) == 16)
			return true;
		if (!chunk_size_fits(header, at, w->start + w->n) || header & CHUNK_NON_MAIN)
			return false;
		at += chunk_size(header);
	}
	return true;
}

/* The mp_ whose sbrk_base would be at `at`: NULL when the words around it make no sense. */
static const struct glibc_mp_form *mp_at(const struct image *img, taddr at)
{
	for (size_t f = 0; f < n_glibc_mp_forms; f++) {
		const struct glibc_mp_form *form = &glibc_mp_forms[f];
		uint32_t n_mmaps, n_max, max_n;

		if (image_read_u32(img, at - form->n_mmaps_before, &n_mmaps) == MEM_OK &&
		    image_read_u32(img, at - form->n_mmaps_max_before, &n_max) == MEM_OK &&
		    image_read_u32(img, at - form->max_n_mmaps_before, &max_n) == MEM_OK &&
		    n_mmaps <= max_n && max_n <= n_max && n_max <= MMAPS_LIKELY && n_max)
			return form;
	}
	return NULL;
}

/* How much of what system_mem says must fit. */
enum base_proof { BY_CHAIN, BY_END, BY_SUM };

static bool try_base(struct glibc *g, struct glibc_copy *copy, const struct glibc_arena *arena, taddr at,
		     enum base_proof proof)
{
	struct window w = { .img = g->img };
	const struct segment *seg;
	const struct glibc_mp_form *form;
	uint32_t n_mmaps = 0;
	taddr base, first;
	bool exact;

	if (image_read_u64(g->img, at, &base) != MEM_OK || !base || base >> 48)
		return false;
	first = align_up(base, 16);
	if (!arena->noncontiguous && first > arena->top)
		return false;
	seg = image_segment(g->img, base);
	if (!seg || !seg->bytes || !(seg->flags & SEG_W))
		return false;
	/*
	 * All of system_mem lies between it and the end of top, what others took of brk included; where
	 * that cannot be held against it, chunks must follow.
	 */
	exact = arena->top + arena->top_size - base == arena->system_mem ||
		arena->top + arena->top_size - first == arena->system_mem;
	if (arena->noncontiguous || proof != BY_SUM ? !chain_follows(&w, first, arena->top) : !exact)
		return false;
	/* Top's size is damaged: the end by system_mem is a page's at least, behind top. */
	if (proof == BY_END && (base + arena->system_mem <= arena->top ||
				base + arena->system_mem > seg->end ||
				(base + arena->system_mem) & (GLIBC_PAGE - 1)))
		return false;
	form = mp_at(g->img, at);
	if (!form)
		return false;
	(void)image_read_u32(g->img, at - form->n_mmaps_before, &n_mmaps); /* mp_at() has read it */
	copy->sbrk_base = base;
	copy->sbrk_base_at = at;
	copy->n_mmaps = n_mmaps;
	copy->facts.n_mmaps_before = form->n_mmaps_before;
	return true;
}

/* mp_ is damaged or out of reach: system_mem before the end of top, or where brk's mapping begins. */
static bool guess_base(const struct glibc *g, struct glibc_copy *copy, const struct glibc_arena *arena)
{
	const struct segment *seg = arena->top ? image_segment(g->img, arena->top) : NULL;
	taddr guesses[] = { arena->top + arena->top_size - arena->system_mem, g->img->brk_start,
			    seg ? seg->start : 0 };

	for (size_t i = 0; i < ARRAY_SIZE(guesses); i++) {
		struct window w = { .img = g->img };

		if (!guesses[i] || guesses[i] >> 48 || guesses[i] > arena->top ||
		    !chain_follows(&w, align_up(guesses[i], 16), arena->top))
			continue;
		copy->sbrk_base = guesses[i];
		return true;
	}
	return false;
}

/* sbrk_base is the nearest word around main_arena that points to a chain of chunks up to top. */
static void find_base(struct glibc *g, struct glibc_copy *copy, const struct glibc_arena *arena)
{
	if (!arena->system_mem) /* it never gave a chunk */
		return;
	for (int proof = BY_SUM; proof >= BY_CHAIN; proof--)
		for (unsigned off = 8; arena->top && off < MP_NEAR; off += 8) {
			if (!try_base(g, copy, arena, arena->addr - off, proof) &&
			    (off < copy->form->bins_at + (unsigned)BINS_END ||
			     !try_base(g, copy, arena, arena->addr + off, proof)))
				continue;
			if (proof == BY_SUM)
				g->passed++;
			else
				g->failed++;
			return;
		}
	g->failed++;
	if (guess_base(g, copy, arena))
		return;
	diag(g->env, "heap/no-start", arena->addr,
	     "no mp_.sbrk_base fits the main arena at 0x%lx, whose top is 0x%lx", arena->addr, arena->top);
}

/* Thread heaps that start with an arena of this shape, whether or not the ring knows them. */
static struct err *find_lost_arenas(struct glibc *g, uint32_t copy)
{
	static const uint16_t header[] = { 0x20, 0x30 };
	const struct glibc_copy *c = &g->copies.v[copy];

	for (size_t i = 0; i < g->img->n_segments; i++) {
		const struct segment *seg = &g->img->segments[i];
		taddr heap = align_up(seg->start, g->heap_max), ar_ptr, next;

		for (; seg->bytes && heap >= seg->start && heap < seg->end; heap += g->heap_max) {
			if (image_read_u64(g->img, heap, &ar_ptr) != MEM_OK)
				continue;
			for (size_t h = 0; h < ARRAY_SIZE(header); h++) {
				struct err *err;

				if (ar_ptr != heap + header[h] ||
				    have_arena(g, ar_ptr + c->form->bins_at) ||
				    image_read_u64(g->img, ar_ptr + c->form->bins_at + BINS_NEXT, &next) !=
					    MEM_OK)
					continue;
				/* Its bins, if empty, point to themselves: at least the last one must. */
				if (image_read_u64(g->img, ar_ptr + c->form->bins_at + 126 * 16, &next) !=
					    MEM_OK ||
				    next != ar_ptr + c->form->bins_at + 125 * 16)
					continue;
				err = add_arena(g, copy, ar_ptr + c->form->bins_at, false, false);
				if (err)
					return err;
				g->failed++;
			}
		}
	}
	return NULL;
}

/* How far apart thread heaps may be: 64 MiB, or four huge pages. */
static void learn_heap_size(struct glibc *g)
{
	static const uint64_t sizes[] = { 64ull << 20, 8ull << 20, 128ull << 20, 4ull << 30 };

	g->heap_max = sizes[0];
	for (size_t a = 0; a < g->arenas.n; a++) {
		const struct glibc_arena *arena = &g->arenas.v[a];

		for (size_t s = 0; s < ARRAY_SIZE(sizes) && !arena->is_main; s++) {
			taddr heap = align_down(arena->top, sizes[s]), ar_ptr;

			if (arena->top && image_read_u64(g->img, heap, &ar_ptr) == MEM_OK &&
			    ar_ptr == arena->addr) {
				g->heap_max = sizes[s];
				return;
			}
		}
	}
}

struct err *glibc_find_arenas(struct glibc *g)
{
	for (uint32_t c = 0; c < g->copies.n; c++) {
		size_t main_arena = g->arenas.n;
		struct err *err = read_ring(g, c);

		if (err)
			return err;
		if (main_arena < g->arenas.n)
			find_base(g, &g->copies.v[c], &g->arenas.v[main_arena]);
		for (size_t a = main_arena + 1; a < g->arenas.n; a++)
			g->copies.v[c].facts.heap_info_size =
				g->arenas.v[a].addr & (GLIBC_PAGE - 1);
	}
	learn_heap_size(g);
	for (uint32_t c = 0; c < g->copies.n; c++) {
		struct err *err = find_lost_arenas(g, c);

		if (err)
			return err;
	}
	return NULL;
}
