/*
 * heap/go_walk.c - the walker of Go's heap: claims, objects, totals, words about one object.
 *
 * An element is allocated if it lies below freeindex or its bit in allocBits is set (runtime/mbitmap.go,
 * isFree); what the spans behind an mcache have handed out shows in the same two.  In a span that was
 * not swept yet the dead are allocated as well: nothing reaches them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/guard.h"
#include "heap/go_spans.h"
#include "heap/region_claims.h"
#include "image/go_type.h"

static void go_bid(struct env *env, const struct image *img, struct walker_bid *ret)
{
	(void)env;
	if (!img->go || !img->go->at.mheap)
		return;
	ret->score = 95;
	snprintf(ret->why, sizeof(ret->why), "mheap_ at 0x%" PRIx64 " by %s, %s", img->go->at.mheap, img->go->how,
		 *img->go->version ? img->go->version : "version unknown");
}

static void go_close_heap(void *ctx)
{
	struct go_heap *h = ctx;

	if (!h)
		return;
	damages_free(&h->damage);
	free(h->runs.v);
	free(h->info.arenas);
	col_close(&h->spans_col);
	arena_fini(&h->mem);
	free(h);
}

static void guard_heap(struct go_heap **h)
{
	go_close_heap(*h);
}

static struct err *go_open_heap(struct env *env, const struct image *img, void **ret_ctx)
{
	_cleanup_(guard_heap) struct go_heap *h = calloc(1, sizeof(*h));
	struct err *err;

	if (!h)
		return &err_nomem;
	h->env = env;
	h->img = img;
	h->go = img->go;
	err = go_spans_open(h);
	if (err)
		return err;
	*ret_ctx = take(&h);
	return NULL;
}

/* ---- claims and blocks */

static struct err *go_claim(void *ctx, struct claim_sink *sink)
{
	const struct go_heap *h = ctx;
	struct err *err = NULL;

	for (size_t i = 0; i < h->runs.n && !err; i++) {
		const struct go_span *s = &h->spans[h->runs.v[i].first], *last = s + h->runs.v[i].n - 1;
		struct claim claim = {
			.start = s->base,
			.end = go_span_end(last),
			.arena = UINT32_MAX,
			.kind = s->spanclass,
			.head = s->bits == GO_BITS_HEADER ? GO_WORD : 0,
			.small_grains = s->elemsize % 16 != 0,
			.no_pointers = s->bits == GO_BITS_NONE,
		};

		err = sink->add(sink, &claim);
	}
	return err;
}

/* Bits [i, i + 64) of the elements that are allocated. */
static uint64_t allocated_64(const struct go_span *s, const uint8_t *bits, uint32_t i)
{
	uint8_t raw[8] = {};
	uint32_t n = (s->nelems - i + 7) / 8;
	uint64_t v;

	if (!bits)
		return UINT64_MAX;
	memcpy(raw, bits + i / 8, n < 8 ? n : 8);
	v = load_u64(raw);
	if (s->freeindex > i)
		v |= s->freeindex - i < 64 ? (1ull << (s->freeindex - i)) - 1 : UINT64_MAX;
	return v;
}

static void walk_span(const struct go_heap *h, struct go_span *s, struct block_sink *sink)
{
	const uint8_t *bits = s->bits_lost ? NULL : go_span_alloc_bits(h, s);
	uint64_t grain = grain_of(sink->grains, s->base), step = s->elemsize >> sink->grains->shift, v = 0;

	for (uint32_t i = 0; i < s->nelems; i++, v >>= 1, grain += step) {
		if (!(i & 63))
			v = allocated_64(s, bits, i);
		grains_set_start(sink->grains, grain);
		if (v & 1) {
			bit_set(sink->used, grain);
			s->n_used++;
		}
	}
	if (s->nelems * s->elemsize < go_span_bytes(s))
		block_sink_gap(sink, s->base + s->nelems * s->elemsize);
}

static struct err *go_walk(void *ctx, uint32_t claim, struct block_sink *sink)
{
	struct go_heap *h = ctx;
	const struct go_run *run = &h->runs.v[claim];

	for (uint32_t i = 0; i < run->n; i++)
		walk_span(h, &h->spans[run->first + i], sink);
	return NULL;
}

/* ---- totals */

/* The heap's arenas, 64 MiB each, as far as spans are in use in them. */
static struct heap_arena *arena_of(struct go_heap *h, taddr base, size_t *cap)
{
	taddr addr = go_heap_arena(h->go, base);
	struct heap_arena *last = h->info.n_arenas ? &h->info.arenas[h->info.n_arenas - 1] : NULL;

	if (last && last->addr == addr)
		return last;
	if (h->info.n_arenas == *cap) {
		size_t more = *cap ? 2 * *cap : 16;
		struct heap_arena *v = realloc(h->info.arenas, more * sizeof(*v));

		if (!v)
			return NULL;
		h->info.arenas = v;
		*cap = more;
	}
	h->info.arenas[h->info.n_arenas] = (struct heap_arena){ .addr = addr, .kind = ARENA_OTHER };
	return &h->info.arenas[h->info.n_arenas++];
}

static void count_span(struct go_heap *h, const struct go_span *s, struct heap_arena *a)
{
	uint64_t used = s->n_used * s->elemsize, n_free = s->nelems - s->n_used, free = n_free * s->elemsize;
	uint64_t overhead = go_span_bytes(s) - used - free;
	struct heap_info *info = &h->info;

	info->n_used += s->n_used;
	info->used += used;
	info->n_free += n_free;
	info->free += free;
	info->overhead += overhead;
	if (!a)
		return;
	a->bytes += go_span_bytes(s);
	a->n_used += s->n_used;
	a->used += used;
	a->n_free += n_free;
	a->free += free;
	a->overhead += overhead;
	if (n_free && s->elemsize > a->largest_free)
		a->largest_free = s->elemsize;
}

/* The runtime counts too; the count is 16 bits wide. */
static void check_count(struct go_heap *h, const struct go_span *s)
{
	if ((s->n_used & 0xffff) == s->alloc_count)
		h->passed++;
	else
		go_damage(h, s->addr, "span 0x%" PRIx64 " of 0x%" PRIx64 ": %u elements are allocated, and its count is %u", s->addr,
			  s->base, s->n_used, s->alloc_count);
}

/* Free elements, most bytes first, as far as there is room. */
static void fill_wheres(struct go_heap *h)
{
	struct heap_info *info = &h->info;

	for (unsigned c = 0; c < GO_CLASSES; c++) {
		const struct go_class *k = &h->stats.classes[c];
		struct where_total w = { .where = h->stats.class_names[c], .count = k->n_free, .bytes = k->n_free * k->elemsize };
		size_t i = info->n_wheres;

		if (!w.count || !w.where)
			continue;
		if (i == ARRAY_SIZE(info->wheres) && info->wheres[i - 1].bytes >= w.bytes)
			continue;
		if (i < ARRAY_SIZE(info->wheres))
			info->n_wheres++;
		else
			i--;
		for (; i && info->wheres[i - 1].bytes < w.bytes; i--)
			info->wheres[i] = info->wheres[i - 1];
		info->wheres[i] = w;
	}
}

static const struct heap_info *go_info(void *ctx)
{
	struct go_heap *h = ctx;
	struct heap_info *info = &h->info;
	struct walker_bid bid = {};
	size_t cap = 0;

	go_bid(h->env, h->img, &bid);
	memcpy(info->why, bid.why, sizeof(info->why));
	memcpy(info->how, h->go->how, sizeof(info->how));
	snprintf(info->version, sizeof(info->version), "%.31s",
		 strncmp(h->go->version, "go", 2) ? h->go->version : h->go->version + 2);
	info->allocator = "go";
	for (size_t i = 0; i < h->n_spans; i++) {
		const struct go_span *s = &h->spans[i];

		if (s->state != GO_SPAN_IN_USE)
			continue;
		count_span(h, s, arena_of(h, s->base, &cap));
		if (!s->bits_lost)
			check_count(h, s);
	}
	go_memstats_fill(h);
	info->idle = h->stats.idle;
	info->returned = h->stats.returned;
	fill_wheres(h);
	info->checks_passed = h->passed + h->go->checks_passed;
	info->checks_failed = h->failed + h->go->checks_failed;
	info->damage = h->damage.v;
	info->n_damage = h->damage.n;
	return info;
}

/* ---- one object in words */

static const char *swept(const struct go_heap *h, const struct go_span *s)
{
	switch (s->sweepgen - h->sweepgen) { /* mheap.go, mspan.sweepgen */
	case 0:
		return "swept";
	case (uint32_t)-2:
		return "not swept yet";
	case (uint32_t)-1:
		return "being swept";
	case 1:
		return "cached before the sweep began, not swept yet";
	case 3:
		return "swept, then cached by a processor";
	default:
		return "sweep generation unknown";
	}
}

static void explain_element(const struct go_heap *h, const struct go_span *s, uint32_t i, struct text *ret)
{
	bool allocated = go_span_allocated(s, go_span_alloc_bits(h, s), i);
	int marked = go_span_marked(h, s, i);
	const struct go_type *t = NULL;

	text_printf(ret, "; element %u of %u, %s, mark bit %s", i, s->nelems, allocated ? "allocated" : "free",
		    marked < 0 ? "not in the dump" : marked ? "set" : "clear");
	if (allocated && s->bits == GO_BITS_HEADER)
		t = go_type_at(h->go, go_word(h->go, s->base + i * s->elemsize));
	else if (s->bits == GO_BITS_LARGE)
		t = go_type_at(h->go, s->large_type);
	if (t && t->name)
		text_printf(ret, "; allocated as %s", t->name);
}

static const char *go_explain(void *ctx, taddr block, struct text *ret)
{
	const struct go_heap *h = ctx;
	const struct go_span *s = go_span_at(h, block);
	uint64_t i;

	if (!s || s->state != GO_SPAN_IN_USE)
		return NULL;
	i = (block - s->base) / s->elemsize;
	text_printf(ret, "mspan 0x%" PRIx64 " of 0x%" PRIx64 "-0x%" PRIx64 ", %s %" PRIu64 "%s%s, %s", s->addr, s->base,
		    go_span_end(s), s->spanclass >> 1 ? "size class" : "large object of", s->elemsize,
		    s->spanclass >> 1 ? "" : " bytes", go_span_noscan(s) ? ", no pointers" : "", swept(h, s));
	if (i >= s->nelems)
		return NULL;
	explain_element(h, s, (uint32_t)i, ret);
	if (go_span_allocated(s, go_span_alloc_bits(h, s), (uint32_t)i))
		return NULL;
	return h->stats.class_names[s->spanclass >> 1];
}

static bool go_is_dead(void *ctx, taddr block)
{
	const struct go_heap *h = ctx;
	const struct go_span *s = h->has_unswept ? go_span_at(h, block) : NULL;

	return s && go_span_unswept(s, h->sweepgen) &&
	       !go_span_marked(h, s, (uint32_t)((block - s->base) / s->elemsize));
}

/* Arenas are never roots: what is in them and no block is a stack, idle, or the heap's own. */
static struct err *go_metadata(void *ctx, struct claim_sink *sink)
{
	const struct go_heap *h = ctx;
	struct region_claims own = region_claims_to(sink);
	struct err *err = go_own_regions(h, &own.sink);
	taddr done = 0;

	for (size_t i = 0; i < h->n_spans && !err; i++) {
		taddr end = align_up(go_span_end(&h->spans[i]), GO_ARENA);
		struct claim claim = { .start = align_down(h->spans[i].base, GO_ARENA), .end = end };

		if (claim.start < done)
			claim.start = done;
		if (claim.start >= claim.end)
			continue;
		err = sink->add(sink, &claim);
		done = end;
	}
	return err;
}

const struct go_memstats *go_memstats_of(const struct blocks *b)
{
	for (size_t i = 0; i < b->n_heaps; i++)
		if (b->heaps[i].ops == &go_walker)
			return &((const struct go_heap *)b->heaps[i].ctx)->stats;
	return NULL;
}

const struct walker_ops go_walker = {
	.name = "go",
	.bid = go_bid,
	.open = go_open_heap,
	.claim = go_claim,
	.walk = go_walk,
	.info = go_info,
	.explain = go_explain,
	.metadata = go_metadata,
	.regions = go_regions,
	.precise = true,
	.keep = go_keep,
	.slots = go_slots,
	.is_dead = go_is_dead,
	.close = go_close_heap,
};
