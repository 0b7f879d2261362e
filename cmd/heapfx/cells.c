/* cells.c - rows of a query on a stream. */
#include "cells.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/vec.h"

enum { ROWS_AHEAD = 500 }; /* rows of a text table that are seen before its widths are settled */

void add_quoted(struct text *t, const char *s, enum cell_style style)
{
	struct text safe = TEXT_INIT;

	text_add_escaped(&safe, s, strlen(s));
	text_add(t, "\"");
	for (const char *p = text_str(&safe); *p; p++) {
		if (*p == '"')
			text_add(t, style == CELLS_CSV ? "\"\"" : "\\\"");
		else if (*p == '\\' && style == CELLS_JSON)
			text_add(t, "\\\\");
		else
			text_add_n(t, p, 1);
	}
	text_add(t, "\"");
	t->bad |= safe.bad;
	text_fini(&safe);
}

enum rows_format { ROWS_TEXT, ROWS_JSON, ROWS_JSONL, ROWS_CSV };

struct rows {
	struct query_sink sink; /* first */
	FILE *out;
	enum rows_format format;
	char **names;
	size_t n_columns;
	uint64_t n_rows;
	struct text line, *cells; /* cells: of the rows ahead; n_ahead * n_columns */
	bool *is_number;	  /* of the rows ahead */
	size_t n_ahead;
	bool is_settled;
	unsigned *widths;
};

static struct rows *rows_of(struct query_sink *sink)
{
	return (struct rows *)sink;
}

static unsigned columns_of(const char *s)
{
	unsigned n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

static void add_value(struct text *t, const struct query_value *v, enum rows_format format)
{
	bool quoted = format != ROWS_TEXT;

	switch (v->kind) {
	case QUERY_NULL:
		text_add(t, format == ROWS_JSON || format == ROWS_JSONL ? "null" : "");
		break;
	case QUERY_INT:
		text_printf(t, "%" PRId64, v->i);
		break;
	case QUERY_REAL:
		text_printf(t, "%.15g", v->d);
		break;
	case QUERY_ADDRESS:
		text_printf(t, quoted && format != ROWS_CSV ? "\"0x%" PRIx64 "\"" : "0x%" PRIx64,
			    v->address);
		break;
	case QUERY_TEXT:
		if (!quoted)
			text_add_escaped(t, v->text, strlen(v->text));
		else
			add_quoted(t, v->text, format == ROWS_CSV ? CELLS_CSV : CELLS_JSON);
		break;
	}
}

static struct err *put_line(struct rows *r)
{
	if (r->line.bad)
		return &err_nomem;
	if (fputs(text_str(&r->line), r->out) < 0)
		return err_os(errno, "writing rows");
	text_reset(&r->line);
	return NULL;
}

/* ---- JSON, JSON Lines, CSV */

static struct err *object_row(struct rows *r, const struct query_value *values)
{
	if (r->format == ROWS_JSON)
		text_add(&r->line, r->n_rows ? ",\n " : " ");
	text_add(&r->line, "{");
	for (size_t i = 0; i < r->n_columns; i++) {
		text_add(&r->line, i ? "," : "");
		add_quoted(&r->line, r->names[i], CELLS_JSON);
		text_add(&r->line, ":");
		add_value(&r->line, &values[i], r->format);
	}
	text_add(&r->line, r->format == ROWS_JSON ? "}" : "}\n");
	return put_line(r);
}

static struct err *csv_row(struct rows *r, const struct query_value *values)
{
	for (size_t i = 0; i < r->n_columns; i++) {
		text_add(&r->line, i ? "," : "");
		add_value(&r->line, &values[i], r->format);
	}
	text_add(&r->line, "\n");
	return put_line(r);
}

static struct err *csv_head(struct rows *r)
{
	for (size_t i = 0; i < r->n_columns; i++) {
		text_add(&r->line, i ? "," : "");
		add_quoted(&r->line, r->names[i], CELLS_CSV);
	}
	text_add(&r->line, "\n");
	return put_line(r);
}

/* ---- text: aligned, as wide as the first rows need */

static void pad(struct text *t, const char *s, unsigned width, bool right, bool is_last)
{
	unsigned used = columns_of(s);

	for (unsigned n = used; right && n < width; n++)
		text_add(t, " ");
	text_add(t, s);
	for (unsigned n = used; !right && !is_last && n < width; n++)
		text_add(t, " ");
}

static struct err *text_row(struct rows *r, const struct text *cells, const bool *is_number)
{
	for (size_t i = 0; i < r->n_columns; i++) {
		text_add(&r->line, i ? "  " : "");
		pad(&r->line, text_str(&cells[i]), r->widths[i], is_number[i],
		    i + 1 == r->n_columns);
	}
	text_add(&r->line, "\n");
	return put_line(r);
}

static struct err *settle(struct rows *r)
{
	struct err *err;

	r->is_settled = true;
	for (size_t i = 0; i < r->n_columns; i++) {
		bool numbers = r->n_ahead && r->is_number[i];

		r->widths[i] = columns_of(r->names[i]);
		for (size_t k = 0; k < r->n_ahead; k++) {
			unsigned w = columns_of(text_str(&r->cells[k * r->n_columns + i]));

			r->widths[i] = w > r->widths[i] ? w : r->widths[i];
		}
		text_add(&r->line, i ? "  " : "");
		pad(&r->line, r->names[i], r->widths[i], numbers, i + 1 == r->n_columns);
	}
	text_add(&r->line, "\n");
	err = put_line(r);
	for (size_t k = 0; k < r->n_ahead && !err; k++)
		err = text_row(r, &r->cells[k * r->n_columns], &r->is_number[k * r->n_columns]);
	return err;
}

static struct err *text_values(struct rows *r, const struct query_value *values)
{
	size_t at = r->is_settled ? 0 : r->n_ahead++ * r->n_columns;
	struct err *err = NULL;

	for (size_t i = 0; i < r->n_columns; i++) {
		text_reset(&r->cells[at + i]);
		add_value(&r->cells[at + i], &values[i], ROWS_TEXT);
		r->is_number[at + i] = values[i].kind == QUERY_INT || values[i].kind == QUERY_REAL;
		if (r->cells[at + i].bad)
			return &err_nomem;
	}
	if (r->is_settled)
		err = text_row(r, r->cells, r->is_number);
	else if (r->n_ahead == ROWS_AHEAD)
		err = settle(r);
	return err;
}

/* ---- the sink */

static void drop(struct rows *r)
{
	for (size_t i = 0; r->cells && i < ROWS_AHEAD * r->n_columns; i++)
		text_fini(&r->cells[i]);
	for (size_t i = 0; r->names && i < r->n_columns; i++)
		free(r->names[i]);
	free(r->names);
	free(r->cells);
	free(r->is_number);
	free(r->widths);
	r->names = NULL;
	r->cells = NULL;
	r->is_number = NULL;
	r->widths = NULL;
	r->n_ahead = 0;
	r->n_rows = 0;
	r->is_settled = false;
}

static struct err *rows_begin(struct query_sink *sink, const char *const *columns, size_t n)
{
	struct rows *r = rows_of(sink);

	drop(r);
	r->n_columns = n;
	r->names = calloc(n, sizeof(*r->names));
	if (!r->names)
		return &err_nomem;
	for (size_t i = 0; i < n; i++) {
		struct text safe = TEXT_INIT;

		text_add_escaped(&safe, columns[i], strlen(columns[i]));
		r->names[i] = strdup(text_str(&safe));
		text_fini(&safe);
		if (!r->names[i])
			return &err_nomem;
	}
	if (r->format == ROWS_CSV)
		return csv_head(r);
	if (r->format == ROWS_JSON)
		fputs("[\n", r->out);
	if (r->format != ROWS_TEXT)
		return NULL;
	r->cells = calloc(ROWS_AHEAD * n, sizeof(*r->cells));
	r->is_number = calloc(ROWS_AHEAD * n, sizeof(*r->is_number));
	r->widths = calloc(n, sizeof(*r->widths));
	if (!r->cells || !r->is_number || !r->widths)
		return &err_nomem;
	for (size_t i = 0; i < ROWS_AHEAD * n; i++)
		r->cells[i] = (struct text)TEXT_INIT;
	return NULL;
}

static struct err *rows_row(struct query_sink *sink, const struct query_value *values, size_t n)
{
	struct rows *r = rows_of(sink);
	struct err *err;

	(void)n;
	if (r->format == ROWS_TEXT)
		err = text_values(r, values);
	else if (r->format == ROWS_CSV)
		err = csv_row(r, values);
	else
		err = object_row(r, values);
	r->n_rows++;
	return err;
}

static struct err *rows_end(struct query_sink *sink)
{
	struct rows *r = rows_of(sink);

	if (r->format == ROWS_JSON)
		fputs(r->n_rows ? "\n]\n" : "]\n", r->out);
	return r->format == ROWS_TEXT && !r->is_settled ? settle(r) : NULL;
}

struct query_sink *print_rows(const char *format, FILE *out)
{
	struct rows *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->sink = (struct query_sink){ rows_begin, rows_row, rows_end };
	r->line = (struct text)TEXT_INIT;
	r->out = out;
	r->format = !strcmp(format, "json")  ? ROWS_JSON :
		    !strcmp(format, "jsonl") ? ROWS_JSONL :
		    !strcmp(format, "csv")   ? ROWS_CSV :
					       ROWS_TEXT;
	return &r->sink;
}

void free_rows(struct query_sink *sink)
{
	if (!sink)
		return;
	drop(rows_of(sink));
	text_fini(&rows_of(sink)->line);
	free(sink);
}
