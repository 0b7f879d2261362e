/*
 * fact/reach.c - memcheck's four kinds of reachability (mc_leakcheck.c of Valgrind 3.19).
 *
 * Reachable: by plain pointers alone from a root.  Possibly lost: by any pointers, once an
 * interior one lies on each way.  The rest is lost: lost/definite is the lowest node of each
 * component that no other lost node points at.  Between the stack and the visit nodes wait while
 * their rows are on the way from memory (Cher, Hosking, Vitek, "Software prefetching for mark-sweep
 * garbage collection", ASPLOS 2004), in batches here.
 */
#include "base/guard.h"
#include "fact/marker.h"
#include "fact/parts.h"

/* Notes where interior roots and the interior edges of what is reachable lead. */
static void mark_reachable(struct env *env, struct marker *m, uint64_t *late)
{
	const struct graph *g = m->g;

	for (uint32_t i = 0; i < g->n_roots; i++) {
		if (g->root_node[i] & EDGE_INTERIOR)
			bit_set(late, EDGE_NODE(g->root_node[i]));
		else
			marker_mark(m, EDGE_NODE(g->root_node[i]));
	}
	marker_run(env, m, late);
}

/* From there on by any edges: what is marked besides the reachable is possibly lost. */
static void mark_possible(struct env *env, struct marker *m, const uint64_t *late)
{
	uint64_t at = 0;

	while (!m->err && marker_mark_late(m, late, &at))
		marker_run(env, m, NULL);
}

static void fill_reach(const struct graph *g, const uint64_t *reachable, const uint64_t *marked,
		       uint8_t *reach)
{
	memset(reach, REACH_REACHABLE, g->n);
	for (uint64_t w = 0; w < bits_words(g->n); w++) {
		uint64_t rest = ~(g->live[w] & reachable[w]);

		if (g->n - 64 * w < 64)
			rest &= ~(~0ull << (g->n - 64 * w));
		for (; rest; rest &= rest - 1) {
			node_id i = (node_id)(w << 6 | (uint64_t)__builtin_ctzll(rest));

			if (!graph_is_live(g, i))
				reach[i] = REACH_DEAD;
			else if (g->collected && bit_get(g->collected, i))
				reach[i] = REACH_UNCOLLECTED;
			else if (bit_get(marked, i))
				reach[i] = REACH_POSSIBLE;
			else
				reach[i] = REACH_INDIRECT;
		}
	}
}

static struct err *mark_from_roots(struct env *env, const struct graph *g,
				   const struct subset *inner, struct facts *f, uint8_t *reach)
{
	struct col marked = {}, reachable = {}, late = {};
	struct marker m = {};
	uint64_t words = bits_words(g->n) + 1;
	struct err *err = col_fixed(env, 8, words, "reachable nodes", &marked);

	if (!err)
		err = common_open(env, g, inner, f);
	if (!err)
		err = col_fixed(env, 8, words, "reachable nodes", &reachable);
	if (!err)
		err = col_fixed(env, 8, words, "possibly lost nodes", &late);
	if (!err)
		err = marker_open(env, g, inner->set, marked.base,
				  common_pushes(g) + g->n_roots + 64, &m);
	if (!err) {
		common_begin(f, &m);
		if (f->common.set)
			memcpy(late.base, f->common.late, 8 * words);
		mark_reachable(env, &m, late.base);
		memcpy(reachable.base, marked.base, 8 * words);
		mark_possible(env, &m, late.base);
		err = take(&m.err);
		fill_reach(g, reachable.base, marked.base, reach);
	}
	marker_close(&m);
	col_close(&late);
	col_close(&reachable);
	col_close(&marked);
	return err;
}

/* A bit for each component that a lost node outside it points at. */
static void mark_held(const struct graph *g, const struct lost_parts *p, uint64_t *held)
{
	for (uint64_t w = 0; w < bits_words(g->n); w++) {
		for (uint64_t rest = p->lost.set[w]; rest; rest &= rest - 1) {
			node_id node = (node_id)(w << 6 | (uint64_t)__builtin_ctzll(rest));
			uint32_t part = p->part[subset_no(&p->lost, node)];

			for (edge_id e = graph_row(g, node); e < graph_row(g, node + 1); e++) {
				node_id to = EDGE_NODE(g->dst[e]);
				uint32_t other;

				if (!bit_get(p->lost.set, to))
					continue;
				other = p->part[subset_no(&p->lost, to)];
				if (other != part)
					bit_set(held, other);
			}
		}
	}
}

/* The lowest node of each component that is not held becomes a head. */
static struct err *find_heads(struct env *env, const struct graph *g, uint8_t *reach)
{
	struct lost_parts p;
	struct col held = {};
	struct err *err = lost_parts_open(env, g, reach, &p);

	if (err)
		return err;
	err = col_fixed(env, 8, bits_words(p.n_parts) + 1, "lost groups", &held);
	if (!err) {
		uint64_t *done = held.base;

		mark_held(g, &p, done);
		for (uint64_t w = 0; w < bits_words(g->n); w++) {
			for (uint64_t rest = p.lost.set[w]; rest; rest &= rest - 1) {
				node_id node = (node_id)(w << 6 | (uint64_t)__builtin_ctzll(rest));
				uint32_t part = p.part[subset_no(&p.lost, node)];

				if (bit_get(done, part))
					continue;
				bit_set(done, part);
				reach[node] = REACH_DEFINITE;
			}
		}
	}
	col_close(&held);
	lost_parts_close(&p);
	return err;
}

/* Nodes of a collector's. */
static struct total sum_up_collected(const struct graph *g)
{
	struct total total = {};
	uint64_t near = 0;

	for (uint64_t w = 0; g->collected && w < bits_words(g->n); w++) {
		uint64_t bits = g->live[w] & g->collected[w];

		total.count += (uint64_t)__builtin_popcountll(bits);
		total.bytes += graph_sizes_near(g, w, bits, &near);
	}
	return total;
}

static void take_out(struct total *t, uint64_t bytes)
{
	t->count--;
	t->bytes -= bytes;
}

/* Most nodes are reachable: the others are counted, and they are the rest. */
static struct err *sum_up(const struct graph *g, const uint8_t *reach, struct facts *f)
{
	struct total total[REACH_KINDS] = { [REACH_REACHABLE] = { g->n_live, g->live_bytes } };
	struct total collected = sum_up_collected(g);
	struct err *err = NULL;
	uint64_t near = 0;

	for (uint64_t w = 0; w < bits_words(g->n) && !err; w++) {
		uint64_t rest = reach_in(reach, g->n, w, REACH_POSSIBLE, REACH_KINDS - 1);

		for (; rest && !err; rest &= rest - 1) {
			node_id i = (node_id)(w << 6 | (uint64_t)__builtin_ctzll(rest));
			struct lost_head head = { i, .bytes = graph_size_near(g, i, &near) };

			take_out(&total[REACH_REACHABLE], head.bytes);
			total[reach[i]].count++;
			total[reach[i]].bytes += head.bytes;
			if (g->collected && bit_get(g->collected, i))
				take_out(&collected, head.bytes);
			if (reach[i] == REACH_DEFINITE)
				err = col_append(&f->cols[COL_LOST], &head, 1);
		}
	}
	if (err)
		return err;
	f->collected = collected;
	memcpy(f->reach_total, total, sizeof(total));
	return NULL;
}

struct err *reach_compute(struct env *env, const struct graph *g, const struct subset *inner,
			  struct facts *f)
{
	uint8_t *reach;
	struct err *err = col_fixed(env, 1, g->n, "reachability", &f->cols[COL_REACH]);

	if (err)
		return err;
	reach = f->cols[COL_REACH].base;
	err = mark_from_roots(env, g, inner, f, reach);
	if (!err)
		err = find_heads(env, g, reach);
	if (!err)
		err = col_open(env, sizeof(struct lost_head), g->n, "lost blocks",
			       &f->cols[COL_LOST]);
	if (!err)
		err = sum_up(g, reach, f);
	if (err)
		return err;
	col_seal(&f->cols[COL_LOST]);
	f->reach = reach;
	f->lost = f->cols[COL_LOST].base;
	f->n_lost = f->cols[COL_LOST].n;
	return NULL;
}
