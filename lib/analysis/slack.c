/*
 * analysis/slack.c - containers with room for more than they hold, those of one type together.
 *
 * `retained` of such a suspect is what rebuilding them would give back, not what they keep.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/chain.h"
#include "base/guard.h"
#include "base/vec.h"

enum { LEAST_WASTED = 64 << 10 };

struct group {
	type_id type;
	uint8_t kind;
	uint64_t count, used, capacity, bytes, wasted;
	node_id worst[SUSPECT_ADDRESSES]; /* those that waste most, by that */
	uint64_t most;			  /* that one of them wastes */
	unsigned n_worst;
};

struct groups {
	struct group *v;
	size_t n, cap;
};

struct row {
	const struct slack *slack;
	type_id type;
};

static int by_group(const void *pa, const void *pb)
{
	const struct row *a = pa, *b = pb;

	if (a->slack->kind != b->slack->kind)
		return (int)a->slack->kind - (int)b->slack->kind;
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->slack->wasted != b->slack->wasted)
		return a->slack->wasted < b->slack->wasted ? 1 : -1;
	if (a->slack->bytes != b->slack->bytes)
		return a->slack->bytes < b->slack->bytes ? 1 : -1;
	return a->slack->node < b->slack->node ? -1 : a->slack->node > b->slack->node;
}

static int by_waste(const void *pa, const void *pb)
{
	const struct group *a = pa, *b = pb;

	if (a->wasted != b->wasted)
		return a->wasted < b->wasted ? 1 : -1;
	if (a->kind != b->kind)
		return (int)a->kind - (int)b->kind;
	return a->type < b->type ? -1 : a->type > b->type;
}

/* Garbage wastes nothing; what only a pool or stuck goroutines keep is theirs (owned.c). */
static bool counts(const struct facts *f, node_id node)
{
	if (f->owner && f->owner[node] != OWNER_OTHERS)
		return false;
	return f->reach[node] == REACH_REACHABLE || f->reach[node] == REACH_POSSIBLE;
}

static size_t reachable_rows(const struct subject *s, struct row *rows)
{
	size_t n = 0;

	for (uint64_t i = 0; i < s->graph->n_slacks; i++) {
		const struct slack *slack = &s->graph->slacks[i];

		if (counts(s->facts, slack->node))
			rows[n++] = (struct row){
				slack,
				graph_type(s->graph, slack->node),
			};
	}
	return n;
}

/* Without a type large ones are alike only where one is as large and as empty as the other. */
static bool alike(const struct row *a, const struct row *b)
{
	if (a->slack->kind != b->slack->kind || a->type != b->type)
		return false;
	return a->type || a->slack->wasted < LEAST_WASTED ||
	       (a->slack->wasted == b->slack->wasted && a->slack->bytes == b->slack->bytes);
}

static struct err *group_rows(const struct row *rows, size_t n, struct groups *gs)
{
	for (size_t i = 0; i < n; i++) {
		const struct slack *slack = rows[i].slack;
		struct group fresh = { .type = rows[i].type, .kind = slack->kind }, *g;

		if (!(i && alike(&rows[i - 1], &rows[i])) && !vec_push(gs, &fresh))
			return &err_nomem;
		g = &gs->v[gs->n - 1];
		g->count++;
		g->used += slack->used;
		g->capacity += slack->capacity;
		g->bytes += slack->bytes;
		g->wasted += slack->wasted;
		if (!g->n_worst)
			g->most = slack->wasted;
		if (g->n_worst < SUSPECT_ADDRESSES)
			g->worst[g->n_worst++] = slack->node;
	}
	return NULL;
}

static const char *type_name(const struct graph *g, type_id type)
{
	return type && g->types ? g->types->v[type].name : NULL;
}

/* "10,000 of 2,091,008 slots" */
static void add_use(const struct group *g, struct text *t)
{
	static const char *const units[SLACK_KINDS] = {
		[SLACK_MAP] = "slots",
		[SLACK_CAPACITY] = "elements",
		[SLACK_SUBSLICE] = "bytes",
		[SLACK_EMPTY] = "elements",
	};

	text_add_count(t, g->used);
	text_add(t, " of ");
	text_add_count(t, g->capacity);
	text_printf(t, " %s", units[g->kind]);
}

/* "2,000 strings", "[]main.Rec" */
static void add_name(const struct group *g, const char *type, struct text *t)
{
	static const char *const untyped[SLACK_KINDS] = {
		[SLACK_MAP] = "map",
		[SLACK_CAPACITY] = "array",
		[SLACK_SUBSLICE] = "array",
		[SLACK_EMPTY] = "container",
	};

	if (g->count > 1) {
		text_add_count(t, g->count);
		text_add(t, " ");
	}
	if (!type)
		text_add(t, untyped[g->kind]);
	else if (!strcmp(type, "sync.Map (read)"))
		text_add(t, "sync.Map"); /* what it is a piece of */
	else
		text_add(t, strcmp(type, "string data") ? type : "string");
	if (g->count > 1 && (!type || !strcmp(type, "string data")))
		text_add(t, "s");
}

/* "0.5% used" */
static void add_share(const struct group *g, struct text *t)
{
	double percent = g->capacity ? 100.0 * (double)g->used / (double)g->capacity : 0;

	if (percent < 0.1)
		text_add(t, "under 0.1% used");
	else
		text_printf(t, "%.*f%% used", percent < 10, percent);
}

/* "[]uint8 of 16.0 MiB kept for 100 B", "2 map[int]int, 9.2 MiB together, 0.3% used" */
static void add_title(const struct group *g, const char *type, struct text *t)
{
	add_name(g, type, t);
	text_add(t, g->count > 1 ? ", " : " of ");
	text_add_bytes(t, g->bytes);
	text_add(t, g->count > 1 ? " together," : "");
	if (g->kind == SLACK_EMPTY) {
		text_printf(t, " with nothing in %s", g->count == 1 ? "it" : "them");
	} else if (g->kind == SLACK_SUBSLICE) {
		text_add(t, " kept for ");
		text_add_bytes(t, g->used);
	} else {
		text_add(t, g->count > 1 ? " " : ", ");
		add_share(g, t);
	}
}

static struct err *add_evidence(struct report *r, const struct group *g, struct rp_suspect *out)
{
	struct text t = TEXT_INIT;
	struct err *err;

	add_use(g, &t);
	err = evidence_add(r, out, "in use", text_str(&t));
	text_reset(&t);
	text_add_bytes(&t, g->most);
	if (!err && g->count > 1)
		err = evidence_add(r, out, "the worst of them wastes", text_str(&t));
	text_fini(&t);
	return err;
}

static struct err *add_suspect(const struct subject *s, struct report *r, const struct group *g)
{
	const char *type = type_name(s->graph, g->type);
	struct text title = TEXT_INIT;
	struct rp_suspect out = {
		.rule = slack_rule(g->kind),
		.type = type ? arena_strdup(&r->mem, type) : NULL,
		.count = g->count,
		.bytes = g->bytes,
		.retained = g->wasted,
		.confidence = CONF_RUNTIME,
		.addresses = arena_alloc(&r->mem, SUSPECT_ADDRESSES * sizeof(*out.addresses)),
		.has_chain = true,
	};
	struct err *err;

	if (type)
		out.confidence = s->graph->types->v[g->type].confidence;
	add_title(g, type, &title);
	out.title = report_text(r, &title);
	text_fini(&title);
	if (!out.addresses || !out.title)
		return &err_nomem;
	for (unsigned i = 0; i < g->n_worst; i++)
		out.addresses[out.n_addresses++] = graph_key(s->graph, g->worst[i]);
	err = chain_to(s, r, g->worst[0], &out.chain);
	if (!err)
		err = add_evidence(r, g, &out);
	if (err)
		return err;
	return vec_push(&r->suspects, &out) ? NULL : &err_nomem;
}

static void guard_groups(struct groups *gs)
{
	free(gs->v);
}

static struct err *slack_run(struct env *env, const struct subject *s, struct report *r)
{
	_cleanup_(guard_groups) struct groups gs = {};
	_free_ struct row *rows = NULL;
	size_t n, shown[SLACK_KINDS] = {};
	struct err *err;

	(void)env;
	if (!s->graph->n_slacks)
		return NULL;
	rows = calloc(s->graph->n_slacks, sizeof(*rows));
	if (!rows)
		return &err_nomem;
	n = reachable_rows(s, rows);
	qsort(rows, n, sizeof(*rows), by_group);
	err = group_rows(rows, n, &gs);
	if (gs.n)
		qsort(gs.v, gs.n, sizeof(*gs.v), by_waste);
	r->categories[CAT_SLACK].known = true;
	for (size_t i = 0; i < gs.n && !err; i++) {
		r->categories[CAT_SLACK].count += gs.v[i].count;
		r->categories[CAT_SLACK].bytes += gs.v[i].wasted;
		if (gs.v[i].wasted >= LEAST_WASTED && shown[gs.v[i].kind]++ < SUSPECTS_PER_RULE)
			err = add_suspect(s, r, &gs.v[i]);
	}
	return err;
}

const struct analysis_ops slack_analysis = {
	.name = "slack",
	.summary = "containers with room for more than they hold",
	.needs = FACT_OWNER | FACT_REACH | FACT_PARENT,
	.run = slack_run,
};
