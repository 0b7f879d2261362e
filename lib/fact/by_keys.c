/*
 * fact/by_keys.c - what the keys of one container alone keep.
 *
 * All that a container keeps is dominated by its header.  From there all is visited that does not
 * lead through a slot of a key; what the rest of the edges leads to after that is its keys' alone.
 * A node below the header is known by its dominator, which every walk has visited before it.
 * Those with most below them come first, and visits are bounded: containers may nest.
 */
#include <stdlib.h>

#include "base/search.h"
#include "fact/parts.h"

enum { LABELS_MAX = UINT16_MAX, VISITS = 4 /* of each node, on average */ };

struct asked {
	uint64_t keyed, retained;
};

struct walk {
	const struct graph *g;
	const struct facts *f;
	const struct keyed *keyed;
	uint64_t *visited;
	struct col visited_col, queue; /* of node_id */
	uint64_t left;		       /* visits of all */
	bool is_cut;
};

static int most_first(const void *pa, const void *pb)
{
	const struct asked *a = pa, *b = pb;

	if (a->retained != b->retained)
		return a->retained < b->retained ? 1 : -1;
	return a->keyed < b->keyed ? -1 : a->keyed > b->keyed;
}

/* Its header and what it leads to are not garbage, and enough to be looked at. */
static struct err *choose(struct env *env, const struct graph *g, const struct facts *f,
			  struct col *ret)
{
	struct err *err = col_open(env, sizeof(struct asked), g->n_keyeds, "keys", ret);

	for (uint64_t i = 0; i < g->n_keyeds && !err; i++) {
		struct asked a = { i, facts_retained(f, g->keyeds[i].node) };

		if (f->reach[g->keyeds[i].node] == REACH_REACHABLE && a.retained >= BY_KEYS_LEAST)
			err = col_append(ret, &a, 1);
	}
	if (!err && ret->n)
		qsort(ret->base, ret->n, sizeof(struct asked), most_first);
	return err;
}

static bool is_key_edge(const struct walk *w, edge_id e)
{
	const edge_id *v = w->g->key_edges + w->keyed->first;
	uint64_t at = partition_point(w->keyed->n, i, v[i] < e);

	return at < w->keyed->n && v[at] == e;
}

static struct err *visit(struct walk *w, node_id node)
{
	if (w->queue.n >= w->left) {
		w->is_cut = true;
		return NULL;
	}
	bit_set(w->visited, node);
	return col_append(&w->queue, &node, 1);
}

/* Not visited, and kept by the header alone. */
static bool is_next(const struct walk *w, node_id node)
{
	node_id up = w->f->idom[node];

	return !bit_get(w->visited, node) && up != NODE_NONE && bit_get(w->visited, up);
}

/* All that those in the queue from `at` on lead to; `past_keys`: their edges, too. */
static struct err *spread(struct walk *w, uint64_t at, bool past_keys)
{
	const struct graph *g = w->g;

	for (; at < w->queue.n && !w->is_cut; at++) {
		node_id node = ((const node_id *)w->queue.base)[at];
		edge_id e = graph_row(g, node), end = graph_row(g, node + 1);

		for (; e < end; e++) {
			struct err *err;

			if (!is_next(w, EDGE_NODE(g->dst[e])) || (!past_keys && is_key_edge(w, e)))
				continue;
			err = visit(w, EDGE_NODE(g->dst[e]));
			if (err)
				return err;
		}
	}
	return NULL;
}

/* The largest of what keys themselves are. */
static void add_worst(const struct walk *w, node_id node, struct by_keys *k)
{
	uint64_t size = facts_retained(w->f, node);
	unsigned at = k->n_worst;

	for (unsigned i = 0; i < k->n_worst; i++)
		if (k->worst[i] == node)
			return;
	if (k->n_worst < BY_KEYS_WORST)
		k->n_worst++;
	else if (facts_retained(w->f, k->worst[--at]) >= size)
		return;
	for (; at && facts_retained(w->f, k->worst[at - 1]) < size; at--)
		k->worst[at] = k->worst[at - 1];
	k->worst[at] = node;
}

static void sum_up(const struct walk *w, uint64_t first, struct by_keys *ret)
{
	const node_id *v = w->queue.base;
	uint64_t near = 0;

	for (uint64_t i = first; i < w->queue.n; i++) {
		ret->total.count++;
		ret->total.bytes += graph_size_near(w->g, v[i], &near);
	}
}

/* Keys that nothing else leads to. */
static struct err *visit_keys(struct walk *w, struct by_keys *ret)
{
	const edge_id *v = w->g->key_edges + w->keyed->first;
	struct err *err = NULL;

	for (uint64_t i = 0; i < w->keyed->n && !err; i++) {
		node_id node = EDGE_NODE(w->g->dst[v[i]]);

		if (!is_next(w, node))
			continue;
		add_worst(w, node, ret);
		err = visit(w, node);
	}
	return err;
}

/* What was visited from `first` on; of nested containers the outer one's stays. */
static void label(const struct walk *w, uint64_t first, uint16_t no, uint16_t *of)
{
	const node_id *v = w->queue.base;

	for (uint64_t i = first; i < w->queue.n; i++)
		of[v[i]] = of[v[i]] ? of[v[i]] : no;
}

static void leave(struct walk *w)
{
	const node_id *v = w->queue.base;

	for (uint64_t i = 0; i < w->queue.n; i++)
		bit_clear(w->visited, v[i]);
	w->left -= w->queue.n;
	w->queue.n = 0;
}

/* *ret_first: in the queue, where what its keys alone keep begins. */
static struct err *ask(struct walk *w, struct by_keys *ret, uint64_t *ret_first)
{
	struct err *err = visit(w, w->keyed->node);

	if (!err)
		err = spread(w, 0, false);
	*ret_first = w->queue.n;
	if (!err)
		err = visit_keys(w, ret);
	if (!err)
		err = spread(w, *ret_first, true);
	if (!err && !w->is_cut)
		sum_up(w, *ret_first, ret);
	return err;
}

static struct err *add(struct env *env, struct walk *w, const struct by_keys *k, uint64_t first,
		       struct facts *f)
{
	struct col *rows = &f->cols[COL_BY_KEYS], *of = &f->cols[COL_KEYED];
	struct err *err = NULL;

	if (!of->base)
		err = col_fixed(env, sizeof(uint16_t), w->g->n, "what keys keep", of);
	if (!err)
		err = col_append(rows, k, 1);
	if (!err)
		label(w, first, (uint16_t)rows->n, of->base);
	return err;
}

static struct err *ask_all(struct env *env, struct walk *w, const struct col *chosen,
			   struct facts *f)
{
	const struct asked *v = chosen->base;
	struct err *err = NULL;

	for (uint64_t i = 0; i < chosen->n && !err && !w->is_cut; i++) {
		struct by_keys k = { .keyed = v[i].keyed };
		uint64_t first = 0;

		w->keyed = &w->g->keyeds[k.keyed];
		err = ask(w, &k, &first);
		if (!err && k.total.bytes >= BY_KEYS_LEAST && f->cols[COL_BY_KEYS].n < LABELS_MAX)
			err = add(env, w, &k, first, f);
		leave(w);
	}
	if (!err && w->is_cut)
		diag(env, "facts/keys", 0,
		     "what the keys of some containers keep was not looked at");
	return err;
}

struct err *by_keys_compute(struct env *env, const struct graph *g, const struct subset *inner,
			    struct facts *f)
{
	struct walk w = { .g = g, .f = f, .left = (uint64_t)VISITS * g->n };
	struct col chosen = {};
	struct err *err;

	(void)inner;
	if (!g->n_keyeds)
		return NULL;
	err = choose(env, g, f, &chosen);
	if (!err && chosen.n)
		err = col_fixed(env, 8, bits_words(g->n) + 1, "what keys keep", &w.visited_col);
	if (!err && chosen.n)
		err = col_open(env, sizeof(node_id), g->n, "what keys keep", &w.queue);
	if (!err && chosen.n)
		err = col_open(env, sizeof(struct by_keys), chosen.n, "what keys keep",
			       &f->cols[COL_BY_KEYS]);
	w.visited = w.visited_col.base;
	if (!err && chosen.n)
		err = ask_all(env, &w, &chosen, f);
	col_close(&w.queue);
	col_close(&w.visited_col);
	col_close(&chosen);
	f->by_keys = f->cols[COL_BY_KEYS].base;
	f->n_by_keys = f->cols[COL_BY_KEYS].n;
	f->keyed = f->cols[COL_KEYED].base;
	return err;
}
