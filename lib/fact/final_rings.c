/*
 * fact/final_rings.c - rings that a finalizer keeps: a collector marks what an object with one
 * refers to, but not the object; one that refers to itself is marked all the same, for ever.
 *
 * Strongly connected components (fact/lost_parts.c) of what finalizers alone reach.
 */
#include "fact/parts.h"

static bool is_finalizers(const struct graph *g, uint32_t owner)
{
	return owner == OWNER_SHARED(OWNER_FINALIZER) ||
	       (owner != OWNER_OTHERS && owner <= OWNERS_TOLD &&
		g->owners[owner - 1].kind == OWNER_FINALIZER);
}

/* Members and bytes of each component, and whether something in it points back at itself. */
struct sum {
	uint64_t nodes, bytes;
	bool is_ring, done;
};

static void add_nodes(const struct graph *g, const struct lost_parts *p, struct sum *sums)
{
	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it)) {
		struct sum *s;

		if (!bit_get(p->lost.set, it.id))
			continue;
		s = &sums[p->part[subset_no(&p->lost, it.id)]];
		s->nodes++;
		s->bytes += it.size;
		s->is_ring |= s->nodes > 1;
	}
}

/* A node that points at itself has no edge for it, but its finalizer has a root there. */
static void add_self_rings(const struct graph *g, const struct lost_parts *p, struct sum *sums)
{
	for (uint32_t i = 0; i < g->n_roots; i++) {
		const struct root_source *source = &g->sources[g->root_source[i]];
		node_id node = EDGE_NODE(g->root_node[i]);

		if (source->kind == ROOT_FINALIZER && bit_get(p->lost.set, node) &&
		    graph_node_at(g, source->start) == node && source->end > source->start)
			sums[p->part[subset_no(&p->lost, node)]].is_ring = true;
	}
}

static struct err *list_rings(const struct graph *g, const struct lost_parts *p, struct sum *sums,
			      struct col *ret)
{
	struct err *err = NULL;

	for (uint64_t i = 0; i < g->n_finalizable && !err; i++) {
		node_id node = g->finalizable[i];
		struct sum *s;
		struct final_ring ring;

		if (!bit_get(p->lost.set, node))
			continue;
		s = &sums[p->part[subset_no(&p->lost, node)]];
		if (!s->is_ring || s->done)
			continue;
		s->done = true;
		ring = (struct final_ring){ node, s->nodes, s->bytes };
		err = col_append(ret, &ring, 1);
	}
	return err;
}

static struct err *find_rings(struct env *env, const struct graph *g, const uint64_t *set,
			      struct col *ret)
{
	struct lost_parts p;
	struct col sums = {};
	struct err *err = parts_of_set(env, g, set, &p);

	if (err)
		return err;
	err = col_fixed(env, sizeof(struct sum), p.n_parts, "components", &sums);
	if (!err) {
		add_nodes(g, &p, sums.base);
		add_self_rings(g, &p, sums.base);
		err = list_rings(g, &p, sums.base, ret);
	}
	col_close(&sums);
	lost_parts_close(&p);
	return err;
}

struct err *final_rings_compute(struct env *env, const struct graph *g, struct facts *f)
{
	struct col *rings = &f->cols[COL_FINAL_RINGS], set = {};
	struct err *err;

	if (!g->n_finalizable || !f->owner)
		return NULL;
	err = col_open(env, sizeof(struct final_ring), g->n_finalizable, "rings", rings);
	if (!err)
		err = col_fixed(env, 8, bits_words(g->n) + 1, "rings", &set);
	if (!err) {
		uint64_t *bits = set.base;

		for (node_id i = 0; i < g->n; i++)
			if (is_finalizers(g, f->owner[i]))
				bit_set(bits, i);
		err = find_rings(env, g, bits, rings);
	}
	col_close(&set);
	if (err)
		return err;
	f->final_rings = rings->base;
	f->n_final_rings = rings->n;
	return NULL;
}
