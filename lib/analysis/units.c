/*
 * analysis/units.c - blocks left nearly alone in the slabs, spans or groups of their allocator, or
 * in pages, or runs of pages, where it has none.
 *
 * Such a unit goes back when nothing in it is used, and not before.  Those whose used bytes keep
 * RATIO times as many free ones are counted by what is left in them, one crowd for each type, or
 * size where the type is unknown: a leak of small things pins many units, with few bytes in each.
 * Memory in thread caches is not counted: it is another rule's.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/chain.h"
#include "analysis/pins.h"
#include "base/guard.h"
#include "base/vec.h"

enum {
	RATIO = 16,   /* as in pins.c */
	CROWDS = 256, /* kinds of blocks told apart; the rest is one crowd more */
	CROWDS_SHOWN = 4,
	OTHERS_SHOWN = 3,
};

struct crowd {
	uint64_t size; /* of each block; 0: several sizes */
	type_id type;
	uint64_t n_units, count, used;
	struct pinned held;
	uint64_t lead_held;
	node_id lead; /* left in the unit with most free memory */
	node_id some[SUSPECT_ADDRESSES];
	unsigned n_some;
};

struct crowds {
	const struct subject *s;
	const char *name; /* "slab" */
	const char *advice;
	uint64_t run; /* bytes, where there are no such units */
	struct crowd v[CROWDS + 1];
	unsigned n;
};

/* The unit at hand. */
struct unit {
	uint64_t start, end;
	uint64_t low, high;  /* of it, what is looked at; the rest is free, and pins.c's */
	uint64_t used;	     /* bytes in it */
	uint64_t count, bytes; /* of live nodes in it that no other unit has counted */
	node_id first, last;   /* of the live nodes in it */
	uint64_t size;	       /* of the first, which a search would ask for */
	bool mixed;	       /* they are not all alike */
	bool is_told;	       /* of a run: that it is crowded, or not */
};

static type_id type_of(const struct graph *g, node_id node)
{
	return graph_type(g, node);
}

static struct crowd *crowd_of(struct crowds *x, const struct unit *u)
{
	uint64_t size = u->mixed ? 0 : u->size;
	type_id type = u->mixed ? 0 : type_of(x->s->graph, u->first);
	unsigned i = 0;

	while (i < x->n && (x->v[i].size != size || x->v[i].type != type))
		i++;
	if (i < x->n || (i == CROWDS && x->n > CROWDS))
		return &x->v[i];
	x->n++;
	x->v[i] = (struct crowd){ .lead = NODE_NONE };
	if (i < CROWDS) {
		x->v[i].size = size;
		x->v[i].type = type;
	}
	return &x->v[i];
}

/* Free memory of the unit that is in no thread's cache; pieces that lie in it as a whole. */
static struct pinned free_in(const struct subject *s, const struct unit *u)
{
	const struct graph *g = s->graph;
	node_id at = graph_node_at(g, u->low), end = graph_node_at(g, u->high - 1);
	struct pinned held = {};

	if (at == NODE_NONE)
		at = u->first;
	if (end == NODE_NONE)
		end = u->last;
	for (; at <= end; at++) {
		const char *where = graph_is_live(g, at) ? NULL : s->where(s->where_ctx, at);
		uint64_t low, high;

		if (!where || is_thread_cache(where) || !strcmp(where, "top"))
			continue;
		low = graph_key(g, at);
		high = low + graph_size(g, at);
		held.pieces += low >= u->low && high <= u->high;
		low = low > u->low ? low : u->low;
		high = high < u->high ? high : u->high;
		held.bytes += high > low ? high - low : 0;
	}
	return held;
}

/* True if it is a sparse one, and counted. */
static bool close_unit(struct crowds *x, const struct unit *u)
{
	const struct graph *g = x->s->graph;
	struct pinned held;
	struct crowd *c;

	if (!u->used || (u->end - u->start) / (RATIO + 1) < u->used)
		return false;
	held = free_in(x->s, u);
	if (held.bytes / RATIO < u->used)
		return false;
	c = crowd_of(x, u);
	c->n_units++;
	c->count += u->count;
	c->used += u->bytes;
	c->held.bytes += held.bytes;
	c->held.pieces += held.pieces;
	if (held.bytes > c->lead_held) {
		c->lead_held = held.bytes;
		c->lead = u->first;
	}
	for (node_id i = u->first; i <= u->last && c->n_some < SUSPECT_ADDRESSES; i++)
		if (graph_is_live(g, i) && (!c->n_some || c->some[c->n_some - 1] != i))
			c->some[c->n_some++] = i;
	return true;
}

/* `used`: its bytes in the unit; `counts`: no other unit has counted it. */
static void add_node(struct unit *u, const struct graph *g, const struct graph_iter *it,
		     uint64_t used, bool counts)
{
	if (!u->used) {
		u->first = it->id;
		u->size = it->size;
	} else if (it->size != u->size || type_of(g, it->id) != type_of(g, u->first)) {
		u->mixed = true;
	}
	u->last = it->id;
	u->used += used;
	u->count += counts;
	u->bytes += counts ? it->size : 0;
}

static void walk_extent(struct crowds *x, const struct extent *e)
{
	const struct subject *s = x->s;
	const struct graph *g = s->graph;
	node_id first = graph_node_at(g, e->start), last = graph_node_at(g, e->end - 1);
	struct unit u = {};

	if (first == NODE_NONE || last == NODE_NONE)
		return;
	for (struct graph_iter it = graph_iter(g, first); it.id <= last; graph_next(&it)) {
		if (it.key >= u.end) {
			close_unit(x, &u);
			u = (struct unit){};
			if (!s->unit(s->where_ctx, it.id, &u.start, &u.end))
				continue;
			u.low = u.start;
			u.high = u.end;
		}
		add_node(&u, g, &it, it.size, true);
	}
	close_unit(x, &u);
}

/*
 * So many live nodes begin with `first` in the run that it is no sparse one, however small they
 * are; *ret: the last of them.
 */
static bool is_crowded(const struct crowds *x, const struct unit *u, node_id first, node_id last,
		       node_id *ret)
{
	const struct graph *g = x->s->graph;
	node_id end = graph_node_at(g, u->end - 1);
	uint64_t least = x->run / (RATIO + 1);

	if (!g->grains || end == NODE_NONE)
		return false;
	end = end < last ? end : last;
	if (end < first || bits_count(g->live, first, end + 1ull) <= least >> g->grains->shift)
		return false;
	while (!graph_is_live(g, end))
		end--;
	*ret = end;
	return true;
}

static struct unit run_at(const struct crowds *x, uint64_t key, uint64_t low)
{
	uint64_t start = key - key % x->run;

	return (struct unit){ .start = start,
			      .end = start + x->run,
			      .low = low > start ? low : start,
			      .high = start + x->run };
}

/*
 * The same by runs of pages.  A block may lie in several: those that it fills are none, and it
 * counts once.  Free memory that could be a gap of pins.c is left out.
 */
static void walk_runs(struct crowds *x, const struct extent *e)
{
	const struct graph *g = x->s->graph;
	node_id first = graph_node_at(g, e->start), last = graph_node_at(g, e->end - 1);
	uint64_t at = e->start; /* behind the last used block */
	struct unit u = {};
	node_id skipped;

	if (first == NODE_NONE || last == NODE_NONE)
		return;
	for (struct graph_iter it = graph_iter(g, first); it.id <= last; graph_next(&it)) {
		uint64_t end = it.key + it.size, low = it.key - at < PINS_GAP_MIN ? at : it.key;
		bool counted = false;

		if (it.key >= u.end) {
			if (low == it.key && at < u.end)
				u.high = at;
			close_unit(x, &u);
			u = run_at(x, it.key, low);
		}
		if (!u.is_told && is_crowded(x, &u, it.id, last, &skipped)) {
			u.used = x->run;
			it = graph_iter(g, skipped);
			end = it.key + it.size;
		}
		u.is_told = true;
		if (end > u.end) {
			add_node(&u, g, &it, u.end - it.key, true);
			counted = close_unit(x, &u);
			u = run_at(x, end - 1, 0);
			add_node(&u, g, &it, end - u.start, !counted);
		} else {
			add_node(&u, g, &it, it.size, true);
		}
		at = end;
	}
	if (e->end - at >= PINS_GAP_MIN && at < u.end)
		u.high = at;
	close_unit(x, &u);
}

/* ---- told */

static void add_title(struct text *t, const struct crowds *x, const struct crowd *c)
{
	const char *type = c->type ? node_type(x->s->graph, c->lead) : NULL;

	text_add_count(t, c->count);
	text_add(t, " ");
	if (type)
		text_printf(t, "%s", type);
	else if (c->size)
		add_blocks_of(t, c->size, c->count == 1);
	else
		text_add(t, "blocks");
	text_printf(t, " in nearly empty %ss", x->name);
}

static struct err *add_held(struct report *r, const struct crowds *x, const struct crowd *c,
			    struct rp_suspect *out)
{
	struct text t = TEXT_INIT;
	struct err *err;

	text_add_bytes(&t, c->held.bytes);
	text_add(&t, " of free memory in ");
	text_add_count(&t, c->n_units);
	text_printf(&t, " %s%s", x->name, c->n_units == 1 ? "" : "s");
	err = evidence_add(r, out, "keeps from going back", text_str(&t));
	text_fini(&t);
	return err;
}

static struct err *add_others(const struct subject *s, struct report *r, const struct crowd *c,
			      struct rp_suspect *out)
{
	struct err *err = NULL;

	for (unsigned i = 0, shown = 0; i < c->n_some && shown < OTHERS_SHOWN && !err; i++) {
		struct rp_chain chain = {};
		struct text t = TEXT_INIT;

		if (c->some[i] == c->lead)
			continue;
		err = chain_to(s, r, c->some[i], &chain);
		if (err)
			break;
		text_printf(&t, "0x%" PRIx64 ": ", graph_key(s->graph, c->some[i]));
		chain_print(&chain, &t);
		err = evidence_add(r, out, "another one", text_str(&t));
		text_fini(&t);
		shown++;
	}
	return err;
}

static struct err *add_suspect(const struct crowds *x, struct report *r, const struct crowd *c)
{
	struct text title = TEXT_INIT;
	struct rp_suspect out = {
		.rule = "free-held/pinned",
		.count = c->count,
		.bytes = c->used,
		.retained = c->held.bytes,
		.type = c->type ? node_type(x->s->graph, c->lead) : NULL,
		.confidence = CONF_RUNTIME,
		.has_chain = true,
		.advice = x->advice,
	};
	struct err *err;

	add_title(&title, x, c);
	out.title = report_text(r, &title);
	text_fini(&title);
	err = out.title ? addresses_add(x->s, r, c->some, c->n_some, &out) : &err_nomem;
	if (!err)
		err = chain_to(x->s, r, c->lead, &out.chain);
	if (!err)
		err = add_held(r, x, c, &out);
	if (!err)
		err = add_others(x->s, r, c, &out);
	if (err)
		return err;
	return vec_push(&r->suspects, &out) ? NULL : &err_nomem;
}

static int by_held(const void *pa, const void *pb)
{
	const struct crowd *a = pa, *b = pb;

	if (a->held.bytes != b->held.bytes)
		return a->held.bytes < b->held.bytes ? 1 : -1;
	return a->lead < b->lead ? -1 : a->lead > b->lead;
}

/* Those too small to be told alone, as one. */
static struct crowd rest_of(const struct crowds *x, unsigned first)
{
	struct crowd rest = { .lead = NODE_NONE };

	for (unsigned i = first; i < x->n; i++) {
		const struct crowd *c = &x->v[i];

		rest.n_units += c->n_units;
		rest.count += c->count;
		rest.used += c->used;
		rest.held.bytes += c->held.bytes;
		rest.held.pieces += c->held.pieces;
		if (c->lead_held > rest.lead_held) {
			rest.lead_held = c->lead_held;
			rest.lead = c->lead;
		}
		if (rest.n_some < SUSPECT_ADDRESSES)
			rest.some[rest.n_some++] = c->lead;
	}
	return rest;
}

static struct err *tell(struct crowds *x, struct report *r, uint64_t least, struct pinned *ret)
{
	struct err *err = NULL;
	unsigned told = 0;

	qsort(x->v, x->n, sizeof(x->v[0]), by_held);
	for (; told < x->n && told < CROWDS_SHOWN && !err; told++) {
		if (x->v[told].held.bytes < least)
			break;
		err = add_suspect(x, r, &x->v[told]);
		ret->bytes += x->v[told].held.bytes;
		ret->pieces += x->v[told].held.pieces;
	}
	if (!err && told < x->n) {
		struct crowd rest = rest_of(x, told);

		if (rest.held.bytes < least)
			return NULL;
		err = add_suspect(x, r, &rest);
		ret->bytes += rest.held.bytes;
		ret->pieces += rest.held.pieces;
	}
	return err;
}

struct err *units_add(const struct subject *s, struct report *r, uint32_t heap, uint64_t least,
		      struct pinned *ret)
{
	_free_ struct crowds *x = calloc(1, sizeof(*x));

	if (!x)
		return &err_nomem;
	x->s = s;
	x->advice = "free what is left there, or allocate what lives long before the burst";
	for (size_t i = 0; i < s->n_extents; i++)
		if (s->extents[i].heap == heap && s->extents[i].unit) {
			x->name = s->extents[i].unit;
			walk_extent(x, &s->extents[i]);
		}
	return tell(x, r, least, ret);
}

struct err *runs_add(const struct subject *s, struct report *r, uint32_t heap,
		     const struct run_kind *kind, uint64_t least, struct pinned *ret)
{
	_free_ struct crowds *x = calloc(1, sizeof(*x));

	if (!x)
		return &err_nomem;
	x->s = s;
	x->name = kind->name;
	x->run = kind->bytes;
	x->advice = arena_printf(&r->mem, "allocate what lives long together, or before the burst; "
					  "%s then gives these %ss back",
				 kind->by, kind->name);
	if (!x->advice)
		return &err_nomem;
	for (size_t i = 0; i < s->n_extents; i++)
		if (s->extents[i].heap == heap)
			walk_runs(x, &s->extents[i]);
	return tell(x, r, least, ret);
}
