/*
 * heap/go_slots.c - which words of Go objects may hold pointers, as the collector itself knows it.
 *
 * Source of truth: runtime/mbitmap.go (1.22: mbitmap_allocheaders.go), arena.go.  To 1.21 a bitmap of
 * the arena: two bits a word in 1.19 (pointer; scan: clear ends the object), one since 1.20.  Since
 * 1.22: objects of up to 512 bytes have theirs at the end of the span; larger ones have a type, in
 * front of them or in the span, which repeats over the whole element.
 *
 * Types give their masks by structure (image/go_type.h): neither GC programs nor masks made on demand
 * need to be in the dump.
 */
#include <string.h>

#include "base/bits.h"
#include "heap/go_spans.h"
#include "image/go_type.h"

enum { TYPE_DEPTH = 64 };

struct window {
	const struct go_heap *h;
	taddr at, end;
	uint64_t *mask; /* bit 0: the word at `at` */
};

static taddr latest(taddr a, taddr b)
{
	return a > b ? a : b;
}

static taddr earliest(taddr a, taddr b)
{
	return a < b ? a : b;
}

/* Sets n bits of mask from `to` on. */
static void fill(const struct window *w, taddr from, taddr to)
{
	from = latest(from, w->at);
	to = earliest(to, w->end);
	if (from < to)
		bits_set_range(w->mask, (from - w->at) / GO_WORD, (to - w->at) / GO_WORD);
}

/* 64 bits of a bitmap of n_bits from bit `i` on; zeros past its end. */
static uint64_t bits_from(const uint8_t *bits, uint64_t n_bits, uint64_t i)
{
	uint8_t raw[16] = {};
	uint64_t first = i / 8, bytes = (n_bits + 7) / 8, n, v;

	if (i >= n_bits)
		return 0;
	n = bytes - first < 9 ? bytes - first : 9;
	memcpy(raw, bits + first, n);
	v = load_u64(raw) >> (i & 7);
	if (i & 7)
		v |= (uint64_t)raw[8] << (64 - (i & 7));
	if (n_bits - i < 64)
		v &= (1ull << (n_bits - i)) - 1;
	return v;
}

/* Lays a bitmap, whose bit 0 is the word at `start`, over the window; nothing at or behind `stop`. */
static void lay(const struct window *w, const uint8_t *bits, uint64_t n_bits, taddr start, taddr stop)
{
	taddr from = latest(start, w->at), to = earliest(stop, w->end);

	for (; from < to; from += 64 * GO_WORD) {
		uint64_t dst = (from - w->at) / GO_WORD, n = (to - from) / GO_WORD;
		uint64_t v = bits_from(bits, n_bits, (from - start) / GO_WORD);

		if (n < 64)
			v &= (1ull << n) - 1;
		if (!v)
			continue;
		w->mask[dst >> 6] |= v << (dst & 63);
		if ((dst & 63) && v >> (64 - (dst & 63)))
			w->mask[(dst >> 6) + 1] |= v >> (64 - (dst & 63));
	}
}

/* A bitmap in the dump; what is not there leaves every word of it a slot. */
static void lay_dumped(const struct window *w, taddr bitmap, uint64_t n_bits, taddr start, taddr stop)
{
	uint64_t skip = start < w->at ? (w->at - start) / GO_WORD / 64 * 64 : 0, avail = 0, n;
	const uint8_t *bits;

	if (skip >= n_bits)
		return;
	bits = image_view(w->h->img, bitmap + skip / 8, &avail);
	start += skip * GO_WORD;
	n = n_bits - skip;
	stop = earliest(stop, start + n * GO_WORD);
	if (bits && avail < (n + 7) / 8 && avail * 8 * GO_WORD >= w->end - start)
		n = avail * 8;
	if (bits && avail >= (n + 7) / 8)
		lay(w, bits, n, start, stop);
	else
		fill(w, start, stop);
}

/* ---- types */

/* Part of a value whose mask is too long to be made. */
struct part {
	const struct go_type *type;
	taddr at;
	uint64_t i, end; /* elements or fields that may lie in the window */
};

static bool misses(const struct window *w, const struct go_type *t, taddr at)
{
	return !t->ptr_bytes || at >= w->end || (at < w->at && w->at - at >= t->ptr_bytes);
}

static struct part part_of(const struct window *w, const struct go_type *t, taddr at)
{
	struct part p = { .type = t, .at = at, .end = t->kind == GO_ARRAY ? t->len : t->n_fields };

	if (t->kind != GO_ARRAY || !t->elem || !t->elem->size)
		return p;
	if (w->at > at)
		p.i = (w->at - at) / t->elem->size;
	if (p.end > (w->end - at) / t->elem->size + 1)
		p.end = (w->end - at) / t->elem->size + 1;
	return p;
}

static void lay_type(const struct window *w, const struct go_type *type, taddr at)
{
	const struct go *go = w->h->go;
	struct part stack[TYPE_DEPTH];
	unsigned n = 0;

	for (;;) {
		const uint64_t *mask = misses(w, type, at) ? NULL : go_type_mask(go, type);
		struct part *p;

		if (mask)
			lay(w, (const uint8_t *)mask, type->ptr_bytes / GO_WORD, at, at + type->ptr_bytes);
		else if (!misses(w, type, at) && n < TYPE_DEPTH)
			stack[n++] = part_of(w, type, at);
		while (n && stack[n - 1].i >= stack[n - 1].end)
			n--;
		if (!n)
			return;
		p = &stack[n - 1];
		if (p->type->kind == GO_ARRAY) {
			type = p->type->elem;
			at = p->at + p->i++ * (type ? type->size : 0);
			if (!type)
				return;
		} else {
			type = p->type->fields[p->i].type;
			at = p->at + p->type->fields[p->i++].offset;
		}
	}
}

/* A type over and over from `data` to `end`, as the collector reads an allocation. */
static void tile(const struct window *w, const struct go_type *t, taddr data, taddr end)
{
	const uint64_t *mask;
	taddr at = data;

	if (!t->ptr_bytes)
		return;
	if (t->size < GO_WORD || t->size % GO_WORD) {
		fill(w, data, end);
		return;
	}
	if (t->size == GO_WORD) { /* its one word is a pointer */
		fill(w, data, end);
		return;
	}
	if (w->at > data)
		at += (w->at - data) / t->size * t->size;
	mask = t->ptr_bytes <= t->size ? go_type_mask(w->h->go, t) : NULL;
	for (; at < end && at < w->end && end - at >= GO_WORD; at += t->size) {
		if (mask)
			lay(w, (const uint8_t *)mask, t->ptr_bytes / GO_WORD, at, end);
		else
			lay_type(w, t, at);
		if (t->size > w->end - at)
			break;
	}
}

static void tile_by(const struct window *w, taddr type, taddr data, taddr end)
{
	const struct go_type *t;

	if (!type)
		return; /* not written yet: the object is all zeros */
	t = go_type_at(w->h->go, type);
	if (t)
		tile(w, t, data, end);
	else
		fill(w, data, end); /* unknown: nothing is to be lost by it */
}

/* ---- spans */

static void span_bits(const struct window *w, const struct go_span *s)
{
	uint64_t bytes = go_span_bytes(s) / GO_WORD / 8;
	taddr bitmap = go_span_end(s) - bytes - (s->inline_marks ? GO_INLINE_MARKS : 0);

	lay_dumped(w, bitmap, bytes * 8, s->base, s->base + s->nelems * s->elemsize);
}

static void headers(const struct window *w, const struct go_span *s)
{
	const uint8_t *allocated = go_span_alloc_bits(w->h, s);
	uint64_t i = w->at > s->base ? (w->at - s->base) / s->elemsize : 0;

	for (; i < s->nelems && s->base + i * s->elemsize < w->end; i++) {
		taddr at = s->base + i * s->elemsize;
		uint64_t type;

		if (!go_span_allocated(s, allocated, (uint32_t)i) || image_read_u64(w->h->img, at, &type) != MEM_OK)
			continue;
		tile_by(w, type, at + GO_WORD, at + s->elemsize);
	}
}

/* newUserArenaChunk(): a type behind the limit, its GCData the bits, its PtrBytes what is used. */
static void chunk(const struct window *w, const struct go_span *s)
{
	taddr bitmap = go_word(w->h->go, s->large_type + 32);
	uint64_t used = s->ptr_bytes < s->elemsize ? s->ptr_bytes : s->elemsize;

	lay_dumped(w, bitmap, used / GO_WORD, s->base, s->base + used);
}

/* ---- the arena's bitmap, to 1.21 */

static bool two_bits(const struct go_heap *h)
{
	return h->go->layout.heapArena.noMorePtrs == GO_ABSENT;
}

/* 1.19's bitmap as far as it was looked up: a byte for each four words of [start, end). */
struct two_bits {
	const struct go_heap *h;
	const uint8_t *bytes;
	taddr start, end;
};

/* Pointer bit 1 and scan bit 16 of the word at addr; false where the bitmap is not in the dump. */
static inline bool bits_of_word(struct two_bits *t, taddr addr, unsigned *ret)
{
	if (addr < t->start || addr >= t->end) {
		taddr arena = go_heap_arena(t->h->go, addr), skip = addr % GO_ARENA / GO_WORD / 4;
		uint64_t avail = 0, rest = GO_ARENA / GO_WORD / 4 - skip;

		if (!arena)
			return false;
		t->bytes = image_view(t->h->img, arena + t->h->go->layout.heapArena.bitmap + skip, &avail);
		if (!t->bytes)
			return false;
		t->start = align_down(addr, 4 * GO_WORD);
		t->end = t->start + (avail < rest ? avail : rest) * 4 * GO_WORD;
	}
	*ret = (unsigned)t->bytes[(addr - t->start) / GO_WORD / 4] >> (addr / GO_WORD & 3) & 0x11;
	return true;
}

static void two_bit_element(const struct window *w, struct two_bits *t, taddr start, taddr end)
{
	end = earliest(end, w->end);
	for (taddr at = start; at < end; at += GO_WORD) {
		unsigned bits;

		if (!bits_of_word(t, at, &bits)) {
			fill(w, at, end);
			return;
		}
		if (!(bits & 0x10))
			return;
		if (bits & 1 && at >= w->at)
			bit_set(w->mask, (at - w->at) / GO_WORD);
	}
}

static void two_bit_span(const struct window *w, const struct go_span *s)
{
	uint64_t i = w->at > s->base ? (w->at - s->base) / s->elemsize : 0;
	struct two_bits t = { .h = w->h };

	if (s->nelems == 1 && s->ptr_bytes != UINT64_MAX) {
		two_bit_element(w, &t, latest(s->base, w->at), s->base + s->ptr_bytes);
		return;
	}
	for (; i < s->nelems && s->base + i * s->elemsize < w->end; i++)
		two_bit_element(w, &t, s->base + i * s->elemsize, s->base + (i + 1) * s->elemsize);
}

static void arena_bits(const struct window *w, const struct go_span *s)
{
	taddr at = latest(w->at, s->base), end = earliest(w->end, s->base + s->nelems * s->elemsize);

	if (two_bits(w->h)) {
		two_bit_span(w, s);
		return;
	}
	while (at < end) {
		taddr arena = go_heap_arena(w->h->go, at), start = align_down(at, GO_ARENA);
		taddr stop = earliest(end, start + GO_ARENA);

		if (arena)
			lay_dumped(w, arena + w->h->go->layout.heapArena.bitmap, GO_ARENA / GO_WORD, start, stop);
		else
			fill(w, at, stop);
		at = stop;
	}
}

uint64_t go_slots_end(const struct go_heap *h, const struct go_span *s)
{
	struct two_bits t = { .h = h };
	unsigned bits;

	if (s->bits == GO_BITS_CHUNK)
		return go_word(h->go, s->large_type + 8);
	if (s->bits != GO_BITS_ARENA || !two_bits(h))
		return UINT64_MAX;
	for (uint64_t off = 0; off < s->elemsize; off += GO_WORD)
		if (!bits_of_word(&t, s->base + off, &bits))
			return UINT64_MAX;
		else if (!(bits & 0x10))
			return off;
	return s->elemsize;
}

static void span_slots(const struct window *w, const struct go_span *s)
{
	switch ((enum go_bits)s->bits) {
	case GO_BITS_NONE:
		break;
	case GO_BITS_SPAN:
		span_bits(w, s);
		break;
	case GO_BITS_HEADER:
		headers(w, s);
		break;
	case GO_BITS_LARGE:
		tile_by(w, s->large_type, s->base, s->base + s->elemsize);
		break;
	case GO_BITS_ARENA:
		arena_bits(w, s);
		break;
	case GO_BITS_CHUNK:
		chunk(w, s);
		break;
	}
}

void go_slots(void *ctx, uint32_t claim, taddr at, unsigned n, uint64_t *mask)
{
	const struct go_heap *h = ctx;
	const struct go_run *run = &h->runs.v[claim];
	const struct go_span *s = &h->spans[run->first], *last = s + run->n - 1;
	struct window w = { .h = h, .at = at, .end = at + (uint64_t)n * GO_WORD, .mask = mask };

	memset(mask, 0, bits_words(n) * sizeof(*mask));
	if (s->bits == GO_BITS_NONE || at < s->base)
		return;
	for (s += (at - s->base) / go_span_bytes(s); s <= last && s->base < w.end; s++) {
		struct window part = w;

		/* A window of one span, on whole words of the mask where spans are pages. */
		if (part.at < s->base) {
			part.mask += (s->base - w.at) / GO_WORD / 64;
			part.at += (s->base - w.at) / GO_WORD / 64 * 64 * GO_WORD;
		}
		part.end = earliest(w.end, go_span_end(s));
		span_slots(&part, s);
	}
}
