/*
 * analysis/owned.c - what pools and finalizers keep; totals of all owners.
 *
 * One suspect an owner that keeps enough, with the largest of what it keeps.  Of a pool the rule
 * that says most tells, the others are evidence beside it: what was left in its objects is most of
 * what it keeps, large blocks are, nothing is drawn from it, it keeps much.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/dirty.h"
#include "analysis/largest.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"

enum {
	LEAST_BYTES = 64 << 10, /* of a suspect pool */
	/* of a large buffer: what Go's own fmt gives back to its pool no more */
	LARGE_BYTES = 64 << 10,
	LEAST_DIRTY = 4 << 10, /* kept by what was left in a pool's objects */
	/* Things in a pool that nothing is taken from: put before the last collection, since. */
	LEAST_OLD = 32,
	LEAST_FRESH = 8,
	LEAST_UNDRAWN = 128, /* where all are of one time */
};

struct kept {
	struct largest largest;
	struct total large;
	struct total escaped; /* what its gates lead to, and somebody else holds too */
	node_id escapes[SUSPECT_ADDRESSES];
	const struct dirty *dirty; /* n_dirty of them: what was left in its objects */
	size_t n_dirty;
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

/* Few nodes have an owner: straight down the column. */
static void collect(const struct subject *s, struct kept *kept)
{
	const struct graph *g = s->graph;

	for (node_id node = 0; node < g->n; node++) {
		struct kept *k;
		uint64_t size;
		uint32_t i;

		if (!is_of_owner(s, node, &i))
			continue;
		k = &kept[i];
		if (s->facts->in_final_ring && bit_get(s->facts->in_final_ring, node))
			continue;
		size = graph_size(g, node);
		largest_add(&k->largest, node, size);
		if (size >= LARGE_BYTES) {
			k->large.count++;
			k->large.bytes += size;
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

			if (!bit_get(s->facts->escaped, to))
				continue;
			if (k->escaped.count < SUSPECT_ADDRESSES)
				k->escapes[k->escaped.count] = to;
			k->escaped.count++;
			k->escaped.bytes += graph_size(g, to);
		}
	}
}

struct owned {
	const struct facts *facts;
	uint32_t label; /* as in facts.owner */
};

static bool is_owned(const void *ctx, node_id node)
{
	const struct owned *o = ctx;

	return o->facts->owner[node] == o->label;
}

/* Where what owner no. i alone keeps was allocated. */
static struct err *join_sites(const struct subject *s, struct report *r, uint32_t i,
			      struct rp_suspect *out)
{
	struct owned owned = { s->facts, i + 1 };

	return i < OWNERS_TOLD ? evidence_sites(s, r, out, is_owned, &owned) : NULL;
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

/* ---- pools */

/* What its records say of things that were never taken; false: nothing. */
static bool is_undrawn(const struct owner *owner, enum confidence *ret)
{
	uint64_t fresh = owner->count - owner->old;

	if (owner->kind != OWNER_POOL || !owner->undrawn || owner->undrawn > owner->count)
		return false;
	*ret = CONF_PATTERN;
	if (owner->old >= LEAST_OLD && fresh >= LEAST_FRESH)
		return true;
	*ret = CONF_GUESS;
	return owner->count >= LEAST_UNDRAWN && owner->undrawn >= owner->count / 2;
}

static void add_undrawn_words(const struct owner *owner, struct text *t)
{
	uint64_t fresh = owner->count - owner->old;

	if (fresh && owner->old) {
		text_add_count(t, fresh);
		text_add(t, " were put since the last collection, none of the ");
		text_add_count(t, owner->old);
		text_add(t, " from before was taken");
		return;
	}
	text_add_count(t, owner->count);
	text_add(t, fresh ? " were put since the last collection, never fewer than " :
			    " were put before the last collection, never fewer than ");
	text_add_count(t, owner->undrawn);
	text_add(t, " of them in it since its newest ring was made");
}

/* As evidence; where another rule tells of the pool, as a finding beside that. */
static struct err *join_undrawn(struct report *r, const struct owner *owner,
				struct rp_suspect *out, bool is_told)
{
	struct text t = TEXT_INIT, message = TEXT_INIT;
	enum confidence confidence;
	struct err *err;

	if (!is_undrawn(owner, &confidence))
		return NULL;
	add_undrawn_words(owner, &t);
	text_printf(&message, "%s is not drawn from: ", owner->name);
	text_add(&message, text_str(&t));
	err = evidence_add(r, out, "not drawn from", text_str(&t));
	if (!err && is_told)
		err = finding_add(r, "parked/pool-no-reuse", (int64_t)r->suspects.n,
				  text_str(&message));
	text_fini(&message);
	text_fini(&t);
	return err;
}

/* Where its blocks lie, and what is free beside them. */
static struct err *join_residence(const struct subject *s, struct report *r, uint32_t i,
				  struct rp_suspect *out)
{
	const struct residence *in = s->residences ? &s->residences[i] : NULL;
	struct text t = TEXT_INIT;
	struct err *err;

	if (!in || !in->spans)
		return NULL;
	text_add_count(&t, in->spans);
	text_add(&t, in->spans == 1 ? " span of " : " spans of ");
	text_add_bytes(&t, in->bytes);
	text_add(&t, ", ");
	text_add_bytes(&t, in->free);
	text_add(&t, " of it free slots; ");
	text_add_count(&t, in->alone);
	text_add(&t, " hold nothing else");
	err = evidence_add(r, out, "lies in", text_str(&t));
	text_fini(&t);
	return err;
}

static bool has_large(const struct kept *k, const struct total *total)
{
	return k->large.count && k->large.bytes >= total->bytes / 2;
}

static void add_pool_title(const struct owner *owner, const char *rule, const struct total *total,
			   struct text *t)
{
	if (!strcmp(rule, "parked/pool-large-buffer")) {
		text_printf(t, "%s keeps large buffers", owner->name);
		return;
	}
	if (!strcmp(rule, "parked/pool-no-reuse")) {
		text_printf(t, "%s is not drawn from", owner->name);
		return;
	}
	text_printf(t, "%s alone keeps ", owner->name);
	text_add_count(t, total->count);
	text_add(t, total->count == 1 ? " block" : " blocks");
}

static struct err *add_pool(const struct subject *s, struct report *r, uint32_t i,
			    const struct total *total, const struct kept *k)
{
	const struct owner *owner = &s->graph->owners[i];
	bool large = has_large(k, total);
	struct rp_suspect out = {
		.rule = "parked/pool",
		.count = large ? k->large.count : total->count,
		.bytes = large ? k->large.bytes : total->bytes,
		.retained = total->bytes,
		.confidence = CONF_RUNTIME,
	};
	enum confidence undrawn;
	struct text title = TEXT_INIT;
	struct err *err = NULL;

	if (large) {
		out.rule = "parked/pool-large-buffer";
		err = evidence_held(r, &out, "all that it keeps", total->count, total->bytes);
	} else if (is_undrawn(owner, &undrawn)) {
		out.rule = "parked/pool-no-reuse";
		out.confidence = undrawn;
	}
	add_pool_title(owner, out.rule, total, &title);
	if (!err)
		err = join_undrawn(r, owner, &out, large);
	if (!err)
		err = join_residence(s, r, i, &out);
	if (!err)
		err = join_sites(s, r, i, &out);
	if (!err)
		err = add_suspect(s, r, &out, k->largest.node, k->largest.n, &title);
	text_fini(&title);
	return err;
}

/* What counts of what was left in its objects; `maps`: which it alone keeps. */
static void sum_dirty(const struct kept *k, struct total *maps, struct total *all)
{
	bool sure = k->n_dirty && !k->dirty[0].is_guess;

	*maps = *all = (struct total){};
	for (size_t i = 0; i < k->n_dirty; i++) {
		const struct dirty *d = &k->dirty[i];

		if (sure && d->is_guess)
			continue;
		all->count += d->count;
		all->bytes += d->retained;
		maps->bytes += d->is_map ? d->retained : 0;
	}
}

/* "sync.Pool main.rows: 100 maps not cleared" */
static void add_dirty_title(const struct subject *s, const struct owner *owner,
			    const struct dirty *d, struct text *t)
{
	const char *type = node_type(s->graph, d->targets[0]);

	text_printf(t, "%s: ", owner->name);
	text_add_count(t, d->count);
	if (d->is_map) {
		text_add(t, d->count == 1 ? " map not cleared" : " maps not cleared");
		return;
	}
	text_add(t, d->count == 1 ? " still points at " : " still point at ");
	text_add(t, type ? type : "what is in use");
}

static struct err *join_dirty(const struct subject *s, struct report *r, const struct kept *k,
			      struct rp_suspect *out)
{
	struct err *err = NULL;

	for (size_t i = 0; i < k->n_dirty && i < 3 && !err; i++) {
		struct text t = TEXT_INIT;

		dirty_words(s, &k->dirty[i], &t);
		err = evidence_add(r, out,
				   k->dirty[i].is_map ? "not cleared" : "still points at",
				   text_str(&t));
		text_fini(&t);
	}
	return err;
}

/* Nearly all that the pool keeps is what was left in its objects: one suspect for both. */
static struct err *join_pool(const struct subject *s, struct report *r, uint32_t i,
			     const struct total *total, const struct kept *k,
			     struct rp_suspect *out)
{
	const struct owner *owner = &s->graph->owners[i];
	struct err *err = evidence_held(r, out, "all that it keeps", total->count, total->bytes);

	if (!err && has_large(k, total))
		err = evidence_held(r, out, "large ones of them", k->large.count, k->large.bytes);
	if (!err)
		err = join_undrawn(r, owner, out, true);
	return err ? err : join_residence(s, r, i, out);
}

static struct err *add_dirty(const struct subject *s, struct report *r, uint32_t i,
			     const struct kept *k, const struct total *total, bool *ret_is_all)
{
	const struct owner *owner = &s->graph->owners[i];
	struct text title = TEXT_INIT;
	struct total maps, all;
	struct rp_suspect out = { .rule = "parked/pool-dirty" };
	struct err *err;

	*ret_is_all = false;
	sum_dirty(k, &maps, &all);
	if (all.bytes < LEAST_DIRTY)
		return NULL;
	out.count = all.count;
	out.bytes = out.retained = all.bytes;
	out.confidence = k->dirty[0].is_guess ? CONF_GUESS : CONF_PATTERN;
	*ret_is_all = maps.bytes >= total->bytes / 2;
	add_dirty_title(s, owner, &k->dirty[0], &title);
	err = join_dirty(s, r, k, &out);
	if (!err && *ret_is_all)
		err = join_pool(s, r, i, total, k, &out);
	if (!err)
		err = join_sites(s, r, i, &out);
	if (!err)
		err = add_suspect(s, r, &out, k->dirty[0].sources, k->dirty[0].n, &title);
	text_fini(&title);
	return err;
}

/* ---- finalizers */

/* Held by something that is neither the queue nor the goroutine that runs finalizers. */
static bool is_held_by(const struct subject *s, node_id node)
{
	const struct graph *g = s->graph;
	uint32_t up = node;

	for (node_id steps = 0; steps < g->n && !(up & PARENT_ROOT); steps++)
		up = s->facts->parent[up];
	if (!(up & PARENT_ROOT) || up == NODE_NONE)
		return false;
	switch (g->sources[g->root_source[up & ~PARENT_ROOT]].kind) {
	case ROOT_GOROUTINE:
	case ROOT_REGISTER:
	case ROOT_VECTOR:
	case ROOT_FINALIZER:
		return false;
	default:
		return true;
	}
}

static bool is_queued(const struct graph *g, node_id node)
{
	uint64_t at = partition_point(g->n_queued, i, g->queued[i] < node);

	return at < g->n_queued && g->queued[at] == node;
}

/* Whose finalizer is due or runs, and that are in use again; the first of them. */
static uint64_t count_resurrected(const struct subject *s, node_id *ret)
{
	const struct graph *g = s->graph;
	uint64_t n = 0;
	node_id last = NODE_NONE;

	for (uint64_t i = 0; i < g->n_queued; i++)
		n += s->facts->owner[g->queued[i]] == OWNER_OTHERS;
	if (!n)
		return 0;
	n = 0;
	for (node_id src = 0; src < g->n; src++)
		for (edge_id e = graph_row(g, src); e < graph_row(g, src + 1); e++) {
			node_id to = EDGE_NODE(g->dst[e]);

			if (s->facts->owner[to] != OWNER_OTHERS || !is_queued(g, to) ||
			    to == last || s->facts->owner[src] != OWNER_OTHERS ||
			    !is_held_by(s, src))
				continue;
			*ret = n++ ? *ret : to;
			last = to;
		}
	return n;
}

static struct err *join_queue(const struct subject *s, struct report *r, const struct owner *owner,
			      struct rp_suspect *out)
{
	struct text t = TEXT_INIT;
	node_id node = NODE_NONE;
	uint64_t again = count_resurrected(s, &node);
	struct err *err = NULL;

	if (owner->count) {
		text_add_count(&t, owner->count);
		text_add(&t, " finalizers and cleanups wait to be run, or one of them runs");
		err = evidence_add(r, out, "due", text_str(&t));
	}
	text_reset(&t);
	if (again) {
		text_add_count(&t, again);
		text_printf(&t, " of their objects, 0x%" PRIx64 " among them",
			    graph_key(s->graph, node));
		if (!err)
			err = evidence_add(r, out, "in use again", text_str(&t));
	}
	text_fini(&t);
	return err;
}

static struct err *add_finalizers(const struct subject *s, struct report *r,
				  const struct owner *owner, const struct total *total,
				  const struct kept *k)
{
	struct rp_suspect out = {
		.rule = "parked/finalizer",
		.count = total->count,
		.bytes = total->bytes,
		.retained = total->bytes,
		.confidence = CONF_RUNTIME,
	};
	struct text title = TEXT_INIT;
	struct err *err;

	text_add_count(&title, total->count);
	text_add(&title, total->count == 1 ? " block" : " blocks");
	text_printf(&title, " that only %s keep", owner->name);
	err = join_queue(s, r, owner, &out);
	if (!err)
		err = add_suspect(s, r, &out, k->largest.node, k->largest.n, &title);
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

	text_printf(&title, "%s: ", owner->name);
	text_add_count(&title, k->escaped.count);
	text_add(&title, k->escaped.count == 1 ? " block is" : " blocks are");
	text_add(&title, " held elsewhere too");
	err = add_suspect(s, r, &out, k->escapes, k->escaped.count, &title);
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
		unsigned kind = s->graph->owners[i].kind;
		struct rp_total *t = &r->categories[categories[kind]];
		struct total kept = kept_by(s, i);

		if (kind == OWNER_GOROUTINES)
			continue;

		t->known = true;
		t->count += kept.count;
		t->bytes += kept.bytes;
	}
	for (unsigned kind = 0; kind < OWNER_KINDS; kind++) {
		struct rp_total *t = &r->categories[categories[kind]];

		if (kind == OWNER_GOROUTINES)
			continue;

		t->count += s->facts->owner_shared[kind].count;
		t->bytes += s->facts->owner_shared[kind].bytes;
	}
}

static struct err *add_owner(const struct subject *s, struct report *r, uint32_t i,
			     const struct kept *k)
{
	const struct owner *owner = &s->graph->owners[i];
	struct total total = kept_by(s, i);
	bool is_all;
	struct err *err;

	if (owner->kind == OWNER_STUCK || owner->kind == OWNER_GOROUTINES)
		return NULL; /* stuck.c */
	if (owner->kind == OWNER_FINALIZER)
		return total.bytes >= LEAST_BYTES ? add_finalizers(s, r, owner, &total, k) : NULL;
	err = add_dirty(s, r, i, k, &total, &is_all);
	if (!err && !is_all && total.bytes >= LEAST_BYTES)
		err = add_pool(s, r, i, &total, k);
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
	_cleanup_(dirty_free) struct dirties dirties = {};
	struct err *err;

	if (!n)
		return NULL;
	if (!kept || !order)
		return &err_nomem;
	add_totals(s, r);
	collect(s, kept);
	find_escaped(s, kept);
	err = dirty_find(env, s, &dirties);
	for (size_t i = dirties.n; i-- > 0;) {
		kept[dirties.v[i].owner].dirty = &dirties.v[i];
		kept[dirties.v[i].owner].n_dirty++;
	}
	for (uint32_t i = 0; i < n; i++)
		order[i] = (struct by_bytes){ s->facts->owner_total[i].bytes, i };
	qsort(order, n, sizeof(*order), most_first);
	for (uint32_t i = 0; i < n && i < SUSPECTS_PER_RULE && !err; i++)
		err = add_owner(s, r, order[i].owner, &kept[order[i].owner]);
	return err;
}

const struct analysis_ops owned_analysis = {
	.name = "owned",
	.summary = "what pools and finalizers alone keep",
	.needs = FACT_OWNER | FACT_FINAL_RINGS | FACT_PARENT | FACT_DOM,
	.run = owned_run,
};
