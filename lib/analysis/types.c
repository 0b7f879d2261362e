/*
 * analysis/types.c - how many there are of each type, what they take, and what they keep.
 *
 * What a type retains would go if all of its objects went: the sum over those that no other of the
 * type dominates.  Where a type cannot come back below itself but at once (a list, a tree: told
 * from which types dominate which), that is seen from the immediate dominator alone; for the others
 * dominators are followed up, as far as a budget for all of them goes.
 */
#include "analysis/types.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/chain.h"
#include "base/bits.h"
#include "base/fetch.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"

enum {
	TYPES_MAX = 1 << 14,  /* among which nesting is looked for */
	PAIRS_MAX = 1 << 16,  /* of types, one of which dominates the other */
	STEPS_EACH = 1 << 12, /* up from one node */
	AHEAD = 24, /* nodes whose dominator's type is on its way */
};

static const uint64_t steps_max = 1ull << 26; /* of all: a fraction of a second */

struct kind {
	uint64_t count, bytes, retained;
	bool nests;	/* below itself with others between */
	bool is_unsure; /* retained is not known */
	bool is_seen;	/* scratch */
};

struct pair {
	type_id up, down;
};

struct census {
	const struct graph *g;
	const struct facts *f;
	struct kind *kinds; /* by type_id, of those that `as` has */
	type_id *as; /* by type_id: the first that is a part of the same; NULL: none is */
	struct {
		struct pair *v;
		size_t n, cap;
	} pairs;	 /* first as met, then by `up` */
	uint32_t *slots; /* of the hash of pairs: index + 1 */
	uint64_t steps;
	bool too_many; /* pairs: then every type may nest */
	struct pair last; /* noted last: neighbours are often of the same */
};

static void close_census(struct census *c)
{
	free(c->kinds);
	free(c->as);
	free(c->pairs.v);
	free(c->slots);
}

static type_id part_of(const struct census *c, type_id type)
{
	return c->as ? c->as[type] : type;
}

static type_id type_of(const struct census *c, node_id node)
{
	return part_of(c, graph_type(c->g, node));
}

static int by_whole(const void *pa, const void *pb)
{
	const struct type_row *const *a = pa, *const *b = pb;
	int order = strcmp((*a)->whole, (*b)->whole);

	return order ? order : *a < *b ? -1 : *a > *b;
}

/* Parts of one thing are counted as one type. */
static struct err *join_parts(struct census *c)
{
	const struct types *t = c->g->types;
	_free_ const struct type_row **parts = calloc(t->n, sizeof(*parts));
	type_id first = 0;
	size_t n = 0;

	if (!parts)
		return &err_nomem;
	for (size_t i = 1; i < t->n; i++)
		if (t->v[i].whole)
			parts[n++] = &t->v[i];
	if (!n)
		return NULL;
	c->as = calloc(t->n, sizeof(*c->as));
	if (!c->as)
		return &err_nomem;
	for (type_id i = 0; i < t->n; i++)
		c->as[i] = i;
	qsort(parts, n, sizeof(*parts), by_whole);
	for (size_t i = 0; i < n; i++) {
		if (!i || strcmp(parts[i]->whole, parts[i - 1]->whole) != 0)
			first = (type_id)(parts[i] - t->v);
		c->as[parts[i] - t->v] = first;
	}
	return NULL;
}

/* Which types dominate which, each pair once; what has no type may stand between two of one. */
static struct err *note_pair(struct census *c, type_id up, type_id down)
{
	uint64_t key = (uint64_t)up << 32 | down;
	struct pair p = { up, down };
	size_t i;

	if (c->last.up == up && c->last.down == down)
		return NULL;
	c->last = p;
	i = key * 0x9e3779b97f4a7c15ull >> 40 & (2 * PAIRS_MAX - 1);
	for (; c->slots[i]; i = (i + 1) & (2 * PAIRS_MAX - 1)) {
		const struct pair *known = &c->pairs.v[c->slots[i] - 1];

		if (known->up == up && known->down == down)
			return NULL;
	}
	c->too_many |= c->pairs.n == PAIRS_MAX || c->g->types->n > TYPES_MAX;
	if (c->too_many)
		return NULL;
	if (!vec_push(&c->pairs, &p))
		return &err_nomem;
	c->slots[i] = (uint32_t)c->pairs.n;
	return NULL;
}

static FETCHES void fetch_type(const struct graph *g, node_id node)
{
	if (node == NODE_NONE)
		return;
	if (g->type_narrow)
		__builtin_prefetch(&g->type_narrow[node]);
	else
		__builtin_prefetch(&g->type_wide[node]);
}

/*
 * As if no type came back below itself but at once: what is_top() says then needs one look at the
 * dominator, and is summed up along the way.
 */
static struct err *count_all(struct census *c)
{
	const node_id *idom = c->f->idom;
	struct err *err = NULL;

	for (struct graph_iter it = graph_iter(c->g, 0); it.id < c->g->n && !err; graph_next(&it)) {
		type_id down = type_of(c, it.id), up;
		struct kind *k = &c->kinds[down];

		if (idom && it.id + AHEAD < c->g->n)
			fetch_type(c->g, idom[it.id + AHEAD]);
		k->count++;
		k->bytes += it.size;
		if (!idom)
			continue;
		up = idom[it.id] == NODE_NONE ? 0 : type_of(c, idom[it.id]);
		if (up == down)
			continue;
		if (down)
			k->retained += facts_retained_of(c->f, it.id, it.size);
		if (idom[it.id] != NODE_NONE)
			err = note_pair(c, up, down);
	}
	return err;
}

/* The same of nodes that lie alike at once. */
static struct err *count_cells(struct census *c, const struct alike *a)
{
	struct err *err = NULL;

	for (size_t i = 0; i < a->cells.n && !err; i++) {
		const struct alike_cell *cell = &a->cells.v[i];
		type_id down = part_of(c, cell->type), up = part_of(c, cell->above_type);
		struct kind *k = &c->kinds[down];

		k->count += cell->count;
		k->bytes += cell->bytes;
		if (!cell->count || up == down)
			continue;
		if (down)
			k->retained += cell->retained;
		if (cell->is_held)
			err = note_pair(c, up, down);
	}
	return err;
}

static int by_up(const void *pa, const void *pb)
{
	const struct pair *a = pa, *b = pb;

	if (a->up != b->up)
		return a->up < b->up ? -1 : 1;
	return a->down < b->down ? -1 : a->down > b->down;
}

/* Puts what `up` dominates on the list, once; false when out of memory. */
struct type_list {
	type_id *v;
	size_t n, cap;
};

static bool add_below(struct census *c, type_id up, struct type_list *todo)
{
	size_t lo = partition_point(c->pairs.n, i, c->pairs.v[i].up < up);

	for (; lo < c->pairs.n && c->pairs.v[lo].up == up; lo++) {
		type_id down = c->pairs.v[lo].down;

		if (c->kinds[down].is_seen)
			continue;
		c->kinds[down].is_seen = true;
		if (!vec_push(todo, &down))
			return false;
	}
	return true;
}

/* Whether a type is reached from itself over others. */
static struct err *find_nesting(struct census *c)
{
	struct type_list todo = {};
	struct err *err = NULL;

	qsort(c->pairs.v, c->pairs.n, sizeof(*c->pairs.v), by_up);
	for (type_id t = 1; t < c->g->types->n && !err; t++) {
		if (!c->kinds[t].count)
			continue;
		todo.n = 0;
		if (!add_below(c, t, &todo))
			err = &err_nomem;
		for (size_t i = 0; i < todo.n && !err && !c->kinds[t].is_seen; i++)
			if (!add_below(c, todo.v[i], &todo))
				err = &err_nomem;
		c->kinds[t].nests = c->kinds[t].is_seen;
		for (size_t i = 0; i < todo.n; i++)
			c->kinds[todo.v[i]].is_seen = false;
	}
	free(todo.v);
	return err;
}

/* No dominator of a node whose type may nest is of its type; `*ret_sure`: that is known. */
static bool is_top(struct census *c, node_id node, bool *ret_sure)
{
	const node_id *idom = c->f->idom;
	type_id type = type_of(c, node);
	node_id up = idom[node];

	*ret_sure = true;
	if (up == NODE_NONE)
		return true;
	if (type_of(c, up) == type)
		return false;
	for (unsigned n = 0; n < STEPS_EACH && c->steps < steps_max; n++, c->steps++) {
		up = idom[up];
		if (up == NODE_NONE)
			return true;
		if (type_of(c, up) == type)
			return false;
	}
	*ret_sure = false;
	return true;
}

static bool may_nest(const struct census *c, type_id type)
{
	return type && (c->kinds[type].nests || c->too_many);
}

/* Of the types for which count_all() could not. */
static void sum_nesting(struct census *c)
{
	bool any = false;

	for (type_id t = 1; t < c->g->types->n; t++)
		if (may_nest(c, t)) {
			c->kinds[t].retained = 0;
			any |= c->kinds[t].count != 0;
		}
	if (!any)
		return;
	for (struct graph_iter it = graph_iter(c->g, 0); it.id < c->g->n; graph_next(&it)) {
		type_id type = type_of(c, it.id);
		struct kind *k = &c->kinds[type];
		bool sure;

		if (!may_nest(c, type) || !is_top(c, it.id, &sure))
			continue;
		k->retained += facts_retained_of(c->f, it.id, it.size);
		k->is_unsure |= !sure;
	}
}

/* ---- rows of the report: types of one name are one */

static int by_name(const void *pa, const void *pb)
{
	const struct rp_type *a = pa, *b = pb;
	int order = strcmp(a->name, b->name);

	return order ? order : strcmp(a->language, b->language);
}

static int by_bytes(const void *pa, const void *pb)
{
	const struct rp_type *a = pa, *b = pb;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return by_name(pa, pb);
}

static void join(struct report *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->types.n; i++) {
		struct rp_type *t = &r->types.v[i], *last = n ? &r->types.v[n - 1] : NULL;

		if (!last || by_name(last, t)) {
			r->types.v[n++] = *t;
			continue;
		}
		last->count += t->count;
		last->bytes += t->bytes;
		last->retained += t->retained;
		last->knows_retained &= t->knows_retained;
		if (t->confidence < last->confidence)
			last->confidence = t->confidence;
	}
	r->types.n = n;
}

static struct err *add_rows(const struct census *c, struct report *r)
{
	for (size_t i = 1; i < c->g->types->n; i++) {
		const struct type_row *row = &c->g->types->v[i];
		const struct kind *k = &c->kinds[i];
		const char *language = type_language_name((enum type_language)row->language);
		struct rp_type t = {
			.name = arena_strdup(&r->mem, row->whole ? row->whole : row->name),
			.language = language ? language : "",
			.count = k->count,
			.bytes = k->bytes,
			.retained = k->retained,
			.knows_retained = c->f->idom && !k->is_unsure,
			.confidence = (enum confidence)row->confidence,
		};

		if (!k->count)
			continue;
		if (!t.name || !vec_push(&r->types, &t))
			return &err_nomem;
	}
	if (!r->types.n)
		return NULL;
	qsort(r->types.v, r->types.n, sizeof(*r->types.v), by_name);
	join(r);
	qsort(r->types.v, r->types.n, sizeof(*r->types.v), by_bytes);
	return NULL;
}

struct err *types_count(const struct subject *s, const struct alike *a, struct report *r)
{
	_cleanup_(close_census) struct census c = { .g = s->graph, .f = s->facts };
	struct err *err;

	if (!s->graph->types)
		return NULL;
	c.kinds = calloc(s->graph->types->n, sizeof(*c.kinds));
	c.slots = calloc(2 * PAIRS_MAX, sizeof(*c.slots));
	if (!c.kinds || !c.slots)
		return &err_nomem;
	err = join_parts(&c);
	if (!err)
		err = a ? count_cells(&c, a) : count_all(&c);
	if (!err && c.pairs.n && !c.too_many)
		err = find_nesting(&c);
	if (!err && s->facts->idom)
		sum_nesting(&c);
	return err ? err : add_rows(&c, r);
}

/* Where paths are wanted analysis/samples.c has it counted, with what it finds for them. */
static struct err *types_run(struct env *env, const struct subject *s, struct report *r)
{
	(void)env;
	return s->wants_paths || s->wants_types ? NULL : types_count(s, NULL, r);
}

const struct analysis_ops types_analysis = {
	.name = "types",
	.summary = "how much memory the objects of each type take and keep",
	.needs = FACT_DOM,
	.run = types_run,
};
