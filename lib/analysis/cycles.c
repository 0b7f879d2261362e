/*
 * analysis/cycles.c - rings that nothing holds: the largest, each with its shortest ring.
 *
 * The bytes of rings are a part of what is lost, told apart: never add the two.  A ring that
 * nothing lost holds either is a suspect, like ones together; one that hangs off another lost
 * block goes with that block and is only listed.
 */
#include <inttypes.h>
#include <string.h>

#include "analysis/chain.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"

enum { CYCLES_SHOWN = 20, MEMBERS_MAX = 64, KINDS_MAX = 4096 };

/* Index of a node among the members of a component (ascending); UINT32_MAX if it is no member. */
static uint32_t member_index(const node_id *members, uint64_t n, node_id node)
{
	uint64_t lo = partition_point(n, i, members[i] < node);

	return lo < n && members[lo] == node ? (uint32_t)lo : UINT32_MAX;
}

struct ring_search {
	const struct graph *g;
	const node_id *members;
	uint64_t n;
	/* by member: who reached it (NODE_NONE: nobody yet); breadth-first order */
	uint32_t *from, *queue;
};

/* Breadth first from the lowest member; the first one that points back closes the shortest ring. */
static uint32_t find_last(struct ring_search *rs)
{
	uint64_t head = 0, tail = 0;

	memset(rs->from, 0xff, rs->n * sizeof(*rs->from));
	rs->from[0] = 0;
	rs->queue[tail++] = 0;
	while (head < tail) {
		uint32_t at = rs->queue[head++];
		node_id node = rs->members[at];
		edge_id end = graph_row(rs->g, node + 1);

		for (edge_id e = graph_row(rs->g, node); e < end; e++) {
			uint32_t to = member_index(rs->members, rs->n, EDGE_NODE(rs->g->dst[e]));

			if (to == 0)
				return at;
			if (to == UINT32_MAX || rs->from[to] != NODE_NONE)
				continue;
			rs->from[to] = at;
			rs->queue[tail++] = to;
		}
	}
	return 0; /* a block that points at itself: its self edge is not in the graph */
}

static const char *via_text(const struct graph *g, struct report *r, node_id src, node_id dst)
{
	struct edge_label label = {};

	if (!g->ops || !g->ops->edge || !g->ops->edge(g->ctx, src, dst, &label))
		return NULL;
	if (label.name)
		return arena_strdup(&r->mem, label.name);
	return arena_printf(&r->mem, "+0x%" PRIx64, label.offset);
}

static struct err *put_members(struct ring_search *rs, struct report *r, struct rp_cycle *out)
{
	uint32_t last = find_last(rs), at = last;
	uint64_t length = 1, skip;
	node_id next = rs->members[0];

	for (; at; at = rs->from[at])
		length++;
	out->n_members = length < MEMBERS_MAX ? length : MEMBERS_MAX;
	out->members = arena_alloc(&r->mem, out->n_members * sizeof(*out->members));
	if (!out->members)
		return &err_nomem;
	/* From the end of the ring back to its lowest; members past the limit are walked over. */
	at = last;
	skip = length - out->n_members;
	for (uint64_t i = length; i-- > 0;) {
		node_id node = rs->members[at];

		if (skip) {
			skip--;
		} else {
			out->members[i].address = graph_key(rs->g, node);
			out->members[i].via = via_text(rs->g, r, node, next);
		}
		next = node;
		at = rs->from[at];
	}
	return NULL;
}

static struct err *add_cycle(struct env *env, const struct subject *s, struct report *r,
			     const struct cycle *c)
{
	_cleanup_(col_close) struct col from = {}, queue = {};
	struct ring_search rs = { .g = s->graph,
				  .members = s->facts->cycle_members + c->first_member,
				  .n = c->nodes };
	struct rp_cycle out = {
		.nodes = c->nodes,
		.bytes = c->bytes,
		.retained = c->bytes + c->held_bytes,
		.kind = "unreachable",
	};
	struct err *err = col_fixed(env, sizeof(uint32_t), c->nodes, "ring", &from);

	if (!err)
		err = col_fixed(env, sizeof(uint32_t), c->nodes, "ring", &queue);
	if (err)
		return err;
	rs.from = from.base;
	rs.queue = queue.base;
	err = put_members(&rs, r, &out);
	if (err)
		return err;
	return vec_push(&r->cycles, &out) ? NULL : &err_nomem;
}

/* Rings of one number of nodes and bytes. */
struct kind {
	uint64_t nodes, bytes;
	uint64_t count, held_count, held_bytes;
	node_id first[SUSPECT_ADDRESSES];
};
struct kinds {
	struct kind *v;
	size_t n, cap;
};

static void free_kinds(struct kinds *k)
{
	free(k->v);
}

/*
 * Like rings come together: facts->cycles is by bytes, so only the kinds of these bytes are looked
 * at.
 */
static struct kind *kind_of(struct kinds *ks, const struct cycle *c)
{
	struct kind fresh = { .nodes = c->nodes, .bytes = c->bytes };

	for (size_t i = ks->n; i-- > 0 && ks->v[i].bytes == c->bytes;)
		if (ks->v[i].nodes == c->nodes)
			return &ks->v[i];
	return vec_push(ks, &fresh) ? &ks->v[ks->n - 1] : NULL;
}

/* A ring of counted references is in it: analysis/ref_rings.c tells of that. */
static bool is_counted(const struct facts *f, const struct cycle *c)
{
	for (uint64_t i = 0; i < c->nodes && f->in_ref_ring; i++)
		if (bit_get(f->in_ref_ring, f->cycle_members[c->first_member + i]))
			return true;
	return false;
}

static struct err *collect(const struct facts *f, struct kinds *ks)
{
	for (uint64_t i = 0; i < f->n_cycles; i++) {
		const struct cycle *c = &f->cycles[i];
		struct kind *k;

		if (f->reach[c->node] != REACH_DEFINITE || is_counted(f, c))
			continue;
		if (ks->n >= KINDS_MAX && ks->v[ks->n - 1].bytes != c->bytes)
			/* sorted by bytes: what is left is smaller than thousands of others */
			break;
		k = kind_of(ks, c);
		if (!k)
			return &err_nomem;
		if (k->count < SUSPECT_ADDRESSES)
			k->first[k->count] = c->node;
		k->count++;
		k->held_count += c->held_count;
		k->held_bytes += c->held_bytes;
	}
	return NULL;
}

static int by_retained(const void *pa, const void *pb)
{
	const struct kind *a = pa, *b = pb;
	uint64_t ra = a->bytes * a->count + a->held_bytes, rb = b->bytes * b->count + b->held_bytes;

	if (ra != rb)
		return ra < rb ? 1 : -1;
	return a->first[0] < b->first[0] ? -1 : a->first[0] > b->first[0];
}

static bool is_shown(const void *ctx, node_id node)
{
	const struct kind *k = ctx;

	for (size_t i = 0; i < k->count && i < SUSPECT_ADDRESSES; i++)
		if (k->first[i] == node)
			return true;
	return false;
}

struct first_members {
	const struct facts *f;
	const struct kind *kind;
};

/* The first block of one of these rings: facts->cycles is by bytes, and then by that. */
static bool is_first(const void *ctx, node_id node)
{
	const struct first_members *m = ctx;
	uint64_t bytes = m->kind->bytes;
	uint64_t first = partition_point(m->f->n_cycles, i, m->f->cycles[i].bytes > bytes);
	const struct cycle *c = m->f->cycles + first;
	uint64_t n = m->f->n_cycles - first;
	uint64_t at = partition_point(n, i, c[i].bytes == bytes && c[i].node < node);

	return at < n && c[at].node == node && c[at].bytes == bytes &&
	       c[at].nodes == m->kind->nodes && m->f->reach[node] == REACH_DEFINITE &&
	       !is_counted(m->f, &c[at]);
}

static struct err *add_suspect(const struct subject *s, struct report *r, const struct kind *k)
{
	struct text title = TEXT_INIT;
	struct rp_suspect out = {
		.rule = "cycle/unreachable",
		.count = k->count,
		.bytes = k->bytes * k->count,
		.retained = k->bytes * k->count + k->held_bytes,
		.confidence = CONF_PATTERN,
		.has_chain = true,
	};
	struct err *err;

	text_add(&title, k->nodes == 1 ? "lost block that points at itself" :
			 k->count == 1 ? "lost ring of " :
					 "lost rings of ");
	if (k->nodes > 1) {
		text_add_count(&title, k->nodes);
		text_add(&title, " blocks");
	}
	out.title = report_text(r, &title);
	text_fini(&title);
	err = out.title ? addresses_add(s, r, k->first, k->count, &out) : &err_nomem;
	if (!err)
		err = chain_held(s, r, k->first[0], &out.chain);
	if (!err)
		err = evidence_stale(s, r, &out, is_shown, k);
	if (!err)
		err = evidence_sites(s, r, &out, is_first, &(struct first_members){ s->facts, k });
	if (!err)
		err = evidence_held(r, &out, "held by the ring alone", k->held_count,
				    k->held_bytes);
	if (err)
		return err;
	return vec_push(&r->suspects, &out) ? NULL : &err_nomem;
}

static void add_totals(const struct facts *f, struct report *r)
{
	struct rp_total *total = &r->categories[CAT_CYCLE];

	total->known = true;
	for (uint64_t i = 0; i < f->n_cycles; i++) {
		total->count += f->cycles[i].nodes;
		total->bytes += f->cycles[i].bytes;
	}
}

static struct err *add_finding(const struct facts *f, struct report *r)
{
	struct text t = TEXT_INIT;
	struct err *err;

	text_add_bytes(&t, r->categories[CAT_CYCLE].bytes);
	text_add(&t, " in ");
	text_add_count(&t, f->n_cycles);
	text_add(&t, f->n_cycles == 1 ? " ring that nothing holds" : " rings that nothing holds");
	text_add(&t, " (a part of what is lost)");
	err = finding_add(r, "lost/definite", -1, text_str(&t));
	text_fini(&t);
	return err;
}

static struct err *cycles_run(struct env *env, const struct subject *s, struct report *r)
{
	_cleanup_(free_kinds) struct kinds ks = {};
	const struct facts *f = s->facts;
	struct err *err = NULL;

	add_totals(f, r);
	if (!f->n_cycles)
		return NULL;
	for (uint64_t i = 0, shown = 0; i < f->n_cycles && !err; i++) {
		if (is_counted(f, &f->cycles[i]))
			continue;
		r->n_cycles++;
		if (shown++ < CYCLES_SHOWN)
			err = add_cycle(env, s, r, &f->cycles[i]);
	}
	if (!err)
		err = add_finding(f, r);
	if (!err)
		err = collect(f, &ks);
	if (err)
		return err;
	if (ks.n)
		qsort(ks.v, ks.n, sizeof(*ks.v), by_retained);
	for (size_t i = 0; i < ks.n && i < SUSPECTS_PER_RULE; i++) {
		err = add_suspect(s, r, &ks.v[i]);
		if (err)
			return err;
	}
	return NULL;
}

const struct analysis_ops cycles_analysis = {
	.name = "cycles",
	.summary = "rings of blocks that nothing holds",
	.needs = FACT_REACH | FACT_CYCLES | FACT_DOM | FACT_REF_RINGS,
	.needs_for_lost = FACT_REACH | FACT_LOST_HELD | FACT_CYCLES | FACT_REF_RINGS,
	.run = cycles_run,
};
