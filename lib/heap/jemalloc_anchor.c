/*
 * jemalloc_anchor.c - find every jemalloc of a process from its data alone.
 *
 * Two static tables of one module give it away: bin_infos[], whose first entries any build fills with
 * the smallest size classes, and the root of the radix tree, 2 MiB (48 address bits) or 256 KiB (57) of
 * mostly empty words.  A word is an element of the root if it points to a leaf whose elements point to
 * edata_t's that say the very addresses that lead there.  Symbols only confirm.
 */
#include <stdio.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "heap/jemalloc_fields.h"
#include "image/shadow.h"

enum {
	BIN_INFO = 40, /* sizeof(bin_info_t) where bitmaps are flat */
	BIN_INFO_TREE =
		56, /* with the levels of a bitmap tree: pages larger than 8 KiB; see bin_stride() */
	BINS_GOOD = 24, /* of 36 or 39: some may be damaged */
	COPIES_MAX = 16,
	PROBE_GOOD = 8, /* leaf elements that prove a leaf */
	PROBE_BAD = 4,
	VERSION_BYTES = 9, /* 5.3.0-0-g */
	PROBES_MAX = 1 << 16, /* candidates for the root that are looked at, a module */
};

static const struct je_form forms[] = {
	/* extent_structs.h: arena 12, slab, committed, dumpable, zeroed, state 2, szind 8, nfree 10 */
	{ "5.2", .state_shift = 16, .state_bits = 2, .szind_shift = 18, .nfree_shift = 26,
	  .tail_descriptor = true },
	/* edata.h: arena 12, slab, committed, pai, zeroed, guarded, state 3, szind 8, nfree 10 */
	{ "5.3", .state_shift = 17, .state_bits = 3, .szind_shift = 20, .nfree_shift = 28 },
};

/* ---- size classes */

/*
 * sc.c: tiny classes below the quantum, then four to each doubling.  From the group of the quantum
 * on the steps double with the sizes.
 */
static void fill_sizes(struct je_copy *copy, unsigned lg_quantum, uint64_t first)
{
	uint64_t base = 1ull << (lg_quantum + 2), step = 1ull << lg_quantum;
	uint32_t n = 0;

	for (uint64_t size = first; size < step; size *= 2)
		copy->sizes[n++] = size;
	for (uint64_t size = step; size <= base; size += step)
		copy->sizes[n++] = size;
	for (; base <= 1ull << 62 && n + 4 <= JE_SIZES_MAX; base *= 2, step *= 2)
		for (unsigned i = 1; i <= 4 && base + i * step <= 7ull << 60; i++)
			copy->sizes[n++] = base + i * step;
	copy->n_sizes = n;
	while (copy->n_bins < n && copy->sizes[copy->n_bins] < 4ull * copy->page)
		copy->n_bins++;
}

/* bin_info_t: reg_size, slab_size, nregs, n_shards, bitmap_info */
static bool is_bin_info(const uint8_t *p, uint64_t reg_size, uint64_t page)
{
	uint64_t slab = load_u64(p + 8);

	return load_u64(p) == reg_size && slab && slab % page == 0 && slab <= 64 * page &&
	       load_u32(p + 16) == slab / reg_size && load_u32(p + 20) && load_u32(p + 20) <= 64 &&
	       load_u64(p + 24) == slab / reg_size;
}

static unsigned count_bins(const struct je_copy *copy, const uint8_t *p, uint64_t avail,
			   unsigned stride)
{
	unsigned n = 0;

	for (unsigned i = 0; i < copy->n_bins && (i + 1) * (uint64_t)stride <= avail; i++)
		n += is_bin_info(p + i * stride, copy->sizes[i], copy->page);
	return n;
}

/* The distance to the second entry: bitmap_info_t has levels where a slab may have many regions. */
static unsigned bin_stride(const uint8_t *p, uint64_t avail, uint64_t second, uint64_t page)
{
	for (unsigned stride = BIN_INFO; stride <= 2 * BIN_INFO_TREE; stride += 8)
		if (stride + BIN_INFO <= avail && is_bin_info(p + stride, second, page))
			return stride;
	return 0;
}

/* bin_infos[] at p? The first class has a slab of one page. */
static bool try_bin_infos(const uint8_t *p, uint64_t avail, struct je_copy *ret)
{
	uint64_t first = load_u64(p), page = load_u64(p + 8);
	unsigned stride;

	if (!is_bin_info(p, first, page))
		return false;
	for (unsigned lg_quantum = 3; lg_quantum <= 4; lg_quantum++) {
		struct je_copy copy = { .page = (uint32_t)page };

		if (first > 1ull << lg_quantum)
			continue;
		fill_sizes(&copy, lg_quantum, first);
		stride = bin_stride(p, avail, copy.sizes[1], page);
		if (!stride || count_bins(&copy, p, avail, stride) < BINS_GOOD)
			continue;
		for (unsigned i = 0; i < copy.n_bins && (i + 1) * (uint64_t)stride <= avail; i++)
			if (is_bin_info(p + i * stride, copy.sizes[i], page))
				copy.slab_bytes[i] = load_u64(p + i * stride + 8);
		*ret = copy;
		return true;
	}
	return false;
}

void je_keep_copy(const struct image *img, const struct je_copy *copy)
{
	uint64_t avail;
	const uint8_t *p = image_view(img, copy->bin_infos, &avail);
	unsigned stride = bin_stride(p, avail, copy->sizes[1], copy->page);

	image_keep(img, copy->bin_infos, (uint64_t)copy->n_bins * stride);
}

static struct err *scan_bin_infos(struct jemalloc *je, const struct segment *seg)
{
	uint64_t n = seg->end - seg->start;
	struct je_copy copy; /* within the loop it would cost ASan a look at its 5 KB for each word */

	for (uint64_t at = 0; at + 2 * BIN_INFO <= n && je->copies.n < COPIES_MAX; at += 8) {
		uint64_t first = load_u64(seg->bytes + at), page;

		if (first != 8 && first != 16)
			continue;
		page = load_u64(seg->bytes + at + 8);
		if (page < 4096 || page > 65536 || !is_pow2(page) ||
		    !try_bin_infos(seg->bytes + at, n - at, &copy))
			continue;
		copy.bin_infos = seg->start + at;
		copy.module = image_module_at(je->img, copy.bin_infos);
		if (!vec_push(&je->copies, &copy))
			return &err_nomem;
		at += copy.n_bins * (uint64_t)BIN_INFO - 8;
	}
	return NULL;
}

/* ---- the radix tree */

/* rtree_levels[] of rtree.h: what remains goes to the last levels. */
static struct je_geometry geometry_of(unsigned lg_vaddr, uint32_t page)
{
	unsigned lg_page = (unsigned)__builtin_ctz(page), bits = lg_vaddr - lg_page,
		 shift = lg_vaddr;
	struct je_geometry g = { .n_levels = bits <= 36 ? 2 : 3, .compact = 64 - lg_vaddr >= 8 };

	for (unsigned i = 0; i < g.n_levels; i++) {
		unsigned left = g.n_levels - i;

		/* rest 1: the last level; rest 2: the last two */
		g.bits[i] = (uint8_t)(bits / g.n_levels + (left <= bits % g.n_levels));
		shift -= g.bits[i];
		g.shift[i] = (uint8_t)shift;
	}
	return g;
}

struct probe {
	unsigned good, bad;
	unsigned forms[ARRAY_SIZE(forms)];
	uint64_t key; /* the address bits above the leaf's */
};

/* Does the edata that element `j` of a leaf points to say that it is there? */
static void probe_element(const struct image *img, const struct je_copy *copy,
			  const struct je_geometry *g, const struct je_leaf *leaf, uint64_t j,
			  struct probe *p)
{
	unsigned last = g->n_levels - 1u;
	uint64_t e[3], base, bytes, key;
	taddr addr;

	if (!je_words(img, leaf->edata, e, ARRAY_SIZE(e)))
		goto bad;
	base = align_down(e[1], copy->page);
	bytes = align_down(e[2], copy->page);
	key = base >> (g->shift[last] + g->bits[last]);
	addr = key << (g->shift[last] + g->bits[last]) | j << g->shift[last];
	if (!base || addr < base || addr - base >= bytes ||
	    ((p->good || p->bad) && p->good && key != p->key))
		goto bad;
	p->key = key;
	p->good++;
	for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
		unsigned state = je_bits(e[0], forms[f].state_shift, forms[f].state_bits);

		/* Inactive ones have the same szind, none, in each form: they tell by their state. */
		p->forms[f] += state < JE_STATES &&
			       je_bits(e[0], forms[f].szind_shift, 8) == leaf->szind &&
			       je_bits(e[0], 12, 1) == leaf->slab;
	}
	return;
bad:
	p->bad++;
}

static bool proved(const struct probe *p)
{
	return p->good >= PROBE_GOOD && p->bad < PROBE_BAD;
}

static void probe_leaf(const struct image *img, const struct je_copy *copy,
		       const struct je_geometry *g, taddr leaf, struct probe *p)
{
	unsigned elem = g->compact ? 8 : 16, last = g->n_levels - 1u;
	uint64_t avail = 0, n = 1ull << g->bits[last];
	const uint8_t *bytes = leaf % 64 ? NULL : image_view(img, leaf, &avail);

	if (!bytes || avail / elem < n)
		return;
	for (uint64_t j = 0; j < n && p->bad < PROBE_BAD && !proved(p); j++) {
		struct je_leaf l;

		if (je_leaf_parse(g, bytes + j * elem, &l))
			probe_element(img, copy, g, &l, j, p);
	}
}

/* A node of the middle level: each of its children is tried until one proves it. */
static void probe_node(const struct image *img, const struct je_copy *copy,
		       const struct je_geometry *g, taddr node, struct probe *p)
{
	uint64_t avail = 0, n = 1ull << g->bits[1];
	const uint8_t *bytes = node % 64 ? NULL : image_view(img, node, &avail);

	if (!bytes || avail / 8 < n)
		return;
	for (uint64_t j = 0; j < n && p->bad < PROBE_BAD && !proved(p); j++)
		if (load_u64(bytes + j * 8)) {
			struct probe leaf = {};

			probe_leaf(img, copy, g, load_u64(bytes + j * 8), &leaf);
			if (leaf.good && (leaf.key & (n - 1)) == j) {
				*p = leaf;
				p->key = leaf.key >> g->bits[1];
			} else {
				p->bad++;
			}
		}
}

/* Is the word at `at` an element of the root? Then the root and its form are told. */
static bool try_root(const struct image *img, const struct segment *seg, uint64_t at,
		     const struct je_geometry *g, struct je_copy *copy)
{
	taddr child = load_u64(seg->bytes + at);
	struct probe p = {};
	uint64_t index;
	size_t best = 0;

	if (g->n_levels == 2)
		probe_leaf(img, copy, g, child, &p);
	else
		probe_node(img, copy, g, child, &p);
	index = p.key & ((1ull << g->bits[0]) - 1);
	if (!p.good || p.bad >= PROBE_BAD || index * 8 > at || (seg->start + at - index * 8) % 8)
		return false;
	for (size_t f = 1; f < ARRAY_SIZE(forms); f++)
		if (p.forms[f] > p.forms[best])
			best = f;
	if (!p.forms[best])
		return false;
	copy->root = seg->start + at - index * 8;
	copy->form = &forms[best];
	copy->geometry = *g;
	return true;
}

/* Only anonymous memory has leaves; most words of a module's data point elsewhere. */
static bool may_be_child(const struct image *img, const struct segment *seg, uint64_t word)
{
	const struct segment *to;

	if (word % 64 || !word || (word >= seg->start && word < seg->end))
		return false;
	to = image_segment(img, word);
	return to && to->bytes && to->flags & SEG_W && to->end - word >= 1 << 18;
}

static bool find_root(const struct image *img, const struct segment *seg, struct je_copy *copy)
{
	static const uint8_t vaddrs[] = { 48, 57, 57 };
	struct je_geometry g[ARRAY_SIZE(vaddrs)];
	uint64_t n = seg->end - seg->start;
	unsigned probes = 0;

	for (size_t i = 0; i < ARRAY_SIZE(vaddrs); i++)
		g[i] = geometry_of(vaddrs[i], copy->page);
	g[2].apart = true;
	for (uint64_t at = 0; at + 8 <= n && probes < PROBES_MAX; at += 8) {
		if (!may_be_child(img, seg, load_u64(seg->bytes + at)))
			continue;
		probes++;
		for (size_t i = 0; i < ARRAY_SIZE(vaddrs); i++)
			if (try_root(img, seg, at, &g[i], copy))
				return true;
	}
	return false;
}

/* ---- all of them */

static bool is_data(const struct segment *seg)
{
	return seg->bytes && seg->flags & SEG_W;
}

/* The root lies in the data of the module that has bin_infos; without modules, in the same mapping. */
static bool root_of(const struct image *img, struct je_copy *copy)
{
	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *seg = &img->segments[i];
		bool same = copy->module ?
				    image_module_at(img, seg->start) == copy->module :
				    copy->bin_infos >= seg->start && copy->bin_infos < seg->end;

		if (is_data(seg) && same && find_root(img, seg, copy))
			return true;
	}
	return false;
}

static void find_symbol(const struct image *img, struct je_copy *copy)
{
	static const char *const prefixes[] = { "", "je_", "_rjem_je_", "_rjem_" };
	static const char *const names[] = { "arena_emap_global", "extents_rtree" };

	for (size_t p = 0; p < ARRAY_SIZE(prefixes) && copy->module; p++)
		for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
			struct symbol sym;
			char name[48];

			snprintf(name, sizeof(name), "%s%s", prefixes[p], names[n]);
			if (image_symbol(img, copy->module, name, &sym) && copy->root >= sym.addr &&
			    copy->root - sym.addr < 256)
				copy->by_symbol = true;
		}
}

/* "5.3.0-0-g54eaed1d...", JEMALLOC_VERSION: read-only, where a file gave it back or the core has it. */
static bool is_version(const uint8_t *at, uint64_t n)
{
	static const char form[] = "5.#.#-#-g";

	for (size_t i = 0; i + 1 < sizeof(form); i++)
		if (i >= n ||
		    (form[i] == '#' ? at[i] < '0' || at[i] > '9' : at[i] != (uint8_t)form[i]))
			return false;
	return true;
}

static void read_version(const struct image *img, struct je_copy *copy)
{
	for (size_t i = 0; i < img->n_segments && copy->module; i++) {
		const struct segment *seg = &img->segments[i];
		const uint8_t *at = seg->bytes, *end = at ? at + (seg->end - seg->start) : NULL;

		if (!at || seg->flags & SEG_W || image_module_at(img, seg->start) != copy->module)
			continue;
		while ((at = memmem(at, (size_t)(end - at), "5.", 2))) {
			if (is_version(at, (uint64_t)(end - at))) {
				image_keep_bytes(img, at, VERSION_BYTES);
				memcpy(copy->version, at, 5);
				return;
			}
			at++;
		}
	}
}

struct err *je_find_copies(struct env *env, const struct image *img, struct jemalloc *je)
{
	size_t kept = 0;

	je->env = env;
	je->img = img;
	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *seg = &img->segments[i];
		struct err *err = NULL;

		if (is_data(seg) && image_module_at(img, seg->start))
			err = scan_bin_infos(je, seg);
		if (err)
			return err;
	}
	for (size_t i = 0; i < je->copies.n; i++) {
		struct je_copy copy = je->copies.v[i];

		if (!root_of(img, &copy))
			continue; /* the numbers alone, or a jemalloc that was never used */
		find_symbol(img, &copy);
		read_version(img, &copy);
		je->copies.v[kept++] = copy;
	}
	je->copies.n = kept;
	return NULL;
}
