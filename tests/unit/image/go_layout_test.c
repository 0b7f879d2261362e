/*
 * Offsets of fields, version by version: what was read by hand on cores and in the sources before
 * the tables were made, so that a slip in the tables shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "image/go_build.h"
#include "image/go_layout.h"

enum { NONE = -1, MINORS = GO_NEWEST - GO_OLDEST + 1 };

#define FIELD(f) offsetof(struct go_layout, f)

static const struct {
	size_t field;
	int at[MINORS]; /* 1.19, 1.20, ... 1.27 on amd64 */
} fields[] = {
	/* runtime2.go: gobuf lost a word in 1.25, syscallbp came in 1.23, parentGoid in 1.21 */
	{ FIELD(g.sched_sp), { 56, 56, 56, 56, 56, 56, 56, 56, 56 } },
	{ FIELD(g.atomicstatus), { 144, 144, 144, 144, 152, 152, 144, 144, 144 } },
	{ FIELD(g.goid), { 152, 152, 152, 152, 160, 160, 152, 152, 152 } },
	{ FIELD(g.waitreason), { 176, 176, 176, 176, 184, 184, 176, 176, 176 } },
	{ FIELD(g.startpc), { 312, 312, 296, 296, 304, 304, 296, 304, 304 } },
	{ FIELD(g.gopc), { 296, 296, 280, 280, 288, 288, 280, 288, 288 } },
	{ FIELD(g.parentGoid), { NONE, NONE, 272, 272, 280, 280, 272, 280, 280 } },
	/* sysmontick shrank in 1.23 */
	{ FIELD(p.mcache), { 64, 64, 64, 64, 56, 56, 56, 56, 56 } },
	/* mheap.go */
	{ FIELD(mheap.pages), { 16, 8, 8, 8, 8, 8, 8, 8, 8 } },
	{ FIELD(mheap.allspans), { 65856, 65824, 65864, 65864, 65864, 65864, 65864, 65864, 65864 } },
	{ FIELD(mheap.sweepgen), { 65848, 65816, 65856, 65856, 65856, 65856, 65856, 65856, 65856 } },
	{ FIELD(mheap.arenas), { 65936, 65904, 65944, 66008, 66008, 66008, 66008, 66008, 66008 } },
	{ FIELD(mspan.largeType), { NONE, NONE, NONE, 152, 152, 152, 152, 152, 152 } },
	{ FIELD(mspan.int_size), { 8, 8, 8, 2, 2, 2, 2, 2, 2 } },
	{ FIELD(mspan.isUserArenaChunk), { NONE, 101, 109, 101, 101, 101, 101, 101, 101 } },
	{ FIELD(heapArena.pageUseSpanInlineMarkBits),
	  { NONE, NONE, NONE, NONE, NONE, NONE, 68608, 68608, 68608 } },
	{ FIELD(special.offset_size), { 2, 2, 2, 2, 2, 8, 8, 8, 8 } },
	{ FIELD(special_kind.finalizer), { 1, 1, 1, 1, 1, 1, 2, 2, 2 } },
	{ FIELD(special_kind.profile), { 2, 2, 2, 2, 3, 3, 4, 4, 4 } },
	{ FIELD(special_kind.weak_handle), { NONE, NONE, NONE, NONE, 2, 2, 3, 3, 3 } },
	{ FIELD(special_kind.pin_counter), { NONE, NONE, 4, 4, 5, 5, 6, 6, 6 } },
	{ FIELD(special_kind.cleanup), { NONE, NONE, NONE, NONE, NONE, 6, 7, 7, 7 } },
	{ FIELD(special_kind.secret), { NONE, NONE, NONE, NONE, NONE, NONE, NONE, 10, 10 } },
};

static uint32_t at(const struct go_layout *l, size_t field)
{
	uint32_t v;

	memcpy(&v, (const uint8_t *)l + field, sizeof(v));
	return v;
}

static void by_version(void **state)
{
	(void)state;
	for (unsigned minor = GO_OLDEST; minor <= GO_NEWEST; minor++) {
		struct go_layout l;

		go_layout_of(minor, TARGET_X86_64, true, minor >= 26, &l);
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
			int want = fields[i].at[minor - GO_OLDEST];

			assert_int_equal(at(&l, fields[i].field),
					 want == NONE ? GO_ABSENT : (uint32_t)want);
		}
	}
}

/* Every field that is absent in no version is there in all, for both targets. */
static void nothing_forgotten(void **state)
{
	static const size_t always[] = {
		FIELD(mspan.startAddr), FIELD(mspan.npages),	FIELD(mspan.limit),	FIELD(mspan.specials),
		FIELD(mheap.central),	FIELD(mheap.spanalloc), FIELD(mheap.heapArenas), FIELD(heapArena.spans),
		FIELD(pageAlloc.chunks), FIELD(g.waiting),	FIELD(p.pcache),	FIELD(m.alllink),
		FIELD(mcache.alloc),	FIELD(special.kind),	FIELD(sudog.c),		FIELD(hchan.recvq),
		FIELD(schedt.lock),	FIELD(mstats.numgc),	FIELD(gcControllerState.heapLive),
		FIELD(mheap.central_stride),
	};

	(void)state;
	for (unsigned minor = GO_OLDEST; minor <= GO_NEWEST; minor++)
		for (unsigned target = TARGET_X86_64; target <= TARGET_AARCH64; target++) {
			struct go_layout l;

			go_layout_of(minor, target, true, minor >= 26, &l);
			for (size_t i = 0; i < ARRAY_SIZE(always); i++)
				assert_int_not_equal(at(&l, always[i]), GO_ABSENT);
		}
}

static void what_else_decides(void **state)
{
	struct go_layout with, without, newest, newer, oldest, older, arm;

	(void)state;
	/* Without malloc headers 1.22 keeps 1.21's bitmap in front of the spans. */
	go_layout_of(22, TARGET_X86_64, true, false, &with);
	go_layout_of(22, TARGET_X86_64, false, false, &without);
	assert_int_equal(with.heapArena.spans, 0);
	assert_int_equal(with.heapArena.bitmap, GO_ABSENT);
	assert_int_equal(without.heapArena.bitmap, 0);
	assert_int_equal(without.heapArena.noMorePtrs, 1 << 20);
	assert_int_equal(without.heapArena.spans, (1 << 20) + (1 << 14));
	assert_int_equal(without.mspan.largeType, with.mspan.largeType);
	/* What is beyond the tables is read as the nearest in them. */
	go_layout_of(GO_NEWEST, TARGET_X86_64, true, true, &newest);
	go_layout_of(GO_NEWEST + 5, TARGET_X86_64, true, true, &newer);
	assert_memory_equal(&newest, &newer, sizeof(newest));
	go_layout_of(GO_OLDEST, TARGET_X86_64, false, false, &oldest);
	go_layout_of(GO_OLDEST - 1, TARGET_X86_64, false, false, &older);
	assert_memory_equal(&oldest, &older, sizeof(oldest));
	/* By the DWARF of programs built with GOEXPERIMENT=greenteagc and nogreenteagc. */
	go_layout_of(25, TARGET_AARCH64, true, false, &with);
	assert_int_equal(with.p.timers, 9392);
	assert_int_equal(with.mstats.enablegc, 8256);
	go_layout_of(25, TARGET_AARCH64, true, true, &with);
	assert_int_equal(with.p.timers, 13624);
	assert_int_equal(with.mstats.enablegc, 10432);
	go_layout_of(26, TARGET_X86_64, true, false, &without);
	assert_int_equal(without.p.timers, 9416);
	assert_int_equal(without.mstats.enablegc, 8256);
	assert_int_equal(without.mstats.numgc, 7680);
	/* internal/cpu: a cache line is 64 bytes on amd64; it was on arm64 too in 1.19, since then 128. */
	go_layout_of(27, TARGET_AARCH64, true, true, &arm);
	assert_int_equal(newest.mheap.central_stride, 192);
	assert_int_equal(arm.mheap.central_stride, 256);
	assert_int_equal(arm.mheap.arenas, newest.mheap.arenas + 64);
	assert_int_equal(arm.g.atomicstatus, newest.g.atomicstatus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_version),
		cmocka_unit_test(nothing_forgotten),
		cmocka_unit_test(what_else_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
