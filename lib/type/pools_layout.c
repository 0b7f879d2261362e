/*
 * type/pools_layout.c - reads the pools that a layout describes (type/pool_layout.h), those of
 * programs' own and those that heapfx knows alike.
 *
 * A head counts when all that its layout says of it holds, and some of that could not hold by
 * chance: each thing has a weight, ENOUGH_PROOF together.  Chunks lie in used blocks of malloc's or
 * in mappings that no heap claims.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "base/words.h"
#include "image/shadow.h"
#include "image/window.h"
#include "type/pools.h"

enum {
	ENOUGH_PROOF = 2,
	STEPS_MAX = 1 << 26, /* along lists, in all */
	POOLS_MAX = 1 << 22,
	CHUNK_MAX_SHIFT = 40,
	TOTAL_MAX_SHIFT = 44,
	ADJOINING_MAX = 4,    /* mappings that a chunk may lie in */
	FILLS = 32,	      /* bytes that malloc may have rounded a chunk up by */
	CALLS_MAX = 64 << 20, /* bytes of modules' data to look for addresses in */
	PAGE = 4096,
	WORD = 8,
	FEW_WORDS = 32,
};

struct head {
	taddr at, place;
	uint32_t parent, depth, pool;
	uint32_t seen; /* climbing towards the outermost */
};

/* Where in blocks a reader looks. */
struct block_place {
	struct reader *r;
	uint32_t offset;
};

struct reader {
	struct pools *p;
	const struct pool_layout *l;
	const char *kind; /* its name, which outlives it */
	struct image_window *window; /* where words are read */
	struct word_spans code;
	struct block_place places[LAYOUT_LIST_MAX];
	struct {
		struct head *v;
		size_t n, cap;
	} heads;
	struct addrmap by_head;	 /* index in heads, + 1 */
	struct addrmap by_chunk; /* the same, of the pool that has it */
	uint64_t steps;
	uint64_t fit, sound; /* heads: with words as they should be, with such chunks */
	taddr first_fit;
};

static void reader_fini(struct reader *r)
{
	free(r->heads.v);
	addrmap_fini(&r->by_head);
	addrmap_fini(&r->by_chunk);
}

static bool has(uint32_t offset)
{
	return offset != LAYOUT_ABSENT;
}

static bool read_word(const struct reader *r, taddr at, uint64_t *ret)
{
	uint64_t avail = 0;
	const uint8_t *bytes = NULL;

	if (!r->p->img->shadow) /* what image_read() is asked for is kept there */
		bytes = window_view(r->window, r->p->img, at, &avail);
	if (!bytes || avail < WORD)
		return image_read_u64(r->p->img, at, ret) == MEM_OK;
	*ret = load_u64(bytes);
	return true;
}

static uint64_t word(const struct reader *r, taddr at)
{
	uint64_t v;

	return read_word(r, at, &v) ? v : 0;
}

/* ---- chunks */

/* The memory that a chunk may lie in: a used block, or what no heap claims. */
struct room {
	taddr start, end;
	bool is_block;
};

static bool find_room(const struct reader *r, taddr at, struct room *ret)
{
	uint32_t id = block_at(r->p->blocks, at);
	const struct segment *seg;
	struct block b;

	if (!at || at & 7)
		return false;
	if (id != BLOCK_NONE && !block_is_filler(r->p->blocks, id)) {
		block_get(r->p->blocks, id, &b);
		*ret = (struct room){ b.addr, b.addr + b.usable, true };
		return b.used && at >= ret->start && at < ret->end;
	}
	seg = pools_writable(r->p->img, at);
	if (!seg || blocks_claim_at(r->p->blocks, at))
		return false;
	*ret = (struct room){ seg->start, seg->end, false };
	/* A variable may begin in .data's mapping and end in .bss's. */
	for (unsigned i = 1; i < ADJOINING_MAX && !blocks_claim_at(r->p->blocks, ret->end); i++) {
		seg = pools_writable(r->p->img, ret->end);
		if (!seg)
			break;
		ret->end = seg->end;
	}
	return true;
}

struct chunk {
	taddr at, next;
	uint64_t size, free; /* free: UINT64_MAX if it does not say */
	unsigned proof;
};

static bool read_size(const struct reader *r, const struct room *room, taddr at, uint64_t *ret)
{
	const struct pool_layout *l = r->l;
	uint64_t end;

	if (has(l->chunk.end)) {
		if (!read_word(r, at + l->chunk.end, &end) || end <= at)
			return false;
		*ret = end - at;
	} else if (has(l->chunk.bytes)) {
		if (!read_word(r, at + l->chunk.bytes, ret) || *ret >> CHUNK_MAX_SHIFT)
			return false;
		*ret += l->chunk.bytes_more;
	} else if (l->chunk.fixed) {
		*ret = l->chunk.fixed;
	} else {
		*ret = room->end - at;
		return room->is_block;
	}
	return true;
}

/* `prev`: the chunk that led here, 0 for the first, whose links back lead round or nowhere. */
static bool read_chunk(const struct reader *r, taddr head, taddr prev, taddr at, struct chunk *ret)
{
	const struct pool_layout *l = r->l;
	struct chunk c = { .at = at, .free = UINT64_MAX };
	uint64_t v = 0;
	struct room room;

	if (!find_room(r, at, &room) || !read_size(r, &room, at, &c.size) ||
	    c.size > room.end - at || c.size < l->chunk.size)
		return false;
	if (room.is_block && room.start == at && room.end - at - c.size < FILLS &&
	    (has(l->chunk.end) || has(l->chunk.bytes) || l->chunk.fixed))
		c.proof++;
	if (has(l->chunk.owner)) {
		if (word(r, at + l->chunk.owner) != head)
			return false;
		c.proof += 2;
	}
	if (has(l->chunk.prev) && prev && word(r, at + l->chunk.prev) != prev)
		return false;
	if (has(l->chunk.ref)) {
		if (!read_word(r, at + l->chunk.ref, &v) || (v && word(r, v) != at))
			return false;
		c.proof += v ? 2 : 0;
	}
	if (has(l->chunk.avail)) {
		if (!read_word(r, at + l->chunk.avail, &v) || v < at || v - at > c.size)
			return false;
		c.free = c.size - (v - at);
	}
	if (has(l->chunk.next) && !read_word(r, at + l->chunk.next, &c.next))
		return false;
	*ret = c;
	return true;
}

/* ---- the chunks of one pool */

struct content {
	uint32_t pool; /* to add them to; POOL_NONE: only to look */
	uint32_t head; /* index + 1, in by_chunk */
	uint64_t bytes, free;
	uint32_t n;
	unsigned proof;
	bool broken; /* its list ends where it should not */
	bool holds_place, holds_current;
	taddr current;
	struct chunk first;
};

static bool chunk_has(const struct chunk *c, taddr at)
{
	return at >= c->at && at - c->at <= c->size;
}

static struct err *on_chunk(struct reader *r, const struct head *h, const struct chunk *c,
			    struct content *ret)
{
	if (!ret->n++) {
		ret->first = *c;
		ret->proof += c->proof;
	}
	ret->bytes += c->size;
	if (c->free == UINT64_MAX)
		ret->free = UINT64_MAX;
	else if (ret->free != UINT64_MAX)
		ret->free += c->free;
	ret->holds_place |= chunk_has(c, h->place);
	ret->holds_current |= chunk_has(c, ret->current);
	return ret->pool == POOL_NONE ? NULL : pools_add_chunk(r->p, ret->pool, c->at, c->size);
}

/*
 * Along `next`, to 0 or round to the first; any other loop is found by a second look at a chunk
 * (Brent's: at each power of two steps).
 */
static struct err *walk_chunks(struct reader *r, const struct head *h, struct content *ret)
{
	const struct pool_layout *l = r->l;
	taddr first = has(l->head.first) ? word(r, h->at + l->head.first) : h->place;
	taddr at = first, prev = 0, seen = 0;
	struct err *err = NULL;

	for (uint64_t n = 1; at && !err && r->steps++ < STEPS_MAX; n++) {
		struct chunk c;

		if (at == seen || !read_chunk(r, h->at, prev, at, &c)) {
			ret->broken = true;
			break;
		}
		if (!(n & (n - 1)))
			seen = at;
		err = on_chunk(r, h, &c, ret);
		prev = at;
		at = c.next == first ? 0 : c.next;
	}
	return err;
}

/* Of one whose block malloc made so large. */
static uint64_t large_size(const struct reader *r, taddr node, uint64_t usable)
{
	const struct pool_layout *l = r->l;

	if (!has(l->large.bytes))
		return usable;
	return word(r, node + l->large.bytes) & (UINT64_MAX >> (64 - 8 * l->large.width));
}

/* Blocks of the pool's own, in a list whose nodes lie in its chunks or elsewhere. */
static struct err *walk_large(struct reader *r, taddr node, struct content *ret)
{
	const struct pool_layout *l = r->l;
	struct err *err = NULL;
	taddr seen = 0;

	for (uint64_t n = 1; node && !err && r->steps++ < STEPS_MAX; n++) {
		taddr data = node;
		struct room room;

		if (node == seen || node & 7 ||
		    (has(l->large.data) && !read_word(r, node + l->large.data, &data)) ||
		    (data && !find_room(r, data, &room))) {
			ret->broken = true;
			break;
		}
		if (!(n & (n - 1)))
			seen = node;
		if (data && room.is_block && room.start == data) {
			uint64_t usable = room.end - room.start, size = large_size(r, node, usable);

			if (size > usable) {
				ret->broken = true;
				break;
			}
			ret->n++;
			ret->bytes += size;
			if (ret->pool != POOL_NONE)
				err = pools_add_chunk(r->p, ret->pool, data, usable);
		}
		node = has(l->large.next) ? word(r, node + l->large.next) : 0;
	}
	return err;
}

/*
 * Chunks that are kept for later, by whoever keeps them for this pool: all of each is free.  What does
 * not look like a chunk ends its list.
 */
static struct err *walk_spare(struct reader *r, const struct head *h, struct content *ret)
{
	const struct pool_layout *l = r->l;
	taddr keeper = has(l->head.spare) ? word(r, h->at + l->head.spare) : 0;
	struct err *err = NULL;

	if (!keeper || (has(l->spare_owner) && word(r, keeper + l->spare_owner) != h->at))
		return NULL;
	for (uint32_t i = 0; i < l->head.n_spare_lists && !err; i++) {
		taddr at = word(r, keeper + l->head.spare_lists + 8ull * i), seen = 0;

		for (uint64_t n = 1; at && at != seen && !err && r->steps++ < STEPS_MAX; n++) {
			taddr next = word(r, at + l->chunk.next);
			struct room room;
			uint64_t size;

			if (!find_room(r, at, &room) || !read_size(r, &room, at, &size) ||
			    size > room.end - at || size < l->chunk.size)
				break;
			if (!(n & (n - 1)))
				seen = at;
			ret->n++;
			ret->bytes += size;
			ret->free += ret->free == UINT64_MAX ? 0 : size;
			err = pools_add_chunk(r->p, ret->pool, at, size);
			at = next;
		}
	}
	return err;
}

/* ---- heads */

static bool magics_fit(const struct reader *r, taddr at, unsigned *proof)
{
	for (unsigned i = 0; i < r->l->n_magics; i++) {
		uint64_t v = 0;

		if (image_read(r->p->img, at + r->l->magics[i].offset, &v, r->l->magics[i].width) !=
			    MEM_OK ||
		    v != r->l->magics[i].value)
			return false;
		*proof += r->l->magics[i].width / 4;
	}
	return true;
}

/* The same two of a head's bytes, in place. */
static bool has_magic(const struct layout_magic *magic, const uint8_t *head)
{
	head += magic->offset;
	return (magic->width == WORD ? load_u64(head) : load_u32(head)) == magic->value;
}

static bool has_order(const struct pool_layout *l, const uint8_t *head)
{
	uint64_t first = load_u64(head + l->head.first), avail, limit, total;

	if (!first || first & 7)
		return false;
	if (!has(l->head.avail) || !has(l->head.limit))
		return true;
	avail = load_u64(head + l->head.avail);
	limit = load_u64(head + l->head.limit);
	if (first > limit || (limit - first) >> CHUNK_MAX_SHIFT || avail - first > limit - first)
		return false;
	if (!has(l->head.total))
		return true;
	total = load_u64(head + l->head.total);
	return avail - first >= l->chunk.size && total >= limit - first && !(total >> TOTAL_MAX_SHIFT);
}

/* Without a search: it could have a first chunk, and a free part that does not end before it begins. */
static bool may_have_chunks(const struct reader *r, const struct head *h)
{
	const struct pool_layout *l = r->l;
	taddr first = has(l->head.first) ? word(r, h->at + l->head.first) : h->place;

	if (!first || first & 7)
		return false;
	if (has(l->head.avail) && has(l->head.limit) &&
	    (word(r, h->at + l->head.avail) < first ||
	     word(r, h->at + l->head.limit) < word(r, h->at + l->head.avail)))
		return false;
	return !has(l->chunk.end) || word(r, first + l->chunk.end) > first;
}

/* What a look at the head alone can say. */
static bool head_fits(const struct reader *r, const struct head *h, unsigned *proof)
{
	const struct pool_layout *l = r->l;
	uint64_t v = 0;

	if (h->at & 7 || !magics_fit(r, h->at, proof))
		return false;
	if (has(l->head.self)) {
		if (word(r, h->at + l->head.self) != h->at)
			return false;
		*proof += 2;
	}
	if (has(l->head.place)) {
		if (word(r, h->at + l->head.place) != h->place)
			return false;
		*proof += 2;
	}
	if (has(l->head.ref)) {
		if (!read_word(r, h->at + l->head.ref, &v) || (v && word(r, v) != h->at))
			return false;
		*proof += v ? 2 : 0;
	}
	for (unsigned i = 0; i < l->n_codes; i++) {
		if (!image_is_code(r->p->img, word(r, h->at + l->codes[i])))
			return false;
		++*proof;
	}
	return may_have_chunks(r, h) &&
	       (!has(l->head.mapped) || image_segment(r->p->img, word(r, h->at + l->head.mapped)));
}

static bool name_fits(const struct reader *r, taddr at)
{
	char s[4];

	at = word(r, at);
	return !at || image_read(r->p->img, at, s, 1) == MEM_OK || image_segment(r->p->img, at);
}

/* What the chunks have to say of it. */
static bool content_fits(const struct reader *r, const struct head *h, struct content *c)
{
	const struct pool_layout *l = r->l;
	taddr end = c->first.at + c->first.size;
	uint64_t avail = 0, limit = 0;

	if (!c->n || (h->place != h->at && !c->holds_place))
		return false;
	if (has(l->head.room)) {
		uint64_t room = end - h->at - l->head.size;

		if (!chunk_has(&c->first, h->at) || end - h->at < l->head.size)
			return false;
		if (word(r, h->at + l->head.room) !=
		    (room < l->head.room_max ? room : l->head.room_max))
			return false;
		c->proof += 2;
	}
	if (has(l->head.current) && c->current) {
		if (!c->holds_current)
			return false;
		c->proof++;
	}
	if (has(l->head.limit)) {
		limit = word(r, h->at + l->head.limit);
		if (!chunk_has(&c->first, limit))
			return false;
		c->proof += limit == end;
	}
	if (has(l->head.avail)) {
		avail = word(r, h->at + l->head.avail);
		limit = has(l->head.limit) ? limit : end;
		if (!chunk_has(&c->first, avail) || avail > limit)
			return false;
		c->free = limit - avail; /* of older chunks nothing is given out */
	}
	if (has(l->head.total) && !c->broken) {
		if (word(r, h->at + l->head.total) != c->bytes)
			return false;
		c->proof += 2;
	}
	return true;
}

static struct err *look(struct reader *r, const struct head *h, struct content *ret)
{
	const struct pool_layout *l = r->l;
	struct err *err;

	if (has(l->head.current))
		ret->current = word(r, h->at + l->head.current);
	err = walk_chunks(r, h, ret);
	if (!err && ret->n && has(l->head.large))
		err = walk_large(r, word(r, h->at + l->head.large), ret);
	if (!err && ret->n && has(l->head.more))
		err = walk_large(r, word(r, h->at + l->head.more), ret);
	return err;
}

/* Chunks are one pool's: of heads with the same ones, the first is right. */
static struct err *take_chunks(struct reader *r, const struct head *h, uint32_t no, bool *ret_free)
{
	const struct pool_layout *l = r->l;
	taddr first = has(l->head.first) ? word(r, h->at + l->head.first) : h->place;

	*ret_free = !addrmap_get(&r->by_chunk, first);
	if (!*ret_free)
		return NULL;
	return addrmap_put(&r->by_chunk, first, (void *)(uintptr_t)(no + 1)) ? NULL : &err_nomem;
}

static struct err *try_head(struct reader *r, taddr at, taddr place, unsigned proof)
{
	struct head h = { .at = at, .place = place, .parent = POOL_NONE };
	struct content c = { .pool = POOL_NONE };
	bool is_free;
	struct err *err;

	if (r->heads.n >= POOLS_MAX || addrmap_get(&r->by_head, at) || !head_fits(r, &h, &proof))
		return NULL;
	if (has(r->l->head.name) && !name_fits(r, at + r->l->head.name))
		return NULL;
	if (!r->fit++)
		r->first_fit = at;
	err = look(r, &h, &c);
	if (err || !content_fits(r, &h, &c))
		return err;
	r->sound++;
	if (proof + c.proof < ENOUGH_PROOF)
		return NULL;
	err = take_chunks(r, &h, (uint32_t)r->heads.n, &is_free);
	if (err || !is_free)
		return err;
	if (!addrmap_put(&r->by_head, at, (void *)(uintptr_t)(r->heads.n + 1)))
		return &err_nomem;
	return vec_push(&r->heads, &h) ? NULL : &err_nomem;
}

/* ---- where heads are */

/* Its words in place: what head_fits() and read_chunk() would refuse as well. */
static bool may_have_head(const struct reader *r, const uint8_t *block, taddr at, uint64_t size,
			  uint32_t offset)
{
	const struct pool_layout *l = r->l;
	const uint8_t *head = block + offset;

	if (l->n_magics && !has_magic(&l->magics[0], head))
		return false;
	if ((has(l->head.place) && load_u64(head + l->head.place) != at) ||
	    (has(l->head.self) && load_u64(head + l->head.self) != at + offset))
		return false;
	if (has(l->head.first))
		return has_order(l, head);
	return (!has(l->chunk.end) || load_u64(block + l->chunk.end) - at - 1 < size) &&
	       (!has(l->chunk.avail) || load_u64(block + l->chunk.avail) - at <= size);
}

static struct err *see_block(void *arg, const uint8_t *bytes, taddr at, uint64_t size)
{
	const struct block_place *place = arg;

	if (!may_have_head(place->r, bytes, at, size, place->offset))
		return NULL;
	return try_head(place->r, at + place->offset, at, 0);
}

static struct err *seek_in_blocks(struct reader *r, struct block_place *place, uint32_t offset)
{
	const struct pool_layout *l = r->l;
	uint64_t least = offset + l->head.size;

	*place = (struct block_place){ r, offset };
	if (!has(l->head.first) && least < l->chunk.size) /* it begins its first chunk */
		least = l->chunk.size;
	return pools_seek(r->p, &(struct pool_seeker){ least, see_block, place });
}

static uint32_t page_offset(const struct reader *r)
{
	for (unsigned i = 0; i < r->l->n_finds; i++)
		if (r->l->finds[i].place == PLACE_PAGE)
			return r->l->finds[i].offset;
	return 0;
}

static struct err *find_in_pages(void *arg, taddr start, taddr end)
{
	struct reader *r = arg;
	uint32_t offset = page_offset(r);
	struct err *err = NULL;

	for (taddr at = (start + PAGE - 1) & -(taddr)PAGE; at >= start && at < end && !err;
	     at += PAGE)
		if (end - at > offset && end - at - offset >= r->l->head.size)
			err = try_head(r, at + offset, at, 0);
	return err;
}

/*
 * The first place in [at, end), in steps of a word, that the words which are the quickest to rule it
 * out by do not; `end`: none.  This looks at all memory: each way is a loop of its own.
 */
static const uint8_t *by_magic(const struct pool_layout *l, const uint8_t *at, const uint8_t *end)
{
	while (at < end && !has_magic(&l->magics[0], at))
		at += WORD;
	return at;
}

static const uint8_t *by_order(const struct pool_layout *l, const uint8_t *at, const uint8_t *end)
{
	while (at < end && !has_order(l, at))
		at += WORD;
	return at;
}

/* The same where a head has the sum of its chunks, which is neither 0 nor an address. */
static const uint8_t *by_total(const struct pool_layout *l, const uint8_t *at, const uint8_t *end)
{
	while (end - at >= FEW_WORDS * WORD) {
		size_t left = (size_t)(end - at) / WORD;
		unsigned n = left < 64 ? (unsigned)left : 64;
		uint64_t sums = words_in_range(1, (1ull << TOTAL_MAX_SHIFT) - 1, at + l->head.total, n);

		for (; sums; sums &= sums - 1) {
			const uint8_t *head = at + WORD * (unsigned)__builtin_ctzll(sums);

			if (has_order(l, head))
				return head;
		}
		at += WORD * n;
	}
	return by_order(l, at, end);
}

/*
 * Of two addresses of code next to each other each second word is one.  A word is loaded once, then, for
 * two places of the head.
 */
static const uint8_t *by_codes(const struct reader *r, const uint8_t *at, const uint8_t *end)
{
	const struct word_spans *code = &r->code;

	while (end - at >= FEW_WORDS * WORD) {
		size_t left = (size_t)(end - at) / (2 * WORD);
		unsigned n = left < 64 ? (unsigned)left : 64;
		uint64_t hits = second_words_in_ranges(code->low, code->span, at + r->l->codes[1], n);

		for (; hits; hits &= hits - 1) {
			const uint8_t *head = at + 2 * WORD * (unsigned)__builtin_ctzll(hits);

			if (has_order(r->l, head))
				return head;
			if (has_order(r->l, head + WORD))
				return head + WORD;
		}
		at += 2 * WORD * n;
	}
	return by_order(r->l, at, end);
}

static const uint8_t *may_be_head(const struct reader *r, const uint8_t *at, const uint8_t *end)
{
	const struct pool_layout *l = r->l;

	if (l->n_magics)
		return by_magic(l, at, end);
	if (l->n_codes > 1 && l->codes[1] == l->codes[0] + WORD)
		return by_codes(r, at, end);
	return has(l->head.total) ? by_total(l, at, end) : by_order(l, at, end);
}

/* Its first chunk lies in a block; or begins right before the head, in memory of the program's own. */
static bool has_first(const struct reader *r, const uint8_t *at, taddr head)
{
	const struct pool_layout *l = r->l;
	taddr first;
	uint32_t id;

	if (l->n_magics)
		return true;
	first = load_u64(at + l->head.first);
	id = block_at(r->p->blocks, first);
	return (id != BLOCK_NONE && block_is_used(r->p->blocks, id)) || head - first == l->chunk.size;
}

/* In bytes that begin at a word, of a head's size at least. */
static struct err *see_words(void *arg, const uint8_t *bytes, taddr start, uint64_t size)
{
	struct reader *r = arg;
	const uint8_t *last = bytes + (size - r->l->head.size);
	struct err *err = NULL;

	for (const uint8_t *at = bytes; !err && (at = may_be_head(r, at, last + 1)) <= last; at += WORD) {
		taddr head = start + (taddr)(at - bytes);

		if (has_first(r, at, head) && !image_is_dead_stack(r->p->img, head))
			err = try_head(r, head, head, 0);
	}
	return err;
}

static struct err *find_in_words(void *arg, taddr start, taddr end)
{
	const struct reader *r = arg;
	taddr from = align_up(start, WORD);
	uint64_t avail = 0;
	const uint8_t *bytes;

	if (from < start || end < from || end - from < r->l->head.size)
		return NULL;
	bytes = image_view(r->p->img, from, &avail);
	return bytes && avail >= end - from ? see_words(arg, bytes, from, end - from) : NULL;
}

static struct err *find_anywhere(struct reader *r)
{
	struct err *err = pools_each_run(r->p, find_in_words, r);

	return err ? err : pools_seek(r->p, &(struct pool_seeker){ r->l->head.size, see_words, r });
}

static struct err *find_by_name(struct reader *r, const char *name, bool points)
{
	struct symbol sym;
	taddr at;

	if (!image_symbol(r->p->img, NULL, name, &sym) || sym.is_tls)
		return NULL;
	at = points ? word(r, sym.addr) : sym.addr;
	return at ? try_head(r, at, at, 2) : NULL;
}

/* Outside of blocks at once; in them when all are looked at. */
static struct err *find_heads(struct reader *r)
{
	struct err *err = NULL;

	for (unsigned i = 0; i < r->l->n_finds && !err; i++)
		switch (r->l->finds[i].place) {
		case PLACE_BLOCK:
			err = seek_in_blocks(r, &r->places[i], r->l->finds[i].offset);
			break;
		case PLACE_PAGE:
			err = pools_each_run(r->p, find_in_pages, r);
			break;
		case PLACE_OUTSIDE:
			err = pools_each_run(r->p, find_in_words, r);
			break;
		case PLACE_ANYWHERE:
			err = find_anywhere(r);
			break;
		case PLACE_POINTER:
		case PLACE_VARIABLE:
			err = find_by_name(r, r->l->finds[i].symbol,
					   r->l->finds[i].place == PLACE_POINTER);
			break;
		}
	return err;
}

/* ---- the tree */

/* Children that no search came to, in the order in which they were met. */
static struct err *follow_children(struct reader *r)
{
	const struct pool_layout *l = r->l;
	struct err *err = NULL;

	if (!has(l->head.child))
		return NULL;
	for (size_t i = 0; i < r->heads.n && !err; i++) {
		taddr at = word(r, r->heads.v[i].at + l->head.child), seen = 0;

		for (uint64_t n = 1; at && at != seen && !err && r->steps++ < STEPS_MAX; n++) {
			if (!(n & (n - 1)))
				seen = at;
			err = try_head(r, at, at, 1);
			at = has(l->head.sibling) ? word(r, at + l->head.sibling) : 0;
		}
	}
	return err;
}

static void find_parents(struct reader *r)
{
	for (size_t i = 0; i < r->heads.n; i++) {
		taddr at =
			has(r->l->head.parent) ? word(r, r->heads.v[i].at + r->l->head.parent) : 0;
		uintptr_t no = at ? (uintptr_t)addrmap_get(&r->by_head, at) : 0;

		r->heads.v[i].parent = no ? (uint32_t)no - 1 : POOL_NONE;
	}
}

/* Steps to the outermost, which a pool that is its own ancestor becomes itself. */
static void find_depths(struct reader *r)
{
	struct head *heads = r->heads.v;

	for (uint32_t i = 0; i < r->heads.n; i++) {
		uint32_t up = i, steps = 0;

		for (; heads[up].parent != POOL_NONE && !heads[up].depth;
		     up = heads[up].parent, steps++) {
			heads[up].seen = i + 1;
			if (heads[heads[up].parent].seen == i + 1) {
				diag(r->p->env, "pool/own-ancestor", heads[up].at,
				     "%s at 0x%llx is an ancestor of itself", r->l->name,
				     (unsigned long long)heads[up].at);
				heads[up].parent = POOL_NONE;
				break;
			}
		}
		steps += heads[up].depth;
		for (up = i; heads[up].parent != POOL_NONE && !heads[up].depth;
		     up = heads[up].parent)
			heads[up].depth = steps--;
	}
}

static int by_depth(const void *pa, const void *pb)
{
	const struct head *const *a = pa, *const *b = pb;

	if ((*a)->depth != (*b)->depth)
		return (*a)->depth < (*b)->depth ? -1 : 1;
	return ((*a)->at > (*b)->at) - ((*a)->at < (*b)->at);
}

static void find_name(struct reader *r, const struct head *h, struct pool *ret)
{
	const struct pool_layout *l = r->l;
	taddr at = has(l->head.name) ? word(r, h->at + l->head.name) : 0;
	struct symbol sym;

	if (at) {
		ret->name = pools_literal(r->p, at);
		ret->ident = ret->name ? NULL : pools_data(r->p, at);
	} else if (has(l->head.text)) {
		ret->ident = pools_data_n(r->p, h->at + l->head.text, l->head.text_max);
	} else if (!has(l->head.name) && image_symbol_at(r->p->img, h->at, &sym) && sym.is_object) {
		ret->name = sym.name;
	}
}

static struct err *add_pool(struct reader *r, struct head *h)
{
	struct pool pool = { .addr = h->at, .kind = r->kind, .parent = POOL_NONE };
	struct content c = {};
	struct room room;
	struct err *err;

	if (h->parent != POOL_NONE)
		pool.parent = r->heads.v[h->parent].pool;
	find_name(r, h, &pool);
	err = pools_add(r->p, &pool, &h->pool);
	if (err)
		return err;
	c.pool = h->pool;
	err = look(r, h, &c);
	content_fits(r, h, &c); /* it did before: for what is free */
	if (!err)
		err = walk_spare(r, h, &c);
	if (!err && find_room(r, h->place, &room) && room.is_block && room.start == h->place &&
	    room.end - h->at - r->l->head.size < FILLS)
		err = pools_add_head(r->p, h->pool, h->place);
	if (err)
		return err;
	if (c.broken)
		diag(r->p->env, "pool/broken-list", h->at,
		     "%s at 0x%llx: its list of chunks leads nowhere behind %u of them", r->l->name,
		     (unsigned long long)h->at, c.n);
	r->p->v[h->pool].bytes = c.bytes;
	r->p->v[h->pool].free = c.broken ? UINT64_MAX : c.free;
	r->p->v[h->pool].counts = has(r->l->head.total);
	r->p->v[h->pool].agrees = has(r->l->head.total) && !c.broken;
	return NULL;
}

/* No chunk is two pools': layouts of two releases may fit the same one, and the first is right. */
static struct err *add_if_free(struct reader *r, struct head *h, struct addrmap *taken)
{
	taddr first = has(r->l->head.first) ? word(r, h->at + r->l->head.first) : h->place;

	h->pool = POOL_NONE;
	if (addrmap_get(taken, first))
		return NULL;
	return addrmap_put(taken, first, r) ? add_pool(r, h) : &err_nomem;
}

static struct err *add_pools(struct reader *r, struct addrmap *taken)
{
	_free_ struct head **order = calloc(r->heads.n + 1, sizeof(*order));
	struct err *err = NULL;

	if (!order)
		return &err_nomem;
	find_parents(r);
	find_depths(r);
	for (size_t i = 0; i < r->heads.n; i++)
		order[i] = &r->heads.v[i];
	qsort(order, r->heads.n, sizeof(*order), by_depth);
	for (size_t i = 0; i < r->heads.n && !err; i++)
		err = add_if_free(r, order[i], taken);
	return err;
}

/* ---- whether it is at home */

/* Its address is in the data of another module: in a table of what that one calls. */
static bool is_called(const struct image *img, const struct symbol *sym)
{
	uint64_t left = CALLS_MAX;

	if (sym->module && sym->module->is_exe)
		return true; /* linked in, because it is called */
	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *seg = &img->segments[i];
		uint64_t n = seg->end - seg->start;

		if (!seg->bytes || seg->module < 0 || seg->flags & SEG_X || n > left ||
		    &img->modules[seg->module] == sym->module)
			continue;
		left -= n;
		for (uint64_t k = 0; k + 8 <= n; k += 8) {
			uint64_t v;

			memcpy(&v, seg->bytes + k, 8);
			if (v == sym->addr) {
				image_keep_bytes(img, seg->bytes + k, 8);
				return true;
			}
		}
	}
	return false;
}

static bool is_needed(struct pools *p, enum layout_need kind, const char *name)
{
	const struct image *img = p->img;
	struct symbol sym;

	switch (kind) {
	case NEED_MODULE:
		return pools_has_module(img, name);
	case NEED_SYMBOL:
		return image_symbol(img, NULL, name, &sym);
	case NEED_CALL:
		return image_symbol(img, NULL, name, &sym) && is_called(img, &sym);
	case NEED_TEXT:
		return pools_may_have_text(p, name);
	}
	return false;
}

/* Where a text could have said it, nothing else does that has no symbol. */
static bool is_home(struct pools *p, const struct pool_layout *l)
{
	bool has_text = false;

	for (unsigned i = 0; i < l->n_needs; i++) {
		if (is_needed(p, l->needs[i].kind, l->needs[i].name))
			return true;
		has_text |= l->needs[i].kind == NEED_TEXT;
	}
	return !l->n_needs || (!has_text && pools_is_nameless(p));
}

/* How far it came, for who wrote it. */
static void say_none(const struct reader *r)
{
	if (!r->fit) {
		diag(r->p->env, "pool/none", ERR_NOWHERE,
		     "layout %s found no pool: where it looks (find), nothing has what it says of a head (head.*)",
		     r->l->name);
		return;
	}
	diag(r->p->env, "pool/none", r->first_fit,
	     "layout %s found no pool: %" PRIu64 " %s what it says of a head, first at 0x%" PRIx64 ", but %s",
	     r->l->name, r->fit, r->fit == 1 ? "place has" : "places have", r->first_fit,
	     r->sound ? "too little proves it (self, total, chunk.owner, a u64 magic, chunks that fill their blocks would)" :
			"none has chunks as it says (head.first, chunk.*)");
}

static struct err *finish(struct reader *r, struct addrmap *taken, bool is_users)
{
	struct err *err = follow_children(r);

	if (!err)
		err = add_pools(r, taken);
	if (r->steps >= STEPS_MAX)
		diag(r->p->env, "pool/limit", ERR_NOWHERE,
		     "lists of %s were not followed to their ends", r->l->name);
	if (!err && is_users && !r->heads.n)
		say_none(r);
	return err;
}

struct layout_search {
	struct image_window window; /* of all readers */
	struct addrmap taken;	    /* first chunks of pools */
	bool are_users;
	size_t n;
	struct reader readers[];
};

static bool is_code(const struct segment *seg)
{
	return seg->flags & SEG_X;
}

struct err *pools_open_layouts(struct pools *p, const struct pool_layouts *layouts, bool are_users,
			       struct layout_search **ret)
{
	size_t max = layouts ? layouts->n : 0;
	struct layout_search *s = calloc(1, sizeof(*s) + max * sizeof(s->readers[0]));
	struct err *err = NULL;

	if (!s)
		return &err_nomem;
	*ret = s;
	s->are_users = are_users;
	for (size_t i = 0; i < max && !err; i++) {
		struct reader *r = &s->readers[s->n];

		if (!is_home(p, &layouts->v[i]))
			continue;
		s->n++;
		*r = (struct reader){
			.p = p,
			.l = &layouts->v[i],
			.kind = arena_strdup(&p->mem, layouts->v[i].name),
			.window = &s->window,
			.code = word_spans(p->img, is_code),
		};
		err = r->kind ? find_heads(r) : &err_nomem;
	}
	return err;
}

struct err *pools_find_layouts(struct layout_search *s)
{
	struct err *err = NULL;

	for (size_t i = 0; i < s->n && !err; i++)
		err = finish(&s->readers[i], &s->taken, s->are_users);
	return err;
}

void pools_close_layouts(struct layout_search *s)
{
	for (size_t i = 0; s && i < s->n; i++)
		reader_fini(&s->readers[i]);
	if (s)
		addrmap_fini(&s->taken);
	free(s);
}
