/*
 * analysis/rank.c - the worst first: order, ids, and one finding a suspect.
 *
 * Runs last.  Order: what goes by itself last, before that what a runtime keeps for itself, and
 * before that what all modules of a program keep together; then bytes retained, severity, the
 * first address, arrival: never anything that two runs on one input could disagree on.
 */
#include <string.h>

#include "analysis/chain.h"
#include "base/guard.h"

enum { SUSPECTS_MAX = 64 };
static const char runtimes_own_advice[] =
	"the Go runtime's own: it keeps as many (goroutines, threads) as were needed at once";

/* Objects/obmalloc.c: the table of arenas, and since 3.10 the tree that finds an address's. */
static const char *const obmallocs[] = { "arenas", "arena_map_root" };
static const char obmallocs_advice[] =
	"CPython's allocator's own: no larger than its arenas make it";

static const char timers_advice[] =
	"stop timers and tickers that are done with; up to Go 1.22 (as go.mod says), those of "
	"time.After stay until they fire";

static const char everywhere_advice[] =
	"what all imported modules are made of, together: import less, or look at the others";

struct ranked {
	struct rp_suspect suspect;
	size_t was;
	int group; /* enum below */
};
enum { ANY, EVERYWHERE, RUNTIMES_OWN, GOES_BY_ITSELF };

static bool has_cpython(const struct report *r)
{
	for (size_t i = 0; i < r->heaps.n; i++)
		if (!strcmp(r->heaps.v[i].allocator, "cpython"))
			return true;
	return false;
}

/* "x", "x.field", "x[3]", "x+0x8" */
static bool is_in(const char *place, const char *variable)
{
	size_t n = strcspn(place, ".[+");

	return n == strlen(variable) && !memcmp(place, variable, n);
}

static bool is_of_timers(const struct report *r, const struct rp_suspect *s)
{
	return r->go && s->has_chain && !strncmp(s->rule, "growth/", strlen("growth/")) &&
	       chain_is_of_timers(&s->chain);
}

/* Advice on what a runtime's own variable keeps, which no program could bound or empty; or NULL. */
static const char *runtimes_own(const struct report *r, const struct rp_suspect *s)
{
	if (!s->has_chain || !s->chain.root.symbol ||
	    strncmp(s->rule, "growth/", strlen("growth/")) != 0)
		return NULL;
	if (r->go && !is_of_timers(r, s) &&
	    !strncmp(s->chain.root.symbol, "runtime.", strlen("runtime.")))
		return runtimes_own_advice;
	for (size_t i = 0; i < ARRAY_SIZE(obmallocs); i++)
		if (is_in(s->chain.root.symbol, obmallocs[i]) && has_cpython(r))
			return obmallocs_advice;
	return NULL;
}

/* What goes by itself at the next collection comes after all that stays. */
static int group_of(const struct report *r, const struct rp_suspect *s)
{
	if (!strncmp(s->rule, "uncollected/", strlen("uncollected/")))
		return GOES_BY_ITSELF;
	if (runtimes_own(r, s))
		return RUNTIMES_OWN;
	return s->is_everywhere ? EVERYWHERE : ANY;
}

static int worse_first(const void *pa, const void *pb)
{
	const struct ranked *a = pa, *b = pb;
	int severity =
		(int)rule_get(b->suspect.rule)->severity - (int)rule_get(a->suspect.rule)->severity;
	uint64_t at_a = a->suspect.n_addresses ? a->suspect.addresses[0] : 0;
	uint64_t at_b = b->suspect.n_addresses ? b->suspect.addresses[0] : 0;

	if (a->group != b->group)
		return a->group - b->group;
	if (a->suspect.retained != b->suspect.retained)
		return a->suspect.retained < b->suspect.retained ? 1 : -1;
	if (severity)
		return severity;
	if (at_a != at_b)
		return at_a < at_b ? -1 : 1;
	return a->was < b->was ? -1 : a->was > b->was;
}

static struct err *sort_suspects(struct report *r)
{
	_free_ struct ranked *order = NULL;
	_free_ int64_t *now = NULL;
	size_t n = r->suspects.n;

	if (!n)
		return NULL;
	order = calloc(n, sizeof(*order));
	now = calloc(n, sizeof(*now));
	if (!order || !now)
		return &err_nomem;
	for (size_t i = 0; i < n; i++)
		order[i] = (struct ranked){ r->suspects.v[i], i,
					    group_of(r, &r->suspects.v[i]) };
	qsort(order, n, sizeof(*order), worse_first);
	r->suspects.n = n < SUSPECTS_MAX ? n : SUSPECTS_MAX;
	for (size_t i = 0; i < n; i++)
		now[order[i].was] = i < r->suspects.n ? (int64_t)i : -1;
	for (size_t i = 0; i < r->suspects.n; i++) {
		r->suspects.v[i] = order[i].suspect;
		if (order[i].group == RUNTIMES_OWN)
			r->suspects.v[i].advice = runtimes_own(r, &r->suspects.v[i]);
		else if (is_of_timers(r, &r->suspects.v[i]))
			r->suspects.v[i].advice = timers_advice;
		if (order[i].group == EVERYWHERE)
			r->suspects.v[i].advice = everywhere_advice;
		r->suspects.v[i].id = arena_printf(&r->mem, "s%zu", i + 1);
		if (!r->suspects.v[i].id)
			return &err_nomem;
	}
	for (size_t i = 0; i < r->findings.n; i++) {
		struct rp_finding *f = &r->findings.v[i];

		if (f->suspect >= 0)
			f->suspect = (size_t)f->suspect < n ? now[f->suspect] : -1;
	}
	return NULL;
}

static struct err *add_findings(struct report *r)
{
	for (size_t i = 0; i < r->suspects.n; i++) {
		const struct rp_suspect *s = &r->suspects.v[i];
		struct text t = TEXT_INIT;
		struct err *err;

		text_add(&t, s->title);
		text_add(&t, ": ");
		text_add_bytes(&t, s->retained);
		text_add(&t, ", count ");
		text_add_count(&t, s->count);
		err = finding_add(r, s->rule, (int64_t)i, text_str(&t));
		text_fini(&t);
		if (err)
			return err;
	}
	return NULL;
}

static struct err *find_type(const struct graph *g, struct report *r, struct rp_suspect *s)
{
	struct type_place place = TYPE_PLACE_INIT;
	type_id type = 1;
	bool ok = true;

	while (type < g->types->n && strcmp(g->types->v[type].name, s->type))
		type++;
	if (type < g->types->n && g->ops->type_place(g->ctx, type, &place)) {
		s->type_line = place.line;
		s->type_file = report_text(r, &place.file);
		s->type_method = place.method.n ? report_text(r, &place.method) : NULL;
		ok = s->type_file && (s->type_method || !place.method.n);
	}
	type_place_fini(&place);
	return ok ? NULL : &err_nomem;
}

/* Where types of suspects stand in the source, for those who stand at a line of the program. */
static struct err *find_types(const struct graph *g, struct report *r)
{
	struct err *err = NULL;

	for (size_t i = 0; i < r->suspects.n && !err && g->ops && g->ops->type_place; i++) {
		struct rp_suspect *s = &r->suspects.v[i], *like = r->suspects.v;

		while (s->type && like < s && (!like->type || strcmp(like->type, s->type) != 0))
			like++;
		if (!s->type)
			continue;
		if (like == s)
			err = find_type(g, r, s);
		s->type_file = like->type_file;
		s->type_line = like->type_line;
		s->type_method = like->type_method;
	}
	return err;
}

static struct err *rank_run(struct env *env, const struct subject *s, struct report *r)
{
	struct err *err = sort_suspects(r);

	(void)env; /* a report of a few rows */
	if (!err)
		err = add_findings(r);
	if (!err && s->graph && s->graph->types)
		err = find_types(s->graph, r);
	return err;
}

const struct analysis_ops rank_analysis = {
	.name = "rank",
	.summary = "the worst suspects first",
	.needs_for_lost = FACT_REACH,
	.run = rank_run,
};
