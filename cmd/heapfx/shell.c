/* shell.c - `heapfx sql` without a query: statements and dot commands, a line at a time. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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
	char *history; /* the file; NULL: none is kept */
	bool is_tty;
	bool quit;
	struct text pending; /* of a statement that is not ended */
};

/* What libedit's callbacks and the signal handler look at: they take no argument of ours. */
static struct shell *current;

/* ---- Ctrl-C: drops what is typed, or ends the statement that runs */

static volatile sig_atomic_t n_interrupts;

static void on_interrupt(int sig)
{
	if (n_interrupts++) { /* what runs does not look: end as anybody would */
		signal(sig, SIG_DFL);
		raise(sig);
	} else {
		query_interrupt(current->query);
	}
}

/* Flags: SA_RESTART, or 0 while a line is read, which ends too; rows are written to their end. */
static void take_interrupts(void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
}

/* ---- history: $XDG_STATE_HOME/heapfx/sql_history; NULL where there is no home */

/* Its folders are made, for their owner alone; a home that is not there is not. */
static char *history_path(void)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	_free_ char *local = NULL, *base = NULL, *dir = NULL;

	if (state && *state == '/') {
		base = strdup(state);
	} else if (home && *home == '/') {
		local = text_format("%s/.local", home);
		base = text_format("%s/.local/state", home);
	}
	dir = base ? text_format("%s/heapfx", base) : NULL;
	if (!dir)
		return NULL;
	if (local)
		(void)mkdir(local, 0700); /* what cannot be made is seen by the last */
	(void)mkdir(base, 0700);
	if (mkdir(dir, 0700) && errno != EEXIST)
		return NULL;
	return text_format("%s/sql_history", dir);
}

/* For the time of reading or writing: other shells have the same file. -1: there is none. */
static int lock_history(const struct shell *sh)
{
	int fd = sh->history ? open(sh->history, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) :
			       -1;

	if (fd >= 0)
		(void)flock(fd, LOCK_EX); /* where files cannot be locked a line may be lost */
	return fd;
}

static void load_history(struct shell *sh)
{
	_close_ int fd = lock_history(sh);

	using_history();
	stifle_history(HISTORY_MAX);
	if (fd >= 0)
		read_history(sh->history);
}

/*
 * Kept at once, behind what others added (libedit's append_history() repeats the line before): a
 * terminal may be closed.  As one line, which can be edited; a comment ends with its own.
 */
static void remember(struct shell *sh, const char *typed)
{
	_free_ char *line = strdup(typed);
	size_t n = line ? strlen(line) : 0;
	_close_ int fd = -1;

	if (!sh->is_tty || !line)
		return;
	while (n && strchr(" \t\n", line[n - 1]))
		line[--n] = '\0';
	for (char *p = line; *p && !strstr(line, "--"); p++)
		if (*p == '\n')
			*p = ' ';
	fd = lock_history(sh);
	if (fd >= 0) {
		clear_history();
		read_history(sh->history);
	}
	add_history(line);
	if (fd >= 0)
		write_history(sh->history);
}

/* ---- output: a pager on a terminal */

#define DEFAULT_PAGER "if command -v less >/dev/null; then exec less; else exec cat; fi"

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
	setenv("LESS", "FRSX", 0);
	s.out = popen(pager ? pager : DEFAULT_PAGER, "w");
	s.is_pager = s.out != NULL;
	return s.is_pager ? s : (struct sheet){ sh->out, false };
}

static void close_sheet(struct sheet *s)
{
	if (!s->is_pager) {
		fflush(s->out);
		return;
	}
	take_interrupts(SIG_IGN, 0); /* the reader's Ctrl-C is the pager's */
	pclose(s->out);
	take_interrupts(on_interrupt, SA_RESTART);
}

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
		return command->run(sh, arg, sh->out);
	sheet = open_sheet(sh);
	err = command->run(sh, arg, sheet.out);
	close_sheet(&sheet);
	return err;
}

/* ---- completion */

static const char **offered;
static size_t n_offered, next_offered;

static char *next_name(const char *start, int state)
{
	(void)start;
	if (!state)
		next_offered = 0;
	return next_offered < n_offered ? strdup(offered[next_offered++]) : NULL;
}

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

static const char **complete_line(struct shell *sh, size_t start, size_t end, size_t *ret_n)
{
	static const char schema[] = ".schema ";
	_cleanup_(text_fini) struct text t = TEXT_INIT;
	size_t before;

	if (*rl_line_buffer == '.' && !sh->pending.n) {
		if (start == 1)
			return complete_dot(rl_line_buffer + 1, end - 1, ret_n);
		if (strncmp(rl_line_buffer, schema, strlen(schema)) != 0)
			return NULL;
		text_add(&t, "from ");
	}
	text_add(&t, text_str(&sh->pending));
	before = t.n;
	text_add(&t, rl_line_buffer);
	return t.bad ? NULL :
		       query_complete(sh->query, text_str(&t), before + start, before + end, ret_n);
}

static char **complete(const char *text, int start, int end)
{
	rl_attempted_completion_over = 1;
	free(offered);
	n_offered = 0;
	offered = complete_line(current, (size_t)start, (size_t)end, &n_offered);
	return offered && n_offered ? rl_completion_matches(text, next_name) : NULL;
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

/* The next line without its end, malloc'd; NULL at the end of input, and when it is interrupted. */
static char *read_input(struct shell *sh)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	if (sh->is_tty) {
		n_interrupts = 0;
		take_interrupts(on_interrupt, 0);
		line = readline(sh->pending.n ? "   ...> " : "heapfx> ");
		take_interrupts(on_interrupt, SA_RESTART);
		return line;
	}
	n = getline(&line, &cap, stdin);
	if (n < 0) {
		free(line);
		return NULL;
	}
	if (n && line[n - 1] == '\n')
		line[n - 1] = '\0';
	return line;
}

/*
 * A line that begins with a dot is a command where no statement has begun, as in sqlite3's shell;
 * later it belongs to the statement.  Who types a command there has forgotten the semicolon.
 */
static bool is_misplaced(struct shell *sh, const char *line)
{
	if (!sh->is_tty || *line != '.' || !dot_command_of(line))
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
		remember(sh, word);
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
	remember(sh, text_str(pending));
	err = run_statement(sh, text_str(pending));
	text_reset(pending);
	return err;
}

static void tell(struct err *err)
{
	(void)cli_fail(err);
}

/* Whether there may be another line: Ctrl-C gave up this one. */
static bool was_interrupted(struct shell *sh)
{
	if (!sh->is_tty)
		return false;
	fputs("\n", sh->out); /* the prompt's line ends */
	if (!n_interrupts)
		return false;
	text_reset(&sh->pending);
	return true;
}

static struct err *read_all(struct shell *sh)
{
	struct err *err = NULL;

	while (!sh->quit && !err) {
		_free_ char *line = read_input(sh);

		if (!line && was_interrupted(sh))
			continue;
		if (!line)
			break;
		n_interrupts = 0;
		err = take_line(sh, line);
		if (err && sh->is_tty) {
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

static void start_terminal(struct shell *sh)
{
	signal(SIGPIPE, SIG_IGN); /* a pager may be left early */
	current = sh;
	take_interrupts(on_interrupt, SA_RESTART);
	rl_readline_name = "heapfx";
	rl_basic_word_break_characters = " \t\n\"'`()[]<>=!+-*/%,;|&~.";
	rl_attempted_completion_function = complete;
	sh->history = history_path();
	load_history(sh);
	fputs("SQL over the dump; .help for help, .tables for tables\n", sh->out);
}

static void end_terminal(struct shell *sh)
{
	take_interrupts(SIG_DFL, 0);
	free(offered);
	offered = NULL;
	free(sh->history);
	current = NULL;
}

struct err *sql_shell(struct run *run, struct query *query, const char *format, FILE *out)
{
	struct shell sh = { .run = run,
			    .query = query,
			    .format = "text",
			    .out = out,
			    .pending = TEXT_INIT,
			    .is_tty = isatty(STDIN_FILENO) && isatty(fileno(out)) };
	struct err *err = set_format(&sh, format, out);

	if (err)
		return err;
	if (sh.is_tty)
		start_terminal(&sh);
	err = read_all(&sh);
	if (sh.is_tty)
		end_terminal(&sh);
	text_fini(&sh.pending);
	return err;
}
