/*
 * image/go_search_more.c - the variables that code leads to else, when the dump has neither the
 * program's code nor its file.
 *
 * The runtime's own words about itself decide: the P's lead to caches of spans, the list of m's is
 * the longest, no goroutine's id is beyond the scheduler's, pages in use are counted twice, allocators
 * lead to their counters.  What nothing vouches for is not found.  Source of truth: runtime/{runtime2,
 * proc,mgcpacer,mstats,mfixalloc,mfinal,mcleanup}.go.
 */

#include "base/bits.h"
#include "image/go_check.h"
#include "image/go_search.h"
#include "image/shadow.h"

enum {
	BUDGET = 1 << 26,
	PS_MAX = 1 << 16,
	CLASSES = 136,
	MS_MAX = 1 << 16,
	BLOCKS_MAX = 1 << 12,
	PAGE = 8192,
	IDS_AHEAD = 1 << 20,
	SECOND = 1000000000,
	FIXALLOC_STAT = 56, /* {size, first, arg, list, chunk, nchunk, nalloc, inuse, stat} */
	FINS_MAX = 101,
	FIN_HEADER = 24,
	FINALIZER = 40,
	CLEANUPS_MAX = 512,
	CLEANUP_HEADER = 32,
	CLEANUP_LINK = 16,
};

/* Bytes of bss and of noptrbss; the linker puts the runtime's, which are small, before great arrays. */
static const uint64_t search_max = 16 << 20;

struct pass {
	const struct go *go;
	struct go_found *ret;
	uint64_t greatest_id, n_gs, in_use;
	uint64_t budget; /* words that are looked at beyond the pass itself: lists may be anything's */
	unsigned ms, blocks, cleanups; /* of the longest lists */
	unsigned n_sched, n_controllers;
};

static bool spend(struct pass *pass, uint64_t words)
{
	pass->budget -= words < pass->budget ? words : pass->budget;
	return pass->budget != 0;
}

static uint32_t word32(const struct go *go, taddr addr)
{
	uint32_t v = 0;

	(void)image_read_u32(go->img, addr, &v); /* absent: zero, which vouches for nothing */
	return v;
}

static bool in_text(const struct go *go, taddr pc)
{
	for (size_t i = 0; i < go->n_modules; i++)
		if (pc >= go->modules[i].text && pc < go->modules[i].etext)
			return true;
	return false;
}

static bool in_data(const struct go *go, taddr addr)
{
	for (size_t i = 0; i < go->n_modules; i++)
		if (addr >= go->modules[i].noptrdata && addr < go->modules[i].end)
			return true;
	return false;
}

static bool is_type(const struct go *go, taddr type)
{
	for (size_t i = 0; i < go->n_modules; i++)
		if (type > go->modules[i].types && type < go->modules[i].etypes)
			return true;
	return false;
}

/* A func value: its first word is code.  Those of functions that capture nothing are read-only, and not dumped. */
static bool is_func(const struct go *go, taddr f)
{
	uint64_t avail;

	if (!f || f % 8)
		return false;
	if (image_view(go->img, f, &avail))
		return in_text(go, go_word(go, f));
	for (size_t i = 0; i < go->n_modules; i++)
		if (f >= go->modules[i].text && f < go->modules[i].end)
			return true;
	return false;
}

/* Neither a module's data nor an object: what the runtime allocates for itself. */
static bool is_persistent(const struct go *go, taddr at)
{
	return at % 8 == 0 && !in_data(go, at) && !go_span_of(go, at);
}

/* ---- processors, threads, the scheduler */

static bool has_cache(const struct go *go, taddr p)
{
	taddr cache = go_word(go, p + go->layout.p.mcache);

	for (unsigned i = 0; cache && i < CLASSES; i++) {
		taddr span = go_word(go, cache + go->layout.mcache.alloc + i * 8);

		/* Its own, or emptymspan, as after a collection. */
		if (!go_is_mspan(go, span) ||
		    (!in_data(go, span) && go_span_of(go, go_word(go, span + go->layout.mspan.startAddr)) != span))
			return false;
	}
	return cache != 0;
}

static void look_for_allp(struct pass *pass, taddr at, taddr ptr)
{
	uint64_t n;

	if (pass->ret->allp || in_data(pass->go, ptr) || !go_is_allp(pass->go, at) ||
	    !go_slice(pass->go, at, 8, &ptr, &n))
		return;
	for (uint64_t i = 0; i < n && i < PS_MAX && spend(pass, CLASSES); i++)
		if (has_cache(pass->go, go_word(pass->go, ptr + i * 8))) {
			pass->ret->allp = at;
			return;
		}
}

/* Whatever else leads to an m leads to the end of the list, or into the middle. */
static void look_for_allm(struct pass *pass, taddr at, taddr m)
{
	const struct go_layout *l = &pass->go->layout;
	unsigned n = 0;

	for (; m && n < MS_MAX; n++) {
		taddr g0 = go_word(pass->go, m + l->m.g0);

		if (m % 8 || !g0 || go_word(pass->go, g0 + l->g.m) != m || !spend(pass, 4))
			return;
		m = go_word(pass->go, m + l->m.alllink);
	}
	if (n <= pass->ms || n < 2 || n == MS_MAX)
		return;
	pass->ms = n;
	pass->ret->allm = at;
}

/*
 * The first word is goidgen: no goroutine has a greater id.  There are as many m's as ids of m's were
 * given, but for those that ended, and goroutines of the system among all.
 */
static void look_for_sched(struct pass *pass, taddr at, uint64_t goidgen)
{
	const struct go_layout *l = &pass->go->layout;
	uint64_t next = go_word(pass->go, at + l->schedt.mnext), poll = go_word(pass->go, at + l->schedt.lastpoll);
	uint32_t system = word32(pass->go, at + l->schedt.ngsys);

	if (goidgen < pass->greatest_id || goidgen - pass->greatest_id >= IDS_AHEAD || next < pass->ms ||
	    next - pass->ms >= MS_MAX || word32(pass->go, at + l->schedt.maxmcount) < pass->ms || !system ||
	    system > pass->n_gs || (poll && (poll < SECOND || poll >= 1ull << 58)) || !go_is_sched(pass->go, at))
		return;
	pass->n_sched++;
	pass->ret->sched = at;
}

/* ---- counters */

static void look_for_controller(struct pass *pass, taddr at)
{
	const struct go_layout *l = &pass->go->layout;

	if (go_word(pass->go, at + l->gcControllerState.heapInUse) != pass->in_use || !pass->in_use ||
	    !go_is_gc_controller(pass->go, at) ||
	    go_word(pass->go, at + l->gcControllerState.heapFree) % PAGE ||
	    go_word(pass->go, at + l->gcControllerState.heapReleased) % PAGE ||
	    go_word(pass->go, at + l->gcControllerState.totalFree) >
		    go_word(pass->go, at + l->gcControllerState.totalAlloc) ||
	    go_word(pass->go, at + l->gcControllerState.mappedReady) < pass->in_use)
		return;
	pass->n_controllers++;
	pass->ret->gcController = at;
}

/* Allocators of fixed sizes count their memory there (mfixalloc.go: fixalloc.stat). */
static taddr memstats_of(const struct go *go)
{
	const struct go_layout *l = &go->layout;
	taddr spans = go_word(go, go->at.mheap + l->mheap.spanalloc + FIXALLOC_STAT);
	taddr caches = go_word(go, go->at.mheap + l->mheap.cachealloc + FIXALLOC_STAT);

	return spans && spans - l->mstats.mspan_sys == caches - l->mstats.mcache_sys ? spans - l->mstats.mspan_sys : 0;
}

/* ---- what waits to be run */

static bool is_finalizer_block(const struct go *go, taddr block, uint32_t *ret_n)
{
	uint32_t n;

	if (!is_persistent(go, block) || image_read_u32(go->img, block + 16, &n) != MEM_OK || n > FINS_MAX)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		taddr f = block + FIN_HEADER + i * FINALIZER;

		if (!is_func(go, go_word(go, f)) || !go_word(go, f + 8) || !is_type(go, go_word(go, f + 24)) ||
		    !is_type(go, go_word(go, f + 32)))
			return false;
	}
	*ret_n = n;
	return true;
}

static bool is_cleanup_block(const struct go *go, taddr block, uint32_t *ret_n)
{
	unsigned words = go->minor == 25 ? 1 : 3;
	uint32_t n;

	if (!is_persistent(go, block) || image_read_u32(go->img, block + 24, &n) != MEM_OK ||
	    n > CLEANUPS_MAX / words)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!is_func(go, go_word(go, block + CLEANUP_HEADER + 8ull * words * i)))
			return false;
	*ret_n = n;
	return true;
}

/* How many blocks a list has in which anything is due, 0 if it is none, or nothing is. */
static unsigned due_blocks(struct pass *pass, taddr block, unsigned link,
			   bool (*is)(const struct go *go, taddr block, uint32_t *ret_n))
{
	const struct go *go = pass->go;
	uint64_t due = 0;
	unsigned n = 0;

	for (; block && n < BLOCKS_MAX; n++) {
		uint32_t here;

		if (!is(go, block, &here) || !spend(pass, 4 + 4 * here))
			return 0;
		due += here;
		block = go_word(go, block + link);
	}
	return due && n < BLOCKS_MAX ? n : 0;
}

/* All blocks hang on allfin, those that are full on finq too: the longer list is it. */
static void look_for_queues(struct pass *pass, taddr at, taddr block)
{
	unsigned line = pass->go->img->target->id == TARGET_AARCH64 ? 128 : 64;
	unsigned n = due_blocks(pass, block, 0, is_finalizer_block);

	if (n > pass->blocks) {
		pass->blocks = n;
		pass->ret->allfin = at;
	}
	n = pass->go->minor >= 25 || !pass->go->minor ?
		    due_blocks(pass, block, CLEANUP_LINK, is_cleanup_block) :
		    0;
	if (n > pass->cleanups) {
		pass->cleanups = n;
		pass->ret->gcCleanups = at - 2 * line;
	}
}

/* ---- the pass */

static void look_at_pointer(struct pass *pass, taddr at, uint64_t word)
{
	if (word < PAGE || word % 8 || !image_segment(pass->go->img, word) || !spend(pass, 1))
		return;
	look_for_allp(pass, at, word);
	look_for_allm(pass, at, word);
	look_for_queues(pass, at, word);
}

/* When the m's are known. */
static void look_at_number(struct pass *pass, taddr at, uint64_t word)
{
	look_for_sched(pass, at, word);
	look_for_controller(pass, at);
}

static void search(struct pass *pass, taddr start, taddr end,
		   void (*look_at)(struct pass *pass, taddr at, uint64_t word))
{
	if (end > start && end - start > search_max)
		end = start + search_max;
	for (taddr at = align_up(start, 8); at < end && end - at >= 8;) {
		uint64_t avail, n;
		const uint8_t *p = image_view(pass->go->img, at, &avail);
		const struct segment *s = p ? NULL : image_segment(pass->go->img, at);

		if (!p && !s)
			return;
		n = p ? avail : s->end - at;
		n = n < end - at ? n : end - at;
		for (uint64_t i = 0; p && i + 8 <= n; i += 8)
			look_at(pass, at + i, load_u64(p + i));
		at += n > 8 ? align_down(n, 8) : 8;
	}
}

static void count_goroutines(struct pass *pass)
{
	const struct go *go = pass->go;
	taddr ptr;

	if (!go_slice(go, go->at.allgs, 8, &ptr, &pass->n_gs))
		return;
	for (uint64_t i = 0; i < pass->n_gs; i++) {
		uint64_t id = go_word(go, go_word(go, ptr + i * 8) + go->layout.g.goid);

		if (id < 1ull << 56 && id > pass->greatest_id)
			pass->greatest_id = id;
	}
}

static void search_all(struct pass *pass, void (*look_at)(struct pass *pass, taddr at, uint64_t word))
{
	for (size_t i = 0; i < pass->go->n_modules; i++) {
		search(pass, pass->go->modules[i].bss, pass->go->modules[i].ebss, look_at);
		search(pass, pass->go->modules[i].noptrbss, pass->go->modules[i].enoptrbss, look_at);
	}
}

/* What the search found is looked at once more, now that what is read is kept. */
static void keep_found(struct pass *pass)
{
	const struct go_found *found = pass->ret;

	pass->ms = 0;
	if (found->allm)
		look_for_allm(pass, found->allm, go_word(pass->go, found->allm));
	count_goroutines(pass);
	pass->in_use = go_word(pass->go, pass->go->at.mheap + pass->go->layout.mheap.pagesInUse) * PAGE;
	if (found->sched)
		look_for_sched(pass, found->sched, go_word(pass->go, found->sched));
	if (found->gcController)
		look_for_controller(pass, found->gcController);
}

void go_search_more(const struct go *go, struct go_found *ret)
{
	struct pass pass = { .go = go, .ret = ret, .budget = BUDGET };
	enum shadow_mode mode;

	if (!go->at.mheap || !go->at.allgs)
		return;
	mode = image_keep_pause(go->img);
	count_goroutines(&pass);
	pass.in_use = go_word(go, go->at.mheap + go->layout.mheap.pagesInUse) * PAGE;
	search_all(&pass, look_at_pointer);
	search_all(&pass, look_at_number);
	ret->memstats = memstats_of(go);
	image_keep_resume(go->img, mode);
	if (pass.n_sched != 1)
		ret->sched = 0;
	if (pass.n_controllers != 1)
		ret->gcController = 0;
	keep_found(&pass);
}
