/*
 * type/rule_text.c - lines into words, and what is wrong with them in words.
 */
#include "type/rule_text.h"

#include <stdlib.h>
#include <string.h>

struct err *rule_wrong(const char *file, unsigned line, const char *what, const char *arg)
{
	return err_new(ERR_USAGE, "%s:%u: %s%s%s", file, line, what, *arg ? ": " : "", arg);
}

bool rule_number(const char *s, uint64_t *ret)
{
	char *end;

	if (*s < '0' || *s > '9' || strlen(s) > 20)
		return false;
	*ret = strtoull(s, &end, 0);
	return !*end;
}

void rule_join(const struct rule_line *line, unsigned from, unsigned to, char *ret)
{
	*ret = 0;
	for (unsigned i = from; i < to; i++) {
		strcat(ret, i > from ? " " : ""); /* together no longer than the line */
		strcat(ret, line->v[i]);
	}
}

static struct err *on_line(struct rule_line *line, const char *s, size_t len,
			   struct err *(*fn)(void *arg, const struct rule_line *line), void *arg)
{
	char bytes[RULE_LINE_MAX], *rest = bytes;
	const char *comment = memchr(s, '#', len);

	len = comment ? (size_t)(comment - s) : len;
	if (len >= sizeof(bytes))
		return rule_wrong(line->file, line->no, "this line is longer than 255 bytes", "");
	memcpy(bytes, s, len);
	bytes[len] = 0;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)bytes[i] >= 0x7f ||
		    (bytes[i] < ' ' && bytes[i] != '\t' && bytes[i] != '\r'))
			return rule_wrong(line->file, line->no, "this line is not plain text", "");
	line->n = 0;
	for (;;) {
		char *word = strsep(&rest, " \t\r");

		if (!word)
			break;
		if (!*word)
			continue;
		if (line->n == RULE_WORDS_MAX)
			return rule_wrong(line->file, line->no, "this line has too many words",
					  line->v[0]);
		line->v[line->n++] = word;
	}
	return line->n ? fn(arg, line) : NULL;
}

struct err *rule_text_each(const char *file, const char *text, size_t n,
			   struct err *(*fn)(void *arg, const struct rule_line *line), void *arg)
{
	struct rule_line line = { .file = file };
	struct err *err = NULL;

	if (n > RULE_TEXT_MAX)
		return err_new(ERR_USAGE, "%s: a text of more than 64 KiB", file);
	while (n && !err) {
		const char *eol = memchr(text, '\n', n);
		size_t len = eol ? (size_t)(eol - text) : n;

		line.no++;
		err = on_line(&line, text, len, fn, arg);
		len += eol ? 1 : 0;
		text += len;
		n -= len;
	}
	return err;
}
