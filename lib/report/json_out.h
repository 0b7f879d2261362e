/*
 * report/json_out.h - JSON on a stream, value by value, for every writer that makes some.
 *
 * Keys are literals (NULL in a list, whose values have no names); texts are bytes of a dump and are
 * escaped.  A failure is remembered and answered once, by json_close().
 */
#ifndef HEAPFX_REPORT_JSON_OUT_H
#define HEAPFX_REPORT_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

enum { JSON_TEXT_MAX = 1 << 16 };

struct json;
enum json_layout { JSON_PLAIN, JSON_INDENTED };
struct err *json_open(FILE *out, enum json_layout layout, struct json **ret) MUST_CHECK;
struct err *json_close(struct json *j, const char *what) MUST_CHECK; /* "writing <what>": ... */

void json_map(struct json *j, const char *key);
void json_end_map(struct json *j);
void json_list(struct json *j, const char *key);
void json_end_list(struct json *j);
/* NULL: unknown, left out; of more than JSON_TEXT_MAX bytes no more than these, and "…" */
void json_text(struct json *j, const char *key, const char *s);
void json_short(struct json *j, const char *key, const char *s, size_t max); /* the same */
void json_plain(struct json *j, const char *key, const char *s); /* that is escaped already */
void json_uint(struct json *j, const char *key, uint64_t n);
void json_int(struct json *j, const char *key, int64_t n);
void json_bool(struct json *j, const char *key, bool b);
void json_ratio(struct json *j, const char *key, double d); /* to four places */
void json_addr(struct json *j, const char *key, uint64_t addr); /* "0x7f10" */

#endif
