/* cmd_diff.c - dumps of one program against each other: each is analysed, then let go. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "commands.h"
#include "diff/diff.h"
#include "image/go.h"
#include "output.h"
#include "saved.h"

struct comparison {
	struct run run; /* first: of the dump at hand; then what is written */
	struct diff diff;
};

/* ---- blocks of no known type, by size */

struct size_total {
	uint64_t size, count;
};

static int by_size(const void *a, const void *b)
{
	const struct size_total *x = a, *y = b;

	return x->size < y->size ? -1 : x->size > y->size;
}

/* Open addressing, grown at half full; size 0 is an empty slot. */
struct sizes {
	struct size_total *v;
	size_t n, n_slots;
};

static size_t slot_of(const struct sizes *s, uint64_t size)
{
	size_t i = (size * 0x9e3779b97f4a7c15) >> 20 & (s->n_slots - 1);

	while (s->v[i].size && s->v[i].size != size)
		i = (i + 1) & (s->n_slots - 1);
	return i;
}

static bool grow(struct sizes *s)
{
	struct sizes wider = { .n = s->n, .n_slots = s->n_slots ? 2 * s->n_slots : 1024 };

	wider.v = calloc(wider.n_slots, sizeof(*wider.v));
	if (!wider.v)
		return false;
	for (size_t i = 0; i < s->n_slots; i++)
		if (s->v[i].size)
			wider.v[slot_of(&wider, s->v[i].size)] = s->v[i];
	free(s->v);
	*s = wider;
	return true;
}

static bool count_size(struct sizes *s, uint64_t size)
{
	size_t i;

	if (2 * s->n >= s->n_slots && !grow(s))
		return false;
	i = slot_of(s, size);
	s->n += !s->v[i].size;
	s->v[i].size = size;
	s->v[i].count++;
	return true;
}

/* They stand in the report as types: "64-byte blocks". */
static struct err *add_sizes(struct run *run)
{
	const struct graph *g = run->graph;
	struct report *r = &run->report;
	struct sizes s = {};
	struct err *err = NULL;

	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n && !err; graph_next(&it))
		if (!graph_type(g, it.id) && it.size && !count_size(&s, it.size))
			err = &err_nomem;
	if (s.n_slots)
		qsort(s.v, s.n_slots, sizeof(*s.v), by_size);
	for (size_t i = 0; i < s.n_slots && !err; i++) {
		struct rp_type t = { .count = s.v[i].count, .bytes = s.v[i].count * s.v[i].size };

		if (!s.v[i].size)
			continue;
		t.name = arena_printf(&r->mem, "%" PRIu64 "-byte blocks", s.v[i].size);
		if (!t.name || !vec_push(&r->types, &t))
			err = &err_nomem;
	}
	free(s.v);
	return err;
}

/* ---- the dumps, one after the other */

static struct err *add_dump(struct comparison *c, const struct options *opt)
{
	struct run *run = &c->run;
	struct diff_time time = {};
	const struct go *go;
	struct err *err;

	run_start(run, opt);
	run->profiles = 1u << PROFILE_PATHS;
	err = run_open_started(run, STAGE_REPORTED);
	if (!err)
		err = report_run(run);
	if (!err)
		err = run_need(run, SAVE_NODES);
	if (!err)
		err = add_sizes(run);
	if (err)
		return err;
	if (run->saved) {
		time.file = run->saved->input.file_time;
		time.clock = run->saved->input.has_clock ? run->saved->input.clock : 0;
	} else {
		go = run->image->go;
		time.file = file_time(run->input->path);
		time.clock = go ? go->clock : 0;
	}
	return diff_add(&c->diff, &run->report, time);
}

static struct err *write_diff(struct run *run, const char *format, FILE *out)
{
	const struct comparison *c = (const struct comparison *)run;

	uint64_t wanted = run->opt->top;
	unsigned top = (unsigned)(wanted > UINT32_MAX ? UINT32_MAX : wanted);

	if (!strcmp(format, "json"))
		return diff_write_json(&c->diff, out);
	if (!strcmp(format, "html"))
		return diff_write_html(&c->diff, top, out);
	if (!strcmp(format, "pprof"))
		return diff_write_pprof(&c->diff, out);
	return diff_write_text(&c->diff, top, out);
}

/* Each dump's own problems go to standard error, and its status is kept when it is worse. */
static enum exit_status one_dump(struct comparison *c, const struct options *opt, unsigned i)
{
	struct options own = *opt;
	struct err *err;

	own.args[0] = opt->args[i];
	own.n_args = 1;
	err = add_dump(c, &own);
	if (!err)
		print_problems(&c->run);
	return run_end(&c->run, err, EXIT_DONE);
}

enum exit_status cmd_diff(const struct options *opt)
{
	struct comparison c = {};
	enum exit_status status = EXIT_DONE;
	struct err *err;

	for (unsigned i = 0; i < opt->n_args && status == EXIT_DONE; i++)
		status = one_dump(&c, opt, i);
	if (status == EXIT_DONE) {
		c.run = (struct run){ .opt = opt };
		err = diff_finish(&c.diff);
		if (!err)
			err = write_outputs(&c.run, command_of(cmd_diff), write_diff);
		if (err)
			status = cli_fail(err);
	}
	diff_fini(&c.diff);
	return status;
}
