/*
 * type/native_spread.c - types along typed pointers, from round to round.
 *
 * What a pointer of type T * says of a block: that it begins with a T.  That it is one, its size
 * tells: as much as malloc gives for a T.  A larger one is an array of them, if all that its
 * elements would point at is there; where some struct begins with a T, the block may be that one,
 * and T is a guess.  A class with virtual functions says itself what it is (native_vtables.c).
 *
 * A round follows what was found in the one before; what it says of a block is joined
 * (native_join.c), and what a block is when the round ends is followed in the next one.  So nothing
 * depends on the order in which values are met, and no pointer is followed twice unless the block
 * it lies in turns out to be something else.
 *
 * Of a large heap rounds of few blocks are cut: the last ones found are followed, with all that they
 * lead to, before the others, for a thread's lists lie in its own arena, and all lists in step would
 * go through all of the dump again and again (docs/design/scale.md).  That depends on the heap alone.
 *
 * Values and pointers are taken up by the batch, for one alone would wait for memory: first all of a
 * batch ask for their bytes in a loop of few instructions, so that the processor looks up many pages at
 * once; then each is done.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/fetch.h"
#include "base/guard.h"
#include "base/search.h"
#include "image/resident.h"
#include "image/shadow.h"
#include "type/native.h"

enum {
	COMING = 32,  /* values whose bytes are on their way */
	PENDING = 64, /* pointers whose blocks are */
	AHEAD = 16,   /* blocks whose type is on its way when a round begins */
	STEPS = 16, /* to the next block's bits, before they are searched for */
	LINES = 256,  /* bytes of a value that are fetched ahead */
	ROUNDING = 24,	/* bytes that malloc may give more than were asked for */
	PAGE = 4096,	/* and what has a mapping of its own */
	PROBES = 16,	/* elements of an array that are looked at */
};

#define RUNS_MAX (1ull << 31)

/* A block whose values are followed in the next round, as far as its type says which there are. */
struct typed {
	taddr at;
	uint32_t id;
	uint32_t state; /* when the round begins */
};

/* Values one after another, of a variable or of what a container told of. */
struct run {
	taddr at;
	uint64_t bytes;
	struct native_type *type;
	uint32_t id; /* BLOCK_NONE: a variable's */
	uint8_t kind; /* of the block then: enum native_kind */
	uint8_t most; /* enum type_confidence that it may give; known when the round begins */
};

/*
 * What a round follows.  Of few blocks (native.few) there is a list; where it does not hold all they are
 * found in the bitmap, in address order, which spares much of the way to their bytes.
 */
struct round {
	struct col bits; /* one an id */
	struct typed *few;
	uint64_t n_blocks; /* more than native.few: `few` has not all of them */
	struct col runs;
};

/* Values of a type on their way. */
struct coming {
	const uint8_t *values;
	uint64_t bytes;
	const struct native_type *type;
	uint8_t most;
};

/* A pointer, or a vector that the first of its three words stands for. */
struct pending {
	uint64_t value, grain;
	const uint8_t *vector; /* NULL: a pointer */
	struct native_type *type;
	uint32_t id;
	uint8_t most; /* enum type_confidence that it may give */
};

/* What each block of a claim asks of it. */
struct bounds {
	uint32_t head, around; /* bytes before the program's, and before and behind them */
	uint32_t more;	       /* bytes that a block may have more than were asked for; 0: a quarter */
};

/* A unit of the block index. */
struct unit {
	const uint8_t *bytes; /* from its base on, to `end`; NULL: to be searched for */
	taddr end;
	uint32_t claim; /* + 1; 0: to be searched for */
};

struct native_spread {
	struct native *n;
	uint64_t low, span; /* all blocks lie in [low, low + span) */
	struct bounds *bounds; /* by claim */
	struct unit *units;
	struct round now, next;
	struct col states; /* when the round begins, of the blocks in now.bits */
	struct coming coming[COMING];
	struct pending pending[PENDING];
	uint32_t n_coming, n_pending;
	struct resident_bound bound;
	uint8_t most;		   /* enum type_confidence that what is followed now may give */
	struct err *err;	   /* the first; all else stops */
};

/* Where a block lies, and what of it. */
struct place {
	uint32_t id;
	taddr at;
	uint64_t usable, offset;
	const struct bounds *in;
};

/* NULL: of no claim. */
static const struct bounds *bounds_of(const struct native_spread *s, uint64_t grain, taddr at)
{
	const struct blocks *b = s->n->blocks;
	uint32_t no = s->units[grain >> b->grains.unit_shift].claim;
	const struct claim *c;

	if (no)
		return &s->bounds[no - 1];
	c = blocks_claim_at(b, at);
	return c ? &s->bounds[c - b->claims] : NULL;
}

/* `id`: of the block that has the grain. */
static inline bool place_of(struct native_spread *s, uint64_t value, uint64_t grain, uint32_t id, struct place *p)
{
	const struct grains *g = &s->n->blocks->grains;
	struct grains_iter it;

	p->id = id;
	if (grain_is_start(g, grain, value)) {
		it.key = value;
		it.grain = grain;
		it.size = (grain_next_start(g, grain) - grain) << g->shift;
	} else {
		it = grains_iter(g, id);
	}
	p->in = bounds_of(s, it.grain, it.key);
	if (!p->in)
		return false;
	p->at = it.key + p->in->head;
	if (value < p->at || it.size <= p->in->around)
		return false;
	p->usable = it.size - p->in->around;
	p->offset = value - p->at;
	return true;
}

static bool find_place(struct native_spread *s, uint64_t value, struct place *p)
{
	const struct grains *g = &s->n->blocks->grains;
	uint64_t grain = grain_of(g, value);

	return grain != GRAIN_NONE && place_of(s, value, grain, grain_block(g, grain), p);
}

/* Bytes in the heap; elsewhere the same by a search. */
static const uint8_t *view(struct native_spread *s, taddr at, uint64_t *ret_avail)
{
	const struct grains *g = &s->n->blocks->grains;
	uint64_t grain = grain_of(g, at);
	const struct unit *u = grain != GRAIN_NONE ? &s->units[grain >> g->unit_shift] : NULL;
	const uint8_t *bytes;

	if (!u || !u->bytes || at >= u->end)
		return native_view(s->n, at, ret_avail);
	bytes = u->bytes + (at & ((1u << UNIT_SHIFT) - 1));
	resident_touch(&s->bound, bytes);
	*ret_avail = u->end - at;
	return bytes;
}

/* How much larger a block may be than what was asked for. */
static uint64_t slack(const struct place *p, uint64_t size)
{
	return p->in->more ? p->in->more : size / 4 + ROUNDING;
}

/* ---- what a block is */

static void fail(struct native_spread *s, struct err *err)
{
	if (!s->err)
		s->err = err;
	else
		err_free(err);
}

static void queue_block(struct native_spread *s, uint32_t id, taddr at)
{
	if (bit_get(s->next.bits.base, id))
		return;
	bit_set(s->next.bits.base, id);
	if (s->next.n_blocks < s->n->few)
		s->next.few[s->next.n_blocks] = (struct typed){ .at = at, .id = id };
	s->next.n_blocks++;
}

static void queue_run(struct native_spread *s, const struct run *run)
{
	struct err *err = run->bytes ? col_append(&s->next.runs, run, 1) : NULL;

	if (err)
		fail(s, err);
}

/* What is said of a block; true: what it holds is followed, if it is what it is said to be when the round ends. */
static bool settle(struct native_spread *s, const struct place *p, const struct native_evidence *e)
{
	enum native_news news;
	struct err *err = native_join(s->n, s->next.bits.base, p->id, e, &news);

	if (err) {
		fail(s, err);
		return false;
	}
	if (news == NATIVE_NEWS_TYPE && e->type->n_slots)
		queue_block(s, p->id, p->at);
	return news != NATIVE_NEWS_NONE && e->type->n_slots;
}

/* A container says what a block is, and that values lie at [at + from, at + to) of it. */
static bool settle_exact(struct native_spread *s, const struct place *p, struct native_type *type, uint8_t most,
			 enum native_kind kind, uint64_t from, uint64_t to)
{
	struct native_evidence e = { .type = type, .kind = (uint8_t)kind, .confidence = most, .is_exact = true };
	struct run run = { .at = p->at + from, .bytes = to - from, .type = type, .id = p->id, .kind = (uint8_t)kind };

	if (!settle(s, p, &e))
		return false;
	queue_run(s, &run);
	return true;
}

/* GLib shows programs the first fields of what it makes. */
static bool is_hidden_larger(const struct dbg_type *type)
{
	static const char *const names[] = { "struct _GPtrArray", "struct _GArray", "struct _GByteArray" };

	for (size_t i = 0; type->language == DBG_LANG_C && type->name && i < ARRAY_SIZE(names); i++)
		if (!strcmp(type->name, names[i]))
			return true;
	return false;
}

/* One of a type that ends in an array without a length is as large as its maker wanted. */
static bool is_open_ended(const struct dbg_type *type)
{
	const struct dbg_member *last;

	dbg_type_load((struct dbg_type *)type);
	if (type->kind != DBG_KIND_STRUCT || !type->n_members)
		return false;
	if (is_hidden_larger(type))
		return true;
	last = &type->members[type->n_members - 1];
	return last->type->kind == DBG_KIND_ARRAY && last->type->count <= 1;
}

static bool may_point(struct native_spread *s, uint64_t word)
{
	const struct segment *seg;

	if (!word)
		return true;
	if (word - s->low < s->span)
		return true;
	seg = image_segment(s->n->img, word);
	return seg && seg->flags & SEG_R;
}

/* What each operation looks at. */
static const uint8_t slot_bytes[] = {
	[NATIVE_POINTER] = 8, [NATIVE_VECTOR] = 24, [NATIVE_DEQUE] = NATIVE_DEQUE_BYTES,
	[NATIVE_LIBCXX_DEQUE] = NATIVE_LIBCXX_DEQUE_BYTES, [NATIVE_DYN] = 8, [NATIVE_RUST] = 8, [NATIVE_ERASED] = 8,
	[NATIVE_KHASH] = 8,
};

/* All pointers of the first elements behind the first lead somewhere, and some are there. */
static bool is_filled(struct native_spread *s, const struct place *p, const struct native_type *type)
{
	uint64_t avail = 0, n = p->usable / type->dbg->size, some = 0;
	const uint8_t *b = view(s, p->at, &avail);

	if (!b || avail < p->usable)
		return false;
	for (uint64_t i = 1; i < n && i < PROBES; i++)
		for (uint32_t k = 0; k < type->n_slots; k++) {
			uint64_t at = i * type->dbg->size + type->slots[k].offset;
			uint64_t word = at <= p->usable - 8 ? load_u64(b + at) : 0;

			if (type->slots[k].op == NATIVE_ERASED)
				continue; /* perhaps no pointer */
			if (!may_point(s, word)) {
				image_keep_no_pointer(s->n->img, p->at + at);
				return false;
			}
			if (word)
				image_keep_bytes(s->n->img, b + at, 8);
			some += word != 0;
		}
	return some;
}

/* What a pointer to a type says of the block that begins there. */
static uint8_t judge_one(struct native_spread *s, const struct place *p, struct native_type *type,
			 enum native_kind *ret_kind)
{
	const struct dbg_type *dbg = type->dbg;
	uint64_t more = p->usable - dbg->size;

	*ret_kind = NATIVE_VALUE;
	native_compile(s->n, type);
	if (dbg->has_vtable)
		return TYPE_UNKNOWN; /* it would say so itself */
	if (is_open_ended(dbg))
		return TYPE_SPREAD;
	if (more <= slack(p, dbg->size) && more < dbg->size)
		return dbg->outer && dbg->outer <= p->usable ? TYPE_GUESSED : TYPE_SPREAD;
	if (type->is_node)
		return TYPE_UNKNOWN; /* what holds the container */
	*ret_kind = NATIVE_ARRAY;
	if (dbg->kind != DBG_KIND_STRUCT && dbg->kind != DBG_KIND_UNION) {
		if (dbg->is_text)
			return TYPE_SPREAD;
		/* As much as malloc gives for one. */
		return more <= slack(p, dbg->size) ? TYPE_GUESSED : TYPE_SPREAD;
	}
	if (more <= slack(p, dbg->size)) {
		*ret_kind = NATIVE_VALUE;
		return TYPE_GUESSED;
	}
	if (dbg->outer && dbg->outer <= p->usable)
		return TYPE_UNKNOWN;
	if (p->usable < 2 * dbg->size) { /* one, with something of its own behind it */
		*ret_kind = NATIVE_VALUE;
		return TYPE_GUESSED;
	}
	return type->n_slots && is_filled(s, p, type) ? TYPE_SPREAD : TYPE_GUESSED;
}

/* The block begins with the count of new[], and is as large as that many take. */
static bool is_counted(struct native_spread *s, const struct place *p, uint64_t size)
{
	uint64_t avail = 0, n, bytes;
	const uint8_t *b = view(s, p->at, &avail);

	if (!b || avail < 8)
		return false;
	n = load_u64(b);
	if (!n || !checked_mul(n, size, &bytes) || bytes > p->usable - 8 ||
	    p->usable - 8 - bytes > slack(p, bytes))
		return false;
	image_keep_bytes(s->n->img, b, 8);
	return true;
}

/* It is that for sure already, as one value: no pointer says more. */
static bool is_settled(const struct native_spread *s, uint32_t id, const struct native_type *type)
{
	const struct native_shape *value = type->shapes[NATIVE_VALUE][false];

	return value && NATIVE_TYPE_OF(s->n->state[id]) == value->id;
}

/* All its pointers lead somewhere. */
static bool is_sound(struct native_spread *s, const struct place *p, const struct native_type *type)
{
	uint64_t avail = 0;
	const uint8_t *b = view(s, p->at, &avail);

	if (!b || avail < type->dbg->size)
		return false;
	for (uint32_t i = 0; i < type->n_slots; i++) {
		uint64_t at = type->slots[i].offset, word = at <= type->dbg->size - 8 ? load_u64(b + at) : 0;

		if (type->slots[i].guard || type->slots[i].op == NATIVE_ERASED)
			continue;
		if (!may_point(s, word)) {
			image_keep_no_pointer(s->n->img, p->at + at);
			return false;
		}
		if (word)
			image_keep_bytes(s->n->img, b + at, 8);
	}
	return true;
}

/* A link that lies in another struct; false: it may be by itself. */
static bool decide_link(struct native_spread *s, const struct pending *c, const struct place *p)
{
	const struct native_shape *now = native_shape_in(s->n, s->n->state[p->id]);
	struct native_evidence e = { .kind = NATIVE_VALUE, .confidence = c->most };

	if (now && now->type && now->kind == NATIVE_VALUE && native_has_link(now->type->dbg, c->type->dbg, p->offset))
		return true;
	e.type = native_list_of(s->n, c->type, p->offset, p->at, p->usable);
	if (!e.type)
		return false;
	native_compile(s->n, e.type);
	if (!is_sound(s, p, e.type))
		e.confidence = TYPE_UNKNOWN;
	else if (!p->offset && p->usable - c->type->dbg->size <= slack(p, c->type->dbg->size))
		e.confidence = TYPE_GUESSED; /* a head of a list alone is as large */
	if (e.confidence)
		settle(s, p, &e);
	return true;
}

static void decide(struct native_spread *s, const struct pending *c)
{
	struct native_evidence e = { .type = c->type };
	enum native_kind kind;
	struct place p;

	if (is_settled(s, c->id, c->type) || !place_of(s, c->value, c->grain, c->id, &p))
		return;
	if (native_is_link_of(c->type) && decide_link(s, c, &p))
		return;
	if (p.offset == 8 && is_counted(s, &p, c->type->dbg->size)) {
		e.kind = NATIVE_COUNTED;
		e.confidence = c->most;
		settle(s, &p, &e);
	}
	if (c->type->larger && p.usable >= c->type->larger->dbg->size)
		e.type = c->type->larger;
	if (p.offset || p.usable < e.type->dbg->size)
		return;
	e.confidence = judge_one(s, &p, e.type, &kind);
	e.confidence = e.confidence < c->most ? e.confidence : c->most;
	e.kind = (uint8_t)kind;
	if (e.confidence)
		settle(s, &p, &e);
}

/* Start, end and end of the room: nothing is left to guess. */
static void decide_vector(struct native_spread *s, const struct pending *c)
{
	uint64_t end = load_u64(c->vector + 8), room = load_u64(c->vector + 16) - c->value;
	struct place p;

	if (!place_of(s, c->value, c->grain, c->id, &p) || p.offset || room > p.usable || p.usable - room > slack(&p, room))
		return;
	image_keep_bytes(s->n->img, c->vector, 24);
	settle_exact(s, &p, c->type, c->most, NATIVE_ARRAY, 0, end - c->value);
}

static FETCHES void fetch_type(const struct native_spread *s, uint32_t id)
{
	__builtin_prefetch(&s->n->state[id]);
}

static void decide_all(struct native_spread *s)
{
	const struct grains *g = &s->n->blocks->grains;

	for (uint32_t i = 0; i < s->n_pending; i++) {
		struct pending *c = &s->pending[i];

		c->id = grain_block(g, c->grain);
		fetch_type(s, c->id);
		if (c->type->n_slots)
			__builtin_prefetch((const uint64_t *)s->next.bits.base + (c->id >> 6), 1);
	}
	for (uint32_t i = 0; i < s->n_pending && !s->err; i++)
		if (s->pending[i].vector)
			decide_vector(s, &s->pending[i]);
		else
			decide(s, &s->pending[i]);
	s->n_pending = 0;
}

/* `s->most` is what it may give. */
static inline void on_pointer(struct native_spread *s, uint64_t value, const uint8_t *vector, struct native_type *type)
{
	struct pending c = {
		.value = value, .grain = grain_of(&s->n->blocks->grains, value), .vector = vector, .type = type, .most = s->most,
	};

	if (c.grain == GRAIN_NONE)
		return;
	__builtin_prefetch(&s->n->blocks->grains.words[c.grain >> 6]);
	s->pending[s->n_pending++] = c;
	if (s->n_pending == PENDING)
		decide_all(s);
}

static void on_vector(struct native_spread *s, const uint8_t *words, struct native_type *type)
{
	uint64_t start = load_u64(words), end = load_u64(words + 8), room = load_u64(words + 16);
	uint64_t size = type->dbg->size;

	if (end >= start && room >= end && room != start && !((room - start) % size) && !((end - start) % size))
		on_pointer(s, start, words, type);
}

static void on_deque(struct native_spread *s, const uint8_t *words, const struct native_slot *slot)
{
	struct native_type *value;
	struct native_deque d;
	const uint8_t *nodes;
	uint64_t avail = 0;
	struct place p;

	if (!native_deque_read(slot, words, &d) || !find_place(s, d.map, &p) || p.offset || d.map_bytes > p.usable)
		return;
	value = native_type_of(s->n, slot->to->dbg->to);
	if (!value)
		return;
	image_keep_bytes(s->n->img, words, slot_bytes[slot->op]);
	settle_exact(s, &p, slot->to, s->most, NATIVE_ARRAY, 0, 0);
	nodes = view(s, d.first, &avail);
	for (uint64_t i = 0; nodes && i < d.n && (i + 1) * 8 <= avail; i++) {
		uint64_t from, to;

		if (!find_place(s, load_u64(nodes + i * 8), &p) || p.offset || d.room > p.usable ||
		    p.usable - d.room > slack(&p, d.room))
			continue;
		native_deque_part(&d, i, &from, &to);
		/* Values before the first are no more. */
		settle_exact(s, &p, value, s->most, NATIVE_ARRAY, from, to);
	}
}

struct runs {
	struct native_spread *s;
	const struct native_slot *slot;
	struct place block;
	bool is_followed; /* of the block at `block.at` is known that it is */
};

static bool on_run(void *arg, const struct native_run *run)
{
	struct runs *r = arg;
	struct native_spread *s = r->s;
	struct place p;

	if (r->is_followed) {
		struct run more = {
			.at = r->block.at + run->from, .bytes = run->to - run->from, .type = r->slot->to, .id = r->block.id, .kind = run->kind,
		};

		if (run->to > run->from && run->to <= run->skip + run->room)
			queue_run(s, &more);
		return !s->err;
	}
	if (!find_place(s, run->start, &p) || p.offset || run->skip > p.usable || run->room > p.usable - run->skip ||
	    run->to < run->from || run->to > run->skip + run->room ||
	    p.usable - run->skip - run->room > slack(&p, run->skip + run->room))
		return false;
	r->block = p;
	r->is_followed = settle_exact(s, &p, r->slot->to, s->most, run->kind, run->from, run->to);
	return r->is_followed;
}

static void on_rust(struct native_spread *s, const uint8_t *value, uint64_t left, const struct native_slot *slot)
{
	struct runs r = { .s = s, .slot = slot };

	native_rust_runs(s->n, value, left, slot, on_run, &r);
}

static void on_khash(struct native_spread *s, const uint8_t *value, uint64_t left, const struct native_slot *slot)
{
	struct runs r = { .s = s, .slot = slot };

	native_khash_runs(s->n, value, left, slot, on_run, &r);
	if (r.is_followed)
		native_khash_note(s->n, value, left, slot);
}

static void on_dyn(struct native_spread *s, const uint8_t *value, uint64_t left, const struct native_slot *slot)
{
	uint64_t word = load_u64(value + slot->offset), at = slot->room->length;
	struct native_type *type;

	if (word - s->low >= s->span || at >= left || left - at < 8)
		return;
	image_keep_exact(s->n->img, value + at, 8);
	type = native_rust_dyn(s->n, slot, load_u64(value + at));
	if (type)
		on_pointer(s, word, NULL, type);
}

/* ---- values, and what they point at */

static void on_slot(struct native_spread *s, const uint8_t *value, uint64_t left, const struct native_slot *slot);

/* A block made for one of a type, and nothing else. */
static void on_held(struct native_spread *s, uint64_t at, struct native_type *type)
{
	struct native_evidence e = { .type = type, .kind = NATIVE_VALUE, .confidence = s->most };
	struct place p;

	native_compile(s->n, type);
	if (!type->dbg->has_vtable && find_place(s, at, &p) && !p.offset && p.usable >= type->dbg->size &&
	    p.usable - type->dbg->size <= slack(&p, type->dbg->size))
		settle(s, &p, &e);
}

/* What lies in the value itself is no such thing again. */
static void on_erased(struct native_spread *s, const uint8_t *value, uint64_t left, const struct native_slot *slot)
{
	uint64_t manager = slot->room->length;
	struct native_type *type;
	bool is_here = false;

	if (manager > left || left - manager < 8)
		return;
	image_keep_exact(s->n->img, value + manager, 8);
	if (slot->room->is_inner) {
		if (slot->offset > left || left - slot->offset < slot->room->capacity)
			return;
		type = native_inner_type(s->n, value + slot->offset, slot->room->capacity, load_u64(value + manager));
		is_here = true;
	} else {
		type = native_erased_type(s->n, load_u64(value + manager), &is_here);
	}
	if (type && !is_here)
		on_held(s, load_u64(value + slot->offset), type);
	if (!type || !is_here || type->dbg->size > slot->room->capacity)
		return;
	native_compile(s->n, type);
	for (uint32_t i = 0; i < type->n_slots; i++)
		if (type->slots[i].op != NATIVE_ERASED)
			on_slot(s, value + slot->offset, type->dbg->size, &type->slots[i]);
}

/* What is more than a plain pointer. `value`: a value of the type that has the slot, of which `left` bytes are at hand. */
static void on_slot(struct native_spread *s, const uint8_t *value, uint64_t left, const struct native_slot *slot)
{
	uint64_t word;

	if (slot->offset > left || left - slot->offset < slot_bytes[slot->op])
		return;
	if (!native_holds(slot->guard, value, left))
		return;
	for (const struct native_guard *g = slot->guard; g; g = g->outer)
		image_keep_exact(s->n->img, value + g->offset, g->size);
	if (slot->op == NATIVE_RUST) {
		on_rust(s, value, left, slot);
		return;
	}
	if (slot->op == NATIVE_KHASH) {
		on_khash(s, value, left, slot);
		return;
	}
	if (slot->op == NATIVE_ERASED) {
		on_erased(s, value, left, slot);
		return;
	}
	if (slot->op == NATIVE_DYN) {
		on_dyn(s, value, left, slot);
		return;
	}
	word = load_u64(value + slot->offset);
	if (word - s->low >= s->span)
		return;
	if (slot->op == NATIVE_VECTOR)
		on_vector(s, value + slot->offset, slot->to);
	else if (slot->op == NATIVE_DEQUE || slot->op == NATIVE_LIBCXX_DEQUE)
		on_deque(s, value + slot->offset, slot);
	else
		on_pointer(s, word, NULL, slot->to);
}

/* Values of a type one after another. */
static void follow_values(struct native_spread *s, const struct coming *c)
{
	const struct native_type *type = c->type;
	uint64_t size = type->dbg->size;

	s->most = c->most;
	for (uint64_t from = 0; from < c->bytes && !s->err; from += size)
		for (uint32_t i = 0; i < type->n_slots; i++) {
			const struct native_slot *slot = &type->slots[i];
			uint64_t left = c->bytes - from, word;

			if (slot->op != NATIVE_POINTER || slot->guard) {
				on_slot(s, c->values + from, left, slot);
				continue;
			}
			if (left < 8 || slot->offset > left - 8)
				continue;
			word = load_u64(c->values + from + slot->offset);
			if (word - s->low >= s->span)
				continue;
			if (s->n->img->shadow && native_is_link_of(slot->to)) /* how far in it leads says to what */
				image_keep_exact(s->n->img, c->values + from + slot->offset, 8);
			on_pointer(s, word, NULL, slot->to);
		}
}

static void follow_coming(struct native_spread *s)
{
	for (uint32_t i = 0; i < s->n_coming && !s->err; i++)
		follow_values(s, &s->coming[i]);
	s->n_coming = 0;
}

/* Its bytes are read when they are there. */
static void follow(struct native_spread *s, taddr at, uint64_t bytes, struct native_type *type, uint8_t most)
{
	struct coming c = { .type = type, .most = most };
	uint64_t avail = 0;

	native_compile(s->n, type);
	c.values = type->n_slots ? view(s, at, &avail) : NULL;
	if (!c.values)
		return;
	c.bytes = bytes < avail ? bytes : avail;
	for (uint64_t i = 0; i < c.bytes && i < LINES; i += 64)
		__builtin_prefetch(c.values + i);
	s->coming[s->n_coming++] = c;
	if (s->n_coming == COMING)
		follow_coming(s);
}

static uint8_t most_of(const struct native_shape *shape)
{
	return shape->is_guess ? TYPE_GUESSED : TYPE_SPREAD;
}

static void follow_block(struct native_spread *s, taddr at, uint32_t state)
{
	const struct native_shape *shape = native_is_exact(state) ? NULL : native_shape_in(s->n, state);
	uint64_t skip, bytes;
	struct place p;

	if (!shape || !shape->type)
		return;
	skip = native_skip(shape);
	bytes = shape->type->dbg->size;
	if (shape->kind != NATIVE_VALUE)
		bytes = find_place(s, at, &p) && p.usable > skip ? p.usable - skip : 0;
	follow(s, at + skip, bytes, shape->type, most_of(shape));
}

/* ---- rounds */

static int by_place(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->bytes > y->bytes ? -1 : x->bytes < y->bytes;
}

/* Containers that are copies of each other tell of the same values: each is followed once. */
static void join_runs(struct round *r)
{
	struct run *v = r->runs.base;
	uint64_t kept = 0;

	if (r->runs.n > 1)
		qsort(v, r->runs.n, sizeof(*v), by_place);
	for (uint64_t i = 0; i < r->runs.n; i++) {
		struct run *last = kept ? &v[kept - 1] : NULL;

		if (last && last->id == v[i].id && last->id != BLOCK_NONE && v[i].at - last->at <= last->bytes) {
			uint64_t bytes = v[i].at - last->at + v[i].bytes;

			last->bytes = bytes > last->bytes ? bytes : last->bytes;
		} else {
			v[kept++] = v[i];
		}
	}
	r->runs.n = kept;
}

/* What containers said of blocks that turned out to be something else is of no use. */
static void keep_runs(struct native_spread *s)
{
	struct run *runs = s->now.runs.base;
	uint64_t kept = 0;

	for (uint64_t i = 0; i < s->now.runs.n; i++) {
		bool is_block = runs[i].id != BLOCK_NONE;
		uint32_t state = is_block ? s->n->state[runs[i].id] : 0;
		const struct native_shape *shape = is_block ? native_shape_in(s->n, state) : NULL;

		if (is_block && (!shape || !native_is_exact(state) || shape->type != runs[i].type ||
				 shape->kind != runs[i].kind))
			continue;
		runs[kept] = runs[i];
		runs[kept++].most = shape ? most_of(shape) : TYPE_SPREAD;
	}
	s->now.runs.n = kept;
	join_runs(&s->now);
}

static void follow_few(struct native_spread *s)
{
	struct typed *v = s->now.few;

	for (uint64_t i = 0; i < s->now.n_blocks && !s->err; i++)
		follow_block(s, v[i].at, v[i].state);
}

/* What each is when the round begins: while it lasts more is said of them. */
static void begin_few(struct native_spread *s)
{
	struct typed *v = s->now.few;

	for (uint64_t i = 0; i < s->now.n_blocks; i++) {
		if (i + AHEAD < s->now.n_blocks)
			fetch_type(s, v[i + AHEAD].id);
		v[i].state = s->n->state[v[i].id];
		bit_clear(s->now.bits.base, v[i].id);
	}
}

static struct err *begin_many(struct native_spread *s)
{
	const uint64_t *set = s->now.bits.base;
	uint64_t n = 0;
	uint32_t *room = NULL;
	struct err *err;

	s->states.n = 0;
	err = col_reserve(&s->states, s->now.n_blocks, &room);
	if (err)
		return err;
	for (uint64_t w = 0; w < bits_words(s->n->blocks->grains.n); w++)
		for (uint64_t rest = set[w]; rest; rest &= rest - 1)
			room[n++] = s->n->state[w << 6 | (unsigned)__builtin_ctzll(rest)];
	s->states.n = n;
	return NULL;
}

/* What the program holds of a block, by ids that ascend; `near`: 0 at first. */
static bool start_of(const struct native_spread *s, uint32_t id, uint64_t *near, taddr *ret)
{
	const struct grains *g = &s->n->blocks->grains;
	const struct bounds *in;
	uint64_t grain;

	for (unsigned i = 0; i < STEPS && id >= g->words[*near + 1].rank; i++)
		++*near;
	grain = grains_select_near(g, id, near);
	*ret = grain_key(g, grain);
	in = bounds_of(s, grain, *ret);
	*ret += in ? in->head : 0;
	return in;
}

static void follow_many(struct native_spread *s)
{
	const uint32_t *state = s->states.base;
	uint64_t *set = s->now.bits.base, near = 0;
	taddr at;

	for (uint64_t w = 0; w < bits_words(s->n->blocks->grains.n); w++) {
		for (uint64_t rest = set[w]; rest && !s->err; rest &= rest - 1, state++)
			if (start_of(s, (uint32_t)(w << 6 | (unsigned)__builtin_ctzll(rest)), &near, &at))
				follow_block(s, at, *state);
		set[w] = 0;
	}
}

/* What is on its way. */
static void end_round(struct native_spread *s)
{
	follow_coming(s);
	decide_all(s);
}

static void follow_round(struct native_spread *s)
{
	bool many = s->now.n_blocks > s->n->few;
	const struct run *runs = s->now.runs.base;
	struct err *err = NULL;

	keep_runs(s);
	if (many)
		err = begin_many(s);
	else
		begin_few(s);
	if (err)
		fail(s, err);
	for (uint64_t i = 0; i < s->now.runs.n && !s->err; i++)
		follow(s, runs[i].at, runs[i].bytes, runs[i].type, runs[i].most);
	if (many && !s->err)
		follow_many(s);
	else
		follow_few(s);
	end_round(s);
}

/* All that waits is followed in the next round. */
static void take_all(struct native_spread *s)
{
	struct round done = s->now;

	s->now = s->next;
	s->next = done;
	s->next.n_blocks = s->next.runs.n = 0;
}

/* The last blocks are, and what containers told; the others wait where they are. */
static void take_step(struct native_spread *s)
{
	struct col runs = s->now.runs;
	uint32_t n = s->n->step;

	s->now.runs = s->next.runs;
	s->next.runs = runs;
	s->next.runs.n = 0;
	s->next.n_blocks -= n;
	s->now.n_blocks = n;
	memcpy(s->now.few, s->next.few + s->next.n_blocks, n * sizeof(*s->now.few));
	for (uint32_t i = 0; i < n; i++)
		bit_clear(s->next.bits.base, s->now.few[i].id);
}

struct err *native_spread_on(struct native_spread *s)
{
	end_round(s); /* what registers said */
	while ((s->next.n_blocks || s->next.runs.n) && !s->err) {
		if (s->n->step && s->next.n_blocks > s->n->step && s->next.n_blocks <= s->n->few)
			take_step(s);
		else
			take_all(s);
		follow_round(s);
	}
	return s->err;
}

void native_follow(struct native_spread *s, taddr at, uint64_t bytes, const struct dbg_type *type)
{
	struct native_type *t = native_type_of(s->n, type->kind == DBG_KIND_ARRAY ? type->to : type);
	struct run run = { .at = at, .bytes = bytes, .type = t, .id = BLOCK_NONE };

	if (t)
		queue_run(s, &run);
}

void native_follow_value(struct native_spread *s, const uint8_t value[NATIVE_VALUE_MAX], uint32_t known,
			 const struct dbg_type *type)
{
	struct native_type *t = native_type_of(s->n, type);
	uint64_t bytes;
	bool whole;

	if (!t)
		return;
	bytes = type->size < NATIVE_VALUE_MAX ? type->size : NATIVE_VALUE_MAX;
	whole = known == (bytes == NATIVE_VALUE_MAX ? UINT32_MAX : (1u << bytes / 8) - 1) && bytes % 8 == 0;
	s->most = TYPE_SPREAD;
	native_compile(s->n, t);
	for (uint32_t i = 0; i < t->n_slots; i++) {
		const struct native_slot *slot = &t->slots[i];
		/* More than a pointer leads further than its own word. */
		bool alone = slot->op == NATIVE_POINTER && !slot->guard;

		if (slot->offset % 8 == 0 && slot->offset < bytes && (whole || (alone && known >> slot->offset / 8 & 1)))
			on_slot(s, value, bytes, slot);
	}
}

void native_suppose(struct native_spread *s, taddr at, struct native_type *type)
{
	struct native_evidence e = { .type = type, .kind = NATIVE_VALUE, .confidence = TYPE_GUESSED };
	struct place p;

	if (find_place(s, at, &p) && !p.offset && !s->n->state[p.id])
		settle(s, &p, &e);
}

/* Objects that say themselves what they are, and of which DWARF tells more. */
static void queue_objects(struct native_spread *s)
{
	const uint32_t *ids = s->n->objects.base;
	uint64_t near = 0;
	taddr at = 0;

	for (uint64_t i = 0; i < s->n->objects.n; i++) {
		const struct native_shape *shape = native_shape_in(s->n, s->n->state[ids[i]]);

		if (!shape || !shape->type || shape->is_guess)
			continue;
		native_compile(s->n, shape->type);
		if (!shape->type->n_slots)
			continue;
		if (s->next.n_blocks < s->n->few) /* else they are found in the bitmap */
			start_of(s, ids[i], &near, &at);
		queue_block(s, ids[i], at);
	}
}

/* ---- claims */

static struct bounds bounds_for(const struct blocks *b, size_t no)
{
	const struct claim *c = &b->claims[no];
	struct bounds bounds = { .head = c->head, .around = c->head + c->overhead };

	if (blocks_rounding(b, no))
		bounds.more = c->arena == UINT32_MAX ? PAGE + ROUNDING : ROUNDING;
	return bounds;
}

static void open_units(struct native_spread *s)
{
	const struct grains *g = &s->n->blocks->grains;

	for (uint32_t i = 0; i < g->n_units; i++) {
		taddr base = g->unit_base[i];
		const struct segment *seg = image_segment(s->n->img, base);

		if (!seg || !seg->bytes)
			continue;
		s->units[i].bytes = seg->bytes + (base - seg->start);
		s->units[i].end = seg->end + seg->behind;
	}
}

static struct err *open_claims(struct native_spread *s)
{
	const struct blocks *b = s->n->blocks;
	const struct grains *g = &b->grains;

	s->bounds = calloc(b->n_claims + 1, sizeof(*s->bounds));
	s->units = calloc(g->n_units, sizeof(*s->units));
	if (!s->bounds || !s->units)
		return &err_nomem;
	for (size_t i = 0; i < b->n_claims; i++) {
		taddr start = b->claims[i].start + b->claims[i].bias, end = b->claims[i].end + b->claims[i].bias;
		uint64_t unit = partition_point(g->n_units, k, g->unit_base[k] < start);

		s->bounds[i] = bounds_for(b, i);
		for (; unit < g->n_units && g->unit_base[unit] < end && end - g->unit_base[unit] >= 1 << UNIT_SHIFT; unit++)
			s->units[unit].claim = (uint32_t)i + 1;
	}
	open_units(s);
	return NULL;
}

static struct err *open_round(struct native *n, struct round *r)
{
	struct err *err = col_fixed(n->env, 8, bits_words(n->blocks->grains.n) + 1, "types", &r->bits);

	r->few = calloc(n->few + 1, sizeof(*r->few));
	if (!err && !r->few)
		return &err_nomem;
	return err ? err : col_open_moving(n->env, sizeof(struct run), RUNS_MAX, "types", &r->runs);
}

static void close_round(struct round *r)
{
	col_close(&r->bits);
	col_close(&r->runs);
	free(r->few);
}

static void close_spread(struct native_spread *s)
{
	resident_bound_close(&s->bound);
	free(s->bounds);
	free(s->units);
	close_round(&s->now);
	close_round(&s->next);
	col_close(&s->states);
}

struct err *native_spread(struct native *n, struct err *(*roots)(struct native *n, struct native_spread *s))
{
	const struct grains *g = &n->blocks->grains;
	_cleanup_(close_spread) struct native_spread s = { .n = n };
	struct err *err;

	if (!g->n_units || n->cols->types->n > NATIVE_TYPE_OF(UINT32_MAX))
		return NULL;
	grains_range(g, &s.low, &s.span);
	err = open_claims(&s);
	if (!err)
		err = resident_bound_open(n->img, (uint64_t)g->n_units << UNIT_SHIFT, &s.bound);
	if (!err)
		err = open_round(n, &s.now);
	if (!err)
		err = open_round(n, &s.next);
	if (!err)
		err = col_open(n->env, sizeof(uint32_t), g->n, "types", &s.states);
	if (err)
		return err;
	native_join_begin(n);
	err = roots(n, &s);
	if (!err) {
		queue_objects(&s);
		err = native_spread_on(&s);
	}
	if (!err)
		err = native_rule_seeds(n, &s);
	if (err)
		err_free(native_join_finish(n)); /* the first counts */
	else
		err = native_join_finish(n);
	return err;
}
