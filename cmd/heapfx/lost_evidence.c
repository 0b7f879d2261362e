/*
 * lost_evidence.c - who had, or allocated, the largest lost blocks: pointers left in freed memory
 * and dead stacks, with the functions that left them; the thread that alone uses a block's arena.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "image/dead_calls.h"
#include "image/shadow.h"
#include "freed_by.h"
#include "pipeline.h"
#include "saved.h"

enum {
	STALE_HEADS_MAX = 4096,
	STALE_PER_HEAD = 4,
	THREADS_MAX = 4096,
	ARENAS_MAX = 1024,
	TLS_NEAR = 4096, /* from the thread pointer, where the variables of allocators may lie */
	SIGNAL_LEAST = 2048, /* MINSIGSTKSZ */
	SIGNAL_MOST = 1 << 20,
};

/* The largest lost groups: where a stale pointer is worth looking for. */
static int by_loss(const void *a, const void *b)
{
	const struct lost_head *const *x = a, *const *y = b;
	uint64_t lx = (*x)->bytes + (*x)->held_bytes, ly = (*y)->bytes + (*y)->held_bytes;

	if (lx != ly)
		return lx < ly ? 1 : -1;
	return (*x)->node < (*y)->node ? -1 : 1;
}

static int by_id(const void *a, const void *b)
{
	node_id x = *(const node_id *)a, y = *(const node_id *)b;

	return x < y ? -1 : x > y;
}

/* The nodes of the at most STALE_HEADS_MAX largest lost groups, ascending. malloc'd. */
static struct err *largest_heads(const struct facts *facts, node_id **ret, size_t *ret_n)
{
	_free_ const struct lost_head **heads = calloc(facts->n_lost + 1, sizeof(*heads));
	size_t n = facts->n_lost < STALE_HEADS_MAX ? facts->n_lost : STALE_HEADS_MAX;
	node_id *nodes = calloc(n + 1, sizeof(*nodes));

	if (!heads || !nodes) {
		free(nodes);
		return &err_nomem;
	}
	for (uint64_t i = 0; i < facts->n_lost; i++)
		heads[i] = &facts->lost[i];
	if (facts->n_lost > n)
		qsort(heads, facts->n_lost, sizeof(*heads), by_loss);
	for (size_t i = 0; i < n; i++)
		nodes[i] = heads[i]->node;
	qsort(nodes, n, sizeof(*nodes), by_id);
	*ret = nodes;
	*ret_n = n;
	return NULL;
}

static const char *dead_stack_text(struct run *run, const struct thread *t, taddr at)
{
	struct text who = TEXT_INIT;
	bool known = dead_calls_describe(run->image, t, at, &who);
	const char *ret = arena_printf(
		&run->report.mem,
		"dead stack of thread %u, %" PRIu64 " bytes below its stack pointer%s%s",
		t->tid, t->sp > at ? t->sp - at : 0, known ? ": probably left by " : "",
		known ? text_str(&who) : "");

	text_fini(&who);
	return ret;
}

const char *stale_text(struct run *run, const struct freed_by *f, const struct stale *s)
{
	struct arena *mem = &run->report.mem;
	struct block b;
	uint32_t id, thread;

	if (s->kind == STALE_DEAD_STACK)
		return dead_stack_text(run, &run->image->threads[s->thread], s->at);
	id = block_at(&run->blocks, s->at);
	if (id == BLOCK_NONE)
		return arena_printf(mem, "freed memory at 0x%" PRIx64, s->at);
	block_get(&run->blocks, id, &b);
	thread = freed_by_thread(f, id);
	if (thread != UINT32_MAX)
		return arena_printf(mem,
				    "freed block 0x%" PRIx64 " of %" PRIu64 " bytes, +0x%" PRIx64
				    ", in the cache of thread %u",
				    b.addr, b.size, s->at - b.addr,
				    run->image->threads[thread].tid);
	return arena_printf(mem, "freed block 0x%" PRIx64 " of %" PRIu64 " bytes, +0x%" PRIx64,
			    b.addr, b.size, s->at - b.addr);
}

/* ---- whose arena it is */

/* An arena that the TLS of a thread refers to. */
struct user {
	uint64_t arena;
	uint32_t thread, n; /* n: threads, of the first one of each arena */
};

struct users {
	struct user *v;
	size_t n, cap;
};

static void free_users(struct users *u)
{
	free(u->v);
}

static int by_arena(const void *a, const void *b)
{
	const struct user *x = a, *y = b;

	if (x->arena != y->arena)
		return x->arena < y->arena ? -1 : 1;
	return x->thread < y->thread ? -1 : x->thread > y->thread;
}

static bool is_arena(const struct blocks *b, uint64_t word)
{
	for (size_t i = 0; i < b->n_heaps && word && !(word & 7); i++) {
		const struct heap_info *info = b->heaps[i].info;

		for (size_t k = 0; info && k < info->n_arenas && k < ARENAS_MAX; k++)
			if (info->arenas[k].addr == word)
				return true;
	}
	return false;
}

static struct err *add_users(struct run *run, uint32_t thread, struct users *users)
{
	taddr tp = run->image->threads[thread].tp;

	for (taddr at = tp - TLS_NEAR; tp > TLS_NEAR && at < tp + TLS_NEAR; at += 8) {
		struct user user = { .thread = thread };

		if (!image_read_u64(run->image, at, &user.arena) &&
		    is_arena(&run->blocks, user.arena) &&
		    !vec_push(users, &user))
			return &err_nomem;
	}
	return NULL;
}

/* Each arena once, with the first of its threads, and how many there are. */
static struct err *find_users(struct run *run, struct users *users)
{
	struct err *err = NULL;
	size_t n = 0;

	for (uint32_t i = 0; i < run->image->n_threads && i < THREADS_MAX && !err; i++)
		err = add_users(run, i, users);
	if (users->n)
		qsort(users->v, users->n, sizeof(*users->v), by_arena);
	for (size_t i = 0; i < users->n; i++) {
		struct user *last = n ? &users->v[n - 1] : NULL;

		if (last && last->arena == users->v[i].arena) {
			last->n += users->v[i].thread != users->v[i - 1].thread;
			continue;
		}
		users->v[n] = users->v[i];
		users->v[n++].n = 1;
	}
	users->n = n;
	return err;
}

/* NULL: several threads use its arena, or nobody knows. */
static const char *allocator_text(struct run *run, const struct users *users, node_id node)
{
	struct query_block b;
	uint64_t at;
	size_t i;

	run_block(run, node, &b, &at);
	i = partition_point(users->n, k, users->v[k].arena < b.arena);
	if (!b.arena || i == users->n || users->v[i].arena != b.arena || users->v[i].n != 1)
		return NULL;
	return arena_printf(&run->report.mem,
			    "probably thread %u: no other uses the arena at 0x%" PRIx64,
			    run->image->threads[users->v[i].thread].tid, b.arena);
}

struct err *find_allocating_thread(struct run *run, node_id node, const char **ret)
{
	_cleanup_(free_users) struct users users = {};
	struct err *err = run->image->n_threads > 1 ? find_users(run, &users) : NULL;

	if (!err)
		*ret = allocator_text(run, &users, node);
	return err;
}

/* ---- what the kernel alone has the address of */

static const char signal_stack[] =
	"a stack for signals (sigaltstack()), which the kernel alone has the address of: all "
	"zeros, and no more of that size than threads";

static bool is_zeroed(struct run *run, node_id node)
{
	struct query_block b;
	const uint8_t *bytes;
	uint64_t at, avail;

	run_block(run, node, &b, &at);
	if (b.usable < SIGNAL_LEAST || b.usable > SIGNAL_MOST)
		return false;
	bytes = image_view(run->image, at, &avail);
	return bytes && avail >= b.usable && bytes_are_zero(bytes, b.usable);
}

/* Of lost heads, ascending: a bit for each that may be such a stack. */
static void find_signal_stacks(struct run *run, const node_id *nodes, size_t n, uint64_t *ret)
{
	const struct graph *g = run->graph;

	/* of a blanked dump all is zeros */
	for (size_t i = 0; i < n && image_is_comparable(run->image); i++)
		if (graph_size(g, nodes[i]) >= SIGNAL_LEAST && is_zeroed(run, nodes[i]))
			bit_set(ret, i);
	for (size_t i = 0; i < n; i++) {
		uint64_t size = graph_size(g, nodes[i]), alike = 0;

		if (!bit_get(ret, i))
			continue;
		for (size_t k = 0; k < n; k++)
			alike += bit_get(ret, k) && graph_size(g, nodes[k]) == size;
		for (size_t k = i; k < n && alike > run->image->n_threads; k++)
			if (graph_size(g, nodes[k]) == size)
				bit_clear(ret, k);
	}
}

/* ---- all together */

struct err *find_lost_evidence(struct run *run, struct subject *subject)
{
	_cleanup_(freed_by_close) struct freed_by freed = {};
	_cleanup_(free_users) struct users users = {};
	_free_ node_id *nodes = NULL;
	_free_ struct stale *stale = NULL;
	uint64_t signals[STALE_HEADS_MAX / 64] = {};
	struct stale_place *places;
	size_t n, n_stale, n_places = 0;
	struct err *err = largest_heads(&run->facts, &nodes, &n);

	if (!err && n)
		err = find_stale(&run->env, run->image, &run->blocks, nodes, n, STALE_PER_HEAD,
				 &stale, &n_stale);
	if (err || !n)
		return err;
	if (run->image->n_threads > 1)
		err = find_users(run, &users);
	if (!err && run->image->n_threads > 1)
		err = freed_by_open(run, &freed);
	places = err ? NULL :
		       arena_alloc(&run->report.mem, (3 * n + n_stale + 1) * sizeof(*places));
	if (!places)
		return err ? err : &err_nomem;
	find_signal_stacks(run, nodes, n, signals);
	for (size_t i = 0; i < n; i++) {
		const char *who = users.n ? allocator_text(run, &users, nodes[i]) : NULL;

		if (bit_get(signals, i))
			places[n_places++] =
				(struct stale_place){ nodes[i], EVIDENCE_MAY_BE, signal_stack };
		if (who)
			places[n_places++] = (struct stale_place){ nodes[i], "allocated by", who };
		who = freed.n ? freed_beside(run, &freed, nodes[i]) : NULL;
		if (who)
			places[n_places++] =
				(struct stale_place){ nodes[i], "freed beside it by", who };
	}
	for (size_t i = 0; i < n_stale; i++)
		places[n_places++] = (struct stale_place){ stale[i].node, "still pointed at by",
							   stale_text(run, &freed, &stale[i]) };
	subject->stale = places;
	subject->n_stale = n_places;
	return NULL;
}
