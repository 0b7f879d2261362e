/*
 * image/go_block_profile.c - runtime.bbuckets and xbuckets, Go 1.19 to 1.27 (runtime/mprof.go).
 *
 * A bucket is {next, allnext, typ, hash, size, nstk}, then nstk return addresses, then blockRecord
 * {count float64, cycles int64}.  Since 1.23 stacks are taken by frame pointers: a return address
 * stands for all that was inlined there, and is taken apart as runtime.CallersFrames does.
 */
#include "image/go_block_profile.h"

#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/vec.h"

enum {
	BUCKET_NEXT = 8, /* allnext */
	BUCKET_TYP = 16,
	BUCKET_NSTK = 40,
	BUCKET_STACK = 48,
	TYP_BLOCK = 2,
	TYP_MUTEX = 3,
	STACK_MAX = 2048,
	INLINED_MAX = 256, /* at one address */
	BUCKETS_MAX = 1 << 20,
	PCS_MAX = 1 << 24, /* of all stacks */
};

void go_block_profile_fini(struct go_block_profile *p)
{
	free(p->buckets.v);
	free(p->pcs.v);
	*p = (struct go_block_profile){};
}

/* One return address, and where the next is not its caller's own, the callers inlined there. */
static struct err *add_pc(const struct go *go, taddr pc, taddr next, bool physical,
			  struct go_block_profile *p)
{
	struct go_func f;
	taddr parent;

	if (physical && !go_func_at(go, pc, &f))
		return NULL; /* a mark of the runtime's own (logicalStackSentinel) */
	for (unsigned i = 0; i < INLINED_MAX; i++) {
		if (!vec_push(&p->pcs, &pc))
			return &err_nomem;
		if (!physical || !next || !go_inline_parent(go, pc - 1, &parent) ||
		    next == parent + 1)
			break;
		pc = parent + 1;
	}
	return NULL;
}

static struct err *add_stack(const struct go *go, taddr at, uint64_t n, struct go_block_profile *p)
{
	bool physical = go->is_newer || !go->minor || go->minor >= 23;
	struct err *err = NULL;

	for (uint64_t i = 0; i < n && !err; i++)
		err = add_pc(go, go_word(go, at + 8 * i), i + 1 < n ? go_word(go, at + 8 * i + 8) : 0,
			     physical, p);
	return err;
}

/* As BlockProfile() answers; to 1.19 runtime/pprof scales the mutex profile up itself. */
static void scale(const struct go *go, enum go_block_kind kind, struct go_block_bucket *b,
		  struct go_block_profile *p)
{
	uint64_t rate = 0;

	if (kind == GO_BLOCK_PROFILE) {
		b->count = b->count ? b->count : 1;
		return;
	}
	if (!go->minor || go->minor > 19)
		return;
	if (go->at.mutex_profile_rate)
		rate = go_word(go, go->at.mutex_profile_rate);
	if (!rate || rate > INT32_MAX || b->count > INT64_MAX / (int64_t)rate ||
	    b->cycles > INT64_MAX / (int64_t)rate) {
		p->is_unscaled = true;
		return;
	}
	b->count *= (int64_t)rate;
	b->cycles *= (int64_t)rate;
}

static struct err *read_bucket(const struct go *go, taddr at, enum go_block_kind kind,
			       struct go_block_profile *p, bool *ret_ok)
{
	uint64_t n = go_word(go, at + BUCKET_NSTK), record[2];
	struct go_block_bucket b = { .first = p->pcs.n };
	double count;
	struct err *err;

	*ret_ok = false;
	if (go_word(go, at + BUCKET_TYP) != (kind == GO_BLOCK_PROFILE ? TYP_BLOCK : TYP_MUTEX) ||
	    n > STACK_MAX ||
	    image_read(go->img, at + BUCKET_STACK + n * 8, record, sizeof(record)) != MEM_OK)
		return NULL;
	memcpy(&count, &record[0], sizeof(count));
	b.cycles = (int64_t)record[1];
	if (!(count >= 0 && count < 0x1p62) || b.cycles < 0)
		return NULL;
	b.count = (int64_t)count;
	err = add_stack(go, at + BUCKET_STACK, n, p);
	if (err)
		return err;
	b.n = p->pcs.n - b.first;
	scale(go, kind, &b, p);
	*ret_ok = true;
	return vec_push(&p->buckets, &b) ? NULL : &err_nomem;
}

/* A list that leads back into itself is found by a second finger at half the speed. */
static struct err *read_all(const struct go *go, taddr at, enum go_block_kind kind,
			    struct go_block_profile *p)
{
	taddr slow = at;
	struct err *err = NULL;
	bool ok = true;

	for (unsigned i = 1; at && ok && !err; i++) {
		err = read_bucket(go, at, kind, p, &ok);
		if (!ok && !err)
			diag(go->env, "go/profile", at,
			     "the %s profile ends at a bucket that is damaged or not dumped",
			     kind == GO_BLOCK_PROFILE ? "block" : "mutex");
		at = go_word(go, at + BUCKET_NEXT);
		if (!(i & 1))
			slow = go_word(go, slow + BUCKET_NEXT);
		if (at && (at == slow || i == BUCKETS_MAX || p->pcs.n > PCS_MAX)) {
			diag(go->env, "go/profile", at, "a profile does not end");
			break;
		}
	}
	return err;
}

struct err *go_block_profile_read(const struct go *go, enum go_block_kind kind,
				  struct go_block_profile *ret)
{
	taddr head = kind == GO_BLOCK_PROFILE ? go->at.bbuckets : go->at.xbuckets;
	uint64_t rate = go->at.ticks ? go_word(go, go->at.ticks) : 0;
	struct err *err = NULL;

	*ret = (struct go_block_profile){};
	if (rate && rate <= INT64_MAX)
		ret->per_second = (int64_t)rate;
	if (head)
		err = read_all(go, go_word(go, head), kind, ret);
	if (err)
		go_block_profile_fini(ret);
	return err;
}

int64_t go_block_profile_ns(const struct go_block_profile *p, int64_t cycles)
{
	double ns = (double)cycles / ((double)p->per_second / 1e9);

	return ns < 0x1p62 ? (int64_t)ns : INT64_MAX;
}
