/*
 * fact/stuck_rings.c - rings of blocks that stuck goroutines alone keep.
 *
 * Strongly connected components (fact/lost_parts.c) of what is theirs; the runtime's own records of
 * who waits for what are no part of it.
 */
#include <stdlib.h>

#include "fact/parts.h"

enum { RINGS_MAX = 1 << 20 };

struct sum {
	uint64_t nodes, bytes;
	node_id first;
};

static bool is_kept(const struct graph *g, uint32_t owner)
{
	return owner != OWNER_OTHERS && owner <= OWNERS_TOLD &&
	       g->owners[owner - 1].kind == OWNER_STUCK;
}

static uint32_t find_set(const struct graph *g, const struct facts *f, uint64_t *set)
{
	uint32_t n = 0;

	for (node_id i = 0; i < g->n; i++) {
		if (is_kept(g, f->owner[i])) {
			bit_set(set, i);
			n++;
		}
	}
	for (uint32_t i = 0; i < g->n_waits; i++)
		if (g->waits[i].kind == WAIT_HIDDEN)
			bit_clear(set, g->waits[i].node);
	return n;
}

static void add_nodes(const struct graph *g, const struct lost_parts *p, struct sum *sums)
{
	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it)) {
		struct sum *s;

		if (!bit_get(p->lost.set, it.id))
			continue;
		s = &sums[p->part[subset_no(&p->lost, it.id)]];
		if (!s->nodes++)
			s->first = it.id;
		s->bytes += it.size;
	}
}

static int by_owner(const void *pa, const void *pb)
{
	const struct stuck_ring *a = pa, *b = pb;

	if (a->owner != b->owner)
		return a->owner < b->owner ? -1 : 1;
	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return a->node < b->node ? -1 : a->node > b->node;
}

static struct err *list_rings(const struct facts *f, const struct sum *sums, uint32_t n,
			      struct col *ret)
{
	struct err *err = NULL;

	for (uint32_t i = 0; i < n && ret->n < RINGS_MAX && !err; i++) {
		struct stuck_ring ring = { sums[i].first, 0, sums[i].nodes, sums[i].bytes };

		if (ring.nodes < 2)
			continue;
		ring.owner = f->owner[ring.node] - 1u;
		err = col_append(ret, &ring, 1);
	}
	if (!err && ret->n)
		qsort(ret->base, ret->n, sizeof(struct stuck_ring), by_owner);
	return err;
}

static struct err *find_rings(struct env *env, const struct graph *g, const struct facts *f,
			      const uint64_t *set, struct col *ret)
{
	struct lost_parts p;
	struct col sums = {};
	struct err *err = parts_of_set(env, g, set, &p);

	if (err)
		return err;
	err = col_fixed(env, sizeof(struct sum), p.n_parts, "components", &sums);
	if (!err) {
		add_nodes(g, &p, sums.base);
		err = list_rings(f, sums.base, p.n_parts, ret);
	}
	col_close(&sums);
	lost_parts_close(&p);
	return err;
}

struct err *stuck_rings_compute(struct env *env, const struct graph *g, const struct subset *inner,
				struct facts *f)
{
	struct col *rings = &f->cols[COL_STUCK_RINGS], set = {};
	uint32_t n = 0;
	struct err *err;

	(void)inner;
	if (!f->knot || !f->owner)
		return NULL;
	err = col_fixed(env, 8, bits_words(g->n) + 1, "rings", &set);
	if (!err)
		n = find_set(g, f, set.base);
	if (!err)
		err = col_open(env, sizeof(struct stuck_ring), n < RINGS_MAX ? n : RINGS_MAX,
			       "rings", rings);
	if (!err)
		err = find_rings(env, g, f, set.base, rings);
	col_close(&set);
	if (err)
		return err;
	f->stuck_rings = rings->base;
	f->n_stuck_rings = rings->n;
	return NULL;
}
