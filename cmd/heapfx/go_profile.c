/*
 * go_profile.c - the profiles inside a Go process -> report.profiles, as runtime/pprof writes them:
 * of allocations, scaled up and without the runtime's own innermost calls; of waiting, in
 * nanoseconds; inlined calls in one place.
 */
#include <string.h>

#include "analysis/paths_tree.h"
#include "base/guard.h"
#include "base/version.h"
#include "base/vec.h"
#include "image/go_block_profile.h"
#include "image/go_profile.h"
#include "pipeline.h"

/* A logical call: a function that was inlined or not, at a line. */
struct call {
	struct rp_line line;
	taddr entry; /* of the function whose code it is; 0: none */
	bool inlined, is_goexit;
};

struct making {
	struct run *run;
	const struct go *go;
	struct go_profile from;
	struct go_block_profile waits; /* one of the two is read */
	struct { struct call *v; size_t n, cap; } calls;
	struct pair_table call_of;	/* by pc */
	struct { struct rp_location *v; size_t n, cap; } locations;
	struct pair_table location_of;	/* by first pc, number of calls */
	uint32_t *room;			/* for the locations of one stack */
};

static void making_fini(struct making *m)
{
	go_profile_fini(&m->from);
	go_block_profile_fini(&m->waits);
	free(m->calls.v);
	free(m->call_of.slots);
	free(m->locations.v);
	free(m->location_of.slots);
	free(m->room);
}

struct call_sink {
	struct arena *mem;
	struct call *call;
	unsigned levels;
	bool bad;
};

static void on_call(void *arg, const char *function, const char *file, unsigned line)
{
	struct call_sink *s = arg;

	if (s->levels++)
		return;
	s->call->line.function = arena_strdup(s->mem, function);
	s->call->line.file = file ? arena_strdup(s->mem, file) : NULL;
	s->call->line.line = line;
	s->bad = !s->call->line.function || (file && !s->call->line.file);
}

/* The call that a return address stands for; UINT32_MAX: out of memory. */
static uint32_t call_of(struct making *m, taddr pc)
{
	uint32_t *place = pair_place(&m->call_of, pc, 0);
	struct call call = {};
	struct call_sink sink = { .mem = &m->run->report.mem, .call = &call };
	struct go_func f;

	if (!place)
		return UINT32_MAX;
	if (*place)
		return *place - 1;
	go_source(m->go, pc - 1, on_call, &sink);
	if (!sink.levels)
		call.line.function = arena_printf(sink.mem, "0x%llx", (unsigned long long)pc);
	if (sink.bad || !call.line.function || !vec_push(&m->calls, &call)) {
		m->call_of.n--;
		return UINT32_MAX;
	}
	*place = (uint32_t)m->calls.n;
	m->calls.v[*place - 1].inlined = sink.levels > 1;
	m->calls.v[*place - 1].is_goexit = !strcmp(call.line.function, "runtime.goexit");
	if (go_func_at(m->go, pc - 1, &f))
		m->calls.v[*place - 1].entry = f.entry;
	return *place - 1;
}

/* Is `b` what `a` was inlined into? */
static bool goes_on(const struct call *a, const struct call *b)
{
	return a->inlined && a->entry && a->entry == b->entry &&
	       strcmp(a->line.function, b->line.function) != 0;
}

/* The place of `n` calls of which each was inlined into the next; PATH_NONE: out of memory. */
static uint32_t location_of(struct making *m, const taddr *pcs, size_t n)
{
	uint32_t *place = pair_place(&m->location_of, pcs[0], n);
	struct rp_location at = { .address = pcs[0] - 1, .mapping = m->go->module != NULL };
	struct rp_line *lines;

	if (!place)
		return PATH_NONE;
	if (*place)
		return *place - 1;
	lines = arena_alloc(&m->run->report.mem, n * sizeof(*lines));
	for (size_t i = 0; lines && i < n; i++)
		lines[i] = m->calls.v[call_of(m, pcs[i])].line;
	at.lines = lines;
	at.n_lines = n;
	if (!lines || !vec_push(&m->locations, &at)) {
		m->location_of.n--;
		return PATH_NONE;
	}
	*place = (uint32_t)m->locations.n;
	return *place - 1;
}

/* The locations of one stack, in m->room. */
static struct err *find_locations(struct making *m, const taddr *pcs, size_t n, size_t *ret_n)
{
	*ret_n = 0;
	for (size_t i = 0, end; i < n; i = end) {
		uint32_t call = call_of(m, pcs[i]), next, location;

		end = i + 1;
		if (call == UINT32_MAX)
			return &err_nomem;
		if (m->calls.v[call].is_goexit)
			continue;
		for (; end < n; end++, call = next) {
			next = call_of(m, pcs[end]);
			if (next == UINT32_MAX)
				return &err_nomem;
			if (!goes_on(&m->calls.v[call], &m->calls.v[next]))
				break;
		}
		location = location_of(m, pcs + i, end - i);
		if (location == PATH_NONE)
			return &err_nomem;
		m->room[(*ret_n)++] = location;
	}
	return NULL;
}

/* What runtime/pprof leaves out: the runtime's innermost calls, unless there are no others. */
static size_t hidden(const struct making *m, const taddr *pcs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!go_profile_hides(m->go, pcs[i]))
			return i;
	return 0;
}

static struct err *add_stack(struct making *m, const taddr *pcs, size_t n, struct rp_sample *out)
{
	uint32_t *kept;
	size_t n_kept;
	struct err *err = find_locations(m, pcs, n, &n_kept);

	if (err)
		return err;
	kept = arena_alloc(&m->run->report.mem, (n_kept + 1) * sizeof(*kept));
	if (!kept)
		return &err_nomem;
	memcpy(kept, m->room, n_kept * sizeof(*kept));
	out->locations = kept;
	out->n_locations = n_kept;
	return NULL;
}

static struct err *add_sample(struct making *m, const struct go_bucket *b, struct rp_sample *out)
{
	const taddr *pcs = m->from.pcs.v + b->first;
	size_t skip = hidden(m, pcs, b->n);
	struct rp_label *label = arena_alloc(&m->run->report.mem, sizeof(*label));

	if (!label)
		return &err_nomem;
	go_profile_scale(&m->from, b->allocs, b->alloc_bytes, &out->values[0], &out->values[1]);
	if (b->frees <= b->allocs && b->free_bytes <= b->alloc_bytes)
		go_profile_scale(&m->from, b->allocs - b->frees, b->alloc_bytes - b->free_bytes,
				 &out->values[2], &out->values[3]);
	*label = (struct rp_label){ .key = "bytes",
				    .number = b->allocs ? b->alloc_bytes / b->allocs : 0 };
	out->labels = label;
	out->n_labels = label->number != 0;
	return add_stack(m, pcs + skip, b->n - skip, out);
}

static struct err *add_wait(struct making *m, const struct go_block_bucket *b,
			    struct rp_sample *out)
{
	out->values[0] = b->count;
	out->values[1] = m->waits.per_second ? go_block_profile_ns(&m->waits, b->cycles) :
					       b->cycles;
	return add_stack(m, m->waits.pcs.v + b->first, b->n, out);
}

/* Of one profile or the other: `n_pcs` is room enough for any stack of it. */
static struct err *add_samples(struct making *m, size_t n, size_t n_pcs, struct rp_profile *p)
{
	struct rp_sample *samples =
		arena_alloc(&m->run->report.mem, (n + 1) * sizeof(*samples));
	struct rp_location *kept;
	struct err *err = NULL;

	m->room = calloc(n_pcs + 1, sizeof(*m->room));
	if (!samples || !m->room)
		return &err_nomem;
	for (size_t i = 0; i < n && !err; i++)
		err = m->from.buckets.n ? add_sample(m, &m->from.buckets.v[i], &samples[i]) :
					  add_wait(m, &m->waits.buckets.v[i], &samples[i]);
	if (err)
		return err;
	kept = arena_alloc(&m->run->report.mem, (m->locations.n + 1) * sizeof(*kept));
	if (!kept)
		return &err_nomem;
	if (m->locations.n)
		memcpy(kept, m->locations.v, m->locations.n * sizeof(*kept));
	p->locations = kept;
	p->n_locations = m->locations.n;
	p->samples = samples;
	p->n_samples = n;
	return NULL;
}

/* The program that the runtime is linked into. */
static struct err *add_mapping(struct run *run, struct rp_profile *p)
{
	const struct module *module = run->image->go->module;
	struct rp_mapping *mapping;

	if (!module)
		return NULL;
	mapping = arena_alloc(&run->report.mem, sizeof(*mapping));
	if (!mapping)
		return &err_nomem;
	*mapping = (struct rp_mapping){ .start = module->start, .end = module->end,
					.path = module->path };
	p->mappings = mapping;
	p->n_mappings = 1;
	return NULL;
}

static struct err *make_profile(struct making *m, struct rp_profile *p)
{
	struct err *err = go_profile_read(m->go, &m->from);

	if (!err)
		err = add_samples(m, m->from.buckets.n, m->from.pcs.n, p);
	if (!err)
		err = add_mapping(m->run, p);
	if (m->from.has_rate && m->from.rate > 0)
		p->period = (uint64_t)m->from.rate;
	if (!m->from.has_rate)
		p->comments[p->n_comments++] =
			"MemProfileRate was not found: these are samples, not scaled up";
	return err;
}

static struct err *allocations(struct run *run)
{
	_cleanup_(making_fini) struct making m = { .run = run, .go = run->image->go };
	struct rp_profile *p = arena_alloc(&run->report.mem, sizeof(*p));
	struct err *err;

	if (!p)
		return &err_nomem;
	*p = (struct rp_profile){
		.values = { { "alloc_objects", "count" },
			    { "alloc_space", "bytes" },
			    { "inuse_objects", "count" },
			    { "inuse_space", "bytes" } },
		.n_values = 4,
		.main_value = 3,
		.period_type = { "space", "bytes" },
		.comments = { "heapfx " HEAPFX_VERSION },
		.n_comments = 1,
	};
	err = make_profile(&m, p);
	if (!err)
		run->report.profiles[PROFILE_GO_HEAP] = p;
	return err;
}

static void add_doubts(const struct making *m, struct rp_profile *p)
{
	if (!m->waits.per_second) {
		p->values[1].unit = "cycles";
		p->comments[p->n_comments++] =
			"nobody asked the runtime for its clock rate: delays are in its cycles";
	}
	if (m->waits.is_unscaled)
		p->comments[p->n_comments++] =
			"the mutex profile's rate was not found: these are samples, not scaled up";
}

static struct err *waiting(struct run *run, enum go_block_kind kind, enum profile_kind as)
{
	_cleanup_(making_fini) struct making m = { .run = run, .go = run->image->go };
	struct rp_profile *p = arena_alloc(&run->report.mem, sizeof(*p));
	struct err *err;

	if (!p)
		return &err_nomem;
	*p = (struct rp_profile){
		.values = { { "contentions", "count" }, { "delay", "nanoseconds" } },
		.n_values = 2,
		.main_value = 1,
		.period_type = { "contentions", "count" },
		.period = 1,
		.comments = { "heapfx " HEAPFX_VERSION },
		.n_comments = 1,
	};
	err = go_block_profile_read(m.go, kind, &m.waits);
	if (!err)
		err = add_samples(&m, m.waits.buckets.n, m.waits.pcs.n, p);
	if (!err)
		err = add_mapping(run, p);
	add_doubts(&m, p);
	if (!err && p->n_samples)
		run->report.profiles[as] = p;
	return err;
}

struct err *describe_go_profile(struct run *run)
{
	const struct go *go = run->image->go;
	struct err *err = NULL;

	if (!go)
		return NULL;
	if (run->profiles >> PROFILE_GO_HEAP & 1 && go->at.mbuckets)
		err = allocations(run);
	if (!err && run->profiles >> PROFILE_GO_BLOCK & 1)
		err = waiting(run, GO_BLOCK_PROFILE, PROFILE_GO_BLOCK);
	if (!err && run->profiles >> PROFILE_GO_MUTEX & 1)
		err = waiting(run, GO_MUTEX_PROFILE, PROFILE_GO_MUTEX);
	return err;
}
