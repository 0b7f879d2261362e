/*
 * terminal.h - lines of a person at a terminal: edited, kept for the next time, completed; Ctrl-C;
 * a pager for what is long.  Where it is none, lines of a stream.
 */
#ifndef HEAPFX_CMD_TERMINAL_H
#define HEAPFX_CMD_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct terminal {
	FILE *out;
	bool is_tty; /* both ends are one */
	/* Ctrl-C while something runs; called by a signal handler.  A second one ends heapfx. */
	void (*interrupt)(void *arg);
	/*
	 * Names for the word [start, end) of a line; a malloc'd array of strings that are borrowed
	 * until the next call, NULL: none.
	 */
	const char **(*complete)(void *arg, const char *line, size_t start, size_t end,
				 size_t *ret_n);
	void *arg;
	char *history; /* the file; NULL: none is kept */
};

/* One at a time: libedit and the signal handler have no argument of ours. */
void terminal_start(struct terminal *t);
void terminal_end(struct terminal *t);
/* The next line without its end, malloc'd; NULL at the end of input, and when it is interrupted. */
char *terminal_line(struct terminal *t, const char *prompt);
/* Of a NULL: whether there may be another line, for Ctrl-C gave up this one. */
bool terminal_was_interrupted(struct terminal *t);
/* Keeps what was typed for the next time. */
void terminal_remember(const struct terminal *t, const char *typed);

/* Where one answer goes. */
struct sheet {
	FILE *out;
	bool is_pager;
};

struct sheet sheet_open(const struct terminal *t);
void sheet_close(struct sheet *s);

#endif
