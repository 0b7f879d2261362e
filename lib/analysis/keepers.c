/*
 * analysis/keepers.c - objects of one type that together keep much of the heap, where no single
 * owner above them does.
 *
 * suspects.c finds owners: a node, or one symbol's slots, that everything below hangs on.  Objects
 * that several roots reach (a connection: a table of all, the stacks of the goroutines that serve
 * it) hang on none of them, and what each keeps is too little to be named.  Their type names them.
 * Told only when more than what other suspects tell of must be theirs: sums are compared, and
 * suspects of growth never share a byte.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/largest.h"
#include "base/guard.h"
#include "base/vec.h"

enum {
	SHARE_PERCENT = 20, /* of live bytes, that nobody else tells of */
	NEAR_PERCENT = 80,  /* of what the most keeps: as good, if it is nearer to the program */
	FLOOR_BYTES = 1 << 20,
	LEAST_COUNT = 10,
	NAMED = 3, /* of the largest */
};

/* What a runtime or a container is made of: what it is in says more. */
static bool is_container(const struct rp_type *t)
{
	return strchr("[*(", t->name[0]) || !strncmp(t->name, "map[", 4) ||
	       !strncmp(t->name, "func", 4) || !strncmp(t->name, "chan ", 5) ||
	       !strncmp(t->name, "runtime.", 8) || !strncmp(t->name, "string", 6);
}

static bool is_growth(const struct rp_suspect *s)
{
	return !strncmp(s->rule, "growth/", 7) || !strncmp(s->rule, "parked/", 7) ||
	       !strcmp(s->rule, "stuck/goroutine");
}

static bool is_candidate(const struct rp_type *t, uint64_t least)
{
	return !strcmp(t->language, "go") && t->knows_retained && !is_container(t) &&
	       t->count >= LEAST_COUNT && t->retained >= least && t->bytes <= t->retained / 2;
}

static const struct rp_type *find_type(const struct report *r, uint64_t least)
{
	const struct rp_type *best = NULL;
	uint64_t most = 0;

	for (size_t i = 0; i < r->types.n; i++)
		if (is_candidate(&r->types.v[i], least) && r->types.v[i].retained > most)
			most = r->types.v[i].retained;
	for (size_t i = 0; i < r->types.n; i++) {
		const struct rp_type *t = &r->types.v[i];

		if (!is_candidate(t, least) || t->retained < most / 100 * NEAR_PERCENT)
			continue;
		/* One that holds another has as much, and there are no more of it. */
		if (!best || t->count < best->count ||
		    (t->count == best->count && t->retained > best->retained))
			best = t;
	}
	return best;
}

/* By what they keep. */
static struct err *find_largest(const struct subject *s, const char *name, struct largest *ret)
{
	const struct graph *g = s->graph;
	_free_ bool *is = calloc(g->types->n + 1, sizeof(*is));

	if (!is)
		return &err_nomem;
	for (size_t i = 1; i < g->types->n; i++) {
		const struct type_row *row = &g->types->v[i];

		is[i] = !strcmp(row->whole ? row->whole : row->name, name);
	}
	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it))
		if (is[graph_type(g, it.id)] && s->facts->reach[it.id] == REACH_REACHABLE)
			largest_add(ret, it.id, facts_retained(s->facts, it.id));
	return NULL;
}

static struct err *add_largest(struct report *r, const struct graph *g, const struct largest *l,
			       struct rp_suspect *out)
{
	struct text t = TEXT_INIT;
	struct err *err;

	for (unsigned i = 0; i < l->n && i < NAMED; i++) {
		text_add(&t, i ? ", " : "");
		text_printf(&t, "0x%" PRIx64 " ", graph_key(g, l->node[i]));
		text_add_bytes(&t, l->size[i]);
	}
	err = evidence_add(r, out, "those that keep most", text_str(&t));
	text_reset(&t);
	if (out->n_evidence)
		text_printf(&t, "most: %s", out->evidence[out->n_evidence - 1].value);
	out->more = report_text(r, &t);
	text_fini(&t);
	return err ? err : out->more ? NULL : &err_nomem;
}

static struct err *add_suspect(const struct subject *s, struct report *r,
			       const struct rp_type *type)
{
	const struct graph *g = s->graph;
	struct largest largest = {};
	struct rp_suspect out = {
		.rule = "growth/accumulation",
		.type = type->name,
		.count = type->count,
		.bytes = type->bytes,
		.retained = type->retained,
		.confidence = CONF_PATTERN,
		.has_chain = true,
		.advice = "look which of them keep most, and bound what one may keep",
		.addresses = arena_alloc(&r->mem, SUSPECT_ADDRESSES * sizeof(*out.addresses)),
	};
	struct text title = TEXT_INIT;
	struct err *err = find_largest(s, type->name, &largest);

	if (err)
		return err;
	if (!largest.n || s->facts->parent[largest.node[0]] == NODE_NONE)
		return NULL;
	text_add_count(&title, type->count);
	text_printf(&title, " %s and what they keep", type->name);
	out.title = report_text(r, &title);
	text_fini(&title);
	if (!out.title || !out.addresses)
		return &err_nomem;
	for (unsigned i = 0; i < largest.n; i++)
		out.addresses[out.n_addresses++] = graph_key(g, largest.node[i]);
	err = chain_to(s, r, largest.node[0], &out.chain);
	if (!err)
		err = add_largest(r, g, &largest, &out);
	if (err)
		return err;
	return vec_push(&r->suspects, &out) ? NULL : &err_nomem;
}

static struct err *keepers_run(struct env *env, const struct subject *s, struct report *r)
{
	uint64_t least = s->graph->live_bytes / 100 * SHARE_PERCENT, told = 0;
	const struct rp_type *type;

	(void)env;
	if (!s->graph->types || !s->facts->reach)
		return NULL;
	for (size_t i = 0; i < r->suspects.n; i++)
		told += is_growth(&r->suspects.v[i]) ? r->suspects.v[i].retained : 0;
	least = least < FLOOR_BYTES ? FLOOR_BYTES : least;
	type = find_type(r, told + least);
	return type ? add_suspect(s, r, type) : NULL;
}

const struct analysis_ops keepers_analysis = {
	.name = "keepers",
	.summary = "objects of one type that together keep much",
	.needs = FACT_REACH | FACT_DOM | FACT_PARENT,
	.run = keepers_run,
};
