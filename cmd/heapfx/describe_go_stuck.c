/*
 * describe_go_stuck.c - who waits for whom -> report.go: things, who waits for them, who else
 * reaches them, and rings of goroutines.
 */
#include <stdlib.h>

#include "base/guard.h"
#include "image/go_sched.h"
#include "pipeline.h"

enum {
	THINGS_MAX = 1024,
	IDS_MAX = 16, /* of a thing */
	RINGS_MAX = 256,
	MEMBERS_MAX = 64,
};

static void add_id(struct run *run, struct rp_node *list, uint32_t thread)
{
	node_uint(&run->report, list, NULL, NODE_COUNT, run->image->go->goroutines[thread].id);
}

static void add_name(struct run *run, struct rp_node *node, const struct thing *thing)
{
	static const char *const kinds[WAIT_ONS] = {
		[WAIT_CHANNEL] = "channel",	   [WAIT_MUTEX] = "sync.Mutex",
		[WAIT_RWMUTEX] = "sync.RWMutex",   [WAIT_GROUP] = "sync.WaitGroup",
		[WAIT_CONDITION] = "sync.Cond",	   [WAIT_SEMAPHORE] = "semaphore",
		[WAIT_NOTHING] = "semaphore",
	};
	const struct graph *g = run->graph;
	struct text name = TEXT_INIT;

	node_text(&run->report, node, "kind", kinds[thing->on]);
	if (thing->offset == UINT32_MAX)
		return;
	node_uint(&run->report, node, "address", NODE_ADDR,
		  graph_key(g, thing->node) + thing->offset);
	if (g->ops && g->ops->inside &&
	    g->ops->inside(g->ctx, thing->node, thing->offset, &name) && name.n)
		node_text(&run->report, node, "name",
			  arena_strdup(&run->report.mem, text_str(&name)));
	text_fini(&name);
}

/* They come by goroutine, those of one thing far from each other. */
static void add_waiters(struct run *run, struct rp_node **lists, uint64_t n)
{
	const struct facts *f = &run->facts;
	_free_ uint64_t *count = calloc(n + 1, sizeof(*count));

	for (uint64_t i = 0; i < f->n_thing_waits && count; i++) {
		uint32_t thing = f->thing_waits[i].thing;

		if (thing >= n)
			continue;
		if (count[thing]++ < IDS_MAX)
			add_id(run, lists[thing], f->thing_waits[i].thread);
	}
}

static void add_holders(struct run *run, struct rp_node *node, uint32_t thing, uint64_t *at)
{
	const struct facts *f = &run->facts;
	struct rp_node *list = NULL;
	uint64_t first = *at;

	while (*at < f->n_holders && f->holders[*at].thing == thing)
		++*at;
	node_uint(&run->report, node, "reached", NODE_COUNT, *at - first);
	list = node_list(&run->report, node, "reached_by");
	for (uint64_t i = first; i < *at && i - first < IDS_MAX; i++)
		add_id(run, list, f->holders[i].thread);
}

static struct err *add_things(struct run *run, struct rp_node *parent)
{
	const struct facts *f = &run->facts;
	uint64_t n = f->n_things < THINGS_MAX ? f->n_things : THINGS_MAX, at = 0;
	_free_ struct rp_node **lists = calloc(n + 1, sizeof(*lists));
	_free_ uint64_t *waiting = calloc(f->n_things + 1, sizeof(*waiting));
	struct rp_node *things = node_list(&run->report, parent, "things");

	if (!lists || !waiting)
		return &err_nomem;
	for (uint64_t i = 0; i < f->n_thing_waits; i++)
		waiting[f->thing_waits[i].thing]++;
	for (uint32_t i = 0; i < n; i++) {
		struct rp_node *node = node_map(&run->report, things, NULL);

		add_name(run, node, &f->things[i]);
		node_uint(&run->report, node, "waiting", NODE_COUNT, waiting[i]);
		lists[i] = node_list(&run->report, node, "waiters");
		add_holders(run, node, i, &at);
	}
	add_waiters(run, lists, n);
	return NULL;
}

static struct err *add_rings(struct run *run, struct rp_node *parent)
{
	const struct facts *f = &run->facts;
	_free_ struct rp_node **lists = calloc(RINGS_MAX + 1, sizeof(*lists));
	_free_ uint32_t *count = calloc(RINGS_MAX + 1, sizeof(*count));
	struct rp_node *rings = node_list(&run->report, parent, "rings");

	if (!lists || !count)
		return &err_nomem;
	for (uint32_t t = 0; t < f->n_stuck_bits; t++) {
		uint32_t ring = f->ring[t];

		if (!ring || ring > RINGS_MAX || count[ring]++ >= MEMBERS_MAX)
			continue;
		if (!lists[ring]) /* numbered in order of their lowest */
			lists[ring] = node_list(&run->report, rings, NULL);
		add_id(run, lists[ring], t);
	}
	return NULL;
}

struct err *describe_go_stuck(struct run *run)
{
	struct report *r = &run->report;
	const struct facts *f = &run->facts;
	struct rp_node *node;
	uint64_t n = 0;
	struct err *err;

	if (!r->go || !f->ring || f->n_stuck_bits > run->image->go->n_goroutines)
		return NULL;
	for (uint32_t t = 0; t < f->n_stuck_bits; t++)
		n += is_stuck(f, t);
	node = node_map(r, r->go, "stuck");
	node_uint(r, node, "count", NODE_COUNT, n);
	node_uint(r, node, "complete", NODE_BOOL, !f->holders_cut);
	err = add_things(run, node);
	if (!err)
		err = add_rings(run, node);
	if (err)
		return err;
	return report_nodes_failed(r) ? &err_nomem : NULL;
}
