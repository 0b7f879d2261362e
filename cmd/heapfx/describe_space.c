/*
 * describe_space.c - the address space by what it is used for -> report.space.
 *
 * Claims of one heap that lie near each other are one range, cut into pieces of one size, each with
 * its bytes in use and free; what segments hold outside of claims is told by what the mapping is
 * for.  Bounded: past RANGES_MAX ranges of heaps those farther from each other come together.
 */
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "pipeline.h"

enum {
	RANGES_MAX = 512,
	OTHERS_MAX = 1024, /* ranges outside heaps: the largest */
	BUCKETS_MAX = 1 << 14,
	BUCKET_MIN = 4096,
};

static bool is_range(const struct claim *c)
{
	return c->end > c->start;
}

/* How many ranges there are when claims of a heap at most `gap` apart are one. */
static size_t ranges_at(const struct blocks *b, uint64_t gap)
{
	const struct claim *last = NULL;
	uint16_t heap = 0;
	size_t n = 0;

	for (size_t i = 0; i < b->n_claims; i++) {
		if (!is_range(&b->claims[i]))
			continue;
		n += !last || b->claim_heap[i] != heap || b->claims[i].start - last->end > gap;
		last = &b->claims[i];
		heap = b->claim_heap[i];
	}
	return n;
}

static struct err *add_heap_ranges(struct run *run)
{
	const struct blocks *b = &run->blocks;
	struct report *r = &run->report;
	struct rp_space *last = NULL;
	uint64_t gap = 1 << 20;
	uint16_t heap = 0;

	while (gap < 1ull << 47 && ranges_at(b, gap) > RANGES_MAX)
		gap <<= 1;
	for (size_t i = 0; i < b->n_claims; i++) {
		const struct claim *c = &b->claims[i];
		const struct heap_info *info = b->heaps[b->claim_heap[i]].info;
		struct rp_space row = { .start = c->start,
					.end = c->end,
					.kind = "heap",
					.name = info ? info->allocator : NULL };

		if (!is_range(c))
			continue;
		if (last && b->claim_heap[i] == heap && c->start - last->end <= gap) {
			last->end = c->end;
			continue;
		}
		if (!vec_push(&r->space, &row))
			return &err_nomem;
		last = &r->space.v[r->space.n - 1];
		heap = b->claim_heap[i];
	}
	return NULL;
}

/* ---- how much of each piece is in use */

static struct err *add_buckets(struct report *r)
{
	uint64_t bucket = BUCKET_MIN, n;

	for (;; bucket <<= 1) {
		n = 0;
		for (size_t i = 0; i < r->space.n; i++)
			n += (r->space.v[i].end - r->space.v[i].start - 1) / bucket + 1;
		if (n <= BUCKETS_MAX || bucket >> 40)
			break;
	}
	for (size_t i = 0; i < r->space.n; i++) {
		struct rp_space *s = &r->space.v[i];
		struct rp_bucket *buckets;

		s->bucket = bucket;
		s->n_buckets = (s->end - s->start - 1) / bucket + 1;
		buckets = arena_alloc(&r->mem, s->n_buckets * sizeof(*buckets));
		if (!buckets)
			return &err_nomem;
		memset(buckets, 0, s->n_buckets * sizeof(*buckets));
		s->buckets = buckets;
	}
	return NULL;
}

/* [start, end) lies in the range. */
static void fill(struct rp_space *s, uint64_t start, uint64_t end, bool used)
{
	struct rp_bucket *buckets = (struct rp_bucket *)(uintptr_t)s->buckets; /* ours until told */

	*(used ? &s->used : &s->free) += end - start;
	for (uint64_t at = start; at < end;) {
		uint64_t no = (at - s->start) / s->bucket, to = s->start + (no + 1) * s->bucket;
		uint64_t n = (to < end ? to : end) - at;

		*(used ? &buckets[no].used : &buckets[no].free) += n;
		at += n;
	}
}

/* Which of 64 blocks are free, or used; fillers are neither. */
static uint64_t alike_bits(const struct blocks *b, uint64_t word, bool used)
{
	return used ? b->used[word] : ~b->used[word] & ~b->filler[word];
}

/* Behind the last of the blocks from `id` on that are all used, or all free. */
static uint32_t run_until(const struct blocks *b, uint32_t id, bool used)
{
	uint32_t n = b->grains.n;
	uint64_t w = id >> 6, differ = ~alike_bits(b, w, used) & ~0ull << (id & 63);

	while (!differ && (w + 1) << 6 < n)
		differ = ~alike_bits(b, ++w, used);
	id = differ ? (uint32_t)(w << 6 | (uint64_t)__builtin_ctzll(differ)) : n;
	return id < n ? id : n;
}

/* Blocks side by side have no gaps between them: where one follows, there is a filler. */
static void fill_run(struct rp_space *v, size_t n, uint64_t start, uint64_t end, bool used)
{
	for (size_t i = 0; i < n && v[i].start < end; i++) {
		uint64_t from = start > v[i].start ? start : v[i].start;
		uint64_t to = end < v[i].end ? end : v[i].end;

		if (from >= to)
			continue;
		fill(&v[i], from, to, used);
		if (!used && to - from > v[i].largest_free)
			v[i].largest_free = to - from;
	}
}

static void fill_ranges(const struct blocks *b, struct rp_space *v, size_t n)
{
	const struct grains *g = &b->grains;
	uint64_t near = 0;

	for (uint32_t id = 0, next; id < g->n; id = next) {
		bool used = block_is_used(b, id);
		uint64_t grain, end, start;

		next = id + 1;
		if (!used && block_is_filler(b, id))
			continue;
		next = run_until(b, id, used);
		grain = grains_select_near(g, id, &near);
		end = next < g->n ? grains_select_near(g, next, &near) : grains_words(g) << 6;
		start = grain_key(g, grain);
		while (n && v->end <= start) {
			v++;
			n--;
		}
		fill_run(v, n, start, start + ((end - grain) << g->shift), used);
	}
}

/* ---- the rest */

static bool is_stack(const struct image *img, const struct segment *seg)
{
	for (size_t i = 0; i < img->n_threads; i++)
		if (img->threads[i].sp >= seg->start && img->threads[i].sp < seg->end)
			return true;
	return false;
}

static struct err *add_other(struct run *run, const struct segment *seg, taddr start, taddr end)
{
	bool named = seg->module >= 0 || seg->file;
	struct rp_space row = {
		.start = start,
		.end = end,
		.kind = named			  ? "module" :
			is_stack(run->image, seg) ? "stack" :
						    "mapping",
		.name = seg->file	 ? seg->file :
			seg->module >= 0 ? run->image->modules[seg->module].path :
					   NULL,
	};
	struct rp_space *last =
		run->report.space.n ? &run->report.space.v[run->report.space.n - 1] : NULL;

	if (start >= end)
		return NULL;
	if (last && last->end == start && !last->n_buckets && !strcmp(last->kind, row.kind) &&
	    (last->name == row.name || (last->name && row.name && !strcmp(last->name, row.name)))) {
		last->end = end;
		return NULL;
	}
	return vec_push(&run->report.space, &row) ? NULL : &err_nomem;
}

static struct err *add_others(struct run *run)
{
	const struct blocks *b = &run->blocks;
	struct err *err = NULL;
	size_t at = 0;

	for (size_t i = 0; i < run->image->n_segments && !err; i++) {
		const struct segment *seg = &run->image->segments[i];
		taddr from = seg->start;

		if (seg->origin != SEG_CORE)
			continue;
		while (at < b->n_claims && b->claims[at].end <= from)
			at++;
		for (size_t k = at; k < b->n_claims && b->claims[k].start < seg->end && !err; k++) {
			err = add_other(run, seg, from, b->claims[k].start);
			from = b->claims[k].end > from ? b->claims[k].end : from;
		}
		if (!err)
			err = add_other(run, seg, from, seg->end);
	}
	return err;
}

static int largest_first(const void *pa, const void *pb)
{
	const struct rp_space *a = pa, *b = pb;
	uint64_t na = a->end - a->start, nb = b->end - b->start;

	if (na != nb)
		return na < nb ? 1 : -1;
	return a->start < b->start ? -1 : a->start > b->start;
}

static int by_start(const void *pa, const void *pb)
{
	const struct rp_space *a = pa, *b = pb;

	return a->start < b->start ? -1 : a->start > b->start;
}

struct err *describe_space(struct run *run)
{
	struct report *r = &run->report;
	struct err *err;
	size_t heaps;

	if (!(run->profiles & NEED_PICTURES) || !run->has_blocks)
		return NULL;
	err = add_heap_ranges(run);
	if (!err)
		err = add_buckets(r);
	if (err)
		return err;
	heaps = r->space.n;
	fill_ranges(&run->blocks, r->space.v, heaps);
	err = add_others(run);
	if (err)
		return err;
	if (r->space.n - heaps > OTHERS_MAX) {
		qsort(r->space.v + heaps, r->space.n - heaps, sizeof(*r->space.v), largest_first);
		r->space.n = heaps + OTHERS_MAX;
	}
	if (r->space.n)
		qsort(r->space.v, r->space.n, sizeof(*r->space.v), by_start);
	return NULL;
}
