/*
 * type/typing.c - runs typers in the order of their registry and keeps them for their names.
 *
 * What a typer cannot do is a defect of the input, not of the run: the types of the others stand.
 */
#include "type/typing.h"

#include <stdlib.h>
#include <string.h>

#include "base/addrmap.h"
#include "base/bits.h"
#include "base/guard.h"

enum { TYPERS_MAX = 8, NAME_TRIES = 8 };

struct typing {
	struct types types;
	struct col type; /* one an id: type_id, uint16_t once all are known and fit */
	const struct blocks *blocks;
	struct {
		const struct typer_ops *ops;
		void *ctx;
	} typers[TYPERS_MAX]; /* by their place in the registry; ops NULL: not at home */
	struct addrmap names; /* by hash */
	struct arena mem;     /* of the names */
};

void typing_free(struct typing *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < TYPERS_MAX; i++)
		if (t->typers[i].ops)
			t->typers[i].ops->close(t->typers[i].ctx);
	types_close(&t->types);
	col_close(&t->type);
	addrmap_fini(&t->names);
	arena_fini(&t->mem);
	free(t);
}

static void free_typing(struct typing **t)
{
	typing_free(*t);
}

static void close_col(struct col *c)
{
	col_close(c);
}

/* How many are at home. */
static unsigned open_typers(struct env *env, const struct image *img, const struct blocks *blocks,
			    const struct hints *hints, const struct typer_ops *const *typers,
			    struct typing *t)
{
	unsigned n = 0;

	for (unsigned i = 0; typers[i] && i < TYPERS_MAX; i++) {
		void *ctx = NULL;
		struct err *err = typers[i]->open(env, img, blocks, hints, &ctx);

		if (err)
			diag_err(env, "type/typer", err_wrap(err, "types of %s", typers[i]->name));
		if (err || !ctx)
			continue;
		t->typers[i].ops = typers[i];
		t->typers[i].ctx = ctx;
		n++;
	}
	return n;
}

static struct err *assign(struct env *env, struct typing *t, const struct graph *graph,
			  uint8_t *confidence)
{
	for (unsigned i = 0; i < TYPERS_MAX; i++) {
		struct type_columns cols = {
			.type = t->type.base,
			.confidence = confidence,
			.typer = (uint8_t)i,
			.types = &t->types,
			.graph = graph,
		};
		struct err *err;

		if (!t->typers[i].ops)
			continue;
		err = t->typers[i].ops->assign(t->typers[i].ctx, &cols);
		if (err && (err->kind == ERR_NOMEM || err->kind == ERR_LIMIT))
			return err;
		if (err)
			diag_err(env, "type/typer",
				 err_wrap(err, "types of %s", t->typers[i].ops->name));
	}
	return NULL;
}

/* That a block is of a type may be a guess where the type itself is known well. */
static struct err *keep_guesses(struct typing *t, const uint8_t *confidence)
{
	const type_id *type = t->type.base;
	struct err *err = NULL;

	for (uint64_t i = 0; i < t->type.n && !err; i++)
		if (confidence[i] == TYPE_GUESSED && type[i] && t->types.v[type[i]].confidence > CONF_GUESS)
			err = types_add_rival(&t->types, (uint32_t)i, 0);
	return err;
}

static bool is_narrow(const struct typing *t)
{
	return t->type.elem_size == sizeof(uint16_t);
}

/* Half the memory, as long as there are not very many types: each moves down in the column. */
static struct err *narrow(struct typing *t)
{
	uint8_t *base = t->type.base;

	if (t->types.n > UINT16_MAX + 1u)
		return NULL;
	for (uint64_t i = 0; i < t->type.n; i++) {
		uint16_t type = (uint16_t)load_u32(base + i * sizeof(type_id));

		memcpy(base + i * sizeof(type), &type, sizeof(type));
	}
	return col_recast(&t->type, sizeof(uint16_t), t->type.n);
}

struct err *typing_run(struct env *env, const struct image *img, const struct blocks *blocks,
		       const struct hints *hints, const struct graph *graph, const struct typer_ops *const *typers,
		       struct typing **ret)
{
	_cleanup_(free_typing) struct typing *t = calloc(1, sizeof(*t));
	_cleanup_(close_col) struct col confidence = {};
	const struct hints none = {};
	struct err *err;

	if (!t)
		return &err_nomem;
	*ret = NULL;
	t->blocks = blocks;
	if (!blocks->grains.n || !open_typers(env, img, blocks, hints ? hints : &none, typers, t))
		return NULL;
	err = types_open(&t->types);
	if (!err)
		err = col_fixed(env, sizeof(type_id), blocks->grains.n, "types", &t->type);
	if (!err)
		err = col_fixed(env, 1, blocks->grains.n, "types", &confidence);
	if (!err)
		err = assign(env, t, graph, confidence.base);
	if (!err)
		err = keep_guesses(t, confidence.base);
	if (!err)
		err = narrow(t);
	if (err)
		return err;
	col_seal(&t->type);
	types_seal(&t->types);
	*ret = take(&t);
	return NULL;
}

void typing_columns(const struct typing *t, const uint16_t **ret_narrow, const type_id **ret_wide)
{
	*ret_narrow = t && is_narrow(t) ? t->type.base : NULL;
	*ret_wide = t && !is_narrow(t) ? t->type.base : NULL;
}

const struct types *typing_types(const struct typing *t)
{
	return t ? &t->types : NULL;
}

void *typing_context(const struct typing *t, const struct typer_ops *ops)
{
	for (unsigned i = 0; t && i < TYPERS_MAX; i++)
		if (t->typers[i].ops == ops)
			return t->typers[i].ctx;
	return NULL;
}

static type_id type_at(const struct typing *t, uint32_t id)
{
	if (!t)
		return 0;
	return is_narrow(t) ? ((const uint16_t *)t->type.base)[id] :
			      ((const type_id *)t->type.base)[id];
}

/* A string that stays; each once, as long as hashes do not fall on each other. */
static const char *keep_name(struct typing *t, const struct text *name)
{
	uint64_t h = 0xcbf29ce484222325;
	const char *kept;

	if (name->bad)
		return NULL;
	if (!name->n)
		return "";
	for (size_t i = 0; i < name->n; i++)
		h = (h ^ (uint8_t)name->s[i]) * 0x100000001b3;
	for (unsigned i = 0; i < NAME_TRIES; i++, h += 2) {
		kept = addrmap_get(&t->names, h | 1);
		if (!kept) {
			kept = arena_strdup(&t->mem, text_str(name));
			return kept && addrmap_put(&t->names, h | 1, kept) ? kept : NULL;
		}
		if (!strcmp(kept, text_str(name)))
			return kept;
	}
	return arena_strdup(&t->mem, text_str(name));
}

static const char *path_in(struct typing *t, type_id type, taddr start, uint64_t size, uint64_t offset)
{
	const struct type_row *row;
	const struct typer_ops *ops;
	struct text name = { .max = 4096 };
	const char *kept = NULL;

	if (!type || type >= t->types.n)
		return NULL;
	row = &t->types.v[type];
	ops = t->typers[row->typer].ops;
	if (ops->path && ops->path(t->typers[row->typer].ctx, row, start, size, offset, &name))
		kept = keep_name(t, &name);
	text_fini(&name);
	return kept;
}

const char *typing_path(struct typing *t, uint32_t id, taddr start, uint64_t size, uint64_t offset)
{
	return path_in(t, type_at(t, id), start, size, offset);
}

const char *typing_field(struct typing *t, type_id type, uint64_t offset)
{
	return path_in(t, type, 0, 0, offset);
}

uint64_t typing_entries(const struct typing *t, uint32_t id, taddr start)
{
	type_id type = type_at(t, id);
	const struct type_row *row;
	const struct typer_ops *ops;

	if (!type || type >= t->types.n)
		return 0;
	row = &t->types.v[type];
	ops = t->typers[row->typer].ops;
	return ops->entries ? ops->entries(t->typers[row->typer].ctx, row, start) : 0;
}

bool typing_place(const struct typing *t, type_id type, struct type_place *ret)
{
	const struct type_row *row;
	const struct typer_ops *ops;

	if (!t || !type || type >= t->types.n)
		return false;
	row = &t->types.v[type];
	ops = t->typers[row->typer].ops;
	return ops && ops->place && ops->place(t->typers[row->typer].ctx, row, ret);
}

bool typing_global(const struct typing *t, taddr addr, struct text *ret)
{
	for (unsigned i = 0; t && i < TYPERS_MAX; i++)
		if (t->typers[i].ops && t->typers[i].ops->global &&
		    t->typers[i].ops->global(t->typers[i].ctx, addr, ret))
			return true;
	return false;
}
