/*
 * cmd_explain.c - one address asked of every layer: mapping, module, heap, block, reachability,
 * shortest chains from roots, what it retains, who points at it.
 *
 * What each layer answers becomes a row of (layer, answer) and the holders a table: the text and
 * the JSON show the same rows.  The chains are in the JSON hop by hop, too.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "commands.h"
#include "explain.h"
#include "freed_by.h"
#include "image/go_sched.h"
#include "output.h"
#include "saved.h"
#include "type/look.h"

enum {
	HOLDERS_MAX = 100,
	UP_MAX = 64, /* dominators that are asked for the one way to them */
};

struct explanation {
	struct run *run;
	taddr addr;
	struct entry entry; /* of the block */
	struct {
		struct rp_cell *v;
		size_t n, cap;
	} facts, holders;
	struct err *err;
};

static void cell(struct explanation *x, bool holder, struct rp_cell c)
{
	bool ok = holder ? vec_push(&x->holders, &c) : vec_push(&x->facts, &c);

	if (!ok && !x->err)
		x->err = &err_nomem;
}

static void say(struct explanation *x, const char *layer, const char *fmt, ...) PRINTF(3, 4);
static void say(struct explanation *x, const char *layer, const char *fmt, ...)
{
	va_list args;
	char *s;

	va_start(args, fmt);
	if (vasprintf(&s, fmt, args) < 0)
		s = NULL;
	va_end(args);
	cell(x, false, (struct rp_cell){ .text = layer });
	cell(x, false, (struct rp_cell){ .text = arena_strdup(&x->run->report.mem, s ? s : "") });
	free(s);
}

/* Of a saved result: the row of its table of segments. */
static void say_saved_mapping(struct explanation *x)
{
	const struct saved *s = x->run->saved;
	enum { START, END, ACCESS, FILE_NAME, OFFSET, ORIGIN };

	for (size_t i = 0; i < s->n_tables; i++) {
		const struct rp_table *t = &s->tables[i];

		if (strcmp(t->name, "segments") || t->n_columns <= ORIGIN ||
		    t->columns[FILE_NAME].kind != CELL_TEXT ||
		    t->columns[ACCESS].kind != CELL_TEXT ||
		    t->columns[ORIGIN].kind != CELL_TEXT)
			continue;
		for (size_t row = 0; row < t->n_rows; row++) {
			const struct rp_cell *c = &t->rows[row * t->n_columns];

			if (x->addr < c[START].u || x->addr >= c[END].u)
				continue;
			say(x, "mapping", "0x%" PRIx64 "-0x%" PRIx64 " %s %s, %s", c[START].u,
			    c[END].u, c[ACCESS].text ? c[ACCESS].text : "?",
			    c[FILE_NAME].text ? c[FILE_NAME].text : "anonymous",
			    c[ORIGIN].text ? c[ORIGIN].text : "?");
			return;
		}
	}
	say(x, "mapping", "none: the process had no memory there");
}

static void say_mapping(struct explanation *x)
{
	static const char *const origins[] = {
		[SEG_NONE] = "not in the dump",
		[SEG_CORE] = "bytes from the dump",
		[SEG_FILE] = "bytes from the matching file",
	};
	const struct image *img = x->run->image;
	const struct segment *s = image_segment(img, x->addr);
	const struct thread *thread;

	if (!s) {
		say(x, "mapping", "none: the process had no memory there");
		return;
	}
	say(x, "mapping", "0x%" PRIx64 "-0x%" PRIx64 " %c%c%c %s, %s", s->start, s->end,
	    s->flags & SEG_R ? 'r' : '-', s->flags & SEG_W ? 'w' : '-',
	    s->flags & SEG_X ? 'x' : '-', s->file ? s->file : "anonymous", origins[s->origin]);
	if (s->module >= 0) {
		struct text t = TEXT_INIT;

		image_describe(img, x->addr, &t);
		say(x, "symbol", "%s", text_str(&t));
		text_fini(&t);
	}
	thread = image_stack(img, x->addr);
	if (thread)
		say(x, "stack", "of thread %" PRIu32 ", %s", thread->tid,
		    x->addr >= thread->live_low ? "in use" : "below the stack pointer: dead");
}

/* The frames go up: the last one that begins at or below the address has it. */
static void say_goroutine(struct explanation *x)
{
	const struct go *go = x->run->image->go;
	const struct goroutine *g = go ? go_goroutine_of_stack(go, x->addr) : NULL;
	const struct go_frame *frame = NULL;
	struct text t = TEXT_INIT;
	struct go_func f;

	if (!g || g->status == GO_DEAD)
		return;
	for (size_t i = 0; i < g->n_frames && g->frames[i].sp <= x->addr; i++)
		frame = &g->frames[i];
	if (frame && x->addr < frame->fp && go_func_at(go, frame->entry, &f))
		go_func_name(go, &f, &t);
	say(x, "stack", "of goroutine %" PRIu64 " (%s), %s%s", g->id,
	    g->wait_reason ? g->wait_reason : go_status_name(g->status),
	    x->addr < g->sp ? "below the stack pointer: dead" : t.n ? "frame of " : "in use",
	    text_str(&t));
	text_fini(&t);
}

/* Keeps the first error; true if there was none. */
static bool went_well(struct explanation *x, struct err *err)
{
	if (err)
		x->err = x->err ? (err_free(err), x->err) : err;
	return !err;
}

static void say_chain(struct explanation *x, const char *layer, const struct rp_chain *chain)
{
	struct text t = TEXT_INIT;

	chain_print(chain, &t);
	say(x, layer, "%s", text_str(&t));
	text_fini(&t);
}

static void say_held(struct explanation *x, node_id node, const struct subject *subject)
{
	struct rp_chain chain = {};

	if (went_well(x, chain_held(subject, &x->run->report, node, &chain)))
		say_chain(x, "holds", &chain);
}

/* From what the program's text names, which others may be nearer than. */
static void say_first(struct explanation *x, node_id node, const struct subject *subject)
{
	const struct graph *g = x->run->graph;
	const uint32_t *parent = x->run->facts.parent;
	struct rp_chain chain = {};
	uint32_t up = parent[node];

	while (up != NODE_NONE && !(up & PARENT_ROOT))
		up = parent[up];
	if (up == NODE_NONE || !g->sources[g->root_source[up & ~PARENT_ROOT]].first)
		return;
	if (went_well(x, chain_to(subject, &x->run->report, node, &chain)))
		say_chain(x, "chain by name", &chain);
}

/* From the roots; a block that none reaches has no chains, but what it holds. */
static void say_chains(struct explanation *x, node_id node, const struct subject *subject)
{
	struct run *run = x->run;
	unsigned max = run->opt->chains < PATHS_MAX ? (unsigned)run->opt->chains : PATHS_MAX;
	struct paths paths;

	if (run->facts.parent)
		say_first(x, node, subject);
	if (!went_well(x, paths_find(&run->env, run->graph, &run->facts, node, max, &paths)))
		return;
	for (unsigned i = 0; i < paths.n; i++) {
		struct rp_chain chain = {};

		if (!went_well(x, chain_along(subject, &run->report, &paths.v[i], &chain)))
			break;
		say_chain(x, i ? "next chain" : "shortest chain", &chain);
		if (!vec_push(&run->report.chains, &chain))
			went_well(x, &err_nomem);
	}
	if (!paths.n)
		say_held(x, node, subject);
	paths_fini(&paths);
}

static const char *type_name(const struct graph *g, node_id node)
{
	return graph_type(g, node) ? g->types->v[graph_type(g, node)].name : NULL;
}

static void add_holder(struct explanation *x, node_id src, node_id dst, bool interior)
{
	const struct graph *g = x->run->graph;
	struct edge_label label = {};
	bool known = g->ops && g->ops->edge && g->ops->edge(g->ctx, src, dst, &label);

	cell(x, true, (struct rp_cell){ .u = graph_key(g, src) });
	cell(x, true, (struct rp_cell){ .u = graph_size(g, src) });
	cell(x, true, (struct rp_cell){ .u = known ? label.offset : 0 });
	cell(x, true, (struct rp_cell){ .text = interior ? "interior" : "start" });
	cell(x, true, (struct rp_cell){ .text = reach_name(x->run->facts.reach[src]) });
	cell(x, true, (struct rp_cell){ .text = type_name(g, src) });
	cell(x, true, (struct rp_cell){ .text = known ? label.name : NULL });
	cell(x, true, (struct rp_cell){
			      .u = x->entry.kind == ENTRY_NODE && x->entry.from == src ?
					   facts_retained(&x->run->facts, dst) :
					   0 });
}

static void say_roots(struct explanation *x, node_id node)
{
	const struct graph *g = x->run->graph;
	unsigned shown = 0, more = 0;

	for (uint32_t i = 0; i < g->n_roots; i++) {
		struct text t = TEXT_INIT;

		if (EDGE_NODE(g->root_node[i]) != node)
			continue;
		if (shown == 20) {
			more++;
			continue;
		}
		g->ops->root(g->ctx, i, &t);
		say(x, "root", "%s%s", text_str(&t),
		    g->root_node[i] & EDGE_INTERIOR ? " (points inside)" : "");
		text_fini(&t);
		shown++;
	}
	if (more)
		say(x, "root", "and %u more", more);
}

/* Behind the pointers of the block whose are at `e`; *ret_interior: none is to the start. */
static edge_id end_of_holder(const struct facts *f, edge_id e, edge_id last, bool *ret_interior)
{
	uint32_t src = EDGE_NODE(f->in_src[e]);

	*ret_interior = true;
	for (; e < last && EDGE_NODE(f->in_src[e]) == src; e++)
		*ret_interior &= !!(f->in_src[e] & EDGE_INTERIOR);
	return e;
}

static void say_holders(struct explanation *x, node_id node)
{
	const struct facts *f = &x->run->facts;
	edge_id first = f->in_row_base[node >> ROW_BLOCK_SHIFT] + f->in_row[node];
	edge_id last = f->in_row_base[(node + 1) >> ROW_BLOCK_SHIFT] + f->in_row[node + 1];
	struct text t = TEXT_INIT;
	uint64_t n = 0;
	bool interior;

	for (edge_id e = first; e < last; n++)
		e = end_of_holder(f, e, last, &interior);
	text_printf(&t, n == 1 ? "1 block" : "%" PRIu64 " blocks", n);
	if (n < last - first)
		text_printf(&t, ", by %" PRIu64 " pointers", (uint64_t)(last - first));
	say(x, "pointed at by", "%s", text_str(&t));
	text_fini(&t);
	n = 0;
	for (edge_id e = first, end; e < last && n < HOLDERS_MAX; e = end, n++) {
		end = end_of_holder(f, e, last, &interior);
		add_holder(x, EDGE_NODE(f->in_src[e]), node, interior);
	}
}

static void say_stale(struct explanation *x, node_id node)
{
	struct run *run = x->run;
	_cleanup_(freed_by_close) struct freed_by freed = {};
	struct stale *stale = NULL;
	const char *who = NULL;
	size_t n = 0;

	if (run->image->n_threads > 1 && went_well(x, freed_by_open(run, &freed)))
		who = freed_beside(run, &freed, node);
	if (who)
		say(x, "freed beside it", "%s", who);
	if (went_well(x, find_stale(&run->env, run->image, &run->blocks, &node, 1, 8, &stale, &n)))
		for (size_t i = 0; i < n; i++)
			say(x, "stale pointer", "%s", stale_text(run, &freed, &stale[i]));
	free(stale);
}

static void say_allocator(struct explanation *x, node_id node)
{
	const char *who = NULL;

	if (went_well(x, find_allocating_thread(x->run, node, &who)) && who)
		say(x, "allocated by", "%s", who);
}

static void say_retained(struct explanation *x, uint64_t n)
{
	struct text t = TEXT_INIT;

	text_add_bytes(&t, n);
	say(x, "retains", "%s (%" PRIu64 " bytes): what would go if this went", text_str(&t), n);
	text_fini(&t);
}

/* The block and its dominators, the nearest first: at most UP_MAX. */
static unsigned ways_up(const struct facts *f, node_id node, node_id *ret)
{
	unsigned n = 0;

	for (; node != NODE_NONE && n < UP_MAX; node = f->idom[node])
		ret[n++] = node;
	return n;
}

/* Whichever is nearest: a pointer that all ways from the roots to the block cross. */
static void say_only_way(struct explanation *x, const node_id *up, const struct entry *entry,
			 unsigned n)
{
	const struct graph *g = x->run->graph;
	struct text t = TEXT_INIT;
	unsigned i = 0;

	while (i < n && entry[i].kind == ENTRY_SEVERAL)
		i++;
	if (i < n && entry[i].kind != ENTRY_NONE) {
		entry_words(g, entry[i], up[i], &t);
		text_add(&t, ": clearing it frees ");
		text_add_bytes(&t, facts_retained(&x->run->facts, up[i]));
		if (i)
			text_add(&t, ", this block among them");
	} else if (n && i == n) {
		text_add(&t, "no single pointer: whichever is cut, another way leads here");
	}
	if (t.n)
		say(x, "only through", "%s", text_str(&t));
	text_fini(&t);
}

static void find_entries(struct explanation *x, node_id node)
{
	struct run *run = x->run;
	node_id up[UP_MAX] = { node };
	struct entry entry[UP_MAX] = {};
	unsigned n = ways_up(&run->facts, node, up);

	if (!went_well(x, entries_find(&run->env, run->graph, &run->facts, up, n, entry)))
		return;
	x->entry = entry[0];
	say_only_way(x, up, entry, n);
}

/* As far as a profiler of the process has looked at it. */
static void say_site(struct explanation *x, node_id node)
{
	struct subject subject = {};
	size_t at;

	if (!went_well(x, describe_heap_samples(x->run, &subject)) ||
	    !went_well(x, describe_go_sites(x->run, &subject)))
		return;
	at = partition_point(subject.n_samples, i, subject.samples[i].node < node);
	if (at < subject.n_samples && subject.samples[at].node == node)
		say(x, "allocated at", "%s", subject.samples[at].stack);
}

/* The bytes themselves only where they are asked for. */
static void say_looks(struct explanation *x, node_id node)
{
	struct run *run = x->run;
	const struct graph *g = run->graph;
	const char *looks = g->ops && g->ops->label ? g->ops->label(g->ctx, node) : NULL;
	struct text t = TEXT_INIT;
	struct block b;

	if (!looks)
		return;
	if (run->env.show_contents && run->has_blocks) {
		block_get(&run->blocks, node, &b);
		if (look_preview(run->image, b.addr, b.usable, &t))
			say(x, "begins with", "\"%s\"", text_str(&t));
	}
	say(x, "looks like", "%s", looks);
	text_fini(&t);
}

/* Of two types that contradict both. */
static void say_type(struct explanation *x, node_id node)
{
	const struct types *types = x->run->graph->types;
	const struct type_row *row = &types->v[graph_type(x->run->graph, node)];
	type_id rival = types_rival(types, node);
	enum confidence known = types_is_guess(types, node) ? CONF_GUESS : row->confidence;

	say(x, "type", "%s", row->name);
	if (rival)
		say(x, "or else", "%s: pointers of both types lead here", types->v[rival].name);
	if (row->confidence)
		say(x, "type known by", "%s", confidence_name(known));
}

static void say_used(struct explanation *x, node_id node)
{
	struct run *run = x->run;
	struct subject subject = { .graph = run->graph, .facts = &run->facts, .top = 1 };
	enum reach reach = run->facts.reach[node];

	if (type_name(run->graph, node))
		say_type(x, node);
	else
		say_looks(x, node);
	if (!run->saved)
		say_site(x, node);
	say(x, "reachability", "%s", reach_name(reach));
	say_roots(x, node);
	say_chains(x, node, &subject);
	say_retained(x, facts_retained(&run->facts, node));
	find_entries(x, node);
	if (!run->saved && (reach == REACH_DEFINITE || reach == REACH_INDIRECT)) {
		say_allocator(x, node);
		say_stale(x, node);
	}
	say_holders(x, node); /* last: the list of them follows */
}

static void say_pool(struct explanation *x)
{
	struct text t = TEXT_INIT;

	pool_words(x->run, x->addr, &t);
	if (t.n)
		say(x, "pool", "%s", text_str(&t));
	text_fini(&t);
}

/* `state` and `where` as words; the latter may be NULL. */
static void say_place(struct explanation *x, taddr start, uint64_t size, uint64_t usable,
		      const char *state, const char *where)
{
	struct text t = TEXT_INIT;

	text_printf(&t, "0x%" PRIx64 ", %" PRIu64 " bytes, %" PRIu64 " usable, %s%s%s", start, size,
		    usable, state, where ? ", in " : "", where ? where : "");
	text_add(&t, "; the address is ");
	if (x->addr == start)
		text_add(&t, "its start");
	else
		text_printf(&t, "%" PRIu64 " bytes in", x->addr - start);
	say(x, "block", "%s", text_str(&t));
	text_fini(&t);
}

static void say_saved_block(struct explanation *x)
{
	struct run *run = x->run;
	node_id node = graph_node_at(run->graph, x->addr);
	struct query_block b;
	uint64_t at;

	if (node == NODE_NONE) {
		say(x, "heap", "none claims this address");
		say(x, "not saved", "who points into memory of no heap (explain the dump itself)");
		return;
	}
	run_block(run, node, &b, &at);
	if (b.allocator)
		say(x, "heap", "%s", b.allocator);
	say_place(x, at, graph_size(run->graph, node), b.usable,
		  run_is_filler(run, node)	   ? "the allocator's own" :
		  graph_is_live(run->graph, node) ? "used" :
						     "free",
		  b.where);
	say(x, "not saved", "what only the dump's bytes tell: keys of maps, symbols, "
	    "allocators' own words, pointers in freed memory (explain the dump itself)");
	if (graph_is_live(run->graph, node))
		say_used(x, node);
}

static void say_pointer_in(struct explanation *x, const struct pointer_in *p)
{
	const struct graph *g = x->run->graph;
	struct text t = TEXT_INIT;

	if (p->thread != UINT32_MAX) {
		graph_describe_register(g, p->thread, p->at, &t);
		say(x, "  word", "%s, to 0x%" PRIx64, text_str(&t), p->value);
		text_fini(&t);
		return;
	}
	if (p->node == NODE_NONE) {
		graph_describe_at(g, p->at, &t);
	} else {
		uint64_t key = graph_key(g, p->node);
		const char *type = type_name(g, p->node);

		if (!g->ops->inside || !g->ops->inside(g->ctx, p->node, p->at - key, &t))
			text_add(&t, type ? type : "no type known");
		text_printf(&t, ", block 0x%" PRIx64 " +0x%" PRIx64 ", %s", key, p->at - key,
			    reach_name(x->run->facts.reach[p->node]));
	}
	say(x, "  word", "0x%" PRIx64 ", to 0x%" PRIx64 "%s%s", p->at, p->value,
	    t.n ? ": " : "", text_str(&t));
	text_fini(&t);
}

/* What nobody gave out in blocks is held by who points into its mapping. */
static void say_pointers_in(struct explanation *x)
{
	struct run *run = x->run;
	const struct segment *s = image_segment(run->image, x->addr);
	struct pointers_in p;

	if (!s || s->module >= 0 || !(s->flags & SEG_W) || image_stack(run->image, x->addr))
		return;
	find_pointers_in(run->image, &run->blocks, s->start, s->end, &p);
	say(x, "pointed at by",
	    "%" PRIu64 " words outside of the mapping, %" PRIu64 " of them to its start", p.n,
	    p.n_start);
	for (unsigned i = 0; i < p.n_kept; i++)
		say_pointer_in(x, &p.v[i]);
}

static void say_block(struct explanation *x)
{
	struct run *run = x->run;
	uint32_t id = block_at(&run->blocks, x->addr);
	const char *version;
	struct text t = TEXT_INIT;
	struct block b;

	if (id != BLOCK_NONE)
		block_get(&run->blocks, id, &b);
	if (id == BLOCK_NONE || !b.heap || !b.claim) {
		say(x, "heap", "none claims this address");
		say_pool(x);
		if (id == BLOCK_NONE)
			say_pointers_in(x);
		return;
	}
	version = b.heap->info ? b.heap->info->version : NULL;
	say(x, "heap", "%s%s%s, by %s", b.heap->ops->name, version && *version ? " " : "",
	    version ? version : "", b.heap->info ? b.heap->info->how : "?");
	say_place(x, b.addr, b.size, b.usable,
		  b.filler ? "the allocator's own" :
		  b.used   ? "used" :
			     "free",
		  b.where);
	if (b.heap->ops->explain) {
		b.heap->ops->explain(b.heap->ctx, b.addr, &t);
		say(x, "allocator", "%s", text_str(&t));
	}
	text_fini(&t);
	if (b.used)
		say_pool(x);
	if (b.used)
		say_used(x, id);
}

static struct err *add_table(struct explanation *x, const char *name, const char *title,
			     const struct rp_column *columns, size_t n_columns,
			     struct rp_cell *cells, size_t n_cells)
{
	struct rp_cell *copy = arena_alloc(&x->run->report.mem, (n_cells + 1) * sizeof(*copy));
	struct rp_table table = {
		.name = name,
		.title = title,
		.columns = columns,
		.n_columns = n_columns,
		.rows = copy,
		.n_rows = n_cells / n_columns,
	};

	if (!copy)
		return &err_nomem;
	if (n_cells)
		memcpy(copy, cells, n_cells * sizeof(*copy));
	return vec_push(&x->run->report.tables, &table) ? NULL : &err_nomem;
}

static const struct rp_column fact_columns[] = { { "layer", CELL_TEXT }, { "answer", CELL_TEXT } };
static const struct rp_column holder_columns[] = {
	{ "address", CELL_ADDR }, { "size", CELL_BYTES }, { "offset", CELL_ADDR },
	{ "points", CELL_TEXT },  { "reach", CELL_TEXT }, { "type", CELL_TEXT },
	{ "name", CELL_TEXT },	  { "frees", CELL_BYTES },
};

static struct err *explain(struct run *run, taddr addr)
{
	struct explanation x = { .run = run, .addr = addr };
	struct err *err;

	if (run->saved) {
		say_saved_mapping(&x);
		say_saved_block(&x);
	} else {
		say_mapping(&x);
		say_goroutine(&x);
		say_block(&x);
	}
	err = x.err;
	if (!err)
		err = add_table(&x, "explain", "EXPLAIN", fact_columns, 2, x.facts.v, x.facts.n);
	if (!err)
		err = add_table(&x, "holders", "HOLDERS", holder_columns,
				ARRAY_SIZE(holder_columns), x.holders.v, x.holders.n);
	free(x.facts.v);
	free(x.holders.v);
	return err;
}

static void put(FILE *out, const char *s)
{
	struct text t = TEXT_INIT;

	text_add_escaped(&t, s, strlen(s));
	fputs(text_str(&t), out);
	text_fini(&t);
}

static void print_fact(const struct rp_cell *row, FILE *out)
{
	fprintf(out, "  %-15s ", row[0].text);
	put(out, row[1].text ? row[1].text : "");
	fputc('\n', out);
}

enum { FREES = ARRAY_SIZE(holder_columns) - 1 };

static void print_holder(const struct rp_cell *c, FILE *out)
{
	fprintf(out, "    0x%" PRIx64 " +0x%" PRIx64 " (%" PRIu64 " bytes, %s), to its %s", c[0].u,
		c[2].u, c[1].u, c[4].text, strcmp(c[3].text, "start") ? "inside" : "start");
	if (c[5].text)
		fputs(": ", out);
	put(out, c[5].text ? c[5].text : "");
	put(out, c[6].text ? c[6].text : "");
	if (c[FREES].u) {
		struct text t = TEXT_INIT;

		text_add_bytes(&t, c[FREES].u);
		fprintf(out, "; cut, it frees %s", text_str(&t));
		text_fini(&t);
	}
	fputc('\n', out);
}

static struct err *write_explanation(struct run *run, const char *format, FILE *out)
{
	const struct rp_table *facts = &run->report.tables.v[0],
			      *holders = &run->report.tables.v[1];

	if (strcmp(format, "text"))
		return write_report(run, format, out);
	put(out, run->opt->args[1]);
	fputs(" in ", out);
	put(out, run->opt->args[0]);
	fputc('\n', out);
	for (size_t i = 0; i < facts->n_rows; i++)
		print_fact(&facts->rows[facts->n_columns * i], out);
	for (size_t i = 0; i < holders->n_rows; i++)
		print_holder(&holders->rows[holders->n_columns * i], out);
	return NULL;
}

static struct err *parse_address(const char *s, taddr *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(s, &end, 16);
	if (!*s || *s == '-' || *end || errno)
		return err_new(ERR_USAGE,
			       "not an address: %s (hexadecimal, as reports print it: 0x7f...)", s);
	return NULL;
}

/* The facts that explain() reads. */
static struct err *make_facts(struct run *run)
{
	struct err *err = run_need(run, SAVE_ALL);
	unsigned what = FACT_REACH | FACT_DOM | FACT_REVERSE;

	for (uint32_t i = 0; !err && i < run->graph->n_sources; i++)
		what |= run->graph->sources[i].first ? FACT_PARENT : 0;
	return err ? err : facts_compute(&run->env, run->graph, what, &run->facts);
}

struct err *explain_on(struct run *run, const char *address, enum explain_part part, FILE *out)
{
	size_t first = run->report.tables.n;
	bool is_said = false;
	taddr addr;
	struct err *err = parse_address(address, &addr);

	if (!err)
		err = make_facts(run);
	end_progress(run);
	run->report.chains.n = 0;
	if (!err)
		err = explain(run, addr);
	if (err)
		return err;
	for (size_t i = 0; i < run->report.tables.v[first].n_rows; i++) {
		const struct rp_cell *row = &run->report.tables.v[first].rows[2 * i];

		if (part == EXPLAIN_ALL || strstr(row[0].text, "chain")) {
			print_fact(row, out);
			is_said = true;
		}
	}
	if (!is_said)
		fprintf(out, "no chain from a root leads to 0x%" PRIx64 "\n", addr);
	for (size_t i = 0; part == EXPLAIN_ALL && i < run->report.tables.v[first + 1].n_rows; i++)
		print_holder(&run->report.tables.v[first + 1]
				      .rows[run->report.tables.v[first + 1].n_columns * i], out);
	run->report.tables.n = first;
	return NULL;
}

static struct err *run_explain(struct run *run, const struct options *opt)
{
	taddr addr;
	struct err *err = parse_address(opt->args[1], &addr);

	if (err) {
		*run = (struct run){ .opt = opt };
		return err;
	}
	err = run_open(run, opt, STAGE_GRAPH);
	if (!err)
		err = make_facts(run);
	if (!err && !run->saved)
		err = describe_run(run);
	if (!err && !run->saved)
		err = breakdown_run(run);
	run->report.tables.n = 0; /* of the analysis; these are its own */
	if (!err)
		err = explain(run, addr);
	return err ? err : write_outputs(run, command_of(cmd_explain), write_explanation);
}

enum exit_status cmd_explain(const struct options *opt)
{
	struct run run;
	struct err *err = run_explain(&run, opt);

	return run_end(&run, err, EXIT_DONE);
}
