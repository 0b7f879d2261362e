/*
 * type/rule_text.h - the small language of --pool-layout and --count-rules: a key and its values on
 * each line, `#` before what is not read.
 */
#ifndef HEAPFX_TYPE_RULE_TEXT_H
#define HEAPFX_TYPE_RULE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	RULE_TEXT_MAX = 64 << 10, /* bytes of a text */
	RULE_LINE_MAX = 256,	  /* of a line, with a NUL */
	RULE_WORDS_MAX = 16,	  /* on a line */
};

/* One line; v[0] is the key. */
struct rule_line {
	const char *file;
	unsigned no; /* of the line, from 1 */
	char *v[RULE_WORDS_MAX];
	unsigned n; /* at least 1 */
};

/* Calls fn for each line that says something, until it fails.  ERR_USAGE names file and line. */
struct err *rule_text_each(const char *file, const char *text, size_t n,
			   struct err *(*fn)(void *arg, const struct rule_line *line),
			   void *arg) MUST_CHECK;
/* ERR_USAGE: "FILE:LINE: what: arg"; `arg` may be "". */
struct err *rule_wrong(const char *file, unsigned line, const char *what, const char *arg);
/* Decimal or 0x; false: it is none. */
bool rule_number(const char *s, uint64_t *ret);
/* Words [from, to) with a blank between each two; `ret` has room for RULE_LINE_MAX bytes. */
void rule_join(const struct rule_line *line, unsigned from, unsigned to, char *ret);

#endif
