/*
 * type/native_spread.c - types along typed pointers, each block by its strongest evidence.
 *
 * What a pointer of type T * says of a block: that it begins with a T.  That it is one, its size
 * tells: as much as malloc gives for a T.  A larger one is an array of them, if all that its
 * elements would point at is there; where some struct begins with a T, the block may be that one,
 * and T is a guess.  A class with virtual functions says itself what it is (native_vtables.c).
 * Of two types as sure as each other the one that begins with the other is right; two that
 * contradict are both guesses, and the first stays.
 *
 * Thirty-two pointers are under way at a time, for one alone would wait for memory (as in scan.c).
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "image/shadow.h"
#include "type/native.h"

enum {
	STACK_MAX = 1 << 16,
	COMING = 16, /* blocks whose bytes are on their way */
	DEEPER = 8, /* in the stack: whose type is on its way */
	PENDING = 32, /* pointers on their way; halfway there their block is known */
	ROUNDING = 24,	/* bytes that malloc may give more than were asked for */
	PAGE = 4096,	/* and what has a mapping of its own */
	PROBES = 16,	/* elements of an array that are looked at */
};

struct to_follow {
	taddr at;
	uint64_t bytes; /* of it that hold values */
	uint32_t id;
};

/* The same on its way: values of a type. */
struct coming {
	const uint8_t *values;
	uint64_t bytes;
	struct native_type *type;
	uint8_t most;
};

/* A pointer whose index line, then whose row of types, comes into the cache. */
struct pending {
	uint64_t value, grain;
	struct native_type *type;
	uint8_t most; /* enum type_confidence that it may give */
};

/* What each block of a claim asks of it. */
struct bounds {
	uint32_t head, around; /* bytes before the program's, and before and behind them */
	uint32_t more;	       /* bytes that a block may have more than were asked for; 0: a quarter */
};

struct native_spread {
	struct native *n;
	uint64_t low, span; /* all blocks lie in [low, low + span) */
	struct bounds *bounds; /* by claim */
	uint32_t *unit_claim;  /* by unit of the block index, + 1; 0: to be searched for */
	struct to_follow *stack; /* the last first: near in memory to what was followed before */
	uint32_t count;		 /* of STACK_MAX */
	struct col later;	 /* one bit an id: typed, not followed, not on the stack */
	uint64_t n_later;
	struct coming coming[COMING];
	uint32_t come, gone; /* in coming, which is a ring */
	struct pending pending[PENDING];
	uint32_t given, seen, done; /* in pending, which is a ring */
	uint8_t most;		   /* enum type_confidence that what is followed now may give */
	uint64_t changes_left;	   /* of one type to another as sure */
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
	uint32_t no = s->unit_claim[grain >> b->grains.unit_shift];
	const struct claim *c;

	if (no)
		return &s->bounds[no - 1];
	c = blocks_claim_at(b, at);
	return c ? &s->bounds[c - b->claims] : NULL;
}

static bool place_of(struct native_spread *s, uint64_t value, uint64_t grain, struct place *p)
{
	const struct grains *g = &s->n->blocks->grains;
	struct grains_iter it;

	p->id = grain_block(g, grain);
	if (!block_is_used(s->n->blocks, p->id))
		return false;
	if (grain_is_start(g, grain, value)) {
		it.key = value;
		it.grain = grain;
		it.size = (grain_next_start(g, grain) - grain) << g->shift;
	} else {
		it = grains_iter(g, p->id);
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
	uint64_t grain = grain_of(&s->n->blocks->grains, value);

	return grain != GRAIN_NONE && place_of(s, value, grain, p);
}

/* How much larger a block may be than what was asked for. */
static uint64_t slack(const struct place *p, uint64_t size)
{
	return p->in->more ? p->in->more : size / 4 + ROUNDING;
}

/* ---- what a block is */

static void push(struct native_spread *s, const struct place *p, uint64_t bytes)
{
	if (s->count < STACK_MAX) {
		s->stack[s->count++] = (struct to_follow){ p->at, bytes, p->id };
	} else if (!bit_get(s->later.base, p->id)) {
		bit_set(s->later.base, p->id);
		s->n_later++;
	}
}

static void assign(struct native_spread *s, const struct place *p, struct native_type *type, enum native_kind kind,
		   uint8_t confidence, uint64_t bytes)
{
	struct native_shape *shape = native_shape_of(s->n, type, kind, confidence == TYPE_GUESSED);
	struct err *err = shape ? native_assign(s->n, p->id, shape, confidence) : &err_nomem;

	if (err) {
		s->err = err;
		return;
	}
	native_compile(s->n, type);
	if (type->n_slots)
		push(s, p, bytes);
}

/* One of a type that ends in an array without a length is as large as its maker wanted. */
static bool is_open_ended(const struct dbg_type *type)
{
	const struct dbg_member *last;

	dbg_type_load((struct dbg_type *)type);
	if (type->kind != DBG_KIND_STRUCT || !type->n_members)
		return false;
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

/* All pointers of the first elements behind the first lead somewhere, and some are there. */
static bool is_filled(struct native_spread *s, const struct place *p, const struct native_type *type)
{
	uint64_t avail = 0, n = p->usable / type->dbg->size, some = 0;
	const uint8_t *b = native_view(s->n, p->at, &avail);

	if (!b || avail < p->usable)
		return false;
	for (uint64_t i = 1; i < n && i < PROBES; i++)
		for (uint32_t k = 0; k < type->n_slots; k++) {
			uint64_t at = i * type->dbg->size + type->slots[k].offset;
			uint64_t word = at <= p->usable - 8 ? load_u64(b + at) : 0;

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
	return type->n_slots && is_filled(s, p, type) ? TYPE_SPREAD : TYPE_GUESSED;
}

/* `outer` begins with `inner`, at any depth. */
static bool begins_with(const struct dbg_type *outer, const struct dbg_type *inner)
{
	for (unsigned depth = 0; outer && depth < 64; depth++) {
		if (outer == inner)
			return true;
		if (outer->kind == DBG_KIND_ARRAY) {
			outer = outer->to;
			continue;
		}
		dbg_type_load((struct dbg_type *)outer);
		if (outer->kind != DBG_KIND_STRUCT || !outer->n_members || outer->members[0].offset)
			return false;
		outer = outer->members[0].type;
	}
	return false;
}

static bool same_name(const struct dbg_type *a, const struct dbg_type *b)
{
	return a == b || (a->name && b->name && a->size == b->size && !strcmp(a->name, b->name));
}

/* What one type says against another that is as sure: the other one is right. */
static bool is_better(const struct native_shape *now, const struct dbg_type *type, enum native_kind kind)
{
	const struct dbg_type *old = now->type->dbg;

	if (now->kind != NATIVE_VALUE && kind == NATIVE_VALUE)
		return old->kind == DBG_KIND_BASE || begins_with(type, old);
	if (now->kind == NATIVE_VALUE && kind != NATIVE_VALUE)
		return false;
	return type->size > old->size && (old->is_text || begins_with(type, old));
}

static bool contradicts(const struct native_shape *now, const struct dbg_type *type)
{
	const struct dbg_type *old = now->type->dbg;

	return !same_name(old, type) && !old->is_text && !type->is_text && !begins_with(old, type) &&
	       !begins_with(type, old) && old->kind != DBG_KIND_POINTER;
}

/* What is known before, or from someone else, and is as sure: true if it stays. */
static bool stays(struct native_spread *s, const struct place *p, struct native_type *type, enum native_kind kind,
		  uint8_t confidence)
{
	struct native_shape *now = native_shape_now(s->n, p->id);
	uint8_t before = s->n->cols->confidence[p->id];

	if (before != confidence)
		return before > confidence;
	if (!now || !now->type)
		return before != TYPE_UNKNOWN;
	if (now->type == type && now->kind == kind)
		return true;
	if (!s->changes_left)
		return true;
	/* The links of a container say more than a pointer that may be stale; but for a list's own ones. */
	if (type->is_node != now->type->is_node) {
		bool new_is_right = type->is_node ? !type->is_ring : now->type->is_ring;

		s->changes_left -= new_is_right;
		return !new_is_right;
	}
	if (is_better(now, type->dbg, kind)) {
		s->changes_left--;
		return false;
	}
	if (confidence == TYPE_SPREAD && contradicts(now, type->dbg)) {
		s->changes_left--;
		assign(s, p, now->type, now->kind, TYPE_GUESSED, 0);
	}
	return true;
}

static void settle(struct native_spread *s, const struct place *p, struct native_type *type, enum native_kind kind,
		   uint8_t confidence, uint64_t bytes)
{
	confidence = confidence < s->most ? confidence : s->most;
	if (confidence && !stays(s, p, type, kind, confidence))
		assign(s, p, type, kind, confidence, bytes);
}

/* The block begins with the count of new[], and is as large as that many take. */
static bool is_counted(struct native_spread *s, const struct place *p, uint64_t size)
{
	uint64_t avail = 0, n, bytes;
	const uint8_t *b = native_view(s->n, p->at, &avail);

	if (!b || avail < 8)
		return false;
	n = load_u64(b);
	if (!n || !checked_mul(n, size, &bytes) || bytes > p->usable - 8 ||
	    p->usable - 8 - bytes > slack(p, bytes))
		return false;
	image_keep_bytes(s->n->img, b, 8);
	return true;
}

static void decide(struct native_spread *s, const struct pending *c)
{
	struct native_type *type = c->type;
	enum native_kind kind;
	struct place p;
	uint8_t confidence;

	if (!place_of(s, c->value, c->grain, &p))
		return;
	s->most = c->most;
	if (p.offset == 8 && is_counted(s, &p, type->dbg->size))
		settle(s, &p, type, NATIVE_COUNTED, TYPE_SPREAD, p.usable);
	if (type->larger && p.usable >= type->larger->dbg->size)
		type = type->larger;
	if (p.offset || p.usable < type->dbg->size)
		return;
	confidence = judge_one(s, &p, type, &kind);
	settle(s, &p, type, kind, confidence, kind == NATIVE_VALUE ? type->dbg->size : p.usable);
}

static void decide_next(struct native_spread *s)
{
	decide(s, &s->pending[s->done++ % PENDING]);
}

static void fetch_type(const struct native_spread *s, uint32_t id)
{
	__builtin_prefetch(&s->n->cols->type[id]);
	__builtin_prefetch(&s->n->cols->confidence[id]);
}

static void look_at_next(struct native_spread *s)
{
	const struct pending *c = &s->pending[s->seen++ % PENDING];

	fetch_type(s, grain_block(&s->n->blocks->grains, c->grain));
}

/* `s->most` is what it may give. */
static void on_pointer(struct native_spread *s, uint64_t value, struct native_type *type)
{
	struct pending c = { value, grain_of(&s->n->blocks->grains, value), type, s->most };

	if (c.grain == GRAIN_NONE)
		return;
	__builtin_prefetch(&s->n->blocks->grains.words[c.grain >> 6]);
	if (s->given - s->done == PENDING)
		decide_next(s);
	s->pending[s->given++ % PENDING] = c;
	if (s->given - s->seen > PENDING / 2)
		look_at_next(s);
	s->most = c.most; /* deciding changes it */
}

static void decide_all(struct native_spread *s)
{
	while (s->done != s->given && !s->err)
		decide_next(s);
	s->seen = s->given;
}

/* Start, end and end of the room: nothing is left to guess. */
static void on_vector(struct native_spread *s, const uint8_t *words, struct native_type *type)
{
	uint64_t start = load_u64(words), end = load_u64(words + 8), room = load_u64(words + 16);
	uint64_t size = type->dbg->size;
	struct place p;

	if (end < start || room < end || room == start || (room - start) % size || (end - start) % size ||
	    !find_place(s, start, &p) || p.offset || room - start > p.usable ||
	    p.usable - (room - start) > slack(&p, room - start))
		return;
	image_keep_bytes(s->n->img, words, 24);
	settle(s, &p, type, NATIVE_ARRAY, TYPE_SPREAD, end - start);
}

/*
 * Map, its length, then cur, first, last, node of the first value and of the one behind the last.
 * `type`: of the pointers in the map.
 */
static void on_deque(struct native_spread *s, const uint8_t *words, struct native_type *type)
{
	enum { CUR, FIRST, LAST, NODE };
	uint64_t map = load_u64(words), start[4], finish[4], room;
	const uint8_t *nodes;
	uint64_t avail = 0;
	struct native_type *value;
	struct place p;

	for (unsigned i = 0; i < 4; i++) {
		start[i] = load_u64(words + 16 + 8 * i);
		finish[i] = load_u64(words + 48 + 8 * i);
	}
	dbg_type_load(type->dbg);
	value = native_type_of(s->n, type->dbg->to);
	room = start[LAST] - start[FIRST];
	if (!value || !find_place(s, map, &p) || p.offset || load_u64(words + 8) > p.usable / 8 ||
	    start[NODE] < map || finish[NODE] < start[NODE] || finish[NODE] - map >= p.usable || start[NODE] % 8 ||
	    start[LAST] < start[CUR] || start[CUR] < start[FIRST] || finish[CUR] < finish[FIRST] ||
	    finish[CUR] - finish[FIRST] > room)
		return;
	image_keep_bytes(s->n->img, words, 80);
	settle(s, &p, type, NATIVE_ARRAY, TYPE_SPREAD, 0);
	nodes = native_view(s->n, start[NODE], &avail);
	for (uint64_t at = start[NODE]; nodes && at <= finish[NODE] && at - start[NODE] + 8 <= avail; at += 8) {
		uint64_t buffer = load_u64(nodes + (at - start[NODE]));
		uint64_t from = at == start[NODE] ? start[CUR] - start[FIRST] : 0;
		uint64_t to = at == finish[NODE] ? finish[CUR] - finish[FIRST] : room;

		if (!find_place(s, buffer, &p) || p.offset || room > p.usable || p.usable - room > slack(&p, room))
			continue;
		p.at += from; /* values before the first are no more */
		settle(s, &p, value, NATIVE_ARRAY, TYPE_SPREAD, to > from ? to - from : 0);
	}
}

struct rust_runs {
	struct native_spread *s;
	const struct native_slot *slot;
	bool is_new; /* nobody has followed them before */
};

static bool on_run(void *arg, const struct native_run *run)
{
	struct rust_runs *r = arg;
	struct native_spread *s = r->s;
	struct native_shape *now;
	struct place p;

	if (!find_place(s, run->start, &p) || p.offset || run->skip > p.usable || run->room > p.usable - run->skip ||
	    run->to < run->from || run->to > run->skip + run->room)
		return false;
	if (!r->is_new) {
		if (p.usable - run->skip - run->room > slack(&p, run->skip + run->room))
			return false;
		now = native_shape_now(s->n, p.id);
		if (now && now->type == r->slot->to && s->n->cols->confidence[p.id] >= s->most)
			return false;
		settle(s, &p, r->slot->to, run->kind, TYPE_SPREAD, 0);
		now = native_shape_now(s->n, p.id);
		r->is_new = now && now->type == r->slot->to;
	}
	p.at += run->from;
	if (r->is_new && r->slot->to->n_slots && run->to > run->from)
		push(s, &p, run->to - run->from);
	return r->is_new;
}

static void on_rust(struct native_spread *s, const uint8_t *value, uint64_t left, const struct native_slot *slot)
{
	struct rust_runs r = { .s = s, .slot = slot };

	native_rust_runs(s->n, value, left, slot, on_run, &r);
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
		on_pointer(s, word, type);
}

/* ---- values, and what they point at */

/* `value`: a value of the type that has the slot, of which `left` bytes are at hand. */
static void on_slot(struct native_spread *s, const uint8_t *value, uint64_t left, const struct native_slot *slot)
{
	static const uint8_t bytes[] = { [NATIVE_POINTER] = 8, [NATIVE_VECTOR] = 24, [NATIVE_DEQUE] = 80, [NATIVE_DYN] = 8, [NATIVE_RUST] = 8 };
	uint64_t word;

	if (slot->offset > left || left - slot->offset < bytes[slot->op])
		return;
	if (!native_holds(slot->guard, value, left))
		return;
	for (const struct native_guard *g = slot->guard; g; g = g->outer)
		image_keep_exact(s->n->img, value + g->offset, g->size);
	if (slot->op == NATIVE_RUST) {
		on_rust(s, value, left, slot);
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
	else if (slot->op == NATIVE_DEQUE)
		on_deque(s, value + slot->offset, slot->to);
	else
		on_pointer(s, word, slot->to);
}

/* Values of a type one after another. */
static void follow_values(struct native_spread *s, const uint8_t *b, uint64_t bytes, const struct native_type *type)
{
	uint64_t size = type->dbg->size;

	for (uint64_t from = 0; from < bytes && !s->err; from += size)
		for (uint32_t i = 0; i < type->n_slots; i++)
			on_slot(s, b + from, bytes - from, &type->slots[i]);
}

static void follow(struct native_spread *s, taddr at, uint64_t bytes, struct native_type *type)
{
	uint64_t avail = 0;
	const uint8_t *b = native_view(s->n, at, &avail);

	native_compile(s->n, type);
	if (b)
		follow_values(s, b, bytes < avail ? bytes : avail, type);
}

static uint8_t weaker(uint8_t confidence)
{
	return confidence >= TYPE_SPREAD ? TYPE_SPREAD : confidence;
}

static void follow_next(struct native_spread *s)
{
	struct coming c = s->coming[s->gone++ % COMING];

	s->most = c.most;
	follow_values(s, c.values, c.bytes, c.type);
}

/* Its bytes are read when they are there. */
static void follow_block(struct native_spread *s, const struct to_follow *f)
{
	struct native_shape *shape = native_shape_now(s->n, f->id);
	uint64_t skip = shape && shape->kind == NATIVE_COUNTED ? 8 : 0, avail = 0;
	struct coming c;

	if (!shape || !shape->type || f->bytes <= skip)
		return;
	native_compile(s->n, shape->type);
	c.values = native_view(s->n, f->at + skip, &avail);
	if (!c.values || !shape->type->n_slots)
		return;
	c.bytes = f->bytes - skip < avail ? f->bytes - skip : avail;
	c.type = shape->type;
	c.most = weaker(s->n->cols->confidence[f->id]);
	for (uint64_t i = 0; i < c.bytes && i < 256; i += 64)
		__builtin_prefetch(c.values + i);
	if (s->come - s->gone == COMING)
		follow_next(s);
	s->coming[s->come++ % COMING] = c;
}

static void follow_all(struct native_spread *s)
{
	do {
		while (s->count && !s->err) {
			if (s->count > DEEPER)
				fetch_type(s, s->stack[s->count - 1 - DEEPER].id);
			follow_block(s, &s->stack[--s->count]);
		}
		while (s->gone != s->come && !s->err)
			follow_next(s);
		decide_all(s);
	} while (s->count && !s->err);
}

/* Those that the stack had no room for. */
static void follow_later(struct native_spread *s)
{
	const struct grains *g = &s->n->blocks->grains;
	uint64_t *set = s->later.base;

	for (uint64_t w = 0; w < bits_words(g->n) && !s->err; w++) {
		while (set[w] && !s->err) {
			uint32_t id = (uint32_t)(w << 6 | (unsigned)__builtin_ctzll(set[w]));
			struct native_shape *shape = native_shape_now(s->n, id);
			struct place p;

			bit_clear(set, id);
			s->n_later--;
			/* Which of a table's values are there, the block alone does not tell. */
			if ((!shape || shape->kind != NATIVE_TABLE) && find_place(s, grains_key(g, id), &p))
				follow_block(s, &(struct to_follow){ p.at, p.usable, id });
			follow_all(s);
		}
	}
}

static struct err *run(struct native_spread *s)
{
	follow_all(s);
	while (s->n_later && !s->err)
		follow_later(s);
	return s->err;
}

void native_follow(struct native_spread *s, taddr at, uint64_t bytes, const struct dbg_type *type)
{
	struct native_type *t = native_type_of(s->n, type->kind == DBG_KIND_ARRAY ? type->to : type);

	s->most = TYPE_SPREAD;
	if (t)
		follow(s, at, bytes, t);
	follow_all(s);
}

void native_follow_word(struct native_spread *s, uint64_t word, const struct dbg_type *type)
{
	struct native_type *t;

	if (type->kind != DBG_KIND_POINTER || word - s->low >= s->span)
		return;
	dbg_type_load((struct dbg_type *)type);
	t = native_type_of(s->n, type->to);
	s->most = TYPE_SPREAD;
	if (t)
		on_pointer(s, word, t);
	follow_all(s);
}

struct err *native_suppose(struct native_spread *s, taddr at, struct native_type *type)
{
	struct place p;

	if (!find_place(s, at, &p) || p.offset || s->n->cols->confidence[p.id])
		return s->err;
	s->most = TYPE_GUESSED;
	settle(s, &p, type, NATIVE_VALUE, TYPE_GUESSED, type->dbg->size);
	return s->err ? s->err : run(s);
}

/* Objects that say themselves what they are, and of which DWARF tells more. */
static struct err *on_known(void *arg, const struct native_block *b)
{
	struct native_spread *s = arg;
	struct native_shape *shape = native_shape_now(s->n, b->id);

	if (shape && shape->type && s->n->cols->confidence[b->id] == TYPE_EXACT) {
		follow_block(s, &(struct to_follow){ b->at, b->usable, b->id });
		follow_all(s);
	}
	return s->err;
}

/* ---- claims */

static struct bounds bounds_for(const struct blocks *b, size_t no)
{
	const struct claim *c = &b->claims[no];
	struct bounds bounds = { .head = c->head, .around = c->head + c->overhead };

	if (!strcmp(b->heaps[b->claim_heap[no]].ops->name, "glibc"))
		bounds.more = c->arena == UINT32_MAX ? PAGE + ROUNDING : ROUNDING;
	return bounds;
}

static struct err *open_claims(struct native_spread *s)
{
	const struct blocks *b = s->n->blocks;
	const struct grains *g = &b->grains;

	s->bounds = calloc(b->n_claims + 1, sizeof(*s->bounds));
	s->unit_claim = calloc(g->n_units, sizeof(*s->unit_claim));
	if (!s->bounds || !s->unit_claim)
		return &err_nomem;
	for (size_t i = 0; i < b->n_claims; i++) {
		taddr start = b->claims[i].start + b->claims[i].bias, end = b->claims[i].end + b->claims[i].bias;
		uint64_t unit = partition_point(g->n_units, k, g->unit_base[k] < start);

		s->bounds[i] = bounds_for(b, i);
		for (; unit < g->n_units && g->unit_base[unit] < end && end - g->unit_base[unit] >= 1 << UNIT_SHIFT; unit++)
			s->unit_claim[unit] = (uint32_t)i + 1;
	}
	return NULL;
}

static void close_spread(struct native_spread *s)
{
	free(s->bounds);
	free(s->unit_claim);
	free(s->stack);
	col_close(&s->later);
}

struct err *native_spread(struct native *n)
{
	const struct grains *g = &n->blocks->grains;
	_cleanup_(close_spread) struct native_spread s = { .n = n, .changes_left = 4 * (uint64_t)g->n };
	struct err *err;

	if (!g->n_units)
		return NULL;
	s.low = g->unit_base[0];
	s.span = g->unit_base[g->n_units - 1] + (1ull << UNIT_SHIFT) - s.low;
	s.stack = malloc(STACK_MAX * sizeof(*s.stack));
	err = s.stack ? open_claims(&s) : &err_nomem;
	if (!err)
		err = col_fixed(n->env, 8, bits_words(g->n) + 1, "types", &s.later);
	if (!err)
		err = native_roots(n, &s);
	if (!err)
		err = native_each_object(n, on_known, &s);
	if (!err)
		err = run(&s);
	return err ? err : native_rule_seeds(n, &s);
}
