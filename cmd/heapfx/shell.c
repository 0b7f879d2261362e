/* shell.c - `heapfx sql` without a query: statements and dot commands, a line at a time. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <editline/readline.h>

#include "base/guard.h"
#include "cells.h"
#include "explain.h"
#include "sql.h"

enum { HISTORY_MAX = 1000 };

struct shell {
	struct run *run;
	struct query *query;
	const char *format; /* of rows; a literal */
	FILE *out;
	bool is_tty;
	bool quit;
};

/* ---- completion: libedit's generator takes no argument of ours */

static const struct query *completing;

static char *next_name(const char *start, int state)
{
	static size_t table, column; /* column 0: the table itself */
	size_t n = strlen(start);
	const char *name;

	if (!state)
		table = column = 0;
	while (query_table_name(completing, table)) {
		name = column ? query_column_name(completing, table, column - 1) :
				query_table_name(completing, table);
		if (!name) {
			table++;
			column = 0;
			continue;
		}
		column++;
		if (!strncmp(name, start, n))
			return strdup(name);
	}
	return NULL;
}

static char **complete(const char *text, int start, int end)
{
	(void)start;
	(void)end;
	rl_attempted_completion_over = 1;
	return rl_completion_matches(text, next_name);
}

/* ---- history: $XDG_STATE_HOME/heapfx/sql_history; NULL where there is no home */

static char *history_path(void)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	_free_ char *base = state && *state ? strdup(state) :
			    home && *home   ? text_format("%s/.local/state", home) :
					      NULL;
	_free_ char *dir = base ? text_format("%s/heapfx", base) : NULL;

	/* A home that is not there is not made. */
	if (!dir || (mkdir(dir, 0700) && errno != EEXIST))
		return NULL;
	return text_format("%s/sql_history", dir);
}

/* ---- output: a pager on a terminal */

struct sheet {
	FILE *out;
	bool is_pager;
};

static struct sheet open_sheet(struct shell *sh)
{
	const char *pager = getenv("PAGER");
	struct sheet s = { sh->out, false };

	if (!sh->is_tty || (pager && !*pager))
		return s;
	setenv("LESS", "FRX", 0);
	s.out = popen(pager ? pager : "less", "w");
	s.is_pager = s.out != NULL;
	return s.is_pager ? s : (struct sheet){ sh->out, false };
}

static void close_sheet(struct sheet *s)
{
	if (s->is_pager)
		pclose(s->out);
	else
		fflush(s->out);
}

/* ---- dot commands */

static void print_tables(struct shell *sh)
{
	const char *name;

	for (size_t i = 0; (name = query_table_name(sh->query, i)); i++)
		fprintf(sh->out, "%s\n", name);
}

static void print_schema(struct shell *sh, const char *wanted)
{
	const char *name, *column;

	for (size_t i = 0; (name = query_table_name(sh->query, i)); i++) {
		if (*wanted && strcmp(wanted, name))
			continue;
		fprintf(sh->out, "%s(", name);
		for (size_t c = 0; (column = query_column_name(sh->query, i, c)); c++)
			fprintf(sh->out, "%s%s", c ? ", " : "", column);
		fputs(")\n", sh->out);
	}
}

static struct err *set_format(struct shell *sh, const char *name)
{
	static const char *const formats[] = { "text", "json", "jsonl", "csv" };

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (!strcmp(formats[i], name)) {
			sh->format = formats[i];
			return NULL;
		}
	return err_new(ERR_USAGE, ".mode: text, json, jsonl or csv, not %s", name);
}

static void print_help(struct shell *sh)
{
	fputs("a statement ends with ;          select type, sum(size) from blocks group by 1;\n"
	      ".tables                          the names of all tables\n"
	      ".schema [TABLE]                  their columns\n"
	      ".explain ADDR                    one address: what it is, who holds it\n"
	      ".path ADDR                       the chains that hold it, alone\n"
	      ".mode text|json|jsonl|csv        how rows are printed\n"
	      ".quit                            end (or end of file)\n",
	      sh->out);
}

static struct err *explain_command(struct shell *sh, const char *address, enum explain_part part)
{
	struct sheet sheet = open_sheet(sh);
	struct err *err = explain_on(sh->run, address, part, sheet.out);

	close_sheet(&sheet);
	return err;
}

static struct err *dot_command(struct shell *sh, const char *line)
{
	size_t n = strcspn(line, " \t");
	_free_ char *name = strndup(line, n), *arg = strdup(line + n + strspn(line + n, " \t"));
	struct err *err = NULL;

	if (!name || !arg)
		return &err_nomem;
	for (size_t end = strlen(arg); end && strchr(" \t;", arg[end - 1]);)
		arg[--end] = '\0';
	if (!strcmp(name, ".quit") || !strcmp(name, ".exit"))
		sh->quit = true;
	else if (!strcmp(name, ".tables"))
		print_tables(sh);
	else if (!strcmp(name, ".schema"))
		print_schema(sh, arg);
	else if (!strcmp(name, ".explain"))
		err = explain_command(sh, arg, EXPLAIN_ALL);
	else if (!strcmp(name, ".path"))
		err = explain_command(sh, arg, EXPLAIN_CHAINS);
	else if (!strcmp(name, ".mode"))
		err = set_format(sh, arg);
	else if (!strcmp(name, ".help"))
		print_help(sh);
	else
		err = err_new(ERR_USAGE, "no such command: %s (.help lists them)", name);
	return err;
}

/* ---- statements */

static struct err *run_statement(struct shell *sh, const char *sql)
{
	struct sheet sheet = open_sheet(sh);
	struct query_sink *sink = print_rows(sh->format, sheet.out);
	struct err *err = sink ? query_run(sh->query, sql, sink) : &err_nomem;

	free_rows(sink);
	if (sheet.is_pager && err && err->kind == ERR_OS) { /* left before the last row */
		err_free(err);
		err = NULL;
	}
	close_sheet(&sheet);
	return err;
}

/* The next line without its end, malloc'd; NULL at the end of input. */
static char *read_input(struct shell *sh, bool is_more)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	if (sh->is_tty)
		return readline(is_more ? "   ...> " : "heapfx> ");
	n = getline(&line, &cap, stdin);
	if (n < 0) {
		free(line);
		return NULL;
	}
	if (n && line[n - 1] == '\n')
		line[n - 1] = '\0';
	return line;
}

/* One line more: a dot command, or a statement once it is whole. */
static struct err *take_line(struct shell *sh, const char *line, struct text *pending)
{
	struct err *err;

	if (!pending->n && line[strspn(line, " \t")] == '.') {
		if (sh->is_tty)
			add_history(line);
		return dot_command(sh, line + strspn(line, " \t"));
	}
	text_add(pending, line);
	text_add(pending, "\n");
	if (pending->bad)
		return &err_nomem;
	if (!query_is_complete(text_str(pending)))
		return NULL;
	if (sh->is_tty)
		add_history(text_str(pending));
	err = run_statement(sh, text_str(pending));
	text_reset(pending);
	return err;
}

static void tell(struct err *err)
{
	(void)cli_fail(err);
}

static struct err *read_all(struct shell *sh)
{
	struct text pending = TEXT_INIT;
	struct err *err = NULL;
	char *line;

	while (!sh->quit && !err && (line = read_input(sh, pending.n != 0))) {
		err = take_line(sh, line, &pending);
		free(line);
		if (err && sh->is_tty) {
			text_reset(&pending);
			tell(err);
			err = NULL;
		}
	}
	/* What was not ended with a semicolon is still meant. */
	if (!err && pending.n && pending.s[strspn(pending.s, " \t\n")])
		err = run_statement(sh, text_str(&pending));
	text_fini(&pending);
	return err;
}

struct err *sql_shell(struct run *run, struct query *query, const char *format, FILE *out)
{
	struct shell sh = { .run = run, .query = query, .format = "text", .out = out,
			    .is_tty = isatty(STDIN_FILENO) && isatty(fileno(out)) };
	_free_ char *history = NULL;
	struct err *err = set_format(&sh, format);

	if (err)
		return err;
	if (!sh.is_tty)
		return read_all(&sh);
	signal(SIGPIPE, SIG_IGN); /* a pager may be left early */
	completing = query;
	rl_readline_name = "heapfx";
	rl_attempted_completion_function = complete;
	using_history();
	stifle_history(HISTORY_MAX);
	history = history_path();
	if (history)
		read_history(history);
	fputs("SQL over the dump; .help for help, .tables for tables\n", out);
	err = read_all(&sh);
	if (history)
		write_history(history);
	return err;
}
