/*
 * image/go_check_fields.c - invariants of fields that no variable is told by.
 *
 * A layout that finds every variable may still be wrong about what lies beside them: a DWARF of
 * another build, a runtime that somebody changed.  What must hold of spans, pages, goroutines and
 * counters is evaluated on samples; most have to pass, for some may have been written over.  Source
 * of truth: runtime/{mheap,mcentral,mpagealloc,runtime2,chan,mgcpacer,mstats}.go.
 */
#include <string.h>

#include "base/bits.h"
#include "image/go_check.h"

enum {
	SAMPLES = 64,
	PAGE = 8192,
	CHUNK = 4 << 20,
	SPAN_CLASSES = 136,
	OBJECTS_MAX = 1024, /* of a span: 8 bytes each in a page */
	STATUS_WAITING = 4,
	STATUS_SCAN = 0x1000,
	RUNQ = 256, /* goroutines in a P's queue */
	TINY = 16,
	KINDS_MAX = 16,
};

static const uint64_t arena_size = 64ull << 20, most = 1ull << 48;

struct tally {
	unsigned good, bad;
};

static void tally(struct tally *t, bool ok)
{
	if (ok)
		t->good++;
	else
		t->bad++;
}

static uint32_t word32(const struct go *go, taddr addr)
{
	uint32_t v = 0;

	(void)image_read_u32(go->img, addr, &v); /* absent: zero, which no check takes for proof */
	return v;
}

static uint8_t word8(const struct go *go, taddr addr)
{
	uint8_t v = 0;

	(void)image_read(go->img, addr, &v, 1); /* likewise */
	return v;
}

static bool is_word(const struct go *go, taddr addr)
{
	uint64_t word;

	return addr % 8 == 0 && image_read_u64(go->img, addr, &word) == MEM_OK;
}

/* Code in a function; anything when the functions are not there. */
static bool is_code(const struct go *go, taddr pc)
{
	struct go_func f;
	uint64_t avail;

	return go_func_at(go, pc, &f) || !image_view(go->img, go->modules[0].pclntab, &avail);
}

/* ---- spans: each row is one relation between fields */

static uint64_t span_int(const struct go *go, taddr at)
{
	return go->layout.mspan.int_size == 8 ? go_word(go, at) : (uint16_t)word32(go, at);
}

struct span_look {
	taddr at;
	uint64_t start, bytes, elemsize, nelems;
	uint8_t spanclass;
};

static bool elements_fit(const struct go *go, const struct span_look *s)
{
	(void)go;
	return s->elemsize && s->nelems && s->nelems <= s->bytes / s->elemsize && s->spanclass < SPAN_CLASSES &&
	       (s->spanclass >= 2 || s->nelems == 1); /* class 0, with pointers or without: large objects */
}

static bool counts_fit(const struct go *go, const struct span_look *s)
{
	const struct go_layout *l = &go->layout;

	return span_int(go, s->at + l->mspan.freeindex) <= s->nelems &&
	       span_int(go, s->at + l->mspan.freeIndexForScan) <= s->nelems &&
	       (uint16_t)word32(go, s->at + l->mspan.allocCount) <= s->nelems;
}

/* Object i is allocated if i < freeindex, or bit i of allocBits is set; allocCount says how many are. */
static bool allocated_fit(const struct go *go, const struct span_look *s)
{
	const struct go_layout *l = &go->layout;
	uint64_t free = span_int(go, s->at + l->mspan.freeindex), n = free;
	taddr bits = go_word(go, s->at + l->mspan.allocBits);

	if (s->nelems > OBJECTS_MAX || free > s->nelems)
		return false;
	for (uint64_t i = free; i < s->nelems; i++)
		n += word8(go, bits + i / 8) >> i % 8 & 1;
	return n == (uint16_t)word32(go, s->at + l->mspan.allocCount);
}

/* mheap.go: h-2 .. h+3 of the heap's sweepgen h. */
static bool sweepgen_fits(const struct go *go, const struct span_look *s)
{
	uint32_t h = word32(go, go->at.mheap + go->layout.mheap.sweepgen);

	return word32(go, s->at + go->layout.mspan.sweepgen) - (h - 2) <= 5;
}

static bool bits_fit(const struct go *go, const struct span_look *s)
{
	taddr marks = go_word(go, s->at + go->layout.mspan.gcmarkBits);

	/* Marks may lie in the span itself. */
	return is_word(go, go_word(go, s->at + go->layout.mspan.allocBits)) && (!marks || is_word(go, marks));
}

static bool specials_fit(const struct go *go, const struct span_look *s)
{
	const struct go_layout *l = &go->layout;
	taddr special = go_word(go, s->at + l->mspan.specials);
	uint64_t offset;
	uint8_t kind;

	if (!special)
		return true;
	offset = l->special.offset_size == 8 ? go_word(go, special + l->special.offset) :
					       (uint16_t)word32(go, special + l->special.offset);
	kind = word8(go, special + l->special.kind);
	return is_word(go, special) && offset < s->bytes && kind && kind < KINDS_MAX;
}

static bool arena_fits(const struct go *go, const struct span_look *s)
{
	const struct go_layout *l = &go->layout;
	taddr arena = go_heap_arena(go, s->start);
	uint64_t page = s->start % arena_size / PAGE;

	return arena && word8(go, arena + l->heapArena.pageInUse + page / 8) >> page % 8 & 1 &&
	       go_word(go, arena + l->heapArena.zeroedBase) <= arena_size;
}

/* Its chunk exists, and has the page as allocated. */
static bool chunk_fits(const struct go *go, const struct span_look *s)
{
	uint64_t base = go->img->target->id == TARGET_X86_64 ? 0xffff800000000000 : 0;
	uint64_t chunk = (s->start - base) / CHUNK, page = s->start % CHUNK / PAGE;
	taddr l1 = go->at.mheap + go->layout.mheap.pages + go->layout.pageAlloc.chunks;
	taddr l2 = chunk >> 26 ? 0 : go_word(go, l1 + (chunk >> 13) * 8);

	/* mpagealloc.go: pallocData is 64 bytes of allocated bits, then as many of scavenged ones. */
	return l2 && word8(go, l2 + (chunk & 8191) * 128 + page / 8) >> page % 8 & 1;
}

static bool (*const span_rows[])(const struct go *go, const struct span_look *s) = {
	elements_fit, counts_fit, allocated_fit, sweepgen_fits, bits_fit, specials_fit, arena_fits, chunk_fits,
};

enum { SPAN_ROWS = sizeof(span_rows) / sizeof(*span_rows) };

static bool span_look(const struct go *go, taddr span, struct span_look *ret)
{
	const struct go_layout *l = &go->layout;

	if (!go_is_mspan(go, span) || word8(go, span + l->mspan.state) != 1)
		return false;
	ret->at = span;
	ret->start = go_word(go, span + l->mspan.startAddr);
	ret->bytes = go_word(go, span + l->mspan.npages) * PAGE;
	ret->elemsize = go_word(go, span + l->mspan.elemsize);
	ret->nelems = span_int(go, span + l->mspan.nelems);
	ret->spanclass = word8(go, span + l->mspan.spanclass);
	return true;
}

/* Spans of one class have elements of one size; class 0 has large objects. */
static bool class_agrees(uint64_t *sizes, const struct span_look *s)
{
	if (s->spanclass >= SPAN_CLASSES)
		return false;
	if (s->spanclass >= 2 && !sizes[s->spanclass])
		sizes[s->spanclass] = s->elemsize;
	return s->spanclass < 2 || sizes[s->spanclass] == s->elemsize;
}

static void check_spans(const struct go *go, struct tally *t)
{
	struct tally rows[SPAN_ROWS] = {}, classes = {};
	uint64_t n, sizes[SPAN_CLASSES] = {};
	taddr ptr;

	if (!go->at.mheap || !go_slice(go, go->at.mheap + go->layout.mheap.allspans, 8, &ptr, &n))
		return;
	for (uint64_t i = 0, step = n / SAMPLES + 1; i < n; i += step) {
		struct span_look s;

		if (!span_look(go, go_word(go, ptr + i * 8), &s))
			continue;
		for (unsigned k = 0; k < SPAN_ROWS; k++)
			tally(&rows[k], span_rows[k](go, &s));
		tally(&classes, class_agrees(sizes, &s));
	}
	for (unsigned k = 0; k < SPAN_ROWS; k++)
		tally(t, rows[k].bad <= rows[k].good / 2);
	tally(t, classes.bad <= classes.good / 2);
}

/* ---- goroutines, threads, processors */

struct g_look {
	taddr at;
	uint64_t low, high;
};

static bool gobuf_fits(const struct go *go, const struct g_look *g)
{
	const struct go_layout *l = &go->layout;
	taddr sp = go_word(go, g->at + l->g.sched_sp);

	return sp >= g->low && sp < g->high && is_code(go, go_word(go, g->at + l->g.sched_pc));
}

static bool wait_fits(const struct go *go, const struct g_look *g)
{
	const struct go_layout *l = &go->layout;
	taddr sudog = go_word(go, g->at + l->g.waiting);

	return word8(go, g->at + l->g.waitreason) <= KINDS_MAX * 8 &&
	       go_word(go, g->at + l->g.waitsince) < 1ull << 60 &&
	       (!sudog || go_word(go, sudog + l->sudog.g) == g->at);
}

/* What it waits for: a channel that holds together; none for a semaphore, or in a nil channel. */
static bool channel_fits(const struct go *go, const struct g_look *g)
{
	const struct go_layout *l = &go->layout;
	taddr sudog = go_word(go, g->at + l->g.waiting), c = sudog ? go_word(go, sudog + l->sudog.c) : 0;
	uint64_t count, size;

	if (!c)
		return true;
	count = go_word(go, c + l->hchan.qcount);
	size = go_word(go, c + l->hchan.dataqsiz);
	return is_word(go, c) && count <= size && word32(go, c + l->hchan.closed) <= 1 &&
	       (!go_word(go, c + l->hchan.elemtype) == !size || !size);
}

static bool creator_fits(const struct go *go, const struct g_look *g)
{
	const struct go_layout *l = &go->layout;
	taddr pc = go_word(go, g->at + l->g.gopc);

	if (l->g.parentGoid != GO_ABSENT && go_word(go, g->at + l->g.parentGoid) >= 1ull << 40)
		return false;
	return !pc || is_code(go, pc);
}

static bool lists_fit(const struct go *go, const struct g_look *g)
{
	const struct go_layout *l = &go->layout;
	const uint32_t fields[] = { l->g.panic, l->g.defer_, l->g.labels, l->g.timer };

	for (unsigned i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		taddr p = go_word(go, g->at + fields[i]);

		if (p && !is_word(go, p))
			return false;
	}
	return true;
}

static bool (*const g_rows[])(const struct go *go, const struct g_look *g) = {
	gobuf_fits, wait_fits, channel_fits, creator_fits, lists_fit,
};

enum { G_ROWS = sizeof(g_rows) / sizeof(*g_rows) };

static void check_goroutines(const struct go *go, struct tally *t)
{
	const struct go_layout *l = &go->layout;
	struct tally rows[G_ROWS] = {};
	uint64_t n;
	taddr ptr;

	if (!go->at.allgs || !go_slice(go, go->at.allgs, 8, &ptr, &n))
		return;
	for (uint64_t i = 0, step = n / SAMPLES + 1; i < n; i += step) {
		struct g_look g = { .at = go_word(go, ptr + i * 8) };
		uint32_t status = word32(go, g.at + l->g.atomicstatus) & ~(uint32_t)STATUS_SCAN;

		g.low = go_word(go, g.at + l->g.stack);
		g.high = go_word(go, g.at + l->g.stack + 8);
		if (status != STATUS_WAITING)
			continue;
		for (unsigned k = 0; k < G_ROWS; k++)
			tally(&rows[k], g_rows[k](go, &g));
	}
	for (unsigned k = 0; k < G_ROWS; k++)
		tally(t, rows[k].bad <= rows[k].good / 2);
}

static void check_processors(const struct go *go, struct tally *t)
{
	const struct go_layout *l = &go->layout;
	struct tally queues = {}, caches = {}, owners = {};
	uint64_t n;
	taddr ptr;

	if (!go->at.allp || !go_slice(go, go->at.allp, 8, &ptr, &n))
		return;
	for (uint64_t i = 0; i < n && i < SAMPLES; i++) {
		taddr p = go_word(go, ptr + i * 8), cache = go_word(go, p + l->p.mcache);
		taddr tiny = go_word(go, cache + l->mcache.tiny), m = go_word(go, p + l->p.m);

		tally(&queues, word32(go, p + l->p.runqhead + 4) - word32(go, p + l->p.runqhead) <= RUNQ);
		tally(&owners, !m || go_word(go, go_word(go, m + l->m.g0) + l->g.m) == m);
		if (cache)
			tally(&caches, tiny % TINY == 0 && (!tiny || go_span_of(go, tiny)) &&
					       go_word(go, cache + l->mcache.tinyoffset) <= TINY);
	}
	tally(t, queues.bad <= queues.good / 2);
	tally(t, owners.bad <= owners.good / 2);
	tally(t, caches.bad <= caches.good / 2);
}

/* ---- counters */

static bool controller_fits(const struct go *go)
{
	const struct go_layout *l = &go->layout;
	taddr c = go->at.gcController;

	return go_word(go, c + l->gcControllerState.heapMarked) < most &&
	       go_word(go, c + l->gcControllerState.heapInUse) < most &&
	       go_word(go, c + l->gcControllerState.heapReleased) < most &&
	       go_word(go, c + l->gcControllerState.heapFree) < most &&
	       go_word(go, c + l->gcControllerState.mappedReady) < most &&
	       go_word(go, c + l->gcControllerState.totalFree) <= go_word(go, c + l->gcControllerState.totalAlloc);
}

static bool memstats_fit(const struct go *go)
{
	const struct go_layout *l = &go->layout;
	taddr m = go->at.memstats;
	uint64_t when = go_word(go, m + l->mstats.last_gc_unix);
	uint32_t n = word32(go, m + l->mstats.numgc);

	/* Nanoseconds of this century, once there was a collection. */
	return word32(go, m + l->mstats.numforcedgc) <= n && !when == !n &&
	       (!when || (when > 946684800ull * 1000000000 && when < 4102444800ull * 1000000000)) &&
	       go_word(go, m + l->mstats.pause_total_ns) < 1ull << 60;
}

static bool pages_fit(const struct go *go)
{
	taddr ranges = go->at.mheap + go->layout.mheap.pages + go->layout.pageAlloc.inUse, ptr;
	uint64_t n, last = 0;

	if (!go_slice(go, ranges, 16, &ptr, &n) || !n)
		return false;
	for (uint64_t i = 0; i < n && i < SAMPLES; i++) {
		uint64_t base = go_word(go, ptr + i * 16), limit = go_word(go, ptr + i * 16 + 8);

		if (base < last || limit <= base || base % PAGE)
			return false;
		last = limit;
	}
	return true;
}

void go_check_fields(struct go *go)
{
	struct tally t = {};

	check_spans(go, &t);
	check_goroutines(go, &t);
	check_processors(go, &t);
	if (go->at.gcController)
		tally(&t, controller_fits(go));
	if (go->at.memstats)
		tally(&t, memstats_fit(go));
	if (go->at.mheap)
		tally(&t, pages_fit(go));
	go->checks_passed += t.good;
	go->checks_failed += t.bad;
}
