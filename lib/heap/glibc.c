/*
 * glibc.c - the walker of glibc's malloc, 2.28 to 2.43: opens, claims, explains, sums up.
 *
 * The steps are files of their own, in this order: glibc_anchor.c, glibc_arenas.c,
 * glibc_pieces.c, glibc_lists.c, glibc_tcache.c, glibc_walk.c, glibc_inner.c.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/guard.h"
#include "base/search.h"
#include "base/sort.h"
#include "base/vec.h"
#include "heap/blocks.h"
#include "heap/glibc_fields.h"

/* --- damage, pieces ------------------------------------------------------------------------ */

void glibc_damage(struct glibc *g, taddr at, const char *fmt, ...)
{
	uint64_t word;
	va_list ap;

	if (image_read_u64(g->img, at, &word) == MEM_NOT_DUMPED) {
		diag(g->env, "heap/not-dumped", at, "the heap goes on at 0x%lx, which the dump does not hold", at);
		return;
	}
	va_start(ap, fmt);
	damage_vadd(&g->damage, g->env, at, fmt, ap);
	va_end(ap);
}

struct glibc_piece *glibc_piece_at(struct glibc *g, taddr at)
{
	size_t lo = partition_point(g->pieces.n, i, g->pieces.v[i].end <= at);

	return lo < g->pieces.n && g->pieces.v[lo].start <= at ? &g->pieces.v[lo] : NULL;
}

static int by_start(const void *a, const void *b)
{
	const struct glibc_piece *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* The struct of a cache goes before the same address as a cached chunk. */
static int by_mem(const void *a, const void *b)
{
	const struct glibc_listed *x = a, *y = b;

	if (x->mem != y->mem)
		return x->mem > y->mem ? 1 : -1;
	if (x->is_struct != y->is_struct)
		return x->is_struct ? -1 : 1;
	return (x->where > y->where) - (x->where < y->where);
}

void glibc_listed_unique(struct glibc *g, size_t first)
{
	struct glibc_listed *v = g->listed.v;
	size_t kept = first;

	if (g->listed.n - first < 2)
		return;
	sort_by_key(v + first, g->listed.n - first, sizeof(*v), by_mem);
	for (size_t i = first; i < g->listed.n; i++)
		if (kept == first || v[kept - 1].mem != v[i].mem)
			v[kept++] = v[i];
	g->listed.n = kept;
}

size_t glibc_listed_from(const struct glibc *g, taddr mem)
{
	size_t lo = partition_point(g->listed.n, i, g->listed.v[i].mem < mem);

	return lo;
}

struct err *glibc_mend(struct glibc *g, taddr chunk, uint64_t size)
{
	struct glibc_mended m = { .at = chunk, .size = size };
	uint64_t header = 0;

	(void)image_read_u64(g->img, chunk + 8, &header); /* 0 is told as well */
	g->failed++;
	glibc_damage(g, chunk,
		     "chunk at 0x%lx: size 0x%lx, but it hangs in the list of size 0x%lx; likely an "
		     "overrun of the block before it",
		     chunk, chunk_size(header), size);
	return vec_push(&g->mended, &m) ? NULL : &err_nomem;
}

static int by_at(const void *a, const void *b)
{
	const struct glibc_mended *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

static void sort_mended(struct glibc *g)
{
	if (g->mended.n)
		qsort(g->mended.v, g->mended.n, sizeof(*g->mended.v), by_at);
}

void glibc_sort_pieces(struct glibc *g)
{
	if (g->pieces.n)
		qsort(g->pieces.v, g->pieces.n, sizeof(*g->pieces.v), by_start);
}

struct err *glibc_keep_listed(struct glibc *g, taddr chunk, uint8_t where, uint32_t arena)
{
	struct glibc_listed l = { .mem = chunk + CHUNK_HEADER, .where = where, .arena = arena };

	return vec_push(&g->listed, &l) ? NULL : &err_nomem;
}

bool glibc_is_listed(const struct glibc *g, const struct glibc_piece *p, taddr mem)
{
	size_t i;

	if (glibc_in_fastbin(p, mem))
		return true;
	i = glibc_listed_from(g, mem);
	return i < g->listed.n && g->listed.v[i].mem == mem;
}

/* A fast bin has it too: then that one goes, so that each is listed once. */
static bool drop_fast(struct glibc *g, taddr mem)
{
	struct glibc_piece *p = glibc_piece_at(g, mem - CHUNK_HEADER);

	if (!p || !glibc_in_fastbin(p, mem))
		return false;
	bit_clear(p->fast, (mem - CHUNK_HEADER - p->start) >> 4);
	return true;
}

/* A chunk in two lists, or twice in one, was freed twice. */
static void drop_doubles(struct glibc *g)
{
	size_t kept = 0;

	if (!g->listed.n)
		return;
	sort_by_key(g->listed.v, g->listed.n, sizeof(*g->listed.v), by_mem);
	for (size_t i = 0; i < g->listed.n; i++) {
		taddr mem = g->listed.v[i].mem;
		bool is_second = kept && g->listed.v[kept - 1].mem == mem;

		if (is_second || drop_fast(g, mem)) {
			g->failed++;
			glibc_damage(g, mem, "block at 0x%lx is in two free lists; likely a double free", mem);
		}
		if (!is_second)
			g->listed.v[kept++] = g->listed.v[i];
	}
	g->listed.n = kept;
}

/* --- life ---------------------------------------------------------------------------------- */

static void glibc_close(void *ctx)
{
	struct glibc *g = ctx;

	if (!g)
		return;
	for (size_t i = 0; i < g->pieces.n; i++) {
		damages_free(&g->pieces.v[i].damage);
		free(g->pieces.v[i].doubts.v);
		col_close(&g->pieces.v[i].fast_col);
	}
	free(g->info.arenas);
	free(g->copies.v);
	free(g->arenas.v);
	free(g->pieces.v);
	free(g->listed.v);
	free(g->mended.v);
	damages_free(&g->damage);
	free(g);
}

static void guard_glibc(struct glibc **g)
{
	glibc_close(*g);
}

static struct err *open_with(struct env *env, const struct image *img, bool sure, void **ret_ctx)
{
	_cleanup_(guard_glibc) struct glibc *g = calloc(1, sizeof(*g));
	struct err *err;

	if (!g)
		return &err_nomem;
	g->env = env;
	g->img = img;
	g->sure = sure;
	err = glibc_find_copies(g);
	if (!err)
		err = glibc_find_arenas(g);
	if (!err)
		err = glibc_find_pieces(g);
	if (err)
		return err;
	glibc_sort_pieces(g);
	err = glibc_find_mapped(g);
	if (err)
		return err;
	glibc_sort_pieces(g);
	err = glibc_read_lists(g);
	if (!err)
		err = glibc_read_tcaches(g);
	if (err)
		return err;
	drop_doubles(g);
	sort_mended(g);
	for (size_t i = 0; i < g->copies.n; i++)
		if (g->copies.v[i].module && !g->copies.v[i].module->is_exe)
			glibc_tell_mcheck(env, img, g->copies.v[i].module);
	*ret_ctx = take(&g);
	return NULL;
}

static struct err *glibc_open(struct env *env, const struct image *img, void **ret_ctx)
{
	return open_with(env, img, false, ret_ctx);
}

static struct err *glibc_open_sure(struct env *env, const struct image *img, void **ret_ctx)
{
	return open_with(env, img, true, ret_ctx);
}

/* Lists that make no sense may do so because pieces are wrong, and other heaps may lie between them. */
static bool glibc_mistaken(const void *ctx, bool claims_meet)
{
	const struct glibc *g = ctx;
	bool assumes = false, ret = false;

	for (size_t i = 0; i < g->pieces.n; i++) {
		assumes |= g->pieces.v[i].assumed;
		ret |= g->pieces.v[i].mistaken;
	}
	return ret || (assumes && (claims_meet || g->failed || g->damage.n));
}

static void copy_how(const struct glibc_copy *copy, char *ret, size_t n)
{
	snprintf(ret, n, "%s%s%s%s", copy->by_debug_info ? "debug-info+" : "", copy->by_symbol ? "symbols+" : "", copy->by_code ? "disassembly+" : "",
		 copy->by_layout ? "layout+" : "");
	if (*ret)
		ret[strlen(ret) - 1] = 0;
}

static void glibc_bid(struct env *env, const struct image *img, struct walker_bid *ret)
{
	struct glibc g = { .env = env, .img = img };
	struct err *err = glibc_find_copies(&g);

	if (err) {
		diag_err(env, "heap/no-arena", err);
	} else if (g.copies.n) {
		char how[48];

		copy_how(&g.copies.v[0], how, sizeof(how));
		ret->score = 60 + 10 * g.copies.v[0].by_symbol + 10 * g.copies.v[0].by_code;
		snprintf(ret->why, sizeof(ret->why), "main_arena at 0x%" PRIx64 " by %s",
			 g.copies.v[0].bins - g.copies.v[0].form->bins_at, how);
	}
	free(g.copies.v);
}

static bool bare_mmap_size(const struct glibc *g)
{
	return g->copies.n && g->copies.v[0].form->mmap_size_without_header;
}

static struct err *glibc_claim(void *ctx, struct claim_sink *sink)
{
	struct glibc *g = ctx;

	for (size_t i = 0; i < g->pieces.n; i++) {
		const struct glibc_piece *p = &g->pieces.v[i];
		struct claim claim = {
			.start = p->start,
			.end = p->end,
			.arena = p->kind == CLAIM_MMAPPED ? UINT32_MAX : p->arena,
			.kind = p->kind,
			.bias = CHUNK_HEADER,
			.overhead = p->kind != CLAIM_MMAPPED ? 8 : bare_mmap_size(g) ? 24 : 16,
		};
		struct err *err = sink->add(sink, &claim);

		if (err)
			return err;
	}
	return NULL;
}

/* --- what it says of itself ---------------------------------------------------------------- */

static void info_arena(struct glibc *g, uint32_t a, struct heap_arena *ret)
{
	const struct glibc_arena *arena = &g->arenas.v[a];

	*ret = (struct heap_arena){
		.addr = arena->addr,
		.kind = arena->is_main ? ARENA_MAIN : ARENA_THREAD,
		.top = arena->top_size,
		.attached = arena->attached,
	};
	for (size_t i = 0; i < g->pieces.n; i++) {
		const struct glibc_piece *p = &g->pieces.v[i];

		if (p->arena != a || p->kind == CLAIM_MMAPPED)
			continue;
		ret->bytes += p->end - p->start;
		ret->used += p->used;
		ret->free += p->free;
		ret->n_used += p->n_used;
		ret->n_free += p->n_free;
		if (p->largest_free > ret->largest_free)
			ret->largest_free = p->largest_free;
	}
	ret->overhead = ret->bytes - ret->used - ret->free;
}

/* sum of chunks and headers == system_mem; what foreign callers of sbrk took counts as the arena's. */
static void check_arena(struct glibc *g, uint32_t a, const struct heap_arena *sum)
{
	const struct glibc_arena *arena = &g->arenas.v[a];
	const struct glibc_copy *copy = &g->copies.v[arena->copy];
	uint64_t bytes = sum->bytes, binned = 0, found = sum->n_free;

	if (arena->is_main && !arena->noncontiguous && arena->top)
		bytes = arena->top + arena->top_size - copy->sbrk_base;
	if (bytes == arena->system_mem)
		g->passed++;
	else
		g->failed++;
	for (int w = 0; w < N_WHERES; w++)
		binned += arena->n_in[w];
	if (binned == found)
		g->passed++;
	else
		g->failed++;
}

static void info_wheres(struct glibc *g, struct heap_info *info)
{
	struct where_total totals[N_WHERES] = {};

	for (uint32_t a = 0; a < g->arenas.n; a++) {
		uint64_t trims[N_WHERES];

		glibc_share_merged(g, a, trims);
		for (int where = 0; where < N_WHERES; where++) {
			totals[where].count += g->arenas.v[a].n_in[where];
			totals[where].bytes += g->arenas.v[a].bytes_in[where];
			totals[where].returnable += trims[where];
		}
	}
	for (int where = 0; where < N_WHERES; where++) {
		totals[where].where = glibc_where_names[where];
		if (totals[where].count)
			info->wheres[info->n_wheres++] = totals[where];
	}
}

/*
 * struct malloc_par begins with trim_threshold, top_pad, mmap_threshold: 72 bytes before sbrk_base up to
 * 2.34, 96 since.  Only those that malloc.c can come to are believed.
 */
static void read_settings(struct glibc *g, struct heap_info *info)
{
	static const uint8_t before[] = { 96, 72 };

	for (unsigned i = 0; i < ARRAY_SIZE(before) && g->copies.n && g->copies.v[0].sbrk_base_at; i++) {
		uint64_t v[3];

		if (image_read(g->img, g->copies.v[0].sbrk_base_at - before[i], v, sizeof(v)) != MEM_OK ||
		    v[2] < 128 << 10 || v[2] > 32 << 20 || v[1] > 1 << 30 ||
		    (v[0] != 128 << 10 && v[0] != 2 * v[2] && v[1] != 128 << 10))
			continue;
		info->settings[info->n_settings++] = (struct heap_setting){ "M_TRIM_THRESHOLD", v[0] };
		info->settings[info->n_settings++] = (struct heap_setting){ "M_MMAP_THRESHOLD", v[2] };
		return;
	}
}

static const struct heap_info *glibc_info(void *ctx)
{
	struct glibc *g = ctx;
	struct heap_info *info = &g->info;
	struct heap_arena mapped = { .kind = ARENA_MMAP };

	if (g->have_info)
		return info;
	g->have_info = true;
	info->allocator = "glibc";
	info->arenas = calloc(g->arenas.n + 1, sizeof(*info->arenas));
	info_wheres(g, info);
	info->knows_returnable = true;
	read_settings(g, info);
	for (uint32_t a = 0; a < g->arenas.n && info->arenas; a++) {
		info_arena(g, a, &info->arenas[a]);
		check_arena(g, a, &info->arenas[a]);
		info->n_arenas++;
	}
	for (size_t i = 0; i < g->pieces.n; i++) {
		struct glibc_piece *p = &g->pieces.v[i];
		uint64_t bytes = p->end - p->start;

		damages_move(&g->damage, g->env, &p->damage);
		info->n_used += p->n_used;
		info->used += p->used;
		info->n_free += p->n_free;
		info->free += p->free;
		info->overhead += bytes - p->used - p->free;
		g->passed += p->passed;
		g->failed += p->failed;
		if (p->kind != CLAIM_MMAPPED)
			continue;
		mapped.bytes += bytes;
		mapped.used += p->used;
		mapped.overhead += bytes - p->used;
		mapped.n_used++;
	}
	if (mapped.n_used && info->arenas)
		info->arenas[info->n_arenas++] = mapped;
	info->damage = g->damage.v;
	info->n_damage = g->damage.n;
	info->checks_passed = g->passed;
	info->checks_failed = g->failed;
	if (g->copies.n) {
		const struct glibc_copy *copy = &g->copies.v[0];
		const char *version = glibc_version_group(&copy->facts);

		/* The structures are what is walked; a text that contradicts them is not believed. */
		if (glibc_version_in_group(copy->version, version) || (!g->pieces.n && *copy->version))
			version = copy->version; /* without chunks the structures say little */
		else if (*copy->version)
			diag(g->env, "heap/version", copy->bins, "libc says %s, its structures %s",
			     copy->version, version);
		copy_how(copy, info->how, sizeof(info->how));
		snprintf(info->version, sizeof(info->version), "%s", version);
		snprintf(info->why, sizeof(info->why), "main_arena at 0x%" PRIx64 " by %s, glibc %s",
			 copy->bins - copy->form->bins_at, info->how, info->version);
	}
	return info;
}

/* The list a free chunk is on. */
static uint8_t where_of(struct glibc *g, const struct glibc_piece *p, taddr mem, uint64_t size)
{
	size_t i = glibc_listed_from(g, mem);

	if (glibc_in_fastbin(p, mem))
		return WHERE_FASTBIN;
	if (i < g->listed.n && g->listed.v[i].mem == mem && !g->listed.v[i].is_struct)
		return g->listed.v[i].where;
	if (p->top && mem == p->top + CHUNK_HEADER)
		return WHERE_TOP;
	return size < 0x400 ? WHERE_SMALLBIN : WHERE_LARGEBIN;
}

static bool chunk_in_use(struct glibc *g, const struct glibc_piece *p, taddr mem, uint64_t size)
{
	uint64_t next;

	if (p->kind == CLAIM_MMAPPED)
		return true;
	if (glibc_is_listed(g, p, mem) || mem == p->top + CHUNK_HEADER)
		return false;
	return image_read_u64(g->img, mem - 8 + size, &next) == MEM_OK && next & CHUNK_PREV_INUSE;
}

static const char *glibc_explain(void *ctx, taddr mem, struct text *ret)
{
	struct glibc *g = ctx;
	struct glibc_piece *p = glibc_piece_at(g, mem - CHUNK_HEADER);
	uint64_t header;
	uint8_t where;

	/* The word before the header may be the end of what the program has in the block before. */
	if (!p || image_read_u64(g->img, mem - 8, &header) != MEM_OK)
		return NULL;
	if (p->kind == CLAIM_MMAPPED) {
		text_printf(ret, "chunk of its own mapping 0x%" PRIx64 "-0x%" PRIx64, p->start, p->end);
	} else {
		const struct glibc_arena *arena = &g->arenas.v[p->arena];

		text_printf(ret, "chunk of the %s arena at 0x%" PRIx64, arena->is_main ? "main" : "thread's",
			    arena->addr);
	}
	text_printf(ret, ", header 0x%" PRIx64 " (size 0x%" PRIx64 "%s%s%s)", header, chunk_size(header),
		    header & CHUNK_PREV_INUSE ? ", previous in use" : "", header & CHUNK_IS_MMAPPED ? ", mapped" : "",
		    header & CHUNK_NON_MAIN ? ", not main arena" : "");
	if (chunk_in_use(g, p, mem, chunk_size(header)))
		return NULL;
	where = where_of(g, p, mem, chunk_size(header));
	text_printf(ret, ", free: %s", glibc_where_names[where]);
	return glibc_where_names[where];
}

static struct err *glibc_metadata(void *ctx, struct claim_sink *sink)
{
	struct glibc *g = ctx;

	for (size_t c = 0; c < g->copies.n; c++) {
		const struct glibc_copy *copy = &g->copies.v[c];
		struct claim state = { .start = copy->bins - copy->form->bins_at, .end = copy->bins + BINS_END };
		/* From mp_.trim_threshold on; its tail holds no pointers into the heap. */
		struct claim mp = { .start = copy->sbrk_base_at - 96, .end = copy->sbrk_base_at + 8 };
		struct err *err = sink->add(sink, &state);

		if (!err && copy->sbrk_base_at)
			err = sink->add(sink, &mp);
		if (err)
			return err;
	}
	return NULL;
}

/* The header of a chunk, and the size that stands before it where that one is free. */
static void keep_header(const void *ctx, taddr mem)
{
	const struct glibc *g = ctx;
	uint64_t avail;
	const uint8_t *header = image_view(g->img, mem - 8, &avail);

	image_keep(g->img, mem - 8, 8);
	if (header && avail >= 8 && (load_u64(header) & (CHUNK_PREV_INUSE | CHUNK_IS_MMAPPED)) != CHUNK_PREV_INUSE)
		image_keep(g->img, mem - 16, 8);
}

/* Ordinary chunks are passed by many at a time (glibc_run.c), and none of their words is asked for. */
static struct err *glibc_keep(void *ctx, const struct blocks *b)
{
	blocks_each_of(b, ctx, keep_header);
	return NULL;
}

extern const struct walker_ops glibc_walker;
const struct walker_ops glibc_walker = {
	.name = "glibc",
	.links = 16,
	.rounding = 16,
	.bid = glibc_bid,
	.open = glibc_open,
	.open_sure = glibc_open_sure,
	.mistaken = glibc_mistaken,
	.claim = glibc_claim,
	.walk = glibc_walk,
	.settle = glibc_settle,
	.info = glibc_info,
	.explain = glibc_explain,
	.metadata = glibc_metadata,
	.keep = glibc_keep,
	.tells_plain = true,
	.close = glibc_close,
};
