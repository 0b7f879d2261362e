/*
 * fact/lost_parts.c - strongly connected components of the lost nodes, or of any set of nodes.
 *
 * Pearce, "A space-efficient algorithm for finding strongly connected components" (2016): one
 * index a node serves as visit number, low link and component; with an explicit stack.
 */
#include "fact/parts.h"

/* One node on the way down: its next edge to look at. */
struct step {
	node_id node;
	uint32_t no; /* in the subset */
	edge_id next;
	bool is_root;
};

struct walk {
	const struct graph *g;
	const struct subset *lost;
	/* by number: 0 unvisited, visit number, or component from the top down */
	uint32_t *rindex;
	struct col path, done; /* steps; finished nodes of open components */
	uint32_t index, part;
};

static struct err *enter(struct walk *w, node_id node, uint32_t no)
{
	struct step step = {
		.node = node, .no = no, .next = graph_row(w->g, node), .is_root = true
	};

	w->rindex[no] = w->index++;
	return col_append(&w->path, &step, 1);
}

/* All edges of the step are done: close its component, or leave it to the one that holds it. */
static struct err *leave(struct walk *w, struct step *s)
{
	uint32_t *done = w->done.base;

	w->path.n--;
	if (!s->is_root)
		return col_append(&w->done, &s->no, 1);
	w->index--;
	while (w->done.n && w->rindex[s->no] <= w->rindex[done[w->done.n - 1]]) {
		w->rindex[done[--w->done.n]] = w->part;
		w->index--;
	}
	w->rindex[s->no] = w->part--;
	return NULL;
}

/* Looks at edges of the top step until one leads to a new node: true, with that node. */
static bool descend(struct walk *w, struct step *s, node_id *ret_node, uint32_t *ret_no)
{
	edge_id end = graph_row(w->g, s->node + 1);

	for (; s->next < end; s->next++) {
		node_id to = EDGE_NODE(w->g->dst[s->next]);
		uint32_t no;

		if (!bit_get(w->lost->set, to))
			continue;
		no = subset_no(w->lost, to);
		if (!w->rindex[no]) {
			/* its edge is looked at again once it is done, for its low link */
			*ret_node = to;
			*ret_no = no;
			return true;
		}
		if (w->rindex[no] < w->rindex[s->no]) {
			w->rindex[s->no] = w->rindex[no];
			s->is_root = false;
		}
	}
	return false;
}

static struct err *walk_from(struct walk *w, node_id node, uint32_t no)
{
	struct err *err = enter(w, node, no);

	while (!err && w->path.n) {
		struct step *s = &((struct step *)w->path.base)[w->path.n - 1];
		struct step top;

		if (descend(w, s, &node, &no)) {
			err = enter(w, node, no);
			continue;
		}
		top = *s;
		err = leave(w, &top);
	}
	return err;
}

static struct err *walk_all(struct walk *w, uint64_t n)
{
	uint32_t no = 0;

	for (uint64_t i = 0; i < bits_words(n); i++)
		for (uint64_t rest = w->lost->set[i]; rest; rest &= rest - 1, no++) {
			struct err *err = NULL;

			if (!w->rindex[no])
				err = walk_from(
					w, (node_id)(i << 6 | (uint64_t)__builtin_ctzll(rest)), no);
			if (err)
				return err;
		}
	return NULL;
}

/* p->lost is filled and numbered. */
static struct err *find_parts(struct env *env, const struct graph *g, struct lost_parts *p)
{
	struct walk w = { .g = g, .lost = &p->lost, .index = 1, .part = UINT32_MAX };
	struct err *err = col_fixed(env, 4, p->lost.n, "components", &p->part_col);

	if (!err)
		err = col_open(env, sizeof(struct step), p->lost.n, "components", &w.path);
	if (!err)
		err = col_open(env, 4, p->lost.n, "components", &w.done);
	if (!err) {
		p->part = w.rindex = p->part_col.base;
		err = walk_all(&w, g->n);
	}
	col_close(&w.path);
	col_close(&w.done);
	for (uint32_t i = 0; !err && i < p->lost.n; i++) /* counted from the top: now from 0 */
		p->part[i] = UINT32_MAX - p->part[i];
	p->n_parts = UINT32_MAX - w.part;
	return err;
}

struct err *parts_of_set(struct env *env, const struct graph *g, const uint64_t *set,
			 struct lost_parts *ret)
{
	struct lost_parts p = {};
	struct err *err = subset_open(env, g->n, &p.lost);

	if (!err) {
		memcpy(p.lost.set, set, 8 * bits_words(g->n));
		subset_rank(&p.lost);
		err = find_parts(env, g, &p);
	}
	if (err)
		lost_parts_close(&p);
	else
		*ret = p;
	return err;
}

void lost_nodes(const uint8_t *reach, node_id n, uint64_t *set)
{
	for (uint64_t w = 0; w < bits_words(n); w++)
		set[w] = reach_in(reach, n, w, REACH_INDIRECT, REACH_DEFINITE);
}

struct err *lost_parts_open(struct env *env, const struct graph *g, const uint8_t *reach,
			    struct lost_parts *ret)
{
	struct lost_parts p = {};
	struct err *err = subset_open(env, g->n, &p.lost);

	if (!err) {
		lost_nodes(reach, g->n, p.lost.set);
		subset_rank(&p.lost);
		err = find_parts(env, g, &p);
	}
	if (err)
		lost_parts_close(&p);
	else
		*ret = p;
	return err;
}

void lost_parts_close(struct lost_parts *p)
{
	subset_close(&p->lost);
	col_close(&p->part_col);
	*p = (struct lost_parts){};
}
