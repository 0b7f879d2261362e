/*
 * heap/go_spans.c - mheap_.allspans, checked span by span, sorted, joined into claims.
 *
 * Source of truth: runtime/mheap.go of Go 1.19 to 1.27.  A span that cannot be is left out and listed
 * as damage; one that only disagrees with its arena or its own count is kept and listed.
 */
#include "heap/go_spans.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"

enum {
	MSPAN_MAX = 512,    /* bytes of an mspan that are looked at */
	SIZE_CLASSES = 68,
	CLIPPED_MAX = 1 << 22, /* pages looked up for spans whose number of pages is wrong */
};
#define ABSENT_MAX (16ull << 30) /* bytes of spans that are not in the dump */

void go_damage(struct go_heap *h, taddr at, const char *fmt, ...)
{
	va_list ap;

	h->failed++;
	va_start(ap, fmt);
	damage_vadd(&h->damage, h->env, at, fmt, ap);
	va_end(ap);
}

/* ---- one mspan */

struct raw {
	uint8_t b[MSPAN_MAX];
};

static uint64_t field(const struct raw *r, uint32_t offset, unsigned size)
{
	uint64_t v = 0;

	if (offset <= MSPAN_MAX - sizeof(v)) /* absent fields are far beyond */
		memcpy(&v, r->b + offset, size);
	return v;
}

static bool read_raw(const struct go_heap *h, taddr addr, struct raw *ret)
{
	uint32_t size = h->go->layout.mspan.size;

	if (size > sizeof(ret->b))
		size = sizeof(ret->b);
	return image_read(h->img, addr, ret->b, size) == MEM_OK;
}

static uint8_t bits_of(const struct go_heap *h, const struct go_span *s)
{
	if (go_span_noscan(s))
		return GO_BITS_NONE;
	if (!h->go->allocheaders)
		return GO_BITS_ARENA;
	if (s->user_arena)
		return GO_BITS_CHUNK;
	if (s->elemsize <= GO_HEADER_MIN)
		return GO_BITS_SPAN;
	return s->spanclass >> 1 ? GO_BITS_HEADER : GO_BITS_LARGE;
}

/* mcache.refill() adds allocCount less allocCountBeforeCache, which lies 6 bytes behind, to the totals. */
static uint32_t cached_objects(const struct go_heap *h, const struct raw *r, const struct go_span *s)
{
	uint32_t before = (uint32_t)field(r, h->go->layout.mspan.allocCount + 6, 2);
	bool is_cached = s->sweepgen == h->sweepgen + 1 || s->sweepgen == h->sweepgen + 3;

	return is_cached && before < s->alloc_count ? s->alloc_count - before : 0;
}

/* NULL, or what cannot be. */
static const char *decode(const struct go_heap *h, const struct raw *r, struct go_span *s)
{
	const struct go_layout *l = &h->go->layout;
	uint64_t npages = field(r, l->mspan.npages, 8), nelems = field(r, l->mspan.nelems, l->mspan.int_size);
	uint64_t freeindex = field(r, l->mspan.freeindex, l->mspan.int_size);

	s->base = field(r, l->mspan.startAddr, 8);
	s->alloc_bits = field(r, l->mspan.allocBits, 8);
	s->mark_bits = field(r, l->mspan.gcmarkBits, 8);
	s->large_type = field(r, l->mspan.largeType, 8);
	s->specials = field(r, l->mspan.specials, 8);
	s->elemsize = field(r, l->mspan.elemsize, 8);
	s->sweepgen = (uint32_t)field(r, l->mspan.sweepgen, 4);
	s->alloc_count = (uint32_t)field(r, l->mspan.allocCount, 2);
	s->spanclass = (uint8_t)field(r, l->mspan.spanclass, 1);
	s->n_cached = cached_objects(h, r, s);
	s->user_arena = field(r, l->mspan.isUserArenaChunk, 1) == 1;
	s->ptr_bytes = UINT64_MAX;
	if (!s->base || s->base % GO_PAGE || s->base >> 48)
		return "its start is no page of the heap";
	if (!npages || npages > (1ull << 48) / GO_PAGE || npages > ((1ull << 48) - s->base) / GO_PAGE - 1)
		return "its number of pages cannot be";
	s->npages = (uint32_t)npages;
	if (npages != s->npages)
		return "its number of pages cannot be";
	if (s->state == GO_SPAN_MANUAL)
		return NULL;
	if (s->spanclass >> 1 >= SIZE_CLASSES)
		return "its size class cannot be";
	if (!s->elemsize || s->elemsize % GO_WORD || !nelems || nelems > go_span_bytes(s) / s->elemsize ||
	    (!(s->spanclass >> 1) && nelems != 1))
		return "its elements do not fit";
	s->nelems = (uint32_t)nelems;
	if (freeindex > nelems)
		return "its free index is past its elements";
	s->freeindex = (uint32_t)freeindex;
	s->bits = bits_of(h, s);
	s->inline_marks = h->go->greentea && s->elemsize >= 16 && s->elemsize <= GO_HEADER_MIN;
	return NULL;
}

/*
 * Every page is the process's memory: a span that says it has more would make an index of nothing.
 * Of what was not dumped only so much is believed.
 */
static bool is_mapped(struct go_heap *h, const struct go_span *s)
{
	for (taddr at = s->base; at < go_span_end(s);) {
		const struct segment *seg = image_segment(h->img, at);
		taddr end = go_span_end(s);

		if (!seg)
			return false;
		if (seg->end < end)
			end = seg->end;
		if (!seg->bytes) {
			if (end - at > ABSENT_MAX - h->absent)
				return false;
			h->absent += end - at;
		}
		at = end;
	}
	return true;
}

/*
 * heapArena.spans gives a span back for each of its pages. If it does for the first alone, then the
 * number of pages is what is wrong.
 */
static void check_arena(struct go_heap *h, struct go_span *s)
{
	taddr at = s->base, end = go_span_end(s);

	if (go_span_of(h->go, s->base) == s->addr && go_span_of(h->go, end - GO_PAGE) == s->addr) {
		h->passed++;
		return;
	}
	go_damage(h, s->addr, "span 0x%" PRIx64 " of 0x%" PRIx64 "-0x%" PRIx64 ": the arena knows it otherwise", s->addr,
		  s->base, end);
	for (; at < end && h->n_clipped < CLIPPED_MAX && go_span_of(h->go, at) == s->addr; h->n_clipped++)
		at += GO_PAGE;
	if (at > s->base && s->nelems * s->elemsize <= at - s->base)
		s->npages = (uint32_t)((at - s->base) / GO_PAGE);
}

/* Every byte lies in an arena: one with too many pages would make an index of nothing. */
static bool in_arenas(const struct go_heap *h, const struct go_span *s)
{
	for (taddr at = s->base; at < go_span_end(s); at += GO_ARENA)
		if (!go_heap_arena(h->go, at))
			return false;
	return go_heap_arena(h->go, go_span_end(s) - 1);
}

static struct err *add_span(struct go_heap *h, taddr addr)
{
	struct go_span s = { .addr = addr };
	struct raw raw = {};
	const char *wrong;

	if (!addr || addr % GO_WORD || !read_raw(h, addr, &raw)) {
		go_damage(h, addr, "mspan at 0x%" PRIx64 ": not in the dump", addr);
		return NULL;
	}
	s.state = (uint8_t)field(&raw, h->go->layout.mspan.state, 1);
	if (s.state == GO_SPAN_DEAD)
		return NULL;
	if (s.state > GO_SPAN_MANUAL) {
		go_damage(h, addr, "mspan at 0x%" PRIx64 ": state %u", addr, s.state);
		return NULL;
	}
	wrong = decode(h, &raw, &s);
	if (wrong) {
		go_damage(h, addr, "mspan at 0x%" PRIx64 ": %s", addr, wrong);
		return NULL;
	}
	if (!go_heap_arena(h->go, s.base)) {
		go_damage(h, addr, "mspan at 0x%" PRIx64 ": 0x%" PRIx64 " is in no arena", addr, s.base);
		return NULL;
	}
	check_arena(h, &s);
	if (!in_arenas(h, &s) || !is_mapped(h, &s)) {
		go_damage(h, addr, "mspan at 0x%" PRIx64 ": 0x%" PRIx64 "-0x%" PRIx64 " is not all the heap's memory", addr,
			  s.base, go_span_end(&s));
		return NULL;
	}
	h->passed++;
	if (s.state == GO_SPAN_IN_USE && !go_span_alloc_bits(h, &s)) {
		s.bits_lost = true;
		go_damage(h, addr, "mspan at 0x%" PRIx64 ": its allocation bits at 0x%" PRIx64 " are not in the dump", addr,
			  s.alloc_bits);
	}
	if (s.spanclass < 2 && s.state == GO_SPAN_IN_USE)
		s.ptr_bytes = go_slots_end(h, &s);
	return col_append(&h->spans_col, &s, 1);
}

/* ---- all of them */

static int by_base(const void *pa, const void *pb)
{
	const struct go_span *a = pa, *b = pb;

	if (a->base != b->base)
		return a->base < b->base ? -1 : 1;
	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

static void drop_overlaps(struct go_heap *h)
{
	size_t kept = 0;

	for (size_t i = 0; i < h->n_spans; i++) {
		const struct go_span *s = &h->spans[i], *last = kept ? &h->spans[kept - 1] : NULL;

		if (last && s->base < go_span_end(last)) {
			if (s->addr != last->addr)
				go_damage(h, s->addr, "mspan at 0x%" PRIx64 ": its pages are those of the one at 0x%" PRIx64,
					  s->addr, last->addr);
			continue;
		}
		h->spans[kept++] = *s;
	}
	h->n_spans = kept;
}

static bool continues(const struct go_span *a, const struct go_span *b)
{
	return a->spanclass > 1 && a->spanclass == b->spanclass && a->npages == b->npages && a->elemsize == b->elemsize &&
	       a->bits == b->bits && go_span_end(a) == b->base;
}

static struct err *join_runs(struct go_heap *h)
{
	const struct go_span *last = NULL;

	for (size_t i = 0; i < h->n_spans; i++) {
		const struct go_span *s = &h->spans[i];
		struct go_run run = { (uint32_t)i, 1 };

		if (s->state != GO_SPAN_IN_USE) {
			last = NULL;
			continue;
		}
		if (last && continues(last, s))
			h->runs.v[h->runs.n - 1].n++;
		else if (!vec_push(&h->runs, &run))
			return &err_nomem;
		last = s;
	}
	return NULL;
}

struct err *go_spans_open(struct go_heap *h)
{
	taddr mheap = h->go->at.mheap, list;
	uint64_t n;
	uint32_t sweepgen;
	struct err *err;

	if (!go_slice(h->go, mheap + h->go->layout.mheap.allspans, 8, &list, &n))
		return err_new(ERR_FORMAT, "mheap_ at 0x%" PRIx64 ": its list of spans is not in the dump", mheap);
	if (image_read_u32(h->img, mheap + h->go->layout.mheap.sweepgen, &sweepgen) == MEM_OK)
		h->sweepgen = sweepgen;
	err = col_open(h->env, sizeof(struct go_span), n < UINT32_MAX ? n : UINT32_MAX, "Go spans", &h->spans_col);
	for (uint64_t i = 0; i < n && i < UINT32_MAX && !err; i++)
		err = add_span(h, go_word(h->go, list + 8 * i));
	if (err)
		return err;
	h->spans = h->spans_col.base;
	h->n_spans = h->spans_col.n;
	if (h->n_spans)
		qsort(h->spans, h->n_spans, sizeof(*h->spans), by_base);
	drop_overlaps(h);
	for (size_t i = 0; i < h->n_spans && !h->has_unswept; i++)
		h->has_unswept = go_span_unswept(&h->spans[i], h->sweepgen);
	return join_runs(h);
}

const struct go_span *go_span_at(const struct go_heap *h, taddr addr)
{
	size_t lo = partition_point(h->n_spans, i, h->spans[i].base <= addr);

	return lo && addr < go_span_end(&h->spans[lo - 1]) ? &h->spans[lo - 1] : NULL;
}

const uint8_t *go_span_alloc_bits(const struct go_heap *h, const struct go_span *s)
{
	uint64_t avail = 0;
	const uint8_t *bits = image_view(h->img, s->alloc_bits, &avail);

	return bits && avail >= (s->nelems + 7) / 8 ? bits : NULL;
}

int go_span_marked(const struct go_heap *h, const struct go_span *s, uint32_t element)
{
	/* spanInlineMarkBits: 63 bytes of scans, owned, 63 bytes of marks, class. */
	taddr at = s->inline_marks ? s->base + GO_PAGE - GO_INLINE_MARKS + 64 : s->mark_bits;
	uint8_t byte;

	if (image_read(h->img, at + element / 8, &byte, 1) != MEM_OK)
		return -1;
	return byte >> (element & 7) & 1;
}
