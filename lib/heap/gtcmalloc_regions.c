/*
 * gtcmalloc_regions.c - pages that no span has, and what the allocator made for itself.
 *
 * Of a huge page that the filler has cut up its PageTracker says which pages are used and which were given
 * back (huge_page_filler.h).  Others are in the huge cache, a region or nobody's: what of them holds anything is
 * kept, the rest is not.  Of each GiB that it reserves only what it has taken is writable (system-alloc.h); what
 * it made for itself lies in such parts of its own.
 */
#include <stdlib.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "heap/gtcmalloc_fields.h"
#include "heap/region_claims.h"
#include "heap/touched.h"

enum {
	HUGE_PAGES_MAX = 512, /* pages of a huge page */
};
#define HUGE_BYTES (1ull << GTC_HUGE_SHIFT)
#define GIB_MASK (~0ull << GTC_REGION_SHIFT)

/* ---- free pages */

typedef struct err *free_fn(void *arg, taddr start, taddr end, bool returned);

struct frees {
	const struct gtcmalloc *t;
	const struct gtc_copy *c;
	free_fn *fn;
	void *arg;
};

/* Which pages a PageTracker has in use and has given back; false: there is none. */
static bool read_tracker(const struct frees *f, taddr huge, uint64_t *used, uint64_t *released)
{
	const struct gtc_map *m = &f->c->map;
	const struct gtc_layout *l = &f->c->layout;
	uint64_t words = bits_words(HUGE_BYTES >> m->page_shift), index;
	taddr leaf = gtc_leaf_of(f->t->img, m, huge >> m->page_shift, &index), tracker;

	if (!leaf || image_read_u64(f->t->img, gtc_leaf_trackers(m, leaf) + 8 * (index << m->page_shift >> GTC_HUGE_SHIFT),
				    &tracker) != MEM_OK)
		return false;
	memset(released, 0, 8 * words);
	return gtc_is_tracker(f->t->img, tracker, huge) &&
	       image_read(f->t->img, tracker + l->tracker_used, used, 8 * words) == MEM_OK &&
	       (!l->tracker_released || image_read(f->t->img, tracker + l->tracker_released, released, 8 * words) == MEM_OK);
}

/* Runs of one kind of the pages of [start, end), which no span has. */
static struct err *tracked_free(const struct frees *f, taddr huge, taddr start, taddr end, const uint64_t *used,
				const uint64_t *released)
{
	unsigned shift = f->c->map.page_shift;
	struct err *err = NULL;

	for (taddr at = start, to; at < end && !err; at = to) {
		uint64_t i = (at - huge) >> shift;
		bool skip = bit_get(used, i), returned = bit_get(released, i);

		for (to = at; to < end && bit_get(used, i) == skip && bit_get(released, i) == returned; i++)
			to += 1ull << shift;
		if (!skip)
			err = f->fn(f->arg, at, to, returned);
	}
	return err;
}

/* Between two spans. */
static struct err *gap(const struct frees *f, taddr start, taddr end)
{
	uint64_t used[HUGE_PAGES_MAX / 64], released[HUGE_PAGES_MAX / 64];
	struct err *err = NULL;

	for (taddr at = start, to; at < end && !err; at = to) {
		taddr huge = align_down(at, HUGE_BYTES);

		to = huge + HUGE_BYTES < end ? huge + HUGE_BYTES : end;
		if (read_tracker(f, huge, used, released))
			err = tracked_free(f, huge, at, to, used, released);
		else
			err = f->fn(f->arg, at, to, !touched_pages(f->t->img, at, to));
	}
	return err;
}

/* What of [start, end) no span has. */
static struct err *gaps(const struct frees *f, taddr start, taddr end)
{
	const struct tc_spans *spans = &f->t->spans;
	size_t i = partition_point(spans->n, k, spans->v[k].end <= start);
	struct err *err = NULL;

	for (; start < end && !err; i++) {
		const struct tc_span *s = i < spans->n && spans->v[i].base < end ? &spans->v[i] : NULL;

		if (!s || s->base > start)
			err = gap(f, start, s ? s->base : end);
		start = s ? s->end : end;
	}
	return err;
}

/* Every free page of a copy: of the memory whose pages a leaf is for, which it makes where it takes memory. */
static struct err *each_free(const struct gtcmalloc *t, uint32_t copy, free_fn *fn, void *arg)
{
	const struct frees f = { t, &t->copies[copy], fn, arg };
	const struct gtc_map *m = &f.c->map;
	struct err *err = NULL;

	for (size_t i = 0; i < f.c->leaves.n && !err; i++) {
		taddr at = f.c->leaves.v[i].page << m->page_shift, last = at + (1ull << m->leaf_bits << m->page_shift) - 1;

		while (at < last && !err) {
			const struct segment *seg = image_segment(t->img, at);
			taddr end = seg && seg->end - 1 < last ? seg->end : last + 1;

			if (!seg) {
				at += HUGE_BYTES;
				continue;
			}
			if (seg->flags & SEG_W && seg->module < 0)
				err = gaps(&f, at, end);
			at = end;
		}
	}
	return err;
}

/* ---- counted, and shown */

struct count {
	const struct gtcmalloc *t;
	struct where_total *idle;
	uint64_t *returned;
};

static struct err *count_free(void *arg, taddr start, taddr end, bool returned)
{
	const struct count *c = arg;

	if (returned) {
		*c->returned += end - start;
	} else {
		c->idle->count++;
		c->idle->bytes += end - start;
		c->idle->returnable += touched_pages(c->t->img, start, end);
	}
	return NULL;
}

void gtc_count_free(const struct gtcmalloc *t, struct where_total *ret_idle, uint64_t *ret_returned)
{
	struct count c = { t, ret_idle, ret_returned };

	*ret_idle = (struct where_total){ .where = "page-heap" };
	*ret_returned = 0;
	for (uint32_t i = 0; i < t->n_copies; i++)
		(void)each_free(t, i, count_free, &c); /* count_free() never fails */
}

static struct err *show_free(void *arg, taddr start, taddr end, bool returned)
{
	struct region_sink *sink = arg;
	struct heap_region region = {
		.start = start,
		.end = end,
		.category = returned ? "google-tcmalloc/returned" : "google-tcmalloc/idle",
		.label = returned ? "google-tcmalloc: free pages, given back to the system" :
				    "google-tcmalloc: free pages, not given back",
		.returned = returned,
	};

	return sink->add(sink, &region);
}

/* ---- its own data */

static int by_value(const void *pa, const void *pb)
{
	uint64_t a = load_u64(pa), b = load_u64(pb);

	return (a > b) - (a < b);
}

struct gibs {
	taddr *v;
	size_t n, cap;
};

static bool add_gib(struct gibs *g, taddr addr)
{
	taddr gib = addr & GIB_MASK;

	return (g->n && g->v[g->n - 1] == gib) || vec_push(g, &gib);
}

/* Each GiB that has a structure which was found, once. */
static bool own_gibs(const struct gtcmalloc *t, struct gibs *g)
{
	size_t kept = 0;

	for (uint32_t i = 0; i < t->n_copies; i++) {
		const struct gtc_copy *c = &t->copies[i];

		for (size_t k = 0; k < c->leaves.n; k++)
			if (!add_gib(g, c->leaves.v[k].addr))
				return false;
		for (size_t k = 0; k < c->caches.n; k++)
			if (gtc_is_metadata(c->caches.v[k].addr) && !add_gib(g, c->caches.v[k].addr))
				return false;
	}
	for (size_t i = 0; i < t->spans.n; i++)
		if (!add_gib(g, t->spans.v[i].addr))
			return false;
	if (g->n)
		qsort(g->v, g->n, sizeof(*g->v), by_value);
	for (size_t i = 0; i < g->n; i++)
		if (!kept || g->v[kept - 1] != g->v[i])
			g->v[kept++] = g->v[i];
	g->n = kept;
	return true;
}

static struct err *own_regions(const struct gtcmalloc *t, struct region_sink *sink)
{
	struct gibs g = {};
	struct err *err = own_gibs(t, &g) ? NULL : &err_nomem;

	for (size_t i = 0; i < t->img->n_segments && !err; i++) {
		const struct segment *seg = &t->img->segments[i];
		struct heap_region region = {
			.start = seg->start,
			.end = seg->end,
			.category = "google-tcmalloc/metadata",
			.label = "google-tcmalloc: page map, spans, caches",
		};
		taddr gib = seg->start & GIB_MASK;

		if (seg->flags & SEG_W && seg->module < 0 && gtc_is_metadata(seg->start) && g.n &&
		    bsearch(&gib, g.v, g.n, sizeof(*g.v), by_value))
			err = sink->add(sink, &region);
	}
	free(g.v);
	return err;
}

struct err *gtc_regions(void *ctx, struct region_sink *sink)
{
	const struct gtcmalloc *t = ctx;
	struct err *err = own_regions(t, sink);

	for (uint32_t i = 0; i < t->n_copies && !err; i++)
		err = each_free(t, i, show_free, sink);
	return err;
}

/* Besides: the page map's root and the central lists, with the transfer caches around them. */
struct err *gtc_metadata(void *ctx, struct claim_sink *sink)
{
	const struct gtcmalloc *t = ctx;
	struct region_claims own = region_claims_to(sink);
	struct err *err = NULL;

	for (uint32_t i = 0; i < t->n_copies && !err; i++) {
		const struct gtc_copy *c = &t->copies[i];
		struct claim root = { .start = c->map.root, .end = c->map.root + (8ull << c->map.root_bits) };
		taddr central = c->has_slots ? c->central - TC_BEFORE : c->central;
		struct claim lists = { .start = central, .end = central + (taddr)c->n_classes * c->stride };

		err = sink->add(sink, &root);
		if (!err)
			err = sink->add(sink, &lists);
	}
	return err ? err : gtc_regions(ctx, &own.sink);
}
