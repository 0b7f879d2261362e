/*
 * fact/dom.c - immediate dominators and retained sizes.
 *
 * Semi-NCA (Georgiadis, "Linear-Time Algorithms for Dominators and Related Problems", 2005) over
 * the nodes that have edges, renumbered in preorder of one depth-first walk; a leaf's dominator is
 * the nearest common one of the nodes that point at it (docs/design/dom.md).  Preorder number 0 is
 * the super-root; numbers, not node ids, are meant by `pre`.
 */
#include "fact/parts.h"

/*
 * One record an inner node, in id order, for the walk: FRESH | node until it is visited, then its
 * preorder number; how many targets are left; the targets, as places of records.
 */
enum { REC_NAME, REC_LEFT, REC_TARGETS };
enum { AHEAD = 24 }; /* how far random accesses are prefetched */
#define FRESH (1u << 31)

/* What the walk leaves behind, all by preorder number. */
struct order {
	uint32_t n;	     /* super-root included */
	uint32_t first_lost; /* from here on: what only lost heads lead to */
	uint32_t *vertex;    /* node */
	uint32_t *up;	     /* parent in the tree of the walk */
	uint32_t *pre;	     /* the way back: preorder number by number of the inner node */
	struct col vertex_col, up_col, pre_col;
	struct col pairs; /* struct pair: edges that are not of the tree */
};
struct pair {
	uint32_t to, from;
};

static void order_close(struct order *o)
{
	col_close(&o->vertex_col);
	col_close(&o->up_col);
	col_close(&o->pre_col);
	col_close(&o->pairs);
}

/* ---- the records ---- */

struct records {
	uint32_t *at; /* all records */
	struct col at_col;
	uint32_t *place; /* of each inner node, by its number */
	struct col place_col;
};

static void records_close(struct records *r)
{
	col_close(&r->at_col);
	col_close(&r->place_col);
}

/* Places, and room for the inner targets of each. */
static struct err *place_records(struct env *env, const struct graph *g, const struct subset *inner,
				 struct records *r)
{
	uint64_t at = 0;
	uint32_t no = 0;

	for (uint64_t w = 0; w < bits_words(g->n); w++) {
		for (uint64_t rest = inner->set[w]; rest; rest &= rest - 1, no++) {
			node_id node = (node_id)(w << 6 | (uint64_t)__builtin_ctzll(rest));
			edge_id e = graph_row(g, node), end = graph_row(g, node + 1);

			if (at > UINT32_MAX)
				return err_new(
					ERR_LIMIT,
					"retained sizes: more than 2^32 words of nodes and edges");
			r->place[no] = (uint32_t)at;
			at += REC_TARGETS;
			for (; e < end; e++)
				at += bit_get(inner->set, EDGE_NODE(g->dst[e]));
		}
	}
	if (at > UINT32_MAX)
		return err_new(ERR_LIMIT,
			       "retained sizes: more than 2^32 words of nodes and edges");
	return col_fixed(env, 4, at, "retained sizes", &r->at_col);
}

static void fill_records(const struct graph *g, const struct subset *inner, struct records *r)
{
	uint32_t no = 0;

	r->at = r->at_col.base;
	for (uint64_t w = 0; w < bits_words(g->n); w++) {
		for (uint64_t rest = inner->set[w]; rest; rest &= rest - 1, no++) {
			node_id node = (node_id)(w << 6 | (uint64_t)__builtin_ctzll(rest));
			edge_id e = graph_row(g, node), end = graph_row(g, node + 1);
			uint32_t *rec = r->at + r->place[no], n = 0;

			for (; e < end; e++) {
				node_id to = EDGE_NODE(g->dst[e]);

				if (e + AHEAD < g->m)
					__builtin_prefetch(&r->place[subset_no(
						inner, EDGE_NODE(g->dst[e + AHEAD]))]);
				if (bit_get(inner->set, to))
					rec[REC_TARGETS + n++] = r->place[subset_no(inner, to)];
			}
			rec[REC_NAME] = FRESH | node;
			rec[REC_LEFT] = n;
		}
	}
}

/* ---- the walk ---- */

struct walk {
	struct order *o;
	uint32_t *rec;
	uint32_t *stack; /* places of records with targets left */
	uint32_t n_stack;
};

static struct err *enter(struct walk *w, uint32_t place, uint32_t up)
{
	uint32_t *rec = w->rec + place;
	struct order *o = w->o;

	if (!(rec[REC_NAME] & FRESH)) {
		struct pair pair = { .to = rec[REC_NAME], .from = up };

		return col_append(&o->pairs, &pair, 1);
	}
	o->vertex[o->n] = rec[REC_NAME] & ~FRESH;
	o->up[o->n] = up;
	rec[REC_NAME] = o->n++;
	if (rec[REC_LEFT])
		w->stack[w->n_stack++] = place;
	for (uint32_t i = 0; i < rec[REC_LEFT] && i < 4; i++)
		__builtin_prefetch(&w->rec[rec[REC_TARGETS + rec[REC_LEFT] - 1 - i]], 1);
	return NULL;
}

/* A node leaves the stack with its last target, so that lists do not grow it. */
static struct err *walk_from(struct walk *w, uint32_t place)
{
	struct err *err = enter(w, place, 0);

	while (w->n_stack && !err) {
		uint32_t *rec = w->rec + w->stack[w->n_stack - 1];
		uint32_t left = --rec[REC_LEFT];

		if (!left)
			w->n_stack--;
		err = enter(w, rec[REC_TARGETS + left], rec[REC_NAME]);
	}
	return err;
}

static struct err *walk_all(struct walk *w, const struct graph *g, const struct subset *inner,
			    const struct records *r, const struct facts *f)
{
	struct err *err = NULL;

	for (uint32_t i = 0; i < g->n_roots && !err; i++)
		if (bit_get(inner->set, EDGE_NODE(g->root_node[i])))
			err = walk_from(w, r->place[subset_no(inner, EDGE_NODE(g->root_node[i]))]);
	w->o->first_lost = w->o->n;
	for (uint64_t i = 0; i < f->n_lost && !err; i++)
		if (bit_get(inner->set, f->lost[i].node))
			err = walk_from(w, r->place[subset_no(inner, f->lost[i].node)]);
	return err;
}

/* The names that the walk left in the records take the column of their places. */
static void keep_names(const struct subset *inner, struct records *r, struct order *o)
{
	for (uint32_t no = 0; no < inner->n; no++) {
		uint32_t name = r->at[r->place[no] + REC_NAME];

		r->place[no] = name & FRESH ? 0 : name;
	}
	o->pre = r->place;
	o->pre_col = r->place_col;
	r->place_col = (struct col){};
}

static struct err *walk_inner(struct env *env, const struct graph *g, const struct subset *inner,
			      const struct facts *f, struct order *o)
{
	struct records r = {};
	struct col stack = {};
	struct err *err = col_fixed(env, 4, inner->n, "retained sizes", &r.place_col);

	if (!err) {
		r.place = r.place_col.base;
		err = place_records(env, g, inner, &r);
	}
	if (!err)
		err = col_fixed(env, 4, (uint64_t)inner->n + 1, "retained sizes", &o->vertex_col);
	if (!err)
		err = col_fixed(env, 4, (uint64_t)inner->n + 1, "retained sizes", &o->up_col);
	if (!err)
		err = col_open(env, sizeof(struct pair), g->m + g->n_roots + f->n_lost,
			       "retained sizes", &o->pairs);
	if (!err)
		err = col_fixed(env, 4, inner->n, "retained sizes", &stack);
	if (!err) {
		struct walk w = { .o = o, .stack = stack.base };

		fill_records(g, inner, &r);
		w.rec = r.at;
		o->vertex = o->vertex_col.base;
		o->up = o->up_col.base;
		o->vertex[0] = NODE_NONE;
		o->n = 1;
		err = walk_all(&w, g, inner, &r, f);
	}
	if (!err)
		keep_names(inner, &r, o);
	col_close(&stack);
	records_close(&r);
	return err;
}

/* ---- semi-NCA ---- */

/* Four words a node, for one cache line a step. */
struct semi {
	uint32_t above; /* ancestor, moved up by path compression */
	uint32_t label; /* least semidominator on the way there */
	uint32_t semi, idom;
};

/*
 * The least semidominator from v up to, but not including, the last tree that is linked.  The way
 * up is turned around while it is walked, so that it needs no stack however deep it is.
 */
static uint32_t eval(struct semi *s, uint32_t v, uint32_t linked)
{
	uint32_t below = 0, top = v, root, label;

	if (s[v].above < linked)
		return s[v].label;
	while (s[top].above >= linked) {
		uint32_t next = s[top].above;

		s[top].above = below;
		below = top;
		top = next;
	}
	root = s[top].above;
	label = s[top].label;
	while (below) {
		uint32_t next = s[below].above;

		if (label < s[below].label)
			s[below].label = label;
		else
			label = s[below].label;
		s[below].above = root;
		below = next;
	}
	return s[v].label;
}

/* Sources of the pairs, by target: from[row[v]] .. from[row[v + 1] - 1]. */
static struct err *sort_pairs(struct env *env, struct order *o, struct col *row_col,
			      struct col *from_col)
{
	const struct pair *pairs = o->pairs.base;
	uint32_t *row, *from;
	struct err *err;

	if (o->pairs.n > UINT32_MAX)
		return err_new(ERR_LIMIT, "retained sizes: more than 2^32 edges outside the tree");
	err = col_fixed(env, 4, (uint64_t)o->n + 2, "retained sizes", row_col);
	if (!err)
		err = col_fixed(env, 4, o->pairs.n, "retained sizes", from_col);
	if (err)
		return err;
	row = row_col->base;
	from = from_col->base;
	for (uint64_t i = 0; i < o->pairs.n; i++)
		row[pairs[i].to + 2]++;
	for (uint64_t v = 2; v <= (uint64_t)o->n + 1; v++)
		row[v] += row[v - 1];
	for (uint64_t i = 0; i < o->pairs.n; i++)
		from[row[pairs[i].to + 1]++] = pairs[i].from;
	col_close(&o->pairs);
	return NULL;
}

static void semi_nca(struct semi *s, const struct order *o, const uint32_t *row,
		     const uint32_t *from)
{
	for (uint32_t v = 0; v < o->n; v++)
		s[v] = (struct semi){
			.above = o->up[v], .label = v, .semi = o->up[v], .idom = o->up[v]
		};
	for (uint32_t v = o->n - 1; v > 0; v--) {
		uint32_t semi = s[v].idom;

		for (uint32_t i = row[v]; i < row[v + 1]; i++) {
			uint32_t of = from[i] <= v ? from[i] : eval(s, from[i], v + 1);

			if (of < semi)
				semi = of;
		}
		s[v].semi = s[v].label = semi;
	}
	for (uint32_t v = 1; v < o->n; v++)
		while (s[v].idom > s[v].semi)
			s[v].idom = s[s[v].idom].idom;
}

/* o->up becomes the dominator tree; the column of semi-NCA is left to find_leaves(). */
static struct err *dominate(struct env *env, struct order *o, struct col *semi)
{
	struct col row = {}, from = {};
	struct err *err = sort_pairs(env, o, &row, &from);

	if (!err)
		err = col_fixed(env, sizeof(struct semi), o->n, "retained sizes", semi);
	if (!err) {
		const struct semi *s = semi->base;

		semi_nca(semi->base, o, row.base, from.base);
		for (uint32_t v = 0; v < o->n; v++)
			o->up[v] = s[v].idom;
	}
	col_close(&from);
	col_close(&row);
	return err;
}

/* ---- leaves ---- */

/*
 * Preorder numbers in idom: of a leaf's dominator, NODE_NONE while nothing is known to point at it;
 * of an inner node its own.
 */
static void dominate_leaves(const struct graph *g, const struct subset *inner,
			    const struct facts *f, const struct jumps *tree, const uint32_t *pre,
			    uint32_t *idom)
{
	uint32_t no = 0;

	memset(idom, 0xff, 4 * (uint64_t)g->n);
	for (uint32_t i = 0; i < g->n_roots; i++)
		idom[EDGE_NODE(g->root_node[i])] = 0;
	for (uint64_t i = 0; i < f->n_lost; i++)
		idom[f->lost[i].node] = 0;
	for (uint64_t w = 0; w < bits_words(g->n); w++) {
		for (uint64_t rest = inner->set[w]; rest; rest &= rest - 1, no++) {
			node_id node = (node_id)(w << 6 | (uint64_t)__builtin_ctzll(rest));
			edge_id e = graph_row(g, node), end = graph_row(g, node + 1);

			idom[node] = pre[no];
			for (; e < end; e++) {
				node_id to = EDGE_NODE(g->dst[e]);

				if (e + AHEAD < g->m)
					__builtin_prefetch(&idom[EDGE_NODE(g->dst[e + AHEAD])], 1);
				if (bit_get(inner->set, to) || !idom[to])
					continue;
				idom[to] = idom[to] == NODE_NONE ?
						   pre[no] :
						   jumps_common(tree, idom[to], pre[no]);
			}
		}
	}
}

/* `room` has what a jump needs for each inner node; its contents are done with. */
static void find_leaves(const struct graph *g, const struct subset *inner, const struct facts *f,
			const struct order *o, struct col *room, uint32_t *idom)
{
	struct jumps tree = { .at = room->base };

	_Static_assert(sizeof(struct jump) <= sizeof(struct semi), "fits");
	jumps_add_root(&tree, 0);
	for (uint32_t v = 1; v < o->n; v++) {
		tree.at[v].up = o->up[v];
		jumps_add(&tree, v);
	}
	dominate_leaves(g, inner, f, &tree, o->pre, idom);
}

/* ---- sizes ---- */

struct sums {
	uint64_t *bytes; /* by preorder number: of the subtree */
	uint32_t *nodes; /* likewise, from first_lost on */
	struct col bytes_col, nodes_col;
};

static void sums_close(struct sums *s)
{
	col_close(&s->bytes_col);
	col_close(&s->nodes_col);
}

/* What each node brings to its own place, or to that of the inner node that dominates it. */
static void add_nodes(const struct graph *g, const struct order *o, const uint32_t *idom,
		      struct sums *s)
{
	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it)) {
		uint32_t at = idom[it.id];

		if (g->n - it.id > AHEAD && idom[it.id + AHEAD] != NODE_NONE)
			__builtin_prefetch(&s->bytes[idom[it.id + AHEAD]], 1);
		if (at == NODE_NONE) /* no root and no lost head leads here: not of this graph */
			continue;
		s->bytes[at] += it.size;
		if (at >= o->first_lost)
			s->nodes[at - o->first_lost]++;
	}
}

static struct err *sum_up(struct env *env, const struct graph *g, const struct order *o,
			  const uint32_t *idom, struct sums *s)
{
	struct err *err = col_fixed(env, 8, o->n, "retained sizes", &s->bytes_col);

	if (!err)
		err = col_fixed(env, 4, o->n - o->first_lost, "retained sizes", &s->nodes_col);
	if (err)
		return err;
	s->bytes = s->bytes_col.base;
	s->nodes = s->nodes_col.base;
	add_nodes(g, o, idom, s);
	for (uint32_t v = o->n - 1; v > 0; v--) {
		uint32_t up = o->up[v];

		if (v > AHEAD)
			__builtin_prefetch(&s->bytes[o->up[v - AHEAD]], 1);
		s->bytes[up] += s->bytes[v];
		if (up >= o->first_lost)
			s->nodes[up - o->first_lost] += s->nodes[v - o->first_lost];
	}
	return NULL;
}

/* From preorder numbers to node ids. */
static void name_dominators(const struct graph *g, const struct subset *inner,
			    const struct order *o, uint32_t *idom)
{
	for (node_id i = 0; i < g->n; i++) {
		if (g->n - i > 2 * AHEAD && idom[i + 2 * AHEAD] != NODE_NONE)
			__builtin_prefetch(&o->up[idom[i + 2 * AHEAD]]);
		if (g->n - i > AHEAD && idom[i + AHEAD] != NODE_NONE)
			__builtin_prefetch(&o->vertex[o->up[idom[i + AHEAD]]]);
		if (idom[i] != NODE_NONE)
			idom[i] = o->vertex[bit_get(inner->set, i) ? o->up[idom[i]] : idom[i]];
	}
}

static void fill_retained(const struct graph *g, const struct subset *inner, const uint32_t *pre,
			  const struct sums *s, uint64_t *retained)
{
	struct graph_iter it;
	uint32_t no = 0;

	for (it = graph_iter(g, 0); it.id < g->n; graph_next(&it)) {
		retained[it.id] = it.size;
		if (!bit_get(inner->set, it.id))
			continue;
		if (no + AHEAD < inner->n)
			__builtin_prefetch(&s->bytes[pre[no + AHEAD]]);
		retained[it.id] = s->bytes[pre[no++]];
	}
}

/* What each lost head holds: `lost` is writable until the facts are handed out. */
static void fill_heads(const struct subset *inner, const struct order *o, const struct sums *s,
		       struct lost_head *lost, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		uint32_t v;

		if (!bit_get(inner->set, lost[i].node))
			continue;
		v = o->pre[subset_no(inner, lost[i].node)];
		lost[i].held_count = s->nodes[v - o->first_lost] - 1;
		lost[i].held_bytes = s->bytes[v] - lost[i].bytes;
	}
}

static struct err *finish(struct env *env, const struct graph *g, const struct subset *inner,
			  struct facts *f, struct order *o, struct col *semi)
{
	struct sums sums = {};
	uint32_t *idom;
	struct err *err = col_fixed(env, 4, g->n, "dominators", &f->cols[COL_IDOM]);

	if (err)
		return err;
	idom = f->cols[COL_IDOM].base;
	find_leaves(g, inner, f, o, semi, idom);
	col_close(semi);
	err = sum_up(env, g, o, idom, &sums);
	if (!err) {
		fill_heads(inner, o, &sums, f->cols[COL_LOST].base, f->n_lost);
		col_close(&sums.nodes_col);
		name_dominators(g, inner, o, idom);
		col_close(&o->vertex_col); /* before the widest column of all is made */
		col_close(&o->up_col);
		err = col_fixed(env, 8, g->n, "retained sizes", &f->cols[COL_RETAINED]);
	}
	if (!err)
		fill_retained(g, inner, o->pre, &sums, f->cols[COL_RETAINED].base);
	sums_close(&sums);
	return err;
}

/*
 * Garbage dominates nothing: without what is uncollected, every inner node has a way from a root or
 * a lost head.
 */
static void leave_out_garbage(const struct graph *g, const struct facts *f, struct subset *inner)
{
	if (!g->collected || !f->reach_total[REACH_UNCOLLECTED].count)
		return;
	for (node_id i = 0; i < g->n; i++)
		if (f->reach[i] == REACH_UNCOLLECTED)
			bit_clear(inner->set, i);
	subset_rank(inner);
}

struct err *dom_compute(struct env *env, const struct graph *g, struct facts *f)
{
	struct subset inner = {};
	struct order o = {};
	struct col semi = {};
	struct err *err = inner_nodes(env, g, &inner);

	if (!err) {
		leave_out_garbage(g, f, &inner);
		err = walk_inner(env, g, &inner, f, &o);
	}
	if (!err)
		err = dominate(env, &o, &semi);
	if (!err)
		err = finish(env, g, &inner, f, &o, &semi);
	col_close(&semi);
	order_close(&o);
	subset_close(&inner);
	if (err)
		return err;
	f->idom = f->cols[COL_IDOM].base;
	f->retained = f->cols[COL_RETAINED].base;
	return NULL;
}
