/*
 * tcmalloc_spans.c - every span that the page maps lead to, checked.
 *
 * A span's first and last page lead to it (all of its pages if it has small objects); entries between
 * may be of spans that were merged long ago, so that the walk goes on behind each span.  Where a span
 * and the map disagree, what the map says of its pages is kept (gperftools src/page_heap.cc).
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/vec.h"
#include "heap/tcmalloc_fields.h"
#include "heap/touched.h"

enum {
	MENDED_MAX = 1 << 22, /* pages looked up for spans that the map contradicts */
	LEAVES_MAX = 1 << 20,
};
#define PAGE_MAX (1ull << 48)

/* ---- leaves of a page map */

struct leaf {
	taddr addr;
	uint64_t page; /* of its first entry */
};

struct leaves {
	struct leaf *v;
	size_t n, cap;
};

static struct err *add_leaves(const struct image *img, const struct tcm_copy *c, taddr node, unsigned bits,
			      uint64_t page, unsigned below, struct leaves *ret)
{
	for (uint64_t i = 0; i >> bits == 0 && ret->n < LEAVES_MAX; i++) {
		struct leaf leaf = { .page = page + (i << below) };

		if (image_read_u64(img, node + 8 * i, &leaf.addr) != MEM_OK)
			break;
		if (!leaf.addr)
			continue;
		if (below > c->map.leaf_bits) {
			struct err *err = add_leaves(img, c, leaf.addr, c->map.node_bits, leaf.page, c->map.leaf_bits, ret);

			if (err)
				return err;
		} else if (!vec_push(ret, &leaf)) {
			return &err_nomem;
		}
	}
	return NULL;
}

static int by_addr(const void *a, const void *b)
{
	const struct leaf *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr > y->addr ? 1 : -1;
	return (x->page > y->page) - (x->page < y->page);
}

static int by_page(const void *a, const void *b)
{
	const struct leaf *x = a, *y = b;

	return (x->page > y->page) - (x->page < y->page);
}

/* Leaves that share memory are damage; what is left can be no larger than the dump. */
static void drop_shared(struct tcmalloc *t, const struct tcm_copy *c, struct leaves *l)
{
	uint64_t bytes = 8ull << c->map.leaf_bits;
	size_t kept = 0;

	if (!l->n)
		return;
	qsort(l->v, l->n, sizeof(*l->v), by_addr);
	for (size_t i = 0; i < l->n; i++) {
		uint64_t first;

		if (kept && l->v[i].addr - l->v[kept - 1].addr < bytes)
			tc_damage(&t->spans, l->v[i].addr, "page map: a leaf at 0x%" PRIx64 " lies in the one at 0x%" PRIx64, l->v[i].addr,
				   l->v[kept - 1].addr);
		else if (l->v[i].addr & 7 || image_read_u64(t->img, l->v[i].addr, &first) == MEM_UNMAPPED)
			tc_damage(&t->spans, l->v[i].addr, "page map: no leaf can be at 0x%" PRIx64, l->v[i].addr);
		else
			l->v[kept++] = l->v[i];
	}
	l->n = kept;
	if (kept)
		qsort(l->v, l->n, sizeof(*l->v), by_page);
}

/* ---- one span */

struct reading {
	struct tcmalloc *t;
	struct tcm_copy *c;
	uint64_t next; /* the first page that no span covers yet */
	taddr bad;     /* the span told last: its other pages lead to it too */
};

static void decode(const uint64_t *w, struct tc_span *s)
{
	uint64_t bits = w[SPAN_BITS / 8];

	s->objects = w[SPAN_OBJECTS / 8];
	s->counted = bits & 0xffff;
	s->class = bits >> 16 & 0xff;
	s->location = bits >> 24 & 3;
	s->sampled = bits >> 26 & 1;
}

/* Pages from `page` on whose entries lead to `span`, up to the next page that begins a good span. */
static uint64_t mended_pages(const struct reading *r, taddr span, uint64_t page)
{
	uint64_t last = 0;

	for (uint64_t n = 0; r->t->n_mended < MENDED_MAX; n++, r->t->n_mended++) {
		taddr at = tcm_map_get(r->t->img, r->c, page + n);
		uint64_t start;

		if (at == span)
			last = n + 1;
		else if (at && image_read_u64(r->t->img, at + SPAN_START, &start) == MEM_OK && start == page + n)
			break;
	}
	return last;
}

/* The entry of its first page is what is damaged: all else agrees, and no other span is there. */
static bool begins_before(const struct reading *r, const uint64_t *w, uint64_t page, taddr addr)
{
	return w[0] < page && w[0] >= r->next && w[1] > page - w[0] && w[1] < PAGE_MAX >> r->c->page_shift &&
	       tcm_map_get(r->t->img, r->c, w[0] + w[1] - 1) == addr;
}

static struct err *add_span(struct reading *r, taddr addr, uint64_t page)
{
	struct tcmalloc *t = r->t;
	struct tc_span s = { .addr = addr, .base = page << r->c->page_shift, .copy = (uint8_t)(r->c - t->copies) };
	uint64_t w[SPAN_SIZE / 8], npages;

	if (addr & 7 || image_read(t->img, addr, w, sizeof(w)) != MEM_OK) {
		tc_damage(&t->spans, addr, "page map: 0x%" PRIx64 " is no span, but the page at 0x%" PRIx64 " leads to it", addr, s.base);
		r->bad = addr;
		return NULL;
	}
	decode(w, &s);
	npages = w[SPAN_LENGTH / 8];
	if (r->bad && begins_before(r, w, page, addr)) {
		page = w[0];
		s.base = page << r->c->page_shift;
	}
	if (w[0] != page || !npages || npages > UINT32_MAX || npages > (PAGE_MAX >> r->c->page_shift) - page ||
	    tcm_map_get(t->img, r->c, page + npages - 1) != addr) {
		tc_damage(&t->spans, addr,
			   "span at 0x%" PRIx64 ": it says pages 0x%" PRIx64 "+0x%" PRIx64 ", the page map has it at 0x%" PRIx64, addr,
			   w[0], npages, page);
		r->bad = addr;
		npages = mended_pages(r, addr, page);
	} else {
		t->spans.passed++;
	}
	s.end = s.base + (npages << r->c->page_shift);
	if (!npages || s.location >= N_SPAN_LOCATIONS ||
	    !is_believable(t->img, s.base, s.end, s.location == SPAN_RETURNED ? NULL : &t->absent)) {
		tc_damage(&t->spans, addr, "span at 0x%" PRIx64 " of 0x%" PRIx64 ": it cannot be", addr, s.base);
		r->bad = addr;
		return NULL;
	}
	s.small_grains = s.class && s.class < r->c->n_classes && r->c->class_size[s.class] % 16;
	r->next = page + npages;
	r->c->pages[s.location] += npages;
	return tc_spans_add(&t->spans, &s);
}

static struct err *read_leaf(struct reading *r, const struct leaf *leaf)
{
	uint64_t n = 1ull << r->c->map.leaf_bits, i = r->next > leaf->page ? r->next - leaf->page : 0;
	struct err *err = NULL;

	while (i < n && !err) {
		uint64_t avail;
		const uint8_t *bytes = image_view(r->t->img, leaf->addr + 8 * i, &avail);
		uint64_t m = bytes ? avail / 8 : 0, k = 0;
		taddr at = 0;

		if (!m) {
			tc_damage(&r->t->spans, leaf->addr + 8 * i, "page map: its leaf at 0x%" PRIx64 " ends in what the dump has not",
				   leaf->addr);
			break;
		}
		if (m > n - i)
			m = n - i;
		while (k < m && (!(at = load_u64(bytes + 8 * k)) || at == r->bad))
			k++;
		i += k;
		if (k == m)
			continue;
		err = add_span(r, at, leaf->page + i);
		i = r->next > leaf->page + i ? r->next - leaf->page : i + 1;
	}
	return err;
}

static struct err *read_map(struct tcmalloc *t, struct tcm_copy *c)
{
	struct reading r = { .t = t, .c = c };
	struct leaves l = {};
	struct err *err = add_leaves(t->img, c, c->map.root, c->map.root_bits, 0, c->map.node_bits + c->map.leaf_bits, &l);

	if (!err)
		drop_shared(t, c, &l);
	for (size_t i = 0; i < l.n && !err; i++)
		err = read_leaf(&r, &l.v[i]);
	free(l.v);
	return err;
}

/* ---- all of them */

struct err *tcm_read_spans(struct tcmalloc *t)
{
	struct err *err = NULL;

	for (uint32_t i = 0; i < t->n_copies && !err; i++)
		err = read_map(t, &t->copies[i]);
	return err ? err : tc_spans_join(&t->spans);
}
