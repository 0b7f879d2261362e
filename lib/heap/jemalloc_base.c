/*
 * jemalloc_base.c - what jemalloc has outside its extents in use: its own data, and free pages.
 *
 * Base blocks (base.c) hold every edata_t, arena and node of the radix tree.  They are whole huge pages,
 * begin with their size and a link to the next, and carry an edata_t of what is unused in them.
 */
#include <stdlib.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "heap/jemalloc_fields.h"
#include "image/shadow.h"

enum {
	BASE_UNITS_MAX = 1 << 15, /* of one block: 64 GiB; they double */
	BASE_BACK = 512, /* units that a block's start is looked for below what lies in it */
	BASES_MAX = 1 << 14,
	CACHES_TRIED = 16,
};

/* base_block_t: size, next, edata { bits, addr, bsize, .. } */
static bool is_base(const struct jemalloc *je, taddr at, uint64_t *ret_bytes, taddr *ret_next)
{
	uint64_t w[5];

	if (!je_words(je->img, at, w, ARRAY_SIZE(w)))
		return false;
	*ret_bytes = w[0];
	*ret_next = w[1];
	return w[0] && w[0] % JE_BASE_UNIT == 0 && w[0] / JE_BASE_UNIT <= BASE_UNITS_MAX &&
	       w[1] % JE_BASE_UNIT == 0 && w[3] > at && w[3] - at <= w[0] &&
	       w[4] <= w[0] - (w[3] - at);
}

static bool in_bases(const struct jemalloc *je, taddr at)
{
	for (size_t i = je->bases.n; i-- > 0;)
		if (at >= je->bases.v[i].start && at < je->bases.v[i].end)
			return true;
	return false;
}

/* The block that `at` lies in, and those that it leads to. */
static struct err *note_base(struct jemalloc *je, taddr at)
{
	taddr start = align_down(at, JE_BASE_UNIT), next = 0;
	uint64_t bytes = 0;
	unsigned back = 0;

	if (!at || in_bases(je, at))
		return NULL;
	for (; back < BASE_BACK && start; back++, start -= JE_BASE_UNIT)
		if (is_base(je, start, &bytes, &next) && at - start < bytes)
			break;
	if (back == BASE_BACK || !start)
		return NULL;
	while (!in_bases(je, start) && je->bases.n < BASES_MAX) {
		struct je_base b = { start, start + bytes };

		if (!vec_push(&je->bases, &b))
			return &err_nomem;
		start = next;
		if (!start || !is_base(je, start, &bytes, &next))
			break;
	}
	return NULL;
}

static int by_start(const void *a, const void *b)
{
	const struct je_base *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Sorted, and never two over one another. */
static void sort_bases(struct jemalloc *je)
{
	size_t kept = 0;

	if (je->bases.n)
		qsort(je->bases.v, je->bases.n, sizeof(*je->bases.v), by_start);
	for (size_t i = 0; i < je->bases.n; i++)
		if (!kept || je->bases.v[kept - 1].end <= je->bases.v[i].start)
			je->bases.v[kept++] = je->bases.v[i];
	je->bases.n = kept;
}

static struct err *note_tree(struct jemalloc *je, const struct je_copy *copy)
{
	uint64_t n = 1ull << copy->geometry.bits[0], avail = 0;
	const uint8_t *bytes = image_view(je->img, copy->root, &avail);
	struct err *err = NULL;

	for (uint64_t i = 0; i < n && (i + 1) * 8 <= avail && bytes && !err; i++)
		err = note_base(je, load_u64(bytes + i * 8));
	return err;
}

struct err *je_find_bases(struct jemalloc *je)
{
	struct err *err = NULL;
	taddr unit = 0;

	for (size_t i = 0; i < je->n_extents && !err; i++) {
		taddr of = align_down(je->extents[i].edata, JE_BASE_UNIT);

		if (of == unit)
			continue;
		unit = of;
		err = note_base(je, je->extents[i].edata);
	}
	for (size_t i = 0; i < je->copies.n && !err; i++)
		err = note_tree(je, &je->copies.v[i]);
	for (size_t i = 0; i < je->caches.n && !err; i++)
		err = note_base(je, je->caches.v[i].arena);
	sort_bases(je);
	return err;
}

/* ---- arenas */

/* How many words from `at` on point into base blocks, of at most `max`. */
static size_t count_pointers(const struct jemalloc *je, const uint8_t *at, size_t max)
{
	size_t n = 0;

	while (n < max && load_u64(at + n * 8) && in_bases(je, load_u64(at + n * 8)))
		n++;
	return n;
}

/* arenas[], aligned to a cache line: some thread's arena is in it, and an arena for each that has extents. */
static bool find_arenas(const struct jemalloc *je, const struct segment *seg, taddr arena, size_t n,
			taddr *ret)
{
	uint64_t bytes = seg->end - seg->start;

	for (uint64_t at = 0; at + 8 <= bytes; at += 8) {
		uint64_t first = at;

		if (load_u64(seg->bytes + at) != arena)
			continue;
		while (first >= 64 && count_pointers(je, seg->bytes + first - 8, 1) &&
		       at - first < 8ull * n)
			first -= 8;
		first = align_up(seg->start + first, 64) - seg->start;
		if (first > at || (bytes - first) / 8 < n ||
		    count_pointers(je, seg->bytes + first, n) < n)
			continue;
		for (size_t i = 0; i < n; i++)
			ret[i] = load_u64(seg->bytes + first + i * 8);
		image_keep(je->img, seg->start + first, 8ull * n);
		return true;
	}
	return false;
}

/* Any cache may be of this copy: its arena is in the copy's own arenas[] alone. */
bool je_arena_addrs(const struct jemalloc *je, uint8_t copy, size_t n, taddr *ret)
{
	for (size_t c = 0; c < je->caches.n && c < CACHES_TRIED; c++) {
		bool again = c && je->caches.v[c].arena == je->caches.v[c - 1].arena;

		for (size_t i = 0; i < je->img->n_segments && !again; i++) {
			const struct segment *seg = &je->img->segments[i];

			if (seg->bytes && seg->flags & SEG_W &&
			    image_module_at(je->img, seg->start) == je->copies.v[copy].module &&
			    find_arenas(je, seg, je->caches.v[c].arena, n, ret))
				return true;
		}
	}
	return false;
}

/* ---- told */

static const struct {
	const char *category, *label;
	bool returned;
} kinds[JE_ALL_STATES] = {
	[JE_DIRTY] = { "jemalloc/dirty", "jemalloc: free pages, dirty" },
	[JE_MUZZY] = { "jemalloc/muzzy", "jemalloc: free pages, muzzy (MADV_FREE)" },
	[JE_RETAINED] = { "jemalloc/retained", "jemalloc: free pages, given back", true },
	[JE_HPA] = { "jemalloc/hpa", "jemalloc: free pages in huge pages", false },
};

struct err *je_regions(void *ctx, struct region_sink *sink)
{
	const struct jemalloc *je = ctx;
	struct err *err = NULL;

	for (size_t i = 0; i < je->bases.n && !err; i++) {
		struct heap_region r = { je->bases.v[i].start, je->bases.v[i].end,
					 "jemalloc/metadata", "jemalloc: its own data", false };

		err = sink->add(sink, &r);
	}
	for (size_t i = 0; i < je->n_extents && !err; i++) {
		const struct je_extent *x = &je->extents[i];
		struct heap_region r = { x->base, x->base + x->bytes };

		if (x->state == JE_ACTIVE || x->state >= JE_ALL_STATES || !kinds[x->state].label)
			continue;
		r.category = kinds[x->state].category;
		r.label = kinds[x->state].label;
		r.returned = kinds[x->state].returned;
		err = sink->add(sink, &r);
	}
	return err;
}

/*
 * Free pages hold what was left in them, edata_t's point to every extent, and the keys that a tsd_t
 * caches may be addresses of blocks: no roots.
 */
struct err *je_metadata(void *ctx, struct claim_sink *sink)
{
	const struct jemalloc *je = ctx;
	struct err *err = NULL;

	for (size_t i = 0; i < je->bases.n && !err; i++) {
		struct claim claim = { .start = je->bases.v[i].start, .end = je->bases.v[i].end };

		err = sink->add(sink, &claim);
	}
	for (size_t i = 0; i < je->caches.n && !err; i++) {
		struct claim tsd = { .start = je->caches.v[i].low, .end = je->caches.v[i].high };

		err = tsd.end ? sink->add(sink, &tsd) : NULL;
	}
	for (size_t i = 0; i < je->copies.n && !err; i++) {
		const struct je_copy *copy = &je->copies.v[i];
		struct claim root = { .start = copy->root,
				      .end = copy->root + (8ull << copy->geometry.bits[0]) };

		err = sink->add(sink, &root);
	}
	for (size_t i = 0; i < je->n_extents && !err; i++) {
		struct claim claim = { .start = je->extents[i].base,
				       .end = je->extents[i].base + je->extents[i].bytes };

		if (je->extents[i].state != JE_ACTIVE)
			err = sink->add(sink, &claim);
	}
	return err;
}
