/*
 * analysis/stuck.c - goroutines that nobody can wake: what they wait for, who could have it, which
 * wait for each other, and what they alone keep.
 *
 * One suspect a place in the program; those that wait for each other in a ring are one together.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/largest.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"

enum {
	MANY = 100,	   /* goroutines, whose stacks are worth a word */
	SHOWN = 3,	   /* things, holders, members of a ring by name */
	RING_STEPS = 4096, /* goroutines looked at for the shortest ring */
	NAMED_RINGS = 2,   /* of objects */
};

struct by_thread {
	uint32_t owner; /* + 1; 0: none */
	uint32_t root;	/* one of its roots; UINT32_MAX: none */
};

/* One suspect. */
struct knot {
	uint32_t owner; /* the lowest */
	uint64_t goroutines;
	uint32_t places, first, first_place; /* owners; a goroutine of it; an owner with one */
	struct largest largest;
};

struct stuck {
	const struct subject *s;
	struct report *r;
	struct by_thread *threads; /* by goroutine */
	struct knot *knots;	   /* by owner */
};

static bool is_owner_told(const struct facts *f, node_id node, uint32_t *ret)
{
	*ret = f->owner[node] - 1u;
	return f->owner[node] != OWNER_OTHERS && f->owner[node] <= OWNERS_TOLD;
}

/* ---- words */

static uint64_t id_of(const struct stuck *st, uint32_t thread)
{
	const struct graph *g = st->s->graph;
	struct root_place p = ROOT_PLACE_INIT;

	if (!g->ops || !g->ops->place || st->threads[thread].root == UINT32_MAX)
		return 0;
	g->ops->place(g->ctx, st->threads[thread].root, &p);
	root_place_fini(&p);
	return p.goroutine;
}

/* Of "chan receive in main.worker (main.go:33)", an owner's name: "main.worker". */
static void add_function(const struct stuck *st, uint32_t owner, struct text *t)
{
	const char *name = st->s->graph->owners[owner].name, *in = strstr(name, " in "), *end;

	if (!in) {
		text_add(t, name);
		return;
	}
	end = strstr(in, " (");
	text_add_n(t, in + 4, end ? (size_t)(end - in - 4) : strlen(in + 4));
}

/* "goroutine 21 in main.worker" */
static void add_goroutine(const struct stuck *st, uint32_t thread, struct text *t)
{
	uint64_t id = id_of(st, thread);

	if (id)
		text_printf(t, "goroutine %" PRIu64, id);
	else
		text_add(t, "a goroutine");
	if (st->threads[thread].owner) {
		text_add(t, " in ");
		add_function(st, st->threads[thread].owner - 1, t);
	}
}

/* "sync.Mutex main.Account.mu at 0xc000127390" */
static void add_thing(const struct stuck *st, const struct thing *thing, struct text *t)
{
	static const char *const kinds[WAIT_ONS] = {
		[WAIT_CHANNEL] = "channel",	 [WAIT_MUTEX] = "sync.Mutex",
		[WAIT_RWMUTEX] = "sync.RWMutex", [WAIT_GROUP] = "sync.WaitGroup",
		[WAIT_CONDITION] = "sync.Cond",	 [WAIT_SEMAPHORE] = "semaphore",
		[WAIT_NOTHING] = "nothing",
	};
	const struct graph *g = st->s->graph;
	const char *kind = thing->on < WAIT_ONS ? kinds[thing->on] : "thing";
	struct text name = TEXT_INIT;

	if (thing->offset == UINT32_MAX || !g->ops || !g->ops->inside ||
	    !g->ops->inside(g->ctx, thing->node, thing->offset, &name) ||
	    !strncmp(text_str(&name), "runtime.", 8))
		text_add(t, kind);
	else if (strcmp(text_str(&name), kind) && thing->on != WAIT_CHANNEL)
		text_printf(t, "%s %s", kind, text_str(&name));
	else
		text_add(t, text_str(&name));
	text_fini(&name);
	text_printf(t, " at 0x%" PRIx64,
		    graph_key(g, thing->node) + (thing->offset == UINT32_MAX ? 0 : thing->offset));
}

/* ---- rows of a goroutine, of a thing */

static const struct thing_wait *waits_of(const struct facts *f, uint32_t thread, uint64_t *ret_n)
{
	uint64_t first = partition_point(f->n_thing_waits, i, f->thing_waits[i].thread < thread),
		 n = 0;

	while (first + n < f->n_thing_waits && f->thing_waits[first + n].thread == thread)
		n++;
	*ret_n = n;
	return &f->thing_waits[first];
}

static const struct thing_holder *holders_of(const struct facts *f, uint32_t thing,
					     uint64_t *ret_n)
{
	uint64_t first = partition_point(f->n_holders, i, f->holders[i].thing < thing), n = 0;

	while (first + n < f->n_holders && f->holders[first + n].thing == thing)
		n++;
	*ret_n = n;
	return &f->holders[first];
}

/* ---- evidence */

static struct err *say(struct stuck *st, struct rp_suspect *out, const char *what, struct text *t)
{
	struct err *err = t->n ? evidence_add(st->r, out, what, text_str(t)) : NULL;

	text_reset(t);
	return err;
}

/* What those of a knot wait for, each thing once, as far as they are shown. */
struct wanted {
	uint32_t things[SHOWN];
	uint64_t n; /* in all */
};

static bool is_of_knot(const struct stuck *st, uint32_t thread, uint32_t owner)
{
	const struct facts *f = st->s->facts;

	return is_stuck(f, thread) && st->threads[thread].owner &&
	       f->knot[st->threads[thread].owner - 1] == owner;
}

static struct err *find_wanted(const struct stuck *st, uint32_t owner, struct wanted *ret)
{
	const struct facts *f = st->s->facts;
	_free_ uint64_t *seen = calloc(bits_words(f->n_things) + 1, sizeof(*seen));

	*ret = (struct wanted){};
	if (!seen)
		return &err_nomem;
	for (uint64_t i = 0; i < f->n_thing_waits; i++) {
		uint32_t thing = f->thing_waits[i].thing;

		if (!is_of_knot(st, f->thing_waits[i].thread, owner) || bit_get(seen, thing))
			continue;
		bit_set(seen, thing);
		if (ret->n < SHOWN)
			ret->things[ret->n] = thing;
		ret->n++;
	}
	return NULL;
}

static void add_wanted(const struct stuck *st, const struct wanted *w, struct text *t)
{
	for (uint64_t i = 0; i < w->n && i < SHOWN; i++) {
		text_add(t, i ? ", " : "");
		add_thing(st, &st->s->facts->things[w->things[i]], t);
	}
	if (w->n > SHOWN) {
		text_add(t, " and ");
		text_add_count(t, w->n - SHOWN);
		text_add(t, " more");
	}
}

/* Who outside the knot reaches what it waits for: all of them wait forever themselves. */
static void add_holders(const struct stuck *st, uint32_t owner, const struct wanted *w,
			struct text *t)
{
	const struct facts *f = st->s->facts;
	uint64_t shown = 0, more = 0;

	for (uint64_t i = 0; i < w->n && i < SHOWN; i++) {
		uint64_t n;
		const struct thing_holder *h = holders_of(f, w->things[i], &n);

		for (uint64_t k = 0; k < n; k++) {
			if (is_of_knot(st, h[k].thread, owner))
				continue;
			if (shown == SHOWN) {
				more++;
				continue;
			}
			text_add(t, shown++ ? ", " : "");
			add_goroutine(st, h[k].thread, t);
		}
	}
	if (more) {
		text_add(t, " and ");
		text_add_count(t, more);
		text_add(t, " more");
	}
	if (shown)
		text_add(t, shown + more == 1 ? ", which waits forever itself" :
						", which wait forever themselves");
	else if (w->n && w->n <= SHOWN && !f->holders_cut)
		text_add(t, "nobody else");
}

/* ---- a ring of goroutines */

struct step {
	uint32_t thread, thing, from; /* from: index of the step before it */
};
struct steps {
	struct step *v;
	size_t n, cap;
};

static bool is_taken(const struct steps *steps, uint32_t thread)
{
	for (size_t i = 0; i < steps->n; i++)
		if (steps->v[i].thread == thread)
			return true;
	return false;
}

/*
 * Breadth first from `first` along what each waits for to who reaches that, inside one ring.  The
 * last step leads back to it; none when the search was too long.
 */
static struct err *find_ring(const struct stuck *st, uint32_t first, struct steps *steps,
			     bool *ret_found)
{
	const struct facts *f = st->s->facts;
	struct step start = { .thread = first };

	*ret_found = false;
	if (!vec_push(steps, &start))
		return &err_nomem;
	for (size_t at = 0; at < steps->n && steps->n < RING_STEPS; at++) {
		uint64_t n_waits, n_holders;
		const struct thing_wait *waits = waits_of(f, steps->v[at].thread, &n_waits);

		for (uint64_t i = 0; i < n_waits; i++) {
			const struct thing_holder *h = holders_of(f, waits[i].thing, &n_holders);

			for (uint64_t k = 0; k < n_holders && steps->n < RING_STEPS; k++) {
				struct step s = { h[k].thread, waits[i].thing, (uint32_t)at };

				if (f->ring[s.thread] != f->ring[first] ||
				    (s.thread != first && is_taken(steps, s.thread)))
					continue;
				if (!vec_push(steps, &s))
					return &err_nomem;
				*ret_found = s.thread == first;
				if (*ret_found)
					return NULL;
			}
		}
	}
	return NULL;
}

/* "goroutine 21 in main.a waits for sync.Mutex at 0x.., reached by goroutine 22 in main.b, .." */
static struct err *add_ring(const struct stuck *st, uint32_t first, struct text *t)
{
	struct steps steps = {};
	_free_ uint32_t *order = NULL;
	bool found;
	struct err *err = find_ring(st, first, &steps, &found);
	size_t n = 0;

	if (!err && found) {
		order = calloc(steps.n, sizeof(*order));
		err = order ? NULL : &err_nomem;
	}
	if (!err && found) {
		for (uint32_t i = (uint32_t)steps.n - 1; i; i = steps.v[i].from)
			order[n++] = i;
		add_goroutine(st, first, t);
		while (n--) {
			text_add(t, " waits for ");
			add_thing(st, &st->s->facts->things[steps.v[order[n]].thing], t);
			text_add(t, ", reached by ");
			add_goroutine(st, steps.v[order[n]].thread, t);
			text_add(t, n ? ", which" : "");
		}
	}
	free(steps.v);
	return err;
}

/* ---- a chain of goroutines */

enum { CHAIN_STEPS = 6 };

/* The first thing that a goroutine waits for and another one outside the chain reaches. */
static const struct thing_holder *next_holder(const struct facts *f, uint32_t thread,
					      const uint32_t *chain, unsigned n)
{
	uint64_t n_waits, n_holders;
	const struct thing_wait *waits = waits_of(f, thread, &n_waits);

	for (uint64_t i = 0; i < n_waits; i++) {
		const struct thing_holder *h = holders_of(f, waits[i].thing, &n_holders);

		for (uint64_t k = 0; k < n_holders; k++) {
			unsigned at = 0;

			while (at < n && chain[at] != h[k].thread)
				at++;
			if (at == n)
				return &h[k];
		}
	}
	return NULL;
}

/*
 * "goroutine 3 in main.c waits for sync.RWMutex at 0x.., reached by goroutine 4 in main.d, which
 * waits for chan int at 0x.., reached by nobody else"; nothing when nobody reaches the first.
 */
static void add_chain(const struct stuck *st, uint32_t first, struct text *t)
{
	const struct facts *f = st->s->facts;
	uint32_t chain[CHAIN_STEPS + 1] = { first };
	const struct thing_holder *next = next_holder(f, first, chain, 1);
	unsigned n = 1;
	uint64_t n_waits;

	if (!next)
		return;
	add_goroutine(st, first, t);
	for (; next && n <= CHAIN_STEPS; next = next_holder(f, chain[n - 1], chain, n)) {
		text_add(t, n > 1 ? ", which waits for " : " waits for ");
		add_thing(st, &f->things[next->thing], t);
		text_add(t, ", reached by ");
		add_goroutine(st, next->thread, t);
		chain[n++] = next->thread;
	}
	if (next) {
		text_add(t, ", and so on");
		return;
	}
	waits_of(f, chain[n - 1], &n_waits);
	if (!n_waits)
		return;
	text_add(t, ", which waits for ");
	add_thing(st, &f->things[waits_of(f, chain[n - 1], &n_waits)->thing], t);
	text_add(t, f->holders_cut ? "" : ", reached by nobody else");
}

/* ---- rings of objects */

/* Of what the knot alone keeps: the largest by name. */
static void add_rings(const struct stuck *st, uint32_t owner, struct text *t)
{
	const struct facts *f = st->s->facts;
	uint64_t i = partition_point(f->n_stuck_rings, k, f->stuck_rings[k].owner < owner), n = 0;

	for (; i < f->n_stuck_rings && f->stuck_rings[i].owner == owner; i++, n++) {
		const struct stuck_ring *ring = &f->stuck_rings[i];
		const char *type = node_type(st->s->graph, ring->node);

		if (n >= NAMED_RINGS)
			continue;
		text_add(t, n ? ", " : "");
		text_add_count(t, ring->nodes);
		text_printf(t, " %s, ", type ? type : "blocks");
		text_add_bytes(t, ring->bytes);
	}
	if (n > NAMED_RINGS) {
		text_add(t, " and ");
		text_add_count(t, n - NAMED_RINGS);
		text_add(t, " more");
	}
}

/* ---- suspects */

/* "200 goroutines wait forever in main.worker"; "deadlock: main.a, main.b" */
static void add_title(const struct stuck *st, const struct knot *k, bool is_ring, struct text *t)
{
	const struct graph *g = st->s->graph;
	bool one = k->goroutines == 1;
	unsigned shown = 0;

	if (!is_ring) {
		text_add_count(t, k->goroutines);
		text_add(t, one ? " goroutine" : " goroutines");
		text_add(t, one ? " waits forever" : " wait forever");
		text_add(t, strstr(g->owners[k->first_place].name, " in ") ? " in " : ": ");
		add_function(st, k->first_place, t);
		return;
	}
	text_add(t, "deadlock: ");
	for (uint32_t i = 0; i < g->n_owners && shown < SHOWN; i++) {
		if (g->owners[i].kind != OWNER_STUCK || st->s->facts->knot[i] != k->owner ||
		    !st->knots[i].goroutines)
			continue;
		text_add(t, shown++ ? ", " : "");
		add_function(st, i, t);
	}
	if (k->places > shown)
		text_printf(t, ", %u more", k->places - shown);
}

/* By what is waited for; NULL: as the rule says. */
static const char *advice_for(const struct stuck *st, const struct wanted *w)
{
	static const char *const words[WAIT_ONS] = {
		[WAIT_MUTEX] = "take locks in one order, and keep none while waiting",
		[WAIT_RWMUTEX] = "take locks in one order, and keep none while waiting",
		[WAIT_GROUP] = "call Done for every Add, also when a worker fails",
		[WAIT_CONDITION] = "signal it also when what is waited for cannot come any more",
	};
	unsigned on = WAIT_NOTHING;

	for (uint64_t i = 0; i < w->n && i < SHOWN; i++)
		if (st->s->facts->things[w->things[i]].on < on)
			on = st->s->facts->things[w->things[i]].on;
	if (on == WAIT_CHANNEL && w->n > 1 && st->s->facts->things[w->things[1]].on == WAIT_MUTEX)
		on = WAIT_MUTEX;
	return words[on];
}

/*
 * Outside the heap, and no part of what is retained.  0: not known, as of places where others stand
 * too that somebody may wake.
 */
static uint64_t stacks_of(const struct stuck *st, const struct knot *k)
{
	const struct graph *g = st->s->graph;
	uint64_t bytes = 0, count = 0;

	for (uint32_t i = 0; i < g->n_owners; i++) {
		if (g->owners[i].kind != OWNER_STUCK || st->s->facts->knot[i] != k->owner)
			continue;
		bytes += g->owners[i].stacks;
		count += g->owners[i].count;
	}
	return count == k->goroutines ? bytes : 0;
}

/* What a page of text has room for: the place as the runtime words it, what is waited for. */
static void add_line(const struct stuck *st, const struct knot *k, const struct wanted *w,
		     struct text *t)
{
	if (k->places > 1) {
		text_add(t, "on ");
		add_wanted(st, w, t);
		return;
	}
	text_add(t, st->s->graph->owners[k->first_place].name);
	if (w->n) {
		text_add(t, " on ");
		add_wanted(st, w, t);
	}
	if (k->goroutines >= MANY && stacks_of(st, k)) {
		text_add(t, "; stacks ");
		text_add_bytes(t, stacks_of(st, k));
	}
}

/* "at least 2 h 3 min": a core says it of some goroutines, and no more than that. */
static void add_waited(const struct stuck *st, const struct knot *k, struct text *t)
{
	const struct graph *g = st->s->graph;
	uint64_t waited = 0;

	for (uint32_t i = 0; i < g->n_owners; i++)
		if (st->s->facts->knot[i] == k->owner && g->owners[i].waited > waited)
			waited = g->owners[i].waited;
	if (!waited)
		return;
	text_add(t, "at least ");
	text_add_duration(t, waited);
}

static struct err *add_evidence(struct stuck *st, const struct knot *k, const struct wanted *w,
				struct rp_suspect *out)
{
	const struct facts *f = st->s->facts;
	const struct total *total = &f->owner_total[k->owner];
	bool is_ring = f->ring[k->first];
	struct text t = TEXT_INIT;
	struct err *err;

	text_add(&t, st->s->graph->owners[k->first_place].name);
	err = say(st, out, "stands at", &t);
	add_wanted(st, w, &t);
	if (!err)
		err = say(st, out, "waits for", &t);
	add_holders(st, k->owner, w, &t);
	if (!err)
		err = say(st, out, "who else reaches that", &t);
	if (!err && is_ring)
		err = add_ring(st, k->first, &t);
	if (!is_ring)
		add_chain(st, k->first, &t);
	out->more = t.n ? report_text(st->r, &t) : NULL;
	if (!err)
		err = say(st, out, is_ring ? "waits in a ring" : "waits in a chain", &t);
	add_rings(st, k->owner, &t);
	if (!err)
		err = say(st, out, "rings of objects that it alone keeps", &t);
	if (!err)
		err = evidence_held(st->r, out, "reached from their stacks alone", total->count,
				    total->bytes);
	if (stacks_of(st, k))
		text_add_bytes(&t, stacks_of(st, k));
	if (!err)
		err = say(st, out, "their stacks take", &t);
	add_waited(st, k, &t);
	if (!err)
		err = say(st, out, "the longest of them waits", &t);
	text_fini(&t);
	return err;
}

/*
 * A program's main goroutine that waits for what nobody else has: that is how it stays while its
 * goroutines work, and it ends with the process.
 */
static bool is_main_that_stays(const struct stuck *st, const struct knot *k, const struct wanted *w)
{
	const struct facts *f = st->s->facts;

	if (k->goroutines != 1 || !st->s->graph->owners[k->first_place].is_main || w->n > SHOWN ||
	    f->holders_cut)
		return false;
	for (uint64_t i = 0; i < w->n; i++) {
		uint64_t n;
		const struct thing_holder *h = holders_of(f, w->things[i], &n);

		for (uint64_t j = 0; j < n; j++)
			if (!is_of_knot(st, h[j].thread, k->owner))
				return false;
	}
	return true;
}

static struct err *add_suspect(struct stuck *st, const struct knot *k)
{
	const struct graph *g = st->s->graph;
	const struct facts *f = st->s->facts;
	uint64_t bytes = f->owner_total[k->owner].bytes;
	struct rp_suspect out = {
		.rule = "stuck/goroutine",
		.count = k->goroutines,
		.bytes = bytes,
		.retained = bytes,
		.confidence = CONF_PATTERN,
	};
	struct text title = TEXT_INIT, line = TEXT_INIT;
	struct wanted wanted;
	struct err *err = find_wanted(st, k->owner, &wanted);

	if (err || is_main_that_stays(st, k, &wanted))
		return err;
	add_title(st, k, f->ring[k->first], &title);
	add_line(st, k, &wanted, &line);
	out.title = report_text(st->r, &title);
	out.line = report_text(st->r, &line);
	out.advice = advice_for(st, &wanted);
	text_fini(&title);
	text_fini(&line);
	out.addresses = arena_alloc(&st->r->mem, SUSPECT_ADDRESSES * sizeof(*out.addresses));
	if (!out.title || !out.line || !out.addresses)
		return &err_nomem;
	for (unsigned i = 0; i < k->largest.n; i++)
		out.addresses[out.n_addresses++] = graph_key(g, k->largest.node[i]);
	err = add_evidence(st, k, &wanted, &out);
	if (k->places > 1 && out.more)
		out.line = NULL; /* that has the same names, in their order */
	if (!err && k->largest.n && f->parent[k->largest.node[0]] != NODE_NONE) {
		err = chain_to(st->s, st->r, k->largest.node[0], &out.chain);
		out.has_chain = true;
	}
	if (err)
		return err;
	return vec_push(&st->r->suspects, &out) ? NULL : &err_nomem;
}

/* ---- who is in which */

static void find_threads(struct stuck *st)
{
	const struct graph *g = st->s->graph;
	uint32_t n = st->s->facts->n_stuck_bits;

	for (uint32_t i = 0; i < n; i++)
		st->threads[i].root = UINT32_MAX;
	for (uint32_t i = 0; i < g->n_sources; i++) {
		const struct root_source *s = &g->sources[i];

		if (s->kind == ROOT_GOROUTINE && s->thread < n && s->owner)
			st->threads[s->thread].owner = s->owner;
	}
	for (uint32_t i = g->n_roots; i--;) {
		const struct root_source *s = &g->sources[g->root_source[i]];

		if (s->kind == ROOT_GOROUTINE && s->thread < n)
			st->threads[s->thread].root = i;
	}
}

static void count_goroutines(struct stuck *st)
{
	const struct facts *f = st->s->facts;
	uint32_t n_owners = st->s->graph->n_owners;

	for (uint32_t t = 0; t < f->n_stuck_bits; t++) {
		uint32_t owner = st->threads[t].owner;

		if (!is_stuck(f, t) || !owner || owner > n_owners)
			continue;
		if (!st->knots[owner - 1].goroutines++)
			st->knots[owner - 1].first = t;
	}
	for (uint32_t i = n_owners; i--;) {
		struct knot *k = &st->knots[i], *top = &st->knots[f->knot[i]];

		k->owner = f->knot[i];
		if (!k->goroutines)
			continue;
		top->places++;
		top->first_place = i;
		if (top == k)
			continue;
		top->goroutines += k->goroutines;
	}
}

/* Those of its ring come first: a knot is shown by one of them. */
static void find_first(struct stuck *st)
{
	const struct facts *f = st->s->facts;

	for (uint32_t t = f->n_stuck_bits; t--;) {
		uint32_t owner = st->threads[t].owner;

		if (is_stuck(f, t) && owner && f->ring[t])
			st->knots[f->knot[owner - 1]].first = t;
	}
}

static void find_largest(struct stuck *st)
{
	const struct graph *g = st->s->graph;

	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it)) {
		uint32_t owner;

		if (is_owner_told(st->s->facts, it.id, &owner) &&
		    g->owners[owner].kind == OWNER_STUCK)
			largest_add(&st->knots[owner].largest, it.id, it.size);
	}
}

static int most_first(const void *pa, const void *pb, void *arg)
{
	const struct stuck *st = arg;
	const struct knot *a = &st->knots[*(const uint32_t *)pa],
			  *b = &st->knots[*(const uint32_t *)pb];
	uint64_t bytes_a = st->s->facts->owner_total[a->owner].bytes,
		 bytes_b = st->s->facts->owner_total[b->owner].bytes;

	if (bytes_a != bytes_b)
		return bytes_a < bytes_b ? 1 : -1;
	if (a->goroutines != b->goroutines)
		return a->goroutines < b->goroutines ? 1 : -1;
	return a->owner < b->owner ? -1 : a->owner > b->owner;
}

static void fini(struct stuck *st)
{
	free(st->threads);
	free(st->knots);
}

static struct err *stuck_run(struct env *env, const struct subject *s, struct report *r)
{
	_cleanup_(fini) struct stuck st = { .s = s, .r = r };
	uint32_t n_owners = s->graph->n_owners, n = 0;
	_free_ uint32_t *order = NULL;
	struct err *err = NULL;

	(void)env;
	if (!s->facts->knot)
		return NULL;
	st.threads = calloc((size_t)s->facts->n_stuck_bits + 1, sizeof(*st.threads));
	st.knots = calloc((size_t)n_owners + 1, sizeof(*st.knots));
	order = calloc((size_t)n_owners + 1, sizeof(*order));
	if (!st.threads || !st.knots || !order)
		return &err_nomem;
	find_threads(&st);
	count_goroutines(&st);
	find_first(&st);
	find_largest(&st);
	for (uint32_t i = 0; i < n_owners; i++)
		if (s->facts->knot[i] == i && st.knots[i].goroutines)
			order[n++] = i;
	if (n)
		qsort_r(order, n, sizeof(*order), most_first, &st);
	for (uint32_t i = 0; i < n && i < SUSPECTS_PER_RULE && !err; i++)
		err = add_suspect(&st, &st.knots[order[i]]);
	return err;
}

const struct analysis_ops stuck_analysis = {
	.name = "stuck",
	.summary = "goroutines that nobody can wake, and who waits for whom",
	.needs = FACT_OWNER | FACT_KNOTS | FACT_STUCK_RINGS | FACT_HELD | FACT_PARENT,
	.run = stuck_run,
};
