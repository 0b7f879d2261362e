/*
 * type/scan.c - memory -> edges: word by word where nobody knows better, slot by slot in the blocks
 * of precise heaps.
 *
 * One sequential pass.  The source of a word is found by counting start bits, its target by the
 * block index, in batches of 64 words: while one is filled the index lines of the one before come
 * into the cache, for a lookup alone would wait for memory (docs/design/graph.md).
 */
#include "type/scan.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/fetch.h"
#include "base/guard.h"
#include "base/par.h"
#include "base/search.h"
#include "base/words.h"
#include "image/python.h"
#include "image/resident.h"
#include "type/gobject.h"
#include "type/interior.h"
#include "type/python_gc.h"
#include "type/relative.h"

enum {
	CHUNK = 512,		  /* bytes compared at once: 64 words */
	BATCH = 64,		  /* words that wait for their index lines together, at least */
	BATCH_ROOM = BATCH + CHUNK / 8,
	FETCH_BYTES = 2048,	  /* that lie between what is compared and what is asked for */
	SLOT_WORDS = 2048,	  /* words whose slots are asked for at once */
	ROOM = 1 << 17, /* edges: more than are under way */
	ROW_WINDOW = 1 << 12, /* nodes whose rows are begun at once: whole groups of rows */
	RANGE_NODES = 1 << 18,	  /* a unit of parallel work; whole row blocks */
	LEAVE_BYTES = 1 << 20,	  /* after so many it is seen how much was looked at elsewhere: */
	LEAVE_LOOKS = 96,	  /* each may take 2 MiB into memory */
	LEAVE_STEPS = 1,	  /* more in so few steps: they are looked at again and again */
	LEAVE_RANGES = 8,	  /* after so many everything is */
};

/* Inside of the loop over a batch a call costs more than the lookup. */
#define FAST_PASS inline __attribute__((always_inline))

struct scan scan_init(const struct image *img, const struct blocks *blocks)
{
	const struct grains *g = &blocks->grains;
	struct scan s = { .img = img, .blocks = blocks };
	struct symbol sym;

	grains_range(g, &s.low, &s.span);
	for (size_t i = 0; i < blocks->n_claims; i++)
		if (blocks->claims[i].overhead > s.overhead_max)
			s.overhead_max = blocks->claims[i].overhead;
	s.has_talloc = image_symbol(img, NULL, "talloc_version_major", &sym);
	s.has_gobject = image_symbol(img, NULL, "g_object_unref", &sym);
	s.loose_low = blocks->unit_heap ? blocks->loose_low : s.low;
	s.loose_span = blocks->unit_heap ? blocks->loose_high - blocks->loose_low : s.span;
	return s;
}

/* The size of the block at a grain, from the start bits. */
static uint64_t block_bytes(const struct grains *g, uint64_t grain)
{
	uint64_t w = grain >> 6, rest = g->words[w].start & ~(~0ull >> (63 - (grain & 63)));

	while (!rest) /* the guard word ends it */
		rest = g->words[++w].start;
	return ((w << 6 | (uint64_t)__builtin_ctzll(rest)) - grain) << g->shift;
}

static uint64_t start_grain(const struct grains *g, uint64_t grain)
{
	uint64_t w = grain >> 6, upto = g->words[w].start & (~0ull >> (63 - (grain & 63)));

	while (!upto)
		upto = g->words[--w].start; /* the first unit begins with a start */
	return w << 6 | (uint64_t)(63 - __builtin_clzll(upto));
}

/* Rare enough for a search of the claims: the block's own end decides, and maybe its contents. */
static __attribute__((noinline)) uint32_t interior_target(const struct scan *s, uint64_t value, uint64_t grain, uint32_t id,
							  unsigned *looks)
{
	const struct grains *g = &s->blocks->grains;
	uint64_t at = start_grain(g, grain), bytes = block_bytes(g, at);
	taddr start = grain_key(g, at);
	const struct claim *claim;
	uint64_t overhead;

	if (tagged_is_start(s->tagged, value - start))
		return id;
	if (bytes - (value - start) > s->overhead_max && !interior_may_be_start(value - start, value) &&
	    !(value & 1 && (value - start <= SDS_HEADER_MAX || s->img->python)))
		return id | EDGE_INTERIOR;
	claim = blocks_claim_at(s->blocks, start);
	overhead = claim ? claim->overhead : 0;
	if (bytes < overhead || value - start >= bytes - overhead)
		return NODE_NONE; /* the allocator's own words behind the block: one past its end */
	if (s->pooled && !(value & 7) && bit_get(s->pooled, id))
		return id;
	if (claim && claim->aligned_inside && interior_is_aligned(start, value))
		return id;
	if (s->has_talloc && interior_is_talloc(s->img, start, value))
		return id;
	if (interior_is_ralloc(s->img, start, value) ||
	    interior_is_glib_box(s->img, start, bytes - overhead, value) ||
	    interior_is_zend(s->img, start, bytes - overhead, value))
		return id;
	if (value & 1 && interior_is_sds(s->img, start, bytes - overhead, value))
		return id;
	if (interior_is_link(s->img, value, bytes - overhead - (value - start)))
		return id;
	if (interior_buckets(s->img, start, bytes - overhead, value) &&
	    interior_is_hashbrown(s->img, start, bytes - overhead, value))
		return id;
	if (s->has_gobject && gobject_is_behind(s->img, start, value))
		return id;
	if (s->img->python && python_is_start(s->img, start, bytes - overhead, value))
		return id;
	if (s->blocks->plain && bytes <= PLAIN_LEAST && bit_get(s->blocks->plain, id))
		return id | EDGE_INTERIOR; /* as would be found, without a look at the dump */
	++*looks;
	return interior_is_start(s->img, start, bytes - overhead, value) ? id : id | EDGE_INTERIOR;
}

static inline bool in_precise_heap(const struct blocks *b, uint64_t grain)
{
	const struct claim *claim;
	uint8_t kind = b->unit_heap[grain >> b->grains.unit_shift];

	if (kind != UNIT_MIXED)
		return kind == UNIT_PRECISE;
	claim = blocks_claim_at(b, grain_key(&b->grains, grain));
	return claim && blocks_is_precise(b, (size_t)(claim - b->claims));
}

/*
 * `self`: the block that the word is in, which is no target.  `held`: the one that a plain pointer in the same block
 * was found to lead to just before, as a vector's start is before its end: nothing is told by another into it.
 * `looks` counts those at the dump.
 */
static FAST_PASS uint32_t target_at(const struct scan *s, uint64_t value, uint64_t grain, bool exact,
				    uint32_t self, uint32_t held, unsigned *looks)
{
	const struct grains *g = &s->blocks->grains;
	const struct grain_word *w = &g->words[grain >> 6];
	unsigned no;
	uint32_t id = grain_block_no(w, grain, &no);

	if (id == self || id == held || !block_is_used_no(s->blocks, w, id, no))
		return NODE_NONE;
	if (s->blocks->unit_heap && in_precise_heap(s->blocks, grain))
		return exact ? id : NODE_NONE;
	return grain_is_start(g, grain, value) ? id : interior_target(s, value, grain, id, looks);
}

uint32_t scan_target(const struct scan *s, uint64_t value)
{
	unsigned looks = 0;
	uint64_t grain;

	if (value - s->loose_low >= s->loose_span)
		return NODE_NONE;
	grain = grain_of(&s->blocks->grains, value);
	return grain == GRAIN_NONE ? NODE_NONE : target_at(s, value, grain, false, NODE_NONE, NODE_NONE, &looks);
}

uint32_t scan_pointer(const struct scan *s, uint64_t value)
{
	unsigned looks = 0;
	uint64_t grain;

	if (value - s->low >= s->span)
		return NODE_NONE;
	grain = grain_of(&s->blocks->grains, value);
	return grain == GRAIN_NONE ? NODE_NONE : target_at(s, value, grain, true, NODE_NONE, NODE_NONE, &looks);
}

static bool is_link(const struct scan *s, taddr at)
{
	uint64_t grain = grain_of(&s->blocks->grains, at);

	return grain != GRAIN_NONE && bit_get(s->links, py_gc_bit(&s->blocks->grains, grain, at));
}

taddr scan_address(const struct scan *s, taddr at, uint64_t value)
{
	const struct grains *g = &s->blocks->grains;
	uint64_t grain = s->relative ? grain_of(g, at) : GRAIN_NONE;

	if (grain == GRAIN_NONE || !bit_get(s->relative, relative_bit(g, grain, at)))
		return value;
	return grain_key(g, start_grain(g, grain)) + value;
}

/* Bit i: word i (of n <= 64) from `at` on, whose grain that is, is such a distance. */
static __attribute__((noinline)) uint64_t relative_words(const struct scan *s, uint64_t grain, taddr at, unsigned n)
{
	uint64_t mask = 0, bit;

	if (grain == GRAIN_NONE)
		return 0;
	bit = relative_bit(&s->blocks->grains, grain, at);
	for (unsigned i = 0; i < n; i++)
		mask |= (uint64_t)bit_get(s->relative, bit + i) << i;
	return mask;
}

struct err *scan_range(const struct scan *s, taddr start, taddr end, scan_fn *fn, void *arg)
{
	taddr at = align_up(start, 8);

	while (s->loose_span && at < end && end - at >= 8) {
		uint64_t avail = 0;
		const uint8_t *bytes = image_view(s->img, at, &avail);
		const struct segment *seg;

		if (!bytes || avail < 8) { /* nothing dumped here: go on with what comes next */
			seg = image_segment(s->img, at);
			at = seg ? align_up(seg->end, 8) : align_up(at + 1, 4096);
			continue;
		}
		if (avail > end - at)
			avail = end - at;
		for (uint64_t off = 0; avail - off >= 8;) {
			unsigned n = avail - off < CHUNK ? (unsigned)((avail - off) / 8) : CHUNK / 8;

			uint64_t mask = words_in_range(s->loose_low, s->loose_span, bytes + off, n);

			if (s->relative)
				mask |= relative_words(s, grain_of(&s->blocks->grains, at + off), at + off, n);
			for (; mask; mask &= mask - 1) {
				uint64_t word = off + 8 * (uint64_t)__builtin_ctzll(mask);
				uint64_t value = scan_address(s, at + word, load_u64(bytes + word));
				uint32_t target;
				struct err *err;

				if ((s->pages && !bit_get(s->pages, SCAN_PAGE(value))) || (s->links && is_link(s, at + word)))
					continue;
				target = scan_target(s, value);
				err = target == NODE_NONE ? NULL : fn(arg, at + word, target);
				if (err)
					return err;
			}
			off += 8 * n;
		}
		at = align_up(at + avail, 8);
	}
	return NULL;
}

/* Where the next bytes after a hole are; 0 = nowhere. */
static taddr after_hole(const struct image *img, taddr at)
{
	const struct segment *seg = image_segment(img, at);
	taddr next = seg ? align_up(seg->end, 8) : align_up(at + 1, 4096);

	return next > at ? next : 0;
}

struct err *scan_block(const struct scan *s, taddr start, taddr end, scan_fn *fn, void *arg)
{
	const struct blocks *b = s->blocks;
	const struct claim *claim = blocks_claim_at(b, start);
	size_t no = claim ? (size_t)(claim - b->claims) : 0;
	const struct heap *heap = claim ? &b->heaps[b->claim_heap[no]] : NULL;

	if (!heap || !heap->ops->precise)
		return scan_range(s, start, end, fn, arg);
	for (taddr at = start; end - at >= 8;) {
		uint64_t slots[SLOT_WORDS / 64];
		unsigned n = end - at < 8 * SLOT_WORDS ? (unsigned)((end - at) / 8) : SLOT_WORDS;

		memset(slots, 0xff, sizeof(slots));
		if (heap->ops->slots)
			heap->ops->slots(heap->ctx, b->claim_no[no], at, n, slots);
		for (unsigned i = 0; i < n; i++, at += 8) {
			uint64_t value;
			uint32_t target;
			struct err *err;

			if (image_read_u64(s->img, at, &value))
				continue;
			target = bit_get(slots, i) ? scan_pointer(s, value) : scan_target(s, value);
			err = target == NODE_NONE ? NULL : fn(arg, at, target);
			if (err)
				return err;
		}
	}
	return NULL;
}

/* ---- the fast pass ---- */

/* A word whose index line is on its way. */
struct pending {
	uint64_t value, grain;
	uint32_t src;
	bool exact;
	uint8_t slot; /* as in graph.slot, if that is wanted */
};

/* Words found in a row. */
struct batch {
	unsigned n;
	struct pending words[BATCH_ROOM];
};

/* Edges in order; `slot` is not open unless it is wanted. */
struct edge_cols {
	struct col dst, slot;
};

static void edge_cols_close(struct edge_cols *c)
{
	col_close(&c->dst);
	col_close(&c->slot);
}

static struct err *edge_cols_open(struct env *env, const struct scan *s, uint64_t max,
				  struct edge_cols *ret)
{
	struct err *err = col_open(env, 4, max, "edges", &ret->dst);

	return err || !s->wants_slots ? err : col_open(env, 1, max, "edges", &ret->slot);
}

/* Edges of one range of nodes. */
struct range {
	const struct scan *s;
	/* of the graph: each range fills its own part, whose bases are relative until it is joined */
	struct edge_row_cols *rows;
	struct edge_cols to;
	uint32_t *out;	   /* to.dst.base */
	uint8_t *out_slot; /* to.slot.base */
	uint64_t n_out, room; /* edges there are, and may be: to.dst.n is brought up with the next room */
	uint32_t last_src, last_dst;
	uint32_t first_row;	   /* of the window; rows before it are begun */
	edge_id before;		   /* where that one's edges begin */
	edge_id ends[ROW_WINDOW]; /* of the edges found so far, by node; 0: none, or a node without */
	struct err *err;	   /* of rows: no more are begun */
	struct batch batches[2];  /* one is filled while the lines of the other come */
	unsigned filling;	  /* which */
	unsigned looks; /* at targets, anywhere in memory, */
	unsigned steps; /* in so many LEAVE_BYTES */
};

/* Begins the rows of the window's first n nodes, whose edges have all been found. */
static void begin_rows(struct range *r, uint32_t n)
{
	edge_id at = r->before;

	for (uint32_t i = 0; i < n; i++) {
		edge_id end = r->ends[i];

		r->ends[i] = at;
		at = end ? end : at;
	}
	if (!r->err)
		r->err = edge_rows_begin_all(r->rows, r->first_row, r->ends, n);
	memset(r->ends, 0, n * sizeof(*r->ends));
	r->first_row += n;
	r->before = at;
}

/* Rows of all nodes before `upto`. Not inline: the pass over the words stays small. */
static __attribute__((noinline)) void begin_rows_before(struct range *r, uint64_t upto)
{
	while (r->first_row < upto)
		begin_rows(r, upto - r->first_row < ROW_WINDOW ? (uint32_t)(upto - r->first_row) : ROW_WINDOW);
}

/* Looks up the words of a batch, whose lines have come. */
static struct err *finish(struct range *r, struct batch *b)
{
	const struct scan *s = r->s;
	uint32_t last_src = r->last_src, last_dst = r->last_dst;
	uint64_t n_out = r->n_out;

	for (unsigned i = 0; i < b->n; i++) {
		const struct pending *p = &b->words[i];
		uint32_t held = p->src == last_src ? last_dst : NODE_NONE;
		uint32_t target = target_at(s, p->value, p->grain, p->exact, p->src, held, &r->looks);

		if (target == NODE_NONE)
			continue;
		if (p->src - r->first_row >= ROW_WINDOW)
			begin_rows_before(r, p->src & ~(ROW_WINDOW - 1u));
		r->out[n_out] = target; /* a repeated one is written over by the next: nobody can foretell it */
		if (r->out_slot)
			r->out_slot[n_out] = p->slot;
		n_out += (p->src != last_src) | (target != last_dst);
		last_src = p->src;
		last_dst = target;
		r->ends[p->src - r->first_row] = n_out;
	}
	b->n = 0;
	r->n_out = n_out;
	r->last_src = last_src;
	r->last_dst = last_dst;
	return take(&r->err);
}

/*
 * Of the word at an address, whose grain that is.  A block that is small enough starts in this word
 * of start bits or the one before, and ends in this one or the next.
 */
static inline uint8_t slot_of(const struct grains *g, uint64_t grain, taddr at)
{
	const struct grain_word *w = &g->words[grain >> 6];
	uint64_t base = grain & ~63ull, upto = ~0ull >> (63 - (grain & 63));
	uint64_t before = w->start & upto, behind = w->start & ~upto, start, end, size;

	if (before)
		start = base + 63 - (uint64_t)__builtin_clzll(before);
	else if (base && w[-1].start)
		start = base - 1 - (uint64_t)__builtin_clzll(w[-1].start);
	else
		return SLOT_UNKNOWN;
	if (behind)
		end = base + (uint64_t)__builtin_ctzll(behind);
	else if (w[1].start)
		end = base + 64 + (uint64_t)__builtin_ctzll(w[1].start);
	else
		return SLOT_UNKNOWN;
	size = (end - start) << g->shift;
	if (size > SLOT_BLOCK)
		return SLOT_UNKNOWN;
	return (uint8_t)((((grain - start) << g->shift) + (at & ((1u << g->shift) - 1))) / 8);
}

/* The word at `at`, whose grain is `from`; only if `src` is in use. */
static inline void add_word(struct range *r, struct batch *b, uint64_t value, uint32_t src,
			    bool is_used, bool exact, uint64_t from, taddr at)
{
	const struct grains *g = &r->s->blocks->grains;
	uint64_t grain = grain_of(g, value);
	struct pending *p = &b->words[b->n];

	*p = (struct pending){ value, grain, src, exact, 0 };
	if (r->out_slot)
		p->slot = slot_of(g, from, at);
	if (grain == GRAIN_NONE)
		return;
	__builtin_prefetch(&g->words[grain >> 6]);
	b->n += is_used;
}

static void end_room(struct range *r)
{
	r->to.dst.n = r->n_out;
	if (r->s->wants_slots)
		r->to.slot.n = r->n_out;
}

/* Room for the edges of the next 64 words and of all that are pending. */
static struct err *make_room(struct range *r)
{
	uint32_t *room;
	uint8_t *slots;
	struct err *err;

	if (r->err)
		return take(&r->err);
	if (r->room - r->n_out > 2 * BATCH_ROOM)
		return NULL;
	end_room(r);
	err = col_reserve(&r->to.dst, ROOM / 2, &room);
	if (!err && r->s->wants_slots)
		err = col_reserve(&r->to.slot, ROOM / 2, &slots);
	r->room = r->n_out + ROOM / 2;
	r->out = r->to.dst.base;
	r->out_slot = r->to.slot.base;
	return err;
}

/* Where the next 64 words go: what fell due before is looked up. */
static struct err *next_words(struct range *r, struct batch **ret)
{
	struct err *err = make_room(r);

	if (!err && r->batches[r->filling].n >= BATCH) {
		r->filling ^= 1;
		err = finish(r, &r->batches[r->filling]);
	}
	*ret = &r->batches[r->filling];
	return err;
}

/* Words [0, n) at `bytes`, whose address is `at`: no more than 64, in one or more used blocks. */
static struct err *scan_words(struct range *r, const uint8_t *bytes, unsigned n, taddr at)
{
	const struct scan *s = r->s;
	const struct grains *g = &s->blocks->grains;
	uint64_t mask = words_in_range(s->loose_low, s->loose_span, bytes, n), first;
	uint64_t over = at & ((1u << g->shift) - 1);
	struct batch *batch;
	struct err *err;

	if (s->relative)
		mask |= relative_words(s, grain_of(g, at), at, n);
	if (!mask)
		return NULL;
	err = next_words(r, &batch);
	if (err)
		return err;
	first = grain_of(g, at); /* the others follow it: all is one claim */
	for (; mask; mask &= mask - 1) {
		unsigned i = (unsigned)__builtin_ctzll(mask), no;
		uint64_t grain = first + ((over + 8 * i) >> g->shift), value = load_u64(bytes + 8 * i);
		const struct grain_word *w = &g->words[grain >> 6];
		uint32_t src = grain_block_no(w, grain, &no);

		if (s->links && bit_get(s->links, py_gc_bit(g, grain, at + 8 * i)))
			continue;
		if (s->relative)
			value = scan_address(s, at + 8 * i, value);
		add_word(r, batch, value, src, block_is_used_no(s->blocks, w, src, no), false, grain, at + 8 * i);
	}
	return NULL;
}

/* Bytes whose address is `start`; what is read of the dump is left behind. */
static struct err *scan_bytes(struct range *r, const uint8_t *bytes, uint64_t n, taddr start)
{
	for (uint64_t off = 0; n - off >= 8; off += CHUNK) {
		unsigned words = n - off < CHUNK ? (unsigned)((n - off) / 8) : CHUNK / 8;
		struct err *err;

		fetch_stream(bytes, n, off + FETCH_BYTES, CHUNK);
		err = scan_words(r, bytes + off, words, start + off);
		if (err)
			return err;
		if (n - off < CHUNK)
			break;
	}
	r->steps++;
	if (r->looks >= LEAVE_LOOKS) {
		if (r->steps > LEAVE_STEPS)
			image_leave_all(r->s->img);
		r->looks = r->steps = 0;
	}
	return NULL;
}

/* All bytes of [start, end), which lies in one run of units. */
static struct err *scan_stretch(struct range *r, taddr start, taddr end)
{
	for (taddr from = start, taken = start; start < end;) {
		uint64_t avail = 0;
		const uint8_t *bytes = image_view(r->s->img, start, &avail);
		struct err *err;

		if (!bytes || avail < 8) {
			start = after_hole(r->s->img, start);
			if (!start)
				return NULL;
			continue;
		}
		if (avail > end - start)
			avail = end - start;
		if (avail > LEAVE_BYTES)
			avail = LEAVE_BYTES;
		if (start >= taken && end - start >= LEAVE_BYTES) {
			image_leave(r->s->img, from, start);
			from = start;
			taken = end - start < RESIDENT_WINDOW ? end : start + RESIDENT_WINDOW;
			image_expect(r->s->img, start, taken);
		}
		err = scan_bytes(r, bytes, avail, start);
		if (err)
			return err;
		start = align_up(start + avail, 8);
	}
	return NULL;
}

/* What is scanned of a precise heap: part of one claim. */
struct slotted {
	const struct heap *heap;
	uint32_t claim;	  /* the walker's number */
	taddr from;	  /* of a grain */
	uint64_t grain;	  /* that grain */
};

/* Words [0, n) at `bytes`, no more than 64: the slots, and what may point at loose blocks by chance. */
static inline struct err *scan_slots(struct range *r, const struct slotted *c, const uint8_t *bytes, unsigned n,
				     taddr at, uint64_t slots)
{
	const struct scan *s = r->s;
	const struct blocks *b = s->blocks;
	uint64_t mask = slots ? words_in_range(s->low, s->span, bytes, n) & slots : 0;
	struct batch *batch;
	struct err *err;

	if (s->loose_span)
		mask |= words_in_range(s->loose_low, s->loose_span, bytes, n) & ~slots;
	if (!mask)
		return NULL;
	err = next_words(r, &batch);
	if (err)
		return err;
	for (; mask; mask &= mask - 1) {
		unsigned i = (unsigned)__builtin_ctzll(mask);
		uint64_t grain = c->grain + ((at + 8 * i - c->from) >> b->grains.shift);
		uint32_t src = grain_block(&b->grains, grain);

		add_word(r, batch, load_u64(bytes + 8 * i), src, block_is_used(b, src), slots >> i & 1, grain, at + 8 * i);
	}
	return NULL;
}

/* [start, end) of one claim of a precise heap. */
static struct err *scan_precise(struct range *r, const struct slotted *c, taddr start, taddr end)
{
	while (start < end) {
		uint64_t slots[SLOT_WORDS / 64], avail = 0;
		const uint8_t *bytes = image_view(r->s->img, start, &avail);
		unsigned n;

		if (!bytes || avail < 8) {
			start = after_hole(r->s->img, start);
			if (!start)
				return NULL;
			continue;
		}
		if (avail > end - start)
			avail = end - start;
		n = avail < 8 * SLOT_WORDS ? (unsigned)(avail / 8) : SLOT_WORDS;
		if (!n)
			return NULL;
		memset(slots, 0xff, sizeof(slots));
		if (c->heap->ops->slots)
			c->heap->ops->slots(c->heap->ctx, c->claim, start, n, slots);
		for (unsigned i = 0; i < n; i += 64) {
			struct err *err = scan_slots(r, c, bytes + 8 * i, n - i < 64 ? n - i : 64, start + 8 * i,
						     slots[i / 64]);

			if (err)
				return err;
		}
		start += 8 * n;
	}
	return NULL;
}

static struct err *scan_claim(struct range *r, size_t i, taddr from, taddr to)
{
	const struct blocks *b = r->s->blocks;
	struct slotted c = { .heap = &b->heaps[b->claim_heap[i]], .claim = b->claim_no[i], .from = from };

	if (!c.heap->ops->precise)
		return r->s->loose_span ? scan_stretch(r, from, to) : NULL;
	if (b->claims[i].no_pointers && !r->s->loose_span)
		return NULL;
	c.grain = grain_of(&b->grains, from);
	return scan_precise(r, &c, from, to);
}

/* Of [start, end), what claims cover: the blocks of all others are fillers. */
static struct err *scan_claims(struct range *r, taddr start, taddr end)
{
	const struct blocks *b = r->s->blocks;
	/* the first claim that ends after `start` */
	size_t lo = partition_point(b->n_claims, i, b->claims[i].end + b->claims[i].bias <= start);

	for (; lo < b->n_claims; lo++) {
		taddr from = b->claims[lo].start + b->claims[lo].bias, to = b->claims[lo].end + b->claims[lo].bias;
		struct err *err;

		if (from >= end)
			break;
		err = scan_claim(r, lo, from > start ? from : start, to < end ? to : end);
		if (err)
			return err;
	}
	return NULL;
}

static struct err *flush(struct range *r)
{
	struct err *err = make_room(r);

	if (err)
		return err;
	err = finish(r, &r->batches[r->filling ^ 1]);
	if (!err)
		err = finish(r, &r->batches[r->filling]);
	end_room(r);
	return err;
}

/* The edges of one range that others before it were not ready for. */
struct scanned {
	struct edge_cols to;
	bool done;
};

/*
 * A range that is next in order writes to the end of the graph's own column, any other to one of
 * its own, which is copied when its turn comes: with one thread nothing is.
 */
struct job {
	const struct scan *s;
	struct env *env;
	struct edge_row_cols *rows;
	pthread_mutex_t lock;
	struct scanned *parts;
	uint64_t n_parts, next; /* the first range that is not in `to` */
	bool busy;		/* somebody writes to it */
	struct edge_cols to;
};

static taddr node_start(const struct grains *g, uint64_t id)
{
	if (id >= g->n)
		return g->unit_base[g->n_units - 1] + (1ull << UNIT_SHIFT);
	return grains_key(g, (uint32_t)id);
}

/* An edge is at least a word of its block; counted in grains, for between two heaps lies no memory. */
static uint64_t words_between(const struct grains *g, uint64_t first, uint64_t last)
{
	uint64_t end = last >= g->n ? grains_words(g) << 6 : grains_select(g, (uint32_t)last);

	return (end - grains_select(g, (uint32_t)first)) << g->shift >> 3;
}

/* Takes the graph's own if range `index` may write there; else opens columns for `max` edges. */
static struct err *begin_range(struct job *j, uint64_t index, uint64_t max, struct edge_cols *ret, bool *ret_direct)
{
	pthread_mutex_lock(&j->lock);
	*ret_direct = !j->busy && j->next == index;
	j->busy |= *ret_direct;
	pthread_mutex_unlock(&j->lock);
	if (!*ret_direct)
		return edge_cols_open(j->env, j->s, max, ret);
	*ret = j->to;
	return NULL;
}

/* The first range that waits, to the end of all before it. */
static struct err *append_next(struct job *j)
{
	struct edge_cols *part = &j->parts[j->next].to;
	uint64_t first = j->next * (RANGE_NODES >> ROW_BLOCK_SHIFT);
	uint64_t last = (j->s->blocks->grains.n - 1) >> ROW_BLOCK_SHIFT;
	uint64_t *base = j->rows->base.base;
	struct err *err;

	for (uint64_t b = first; b < first + (RANGE_NODES >> ROW_BLOCK_SHIFT) && b <= last; b++)
		base[b] += j->to.dst.n;
	err = col_append(&j->to.dst, part->dst.base, part->dst.n);
	if (!err && j->s->wants_slots)
		err = col_append(&j->to.slot, part->slot.base, part->slot.n);
	edge_cols_close(part);
	j->next++;
	return err;
}

static struct err *end_range(struct job *j, uint64_t index, const struct edge_cols *to, bool direct, struct err *err)
{
	pthread_mutex_lock(&j->lock);
	if (direct) {
		j->to = *to;
		j->busy = false;
		j->next += !err;
	} else {
		j->parts[index] = (struct scanned){ *to, !err };
	}
	while (!err && !j->busy && j->next < j->n_parts && j->parts[j->next].done)
		err = append_next(j);
	pthread_mutex_unlock(&j->lock);
	return err;
}

static struct err *scan_range_nodes(struct range *r, uint64_t first, uint64_t last)
{
	const struct grains *g = &r->s->blocks->grains;
	struct err *err = scan_claims(r, node_start(g, first), node_start(g, last));

	if (!err)
		err = flush(r);
	if (!err)
		begin_rows_before(r, last);
	if (r->looks || first / RANGE_NODES % LEAVE_RANGES == LEAVE_RANGES - 1)
		image_leave_all(r->s->img);
	else
		image_leave(r->s->img, node_start(g, first), node_start(g, last));
	return err ? err : r->err;
}

static struct err *scan_nodes(void *arg, uint64_t index, uint64_t first, uint64_t last)
{
	struct job *j = arg;
	_free_ struct range *r = calloc(1, sizeof(*r));
	struct err *err;
	bool direct;

	if (!r)
		return &err_nomem;
	r->s = j->s;
	r->rows = j->rows;
	r->first_row = (uint32_t)first;
	r->last_src = NODE_NONE;
	err = begin_range(j, index, words_between(&j->s->blocks->grains, first, last) + ROOM, &r->to, &direct);
	r->room = r->n_out = r->before = r->to.dst.n;
	if (!err)
		err = scan_range_nodes(r, first, last);
	return end_range(j, index, &r->to, direct, err);
}

struct err *scan_blocks(struct env *env, const struct scan *s, struct scan_columns *ret)
{
	uint64_t n = s->blocks->grains.n, n_parts = n / RANGE_NODES + (n % RANGE_NODES != 0);
	_free_ struct scanned *parts = calloc(n_parts + 1, sizeof(*parts));
	struct scan_columns cols = {};
	struct err *err = parts ? NULL : &err_nomem;
	struct job j = { .s = s, .env = env, .parts = parts, .n_parts = n_parts, .lock = PTHREAD_MUTEX_INITIALIZER };

	if (!err)
		err = edge_rows_open(env, n, &cols.rows);
	if (!err)
		err = edge_cols_open(env, s, (n ? words_between(&s->blocks->grains, 0, n) : 0) + ROOM, &j.to);
	if (!err) {
		j.rows = &cols.rows;
		err = par_ranges(env, n, RANGE_NODES, scan_nodes, &j);
	}
	if (!err)
		err = edge_rows_begin(&cols.rows, (node_id)n, j.to.dst.n);
	if (err) {
		for (uint64_t i = 0; parts && i < n_parts; i++)
			edge_cols_close(&parts[i].to);
		edge_rows_close(&cols.rows);
		edge_cols_close(&j.to);
		return err;
	}
	cols.dst = j.to.dst;
	cols.slot = j.to.slot;
	col_seal(&cols.dst);
	*ret = cols;
	return NULL;
}
