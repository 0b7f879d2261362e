/*
 * facts.c - every fact of the graphs on standard input, for a twin that works them out its own way.
 *
 *	facts <GRAPHS >FACTS
 *
 * Words are 32 bits, those of sizes 64, of the machine's own order.  A graph: nodes, edges, roots
 * and targets in numbers; sizes; edges as pairs, ascending by source; roots as pairs of a node and
 * the number of a source, ascending by that; targets.  EDGE_INTERIOR is as in the library.
 *
 * What comes back: reach, a byte a node; retained sizes; dominators; parents; components of all
 * nodes; where the incoming edges of each node begin (and end), and these; how many rings nothing
 * reaches, and of each its nodes, lowest node, bytes, nodes and bytes that it keeps, and its
 * members; for each target how many paths lead to it, and of each its length, its root and its
 * nodes; of each target its entry: kind, root or node.  tests/e2e/test_twins.py is the twin.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fact/entry.h"
#include "fact/paths.h"
#include "fact/parts.h"

enum { ALL = FACT_REACH | FACT_CYCLES | FACT_DOM | FACT_PARENT | FACT_REVERSE, PATHS = 8 };
#define VECTOR (1u << 31) /* in the number of a source: as test_twins.py says */
#define LAST (1u << 30)

struct header {
	uint32_t n, m, n_roots, n_targets;
};

static void must(struct err *err)
{
	if (!err)
		return;
	fprintf(stderr, "facts: %s\n", err->message);
	exit(1);
}

static void *take_words(uint64_t n, size_t size)
{
	void *words = calloc(n + 1, size);

	if (!words || fread(words, size, n, stdin) != n) {
		fprintf(stderr, "facts: the graph is cut off\n");
		exit(1);
	}
	return words;
}

static void put(const void *words, uint64_t n, size_t size)
{
	if (fwrite(words, size, n, stdout) != n)
		exit(1);
}
static void put32(uint64_t word)
{
	put(&(uint32_t){ (uint32_t)word }, 1, 4);
}
static void put64(uint64_t word)
{
	put(&word, 1, 8);
}

static struct graph *take_graph(struct env *env, const struct header *h)
{
	uint64_t *sizes = take_words(h->n, 8);
	uint32_t *edges = take_words(2 * (uint64_t)h->m, 4);
	uint32_t *roots = take_words(2 * (uint64_t)h->n_roots, 4);
	struct graph_builder *b;
	struct graph *g;

	must(graph_builder_new(env, &b));
	for (uint64_t i = 0; i < h->n; i++)
		must(graph_add_node(b, i << 32, sizes[i]));
	for (uint64_t i = 0; i < h->m; i++)
		must(graph_add_edge(b, edges[2 * i], edges[2 * i + 1]));
	for (uint64_t i = 0; i < h->n_roots; i++) {
		uint32_t start = roots[2 * i + 1];
		struct root_source source = {
			.kind = start & VECTOR ? ROOT_VECTOR : ROOT_GLOBAL,
			.thread = UINT32_MAX,
			.start = start,
			.is_last = start & LAST,
		};

		must(graph_add_root(b, &source, roots[2 * i], 8 * i));
	}
	must(graph_build_finish(b, &g));
	graph_builder_free(b);
	free(sizes);
	free(edges);
	free(roots);
	return g;
}

static void put_components(struct env *env, const struct graph *g)
{
	struct lost_parts p;

	must(parts_of_set(env, g, g->live, &p));
	put(p.part, g->n, 4);
	lost_parts_close(&p);
}

static void put_incoming(const struct graph *g, const struct facts *f)
{
	for (uint64_t i = 0; i <= g->n; i++)
		put64(f->in_row_base[i >> ROW_BLOCK_SHIFT] + f->in_row[i]);
	put(f->in_src, g->m, 4);
}

static void put_rings(const struct facts *f)
{
	put32(f->n_cycles);
	for (uint64_t i = 0; i < f->n_cycles; i++) {
		const struct cycle *c = &f->cycles[i];

		put32(c->nodes);
		put32(c->node);
		put64(c->bytes);
		put64(c->held_count);
		put64(c->held_bytes);
		put(f->cycle_members + c->first_member, c->nodes, 4);
	}
}

static void put_paths(struct env *env, const struct graph *g, const struct facts *f, node_id target)
{
	struct paths p;

	must(paths_find(env, g, f, target, PATHS, &p));
	put32(p.n);
	for (unsigned i = 0; i < p.n; i++) {
		put32(p.v[i].n);
		put32(p.v[i].root);
		put(p.v[i].nodes, p.v[i].n, 4);
	}
	paths_fini(&p);
}

static void put_entries(struct env *env, const struct graph *g, const struct facts *f,
			const uint32_t *targets, unsigned n)
{
	struct entry entries[ENTRIES_MAX];

	must(entries_find(env, g, f, targets, n, entries));
	for (unsigned i = 0; i < n; i++) {
		put32(entries[i].kind);
		put32(entries[i].from);
	}
}

int main(void)
{
	struct header h;

	while (fread(&h, sizeof(h), 1, stdin) == 1) {
		struct facts f = {};
		struct graph *g;
		uint32_t *targets;
		struct env env;

		env_init(&env);
		g = take_graph(&env, &h);
		targets = take_words(h.n_targets, 4);
		must(facts_compute(&env, g, ALL, &f));
		put(f.reach, g->n, 1);
		for (node_id i = 0; i < g->n; i++)
			put64(facts_retained(&f, i));
		put(f.idom, g->n, 4);
		put(f.parent, g->n, 4);
		put_components(&env, g);
		put_incoming(g, &f);
		put_rings(&f);
		for (uint32_t i = 0; i < h.n_targets; i++)
			put_paths(&env, g, &f, targets[i]);
		put_entries(&env, g, &f, targets, h.n_targets);
		free(targets);
		facts_fini(&f);
		graph_free(g);
		env_fini(&env);
	}
	return 0;
}
