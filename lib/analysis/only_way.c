/*
 * analysis/only_way.c - "held only through X": the pointer that every way to a suspect crosses.
 *
 * Of the owner and the few that dominate it, the one nearest to the roots that a single pointer
 * leads to, as long as it keeps no more than twice as much: "global sessions" rather than a field
 * of a structure of its own, but not "the one process object".
 */
#include "analysis/only_way.h"

enum { UP = 3, NODES_MAX = ENTRIES_MAX };

struct asked {
	node_id nodes[NODES_MAX];
	struct entry entries[NODES_MAX];
	unsigned n;
};

static unsigned place_of(const struct asked *a, node_id node)
{
	unsigned i = 0;

	while (i < a->n && a->nodes[i] != node)
		i++;
	return i;
}

/* The owner and those above it that do not keep much more; how many. */
static unsigned nodes_of(const struct facts *f, const struct only_way *way, node_id nodes[UP])
{
	unsigned n = 0;

	for (node_id at = way->owner; at != NODE_NONE && n < UP; at = f->idom[at]) {
		if (n && facts_retained(f, at) / 2 > way->bytes)
			break;
		nodes[n++] = at;
	}
	return n;
}

static void choose(const struct facts *f, const struct asked *a, struct only_way *way)
{
	node_id nodes[UP];

	way->entry.kind = ENTRY_NONE;
	for (unsigned i = 0, n = nodes_of(f, way, nodes); i < n; i++) {
		unsigned at = place_of(a, nodes[i]);
		bool single;

		if (at == a->n)
			break;
		single = a->entries[at].kind == ENTRY_ROOT || a->entries[at].kind == ENTRY_NODE;
		if (i && !single)
			continue;
		way->entry = a->entries[at];
		way->into = nodes[i];
	}
}

struct err *only_ways_find(struct env *env, const struct subject *s, struct only_way *ways,
			   unsigned n)
{
	struct asked a = { .n = 0 };
	struct err *err;

	for (unsigned i = 0; i < n; i++) {
		node_id nodes[UP];
		unsigned n_nodes = nodes_of(s->facts, &ways[i], nodes);

		for (unsigned k = 0; k < n_nodes && a.n < NODES_MAX; k++)
			if (place_of(&a, nodes[k]) == a.n)
				a.nodes[a.n++] = nodes[k];
	}
	if (!a.n)
		return NULL;
	err = entries_find(env, s->graph, s->facts, a.nodes, a.n, a.entries);
	for (unsigned i = 0; i < n && !err; i++)
		choose(s->facts, &a, &ways[i]);
	return err;
}

struct err *evidence_only_way(const struct subject *s, struct report *r, const struct only_way *way,
			      struct rp_suspect *suspect)
{
	struct text t = TEXT_INIT;
	struct err *err;

	if (way->entry.kind == ENTRY_NONE)
		return NULL;
	if (way->entry.kind == ENTRY_SEVERAL) {
		text_add(&t, "no single pointer: whichever is cut, another one holds it");
	} else {
		entry_words(s->graph, way->entry, way->into, &t);
		text_add(&t, ": clearing it frees ");
		text_add_bytes(&t, facts_retained(s->facts, way->into));
	}
	err = evidence_add(r, suspect, EVIDENCE_ONLY_WAY, text_str(&t));
	text_fini(&t);
	return err;
}
