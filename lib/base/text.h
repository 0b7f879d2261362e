/*
 * base/text.h - text that grows, is born with a limit, and can hold hostile bytes safely.
 *
 * Sticky failure: after an allocation fails or the limit is hit, appends do nothing and
 * `bad` stays set; text_str() always answers a terminated string.
 */
#ifndef HEAPFX_BASE_TEXT_H
#define HEAPFX_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct text {
	char *s; /* NULL until the first append */
	size_t n, cap, max;
	bool bad;
};

enum { TEXT_MAX = 1 << 20 };

#define TEXT_INIT { .max = TEXT_MAX }

void text_fini(struct text *t);
void text_reset(struct text *t); /* empty again, memory kept */
void text_cut(struct text *t, size_t n); /* to its first n bytes */
const char *text_str(const struct text *t);
void text_add(struct text *t, const char *s);
void text_add_n(struct text *t, const char *s, size_t n);
void text_printf(struct text *t, const char *fmt, ...) PRINTF(2, 3);

/*
 * Bytes from a dump, for a terminal or a text file: valid printable UTF-8 stays, everything
 * else (controls, escapes, bidi overrides, what is not seen, invalid bytes) becomes \xNN or
 * \u{NNNN}, a backslash two.  What was escaped already stays as it is: readers of names escape
 * them, and so does what writes them.
 */
void text_add_escaped(struct text *t, const char *s, size_t n);
/* The same, with backslashes as they are: what is a command's words already. */
void text_add_printable(struct text *t, const char *s, size_t n);

/* "412 B", "3.2 KiB", "96.0 MiB", "1.31 GiB" */
void text_add_bytes(struct text *t, uint64_t n);
/* "1,234,567" */
void text_add_count(struct text *t, uint64_t n);
/* "350 ms", "41 s", "3 min", "2 h 5 min", "3 days 4 h": rounded down */
void text_add_duration(struct text *t, uint64_t ns);
/* malloc'd; NULL if out of memory */
char *text_format(const char *fmt, ...) PRINTF(1, 2);
/* Whether `s` is what the pattern says: `*` for any bytes, `?` for one, others for themselves. */
bool text_matches(const char *pattern, const char *s);
/* Whether `s` begins with `word` and a blank. */
bool text_begins(const char *s, const char *word);
/* "512M", "4G", "123", "1.5GiB" -> bytes; false if it is not a size. */
bool text_parse_size(const char *s, uint64_t *ret);

#endif
