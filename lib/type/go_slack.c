/*
 * type/go_slack.c - arrays behind slices and strings: how much of each is in use.
 *
 * Every slice and string of a typed block or global is a view of its array: what it holds is in
 * use, what it has room for is not.  An array is judged only when all that refers to it are such
 * views: one more pointer of another kind, or of a stack, and it is left alone.  Where no type is
 * known, three words are a slice when its capacity ends where the array does: few others would.
 *
 * Few blocks are large: the edges tell which others refer to them, and only those are read.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "image/go_dwarf.h"
#include "type/go_block.h"
#include "type/go_shape.h"
#include "type/noter.h"

enum {
	LEAST_SIZE = 4096, /* of an array that is looked at, and of what it must waste */
	DEPTH = 64,	   /* of types within types */
	UNKNOWN_MAX = 1 << 20, /* of a block without a type that is looked into for slices */
	INTERVALS = 1 << 16,
	INTERVALS_MAX = 1 << 22, /* 100 MB; behind that gaps are taken for used */
};

struct array {
	node_id node;
	taddr start;
	uint64_t size, usable;
	uint64_t unit;	      /* of its elements; 0: nobody referred to it yet */
	uint64_t from, reach; /* of all views: the first byte, the last one's end by capacity */
	uint64_t low, high;   /* one stretch in use; what does not touch it is in the list */
	uint64_t used;	      /* bytes */
	node_id last;	      /* that has a view of it */
	bool scan;	      /* with pointers */
	bool is_whole;	      /* to one view: it was made for that, or by append() */
	bool is_left_alone;
};

struct interval {
	uint32_t array;
	uint64_t low, high;
};

struct slack_finder {
	struct env *env;
	const struct image *img;
	const struct blocks *blocks;
	const struct go *go;
	const struct graph *g;
	struct col big; /* one bit a node: a large block */
	struct {
		struct array *v;
		size_t n, cap;
	} arrays; /* by node */
	struct {
		struct interval *v;
		size_t n, cap, limit;
	} list;
	uint32_t *rank; /* of the first bit of each word of `big` */
	struct err *err;
};

static void fini(struct slack_finder *f)
{
	col_close(&f->big);
	free(f->arrays.v);
	free(f->list.v);
	free(f->rank);
	err_free(f->err);
}

/* ---- the large blocks */

static bool add_array(struct slack_finder *f, uint32_t id, taddr key)
{
	struct array a = { .node = id, .from = UINT64_MAX, .last = NODE_NONE };
	const struct claim *claim = blocks_claim_at(f->blocks, key);
	struct go_block b;

	if (!claim || !graph_is_live(f->g, id) || !f->g->collected ||
	    !bit_get(f->g->collected, id) || !go_block_at(f->blocks, key + claim->head, &b))
		return true;
	a.start = b.start;
	a.size = b.size;
	a.usable = b.usable;
	a.scan = !claim->no_pointers;
	bit_set(f->big.base, id);
	return vec_push(&f->arrays, &a);
}

/* Where no block starts for a while. */
static struct err *find_arrays(struct slack_finder *f)
{
	const struct grains *g = &f->blocks->grains;
	uint64_t n = grains_words(g);

	for (uint64_t w = 0; w < n; w++) {
		uint64_t bits = g->words[w].start, grain;

		if (!bits || (w + 1 < n && g->words[w + 1].start))
			continue;
		grain = w << 6 | (uint64_t)(63 - __builtin_clzll(bits));
		if ((grain_next_start(g, grain) - grain) << g->shift >= LEAST_SIZE &&
		    !add_array(f, grain_block(g, grain), grain_key(g, grain)))
			return &err_nomem;
	}
	return NULL;
}

static struct err *count_ranks(struct slack_finder *f)
{
	const uint64_t *big = f->big.base;
	uint64_t n = bits_words(f->g->n);
	uint32_t rank = 0;

	f->rank = malloc((n + 1) * sizeof(*f->rank));
	if (!f->rank)
		return &err_nomem;
	for (uint64_t w = 0; w < n; w++) {
		f->rank[w] = rank;
		rank += (uint32_t)__builtin_popcountll(big[w]);
	}
	return NULL;
}

static inline bool is_big(const struct slack_finder *f, node_id node)
{
	return bit_get(f->big.base, node);
}

static struct array *array_of(const struct slack_finder *f, node_id node)
{
	const uint64_t *big = f->big.base;
	uint64_t below = big[node >> 6] & ((1ull << (node & 63)) - 1);

	return &f->arrays.v[f->rank[node >> 6] + (uint32_t)__builtin_popcountll(below)];
}

static struct array *array_at(const struct slack_finder *f, taddr at)
{
	node_id node = block_at(f->blocks, at);

	return node != BLOCK_NONE && is_big(f, node) ? array_of(f, node) : NULL;
}

/* ---- what is in use */

static int by_place(const void *pa, const void *pb)
{
	const struct interval *a = pa, *b = pb;

	if (a->array != b->array)
		return a->array < b->array ? -1 : 1;
	if (a->low != b->low)
		return a->low < b->low ? -1 : 1;
	return a->high < b->high ? -1 : a->high > b->high;
}

/* Sorted, those that touch as one. */
static void merge(struct slack_finder *f)
{
	struct interval *v = f->list.v;
	size_t out = 0;

	if (f->list.n)
		qsort(v, f->list.n, sizeof(*v), by_place);
	for (size_t i = 0; i < f->list.n; i++) {
		struct interval *last = out ? &v[out - 1] : NULL;

		if (last && last->array == v[i].array && v[i].low <= last->high)
			last->high = last->high > v[i].high ? last->high : v[i].high;
		else
			v[out++] = v[i];
	}
	f->list.n = out;
}

static void put_interval(struct slack_finder *f, const struct array *a, uint64_t low, uint64_t high)
{
	struct interval fresh = { (uint32_t)(a - f->arrays.v), low, high };

	if (f->list.n >= f->list.limit) {
		merge(f);
		if (f->list.n > f->list.limit / 2 && f->list.limit < INTERVALS_MAX)
			f->list.limit *= 2;
	}
	if (!vec_push(&f->list, &fresh) && !f->err)
		f->err = &err_nomem;
}

static void use(struct slack_finder *f, struct array *a, uint64_t low, uint64_t high)
{
	bool apart = high < a->low || low > a->high;

	if (low == high)
		return;
	if (a->low == a->high) {
		a->low = low;
		a->high = high;
	} else if (!apart || (f->list.n >= f->list.limit && f->list.limit >= INTERVALS_MAX)) {
		a->low = a->low < low ? a->low : low;
		a->high = a->high > high ? a->high : high;
	} else {
		put_interval(f, a, low, high);
	}
}

/* A slice or string as it stands: elements [skip, length) of those behind `at` are in use. */
struct view {
	taddr at;
	uint64_t skip, length, capacity;
	uint64_t unit;
};

static void add_view(struct slack_finder *f, struct array *a, const struct view *v)
{
	uint64_t offset = v->at - a->start, room = a->usable - offset;

	if (v->at < a->start || offset > a->usable || !v->unit || v->length > v->capacity ||
	    v->skip > v->length || v->capacity > room / v->unit ||
	    (a->unit && a->unit != v->unit)) {
		a->is_left_alone = true;
		return;
	}
	a->unit = v->unit;
	room = v->capacity * v->unit;
	a->from = a->from < offset ? a->from : offset;
	a->reach = a->reach > offset + room ? a->reach : offset + room;
	a->is_whole |= !offset && room && go_block_size(f->go, room, a->scan) == a->size;
	use(f, a, offset + v->skip * v->unit, offset + v->length * v->unit);
}

/* The slice or string whose first word is at `offset` of a value, and the struct it stands in. */
static const struct go_type *view_type(const struct go_type *t, uint64_t offset,
				       const struct go_type **ret_in,
				       const struct go_field **ret_as)
{
	*ret_in = NULL;
	for (unsigned depth = 0; t && offset < t->size && depth < DEPTH; depth++) {
		size_t i = 0;

		if (t->kind == GO_ARRAY && t->elem && t->elem->size) {
			offset %= t->elem->size;
			t = t->elem;
			continue;
		}
		if (t->kind != GO_STRUCT)
			return !offset && (t->kind == GO_SLICE || t->kind == GO_STRING) ? t : NULL;
		while (i + 1 < t->n_fields && t->fields[i + 1].offset <= offset)
			i++;
		/* Fields without size share the offset of the next, which is found; not at the end. */
		if (!t->n_fields || t->fields[i].offset > offset)
			return NULL;
		*ret_in = t;
		*ret_as = &t->fields[i];
		offset -= t->fields[i].offset;
		t = t->fields[i].type;
	}
	return NULL;
}

/* bytes.Buffer {buf []byte; off int; ...}: what was read already is not in use. */
static uint64_t skip_of(const struct slack_finder *f, const struct go_type *in,
			const struct go_field *as, taddr at, uint64_t length)
{
	uint64_t off = 0;

	if (!in || strcmp(in->name, "bytes.Buffer") || strcmp(as->name, "buf"))
		return 0;
	for (size_t i = 0; i < in->n_fields; i++)
		if (!strcmp(in->fields[i].name, "off") &&
		    image_read_u64(f->img, at - as->offset + in->fields[i].offset, &off))
			return 0;
	return off < length ? off : length;
}

/* The word at `at`, `offset` bytes into a value of type t, refers to `a`: false if it is no view. */
static bool add_word(struct slack_finder *f, struct array *a, const struct go_type *t,
		     uint64_t offset, taddr at)
{
	const struct go_field *as = NULL;
	const struct go_type *in, *type = view_type(t, offset, &in, &as);
	struct view v = { .unit = 1 };
	uint64_t words[3];

	if (!type || image_read(f->img, at, words, type->kind == GO_SLICE ? 24 : 16))
		return false;
	v.at = words[0];
	v.length = v.capacity = words[1];
	if (type->kind == GO_SLICE) {
		v.capacity = words[2];
		v.unit = type->elem ? type->elem->size : 0;
		v.skip = skip_of(f, in, as, at, v.length);
	}
	add_view(f, a, &v);
	return true;
}

/* Three words of no known type that can be nothing but a slice; false: they may be anything. */
static bool add_by_look(struct slack_finder *f, struct array *a, taddr at)
{
	static const uint8_t units[] = { 1, 2, 4, 8, 16, 24, 32 };
	uint64_t words[3], room;
	struct view v;

	if (image_read(f->img, at, words, sizeof(words)) || words[0] - a->start >= a->usable ||
	    words[1] > words[2])
		return false;
	room = a->usable - (words[0] - a->start);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (words[2] > room / units[i] || words[2] * units[i] != room)
			continue;
		v = (struct view){ words[0], 0, words[1], words[2], units[i] };
		add_view(f, a, &v);
		return true;
	}
	return false;
}

/* ---- who refers to them */

static const struct shape *shape_of_node(const struct slack_finder *f, node_id node)
{
	const struct type_row *row = &f->g->types->v[graph_type(f->g, node)];

	return row->language == LANG_GO ? (const struct shape *)(uintptr_t)row->handle : NULL;
}

/* What a block of values of a known type is made of; NULL: it is no such block. */
static const struct go_type *tile_of(const struct shape *shape)
{
	const struct go_type *t = shape->type;

	if (shape->kind == SHAPE_CLOSURE)
		return shape->layout;
	if (shape->kind != SHAPE_VALUE && shape->kind != SHAPE_ARRAY)
		return NULL;
	while (t->kind == GO_ARRAY && t->elem && t->elem->size)
		t = t->elem;
	return t;
}

/* Every pointer of a block that refers to a large one, by its place in its type. */
static void read_source(struct slack_finder *f, node_id node, taddr start, uint64_t size)
{
	const struct shape *shape = f->g->types ? shape_of_node(f, node) : NULL;
	const struct go_type *t = shape && shape->compiled ? tile_of(shape) : NULL;
	uint64_t tile = t ? shape->tile : 0;

	if (!t)
		return;
	if (shape->kind == SHAPE_VALUE && size > shape->size)
		size = shape->size;
	for (uint64_t base = 0; base < size; base += tile) {
		for (uint32_t i = 0; i < shape->n_slots; i++) {
			uint64_t at = base + shape->slots[i].offset, value;
			struct array *a;

			if (at > size - 8 || image_read_u64(f->img, start + at, &value))
				break;
			a = array_at(f, value);
			if (!a)
				continue;
			a->last = node;
			if (!add_word(f, a, t, at - base, start + at))
				a->is_left_alone = true;
		}
		if (!tile)
			break;
	}
}

/* The same of a block without a type. */
static void read_unknown(struct slack_finder *f, node_id node, taddr start, uint64_t size)
{
	for (uint64_t at = 0; at + 24 <= size; at += 8) {
		uint64_t value;
		struct array *a;

		if (image_read_u64(f->img, start + at, &value))
			return;
		a = array_at(f, value);
		if (a && add_by_look(f, a, start + at))
			a->last = node;
		else if (a)
			a->is_left_alone = true;
	}
}

/* The last row that begins at or before `e`, from `i` on. */
static node_id row_of(const struct graph *g, edge_id e, node_id i)
{
	node_id lo = i, hi = g->n;

	while (hi - lo > 1) {
		node_id mid = lo + (hi - lo) / 2;

		if (graph_row(g, mid) <= e)
			lo = mid;
		else
			hi = mid;
	}
	while (graph_row(g, lo + 1) <= e)
		lo++;
	return lo;
}

static void read_edges(struct slack_finder *f, node_id src)
{
	struct go_block b;

	if (go_block_at(f->blocks, graph_key(f->g, src), &b) && b.usable >= 8) {
		if (graph_type(f->g, src))
			read_source(f, src, b.start, b.usable);
		else if (b.usable <= UNKNOWN_MAX)
			read_unknown(f, src, b.start, b.usable);
	}
	for (edge_id e = graph_row(f->g, src); e < graph_row(f->g, src + 1); e++) {
		node_id dst = EDGE_NODE(f->g->dst[e]);

		/* By a word whose meaning is not known. */
		if (is_big(f, dst) && array_of(f, dst)->last != src)
			array_of(f, dst)->is_left_alone = true;
	}
}

static void read_graph(struct slack_finder *f)
{
	const uint32_t *dst = f->g->dst;
	node_id src = 0;

	for (edge_id e = 0; e < f->g->m && !f->err; e++) {
		if (!is_big(f, EDGE_NODE(dst[e])))
			continue;
		src = row_of(f->g, e, src);
		read_edges(f, src);
		e = graph_row(f->g, src + 1) - 1;
	}
}

/* ---- roots */

static const struct go_variable *variable_at(const struct go_variable *v, size_t n, taddr at)
{
	size_t lo = partition_point(n, i, v[i].addr <= at);

	return lo && at - v[lo - 1].addr < v[lo - 1].type->size ? &v[lo - 1] : NULL;
}

static void read_root(struct slack_finder *f, const struct go_variable *v, size_t n, uint32_t root)
{
	const struct graph *g = f->g;
	struct array *a = array_of(f, EDGE_NODE(g->root_node[root]));
	taddr at = g->root_at[root];
	bool is_global = g->sources[g->root_source[root]].kind == ROOT_GLOBAL;
	const struct go_variable *in = is_global ? variable_at(v, n, at) : NULL;

	if (in ? add_word(f, a, in->type, at - in->addr, at) :
		 is_global && !n && add_by_look(f, a, at))
		return;
	a->is_left_alone = true;
}

static struct err *read_roots(struct slack_finder *f)
{
	const struct go_variable *v = NULL;
	struct go_dwarf *dwarf = NULL;
	struct err *err = NULL;
	size_t n = 0;
	bool opened = false;

	for (uint32_t i = 0; i < f->g->n_roots && !err; i++) {
		if (!is_big(f, EDGE_NODE(f->g->root_node[i])))
			continue;
		if (!opened) {
			opened = true;
			err = go_dwarf_open(f->go, &dwarf);
			v = dwarf && !err ? go_dwarf_variables(dwarf, &n) : NULL;
		}
		if (!err)
			read_root(f, v, n, i);
	}
	go_dwarf_close(dwarf);
	return err;
}

/* ---- notes */

static void sum_used(struct slack_finder *f)
{
	for (size_t i = 0; i < f->arrays.n; i++) {
		const struct array *a = &f->arrays.v[i];

		if (a->low < a->high && !a->is_left_alone)
			put_interval(f, a, a->low, a->high);
	}
	merge(f);
	for (size_t i = 0; i < f->list.n; i++)
		f->arrays.v[f->list.v[i].array].used += f->list.v[i].high - f->list.v[i].low;
}

static enum slack_kind kind_of(const struct array *a)
{
	if (!a->used)
		return SLACK_EMPTY;
	return a->is_whole ? SLACK_CAPACITY : SLACK_SUBSLICE;
}

static struct err *note(struct slack_finder *f, struct note_sink *sink, const struct array *a)
{
	uint64_t need = a->used ? go_block_size(f->go, a->used, a->scan) : 0;
	struct slack slack = { .node = a->node, .bytes = a->size };

	/* append() alone leaves up to half, a bytes.Buffer a little more: three fifths. */
	if (a->is_left_alone || !a->unit || need > a->size || a->size - need < LEAST_SIZE ||
	    (a->size - need) / 3 < a->size / 5)
		return NULL;
	slack.wasted = a->size - need;
	slack.kind = (uint8_t)kind_of(a);
	slack.used = slack.kind == SLACK_SUBSLICE ? a->used : a->used / a->unit;
	slack.capacity = slack.kind == SLACK_SUBSLICE ? a->usable : (a->reach - a->from) / a->unit;
	return sink->slack(sink, &slack);
}

static struct err *find(struct env *env, const struct image *img, const struct blocks *blocks,
			const struct graph *g, struct note_sink *sink)
{
	_cleanup_(fini) struct slack_finder f = {
		.env = env,
		.img = img,
		.blocks = blocks,
		.go = img->go,
		.g = g,
		.list = { .limit = INTERVALS },
	};
	struct err *err;

	if (!img->go || !g->types || !g->grains)
		return NULL;
	err = col_fixed(env, 8, bits_words(g->n) + 1, "slack", &f.big);
	if (!err)
		err = find_arrays(&f);
	if (!err)
		err = count_ranks(&f);
	if (!err)
		err = read_roots(&f);
	if (err)
		return err;
	read_graph(&f);
	if (!f.err)
		sum_used(&f);
	for (size_t i = 0; i < f.arrays.n && !f.err; i++)
		f.err = note(&f, sink, &f.arrays.v[i]);
	return take(&f.err);
}

extern const struct noter_ops noter_go_slack;
const struct noter_ops noter_go_slack = { .name = "slices and strings", .find = find };
