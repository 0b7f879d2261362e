/*
 * tcmalloc_anchor.c - find PageHeap by the shape of its free lists, and its page map before them.
 *
 * PageHeap::free_ is 2 * kMaxPages list heads of 48 bytes in a row, each a ring of its own or of spans
 * that lead back to it (gperftools src/page_heap.h, 2.8 to 2.18).  Before it lie two sets and the page
 * map; a span in the map that says of itself what the map says of it proves the place.  No symbols, no
 * code and no file are needed; where they are there, they must agree.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "heap/tcmalloc_fields.h"
#include "image/insn.h"

enum {
	ADDRESS_BITS = 48,
	SHIFT_MIN = 12, /* of pages, as `configure --with-tcmalloc-pagesize` allows */
	SHIFT_MAX = 18,
	RUN_MIN = 2 << (20 - SHIFT_MAX),
	DAMAGED_MAX = 8, /* list heads in a row that may be damaged */
	TRIES_MAX = 256, /* entries of a root looked at for a proof */
	REFS_MAX = 64,
	BEFORE_MAP = (8 << 16) + 64, /* PageHeap begins with a cache of 2^16 words and, from 2.11 on, a lock */
};

bool tcm_is_linked(const struct image *img, taddr span)
{
	uint64_t next, prev, back;

	return image_read_u64(img, span + SPAN_NEXT, &next) == MEM_OK &&
	       image_read_u64(img, span + SPAN_PREV, &prev) == MEM_OK &&
	       image_read_u64(img, next + SPAN_PREV, &back) == MEM_OK && back == span &&
	       image_read_u64(img, prev + SPAN_NEXT, &back) == MEM_OK && back == span;
}

taddr tcm_map_get(const struct image *img, const struct tcm_copy *c, uint64_t page)
{
	const struct tcm_map *m = &c->map;
	unsigned below = m->node_bits + m->leaf_bits;
	uint64_t at = m->root, value;

	if (page >> below >> m->root_bits)
		return 0;
	if (image_read_u64(img, at + 8 * (page >> below), &at) != MEM_OK || !at)
		return 0;
	if (m->node_bits && (image_read_u64(img, at + 8 * (page >> m->leaf_bits & ((1u << m->node_bits) - 1)), &at) != MEM_OK || !at))
		return 0;
	return image_read_u64(img, at + 8 * (page & ((1u << m->leaf_bits) - 1)), &value) == MEM_OK ? value : 0;
}

/* ---- proof */

/* The page map gives the span for its first page and its last one, and the span gives them back. */
static bool is_span_of(const struct image *img, const struct tcm_copy *c, taddr span, uint64_t page)
{
	uint64_t w[2]; /* start, length */

	return span && !(span & 7) && image_read(img, span, w, sizeof(w)) == MEM_OK && w[0] == page && w[1] &&
	       w[1] < (1ull << ADDRESS_BITS >> c->page_shift) - page && tcm_map_get(img, c, page + w[1] - 1) == span;
}

/* Of the first entries of a leaf that are not 0, any proves: some may be damaged. */
static bool leaf_proves(const struct image *img, const struct tcm_copy *c, taddr leaf, uint64_t page)
{
	uint64_t n = 1ull << c->map.leaf_bits, tries = 0;

	for (uint64_t i = 0; i < n && !(leaf & 7);) {
		uint64_t avail;
		const uint8_t *bytes = image_view(img, leaf + 8 * i, &avail);

		if (!bytes || avail < 8)
			return false;
		for (; i < n && avail >= 8; i++, bytes += 8, avail -= 8) {
			if (!load_u64(bytes))
				continue;
			if (is_span_of(img, c, load_u64(bytes), page + i))
				return true;
			if (++tries == TRIES_MAX)
				return false;
		}
	}
	return false;
}

static bool node_proves(const struct image *img, const struct tcm_copy *c, taddr node, uint64_t page)
{
	for (uint64_t i = 0, tries = 0; i >> c->map.node_bits == 0 && tries < TRIES_MAX; i++) {
		uint64_t leaf;

		if (image_read_u64(img, node + 8 * i, &leaf) != MEM_OK)
			return false;
		if (!leaf)
			continue;
		if (leaf_proves(img, c, leaf, page + (i << c->map.leaf_bits)))
			return true;
		tries++;
	}
	return false;
}

static bool map_proves(const struct image *img, const struct tcm_copy *c)
{
	uint64_t n = 1ull << c->map.root_bits, tries = 0;
	unsigned below = c->map.node_bits + c->map.leaf_bits;

	for (uint64_t i = 0; i < n && tries < TRIES_MAX; i++) {
		uint64_t at;

		if (image_read_u64(img, c->map.root + 8 * i, &at) != MEM_OK)
			return false;
		if (!at)
			continue;
		if (c->map.node_bits ? node_proves(img, c, at, i << below) : leaf_proves(img, c, at, i << below))
			return true;
		tries++;
	}
	return false;
}

/* Between the page map and the lists: the map's allocator_, and two sets of large spans. */
static bool try_map(const struct image *img, struct tcm_copy *c, unsigned set_bytes, bool three_levels)
{
	unsigned bits = ADDRESS_BITS - c->page_shift, interior = (bits + 2) / 3;
	taddr allocator_at = c->lists - 2 * set_bytes - 8;
	const struct segment *seg;
	uint64_t allocator;

	if (three_levels)
		c->map = (struct tcm_map){ 0, (uint8_t)interior, (uint8_t)interior, (uint8_t)(bits - 2 * interior) };
	else
		c->map = (struct tcm_map){ 0, (uint8_t)(bits / 2), 0, (uint8_t)((bits + 1) / 2) };
	c->map.root = allocator_at - (8ull << c->map.root_bits);
	if (image_read_u64(img, allocator_at, &allocator) != MEM_OK)
		return false;
	seg = image_segment(img, allocator);
	return seg && seg->flags & SEG_X && map_proves(img, c);
}

static bool find_map(const struct image *img, struct tcm_copy *c)
{
	static const struct {
		uint8_t set_bytes; /* sizeof(std::set) of libstdc++, of libc++ */
		bool three_levels;
	} forms[] = { { 48, false }, { 48, true }, { 24, false }, { 24, true } };

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		if (try_map(img, c, forms[i].set_bytes, forms[i].three_levels))
			return true;
	return false;
}

/* ---- search */

static struct err *add_copy(struct tcmalloc *t, const struct tcm_copy *c)
{
	for (uint32_t i = 0; i < t->n_copies; i++)
		if (t->copies[i].lists == c->lists)
			return NULL;
	if (t->n_copies < TCM_COPIES_MAX)
		t->copies[t->n_copies++] = *c;
	return NULL;
}

/* Is there a PageHeap whose 2 * n_lists list heads begin at `lists`? */
static bool try_lists(struct tcmalloc *t, taddr lists, unsigned shift, struct tcm_copy *ret)
{
	struct tcm_copy c = {
		.module = image_module_at(t->img, lists),
		.page_shift = (uint8_t)shift,
		.lists = lists,
		.n_lists = 1u << (20 - shift),
	};

	c.stats = lists + 2ull * c.n_lists * SPAN_SIZE;
	if (!find_map(t->img, &c) || !tcm_find_sizes(t->img, &c))
		return false;
	*ret = c;
	return true;
}

/* A run of n list heads from `first` on: its length says how large pages are. */
static struct err *try_run(struct tcmalloc *t, taddr first, uint64_t n)
{
	struct tcm_copy c;

	for (unsigned shift = SHIFT_MIN; shift <= SHIFT_MAX; shift++) {
		uint64_t want = 2ull << (20 - shift);

		if (n > want || want - n > DAMAGED_MAX)
			continue;
		/* A damaged first head makes the run begin later. */
		for (uint64_t lack = 0; lack <= want - n; lack++)
			if (try_lists(t, first - lack * SPAN_SIZE, shift, &c))
				return add_copy(t, &c);
	}
	return NULL;
}

/* The run of list heads around one that is empty; returns where it ends. */
static struct err *around(struct tcmalloc *t, const struct segment *seg, taddr head, taddr *ret_end)
{
	taddr first = head, end = head + SPAN_SIZE, at;
	unsigned misses = 0;

	for (at = head; at - seg->start >= SPAN_SIZE && misses < DAMAGED_MAX;) {
		at -= SPAN_SIZE;
		misses = tcm_is_linked(t->img, at) ? 0 : misses + 1;
		if (!misses)
			first = at;
	}
	misses = 0;
	for (at = end; seg->end - at >= SPAN_SIZE && misses < DAMAGED_MAX; at += SPAN_SIZE) {
		misses = tcm_is_linked(t->img, at) ? 0 : misses + 1;
		if (!misses)
			end = at + SPAN_SIZE;
	}
	*ret_end = end;
	if ((end - first) / SPAN_SIZE < RUN_MIN)
		return NULL;
	return try_run(t, first, (end - first) / SPAN_SIZE);
}

static struct err *scan_segment(struct tcmalloc *t, const struct segment *seg)
{
	uint64_t n = seg->end - seg->start;

	for (uint64_t i = SPAN_NEXT; n >= SPAN_SIZE && i <= n - SPAN_SIZE + SPAN_NEXT; i += 8) {
		taddr head = seg->start + i - SPAN_NEXT, end;
		struct err *err;

		if (load_u64(seg->bytes + i) != head || load_u64(seg->bytes + i + 8) != head)
			continue;
		err = around(t, seg, head, &end);
		if (err)
			return err;
		i = end - seg->start + SPAN_NEXT - 8;
	}
	return NULL;
}

/* ---- the other ways, which only confirm */

static bool symbol_agrees(const struct image *img, const struct tcm_copy *c)
{
	struct symbol sym;

	return c->module && image_symbol(img, c->module, "_ZN8tcmalloc6Static9pageheap_E", &sym) &&
	       c->lists - sym.addr < sym.size;
}

/* What frees takes the address of the page heap. */
static bool code_agrees(const struct image *img, const struct tcm_copy *c)
{
	static const char *const functions[] = { "tc_free", "tc_cfree", "free", "tc_delete" };
	taddr first = c->map.root - BEFORE_MAP;

	for (size_t i = 0; i < ARRAY_SIZE(functions) && c->module; i++) {
		struct insn_ref refs[REFS_MAX];
		struct symbol sym;
		size_t n;

		if (!image_symbol(img, c->module, functions[i], &sym) || !sym.is_func)
			continue;
		n = insn_refs(img, sym.addr, sym.size ? sym.size : 1024, 400, refs, REFS_MAX);
		for (size_t r = 0; r < n; r++)
			if (refs[r].kind == INSN_LEA && refs[r].target - first <= c->map.root - first)
				return true;
	}
	return false;
}

/* TC_VERSION_STRING, "gperftools 2.10": in read-only data, where a file gave it back or the core has it. */
static void read_version(const struct image *img, struct tcm_copy *c)
{
	static const char banner[] = "gperftools ";

	for (size_t i = 0; i < img->n_segments && c->module; i++) {
		const struct segment *seg = &img->segments[i];
		const uint8_t *at, *end;
		size_t n = 0;

		if (!seg->bytes || seg->module < 0 || &img->modules[seg->module] != c->module || seg->flags & SEG_W)
			continue;
		end = seg->bytes + (seg->end - seg->start);
		for (at = seg->bytes; (at = memmem(at, end - at, banner, sizeof(banner) - 1));) {
			at += sizeof(banner) - 1;
			while (at + n < end && n < sizeof(c->version) - 1 && (at[n] == '.' || (at[n] >= '0' && at[n] <= '9')))
				n++;
			if (n < 3)
				n = 0;
			else
				break;
		}
		if (!at)
			continue;
		memcpy(c->version, at, n);
		c->version[n] = 0;
		return;
	}
}

struct err *tcm_find_copies(struct tcmalloc *t)
{
	const struct image *img = t->img;

	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *seg = &img->segments[i];
		struct err *err;

		if (!seg->bytes || !(seg->flags & SEG_W) || seg->module < 0)
			continue;
		err = scan_segment(t, seg);
		if (err)
			return err;
	}
	for (uint32_t i = 0; i < t->n_copies; i++) {
		struct tcm_copy *c = &t->copies[i];

		c->by_symbol = symbol_agrees(img, c);
		c->by_code = code_agrees(img, c);
		read_version(img, c);
	}
	return NULL;
}

void tcm_copies_fini(struct tcmalloc *t)
{
	for (uint32_t i = 0; i < t->n_copies; i++)
		free(t->copies[i].caches.v);
	t->n_copies = 0;
}
