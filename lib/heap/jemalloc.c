/*
 * jemalloc.c - the walker of jemalloc 5.2 and 5.3: opens, claims, walks, explains, sums up.
 *
 * The steps are files of their own, in this order: jemalloc_anchor.c, jemalloc_extents.c,
 * jemalloc_tcache.c, jemalloc_base.c.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "heap/jemalloc_fields.h"
#include "image/shadow.h"
#include "heap/touched.h"

void je_damage(struct jemalloc *je, taddr at, const char *fmt, ...)
{
	va_list ap;

	je->failed++;
	va_start(ap, fmt);
	damage_vadd(&je->damage, je->env, at, fmt, ap);
	va_end(ap);
}

void je_doubt(struct jemalloc *je, taddr at, const char *fmt, ...)
{
	_free_ char *words = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&words, fmt, ap) < 0)
		words = NULL;
	va_end(ap);
	if (je->busy)
		diag(je->env, "heap/in-flight", at, "%s (a thread was inside jemalloc)",
		     words ? words : "");
	else
		je_damage(je, at, "%s", words ? words : "");
}

/* Where jemalloc is a library, its calls are on the stacks of those inside. */
static bool is_busy(const struct jemalloc *je, const struct thread *t)
{
	for (size_t c = 0; c < je->copies.n; c++) {
		const struct module *m = je->copies.v[c].module;

		if (!m || m->is_exe)
			continue;
		for (size_t f = 0; f < t->n_frames; f++)
			if (image_module_at(je->img, t->frames[f].pc) == m)
				return true;
		if (image_module_at(je->img, t->pc) == m)
			return true;
	}
	return false;
}

bool je_words(const struct image *img, taddr at, uint64_t *ret, unsigned n)
{
	uint64_t avail = 0;
	const uint8_t *bytes = at % 8 ? NULL : image_view(img, at, &avail);

	if (!bytes || avail / 8 < n)
		return false;
	for (unsigned i = 0; i < n; i++)
		ret[i] = load_u64(bytes + i * 8);
	image_keep(img, at, 8ull * n);
	return true;
}

/* ---- life */

static void je_close(void *ctx)
{
	struct jemalloc *je = ctx;

	if (!je)
		return;
	free(je->copies.v);
	col_close(&je->extents_col);
	free(je->runs.v);
	free(je->cached.v);
	free(je->own.v);
	free(je->caches.v);
	free(je->bases.v);
	free(je->info.arenas);
	free(je->info.classes);
	damages_free(&je->damage);
	free(je);
}

static void guard_jemalloc(struct jemalloc **je)
{
	je_close(*je);
}

static void copy_how(const struct je_copy *copy, char *ret, size_t n)
{
	snprintf(ret, n, "%slayout", copy->by_symbol ? "symbols+" : "");
}

static void copy_why(const struct je_copy *copy, char *ret, size_t n)
{
	snprintf(ret, n, "radix tree at 0x%" PRIx64 ", bin_infos at 0x%" PRIx64 "%s%s, jemalloc %s",
		 copy->root, copy->bin_infos, copy->module ? " in " : "",
		 copy->module ? module_base_name(copy->module) : "",
		 *copy->version ? copy->version : copy->form->versions);
}

static void je_bid(struct env *env, const struct image *img, struct walker_bid *ret)
{
	struct jemalloc je = {};
	struct err *err = je_find_copies(env, img, &je);

	if (err) {
		diag_err(env, "heap/no-jemalloc", err);
	} else if (je.copies.n) {
		ret->score = 90;
		copy_why(&je.copies.v[0], ret->why, sizeof(ret->why));
	}
	free(je.copies.v);
}

static bool small_grains(const struct jemalloc *je, const struct je_extent *x)
{
	uint64_t size = x->slab ? je->copies.v[x->copy].sizes[x->szind] : x->usable;

	return size % 16 != 0 || x->addr % 16 != 0;
}

static struct err *find_runs(struct jemalloc *je)
{
	const struct je_extent *last = NULL;

	for (size_t i = 0; i < je->n_extents; i++) {
		const struct je_extent *x = &je->extents[i];

		if (x->state != JE_ACTIVE)
			continue;
		if (last && last + 1 == x && last->base + last->bytes == x->base &&
		    last->arena == x->arena && last->copy == x->copy &&
		    small_grains(je, last) == small_grains(je, x)) {
			je->runs.v[je->runs.n - 1].n++;
		} else {
			struct je_run run = { i, 1 };

			if (!vec_push(&je->runs, &run))
				return &err_nomem;
		}
		last = x;
	}
	return NULL;
}

/* Those of each copy behind those of the one before. */
static uint32_t number_arenas(struct jemalloc *je)
{
	uint32_t n = 0;

	for (size_t i = 0; i < je->n_extents; i++) {
		struct je_copy *copy = &je->copies.v[je->extents[i].copy];

		if (je->extents[i].arena >= copy->n_arenas && je->extents[i].state == JE_ACTIVE)
			copy->n_arenas = je->extents[i].arena + 1u;
	}
	for (size_t c = 0; c < je->copies.n; c++) {
		je->copies.v[c].first_arena = n;
		n += je->copies.v[c].n_arenas;
	}
	return n;
}

static struct err *je_open(struct env *env, const struct image *img, void **ret_ctx)
{
	_cleanup_(guard_jemalloc) struct jemalloc *je = calloc(1, sizeof(*je));
	struct err *err;

	if (!je)
		return &err_nomem;
	err = je_find_copies(env, img, je);
	for (size_t i = 0; i < img->n_threads && !err; i++)
		je->busy |= is_busy(je, &img->threads[i]);
	if (!err)
		err = je_read_extents(je);
	if (!err)
		err = je_read_tcaches(je);
	if (!err)
		err = je_find_bases(je);
	if (!err)
		je->n_arenas = number_arenas(je);
	if (!err)
		err = find_runs(je);
	if (err)
		return err;
	*ret_ctx = take(&je);
	return NULL;
}

/* ---- claims and blocks */

static struct err *je_claim(void *ctx, struct claim_sink *sink)
{
	const struct jemalloc *je = ctx;
	struct err *err = NULL;

	for (size_t i = 0; i < je->runs.n && !err; i++) {
		const struct je_extent *first = &je->extents[je->runs.v[i].first],
				       *last = first + je->runs.v[i].n - 1;
		struct claim claim = {
			.start = first->base,
			.end = last->base + last->bytes,
			.arena = je->copies.v[first->copy].first_arena + first->arena,
			.small_grains = small_grains(je, first),
		};

		err = sink->add(sink, &claim);
	}
	return err;
}

/* Sets the bits of those sorted addresses that are regions of the slab; how many. */
static uint32_t mark(const taddr *v, size_t n, const struct je_extent *x, uint64_t size,
		     uint64_t *ret)
{
	size_t i = partition_point(n, k, v[k] < x->base);
	uint32_t found = 0;

	for (; i < n && v[i] - x->base < x->n_regs * size; i++)
		if ((v[i] - x->base) % size == 0) {
			bit_set(ret, (v[i] - x->base) / size);
			found++;
		}
	return found;
}

static void walk_slab(const struct jemalloc *je, struct je_extent *x, struct block_sink *sink)
{
	const struct je_copy *copy = &je->copies.v[x->copy];
	uint64_t is_free[JE_REGS_MAX / 64] = {}, cached[JE_REGS_MAX / 64] = {},
				       own[JE_REGS_MAX / 64] = {}, e_bits = 0;
	uint64_t size = copy->sizes[x->szind], step = size >> sink->grains->shift,
		 grain = grain_of(sink->grains, x->base);
	uint32_t n_free = 0;

	x->bitmap_lost =
		!je_slab_bitmap(je, x, is_free) || !je_words(je->img, x->edata, &e_bits, 1);
	for (uint32_t i = 0; i < x->n_regs; i += 64)
		n_free += (uint32_t)__builtin_popcountll(is_free[i / 64]);
	x->miscounted =
		!x->bitmap_lost && je_bits(e_bits, copy->form->nfree_shift,
					   (unsigned)__builtin_ctz(copy->page) - 2) != n_free;
	x->n_cached = mark(je->cached.v, je->cached.n, x, size, cached);
	x->n_own = mark(je->own.v, je->own.n, x, size, own);
	for (uint32_t i = 0; i < x->n_regs; i += 64)
		if (cached[i / 64] & is_free[i / 64] && !x->cached_free)
			x->cached_free =
				x->base + size * (i + (uint32_t)__builtin_ctzll(cached[i / 64] &
										is_free[i / 64]));
	for (uint32_t i = 0; i < x->n_regs; i++, grain += step) {
		grains_set_start(sink->grains, grain);
		if (bit_get(own, i)) {
			bit_set(sink->filler, grain);
		} else if (!bit_get(is_free, i) && !bit_get(cached, i)) {
			bit_set(sink->used, grain);
			x->n_used++;
		}
	}
	if (x->n_regs * size < x->bytes)
		block_sink_gap(sink, x->base + x->n_regs * size);
}

static bool is_own(const struct jemalloc *je, taddr block)
{
	size_t i = partition_point(je->own.n, k, je->own.v[k] < block);

	return i < je->own.n && je->own.v[i] == block;
}

static void walk_large(const struct jemalloc *je, struct je_extent *x, struct block_sink *sink)
{
	if (x->addr > x->base)
		block_sink_gap(sink, x->base);
	x->n_own = is_own(je, x->addr);
	x->n_cached = !x->n_own && je_is_cached(je, x->addr);
	x->n_used = !x->n_own && !x->n_cached;
	if (x->n_own)
		block_sink_gap(sink, x->addr);
	else
		block_sink_add(sink, x->addr, x->n_used);
	if (x->addr + x->usable < x->base + x->bytes)
		block_sink_gap(sink, align_up(x->addr + x->usable, 8));
}

static struct err *je_walk(void *ctx, uint32_t claim, struct block_sink *sink)
{
	struct jemalloc *je = ctx;
	const struct je_run *run = &je->runs.v[claim];

	for (size_t i = run->first; i < run->first + run->n; i++)
		if (je->extents[i].slab)
			walk_slab(je, &je->extents[i], sink);
		else
			walk_large(je, &je->extents[i], sink);
	return NULL;
}

/* ---- what it says of itself */

static uint64_t block_bytes(const struct jemalloc *je, const struct je_extent *x)
{
	return x->slab ? je->copies.v[x->copy].sizes[x->szind] : x->usable;
}

/* Pages without blocks; purged, all but retained ones go back. */
static void count_pages(struct jemalloc *je, const struct je_extent *x, struct where_total *ret)
{
	if (x->state == JE_RETAINED)
		je->info.returned += x->bytes;
	if (x->state != JE_DIRTY && x->state != JE_MUZZY && x->state != JE_HPA)
		return;
	je->info.idle += x->bytes;
	ret->count++;
	ret->bytes += x->bytes;
	if (x->state != JE_HPA) /* a purge leaves the small extent cache alone, and huge pages in use */
		ret->returnable += touched_pages(je->img, x->base, x->base + x->bytes);
}

struct je_totals {
	struct where_total slab, tcache, pages[JE_ALL_STATES];
};

static void count_extent(struct jemalloc *je, const struct je_extent *x, struct heap_arena *a,
			 struct je_totals *t)
{
	struct heap_info *info = &je->info;
	uint64_t size = block_bytes(je, x), n_free = x->n_regs - x->n_used - x->n_cached - x->n_own;

	if (x->state != JE_ACTIVE) {
		count_pages(je, x, &t->pages[x->state < JE_ALL_STATES ? x->state : JE_RETAINED]);
		return;
	}
	t->slab.count += n_free;
	t->slab.bytes += n_free * size;
	t->tcache.count += x->n_cached;
	t->tcache.bytes += x->n_cached * size;
	/* Flushed, its last blocks go, and the extent with them. */
	if (x->n_cached && !x->n_used && !x->n_own)
		t->tcache.returnable += touched_pages(je->img, x->base, x->base + x->bytes);
	n_free += x->n_cached;
	info->n_used += x->n_used;
	info->used += x->n_used * size;
	info->n_free += n_free;
	info->free += n_free * size;
	info->overhead += x->bytes - (x->n_used + n_free) * size;
	if (!a)
		return;
	a->bytes += x->bytes;
	a->n_used += x->n_used;
	a->used += x->n_used * size;
	a->n_free += n_free;
	a->free += n_free * size;
	a->overhead += x->bytes - (x->n_used + n_free) * size;
	if (n_free && size > a->largest_free)
		a->largest_free = size;
}

static void check_slab(struct jemalloc *je, const struct je_extent *x)
{
	if (x->state != JE_ACTIVE || !x->slab)
		return;
	if (x->bitmap_lost)
		diag(je->env, "heap/not-dumped", x->edata,
		     "the bitmap of the slab at 0x%lx is not in the dump: all of it counts as used",
		     x->base);
	else if (x->miscounted)
		je_doubt(je, x->edata,
			 "slab at 0x%lx: its bitmap has not as many free regions as its count says",
			 x->base);
	else
		je->passed++;
	if (x->cached_free)
		je_doubt(je, x->cached_free,
			 "block at 0x%lx is in a thread's cache, and free in its slab; "
			 "likely freed twice, or the cache was overwritten",
			 x->cached_free);
}

static struct err *open_arenas(struct jemalloc *je, uint32_t n)
{
	_free_ taddr *addrs = calloc(n + 1, sizeof(*addrs));

	je->info.arenas = calloc(n + 1, sizeof(*je->info.arenas));
	if (!je->info.arenas || !addrs)
		return &err_nomem;
	je->info.n_arenas = n;
	for (size_t c = 0; c < je->copies.n; c++) /* else 0, which is unknown */
		je_arena_addrs(je, (uint8_t)c, je->copies.v[c].n_arenas,
			       addrs + je->copies.v[c].first_arena);
	for (size_t i = 0; i < n; i++) {
		struct heap_arena *a = &je->info.arenas[i];

		a->kind = ARENA_OTHER;
		a->addr = addrs[i];
		if (a->addr &&
		    image_read_u32(je->img, a->addr, &a->attached) != MEM_OK) /* nthreads[0] */
			a->attached = 0;
	}
	return NULL;
}

/* By class; a slab's regions that are jemalloc's own count as used. */
static struct err *count_classes(struct jemalloc *je)
{
	const struct je_copy *copy = je->copies.n ? &je->copies.v[0] : NULL;
	struct heap_info *info = &je->info;
	size_t kept = 0;

	info->classes = copy ? calloc(copy->n_bins + 1, sizeof(*info->classes)) : NULL;
	if (!info->classes)
		return &err_nomem;
	for (size_t i = 0; i < je->n_extents; i++) {
		const struct je_extent *x = &je->extents[i];
		struct class_total *c = &info->classes[x->szind];

		if (x->state != JE_ACTIVE || !x->slab || x->copy || x->szind >= copy->n_bins)
			continue;
		c->units++;
		c->blocks += x->n_regs;
		c->used += x->n_used + x->n_own;
		c->cached += x->n_cached;
	}
	for (size_t i = 0; i < copy->n_bins; i++) {
		info->classes[i].size = copy->sizes[i];
		if (info->classes[i].units)
			info->classes[kept++] = info->classes[i];
	}
	info->n_classes = kept;
	return NULL;
}

static const char *version_of(const struct je_copy *copy)
{
	return *copy->version ? copy->version : copy->form->versions;
}

/* Of several, the first is told in full, and where the others are. */
static void fill_names(struct jemalloc *je)
{
	const struct je_copy *copy = &je->copies.v[0];
	struct heap_info *info = &je->info;

	info->allocator = "jemalloc";
	if (!je->copies.n)
		return;
	copy_how(copy, info->how, sizeof(info->how));
	copy_why(copy, info->why, sizeof(info->why));
	snprintf(info->version, sizeof(info->version), "%s", version_of(copy));
	for (size_t i = 1; i < je->copies.n; i++) {
		size_t why = strlen(info->why), version = strlen(info->version);

		copy++;
		snprintf(info->why + why, sizeof(info->why) - why, "; %s in %s at 0x%" PRIx64,
			 version_of(copy), copy->module ? module_base_name(copy->module) : "memory",
			 copy->root);
		if (!strstr(info->version, version_of(copy)))
			snprintf(info->version + version, sizeof(info->version) - version, ", %s",
				 version_of(copy));
	}
}

static const struct heap_info *je_info(void *ctx)
{
	struct jemalloc *je = ctx;
	struct heap_info *info = &je->info;
	struct je_totals t = {
		.slab = { .where = "slab" },
		.tcache = { .where = "tcache" },
		.pages = { [JE_DIRTY] = { .where = "dirty" },
			   [JE_MUZZY] = { .where = "muzzy" },
			   [JE_HPA] = { .where = "hpa" } },
	};

	if (je->have_info)
		return info;
	je->have_info = true;
	fill_names(je);
	err_free(open_arenas(je, je->n_arenas)); /* without memory: no rows of arenas, of classes */
	err_free(count_classes(je));
	for (size_t i = 0; i < je->n_extents; i++) {
		const struct je_extent *x = &je->extents[i];

		uint32_t arena = je->copies.v[x->copy].first_arena + x->arena;

		count_extent(je, x, arena < info->n_arenas ? &info->arenas[arena] : NULL, &t);
		check_slab(je, x);
	}
	if (t.slab.count)
		info->wheres[info->n_wheres++] = t.slab;
	if (t.tcache.count)
		info->wheres[info->n_wheres++] = t.tcache;
	for (unsigned state = JE_DIRTY; state < JE_ALL_STATES; state++)
		if (t.pages[state].where && t.pages[state].count)
			info->idles[info->n_idles++] = t.pages[state];
	info->knows_returnable = true;
	info->damage = je->damage.v;
	info->n_damage = je->damage.n;
	info->checks_passed = je->passed;
	info->checks_failed = je->failed;
	return info;
}

/* ---- one block in words */

static const char *explain_region(const struct jemalloc *je, const struct je_extent *x, taddr block,
				  struct text *ret)
{
	uint64_t size = je->copies.v[x->copy].sizes[x->szind], i = (block - x->base) / size;
	uint64_t is_free[JE_REGS_MAX / 64] = {};

	text_printf(ret,
		    "region %" PRIu64 " of %u of the slab 0x%" PRIx64 "-0x%" PRIx64
		    ", size class %" PRIu64 ", arena %u",
		    i, x->n_regs, x->base, x->base + x->bytes, size, x->arena);
	if (i >= x->n_regs || is_own(je, block))
		return NULL;
	if (je_is_cached(je, block)) {
		text_add(ret, "; free: in a thread's cache");
		return "tcache";
	}
	if (!je_slab_bitmap(je, x, is_free) || !bit_get(is_free, i))
		return NULL;
	text_add(ret, "; free");
	return "slab";
}

static const char *je_explain(void *ctx, taddr block, struct text *ret)
{
	const struct jemalloc *je = ctx;
	const struct je_extent *x = je_extent_at(je, block);

	if (!x || x->state != JE_ACTIVE)
		return NULL;
	if (x->slab)
		return explain_region(je, x, block, ret);
	text_printf(ret,
		    "large allocation of %" PRIu64 " bytes in the extent 0x%" PRIx64 "-0x%" PRIx64
		    ", arena %u",
		    x->usable, x->base, x->base + x->bytes, x->arena);
	if (!je_is_cached(je, block))
		return NULL;
	text_add(ret, "; free: in a thread's cache");
	return "tcache";
}

static bool je_unit(void *ctx, taddr block, taddr *ret_start, taddr *ret_end)
{
	const struct je_extent *x = je_extent_at(ctx, block);

	if (!x || x->state != JE_ACTIVE || !x->slab)
		return false;
	*ret_start = x->base;
	*ret_end = x->base + x->bytes;
	return true;
}

/* Of variables what is no pointer and no small number, and counters of its profiler. */
static struct err *je_keep(void *ctx, const struct blocks *b)
{
	const struct jemalloc *je = ctx;

	(void)b;
	for (size_t i = 0; i < je->copies.n; i++)
		je_keep_copy(je->img, &je->copies.v[i]);
	je_keep_prof(je);
	return NULL;
}

extern const struct walker_ops jemalloc_walker;
const struct walker_ops jemalloc_walker = {
	.name = "jemalloc",
	.bid = je_bid,
	.open = je_open,
	.claim = je_claim,
	.walk = je_walk,
	.info = je_info,
	.explain = je_explain,
	.metadata = je_metadata,
	.regions = je_regions,
	.samples = je_samples,
	.keep = je_keep,
	.unit = je_unit,
	.unit_name = "slab",
	.close = je_close,
};
