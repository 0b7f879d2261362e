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
#include "image/go_check.h"
#include "image/go_code.h"
#include "image/go_search.h"

enum way { BY_SYMBOL, BY_CODE, BY_SEARCH, N_WAYS };

struct finder {
	struct go *go;
	struct go_code *code; /* NULL when no code can be read */
	struct go_found found;
	unsigned used[N_WAYS]; /* anchors that each way gave, or confirmed */
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

static taddr allgs_by_code(const struct finder *f)
{
	return slice_in(f, GO_FN_ALLGADD, go_is_allgs);
}

static taddr allp_by_code(const struct finder *f)
{
	return slice_in(f, GO_FN_PROCRESIZE, go_is_allp);
}

static bool pick_allm(void *arg, taddr target)
{
	return go_is_allm(arg, target);
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

/* gcMarkDone takes its address to write it, the workers read it. */
static taddr blacken_by_code(const struct finder *f)
{
	for (unsigned i = 0; i < 64; i++) {
		taddr flag = go_code_nth(f->code, GO_FN_GC_BG_MARK_WORKER, GO_USE_ACCESS, i);

		if (!flag)
			return 0;
		if (go_code_uses(f->code, GO_FN_GC_MARK_DONE, GO_USE_ADDRESS, flag))
			return flag;
	}
	return 0;
}

static taddr mbuckets_by_code(const struct finder *f)
{
	return go_code_nth(f->code, GO_FN_MPROF_FLUSH, GO_USE_ACCESS, 0);
}

static taddr wait_reasons_by_code(const struct finder *f)
{
	for (unsigned i = 0; i < 8; i++) {
		taddr at = go_code_nth(f->code, GO_FN_WAIT_REASON_STRING, GO_USE_ADDRESS, i);

		if (!at || go_wait_reasons(f->go, at))
			return at;
	}
	return 0;
}

/* The n-th place whose three words a function uses: a slice. */
static taddr slice_used(const struct finder *f, enum go_code_fn fn, taddr but)
{
	for (unsigned i = 0; i < 64; i++) {
		taddr at = go_code_nth(f->code, fn, GO_USE_ACCESS, i);

		if (!at)
			return 0;
		if (at != but && go_code_uses(f->code, fn, GO_USE_ACCESS, at + 8) &&
		    go_code_uses(f->code, fn, GO_USE_ACCESS, at + 16) && go_is_pools(f->go, at))
			return at;
	}
	return 0;
}

static taddr pool_all_by_code(const struct finder *f)
{
	taddr all = slice_used(f, GO_FN_POOL_PIN_SLOW, 0);

	return go_code_uses(f->code, GO_FN_POOL_CLEANUP, GO_USE_ANY, all + 8) ? all : 0;
}

static taddr pool_old_by_code(const struct finder *f)
{
	taddr all = pool_all_by_code(f);

	return all ? slice_used(f, GO_FN_POOL_CLEANUP, all) : 0;
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

static taddr chunks_by_code(const struct finder *f)
{
	return go_code_nth(f->code, GO_FN_PERSISTENTALLOC1, GO_USE_ACCESS, 0);
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

/* ---- deciding */

static bool are_wait_reasons(const struct go *go, taddr addr)
{
	return go_wait_reasons(go, addr) != 0;
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
} anchors[] = {
#define AT(field) offsetof(struct go_anchors, field)
	{ "runtime.mheap_", AT(mheap), 0, go_is_mheap, mheap_by_code, mheap_by_search },
	{ "runtime.allgs", AT(allgs), 0, go_is_allgs, allgs_by_code, allgs_by_search },
	{ "runtime.allp", AT(allp), 0, go_is_allp, allp_by_code },
	{ "runtime.allm", AT(allm), 0, go_is_allm, allm_by_code },
	{ "runtime.sched", AT(sched), 0, go_is_sched, sched_by_code },
	{ "runtime.gcController", AT(gcController), 0, go_is_gc_controller, controller_by_code },
	{ "runtime.memstats", AT(memstats), 0, go_is_memstats, memstats_by_code },
	{ "runtime.work", AT(work), 0, is_word, work_by_code },
	{ "runtime.gcphase", AT(gcphase), 0, go_is_gcphase, gcphase_by_code },
	{ "runtime.gcBlackenEnabled", AT(gcBlackenEnabled), 0, go_is_flag, blacken_by_code },
	{ "sync.allPools", AT(pool_all), 0, go_is_pools, pool_all_by_code },
	{ "sync.oldPools", AT(pool_old), 0, go_is_pools, pool_old_by_code },
	{ "runtime.mbuckets", AT(mbuckets), 0, go_is_mbuckets, mbuckets_by_code },
	{ "runtime.waitReasonStrings", AT(wait_reasons), 0, are_wait_reasons, wait_reasons_by_code,
	  wait_reasons_by_search },
	{ "runtime.finq", AT(finq), 0, go_is_finblocks, finq_by_code },
	{ "runtime.allfin", AT(allfin), 0, go_is_finblocks, allfin_by_code },
	{ "runtime.gcCleanups", AT(gcCleanups), 25, is_word, cleanups_by_code },
	{ "runtime.stackpool", AT(stackpool), 0, go_is_stack_list, stackpool_by_code },
	{ "runtime.stackLarge", AT(stackLarge), 0, go_is_stack_list, stack_large_by_code },
	{ "runtime.persistentChunks", AT(persistentChunks), 0, go_is_persistent_chunks, chunks_by_code },
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

static void anchor_find(struct finder *f, const struct anchor *a)
{
	static const char *const ways[N_WAYS] = { "its symbol", "the code that uses it", "its structure" };
	struct go *go = f->go;
	taddr by[N_WAYS] = {
		[BY_SYMBOL] = symbol_of(go, a->symbol),
		[BY_CODE] = f->code && a->by_code ? a->by_code(f) : 0,
		[BY_SEARCH] = a->by_search ? a->by_search(f) : 0,
	};
	taddr addr = 0;
	enum way first = N_WAYS;

	for (enum way w = 0; w < N_WAYS; w++) {
		bool ok = by[w] && a->check(go, by[w]);

		if (by[w])
			count(go, ok);
		if (!ok)
			continue;
		if (first == N_WAYS) {
			first = w;
			addr = by[w];
		}
		f->used[w] += by[w] == addr;
		if (by[w] == addr)
			continue;
		count(go, false);
		diag(go->env, "go/anchors", by[w], "%s: by %s it is at 0x%lx, by %s at 0x%lx; the first is believed", a->symbol,
		     ways[first], addr, ways[w], by[w]);
	}
	memcpy((uint8_t *)&go->at + a->at, &addr, sizeof(addr));
}

static void say_how(struct finder *f)
{
	static const char *const names[N_WAYS] = { "symbols", "disassembly", "structure" };
	size_t n = 0;

	for (enum way w = 0; w < N_WAYS; w++)
		if (f->used[w] && n < sizeof(f->go->how))
			n += (size_t)snprintf(f->go->how + n, sizeof(f->go->how) - n, "%s%s", n ? "+" : "", names[w]);
	if (!n)
		snprintf(f->go->how, sizeof(f->go->how), "nothing");
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

struct err *go_anchors_find(struct go *go)
{
	struct finder f = { .go = go };
	struct err *err = go_code_open(go, &f.code);

	if (err)
		return err;
	go_search(go, &f.found);
	for (size_t i = 0; i < ARRAY_SIZE(anchors); i++)
		anchor_find(&f, &anchors[i]);
	go_code_close(f.code);
	if (go->at.wait_reasons)
		go->at.n_wait_reasons = go_wait_reasons(go, go->at.wait_reasons);
	say_how(&f);
	say_missing(go);
	return NULL;
}
