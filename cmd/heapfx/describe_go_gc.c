/*
 * describe_go_gc.c - the collector of a Go process -> report.go.gc: what the next collection waits
 * for, the pauses that the runtime remembers, in words what its settings imply, and the signals
 * that a reader of gctrace looks for.
 *
 * The runtime keeps the goal of the last cycle and of the next, what was marked last, and when the
 * last 256 collections ended; what those before found live is gone, and nothing is said of it.
 */
#include <inttypes.h>

#include "heap/go_memstats.h"
#include "image/go.h"
#include "pipeline.h"

enum {
	RISE_PERCENT = 10, /* of the goal: less is nothing */
	RUN_PERCENT = 50,  /* and so much runs away */
	FLAT_PERCENT = 5,
	FREE_PERCENT = 25, /* free slots in spans in use */
	WORTH_SAYING = 1 << 20,
	PAUSES_LEAST = 16, /* for how often they come */
	FREQUENT_NS = 50 * 1000 * 1000,
};

struct course {
	struct report *r;
	const struct go_memstats *m;
	struct rp_node *gc, *signals, *words;
	uint64_t goal;	/* 0: none */
	bool limited;	/* by GOMEMLIMIT */
	bool has_limit;
};

static void add_duration(struct text *t, uint64_t ns)
{
	if (ns < 1000 * 1000)
		text_printf(t, "%.1f us", (double)ns / 1e3);
	else if (ns < 1000ull * 1000 * 1000)
		text_printf(t, "%.1f ms", (double)ns / 1e6);
	else
		text_printf(t, "%.1f s", (double)ns / 1e9);
}

static void put_words(struct course *c, const struct text *t)
{
	node_text(c->r, c->words, NULL, text_str(t));
}

static void put_signal(struct course *c, const char *signal, const struct text *t)
{
	struct rp_node *node = node_map(c->r, c->signals, NULL);

	node_text(c->r, node, "signal", signal);
	node_text(c->r, node, "words", text_str(t));
}

/* ---- what is in force */

static void say_settings(struct course *c)
{
	const struct go_memstats *m = c->m;
	struct text t = TEXT_INIT;

	if (m->gc_percent < 0)
		text_add(&t, "GOGC=off");
	else
		text_printf(&t, "GOGC=%" PRId64, m->gc_percent);
	if (c->has_limit) {
		text_add(&t, ", GOMEMLIMIT=");
		text_add_bytes(&t, m->memory_limit);
	} else {
		text_add(&t, ", no GOMEMLIMIT");
	}
	if (m->gc_percent < 0 && c->has_limit)
		text_add(&t, ": nothing is collected before the limit is near");
	else if (m->gc_percent < 0)
		text_add(&t, ": nothing is collected unless the program asks for it");
	else
		text_printf(&t, ": collected when it has grown by %" PRId64 "%%, %s", m->gc_percent,
			    c->has_limit ? "sooner near the limit" :
					   "however much memory there is");
	put_words(c, &t);
	text_fini(&t);
}

static void say_goal(struct course *c)
{
	const struct go_memstats *m = c->m;
	struct text t = TEXT_INIT;

	if (c->goal) {
		text_add(&t, "next collection at ");
		text_add_bytes(&t, c->goal);
		text_add(&t, c->limited ? " (by GOMEMLIMIT); " : " (by GOGC); ");
	}
	text_add_bytes(&t, m->heap_live);
	text_add(&t, " live or new, ");
	text_add_bytes(&t, m->heap_marked);
	text_add(&t, " left by the last one");
	put_words(c, &t);
	text_fini(&t);
}

static void say_pauses(struct course *c)
{
	const struct go_memstats *m = c->m;
	const struct go_figure *n = &m->figures[GO_NUM_GC], *forced = &m->figures[GO_NUM_FORCED_GC];
	struct text t = TEXT_INIT;
	uint64_t longest = 0, sum = 0;

	if (!n->is_counted)
		return;
	for (uint32_t i = 0; i < m->n_pauses; i++) {
		longest = m->pauses[i].ns > longest ? m->pauses[i].ns : longest;
		sum += m->pauses[i].ns;
	}
	text_add_count(&t, n->counted);
	text_add(&t, n->counted == 1 ? " collection" : " collections");
	if (forced->is_counted && forced->counted) {
		text_add(&t, ", ");
		text_add_count(&t, forced->counted);
		text_add(&t, " of them by runtime.GC()");
	}
	if (m->n_pauses) {
		text_add(&t, "; ");
		text_add_count(&t, m->n_pauses);
		text_add(&t, m->n_pauses == 1 ? " pause of " : " pauses of ");
		add_duration(&t, sum);
		text_add(&t, " in all, the longest ");
		add_duration(&t, longest);
	}
	put_words(c, &t);
	text_fini(&t);
}

/* ---- signals */

static void signal_goal(struct course *c)
{
	const struct go_memstats *m = c->m;
	uint64_t was = m->last_goal, now = m->percent_goal;
	struct text t = TEXT_INIT;

	if (m->gc_percent < 0 || c->limited || !was || was > 1ull << 50 || now > 1ull << 50 ||
	    now <= was || (now - was) / RISE_PERCENT < was / 100)
		return;
	text_add_bytes(&t, was);
	if (m->heap_minimum && was <= m->heap_minimum)
		text_add(&t, ", the least there is,");
	text_add(&t, " to ");
	text_add_bytes(&t, now);
	text_add(&t, " at the last collection: live memory rose, or GOGC did");
	put_signal(c, "goal-rising", &t);
	text_reset(&t);
	if ((now - was) / RUN_PERCENT >= was / 100) {
		text_add(&t, "by half or more in one collection; after another like it: ");
		text_add_bytes(&t, now + (now - was));
		put_signal(c, "goal-runaway", &t);
	}
	text_fini(&t);
}

/* The last two goals are alike: what is live is as it was. */
static bool is_live_flat(const struct course *c)
{
	uint64_t was = c->m->last_goal, now = c->m->percent_goal;
	uint64_t apart = now > was ? now - was : was - now;

	return c->m->gc_percent >= 0 && !c->limited && was && was < 1ull << 50 &&
	       now < 1ull << 50 && apart / FLAT_PERCENT <= was / 100;
}

static void signal_past_goal(struct course *c)
{
	const struct go_memstats *m = c->m;
	struct text t = TEXT_INIT;

	if (!c->goal || m->gc_running || m->heap_live <= c->goal)
		return;
	text_add_bytes(&t, m->heap_live);
	text_add(&t, " are allocated, past the goal of ");
	text_add_bytes(&t, c->goal);
	put_signal(c, "past-goal", &t);
	text_fini(&t);
}

static void signal_limit(struct course *c)
{
	const struct go_memstats *m = c->m;
	uint64_t room = c->goal > m->heap_marked ? c->goal - m->heap_marked : 0;
	struct text t = TEXT_INIT;

	if (!c->limited || room >= m->heap_marked / 10)
		return;
	text_add(&t, "GOMEMLIMIT leaves ");
	text_add_bytes(&t, room);
	text_add(&t, " between collections: it collects nearly all the time");
	put_signal(c, "limit-pressed", &t);
	text_fini(&t);
}

/* From the end of one collection to that of the next, on average, of those from no. `first` on. */
static uint64_t interval(const struct go_memstats *m, uint32_t first, uint32_t n)
{
	uint64_t newest = m->pauses[first].end, oldest = m->pauses[first + n].end;

	return newest > oldest ? (newest - oldest) / n : 0;
}

static void signal_often(struct course *c)
{
	const struct go_memstats *m = c->m;
	uint32_t n = m->n_pauses, part = n / 4;
	struct text t = TEXT_INIT;
	uint64_t late, before;

	if (n < PAUSES_LEAST)
		return;
	late = interval(m, 0, part);
	before = interval(m, part, n - 1 - part);
	if (!late || !before || (late > FREQUENT_NS && late > before / 2))
		return;
	text_add(&t, "the last ");
	text_add_count(&t, part);
	text_add(&t, " collections came every ");
	add_duration(&t, late);
	text_add(&t, ", the ");
	text_add_count(&t, n - 1 - part);
	text_add(&t, " before every ");
	add_duration(&t, before);
	put_signal(c, late <= before / 2 ? "collections-quicken" : "collections-frequent", &t);
	text_fini(&t);
}

static void signal_fragmentation(struct course *c)
{
	const struct go_figure *inuse = &c->m->figures[GO_HEAP_INUSE];
	const struct go_figure *alloc = &c->m->figures[GO_ALLOC_BYTES];
	struct text t = TEXT_INIT;
	uint64_t slots;

	if (!inuse->is_computed || !alloc->is_computed || inuse->computed <= alloc->computed)
		return;
	slots = inuse->computed - alloc->computed;
	if (slots < WORTH_SAYING || slots / FREE_PERCENT < inuse->computed / 100)
		return;
	text_add_bytes(&t, slots);
	text_add(&t, " of ");
	text_add_bytes(&t, inuse->computed);
	text_add(&t, is_live_flat(c) ? " in spans are free slots; live memory is flat" :
				       " in spans are free slots, of a time when more was live");
	put_signal(c, is_live_flat(c) ? "fragmentation-live-flat" : "fragmentation", &t);
	text_fini(&t);
}

static void signal_idle(struct course *c)
{
	const struct go_figure *idle = &c->m->figures[GO_HEAP_IDLE];
	const struct go_figure *released = &c->m->figures[GO_HEAP_RELEASED];
	struct text t = TEXT_INIT;
	uint64_t held;

	if (!idle->is_computed || !released->is_computed || idle->computed <= released->computed)
		return;
	held = idle->computed - released->computed;
	if (held < WORTH_SAYING || held <= c->m->heap_live)
		return;
	text_add_bytes(&t, held);
	text_add(&t, " of idle spans are not returned, more than is live: the heap was larger");
	put_signal(c, "idle-held", &t);
	text_fini(&t);
}

static void describe_pauses(struct course *c)
{
	const struct go_memstats *m = c->m;
	struct rp_node *pauses;

	if (m->figures[GO_PAUSE_TOTAL].is_counted)
		node_uint(c->r, c->gc, "pause_total_ns", NODE_COUNT,
			  m->figures[GO_PAUSE_TOTAL].counted);
	pauses = node_list(c->r, c->gc, "pauses");
	for (uint32_t i = 0; i < m->n_pauses; i++) {
		struct rp_node *pause = node_map(c->r, pauses, NULL);

		node_uint(c->r, pause, "ns", NODE_COUNT, m->pauses[i].ns);
		node_uint(c->r, pause, "end", NODE_COUNT, m->pauses[i].end);
	}
}

static void describe_goal(struct course *c)
{
	const struct go_memstats *m = c->m;

	node_uint(c->r, c->gc, "live", NODE_BYTES, m->heap_live);
	node_uint(c->r, c->gc, "marked", NODE_BYTES, m->heap_marked);
	c->has_limit = m->memory_limit < INT64_MAX;
	c->limited = c->has_limit && m->limit_goal < m->percent_goal;
	if (m->gc_percent >= 0 || c->limited) {
		c->goal = c->limited ? m->limit_goal : m->percent_goal;
		node_uint(c->r, c->gc, "goal", NODE_BYTES, c->goal);
		node_text(c->r, c->gc, "goal_by", c->limited ? "GOMEMLIMIT" : "GOGC");
	}
	/* none before the first collection; GOGC=off: as large as can be */
	if (m->last_goal && m->last_goal < INT64_MAX)
		node_uint(c->r, c->gc, "last_goal", NODE_BYTES, m->last_goal);
}

void describe_go_gc(struct run *run, const struct go_memstats *m)
{
	struct report *r = &run->report;
	struct course c = { .r = r, .m = m, .gc = node_map(r, r->go, "gc") };

	if (run->image->go->at.gcphase)
		node_text(r, c.gc, "phase", m->gc_running ? "marking" : "off");
	if (m->has_gc_percent)
		describe_goal(&c);
	describe_pauses(&c);
	c.words = node_list(r, c.gc, "words");
	c.signals = node_list(r, c.gc, "signals");
	if (m->has_gc_percent) {
		say_settings(&c);
		say_goal(&c);
		signal_goal(&c);
		signal_past_goal(&c);
		signal_limit(&c);
	}
	say_pauses(&c);
	signal_often(&c);
	signal_fragmentation(&c);
	signal_idle(&c);
}
