/* diff/html.c - the comparison as one page that needs nothing else: tables, in light and dark. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "diff/diff.h"
#include "report/put.h"

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	"style-src 'unsafe-inline'\">\n"
	"<meta name=\"viewport\" content=\"width=device-width\"><title>heapfx: what grew</title>\n"
	"<style>:root{color-scheme:light dark}"
	"body{font:15px/1.5 system-ui,sans-serif;max-width:75em;margin:2em auto;padding:0 1em}"
	"table{border-collapse:collapse;width:100%}"
	"td,th{padding:.15em .6em;text-align:right;border-bottom:1px solid #8884;"
	"white-space:nowrap;vertical-align:top}"
	"td:first-child,th:first-child{text-align:left;white-space:normal;"
	"overflow-wrap:anywhere;width:50%}"
	"td.bars{width:14em;min-width:8em;vertical-align:middle}td.bars i{display:block;height:.7em;"
	"min-width:1px;border-radius:1px;background:light-dark(#c8443a,#cf584d)}"
	"td.bars i.less{background:light-dark(#3a8a4d,#5aa56b)}"
	".up{color:light-dark(#b3261e,#ff8a80)}.down{color:light-dark(#1b6e2d,#81c784)}"
	"h1{font-size:1.1em}.verdict{font-size:1.4em;line-height:1.35;font-weight:600;"
	"max-width:50em;overflow-wrap:anywhere}li{overflow-wrap:anywhere}"
	"h2{margin:1.6em 0 .4em;font-size:1.15em}"
	/* a name has a line of its own, what it was and is another */
	"@media(max-width:48em){td.bars,th.bars{display:none}"
	"tr{display:grid;grid-template-columns:repeat(auto-fit,minmax(5.3em,1fr))}"
	"table{font-size:13px}"
	"td,th{padding:.1em .2em;border:0}"
	"td:first-child,th:first-child{grid-column:1/-1;width:auto}"
	"tbody tr{border-bottom:1px solid #8884}}</style></head><body>\n";

static void put_growth(FILE *out, int64_t n)
{
	fprintf(out, "<td class=\"%s\">%s", n > 0 ? "up" : n < 0 ? "down" : "",
		n > 0 ? "+" : n < 0 ? "-" : "");
	put_bytes(out, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
	fputs("</td>", out);
}

static const char *state(const struct diff_row *row, unsigned n)
{
	return !row->at[0].is_there	? "new" :
	       !row->at[n - 1].is_there ? "gone" :
	       row->is_monotone		? "each time" :
					  "";
}

static uint64_t change(const struct diff_row *row)
{
	return row->grown < 0 ? 0 - (uint64_t)row->grown : (uint64_t)row->grown;
}

/* `most`: the largest change of the section. */
static void put_row(FILE *out, const struct diff *d, const struct diff_row *row, uint64_t most)
{
	fputs("<tr><td>", out);
	put_markup(out, row->label);
	fputs("</td>", out);
	for (unsigned i = 0; i < d->n; i++) {
		fputs("<td>", out);
		if (row->at[i].is_there)
			put_bytes(out, row->at[i].bytes);
		fputs("</td>", out);
	}
	put_growth(out, row->grown);
	if (d->rate_hours > 0)
		put_growth(out, (int64_t)((double)row->grown / d->rate_hours));
	fprintf(out, "<td>%s</td><td class=\"bars\"><i%s style=\"width:%.1f%%\"></i></td></tr>\n",
		state(row, d->n), row->grown < 0 ? " class=\"less\"" : "",
		100.0 * (double)change(row) / (double)most);
}

static struct err *put_section(FILE *out, const struct diff *d, enum diff_section section,
			       const char *title, unsigned top)
{
	const struct diff_row **rows;
	size_t first, end, n;

	diff_rows(d, section, &first, &end);
	if (first == end)
		return NULL;
	rows = diff_changes(d, section, &n);
	if (!rows)
		return &err_nomem;
	fprintf(out, "<h2>%s</h2>\n<table><thead><tr><th></th>", title);
	for (unsigned i = 0; i < d->n; i++)
		fprintf(out, "<th>%s</th>", !i ? "old" : i + 1 == d->n ? "new" : "");
	fprintf(out, "<th>growth</th>%s<th>change</th><th class=\"bars\"></th></tr></thead><tbody>\n",
		d->rate_hours > 0 ? "<th>an hour</th>" : "");
	for (size_t i = 0; i < n && i < top; i++)
		put_row(out, d, rows[i], change(rows[0]));
	fputs("</tbody></table>\n", out);
	if (!n)
		fputs("<p>nothing changed</p>\n", out);
	else if (n > top)
		fprintf(out, "<p>and %zu more: --top %zu</p>\n", n - top, n);
	free(rows);
	return NULL;
}

struct err *diff_write_html(const struct diff *d, unsigned top, FILE *out)
{
	static const char *const titles[DIFF_SECTIONS] = {
		"Where it went", "Kept without use", "Types", "Pools", "Suspects (retained)",
		"Chains from roots",
	};
	struct text verdict = TEXT_INIT;
	struct err *err = NULL;

	fputs(head, out);
	fputs("<h1>What grew</h1>\n<p class=\"verdict\">", out);
	diff_verdict(d, &verdict);
	put_markup(out, text_str(&verdict));
	text_fini(&verdict);
	fputs("</p>\n<ol>", out);
	for (unsigned i = 0; i < d->n; i++) {
		fputs("<li>", out);
		put_markup(out, d->inputs[i].path);
		fputs(": ", out);
		put_bytes(out, d->inputs[i].memory);
		fputs(" of memory, ", out);
		put_bytes(out, d->inputs[i].heap);
		fputs(" used in heaps</li>", out);
	}
	fputs("</ol>\n", out);
	for (unsigned s = 0; s < DIFF_SECTIONS && !err; s++)
		err = put_section(out, d, s, titles[s], top < 50 ? 50 : top);
	fputs("</body></html>\n", out);
	return err ? err : put_end(out, "the comparison");
}
