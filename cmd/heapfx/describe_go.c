/*
 * describe_go.c - the Go runtime -> report.go: version, goroutines by stack.
 *
 * Goroutines that stand at the same place for the same reason are one group; the largest groups
 * come first, and each goroutine is listed up to a limit that is said.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/vec.h"
#include "heap/go_memstats.h"
#include "image/go_sched.h"
#include "pipeline.h"

enum {
	GROUPS_MAX = 256,
	LIST_MAX = 4096,
	IDS_MAX = 16,	/* of a group */
	LEVELS_MAX = 48, /* of a stack, inlined calls included */
};

/* ---- groups ---- */

static int by_kind(const void *pa, const void *pb)
{
	const struct goroutine *const *a = pa, *const *b = pb;
	int diff = goroutine_compare(*a, *b);

	return diff ? diff : (*a)->id < (*b)->id ? -1 : (*a)->id > (*b)->id;
}

struct group {
	const struct goroutine *const *v; /* by id */
	size_t n;
};

static int by_count(const void *pa, const void *pb)
{
	const struct group *a = pa, *b = pb;

	if (a->n != b->n)
		return a->n < b->n ? 1 : -1;
	return a->v[0]->id < b->v[0]->id ? -1 : a->v[0]->id > b->v[0]->id;
}

static size_t find_groups(const struct goroutine **v, size_t n, struct group *groups)
{
	size_t n_groups = 0;

	qsort(v, n, sizeof(*v), by_kind);
	for (size_t i = 0; i < n; i++) {
		if (i && !goroutine_compare(v[i - 1], v[i]))
			groups[n_groups - 1].n++;
		else
			groups[n_groups++] = (struct group){ &v[i], 1 };
	}
	qsort(groups, n_groups, sizeof(*groups), by_count);
	return n_groups;
}

/* ---- stacks ---- */

struct stack_sink {
	struct report *r;
	struct rp_node *list;
	unsigned n;
};

static void add_level(void *arg, const char *function, const char *file, unsigned line)
{
	struct stack_sink *s = arg;
	struct rp_node *level;

	if (s->n++ >= LEVELS_MAX)
		return;
	level = node_map(s->r, s->list, NULL);
	node_text(s->r, level, "function", function);
	node_text(s->r, level, "file", file);
	if (line)
		node_uint(s->r, level, "line", NODE_COUNT, line);
}

static void add_stack(struct run *run, struct rp_node *node, const struct goroutine *g)
{
	struct stack_sink s = { &run->report, node_list(&run->report, node, "stack"), 0 };

	for (size_t i = 0; i < g->n_frames && s.n < LEVELS_MAX; i++)
		go_source(run->image->go, g->frames[i].pc - (i && g->frames[i].pc ? 1 : 0),
			  add_level, &s);
}

/* One place in the source: the innermost level alone. */
struct place {
	const char *function, *file;
	unsigned line;
	struct report *r;
};

static void take_place(void *arg, const char *function, const char *file, unsigned line)
{
	struct place *p = arg;

	if (p->function)
		return;
	p->function = arena_strdup(&p->r->mem, function);
	p->file = file ? arena_strdup(&p->r->mem, file) : NULL;
	p->line = line;
}

static struct place place_of(struct run *run, taddr pc)
{
	struct place p = { .r = &run->report };

	if (pc)
		go_source(run->image->go, pc - 1, take_place, &p);
	return p;
}

static void add_creator(struct run *run, struct rp_node *node, const struct goroutine *g)
{
	struct place p = place_of(run, g->go_pc);
	struct rp_node *by;

	if (!p.function)
		return;
	by = node_map(&run->report, node, "created_by");
	node_text(&run->report, by, "function", p.function);
	node_text(&run->report, by, "file", p.file);
	if (p.line)
		node_uint(&run->report, by, "line", NODE_COUNT, p.line);
}

static uint64_t stack_used(const struct goroutine *g)
{
	return g->sp >= g->stack_low && g->sp < g->stack_high ? g->stack_high - g->sp : 0;
}

/* ---- what a reader sees ---- */

static void add_group(struct run *run, struct rp_node *list, const struct group *group)
{
	struct report *r = &run->report;
	const struct goroutine *g = group->v[0];
	struct rp_node *node = node_map(r, list, NULL), *ids;
	uint64_t bytes = 0, used = 0, waited = 0;

	node_uint(r, node, "count", NODE_COUNT, group->n);
	node_text(r, node, "state", go_status_name(g->status));
	node_text(r, node, "wait_reason", g->wait_reason);
	node_uint(r, node, "system", NODE_BOOL, g->is_system);
	for (size_t i = 0; i < group->n; i++) {
		bytes += group->v[i]->stack_high - group->v[i]->stack_low;
		used += stack_used(group->v[i]);
		if (goroutine_waited(run->image->go, group->v[i]) > waited)
			waited = goroutine_waited(run->image->go, group->v[i]);
	}
	if (waited)
		node_uint(r, node, "waited_at_least", NODE_COUNT, waited);
	node_uint(r, node, "stack_bytes", NODE_BYTES, bytes);
	node_uint(r, node, "stack_used", NODE_BYTES, used);
	ids = node_list(r, node, "ids");
	for (size_t i = 0; i < group->n && i < IDS_MAX; i++)
		node_uint(r, ids, NULL, NODE_COUNT, group->v[i]->id);
	add_stack(run, node, g);
	add_creator(run, node, g);
}

static void add_goroutine(struct run *run, struct rp_node *list, const struct goroutine *g,
			  const uint32_t *group_of)
{
	uint64_t waited = goroutine_waited(run->image->go, g);
	struct report *r = &run->report;
	struct rp_node *node = node_map(r, list, NULL);

	node_uint(r, node, "id", NODE_COUNT, g->id);
	node_text(r, node, "state", go_status_name(g->status));
	node_text(r, node, "wait_reason", g->wait_reason);
	if (g->wait_since)
		node_int(r, node, "wait_since", g->wait_since);
	if (waited)
		node_uint(r, node, "waited_at_least", NODE_COUNT, waited);
	if (g->parent)
		node_uint(r, node, "parent", NODE_COUNT, g->parent);
	if (g->is_system)
		node_uint(r, node, "system", NODE_BOOL, true);
	if (g->thread < run->image->n_threads)
		node_uint(r, node, "thread", NODE_COUNT, run->image->threads[g->thread].tid);
	node_uint(r, node, "stack_bytes", NODE_BYTES, g->stack_high - g->stack_low);
	if (stack_used(g))
		node_uint(r, node, "stack_used", NODE_BYTES, stack_used(g));
	node_uint(r, node, "unwound", NODE_BOOL, g->complete);
	if (group_of[g - run->image->go->goroutines] < GROUPS_MAX)
		node_uint(r, node, "group", NODE_COUNT, group_of[g - run->image->go->goroutines]);
}

/* Live goroutines by state and by wait reason: {"waiting": 12}. */
static void add_counts(struct run *run, struct rp_node *node, const struct goroutine *const *v,
		       size_t n)
{
	struct report *r = &run->report;
	struct rp_node *states = node_map(r, node, "by_state"), *reasons;
	uint64_t count[GO_DEADEXTRA + 1] = {};

	for (size_t i = 0; i < n; i++)
		count[v[i]->status <= GO_DEADEXTRA ? v[i]->status : GO_IDLE]++;
	for (unsigned s = 0; s <= GO_DEADEXTRA; s++)
		if (count[s])
			node_uint(r, states, go_status_name(s), NODE_COUNT, count[s]);
	reasons = node_map(r, node, "by_wait_reason");
	for (size_t i = 0; i < n; i++) { /* few reasons: found by walking what is there */
		struct rp_node *at = reasons ? reasons->first : NULL;

		if (!v[i]->wait_reason)
			continue;
		while (at && strcmp(at->key, v[i]->wait_reason))
			at = at->next;
		if (at)
			at->u++;
		else
			node_uint(r, reasons, arena_strdup(&r->mem, v[i]->wait_reason), NODE_COUNT,
				  1);
	}
}

static size_t live_goroutines(const struct go *go, const struct goroutine **v)
{
	size_t n = 0;

	for (size_t i = 0; i < go->n_goroutines; i++)
		if (go->goroutines[i].status != GO_DEAD &&
		    go->goroutines[i].status != GO_DEADEXTRA && go->goroutines[i].status != GO_IDLE)
			v[n++] = &go->goroutines[i];
	return n;
}

static struct err *describe_goroutines(struct run *run, struct rp_node *parent)
{
	const struct go *go = run->image->go;
	struct report *r = &run->report;
	_free_ const struct goroutine **v = calloc(go->n_goroutines + 1, sizeof(*v));
	_free_ const struct goroutine **sorted = calloc(go->n_goroutines + 1, sizeof(*sorted));
	_free_ struct group *groups = calloc(go->n_goroutines + 1, sizeof(*groups));
	_free_ uint32_t *group_of = calloc(go->n_goroutines + 1, sizeof(*group_of));
	struct rp_node *node = node_map(r, parent, "goroutines"), *list;
	size_t n, n_groups, n_system = 0;

	if (!v || !sorted || !groups || !group_of)
		return &err_nomem;
	n = live_goroutines(go, v);
	memcpy(sorted, v, n * sizeof(*v));
	n_groups = find_groups(sorted, n, groups);
	for (size_t i = 0; i < n; i++)
		n_system += v[i]->is_system;
	for (size_t i = 0; i < n_groups; i++)
		for (size_t k = 0; k < groups[i].n; k++)
			group_of[groups[i].v[k] - go->goroutines] = (uint32_t)i;
	node_uint(r, node, "count", NODE_COUNT, n - n_system);
	node_uint(r, node, "system", NODE_COUNT, n_system);
	add_counts(run, node, v, n);
	if (go->clock)
		node_int(r, node, "clock", go->clock);
	node_uint(r, node, "groups_total", NODE_COUNT, n_groups);
	list = node_list(r, node, "groups");
	for (size_t i = 0; i < n_groups && i < GROUPS_MAX; i++)
		add_group(run, list, &groups[i]);
	node_uint(r, node, "listed", NODE_COUNT, n < LIST_MAX ? n : LIST_MAX);
	list = node_list(r, node, "list");
	for (size_t i = 0; i < n && i < LIST_MAX; i++)
		add_goroutine(run, list, v[i], group_of);
	return NULL;
}

/* The owner of each goroutine's roots, + 1; 0: it has no roots. */
static void find_owners(const struct graph *g, uint32_t *owners, size_t n)
{
	for (uint32_t i = 0; i < g->n_sources; i++)
		if (g->sources[i].kind == ROOT_GOROUTINE && g->sources[i].thread < n)
			owners[g->sources[i].thread] = g->sources[i].owner;
}

/* A place where some can be woken by others alone, and some by anybody, has two owners. */
static struct total held_by(const struct run *run, const struct group *group,
			    const uint32_t *owners)
{
	uint32_t seen[2] = {};
	struct total t = {};

	for (size_t i = 0; i < group->n; i++) {
		uint32_t owner = owners[group->v[i] - run->image->go->goroutines];
		const struct total *of;

		if (!owner || owner == seen[0] || owner == seen[1])
			continue;
		seen[seen[0] != 0] = owner;
		of = &run->facts.group_total[owner - 1];
		t.count += of->count;
		t.bytes += of->bytes;
	}
	return t;
}

static struct rp_node *child(struct rp_node *node, const char *key)
{
	struct rp_node *at = node ? node->first : NULL;

	while (at && strcmp(at->key, key))
		at = at->next;
	return at;
}

static int by_place(const void *pa, const void *pb)
{
	const struct rp_goroutines *a = pa, *b = pb;

	return strcmp(a->place, b->place);
}

static int by_kept(const void *pa, const void *pb)
{
	const struct rp_goroutines *a = pa, *b = pb;
	uint64_t of_a = a->retained + a->stacks, of_b = b->retained + b->stacks;

	if (of_a != of_b)
		return of_a < of_b ? 1 : -1;
	return by_place(pa, pb);
}

/* The places where goroutines stand, whether anybody may wake them or not. */
static struct err *list_places(struct run *run)
{
	const struct graph *g = run->graph;
	struct report *r = &run->report;
	size_t out = 0;

	for (uint32_t i = 0; i < g->n_owners; i++) {
		const struct owner *o = &g->owners[i];
		struct rp_goroutines row = {
			.count = o->count, .stacks = o->stacks,
			.retained = run->facts.group_total[i].bytes,
		};

		if (o->kind != OWNER_GOROUTINES && o->kind != OWNER_STUCK)
			continue;
		row.place = arena_strdup(&r->mem, o->name);
		if (!row.place || !vec_push(&r->goroutines, &row))
			return &err_nomem;
	}
	if (r->goroutines.n)
		qsort(r->goroutines.v, r->goroutines.n, sizeof(*r->goroutines.v), by_place);
	for (size_t i = 0; i < r->goroutines.n; i++) {
		struct rp_goroutines *last = out ? &r->goroutines.v[out - 1] : NULL;
		const struct rp_goroutines *row = &r->goroutines.v[i];

		if (!last || strcmp(last->place, row->place)) {
			r->goroutines.v[out++] = *row;
			continue;
		}
		last->count += row->count;
		last->stacks += row->stacks;
		last->retained += row->retained;
	}
	r->goroutines.n = out;
	if (out)
		qsort(r->goroutines.v, out, sizeof(*r->goroutines.v), by_kept);
	return NULL;
}

struct err *describe_go_held(struct run *run)
{
	const struct go *go = run->image->go;
	struct report *r = &run->report;
	struct rp_node *node = r->go ? child(child(r->go, "goroutines"), "groups") : NULL;
	_free_ const struct goroutine **v = NULL;
	_free_ struct group *groups = NULL;
	_free_ uint32_t *owners = NULL;
	size_t n_groups;
	struct err *err;

	if (!node || !run->facts.group_total)
		return NULL;
	err = list_places(run);
	if (err)
		return err;
	v = calloc(go->n_goroutines + 1, sizeof(*v));
	groups = calloc(go->n_goroutines + 1, sizeof(*groups));
	owners = calloc(go->n_goroutines + 1, sizeof(*owners));
	if (!v || !groups || !owners)
		return &err_nomem;
	n_groups = find_groups(v, live_goroutines(go, v), groups);
	find_owners(run->graph, owners, go->n_goroutines);
	node = node->first;
	for (size_t i = 0; i < n_groups && node; i++, node = node->next) {
		struct total held = held_by(run, &groups[i], owners);

		node_uint(r, node, "retained_count", NODE_COUNT, held.count);
		node_uint(r, node, "retained", NODE_BYTES, held.bytes);
	}
	return report_nodes_failed(r) ? &err_nomem : NULL;
}

/* Recomputed figures under MemStats' own names; beside them what the runtime itself counted. */
static void describe_memstats(struct run *run, const struct go_memstats *m)
{
	struct report *r = &run->report;
	struct rp_node *computed = node_map(r, r->go, "memstats"), *counted;

	for (unsigned i = 0; i < GO_FIGURES; i++) {
		const struct go_figure *f = &m->figures[i];
		uint64_t value = f->is_computed ? f->computed : f->counted;

		if (f->is_computed || f->is_counted)
			node_uint(r, computed, f->name, NODE_COUNT, value);
	}
	if (m->has_gc_percent)
		node_int(r, computed, "GOGC", m->gc_percent);
	if (m->has_memory_limit)
		node_uint(r, computed, "GOMEMLIMIT", NODE_BYTES, m->memory_limit);
	counted = node_map(r, r->go, "memstats_runtime");
	for (unsigned i = 0; i < GO_FIGURES; i++) {
		const struct go_figure *f = &m->figures[i];

		if (f->is_counted)
			node_uint(r, counted, f->name, NODE_COUNT, f->counted);
	}
}

static void describe_spans(struct run *run, const struct go_memstats *m)
{
	struct report *r = &run->report;
	struct rp_node *spans = node_map(r, r->go, "spans"), *list;

	node_uint(r, spans, "in_use", NODE_COUNT, m->n_spans);
	node_uint(r, spans, "unswept", NODE_COUNT, m->n_unswept);
	node_uint(r, spans, "manual", NODE_COUNT, m->n_manual);
	node_uint(r, spans, "idle", NODE_BYTES, m->idle);
	node_uint(r, spans, "returned", NODE_BYTES, m->returned);
	list = node_list(r, spans, "classes");
	for (unsigned i = 0; i < GO_CLASSES; i++) {
		const struct go_class *c = &m->classes[i];
		struct rp_node *node = c->n_spans ? node_map(r, list, NULL) : NULL;

		if (!node)
			continue;
		if (c->elemsize)
			node_uint(r, node, "size", NODE_BYTES, c->elemsize);
		node_uint(r, node, "spans", NODE_COUNT, c->n_spans);
		node_uint(r, node, "bytes", NODE_BYTES, c->bytes);
		node_uint(r, node, "objects", NODE_COUNT, c->n_used);
		node_uint(r, node, "used", NODE_BYTES, c->used);
		node_uint(r, node, "free_slots", NODE_COUNT, c->n_free);
	}
}

struct err *describe_go(struct run *run)
{
	const struct go *go = run->image->go;
	const struct go_memstats *m = go && run->has_blocks ? go_memstats_of(&run->blocks) : NULL;
	struct report *r = &run->report;
	struct err *err;

	if (!go)
		return NULL;
	r->go = node_map(r, NULL, "go");
	node_text(r, r->go, "version", go->version[0] ? go->version : NULL);
	node_text(r, r->go, "experiments", go->experiments[0] ? go->experiments : NULL);
	node_text(r, r->go, "main_module", go->main_module[0] ? go->main_module : NULL);
	node_text(r, r->go, "how", go->how[0] ? go->how : NULL);
	if (m && m->figures[GO_NUM_GC].is_counted)
		node_uint(r, r->go, "gc_cycles", NODE_COUNT, m->figures[GO_NUM_GC].counted);
	if (m) {
		describe_memstats(run, m);
		describe_go_gc(run, m);
		describe_spans(run, m);
	}
	err = describe_goroutines(run, r->go);
	if (!err && report_nodes_failed(r))
		err = &err_nomem;
	return err;
}
