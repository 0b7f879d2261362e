/*
 * analysis/chain.c - chains by the breadth-first tree and by the dominator tree, folded.
 *
 * A hop is folded into the one beside it when both are of one size and found at one offset.  A
 * folded hop keeps the address of its last block, so that the next hop's offset is inside it.
 * Chains may be millions of hops long: nothing here keeps more than HOPS_MAX of them, and past
 * OFFSETS_MAX steps likeness is judged by size alone.  Blocks that are one thing to who reads (a
 * map's header and its slots) are one hop.
 */
#include "analysis/chain.h"

#include <inttypes.h>
#include <string.h>

#include "base/guard.h"
#include "base/vec.h"

enum {
	HOPS_MAX = 512,
	HELD_HOPS_MAX = 6,
	OFFSETS_MAX = 1 << 16,
	EDGES_MAX = 1 << 16,
	STALE_ROWS = 4,
};

struct hops {
	struct rp_hop *v;
	size_t n, cap;
	uint64_t steps;
	uint64_t near; /* graph_size_near() */
};

static void free_hops(struct hops *h)
{
	free(h->v);
}

const char *report_text(struct report *r, const struct text *t)
{
	return arena_strdup(&r->mem, text_str(t));
}

void add_blocks_of(struct text *t, uint64_t size, bool one)
{
	text_add(t, one ? "block of " : "blocks of ");
	if (size < 1024)
		text_printf(t, "%" PRIu64 " bytes", size);
	else
		text_add_bytes(t, size);
}

const char *slack_rule(enum slack_kind kind)
{
	static const char *const rule_ids[SLACK_KINDS] = {
		[SLACK_MAP] = "slack/map-dead",
		[SLACK_CAPACITY] = "slack/capacity",
		[SLACK_SUBSLICE] = "slack/subslice",
		[SLACK_EMPTY] = "slack/empty",
	};

	return rule_ids[kind];
}

bool is_thread_cache(const char *where)
{
	return !strcmp(where, "tcache") || !strcmp(where, "thread-cache") ||
	       !strcmp(where, "cpu-cache");
}

struct err *addresses_add(const struct subject *s, struct report *r, const node_id *nodes,
			  uint64_t count, struct rp_suspect *suspect)
{
	size_t n = count < SUSPECT_ADDRESSES ? count : SUSPECT_ADDRESSES;

	suspect->addresses = arena_alloc(&r->mem, SUSPECT_ADDRESSES * sizeof(*suspect->addresses));
	if (!suspect->addresses)
		return &err_nomem;
	for (size_t i = 0; i < n; i++)
		suspect->addresses[i] = graph_key(s->graph, nodes[i]);
	suspect->n_addresses = n;
	return NULL;
}

struct err *evidence_add(struct report *r, struct rp_suspect *suspect, const char *what,
			 const char *value)
{
	struct rp_evidence *row;

	if (suspect->n_evidence == EVIDENCE_MAX)
		return NULL;
	if (!suspect->evidence)
		suspect->evidence = arena_alloc(&r->mem, EVIDENCE_MAX * sizeof(*row));
	value = arena_strdup(&r->mem, value);
	if (!suspect->evidence || !value)
		return &err_nomem;
	row = &suspect->evidence[suspect->n_evidence++];
	row->what = what;
	row->value = value;
	return NULL;
}

struct err *evidence_held(struct report *r, struct rp_suspect *suspect, const char *what,
			  uint64_t count, uint64_t bytes)
{
	struct text t = TEXT_INIT;
	struct err *err;

	if (!count)
		return NULL;
	text_add_count(&t, count);
	text_add(&t, count == 1 ? " block, " : " blocks, ");
	text_add_bytes(&t, bytes);
	err = evidence_add(r, suspect, what, text_str(&t));
	text_fini(&t);
	return err;
}

/* Of many blocks the same may be said. */
static bool is_shown(const struct rp_suspect *suspect, const char *value)
{
	for (size_t i = 0; i < suspect->n_evidence; i++)
		if (!strcmp(suspect->evidence[i].value, value))
			return true;
	return false;
}

struct err *evidence_stale(const struct subject *s, struct report *r, struct rp_suspect *suspect,
			   bool (*is_ours)(const void *ctx, node_id node), const void *ctx)
{
	unsigned rows = 0;

	for (size_t i = 0; i < s->n_stale && rows < STALE_ROWS; i++) {
		struct err *err;

		if (!is_ours(ctx, s->stale[i].node) || is_shown(suspect, s->stale[i].what))
			continue;
		err = evidence_add(r, suspect, s->stale[i].how, s->stale[i].what);
		if (err)
			return err;
		rows++;
	}
	return NULL;
}

struct err *finding_add(struct report *r, const char *rule, int64_t suspect, const char *message)
{
	struct rp_finding f = { .rule = rule,
				.suspect = suspect,
				.message = arena_strdup(&r->mem, message) };

	if (!f.message || !vec_push(&r->findings, &f))
		return &err_nomem;
	return NULL;
}

/* By how the name is written: ".next", "[3]", `["key"]`, ` key "key"`. */
static const char *named_kind(const char *name)
{
	const char *close = strchr(name, ']');

	if (name[0] == ' ')
		return "key";
	if (name[0] != '[')
		return "field";
	return close && strspn(name + 1, "0123456789") == (size_t)(close - name - 1) ? "element" :
										       "value";
}

/* How dst is found in src; via_kind stays NULL when the producer cannot tell. */
static void set_via(const struct graph *g, node_id src, node_id dst, struct rp_hop *hop)
{
	struct edge_label label = {};

	if (!g->ops || !g->ops->edge || !g->ops->edge(g->ctx, src, dst, &label))
		return;
	hop->via_kind = label.into ? "interior" : "scanned";
	if (label.exact && label.name)
		hop->via_kind = named_kind(label.name);
	hop->via_name = label.name;
	hop->via_offset = label.offset;
}

/* Two blocks and one thing to whoever reads: the slots of a map, behind its header. */
static bool is_same_thing(const struct rp_hop *hop)
{
	return hop->via_name && !*hop->via_name;
}

/* What it is found in is only a variable of its own: to who reads, it stands where that is. */
static bool is_boxed(const struct rp_hop *hop)
{
	return hop->via_name && !strcmp(hop->via_name, "*");
}

static void take_via(struct rp_hop *hop, const struct rp_hop *from)
{
	hop->via_kind = from->via_kind;
	hop->via_name = from->via_name;
	hop->via_offset = from->via_offset;
}

static struct rp_hop block_hop(const struct graph *g, node_id node)
{
	return (struct rp_hop){ .address = graph_key(g, node),
				.size = graph_size(g, node),
				.type = node_type(g, node),
				.repeat = 1 };
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool like(const struct hops *h, const struct rp_hop *a, const struct rp_hop *b)
{
	bool same_kind = a->via_kind && b->via_kind && !strcmp(a->via_kind, b->via_kind);
	/* The branches of a tree have different names, and are alike. */
	bool fields = same_kind && a->type && !strcmp(a->via_kind, "field");
	bool same_via = same_kind && (fields || (a->via_offset == b->via_offset &&
						 same_text(a->via_name, b->via_name)));

	return a->size == b->size && same_text(a->type, b->type) &&
	       (same_via || h->steps > OFFSETS_MAX);
}

static void fold(struct rp_hop *into, const struct rp_hop *hop)
{
	into->repeat++;
	into->is_mixed |= !same_text(into->via_name, hop->via_name);
}

/*
 * `enters`: where it is found is no more of its kind; a list's head is no step along it.
 */
static bool is_step(const struct hops *h, const struct rp_hop *last, const struct rp_hop *hop,
		    bool enters)
{
	return like(h, last, hop) && !(enters && !same_text(last->via_name, hop->via_name));
}

/* Adds a hop above the ones there: the walk goes up, so the address of the last block is kept. */
static bool push_above(struct hops *h, const struct rp_hop *hop, bool may_fold, bool enters)
{
	struct rp_hop *last = h->n ? &h->v[h->n - 1] : NULL;

	h->steps++;
	if (last && is_boxed(last)) {
		take_via(last, hop);
		if (h->n > 1 && !is_boxed(last) && like(h, last - 1, last)) {
			fold(last - 1, last);
			h->n--;
		}
		return true;
	}
	if (last && is_same_thing(hop))
		return true;
	if (last && may_fold && !is_boxed(hop) &&
	    (is_step(h, last, hop, enters) || h->n == HOPS_MAX)) {
		fold(last, hop);
		return true;
	}
	return vec_push(h, hop);
}

/* The same for a walk down: the folded hop moves on to the block just met. */
static bool push_below(struct hops *h, const struct rp_hop *hop)
{
	struct rp_hop *last = h->n ? &h->v[h->n - 1] : NULL;

	h->steps++;
	if (last && is_boxed(hop)) {
		struct rp_hop box = *last;

		*last = *hop;
		take_via(last, &box);
		return true;
	}
	if (last && is_same_thing(hop))
		return true;
	if (last && h->n > 1 && like(h, last, hop)) {
		fold(last, hop);
		last->address = hop->address;
		return true;
	}
	return vec_push(h, hop);
}

static struct err *keep_hops(struct report *r, const struct hops *h, bool reversed,
			     struct rp_chain *ret)
{
	ret->hops = arena_alloc(&r->mem, (h->n + 1) * sizeof(*ret->hops));
	if (!ret->hops)
		return &err_nomem;
	for (size_t i = 0; i < h->n; i++)
		ret->hops[i] = h->v[reversed ? h->n - 1 - i : i];
	ret->n_hops = h->n;
	return NULL;
}

/* A text of the report, NULL for an empty one; false when out of memory. */
static bool text_or_null(struct report *r, const struct text *t, const char **ret)
{
	*ret = t->n ? report_text(r, t) : NULL;
	return *ret || !t->n;
}

static struct err *root_place(const struct graph *g, struct report *r, uint32_t root,
			      struct rp_root *ret)
{
	struct root_place p = ROOT_PLACE_INIT;
	bool ok;

	if (!g->ops || !g->ops->place)
		return NULL;
	g->ops->place(g->ctx, root, &p);
	ret->goroutine = p.goroutine;
	ok = text_or_null(r, &p.function, &ret->function) &&
	     text_or_null(r, &p.frame, &ret->frame) &&
	     text_or_null(r, &p.variable, &ret->variable) &&
	     text_or_null(r, &p.file, &ret->file);
	ret->line = p.line;
	root_place_fini(&p);
	return ok ? NULL : &err_nomem;
}

/* The root as a report names it. */
static struct err *root_words(const struct subject *s, struct report *r, uint32_t root,
			      struct rp_root *ret)
{
	const struct graph *g = s->graph;
	const struct root_source *src = &g->sources[g->root_source[root]];
	struct text words = TEXT_INIT;
	const char *name = NULL;
	bool named = src->kind == ROOT_GLOBAL || src->kind == ROOT_TLS;

	if (g->ops && g->ops->root)
		g->ops->root(g->ctx, root, &words);
	if (words.n)
		name = report_text(r, &words);
	if (words.n && !name) {
		text_fini(&words);
		return &err_nomem;
	}
	text_fini(&words);
	*ret = (struct rp_root){
		.kind = root_kind_name(src->kind),
		.symbol = named ? name : NULL,
		.source = named ? NULL : name,
		.address = root_is_register(src->kind) ? 0 : g->root_at[root],
	};
	if (src->module >= 0 && (size_t)src->module < r->modules.n)
		ret->module = r->modules.v[src->module].path;
	if (src->kind != ROOT_GOROUTINE && src->thread < r->threads.n)
		ret->thread = r->threads.v[src->thread].tid;
	return root_place(g, r, root, ret);
}

/* Which way a chain goes up: by the breadth-first tree, or along a path that was found. */
struct way {
	const uint32_t *parent;
	const struct path *path;
	uint64_t at; /* in the path */
};

/* As facts.parent has it. */
static uint32_t way_up(struct way *w, node_id node)
{
	if (!w->path)
		return w->parent[node];
	w->at++;
	return w->at < w->path->n ? w->path->nodes[w->at] : PARENT_ROOT | w->path->root;
}

/*
 * Far from where it began a chain is mostly a list of millions: a hop of the type and size of the
 * one before folds into it, as push_above() would find.
 */
static bool folds_on(struct hops *h, const struct graph *g, node_id node, node_id last)
{
	if (h->steps <= OFFSETS_MAX || last == NODE_NONE ||
	    graph_type(g, node) != graph_type(g, last) ||
	    graph_size_near(g, node, &h->near) != h->v[h->n - 1].size)
		return false;
	h->steps++;
	h->v[h->n - 1].repeat++;
	return true;
}

static const char *root_via(const struct graph *g, uint32_t root)
{
	if (g->root_node[root] & EDGE_INTERIOR)
		return "interior";
	return g->sources[g->root_source[root]].exact ? "exact" : "scanned";
}

static struct err *chain_up(const struct subject *s, struct report *r, node_id node, struct way way,
			    struct rp_chain *ret)
{
	_cleanup_(free_hops) struct hops h = {};
	const struct graph *g = s->graph;
	node_id last = NODE_NONE;
	struct err *err;

	memset(ret, 0, sizeof(*ret));
	for (node_id steps = 0; steps < g->n; steps++) {
		uint32_t up = way_up(&way, node);
		bool at_root = up & PARENT_ROOT, enters;
		struct rp_hop hop;

		if (!at_root && folds_on(&h, g, node, last)) {
			node = up;
			continue;
		}
		hop = block_hop(g, node);
		if (at_root)
			hop.via_kind = root_via(g, up & ~PARENT_ROOT);
		else if (h.steps <= OFFSETS_MAX)
			set_via(g, up, node, &hop);
		enters = !at_root && graph_type(g, up) != graph_type(g, node);
		if (!push_above(&h, &hop, !at_root, enters))
			return &err_nomem;
		if (at_root) {
			err = root_words(s, r, up & ~PARENT_ROOT, &ret->root);
			if (err)
				return err;
			break;
		}
		last = is_same_thing(&hop) ? NODE_NONE : node;
		node = up;
	}
	return keep_hops(r, &h, true, ret);
}

struct err *chain_to(const struct subject *s, struct report *r, node_id node, struct rp_chain *ret)
{
	const uint32_t *parent = s->facts->parent;

	if (!parent || parent[node] == NODE_NONE)
		return chain_held(s, r, node, ret);
	return chain_up(s, r, node, (struct way){ .parent = parent }, ret);
}

struct err *chain_along(const struct subject *s, struct report *r, const struct path *path,
			struct rp_chain *ret)
{
	return chain_up(s, r, path->nodes[0], (struct way){ .path = path }, ret);
}

/* Of what `node` points at and alone keeps, the one that retains most. */
static node_id largest_held(const struct subject *s, node_id node)
{
	const struct graph *g = s->graph;
	const struct facts *f = s->facts;
	edge_id first = graph_row(g, node), end = graph_row(g, node + 1);
	node_id best = NODE_NONE;

	if (end - first > EDGES_MAX)
		end = first + EDGES_MAX;
	for (edge_id e = first; e < end; e++) {
		node_id child = EDGE_NODE(g->dst[e]);

		if (f->idom[child] != node || child == node)
			continue;
		if (best == NODE_NONE || facts_retained(f, child) > facts_retained(f, best) ||
		    (facts_retained(f, child) == facts_retained(f, best) && child < best))
			best = child;
	}
	return best;
}

struct err *chain_held(const struct subject *s, struct report *r, node_id head,
		       struct rp_chain *ret)
{
	_cleanup_(free_hops) struct hops h = {};
	const struct graph *g = s->graph;
	struct rp_hop hop = block_hop(g, head);
	node_id node = head;

	memset(ret, 0, sizeof(*ret));
	if (!push_below(&h, &hop))
		return &err_nomem;
	for (node_id steps = 0; steps < g->n && s->facts->idom; steps++) {
		node_id child = largest_held(s, node);

		if (child == NODE_NONE)
			break;
		hop = block_hop(g, child);
		if (h.steps <= OFFSETS_MAX)
			set_via(g, node, child, &hop);
		if (h.n == HELD_HOPS_MAX && !like(&h, &h.v[h.n - 1], &hop))
			break;
		if (!push_below(&h, &hop))
			return &err_nomem;
		node = child;
	}
	return keep_hops(r, &h, false, ret);
}

/* Some roots in words begin with their kind: "stack of thread 12". */
static void add_root(const struct graph *g, uint32_t root, struct text *ret)
{
	const char *kind = root_kind_name(g->sources[g->root_source[root]].kind);
	struct text words = TEXT_INIT;

	if (g->ops && g->ops->root)
		g->ops->root(g->ctx, root, &words);
	if (!text_begins(text_str(&words), kind))
		text_printf(ret, "%s ", kind);
	text_add(ret, text_str(&words));
	text_fini(&words);
}

void entry_words(const struct graph *g, struct entry entry, node_id into, struct text *ret)
{
	struct edge_label label = {};
	bool known;

	if (entry.kind == ENTRY_ROOT) {
		add_root(g, entry.from, ret);
		return;
	}
	known = g->ops && g->ops->edge && g->ops->edge(g->ctx, entry.from, into, &label);
	graph_name_node(g, entry.from, graph_size(g, entry.from), ret);
	if (known && label.name)
		text_add(ret, label.name);
	text_printf(ret, " (%#" PRIx64, graph_key(g, entry.from));
	if (known)
		text_printf(ret, " +0x%" PRIx64, label.offset);
	text_add(ret, ")");
}

bool chain_is_of_timers(const struct rp_chain *chain)
{
	for (size_t i = 0; i + 1 < chain->n_hops; i++) {
		const char *type = chain->hops[i].type, *via = chain->hops[i + 1].via_name;

		if (type && via && !strcmp(type, "runtime.p") &&
		    !strncmp(via, ".timers", strlen(".timers")))
			return true;
	}
	return false;
}
