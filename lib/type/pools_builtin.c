/*
 * type/pools_builtin.c - the pools of libraries that a layout can describe, in the same words as a
 * user's own.
 *
 * Sources of truth: src/core/ngx_palloc.h and .c of nginx 1.22 (alike since 0.8); memory/unix/
 * apr_pools.c and apr_allocator.h of APR 1.7 (alike since 1.0, built without APR_POOL_DEBUG);
 * malloc/obstack.h of glibc 2.36; arena_impl.h of protobuf 3.21
 * and 3.12, serial_arena.h of 22 to 36.
 */
#include <stdlib.h>
#include <string.h>

#include "type/pools.h"

static const char text[] =
	/* ngx_pool_t: d (last, end, next, failed), max, current, chain, large, cleanup, log */
	"pool ngx_pool_t\n"
	"needs.symbol ngx_create_pool\n"
	"needs.module nginx\n"
	"needs.text nginx version: \n"
	"find block\n"
	"head.size 80\n"
	"head.room 32 4095\n" /* max: NGX_MAX_ALLOC_FROM_POOL, a page less one */
	"head.current 40\n"
	"head.large 56\n"
	"head.mapped 72\n"
	"chunk.size 32\n"
	"chunk.next 16\n"
	"chunk.avail 0\n"
	"chunk.end 8\n"
	"large.next 0\n"
	"large.data 8\n"
	/* apr_memnode_t: next, ref, index, free_index, first_avail, endp; then apr_pool_t */
	"pool apr_pool_t\n"
	"needs.symbol apr_pool_create_ex\n"
	"needs.module libapr-1\n"
	"needs.text apr_global_pool\n"
	"find page 40\n"
	"find block 40\n"
	"head.size 112\n"
	"head.parent 0\n"
	"head.child 8\n"
	"head.sibling 16\n"
	"head.ref 24\n"
	"head.name 80\n"  /* tag */
	"head.first 88\n" /* active, in a ring with all others */
	"head.place 96\n" /* self */
	"head.spare 48 40 20\n" /* allocator: its lists of free memnodes */
	"spare.owner 32\n"
	"chunk.size 40\n"
	"chunk.next 0\n"
	"chunk.ref 8\n"
	"chunk.avail 24\n"
	"chunk.end 32\n"
	/* chunk_size, chunk, object_base, next_free, chunk_limit, temp, mask, two functions */
	"pool obstack\n"
	"needs.call _obstack_begin\n"
	"needs.call _obstack_begin_1\n"
	"needs.text memory exhausted\n"
	"find anywhere\n"
	"head.size 88\n"
	"head.first 8\n"
	"head.avail 24\n"
	"head.limit 32\n"
	"head.code 56\n"
	"head.code 64\n"
	"chunk.size 16\n"
	"chunk.end 0\n"	 /* limit */
	"chunk.next 8\n" /* prev */
	/* SerialArena, behind the Block (next, size, start) that it was put in: malloc's, or a program's own */
	"pool SerialArena\n"
	"needs.symbol _ZN6google8protobuf8internal15ThreadSafeArenaD1Ev\n"
	"needs.module libprotobuf\n"
	"needs.text google/protobuf/arena.cc\n"
	"find block 24\n"
	"find outside\n"
	"head.size 80\n"
	"head.first 8\n"
	"head.total 32\n" /* space_allocated_ */
	"head.avail 40\n" /* ptr_ */
	"head.limit 48\n"
	"chunk.size 24\n"
	"chunk.next 0\n"
	"chunk.bytes 8\n"
	/* the same before: Block (next, pos, size); arena_, owner_, head_, cleanup_, next_, ptr_, limit_ */
	"pool SerialArena\n"
	"needs.symbol _ZN6google8protobuf8internal9ArenaImplD1Ev\n"
	"needs.module libprotobuf\n"
	"needs.text google/protobuf/arena.cc\n"
	"find block 24\n"
	"head.size 72\n"
	"head.first 16\n"
	"head.avail 40\n" /* ptr_ */
	"head.limit 48\n"
	"chunk.size 24\n"
	"chunk.next 0\n"
	"chunk.bytes 16\n"
	/* 25 to 27. Its first one lies in the Arena: ptr_, limit_, two of prefetching, string_block_, unused, head_, used, allocated */
	"pool SerialArena\n"
	"needs.symbol _ZN6google8protobuf8internal15ThreadSafeArenaD1Ev\n"
	"needs.module libprotobuf\n"
	"needs.text google/protobuf/arena.cc\n"
	"find anywhere\n"
	"head.size 96\n"
	"head.first 48\n"
	"head.total 64\n"
	"head.avail 0\n"
	"head.limit 8\n"
	"head.large 32\n" /* string_block_ */
	"chunk.size 24\n"
	"chunk.next 0\n"
	"chunk.bytes 16\n"
	"large.next 0\n"
	"large.bytes 8 u16\n" /* allocated_size_, at most 8192: u32 at first */
	/* 22 to 24: without those of prefetching, so that a later one would look like this as well */
	"pool SerialArena\n"
	"needs.symbol _ZN6google8protobuf8internal15ThreadSafeArenaD1Ev\n"
	"needs.module libprotobuf\n"
	"needs.text google/protobuf/arena.cc\n"
	"find anywhere\n"
	"head.size 80\n"
	"head.first 32\n"
	"head.total 48\n"
	"head.avail 0\n"
	"head.limit 8\n"
	"head.large 16\n" /* string_block_ */
	"chunk.size 24\n"
	"chunk.next 0\n"
	"chunk.bytes 16\n"
	"large.next 0\n"
	"large.bytes 8 u16\n" /* allocated_size_, at most 8192: u32 at first */
	/* 28 to 32: prefetch_ptr_ and cleanup_list_ (four words) there; Block (next, size) */
	"pool SerialArena\n"
	"needs.symbol _ZN6google8protobuf8internal15ThreadSafeArenaD1Ev\n"
	"needs.module libprotobuf\n"
	"needs.text google/protobuf/arena.cc\n"
	"find anywhere\n"
	"head.size 120\n"
	"head.first 72\n"
	"head.total 88\n"
	"head.avail 0\n"
	"head.limit 8\n"
	"head.large 56 24\n" /* string_block_, cleanup_list_ */
	"chunk.size 16\n"
	"chunk.next 0\n"
	"chunk.bytes 8\n"
	"large.next 0\n"
	"large.bytes 8 u16\n" /* allocated_size_, at most 8192: u32 at first */
	/* From 33: length of cached_blocks_, prefetch_ptr_, head_, ptr_, limit_, allocated, cached_blocks_, ... */
	"pool SerialArena\n"
	"needs.symbol _ZN6google8protobuf8internal15ThreadSafeArenaD1Ev\n"
	"needs.module libprotobuf\n"
	"needs.text google/protobuf/arena.cc\n"
	"find anywhere\n"
	"head.size 120\n"
	"head.first 16\n"
	"head.total 40\n"
	"head.avail 24\n"
	"head.limit 32\n"
	"head.large 56 80\n" /* string_block_, cleanup_list_ */
	"chunk.size 16\n"
	"chunk.next 0\n"
	"chunk.bytes 8\n"
	"large.next 0\n"
	"large.bytes 8 u16\n"; /* allocated_size_, at most 8192: u32 at first */

struct known {
	struct pool_layouts layouts;
	struct layout_search *search;
};

static void close_known(void *ctx)
{
	struct known *known = ctx;

	if (!known)
		return;
	pools_close_layouts(known->search);
	pool_layouts_fini(&known->layouts);
	free(known);
}

static struct err *open_known(struct pools *p, void **ret)
{
	struct known *known = calloc(1, sizeof(*known));
	struct err *err;

	if (!known)
		return &err_nomem;
	*ret = known;
	err = pool_layouts_parse("built in", text, strlen(text), &known->layouts);
	return err ? err : pools_open_layouts(p, &known->layouts, false, &known->search);
}

static struct err *find(struct pools *p, void *ctx)
{
	const struct known *known = ctx;

	(void)p;
	return pools_find_layouts(known->search);
}

extern const struct pool_ops pools_builtin;
const struct pool_ops pools_builtin = {
	.name = "known layouts",
	.open = open_known,
	.close = close_known,
	.find = find,
};
