/*
 * base/grains.h - a sorted set of 64-bit keys as bitmaps with rank: the index of all blocks.
 *
 * Keys are addresses at a granularity of 16 bytes, or of 8 where a heap has such blocks: one for
 * the whole set.  Touched 1-MiB units of the key space are numbered densely by a two-level table;
 * within a unit one bit a grain says "a block starts here".  A block's id is the rank of its bit:
 * ids are dense and in address order.  One record of 16 bytes serves 64 grains (1 KiB), so a
 * lookup is one cache line: about 0.9 bytes a block of 64 bytes, and 2-4 ns measured against
 * 27-40 for a page index.
 *
 * Blocks never leave gaps: whoever builds the set also starts a filler block at each gap and
 * at each range end, so that a lookup needs no bounds test beyond "is the unit known".
 */
#ifndef HEAPFX_BASE_GRAINS_H
#define HEAPFX_BASE_GRAINS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/col.h"
#include "base/env.h"

enum { UNIT_SHIFT = 20, GRAIN_SHIFT = 4, GRAIN_SHIFT_SMALL = 3 };

#define GRAIN_NONE UINT64_MAX
#define BLOCK_NONE UINT32_MAX

struct grain_word {
	uint64_t start; /* bit i: a block starts at grain i of this word */
	uint32_t rank;	/* starts in all words before this one */
	uint32_t marks; /* its owner's: a bit for each start of this word, of the first 32 */
};

/* Units of [0, 2^48) by addr >> 32 and addr >> 20; keys above 2^48 are never in the set. */
struct grains {
	struct env *env;
	uint8_t shift;		  /* of a key to its grain: GRAIN_SHIFT or GRAIN_SHIFT_SMALL */
	uint8_t unit_shift;	  /* of a grain to its unit: UNIT_SHIFT - shift */
	/* 65,536 slots; NULL, or 4,096 unit numbers (0 = none, else + 1) */
	uint32_t **dir;
	struct grain_word *words; /* grains_words() and one guard word at the end */
	uint64_t *unit_base;	  /* key of each unit, ascending */
	uint32_t n_units;
	uint32_t n;	      /* ids given; set by grains_seal() */
	uint32_t *select;     /* the word of each 64th id; made by grains_seal() */
	struct col words_col, base_col, select_col; /* owners of words, unit_base and select */
};

/* [start, end) ranges, ascending and disjoint: every unit they touch gets words. */
struct grain_range {
	uint64_t start, end;
};
struct err *grains_open(struct env *env, const struct grain_range *ranges, uint64_t n,
			unsigned shift, struct grains *ret) MUST_CHECK;
static inline uint64_t grains_words(const struct grains *g)
{
	return (uint64_t)g->n_units << (g->unit_shift - 6);
}
/* Fill: threads may set starts at once if no two work inside the same word. */
static inline void grains_set_start(struct grains *g, uint64_t grain)
{
	g->words[grain >> 6].start |= 1ull << (grain & 63);
}
/*
 * Computes the ranks; starts a filler at the base of each unit that does not follow the one before
 * it at once.  ERR_LIMIT past 2^31 ids.
 */
struct err *grains_seal(struct grains *g) MUST_CHECK;
void grains_close(struct grains *g);
/* All blocks lie in [*ret_low, *ret_low + *ret_span); both are 0 when there are none. */
static inline void grains_range(const struct grains *g, uint64_t *ret_low, uint64_t *ret_span)
{
	*ret_low = g->n_units ? g->unit_base[0] : 0;
	*ret_span = g->n_units ? g->unit_base[g->n_units - 1] + (1ull << UNIT_SHIFT) - *ret_low : 0;
}
/*
 * A set whose arrays are somebody else's, and stay there: `words` with its guard, as of
 * grains_seal().  Only what the index needs is looked at (ERR_FORMAT); grains_check() looks at the
 * rest, and must have said true before anything is asked that reads words.
 */
struct err *grains_borrow(struct env *env, const struct grain_word *words, uint64_t n_words,
			  const uint64_t *bases, uint64_t n_units, const uint32_t *select,
			  uint64_t n_select, unsigned shift, struct grains *ret) MUST_CHECK;
bool grains_check(const struct grains *g, uint64_t n); /* and that it has n ids */
static inline uint64_t grains_select_n(const struct grains *g) /* elements of `select` */
{
	return ((uint64_t)g->n >> 6) + 2;
}

/*
 * Position in the dense grain space of a key (rounded down to a grain); GRAIN_NONE outside the set.
 */
static inline uint64_t grain_of(const struct grains *g, uint64_t key)
{
	const uint32_t *page;
	uint32_t unit;

	if (key >> 48)
		return GRAIN_NONE;
	page = g->dir[key >> 32];
	if (!page)
		return GRAIN_NONE;
	unit = page[key >> UNIT_SHIFT & 4095];
	if (!unit)
		return GRAIN_NONE;
	return (uint64_t)(unit - 1) << g->unit_shift | (key & ((1u << UNIT_SHIFT) - 1)) >> g->shift;
}

/* The block that contains a grain position: the last start at or before it. */
static inline uint32_t grain_block(const struct grains *g, uint64_t grain)
{
	const struct grain_word *w = &g->words[grain >> 6];
	uint64_t upto = w->start & (~0ull >> (63 - (grain & 63)));

	return w->rank + (uint32_t)__builtin_popcountll(upto) - 1;
}

/*
 * The same, and its number + 1 among the starts of its word, by which it is found in `marks`; 0: it
 * starts before that.
 */
static inline uint32_t grain_block_no(const struct grain_word *w, uint64_t grain, unsigned *ret_no)
{
	*ret_no = (unsigned)__builtin_popcountll(w->start & (~0ull >> (63 - (grain & 63))));
	return w->rank + *ret_no - 1;
}

/* True when the key is exactly the start of a block. */
static inline bool grain_is_start(const struct grains *g, uint64_t grain, uint64_t key)
{
	return !(key & ((1u << g->shift) - 1)) && g->words[grain >> 6].start >> (grain & 63) & 1;
}

/* The id of the block that contains `key`, or BLOCK_NONE outside every unit. */
static inline uint32_t grains_at(const struct grains *g, uint64_t key)
{
	uint64_t grain = grain_of(g, key);

	return grain == GRAIN_NONE ? BLOCK_NONE : grain_block(g, grain);
}

/* Select: the grain position of block `id`; a short binary search: not for hot loops. */
uint64_t grains_select(const struct grains *g, uint32_t id);
uint64_t grains_key(const struct grains *g, uint32_t id);

enum { GRAINS_NEAR = 8 }; /* words on, where that is quicker than a search */
/*
 * The same for ids that mostly lie near the one before: `word` is where that was found, 0 at first.
 */
static inline uint64_t grains_select_near(const struct grains *g, uint32_t id, uint64_t *word)
{
	uint64_t w = *word, most = w + GRAINS_NEAR;

	if (id >= g->words[w].rank) /* the guard word has the rank of all */
		while (w < most && id >= g->words[w + 1].rank)
			w++;
	if (id < g->words[w].rank || id >= g->words[w + 1].rank)
		w = grains_select(g, id) >> 6;
	*word = w;
	return w << 6 | nth_bit(g->words[w].start, id - g->words[w].rank);
}

/* The first start after a grain; the guard word ends the search. */
static inline uint64_t grain_next_start(const struct grains *g, uint64_t grain)
{
	uint64_t w = grain >> 6, rest = g->words[w].start & ~(~0ull >> (63 - (grain & 63)));

	while (!rest)
		rest = g->words[++w].start;
	return w << 6 | (uint64_t)__builtin_ctzll(rest);
}

/* Bytes of blocks [first, first + n); `word` as for grains_select_near(). */
static inline void grains_sizes(const struct grains *g, uint32_t first, uint32_t n, uint64_t *word,
				uint64_t *ret)
{
	uint64_t at = grains_select_near(g, first, word), w = at >> 6;
	uint64_t rest = g->words[w].start & ~(~0ull >> (63 - (at & 63)));

	for (uint32_t i = 0; i < n; i++, rest &= rest - 1) {
		uint64_t next;

		while (!rest) /* the guard word ends the search */
			rest = g->words[++w].start;
		next = w << 6 | (uint64_t)__builtin_ctzll(rest);
		ret[i] = (next - at) << g->shift;
		at = next;
	}
}

/*
 * No block of [64 * word, 64 * word + 64) is larger, in bytes, by how many words in a row no start
 * is in: for who looks at few of many.
 */
static inline uint64_t grains_size_most(const struct grains *g, uint64_t word)
{
	uint64_t empty = 0, most = 0;

	for (uint64_t w = g->select[word] + 1ull; w <= g->select[word + 1]; w++) {
		empty = g->words[w].start ? 0 : empty + 1;
		most = empty > most ? empty : most;
	}
	return (most + 2) << (6 + g->shift);
}

static inline uint64_t grain_key(const struct grains *g, uint64_t grain)
{
	return g->unit_base[grain >> g->unit_shift] +
	       ((grain << g->shift) & ((1u << UNIT_SHIFT) - 1));
}

/* Key and size of block `id`, one of few that are looked at; `word` as for grains_select_near(). */
static inline uint64_t grains_key_near(const struct grains *g, uint32_t id, uint64_t *word,
				       uint64_t *ret_size)
{
	uint64_t grain = grains_select_near(g, id, word);

	*ret_size = (grain_next_start(g, grain) - grain) << g->shift;
	return grain_key(g, grain);
}

/*
 * In id order, for passes over all blocks:
 *	for (it = grains_iter(g, first); it.id < last; grains_next(&it))
 *		use(it.id, it.key, it.size);
 * `size` is the distance to the next start, within the unit run: bytes of the block.
 */
struct grains_iter {
	const struct grains *g;
	uint64_t key, size;
	uint64_t grain, next; /* position of this and of the next start */
	uint64_t rest; /* starts behind `next` in its word: no step waits for that of the last */
	uint32_t id;
};
struct grains_iter grains_iter(const struct grains *g, uint32_t first);
/* On to the next position, not past the last block; `key` and `size` stay as they were. */
static inline void grains_iter_step(struct grains_iter *it)
{
	uint64_t w = it->next >> 6;

	it->grain = it->next;
	while (!it->rest) /* the guard word ends the search */
		it->rest = it->g->words[++w].start;
	it->next = w << 6 | (uint64_t)__builtin_ctzll(it->rest);
	it->rest &= it->rest - 1;
}
static inline void grains_iter_set(struct grains_iter *it)
{
	it->key = grain_key(it->g, it->grain);
	it->size = (it->next - it->grain) << it->g->shift;
}
/* Without calls, so that a pass keeps the iterator in registers. */
static inline void grains_next(struct grains_iter *it)
{
	if (++it->id >= it->g->n)
		return;
	grains_iter_step(it);
	grains_iter_set(it);
}

#endif
