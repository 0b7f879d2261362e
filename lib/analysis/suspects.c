/*
 * analysis/suspects.c - who holds a large part of the live memory, and what it consists of.
 *
 * Nodes that retain a share worth naming ("big" ones) form the top of the dominator tree, which
 * has at most 1/share leaves.  Going down from the roots, a structure is a big node with the big
 * nodes of like size below it (a list, a tree); what it retains beyond other big nodes below is
 * its own.  A structure whose own part is still worth naming is an accumulation point.  So is a
 * root by itself (one symbol's slots) that keeps many small things.  Each byte belongs to one
 * point at most.  Needs a byte a node, and passes straight through them.
 */
#include <inttypes.h>
#include <string.h>

#include "analysis/chain.h"
#include "analysis/only_way.h"
#include "analysis/tables.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"

enum {
	SHARE_PERCENT = 5,	  /* of live bytes: less is not worth naming */
	FLOOR_BYTES = 256 << 10,  /* in a small heap a share says nothing */
	LIKE_MIN = 100,		  /* as many blocks of one size make an accumulation */
	SIZES = 4096,		  /* of the table of sizes of a point; a power of two */
	POINTS_MAX = 64,	  /* fewer than fit in a byte */
	TOLD = 8, /* kinds of slack in what a point owns */
	HOLDER_WIDTH = 28, /* of a title: what fits beside a type */
	COMMON_STEPS = 8,
	HEADER_STEPS = 2, /* from the slots of a map to its header */
	AHEAD = 24, /* nodes whose owners are being fetched while one is worked on */
};

#define OWNER_NONE 0 /* owners are indices of points, + 1 */
#define OWNER_OF UINT8_MAX /* not known yet: that of the dominator */
#define ROOT_NONE UINT32_MAX

/* Blocks of one type; of one size, where the type is unknown. */
struct size_class {
	uint64_t size, count, bytes; /* size: of the first */
	type_id type;
	node_id first[SUSPECT_ADDRESSES];
};

/* Of what a point owns, that much is room that containers of a type do not use. */
struct told {
	uint64_t wasted;
	type_id type;
	uint8_t kind; /* enum slack_kind */
};

struct point {
	node_id node;		       /* NODE_NONE: the roots themselves hold it, no structure */
	uint32_t first_root, end_root; /* of those; end 0: a structure alone */
	node_id above; /* `node`; of several structures merged, what dominates all of them */
	uint64_t bytes, count;	       /* of all it owns */
	struct size_class *sizes;
	uint32_t n_sizes;
	struct largest largest;
	uint64_t other_count; /* blocks whose size found no slot */
	struct told told[TOLD]; /* any order; those without a type together */
	unsigned n_told;
	/* What keys of containers keep of it; the one that may have most of that (Boyer, Moore). */
	uint64_t by_keys, majority;
	uint16_t most_keyed; /* as in facts.keyed */
};

struct pair {
	node_id parent, child;
};

/* How the shortest chain leads to a point; both 0: not asked for, or from no root with a place. */
struct way {
	uint64_t names, root;
};

struct search {
	struct env *env;
	const struct subject *s;
	const struct graph *g;
	const struct facts *f;
	uint64_t threshold;
	struct col big_col, rank_col, best_col, branch_col, owner_col, sum_col;
	uint64_t *big;	  /* one bit a node */
	uint32_t *rank;	  /* big nodes before each word of `big` */
	uint32_t n_big;
	node_id *best;	  /* by rank: the largest big child */
	uint64_t *branch; /* by rank: there is more than one */
	uint32_t *root;	  /* by node, + 1: at the top, and on the way there; 0: nobody asked */
	uint8_t *owner;	  /* by node; in the same column, after the roots */
	uint64_t *sum;	  /* n_roots + 1: retained by the roots before each */
	/* big children that are not the best; few */
	struct { struct pair *v; size_t n, cap; } extra;
	struct { node_id *v; size_t n, cap; } tops, todo, same;
	struct { struct point *v; size_t n, cap; } points;
	uint64_t near; /* graph_size_near() */
	struct tables tables;
};

static void close_search(struct search *x)
{
	col_close(&x->big_col);
	col_close(&x->rank_col);
	col_close(&x->best_col);
	col_close(&x->branch_col);
	col_close(&x->owner_col);
	col_close(&x->sum_col);
	free(x->extra.v);
	free(x->tops.v);
	free(x->todo.v);
	free(x->same.v);
	for (size_t i = 0; i < x->points.n; i++)
		free(x->points.v[i].sizes);
	free(x->points.v);
}

/* What a pool or stuck goroutines alone keep is the business of analysis/owned.c. */
static bool is_held(const struct search *x, node_id i)
{
	if (x->f->owner && x->f->owner[i] != OWNER_OTHERS)
		return false;
	return x->f->reach[i] == REACH_REACHABLE || x->f->reach[i] == REACH_POSSIBLE;
}

static uint32_t rank_of(const struct search *x, node_id i)
{
	uint64_t below = x->big[i >> 6] & ~(~0ull << (i & 63));

	return x->rank[i >> 6] + (uint32_t)__builtin_popcountll(below);
}

/* A leaf keeps itself alone: most are ruled out by how far sixty-four of them reach. */
static void mark_big_word(struct search *x, uint64_t w)
{
	const struct graph *g = x->g;
	uint64_t inner = x->f->retained.set[w], bits = g->live[w];

	if (graph_size_most(g, w) < x->threshold)
		bits &= inner;
	for (; bits; bits &= bits - 1) {
		node_id i = (node_id)(64 * w + (unsigned)__builtin_ctzll(bits));
		bool is_leaf = !bit_get(x->f->retained.set, i);
		uint64_t size = is_leaf ? graph_size_near(g, i, &x->near) : 0;

		if (facts_retained_of(x->f, i, size) >= x->threshold && is_held(x, i))
			bit_set(x->big, i);
	}
}

static struct err *mark_big(struct search *x)
{
	uint64_t words = bits_words(x->g->n);
	struct err *err = col_fixed(x->env, 8, words, "large owners", &x->big_col);

	if (!err)
		err = col_fixed(x->env, 4, words, "large owners", &x->rank_col);
	if (err)
		return err;
	x->big = x->big_col.base;
	x->rank = x->rank_col.base;
	for (uint64_t w = 0; w < words; w++)
		mark_big_word(x, w);
	for (uint64_t w = 0; w < words; w++) {
		x->rank[w] = x->n_big;
		x->n_big += (uint32_t)__builtin_popcountll(x->big[w]);
	}
	return NULL;
}

static node_id next_big(const struct search *x, uint64_t from)
{
	uint64_t words = bits_words(x->g->n);

	for (uint64_t w = from >> 6; w < words; w++) {
		uint64_t bits = x->big[w];

		if (w == from >> 6)
			bits &= ~0ull << (from & 63);
		if (bits)
			return (node_id)(w << 6 | (uint64_t)__builtin_ctzll(bits));
	}
	return NODE_NONE;
}

static void note_child(struct search *x, node_id parent, node_id child)
{
	uint32_t at = rank_of(x, parent);

	if (x->best[at] == NODE_NONE) {
		x->best[at] = child;
		return;
	}
	bit_set(x->branch, at);
	if (facts_retained(x->f, child) > facts_retained(x->f, x->best[at]))
		x->best[at] = child;
}

/*
 * The tree of big nodes: the largest child of each, the others of the few that have more, the tops.
 */
static struct err *link_big(struct search *x)
{
	struct err *err =
		col_fixed(x->env, sizeof(node_id), x->n_big, "large owners", &x->best_col);

	if (!err)
		err = col_fixed(x->env, 8, bits_words(x->n_big), "large owners", &x->branch_col);
	if (err)
		return err;
	x->best = x->best_col.base;
	x->branch = x->branch_col.base;
	memset(x->best, 0xff, x->n_big * sizeof(*x->best));
	for (node_id i = next_big(x, 0); i != NODE_NONE; i = next_big(x, (uint64_t)i + 1)) {
		node_id up = x->f->idom[i];

		if (up == NODE_NONE) {
			if (!vec_push(&x->tops, &i))
				return &err_nomem;
		} else if (bit_get(x->big, up)) {
			note_child(x, up, i);
		}
	}
	for (node_id i = next_big(x, 0); i != NODE_NONE; i = next_big(x, (uint64_t)i + 1)) {
		struct pair p = { x->f->idom[i], i };

		if (p.parent == NODE_NONE || !bit_get(x->big, p.parent))
			continue;
		if (!bit_get(x->branch, rank_of(x, p.parent)) || x->best[rank_of(x, p.parent)] == i)
			continue;
		if (!vec_push(&x->extra, &p))
			return &err_nomem;
	}
	return NULL;
}

/*
 * Which root the shortest chain to a node starts at; ROOT_NONE if none. Remembers it along the
 * way.
 */
static uint32_t root_of(struct search *x, node_id node)
{
	const uint32_t *parent = x->f->parent;
	uint32_t root = ROOT_NONE;
	node_id at = node;

	for (node_id steps = 0; steps <= x->g->n; steps++) {
		if (x->root[at]) {
			root = x->root[at] - 1;
			break;
		}
		if (parent[at] == NODE_NONE)
			break;
		if (parent[at] & PARENT_ROOT) {
			root = parent[at] & ~PARENT_ROOT;
			break;
		}
		at = parent[at];
	}
	if (root >= x->g->n_roots)
		return ROOT_NONE;
	while (!x->root[node]) {
		uint32_t up = parent[node];

		x->root[node] = root + 1;
		if (up & PARENT_ROOT)
			break;
		node = up;
	}
	return root;
}

static struct err *sum_by_root(struct search *x)
{
	struct err *err =
		col_sparse(x->env, sizeof(uint32_t), x->g->n, "owners", &x->owner_col);

	if (!err)
		err = col_fixed(x->env, sizeof(uint64_t), (uint64_t)x->g->n_roots + 1,
				"bytes by root", &x->sum_col);
	if (err)
		return err;
	x->root = x->owner_col.base;
	x->sum = x->sum_col.base;
	for (node_id i = 0; i < x->g->n; i++) {
		uint32_t root;

		if (x->f->idom[i] != NODE_NONE || !is_held(x, i))
			continue;
		root = root_of(x, i);
		if (root != ROOT_NONE)
			x->sum[root + 1] += facts_retained(x->f, i);
	}
	for (uint32_t i = 0; i < x->g->n_roots; i++)
		x->sum[i + 1] += x->sum[i];
	return NULL;
}

static void cut(struct text *t, char *at)
{
	*at = '\0';
	t->n = (size_t)(at - t->s);
}

/* "main.table+0x40", "main.table[8].next" -> "main.table" */
static void drop_place(struct text *t)
{
	char *plus = t->n ? strrchr(t->s, '+') : NULL;
	char *element = t->n ? strchr(t->s, '[') : NULL;

	if (plus && plus[1] == '0' && plus[2] == 'x')
		cut(t, plus);
	else if (element && element != t->s && element[1] >= '0' && element[1] <= '9')
		cut(t, element);
}

/*
 * Of a global by a long path, "net/http.defaultServeMux.tree.emptyChild", the variable: the chain
 * has the rest.  A library's file name is no such path.
 */
static void drop_fields(struct text *t)
{
	char *s = t->s, *slash = s ? strrchr(s, '/') : NULL, *dot, *field;

	if (!s)
		return;
	dot = strchr(slash ? slash : s, '.');
	field = dot ? strchr(dot + 1, '.') : NULL;
	if (t->n > HOLDER_WIDTH && field && !strstr(s, ".so"))
		cut(t, field);
}

/* The symbol, stack or mapping of a root, without the place inside it. */
static void holder_name(const struct search *x, uint32_t root, struct text *ret)
{
	text_reset(ret);
	if (x->g->ops && x->g->ops->root)
		x->g->ops->root(x->g->ctx, root, ret);
	drop_place(ret);
}

/* A module's data may lie in several mappings, each a source: one symbol may span two. */
static bool same_place(const struct search *x, uint32_t a, uint32_t b)
{
	const struct root_source *sa = &x->g->sources[x->g->root_source[a]];
	const struct root_source *sb = &x->g->sources[x->g->root_source[b]];

	return sa == sb || (sa->kind == sb->kind && sa->module >= 0 && sa->module == sb->module &&
			    sa->thread == sb->thread);
}

static bool same_holder(const struct search *x, uint32_t a, uint32_t b)
{
	struct text ta = TEXT_INIT, tb = TEXT_INIT;
	bool same = a == b;

	if (!same && same_place(x, a, b)) {
		holder_name(x, a, &ta);
		holder_name(x, b, &tb);
		same = !strcmp(text_str(&ta), text_str(&tb));
	}
	text_fini(&ta);
	text_fini(&tb);
	return same;
}

/*
 * Roots of one holder lie together: where the holder of `a` (at `m`) ends, and begins, in [a, b).
 */
static uint32_t split_at(const struct search *x, uint32_t a, uint32_t b)
{
	uint32_t m = a + (b - a) / 2, lo = a, hi = m;

	while (lo < hi) { /* the first one like m */
		uint32_t mid = lo + (hi - lo) / 2;

		if (same_holder(x, mid, m))
			hi = mid;
		else
			lo = mid + 1;
	}
	if (lo > a)
		return lo;
	lo = m;
	hi = b;
	while (hi - lo > 1) { /* the last one like m */
		uint32_t mid = lo + (hi - lo) / 2;

		if (same_holder(x, mid, m))
			lo = mid;
		else
			hi = mid;
	}
	return hi;
}

/* What big nodes at the top take out of a holder's sum: they are looked at by themselves. */
static uint64_t tops_of(const struct search *x, uint32_t first, uint32_t end)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < x->tops.n; i++) {
		uint32_t root = x->root[x->tops.v[i]];

		if (root > first && root <= end)
			bytes += facts_retained(x->f, x->tops.v[i]);
	}
	return bytes;
}

static struct err *add_holder(struct search *x, uint32_t first, uint32_t end)
{
	uint64_t bytes = x->sum[end] - x->sum[first], tops = tops_of(x, first, end);
	struct point p = { .node = NODE_NONE, .above = NODE_NONE,
			   .first_root = first, .end_root = end };

	if (bytes - tops < x->threshold || x->points.n == POINTS_MAX)
		return NULL;
	return vec_push(&x->points, &p) ? NULL : &err_nomem;
}

/*
 * Holders with enough below them, by halving [0, n_roots): ranges with too little are not looked
 * into.
 */
static struct err *find_holders(struct search *x)
{
	struct range {
		uint32_t a, b;
	} all = { 0, x->g->n_roots };
	struct {
		struct range *v;
		size_t n, cap;
	} todo = {};
	struct err *err = NULL;

	if (all.b && !vec_push(&todo, &all))
		return &err_nomem;
	while (todo.n && !err) {
		struct range at = todo.v[--todo.n], left, right;

		if (x->sum[at.b] - x->sum[at.a] < x->threshold)
			continue;
		if (same_holder(x, at.a, at.b - 1)) {
			err = add_holder(x, at.a, at.b);
			continue;
		}
		left = right = at;
		left.b = right.a = split_at(x, at.a, at.b);
		/* names that are not in order: take it as it is */
		if (left.b <= at.a || left.b >= at.b) {
			err = add_holder(x, at.a, at.b);
			continue;
		}
		if (!vec_push(&todo, &right) || !vec_push(&todo, &left))
			err = &err_nomem;
	}
	free(todo.v);
	return err;
}

static uint8_t holder_of(const struct search *x, uint32_t root)
{
	for (size_t i = 0; i < x->points.n; i++)
		if (root > x->points.v[i].first_root && root <= x->points.v[i].end_root)
			return (uint8_t)(i + 1);
	return OWNER_NONE;
}

/* Known at the top, from the roots; below that of the dominator. */
static struct err *start_owners(struct search *x)
{
	x->owner = x->owner_col.base; /* what is written lies before what is read */
	for (node_id i = 0; i < x->g->n; i++) {
		if (!is_held(x, i))
			x->owner[i] = OWNER_NONE;
		else if (x->f->idom[i] != NODE_NONE)
			x->owner[i] = OWNER_OF;
		else
			x->owner[i] = holder_of(x, x->root[i]);
	}
	for (size_t i = 0; i < x->tops.n; i++)
		x->owner[x->tops.v[i]] = OWNER_NONE;
	return col_recast(&x->owner_col, sizeof(*x->owner), x->g->n);
}

struct shape {
	/* sizes of the nodes of a structure: of one kind, or of two that take turns */
	uint64_t a, b;
};

static struct shape shape_of(struct search *x, node_id node)
{
	struct shape shape = { graph_size_near(x->g, node, &x->near), 0 };
	node_id child = x->best[rank_of(x, node)], next;

	shape.b = shape.a;
	if (child == NODE_NONE)
		return shape;
	next = x->best[rank_of(x, child)];
	if (next != NODE_NONE && graph_size_near(x->g, next, &x->near) == shape.a)
		shape.b = graph_size_near(x->g, child, &x->near);
	return shape;
}

/* One big child of a structure: a part of it when alike, else a structure by itself. */
static struct err *visit_child(struct search *x, struct shape shape, node_id child, uint64_t *own)
{
	uint64_t size = graph_size_near(x->g, child, &x->near);

	if (size == shape.a || size == shape.b)
		return vec_push(&x->same, &child) ? NULL : &err_nomem;
	*own -= facts_retained(x->f, child);
	x->owner[child] = OWNER_NONE;
	return vec_push(&x->todo, &child) ? NULL : &err_nomem;
}

static struct err *visit_children(struct search *x, struct shape shape, node_id node, uint64_t *own)
{
	uint32_t at = rank_of(x, node);
	struct err *err;

	if (x->best[at] == NODE_NONE)
		return NULL;
	err = visit_child(x, shape, x->best[at], own);
	if (!bit_get(x->branch, at))
		return err;
	for (size_t i = 0; i < x->extra.n && !err; i++)
		if (x->extra.v[i].parent == node)
			err = visit_child(x, shape, x->extra.v[i].child, own);
	return err;
}

static struct err *visit_structure(struct search *x, node_id node)
{
	struct point p = { .node = node, .above = node };
	struct shape shape = shape_of(x, node);
	uint64_t own = facts_retained(x->f, node);
	struct err *err = visit_children(x, shape, node, &own);

	while (x->same.n && !err)
		err = visit_children(x, shape, x->same.v[--x->same.n], &own);
	if (err || own < x->threshold || x->points.n == POINTS_MAX)
		return err;
	if (!vec_push(&x->points, &p))
		return &err_nomem;
	x->owner[node] = (uint8_t)x->points.n;
	return NULL;
}

static struct err *find_structures(struct search *x)
{
	struct err *err = NULL;

	for (size_t i = 0; i < x->tops.n; i++)
		if (!vec_push(&x->todo, &x->tops.v[i]))
			return &err_nomem;
	while (x->todo.n && !err)
		err = visit_structure(x, x->todo.v[--x->todo.n]);
	return err;
}

/*
 * Of nodes with edges, where their order is known: each step up is to what was just looked at.
 */
static void own_inner(struct search *x)
{
	const node_id *idom = x->f->idom, *tree = x->f->tree;
	uint64_t n = x->f->n_tree;

	for (uint64_t i = 0; i < n; i++) {
		if (n - i > AHEAD) {
			__builtin_prefetch(&x->owner[tree[i + AHEAD]], 1);
			__builtin_prefetch(&idom[tree[i + AHEAD]]);
		}
		if (x->owner[tree[i]] == OWNER_OF)
			x->owner[tree[i]] = x->owner[idom[tree[i]]];
	}
}

/* Follows dominators up to an owner, and then leaves it all the way. */
static uint32_t owner_of(struct search *x, node_id node)
{
	const node_id *idom = x->f->idom;
	uint8_t *of = x->owner, owner;
	node_id top = node;

	while (of[top] == OWNER_OF) /* what has no dominator has an owner, or none */
		top = idom[top];
	owner = of[top];
	for (; of[node] == OWNER_OF; node = idom[node])
		of[node] = owner;
	return owner;
}

static bool is_of_class(const struct size_class *c, type_id type, uint64_t size)
{
	return c->type == type && (type || c->size == size);
}

static void count_block(struct point *p, node_id id, uint64_t size, type_id type)
{
	uint64_t key = type ? type | 1ull << 63 : size;
	uint64_t at = key * 0x9e3779b97f4a7c15ull >> 32 & (SIZES - 1);
	struct size_class *c;

	p->count++;
	p->bytes += size;
	largest_add(&p->largest, id, size);
	while (p->sizes[at].count && !is_of_class(&p->sizes[at], type, size))
		at = (at + 1) & (SIZES - 1);
	c = &p->sizes[at];
	if (!c->count && p->n_sizes == SIZES / 2) {
		p->other_count++;
		return;
	}
	p->n_sizes += !c->count;
	if (c->count < SUSPECT_ADDRESSES)
		c->first[c->count] = id;
	if (!c->count)
		c->size = size;
	c->type = type;
	c->count++;
	c->bytes += size;
}

static void count_keyed(struct point *p, uint16_t keyed, uint64_t size)
{
	p->by_keys += size;
	if (p->most_keyed == keyed) {
		p->majority += size;
	} else if (p->majority >= size) {
		p->majority -= size;
	} else {
		p->majority = size - p->majority;
		p->most_keyed = keyed;
	}
}

static struct err *count_sizes(struct search *x)
{
	const node_id *idom = x->f->idom;

	for (size_t i = 0; i < x->points.n; i++) {
		x->points.v[i].sizes = calloc(SIZES, sizeof(*x->points.v[i].sizes));
		if (!x->points.v[i].sizes)
			return &err_nomem;
	}
	own_inner(x);
	for (struct graph_iter it = graph_iter(x->g, 0); it.id < x->g->n; graph_next(&it)) {
		uint32_t owner;

		if (x->g->n - it.id > AHEAD && idom[it.id + AHEAD] != NODE_NONE)
			__builtin_prefetch(&x->owner[idom[it.id + AHEAD]], 1);
		owner = owner_of(x, it.id);
		if (owner == OWNER_NONE)
			continue;
		count_block(&x->points.v[owner - 1], it.id, it.size, graph_type(x->g, it.id));
		if (x->f->keyed && x->f->keyed[it.id])
			count_keyed(&x->points.v[owner - 1], x->f->keyed[it.id], it.size);
	}
	return NULL;
}

static void add_told(struct point *p, const struct slack *slack, type_id type)
{
	unsigned i = 0;

	while (i < p->n_told && (p->told[i].type != type || p->told[i].kind != slack->kind))
		i++;
	if (i == TOLD)
		return;
	if (i == p->n_told)
		p->told[p->n_told++] = (struct told){ .type = type, .kind = slack->kind };
	p->told[i].wasted += slack->wasted;
}

/* A map is known by its header, which leads to what it owns and is no part of that. */
static void add_header(struct search *x, struct point *p)
{
	node_id node = p->node;

	for (unsigned i = 0; i < HEADER_STEPS && node != NODE_NONE; i++) {
		uint64_t at;

		node = x->f->idom[node];
		if (node == NODE_NONE)
			return;
		at = partition_point(x->g->n_slacks, k, x->g->slacks[k].node < node);
		if (at < x->g->n_slacks && x->g->slacks[at].node == node &&
		    x->g->slacks[at].kind == SLACK_MAP)
			add_told(p, &x->g->slacks[at], graph_type(x->g, node));
	}
}

static void find_told(struct search *x)
{
	for (size_t i = 0; i < x->points.n; i++)
		add_header(x, &x->points.v[i]);
	for (uint64_t i = 0; i < x->g->n_slacks; i++) {
		const struct slack *slack = &x->g->slacks[i];
		uint32_t owner = owner_of(x, slack->node);

		if (owner != OWNER_NONE)
			add_told(&x->points.v[owner - 1], slack,
				 graph_type(x->g, slack->node));
	}
}

/* Half of what a point owns one container's keys keep: analysis/map_keys.c says more of it. */
static bool name_keyed(const struct search *x, const struct point *p, struct rp_suspect *out)
{
	const struct by_keys *k;

	if (!p->most_keyed || p->by_keys < p->bytes / 2)
		return false;
	k = &x->f->by_keys[p->most_keyed - 1];
	if (k->total.bytes < p->bytes / 2)
		return false;
	out->told_by = "growth/map-keys";
	out->told_of = graph_key(x->g, x->g->keyeds[k->keyed].node);
	return true;
}

/* Half of what a point owns is room that is not used: analysis/slack.c says more of it. */
static void name_told(const struct graph *g, const struct point *p, struct rp_suspect *out)
{
	const struct told *most = NULL;

	for (unsigned i = 0; i < p->n_told; i++)
		if (!most || p->told[i].wasted > most->wasted)
			most = &p->told[i];
	if (!most || most->wasted < p->bytes / 2)
		return;
	out->told_by = slack_rule(most->kind);
	out->told_type = most->type ? g->types->v[most->type].name : NULL;
}

static int by_bytes(const void *pa, const void *pb)
{
	const struct size_class *a = pa, *b = pb;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	if (a->size != b->size)
		return a->size < b->size ? 1 : -1;
	return a->type < b->type ? -1 : a->type > b->type;
}

/* The size with most bytes of those that come in numbers; NULL when none does. */
static const struct size_class *pick_class(const struct point *p, uint64_t threshold,
					   bool *ret_like)
{
	*ret_like = true;
	for (uint32_t i = 0; i < p->n_sizes; i++)
		if (p->sizes[i].count >= LIKE_MIN)
			return &p->sizes[i];
	*ret_like = false;
	return p->n_sizes && p->sizes[0].bytes >= threshold ? &p->sizes[0] : NULL;
}

/* What a table has, its type apart. */
static void make_class(const struct graph *g, const struct entries_of *t, struct size_class *ret)
{
	*ret = (struct size_class){ .count = t->entries, .bytes = t->bytes,
				    .type = graph_type(g, t->some[0]) };
	for (unsigned i = 0; i < SUSPECT_ADDRESSES && i < TABLE_SAMPLES; i++)
		ret->first[i] = t->some[i];
}

/* "630,207 used buckets of 0x7fa778600380; each entry leads to the next at +0x10" */
static struct err *add_buckets(struct report *r, const struct graph *g, const struct entries_of *t,
			       struct rp_suspect *out)
{
	struct text text = TEXT_INIT;
	struct err *err;

	text_add_count(&text, t->used);
	text_printf(&text, " used buckets of 0x%" PRIx64, graph_key(g, t->array));
	text_printf(&text, "; each entry leads to the next at +0x%" PRIx64, t->link & ~TABLE_TAG);
	if (t->has_ends)
		text_add(&text, ", or is the last by a tag in the pointer to it");
	err = evidence_add(r, out, "counted along", text_str(&text));
	text_reset(&text);
	if (!err && t->old != NODE_NONE) {
		text_printf(&text, "0x%" PRIx64 ", whose entries move into those",
			    graph_key(g, t->old));
		err = evidence_add(r, out, "and along", text_str(&text));
	}
	text_fini(&text);
	return err;
}

/* "12 main.Node", "12 blocks of 48 bytes", "12 blocks of ngx_pool_t": a pool may have many */
static void add_class(const struct graph *g, const struct size_class *c, struct text *t)
{
	const char *type = node_type(g, c->first[0]);

	if (type && node_is_of_pool(g, c->first[0]))
		text_add(t, c->count == 1 ? "block of " : "blocks of ");
	if (type)
		text_add(t, type);
	else if (c->size)
		add_blocks_of(t, c->size, c->count == 1);
	else
		text_add(t, c->count == 1 ? "table entry" : "table entries");
}

static struct err *add_sizes(struct report *r, const struct graph *g, const struct point *p,
			     struct rp_suspect *out)
{
	for (uint32_t i = 0; i < p->n_sizes && i < 3; i++) {
		struct text t = TEXT_INIT;
		struct err *err;

		text_add_count(&t, p->sizes[i].count);
		text_add(&t, " ");
		add_class(g, &p->sizes[i], &t);
		text_add(&t, ", ");
		text_add_bytes(&t, p->sizes[i].bytes);
		err = evidence_add(r, out, "consists of", text_str(&t));
		text_fini(&t);
		if (err)
			return err;
	}
	return NULL;
}

/* A chain from CPython's modules: no variable of C or Go is a dict. */
static bool is_of_modules(const struct rp_chain *chain)
{
	return chain->root.symbol && !strcmp(chain->root.symbol, "sys.modules") && chain->n_hops &&
	       chain->hops[0].type && !strcmp(chain->hops[0].type, "dict");
}

/*
 * CPython's modules keep all there is: who keeps it is the variable of one of them, or one of them,
 * as far as the chain comes to what owns all of it; or nobody in particular.
 */
static void add_variable(const struct graph *g, const struct point *p, struct rp_suspect *out,
			 struct text *holder)
{
	const struct rp_chain *chain = &out->chain;
	size_t n = 0;

	if (p->node == NODE_NONE)
		out->is_everywhere = true;
	if (p->above == NODE_NONE)
		return;
	while (n < chain->n_hops && chain->hops[n].address != graph_key(g, p->above))
		n++;
	if (n < chain->n_hops)
		out->is_everywhere = !chain_print_variable(chain, n + 1, holder);
}

/*
 * "cache.Cache.pcache", where all of it hangs on that field: a stack on which the chain begins says
 * less.
 */
static void add_field(const struct graph *g, const struct only_way *way, struct text *holder)
{
	struct edge_label label = {};
	const char *type;

	if (way->entry.kind != ENTRY_NODE || !g->ops || !g->ops->edge)
		return;
	type = node_type(g, way->entry.from);
	if (!type || !g->ops->edge(g->ctx, way->entry.from, way->into, &label) || !label.name ||
	    label.name[0] != '.' || strchr(label.name, '['))
		return;
	text_reset(holder);
	text_printf(holder, "%s%s", type, label.name);
}

static struct err *add_title(struct report *r, const struct graph *g, const struct point *p,
			     const struct only_way *way, const struct size_class *c,
			     struct rp_suspect *out)
{
	const struct rp_root *root = &out->chain.root;
	const char *name = root->symbol ? root->symbol : root->source;
	struct text t = TEXT_INIT, holder = TEXT_INIT, field = TEXT_INIT;
	bool is_local = root->variable && root->function;

	if (name)
		text_add(&holder, name);
	drop_place(&holder);
	if (is_local) {
		text_reset(&holder);
		text_printf(&holder, "%s of %s", root->variable, root->function);
	}
	if (root->symbol)
		drop_fields(&holder);
	else
		add_field(g, way, &field);
	if (is_of_modules(&out->chain))
		add_variable(g, p, out, &holder);
	if (c->count == 1)
		text_add(&t, "one");
	else
		text_add_count(&t, c->count);
	text_add(&t, " ");
	add_class(g, c, &t);
	if (c->bytes < p->bytes / 2 && (c->size || c->type))
		text_add(&t, " and others");
	if (chain_is_of_timers(&out->chain)) {
		text_add(&t, " behind timers");
	} else if (field.n) {
		text_add(&t, " in ");
		text_add(&t, text_str(&field));
	} else if (holder.n) {
		text_add(&t, root->symbol || is_local ? " in " : ", from ");
		text_add(&t, text_str(&holder));
	}
	out->title = report_text(r, &t);
	text_fini(&t);
	text_fini(&field);
	text_fini(&holder);
	return out->title ? NULL : &err_nomem;
}

struct ownership {
	struct search *x;
	uint32_t owner; /* as owner_of() answers */
};

static bool is_owned(const void *ctx, node_id node)
{
	const struct ownership *o = ctx;

	return owner_of(o->x, node) == o->owner;
}

static struct err *find_ways(struct search *x, struct only_way *ways)
{
	for (size_t i = 0; i < x->points.n; i++)
		ways[i] = (struct only_way){ .owner = x->points.v[i].above,
					     .bytes = x->points.v[i].bytes };
	return only_ways_find(x->env, x->s, ways, (unsigned)x->points.n);
}

static struct err *add_suspect(struct search *x, struct report *r, struct point *p,
			       const struct only_way *way)
{
	struct ownership ownership = { x, (uint32_t)(p - x->points.v) + 1 };
	struct rp_suspect out = {
		.rule = "growth/accumulation",
		.retained = p->bytes,
		.confidence = p->node == NODE_NONE ? CONF_GUESS : CONF_PATTERN,
		.has_chain = true,
	};
	const struct size_class *c;
	struct size_class entries;
	struct entries_of table;
	struct err *err;
	bool like, is_table;

	qsort(p->sizes, SIZES, sizeof(*p->sizes), by_bytes);
	c = pick_class(p, x->threshold, &like);
	if (!c || p->bytes < x->threshold)
		return NULL;
	is_table = tables_find(&x->tables, &p->largest, p->bytes, &table) &&
		   table.entries >= LIKE_MIN;
	if (is_table) {
		make_class(x->g, &table, &entries);
		c = &entries;
	} else if (!like) {
		out.rule = "growth/large-block";
	}
	out.count = c->count;
	out.bytes = c->bytes;
	out.type = node_type(x->g, c->first[0]);
	if (!name_keyed(x, p, &out))
		name_told(x->g, p, &out);
	err = addresses_add(x->s, r, c->first, c->count, &out);
	/* Owners dominate what they own: the shortest chain to any of it leads through them. */
	if (!err)
		err = chain_to(x->s, r, c->first[0], &out.chain);
	if (!err)
		err = add_title(r, x->g, p, way, c, &out);
	if (!err && is_table)
		err = add_buckets(r, x->g, &table, &out);
	if (!err)
		err = add_sizes(r, x->g, p, &out);
	if (!err)
		err = evidence_only_way(x->s, r, way, &out);
	if (!err)
		err = evidence_sites(x->s, r, &out, is_owned, &ownership);
	if (err)
		return err;
	return vec_push(&r->suspects, &out) ? NULL : &err_nomem;
}

/* What dominates both, a few steps above them; NODE_NONE: nothing so near. */
static node_id common_above(const struct facts *f, node_id a, node_id b)
{
	for (unsigned i = 0; i < COMMON_STEPS && a != NODE_NONE; i++, a = f->idom[a]) {
		node_id at = b;

		for (unsigned k = 0; k < COMMON_STEPS && at != NODE_NONE; k++, at = f->idom[at])
			if (at == a)
				return a;
	}
	return NODE_NONE;
}

/* How deep in a list or tree it ends is no part of what it is. */
static void drop_repeats(struct rp_chain *c)
{
	while (c->n_hops > 1 && c->hops[c->n_hops - 1].type && c->hops[c->n_hops - 2].type &&
	       !strcmp(c->hops[c->n_hops - 1].type, c->hops[c->n_hops - 2].type))
		c->n_hops--;
}

/*
 * All slots of a holder lead to that node alone: what the holder keeps lies behind it, and does not
 * go with it only because something else, a pointer left in a slot that nobody cleared, leads
 * there as well.
 */
static bool holds_only(const struct search *x, const struct point *holder, node_id node)
{
	for (uint32_t i = holder->first_root; i < holder->end_root; i++)
		if (EDGE_NODE(x->g->root_node[i]) != node)
			return false;
	return true;
}

static bool is_alike(struct search *x, node_id a, node_id b)
{
	type_id type = graph_type(x->g, a);

	if (type || graph_type(x->g, b))
		return type == graph_type(x->g, b);
	return graph_size_near(x->g, a, &x->near) == graph_size_near(x->g, b, &x->near);
}

/*
 * A branch of what a holder keeps: the nodes that the shortest chain comes from are alike, and one
 * is kept by the holder since nothing dominates it.  Nodes of a tree that point up are such, along
 * the ways from the root down to the first and to the last leaf, which the tree's header knows.
 */
static bool is_branch(struct search *x, uint8_t holder, node_id node)
{
	for (unsigned i = 0; i < COMMON_STEPS; i++) {
		node_id up = x->f->parent[node];

		if (up == NODE_NONE || up & PARENT_ROOT || x->f->idom[up] != NODE_NONE ||
		    !is_alike(x, up, node))
			return false;
		if (x->owner[up] == holder)
			return true;
		node = up;
	}
	return false;
}

/* Is the structure `b` a part of what `a`, an earlier one, is?  Ways: of both. */
static bool is_same_thing(struct search *x, size_t a, size_t b, const struct way *way)
{
	const struct point *first = &x->points.v[a];
	node_id node = x->points.v[b].node;

	if (first->end_root)
		return holds_only(x, first, node) || is_branch(x, (uint8_t)(a + 1), node);
	return way[b].root && way[a].names == way[b].names && way[a].root == way[b].root;
}

/* One that is all that the holder leads to names the whole; a branch does not. */
static void join_holder(const struct search *x, struct point *holder, node_id node)
{
	holder->node = node;
	if (holds_only(x, holder, node))
		holder->above = node;
}

/*
 * Structures that one slot of a root leads to by the same names are parts of one thing: the tables
 * of a map, branches of a tree whose nodes point up, too.  They are told as one; so are a holder
 * and the structure that it leads to alone, or branches of what it keeps.
 */
static struct err *merge_points(struct search *x, struct report *r)
{
	struct way way[POINTS_MAX] = {};

	for (size_t i = 0; i < x->points.n; i++) {
		struct point *p = &x->points.v[i];
		struct rp_suspect like = { .rule = "", .has_chain = true };
		size_t to = 0;
		struct err *err;

		if (p->node == NODE_NONE)
			continue;
		like.type = node_type(x->g, p->node);
		err = chain_to(x->s, r, p->node, &like.chain);
		if (err)
			return err;
		drop_repeats(&like.chain);
		way[i].names = suspect_fingerprint(&like);
		way[i].root = like.chain.root.address;
		while (to < i && !is_same_thing(x, to, i, way))
			to++;
		if (to == i)
			continue;
		x->owner[p->node] = (uint8_t)(to + 1);
		if (x->points.v[to].end_root)
			join_holder(x, &x->points.v[to], p->node);
		else
			x->points.v[to].above =
				common_above(x->f, x->points.v[to].above, p->node);
	}
	return NULL;
}

/* Which point has it, without leaving that on the way; OWNER_NONE: none. */
static uint32_t owner_now(const struct search *x, node_id node)
{
	while (x->owner[node] == OWNER_OF)
		node = x->f->idom[node];
	return x->owner[node];
}

/* The point with the other buckets of the table that is resized into or out of `at`; or `at`. */
static size_t other_of_table(struct search *x, size_t at)
{
	node_id node = x->points.v[at].node, up = tables_holder(x->f, node);
	edge_id end = up == NODE_NONE ? 0 : tables_edges_end(x->g, up);

	for (edge_id e = end ? graph_row(x->g, up) : 0; e < end; e++) {
		node_id other = EDGE_NODE(x->g->dst[e]);
		uint32_t owner = owner_now(x, other);

		if (owner != OWNER_NONE && owner != at + 1 && bit_get(x->big, other) &&
		    tables_are_one(&x->tables, node, other))
			return owner - 1;
	}
	return at;
}

/* Both arrays of a table that is resized are one thing, whatever else leads to one of them. */
static void merge_tables(struct search *x)
{
	for (size_t i = 0; i < x->points.n; i++) {
		node_id node = x->points.v[i].node, above;
		size_t to;

		if (node == NODE_NONE || x->owner[node] != i + 1)
			continue;
		to = other_of_table(x, i);
		if (to == i)
			continue;
		above = common_above(x->f, x->points.v[to].above, node);
		if (above != NODE_NONE)
			x->points.v[to].above = above;
		for (size_t k = 0; k < x->points.n; k++)
			if (x->points.v[k].node != NODE_NONE &&
			    x->owner[x->points.v[k].node] == i + 1)
				x->owner[x->points.v[k].node] = (uint8_t)(to + 1);
	}
}

static struct err *find_points(struct search *x)
{
	struct err *err = mark_big(x);

	if (!err)
		err = link_big(x);
	if (!err)
		err = sum_by_root(x);
	if (!err)
		err = find_holders(x);
	if (!err)
		err = start_owners(x);
	return err ? err : find_structures(x);
}

static struct err *suspects_run(struct env *env, const struct subject *s, struct report *r)
{
	_cleanup_(close_search) struct search x = {
		.env = env, .s = s, .g = s->graph, .f = s->facts, .tables = { .s = s },
	};
	struct only_way ways[POINTS_MAX];
	struct err *err;

	if (!s->graph->n)
		return NULL;
	x.threshold = s->graph->live_bytes / 100 * SHARE_PERCENT;
	if (x.threshold < FLOOR_BYTES)
		x.threshold = FLOOR_BYTES;
	if (s->graph->live_bytes < x.threshold)
		return NULL;
	err = find_points(&x);
	if (!err)
		err = merge_points(&x, r);
	if (!err)
		merge_tables(&x);
	if (!err && x.points.n)
		err = count_sizes(&x);
	if (!err && x.points.n)
		find_told(&x);
	if (!err)
		err = find_ways(&x, ways);
	for (size_t i = 0; i < x.points.n && !err; i++)
		err = add_suspect(&x, r, &x.points.v[i], &ways[i]);
	return err;
}

const struct analysis_ops suspects_analysis = {
	.name = "suspects",
	.summary = "owners that keep a large part of the live memory",
	.needs = FACT_OWNER | FACT_REACH | FACT_DOM | FACT_PARENT | FACT_BY_KEYS,
	.run = suspects_run,
};
