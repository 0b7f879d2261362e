/*
 * describe_go_pools.c - Go's pools -> report.go, those that keep most first; and in which spans
 * what they keep lies, for the analyses.
 */
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "pipeline.h"
#include "type/go_pools.h"

enum {
	POOLS_MAX = 256,
	SHARDS_MAX = 64, /* of a pool that are listed */
	LARGEST = 4,
	PAGE = 8192,
	NELEMS_MAX = 1 << 20,
};

struct span {
	taddr start, end;
	uint64_t elemsize, nelems, used;
};

/* What one owner has in the span at hand, the ones before added up, and its largest blocks. */
struct holding {
	struct residence sum;
	struct span span;
	uint64_t in_span;
	node_id largest[LARGEST];
	uint64_t size[LARGEST];
	unsigned n;
};

/* ---- spans */

static uint64_t field(const struct go *go, taddr at, unsigned size)
{
	uint64_t v = 0;

	return image_read(go->img, at, &v, size) == MEM_OK ? v : 0;
}

static uint64_t used_in(const struct run *run, const struct span *s)
{
	node_id first = graph_node_at(run->graph, s->start);
	uint64_t n = 0;

	if (first == NODE_NONE)
		return 0;
	for (struct graph_iter it = graph_iter(run->graph, first);
	     it.id < run->graph->n && it.key < s->end; graph_next(&it))
		n++;
	return n;
}

/* The span of an address; false: of none. */
static bool read_span(const struct run *run, taddr at, struct span *ret)
{
	const struct go *go = run->image->go;
	taddr span = go_span_of(go, at);
	uint64_t pages = span ? go_word(go, span + go->layout.mspan.npages) : 0;

	if (!pages || pages > NELEMS_MAX)
		return false;
	ret->start = go_word(go, span + go->layout.mspan.startAddr);
	ret->end = ret->start + pages * PAGE;
	ret->elemsize = go_word(go, span + go->layout.mspan.elemsize);
	ret->nelems = field(go, span + go->layout.mspan.nelems, go->layout.mspan.int_size);
	if (at < ret->start || at - ret->start >= pages * PAGE || !ret->elemsize ||
	    ret->nelems > pages * PAGE / ret->elemsize)
		return false;
	ret->used = used_in(run, ret);
	return true;
}

static void leave_span(struct holding *h)
{
	const struct span *s = &h->span;

	if (!h->in_span)
		return;
	h->sum.spans++;
	h->sum.bytes += s->end - s->start;
	h->sum.free += s->nelems > s->used ? (s->nelems - s->used) * s->elemsize : 0;
	h->sum.alone += s->used == h->in_span;
	h->in_span = 0;
}

static void keep_largest(struct holding *h, node_id node, uint64_t size)
{
	unsigned at = h->n;

	if (h->n < LARGEST)
		h->n++;
	else if (h->size[--at] >= size)
		return;
	for (; at && h->size[at - 1] < size; at--) {
		h->size[at] = h->size[at - 1];
		h->largest[at] = h->largest[at - 1];
	}
	h->size[at] = size;
	h->largest[at] = node;
}

static void add_node(const struct run *run, struct holding *h, node_id node)
{
	uint64_t start = graph_start(run->graph, node);

	keep_largest(h, node, graph_size(run->graph, node));
	if (start - h->span.start >= h->span.end - h->span.start) {
		leave_span(h);
		h->span = (struct span){};
		if (!read_span(run, start, &h->span))
			return;
	}
	h->in_span++;
}

static void look(const struct run *run, struct holding *all)
{
	const struct graph *g = run->graph;
	const uint16_t *owners = run->facts.owner; /* few have one: straight down the column */

	for (node_id i = 0; i < g->n; i++) {
		uint32_t owner = owners[i];

		if (owner != OWNER_OTHERS && owner <= OWNERS_TOLD &&
		    g->owners[owner - 1].kind == OWNER_POOL)
			add_node(run, &all[owner - 1], i);
	}
	for (uint32_t i = 0; i < g->n_owners; i++)
		leave_span(&all[i]);
}

/* ---- what a reader sees */

struct row {
	uint32_t owner;
	struct total kept;
};

static int most_kept(const void *pa, const void *pb)
{
	const struct row *a = pa, *b = pb;

	if (a->kept.bytes != b->kept.bytes)
		return a->kept.bytes < b->kept.bytes ? 1 : -1;
	return a->owner < b->owner ? -1 : a->owner > b->owner;
}

struct shards {
	struct report *r;
	struct rp_node *list;
	unsigned n;
};

static struct err *add_shard(void *arg, const struct go_pool_shard *shard)
{
	struct shards *s = arg;
	struct rp_node *node;

	if (s->n++ >= SHARDS_MAX)
		return NULL;
	node = node_map(s->r, s->list, NULL);
	node_uint(s->r, node, "p", NODE_COUNT, shard->p);
	node_text(s->r, node, "half", shard->is_victim ? "victim" : "local");
	node_uint(s->r, node, "private", NODE_COUNT, shard->has_private);
	node_uint(s->r, node, "shared", NODE_COUNT, shard->shared);
	return NULL;
}

static void add_largest(struct run *run, struct rp_node *node, const struct holding *h)
{
	struct report *r = &run->report;
	struct rp_node *list = node_list(r, node, "largest");

	for (unsigned i = 0; i < h->n; i++) {
		struct rp_node *block = node_map(r, list, NULL);
		type_id type = graph_type(run->graph, h->largest[i]);

		node_uint(r, block, "address", NODE_ADDR, graph_key(run->graph, h->largest[i]));
		node_uint(r, block, "size", NODE_BYTES, h->size[i]);
		if (type)
			node_text(r, block, "type", run->graph->types->v[type].name);
	}
}

static struct err *add_pool(struct run *run, struct rp_node *list, const struct row *row,
			    const struct holding *h)
{
	const struct owner *owner = &run->graph->owners[row->owner];
	struct report *r = &run->report;
	struct rp_node *node = node_map(r, list, NULL), *spans;
	struct shards shards = { .r = r };
	struct go_pool_sink sink = { .shard = add_shard, .arg = &shards };
	struct go_pool pool;

	node_text(r, node, "name", owner->name);
	node_uint(r, node, "address", NODE_ADDR, owner->address);
	node_uint(r, node, "items", NODE_COUNT, owner->count);
	node_uint(r, node, "local", NODE_COUNT, owner->count - owner->old);
	node_uint(r, node, "victim", NODE_COUNT, owner->old);
	if (owner->undrawn)
		node_uint(r, node, "undrawn", NODE_COUNT, owner->undrawn);
	node_uint(r, node, "count", NODE_COUNT, row->kept.count);
	node_uint(r, node, "bytes", NODE_BYTES, row->kept.bytes);
	spans = node_map(r, node, "spans");
	node_uint(r, spans, "count", NODE_COUNT, h->sum.spans);
	node_uint(r, spans, "bytes", NODE_BYTES, h->sum.bytes);
	node_uint(r, spans, "free", NODE_BYTES, h->sum.free);
	node_uint(r, spans, "alone", NODE_COUNT, h->sum.alone);
	add_largest(run, node, h);
	shards.list = node_list(r, node, "shards");
	return go_pool_read(run->image->go, owner->address, &sink, &pool);
}

static struct err *describe(struct run *run, const struct holding *all)
{
	const struct graph *g = run->graph;
	struct report *r = &run->report;
	_free_ struct row *rows = calloc(g->n_owners + 1, sizeof(*rows));
	struct err *err = NULL;
	struct rp_node *list;
	size_t n = 0;

	if (!rows)
		return &err_nomem;
	for (uint32_t i = 0; i < g->n_owners; i++)
		if (g->owners[i].kind == OWNER_POOL)
			rows[n++] = (struct row){ i, run->facts.owner_total[i] };
	qsort(rows, n, sizeof(*rows), most_kept);
	node_uint(r, r->go, "pools_total", NODE_COUNT, n);
	list = node_list(r, r->go, "pools");
	for (size_t i = 0; i < n && i < POOLS_MAX && !err; i++)
		err = add_pool(run, list, &rows[i], &all[rows[i].owner]);
	if (!err && report_nodes_failed(r))
		err = &err_nomem;
	return err;
}

struct err *describe_go_pools(struct run *run, struct subject *subject)
{
	uint32_t n = run->graph->n_owners;
	_free_ struct holding *all = NULL;
	struct residence *in;

	if (!run->report.go || !run->facts.owner_total)
		return NULL;
	all = calloc(n + 1, sizeof(*all));
	in = arena_alloc(&run->report.mem, (n + 1) * sizeof(*in));
	if (!all || !in)
		return &err_nomem;
	look(run, all);
	for (uint32_t i = 0; i < n; i++)
		in[i] = all[i].sum;
	subject->residences = in;
	return describe(run, all);
}
