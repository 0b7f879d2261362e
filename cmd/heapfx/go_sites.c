/*
 * go_sites.c - where the objects of a Go process were allocated that its allocation profile has
 * sampled -> subject.samples.
 *
 * A special of a sampled object leads to a bucket of runtime.mbuckets {next, allnext, typ, hash,
 * size, nstk}, behind which is the stack: runtime/mprof.go, Go 1.19 to 1.27.
 */
#include <stdlib.h>
#include <string.h>

#include "base/addrmap.h"
#include "base/guard.h"
#include "base/vec.h"
#include "image/go_profile.h"
#include "pipeline.h"
#include "type/go_specials.h"

enum {
	BUCKET_TYP = 16,
	BUCKET_SIZE = 32,
	BUCKET_NSTK = 40,
	BUCKET_STACK = 48,
	TYP_MEM = 1,
	STACK_MAX = 2048,
	CALLS_SHOWN = 3,
};

struct sites {
	struct run *run;
	const struct go *go;
	struct go_profile rate; /* that alone of it */
	struct addrmap known, same; /* words, by bucket; by their hash */
	struct {
		struct sample *v;
		size_t n, cap;
	} samples;
};

struct call {
	struct text *words;
	bool done;
};

/* "main.load (main.go:31)"; the first level alone, for an address stands for one call. */
static void on_call(void *arg, const char *function, const char *file, unsigned line)
{
	struct call *c = arg;
	const char *slash = file ? strrchr(file, '/') : NULL;

	if (c->done)
		return;
	c->done = true;
	text_add(c->words, c->words->n ? ", called by " : "");
	text_add(c->words, function);
	if (file && line)
		text_printf(c->words, " (%s:%u)", slash ? slash + 1 : file, line);
}

/* The innermost calls that are not the runtime's own. */
static void describe(const struct sites *s, taddr bucket, uint64_t n, struct text *ret)
{
	unsigned shown = 0;

	for (uint64_t i = 0; i < n && shown < CALLS_SHOWN; i++) {
		taddr pc = go_word(s->go, bucket + BUCKET_STACK + 8 * i);
		struct call call = { .words = ret };

		if (pc && shown && go_profile_hides(s->go, pc))
			break; /* runtime.goexit, or what calls main.main */
		if (!pc || go_profile_hides(s->go, pc))
			continue;
		go_source(s->go, pc - 1, on_call, &call);
		shown += call.done;
	}
}

static uint64_t hash(const struct text *t)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < t->n; i++)
		h = (h ^ (uint8_t)t->s[i]) * 0x100000001b3;
	return h | 1;
}

/* Stacks that differ in the outer calls alone are one string. */
static const char *same_site(struct sites *s, const struct text *words)
{
	const char *kept = addrmap_get(&s->same, hash(words));

	if (!kept)
		kept = arena_strdup(&s->run->report.mem, text_str(words));
	return kept && addrmap_put(&s->same, hash(words), kept) ? kept : NULL;
}

/* NULL in *ret: the bucket is none, or has no calls of the program's. */
static struct err *site_of(struct sites *s, taddr bucket, const char **ret)
{
	uint64_t n = go_word(s->go, bucket + BUCKET_NSTK);
	_cleanup_(text_fini) struct text words = TEXT_INIT;

	*ret = addrmap_get(&s->known, bucket);
	if (*ret || go_word(s->go, bucket + BUCKET_TYP) != TYP_MEM || n > STACK_MAX)
		return NULL;
	describe(s, bucket, n, &words);
	if (!words.n)
		return NULL;
	*ret = same_site(s, &words);
	return *ret && addrmap_put(&s->known, bucket, *ret) ? NULL : &err_nomem;
}

static struct err *on_special(void *arg, const struct go_special *special)
{
	struct sites *s = arg;
	struct sample sample = {};
	int64_t count, bytes;
	taddr bucket;
	struct err *err;

	if (special->kind != s->go->layout.special_kind.profile)
		return NULL;
	bucket = go_word(s->go, special->fields);
	sample.node = bucket ? graph_node_at(s->run->graph, special->object) : NODE_NONE;
	if (sample.node == NODE_NONE || !graph_is_live(s->run->graph, sample.node))
		return NULL;
	err = site_of(s, bucket, &sample.stack);
	if (err || !sample.stack)
		return err;
	go_profile_scale(&s->rate, 1, go_word(s->go, bucket + BUCKET_SIZE), &count, &bytes);
	sample.bytes = (uint64_t)bytes;
	return vec_push(&s->samples, &sample) ? NULL : &err_nomem;
}

static int by_node(const void *pa, const void *pb)
{
	const struct sample *a = pa, *b = pb;

	return (a->node > b->node) - (a->node < b->node);
}

/* Beside what a C allocator of the same process has sampled. */
static struct err *give(struct sites *s, struct subject *subject)
{
	size_t n = subject->n_samples + s->samples.n;
	struct sample *all = arena_alloc(&s->run->report.mem, (n + 1) * sizeof(*all));

	if (!all)
		return &err_nomem;
	if (subject->n_samples)
		memcpy(all, subject->samples, subject->n_samples * sizeof(*all));
	if (s->samples.n)
		memcpy(all + subject->n_samples, s->samples.v, s->samples.n * sizeof(*all));
	if (n)
		qsort(all, n, sizeof(*all), by_node);
	subject->samples = all;
	subject->n_samples = n;
	return NULL;
}

static void read_rate(struct sites *s)
{
	uint64_t rate;

	if (!s->go->at.mem_profile_rate ||
	    image_read_u64(s->go->img, s->go->at.mem_profile_rate, &rate) != MEM_OK)
		return;
	s->rate.rate = (int64_t)rate;
	s->rate.has_rate = true;
}

struct err *describe_go_sites(struct run *run, struct subject *subject)
{
	struct sites s = { .run = run, .go = run->image->go };
	struct err *err;

	if (!s.go || s.go->layout.special_kind.profile == GO_ABSENT)
		return NULL;
	read_rate(&s);
	err = go_specials_each(NULL, s.go, on_special, &s);
	if (!err && s.samples.n)
		err = give(&s, subject);
	addrmap_fini(&s.known);
	addrmap_fini(&s.same);
	free(s.samples.v);
	return err;
}
