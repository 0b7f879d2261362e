/*
 * mimalloc_segments.c - the segments of mimalloc 2.x, and the pages in them.
 *
 * A segment begins at a multiple of its size, with a table of its slices: each page and each free span
 * says how many it takes.  A segment's cookie is its address XOR the main heap's, one for all.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "heap/mimalloc.h"
#include "heap/module_data.h"
#include "image/shadow.h"

enum {
	SLICES_MAX = 1024,
	STRIDE_MAX = 112,
	INFO_MAX = 16,
	HEAPS_MAX = 1 << 20,
	SMALL_PAGE_PARTS = 3,
};

#define HUGE_BLOCK (2ull << 30)

/* struct mi_segment_s */
struct segment_form {
	uint8_t shift; /* of its size */
	uint16_t used, cookie, n_slices, info, kind, entries, thread, slices;
};

/* struct mi_page_s, which is mi_slice_t */
struct page_form {
	uint16_t stride;
	uint16_t used, local_free, xthread_free, xheap;
	uint16_t keys; /* 0: none */
	bool is_wide; /* `used` of 16 bits, block_size of 64 at +40, page_start at +48 (since 2.1.4) */
	uint16_t block_size;
};

static const struct segment_form segments_64m = { 26, 312, 320, 328, 336, 344, 360, 352, 368 };
static const struct segment_form segments_32m = { 25, 208, 216, 224, 232, 240, 248, 256, 264 };
static const struct segment_form segments_os_list = { 25, 216, 224, 248, 256, 264, 272, 280, 288 };

static const struct page_form page_plain = { 80, 24, 32, 40, 48, 0, false, 28 };
static const struct page_form page_keys_first = { 96, 40, 48, 56, 64, 24, false, 44 };
static const struct page_form page_keys = { 96, 24, 32, 56, 64, 40, false, 28 };
static const struct page_form page_wide = { 96, 32, 24, 56, 64, 0, true, 40 };
static const struct page_form page_wide_keys = { 112, 32, 24, 72, 80, 56, true, 40 };

static const struct {
	const struct segment_form *segment;
	const struct page_form *page;
	const char *versions;
	bool collect_purges;
} forms[] = {
	{ &segments_os_list, &page_wide, "2.1.9-2.4.1", true },
	{ &segments_os_list, &page_wide_keys, "2.1.9-2.4.1", true },
	{ &segments_32m, &page_wide, "2.1.4-2.1.7", false },
	{ &segments_32m, &page_wide_keys, "2.1.4-2.1.7", false },
	{ &segments_32m, &page_plain, "2.0.9-2.1.2", false },
	{ &segments_32m, &page_keys, "2.0.9-2.1.2", false },
	{ &segments_64m, &page_plain, "2.0.3-2.0.7", false },
	{ &segments_64m, &page_keys_first, "2.0.3-2.0.7", false },
};

/* What a segment says of itself, and the bytes of its table. */
struct segment_head {
	taddr at;
	uint64_t used, cookie, n_slices, info, entries, thread;
	uint32_t kind;
	uint8_t slices[SLICES_MAX * STRIDE_MAX];
};

static uint64_t segment_size(const struct segment_form *f)
{
	return 1ull << f->shift;
}

/*
 * The header alone; false when it is none.  A view: what lies at such an address is the program's own
 * mostly, and no copy of the dump may keep it (mi_keep_segments() does what is one).
 */
static bool read_header(const struct image *img, taddr at, const struct segment_form *f,
			struct segment_head *ret)
{
	uint64_t avail;
	const uint8_t *b = image_view(img, at, &avail);

	if (!b || avail < f->slices)
		return false;
	ret->at = at;
	ret->used = load_u64(b + f->used);
	ret->cookie = load_u64(b + f->cookie);
	ret->n_slices = load_u64(b + f->n_slices);
	ret->info = load_u64(b + f->info);
	ret->kind = load_u32(b + f->kind);
	ret->entries = load_u64(b + f->entries);
	ret->thread = load_u64(b + f->thread);
	return ret->cookie && ret->kind <= 1 && ret->info && ret->entries > ret->info &&
	       ret->entries <= segment_size(f) / MI_SLICE && ret->n_slices >= ret->entries &&
	       ret->n_slices < 1ull << 31 && ret->used <= ret->entries &&
	       (ret->kind || ret->n_slices == segment_size(f) / MI_SLICE) &&
	       (ret->kind || ret->info <= INFO_MAX);
}

static bool read_slices(const struct image *img, const struct segment_form *f,
			const struct page_form *p, struct segment_head *s)
{
	return image_read(img, s->at + f->slices, s->slices, s->entries * p->stride) == MEM_OK;
}

/* ---- one slice */

static const uint8_t *slice_of(const struct segment_head *s, const struct page_form *f, uint64_t i)
{
	return s->slices + i * f->stride;
}

static uint32_t slice_count(const uint8_t *slice)
{
	return load_u32(slice);
}

static uint64_t slice_block_size(const uint8_t *slice, const struct page_form *f)
{
	return f->is_wide ? load_u64(slice + f->block_size) : load_u32(slice + f->block_size);
}

/* The first one of a page or of a span. */
static bool is_first(const uint8_t *slice, uint64_t left)
{
	return slice_count(slice) && slice_count(slice) <= left && !load_u32(slice + 4);
}

/* The last slice of a page or of a span says again how far back the first one is. */
static bool is_told_twice(const struct segment_head *s, const struct page_form *f, uint64_t i)
{
	uint64_t more = slice_count(slice_of(s, f, i)) - 1;

	return !more || more >= s->entries - i ||
	       load_u32(slice_of(s, f, i + more) + 4) == more * f->stride;
}

/* Where a page's blocks begin: releases differ in how they keep pages out of each other's cache lines. */
static uint64_t start_offset(unsigned way, uint64_t block_size)
{
	switch (way) {
	case 0: /* 2.1.0 to 2.1.2 */
		return block_size <= 64 ? 3 * block_size : block_size <= 512 ? block_size : 0;
	case 1: /* 2.0.9 */
		return block_size <= 1024 ? 3 * 128 : 0;
	default: /* to 2.0.7 */
		return block_size <= 1024 ? 128 : 0;
	}
}

static void decode_page(const struct segment_head *s, const struct segment_form *sf,
			const struct page_form *f, uint64_t i, unsigned way, struct mi_page *ret)
{
	const uint8_t *b = slice_of(s, f, i);
	taddr slice = s->at + i * MI_SLICE;
	uint64_t size = (uint64_t)slice_count(b) * MI_SLICE;

	*ret = (struct mi_page){
		.at = s->at + sf->slices + i * f->stride,
		.area_end = slice + size,
		.block_size = slice_block_size(b, f),
		.capacity = load_u16(b + 10),
		.reserved = load_u16(b + 12),
		.used = f->is_wide ? load_u16(b + f->used) : load_u32(b + f->used),
		.aligned = b[14] >> 1 & 1,
		.heap = s->thread ? load_u64(b + f->xheap) : 0,
	};
	ret->lists[MI_FREE] = load_u64(b + 16);
	ret->lists[MI_LOCAL_FREE] = load_u64(b + f->local_free);
	ret->lists[MI_THREAD_FREE] = load_u64(b + f->xthread_free) & ~3ull;
	if (f->keys) {
		ret->keys[0] = load_u64(b + f->keys);
		ret->keys[1] = load_u64(b + f->keys + 8);
	}
	ret->start = f->is_wide ? load_u64(b + 48) : slice + start_offset(way, ret->block_size);
	if (!f->is_wide && ret->block_size >= HUGE_BLOCK)
		ret->block_size = size;
	/* A page of one block: what is behind it in the last slice is not used. */
	if (ret->reserved == 1 && ret->start < ret->area_end &&
	    ret->block_size > ret->area_end - ret->start)
		ret->block_size = ret->area_end - ret->start;
}

static bool is_page(const struct image *img, const struct mi_page *p, taddr slice)
{
	return p->start >= slice && p->start < p->area_end && p->capacity <= p->reserved &&
	       p->reserved && p->used <= p->capacity &&
	       p->reserved <= (p->area_end - p->start) / p->block_size && mi_page_fits(img, p);
}

/* ---- which release */

/* Pages that make sense, if all of its table does; -1 if not. */
static int64_t try_segment(const struct image *img, unsigned form, struct segment_head *s)
{
	const struct segment_form *sf = forms[form].segment;
	const struct page_form *pf = forms[form].page;
	int64_t n = 0;

	if (!read_slices(img, sf, pf, s) || slice_count(slice_of(s, pf, 0)) != s->info)
		return -1;
	for (uint64_t i = s->info; i < s->entries; i += slice_count(slice_of(s, pf, i))) {
		const uint8_t *slice = slice_of(s, pf, i);
		struct mi_page p;
		bool fits = false;

		if (!is_first(slice, s->n_slices - i))
			return -1;
		if (!slice_block_size(slice, pf))
			continue;
		for (unsigned way = 0; way < SMALL_PAGE_PARTS && !fits; way++) {
			decode_page(s, sf, pf, i, way, &p);
			fits = is_page(img, &p, s->at + i * MI_SLICE);
		}
		if (!fits)
			return -1;
		n++;
	}
	return n;
}

/* Each multiple of a segment's size where there is writable memory that is no module's. */
struct places {
	const struct image *img;
	size_t i;
	taddr next;
	unsigned shift;
};

static bool next_place(struct places *p, taddr *ret)
{
	for (; p->i < p->img->n_segments; p->i++) {
		const struct segment *seg = &p->img->segments[p->i];
		taddr at = align_up(p->next > seg->start ? p->next : seg->start, 1ull << p->shift);

		if (seg->bytes && seg->flags & SEG_W && seg->module < 0 && at >= seg->start &&
		    at < seg->end) {
			*ret = at;
			p->next = at + (1ull << p->shift);
			return true;
		}
	}
	return false;
}

/* The cookie of the main heap is in mimalloc's own data: in that of a module. */
static taddr find_secret(const struct image *img, uint64_t secret)
{
	struct module_data d = module_data(img);
	const struct segment *seg;

	while ((seg = module_data_next(&d)))
		for (uint64_t at = 0; at + 8 <= seg->end - seg->start; at += 8)
			if (load_u64(seg->bytes + at) == secret)
				return seg->start + at;
	return 0;
}

/* How many segments have the cookie of this one, and pages that make sense. */
static void try_form(const struct image *img, unsigned form, struct segment_head *s,
		     struct mi_layout *best)
{
	const struct segment_form *sf = forms[form].segment;
	struct places places = { .img = img, .shift = sf->shift };
	struct mi_layout l = { .form = form,
			       .versions = forms[form].versions,
			       .collect_purges = forms[form].collect_purges,
			       .encoded = forms[form].page->keys };
	taddr at;

	while (next_place(&places, &at)) {
		uint64_t secret;

		if (!read_header(img, at, sf, s))
			continue;
		secret = s->cookie ^ at;
		if (l.n && secret == l.secret)
			l.n++;
		else if (!l.n && s->used && try_segment(img, form, s) > 0) {
			l.secret = secret;
			l.n = 1;
		}
	}
	if (l.n > best->n)
		*best = l;
}

bool mi_find_segments(const struct image *img, struct mi_layout *ret)
{
	_free_ struct segment_head *s = malloc(sizeof(*s));
	struct symbol sym;

	*ret = (struct mi_layout){};
	for (unsigned f = 0; f < ARRAY_SIZE(forms) && s; f++)
		try_form(img, f, s, ret);
	if (!ret->n)
		return false;
	ret->secret_at = find_secret(img, ret->secret);
	ret->module_data = ret->secret_at;
	ret->by_symbol = image_symbol(img, NULL, "_mi_heap_main", &sym) &&
			 ret->secret_at >= sym.addr && ret->secret_at - sym.addr < sym.size;
	return true;
}

/* ---- pages and spans */

static struct err *add_page(struct mi_heap *h, const struct segment_head *s, uint64_t i,
			    const struct mi_page *p)
{
	if (is_page(h->img, p, s->at + i * MI_SLICE)) {
		h->passed++;
		return vec_push(&h->pages, p) ? NULL : &err_nomem;
	}
	mi_damage(h, p->at,
		  "page 0x%" PRIx64 " of 0x%" PRIx64 ": capacity %u of %u, %u used, of %" PRIu64
		  " bytes: impossible, left out",
		  p->at, p->start, p->capacity, p->reserved, p->used, p->block_size);
	return NULL;
}

/* Of the ways to place small pages' blocks, the one that most pages' `reserved` and free lists fit. */
static unsigned pick_way(struct mi_heap *h, struct segment_head *s)
{
	const struct segment_form *sf = forms[h->layout.form].segment;
	const struct page_form *pf = forms[h->layout.form].page;
	uint64_t votes[SMALL_PAGE_PARTS] = {};
	struct places places = { .img = h->img, .shift = sf->shift };
	unsigned best = 0;
	taddr at;

	while (!pf->is_wide && next_place(&places, &at)) {
		if (!read_header(h->img, at, sf, s) || (s->cookie ^ at) != h->layout.secret ||
		    !read_slices(h->img, sf, pf, s))
			continue;
		for (uint64_t i = s->info; i < s->entries; i++)
			for (unsigned way = 0; way < SMALL_PAGE_PARTS; way++) {
				struct mi_page p;

				if (!is_first(slice_of(s, pf, i), s->n_slices - i) ||
				    !slice_block_size(slice_of(s, pf, i), pf))
					break;
				decode_page(s, sf, pf, i, way, &p);
				if (p.start < p.area_end && p.block_size &&
				    p.reserved == (p.area_end - p.start) / p.block_size)
					votes[way] +=
						1 +
						(p.lists[MI_FREE] >= p.start &&
						 (p.lists[MI_FREE] - p.start) % p.block_size == 0);
			}
	}
	for (unsigned way = 1; way < SMALL_PAGE_PARTS; way++)
		if (votes[way] > votes[best])
			best = way;
	return best;
}

/* The next slice behind this one that is the first of a page or of a span. */
static uint64_t next_first(const struct segment_head *s, const struct page_form *f, uint64_t i)
{
	do
		i++;
	while (i < s->entries && !is_first(slice_of(s, f, i), s->n_slices - i));
	return i;
}

static struct err *read_segment(struct mi_heap *h, struct segment_head *s, unsigned way)
{
	const struct segment_form *sf = forms[h->layout.form].segment;
	const struct page_form *pf = forms[h->layout.form].page;
	struct mi_area area = { s->at, s->at + s->n_slices * MI_SLICE, s->at + s->info * MI_SLICE };

	if (!vec_push(&h->areas, &area))
		return &err_nomem;
	if (!read_slices(h->img, sf, pf, s)) {
		mi_damage(h, s->at, "segment 0x%" PRIx64 ": its table is not in the dump", s->at);
		return NULL;
	}
	for (uint64_t i = s->info, next; i < s->entries; i = next) {
		const uint8_t *slice = slice_of(s, pf, i);
		struct mi_page p;
		struct err *err;

		if (!is_first(slice, s->n_slices - i)) {
			next = next_first(s, pf, i);
			mi_damage(h, s->at + sf->slices + i * pf->stride,
				  "slice at 0x%" PRIx64 " of segment 0x%" PRIx64
				  ": it says %u slices at offset %u: %" PRIu64 " slices are not listed",
				  s->at + sf->slices + i * pf->stride, s->at, slice_count(slice),
				  load_u32(slice + 4), next - i);
			continue;
		}
		next = i + slice_count(slice);
		if (!is_told_twice(s, pf, i)) {
			mi_damage(h, s->at + sf->slices + i * pf->stride,
				  "slice at 0x%" PRIx64 " of segment 0x%" PRIx64
				  ": it says %u slices, and the last of them does not say so: the next that begins is taken",
				  s->at + sf->slices + i * pf->stride, s->at, slice_count(slice));
			next = next_first(s, pf, i);
		}
		if (!slice_block_size(slice, pf))
			continue;
		decode_page(s, sf, pf, i, way, &p);
		err = add_page(h, s, i, &p);
		if (err)
			return err;
	}
	return NULL;
}

/* ---- blocks that other threads freed to a heap */

/* Where releases have thread_delayed_free: the heap's thread is behind it, and further its keys. */
static const struct delayed_form {
	uint16_t head, keys;
} delayed_forms[] = { { 8, 40 }, { 2840, 2872 }, { 2840, 2864 }, { 2848, 2880 } };

/* Does its first link lead to a block, or nowhere? */
static bool is_delayed_list(const struct mi_heap *h, taddr heap, taddr block, const uint64_t *keys)
{
	uint64_t word;

	if (!block)
		return true;
	if (image_read_u64(h->img, block, &word) != MEM_OK)
		return false;
	if (h->layout.encoded)
		word = mi_decode(heap, word, keys);
	return !word || image_read_u64(h->img, word, &word) == MEM_OK;
}

struct delayed {
	const struct delayed_form *form;
	taddr first;
	uint64_t keys[2];
};

static bool find_delayed(const struct mi_heap *h, taddr heap, uint64_t thread, struct delayed *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(delayed_forms); i++) {
		struct delayed d = { .form = &delayed_forms[i] };
		uint64_t word;

		if (image_read_u64(h->img, heap + d.form->head + 8, &word) == MEM_OK &&
		    word == thread &&
		    image_read_u64(h->img, heap + d.form->head, &d.first) == MEM_OK &&
		    image_read(h->img, heap + d.form->keys, d.keys, sizeof(d.keys)) == MEM_OK &&
		    is_delayed_list(h, heap, d.first, d.keys)) {
			*ret = d;
			return true;
		}
	}
	return false;
}

static struct err *read_delayed(struct mi_heap *h, taddr heap, uint64_t thread)
{
	uint64_t word, n = 0, next_mark = 64;
	taddr block, mark = 0;
	struct delayed d;

	if (!find_delayed(h, heap, thread, &d)) {
		mi_damage(h, heap,
			  "heap 0x%" PRIx64
			  ": no thread_delayed_free list in it: what others freed counts as used",
			  heap);
		return NULL;
	}
	for (block = d.first; block && block != mark; n++) {
		if (image_read_u64(h->img, block, &word) != MEM_OK ||
		    !vec_push(&h->delayed, &block))
			break;
		if (n == next_mark) {
			mark = block;
			next_mark *= 2;
		}
		block = h->layout.encoded ? mi_decode(heap, word, d.keys) : word;
	}
	if (block)
		mi_damage(h, heap,
			  "heap 0x%" PRIx64 ": its thread_delayed_free list breaks at 0x%" PRIx64,
			  heap, block);
	return NULL;
}

struct owner {
	taddr heap;
	uint64_t thread;
};

static int by_heap(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;

	return (x->heap > y->heap) - (x->heap < y->heap);
}

struct owners {
	struct owner *v;
	size_t n, cap;
};

static struct err *read_owners(struct mi_heap *h, struct owners *owners)
{
	struct err *err = NULL;

	if (owners->n)
		qsort(owners->v, owners->n, sizeof(*owners->v), by_heap);
	for (size_t i = 0; i < owners->n && i < HEAPS_MAX && !err; i++)
		if (!i || owners->v[i].heap != owners->v[i - 1].heap)
			err = read_delayed(h, owners->v[i].heap, owners->v[i].thread);
	if (h->delayed.n)
		qsort(h->delayed.v, h->delayed.n, sizeof(*h->delayed.v), mi_by_address);
	return err;
}

struct err *mi_read_segments(struct mi_heap *h)
{
	const struct segment_form *sf = forms[h->layout.form].segment;
	struct places places = { .img = h->img, .shift = sf->shift };
	_free_ struct segment_head *s = malloc(sizeof(*s));
	struct owners owners = {};
	struct err *err = NULL;
	unsigned way;
	taddr at;

	if (!s)
		return &err_nomem;
	way = pick_way(h, s);
	while (!err && next_place(&places, &at)) {
		size_t first = h->pages.n;
		uint64_t avail;
		const uint8_t *cookie = image_view(h->img, at + sf->cookie, &avail);

		if (!cookie || avail < 8 || (load_u64(cookie) ^ at) != h->layout.secret)
			continue;
		image_keep(h->img, at, sf->slices); /* also if it makes no sense */
		if (!read_header(h->img, at, sf, s)) {
			mi_damage(h, at,
				  "segment 0x%" PRIx64
				  ": its header makes no sense: its pages are not listed",
				  at);
			continue;
		}
		if (!s->used)
			continue; /* it was freed, and goes back later */
		err = read_segment(h, s, way);
		for (size_t i = first; i < h->pages.n && !err; i++) {
			struct owner owner = { h->pages.v[i].heap, s->thread };

			if (owner.heap && !vec_push(&owners, &owner))
				err = &err_nomem;
		}
		if (s->kind)
			places.next = align_up(at + s->n_slices * MI_SLICE, segment_size(sf));
	}
	if (!err)
		err = read_owners(h, &owners);
	free(owners.v);
	return err;
}

/* ---- what finds them again */

static void keep_delayed(const struct mi_heap *h, taddr heap, uint64_t thread)
{
	struct delayed d;

	if (!find_delayed(h, heap, thread, &d))
		return;
	image_keep(h->img, heap + d.form->head, 16);
	if (h->layout.encoded)
		image_keep(h->img, heap + d.form->keys, sizeof(d.keys));
}

static void keep_owners(const struct mi_heap *h, const struct segment_head *s)
{
	size_t i = partition_point(h->pages.n, k, h->pages.v[k].start < s->at);
	taddr last = 0;

	for (; i < h->pages.n && h->pages.v[i].start - s->at < s->n_slices * MI_SLICE; i++) {
		if (h->pages.v[i].heap != last)
			keep_delayed(h, h->pages.v[i].heap, s->thread);
		last = h->pages.v[i].heap;
	}
}

/* Those that were freed, too: their pages tell which release it is. */
void mi_keep_segments(const struct mi_heap *h)
{
	const struct segment_form *sf = forms[h->layout.form].segment;
	const struct page_form *pf = forms[h->layout.form].page;
	struct places places = { .img = h->img, .shift = sf->shift };
	_free_ struct segment_head *s = malloc(sizeof(*s));
	taddr at;

	if (h->layout.secret_at)
		image_keep(h->img, h->layout.secret_at, 8);
	while (s && next_place(&places, &at)) {
		if (!read_header(h->img, at, sf, s) || (s->cookie ^ at) != h->layout.secret)
			continue;
		image_keep(h->img, at, sf->slices + s->entries * pf->stride);
		keep_owners(h, s);
	}
}
