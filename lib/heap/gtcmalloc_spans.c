/*
 * gtcmalloc_spans.c - every span in use that the page map leads to, checked.
 *
 * The first page of a span leads to it; all of its pages do if it has small objects, with their size class
 * (pagemap.cc).  Entries of spans that are gone stay as they were, but for the size class in the leaf's
 * first array, and a Span that is gone lies in its allocator's list of free ones
 * (metadata_object_allocator.h): what is in no list and says the page that leads to it is in use.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/bits.h"
#include "heap/gtcmalloc_fields.h"
#include "heap/touched.h"

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
static bool decode(const struct image *img, const struct gtc_copy *c, taddr addr, struct tc_span *s,
		   uint64_t *ret_page, uint64_t *ret_npages)
{
	uint64_t w[GSPAN_SIZE / 8];
	bool sampled;

	if (!gtc_is_metadata(addr) || addr & (GSPAN_SIZE - 1) || image_read(img, addr, w, sizeof(w)) != MEM_OK)
		return false;
	*ret_page = gtc_bits(w[GSPAN_FIRST / 8], 0, gtc_page_bits(&c->map));
	*ret_npages = gtc_words_pages(&c->layout, w, &sampled);
	s->addr = addr;
	s->counted = (uint16_t)(w[GSPAN_EMBED / 8] >> 8 * (GSPAN_ALLOCATED - GSPAN_EMBED));
	s->sampled = sampled;
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

static struct err *keep(struct reading *r, struct tc_span *s, const struct entry *e, uint64_t npages)
{
	unsigned shift = r->c->map.page_shift;

	s->base = e->page << shift;
	s->end = s->base + (npages << shift);
	s->copy = (uint8_t)(r->c - r->t->copies);
	if (!npages || npages > GTC_MAX_PAGES - e->page || npages > 1ull << 48 >> shift ||
	    !is_believable(r->t->img, s->base, s->end, &r->absent)) {
		tc_damage(&r->t->spans, s->addr,
			  "span at 0x%" PRIx64 " of 0x%" PRIx64 ": it cannot have 0x%" PRIx64 " pages",
			  s->addr, s->base, npages);
		return NULL;
	}
	s->small_grains = gtc_object_size(r->t, s) % 16 != 0;
	r->next = e->page + npages;
	return tc_spans_add(&r->t->spans, s);
}

static struct err *add_span(struct reading *r, const struct entry *e)
{
	struct tc_span s = { .addr = e->span };
	uint64_t page = 0, npages = 0;
	bool is_one = decode(r->t->img, r->c, e->span, &s, &page, &npages);

	if (!e->class && (e->packed_class || !is_one || page != e->page || gtc_is_dead(r->c, e->span)))
		return NULL; /* it is gone */
	s.class = (uint16_t)mended_class(r->c, e, npages);
	if (!is_one || page != e->page) {
		tc_damage(&r->t->spans, e->span,
			   "span at 0x%" PRIx64 ": it says page 0x%" PRIx64 ", the page map has it at 0x%" PRIx64, e->span, page,
			   e->page);
		s.class = (uint16_t)(e->class < GTC_CLASSES ? e->class : 0);
		npages = pages_of(r, e);
	} else if (e->class != e->packed_class || (s.class && s.sampled)) {
		tc_damage(&r->t->spans, e->span, "page map: the page 0x%" PRIx64 " is of size class %u and of %u", e->page, e->class,
			   e->packed_class);
	} else {
		r->t->spans.passed++;
	}
	return keep(r, &s, e, npages);
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
			tc_damage(&r->t->spans, words + 8 * i, "page map: its leaf at 0x%" PRIx64 " ends in what the dump has not", leaf->addr);
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

/*
 * Room for a bit an object, each span's in words of their own: spans are walked in parallel.  Not of one
 * that has not its class's pages: it will be one block.
 */
static struct err *open_bits(struct gtcmalloc *t)
{
	uint64_t words = 0;
	struct err *err;

	for (size_t i = 0; i < t->spans.n; i++) {
		struct tc_span *s = &t->spans.v[i];

		if (!gtc_has_indices(t, s) || t->copies[s->copy].class[s->class].pages != gtc_span_pages(t, s))
			continue;
		s->bits = words;
		words += bits_words(gtc_span_objects(t, s));
	}
	err = col_fixed(t->spans.env, 8, words, "free objects of spans", &t->bits_col);
	t->free_bits = t->bits_col.base;
	return err;
}

struct err *gtc_read_spans(struct gtcmalloc *t)
{
	struct err *err = NULL;

	for (uint32_t i = 0; i < t->n_copies && !err; i++)
		err = read_map(t, &t->copies[i]);
	if (!err)
		err = tc_spans_join(&t->spans);
	return err ? err : open_bits(t);
}
