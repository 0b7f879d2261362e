/*
 * type/tagged.c - pointers with something in their low bits, proved by the largest hash tables.
 *
 * One such word says nothing: it may as well lead into the middle of what is lost.  A table of some
 * hundred buckets does, each of whose words leads to blocks of its own, spread as hashing spreads them.
 */
#include "type/tagged.h"

#include "base/bits.h"
#include "type/chained.h"

enum {
	WORDS_MIN = 512, /* of an array: then one of the index has no start of a block at all */
	SAMPLES = 128,	 /* words of an array that are looked at first */
	TAGGED_MIN = 8,	 /* of those */
	LARGEST = 8,	 /* arrays that are looked at as a whole */
};

struct array {
	uint32_t id;
	uint64_t size;
};

struct finder {
	const struct image *img;
	const struct blocks *blocks;
	uint64_t low, span; /* all blocks lie in [low, low + span) */
	struct array arrays[LARGEST]; /* largest first */
	unsigned n;
};

/* Are the words of this block addresses of blocks, some of them tagged? */
static bool may_be_array(const struct finder *f, const struct block *b)
{
	uint64_t avail, n = b->usable / 8, tagged = 0;
	const uint8_t *words = image_view(f->img, b->addr, &avail);

	if (n < WORDS_MIN || !words || avail / 8 < n)
		return false;
	for (uint64_t i = 0; i < SAMPLES; i++) {
		uint64_t word = load_u64(words + 8 * (n / SAMPLES * i + i % (WORDS_MIN / SAMPLES)));

		if (word && word - f->low >= f->span)
			return false;
		tagged += (word & TABLE_TAG) != 0;
	}
	return tagged >= TAGGED_MIN;
}

static void add(struct finder *f, const struct array *a)
{
	unsigned at = f->n;

	if (f->n < LARGEST)
		f->n++;
	else if (f->arrays[--at].size >= a->size)
		return;
	for (; at && f->arrays[at - 1].size < a->size; at--)
		f->arrays[at] = f->arrays[at - 1];
	f->arrays[at] = *a;
}

static void look_at(struct finder *f, uint32_t id)
{
	struct block b;

	if (!block_is_used(f->blocks, id))
		return;
	block_get(f->blocks, id, &b);
	if (may_be_array(f, &b))
		add(f, &(struct array){ id, b.usable });
}

/*
 * The tag of pointers to entries; where those have none, that of the last of a bucket, if it is one:
 * pointers behind headers of several sizes are none (strings of sds).
 */
static uint8_t tag_of(const struct graph_table *t)
{
	uint8_t of_entries = (uint8_t)(1u << (t->link & TABLE_TAG));

	if (of_entries != 1)
		return of_entries;
	return is_pow2(t->tags & ~1u) ? t->tags & ~1u : 0;
}

struct tagged tagged_find(const struct image *img, const struct blocks *blocks)
{
	const struct grains *g = &blocks->grains;
	uint64_t n_words = g->n ? grains_words(g) : 0;
	struct finder f = { .img = img, .blocks = blocks };
	struct graph_table table;
	struct tagged found = {};

	if (!n_words)
		return found;
	grains_range(g, &f.low, &f.span);
	for (uint64_t w = 1; w < n_words; w++)
		if (!g->words[w].start && g->words[w - 1].start)
			look_at(&f, g->words[w].rank - 1);
	for (unsigned i = 0; i < f.n; i++)
		if (chained_table(img, blocks, f.arrays[i].id, TABLE_ANY_LINK, &table) && tag_of(&table)) {
			found.tags |= tag_of(&table);
			found.headers |= table.headers;
		}
	return found;
}
