/*
 * report/html.c - one page that opens from disk with no network: tables that read without
 * JavaScript, charts (html/page.js, bundled with d3) from JSON that the page carries.
 *
 * The page's own policy forbids every request.  Here is its frame, the verdict, where the memory
 * went, and what is wrong with the input; the other sections are html_*.c.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/version.h"
#include "report/html.h"
#include "report/put.h"

extern const char html_style[], html_style_end[], html_script[], html_script_end[], html_licence[],
	html_licence_end[];

/* ---- cells */

void html_bytes_cell(FILE *out, uint64_t n)
{
	fprintf(out, "<td class=\"n\" data-v=\"%" PRIu64 "\">", n);
	put_bytes(out, n);
	fputs("</td>", out);
}

/* What is there is never "0.0%". */
static void put_percent(FILE *out, double percent)
{
	if (percent > 0 && percent < 0.05)
		fputs("&lt;0.1%", out);
	else
		fprintf(out, "%.1f%%", percent);
}

void html_size_and_part(FILE *out, uint64_t bytes, uint64_t of)
{
	fputs("<span class=\"size\">", out);
	put_bytes(out, bytes);
	fputs("</span>", out);
	if (!of)
		return;
	fputs("<span class=\"part\">", out);
	put_percent(out, 100.0 * (double)bytes / (double)of);
	fputs("</span>", out);
}

void html_count_cell(FILE *out, uint64_t n)
{
	fprintf(out, "<td class=\"n\" data-v=\"%" PRIu64 "\">", n);
	put_count(out, n);
	fputs("</td>", out);
}

void html_name_cell(FILE *out, const char *name)
{
	fputs("<td>", out);
	put_name(out, name ? name : "", HTML_NAME);
	fputs("</td>", out);
}

void html_code_cell(FILE *out, const char *name)
{
	fputs("<td><code>", out);
	put_name(out, name ? name : "", HTML_NAME);
	fputs("</code></td>", out);
}

void html_share_cells(FILE *out, uint64_t bytes, uint64_t total)
{
	double percent = total ? 100.0 * (double)bytes / (double)total : 0;

	percent = percent > 100 ? 100 : percent;
	fprintf(out, "<td class=\"n\" data-v=\"%.4f\">", percent);
	put_percent(out, percent);
	fprintf(out,
		"</td><td class=\"bars\"><span class=\"bar\" "
		"style=\"width:%.2f%%\"></span></td>",
		percent);
}

void html_table(FILE *out, const char *classes, const char *heads)
{
	fprintf(out, "<div class=\"wide\"><table class=\"%s\"><thead><tr>", classes);
	for (const char *p = heads; *p;) {
		bool number = *p == '#';
		size_t n = strcspn(p += number, "|");

		fprintf(out, "<th%s scope=\"col\">%.*s</th>",
			number ? " class=\"n\"" :
			n      ? "" :
				 " class=\"bars\"", /* as html_share_cells() has it */
			(int)n, p);
		p += n + (p[n] == '|');
	}
	fputs("</tr></thead><tbody>\n", out);
}

void html_table_end(FILE *out)
{
	fputs("</tbody></table></div>\n", out);
}

void html_more(FILE *out, size_t all, size_t shown, const char *what)
{
	if (all <= shown)
		return;
	fputs("<p class=\"small\">and ", out);
	put_count(out, all - shown);
	fprintf(out, " more %s</p>\n", what);
}

static const char *base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash && slash[1] ? slash + 1 : path ? path : "-";
}

/* ---- head, verdict */

static void put_head(FILE *out, const struct report *r)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	      "script-src 'unsafe-inline'; style-src 'unsafe-inline'\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	      "<meta name=\"generator\" content=\"heapfx " HEAPFX_VERSION "\">\n<title>",
	      out);
	put_name(out, base_name(r->input.path), HTML_NAME);
	fputs(" - heapfx</title>\n<style>\n", out);
	fwrite(html_style, 1, (size_t)(html_style_end - html_style), out);
	fputs("</style>\n</head>\n<body>\n", out);
}

static void put_nav(FILE *out, const struct report *r)
{
	const struct {
		const char *id, *name;
		bool there;
	} links[] = {
		{ "where", "Memory", true },
		{ "suspects", "Suspects", true },
		{ "held", "By path", r->profiles[PROFILE_PATHS] },
		{ "by-type", "By type", r->by_type },
		{ "dominators", "Holders", r->dominators },
		{ "heaps", "Heaps", r->heaps.n },
		{ "space", "Heap map", r->space.n },
		{ "types", "Types", r->types.n },
		{ "threads", r->go ? "Goroutines" : "Threads", true },
		{ "runtime", "Runtime", r->go || r->pools },
		{ "problems", "Problems", true },
	};

	fputs("<header><nav aria-label=\"sections\"><span class=\"brand\">heapfx</span>", out);
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
		if (links[i].there)
			fprintf(out, "<a href=\"#%s\">%s</a>", links[i].id, links[i].name);
	fputs("</nav></header>\n<main>\n", out);
}

static void put_what(FILE *out, const struct report *r)
{
	const struct rp_input *in = &r->input;
	const char *command = in->args ? in->args : in->command;

	fputs("<h1>", out);
	put_name(out, base_name(in->path), HTML_NAME);
	fputs("</h1>\n<p class=\"what\">", out);
	put_name(out, in->kind ? in->kind : "dump", HTML_NAME);
	if (in->arch) {
		fputs(", ", out);
		put_name(out, in->arch, HTML_NAME);
	}
	if (in->pid)
		fprintf(out, ", pid %" PRIu32, in->pid);
	if (command) {
		fputs(", <code>", out);
		put_name(out, command, HTML_TITLE);
		fputs("</code>", out);
	}
	if (in->signal > 0)
		fprintf(out, ", signal %d", in->signal);
	for (size_t i = 0; i < r->heaps.n && i < HTML_HEAPS; i++) {
		const struct rp_heap *h = &r->heaps.v[i];

		fputs(i ? " and " : "; ", out);
		put_name(out, h->allocator ? h->allocator : "unknown allocator", HTML_NAME);
		fputs(h->version ? " " : "", out);
		put_name(out, h->version ? h->version : "", HTML_NAME);
	}
	fputs(in->complete ? "" : "; <strong>the file is not complete</strong>", out);
	fputs("</p>\n<p class=\"verdict\">", out);
	put_name(out, r->verdict ? r->verdict : "nothing to say", HTML_TITLE);
	fputs("</p>\n", out);
}

static void put_figure(FILE *out, const char *name, uint64_t n, bool in_bytes)
{
	fprintf(out, "<div><dt>%s</dt><dd>", name);
	if (in_bytes)
		put_bytes(out, n);
	else
		put_count(out, n);
	fputs("</dd></div>\n", out);
}

static void put_figures(FILE *out, const struct report *r)
{
	uint64_t used = 0, n_used = 0, free_held = 0;
	size_t problems = r->problems ? r->problems->n : 0;

	for (size_t i = 0; i < r->heaps.n; i++) {
		used += r->heaps.v[i].used;
		n_used += r->heaps.v[i].n_used;
		free_held += r->heaps.v[i].free + r->heaps.v[i].idle;
	}
	fputs("<dl class=\"figures\">\n", out);
	put_figure(out, r->has_resident ? "resident memory" : "memory in the dump",
		   report_memory_bytes(r), true);
	put_figure(out, "heap in use", used, true);
	put_figure(out, "blocks in use", n_used, false);
	put_figure(out, "heap free, held", free_held, true);
	if (r->categories[CAT_LOST].known)
		put_figure(out, "lost", r->categories[CAT_LOST].bytes, true);
	if (r->categories[CAT_UNCOLLECTED].known && r->categories[CAT_UNCOLLECTED].bytes)
		put_figure(out, "uncollected", r->categories[CAT_UNCOLLECTED].bytes, true);
	put_figure(out, r->threads.n == 1 ? "thread" : "threads", r->threads.n, false);
	put_figure(out, problems == 1 ? "problem of the input" : "problems of the input", problems,
		   false);
	fputs("</dl>\n", out);
}

/* ---- the worst, for who has ten seconds: how much, what, what to do; each leads to the rest */

static void put_worst_one(FILE *out, const struct report *r, const struct rp_suspect *s)
{
	fprintf(out, "<li class=\"%s\"><a href=\"#%s\">",
		severity_name(rule_get(s->rule)->severity), s->id ? s->id : "suspects");
	html_size_and_part(out, s->retained, report_heap_bytes(r));
	fputs("<span class=\"title\">", out);
	put_name(out, s->title, HTML_TITLE);
	fputs("</span></a><p>", out);
	put_name(out, s->advice ? s->advice : rule_get(s->rule)->advice, HTML_TITLE);
	fputs("</p></li>\n", out);
}

static void put_worst(FILE *out, const struct report *r)
{
	if (!r->suspects.n)
		return;
	fputs("<ol class=\"worst\" aria-label=\"the worst suspects\">\n", out);
	for (size_t i = 0; i < r->suspects.n && i < HTML_WORST; i++)
		put_worst_one(out, r, &r->suspects.v[i]);
	fputs("</ol>\n", out);
}

/* ---- where it went */

/* The colour of a line: what memory of that kind means to a reader. */
static const char *colour_of(const char *category)
{
	static const struct {
		const char *part, *colour;
	} colours[] = {
		{ "possibly", "maybe" }, { "lost", "lost" },	{ "uncollected", "lost" },
		{ "free", "free" },	 { "idle", "free" },	{ "rest", "free" },
		{ "unused", "free" },	 { "overhead", "own" }, { "metadata", "own" },
		{ "reachable", "used" }, { "live", "used" },	{ "stack", "stack" },
		{ "module", "module" },
	};

	if (!strncmp(category, "stack/live", 10))
		return "stack";
	for (size_t i = 0; i < sizeof(colours) / sizeof(*colours); i++)
		if (strstr(category, colours[i].part))
			return colours[i].colour;
	return "other";
}

static void put_breakdown_bar(FILE *out, const struct report *r, uint64_t total)
{
	fputs("<div class=\"stacked\" role=\"img\" aria-label=\"the lines below as one bar\">",
	      out);
	for (size_t i = 0; i < r->breakdown.n && i < HTML_ROWS; i++) {
		const struct rp_breakdown *b = &r->breakdown.v[i];

		if (!b->bytes || !breakdown_is_memory(b))
			continue;
		fprintf(out, "<span class=\"c-%s\" style=\"width:%.3f%%\" title=\"",
			colour_of(b->category), 100.0 * (double)b->bytes / (double)total);
		put_name(out, b->label, HTML_NAME);
		fputs(": ", out);
		put_bytes(out, b->bytes);
		fputs(", ", out);
		put_percent(out, 100.0 * (double)b->bytes / (double)total);
		fputs("\"></span>", out);
	}
	fputs("</div>\n", out);
}

static void put_where(FILE *out, const struct report *r)
{
	uint64_t total = report_memory_bytes(r);

	fputs("<section><h2 id=\"where\">Where it went</h2>\n", out);
	if (total)
		put_breakdown_bar(out, r, total);
	html_table(out, "where", "what|#bytes|#share||");
	for (size_t i = 0; i < r->breakdown.n && i < HTML_ROWS; i++) {
		const struct rp_breakdown *b = &r->breakdown.v[i];

		if (!b->bytes)
			continue;
		fprintf(out, "<tr><td><i class=\"swatch c-%s\"></i>",
			breakdown_is_memory(b) ? colour_of(b->category) : "none");
		put_name(out, b->label, HTML_NAME);
		fputs("</td>", out);
		html_bytes_cell(out, b->bytes);
		if (breakdown_is_memory(b))
			html_share_cells(out, b->bytes, total);
		else
			fputs("<td></td><td></td>", out);
		html_name_cell(out, b->detail);
		fputs("</tr>\n", out);
	}
	fputs("<tr class=\"sum\">", out);
	html_name_cell(out, "all memory");
	html_bytes_cell(out, total);
	fputs("<td></td><td></td><td></td></tr>\n", out);
	html_table_end(out);
	fputs("</section>\n", out);
}

/* ---- retained without use */

static void put_categories(FILE *out, const struct report *r)
{
	static const char *const means[CAT_COUNT] = {
		[CAT_LOST] = "no root reaches it",
		[CAT_CYCLE] = "kept only by each other",
		[CAT_UNCOLLECTED] = "garbage that its collector has not swept",
		[CAT_PARKED] = "reachable through a pool, a finalizer or a queue alone",
		[CAT_SLACK] = "the unused part of something alive",
		[CAT_FREE_HELD] = "free, and not gone back to the system",
		[CAT_STUCK] = "held by what waits forever",
		[CAT_DUPLICATE] = "the same contents once more",
	};
	uint64_t of = report_heap_bytes(r);
	bool any = false;

	for (unsigned c = 0; c < CAT_COUNT; c++) {
		const struct rp_total *t = &r->categories[c];

		if (!t->known || !t->bytes)
			continue;
		if (!any) {
			fputs("<section><h2 id=\"kept\">Kept without use</h2>\n", out);
			html_table(out, "kept", "category|#bytes|#of the heap||#count|what it is");
		}
		any = true;
		fprintf(out, "<tr><td>%s</td>", category_name((enum category)c));
		html_bytes_cell(out, t->bytes);
		html_share_cells(out, t->bytes, of);
		html_count_cell(out, t->count);
		fprintf(out, "<td class=\"dim\">%s</td></tr>\n", means[c]);
	}
	if (any) {
		html_table_end(out);
		fputs("</section>\n", out);
	}
}

/* ---- what is wrong with the input */

static void put_findings(FILE *out, const struct report *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->findings.n; i++) {
		const struct rp_finding *f = &r->findings.v[i];

		if (f->suspect >= 0 || n++ >= HTML_ROWS)
			continue;
		if (n == 1)
			html_table(out, "findings", "rule|what was found");
		fprintf(out, "<tr><td><code class=\"rule %s\">%s</code></td>",
			severity_name(rule_get(f->rule)->severity), f->rule);
		html_name_cell(out, f->message);
		fputs("</tr>\n", out);
	}
	if (n)
		html_table_end(out);
	html_more(out, n, HTML_ROWS, "findings");
}

static void put_problems(FILE *out, const struct report *r)
{
	const struct diags *d = r->problems;

	fputs("<section><h2 id=\"problems\">Problems of the input</h2>\n", out);
	put_findings(out, r);
	if (!d || !d->n) {
		fputs("<p>None: everything the analysis needs is in the file.</p></section>\n",
		      out);
		return;
	}
	html_table(out, "problems sort", "code|what|#times|#where");
	for (size_t i = 0; i < d->n && i < HTML_ROWS; i++) {
		fputs("<tr>", out);
		html_code_cell(out, d->list[i].code);
		fputs("<td>", out);
		put_name(out, d->list[i].message ? d->list[i].message : "", HTML_TITLE);
		fputs("</td>", out);
		html_count_cell(out, d->list[i].count);
		if (d->list[i].where == ERR_NOWHERE)
			fputs("<td></td>", out);
		else
			fprintf(out,
				"<td class=\"n\" data-v=\"%" PRIu64 "\"><code>0x%" PRIx64
				"</code></td>",
				d->list[i].where, d->list[i].where);
		fputs("</tr>\n", out);
	}
	html_table_end(out);
	html_more(out, d->n, HTML_ROWS, "kinds of problems");
	fputs("</section>\n", out);
}

static void put_tail(FILE *out)
{
	fputs("</main>\n<footer class=\"small\">Written by heapfx " HEAPFX_VERSION
	      ". This page makes no request and holds no contents of the program's memory beyond "
	      "names, addresses and sizes.</footer>\n<!--\n",
	      out);
	fwrite(html_licence, 1, (size_t)(html_licence_end - html_licence), out);
	fputs("-->\n<script>\n", out);
	fwrite(html_script, 1, (size_t)(html_script_end - html_script), out);
	fputs("</script>\n</body>\n</html>\n", out);
}

static struct err *html_write(const struct report *r, const struct writer_options *opt, FILE *out)
{
	struct err *err;

	(void)opt; /* a page has room for all */
	put_head(out, r);
	put_nav(out, r);
	put_what(out, r);
	put_figures(out, r);
	put_worst(out, r);
	put_where(out, r);
	put_categories(out, r);
	html_suspects(out, r);
	html_paths(out, r);
	html_by_type(out, r);
	html_dominators(out, r);
	html_heaps(out, r);
	html_space(out, r);
	html_types(out, r);
	html_contents(out, r);
	err = html_threads(out, r);
	if (err)
		return err;
	html_runtime(out, r);
	put_problems(out, r);
	err = html_data(out, r);
	if (err)
		return err;
	put_tail(out);
	return put_end(out, "html");
}

const struct writer_ops html_writer = {
	.name = "html",
	.extension = "html",
	.needs = 1u << PROFILE_PATHS | NEED_PICTURES | NEED_BY_TYPE,
	.write = html_write,
};
