/*
 * heap/go_memstats.c - the runtime's figures: recomputed, and as its counters have them.
 *
 * Source of truth: runtime/mstats.go (readmemstats_m), mgcpacer.go (heapGoal).  The counters' places
 * moved only in the few steps below; they are the same on amd64 and arm64.
 */
#include "heap/go_memstats.h"

#include "base/guard.h"
#include "heap/go_spans.h"

static const char *const names[GO_FIGURES] = {
	[GO_ALLOC_BYTES] = "HeapAlloc",	    [GO_ALLOC_OBJECTS] = "HeapObjects",
	[GO_HEAP_INUSE] = "HeapInuse",	    [GO_HEAP_IDLE] = "HeapIdle",
	[GO_HEAP_RELEASED] = "HeapReleased", [GO_HEAP_SYS] = "HeapSys",
	[GO_STACK_INUSE] = "StackInuse",    [GO_STACK_SYS] = "StackSys",
	[GO_MSPAN_INUSE] = "MSpanInuse",    [GO_MSPAN_SYS] = "MSpanSys",
	[GO_MCACHE_INUSE] = "MCacheInuse",  [GO_MCACHE_SYS] = "MCacheSys",
	[GO_BUCK_HASH_SYS] = "BuckHashSys", [GO_GC_SYS] = "GCSys",
	[GO_OTHER_SYS] = "OtherSys",	    [GO_SYS] = "Sys",
	[GO_MALLOCS] = "Mallocs",	    [GO_FREES] = "Frees",
	[GO_TOTAL_ALLOC] = "TotalAlloc",    [GO_NEXT_GC] = "NextGC",
	[GO_LAST_GC] = "LastGC",	    [GO_PAUSE_TOTAL] = "PauseTotalNs",
	[GO_NUM_GC] = "NumGC",		    [GO_NUM_FORCED_GC] = "NumForcedGC",
};

static void computed(struct go_memstats *m, enum go_figure_no no, uint64_t value)
{
	m->figures[no].computed = value;
	m->figures[no].is_computed = true;
}

static void counted(struct go_memstats *m, enum go_figure_no no, uint64_t value)
{
	m->figures[no].counted = value;
	m->figures[no].is_counted = true;
}

/* ---- from spans and pages */

static void count_class(struct go_memstats *m, const struct go_span *s)
{
	struct go_class *c = &m->classes[s->spanclass >> 1];

	if (s->spanclass >> 1)
		c->elemsize = s->elemsize;
	c->n_spans++;
	c->bytes += go_span_bytes(s);
	c->n_used += s->n_used;
	c->used += s->n_used * s->elemsize;
	c->n_free += s->nelems - s->n_used;
	c->n_noscan += go_span_noscan(s) ? s->n_used : 0;
}

static void count_spans(struct go_heap *h)
{
	struct go_memstats *m = &h->stats;
	uint64_t stacks = 0, bytes = 0, used = 0, n_used = 0;

	for (size_t i = 0; i < h->n_spans; i++) {
		const struct go_span *s = &h->spans[i];

		if (s->state == GO_SPAN_IN_USE) {
			count_class(m, s);
			m->n_spans++;
			if (s->spanclass >> 1) {
				m->n_cached += s->n_cached;
				m->cached += s->n_cached * s->elemsize;
			}
			m->n_unswept += s->sweepgen == h->sweepgen - 2 || s->sweepgen == h->sweepgen + 1;
			continue;
		}
		m->n_manual++;
		if (s->elemsize)
			stacks += go_span_bytes(s);
		else
			m->work_bufs += go_span_bytes(s);
	}
	for (unsigned c = 0; c < GO_CLASSES; c++) {
		bytes += m->classes[c].bytes;
		used += m->classes[c].used;
		n_used += m->classes[c].n_used;
		m->n_classes_used += m->classes[c].n_spans != 0;
	}
	computed(m, GO_ALLOC_BYTES, used);
	computed(m, GO_ALLOC_OBJECTS, n_used);
	computed(m, GO_HEAP_INUSE, bytes);
	computed(m, GO_STACK_INUSE, stacks);
}

static void name_classes(struct go_heap *h)
{
	struct go_memstats *m = &h->stats;

	for (unsigned c = 1; c < GO_CLASSES; c++)
		if (m->classes[c].n_spans)
			m->class_names[c] = arena_printf(&h->mem, "size class %llu",
							 (unsigned long long)m->classes[c].elemsize);
	m->class_names[0] = "large objects";
}

static void count_free_pages(struct go_heap *h)
{
	struct go_memstats *m = &h->stats;
	struct err *err = go_pages_count(h);

	if (err) {
		diag_err(h->env, "go/pages", err);
		return;
	}
	computed(m, GO_HEAP_IDLE, m->idle + m->returned);
	computed(m, GO_HEAP_RELEASED, m->returned);
	computed(m, GO_HEAP_SYS, m->idle + m->returned + m->figures[GO_HEAP_INUSE].computed);
}

/* ---- the runtime's counters */

/* runtime.mstats: three heapStatsDelta, then counters of 8 bytes. */
struct mstats_layout {
	uint32_t delta, n_sys; /* sizes: of one heapStatsDelta; offset of stacks_sys */
	uint32_t tiny;	       /* in a delta: tinyAllocCount; before it: committed, released, inHeap, inStacks, inWorkBufs */
};

static struct mstats_layout mstats_layout(const struct go *go)
{
	if (go->minor && go->minor < 25)
		return (struct mstats_layout){ 1176, 3544, 48 }; /* with inPtrScalarBits */
	return (struct mstats_layout){ 1168, 3520, 40 };
}

enum { /* from stacks_sys on, in words */
	SYS_STACKS, SYS_MSPAN, SYS_MCACHE, SYS_BUCK_HASH, SYS_GC_MISC, SYS_OTHER, LAST_GC, PAUSE_TOTAL, SYS_WORDS,
	PAUSES = 2 * GO_PAUSES, /* pause_ns, pause_end; then numgc, numforcedgc */
};

enum { /* words of heapStatsDelta from tinyAllocCount on */
	TINY, LARGE_ALLOC, LARGE_ALLOCS, SMALL_ALLOCS, LARGE_FREE = SMALL_ALLOCS + GO_CLASSES, LARGE_FREES, SMALL_FREES,
	DELTA_WORDS = SMALL_FREES + GO_CLASSES,
};

/* The three deltas together: what the runtime's own readers see. */
static bool read_deltas(const struct go_heap *h, const struct mstats_layout *l, uint64_t memory[5], uint64_t ret[DELTA_WORDS])
{
	for (unsigned i = 0; i < 3; i++) {
		uint64_t five[5], words[DELTA_WORDS];
		taddr at = h->go->at.memstats + i * l->delta;

		if (image_read(h->img, at, five, sizeof(five)) != MEM_OK ||
		    image_read(h->img, at + l->tiny, words, sizeof(words)) != MEM_OK)
			return false;
		for (unsigned k = 0; k < 5; k++)
			memory[k] += five[k];
		for (unsigned k = 0; k < DELTA_WORDS; k++)
			ret[k] += words[k];
	}
	return true;
}

static void count_objects(struct go_memstats *m, const uint64_t d[DELTA_WORDS])
{
	uint64_t allocated = d[LARGE_ALLOC], freed = d[LARGE_FREE], n_allocated = d[LARGE_ALLOCS], n_freed = d[LARGE_FREES];

	for (unsigned c = 1; c < GO_CLASSES; c++) {
		/* A class without a span has nothing allocated: its size does not matter for the difference. */
		allocated += d[SMALL_ALLOCS + c] * m->classes[c].elemsize;
		freed += d[SMALL_FREES + c] * m->classes[c].elemsize;
		n_allocated += d[SMALL_ALLOCS + c];
		n_freed += d[SMALL_FREES + c];
	}
	counted(m, GO_ALLOC_BYTES, allocated - freed);
	counted(m, GO_ALLOC_OBJECTS, n_allocated - n_freed);
	counted(m, GO_MALLOCS, n_allocated + d[TINY]);
	counted(m, GO_FREES, n_freed + d[TINY]);
}

/* Two rings of 256: collection n, from 1, is at n - 1. */
static void read_pauses(struct go_heap *h, taddr at, uint32_t n_cycles)
{
	struct go_memstats *m = &h->stats;
	uint64_t rings[PAUSES];
	uint32_t n = n_cycles < GO_PAUSES ? n_cycles : GO_PAUSES;

	if (image_read(h->img, at, rings, sizeof(rings)) != MEM_OK)
		return;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t slot = (n_cycles - 1 - i) % GO_PAUSES;

		m->pauses[i] = (struct go_pause){ rings[slot], rings[GO_PAUSES + slot] };
	}
	m->n_pauses = n;
}

static void read_memstats(struct go_heap *h)
{
	struct mstats_layout l = mstats_layout(h->go);
	struct go_memstats *m = &h->stats;
	uint64_t memory[5] = {}, d[DELTA_WORDS] = {}, sys[SYS_WORDS];
	uint32_t cycles[2];
	taddr at = h->go->at.memstats;

	if (!at || !read_deltas(h, &l, memory, d) || image_read(h->img, at + l.n_sys, sys, sizeof(sys)) != MEM_OK ||
	    image_read(h->img, at + l.n_sys + (SYS_WORDS + PAUSES) * 8, cycles, sizeof(cycles)) != MEM_OK)
		return;
	count_objects(m, d);
	counted(m, GO_STACK_INUSE, memory[3]);
	counted(m, GO_STACK_SYS, memory[3] + sys[SYS_STACKS]);
	counted(m, GO_MSPAN_SYS, sys[SYS_MSPAN]);
	counted(m, GO_MCACHE_SYS, sys[SYS_MCACHE]);
	counted(m, GO_BUCK_HASH_SYS, sys[SYS_BUCK_HASH]);
	counted(m, GO_GC_SYS, sys[SYS_GC_MISC] + memory[4]);
	counted(m, GO_OTHER_SYS, sys[SYS_OTHER]);
	counted(m, GO_LAST_GC, sys[LAST_GC]);
	counted(m, GO_PAUSE_TOTAL, sys[PAUSE_TOTAL]);
	counted(m, GO_NUM_GC, cycles[0]);
	counted(m, GO_NUM_FORCED_GC, cycles[1]);
	read_pauses(h, at + l.n_sys + SYS_WORDS * 8, cycles[0]);
}

/* fixalloc.inuse of mheap_'s allocators of mspans and mcaches. */
static void read_fixallocs(struct go_heap *h)
{
	enum { INUSE = 48 };
	const struct go_layout *l = &h->go->layout;
	taddr mheap = h->go->at.mheap;

	counted(&h->stats, GO_MSPAN_INUSE, go_word(h->go, mheap + l->mheap.spanalloc + INUSE));
	counted(&h->stats, GO_MCACHE_INUSE, go_word(h->go, mheap + l->mheap.cachealloc + INUSE));
}

/* ---- gcController */

enum { /* from gcPercentHeapGoal on, in words */
	PACER_GOAL, PACER_TRIGGERED = 2, PACER_LAST_GOAL, PACER_LIVE, PACER_MARKED = 10, PACER_INUSE = 25, PACER_RELEASED, PACER_FREE,
	PACER_TOTAL_ALLOC, PACER_TOTAL_FREE, PACER_MAPPED_READY, PACER_WORDS,
};

static uint32_t pacer_goal(const struct go *go)
{
	return go->minor == 19 ? 104 : go->minor == 20 ? 48 : 72;
}

/* memoryLimitHeapGoal(): what the limit leaves for the heap. */
static uint64_t limited_goal(const struct go *go, uint64_t limit, const uint64_t p[PACER_WORDS])
{
	uint64_t allocated = p[PACER_TOTAL_ALLOC] - p[PACER_TOTAL_FREE];
	uint64_t other = p[PACER_MAPPED_READY] - p[PACER_FREE] - allocated;
	uint64_t over = p[PACER_MAPPED_READY] > limit ? p[PACER_MAPPED_READY] - limit : 0;
	uint64_t goal, headroom = 1 << 20;

	if (other + over >= limit)
		return p[PACER_MARKED];
	goal = limit - (other + over);
	if (go->minor != 19 && go->minor != 20 && goal / 100 * 3 > headroom)
		headroom = goal / 100 * 3;
	goal = goal < headroom || goal - headroom < headroom ? headroom : goal - headroom;
	return goal > p[PACER_MARKED] ? goal : p[PACER_MARKED];
}

/* heapGoalInternal(), but for the runway that a cycle under way or a sweep adds. */
static void count_goal(struct go_heap *h, const uint64_t p[PACER_WORDS])
{
	struct go_memstats *m = &h->stats;
	uint64_t limited = limited_goal(h->go, m->memory_limit, p), goal = p[PACER_GOAL];

	m->percent_goal = goal;
	m->limit_goal = limited;
	counted(m, GO_NEXT_GC, limited < goal ? limited : goal);
}

static void read_pacer(struct go_heap *h)
{
	struct go_memstats *m = &h->stats;
	taddr at = h->go->at.gcController;
	uint64_t p[PACER_WORDS], limit;
	uint32_t percent, phase;

	if (h->go->at.gcphase && image_read_u32(h->img, h->go->at.gcphase, &phase) == MEM_OK)
		m->gc_running = phase != 0;
	if (!at || image_read_u32(h->img, at, &percent) != MEM_OK || image_read_u64(h->img, at + 8, &limit) != MEM_OK ||
	    image_read(h->img, at + pacer_goal(h->go), p, sizeof(p)) != MEM_OK)
		return;
	m->gc_percent = (int32_t)percent;
	m->memory_limit = limit;
	m->has_gc_percent = m->has_memory_limit = true;
	m->heap_live = p[PACER_LIVE];
	m->heap_marked = p[PACER_MARKED];
	m->last_goal = p[PACER_LAST_GOAL];
	m->heap_minimum = go_word(h->go, at + 16);
	counted(m, GO_HEAP_INUSE, p[PACER_INUSE]);
	counted(m, GO_HEAP_IDLE, p[PACER_FREE] + p[PACER_RELEASED]);
	counted(m, GO_HEAP_RELEASED, p[PACER_RELEASED]);
	counted(m, GO_HEAP_SYS, p[PACER_INUSE] + p[PACER_FREE] + p[PACER_RELEASED]);
	counted(m, GO_TOTAL_ALLOC, p[PACER_TOTAL_ALLOC]);
	count_goal(h, p);
}

/* Sys, by either account: memory that the system gave for anything. */
static void add_up(struct go_memstats *m)
{
	static const enum go_figure_no parts[] = {
		GO_HEAP_SYS, GO_STACK_SYS, GO_MSPAN_SYS, GO_MCACHE_SYS, GO_BUCK_HASH_SYS, GO_GC_SYS, GO_OTHER_SYS,
	};
	const struct go_figure *f = m->figures;
	bool has_counted = true, has_computed = true;
	uint64_t by_count = 0, by_structure = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const struct go_figure *p = &f[parts[i]];

		has_counted &= p->is_counted;
		by_count += p->counted;
		by_structure += p->is_computed ? p->computed : p->counted;
	}
	has_computed = has_counted && f[GO_HEAP_SYS].is_computed;
	if (has_counted)
		counted(m, GO_SYS, by_count);
	if (has_computed)
		computed(m, GO_SYS, by_structure);
}

void go_memstats_fill(struct go_heap *h)
{
	struct go_memstats *m = &h->stats;

	for (unsigned i = 0; i < GO_FIGURES; i++)
		m->figures[i].name = names[i];
	count_spans(h);
	name_classes(h);
	count_free_pages(h);
	read_memstats(h);
	read_fixallocs(h);
	read_pacer(h);
	add_up(m);
}
