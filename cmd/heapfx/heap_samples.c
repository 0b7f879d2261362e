/*
 * heap_samples.c - what an allocator's own profiler sampled: subject.samples for the evidence of
 * suspects, and report.profiles[PROFILE_SAMPLES] for a writer that needs it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/paths_tree.h"
#include "base/guard.h"
#include "base/vec.h"
#include "base/version.h"
#include "pipeline.h"

enum { SHOWN_CALLS = 6 }; /* of a stack, in evidence */

/* All samples of one stack. */
struct stack {
	const uint32_t *locations;
	size_t n;
	const char *text; /* "main <- start" */
	uint64_t count, bytes;
	double objects, space; /* that they stand for */
	bool unscaled;
};

struct making {
	struct sample_sink sink; /* first: on_sample() casts back */
	struct run *run;
	struct {
		struct sample *v;
		size_t n, cap;
	} samples;
	struct {
		struct rp_location *v;
		size_t n, cap;
	} locations;
	struct {
		struct stack *v;
		size_t n, cap;
	} stacks;
	struct pair_table location_of; /* by pc */
	struct pair_table stack_of;    /* by two hashes of its locations */
	struct pair_table known;       /* stacks, by the profiler's own number */
};

static void making_fini(struct making *m)
{
	free(m->samples.v);
	free(m->locations.v);
	free(m->stacks.v);
	free(m->location_of.slots);
	free(m->stack_of.slots);
	free(m->known.slots);
}

static uint32_t mapping_of(const struct image *img, taddr pc)
{
	const struct module *m = image_module_at(img, pc);

	return m ? (uint32_t)(m - img->modules) + 1 : 0;
}

/* The function's name, or the place in its module. */
static struct err *make_location(struct making *m, taddr pc, struct rp_location *ret)
{
	struct arena *mem = &m->run->report.mem;
	const struct image *img = m->run->image;
	struct rp_line *line = arena_alloc(mem, sizeof(*line));
	struct text name = TEXT_INIT;
	struct source_place place;
	struct symbol sym;

	if (!line)
		return &err_nomem;
	image_describe(img, image_symbol_at(img, pc, &sym) ? sym.addr : pc, &name);
	line->function = arena_strdup(mem, text_str(&name));
	text_fini(&name);
	if (image_source_of(img, pc, &place)) {
		line->file = place.file ? arena_strdup(mem, place.file) : NULL;
		line->line = place.line;
	}
	*ret = (struct rp_location){
		.address = pc, .mapping = mapping_of(img, pc), .lines = line, .n_lines = 1
	};
	return line->function ? NULL : &err_nomem;
}

static struct err *location_of(struct making *m, taddr pc, uint32_t *ret)
{
	uint32_t *place = pair_place(&m->location_of, pc, 0);
	struct rp_location location;
	struct err *err;

	if (!place)
		return &err_nomem;
	if (!*place) {
		*place = (uint32_t)m->locations.n + 1;
		err = make_location(m, pc, &location);
		if (err)
			return err;
		if (!vec_push(&m->locations, &location))
			return &err_nomem;
	}
	*ret = *place - 1;
	return NULL;
}

/* The innermost calls, for people. */
static const char *stack_text(struct making *m, const uint32_t *locations, size_t n)
{
	struct text t = TEXT_INIT;
	const char *text;

	for (size_t i = 0; i < n && i < SHOWN_CALLS; i++)
		text_printf(&t, "%s%s", i ? " <- " : "",
			    m->locations.v[locations[i]].lines->function);
	if (n > SHOWN_CALLS)
		text_add(&t, " <- ..");
	text = arena_strdup(&m->run->report.mem, text_str(&t));
	text_fini(&t);
	return text;
}

static struct err *stack_of(struct making *m, const struct heap_sample *s, struct stack **ret)
{
	uint32_t *locations = arena_alloc(&m->run->report.mem, (s->n_pcs + 1) * sizeof(*locations));
	uint64_t a = 14695981039346656037ull,
		 b = s->n_pcs; /* FNV-1a, and one of another multiplier */
	struct stack stack = { .locations = locations, .n = s->n_pcs };
	uint32_t *place;

	if (!locations)
		return &err_nomem;
	for (size_t i = 0; i < s->n_pcs; i++) {
		/* A return address may lie behind the end of its function: look just before it. */
		struct err *err = location_of(m, s->pcs[i] - 1, &locations[i]);

		if (err)
			return err;
		a = (a ^ locations[i]) * 1099511628211ull;
		b = (b ^ locations[i]) * 0x9e3779b97f4a7c15ull;
	}
	place = pair_place(&m->stack_of, a, b);
	if (!place)
		return &err_nomem;
	if (!*place) {
		*place = (uint32_t)m->stacks.n + 1;
		stack.text = stack_text(m, locations, s->n_pcs);
		if (!stack.text || !vec_push(&m->stacks, &stack))
			return &err_nomem;
	}
	*ret = &m->stacks.v[*place - 1];
	return NULL;
}

/* The same, without a look at each call again where the profiler has a number for it. */
static struct err *known_stack(struct making *m, const struct heap_sample *s, struct stack **ret)
{
	uint32_t *place = pair_place(&m->known, s->stack, 0);
	struct err *err = NULL;

	if (!place)
		return &err_nomem;
	if (*place) {
		*ret = &m->stacks.v[*place - 1];
		return NULL;
	}
	err = stack_of(m, s, ret);
	if (!err)
		*place = (uint32_t)(*ret - m->stacks.v) + 1;
	return err;
}

static struct err *on_sample(struct sample_sink *sink, const struct heap_sample *s)
{
	struct making *m = (struct making *)sink;
	struct sample sample = { .node = graph_node_at(m->run->graph, s->block) };
	struct stack *stack;
	struct err *err;

	if (!s->n_pcs)
		return NULL;
	err = s->stack ? known_stack(m, s, &stack) : stack_of(m, s, &stack);
	if (err)
		return err;
	stack->count++;
	stack->bytes += s->size;
	stack->objects += s->objects;
	stack->space += s->bytes;
	stack->unscaled |= !s->objects;
	sample.stack = stack->text;
	sample.bytes = s->bytes ? (uint64_t)s->bytes : s->size;
	sample.every = s->every;
	if (sample.node == NODE_NONE)
		return NULL;
	return vec_push(&m->samples, &sample) ? NULL : &err_nomem;
}

/* ---- the profile */

static int64_t whole(double v)
{
	return v > 0 && v < 9e18 ? (int64_t)(v + 0.5) : 0;
}

static struct err *add_mappings(struct run *run, struct rp_profile *p)
{
	const struct image *img = run->image;
	struct rp_mapping *v = arena_alloc(&run->report.mem, (img->n_modules + 1) * sizeof(*v));

	if (!v)
		return &err_nomem;
	for (size_t i = 0; i < img->n_modules; i++)
		v[i] = (struct rp_mapping){ .start = img->modules[i].start,
					    .end = img->modules[i].end,
					    .path = img->modules[i].path };
	p->mappings = v;
	p->n_mappings = img->n_modules;
	return NULL;
}

static struct err *add_stacks(struct making *m, struct rp_profile *p)
{
	struct arena *mem = &m->run->report.mem;
	struct rp_sample *samples = arena_alloc(mem, (m->stacks.n + 1) * sizeof(*samples));
	struct rp_location *locations = arena_alloc(mem, (m->locations.n + 1) * sizeof(*locations));
	bool unscaled = false;

	if (!samples || !locations)
		return &err_nomem;
	for (size_t i = 0; i < m->stacks.n; i++) {
		const struct stack *s = &m->stacks.v[i];

		unscaled |= s->unscaled;
		samples[i] = (struct rp_sample){ .locations = s->locations, .n_locations = s->n };
		samples[i].values[0] = (int64_t)s->count;
		samples[i].values[1] = (int64_t)s->bytes;
		samples[i].values[2] = s->unscaled ? (int64_t)s->count : whole(s->objects);
		samples[i].values[3] = s->unscaled ? (int64_t)s->bytes : whole(s->space);
	}
	if (m->locations.n)
		memcpy(locations, m->locations.v, m->locations.n * sizeof(*locations));
	p->samples = samples;
	p->n_samples = m->stacks.n;
	p->locations = locations;
	p->n_locations = m->locations.n;
	if (unscaled)
		p->comments[p->n_comments++] =
			"the sampling rate was not found: these are samples, not scaled up";
	return NULL;
}

static struct err *make_profile(struct making *m)
{
	struct rp_profile *p = arena_alloc(&m->run->report.mem, sizeof(*p));
	struct err *err;

	if (!p)
		return &err_nomem;
	*p = (struct rp_profile){
		.values = { { "sampled_objects", "count" },
			    { "sampled_space", "bytes" },
			    { "inuse_objects", "count" },
			    { "inuse_space", "bytes" } },
		.n_values = 4,
		.main_value = 3,
		.comments = { "heapfx " HEAPFX_VERSION },
		.n_comments = 1,
	};
	err = add_mappings(m->run, p);
	if (!err)
		err = add_stacks(m, p);
	if (!err)
		m->run->report.profiles[PROFILE_SAMPLES] = p;
	return err;
}

static int by_node(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return (x->node > y->node) - (x->node < y->node);
}

struct err *describe_heap_samples(struct run *run, struct subject *subject)
{
	_cleanup_(making_fini) struct making m = { .sink = { on_sample }, .run = run };
	const struct blocks *b = &run->blocks;
	struct err *err = NULL;
	struct sample *kept;

	for (size_t i = 0; i < b->n_heaps && !err; i++)
		if (b->heaps[i].ops->samples)
			err = b->heaps[i].ops->samples(b->heaps[i].ctx, &m.sink);
	if (err || !m.stacks.n)
		return err;
	kept = arena_alloc(&run->report.mem, (m.samples.n + 1) * sizeof(*kept));
	if (!kept)
		return &err_nomem;
	if (m.samples.n) {
		qsort(m.samples.v, m.samples.n, sizeof(*kept), by_node);
		memcpy(kept, m.samples.v, m.samples.n * sizeof(*kept));
	}
	subject->samples = kept;
	subject->n_samples = m.samples.n;
	return run->profiles >> PROFILE_SAMPLES & 1 ? make_profile(&m) : NULL;
}
