/*
 * analysis/ref_rings.c - rings of objects that keep each other by counted references: each by its
 * shortest ring, and the one reference to make weak.
 *
 * Which rings there are, and which of them somebody else holds, are facts (fact/ref_rings.c).  Of a
 * lost ring these bytes are a part of what is lost.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/chain.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"

enum { RINGS_SHOWN = 20, HELD_SHOWN = 5, /* where no more suspects are wanted */
       MEMBERS_MAX = 64, TYPES_SHOWN = 3, STEPS_IN_WORDS = 6 };

/* Fields that point back to what holds the object: those are meant to be weak. */
static const char *const back_names[] = {
	"parent",   "owner",	"back",	     "prev",  "delegate",
	"observer", "listener", "container", "outer", "up",
};

/* "std::_Sp_counted_ptr_inplace<shop::Order, ...>" -> "shop::Order" */
static void add_type(const struct graph *g, node_id node, struct text *t)
{
	const char *type = node_type(g, node), *at = type ? strchr(type, '<') : NULL;
	unsigned depth = 0;

	if (!type) {
		text_add(t, "a block");
		return;
	}
	if (!at ||
	    (strncmp(type, "std::_Sp_counted_", 17) &&
	     strncmp(type, "std::__1::__shared_ptr_", 23) && strncmp(type, "alloc::rc::Rc", 13) &&
	     strncmp(type, "alloc::sync::ArcInner", 21))) {
		text_add(t, type);
		return;
	}
	for (type = ++at; *at && (depth || (*at != ',' && *at != '>')); at++)
		depth += (*at == '<' || *at == '(') - (*at == '>' || *at == ')');
	while (at > type && (at[-1] == '*' || at[-1] == ' '))
		at--; /* std::_Sp_counted_ptr<T*, ...> */
	text_add_n(t, type, (size_t)(at - type));
}

/* How a step leads on: "->parent", "[3].next", "+0x18". */
static void add_via(const struct graph *g, const struct ref_step *step, node_id next,
		    struct text *t)
{
	struct edge_label label = {};
	const char *type = node_type(g, step->node);
	size_t before = t->n, skip = type ? strlen(type) : 0;
	struct text inside = TEXT_INIT;
	uint64_t offset;

	if (step->reference == UINT64_MAX) {
		if (!g->ops || !g->ops->edge || !g->ops->edge(g->ctx, step->node, next, &label))
			return;
		if (label.name)
			text_add(t, label.name); /* "": the language sees no step */
		if (label.name)
			return;
		offset = label.offset;
	} else {
		offset = g->references[step->reference].offset;
		if (g->ops && g->ops->inside &&
		    g->ops->inside(g->ctx, step->node, offset, &inside) && inside.n > skip)
			text_add(t, text_str(&inside) + skip);
	}
	text_fini(&inside);
	if (t->n == before)
		text_printf(t, "+0x%" PRIx64, offset);
}

/* ---- which reference */

static bool leads_back(const char *via)
{
	for (size_t i = 0; i < ARRAY_SIZE(back_names); i++)
		if (strstr(via, back_names[i]))
			return true;
	return false;
}

static node_id next_of(const struct ref_step *steps, uint64_t n, uint64_t i)
{
	return steps[i + 1 < n ? i + 1 : 0].node;
}

/*
 * Of those that would let the whole ring go one that is called like a way back; else the last,
 * which leads to the block that was met first.
 */
static uint64_t find_weakest(const struct graph *g, const struct ref_step *steps, uint64_t n)
{
	uint64_t best = UINT64_MAX;
	bool best_breaks = false, best_back = false;

	for (uint64_t i = 0; i < n && i < MEMBERS_MAX; i++) {
		struct text via = TEXT_INIT;
		bool back;

		if (steps[i].reference == UINT64_MAX || g->references[steps[i].reference].owns)
			continue;
		add_via(g, &steps[i], next_of(steps, n, i), &via);
		back = leads_back(text_str(&via));
		text_fini(&via);
		if (best != UINT64_MAX && (steps[i].breaks < best_breaks ||
					   (steps[i].breaks == best_breaks && back < best_back)))
			continue;
		best = i;
		best_breaks = steps[i].breaks;
		best_back = back;
	}
	return best;
}

static struct err *put_member(const struct subject *s, struct report *r,
			      const struct ref_step *step, node_id next, struct rp_member *ret)
{
	struct text via = TEXT_INIT;

	add_via(s->graph, step, next, &via);
	*ret = (struct rp_member){
		.address = graph_key(s->graph, step->node),
		.type = node_type(s->graph, step->node),
		.via = report_text(r, &via),
	};
	text_fini(&via);
	return ret->via ? NULL : &err_nomem;
}

static bool looks_reachable(const struct facts *f, const struct ref_ring *ring)
{
	return f->reach[ring->node] == REACH_REACHABLE || f->reach[ring->node] == REACH_POSSIBLE;
}

static struct err *add_cycle(const struct subject *s, struct report *r, const struct ref_ring *ring)
{
	const struct ref_step *steps = s->facts->ref_steps + ring->first_step;
	uint64_t weakest = find_weakest(s->graph, steps, ring->n_steps);
	struct rp_cycle out = {
		.nodes = ring->nodes,
		.bytes = ring->bytes,
		.retained = ring->bytes + ring->held_bytes,
		.reachable = looks_reachable(s->facts, ring),
		.kind = "refcount",
		.held = ring->held,
		.n_members = ring->n_steps < MEMBERS_MAX ? ring->n_steps : MEMBERS_MAX,
	};
	struct err *err = NULL;

	out.members = arena_alloc(&r->mem, (out.n_members + 1) * sizeof(*out.members));
	if (!out.members)
		return &err_nomem;
	for (uint64_t i = 0; i < out.n_members && !err; i++)
		err = put_member(s, r, &steps[i], next_of(steps, ring->n_steps, i),
				 &out.members[i]);
	if (!err && weakest != UINT64_MAX && !ring->held)
		err = put_member(s, r, &steps[weakest], next_of(steps, ring->n_steps, weakest),
				 &out.weaken);
	if (err)
		return err;
	return vec_push(&r->cycles, &out) ? NULL : &err_nomem;
}

/* ---- suspects */

/* The ring itself, back to where it began. */
static struct err *put_chain(const struct subject *s, struct report *r, const struct ref_ring *ring,
			     struct rp_chain *ret)
{
	const struct ref_step *steps = s->facts->ref_steps + ring->first_step;
	uint64_t n = ring->n_steps < MEMBERS_MAX ? ring->n_steps : MEMBERS_MAX;

	ret->hops = arena_alloc(&r->mem, (n + 1) * sizeof(*ret->hops));
	if (!ret->hops)
		return &err_nomem;
	for (uint64_t i = 0; i <= n; i++) {
		node_id node = i ? next_of(steps, ring->n_steps, i - 1) : steps[0].node;
		struct rp_hop *hop = &ret->hops[ret->n_hops++];
		struct rp_member from = {};
		struct err *err = NULL;

		*hop = (struct rp_hop){
			.address = graph_key(s->graph, node),
			.size = graph_size(s->graph, node),
			.type = node_type(s->graph, node),
			.repeat = 1,
		};
		if (i)
			err = put_member(s, r, &steps[i - 1], node, &from);
		if (err)
			return err;
		if (i && from.via[0] != '+') {
			hop->via_name = from.via;
			hop->via_kind = "field";
		} else if (i) {
			hop->via_kind = "scanned";
			hop->via_offset = strtoull(from.via + 1, NULL, 0);
		}
	}
	return NULL;
}

/* A control block and what it manages are one to whoever reads. */
static bool manages(const struct graph *g, node_id node, node_id value)
{
	uint64_t i = partition_point(g->n_counteds, k, g->counteds[k].node < node);

	return i < g->n_counteds && g->counteds[i].node == node && g->counteds[i].value == value;
}

/*
 * "shop::Parent->children[0]": a reference, and before it the blocks that nobody counts, from the
 * one with a count on.
 */
static void add_reference(const struct subject *s, const struct ref_ring *ring, uint64_t last,
			  struct text *t)
{
	const struct ref_step *steps = s->facts->ref_steps + ring->first_step;
	const struct graph *g = s->graph;
	uint64_t first = last;

	while (first && steps[first - 1].reference == UINT64_MAX &&
	       !manages(g, steps[first - 1].node, steps[first].node))
		first--;
	add_type(g, steps[first].node, t);
	for (uint64_t i = first; i <= last; i++)
		add_via(g, &steps[i], next_of(steps, ring->n_steps, i), t);
}

/* "shop::Parent->children[0], shop::Child->parent" */
static void add_ring(const struct subject *s, const struct ref_ring *ring, struct text *t)
{
	const struct ref_step *steps = s->facts->ref_steps + ring->first_step;
	unsigned shown = 0;

	for (uint64_t i = 0; i < ring->n_steps; i++) {
		if (steps[i].reference == UINT64_MAX)
			continue;
		text_add(t, shown ? ", " : "");
		if (shown++ == STEPS_IN_WORDS) {
			text_add(t, "...");
			return;
		}
		add_reference(s, ring, i, t);
	}
}

static struct err *add_evidence(const struct subject *s, struct report *r,
				const struct ref_ring *ring, struct rp_suspect *out)
{
	const struct ref_step *steps = s->facts->ref_steps + ring->first_step;
	uint64_t weakest = find_weakest(s->graph, steps, ring->n_steps);
	struct text t = TEXT_INIT;
	struct err *err = NULL;

	add_ring(s, ring, &t);
	if (t.n)
		err = evidence_add(r, out, "ring", text_str(&t));
	text_reset(&t);
	if (weakest != UINT64_MAX) {
		add_reference(s, ring, weakest, &t);
		if (!steps[weakest].breaks)
			text_add(&t, " (other rings through these remain)");
		if (!err)
			err = evidence_add(r, out, "make weak", text_str(&t));
	}
	text_fini(&t);
	if (!err && looks_reachable(s->facts, ring))
		err = evidence_add(r, out, "only looks reachable",
				   "what points at it is not among the references counted");
	return err;
}

/* "shop::Parent, shop::Child" of the shortest ring, each once. */
static void add_types(const struct subject *s, const struct ref_ring *ring, struct text *t)
{
	const struct ref_step *steps = s->facts->ref_steps + ring->first_step;
	const struct graph *g = s->graph;
	type_id seen[TYPES_SHOWN];
	unsigned n = 0;

	for (uint64_t i = 0; i < ring->n_steps; i++) {
		bool known = i && steps[i - 1].reference ==
					  UINT64_MAX; /* a block that one with a count keeps */

		for (unsigned k = 0; k < n; k++)
			known |= seen[k] == graph_type(g, steps[i].node);
		if (known)
			continue;
		if (n == TYPES_SHOWN) {
			text_add(t, ", ...");
			return;
		}
		text_add(t, n ? ", " : " of ");
		add_type(g, steps[i].node, t);
		seen[n++] = graph_type(g, steps[i].node);
	}
}

/* "40 rings of 2 blocks that keep each other, of shop::Parent, shop::Child" */
static void add_title(const struct subject *s, const struct ref_ring *ring, uint64_t n,
		      struct text *t)
{
	if (n > 1) {
		text_add_count(t, n);
		text_add(t, " rings");
	} else {
		text_add(t, "a ring");
	}
	add_types(s, ring, t);
	text_add(t, n > 1 ? ", each kept by its own references" : ", kept by its own references");
}

static struct err *add_suspect(const struct subject *s, struct report *r,
			       const struct ref_ring *rings, uint64_t n)
{
	struct text title = TEXT_INIT;
	struct rp_suspect out = {
		.rule = "cycle/refcount",
		.type = node_type(s->graph, rings[0].node),
		.count = n,
		.confidence = rings[0].unsure ? CONF_PATTERN : CONF_DEBUG_INFO,
		.has_chain = rings[0].n_steps,
	};
	node_id nodes[SUSPECT_ADDRESSES];
	struct err *err;

	for (uint64_t i = 0; i < n; i++) {
		out.bytes += rings[i].bytes;
		out.retained += rings[i].bytes + rings[i].held_bytes;
		if (i < SUSPECT_ADDRESSES)
			nodes[i] = rings[i].node;
	}
	add_title(s, &rings[0], n, &title);
	out.title = report_text(r, &title);
	text_fini(&title);
	err = out.title ? addresses_add(s, r, nodes, n, &out) : &err_nomem;
	if (!err && out.has_chain)
		err = put_chain(s, r, &rings[0], &out.chain);
	if (!err)
		err = add_evidence(s, r, &rings[0], &out);
	if (err)
		return err;
	return vec_push(&r->suspects, &out) ? NULL : &err_nomem;
}

/* ---- all together */

static bool are_alike(const struct graph *g, const struct ref_ring *a, const struct ref_ring *b)
{
	return a->bytes == b->bytes && a->nodes == b->nodes && a->counted == b->counted &&
	       a->unsure == b->unsure && graph_type(g, a->node) == graph_type(g, b->node);
}

/* Lost ones are among the rings of blocks (analysis/cycles.c) already. */
static void add_totals(const struct facts *f, struct report *r, uint64_t n_leaked)
{
	struct rp_total *total = &r->categories[CAT_CYCLE];

	total->known = true;
	for (uint64_t i = 0; i < n_leaked; i++)
		if (looks_reachable(f, &f->ref_rings[i])) {
			total->count += f->ref_rings[i].nodes;
			total->bytes += f->ref_rings[i].bytes;
		}
}

static struct err *ref_rings_run(struct env *env, const struct subject *s, struct report *r)
{
	const struct ref_ring *rings = s->facts->ref_rings;
	uint64_t n = 0, shown = 0;
	struct err *err = NULL;

	(void)env;
	while (n < s->facts->n_ref_rings && !rings[n].held)
		n++;
	if (s->facts->n_ref_rings)
		add_totals(s->facts, r, n);
	for (uint64_t i = 0; i < n && (i < RINGS_SHOWN || i < s->top) && !err; i++)
		err = add_cycle(s, r, &rings[i]);
	for (uint64_t i = n, all = s->facts->n_ref_rings;
	     i < all && (i - n < HELD_SHOWN || i - n < s->top) && !err; i++)
		err = add_cycle(s, r, &rings[i]);
	r->n_cycles += s->facts->n_ref_rings;
	for (uint64_t i = 0, end; i < n && shown++ < SUSPECTS_PER_RULE && !err; i = end) {
		for (end = i + 1; end < n && are_alike(s->graph, &rings[i], &rings[end]);)
			end++;
		err = add_suspect(s, r, &rings[i], end - i);
	}
	return err;
}

extern const struct analysis_ops ref_rings_analysis;
const struct analysis_ops ref_rings_analysis = {
	.name = "references",
	.summary = "rings of objects that keep each other by counted references",
	.needs = FACT_REACH | FACT_REF_RINGS,
	.run = ref_rings_run,
};
