/* gates.c - the files of gates, and the other dump that --baseline names. */
#include "gates.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/guard.h"

enum { GATE_FILE_MAX = 1 << 20 };

typedef struct err *read_fn(struct gates *g, const char *path, const void *bytes, size_t n);

static struct err *read_file(struct gates *g, const char *path, read_fn *read)
{
	struct input *in = NULL;
	struct env env;
	struct err *err;

	env_init(&env);
	err = input_open(&env, path, &in);
	if (!err && in->members[0].size > GATE_FILE_MAX)
		err = err_new(ERR_USAGE, "%s: larger than a file of rules can be", path);
	if (!err)
		err = read(g, path, in->members[0].map, in->members[0].size);
	input_close(in);
	env_fini(&env);
	return err;
}

/* SOURCE_DATE_EPOCH stands for now where outputs have to be the same again. */
static int64_t today(void)
{
	const char *fixed = getenv("SOURCE_DATE_EPOCH");
	char *end = NULL;
	long long seconds = fixed && *fixed ? strtoll(fixed, &end, 10) : 0;

	if (!end || *end || seconds < 0)
		seconds = (long long)time(NULL);
	return seconds / 86400;
}

/* ---- the baseline: a report as JSON, or another dump */

/* Whether it is a report; what else it is, a dump or nothing, the pipeline tells. */
static struct err *try_json(const struct options *opt, const char *path, struct baseline *b,
			    bool *ret_is_json)
{
	struct report r = {};
	struct input *in = NULL;
	struct env env;
	struct err *err;
	const uint8_t *s;

	env_init(&env);
	env.tmp_dir = opt->tmp;
	env.disk_budget = opt->disk;
	err = input_open(&env, path, &in);
	s = err ? NULL : in->members[0].map;
	*ret_is_json = s && in->members[0].size && *s == '{';
	if (*ret_is_json)
		err = report_read_json(s, in->members[0].size, &r);
	if (*ret_is_json && !err) {
		r.input.path = path;
		err = baseline_take(b, &r);
	}
	report_fini(&r);
	input_close(in);
	env_fini(&env);
	return err ? err_wrap(err, "--baseline %s", path) : NULL;
}

static struct err *analyze_other(const struct options *opt, const char *path, unsigned profiles,
				 struct baseline *b)
{
	struct options own = *opt;
	struct run run;
	struct err *err;

	own.args[0] = path;
	own.n_args = 1;
	run_start(&run, &own);
	run.profiles = profiles;
	err = run_open_started(&run, STAGE_REPORTED);
	if (!err)
		err = report_run(&run);
	if (!err)
		err = baseline_take(b, &run.report);
	run_close(&run);
	return err ? err_wrap(err, "--baseline %s", path) : NULL;
}

static struct err *open_baseline(struct run_gates *g, const struct options *opt)
{
	bool is_json;
	struct err *err = try_json(opt, opt->baseline, &g->baseline, &is_json);

	if (!err && !is_json)
		err = analyze_other(opt, opt->baseline, run_gates_need(g), &g->baseline);
	g->has_baseline = !err;
	return err;
}

/* ---- all of them */

struct err *run_gates_open(struct run_gates *g, const struct options *opt)
{
	struct err *err = gates_check_fail_on(opt->fail_on);

	*g = (struct run_gates){ .today = today() };
	g->gates.fail_on = opt->fail_on;
	if (!err && opt->budget)
		err = read_file(&g->gates, opt->budget, gates_read_budget);
	if (!err && opt->suppressions)
		err = read_file(&g->gates, opt->suppressions, gates_read_suppressions);
	if (!err && gates_need_growth(&g->gates) && !opt->baseline)
		err = err_new(ERR_USAGE, "%s: growth against what? --baseline names it",
			      opt->budget);
	if (!err && opt->baseline)
		err = open_baseline(g, opt);
	return err;
}

unsigned run_gates_need(const struct run_gates *g)
{
	return gates_need_roots(&g->gates) ? 1u << PROFILE_PATHS : 0;
}

struct err *run_gates_apply(struct run_gates *g, struct run *run)
{
	return gates_apply(&g->gates, g->has_baseline ? &g->baseline : NULL, g->today,
			   &run->report);
}

bool run_gates_tell(const struct run *run)
{
	const struct report *r = &run->report;

	for (size_t i = 0; i < r->checks.n; i++) {
		const struct rp_check *c = &r->checks.v[i];
		struct text t = TEXT_INIT;

		if (c->result == CHECK_OK)
			continue;
		if (c->line)
			text_printf(&t, "%s:%u: ", c->file, c->line);
		if (strcmp(c->gate, "fail-on") && strcmp(c->gate, "baseline"))
			text_printf(&t, "%s: ", c->name);
		text_add(&t, c->message);
		fprintf(stderr, "heapfx: --%s: ", c->gate);
		print_escaped(stderr, text_str(&t));
		text_fini(&t);
	}
	return report_breaches(r) != 0;
}

void run_gates_close(struct run_gates *g)
{
	gates_fini(&g->gates);
	baseline_fini(&g->baseline);
}
