/* cmd_analyze.c - the main job: where did the memory go, what is leaked, who holds it. */
#include <inttypes.h>
#include <string.h>

#include "base/guard.h"
#include "commands.h"
#include "output.h"
#include "sql.h"

static void add_next(struct run *run, const char *why, const char *what)
{
	struct report *r = &run->report;

	if (!what || r->n_next == ARRAY_SIZE(r->next))
		return;
	r->next[r->n_next] = what;
	r->next_why[r->n_next++] = why;
}

/*
 * As a shell wants it.  Backslashes are doubled where it is printed, which is right within double
 * quotes and without; what would need one of its own there ($, `, ") is left as it is.
 */
static const char *shell_word(struct report *r, const char *path)
{
	return path[strcspn(path, " '()&;<>|*?[]#~!{}")] ? arena_printf(&r->mem, "\"%s\"", path) :
							   path;
}

static const char *with_list(struct report *r, const char *words, const char *option,
			     const struct string_list *list)
{
	for (size_t i = 0; words && i < list->n; i++) {
		const char *value = shell_word(r, list->v[i]);

		words = value ? arena_printf(&r->mem, "%s --%s %s", words, option, value) : NULL;
	}
	return words;
}

/* The dump, with the options without which the next command would see less. */
static const char *dump_words(struct run *run)
{
	const struct options *opt = run->opt;
	struct report *r = &run->report;
	const char *words = shell_word(r, run->input->path);
	const char *exe = words && opt->exe ? shell_word(r, opt->exe) : NULL;

	if (exe)
		words = arena_printf(&r->mem, "%s --exe %s", words, exe);
	words = with_list(r, words, "sysroot", &opt->sysroots);
	return with_list(r, words, "debug-dir", &opt->debug_dirs);
}

/* Commands worth typing next, with the addresses of this very report. */
static void suggest(struct run *run)
{
	struct report *r = &run->report;
	const char *path = dump_words(run);

	if (!path)
		return;
	for (size_t i = 0; i < r->suspects.n; i++) {
		if (!r->suspects.v[i].n_addresses)
			continue;
		add_next(run, "one of the worst: every holder, what it holds",
			 arena_printf(&r->mem, "heapfx explain %s 0x%" PRIx64, path,
				      r->suspects.v[i].addresses[0]));
		break;
	}
	if (r->suspects.n > run->opt->top)
		add_next(run, "all suspects",
			 arena_printf(&r->mem, "heapfx analyze %s --top %zu", path, r->suspects.n));
	add_next(run, "the same data as tables", arena_printf(&r->mem, "heapfx sql %s", path));
}

/*
 * The rules are in the table, so that a misspelt gate is an error and not a gate that never closes.
 */
static struct err *check_gate(const char *list)
{
	for (const char *p = list; p && *p;) {
		size_t len = strcspn(p, ",");
		bool known = false;

		for (unsigned s = SEV_NOTE; s <= SEV_ERROR; s++)
			known |= strlen(severity_name(s)) == len &&
				 !strncmp(p, severity_name(s), len);
		for (size_t i = 0; i < n_rules; i++)
			known |= strlen(rules[i].id) == len && !strncmp(p, rules[i].id, len);
		if (!known)
			return err_new(ERR_USAGE, "--fail-on: no such rule or severity: %.*s",
				       (int)len, p);
		p += len + (p[len] == ',');
	}
	return NULL;
}

static bool gate_names(const char *list, const struct rule *rule)
{
	for (const char *p = list; *p;) {
		size_t len = strcspn(p, ",");

		if (strlen(rule->id) == len && !strncmp(p, rule->id, len))
			return true;
		for (unsigned s = SEV_NOTE; s <= rule->severity; s++)
			if (strlen(severity_name(s)) == len && !strncmp(p, severity_name(s), len))
				return true;
		p += len + (p[len] == ',');
	}
	return false;
}

static bool gate_breached(const struct run *run)
{
	const char *list = run->opt->fail_on;
	bool breached = false;

	for (size_t i = 0; list && i < run->report.findings.n; i++) {
		const struct rp_finding *f = &run->report.findings.v[i];

		if (gate_names(list, rule_get(f->rule))) {
			fprintf(stderr, "heapfx: --fail-on: %s: %s\n", f->rule, f->message);
			breached = true;
		}
	}
	return breached;
}

static struct err *write_analysis(struct run *run, const char *format, FILE *out)
{
	return strcmp(format, "sqlite") ? write_report(run, format, out) :
					  sql_write_database(run, out);
}

static struct err *analyze(struct run *run, struct options *opt)
{
	struct err *err = check_gate(opt->fail_on);

	if (err) {
		*run = (struct run){ .opt = opt };
		return err;
	}
	if (opt->n_args > 1)
		opt->exe = opt->args[1];
	err = run_open(run, opt, STAGE_GRAPH);
	if (!err)
		err = outputs_need(run, command_of(cmd_analyze), &run->profiles);
	if (!err)
		err = describe_run(run);
	if (!err)
		err = analyze_run(run);
	if (!err)
		err = breakdown_run(run);
	if (!err)
		err = describe_space(run);
	if (err)
		return err;
	suggest(run);
	return write_outputs(run, command_of(cmd_analyze), write_analysis);
}

enum exit_status cmd_analyze(const struct options *opt)
{
	struct options own = *opt; /* the second argument is another way to say --exe */
	struct run run;
	struct err *err = analyze(&run, &own);

	return run_end(&run, err, !err && gate_breached(&run) ? EXIT_GATE : EXIT_DONE);
}
