/*
 * mimalloc.c - the walker of mimalloc 2.x and 3.x: bids, claims, explains, sums up.
 *
 * How pages are found is a file of its own for each generation: mimalloc_segments.c, mimalloc_map.c.
 * A page is the same in both: blocks of one size, and the lists of those that are free.
 */
#include "heap/mimalloc.h"
#include "image/shadow.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"

void mi_damage(struct mi_heap *h, taddr at, const char *fmt, ...)
{
	va_list ap;

	h->failed++;
	va_start(ap, fmt);
	damage_vadd(&h->damage, h->env, at, fmt, ap);
	va_end(ap);
}

static bool is_mapped(const struct image *img, taddr start, taddr end)
{
	while (start < end) {
		const struct segment *seg = image_segment(img, start);

		if (!seg || !(seg->flags & SEG_R))
			return false;
		start = seg->end;
	}
	return true;
}

bool mi_page_fits(const struct image *img, const struct mi_page *p)
{
	return p->block_size >= 8 && !(p->block_size & 7) && !(p->start & 7) && !(p->start >> 47) &&
	       p->block_size < 1ull << 46 && p->capacity * p->block_size < 1ull << 46 &&
	       (!p->capacity || is_mapped(img, p->start, mi_page_end(p)));
}

const struct mi_page *mi_page_at(const struct mi_heap *h, taddr at)
{
	size_t i = partition_point(h->pages.n, k, h->pages.v[k].start <= at);

	return i && at < mi_page_end(&h->pages.v[i - 1]) ? &h->pages.v[i - 1] : NULL;
}

int mi_by_address(const void *a, const void *b)
{
	const taddr *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* ---- life */

static void mi_close(void *ctx)
{
	struct mi_heap *h = ctx;

	if (!h)
		return;
	for (size_t i = 0; i < h->pages.n; i++)
		damages_free(&h->pages.v[i].damage);
	for (size_t i = 0; i < h->areas.n; i++)
		free(h->areas.v[i].purge);
	damages_free(&h->damage);
	free(h->pages.v);
	free(h->areas.v);
	free(h->delayed.v);
	free(h->own.v);
	free(h->owners.v);
	free(h->arenas);
	free(h->regions.v);
	col_close(&h->marks_col);
	free(h);
}

static void guard_heap(struct mi_heap **h)
{
	mi_close(*h);
}

static int by_start(const void *a, const void *b)
{
	const struct mi_page *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* A page that reaches over the next one, which the map has where the first should end: its figures are wrong. */
static void clip_page(struct mi_heap *h, struct mi_page *p, const struct mi_page *next)
{
	if (!p->slices_end || next->start < p->slices_end || p->slices_end <= p->start)
		return;
	mi_damage(h, p->at,
		  "page 0x%" PRIx64 " of 0x%" PRIx64
		  ": its %u blocks reach over page 0x%" PRIx64 "; its slices end at 0x%" PRIx64,
		  p->at, p->start, p->capacity, next->at, p->slices_end);
	p->capacity = (uint32_t)((p->slices_end - p->start) / p->block_size);
	p->area_end = p->slices_end;
}

/* By place, without those that have no block yet; of two that meet the first stays. */
static void sort_pages(struct mi_heap *h)
{
	struct mi_page *v = h->pages.v;
	size_t kept = 0;

	if (h->pages.n)
		qsort(v, h->pages.n, sizeof(*v), by_start);
	for (size_t i = 0; i < h->pages.n; i++) {
		if (kept && v[i].start < mi_page_end(&v[kept - 1]))
			clip_page(h, &v[kept - 1], &v[i]);
		if (kept && v[i].start < mi_page_end(&v[kept - 1])) {
			mi_damage(h, v[i].at,
				  "page 0x%" PRIx64 " of 0x%" PRIx64 " lies across page 0x%" PRIx64
				  ": left out",
				  v[i].at, v[i].start, v[kept - 1].at);
			continue;
		}
		if (v[i].capacity)
			v[kept++] = v[i];
	}
	h->pages.n = kept;
}

static struct err *find_owners(struct mi_heap *h)
{
	size_t kept = 0;

	for (size_t i = 0; i < h->pages.n; i++)
		if (!vec_push(&h->owners, &h->pages.v[i].heap))
			return &err_nomem;
	if (!h->owners.n)
		return NULL;
	qsort(h->owners.v, h->owners.n, sizeof(*h->owners.v), mi_by_address);
	for (size_t i = 0; i < h->owners.n; i++)
		if (!kept || h->owners.v[kept - 1] != h->owners.v[i])
			h->owners.v[kept++] = h->owners.v[i];
	h->owners.n = kept;
	for (size_t i = 0; i < h->pages.n; i++)
		h->pages.v[i].arena =
			partition_point((uint32_t)kept, k, h->owners.v[k] < h->pages.v[i].heap);
	return NULL;
}

static struct err *make_marks(struct mi_heap *h)
{
	uint64_t n = 0;
	struct err *err;

	for (size_t i = 0; i < h->pages.n; i++) {
		h->pages.v[i].marks = n;
		n += h->pages.v[i].capacity / 16 + 1;
	}
	err = col_fixed(h->env, sizeof(uint64_t), n + 1, "marks of free blocks", &h->marks_col);
	h->marks = h->marks_col.base;
	return err;
}

/* ---- memory without blocks */

/* Of [start, end), the pages that hold anything: what was never used costs no memory. */
static struct err *add_touched(struct mi_heap *h, taddr start, taddr end, const char *category,
			       const char *label)
{
	struct heap_region r = { .category = category, .label = label };

	while (start < end) {
		taddr next = align_down(start, MI_OS_PAGE) + MI_OS_PAGE;
		uint64_t avail, n;
		const uint8_t *b = image_view(h->img, start, &avail);

		if (next > end)
			next = end;
		n = next - start;
		if (b && avail >= n && !bytes_are_zero(b, n)) {
			if (!r.end)
				r.start = start;
			r.end = next;
		} else if (r.end) {
			if (!vec_push(&h->regions, &r))
				return &err_nomem;
			r.end = 0;
		}
		start = next;
	}
	return !r.end || vec_push(&h->regions, &r) ? NULL : &err_nomem;
}

/* Between `at` and the next page: slices that none has. */
static struct err *add_idle(struct mi_heap *h, taddr at, taddr end)
{
	return add_touched(h, at, end, "mimalloc/idle", "mimalloc: memory without pages");
}

static struct err *find_regions(struct mi_heap *h)
{
	struct err *err = NULL;
	size_t k = 0;

	for (size_t i = 0; i < h->areas.n && !err; i++) {
		const struct mi_area *a = &h->areas.v[i];
		taddr at = a->info_end;

		err = add_touched(h, a->start, a->info_end, "mimalloc/metadata",
				  "mimalloc: its own tables");
		while (k < h->pages.n && h->pages.v[k].start < a->end && !err) {
			const struct mi_page *p = &h->pages.v[k++];

			err = add_idle(h, at, p->start);
			at = p->area_end < a->end ? p->area_end : a->end;
			if (!err)
				err = add_touched(h, mi_page_end(p), at, "mimalloc/reserved",
						  "mimalloc: reserved in pages");
		}
		if (!err)
			err = add_idle(h, at, a->end);
	}
	return err;
}

/* ---- opening, bidding, claims */

static bool find_layout(const struct image *img, struct mi_layout *ret)
{
	return mi_find_map(img, ret) || mi_find_segments(img, ret);
}

static struct err *mi_open(struct env *env, const struct image *img, void **ret_ctx)
{
	_cleanup_(guard_heap) struct mi_heap *h = calloc(1, sizeof(*h));
	struct err *err;

	if (!h)
		return &err_nomem;
	h->env = env;
	h->img = img;
	if (!find_layout(img, &h->layout))
		return err_new(ERR_FORMAT, "no segments and no page map");
	err = h->layout.has_map ? mi_read_map(h) : mi_read_segments(h);
	if (err)
		return err;
	sort_pages(h);
	err = find_owners(h);
	if (!err && h->layout.has_map)
		err = mi_find_own(h);
	if (!err)
		err = make_marks(h);
	if (err)
		return err;
	mi_find_padding(h);
	err = find_regions(h);
	if (!err)
		err = mi_find_purge(h);
	if (err)
		return err;
	*ret_ctx = take(&h);
	return NULL;
}

static void say_why(const struct mi_layout *l, char *ret, size_t n)
{
	const char *secure = l->encoded ? ", free lists encoded" : "";

	if (l->has_map)
		snprintf(ret, n, "page map at 0x%" PRIx64 "%s, %" PRIu64 " page%s in form %s%s",
			 l->map, l->by_symbol ? ", which _mi_page_map names" : "", l->n,
			 l->n == 1 ? "" : "s", l->versions, secure);
	else if (l->secret_at)
		snprintf(ret, n,
			 "%" PRIu64 " segment%s in form %s with the cookie at 0x%" PRIx64 "%s%s",
			 l->n, l->n == 1 ? "" : "s", l->versions, l->secret_at,
			 l->by_symbol ? ", in _mi_heap_main" : "", secure);
	else
		snprintf(ret, n, "%" PRIu64 " segment%s in form %s%s", l->n, l->n == 1 ? "" : "s",
			 l->versions, secure);
}

static void mi_bid(struct env *env, const struct image *img, struct walker_bid *ret)
{
	struct mi_layout l;

	(void)env;
	if (!find_layout(img, &l))
		return;
	ret->score = 70 + 10 * l.by_symbol + 10 * (l.has_map || l.secret_at);
	say_why(&l, ret->why, sizeof(ret->why));
}

static struct err *mi_claim(void *ctx, struct claim_sink *sink)
{
	const struct mi_heap *h = ctx;

	for (size_t i = 0; i < h->pages.n; i++) {
		const struct mi_page *p = &h->pages.v[i];
		struct claim claim = {
			.start = p->start,
			.end = mi_page_end(p),
			.arena = p->arena,
			.overhead = h->padded ? MI_PADDING : 0,
			.small_grains = (p->block_size | p->start) & 15,
			.aligned_inside = p->aligned,
		};
		struct err *err = sink->add(sink, &claim);

		if (err)
			return err;
	}
	return NULL;
}

/* ---- totals */

static enum mi_where emptied_list(const struct mi_page *p)
{
	enum mi_where most = MI_FREE;

	for (enum mi_where w = MI_FREE; w < MI_WHERES; w++)
		most = p->n_in[w] > p->n_in[most] ? w : most;
	return most;
}

static uint32_t count_free(const struct mi_page *p)
{
	uint32_t n = 0;

	for (int w = MI_FREE; w < MI_WHERES; w++)
		n += p->n_in[w];
	return n;
}

static void sum_page(struct mi_heap *h, struct mi_page *p, struct where_total in[MI_WHERES])
{
	struct heap_arena *a = &h->arenas[p->arena];
	uint32_t n_free = count_free(p);

	for (int w = MI_FREE; w < MI_WHERES; w++) {
		in[w].count += p->n_in[w];
		in[w].bytes += p->n_in[w] * p->block_size;
	}
	/* mi_collect() frees pages without used blocks: all of one is counted where most of it is. */
	if (n_free == p->capacity && h->layout.collect_purges)
		in[emptied_list(p)].returnable += mi_returnable(h, p->start, p->area_end);
	a->bytes += p->capacity * p->block_size;
	a->n_free += n_free;
	a->free += n_free * p->block_size;
	a->n_used += p->capacity - n_free - p->n_own;
	a->used += (p->capacity - n_free - p->n_own) * p->block_size;
	a->overhead += p->n_own * p->block_size;
	if (n_free && p->block_size > a->largest_free)
		a->largest_free = p->block_size;
	h->passed += p->passed;
	h->failed += p->failed;
	damages_move(&h->damage, h->env, &p->damage);
}

/* mi_version() is one instruction that loads a number: 209, 3208 or 30403. */
static bool read_version_code(const struct mi_heap *h, char *ret, size_t n)
{
	const struct module *m = image_module_at(h->img, h->layout.module_data);
	uint8_t code[12];
	uint32_t v = 0;
	unsigned skip;
	struct symbol sym;

	if (!m || !image_symbol(h->img, m, "mi_version", &sym) || !sym.is_func ||
	    image_read(h->img, sym.addr, code, sizeof(code)) != MEM_OK)
		return false;
	skip = load_u32(code) == 0xfa1e0ff3 ? 4 : 0; /* endbr64 */
	if (h->img->target->id == TARGET_X86_64 && code[skip] == 0xb8)
		v = load_u32(code + skip + 1);
	else if (h->img->target->id == TARGET_AARCH64 &&
		 (load_u32(code) & 0xffe0001f) == 0x52800000)
		v = load_u32(code) >> 5 & 0xffff;
	if (v >= 200 && v < 400)
		snprintf(ret, n, "%u.%u.%u", v / 100, v / 10 % 10, v % 10);
	else if (v >= 2000 && v < 4000)
		snprintf(ret, n, "%u.%u.%u", v / 1000, v / 100 % 10, v % 100);
	else if (v >= 20000 && v < 40000)
		snprintf(ret, n, "%u.%u.%u", v / 10000, v / 100 % 100, v % 100);
	else
		return false;
	return true;
}

/* ---- what it says of itself */

static void fill_arenas(struct mi_heap *h)
{
	struct heap_info *info = &h->info;
	struct where_total in[MI_WHERES] = {};

	for (size_t i = 0; i < h->owners.n; i++) {
		h->arenas[i].addr = h->owners.v[i];
		h->arenas[i].kind = h->owners.v[i] ? ARENA_THREAD : ARENA_OTHER;
		h->arenas[i].attached = h->owners.v[i] != 0;
	}
	for (size_t i = 0; i < h->pages.n; i++)
		if (count_free(&h->pages.v[i]) == h->pages.v[i].capacity)
			mi_purge_page(h, &h->pages.v[i]);
	for (size_t i = 0; i < h->pages.n; i++)
		sum_page(h, &h->pages.v[i], in);
	for (size_t i = 0; i < h->owners.n; i++) {
		const struct heap_arena *a = &h->arenas[i];

		info->n_used += a->n_used;
		info->used += a->used;
		info->n_free += a->n_free;
		info->free += a->free;
		info->overhead += a->overhead;
	}
	for (int w = MI_FREE; w < MI_WHERES; w++)
		if (in[w].count) {
			in[w].where = mi_where_names[w];
			info->wheres[info->n_wheres++] = in[w];
		}
	info->arenas = h->arenas;
	info->n_arenas = h->owners.n;
}

static void sum_idle(struct mi_heap *h)
{
	struct heap_info *info = &h->info;
	struct where_total slices = { .where = "slices" };

	for (size_t i = 0; i < h->regions.n; i++) {
		const struct heap_region *r = &h->regions.v[i];

		if (strcmp(r->category, "mimalloc/idle"))
			continue;
		slices.count++;
		slices.bytes += r->end - r->start;
		if (h->layout.collect_purges)
			slices.returnable += mi_returnable(h, r->start, r->end);
	}
	info->idle = slices.bytes;
	if (slices.count)
		info->idles[info->n_idles++] = slices;
}

static const struct heap_info *mi_info(void *ctx)
{
	struct mi_heap *h = ctx;
	struct heap_info *info = &h->info;

	if (h->have_info)
		return info;
	h->have_info = true;
	info->allocator = "mimalloc";
	if (!read_version_code(h, info->version, sizeof(info->version)))
		snprintf(info->version, sizeof(info->version), "%s", h->layout.versions);
	snprintf(info->how, sizeof(info->how), "%slayout", h->layout.by_symbol ? "symbols+" : "");
	say_why(&h->layout, info->why, sizeof(info->why));
	h->arenas = calloc(h->owners.n + 1, sizeof(*h->arenas));
	if (h->arenas)
		fill_arenas(h);
	sum_idle(h);
	info->knows_returnable = !h->never_purged && h->layout.collect_purges;
	if (h->purge_slices > 1)
		info->settings[info->n_settings++] = (struct heap_setting){ "MIMALLOC_MINIMAL_PURGE_SIZE", h->purge_slices * (uint64_t)MI_SLICE };
	info->checks_passed = h->passed;
	info->checks_failed = h->failed;
	info->damage = h->damage.v;
	info->n_damage = h->damage.n;
	return info;
}

/* ---- one block in words */

static const char *mi_explain(void *ctx, taddr block, struct text *ret)
{
	const struct mi_heap *h = ctx;
	const struct mi_page *p = mi_page_at(h, block);
	enum mi_where where;
	uint64_t size;
	uint32_t i;

	if (!p)
		return NULL;
	i = (uint32_t)((block - p->start) / p->block_size);
	where = mi_mark(h, p, i);
	text_printf(ret,
		    "block %u of %u (room for %u) of %" PRIu64 " bytes, page 0x%" PRIx64
		    " of 0x%" PRIx64,
		    i, p->capacity, p->reserved, p->block_size, p->at, p->start);
	if (p->heap)
		text_printf(ret, ", of the heap at 0x%" PRIx64, p->heap);
	else
		text_add(ret, ", abandoned: its thread has ended");
	if (where == MI_OWN) {
		text_add(ret, "; mimalloc's own");
		return NULL;
	}
	if (where != MI_USED) {
		text_printf(ret, "; free: %s", mi_where_names[where]);
		return mi_where_names[where];
	}
	if (h->padded && mi_read_padding(h, p, p->start + i * p->block_size, &size))
		text_printf(ret, "; %" PRIu64 " bytes were asked for", size);
	else if (h->padded)
		text_add(ret, "; its canary was run over");
	return NULL;
}

/* ---- its own data */

/* All of its areas: what is in them and no block is free, or its own. */
static struct err *mi_metadata(void *ctx, struct claim_sink *sink)
{
	const struct mi_heap *h = ctx;
	struct err *err = NULL;

	for (size_t i = 0; i < h->areas.n && !err; i++) {
		struct claim area = { .start = h->areas.v[i].start, .end = h->areas.v[i].end };

		err = sink->add(sink, &area);
	}
	return err;
}

static struct err *mi_regions(void *ctx, struct region_sink *sink)
{
	const struct mi_heap *h = ctx;
	struct err *err = NULL;

	for (size_t i = 0; i < h->regions.n && !err; i++)
		err = sink->add(sink, &h->regions.v[i]);
	return err;
}

/* A page goes back to its segment or arena, and from there to the system, when none is used. */
static bool mi_unit(void *ctx, taddr block, taddr *ret_start, taddr *ret_end)
{
	const struct mi_page *p = mi_page_at(ctx, block);

	if (!p || p->reserved == 1)
		return false;
	*ret_start = p->start;
	*ret_end = mi_page_end(p);
	return true;
}

/* Its own data, what links free blocks, and blocks of its own. */
static struct err *mi_keep(void *ctx, const struct blocks *b)
{
	const struct mi_heap *h = ctx;

	(void)b;
	if (h->layout.has_map)
		mi_keep_map(h);
	else
		mi_keep_segments(h);
	mi_keep_purge(h);
	for (size_t i = 0; i < h->areas.n; i++)
		image_keep(h->img, h->areas.v[i].start, h->areas.v[i].info_end - h->areas.v[i].start);
	for (size_t i = 0; i < h->pages.n; i++) {
		const struct mi_page *p = &h->pages.v[i];

		for (uint32_t k = 0; k < p->capacity; k++)
			if (mi_mark(h, p, k) != MI_USED && mi_mark(h, p, k) != MI_OWN)
				image_keep(h->img, p->start + k * p->block_size, 8);
	}
	for (size_t i = 0; i < h->own.n; i++) {
		const struct mi_page *p = mi_page_at(h, h->own.v[i]);

		if (p)
			image_keep(h->img, h->own.v[i], p->block_size);
	}
	return NULL;
}

extern const struct walker_ops mimalloc_walker;
const struct walker_ops mimalloc_walker = {
	.name = "mimalloc",
	.links = 8,
	.bid = mi_bid,
	.open = mi_open,
	.claim = mi_claim,
	.walk = mi_walk,
	.info = mi_info,
	.explain = mi_explain,
	.metadata = mi_metadata,
	.keep = mi_keep,
	.regions = mi_regions,
	.unit = mi_unit,
	.unit_name = "page",
	.close = mi_close,
};
