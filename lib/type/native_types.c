/*
 * type/native_types.c - the typer of C and C++: what its parts share, and the order they run in.
 */
#include <stdlib.h>

#include "base/guard.h"
#include "base/par.h"
#include "base/vec.h"
#include "image/resident.h"
#include "type/native.h"

enum {
	FEW = 1 << 14,
	STEP = 8,
	STEP_FEW = 1 << 18, /* a large heap's: rounds that go through all of it are few then */
	STEP_LEAST = 256 << 20, /* bytes of blocks, from which on rounds are by steps */
	LIST_STEPS = 1 << 22, /* less than a second */
};

const uint8_t *native_view(struct native *n, taddr at, uint64_t *ret_avail)
{
	return window_view(&n->window, n->img, at, ret_avail);
}

uint64_t native_words(const struct native *n)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < n->img->n_segments; i++) {
		const struct segment *seg = &n->img->segments[i];

		if (seg->bytes && !seg->zero_reserve)
			bytes += seg->end - seg->start;
	}
	return bytes / 8;
}

/* ---- shapes */

struct native_shape *native_shape_new(struct native *n, const char *name, enum native_kind kind, bool is_guess,
				      enum type_language language)
{
	struct native_shape *s = arena_alloc(&n->mem, sizeof(*s));
	struct text pretty = TEXT_INIT;

	if (!s)
		return NULL;
	native_pretty(name, &pretty);
	text_add(&pretty, kind == NATIVE_VALUE ? "" : "[]");
	text_add(&pretty, is_guess ? "?" : "");
	s->name = arena_strdup(&n->mem, text_str(&pretty));
	text_fini(&pretty);
	s->kind = (uint8_t)kind;
	s->language = (uint8_t)language;
	s->is_guess = is_guess;
	return s->name ? s : NULL;
}

struct err *native_intern(struct native *n, struct native_shape *shape)
{
	struct type_row row = {
		.name = shape->name,
		.size = shape->kind == NATIVE_VALUE && shape->type ? shape->type->dbg->size : 0,
		.handle = (uintptr_t)shape,
		.language = shape->language,
		.typer = n->cols->typer,
		.confidence = shape->is_guess ? CONF_GUESS : shape->by_class ? CONF_RUNTIME : CONF_DEBUG_INFO,
	};
	struct err *err = shape->id ? NULL : types_intern(n->cols->types, &row, &shape->id);

	while (!err && n->by_id.n <= shape->id) {
		struct native_shape *none = NULL;

		if (!vec_push(&n->by_id, &none))
			err = &err_nomem;
	}
	if (!err)
		n->by_id.v[shape->id] = shape;
	return err;
}

struct err *native_assign(struct native *n, uint32_t id, struct native_shape *shape,
			  enum type_confidence confidence)
{
	struct err *err = native_intern(n, shape);

	if (err)
		return err;
	n->cols->type[id] = shape->id;
	n->cols->confidence[id] = (uint8_t)confidence;
	return NULL;
}

struct native_shape *native_shape_now(const struct native *n, uint32_t id)
{
	type_id type = n->cols->type[id];

	if (n->state)
		return native_shape_in(n, n->state[id]);
	return type < n->by_id.n ? n->by_id.v[type] : NULL;
}

struct err *native_add_rival(struct native *n, uint32_t id, struct native_shape *shape)
{
	struct err *err = shape ? native_intern(n, shape) : &err_nomem;

	return err ? err : types_add_rival(n->cols->types, id, shape->id);
}

/* ---- blocks */

bool native_is_made_for(const struct native *n, taddr at, uint64_t usable, uint64_t size)
{
	enum { ROUNDING = 16, LEAST = 24 }; /* glibc's */
	const struct claim *c = blocks_claim_at(n->blocks, at);
	uint64_t more = usable - size;

	if (!c || usable < size)
		return false;
	return more < ROUNDING || usable <= LEAST ||
	       (more <= size / 4 && !blocks_rounding(n->blocks, (size_t)(c - n->blocks->claims)));
}

enum { COMING = 16 }; /* objects whose first bytes are on their way */

struct each {
	struct native *n;
	struct native_block coming[COMING];
	uint32_t n_coming;
	struct resident_pass pass;
	bool headed; /* plain ones are left out */
	struct err *(*fn)(void *arg, const struct native_block *b);
	void *arg;
};

static struct err *each_coming(struct each *e)
{
	struct err *err = NULL;

	for (uint32_t i = 0; i < e->n_coming && !err; i++)
		err = e->fn(e->arg, &e->coming[i]);
	e->n_coming = 0;
	return err;
}

static struct err *each_block(struct each *e, const struct claim *c, uint32_t id, taddr key, uint64_t size)
{
	struct native_block b = { id, key + c->head, size - c->head - c->overhead };
	bool headed = e->headed && !c->head;
	struct err *err = NULL;
	const uint8_t *bytes;
	uint64_t avail;

	if (size < (uint64_t)c->head + c->overhead + 8)
		return NULL;
	bytes = headed ? native_view(e->n, b.at, &avail) : NULL;
	if (bytes)
		__builtin_prefetch(bytes);
	e->coming[e->n_coming++] = b;
	if (!headed || e->n_coming == COMING)
		err = each_coming(e);
	resident_pass_at(&e->pass, key);
	return err;
}

/* Those whose first word is not plain, in [first, last]: few. */
static struct err *each_not_plain(struct each *e, const struct claim *c, uint32_t first, uint32_t last)
{
	const struct blocks *b = e->n->blocks;
	struct err *err = NULL;
	uint64_t near = 0;

	for (uint64_t w = first >> 6; w <= last >> 6 && !err; w++) {
		/* Larger ones are looked at all the same. */
		bool known = grains_size_most(&b->grains, w) <= PLAIN_LEAST;
		uint64_t bits = b->used[w] & ~(known ? b->plain[w] : 0);

		for (; bits && !err; bits &= bits - 1) {
			uint32_t id = (uint32_t)(w << 6 | (unsigned)__builtin_ctzll(bits));
			uint64_t size;
			taddr key;

			if (id < first || id > last)
				continue;
			key = grains_key_near(&b->grains, id, &near, &size);
			err = each_block(e, c, id, key, size);
		}
	}
	return err;
}

static struct err *each_of_claim(struct each *e, size_t no)
{
	const struct blocks *blocks = e->n->blocks;
	const struct claim *c = &blocks->claims[no];
	taddr end = c->end + c->bias;
	uint32_t first = block_at(blocks, c->start + c->bias), last = block_at(blocks, end - 1);
	struct err *err = NULL;

	if (first == BLOCK_NONE || blocks_is_precise(blocks, no))
		return NULL;
	if (e->headed && !c->head && blocks->plain && last != BLOCK_NONE)
		err = each_not_plain(e, c, first, last);
	else
		for (struct grains_iter it = grains_iter(&blocks->grains, first);
		     it.id < blocks->grains.n && it.key < end && !err; grains_next(&it))
			if (block_is_used(blocks, it.id))
				err = each_block(e, c, it.id, it.key, it.size);
	return err ? err : each_coming(e);
}

static struct err *each(struct each *e)
{
	struct err *err = NULL;

	for (size_t i = 0; i < e->n->blocks->n_claims && !err; i++)
		err = each_of_claim(e, i);
	image_leave_all(e->n->img);
	return err;
}

struct err *native_each(struct native *n, struct err *(*fn)(void *arg, const struct native_block *b), void *arg)
{
	struct each e = { .n = n, .pass = { .img = n->img }, .fn = fn, .arg = arg };

	return each(&e);
}

struct err *native_each_headed(struct native *n, struct err *(*fn)(void *arg, const struct native_block *b),
			       void *arg)
{
	struct each e = { .n = n, .pass = { .img = n->img }, .headed = true, .fn = fn, .arg = arg };

	return each(&e);
}

struct err *native_each_object(struct native *n, struct err *(*fn)(void *arg, const struct native_block *b), void *arg)
{
	const struct grains *g = &n->blocks->grains;
	const uint32_t *ids = n->objects.base;
	struct native_block ring[COMING];
	uint64_t near = 0, given = 0, done = 0;
	struct resident_pass pass = { .img = n->img };
	size_t claim = 0;
	struct err *err = NULL;

	while (done < n->objects.n && !err) {
		while (given < n->objects.n && given - done < COMING) {
			uint64_t grain = grains_select_near(g, ids[given], &near), avail;
			const struct claim *c;
			const uint8_t *bytes;
			taddr at = grain_key(g, grain);

			resident_pass_at(&pass, at);
			while (n->blocks->claims[claim].end + n->blocks->claims[claim].bias <= at)
				claim++;
			c = &n->blocks->claims[claim];
			ring[given % COMING] = (struct native_block){
				ids[given], at + c->head,
				((grain_next_start(g, grain) - grain) << g->shift) - c->head - c->overhead,
			};
			bytes = native_view(n, at + c->head, &avail);
			if (bytes)
				__builtin_prefetch(bytes);
			given++;
		}
		err = fn(arg, &ring[done++ % COMING]);
	}
	image_leave_all(n->img);
	return err;
}

/* ---- the typer */

static void close_typer(void *p)
{
	struct native *n = p;

	if (!n)
		return;
	cxx_close(&n->cxx);
	gobject_close(&n->gobjects);
	native_signals_fini(&n->signals);
	for (size_t i = 0; n->dwarf && i < n->img->n_modules; i++)
		dbg_types_close(n->dwarf[i]);
	free(n->dwarf);
	free(n->locals.v);
	free(n->words.v);
	native_live_fini(&n->live);
	native_places_fini(&n->places);
	free(n->by_id.v);
	addrmap_fini(&n->rivals);
	addrmap_fini(&n->managers);
	addrmap_fini(&n->tables);
	addrmap_fini(&n->khashes);
	arena_fini(&n->mem);
	free(n);
}

static void guard_native(struct native **n)
{
	close_typer(*n);
}

/* Each has a libdw of its own. */
static struct err *open_module(void *arg, uint64_t i, uint64_t first, uint64_t last)
{
	struct native *n = arg;
	const struct module *m = &n->img->modules[i];

	(void)first;
	(void)last;
	return dbg_types_is_large(m) ? NULL : dbg_types_open(n->env, n->img, m, &n->dwarf[i]);
}

/* Damaged debug info of one module leaves the others'. */
static struct err *open_dwarf(struct native *n)
{
	struct err *err;

	n->dwarf = calloc(n->img->n_modules + 1, sizeof(struct dbg_types *));
	if (!n->dwarf)
		return &err_nomem;
	err = par_ranges(n->env, n->img->n_modules, 1, open_module, n);
	for (size_t i = 0; i < n->img->n_modules && !err; i++)
		if (dbg_types_is_large(&n->img->modules[i]))
			err = dbg_types_open(n->env, n->img, &n->img->modules[i], &n->dwarf[i]);
	for (size_t i = 0; i < n->img->n_modules && !err; i++) {
		if (n->dwarf[i])
			dbg_types_tell(n->dwarf[i]);
		n->has_dwarf = n->has_dwarf || n->dwarf[i];
	}
	return err;
}

static struct err *open_typer(struct env *env, const struct image *img, const struct blocks *blocks,
			      const struct hints *hints, void **ret_ctx)
{
	_cleanup_(guard_native) struct native *n = calloc(1, sizeof(*n));
	struct err *err;

	if (!n)
		return &err_nomem;
	*n = (struct native){ .env = env, .img = img, .blocks = blocks, .few = FEW, .rules = hints->rules };
	if ((uint64_t)blocks->grains.n_units << UNIT_SHIFT >= STEP_LEAST) {
		n->few = STEP_FEW;
		n->step = STEP;
	}
	n->steps_left = arena_alloc(&n->mem, sizeof(*n->steps_left));
	if (!n->steps_left)
		return &err_nomem;
	*n->steps_left = LIST_STEPS;
	n->flags_left = 4 * native_words(n);
	n->controls_left = 16 * native_words(n);
	err = cxx_open(img, &n->cxx);
	if (!err)
		err = open_dwarf(n);
	if (err)
		return err;
	*ret_ctx = take(&n);
	return NULL;
}

static struct err *assign(void *p, struct type_columns *cols)
{
	struct native *n = p;
	struct err *err;

	n->cols = cols;
	err = native_vtables(n);
	if (!err)
		err = native_gobjects(n);
	if (!err)
		err = native_glib(n);
	if (!err && n->has_dwarf)
		err = native_spread(n, native_roots);
	if (!err && n->has_dwarf)
		err = native_garrays(n);
	if (!err)
		err = native_name_nodes(n);
	n->cols = NULL;
	col_close(&n->objects);
	return err;
}

/* `.handler("clicked")`: what a handler that the object has is called. */
static bool handler_path(const struct native *n, uint64_t signal, struct text *ret)
{
	text_add(ret, ".handler(\"");
	if (signal > UINT32_MAX || !gobject_signal(n->img, &n->gobjects, (uint32_t)signal, ret))
		text_printf(ret, "%llu", (unsigned long long)signal);
	text_add(ret, "\")");
	return true;
}

/* `[7 unused]`: a container's room for more, which says nothing of a key. */
static bool spare_path(const struct native *n, const struct native_shape *shape, taddr addr, uint64_t offset, struct text *ret)
{
	uint64_t one = shape->type->dbg->size, i = offset / one;

	if (shape->kind == NATIVE_TABLE)
		text_add(ret, "[unused]");
	else
		text_printf(ret, "[%llu unused]", (unsigned long long)i);
	if (shape->kind == NATIVE_ARRAY)
		native_path(n, shape->type->dbg, false, addr + i * one, offset - i * one, ".", ret);
	return true;
}

static bool path(void *p, const struct type_row *row, taddr addr, uint64_t size, uint64_t offset, struct text *ret)
{
	const struct native_shape *shape = (const struct native_shape *)(uintptr_t)row->handle;
	uint64_t skip = native_skip(shape);
	const struct native *n = p;

	(void)size;
	if (shape->is_gobject && offset >= NATIVE_HANDLER_AT)
		return handler_path(p, offset - NATIVE_HANDLER_AT, ret);
	if (shape->glib)
		return native_glib_path(p, shape->glib, addr, offset, ret);
	if (!shape->type || offset < skip)
		return false;
	if ((shape->kind == NATIVE_TABLE || shape->kind == NATIVE_ARRAY) && shape->type->dbg->size && !native_is_link(shape->type->dbg) &&
	    native_is_spare(&n->live, block_at(n->blocks, addr), offset))
		return spare_path(n, shape, addr, offset, ret);
	if (shape->kind == NATIVE_TABLE)
		return native_table_path(p, shape->type->dbg, addr, offset, ret);
	if (shape->kind == NATIVE_ARRAY && shape->type->dbg->size && native_khash_path(n, shape->type->dbg, addr, offset, ret))
		return true;
	return native_path(p, shape->type->dbg, shape->kind != NATIVE_VALUE, addr ? addr + skip : 0, offset - skip, "->", ret);
}

static bool global(void *p, taddr addr, struct text *ret)
{
	return native_global(p, addr, ret);
}

static bool place(void *p, const struct type_row *row, struct type_place *ret)
{
	const struct native_shape *shape = (const struct native_shape *)(uintptr_t)row->handle;
	const char *file = shape->type ? dbg_type_file(shape->type->dbg, &ret->line) : NULL;

	(void)p;
	text_add(&ret->file, file ? file : "");
	return file;
}

extern const struct typer_ops typer_native;
const struct typer_ops typer_native = {
	.name = "c and c++",
	.open = open_typer,
	.assign = assign,
	.path = path,
	.global = global,
	.place = place,
	.close = close_typer,
};
