/*
 * analysis/owned.c - what pools keep, and goroutines that nobody can wake.
 *
 * One suspect an owner that keeps enough, with the largest of what it keeps.  A pool of which large
 * blocks make up half is told apart: there the remedy is another one.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/chain.h"
#include "base/guard.h"
#include "base/vec.h"

enum {
	LEAST_BYTES = 64 << 10, /* of a suspect pool */
	/* of a large buffer: what Go's own fmt gives back to its pool no more */
	LARGE_BYTES = 64 << 10,
};

struct kept {
	node_id largest[SUSPECT_ADDRESSES]; /* by size descending, then by id */
	uint64_t size[SUSPECT_ADDRESSES];
	unsigned n;
	struct total large;
	struct total escaped; /* what its gates lead to, and somebody else holds too */
	node_id escapes[SUSPECT_ADDRESSES];
};

static bool is_of_owner(const struct subject *s, node_id node, uint32_t *ret)
{
	uint32_t owner = s->facts->owner[node];

	*ret = owner - 1;
	return owner != OWNER_OTHERS && owner <= OWNERS_TOLD;
}

/* What an owner alone keeps; rings that finalizers keep are the business of final_rings.c. */
static struct total kept_by(const struct subject *s, uint32_t owner)
{
	struct total t = s->facts->owner_total[owner];

	if (s->graph->owners[owner].kind != OWNER_FINALIZER)
		return t;
	for (uint64_t i = 0; i < s->facts->n_final_rings; i++) {
		const struct final_ring *ring = &s->facts->final_rings[i];

		t.count -= ring->nodes < t.count ? ring->nodes : t.count;
		t.bytes -= ring->bytes < t.bytes ? ring->bytes : t.bytes;
	}
	return t;
}

static void take_largest(struct kept *k, node_id node, uint64_t size)
{
	unsigned at = k->n;

	if (k->n < SUSPECT_ADDRESSES)
		k->n++;
	else if (k->size[--at] >= size)
		return;
	for (; at && k->size[at - 1] < size; at--) {
		k->size[at] = k->size[at - 1];
		k->largest[at] = k->largest[at - 1];
	}
	k->size[at] = size;
	k->largest[at] = node;
}

static void collect(const struct subject *s, struct kept *kept)
{
	const struct graph *g = s->graph;

	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it)) {
		struct kept *k;
		uint32_t i;

		if (!is_of_owner(s, it.id, &i))
			continue;
		k = &kept[i];
		take_largest(k, it.id, it.size);
		if (it.size >= LARGE_BYTES) {
			k->large.count++;
			k->large.bytes += it.size;
		}
	}
}

/* What is in a pool and in use at once. */
static void find_escaped(const struct subject *s, struct kept *kept)
{
	const struct graph *g = s->graph;

	for (uint32_t i = 0; i < g->n_gates; i++) {
		const struct gate *gate = &g->gates[i];
		struct kept *k = &kept[gate->owner - 1];

		if (g->owners[gate->owner - 1].kind != OWNER_POOL)
			continue;
		for (edge_id e = graph_row(g, gate->node); e < graph_row(g, gate->node + 1); e++) {
			node_id to = EDGE_NODE(g->dst[e]);

			if (s->facts->owner[to] != OWNER_OTHERS)
				continue;
			if (k->escaped.count < SUSPECT_ADDRESSES)
				k->escapes[k->escaped.count] = to;
			k->escaped.count++;
			k->escaped.bytes += graph_size(g, to);
		}
	}
}

static struct err *add_suspect(const struct subject *s, struct report *r, struct rp_suspect *out,
			       const node_id *nodes, uint64_t n, struct text *title)
{
	size_t shown = n < SUSPECT_ADDRESSES ? (size_t)n : SUSPECT_ADDRESSES;
	struct err *err;

	out->title = report_text(r, title);
	out->addresses = arena_alloc(&r->mem, SUSPECT_ADDRESSES * sizeof(*out->addresses));
	if (!out->title || !out->addresses)
		return &err_nomem;
	for (size_t i = 0; i < shown; i++)
		out->addresses[out->n_addresses++] = graph_key(s->graph, nodes[i]);
	if (shown && s->facts->parent[nodes[0]] != NODE_NONE) {
		err = chain_to(s, r, nodes[0], &out->chain);
		if (err)
			return err;
		out->has_chain = true;
	}
	return vec_push(&r->suspects, out) ? NULL : &err_nomem;
}

static struct err *add_parked(const struct subject *s, struct report *r,
			      const struct owner *owner, const struct total *total,
			      const struct kept *k)
{
	bool large = owner->kind == OWNER_POOL && k->large.count &&
		     k->large.bytes >= total->bytes / 2;
	struct rp_suspect out = {
		.rule = owner->kind == OWNER_FINALIZER ? "parked/finalizer" :
			large			       ? "parked/pool-large-buffer" :
							 "parked/pool",
		.count = large ? k->large.count : total->count,
		.bytes = large ? k->large.bytes : total->bytes,
		.retained = total->bytes,
		.confidence = CONF_RUNTIME,
	};
	struct text title = TEXT_INIT;
	struct err *err = NULL;

	if (large) {
		text_printf(&title, "%s keeps large buffers", owner->name);
	} else {
		text_add_count(&title, total->count);
		text_add(&title, total->count == 1 ? " block" : " blocks");
		text_printf(&title, " that only %s %s", owner->name,
			    owner->kind == OWNER_POOL ? "keeps" : "keep");
	}
	if (large)
		err = evidence_held(r, &out, "all that it keeps", total->count, total->bytes);
	if (!err)
		err = add_suspect(s, r, &out, k->largest, k->n, &title);
	text_fini(&title);
	return err;
}

static struct err *add_escaped(const struct subject *s, struct report *r, const struct owner *owner,
			       const struct kept *k)
{
	struct rp_suspect out = {
		.rule = "parked/pool-escaped",
		.count = k->escaped.count,
		.bytes = k->escaped.bytes,
		.retained = k->escaped.bytes,
		.confidence = CONF_PATTERN,
	};
	struct text title = TEXT_INIT;
	struct err *err;

	text_add_count(&title, k->escaped.count);
	text_add(&title, k->escaped.count == 1 ? " block in " : " blocks in ");
	text_add(&title, owner->name);
	text_add(&title, k->escaped.count == 1 ? " is" : " are");
	text_add(&title, " held elsewhere too");
	err = add_suspect(s, r, &out, k->escapes, k->escaped.count, &title);
	text_fini(&title);
	return err;
}

static uint64_t stuck_of(const struct subject *s, uint32_t owner)
{
	uint64_t n = 0;
	uint32_t last = UINT32_MAX;

	for (uint32_t i = 0; i < s->graph->n_sources; i++) {
		const struct root_source *source = &s->graph->sources[i];

		if (source->owner != owner + 1 || !is_stuck(s->facts, source->thread))
			continue;
		n += source->thread != last; /* its sources come together */
		last = source->thread;
	}
	return n;
}

static struct err *add_stuck(const struct subject *s, struct report *r, uint32_t i,
			     const struct kept *k)
{
	const struct owner *owner = &s->graph->owners[i];
	const struct total *total = &s->facts->owner_total[i];
	struct rp_suspect out = {
		.rule = "stuck/goroutine",
		.count = stuck_of(s, i),
		.bytes = total->bytes,
		.retained = total->bytes,
		.confidence = CONF_PATTERN,
	};
	struct text title = TEXT_INIT;
	struct err *err;

	if (!out.count)
		return NULL;
	text_add_count(&title, out.count);
	text_add(&title, out.count == 1 ? " goroutine waits" : " goroutines wait");
	text_add(&title, " forever: ");
	text_add(&title, owner->name);
	err = evidence_held(r, &out, "reached from their stacks alone", total->count, total->bytes);
	if (!err)
		err = add_suspect(s, r, &out, k->largest, k->n, &title);
	text_fini(&title);
	return err;
}

static void add_totals(const struct subject *s, struct report *r)
{
	static const enum category categories[OWNER_KINDS] = {
		[OWNER_POOL] = CAT_PARKED,
		[OWNER_FINALIZER] = CAT_PARKED,
		[OWNER_STUCK] = CAT_STUCK,
	};

	for (uint32_t i = 0; i < s->graph->n_owners; i++) {
		struct rp_total *t = &r->categories[categories[s->graph->owners[i].kind]];
		struct total kept = kept_by(s, i);

		t->known = true;
		t->count += kept.count;
		t->bytes += kept.bytes;
	}
	for (unsigned kind = 0; kind < OWNER_KINDS; kind++) {
		struct rp_total *t = &r->categories[categories[kind]];

		t->count += s->facts->owner_shared[kind].count;
		t->bytes += s->facts->owner_shared[kind].bytes;
	}
}

static struct err *add_owner(const struct subject *s, struct report *r, uint32_t i,
			     const struct kept *k)
{
	const struct owner *owner = &s->graph->owners[i];
	struct total total = kept_by(s, i);
	struct err *err = NULL;

	if (owner->kind == OWNER_STUCK)
		return add_stuck(s, r, i, k);
	if (total.bytes >= LEAST_BYTES)
		err = add_parked(s, r, owner, &total, k);
	if (!err && k->escaped.count)
		err = add_escaped(s, r, owner, k);
	return err;
}

struct by_bytes {
	uint64_t bytes;
	uint32_t owner;
};

static int most_first(const void *pa, const void *pb)
{
	const struct by_bytes *a = pa, *b = pb;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return a->owner < b->owner ? -1 : a->owner > b->owner;
}

static struct err *owned_run(struct env *env, const struct subject *s, struct report *r)
{
	uint32_t n = s->graph->n_owners;
	_free_ struct kept *kept = calloc(n + 1, sizeof(*kept));
	_free_ struct by_bytes *order = calloc(n + 1, sizeof(*order));
	struct err *err = NULL;

	(void)env;
	if (!n)
		return NULL;
	if (!kept || !order)
		return &err_nomem;
	add_totals(s, r);
	collect(s, kept);
	find_escaped(s, kept);
	for (uint32_t i = 0; i < n; i++)
		order[i] = (struct by_bytes){ s->facts->owner_total[i].bytes, i };
	qsort(order, n, sizeof(*order), most_first);
	for (uint32_t i = 0; i < n && i < SUSPECTS_PER_RULE && !err; i++)
		err = add_owner(s, r, order[i].owner, &kept[order[i].owner]);
	return err;
}

const struct analysis_ops owned_analysis = {
	.name = "owned",
	.summary = "what pools and stuck goroutines alone keep",
	.needs = FACT_OWNER | FACT_FINAL_RINGS | FACT_PARENT,
	.run = owned_run,
};
