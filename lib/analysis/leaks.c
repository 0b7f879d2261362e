/*
 * analysis/leaks.c - what is lost: totals, and like heads of lost groups as one suspect each.
 *
 * Heads are alike when they have one size and hold blocks of like sizes (by power of two, runs
 * folded): six thousand leaked sessions are one line, not six thousand.  Rings are the business
 * of analysis/cycles.c: a head that is the lowest of a ring is left to it, so that no byte is in
 * two suspects.
 */
#include <inttypes.h>
#include <string.h>

#include "analysis/chain.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"

enum {
	GROUPS_MAX = 1 << 15, /* past that, heads are grouped by the power of two of their size */
	SLOTS = 1 << 17,      /* of the hash table; at least twice the groups there can be */
	SHAPE_EDGES = 64,     /* edges of a head that its shape looks at */
};
#define SHAPE_COARSE UINT64_MAX

struct group {
	uint64_t size, shape; /* the key; a coarse one's size is the power of two */
	uint64_t count, bytes, held_count, held_bytes;
	uint64_t rep_held;
	node_id rep; /* the one that holds most, for the chain */
	node_id first[SUSPECT_ADDRESSES];
};

struct groups {
	const struct subject *s;
	uint32_t *slots; /* index in v, + 1 */
	struct group *v;
	size_t n, cap;
	uint64_t *ring; /* one bit a node: the lowest of a ring */
	struct col ring_col;
};

static void close_groups(struct groups *gs)
{
	free(gs->slots);
	free(gs->v);
	col_close(&gs->ring_col);
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 29;
}

static unsigned log2_of(uint64_t n)
{
	return n ? 63 - (unsigned)__builtin_clzll(n) : 0;
}

/* A hash of the sizes of what a head points at, by powers of two, runs folded. */
static uint64_t head_shape(const struct graph *g, node_id head)
{
	edge_id first = graph_row(g, head), end = graph_row(g, head + 1);
	uint64_t h = 1;
	unsigned last = UINT32_MAX;

	if (end - first > SHAPE_EDGES)
		end = first + SHAPE_EDGES;
	for (edge_id e = first; e < end; e++) {
		unsigned now = log2_of(graph_size(g, EDGE_NODE(g->dst[e])));

		if (now != last)
			h = mix(h, now);
		last = now;
	}
	return h == SHAPE_COARSE ? 0 : h;
}

/* NULL when there is none and `add` is false, or out of memory. */
static struct group *find_group(struct groups *gs, uint64_t size, uint64_t shape, bool add)
{
	struct group fresh = { .size = size, .shape = shape };
	uint64_t at = mix(shape, size) & (SLOTS - 1);

	for (; gs->slots[at]; at = (at + 1) & (SLOTS - 1)) {
		struct group *g = &gs->v[gs->slots[at] - 1];

		if (g->size == size && g->shape == shape)
			return g;
	}
	if (!add || !vec_push(gs, &fresh))
		return NULL;
	gs->slots[at] = (uint32_t)gs->n;
	return &gs->v[gs->n - 1];
}

static struct group *group_of(struct groups *gs, const struct lost_head *head, bool add)
{
	uint64_t shape = head_shape(gs->s->graph, head->node);
	struct group *g = find_group(gs, head->bytes, shape, add && gs->n < GROUPS_MAX);

	if (g || (add && gs->n < GROUPS_MAX))
		return g;
	return find_group(gs, 1ull << log2_of(head->bytes), SHAPE_COARSE, add);
}

static bool is_ring(const struct groups *gs, node_id node)
{
	const uint64_t *counted = gs->s->facts->in_ref_ring;

	return (gs->ring && bit_get(gs->ring, node)) || (counted && bit_get(counted, node));
}

static struct err *mark_rings(struct env *env, struct groups *gs)
{
	const struct facts *f = gs->s->facts;
	struct err *err;

	if (!f->n_cycles)
		return NULL;
	err = col_fixed(env, 8, bits_words(gs->s->graph->n), "rings", &gs->ring_col);
	if (err)
		return err;
	gs->ring = gs->ring_col.base;
	for (uint64_t i = 0; i < f->n_cycles; i++)
		bit_set(gs->ring, f->cycles[i].node);
	return NULL;
}

static struct err *collect(struct groups *gs)
{
	const struct facts *f = gs->s->facts;

	for (uint64_t i = 0; i < f->n_lost; i++) {
		const struct lost_head *head = &f->lost[i];
		struct group *g;

		if (is_ring(gs, head->node))
			continue;
		g = group_of(gs, head, true);
		if (!g)
			return &err_nomem;
		if (g->count < SUSPECT_ADDRESSES)
			g->first[g->count] = head->node;
		if (!g->count || head->held_bytes > g->rep_held) {
			g->rep = head->node;
			g->rep_held = head->held_bytes;
		}
		g->count++;
		g->bytes += head->bytes;
		g->held_count += head->held_count;
		g->held_bytes += head->held_bytes;
	}
	return NULL;
}

static int by_retained(const void *pa, const void *pb)
{
	const struct group *a = pa, *b = pb;
	uint64_t ra = a->bytes + a->held_bytes, rb = b->bytes + b->held_bytes;

	if (ra != rb)
		return ra < rb ? 1 : -1;
	return a->first[0] < b->first[0] ? -1 : a->first[0] > b->first[0];
}

static const struct lost_head *find_head(const struct facts *f, node_id node)
{
	uint64_t lo = partition_point(f->n_lost, i, f->lost[i].node < node);

	return lo < f->n_lost && f->lost[lo].node == node ? &f->lost[lo] : NULL;
}

static bool is_of_group(const struct groups *gs, const struct group *g,
			const struct lost_head *head)
{
	if (g->shape == SHAPE_COARSE)
		return log2_of(head->bytes) == log2_of(g->size);
	return head->bytes == g->size && head_shape(gs->s->graph, head->node) == g->shape;
}

struct membership {
	const struct groups *gs;
	const struct group *group;
};

static bool is_head_of(const void *ctx, node_id node)
{
	const struct membership *m = ctx;
	const struct lost_head *head = find_head(m->gs->s->facts, node);

	return head && !is_ring(m->gs, head->node) && is_of_group(m->gs, m->group, head);
}

static void add_title(const struct group *g, struct text *t)
{
	if (g->shape == SHAPE_COARSE) {
		text_add(t, "lost blocks of ");
		text_add_bytes(t, g->size);
		text_add(t, " and up");
		return;
	}
	text_add(t, g->count == 1 ? "a lost " : "lost ");
	add_blocks_of(t, g->size, g->count == 1);
	if (g->held_count) {
		text_add(t, " and ");
		text_add_count(t, g->held_count);
		text_add(t, g->count == 1 ? " it holds" : " they hold");
	}
}

static struct err *add_suspect(const struct groups *gs, struct report *r, const struct group *g)
{
	struct text title = TEXT_INIT;
	struct rp_suspect out = {
		.rule = "lost/definite",
		.count = g->count,
		.bytes = g->bytes,
		.retained = g->bytes + g->held_bytes,
		.confidence = CONF_PATTERN,
		.has_chain = true,
	};
	struct err *err;

	add_title(g, &title);
	out.title = report_text(r, &title);
	text_fini(&title);
	err = out.title ? addresses_add(gs->s, r, g->first, g->count, &out) : &err_nomem;
	if (!err)
		err = chain_held(gs->s, r, g->rep, &out.chain);
	if (!err)
		err = evidence_stale(gs->s, r, &out, is_head_of, &(struct membership){ gs, g });
	for (size_t i = 0; i < out.n_evidence && !err; i++)
		if (!strcmp(out.evidence[i].what, EVIDENCE_MAY_BE))
			out.confidence = CONF_GUESS;
	if (!err)
		err = evidence_sites(gs->s, r, &out, is_head_of, &(struct membership){ gs, g });
	if (!err)
		err = evidence_held(r, &out, "held by them alone", g->held_count, g->held_bytes);
	if (err)
		return err;
	return vec_push(&r->suspects, &out) ? NULL : &err_nomem;
}

/* Totals by kind; indirect and possible ones are findings of their own, with their bytes. */
static struct err *add_totals(const struct facts *f, struct report *r)
{
	static const struct {
		enum reach reach;
		const char *rule, *words;
	} kinds[] = {
		{ REACH_INDIRECT, "lost/indirect", "held by lost blocks alone" },
		{ REACH_POSSIBLE, "lost/possible", "held by pointers into their middle alone" },
	};
	struct rp_total *lost = &r->categories[CAT_LOST];

	for (unsigned i = REACH_REACHABLE; i <= REACH_DEFINITE; i++)
		r->reach[i] =
			(struct rp_total){ true, f->reach_total[i].count, f->reach_total[i].bytes };
	lost->known = true;
	lost->count = r->reach[REACH_DEFINITE].count + r->reach[REACH_INDIRECT].count;
	lost->bytes = r->reach[REACH_DEFINITE].bytes + r->reach[REACH_INDIRECT].bytes;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct rp_total *total = &r->reach[kinds[i].reach];
		struct text t = TEXT_INIT;
		struct err *err;

		if (!total->count)
			continue;
		text_add_bytes(&t, total->bytes);
		text_add(&t, " in ");
		text_add_count(&t, total->count);
		text_printf(&t, " %s %s", total->count == 1 ? "block," : "blocks,", kinds[i].words);
		err = finding_add(r, kinds[i].rule, -1, text_str(&t));
		text_fini(&t);
		if (err)
			return err;
	}
	return NULL;
}

static struct err *leaks_run(struct env *env, const struct subject *s, struct report *r)
{
	_cleanup_(close_groups) struct groups gs = { .s = s };
	struct err *err = add_totals(s->facts, r);

	if (err || !s->facts->n_lost)
		return err;
	gs.slots = calloc(SLOTS, sizeof(*gs.slots));
	if (!gs.slots)
		return &err_nomem;
	err = mark_rings(env, &gs);
	if (!err)
		err = collect(&gs);
	if (err)
		return err;
	if (gs.n)
		qsort(gs.v, gs.n, sizeof(*gs.v), by_retained);
	for (size_t i = 0; i < gs.n && i < SUSPECTS_PER_RULE; i++) {
		err = add_suspect(&gs, r, &gs.v[i]);
		if (err)
			return err;
	}
	return NULL;
}

const struct analysis_ops leaks_analysis = {
	.name = "leaks",
	.summary = "used blocks that no root reaches, like heads together",
	.needs = FACT_REACH | FACT_DOM | FACT_CYCLES | FACT_REF_RINGS,
	.needs_for_lost = FACT_REACH | FACT_LOST_HELD | FACT_CYCLES | FACT_REF_RINGS,
	.run = leaks_run,
};
