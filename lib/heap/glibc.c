/*
 * glibc.c - the walker of glibc's malloc, 2.28 to 2.43: opens, claims, walks, explains.
 *
 * The walk reads one word a chunk: the next chunk's header says whether this one is in use.
 * Caches, fast bins and the unsorted list come from lists read before (glibc_lists.c,
 * glibc_tcache.c).
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/guard.h"
#include "base/vec.h"
#include "heap/blocks.h"
#include "heap/glibc_fields.h"

enum {
	DAMAGE_MAX = 256, /* kept a heap; all are counted */
	RESYNC_CHAIN = 16,
};

/* --- damage, pieces ------------------------------------------------------------------------ */

void glibc_damage(struct glibc *g, taddr at, const char *fmt, ...)
{
	struct heap_damage d = { .at = at };
	va_list ap;

	if (g->damage.n >= DAMAGE_MAX)
		return;
	va_start(ap, fmt);
	if (vasprintf(&d.what, fmt, ap) < 0)
		d.what = NULL;
	va_end(ap);
	if (!d.what)
		return;
	diag(g->env, "heap/corrupt", at, "%s", d.what);
	if (!vec_push(&g->damage, &d))
		free(d.what);
}

struct glibc_piece *glibc_piece_at(struct glibc *g, taddr at)
{
	size_t lo = 0, hi = g->pieces.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (g->pieces.v[mid].end <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
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
	qsort(v + first, g->listed.n - first, sizeof(*v), by_mem);
	for (size_t i = first; i < g->listed.n; i++)
		if (kept == first || v[kept - 1].mem != v[i].mem)
			v[kept++] = v[i];
	g->listed.n = kept;
}

static size_t listed_from(const struct glibc *g, taddr mem)
{
	size_t lo = 0, hi = g->listed.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (g->listed.v[mid].mem < mem)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void sort_pieces(struct glibc *g)
{
	if (g->pieces.n)
		qsort(g->pieces.v, g->pieces.n, sizeof(*g->pieces.v), by_start);
}

/* A chunk in two lists, or twice in one, was freed twice. */
static void drop_doubles(struct glibc *g)
{
	size_t kept = 0;

	if (!g->listed.n)
		return;
	qsort(g->listed.v, g->listed.n, sizeof(*g->listed.v), by_mem);
	for (size_t i = 0; i < g->listed.n; i++) {
		if (kept && g->listed.v[kept - 1].mem == g->listed.v[i].mem) {
			g->failed++;
			glibc_damage(g, g->listed.v[i].mem, "block at 0x%lx is in two free lists; likely a double free",
				     g->listed.v[i].mem);
			continue;
		}
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
	for (size_t i = 0; i < g->damage.n; i++)
		free(g->damage.v[i].what);
	for (size_t i = 0; i < g->pieces.n; i++) {
		for (size_t d = 0; d < g->pieces.v[i].n_damage; d++)
			free(g->pieces.v[i].damage[d].what);
		free(g->pieces.v[i].damage);
	}
	free(g->info.arenas);
	free(g->copies.v);
	free(g->arenas.v);
	free(g->pieces.v);
	free(g->listed.v);
	free(g->damage.v);
	free(g);
}

static void guard_glibc(struct glibc **g)
{
	glibc_close(*g);
}

static struct err *glibc_open(struct env *env, const struct image *img, void **ret_ctx)
{
	_cleanup_(guard_glibc) struct glibc *g = calloc(1, sizeof(*g));
	struct err *err;

	if (!g)
		return &err_nomem;
	g->env = env;
	g->img = img;
	err = glibc_find_copies(g);
	if (!err)
		err = glibc_find_arenas(g);
	if (!err)
		err = glibc_find_pieces(g);
	if (err)
		return err;
	sort_pieces(g);
	err = glibc_find_mapped(g);
	if (err)
		return err;
	sort_pieces(g);
	err = glibc_read_lists(g);
	if (!err)
		err = glibc_read_tcaches(g);
	if (err)
		return err;
	drop_doubles(g);
	*ret_ctx = take(&g);
	return NULL;
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

/* --- the walk ------------------------------------------------------------------------------ */

/* Start and used bits of the word being filled, written out when it is full. */
struct cursor_bits {
	struct block_sink *sink;
	uint64_t base; /* grain of the piece's first key */
	taddr first;
	uint64_t word, start, used;
};

static inline void bits_flush(struct cursor_bits *c)
{
	c->sink->grains->words[c->word].start |= c->start;
	c->sink->used[c->word] |= c->used;
	c->start = c->used = 0;
}

static inline void bits_add(struct cursor_bits *c, taddr mem, bool used)
{
	uint64_t grain = c->base + (mem - c->first) / 16, word = grain >> 6;

	if (word != c->word) {
		bits_flush(c);
		c->word = word;
	}
	c->start |= 1ull << (grain & 63);
	c->used |= (uint64_t)used << (grain & 63);
}

/* Takes ownership of `what`. */
static void piece_damage(struct glibc *g, struct glibc_piece *p, taddr at, char *what)
{
	struct heap_damage d = { .at = at, .what = what };

	p->failed++;
	if (!what)
		return;
	diag(g->env, "heap/corrupt", at, "%s", what);
	if (p->n_damage >= DAMAGE_MAX ||
	    !vec_grow((void **)&p->damage, &p->cap_damage, p->n_damage + 1, sizeof(*p->damage)))
		free(d.what);
	else
		p->damage[p->n_damage++] = d;
}

static char *bad_header_words(const struct glibc_piece *p, taddr at, uint64_t header, taddr prev, bool prev_used)
{
	uint64_t size = chunk_size(header);
	taddr end = p->top > at ? p->top : p->end;
	char likely[64] = "likely a stray write";

	if (prev)
		snprintf(likely, sizeof(likely),
			 prev_used ? "likely an overrun of the block at 0x%" PRIx64 :
				     "likely a write into the freed block at 0x%" PRIx64,
			 prev + CHUNK_HEADER);
	if (size > end - at)
		return text_format("chunk at 0x%" PRIx64 ": size 0x%" PRIx64 " runs past 0x%" PRIx64 "; %s", at, size,
				   end, likely);
	return text_format("chunk at 0x%" PRIx64 ": bad size 0x%" PRIx64 "; %s", at, header, likely);
}

/* The next address behind `at` from which chunks follow each other, `limit` if there is none before. */
static taddr resync(const struct glibc_piece *p, struct window *w, taddr at, taddr limit)
{
	for (at += 16; at < limit && p->end - at >= CHUNK_MIN; at += 16) {
		taddr next = at;
		unsigned i;

		for (i = 0; i < RESYNC_CHAIN; i++) {
			uint64_t header, footer;
			taddr this = next;

			if (p->top && next == p->top)
				return at;
			if (next == p->end || !window_u64(w, next + 8, &header))
				break;
			if (!chunk_size_fits(header, next, p->end))
				break;
			next += chunk_size(header);
			if (next < p->end && window_u64(w, next + 8, &footer) && !(footer & 1) &&
			    (!window_u64(w, next, &footer) || footer != next - this))
				break;
		}
		if (i == RESYNC_CHAIN || (i && next == p->end))
			return at;
	}
	return limit;
}

static void count_free(struct glibc_piece *p, uint64_t size)
{
	p->n_free++;
	p->free += size;
	if (size > p->largest_free)
		p->largest_free = size;
}

/* A walk through one piece. */
struct walk {
	struct glibc *g;
	struct glibc_piece *p;
	struct cursor_bits bits;
	struct window w;
	taddr prev; /* the chunk before, 0 at the start and behind damage */
	bool prev_used;
};

static void uncount(struct glibc_piece *p, bool used, uint64_t size)
{
	if (used) {
		p->n_used--;
		p->used -= size;
	} else {
		p->n_free--;
		p->free -= size;
	}
}

/*
 * The header at `at` is damaged, so its PREV_INUSE says nothing: the chunk before is free only
 * if its size stands at its end.
 */
static void settle_prev(struct walk *walk, taddr at)
{
	uint64_t size = at - walk->prev, footer;

	if (walk->prev_used || (window_u64(&walk->w, at, &footer) && footer == size))
		return;
	uncount(walk->p, false, size);
	walk->p->n_used++;
	walk->p->used += size;
	walk->prev_used = true;
	bits_add(&walk->bits, walk->prev + CHUNK_HEADER, true);
}

/*
 * Was it the chunk before whose size led here?  Then chunks follow each other from inside of it
 * on: answers where, and makes the chunk end there; else `at`.
 */
static taddr leap_back(struct walk *walk, taddr at)
{
	taddr back;

	if (!walk->prev)
		return at;
	back = resync(walk->p, &walk->w, walk->prev + CHUNK_HEADER, at);
	if (back >= at)
		return at;
	piece_damage(walk->g, walk->p, walk->prev,
		     text_format("chunk at 0x%" PRIx64 ": bad size 0x%" PRIx64 " leads to no chunk, 0x%" PRIx64
				 " would; likely an overrun of the block before it",
				 walk->prev, at - walk->prev, back - walk->prev));
	uncount(walk->p, walk->prev_used, at - walk->prev);
	walk->p->n_used++;
	walk->p->used += back - walk->prev;
	bits_add(&walk->bits, walk->prev + CHUNK_HEADER, true);
	walk->prev = 0;
	return back;
}

/*
 * From a damaged header to where chunks follow each other again: one block in use, for the
 * memory is somebody's, unless what follows says that it is free or nothing follows.
 */
static void add_damaged(struct walk *walk, taddr at, taddr end)
{
	uint64_t header;

	bits_flush(&walk->bits);
	if (end < walk->p->end && window_u64(&walk->w, end + 8, &header) && header & CHUNK_PREV_INUSE) {
		bits_add(&walk->bits, at + CHUNK_HEADER, true);
		walk->p->n_used++;
		walk->p->used += end - at;
	} else {
		block_sink_gap(walk->bits.sink, at + CHUNK_HEADER);
		walk->p->overhead += end - at;
	}
	walk->prev = 0;
}

static bool ends_in_zeros(struct window *w, taddr at, taddr end)
{
	uint64_t word;

	for (; at < end; at += 8)
		if (!window_u64(w, at, &word) || word)
			return false;
	return true;
}

/*
 * Chunks from p->first.  A header's PREV_INUSE speaks of the chunk before it, so each is added
 * when the next one's header is read.  Ends at top, at fence posts or at the piece's end.
 */
static void walk_chunks(struct glibc *g, struct glibc_piece *p, struct block_sink *sink)
{
	struct walk walk = {
		.g = g,
		.p = p,
		.w = { .img = g->img },
		.bits = {
			.sink = sink,
			.first = p->start + CHUNK_HEADER,
			.base = grain_of(sink->grains, p->start + CHUNK_HEADER),
		},
	};
	taddr at = p->first, stop = p->top ? p->top : p->end;
	uint64_t header = 0, next_header, footer;

	walk.bits.word = walk.bits.base >> 6;
	if (p->first > p->start)
		p->overhead += p->first - p->start;
	while (at < stop) {
		uint64_t size;

		if (!window_u64(&walk.w, at + 8, &header))
			header = 0;
		size = chunk_size(header);
		/* Two fence posts, or a single one that was a top too small to be used. */
		if (!p->top && stop - at <= 2 * CHUNK_HEADER && (size == CHUNK_HEADER || size == stop - at)) {
			block_sink_gap(sink, at + CHUNK_HEADER);
			p->overhead += stop - at;
			break;
		}
		if (!p->top && size == stop - at) {
			/* No fence and no known top: what reaches the very end is the top. */
			p->top = at;
			break;
		}
		if (!chunk_size_fits(header, at, stop) || !window_u64(&walk.w, at + size + 8, &next_header)) {
			taddr from = at;

			if (walk.prev)
				settle_prev(&walk, at);
			if (!p->top && !size && ends_in_zeros(&walk.w, at, stop)) {
				/* A heap cut off, or grown and not yet used. */
				block_sink_gap(sink, at + CHUNK_HEADER);
				p->overhead += stop - at;
				at = stop;
				break;
			}
			at = leap_back(&walk, at);
			if (at != from)
				continue;
			piece_damage(g, p, at, bad_header_words(p, at, header, walk.prev, walk.prev_used));
			at = resync(p, &walk.w, at, p->end);
			add_damaged(&walk, from, at);
			continue;
		}
		walk.prev = at;
		walk.prev_used = next_header & CHUNK_PREV_INUSE;
		bits_add(&walk.bits, at + CHUNK_HEADER, walk.prev_used);
		if (walk.prev_used) {
			p->n_used++;
			p->used += size;
		} else {
			count_free(p, size);
			if (window_u64(&walk.w, at + size, &footer) && footer == size)
				p->passed++;
			else
				p->failed++;
		}
		at += size;
	}
	if (p->top && at == p->top) {
		bits_add(&walk.bits, at + CHUNK_HEADER, false);
		count_free(p, p->end - at);
		p->passed++;
	} else if (p->top) {
		p->failed++;
	}
	bits_flush(&walk.bits);
}

/* What the lists say is free after all, and the caches' own structs. */
static void apply_lists(struct glibc *g, struct glibc_piece *p, struct block_sink *sink)
{
	for (size_t i = listed_from(g, p->start + CHUNK_HEADER);
	     i < g->listed.n && g->listed.v[i].mem < p->end + CHUNK_HEADER; i++) {
		const struct glibc_listed *l = &g->listed.v[i];
		uint64_t grain = grain_of(sink->grains, l->mem), header;

		if (!grain_is_start(sink->grains, grain, l->mem)) {
			p->failed++;
			continue;
		}
		if (!bit_get(sink->used, grain))
			continue;
		if (image_read_u64(g->img, l->mem - 8, &header) != MEM_OK)
			continue;
		block_sink_free(sink, l->mem);
		p->n_used--;
		p->used -= chunk_size(header);
		if (l->is_struct) {
			block_sink_gap(sink, l->mem);
			p->overhead += chunk_size(header);
		} else {
			count_free(p, chunk_size(header));
			p->passed++;
		}
	}
}

static struct err *glibc_walk(void *ctx, uint32_t claim, struct block_sink *sink)
{
	struct glibc *g = ctx;
	struct glibc_piece *p;

	if (claim >= g->pieces.n)
		return NULL;
	p = &g->pieces.v[claim];
	if (p->kind == CLAIM_MMAPPED) {
		block_sink_add(sink, p->first + CHUNK_HEADER, true);
		p->n_used = 1;
		p->used = p->end - p->first;
		p->overhead = p->first - p->start;
		return NULL;
	}
	walk_chunks(g, p, sink);
	apply_lists(g, p, sink);
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
	for (int where = 0; where < N_WHERES; where++) {
		struct where_total total = { .where = glibc_where_names[where] };

		for (size_t a = 0; a < g->arenas.n; a++) {
			total.count += g->arenas.v[a].n_in[where];
			total.bytes += g->arenas.v[a].bytes_in[where];
		}
		if (total.count)
			info->wheres[info->n_wheres++] = total;
	}
}

static struct err *info_damage(struct glibc *g)
{
	for (size_t i = 0; i < g->pieces.n; i++) {
		struct glibc_piece *p = &g->pieces.v[i];

		for (size_t d = 0; d < p->n_damage; d++) {
			if (!vec_push(&g->damage, &p->damage[d]))
				return &err_nomem;
			p->damage[d].what = NULL;
		}
	}
	return NULL;
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
	for (uint32_t a = 0; a < g->arenas.n && info->arenas; a++) {
		info_arena(g, a, &info->arenas[a]);
		check_arena(g, a, &info->arenas[a]);
		info->n_arenas++;
	}
	for (size_t i = 0; i < g->pieces.n; i++) {
		const struct glibc_piece *p = &g->pieces.v[i];
		uint64_t bytes = p->end - p->start;

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
	if (!info_damage(g)) {
		info->damage = g->damage.v;
		info->n_damage = g->damage.n;
	}
	info->checks_passed = g->passed;
	info->checks_failed = g->failed;
	if (g->copies.n) {
		const struct glibc_copy *copy = &g->copies.v[0];
		const char *version = glibc_version_group(&copy->facts);

		/* The structures are what is walked; a text that contradicts them is not believed. */
		if (glibc_version_in_group(copy->version, version))
			version = copy->version;
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
	size_t i = listed_from(g, mem);

	if (i < g->listed.n && g->listed.v[i].mem == mem && !g->listed.v[i].is_struct)
		return g->listed.v[i].where;
	if (p->top && mem == p->top + CHUNK_HEADER)
		return WHERE_TOP;
	return size < 0x400 ? WHERE_SMALLBIN : WHERE_LARGEBIN;
}

static bool chunk_in_use(struct glibc *g, const struct glibc_piece *p, taddr mem, uint64_t size)
{
	size_t i = listed_from(g, mem);
	uint64_t next;

	if (p->kind == CLAIM_MMAPPED)
		return true;
	if ((i < g->listed.n && g->listed.v[i].mem == mem) || mem == p->top + CHUNK_HEADER)
		return false;
	return image_read_u64(g->img, mem - 8 + size, &next) == MEM_OK && next & CHUNK_PREV_INUSE;
}

static const char *glibc_explain(void *ctx, taddr mem, struct text *ret)
{
	struct glibc *g = ctx;
	struct glibc_piece *p = glibc_piece_at(g, mem - CHUNK_HEADER);
	uint64_t prev_size, header;
	uint8_t where;

	if (!p || image_read_u64(g->img, mem - 16, &prev_size) != MEM_OK ||
	    image_read_u64(g->img, mem - 8, &header) != MEM_OK)
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

extern const struct walker_ops glibc_walker;
const struct walker_ops glibc_walker = {
	.name = "glibc",
	.bid = glibc_bid,
	.open = glibc_open,
	.claim = glibc_claim,
	.walk = glibc_walk,
	.info = glibc_info,
	.explain = glibc_explain,
	.metadata = glibc_metadata,
	.close = glibc_close,
};
