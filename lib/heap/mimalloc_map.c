/*
 * mimalloc_map.c - the page map of mimalloc 3.x, and the pages that it leads to.
 *
 * The map has two levels: one word for each 512 MiB of addresses, which leads to 8,192 words, one for
 * each 64 KiB: the page whose blocks are there.  A pointer to it lies in mimalloc's data; its first
 * word leads to a part for the lowest addresses that lies right behind it.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/guard.h"
#include "base/vec.h"
#include "heap/mimalloc.h"
#include "heap/module_data.h"
#include "image/shadow.h"

enum {
	MAP_PAGE = 4096,
	MAP_MAX = 8 << 20,
	PART_SHIFT = 29,
	PART_WORDS = 8192,
	SLICE_SHIFT = 16,
	PAGE_MAX = 144,
	TRIED = 4096, /* pages, to tell a form */
	THEAP_MAX = 64 << 10,
	TLD_THEAPS = 32, /* of mi_tld_s: the first of its theaps */
};

enum start_way { START_POINTER, START_WORDS, START_BYTES };

/* struct mi_page_s */
struct map_form {
	uint8_t header; /* of the page map, before its first word */
	uint8_t self; /* 1: the struct begins with its own address, or 0 where that is the slice's */
	uint8_t thread, free, used, capacity, reserved, local_free, thread_free, block_size, start,
		start_way;
	uint8_t keys; /* 0: none */
	uint8_t heap, memid;
	const char *versions;
};

static const struct map_form forms[] = {
	{ 0, 0, 0, 8, 16, 18, 20, 24, 32, 40, 48, START_WORDS, 0, 56, 88, "3.4" },
	{ 0, 0, 0, 8, 16, 18, 20, 24, 32, 40, 48, START_WORDS, 56, 72, 104, "3.4" },
	{ 0, 0, 0, 8, 16, 18, 20, 24, 32, 40, 48, START_POINTER, 0, 64, 96, "3.0.1-3.3.2" },
	{ 0, 0, 0, 8, 16, 18, 20, 24, 32, 40, 48, START_POINTER, 56, 80, 112, "3.2.6-3.3.2" },
	{ 0, 0, 0, 8, 16, 18, 20, 24, 32, 40, 48, START_POINTER, 64, 80, 112, "3.0.1-3.1.6" },
	{ 80, 1, 8, 16, 40, 56, 58, 24, 64, 32, 48, START_BYTES, 0, 72, 104, "3.6" },
};

/* ---- one page */

/* mi_memid_t: an arena's, or memory of the page's own; kinds are numbered differently by release. */
static bool read_area(const struct image *img, const uint8_t *memid, taddr inside,
		      struct mi_area *ret)
{
	taddr arena = load_u64(memid);
	uint64_t os[2];

	if (image_read(img, arena, os, sizeof(os)) != MEM_OK || arena - os[0] >= os[1] ||
	    inside - os[0] >= os[1]) {
		os[0] = arena;
		os[1] = load_u64(memid + 8);
		arena = 0;
	}
	*ret = (struct mi_area){ .start = os[0], .end = os[0] + os[1], .info_end = os[0], .arena = arena };
	return inside - os[0] < os[1] && !(os[0] & (MAP_PAGE - 1)) && os[1] < 1ull << 46;
}

/* The page at `at`, where the map has it for the slices from `slice` on. */
static bool read_page(const struct image *img, const struct map_form *f, taddr at, taddr slice,
		      uint64_t n_slices, struct mi_page *ret, struct mi_area *ret_area)
{
	uint8_t b[PAGE_MAX];
	uint64_t start, thread;

	if (at & 7 || image_read(img, at, b, f->memid + 24u) != MEM_OK ||
	    (f->self && load_u64(b) && load_u64(b) != at))
		return false;
	start = f->start_way == START_WORDS ? at + 8ull * load_u32(b + f->start) :
		f->start_way == START_BYTES ? at + load_u64(b + f->start) :
					      load_u64(b + f->start);
	thread = load_u64(b + f->thread);
	*ret = (struct mi_page){
		.at = at,
		.start = start,
		.area_end = slice + n_slices * MI_SLICE,
		.slices_end = slice + n_slices * MI_SLICE,
		.block_size = load_u64(b + f->block_size),
		.capacity = load_u16(b + f->capacity),
		.reserved = load_u16(b + f->reserved),
		.used = load_u16(b + f->used),
		.aligned = thread >> 1 & 1,
		.heap = thread >= MAP_PAGE ? load_u64(b + f->heap) : 0, /* 0, 4, 8: abandoned */
	};
	ret->lists[MI_FREE] = load_u64(b + f->free);
	ret->lists[MI_LOCAL_FREE] = load_u64(b + f->local_free);
	ret->lists[MI_THREAD_FREE] = load_u64(b + f->thread_free) & ~3ull;
	if (f->keys) {
		ret->keys[0] = load_u64(b + f->keys);
		ret->keys[1] = load_u64(b + f->keys + 8);
	}
	if (ret->block_size && ret->reserved &&
	    ret->area_end < start + ret->reserved * ret->block_size)
		ret->area_end = align_up(start + ret->reserved * ret->block_size, MI_OS_PAGE);
	return start - slice < MI_SLICE && ret->reserved && ret->capacity <= ret->reserved &&
	       ret->used <= ret->capacity && mi_page_fits(img, ret) &&
	       read_area(img, b + f->memid, start, ret_area);
}

/* The first link of its list leads to a block of it: with other keys it would lead anywhere. */
static bool is_linked(const struct image *img, const struct map_form *f, const struct mi_page *p)
{
	taddr at = p->lists[MI_FREE] ? p->lists[MI_FREE] : p->lists[MI_LOCAL_FREE];
	uint64_t next;

	if (!at || !p->capacity)
		return true;
	if (at - p->start >= p->capacity * p->block_size ||
	    image_read_u64(img, at, &next) != MEM_OK)
		return false;
	if (f->keys)
		next = mi_decode(p->at, next, p->keys);
	return !next || (next - p->start < p->capacity * p->block_size &&
			 (next - p->start) % p->block_size == 0);
}

/* ---- the map */

/* Words of the first level; 0: no map. */
static uint64_t map_words(const struct image *img, taddr map, unsigned header)
{
	uint64_t first;

	if (map & (MAP_PAGE - 1) || image_read_u64(img, map + header, &first) != MEM_OK ||
	    first <= map || first - map > MAP_MAX || first & (MAP_PAGE - 1))
		return 0;
	return (first - map - header) / 8;
}

/* Runs of slices that belong to one page. */
struct map_iter {
	const struct image *img;
	taddr map;
	uint64_t n, i; /* words of the first level; the next one */
	taddr low;     /* addresses of the part at hand */
	const uint8_t *part;
	uint64_t k, words;
	/* What map_next() found. */
	taddr page, slice;
	uint64_t n_slices;
};

static bool next_part(struct map_iter *it)
{
	while (it->i < it->n) {
		uint64_t part, avail = 0, no = it->i++;

		/* The first part is of addresses that nothing is at. */
		if (image_read_u64(it->img, it->map + 8 * no, &part) != MEM_OK || !part || !no)
			continue;
		it->part = part & 7 ? NULL : image_view(it->img, part, &avail);
		it->words = it->part ? avail / 8 : 0;
		if (it->words > PART_WORDS)
			it->words = PART_WORDS;
		it->k = 0;
		it->low = no << PART_SHIFT;
		if (it->words)
			return true;
	}
	return false;
}

static bool map_next(struct map_iter *it)
{
	for (;;) {
		taddr page;

		if (it->k == it->words && !next_part(it))
			return false;
		page = load_u64(it->part + 8 * it->k);
		if (!page) {
			it->k++;
			continue;
		}
		it->page = page;
		it->slice = it->low + (it->k << SLICE_SHIFT);
		it->n_slices = 0;
		while (it->k < it->words && load_u64(it->part + 8 * it->k) == page) {
			it->k++;
			it->n_slices++;
		}
		return true;
	}
}

static struct map_iter map_start(const struct image *img, taddr map, const struct map_form *f)
{
	return (struct map_iter){ .img = img,
				  .map = map + f->header,
				  .n = map_words(img, map, f->header) };
}

/* Pages that make sense, if nearly all do. */
static uint64_t try_map(const struct image *img, taddr map, const struct map_form *f)
{
	struct map_iter it = map_start(img, map, f);
	uint64_t good = 0, bad = 0;
	struct mi_page p;
	struct mi_area area;

	while (good + bad < TRIED && map_next(&it))
		if (read_page(img, f, it.page, it.slice, it.n_slices, &p, &area) &&
		    is_linked(img, f, &p))
			good++;
		else if (++bad > 8 && bad > good)
			return 0;
	return good > 4 * bad ? good : 0;
}

static void search_segment(const struct image *img, const struct segment *seg,
			   struct mi_layout *best)
{
	for (uint64_t at = 0; at + 8 <= seg->end - seg->start; at += 8) {
		taddr map = load_u64(seg->bytes + at);

		if (!map || map & (MAP_PAGE - 1) || map >> 48 || map == best->map)
			continue;
		for (unsigned f = 0; f < ARRAY_SIZE(forms); f++) {
			uint64_t n = map_words(img, map, forms[f].header) ?
					     try_map(img, map, &forms[f]) :
					     0;

			if (n > best->n)
				*best = (struct mi_layout){
					.form = f,
					.has_map = true,
					.map = map,
					.n = n,
					.encoded = forms[f].keys,
					.versions = forms[f].versions,
					.collect_purges = true,
					.module_data = seg->start + at,
				};
		}
	}
}

bool mi_find_map(const struct image *img, struct mi_layout *ret)
{
	struct module_data d = module_data(img);
	const struct segment *seg;
	struct symbol sym;

	*ret = (struct mi_layout){};
	while ((seg = module_data_next(&d)))
		search_segment(img, seg, ret);
	ret->by_symbol = ret->n && image_symbol(img, NULL, "_mi_page_map", &sym) &&
			 sym.addr == ret->module_data;
	return ret->n;
}

/* ---- pages and arenas */

static int by_area(const void *a, const void *b)
{
	const struct mi_area *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static void sort_areas(struct mi_heap *h)
{
	struct mi_area *v = h->areas.v;
	size_t kept = 0;

	if (h->areas.n)
		qsort(v, h->areas.n, sizeof(*v), by_area);
	for (size_t i = 0; i < h->areas.n; i++)
		if (!kept || v[i].start >= v[kept - 1].end)
			v[kept++] = v[i];
		else if (v[i].end > v[kept - 1].end)
			v[kept - 1].end = v[i].end;
	h->areas.n = kept;
}

struct err *mi_read_map(struct mi_heap *h)
{
	const struct map_form *f = &forms[h->layout.form];
	struct map_iter it = map_start(h->img, h->layout.map, f);
	taddr last = 0;

	while (map_next(&it)) {
		struct mi_page p;
		struct mi_area area;

		if (it.page == last) /* it goes on in the next part */
			continue;
		last = it.page;
		if (!read_page(h->img, f, it.page, it.slice, it.n_slices, &p, &area)) {
			mi_damage(h, it.page,
				  "page 0x%" PRIx64 " of the slices from 0x%" PRIx64
				  " makes no sense: its blocks are not listed",
				  it.page, it.slice);
			continue;
		}
		h->passed++;
		if (!vec_push(&h->pages, &p))
			return &err_nomem;
		if ((!h->areas.n ||
		     p.start - h->areas.v[h->areas.n - 1].start >=
			     h->areas.v[h->areas.n - 1].end - h->areas.v[h->areas.n - 1].start) &&
		    !vec_push(&h->areas, &area))
			return &err_nomem;
	}
	sort_areas(h);
	return NULL;
}

/* ---- its own blocks */

static bool is_block(const struct mi_heap *h, taddr at)
{
	const struct mi_page *p = mi_page_at(h, at);

	return p && (at - p->start) % p->block_size == 0;
}

static struct err *add_own(struct mi_heap *h, taddr block)
{
	return vec_push(&h->own, &block) ? NULL : &err_nomem;
}

/* The tld that a theap names somewhere, and that names this theap. */
static struct err *find_tld(struct mi_heap *h, taddr theap, uint64_t size)
{
	uint64_t avail, back;
	const uint8_t *b = image_view(h->img, theap, &avail);

	if (size > avail)
		size = avail;
	for (uint64_t at = 0; b && at + 8 <= size && at < THEAP_MAX; at += 8) {
		taddr tld = load_u64(b + at);

		if (tld && is_block(h, tld) &&
		    image_read_u64(h->img, tld + TLD_THEAPS, &back) == MEM_OK && back == theap)
			return add_own(h, tld);
	}
	return NULL;
}

struct err *mi_find_own(struct mi_heap *h)
{
	for (size_t i = 0; i < h->owners.n; i++) {
		taddr theap = h->owners.v[i];
		struct err *err;

		if (!theap || !is_block(h, theap))
			continue;
		err = add_own(h, theap);
		if (!err)
			err = find_tld(h, theap, mi_page_at(h, theap)->block_size);
		if (err)
			return err;
	}
	if (h->own.n)
		qsort(h->own.v, h->own.n, sizeof(*h->own.v), mi_by_address);
	return NULL;
}

/* What leads to the map, what that leads to, and each page's own struct with the arena that it names. */
void mi_keep_map(const struct mi_heap *h)
{
	const struct map_form *f = &forms[h->layout.form];
	struct map_iter it = map_start(h->img, h->layout.map, f);

	image_keep(h->img, h->layout.module_data, 8);
	while (map_next(&it)) {
		uint64_t arena;

		image_keep_bytes(h->img, it.part + 8 * (it.k - it.n_slices), 8 * it.n_slices);
		image_keep(h->img, it.page, f->memid + 24u);
		if (image_read_u64(h->img, it.page + f->memid, &arena) == MEM_OK)
			image_keep(h->img, arena, 16);
	}
}
