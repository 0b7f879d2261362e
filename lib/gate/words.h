/* gate/words.h - a file of lines of words, as budgets and suppressions are written. */
#ifndef HEAPFX_GATE_WORDS_H
#define HEAPFX_GATE_WORDS_H

#include <stddef.h>

#include "base/arena.h"

enum { WORDS_MAX = 24, WORD_BYTES_MAX = 512, LINES_MAX = 10000 };

/* Words are between blanks, or within double quotes, where \" and \\ stand for themselves. */
struct words {
	const char *path; /* for messages; borrowed */
	const char *pos, *end;
	unsigned line;
	const char *v[WORDS_MAX]; /* of the line at hand; in `mem` */
	size_t n;
	struct arena *mem;
};

struct words words_of(const char *path, const void *bytes, size_t n, struct arena *mem);
/* The next line with words on it; n is 0 at the end.  `#` begins a comment. */
struct err *words_next(struct words *w) MUST_CHECK;
/* ERR_USAGE with the place of the line in front. */
struct err *words_err(const struct words *w, const char *fmt, ...) PRINTF(2, 3) MUST_CHECK;

#endif
