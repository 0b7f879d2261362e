/*
 * image/go_layout.c - offsets of the runtime's fields in Go 1.19 to 1.27.
 *
 * Source of truth: the DWARF of programs built by the newest patch release of each minor for
 * linux/amd64 and linux/arm64 (the two differ where cache lines pad).  A row tells since which
 * minor a field is where.
 */
#include "image/go_layout.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/guard.h"
#include "image/dbg.h"
#include "image/go_build.h"

enum { CHANGES_MAX = 8 };

enum { X86 = 1 << TARGET_X86_64, ARM = 1 << TARGET_AARCH64, BOTH = X86 | ARM };

struct row {
	uint16_t at; /* in struct go_layout */
	uint8_t targets;
	const char *of, *name; /* as DWARF has them, less "runtime."; name: struct dbg_ask.path */
	struct {
		uint8_t since;
		uint32_t offset;
	} changes[CHANGES_MAX]; /* absent before the first */
};

#define ROW(t, s, m, n, ...) { offsetof(struct go_layout, s.m), t, #s, n, { __VA_ARGS__ } }
#define F(s, m, ...) ROW(BOTH, s, m, #m, __VA_ARGS__)
#define FN(s, m, n, ...) ROW(BOTH, s, m, n, __VA_ARGS__)
#define X86_F(s, m, ...) ROW(X86, s, m, #m, __VA_ARGS__)
#define X86_FN(s, m, n, ...) ROW(X86, s, m, n, __VA_ARGS__)
#define ARM_F(s, m, ...) ROW(ARM, s, m, #m, __VA_ARGS__)
#define ARM_FN(s, m, n, ...) ROW(ARM, s, m, n, __VA_ARGS__)

static const struct row rows[] = {
	FN(mspan, size, "#", { 19, 144 }, { 20, 160 }, { 21, 168 }, { 22, 160 }),
	FN(mspan, int_size, "#nelems", { 19, 8 }, { 22, 2 }),
	F(mspan, next, { 19, 0 }),
	F(mspan, startAddr, { 19, 24 }),
	F(mspan, npages, { 19, 32 }),
	F(mspan, freeindex, { 19, 48 }),
	F(mspan, nelems, { 19, 56 }, { 22, 50 }),
	F(mspan, freeIndexForScan, { 19, 136 }, { 20, 152 }, { 21, 160 }, { 22, 52 }),
	F(mspan, allocBits, { 19, 72 }, { 22, 64 }),
	F(mspan, gcmarkBits, { 19, 80 }, { 22, 72 }),
	F(mspan, pinnerBits, { 21, 88 }, { 22, 80 }),
	F(mspan, sweepgen, { 19, 88 }, { 21, 96 }, { 22, 88 }),
	F(mspan, allocCount, { 19, 96 }, { 21, 104 }, { 22, 96 }),
	F(mspan, spanclass, { 19, 98 }, { 21, 106 }, { 22, 98 }),
	F(mspan, state, { 19, 99 }, { 21, 107 }, { 22, 99 }),
	F(mspan, isUserArenaChunk, { 20, 101 }, { 21, 109 }, { 22, 101 }),
	F(mspan, elemsize, { 19, 104 }, { 21, 112 }, { 22, 104 }),
	F(mspan, limit, { 19, 112 }, { 21, 120 }, { 22, 112 }),
	F(mspan, specials, { 19, 128 }, { 21, 136 }, { 22, 128 }),
	F(mspan, largeType, { 22, 152 }),

	F(mheap, pages, { 19, 16 }, { 20, 8 }),
	F(mheap, allspans, { 19, 65856 }, { 20, 65824 }, { 21, 65864 }),
	F(mheap, sweepgen, { 19, 65848 }, { 20, 65816 }, { 21, 65856 }),
	X86_F(mheap, arenas, { 19, 65936 }, { 20, 65904 }, { 21, 65944 }, { 22, 66008 }),
	ARM_F(mheap, arenas, { 19, 65936 }, { 20, 65904 }, { 21, 65944 }, { 22, 66072 }),
	X86_F(mheap, heapArenas, { 19, 66016 }, { 20, 65984 }, { 21, 66032 }, { 22, 66096 }),
	ARM_F(mheap, heapArenas, { 19, 66016 }, { 20, 65984 }, { 21, 66032 }, { 22, 66160 }),
	X86_F(mheap, curArena, { 19, 66088 }, { 20, 66056 }, { 21, 66104 }, { 22, 66168 }, { 25, 66192 }),
	ARM_F(mheap, curArena, { 19, 66088 }, { 20, 66056 }, { 21, 66104 }, { 22, 66232 }, { 25, 66256 }),
	X86_F(mheap, spanalloc, { 19, 92224 }, { 20, 92184 }, { 21, 92232 }, { 22, 92296 }, { 25, 92320 }),
	ARM_F(mheap, spanalloc, { 19, 92224 }, { 20, 100888 }, { 21, 100936 }, { 22, 101064 }, { 25, 101088 }),
	X86_F(mheap, cachealloc, { 19, 92296 }, { 20, 92256 }, { 21, 92304 }, { 22, 92368 }, { 25, 92392 }, { 26, 92464 }),
	ARM_F(mheap, cachealloc, { 19, 92296 }, { 20, 100960 }, { 21, 101008 }, { 22, 101136 }, { 25, 101160 }, { 26, 101232 }),
	F(mheap, pagesInUse, { 19, 65880 }, { 20, 65848 }, { 21, 65888 }),
	X86_F(mheap, central, { 19, 66112 }, { 20, 66072 }, { 21, 66120 }, { 22, 66184 }, { 25, 66208 }),
	ARM_F(mheap, central, { 19, 66112 }, { 20, 66072 }, { 21, 66120 }, { 22, 66248 }, { 25, 66272 }),
	X86_FN(mheap, central_stride, "#central.[]", { 19, 192 }),
	ARM_FN(mheap, central_stride, "#central.[]", { 19, 192 }, { 20, 256 }),

	FN(heapArena, size, "#", { 19, 2165776 }, { 20, 1133584 }, { 22, 68624 }, { 25, 69648 }),
	F(heapArena, bitmap, { 19, 0 }, { 22, GO_ABSENT }),
	F(heapArena, noMorePtrs, { 20, 1048576 }, { 22, GO_ABSENT }),
	F(heapArena, spans, { 19, 2097152 }, { 20, 1064960 }, { 22, 0 }),
	F(heapArena, pageInUse, { 19, 2162688 }, { 20, 1130496 }, { 22, 65536 }),
	F(heapArena, pageMarks, { 19, 2163712 }, { 20, 1131520 }, { 22, 66560 }),
	F(heapArena, pageUseSpanInlineMarkBits, { 25, 68608 }),
	F(heapArena, zeroedBase, { 19, 2165768 }, { 20, 1133576 }, { 22, 68616 }, { 25, 69640 }),

	F(pageAlloc, inUse, { 19, 65680 }),
	F(pageAlloc, chunks, { 19, 120 }),
	F(pageAlloc, summary, { 19, 0 }),
	F(pageAlloc, scav, { 19, 65728 }, { 20, 65720 }),

	F(g, stack, { 19, 0 }),
	FN(g, sched_sp, "sched.sp", { 19, 56 }),
	FN(g, sched_pc, "sched.pc", { 19, 64 }),
	FN(g, sched_bp, "sched.bp", { 19, 104 }, { 25, 96 }),
	F(g, syscallsp, { 19, 112 }, { 25, 104 }),
	F(g, syscallpc, { 19, 120 }, { 25, 112 }),
	F(g, m, { 19, 48 }),
	F(g, atomicstatus, { 19, 144 }, { 23, 152 }, { 25, 144 }),
	F(g, goid, { 19, 152 }, { 23, 160 }, { 25, 152 }),
	F(g, waitsince, { 19, 168 }, { 23, 176 }, { 25, 168 }),
	F(g, waitreason, { 19, 176 }, { 23, 184 }, { 25, 176 }),
	F(g, parentGoid, { 21, 272 }, { 23, 280 }, { 25, 272 }, { 26, 280 }),
	F(g, gopc, { 19, 296 }, { 21, 280 }, { 23, 288 }, { 25, 280 }, { 26, 288 }),
	F(g, startpc, { 19, 312 }, { 21, 296 }, { 23, 304 }, { 25, 296 }, { 26, 304 }),
	F(g, waiting, { 19, 328 }, { 21, 312 }, { 23, 320 }, { 25, 312 }, { 26, 320 }),
	F(g, labels, { 19, 360 }, { 21, 344 }, { 23, 352 }, { 25, 344 }, { 26, 352 }),
	FN(g, panic, "_panic", { 19, 32 }),
	FN(g, defer_, "_defer", { 19, 40 }),
	F(g, timer, { 19, 368 }, { 21, 352 }, { 23, 360 }, { 25, 352 }, { 26, 360 }),
	F(g, stktopsp, { 19, 128 }, { 23, 136 }, { 25, 128 }),
	F(g, xRegs, { 26, 400 }),
	F(g, trackingStamp, { 20, 192 }, { 23, 200 }, { 25, 192 }),

	F(p, id, { 19, 0 }),
	F(p, status, { 19, 4 }),
	F(p, m, { 19, 56 }, { 23, 48 }),
	F(p, mcache, { 19, 64 }, { 23, 56 }),
	F(p, pcache, { 19, 72 }, { 23, 64 }),
	F(p, runqhead, { 19, 400 }, { 23, 392 }, { 26, 400 }),
	F(p, timers, { 19, 8840 }, { 20, 8832 }, { 21, 8840 }, { 22, 8872 }, { 23, 8840 }, { 25, 9392 }, { 26, 13672 }),
	F(p, sudogbuf, { 19, 2504 }, { 23, 2496 }, { 26, 2504 }),
	FN(p, schedwhen, "sysmontick.schedwhen", { 19, 32 }),
	FN(p, syscallwhen, "sysmontick.syscallwhen", { 19, 48 }, { 23, 40 }),
	F(p, limiterEvent, { 19, 4648 }, { 20, 4640 }, { 21, 4648 }, { 22, 4680 }, { 23, 4656 }, { 26, 4664 }),

	F(m, g0, { 19, 0 }),
	F(m, gsignal, { 19, 80 }, { 25, 72 }),
	F(m, curg, { 19, 192 }, { 25, 184 }),
	F(m, procid, { 19, 72 }, { 25, 64 }),
	F(m, alllink, { 19, 336 }, { 22, 328 }, { 23, 352 }, { 25, 344 }, { 26, 352 }),
	F(m, vdsoSP, { 19, 800 }, { 21, 808 }, { 22, 1120 }, { 23, 880 }, { 24, 904 }, { 25, 896 }),

	F(mcache, tiny, { 19, 16 }, { 24, 24 }),
	F(mcache, tinyoffset, { 19, 24 }, { 24, 32 }),
	F(mcache, alloc, { 19, 40 }, { 24, 48 }),
	F(mcache, stackcache, { 19, 1128 }, { 24, 1136 }, { 26, 2224 }),

	F(special, next, { 19, 0 }),
	F(special, offset, { 19, 8 }),
	F(special, kind, { 19, 10 }, { 24, 16 }),
	FN(special, offset_size, "#offset", { 19, 2 }, { 24, 8 }),
	FN(special, size, "#", { 19, 16 }, { 24, 24 }),

	F(sudog, g, { 19, 0 }),
	F(sudog, next, { 19, 8 }),
	F(sudog, elem, { 19, 24 }),
	F(sudog, waitlink, { 19, 64 }, { 26, 72 }),
	F(sudog, c, { 19, 80 }, { 26, 88 }),

	F(hchan, qcount, { 19, 0 }),
	F(hchan, dataqsiz, { 19, 8 }),
	F(hchan, buf, { 19, 16 }),
	F(hchan, elemsize, { 19, 24 }),
	F(hchan, closed, { 19, 28 }),
	F(hchan, elemtype, { 19, 32 }, { 23, 40 }),
	F(hchan, sendq, { 19, 72 }, { 23, 80 }),
	F(hchan, recvq, { 19, 56 }, { 23, 64 }),

	F(schedt, lock, { 19, 24 }, { 25, 32 }),
	F(schedt, midle, { 19, 32 }, { 25, 40 }),
	F(schedt, nmidle, { 19, 40 }, { 25, 48 }, { 26, 64 }),
	F(schedt, mnext, { 19, 48 }, { 25, 56 }, { 26, 72 }),
	F(schedt, maxmcount, { 19, 56 }, { 25, 64 }, { 26, 80 }),
	F(schedt, ngsys, { 19, 72 }, { 25, 80 }, { 26, 96 }),
	F(schedt, runq, { 19, 96 }, { 20, 104 }, { 25, 112 }, { 26, 128 }),
	F(schedt, lastpoll, { 19, 8 }),
	F(schedt, gFree, { 19, 152 }, { 20, 160 }, { 25, 168 }, { 26, 184 }),

	F(gcControllerState, gcPercent, { 19, 0 }),
	F(gcControllerState, memoryLimit, { 19, 8 }),
	F(gcControllerState, heapMinimum, { 19, 16 }),
	F(gcControllerState, heapLive, { 19, 136 }, { 20, 80 }, { 21, 104 }),
	F(gcControllerState, gcPercentHeapGoal, { 19, 104 }, { 20, 48 }, { 21, 72 }),
	F(gcControllerState, heapMarked, { 19, 184 }, { 20, 128 }, { 21, 152 }),
	F(gcControllerState, heapInUse, { 19, 304 }, { 20, 248 }, { 21, 272 }),
	F(gcControllerState, heapReleased, { 19, 312 }, { 20, 256 }, { 21, 280 }),
	F(gcControllerState, heapFree, { 19, 320 }, { 20, 264 }, { 21, 288 }),
	F(gcControllerState, totalAlloc, { 19, 328 }, { 20, 272 }, { 21, 296 }),
	F(gcControllerState, totalFree, { 19, 336 }, { 20, 280 }, { 21, 304 }),
	F(gcControllerState, mappedReady, { 19, 344 }, { 20, 288 }, { 21, 312 }),
	F(gcControllerState, lastHeapGoal, { 19, 128 }, { 20, 72 }, { 21, 96 }),
	F(gcControllerState, triggered, { 19, 120 }, { 20, 64 }, { 21, 88 }),

	F(mstats, heapStats, { 19, 0 }),
	F(mstats, stacks_sys, { 19, 3544 }, { 25, 3520 }),
	F(mstats, mspan_sys, { 19, 3552 }, { 25, 3528 }),
	F(mstats, mcache_sys, { 19, 3560 }, { 25, 3536 }),
	F(mstats, buckhash_sys, { 19, 3568 }, { 25, 3544 }),
	F(mstats, gcMiscSys, { 19, 3576 }, { 25, 3552 }),
	F(mstats, other_sys, { 19, 3584 }, { 25, 3560 }),
	F(mstats, last_gc_unix, { 19, 3592 }, { 25, 3568 }),
	F(mstats, pause_total_ns, { 19, 3600 }, { 25, 3576 }),
	F(mstats, numgc, { 19, 7704 }, { 25, 7680 }),
	F(mstats, numforcedgc, { 19, 7708 }, { 25, 7684 }),
	F(mstats, last_gc_nanotime, { 19, 7720 }, { 25, 7696 }),
	F(mstats, enablegc, { 19, 7736 }, { 25, 8256 }, { 26, 10432 }),
};

static void put(struct go_layout *l, const struct row *r, uint32_t value)
{
	memcpy((uint8_t *)l + r->at, &value, sizeof(value));
}

static uint32_t row_offset(const struct row *r, unsigned minor)
{
	uint32_t offset = GO_ABSENT;

	for (size_t i = 0; i < CHANGES_MAX && r->changes[i].since && r->changes[i].since <= minor; i++)
		offset = r->changes[i].offset;
	return offset;
}

/* runtime/mheap.go, _KindSpecial*: they were renumbered in 1.23 and 1.25. */
static void kinds_of(unsigned minor, struct go_layout *l)
{
	unsigned first = minor >= 25 ? 2 : 1, after = minor >= 23 ? first + 2 : 2;

	memset(&l->special_kind, 0xff, sizeof(l->special_kind));
	l->special_kind.finalizer = first;
	if (minor >= 23)
		l->special_kind.weak_handle = first + 1;
	l->special_kind.profile = after;
	l->special_kind.reachable = after + 1;
	if (minor >= 21)
		l->special_kind.pin_counter = after + 2;
	if (minor >= 24)
		l->special_kind.cleanup = after + 3;
	if (minor >= 25) {
		l->special_kind.tiny_block = 1;
		l->special_kind.check_finalizer = 8;
		l->special_kind.bubble = 9;
	}
	if (minor >= 26)
		l->special_kind.secret = 10;
}

/*
 * GOEXPERIMENT=greenteagc, which is the default since 1.26: a P's gcWork has room for more in front
 * of its timers, and the last of the counters come behind more (mwbbuf.go, mstats.go).
 */
static void greentea_turned(struct go_layout *l, unsigned minor, bool greentea)
{
	if (minor == 25 && greentea) {
		l->p.timers = 13624;
		l->mstats.enablegc = 10432;
	} else if (minor >= 26 && !greentea) {
		l->p.timers = 9416;
		l->mstats.enablegc = 8256;
	}
}

void go_layout_of(unsigned minor, enum target_id target, bool allocheaders, bool greentea,
		  struct go_layout *ret)
{
	if (minor < GO_OLDEST)
		minor = minor ? GO_OLDEST : GO_NEWEST;
	memset(ret, 0xff, sizeof(*ret));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		/* Without malloc headers 1.22 keeps the bitmap of before in front of the arena's spans. */
		bool old = minor == 22 && !allocheaders && !strcmp(r->of, "heapArena");

		if (r->targets & 1u << target)
			put(ret, r, row_offset(r, old ? 21 : minor));
	}
	greentea_turned(ret, minor, greentea);
	kinds_of(minor, ret);
}

/* ---- what debug information says */

/* Names that a field had before. */
static const struct {
	const char *of, *now, *was;
} renamed[] = {
	{ "mheap", "heapArenas", "allArenas" }, /* to 1.24 */
};

static const struct {
	size_t at; /* in struct go_layout */
	const char *name;
} kinds[] = {
#define KIND(field, name) { offsetof(struct go_layout, special_kind.field), "runtime._KindSpecial" name }
	KIND(finalizer, "Finalizer"),
	KIND(weak_handle, "WeakHandle"),
	KIND(profile, "Profile"),
	KIND(reachable, "Reachable"),
	KIND(pin_counter, "PinCounter"),
	KIND(cleanup, "Cleanup"),
	KIND(tiny_block, "TinyBlock"),
	KIND(check_finalizer, "CheckFinalizer"),
	KIND(bubble, "Bubble"),
	KIND(secret, "Secret"),
#undef KIND
};

enum { N_ASKS = ARRAY_SIZE(rows) + ARRAY_SIZE(renamed) + ARRAY_SIZE(kinds) };

struct questions {
	struct dbg_ask asks[N_ASKS]; /* of rows, then of names before, then of kinds */
	char of[ARRAY_SIZE(rows)][sizeof("runtime.gcControllerState")];
};

static bool row_is_of(const struct row *r, const struct image *img)
{
	return r->targets & 1u << img->target->id;
}

static void questions_fill(struct questions *q, const struct image *img)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!row_is_of(&rows[i], img))
			continue;
		snprintf(q->of[i], sizeof(q->of[i]), "runtime.%s", rows[i].of);
		q->asks[i] = (struct dbg_ask){ .of = q->of[i], .path = rows[i].name };
		for (size_t k = 0; k < ARRAY_SIZE(renamed); k++)
			if (!strcmp(rows[i].of, renamed[k].of) && !strcmp(rows[i].name, renamed[k].now))
				q->asks[ARRAY_SIZE(rows) + k] =
					(struct dbg_ask){ .of = q->of[i], .path = renamed[k].was };
	}
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		q->asks[ARRAY_SIZE(rows) + ARRAY_SIZE(renamed) + k].path = kinds[k].name;
}

static const struct dbg_ask *answer_of(const struct questions *q, size_t row)
{
	if (q->asks[row].found)
		return &q->asks[row];
	for (size_t k = 0; k < ARRAY_SIZE(renamed); k++)
		if (!strcmp(rows[row].of, renamed[k].of) && !strcmp(rows[row].name, renamed[k].now))
			return &q->asks[ARRAY_SIZE(rows) + k];
	return &q->asks[row];
}

static void change(struct go_layout *l, size_t at, const char *of, const char *name, uint32_t value,
		   struct go_layout_change *ret)
{
	uint32_t was;

	memcpy(&was, (uint8_t *)l + at, sizeof(was));
	if (was != value && !ret->n++) {
		ret->of = of;
		ret->name = name;
		ret->was = was;
		ret->is = value;
	}
	memcpy((uint8_t *)l + at, &value, sizeof(value));
}

/* All kinds are in one block of constants: what is not told does not exist. */
static unsigned kinds_answered(const struct questions *q, struct go_layout *l, struct go_layout_change *ret)
{
	const struct dbg_ask *asks = q->asks + ARRAY_SIZE(rows) + ARRAY_SIZE(renamed);
	unsigned known = 0;

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		known += asks[k].found && asks[k].value <= UINT8_MAX;
	for (size_t k = 0; k < ARRAY_SIZE(kinds) && known; k++)
		change(l, kinds[k].at, "runtime", kinds[k].name,
		       asks[k].found && asks[k].value <= UINT8_MAX ? (uint32_t)asks[k].value : GO_ABSENT, ret);
	return known;
}

unsigned go_layout_debug_info(const struct image *img, const struct module *m, struct go_layout *l,
			      struct go_layout_change *ret)
{
	struct questions q = {};
	unsigned known = 0;

	*ret = (struct go_layout_change){};
	if (!m || !m->dbg)
		return 0;
	questions_fill(&q, img);
	if (!dbg_ask_all(img, m, "runtime", q.asks, N_ASKS))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct dbg_ask *a = answer_of(&q, i);

		if (!row_is_of(&rows[i], img) || !a->found || a->value >= GO_ABSENT)
			continue;
		known++;
		change(l, rows[i].at, rows[i].of, rows[i].name, (uint32_t)a->value, ret);
	}
	return known + kinds_answered(&q, l, ret);
}
