/*
 * type/go_sync_maps.c - reads maps of package sync; notes those that keep mostly deleted keys.
 *
 * Old: {mu, read, dirty, misses}; `read` leads to readOnly {m, amended}.  An entry holds a pointer to
 * the value: nil when it is deleted.  While there is a `dirty`, what `read` has and it has not is
 * expunged: that is the invariant, so that the pointer that says it need not be known.
 *
 * New: {inited, initMu, root, ...}; a node is indirect {isEntry, dead, mu, parent, children [16]}
 * or entry {isEntry, overflow, key, value}.
 */
#include "type/go_sync_maps.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "type/go_block.h"
#include "type/go_maps.h"
#include "type/go_shape.h"
#include "type/noter.h"

enum { PLACES_MAX = 1024 /* of a sync.Map inside one type */ };

struct place {
	const struct go_type *type;
	uint64_t offset;
};

struct finder {
	const struct image *img;
	const struct blocks *blocks;
	const struct graph *g;
	struct go_sync_layout l;
	struct go_maps maps; /* `seen`: blocks that belong to one already */
	struct {
		struct place *v;
		size_t n, cap;
	} places, work;
	struct {
		node_id *v;
		size_t n, cap;
	} stack;
	struct err *(*fn)(void *arg, const struct go_sync_map *map);
	void *arg;
};

static void fini(struct finder *f)
{
	go_maps_close(&f->maps);
	free(f->places.v);
	free(f->work.v);
	free(f->stack.v);
}

static uint64_t word(const struct finder *f, taddr at)
{
	uint64_t v;

	return image_read_u64(f->img, at, &v) == MEM_OK ? v : 0;
}

/* A live block that begins there, and is nobody's. */
static bool take_block(struct finder *f, taddr at, uint64_t least, struct go_sync_map *m,
		       struct go_block *ret)
{
	if (!at || !go_block_at(f->blocks, at, ret) || ret->start != at || ret->usable < least ||
	    !graph_is_live(f->g, ret->id) || bit_get(f->maps.seen.base, ret->id)) {
		m->damaged |= at != 0;
		return false;
	}
	bit_set(f->maps.seen.base, ret->id);
	m->bytes += ret->size;
	return true;
}

/* ---- to 1.23 */

static const struct shape *shape_of_type(const struct finder *f, type_id type)
{
	const struct type_row *row = &f->g->types->v[type];

	return row->language == LANG_GO ? (const struct shape *)(uintptr_t)row->handle : NULL;
}

static const struct shape *shape_of_node(const struct finder *f, node_id node)
{
	return shape_of_type(f, graph_type(f->g, node));
}

static bool is_value_of(const struct shape *shape, const char *type)
{
	return shape && shape->kind == SHAPE_VALUE && !strcmp(shape->type->name, type);
}

/* map[any]*entry */
static const struct go_type *entry_map(const struct shape *shape)
{
	const struct go_type *elem = shape && shape->kind == SHAPE_MAP ? shape->type->elem : NULL;

	return elem && elem->elem && !strcmp(elem->elem->name, "sync.entry") ? shape->type : NULL;
}

struct side {
	bool is_dirty, has_dirty;
};

static void count_entry(struct finder *f, node_id node, const struct side *side,
			struct go_sync_map *m)
{
	taddr at = graph_key(f->g, node), value = word(f, at);
	struct go_block b;

	if (bit_get(f->maps.seen.base, node)) { /* in both */
		m->only_dirty -= m->only_dirty && value;
		return;
	}
	if (!take_block(f, at, 8, m, &b))
		return;
	if (!side->is_dirty && side->has_dirty)
		m->expunged++;
	else if (!value)
		m->deleted++;
	else {
		m->live++;
		m->only_dirty += side->is_dirty;
		take_block(f, value, 16, m, &b);
	}
}

/* The entries are what the slots' blocks point at, whichever kind of map they are slots of. */
static bool count_entries(struct finder *f, node_id header, const struct side *side,
			  struct go_sync_map *m)
{
	const struct go_type *type = entry_map(shape_of_node(f, header));
	struct go_map map;

	m->is_unread |= !type;
	if (!type || !go_map_read(&f->maps, type, graph_key(f->g, header), &map)) {
		m->damaged |= type != NULL;
		return false;
	}
	m->bytes += map.bytes;
	m->damaged |= map.damaged;
	for (size_t i = 0; i < f->maps.owned.n; i++) {
		node_id slots = f->maps.owned.v[i];

		for (edge_id e = graph_row(f->g, slots); e < graph_row(f->g, slots + 1); e++) {
			node_id to = EDGE_NODE(f->g->dst[e]);

			if (graph_is_live(f->g, to) && is_value_of(shape_of_node(f, to), "sync.entry"))
				count_entry(f, to, side, m);
		}
	}
	return true;
}

static node_id live_node(const struct finder *f, taddr at)
{
	node_id node = at ? graph_node_at(f->g, at) : NODE_NONE;

	return node != NODE_NONE && graph_is_live(f->g, node) ? node : NODE_NONE;
}

static uint64_t need_old(const struct finder *f, const struct go_type *type, uint64_t live)
{
	const struct go *go = f->img->go;

	return go_block_size(go, 16, true) + go_map_need(go, type, live) +
	       live * (go_block_size(go, 8, true) + go_block_size(go, 16, true));
}

static void read_old(struct finder *f, struct go_sync_map *m)
{
	taddr read = word(f, m->addr + f->l.read), dirty = word(f, m->addr + f->l.dirty);
	node_id map = live_node(f, dirty);
	const struct go_type *type = NULL;
	struct side side = { .is_dirty = true, .has_dirty = dirty };
	struct go_block b;

	m->misses = dirty ? word(f, m->addr + f->l.misses) : 0;
	if (map != NODE_NONE) {
		m->head = map;
		type = entry_map(shape_of_node(f, map));
		side.has_dirty = count_entries(f, map, &side, m);
	}
	m->damaged |= dirty && map == NODE_NONE;
	if (take_block(f, read, 16, m, &b)) {
		m->head = b.id;
		side.is_dirty = false;
		map = live_node(f, word(f, read));
		if (map != NODE_NONE) {
			type = entry_map(shape_of_node(f, map));
			count_entries(f, map, &side, m);
		}
	}
	m->need = type ? need_old(f, type, m->live) : 0;
}

/* ---- since 1.24 */

static bool push(struct finder *f, taddr at, struct go_sync_map *m)
{
	struct go_block b;

	return !take_block(f, at, 16, m, &b) || vec_push(&f->stack, &b.id);
}

/* Entries of one hash hang on each other; each block is taken once, so that rings end. */
static bool visit(struct finder *f, node_id node, struct go_sync_map *m)
{
	taddr at = graph_key(f->g, node);
	struct go_block b;
	bool ok = true;

	if (word(f, at) & 0xff) {
		m->live++;
		return push(f, word(f, at + f->l.overflow), m);
	}
	if (!go_block_at(f->blocks, at, &b) || b.usable < f->l.children + 8 * SYNC_CHILDREN) {
		m->damaged = true;
		return true;
	}
	m->nodes++;
	for (unsigned i = 0; i < SYNC_CHILDREN && ok; i++)
		ok = push(f, word(f, at + f->l.children + 8 * i), m);
	return ok;
}

static bool read_trie(struct finder *f, struct go_sync_map *m)
{
	bool ok;

	f->stack.n = 0;
	ok = push(f, word(f, m->addr + f->l.root), m);
	m->head = f->stack.n ? f->stack.v[0] : NODE_NONE;
	while (f->stack.n && ok)
		ok = visit(f, f->stack.v[--f->stack.n], m);
	return ok;
}

/* ---- where they are */

static struct err *read_at(struct finder *f, taddr at, uint32_t root, node_id in)
{
	struct go_sync_map m = { .addr = at,
				 .root = root,
				 .in = in,
				 .head = NODE_NONE,
				 .is_trie = f->l.is_trie };

	if (f->l.is_trie) {
		if (!read_trie(f, &m))
			return &err_nomem;
	} else {
		read_old(f, &m);
	}
	/* Never used, or a second name of one that was read. */
	return m.head == NODE_NONE || m.is_unread ? NULL : f->fn(f->arg, &m);
}

/* Which word of a sync.Map leads to blocks of such a type; false: none. */
static bool leads_to(const struct finder *f, type_id type, uint64_t *ret)
{
	const struct shape *shape = shape_of_type(f, type);

	if (!shape)
		return false;
	if (f->l.is_trie) {
		*ret = f->l.root;
		return is_value_of(shape, "sync.indirect[interface {},interface {}]");
	}
	*ret = f->l.dirty;
	if (entry_map(shape))
		return true;
	*ret = f->l.read;
	return is_value_of(shape, "sync.readOnly");
}

static struct err *find_globals(struct finder *f)
{
	const struct graph *g = f->g;
	struct err *err = NULL;
	taddr last = 0;

	for (uint32_t i = 0; i < g->n_roots && !err; i++) {
		node_id node = EDGE_NODE(g->root_node[i]);
		uint64_t offset;

		if (g->sources[g->root_source[i]].kind != ROOT_GLOBAL ||
		    (g->root_node[i] & EDGE_INTERIOR) || !graph_is_live(g, node) ||
		    !leads_to(f, graph_type(g, node), &offset) ||
		    g->root_at[i] - offset == last)
			continue;
		last = g->root_at[i] - offset;
		err = read_at(f, last, i, NODE_NONE);
	}
	return err;
}

/* Every place of a sync.Map in a value of a type, from a list. */
static bool find_places(struct finder *f, const struct go_type *t)
{
	struct place p = { t, 0 };

	f->work.n = f->places.n = 0;
	if (!t->ptr_bytes || !vec_push(&f->work, &p))
		return !t->ptr_bytes;
	while (f->work.n && f->places.n < PLACES_MAX) {
		p = f->work.v[--f->work.n];
		if (p.type == f->l.type) {
			if (!vec_push(&f->places, &p))
				return false;
			continue;
		}
		for (size_t i = 0; i < p.type->n_fields; i++) {
			struct place in = { p.type->fields[i].type,
					    p.offset + p.type->fields[i].offset };

			if (in.type->ptr_bytes && in.type->size >= f->l.type->size &&
			    !vec_push(&f->work, &in))
				return false;
		}
		for (uint64_t i = 0; p.type->kind == GO_ARRAY && p.type->elem && i < p.type->len &&
				     i < PLACES_MAX && p.type->elem->size >= f->l.type->size;
		     i++) {
			struct place in = { p.type->elem, p.offset + i * p.type->elem->size };

			if (!vec_push(&f->work, &in))
				return false;
		}
	}
	return true;
}

static struct err *read_block(struct finder *f, node_id node)
{
	const struct shape *shape = shape_of_node(f, node);
	struct err *err = NULL;
	struct go_block b;
	uint64_t tile;

	if (!shape || !go_block_at(f->blocks, graph_key(f->g, node), &b))
		return NULL;
	tile = shape->type->size;
	for (uint64_t base = 0; base < b.usable && tile <= b.usable - base && !err; base += tile) {
		for (size_t i = 0; i < f->places.n && !err; i++)
			err = read_at(f, b.start + base + f->places.v[i].offset, UINT32_MAX,
				      node);
		if (shape->kind != SHAPE_ARRAY)
			break;
	}
	return err;
}

/* Types with such a map inside: bit by type_id. */
static struct err *find_types(struct finder *f, uint64_t *has)
{
	const struct types *types = f->g->types;

	for (size_t i = 1; i < types->n; i++) {
		const struct type_row *row = &types->v[i];
		const struct shape *shape = row->language == LANG_GO ?
						    (const struct shape *)(uintptr_t)row->handle :
						    NULL;

		if (!shape || !shape->type || !shape->type->size ||
		    (shape->kind != SHAPE_VALUE && shape->kind != SHAPE_ARRAY))
			continue;
		if (!find_places(f, shape->type))
			return &err_nomem;
		if (f->places.n)
			bit_set(has, i);
	}
	return NULL;
}

static struct err *find_in_blocks(struct finder *f)
{
	_free_ uint64_t *has = calloc(bits_words(f->g->types->n) + 1, sizeof(*has));
	struct err *err = has ? find_types(f, has) : &err_nomem;
	type_id last = 0;

	for (node_id i = 0; i < f->g->n && !err; i++) {
		type_id type = graph_type(f->g, i);

		if (!bit_get(has, type) || !graph_is_live(f->g, i))
			continue;
		if (type != last && !find_places(f, shape_of_node(f, i)->type))
			return &err_nomem;
		last = type;
		err = read_block(f, i);
	}
	return err;
}

/* Where in a block a map may begin that has the address of that one at `offset`; false: nowhere. */
static bool find_map(const struct finder *f, node_id node, node_id to, uint64_t offset, taddr *ret)
{
	taddr value = graph_key(f->g, to);
	uint64_t size = f->l.type->size;
	struct go_block b;

	if (!go_block_at(f->blocks, graph_key(f->g, node), &b))
		return false;
	for (uint64_t at = 0; size <= b.usable && at <= b.usable - size; at += 8)
		if (word(f, b.start + at + offset) == value) {
			*ret = b.start + at;
			return true;
		}
	return false;
}

/* Those that edges of one block lead to. */
static struct err *read_untyped(struct finder *f, node_id node, const bool *is_head)
{
	const struct graph *g = f->g;
	struct err *err = NULL;
	taddr last = 0, at;
	uint64_t offset = 0;

	for (edge_id e = graph_row(g, node); e < graph_row(g, node + 1) && !err; e++) {
		node_id to = EDGE_NODE(g->dst[e]);

		if (!is_head[graph_type(g, to)] || !leads_to(f, graph_type(g, to), &offset) ||
		    !find_map(f, node, to, offset, &at) || at == last)
			continue;
		last = at;
		err = read_at(f, last, UINT32_MAX, node);
	}
	return err;
}

/* Those in blocks without a type, by the word that leads to their storage. */
static struct err *find_in_untyped(struct finder *f)
{
	const struct graph *g = f->g;
	_free_ bool *is_head = calloc(g->types->n + 1, sizeof(*is_head));
	struct err *err = is_head ? NULL : &err_nomem;
	uint64_t offset;
	bool any = false;

	for (size_t i = 1; i < g->types->n && !err; i++)
		any |= is_head[i] = leads_to(f, (type_id)i, &offset);
	for (node_id i = 0; i < g->n && any && !err; i++)
		if (!graph_type(g, i) && graph_row(g, i) != graph_row(g, i + 1))
			err = read_untyped(f, i, is_head);
	return err;
}

struct err *go_sync_maps_each(struct env *env, const struct image *img, const struct blocks *blocks,
			      const struct graph *g,
			      struct err *(*fn)(void *arg, const struct go_sync_map *map),
			      void *arg)
{
	_cleanup_(fini) struct finder f = {
		.img = img, .blocks = blocks, .g = g, .fn = fn, .arg = arg
	};
	struct err *err;

	if (!img->go || !g->types || !g->grains)
		return NULL;
	if (!go_sync_layout(img->go, &f.l))
		return NULL;
	err = go_maps_open(env, img, blocks, &f.maps);
	if (!err)
		err = find_globals(&f);
	if (!err)
		err = find_in_blocks(&f);
	if (!err)
		err = find_in_untyped(&f);
	return err ? err : f.maps.is_out_of_memory ? &err_nomem : NULL;
}

/* ---- notes */

struct notes {
	struct env *env;
	struct note_sink *sink;
};

static struct err *note(void *arg, const struct go_sync_map *m)
{
	struct notes *n = arg;
	struct slack slack = {
		.node = m->head,
		.kind = m->live ? SLACK_MAP : SLACK_EMPTY,
		.used = m->live,
		.capacity = m->live + m->deleted + m->expunged,
		.bytes = m->bytes,
	};

	if (m->damaged)
		diag(n->env, "go/maps", m->addr, "a sync.Map does not hold together");
	if (m->damaged || !m->need || m->need >= m->bytes ||
	    (!m->deleted && !m->expunged) || m->bytes - m->need < m->bytes / 5 * 2)
		return NULL;
	slack.wasted = m->bytes - m->need;
	return n->sink->slack(n->sink, &slack);
}

static struct err *find(struct env *env, const struct image *img, const struct blocks *blocks,
			const struct graph *g, struct note_sink *sink)
{
	struct notes n = { .env = env, .sink = sink };

	return go_sync_maps_each(env, img, blocks, g, note, &n);
}

extern const struct noter_ops noter_go_sync_maps;
const struct noter_ops noter_go_sync_maps = { .name = "maps of package sync", .find = find };
