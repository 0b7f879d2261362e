/*
 * image/go_anchors.c - where the runtime keeps its variables.
 *
 * Up to three ways to each: its symbol; the operands of functions that are known to use it
 * (go_code.c); a search for the structure itself (go_search.c).  A candidate counts when what lies
 * there holds together (go_check.c); when two that do differ, the first way wins and it is said.
 */
#include "image/go_anchors.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/guard.h"
#include "image/go_calibrate.h"
#include "image/go_check.h"
#include "image/go_code.h"
#include "image/go_func.h"
#include "image/go_search.h"

enum {
	USES_MAX = 64, /* different places that one function uses */
	BUCKET_TYP = 16, BUCKET_NSTK = 40, BUCKET_NSTK_MAX = 2048, /* runtime/mprof.go */
	BUCKET_BLOCK = 2, BUCKET_MUTEX = 3,
};

enum way { BY_SYMBOL, BY_CODE, BY_SEARCH, N_WAYS };

struct finder {
	struct go *go;
	struct go_code *code;
	struct go_found found;
	unsigned used[N_WAYS]; /* anchors that each way gave, or confirmed */
	unsigned n_calibrated; /* whose fields were not where the layout has them */
};

/* ---- by code: one function an anchor; 0 if the code is not as it is known */

static taddr mheap_by_code(const struct finder *f)
{
	static const enum go_code_fn fns[] = { GO_FN_MALLOCINIT,     GO_FN_ALLOC_LARGE, GO_FN_CENTRAL_GROW,
					       GO_FN_STACKPOOLALLOC, GO_FN_STACKALLOC };

	return go_code_receiver(f->code, fns, ARRAY_SIZE(fns), "runtime.(*mheap).");
}

/* A slice header that the function reads or writes: any of its three words may be the operand. */
struct slice_pick {
	const struct go *go;
	bool (*check)(const struct go *go, taddr slice);
	taddr ret;
};

static bool pick_slice(void *arg, taddr target)
{
	struct slice_pick *pick = arg;

	for (unsigned back = 0; back < 24; back += 8)
		if (pick->check(pick->go, target - back)) {
			pick->ret = target - back;
			return true;
		}
	return false;
}

static taddr slice_in(const struct finder *f, enum go_code_fn fn, bool (*check)(const struct go *go, taddr slice))
{
	struct slice_pick pick = { .go = f->go, .check = check };

	(void)go_code_find(f->code, fn, GO_USE_ANY, NULL, pick_slice, &pick);
	return pick.ret;
}

/* The n-th place whose three words a function uses: a slice. */
static taddr slice_used(const struct finder *f, enum go_code_fn fn, taddr but,
			bool (*check)(const struct go *go, taddr slice))
{
	for (unsigned i = 0; i < USES_MAX; i++) {
		taddr at = go_code_nth(f->code, fn, GO_USE_ACCESS, i);

		if (!at)
			return 0;
		if (at != but && go_code_uses(f->code, fn, GO_USE_ACCESS, at + 8) &&
		    go_code_uses(f->code, fn, GO_USE_ACCESS, at + 16) && (!check || check(f->go, at)))
			return at;
	}
	return 0;
}

/* Should fields of g have moved, it is still the one slice that allgadd appends to. */
static taddr allgs_by_code(const struct finder *f)
{
	taddr slice = slice_in(f, GO_FN_ALLGADD, go_is_allgs);

	return slice ? slice : slice_used(f, GO_FN_ALLGADD, 0, NULL);
}

static taddr allp_by_code(const struct finder *f)
{
	return slice_in(f, GO_FN_PROCRESIZE, go_is_allp);
}

/* The only variable of it that leads to an m, whose g0 knows it: right whatever else has moved. */
static bool pick_allm(void *arg, taddr target)
{
	const struct go *go = arg;
	taddr m = go_word(go, target), g0 = m ? go_word(go, m + go->layout.m.g0) : 0;

	return g0 && go_word(go, g0 + go->layout.g.m) == m;
}

static taddr allm_by_code(const struct finder *f)
{
	return go_code_find(f->code, GO_FN_MCOMMONINIT, GO_USE_ANY, NULL, pick_allm, f->go);
}

/* mcommoninit holds sched.lock. */
static taddr sched_by_code(const struct finder *f)
{
	static const enum go_code_fn fns[] = { GO_FN_MCOMMONINIT };
	taddr lock = go_code_receiver(f->code, fns, 1, "runtime.lock");

	return lock ? lock - f->go->layout.schedt.lock : 0;
}

static taddr controller_by_code(const struct finder *f)
{
	static const enum go_code_fn fns[] = { GO_FN_REFILL, GO_FN_ALLOC_LARGE, GO_FN_GC_START, GO_FN_GC_BG_MARK_WORKER,
					       GO_FN_GC_DRAIN };

	return go_code_receiver(f->code, fns, ARRAY_SIZE(fns), "runtime.(*gcControllerState).");
}

/* Memory counters are handed to the allocators by address. */
static taddr memstats_by_code(const struct finder *f)
{
	static const enum go_code_fn queue[] = { GO_FN_QUEUEFINALIZER }, alloc[] = { GO_FN_PERSISTENTALLOC1 };
	taddr misc = go_code_receiver(f->code, queue, 1, "runtime.persistentalloc");
	taddr other = go_code_receiver(f->code, alloc, 1, "runtime.(*sysMemStat).add");
	const struct go_layout *l = &f->go->layout;

	if (misc && other && misc - l->mstats.gcMiscSys != other - l->mstats.other_sys)
		return 0;
	return misc ? misc - l->mstats.gcMiscSys : other ? other - l->mstats.other_sys : 0;
}

/* work.full, the list of work buffers, comes first in it. */
static taddr work_by_code(const struct finder *f)
{
	taddr work = go_code_nth(f->code, GO_FN_TRYGETFULL, GO_USE_ANY, 0);

	return go_code_uses(f->code, GO_FN_GC_DRAIN, GO_USE_ANY, work) ? work : 0;
}

/* queuefinalizer asks for the phase first, then uses finq, finc and allfin, in this order. */
static taddr gcphase_by_code(const struct finder *f)
{
	return go_code_nth(f->code, GO_FN_QUEUEFINALIZER, GO_USE_ACCESS, 0);
}

static taddr finq_by_code(const struct finder *f)
{
	return go_code_nth(f->code, GO_FN_QUEUEFINALIZER, GO_USE_ACCESS, 1);
}

static taddr allfin_by_code(const struct finder *f)
{
	return go_code_nth(f->code, GO_FN_QUEUEFINALIZER, GO_USE_ACCESS, 3);
}

/* gcMarkDone takes its address to write it, the workers read it; all code has writeBarrier. */
static taddr blacken_by_code(const struct finder *f)
{
	for (unsigned i = 0; i < USES_MAX; i++) {
		taddr flag = go_code_nth(f->code, GO_FN_GC_BG_MARK_WORKER, GO_USE_ACCESS, i);

		if (!flag)
			return 0;
		if (go_code_uses(f->code, GO_FN_GC_MARK_DONE, GO_USE_ADDRESS, flag) &&
		    !go_code_uses(f->code, GO_FN_ALLGADD, GO_USE_ANY, flag))
			return flag;
	}
	return 0;
}

static taddr mbuckets_by_code(const struct finder *f)
{
	return go_code_nth(f->code, GO_FN_MPROF_FLUSH, GO_USE_ACCESS, 0);
}

/* The first thing that nextSample asks for; since 1.26 that is a part of the two that call it. */
static taddr profile_rate_by_code(const struct finder *f)
{
	taddr rate = go_code_nth(f->code, GO_FN_NEXT_SAMPLE, GO_USE_ACCESS, 0);

	for (unsigned i = 0; !rate && i < USES_MAX; i++) {
		taddr at = go_code_nth(f->code, GO_FN_PROFILEALLOC, GO_USE_ACCESS, i);

		if (!at)
			break;
		rate = go_code_uses(f->code, GO_FN_ALLOCMCACHE, GO_USE_ACCESS, at) ? at : 0;
	}
	return rate;
}

static taddr wait_reasons_by_code(const struct finder *f)
{
	for (unsigned i = 0; i < USES_MAX; i++) {
		taddr at = go_code_nth(f->code, GO_FN_WAIT_REASON_STRING, GO_USE_ADDRESS, i);

		if (!at || go_wait_reasons(f->go, at))
			return at;
	}
	return 0;
}

static taddr pool_all_by_code(const struct finder *f)
{
	taddr all = slice_used(f, GO_FN_POOL_PIN_SLOW, 0, go_is_pools);

	return go_code_uses(f->code, GO_FN_POOL_CLEANUP, GO_USE_ANY, all + 8) ? all : 0;
}

static taddr pool_old_by_code(const struct finder *f)
{
	taddr all = pool_all_by_code(f);

	return all ? slice_used(f, GO_FN_POOL_CLEANUP, all, go_is_pools) : 0;
}

static taddr cleanups_by_code(const struct finder *f)
{
	static const enum go_code_fn fns[] = { GO_FN_FREE_SPECIAL, GO_FN_SWEEP_END };

	return go_code_receiver(f->code, fns, ARRAY_SIZE(fns), "runtime.(*cleanupQueue).");
}

static taddr stackpool_by_code(const struct finder *f)
{
	return go_code_nth(f->code, GO_FN_STACKPOOLALLOC, GO_USE_ADDRESS, 0);
}

/* stackalloc takes spans from its lists, which lie behind the lock. */
static taddr stack_large_by_code(const struct finder *f)
{
	static const enum go_code_fn fns[] = { GO_FN_STACKALLOC };
	taddr list = go_code_receiver(f->code, fns, 1, "runtime.(*mSpanList).remove");

	return list && go_code_uses(f->code, GO_FN_STACKALLOC, GO_USE_ADDRESS, list - 8) ? list - 8 : 0;
}

/* The newest chunk of all leads to every other one; that of globalAlloc may be an older one. */
static taddr chunks_by_code(const struct finder *f)
{
	unsigned longest = 0;
	taddr found = 0;

	for (unsigned i = 0; i < USES_MAX; i++) {
		taddr at = go_code_nth(f->code, GO_FN_PERSISTENTALLOC1, GO_USE_ACCESS, i);
		unsigned n = at ? go_persistent_chunks(f->go, at) : 0;

		if (!at)
			break;
		if (n > longest) {
			longest = n;
			found = at;
		}
	}
	return found;
}

/* ---- by structure */

static taddr mheap_by_search(const struct finder *f)
{
	return f->found.allspans ? f->found.allspans - f->go->layout.mheap.allspans : 0;
}

static taddr allgs_by_search(const struct finder *f)
{
	return f->found.allgs;
}

static taddr wait_reasons_by_search(const struct finder *f)
{
	return f->found.wait_reasons;
}

static taddr allp_by_search(const struct finder *f)
{
	return f->found.allp;
}

static taddr allm_by_search(const struct finder *f)
{
	return f->found.allm;
}

static taddr sched_by_search(const struct finder *f)
{
	return f->found.sched;
}

static taddr controller_by_search(const struct finder *f)
{
	return f->found.gcController;
}

static taddr memstats_by_search(const struct finder *f)
{
	return f->found.memstats;
}

static taddr allfin_by_search(const struct finder *f)
{
	return f->found.allfin;
}

static taddr cleanups_by_search(const struct finder *f)
{
	return f->found.gcCleanups;
}

/* ---- deciding */

static bool are_wait_reasons(const struct go *go, taddr addr)
{
	return go_wait_reasons(go, addr) != 0;
}

static bool are_chunks(const struct go *go, taddr addr)
{
	return go_persistent_chunks(go, addr) != 0;
}

static bool is_word(const struct go *go, taddr addr)
{
	uint64_t word;

	return image_read_u64(go->img, addr, &word) == MEM_OK;
}

static const struct anchor {
	const char *symbol;
	size_t at; /* in struct go_anchors */
	uint8_t since; /* the minor that brought it */
	bool (*check)(const struct go *go, taddr addr);
	taddr (*by_code)(const struct finder *f);
	taddr (*by_search)(const struct finder *f);
	bool (*calibrate)(struct go *go, taddr addr); /* when no candidate passes: the fields may have moved */
} anchors[] = {
#define AT(field) offsetof(struct go_anchors, field)
	{ "runtime.mheap_", AT(mheap), 0, go_is_mheap, mheap_by_code, mheap_by_search, go_calibrate_mheap },
	{ "runtime.allgs", AT(allgs), 0, go_is_allgs, allgs_by_code, allgs_by_search, go_calibrate_allgs },
	{ "runtime.allp", AT(allp), 0, go_is_allp, allp_by_code, allp_by_search },
	{ "runtime.allm", AT(allm), 0, go_is_allm, allm_by_code, allm_by_search,
	  go_calibrate_allm },
	{ "runtime.sched", AT(sched), 0, go_is_sched, sched_by_code, sched_by_search },
	{ "runtime.gcController", AT(gcController), 0, go_is_gc_controller, controller_by_code,
	  controller_by_search },
	{ "runtime.memstats", AT(memstats), 0, go_is_memstats, memstats_by_code,
	  memstats_by_search },
	{ "runtime.work", AT(work), 0, is_word, work_by_code },
	{ "runtime.gcphase", AT(gcphase), 0, go_is_gcphase, gcphase_by_code },
	{ "runtime.gcBlackenEnabled", AT(gcBlackenEnabled), 0, go_is_flag, blacken_by_code },
	{ "sync.allPools", AT(pool_all), 0, go_is_pools, pool_all_by_code },
	{ "sync.oldPools", AT(pool_old), 0, go_is_pools, pool_old_by_code },
	{ "runtime.mbuckets", AT(mbuckets), 0, go_is_mbuckets, mbuckets_by_code },
	{ "runtime.MemProfileRate", AT(mem_profile_rate), 0, is_word, profile_rate_by_code },
	{ "runtime.waitReasonStrings", AT(wait_reasons), 0, are_wait_reasons, wait_reasons_by_code,
	  wait_reasons_by_search },
	{ "runtime.finq", AT(finq), 0, go_is_finblocks, finq_by_code },
	{ "runtime.allfin", AT(allfin), 0, go_is_finblocks, allfin_by_code, allfin_by_search },
	{ "runtime.gcCleanups", AT(gcCleanups), 25, is_word, cleanups_by_code, cleanups_by_search },
	{ "runtime.stackpool", AT(stackpool), 0, go_is_stack_list, stackpool_by_code },
	{ "runtime.stackLarge", AT(stackLarge), 0, go_is_stack_list, stack_large_by_code },
	{ "runtime.persistentChunks", AT(persistentChunks), 0, are_chunks, chunks_by_code },
#undef AT
};

static taddr symbol_of(const struct go *go, const char *name)
{
	struct symbol s;

	return image_symbol(go->img, go->module, name, &s) ? s.addr : 0;
}

static void count(struct go *go, bool ok)
{
	if (ok)
		go->checks_passed++;
	else
		go->checks_failed++;
}

static const char *const way_names[N_WAYS] = { "its symbol", "the code that uses it", "its structure" };

/* The first candidate that passes, 0 if none does; the others are held against it. */
static taddr choose(struct finder *f, const struct anchor *a, const taddr *by)
{
	struct go *go = f->go;
	enum way first = N_WAYS;

	for (enum way w = 0; w < N_WAYS; w++) {
		bool ok = by[w] && a->check(go, by[w]);

		if (!ok)
			continue;
		if (first == N_WAYS)
			first = w;
		f->used[w] += by[w] == by[first];
		count(go, by[w] == by[first]);
		if (by[w] != by[first])
			diag(go->env, "go/anchors", by[w],
			     "%s: by %s it is at 0x%lx, by %s at 0x%lx; the first is believed", a->symbol,
			     way_names[first], by[first], way_names[w], by[w]);
	}
	return first < N_WAYS ? by[first] : 0;
}

static void candidates(const struct finder *f, const struct anchor *a, taddr *ret)
{
	ret[BY_SYMBOL] = symbol_of(f->go, a->symbol);
	ret[BY_CODE] = a->by_code(f);
	ret[BY_SEARCH] = a->by_search ? a->by_search(f) : 0;
}

/* With fields where the layout has them; when nothing passes, where they are by what they hold. */
static taddr anchor_find(struct finder *f, const struct anchor *a)
{
	taddr by[N_WAYS], addr;

	candidates(f, a, by);
	addr = choose(f, a, by);
	for (enum way w = BY_SYMBOL; !addr && a->calibrate && w <= BY_CODE; w++) {
		if (!by[w] || !a->calibrate(f->go, by[w]))
			continue;
		f->n_calibrated++;
		candidates(f, a, by);
		addr = choose(f, a, by);
	}
	if (by[BY_SYMBOL] || by[BY_CODE] || by[BY_SEARCH]) /* else there was nothing to check */
		count(f->go, addr != 0);
	return addr;
}

/* Fields that no variable's check looks at, and that have moved before. */
static void calibrate_fields(struct finder *f)
{
	struct go *go = f->go;
	bool code_known = go_has_functions(go);
	const struct {
		bool can;
		bool (*fn)(struct go *go);
		const uint32_t *field;
	} fields[] = {
		{ go->at.allgs && code_known, go_calibrate_startpc, &go->layout.g.startpc },
		{ go->at.allgs && code_known, go_calibrate_syscall, &go->layout.g.syscallsp },
		{ go->at.allm && go->img->n_threads, go_calibrate_m, &go->layout.m.procid },
		{ go->at.allp && go->at.mheap, go_calibrate_mcache, &go->layout.p.mcache },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		uint32_t was = *fields[i].field;

		if (!fields[i].can)
			continue;
		count(go, fields[i].fn(go));
		f->n_calibrated += *fields[i].field != was;
	}
}

/* Where fields are known from, then the ways to variables. */
static void say_how(struct finder *f)
{
	const struct {
		bool used;
		const char *name;
	} ways[] = {
		{ f->go->by_debug_info, "debug-info" }, { !f->go->by_debug_info, "version-tables" },
		{ f->used[BY_SYMBOL], "symbols" },	{ f->used[BY_CODE], "disassembly" },
		{ f->used[BY_SEARCH], "layout" },	{ f->n_calibrated, "calibration" },
	};
	struct go *go = f->go;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (ways[i].used && n < sizeof(go->how))
			n += (size_t)snprintf(go->how + n, sizeof(go->how) - n, "%s%s", n ? "+" : "", ways[i].name);
}

static void say_missing(struct go *go)
{
	struct text missing = TEXT_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(anchors); i++) {
		taddr addr;

		memcpy(&addr, (uint8_t *)&go->at + anchors[i].at, sizeof(addr));
		if (!addr && go->minor >= anchors[i].since)
			text_printf(&missing, "%s%s", missing.n ? ", " : "", anchors[i].symbol);
	}
	if (missing.n)
		diag(go->env, "go/anchors", go->modules[0].addr, "not found: %s", text_str(&missing));
	text_fini(&missing);
}

/* The list of buckets of a kind that stkbucket adds to; 0 while there are none. */
static taddr buckets_by_code(const struct finder *f, uint64_t typ)
{
	for (unsigned i = 0; i < USES_MAX; i++) {
		taddr at = go_code_nth(f->code, GO_FN_STKBUCKET, GO_USE_ANY, i), bucket;

		if (!at)
			break;
		bucket = go_word(f->go, at);
		if (bucket && go_word(f->go, bucket + BUCKET_TYP) == typ &&
		    go_word(f->go, bucket + BUCKET_NSTK) <= BUCKET_NSTK_MAX)
			return at;
	}
	return 0;
}

/* What is there only where a program asked for it: nothing to say when it is not. */
static void find_profiles(struct finder *f)
{
	struct go_anchors *at = &f->go->at;

	at->bbuckets = buckets_by_code(f, BUCKET_BLOCK);
	at->xbuckets = buckets_by_code(f, BUCKET_MUTEX);
	at->mutex_profile_rate = go_code_nth(f->code, GO_FN_MUTEXEVENT, GO_USE_ACCESS, 0);
	at->ticks = go_code_nth(f->code, GO_FN_TICKS, GO_USE_ACCESS, 0);
	if (!at->ticks)
		at->ticks = go_code_nth(f->code, GO_FN_TICKS_OLD, GO_USE_ACCESS, 0);
}

enum { AFTER_HEAP = 2 }; /* mheap_ and allgs, by which others are told */

struct err *go_anchors_find(struct go *go)
{
	struct finder f = { .go = go };
	struct err *err = go_code_open(go, &f.code);

	if (err)
		return err;
	go_search(go, &f.found);
	for (size_t i = 0; i < ARRAY_SIZE(anchors); i++) {
		taddr addr;

		if (i == AFTER_HEAP && !f.used[BY_SYMBOL] && !f.used[BY_CODE])
			go_search_more(go, &f.found);
		addr = go->minor >= anchors[i].since ? anchor_find(&f, &anchors[i]) : 0;

		memcpy((uint8_t *)&go->at + anchors[i].at, &addr, sizeof(addr));
	}
	find_profiles(&f);
	calibrate_fields(&f);
	go_check_fields(go);
	go_code_close(f.code);
	if (go->at.wait_reasons)
		go->at.n_wait_reasons = go_wait_reasons(go, go->at.wait_reasons);
	say_how(&f);
	say_missing(go);
	return NULL;
}
