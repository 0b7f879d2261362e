/*
 * gtcmalloc_layout.c - how a copy's own structures are laid out, found by which layout holds.
 *
 * google/tcmalloc has no releases and its structures change from month to month.  A Span has one of a few
 * forms: the right one is that by which most spans have as many pages as their size class, and as many free
 * objects as they count (span.h of June 2025, July 3, July 28 and August 11 2026, and with
 * TCMALLOC_INTERNAL_LEGACY_LOCKING).  A PageTracker's bitmaps are where they have as many bits as it counts
 * beside (huge_page_filler.h, since August 2026 huge_page_tracker.h).
 */
#include "base/bits.h"
#include "base/guard.h"
#include "heap/gtcmalloc_fields.h"

enum {
	SPANS_MAX = 4096, /* with a size class, held against each form */
	SPANS_ALL = 1 << 24, /* looked at */
	TRACKERS_MAX = 4096,
	RESERVED_MAX = 26, /* bits in front of a Span's flags (kReservedBits): of June 2025 */
	RESERVED_MIN = 23,
	SMALL_PAGES_BITS = 6, /* kMaxNumPageBits */
	SMALL_PAGES_BEHIND = 3, /* is_large_span_, sampled_, is_donated_ */
	INDEX_SHIFT = 3, /* kAlignmentShift */
	RELEASED_BEHIND_MAX = 160, /* bytes behind the used pages' bitmap */
	HUGE_PAGES_MAX = 512, /* pages of a huge page */
};

static const struct gtc_span_form forms[] = {
	{ .pages = 32, .large_pages = 32, .sample = 40, .list = 40, .n_list = 8 },
	{ .pages = 32, .large_pages = 32, .sample = 40, .list = 40, .n_list = 12 },
	{ .pages = 32, .large_pages = 40, .sample = 48, .list = 40, .n_list = 12 },
	{ .pages = 0, .large_pages = 40, .sample = 48, .list = 40, .n_list = 12 },
	{ .pages = 32, .large_pages = 48, .sample = 56, .list = 48, .n_list = 8 },
};

/* ---- one Span, by a layout */

/* Reserved bits lie in one unit of 32. */
static uint8_t flags_behind(const struct gtc_map *m, unsigned reserved)
{
	unsigned bits = gtc_page_bits(m);

	return (uint8_t)((bits % 32 + reserved > 32 ? 32 : bits) + reserved);
}

uint64_t gtc_words_pages(const struct gtc_layout *l, const uint64_t *words, bool *ret_sampled)
{
	uint64_t first = words[GSPAN_FIRST / 8];

	*ret_sampled = gtc_bits(first, l->flags + 1, 1);
	if (gtc_bits(first, l->flags, 2))
		return words[l->span.large_pages / 8];
	if (!l->span.pages)
		return gtc_bits(first, l->flags + SMALL_PAGES_BEHIND, SMALL_PAGES_BITS);
	return gtc_bits(words[l->span.pages / 8], 0, SMALL_PAGES_BITS);
}

/* Its SampledAllocation, in which the span's start lies `more` bytes further than in July 2026. */
static bool sample_at(const struct image *img, const struct gtc_copy *c, taddr span, taddr base, unsigned more, taddr *ret)
{
	uint64_t at, start;

	if (image_read_u64(img, span + c->layout.span.sample, &at) != MEM_OK ||
	    image_read_u64(img, at + SAMPLED_SPAN_START + more, &start) != MEM_OK || start != base)
		return false;
	*ret = at;
	return true;
}

bool gtc_sample_of(const struct image *img, const struct gtc_copy *c, taddr span, taddr base, taddr *ret)
{
	return sample_at(img, c, span, base, c->layout.sample_more, ret);
}

taddr gtc_requested_at(const struct gtc_copy *c, taddr sampled)
{
	return sampled + SAMPLED_REQUESTED + 8 * c->layout.has_proxy;
}

/* ---- each Span that a copy's page map leads to, and that leads back */

struct candidate {
	uint64_t w[GSPAN_SIZE / 8];
	taddr addr, base;
	uint32_t class; /* 0: none */
};

struct vote {
	const struct image *img;
	const struct gtc_copy *c;
	uint32_t forms[ARRAY_SIZE(forms)];
	uint32_t reserved[RESERVED_MAX - RESERVED_MIN + 1];
	uint32_t with_proxy, without_proxy;
	uint32_t more[SAMPLED_MORE_MAX / 8 + 1]; /* by words that a sample's later fields lie further */
};

typedef void vote_fn(struct vote *v, const struct candidate *one);

static bool read_candidate(const struct vote *v, const struct gtc_leaf *leaf, uint64_t i, struct candidate *ret)
{
	const struct gtc_map *m = &v->c->map;
	uint32_t packed_class;

	if (!gtc_leaf_entry(v->img, m, leaf->addr, i, &ret->addr, &packed_class, &ret->class) ||
	    packed_class != ret->class || ret->class >= v->c->n_classes || !gtc_is_metadata(ret->addr) ||
	    image_read(v->img, ret->addr, ret->w, sizeof(ret->w)) != MEM_OK)
		return false;
	ret->base = (leaf->page + i) << m->page_shift;
	return gtc_bits(ret->w[GSPAN_FIRST / 8], 0, gtc_page_bits(m)) == leaf->page + i;
}

/* All that have no size class, as many that have one as is enough. */
static void each_candidate(struct vote *v, vote_fn *fn)
{
	const struct gtc_map *m = &v->c->map;
	uint64_t n = 1ull << m->leaf_bits, seen = 0, classed = 0, word;

	for (size_t k = 0; k < v->c->leaves.n; k++) {
		const struct gtc_leaf *leaf = &v->c->leaves.v[k];
		taddr words = gtc_leaf_words(m, leaf->addr);

		for (uint64_t i = 0; i < n; i++) {
			struct candidate one;

			if (image_read_u64(v->img, words + 8 * i, &word) != MEM_OK)
				break;
			if (!word || (word >> 48 && classed >= SPANS_MAX))
				continue;
			if (++seen > SPANS_ALL)
				return;
			if (!read_candidate(v, leaf, i, &one))
				continue;
			classed += one.class != 0;
			fn(v, &one);
		}
	}
}

/* ---- which form Spans have */

/*
 * As many objects as are not in the bitmap are allocated, and it has no others; others' indices are of
 * objects, and if none lies inside of free objects, as many are free.
 */
static bool list_holds(const struct gtc_copy *c, const struct gtc_span_form *form, const struct candidate *one)
{
	const struct gtc_class *class = &c->class[one->class];
	const uint8_t *span = (const uint8_t *)one->w;
	unsigned cached = span[GSPAN_CACHED] & 15;
	uint64_t n_free = 0;

	if (!gtc_size_has_indices(c, form, class->size)) {
		for (unsigned i = 0; i < 16u * form->n_list; i++) {
			bool bit = one->w[form->list / 8 + i / 64] >> i % 64 & 1;

			if (bit && i >= class->objects)
				return false;
			n_free += bit;
		}
		return n_free + load_u16(span + GSPAN_ALLOCATED) == class->objects;
	}
	if (load_u16(span + GSPAN_FREELIST) == GSPAN_LIST_END && cached + load_u16(span + GSPAN_ALLOCATED) != class->objects)
		return false;
	for (unsigned i = 0; i < cached; i++) {
		uint64_t at;

		if (i >= form->n_list)
			return false;
		at = (uint64_t)load_u16(span + form->list + 2 * i) << INDEX_SHIFT;
		if (at % class->size || at / class->size >= class->objects)
			return false;
	}
	return true;
}

/* Of a large or sampled one, all of whose pages are memory. */
static bool pages_hold(const struct vote *v, const struct gtc_span_form *form, const struct candidate *one)
{
	uint64_t pages = one->w[form->large_pages / 8];

	return pages && pages < GTC_MAX_PAGES && image_segment(v->img, one->base + (pages << v->c->map.page_shift) - 1);
}

static void vote_form(struct vote *v, const struct candidate *one)
{
	const struct gtc_map *m = &v->c->map;
	uint64_t behind = one->w[GSPAN_FIRST / 8] >> gtc_page_bits(m);

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		const struct gtc_layout l = { .span = forms[i], .flags = (uint8_t)gtc_page_bits(m) };
		bool flagged = forms[i].pages ? behind != 0 : behind & 3, sampled;

		if (!one->class)
			v->forms[i] += flagged && pages_hold(v, &forms[i], one);
		else if (!flagged && v->c->class[one->class].objects > 1)
			v->forms[i] += gtc_words_pages(&l, one->w, &sampled) == v->c->class[one->class].pages &&
				       list_holds(v->c, &forms[i], one);
	}
}

static size_t most(const uint32_t *votes, size_t n)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++)
		if (votes[i] > votes[best])
			best = i;
	return best;
}

/* How many bits are reserved in front of the flags, and what a sample has. */
static void vote_flags(struct vote *v, const struct candidate *one)
{
	const struct gtc_layout *l = &v->c->layout;
	const struct gtc_map *m = &v->c->map;
	unsigned bits = gtc_page_bits(m);
	uint64_t first = one->w[GSPAN_FIRST / 8], proxy, pages = one->w[l->span.large_pages / 8];
	taddr sample = 0;
	bool sampled = false;

	if (one->class || !(first >> bits))
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(v->more) && !sampled; i++) {
		sampled = sample_at(v->img, v->c, one->addr, one->base, 8 * i, &sample);
		v->more[i] += sampled;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(v->reserved); i++) {
		unsigned flags = flags_behind(m, RESERVED_MAX - i);

		v->reserved[i] += !(first >> bits << bits & ~(3ull << flags)) && gtc_bits(first, flags + 1, 1) == sampled;
	}
	if (sampled && image_read_u64(v->img, sample + SAMPLED_PROXY, &proxy) == MEM_OK && proxy) {
		if (proxy >> m->page_shift <= pages)
			v->without_proxy++;
		else
			v->with_proxy++;
	}
}

static void find_span_form(const struct image *img, struct gtc_copy *c)
{
	struct vote v = { .img = img, .c = c };

	each_candidate(&v, vote_form);
	c->layout.span = forms[most(v.forms, ARRAY_SIZE(forms))];
	each_candidate(&v, vote_flags);
	c->layout.flags = c->layout.span.pages ?
				  flags_behind(&c->map, RESERVED_MAX - (unsigned)most(v.reserved, ARRAY_SIZE(v.reserved))) :
				  (uint8_t)gtc_page_bits(&c->map);
	c->layout.has_proxy = v.with_proxy > v.without_proxy;
	c->layout.sample_more = (uint8_t)(8 * most(v.more, ARRAY_SIZE(v.more)));
}

/* ---- where a PageTracker has its bitmaps */

bool gtc_is_tracker(const struct image *img, taddr tracker, taddr huge)
{
	uint64_t location;

	return gtc_is_metadata(tracker) && image_read_u64(img, tracker + TRACKER_LOCATION, &location) == MEM_OK &&
	       location == huge >> GTC_HUGE_SHIFT;
}

typedef bool tracker_fn(const struct image *img, const struct gtc_copy *c, taddr tracker, unsigned at);

/* Of how many trackers something holds. */
static uint32_t count_trackers(const struct image *img, const struct gtc_copy *c, tracker_fn *fn, unsigned at)
{
	const struct gtc_map *m = &c->map;
	uint64_t n = (1ull << m->leaf_bits << m->page_shift) >> GTC_HUGE_SHIFT, tracker;
	uint32_t good = 0, seen = 0;

	for (size_t k = 0; k < c->leaves.n; k++)
		for (uint64_t i = 0; i < n && seen < TRACKERS_MAX; i++) {
			taddr huge = (c->leaves.v[k].page << m->page_shift) + (i << GTC_HUGE_SHIFT);

			if (image_read_u64(img, gtc_leaf_trackers(m, c->leaves.v[k].addr) + 8 * i, &tracker) != MEM_OK ||
			    !gtc_is_tracker(img, tracker, huge))
				continue;
			seen++;
			good += fn(img, c, tracker, at);
		}
	return good;
}

static uint64_t bitmap_words(const struct gtc_copy *c)
{
	return bits_words((1ull << GTC_HUGE_SHIFT) >> c->map.page_shift);
}

/* A bitmap and how many bits it has. */
static bool read_bitmap(const struct image *img, const struct gtc_copy *c, taddr at, uint64_t *words, uint64_t *ret_n)
{
	uint64_t n = bitmap_words(c);

	*ret_n = 0;
	if (image_read(img, at, words, 8 * n) != MEM_OK)
		return false;
	for (uint64_t i = 0; i < n; i++)
		*ret_n += (uint64_t)__builtin_popcountll(words[i]);
	return true;
}

static bool is_used_at(const struct image *img, const struct gtc_copy *c, taddr tracker, unsigned at)
{
	uint64_t words[HUGE_PAGES_MAX / 64], n;
	uint16_t said;

	return read_bitmap(img, c, tracker + at, words, &n) &&
	       image_read(img, tracker + at + 8 * bitmap_words(c) + TRACKER_NUSED, &said, sizeof(said)) == MEM_OK && n && said == n;
}

static bool is_released_at(const struct image *img, const struct gtc_copy *c, taddr tracker, unsigned at)
{
	uint64_t used[HUGE_PAGES_MAX / 64], released[HUGE_PAGES_MAX / 64], n_used, n;
	uint16_t said;

	if (!read_bitmap(img, c, tracker + c->layout.tracker_used, used, &n_used) ||
	    !read_bitmap(img, c, tracker + at, released, &n) || !n ||
	    image_read(img, tracker + TRACKER_RELEASED_COUNT, &said, sizeof(said)) != MEM_OK || said != n)
		return false;
	for (uint64_t i = 0; i < bitmap_words(c); i++)
		if (used[i] & released[i])
			return false;
	return true;
}

static void find_tracker_form(const struct image *img, struct gtc_copy *c)
{
	uint32_t best = 0, good;

	c->layout.tracker_used = TRACKER_USED;
	for (unsigned at = TRACKER_USED; at <= TRACKER_USED_MAX; at += 8) {
		good = count_trackers(img, c, is_used_at, at);
		if (good > best) {
			best = good;
			c->layout.tracker_used = (uint8_t)at;
		}
	}
	best = 0;
	for (unsigned behind = 8; behind <= RELEASED_BEHIND_MAX; behind += 8) {
		unsigned at = c->layout.tracker_used + (unsigned)(8 * bitmap_words(c)) + behind;

		good = count_trackers(img, c, is_released_at, at);
		if (good > best) {
			best = good;
			c->layout.tracker_released = (uint16_t)at;
		}
	}
}

void gtc_find_layout(const struct image *img, struct gtc_copy *c)
{
	find_span_form(img, c);
	find_tracker_form(img, c);
}
