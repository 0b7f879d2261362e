/*
 * type/chained.c - hash tables of chains: an array of buckets, each empty or leading to the first of
 * its entries, which are blocks of their own and lead on by a word at one offset, to zero at last.
 *
 * Links may be tagged in their low bits, as long as those of all entries that lead on are tagged alike:
 * what links of other tags lead to, maybe behind a header, has no link: it is the last of its bucket
 * (redis since 7.2 leads so to a key itself).
 *
 * There is no format to go by: what makes it one is that all of its words agree, that no entry is in
 * it twice, and that as many buckets are empty as hashing leaves empty.  A word that leads to values
 * or keys fails at the first that do not end in zero; two that agree and count differently are none.
 */
#include "type/chained.h"

#include <math.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/fetch.h"
#include "base/guard.h"
#include "image/shadow.h"
#include "image/window.h"

enum {
	BUCKETS_MIN = 64,
	SAMPLES = 64,	 /* used buckets that all links are tried on */
	LINKS_END = 512, /* bytes of an entry that a link may be in */
	CHAIN_MAX = 128, /* entries of a bucket */
	LOAD_MAX = 16,	 /* entries a bucket on average: arrays of lists have more */
	AHEAD = 16,	 /* buckets whose first entries are being fetched */
	TOLERANCE = 6,	 /* standard deviations */
	HEADER_MAX = 56, /* bytes of an entry before the place that a tagged pointer leads to */
	TAGS_MAX = 4,	 /* different ones in the words of an array */
};

/* Where the last entry was: the next one is there too, mostly. */
struct place {
	struct image_window window;
	const struct claim *claim;
};

struct table {
	const struct image *img;
	const struct blocks *blocks;
	const uint8_t *words;
	uint64_t begin, end; /* of the words that are not zero, one and all of those between */
	uint64_t used;
	uint8_t tags;	   /* of those words: bit i, there are some with i in their low bits */
	uint64_t some[SAMPLES]; /* the first entries of used buckets, spread over all */
	unsigned n_some;
};

static uint64_t bucket(const struct table *t, uint64_t i)
{
	return load_u64(t->words + 8 * i);
}

static bool is_of(const struct claim *c, taddr at)
{
	return c && at - (c->start + c->bias) < c->end - c->start;
}

struct entry {
	uint32_t id;
	uint64_t size;
	uint64_t header; /* bytes before the place that the word led to */
	uint64_t next;	 /* 0: it is the last */
};

static bool leads_on(uint64_t word, uint64_t link)
{
	return !((word ^ link) & TABLE_TAG);
}

/* Of the block whose header of at most `most` bytes ends at `at`; GRAIN_NONE: there is none. */
static uint64_t start_grain(const struct table *t, const struct claim *c, taddr at, uint64_t most)
{
	const struct grains *g = &t->blocks->grains;

	for (uint64_t header = 0; header <= most && is_of(c, at - header); header += 8) {
		taddr start = at - header - c->head;
		uint64_t grain = grain_of(g, start);

		if (grain != GRAIN_NONE && grain_is_start(g, grain, start))
			return grain;
	}
	return GRAIN_NONE;
}

/* What a word leads to: a block in use, and in it a word where the link is if the tag says that it has one. */
static bool read_entry(const struct table *t, struct place *p, uint64_t word, uint64_t link, struct entry *ret)
{
	const struct grains *g = &t->blocks->grains;
	const bool leads = leads_on(word, link);
	taddr at = word & ~TABLE_TAG;
	uint64_t grain, around, avail = 0, offset = leads ? link & ~TABLE_TAG : 0;
	const uint8_t *bytes;

	if (!is_of(p->claim, at))
		p->claim = blocks_claim_at(t->blocks, at);
	if (!p->claim)
		return false;
	grain = start_grain(t, p->claim, at, leads ? 0 : HEADER_MAX);
	if (grain == GRAIN_NONE)
		return false;
	ret->id = grain_block(g, grain);
	ret->size = (grain_next_start(g, grain) - grain) << g->shift;
	ret->header = at - (grain_key(g, grain) + p->claim->head);
	offset += ret->header;
	around = (uint64_t)p->claim->head + p->claim->overhead;
	if (!block_is_used(t->blocks, ret->id) || ret->size < around || ret->size - around < offset + 8)
		return false;
	ret->next = 0;
	if (!leads)
		return true;
	bytes = window_view(&p->window, t->img, at + offset, &avail);
	if (!bytes || avail < 8)
		return false;
	ret->next = load_u64(bytes);
	return true;
}

/* Asks for what read_entry() looks at. */
static FETCHES void fetch_entry(const struct table *t, const struct place *p, uint64_t word, uint64_t link)
{
	uint64_t grain = word ? grain_of(&t->blocks->grains, word) : GRAIN_NONE;
	taddr at = (word & ~TABLE_TAG) + (link & ~TABLE_TAG);

	if (grain == GRAIN_NONE || !window_has(&p->window, at))
		return;
	__builtin_prefetch(&t->blocks->grains.words[grain >> 6]);
	__builtin_prefetch(p->window.bytes + (at - p->window.start));
}

/* Where all words of the array are tagged alike, those of the entries are. */
static bool may_end(const struct table *t, uint64_t link)
{
	return t->tags & ~(1u << (link & TABLE_TAG));
}

/* The entries of a bucket by a link, each once where `seen` is; false: these are none. */
static bool walk(const struct table *t, struct place *p, uint64_t word, uint64_t link, uint64_t *seen,
		 struct graph_table *ret)
{
	for (unsigned steps = 0; word; steps++) {
		struct entry e;

		if (steps == CHAIN_MAX || (!leads_on(word, link) && !may_end(t, link)) || !read_entry(t, p, word, link, &e))
			return false;
		if (seen && bit_get(seen, e.id))
			return false;
		if (seen)
			bit_set(seen, e.id);
		if (ret->entries < TABLE_SAMPLES)
			ret->some[ret->entries] = e.id;
		ret->entries++;
		ret->bytes += e.size;
		ret->first_bytes += steps ? 0 : e.size;
		ret->least = ret->least && ret->least < e.size ? ret->least : e.size;
		ret->most = ret->most > e.size ? ret->most : e.size;
		ret->tags |= (uint8_t)(1u << (word & TABLE_TAG));
		ret->headers |= (uint8_t)(1u << e.header / 8);
		word = e.next;
	}
	return true;
}

/* All that was read of a table, for `shrink`: pointers and zeros. */
static void keep(const struct table *t, taddr array, uint64_t link)
{
	struct place place = {};

	if (!t->img->shadow)
		return;
	image_keep(t->img, array + 8 * t->begin, 8 * (t->end - t->begin));
	for (uint64_t i = t->begin; i < t->end; i++) {
		struct entry e;
		uint64_t word = bucket(t, i);

		for (unsigned n = 0; word && n < CHAIN_MAX && read_entry(t, &place, word, link, &e); n++) {
			if (leads_on(word, link))
				image_keep(t->img, (word & ~TABLE_TAG) + (link & ~TABLE_TAG), 8);
			word = e.next;
		}
	}
}

static void take_samples(struct table *t)
{
	uint64_t n = t->end - t->begin, step = n / SAMPLES + 1;

	for (uint64_t i = 0; i < n && t->n_some < SAMPLES; i++) {
		uint64_t at = t->begin + (i * step + i / SAMPLES) % n;

		if (bucket(t, at))
			t->some[t->n_some++] = bucket(t, at);
	}
}

static bool suits_samples(const struct table *t, uint64_t link)
{
	struct graph_table found = {};
	struct place place = {};

	for (unsigned i = 0; i < t->n_some; i++)
		if (!walk(t, &place, t->some[i], link, NULL, &found))
			return false;
	return true;
}

/*
 * n entries in m buckets leave m * exp(-n / m) empty, give or take; who spreads them better than
 * chance, by numbers that follow each other, leaves fewer: these are of one struct.  Where entries end
 * a bucket by a tag alone, less is seen of them: just as many are empty, then.
 */
enum spread { SPREAD_LESS, SPREAD_EVENLY, SPREAD_MORE };

static enum spread spread_of(uint64_t n, uint64_t m, uint64_t used)
{
	double load = (double)n / (double)m, empty = exp(-load), more = (double)used - (double)m * (1 - empty);
	double deviation = TOLERANCE * sqrt((double)m * empty * (1 - (1 + load) * empty)) + 1;

	if (fabs(more) <= deviation)
		return SPREAD_EVENLY;
	return more < 0 ? SPREAD_LESS : SPREAD_MORE;
}

/* Entries a bucket, of such buckets as chance leaves without any too, where those that are used have `mean`. */
static double load_of(double mean)
{
	double low = 0, high = mean;

	for (unsigned i = 0; i < 60; i++) {
		double load = (low + high) / 2;

		if (load / (1 - exp(-load)) < mean)
			low = load;
		else
			high = load;
	}
	return high;
}

static bool is_expected(uint64_t n, double of, double share)
{
	return fabs((double)n - of * share) <= TOLERANCE * sqrt(of * share * (1 - share)) + 1;
}

/*
 * Where whole buckets were emptied, in no order (redis since 7.4 moves the one that is looked at), those
 * that are used have one, two and more entries as often as chance has it.
 */
static bool is_thinned(uint64_t n, uint64_t used, uint64_t ones, uint64_t twos)
{
	double load = load_of((double)n / (double)used), share = load / expm1(load);

	return used >= BUCKETS_MIN && load <= LOAD_MAX && is_expected(ones, (double)used, share) &&
	       is_expected(twos, (double)used, share * load / 2);
}

/* An array of things that some have others behind has those in one place, and these in another. */
static bool are_alike(const struct graph_table *t)
{
	double first = (double)t->first_bytes / (double)t->used;
	double later = (double)(t->bytes - t->first_bytes) / (double)(t->entries - t->used);

	return first <= 2 * later && later <= 2 * first;
}

/* Of one struct: where malloc splits what is free, a rest may be added. */
static bool is_one_size(const struct graph_table *t)
{
	return t->most - t->least <= 16;
}

static void judge(const struct table *t, const uint64_t lengths[3], struct graph_table *ret)
{
	enum spread spread = spread_of(ret->entries, ret->buckets, ret->used);
	const bool has_ends = may_end(t, ret->link);

	if (ret->entries == ret->used || ret->entries > LOAD_MAX * ret->buckets || !(has_ends || are_alike(ret)))
		return;
	ret->is_spread = spread == SPREAD_EVENLY || (spread == SPREAD_MORE && !has_ends && is_one_size(ret));
	ret->is_thinned = spread == SPREAD_LESS && is_thinned(ret->entries, ret->used, lengths[1], lengths[2]);
}

static bool count(const struct table *t, uint64_t link, uint64_t *seen, struct graph_table *ret)
{
	struct place place = {};
	uint64_t lengths[3] = {}; /* buckets of none, one and two entries */

	*ret = (struct graph_table){ .buckets = t->end - t->begin, .first = t->begin, .used = t->used, .link = link };
	for (uint64_t i = t->begin; i < t->end; i++) {
		uint64_t before = ret->entries;

		if (t->end - i > AHEAD)
			fetch_entry(t, &place, bucket(t, i + AHEAD), link);
		if (!walk(t, &place, bucket(t, i), link, seen, ret))
			return false;
		if (ret->entries - before < ARRAY_SIZE(lengths))
			lengths[ret->entries - before]++;
	}
	judge(t, lengths, ret);
	return true;
}

static bool find_words(struct table *t, const struct block *b)
{
	uint64_t low, span, avail, n = b->usable / 8;

	grains_range(&t->blocks->grains, &low, &span);
	t->words = image_view(t->img, b->addr, &avail);
	if (!t->words || avail / 8 < n)
		return false;
	for (uint64_t i = 0; i < n; i++) {
		if (!bucket(t, i))
			continue;
		if (bucket(t, i) - low >= span)
			return false;
		t->tags |= (uint8_t)(1u << (bucket(t, i) & TABLE_TAG));
		t->begin = t->used ? t->begin : i;
		t->end = i + 1;
		t->used++;
	}
	return t->used && __builtin_popcount(t->tags) <= TAGS_MAX;
}

static bool count_by(const struct table *t, uint64_t link, struct graph_table *ret)
{
	_free_ uint64_t *seen = NULL;
	bool is_tag = t->tags >> (link & TABLE_TAG) & 1 || is_pow2(t->tags);

	if (!is_tag || !suits_samples(t, link))
		return false;
	seen = calloc(bits_words(t->blocks->grains.n), sizeof(*seen));
	return seen && count(t, link, seen, ret);
}

/* By any link of entries whose pointers are tagged so; false: two differ. */
static bool count_tagged(const struct table *t, uint64_t tag, struct graph_table *found)
{
	struct graph_table other;
	struct block entry;
	uint64_t end;
	unsigned i = 0;

	while (i < t->n_some && (t->some[i] & TABLE_TAG) != tag)
		i++;
	if (i == t->n_some || !block_get_at(t->blocks, t->some[i] & ~TABLE_TAG, &entry))
		return true;
	end = entry.usable < LINKS_END ? entry.usable : LINKS_END;
	for (uint64_t link = tag; link + 8 <= end + tag; link += 8) {
		if (!count_by(t, link, &other) || !(other.is_spread || other.is_thinned) ||
		    (found->is_spread && other.is_thinned))
			continue;
		if (found->entries && found->is_spread == other.is_spread && found->entries != other.entries)
			return false;
		*found = other;
	}
	return true;
}

bool chained_table(const struct image *img, const struct blocks *blocks, uint32_t id, uint64_t link,
		   struct graph_table *ret)
{
	struct table t = { .img = img, .blocks = blocks };
	struct graph_table found = {};
	struct block array;

	block_get(blocks, id, &array);
	if (!array.used || array.usable < 8 * BUCKETS_MIN || !find_words(&t, &array))
		return false;
	take_samples(&t);
	if (link != TABLE_ANY_LINK) {
		if (!count_by(&t, link, &found))
			return false;
		keep(&t, array.addr, link);
		*ret = found;
		return true;
	}
	for (uint64_t tag = 0; tag <= TABLE_TAG; tag++)
		if (t.tags >> tag & 1 && !count_tagged(&t, tag, &found))
			return false;
	if (!found.entries)
		return false;
	keep(&t, array.addr, found.link);
	*ret = found;
	return true;
}
