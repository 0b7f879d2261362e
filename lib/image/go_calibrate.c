/*
 * image/go_calibrate.c - finds fields of the runtime's structures by their contents.
 *
 * Patch releases move fields (runtime.m grew by allpSnapshot within 1.23), and a Go newer than the
 * tables may: neighbours keep their order and distance, so that one field found moves those beside
 * it.  Nothing is changed unless a check then holds that did not before.
 */
#include "image/go_calibrate.h"

#include <string.h>

#include "base/bits.h"
#include "image/go_check.h"

enum {
	WORD = 8,
	MHEAP_MAX = 256 << 10, /* bytes of an mheap that are searched */
	ARENAS_MAX = 1024,     /* from allspans to arenas */
	G_MAX = 640,	       /* bytes of a g */
	M_MAX = 1024,	       /* of an m, up to alllink */
	M_MOVES_MAX = 64,      /* how far fields of it are looked for */
	P_MAX = 256,	       /* of a p, up to mcache */
	MS_MAX = 1 << 16,      /* threads */
	SAMPLE = 256,	       /* goroutines looked at */
	CLASSES = 136,	       /* numSpanClasses */
	SPANS_MIN = 5,
	STATUS_SCAN = 0x1000,
	STATUS_WAITING = 4,
};

/* ---- mheap */

static void move(uint32_t *field, uint32_t by)
{
	if (*field != GO_ABSENT)
		*field += by; /* modulo 2^32: a move towards the start, too */
}

static bool arenas_calibrate(struct go *go, taddr mheap)
{
	uint32_t was = go->layout.mheap.arenas, from = go->layout.mheap.allspans;

	for (uint32_t at = from; at < from + ARENAS_MAX; at += WORD) {
		uint32_t by = at - was;

		go->layout.mheap.arenas = at;
		if (!go_is_mheap(go, mheap))
			continue;
		move(&go->layout.mheap.heapArenas, by);
		move(&go->layout.mheap.curArena, by);
		move(&go->layout.mheap.central, by);
		return true;
	}
	go->layout.mheap.arenas = was;
	return false;
}

bool go_calibrate_mheap(struct go *go, taddr mheap)
{
	struct go_layout was = go->layout;

	if (arenas_calibrate(go, mheap))
		return true;
	for (uint32_t at = 0; at < MHEAP_MAX; at += WORD) {
		uint32_t by = at - was.mheap.allspans;

		if (!go_is_allspans(go, mheap + at))
			continue;
		go->layout.mheap.allspans = at;
		move(&go->layout.mheap.sweepgen, by);
		move(&go->layout.mheap.pagesInUse, by);
		move(&go->layout.mheap.arenas, by);
		move(&go->layout.mheap.heapArenas, by);
		move(&go->layout.mheap.curArena, by);
		move(&go->layout.mheap.central, by);
		if (arenas_calibrate(go, mheap))
			return true;
		go->layout = was;
	}
	return false;
}

/* ---- goroutines */

static void move_g(struct go_layout *l, uint32_t by)
{
	move(&l->g.atomicstatus, by);
	move(&l->g.goid, by);
	move(&l->g.waitsince, by);
	move(&l->g.waitreason, by);
}

static void move_g_tail(struct go_layout *l, uint32_t by)
{
	move(&l->g.parentGoid, by);
	move(&l->g.gopc, by);
	move(&l->g.startpc, by);
	move(&l->g.waiting, by);
	move(&l->g.labels, by);
	move(&l->g.timer, by);
}

bool go_calibrate_allgs(struct go *go, taddr slice)
{
	struct go_layout was = go->layout;

	for (uint32_t at = 64; at < G_MAX; at += WORD) {
		go->layout = was;
		move_g(&go->layout, at - was.g.atomicstatus);
		if (!go_is_allgs(go, slice))
			continue;
		move_g_tail(&go->layout, at - was.g.atomicstatus);
		return true;
	}
	go->layout = was;
	return false;
}

/* Only in a system call has a goroutine its stack pointer there, and then one of its own stack. */
static bool syscall_fits(const struct go *go, taddr ptr, uint64_t n, uint32_t at)
{
	const struct go_layout *l = &go->layout;

	for (uint64_t i = 0, step = n / SAMPLE + 1; i < n; i += step) {
		taddr g = go_word(go, ptr + i * WORD), sp = go_word(go, g + at);
		uint64_t low = go_word(go, g + l->g.stack), high = go_word(go, g + l->g.stack + WORD);

		if (sp && (sp < low || sp > high))
			return false;
		if (sp && (uint32_t)go_word(go, g + l->g.atomicstatus) % STATUS_SCAN == STATUS_WAITING)
			return false;
	}
	return true;
}

/* Behind it is the pc of the call: code, or nothing. */
static bool syscall_fits_pc(const struct go *go, taddr ptr, uint64_t n, uint32_t at)
{
	for (uint64_t i = 0, step = n / SAMPLE + 1; i < n; i += step) {
		taddr pc = go_word(go, go_word(go, ptr + i * WORD) + at);
		struct go_func f;

		if (pc && !go_func_at(go, pc, &f))
			return false;
	}
	return true;
}

bool go_calibrate_syscall(struct go *go)
{
	uint32_t was = go->layout.g.syscallsp;
	uint64_t n;
	taddr ptr;

	if (!go->at.allgs || !go_slice(go, go->at.allgs, WORD, &ptr, &n))
		return false;
	for (uint32_t back = 0; back <= 2 * WORD; back += WORD)
		for (int way = 0; way < 2; way++) {
			uint32_t at = way ? was - back : was + back;

			if (!syscall_fits(go, ptr, n, at) || !syscall_fits_pc(go, ptr, n, at + WORD))
				continue;
			move(&go->layout.g.sched_bp, at - was);
			move(&go->layout.g.syscallsp, at - was);
			move(&go->layout.g.syscallpc, at - was);
			return true;
		}
	return false;
}

/* Nine of ten that hold anything hold the entry of a function. */
static bool is_startpc(const struct go *go, taddr ptr, uint64_t n, uint32_t at)
{
	uint64_t seen = 0, good = 0;

	for (uint64_t i = 0, step = n / SAMPLE + 1; i < n; i += step) {
		taddr pc = go_word(go, go_word(go, ptr + i * WORD) + at);
		struct go_func f;

		seen += pc != 0;
		good += pc && go_func_at(go, pc, &f) && f.entry == pc;
	}
	return seen && good >= seen - seen / 10;
}

bool go_calibrate_startpc(struct go *go)
{
	uint32_t was = go->layout.g.startpc;
	uint64_t n;
	taddr ptr;

	if (!go->at.allgs || !go_slice(go, go->at.allgs, WORD, &ptr, &n) || is_startpc(go, ptr, n, was))
		return go->at.allgs != 0;
	for (uint32_t at = go->layout.g.goid; at < G_MAX; at += WORD)
		if (is_startpc(go, ptr, n, at)) {
			move_g_tail(&go->layout, at - was);
			return true;
		}
	return false;
}

/* ---- threads */

/* How many m's a list has, 0 unless it ends and holds nothing else. */
static unsigned chain_length(const struct go *go, taddr m, uint32_t link)
{
	unsigned n = 0;

	for (; m && n < MS_MAX; n++) {
		taddr g0 = go_word(go, m + go->layout.m.g0);

		if (m % WORD || !g0 || go_word(go, g0 + go->layout.g.m) != m)
			return 0;
		m = go_word(go, m + link);
	}
	return m ? 0 : n;
}

/* Idle threads and those that wait for a lock are in lists too: alllink's is the longest. */
bool go_calibrate_allm(struct go *go, taddr var)
{
	taddr m = go_word(go, var);
	unsigned best = 1;
	uint32_t found = 0;

	for (uint32_t at = go->layout.m.curg; at < M_MAX; at += WORD) {
		unsigned n = chain_length(go, m, at);

		if (n > best) {
			best = n;
			found = at;
		}
	}
	if (found)
		go->layout.m.alllink = found;
	return found != 0;
}

static bool is_tid(const struct go *go, uint64_t id)
{
	for (size_t i = 0; i < go->img->n_threads; i++)
		if (go->img->threads[i].tid == id)
			return true;
	return false;
}

/* Half of the m's at least; threads that ended leave theirs behind. */
static bool procid_fits(const struct go *go, uint32_t at)
{
	taddr m = go_word(go, go->at.allm);
	unsigned n = 0, good = 0;

	for (; m && n < SAMPLE; n++, m = go_word(go, m + go->layout.m.alllink))
		good += is_tid(go, go_word(go, m + at));
	return good && good >= n / 2;
}

/* A g whose m it is, in one at least, and no other. */
static bool curg_fits(const struct go *go, uint32_t at)
{
	taddr m = go_word(go, go->at.allm);
	unsigned good = 0;

	for (unsigned n = 0; m && n < SAMPLE; n++, m = go_word(go, m + go->layout.m.alllink)) {
		taddr g = go_word(go, m + at);

		if (g && go_word(go, g + go->layout.g.m) != m)
			return false;
		good += g != 0;
	}
	return good != 0;
}

static bool procid_calibrate(struct go *go)
{
	uint32_t was = go->layout.m.procid;

	if (procid_fits(go, was))
		return true;
	for (uint32_t at = 0; at < was + M_MOVES_MAX; at += WORD)
		if (procid_fits(go, at)) {
			move(&go->layout.m.procid, at - was);
			move(&go->layout.m.gsignal, at - was);
			return true;
		}
	return false;
}

bool go_calibrate_m(struct go *go)
{
	uint32_t was = go->layout.m.curg;

	if (!go->at.allm || !procid_calibrate(go))
		return false;
	for (uint32_t at = go->layout.m.procid; !curg_fits(go, was) && at < was + M_MOVES_MAX; at += WORD)
		if (at != go->layout.m.gsignal && curg_fits(go, at)) {
			go->layout.m.curg = at;
			break;
		}
	return true; /* whatever curg is: no thread may run a goroutine */
}

/* ---- processors */

/* Every class has a span: of its own, or emptymspan, as after a collection. */
static bool is_mcache(const struct go *go, taddr cache, unsigned spans_min)
{
	unsigned spans = 0;

	if (!cache || cache % WORD)
		return false;
	for (unsigned i = 0; i < CLASSES; i++) {
		taddr span = go_word(go, cache + go->layout.mcache.alloc + i * WORD);

		if (!span || !go_is_mspan(go, span))
			return false;
		spans += go_word(go, span + go->layout.mspan.npages) &&
			 go_span_of(go, go_word(go, span + go->layout.mspan.startAddr)) == span;
	}
	return spans >= spans_min;
}

static bool p_has_mcache(const struct go *go, taddr ptr, uint64_t n, uint32_t at, unsigned spans_min)
{
	for (uint64_t i = 0; i < n && i < SAMPLE; i++)
		if (is_mcache(go, go_word(go, go_word(go, ptr + i * WORD) + at), spans_min))
			return true;
	return false;
}

bool go_calibrate_mcache(struct go *go)
{
	uint32_t was = go->layout.p.mcache;
	uint64_t n;
	taddr ptr;

	if (!go->at.allp || !go->at.mheap || !go_slice(go, go->at.allp, WORD, &ptr, &n))
		return false;
	if (p_has_mcache(go, ptr, n, was, 0))
		return true;
	for (uint32_t at = WORD; at < P_MAX; at += WORD)
		if (p_has_mcache(go, ptr, n, at, SPANS_MIN)) {
			move(&go->layout.p.m, at - was);
			move(&go->layout.p.mcache, at - was);
			move(&go->layout.p.pcache, at - was);
			return true;
		}
	return false;
}
