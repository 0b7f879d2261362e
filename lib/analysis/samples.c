/*
 * analysis/samples.c - all live memory, and all that is free, as paths with amounts at their ends.
 *
 * A live node's path is that of its shortest chain by names; a lost one's goes up its dominators.
 * Each node counts in one sample, so that objects and bytes add up to the live ones exactly.
 * Retained bytes are those of the nodes of a sample together: what a node of the sample dominates
 * another by is not counted twice.  Only computed when somebody asked for it.
 */
#include <inttypes.h>
#include <string.h>

#include "analysis/chain.h"
#include "analysis/paths_tree.h"
#include "base/guard.h"
#include "base/vec.h"
#include "base/version.h"

enum {
	ROWS_MAX = 1 << 18,    /* paths told apart while they are found */
	SAMPLES_MAX = 20000,   /* in the report */
	TYPED_SMALL = 512,     /* fields of larger nodes are elements, mostly */
	UNTYPED_SMALL = 256,
	HOLDERS_MAX = 4096,    /* threads and goroutines told apart */
	AHEAD = 24,	       /* how far random accesses are prefetched */
	SET_EMPTY = 1,
	SETS_MAX = 1 << 15,    /* of samples above a node: past that the tree is walked */
	SET_MEMBERS_MAX = 1 << 22,
};

enum { V_OBJECTS, V_BYTES, V_RETAINED, V_FREE };

/* Whose stack a path begins on: labels of path rows, + 1. */
struct holder {
	uint32_t thread; /* tid; 0: none */
	uint64_t goroutine;
};

struct sum {
	uint32_t path;	  /* PATH_NONE: "(other)" */
	uint8_t reach;	  /* enum reach; REACH_DEAD: free memory */
	uint32_t heap;	  /* index in report.heaps, + 1; 0 unknown */
	const char *rule; /* NULL: none */
	int64_t values[PROFILE_VALUES];
	uint32_t kept;	  /* index in the report's samples, + 1; 0: in "(other)" */
};

struct sampling {
	struct env *env;
	const struct subject *s;
	struct report *r;
	const struct graph *g;
	const struct facts *f;
	struct path_tree tree;
	struct { struct holder *v; size_t n, cap; } holders;
	struct pair_table holder_of; /* by thread, goroutine */
	struct pair_table steps;     /* (path, what leads on), (what it leads to) */
	struct { struct sum *v; size_t n, cap; } sums;
	struct pair_table sum_of; /* by path, (reach, heap) */
	uint32_t *path;		  /* by node; then its sum */
	uint32_t *size;		  /* by node, at most UINT32_MAX */
	uint16_t *way;		  /* by node: 1 + its offset in the node above; 0: none is told */
	struct col path_col, size_col, way_col, stack;
	struct text name, bare;
	bool unlabelled; /* more holders than are told apart */
};

static void sampling_fini(struct sampling *x)
{
	path_tree_fini(&x->tree);
	free(x->holders.v);
	free(x->holder_of.slots);
	free(x->steps.slots);
	free(x->sums.v);
	free(x->sum_of.slots);
	col_close(&x->path_col);
	col_close(&x->size_col);
	col_close(&x->way_col);
	col_close(&x->stack);
	text_fini(&x->name);
	text_fini(&x->bare);
}

/* ---- names ---- */

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

/* Up to its first address, which would differ from run to run: "global table+0x40". */
static void drop_addresses(struct text *t)
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

static bool holder_label(struct sampling *x, struct holder holder, uint32_t *ret)
{
	uint32_t *place;

	*ret = 0;
	if (!holder.thread && !holder.goroutine)
		return true;
	if (x->holders.n >= HOLDERS_MAX) {
		*ret = pair_get(&x->holder_of, holder.thread, holder.goroutine);
		x->unlabelled = x->unlabelled || !*ret;
		return true;
	}
	place = pair_place(&x->holder_of, holder.thread, holder.goroutine);
	if (!place)
		return false;
	if (!*place) {
		if (!vec_push(&x->holders, &holder))
			return false;
		*place = (uint32_t)x->holders.n;
	}
	*ret = *place;
	return true;
}

static struct err *root_path(struct sampling *x, uint32_t root, uint32_t *ret)
{
	const struct graph *g = x->g;
	const struct root_source *src = &g->sources[g->root_source[root]];
	const char *kind = root_kind_name(src->kind);
	struct root_place p = ROOT_PLACE_INIT;
	struct holder holder = {};
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
	drop_addresses(&x->name);
	root_place_fini(&p);
	ok = holder_label(x, holder, &label);
	*ret = ok ? path_root(&x->tree, text_str(&x->name), label) : PATH_NONE;
	return *ret == PATH_NONE ? &err_nomem : NULL;
}

/* Where a chain ends that no root begins. */
static struct err *rootless_path(struct sampling *x, node_id node, uint32_t *ret)
{
	enum reach reach = x->f->reach[node];

	*ret = path_root(&x->tree,
			 reach == REACH_UNCOLLECTED			     ? "(uncollected)" :
			 reach == REACH_DEFINITE || reach == REACH_INDIRECT ? "(lost)" :
									       "(unknown)",
			 0);
	return *ret == PATH_NONE ? &err_nomem : NULL;
}

static void name_node(struct sampling *x, node_id node, struct text *t)
{
	graph_name_kind(x->g, node,
			x->size[node] == UINT32_MAX ? graph_size(x->g, node) : x->size[node], t);
}

/* ---- a step ---- */

/* The node above on the way to a root: NODE_NONE at its end, which `ret_root` then names. */
static node_id above(const struct sampling *x, node_id node, uint32_t *ret_root)
{
	uint32_t up = x->f->parent[node];

	*ret_root = UINT32_MAX;
	if (up == NODE_NONE)
		return x->f->idom[node];
	if (up & PARENT_ROOT) {
		*ret_root = up & ~PARENT_ROOT;
		return NODE_NONE;
	}
	return up;
}

/* Where a node small enough to be one thing and not many points at those below it. */
static void find_ways(struct sampling *x, const struct graph_iter *it)
{
	const struct graph *g = x->g;
	uint32_t most = node_type(g, it->id) ? TYPED_SMALL : UNTYPED_SMALL, root;
	edge_id first = graph_row(g, it->id), end = graph_row(g, it->id + 1);
	uint16_t offsets[TYPED_SMALL];
	bool known = false, asked = false;

	if (it->size > most || end - first > TYPED_SMALL)
		return;
	for (edge_id e = first; e < end; e++) {
		node_id to = EDGE_NODE(g->dst[e]);
		uint64_t offset;

		if (e + AHEAD < g->m) {
			__builtin_prefetch(&x->way[EDGE_NODE(g->dst[e + AHEAD])]);
			__builtin_prefetch(&x->f->parent[EDGE_NODE(g->dst[e + AHEAD])]);
		}
		if (x->way[to] || above(x, to, &root) != it->id)
			continue;
		if (!asked && g->ops->slots)
			known = g->ops->slots(g->ctx, it->id, it->key, it->size, offsets);
		asked = true;
		offset = offsets[e - first];
		if (!known && !g->ops->slot(g->ctx, it->id, to, &offset))
			continue;
		if (offset < most)
			x->way[to] = (uint16_t)(1 + offset);
	}
}

/* From one part of a container to the next: nothing that a program would call a step. */
static bool is_inside_one(const struct graph *g, node_id up, node_id node, const char *name)
{
	const char *whole = graph_kind_name(g, up);

	return (!*name || !strcmp(name, "*")) && whole && whole != graph_type_name(g, up) &&
	       !strcmp(whole, graph_kind_name(g, node));
}

/* What is new about this step, in words. */
static struct err *new_step(struct sampling *x, node_id up, node_id node, uint32_t from,
			    uint32_t *ret)
{
	const struct graph *g = x->g;
	struct edge_label label = {};

	text_reset(&x->name);
	text_reset(&x->bare);
	name_node(x, node, &x->bare);
	if (x->way[node] && g->ops->edge && g->ops->edge(g->ctx, up, node, &label)) {
		if (label.name && is_inside_one(g, up, node, label.name)) {
			*ret = from;
			return NULL;
		}
		if (label.name) {
			add_field(&x->name, label.name);
			text_add(&x->name, *label.name ? " " : "");
		} else if (!node_type(g, up)) {
			text_printf(&x->name, "+0x%x ", x->way[node] - 1);
		}
	}
	text_add(&x->name, text_str(&x->bare));
	*ret = path_step(&x->tree, from, text_str(&x->name), text_str(&x->bare),
			 graph_kind_name(g, node));
	return *ret == PATH_NONE ? &err_nomem : NULL;
}

static uint64_t sort_of(const struct sampling *x, node_id node)
{
	type_id type = node_type(x->g, node) ? graph_type(x->g, node) : 0;

	return type ? 1ull << 32 | type : x->size[node];
}

static struct err *step(struct sampling *x, node_id up, node_id node, uint32_t from, uint32_t *ret)
{
	uint64_t upper = up == NODE_NONE ? 0 : graph_type(x->g, up);
	uint64_t way = up == NODE_NONE ? 0 : x->way[node];
	uint32_t *place;
	struct err *err;

	/* an offset is below 2^10, a sort below 2^33 */
	place = pair_place(&x->steps, (uint64_t)from << 32 | upper, way << 33 | sort_of(x, node));
	if (!place)
		return &err_nomem;
	if (!*place) {
		uint32_t to;

		err = new_step(x, up, node, from, &to);
		if (err) {
			x->steps.n--;
			return err;
		}
		*place = to + 1;
	}
	*ret = *place - 1;
	return NULL;
}

/* The paths of a node and of all above it that have none yet. */
static struct err *place_node(struct sampling *x, node_id node)
{
	node_id *stack = x->stack.base, up = NODE_NONE;
	uint32_t from = PATH_NONE, root;
	uint64_t n = 0;
	struct err *err = NULL;

	for (node_id at = node; x->path[at] == PATH_NONE && n < x->stack.max; at = up) {
		stack[n++] = at;
		up = above(x, at, &root);
		if (up == NODE_NONE) {
			err = root == UINT32_MAX ? rootless_path(x, at, &from) :
						   root_path(x, root, &from);
			break;
		}
	}
	if (up != NODE_NONE)
		from = x->path[up];
	while (n-- && !err) {
		err = from == PATH_NONE ? err_new(ERR_FORMAT, "chains that lead round") :
					  step(x, up, stack[n], from, &x->path[stack[n]]);
		up = stack[n];
		from = x->path[up];
	}
	return err;
}

static struct err *place_all(struct sampling *x)
{
	const struct graph *g = x->g;
	struct err *err = col_fixed(x->env, 4, g->n, "paths", &x->path_col);

	if (!err)
		err = col_fixed(x->env, 4, g->n, "paths", &x->size_col);
	if (!err)
		err = col_fixed(x->env, 2, g->n, "paths", &x->way_col);
	if (!err)
		err = col_fixed(x->env, 4, (uint64_t)g->n_live + 1, "paths", &x->stack);
	if (err)
		return err;
	x->path = x->path_col.base;
	x->size = x->size_col.base;
	x->way = x->way_col.base;
	memset(x->path, 0xff, 4 * (size_t)g->n);
	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it)) {
		x->size[it.id] = it.size < UINT32_MAX ? (uint32_t)it.size : UINT32_MAX;
		if (g->ops && g->ops->slot)
			find_ways(x, &it);
	}
	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n && !err; graph_next(&it)) {
		uint32_t ahead = it.id + AHEAD < g->n ? x->f->parent[it.id + AHEAD] : NODE_NONE;

		if (!(ahead & PARENT_ROOT))
			__builtin_prefetch(&x->path[ahead]);
		if (x->path[it.id] == PATH_NONE)
			err = place_node(x, it.id);
	}
	col_close(&x->stack);
	col_close(&x->way_col);
	return err;
}

/* ---- sums ---- */

static const char *rule_of_reach(enum reach reach)
{
	switch (reach) {
	case REACH_DEFINITE:
		return "lost/definite";
	case REACH_INDIRECT:
		return "lost/indirect";
	case REACH_POSSIBLE:
		return "lost/possible";
	case REACH_UNCOLLECTED:
		return "uncollected/garbage";
	default:
		return NULL;
	}
}

static struct err *sum_at(struct sampling *x, uint32_t path, enum reach reach, uint32_t heap,
			  uint32_t *ret)
{
	uint32_t *place = pair_place(&x->sum_of, path, (uint64_t)heap << 8 | reach);
	struct sum sum = {
		.path = path, .reach = (uint8_t)reach, .heap = heap, .rule = rule_of_reach(reach)
	};

	if (!place)
		return &err_nomem;
	if (!*place) {
		if (!vec_push(&x->sums, &sum)) {
			x->sum_of.n--;
			return &err_nomem;
		}
		*place = (uint32_t)x->sums.n;
	}
	*ret = *place - 1;
	return NULL;
}

/* Extents ascend, and so do nodes. */
static uint32_t heap_at(const struct sampling *x, uint64_t start, size_t *extent)
{
	const struct extent *e = x->s->extents;

	while (*extent < x->s->n_extents && e[*extent].end <= start)
		++*extent;
	if (*extent == x->s->n_extents || start < e[*extent].start ||
	    e[*extent].heap >= x->r->heaps.n)
		return x->r->heaps.n == 1;
	return e[*extent].heap + 1;
}

static struct err *sum_live(struct sampling *x)
{
	const struct graph *g = x->g;
	_free_ uint32_t *last = calloc(x->tree.rows.n + 1, sizeof(*last)); /* by path: its sum */
	size_t extent = 0;

	if (!last)
		return &err_nomem;
	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it)) {
		uint32_t path = x->path[it.id], no = last[path], heap = heap_at(x, it.key, &extent);
		struct err *err = NULL;

		/* the first of all sums is any path's until it has its own */
		if (no >= x->sums.n || x->sums.v[no].path != path || x->sums.v[no].heap != heap ||
		    x->sums.v[no].reach != x->f->reach[it.id])
			err = sum_at(x, path, x->f->reach[it.id], heap, &no);
		if (err)
			return err;
		last[path] = x->path[it.id] = no;
		x->sums.v[no].values[V_OBJECTS]++;
		x->sums.v[no].values[V_BYTES] += (int64_t)it.size;
	}
	return NULL;
}

static struct err *free_path(struct sampling *x, const char *where, const char *extent,
			     uint32_t *ret)
{
	uint32_t root = path_root(&x->tree, "(free)", 0);

	text_reset(&x->name);
	text_add(&x->name, extent ? extent : "");
	drop_addresses(&x->name);
	if (root != PATH_NONE && x->name.n)
		root = path_step(&x->tree, root, text_str(&x->name), text_str(&x->name), NULL);
	*ret = root == PATH_NONE ? root : path_step(&x->tree, root, where, where, NULL);
	return *ret == PATH_NONE ? &err_nomem : NULL;
}

static struct err *sum_free_node(struct sampling *x, node_id node, const char *where,
				 size_t *extent)
{
	uint32_t heap = heap_at(x, graph_start(x->g, node), extent), path, no;
	const char *name = *extent < x->s->n_extents ? x->s->extents[*extent].name : NULL;
	struct err *err = free_path(x, where, name, &path);

	if (!err)
		err = sum_at(x, path, REACH_DEAD, heap, &no);
	if (err)
		return err;
	x->sums.v[no].values[V_FREE] += (int64_t)graph_size(x->g, node);
	if (is_thread_cache(where))
		x->sums.v[no].rule = "free-held/thread-cache";
	else if (strcmp(where, "top") != 0)
		x->sums.v[no].rule = "free-held/fragmentation";
	return NULL;
}

static struct err *sum_free(struct sampling *x)
{
	const struct graph *g = x->g;
	struct err *err = NULL;
	size_t extent = 0;

	for (uint64_t w = 0; x->s->where && w < bits_words(g->n) && !err; w++) {
		uint64_t rest = ~g->live[w];

		for (; rest && !err; rest &= rest - 1) {
			node_id node = (node_id)(w << 6 | (uint64_t)__builtin_ctzll(rest));
			const char *where;

			if (node >= g->n)
				break;
			where = x->s->where(x->s->where_ctx, node);
			if (where)
				err = sum_free_node(x, node, where, &extent);
		}
	}
	return err;
}

/* ---- the largest ---- */

struct by_size {
	int64_t bytes;
	uint32_t sum;
};

static int largest_first(const void *pa, const void *pb)
{
	const struct by_size *a = pa, *b = pb;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return a->sum < b->sum ? -1 : a->sum > b->sum;
}

/* Marks what is kept, in order; how many. The rest is one more, "(other)", if there is any. */
static struct err *keep_largest(struct sampling *x, size_t *ret)
{
	size_t n = x->sums.n;
	_free_ struct by_size *order = calloc(n + 1, sizeof(*order));

	if (!order)
		return &err_nomem;
	for (size_t i = 0; i < n; i++)
		order[i] = (struct by_size){
			x->sums.v[i].values[V_BYTES] + x->sums.v[i].values[V_FREE], (uint32_t)i
		};
	qsort(order, n, sizeof(*order), largest_first);
	*ret = n < SAMPLES_MAX ? n : SAMPLES_MAX - 1;
	for (size_t i = 0; i < *ret; i++)
		x->sums.v[order[i].sum].kept = (uint32_t)i + 1;
	return NULL;
}

/* ---- retained ---- */

struct tree_links {
	node_id *first, *next; /* children by dominator, ascending */
	uint32_t *open;	       /* by kept sample: its nodes on the way from the top */
	struct rp_sample *out;
	struct col first_col, next_col, open_col;
};

static void tree_links_close(struct tree_links *t)
{
	col_close(&t->first_col);
	col_close(&t->next_col);
	col_close(&t->open_col);
}

/* Below it in the dominator tree there may be more of its sample, with others between. */
static bool may_come_again(const struct sum *sum, const struct path_row *rows)
{
	return !sum->kept || sum->path == PATH_NONE || rows[sum->path].in_loop;
}

/*
 * Which samples stand above a node, where its own may stand among them: only a row of a loop has
 * more of its own above it and another between.  Such sets are few, so a node has the number of its
 * own; it is that of its dominator exactly when the sample stood there already.
 */
struct above {
	const struct sampling *x;
	struct {
		struct above_set {
			uint64_t hash;
			const uint32_t *members; /* `kept` of sums */
			uint32_t n;
		} *v;
		size_t n, cap;
	} sets;			  /* 0 stands for unknown, 1 is empty */
	struct pair_table set_of; /* by hash of the members in any order, size */
	struct pair_table next;	  /* by set, kept */
	struct arena mem;
	uint64_t n_members;
	uint16_t *set; /* by node */
	struct col set_col, stack;
};

static void above_fini(struct above *a)
{
	free(a->sets.v);
	free(a->set_of.slots);
	free(a->next.slots);
	arena_fini(&a->mem);
	col_close(&a->set_col);
	col_close(&a->stack);
}

static bool set_has(const struct above_set *set, uint32_t kept)
{
	for (uint32_t i = 0; i < set->n; i++)
		if (set->members[i] == kept)
			return true;
	return false;
}

static uint64_t member_hash(uint32_t kept)
{
	uint64_t h = (kept + 1ull) * 0x9e3779b97f4a7c15;

	return (h ^ h >> 29) * 0xc2b2ae3d27d4eb4f;
}

/* The set of `n` members and one more; 0: too many, or no memory. */
static uint16_t set_with(struct above *a, const uint32_t *members, uint32_t n, uint32_t kept)
{
	struct above_set set = { .n = n + 1 };
	uint32_t *v, *place;

	if (a->sets.n >= SETS_MAX || a->n_members + set.n > SET_MEMBERS_MAX)
		return 0;
	v = arena_alloc(&a->mem, set.n * sizeof(*v));
	if (!v)
		return 0;
	for (uint32_t i = 0; i <= n; i++) {
		v[i] = i < n ? members[i] : kept;
		set.hash += member_hash(v[i]);
	}
	set.members = v;
	a->n_members += set.n;
	place = pair_place(&a->set_of, set.hash, set.n);
	if (!place)
		return 0;
	if (!*place && !vec_push(&a->sets, &set)) {
		a->set_of.n--;
		return 0;
	}
	if (!*place)
		*place = (uint32_t)a->sets.n;
	return (uint16_t)(*place - 1);
}

/* Below a dominator with set `from`: 0 when there are too many. */
static uint16_t set_below(struct above *a, uint16_t from, const struct sum *own)
{
	uint32_t *place = pair_place(&a->next, from, own->kept);
	const struct above_set *set = &a->sets.v[from];
	const uint32_t other = 0;
	uint16_t to;

	if (!place)
		return 0;
	if (*place)
		return (uint16_t)(*place - 1);
	if (may_come_again(own, a->x->tree.rows.v))
		to = set_has(set, own->kept) ? from : set_with(a, set->members, set->n, own->kept);
	else /* what lies between loops ends them; "(other)" is one sample all over */
		to = set_with(a, &other, set_has(set, 0), own->kept);
	if (to)
		*place = to + 1u;
	else
		a->next.n--;
	return to;
}

/* The sets of a node and of all that hold it and have none yet; false: too many. */
static bool find_set(struct above *a, node_id node)
{
	node_id *stack = a->stack.base, at = node;
	const node_id *idom = a->x->f->idom;
	uint16_t set = SET_EMPTY;
	uint64_t n = 0;

	for (; at != NODE_NONE && !a->set[at] && n < a->stack.max; at = idom[at])
		stack[n++] = at;
	if (at != NODE_NONE)
		set = a->set[at];
	while (n-- && set) {
		set = set_below(a, set, &a->x->sums.v[a->x->path[stack[n]]]);
		a->set[stack[n]] = set;
	}
	return set;
}

static struct err *open_above(struct sampling *x, struct above *a)
{
	const struct above_set none = {};
	uint64_t deepest = (uint64_t)x->g->n_live + 1;
	struct err *err = col_fixed(x->env, 2, x->g->n, "retained by path", &a->set_col);

	if (!err)
		err = col_fixed(x->env, 4, deepest, "retained by path", &a->stack);
	if (!err && (!vec_push(&a->sets, &none) || !vec_push(&a->sets, &none)))
		err = &err_nomem;
	a->x = x;
	a->set = a->set_col.base;
	return err;
}

/* What a dominator of its sample retains brings nothing. *ret false: there are too many sets. */
static struct err *retain_by_sets(struct sampling *x, struct rp_sample *out, bool *ret)
{
	_cleanup_(above_fini) struct above a = {};
	const node_id *idom = x->f->idom;
	struct err *err = open_above(x, &a);

	*ret = true;
	if (err)
		return err;
	for (struct graph_iter it = graph_iter(x->g, 0); it.id < x->g->n; graph_next(&it)) {
		node_id up = idom[it.id];

		if (it.id + AHEAD < x->g->n && idom[it.id + AHEAD] != NODE_NONE)
			__builtin_prefetch(&a.set[idom[it.id + AHEAD]]);
		if (!a.set[it.id] && !find_set(&a, it.id)) {
			*ret = false;
			return NULL;
		}
		if (a.set[it.id] != (up == NODE_NONE ? SET_EMPTY : a.set[up]))
			out[x->sums.v[x->path[it.id]].kept].values[V_RETAINED] +=
				(int64_t)facts_retained_of(x->f, it.id, it.size);
	}
	return NULL;
}

static void enter(struct sampling *x, struct tree_links *t, node_id node)
{
	uint32_t kept = x->sums.v[x->path[node]].kept;

	if (!t->open[kept]++)
		t->out[kept].values[V_RETAINED] += (int64_t)facts_retained(x->f, node);
}

static void leave(struct sampling *x, struct tree_links *t, node_id node)
{
	t->open[x->sums.v[x->path[node]].kept]--;
}

/* Down and up the dominator tree below one of its tops. */
static void walk_tree(struct sampling *x, struct tree_links *t, node_id top)
{
	node_id at = top;

	enter(x, t, at);
	for (;;) {
		if (t->first[at] != NODE_NONE) {
			at = t->first[at];
			enter(x, t, at);
			continue;
		}
		while (at != top && t->next[at] == NODE_NONE) {
			leave(x, t, at);
			at = x->f->idom[at];
		}
		leave(x, t, at);
		if (at == top)
			return;
		at = t->next[at];
		enter(x, t, at);
	}
}

static struct err *retain_by_walking(struct sampling *x, struct rp_sample *out, size_t n)
{
	_cleanup_(tree_links_close) struct tree_links t = { .out = out };
	const struct graph *g = x->g;
	struct err *err = col_fixed(x->env, 4, g->n, "retained by path", &t.first_col);

	if (!err)
		err = col_fixed(x->env, 4, g->n, "retained by path", &t.next_col);
	if (!err)
		err = col_fixed(x->env, 4, n + 1, "retained by path", &t.open_col);
	if (err)
		return err;
	t.first = t.first_col.base;
	t.next = t.next_col.base;
	t.open = t.open_col.base;
	for (size_t i = 0; i <= n; i++)
		out[i].values[V_RETAINED] = 0;
	memset(t.first, 0xff, 4 * (size_t)g->n);
	memset(t.next, 0xff, 4 * (size_t)g->n);
	for (node_id i = g->n; i--;) {
		node_id up = graph_is_live(g, i) ? x->f->idom[i] : NODE_NONE;

		if (up == NODE_NONE)
			continue;
		t.next[i] = t.first[up];
		t.first[up] = i;
	}
	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it))
		if (x->f->idom[it.id] == NODE_NONE)
			walk_tree(x, &t, it.id);
	return NULL;
}

/* ---- into the report ---- */

static struct err *add_labels(struct sampling *x, const struct sum *sum, struct rp_sample *out)
{
	struct rp_label labels[5], *kept;
	const struct path_row *row = &x->tree.rows.v[sum->path];
	const char *type = x->tree.frames.v[row->frame].type;
	size_t n = 0;

	if (sum->rule)
		labels[n++] = (struct rp_label){ .key = "rule", .text = sum->rule };
	if (sum->heap && sum->heap <= x->r->heaps.n)
		labels[n++] = (struct rp_label){ .key = "heap",
						 .text = x->r->heaps.v[sum->heap - 1].allocator };
	if (type)
		labels[n++] = (struct rp_label){ .key = "type", .text = type };
	while (row->parent != PATH_NONE)
		row = &x->tree.rows.v[row->parent];
	if (row->label) {
		const struct holder *h = &x->holders.v[row->label - 1];

		labels[n++] = h->goroutine ?
				      (struct rp_label){ .key = "goroutine",
							 .number = h->goroutine } :
				      (struct rp_label){ .key = "thread", .number = h->thread };
	}
	kept = arena_memdup(&x->r->mem, labels, n * sizeof(*kept));
	if (!kept)
		return &err_nomem;
	out->labels = kept;
	out->n_labels = n;
	return NULL;
}

static struct err *add_path(struct sampling *x, uint32_t path, struct rp_sample *out)
{
	uint32_t *frames = arena_alloc(&x->r->mem, (x->tree.rows.v[path].depth + 1u) * 4);

	if (!frames)
		return &err_nomem;
	for (; path != PATH_NONE; path = x->tree.rows.v[path].parent)
		frames[out->n_locations++] = x->tree.rows.v[path].frame;
	out->locations = frames;
	return NULL;
}

/* out[0] is "(other)". */
static struct err *fill_samples(struct sampling *x, struct rp_sample *out)
{
	struct err *err = NULL;

	for (size_t i = 0; i < x->sums.n && !err; i++) {
		const struct sum *sum = &x->sums.v[i];
		struct rp_sample *s = &out[sum->kept];

		for (unsigned v = 0; v < PROFILE_VALUES; v++)
			s->values[v] += sum->values[v];
		if (!sum->kept)
			continue;
		err = add_path(x, sum->path, s);
		if (!err)
			err = add_labels(x, sum, s);
	}
	return err;
}

static struct err *make_locations(struct sampling *x, struct rp_profile *p)
{
	size_t n = x->tree.frames.n;
	struct rp_location *locations = arena_alloc(&x->r->mem, (n + 1) * sizeof(*locations));
	struct rp_line *lines = arena_alloc(&x->r->mem, (n + 1) * sizeof(*lines));

	if (!locations || !lines)
		return &err_nomem;
	for (size_t i = 0; i < n; i++) {
		lines[i].function = x->tree.frames.v[i].name;
		locations[i] = (struct rp_location){ .lines = &lines[i], .n_lines = 1 };
	}
	p->locations = locations;
	p->n_locations = n;
	return NULL;
}

static struct err *add_comments(struct sampling *x, size_t n_kept, struct rp_profile *p)
{
	const char *id = NULL;

	for (size_t i = 0; i < x->r->modules.n && !id; i++)
		if (x->r->input.exe && x->r->modules.v[i].path &&
		    !strcmp(x->r->modules.v[i].path, x->r->input.exe))
			id = x->r->modules.v[i].build_id;
	p->comments[p->n_comments++] = "heapfx " HEAPFX_VERSION;
	if (id)
		p->comments[p->n_comments++] = arena_printf(&x->r->mem, "build id %s", id);
	if (n_kept < x->sums.n || x->tree.n_ended)
		p->comments[p->n_comments++] = arena_printf(
			&x->r->mem, "%zu of the smallest paths are in (other); %" PRIu64
				    " steps too deep or too many",
			x->sums.n - n_kept, x->tree.n_ended);
	if (x->unlabelled)
		p->comments[p->n_comments++] =
			"not all threads and goroutines are told apart by labels";
	for (size_t i = 0; i < p->n_comments; i++)
		if (!p->comments[i])
			return &err_nomem;
	return NULL;
}

/* The place of "(other)" is out[0]: it moves to the end, or goes when it is empty. */
static struct err *finish(struct sampling *x, struct rp_sample *out, size_t n_kept)
{
	struct rp_profile *p = arena_alloc(&x->r->mem, sizeof(*p));
	uint32_t other, *frames = arena_alloc(&x->r->mem, sizeof(*frames));
	struct err *err;

	if (!p || !frames)
		return &err_nomem;
	*p = (struct rp_profile){
		.values = { { "inuse_objects", "count" },
			    { "inuse_space", "bytes" },
			    { "retained_space", "bytes" },
			    { "free_space", "bytes" } },
		.n_values = 4,
		.main_value = V_BYTES,
		.samples = out + 1,
		.n_samples = n_kept,
	};
	if (n_kept < x->sums.n) {
		x->tree.max = SIZE_MAX;
		other = path_root(&x->tree, "(other)", 0);
		if (other == PATH_NONE)
			return &err_nomem;
		*frames = x->tree.rows.v[other].frame;
		out[0].locations = frames;
		out[0].n_locations = 1;
		out[n_kept + 1] = out[0];
		p->n_samples++;
	}
	err = make_locations(x, p);
	if (!err)
		err = add_comments(x, n_kept, p);
	if (!err)
		x->r->profiles[PROFILE_PATHS] = p;
	return err;
}

static struct err *sample(struct sampling *x)
{
	struct rp_sample *out;
	size_t n_kept;
	bool all;
	struct err *err = place_all(x);

	if (!err)
		err = sum_live(x);
	if (!err)
		err = sum_free(x);
	if (!err)
		err = keep_largest(x, &n_kept);
	if (err)
		return err;
	out = arena_alloc(&x->r->mem, (n_kept + 2) * sizeof(*out));
	if (!out)
		return &err_nomem;
	err = fill_samples(x, out);
	if (!err)
		err = retain_by_sets(x, out, &all);
	if (!err && !all)
		err = retain_by_walking(x, out, n_kept);
	return err ? err : finish(x, out, n_kept);
}

static struct err *samples_run(struct env *env, const struct subject *s, struct report *r)
{
	_cleanup_(sampling_fini) struct sampling x = {
		.env = env, .s = s, .r = r, .g = s->graph, .f = s->facts,
		.tree = { .mem = &r->mem, .max = ROWS_MAX },
		.name = TEXT_INIT, .bare = TEXT_INIT,
	};

	return s->wants_paths ? sample(&x) : NULL;
}

const struct analysis_ops samples_analysis = {
	.name = "samples",
	.summary = "paths for profiles and flame graphs",
	.needs = FACT_REACH | FACT_DOM | FACT_PARENT,
	.run = samples_run,
};
