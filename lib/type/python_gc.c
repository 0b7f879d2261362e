/* python_gc.c - the lists of CPython's collector, weak references, and what only waits for a collection. */
#include "type/python_gc.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/guard.h"
#include "image/python.h"
#include "image/shadow.h"
#include "type/python_frames.h"
#include "type/python_objects.h"
#include "type/scan.h"

enum {
	HEAD = 16, /* PyGC_Head */
	GC_NEXT = 0,
	GC_PREV = 8,
	LINK_FLAGS = 3,
	GENERATIONS = 3,
	GENERATION = 24, /* bytes of struct gc_generation */
	LISTS = GENERATIONS + 1,
	NEXT_FLAGS = 1, /* _PyGC_NEXT_MASK_OLD_SPACE_1: 3.14.0 to 3.14.4 */
	CODE_UNIT = 2, /* _Py_CODEUNIT: the items of code alone */
	/* struct _PyWeakReference */
	WR_OBJECT = 16,
	WR_PREV = 40,
	WR_NEXT = 48,
	WR_BYTES = 56,
	/* PyASCIIObject: the state; of two bits in it. What another compact text has more than one of ASCII. */
	TEXT_STATE = 32,
	TEXT_COMPACT = 1 << 5,
	TEXT_ASCII = 1 << 6,
	TEXT_OLD = 48, /* where that begins to 3.11 */
	WIDE_OLD = 24,
	WIDE = 16,
	BYTES_ITEMS = 32,
	INT_DIGITS = 24,
	/* PySetObject of 3.8 to 3.15: its own small table, in which it begins. */
	SET_USED = 24,
	SET_TABLE = 64,
	SET_SMALL = 8,
	SET_ENTRY = 16,
	SET_BYTES = SET_TABLE + SET_SMALL * SET_ENTRY,
	STATICS_MOST = 1 << 16, /* objects on a list that are in no block */
	/* struct _Py_freelist: the first object, whose first word leads to the next, and how many. */
	FREELIST = 16,
	FREE_MOST = 2000,
};

/*
 * struct _gc_runtime_state from generations[0] on: three lists, up to 3.13 the address of the first one, the permanent
 * one.  In 3.13.5 the first is no multiple of 8.
 */
static const struct places {
	unsigned minor, until;
	unsigned first; /* 0: it is elsewhere */
	unsigned permanent;
} places[] = { { 8, 13, 72, 80 }, { 13, 13, 76, 84 }, { 14, 15, 0, 72 } };

/* struct _Py_freelists from generations[0] on, in struct _is (Include/internal/pycore_interp_structs.h). */
static const struct freelists {
	unsigned minor, at, n;
} freelists[] = { { 14, 3688, 39 }, { 15, 3688, 41 } };

struct lists {
	const struct image *img;
	const struct blocks *blocks;
	struct py_objects *objects;
	struct py_gc *gc;
	taddr tracked; /* some object that hangs on a list */
};

static uint64_t word(const struct image *img, taddr at)
{
	uint64_t w;

	return image_read_u64(img, at, &w) == MEM_OK ? w : 0;
}

static taddr gc_next(const struct image *img, taddr head)
{
	taddr next = word(img, head + GC_NEXT);

	return img->python->minor == 14 ? next & ~(taddr)NEXT_FLAGS : next;
}

static void set_link(struct lists *l, taddr at)
{
	const struct grains *g = &l->blocks->grains;
	uint64_t grain = grain_of(g, at);

	if (grain != GRAIN_NONE)
		bit_set(l->gc->links, py_gc_bit(g, grain, at));
}

/* ---- where the lists are */

static unsigned list_place(const struct places *p, unsigned i)
{
	return i < GENERATIONS ? i * GENERATION : p->permanent;
}

static bool is_generations(const struct image *img, const struct places *p, taddr at)
{
	if (img->python->minor < p->minor || img->python->minor > p->until || (p->first && word(img, at + p->first) != at))
		return false;
	for (unsigned i = 0; i < LISTS; i++) {
		taddr head = at + list_place(p, i);
		uint64_t next = word(img, head + GC_NEXT) & ~(uint64_t)LINK_FLAGS;
		uint64_t prev = word(img, head + GC_PREV) & ~(uint64_t)LINK_FLAGS;

		if (!next || !prev || (word(img, next + GC_PREV) & ~(uint64_t)LINK_FLAGS) != head ||
		    (word(img, prev + GC_NEXT) & ~(uint64_t)LINK_FLAGS) != head)
			return false;
	}
	return true;
}

static void add_heads(const struct places *p, struct py_gc *gc, taddr at)
{
	for (unsigned i = 0; i < gc->n_heads; i++)
		if (gc->heads[i] == at)
			return;
	if (gc->n_heads + LISTS > PY_GC_HEADS)
		return;
	for (unsigned i = 0; i < LISTS; i++)
		gc->heads[gc->n_heads++] = at + list_place(p, i);
}

/* The last object of a list leads to its head: in that state of the collector that leads to itself. */
static void look_behind(const struct image *img, struct py_gc *gc, taddr head)
{
	if (!head || head & LINK_FLAGS)
		return;
	for (const struct places *p = places; p < places + ARRAY_SIZE(places); p++)
		for (unsigned i = 0; i < LISTS; i++) {
			taddr at = head - list_place(p, i);

			if (is_generations(img, p, at)) {
				add_heads(p, gc, at);
				return;
			}
		}
}

static void find_heads(struct lists *l)
{
	for (uint32_t id = 0; id < l->blocks->grains.n; id++) {
		unsigned front;
		struct block b;
		uint64_t next;

		if (!block_is_used(l->blocks, id))
			continue;
		block_get(l->blocks, id, &b);
		if (b.usable < 2 * HEAD || !py_objects_in(l->objects, b.addr, b.usable, &front) || front < HEAD)
			continue;
		next = gc_next(l->img, b.addr + front - HEAD);
		if (!next || !word(l->img, next + GC_PREV))
			continue;
		l->tracked = b.addr + front;
		if (!py_objects_type(l->objects, word(l->img, next + HEAD + PY_TYPE)))
			look_behind(l->img, l->gc, next);
	}
}

/* ---- what hangs on them */

/* `at` is on the list of weak references of what it refers to. */
static void note_weak(struct lists *l, const struct py_known *k, taddr at)
{
	taddr to = word(l->img, at + WR_OBJECT), prev, slot;
	const struct py_known *of;
	struct block b;

	if (k->type.basic < WR_BYTES || !to || to & 7 || !(of = py_objects_type(l->objects, word(l->img, to + PY_TYPE))) || !of->type.weak)
		return;
	slot = to + (uint64_t)of->type.weak;
	prev = word(l->img, at + WR_PREV);
	if (prev ? word(l->img, prev + WR_NEXT) != at || word(l->img, prev + WR_OBJECT) != to : word(l->img, slot) != at)
		return;
	set_link(l, at + WR_OBJECT);
	set_link(l, at + WR_PREV);
	set_link(l, at + WR_NEXT);
	if (!prev)
		set_link(l, slot);
	if (block_get_at(l->blocks, to - of->type.front, &b))
		bit_set(l->gc->known, b.id);
}

static void note_object(struct lists *l, taddr head)
{
	const struct py_known *k = py_objects_type(l->objects, word(l->img, head + HEAD + PY_TYPE));
	struct block b;

	if (!k || k->type.front < HEAD || !block_get_at(l->blocks, head + HEAD - k->type.front, &b))
		return;
	set_link(l, head + GC_NEXT);
	set_link(l, head + GC_PREV);
	bit_set(l->gc->tracked, b.id);
	bit_set(l->gc->known, b.id);
	note_weak(l, k, head + HEAD);
}

/* Twice over the same words: is it whole, and then what hangs on it. 0, or the last place before it breaks. */
static taddr walk(struct lists *l, taddr head, bool notes)
{
	uint64_t most = (uint64_t)l->blocks->grains.n + STATICS_MOST, n = 0;
	taddr before = head, at = gc_next(l->img, head);

	for (; at != head; before = at, at = gc_next(l->img, at)) {
		if (!at || at & LINK_FLAGS || n++ > most ||
		    (word(l->img, at + GC_PREV) & ~(uint64_t)LINK_FLAGS) != before)
			return before;
		if (notes)
			note_object(l, at);
	}
	return (word(l->img, head + GC_PREV) & ~(uint64_t)LINK_FLAGS) == before ? 0 : before;
}

static bool are_whole(struct env *env, struct lists *l)
{
	for (unsigned i = 0; i < l->gc->n_heads; i++) {
		taddr head = l->gc->heads[i], broken = walk(l, head, false);

		if (!broken)
			continue;
		diag(env, "python/gc", broken,
		     "the collector's list of 0x%" PRIx64 " breaks at 0x%" PRIx64
		     " (damage, or a collection was under way): no object is called garbage",
		     head, broken);
		return false;
	}
	if (!l->gc->n_heads && l->tracked)
		diag(env, "python/gc", l->tracked,
		     "the lists of the collector that has the object at 0x%" PRIx64
		     " were not found: no object is called garbage",
		     l->tracked);
	return l->gc->n_heads != 0;
}

/*
 * Objects that nobody counts lie on free lists of the interpreter: a tuple leads by its first item to the next one, and
 * all other words are what it held when it was used.
 */
static void leave_dead(struct lists *l)
{
	for (uint32_t id = 0; id < l->blocks->grains.n; id++) {
		const struct py_known *k;
		struct block b;
		taddr at;

		if (!block_is_used(l->blocks, id))
			continue;
		block_get(l->blocks, id, &b);
		at = b.addr + HEAD;
		if (b.usable < HEAD + l->objects->version.tuple || word(l->img, at) || !(k = py_objects_type(l->objects, word(l->img, at + PY_TYPE))) ||
		    k->type.front != HEAD ||
		    !(k->type.flags & (PY_FLAG_TUPLE | PY_FLAG_LIST | PY_FLAG_DICT_SUBCLASS)))
			continue;
		for (uint64_t off = k->type.flags & PY_FLAG_TUPLE ? l->objects->version.tuple + 8 : PY_SIZE; off + 8 <= b.usable - HEAD; off += 8)
			set_link(l, at + off);
	}
}

static bool is_link(const struct lists *l, taddr at)
{
	const struct grains *g = &l->blocks->grains;
	uint64_t grain = grain_of(g, at);

	return grain != GRAIN_NONE && bit_get(l->gc->links, py_gc_bit(g, grain, at));
}

/* To the block's end. Many may claim one block: what others left is not gone through again. */
static void leave_from(struct lists *l, const struct block *b, taddr from)
{
	taddr end = align_down(b->addr + b->usable, 8);
	bool is_left = b->usable >= 8 && is_link(l, end - 8);

	for (taddr at = align_up(from < b->addr ? b->addr : from, 8); at + 8 <= end; at += 8) {
		if (is_left && is_link(l, at))
			return;
		set_link(l, at);
	}
}

/* The block of an object: what the collector knows has its head in front. */
static bool block_of(const struct lists *l, taddr at, struct block *ret)
{
	return block_get_at(l->blocks, at, ret) || block_get_at(l->blocks, at - HEAD, ret);
}

/* As many as it says, no more and no fewer: a live object's first word leads nowhere. */
static bool is_free_list(struct lists *l, taddr list)
{
	uint64_t left = word(l->img, list + 8);
	taddr at = word(l->img, list);
	struct block b;

	for (; left && left <= FREE_MOST && block_of(l, at, &b); left--)
		at = word(l->img, at);
	return !left && !at;
}

/* Since 3.14 what is on them is chained by the word that was its count: the others are what it held. */
static void leave_free(struct lists *l, taddr list)
{
	struct block b;

	for (taddr at = is_free_list(l, list) ? word(l->img, list) : 0; at; at = word(l->img, at))
		if (block_of(l, at, &b))
			leave_from(l, &b, at + 8);
}

static void leave_free_lists(struct lists *l)
{
	for (size_t i = 0; i < ARRAY_SIZE(freelists); i++)
		for (unsigned k = 0; freelists[i].minor == l->img->python->minor && k < freelists[i].n; k++)
			for (unsigned h = 0; h < l->gc->n_heads; h += LISTS)
				leave_free(l, l->gc->heads[h] + freelists[i].at + k * FREELIST);
}

/* Where in an object that refers to nothing its text, bytes or digits begin; 0: it is none. */
static unsigned contents_of(const struct lists *l, const struct py_type *t, taddr at)
{
	unsigned text = l->objects->version.text;
	const uint8_t *state;
	uint64_t avail;

	if (t->front || t->flags & PY_FLAG_GC)
		return 0;
	if (t->flags & PY_FLAG_BYTES)
		return BYTES_ITEMS;
	if (t->flags & PY_FLAG_LONG)
		return INT_DIGITS;
	state = t->flags & PY_FLAG_TEXT ? image_view(l->img, at + TEXT_STATE, &avail) : NULL;
	if (!state || !(*state & TEXT_COMPACT))
		return 0;
	image_keep_exact(l->img, state, 1); /* the rest of the word is padding */
	return *state & TEXT_ASCII ? text : text + (text == TEXT_OLD ? WIDE_OLD : WIDE);
}

/* A set that has more has its first eight entries still where they were. */
static bool has_outgrown(const struct lists *l, const struct py_type *t, taddr at)
{
	uint64_t fill = word(l->img, at + PY_SIZE), used = word(l->img, at + SET_USED), mask = word(l->img, at + PY_SET_MASK);
	taddr table = word(l->img, at + PY_SET_TABLE);
	struct block b;

	return t->front && !t->item && t->basic >= SET_BYTES && mask >= SET_SMALL && is_pow2(mask + 1) && used <= fill &&
	       fill <= mask && block_get_at(l->blocks, table, &b) && b.addr == table && mask < b.usable / SET_ENTRY;
}

/*
 * Behind the last item of a tuple or list, the last entry of a dict's keys, and an object that has a fixed size: blocks
 * are multiples of 16. Instructions of code keep what they found last, and do not count it.
 */
static void leave_behind(struct lists *l, const struct py_type *t, taddr at, const struct block *b)
{
	uint64_t n = word(l->img, at + PY_SIZE);
	struct py_keys keys;
	struct block of;
	taddr over, end;

	if (t->flags & PY_FLAG_TUPLE && py_is_plain_tuple(l->img, t) && n < b->usable / 8)
		leave_from(l, b, at + l->objects->version.tuple + 8 * n);
	if (t->flags & PY_FLAG_LIST && block_get_at(l->blocks, word(l->img, at + PY_LIST_ITEMS), &of) && n <= of.usable / 8)
		leave_from(l, &of, of.addr + 8 * n);
	if (t->flags & PY_FLAG_DICT_SUBCLASS && block_get_at(l->blocks, word(l->img, at + PY_DICT_KEYS), &of) &&
	    py_read_keys(l->img, &l->objects->version, of.addr, &keys) && keys.n <= of.usable / keys.bytes)
		leave_from(l, &of, keys.entries + keys.n * keys.bytes);
	end = at + t->basic;
	if (t->item == CODE_UNIT)
		leave_from(l, b, end);
	if (!t->item && !(t->flags & PY_FLAG_INLINE_VALUES) && end < b->addr + b->usable && b->addr + b->usable - end < 2 * HEAD)
		leave_from(l, b, end);
	if (has_outgrown(l, t, at))
		for (unsigned i = 0; i < SET_SMALL * SET_ENTRY; i += 8)
			set_link(l, at + SET_TABLE + i);
	over = py_frame_over(l->img, &l->objects->version, t, at);
	if (over)
		leave_from(l, b, over);
}

/* Texts, bytes and numbers refer to nothing, nor does what is behind the last item: words there were left by others. */
static void leave_contents(struct lists *l)
{
	for (uint32_t id = 0; id < l->blocks->grains.n; id++) {
		const struct py_known *k;
		unsigned front, from;
		struct block b;

		if (!block_is_used(l->blocks, id))
			continue;
		block_get(l->blocks, id, &b);
		k = py_objects_in(l->objects, b.addr, b.usable, &front);
		if (!k)
			continue;
		from = contents_of(l, &k->type, b.addr);
		if (from)
			leave_from(l, &b, b.addr + from);
		else
			leave_behind(l, &k->type, b.addr + front, &b);
	}
}

static struct err *open_columns(struct env *env, const struct grains *g, struct py_gc *gc)
{
	uint64_t links = (uint64_t)g->n_units << (UNIT_SHIFT - 3), nodes = bits_words(g->n) + 1;
	struct err *err = col_fixed(env, 8, bits_words(links) + 1, "links of the collector", &gc->links_col);

	if (!err)
		err = col_fixed(env, 8, nodes, "tracked objects", &gc->tracked_col);
	if (!err)
		err = col_fixed(env, 8, nodes, "tracked objects", &gc->known_col);
	gc->links = gc->links_col.base;
	gc->tracked = gc->tracked_col.base;
	gc->known = gc->known_col.base;
	return err;
}

struct err *py_gc_open(struct env *env, const struct image *img, const struct blocks *blocks, struct py_gc *ret)
{
	_free_ struct py_objects *objects = NULL;
	struct lists l = { .img = img, .blocks = blocks, .gc = ret };
	struct err *err = py_objects_new(img, &objects);

	*ret = (struct py_gc){};
	if (err || !objects || objects->version.gc_head != HEAD)
		return err;
	l.objects = objects;
	find_heads(&l);
	if (!are_whole(env, &l)) {
		ret->n_heads = 0;
		return NULL;
	}
	err = open_columns(env, &blocks->grains, ret);
	for (unsigned i = 0; i < ret->n_heads && !err; i++) {
		set_link(&l, ret->heads[i] + GC_NEXT);
		set_link(&l, ret->heads[i] + GC_PREV);
		walk(&l, ret->heads[i], true);
	}
	if (!err) {
		leave_dead(&l);
		leave_free_lists(&l);
		leave_contents(&l);
	}
	return err;
}

void py_gc_close(struct py_gc *gc)
{
	col_close(&gc->links_col);
	col_close(&gc->tracked_col);
	col_close(&gc->known_col);
}

/* ---- what is garbage */

struct judge {
	const struct scan *s;
	const struct graph *g;
	const struct py_gc *gc;
	struct py_objects *objects;
	uint64_t *reached, *group; /* one bit a node */
	uint8_t *front;		   /* of the objects of the group, + 1 */
	uint32_t *count;	   /* references to them from the group */
	uint32_t *stack;
	struct col reached_col, group_col, front_col, count_col, stack_col;
};

static void judge_close(struct judge *j)
{
	col_close(&j->reached_col);
	col_close(&j->group_col);
	col_close(&j->front_col);
	col_close(&j->count_col);
	col_close(&j->stack_col);
	free(j->objects);
}

static struct err *judge_open(struct env *env, struct judge *j)
{
	uint64_t n = j->g->n, words = bits_words(n) + 1;
	struct err *err = col_fixed(env, 8, words, "reached objects", &j->reached_col);

	if (!err)
		err = col_sparse(env, 8, words, "garbage", &j->group_col);
	if (!err)
		err = col_sparse(env, 1, n + 1, "garbage", &j->front_col);
	if (!err)
		err = col_sparse(env, 4, n + 1, "references to garbage", &j->count_col);
	if (!err)
		err = col_sparse(env, 4, n + 1, "objects to visit", &j->stack_col);
	j->reached = j->reached_col.base;
	j->group = j->group_col.base;
	j->front = j->front_col.base;
	j->count = j->count_col.base;
	j->stack = j->stack_col.base;
	return err ? err : py_objects_new(j->s->img, &j->objects);
}

/*
 * Marks `node` and what it leads to in `set`, without what is in `without`.  NULL: by plain pointers alone, for
 * that is how objects are held.
 */
static void mark(struct judge *j, node_id node, uint64_t *set, const uint64_t *without)
{
	uint64_t n = 0;

	if (bit_get(set, node) || (without && bit_get(without, node)))
		return;
	bit_set(set, node);
	for (j->stack[n++] = node; n;) {
		node_id from = j->stack[--n];

		for (edge_id e = graph_row(j->g, from); e < graph_row(j->g, from + 1); e++) {
			uint32_t dst = j->g->dst[e];
			node_id to = EDGE_NODE(dst);

			if (bit_get(set, to) || (without ? bit_get(without, to) : dst & EDGE_INTERIOR))
				continue;
			bit_set(set, to);
			j->stack[n++] = to; /* each once: there is room */
		}
	}
}

/* Calls for each live node of a set that is not in `without`; what comes into the set under way may be left out. */
static struct err *each(const struct judge *j, const uint64_t *set, const uint64_t *without,
			struct err *(*fn)(void *arg, node_id node), void *arg)
{
	for (uint64_t w = 0; w < bits_words(j->g->n); w++)
		for (uint64_t rest = set[w] & j->g->live[w] & ~without[w]; rest; rest &= rest - 1) {
			struct err *err = fn(arg, (node_id)(w << 6 | (uint64_t)__builtin_ctzll(rest)));

			if (err)
				return err;
		}
	return NULL;
}

static struct err *join_group(void *arg, node_id node)
{
	struct judge *j = arg;

	mark(j, node, j->group, j->reached);
	return NULL;
}

static struct err *find_object(void *arg, node_id node)
{
	struct judge *j = arg;
	unsigned front;
	struct block b;

	block_get(j->s->blocks, node, &b);
	if (py_objects_in(j->objects, b.addr, b.usable, &front))
		j->front[node] = (uint8_t)(front + 1);
	return NULL;
}

static struct err *on_word(void *arg, taddr at, uint32_t target)
{
	struct judge *j = arg;
	node_id node = EDGE_NODE(target);

	if (j->front[node] && word(j->s->img, at) == graph_key(j->g, node) + j->front[node] - 1)
		j->count[node]++;
	return NULL;
}

static struct err *count_references(void *arg, node_id node)
{
	const struct judge *j = arg;
	taddr start = graph_start(j->g, node);

	return scan_block(j->s, start, start + graph_size(j->g, node), on_word, arg);
}

struct held_search {
	struct judge *j;
	uint64_t *held;
};

static uint64_t count_of(const struct judge *j, node_id node)
{
	return py_count(&j->objects->version, word(j->s->img, graph_key(j->g, node) + j->front[node] - 1));
}

/* Counted more often than it is referred to, or less, or not believably: what was found are not its references then. */
static struct err *compare_count(void *arg, node_id node)
{
	struct held_search *h = arg;
	struct judge *j = h->j;

	if (j->front[node] ? count_of(j, node) != j->count[node] : bit_get(j->gc->tracked, node))
		bit_set(h->held, node);
	return NULL;
}

static struct err *reach_from(void *arg, node_id node)
{
	struct judge *j = arg;

	mark(j, node, j->reached, NULL);
	return NULL;
}

struct garbage_search {
	struct judge *j;
	uint64_t *garbage;
};

static struct err *join_garbage(void *arg, node_id node)
{
	struct garbage_search *x = arg;

	mark(x->j, node, x->garbage, x->j->reached);
	return NULL;
}

static struct err *judge_group(struct env *env, struct judge *j, struct py_gc_judged *ret)
{
	uint64_t words = bits_words(j->g->n) + 1;
	struct col none = {};
	struct err *err = col_sparse(env, 8, words, "garbage", &ret->held_col);

	if (!err)
		err = col_sparse(env, 8, words, "garbage", &ret->garbage_col);
	if (!err)
		err = col_sparse(env, 8, words, "garbage", &none);
	ret->held = ret->held_col.base;
	ret->garbage = ret->garbage_col.base;
	if (!err)
		err = each(j, j->gc->known, j->reached, join_group, j);
	if (!err)
		err = each(j, j->group, none.base, find_object, j);
	if (!err)
		err = each(j, j->group, none.base, count_references, j);
	if (!err)
		err = each(j, j->group, none.base, compare_count, &(struct held_search){ j, ret->held });
	if (!err)
		err = each(j, ret->held, none.base, reach_from, j);
	if (!err)
		err = each(j, j->gc->tracked, j->reached, join_garbage, &(struct garbage_search){ j, ret->garbage });
	col_close(&none);
	return err;
}

struct err *py_gc_judge(struct env *env, const struct scan *s, const struct graph *g, const struct py_gc *gc,
			const uint32_t *roots, uint64_t n, struct py_gc_judged *ret)
{
	struct judge j = { .s = s, .g = g, .gc = gc };
	struct err *err;

	*ret = (struct py_gc_judged){};
	if (!gc->links)
		return NULL;
	err = judge_open(env, &j);
	if (!err) {
		for (uint64_t i = 0; i < n; i++)
			if (!(roots[i] & EDGE_INTERIOR))
				mark(&j, roots[i], j.reached, NULL);
		err = judge_group(env, &j, ret);
	}
	judge_close(&j);
	return err;
}

void py_gc_judged_close(struct py_gc_judged *j)
{
	col_close(&j->held_col);
	col_close(&j->garbage_col);
}
