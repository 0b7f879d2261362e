/*
 * analysis/holders.c - the dominator tree as pictures show it: its largest nodes.
 *
 * A node's retained bytes are more than those of any node it dominates, so that all nodes above
 * some number of bytes are a tree of their own from the top.  In it a run of like nodes, each held
 * by the one before (a list), is one row.  What is smaller is told together, by the row that holds
 * it and its type.  By type, like things on like ways are one, from the top on; that tree is exact
 * for all nodes and then cut to its largest rows.  Only computed when somebody asked for it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/chain.h"
#include "analysis/paths_tree.h"
#include "analysis/tree_rows.h"
#include "base/guard.h"
#include "base/size_steps.h"
#include "base/vec.h"

enum {
	LARGE_MAX = 1 << 18,   /* nodes that are looked at for themselves */
	NODES_MAX = 6000,      /* rows of one, or of a run */
	GROUPS_MAX = 6000,     /* rows of several together */
	GROUPS_TOLD = 1 << 18, /* that are told apart while they are summed */
	GROUPS_NEAR_BITS = 12,
};

/* Rows while they are made: the first two stand for what no node holds. */
enum { ROW_TOP, ROW_LOST, ROW_FIRST };

/* A large node. */
struct large {
	node_id node;
	uint32_t parent;    /* place of its dominator, which is as large; LARGE_NONE: it has none */
	uint32_t head;	    /* of its run: itself, or a place before */
	uint32_t row;	    /* of a head; ROW_NONE: it has none */
	uint64_t retained;
	uint64_t sort, run; /* of a head: nodes of its run */
};
#define LARGE_NONE UINT32_MAX
#define ROW_NONE UINT32_MAX

/* Nodes as they are collected. */
struct larges {
	struct large *v;
	size_t n, cap;
};

struct group {
	uint32_t parent; /* as rows are numbered while they are made */
	node_id like;	 /* one of them; NODE_NONE: of all sorts */
	uint64_t sort;	 /* UINT64_MAX: of all */
	uint64_t count, total;
};

struct holders {
	struct env *env;
	const struct subject *s;
	struct report *r;
	const struct graph *g;
	const struct facts *f;
	struct larges large, leaves; /* both ascending; leaves are joined to the others */
	uint64_t *set;	     /* one bit a node: of a run with a row */
	uint32_t *rank;	     /* members of the set in the words before */
	uint32_t *member_row; /* of the members, ascending */
	size_t n_kept;
	struct {
		struct group *v;
		size_t n, cap;
	} groups;
	struct pair_table group_of; /* by parent, sort */
	uint32_t *near_group;	    /* by hash: most nodes are like one a little before */
	struct {
		struct rp_tree_row *v;
		size_t n, cap;
	} rows;
	struct col set_col, rank_col;
	struct text name;
};

static void holders_fini(struct holders *x)
{
	free(x->large.v);
	free(x->leaves.v);
	free(x->member_row);
	free(x->near_group);
	col_close(&x->set_col);
	col_close(&x->rank_col);
	free(x->groups.v);
	free(x->group_of.slots);
	free(x->rows.v);
	text_fini(&x->name);
}

/* What is alike: the type, the size where that is unknown. */
static uint64_t sort_of(const struct graph *g, node_id node, uint64_t size)
{
	return node_type(g, node) ? 1ull << 63 | graph_type(g, node) : size & ~(1ull << 63);
}

static bool is_lost(const struct holders *x, node_id node)
{
	return x->f->reach[node] == REACH_DEFINITE || x->f->reach[node] == REACH_INDIRECT;
}

/* ---- the largest nodes */

static void drop_below(struct larges *l, unsigned least)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (size_step(l->v[i].retained) >= least)
			l->v[n++] = l->v[i];
	l->n = n;
}

/* While they are collected: what is below `floor` is in no step that is kept, and not counted. */
struct sieve {
	struct size_steps steps;
	uint64_t floor;
};

/* One more; those that have become too small for LARGE_MAX to be kept go, when there are many. */
static bool add_large(struct holders *x, struct larges *to, struct sieve *sieve, node_id node,
		      uint64_t retained)
{
	struct large l = {
		.node = node, .row = ROW_NONE, .head = LARGE_NONE, .run = 1, .retained = retained,
	};
	unsigned least;

	if (x->f->reach[node] == REACH_UNCOLLECTED)
		return true;
	sieve->steps.n[size_step(retained)]++;
	if (!vec_push(to, &l))
		return false;
	if (x->large.n + x->leaves.n < 2 * (size_t)LARGE_MAX)
		return true;
	least = size_steps_least(&sieve->steps, LARGE_MAX);
	sieve->floor = size_step_start(least);
	drop_below(&x->large, least);
	drop_below(&x->leaves, least);
	return true;
}

/* Of nodes with edges, whose retained bytes lie side by side: what is below is too small. */
static uint64_t floor_of_inner(const struct holders *x)
{
	const struct retained *r = &x->f->retained;
	uint64_t words = bits_words(x->g->n);
	struct size_steps steps = {};
	uint32_t n;

	if (!words)
		return 0;
	n = r->rank[words - 1] + (unsigned)__builtin_popcountll(r->set[words - 1]);
	for (uint32_t no = 0; no < n; no++)
		steps.n[size_step(retained_of_inner(r, no))]++;
	return size_step_start(size_steps_least(
		&steps, LARGE_MAX + x->f->reach_total[REACH_UNCOLLECTED].count));
}

static bool collect_inner(struct holders *x, struct sieve *sieve)
{
	const struct retained *r = &x->f->retained;
	uint32_t no = 0;

	for (uint64_t w = 0; w < bits_words(x->g->n); w++)
		for (uint64_t bits = r->set[w]; bits; bits &= bits - 1, no++) {
			uint64_t retained = retained_of_inner(r, no);
			node_id node = (node_id)(w << 6 | (unsigned)__builtin_ctzll(bits));

			if (retained >= sieve->floor &&
			    !add_large(x, &x->large, sieve, node, retained))
				return false;
		}
	return true;
}

/* The others, by words of the set: few have one that is large enough. */
static bool collect_leaves(struct holders *x, struct sieve *sieve)
{
	const struct graph *g = x->g;
	uint64_t near = 0;

	for (uint64_t w = 0; w < bits_words(g->n); w++) {
		uint64_t bits = g->live[w] & ~x->f->retained.set[w];

		if (graph_size_most(g, w) < sieve->floor)
			continue;
		for (; bits; bits &= bits - 1) {
			node_id node = (node_id)(w << 6 | (unsigned)__builtin_ctzll(bits));
			uint64_t size = graph_size_near(g, node, &near);

			if (size >= sieve->floor && !add_large(x, &x->leaves, sieve, node, size))
				return false;
		}
	}
	return true;
}

/* Leaves among the others, all ascending. */
static bool join_leaves(struct holders *x)
{
	size_t i = x->large.n, k = x->leaves.n, n = i + k;

	if (!vec_grow((void **)&x->large.v, &x->large.cap, n, sizeof(*x->large.v)))
		return false;
	x->large.n = n;
	while (k) {
		bool leaf = !i || x->large.v[i - 1].node < x->leaves.v[k - 1].node;

		x->large.v[--n] = leaf ? x->leaves.v[--k] : x->large.v[--i];
	}
	return true;
}

/* The other ones first, for few leaves are as large as the largest of these. */
static struct err *collect_large(struct holders *x)
{
	struct sieve sieve = { .floor = floor_of_inner(x) };
	uint64_t near = 0;
	unsigned least;

	if (!collect_inner(x, &sieve) || !collect_leaves(x, &sieve))
		return &err_nomem;
	least = size_steps_least(&sieve.steps, LARGE_MAX);
	drop_below(&x->large, least);
	drop_below(&x->leaves, least);
	if (!join_leaves(x))
		return &err_nomem;
	for (size_t i = 0; i < x->large.n; i++) {
		node_id node = x->large.v[i].node;
		uint64_t size = node_type(x->g, node) ? 0 : graph_size_near(x->g, node, &near);

		x->large.v[i].sort = sort_of(x->g, node, size);
	}
	return NULL;
}

/* How many members the set has before each of its words. */
static void rank_set(struct holders *x)
{
	uint32_t n = 0;

	for (uint64_t w = 0; w < bits_words(x->g->n); w++) {
		x->rank[w] = n;
		n += (unsigned)__builtin_popcountll(x->set[w]);
	}
}

static inline uint32_t members_before(const struct holders *x, node_id node)
{
	uint64_t below = x->set[node >> 6] & ((1ull << (node & 63)) - 1);

	return x->rank[node >> 6] + (unsigned)__builtin_popcountll(below);
}

/* While all large nodes are the set. */
static uint32_t large_at(const struct holders *x, node_id node)
{
	return node != NODE_NONE && bit_get(x->set, node) ? members_before(x, node) : LARGE_NONE;
}

static bool goes_on(const struct large *v, uint32_t i)
{
	return v[i].parent != LARGE_NONE && v[i].sort == v[v[i].parent].sort;
}

/* Up each run to its first, then down again with that. */
static void find_heads(struct holders *x)
{
	struct large *v = x->large.v;

	for (uint32_t i = 0; i < x->large.n; i++)
		bit_set(x->set, v[i].node);
	rank_set(x);
	for (uint32_t i = 0; i < x->large.n; i++)
		v[i].parent = large_at(x, x->f->idom[v[i].node]);
	for (uint32_t i = 0; i < x->large.n; i++) {
		uint32_t head = i;

		while (v[head].head == LARGE_NONE && goes_on(v, head))
			head = v[head].parent;
		if (v[head].head == LARGE_NONE)
			v[head].head = head;
		head = v[head].head;
		for (uint32_t at = i; v[at].head == LARGE_NONE; at = v[at].parent)
			v[at].head = head;
	}
	for (uint32_t i = 0; i < x->large.n; i++)
		if (v[i].head != i)
			v[v[i].head].run++;
}

/* The largest heads get rows; the nodes of their runs stay in the set. */
static struct err *number_rows(struct holders *x)
{
	struct large *v = x->large.v;
	struct size_steps steps = {};
	unsigned least;

	for (uint32_t i = 0; i < x->large.n; i++)
		if (v[i].head == i)
			steps.n[size_step(v[i].retained)]++;
	least = size_steps_least(&steps, NODES_MAX);
	for (uint32_t i = 0; i < x->large.n; i++)
		if (v[i].head == i && size_step(v[i].retained) >= least)
			v[i].row = ROW_FIRST + (uint32_t)x->n_kept++;
	x->member_row = calloc(x->large.n + 1, sizeof(*x->member_row));
	if (!x->member_row)
		return &err_nomem;
	for (uint32_t i = 0, n = 0; i < x->large.n; i++)
		if (v[v[i].head].row != ROW_NONE) {
			x->member_row[n++] = v[v[i].head].row;
		} else {
			bit_clear(x->set, v[i].node);
		}
	rank_set(x);
	return NULL;
}

/* Of what holds the node, which is in the set or nothing. */
static uint32_t parent_row(const struct holders *x, node_id node)
{
	node_id up = x->f->idom[node];

	if (up != NODE_NONE)
		return x->member_row[members_before(x, up)];
	return is_lost(x, node) ? ROW_LOST : ROW_TOP;
}

static struct group *group_at(struct holders *x, uint32_t parent, uint64_t sort, node_id like)
{
	struct group fresh = { .parent = parent, .like = like, .sort = sort };
	uint32_t *place;

	if (x->groups.n >= GROUPS_TOLD && !pair_get(&x->group_of, parent, sort)) {
		fresh.sort = sort = UINT64_MAX;
		fresh.like = NODE_NONE;
	}
	place = pair_place(&x->group_of, parent, sort);
	if (!place)
		return NULL;
	if (!*place) {
		if (!vec_push(&x->groups, &fresh)) {
			x->group_of.n--;
			return NULL;
		}
		*place = (uint32_t)x->groups.n;
	}
	return &x->groups.v[*place - 1];
}

/* The group of a node below a row: mostly the last one with that hash. */
static struct group *near_group(struct holders *x, uint32_t row, uint64_t sort, node_id node)
{
	uint64_t hash = (sort ^ (uint64_t)row << 40) * 0x9e3779b97f4a7c15;
	uint32_t *near = &x->near_group[hash >> (64 - GROUPS_NEAR_BITS)];
	struct group *group = *near < x->groups.n ? &x->groups.v[*near] : NULL;

	if (group && group->parent == row && group->sort == sort)
		return group;
	group = group_at(x, row, sort, node);
	if (group)
		*near = (uint32_t)(group - x->groups.v);
	return group;
}

/* Of 64 nodes those that a kept one holds, or nothing, and that have no row: without branches. */
static uint64_t held_by_kept(const struct holders *x, uint64_t word)
{
	const node_id *idom = x->f->idom + 64 * word;
	uint64_t left = x->g->n - 64 * word, n = left < 64 ? left : 64, ret = 0;

	for (uint64_t k = 0; k < n; k++) {
		bool top = idom[k] == NODE_NONE;
		node_id up = top ? 0 : idom[k];

		ret |= (uint64_t)(top | (x->set[up >> 6] >> (up & 63) & 1)) << k;
	}
	return ret & x->g->live[word] & ~x->set[word];
}

/* What a kept node, or none, holds at once and is not kept itself. */
static struct err *group_rest(struct holders *x)
{
	const struct graph *g = x->g;
	uint64_t at = 0;

	for (uint64_t w = 0; w < bits_words(g->n); w++)
		for (uint64_t held = held_by_kept(x, w); held; held &= held - 1) {
			node_id i = (node_id)(w << 6 | (unsigned)__builtin_ctzll(held));
			bool leaf = !bit_get(x->f->retained.set, i);
			struct group *group;
			uint64_t size;

			if (x->f->reach[i] == REACH_UNCOLLECTED)
				continue;
			size = leaf || !node_type(g, i) ? graph_size_near(g, i, &at) : 0;
			group = near_group(x, parent_row(x, i), sort_of(g, i, size), i);
			if (!group)
				return &err_nomem;
			group->count++;
			group->total += facts_retained_of(x->f, i, size);
		}
	return NULL;
}

static int largest_group(const void *pa, const void *pb)
{
	const struct group *a = pa, *b = pb;

	if (a->total != b->total)
		return a->total < b->total ? 1 : -1;
	if (a->parent != b->parent)
		return a->parent < b->parent ? -1 : 1;
	return a->like < b->like ? -1 : a->like > b->like;
}

static const char *name_of(struct holders *x, node_id node)
{
	text_reset(&x->name);
	graph_name_kind(x->g, node, graph_size(x->g, node), &x->name);
	return report_text(x->r, &x->name);
}

static struct err *add_row(struct holders *x, struct rp_tree_row row)
{
	/* nothing is below ROW_TOP: its children are the top */
	row.parent = row.parent == ROW_TOP ? TREE_TOP : row.parent;
	return row.name && vec_push(&x->rows, &row) ? NULL : &err_nomem;
}

static struct err *add_rows(struct holders *x)
{
	const struct facts *f = x->f;
	const struct total *totals = f->reach_total;
	struct err *err;

	/* as many as rows are numbered before the first node's; an empty one goes again */
	err = add_row(x, (struct rp_tree_row){ .parent = ROW_TOP,
					       .name = "(uncollected)",
					       .count = totals[REACH_UNCOLLECTED].count,
					       .total = totals[REACH_UNCOLLECTED].bytes });
	if (!err)
		err = add_row(x, (struct rp_tree_row){ .parent = ROW_TOP,
						       .name = "(lost)",
						       .count = f->n_lost,
						       .total = totals[REACH_DEFINITE].bytes +
								totals[REACH_INDIRECT].bytes });
	for (size_t i = 0; i < x->large.n && !err; i++) {
		const struct large *l = &x->large.v[i];

		if (l->row == ROW_NONE)
			continue;
		err = add_row(x, (struct rp_tree_row){ .parent = parent_row(x, l->node),
						       .name = name_of(x, l->node),
						       .address = graph_key(x->g, l->node),
						       .count = l->run,
						       .total = l->retained });
	}
	for (size_t i = 0; i < x->groups.n && i < GROUPS_MAX && !err; i++) {
		const struct group *group = &x->groups.v[i];
		bool one = group->count == 1 && group->like != NODE_NONE;
		struct rp_tree_row row = { .parent = group->parent,
					   .name = "(all sorts)",
					   .count = group->count,
					   .total = group->total };

		if (group->like != NODE_NONE)
			row.name = name_of(x, group->like);
		if (one)
			row.address = graph_key(x->g, group->like);
		err = add_row(x, row);
	}
	return err;
}

static struct err *largest_nodes(struct holders *x)
{
	struct err *err =
		col_fixed(x->env, 8, bits_words(x->g->n) + 1, "dominator tree", &x->set_col);

	if (!err)
		err = col_fixed(x->env, 4, bits_words(x->g->n) + 1, "dominator tree", &x->rank_col);
	x->near_group = calloc(1 << GROUPS_NEAR_BITS, sizeof(*x->near_group));
	if (!err && !x->near_group)
		err = &err_nomem;
	if (err)
		return err;
	x->rank = x->rank_col.base;
	x->set = x->set_col.base;
	err = collect_large(x);
	if (err)
		return err;
	find_heads(x);
	err = number_rows(x);
	if (!err)
		err = group_rest(x);
	if (err)
		return err;
	if (x->groups.n)
		qsort(x->groups.v, x->groups.n, sizeof(*x->groups.v), largest_group);
	err = add_rows(x);
	return err ? err :
		     tree_settle(x->r, x->rows.v, x->rows.n, x->n_kept,
				 x->g->n_live - x->f->reach_total[REACH_UNCOLLECTED].count,
				 &x->r->dominators);
}

static struct err *holders_run(struct env *env, const struct subject *s, struct report *r)
{
	_cleanup_(holders_fini) struct holders x = {
		.env = env,
		.s = s,
		.r = r,
		.g = s->graph,
		.f = s->facts,
		.name = TEXT_INIT,
	};

	return s->wants_trees ? largest_nodes(&x) : NULL;
}

const struct analysis_ops holders_analysis = {
	.name = "holders",
	.summary = "what holds what, for pictures",
	.needs = FACT_REACH | FACT_DOM,
	.run = holders_run,
};
