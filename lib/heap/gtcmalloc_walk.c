/*
 * gtcmalloc_walk.c - which objects of the spans are free: by their spans, and by caches of every kind.
 *
 * A span keeps its free objects as a bitmap, or, where they are small, as indices: eight or twelve in the
 * Span, the others inside of free objects (span.h, span.cc); walked with the claim.  What lies in the caches of
 * processors, threads, transfer caches and their shards counts as allocated there, and is walked once, at
 * the end.  The object whose place a sampled one took is nobody's (allocation_sampling.h).
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/bits.h"
#include "heap/blocks.h"
#include "heap/gtcmalloc_fields.h"
#include "image/shadow.h"

enum {
	INDEX_SHIFT = 3, /* kAlignmentShift */
	HOST_MAX = 2048, /* bytes of an object that holds indices: at most a page / 128 */
};

/* ---- a span's own objects */

struct objects {
	const struct gtcmalloc *t;
	const struct tc_span *s;
	struct block_sink *sink;
	uint64_t *free; /* a bit an object, of one that keeps indices: t->free_bits from s->bits on */
	uint64_t size, n;
	uint64_t n_free;
	bool broken;
	taddr broken_at;
};

static bool break_off(struct objects *o, uint64_t offset)
{
	o->broken = true;
	o->broken_at = o->s->base + offset;
	return false;
}

/* The object at an offset of the span, if there is one that is not yet free. */
static bool free_object(struct objects *o, uint64_t offset)
{
	uint64_t i = offset / o->size, grain;

	if (offset % o->size || i >= o->n)
		return break_off(o, offset);
	grain = grain_of(o->sink->grains, o->s->base + offset);
	if (!bit_get(o->sink->used, grain))
		return break_off(o, offset);
	bit_clear(o->sink->used, grain);
	if (o->free)
		bit_set(o->free, i);
	o->n_free++;
	return true;
}

static void walk_bitmap(struct objects *o, const uint8_t *span)
{
	const struct gtc_span_form *form = &o->t->copies[o->s->copy].layout.span;

	for (uint64_t i = 0; i < 16u * form->n_list; i++)
		if (load_u64(span + form->list + i / 64 * 8) >> i % 64 & 1 && !free_object(o, i * o->size))
			return;
}

/* Each host holds the index of the next one, then its own; all but the first are full. */
static void walk_hosts(struct objects *o, const uint8_t *span)
{
	uint16_t embedded = load_u16(span + GSPAN_EMBED), host = load_u16(span + GSPAN_FREELIST);
	uint8_t bytes[HOST_MAX];

	while (host != GSPAN_LIST_END) {
		uint64_t offset = (uint64_t)host << INDEX_SHIFT;

		if (embedded > o->size / 2 - 1 || !free_object(o, offset) ||
		    image_read(o->t->img, o->s->base + offset, bytes, 2 * (embedded + 1)) != MEM_OK) {
			break_off(o, offset);
			return;
		}
		for (uint16_t i = 1; i <= embedded; i++)
			if (!free_object(o, (uint64_t)load_u16(bytes + 2 * i) << INDEX_SHIFT))
				return;
		host = load_u16(bytes);
		embedded = (uint16_t)(o->size / 2 - 1);
	}
}

static void walk_objects(struct objects *o)
{
	const struct gtc_span_form *form = &o->t->copies[o->s->copy].layout.span;
	uint8_t span[GSPAN_SIZE];
	unsigned cached;

	if (image_read(o->t->img, o->s->addr, span, sizeof(span)) != MEM_OK)
		return;
	if (!o->free) {
		walk_bitmap(o, span);
		return;
	}
	cached = span[GSPAN_CACHED] & 15;
	for (unsigned i = 0; i < cached && i < form->n_list; i++)
		if (!free_object(o, (uint64_t)load_u16(span + form->list + 2 * i) << INDEX_SHIFT))
			return;
	walk_hosts(o, span);
}

bool gtc_is_in_span(const struct gtcmalloc *t, const struct tc_span *s, taddr object)
{
	const struct gtc_span_form *form = &t->copies[s->copy].layout.span;
	uint64_t i = (object - s->base) / gtc_object_size(t, s), word;

	if (!s->n_free || i >= gtc_span_objects(t, s))
		return false;
	if (gtc_has_indices(t, s))
		return bit_get(t->free_bits + s->bits, i);
	return i < 16u * form->n_list && image_read_u64(t->img, s->addr + form->list + i / 64 * 8, &word) == MEM_OK &&
	       word >> i % 64 & 1;
}

static void walk_span(struct gtcmalloc *t, struct tc_span *s, struct block_sink *sink)
{
	const struct gtc_copy *c = &t->copies[s->copy];
	uint64_t step, grain;
	struct objects o;

	s->problem = SPAN_FINE;
	if (s->class && (s->class >= c->n_classes || !c->class[s->class].size || c->class[s->class].pages != gtc_span_pages(t, s))) {
		s->problem = SPAN_BAD_CLASS;
		s->class = 0;
	}
	if (!s->class) {
		block_sink_add(sink, s->base, true);
		return;
	}
	o = (struct objects){
		.t = t,
		.s = s,
		.sink = sink,
		.free = gtc_has_indices(t, s) ? t->free_bits + s->bits : NULL,
		.size = gtc_object_size(t, s),
		.n = gtc_span_objects(t, s),
	};
	step = o.size >> sink->grains->shift;
	grain = grain_of(sink->grains, s->base);
	for (uint64_t i = 0; i < o.n; i++, grain += step) {
		grains_set_start(sink->grains, grain);
		bit_set(sink->used, grain);
	}
	if (o.n * o.size < tc_span_bytes(s))
		block_sink_gap(sink, s->base + o.n * o.size);
	if (o.n == 1)
		return; /* it goes straight back to the page heap, and the Span keeps no count */
	walk_objects(&o);
	s->n_free = (uint32_t)o.n_free;
	s->bad_at = o.broken_at;
	if (o.broken)
		s->problem = SPAN_BAD_LIST;
	else if (o.n_free + s->counted != o.n)
		s->problem = SPAN_BAD_COUNT;
}

struct err *gtc_walk(void *ctx, uint32_t claim, struct block_sink *sink)
{
	struct gtcmalloc *t = ctx;
	const struct tc_run *run = &t->spans.runs.v[claim];

	for (uint32_t i = 0; i < run->n; i++)
		walk_span(t, &t->spans.v[run->first + i], sink);
	return NULL;
}

/* The indices in its hosts, and no more of them: what is behind is the program's. */
static void keep_hosts(const struct gtcmalloc *t, const struct tc_span *s)
{
	uint64_t size = gtc_object_size(t, s);
	uint16_t words[2], host; /* how many are embedded, and in which */

	if (image_read(t->img, s->addr + GSPAN_EMBED, words, sizeof(words)) != MEM_OK)
		return;
	host = words[1];
	for (uint32_t left = s->n_free; left && host != GSPAN_LIST_END; left--) {
		taddr at = s->base + ((taddr)host << INDEX_SHIFT);

		image_keep(t->img, at, 2ull * words[0] + 2);
		words[0] = (uint16_t)(size / 2 - 1);
		if (image_read(t->img, at, &host, sizeof(host)) != MEM_OK)
			return;
	}
}

struct err *gtc_keep(void *ctx, const struct blocks *b)
{
	const struct gtcmalloc *t = ctx;

	(void)b; /* all of them */
	for (size_t i = 0; i < t->spans.n; i++)
		if (gtc_has_indices(t, &t->spans.v[i]) && t->spans.v[i].problem == SPAN_FINE)
			keep_hosts(t, &t->spans.v[i]);
	return NULL;
}

/* ---- caches */

struct cache_walk {
	struct gtcmalloc *t;
	const struct gtc_copy *c;
	struct block_sink *sink;
	uint32_t copy, cache;
	uint32_t class;
	struct tc_span *span; /* the one found last */
};

/* An object of this class, allocated as far as is known, becomes a free one in a cache. */
static struct err *take_object(struct cache_walk *w, taddr at, bool *ret_taken)
{
	struct tc_listed l = { .at = at, .copy = w->copy, .cache = w->cache };
	struct tc_span *s = w->span;
	uint64_t grain, size;

	*ret_taken = false;
	if (!s || at < s->base || at >= s->end)
		s = tc_span_at(&w->t->spans, at);
	if (!s || s->problem == SPAN_NOT_WALKED || s->copy != w->copy || !s->class || (w->class && s->class != w->class))
		return NULL;
	w->span = s;
	size = gtc_object_size(w->t, s);
	grain = grain_of(w->sink->grains, at);
	if ((at - s->base) % size || (at - s->base) / size >= gtc_span_objects(w->t, s) || grain == GRAIN_NONE ||
	    !bit_get(w->sink->used, grain))
		return NULL;
	*ret_taken = true;
	block_sink_free(w->sink, at);
	if (w->cache == GTC_PROXY) {
		block_sink_gap(w->sink, at);
		s->n_proxies++;
	} else {
		unsigned kind = w->c->caches.v[w->cache].kind;

		s->n_cached++;
		w->t->in_caches[kind].n++;
		w->t->in_caches[kind].bytes += size;
	}
	return tc_list(&w->t->spans, &l);
}

/* n pointers in a row, as caches of processors and transfer caches keep them. */
static struct err *walk_array(struct cache_walk *w, const char *what, taddr slots, uint64_t n)
{
	uint64_t bad = 0;
	taddr bad_at = 0;

	for (uint64_t i = 0; i < n; i++) {
		bool taken = false;
		struct err *err;
		uint64_t at;

		if (image_read_u64(w->t->img, slots + 8 * i, &at) != MEM_OK)
			at = 0;
		err = take_object(w, at, &taken);
		if (err)
			return err;
		if (!taken && !bad++)
			bad_at = slots + 8 * i;
	}
	if (bad)
		tc_damage(&w->t->spans, bad_at,
			   "%s at 0x%" PRIx64 ", objects of %" PRIu64 " bytes: 0x%" PRIx64 " is none of them; likely a write into it, "
			   "or a block that was freed twice",
			   what, w->c->caches.v[w->cache].addr, w->c->class[w->class].size, bad_at);
	else
		w->t->spans.passed += n != 0;
	return NULL;
}

static struct err *walk_cpu(struct cache_walk *w, taddr slab)
{
	uint32_t header, current, begin;

	if (image_read_u32(w->t->img, slab + 4ull * w->class, &header) != MEM_OK || !header)
		return NULL;
	current = header & 0xffff;
	begin = gtc_slab_begin(w->t->img, w->c, slab, w->class, current);
	if (current < begin || current > header >> 16) {
		tc_damage(&w->t->spans, slab + 4ull * w->class, "cache of processor %u at 0x%" PRIx64 ": size class %u ends where it cannot",
			   w->c->caches.v[w->cache].no, slab, w->class);
		return NULL;
	}
	return walk_array(w, "cache of a processor", slab + 8ull * begin, current - begin);
}

static struct err *walk_slots(struct cache_walk *w, taddr at)
{
	uint32_t used, capacity;
	uint64_t slots;

	if (image_read_u32(w->t->img, at + SLOTS_USED, &used) != MEM_OK ||
	    image_read_u32(w->t->img, at + SLOTS_CAPACITY, &capacity) != MEM_OK ||
	    image_read_u64(w->t->img, at, &slots) != MEM_OK || !used)
		return NULL;
	if (used > capacity || capacity > GTC_SLOTS_MAX) {
		tc_damage(&w->t->spans, at, "transfer cache at 0x%" PRIx64 ": %u of %u slots in use", at, used, capacity);
		return NULL;
	}
	return walk_array(w, "transfer cache", slots, used);
}

/* Follows a list until it ends or breaks; each object is taken once, so that loops end. */
static struct err *walk_list(struct cache_walk *w, taddr list)
{
	uint32_t length, n = 0;
	taddr at;

	if (image_read_u64(w->t->img, list, &at) != MEM_OK || image_read_u32(w->t->img, list + GCACHE_LENGTH, &length) != MEM_OK)
		return NULL;
	while (at) {
		bool taken;
		struct err *err = take_object(w, at, &taken);

		if (err)
			return err;
		if (!taken)
			break;
		n++;
		if (image_read_u64(w->t->img, at, &at) != MEM_OK)
			break;
	}
	if (!at && n == length)
		w->t->spans.passed += n != 0;
	else
		tc_damage(&w->t->spans, at ? at : list,
			   "thread cache at 0x%" PRIx64 ", objects of %" PRIu64 " bytes: %u in its list of %u%s",
			   w->c->caches.v[w->cache].addr, w->c->class[w->class].size, n, length,
			   at ? "; likely a write after free" : "");
	return NULL;
}

static struct err *walk_cache(struct cache_walk *w)
{
	const struct gtc_cache *cache = &w->c->caches.v[w->cache];
	struct err *err = NULL;

	for (w->class = 1; w->class < w->c->n_classes && !err; w->class++) {
		switch ((enum gtc_cache_kind)cache->kind) {
		case GTC_CPU:
			err = walk_cpu(w, cache->addr);
			break;
		case GTC_THREAD:
			err = walk_list(w, cache->addr + (taddr)w->class * GCACHE_LIST);
			break;
		case GTC_TRANSFER:
			err = walk_slots(w, cache->addr + (taddr)w->class * w->c->stride + TC_SLOTS);
			break;
		case GTC_SHARD:
			err = walk_slots(w, cache->addr + (taddr)w->class * SHARD_TC_SIZE + w->c->shard_class + SHARD_TC_SLOTS);
			break;
		case N_GTC_CACHES:
			break;
		}
	}
	return err;
}

/* What a sampled allocation took the place of is kept as long as that lives. */
static struct err *walk_proxy(struct cache_walk *w, const struct tc_span *s)
{
	uint64_t sampled, proxy = 0;
	struct err *err = NULL;
	bool taken = true;

	if (!gtc_sample_of(w->t->img, w->c, s->addr, s->base, &sampled) ||
	    (w->c->layout.has_proxy && image_read_u64(w->t->img, sampled + SAMPLED_PROXY, &proxy) != MEM_OK))
		taken = false;
	else if (proxy)
		err = take_object(w, proxy, &taken);
	if (!err && !taken)
		tc_damage(&w->t->spans, s->addr, "span at 0x%" PRIx64 " of a sampled block: what it says of the sample cannot be", s->addr);
	return err;
}

static struct err *walk_proxies(struct cache_walk *w)
{
	struct err *err = NULL;

	w->cache = GTC_PROXY;
	w->class = 0;
	for (size_t i = 0; i < w->t->spans.n && !err; i++)
		if (w->t->spans.v[i].copy == w->copy && w->t->spans.v[i].sampled && w->t->spans.v[i].problem == SPAN_FINE)
			err = walk_proxy(w, &w->t->spans.v[i]);
	return err;
}

static struct err *walk_caches(struct gtcmalloc *t, uint32_t copy, struct block_sink *sink)
{
	struct cache_walk w = { .t = t, .c = &t->copies[copy], .sink = sink, .copy = copy };
	struct err *err = NULL;

	for (w.cache = 0; w.cache < w.c->caches.n && !err; w.cache++)
		err = walk_cache(&w);
	return err ? err : walk_proxies(&w);
}

struct err *gtc_settle(void *ctx, struct block_sink *sink)
{
	struct gtcmalloc *t = ctx;
	struct err *err = NULL;

	for (size_t i = 0; i < t->spans.n; i++)
		if (t->spans.v[i].problem != SPAN_NOT_WALKED)
			tc_tell(&t->spans, &t->spans.v[i], gtc_span_objects(t, &t->spans.v[i]));
	for (uint32_t i = 0; i < t->n_copies && !err; i++)
		err = walk_caches(t, i, sink);
	if (!err)
		tc_sort_listed(&t->spans);
	return err;
}
