/*
 * report/html.h - the parts of the HTML page (html.c puts them together).
 *
 * Names are the dump's: escaped as text first, then for HTML, and cut, so that a page of any dump
 * has a few MB.
 */
#ifndef HEAPFX_REPORT_HTML_H
#define HEAPFX_REPORT_HTML_H

#include "report/report.h"

/* What a page holds; the rest is counted, and the page says so. */
enum {
	HTML_NAME = 200,  /* characters of a name in a table */
	HTML_TITLE = 600, /* of a sentence */
	HTML_WORST = 3, /* suspects that the first screen has in short */
	HTML_SUSPECTS = 200,
	HTML_TYPES = 2000,
	HTML_GROUPS = 400,    /* of goroutines, of threads */
	HTML_HEAPS = 64,
	HTML_ROWS = 300,      /* of any other table */
	HTML_PATHS = 12000,   /* rows of the flame graph by path */
	HTML_NAMES = 1000000, /* bytes of names of all charts together */
};

/* Cells: numbers have their value in data-v, for sorting. */
void html_bytes_cell(FILE *out, uint64_t n);
void html_count_cell(FILE *out, uint64_t n);
void html_name_cell(FILE *out, const char *name); /* NULL: empty */
void html_code_cell(FILE *out, const char *name);
void html_share_cells(FILE *out, uint64_t bytes, uint64_t total); /* percent, and a bar */
/* "<table class=...><thead>": "what|#bytes|#share|": # is a number, and nothing a bar. */
void html_table(FILE *out, const char *classes, const char *heads);
void html_table_end(FILE *out);
/* Bytes, and their part of `of`, where that is known (not 0). */
void html_size_and_part(FILE *out, uint64_t bytes, uint64_t of);
void html_more(FILE *out, size_t all, size_t shown, const char *what); /* "and 12 more types" */

/* html_suspects.c */
void html_suspects(FILE *out, const struct report *r);
/* html_tables.c: sections, each with its heading; nothing where there is nothing to show */
void html_types(FILE *out, const struct report *r);
void html_contents(FILE *out, const struct report *r);
void html_heaps(FILE *out, const struct report *r);
void html_space(FILE *out, const struct report *r);
void html_dominators(FILE *out, const struct report *r);
void html_by_type(FILE *out, const struct report *r);
struct err *html_threads(FILE *out, const struct report *r) MUST_CHECK;
void html_runtime(FILE *out, const struct report *r);
/* html_data.c: what charts are drawn from; the flame graph by path in a table too */
struct err *html_data(FILE *out, const struct report *r) MUST_CHECK;
void html_paths(FILE *out, const struct report *r);

#endif
