/* report/put.h - what writers of text formats put on their stream alike. */
#ifndef HEAPFX_REPORT_PUT_H
#define HEAPFX_REPORT_PUT_H

#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

void put_bytes(FILE *out, uint64_t n); /* "64.0 MiB" */
void put_count(FILE *out, uint64_t n); /* "1,024" */
/* For XML and HTML, text or attribute: a name of the dump; text that is escaped already. */
void put_markup(FILE *out, const char *name);
/* The same, of no more than `max` characters and "…". */
void put_name(FILE *out, const char *name, size_t max);
void put_escaped_markup(FILE *out, const char *escaped);
void put_escaped_name(FILE *out, const char *escaped, size_t max);
/* The end of a writer: ERR_OS, "writing <what>", when any of it failed. */
struct err *put_end(FILE *out, const char *what) MUST_CHECK;

#endif
