/*
 * terminal.c - libedit and its history, Ctrl-C, the pager.
 */
#include "terminal.h"

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
#include "base/text.h"

enum { HISTORY_MAX = 1000 };

/* What libedit's callbacks and the signal handler look at: they take no argument of ours. */
static struct terminal *current;

/* ---- Ctrl-C: drops what is typed, or ends the statement that runs */

static volatile sig_atomic_t n_interrupts;

static void on_interrupt(int sig)
{
	if (n_interrupts++) { /* what runs does not look: end as anybody would */
		signal(sig, SIG_DFL);
		raise(sig);
	} else {
		current->interrupt(current->arg);
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
static int lock_history(const struct terminal *t)
{
	int fd =
		t->history ? open(t->history, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;

	if (fd >= 0)
		(void)flock(fd, LOCK_EX); /* where files cannot be locked a line may be lost */
	return fd;
}

static void load_history(const struct terminal *t)
{
	_close_ int fd = lock_history(t);

	using_history();
	stifle_history(HISTORY_MAX);
	if (fd >= 0)
		read_history(t->history);
}

/*
 * Kept at once, behind what others added (libedit's append_history() repeats the line before): a
 * terminal may be closed.  As one line, which can be edited; a comment ends with its own.
 */
void terminal_remember(const struct terminal *t, const char *typed)
{
	_free_ char *line = strdup(typed);
	size_t n = line ? strlen(line) : 0;
	_close_ int fd = -1;

	if (!t->is_tty || !line)
		return;
	while (n && strchr(" \t\n", line[n - 1]))
		line[--n] = '\0';
	for (char *p = line; *p && !strstr(line, "--"); p++)
		if (*p == '\n')
			*p = ' ';
	fd = lock_history(t);
	if (fd >= 0) {
		clear_history();
		read_history(t->history);
	}
	add_history(line);
	if (fd >= 0)
		write_history(t->history);
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

static char **complete(const char *text, int start, int end)
{
	rl_attempted_completion_over = 1;
	free(offered);
	n_offered = 0;
	offered = current->complete(current->arg, rl_line_buffer, (size_t)start, (size_t)end,
				    &n_offered);
	return offered && n_offered ? rl_completion_matches(text, next_name) : NULL;
}

/* ---- output: a pager on a terminal */

#define DEFAULT_PAGER "if command -v less >/dev/null; then exec less; else exec cat; fi"

struct sheet sheet_open(const struct terminal *t)
{
	const char *pager = getenv("PAGER");
	struct sheet s = { t->out, false };

	if (!t->is_tty || (pager && !*pager))
		return s;
	setenv("LESS", "FRSX", 0);
	s.out = popen(pager ? pager : DEFAULT_PAGER, "w");
	s.is_pager = s.out != NULL;
	return s.is_pager ? s : (struct sheet){ t->out, false };
}

void sheet_close(struct sheet *s)
{
	if (!s->is_pager) {
		fflush(s->out);
		return;
	}
	take_interrupts(SIG_IGN, 0); /* the reader's Ctrl-C is the pager's */
	pclose(s->out);
	take_interrupts(on_interrupt, SA_RESTART);
}

/* ---- lines */

char *terminal_line(struct terminal *t, const char *prompt)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	if (t->is_tty) {
		n_interrupts = 0;
		take_interrupts(on_interrupt, 0);
		line = readline(prompt);
		take_interrupts(on_interrupt, SA_RESTART);
		if (line)
			n_interrupts = 0;
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

bool terminal_was_interrupted(struct terminal *t)
{
	if (!t->is_tty)
		return false;
	fputs("\n", t->out); /* the prompt's line ends */
	return n_interrupts != 0;
}

/* ---- life */

void terminal_start(struct terminal *t)
{
	if (!t->is_tty)
		return;
	signal(SIGPIPE, SIG_IGN); /* a pager may be left early */
	current = t;
	take_interrupts(on_interrupt, SA_RESTART);
	rl_readline_name = "heapfx";
	rl_basic_word_break_characters = " \t\n\"'`()[]<>=!+-*/%,;|&~.";
	rl_attempted_completion_function = complete;
	t->history = history_path();
	load_history(t);
}

void terminal_end(struct terminal *t)
{
	if (!t->is_tty)
		return;
	take_interrupts(SIG_DFL, 0);
	free(offered);
	offered = NULL;
	free(t->history);
	current = NULL;
}
