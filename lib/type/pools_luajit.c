/*
 * type/pools_luajit.c - LuaJIT 2.1 with 64-bit references (LJ_GC64): each state a pool, with what its
 * collector has by kind.
 *
 * Source of truth: src/lj_obj.h, lj_alloc.c, lj_jit.h of 2.1, March 2022; alike in these words to August
 * 2026.  A lua_State leads to the global_State right behind it, which leads back.  Objects are listed
 * from gc.root on, strings in their hash table; the allocator of its own has a list of segments.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/vec.h"
#include "type/pools.h"

enum kind { STRINGS, UPVALUES, THREADS, PROTOS, FUNCTIONS, TRACES, CDATA, TABLES, USERDATA, KINDS };

enum {
	FIRST_KIND = 4, /* gct of a string; the others follow */
	THREAD_GCT = 6,
	STATE = 96, /* sizeof(lua_State) */
	STEPS_MAX = 1 << 28,
	SEGMENTS_MAX = 1 << 16, /* of all states */
	STATES_MAX = 1 << 12,
};

/* In a lua_State. */
enum { L_GCT = 9, L_GLREF = 16, L_OPENUPVAL = 64, L_STACKSIZE = 88 };

/* In a global_State. */
enum {
	G_ALLOCF = 0,
	G_ALLOCD = 8,
	G_TOTAL = 16,
	G_ROOT = 40,
	G_EMPTY_GCT = 129, /* of strempty */
	G_STR_TAB = 152,
	G_STR_MASK = 160,
	G_STR_NUM = 164,
	G_MAINTHREF = 192,
	G_TMPBUF_B = 216,
};

enum {
	SEG = 840,	  /* in a malloc_state, the newest: base, size, next */
	DIRECT_FOOT = 32, /* of a chunk that has a mapping of its own, which two words are before */
	DIRECT = 1,
	CINUSE = 2,
	PAGE = 4096,
};

struct lua {
	struct pools *p;
	taddr state, global;
	struct pool_content kinds[KINDS];
	uint64_t steps;
	unsigned n_segments;
	uint32_t pool;
	bool owns;	/* the allocator of its own is at work */
	uint64_t taken; /* by that, from the system */
	struct err *err;
	bool broken;
	struct {
		taddr *v;
		size_t n, cap;
	} states;
};

static uint64_t word(const struct lua *l, taddr at)
{
	uint64_t v;

	return image_read_u64(l->p->img, at, &v) == MEM_OK ? v : 0;
}

static uint32_t half(const struct lua *l, taddr at)
{
	uint32_t v;

	return image_read_u32(l->p->img, at, &v) == MEM_OK ? v : 0;
}

static uint8_t byte(const struct lua *l, taddr at)
{
	uint8_t v;

	return image_read(l->p->img, at, &v, 1) == MEM_OK ? v : 0;
}

/* ---- sizes of objects, as lj_*_free() give them back */

static uint64_t table_size(const struct lua *l, taddr at)
{
	int8_t colo = (int8_t)byte(l, at + 11); /* slots of the array behind the table itself */
	uint64_t asize = half(l, at + 48), hmask = half(l, at + 52);
	uint64_t size = 64 + (colo ? ((uint64_t)colo & 0x7f) * 8 : 0);

	return size + (hmask ? (hmask + 1) * 24 : 0) + (asize && colo <= 0 ? asize * 8 : 0);
}

static uint64_t trace_size(const struct lua *l, taddr at)
{
	uint32_t nins = half(l, at + 12), nk = half(l, at + 40);

	return 120 + (nins > nk ? (nins - nk) * 8ull : 0) + (half(l, at + 8) >> 16) * 12ull +
	       half(l, at + 44) * 4ull;
}

/* Of cdata of a fixed size only its head and the least that it can have: its type alone says more. */
static uint64_t cdata_size(const struct lua *l, taddr at)
{
	return byte(l, at + 8) & 0x80 ? half(l, at - 4) + (half(l, at - 8) >> 16) : 16;
}

static uint64_t object_size(const struct lua *l, enum kind kind, taddr at)
{
	switch (kind) {
	case STRINGS:
		return 24 + (((uint64_t)half(l, at + 20) + 4) & ~3ull);
	case UPVALUES:
		return 48;
	case THREADS:
		return STATE + half(l, at + L_STACKSIZE) * 8ull;
	case PROTOS:
		return half(l, at + 56);
	case FUNCTIONS:
		return (byte(l, at + 10) ? 48 : 40) + byte(l, at + 11) * 8ull;
	case TRACES:
		return trace_size(l, at);
	case CDATA:
		return cdata_size(l, at);
	case TABLES:
		return table_size(l, at);
	case USERDATA:
		return 48 + (uint64_t)half(l, at + 24);
	case KINDS:
		break;
	}
	return 0;
}

/* ---- memory */

/* The first segment has the allocator's own state; another allocator has none such. */
static bool owns_memory(const struct lua *l, taddr mstate)
{
	taddr seg = mstate + SEG;

	for (unsigned n = 0; mstate && seg && n < SEGMENTS_MAX; n++) {
		taddr base = word(l, seg);

		if (base <= mstate && mstate - base < word(l, seg + 8))
			return true;
		seg = word(l, seg + 16);
	}
	return false;
}

static void add_memory(struct lua *l, taddr base, uint64_t size)
{
	if (l->err || l->n_segments++ >= SEGMENTS_MAX)
		return;
	l->err = pools_add_chunk(l->p, l->pool, base, size);
	l->taken += size;
}

/* What its allocator has of the system; nothing if it is another one than LuaJIT's own. */
static void add_segments(struct lua *l)
{
	taddr mstate = word(l, l->global + G_ALLOCD), seg = mstate + SEG;

	l->owns = owns_memory(l, mstate);
	for (unsigned n = 0; l->owns && seg && n < SEGMENTS_MAX; n++) {
		taddr base = word(l, seg);
		uint64_t size = word(l, seg + 8);

		if (!base || base & (PAGE - 1) || size >> 40)
			break;
		add_memory(l, base, size);
		seg = word(l, seg + 16);
	}
}

/* What is large has a mapping of its own, and is in no segment. */
static void add_direct(struct lua *l, taddr at)
{
	uint64_t head, size;

	if (!l->owns || (at & (PAGE - 1)) != 16 || word(l, at - 16) != DIRECT)
		return;
	head = word(l, at - 8);
	size = (head & ~7ull) + DIRECT_FOOT;
	if ((head & 7) == CINUSE && !(size & (PAGE - 1)) && !(size >> 40))
		add_memory(l, at - 16, size);
}

static void add_directs(struct lua *l, enum kind kind, taddr at)
{
	add_direct(l, at);
	if (kind != TABLES)
		return;
	if ((int8_t)byte(l, at + 11) <= 0) /* else behind the table itself */
		add_direct(l, word(l, at + 16));
	add_direct(l, word(l, at + 40));
}

/* ---- lists of objects */

/*
 * Along nextgc, and what the stacks of threads have open; a list that comes by a place twice is broken (Brent's: one place is kept, a later
 * one at each power of two).
 */
static void count_list(struct lua *l, taddr at, bool has_threads)
{
	taddr seen = 0;

	for (uint64_t n = 1; at && !l->broken; n++) {
		unsigned kind = byte(l, at + 9) - FIRST_KIND;

		if (at == seen || at & 7 || kind >= KINDS || l->steps++ >= STEPS_MAX ||
		    !image_segment(l->p->img, at)) {
			l->broken = true;
			return;
		}
		if (!(n & (n - 1)))
			seen = at;
		l->kinds[kind].count++;
		l->kinds[kind].bytes += object_size(l, kind, at);
		add_directs(l, kind, at);
		if (kind == THREADS && has_threads)
			count_list(l, word(l, at + L_OPENUPVAL), false);
		at = word(l, at);
	}
}

static void count_strings(struct lua *l)
{
	taddr tab = word(l, l->global + G_STR_TAB);
	uint64_t mask = half(l, l->global + G_STR_MASK);

	for (uint64_t i = 0; i <= mask && !l->broken; i++) {
		uint64_t anchor;

		if (l->steps++ >= STEPS_MAX ||
		    image_read_u64(l->p->img, tab + 8 * i, &anchor) != MEM_OK)
			l->broken = true;
		else
			count_list(l, anchor & ~1ull, false); /* bit 0: hashed once more */
	}
}

static int by_bytes(const void *pa, const void *pb)
{
	const struct pool_content *a = pa, *b = pb;

	if (a->bytes != b->bytes)
		return a->bytes > b->bytes ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* ---- states */

static bool is_state(const struct lua *l, taddr at)
{
	taddr g = at + STATE;

	return byte(l, at + L_GCT) == THREAD_GCT && word(l, at + L_GLREF) == g &&
	       word(l, g + G_MAINTHREF) == at && byte(l, g + G_EMPTY_GCT) == FIRST_KIND &&
	       word(l, g + G_TOTAL) > STATE && image_segment(l->p->img, word(l, g + G_ALLOCF)) &&
	       image_segment(l->p->img, word(l, g + G_STR_TAB));
}

static struct err *add_state(struct lua *l, taddr at)
{
	static const char *const names[KINDS] = {
		"strings", "upvalues", "threads", "prototypes", "functions",
		"traces",  "cdata",    "tables",  "userdata",
	};
	struct pool pool = {
		.addr = at,
		.kind = "lua_State",
		.parent = POOL_NONE,
		.free = UINT64_MAX,
		.counts = true,
	};
	struct pool_content *contents = arena_alloc(&l->p->mem, sizeof(l->kinds));
	uint64_t total;
	uint32_t no;
	struct err *err = contents ? pools_add(l->p, &pool, &no) : &err_nomem;

	if (err)
		return err;
	l->state = at;
	l->global = at + STATE;
	total = word(l, l->global + G_TOTAL);
	memset(l->kinds, 0, sizeof(l->kinds));
	for (unsigned i = 0; i < KINDS; i++)
		l->kinds[i].name = names[i];
	l->broken = false;
	l->pool = no;
	l->taken = 0;
	add_segments(l);
	add_direct(l, word(l, l->global + G_STR_TAB));
	add_direct(l, word(l, l->global + G_TMPBUF_B));
	count_list(l, word(l, l->global + G_ROOT), true);
	count_strings(l);
	if (l->broken)
		diag(l->p->env, "pool/broken-list", at,
		     "the lists of lua_State at 0x%llx lead nowhere", (unsigned long long)at);
	l->p->v[no].bytes = l->taken ? l->taken : total;
	l->p->v[no].free = l->taken > total ? l->taken - total : UINT64_MAX;
	l->p->v[no].agrees =
		!l->broken && l->kinds[STRINGS].count == half(l, l->global + G_STR_NUM);
	qsort(l->kinds, KINDS, sizeof(*l->kinds), by_bytes);
	memcpy(contents, l->kinds, sizeof(l->kinds));
	l->p->v[no].contents = contents;
	while (l->p->v[no].n_contents < KINDS && contents[l->p->v[no].n_contents].count)
		l->p->v[no].n_contents++;
	return l->err;
}

static struct err *see(void *arg, const uint8_t *bytes, taddr at, uint64_t size)
{
	struct lua *l = arg;

	(void)size;
	if (load_u64(bytes + L_GLREF) != at + STATE || l->states.n >= STATES_MAX || !is_state(l, at))
		return NULL;
	return vec_push(&l->states, &at) ? NULL : &err_nomem;
}

/* Each word that could be the link of a state to what lies behind it, where LuaJIT's own allocator is at work. */
static struct err *find_in_run(void *arg, taddr start, taddr end)
{
	const struct lua *l = arg;
	uint64_t avail = 0;
	const uint8_t *bytes = image_view(l->p->img, start, &avail);
	struct err *err = NULL;

	if (!bytes || avail < end - start || end - start < STATE)
		return NULL;
	for (taddr at = align_up(start, 8); at <= end - STATE && !err; at += 8)
		err = see(arg, bytes + (at - start), at, STATE);
	return err;
}

static void close_lua(void *ctx)
{
	struct lua *l = ctx;

	if (l)
		free(l->states.v);
	free(l);
}

/* GG_State is one allocation, which begins with the state. */
static struct err *open_lua(struct pools *p, void **ret)
{
	struct lua *l;

	if (!pools_at_home(p, "libluajit", "luaJIT_setmode", "LuaJIT 2.") &&
	    !pools_has_module(p->img, "luajit"))
		return NULL;
	*ret = l = calloc(1, sizeof(*l));
	if (!l)
		return &err_nomem;
	l->p = p;
	return pools_seek(p, &(struct pool_seeker){ 2 * STATE + 1, see, l });
}

static struct err *find(struct pools *p, void *ctx)
{
	struct lua *l = ctx;
	struct err *err = l ? pools_each_run(p, find_in_run, l) : NULL;

	for (size_t i = 0; l && i < l->states.n && !err; i++)
		err = add_state(l, l->states.v[i]);
	return err;
}

extern const struct pool_ops pools_luajit;
const struct pool_ops pools_luajit = {
	.name = "LuaJIT",
	.open = open_lua,
	.close = close_lua,
	.find = find,
};
