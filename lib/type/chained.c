/*
 * type/chained.c - hash tables of chains: an array of buckets, each empty or leading to the first of
 * its entries, which are blocks of their own and lead on by a word at one offset, to zero at last.
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
#include "image/window.h"

enum {
	BUCKETS_MIN = 64,
	SAMPLES = 64,	 /* used buckets that all links are tried on */
	LINKS_END = 512, /* bytes of an entry that a link may be in */
	CHAIN_MAX = 128, /* entries of a bucket */
	LOAD_MAX = 16,	 /* entries a bucket on average: arrays of lists have more */
	AHEAD = 16,	 /* buckets whose first entries are being fetched */
	TOLERANCE = 6,	 /* standard deviations */
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
	taddr next; /* 0: it is the last */
};

/* The block in use that programs know as `at`; false: there is none, or no word in it at `link`. */
static bool read_entry(const struct table *t, struct place *p, taddr at, uint64_t link, struct entry *ret)
{
	const struct grains *g = &t->blocks->grains;
	const uint8_t *bytes;
	uint64_t grain, around, avail = 0;

	if (!is_of(p->claim, at))
		p->claim = blocks_claim_at(t->blocks, at);
	if (!p->claim)
		return false;
	grain = grain_of(g, at - p->claim->head);
	if (grain == GRAIN_NONE || !grain_is_start(g, grain, at - p->claim->head))
		return false;
	ret->id = grain_block(g, grain);
	ret->size = (grain_next_start(g, grain) - grain) << g->shift;
	around = (uint64_t)p->claim->head + p->claim->overhead;
	if (!block_is_used(t->blocks, ret->id) || ret->size < around || ret->size - around < link + 8)
		return false;
	bytes = window_view(&p->window, t->img, at + link, &avail);
	if (!bytes || avail < 8)
		return false;
	ret->next = load_u64(bytes);
	return true;
}

/* Asks for what read_entry() looks at. */
static FETCHES void fetch_entry(const struct table *t, const struct place *p, taddr at, uint64_t link)
{
	uint64_t grain = at ? grain_of(&t->blocks->grains, at) : GRAIN_NONE;

	if (grain == GRAIN_NONE || !window_has(&p->window, at + link))
		return;
	__builtin_prefetch(&t->blocks->grains.words[grain >> 6]);
	__builtin_prefetch(p->window.bytes + (at + link - p->window.start));
}

/* The entries of a bucket by a link, each once where `seen` is; false: these are none. */
static bool walk(const struct table *t, struct place *p, taddr at, uint64_t link, uint64_t *seen,
		 struct graph_table *ret)
{
	for (unsigned steps = 0; at; steps++) {
		struct entry e;

		if (steps == CHAIN_MAX || !read_entry(t, p, at, link, &e))
			return false;
		if (seen && bit_get(seen, e.id))
			return false;
		if (seen)
			bit_set(seen, e.id);
		if (ret->entries < TABLE_SAMPLES)
			ret->some[ret->entries] = e.id;
		ret->entries++;
		ret->bytes += e.size;
		at = e.next;
	}
	return true;
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
 * chance, by numbers that follow each other, leaves fewer.
 */
static bool is_spread(uint64_t n, uint64_t m, uint64_t used)
{
	double load = (double)n / (double)m, empty = exp(-load);
	double deviation = sqrt((double)m * empty * (1 - (1 + load) * empty));

	return load <= LOAD_MAX && (double)used >= (double)m * (1 - empty) - TOLERANCE * deviation - 1;
}

static bool count(const struct table *t, uint64_t link, uint64_t *seen, struct graph_table *ret)
{
	struct place place = {};

	*ret = (struct graph_table){ .buckets = t->end - t->begin, .first = t->begin, .used = t->used, .link = link };
	for (uint64_t i = t->begin; i < t->end; i++) {
		if (t->end - i > AHEAD)
			fetch_entry(t, &place, bucket(t, i + AHEAD), link);
		if (!walk(t, &place, bucket(t, i), link, seen, ret))
			return false;
	}
	ret->is_spread = ret->entries > ret->used && is_spread(ret->entries, ret->buckets, ret->used);
	return true;
}

static bool find_words(struct table *t, const struct block *b)
{
	uint64_t avail, n = b->usable / 8;

	t->words = image_view(t->img, b->addr, &avail);
	if (!t->words || avail / 8 < n)
		return false;
	for (uint64_t i = 0; i < n; i++) {
		if (!bucket(t, i))
			continue;
		if (bucket(t, i) & 7)
			return false;
		t->begin = t->used ? t->begin : i;
		t->end = i + 1;
		t->used++;
	}
	return t->used;
}

static bool count_by(const struct table *t, uint64_t link, struct graph_table *ret)
{
	_free_ uint64_t *seen = NULL;

	if (!suits_samples(t, link))
		return false;
	seen = calloc(bits_words(t->blocks->grains.n), sizeof(*seen));
	return seen && count(t, link, seen, ret);
}

bool chained_table(const struct image *img, const struct blocks *blocks, uint32_t id, uint64_t link,
		   struct graph_table *ret)
{
	struct table t = { .img = img, .blocks = blocks };
	struct graph_table found = {}, other;
	struct block array, entry;
	uint64_t end;

	block_get(blocks, id, &array);
	if (!array.used || array.usable < 8 * BUCKETS_MIN || !find_words(&t, &array))
		return false;
	take_samples(&t);
	if (link != TABLE_ANY_LINK) {
		if (!count_by(&t, link, &found))
			return false;
		*ret = found;
		return true;
	}
	if (!block_get_at(blocks, bucket(&t, t.begin), &entry))
		return false;
	end = entry.usable < LINKS_END ? entry.usable : LINKS_END;
	for (link = 0; link + 8 <= end; link += 8) {
		if (!count_by(&t, link, &other) || !other.is_spread)
			continue;
		if (found.entries && found.entries != other.entries)
			return false;
		found = other;
	}
	if (!found.entries)
		return false;
	*ret = found;
	return true;
}
