/*
 * analysis/crowds.c - many goroutines that one function started, and how much they keep: their
 * stacks, and what these alone reach.
 *
 * Each of them may be woken (those that nobody can wake are stuck.c's); that there are so many is
 * what it costs.  One function starts those that serve one thing together (a reader and a writer of
 * a connection), which no place they stand at would show.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/largest.h"
#include "base/guard.h"
#include "base/vec.h"

enum {
	CROWD_MIN = 100, /* goroutines */
	SHARE_PERCENT = 5, /* of live bytes and goroutines' stacks: less is not worth naming */
	FLOOR_BYTES = 256 << 10, /* in a small program a share says nothing */
	MOST_PERCENT = 90,	 /* in one function: that names them */
	PLACES_SHOWN = 3,
};

/* Where some of a crowd stand: owners of one name are one. */
struct place {
	const char *name;
	uint64_t count;
};

struct crowd {
	const char *starter;
	uint64_t count, stacks;
	uint32_t family; /* as in the facts */
	struct largest largest; /* of what their stacks point to */
};

static uint64_t kept_by(const struct facts *f, const struct crowd *c)
{
	return c->stacks + f->family_total[c->family - 1].bytes;
}

/* ---- places */

static int by_name(const void *pa, const void *pb)
{
	return strcmp(((const struct place *)pa)->name, ((const struct place *)pb)->name);
}

static int most_first(const void *pa, const void *pb)
{
	const struct place *a = pa, *b = pb;

	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	return strcmp(a->name, b->name);
}

static size_t find_places(const struct subject *s, const struct crowd *c, struct place *v)
{
	const struct graph *g = s->graph;
	size_t n = 0, out = 0;

	for (uint32_t i = 0; i < g->n_owners; i++)
		if (s->facts->family[i] == c->family)
			v[n++] = (struct place){ g->owners[i].name, g->owners[i].count };
	qsort(v, n, sizeof(*v), by_name);
	for (size_t i = 0; i < n; i++) {
		if (out && !strcmp(v[out - 1].name, v[i].name))
			v[out - 1].count += v[i].count;
		else
			v[out++] = v[i];
	}
	qsort(v, out, sizeof(*v), most_first);
	return out;
}

/* Of "select in main.worker (main.go:33)": "main.worker"; how long it is. */
static size_t function_of(const char *place, const char **ret)
{
	const char *in = strstr(place, " in "), *end;

	*ret = in ? in + 4 : place;
	end = strstr(*ret, " (");
	return end ? (size_t)(end - *ret) : strlen(*ret);
}

/* In how many of the goroutines the first place's function is the innermost of the program's. */
static uint64_t in_first_function(const struct place *v, size_t n)
{
	const char *first, *other;
	size_t length = function_of(v[0].name, &first);
	uint64_t count = 0;

	for (size_t i = 0; i < n; i++)
		if (function_of(v[i].name, &other) == length && !memcmp(first, other, length))
			count += v[i].count;
	return count;
}

/* ---- words */

/*
 * What goroutines of the standard library wait for that its users forget: told where most of a
 * place's goroutines stand there.
 */
static const char *advice_for(const struct place *v, size_t n, uint64_t count)
{
	static const struct {
		const char *place, *advice;
	} known[] = {
		/* net/http/transport.go: an answer was handed out, and nobody is done with it. */
		{ "select in net/http.(*persistConn).readLoop (",
		  "close the Body of every http.Response, also where it is not read" },
	};

	for (size_t k = 0; k < ARRAY_SIZE(known); k++) {
		uint64_t there = 0;

		for (size_t i = 0; i < n; i++)
			if (!strncmp(v[i].name, known[k].place, strlen(known[k].place)))
				there += v[i].count;
		if (there >= CROWD_MIN && there >= count / 4)
			return known[k].advice;
	}
	return NULL;
}

static void add_place(struct text *t, const struct place *p)
{
	text_add_count(t, p->count);
	text_add(t, " ");
	text_add(t, p->name);
}

static void add_places(struct text *t, const struct place *v, size_t n)
{
	size_t shown = n < PLACES_SHOWN ? n : PLACES_SHOWN;

	for (size_t i = 0; i < shown; i++) {
		text_add(t, i ? "; " : "");
		add_place(t, &v[i]);
	}
	if (n > shown) {
		text_add(t, "; at ");
		text_add_count(t, n - shown);
		text_add(t, n - shown == 1 ? " more place" : " more places");
	}
}

static struct err *add_evidence(const struct subject *s, struct report *r, const struct crowd *c,
				const struct place *v, size_t n, struct rp_suspect *out)
{
	const struct total *total = &s->facts->family_total[c->family - 1];
	struct err *err = evidence_add(r, out, "started by", c->starter);
	struct text t = TEXT_INIT;

	if (!err)
		err = evidence_held(r, out, "reached from their stacks alone", total->count,
				    total->bytes);
	text_add_bytes(&t, c->stacks);
	if (!err)
		err = evidence_add(r, out, "their stacks take", text_str(&t));
	for (size_t i = 0; i < n && !err; i++) { /* as many as there is room for */
		text_reset(&t);
		add_place(&t, &v[i]);
		err = evidence_add(r, out, "stand at", text_str(&t));
	}
	text_fini(&t);
	return err;
}

/* "600 goroutines in main.worker"; ", most in main.worker"; " started by main.serve" */
static void add_title(const struct crowd *c, const struct place *v, size_t n, struct text *t)
{
	const char *function;
	size_t length = function_of(v[0].name, &function);
	uint64_t there = in_first_function(v, n);

	text_add_count(t, c->count);
	text_add(t, " goroutines");
	if (there >= (c->count * MOST_PERCENT + 99) / 100) {
		text_add(t, there == c->count ? " in " : ", most in ");
		text_add_n(t, function, length);
	} else {
		text_add(t, " started by ");
		text_add(t, c->starter);
	}
}

static void add_line(const struct subject *s, const struct crowd *c, const struct place *v,
		     size_t n, struct text *t)
{
	uint64_t behind = s->facts->family_total[c->family - 1].bytes;

	if (n == 1) {
		text_add(t, v[0].name);
		text_add(t, "; ");
	}
	text_add(t, "stacks ");
	text_add_bytes(t, c->stacks);
	if (!behind)
		return;
	text_add(t, n == 1 ? ", behind " : ", and only reached from there ");
	text_add_bytes(t, behind);
}

static struct err *add_suspect(const struct subject *s, struct report *r, const struct crowd *c)
{
	_free_ struct place *places = calloc((size_t)s->graph->n_owners + 1, sizeof(*places));
	struct rp_suspect out = {
		.rule = "growth/goroutines",
		.count = c->count,
		.bytes = kept_by(s->facts, c),
		.retained = kept_by(s->facts, c),
		.confidence = CONF_PATTERN,
		.addresses = arena_alloc(&r->mem, SUSPECT_ADDRESSES * sizeof(*out.addresses)),
	};
	struct text title = TEXT_INIT, line = TEXT_INIT, more = TEXT_INIT;
	struct err *err;
	size_t n;

	if (!places || !out.addresses)
		return &err_nomem;
	n = find_places(s, c, places);
	add_title(c, places, n, &title);
	add_line(s, c, places, n, &line);
	if (n > 1)
		add_places(&more, places, n);
	out.title = report_text(r, &title);
	out.line = report_text(r, &line);
	out.more = more.n ? report_text(r, &more) : NULL;
	out.advice = advice_for(places, n, c->count);
	err = out.title && out.line && (out.more || !more.n) ? NULL : &err_nomem;
	text_fini(&title);
	text_fini(&line);
	text_fini(&more);
	for (unsigned i = 0; i < c->largest.n; i++)
		out.addresses[out.n_addresses++] = graph_key(s->graph, c->largest.node[i]);
	if (!err)
		err = add_evidence(s, r, c, places, n, &out);
	if (!err && c->largest.n && s->facts->parent[c->largest.node[0]] != NODE_NONE) {
		err = chain_to(s, r, c->largest.node[0], &out.chain);
		out.has_chain = true;
	}
	if (err)
		return err;
	return vec_push(&r->suspects, &out) ? NULL : &err_nomem;
}

/* ---- who is in which */

static uint64_t find_crowds(const struct subject *s, struct crowd *v)
{
	const struct graph *g = s->graph;
	uint64_t stacks = 0;

	for (uint32_t i = 0; i < g->n_owners; i++) {
		const struct owner *o = &g->owners[i];
		uint32_t family = s->facts->family[i];

		stacks += o->stacks;
		if (!family || !o->starter || !strncmp(o->starter, "runtime.", strlen("runtime.")))
			continue;
		v[family - 1].starter = o->starter;
		v[family - 1].family = family;
		v[family - 1].count += o->count;
		v[family - 1].stacks += o->stacks;
	}
	return stacks;
}

static void find_largest(const struct subject *s, struct crowd *v)
{
	const struct graph *g = s->graph;

	for (uint32_t i = 0; i < g->n_roots; i++) {
		const struct root_source *source = &g->sources[g->root_source[i]];
		node_id node = EDGE_NODE(g->root_node[i]);
		uint32_t family;
		bool is_new = true;

		if (source->kind != ROOT_GOROUTINE || !source->owner ||
		    !bit_get(s->facts->alone, node))
			continue;
		family = s->facts->family[source->owner - 1];
		if (!family)
			continue;
		for (unsigned k = 0; k < v[family - 1].largest.n; k++)
			is_new &= v[family - 1].largest.node[k] != node;
		if (is_new)
			largest_add(&v[family - 1].largest, node, graph_size(g, node));
	}
}

static int larger_first(const void *pa, const void *pb, void *arg)
{
	const struct crowd *a = pa, *b = pb;
	uint64_t of_a = kept_by(arg, a), of_b = kept_by(arg, b);

	if (of_a != of_b)
		return of_a < of_b ? 1 : -1;
	return a->family < b->family ? -1 : a->family > b->family;
}

static struct err *crowds_run(struct env *env, const struct subject *s, struct report *r)
{
	uint32_t n_owners = s->graph->n_owners, n = 0;
	_free_ struct crowd *v = NULL;
	struct err *err = NULL;
	uint64_t least;

	(void)env;
	if (!s->facts->family || !s->facts->alone)
		return NULL;
	v = calloc((size_t)n_owners + 1, sizeof(*v));
	if (!v)
		return &err_nomem;
	least = find_crowds(s, v);
	find_largest(s, v);
	least = (least + s->graph->live_bytes) / 100 * SHARE_PERCENT;
	least = least < FLOOR_BYTES ? FLOOR_BYTES : least;
	for (uint32_t i = 0; i < n_owners; i++)
		if (v[i].family && v[i].count >= CROWD_MIN && kept_by(s->facts, &v[i]) >= least)
			v[n++] = v[i];
	if (n)
		qsort_r(v, n, sizeof(*v), larger_first, (void *)s->facts);
	for (uint32_t i = 0; i < n && i < SUSPECTS_PER_RULE && !err; i++)
		err = add_suspect(s, r, &v[i]);
	return err;
}

const struct analysis_ops crowds_analysis = {
	.name = "crowds",
	.summary = "many goroutines that one function started",
	.needs = FACT_HELD | FACT_PARENT,
	.run = crowds_run,
};
