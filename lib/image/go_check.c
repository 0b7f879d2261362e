/*
 * image/go_check.c - invariants of the runtime's structures, by which anchors and layouts are told
 * from what merely looks like them.
 *
 * Source of truth: runtime/{mheap,malloc,runtime2,proc}.go.  Everything read is hostile: samples are
 * bounded, and a structure that is not in the dump does not pass.
 */
#include "image/go_check.h"

#include <string.h>

#include "base/bits.h"
#include "image/go_build.h"

enum {
	SAMPLES = 64,
	PAGE = 8192,
	ALLM_MAX = 64,
	SPAN_STATES = 3,
	STATUS_MAX = 16,
	STATUS_SCAN = 0x1000,
	STACK_MAX = 1 << 30, /* runtime.maxstacksize */
	CHAIN_MAX = 64,      /* elements of a list that are looked at */
	CHUNKS_MAX = 4096,
	FINS_MAX = 101,	     /* finalizers in a block of 4 KiB */
	REASONS_MAX = 255,   /* g.waitreason is a byte */
	REASON_BYTES = 64,
	BUCKET_MEM = 1,	     /* mprof.go, memProfile */
	READABLE_MAX = 64,
};

static bool read_u8(const struct go *go, taddr addr, uint8_t *ret)
{
	return image_read(go->img, addr, ret, 1) == MEM_OK;
}

taddr go_heap_arena(const struct go *go, taddr addr)
{
	/* malloc.go: arenaBaseOffset, to make both halves of the address space one; no L1 on linux. */
	uint64_t base = go->img->target->id == TARGET_X86_64 ? 0xffff800000000000 : 0;
	uint64_t i = (addr - base) / GO_ARENA;
	taddr l2;

	if (!go->at.mheap || i >= 1ull << 22)
		return 0;
	l2 = go_word(go, go->at.mheap + go->layout.mheap.arenas);
	return l2 ? go_word(go, l2 + i * 8) : 0;
}

taddr go_span_of(const struct go *go, taddr addr)
{
	taddr arena = go_heap_arena(go, addr);

	return arena ? go_word(go, arena + go->layout.heapArena.spans + addr % GO_ARENA / PAGE * 8) : 0;
}

/* ---- spans */

bool go_is_mspan(const struct go *go, taddr span)
{
	const struct go_layout *l = &go->layout;
	uint64_t start, pages, limit;
	uint8_t state;

	if (!span || span % 8 || !read_u8(go, span + l->mspan.state, &state) || state >= SPAN_STATES)
		return false;
	if (image_read_u64(go->img, span + l->mspan.startAddr, &start) != MEM_OK ||
	    image_read_u64(go->img, span + l->mspan.npages, &pages) != MEM_OK)
		return false;
	limit = go_word(go, span + l->mspan.limit);
	if (!state)
		return true; /* freed mspans keep what they had, or nothing */
	return start && start % PAGE == 0 && pages && pages < 1ull << 35 && limit > start &&
	       limit - start <= pages * PAGE;
}

bool go_is_allspans(const struct go *go, taddr slice)
{
	taddr ptr;
	uint64_t n, live = 0, bad = 0;

	if (!go_slice(go, slice, 8, &ptr, &n) || !n || ptr % 8)
		return false;
	for (uint64_t i = 0, step = n / SAMPLES + 1; i < n; i += step) {
		taddr span = go_word(go, ptr + i * 8);

		if (!go_is_mspan(go, span)) {
			bad++;
			continue;
		}
		live += go_word(go, span + go->layout.mspan.npages) != 0;
	}
	return live && bad <= live / 2; /* some may have been run over */
}

/* A span in use is what its arena says about its first page. */
static bool arenas_agree(const struct go *go)
{
	const struct go_layout *l = &go->layout;
	uint64_t n, good = 0, bad = 0;
	taddr ptr;

	if (!go_slice(go, go->at.mheap + l->mheap.allspans, 8, &ptr, &n))
		return false;
	for (uint64_t i = 0, step = n / SAMPLES + 1; i < n; i += step) {
		taddr span = go_word(go, ptr + i * 8);
		uint8_t state = 0;

		if (!read_u8(go, span + l->mspan.state, &state) || !state)
			continue;
		if (go_span_of(go, go_word(go, span + l->mspan.startAddr)) == span)
			good++;
		else
			bad++;
	}
	return good && bad <= good / 2; /* some may have been on their way in or out, or run over */
}

bool go_is_mheap(const struct go *go, taddr addr)
{
	struct go at = *go;

	at.at.mheap = addr;
	return go_is_allspans(go, addr + go->layout.mheap.allspans) && arenas_agree(&at);
}

/* ---- goroutines, processors, threads */

struct g_look {
	uint64_t id;
	bool lives; /* status runnable, running, in a system call or waiting */
};

static bool is_g(const struct go *go, taddr g, struct g_look *ret)
{
	const struct go_layout *l = &go->layout;
	uint64_t stack[2];
	uint32_t status;

	if (!g || g % 8 || image_read(go->img, g + l->g.stack, stack, sizeof(stack)) != MEM_OK ||
	    image_read_u32(go->img, g + l->g.atomicstatus, &status) != MEM_OK ||
	    image_read_u64(go->img, g + l->g.goid, &ret->id) != MEM_OK)
		return false;
	status &= ~(uint32_t)STATUS_SCAN;
	ret->lives = status >= 1 && status <= 4;
	if (status >= STATUS_MAX || ret->id >= 1ull << 56 || (ret->lives && !ret->id))
		return false;
	return stack[0] == stack[1] ? !stack[0] : stack[0] < stack[1] && stack[1] - stack[0] <= STACK_MAX;
}

/*
 * Ids of live goroutines are never the same, and no addresses.  None need be 1: a library's main
 * goroutine is not the first.
 */
bool go_is_allgs(const struct go *go, taddr slice)
{
	uint64_t ids[SAMPLES + 1], n, live = 0, addresses = 0;
	taddr ptr;

	if (!go_slice(go, slice, 8, &ptr, &n) || !n || ptr % 8)
		return false;
	for (uint64_t i = 0, step = n / SAMPLES + 1; i < n; i += step) {
		struct g_look look;

		if (!is_g(go, go_word(go, ptr + i * 8), &look))
			return false;
		for (uint64_t k = 0; look.lives && k < live; k++)
			if (ids[k] == look.id)
				return false;
		if (look.lives) {
			ids[live++] = look.id;
			addresses += image_segment(go->img, look.id) != NULL;
		}
	}
	return live && addresses <= live / 4;
}

bool go_is_allp(const struct go *go, taddr slice)
{
	const struct go_layout *l = &go->layout;
	uint64_t n;
	taddr ptr;

	if (!go_slice(go, slice, 8, &ptr, &n) || !n || n > 1 << 20 || ptr % 8)
		return false;
	for (uint64_t i = 0; i < n && i < SAMPLES; i++) {
		taddr p = go_word(go, ptr + i * 8);
		uint32_t id, status;

		if (!p || p % 8 || image_read_u32(go->img, p + l->p.id, &id) != MEM_OK || id != i ||
		    image_read_u32(go->img, p + l->p.status, &status) != MEM_OK || status > 4)
			return false;
	}
	return true;
}

bool go_is_allm(const struct go *go, taddr var)
{
	const struct go_layout *l = &go->layout;
	taddr m = go_word(go, var);
	unsigned n = 0;

	for (; m && n < ALLM_MAX; n++) {
		taddr g0 = go_word(go, m + l->m.g0);

		if (m % 8 || !g0 || go_word(go, g0 + l->g.m) != m)
			return false;
		m = go_word(go, m + l->m.alllink);
	}
	return n > 1 || (n && go->img->n_threads < 2); /* sysmon runs in every program */
}

/* ---- singletons */

static uint32_t word32(const struct go *go, taddr addr)
{
	uint32_t v = 0;

	(void)image_read_u32(go->img, addr, &v); /* absent: zero, which no check takes for proof */
	return v;
}

static bool readable(const struct go *go, taddr addr, uint64_t n)
{
	uint8_t bytes[READABLE_MAX];

	return addr % 4 == 0 && image_read(go->img, addr, bytes, n) == MEM_OK;
}

bool go_is_sched(const struct go *go, taddr addr)
{
	const struct go_layout *l = &go->layout;
	uint32_t max = word32(go, addr + l->schedt.maxmcount), idle = word32(go, addr + l->schedt.nmidle);
	uint64_t next = go_word(go, addr + l->schedt.mnext);
	taddr m = go_word(go, addr + l->schedt.midle);

	if (addr % 8 || !max || max > INT32_MAX || idle > max || !next || next > 1ull << 40 || !m != !idle)
		return false;
	return !m || go_word(go, go_word(go, m + l->m.g0) + l->g.m) == m;
}

bool go_is_gc_controller(const struct go *go, taddr addr)
{
	const struct go_layout *l = &go->layout;
	int32_t percent = (int32_t)word32(go, addr + l->gcControllerState.gcPercent);
	int64_t limit = (int64_t)go_word(go, addr + l->gcControllerState.memoryLimit);
	uint64_t minimum = go_word(go, addr + l->gcControllerState.heapMinimum);
	uint64_t live = go_word(go, addr + l->gcControllerState.heapLive);

	return addr % 8 == 0 && percent >= -1 && limit > 0 && minimum && live < 1ull << 48;
}

bool go_is_memstats(const struct go *go, taddr addr)
{
	const struct go_layout *l = &go->layout;
	uint64_t spans = go_word(go, addr + l->mstats.mspan_sys), caches = go_word(go, addr + l->mstats.mcache_sys);
	uint8_t enabled;

	return addr % 8 == 0 && spans && caches && spans < 1ull << 44 && caches < 1ull << 44 &&
	       go_word(go, addr + l->mstats.other_sys) < 1ull << 44 &&
	       read_u8(go, addr + l->mstats.enablegc, &enabled) && enabled <= 1;
}

bool go_is_gcphase(const struct go *go, taddr addr)
{
	return readable(go, addr, 4) && word32(go, addr) <= 2; /* off, mark, mark termination */
}

bool go_is_flag(const struct go *go, taddr addr)
{
	return readable(go, addr, 4) && word32(go, addr) <= 1;
}

bool go_is_finblocks(const struct go *go, taddr var)
{
	taddr block = go_word(go, var);

	if (!readable(go, var, 8))
		return false;
	for (unsigned i = 0; block && i < CHAIN_MAX; i++) {
		if (block % 8 || !readable(go, block, 24) || word32(go, block + 16) > FINS_MAX)
			return false;
		block = go_word(go, block); /* alllink; of finq's blocks too, for they are all in that list */
	}
	return true;
}

bool go_is_pools(const struct go *go, taddr slice)
{
	uint64_t n;
	taddr ptr;

	if (!readable(go, slice, 24) || !go_slice(go, slice, 8, &ptr, &n))
		return false;
	for (uint64_t i = 0; i < n && i < CHAIN_MAX; i++) {
		taddr pool = go_word(go, ptr + i * 8);

		if (!readable(go, pool, 40) || go_word(go, pool + 8) > 1 << 20) /* localSize: processors */
			return false;
	}
	return true;
}

bool go_is_mbuckets(const struct go *go, taddr var)
{
	taddr b = go_word(go, var);

	if (!readable(go, var, 8))
		return false;
	for (unsigned i = 0; b && i < CHAIN_MAX; i++) {
		if (!readable(go, b, 48) || go_word(go, b + 16) != BUCKET_MEM)
			return false;
		b = go_word(go, b + 8);
	}
	return true;
}

bool go_is_stack_list(const struct go *go, taddr item)
{
	taddr first = go_word(go, item + 8), last = go_word(go, item + 16);

	return readable(go, item, 24) && !first == !last && (!first || (go_is_mspan(go, first) && go_is_mspan(go, last)));
}

unsigned go_persistent_chunks(const struct go *go, taddr var)
{
	taddr chunk = go_word(go, var);
	unsigned n = 0;

	/* malloc.go: each chunk's first word leads to the next one. */
	for (; chunk && n < CHUNKS_MAX; n++) {
		if (!readable(go, chunk, 8) || chunk % 4096)
			return 0;
		chunk = go_word(go, chunk);
	}
	return n;
}

uint32_t go_wait_reasons(const struct go *go, taddr addr)
{
	char text[REASON_BYTES];
	uint32_t n = 0;

	for (; n < REASONS_MAX && go_string(go, addr + n * 16, text, sizeof(text)); n++) {
		if ((n == 0) != !*text || (n == 1 && strcmp(text, "GC assist marking") != 0))
			break;
		for (const char *p = text; *p; p++)
			if (*p < ' ' || *p > '~')
				return n > 1 ? n : 0;
	}
	return n > 1 ? n : 0;
}
