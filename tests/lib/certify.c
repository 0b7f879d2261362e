/* certify.c - see the header: plain passes over all edges, in six words a node. */
#include "certify.h"

#include <stdio.h>
#include <stdlib.h>

struct work {
	const struct graph *g;
	const struct facts *f;
	uint32_t *a, *b, *c, *d; /* a word a node and one more, each for whoever needs it */
	uint64_t *sums;
	uint64_t wrong;
};

static void *words(uint64_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p) {
		fprintf(stderr, "certify: no memory\n");
		exit(1);
	}
	return p;
}

static void wrong(struct work *w, const char *what, node_id node)
{
	if (w->wrong++ < 10)
		printf("%s: node %u\n", what, node);
}

static bool is_lost(const struct facts *f, node_id i)
{
	return f->reach[i] == REACH_DEFINITE || f->reach[i] == REACH_INDIRECT;
}
static bool is_held(const struct facts *f, node_id i)
{
	return f->reach[i] == REACH_REACHABLE || f->reach[i] == REACH_POSSIBLE;
}
/* The dominator tree has it: what neither roots nor heads lead to has not. */
static bool is_in_tree(const struct facts *f, node_id i)
{
	return is_held(f, i) || is_lost(f, i);
}

#define for_edges(g, i, e, to)                                                                  \
	for (edge_id e = graph_row(g, i), end_##e = graph_row(g, (i) + 1); e < end_##e; e++)    \
		for (node_id to = EDGE_NODE((g)->dst[e]), once_##e = 1; once_##e; once_##e = 0)

/* ---- reachability ---- */

static uint64_t walk(struct work *w, uint64_t n_stack)
{
	uint64_t seen = n_stack;

	while (n_stack) {
		node_id at = w->b[--n_stack];

		for_edges(w->g, at, e, to) {
			if (w->a[to])
				continue;
			w->a[to] = w->a[at];
			w->b[n_stack++] = to;
			seen++;
		}
	}
	return seen;
}

static void check_reach(struct work *w)
{
	const struct graph *g = w->g;
	const struct facts *f = w->f;
	uint64_t n = 0, seen, kinds[REACH_KINDS] = {};

	for (uint32_t i = 0; i < g->n_roots; i++) {
		node_id to = EDGE_NODE(g->root_node[i]);
		bool interior = g->root_node[i] & EDGE_INTERIOR;

		if (interior ? !is_held(f, to) : f->reach[to] != REACH_REACHABLE)
			wrong(w, "a root leads to what is not reachable", to);
		if (!w->a[to]) {
			w->a[to] = UINT32_MAX;
			w->b[n++] = to;
		}
	}
	seen = walk(w, n);
	for (node_id i = 0; i < g->n; i++) {
		kinds[f->reach[i]]++;
		for_edges(g, i, e, to) {
			bool plain = !(g->dst[e] & EDGE_INTERIOR);

			if (f->reach[i] == REACH_REACHABLE && plain && f->reach[to] != REACH_REACHABLE)
				wrong(w, "a reachable one leads to what is not", to);
			if (is_held(f, i) && !is_held(f, to))
				wrong(w, "what is held leads to what is not", to);
		}
	}
	if (seen != kinds[REACH_REACHABLE] + kinds[REACH_POSSIBLE])
		wrong(w, "as many are held as a walk finds", (node_id)seen);
	printf("held %llu, lost %llu, uncollected %llu\n", (unsigned long long)seen,
	       (unsigned long long)(kinds[REACH_DEFINITE] + kinds[REACH_INDIRECT]),
	       (unsigned long long)kinds[REACH_UNCOLLECTED]);
}

/* Each head marks with its own number what it leads to and nobody did before. */
static void check_heads(struct work *w)
{
	for (node_id i = 0; i < w->g->n; i++) {
		if (w->f->reach[i] != REACH_DEFINITE)
			continue;
		w->a[i] = i + 1;
		w->b[0] = i;
		walk(w, 1);
	}
	for (node_id i = 0; i < w->g->n; i++) {
		if (!is_lost(w->f, i))
			continue;
		if (!w->a[i])
			wrong(w, "no head leads to a lost one", i);
		for_edges(w->g, i, e, to)
			if (w->f->reach[to] == REACH_DEFINITE && w->a[i] != to + 1)
				wrong(w, "a head has another one behind it", to);
	}
}

/* ---- distances ---- */

/* Ways with a doubtful edge are behind all others of their roots, those from vector registers behind all (ROOT_VECTOR). */
#define BEHIND_DOUBT (1u << 30)
#define BEHIND_ALL (1u << 31)

static uint32_t depth_at_root(const struct graph *g, uint32_t root)
{
	return g->sources[g->root_source[root]].kind == ROOT_VECTOR ? BEHIND_ALL : 1;
}

/* From inside a block that nobody knows into another one: lib/fact/parent.c. */
static bool is_doubtful(const struct graph *g, node_id from, edge_id e)
{
	type_id type = graph_type(g, from);

	return g->dst[e] & EDGE_INTERIOR && !(g->collected && bit_get(g->collected, from)) &&
	       (!type || g->types->v[type].confidence <= CONF_GUESS);
}

/* Of what its parents do not lead to a root from: 0. */
static uint32_t depth_of(struct work *w, node_id node)
{
	const uint32_t *parent = w->f->parent;
	uint32_t *depth = w->c, steps = 0, doubtful = 0, base;
	node_id at = node;

	while (!depth[at] && parent[at] != NODE_NONE && !(parent[at] & PARENT_ROOT) &&
	       steps < w->g->n) {
		steps++;
		if (w->a[at] == 1)
			doubtful = steps;
		at = parent[at];
	}
	if (parent[at] == NODE_NONE)
		return 0;
	base = depth[at];
	if (!base && (parent[at] & ~PARENT_ROOT) < w->g->n_roots)
		base = depth_at_root(w->g, parent[at] & ~PARENT_ROOT);
	depth[at] = base;
	at = node;
	for (uint32_t up = 0; up < steps; at = parent[at], up++)
		depth[at] = (base + steps - up) | (up < doubtful ? BEHIND_DOUBT : 0);
	return depth[node];
}

static void check_parents(struct work *w)
{
	const struct graph *g = w->g;

	for (node_id i = 0; i < g->n; i++)
		for_edges(g, i, e, to)
			if (w->f->parent[to] == i)
				w->a[to] |= is_doubtful(g, i, e) ? 1 : 3;
	for (node_id i = 0; i < g->n; i++) {
		uint32_t parent = w->f->parent[i];
		bool found = parent == NODE_NONE;

		if (graph_is_live(g, i) && !depth_of(w, i) == is_held(w->f, i))
			wrong(w, "a way back to the roots, and not held, or neither", i);
		if (parent & PARENT_ROOT && parent != NODE_NONE)
			found = (parent & ~PARENT_ROOT) < g->n_roots &&
				EDGE_NODE(g->root_node[parent & ~PARENT_ROOT]) == i;
		else
			found |= w->a[i] != 0;
		if (!found)
			wrong(w, "its parent does not point at it", i);
	}
	for (uint32_t i = 0; i < g->n_roots; i++)
		if (w->c[EDGE_NODE(g->root_node[i])] > depth_at_root(g, i))
			wrong(w, "a root points at what is farther", EDGE_NODE(g->root_node[i]));
	for (node_id i = 0; i < g->n; i++)
		for_edges(g, i, e, to)
			if (w->c[i] && w->c[to] > (w->c[i] | (is_doubtful(g, i, e) ? BEHIND_DOUBT : 0)) + 1)
				wrong(w, "an edge skips a step", to);
}

/* ---- dominators ---- */

/*
 * Numbers of a walk down the tree, for whether one lies below another: in `a` when it was entered,
 * in `b` the last number below it.  Children by counting; node n is the root of all.
 */
static void number_tree(struct work *w)
{
	const struct graph *g = w->g;
	uint64_t n = g->n;
	uint32_t *first = words(n + 3, 4), *child = words(n + 1, 4), *next = w->c, number = 0;
	node_id at = g->n;

	for (node_id i = 0; i < n; i++)
		if (is_in_tree(w->f, i))
			first[(w->f->idom[i] == NODE_NONE ? n : w->f->idom[i]) + 2]++;
	for (uint64_t i = 2; i < n + 3; i++)
		first[i] += first[i - 1];
	for (node_id i = 0; i < n; i++)
		if (is_in_tree(w->f, i))
			child[first[(w->f->idom[i] == NODE_NONE ? n : w->f->idom[i]) + 1]++] = i;
	for (uint64_t i = 0; i <= n; i++)
		next[i] = first[i];
	w->a[at] = ++number;
	for (;;) {
		if (next[at] < first[at + 1]) {
			at = child[next[at]++];
			w->a[at] = ++number;
			continue;
		}
		w->b[at] = number;
		if (at == n)
			break;
		at = w->f->idom[at] == NODE_NONE ? g->n : w->f->idom[at];
	}
	for (node_id i = 0; i < n; i++)
		if (is_in_tree(w->f, i) && !w->a[i])
			wrong(w, "its dominators form a ring", i);
	free(first);
	free(child);
}

static bool is_below(const struct work *w, node_id i, node_id up)
{
	return up == NODE_NONE || (w->a[up] <= w->a[i] && w->a[i] <= w->b[up]);
}

static void check_dominators(struct work *w)
{
	const struct graph *g = w->g;

	number_tree(w);
	for (uint32_t i = 0; i < g->n_roots; i++)
		if (w->f->idom[EDGE_NODE(g->root_node[i])] != NODE_NONE)
			wrong(w, "a root points at what is dominated", EDGE_NODE(g->root_node[i]));
	for (node_id i = 0; i < g->n; i++) {
		if (w->f->reach[i] == REACH_DEFINITE && w->f->idom[i] != NODE_NONE)
			wrong(w, "a head is dominated", i);
		if (!is_in_tree(w->f, i))
			continue;
		for_edges(g, i, e, to)
			if (is_in_tree(w->f, to) && !is_below(w, i, w->f->idom[to]))
				wrong(w, "a way round the dominator", to);
	}
}

static void check_sizes(struct work *w)
{
	const struct graph *g = w->g;
	uint64_t top = 0, expected = 0;

	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it)) {
		uint64_t retained = facts_retained(w->f, it.id);
		node_id up = w->f->idom[it.id];

		w->sums[it.id] += it.size - retained;
		if (!is_in_tree(w->f, it.id))
			continue;
		expected += it.size;
		if (up == NODE_NONE)
			top += retained;
		else
			w->sums[up] += retained;
	}
	for (node_id i = 0; i < g->n; i++)
		if (w->sums[i])
			wrong(w, "it does not retain the sum of what is below it", i);
	if (top != expected)
		wrong(w, "the top does not retain all bytes", NODE_NONE);
}

static void check_incoming(struct work *w)
{
	const struct graph *g = w->g;
	const struct facts *f = w->f;

	for (node_id i = 0; i < g->n; i++)
		for_edges(g, i, e, to)
			w->sums[to] += (uint64_t)(i + 1) * (g->dst[e] & EDGE_INTERIOR ? 0x9e3779b97f4a7c15ull : 1);
	for (node_id i = 0; i < g->n; i++) {
		edge_id e = f->in_row_base[i >> ROW_BLOCK_SHIFT] + f->in_row[i];
		edge_id end = f->in_row_base[(i + 1) >> ROW_BLOCK_SHIFT] + f->in_row[i + 1];

		for (; e < end; e++)
			w->sums[i] -= (uint64_t)(EDGE_NODE(f->in_src[e]) + 1) *
				      (f->in_src[e] & EDGE_INTERIOR ? 0x9e3779b97f4a7c15ull : 1);
		if (w->sums[i])
			wrong(w, "its incoming edges are not those that lead to it", i);
	}
}

/* ---- all dominators of one node ---- */

/* A way to the node, from what a root or head points at, into `d`: by walking from all of these. */
static uint64_t find_way(struct work *w, node_id node)
{
	const struct graph *g = w->g;
	uint32_t *from = w->c;	/* + 1; UINT32_MAX: a start */
	uint64_t n = 0, at = 0, length = 0;

	memset(from, 0, 4 * (uint64_t)g->n);
	for (uint32_t i = 0; i < g->n_roots; i++) {
		node_id to = EDGE_NODE(g->root_node[i]);

		if (!from[to])
			w->b[n++] = to;
		from[to] = UINT32_MAX;
	}
	for (node_id i = 0; i < g->n; i++) {
		if (w->f->reach[i] != REACH_DEFINITE)
			continue;
		from[i] = UINT32_MAX;
		w->b[n++] = i;
	}
	while (at < n && !from[node]) {
		node_id next = w->b[at++];

		for_edges(g, next, e, to) {
			if (from[to])
				continue;
			from[to] = next + 1;
			w->b[n++] = to;
		}
	}
	if (!from[node])
		return 0;
	for (node_id i = node;; i = from[i] - 1) {
		length++;
		if (from[i] == UINT32_MAX)
			break;
	}
	for (uint64_t i = length; i--; node = from[node] - 1)
		w->d[i] = node;
	return length;
}

/* How far along the way one comes from `node` without it; marks in `c` what was seen. */
static uint64_t go_round(struct work *w, node_id node, uint64_t far)
{
	uint64_t n = 0;

	w->b[n++] = node;
	while (n) {
		node_id at = w->b[--n];

		for_edges(w->g, at, e, to) {
			if (w->a[to]) { /* of the way: its place + 1 */
				if (w->a[to] - 1 > far)
					far = w->a[to] - 1;
			} else if (!w->c[to]) {
				w->c[to] = 1;
				w->b[n++] = to;
			}
		}
	}
	return far;
}

/* The same from a root or a head. */
static uint64_t start_round(struct work *w, node_id start, uint64_t far)
{
	if (w->a[start])
		return w->a[start] - 1 > far ? w->a[start] - 1 : far;
	if (w->c[start])
		return far;
	w->c[start] = 1;
	return go_round(w, start, far);
}

static void check_chain(struct work *w, node_id node)
{
	const struct graph *g = w->g;
	uint64_t length = find_way(w, node), far = 0;
	node_id expected = node;

	memset(w->a, 0, 4 * (uint64_t)g->n);
	memset(w->c, 0, 4 * (uint64_t)g->n);
	for (uint64_t i = 0; i < length; i++)
		w->a[w->d[i]] = (uint32_t)i + 1;
	for (uint32_t i = 0; i < g->n_roots; i++)
		far = start_round(w, EDGE_NODE(g->root_node[i]), far);
	for (node_id i = 0; i < g->n; i++)
		if (w->f->reach[i] == REACH_DEFINITE)
			far = start_round(w, i, far);
	/* What is nowhere gone round, in order; w->d keeps these at its start. */
	for (uint64_t i = 0, n = 0; i < length; i++) {
		node_id at = w->d[i];

		if (far <= i)
			w->d[n++] = at;
		if (i + 1 == length)
			length = n;
		else
			far = go_round(w, at, far > i ? far : i);
	}
	for (uint64_t i = length; i--; expected = w->f->idom[expected])
		if (expected == NODE_NONE || w->d[i] != expected)
			break;
		else if (!i && w->f->idom[expected] == NODE_NONE)
			return;
	wrong(w, "its dominators are others", node);
}

static void check_samples(struct work *w, uint64_t samples)
{
	uint64_t seed = 1, done = 0;

	for (uint64_t tries = 0; done < samples && tries < 1000 * samples && w->g->n; tries++) {
		node_id node;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		node = (node_id)((seed >> 33) % w->g->n);
		if (!is_in_tree(w->f, node))
			continue;
		check_chain(w, node);
		done++;
	}
	printf("chains of dominators of %llu nodes\n", (unsigned long long)done);
}

static void forget(struct work *w)
{
	memset(w->a, 0, 4 * ((uint64_t)w->g->n + 1));
	memset(w->b, 0, 4 * ((uint64_t)w->g->n + 1));
	memset(w->c, 0, 4 * ((uint64_t)w->g->n + 1));
}

uint64_t certify(const struct graph *g, const struct facts *f, uint64_t samples)
{
	uint64_t n = (uint64_t)g->n + 1;
	struct work w = { g, f, words(n, 4), words(n, 4), words(n, 4), words(n, 4), words(n, 8), 0 };

	printf("nodes %u, edges %llu, roots %u\n", g->n, (unsigned long long)g->m, g->n_roots);
	check_reach(&w);
	check_heads(&w);
	forget(&w);
	check_parents(&w);
	forget(&w);
	check_dominators(&w);
	check_sizes(&w);
	check_incoming(&w);
	forget(&w);
	check_samples(&w, samples);
	free(w.a);
	free(w.b);
	free(w.c);
	free(w.d);
	free(w.sums);
	return w.wrong;
}
