/* type/noting.c - the noters, one after another; their notes as sorted columns of the graph. */
#include "type/noter.h"

#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/vec.h"

struct of_roots {
	uint32_t kind, thread, owner;
};

struct noting {
	struct note_sink sink; /* first: the ops cast back */
	struct graph *g;
	struct {
		struct owner *v;
		size_t n, cap;
	} owners;
	struct {
		struct gate *v;
		size_t n, cap;
	} gates;
	struct {
		struct of_roots *v;
		size_t n, cap;
	} of_roots;
	struct {
		node_id *v;
		size_t n, cap;
	} finalizable, queued;
	struct {
		struct wait *v;
		size_t n, cap;
	} waits;
	struct {
		struct slack *v;
		size_t n, cap;
	} slacks;
	struct {
		struct keyed *v;
		size_t n, cap;
	} keyeds;
	struct {
		edge_id *v;
		size_t n, cap;
	} key_edges;
	struct {
		struct content *v;
		size_t n, cap;
	} contents;
	struct {
		struct copy *v;
		size_t n, cap;
	} copies;
	struct {
		struct counted *v;
		size_t n, cap;
	} counteds;
	struct {
		struct reference *v;
		size_t n, cap;
	} references;
};

static void noting_fini(struct noting *n)
{
	free(n->owners.v);
	free(n->gates.v);
	free(n->of_roots.v);
	free(n->finalizable.v);
	free(n->queued.v);
	free(n->waits.v);
	free(n->slacks.v);
	free(n->keyeds.v);
	free(n->key_edges.v);
	free(n->contents.v);
	free(n->copies.v);
	free(n->counteds.v);
	free(n->references.v);
}

static struct err *on_owner(struct note_sink *sink, const struct owner *owner, uint32_t *ret)
{
	struct noting *n = (struct noting *)sink;
	struct owner copy = *owner;

	copy.name = arena_strdup(&n->g->names, owner->name);
	if (owner->starter)
		copy.starter = arena_strdup(&n->g->names, owner->starter);
	if (!copy.name || (owner->starter && !copy.starter) || !vec_push(&n->owners, &copy))
		return &err_nomem;
	*ret = (uint32_t)n->owners.n;
	return NULL;
}

static struct err *on_gate(struct note_sink *sink, node_id node, uint32_t owner)
{
	struct noting *n = (struct noting *)sink;
	struct gate gate = { node, owner };

	if (node >= n->g->n || !graph_is_live(n->g, node))
		return NULL;
	return vec_push(&n->gates, &gate) ? NULL : &err_nomem;
}

static struct err *on_roots(struct note_sink *sink, enum root_kind kind, uint32_t thread,
			    uint32_t owner)
{
	struct noting *n = (struct noting *)sink;
	struct of_roots of = { kind, thread, owner };

	return vec_push(&n->of_roots, &of) ? NULL : &err_nomem;
}

static struct err *on_finalizable(struct note_sink *sink, node_id node)
{
	struct noting *n = (struct noting *)sink;

	if (node >= n->g->n || !graph_is_live(n->g, node))
		return NULL;
	return vec_push(&n->finalizable, &node) ? NULL : &err_nomem;
}

static struct err *on_queued(struct note_sink *sink, node_id node)
{
	struct noting *n = (struct noting *)sink;

	if (node >= n->g->n || !graph_is_live(n->g, node))
		return NULL;
	return vec_push(&n->queued, &node) ? NULL : &err_nomem;
}

static struct err *on_wait(struct note_sink *sink, const struct wait *wait)
{
	struct noting *n = (struct noting *)sink;

	if (wait->node != NODE_NONE && (wait->node >= n->g->n || !graph_is_live(n->g, wait->node)))
		return NULL;
	return vec_push(&n->waits, wait) ? NULL : &err_nomem;
}

static struct err *on_slack(struct note_sink *sink, const struct slack *slack)
{
	struct noting *n = (struct noting *)sink;

	if (slack->node >= n->g->n || !graph_is_live(n->g, slack->node))
		return NULL;
	return vec_push(&n->slacks, slack) ? NULL : &err_nomem;
}

static struct err *on_keyed(struct note_sink *sink, const struct keyed *keyed, const edge_id *edges)
{
	struct noting *n = (struct noting *)sink;
	struct keyed row = *keyed;

	if (row.node >= n->g->n || !graph_is_live(n->g, row.node))
		return NULL;
	row.first = n->key_edges.n;
	for (uint64_t i = 0; i < row.n; i++)
		if (!vec_push(&n->key_edges, &edges[i]))
			return &err_nomem;
	return vec_push(&n->keyeds, &row) ? NULL : &err_nomem;
}

static struct err *on_content(struct note_sink *sink, const struct content *content, uint32_t *ret)
{
	struct noting *n = (struct noting *)sink;
	struct content copy = *content;

	copy.sample = arena_strdup(&n->g->names, content->sample);
	if ((content->sample && !copy.sample) || !vec_push(&n->contents, &copy))
		return &err_nomem;
	*ret = (uint32_t)n->contents.n - 1;
	return NULL;
}

static struct err *on_copy(struct note_sink *sink, node_id node, uint32_t content)
{
	struct noting *n = (struct noting *)sink;
	struct copy copy = { node, content };

	if (node >= n->g->n || !graph_is_live(n->g, node))
		return NULL;
	return vec_push(&n->copies, &copy) ? NULL : &err_nomem;
}

static struct err *on_counted(struct note_sink *sink, const struct counted *counted)
{
	struct noting *n = (struct noting *)sink;
	struct counted *last = n->counteds.n ? &n->counteds.v[n->counteds.n - 1] : NULL;
	struct counted copy = *counted;

	if (n->counteds.n >= UINT32_MAX)
		return err_new(ERR_LIMIT, "more than 2^32 counted objects");
	/* Millions have the same few names. */
	if (last && !strcmp(last->kind, copy.kind))
		copy.kind = last->kind;
	else
		copy.kind = arena_strdup(&n->g->names, copy.kind);
	return copy.kind && vec_push(&n->counteds, &copy) ? NULL : &err_nomem;
}

static struct err *on_reference(struct note_sink *sink, const struct reference *reference)
{
	struct noting *n = (struct noting *)sink;

	return vec_push(&n->references, reference) ? NULL : &err_nomem;
}

/* ---- sorted, each once ---- */

static int by_gate(const void *pa, const void *pb)
{
	const struct gate *a = pa, *b = pb;

	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	return a->owner < b->owner ? -1 : a->owner > b->owner;
}

static int by_wait(const void *pa, const void *pb)
{
	const struct wait *a = pa, *b = pb;

	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	return (int)a->kind - (int)b->kind;
}

static int by_slack(const void *pa, const void *pb)
{
	const struct slack *a = pa, *b = pb;

	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	if (a->kind != b->kind)
		return (int)a->kind - (int)b->kind;
	return a->wasted > b->wasted ? -1 : a->wasted < b->wasted;
}

static int by_keyed(const void *pa, const void *pb)
{
	const struct keyed *a = pa, *b = pb;

	return a->node < b->node ? -1 : a->node > b->node;
}

static int by_from(const void *pa, const void *pb)
{
	const struct reference *a = pa, *b = pb;

	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static int by_thread(const void *pa, const void *pb)
{
	const struct of_roots *a = pa, *b = pb;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return a->thread < b->thread ? -1 : a->thread > b->thread;
}

static int by_id(const void *pa, const void *pb)
{
	node_id a = *(const node_id *)pa, b = *(const node_id *)pb;

	return a < b ? -1 : a > b;
}

static size_t nodes_once(node_id *v, size_t n)
{
	size_t out = 0;

	for (size_t i = 0; i < n; i++)
		if (!out || v[out - 1] != v[i])
			v[out++] = v[i];
	return out;
}

/* The first of those with one node. */
static void gates_once(struct noting *n)
{
	size_t out = 0;

	for (size_t i = 0; i < n->gates.n; i++)
		if (!out || n->gates.v[out - 1].node != n->gates.v[i].node)
			n->gates.v[out++] = n->gates.v[i];
	n->gates.n = out;
}

/* Of one container and kind the greatest alone: who counts it twice is wrong about one of them. */
static void slacks_once(struct noting *n)
{
	size_t out = 0;

	for (size_t i = 0; i < n->slacks.n; i++) {
		const struct slack *last = out ? &n->slacks.v[out - 1] : NULL;

		if (!last || last->node != n->slacks.v[i].node || last->kind != n->slacks.v[i].kind)
			n->slacks.v[out++] = n->slacks.v[i];
	}
	n->slacks.n = out;
}

static void keyeds_once(struct noting *n)
{
	size_t out = 0;

	for (size_t i = 0; i < n->keyeds.n; i++)
		if (!out || n->keyeds.v[out - 1].node != n->keyeds.v[i].node)
			n->keyeds.v[out++] = n->keyeds.v[i];
	n->keyeds.n = out;
}

static void sort(void *v, size_t n, size_t size, int (*compare)(const void *a, const void *b))
{
	if (n)
		qsort(v, n, size, compare);
}

/* A column of the graph with n rows of `v`; NULL without rows. */
static struct err *own(struct env *env, struct graph *g, const void *v, size_t n, size_t size, const void **ret)
{
	struct col col = {};
	struct err *err;

	if (!n)
		return NULL;
	err = col_open(env, (uint32_t)size, n, "notes", &col);
	if (!err)
		err = col_append(&col, v, n);
	if (err) {
		col_close(&col);
		return err;
	}
	*ret = col.base;
	graph_own(g, &col);
	return NULL;
}

static void own_of_roots(const struct noting *n, struct root_source *sources, uint32_t n_sources)
{
	for (uint32_t i = 0; i < n_sources && n->of_roots.n; i++) {
		struct of_roots key = { .kind = sources[i].kind, .thread = sources[i].thread };
		struct of_roots *hit = bsearch(&key, n->of_roots.v, n->of_roots.n, sizeof(key),
					       by_thread);

		if (hit)
			sources[i].owner = hit->owner;
	}
}

static struct err *give(struct env *env, struct noting *n, struct graph *g)
{
	const void *owners = NULL, *gates = NULL, *waits = NULL, *slacks = NULL;
	const void *contents = NULL, *copies = NULL, *finalizable = NULL, *queued = NULL;
	const void *keyeds = NULL, *key_edges = NULL, *counteds = NULL, *references = NULL;
	struct err *err;

	sort(n->gates.v, n->gates.n, sizeof(struct gate), by_gate);
	sort(n->waits.v, n->waits.n, sizeof(struct wait), by_wait);
	sort(n->slacks.v, n->slacks.n, sizeof(struct slack), by_slack);
	sort(n->of_roots.v, n->of_roots.n, sizeof(struct of_roots), by_thread);
	sort(n->finalizable.v, n->finalizable.n, sizeof(node_id), by_id);
	n->finalizable.n = nodes_once(n->finalizable.v, n->finalizable.n);
	sort(n->queued.v, n->queued.n, sizeof(node_id), by_id);
	n->queued.n = nodes_once(n->queued.v, n->queued.n);
	gates_once(n);
	slacks_once(n);
	sort(n->keyeds.v, n->keyeds.n, sizeof(struct keyed), by_keyed);
	keyeds_once(n);
	sort(n->references.v, n->references.n, sizeof(struct reference), by_from);
	err = own(env, g, n->owners.v, n->owners.n, sizeof(struct owner), &owners);
	if (!err)
		err = own(env, g, n->gates.v, n->gates.n, sizeof(struct gate), &gates);
	if (!err)
		err = own(env, g, n->waits.v, n->waits.n, sizeof(struct wait), &waits);
	if (!err)
		err = own(env, g, n->slacks.v, n->slacks.n, sizeof(struct slack), &slacks);
	if (!err)
		err = own(env, g, n->contents.v, n->contents.n, sizeof(struct content), &contents);
	if (!err)
		err = own(env, g, n->copies.v, n->copies.n, sizeof(struct copy), &copies);
	if (!err)
		err = own(env, g, n->finalizable.v, n->finalizable.n, sizeof(node_id),
			  &finalizable);
	if (!err)
		err = own(env, g, n->keyeds.v, n->keyeds.n, sizeof(struct keyed), &keyeds);
	if (!err)
		err = own(env, g, n->key_edges.v, n->key_edges.n, sizeof(edge_id), &key_edges);
	if (!err)
		err = own(env, g, n->queued.v, n->queued.n, sizeof(node_id), &queued);
	if (!err)
		err = own(env, g, n->counteds.v, n->counteds.n, sizeof(struct counted), &counteds);
	if (!err)
		err = own(env, g, n->references.v, n->references.n, sizeof(struct reference), &references);
	if (err)
		return err;
	g->counteds = counteds;
	g->n_counteds = (uint32_t)n->counteds.n;
	g->references = references;
	g->n_references = n->references.n;
	g->contents = contents;
	g->n_contents = (uint32_t)n->contents.n;
	g->copies = copies;
	g->n_copies = n->copies.n;
	g->owners = owners;
	g->n_owners = (uint32_t)n->owners.n;
	g->gates = gates;
	g->n_gates = (uint32_t)n->gates.n;
	g->waits = waits;
	g->n_waits = (uint32_t)n->waits.n;
	g->slacks = slacks;
	g->n_slacks = n->slacks.n;
	g->keyeds = keyeds;
	g->n_keyeds = n->keyeds.n;
	g->key_edges = key_edges;
	g->finalizable = finalizable;
	g->n_finalizable = n->finalizable.n;
	g->queued = queued;
	g->n_queued = n->queued.n;
	own_of_roots(n, (struct root_source *)g->sources, g->n_sources);
	return NULL;
}

struct err *noting_run(struct env *env, const struct image *img, const struct blocks *blocks,
		       const struct typing *typing, const struct noter_ops *const *noters, struct graph *g)
{
	_cleanup_(noting_fini) struct noting n = {
		.sink = { on_owner, on_gate, on_roots, on_finalizable, on_queued, on_wait, on_slack,
			  on_keyed, on_content, on_copy, on_counted, on_reference, typing },
		.g = g,
	};
	struct err *err = NULL;

	for (size_t i = 0; noters[i] && !err; i++) {
		err = noters[i]->find(env, img, blocks, g, &n.sink);
		if (err)
			return err_wrap(err, "notes of %s", noters[i]->name);
	}
	return give(env, &n, g);
}
