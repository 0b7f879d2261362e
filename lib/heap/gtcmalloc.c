/*
 * gtcmalloc.c - the walker of google/tcmalloc, with caches by processor: opens, claims, explains, sums up.
 *
 * The steps are files of their own, in this order: gtcmalloc_anchor.c, gtcmalloc_caches.c,
 * gtcmalloc_spans.c, gtcmalloc_walk.c.  The tcmalloc of gperftools is another allocator (tcmalloc.c).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/guard.h"
#include "heap/blocks.h"
#include "heap/gtcmalloc_fields.h"

/* In words of its own statistics. */
static const char *const cache_names[N_GTC_CACHES] = {
	[GTC_CPU] = "cpu-cache",
	[GTC_THREAD] = "thread-cache",
	[GTC_TRANSFER] = "transfer-cache",
	[GTC_SHARD] = "sharded-transfer-cache",
};
static const char where_central[] = "central", where_proxy[] = "sampled";

/* ---- life */

static void close_heap(void *ctx)
{
	struct gtcmalloc *t = ctx;

	if (!t)
		return;
	tc_spans_close(&t->spans);
	free(t->info.arenas);
	gtc_copies_free(t->copies, t->n_copies);
	col_close(&t->bits_col);
	free(t);
}

static void guard_heap(struct gtcmalloc **t)
{
	close_heap(*t);
}

static struct err *open_heap(struct env *env, const struct image *img, void **ret_ctx)
{
	_cleanup_(guard_heap) struct gtcmalloc *t = calloc(1, sizeof(*t));
	struct err *err;

	if (!t)
		return &err_nomem;
	t->img = img;
	err = tc_spans_open(env, &t->spans);
	if (!err)
		err = gtc_find_copies(img, &t->copies, &t->n_copies);
	for (uint32_t i = 0; i < t->n_copies && !err; i++)
		err = gtc_find_caches(t, &t->copies[i]);
	if (!err)
		err = gtc_read_spans(t);
	if (err)
		return err;
	*ret_ctx = take(&t);
	return NULL;
}

static const char *copy_how(const struct gtc_copy *c)
{
	return c->by_symbol ? "symbols+layout" : "layout";
}

static void copy_why(const struct gtc_copy *c, char *ret, size_t n)
{
	snprintf(ret, n, "page map at 0x%" PRIx64 " by %s, pages of %u KiB", c->map.root, copy_how(c),
		 1u << (c->map.page_shift - 10));
}

static void bid(struct env *env, const struct image *img, struct walker_bid *ret)
{
	struct gtc_copy *copies = NULL;
	uint32_t n = 0;
	struct err *err = gtc_find_copies(img, &copies, &n);

	if (err) {
		diag_err(env, "heap/no-page-map", err);
	} else if (n) {
		ret->score = 85 + 5 * copies[0].by_symbol;
		copy_why(&copies[0], ret->why, sizeof(ret->why));
	}
	gtc_copies_free(copies, n);
}

/* ---- totals */

/* Do three words of a class's central list say its free objects, the spans taken and those given back? */
static bool central_agrees(const struct gtcmalloc *t, const struct gtc_copy *c, uint32_t class, uint32_t at,
			   const uint64_t *n)
{
	uint64_t said[3];

	return image_read(t->img, c->central + (taddr)class * c->stride + at, said, sizeof(said)) == MEM_OK && said[0] == n[0] &&
	       said[1] - said[2] == n[1];
}

/* Of how many classes, which have more than one object a span, they do. */
static uint32_t count_agreeing(const struct gtcmalloc *t, const struct gtc_copy *c, uint32_t at, const uint64_t *n)
{
	uint32_t good = 0;

	for (uint32_t k = 1; k < c->n_classes; k++)
		good += c->class[k].objects > 1 && central_agrees(t, c, k, at, n + 2 * k);
	return good;
}

/*
 * What each central list counts: free objects, spans taken less spans given back; not of one object a span.
 * Where it counts them, behind its pages, is where most lists agree.
 */
static struct err *check_central(struct gtcmalloc *t, uint32_t copy)
{
	const struct gtc_copy *c = &t->copies[copy];
	uint32_t best = 0, agreeing = 0, all = 0;
	_free_ uint64_t *n = calloc(2 * GTC_CLASSES, sizeof(*n));

	if (!n)
		return &err_nomem;
	for (size_t i = 0; i < t->spans.n; i++) {
		const struct tc_span *s = &t->spans.v[i];

		if (s->copy != copy || !s->class)
			continue;
		n[2 * s->class] += s->n_free;
		n[2 * s->class + 1]++;
	}
	for (uint32_t at = c->central_pages + 8u; at + 24 <= c->stride; at += 8) {
		uint32_t good = count_agreeing(t, c, at, n);

		if (good > agreeing) {
			agreeing = good;
			best = at;
		}
	}
	for (uint32_t k = 1; k < c->n_classes; k++)
		all += c->class[k].objects > 1 && best;
	t->spans.passed += agreeing;
	t->spans.failed += all - agreeing;
	return NULL;
}

static void add_wheres(struct gtcmalloc *t)
{
	uint64_t n = t->info.n_free, bytes = t->info.free;

	for (unsigned i = 0; i < N_GTC_CACHES; i++) {
		tc_add_where(&t->info, cache_names[i], t->in_caches[i].n, t->in_caches[i].bytes);
		n -= t->in_caches[i].n;
		bytes -= t->in_caches[i].bytes;
	}
	tc_add_where(&t->info, where_central, n, bytes);
}

static void add_idle(struct gtcmalloc *t)
{
	struct where_total idle;

	gtc_count_free(t, &idle, &t->info.returned);
	t->info.idle = idle.bytes;
	if (idle.count)
		t->info.idles[t->info.n_idles++] = idle;
	t->info.knows_returnable = true;
}

static const struct heap_info *info(void *ctx)
{
	struct gtcmalloc *t = ctx;
	struct heap_info *info = &t->info;

	if (t->have_info)
		return info;
	t->have_info = true;
	info->allocator = "google-tcmalloc";
	info->arenas = calloc(t->n_copies + 1, sizeof(*info->arenas));
	if (!info->arenas)
		return info;
	info->n_arenas = t->n_copies;
	for (size_t i = 0; i < t->spans.n; i++) {
		const struct tc_span *s = &t->spans.v[i];

		if (s->problem != SPAN_NOT_WALKED)
			tc_count(info, s, gtc_object_size(t, s), gtc_span_objects(t, s));
	}
	add_wheres(t);
	add_idle(t);
	for (uint32_t i = 0; i < t->n_copies; i++) {
		struct err *err = check_central(t, i);

		info->arenas[i].addr = t->copies[i].map.root;
		info->arenas[i].kind = ARENA_MAIN;
		if (err)
			diag_err(t->spans.env, "heap/unchecked", err);
	}
	info->checks_passed = t->spans.passed;
	info->checks_failed = t->spans.failed;
	info->damage = t->spans.damage.v;
	info->n_damage = t->spans.damage.n;
	if (t->n_copies) {
		snprintf(info->how, sizeof(info->how), "%s", copy_how(&t->copies[0]));
		copy_why(&t->copies[0], info->why, sizeof(info->why));
	}
	return info;
}

/* ---- one block in words */

static const char *explain_cached(const struct gtcmalloc *t, const struct tc_listed *l, struct text *ret)
{
	const struct gtc_cache *cache;

	if (l->cache == GTC_PROXY) {
		text_add(ret, ", kept by tcmalloc itself: a sampled allocation has taken its place");
		return where_proxy;
	}
	cache = &t->copies[l->copy].caches.v[l->cache];
	switch ((enum gtc_cache_kind)cache->kind) {
	case GTC_CPU:
		text_printf(ret, ", free: in the cache of processor %u", cache->no);
		break;
	case GTC_THREAD:
		text_printf(ret, ", free: in the thread cache at 0x%" PRIx64, cache->addr);
		if (cache->no)
			text_printf(ret, " of thread %u", cache->no);
		break;
	case GTC_SHARD:
		text_printf(ret, ", free: in shard %u of the transfer caches", cache->no);
		break;
	case GTC_TRANSFER:
	case N_GTC_CACHES:
		text_add(ret, ", free: in a transfer cache");
		break;
	}
	return cache_names[cache->kind];
}

static void explain_sampled(const struct gtcmalloc *t, const struct tc_span *s, struct text *ret)
{
	const struct gtc_copy *c = &t->copies[s->copy];
	uint64_t sampled, asked;

	if (gtc_sample_of(t->img, c, s->addr, s->base, &sampled) &&
	    image_read_u64(t->img, gtc_requested_at(c, sampled), &asked) == MEM_OK)
		text_printf(ret, ", sampled: %" PRIu64 " bytes were asked for", asked);
}

static const char *explain(void *ctx, taddr block, struct text *ret)
{
	const struct gtcmalloc *t = ctx;
	const struct tc_span *s = tc_span_at(&t->spans, block);
	const struct tc_listed *l = tc_listed_at(&t->spans, block);
	uint64_t size, i;

	if (!s || s->problem == SPAN_NOT_WALKED)
		return NULL;
	size = gtc_object_size(t, s);
	i = (block - s->base) / size;
	text_printf(ret, "span at 0x%" PRIx64 " of 0x%" PRIx64 "-0x%" PRIx64, s->addr, s->base, s->end);
	if (!s->class) {
		text_add(ret, ", a block of its own");
		if (s->sampled)
			explain_sampled(t, s, ret);
		return NULL;
	}
	text_printf(ret, ", size class %u (%" PRIu64 " bytes), object %" PRIu64 " of %u, %u of them in use", s->class, size, i,
		    gtc_span_objects(t, s), gtc_span_objects(t, s) - s->n_free - s->n_cached - s->n_proxies);
	if (l)
		return explain_cached(t, l, ret);
	if (!gtc_is_in_span(t, s, block))
		return NULL;
	text_add(ret, ", free: in the list of its span");
	return where_central;
}

extern const struct walker_ops google_tcmalloc_walker;
const struct walker_ops google_tcmalloc_walker = {
	.name = "google-tcmalloc",
	.links = 8,
	.bid = bid,
	.open = open_heap,
	.claim = tc_claim,
	.walk = gtc_walk,
	.settle = gtc_settle,
	.info = info,
	.explain = explain,
	.metadata = gtc_metadata,
	.regions = gtc_regions,
	.samples = gtc_samples,
	.unit = tc_unit,
	.unit_name = "span",
	.keep = gtc_keep,
	.close = close_heap,
};
