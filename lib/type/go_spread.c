/*
 * type/go_spread.c - the worklist of typed blocks, and the judgement of what points at them.
 *
 * What a pointer of type *T says of a block: that it begins with a T.  That it is one, its size tells:
 * the allocator's class for a T and no other.  So of two that fit the larger is right (the smaller
 * one is its first field), and where the class is another nothing is said, unless the collector's
 * own pointer words repeat as those of T would.
 *
 * Sixty-four lookups are under way at a time, for one alone would wait for memory (as in scan.c).
 */
#include "type/go_spread.h"


#include <stdlib.h>
#include <string.h>

#include "base/fetch.h"
#include "base/guard.h"
#include "base/vec.h"
#include "image/shadow.h"
#include "type/go_block.h"

enum {
	TILE_WORDS = 64, /* of a block, compared with a mask */
	MAP_BLOCK = 48,
	MAP_BYTES = 64, /* of any version's header */
	CHAN_BYTES = 96,
	COPY_MAX = 64 << 20, /* bytes of one block that lie in several segments */
};

struct err *spread_open(struct env *env, const struct image *img, const struct blocks *blocks,
			const struct go *go, struct shapes *shapes, struct type_columns *cols,
			struct spread *s)
{
	const struct grains *g = &blocks->grains;
	const struct go_type *sudog;

	*s = (struct spread){
		.env = env, .img = img, .blocks = blocks, .go = go, .shapes = shapes, .cols = cols
	};
	grains_range(g, &s->low, &s->span);
	s->stack = malloc(SPREAD_STACK * sizeof(*s->stack));
	s->classes = malloc(4097 * sizeof(*s->classes));
	if (!s->stack || !s->classes)
		return &err_nomem;
	for (uint64_t i = 0; i <= 4096; i++)
		s->classes[i] = (uint16_t)go_block_size(go, i ? 8 * i : 1, false);
	/* Descriptors that lie could have a block change its type for ever. */
	s->changes_left = 4 * (uint64_t)g->n;
	sudog = go_type_named(go, "runtime.sudog");
	s->sudog = sudog ? shape_value(shapes, sudog) : NULL;
	return col_fixed(env, 8, bits_words(g->n), "types", &s->later);
}

void spread_close(struct spread *s)
{
	free(s->stack);
	free(s->classes);
	free(s->by_id.v);
	col_close(&s->later);
	err_free(s->err);
	s->err = NULL;
}

static void fail(struct spread *s, struct err *err)
{
	if (s->err)
		err_free(err);
	else
		s->err = err;
}

static bool word_at(struct spread *s, taddr at, uint64_t *ret)
{
	uint64_t avail;
	const uint8_t *b = window_view(&s->window, s->img, at, &avail);

	if (!b || avail < 8)
		return false;
	image_keep_bytes(s->img, b, 8);
	*ret = load_u64(b);
	return true;
}

static const struct claim *claim_of(struct spread *s, taddr at)
{
	if (!s->claim || at - s->claim->start >= s->claim->end - s->claim->start)
		s->claim = blocks_claim_at(s->blocks, at);
	return s->claim;
}

/* Bytes before what the program holds, of a block of `size` bytes. */
static uint64_t head_of(struct spread *s, taddr at, uint64_t size)
{
	const struct claim *claim = size > 512 ? claim_of(s, at) : NULL;

	return claim ? claim->head : 0;
}

/* ---- blocks that are typed, and not yet followed */

/* What will be read of a block, into the cache: a dump's pages begin anywhere in a file's. */
static FETCHES void fetch(const struct spread *s, taddr at)
{
	if (!window_has(&s->window, at))
		return;
	__builtin_prefetch(s->window.bytes + (at - s->window.start));
	__builtin_prefetch(s->window.bytes + (at - s->window.start) + 56);
}

static void push(struct spread *s, taddr at, uint32_t id)
{
	if (s->count < SPREAD_STACK) {
		s->stack[s->count++] = (struct to_follow){ at, id };
	} else if (!bit_get(s->later.base, id)) {
		bit_set(s->later.base, id);
		s->n_later++;
	}
}

static bool intern(struct spread *s, struct shape *shape)
{
	struct text name = TEXT_INIT;
	struct type_row row = { .handle = (uintptr_t)shape,
				.language = LANG_GO,
				.confidence = CONF_RUNTIME,
				.typer = s->cols->typer };
	struct err *err;

	if (shape->id)
		return true;
	shape_name(s->shapes, shape, &name);
	row.name = text_str(&name);
	row.size = shape->size;
	err = types_intern(s->cols->types, &row, &shape->id);
	text_fini(&name);
	while (!err && s->by_id.n <= shape->id) {
		struct shape *none = NULL;

		if (!vec_push(&s->by_id, &none))
			err = &err_nomem;
	}
	if (err) {
		fail(s, err);
		return false;
	}
	s->by_id.v[shape->id] = shape;
	return true;
}

static void assign(struct spread *s, taddr at, uint32_t id, struct shape *shape, uint8_t confidence)
{
	if (!shape->id && !intern(s, shape))
		return;
	s->cols->type[id] = shape->id;
	s->cols->confidence[id] = confidence;
	if (shape->has_pointers)
		push(s, at, id);
}

void spread_exact(struct spread *s, taddr at, uint32_t id, struct shape *shape)
{
	if (s->cols->confidence[id] < TYPE_EXACT)
		assign(s, at, id, shape, TYPE_EXACT);
}

static struct shape *shape_now(const struct spread *s, uint32_t id)
{
	type_id type = s->cols->type[id];

	return type < s->by_id.n ? s->by_id.v[type] : NULL;
}

/* ---- judgement */

static uint64_t block_size_for(const struct spread *s, uint64_t n, bool scan)
{
	return n <= 512 ? s->classes[(n + 7) / 8] : go_block_size(s->go, n, scan);
}

/* Where a block lies, and what of it. */
struct place {
	taddr at;
	uint64_t size, head, offset; /* of the pointer, behind the head */
};

static uint64_t start_grain(const struct grains *g, uint64_t grain)
{
	uint64_t w = grain >> 6, upto = g->words[w].start & (~0ull >> (63 - (grain & 63)));

	while (!upto)
		upto = g->words[--w].start; /* the first unit begins with a start */
	return w << 6 | (uint64_t)(63 - __builtin_clzll(upto));
}

static bool find_place(struct spread *s, const struct candidate *c, struct place *ret)
{
	const struct grains *g = &s->blocks->grains;
	uint64_t start =
		grain_is_start(g, c->grain, c->value) ? c->grain : start_grain(g, c->grain);

	ret->at = grain_key(g, start);
	ret->size = (grain_next_start(g, c->grain) - start) << g->shift;
	ret->head = head_of(s, ret->at, ret->size);
	if (c->value - ret->at < ret->head)
		return false;
	ret->offset = c->value - ret->at - ret->head;
	return true;
}

/* Bit i: word i of the block may hold a pointer, as the collector knows; false: not known. */
static bool slots_of(struct spread *s, taddr at, unsigned n, uint64_t *mask)
{
	const struct claim *claim = claim_of(s, at);
	const struct heap *heap;

	if (!claim)
		return false;
	heap = &s->blocks->heaps[s->blocks->claim_heap[claim - s->blocks->claims]];
	if (!heap->ops->slots)
		return false;
	heap->ops->slots(heap->ctx, s->blocks->claim_no[claim - s->blocks->claims], at, n, mask);
	return true;
}

/* The collector's words of a block are those of values of `type` one after another. */
static bool is_tiled(struct spread *s, const struct place *p, const struct go_type *type)
{
	uint64_t words = (p->size - p->head) / 8, n = words < TILE_WORDS ? words : TILE_WORDS, have;
	const uint64_t *mask = go_type_mask(s->go, type);
	uint64_t tile = type->size / 8;

	if (!mask || type->size % 8 || !slots_of(s, p->at + p->head, (unsigned)n, &have))
		return false;
	/* The last tile of a block may be cut. */
	for (uint64_t i = 0; i < n && i < words / tile * tile; i++) {
		uint64_t in = i % tile;
		bool want = in < type->ptr_bytes / 8 && bit_get(mask, in);

		if (want != (have >> i & 1))
			return false;
	}
	return true;
}

static bool is_noscan(struct spread *s, const struct place *p)
{
	const struct claim *claim = claim_of(s, p->at);

	return !claim || claim->no_pointers;
}

static uint8_t judge_array(struct spread *s, const struct candidate *c, const struct place *p,
			   uint64_t unit)
{
	uint64_t bytes, end;
	bool scan = c->shape->has_pointers;

	if (!unit || !c->extent || !checked_mul(c->extent, unit, &bytes) ||
	    bytes > p->size - p->head || p->offset > p->size - p->head - bytes)
		return TYPE_UNKNOWN;
	end = p->offset + bytes;
	if (c->shape->kind == SHAPE_STRING) {
		if (!p->offset && block_size_for(s, end, false) == p->size)
			return TYPE_SPREAD;
		return p->size <= 16 || is_noscan(s, p) ? TYPE_GUESSED : TYPE_UNKNOWN;
	}
	if (p->offset % unit)
		return TYPE_UNKNOWN;
	/* Behind the buckets of a map lie those for its overflow. */
	if (c->op == SLOT_MAP)
		return p->offset || scan == is_noscan(s, p) ? TYPE_UNKNOWN : TYPE_SPREAD;
	if (block_size_for(s, end, scan) == p->size)
		return p->offset ? TYPE_GUESSED : TYPE_SPREAD;
	return scan && is_tiled(s, p, c->shape->type) ? TYPE_GUESSED : TYPE_UNKNOWN;
}

/* One value; or the first of an array of them, which is then the shape. */
static uint8_t judge_value(struct spread *s, struct candidate *c, const struct place *p)
{
	const struct go_type *type = c->shape->type;

	if (p->offset || type->size > p->size - p->head || !type->size || c->shape->is_layout)
		return TYPE_UNKNOWN;
	if (c->shape->block_size == p->size)
		return c->shape->is_weak ? TYPE_GUESSED : TYPE_SPREAD;
	if (c->shape->is_weak || !type->ptr_bytes || type->size > (p->size - p->head) / 2 ||
	    !is_tiled(s, p, type))
		return TYPE_UNKNOWN;
	c->shape = shape_array(s->shapes, type);
	return c->shape ? TYPE_GUESSED : TYPE_UNKNOWN;
}

/*
 * The collector looks for pointers in this block, and what is said to be there has some; or neither.
 * Channels and functions may be either.
 */
static bool fits_collector(struct spread *s, const struct shape *sh, const struct place *p)
{
	return sh->kind == SHAPE_CHAN || sh->kind == SHAPE_CLOSURE ||
	       sh->has_pointers != is_noscan(s, p);
}

static uint8_t judge(struct spread *s, struct candidate *c, const struct place *p)
{
	if (!fits_collector(s, c->shape, p))
		return TYPE_UNKNOWN;
	switch ((enum shape_kind)c->shape->kind) {
	case SHAPE_VALUE:
		return judge_value(s, c, p);
	case SHAPE_ARRAY:
		return judge_array(s, c, p, c->shape->type->size);
	case SHAPE_STRING:
		return judge_array(s, c, p, 1);
	case SHAPE_MAP:
		return !p->offset && p->size >= MAP_BLOCK && p->size <= MAP_BLOCK + 16 ?
			       TYPE_SPREAD :
			       TYPE_UNKNOWN;
	default:
		return p->offset ? TYPE_UNKNOWN : TYPE_SPREAD;
	}
}

/* How much one unit of a shape says; what only the runtime makes is never part of something else. */
static uint64_t weight(const struct shape *sh)
{
	if (sh->kind == SHAPE_VALUE || sh->kind == SHAPE_ARRAY)
		return 2 * sh->type->size + (sh->kind == SHAPE_VALUE);
	return sh->kind == SHAPE_STRING ? 1 : UINT64_MAX;
}

/* `t` begins with `inner`, at any depth. */
static bool begins_with(const struct go_type *t, const struct go_type *inner)
{
	for (unsigned depth = 0; t && depth < 64; depth++) {
		if (t == inner)
			return true;
		if (t->kind == GO_ARRAY)
			t = t->elem;
		else if (t->n_fields && !t->fields[0].offset)
			t = t->fields[0].type;
		else
			return false;
	}
	return false;
}

/* A channel is made for both directions, and given away for one. */
static bool is_one_way(const struct go_type *chan)
{
	return !strncmp(chan->name, "<-chan ", 7) || !strncmp(chan->name, "chan<- ", 7);
}

static bool is_better_chan(const struct go_type *a, const struct go_type *b)
{
	if (is_one_way(a) != is_one_way(b))
		return is_one_way(b);
	return strcmp(a->name, b->name) < 0;
}

/* Of two shapes as sure as each other; neither may be: the first stays. */
static bool is_better(struct spread *s, const struct shape *a, const struct shape *b)
{
	uint64_t wa = weight(a), wb = weight(b);

	if (a->kind == SHAPE_CHAN && b->kind == SHAPE_CHAN && a->type->elem == b->type->elem)
		return is_better_chan(a->type, b->type);
	if (wa == UINT64_MAX || wb == UINT64_MAX) {
		s->contradictions += wa == wb;
		return wa > wb;
	}
	if (wa / 2 == wb / 2 && a->kind == SHAPE_VALUE && b->kind == SHAPE_VALUE) {
		s->contradictions +=
			!begins_with(a->type, b->type) && !begins_with(b->type, a->type);
		return begins_with(a->type, b->type);
	}
	return wa > wb;
}

/* hchan.elemtype names what is sent; the type of such channels is by that name. */
static void read_chan(struct spread *s, struct candidate *c)
{
	struct text name = TEXT_INIT;
	const struct go_type *elem, *type;
	uint64_t word;

	elem = word_at(s, c->value + s->go->layout.hchan.elemtype, &word) ?
		       go_type_at(s->go, word) :
		       NULL;
	if (!elem)
		return;
	text_printf(&name, "chan %s", elem->name);
	type = go_type_named(s->go, text_str(&name));
	text_fini(&name);
	if (type && type->kind == GO_CHAN && type->elem == elem)
		c->shape = shape_of(s->shapes, SHAPE_CHAN, type);
}

/* What only the block itself tells: a function's entry, the kind of a node. */
static bool read_shape(struct spread *s, struct candidate *c)
{
	uint64_t word;

	if (c->shape && c->shape->is_hchan)
		read_chan(s, c);
	if (c->shape && c->op != SLOT_NODE)
		return true;
	if (!word_at(s, c->value, &word))
		return false;
	if (c->op == SLOT_FUNC) {
		c->shape = shape_closure(s->shapes, word);
		return c->shape;
	}
	/* internal/sync.node: entry or indirect, of the same arguments. */
	struct text name = TEXT_INIT;
	const char *args = strchr(c->shape->type->name, '[');
	const struct go_type *type;

	text_printf(&name, "sync.%s%s", word & 0xff ? "entry" : "indirect", args ? args : "");
	type = go_type_named(s->go, text_str(&name));
	text_fini(&name);
	if (type)
		c->shape = shape_value(s->shapes, type);
	return c->shape;
}

/* The runtime's types for pieces of any map: which map's, only the map knows. */
static bool is_generic(const struct go_type *t)
{
	if (t->kind == GO_POINTER && t->elem)
		t = t->elem;
	return !strcmp(t->name, "maps.table") || !strcmp(t->name, "runtime.bmap");
}

/* What is known for sure stays true; a better name for it is taken. */
static void refine(struct spread *s, struct candidate *c, const struct shape *now)
{
	struct place p;

	if (!now || !c->shape)
		return;
	if (c->shape->kind == SHAPE_ARRAY) {
		/* One value or an array of one: the slice knows. */
		if (now->kind == SHAPE_VALUE && now->type == c->shape->type && intern(s, c->shape))
			s->cols->type[c->id] = c->shape->id;
		return;
	}
	if ((c->shape->kind == SHAPE_DIRECTORY || c->shape->kind == SHAPE_OVERFLOW) &&
	    now->kind == SHAPE_ARRAY && is_generic(now->type) && find_place(s, c, &p) && !p.offset)
		assign(s, p.at, c->id, c->shape, TYPE_EXACT);
}

static void decide(struct spread *s, struct candidate *c)
{
	uint8_t have, confidence;
	struct shape *now;
	struct place p;

	if (!block_is_used(s->blocks, c->id))
		return;
	have = s->cols->confidence[c->id];
	now = have ? shape_now(s, c->id) : NULL;
	if (now && (now == c->shape || (c->op == SLOT_FUNC && now->kind == SHAPE_CLOSURE)))
		return;
	if (have == TYPE_EXACT) {
		refine(s, c, now);
		return;
	}
	if (!read_shape(s, c) || !find_place(s, c, &p) ||
	    (c->from_dead && !blocks_is_dead(s->blocks, p.at)))
		return;
	confidence = judge(s, c, &p);
	if (confidence > c->most)
		confidence = c->most;
	if (!confidence || confidence < have || now == c->shape)
		return;
	if (confidence == have && now && (!s->changes_left || !is_better(s, c->shape, now)))
		return;
	s->changes_left -= confidence == have && now;
	assign(s, p.at, c->id, c->shape, confidence);
}

/* ---- lookups under way */

static inline void look_ahead(struct spread *s, struct candidate *c)
{
	c->id = grain_block(&s->blocks->grains, c->grain);
	__builtin_prefetch(&s->cols->confidence[c->id]);
	__builtin_prefetch(&s->cols->type[c->id]);
}

static inline void emit(struct spread *s, uint64_t value, struct shape *shape, uint64_t extent,
			uint8_t op, uint8_t most)
{
	const struct grains *g = &s->blocks->grains;
	uint64_t grain;

	if (value - s->low >= s->span)
		return;
	grain = grain_of(g, value);
	if (grain == GRAIN_NONE)
		return;
	__builtin_prefetch(&g->words[grain >> 6]);
	if (s->at - s->done == SPREAD_PENDING)
		decide(s, &s->pending[s->done++ % SPREAD_PENDING]);
	s->pending[s->at++ % SPREAD_PENDING] = (struct candidate){
		.value = value,
		.grain = grain,
		.shape = shape,
		.extent = extent,
		.op = op,
		.most = most,
		.from_dead = s->from_dead,
	};
	if (s->at - s->seen > SPREAD_PENDING / 2)
		look_ahead(s, &s->pending[s->seen++ % SPREAD_PENDING]);
}

static void flush(struct spread *s)
{
	while (s->seen != s->at)
		look_ahead(s, &s->pending[s->seen++ % SPREAD_PENDING]);
	while (s->done != s->at)
		decide(s, &s->pending[s->done++ % SPREAD_PENDING]);
}

void spread_pointer(struct spread *s, uint64_t value, struct shape *shape, uint64_t extent,
		    enum type_confidence most)
{
	if (shape)
		emit(s, value, shape, extent, SLOT_POINTER, most);
}

void spread_func(struct spread *s, uint64_t value, enum type_confidence most)
{
	emit(s, value, NULL, 0, SLOT_FUNC, most);
}

bool spread_boxed(struct spread *s, uint64_t word, uint64_t data, bool is_itab,
		  enum type_confidence most)
{
	struct shape *sh = is_itab ? shape_itab(s->shapes, word) : shape_boxed(s->shapes, word);

	if (!sh)
		return false;
	if (sh->boxed_op == SLOT_POINTER && sh->boxed)
		emit(s, data, sh->boxed, 1, SLOT_POINTER, most);
	else if (sh->boxed_op == SLOT_FUNC)
		emit(s, data, NULL, 0, SLOT_FUNC, most);
	return true;
}

/* ---- following */

/* Of a value in a slot, the words that say what it leads to and how much of that is its own. */
static void keep_slot(const struct spread *s, const uint8_t *b, uint64_t at, uint64_t left,
		      enum slot_op op)
{
	uint64_t n = op == SLOT_SLICE ? 24 : op == SLOT_STRING || op == SLOT_POOL ? 16 : 8;

	image_keep_bytes(s->img, b + at, n < left - at ? n : left - at);
	if ((op == SLOT_EFACE || op == SLOT_IFACE) && at >= 8)
		image_keep_bytes(s->img, b + at - 8, 8);
}

/* One slot at b[at]; `left`: bytes from `b` on. */
static inline void follow_slot(struct spread *s, const uint8_t *b, uint64_t at, uint64_t left,
			       const struct slot *slot)
{
	uint64_t value = load_u64(b + at);

	if (!value)
		return;
	keep_slot(s, b, at, left, slot->op);
	switch ((enum slot_op)slot->op) {
	case SLOT_POINTER:
	case SLOT_NODE:
		emit(s, value, slot->target, 1, slot->op, TYPE_SPREAD);
		break;
	case SLOT_SLICE:
		if (left - at >= 24)
			emit(s, value, slot->target, load_u64(b + at + 16), SLOT_SLICE,
			     TYPE_SPREAD);
		break;
	case SLOT_STRING:
	case SLOT_POOL:
		if (left - at >= 16)
			emit(s, value, slot->target, load_u64(b + at + 8), slot->op, TYPE_SPREAD);
		break;
	case SLOT_FUNC:
		emit(s, value, NULL, 0, SLOT_FUNC, TYPE_SPREAD);
		break;
	case SLOT_MAP:
		break;
	case SLOT_EFACE:
		if (at >= 8 && value - s->low < s->span)
			spread_boxed(s, load_u64(b + at - 8), value, false, TYPE_SPREAD);
		break;
	case SLOT_IFACE:
		if (at < 8 || value - s->low >= s->span)
			break;
		if (!spread_boxed(s, load_u64(b + at - 8), value, true, TYPE_SPREAD))
			spread_boxed(s, load_u64(b + at - 8), value, false, TYPE_SPREAD);
		break;
	}
}

/* A slice of which only the pointer is there: if that leads to a block's beginning, it may be as long as the block. */
static void spread_array(struct spread *s, uint64_t value, const struct slot *slot, const struct go_type *elem)
{
	struct go_block b;

	if (elem->size && go_block_at(s->blocks, value, &b) && b.start == value)
		emit(s, value, slot->target, b.usable / elem->size, SLOT_SLICE, TYPE_GUESSED);
}

void spread_word(struct spread *s, taddr at, uint64_t left, const struct go_type *type)
{
	struct slot slot = {};
	uint64_t before = type->kind == GO_INTERFACE ? 8 : 0, avail;
	const uint8_t *b = window_view(&s->window, s->img, at - before, &avail);

	if (!b || !shape_slot(s->shapes, type, &slot) || avail < before + 8)
		return;
	if (left == 8 && slot.op == SLOT_SLICE) {
		keep_slot(s, b, before, before + left, slot.op);
		spread_array(s, load_u64(b + before), &slot, type->elem);
	} else {
		follow_slot(s, b, before, before + left < avail ? before + left : avail, &slot);
	}
}

/* Values one after another in n bytes; `once`: one tile only. */
static void follow_slots(struct spread *s, const uint8_t *b, uint64_t n, const struct shape *shape)
{
	const struct slot *slots = shape->slots;
	uint32_t n_slots = shape->n_slots;
	uint64_t tile = shape->tile;

	if (!n_slots)
		return;
	for (uint64_t base = 0; base < n; base += tile) {
		for (uint32_t i = 0;
		     i < n_slots && n - base >= 8 && slots[i].offset <= n - base - 8; i++)
			follow_slot(s, b, base + slots[i].offset, n, &slots[i]);
		if (!tile)
			break;
	}
}

/* Pointers one after another, all to one shape. */
static void follow_pointers(struct spread *s, const uint8_t *b, uint64_t n, struct shape *target,
			    uint64_t extent)
{
	for (uint64_t at = 0; target && n - at >= 8; at += 8)
		emit(s, load_u64(b + at), target, extent, SLOT_POINTER, TYPE_SPREAD);
}

/* Behind clearSeq in the last two versions that have such headers. */
static unsigned extra_at(const struct go *go)
{
	return go->minor >= 24 ? HMAP_EXTRA + 8 : HMAP_EXTRA;
}

static void follow_map(struct spread *s, const uint8_t *b, uint64_t n, const struct shape *map)
{
	struct shape *slots = map->type->bucket ? shape_array(s->shapes, map->type->bucket) : NULL;
	struct shape *directory;

	if (!slots || n < MAP_BLOCK)
		return;
	image_keep_bytes(s->img, b, n < MAP_BYTES ? n : MAP_BYTES);
	if (!s->go->swissmap)
		image_keep_exact(s->img, b + HMAP_B, 1);
	if (!s->go->swissmap) {
		uint8_t bits = b[HMAP_B];

		if (bits >= 48 || n < extra_at(s->go) + 8)
			return;
		emit(s, load_u64(b + HMAP_BUCKETS), slots, 1ull << bits, SLOT_MAP, TYPE_SPREAD);
		emit(s, load_u64(b + HMAP_OLDBUCKETS), slots, bits ? 1ull << (bits - 1) : 1,
		     SLOT_MAP, TYPE_SPREAD);
		emit(s, load_u64(b + extra_at(s->go)), shape_of(s->shapes, SHAPE_EXTRA, map->type),
		     1, SLOT_POINTER, TYPE_SPREAD);
		return;
	}
	if (!load_u64(b + SWISS_DIR_LEN)) {
		emit(s, load_u64(b + SWISS_DIR), slots, 1, SLOT_SLICE, TYPE_SPREAD);
		return;
	}
	directory = shape_of(s->shapes, SHAPE_DIRECTORY, map->type);
	if (directory)
		emit(s, load_u64(b + SWISS_DIR), directory, load_u64(b + SWISS_DIR_LEN),
		     SLOT_POINTER, TYPE_SPREAD);
}

static void follow_table(struct spread *s, const uint8_t *b, uint64_t n, const struct shape *table)
{
	uint64_t mask;

	if (n < TABLE_MASK + 8 || !table->type->bucket)
		return;
	image_keep_bytes(s->img, b + TABLE_GROUPS, TABLE_MASK + 8 - TABLE_GROUPS);
	mask = load_u64(b + TABLE_MASK);
	if (mask < UINT64_MAX)
		emit(s, load_u64(b + TABLE_GROUPS), shape_array(s->shapes, table->type->bucket),
		     mask + 1, SLOT_SLICE, TYPE_SPREAD);
}

/* runtime.mapextra {overflow, oldoverflow *[]*bmap, nextOverflow *bmap}: the slices are blocks of their own. */
static void follow_extra(struct spread *s, const uint8_t *b, uint64_t n, const struct shape *extra)
{
	struct shape *arrays = shape_of(s->shapes, SHAPE_OVERFLOW, extra->type);

	for (unsigned i = 0; i < 2 && n >= 16 && arrays; i++) {
		uint64_t header = load_u64(b + 8 * i), value;

		image_keep_bytes(s->img, b + 8 * i, 8);
		image_keep(s->img, header, 8);
		if (header && word_at(s, header, &value))
			emit(s, value, arrays, 1, SLOT_POINTER, TYPE_SPREAD);
	}
}

/* The buffer of a channel is the end of its header when it holds no pointers. */
static void follow_chan(struct spread *s, const uint8_t *b, uint64_t n, const struct shape *chan)
{
	const struct go_layout *l = &s->go->layout;
	if (l->hchan.recvq >= n || n - l->hchan.recvq < 16 || l->hchan.sendq >= n ||
	    n - l->hchan.sendq < 16 || n < 24)
		return;
	image_keep_bytes(s->img, b, n < CHAN_BYTES ? n : CHAN_BYTES);
	if (chan->type->elem && chan->type->elem->ptr_bytes)
		emit(s, load_u64(b + l->hchan.buf), shape_array(s->shapes, chan->type->elem),
		     load_u64(b + l->hchan.dataqsiz), SLOT_SLICE, TYPE_SPREAD);
	for (unsigned i = 0; i < 2 && s->sudog; i++) {
		emit(s, load_u64(b + l->hchan.sendq + 8 * i), s->sudog, 1, SLOT_POINTER,
		     TYPE_SPREAD);
		emit(s, load_u64(b + l->hchan.recvq + 8 * i), s->sudog, 1, SLOT_POINTER,
		     TYPE_SPREAD);
	}
}

static void follow(struct spread *s, const uint8_t *b, uint64_t n, struct shape *shape)
{
	if (!shape->compiled && shape->kind == SHAPE_CLOSURE && s->before_closure)
		s->before_closure(s->before_closure_arg, shape);
	if (!shape->compiled && !shape_compile(s->shapes, shape))
		fail(s, &err_nomem);
	switch ((enum shape_kind)shape->kind) {
	case SHAPE_VALUE:
		follow_slots(s, b, n < shape->size ? n : shape->size, shape);
		break;
	case SHAPE_ARRAY:
	case SHAPE_CLOSURE:
		follow_slots(s, b, n, shape);
		break;
	case SHAPE_MAP:
		follow_map(s, b, n, shape);
		break;
	case SHAPE_DIRECTORY:
		follow_pointers(s, b, n, shape_of(s->shapes, SHAPE_TABLE, shape->type), 1);
		break;
	case SHAPE_OVERFLOW:
		follow_pointers(s, b, n,
				shape->type->bucket ? shape_array(s->shapes, shape->type->bucket) :
						      NULL,
				1);
		break;
	case SHAPE_TABLE:
		follow_table(s, b, n, shape);
		break;
	case SHAPE_EXTRA:
		follow_extra(s, b, n, shape);
		break;
	case SHAPE_CHAN:
		follow_chan(s, b, n, shape);
		break;
	case SHAPE_STRING:
	case SHAPE_KINDS:
		break;
	}
}

/*
 * n bytes at an address, put together where a dump has them in several segments; *ret_n: as many as
 * there are.  *ret_copy is the caller's to free.
 */
static const uint8_t *view_whole(struct spread *s, taddr at, uint64_t n, uint64_t *ret_n,
				 uint8_t **ret_copy)
{
	const uint8_t *b = window_view(&s->window, s->img, at, ret_n);

	if (!b || *ret_n >= n || n > COPY_MAX) {
		*ret_n = b && *ret_n > n ? n : *ret_n;
		return b;
	}
	*ret_copy = malloc(n);
	if (!*ret_copy || image_read(s->img, at, *ret_copy, n))
		return b;
	*ret_n = n;
	return *ret_copy;
}

static void follow_block(struct spread *s, taddr at, uint32_t id)
{
	const struct grains *g = &s->blocks->grains;
	struct shape *shape = shape_now(s, id);
	uint64_t grain, size, head, avail;
	_free_ uint8_t *copy = NULL;
	const uint8_t *b;

	if (!shape)
		return;
	s->from_dead = blocks_is_dead(s->blocks, at);
	if (shape->kind == SHAPE_VALUE && shape->size <= 512) { /* no head, and the end is known */
		b = window_view(&s->window, s->img, at, &avail);
		if (b)
			follow(s, b, avail, shape);
		return;
	}
	grain = grain_of(g, at);
	if (grain == GRAIN_NONE)
		return;
	size = (grain_next_start(g, grain) - grain) << g->shift;
	head = head_of(s, at, size);
	if (size <= head)
		return;
	b = view_whole(s, at + head, size - head, &avail, &copy);
	if (b)
		follow(s, b, avail, shape);
}

void spread_memory(struct spread *s, taddr at, struct shape *shape)
{
	_free_ uint8_t *copy = NULL;
	const uint8_t *b = NULL;
	uint64_t avail = 0;

	if (shape && shape->size)
		b = view_whole(s, at, shape->size, &avail, &copy);
	else if (shape)
		b = window_view(&s->window, s->img, at, &avail);
	if (b && shape->has_pointers)
		follow(s, b, avail, shape);
}

/* What had no room on the stack, in order of address: near in memory, and without a list. */
static void follow_later(struct spread *s)
{
	uint64_t *later = s->later.base;
	struct grains_iter it = { .id = 0 };
	bool started = false;

	for (uint64_t w = 0; w < bits_words(s->blocks->grains.n) && s->n_later && !s->err; w++) {
		while (later[w]) {
			uint32_t id = (uint32_t)(w * 64 + (unsigned)__builtin_ctzll(later[w]));

			later[w] &= later[w] - 1;
			s->n_later--;
			if (!started || id - it.id > 256)
				it = grains_iter(&s->blocks->grains, id);
			started = true;
			while (it.id < id)
				grains_next(&it);
			follow_block(s, it.key, id);
		}
	}
}

/* The next block to follow: those off the stack wait in a short queue until they have come. */
static bool next_block(struct spread *s, struct to_follow *ret)
{
	while (s->count) {
		struct to_follow *slot = &s->queue[s->turn++ % SPREAD_QUEUE];

		*ret = *slot;
		*slot = s->stack[--s->count];
		fetch(s, slot->at);
		if (s->queued == SPREAD_QUEUE)
			return true;
		s->queued++;
	}
	if (!s->queued)
		return false;
	*ret = s->queue[(s->turn - s->queued--) % SPREAD_QUEUE];
	return true;
}

struct err *spread_run(struct spread *s)
{
	while (!s->err) {
		struct to_follow next;

		if (next_block(s, &next)) {
			follow_block(s, next.at, next.id);
			continue;
		}
		flush(s);
		if (s->count)
			continue;
		if (!s->n_later)
			break;
		follow_later(s);
	}
	s->from_dead = false;
	return take(&s->err);
}
