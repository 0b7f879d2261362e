/*
 * jemalloc_extents.c - every extent of every arena, in address order, from the radix tree.
 *
 * The tree has an element for the first and the last page of each extent, whatever its state, and for
 * every page of a slab.  What an edata_t says is believed where the tree agrees with it; where it does
 * not, the tree alone is: it still says the size class, and of a slab thereby its size.
 */
#include <stdlib.h>

#include "base/bits.h"
#include "base/search.h"
#include "heap/jemalloc_fields.h"

enum { PAI_SHIFT = 14 }; /* in e_bits, 5.3: who gave the pages */

struct walk {
	struct jemalloc *je;
	const struct je_copy *copy;
	uint8_t no;
	taddr last_edata; /* the extent that the element before belonged to */
	taddr done;	  /* end of the last extent listed */
	uint64_t left;	  /* bytes of tree that may still be read: no more than a dump can hold */
};

bool je_leaf_parse(const struct je_geometry *g, const uint8_t *elem, struct je_leaf *ret)
{
	uint64_t bits = load_u64(elem);

	if (g->compact) {
		/* Sign-extended by the address bits there are; flags below 64, the alignment of an extent_t. */
		*ret = (struct je_leaf){ .edata = bits & 0xffffffffffc0ull,
					 .szind = (uint8_t)(bits >> 48),
					 .state = bits >> 2 & 7,
					 .slab = bits & 1 };
	} else {
		uint32_t meta = load_u32(elem + 8);

		*ret = (struct je_leaf){ .edata = bits & ~63ull,
					 .slab = g->apart ? elem[12] & 1 : meta & 1 };
		ret->szind = (uint8_t)(g->apart ? meta : meta >> 5);
		ret->state = g->apart ? 0 : meta >> 2 & 7;
	}
	return ret->edata != 0;
}

static taddr child_of(const struct image *img, taddr node, uint64_t index)
{
	taddr child;

	return image_read_u64(img, node + index * 8, &child) == MEM_OK ? child : 0;
}

static bool look_up(const struct jemalloc *je, const struct je_copy *copy, taddr addr,
		    struct je_leaf *ret)
{
	const struct je_geometry *g = &copy->geometry;
	unsigned last = g->n_levels - 1u, size = g->compact ? 8 : 16;
	taddr node = copy->root;
	uint8_t elem[16];

	for (unsigned i = 0; i < last && node; i++)
		node = child_of(je->img, node, addr >> g->shift[i] & ((1ull << g->bits[i]) - 1));
	if (!node)
		return false;
	node += (addr >> g->shift[last] & ((1ull << g->bits[last]) - 1)) * size;
	return image_read(je->img, node, elem, size) == MEM_OK && je_leaf_parse(g, elem, ret);
}

/* ---- one extent */

/* Bytes of a large class with its padding; of a slab as bin_infos says; 0 when the class is none. */
static uint64_t bytes_by_class(const struct je_copy *copy, const struct je_leaf *leaf)
{
	if (leaf->szind < copy->n_bins && leaf->slab)
		return copy->slab_bytes[leaf->szind];
	return leaf->szind < copy->n_sizes ? align_up(copy->sizes[leaf->szind], copy->page) : 0;
}

static bool ends_at(const struct walk *w, const struct je_leaf *leaf, taddr base, uint64_t bytes)
{
	struct je_leaf end;

	return bytes && bytes <= (1ull << 47) - base &&
	       (bytes == w->copy->page ||
		(look_up(w->je, w->copy, base + bytes - w->copy->page, &end) &&
		 end.edata == leaf->edata));
}

/* 5.3 mirrors the state in the tree; in 5.2 nothing there tells. */
static bool state_agrees(const struct walk *w, const struct je_leaf *leaf, uint8_t state)
{
	return w->copy->form->tail_descriptor || leaf->state == state;
}

/* What the edata says of the extent whose first page is `base`; false when the tree says otherwise. */
static bool read_edata(const struct walk *w, const struct je_leaf *leaf, taddr base,
		       struct je_extent *ret)
{
	const struct je_form *form = w->copy->form;
	uint64_t e[3];

	*ret = (struct je_extent){
		.base = base, .edata = leaf->edata, .addr = base, .copy = w->no
	};
	if (!je_words(w->je->img, leaf->edata, e, 3))
		return false;
	ret->arena = (uint16_t)je_bits(e[0], 0, 12);
	ret->slab = je_bits(e[0], 12, 1);
	ret->state = (uint8_t)je_bits(e[0], form->state_shift, form->state_bits);
	ret->szind = (uint8_t)je_bits(e[0], form->szind_shift, 8);
	ret->addr = e[1];
	ret->bytes = align_down(e[2], w->copy->page);
	if (align_down(ret->addr, w->copy->page) != base || !ends_at(w, leaf, base, ret->bytes) ||
	    !state_agrees(w, leaf, ret->state == JE_HPA ? JE_ACTIVE : ret->state))
		return false;
	ret->by_hpa = !form->tail_descriptor && je_bits(e[0], PAI_SHIFT, 1);
	/* Freed, in the small extent cache (sec.c): pa_dalloc() leaves SC_NSIZES. */
	if (ret->by_hpa && ret->state == JE_ACTIVE && ret->szind == w->copy->n_sizes)
		ret->state = JE_HPA;
	if (ret->state != JE_ACTIVE) {
		ret->slab = false; /* what it was last, as is its class in the tree */
		return true;
	}
	if (ret->slab != leaf->slab || ret->szind != leaf->szind || ret->szind >= w->copy->n_sizes)
		return false;
	return !ret->slab || ret->bytes == w->copy->slab_bytes[ret->szind];
}

/* Of a damaged edata: an extent in use by the tree alone. */
static bool by_tree(const struct walk *w, const struct je_leaf *leaf, taddr base,
		    struct je_extent *ret)
{
	taddr addr = align_down(ret->addr, w->copy->page) == base ? ret->addr : base;
	uint16_t arena = ret->arena;

	if (!state_agrees(w, leaf, JE_ACTIVE))
		return false;
	*ret = (struct je_extent){ .base = base,
				   .edata = leaf->edata,
				   .addr = addr,
				   .arena = arena,
				   .szind = leaf->szind,
				   .slab = leaf->slab,
				   .state = JE_ACTIVE,
				   .copy = w->no };
	ret->bytes = bytes_by_class(w->copy, leaf);
	return ends_at(w, leaf, base, ret->bytes) ||
	       (!leaf->slab && ends_at(w, leaf, base, ret->bytes += w->copy->page));
}

/*
 * An element whose edata begins elsewhere belongs to the extent before, unless that one is not what the
 * elements before said.
 */
static bool is_inner(const struct walk *w, const struct je_leaf *leaf, taddr page)
{
	uint64_t e[3];
	taddr base;

	if (leaf->edata == w->last_edata || page < w->done)
		return true;
	if (!je_words(w->je->img, leaf->edata, e, 3))
		return false;
	base = align_down(e[1], w->copy->page);
	return base < page && page - base < align_down(e[2], w->copy->page) && base < w->done;
}

static struct err *add_extent(struct walk *w, const struct je_leaf *leaf, taddr page)
{
	struct jemalloc *je = w->je;
	struct je_extent x;

	if (is_inner(w, leaf, page))
		return NULL;
	w->last_edata = leaf->edata;
	if (read_edata(w, leaf, page, &x)) {
		je->passed++;
	} else {
		je_doubt(je, leaf->edata,
			 "extent_t at 0x%lx: not what the radix tree says of page 0x%lx",
			 leaf->edata, page);
		if (!by_tree(w, leaf, page, &x))
			return NULL;
	}
	w->done = page + x.bytes;
	if (x.slab)
		x.n_regs = (uint32_t)(x.bytes / w->copy->sizes[x.szind]);
	return col_append(&je->extents_col, &x, 1);
}

/* ---- the tree */

static struct err *walk_leaf(struct walk *w, taddr leaf, uint64_t key)
{
	const struct je_geometry *g = &w->copy->geometry;
	unsigned size = g->compact ? 8 : 16, last = g->n_levels - 1u;
	uint64_t n = 1ull << g->bits[last], avail = 0;
	const uint8_t *bytes = image_view(w->je->img, leaf, &avail);

	if (!bytes || avail < size) {
		je_damage(w->je, leaf, "leaf of the radix tree at 0x%lx is not in the dump", leaf);
		return NULL;
	}
	if (avail / size < n)
		n = avail / size;
	if (n * size > w->left) {
		je_damage(w->je, leaf, "the radix tree is larger than the dump: left at 0x%lx",
			  leaf);
		w->left = 0;
		return NULL;
	}
	w->left -= n * size;
	for (uint64_t j = 0; j < n; j++) {
		struct je_leaf l;
		struct err *err;

		if (!load_u64(bytes + j * size) || !je_leaf_parse(g, bytes + j * size, &l))
			continue;
		err = add_extent(w, &l, key | j << g->shift[last]);
		if (err)
			return err;
	}
	return NULL;
}

static struct err *walk_node(struct walk *w, taddr node, unsigned level, uint64_t key)
{
	const struct je_geometry *g = &w->copy->geometry;
	uint64_t n = 1ull << g->bits[level], avail = 0;
	const uint8_t *bytes = image_view(w->je->img, node, &avail);
	struct err *err = NULL;

	if (avail / 8 < n)
		n = avail / 8;
	if (!bytes || n * 8 > w->left)
		return NULL;
	w->left -= n * 8;
	for (uint64_t i = 0; i < n && !err; i++) {
		taddr child = load_u64(bytes + i * 8);
		uint64_t below = key | i << g->shift[level];

		if (!child || below >= 1ull << 47)
			continue;
		err = level + 2u < g->n_levels ? walk_node(w, child, level + 1, below) :
						 walk_leaf(w, child, below);
	}
	return err;
}

static int by_base(const void *a, const void *b)
{
	const struct je_extent *x = a, *y = b;

	return (x->base > y->base) - (x->base < y->base);
}

/* Two copies never have the same memory; of extents that meet, the first stays. */
static void drop_overlaps(struct jemalloc *je)
{
	size_t kept = 0;

	if (je->copies.n > 1)
		qsort(je->extents, je->n_extents, sizeof(*je->extents), by_base);
	for (size_t i = 0; i < je->n_extents; i++) {
		const struct je_extent *x = &je->extents[i];

		if (kept && x->base < je->extents[kept - 1].base + je->extents[kept - 1].bytes)
			je_damage(je, x->edata, "extent at 0x%lx begins inside another: left out",
				  x->base);
		else
			je->extents[kept++] = *x;
	}
	je->n_extents = kept;
}

/* ---- huge pages */

static struct err *add_gap(struct jemalloc *je, const struct je_extent *of, taddr start, taddr end)
{
	struct je_extent gap = {
		.base = start,
		.addr = start,
		.bytes = end - start,
		.arena = of->arena,
		.copy = of->copy,
		.state = JE_HPA,
	};

	return start < end ? col_append(&je->extents_col, &gap, 1) : NULL;
}

/* Of hpa.c's huge pages the tree has what is in use alone: the rest is free. */
static struct err *add_gaps(struct jemalloc *je)
{
	size_t n = je->n_extents;
	struct err *err = NULL;
	taddr done = 0;

	for (size_t i = 0; i < n && !err; i++) {
		struct je_extent x = je->extents[i];
		taddr huge = align_down(x.base, JE_BASE_UNIT), end = x.base + x.bytes;
		bool last = i + 1 == n || je->extents[i + 1].base >= huge + JE_BASE_UNIT;

		if (x.by_hpa && end - huge <= JE_BASE_UNIT)
			err = add_gap(je, &x, done > huge ? done : huge, x.base);
		je->extents = je->extents_col.base; /* it may have moved */
		done = end;
		if (!err && last && x.by_hpa && end - huge < JE_BASE_UNIT)
			err = add_gap(je, &x, end, huge + JE_BASE_UNIT);
	}
	je->extents = je->extents_col.base;
	je->n_extents = je->extents_col.n;
	if (je->n_extents > n)
		qsort(je->extents, je->n_extents, sizeof(*je->extents), by_base);
	return err;
}

/* ---- large allocations */

/* Colours move large allocations off the page's start, and cost each a page: sz_large_pad. */
static void find_large_pad(struct jemalloc *je, struct je_copy *copy, uint8_t no)
{
	uint64_t padded = 0, whole = 0;

	for (size_t i = 0; i < je->n_extents && !copy->large_pad; i++) {
		const struct je_extent *x = &je->extents[i];

		if (x->copy != no || x->state != JE_ACTIVE || x->slab || x->szind < copy->n_bins)
			continue;
		if (x->addr != x->base)
			copy->large_pad = copy->page;
		padded += x->bytes - copy->page == copy->sizes[x->szind];
		whole += x->bytes == copy->sizes[x->szind];
	}
	if (padded > whole)
		copy->large_pad = copy->page;
	/* 5.3.1 with opt.disable_large_size_classes, its default: sizes between the classes. */
	for (size_t i = 0; i < je->n_extents && !copy->size_by_pages; i++) {
		const struct je_extent *x = &je->extents[i];

		copy->size_by_pages = x->copy == no && x->state == JE_ACTIVE && !x->slab &&
				      x->szind >= copy->n_bins &&
				      x->bytes - copy->large_pad != copy->sizes[x->szind];
	}
}

static void size_large(struct jemalloc *je)
{
	for (size_t i = 0; i < je->copies.n; i++)
		find_large_pad(je, &je->copies.v[i], (uint8_t)i);
	for (size_t i = 0; i < je->n_extents; i++) {
		struct je_extent *x = &je->extents[i];
		const struct je_copy *copy = &je->copies.v[x->copy];
		uint64_t room;

		if (x->state != JE_ACTIVE || x->slab)
			continue;
		room = x->bytes - (x->addr - x->base);
		x->usable = copy->sizes[x->szind];
		/* A sampled small one has an extent of its own, and the size of its class. */
		if (copy->size_by_pages && x->szind >= copy->n_bins && x->bytes > copy->large_pad)
			x->usable = x->bytes - copy->large_pad;
		if (x->usable > room)
			x->usable = room;
		x->n_regs = 1;
	}
}

struct err *je_read_extents(struct jemalloc *je)
{
	uint64_t dumped = 1 << 20;
	struct err *err;

	for (size_t i = 0; i < je->img->n_segments; i++)
		if (je->img->segments[i].bytes)
			dumped += je->img->segments[i].end - je->img->segments[i].start;
	/* Each extent has an element of its own, of at least 8 bytes. */
	err = col_open_moving(je->env, sizeof(struct je_extent), dumped / 8 + 1, "jemalloc extents",
			      &je->extents_col);
	for (size_t i = 0; i < je->copies.n && !err; i++) {
		struct walk w = {
			.je = je, .copy = &je->copies.v[i], .no = (uint8_t)i, .left = dumped
		};

		err = walk_node(&w, w.copy->root, 0, 0);
	}
	if (err)
		return err;
	je->extents = je->extents_col.base;
	je->n_extents = je->extents_col.n;
	drop_overlaps(je);
	je->extents_col.n = je->n_extents;
	err = add_gaps(je);
	if (!err)
		size_large(je);
	return err;
}

struct je_extent *je_extent_at(const struct jemalloc *je, taddr addr)
{
	size_t i = partition_point(je->n_extents, k,
				   je->extents[k].base + je->extents[k].bytes <= addr);

	return i < je->n_extents && je->extents[i].base <= addr ? &je->extents[i] : NULL;
}

bool je_slab_bitmap(const struct jemalloc *je, const struct je_extent *x,
		    uint64_t ret[JE_REGS_MAX / 64])
{
	unsigned n = (unsigned)bits_words(x->n_regs);

	if (!n || n > JE_REGS_MAX / 64 || !je_words(je->img, x->edata + JE_BITMAP_AT, ret, n))
		return false;
	if (x->n_regs % 64)
		ret[n - 1] &= (1ull << x->n_regs % 64) - 1;
	return true;
}
