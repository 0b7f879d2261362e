/*
 * image/go_code.c - what functions of the runtime refer to.
 *
 * Source of truth: package runtime of Go 1.19 to 1.27 for who uses what; seen on amd64 and arm64.
 */
#include "image/go_code.h"

#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "image/insn.h"

enum {
	INSNS_MAX = 16384, /* of one function */
	REFS_MAX = 4096,
	VOTES_MAX = 64,
	CALLEE_MAX = 256,
};

struct go_code {
	const struct go *go;
	struct code_fn {
		struct insn_ref *refs; /* to data, and calls */
		size_t n;
	} fns[GO_FN_COUNT];
};

static const char *const fn_names[GO_FN_COUNT] = {
	[GO_FN_MALLOCINIT] = "runtime.mallocinit",
	[GO_FN_ALLOC_LARGE] = "runtime.(*mcache).allocLarge",
	[GO_FN_CENTRAL_GROW] = "runtime.(*mcentral).grow",
	[GO_FN_REFILL] = "runtime.(*mcache).refill",
	[GO_FN_ALLGADD] = "runtime.allgadd",
	[GO_FN_PROCRESIZE] = "runtime.procresize",
	[GO_FN_MCOMMONINIT] = "runtime.mcommoninit",
	[GO_FN_GC_START] = "runtime.gcStart",
	[GO_FN_GC_MARK_DONE] = "runtime.gcMarkDone",
	[GO_FN_GC_BG_MARK_WORKER] = "runtime.gcBgMarkWorker",
	[GO_FN_TRYGETFULL] = "runtime.trygetfull",
	[GO_FN_GC_DRAIN] = "runtime.gcDrain",
	[GO_FN_QUEUEFINALIZER] = "runtime.queuefinalizer",
	[GO_FN_PERSISTENTALLOC1] = "runtime.persistentalloc1",
	[GO_FN_STACKPOOLALLOC] = "runtime.stackpoolalloc",
	[GO_FN_STACKALLOC] = "runtime.stackalloc",
	[GO_FN_NEXT_SAMPLE] = "runtime.nextSample",
	[GO_FN_PROFILEALLOC] = "runtime.profilealloc",
	[GO_FN_ALLOCMCACHE] = "runtime.allocmcache",
	[GO_FN_STKBUCKET] = "runtime.stkbucket",
	[GO_FN_MUTEXEVENT] = "runtime.mutexevent",
	[GO_FN_TICKS_OLD] = "runtime.tickspersecond", /* to 1.20 */
	[GO_FN_TICKS] = "runtime.ticksPerSecond",
	[GO_FN_MPROF_FLUSH] = "runtime.mProf_FlushLocked",
	[GO_FN_WAIT_REASON_STRING] = "runtime.waitReason.String",
	[GO_FN_POOL_PIN_SLOW] = "sync.(*Pool).pinSlow",
	[GO_FN_POOL_CLEANUP] = "sync.poolCleanup",
	[GO_FN_FREE_SPECIAL] = "runtime.freeSpecial",
	[GO_FN_SWEEP_END] = "runtime.(*activeSweep).end",
};

static struct err *decode(struct go_code *c, const struct go_func *f, struct insn_ref *room, struct code_fn *ret)
{
	size_t n = insn_refs(c->go->img, f->entry, f->end - f->entry, INSNS_MAX, room, REFS_MAX), kept = 0;

	for (size_t i = 0; i < n; i++) {
		bool within = room[i].target >= f->entry && room[i].target < f->end;

		if (room[i].kind == INSN_CALL ? !within : room[i].kind != INSN_TLS && go_in_data(c->go, room[i].target))
			room[kept++] = room[i];
	}
	if (!kept)
		return NULL;
	ret->refs = malloc(kept * sizeof(*room));
	if (!ret->refs)
		return &err_nomem;
	memcpy(ret->refs, room, kept * sizeof(*room));
	ret->n = kept;
	return NULL;
}

struct err *go_code_open(const struct go *go, struct go_code **ret)
{
	_free_ struct insn_ref *room = malloc(REFS_MAX * sizeof(*room));
	struct go_code *c = calloc(1, sizeof(*c));
	struct go_func f;
	struct err *err = room && c ? NULL : &err_nomem;

	if (!err)
		c->go = go;
	for (size_t i = 0; !err && i < GO_FN_COUNT; i++)
		if (go_func_named(go, fn_names[i], &f))
			err = decode(c, &f, room, &c->fns[i]);
	if (err)
		go_code_close(c);
	else
		*ret = c;
	return err;
}

void go_code_close(struct go_code *c)
{
	for (size_t i = 0; c && i < GO_FN_COUNT; i++)
		free(c->fns[i].refs);
	free(c);
}

/* ---- questions */

static bool callee_begins(const struct go *go, taddr target, const char *with)
{
	char name[CALLEE_MAX];
	struct go_func f;
	size_t n = strlen(with);

	return go_func_at(go, target, &f) && f.entry == target && f.name_length >= n && n < sizeof(name) &&
	       image_read(go->img, f.name, name, n) == MEM_OK && !memcmp(name, with, n);
}

static bool uses(const struct insn_ref *r, enum go_use use)
{
	return (r->kind == INSN_LEA && use & GO_USE_ADDRESS) || (r->kind == INSN_LOAD && use & GO_USE_ACCESS);
}

taddr go_code_find(const struct go_code *c, enum go_code_fn f, enum go_use use, const char *from_call,
		   go_code_pick fn, void *arg)
{
	const struct code_fn *code = &c->fns[f];
	taddr last = 0;

	for (size_t i = 0; i < code->n; i++) {
		const struct insn_ref *r = &code->refs[i];

		if (uses(r, use)) {
			last = r->target;
			if (!from_call && fn(arg, last))
				return last;
		} else if (r->kind == INSN_CALL) {
			if (from_call && last && callee_begins(c->go, r->target, from_call) && fn(arg, last))
				return last;
			last = 0;
		}
	}
	return 0;
}

struct nth {
	taddr seen[VOTES_MAX];
	unsigned n, want;
};

static bool pick_nth(void *arg, taddr target)
{
	struct nth *nth = arg;

	for (unsigned i = 0; i < nth->n; i++)
		if (nth->seen[i] == target)
			return false;
	if (nth->n == nth->want)
		return true;
	if (nth->n < VOTES_MAX)
		nth->seen[nth->n++] = target;
	return false;
}

taddr go_code_nth(const struct go_code *c, enum go_code_fn f, enum go_use use, unsigned n)
{
	struct nth nth = { .want = n };

	return go_code_find(c, f, use, NULL, pick_nth, &nth);
}

static bool pick_same(void *arg, taddr target)
{
	return *(taddr *)arg == target;
}

bool go_code_uses(const struct go_code *c, enum go_code_fn f, enum go_use use, taddr target)
{
	return go_code_find(c, f, use, NULL, pick_same, &target) != 0;
}

struct votes {
	struct {
		taddr target;
		unsigned n;
	} v[VOTES_MAX];
	unsigned n;
};

static bool pick_vote(void *arg, taddr target)
{
	struct votes *votes = arg;

	for (unsigned i = 0; i < votes->n; i++)
		if (votes->v[i].target == target) {
			votes->v[i].n++;
			return false;
		}
	if (votes->n < VOTES_MAX) {
		votes->v[votes->n].target = target;
		votes->v[votes->n++].n = 1;
	}
	return false;
}

taddr go_code_receiver(const struct go_code *c, const enum go_code_fn *fns, size_t n, const char *callee)
{
	struct votes votes = {};
	unsigned best = 0;

	for (size_t i = 0; i < n; i++)
		(void)go_code_find(c, fns[i], GO_USE_ADDRESS, callee, pick_vote, &votes);
	for (unsigned i = 1; i < votes.n; i++)
		if (votes.v[i].n > votes.v[best].n ||
		    (votes.v[i].n == votes.v[best].n && votes.v[i].target < votes.v[best].target))
			best = i;
	return votes.n ? votes.v[best].target : 0;
}
