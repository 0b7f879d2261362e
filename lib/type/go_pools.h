/*
 * type/go_pools.h - Go's sync.Pools as they lie in memory: what lies with each P, in both halves.
 *
 * sync/pool.go, sync/poolqueue.go, the same memory layout from 1.19 to 1.27:
 *	Pool {local, localSize, victim, victimSize, New}
 *	poolLocal {private any; shared {head, tail *poolChainElt}; padded to 128 bytes}
 *	poolChainElt {headTail; vals []eface; next, prev}
 */
#ifndef HEAPFX_TYPE_GO_POOLS_H
#define HEAPFX_TYPE_GO_POOLS_H

#include "image/go.h"

/* What lies with one P: in `local`, or in `victim`, which was `local` at the last collection. */
struct go_pool_shard {
	taddr addr; /* of its poolLocal */
	uint32_t p;
	bool is_victim, has_private;
	uint64_t shared; /* values in its rings */
	/*
	 * A ring is made only when the one before is full; what is put goes to the newest, and its P
	 * takes from there, others from the oldest.  With a first ring of 8, all full but the newest,
	 * and none begun at its other end: so many were in there, and none of those was taken, since
	 * the newest was made.  0: something was taken, or it cannot be told.
	 */
	uint64_t undrawn;
};

struct go_pool {
	taddr addr;
	uint64_t n_local, n_victim; /* values in it */
	/* of them, as above, over all its shards; 0 when one of those was drawn from */
	uint64_t undrawn;
};

/* What a pool consists of; either may be NULL. `block`: an address in each of its arrays and rings. */
struct go_pool_sink {
	struct err *(*block)(void *arg, taddr at);
	struct err *(*shard)(void *arg, const struct go_pool_shard *shard); /* those with values alone */
	void *arg;
};
struct err *go_pool_read(const struct go *go, taddr pool, const struct go_pool_sink *sink,
			 struct go_pool *ret) MUST_CHECK;

/*
 * Every pool that was put to since the last collection (sync.allPools) or the one before (oldPools):
 * addresses, ascending, each once. malloc'd.
 */
struct err *go_pools_list(const struct go *go, taddr **ret, size_t *ret_n) MUST_CHECK;

/* "sync.Pool main.bufPool"; one in a struct by what makes its values, or by its address. */
void go_pool_name(const struct go *go, taddr pool, struct text *ret);

#endif
