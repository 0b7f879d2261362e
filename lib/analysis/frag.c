/*
 * analysis/frag.c - free memory that the allocators have not given back, from their own totals.
 *
 * Of what lies between used blocks, what a few of them pin (analysis/pins.c) is told apart, and
 * counted there alone.  The end of the heap is where the next request comes from: it is a suspect
 * only when much of it would go back.
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
	TRIM_THRESHOLD = 128 << 10, /* glibc's, until a larger mapped block is freed */
};

enum part { PART_BETWEEN, PART_CACHE, PART_IDLE, PART_TOP };

/* What returns memory at once, and the settings that bound what is kept. */
static const struct knob {
	const char *allocator;
	enum part part;
	const char *call, *setting; /* NULL: none */
	bool by_thread; /* the call: it leaves what other threads hold */
} knobs[] = {
	{ "glibc", PART_BETWEEN, "malloc_trim(0)",
	  "MALLOC_ARENA_MAX for fewer arenas, or one for what lives long" },
	{ "glibc", PART_CACHE, NULL, "fewer threads, or lower glibc.malloc.tcache_count" },
	{ "glibc", PART_TOP, "malloc_trim(0)", "lower M_TRIM_THRESHOLD and M_TOP_PAD" },
	{ "jemalloc", PART_BETWEEN, NULL,
	  "a slab goes back when it is empty: allocate by lifetime, or fewer arenas (narenas)" },
	{ "jemalloc", PART_CACHE, "thread.tcache.flush",
	  "MALLOC_CONF lower lg_tcache_max, or tcache:false", true },
	{ "jemalloc", PART_IDLE, "arena.<i>.purge",
	  "MALLOC_CONF dirty_decay_ms:0 keeps none of it, background_thread:true with a lower one "
	  "for that time" },
	{ "tcmalloc", PART_BETWEEN, NULL,
	  "a span goes back when it is empty: allocate by lifetime" },
	{ "tcmalloc", PART_CACHE, NULL,
	  "lower TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES, or MarkThreadIdle() when idle" },
	{ "tcmalloc", PART_IDLE, "ReleaseFreeMemory()",
	  "TCMALLOC_AGGRESSIVE_DECOMMIT=t keeps none of it, a higher TCMALLOC_RELEASE_RATE less "
	  "while pages are freed" },
	{ "google-tcmalloc", PART_BETWEEN, NULL,
	  "a span goes back when it is empty: allocate by lifetime" },
	{ "google-tcmalloc", PART_CACHE, NULL,
	  "lower SetMaxPerCpuCacheSize() or SetMaxTotalThreadCacheBytes() of MallocExtension" },
	{ "google-tcmalloc", PART_IDLE, "MallocExtension::ReleaseMemoryToSystem()",
	  "run ProcessBackgroundActions() with SetBackgroundReleaseRate()" },
	{ "mimalloc", PART_BETWEEN, "mi_collect(true)",
	  "a page goes back when it is empty: allocate by lifetime", true },
	{ "mimalloc", PART_IDLE, "mi_collect(true)",
	  "lower MIMALLOC_PURGE_DELAY (2.0: MIMALLOC_RESET_DELAY), 0 keeps none of it", true },
	{ "go", PART_BETWEEN, NULL,
	  "a span goes back when it is empty: copy what lives long, or allocate it first" },
	{ "go", PART_IDLE, "debug.FreeOSMemory()", "set GOMEMLIMIT, or lower GOGC" },
	{ "musl", PART_BETWEEN, NULL,
	  "a group (before 1.2.1: 160 KiB in a row) goes back when empty: allocate by lifetime" },
	{ "cpython", PART_BETWEEN, NULL,
	  "an arena goes back when it is empty: make what lives long first" },
};

static const struct knob *knob(const struct rp_heap *h, enum part part)
{
	for (size_t i = 0; i < ARRAY_SIZE(knobs); i++)
		if (knobs[i].part == part && !strcmp(knobs[i].allocator, h->allocator))
			return &knobs[i];
	return NULL;
}

/* Where the call is to be made, behind its name. */
static const char *callers(const struct report *r, const struct knob *k)
{
	return k->by_thread && r->threads.n > 1 ? " in each thread" : "";
}

static enum part part_of(const char *where)
{
	if (!strcmp(where, "top"))
		return PART_TOP;
	return is_thread_cache(where) ? PART_CACHE : PART_BETWEEN;
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
			   const char *name, uint64_t bytes, uint64_t count, const char *more)
{
	struct text t = TEXT_INIT;
	struct err *err;

	text_printf(&t, "%s ", name);
	text_add_bytes(&t, bytes);
	if (count) {
		text_add(&t, " in ");
		text_add_count(&t, count);
		text_add(&t, count == 1 ? " piece" : " pieces");
	}
	text_add(&t, more);
	err = evidence_add(r, out, what, text_str(&t));
	text_fini(&t);
	return err;
}

/* A place that keeps free memory; by `k`, how much of it goes back: of all the advice says it. */
static struct err *add_place(struct report *r, const struct rp_heap *h, const struct knob *k,
			     const struct rp_where *w, struct rp_suspect *out)
{
	struct text t = TEXT_INIT;
	struct err *err;

	if (k && k->call && h->knows_returnable) {
		text_printf(&t, "; %s%s returns ", k->call, callers(r, k));
		if (w->returnable)
			text_add_bytes(&t, w->returnable);
		else
			text_add(&t, "none of it");
	}
	err = add_row(r, out, "free in", w->where, w->bytes, w->count, text_str(&t));
	text_fini(&t);
	return err;
}

static struct err *add_wheres(struct report *r, const struct rp_heap *h, enum part part,
			      struct rp_suspect *out)
{
	struct err *err = NULL;
	size_t n = 0;

	for (size_t i = 0; i < h->n_wheres; i++)
		n += h->wheres[i].bytes && part_of(h->wheres[i].where) == part;
	for (size_t i = 0; i < h->n_wheres && !err; i++)
		if (h->wheres[i].bytes && part_of(h->wheres[i].where) == part)
			err = add_place(r, h, n > 1 ? knob(h, part) : NULL, &h->wheres[i], out);
	return err;
}

/* It grew with what the program has freed: to twice the largest mapped block, 64 MiB at most. */
static bool trims_late(const struct rp_heap *h)
{
	for (size_t i = 0; i < h->n_settings; i++)
		if (!strcmp(h->settings[i].name, "M_TRIM_THRESHOLD"))
			return h->settings[i].bytes > TRIM_THRESHOLD;
	return false;
}

/* "malloc_trim(0) returns 3.0 MiB; MALLOC_ARENA_MAX for fewer arenas, .."; NULL: the rule's own. */
static struct err *advise(struct report *r, const struct rp_heap *h, enum part part,
			  uint64_t returnable, struct rp_suspect *out)
{
	const struct knob *k = knob(h, part);
	struct text t = TEXT_INIT;

	if (!k)
		return NULL;
	if (k->call && returnable) {
		text_printf(&t, "%s%s returns ", k->call, callers(r, k));
		text_add_bytes(&t, returnable);
		text_add(&t, k->setting ? "; " : "");
	}
	text_add(&t, k->setting ? k->setting : "");
	for (size_t i = 0; i < h->n_settings && part == PART_IDLE; i++)
		text_printf(&t, ", or %s", h->settings[i].name);
	if (part == PART_TOP && trims_late(h))
		text_add(&t, ": MALLOC_TRIM_THRESHOLD_=131072, set at the start, keeps 128 KiB of "
			     "it, or M_TOP_PAD");
	out->advice = report_text(r, &t);
	text_fini(&t);
	return out->advice ? NULL : &err_nomem;
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
		err = add_row(r, out, "arena", name, below, best->n_free, "");
		if (err)
			return err;
	}
	return NULL;
}

/* What is told apart comes first: the rows after it are of all. */
static struct err *add_pinned(struct report *r, const struct pinned *pinned, struct rp_suspect *out)
{
	return pinned->bytes ? add_row(r, out, "beside", "what few blocks pin,", pinned->bytes,
				       pinned->pieces, "") :
			       NULL;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static struct rp_where part_total(const struct rp_heap *h, enum part part)
{
	struct rp_where sum = {};

	for (size_t i = 0; i < h->n_wheres; i++) {
		const struct rp_where *w = &h->wheres[i];

		if (part_of(w->where) != part)
			continue;
		sum.count += w->count;
		sum.bytes += w->bytes;
		sum.returnable += w->returnable;
	}
	return sum;
}

static uint64_t part_bytes(const struct rp_heap *h, enum part part)
{
	return part_total(h, part).bytes;
}

/*
 * What threads' own arenas keep, their tops included: with fewer arenas others would use it.  When
 * each thread had the most at a time of its own, one arena saves nearly all of it; nothing when all
 * had it together.
 */
static struct err *add_threads(struct report *r, const struct rp_heap *h, struct rp_suspect *out)
{
	uint64_t bytes = 0, n = 0;
	struct text t = TEXT_INIT;
	struct err *err;

	for (size_t i = 0; i < h->n_arenas; i++) {
		if (strcmp(h->arenas[i].kind, "thread") || !h->arenas[i].free)
			continue;
		bytes += h->arenas[i].free;
		n++;
	}
	if (n < 2)
		return NULL;
	text_add_bytes(&t, bytes);
	text_add(&t, " free in ");
	text_add_count(&t, n);
	text_add(&t, ", their tops included; MALLOC_ARENA_MAX=1 saves at most that, if not "
		     "all were full at once");
	err = evidence_add(r, out, "threads' arenas", text_str(&t));
	text_fini(&t);
	return err;
}

/*
 * Pages that are kept and hold zeros alone: never written, or emptied; only the system knew which.
 * Told where that is all that keeps them from being returned.
 */
static struct err *add_zeros(struct report *r, const struct rp_heap *h, uint64_t returnable,
			     struct rp_suspect *out)
{
	uint64_t zeros = less(h->idle, returnable);
	struct text t = TEXT_INIT;
	struct err *err;

	if (!h->n_idles || !h->knows_returnable || !zeros ||
	    (strcmp(h->allocator, "jemalloc") != 0 && strcmp(h->allocator, "tcmalloc") != 0))
		return NULL;
	text_add_bytes(&t, zeros);
	text_add(&t, "; goes back, too, as far as it was written: a dump does not tell");
	err = evidence_add(r, out, "pages of zeros", text_str(&t));
	text_fini(&t);
	return err;
}

static struct err *add_settings(struct report *r, const struct rp_heap *h, struct rp_suspect *out)
{
	struct err *err = NULL;

	for (size_t i = 0; i < h->n_settings && !err; i++) {
		struct text t = TEXT_INIT;

		text_add_bytes(&t, h->settings[i].bytes);
		err = evidence_add(r, out, h->settings[i].name, text_str(&t));
		text_fini(&t);
	}
	return err;
}

static const struct {
	const char *rule, *title;
} parts[] = {
	[PART_BETWEEN] = { "free-held/fragmentation", "free memory between used blocks (%s)" },
	[PART_CACHE] = { "free-held/thread-cache", "free blocks in thread caches (%s)" },
	[PART_IDLE] = { "free-held/idle-spans", "free pages that %s keeps" },
	[PART_TOP] = { "free-held/idle-spans", "free memory at the end of the %s heap" },
};

static struct err *add_part(struct report *r, const struct rp_heap *h, enum part part,
			    const struct pinned *pinned)
{
	const struct rp_where sum = part_total(h, part);
	struct rp_suspect out = {
		.rule = parts[part].rule,
		.confidence = CONF_RUNTIME,
		.count = less(sum.count, pinned->pieces),
		.bytes = less(sum.bytes, pinned->bytes),
	};
	struct err *err;

	out.retained = out.bytes;
	if (out.bytes < least_bytes(h))
		return NULL;
	out.title = arena_printf(&r->mem, parts[part].title, h->allocator);
	if (!out.title)
		return &err_nomem;
	err = advise(r, h, part, sum.returnable, &out);
	if (!err)
		err = add_pinned(r, pinned, &out);
	if (!err)
		err = add_wheres(r, h, part, &out);
	if (!err && part == PART_BETWEEN)
		err = add_threads(r, h, &out);
	if (!err && part == PART_BETWEEN)
		err = add_arenas(r, h, &out);
	if (err)
		return err;
	return vec_push(&r->suspects, &out) ? NULL : &err_nomem;
}

/*
 * The end of the main arena is where the next request comes from: only what stands out, and would
 * go back.
 */
static struct err *add_top(struct report *r, const struct rp_heap *h)
{
	const struct rp_where sum = part_total(h, PART_TOP);
	struct rp_suspect out = {
		.rule = parts[PART_TOP].rule,
		.confidence = CONF_RUNTIME,
		.count = sum.count,
		.bytes = sum.returnable,
		.retained = sum.returnable,
	};
	struct err *err;

	if (sum.returnable < SUSPECT_BYTES || sum.returnable < least_bytes(h))
		return NULL;
	out.title = arena_printf(&r->mem, parts[PART_TOP].title, h->allocator);
	if (!out.title)
		return &err_nomem;
	err = advise(r, h, PART_TOP, sum.returnable, &out);
	if (!err)
		err = add_wheres(r, h, PART_TOP, &out);
	if (!err)
		err = add_settings(r, h, &out);
	if (err)
		return err;
	return vec_push(&r->suspects, &out) ? NULL : &err_nomem;
}

/* Memory without blocks that the allocator, or runtime, keeps for itself. */
static struct err *add_idle(struct report *r, const struct rp_heap *h)
{
	struct rp_suspect out = {
		.rule = parts[PART_IDLE].rule,
		.bytes = h->idle,
		.retained = h->idle,
		.confidence = CONF_RUNTIME,
	};
	struct text t = TEXT_INIT;
	uint64_t returnable = 0;
	struct err *err;
	bool is_told; /* by the advice */

	for (size_t i = 0; i < h->n_idles; i++) {
		out.count += h->idles[i].count;
		returnable += h->idles[i].returnable;
	}
	if (h->n_idles && h->knows_returnable)
		out.retained = returnable; /* the rest was never written */
	if (out.retained < least_bytes(h))
		return NULL;
	out.count = out.count ? out.count : 1;
	out.title = arena_printf(&r->mem,
				 h->n_idles ? parts[PART_IDLE].title :
					      "idle spans of the %s heap, not given back",
				 h->allocator);
	if (!out.title)
		return &err_nomem;
	err = advise(r, h, PART_IDLE, returnable, &out);
	is_told = h->n_idles == 1 && returnable;
	for (size_t i = 0; i < h->n_idles && !err; i++)
		err = add_place(r, h, is_told ? NULL : knob(h, PART_IDLE), &h->idles[i], &out);
	if (!err)
		err = add_zeros(r, h, returnable, &out);
	text_add_bytes(&t, h->returned);
	if (!err)
		err = evidence_add(r, &out, "given back before", text_str(&t));
	text_fini(&t);
	if (!err)
		err = add_settings(r, h, &out);
	if (err)
		return err;
	return vec_push(&r->suspects, &out) ? NULL : &err_nomem;
}

static bool in_units(const struct subject *s, uint32_t heap)
{
	for (size_t i = 0; i < s->n_extents; i++)
		if (s->extents[i].heap == heap)
			return s->extents[i].unit;
	return false;
}

/* Of allocators whose blocks lie in no units. */
static const struct run_kind *run_kind(const struct rp_heap *h)
{
	static const struct {
		const char *allocator;
		struct run_kind kind;
	} kinds[] = {
		{ "glibc", { "page", "malloc_trim(0)", 4096 } },
		/* before 1.2.1: RECLAIM of src/malloc/malloc.c */
		{ "musl", { "160-KiB run", "free()", 160 << 10 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].allocator, h->allocator))
			return &kinds[i].kind;
	return NULL;
}

/* Pages are looked at where more stays than the gaps that are told, and whole pages of the rest. */
static struct err *find_pins(const struct subject *s, struct report *r, uint32_t heap,
			     uint64_t least, struct pinned *ret)
{
	const struct run_kind *kind = run_kind(&r->heaps.v[heap]);
	const struct rp_where sum = part_total(&r->heaps.v[heap], PART_BETWEEN);
	struct err *err;

	if (in_units(s, heap))
		return units_add(s, r, heap, least, ret);
	err = pins_add(s, r, heap, least, ret);
	if (!err && kind && less(less(sum.bytes, sum.returnable), ret->bytes) >= least)
		err = runs_add(s, r, heap, kind, least, ret);
	return err;
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
			err = add_top(r, h);
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
