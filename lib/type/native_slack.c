/*
 * type/native_slack.c - containers of C++, Rust and GLib that have room for more than they hold.
 *
 * Only what types are sure of is looked at: values of variables and of blocks, as far as a container
 * that these lie in says that they are values (native_live.c); names of paths ask for the same, and for
 * places in lists, which are found on the way.  Told is what wastes three fifths of
 * its room: growing alone leaves up to half.  A block that two containers have is one that was moved
 * from or copied over: the fuller one counts.
 */
#include <stdlib.h>

#include "base/guard.h"
#include "base/vec.h"
#include "type/native.h"
#include "type/noter.h"

enum { LEAST_WASTED = 32, AT_ONCE = 4096 };

struct slack_finder {
	struct env *env;
	struct native *n;
	const struct graph *g;
	struct native_live live;
	struct native_places places;
	struct {
		struct slack *v;
		size_t n, cap;
	} found;
};

static void finder_fini(struct slack_finder *f)
{
	native_live_fini(&f->live);
	native_places_fini(&f->places);
	free(f->found.v);
}

static bool has_stores(struct native *n, struct native_type *type)
{
	native_stores(n, type);
	return type->n_stores;
}

/* What their elements hold is in chains: those of containers that nobody has room to tell of count too. */
static bool is_told(struct native *n, struct native_type *type)
{
	native_compile(n, type);
	return type->n_slots || has_stores(n, type);
}

/* Of a block that is looked at. */
static struct native_shape *shape_of(const struct slack_finder *f, uint32_t id)
{
	return f->n->by_id.v[graph_type(f->g, id)];
}

/* The block at an address has that room; false: it is none of that size. */
static bool find_block(const struct slack_finder *f, taddr at, uint64_t bytes, struct block *ret)
{
	return block_get_at(f->n->blocks, at, ret) && bytes <= ret->usable;
}

/* Rounded up. */
static uint64_t three_fifths(uint64_t v)
{
	return v / 5 * 3 + (v % 5 * 3 + 4) / 5;
}

static struct err *add_use(struct slack_finder *f, const struct native_use *u)
{
	uint64_t free_entries = u->room > u->used ? u->room - u->used : 0, wasted;
	struct block b, spare = {};
	struct slack slack = { .used = u->used, .capacity = u->room };

	if (!u->size || u->room > UINT64_MAX / 2 / u->size || free_entries * u->size < LEAST_WASTED ||
	    free_entries < three_fifths(u->room) || !find_block(f, u->start, u->room * u->size, &b))
		return NULL;
	wasted = free_entries * u->size;
	slack.node = b.id;
	slack.bytes = b.size;
	slack.wasted = wasted < b.size ? wasted : b.size;
	slack.kind = u->is_table ? SLACK_MAP : SLACK_CAPACITY;
	if (!u->used) {
		slack.kind = SLACK_EMPTY;
		slack.bytes += u->spare && find_block(f, u->spare, 0, &spare) ? spare.size : 0;
		slack.wasted = slack.bytes;
	}
	return vec_push(&f->found, &slack) ? NULL : &err_nomem;
}

/* One value, at an address. */
static struct err *add_value(struct slack_finder *f, const struct native_type *type, taddr at, const uint8_t *value)
{
	struct err *err = NULL;

	for (uint32_t i = 0; i < type->n_stores && !err; i++) {
		struct native_use use;

		if (native_use_of(f->n, &type->stores[i], at, value, type->dbg->size, &use))
			err = use.nodes ? native_places_add(f->n, &f->places, use.nodes) : add_use(f, &use);
	}
	return err;
}

static struct err *add_values(struct slack_finder *f, const struct native_shape *shape, taddr at, const uint8_t *bytes,
			      const struct native_values *v)
{
	uint64_t one = shape->type->dbg->size;
	struct err *err = NULL;

	for (uint64_t i = 0; i < v->n && !err; i++)
		err = add_value(f, shape->type, at + v->at + i * one, bytes + v->at + i * one);
	return err;
}

/* ---- where values are */

static struct err *find_live(void *arg, const struct native_block *b)
{
	struct slack_finder *f = arg;
	struct native_shape *shape = shape_of(f, b->id);
	uint64_t avail = 0;
	const uint8_t *bytes = native_view(f->n, b->at, &avail);

	if (!bytes || avail < b->usable)
		return NULL;
	return native_live_add(f->n, &f->live, shape, bytes, b->usable, is_told);
}

static struct err *find_slack(void *arg, const struct native_block *b)
{
	struct slack_finder *f = arg;
	struct native_shape *shape = shape_of(f, b->id);
	struct native_live_iter it = { .live = &f->live };
	uint64_t avail = 0;
	const uint8_t *bytes = native_view(f->n, b->at, &avail);
	struct native_values v;
	struct err *err = NULL;

	if (!bytes || avail < b->usable)
		return NULL;
	while (!err && native_live_next(&it, b->id, shape, bytes, b->usable, &v))
		err = add_values(f, shape, b->at, bytes, &v);
	return err;
}

/* What lies in a variable; false: no containers, or no bytes. */
static bool variable_values(struct slack_finder *f, const struct native_local *l, struct native_shape *shape,
			    const uint8_t **ret)
{
	uint64_t avail = 0;

	*shape = (struct native_shape){ .kind = NATIVE_ARRAY };
	shape->type = native_type_of(f->n, l->type->kind == DBG_KIND_ARRAY ? l->type->to : l->type);
	if (!shape->type || !has_stores(f->n, shape->type))
		return false;
	native_compile(f->n, shape->type);
	*ret = native_view(f->n, l->start, &avail);
	return *ret && avail >= l->end - l->start;
}

static struct err *find_variable_live(void *arg, const struct native_local *l)
{
	struct slack_finder *f = arg;
	struct native_shape shape;
	const uint8_t *bytes;

	if (!variable_values(f, l, &shape, &bytes))
		return NULL;
	return native_live_add(f->n, &f->live, &shape, bytes, l->end - l->start, is_told);
}

static struct err *find_variable_slack(void *arg, const struct native_local *l)
{
	struct slack_finder *f = arg;
	struct native_shape shape;
	struct native_values v = {};
	const uint8_t *bytes;

	if (!variable_values(f, l, &shape, &bytes))
		return NULL;
	v.n = (l->end - l->start) / shape.type->dbg->size;
	return add_values(f, &shape, l->start, bytes, &v);
}

static int by_node(const void *pa, const void *pb)
{
	const struct slack *a = pa, *b = pb;

	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	if (a->wasted != b->wasted)
		return a->wasted < b->wasted ? -1 : 1;
	return (int)a->kind - (int)b->kind;
}

static struct err *give(struct slack_finder *f, struct note_sink *sink)
{
	struct err *err = NULL;

	if (f->found.n)
		qsort(f->found.v, f->found.n, sizeof(*f->found.v), by_node);
	for (size_t i = 0; i < f->found.n && !err; i++)
		if (!i || f->found.v[i].node != f->found.v[i - 1].node)
			err = sink->slack(sink, &f->found.v[i]);
	return err;
}

/* Types follow each other in no order: no branch could be foreseen. */
static struct err *add_wanted(struct slack_finder *f, uint32_t first, uint32_t n, const bool *wanted)
{
	uint32_t *room = NULL, kept = 0;
	struct err *err = col_reserve(&f->n->objects, n, &room);

	for (uint32_t i = 0; i < n && !err; i++) {
		room[kept] = first + i;
		kept += wanted[graph_type(f->g, first + i)];
	}
	f->n->objects.n += kept;
	return err;
}

static bool says_live(struct native *n, struct native_type *type)
{
	return has_stores(n, type) && native_live_says(n, type, is_told);
}

/* The blocks of types that are asked for. */
static struct err *find_blocks(struct slack_finder *f, bool (*is_asked)(struct native *n, struct native_type *type))
{
	_free_ bool *wanted = calloc(f->g->types->n + 1, sizeof(*wanted));
	struct err *err = wanted ? NULL : &err_nomem;
	bool any = false;

	f->n->objects.n = 0;
	for (size_t i = 0; wanted && i < f->n->by_id.n && i < f->g->types->n; i++) {
		const struct native_shape *shape = f->n->by_id.v[i];

		wanted[i] = shape && !shape->is_guess && shape->type && is_asked(f->n, shape->type);
		any |= wanted[i];
	}
	for (uint32_t id = 0; any && id < f->g->n && !err; id += AT_ONCE)
		err = add_wanted(f, id, f->g->n - id < AT_ONCE ? f->g->n - id : AT_ONCE, wanted);
	return err;
}

/* There are arrays of what is told: of others no container has a say. */
static bool has_arrays(const struct slack_finder *f)
{
	bool ret = false;

	for (size_t i = 0; i < f->n->by_id.n && i < f->g->types->n && !ret; i++) {
		const struct native_shape *shape = f->n->by_id.v[i];

		ret = shape && !shape->is_guess && shape->type && shape->kind != NATIVE_VALUE && is_told(f->n, shape->type);
	}
	return ret;
}

/* Which bytes hold values, before it is asked what these hold. */
static struct err *find_all_live(struct slack_finder *f)
{
	struct err *err;

	if (!has_arrays(f))
		return NULL;
	err = find_blocks(f, says_live);
	if (!err)
		err = native_each_object(f->n, find_live, f);
	if (!err)
		err = native_each_variable(f->n, f->g, find_variable_live, f);
	native_live_sort(&f->live);
	return err;
}

static struct err *find(struct env *env, const struct image *img, const struct blocks *blocks, const struct graph *g,
			struct note_sink *sink)
{
	extern const struct typer_ops typer_native;
	_cleanup_(finder_fini) struct slack_finder f = { .env = env, .g = g };
	struct err *err;

	(void)img;
	f.n = typing_context(sink->typing, &typer_native);
	if (!f.n || !f.n->has_dwarf || !blocks->grains.n || !g->types)
		return NULL;
	err = col_open(env, sizeof(uint32_t), g->n, "slack", &f.n->objects);
	if (!err)
		err = find_all_live(&f);
	if (!err)
		err = find_blocks(&f, has_stores);
	if (!err)
		err = native_each_object(f.n, find_slack, &f);
	if (!err)
		err = native_each_variable(f.n, g, find_variable_slack, &f);
	col_close(&f.n->objects);
	native_live_spare(f.n, &f.live);
	native_live_fini(&f.n->live);
	f.n->live = f.live;
	f.live = (struct native_live){};
	native_places_sort(&f.places);
	native_places_fini(&f.n->places);
	f.n->places = f.places;
	f.places = (struct native_places){};
	return err ? err : give(&f, sink);
}

extern const struct noter_ops noter_native_slack;
const struct noter_ops noter_native_slack = { .name = "room of containers", .find = find };
