/*
 * gtcmalloc_anchor.c - find google/tcmalloc's page map by what its leaves say, and its size classes.
 *
 * The page map's root is an array of pointers in the data of the module.  Its leaves, like all that the
 * allocator makes for itself, lie at addresses whose bits 42 to 44 say so (memory_tag.h), which hardly
 * any other pointer does; an entry of a leaf that leads to a Span with the number of that very page says
 * where the root must begin (pagemap.h, span.h).  The size classes are those that the central lists,
 * records that count their classes up, work with (central_freelist.h).  No symbols, code or file are needed.
 * What of the structures differs with the month of the sources is gtcmalloc_layout.c's.
 */
#include <stdlib.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "heap/gtcmalloc_fields.h"
#include "heap/module_data.h"

enum {
	TAG_SHIFT = 42, /* kTagShift */
	TAG_METADATA = 3,
	TRIES_MAX = 4096, /* entries of a leaf looked at for a proof */
	TRIES_ALL = 1 << 24, /* of all leaves that there may be */
	DAMAGED_MAX = 8, /* entries of a leaf */
	STRIDE_WORDS = 64, /* passed over at once where they are 0 */
	RECORDS_MIN = 20, /* central lists */
	STRIDE_MAX = 4096,
	LEAVES_MAX = 1 << 16,
};
#define POINTER_MASK ((1ull << 48) - 1)

/* kPageShift, and how PageMap2 or, since August 2026 for all, PageMap3 cut the rest of 48 bits. */
static const struct {
	uint8_t page_shift, root_bits, mid_bits, leaf_bits;
} forms[] = {
	{ 13, 20, 0, 15 }, { 15, 18, 0, 15 }, { 18, 15, 0, 15 }, { 12, 12, 12, 12 },
	{ 13, 11, 12, 12 }, { 15, 11, 11, 11 }, { 18, 10, 10, 10 },
};

bool gtc_is_metadata(taddr addr)
{
	return addr >> TAG_SHIFT == (addr >> TAG_SHIFT & ~7ull) + TAG_METADATA && addr <= POINTER_MASK && !(addr & 7);
}

/* ---- the page map */

taddr gtc_leaf_words(const struct gtc_map *m, taddr leaf)
{
	return leaf + ((taddr)m->class_bytes << m->leaf_bits);
}

taddr gtc_leaf_trackers(const struct gtc_map *m, taddr leaf)
{
	return gtc_leaf_words(m, leaf) + (8ull << m->leaf_bits);
}

uint64_t gtc_leaf_bytes(const struct gtc_map *m)
{
	return gtc_leaf_trackers(m, 0) + (8ull << m->leaf_bits >> (GTC_HUGE_SHIFT - m->page_shift));
}

taddr gtc_leaf_of(const struct image *img, const struct gtc_map *m, uint64_t page, uint64_t *ret_index)
{
	unsigned below = m->mid_bits + m->leaf_bits;
	uint64_t at;

	if (page >> below >> m->root_bits || image_read_u64(img, m->root + 8 * (page >> below), &at) != MEM_OK || !at)
		return 0;
	if (m->mid_bits && image_read_u64(img, at + 8 * (page >> m->leaf_bits & ((1u << m->mid_bits) - 1)), &at) != MEM_OK)
		return 0;
	*ret_index = page & ((1u << m->leaf_bits) - 1);
	return at;
}

bool gtc_leaf_entry(const struct image *img, const struct gtc_map *m, taddr leaf, uint64_t index, taddr *ret_span,
		    uint32_t *ret_packed_class, uint32_t *ret_class)
{
	uint16_t class = 0;
	uint64_t packed;

	if (image_read_u64(img, gtc_leaf_words(m, leaf) + 8 * index, &packed) != MEM_OK ||
	    image_read(img, leaf + index * m->class_bytes, &class, m->class_bytes) != MEM_OK)
		return false;
	*ret_span = packed & POINTER_MASK;
	*ret_packed_class = (uint32_t)(packed >> 48);
	*ret_class = class;
	return true;
}

/* May a leaf's entry lead to a Span? */
static bool is_entry(uint64_t word)
{
	return gtc_is_metadata(word & POINTER_MASK) && !(word & (GSPAN_SIZE - 1)) && word >> 48 < GTC_CLASSES;
}

/* The number of a Span's first page; 0 if what lies there cannot be one. */
static uint64_t first_page(const struct image *img, const struct gtc_map *m, taddr span)
{
	unsigned bits = 48 - m->page_shift;
	uint64_t word;

	return image_read_u64(img, span + GSPAN_FIRST, &word) == MEM_OK ? word & ((1ull << bits) - 1) : 0;
}

/* How many of n words, the first of which is 0, are 0 before another one comes. */
static uint64_t count_zeros(const uint8_t *bytes, uint64_t n)
{
	uint64_t i = 1;

	while (i < n && n - i >= STRIDE_WORDS && bytes_are_zero(bytes + 8 * i, 8 * STRIDE_WORDS))
		i += STRIDE_WORDS;
	while (i < n && !load_u64(bytes + 8 * i))
		i++;
	return i;
}

/*
 * Of the first entries of a leaf that are not 0, any proves: it leads to a Span that begins with a page of
 * this index.  The page's number, or 0.  Where more than a few can lead to none, there is no leaf.
 */
static uint64_t leaf_proves(const struct image *img, const struct gtc_map *m, taddr leaf, uint64_t *tries)
{
	uint64_t n = 1ull << m->leaf_bits, end = *tries + TRIES_MAX, bad = 0;

	if (!gtc_is_metadata(leaf) || !image_segment(img, leaf))
		return 0;
	for (uint64_t i = 0; i < n;) {
		uint64_t avail;
		const uint8_t *bytes = image_view(img, gtc_leaf_words(m, leaf) + 8 * i, &avail);

		if (!bytes || avail < 8)
			return 0;
		for (; i < n && avail >= 8; i++, bytes += 8, avail -= 8) {
			uint64_t word = load_u64(bytes), page;
			uint32_t packed_class, class;
			taddr span;

			if (!word) { /* most are, of a leaf and of what is none */
				uint64_t zeros = count_zeros(bytes, avail / 8 < n - i ? avail / 8 : n - i) - 1;

				i += zeros;
				bytes += 8 * zeros;
				avail -= 8 * zeros;
				continue;
			}
			if (!is_entry(word)) {
				if (++bad > DAMAGED_MAX)
					return 0;
				continue;
			}
			page = first_page(img, m, word & POINTER_MASK);
			if (page && (page & (n - 1)) == i && image_segment(img, page << m->page_shift) && gtc_leaf_entry(img, m, leaf, i, &span, &packed_class, &class) &&
			    class < GTC_CLASSES && (class == packed_class || !class))
				return page;
			if (++*tries >= end || *tries >= TRIES_ALL)
				return 0;
		}
	}
	return 0;
}

/* The same of a root's entry, which is a leaf or a node of leaves. */
static uint64_t entry_proves(const struct image *img, const struct gtc_map *m, taddr entry, uint64_t *tries)
{
	if (!m->mid_bits)
		return leaf_proves(img, m, entry, tries);
	if (!gtc_is_metadata(entry))
		return 0;
	for (uint64_t i = 0, bad = 0; i >> m->mid_bits == 0 && *tries < TRIES_ALL; i++) {
		uint64_t leaf, page;

		if (image_read_u64(img, entry + 8 * i, &leaf) != MEM_OK)
			return 0;
		if (leaf && !gtc_is_metadata(leaf) && ++bad > DAMAGED_MAX)
			return 0;
		if (!leaf)
			continue;
		page = leaf_proves(img, m, leaf, tries);
		if (page && (page >> m->leaf_bits & ((1u << m->mid_bits) - 1)) == i)
			return page;
	}
	return 0;
}

/* Is the word at `at`, an entry, of a page map's root? */
static bool find_map(const struct image *img, taddr at, uint64_t entry, uint64_t *tries, struct gtc_map *ret)
{
	for (size_t i = 0; i < 2 * ARRAY_SIZE(forms); i++) {
		struct gtc_map m = {
			.page_shift = forms[i / 2].page_shift,
			.root_bits = forms[i / 2].root_bits,
			.mid_bits = forms[i / 2].mid_bits,
			.leaf_bits = forms[i / 2].leaf_bits,
			.class_bytes = (uint8_t)(1 + i % 2),
		};
		uint64_t page = entry_proves(img, &m, entry, tries), index;
		const struct segment *last;

		if (!page)
			continue;
		m.root = at - 8 * (page >> (m.mid_bits + m.leaf_bits));
		last = image_segment(img, m.root + (8ull << m.root_bits) - 1);
		if (m.root > at || !last || !(last->flags & SEG_W) || !gtc_leaf_of(img, &m, page, &index))
			continue;
		*ret = m;
		return true;
	}
	return false;
}

/* ---- size classes */

/* A central list's record: objects of one size make up its spans. */
static bool is_central(const uint64_t *w, uint64_t class, const struct gtc_copy *c, struct gtc_class *ret)
{
	uint64_t pages = w[c->central_pages / 8], size = w[CFL_SIZE / 8], objects = (uint32_t)w[CFL_OBJECTS / 8];

	if (w[CFL_CLASS / 8] != class)
		return false;
	*ret = (struct gtc_class){ 0 };
	if (!size)
		return true;
	if (size & 7 || !pages || pages > 255 || objects != (pages << c->map.page_shift) / size || !objects)
		return false;
	*ret = (struct gtc_class){ .size = size, .pages = (uint32_t)pages, .objects = (uint32_t)objects };
	return true;
}

static bool read_central(const struct image *img, taddr at, uint64_t class, const struct gtc_copy *c,
			 struct gtc_class *ret)
{
	uint64_t w[CFL_WORDS];

	return image_read(img, at, w, sizeof(w)) == MEM_OK && is_central(w, class, c, ret);
}

/* The records of all classes, the second and third of which were found; some of them may be damaged. */
static uint32_t count_records(const struct image *img, taddr at, uint32_t stride, struct gtc_copy *c)
{
	uint32_t n = 1, lost = 0;

	for (uint32_t k = 1; k < GTC_CLASSES && lost < 3; k++) {
		if (read_central(img, at + (taddr)k * stride, k, c, &c->class[k])) {
			lost = 0;
			n = k + 1;
		} else {
			c->class[k] = (struct gtc_class){ 0 };
			lost++;
		}
	}
	return n;
}

static bool try_central(const struct image *img, taddr first, struct gtc_copy *c)
{
	struct gtc_class class;

	for (uint32_t stride = CFL_WORDS * 8; stride <= STRIDE_MAX; stride += 8) {
		uint32_t n;

		if (!read_central(img, first + stride, 2, c, &class) || class.size <= 8)
			continue;
		n = count_records(img, first - stride, stride, c);
		if (n < RECORDS_MIN)
			continue;
		c->n_classes = n;
		c->central = first - stride;
		c->stride = stride;
		return true;
	}
	return false;
}

/* Is this the first class's central list?  What lies between its objects and its pages is another one's of the years. */
static bool is_first_central(const struct image *img, taddr at, const uint64_t *w, struct gtc_copy *c)
{
	struct gtc_class class;

	for (c->central_pages = CFL_PAGES; c->central_pages <= CFL_PAGES_MAX; c->central_pages += 8)
		if (is_central(w, 1, c, &class) && try_central(img, at, c))
			return true;
	return false;
}

/* The first class has blocks of 8 bytes, whatever the page size. */
static bool find_central(const struct image *img, struct gtc_copy *c)
{
	struct module_data d = module_data(img);
	const struct segment *seg;

	while ((seg = module_data_next(&d))) {
		uint64_t n = seg->end - seg->start, w[CFL_WORDS];

		for (uint64_t i = 0; n >= sizeof(w) && (i = module_data_skip(seg->bytes, i, n)) <= n - sizeof(w); i += 8) {
			if (load_u64(seg->bytes + i) != 1 || load_u64(seg->bytes + i + CFL_SIZE) != 8)
				continue;
			memcpy(w, seg->bytes + i, sizeof(w));
			if (image_module_at(img, seg->start + i) == c->module && is_first_central(img, seg->start + i, w, c))
				return true;
		}
	}
	return false;
}

/* Transfer caches hold as many as they say and may: then they are there. */
static bool is_transfer_cache(const struct image *img, const struct gtc_copy *c, uint32_t class)
{
	taddr at = c->central + (taddr)class * c->stride + TC_SLOTS;
	uint32_t used, capacity;
	uint64_t slots;

	if (image_read_u32(img, at + SLOTS_USED, &used) != MEM_OK ||
	    image_read_u32(img, at + SLOTS_CAPACITY, &capacity) != MEM_OK || image_read_u64(img, at, &slots) != MEM_OK)
		return false;
	return used <= capacity && capacity <= GTC_SLOTS_MAX && (slots ? gtc_is_metadata(slots) : !capacity);
}

static bool has_slots_of(const struct image *img, const struct gtc_copy *c, uint32_t class)
{
	uint64_t slots;

	return image_read_u64(img, c->central + (taddr)class * c->stride + TC_SLOTS, &slots) == MEM_OK && gtc_is_metadata(slots);
}

static bool has_slots(const struct image *img, const struct gtc_copy *c)
{
	uint32_t good = 0, slots = 0;

	for (uint32_t k = 1; k < c->n_classes; k++) {
		good += is_transfer_cache(img, c, k);
		slots += has_slots_of(img, c, k);
	}
	return slots && good >= c->n_classes - 1 - c->n_classes / 16;
}

/* ---- leaves */

static bool add_leaf(const struct image *img, struct gtc_copy *c, taddr addr, uint64_t page)
{
	struct gtc_leaf leaf = { addr, page };

	if (!addr || !gtc_is_metadata(addr) || !image_segment(img, addr) || c->leaves.n == LEAVES_MAX)
		return true;
	return vec_push(&c->leaves, &leaf);
}

static bool add_leaves(const struct image *img, struct gtc_copy *c)
{
	const struct gtc_map *m = &c->map;
	unsigned below = m->mid_bits + m->leaf_bits;

	for (uint64_t i = 0; i >> m->root_bits == 0; i++) {
		uint64_t entry, leaf;

		if (image_read_u64(img, m->root + 8 * i, &entry) != MEM_OK || !entry)
			continue;
		if (!m->mid_bits && !add_leaf(img, c, entry, i << below))
			return false;
		for (uint64_t k = 0; m->mid_bits && k >> m->mid_bits == 0; k++)
			if (image_read_u64(img, entry + 8 * k, &leaf) == MEM_OK &&
			    !add_leaf(img, c, leaf, (i << below) + (k << m->leaf_bits)))
				return false;
	}
	return true;
}

/* ---- search */

struct search {
	const struct image *img;
	uint64_t tries;
	struct {
		struct gtc_copy *v;
		size_t n, cap;
	} found;
};

static bool is_known(const struct search *s, taddr at, taddr *ret_end)
{
	for (size_t i = 0; i < s->found.n; i++) {
		const struct gtc_map *m = &s->found.v[i].map;

		*ret_end = m->root + (8ull << m->root_bits);
		if (at >= m->root && at < *ret_end)
			return true;
	}
	return false;
}

static bool symbol_agrees(const struct image *img, const struct gtc_copy *c)
{
	struct symbol sym;

	return c->module &&
	       image_symbol(img, c->module, "_ZN8tcmalloc17tcmalloc_internal6Static8pagemap_E", &sym) &&
	       c->map.root - sym.addr < 64;
}

static struct err *add_copy(struct search *s, const struct gtc_map *m)
{
	struct gtc_copy c = { .module = image_module_at(s->img, m->root), .map = *m };

	if (s->found.n == GTC_COPIES_MAX || !find_central(s->img, &c))
		return NULL;
	c.has_slots = has_slots(s->img, &c);
	c.by_symbol = symbol_agrees(s->img, &c);
	if (!add_leaves(s->img, &c) || !vec_push(&s->found, &c)) {
		free(c.leaves.v);
		return &err_nomem;
	}
	gtc_find_layout(s->img, &s->found.v[s->found.n - 1]);
	return NULL;
}

static struct err *scan_segment(struct search *s, const struct segment *seg)
{
	uint64_t n = seg->end - seg->start;

	for (uint64_t i = 0; i < n && (i = module_data_skip(seg->bytes, i, n)) < n; i += 8) {
		uint64_t word = load_u64(seg->bytes + i);
		taddr at = seg->start + i, end;
		struct gtc_map m;
		struct err *err;

		if (!gtc_is_metadata(word))
			continue;
		if (is_known(s, at, &end)) {
			i = end - seg->start - 8;
			continue;
		}
		if (!find_map(s->img, at, word, &s->tries, &m))
			continue;
		err = add_copy(s, &m);
		if (err)
			return err;
	}
	return NULL;
}

struct err *gtc_find_copies(const struct image *img, struct gtc_copy **ret, uint32_t *ret_n)
{
	struct search s = { .img = img };
	struct module_data d = module_data(img);
	const struct segment *seg;
	struct err *err = NULL;

	while (!err && (seg = module_data_next(&d)))
		err = scan_segment(&s, seg);
	if (err) {
		gtc_copies_free(s.found.v, (uint32_t)s.found.n);
		return err;
	}
	*ret = s.found.v;
	*ret_n = (uint32_t)s.found.n;
	return NULL;
}

void gtc_copies_free(struct gtc_copy *copies, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		free(copies[i].leaves.v);
		free(copies[i].caches.v);
		free(copies[i].dead.v);
	}
	free(copies);
}
