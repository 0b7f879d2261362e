/*
 * type/native_join.c - all that is said of one block, joined: the same whatever came first.
 *
 * Evidence is in a total order: of two types the one that begins with the other comes first, for it
 * is larger or has one more struct inside; so a block has the first of all that was said of it.
 * Two types as sure as each other of which neither begins with the other contradict: the block is
 * a guess then, and the first of those that contradict stays known as its rival.  What begins with
 * a type are structs inside each other, a chain: what was dropped because it begins another one
 * would not have contradicted what comes later, unless that one did.
 */
#include <string.h>

#include "base/bits.h"
#include "type/native.h"

/* A block's row of native.state, above its type_id: while types spread, all of it in one place. */
enum {
	CHANGE = 1 << 24, /* how often what it has was another than in the round before */
	CHANGES = 15 * CHANGE,
	SURE_SHIFT = 28, /* enum type_confidence; more than all of them: nothing can be said of it */
	EXACT = 1 << 23, /* which of its bytes hold values is told */
	CHAIN_MAX = 64,
	RIVALS_MAX = 1 << 20, /* blocks of which is told what else they may be */
};
#define CONTRADICTED (1u << 31)
#define TYPE_MAX NATIVE_TYPE_OF(UINT32_MAX)

/* ---- types among each other */

static const struct dbg_type *element(const struct dbg_type *type)
{
	for (unsigned i = 0; i < CHAIN_MAX && type->kind == DBG_KIND_ARRAY && type->to; i++)
		type = type->to;
	return type;
}

/* The struct, or what else, that a type begins with; NULL: it begins with nothing else. */
static const struct dbg_type *first_part(const struct dbg_type *type)
{
	if (type->kind == DBG_KIND_ARRAY)
		return type->to;
	dbg_type_load((struct dbg_type *)type);
	if (type->kind != DBG_KIND_STRUCT || !type->n_members || type->members[0].offset)
		return NULL;
	return type->members[0].type;
}

static bool begins_with(const struct dbg_type *outer, const struct dbg_type *inner)
{
	for (unsigned i = 0; outer && i < CHAIN_MAX; i++, outer = first_part(outer))
		if (dbg_type_is_same(outer, inner))
			return true;
	return false;
}

/* What says little: bytes, of whatever; then pointers, which two units tell as two types. */
enum { TEXT, POINTER, NUMBER, STRUCT };

static unsigned class_of(const struct dbg_type *type)
{
	switch (element(type)->kind) {
	case DBG_KIND_BASE:
		return element(type)->is_text ? TEXT : NUMBER;
	case DBG_KIND_POINTER:
		return POINTER;
	default:
		return STRUCT;
	}
}

static unsigned depth_of(const struct dbg_type *type)
{
	unsigned depth = 0;

	for (type = element(type); type && depth < CHAIN_MAX; depth++)
		type = first_part(type);
	return depth;
}

void native_rank(struct native_type *type)
{
	type->class = (uint8_t)class_of(type->dbg);
	/* The links of a container say more than a pointer that may be stale; but for a list's own ones. */
	type->rank = !type->is_node ? 1 : type->is_ring ? 0 : 2;
}

/* Neither is a part of the other, nor so little that it is no type at all. */
static bool contradict(const struct native_type *a, const struct native_type *b)
{
	const struct dbg_type *x = element(a->dbg), *y = element(b->dbg);

	return a->class > POINTER && b->class > POINTER && !begins_with(x, y) && !begins_with(y, x);
}

static int order(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int name_order(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) : order(a != NULL, b != NULL);
}

/* Positive: `a` comes before `b`. */
static int type_order(const struct native_type *a, const struct native_type *b)
{
	const struct dbg_type *x = element(a->dbg), *y = element(b->dbg);
	int o = order(a->class, b->class);

	o = o ? o : order(x->size, y->size);
	o = o || x == y ? o : order(depth_of(x), depth_of(y));
	return o;
}

static taddr module_of(const struct dbg_type *type)
{
	return type->of ? type->of->module->start : 0;
}

/* Of two of one name that of the first module, and there the first. */
static int place_order(const struct native_type *a, const struct native_type *b)
{
	int o = name_order(b->dbg->name, a->dbg->name);

	o = o ? o : order(module_of(b->dbg), module_of(a->dbg));
	return o ? o : order(b->dbg->place, a->dbg->place);
}

static int kind_order(enum native_kind a, enum native_kind b)
{
	static const uint8_t strength[] = {
		[NATIVE_VALUE] = 3, [NATIVE_COUNTED] = 2, [NATIVE_SHARED] = 2, [NATIVE_TABLE] = 1, [NATIVE_ARRAY] = 0,
	};

	return order(strength[a], strength[b]);
}

static int evidence_order(const struct native_evidence *a, const struct native_evidence *b)
{
	int o = type_order(a->type, b->type);

	o = o ? o : kind_order(a->kind, b->kind);
	o = o || a->type == b->type ? o : place_order(a->type, b->type);
	return o ? o : order(a->is_exact, b->is_exact);
}

/* ---- a block's */

enum { SURE = 7, UNUSED = SURE };

struct joining {
	struct native *n;
	uint32_t id, state;
	const struct native_evidence *e;
	struct native_evidence now;
};

static unsigned sure(uint32_t state)
{
	return state >> SURE_SHIFT & SURE;
}

/* The first of what contradicts; `e` NULL: nothing does any more. */
static struct err *set_rival(struct joining *j, const struct native_evidence *e)
{
	struct native_evidence *kept = (void *)addrmap_get(&j->n->rivals, (uint64_t)j->id + 1);

	if (!kept) {
		if (!e || j->n->rivals.n >= RIVALS_MAX)
			return NULL;
		kept = arena_alloc(&j->n->mem, sizeof(*kept));
		if (!kept || !addrmap_put(&j->n->rivals, (uint64_t)j->id + 1, kept))
			return &err_nomem;
	}
	if (!e)
		kept->type = NULL;
	else if (!kept->type || evidence_order(kept, e) < 0)
		*kept = *e;
	return NULL;
}

/* The block is of that type from now on; what else it has is in `flags`. */
static struct err *put(struct joining *j, const struct native_evidence *e, uint32_t flags)
{
	bool is_guess = e->confidence == TYPE_GUESSED || flags & CONTRADICTED;
	struct native_shape *shape = native_shape_of(j->n, e->type, e->kind, is_guess);
	struct err *err = shape ? native_intern(j->n, shape) : &err_nomem;

	if (!err)
		j->n->state[j->id] = shape->id | (e->is_exact ? EXACT : 0) | (uint32_t)e->confidence << SURE_SHIFT | flags;
	return err;
}

/* What it holds is another from now on, which is followed. */
static struct err *take(struct joining *j, const uint64_t *queued, uint32_t flags, enum native_news *ret)
{
	uint32_t changes = j->state & CHANGES;
	struct err *err;

	native_compile(j->n, j->e->type);
	if (j->e->type->n_slots && !bit_get(queued, j->id)) {
		if (changes == CHANGES)
			return NULL;
		changes += CHANGE;
	}
	if (j->n->cols->types->n > TYPE_MAX)
		return NULL; /* of so many nothing more is told */
	*ret = NATIVE_NEWS_TYPE;
	err = j->state & CONTRADICTED & ~flags ? set_rival(j, NULL) : NULL;
	return err ? err : put(j, j->e, changes | flags);
}

/* What contradicts what is known, and comes behind it. */
static struct err *doubt(struct joining *j)
{
	struct err *err = set_rival(j, j->e);

	if (err || j->state & CONTRADICTED)
		return err;
	return put(j, &j->now, (j->state & CHANGES) | CONTRADICTED);
}

/* The same, as sure and of the same rank. */
static struct err *join_equals(struct joining *j, const uint64_t *queued, enum native_news *ret)
{
	int o = evidence_order(j->e, &j->now);
	uint32_t flags = j->state & CONTRADICTED;
	bool against = o && j->e->confidence == TYPE_SPREAD && contradict(j->e->type, j->now.type);
	struct err *err;

	if (!o) {
		if (j->e->is_exact && bit_get(queued, j->id))
			*ret = NATIVE_NEWS_SAME;
		return NULL;
	}
	if (o < 0)
		return against ? doubt(j) : NULL;
	err = take(j, queued, flags | (against ? CONTRADICTED : 0), ret);
	return err || !against || !*ret ? err : set_rival(j, &j->now);
}

/* What most are: nothing is known of it yet.  False: the type has not been met before. */
static bool put_first(struct native *n, uint32_t id, const struct native_evidence *e)
{
	const struct native_shape *shape = e->type->shapes[e->kind][e->confidence == TYPE_GUESSED];

	if (!shape || !shape->id || !e->type->compiled)
		return false;
	n->state[id] = shape->id | (e->is_exact ? EXACT : 0) | (uint32_t)e->confidence << SURE_SHIFT |
		       (e->type->n_slots ? CHANGE : 0);
	return true;
}

struct err *native_join(struct native *n, const uint64_t *queued, uint32_t id, const struct native_evidence *e,
			enum native_news *ret)
{
	struct joining j = { .n = n, .id = id, .e = e, .state = n->state[id] };
	const struct native_shape *now;
	unsigned before = sure(j.state);

	*ret = NATIVE_NEWS_NONE;
	if (!j.state && put_first(n, id, e)) {
		*ret = NATIVE_NEWS_TYPE;
		return NULL;
	}
	if (e->confidence != before)
		return e->confidence > before ? take(&j, queued, 0, ret) : NULL;
	now = native_shape_in(n, j.state);
	if (!now || !now->type)
		return NULL; /* another typer's, or nothing is known of it but the name */
	if (e->type->rank != now->type->rank)
		return e->type->rank > now->type->rank ? take(&j, queued, 0, ret) : NULL;
	j.now = (struct native_evidence){
		.type = now->type, .kind = now->kind, .confidence = (uint8_t)before, .is_exact = j.state & EXACT,
	};
	return join_equals(&j, queued, ret);
}

bool native_is_exact(uint32_t state)
{
	return state & EXACT;
}

/* ---- before and after */

void native_join_begin(struct native *n)
{
	const uint8_t *confidence = n->cols->confidence;

	n->state = n->cols->type;
	for (uint32_t id = 0; id < n->blocks->grains.n; id++)
		n->state[id] |= (block_is_used(n->blocks, id) ? (uint32_t)confidence[id] : UNUSED) << SURE_SHIFT;
}

struct finishing {
	struct native *n;
	struct err *err;
};

static void keep_rival(void *arg, uint64_t key, const void *value)
{
	struct finishing *f = arg;
	const struct native_evidence *e = value;
	uint32_t id = (uint32_t)(key - 1);

	if (!f->err && e->type && f->n->state[id] & CONTRADICTED)
		f->err = native_add_rival(f->n, id, native_shape_of(f->n, e->type, e->kind, true));
}

struct err *native_join_finish(struct native *n)
{
	struct finishing f = { .n = n };
	uint8_t *confidence = n->cols->confidence;

	addrmap_each(&n->rivals, keep_rival, &f);
	addrmap_fini(&n->rivals);
	n->rivals = (struct addrmap){};
	for (uint32_t id = 0; id < n->blocks->grains.n; id++) {
		uint32_t state = n->state[id];

		if (sure(state) != UNUSED)
			confidence[id] = state & CONTRADICTED ? TYPE_GUESSED : (uint8_t)sure(state);
		n->state[id] = NATIVE_TYPE_OF(state);
	}
	n->state = NULL;
	return f.err;
}
