/*
 * analysis/holders.c - the dominator tree as pictures show it: its largest nodes, and by type.
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
#include "base/guard.h"
#include "base/search.h"
#include "base/size_steps.h"
#include "base/vec.h"

enum {
	LARGE_MAX = 1 << 18,   /* nodes that are looked at for themselves */
	NODES_MAX = 6000,      /* rows of one, or of a run */
	GROUPS_MAX = 6000,     /* rows of several together */
	GROUPS_TOLD = 1 << 18, /* that are told apart while they are summed */
	TYPE_ROWS = 8000,
	TYPE_ROWS_TOLD = 1 << 17, /* likewise */
	AHEAD = 24,		  /* how far random accesses are prefetched */
};

/* Rows while they are made: the first two stand for what no node holds. */
enum { ROW_TOP, ROW_LOST, ROW_FIRST };

/* A large node. */
struct large {
	node_id node;
	uint32_t parent;    /* place of its dominator, which is as large; LARGE_NONE: it has none */
	uint32_t head;	    /* of its run: itself, or a place before */
	uint32_t row;	    /* of a head; ROW_NONE: it has none */
	uint64_t sort, run; /* of a head: nodes of its run */
};
#define LARGE_NONE UINT32_MAX
#define ROW_NONE UINT32_MAX

struct group {
	uint32_t parent; /* as rows are numbered while they are made */
	node_id like;	 /* one of them; NODE_NONE: of all sorts */
	uint64_t count, total;
};

struct holders {
	struct env *env;
	const struct subject *s;
	struct report *r;
	const struct graph *g;
	const struct facts *f;
	struct {
		struct large *v;
		size_t n, cap;
	} large;       /* ascending */
	uint64_t *set; /* one bit a node: of a run with a row */
	size_t n_kept;
	struct {
		struct group *v;
		size_t n, cap;
	} groups;
	struct pair_table group_of; /* by parent, sort */
	struct {
		struct rp_tree_row *v;
		size_t n, cap;
	} rows;
	struct path_tree tree;	 /* by type */
	struct pair_table steps; /* (row, sort) */
	uint32_t *row;		 /* of the tree, by node */
	struct col row_col, stack, set_col;
	struct text name;
	uint64_t near;	       /* graph_size_near() */
	uint64_t n_live, lost; /* in the tree; bytes of it that nothing reaches */
};

static void holders_fini(struct holders *x)
{
	free(x->large.v);
	col_close(&x->set_col);
	free(x->groups.v);
	free(x->group_of.slots);
	free(x->rows.v);
	path_tree_fini(&x->tree);
	free(x->steps.slots);
	col_close(&x->row_col);
	col_close(&x->stack);
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

/* ---- rows in order */

static int by_parent(const void *pa, const void *pb)
{
	const struct rp_tree_row *const *x = pa, *const *y = pb, *a = *x, *b = *y;

	if (a->parent != b->parent)
		return a->parent < b->parent ? -1 : 1;
	if (a->total != b->total)
		return a->total < b->total ? 1 : -1;
	return a < b ? -1 : a > b;
}

/* The rows as a report has them; `rows` is in any order, with TREE_TOP the last of parents. */
static struct err *settle(struct report *r, const struct rp_tree_row *rows, size_t n, uint64_t told,
			  uint64_t nodes, const struct rp_tree **ret)
{
	_free_ const struct rp_tree_row **order = calloc(n + 1, sizeof(*order));
	_free_ uint32_t *first = calloc(n + 2, sizeof(*first)), *stack = calloc(n + 1, 8);
	struct rp_tree_row *out = arena_alloc(&r->mem, (n + 1) * sizeof(*out));
	struct rp_tree *tree = arena_alloc(&r->mem, sizeof(*tree));
	size_t open = 0, done = 0;

	if (!order || !first || !stack || !out || !tree)
		return &err_nomem;
	for (size_t i = 0; i < n; i++)
		order[i] = &rows[i];
	qsort(order, n, sizeof(*order), by_parent);
	/* first[p] .. first[p + 1]: children of row p; those of TREE_TOP come behind all others */
	for (size_t p = 0, i = 0; p <= n + 1; p++) {
		while (i < n && order[i]->parent < p)
			i++;
		first[p] = (uint32_t)i;
	}
	for (size_t i = n; i-- > first[n];) {
		stack[2 * open] = (uint32_t)i;
		stack[2 * open++ + 1] = TREE_TOP;
	}
	while (open) {
		const struct rp_tree_row *row = order[stack[2 * --open]];
		size_t id = (size_t)(row - rows);

		if (!row->total)
			continue;
		out[done] = *row;
		out[done].parent = stack[2 * open + 1];
		for (size_t i = first[id + 1]; i-- > first[id]; open++) {
			stack[2 * open] = (uint32_t)i;
			stack[2 * open + 1] = (uint32_t)done;
		}
		done++;
	}
	*tree = (struct rp_tree){ .rows = out, .n = done, .told = told, .nodes = nodes };
	*ret = tree;
	return NULL;
}

/* ---- the largest nodes */

/* In the tree: nodes that something keeps, or that are lost; not a collector's garbage. */
static bool is_in_tree(const struct holders *x, node_id node)
{
	return graph_is_live(x->g, node) && x->f->reach[node] != REACH_UNCOLLECTED;
}

static struct err *collect_large(struct holders *x)
{
	struct size_steps steps = {};
	struct graph_iter it;
	unsigned least;

	for (it = graph_iter(x->g, 0); it.id < x->g->n; graph_next(&it))
		if (is_in_tree(x, it.id))
			steps.n[size_step(facts_retained_of(x->f, it.id, it.size))]++;
	least = size_steps_least(&steps, LARGE_MAX);
	for (it = graph_iter(x->g, 0); it.id < x->g->n; graph_next(&it)) {
		struct large l = { .node = it.id, .row = ROW_NONE, .head = LARGE_NONE, .run = 1 };
		uint64_t retained = facts_retained_of(x->f, it.id, it.size);

		if (!is_in_tree(x, it.id))
			continue;
		x->n_live++;
		if (x->f->idom[it.id] == NODE_NONE && is_lost(x, it.id))
			x->lost += retained;
		if (size_step(retained) < least)
			continue;
		l.sort = sort_of(x->g, it.id, node_type(x->g, it.id) ? 0 : it.size);
		if (!vec_push(&x->large, &l))
			return &err_nomem;
	}
	return NULL;
}

static uint32_t large_at(const struct holders *x, node_id node)
{
	size_t at = partition_point(x->large.n, i, x->large.v[i].node < node);

	return at < x->large.n && x->large.v[at].node == node ? (uint32_t)at : LARGE_NONE;
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
		v[i].parent = x->f->idom[v[i].node] == NODE_NONE ?
				      LARGE_NONE :
				      large_at(x, x->f->idom[v[i].node]);
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

/* The largest heads get rows; the nodes of their runs are in the set. */
static void number_rows(struct holders *x)
{
	struct large *v = x->large.v;
	struct size_steps steps = {};
	unsigned least;

	for (uint32_t i = 0; i < x->large.n; i++)
		if (v[i].head == i)
			steps.n[size_step(facts_retained(x->f, v[i].node))]++;
	least = size_steps_least(&steps, NODES_MAX);
	for (uint32_t i = 0; i < x->large.n; i++)
		if (v[i].head == i && size_step(facts_retained(x->f, v[i].node)) >= least)
			v[i].row = ROW_FIRST + (uint32_t)x->n_kept++;
	for (uint32_t i = 0; i < x->large.n; i++)
		if (v[v[i].head].row != ROW_NONE)
			bit_set(x->set, v[i].node);
}

/* Of what holds the node, which is in the set or nothing. */
static uint32_t parent_row(const struct holders *x, node_id node)
{
	node_id up = x->f->idom[node];

	if (up != NODE_NONE)
		return x->large.v[x->large.v[large_at(x, up)].head].row;
	return is_lost(x, node) ? ROW_LOST : ROW_TOP;
}

static struct group *group_at(struct holders *x, uint32_t parent, uint64_t sort, node_id like)
{
	struct group fresh = { .parent = parent, .like = like };
	uint32_t *place;

	if (x->groups.n >= GROUPS_TOLD && !pair_get(&x->group_of, parent, sort)) {
		sort = UINT64_MAX;
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

/* What a kept node, or none, holds at once and is not kept itself. */
static struct err *group_rest(struct holders *x)
{
	const struct graph *g = x->g;
	node_id last = NODE_NONE;
	uint32_t row = ROW_TOP;

	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it)) {
		node_id up = x->f->idom[it.id];
		struct group *group;

		if (!is_in_tree(x, it.id) || bit_get(x->set, it.id) ||
		    (up != NODE_NONE && !bit_get(x->set, up)))
			continue;
		if (up == NODE_NONE || up != last)
			row = parent_row(x, it.id);
		last = up;
		group = group_at(x, row, sort_of(g, it.id, it.size), it.id);
		if (!group)
			return &err_nomem;
		group->count++;
		group->total += facts_retained_of(x->f, it.id, it.size);
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
	struct err *err;

	/* as many as rows are numbered before the first node's; an empty one goes again */
	err = add_row(x, (struct rp_tree_row){ .parent = ROW_TOP,
					       .name = "(uncollected)",
					       .count = f->reach_total[REACH_UNCOLLECTED].count,
					       .total = f->reach_total[REACH_UNCOLLECTED].bytes });
	if (!err)
		err = add_row(x, (struct rp_tree_row){ .parent = ROW_TOP,
						       .name = "(lost)",
						       .count = f->n_lost,
						       .total = x->lost });
	for (size_t i = 0; i < x->large.n && !err; i++) {
		const struct large *l = &x->large.v[i];

		if (l->row == ROW_NONE)
			continue;
		err = add_row(x, (struct rp_tree_row){ .parent = parent_row(x, l->node),
						       .name = name_of(x, l->node),
						       .address = graph_key(x->g, l->node),
						       .count = l->run,
						       .total = facts_retained(f, l->node) });
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

	if (err)
		return err;
	x->set = x->set_col.base;
	err = collect_large(x);
	if (err)
		return err;
	find_heads(x);
	number_rows(x);
	err = group_rest(x);
	if (err)
		return err;
	if (x->groups.n)
		qsort(x->groups.v, x->groups.n, sizeof(*x->groups.v), largest_group);
	err = add_rows(x);
	return err ? err :
		     settle(x->r, x->rows.v, x->rows.n, x->n_kept, x->n_live, &x->r->dominators);
}

/* ---- by type */

/* The row above all that is not lost; none in the report. */
static const char held[] = "(held)";

static struct err *type_step(struct holders *x, node_id node, uint32_t from, uint32_t *ret)
{
	uint64_t size = node_type(x->g, node) ? 0 : graph_size_near(x->g, node, &x->near);
	uint64_t start = from == PATH_NONE && is_lost(x, node) ? (uint64_t)PATH_NONE + 1 : from;
	uint32_t *place = pair_place(&x->steps, start, sort_of(x->g, node, size));
	const char *name, *type = graph_kind_name(x->g, node);

	if (!place)
		return &err_nomem;
	if (!*place) {
		uint32_t to = from;

		text_reset(&x->name);
		graph_name_kind(x->g, node, size, &x->name);
		name = text_str(&x->name);
		if (from == PATH_NONE)
			to = path_root(&x->tree, is_lost(x, node) ? "(lost)" : held, 0);
		if (to != PATH_NONE)
			to = path_step(&x->tree, to, name, name, type);
		if (to == PATH_NONE) {
			x->steps.n--;
			return &err_nomem;
		}
		*place = to + 1;
	}
	*ret = *place - 1;
	return NULL;
}

/* The rows of a node and of all that hold it and have none yet. */
static struct err *place_node(struct holders *x, node_id node)
{
	node_id *stack = x->stack.base, at = node;
	struct err *err = NULL;
	uint64_t n = 0;
	uint32_t from;

	while (at != NODE_NONE && x->row[at] == PATH_NONE && n < x->stack.max) {
		stack[n++] = at;
		at = x->f->idom[at];
	}
	from = at == NODE_NONE ? PATH_NONE : x->row[at];
	while (n-- && !err) {
		err = type_step(x, stack[n], from, &from);
		x->row[stack[n]] = from;
	}
	return err;
}

static struct err *place_all(struct holders *x)
{
	const struct graph *g = x->g;
	struct err *err = col_fixed(x->env, 4, g->n, "types by holder", &x->row_col);

	if (!err)
		err = col_fixed(x->env, 4, (uint64_t)g->n_live + 1, "types by holder", &x->stack);
	if (err)
		return err;
	x->row = x->row_col.base;
	memset(x->row, 0xff, 4 * (size_t)g->n);
	for (node_id i = 0; i < g->n && !err; i++) {
		if (i + AHEAD < g->n && x->f->idom[i + AHEAD] != NODE_NONE)
			__builtin_prefetch(&x->row[x->f->idom[i + AHEAD]]);
		if (is_in_tree(x, i) && x->row[i] == PATH_NONE)
			err = place_node(x, i);
	}
	return err;
}

static struct err *settle_types(struct holders *x, struct rp_tree_row *rows, size_t n)
{
	_free_ uint32_t *at = calloc(n + 1, sizeof(*at));
	size_t told = 0;
	uint64_t least;
	struct err *err = at ? tree_least(rows, n, TYPE_ROWS, &least) : &err_nomem;

	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		if (rows[i].total < least)
			continue;
		at[i] = (uint32_t)told;
		rows[told] = rows[i];
		if (rows[told].parent != TREE_TOP)
			rows[told].parent = at[rows[told].parent];
		told++;
	}
	return settle(x->r, rows, told, told, n, &x->r->by_type);
}

static struct err *types_by_holder(struct holders *x)
{
	const struct path_tree *t = &x->tree;
	_free_ struct rp_tree_row *rows = NULL;
	struct err *err = place_all(x);

	if (err)
		return err;
	rows = calloc(t->rows.n + 1, sizeof(*rows));
	if (!rows)
		return &err_nomem;
	for (size_t i = 0; i < t->rows.n; i++)
		rows[i] = (struct rp_tree_row){
			.parent = t->rows.v[i].parent == PATH_NONE ? TREE_TOP : t->rows.v[i].parent,
			.name = t->frames.v[t->rows.v[i].frame].name,
		};
	for (size_t i = 0; i < t->rows.n; i++)
		if (t->rows.v[i].parent != PATH_NONE &&
		    t->rows.v[t->rows.v[i].parent].parent == PATH_NONE &&
		    !strcmp(rows[t->rows.v[i].parent].name, held))
			rows[i].parent = TREE_TOP;
	for (struct graph_iter it = graph_iter(x->g, 0); it.id < x->g->n; graph_next(&it)) {
		struct rp_tree_row *row;

		if (!is_in_tree(x, it.id))
			continue;
		row = &rows[x->row[it.id]];
		row->count++;
		row->total += it.size;
	}
	for (size_t i = t->rows.n; i--;) /* a row is younger than the one above it */
		if (rows[i].parent != TREE_TOP)
			rows[rows[i].parent].total += rows[i].total;
	return settle_types(x, rows, t->rows.n);
}

static struct err *holders_run(struct env *env, const struct subject *s, struct report *r)
{
	_cleanup_(holders_fini) struct holders x = {
		.env = env,
		.s = s,
		.r = r,
		.g = s->graph,
		.f = s->facts,
		.tree = { .mem = &r->mem, .max = TYPE_ROWS_TOLD },
		.name = TEXT_INIT,
	};
	struct err *err;

	if (!s->wants_trees)
		return NULL;
	err = largest_nodes(&x);
	return err || !s->wants_types ? err : types_by_holder(&x);
}

const struct analysis_ops holders_analysis = {
	.name = "holders",
	.summary = "what holds what, for pictures",
	.needs = FACT_REACH | FACT_DOM,
	.run = holders_run,
};
