/*
 * fact/owner.c - what a pool, or a group of stuck goroutines, alone keeps.
 *
 * Every node takes the join of the labels that reach it: nobody < one owner < several of its kind
 * < everybody.  A gate passes its own owner on, whoever reached it.  A label rises at most three
 * times, so that the work is linear; everybody goes first, and most nodes never change again
 * (Kildall, "A unified approach to global program optimization", 1973).  What is everybody's is
 * marked first, and labelled then.
 */
#include "base/guard.h"
#include "fact/marker.h"
#include "fact/parts.h"

struct spread {
	const struct graph *g;
	const struct facts *f;
	const uint64_t *inner;
	const struct gate *gates;
	uint16_t *owner;
	uint64_t *is_gate;
	uint64_t *hidden; /* stuck goroutines' own blocks */
	uint64_t *queued;
	struct col stack;
	struct marker all; /* what is everybody's; gates that it leads to are visited, too */
};

/* Of an owner's index + 1; 0 stays nobody in particular. */
static uint32_t label_of(const struct graph *g, const struct facts *f, uint32_t owner)
{
	if (owner && f->knot)
		owner = f->knot[owner - 1] + 1;
	return owner <= OWNERS_TOLD ? owner : OWNER_SHARED(g->owners[owner - 1].kind);
}

static unsigned kind_of(const struct graph *g, uint32_t label)
{
	return label <= OWNERS_TOLD ? g->owners[label - 1].kind : OWNER_SHARED(0) - label;
}

static uint32_t join(const struct graph *g, uint32_t a, uint32_t b)
{
	unsigned kind_a, kind_b;

	if (a == OWNER_UNREACHED || a == b)
		return b;
	if (a == OWNER_OTHERS || b == OWNER_OTHERS)
		return OWNER_OTHERS;
	kind_a = kind_of(g, a);
	kind_b = kind_of(g, b);
	return kind_a == kind_b ? OWNER_SHARED(kind_a) : OWNER_OTHERS;
}

static uint32_t gate_owner(const struct spread *s, node_id node)
{
	uint32_t lo = 0, hi = s->g->n_gates;

	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (s->gates[mid].node <= node)
			lo = mid;
		else
			hi = mid;
	}
	return label_of(s->g, s->f, s->gates[lo].owner);
}

static struct err *reach_by(struct spread *s, node_id node, uint32_t label)
{
	uint32_t old = s->owner[node], now = join(s->g, old, label);

	if (now == old)
		return NULL;
	if (bit_get(s->is_gate, node)) {
		if (old != OWNER_UNREACHED)
			return NULL;
		now = gate_owner(s, node);
	}
	s->owner[node] = (uint16_t)now;
	if (!bit_get(s->inner, node) || bit_get(s->queued, node))
		return NULL;
	/* That the runtime knows of a goroutine does not make it keep what that one waits for. */
	if (now == OWNER_OTHERS && bit_get(s->hidden, node))
		return NULL;
	bit_set(s->queued, node);
	return col_append(&s->stack, &node, 1);
}

static struct err *spread_all(struct spread *s)
{
	while (s->stack.n) {
		node_id node = ((const node_id *)s->stack.base)[--s->stack.n];
		edge_id e = graph_row(s->g, node), end = graph_row(s->g, node + 1);
		uint32_t label = s->owner[node];

		bit_clear(s->queued, node);
		for (; e < end; e++) {
			struct err *err = reach_by(s, EDGE_NODE(s->g->dst[e]), label);

			if (err)
				return err;
		}
	}
	return NULL;
}

/*
 * The owner a root counts for: that of stuck goroutines only where the goroutine is and is not the
 * program's main one, that of other goroutines not here.
 */
static uint32_t root_owner(const struct graph *g, const struct facts *f, uint32_t root)
{
	const struct root_source *source = &g->sources[g->root_source[root]];

	if (source->owner && g->owners[source->owner - 1].kind == OWNER_GOROUTINES)
		return 0;
	if (source->owner && g->owners[source->owner - 1].kind == OWNER_STUCK &&
	    (g->owners[source->owner - 1].is_main || !is_stuck(f, source->thread)))
		return 0;
	return source->owner;
}

/* Whose roots: goroutines that do not wait come last, see note_escaped(). */
enum whose { OF_NO_GOROUTINE, OF_WAITING, OF_BUSY };

static bool is_of(const struct graph *g, uint32_t root, enum whose whose)
{
	const struct root_source *source = &g->sources[g->root_source[root]];

	if (source->kind != ROOT_GOROUTINE)
		return whose == OF_NO_GOROUTINE;
	return whose == (source->is_busy ? OF_BUSY : OF_WAITING);
}

/* Gates aside, which the visit has labelled. */
static void label_all(struct spread *s)
{
	const uint64_t *set = s->all.set;

	for (uint64_t w = 0; w < bits_words(s->g->n); w++) {
		uint64_t rest = set[w] & ~s->is_gate[w];

		if (rest == UINT64_MAX) {
			memset(&s->owner[64 * w], 0, 64 * sizeof(*s->owner)); /* OWNER_OTHERS */
			continue;
		}
		for (; rest; rest &= rest - 1)
			s->owner[64 * w + (unsigned)__builtin_ctzll(rest)] = OWNER_OTHERS;
	}
}

static struct err *follow_all(struct spread *s)
{
	struct err *err = NULL;
	node_id node;

	while (!err && marker_next(&s->all, &node)) {
		if (bit_get(s->is_gate, node))
			err = reach_by(s, node, OWNER_OTHERS);
		else
			marker_follow(&s->all, node);
	}
	return err ? err : take(&s->all.err);
}

/* From the roots that are nobody's in particular. */
static struct err *from_all(struct spread *s, enum whose whose)
{
	const struct graph *g = s->g;
	struct err *err;
	uint64_t late = 0;

	for (uint32_t i = 0; i < g->n_roots; i++)
		if (is_of(g, i, whose) && !root_owner(g, s->f, i))
			marker_mark(&s->all, EDGE_NODE(g->root_node[i]));
	err = follow_all(s);
	while (!err && whose == OF_NO_GOROUTINE &&
	       marker_mark_late(&s->all, s->f->common.late, &late))
		err = follow_all(s);
	label_all(s);
	return err ? err : spread_all(s);
}

static struct err *from_owned(struct spread *s, enum whose whose)
{
	const struct graph *g = s->g;
	struct err *err = NULL;

	for (uint32_t i = 0; i < g->n_roots && !err; i++) {
		uint32_t owner = is_of(g, i, whose) ? root_owner(g, s->f, i) : 0;

		if (owner)
			err = reach_by(s, EDGE_NODE(g->root_node[i]), label_of(g, s->f, owner));
	}
	return err ? err : spread_all(s);
}

/* Nodes that nothing but goroutines can reach from here on. */
static struct err *leave_alone(struct env *env, const struct spread *s, struct facts *f)
{
	struct err *err = col_fixed(env, 8, bits_words(s->g->n) + 1, "goroutines",
				    &f->cols[COL_ALONE]);
	uint64_t *alone = f->cols[COL_ALONE].base;

	for (node_id i = 0; i < s->g->n && !err; i++)
		if (s->owner[i] == OWNER_UNREACHED && graph_is_live(s->g, i))
			bit_set(alone, i);
	f->alone = err ? NULL : alone;
	return err;
}

/*
 * What lies in a pool and is held outside, too.  A goroutine that runs may just be giving it back,
 * and have the pointer in its hands still: what those alone hold is not meant.
 */
static struct err *note_escaped(struct env *env, const struct spread *s, struct facts *f)
{
	const struct graph *g = s->g;
	struct err *err = col_fixed(env, 8, bits_words(g->n) + 1, "pools", &f->cols[COL_ESCAPED]);
	uint64_t *escaped = f->cols[COL_ESCAPED].base;

	for (uint32_t i = 0; i < g->n_gates && !err; i++) {
		node_id gate = g->gates[i].node;

		if (g->owners[g->gates[i].owner - 1].kind != OWNER_POOL)
			continue;
		for (edge_id e = graph_row(g, gate); e < graph_row(g, gate + 1); e++)
			if (s->owner[EDGE_NODE(g->dst[e])] == OWNER_OTHERS)
				bit_set(escaped, EDGE_NODE(g->dst[e]));
	}
	f->escaped = err ? NULL : escaped;
	return err;
}

static struct err *from_roots(struct env *env, struct spread *s, struct facts *f)
{
	struct err *err = from_all(s, OF_NO_GOROUTINE);

	if (!err)
		err = from_owned(s, OF_NO_GOROUTINE);
	if (!err)
		err = leave_alone(env, s, f);
	if (!err)
		err = from_all(s, OF_WAITING);
	if (!err)
		err = from_owned(s, OF_WAITING);
	if (!err)
		err = note_escaped(env, s, f);
	if (!err)
		err = from_all(s, OF_BUSY);
	return err ? err : from_owned(s, OF_BUSY);
}

static struct err *sum_up(struct env *env, const struct graph *g, struct facts *f)
{
	const uint16_t *owner = f->cols[COL_OWNER].base;
	struct err *err = col_fixed(env, sizeof(struct total), g->n_owners, "owners",
				    &f->cols[COL_OWNER_TOTAL]);
	struct total *totals;
	uint64_t near = 0;

	if (err)
		return err;
	totals = f->cols[COL_OWNER_TOTAL].base;
	memset(f->owner_shared, 0, sizeof(f->owner_shared));
	for (node_id i = 0; i < g->n; i++) {
		uint32_t of = owner[i];
		struct total *t;

		if (of == OWNER_UNREACHED || of == OWNER_OTHERS || !graph_is_live(g, i))
			continue;
		t = of <= OWNERS_TOLD ? &totals[of - 1] : &f->owner_shared[kind_of(g, of)];
		t->count++;
		t->bytes += graph_size_near(g, i, &near);
	}
	return NULL;
}

static struct err *mark_hidden(struct env *env, struct spread *s, struct col *hidden)
{
	const struct graph *g = s->g;
	struct err *err = col_fixed(env, 8, bits_words(g->n) + 1, "stuck goroutines", hidden);

	s->hidden = hidden->base;
	for (uint32_t i = 0; i < g->n_waits && !err; i++)
		if (g->waits[i].kind == WAIT_HIDDEN && is_stuck(s->f, g->waits[i].thread))
			bit_set(s->hidden, g->waits[i].node);
	return err;
}

struct cols {
	struct col gates, hidden, queued, visited, set;
};

static void cols_close(struct cols *c)
{
	col_close(&c->set);
	col_close(&c->visited);
	col_close(&c->queued);
	col_close(&c->hidden);
	col_close(&c->gates);
}

static struct err *mark_gates(struct env *env, struct spread *s, struct cols *c)
{
	uint64_t words = bits_words(s->g->n) + 1;
	struct err *err = col_fixed(env, 8, words, "gates", &c->gates);

	if (!err)
		err = col_fixed(env, 8, words, "nodes to visit", &c->queued);
	if (err)
		return err;
	s->is_gate = c->gates.base;
	s->queued = c->queued.base;
	for (uint32_t i = 0; i < s->g->n_gates; i++)
		bit_set(s->is_gate, s->g->gates[i].node);
	return NULL;
}

/* A stuck goroutine's own blocks are everybody's, and keep nothing. */
static struct err *open_marker(struct env *env, struct spread *s, struct cols *c)
{
	const struct graph *g = s->g;
	uint64_t *visited, words = bits_words(g->n) + 1;
	struct err *err = col_fixed(env, 8, words, "nodes to visit", &c->visited);

	if (!err)
		err = col_fixed(env, 8, words, "nodes to visit", &c->set);
	if (err)
		return err;
	visited = c->visited.base;
	for (uint64_t w = 0; w < bits_words(g->n); w++)
		visited[w] = (s->inner[w] & ~s->hidden[w]) | s->is_gate[w];
	err = marker_open(env, g, visited, c->set.base, common_pushes(g) + g->n_roots + 64,
			  &s->all);
	if (!err)
		common_begin(s->f, &s->all);
	return err;
}

struct err *owner_compute(struct env *env, const struct graph *g, const struct subset *inner,
			  struct facts *f)
{
	struct spread s = { .g = g, .f = f, .inner = inner->set, .gates = g->gates };
	_cleanup_(cols_close) struct cols cols = {};
	struct err *err;

	if (!g->n_owners)
		return NULL;
	err = col_fixed(env, 2, g->n, "owners", &f->cols[COL_OWNER]);
	if (err)
		return err;
	s.owner = f->cols[COL_OWNER].base;
	memset(s.owner, 0xff, 2 * (uint64_t)g->n);
	err = common_open(env, g, inner, f);
	if (!err)
		err = mark_hidden(env, &s, &cols.hidden);
	if (!err)
		err = mark_gates(env, &s, &cols);
	if (!err)
		err = open_marker(env, &s, &cols);
	if (!err)
		err = col_open(env, 4, inner->n, "nodes to visit", &s.stack);
	if (!err)
		err = from_roots(env, &s, f);
	if (!err)
		err = sum_up(env, g, f);
	marker_close(&s.all);
	col_close(&s.stack);
	if (err)
		return err;
	f->owner = f->cols[COL_OWNER].base;
	f->owner_total = f->cols[COL_OWNER_TOTAL].base;
	return NULL;
}
