/* gate/words.c - lines of words: blanks, double quotes, comments; every breach names its line. */
#include "gate/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"

struct words words_of(const char *path, const void *bytes, size_t n, struct arena *mem)
{
	const char *s = bytes;

	return (struct words){ .path = path, .pos = s, .end = s + n, .mem = mem };
}

struct err *words_err(const struct words *w, const char *fmt, ...)
{
	_free_ char *what = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&what, fmt, args) < 0)
		what = NULL;
	va_end(args);
	return what ? err_new(ERR_USAGE, "%s:%u: %s", w->path, w->line, what) : &err_nomem;
}

static struct err *add_word(struct words *w, const char *s, size_t n)
{
	if (w->n == WORDS_MAX)
		return words_err(w, "more than %d words", WORDS_MAX);
	w->v[w->n] = arena_strndup(w->mem, s, n);
	return w->v[w->n++] ? NULL : &err_nomem;
}

/* From behind the opening quote to the closing one. */
static struct err *read_quoted(struct words *w)
{
	char word[WORD_BYTES_MAX];
	size_t n = 0;

	while (w->pos < w->end && *w->pos != '\n' && *w->pos != '"') {
		if (*w->pos == '\\' && w->end - w->pos > 1 &&
		    (w->pos[1] == '"' || w->pos[1] == '\\'))
			w->pos++;
		if (n == sizeof(word))
			return words_err(w, "a word of more than %d bytes", WORD_BYTES_MAX);
		word[n++] = *w->pos++;
	}
	if (w->pos == w->end || *w->pos != '"')
		return words_err(w, "a quote that does not end on its line");
	w->pos++;
	return add_word(w, word, n);
}

static struct err *read_plain(struct words *w)
{
	const char *start = w->pos;

	while (w->pos < w->end && !strchr(" \t\r\n\"#", *w->pos))
		w->pos++;
	if (w->pos - start > WORD_BYTES_MAX)
		return words_err(w, "a word of more than %d bytes", WORD_BYTES_MAX);
	return add_word(w, start, (size_t)(w->pos - start));
}

static struct err *read_line(struct words *w)
{
	struct err *err = NULL;

	w->n = 0;
	if (++w->line > LINES_MAX)
		return words_err(w, "more than %d lines", LINES_MAX);
	while (w->pos < w->end && *w->pos != '\n' && !err) {
		if (!*w->pos)
			err = words_err(w, "a zero byte: this is no text");
		else if (strchr(" \t\r", *w->pos))
			w->pos++;
		else if (*w->pos == '#')
			while (w->pos < w->end && *w->pos != '\n')
				w->pos++;
		else if (*w->pos == '"' && ++w->pos)
			err = read_quoted(w);
		else
			err = read_plain(w);
	}
	if (w->pos < w->end)
		w->pos++;
	return err;
}

struct err *words_next(struct words *w)
{
	struct err *err = NULL;

	w->n = 0;
	while (!err && !w->n && w->pos < w->end)
		err = read_line(w);
	return err;
}
