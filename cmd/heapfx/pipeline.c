/* pipeline.c - runs the stages, shows progress on a terminal, turns analyses into a report. */
#include "pipeline.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/guard.h"
#include "saved.h"
#include "shrink/shrink.h"

/* One line that rewrites itself, at most a hundred times a phase. */
static void show_progress(void *arg, const char *phase, uint64_t done, uint64_t total)
{
	struct progress_bar *bar = arg;
	unsigned percent = total ? (unsigned)((double)done / (double)total * 100) : 0;

	if (bar->phase && !strcmp(bar->phase, phase) && percent == bar->percent)
		return;
	bar->phase = phase;
	bar->percent = percent;
	bar->shown = true;
	percent = percent > 100 ? 100 : percent;
	if (total)
		fprintf(stderr, "\r\033[K%-24.24s [%.*s%*s] %3u%%", phase, (int)percent / 4,
			"#########################", 25 - (int)percent / 4, "", percent);
	else
		fprintf(stderr, "\r\033[K%s", phase);
	fflush(stderr);
}

void end_progress(struct run *run)
{
	if (run->bar.shown)
		fputs("\r\033[K", stderr);
	run->bar.shown = false;
}

static void setup_env(struct run *run, const struct options *opt)
{
	env_init(&run->env);
	run->env.tmp_dir = opt->tmp;
	run->env.disk_budget = opt->disk;
	run->env.show_contents = opt->strings && !strcmp(opt->strings, "preview");
	if (opt->memory)
		run->env.mem_budget = opt->memory;
	if (opt->threads)
		run->env.threads = opt->threads > 256 ? 256 : (unsigned)opt->threads;
	if (!opt->no_progress && isatty(STDERR_FILENO)) {
		run->env.progress = show_progress;
		run->env.progress_arg = &run->bar;
	}
}

static bool is_named_smaps(const char *name)
{
	const char *slash = strrchr(name, '/');

	return !strcmp(slash ? slash + 1 : name, "smaps");
}

static struct err *parse_member(struct run *run, const struct member *m)
{
	struct err *err = smaps_parse((const char *)m->map, m->size, &run->smaps);

	return err ? err_wrap(err, "%s", m->name) : NULL;
}

/* What --smaps names, or a bundle holds. */
static struct err *open_smaps(struct run *run)
{
	struct input *in = NULL;
	struct err *err = NULL;

	if (run->opt->smaps) {
		err = input_open(&run->env, run->opt->smaps, &in);
		if (!err)
			err = parse_member(run, &in->members[0]);
		input_close(in);
		return err;
	}
	for (size_t i = 0; i < run->input->n && !run->smaps.n; i++) {
		if (!is_named_smaps(run->input->members[i].name) || run->input->n == 1)
			continue;
		err = parse_member(run, &run->input->members[i]);
		if (err)
			diag_err(&run->env, "input/smaps", err);
	}
	return NULL;
}

static struct err *parse_layouts(struct run *run, const char *path, const struct member *m)
{
	return pool_layouts_parse(path, (const char *)m->map, m->size, &run->layouts);
}

static struct err *parse_rules(struct run *run, const char *path, const struct member *m)
{
	return count_rules_parse(path, (const char *)m->map, m->size, &run->rules);
}

/* What --pool-layout and --count-rules name: wrong, it is the caller's mistake, before all else. */
static struct err *open_texts(struct run *run, const char *option, const struct string_list *paths,
			      struct err *(*parse)(struct run *run, const char *path,
						   const struct member *m))
{
	struct err *err = NULL;

	for (size_t i = 0; i < paths->n && !err; i++) {
		struct input *in = NULL;

		err = input_open(&run->env, paths->v[i], &in);
		err = err ? err_wrap(err, "%s", option) : parse(run, paths->v[i], &in->members[0]);
		input_close(in);
	}
	return err;
}

/* Where indexes of debug info are kept; NULL: nowhere. */
static char *cache_dir(const struct options *opt)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (opt->no_cache)
		return NULL;
	if (cache && *cache == '/') /* others are to be ignored: XDG Base Directory Specification */
		return text_format("%s/heapfx", cache);
	return home && *home == '/' ? text_format("%s/.cache/heapfx", home) : NULL;
}

/* Chains to all nodes, in their order: pictures and profiles follow each. */
static bool wants_walk(const struct run *run)
{
	return run->profiles & (1u << PROFILE_PATHS | NEED_BY_TYPE);
}

/* What blocks are and what is known of them, and meanwhile what report_run() needs in any case. */
static struct err *tell_with_facts(struct run *run, const struct hints *hints)
{
	unsigned chains = wants_walk(run) ? FACT_WALK : FACT_PARENT;
	struct facts_early early;
	struct err *err;

	facts_begin(&run->env, run->graph, FACT_REACH | FACT_DOM, &run->facts, &early);
	err = graph_find_types(&run->env, run->image, &run->blocks, hints, run->graph);
	facts_end(&early);
	if (err)
		return err;
	facts_begin(&run->env, run->graph, chains, &run->facts, &early);
	err = graph_find_notes(&run->env, run->image, &run->blocks, run->graph);
	facts_end(&early);
	return err;
}

/* The graph; unless leaks alone are asked for, what its blocks are. */
static struct err *open_graph(struct run *run, bool is_reported)
{
	const struct hints hints = { &run->pools, &run->rules };
	bool wants_slots = run->profiles & (1u << PROFILE_PATHS | NEED_SLOTS) && !run->opt->leaks;
	struct err *err;

	progress(&run->env, "finding pointers", 0, 0);
	err = graph_from_blocks(&run->env, run->image, &run->blocks, &hints, wants_slots,
				&run->graph);
	if (err || run->opt->leaks)
		return err;
	return is_reported ? tell_with_facts(run, &hints) :
			     graph_tell(&run->env, run->image, &run->blocks, &hints, run->graph);
}

/* Who knows gdb -p or jmap gives the process itself. */
static struct err *open_dump(struct env *env, const char *path, struct input **ret)
{
	struct err *err = input_open(env, path, ret);
	char proc[PATH_MAX];

	if (!err || err->os_errno != ENOENT || !*path || path[strspn(path, "0123456789")])
		return err;
	if ((size_t)snprintf(proc, sizeof(proc), "/proc/%s", path) >= sizeof(proc) ||
	    access(proc, F_OK) < 0)
		return err;
	err_free(err);
	return err_new(ERR_OS, "%s: no such file; `heapfx capture %s` makes a dump of that process",
		       path, path);
}

static struct err *open_stages(struct run *run, enum stage last)
{
	const struct options *opt = run->opt;
	static const char *const none[] = { NULL };
	_free_ char *cache = cache_dir(opt);
	struct image_options io = {
		.exe = opt->exe,
		.sysroots = opt->sysroots.v ? opt->sysroots.v : none,
		.debug_dirs = opt->debug_dirs.v ? opt->debug_dirs.v : none,
		.cache_dir = cache,
		.no_host_files = opt->no_host_files,
		.shadow = run->shadow,
	};
	struct err *err;

	progress(&run->env, "opening", 0, 0);
	err = open_texts(run, "--pool-layout", &opt->pool_layouts, parse_layouts);
	if (!err)
		err = open_texts(run, "--count-rules", &opt->count_rules, parse_rules);
	if (!err && !run->input)
		err = open_dump(&run->env, opt->args[0], &run->input);
	if (!err && save_is_one(run->input->members[0].map, run->input->members[0].size))
		return open_saved(run);
	if (!err)
		err = open_smaps(run);
	if (!err) {
		progress(&run->env, "reading segments, modules and threads", 0, 0);
		err = image_open(&run->env, run->input, &io, &run->image);
	}
	if (!err && run->shadow)
		err = shrink_names(run->image);
	if (err || last < STAGE_BLOCKS)
		return err;
	progress(&run->env, "walking heaps", 0, 0);
	if (last < STAGE_GRAPH)
		err = blocks_build_alone(&run->env, run->image, &run->blocks);
	else
		err = blocks_build(&run->env, run->image, &run->blocks);
	if (err)
		return err_wrap(err, "walking the heaps");
	run->has_blocks = true;
	if (run->shadow)
		err = shrink_blocks(run->image, &run->blocks);
	if (!err)
		err = pools_find(&run->env, run->image, &run->blocks, &run->layouts,
				 last < STAGE_GRAPH, &run->pools);
	if (err || last < STAGE_GRAPH)
		return err;
	return open_graph(run, last >= STAGE_REPORTED);
}

void run_start(struct run *run, const struct options *opt)
{
	*run = (struct run){ .opt = opt };
	setup_env(run, opt);
}

struct err *run_open_started(struct run *run, enum stage last)
{
	struct err *err = open_stages(run, last);

	end_progress(run);
	return err;
}

struct err *run_open(struct run *run, const struct options *opt, enum stage last)
{
	run_start(run, opt);
	return run_open_started(run, last);
}

void run_close(struct run *run)
{
	end_progress(run);
	report_fini(&run->report);
	facts_fini(&run->facts);
	if (!run->saved)
		graph_free(run->graph);
	saved_close(run->saved);
	pools_fini(&run->pools);
	pool_layouts_fini(&run->layouts);
	count_rules_fini(&run->rules);
	if (run->has_blocks)
		blocks_fini(&run->blocks);
	smaps_fini(&run->smaps);
	image_close(run->image);
	input_close(run->input);
	env_fini(&run->env);
}

static bool is_asked(const struct run *run, const struct analysis_ops *ops, unsigned *ret_needs)
{
	*ret_needs = run->opt->leaks ? ops->needs_for_lost : ops->needs;
	return !run->opt->leaks || ops->needs_for_lost;
}

/* What the image tells besides, for analyses and for the report itself. */
static struct err *describe_more(struct run *run, struct subject *subject)
{
	struct err *err = find_extents(run, subject);

	if (!err)
		err = describe_go_pools(run, subject);
	if (!err)
		err = describe_go_held(run);
	if (!err)
		err = describe_go_stuck(run);
	if (!err)
		err = describe_go_maps(run);
	if (!err)
		err = describe_pools(run);
	if (!err)
		err = describe_go_profile(run);
	if (!err)
		err = describe_heap_samples(run, subject);
	return err ? err : describe_go_sites(run, subject);
}

struct err *analyze_run(struct run *run)
{
	struct subject subject = { .graph = run->graph,
				   .facts = &run->facts,
				   .top = (unsigned)run->opt->top,
				   .wants_paths = run->profiles >> PROFILE_PATHS & 1,
				   .wants_trees = run->profiles & NEED_PICTURES,
				   .wants_types = run->profiles & NEED_BY_TYPE };
	unsigned later = 0, needs;
	struct err *err;

	for (size_t i = 0; analysis_registry[i]; i++)
		if (is_asked(run, analysis_registry[i], &needs))
			later |= needs;
	if (wants_walk(run))
		later |= FACT_WALK;
	progress(&run->env, "marking", 0, 0);
	err = facts_compute(&run->env, run->graph, later, &run->facts);
	if (!err)
		err = find_lost_evidence(run, &subject);
	if (!err && !run->opt->leaks)
		err = describe_more(run, &subject);
	for (size_t i = 0; !err && analysis_registry[i]; i++) {
		if (!is_asked(run, analysis_registry[i], &needs))
			continue;
		progress(&run->env, analysis_registry[i]->summary, 0, 0);
		err = analysis_registry[i]->run(&run->env, &subject, &run->report);
	}
	end_progress(run);
	return err;
}

struct err *report_run(struct run *run)
{
	struct err *err;

	if (run->saved)
		return NULL;
	err = describe_run(run);

	if (!err)
		err = analyze_run(run);
	if (!err)
		err = breakdown_run(run);
	return err ? err : verdict_write(&run->report, run->opt->leaks);
}

void print_escaped(FILE *out, const char *s)
{
	struct text t = TEXT_INIT;

	text_add_escaped(&t, s, strlen(s));
	fprintf(out, "%s\n", text_str(&t));
	text_fini(&t);
}

static void print_problem(const char *why, const struct diag *d)
{
	fprintf(stderr, "heapfx: %s%s: ", why, d->code);
	print_escaped(stderr, d->message);
}

void print_problems(const struct run *run)
{
	for (size_t i = 0; i < run->env.diags.n; i++)
		print_problem("", &run->env.diags.list[i]);
}

/* --strict was given and the input itself turned out to be damaged. */
static bool breaks_strict(const struct run *run)
{
	static const char *const damage[] = { "core/", "input/", "heap/corrupt" };

	for (size_t i = 0; run->opt->strict && i < run->env.diags.n; i++)
		for (size_t k = 0; k < ARRAY_SIZE(damage); k++)
			if (!strncmp(run->env.diags.list[i].code, damage[k], strlen(damage[k]))) {
				print_problem("--strict: ", &run->env.diags.list[i]);
				return true;
			}
	return false;
}

enum exit_status run_end(struct run *run, struct err *err, enum exit_status done)
{
	enum exit_status status;

	end_progress(run);
	status = err ? cli_fail(err) : breaks_strict(run) ? EXIT_INPUT : done;
	run_close(run);
	return status;
}

enum exit_status run_end_capture(struct run *run, struct err *err)
{
	bool ours = err && err->kind != ERR_USAGE && err->kind != ERR_LIMIT &&
		    err->kind != ERR_NOMEM;
	enum exit_status status = run_end(run, err, EXIT_DONE);

	return ours ? EXIT_CAPTURE : status;
}
