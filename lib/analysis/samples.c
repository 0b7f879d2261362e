/*
 * analysis/samples.c - all live memory, and all that is free, as paths with amounts at their ends.
 *
 * Each node counts in one sample, so that objects and bytes add up to the live ones exactly.
 * Retained bytes are those of the nodes of a sample together: what a node of the sample dominates
 * another by is not counted twice.  Only computed when somebody asked for it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/alike.h"
#include "analysis/by_type.h"
#include "analysis/chain.h"
#include "analysis/types.h"
#include "base/guard.h"
#include "base/vec.h"
#include "base/version.h"

enum { SAMPLES_MAX = 20000 }; /* in the report */

enum { V_OBJECTS, V_BYTES, V_RETAINED, V_FREE };

struct sum {
	uint32_t path;	  /* of the tree of paths */
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
	struct alike *a;
	struct { struct sum *v; size_t n, cap; } sums; /* first those of alike's samples */
	struct pair_table free_of; /* sums of free memory, by path and heap */
	struct text name;
};

static void sampling_fini(struct sampling *x)
{
	free(x->sums.v);
	free(x->free_of.slots);
	text_fini(&x->name);
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
	const struct sum none = {};

	for (uint32_t i = 0; i < x->a->n_samples; i++)
		if (!vec_push(&x->sums, &none))
			return &err_nomem;
	for (size_t i = 0; i < x->a->cells.n; i++) {
		const struct alike_cell *cell = &x->a->cells.v[i];
		struct sum *sum;

		if (cell->sample == ALIKE_NONE)
			continue;
		sum = &x->sums.v[cell->sample];
		sum->path = cell->path;
		sum->reach = cell->reach;
		sum->heap = cell->heap;
		sum->rule = rule_of_reach((enum reach)cell->reach);
		sum->values[V_OBJECTS] += (int64_t)cell->count;
		sum->values[V_BYTES] += (int64_t)cell->bytes;
	}
	return NULL;
}

static struct err *free_path(struct sampling *x, const char *where, const char *extent,
			     uint32_t *ret)
{
	uint32_t root = path_root(&x->a->paths, "(free)", 0);

	text_reset(&x->name);
	text_add(&x->name, extent ? extent : "");
	alike_drop_addresses(&x->name);
	if (root != PATH_NONE && x->name.n)
		root = path_step(&x->a->paths, root, text_str(&x->name), text_str(&x->name), NULL);
	*ret = root == PATH_NONE ? root : path_step(&x->a->paths, root, where, where, NULL);
	return *ret == PATH_NONE ? &err_nomem : NULL;
}

static struct err *free_sum_at(struct sampling *x, uint32_t path, uint32_t heap, size_t *ret)
{
	uint32_t *place = pair_place(&x->free_of, path, heap);
	struct sum sum = { .path = path, .reach = REACH_DEAD, .heap = heap };

	if (!place)
		return &err_nomem;
	if (!*place) {
		if (!vec_push(&x->sums, &sum)) {
			x->free_of.n--;
			return &err_nomem;
		}
		*place = (uint32_t)x->sums.n;
	}
	*ret = *place - 1;
	return NULL;
}

static struct err *sum_free_node(struct sampling *x, node_id node, const char *where,
				 size_t *extent)
{
	uint32_t heap = heap_at(x, graph_start(x->g, node), extent), path;
	size_t no;
	const char *name = *extent < x->s->n_extents ? x->s->extents[*extent].name : NULL;
	struct err *err = free_path(x, where, name, &path);

	if (!err)
		err = free_sum_at(x, path, heap, &no);
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

/* Whether what dominates nodes of a cell is in "(other)", too. */
static bool is_below_other(const struct sampling *x, const struct alike_cell *cell)
{
	const struct alike_set *set = &x->a->sets.v[cell->above];

	for (uint32_t i = 0; i < set->n; i++)
		if (!x->sums.v[set->members[i]].kept)
			return true;
	return false;
}

/* What a dominator of its sample retains brings nothing. */
static void retain_by_cells(const struct sampling *x, struct rp_sample *out)
{
	for (size_t i = 0; i < x->a->cells.n; i++) {
		const struct alike_cell *cell = &x->a->cells.v[i];
		uint32_t kept = cell->sample == ALIKE_NONE ? 0 : x->sums.v[cell->sample].kept;

		if (kept ? !alike_stands_above(x->a, cell, cell->sample) :
			   !is_below_other(x, cell))
			out[kept].values[V_RETAINED] += (int64_t)cell->retained;
	}
}

/* ---- retained, where there are more sets of samples above than alike_find() tells apart */

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

static uint32_t kept_at(const struct sampling *x, node_id node)
{
	return x->sums.v[x->a->cells.v[x->a->places[node].above].sample].kept;
}

static void enter(struct sampling *x, struct tree_links *t, node_id node)
{
	uint32_t kept = kept_at(x, node);

	if (!t->open[kept]++)
		t->out[kept].values[V_RETAINED] += (int64_t)facts_retained(x->f, node);
}

static void leave(struct sampling *x, struct tree_links *t, node_id node)
{
	t->open[kept_at(x, node)]--;
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
	const struct path_row *row = &x->a->paths.rows.v[sum->path];
	const char *type = x->a->paths.frames.v[row->frame].type;
	size_t n = 0;

	if (sum->rule)
		labels[n++] = (struct rp_label){ .key = "rule", .text = sum->rule };
	if (sum->heap && sum->heap <= x->r->heaps.n)
		labels[n++] = (struct rp_label){ .key = "heap",
						 .text = x->r->heaps.v[sum->heap - 1].allocator };
	if (type)
		labels[n++] = (struct rp_label){ .key = "type", .text = type };
	while (row->parent != PATH_NONE)
		row = &x->a->paths.rows.v[row->parent];
	if (row->label) {
		const struct alike_holder *h = &x->a->holders.v[row->label - 1];

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
	uint32_t *frames = arena_alloc(&x->r->mem, (x->a->paths.rows.v[path].depth + 1u) * 4);

	if (!frames)
		return &err_nomem;
	for (; path != PATH_NONE; path = x->a->paths.rows.v[path].parent)
		frames[out->n_locations++] = x->a->paths.rows.v[path].frame;
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
	size_t n = x->a->paths.frames.n;
	struct rp_location *locations = arena_alloc(&x->r->mem, (n + 1) * sizeof(*locations));
	struct rp_line *lines = arena_alloc(&x->r->mem, (n + 1) * sizeof(*lines));

	if (!locations || !lines)
		return &err_nomem;
	for (size_t i = 0; i < n; i++) {
		lines[i].function = x->a->paths.frames.v[i].name;
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
	if (n_kept < x->sums.n || x->a->paths.n_ended)
		p->comments[p->n_comments++] = arena_printf(
			&x->r->mem, "%zu of the smallest paths are in (other); %" PRIu64
				    " steps too deep or too many",
			x->sums.n - n_kept, x->a->paths.n_ended);
	if (x->a->unlabelled)
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
		x->a->paths.max = SIZE_MAX;
		other = path_root(&x->a->paths, "(other)", 0);
		if (other == PATH_NONE)
			return &err_nomem;
		*frames = x->a->paths.rows.v[other].frame;
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

static struct err *make_profile(struct sampling *x)
{
	struct rp_sample *out;
	size_t n_kept;
	struct err *err = sum_live(x);

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
	if (!err && x->a->sets_ended)
		err = retain_by_walking(x, out, n_kept);
	else if (!err)
		retain_by_cells(x, out);
	return err ? err : finish(x, out, n_kept);
}

static struct err *samples_run(struct env *env, const struct subject *s, struct report *r)
{
	_cleanup_(alike_fini) struct alike a = {};
	_cleanup_(sampling_fini) struct sampling x = {
		.env = env, .s = s, .r = r, .g = s->graph, .f = s->facts, .a = &a,
		.name = TEXT_INIT,
	};
	struct err *err = NULL;

	if (!s->wants_paths && !s->wants_types)
		return NULL;
	err = alike_find(env, s, r, &a);
	if (!err)
		err = types_count(s, &a, r);
	if (!err && s->wants_types)
		err = by_type_add(r, &a);
	return err || !s->wants_paths ? err : make_profile(&x);
}

const struct analysis_ops samples_analysis = {
	.name = "samples",
	.summary = "paths for profiles and flame graphs",
	.needs = FACT_REACH | FACT_DOM | FACT_PARENT,
	.run = samples_run,
};
