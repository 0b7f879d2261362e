/* shrink/memory.c - words of memory: whose they are, and whether they stay. */
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "image/cxx.h"
#include "shrink/shrink.h"
#include "type/scan.h"

enum {
	PAGE = 4096,
	INSIDE = 7, /* bytes into a block: in the smallest, and no place that type/interior.h knows */
};

/* ---- whose a range is */

struct ranges {
	struct range {
		taddr start, end;
	} * v; /* by start; each ends no earlier than those before it */
	size_t n, cap;
};

struct owned {
	struct claim_sink claims; /* first: the ops cast back */
	struct region_sink regions;
	struct ranges theirs; /* blocks, and free memory that has what a program left there */
	/*
	 * An allocator's alone. Not a collector's: Go's has the vector registers of goroutines that were
	 * preempted in it (runtime/preempt_xreg.go, 1.26), and says itself what it needs.
	 */
	struct ranges own;
	struct ranges all;    /* that, and what lies between blocks */
	bool precise;	      /* the heap that is asked is a collector's */
};

static struct err *add_range(struct ranges *to, taddr start, taddr end)
{
	struct range r = { align_down(start, 8), end };

	return start >= end || vec_push(to, &r) ? NULL : &err_nomem;
}

static int by_start(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static void sort_ranges(struct ranges *r)
{
	if (r->n)
		qsort(r->v, r->n, sizeof(*r->v), by_start);
	for (size_t i = 1; i < r->n; i++) /* one that reaches over others covers them */
		if (r->v[i].end < r->v[i - 1].end)
			r->v[i].end = r->v[i - 1].end;
}

static bool ranges_meet(const struct ranges *r, taddr start, taddr end)
{
	size_t after = partition_point(r->n, i, r->v[i].start < end);

	return after && start < r->v[after - 1].end;
}

/* What an allocator names as no roots are its variables, and free memory with all that is in it. */
static struct err *on_claim(struct claim_sink *sink, const struct claim *c)
{
	struct owned *o = (struct owned *)sink;

	return ranges_meet(&o->theirs, c->start, c->end) ? NULL :
							   add_range(&o->own, c->start, c->end);
}

static struct err *on_region(struct region_sink *sink, const struct heap_region *r)
{
	struct owned *o = (struct owned *)((char *)sink - offsetof(struct owned, regions));
	const char *kind = strchr(r->category, '/');
	bool own = kind && !strcmp(kind, "/metadata");

	return own && o->precise ? NULL : add_range(own ? &o->own : &o->theirs, r->start, r->end);
}

static void owned_fini(struct owned *o)
{
	free(o->theirs.v);
	free(o->own.v);
	free(o->all.v);
}

static struct err *owned_find(const struct blocks *b, struct owned *ret)
{
	struct err *err = NULL;

	ret->claims.add = on_claim;
	ret->regions.add = on_region;
	for (size_t i = 0; i < b->n_heaps && !err; i++) {
		ret->precise = b->heaps[i].ops->precise;
		if (b->heaps[i].ops->regions)
			err = b->heaps[i].ops->regions(b->heaps[i].ctx, &ret->regions);
	}
	for (size_t i = 0; i < b->n_claims && !err; i++) {
		err = add_range(&ret->theirs, b->claims[i].start, b->claims[i].end);
		if (!err)
			err = add_range(&ret->all, b->claims[i].start, b->claims[i].end);
	}
	sort_ranges(&ret->theirs);
	for (size_t i = 0; i < b->n_heaps && !err; i++) /* a collector names all of its arenas */
		if (b->heaps[i].ops->metadata && !b->heaps[i].ops->precise)
			err = b->heaps[i].ops->metadata(b->heaps[i].ctx, &ret->claims);
	for (size_t i = 0; i < ret->own.n && !err; i++)
		err = add_range(&ret->all, ret->own.v[i].start, ret->own.v[i].end);
	sort_ranges(&ret->all);
	return err;
}

static struct err *keep_own(const struct image *img, const struct blocks *b, const struct owned *o)
{
	struct err *err = NULL;

	for (size_t i = 0; i < o->own.n; i++)
		image_keep(img, o->own.v[i].start, o->own.v[i].end - o->own.v[i].start);
	for (size_t i = 0; i < b->n_heaps && !err; i++) {
		const struct heap *h = &b->heaps[i];

		if (h->ops->keep)
			err = h->ops->keep(h->ctx, b);
	}
	return err;
}

static bool owned_has(const struct owned *o, taddr at)
{
	return ranges_meet(&o->all, at, at + 1);
}

/* ---- what was kept by the time the blocks were known */

enum place { PLACE_USED, PLACE_FREE, PLACE_FREE_LINK, PLACE_OWNED, PLACE_OTHER };

/* A block at a time. */
struct places {
	const struct blocks *blocks;
	const struct owned *owned;
	taddr start, end; /* the block, and what the program may use of it */
	enum place place;
};

static enum place place_of(struct places *p, taddr at)
{
	uint32_t id;

	if (at - p->start < p->end - p->start)
		return p->place == PLACE_FREE && at == p->start ? PLACE_FREE_LINK : p->place;
	id = block_at(p->blocks, at);
	if (id != BLOCK_NONE && !block_is_filler(p->blocks, id)) {
		struct block b;

		block_get(p->blocks, id, &b);
		if (at - b.addr < b.usable) {
			p->start = b.addr;
			p->end = b.addr + b.usable;
			p->place = b.used ? PLACE_USED : PLACE_FREE;
			return place_of(p, at);
		}
	}
	return owned_has(p->owned, at) ? PLACE_OWNED : PLACE_OTHER;
}

static void put_u64(uint8_t *to, uint64_t v)
{
	memcpy(to, &v, sizeof(v));
}

/* Takes back what was kept of words that are, or may be, the program's. */
static void filter_segment(const struct image *img, const struct segment *seg, struct places *p)
{
	uint64_t avail, n = seg->end - seg->start;
	uint8_t *to = seg->bytes ? shadow_at(img, seg->start, &avail) : NULL;

	for (uint64_t off = 0; to && n - off >= 8; off += 8) {
		uint64_t word = load_u64(seg->bytes + off);

		if (!load_u64(to + off))
			continue;
		switch (place_of(p, seg->start + off)) {
		case PLACE_USED:
			put_u64(to + off, 0);
			break;
		case PLACE_FREE:
		case PLACE_OTHER:
			if (!shadow_word_is_plain(img, word))
				put_u64(to + off, 0);
			break;
		case PLACE_FREE_LINK: /* may be disguised: glibc's safe linking */
		case PLACE_OWNED:
			break;
		}
	}
}

static const struct segment *segment_of_file(const struct image *img, uint64_t offset)
{
	const struct shadow *s = img->shadow;

	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *seg = &img->segments[i];
		uint64_t at = (uint64_t)((uintptr_t)seg->bytes - (uintptr_t)s->from);

		if (seg->origin == SEG_CORE && offset - at < seg->end - seg->start)
			return seg;
	}
	return NULL;
}

/* What the image's own readers kept comes back: all of it outside blocks, plain words inside. */
static void keep_first(const struct image *img, struct places *p)
{
	struct shadow *s = img->shadow;
	const struct segment *seg = NULL;
	uint64_t seg_at = 0;

	for (size_t i = 0; i < s->first.n; i++) {
		const struct shadow_range *r = &s->first.v[i];

		if (!seg || r->offset - seg_at >= seg->end - seg->start) {
			seg = segment_of_file(img, r->offset);
			seg_at = seg ? (uint64_t)((uintptr_t)seg->bytes - (uintptr_t)s->from) : 0;
		}
		if (!seg)
			continue;
		for (uint64_t at = r->offset, end = r->offset + r->n, next; at < end; at = next) {
			taddr addr = seg->start + (at - seg_at);
			enum place place = place_of(p, addr);

			next = align_down(at, 8) + 8 < end ? align_down(at, 8) + 8 : end;
			s->mode = place == PLACE_USED || place == PLACE_FREE ? SHADOW_WORDS :
									       SHADOW_ALL;
			shadow_keep_bytes(img, s->from + at, next - at);
		}
	}
}

struct err *shrink_blocks(const struct image *img, const struct blocks *b)
{
	_cleanup_(owned_fini) struct owned owned = {};
	struct places places = { .blocks = b, .owned = &owned };
	struct shadow *s = img->shadow;
	struct err *err = s->no_room ? &err_nomem : owned_find(b, &owned);

	if (err)
		return err;
	for (size_t i = 0; i < img->n_segments; i++)
		if (img->segments[i].origin == SEG_CORE && !shadow_is_constant(&img->segments[i]))
			filter_segment(img, &img->segments[i], &places);
	keep_first(img, &places);
	s->mode = SHADOW_ALL;
	err = keep_own(img, b, &owned);
	s->mode = SHADOW_WORDS;
	return err;
}

/* ---- pointers */

struct pointers {
	const struct image *img;
	const struct scan *scan;
	struct cxx *cxx;
};

uint64_t shrink_pointer(const struct scan *s, uint64_t value, uint32_t target)
{
	uint64_t at;

	if (!(target & EDGE_INTERIOR))
		return value;
	at = grains_key(&s->blocks->grains, EDGE_NODE(target)) + INSIDE;
	return scan_target(s, at) == target ? at : value;
}

/*
 * The same of a word of which the first byte was kept for itself: a bool, or what a variant has, with
 * the rest of an old pointer behind it.  That byte stays what it is.
 */
static uint64_t pointer_with(const struct scan *s, uint64_t value, uint32_t target)
{
	uint64_t at = shrink_pointer(s, value, target);

	at += (uint8_t)(value - at);
	return scan_target(s, at) == target ? at : value;
}

static struct err *on_word(void *arg, taddr at, uint32_t target)
{
	const struct pointers *p = arg;
	uint64_t avail, kept, word;
	uint8_t *to = shadow_at(p->img, at, &avail);
	const struct shadow *s = p->img->shadow;

	if (!to)
		return NULL;
	kept = load_u64(to);
	word = load_u64(s->from + (to - s->to));
	if (kept && kept == (uint8_t)word && kept != word)
		put_u64(to, pointer_with(p->scan, word, target));
	else if (kept != word)
		put_u64(to, shrink_pointer(p->scan, word, target));
	return NULL;
}

/* Slots of a collector's blocks hold pointers for sure, and where inside one points matters. */
static struct err *on_slot(void *arg, taddr at, uint32_t target)
{
	const struct pointers *p = arg;
	uint64_t avail;
	uint8_t *to = shadow_at(p->img, at, &avail);

	(void)target;
	if (to)
		put_u64(to, load_u64(p->img->shadow->from + (to - p->img->shadow->to)));
	return NULL;
}

static struct err *scan_claim(const struct pointers *p, const struct claim *c)
{
	const struct blocks *b = p->scan->blocks;
	uint32_t first = block_at(b, c->start + c->bias);
	struct err *err = NULL;

	if (first == BLOCK_NONE)
		return NULL;
	for (struct grains_iter it = grains_iter(&b->grains, first);
	     !err && it.id < b->grains.n && it.key < c->end + c->bias; grains_next(&it))
		if (block_is_used(b, it.id))
			err = scan_block(p->scan, it.key, it.key + it.size, on_slot, (void *)p);
	return err;
}

/* Pointers to vtables: they are what objects of C++ are known by. */
static void keep_types(const struct pointers *p, const struct segment *seg)
{
	uint64_t avail, n = seg->end - seg->start;
	uint8_t *to = seg->bytes ? shadow_at(p->img, seg->start, &avail) : NULL;

	for (uint64_t off = 0; to && n - off >= 8; off += 8) {
		uint64_t word = load_u64(seg->bytes + off);

		if (word && !load_u64(to + off) && cxx_point_at(p->cxx, word)->of)
			put_u64(to + off, word);
	}
}

static void mark(const struct segment *seg, uint8_t *to, uint64_t off, struct places *p)
{
	if (!to[off] && place_of(p, align_down(seg->start + off, 8)) != PLACE_USED)
		to[off] = 1;
}

/*
 * Of memory outside used blocks, which pages were ever written to: the first and the last byte of each
 * that is not zero stays so.
 */
static void mark_pages(const struct image *img, const struct segment *seg, struct places *p)
{
	uint64_t avail, n = seg->end - seg->start;
	uint8_t *to = seg->bytes ? shadow_at(img, seg->start, &avail) : NULL;

	for (uint64_t off = -seg->start % PAGE; to && off < n && n - off >= PAGE; off += PAGE) {
		uint64_t first = off, last = off + PAGE - 1;

		if (bytes_are_zero(seg->bytes + off, PAGE) ||
		    (place_of(p, seg->start + off) == PLACE_USED && seg->start + last < p->end))
			continue;
		while (!seg->bytes[first])
			first++;
		while (!seg->bytes[last])
			last--;
		mark(seg, to, first, p);
		mark(seg, to, last, p);
	}
}

struct err *shrink_pointers(const struct image *img, const struct blocks *b, const uint64_t *pooled)
{
	_cleanup_(owned_fini) struct owned owned = {};
	_cleanup_(cxx_close) struct cxx cxx = {};
	struct places places = { .blocks = b, .owned = &owned };
	struct scan scan = scan_init(img, b);
	struct pointers p = { .img = img, .scan = &scan, .cxx = &cxx };
	struct err *err = cxx_open(img, &cxx);

	scan.pooled = pooled;
	scan.tagged = tagged_find(img, b);
	for (size_t i = 0; i < img->n_segments && !err; i++) {
		const struct segment *seg = &img->segments[i];

		if (seg->origin != SEG_CORE)
			continue;
		keep_types(&p, seg);
		err = scan_range(&scan, seg->start, seg->end, on_word, &p);
		mark_pages(img, seg, &places);
	}
	img->shadow->mode = SHADOW_OFF; /* scan_block() reads what it passes over, too */
	for (size_t i = 0; i < b->n_claims && !err; i++)
		if (blocks_is_precise(b, i) && !b->claims[i].no_pointers)
			err = scan_claim(&p, &b->claims[i]);
	return err;
}
