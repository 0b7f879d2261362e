/* shell.c - `heapfx sql` without a query: statements and dot commands, a line at a time. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/guard.h"
#include "cells.h"
#include "explain.h"
#include "sql.h"
#include "terminal.h"

struct shell {
	struct run *run;
	struct query *query;
	const char *format; /* of rows; a literal */
	struct terminal terminal;
	bool quit;
	struct text pending; /* of a statement that is not ended */
};

/* ---- dot commands */

static struct err *print_tables(struct shell *sh, const char *arg, FILE *out)
{
	const char *name;

	(void)arg;
	for (size_t i = 0; (name = query_table_name(sh->query, i)); i++)
		fprintf(out, "%s\n", name);
	return NULL;
}

static struct err *print_schema(struct shell *sh, const char *wanted, FILE *out)
{
	const char *name, *column;
	bool found = false;

	for (size_t i = 0; (name = query_table_name(sh->query, i)); i++) {
		if (*wanted && strcasecmp(wanted, name))
			continue;
		found = true;
		fprintf(out, "%s(", name);
		for (size_t c = 0; (column = query_column_name(sh->query, i, c)); c++)
			fprintf(out, "%s%s", c ? ", " : "", column);
		fputs(")\n", out);
	}
	return found ? NULL : err_new(ERR_USAGE, "no such table: %s", wanted);
}

static struct err *set_format(struct shell *sh, const char *name, FILE *out)
{
	static const char *const formats[] = { "text", "json", "jsonl", "csv" };

	(void)out;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (!strcmp(formats[i], name)) {
			sh->format = formats[i];
			return NULL;
		}
	return err_new(ERR_USAGE, ".mode: text, json, jsonl or csv, not %s", name);
}

static struct err *explain_all(struct shell *sh, const char *address, FILE *out)
{
	return explain_on(sh->run, address, EXPLAIN_ALL, out);
}

static struct err *explain_chains(struct shell *sh, const char *address, FILE *out)
{
	return explain_on(sh->run, address, EXPLAIN_CHAINS, out);
}

static struct err *quit(struct shell *sh, const char *arg, FILE *out)
{
	(void)arg;
	(void)out;
	sh->quit = true;
	return NULL;
}

static struct err *print_help(struct shell *sh, const char *arg, FILE *out);

static const struct dot_command {
	const char *name, *arg, *help;
	struct err *(*run)(struct shell *sh, const char *arg, FILE *out);
	bool prints_nothing;
} dot_commands[] = {
	{ "tables", "", "the names of all tables", print_tables },
	{ "schema", "[TABLE]", "their columns", print_schema },
	{ "explain", "ADDR", "one address: what it is, who holds it", explain_all },
	{ "path", "ADDR", "the chains that hold it, alone", explain_chains },
	{ "mode", "text|json|jsonl|csv", "how rows are printed", set_format,
	  .prints_nothing = true },
	{ "help", "", "this", print_help },
	{ "quit", "", "end (or .exit, or end of file)", quit, .prints_nothing = true },
	{ "exit", "", NULL, quit, .prints_nothing = true },
};

static struct err *print_help(struct shell *sh, const char *arg, FILE *out)
{
	(void)sh;
	(void)arg;
	fprintf(out, "%-33s%s\n", "a statement ends with ;",
		"select type, sum(size) from blocks group by 1;");
	for (size_t i = 0; i < ARRAY_SIZE(dot_commands); i++) {
		const struct dot_command *c = &dot_commands[i];

		if (c->help)
			fprintf(out, ".%s %-*s%s\n", c->name, (int)(31 - strlen(c->name)), c->arg,
				c->help);
	}
	return NULL;
}

/* Of a line that begins with a dot; NULL: no such command. */
static const struct dot_command *dot_command_of(const char *line)
{
	size_t n = strcspn(line + 1, " \t;");

	for (size_t i = 0; i < ARRAY_SIZE(dot_commands); i++)
		if (strlen(dot_commands[i].name) == n &&
		    !strncmp(dot_commands[i].name, line + 1, n))
			return &dot_commands[i];
	return NULL;
}

static struct err *run_dot_command(struct shell *sh, const char *line)
{
	const struct dot_command *command = dot_command_of(line);
	size_t n = strcspn(line, " \t;");
	_free_ char *arg = strdup(line + n + strspn(line + n, " \t;"));
	struct sheet sheet;
	struct err *err;

	if (!arg)
		return &err_nomem;
	if (!command)
		return err_new(ERR_USAGE, "no such command: %s (.help lists them)", line);
	for (size_t end = strlen(arg); end && strchr(" \t;", arg[end - 1]);)
		arg[--end] = '\0';
	if (command->prints_nothing)
		return command->run(sh, arg, sh->terminal.out);
	sheet = sheet_open(&sh->terminal);
	err = command->run(sh, arg, sheet.out);
	sheet_close(&sheet);
	return err;
}

/* ---- completion */

/* Dot commands, in the place of tables and columns. */
static const char **complete_dot(const char *typed, size_t n, size_t *ret_n)
{
	const char **names = calloc(ARRAY_SIZE(dot_commands), sizeof(*names));

	*ret_n = 0;
	for (size_t i = 0; names && i < ARRAY_SIZE(dot_commands); i++)
		if (!strncmp(dot_commands[i].name, typed, n))
			names[(*ret_n)++] = dot_commands[i].name;
	return names;
}

static const char **complete_line(void *arg, const char *line, size_t start, size_t end,
				  size_t *ret_n)
{
	struct shell *sh = arg;
	static const char schema[] = ".schema ";
	_cleanup_(text_fini) struct text t = TEXT_INIT;
	size_t before;

	if (*line == '.' && !sh->pending.n) {
		if (start == 1)
			return complete_dot(line + 1, end - 1, ret_n);
		if (strncmp(line, schema, strlen(schema)) != 0)
			return NULL;
		text_add(&t, "from ");
	}
	text_add(&t, text_str(&sh->pending));
	before = t.n;
	text_add(&t, line);
	return t.bad ? NULL :
		       query_complete(sh->query, text_str(&t), before + start, before + end, ret_n);
}

static void interrupt(void *arg)
{
	struct shell *sh = arg;

	query_interrupt(sh->query);
}

/* ---- statements */

static struct err *run_statement(struct shell *sh, const char *sql)
{
	struct sheet sheet = sheet_open(&sh->terminal);
	struct query_sink *sink = print_rows(sh->format, sheet.out);
	struct err *err = sink ? query_run(sh->query, sql, sink) : &err_nomem;

	free_rows(sink);
	if (sheet.is_pager && err && err->kind == ERR_OS) { /* left before the last row */
		err_free(err);
		err = NULL;
	}
	sheet_close(&sheet);
	return err;
}

/* Whether no statement has begun: blanks and whole comments. */
static bool is_blank(const char *s)
{
	for (;;) {
		const char *end;

		s += strspn(s, " \t\r\n");
		if (!strncmp(s, "--", 2)) {
			s += strcspn(s, "\n");
		} else if (!strncmp(s, "/*", 2)) {
			end = strstr(s + 2, "*/");
			if (!end)
				return false;
			s = end + 2;
		} else {
			return !*s;
		}
	}
}

/*
 * A line that begins with a dot is a command where no statement has begun, as in sqlite3's shell;
 * later it belongs to the statement.  Who types a command there has forgotten the semicolon.
 */
static bool is_misplaced(struct shell *sh, const char *line)
{
	if (!sh->terminal.is_tty || *line != '.' || !dot_command_of(line))
		return false;
	fprintf(stderr,
		"heapfx: .%s was not run, a statement is not ended: ; runs it, Ctrl-C drops it\n",
		dot_command_of(line)->name);
	return true;
}

/* One line more: a dot command, or a statement once it is whole. */
static struct err *take_line(struct shell *sh, const char *line)
{
	const char *word = line + strspn(line, " \t");
	struct text *pending = &sh->pending;
	struct err *err;

	if (!pending->n && *word == '.') {
		terminal_remember(&sh->terminal, word);
		return run_dot_command(sh, word);
	}
	if (pending->n && is_misplaced(sh, word))
		return NULL;
	text_add(pending, line);
	text_add(pending, "\n");
	if (pending->bad)
		return &err_nomem;
	if (is_blank(text_str(pending)))
		text_reset(pending);
	if (!query_is_complete(text_str(pending)))
		return NULL;
	terminal_remember(&sh->terminal, text_str(pending));
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
	struct err *err = NULL;

	while (!sh->quit && !err) {
		_free_ char *line =
			terminal_line(&sh->terminal, sh->pending.n ? "   ...> " : "heapfx> ");

		if (!line && terminal_was_interrupted(&sh->terminal)) {
			text_reset(&sh->pending);
			continue;
		}
		if (!line)
			break;
		err = take_line(sh, line);
		if (err && sh->terminal.is_tty) {
			text_reset(&sh->pending);
			tell(err);
			err = NULL;
		}
	}
	/* What was not ended with a semicolon is still meant. */
	if (!err && sh->pending.n)
		err = run_statement(sh, text_str(&sh->pending));
	return err;
}

struct err *sql_shell(struct run *run, struct query *query, const char *format, FILE *out)
{
	struct shell sh = {
		.run = run,
		.query = query,
		.format = "text",
		.terminal = {
			.out = out,
			.is_tty = isatty(STDIN_FILENO) && isatty(fileno(out)),
			.interrupt = interrupt,
			.complete = complete_line,
			.arg = &sh,
		},
		.pending = TEXT_INIT,
	};
	struct err *err = set_format(&sh, format, out);

	if (err)
		return err;
	terminal_start(&sh.terminal);
	if (sh.terminal.is_tty)
		fputs("SQL over the dump; .help for help, .tables for tables\n", out);
	err = read_all(&sh);
	terminal_end(&sh.terminal);
	text_fini(&sh.pending);
	return err;
}
