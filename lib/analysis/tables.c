/*
 * analysis/tables.c - the hash table whose entries are what an owner keeps.
 *
 * What entries lead to may be as large as they are, and comes in greater numbers: how many things
 * there are the table says.  One that is resized has two arrays, both of one owner: its entries
 * move from the first bucket on, so that one is empty up to some bucket, as chance leaves none.
 */
#include "analysis/tables.h"

#include <stdlib.h>
#include <string.h>

enum {
	MOVED_MIN = 40, /* entries that an array's empty beginning would have: by chance in e^-40 */
	HOLDER_EDGES = 64, /* that are looked at, of what holds an array */
	SHARE = 4,	/* of what is asked for, that each of two arrays has to keep */
};

static bool is_moved_from(const struct graph_table *t)
{
	return (double)t->entries / (double)t->buckets * (double)t->first >= MOVED_MIN;
}

static bool find_table(struct tables *t, node_id node, uint64_t link, struct graph_table *ret)
{
	const struct graph *g = t->s->graph;
	unsigned n = t->n < TABLES_KNOWN ? t->n : TABLES_KNOWN, i = 0;

	while (i < n && (t->known[i].node != node || t->known[i].link != link))
		i++;
	if (i == n) {
		i = t->n++ % TABLES_KNOWN;
		t->known[i].node = node;
		t->known[i].link = link;
		t->known[i].is_one = g->ops->table(g->ctx, node, link, &t->known[i].table);
	}
	if (t->known[i].is_one)
		*ret = t->known[i].table;
	return t->known[i].is_one;
}

static int by_id(const void *a, const void *b)
{
	node_id x = *(const node_id *)a, y = *(const node_id *)b;

	return (x > y) - (x < y);
}

node_id tables_holder(const struct facts *f, node_id array)
{
	return f->parent[array] == NODE_NONE || f->parent[array] & PARENT_ROOT ? f->idom[array] :
										 f->parent[array];
}

edge_id tables_edges_end(const struct graph *g, node_id holder)
{
	edge_id end = graph_row(g, holder + 1), most = graph_row(g, holder) + HOLDER_EDGES;

	return end < most ? end : most;
}

static bool leads_to(const struct graph *g, node_id holder, node_id node)
{
	edge_id end = tables_edges_end(g, holder);

	for (edge_id e = graph_row(g, holder); e < end; e++)
		if (EDGE_NODE(g->dst[e]) == node)
			return true;
	return false;
}

static bool is_held_beside(const struct subject *s, node_id a, node_id b)
{
	node_id holder = tables_holder(s->facts, a);

	return holder != NODE_NONE && leads_to(s->graph, holder, a) &&
	       leads_to(s->graph, holder, b);
}

/* One block has both, and entries are alike. */
static bool is_resized(struct tables *t, node_id a, const struct graph_table *table, node_id b,
		       struct graph_table *ret)
{
	return a != b && (is_held_beside(t->s, a, b) || is_held_beside(t->s, b, a)) &&
	       find_table(t, b, table->link, ret) &&
	       (is_moved_from(table) || is_moved_from(ret));
}

bool tables_are_one(struct tables *t, node_id a, node_id b)
{
	const struct graph *g = t->s->graph;
	struct graph_table table, other;

	if (!g->ops || !g->ops->table)
		return false;
	if (find_table(t, a, TABLE_ANY_LINK, &table))
		return is_resized(t, a, &table, b, &other);
	return find_table(t, b, TABLE_ANY_LINK, &table) && is_resized(t, b, &table, a, &other);
}

/* Whoever owns it: a word that happens to lead into it may have taken it from this owner. */
static bool find_other(struct tables *t, node_id array, const struct graph_table *table,
		       struct entries_of *ret)
{
	const struct subject *s = t->s;
	node_id holder = tables_holder(s->facts, array);
	edge_id end = holder == NODE_NONE ? 0 : tables_edges_end(s->graph, holder);
	struct graph_table other;

	for (edge_id e = end ? graph_row(s->graph, holder) : 0; e < end; e++) {
		node_id node = EDGE_NODE(s->graph->dst[e]);
		bool is_old;

		if (!is_resized(t, array, table, node, &other))
			continue;
		is_old = is_moved_from(&other);
		ret->entries += other.entries;
		ret->bytes += other.bytes;
		ret->old = is_old ? node : array;
		ret->array = is_old ? array : node;
		ret->used = is_old ? table->used : other.used;
		return true;
	}
	return false;
}

bool tables_find(struct tables *t, const struct largest *l, uint64_t bytes,
		 struct entries_of *ret)
{
	const struct subject *s = t->s;
	const struct graph *g = s->graph;

	if (!g->ops || !g->ops->table)
		return false;
	for (unsigned i = 0; i < l->n; i++) {
		node_id node = l->node[i];
		uint64_t kept = facts_retained(s->facts, node);
		struct graph_table table;

		if (kept < bytes / SHARE || !find_table(t, node, TABLE_ANY_LINK, &table))
			continue;
		*ret = (struct entries_of){
			.entries = table.entries, .bytes = table.bytes, .link = table.link,
			.has_ends = table.tags & ~(1u << (table.link & TABLE_TAG)),
			.array = node, .old = NODE_NONE, .used = table.used,
		};
		memcpy(ret->some, table.some, sizeof(ret->some));
		qsort(ret->some, table.entries < TABLE_SAMPLES ? table.entries : TABLE_SAMPLES,
		      sizeof(*ret->some), by_id);
		if (find_other(t, node, &table, ret))
			kept += facts_retained(s->facts, ret->old == node ? ret->array : ret->old);
		if (kept >= bytes / 2 && (table.is_spread || ret->old != NODE_NONE))
			return true;
	}
	return false;
}
