/*
 * image/go_profile.c - runtime.mbuckets, Go 1.19 to 1.27 (runtime/mprof.go).
 *
 * A bucket is {next, allnext, typ, hash, size, nstk}, then nstk return addresses, then the record of
 * what is published {allocs, frees, alloc_bytes, free_bytes} and those of three cycles to come;
 * since 1.27 {allocs, frees} alone, of `size` bytes each.
 * While nothing was published at all, the three count, as for runtime.MemProfile().
 */
#include "image/go_profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/vec.h"

enum {
	BUCKET_NEXT = 8, /* allnext */
	BUCKET_TYP = 16,
	BUCKET_SIZE = 32,
	BUCKET_NSTK = 40,
	BUCKET_STACK = 48,
	TYP_MEM = 1,
	STACK_MAX = 2048, /* 32 to 1.22; GODEBUG=profstackdepth goes to 1024 since */
	BUCKETS_MAX = 1 << 20,
	PCS_MAX = 1 << 24, /* of all stacks */
	CYCLES = 4, /* the published one and three to come */
	CYCLE_WORDS = 4, /* at most */
};

void go_profile_fini(struct go_profile *p)
{
	free(p->buckets.v);
	free(p->pcs.v);
	*p = (struct go_profile){};
}

static unsigned words_of(const struct go *go)
{
	return go->is_newer || go->minor >= 27 ? 2 : CYCLE_WORDS;
}

static void add_cycle(const uint64_t *words, unsigned n, uint64_t size, struct go_bucket *b)
{
	b->allocs += words[0];
	b->frees += words[1];
	b->alloc_bytes += n == CYCLE_WORDS ? words[2] : words[0] * size;
	b->free_bytes += n == CYCLE_WORDS ? words[3] : words[1] * size;
}

/* What is to come, in step with the buckets, until it is known whether it counts. */
struct coming {
	struct { struct go_bucket *v; size_t n, cap; } all;
	bool published;
};

static struct err *read_bucket(const struct go *go, taddr at, struct go_profile *p,
			       struct coming *coming, bool *ret_ok)
{
	uint64_t n = go_word(go, at + BUCKET_NSTK), record[CYCLES * CYCLE_WORDS];
	uint64_t size = go_word(go, at + BUCKET_SIZE);
	struct go_bucket b = { .first = p->pcs.n }, later = {};
	unsigned words = words_of(go);

	*ret_ok = false;
	if (go_word(go, at + BUCKET_TYP) != TYP_MEM || n > STACK_MAX ||
	    image_read(go->img, at + BUCKET_STACK + n * 8, record, CYCLES * words * 8) != MEM_OK)
		return NULL;
	for (uint64_t i = 0; i < n; i++) {
		taddr pc = go_word(go, at + BUCKET_STACK + i * 8);

		if (!vec_push(&p->pcs, &pc))
			return &err_nomem;
	}
	b.n = (size_t)n;
	add_cycle(record, words, size, &b);
	for (unsigned i = 1; i < CYCLES; i++)
		add_cycle(record + i * words, words, size, &later);
	coming->published = coming->published || b.allocs || b.frees;
	if (!vec_push(&p->buckets, &b) || !vec_push(&coming->all, &later))
		return &err_nomem;
	*ret_ok = true;
	return NULL;
}

static void take_coming(struct go_profile *p, const struct coming *coming)
{
	for (size_t i = 0; i < p->buckets.n && !coming->published; i++) {
		struct go_bucket *b = &p->buckets.v[i];
		const struct go_bucket *more = &coming->all.v[i];

		b->allocs += more->allocs;
		b->frees += more->frees;
		b->alloc_bytes += more->alloc_bytes;
		b->free_bytes += more->free_bytes;
	}
}

/* A list that leads back into itself is found by a second finger at half the speed. */
static struct err *read_all(const struct go *go, struct go_profile *p, struct coming *coming)
{
	taddr at = go_word(go, go->at.mbuckets), slow = at;
	struct err *err = NULL;
	bool ok = true;

	for (unsigned i = 1; at && ok && !err; i++) {
		err = read_bucket(go, at, p, coming, &ok);
		if (!ok && !err)
			diag(go->env, "go/profile", at,
			     "the allocation profile ends at a bucket that is damaged or not dumped");
		at = go_word(go, at + BUCKET_NEXT);
		if (!(i & 1))
			slow = go_word(go, slow + BUCKET_NEXT);
		if (at && (at == slow || i == BUCKETS_MAX || p->pcs.n > PCS_MAX)) {
			diag(go->env, "go/profile", at, "the allocation profile does not end");
			break;
		}
	}
	return err;
}

struct err *go_profile_read(const struct go *go, struct go_profile *ret)
{
	struct coming coming = {};
	struct err *err = NULL;
	uint64_t rate;

	*ret = (struct go_profile){};
	if (go->at.mem_profile_rate &&
	    image_read_u64(go->img, go->at.mem_profile_rate, &rate) == MEM_OK) {
		ret->rate = (int64_t)rate;
		ret->has_rate = true;
	}
	if (go->at.mbuckets)
		err = read_all(go, ret, &coming);
	if (!err)
		take_coming(ret, &coming);
	free(coming.all.v);
	if (err)
		go_profile_fini(ret);
	return err;
}

/* The first call is the innermost one. */
struct first_name {
	bool done, hidden;
	bool internal; /* packages below internal/runtime count */
};

static void on_name(void *arg, const char *function, const char *file, unsigned line)
{
	struct first_name *f = arg;

	(void)file;
	(void)line;
	if (f->done)
		return;
	f->done = true;
	f->hidden = !strncmp(function, "runtime.", strlen("runtime.")) ||
		    (f->internal &&
		     !strncmp(function, "internal/runtime/", strlen("internal/runtime/")));
}

bool go_profile_hides(const struct go *go, taddr pc)
{
	struct first_name f = { .internal = !go->minor || go->minor >= 24 };

	go_source(go, pc, on_name, &f);
	return f.hidden;
}

void go_profile_scale(const struct go_profile *p, uint64_t count, uint64_t bytes,
		      int64_t *ret_count, int64_t *ret_bytes)
{
	double scale;

	*ret_count = *ret_bytes = 0;
	if (!count || !bytes || count > INT64_MAX || bytes > INT64_MAX)
		return;
	*ret_count = (int64_t)count;
	*ret_bytes = (int64_t)bytes;
	if (!p->has_rate || p->rate <= 1)
		return;
	scale = 1 / (1 - exp(-((double)bytes / (double)count) / (double)p->rate));
	if (!((double)bytes * scale < 0x1p62) || !((double)count * scale < 0x1p62))
		return;
	*ret_count = (int64_t)((double)count * scale);
	*ret_bytes = (int64_t)((double)bytes * scale);
}
