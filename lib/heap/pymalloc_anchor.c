/*
 * pymalloc_anchor.c - find usedpools by its shape, the pools on its lists, and from those the array of arenas.
 *
 * usedpools has a ring of pools a size class, of two words: to itself less 16 if there is none, else to the
 * pools, which are aligned to their size and name their class. Which arena a pool is in, its header says by the
 * index in `arenas`: of the words of the modules' data it is the one that leads to records in which all those
 * pools lie where they say. No symbol is asked, for usedpools and `arenas` are static.
 */
#include "base/guard.h"
#include "heap/module_data.h"
#include "heap/pymalloc.h"
#include "image/python.h"
#include "image/shadow.h"

enum {
	HEAD_BACK = 16, /* from a list's words back to what stands for a pool with it */
	PAIR = 16,
	CLASSES_16 = 32,
	CLASSES_8 = 64,
	PAGE = 4096,
	POOL_COUNT = 0, /* struct pool_header */
	POOL_PREV = 24,
	POOL_ARENA = 32,
	POOL_CLASS = 36,
	POOL_MAX = 44,
	RECORD = 48, /* struct arena_object */
	RECORD_CARVED = 8,
	RECORD_FREE = 16,
	RECORD_POOLS = 20,
	RECORD_FREEPOOLS = 24,
	RECORDS_FIRST = 16, /* it grows twofold */
	RECORDS_MOST = 1 << 24,
	ARENA_SMALL = 256 << 10,
	ARENA_LARGE = 1 << 20,
	BAD_MOST = 4, /* lists that may be damaged */
	SEARCHES_MOST = 16, /* of all data, for the arenas of what looks like usedpools */
};

/* The two words of a list, by themselves: an empty list, or pools. */
static inline bool may_be_list(uint64_t first, uint64_t last, taddr at)
{
	return first == at - HEAD_BACK ? last == first : first && last && !((first | last) & (PAGE - 1));
}

static unsigned count_lists(const uint8_t *bytes, uint64_t n, taddr at)
{
	unsigned i = 0, bad = 0;

	for (; i < CLASSES_8 && n >= PAIR; i++, n -= PAIR, bytes += PAIR, at += PAIR) {
		if (may_be_list(load_u64(bytes), load_u64(bytes + 8), at))
			continue;
		if (i >= CLASSES_16 || ++bad > BAD_MOST)
			break;
	}
	return i >= CLASSES_8 ? CLASSES_8 : i >= CLASSES_16 ? CLASSES_16 : 0;
}

/* The size of the first pool on a list, from what its header says of itself; 0: it is no pool of that class. */
static uint32_t pool_bytes(const struct image *img, taddr pool, taddr head, uint32_t class_no, unsigned shift)
{
	uint32_t count, no, max, bytes;
	uint64_t prev;

	if (image_read_u32(img, pool + POOL_COUNT, &count) != MEM_OK || !count ||
	    image_read_u64(img, pool + POOL_PREV, &prev) != MEM_OK || prev != head - HEAD_BACK ||
	    image_read_u32(img, pool + POOL_CLASS, &no) != MEM_OK || no != class_no ||
	    image_read_u32(img, pool + POOL_MAX, &max) != MEM_OK || max > PY_POOL_MOST)
		return 0;
	bytes = max + ((no + 1) << shift);
	return (bytes == PAGE || bytes == PY_POOL_MOST) && !(pool & (bytes - 1)) ? bytes : 0;
}

/* The lists as they would be with blocks of multiples of 1 << shift bytes: how many lead to pools of one size. */
static unsigned check_lists(const struct image *img, struct py_layout *l, unsigned n_classes, unsigned shift)
{
	unsigned good = 0, bad = 0;

	l->n_classes = n_classes;
	l->shift = shift;
	l->pool_bytes = 0;
	for (unsigned i = 0; i < n_classes; i++) {
		taddr head = l->used + PAIR * i;
		uint64_t first;
		uint32_t bytes;

		if (image_read_u64(img, head, &first) != MEM_OK)
			return 0;
		if (first == head - HEAD_BACK)
			continue;
		bytes = pool_bytes(img, first, head, i, shift);
		if (bytes && !l->pool_bytes)
			l->pool_bytes = bytes;
		if (bytes && bytes == l->pool_bytes)
			good++;
		else
			bad++;
	}
	return good > bad ? good : 0;
}

/* ---- the arenas */

bool py_read_arena(const struct image *img, const struct py_layout *l, uint32_t index, struct py_arena *ret)
{
	struct py_arena a = { .record = l->arenas + (uint64_t)RECORD * index, .index = index };

	if (image_read_u64(img, a.record, &a.start) != MEM_OK || !a.start || a.start & 15 ||
	    image_read_u64(img, a.record + RECORD_CARVED, &a.carved) != MEM_OK ||
	    image_read_u32(img, a.record + RECORD_FREE, &a.n_free) != MEM_OK ||
	    image_read_u32(img, a.record + RECORD_POOLS, &a.n_pools) != MEM_OK ||
	    image_read_u64(img, a.record + RECORD_FREEPOOLS, &a.freepools) != MEM_OK)
		return false;
	a.end = a.start + l->arena_bytes;
	a.first = align_up(a.start, l->pool_bytes);
	/* An arena that does not begin with a pool has one less. */
	if (a.end < a.start || a.n_pools != l->arena_bytes / l->pool_bytes - (a.first != a.start) ||
	    a.n_free > a.n_pools || a.carved < a.first || a.carved & (l->pool_bytes - 1) ||
	    (a.carved - a.first) / l->pool_bytes > a.n_pools || !image_segment(img, a.start))
		return false;
	*ret = a;
	return true;
}

/* Are the first pools of the lists where this array has their arenas? */
static bool has_pools(const struct image *img, const struct py_layout *l)
{
	unsigned good = 0, bad = 0;

	for (unsigned i = 0; i < l->n_classes && bad <= BAD_MOST; i++) {
		taddr head = l->used + PAIR * i;
		struct py_arena a;
		uint64_t pool;
		uint32_t index;

		if (image_read_u64(img, head, &pool) != MEM_OK || pool == head - HEAD_BACK ||
		    pool_bytes(img, pool, head, i, l->shift) != l->pool_bytes ||
		    image_read_u32(img, pool + POOL_ARENA, &index) != MEM_OK)
			continue;
		if (py_read_arena(img, l, index, &a) && pool >= a.first && pool < a.carved)
			good++;
		else
			bad++;
	}
	return good > bad;
}

static bool try_arenas(const struct image *img, taddr arenas, struct py_layout *l)
{
	static const uint32_t sizes[] = { ARENA_SMALL, ARENA_LARGE };

	if (!arenas || arenas & 7)
		return false;
	l->arenas = arenas;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		l->arena_bytes = sizes[i];
		if (has_pools(img, l))
			return true;
	}
	return false;
}

/* An entry without an arena leads to another one; but for the last of their list. */
static bool is_unused(const struct image *img, const struct py_layout *l, uint32_t index, uint64_t n)
{
	enum { NEXT = 32 };
	taddr at = l->arenas + (uint64_t)RECORD * index;
	uint64_t start, next;

	return image_read_u64(img, at, &start) == MEM_OK && !start && image_read_u64(img, at + NEXT, &next) == MEM_OK &&
	       next >= l->arenas && (next - l->arenas) / RECORD < n && !((next - l->arenas) % RECORD);
}

/* 16 entries, or twice as many, and so on: as long as most of the next ones are some. */
static uint32_t count_records(const struct image *img, const struct py_layout *l)
{
	uint32_t n = RECORDS_FIRST;

	while (n < RECORDS_MOST) {
		uint32_t good = 0;

		for (uint32_t i = n; i < 2 * n && good + BAD_MOST >= i - n; i++) {
			struct py_arena a;

			good += py_read_arena(img, l, i, &a) || is_unused(img, l, i, 2 * (uint64_t)n);
		}
		if (good + BAD_MOST < n)
			break;
		n *= 2;
	}
	return n;
}

/* A few pools and the numbers of their arenas: most words are seen not to be `arenas` by these. */
struct probes {
	taddr pool[3];
	uint32_t index[3];
	unsigned n;
};

static void find_probes(const struct image *img, const struct py_layout *l, struct probes *ret)
{
	ret->n = 0;
	for (unsigned i = 0; i < l->n_classes && ret->n < ARRAY_SIZE(ret->pool); i++) {
		taddr head = l->used + PAIR * i;
		uint64_t pool;

		if (image_read_u64(img, head, &pool) == MEM_OK && pool != head - HEAD_BACK &&
		    pool_bytes(img, pool, head, i, l->shift) == l->pool_bytes &&
		    image_read_u32(img, pool + POOL_ARENA, &ret->index[ret->n]) == MEM_OK)
			ret->pool[ret->n++] = pool;
	}
}

static bool may_be_arenas(const struct image *img, const struct probes *p, taddr arenas)
{
	for (unsigned i = 0; i < p->n; i++) {
		uint64_t start;

		if (image_read_u64(img, arenas + (uint64_t)RECORD * p->index[i], &start) == MEM_OK && start <= p->pool[i] &&
		    p->pool[i] - start < ARENA_LARGE)
			return true;
	}
	return false;
}

static bool search_arenas(const struct image *img, struct py_layout *l)
{
	struct module_data d = module_data(img);
	taddr behind = l->used + PAIR * CLASSES_16; /* struct _obmalloc_state of 3.12 and later */
	const struct segment *seg;
	struct probes probes;
	uint64_t word;

	if (image_read_u64(img, behind, &word) == MEM_OK && try_arenas(img, word, l))
		return true;
	find_probes(img, l, &probes);
	while ((seg = module_data_next(&d)))
		for (uint64_t off = 0, n = seg->end - seg->start; n - off >= 8; off += 8) {
			word = load_u64(seg->bytes + off);
			if (word >= PAGE && !(word & 15) && may_be_arenas(img, &probes, word) &&
			    try_arenas(img, word, l)) {
				image_keep(img, seg->start + off, 8);
				return true;
			}
		}
	return false;
}

static bool try_used(const struct image *img, taddr at, unsigned n_classes, unsigned *searches,
		     struct py_layout *ret)
{
	struct py_layout l = { .used = at };
	unsigned n_8 = n_classes == CLASSES_8 ? check_lists(img, &l, CLASSES_8, 3) : 0;
	unsigned n_16 = check_lists(img, &l, CLASSES_16, 4);

	if (n_8 > n_16)
		check_lists(img, &l, CLASSES_8, 3);
	if (!l.pool_bytes || !*searches)
		return false;
	--*searches;
	if (!search_arenas(img, &l))
		return false;
	l.n_arenas = count_records(img, &l);
	*ret = l;
	return true;
}

static bool search_segment(const struct image *img, const struct segment *seg, unsigned *searches,
			   struct py_layout *ret)
{
	for (uint64_t off = 0, n = seg->end - seg->start; n - off >= PAIR; off += 8) {
		const uint8_t *b = seg->bytes + off;
		unsigned n_classes;

		if (!may_be_list(load_u64(b), load_u64(b + 8), seg->start + off))
			continue;
		n_classes = count_lists(b, n - off + seg->behind, seg->start + off);
		if (n_classes && try_used(img, seg->start + off, n_classes, searches, ret))
			return true;
	}
	return false;
}

bool py_find(const struct image *img, struct py_layout *ret)
{
	enum shadow_mode mode;
	struct module_data d;
	const struct segment *seg;
	unsigned searches = SEARCHES_MOST;
	bool found = false;

	if (!img->python)
		return false;
	d = module_data(img);
	mode = image_keep_pause(img);
	while (!found && (seg = module_data_next(&d)))
		found = search_segment(img, seg, &searches, ret);
	image_keep_resume(img, mode);
	if (!found)
		return false;
	if (!img->shadow)
		return true;
	image_keep(img, ret->used, PAIR * ret->n_classes);
	searches = 1;
	return try_used(img, ret->used, ret->n_classes, &searches, ret); /* once more, to be kept */
}
