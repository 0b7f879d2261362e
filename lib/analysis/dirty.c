/* analysis/dirty.c - maps with entries in pools, pooled objects that point at what is in use. */
#include "analysis/dirty.h"

#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"

enum {
	ROWS_MAX = 1 << 20, /* pointers and maps that are looked at */
	TYPES_MAX = 1 << 12,
	FIELD_BLOCK = 512, /* in larger blocks places are elements rather than fields */
	UP_MAX = 64,	   /* dominators that are looked at */
};

/* A pointer out of a pool, or a map in it. */
struct row {
	uint32_t owner;
	bool is_map;
	type_id type; /* of the object; of the map */
	uint64_t place;
	node_id src, dst; /* src of a map: who leads to it, or the map */
	uint64_t entries;
};

/* Objects of a type in a pool. */
struct kind {
	uint32_t owner; /* + 1; 0: free */
	type_id type;
	uint64_t count;
};

struct finder {
	const struct subject *s;
	struct {
		struct row *v;
		size_t n, cap;
	} rows;
	struct kind *kinds; /* TYPES_MAX of them, by hash */
	size_t n_kinds;
	/* one bit a node: it is the dst of a row that counts; of a row of the group at hand */
	struct col target, seen;
	struct dirties *ret;
};

static void fini(struct finder *f)
{
	free(f->rows.v);
	free(f->kinds);
	col_close(&f->target);
	col_close(&f->seen);
}

void dirty_free(struct dirties *d)
{
	free(d->v);
}

/* ---- what there is in pools */

static struct kind *kind_at(struct finder *f, uint32_t owner, type_id type)
{
	uint64_t at = (((uint64_t)owner << 32 | type) * 0x9e3779b97f4a7c15ull) >> 32;
	struct kind *k = &f->kinds[at & (TYPES_MAX - 1)];

	while (k->owner && (k->owner != owner + 1 || k->type != type))
		k = &f->kinds[++at & (TYPES_MAX - 1)];
	if (!k->owner && f->n_kinds < TYPES_MAX / 2) {
		*k = (struct kind){ .owner = owner + 1, .type = type };
		f->n_kinds++;
	}
	return k; /* one without an owner: of none */
}

static bool add_row(struct finder *f, const struct row *row)
{
	return f->rows.n >= ROWS_MAX || vec_push(&f->rows, row);
}

static bool is_of_pool(const struct subject *s, node_id node, uint32_t *ret)
{
	uint32_t owner = s->facts->owner[node];

	*ret = owner - 1;
	return owner != OWNER_OTHERS && owner <= OWNERS_TOLD &&
	       s->graph->owners[owner - 1].kind == OWNER_POOL;
}

/* Which field it is; 0 for elements. */
static uint64_t place_of(const struct graph *g, node_id src, node_id dst)
{
	const char *type = node_type(g, src);
	uint64_t offset;

	if (graph_size(g, src) > FIELD_BLOCK || (type && *type == '[') || !g->ops ||
	    !g->ops->slot || !g->ops->slot(g->ctx, src, dst, &offset))
		return 0;
	return offset;
}

static struct err *add_pointers(struct finder *f, uint32_t owner, node_id src)
{
	const struct graph *g = f->s->graph;

	for (edge_id e = graph_row(g, src); e < graph_row(g, src + 1); e++) {
		struct row row = { .owner = owner, .src = src, .dst = EDGE_NODE(g->dst[e]) };

		if (f->s->facts->owner[row.dst] != OWNER_OTHERS)
			continue;
		row.type = graph_type(g, src);
		row.place = place_of(g, src, row.dst);
		if (!add_row(f, &row))
			return &err_nomem;
	}
	return NULL;
}

static uint64_t entries_of(const struct graph *g, node_id node)
{
	uint64_t n = g->ops && g->ops->entries ? g->ops->entries(g->ctx, node) : 0;

	return n <= g->live_bytes ? n : 0; /* else its header is damaged */
}

static bool is_gate(const struct graph *g, node_id node)
{
	uint32_t at = partition_point(g->n_gates, i, g->gates[i].node < node);

	return at < g->n_gates && g->gates[at].node == node;
}

static struct err *add_map(struct finder *f, uint32_t owner, node_id node)
{
	const struct graph *g = f->s->graph;
	uint32_t up = f->s->facts->parent[node], of;
	struct row row = { .owner = owner, .is_map = true, .src = node, .dst = node };

	row.entries = entries_of(g, node);
	if (!row.entries)
		return NULL;
	row.type = graph_type(g, node);
	if (!(up & PARENT_ROOT) && is_of_pool(f->s, up, &of) && !is_gate(g, up))
		row.src = up;
	return add_row(f, &row) ? NULL : &err_nomem;
}

static struct err *look(struct finder *f)
{
	const struct graph *g = f->s->graph;
	struct err *err = NULL;

	for (node_id i = 0; i < g->n && !err; i++) {
		uint32_t owner;

		if (!is_of_pool(f->s, i, &owner) || is_gate(g, i))
			continue;
		if (graph_type(g, i)) {
			kind_at(f, owner, graph_type(g, i))->count++;
			err = add_map(f, owner, i);
		}
		if (!err)
			err = add_pointers(f, owner, i);
	}
	return err;
}

/* ---- what of it counts */

static int by_group(const void *pa, const void *pb)
{
	const struct row *a = pa, *b = pb;

	if (a->owner != b->owner)
		return a->owner < b->owner ? -1 : 1;
	if (a->is_map != b->is_map)
		return a->is_map ? -1 : 1;
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->place != b->place)
		return a->place < b->place ? -1 : 1;
	if (a->src != b->src)
		return a->src < b->src ? -1 : 1;
	return a->dst < b->dst ? -1 : a->dst > b->dst;
}

static bool are_alike(const struct row *a, const struct row *b)
{
	return a->owner == b->owner && a->is_map == b->is_map && a->type == b->type &&
	       a->place == b->place;
}

/* An array may have several of the pointers. */
static uint64_t count_sources(const struct row *rows, size_t n)
{
	uint64_t count = 0;

	if (rows[0].is_map)
		return n;
	for (size_t i = 0; i < n; i++)
		count += !i || rows[i].src != rows[i - 1].src;
	return count;
}

/* Nothing of one kind is known to differ from another: it is how such objects are made. */
static bool is_made_so(const struct row *rows, size_t n, uint64_t of)
{
	for (size_t i = 1; i < n; i++)
		if (rows[i].dst != rows[0].dst)
			return false;
	return n < 2 || n >= of;
}

/* Is it below another one that counts, whose bytes have it already? */
static bool is_counted(const struct finder *f, node_id node)
{
	const node_id *idom = f->s->facts->idom;

	for (unsigned i = 0; i < UP_MAX; i++) {
		node = idom[node];
		if (node == NODE_NONE)
			return false;
		if (bit_get(f->target.base, node))
			return true;
	}
	return false;
}

static void take_worst(struct finder *f, struct dirty *d, const struct row *row)
{
	const struct facts *facts = f->s->facts;
	uint64_t retained = facts_retained(facts, row->dst);
	unsigned at = d->n;

	if (d->n < SUSPECT_ADDRESSES)
		d->n++;
	else if (facts_retained(facts, d->targets[--at]) >= retained)
		return;
	for (; at && facts_retained(facts, d->targets[at - 1]) < retained; at--) {
		d->targets[at] = d->targets[at - 1];
		d->sources[at] = d->sources[at - 1];
	}
	d->targets[at] = row->dst;
	d->sources[at] = row->src;
}

/* False: there is nothing in it to be told. */
static bool judge(struct finder *f, const struct row *rows, size_t n, struct dirty *ret)
{
	const struct kind *kind = kind_at(f, rows[0].owner, rows[0].type);

	*ret = (struct dirty){ .owner = rows[0].owner, .is_map = rows[0].is_map };
	ret->count = count_sources(rows, n);
	ret->of = kind->owner && rows[0].type ? kind->count : ret->count;
	if (ret->is_map || !is_made_so(rows, n, ret->of))
		return true;
	ret->is_guess = true;
	return n > 1 && entries_of(f->s->graph, rows[0].dst);
}

static struct err *add_group(struct finder *f, const struct row *rows, size_t n, struct dirty *d)
{
	for (size_t i = 0; i < n; i++) {
		d->entries += rows[i].entries;
		if (bit_get(f->seen.base, rows[i].dst))
			continue;
		bit_set(f->seen.base, rows[i].dst);
		take_worst(f, d, &rows[i]);
		if (!is_counted(f, rows[i].dst))
			d->retained += facts_retained(f->s->facts, rows[i].dst);
	}
	for (size_t i = 0; i < n; i++)
		bit_clear(f->seen.base, rows[i].dst);
	return vec_push(f->ret, d) ? NULL : &err_nomem;
}

static size_t end_of(const struct finder *f, size_t i)
{
	size_t end = i + 1;

	while (end < f->rows.n && are_alike(&f->rows.v[i], &f->rows.v[end]))
		end++;
	return end;
}

static int by_owner(const void *pa, const void *pb)
{
	const struct dirty *a = pa, *b = pb;

	if (a->owner != b->owner)
		return a->owner < b->owner ? -1 : 1;
	if (a->is_guess != b->is_guess)
		return a->is_guess ? 1 : -1;
	if (a->retained != b->retained)
		return a->retained < b->retained ? 1 : -1;
	return a->targets[0] < b->targets[0] ? -1 : a->targets[0] > b->targets[0];
}

static struct err *group(struct env *env, struct finder *f)
{
	struct err *err = col_fixed(env, 8, bits_words(f->s->graph->n) + 1, "pools", &f->target);
	struct row *rows = f->rows.v;
	struct dirty d;

	if (!err)
		err = col_fixed(env, 8, bits_words(f->s->graph->n) + 1, "pools", &f->seen);
	if (err)
		return err;
	qsort(rows, f->rows.n, sizeof(*rows), by_group);
	for (size_t i = 0, end; i < f->rows.n; i = end) {
		end = end_of(f, i);
		if (judge(f, &rows[i], end - i, &d))
			for (size_t k = i; k < end; k++)
				bit_set(f->target.base, rows[k].dst);
	}
	for (size_t i = 0, end; i < f->rows.n && !err; i = end) {
		end = end_of(f, i);
		if (judge(f, &rows[i], end - i, &d))
			err = add_group(f, &rows[i], end - i, &d);
	}
	if (!err && f->ret->n)
		qsort(f->ret->v, f->ret->n, sizeof(*f->ret->v), by_owner);
	return err;
}

struct err *dirty_find(struct env *env, const struct subject *s, struct dirties *ret)
{
	_cleanup_(fini) struct finder f = { .s = s, .ret = ret };
	struct err *err;

	f.kinds = calloc(TYPES_MAX, sizeof(*f.kinds));
	if (!f.kinds)
		return &err_nomem;
	err = look(&f);
	return err || !f.rows.n ? err : group(env, &f);
}

/* ---- in words */

/* "main.Ctx.session" */
static void add_place(const struct graph *g, node_id src, node_id dst, struct text *ret)
{
	struct edge_label label = {};
	const char *type = node_type(g, src);

	text_add(ret, type ? type : "an object");
	if (src != dst && g->ops && g->ops->edge && g->ops->edge(g->ctx, src, dst, &label) &&
	    label.name && label.name[0] == '.')
		text_add(ret, label.name);
}

void dirty_words(const struct subject *s, const struct dirty *d, struct text *ret)
{
	const char *type = node_type(s->graph, d->targets[0]);

	add_place(s->graph, d->sources[0], d->targets[0], ret);
	text_add(ret, ": ");
	text_add_count(ret, d->count);
	if (d->is_map) {
		text_add(ret, d->count == 1 ? " map with " : " maps with ");
		text_add_count(ret, d->entries);
		text_add(ret, d->entries == 1 ? " entry, " : " entries, ");
		text_add_bytes(ret, d->retained);
		return;
	}
	text_add(ret, " of ");
	text_add_count(ret, d->of);
	text_add(ret, d->count == 1 ? " points at " : " point at ");
	text_add(ret, d->is_guess ? "the same " : "");
	text_add(ret, type ? type : "blocks");
	text_add(ret, " in use, which keeps ");
	text_add_bytes(ret, d->retained);
}
