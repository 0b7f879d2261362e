/* fact/facts.c - which facts need which, and their memory. */
#include "base/par.h"
#include "fact/parts.h"

const char *reach_name(enum reach reach)
{
	static const char *const names[REACH_KINDS] = {
		[REACH_DEAD] = "free",
		[REACH_REACHABLE] = "reachable",
		[REACH_POSSIBLE] = "possibly-lost",
		[REACH_INDIRECT] = "indirectly-lost",
		[REACH_DEFINITE] = "definitely-lost",
		[REACH_UNCOLLECTED] = "uncollected",
	};

	return (unsigned)reach < REACH_KINDS ? names[reach] : "unknown";
}

static const struct step {
	enum fact fact;
	unsigned needs; /* facts computed before it */
	compute_fn *compute;
	uint64_t cols; /* bits by index in facts.cols */
	const char *what;
	unsigned after; /* facts that are never computed beside it: they write the same */
} steps[] = {
	{ FACT_REACH, 0, reach_compute, 1 << COL_REACH | 1 << COL_LOST, "reachability" },
	{ FACT_CYCLES, FACT_REACH, cycles_compute, 1 << COL_CYCLES | 1 << COL_MEMBERS, "rings" },
	{ FACT_DOM, FACT_REACH, dom_compute,
	  1 << COL_IDOM | 1ull << COL_TREE | 1 << COL_RETAINED | 1ull << COL_RETAINED_SET |
	  1ull << COL_RETAINED_RANK,
	  "retained sizes" },
	{ FACT_WALK, 0, walk_compute, 
	  1ull << COL_WAY | 1ull << COL_ORDER | 1ull << COL_ORDER_WAY | 1 << COL_PARENT,
	  "shortest chains" },
	{ FACT_PARENT, 0, parent_compute, 1 << COL_PARENT, "shortest chains" },
	{ FACT_REVERSE, 0, reverse_compute, 1 << COL_IN_ROW | 1 << COL_IN_BASE | 1 << COL_IN_SRC,
	  "incoming edges" },
	{ FACT_STUCK, 0, stuck_compute, 1 << COL_STUCK | 1 << COL_AWAKE, "stuck goroutines" },
	{ FACT_KNOTS, FACT_STUCK, knots_compute,
	  1 << COL_THINGS | 1 << COL_WAITS | 1 << COL_HOLDERS | 1 << COL_RING | 1 << COL_KNOT,
	  "who waits for whom" },
	{ FACT_OWNER, FACT_KNOTS, owner_compute,
	  1 << COL_OWNER | 1 << COL_OWNER_TOTAL | 1 << COL_ALONE |
	  1ull << COL_ESCAPED,
	  "what owners keep" },
	{ FACT_FINAL_RINGS, FACT_OWNER, final_rings_compute,
	  1 << COL_FINAL_RINGS | 1 << COL_IN_FINAL_RING,
	  "rings with a finalizer" },
	{ FACT_HELD, FACT_OWNER, held_compute,
	  1 << COL_GROUP_TOTAL | 1ull << COL_FAMILY | 1ull << COL_FAMILY_TOTAL,
	  "what goroutines keep" },
	{ FACT_BY_KEYS, FACT_DOM | FACT_REACH, by_keys_compute, 1 << COL_BY_KEYS | 1 << COL_KEYED,
	  "what keys keep" },
	{ FACT_REF_RINGS, FACT_REACH, ref_rings_compute,
	  1u << COL_REF_RINGS | 1u << COL_REF_MEMBERS | 1u << COL_REF_STEPS | 1u << COL_IN_REF_RING,
	  "rings of references" },
	{ FACT_LOST_HELD, FACT_REACH, lost_held_compute, 0, "what lost blocks hold", FACT_DOM },
	{ FACT_STUCK_RINGS, FACT_OWNER, stuck_rings_compute, 1 << COL_STUCK_RINGS,
	  "rings of stuck goroutines" },
};
enum { N_STEPS = sizeof(steps) / sizeof(steps[0]) };
enum {
	BESIDE_MIN = 1 << 16, /* nodes that are worth a thread */
	EARLY_BYTES = 96, /* of memory to spare for each: nobody else has less for it */
};

static void drop(struct facts *f, unsigned which)
{
	for (unsigned i = 0; i < N_STEPS; i++) {
		if (!(which & steps[i].fact))
			continue;
		for (unsigned c = 0; c < sizeof(f->cols) / sizeof(f->cols[0]); c++)
			if (steps[i].cols >> c & 1)
				col_close(&f->cols[c]);
	}
	f->have &= ~which;
	f->reach = f->cols[COL_REACH].base;
	f->lost = f->cols[COL_LOST].base;
	f->cycles = f->cols[COL_CYCLES].base;
	f->cycle_members = f->cols[COL_MEMBERS].base;
	f->idom = f->cols[COL_IDOM].base;
	f->tree = f->cols[COL_TREE].base ? (node_id *)f->cols[COL_TREE].base + 1 : NULL;
	f->n_tree = f->tree ? f->n_tree : 0;
	if (!f->cols[COL_RETAINED].base)
		f->retained = (struct retained){};
	f->parent = f->cols[COL_PARENT].base;
	f->way = f->cols[COL_WAY].base;
	f->order_way = f->cols[COL_ORDER_WAY].base;
	f->order = f->cols[COL_ORDER].base;
	f->n_order = f->order ? f->cols[COL_ORDER].n : 0;
	f->in_row = f->cols[COL_IN_ROW].base;
	f->in_row_base = f->cols[COL_IN_BASE].base;
	f->in_src = f->cols[COL_IN_SRC].base;
	f->owner = f->cols[COL_OWNER].base;
	f->owner_total = f->cols[COL_OWNER_TOTAL].base;
	f->stuck = f->cols[COL_STUCK].base;
	f->awake = f->cols[COL_AWAKE].base;
	f->things = f->cols[COL_THINGS].base;
	f->thing_waits = f->cols[COL_WAITS].base;
	f->holders = f->cols[COL_HOLDERS].base;
	f->ring = f->cols[COL_RING].base;
	f->knot = f->cols[COL_KNOT].base;
	if (!f->things)
		f->n_things = f->n_thing_waits = f->n_holders = 0;
	f->by_keys = f->cols[COL_BY_KEYS].base;
	f->n_by_keys = f->cols[COL_BY_KEYS].n;
	f->keyed = f->cols[COL_KEYED].base;
	f->final_rings = f->cols[COL_FINAL_RINGS].base;
	f->alone = f->cols[COL_ALONE].base;
	f->escaped = f->cols[COL_ESCAPED].base;
	f->group_total = f->cols[COL_GROUP_TOTAL].base;
	f->family = f->cols[COL_FAMILY].base;
	f->family_total = f->cols[COL_FAMILY_TOTAL].base;
	f->stuck_rings = f->cols[COL_STUCK_RINGS].base;
	f->n_stuck_rings = f->stuck_rings ? f->cols[COL_STUCK_RINGS].n : 0;
	f->n_final_rings = f->cols[COL_FINAL_RINGS].n;
	f->in_final_ring = f->cols[COL_IN_FINAL_RING].base;
	f->ref_rings = f->cols[COL_REF_RINGS].base;
	f->n_ref_rings = f->cols[COL_REF_RINGS].n;
	f->ref_members = f->cols[COL_REF_MEMBERS].base;
	f->ref_steps = f->cols[COL_REF_STEPS].base;
	f->in_ref_ring = f->cols[COL_IN_REF_RING].base;
	f->n_lost = f->cols[COL_LOST].n;
	f->n_cycles = f->cols[COL_CYCLES].n;
}

/* What steps share, and the one that runs beside the others until somebody needs it. */
struct steps_run {
	struct env *env;
	const struct graph *g;
	const struct subset *inner;
	struct facts *f;
	bool is_quiet; /* beside what shows its own progress */
	const struct step *beside; /* NULL: none */
	struct par_job job;
};

static struct err *end_step(struct facts *f, const struct step *step, struct err *err)
{
	if (err) {
		drop(f, step->fact);
		return err_wrap(err, "%s", step->what);
	}
	f->have |= step->fact;
	return NULL;
}

static struct err *compute_beside(void *arg)
{
	struct steps_run *r = arg;

	return r->beside->compute(r->env, r->g, r->inner, r->f);
}

static struct err *end_beside(struct steps_run *r)
{
	const struct step *step = r->beside;
	struct err *err = par_end(&r->job);

	r->beside = NULL;
	return step ? end_step(r->f, step, err) : NULL;
}

/*
 * Dominators take longest, and one thread finds them.  What comes after them neither writes what
 * they read nor reads what they write, save who says so, and goes on beside them.
 */
static struct err *run_step(struct steps_run *r, const struct step *step)
{
	struct err *err = NULL, *earlier;

	if (step->fact == FACT_DOM && r->g->n >= BESIDE_MIN) {
		r->beside = step;
		par_begin(r->env, compute_beside, r, &r->job);
		return NULL;
	}
	if (r->beside && (step->needs | step->after) & r->beside->fact)
		err = end_beside(r);
	if (err)
		return err;
	err = step->compute(r->env, r->g, r->inner, r->f);
	if (!err)
		return end_step(r->f, step, NULL);
	earlier = end_beside(r); /* whose columns nobody may look at before */
	err = end_step(r->f, step, err);
	if (!earlier)
		return err;
	err_free(err);
	return earlier;
}

static struct err *run_steps(struct steps_run r, unsigned needs)
{
	for (unsigned i = 0; i < N_STEPS; i++) {
		struct err *err;

		if (!(needs & steps[i].fact) || r.f->have & steps[i].fact)
			continue;
		err = run_step(&r, &steps[i]);
		if (err)
			return err;
		if (!r.is_quiet)
			progress(r.env, "facts", i + 1, N_STEPS);
	}
	return end_beside(&r);
}

static struct err *compute(struct env *env, const struct graph *g, unsigned needs, bool is_quiet,
			   struct facts *f)
{
	struct steps_run r = { .env = env, .g = g, .f = f, .is_quiet = is_quiet };
	struct subset inner;
	struct err *err;

	for (unsigned i = N_STEPS; i--;)
		if (needs & steps[i].fact)
			needs |= steps[i].needs;
	if (!(needs & ~f->have))
		return NULL;
	err = inner_nodes(env, g, &inner);
	if (err)
		return err;
	r.inner = &inner;
	err = run_steps(r, needs);
	common_close(f);
	subset_close(&inner);
	return err;
}

struct err *facts_compute(struct env *env, const struct graph *g, unsigned needs, struct facts *f)
{
	return compute(env, g, needs, false, f);
}

/* ---- beside types and notes */

static struct err *compute_early(void *arg)
{
	const struct facts_early *e = arg;

	return compute(e->env, e->g, e->needs, true, e->f);
}

void facts_begin(struct env *env, const struct graph *g, unsigned needs, struct facts *f,
		 struct facts_early *ret)
{
	uint64_t left = env->mem_budget - env->mem_used;

	*ret = (struct facts_early){ .env = env, .g = g, .needs = needs, .f = f };
	if (env->threads > 1 && g->n >= BESIDE_MIN && left <= env->mem_budget &&
	    left / EARLY_BYTES >= g->n)
		par_begin(env, compute_early, ret, &ret->job);
}

void facts_end(struct facts_early *early)
{
	err_free(par_end(&early->job)); /* facts_compute() would say it again */
}

void facts_fini(struct facts *f)
{
	for (unsigned c = 0; c < sizeof(f->cols) / sizeof(f->cols[0]); c++)
		col_close(&f->cols[c]);
	*f = (struct facts){};
}
