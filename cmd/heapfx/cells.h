/* cells.h - one value of a row as JSON, CSV or text writes it, escaped: names are the dump's. */
#ifndef HEAPFX_CMD_CELLS_H
#define HEAPFX_CMD_CELLS_H

#include <stdio.h>

#include "base/text.h"
#include "query/query.h"

enum cell_style { CELLS_JSON, CELLS_CSV };
/* "..." with quotes as JSON (\") or CSV ("") wants them. */
void add_quoted(struct text *t, const char *s, enum cell_style style);

/* A sink that prints rows as "text", "json", "jsonl" or "csv"; NULL: out of memory. */
struct query_sink *print_rows(const char *format, FILE *out);
void free_rows(struct query_sink *sink); /* NULL is fine */

#endif
