/*
 * type/go_statics.c - objects that variables point to outside the heap, then what those point to.
 *
 * A level at a time: who is nearest to a variable names an object, so that pointers back, to an
 * owner or to itself, take no name away.
 */
#include "type/go_statics.h"

#include <stdlib.h>

#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"

enum { LEVELS = 4, STATICS_MAX = 1 << 18 };

struct finder {
	const struct go *go;
	const struct go_variable *variables;
	size_t n_variables;
	const struct go_statics *known;
	struct go_statics found; /* by this level */
	taddr at;		 /* of the value that is read */
	bool failed;
};

void go_statics_fini(struct go_statics *s)
{
	free(s->v);
	*s = (struct go_statics){};
}

const struct go_static *go_statics_at(const struct go_statics *s, taddr addr)
{
	size_t lo = partition_point(s->n, i, s->v[i].addr <= addr);

	return lo && addr - s->v[lo - 1].addr < s->v[lo - 1].type->size ? &s->v[lo - 1] : NULL;
}

static bool is_variable(const struct finder *x, taddr addr)
{
	const struct go_variable *v = x->variables;
	size_t lo = partition_point(x->n_variables, i, v[i].addr <= addr);

	return lo && addr - v[lo - 1].addr < v[lo - 1].type->size;
}

/* What the pointer in a slot refers to; of an interface `at` is the second word. */
static const struct go_type *target_type(const struct go *go, taddr at, const struct go_type *slot)
{
	const struct go_type *t = slot;

	if (slot->kind == GO_INTERFACE) {
		taddr word = go_word(go, at - 8);

		t = go_itab_type(go, word);
		t = t ? t : go_type_at(go, word);
	}
	return t && t->kind == GO_POINTER ? t->elem : NULL;
}

static bool add_target(void *arg, uint64_t offset, const struct go_type *slot)
{
	struct finder *x = arg;
	struct go_static one = { .holder = x->at + offset };

	one.type = target_type(x->go, one.holder, slot);
	if (!one.type || !one.type->size)
		return true;
	one.addr = go_word(x->go, one.holder);
	if (!go_in_data(x->go, one.addr) || is_variable(x, one.addr) ||
	    go_statics_at(x->known, one.addr))
		return true;
	x->failed = !vec_push(&x->found, &one);
	return !x->failed && x->found.n < STATICS_MAX;
}

static void read_value(struct finder *x, taddr at, const struct go_type *type)
{
	if (!type->ptr_bytes || x->failed || x->found.n >= STATICS_MAX)
		return;
	x->at = at;
	go_type_pointers(x->go, type, add_target, x);
}

/* By address, the larger first, the earlier word first. */
static int by_addr(const void *pa, const void *pb)
{
	const struct go_static *a = pa, *b = pb;

	if (a->addr != b->addr)
		return a->addr < b->addr ? -1 : 1;
	if (a->type->size != b->type->size)
		return a->type->size > b->type->size ? -1 : 1;
	return a->holder < b->holder ? -1 : a->holder > b->holder;
}

/* What lies within another is told by that; the same object twice is told by neither. */
static void drop_inner(struct go_statics *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct go_static *last = n ? &s->v[n - 1] : NULL;

		if (!last || s->v[i].addr - last->addr >= last->type->size)
			s->v[n++] = s->v[i];
		else if (s->v[i].addr == last->addr && s->v[i].type->size == last->type->size)
			last->shared = true;
	}
	s->n = n;
}

static struct err *next_level(struct finder *x, struct go_statics *ret)
{
	for (size_t i = 0; i < x->found.n && ret->n < STATICS_MAX; i++)
		if (!vec_push(ret, &x->found.v[i]))
			return &err_nomem;
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_addr);
	return NULL;
}

struct err *go_statics_find(const struct go *go, const struct go_variable *variables, size_t n,
			    struct go_statics *ret)
{
	struct go_statics level = {};
	struct err *err = NULL;

	*ret = (struct go_statics){};
	for (unsigned i = 0; i < LEVELS && !err && (!i || level.n); i++) {
		struct finder x = { .go = go, .variables = variables, .n_variables = n,
				    .known = ret };

		for (size_t k = 0; !i && k < n; k++)
			read_value(&x, variables[k].addr, variables[k].type);
		for (size_t k = 0; k < level.n; k++)
			if (!level.v[k].shared)
				read_value(&x, level.v[k].addr, level.v[k].type);
		if (x.found.n)
			qsort(x.found.v, x.found.n, sizeof(*x.found.v), by_addr);
		drop_inner(&x.found);
		err = x.failed ? &err_nomem : next_level(&x, ret);
		go_statics_fini(&level);
		level = x.found;
	}
	go_statics_fini(&level);
	if (ret->n)
		drop_inner(ret); /* one of a later level may begin before one of an earlier and cover it */
	return err;
}
