/*
 * fact/ref_rings.c - rings of counted references, those that keep themselves and those that others
 * hold.
 *
 * What CPython's collector does (Modules/gcmodule.c, 3.11: update_refs, subtract_refs,
 * move_unreachable), over blocks: what has more references than were found in blocks is held from
 * outside, and so is what has no count and a root; all that these keep is held.  The strongly
 * connected components of what remains are the rings.  Among the held, components are shown where
 * nothing enters them but by references.
 */
#include <stdlib.h>

#include "base/guard.h"
#include "fact/parts.h"

enum { STEPS_OF = 256 /* rings, of which the steps are told */ };
#define GROUP_NONE 0u
#define GROUP_SEVERAL UINT32_MAX

/* One component of the blocks behind those with a count. */
struct part {
	node_id node;
	uint32_t group; /* + 1, of a ring that is not held */
	uint64_t nodes, counted, bytes, first;
	bool is_ring, held, reached, is_shown;
	bool unsure, vague; /* some references to it are not sure; and may be weak */
};

struct rings {
	struct env *env;
	const struct graph *g;
	struct ref_edges refs;
	struct subset behind; /* what can be reached from what has a count */
	struct col held_col, stack, part_col, member_col, label_col;
	uint64_t *held;	      /* one bit a node; NULL before it is known */
	struct graph *sub;    /* `behind`, by its numbers */
	struct lost_parts of; /* of `sub` */
	struct part *parts;
	node_id *members; /* by part, then ascending */
};

static void drop_parts(struct rings *r)
{
	lost_parts_close(&r->of);
	graph_free(r->sub);
	r->sub = NULL;
	col_close(&r->part_col);
	col_close(&r->member_col);
}

static void rings_fini(struct rings *r)
{
	drop_parts(r);
	ref_edges_close(&r->refs);
	subset_close(&r->behind);
	col_close(&r->held_col);
	col_close(&r->stack);
	col_close(&r->label_col);
}

static bool is_counted(const struct rings *r, node_id node)
{
	return bit_get(r->refs.counted.set, node);
}

static struct err *mark(struct rings *r, uint64_t *set, node_id node)
{
	if (bit_get(set, node))
		return NULL;
	bit_set(set, node);
	return col_append(&r->stack, &node, 1);
}

/* Of all that is marked. */
static struct err *mark_behind(struct rings *r, uint64_t *set)
{
	struct err *err = NULL;

	while (r->stack.n && !err) {
		node_id node = ((node_id *)r->stack.base)[--r->stack.n];
		struct ref_iter it = ref_iter(&r->refs, node);
		struct ref_edge e;

		while (!err && ref_next(&it, &e))
			err = mark(r, set, e.to);
	}
	return err;
}

static struct err *find_behind(struct rings *r)
{
	struct err *err = subset_open(r->env, r->g->n, &r->behind);

	for (uint32_t i = 0; i < r->g->n_counteds && !err; i++)
		err = mark(r, r->behind.set, r->g->counteds[i].node);
	if (!err)
		err = mark_behind(r, r->behind.set);
	if (!err)
		subset_rank(&r->behind);
	return err;
}

/* ---- what someone outside holds */

/* Nothing in a block keeps it: whoever had it lost it. */
static struct err *mark_heads(struct rings *r)
{
	_cleanup_(col_close) struct col pointed = {};
	const struct graph *g = r->g;
	struct err *err = col_fixed(r->env, 8, bits_words(g->n) + 1, "references", &pointed);
	uint64_t *set = pointed.base;

	for (node_id i = 0; i < g->n && !err; i++) {
		struct ref_iter it;
		struct ref_edge e;

		if (!graph_is_live(g, i))
			continue;
		it = ref_iter(&r->refs, i);
		while (ref_next(&it, &e))
			bit_set(set, e.to);
	}
	for (node_id i = 0; i < g->n && !err; i++)
		if (graph_is_live(g, i) && !bit_get(set, i) && !is_counted(r, i))
			err = mark(r, r->held, i);
	return err;
}

static struct err *find_held(struct rings *r)
{
	const struct graph *g = r->g;
	struct err *err = col_fixed(r->env, 8, bits_words(g->n) + 1, "references", &r->held_col);

	r->held = r->held_col.base;
	for (uint32_t i = 0; i < g->n_counteds && !err; i++)
		if (!ref_is_explained(&r->refs, i))
			err = mark(r, r->held, g->counteds[i].node);
	for (uint32_t i = 0; i < g->n_roots && !err; i++) {
		node_id node = EDGE_NODE(g->root_node[i]);

		if (!is_counted(r, node) && !bit_get(r->refs.managed.set, node))
			err = mark(r, r->held, node);
	}
	if (!err)
		err = mark_heads(r);
	return err ? err : mark_behind(r, r->held);
}

/* ---- components */

/*
 * What may be a weak reference makes no ring of what is held; where nothing is held, some reference
 * must be strong.
 */
static bool counts(const struct rings *r, node_id from, const struct ref_edge *e)
{
	return !r->held || !bit_get(r->held, from) || e->reference == UINT64_MAX ||
	       !ref_may_be_weak(&r->refs, &r->g->references[e->reference]);
}

static struct err *add_edges(struct rings *r, struct graph_builder *b, node_id node, uint32_t no)
{
	struct ref_iter it = ref_iter(&r->refs, node);
	struct ref_edge e;
	struct err *err = NULL;

	while (!err && ref_next(&it, &e))
		if (counts(r, node, &e))
			err = graph_add_edge(b, no, subset_no(&r->behind, e.to));
	return err;
}

static struct err *build(struct rings *r)
{
	struct graph_builder *b = NULL;
	struct err *err = graph_builder_new(r->env, &b);
	uint32_t no = 0;

	for (uint32_t i = 0; i < r->behind.n && !err; i++)
		err = graph_add_node(b, i, 1);
	for (uint64_t w = 0; w < bits_words(r->g->n) && !err; w++)
		for (uint64_t bits = r->behind.set[w]; bits && !err; bits &= bits - 1)
			err = add_edges(r, b, (node_id)(w << 6 | (uint64_t)__builtin_ctzll(bits)),
					no++);
	if (!err)
		err = graph_build_finish(b, &r->sub);
	graph_builder_free(b);
	return err;
}

static struct part *part_of(const struct rings *r, node_id node)
{
	return &r->parts[r->of.part[subset_no(&r->behind, node)]];
}

static void count_nodes(struct rings *r)
{
	uint64_t near = 0, first = 0;

	for (node_id i = 0; i < r->g->n; i++) {
		struct part *p;

		if (!bit_get(r->behind.set, i))
			continue;
		p = part_of(r, i);
		if (is_counted(r, i) && !p->counted++)
			p->node = i;
		p->nodes++;
		p->bytes += graph_size_near(r->g, i, &near);
		p->held = p->reached = r->held && bit_get(r->held, i);
		p->is_ring = p->nodes > 1 && p->counted;
	}
	for (uint32_t i = 0; i < r->of.n_parts; i++) {
		r->parts[i].first = first;
		first += r->parts[i].nodes;
		r->parts[i].nodes = 0;
	}
	for (node_id i = 0; i < r->g->n; i++)
		if (bit_get(r->behind.set, i)) {
			struct part *p = part_of(r, i);

			r->members[p->first + p->nodes++] = i;
		}
}

/* One with a reference to itself. */
static void find_self_rings(struct rings *r)
{
	for (uint64_t i = 0; i < r->g->n_references; i++) {
		const struct reference *ref = &r->g->references[i];
		struct ref_edge e = { r->g->counteds[ref->to].node, i };

		if (ref->from == e.to && counts(r, ref->from, &e))
			part_of(r, e.to)->is_ring = true;
	}
}

static struct err *find_parts(struct rings *r)
{
	struct col all = {};
	struct err *err = build(r);

	if (!err)
		err = col_fixed(r->env, 8, bits_words(r->behind.n) + 1, "rings", &all);
	if (!err) {
		bits_set_range(all.base, 0, r->behind.n);
		err = parts_of_set(r->env, r->sub, all.base, &r->of);
	}
	col_close(&all);
	if (!err)
		err = col_fixed(r->env, sizeof(struct part), (uint64_t)r->of.n_parts + 1, "rings",
				&r->part_col);
	if (!err)
		err = col_fixed(r->env, sizeof(node_id), (uint64_t)r->behind.n + 1, "rings",
				&r->member_col);
	if (err)
		return err;
	r->parts = r->part_col.base;
	r->members = r->member_col.base;
	count_nodes(r);
	find_self_rings(r);
	return NULL;
}

static bool has_ring(const struct rings *r)
{
	for (uint32_t i = 0; i < r->of.n_parts; i++)
		if (r->parts[i].is_ring)
			return true;
	return false;
}

/* ---- which of them keep themselves */

/* `from` is outside of the part, or keeps nothing that is in none. */
static bool is_outside(const struct rings *r, node_id from, const struct part *p)
{
	return !bit_get(r->behind.set, from) || part_of(r, from) != p;
}

/*
 * References from elsewhere hold a ring; a pointer from elsewhere to what has no count makes it
 * none.
 */
static void judge_entries(struct rings *r)
{
	const struct graph *g = r->g;

	for (uint32_t i = 0; i < r->of.n_parts; i++)
		r->parts[i].is_shown = r->parts[i].is_ring;
	for (uint64_t i = 0; i < g->n_references; i++) {
		const struct reference *ref = &g->references[i];
		struct part *p = part_of(r, g->counteds[ref->to].node);

		if (is_outside(r, ref->from, p) &&
		    (ref->sure || r->refs.strong[ref->to] < g->counteds[ref->to].strong))
			p->held = true;
		p->unsure |= !ref->sure;
		p->vague |= ref_may_be_weak(&r->refs, ref);
	}
	for (uint32_t i = 0; i < g->n_roots; i++) {
		node_id node = EDGE_NODE(g->root_node[i]);

		if (bit_get(r->behind.set, node) && !is_counted(r, node) &&
		    !bit_get(r->refs.managed.set, node))
			part_of(r, node)->is_shown = false;
	}
	for (node_id i = 0; i < g->n; i++) {
		struct ref_iter it;
		struct ref_edge e;

		if (!graph_is_live(g, i))
			continue;
		it = ref_iter(&r->refs, i);
		it.next = it.end;
		while (ref_next(&it, &e))
			if (bit_get(r->behind.set, e.to) && is_outside(r, i, part_of(r, e.to)))
				part_of(r, e.to)->is_shown = false;
	}
}

/*
 * A ring that nobody holds is told of whatever points into it; one that another such ring holds may
 * be none, as long as weak references were followed (counts()).
 */
static bool is_told(const struct part *p)
{
	return p->is_ring && (!p->held || (p->is_shown && (p->reached || !p->vague)));
}

static struct err *list(struct rings *r, struct col *rings)
{
	struct err *err = NULL;

	for (uint32_t i = 0; i < r->of.n_parts && !err; i++) {
		struct part *p = &r->parts[i];
		struct ref_ring ring = {
			.node = p->node,
			.nodes = p->nodes,
			.counted = p->counted,
			.bytes = p->bytes,
			.first_member = p->first,
			.held = p->held,
			.unsure = p->unsure,
		};

		if (is_told(p))
			err = col_append(rings, &ring, 1);
	}
	return err;
}

static int by_bytes(const void *pa, const void *pb)
{
	const struct ref_ring *a = pa, *b = pb;

	if (a->held != b->held)
		return a->held ? 1 : -1;
	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return a->node < b->node ? -1 : a->node > b->node;
}

/* ---- what they alone keep */

static struct err *label(struct rings *r, node_id node, uint32_t group)
{
	uint32_t *of = &((uint32_t *)r->label_col.base)[subset_no(&r->behind, node)];

	if (*of == group || *of == GROUP_SEVERAL)
		return NULL;
	*of = *of == GROUP_NONE ? group : GROUP_SEVERAL;
	return col_append(&r->stack, &node, 1);
}

static struct err *label_behind(struct rings *r)
{
	const uint32_t *labels = r->label_col.base;
	struct err *err = NULL;

	while (r->stack.n && !err) {
		node_id node = ((node_id *)r->stack.base)[--r->stack.n];
		struct ref_iter it = ref_iter(&r->refs, node);
		struct ref_edge e;

		while (!err && ref_next(&it, &e))
			if (!bit_get(r->held, e.to) && !part_of(r, e.to)->group)
				err = label(r, e.to, labels[subset_no(&r->behind, node)]);
	}
	return err;
}

static struct err *find_kept(struct rings *r, struct ref_ring *rings, uint64_t n)
{
	struct err *err = col_fixed(r->env, 4, (uint64_t)r->behind.n + 1, "rings", &r->label_col);
	uint32_t *labels = r->label_col.base;
	uint64_t near = 0;

	for (uint64_t i = 0; i < n; i++)
		if (!rings[i].held)
			part_of(r, rings[i].node)->group = (uint32_t)i + 1;
	for (uint64_t i = 0; i < n && !err; i++)
		for (uint64_t k = 0; k < rings[i].nodes && !rings[i].held && !err; k++) {
			node_id node = r->members[rings[i].first_member + k];

			labels[subset_no(&r->behind, node)] = (uint32_t)i + 1;
			err = col_append(&r->stack, &node, 1);
			if (!err)
				err = label_behind(r);
		}
	for (node_id i = 0; i < r->g->n && !err; i++) {
		uint32_t group =
			bit_get(r->behind.set, i) ? labels[subset_no(&r->behind, i)] : GROUP_NONE;

		if (group == GROUP_NONE || group == GROUP_SEVERAL || part_of(r, i)->group)
			continue;
		rings[group - 1].held_count++;
		rings[group - 1].held_bytes += graph_size_near(r->g, i, &near);
	}
	return err;
}

/* ---- all together */

static struct err *give(struct rings *r, struct facts *f)
{
	struct col *rings = &f->cols[COL_REF_RINGS], *members = &f->cols[COL_REF_MEMBERS];
	struct col *steps = &f->cols[COL_REF_STEPS];
	struct ref_ring *v = rings->base;
	struct err *err = NULL;

	for (uint64_t i = 0; i < rings->n && !err; i++) {
		const node_id *of = &r->members[v[i].first_member];

		v[i].first_member = members->n;
		err = col_append(members, of, v[i].nodes);
		if (!err && i < STEPS_OF)
			err = ref_steps_find(r->env, &r->refs, of, &v[i], steps);
		for (uint64_t k = 0; k < v[i].nodes && !v[i].held && !err; k++)
			bit_set(f->cols[COL_IN_REF_RING].base, of[k]);
	}
	return err;
}

static struct err *run(struct rings *r, struct facts *f)
{
	struct col *rings = &f->cols[COL_REF_RINGS];
	struct err *err = find_behind(r);

	if (!err)
		err = find_parts(r);
	if (err || !has_ring(r))
		return err;
	drop_parts(r);
	err = find_held(r);
	if (!err)
		err = find_parts(r);
	if (err)
		return err;
	judge_entries(r);
	err = list(r, rings);
	if (err)
		return err;
	if (rings->n)
		qsort(rings->base, rings->n, sizeof(struct ref_ring), by_bytes);
	err = find_kept(r, rings->base, rings->n);
	return err ? err : give(r, f);
}

struct err *ref_rings_compute(struct env *env, const struct graph *g, const struct subset *inner,
			      struct facts *f)
{
	_cleanup_(rings_fini) struct rings r = { .env = env, .g = g };
	struct err *err;

	(void)inner;
	if (!g->n_references)
		return NULL;
	err = ref_edges_open(env, g, &r.refs);
	if (!err)
		err = col_open(env, sizeof(node_id), 3 * (uint64_t)g->n, "rings", &r.stack);
	if (!err)
		err = col_open(env, sizeof(struct ref_ring), g->n_counteds, "rings",
			       &f->cols[COL_REF_RINGS]);
	if (!err)
		err = col_open(env, sizeof(node_id), g->n, "rings", &f->cols[COL_REF_MEMBERS]);
	if (!err)
		err = col_open(env, sizeof(struct ref_step), g->n, "rings",
			       &f->cols[COL_REF_STEPS]);
	if (!err)
		err = col_fixed(env, 8, bits_words(g->n) + 1, "rings", &f->cols[COL_IN_REF_RING]);
	if (!err)
		err = run(&r, f);
	if (err)
		return err;
	f->ref_rings = f->cols[COL_REF_RINGS].base;
	f->n_ref_rings = f->cols[COL_REF_RINGS].n;
	f->ref_members = f->cols[COL_REF_MEMBERS].base;
	f->ref_steps = f->cols[COL_REF_STEPS].base;
	f->in_ref_ring = f->cols[COL_IN_REF_RING].base;
	return NULL;
}
