/*
 * fact/dom.c - immediate dominators and retained sizes.
 *
 * Semi-NCA (Georgiadis, "Linear-Time Algorithms for Dominators and Related Problems", 2005) over
 * the nodes that have edges, renumbered in preorder of one depth-first walk; a leaf's dominator is
 * the nearest common one of the nodes that point at it (docs/design/dom.md).  Preorder number 0 is
 * the super-root; numbers, not node ids, are meant by `pre`.
 */
#include <stddef.h>

#include "base/fetch.h"
#include "fact/parts.h"

/*
 * One record an inner node, in id order, for the walk: FRESH | node until it is visited, then its
 * preorder number; then the targets, as places of records, the last one marked.  A node with
 * leaves alone has one that is none.  Targets are done from the first on: when there are more, the
 * place of the first, which is done at once, says which is next.
 */
enum { REC_NAME, REC_TARGETS, REC_NEXT = REC_TARGETS };
enum { AHEAD = 24 }; /* how far random accesses are prefetched */
#define FRESH (1u << 31)
#define LAST (1u << 31)
#define NO_TARGET UINT32_MAX /* marked as the last */

/* What the walk leaves behind, all by preorder number. */
struct order {
	uint32_t n;	     /* super-root included */
	uint32_t first_lost; /* from here on: what only lost heads lead to */
	uint32_t *up;	     /* parent in the tree of the walk; later in that of dominators */
	uint32_t *pre;	     /* preorder number by number of the inner node; was the records */
	struct col up_col;   /* with room for a struct semi each */
	struct col pre_col;
	struct col pairs; /* struct pair: edges that are not of the tree */
};
struct pair {
	uint32_t to, from;
};

/* Four words a node, for one cache line a step. */
struct semi {
	uint32_t above; /* ancestor, moved up by path compression */
	uint32_t label; /* least semidominator on the way there */
	uint32_t semi, idom;
};

static void order_close(struct order *o)
{
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
	struct col start_col; /* places that roots point at, then those of lost heads */
	uint64_t n_roots;     /* of the former */
};

static void records_close(struct records *r)
{
	col_close(&r->at_col);
	col_close(&r->place_col);
	col_close(&r->start_col);
}

/* Places, and room for the inner targets of each. */
static struct err *place_records(struct env *env, const struct graph *g, const struct subset *inner,
				 struct records *r)
{
	uint64_t at = 0;
	uint32_t no = 0;
	struct err *err = col_fixed(env, 4, inner->n, "retained sizes", &r->place_col);

	if (err)
		return err;
	r->place = r->place_col.base;
	for (uint64_t w = 0; w < bits_words(g->n) && at < LAST; w++) {
		for (uint64_t rest = inner->set[w]; rest; rest &= rest - 1, no++) {
			node_id node = (node_id)(w << 6 | (uint64_t)__builtin_ctzll(rest));
			edge_id e = graph_row(g, node), end = graph_row(g, node + 1);
			uint64_t first = at + REC_TARGETS;

			r->place[no] = (uint32_t)at;
			for (at = first; e < end; e++)
				at += bit_get(inner->set, EDGE_NODE(g->dst[e]));
			at += at == first;
		}
	}
	if (at >= LAST)
		return err_new(ERR_LIMIT,
			       "retained sizes: more than 2^31 words of nodes and edges");
	return col_fixed(env, 4, at, "retained sizes", &r->at_col);
}

static void fill_records(const struct graph *g, const struct subset *inner, struct records *r)
{
	uint32_t no = 0, *rec = r->at_col.base;

	r->at = rec;
	for (uint64_t w = 0; w < bits_words(g->n); w++) {
		for (uint64_t rest = inner->set[w]; rest; rest &= rest - 1, no++) {
			node_id node = (node_id)(w << 6 | (uint64_t)__builtin_ctzll(rest));
			edge_id e = graph_row(g, node), end = graph_row(g, node + 1);
			uint32_t *first = rec + 1;

			*rec++ = FRESH | node;
			for (; e < end; e++) {
				node_id to = EDGE_NODE(g->dst[e]);

				if (e + AHEAD < g->m)
					__builtin_prefetch(&r->place[subset_no(
						inner, EDGE_NODE(g->dst[e + AHEAD]))]);
				if (bit_get(inner->set, to))
					*rec++ = r->place[subset_no(inner, to)];
			}
			if (rec == first)
				*rec++ = NO_TARGET;
			rec[-1] |= LAST;
		}
	}
}

static struct err *add_start(struct records *r, const struct subset *inner, node_id node)
{
	if (!bit_get(inner->set, node))
		return NULL;
	return col_append(&r->start_col, &r->place[subset_no(inner, node)], 1);
}

static struct err *find_starts(struct env *env, const struct graph *g, const struct subset *inner,
			       const struct facts *f, struct records *r)
{
	struct err *err =
		col_open(env, 4, g->n_roots + f->n_lost, "retained sizes", &r->start_col);

	for (uint32_t i = 0; i < g->n_roots && !err; i++)
		err = add_start(r, inner, EDGE_NODE(g->root_node[i]));
	r->n_roots = r->start_col.n;
	for (uint64_t i = 0; i < f->n_lost && !err; i++)
		err = add_start(r, inner, f->lost[i].node);
	return err;
}

static struct err *make_records(struct env *env, const struct graph *g, const struct subset *inner,
				const struct facts *f, struct records *r)
{
	struct err *err = place_records(env, g, inner, r);

	if (!err) {
		fill_records(g, inner, r);
		err = find_starts(env, g, inner, f, r);
	}
	col_close(&r->place_col);
	return err;
}

/* ---- the walk ---- */

struct walk {
	struct order *o;
	uint32_t *rec;
	struct col stack; /* places of records with targets left */
};

static FETCHES void fetch_targets(const uint32_t *rec, const uint32_t *target)
{
	for (unsigned i = 0; i < 4; i++) {
		if (target[i] != NO_TARGET)
			__builtin_prefetch(&rec[target[i] & ~LAST], 1);
		if (target[i] & LAST)
			break;
	}
}

/* Enters nodes as long as each is new and leads on: its first target next. */
static struct err *go_down(struct walk *w, uint32_t place, uint32_t up)
{
	struct order *o = w->o;

	for (;;) {
		uint32_t *rec = w->rec + place, first = rec[REC_TARGETS];

		if (!(rec[REC_NAME] & FRESH)) {
			struct pair pair = { .to = rec[REC_NAME], .from = up };

			return col_append(&o->pairs, &pair, 1);
		}
		o->up[o->n] = up;
		up = rec[REC_NAME] = o->n++;
		if (first == NO_TARGET)
			return NULL;
		fetch_targets(w->rec, rec + REC_TARGETS);
		if (!(first & LAST)) {
			struct err *err = col_append(&w->stack, &place, 1);

			if (err)
				return err;
			rec[REC_NEXT] = REC_TARGETS + 1;
		}
		place = first & ~LAST;
	}
}

/* A node leaves the stack with its last target, so that lists do not grow it. */
static struct err *walk_from(struct walk *w, uint32_t place)
{
	struct err *err = go_down(w, place, 0);

	while (w->stack.n && !err) {
		uint32_t *rec = w->rec + ((uint32_t *)w->stack.base)[w->stack.n - 1];
		uint32_t next = rec[rec[REC_NEXT]];

		if (next & LAST)
			w->stack.n--;
		else
			rec[REC_NEXT]++;
		err = go_down(w, next & ~LAST, rec[REC_NAME]);
	}
	return err;
}

static struct err *walk_all(struct walk *w, const struct records *r)
{
	const uint32_t *start = r->start_col.base;
	struct err *err = NULL;

	for (uint64_t i = 0; i < r->start_col.n && !err; i++) {
		if (i == r->n_roots)
			w->o->first_lost = w->o->n;
		err = walk_from(w, start[i]);
	}
	if (r->n_roots == r->start_col.n)
		w->o->first_lost = w->o->n;
	return err;
}

/* The names that the walk left in the records, one after another at the start of their column. */
static struct err *keep_names(const struct subset *inner, struct records *r, struct order *o)
{
	const uint32_t *rec = r->at;
	struct err *err;

	for (uint32_t no = 0; no < inner->n; no++) {
		uint32_t name = rec[REC_NAME], last = REC_TARGETS;

		if (!(name & FRESH) && !(rec[REC_TARGETS] & LAST))
			last = rec[REC_NEXT]; /* the walk has come to it */
		while (!(rec[last] & LAST))
			last++;
		rec += last + 1;
		r->at[no] = name & FRESH ? 0 : name;
	}
	err = col_recast(&r->at_col, 4, inner->n);
	o->pre = r->at;
	o->pre_col = r->at_col;
	r->at_col = (struct col){};
	return err;
}

static struct err *walk_inner(struct env *env, const struct graph *g, const struct subset *inner,
			      const struct facts *f, struct order *o)
{
	struct records r = {};
	struct walk w = { .o = o };
	struct err *err = make_records(env, g, inner, f, &r);

	if (!err)
		err = col_open(env, sizeof(struct semi), (uint64_t)inner->n + 1, "retained sizes",
			       &o->up_col);
	if (!err)
		err = col_recast(&o->up_col, 4, (uint64_t)inner->n + 1);
	if (!err)
		err = col_open(env, sizeof(struct pair), g->m + g->n_roots + f->n_lost,
			       "retained sizes", &o->pairs);
	if (!err)
		err = col_open(env, 4, inner->n, "retained sizes", &w.stack);
	if (!err) {
		w.rec = r.at;
		o->up = o->up_col.base;
		o->n = 1;
		err = walk_all(&w, &r);
	}
	col_close(&w.stack);
	if (!err)
		err = keep_names(inner, &r, o);
	records_close(&r);
	return err;
}

/* ---- semi-NCA ---- */

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

/*
 * Sources of the pairs: by target, ascending; the first of each target is marked, and `has` says
 * which targets there are.
 */
struct sources {
	uint32_t *from;
	uint64_t *has;
	uint64_t n;
	struct col from_col, has_col;
};
#define FIRST (1u << 31)

static void sources_close(struct sources *s)
{
	col_close(&s->from_col);
	col_close(&s->has_col);
}

static void fill_sources(const struct order *o, uint32_t *row, struct sources *s)
{
	const struct pair *pairs = o->pairs.base;

	for (uint64_t i = 0; i < s->n; i++)
		row[pairs[i].to + 1]++;
	for (uint64_t v = 1; v <= o->n; v++)
		row[v] += row[v - 1];
	for (uint64_t i = 0; i < s->n; i++)
		s->from[row[pairs[i].to]++] = pairs[i].from;
	/* Each row now ends where the next one began. */
	for (uint32_t v = 0, begin = 0; v < o->n; begin = row[v++]) {
		if (begin == row[v])
			continue;
		s->from[begin] |= FIRST;
		bit_set(s->has, v);
	}
}

static struct err *sort_pairs(struct env *env, struct order *o, struct sources *ret)
{
	struct sources s = { .n = o->pairs.n };
	struct col row = {};
	struct err *err;

	if (s.n > UINT32_MAX)
		return err_new(ERR_LIMIT, "retained sizes: more than 2^32 edges outside the tree");
	err = col_fixed(env, 4, (uint64_t)o->n + 1, "retained sizes", &row);
	if (!err)
		err = col_fixed(env, 4, s.n, "retained sizes", &s.from_col);
	if (!err)
		err = col_fixed(env, 8, bits_words(o->n), "retained sizes", &s.has_col);
	if (!err) {
		s.from = s.from_col.base;
		s.has = s.has_col.base;
		fill_sources(o, row.base, &s);
	}
	col_close(&row);
	col_close(&o->pairs);
	*ret = s;
	return err;
}

/* Parents of the walk become records of four times their size, in place: from the end. */
static struct semi *spread_parents(struct order *o)
{
	struct semi *s = o->up_col.base;

	for (uint32_t v = o->n; v--;) {
		uint32_t up = o->up[v];

		s[v] = (struct semi){ .above = up, .label = v, .semi = up, .idom = up };
	}
	return s;
}

static void semi_nca(struct semi *s, uint32_t n, const struct sources *from)
{
	uint64_t i = from->n;

	for (uint32_t v = n - 1; v > 0; v--) {
		uint32_t semi = s[v].idom;

		for (bool more = bit_get(from->has, v); more;) {
			uint32_t at = from->from[--i] & ~FIRST, of;

			more = !(from->from[i] & FIRST);
			of = at <= v ? at : eval(s, at, v + 1);
			if (of < semi)
				semi = of;
		}
		s[v].semi = s[v].label = semi;
	}
	for (uint32_t v = 1; v < n; v++)
		while (s[v].idom > s[v].semi)
			s[v].idom = s[s[v].idom].idom;
}

/* o->up_col becomes a column of struct semi with dominators. */
static struct err *dominate(struct env *env, struct order *o)
{
	struct sources from = {};
	struct err *err = sort_pairs(env, o, &from);

	if (!err)
		err = col_recast(&o->up_col, sizeof(struct semi), o->n);
	if (!err)
		semi_nca(spread_parents(o), o->n, &from);
	sources_close(&from);
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
				if (bit_get(inner->set, to) || !idom[to] || idom[to] == pre[no])
					continue;
				idom[to] = idom[to] == NODE_NONE ?
						   pre[no] :
						   jumps_common(tree, idom[to], pre[no]);
			}
		}
	}
}

/* The column of semi-NCA becomes one of jumps, and that the dominator of each, in place. */
static struct err *find_leaves(struct env *env, const struct graph *g, const struct subset *inner,
			       struct facts *f, struct order *o, uint32_t **ret_idom)
{
	const uint32_t *words = o->up_col.base; /* of struct semi: what is read lies ahead */
	struct jumps tree = { .at = o->up_col.base };
	struct err *err;

	_Static_assert(sizeof(struct jump) <= sizeof(struct semi), "each fits in the place of one");
	jumps_add_root(&tree, 0);
	for (uint32_t v = 1; v < o->n; v++) {
		tree.at[v].up = words[sizeof(struct semi) / 4 * (uint64_t)v +
				      offsetof(struct semi, idom) / 4];
		jumps_add(&tree, v);
	}
	err = col_recast(&o->up_col, sizeof(struct jump), o->n);
	if (!err)
		err = col_fixed(env, 4, g->n, "dominators", &f->cols[COL_IDOM]);
	if (err)
		return err;
	*ret_idom = f->cols[COL_IDOM].base;
	dominate_leaves(g, inner, f, &tree, o->pre, *ret_idom);
	for (uint32_t v = 0; v < o->n; v++)
		o->up[v] = tree.at[v].up;
	return col_recast(&o->up_col, 4, o->n);
}

/* ---- sizes ---- */

/*
 * Bytes of the subtree by preorder number, in units of the graph: four bytes each, as long as all
 * that is live together fits.
 */
struct sums {
	uint32_t *narrow;
	uint64_t *wide;	 /* instead, if not NULL */
	uint32_t *nodes; /* of the subtree, from first_lost on */
	unsigned shift;	 /* of bytes to units */
	struct col bytes_col, nodes_col;
};

static void sums_close(struct sums *s)
{
	col_close(&s->bytes_col);
	col_close(&s->nodes_col);
}

static struct err *sums_open(struct env *env, const struct graph *g, const struct order *o,
			     struct sums *s)
{
	struct err *err;
	bool wide;

	s->shift = g->grains ? g->grains->shift : 0;
	wide = g->live_bytes >> s->shift > UINT32_MAX;
	err = col_fixed(env, wide ? 8 : 4, o->n, "retained sizes", &s->bytes_col);
	if (!err)
		err = col_fixed(env, 4, o->n - o->first_lost, "retained sizes", &s->nodes_col);
	s->narrow = wide ? NULL : s->bytes_col.base;
	s->wide = wide ? s->bytes_col.base : NULL;
	s->nodes = s->nodes_col.base;
	return err;
}

static inline uint64_t sum_of(const struct sums *s, uint32_t v)
{
	return s->wide ? s->wide[v] : s->narrow[v];
}

static inline void sum_add(struct sums *s, uint32_t v, uint64_t units)
{
	if (s->wide)
		s->wide[v] += units;
	else
		s->narrow[v] += (uint32_t)units;
}

static FETCHES void sum_fetch(const struct sums *s, uint32_t v)
{
	if (s->wide)
		__builtin_prefetch(&s->wide[v], 1);
	else
		__builtin_prefetch(&s->narrow[v], 1);
}

/*
 * What each node brings to its own place, or to that of the inner node that dominates it, by whose
 * name a leaf is told from here on.
 */
static void add_nodes(const struct graph *g, const struct order *o, const uint32_t *vertex,
		      uint32_t *idom, struct sums *s)
{
	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it)) {
		uint32_t at = idom[it.id];

		if (g->n - it.id > AHEAD && idom[it.id + AHEAD] != NODE_NONE) {
			sum_fetch(s, idom[it.id + AHEAD]);
			__builtin_prefetch(&vertex[idom[it.id + AHEAD]]);
		}
		if (at == NODE_NONE) /* no root and no lost head leads here: not of this graph */
			continue;
		sum_add(s, at, it.size >> s->shift);
		if (at >= o->first_lost)
			s->nodes[at - o->first_lost]++;
		idom[it.id] = vertex[at];
	}
}

static void sum_up(const struct order *o, struct sums *s)
{
	for (uint32_t v = o->n - 1; v > 0; v--) {
		uint32_t up = o->up[v];

		if (v > AHEAD)
			sum_fetch(s, o->up[v - AHEAD]);
		sum_add(s, up, sum_of(s, v));
		if (up >= o->first_lost)
			s->nodes[up - o->first_lost] += s->nodes[v - o->first_lost];
	}
}

/* From preorder numbers to node ids; that order stays. */
static struct err *name_inner(struct env *env, const struct graph *g, const struct subset *inner,
			      const struct order *o, struct facts *f)
{
	struct col *col = &f->cols[COL_TREE];
	struct err *err = col_fixed(env, 4, o->n, "dominators", col);
	uint32_t *vertex = col->base, no = 0;

	for (uint64_t w = 0; w < bits_words(g->n) && !err; w++)
		for (uint64_t rest = inner->set[w]; rest; rest &= rest - 1)
			vertex[o->pre[no++]] = (node_id)(w << 6 | (uint64_t)__builtin_ctzll(rest));
	if (err)
		return err;
	vertex[0] = NODE_NONE;
	f->tree = vertex + 1;
	f->n_tree = o->n - 1;
	return NULL;
}

/* Of inner nodes, in preorder: their dominators mostly lie near in it. */
static void name_dominators(const struct order *o, const uint32_t *vertex, uint32_t *idom)
{
	for (uint32_t v = 1; v < o->n; v++) {
		if (o->n - v > AHEAD)
			__builtin_prefetch(&idom[vertex[v + AHEAD]], 1);
		idom[vertex[v]] = vertex[o->up[v]];
	}
}

/* Sums by the numbers of inner nodes: where their preorder numbers were, if they fit there. */
static struct err *keep_sums(struct env *env, struct order *o, const struct sums *s,
			     struct facts *f)
{
	struct col *col = &f->cols[COL_RETAINED];
	uint64_t n = o->pre_col.n;
	struct err *err = s->wide ? col_fixed(env, 8, n, "retained sizes", col) : NULL;

	if (err)
		return err;
	for (uint64_t no = 0; no < n; no++) {
		uint32_t v = o->pre[no];

		if (n - no > AHEAD)
			sum_fetch(s, o->pre[no + AHEAD]);
		if (s->wide)
			((uint64_t *)col->base)[no] = s->wide[v];
		else
			o->pre[no] = s->narrow[v];
	}
	if (!s->wide) {
		*col = o->pre_col;
		o->pre_col = (struct col){};
	}
	return NULL;
}

static struct err *fill_retained(struct env *env, const struct graph *g,
				 const struct subset *inner, struct order *o, const struct sums *s,
				 struct facts *f)
{
	struct subset set;
	struct err *err = keep_sums(env, o, s, f);

	if (!err)
		err = subset_copy(env, g->n, inner, &set);
	if (err)
		return err;
	f->cols[COL_RETAINED_SET] = set.set_col;
	f->cols[COL_RETAINED_RANK] = set.rank_col;
	f->retained = (struct retained){
		.g = g, .set = set.set, .rank = set.rank, .shift = s->shift,
		.narrow = s->wide ? NULL : f->cols[COL_RETAINED].base,
		.wide = s->wide ? f->cols[COL_RETAINED].base : NULL,
	};
	return NULL;
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
		lost[i].held_bytes = (sum_of(s, v) << s->shift) - lost[i].bytes;
	}
}

static struct err *finish(struct env *env, const struct graph *g, const struct subset *inner,
			  struct facts *f, struct order *o)
{
	struct sums sums = {};
	uint32_t *idom = NULL;
	struct err *err = find_leaves(env, g, inner, f, o, &idom);

	if (!err)
		err = sums_open(env, g, o, &sums);
	if (!err)
		err = name_inner(env, g, inner, o, f);
	if (!err) {
		add_nodes(g, o, f->tree - 1, idom, &sums);
		name_dominators(o, f->tree - 1, idom);
		sum_up(o, &sums);
		fill_heads(inner, o, &sums, f->cols[COL_LOST].base, f->n_lost);
		col_close(&sums.nodes_col);
	}
	col_close(&o->up_col);
	if (!err)
		err = fill_retained(env, g, inner, o, &sums, f);
	sums_close(&sums);
	return err;
}

/*
 * Garbage dominates nothing: without what is uncollected, every inner node has a way from a root or
 * a lost head.
 */
static struct err *leave_out_garbage(struct env *env, const struct graph *g, const struct facts *f,
				     const struct subset *all, struct subset *ret)
{
	struct err *err = subset_copy(env, g->n, all, ret);

	if (err)
		return err;
	for (node_id i = 0; i < g->n; i++)
		if (f->reach[i] == REACH_UNCOLLECTED)
			bit_clear(ret->set, i);
	subset_rank(ret);
	return NULL;
}

struct err *dom_compute(struct env *env, const struct graph *g, const struct subset *all,
			struct facts *f)
{
	const struct subset *inner = all;
	struct subset kept = {};
	struct order o = {};
	struct err *err = NULL;

	if (g->collected && f->reach_total[REACH_UNCOLLECTED].count) {
		err = leave_out_garbage(env, g, f, all, &kept);
		inner = &kept;
	}
	if (!err)
		err = walk_inner(env, g, inner, f, &o);
	if (!err)
		err = dominate(env, &o);
	if (!err)
		err = finish(env, g, inner, f, &o);
	order_close(&o);
	subset_close(&kept);
	f->idom = err ? NULL : f->cols[COL_IDOM].base;
	return err;
}
