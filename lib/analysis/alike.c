/*
 * analysis/alike.c - each live node after what is above it in both trees.
 *
 * What of a node with edges decides is put together first, eight bytes a node in order of
 * addresses: its dominator and its sort.  Then these get their cells in the order of the walk that
 * found the shortest chains: what holds a node by dominators is above it there, too.  Then all, in
 * order of addresses: leaves, which nothing asks for before, and what is lost, behind what is
 * above it.  What the cells above and the step between decide is found out once: a node costs a
 * look at these eight bytes, at the cell of its parent and one in a table.
 */
#include "analysis/alike.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/chain.h"
#include "base/fetch.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"

enum {
	PATH_ROWS = 1 << 18,  /* rows told apart while they are found */
	TYPE_ROWS = 1 << 17,
	UNTYPED_SMALL = 256,  /* fields of larger ones are elements, mostly; else SLOT_BLOCK */
	SORTS_NEAR_BITS = 10, /* of the last ones: most nodes are like one a little before */
	STEPS_NEAR_BITS = 10, /* the same of leaves, with what is above them */
	SETS_MAX = 1 << 18,   /* of samples above a node */
	SET_MEMBERS_MAX = 1 << 23,
	HOLDERS_MAX = 4096,   /* threads and goroutines told apart */
	AHEAD = 24,	      /* how far random accesses are prefetched */
};
const char alike_held[] = "(held)";

/* What nodes are by themselves. */
struct sort {
	uint64_t what;	/* SORT_TYPED | type, or the size */
	uint64_t where; /* heap << 8 | reach */
};
#define SORT_TYPED (1ull << 63)

static uint64_t size_of_sort(const struct sort *sort) /* 0 with a type, for names have none */
{
	return sort->what & SORT_TYPED ? 0 : sort->what;
}

static enum reach reach_of_sort(const struct sort *sort)
{
	return (enum reach)(sort->where & 255);
}

/* A leaf, what is above it, and the cell that it has by that. */
struct near_step {
	uint64_t above, what;
	uint64_t where; /* and the way */
	uint32_t cell;	/* + 1; 0: none yet */
};

struct alike_pass {
	struct alike *a;
	const struct subject *s;
	struct report *r;
	const struct graph *g;
	const struct facts *f;
	struct alike_place *places; /* by node */
	const uint64_t *inner;	    /* nodes with edges */
	uint32_t *walked;     /* cells by place in facts.order */
	struct {
		struct sort *v;
		size_t n, cap;
	} sorts;
	struct pair_table sort_of;   /* by both words of it */
	struct pair_table step_of;   /* by the cells above, and what leads on */
	struct pair_table state_of;  /* what a cell is known by besides path and row */
	struct pair_table cell_of;   /* by path, row, and that */
	struct pair_table set_of;    /* by hash of the members, how many */
	struct pair_table sample_of; /* by path, heap and reach */
	struct pair_table holder_of; /* by thread, goroutine */
	uint64_t n_members;	     /* of sets */
	uint32_t *near_sort;	     /* by hash */
	struct near_step *near_step;
	struct heap_nodes *heaps;
	size_t n_heaps, heap; /* the last one asked for */
	struct col stack, walked_col, heap_col;
	struct text name, bare;
};

static void alike_pass_fini(struct alike_pass *x)
{
	col_close(&x->stack);
	col_close(&x->walked_col);
	col_close(&x->heap_col);
	text_fini(&x->name);
	text_fini(&x->bare);
	free(x->sorts.v);
	free(x->sort_of.slots);
	free(x->step_of.slots);
	free(x->state_of.slots);
	free(x->cell_of.slots);
	free(x->set_of.slots);
	free(x->sample_of.slots);
	free(x->holder_of.slots);
	free(x->near_sort);
	free(x->near_step);
}

/* ---- names */

/* Elements and keys are alike: "[3].items", `["/x"]` -> "[].items", "[]". */
static void add_field(struct text *t, const char *s)
{
	while (*s) {
		const char *end = NULL;

		if (*s == '[' && s[1] == '"')
			end = strstr(s + 2, "\"]");
		else if (*s == '[')
			end = strchr(s, ']');
		if (!end) {
			text_add_n(t, s++, 1);
			continue;
		}
		text_add(t, "[]");
		s = end + (*end == '"' ? 2 : 1);
	}
}

void alike_drop_addresses(struct text *t)
{
	const char *of = strstr(text_str(t), " of thread "), *at = strstr(text_str(t), "0x");
	size_t n = of ? (size_t)(of - t->s) : at ? (size_t)(at - t->s) : t->n;
	static const char *const tails[] = { " ", "+", " at", "(", "-", " at tp", "," };

	text_cut(t, n);
	for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
		size_t len = strlen(tails[i]);

		if (t->n >= len && !memcmp(t->s + t->n - len, tails[i], len)) {
			text_cut(t, t->n - len);
			i = (size_t)-1;
		}
	}
}

static bool holder_label(struct alike_pass *x, struct alike_holder holder, uint32_t *ret)
{
	uint32_t *place;

	*ret = 0;
	if (!holder.thread && !holder.goroutine)
		return true;
	if (x->a->holders.n >= HOLDERS_MAX) {
		*ret = pair_get(&x->holder_of, holder.thread, holder.goroutine);
		x->a->unlabelled = x->a->unlabelled || !*ret;
		return true;
	}
	place = pair_place(&x->holder_of, holder.thread, holder.goroutine);
	if (!place)
		return false;
	if (!*place) {
		if (!vec_push(&x->a->holders, &holder))
			return false;
		*place = (uint32_t)x->a->holders.n;
	}
	*ret = *place;
	return true;
}

static struct err *root_path(struct alike_pass *x, uint32_t root, uint32_t *ret)
{
	const struct graph *g = x->g;
	const struct root_source *src = &g->sources[g->root_source[root]];
	const char *kind = root_kind_name(src->kind);
	struct root_place p = ROOT_PLACE_INIT;
	struct alike_holder holder = {};
	uint32_t label;
	bool ok;

	text_reset(&x->name);
	if (src->kind != ROOT_GOROUTINE && src->thread < x->r->threads.n)
		holder.thread = x->r->threads.v[src->thread].tid;
	if (g->ops && g->ops->place)
		g->ops->place(g->ctx, root, &p);
	holder.goroutine = p.goroutine;
	if (src->kind == ROOT_STACK || src->kind == ROOT_GOROUTINE) {
		text_add(&x->name, kind);
		text_add(&x->name, p.function.n ? " in " : "");
		text_add(&x->name, text_str(&p.function));
	} else {
		text_reset(&x->bare);
		if (g->ops && g->ops->root)
			g->ops->root(g->ctx, root, &x->bare);
		if (strncmp(text_str(&x->bare), kind, strlen(kind)) != 0)
			text_printf(&x->name, "%s ", kind);
		add_field(&x->name, text_str(&x->bare));
	}
	alike_drop_addresses(&x->name);
	root_place_fini(&p);
	ok = holder_label(x, holder, &label);
	*ret = ok ? path_root(&x->a->paths, text_str(&x->name), label) : PATH_NONE;
	return *ret == PATH_NONE ? &err_nomem : NULL;
}

/* Where a chain ends that no root begins. */
static struct err *rootless_path(struct alike_pass *x, node_id node, uint32_t *ret)
{
	enum reach reach = x->f->reach[node];

	*ret = path_root(&x->a->paths,
			 reach == REACH_UNCOLLECTED			     ? "(uncollected)" :
			 reach == REACH_DEFINITE || reach == REACH_INDIRECT ? "(lost)" :
									       "(unknown)",
			 0);
	return *ret == PATH_NONE ? &err_nomem : NULL;
}

/* ---- heaps */

/* Nodes of one extent, so that no address has to be looked up. */
struct heap_nodes {
	node_id first, last;
	uint32_t heap; /* as in struct alike_cell */
};

static struct err *open_heaps(struct alike_pass *x, struct env *env)
{
	const struct subject *s = x->s;
	struct err *err;

	if (x->r->heaps.n < 2)
		return NULL;
	err = col_fixed(env, sizeof(*x->heaps), s->n_extents, "paths", &x->heap_col);
	x->heaps = x->heap_col.base;
	for (size_t i = 0; i < s->n_extents && !err; i++) {
		const struct extent *e = &s->extents[i];
		struct heap_nodes nodes = { graph_node_at(x->g, e->start),
					    graph_node_at(x->g, e->end - 1), e->heap + 1 };

		if (e->heap < x->r->heaps.n && nodes.first != NODE_NONE && nodes.last != NODE_NONE)
			x->heaps[x->n_heaps++] = nodes;
	}
	return err;
}

static inline uint32_t heap_of(struct alike_pass *x, node_id node)
{
	size_t at = x->heap;

	if (x->r->heaps.n < 2)
		return (uint32_t)x->r->heaps.n;
	if (at >= x->n_heaps || node < x->heaps[at].first || node > x->heaps[at].last) {
		at = partition_point(x->n_heaps, i, x->heaps[i].last < node);
		if (at == x->n_heaps || node < x->heaps[at].first)
			return 0;
	}
	x->heap = at;
	return x->heaps[at].heap;
}

static bool is_lost(enum reach reach)
{
	return reach == REACH_DEFINITE || reach == REACH_INDIRECT;
}

/* The node above on the way to a root: NODE_NONE at its end, which `ret_root` then names. */
static inline node_id above(const struct facts *f, node_id node, uint32_t *ret_root)
{
	uint32_t up = f->parent[node];

	*ret_root = UINT32_MAX;
	if (up == NODE_NONE)
		return f->idom[node];
	if (up & PARENT_ROOT) {
		*ret_root = up & ~PARENT_ROOT;
		return NODE_NONE;
	}
	return up;
}

/* Of a lost node, which no shortest chain leads to: a small dominator's own edges say it. */
static uint8_t lost_way(const struct alike_pass *x, node_id up, node_id node)
{
	const struct graph *g = x->g;
	edge_id e, end;

	if (up == NODE_NONE || !g->slot)
		return 0;
	e = graph_row(g, up);
	end = graph_row(g, up + 1);
	if (e == end || g->slot[e] == SLOT_UNKNOWN)
		return 0;
	while (e < end && EDGE_NODE(g->dst[e]) != node)
		e++;
	return e < end ? (uint8_t)(g->slot[e] + 1) : 0;
}

/* What a step is known by. */
struct step {
	node_id up;
	uint32_t path_cell, type_cell; /* ALIKE_NONE: nothing holds it */
	uint32_t sort;
	uint8_t way;
};

/* ---- samples above a sample */

bool alike_stands_above(const struct alike *a, const struct alike_cell *cell, uint32_t sample)
{
	const struct alike_set *set = &a->sets.v[cell->above];

	for (uint32_t i = 0; i < set->n; i++)
		if (set->members[i] == sample)
			return true;
	return false;
}

static uint64_t member_hash(uint32_t sample)
{
	uint64_t h = (sample + 1ull) * 0x9e3779b97f4a7c15;

	return (h ^ h >> 29) * 0xc2b2ae3d27d4eb4f;
}

/* A set of all of `from` and one more; 0, the empty one, when there are too many. */
static struct err *set_with(struct alike_pass *x, uint32_t from, uint32_t sample, uint32_t *ret)
{
	struct alike *a = x->a;
	struct alike_set set = a->sets.v[from];
	const struct alike_set was = set;
	uint32_t *v, *place;

	*ret = 0;
	set.n++;
	set.hash += member_hash(sample);
	place = pair_place(&x->set_of, set.hash, set.n);
	if (!place)
		return &err_nomem;
	if (*place) {
		*ret = *place - 1;
		return NULL;
	}
	x->set_of.n--; /* until it is there */
	a->sets_ended = a->sets_ended || a->sets.n >= SETS_MAX ||
			x->n_members > SET_MEMBERS_MAX - set.n;
	if (a->sets_ended)
		return NULL;
	v = arena_alloc(&a->mem, set.n * sizeof(*v));
	if (!v)
		return &err_nomem;
	if (was.n)
		memcpy(v, was.members, was.n * sizeof(*v));
	v[was.n] = sample;
	set.members = v;
	if (!vec_push(&a->sets, &set))
		return &err_nomem;
	x->n_members += set.n;
	x->set_of.n++;
	*place = (uint32_t)a->sets.n;
	*ret = *place - 1;
	return NULL;
}

/* What stands above a cell below that of its dominator. */
static struct err *set_below(struct alike_pass *x, uint32_t type_cell, uint32_t *ret)
{
	const struct alike *a = x->a;
	const struct alike_cell *up = type_cell == ALIKE_NONE ? NULL : &a->cells.v[type_cell];

	*ret = up ? up->above : 0;
	if (!up || alike_stands_above(a, up, up->sample))
		return NULL;
	return set_with(x, up->above, up->sample, ret);
}

static struct err *sample_at(struct alike_pass *x, const struct alike_cell *cell, uint32_t *ret)
{
	uint32_t *place = pair_place(&x->sample_of, cell->path,
				     (uint64_t)cell->heap << 8 | cell->reach);

	if (!place)
		return &err_nomem;
	if (!*place)
		*place = ++x->a->n_samples;
	*ret = *place - 1;
	return NULL;
}

/* ---- a step */

/* A number for a pair of numbers, the same for the same; 0: out of memory. */
static uint32_t number_of(struct pair_table *t, uint64_t a, uint64_t b)
{
	uint32_t *place = pair_place(t, a, b);

	if (place && !*place)
		*place = (uint32_t)t->n;
	return place ? *place : 0;
}

static struct err *cell_at(struct alike_pass *x, const struct alike_cell *cell, uint32_t *ret)
{
	uint64_t state = (uint64_t)cell->above << 36 | (uint64_t)cell->heap << 4 |
			 (uint64_t)cell->is_many << 3 | cell->reach;
	uint64_t types = (uint64_t)cell->type << 32 | cell->above_type;
	uint32_t no = number_of(&x->state_of, state, types << 1 | cell->is_held), *place;

	place = no ? pair_place(&x->cell_of, (uint64_t)cell->path << 32 | cell->row, no) : NULL;
	if (!place)
		return &err_nomem;
	if (!*place) {
		if (x->a->cells.n >= ALIKE_NONE || !vec_push(&x->a->cells, cell)) {
			x->cell_of.n--;
			return &err_nomem;
		}
		*place = (uint32_t)x->a->cells.n;
	}
	*ret = *place - 1;
	return NULL;
}

/* From one part of a container to the next: nothing that a program would call a step. */
static bool is_inside_one(const struct graph *g, node_id up, node_id node, const char *name)
{
	const char *whole = graph_kind_name(g, up), *other = graph_kind_name(g, node);

	return (!*name || !strcmp(name, "*")) && whole && whole != graph_type_name(g, up) &&
	       other && !strcmp(whole, other);
}

/* Its row in the tree of paths, in words. */
static struct err *path_row(struct alike_pass *x, node_id node, const struct step *p,
			    uint32_t *ret)
{
	const struct graph *g = x->g;
	const struct sort *sort = &x->sorts.v[p->sort];
	uint32_t from = x->a->cells.v[p->path_cell].path;
	struct edge_label label = {};

	text_reset(&x->name);
	text_reset(&x->bare);
	graph_name_kind(g, node, size_of_sort(sort), &x->bare);
	if (p->way && g->ops && g->ops->edge && g->ops->edge(g->ctx, p->up, node, &label)) {
		if (label.name && is_inside_one(g, p->up, node, label.name)) {
			*ret = from;
			x->a->paths.rows.v[from].repeats = true;
			return NULL;
		}
		if (label.name) {
			add_field(&x->name, label.name);
			text_add(&x->name, *label.name ? " " : "");
		} else if (!node_type(g, p->up)) {
			text_printf(&x->name, "+0x%" PRIx64 " ", label.offset);
		}
	}
	text_add(&x->name, text_str(&x->bare));
	*ret = path_step(&x->a->paths, from, text_str(&x->name),
			 text_str(&x->bare), graph_kind_name(g, node));
	return *ret == PATH_NONE ? &err_nomem : NULL;
}

static struct err *type_row(struct alike_pass *x, node_id node, const struct step *p, uint32_t *ret)
{
	uint32_t from = p->type_cell == ALIKE_NONE ? PATH_NONE : x->a->cells.v[p->type_cell].row;
	const struct sort *sort = &x->sorts.v[p->sort];
	const char *name;

	text_reset(&x->name);
	graph_name_kind(x->g, node, size_of_sort(sort), &x->name);
	name = text_str(&x->name);
	if (from == PATH_NONE)
		from = path_root(&x->a->types,
				 is_lost(reach_of_sort(sort)) ? "(lost)" : alike_held, 0);
	*ret = from == PATH_NONE ? from :
				   path_step(&x->a->types, from, name, name,
					     graph_kind_name(x->g, node));
	return *ret == PATH_NONE ? &err_nomem : NULL;
}

static struct err *new_step(struct alike_pass *x, node_id node, const struct step *p,
			    uint32_t *ret)
{
	const struct sort *sort = &x->sorts.v[p->sort];
	struct alike_cell cell = {
		.row = PATH_NONE, .heap = (uint32_t)(sort->where >> 8),
		.reach = (uint8_t)reach_of_sort(sort),
		.is_many = !node_type(x->g, node) && size_of_sort(sort) > UNTYPED_SMALL,
		.type = graph_type(x->g, node),
		.is_held = p->type_cell != ALIKE_NONE,
		.above_type = p->type_cell == ALIKE_NONE ? 0 : x->a->cells.v[p->type_cell].type,
	};
	struct err *err = path_row(x, node, p, &cell.path);

	if (!err && reach_of_sort(sort) != REACH_UNCOLLECTED)
		err = type_row(x, node, p, &cell.row);
	if (!err)
		err = set_below(x, p->type_cell, &cell.above);
	if (!err)
		err = sample_at(x, &cell, &cell.sample);
	return err ? err : cell_at(x, &cell, ret);
}

/* The cell of a row that no node has: where a chain ends. */
static struct err *end_cell(struct alike_pass *x, node_id node, uint32_t root, uint32_t *ret)
{
	struct alike_cell cell = { .row = PATH_NONE, .is_many = true,
				   .sample = ALIKE_NONE };
	struct err *err = root == UINT32_MAX ? rootless_path(x, node, &cell.path) :
					       root_path(x, root, &cell.path);

	return err ? err : cell_at(x, &cell, ret);
}

/* Of a step whose cells above are known. */
static inline struct err *take_step(struct alike_pass *x, node_id node, struct step *p,
				    uint32_t *ret)
{
	uint64_t above = (uint64_t)p->path_cell << 32 | p->type_cell, by;
	uint32_t *at;
	struct err *err;

	if (x->a->cells.v[p->path_cell].is_many)
		p->way = 0;
	by = (uint64_t)p->sort << 8 | p->way;
	*ret = pair_get(&x->step_of, above, by) - 1;
	if (*ret != ALIKE_NONE)
		return NULL;
	at = pair_place(&x->step_of, above, by);
	if (!at)
		return &err_nomem;
	err = new_step(x, node, p, ret);
	if (err)
		x->step_of.n--;
	else
		*at = *ret + 1;
	return err;
}

static inline void settle(struct alike_place *place, uint32_t cell)
{
	*place = (struct alike_place){ cell, place->sort | ALIKE_PLACED };
}

static inline uint32_t cell_of(const struct alike_pass *x, node_id node)
{
	return x->places[node].above;
}

/* The cell of a node; all above it have theirs. */
static inline struct err *place(struct alike_pass *x, node_id node)
{
	const struct facts *f = x->f;
	struct alike_place *own = &x->places[node];
	struct step p = {
		.sort = own->sort,
		.type_cell = own->above == NODE_NONE ? ALIKE_NONE : cell_of(x, own->above),
	};
	uint32_t root, cell;
	struct err *err = NULL;

	p.up = above(f, node, &root);
	if (p.up == NODE_NONE)
		err = end_cell(x, node, root, &p.path_cell);
	else
		p.path_cell = cell_of(x, p.up);
	if (err)
		return err;
	if (f->way)
		p.way = f->parent[node] == NODE_NONE ? lost_way(x, p.up, node) : f->way[node];
	err = take_step(x, node, &p, &cell);
	if (!err)
		settle(own, cell);
	return err;
}

/* Those above a node that have no cell yet. */
static struct err *place_above(struct alike_pass *x, node_id node)
{
	node_id *stack = x->stack.base;
	uint64_t n = 0;
	uint32_t root;
	struct err *err = NULL;

	for (node_id at = above(x->f, node, &root);
	     at != NODE_NONE && !(x->places[at].sort & ALIKE_PLACED); at = above(x->f, at, &root)) {
		if (n == x->stack.max)
			return err_new(ERR_FORMAT, "chains that lead round");
		stack[n++] = at;
	}
	while (n-- && !err)
		err = place(x, stack[n]);
	return err;
}

/* Place `i` of the walk: what is above and what dominates it have their cells. */
static inline struct err *place_walked(struct alike_pass *x, uint64_t i)
{
	const struct facts *f = x->f;
	node_id node = f->order[i].node;
	struct alike_place *own = &x->places[node];
	uint32_t up = f->order[i].up;
	struct step p = { .sort = own->sort, .type_cell = ALIKE_NONE };
	struct err *err = NULL;

	if (up == NODE_NONE) {
		p.up = NODE_NONE;
		err = end_cell(x, node, f->parent[node] & ~PARENT_ROOT, &p.path_cell);
	} else {
		p.up = f->order[up].node;
		p.path_cell = x->walked[up];
		p.way = f->way ? f->order_way[i] : 0;
	}
	if (!err && own->above != NODE_NONE)
		p.type_cell = own->above == p.up ? p.path_cell : cell_of(x, own->above);
	if (!err)
		err = take_step(x, node, &p, &x->walked[i]);
	settle(own, x->walked[i]);
	return err;
}

static struct err *place_inner(struct alike_pass *x)
{
	const struct walked *order = x->f->order;
	uint64_t n = x->f->n_order;
	struct err *err = NULL;

	for (uint64_t i = 0; i < n && !err; i++) {
		node_id dom;

		if (n - i > 2 * AHEAD)
			__builtin_prefetch(&x->places[order[i + 2 * AHEAD].node], 1);
		dom = n - i > AHEAD ? x->places[order[i + AHEAD].node].above : NODE_NONE;
		if (dom != NODE_NONE && order[i + AHEAD].up != NODE_NONE &&
		    dom != order[order[i + AHEAD].up].node)
			__builtin_prefetch(&x->places[dom]);
		err = place_walked(x, i);
	}
	return err;
}

/* ---- sorts */

static struct err *new_sort(struct alike_pass *x, struct sort sort, uint32_t *ret)
{
	uint32_t *place = pair_place(&x->sort_of, sort.what, sort.where);

	if (!place)
		return &err_nomem;
	if (!*place) {
		if (x->sorts.n >= ALIKE_PLACED - 1 || !vec_push(&x->sorts, &sort)) {
			x->sort_of.n--;
			return &err_nomem;
		}
		*place = (uint32_t)x->sorts.n;
	}
	*ret = *place - 1;
	return NULL;
}

static inline struct err *sort_at(struct alike_pass *x, struct sort sort, uint32_t *ret)
{
	uint64_t hash = (sort.what ^ sort.where << 40) * 0x9e3779b97f4a7c15;
	uint32_t *near = &x->near_sort[hash >> (64 - SORTS_NEAR_BITS)];
	const struct sort *last = &x->sorts.v[*near];
	struct err *err;

	if (*near < x->sorts.n && last->what == sort.what && last->where == sort.where) {
		*ret = *near;
		return NULL;
	}
	err = new_sort(x, sort, ret);
	if (!err)
		*near = *ret;
	return err;
}

static inline struct sort sort_of(struct alike_pass *x, node_id node, uint64_t size)
{
	type_id type = graph_type(x->g, node);

	return (struct sort){ type ? SORT_TYPED | type : size & ~SORT_TYPED,
			      (uint64_t)heap_of(x, node) << 8 | x->f->reach[node] };
}

static inline struct err *sort_node(struct alike_pass *x, node_id node, uint64_t size)
{
	x->places[node].above = x->f->idom[node];
	return sort_at(x, sort_of(x, node, size), &x->places[node].sort);
}

/* All that decides of the nodes with edges, side by side. */
static struct err *sort_inner(struct alike_pass *x)
{
	const struct graph *g = x->g;
	struct err *err = NULL;
	uint64_t near = 0;

	for (uint64_t w = 0; w < bits_words(g->n); w++)
		for (uint64_t bits = x->inner[w]; bits && !err; bits &= bits - 1) {
			node_id i = (node_id)(w << 6 | (unsigned)__builtin_ctzll(bits));

			err = sort_node(x, i, graph_type(g, i) ? 0 : graph_size_near(g, i, &near));
		}
	return err;
}

static FETCHES void fetch_above(const struct alike_pass *x, node_id node)
{
	uint32_t up = x->f->parent[node], dom = x->f->idom[node];

	if (!(up & PARENT_ROOT))
		__builtin_prefetch(&x->places[up]);
	if (dom != up && dom != NODE_NONE)
		__builtin_prefetch(&x->places[dom]);
}

/* One that no root reaches by what has its cell already, or one that a root points at. */
static struct err *place_other(struct alike_pass *x, node_id node, uint64_t size)
{
	uint32_t up, root;
	struct err *err = bit_get(x->inner, node) ? NULL : sort_node(x, node, size);

	up = above(x->f, node, &root);
	if (!err && up != NODE_NONE && !(x->places[up].sort & ALIKE_PLACED))
		err = place_above(x, node);
	return err ? err : place(x, node);
}

/* A leaf: mostly one like it came a little before. */
static inline struct err *place_leaf(struct alike_pass *x, node_id node, uint64_t size)
{
	uint32_t up = x->f->parent[node], dom = x->f->idom[node];
	struct alike_place *own = &x->places[node];
	struct step p = { .up = up,
			  .type_cell = ALIKE_NONE,
			  .way = x->f->way ? x->f->way[node] : 0 };
	struct near_step *near, is;
	struct sort sort;
	struct err *err;

	if (up & PARENT_ROOT || !(x->places[up].sort & ALIKE_PLACED))
		return place_other(x, node, size);
	p.path_cell = cell_of(x, up);
	if (dom != NODE_NONE)
		p.type_cell = cell_of(x, dom);
	sort = sort_of(x, node, size);
	is = (struct near_step){ (uint64_t)p.path_cell << 32 | p.type_cell, sort.what,
				 sort.where << 8 | p.way, 0 };
	near = &x->near_step[((is.above ^ is.what << 17 ^ is.where << 40) * 0x9e3779b97f4a7c15) >>
			     (64 - STEPS_NEAR_BITS)];
	if (near->above != is.above || near->what != is.what || near->where != is.where ||
	    !near->cell) {
		err = sort_at(x, sort, &p.sort);
		if (!err)
			err = take_step(x, node, &p, &is.cell);
		if (err)
			return err;
		is.cell++;
		*near = is;
	}
	*own = (struct alike_place){ near->cell - 1, ALIKE_PLACED };
	return NULL;
}

static inline uint64_t leaves_of(const struct alike_pass *x, uint64_t word)
{
	return x->g->live[word] & ~x->inner[word];
}

static inline void count(struct alike_pass *x, node_id node, uint64_t size, uint64_t retained)
{
	struct alike_cell *cell = &x->a->cells.v[cell_of(x, node)];

	cell->count++;
	cell->bytes += size;
	cell->retained += retained;
}

/* The first of the 64 nodes from 64 * word on whose bit is set. */
static inline node_id first_of(uint64_t word, uint64_t bits)
{
	return (node_id)(word << 6 | (unsigned)__builtin_ctzll(bits));
}

/* Of 64 nodes, whose sizes are known, the leaves; what is above those of the next 64 is fetched. */
static struct err *place_leaves(struct alike_pass *x, uint64_t word, const uint64_t *size)
{
	uint64_t ahead = word + 1 < bits_words(x->g->n) ? leaves_of(x, word + 1) : 0;
	struct err *err = NULL;

	for (uint64_t bits = leaves_of(x, word); bits && !err; bits &= bits - 1) {
		node_id node = first_of(word, bits);

		if (ahead)
			fetch_above(x, first_of(word + 1, ahead));
		ahead &= ahead - 1;
		err = place_leaf(x, node, size[node & 63]);
		if (!err)
			count(x, node, size[node & 63], size[node & 63]);
	}
	for (; ahead; ahead &= ahead - 1)
		fetch_above(x, first_of(word + 1, ahead));
	return err;
}

static struct err *count_inner(struct alike_pass *x, uint64_t word, const uint64_t *size)
{
	const struct retained *r = &x->f->retained;
	uint32_t no = r->rank[word];
	struct err *err = NULL;

	for (uint64_t bits = x->inner[word]; bits && !err; bits &= bits - 1, no++) {
		node_id node = first_of(word, bits);

		if (!(x->places[node].sort & ALIKE_PLACED))
			err = place_other(x, node, size[node & 63]);
		if (!err)
			count(x, node, size[node & 63], retained_of_inner(r, no));
	}
	return err;
}

static struct err *place_all(struct alike_pass *x)
{
	const struct graph *g = x->g;
	struct err *err = place_inner(x);
	uint64_t size[64], near = 0;

	for (uint64_t word = 0; word < bits_words(g->n) && !err; word++) {
		graph_sizes_of(g, word, &near, size);
		err = place_leaves(x, word, size);
		if (!err)
			err = count_inner(x, word, size);
	}
	return err;
}

struct err *alike_find(struct env *env, const struct subject *s, struct report *r,
		       struct alike *ret)
{
	const struct graph *g = s->graph;
	const struct alike_set none = {};
	_cleanup_(alike_pass_fini) struct alike_pass x = {
		.a = ret, .s = s, .r = r, .g = g, .f = s->facts, .inner = s->facts->retained.set,
		.name = TEXT_INIT, .bare = TEXT_INIT,
		.near_sort = calloc(1 << SORTS_NEAR_BITS, sizeof(*x.near_sort)),
		.near_step = calloc(1 << STEPS_NEAR_BITS, sizeof(*x.near_step)),
	};
	struct err *err = col_fixed(env, sizeof(*x.places), g->n, "paths", &ret->places_col);

	ret->paths = (struct path_tree){ .mem = &r->mem, .max = PATH_ROWS };
	ret->types = (struct path_tree){ .mem = &r->mem, .max = TYPE_ROWS };
	if (!err)
		err = col_sparse(env, 4, (uint64_t)g->n_live + 1, "paths", &x.stack);
	if (!err)
		err = col_fixed(env, 4, x.f->n_order, "paths", &x.walked_col);
	if (!err)
		err = open_heaps(&x, env);
	if (!err && (!x.near_sort || !x.near_step || !vec_push(&ret->sets, &none)))
		err = &err_nomem;
	if (err)
		return err;
	ret->places = x.places = ret->places_col.base;
	x.walked = x.walked_col.base;
	err = sort_inner(&x);
	return err ? err : place_all(&x);
}

void alike_fini(struct alike *a)
{
	path_tree_fini(&a->paths);
	path_tree_fini(&a->types);
	free(a->holders.v);
	free(a->cells.v);
	free(a->sets.v);
	arena_fini(&a->mem);
	col_close(&a->places_col);
}
