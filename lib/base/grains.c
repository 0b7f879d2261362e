/* base/grains.c - the block index: dense units, start bits, ranks. */
#include "base/grains.h"

#include <assert.h>
#include <stdlib.h>

/*
 * MAX_UNITS: words have numbers of 32 bits in `select`, whatever the granularity; 2 TiB of heaps.
 */
enum { SELECT_SHIFT = 6, DIR_PAGES = 1 << 16, DIR_UNITS = 1 << 12, MAX_UNITS = (1u << 21) - 1 };

static struct err *add_unit(struct grains *g, struct col *bases, uint64_t unit_no)
{
	uint64_t base = unit_no << UNIT_SHIFT;
	uint32_t **page = &g->dir[base >> 32];
	uint32_t *slot;

	if (!*page)
		*page = calloc(DIR_UNITS, sizeof(**page));
	if (!*page)
		return &err_nomem;
	slot = &(*page)[unit_no & (DIR_UNITS - 1)];
	if (*slot)
		return NULL;
	if (g->n_units == MAX_UNITS)
		return err_new(ERR_LIMIT, "heaps of more than 2 TiB");
	*slot = ++g->n_units;
	return col_append(bases, &base, 1);
}

static struct err *add_units(struct grains *g, struct col *bases, const struct grain_range *ranges,
			     uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		uint64_t first = ranges[i].start >> UNIT_SHIFT,
			 last = (ranges[i].end - 1) >> UNIT_SHIFT;

		assert(ranges[i].start < ranges[i].end && ranges[i].end <= 1ull << 48);
		assert(!i || ranges[i].start >= ranges[i - 1].end);
		for (uint64_t u = first; u <= last; u++) {
			struct err *err = add_unit(g, bases, u);

			if (err)
				return err;
		}
	}
	return NULL;
}

struct err *grains_open(struct env *env, const struct grain_range *ranges, uint64_t n,
			unsigned shift, struct grains *ret)
{
	struct grains g = { .env = env,
			    .shift = (uint8_t)shift,
			    .unit_shift = (uint8_t)(UNIT_SHIFT - shift) };
	uint64_t max_units = 0;
	struct err *err;

	for (uint64_t i = 0; i < n; i++)
		max_units += ((ranges[i].end - ranges[i].start) >> UNIT_SHIFT) + 2;
	g.dir = calloc(DIR_PAGES, sizeof(*g.dir));
	if (!g.dir)
		return &err_nomem;
	err = col_open(env, sizeof(uint64_t), max_units + 1, "block index", &g.base_col);
	if (!err)
		err = add_units(&g, &g.base_col, ranges, n);
	if (!err)
		err = col_fixed(env, sizeof(struct grain_word), grains_words(&g) + 1, "block index",
				&g.words_col);
	if (err) {
		grains_close(&g);
		return err;
	}
	g.unit_base = g.base_col.base;
	g.words = g.words_col.base;
	*ret = g;
	return NULL;
}

static struct err *make_select(struct grains *g)
{
	uint64_t n_words = grains_words(g), next = 0;
	uint64_t n = ((uint64_t)g->n >> SELECT_SHIFT) + 2;
	struct err *err = col_fixed(g->env, sizeof(uint32_t), n, "block index", &g->select_col);

	if (err)
		return err;
	g->select = g->select_col.base;
	for (uint64_t i = 0; i < n_words; i++)
		for (; next << SELECT_SHIFT < g->words[i + 1].rank; next++)
			g->select[next] = (uint32_t)i;
	g->select[next] = (uint32_t)n_words;
	return NULL;
}

struct err *grains_seal(struct grains *g)
{
	uint64_t n_words = grains_words(g), unit_words = 1ull << (g->unit_shift - 6), rank = 0;

	/*
	 * A block may run on into the next unit when that follows at once; any other unit begins
	 * anew.
	 */
	for (uint64_t u = 0; u < g->n_units; u++)
		if (!u || g->unit_base[u] != g->unit_base[u - 1] + (1ull << UNIT_SHIFT))
			g->words[u * unit_words].start |= 1;
	g->words[n_words].start = 1; /* the guard: a next start for the last block */
	for (uint64_t i = 0; i < n_words; i++) {
		g->words[i].rank = (uint32_t)rank;
		rank += (uint64_t)__builtin_popcountll(g->words[i].start);
		if (rank >= 1ull << 31)
			return err_new(ERR_LIMIT,
				       "more than 2^31 blocks: this version numbers no more");
	}
	g->words[n_words].rank = (uint32_t)rank;
	g->n = (uint32_t)rank;
	return make_select(g);
}

void grains_close(struct grains *g)
{
	if (g->dir)
		for (unsigned i = 0; i < DIR_PAGES; i++)
			free(g->dir[i]);
	free(g->dir);
	col_close(&g->words_col);
	col_close(&g->base_col);
	col_close(&g->select_col);
	*g = (struct grains){};
}

uint64_t grains_select(const struct grains *g, uint32_t id)
{
	uint64_t lo = g->select[id >> SELECT_SHIFT];
	uint64_t hi = (uint64_t)g->select[(id >> SELECT_SHIFT) + 1] + 1;

	assert(id < g->n);
	while (hi - lo > 1) { /* words[lo].rank <= id < words[hi].rank */
		uint64_t mid = lo + (hi - lo) / 2;

		if (g->words[mid].rank <= id)
			lo = mid;
		else
			hi = mid;
	}
	return lo << 6 | nth_bit(g->words[lo].start, id - g->words[lo].rank);
}

uint64_t grains_key(const struct grains *g, uint32_t id)
{
	return grain_key(g, grains_select(g, id));
}

struct grains_iter grains_iter(const struct grains *g, uint32_t first)
{
	struct grains_iter it = { .g = g, .id = first };

	if (first < g->n) {
		it.next = grains_select(g, first);
		it.rest = g->words[it.next >> 6].start & ~(~0ull >> (63 - (it.next & 63)));
		grains_iter_step(&it);
		grains_iter_set(&it);
	}
	return it;
}

/* ---- of a file */

struct err *grains_borrow(struct env *env, const struct grain_word *words, uint64_t n_words,
			  const uint64_t *bases, uint64_t n_units, const uint32_t *select,
			  uint64_t n_select, unsigned shift, struct grains *ret)
{
	struct grains g = { .env = env };
	struct err *err = NULL;

	if ((shift != GRAIN_SHIFT && shift != GRAIN_SHIFT_SMALL) || n_units > MAX_UNITS)
		return err_new(ERR_FORMAT, "no index of blocks");
	g.shift = (uint8_t)shift;
	g.unit_shift = (uint8_t)(UNIT_SHIFT - shift);
	g.dir = calloc(DIR_PAGES, sizeof(*g.dir));
	if (!g.dir)
		return &err_nomem;
	for (uint64_t i = 0; i < n_units && !err; i++) {
		bool sound = !(bases[i] & ((1u << UNIT_SHIFT) - 1)) && !(bases[i] >> 48) &&
			     (!i || bases[i] > bases[i - 1]);
		uint32_t **page = sound ? &g.dir[bases[i] >> 32] : NULL;

		if (page && !*page)
			*page = calloc(DIR_UNITS, sizeof(**page));
		if (page && *page)
			(*page)[bases[i] >> UNIT_SHIFT & (DIR_UNITS - 1)] = (uint32_t)i + 1;
		else
			err = sound ? &err_nomem : err_new(ERR_FORMAT, "no index of blocks");
	}
	g.n_units = (uint32_t)n_units;
	if (!err && (n_words != grains_words(&g) + 1 || words[n_words - 1].rank >> 31 ||
		     n_select != ((uint64_t)words[n_words - 1].rank >> SELECT_SHIFT) + 2))
		err = err_new(ERR_FORMAT, "no index of blocks");
	if (err) {
		grains_close(&g);
		return err;
	}
	/* What is borrowed is never written to. */
	g.words = (struct grain_word *)words;
	g.unit_base = (uint64_t *)bases;
	g.select = (uint32_t *)select;
	g.n = words[n_words - 1].rank;
	*ret = g;
	return NULL;
}

bool grains_check(const struct grains *g, uint64_t n)
{
	uint64_t n_words = grains_words(g), rank = 0, next = 0;
	uint64_t unit_words = 1ull << (g->unit_shift - 6);

	for (uint64_t u = 0; u < g->n_units; u++)
		if ((!u || g->unit_base[u] != g->unit_base[u - 1] + (1ull << UNIT_SHIFT)) &&
		    !(g->words[u * unit_words].start & 1))
			return false;
	for (uint64_t i = 0; i < n_words; i++) {
		if (g->words[i].rank != rank)
			return false;
		rank += (uint64_t)__builtin_popcountll(g->words[i].start);
		for (; next << SELECT_SHIFT < rank; next++)
			if (next > g->n >> SELECT_SHIFT || g->select[next] != i)
				return false;
	}
	return rank == n && g->n == n && g->words[n_words].rank == n &&
	       g->words[n_words].start & 1 && g->select[next] == n_words;
}
