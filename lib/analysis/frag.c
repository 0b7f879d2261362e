/*
 * analysis/frag.c - free memory that the allocators have not given back, from their own totals.
 *
 * The top chunk is counted as free-held but is no suspect: it is where the next request comes
 * from and where trimming starts.  What lies between used blocks and in thread caches is; of that
 * between blocks, what a few of them pin (analysis/pins.c) is told apart, and counted there alone.
 */
#include <inttypes.h>
#include <string.h>

#include "analysis/chain.h"
#include "analysis/pins.h"
#include "base/guard.h"
#include "base/vec.h"

enum {
	SUSPECT_PERCENT = 20,	  /* of the heap */
	SUSPECT_FLOOR = 64 << 10, /* a small heap's share says nothing */
	SUSPECT_BYTES = 1 << 20,  /* enough in any heap */
};

static bool is_top(const char *where)
{
	return !strcmp(where, "top");
}

enum part { PART_BETWEEN, PART_CACHE, PART_IDLE };

/* The allocator's own knobs; NULL: the rule's advice, which is glibc's or general. */
static const struct {
	const char *allocator, *advice[3];
} knobs[] = {
	{ "jemalloc",
	  { [PART_BETWEEN] = "a slab goes back when it is empty: allocate by lifetime, "
			     "or fewer arenas (narenas)",
	    [PART_CACHE] = "MALLOC_CONF lower lg_tcache_max or tcache:false, "
			   "or thread.tcache.flush when idle",
	    [PART_IDLE] = "MALLOC_CONF background_thread:true, lower dirty_decay_ms; "
			  "or arena.<i>.purge" } },
	{ "tcmalloc",
	  { [PART_BETWEEN] = "a span goes back when it is empty: allocate by lifetime",
	    [PART_CACHE] = "lower TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES, "
			   "or MarkThreadIdle() when idle",
	    [PART_IDLE] = "raise TCMALLOC_RELEASE_RATE, "
			  "or call MallocExtension ReleaseFreeMemory()" } },
	{ "mimalloc",
	  { [PART_BETWEEN] = "a page goes back when it is empty: allocate by lifetime",
	    [PART_IDLE] = "lower MIMALLOC_PURGE_DELAY (2.0: MIMALLOC_RESET_DELAY), "
			  "or mi_collect(true)" } },
	{ "musl",
	  { [PART_BETWEEN] = "a group goes back when it is empty: allocate by lifetime" } },
};

static const char *knob(const struct rp_heap *h, enum part part)
{
	for (size_t i = 0; i < ARRAY_SIZE(knobs); i++)
		if (!strcmp(knobs[i].allocator, h->allocator))
			return knobs[i].advice[part];
	return NULL;
}

static bool in_part(enum part part, const char *where)
{
	return part == PART_CACHE ? is_thread_cache(where) :
				    !is_thread_cache(where) && !is_top(where);
}

/* Bytes that stand out in a heap of this size. */
static uint64_t least_bytes(const struct rp_heap *h)
{
	uint64_t share = (h->used + h->free) / 100 * SUSPECT_PERCENT;

	if (share > SUSPECT_BYTES)
		return SUSPECT_BYTES;
	return share > SUSPECT_FLOOR ? share : SUSPECT_FLOOR;
}

static struct err *add_row(struct report *r, struct rp_suspect *out, const char *what,
			   const char *name, uint64_t bytes, uint64_t count)
{
	struct text t = TEXT_INIT;
	struct err *err;

	text_printf(&t, "%s ", name);
	text_add_bytes(&t, bytes);
	text_add(&t, " in ");
	text_add_count(&t, count);
	text_add(&t, count == 1 ? " piece" : " pieces");
	err = evidence_add(r, out, what, text_str(&t));
	text_fini(&t);
	return err;
}

static struct err *add_wheres(struct report *r, const struct rp_heap *h, enum part part,
			      struct rp_suspect *out)
{
	for (size_t i = 0; i < h->n_wheres; i++) {
		const struct rp_where *w = &h->wheres[i];
		struct err *err;

		if (!w->bytes || !in_part(part, w->where))
			continue;
		err = add_row(r, out, "free in", w->where, w->bytes, w->count);
		if (err)
			return err;
	}
	return NULL;
}

/*
 * The arenas with most free memory beside their top, largest first, while there is room for rows.
 */
static struct err *add_arenas(struct report *r, const struct rp_heap *h, struct rp_suspect *out)
{
	uint64_t below = UINT64_MAX;

	for (unsigned row = 0; row < 3 && h->n_arenas > 1; row++) {
		const struct rp_arena *best = NULL;
		char name[40];
		struct err *err;

		for (size_t i = 0; i < h->n_arenas; i++) {
			const struct rp_arena *a = &h->arenas[i];
			uint64_t bytes = a->free - (a->top < a->free ? a->top : a->free);

			if (bytes && bytes < below && (!best || bytes > best->free - best->top))
				best = a;
		}
		if (!best)
			break;
		below = best->free - best->top;
		snprintf(name, sizeof(name), "0x%" PRIx64, best->addr);
		err = add_row(r, out, "arena", name, below, best->n_free);
		if (err)
			return err;
	}
	return NULL;
}

/* What is told apart comes first: the rows after it are of all. */
static struct err *add_pinned(struct report *r, const struct pinned *pinned, struct rp_suspect *out)
{
	return pinned->bytes ? add_row(r, out, "beside", "what few blocks pin,", pinned->bytes,
				       pinned->pieces) :
			       NULL;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t part_bytes(const struct rp_heap *h, enum part part)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < h->n_wheres; i++)
		bytes += in_part(part, h->wheres[i].where) ? h->wheres[i].bytes : 0;
	return bytes;
}

static struct err *add_part(struct report *r, const struct rp_heap *h, enum part part,
			    const struct pinned *pinned)
{
	struct rp_suspect out = {
		.rule = part == PART_CACHE ? "free-held/thread-cache" : "free-held/fragmentation",
		.confidence = CONF_RUNTIME,
		.advice = knob(h, part),
	};
	struct err *err;

	for (size_t i = 0; i < h->n_wheres; i++)
		out.count += in_part(part, h->wheres[i].where) ? h->wheres[i].count : 0;
	out.count = less(out.count, pinned->pieces);
	out.bytes = less(part_bytes(h, part), pinned->bytes);
	out.retained = out.bytes;
	if (out.bytes < least_bytes(h))
		return NULL;
	out.title = arena_printf(&r->mem,
				 part == PART_CACHE ? "free blocks in thread caches (%s)" :
						      "free memory between used blocks (%s)",
				 h->allocator);
	if (!out.title)
		return &err_nomem;
	err = add_pinned(r, pinned, &out);
	if (!err)
		err = add_wheres(r, h, part, &out);
	if (!err && part == PART_BETWEEN)
		err = add_arenas(r, h, &out);
	if (err)
		return err;
	return vec_push(&r->suspects, &out) ? NULL : &err_nomem;
}

/* Memory without blocks that the runtime keeps for itself. */
static struct err *add_idle(struct report *r, const struct rp_heap *h)
{
	struct rp_suspect out = {
		.rule = "free-held/idle-spans",
		.count = 1,
		.bytes = h->idle,
		.retained = h->idle,
		.confidence = CONF_RUNTIME,
		.advice = knob(h, PART_IDLE),
	};
	struct text t = TEXT_INIT;
	struct err *err = NULL;

	if (h->idle < least_bytes(h))
		return NULL;
	text_printf(&t, "%s of the %s heap, not given back",
		    out.advice ? "free pages" : "idle spans", h->allocator);
	out.title = report_text(r, &t);
	text_reset(&t);
	text_add_bytes(&t, h->returned);
	if (out.title)
		err = evidence_add(r, &out, "given back before", text_str(&t));
	text_fini(&t);
	if (err || !out.title)
		return err ? err : &err_nomem;
	return vec_push(&r->suspects, &out) ? NULL : &err_nomem;
}

static bool in_units(const struct subject *s, uint32_t heap)
{
	for (size_t i = 0; i < s->n_extents; i++)
		if (s->extents[i].heap == heap)
			return s->extents[i].unit;
	return false;
}

static struct err *find_pins(const struct subject *s, struct report *r, uint32_t heap,
			     uint64_t least, struct pinned *ret)
{
	return (in_units(s, heap) ? units_add : pins_add)(s, r, heap, least, ret);
}

static struct err *frag_run(struct env *env, const struct subject *s, struct report *r)
{
	struct rp_total *held = &r->categories[CAT_FREE_HELD];

	(void)env; /* no columns, no doubts of its own */
	for (size_t i = 0; i < r->heaps.n; i++) {
		const struct rp_heap *h = &r->heaps.v[i];
		struct pinned pinned = {}, none = {};
		uint64_t least = least_bytes(h);
		struct err *err = NULL;

		if (part_bytes(h, PART_BETWEEN) >= least)
			err = find_pins(s, r, (uint32_t)i, least, &pinned);
		if (!err)
			err = add_part(r, h, PART_BETWEEN, &pinned);
		if (!err)
			err = add_part(r, h, PART_CACHE, &none);
		if (!err)
			err = add_idle(r, h);
		if (err)
			return err;
		held->known = true;
		held->count += h->n_free;
		held->bytes += h->free + h->idle;
	}
	return NULL;
}

const struct analysis_ops frag_analysis = {
	.name = "frag",
	.summary = "free memory that has not gone back to the system",
	.needs = FACT_REACH | FACT_DOM | FACT_PARENT,
	.run = frag_run,
};
