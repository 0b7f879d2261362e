/*
 * pymalloc.c - the walker of CPython's allocator of small blocks: bids, claims, explains, sums up.
 *
 * The steps are files of their own: pymalloc_anchor.c, pymalloc_pools.c.
 */
#include "heap/pymalloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/guard.h"
#include "base/vec.h"
#include "image/python.h"
#include "image/shadow.h"

const char *const py_where_names[PY_WHERES] = {
	[PY_FREEBLOCK] = "freeblock",
	[PY_UNTOUCHED] = "untouched",
	[PY_FREEPOOL] = "freepool",
	[PY_UNCARVED] = "uncarved",
};

static void py_close(void *ctx)
{
	struct py_heap *h = ctx;

	if (!h)
		return;
	for (size_t i = 0; i < h->arenas.n; i++)
		damages_free(&h->arenas.v[i].damage);
	damages_free(&h->damage);
	free(h->arenas.v);
	free(h->rows);
	free(h->classes);
	free(h);
}

static void guard_heap(struct py_heap **h)
{
	py_close(*h);
}

static int by_start(const void *a, const void *b)
{
	const struct py_arena *x = a, *y = b;

	return x->start != y->start ? (x->start < y->start ? -1 : 1) : (x->index > y->index) - (x->index < y->index);
}

/* Of two records with the same memory, one is what is left of an older array behind this one. */
static void drop_overlaps(struct py_heap *h)
{
	size_t n = 0;

	for (size_t i = 0; i < h->arenas.n; i++)
		if (!n || h->arenas.v[i].start >= h->arenas.v[n - 1].end)
			h->arenas.v[n++] = h->arenas.v[i];
	h->arenas.n = n;
}

static struct err *read_arenas(struct py_heap *h)
{
	const struct py_layout *l = &h->layout;

	for (uint32_t i = 0; i < l->n_arenas; i++) {
		struct py_arena a;

		if (py_read_arena(h->img, l, i, &a) && !vec_push(&h->arenas, &a))
			return &err_nomem;
	}
	if (!h->arenas.n)
		return err_new(ERR_FORMAT, "no arenas of CPython's");
	qsort(h->arenas.v, h->arenas.n, sizeof(*h->arenas.v), by_start);
	drop_overlaps(h);
	return NULL;
}

static struct err *py_open(struct env *env, const struct image *img, void **ret_ctx)
{
	_cleanup_(guard_heap) struct py_heap *h = calloc(1, sizeof(*h));
	struct err *err;

	if (!h)
		return &err_nomem;
	h->env = env;
	h->img = img;
	if (!py_find(img, &h->layout))
		return err_new(ERR_FORMAT, "no pools of CPython's");
	err = read_arenas(h);
	if (err)
		return err;
	*ret_ctx = take(&h);
	return NULL;
}

static void say_why(const struct image *img, const struct py_layout *l, char *ret, size_t n)
{
	snprintf(ret, n, "usedpools at 0x%" PRIx64 " and arenas at 0x%" PRIx64 " by layout%s, pools of %u KiB", l->used,
		 l->arenas, img->python && img->python->by_symbol ? ", PyType_Type by symbol" : "", l->pool_bytes >> 10);
}

static void py_bid(struct env *env, const struct image *img, struct walker_bid *ret)
{
	struct py_layout l;

	(void)env;
	if (!py_find(img, &l))
		return;
	ret->score = 80 + 10 * img->python->by_symbol;
	say_why(img, &l, ret->why, sizeof(ret->why));
}

static struct err *py_claim(void *ctx, struct claim_sink *sink)
{
	const struct py_heap *h = ctx;

	for (size_t i = 0; i < h->arenas.n; i++) {
		struct claim claim = {
			.start = h->arenas.v[i].start,
			.end = h->arenas.v[i].end,
			.arena = (uint32_t)i,
			.small_grains = h->layout.shift == 3,
		};
		struct err *err = sink->add(sink, &claim);

		if (err)
			return err;
	}
	return NULL;
}

/* ---- totals */

static void sum_arena(struct py_heap *h, struct py_arena *a, struct heap_arena *row, struct where_total *wheres)
{
	*row = (struct heap_arena){
		.addr = a->record,
		.kind = ARENA_OTHER,
		.bytes = a->end - a->start,
		.used = a->bytes_in[PY_USED],
		.n_used = a->n_in[PY_USED],
		.largest_free = a->largest,
	};
	for (int w = PY_FREEBLOCK; w < PY_WHERES; w++) {
		row->n_free += a->n_in[w];
		row->free += a->bytes_in[w];
		wheres[w].count += a->n_in[w];
		wheres[w].bytes += a->bytes_in[w];
	}
	row->overhead = row->bytes - row->used - row->free;
	h->info.n_used += row->n_used;
	h->info.used += row->used;
	h->info.n_free += row->n_free;
	h->info.free += row->free;
	h->info.overhead += row->overhead;
	h->passed += a->passed;
	h->failed += a->failed;
	damages_move(&h->damage, h->env, &a->damage);
}

static void sum_classes(struct py_heap *h)
{
	for (unsigned c = 0; c < h->layout.n_classes; c++) {
		struct class_total t = { .size = (c + 1ull) << h->layout.shift };

		for (size_t i = 0; i < h->arenas.n; i++) {
			const struct py_class *of = &h->arenas.v[i].classes[c];

			t.units += of->pools;
			t.used += of->used;
			t.blocks += of->used + of->free;
		}
		if (t.units)
			h->classes[h->info.n_classes++] = t;
	}
	h->info.classes = h->classes;
}

/* A thread inside pymalloc has a block of one pool in hand, and no other has the lock. */
static void check_moving(struct py_heap *h)
{
	uint64_t n = 0;
	taddr first = 0;

	for (size_t i = 0; i < h->arenas.n; i++) {
		n += h->arenas.v[i].n_moving;
		first = first ? first : h->arenas.v[i].moving;
	}
	if (n == 1) {
		diag(h->env, "heap/in-flight", first,
		     "pool at 0x%" PRIx64 ": its free list and its count differ by one block, which a thread has in hand",
		     first);
	} else if (n) {
		h->failed += n;
		damage_add(&h->damage, h->env, first,
			   "pool at 0x%" PRIx64 " and %" PRIu64 " others: their free lists and their counts differ by a block",
			   first, n - 1);
	} else {
		h->passed++;
	}
}

static void fill_info(struct py_heap *h)
{
	struct where_total wheres[PY_WHERES] = {};

	for (size_t i = 0; i < h->arenas.n; i++)
		sum_arena(h, &h->arenas.v[i], &h->rows[i], wheres);
	for (int w = PY_FREEBLOCK; w < PY_WHERES; w++) {
		wheres[w].where = py_where_names[w];
		if (wheres[w].count)
			h->info.wheres[h->info.n_wheres++] = wheres[w];
	}
	h->info.arenas = h->rows;
	h->info.n_arenas = h->arenas.n;
	sum_classes(h);
	check_moving(h);
}

static const struct heap_info *py_info(void *ctx)
{
	struct py_heap *h = ctx;
	struct heap_info *info = &h->info;
	const char *version = python_version(h->img->python);

	if (h->have_info)
		return info;
	h->have_info = true;
	info->allocator = "cpython";
	if (!version)
		version = h->layout.pool_bytes > 4096 ? "3.10 or later" : "up to 3.9";
	snprintf(info->version, sizeof(info->version), "%s", version);
	snprintf(info->how, sizeof(info->how), "%slayout", h->img->python->by_symbol ? "symbols+" : "");
	say_why(h->img, &h->layout, info->why, sizeof(info->why));
	h->rows = calloc(h->arenas.n, sizeof(*h->rows));
	h->classes = calloc(PY_CLASSES, sizeof(*h->classes));
	if (h->rows && h->classes)
		fill_info(h);
	info->knows_returnable = true; /* nothing does: an arena without a block in use went back at once */
	info->checks_passed = h->passed;
	info->checks_failed = h->failed;
	info->damage = h->damage.v;
	info->n_damage = h->damage.n;
	return info;
}

/* ---- one block in words */

static const char *py_explain(void *ctx, taddr block, struct text *ret)
{
	const struct py_heap *h = ctx;
	const struct py_arena *a = py_arena_at(h, block);
	uint64_t marks[PY_POOL_MARKS];
	struct py_pool p;
	uint32_t i, n;

	if (!a || block < a->first)
		return NULL;
	if (block >= a->carved) {
		text_printf(ret, "pools that were never used, of the arena at 0x%" PRIx64, a->start);
		return py_where_names[PY_UNCARVED];
	}
	py_read_pool(h, align_down(block, h->layout.pool_bytes), &p);
	if (!p.sound) {
		text_printf(ret, "a pool of the arena at 0x%" PRIx64, a->start);
		return p.bytes && !p.count ? py_where_names[PY_FREEPOOL] : NULL;
	}
	if (block < p.at + PY_POOL_HEADER)
		return NULL;
	i = (uint32_t)(block - p.at - PY_POOL_HEADER) / p.size;
	text_printf(ret,
		    "block %u of %u, size class %u (%u bytes), of the pool at 0x%" PRIx64 ", %u in use; arena at 0x%" PRIx64, i,
		    p.n, p.class_no, p.size, p.at, p.count, a->start);
	py_free_blocks(h, &p, marks, &n);
	if (i >= p.carved)
		return py_where_names[PY_UNTOUCHED];
	return bit_get(marks, i) ? py_where_names[PY_FREEBLOCK] : NULL;
}

static bool py_unit(void *ctx, taddr block, taddr *ret_start, taddr *ret_end)
{
	const struct py_arena *a = py_arena_at(ctx, block);

	if (!a)
		return false;
	*ret_start = a->start;
	*ret_end = a->end;
	return true;
}

/* Lists of pools, and of arenas: what they lead to is no block. */
static struct err *py_metadata(void *ctx, struct claim_sink *sink)
{
	const struct py_heap *h = ctx;
	struct claim lists = { .start = h->layout.used, .end = h->layout.used + 16ull * h->layout.n_classes };

	return sink->add(sink, &lists);
}

/* Records and pools lie where nobody else's readers look: they are read once more, and with that kept. */
static struct err *py_keep(void *ctx, const struct blocks *b)
{
	const struct py_heap *h = ctx;
	struct py_layout again;

	(void)b;
	py_find(h->img, &again);
	for (size_t i = 0; i < h->arenas.n; i++) {
		struct py_arena a;

		py_read_arena(h->img, &h->layout, h->arenas.v[i].index, &a);
		for (taddr at = h->arenas.v[i].first; at < h->arenas.v[i].carved; at += h->layout.pool_bytes) {
			uint64_t marks[PY_POOL_MARKS];
			struct py_pool p;
			uint32_t n;

			py_read_pool(h, at, &p);
			if (p.sound)
				py_free_blocks(h, &p, marks, &n);
		}
	}
	return NULL;
}

extern const struct walker_ops pymalloc_walker;
const struct walker_ops pymalloc_walker = {
	.name = "cpython",
	.links = 8,
	.bid = py_bid,
	.open = py_open,
	.claim = py_claim,
	.walk = py_walk,
	.info = py_info,
	.explain = py_explain,
	.metadata = py_metadata,
	.keep = py_keep,
	.unit = py_unit,
	.unit_name = "arena",
	.rounding = 16,
	.close = py_close,
};
