/* query/columns.c - blocks, edges and roots: rows are places in the graph's own columns. */
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "query/table.h"

/* ---- rows of a bound: coarse, SQL looks again */

/* The first node that ends past `key`. */
static node_id node_from(const struct graph *g, uint64_t key)
{
	return partition_point(g->n, i, graph_start(g, i) + graph_size(g, i) <= key);
}

static node_id node_past(const struct graph *g, uint64_t key) /* the first that starts past it */
{
	return partition_point(g->n, i, graph_start(g, i) <= key);
}

static uint64_t clamp(int64_t v, uint64_t max)
{
	return v < 0 ? 0 : (uint64_t)v < max ? (uint64_t)v : max;
}

/* As ids: [low, high] cut to [0, n). */
static void by_id(const struct bounds *b, uint64_t n, uint64_t *ret_at, uint64_t *ret_end)
{
	*ret_at = clamp(b->low, n);
	*ret_end = b->high < 0 ? 0 : b->high >= (int64_t)n ? n : (uint64_t)b->high + 1;
}

static double one_or_quarter(double n, bool one)
{
	return one ? 1 : n / 4 + 1;
}

/* ---- blocks */

enum { B_ID, B_ADDRESS, B_SIZE, B_USABLE, B_STATE, B_WHERE, B_ALLOCATOR, B_ARENA, B_REACH, B_TYPE,
       B_RETAINED, B_IDOM, B_PARENT, B_ROOT, B_LOOKS };

static const struct column blocks_columns[] = {
	[B_ID] = { "id", QUERY_INT },		[B_ADDRESS] = { "address", QUERY_ADDRESS },
	[B_SIZE] = { "size", QUERY_INT },	[B_USABLE] = { "usable", QUERY_INT },
	[B_STATE] = { "state", QUERY_TEXT },	[B_WHERE] = { "where", QUERY_TEXT },
	[B_ALLOCATOR] = { "allocator", QUERY_TEXT }, [B_ARENA] = { "arena", QUERY_ADDRESS },
	[B_REACH] = { "reach", QUERY_TEXT },	[B_TYPE] = { "type", QUERY_TEXT },
	[B_RETAINED] = { "retained", QUERY_INT }, [B_IDOM] = { "idom", QUERY_INT },
	[B_PARENT] = { "parent", QUERY_INT },	[B_ROOT] = { "root", QUERY_INT },
	[B_LOOKS] = { "looks", QUERY_TEXT },
};

static double blocks_estimate(const struct query *q, const struct table *t, int by, bool one)
{
	(void)t;
	return by < 0 ? (double)q->src.graph->n : one_or_quarter((double)q->src.graph->n, one);
}

static void blocks_settle(struct query *q, struct scan *s)
{
	while (s->at < s->end && q->src.is_filler(q->src.ctx, (node_id)s->at)) {
		s->at++;
		if (q->src.graph->grains)
			grains_next(&s->grains);
	}
}

/* ---- blocks in groups: a stable counting sort by a code that alike rows share */

enum { SIZE_CODES = 1 << 16 }; /* in units of the index; the last one is of all that are larger */

struct codes {
	const struct query *q;
	uint64_t columns;   /* as bounds.grouped */
	uint32_t *of_type; /* by type_id; 0: of no type; types of one name have one */
	uint32_t n_types;
	unsigned size_shift;
};

static int by_type_name(const void *pa, const void *pb, void *arg)
{
	const struct types *t = arg;
	const type_id *a = pa, *b = pb;

	return strcmp(t->v[*a].name, t->v[*b].name);
}

static struct err *open_types(struct codes *c)
{
	const struct types *t = c->q->src.graph->types;
	size_t n = t ? t->n : 1;
	_free_ type_id *sorted = calloc(n + 1, sizeof(*sorted));

	c->of_type = calloc(n + 1, sizeof(*c->of_type));
	if (!sorted || !c->of_type)
		return &err_nomem;
	for (size_t i = 1; i < n; i++)
		sorted[i - 1] = (type_id)i;
	if (n > 2)
		qsort_r(sorted, n - 1, sizeof(*sorted), by_type_name, (void *)t);
	for (size_t i = 0; i + 1 < n; i++) {
		c->n_types += !i || strcmp(t->v[sorted[i]].name, t->v[sorted[i - 1]].name) != 0;
		c->of_type[sorted[i]] = c->n_types;
	}
	c->n_types++;
	return NULL;
}

static uint32_t code_of(const struct codes *c, node_id id, uint64_t size)
{
	const struct graph *g = c->q->src.graph;
	bool live = graph_is_live(g, id);
	uint32_t code = 0;

	if (c->columns & 1 << B_SIZE)
		code = size >> c->size_shift < SIZE_CODES - 1 ? (uint32_t)(size >> c->size_shift) :
								SIZE_CODES - 1;
	if (c->columns & 1 << B_TYPE)
		code = code * c->n_types + c->of_type[graph_type(g, id)];
	if (c->columns & 1 << B_REACH)
		code = code * (REACH_KINDS + 1) + (live ? c->q->src.facts->reach[id] + 1u : 0);
	return c->columns & 1 << B_STATE ? code * 2 + live : code;
}

/* How many codes there are. */
static uint64_t count_codes(const struct codes *c)
{
	uint64_t n = c->columns & 1 << B_SIZE ? SIZE_CODES : 1;

	n *= c->columns & 1 << B_TYPE ? c->n_types : 1;
	n *= c->columns & 1 << B_REACH ? REACH_KINDS + 1 : 1;
	return n * (c->columns & 1 << B_STATE ? 2 : 1);
}

static int by_size_then_id(const void *pa, const void *pb, void *arg)
{
	const node_id *a = pa, *b = pb;
	uint64_t x = graph_size(arg, *a), y = graph_size(arg, *b);

	if (x != y)
		return x < y ? -1 : 1;
	return *a < *b ? -1 : *a > *b;
}

/* Fills s->order by `first`: where each code's next one goes. */
static void place_all(const struct codes *c, uint32_t *first, struct scan *s)
{
	const struct graph *g = c->q->src.graph;
	node_id *order = s->order.base;
	uint64_t near = 0;

	for (node_id id = 0; id < g->n; id++)
		if (!c->q->src.is_filler(c->q->src.ctx, id))
			order[first[code_of(c, id, graph_size_near(g, id, &near))]++] = id;
}

static struct err *sort_by_code(const struct codes *c, uint64_t n_codes, struct scan *s)
{
	const struct graph *g = c->q->src.graph;
	_free_ uint32_t *first = calloc(n_codes + 1, sizeof(*first));
	uint64_t near = 0, large = 0;
	uint32_t total = 0;
	struct err *err;

	if (!first)
		return &err_nomem;
	for (node_id id = 0; id < g->n; id++)
		if (!c->q->src.is_filler(c->q->src.ctx, id))
			first[code_of(c, id, graph_size_near(g, id, &near))]++;
	for (uint64_t i = 0; i < n_codes; i++) {
		uint32_t n = first[i];

		first[i] = total;
		total += n;
		large = i + 1 < n_codes ? total : large;
	}
	err = col_fixed(c->q->env, sizeof(node_id), total ? total : 1, "blocks in groups", &s->order);
	if (err)
		return err;
	place_all(c, first, s);
	if (c->columns & 1 << B_SIZE && total > large)
		qsort_r((node_id *)s->order.base + large, total - large, sizeof(node_id),
			by_size_then_id, (void *)g);
	s->at = 0;
	s->end = total;
	return NULL;
}

static struct err *open_groups(const struct query *q, uint64_t columns, struct scan *s)
{
	const struct graph *g = q->src.graph;
	struct codes c = { .q = q, .columns = columns, .n_types = 1,
			   .size_shift = g->grains ? g->grains->shift : 0 };
	struct err *err = columns & 1 << B_TYPE ? open_types(&c) : NULL;

	if (!err)
		err = sort_by_code(&c, count_codes(&c), s);
	free(c.of_type);
	return err;
}

static struct err *blocks_open(struct query *q, const struct bounds *b, uint64_t used,
			       struct scan *s)
{
	const struct graph *g = q->src.graph;
	const uint64_t tree = 1 << B_PARENT | 1 << B_ROOT, dom = 1 << B_RETAINED | 1 << B_IDOM;
	unsigned facts = (used & 1 << B_REACH ? FACT_REACH : 0) | (used & dom ? FACT_DOM : 0) |
			 (used & tree ? FACT_PARENT : 0);
	struct err *err = facts ? q->src.need_facts(q->src.ctx, facts) : NULL;

	if (err)
		return err;
	if (b->grouped)
		return open_groups(q, b->grouped, s);
	s->end = g->n;
	if (b->by == B_ID)
		by_id(b, g->n, &s->at, &s->end);
	if (b->by == B_ADDRESS) {
		s->at = b->low < 0 ? 0 : node_from(g, (uint64_t)b->low);
		s->end = b->high < 0 ? 0 : node_past(g, (uint64_t)b->high);
	}
	if (s->at < s->end && g->grains)
		s->grains = grains_iter(g->grains, (node_id)s->at);
	blocks_settle(q, s);
	return NULL;
}

static void blocks_next(struct query *q, struct scan *s)
{
	s->at++;
	if (s->order.base)
		return;
	if (q->src.graph->grains && s->at < s->end)
		grains_next(&s->grains);
	blocks_settle(q, s);
}

static uint64_t address_of(const struct graph *g, uint64_t start)
{
	return g->ops && g->ops->held ? g->ops->held(g->ctx, start) : start;
}

/* In rows by id the size comes along. */
static uint64_t row_size(const struct graph *g, node_id id, struct scan *s)
{
	return s->order.base || !g->grains ? graph_size_near(g, id, &s->near) : s->grains.size;
}

/* What the graph's own columns say. */
static void blocks_column(struct query *q, struct scan *s, node_id id, unsigned column,
			  struct query_value *ret)
{
	const struct graph *g = q->src.graph;
	const struct facts *f = q->src.facts;
	type_id type = graph_type(g, id);

	switch (column) {
	case B_STATE:
		give_text(ret, graph_is_live(g, id) ? "used" : "free");
		break;
	case B_REACH:
		if (graph_is_live(g, id))
			give_text(ret, reach_name(f->reach[id]));
		break;
	case B_TYPE:
		give_text(ret, type ? g->types->v[type].name : NULL);
		break;
	case B_LOOKS:
		if (graph_is_live(g, id) && !type && g->ops && g->ops->label)
			give_text(ret, g->ops->label(g->ctx, id));
		break;
	case B_RETAINED:
		if (graph_is_live(g, id))
			give_int(ret, facts_retained_of(f, id, row_size(g, id, s)));
		break;
	case B_IDOM:
		if (f->idom[id] != NODE_NONE)
			give_int(ret, f->idom[id]);
		break;
	case B_PARENT:
		if (f->parent[id] != NODE_NONE && !(f->parent[id] & PARENT_ROOT))
			give_int(ret, f->parent[id]);
		break;
	case B_ROOT:
		if (f->parent[id] != NODE_NONE && f->parent[id] & PARENT_ROOT)
			give_int(ret, f->parent[id] & ~PARENT_ROOT);
		break;
	}
}

static void blocks_value(struct query *q, struct scan *s, unsigned column, struct query_value *ret)
{
	const struct graph *g = q->src.graph;
	const node_id *order = s->order.base;
	node_id id = order ? order[s->at] : (node_id)s->at;
	const struct query_block *block = &s->block;

	switch (column) {
	case B_ID:
		give_int(ret, id);
		return;
	case B_ADDRESS:
		give_address(ret, order	      ? graph_key(g, id) :
				  g->grains ? address_of(g, s->grains.key) :
					      address_of(g, g->key[id]));
		return;
	case B_SIZE:
		give_int(ret, row_size(g, id, s));
		return;
	case B_USABLE:
	case B_WHERE:
	case B_ALLOCATOR:
	case B_ARENA:
		if (s->block_of != s->at + 1)
			q->src.block(q->src.ctx, id, &s->block);
		s->block_of = s->at + 1;
		if (column == B_USABLE)
			give_int(ret, block->usable);
		else if (column == B_ARENA && block->arena)
			give_address(ret, block->arena);
		else if (column != B_ARENA)
			give_text(ret, column == B_WHERE ? block->where : block->allocator);
		return;
	default:
		blocks_column(q, s, id, column, ret);
	}
}

const struct table blocks_table = {
	.name = "blocks",
	.columns = blocks_columns,
	.n_columns = sizeof(blocks_columns) / sizeof(*blocks_columns),
	.first_is_row = true,
	.keys = 1 << B_ID | 1 << B_ADDRESS,
	.sorted = 1 << B_ID | 1 << B_ADDRESS,
	.groups = 1 << B_STATE | 1 << B_REACH | 1 << B_TYPE,
	.groups_alone = 1 << B_SIZE,
	.estimate = blocks_estimate,
	.open = blocks_open,
	.next = blocks_next,
	.value = blocks_value,
};

/* ---- edges */

enum { E_SRC, E_DST, E_INTERIOR, E_OFFSET, E_NAME };

static const struct column edges_columns[] = {
	[E_SRC] = { "src", QUERY_INT },		  [E_DST] = { "dst", QUERY_INT },
	[E_INTERIOR] = { "interior", QUERY_INT }, [E_OFFSET] = { "offset", QUERY_INT },
	[E_NAME] = { "name", QUERY_TEXT },
};

static double edges_estimate(const struct query *q, const struct table *t, int by, bool one)
{
	double m = (double)q->src.graph->m, n = (double)q->src.graph->n + 1;

	(void)t;
	if (by < 0)
		return m;
	/* Incoming edges are made first, once. */
	return one ? m / n + 1 + (by == E_DST) : m / 4 + 1;
}

/* The row that `at` is in, or the next one that has edges. */
static void edges_settle(const struct graph *g, struct scan *s)
{
	while (s->at < s->end && graph_row(g, s->src + 1) <= s->at)
		s->src++;
}

static struct err *edges_open(struct query *q, const struct bounds *b, uint64_t used,
			      struct scan *s)
{
	const struct graph *g = q->src.graph;
	const struct facts *f = q->src.facts;
	uint64_t first = 0, end = g->n;
	struct err *err = q->src.need_report(q->src.ctx, PART_EDGES);

	(void)used;
	if (err)
		return err;
	if (b->by == E_DST && b->low == b->high) {
		if (b->low < 0 || b->low >= (int64_t)g->n)
			return NULL;
		err = q->src.need_facts(q->src.ctx, FACT_REVERSE);
		if (err)
			return err;
		s->incoming = true;
		s->dst = (node_id)b->low;
		s->at = f->in_row_base[s->dst >> ROW_BLOCK_SHIFT] + f->in_row[s->dst];
		s->end = f->in_row_base[(s->dst + 1) >> ROW_BLOCK_SHIFT] + f->in_row[s->dst + 1];
		return NULL;
	}
	if (b->by == E_SRC)
		by_id(b, g->n, &first, &end);
	if (first >= end)
		return NULL;
	s->src = (node_id)first;
	s->at = graph_row(g, (node_id)first);
	s->end = graph_row(g, (node_id)end);
	edges_settle(g, s);
	return NULL;
}

static void edges_next(struct query *q, struct scan *s)
{
	s->at++;
	if (!s->incoming)
		edges_settle(q->src.graph, s);
}

static struct err *keep_slot(void *arg, uint64_t offset, node_id dst)
{
	struct slots *slots = arg;
	struct slot slot = { dst, offset };

	return vec_push(slots, &slot) ? NULL : &err_nomem;
}

static int by_dst(const void *pa, const void *pb)
{
	const struct slot *a = pa, *b = pb;

	if (a->dst != b->dst)
		return a->dst < b->dst ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* One look at the block for all of its edges: a table of a million pointers has as many. */
static struct err *find_slots(struct query *q, node_id src)
{
	const struct graph *g = q->src.graph;
	struct slots *s = &q->slots;
	struct err *err;
	size_t n = 0;

	s->src = NODE_NONE;
	s->n = 0;
	err = g->ops->slots(g->ctx, src, keep_slot, s);
	if (err)
		return err;
	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), by_dst);
	for (size_t i = 0; i < s->n; i++)
		if (!n || s->v[n - 1].dst != s->v[i].dst)
			s->v[n++] = s->v[i];
	s->n = n;
	s->src = src;
	return NULL;
}

static bool slot_of(struct query *q, node_id src, node_id dst, uint64_t *ret)
{
	const struct graph *g = q->src.graph;
	struct slots *s = &q->slots;
	size_t at;

	if (!g->ops || !g->ops->slots)
		return g->ops && g->ops->slot && g->ops->slot(g->ctx, src, dst, ret);
	if (s->src != src) {
		struct err *err = find_slots(q, src);

		if (err) {
			err_free(q->err);
			q->err = err;
			return false;
		}
	}
	at = partition_point(s->n, i, s->v[i].dst < dst);
	if (at == s->n || s->v[at].dst != dst)
		return false;
	*ret = s->v[at].offset;
	return true;
}

/* By the graph's own column; of several ways to one block all have the first one's, as slot_of(). */
static bool slot_at(const struct graph *g, node_id src, uint64_t at, uint64_t *ret)
{
	edge_id e = graph_row(g, src);

	while (e < at && EDGE_NODE(g->dst[e]) != EDGE_NODE(g->dst[at]))
		e++;
	*ret = 8 * (uint64_t)g->slot[e];
	return g->slot[e] != SLOT_UNKNOWN;
}

static void edges_value(struct query *q, struct scan *s, unsigned column, struct query_value *ret)
{
	const struct graph *g = q->src.graph;
	uint32_t in = s->incoming ? q->src.facts->in_src[s->at] : 0;
	uint32_t out = s->incoming ? s->dst | (in & EDGE_INTERIOR) : g->dst[s->at];
	node_id src = s->incoming ? EDGE_NODE(in) : s->src;
	uint64_t offset;

	switch (column) {
	case E_SRC:
		give_int(ret, src);
		break;
	case E_DST:
		give_int(ret, EDGE_NODE(out));
		break;
	case E_INTERIOR:
		give_int(ret, (out & EDGE_INTERIOR) != 0);
		break;
	default:
		if ((s->incoming || !g->slot || g->slot[s->at] == SLOT_UNKNOWN ||
		     !slot_at(g, src, s->at, &offset)) &&
		    !slot_of(q, src, EDGE_NODE(out), &offset))
			break;
		if (column == E_OFFSET)
			give_int(ret, offset);
		else if (g->ops->field)
			give_text(ret, g->ops->field(g->ctx, src, offset));
	}
}

const struct table edges_table = {
	.name = "edges",
	.columns = edges_columns,
	.n_columns = sizeof(edges_columns) / sizeof(*edges_columns),
	.keys = 1 << E_SRC | 1 << E_DST,
	.sorted = 1 << E_SRC,
	.estimate = edges_estimate,
	.open = edges_open,
	.next = edges_next,
	.value = edges_value,
};

/* ---- roots */

enum { R_ID, R_KIND, R_ADDRESS, R_BLOCK, R_INTERIOR, R_THREAD, R_GOROUTINE, R_MODULE, R_NAME,
       R_FRAME };

static const struct column roots_columns[] = {
	[R_ID] = { "id", QUERY_INT },		  [R_KIND] = { "kind", QUERY_TEXT },
	[R_ADDRESS] = { "address", QUERY_ADDRESS }, [R_BLOCK] = { "block", QUERY_INT },
	[R_INTERIOR] = { "interior", QUERY_INT }, [R_THREAD] = { "thread", QUERY_INT },
	[R_GOROUTINE] = { "goroutine", QUERY_INT }, [R_MODULE] = { "module", QUERY_TEXT },
	[R_NAME] = { "name", QUERY_TEXT },	  [R_FRAME] = { "frame", QUERY_TEXT },
};

static double roots_estimate(const struct query *q, const struct table *t, int by, bool one)
{
	double n = q->src.graph->n_roots;

	(void)t;
	return by < 0 ? n : one_or_quarter(n, one);
}

static struct err *roots_open(struct query *q, const struct bounds *b, uint64_t used,
			      struct scan *s)
{
	const uint64_t described = 1 << R_THREAD | 1 << R_MODULE; /* by the report's lists */

	struct err *err = q->src.need_report(q->src.ctx, PART_ROOTS);

	if (err)
		return err;
	s->end = q->src.graph->n_roots;
	if (b->by == R_ID)
		by_id(b, q->src.graph->n_roots, &s->at, &s->end);
	return used & described ? q->src.need_report(q->src.ctx, PART_DESCRIPTION) : NULL;
}

static void plain_next(struct query *q, struct scan *s)
{
	(void)q;
	s->at++;
}

/* What only the producer of the graph tells, in words. */
static void roots_words(const struct graph *g, struct scan *s, unsigned column,
			struct query_value *ret)
{
	struct root_place place = ROOT_PLACE_INIT;
	uint32_t root = (uint32_t)s->at;

	text_reset(&s->text);
	if (column == R_NAME) {
		if (g->ops && g->ops->root)
			g->ops->root(g->ctx, root, &s->text);
	} else if (g->ops && g->ops->place) {
		g->ops->place(g->ctx, root, &place);
		if (column == R_GOROUTINE && place.goroutine)
			give_int(ret, place.goroutine);
		else if (column == R_FRAME)
			text_add(&s->text, text_str(&place.frame));
		root_place_fini(&place);
	}
	if (*text_str(&s->text))
		give_text(ret, text_str(&s->text));
}

static void roots_value(struct query *q, struct scan *s, unsigned column, struct query_value *ret)
{
	const struct graph *g = q->src.graph;
	const struct report *r = q->src.report;
	const struct root_source *source = &g->sources[g->root_source[s->at]];
	uint32_t node = g->root_node[s->at];

	switch (column) {
	case R_ID:
		give_int(ret, s->at);
		break;
	case R_KIND:
		give_text(ret, root_kind_name(source->kind));
		break;
	case R_ADDRESS:
		if (!root_is_register(source->kind))
			give_address(ret, g->root_at[s->at]);
		break;
	case R_BLOCK:
		give_int(ret, EDGE_NODE(node));
		break;
	case R_INTERIOR:
		give_int(ret, (node & EDGE_INTERIOR) != 0);
		break;
	case R_THREAD:
		if (source->kind != ROOT_GOROUTINE && source->thread < r->threads.n)
			give_int(ret, r->threads.v[source->thread].tid);
		break;
	case R_MODULE:
		if (source->module >= 0 && (size_t)source->module < r->modules.n)
			give_text(ret, r->modules.v[source->module].path);
		break;
	default:
		roots_words(g, s, column, ret);
	}
}

const struct table roots_table = {
	.name = "roots",
	.columns = roots_columns,
	.n_columns = sizeof(roots_columns) / sizeof(*roots_columns),
	.keys = 1 << R_ID,
	.sorted = 1 << R_ID,
	.estimate = roots_estimate,
	.open = roots_open,
	.next = plain_next,
	.value = roots_value,
};
