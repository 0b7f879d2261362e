/* graph/types.c - a table of types and a hash over (typer, handle) to find them again. */
#include "graph/types.h"

#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"

enum { FIRST_SLOTS = 256 };

const char *type_language_name(enum type_language lang)
{
	static const char *const names[] = {
		[LANG_NONE] = NULL,   [LANG_C] = "c",	[LANG_CXX] = "c++",
		[LANG_RUST] = "rust", [LANG_GO] = "go", [LANG_PYTHON] = "python",
	};

	return (unsigned)lang < ARRAY_SIZE(names) ? names[lang] : NULL;
}

static size_t slot_of(const struct types *t, uint8_t typer, uint64_t handle)
{
	return (size_t)((handle ^ (uint64_t)typer << 56) * 0x9e3779b97f4a7c15ull >> 24) &
	       (t->index.n_slots - 1);
}

/* Linear probing; the table is never more than half full. */
static void index_put(struct types *t, uint32_t id)
{
	size_t i = slot_of(t, t->v[id].typer, t->v[id].handle);

	while (t->index.v[i])
		i = (i + 1) & (t->index.n_slots - 1);
	t->index.v[i] = id;
}

static struct err *index_grow(struct types *t)
{
	size_t n = t->index.n_slots ? 2 * t->index.n_slots : FIRST_SLOTS;
	uint32_t *v = calloc(n, sizeof(*v));

	if (!v)
		return &err_nomem;
	free(t->index.v);
	t->index.v = v;
	t->index.n_slots = n;
	for (uint32_t id = 1; id < t->n; id++)
		index_put(t, id);
	return NULL;
}

struct err *types_open(struct types *t)
{
	static const struct type_row unknown = { .name = "" };

	*t = (struct types){};
	return vec_push(t, &unknown) ? index_grow(t) : &err_nomem;
}

void types_close(struct types *t)
{
	free(t->v);
	free(t->index.v);
	free(t->rivals.v);
	arena_fini(&t->mem);
	*t = (struct types){};
}

struct err *types_intern(struct types *t, const struct type_row *row, type_id *ret)
{
	struct type_row r = *row;
	struct err *err;

	for (size_t i = slot_of(t, r.typer, r.handle); t->index.v[i];
	     i = (i + 1) & (t->index.n_slots - 1)) {
		const struct type_row *known = &t->v[t->index.v[i]];

		if (known->handle == r.handle && known->typer == r.typer) {
			*ret = t->index.v[i];
			return NULL;
		}
	}
	if (t->n >= UINT32_MAX / 4)
		return err_new(ERR_LIMIT, "more than 2^30 types");
	if (2 * t->n >= t->index.n_slots) {
		err = index_grow(t);
		if (err)
			return err;
	}
	r.name = arena_strdup(&t->mem, r.name ? r.name : "");
	if (!r.name || !vec_push(t, &r))
		return &err_nomem;
	*ret = (type_id)t->n - 1;
	index_put(t, *ret);
	return NULL;
}

struct err *types_rename(struct types *t, type_id id, const char *name, const char *whole)
{
	const char *kept = arena_strdup(&t->mem, name), *of = arena_strdup(&t->mem, whole);

	if (!kept || !of)
		return &err_nomem;
	t->v[id].name = kept;
	t->v[id].whole = of;
	return NULL;
}

struct err *types_add_rival(struct types *t, uint32_t node, type_id type)
{
	struct type_rival rival = { node, type };

	return vec_push(&t->rivals, &rival) ? NULL : &err_nomem;
}

static int by_node(const void *a, const void *b)
{
	const struct type_rival *x = a, *y = b;

	return x->node < y->node ? -1 : x->node > y->node;
}

void types_seal(struct types *t)
{
	if (t->rivals.n)
		qsort(t->rivals.v, t->rivals.n, sizeof(*t->rivals.v), by_node);
}

static const struct type_rival *rival_of(const struct types *t, uint32_t node)
{
	size_t i = partition_point(t->rivals.n, k, t->rivals.v[k].node < node);

	return i < t->rivals.n && t->rivals.v[i].node == node ? &t->rivals.v[i] : NULL;
}

type_id types_rival(const struct types *t, uint32_t node)
{
	const struct type_rival *rival = rival_of(t, node);

	return rival ? rival->type : 0;
}

bool types_is_guess(const struct types *t, uint32_t node)
{
	return rival_of(t, node) != NULL;
}
