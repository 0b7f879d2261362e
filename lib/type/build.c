/*
 * type/build.c - blocks and rooters -> the graph of a core.
 *
 * Rooters are asked first, for ranges; what heaps claim, allocators' own data and dead stacks are
 * cut out of those, and each word that remains is a root at most once.
 */
#include "type/build.h"

#include <stdlib.h>

#include "base/guard.h"
#include "base/vec.h"
#include "image/resident.h"
#include "image/shadow.h"
#include "image/vectors.h"
#include "type/chained.h"
#include "type/look.h"
#include "type/noter.h"
#include "type/pieces.h"
#include "type/pools.h"
#include "type/python_gc.h"
#include "type/relative.h"
#include "type/tagged.h"
#include "type/rooter.h"
#include "type/scan.h"
#include "type/typing.h"

/* A register: a root that lies nowhere. */
struct value {
	uint64_t value, where;
	uint32_t source;
};

/* A slot or register that is a pointer for sure, and leads to a block. */
struct pointer {
	uint64_t where;
	uint32_t target, source;
};

struct roots {
	struct root_sink sink; /* first: the ops cast back */
	const struct scan *scan;
	struct {
		struct root_source *v;
		size_t n, cap;
	} sources;
	struct {
		struct piece *v;
		size_t n, cap;
	} pieces;
	struct {
		struct value *v;
		size_t n, cap;
	} values;
	struct {
		struct pointer *v;
		size_t n, cap;
	} pointers;
};

/* What graph_ops need. */
struct context {
	const struct image *img;
	const struct pools *pools; /* NULL: none known */
	const struct graph *graph;
	struct scan scan;
	struct typing *typing; /* NULL: no types known */
	struct resident_pass labels;
	uint64_t near; /* field(): grains_select_near(), for pointers come by where they are */
};

static void roots_fini(struct roots *r)
{
	free(r->sources.v);
	free(r->pieces.v);
	free(r->values.v);
	free(r->pointers.v);
}

static bool same_source(const struct root_source *a, const struct root_source *b)
{
	return a->kind == b->kind && a->thread == b->thread && a->module == b->module && a->start == b->start &&
	       a->end == b->end && a->exact == b->exact && a->first == b->first &&
	       a->is_last == b->is_last && a->is_busy == b->is_busy;
}

static struct err *add_source(struct roots *r, const struct root_source *source, uint32_t *ret)
{
	if (!r->sources.n || !same_source(&r->sources.v[r->sources.n - 1], source))
		if (!vec_push(&r->sources, source))
			return &err_nomem;
	*ret = (uint32_t)r->sources.n - 1;
	return NULL;
}

static struct err *on_range(struct root_sink *sink, const struct root_source *source)
{
	struct roots *r = (struct roots *)sink;
	struct piece p = { .start = align_up(source->start, 8), .end = source->end };
	struct err *err;

	if (p.start >= p.end)
		return NULL;
	err = add_source(r, source, &p.owner);
	if (err)
		return err;
	return vec_push(&r->pieces, &p) ? NULL : &err_nomem;
}

static struct err *on_value(struct root_sink *sink, const struct root_source *source, uint64_t value, uint64_t where)
{
	struct roots *r = (struct roots *)sink;
	struct value v = { .value = value, .where = where };
	struct err *err = add_source(r, source, &v.source);

	if (err)
		return err;
	return vec_push(&r->values, &v) ? NULL : &err_nomem;
}

/* Looked up at once: millions of slots are named, and most lead nowhere. */
static struct err *on_pointer(struct root_sink *sink, const struct root_source *source, uint64_t value, uint64_t where)
{
	struct roots *r = (struct roots *)sink;
	struct pointer p = { .where = where, .target = scan_pointer(r->scan, value) };
	struct err *err;

	if (p.target == NODE_NONE)
		return NULL;
	image_keep(r->scan->img, where, 8);
	err = add_source(r, source, &p.source);
	if (err)
		return err;
	return vec_push(&r->pointers, &p) ? NULL : &err_nomem;
}

static struct err *on_exclude(struct root_sink *sink, taddr start, taddr end)
{
	struct roots *r = (struct roots *)sink;
	struct piece p = { start, end, PIECE_EXCLUDED };

	if (start >= end)
		return NULL;
	return vec_push(&r->pieces, &p) ? NULL : &err_nomem;
}

/* Allocators name their own data as claims. */
struct metadata_sink {
	struct claim_sink sink;
	struct root_sink *roots;
};

static struct err *on_metadata(struct claim_sink *sink, const struct claim *claim)
{
	struct metadata_sink *m = (struct metadata_sink *)sink;

	return on_exclude(m->roots, claim->start, claim->end);
}

static struct err *exclude_heaps(const struct blocks *blocks, struct roots *r)
{
	struct metadata_sink m = { .sink = { .add = on_metadata }, .roots = &r->sink };
	struct err *err = NULL;

	for (size_t i = 0; i < blocks->n_claims && !err; i++)
		err = on_exclude(&r->sink, blocks->claims[i].start, blocks->claims[i].end);
	for (size_t i = 0; i < blocks->n_heaps && !err; i++)
		if (blocks->heaps[i].ops->metadata)
			err = blocks->heaps[i].ops->metadata(blocks->heaps[i].ctx, &m.sink);
	return err;
}

/* ---- columns of roots ---- */

struct root_columns {
	struct col node, source, at;
	uint32_t now; /* source of the piece that is being scanned */
};

static void root_columns_close(struct root_columns *c)
{
	col_close(&c->node);
	col_close(&c->source);
	col_close(&c->at);
}

static struct err *add_root(void *arg, taddr at, uint32_t target)
{
	struct root_columns *c = arg;
	struct err *err = col_append(&c->node, &target, 1);

	if (!err)
		err = col_append(&c->source, &c->now, 1);
	if (!err)
		err = col_append(&c->at, &at, 1);
	return err;
}

/* In order of source: its values and pointers, or its pieces by address. */
static struct err *scan_roots(const struct scan *s, const struct roots *r, const struct piece *pieces, size_t n,
			      struct root_columns *c)
{
	size_t p = 0, v = 0, k = 0;
	struct err *err = NULL;

	for (c->now = 0; c->now < r->sources.n && !err; c->now++) {
		for (; v < r->values.n && r->values.v[v].source == c->now && !err; v++) {
			uint32_t target = scan_target(s, r->values.v[v].value);

			if (target != NODE_NONE)
				err = add_root(c, r->values.v[v].where, target);
		}
		for (; k < r->pointers.n && r->pointers.v[k].source == c->now && !err; k++)
			err = add_root(c, r->pointers.v[k].where, r->pointers.v[k].target);
		for (; p < n && pieces[p].owner == c->now && !err; p++)
			err = scan_range(s, pieces[p].start, pieces[p].end, add_root, c);
	}
	return err;
}

/* Room for a root in every word of the pieces, for every value, and for so many more. */
static struct err *open_root_columns(struct env *env, const struct scan *s, const struct roots *r,
				     const struct piece *pieces, size_t n, uint64_t more, struct root_columns *c)
{
	uint64_t max = r->values.n + r->pointers.n + more;
	struct err *err;

	for (size_t i = 0; i < n && s->loose_span; i++)
		max += (pieces[i].end - pieces[i].start) / 8;
	max = max < UINT32_MAX ? max : UINT32_MAX;
	err = col_open(env, 4, max, "roots", &c->node);
	if (!err)
		err = col_open(env, 4, max, "roots", &c->source);
	if (!err)
		err = col_open(env, 8, max, "roots", &c->at);
	return err;
}

static struct err *find_roots(struct env *env, const struct image *img, const struct blocks *blocks, struct roots *r)
{
	struct err *err = NULL;

	for (size_t i = 0; rooter_registry[i] && !err; i++) {
		err = rooter_registry[i]->find(env, img, blocks, &r->sink);
		if (err)
			return err_wrap(err, "roots of %s", rooter_registry[i]->name);
	}
	return exclude_heaps(blocks, r);
}

/* ---- what only the producer can tell ---- */

struct edge_search {
	uint32_t dst;
	taddr at;
	bool found;
};

/* Keeps the first hit; the scan of one block goes on to its end. */
static struct err *on_edge(void *arg, taddr at, uint32_t target)
{
	struct edge_search *s = arg;

	if (!s->found && EDGE_NODE(target) == s->dst) {
		s->found = true;
		s->at = at;
	}
	return NULL;
}

static uint64_t held(void *ctx, uint64_t start)
{
	const struct context *c = ctx;
	const struct claim *claim = blocks_claim_at(c->scan.blocks, start);

	return start + (claim ? claim->head : 0);
}

static const char *field(void *ctx, node_id src, uint64_t offset)
{
	struct context *c = ctx;
	const struct grains *g = c->graph->grains;
	uint64_t at = grains_select_near(g, src, &c->near), start = grain_key(g, at);
	taddr key = held(ctx, start), end = start + ((grain_next_start(g, at) - at) << g->shift);

	return typing_path(c->typing, src, key, end - key, offset);
}

static const char *field_of(void *ctx, type_id type, uint64_t offset)
{
	return typing_field(((const struct context *)ctx)->typing, type, offset);
}

static bool edge(void *ctx, node_id src, node_id dst, struct edge_label *ret)
{
	const struct context *c = ctx;
	struct edge_search search = { .dst = dst };
	taddr start = graph_start(c->graph, src), key = graph_key(c->graph, src);
	uint64_t value;
	struct err *err = scan_block(&c->scan, start, start + graph_size(c->graph, src), on_edge, &search);

	if (err || !search.found || image_read_u64(c->img, search.at, &value)) {
		err_free(err); /* on_edge returns none */
		return false;
	}
	value = scan_address(&c->scan, search.at, value);
	*ret = (struct edge_label){ .offset = search.at - key, .into = value - graph_key(c->graph, dst) };
	ret->name = field(ctx, src, ret->offset);
	ret->exact = ret->name != NULL;
	return true;
}

static bool slot(void *ctx, node_id src, node_id dst, uint64_t *ret)
{
	const struct context *c = ctx;
	struct edge_search search = { .dst = dst };
	taddr start = graph_start(c->graph, src);
	struct err *err = scan_block(&c->scan, start, start + graph_size(c->graph, src), on_edge, &search);

	err_free(err); /* on_edge returns none */
	if (search.found)
		*ret = search.at - graph_key(c->graph, src);
	return search.found;
}

struct slot_walk {
	struct err *(*fn)(void *arg, uint64_t offset, node_id dst);
	void *arg;
	taddr key;
};

static struct err *on_slot(void *arg, taddr at, uint32_t target)
{
	const struct slot_walk *w = arg;

	return w->fn(w->arg, at - w->key, EDGE_NODE(target));
}

static struct err *slots(void *ctx, node_id src,
			 struct err *(*fn)(void *arg, uint64_t offset, node_id dst), void *arg)
{
	const struct context *c = ctx;
	struct slot_walk w = { fn, arg, graph_key(c->graph, src) };
	taddr start = graph_start(c->graph, src);

	return scan_block(&c->scan, start, start + graph_size(c->graph, src), on_slot, &w);
}

/* The innermost frame that begins above the slot; NULL if there is none. */
static const struct frame *frame_of(const struct thread *t, taddr at)
{
	for (size_t i = 0; i < t->n_frames; i++)
		if (t->frames[i].sp > at)
			return &t->frames[i];
	return NULL;
}

/* " in inner+0x12", or " in inner+0x12 (rbx of its caller)" */
static void describe_frame(const struct image *img, const struct thread *t, taddr at, struct text *ret)
{
	const struct frame *f = frame_of(t, at);

	if (!f)
		return;
	text_add(ret, " in ");
	image_describe(img, f->pc, ret);
	for (size_t i = 0; i < t->n_saved; i++)
		if (t->saved[i].at == at && t->saved[i].reg < img->target->n_regs) {
			text_printf(ret, " (%s of its caller)", img->target->reg_names[t->saved[i].reg]);
			return;
		}
}

static void describe_thread(const struct image *img, uint32_t no, struct text *ret)
{
	if (no < img->n_threads)
		text_printf(ret, "thread %u", img->threads[no].tid);
	else
		text_add(ret, "an unknown thread");
}

static void describe_register(const struct image *img, uint64_t no, struct text *ret)
{
	text_add(ret, "register ");
	if (no < img->target->n_regs && img->target->reg_names[no])
		text_add(ret, img->target->reg_names[no]);
	else if (!vector_word_name(img->target, no, ret))
		text_printf(ret, "%llu", (unsigned long long)no);
	text_add(ret, " of ");
}

/* Memory that no heap claims may be a pool's. */
static void describe_pool(const struct pools *pools, taddr at, struct text *ret)
{
	uint32_t no = pools ? pools_at(pools, at) : POOL_NONE;

	if (no == POOL_NONE)
		return;
	text_add(ret, " of ");
	pools_words(pools, no, ret);
}

/* Kinds of a language runtime: its rooter knows what they are. */
static void describe_runtime(const struct image *img, const struct root_source *source, uint64_t at, struct text *ret)
{
	for (size_t i = 0; rooter_registry[i]; i++)
		if (rooter_registry[i]->describe && rooter_registry[i]->describe(img, source, at, ret))
			return;
}

/* ": sessions"; false: nothing is added, for no typer knows what lies there. */
static bool add_variable(const struct context *c, uint64_t at, struct text *ret)
{
	size_t n = ret->n;

	text_add(ret, ": ");
	if (typing_global(c->typing, at, ret))
		return true;
	text_cut(ret, n);
	return false;
}

static void describe_source(const struct context *c, const struct root_source *source, uint64_t at, struct text *ret)
{
	const struct thread *t = source->thread < c->img->n_threads ? &c->img->threads[source->thread] : NULL;

	if (source->first == FIRST_FRAME) {
		describe_runtime(c->img, source, at, ret);
		return;
	}
	switch ((enum root_kind)source->kind) {
	case ROOT_REGISTER:
	case ROOT_VECTOR:
		describe_register(c->img, at, ret);
		describe_thread(c->img, source->thread, ret);
		if (source->kind == ROOT_REGISTER)
			add_variable(c, typer_register(source->thread, at), ret);
		break;
	case ROOT_STACK:
		text_add(ret, "stack of ");
		describe_thread(c->img, source->thread, ret);
		if (t)
			describe_frame(c->img, t, at, ret);
		add_variable(c, at, ret);
		break;
	case ROOT_TLS:
		text_add(ret, "tls of ");
		describe_thread(c->img, source->thread, ret);
		if (!add_variable(c, at, ret) && t)
			text_printf(ret, " at tp%c0x%llx", at < t->tp ? '-' : '+',
				    (unsigned long long)(at < t->tp ? t->tp - at : at - t->tp));
		break;
	case ROOT_ANON:
		text_printf(ret, "mapping 0x%llx+0x%llx", (unsigned long long)source->start,
			    (unsigned long long)(at - source->start));
		describe_pool(c->pools, at, ret);
		break;
	case ROOT_COUNTED:
		text_add(ret, "references that its count has and that were not found");
		break;
	case ROOT_GOROUTINE:
	case ROOT_FINALIZER:
	case ROOT_RUNTIME:
		describe_runtime(c->img, source, at, ret);
		break;
	default:
		if (!typing_global(c->typing, at, ret))
			image_describe(c->img, at, ret);
	}
}

static void describe_root(void *ctx, uint32_t root, struct text *ret)
{
	const struct graph *g = ((const struct context *)ctx)->graph;

	describe_source(ctx, &g->sources[g->root_source[root]], g->root_at[root], ret);
}

void graph_describe_register(const struct graph *g, uint32_t thread, uint64_t no, struct text *ret)
{
	const struct context *c = g->ctx;

	describe_register(c->img, no, ret);
	describe_thread(c->img, thread, ret);
}

void graph_describe_at(const struct graph *g, taddr at, struct text *ret)
{
	for (uint32_t i = 0; i < g->n_sources; i++) /* the first that has it names it */
		if (at >= g->sources[i].start && at < g->sources[i].end) {
			describe_source(g->ctx, &g->sources[i], at, ret);
			return;
		}
}

static void place(void *ctx, uint32_t root, struct root_place *ret)
{
	const struct context *c = ctx;
	const struct root_source *source = &c->graph->sources[c->graph->root_source[root]];
	uint64_t at = c->graph->root_at[root];
	struct source_place source_place = {};
	const struct frame *f = NULL;

	for (size_t i = 0; rooter_registry[i]; i++)
		if (rooter_registry[i]->place && rooter_registry[i]->place(c->img, source, at, ret))
			return;
	if (source->kind == ROOT_STACK && source->thread < c->img->n_threads)
		f = frame_of(&c->img->threads[source->thread], at);
	if (f)
		image_describe(c->img, f->pc, &ret->function);
	/* A return address is behind its call. */
	if ((f && image_source_of(c->img, f->pc - 1, &source_place)) ||
	    (source->kind == ROOT_GLOBAL && image_source_of(c->img, at, &source_place))) {
		text_add(&ret->file, source_place.file);
		ret->line = source_place.line;
	}
}

static const char *label(void *ctx, node_id node)
{
	struct context *c = ctx;
	struct block b;

	block_get(c->scan.blocks, node, &b);
	resident_pass_at(&c->labels, b.addr);
	return look_at(c->img, b.addr, b.usable);
}

static uint64_t entries(void *ctx, node_id node)
{
	const struct context *c = ctx;

	return typing_entries(c->typing, node, graph_key(c->graph, node));
}

static bool table(void *ctx, node_id node, uint64_t link, struct graph_table *ret)
{
	const struct context *c = ctx;

	return chained_table(c->img, c->scan.blocks, node, link, ret);
}

static bool type_place(void *ctx, type_id type, struct type_place *ret)
{
	return typing_place(((const struct context *)ctx)->typing, type, ret);
}

static bool inside(void *ctx, node_id node, uint64_t offset, struct text *ret)
{
	const struct context *c = ctx;
	const struct graph *g = c->graph;
	taddr start = graph_start(g, node), key = graph_key(g, node);
	const char *path;

	if (!graph_type(g, node))
		return false;
	text_add(ret, g->types->v[graph_type(g, node)].name);
	path = typing_path(c->typing, node, key, graph_size(g, node) - (key - start), offset);
	if (path)
		text_add(ret, path);
	return true;
}

static void close_context(void *ctx)
{
	struct context *c = ctx;

	typing_free(c->typing);
}

static const struct graph_ops block_graph_ops = {
	.edge = edge, .slot = slot, .slots = slots, .field = field, .field_of = field_of,
	.root = describe_root, .place = place, .held = held,
		.entries = entries, .table = table, .type_place = type_place, .label = label, .inside = inside,
	.close = close_context,
};

/* ---- all together ---- */

static void own_edges(struct graph *g, struct scan_columns *e)
{
	g->m = e->dst.n;
	g->dst = e->dst.base;
	g->slot = e->slot.base;
	graph_own_rows(g, &e->rows);
	graph_own(g, &e->dst);
	if (g->slot)
		graph_own(g, &e->slot);
}

static void own_roots(struct graph *g, struct root_columns *c)
{
	g->n_roots = (uint32_t)c->node.n;
	g->root_node = c->node.base;
	g->root_source = c->source.base;
	g->root_at = c->at.base;
	graph_own(g, &c->node);
	graph_own(g, &c->source);
	graph_own(g, &c->at);
}

/* The index covers whole units: what is not live is the rest, and mostly little. */
static void count_live(struct graph *g)
{
	struct graph_iter it;
	uint64_t near = 0;

	for (uint64_t w = 0; w < bits_words(g->n); w++)
		g->n_live += (node_id)__builtin_popcountll(g->live[w]);
	if (g->n - g->n_live < g->n / 16) {
		g->live_bytes = (uint64_t)g->grains->n_units << UNIT_SHIFT;
		for (uint64_t w = 0; w < bits_words(g->n); w++) {
			uint64_t dead = ~g->live[w];

			if (g->n - 64 * w < 64)
				dead &= ~(~0ull << (g->n - 64 * w));
			for (; dead; dead &= dead - 1)
				g->live_bytes -= graph_size_near(
					g, (node_id)(w << 6 | (uint64_t)__builtin_ctzll(dead)), &near);
		}
		return;
	}
	for (it = graph_iter(g, 0); it.id < g->n; graph_next(&it))
		g->live_bytes += it.size;
}

/* One bit for each block of the precise heaps, free ones too. */
static struct err *own_collected(struct env *env, const struct blocks *b, struct graph *g)
{
	struct col set = {};
	struct err *err;

	if (!b->unit_heap)
		return NULL;
	err = col_fixed(env, sizeof(uint64_t), bits_words(g->n) + 1, "collected nodes", &set);
	if (err)
		return err;
	if (g->collected) /* of CPython's, beside them */
		memcpy(set.base, g->collected, 8 * bits_words(g->n));
	for (size_t i = 0; i < b->n_claims; i++)
		if (blocks_is_precise(b, i))
			bits_set_range(set.base, block_at(b, b->claims[i].start + b->claims[i].bias),
				       (uint64_t)block_at(b, b->claims[i].end + b->claims[i].bias - 1) + 1);
	g->collected = set.base;
	graph_own(g, &set);
	return NULL;
}

/* Of CPython's objects: what is counted more often than it is found is a root, and what only waits for a collection none's. */
static struct err *add_counted(struct env *env, const struct scan *s, const struct py_gc *gc, struct roots *r,
			       struct root_columns *c, struct graph *g)
{
	struct root_source source = { .kind = ROOT_COUNTED, .thread = UINT32_MAX, .module = -1 };
	struct py_gc_judged judged;
	struct err *err = py_gc_judge(env, s, g, gc, c->node.base, c->node.n, &judged);

	if (!err && judged.held && bits_any(judged.held, 0, g->n))
		err = add_source(r, &source, &c->now);
	for (uint64_t w = 0; w < bits_words(g->n) && !err && judged.held; w++)
		for (uint64_t rest = judged.held[w]; rest && !err; rest &= rest - 1) {
			uint32_t node = (uint32_t)(w << 6 | (uint64_t)__builtin_ctzll(rest));

			err = add_root(c, graph_key(g, node), node);
		}
	if (!err && judged.garbage) {
		g->collected = judged.garbage;
		graph_own(g, &judged.garbage_col);
	}
	py_gc_judged_close(&judged);
	return err;
}

static struct err *add_roots(struct env *env, const struct scan *s, const struct blocks *blocks, const struct py_gc *gc,
			     struct graph *g)
{
	struct roots r = { .sink = { on_range, on_value, on_exclude, on_pointer }, .scan = s };
	struct root_columns c = {};
	_free_ struct piece *pieces = NULL;
	struct col sources = {};
	size_t n = 0;
	struct err *err = find_roots(env, s->img, blocks, &r);

	for (unsigned i = 0; i < gc->n_heads && !err; i++)
		err = on_exclude(&r.sink, gc->heads[i], gc->heads[i] + 16);
	if (!err)
		err = pieces_cut(r.pieces.v, r.pieces.n, &pieces, &n);
	if (!err)
		err = open_root_columns(env, s, &r, pieces, n, gc->links ? g->n : 0, &c);
	if (!err)
		err = scan_roots(s, &r, pieces, n, &c);
	if (!err)
		err = add_counted(env, s, gc, &r, &c, g);
	if (!err)
		err = col_open(env, sizeof(struct root_source), r.sources.n, "root sources", &sources);
	if (!err && r.sources.n)
		err = col_append(&sources, r.sources.v, r.sources.n);
	if (!err) {
		g->sources = sources.base;
		g->n_sources = (uint32_t)sources.n;
		graph_own(g, &sources);
		own_roots(g, &c);
	}
	col_close(&sources);
	root_columns_close(&c);
	roots_fini(&r);
	return err;
}

static void guard_graph(struct graph **g)
{
	graph_free(*g);
}

struct err *graph_find_types(struct env *env, const struct image *img, const struct blocks *blocks,
			     const struct hints *hints, struct graph *g)
{
	struct context *c = g->ctx;
	struct err *err;

	progress(env, "finding types", 0, 0);
	err = typing_run(env, img, blocks, hints, g, typer_registry, &c->typing);
	image_leave_all(img);
	if (err)
		return err;
	typing_columns(c->typing, &g->type_narrow, &g->type_wide);
	g->types = typing_types(c->typing);
	return NULL;
}

struct err *graph_find_notes(struct env *env, const struct image *img, const struct blocks *blocks, struct graph *g)
{
	struct context *c = g->ctx;
	struct err *err;

	progress(env, "finding what runtimes know", 0, 0);
	err = noting_run(env, img, blocks, c->typing, noter_registry, g);
	image_leave_all(img);
	return err;
}

struct err *graph_tell(struct env *env, const struct image *img, const struct blocks *blocks,
		       const struct hints *hints, struct graph *g)
{
	struct err *err = graph_find_types(env, img, blocks, hints, g);

	return err ? err : graph_find_notes(env, img, blocks, g);
}

/* A bit for each block of pools; NULL: there are none. */
static struct err *mark_pooled(struct env *env, const struct hints *hints, struct graph *g, const uint64_t **ret)
{
	struct col col = {};
	struct err *err = hints && hints->pools ? pools_mark(env, hints->pools, g->n, &col) : NULL;

	if (err || !col.base)
		return err;
	*ret = col.base;
	graph_own(g, &col);
	return NULL;
}

struct err *graph_from_blocks(struct env *env, const struct image *img, const struct blocks *blocks,
			      const struct hints *hints, bool wants_slots, struct graph **ret)
{
	struct scan s = scan_init(img, blocks);
	_cleanup_(guard_graph) struct graph *g = calloc(1, sizeof(*g));
	_cleanup_(py_gc_close) struct py_gc gc = {};
	_cleanup_(relative_close) struct relative relative = {};
	struct scan_columns edges = {};
	struct col ctx = {};
	struct err *err;

	if (!g)
		return &err_nomem;
	*g = (struct graph){
		.env = env, .n = blocks->grains.n, .grains = &blocks->grains, .live = blocks->used, .ops = &block_graph_ops,
	};
	err = col_fixed(env, sizeof(struct context), 1, "graph", &ctx);
	if (err)
		return err;
	*(struct context *)ctx.base = (struct context){ .img = img, .labels = { .img = img }, .pools = hints ? hints->pools : NULL, .graph = g, .scan = s };
	g->ctx = ctx.base;
	graph_own(g, &ctx);
	err = mark_pooled(env, hints, g, &s.pooled);
	if (!err)
		err = py_gc_open(env, img, blocks, &gc);
	if (!err)
		err = relative_open(env, img, blocks, &relative);
	if (err)
		return err;
	s.links = gc.links;
	s.relative = relative.words;
	s.tagged = tagged_find(img, blocks);
	((struct context *)g->ctx)->scan = s;
	s.wants_slots = wants_slots;
	err = scan_blocks(env, &s, &edges);
	if (err)
		return err;
	own_edges(g, &edges);
	err = add_roots(env, &s, blocks, &gc, g);
	if (!err && gc.links)
		graph_own(g, &gc.links_col);
	if (!err && relative.words)
		graph_own(g, &relative.col);
	if (!err)
		err = own_collected(env, blocks, g);
	if (err)
		return err;
	count_live(g);
	*ret = take(&g);
	return NULL;
}
