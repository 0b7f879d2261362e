/* cmd_analyze.c - the main job: where did the memory go, what is leaked, who holds it. */
#include <inttypes.h>
#include <string.h>

#include "base/guard.h"
#include "commands.h"
#include "export/heapsnapshot.h"
#include "gates.h"
#include "output.h"
#include "saved.h"
#include "sql.h"

static void add_next(struct run *run, const char *why, const char *what)
{
	struct report *r = &run->report;

	if (!what || r->n_next == ARRAY_SIZE(r->next))
		return;
	r->next[r->n_next] = what;
	r->next_why[r->n_next++] = why;
}

/* As a shell wants it: nothing in it is a command, whoever chose the name of the file. */
static const char *shell_word(struct report *r, const char *path)
{
	const char *quote = path[strcspn(path, " '()&;<>|*?[]#~!{}$`\"")] ? "\"" : "";
	struct text word = TEXT_INIT;
	const char *ret;

	text_add(&word, quote);
	for (; *path; path++) {
		if (strchr("\\$`\"", *path))
			text_add(&word, "\\");
		text_add_n(&word, path, 1);
	}
	text_add(&word, quote);
	ret = word.bad ? NULL : arena_strdup(&r->mem, text_str(&word));
	text_fini(&word);
	return ret;
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

static struct err *write_snapshot(struct run *run, FILE *out)
{
	uint64_t pruned = 0;
	struct err *err = run_need(run, SAVE_ALL);

	if (!err)
		err = heapsnapshot_write(&run->env, run->graph, &run->facts,
					 run->opt->snapshot_nodes, out, &pruned);
	if (!err && pruned)
		fprintf(stderr,
			"heapfx: heapsnapshot: %" PRIu64 " of %" PRIu32 " blocks are together by "
			"holder and type (--snapshot-nodes tells more apart)\n",
			pruned, run->graph->n_live);
	return err;
}

static struct err *write_analysis(struct run *run, const char *format, FILE *out)
{
	if (!strcmp(format, "heapsnapshot"))
		return write_snapshot(run, out);
	if (!strcmp(format, "sqlite"))
		return sql_write_database(run, out);
	if (!strcmp(format, "result"))
		return save_run(run, format, out);
	return write_report(run, format, out);
}

static struct err *analyze(struct run *run, struct run_gates *gates, struct options *opt)
{
	struct err *err = run_gates_open(gates, opt);

	if (err) {
		*run = (struct run){ .opt = opt };
		return err;
	}
	if (opt->n_args > 1)
		opt->exe = opt->args[1];
	run_start(run, opt);
	err = outputs_need(run, command_of(cmd_analyze), &run->profiles);
	run->profiles |= run_gates_need(gates);
	if (!err)
		err = run_open_started(run, STAGE_REPORTED);
	if (!err && opt->leaks && run->profiles >> PROFILE_PATHS & 1)
		err = err_new(ERR_USAGE, "--leaks finds no paths, and a format or budget that is "
					 "asked for shows some");
	if (!err)
		err = report_run(run);
	if (!err)
		err = run->saved ? NULL : describe_space(run);
	if (!err)
		err = run_gates_apply(gates, run);
	if (err)
		return err;
	suggest(run);
	return write_outputs(run, command_of(cmd_analyze), write_analysis);
}

enum exit_status cmd_analyze(const struct options *opt)
{
	struct options own = *opt; /* the second argument is another way to say --exe */
	struct run_gates gates;
	struct run run;
	struct err *err = analyze(&run, &gates, &own);
	enum exit_status status =
		run_end(&run, err, !err && run_gates_tell(&run) ? EXIT_GATE : EXIT_DONE);

	run_gates_close(&gates);
	return status;
}
