/*
 * fact/held.c - what each group of goroutines alone keeps, stuck or not: blocks that no root but
 * those on their stacks reaches; and what those that one function started keep together.
 *
 * fact/owner.c leaves a bit for each node that goroutines' stacks alone can reach; inside of these
 * every node takes the join of the groups that reach it: nobody < one group < groups of one family
 * < several.
 */
#include <string.h>

#include "base/guard.h"
#include "fact/parts.h"

#define SEVERAL UINT32_MAX

struct held {
	const struct graph *g;
	struct subset alone;
	/* of each member: 0, a group's owner + 1, n_owners + a family's + 1, SEVERAL */
	uint32_t *group;
	uint32_t *family; /* by owner: as in the facts */
	struct col group_col, stack;
};

static uint32_t family_of(const struct held *h, uint32_t group)
{
	return group > h->g->n_owners ? group - h->g->n_owners : h->family[group - 1];
}

static uint32_t join(const struct held *h, uint32_t a, uint32_t b)
{
	uint32_t family;

	if (!a || a == b)
		return b;
	if (a == SEVERAL || b == SEVERAL)
		return SEVERAL;
	family = family_of(h, a);
	return family && family == family_of(h, b) ? h->g->n_owners + family : SEVERAL;
}

static void close_held(struct held *h)
{
	subset_close(&h->alone);
	col_close(&h->group_col);
	col_close(&h->stack);
}

static struct err *reach(struct held *h, node_id node, uint32_t group)
{
	uint32_t *now, next;

	if (!bit_get(h->alone.set, node))
		return NULL;
	now = &h->group[subset_no(&h->alone, node)];
	next = join(h, *now, group);
	if (*now == next)
		return NULL;
	*now = next;
	return col_append(&h->stack, &node, 1);
}

static struct err *spread_all(struct held *h)
{
	while (h->stack.n) {
		node_id node = ((const node_id *)h->stack.base)[--h->stack.n];
		uint32_t group = h->group[subset_no(&h->alone, node)];

		for (edge_id e = graph_row(h->g, node); e < graph_row(h->g, node + 1); e++) {
			struct err *err = reach(h, EDGE_NODE(h->g->dst[e]), group);

			if (err)
				return err;
		}
	}
	return NULL;
}

static struct err *from_roots(struct held *h)
{
	const struct graph *g = h->g;
	struct err *err = NULL;

	for (uint32_t i = 0; i < g->n_roots && !err; i++) {
		const struct root_source *source = &g->sources[g->root_source[i]];

		/* A goroutine that no group has is one that nobody else is like. */
		if (source->kind == ROOT_GOROUTINE)
			err = reach(h, EDGE_NODE(g->root_node[i]),
				    source->owner ? source->owner : SEVERAL);
		if (!err)
			err = spread_all(h);
	}
	return err;
}

/* Of one starter, the lowest of the owners; those of whom some are stuck are told apart. */
struct started {
	const char *starter;
	uint32_t owner;
};

static int by_starter(const void *pa, const void *pb)
{
	const struct started *a = pa, *b = pb;
	int diff = strcmp(a->starter, b->starter);

	return diff ? diff : (a->owner > b->owner) - (a->owner < b->owner);
}

static void drop_stuck(const struct graph *g, const struct facts *f, struct started *of)
{
	for (uint32_t i = 0; i < g->n_sources; i++) {
		const struct root_source *source = &g->sources[i];

		if (source->kind == ROOT_GOROUTINE && source->owner && is_stuck(f, source->thread))
			of[source->owner - 1].starter = NULL;
	}
}

static struct err *find_families(struct env *env, struct held *h, struct facts *f)
{
	const struct graph *g = h->g;
	_free_ struct started *v = calloc((size_t)g->n_owners + 1, sizeof(*v));
	struct err *err = col_fixed(env, 4, (uint64_t)g->n_owners + 1, "goroutines",
				    &f->cols[COL_FAMILY]);
	uint32_t n = 0;

	if (err || !v)
		return err ? err : &err_nomem;
	h->family = f->cols[COL_FAMILY].base;
	for (uint32_t i = 0; i < g->n_owners; i++)
		v[i] = (struct started){ g->owners[i].starter, i };
	drop_stuck(g, f, v);
	for (uint32_t i = 0; i < g->n_owners; i++)
		if (v[i].starter)
			v[n++] = v[i];
	if (n)
		qsort(v, n, sizeof(*v), by_starter);
	for (uint32_t i = 0, first = 0; i < n; i++) {
		if (strcmp(v[first].starter, v[i].starter) != 0)
			first = i;
		h->family[v[i].owner] = v[first].owner + 1;
	}
	return NULL;
}

static void add(struct total *t, uint64_t size)
{
	t->count++;
	t->bytes += size;
}

static struct err *sum_up(struct env *env, const struct held *h, struct facts *f)
{
	uint32_t n_owners = h->g->n_owners;
	struct err *err = col_fixed(env, sizeof(struct total), n_owners, "goroutines",
				    &f->cols[COL_GROUP_TOTAL]);
	struct total *totals, *families;

	if (!err)
		err = col_fixed(env, sizeof(struct total), n_owners, "goroutines",
				&f->cols[COL_FAMILY_TOTAL]);
	if (err)
		return err;
	totals = f->cols[COL_GROUP_TOTAL].base;
	families = f->cols[COL_FAMILY_TOTAL].base;
	f->groups_shared = (struct total){};
	for (struct graph_iter it = graph_iter(h->g, 0); it.id < h->g->n; graph_next(&it)) {
		uint32_t group;

		if (!bit_get(h->alone.set, it.id))
			continue;
		group = h->group[subset_no(&h->alone, it.id)];
		if (!group)
			continue;
		add(group > n_owners ? &f->groups_shared : &totals[group - 1], it.size);
		if (group != SEVERAL && family_of(h, group))
			add(&families[family_of(h, group) - 1], it.size);
	}
	f->group_total = totals;
	f->family_total = families;
	f->family = h->family;
	return NULL;
}

struct err *held_compute(struct env *env, const struct graph *g, const struct subset *inner,
			 struct facts *f)
{
	struct held h = { .g = g };
	struct err *err;

	(void)inner;
	if (!f->alone)
		return NULL;
	err = subset_open(env, g->n, &h.alone);
	if (err)
		return err;
	memcpy(h.alone.set, f->alone, 8 * bits_words(g->n));
	subset_rank(&h.alone);
	err = col_fixed(env, 4, h.alone.n, "goroutines", &h.group_col);
	if (!err)
		err = col_open(env, 4, 3 * (uint64_t)h.alone.n, "nodes to visit", &h.stack);
	h.group = h.group_col.base;
	if (!err)
		err = find_families(env, &h, f);
	if (!err)
		err = from_roots(&h);
	if (!err)
		err = sum_up(env, &h, f);
	close_held(&h);
	return err;
}
