/*
 * analysis/alike.c - each live node after what is above it in both trees.
 *
 * First the nodes with edges, in the order of the walk that found the shortest chains: what holds
 * a node by dominators is above it there, too.  Then all, in order of addresses: leaves at last,
 * and what is lost, behind what is above it.  What the cells above and the step between decide is
 * found out once: a node costs a look at the cell of its parent and one in a table.
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
	HOLDERS_MAX = 4096,   /* threads and goroutines told apart */
	AHEAD = 24,	      /* how far random accesses are prefetched */
};
const char alike_held[] = "(held)";

struct alike_pass {
	struct alike *a;
	const struct subject *s;
	struct report *r;
	const struct graph *g;
	const struct facts *f;
	uint32_t *cell, *walked;
	struct heap_nodes *heaps;
	size_t n_heaps, heap; /* the last one asked for */
	struct col stack;
	struct text name, bare;
	uint64_t near; /* graph_size_near() */
};

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
		*ret = pair_get(&x->a->holder_of, holder.thread, holder.goroutine);
		x->a->unlabelled = x->a->unlabelled || !*ret;
		return true;
	}
	place = pair_place(&x->a->holder_of, holder.thread, holder.goroutine);
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
	err = col_fixed(env, sizeof(*x->heaps), s->n_extents, "paths", &x->a->heap_col);
	x->heaps = x->a->heap_col.base;
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

/* ---- a step */

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

/* What a step is known by, besides the cells above: 33 + 7 + 3 + 21 bits. */
struct step {
	node_id up;
	uint32_t path_cell, type_cell; /* ALIKE_NONE: nothing holds it */
	uint64_t size;
	uint32_t type, heap;
	uint8_t way, reach;
};

static uint64_t step_key(const struct step *p)
{
	uint64_t sort = p->type	? 1ull << 32 | p->type :
			p->size > UINT32_MAX ? UINT32_MAX : p->size;

	return sort << 31 | (uint64_t)(p->way & 127) << 24 | (uint64_t)p->reach << 21 |
	       (p->heap & ((1u << 21) - 1));
}

static struct err *cell_at(struct alike_pass *x, struct alike_cell cell, uint32_t *ret)
{
	uint64_t state = (uint64_t)cell.heap << 4 | (uint64_t)cell.is_many << 3 | cell.reach;
	uint32_t *place =
		pair_place(&x->a->cell_of, (uint64_t)cell.path << 32 | cell.row, state);

	if (!place)
		return &err_nomem;
	if (!*place) {
		if (x->a->cells.n >= ALIKE_NONE || !vec_push(&x->a->cells, &cell)) {
			x->a->cell_of.n--;
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
	uint32_t from = x->a->cells.v[p->path_cell].path;
	struct edge_label label = {};

	text_reset(&x->name);
	text_reset(&x->bare);
	graph_name_kind(g, node, p->size, &x->bare);
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
	const char *name;

	text_reset(&x->name);
	graph_name_kind(x->g, node, p->size, &x->name);
	name = text_str(&x->name);
	if (from == PATH_NONE)
		from = path_root(&x->a->types,
				 is_lost((enum reach)p->reach) ? "(lost)" : alike_held, 0);
	*ret = from == PATH_NONE ? from :
				   path_step(&x->a->types, from, name, name,
					     graph_kind_name(x->g, node));
	return *ret == PATH_NONE ? &err_nomem : NULL;
}

static struct err *new_step(struct alike_pass *x, node_id node, const struct step *p,
			    uint32_t *ret)
{
	struct alike_cell cell = {
		.row = PATH_NONE, .heap = p->heap, .reach = p->reach,
		.is_many = !node_type(x->g, node) && p->size > UNTYPED_SMALL,
	};
	struct err *err = path_row(x, node, p, &cell.path);

	if (!err && p->reach != REACH_UNCOLLECTED)
		err = type_row(x, node, p, &cell.row);
	return err ? err : cell_at(x, cell, ret);
}

/* The cell of a row that no node has: where a chain ends. */
static struct err *end_cell(struct alike_pass *x, node_id node, uint32_t root, uint32_t *ret)
{
	struct alike_cell cell = { .row = PATH_NONE, .is_many = true };
	struct err *err = root == UINT32_MAX ? rootless_path(x, node, &cell.path) :
					       root_path(x, root, &cell.path);

	return err ? err : cell_at(x, cell, ret);
}

/* Of a step whose cells above are known. */
static inline struct err *take_step(struct alike_pass *x, node_id node, struct step *p,
				    uint32_t *ret)
{
	uint32_t *at;
	struct err *err;

	p->type = graph_type(x->g, node);
	p->reach = x->f->reach[node];
	p->heap = heap_of(x, node);
	if (x->a->cells.v[p->path_cell].is_many)
		p->way = 0;
	at = pair_place(&x->a->step_of, (uint64_t)p->path_cell << 32 | p->type_cell, step_key(p));
	if (!at)
		return &err_nomem;
	if (!*at) {
		err = new_step(x, node, p, ret);
		if (err) {
			x->a->step_of.n--;
			return err;
		}
		*at = *ret + 1;
	}
	*ret = *at - 1;
	return NULL;
}

/* The cell of a node; all above it have theirs. */
static inline struct err *place(struct alike_pass *x, node_id node, uint64_t size, uint32_t *ret)
{
	const struct facts *f = x->f;
	node_id dom = f->idom[node];
	struct step p = { .size = size,
			  .type_cell = dom == NODE_NONE ? ALIKE_NONE : x->cell[dom] };
	uint32_t root;
	struct err *err = NULL;

	p.up = above(f, node, &root);
	if (p.up == NODE_NONE)
		err = end_cell(x, node, root, &p.path_cell);
	else
		p.path_cell = x->cell[p.up];
	if (err)
		return err;
	if (f->way)
		p.way = f->parent[node] == NODE_NONE ? lost_way(x, p.up, node) : f->way[node];
	return take_step(x, node, &p, ret);
}

/* Those above a node that have no cell yet. */
static struct err *place_above(struct alike_pass *x, node_id node)
{
	node_id *stack = x->stack.base;
	uint64_t n = 0;
	uint32_t root;
	struct err *err = NULL;

	for (node_id at = above(x->f, node, &root); at != NODE_NONE && x->cell[at] == ALIKE_NONE;
	     at = above(x->f, at, &root)) {
		if (n == x->stack.max)
			return err_new(ERR_FORMAT, "chains that lead round");
		stack[n++] = at;
	}
	while (n-- && !err) {
		node_id at = stack[n];
		uint64_t size = node_type(x->g, at) ? 0 : graph_size_near(x->g, at, &x->near);

		err = place(x, at, size, &x->cell[at]);
	}
	return err;
}

static FETCHES void fetch_walked(const struct alike_pass *x, node_id node)
{
	__builtin_prefetch(&x->f->idom[node]);
	__builtin_prefetch(&x->cell[node], 1);
	__builtin_prefetch(&x->f->reach[node]);
	if (x->g->type_narrow)
		__builtin_prefetch(&x->g->type_narrow[node]);
}

/* Place `i` of the walk: what is above has its cell there, and mostly is what dominates it. */
static inline struct err *place_walked(struct alike_pass *x, uint64_t i)
{
	const struct facts *f = x->f;
	node_id node = f->order[i].node, dom = f->idom[node];
	uint32_t up = f->order[i].up;
	struct step p = { .type_cell = ALIKE_NONE };
	struct err *err = NULL;

	if (!graph_type(x->g, node))
		p.size = graph_size_near(x->g, node, &x->near);
	if (up == NODE_NONE) {
		p.up = NODE_NONE;
		err = end_cell(x, node, f->parent[node] & ~PARENT_ROOT, &p.path_cell);
	} else {
		p.up = f->order[up].node;
		p.path_cell = x->walked[up];
		p.way = f->way ? f->order_way[i] : 0;
	}
	if (!err && dom != NODE_NONE)
		p.type_cell = dom == p.up ? p.path_cell : x->cell[dom];
	if (!err)
		err = take_step(x, node, &p, &x->walked[i]);
	x->cell[node] = x->walked[i];
	return err;
}

static struct err *place_inner(struct alike_pass *x)
{
	const struct walked *order = x->f->order;
	uint64_t n = x->f->n_order;
	struct err *err = NULL;

	for (uint64_t i = 0; i < n && !err; i++) {
		node_id dom = n - i > AHEAD ? x->f->idom[order[i + AHEAD].node] : NODE_NONE;

		if (n - i > 2 * AHEAD)
			fetch_walked(x, order[i + 2 * AHEAD].node);
		if (dom != NODE_NONE && x->f->order[i + AHEAD].up != NODE_NONE &&
		    dom != order[order[i + AHEAD].up].node)
			__builtin_prefetch(&x->cell[dom]);
		err = place_walked(x, i);
	}
	return err;
}

static FETCHES void fetch_above(const struct alike_pass *x, node_id node)
{
	uint32_t up = x->f->parent[node], dom = x->f->idom[node];

	if (x->cell[node] != ALIKE_NONE)
		return;
	if (!(up & PARENT_ROOT))
		__builtin_prefetch(&x->cell[up]);
	if (dom != up && dom != NODE_NONE)
		__builtin_prefetch(&x->cell[dom]);
}

static struct err *place_all(struct alike_pass *x)
{
	const struct graph *g = x->g;
	const struct facts *f = x->f;
	struct err *err = place_inner(x);

	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n && !err; graph_next(&it)) {
		uint32_t *own = &x->cell[it.id], up, root;
		struct alike_cell *cell;

		if (it.id + AHEAD < g->n)
			fetch_above(x, it.id + AHEAD);
		if (*own == ALIKE_NONE) {
			up = above(f, it.id, &root);
			if (up != NODE_NONE && x->cell[up] == ALIKE_NONE)
				err = place_above(x, it.id);
			if (!err)
				err = place(x, it.id, it.size, own);
			if (err)
				break;
		}
		cell = &x->a->cells.v[*own];
		cell->count++;
		cell->bytes += it.size;
		cell->retained += facts_retained_of(f, it.id, it.size);
	}
	return err;
}

struct err *alike_find(struct env *env, const struct subject *s, struct report *r,
		       struct alike *ret)
{
	const struct graph *g = s->graph;
	struct alike_pass x = {
		.a = ret, .s = s, .r = r, .g = g, .f = s->facts,
		.name = TEXT_INIT, .bare = TEXT_INIT,
	};
	struct err *err = col_fixed(env, 4, g->n, "paths", &ret->cell_col);

	ret->paths = (struct path_tree){ .mem = &r->mem, .max = PATH_ROWS };
	ret->types = (struct path_tree){ .mem = &r->mem, .max = TYPE_ROWS };
	if (!err)
		err = col_fixed(env, 4, (uint64_t)g->n_live + 1, "paths", &x.stack);
	if (!err)
		err = col_fixed(env, 4, x.f->n_order, "paths", &ret->walked_col);
	if (!err)
		err = open_heaps(&x, env);
	if (!err) {
		ret->cell = x.cell = ret->cell_col.base;
		ret->walked = x.walked = ret->walked_col.base;
		memset(x.cell, 0xff, 4 * (size_t)g->n); /* ALIKE_NONE */
		err = place_all(&x);
	}
	col_close(&x.stack);
	text_fini(&x.name);
	text_fini(&x.bare);
	return err;
}

void alike_fini(struct alike *a)
{
	path_tree_fini(&a->paths);
	path_tree_fini(&a->types);
	free(a->holders.v);
	free(a->cells.v);
	free(a->holder_of.slots);
	free(a->step_of.slots);
	free(a->cell_of.slots);
	col_close(&a->cell_col);
	col_close(&a->walked_col);
	col_close(&a->heap_col);
}
