/*
 * fact/final_rings.c - rings that a finalizer keeps: a collector marks what an object with one
 * refers to, and the function that is to be called, but not the object; one that either leads back
 * to is marked all the same, for ever.
 *
 * Strongly connected components (fact/lost_parts.c) of what finalizers alone reach, with an edge
 * from each object to what its finalizer or cleanup calls.
 */
#include <stdlib.h>

#include "base/guard.h"
#include "base/vec.h"
#include "fact/parts.h"

/* From an object to its finalizer's function, by numbers in the subset. */
struct call {
	uint32_t object, function;
};

struct inside {
	const struct graph *g;
	struct subset set; /* what finalizers alone reach */
	struct {
		struct call *v;
		size_t n, cap;
	} calls; /* by object */
	struct graph *sub; /* its nodes, with the calls as edges */
	struct lost_parts parts; /* of `sub` */
	struct col sums;
};

/* Members and bytes of each component, and whether something in it points back at itself. */
struct sum {
	uint64_t nodes, bytes;
	bool is_ring, by_function, done;
};

static void inside_fini(struct inside *in)
{
	subset_close(&in->set);
	free(in->calls.v);
	lost_parts_close(&in->parts);
	graph_free(in->sub);
	col_close(&in->sums);
}

static bool is_finalizers(const struct graph *g, uint32_t owner)
{
	return owner == OWNER_SHARED(OWNER_FINALIZER) ||
	       (owner != OWNER_OTHERS && owner <= OWNERS_TOLD &&
		g->owners[owner - 1].kind == OWNER_FINALIZER);
}

static int by_object(const void *pa, const void *pb)
{
	const struct call *a = pa, *b = pb;

	if (a->object != b->object)
		return a->object < b->object ? -1 : 1;
	return a->function < b->function ? -1 : a->function > b->function;
}

/* Slots outside the object that a special is of. */
static struct err *find_calls(struct inside *in)
{
	const struct graph *g = in->g;

	for (uint32_t i = 0; i < g->n_roots; i++) {
		const struct root_source *source = &g->sources[g->root_source[i]];
		node_id node = EDGE_NODE(g->root_node[i]), object;
		uint64_t at = g->root_at[i];
		struct call call;

		if (source->kind != ROOT_FINALIZER || source->end <= source->start ||
		    at - source->start < source->end - source->start ||
		    !bit_get(in->set.set, node))
			continue;
		object = graph_node_at(g, source->start);
		if (object == NODE_NONE || !bit_get(in->set.set, object))
			continue;
		call = (struct call){ subset_no(&in->set, object), subset_no(&in->set, node) };
		if (!vec_push(&in->calls, &call))
			return &err_nomem;
	}
	if (in->calls.n)
		qsort(in->calls.v, in->calls.n, sizeof(*in->calls.v), by_object);
	return NULL;
}

static struct err *add_edges(const struct inside *in, struct graph_builder *b, node_id node,
			     size_t *call)
{
	const struct graph *g = in->g;
	uint32_t no = subset_no(&in->set, node);
	struct err *err = NULL;

	for (edge_id e = graph_row(g, node); e < graph_row(g, node + 1) && !err; e++) {
		node_id to = EDGE_NODE(g->dst[e]);

		if (bit_get(in->set.set, to))
			err = graph_add_edge(b, no, subset_no(&in->set, to));
	}
	for (; *call < in->calls.n && in->calls.v[*call].object == no && !err; ++*call)
		err = graph_add_edge(b, no, in->calls.v[*call].function);
	return err;
}

static struct err *build(const struct inside *in, struct graph_builder *b)
{
	struct err *err = NULL;
	size_t call = 0;

	for (uint32_t i = 0; i < in->set.n && !err; i++)
		err = graph_add_node(b, i, 1);
	for (uint64_t w = 0; w < bits_words(in->g->n) && !err; w++)
		for (uint64_t bits = in->set.set[w]; bits && !err; bits &= bits - 1)
			err = add_edges(in, b,
					(node_id)(w << 6 | (uint64_t)__builtin_ctzll(bits)), &call);
	return err;
}

static struct err *find_parts(struct env *env, struct inside *in)
{
	struct graph_builder *b = NULL;
	struct col all = {};
	struct err *err = graph_builder_new(env, &b);

	if (!err)
		err = build(in, b);
	if (!err)
		err = graph_build_finish(b, &in->sub);
	graph_builder_free(b);
	if (!err)
		err = col_fixed(env, 8, bits_words(in->set.n) + 1, "rings", &all);
	if (!err) {
		bits_set_range(all.base, 0, in->set.n);
		err = parts_of_set(env, in->sub, all.base, &in->parts);
	}
	col_close(&all);
	return err;
}

static struct sum *sum_of(const struct inside *in, node_id node)
{
	return &((struct sum *)in->sums.base)[in->parts.part[subset_no(&in->set, node)]];
}

static void add_nodes(const struct inside *in)
{
	const struct graph *g = in->g;
	struct sum *sums = in->sums.base;

	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it)) {
		struct sum *s;

		if (!bit_get(in->set.set, it.id))
			continue;
		s = sum_of(in, it.id);
		s->nodes++;
		s->bytes += it.size;
		s->is_ring |= s->nodes > 1;
	}
	for (size_t i = 0; i < in->calls.n; i++) {
		const struct call *c = &in->calls.v[i];

		if (in->parts.part[c->object] == in->parts.part[c->function])
			sums[in->parts.part[c->object]].by_function = true;
	}
}

/* A node that points at itself has no edge for it, but its finalizer has a root there. */
static void add_self_rings(const struct inside *in)
{
	const struct graph *g = in->g;

	for (uint32_t i = 0; i < g->n_roots; i++) {
		const struct root_source *source = &g->sources[g->root_source[i]];
		node_id node = EDGE_NODE(g->root_node[i]);

		if (source->kind == ROOT_FINALIZER && bit_get(in->set.set, node) &&
		    graph_node_at(g, source->start) == node && source->end > source->start)
			sum_of(in, node)->is_ring = true;
	}
}

static struct err *list_rings(const struct inside *in, struct col *ret, uint64_t *members)
{
	const struct graph *g = in->g;
	struct err *err = NULL;

	for (uint64_t i = 0; i < g->n_finalizable && !err; i++) {
		node_id node = g->finalizable[i];
		struct sum *s;
		struct final_ring ring;

		if (!bit_get(in->set.set, node))
			continue;
		s = sum_of(in, node);
		if (!s->is_ring || s->done)
			continue;
		s->done = true;
		ring = (struct final_ring){ node, s->nodes, s->bytes, s->by_function };
		err = col_append(ret, &ring, 1);
	}
	for (node_id i = 0; i < g->n; i++)
		if (bit_get(in->set.set, i) && sum_of(in, i)->done)
			bit_set(members, i);
	return err;
}

static struct err *find_rings(struct env *env, const struct facts *f, struct inside *in,
			      struct col *rings, struct col *members)
{
	struct err *err = subset_open(env, in->g->n, &in->set);

	if (err)
		return err;
	for (node_id i = 0; i < in->g->n; i++)
		if (is_finalizers(in->g, f->owner[i]))
			bit_set(in->set.set, i);
	subset_rank(&in->set);
	err = find_calls(in);
	if (!err && in->set.n)
		err = find_parts(env, in);
	if (err || !in->set.n)
		return err;
	err = col_fixed(env, sizeof(struct sum), in->parts.n_parts, "components", &in->sums);
	if (err)
		return err;
	add_nodes(in);
	add_self_rings(in);
	return list_rings(in, rings, members->base);
}

struct err *final_rings_compute(struct env *env, const struct graph *g, const struct subset *inner,
				struct facts *f)
{
	_cleanup_(inside_fini) struct inside in = { .g = g };
	struct col *rings = &f->cols[COL_FINAL_RINGS], *members = &f->cols[COL_IN_FINAL_RING];
	struct err *err;

	(void)inner;
	if (!g->n_finalizable || !f->owner)
		return NULL;
	err = col_open(env, sizeof(struct final_ring), g->n_finalizable, "rings", rings);
	if (!err)
		err = col_fixed(env, 8, bits_words(g->n) + 1, "rings", members);
	if (!err)
		err = find_rings(env, f, &in, rings, members);
	if (err)
		return err;
	f->final_rings = rings->base;
	f->n_final_rings = rings->n;
	f->in_final_ring = members->base;
	return NULL;
}
