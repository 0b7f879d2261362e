/*
 * gtcmalloc_spans.c - every span in use that the page map leads to, checked, sorted, joined into claims.
 *
 * The first page of a span leads to it; all of its pages do if it has small objects, with their size class
 * (pagemap.cc).  Entries of spans that are gone stay as they were, but for the size class in the leaf's
 * first array, and a Span that is gone lies in its allocator's list of free ones
 * (metadata_object_allocator.h): what is in no list and says the page that leads to it is in use.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "heap/gtcmalloc_fields.h"
#include "heap/touched.h"

enum {
	RUN_BYTES = 16 << 20, /* of one claim: they are walked in parallel */
	RESERVED_BITS = 26,   /* kReservedBits, between a Span's first page and its flags */
};

void gtc_damage(struct gtcmalloc *t, taddr at, const char *fmt, ...)
{
	va_list ap;

	t->failed++;
	va_start(ap, fmt);
	damage_vadd(&t->damage, t->env, at, fmt, ap);
	va_end(ap);
}

/* ---- one span */

struct reading {
	struct gtcmalloc *t;
	struct gtc_copy *c;
	uint64_t next;	 /* the first page that no span covers yet */
	uint64_t absent; /* what of its bound is spent */
};

struct entry {
	taddr span;
	uint64_t page;
	uint32_t class, packed_class;
};

/* What a Span says of itself. */
static bool decode(const struct image *img, const struct gtc_map *m, taddr addr, struct gtc_span *s, uint64_t *ret_page)
{
	unsigned bits = 48 - m->page_shift, flags = (bits % 32 + RESERVED_BITS > 32 ? 32 : bits) + RESERVED_BITS;
	uint64_t w[GSPAN_SIZE / 8], first;

	if (!gtc_is_metadata(addr) || addr & (GSPAN_SIZE - 1) || image_read(img, addr, w, sizeof(w)) != MEM_OK)
		return false;
	first = w[GSPAN_FIRST / 8];
	*ret_page = first & ((1ull << bits) - 1);
	s->addr = addr;
	s->allocated = (uint16_t)(w[GSPAN_EMBED / 8] >> 8 * (GSPAN_ALLOCATED - GSPAN_EMBED));
	s->sampled = first >> (flags + 1) & 1;
	s->npages = first >> flags & 3 ? w[GSPAN_PAGES / 8] : w[GSPAN_PAGES / 8] & 63;
	return true;
}

/* Of a class that its two copies, or the span, contradict, what the span's pages speak for. */
static uint32_t mended_class(const struct gtc_copy *c, const struct entry *e, uint64_t npages)
{
	if (e->class < c->n_classes && c->class[e->class].pages == npages)
		return e->class;
	if (e->packed_class < c->n_classes && c->class[e->packed_class].pages == npages)
		return e->packed_class;
	return e->class < GTC_CLASSES ? e->class : 0;
}

/* As many pages from its first one on as lead to it and have its class. */
static uint64_t pages_of(const struct reading *r, const struct entry *e)
{
	uint64_t want = e->class < r->c->n_classes ? r->c->class[e->class].pages : 0, n = 1;

	for (; n < want; n++) {
		uint64_t index;
		taddr leaf = gtc_leaf_of(r->t->img, &r->c->map, e->page + n, &index);
		struct entry other;

		if (!leaf || !gtc_leaf_entry(r->t->img, &r->c->map, leaf, index, &other.span, &other.packed_class, &other.class) ||
		    other.span != e->span || other.class != e->class)
			break;
	}
	return n;
}

static struct err *keep(struct reading *r, struct gtc_span *s, const struct entry *e)
{
	unsigned shift = r->c->map.page_shift;

	s->base = e->page << shift;
	s->copy = (uint8_t)(r->c - r->t->copies);
	if (!s->npages || s->npages > GTC_MAX_PAGES - e->page || s->npages > 1ull << 48 >> shift ||
	    !is_believable(r->t->img, s->base, s->base + (s->npages << shift), &r->absent)) {
		gtc_damage(r->t, s->addr, "span at 0x%" PRIx64 " of 0x%" PRIx64 ": it cannot have 0x%" PRIx64 " pages", s->addr,
			   s->base, s->npages);
		return NULL;
	}
	r->next = e->page + s->npages;
	return col_append(&r->t->spans_col, s, 1);
}

static struct err *add_span(struct reading *r, const struct entry *e)
{
	struct gtc_span s = { .addr = e->span };
	uint64_t page = 0;
	bool is_one = decode(r->t->img, &r->c->map, e->span, &s, &page);

	if (!e->class && (e->packed_class || !is_one || page != e->page || gtc_is_dead(r->c, e->span)))
		return NULL; /* it is gone */
	s.class = (uint16_t)mended_class(r->c, e, s.npages);
	if (!is_one || page != e->page) {
		gtc_damage(r->t, e->span,
			   "span at 0x%" PRIx64 ": it says page 0x%" PRIx64 ", the page map has it at 0x%" PRIx64, e->span, page,
			   e->page);
		s.class = (uint16_t)(e->class < GTC_CLASSES ? e->class : 0);
		s.npages = pages_of(r, e);
	} else if (e->class != e->packed_class || (s.class && s.sampled)) {
		gtc_damage(r->t, e->span, "page map: the page 0x%" PRIx64 " is of size class %u and of %u", e->page, e->class,
			   e->packed_class);
	} else {
		r->t->passed++;
	}
	return keep(r, &s, e);
}

static struct err *read_leaf(struct reading *r, const struct gtc_leaf *leaf)
{
	const struct gtc_map *m = &r->c->map;
	uint64_t n = 1ull << m->leaf_bits, i = r->next > leaf->page ? r->next - leaf->page : 0;
	taddr words = leaf->addr + n * m->class_bytes;
	struct err *err = NULL;

	while (i < n && !err) {
		uint64_t avail, k = 0, have;
		const uint8_t *bytes = image_view(r->t->img, words + 8 * i, &avail);
		struct entry e;

		have = bytes ? avail / 8 : 0;
		if (!have) {
			gtc_damage(r->t, words + 8 * i, "page map: its leaf at 0x%" PRIx64 " ends in what the dump has not", leaf->addr);
			break;
		}
		if (have > n - i)
			have = n - i;
		while (k < have && !load_u64(bytes + 8 * k))
			k++;
		i += k;
		if (k == have)
			continue;
		e.page = leaf->page + i;
		if (gtc_leaf_entry(r->t->img, m, leaf->addr, i, &e.span, &e.packed_class, &e.class))
			err = add_span(r, &e);
		i = r->next > leaf->page + i ? r->next - leaf->page : i + 1;
	}
	return err;
}

static struct err *read_map(struct gtcmalloc *t, struct gtc_copy *c)
{
	struct reading r = { .t = t, .c = c };
	struct err *err = NULL;

	for (size_t i = 0; i < c->leaves.n && !err; i++)
		err = read_leaf(&r, &c->leaves.v[i]);
	return err;
}

/* ---- all of them */

static int by_base(const void *pa, const void *pb)
{
	const struct gtc_span *a = pa, *b = pb;

	if (a->base != b->base)
		return a->base < b->base ? -1 : 1;
	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

static void drop_overlaps(struct gtcmalloc *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n_spans; i++) {
		const struct gtc_span *s = &t->spans[i], *last = kept ? &t->spans[kept - 1] : NULL;

		if (last && s->base < gtc_span_end(t, last))
			gtc_damage(t, s->addr, "span at 0x%" PRIx64 ": its pages are those of the one at 0x%" PRIx64, s->addr,
				   last->addr);
		else
			t->spans[kept++] = *s;
	}
	t->n_spans = kept;
}

static struct err *join_runs(struct gtcmalloc *t)
{
	struct gtc_run *run = NULL;

	for (size_t i = 0; i < t->n_spans; i++) {
		struct gtc_span *s = &t->spans[i];
		struct gtc_run fresh = { .first = (uint32_t)i };

		if (!run || gtc_span_end(t, s - 1) != s->base || s->copy != s[-1].copy ||
		    s->base - t->spans[run->first].base >= RUN_BYTES) {
			if (!vec_push(&t->runs, &fresh))
				return &err_nomem;
			run = &t->runs.v[t->runs.n - 1];
		}
		run->n++;
		run->small_grains |= gtc_object_size(t, s) % 16 != 0;
	}
	return NULL;
}

/*
 * Room for a bit an object, each span's in words of their own: spans are walked in parallel.  Not of one
 * that has not its class's pages: it will be one block.
 */
static struct err *open_bits(struct gtcmalloc *t)
{
	uint64_t words = 0;
	struct err *err;

	for (size_t i = 0; i < t->n_spans; i++) {
		struct gtc_span *s = &t->spans[i];

		if (!gtc_has_indices(t, s) || t->copies[s->copy].class[s->class].pages != s->npages)
			continue;
		s->bits = words;
		words += bits_words(gtc_span_objects(t, s));
	}
	err = col_fixed(t->env, 8, words, "free objects of spans", &t->bits_col);
	t->free_bits = t->bits_col.base;
	return err;
}

struct err *gtc_read_spans(struct gtcmalloc *t)
{
	struct err *err = col_open(t->env, sizeof(struct gtc_span), UINT32_MAX, "tcmalloc spans", &t->spans_col);

	for (uint32_t i = 0; i < t->n_copies && !err; i++)
		err = read_map(t, &t->copies[i]);
	if (err)
		return err;
	t->spans = t->spans_col.base;
	t->n_spans = t->spans_col.n;
	if (t->n_copies > 1 && t->n_spans)
		qsort(t->spans, t->n_spans, sizeof(*t->spans), by_base);
	drop_overlaps(t);
	err = open_bits(t);
	return err ? err : join_runs(t);
}

struct gtc_span *gtc_span_at(const struct gtcmalloc *t, taddr addr)
{
	size_t lo = 0, hi = t->n_spans;

	while (lo < hi) { /* spans below lo start at or before addr */
		size_t mid = lo + (hi - lo) / 2;

		if (t->spans[mid].base <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && addr < gtc_span_end(t, &t->spans[lo - 1]) ? &t->spans[lo - 1] : NULL;
}
