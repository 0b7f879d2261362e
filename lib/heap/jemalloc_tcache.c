/*
 * jemalloc_tcache.c - what thread caches hold: free for the program, in use for the slabs.
 *
 * A thread's cache lies in its TLS, at an offset that nobody exports.  It is found by a knot in its own
 * pointers: 5.3 has a tcache_t whose first word leads to a tcache_slow_t that leads back to it; in 5.2 the
 * descriptor behind the small bins points to them, or is empty (--disable-stats) and the bins' own stacks,
 * one behind the other, tell.  Descriptors of one arena form a ring, which leads to caches that are no
 * thread's.
 */
#include <stdlib.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "heap/jemalloc_fields.h"
#include "image/shadow.h"

enum {
	TLS_REACH =
		64
		<< 10, /* of static TLS on that side of the thread pointer where the ABI has it */
	SLOW_DESCRIPTOR =
		16, /* tcache_slow_t: link (2 words), then the descriptor: link (2 words), bins; arena */
	SLOW_BINS = 4, /* of the descriptor, in words; before it the descriptor's link */
	SLOW_WORDS = 6,	   /* up to the arena */
	SLOW_MAX = 64,	   /* and in all: three or four bytes a bin */
	TSD_MAX = 8 << 10, /* sizeof(tsd_t): 2 to 6 KiB */
	BINS_OF_DESCRIPTOR = 16,
	DESCRIPTOR_BEHIND =
		40, /* 5.2: link, tsd_link (2 words each), in_hook lie between the bins and it */
	DESCRIPTOR = 32,     /* its bytes; then comes the arena */
	SLOTS_MAX = 200,     /* 5.2: of a small bin's stack, TCACHE_NSLOTS_SMALL_MAX */
	CACHES_MAX = 1 << 20,
	CACHED_MAX =
		1 << 15, /* items of one bin: its stack is below 64 KiB (5.3), 5.2's have no more */
	ARENA_MAX = 128 << 10, /* of an arena_t: 80 KiB with statistics */
	LARGE_BINS_MAX = 64, /* of a cache: up to 8-MiB classes */
	MAPPING_MAX = 64 << 20, /* looked through for TLS that no thread pointer leads to */
};

static struct err *push_addr(struct jemalloc *je, taddr addr, bool own)
{
	return (own ? vec_push(&je->own, &addr) : vec_push(&je->cached, &addr)) ? NULL : &err_nomem;
}

/* ---- one bin */

/* Its items: n pointers from `first` on. False when there is no bin. */
static bool bin_items(const struct je_copy *copy, const uint64_t w[3], taddr *ret_first,
		      uint64_t *ret_n, taddr *ret_end)
{
	if (copy->form->tail_descriptor) {
		/* 5.2: low_water i32, ncached i32, nrequests, avail; items are avail[-ncached .. -1] */
		*ret_n = w[0] >> 32;
		*ret_first = w[2] - 8 * *ret_n;
		*ret_end = w[2];
		return w[2] && w[2] % 8 == 0 && *ret_n < CACHED_MAX;
	}
	/* 5.3: stack_head, nrequests, then 16 bits each of low water, full, empty (and 5.3.1's ncached_max) */
	*ret_first = w[0];
	*ret_n = (uint16_t)((w[2] >> 32) - w[0]) / 8;
	*ret_end = w[0] + 8 * *ret_n;
	return w[0] && w[0] % 8 == 0;
}

/* An item is a region of a slab, or a large allocation, of the bin's size class, in use. */
static bool is_item(const struct jemalloc *je, taddr block, unsigned szind)
{
	const struct je_extent *x = je_extent_at(je, block);
	const struct je_copy *copy;

	if (!x || x->state != JE_ACTIVE || x->szind != szind)
		return false;
	copy = &je->copies.v[x->copy];
	return x->slab ? (block - x->base) % copy->sizes[szind] == 0 : block == x->addr;
}

static struct err *read_bin(struct jemalloc *je, const struct je_copy *copy, taddr bin,
			    unsigned szind, bool *ret_go_on)
{
	uint64_t w[3], n = 0;
	taddr first = 0, end;

	*ret_go_on = je_words(je->img, bin, w, 3) && bin_items(copy, w, &first, &n, &end);
	for (uint64_t i = 0; i < n && *ret_go_on; i++) {
		taddr block;
		struct err *err;

		if (image_read_u64(je->img, first + 8 * i, &block) != MEM_OK ||
		    !is_item(je, block, szind)) {
			je_doubt(je, first + 8 * i,
				 "cache bin at 0x%lx: item %lu of %lu is no block of class %u", bin,
				 i, n, szind);
			continue;
		}
		je->passed++;
		err = push_addr(je, block, false);
		if (err)
			return err;
	}
	return NULL;
}

/* ---- one cache */

/* Its stacks, and a cache that is no thread's, are blocks that jemalloc took from itself. */
static struct err *note_own(struct jemalloc *je, taddr addr)
{
	struct je_extent *x = je_extent_at(je, addr);

	if (!x || x->state != JE_ACTIVE)
		return NULL;
	if (!x->slab)
		return push_addr(je, x->addr, true);
	return push_addr(je, addr - (addr - x->base) % je->copies.v[x->copy].sizes[x->szind], true);
}

static bool known_cache(const struct jemalloc *je, taddr bins)
{
	for (size_t i = 0; i < je->caches.n; i++)
		if (je->caches.v[i].bins == bins)
			return true;
	return false;
}

/* *ret_end: behind the last that is one. */
static struct err *read_bins(struct jemalloc *je, const struct je_copy *copy, taddr bins,
			     unsigned szind, unsigned n, taddr *ret_end)
{
	struct err *err = NULL;
	bool go_on = true;

	for (unsigned i = 0; i < n && szind + i < copy->n_sizes && go_on && !err; i++) {
		*ret_end = bins + (uint64_t)i * JE_CACHE_BIN;
		err = read_bin(je, copy, *ret_end, szind + i, &go_on);
	}
	return err;
}

/*
 * The tsd_t around a cache.  5.3: tcache_slow_t, rtree_ctx, .. tcache_t; 5.2: rtree_ctx (24 pairs), iarena,
 * arena, arenas_tdata, binshards, tcache_t.  The keys of rtree_ctx may be addresses of blocks.
 */
static taddr tsd_low(const struct je_copy *copy, taddr bins, taddr descriptor)
{
	if (copy->form->tail_descriptor)
		return bins - 16 - align_up(copy->n_bins, 8) - 24 - 24 * 16;
	return descriptor < bins ? descriptor - SLOW_DESCRIPTOR : bins - 8;
}

/* 5.2, tsd_t: arena, arenas_tdata (a block of jemalloc's own), binshards, then tcache_t and its bins. */
static struct err *note_tdata(struct jemalloc *je, const struct je_copy *copy, taddr bins,
			      taddr arena)
{
	uint64_t w[2];

	if (!copy->form->tail_descriptor ||
	    !je_words(je->img, bins - 16 - align_up(copy->n_bins, 8) - 16, w, 2) || w[0] != arena ||
	    !w[1])
		return NULL;
	return note_own(je, w[1]);
}

/* One cache: where its bins and its descriptor are. */
struct found {
	taddr bins, large, arena, descriptor; /* large: 0 where they follow the others */
};

static struct err *read_cache(struct jemalloc *je, const struct je_copy *copy,
			      const struct found *f)
{
	struct je_cache cache = { .bins = f->bins, .arena = f->arena };
	taddr bins = f->bins, large = f->large, arena = f->arena, first, end;
	bool in_block = je_extent_at(je, bins);
	uint64_t w[3], n;
	struct err *err;

	err = note_own(je, bins);
	if (!err)
		err = note_tdata(je, copy, bins, arena);
	if (!err && je_words(je->img, bins, w, 3) && bin_items(copy, w, &first, &n, &end))
		err = note_own(je, end - 8);
	if (!err)
		err = read_bins(je, copy, bins, 0,
				large ? copy->n_bins : copy->n_bins + LARGE_BINS_MAX, &cache.high);
	if (!err && large)
		err = read_bins(je, copy, large, copy->n_bins, LARGE_BINS_MAX, &cache.high);
	cache.low = in_block ? 0 : tsd_low(copy, bins, f->descriptor);
	if (in_block || cache.high <= cache.low || cache.high - cache.low > TSD_MAX)
		cache.low = cache.high = 0;
	return err || vec_push(&je->caches, &cache) ? err : &err_nomem;
}

/* ---- finding them */

/* 5.2: the descriptor at `at`, behind the small bins, points to them; then come the large ones and the arena. */
static bool found_by_tail(const struct jemalloc *je, const struct je_copy *copy, taddr at,
			  struct found *ret)
{
	uint64_t w[5];

	if (!je_words(je->img, at, w, ARRAY_SIZE(w)))
		return false;
	*ret = (struct found){ .bins = w[2], .large = w[3], .arena = w[4], .descriptor = at };
	return w[2] && at - w[2] == copy->n_bins * (uint64_t)JE_CACHE_BIN + DESCRIPTOR_BEHIND;
}

/*
 * 5.2 without statistics: small bins from `at` on, whose stacks lie one behind the other; an empty
 * descriptor, the arena, next_gc_bin and lg_fill_div, then the large ones.
 */
static bool found_by_stacks(const struct jemalloc *je, const struct je_copy *copy, taddr at,
			    struct found *ret)
{
	uint64_t low = 0, w[DESCRIPTOR / 8 + 1];
	taddr tail = at + copy->n_bins * (uint64_t)JE_CACHE_BIN + DESCRIPTOR_BEHIND;

	for (unsigned i = 0; i < copy->n_bins; i++) {
		uint64_t bin[3], n;

		if (!je_words(je->img, at + i * JE_CACHE_BIN, bin, 3))
			return false;
		n = bin[0] >> 32;
		if (n > SLOTS_MAX || (int32_t)bin[0] > (int32_t)n || (int32_t)bin[0] < -1 ||
		    bin[2] % 8 || bin[2] / 8 < n || (i && bin[2] <= low) ||
		    (i && (bin[2] - low) / 8 > SLOTS_MAX) || (i && (bin[2] - low) / 8 < n))
			return false;
		low = bin[2];
	}
	if (!low || !je_words(je->img, tail, w, ARRAY_SIZE(w)) || w[0] || w[1] || w[2] || w[3] || !w[4])
		return false;
	*ret = (struct found){
		.bins = at,
		.large = align_up(tail + DESCRIPTOR + 8 + 4 + copy->n_bins, 8),
		.arena = w[4],
		.descriptor = tail,
	};
	return true;
}

/*
 * 5.3: a tcache_t at `at` leads to a tcache_slow_t, which has the address of the tcache_t at its end, and a
 * descriptor that points to its bins; without statistics (--disable-stats) nothing is written there.
 * Objects that lead to each other are on many a stack: the one alone tells nothing.
 */
static bool found_by_slow(const struct jemalloc *je, taddr at, struct found *ret)
{
	uint64_t w[SLOW_WORDS], slow, back;

	if (image_read_u64(je->img, at, &slow) != MEM_OK || !je_words(je->img, slow, w, SLOW_WORDS))
		return false;
	if (w[SLOW_BINS] != at + 8 && (w[SLOW_BINS] || w[SLOW_BINS - 1] || w[SLOW_BINS - 2]))
		return false;
	*ret = (struct found){ .bins = at + 8,
			       .arena = w[SLOW_WORDS - 1],
			       .descriptor = slow + SLOW_DESCRIPTOR };
	for (unsigned i = SLOW_WORDS; i < SLOW_MAX; i++)
		if (image_read_u64(je->img, slow + i * 8, &back) != MEM_OK)
			return false;
		else if (back == at)
			return true;
	return false;
}

/* The cache whose descriptor is at `at`; 5.2's without statistics (--disable-stats) says nothing. */
static bool found_by_descriptor(const struct jemalloc *je, const struct je_copy *copy, taddr at,
				struct found *ret)
{
	taddr bins;

	if (copy->form->tail_descriptor)
		return found_by_tail(je, copy, at, ret);
	return image_read_u64(je->img, at + BINS_OF_DESCRIPTOR, &bins) == MEM_OK && bins &&
	       found_by_slow(je, bins - 8, ret) && ret->descriptor == at;
}

/* A cache, and those on the ring of its arena's descriptors. */
static struct err *read_ring(struct jemalloc *je, const struct je_copy *copy, struct found found)
{
	while (je->caches.n < CACHES_MAX && !known_cache(je, found.bins)) {
		struct err *err = read_cache(je, copy, &found);
		taddr next;

		if (err || image_read_u64(je->img, found.descriptor, &next) != MEM_OK ||
		    !found_by_descriptor(je, copy, next, &found))
			return err;
	}
	return NULL;
}

/* Does the word at `at` give a cache away? Both ends of what it says lie in one tsd_t. */
static bool is_knot(const struct jemalloc *je, const struct je_copy *copy, taddr at, uint64_t word,
		    struct found *ret)
{
	uint64_t apart = at - word;

	if (copy->form->tail_descriptor && word >> 32 <= SLOTS_MAX && found_by_stacks(je, copy, at, ret))
		return true;
	if (word % 8)
		return false;
	if (copy->form->tail_descriptor)
		return apart == copy->n_bins * (uint64_t)JE_CACHE_BIN + DESCRIPTOR_BEHIND +
					BINS_OF_DESCRIPTOR &&
		       found_by_tail(je, copy, at - BINS_OF_DESCRIPTOR, ret);
	return (apart < TSD_MAX || -apart < TSD_MAX) && found_by_slow(je, at, ret);
}

/*
 * The ring that the arena of a cache leads to (cache_bin_array_descriptor_ql): the cache is in it, unless
 * its thread has gone and what was found is what was left in its stack's mapping.
 */
static struct err *read_arena_ring(struct jemalloc *je, const struct je_copy *copy, taddr arena)
{
	uint64_t avail;
	const uint8_t *bytes = image_view(je->img, arena, &avail);

	for (uint64_t at = 0; bytes && at + 8 <= avail && at < ARENA_MAX; at += 8) {
		uint64_t word = load_u64(bytes + at);
		struct found found;

		if (word && !(word & 7) && found_by_descriptor(je, copy, word, &found) &&
		    found.arena == arena) {
			image_keep(je->img, arena + at, 8);
			return read_ring(je, copy, found);
		}
	}
	return NULL;
}

static struct err *search_tls(struct jemalloc *je, const struct je_copy *copy, taddr low,
			      taddr high, bool any_thread)
{
	uint64_t avail = 0;
	const uint8_t *bytes = image_view(je->img, low, &avail);

	for (uint64_t at = 0; bytes && at + 8 <= avail && at < high - low; at += 8) {
		struct found found;
		struct err *err;

		if (!is_knot(je, copy, low + at, load_u64(bytes + at), &found))
			continue;
		err = any_thread ? read_arena_ring(je, copy, found.arena) :
				   read_ring(je, copy, found);
		if (err)
			return err;
	}
	return NULL;
}

/* The thread control block points to itself: if that is gone, so is the TLS beside it. */
static bool tls_is_there(const struct jemalloc *je, const struct thread *t)
{
	uint64_t self;

	return !je->img->target->tls_below_tp ||
	       (image_read_u64(je->img, t->tp, &self) == MEM_OK && self == t->tp);
}

static struct err *search_thread(struct jemalloc *je, const struct thread *t)
{
	const struct segment *seg = image_segment(je->img, t->tp);
	bool below = je->img->target->tls_below_tp;
	taddr low = t->tp, high = t->tp;
	struct err *err = NULL;

	if (!seg || !tls_is_there(je, t)) {
		je->n_caches_lost++;
		return NULL;
	}
	if (below)
		low = t->tp - seg->start > TLS_REACH ? align_down(t->tp - TLS_REACH, 8) :
						       seg->start;
	else
		high = seg->end - t->tp > TLS_REACH ? t->tp + TLS_REACH : seg->end;
	for (size_t i = 0; i < je->copies.n && !err; i++)
		err = search_tls(je, &je->copies.v[i], align_up(low, 8), high, false);
	return err;
}

/*
 * Threads whose pointer the core does not have (qemu-user's): their TLS is in one of the smaller anonymous
 * mappings, with their stacks.  The heap's own have no tsd_t.
 */
static struct err *search_mappings(struct jemalloc *je, uint64_t n_threads)
{
	size_t before = je->caches.n;
	struct err *err = NULL;

	for (size_t i = 0; i < je->img->n_segments && !err; i++) {
		const struct segment *seg = &je->img->segments[i];

		if (!seg->bytes || !(seg->flags & SEG_W) || seg->file || seg->end - seg->start > MAPPING_MAX ||
		    je_extent_at(je, seg->start))
			continue;
		for (size_t k = 0; k < je->copies.n && !err; k++)
			err = search_tls(je, &je->copies.v[k], align_up(seg->start, 8), seg->end,
					 true);
	}
	if (je->caches.n - before < n_threads)
		je->n_caches_lost += n_threads - (je->caches.n - before);
	return err;
}

/* ---- all of them */

static int by_value(const void *a, const void *b)
{
	const taddr *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void sort_own(struct jemalloc *je)
{
	size_t kept = 0;

	if (je->own.n)
		qsort(je->own.v, je->own.n, sizeof(*je->own.v), by_value);
	for (size_t i = 0; i < je->own.n; i++)
		if (!kept || je->own.v[kept - 1] != je->own.v[i])
			je->own.v[kept++] = je->own.v[i];
	je->own.n = kept;
}

static void sort_cached(struct jemalloc *je)
{
	size_t kept = 0;

	if (je->cached.n)
		qsort(je->cached.v, je->cached.n, sizeof(*je->cached.v), by_value);
	for (size_t i = 0; i < je->cached.n; i++)
		if (kept && je->cached.v[kept - 1] == je->cached.v[i])
			je_doubt(je, je->cached.v[i],
				 "block at 0x%lx is cached twice; likely a double free",
				 je->cached.v[i]);
		else
			je->cached.v[kept++] = je->cached.v[i];
	je->cached.n = kept;
}

struct err *je_read_tcaches(struct jemalloc *je)
{
	uint64_t n_elsewhere = 0;
	struct err *err = NULL;

	for (size_t i = 0; i < je->img->n_threads && !err; i++)
		if (je->img->threads[i].tp)
			err = search_thread(je, &je->img->threads[i]);
		else
			n_elsewhere++;
	if (!err && n_elsewhere)
		err = search_mappings(je, n_elsewhere);
	if (err)
		return err;
	if (je->n_caches_lost)
		diag(je->env, "heap/thread-cache-lost", ERR_NOWHERE,
		     "the thread-local memory of %lu threads is not in the dump: what their caches hold counts as used",
		     je->n_caches_lost);
	err = je_find_prof(je);
	if (err)
		return err;
	sort_own(je);
	sort_cached(je);
	return NULL;
}

bool je_is_cached(const struct jemalloc *je, taddr block)
{
	size_t i = partition_point(je->cached.n, k, je->cached.v[k] < block);

	return i < je->cached.n && je->cached.v[i] == block;
}
