/*
 * type/copies.c - blocks of C and C++ that hold the same bytes, whatever they are.
 *
 * All of few blocks; of many all large ones, and of the others a sample, each of which then stands
 * for several.  How much of a block was asked for nobody knows: a C string counts up to its end,
 * other contents up to what malloc may have rounded up.  Zeros alone are no contents.  Go's own are
 * go_copies.c's business.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "image/python.h"
#include "image/resident.h"
#include "image/shadow.h"
#include "image/window.h"
#include "type/contents.h"
#include "type/look.h"

enum {
	LEAST_LENGTH = 32,
	LEAST_TEXT = 16,
	TEXT_BYTES = 4096, /* of a longer text the end is not looked for */
	ROUNDING = 24,	   /* bytes that malloc may give more than were asked for */
	ROUNDED = 256,	   /* blocks from that size on: their last ones are not compared */
	TAIL = 16,
	SAMPLES = 1 << 16,
	LARGE = 4096, /* bytes of blocks that are always in the sample */
};

struct copies {
	const struct graph *g;
	const struct blocks *blocks;
	const struct image *img;
	uint64_t every; /* one small block of so many is in the sample */
	struct contents contents;
	struct col found; /* struct copy: what is in the sample */
	const struct claim *claim; /* the one used last */
	struct image_window window;
};

static void fini(struct copies *c)
{
	contents_fini(&c->contents);
	col_close(&c->found);
}

/* What a block holds. */
struct bytes {
	const uint8_t *b;
	taddr at;
	uint32_t length, size; /* size: of the block */
};

static const uint8_t *view(struct copies *c, taddr at, uint64_t n)
{
	uint64_t avail;
	const uint8_t *b = window_view(&c->window, c->img, at, &avail);

	return b && n <= avail ? b : NULL;
}

/* Characters of a string that ends in one of `width` zeros; 0: it is none, or too little of the block is. */
static uint64_t ended(const uint8_t *b, uint64_t n, uint64_t usable, uint64_t width)
{
	bool has_end = n >= LEAST_TEXT * width && n < usable && usable - n >= width && bytes_are_zero(b + n, width);

	return has_end && (usable - n <= ROUNDING || n >= usable / 4 * 3) ? n : 0;
}

static uint64_t string_length(const uint8_t *b, uint64_t usable)
{
	uint64_t most = usable < TEXT_BYTES ? usable : TEXT_BYTES;
	uint64_t n = ended(b, look_text_length(b, most), usable, 1);

	return n || b[1] ? n : ended(b, look_utf16_length(b, most), usable, 2);
}

/* Zeros that an object of CPython has behind its head: a buffer that waits. */
static bool is_empty_object(const struct copies *c, const struct bytes *b)
{
	enum { HEAD = 32 /* PyBytesObject: count, type, size, hash */ };

	return c->img->python && b->length > HEAD && bytes_are_zero(b->b + HEAD, b->length - HEAD) &&
	       python_is_object(c->img, b->at);
}

static bool contents_of(struct copies *c, taddr start, uint64_t size, struct bytes *ret)
{
	uint64_t usable, length;

	if (!c->claim || start - c->claim->start >= c->claim->end - c->claim->start)
		c->claim = blocks_claim_at(c->blocks, start);
	if (!c->claim || size > UINT32_MAX || size < (uint64_t)c->claim->head + c->claim->overhead + LEAST_TEXT)
		return false;
	usable = size - c->claim->head - c->claim->overhead;
	ret->at = start + c->claim->head;
	ret->size = (uint32_t)size;
	ret->b = view(c, ret->at, usable);
	if (!ret->b)
		return false;
	length = digest_length(c->img, load_u64(ret->b));
	if (!length || length > usable)
		length = string_length(ret->b, usable);
	if (!length)
		length = usable < ROUNDED ? usable : usable - TAIL;
	ret->length = (uint32_t)length;
	return (length >= LEAST_LENGTH || length < usable) && !is_empty_object(c, ret);
}

static struct err *enter(struct copies *c, node_id id, taddr start, uint64_t size)
{
	struct copy copy = { .node = id };
	struct bytes b;
	struct err *err;

	if (!contents_of(c, start, size, &b))
		return NULL;
	err = contents_enter(&c->contents, b.at, b.b, b.length, b.size, &copy.content);
	return err || !copy.content ? err : col_append(&c->found, &copy, 1);
}

/* Most nodes are not in the sample, and lie among others that are not large. */
static struct err *enter_all(struct copies *c)
{
	const struct graph *g = c->g;
	struct resident_pass pass = { .img = c->img };
	uint32_t share = (uint32_t)(UINT32_MAX / c->every);
	struct err *err = NULL;
	uint64_t near = 0;

	for (uint64_t w = 0; w < bits_words(g->n); w++) {
		bool any_large = graph_size_most(g, w) >= LARGE;

		for (uint64_t bits = g->live[w]; bits && !err; bits &= bits - 1) {
			node_id id = (node_id)(w << 6 | (unsigned)__builtin_ctzll(bits));
			bool sampled = c->every == 1 || id * 0x9e3779b1u < share;
			uint64_t size;
			taddr key;

			if (!sampled && !any_large)
				continue;
			key = grains_key_near(g->grains, id, &near, &size);
			if (!sampled && size < LARGE)
				continue;
			resident_pass_at(&pass, key);
			err = enter(c, id, key, size);
		}
	}
	return err;
}

static struct err *note_all(struct copies *c, struct env *env, struct note_sink *sink)
{
	const struct copy *found = c->found.base;
	struct err *err = contents_note(&c->contents, env, sink);

	for (uint64_t i = 0; i < c->found.n && !err; i++) {
		const struct contents_entry *e = &c->contents.entries.v[found[i].content - 1];

		if (contents_is_told(&c->contents, e))
			err = sink->copy(sink, found[i].node, e->content);
	}
	return err;
}

static struct err *find(struct env *env, const struct image *img, const struct blocks *blocks,
			const struct graph *g, struct note_sink *sink)
{
	_cleanup_(fini) struct copies c = { .g = g, .blocks = blocks, .img = img, .contents = { .img = img } };
	struct err *err;

	if (img->go || !image_is_comparable(img) || !g->grains || !g->n_live)
		return NULL;
	c.every = g->n_live / SAMPLES + 1;
	c.contents.sampled_below = c.every > 1 ? LARGE : 0;
	c.contents.every = c.every;
	err = col_open(env, sizeof(struct copy), g->n_live, "contents", &c.found);
	if (!err)
		err = enter_all(&c);
	image_leave_all(img);
	return err ? err : note_all(&c, env, sink);
}

extern const struct noter_ops noter_copies;
const struct noter_ops noter_copies = { .name = "equal contents of blocks", .find = find };
