/*
 * analysis/pins.c - used blocks that alone keep free memory from going back to the system.
 *
 * An extent is looked at as large free gaps with islands of used blocks between them.  Three ways
 * to pin, each gap counted in one of them at most:
 *  - an allocator that gives back from the end alone keeps every gap below the last used block:
 *    from the end down, as many islands as are worth it (the free bytes against RATIO times the
 *    used);
 *  - an extent that goes back whole or not at all, by the blocks left in it;
 *  - elsewhere, gaps whose island above is small beside them keep their neighbours apart.
 * Memory in thread caches lies in gaps, but is not counted: it is another rule's.
 */
#include "analysis/pins.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/chain.h"
#include "base/guard.h"
#include "base/vec.h"

enum {
	GAP_STEP = PINS_GAP_MIN / 2,
	RATIO = 16, /* free bytes that one used byte must pin, to be worth naming */
	EXTENTS_SHOWN = 8,
	OTHERS_SHOWN = 3,
};

struct gap {
	uint64_t bytes, pieces; /* free memory in no cache */
	/* The island above: the used blocks up to the next gap, or to the end of the extent. */
	node_id first, end;
	uint64_t n_used, used;
	bool own; /* the allocator's own structures are among it: no program can free those */
};

enum way { WAY_END, WAY_WHOLE, WAY_APART };

struct pins {
	enum way way;
	const struct extent *extent; /* NULL: several */
	uint64_t count, used;
	struct pinned held;
	uint64_t lead_gap; /* bytes of the gap below `lead` */
	node_id lead;	   /* the block above the largest gap */
	node_id some[SUSPECT_ADDRESSES];
	unsigned n_some;
};

struct search {
	const struct subject *s;
	struct {
		struct gap *v;
		size_t n, cap;
	} gaps; /* of the extent at hand, ascending */
	uint64_t n_used, used; /* of it */
	node_id first, end;    /* its nodes */
	struct {
		struct pins *v;
		size_t n, cap;
	} found;
	struct pins apart; /* of all extents */
};

static void close_search(struct search *x)
{
	free(x->gaps.v);
	free(x->found.v);
}

static struct err *end_gap(struct search *x, struct gap *gap)
{
	bool large = gap->bytes >= PINS_GAP_MIN;
	bool kept = !large || vec_push(&x->gaps, gap);

	*gap = (struct gap){ .first = NODE_NONE };
	return kept ? NULL : &err_nomem;
}

/*
 * The nodes [at, end), none of them live: a gap, or several with structures of the allocator's
 * between.
 */
static struct err *add_gaps(struct search *x, node_id at, node_id end)
{
	const struct subject *s = x->s;
	struct gap gap = { .first = NODE_NONE };
	struct err *err = NULL;

	for (; at < end && !err; at++) {
		const char *where = s->where(s->where_ctx, at);

		if (!where) {
			err = end_gap(x, &gap);
			if (x->gaps.n)
				x->gaps.v[x->gaps.n - 1].own = true;
		} else if (!strcmp(where, "top")) {
			gap.bytes = 0; /* all of it could go back at once */
		} else if (!is_thread_cache(where)) {
			gap.bytes += graph_size(s->graph, at);
			gap.pieces++;
		}
	}
	return err ? err : end_gap(x, &gap);
}

static void count_used(struct search *x, const struct graph_iter *it)
{
	struct gap *below = x->gaps.n ? &x->gaps.v[x->gaps.n - 1] : NULL;

	x->n_used++;
	x->used += it->size;
	if (!below)
		return;
	if (below->first == NODE_NONE)
		below->first = it->id;
	below->end = it->id + 1;
	below->n_used++;
	below->used += it->size;
}

/*
 * A large gap has at least one whole step without a live node in it: whoever has none such is not
 * looked at node by node.
 */
static bool may_have_gaps(const struct graph *g, const struct extent *e)
{
	uint64_t at = align_up(e->start, GAP_STEP);
	node_id first = graph_node_at(g, at), end;

	for (; at < e->end && e->end - at > GAP_STEP; at += GAP_STEP, first = end) {
		end = graph_node_at(g, at + GAP_STEP);
		if (first >= g->n || end >= g->n ||
		    !bits_any(g->live, first, end > first ? end : first + 1))
			return true;
	}
	return false;
}

static struct err *scan(struct search *x, const struct extent *e)
{
	const struct graph *g = x->s->graph;
	node_id last = graph_node_at(g, e->end - 1), next = graph_node_at(g, e->start);
	uint64_t at = e->start;
	struct err *err = NULL;

	x->gaps.n = 0;
	x->n_used = x->used = 0;
	x->first = x->end = 0;
	if (!may_have_gaps(g, e))
		return NULL;
	if (next == NODE_NONE || last == NODE_NONE)
		return NULL;
	x->first = next;
	x->end = last + 1;
	for (struct graph_iter it = graph_iter(g, next); !err && it.id <= last; graph_next(&it)) {
		if (it.key - at >= PINS_GAP_MIN)
			err = add_gaps(x, next, it.id);
		count_used(x, &it);
		at = it.key + it.size;
		next = it.id + 1;
	}
	if (!err && at < e->end && e->end - at >= PINS_GAP_MIN)
		err = add_gaps(x, next, x->end);
	return err;
}

static void add_some(struct pins *p, const struct graph *g, node_id first, node_id end)
{
	for (node_id i = first; i < end && p->n_some < SUSPECT_ADDRESSES; i++)
		if (graph_is_live(g, i))
			p->some[p->n_some++] = i;
}

static void add_gap(struct pins *p, const struct graph *g, const struct gap *gap)
{
	p->held.bytes += gap->bytes;
	p->held.pieces += gap->pieces;
	if (!gap->n_used)
		return;
	p->count += gap->n_used;
	p->used += gap->used;
	if (gap->bytes > p->lead_gap) {
		p->lead_gap = gap->bytes;
		p->lead = gap->first;
	}
	add_some(p, g, gap->first, gap->end);
}

/* From the end down; *ret is the lowest gap of those that are worth it. */
static bool pick_end(const struct search *x, size_t *ret)
{
	uint64_t used = 0, bytes = 0, best = 0;

	for (size_t i = x->gaps.n; i-- > 0;) {
		const struct gap *gap = &x->gaps.v[i];

		if (gap->own)
			break;
		used += gap->used;
		bytes += used ? gap->bytes : 0;
		if (bytes > RATIO * used && bytes - RATIO * used > best) {
			best = bytes - RATIO * used;
			*ret = i;
		}
	}
	return best > 0;
}

static bool keeps_whole(const struct search *x, uint64_t bytes)
{
	for (size_t i = 0; i + 1 < x->gaps.n; i++)
		if (x->gaps.v[i].own)
			return false;
	return x->n_used && bytes > RATIO * x->used;
}

/*
 * What the extent at hand has to go back to the system, by its kind; the gaps that it leaves are
 * [0, *left).
 */
static struct err *find_pins(struct search *x, const struct extent *e, uint64_t least, size_t *left)
{
	const struct graph *g = x->s->graph;
	struct pins p = { .way = e->kind == EXTENT_SHRINKS ? WAY_END : WAY_WHOLE,
			  .extent = e,
			  .lead = NODE_NONE };
	size_t from = 0;

	*left = x->gaps.n;
	if (e->kind == EXTENT_FIXED || (e->kind == EXTENT_SHRINKS && !pick_end(x, &from)))
		return NULL;
	for (size_t i = x->gaps.n; i-- > from;)
		if (x->gaps.v[i].n_used || e->kind == EXTENT_WHOLE)
			add_gap(&p, g, &x->gaps.v[i]);
	if (p.held.bytes < least)
		return NULL;
	if (e->kind == EXTENT_WHOLE) {
		if (!keeps_whole(x, p.held.bytes))
			return NULL;
		p.count = x->n_used;
		p.used = x->used;
		p.n_some = 0;
		add_some(&p, g, x->first, x->end);
		p.lead = p.lead == NODE_NONE ? p.some[0] : p.lead;
	}
	*left = from;
	return vec_push(&x->found, &p) ? NULL : &err_nomem;
}

static void find_apart(struct search *x, size_t left)
{
	for (size_t i = 0; i < left; i++) {
		const struct gap *gap = &x->gaps.v[i];

		if (gap->n_used && !gap->own && gap->bytes > RATIO * gap->used)
			add_gap(&x->apart, x->s->graph, gap);
	}
}

static int by_held(const void *pa, const void *pb)
{
	const struct pins *a = pa, *b = pb;

	if (a->held.bytes != b->held.bytes)
		return a->held.bytes < b->held.bytes ? 1 : -1;
	return a->lead < b->lead ? -1 : a->lead > b->lead;
}

static int by_node(const void *a, const void *b)
{
	node_id x = *(const node_id *)a, y = *(const node_id *)b;

	return x < y ? -1 : x > y;
}

static void add_title(struct text *t, const struct graph *g, const struct pins *p)
{
	static const char *const words[] = {
		[WAY_END] = " at the end of their arena",
		[WAY_WHOLE] = " alone in a heap segment",
		[WAY_APART] = " between free ranges",
	};

	if (p->count == 1) {
		text_add(t, "a ");
		add_blocks_of(t, graph_size(g, p->lead), true);
	} else {
		text_add_count(t, p->count);
		text_add(t, " blocks");
	}
	text_add(t,
		 p->way == WAY_END && p->count == 1 ? " at the end of its arena" : words[p->way]);
}

static struct err *add_held(struct report *r, const struct pins *p, struct rp_suspect *out)
{
	struct text t = TEXT_INIT;
	struct err *err;

	text_add_bytes(&t, p->held.bytes);
	text_add(&t, " of free memory in ");
	text_add_count(&t, p->held.pieces);
	text_add(&t, p->held.pieces == 1 ? " piece" : " pieces");
	if (p->extent) {
		text_add(&t, " of ");
		text_add(&t, p->extent->name);
	}
	err = evidence_add(r, out, "keeps from going back", text_str(&t));
	text_fini(&t);
	return err;
}

/* Who holds the pins that the chain is not of. */
static struct err *add_others(const struct subject *s, struct report *r, const struct pins *p,
			      struct rp_suspect *out)
{
	struct err *err = NULL;

	for (unsigned i = 0, shown = 0; i < p->n_some && shown < OTHERS_SHOWN && !err; i++) {
		struct rp_chain chain = {};
		struct text t = TEXT_INIT;

		if (p->some[i] == p->lead)
			continue;
		err = chain_to(s, r, p->some[i], &chain);
		if (err)
			break;
		text_printf(&t, "0x%" PRIx64 ": ", graph_key(s->graph, p->some[i]));
		chain_print(&chain, &t);
		err = evidence_add(r, out, "another one", text_str(&t));
		text_fini(&t);
		shown++;
	}
	return err;
}

/* The block that the chain is of is one of those shown. */
static void show_lead(struct pins *p)
{
	for (unsigned i = 0; i < p->n_some; i++)
		if (p->some[i] == p->lead)
			return;
	if (p->lead != NODE_NONE)
		p->some[p->n_some < SUSPECT_ADDRESSES ? p->n_some++ : p->n_some - 1] = p->lead;
}

static struct err *add_suspect(const struct subject *s, struct report *r, struct pins *p)
{
	static const char *const advice[] = {
		[WAY_END] = NULL, /* the rule's */
		[WAY_WHOLE] = "free what is left there, or allocate it before the burst",
		[WAY_APART] = "allocate what lives long together; "
			      "malloc_trim() gives back whole pages between them",
	};
	struct text title = TEXT_INIT;
	struct rp_suspect out = {
		.rule = "free-held/pinned",
		.count = p->count,
		.bytes = p->used,
		.retained = p->held.bytes,
		.confidence = CONF_PATTERN,
		.has_chain = true,
		.advice = advice[p->way],
	};
	struct err *err;

	add_title(&title, s->graph, p);
	out.title = report_text(r, &title);
	text_fini(&title);
	show_lead(p);
	qsort(p->some, p->n_some, sizeof(*p->some), by_node);
	err = out.title ? addresses_add(s, r, p->some, p->n_some, &out) : &err_nomem;
	if (!err)
		err = chain_to(s, r, p->lead, &out.chain);
	if (!err)
		err = add_held(r, p, &out);
	if (!err)
		err = add_others(s, r, p, &out);
	if (err)
		return err;
	return vec_push(&r->suspects, &out) ? NULL : &err_nomem;
}

static struct err *report_pins(struct search *x, struct report *r, uint64_t least,
			       struct pinned *ret)
{
	if (x->apart.held.bytes >= least && !vec_push(&x->found, &x->apart))
		return &err_nomem;
	if (x->found.n)
		qsort(x->found.v, x->found.n, sizeof(*x->found.v), by_held);
	for (size_t i = 0; i < x->found.n && i < EXTENTS_SHOWN; i++) {
		struct err *err = add_suspect(x->s, r, &x->found.v[i]);

		if (err)
			return err;
		ret->bytes += x->found.v[i].held.bytes;
		ret->pieces += x->found.v[i].held.pieces;
	}
	return NULL;
}

struct err *pins_add(const struct subject *s, struct report *r, uint32_t heap, uint64_t least,
		     struct pinned *ret)
{
	_cleanup_(close_search) struct search x = {
		.s = s, .apart = { .way = WAY_APART, .lead = NODE_NONE }
	};

	for (size_t i = 0; i < s->n_extents; i++) {
		struct err *err;
		size_t left;

		if (s->extents[i].heap != heap)
			continue;
		err = scan(&x, &s->extents[i]);
		if (!err)
			err = find_pins(&x, &s->extents[i], least, &left);
		if (err)
			return err;
		find_apart(&x, left);
	}
	return report_pins(&x, r, least, ret);
}
