/*
 * type/go_copies.c - the same bytes in many blocks: strings and byte slices.
 *
 * How much of a block is contents only those know who refer to it: a first pass over all typed
 * blocks takes the longest length of each.  A second one counts in a table of bits how they begin
 * and end; a third one, in order of address, reads whole what began and ended like another, hashes
 * and compares.  Contents count from the start of their block; parts of others do not, nor do zeros
 * alone, which are buffers that nobody has written yet.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "image/shadow.h"
#include "image/window.h"
#include "type/contents.h"
#include "type/go_block.h"
#include "type/go_shape.h"

enum {
	LEAST_LENGTH = 16,   /* shorter ones share blocks, or cost little more than their header */
	ENDS = 32,		/* bytes at either end that the second pass looks at */
	PLACES = 8,		/* in its table, for each block */
	COPY_MAX = 64 << 20, /* bytes of one block that lie in several segments */
	FIFO = 32, /* lookups under way at a time, for one alone would wait for memory */
};

struct copies {
	struct env *env;
	const struct image *img;
	const struct blocks *blocks;
	const struct graph *g;
	struct col plain; /* one bit a node: a live block without pointers */
	uint32_t *rank;	  /* of the first bit of each word of `plain` */
	uint32_t n_plain;
	struct col lengths; /* by rank: of the contents, later the entry, + 1; 0: none */
	struct col ends;    /* 2 bits a place: one block's contents begin and end so; several blocks' */
	uint64_t n_places;  /* a power of two */
	struct contents contents;
	/* Of each type: the slots of strings and byte slices. */
	struct texts {
		const struct shape *shape;
		struct slot *slots;
		uint32_t n;
	} * texts;
	struct arena mem;
	struct text_at {
		uint64_t value, grain;
		uint32_t length, id;
	} fifo[FIFO];
	uint32_t at, seen, done; /* in fifo: given, looked up, taken; done <= seen <= at */
	const struct claim *claim;	/* the one used last */
	struct image_window window;
};

static void fini(struct copies *c)
{
	col_close(&c->plain);
	col_close(&c->lengths);
	col_close(&c->ends);
	free(c->rank);
	contents_fini(&c->contents);
	free(c->texts);
	arena_fini(&c->mem);
}

/* ---- blocks that may be contents */

static struct err *find_plain(struct copies *c)
{
	uint64_t words = bits_words(c->g->n), *plain;
	struct err *err = col_fixed(c->env, 8, words + 1, "contents", &c->plain);

	if (err)
		return err;
	plain = c->plain.base;
	for (size_t i = 0; i < c->blocks->n_claims; i++) {
		const struct claim *claim = &c->blocks->claims[i];
		uint32_t first = block_at(c->blocks, claim->start + claim->bias);
		uint32_t last = block_at(c->blocks, claim->end + claim->bias - 1);

		if (claim->no_pointers && first != BLOCK_NONE && last != BLOCK_NONE &&
		    first <= last)
			bits_set_range(plain, first, (uint64_t)last + 1);
	}
	c->rank = malloc((words + 1) * sizeof(*c->rank));
	if (!c->rank)
		return &err_nomem;
	for (uint64_t w = 0; w < words; w++) {
		plain[w] &= c->g->live[w];
		c->rank[w] = c->n_plain;
		c->n_plain += (uint32_t)__builtin_popcountll(plain[w]);
	}
	return col_fixed(c->env, 4, (uint64_t)c->n_plain + 1, "contents", &c->lengths);
}

/* ---- how long they are */

static bool is_text(const struct slot *slot)
{
	if (slot->op == SLOT_STRING)
		return true;
	return slot->op == SLOT_SLICE && slot->target && slot->target->kind == SHAPE_ARRAY &&
	       slot->target->type->kind == GO_UINT8;
}

/* What happens to lie in a buffer that is written over again and again is nobody's copy. */
static bool is_buffered(const struct shape *shape)
{
	return shape->kind == SHAPE_VALUE && (!strcmp(shape->type->name, "bufio.Reader") ||
					      !strcmp(shape->type->name, "bufio.Writer"));
}

static bool add_texts(struct copies *c, struct texts *t, const struct shape *shape)
{
	if (!shape->compiled || !shape->n_slots || is_buffered(shape) ||
	    (shape->kind != SHAPE_VALUE && shape->kind != SHAPE_ARRAY &&
	     shape->kind != SHAPE_CLOSURE))
		return true;
	t->slots = arena_alloc(&c->mem, shape->n_slots * sizeof(*t->slots));
	if (!t->slots)
		return false;
	for (uint32_t i = 0; i < shape->n_slots; i++)
		if (is_text(&shape->slots[i]))
			t->slots[t->n++] = shape->slots[i];
	t->shape = shape;
	return true;
}

static struct err *find_texts(struct copies *c)
{
	const struct types *types = c->g->types;

	c->texts = calloc(types->n + 1, sizeof(*c->texts));
	if (!c->texts)
		return &err_nomem;
	for (size_t i = 1; i < types->n; i++) {
		const struct type_row *row = &types->v[i];
		const struct shape *shape = (const struct shape *)(uintptr_t)row->handle;

		if (row->language == LANG_GO && !add_texts(c, &c->texts[i], shape))
			return &err_nomem;
	}
	return NULL;
}

static void look_ahead(struct copies *c)
{
	struct text_at *t = &c->fifo[c->seen++ % FIFO];

	t->id = grain_block(&c->blocks->grains, t->grain);
	__builtin_prefetch((const uint64_t *)c->plain.base + (t->id >> 6));
	__builtin_prefetch(&c->rank[t->id >> 6]);
}

static void take_text(struct copies *c)
{
	const struct text_at *t = &c->fifo[c->done++ % FIFO];
	const struct grains *g = &c->blocks->grains;
	const uint64_t *plain = c->plain.base;
	uint32_t *lengths = c->lengths.base, rank;

	if (!bit_get(plain, t->id) ||
	    t->length > (grain_next_start(g, t->grain) - t->grain) << g->shift ||
	    !grain_is_start(g, t->grain, t->value))
		return;
	rank = c->rank[t->id >> 6] + (uint32_t)__builtin_popcountll(plain[t->id >> 6] &
								     ((1ull << (t->id & 63)) - 1));
	lengths[rank] = lengths[rank] > t->length ? lengths[rank] : t->length;
}

static inline void add_text(struct copies *c, uint64_t value, uint64_t length)
{
	const struct grains *g = &c->blocks->grains;
	uint64_t grain;

	if (length < LEAST_LENGTH || length > UINT32_MAX)
		return;
	grain = grain_of(g, value);
	if (grain == GRAIN_NONE)
		return;
	__builtin_prefetch(&g->words[grain >> 6]);
	if (c->at - c->done == FIFO)
		take_text(c);
	c->fifo[c->at++ % FIFO] = (struct text_at){ value, grain, (uint32_t)length, 0 };
	if (c->at - c->seen > FIFO / 2)
		look_ahead(c);
}

static void read_texts(struct copies *c, const struct texts *t, taddr at, uint64_t size)
{
	uint64_t avail, tile = t->shape->tile;
	_free_ uint8_t *copy = NULL;
	const uint8_t *b;

	if (size > 512) { /* smaller ones have no header */
		if (!c->claim || at - c->claim->start >= c->claim->end - c->claim->start)
			c->claim = blocks_claim_at(c->blocks, at);
		if (c->claim && size > c->claim->head) {
			size -= c->claim->head;
			at += c->claim->head;
		}
	}
	b = window_view(&c->window, c->img, at, &avail);
	if (!b)
		return;
	if (size > avail && size <= COPY_MAX) { /* in several segments */
		copy = malloc(size);
		if (copy && !image_read(c->img, at, copy, size))
			b = copy;
		else
			size = avail;
	}
	size = b == copy || size < avail ? size : avail;
	if (t->shape->kind == SHAPE_VALUE && size > t->shape->size)
		size = t->shape->size;
	for (uint64_t base = 0; base < size; base += tile) {
		for (uint32_t i = 0;
		     i < t->n && size - base >= 16 && t->slots[i].offset <= size - base - 16; i++) {
			const uint8_t *slot = b + base + t->slots[i].offset;

			add_text(c, load_u64(slot), load_u64(slot + 8));
		}
		if (!tile)
			break;
	}
}

static void read_all(struct copies *c)
{
	for (struct graph_iter it = graph_iter(c->g, 0); it.id < c->g->n; graph_next(&it)) {
		const struct texts *t = &c->texts[graph_type(c->g, it.id)];

		if (t->n)
			read_texts(c, t, it.key, it.size);
	}
	while (c->seen != c->at)
		look_ahead(c);
	while (c->done != c->at)
		take_text(c);
}

/* ---- which are the same */

static inline uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0xff51afd7ed558ccd;
	return h ^ h >> 32;
}

/* The place of contents of at least LEAST_LENGTH bytes, by how they begin and end. */
static uint64_t place_of(const struct copies *c, const uint8_t *b, uint64_t length, uint64_t size)
{
	uint64_t h = mix(length, size), n = length < ENDS ? length : ENDS;

	for (uint64_t at = 0; n - at >= 8; at += 8)
		h = mix(mix(h, load_u64(b + at)), load_u64(b + length - 8 - at));
	return h * 0xc4ceb9fe1a85ec53 >> 32 & (c->n_places - 1);
}

static struct err *open_places(struct copies *c)
{
	const uint32_t *lengths = c->lengths.base;
	uint64_t n = 0;

	for (uint32_t i = 0; i < c->n_plain; i++)
		n += !!lengths[i];
	for (c->n_places = 64; c->n_places / PLACES < n;)
		c->n_places *= 2;
	return col_fixed(c->env, 8, c->n_places / 32, "contents", &c->ends);
}

/* All bytes of what may be contents; NULL: not all were dumped. */
static const uint8_t *contents_of(struct copies *c, const struct grains_iter *it, uint32_t length)
{
	uint64_t avail;
	const uint8_t *b =
		it->size <= UINT32_MAX ? window_view(&c->window, c->img, it->key, &avail) : NULL;

	return b && avail >= length ? b : NULL;
}

static struct err *count_ends(struct copies *c, const struct grains_iter *it, uint32_t *slot)
{
	const uint8_t *b = contents_of(c, it, *slot);
	uint64_t place, *ends = c->ends.base;

	if (!b)
		return NULL;
	place = 2 * place_of(c, b, *slot, it->size);
	ends[place / 64] |= 1ull << place % 64 << (ends[place / 64] >> place % 64 & 1);
	return NULL;
}

static struct err *compare_block(struct copies *c, const struct grains_iter *it, uint32_t *slot)
{
	uint32_t length = *slot;
	const uint8_t *b = contents_of(c, it, length);

	*slot = 0;
	if (!b || !bit_get(c->ends.base, 2 * place_of(c, b, length, it->size) + 1))
		return NULL;
	return contents_enter(&c->contents, it->key, b, length, (uint32_t)it->size, slot);
}

/* `fn` for each block that may be contents, in order of address, with its slot in `lengths`. */
static struct err *each_plain(struct copies *c,
			      struct err *(*fn)(struct copies *c, const struct grains_iter *it,
						uint32_t *slot))
{
	const uint64_t *plain = c->plain.base;
	uint32_t *slot = c->lengths.base;
	struct grains_iter it = { .id = 0 };
	struct err *err = NULL;
	bool started = false;

	for (uint64_t w = 0; w < bits_words(c->g->n) && !err; w++) {
		for (uint64_t rest = plain[w]; rest && !err; rest &= rest - 1, slot++) {
			uint32_t id = (uint32_t)(w * 64 + (unsigned)__builtin_ctzll(rest));

			if (!*slot)
				continue;
			if (!started || id - it.id > 64)
				it = grains_iter(&c->blocks->grains, id);
			started = true;
			while (it.id < id)
				grains_next(&it);
			err = fn(c, &it, slot);
		}
	}
	return err;
}

/* ---- notes */

static struct err *note_copies(struct copies *c, struct note_sink *sink)
{
	const uint64_t *plain = c->plain.base;
	const uint32_t *slot = c->lengths.base;
	struct err *err = NULL;

	for (uint64_t w = 0; w < bits_words(c->g->n) && !err; w++) {
		for (uint64_t rest = plain[w]; rest && !err; rest &= rest - 1, slot++) {
			const struct contents_entry *e = *slot ? &c->contents.entries.v[*slot - 1] : NULL;

			if (e && e->count >= 2)
				err = sink->copy(
					sink, (node_id)(w * 64 + (unsigned)__builtin_ctzll(rest)),
					e->content);
		}
	}
	return err;
}

static struct err *find(struct env *env, const struct image *img, const struct blocks *blocks,
			const struct graph *g, struct note_sink *sink)
{
	_cleanup_(fini) struct copies c = { .env = env, .img = img, .blocks = blocks, .g = g,
						  .contents = { .img = img } };
	struct err *err;

	if (!img->go || !g->types || !g->grains || !image_is_comparable(img))
		return NULL;
	err = find_plain(&c);
	if (!err)
		err = find_texts(&c);
	if (err)
		return err;
	read_all(&c);
	err = open_places(&c);
	if (!err)
		err = each_plain(&c, count_ends);
	if (!err)
		err = each_plain(&c, compare_block);
	if (!err)
		err = contents_note(&c.contents, env, sink);
	return err ? err : note_copies(&c, sink);
}

extern const struct noter_ops noter_go_copies;
const struct noter_ops noter_go_copies = { .name = "equal contents", .find = find };
