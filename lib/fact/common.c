/*
 * fact/common.c - what everybody marks: by plain edges from roots that are no goroutine's and no
 * owner's, but not past gates and what goroutines wait for.  These are few, so that of most heaps
 * nearly all is marked once and not by each.
 */
#include "base/guard.h"
#include "fact/marker.h"
#include "fact/parts.h"

static void leave_out(uint64_t *visited, node_id node)
{
	if (node != NODE_NONE)
		bit_clear(visited, node);
}

static void mark(struct env *env, struct marker *m, uint64_t *late)
{
	const struct graph *g = m->g;

	for (uint32_t i = 0; i < g->n_roots; i++) {
		const struct root_source *source = &g->sources[g->root_source[i]];

		if (source->kind == ROOT_GOROUTINE || source->owner)
			continue;
		if (g->root_node[i] & EDGE_INTERIOR)
			bit_set(late, EDGE_NODE(g->root_node[i]));
		else
			marker_mark(m, g->root_node[i]);
	}
	marker_run(env, m, late);
}

static struct err *make(struct env *env, const struct graph *g, uint64_t *visited,
			struct common *c)
{
	struct marker m = {};
	struct err *err;

	for (uint32_t i = 0; i < g->n_gates; i++)
		leave_out(visited, g->gates[i].node);
	for (uint32_t i = 0; i < g->n_waits; i++)
		leave_out(visited, g->waits[i].node);
	err = marker_open(env, g, visited, c->set_col.base, g->n_roots, &m);
	if (!err) {
		mark(env, &m, c->late_col.base);
		err = take(&m.err);
	}
	marker_close(&m);
	return err;
}

struct err *common_open(struct env *env, const struct graph *g, const struct subset *inner,
			struct facts *f)
{
	struct common *c = &f->common;
	struct col visited = {};
	uint64_t words = bits_words(g->n) + 1;
	struct err *err;

	if (c->set || (!g->n_owners && !g->n_waits)) /* then reachability alone marks */
		return NULL;
	err = col_fixed(env, 8, words, "nodes to visit", &visited);
	if (!err)
		err = col_fixed(env, 8, words, "reachable nodes", &c->set_col);
	if (!err)
		err = col_fixed(env, 8, words, "reachable nodes", &c->late_col);
	if (!err) {
		memcpy(visited.base, inner->set, 8 * bits_words(g->n));
		err = make(env, g, visited.base, c);
	}
	col_close(&visited);
	if (err) {
		common_close(f);
		return err;
	}
	c->set = c->set_col.base;
	c->late = c->late_col.base;
	return NULL;
}

static void push(struct marker *m, node_id node)
{
	if (node != NODE_NONE && bit_get(m->set, node) && bit_get(m->inner, node))
		m->stack[m->n++] = node;
}

void common_begin(const struct facts *f, struct marker *m)
{
	const struct graph *g = m->g;

	if (!f->common.set)
		return;
	memcpy(m->set, f->common.set, 8 * bits_words(g->n));
	for (uint32_t i = 0; i < g->n_gates; i++)
		push(m, g->gates[i].node);
	for (uint32_t i = 0; i < g->n_waits; i++)
		push(m, g->waits[i].node);
}

void common_close(struct facts *f)
{
	col_close(&f->common.set_col);
	col_close(&f->common.late_col);
	f->common = (struct common){};
}
