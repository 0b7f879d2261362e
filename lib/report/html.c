/*
 * report/html.c - one page that opens from disk with no network: tables that read without
 * JavaScript, charts (html/page.js, bundled with d3) from JSON that the page carries.
 *
 * The page's own policy forbids every request.  Names are the dump's: escaped as text first, then
 * for HTML; in the JSON "<" is written \u003c, so that nothing can end its element.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/version.h"
#include "report/json_out.h"
#include "report/put.h"
#include "report/report.h"

extern const char html_style[], html_style_end[], html_script[], html_script_end[], html_licence[],
	html_licence_end[];

/* What a page of a few MB holds; the rest is counted, and the page says so. */
enum { SUSPECTS_MAX = 200, HOPS_MAX = 200, TYPES_MAX = 2000, GROUPS_MAX = 500, BOXES_MAX = 400 };

/* ---- cells */

static void bytes_cell(FILE *out, uint64_t n)
{
	fprintf(out, "<td class=\"n\" data-v=\"%" PRIu64 "\">", n);
	put_bytes(out, n);
	fputs("</td>", out);
}

static void count_cell(FILE *out, uint64_t n)
{
	fprintf(out, "<td class=\"n\" data-v=\"%" PRIu64 "\">", n);
	put_count(out, n);
	fputs("</td>", out);
}

static void name_cell(FILE *out, const char *name)
{
	fputs("<td>", out);
	put_markup(out, name ? name : "");
	fputs("</td>", out);
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
	put_markup(out, base_name(r->input.path));
	fputs(" - heapfx</title>\n<style>\n", out);
	fwrite(html_style, 1, (size_t)(html_style_end - html_style), out);
	fputs("</style>\n</head>\n<body>\n", out);
}

static void put_what(FILE *out, const struct report *r)
{
	const struct rp_input *in = &r->input;
	const char *command = in->args ? in->args : in->command;

	fputs("<h1>", out);
	put_markup(out, base_name(in->path));
	fputs("</h1>\n<p class=\"what\">", out);
	put_markup(out, in->kind ? in->kind : "dump");
	if (in->arch)
		fprintf(out, ", %s", in->arch);
	if (in->pid)
		fprintf(out, ", pid %" PRIu32, in->pid);
	if (command) {
		fputs(", ", out);
		put_markup(out, command);
	}
	if (in->signal > 0)
		fprintf(out, ", signal %d", in->signal);
	for (size_t i = 0; i < r->heaps.n; i++) {
		fputs(i ? " and " : "; ", out);
		put_markup(out,
			   r->heaps.v[i].allocator ? r->heaps.v[i].allocator : "unknown allocator");
		fputs(" ", out);
		put_markup(out, r->heaps.v[i].version ? r->heaps.v[i].version : "");
	}
	fputs("; ", out);
	put_count(out, r->threads.n);
	fputs(r->threads.n == 1 ? " thread" : " threads", out);
	fputs(in->complete ? "" : "; <strong>not complete</strong>", out);
	fputs("</p>\n<p class=\"verdict\">", out);
	put_markup(out, r->verdict ? r->verdict : "nothing to say");
	fputs("</p>\n", out);
}

/* ---- tables */

static void put_share(FILE *out, uint64_t bytes, uint64_t total)
{
	double percent = total ? 100.0 * (double)bytes / (double)total : 0;

	fprintf(out,
		"<td class=\"n\">%.1f%%</td><td class=\"bars\"><span class=\"bar\" "
		"style=\"width:%.2f%%\"></span></td>",
		percent, percent);
}

static void put_where(FILE *out, const struct report *r)
{
	uint64_t total = 0;

	for (size_t i = 0; i < r->breakdown.n; i++)
		total += breakdown_is_memory(&r->breakdown.v[i]) ? r->breakdown.v[i].bytes : 0;
	fputs("<h2 id=\"where\">Where it went</h2>\n<table><thead><tr><th>what</th>"
	      "<th class=\"n\">bytes</th><th class=\"n\">share</th><th></th></tr></thead><tbody>\n",
	      out);
	for (size_t i = 0; i < r->breakdown.n; i++) {
		const struct rp_breakdown *b = &r->breakdown.v[i];

		if (!b->bytes)
			continue;
		fputs("<tr>", out);
		name_cell(out, b->label);
		bytes_cell(out, b->bytes);
		if (breakdown_is_memory(b))
			put_share(out, b->bytes, total);
		else
			fputs("<td></td><td></td>", out);
		fputs("</tr>\n", out);
	}
	fputs("<tr>", out);
	name_cell(out, "all memory");
	bytes_cell(out, total);
	fputs("<td></td><td></td></tr>\n</tbody></table>\n", out);
}

static void put_hop(FILE *out, const struct rp_hop *hop)
{
	fputs("<li><code>", out);
	if (hop->via_name)
		put_markup(out, hop->via_name);
	else if (hop->via_offset)
		fprintf(out, "+0x%" PRIx64, hop->via_offset);
	fputs(hop->via_name || hop->via_offset ? " " : "", out);
	if (hop->type)
		put_markup(out, hop->type);
	else
		fputs("block", out);
	fputs("</code> <span class=\"small\">", out);
	put_bytes(out, hop->size);
	fprintf(out, " at 0x%" PRIx64, hop->address);
	if (hop->repeat > 1) {
		fputs(", and ", out);
		put_count(out, hop->repeat - 1);
		fputs(" more like it", out);
	}
	fputs("</span></li>\n", out);
}

static void put_chain(FILE *out, const struct rp_chain *c)
{
	struct rp_chain root = { .root = c->root };
	struct text t = TEXT_INIT;

	fputs("<ol class=\"chain\">\n<li><code>", out);
	chain_print(&root, &t);
	put_escaped_markup(out, text_str(&t));
	fputs("</code></li>\n", out);
	for (size_t i = 0; i < c->n_hops && i < HOPS_MAX; i++)
		put_hop(out, &c->hops[i]);
	if (c->n_hops > HOPS_MAX)
		fprintf(out, "<li class=\"small\">and %zu more</li>\n", c->n_hops - HOPS_MAX);
	fputs("</ol>\n", out);
	text_fini(&t);
}

static void put_suspect(FILE *out, const struct rp_suspect *s, size_t rank)
{
	const char *severity = severity_name(rule_get(s->rule)->severity);

	fprintf(out, "<details class=\"suspect\"%s id=\"%s\"><summary><span class=\"size\">",
		rank <= 3 ? " open" : "", s->id ? s->id : "");
	put_bytes(out, s->retained);
	fprintf(out, "</span>%zu. <span class=\"title\">", rank);
	put_markup(out, s->title);
	fprintf(out, "</span> <span class=\"rule %s\">%s</span></summary>\n<p class=\"small\">",
		severity, s->rule);
	put_count(out, s->count);
	fputs(s->count == 1 ? " block, " : " blocks, ", out);
	put_bytes(out, s->bytes);
	fputs(" of their own", out);
	if (s->type) {
		fputs(", type <code>", out);
		put_markup(out, s->type);
		fputs("</code>", out);
	}
	fprintf(out, "; confidence: %s</p>\n", confidence_name(s->confidence));
	if (s->has_chain)
		put_chain(out, &s->chain);
	for (size_t i = 0; i < s->n_evidence; i++) {
		fputs(i ? "" : "<ul>\n", out);
		fputs("<li>", out);
		put_markup(out, s->evidence[i].what);
		fputs(": ", out);
		put_markup(out, s->evidence[i].value);
		fputs(i + 1 == s->n_evidence ? "</li>\n</ul>\n" : "</li>\n", out);
	}
	fputs("<p class=\"advice\">", out);
	put_markup(out, s->advice ? s->advice : rule_get(s->rule)->advice);
	fputs("</p></details>\n", out);
}

static void put_suspects(FILE *out, const struct report *r)
{
	fputs("<h2 id=\"suspects\">Suspects</h2>\n", out);
	for (size_t i = 0; i < r->suspects.n && i < SUSPECTS_MAX; i++)
		put_suspect(out, &r->suspects.v[i], i + 1);
	if (!r->suspects.n)
		fputs("<p>None.</p>\n", out);
	if (r->suspects.n > SUSPECTS_MAX)
		fprintf(out, "<p class=\"small\">and %zu smaller ones</p>\n",
			r->suspects.n - SUSPECTS_MAX);
}

static void put_types(FILE *out, const struct report *r)
{
	if (!r->types.n)
		return;
	fputs("<h2 id=\"types\">Types</h2>\n<div id=\"type-boxes\"></div>\n<div>"
	      "<table class=\"sort filter\"><thead><tr><th>type</th><th class=\"n\">bytes</th>"
	      "<th class=\"n\">count</th><th class=\"n\">retained</th></tr></thead><tbody>\n",
	      out);
	for (size_t i = 0; i < r->types.n && i < TYPES_MAX; i++) {
		const struct rp_type *t = &r->types.v[i];

		fputs("<tr>", out);
		name_cell(out, t->name);
		bytes_cell(out, t->bytes);
		count_cell(out, t->count);
		if (t->knows_retained)
			bytes_cell(out, t->retained);
		else
			fputs("<td></td>", out);
		fputs("</tr>\n", out);
	}
	fputs("</tbody></table></div>\n", out);
	if (r->types.n > TYPES_MAX)
		fprintf(out, "<p class=\"small\">and %zu smaller ones</p>\n",
			r->types.n - TYPES_MAX);
}

static void put_heaps(FILE *out, const struct report *r)
{
	if (!r->heaps.n)
		return;
	fputs("<h2 id=\"heaps\">Heaps</h2>\n<div id=\"heap-boxes\"></div>\n"
	      "<table><thead><tr><th>heap</th><th>how it was found</th><th class=\"n\">used</th>"
	      "<th class=\"n\">free</th><th class=\"n\">idle</th><th class=\"n\">overhead</th>"
	      "<th class=\"n\">checks failed</th></tr></thead><tbody>\n",
	      out);
	for (size_t i = 0; i < r->heaps.n; i++) {
		const struct rp_heap *h = &r->heaps.v[i];

		fputs("<tr><td>", out);
		put_markup(out, h->allocator ? h->allocator : "unknown allocator");
		fputs(" ", out);
		put_markup(out, h->version ? h->version : "");
		fputs("</td>", out);
		name_cell(out, h->why ? h->why : h->how);
		bytes_cell(out, h->used);
		bytes_cell(out, h->free);
		bytes_cell(out, h->idle);
		bytes_cell(out, h->overhead);
		count_cell(out, h->checks_failed);
		fputs("</tr>\n", out);
	}
	fputs("</tbody></table>\n", out);
}

/* Goroutines by group when a Go runtime has them, threads otherwise. */
static const char *node_words(const struct rp_node *node, const char *key)
{
	const struct rp_node *n = node_get(node, key);

	return n && n->kind == NODE_TEXT ? n->text : NULL;
}

static uint64_t node_value(const struct rp_node *node, const char *key)
{
	const struct rp_node *n = node_get(node, key);

	return n && (n->kind == NODE_COUNT || n->kind == NODE_BYTES) ? n->u : 0;
}

static void put_group(FILE *out, const struct rp_node *group)
{
	const struct rp_node *stack = node_get(group, "stack");

	fputs("<tr><td>", out);
	for (const struct rp_node *f = stack ? stack->first : NULL; f; f = f->next) {
		fputs("<code>", out);
		put_markup(out, node_words(f, "function") ? node_words(f, "function") : "?");
		fputs("</code><br>", out);
	}
	fputs("</td>", out);
	name_cell(out, node_words(group, "state"));
	name_cell(out, node_words(group, "wait_reason"));
	count_cell(out, node_value(group, "count"));
	bytes_cell(out, node_value(group, "stack_bytes"));
	fputs("</tr>\n", out);
}

static void put_threads(FILE *out, const struct report *r)
{
	const struct rp_node *goroutines = node_get(r->go, "goroutines");
	const struct rp_node *groups = node_get(goroutines, "groups");
	size_t n = 0;

	if (groups && groups->first) {
		fputs("<h2 id=\"goroutines\">Goroutines</h2>\n<div>"
		      "<table class=\"sort filter\"><thead><tr><th>stack</th><th>state</th>"
		      "<th>waits for</th><th class=\"n\">count</th>"
		      "<th class=\"n\">stack bytes</th></tr></thead><tbody>\n",
		      out);
		for (const struct rp_node *g = groups->first; g && n < GROUPS_MAX; g = g->next, n++)
			put_group(out, g);
		fputs("</tbody></table></div>\n", out);
	}
	fputs("<h2 id=\"threads\">Threads</h2>\n<div><table class=\"sort\"><thead><tr>"
	      "<th>function</th><th>name</th><th class=\"n\">tid</th></tr></thead><tbody>\n",
	      out);
	for (size_t i = 0; i < r->threads.n && i < GROUPS_MAX; i++) {
		fputs("<tr>", out);
		name_cell(out, r->threads.v[i].function);
		name_cell(out, r->threads.v[i].name);
		fprintf(out, "<td class=\"n\" data-v=\"%" PRIu32 "\">%" PRIu32 "</td></tr>\n",
			r->threads.v[i].tid, r->threads.v[i].tid);
	}
	fputs("</tbody></table></div>\n", out);
	if (r->threads.n > GROUPS_MAX)
		fprintf(out, "<p class=\"small\">and %zu more</p>\n", r->threads.n - GROUPS_MAX);
}

static void put_problems(FILE *out, const struct diags *d)
{
	fputs("<h2 id=\"problems\">Problems of the input</h2>\n", out);
	if (!d || !d->n) {
		fputs("<p>None: everything the analysis needs is in the file.</p>\n", out);
		return;
	}
	fputs("<table><thead><tr><th>code</th><th>what</th><th class=\"n\">times</th></tr></thead>"
	      "<tbody>\n",
	      out);
	for (size_t i = 0; i < d->n; i++) {
		fputs("<tr>", out);
		name_cell(out, d->list[i].code);
		name_cell(out, d->list[i].message);
		count_cell(out, d->list[i].count);
		fputs("</tr>\n", out);
	}
	fputs("</tbody></table>\n", out);
}

/* ---- what the charts are drawn from */

static const char *line_name(const struct rp_location *l)
{
	return l->n_lines && l->lines[0].function ? l->lines[0].function : "?";
}

static void put_paths(struct json *j, const struct rp_profile *p)
{
	json_map(j, "paths");
	json_uint(j, "main", p->main_value);
	json_list(j, "values");
	for (size_t i = 0; i < p->n_values; i++) {
		json_map(j, NULL);
		json_text(j, "type", p->values[i].type);
		json_text(j, "unit", p->values[i].unit);
		json_end_map(j);
	}
	json_end_list(j);
	json_list(j, "names");
	for (size_t i = 0; i < p->n_locations; i++)
		json_text(j, NULL, line_name(&p->locations[i]));
	json_end_list(j);
	json_list(j, "samples");
	for (size_t i = 0; i < p->n_samples; i++) {
		const struct rp_sample *s = &p->samples[i];

		json_list(j, NULL);
		json_list(j, NULL);
		for (size_t v = 0; v < p->n_values; v++)
			json_int(j, NULL, s->values[v]);
		json_end_list(j);
		json_list(j, NULL);
		for (size_t k = s->n_locations; k--;)
			json_uint(j, NULL, s->locations[k]);
		json_end_list(j);
		json_end_list(j);
	}
	json_end_list(j);
	json_end_map(j);
}

static void put_box(struct json *j, const char *name, uint64_t bytes)
{
	if (!bytes)
		return;
	json_map(j, NULL);
	json_text(j, "name", name);
	json_uint(j, "self", bytes);
	json_end_map(j);
}

static void put_heap_boxes(struct json *j, const struct report *r)
{
	json_map(j, "heap-boxes");
	json_text(j, "name", "heaps");
	json_list(j, "kids");
	for (size_t i = 0; i < r->heaps.n; i++) {
		const struct rp_heap *h = &r->heaps.v[i];
		uint64_t named = 0;

		json_map(j, NULL);
		json_text(j, "name", h->allocator ? h->allocator : "unknown allocator");
		json_list(j, "kids");
		put_box(j, "used", h->used);
		for (size_t k = 0; k < h->n_wheres; k++) {
			put_box(j, h->wheres[k].where, h->wheres[k].bytes);
			named += h->wheres[k].bytes;
		}
		put_box(j, "free, elsewhere", h->free > named ? h->free - named : 0);
		put_box(j, "idle", h->idle);
		put_box(j, "overhead", h->overhead);
		json_end_list(j);
		json_end_map(j);
	}
	json_end_list(j);
	json_end_map(j);
}

static void put_type_boxes(struct json *j, const struct report *r)
{
	json_map(j, "type-boxes");
	json_text(j, "name", "types");
	json_list(j, "kids");
	for (size_t i = 0; i < r->types.n && i < BOXES_MAX; i++)
		put_box(j, r->types.v[i].name, r->types.v[i].bytes);
	json_end_list(j);
	json_end_map(j);
}

static struct err *make_data(const struct report *r, FILE *out)
{
	struct json *j;
	struct err *err = json_open(out, JSON_PLAIN, &j);

	if (err)
		return err;
	json_map(j, NULL);
	if (r->profiles[PROFILE_PATHS])
		put_paths(j, r->profiles[PROFILE_PATHS]);
	json_map(j, "boxes");
	put_heap_boxes(j, r);
	put_type_boxes(j, r);
	json_end_map(j);
	json_end_map(j);
	return json_close(j, "the data of charts");
}

static struct err *put_data(const struct report *r, FILE *out)
{
	_free_ char *data = NULL;
	size_t n = 0;
	FILE *memory = open_memstream(&data, &n);
	struct err *err;

	if (!memory)
		return &err_nomem;
	err = make_data(r, memory);
	fclose(memory);
	if (err)
		return err;
	fputs("<script type=\"application/json\" id=\"data\">", out);
	for (size_t i = 0; i < n; i++)
		if (data[i] == '<')
			fputs("\\u003c", out);
		else
			fputc(data[i], out);
	fputs("</script>\n", out);
	return NULL;
}

static struct err *html_write(const struct report *r, const struct writer_options *opt, FILE *out)
{
	const struct rp_profile *paths = r->profiles[PROFILE_PATHS];
	struct err *err;

	(void)opt; /* a page has room for all */
	put_head(out, r);
	put_what(out, r);
	put_where(out, r);
	put_suspects(out, r);
	if (paths) {
		fputs("<h2 id=\"flame\">Memory by path from its root</h2>\n"
		      "<div id=\"paths\"></div>\n"
		      "<noscript><p>Charts need JavaScript; the tables do not.</p></noscript>\n",
		      out);
		for (size_t i = 1; i < paths->n_comments; i++) { /* the first is who made it */
			fputs("<p class=\"small\">", out);
			put_markup(out, paths->comments[i]);
			fputs("</p>\n", out);
		}
	}
	put_types(out, r);
	put_heaps(out, r);
	put_threads(out, r);
	put_problems(out, r->problems);
	err = put_data(r, out);
	if (err)
		return err;
	fputs("<!--\n", out);
	fwrite(html_licence, 1, (size_t)(html_licence_end - html_licence), out);
	fputs("-->\n<script>\n", out);
	fwrite(html_script, 1, (size_t)(html_script_end - html_script), out);
	fputs("</script>\n</body>\n</html>\n", out);
	return put_end(out, "html");
}

const struct writer_ops html_writer = {
	.name = "html",
	.extension = "html",
	.needs = 1u << PROFILE_PATHS | NEED_PICTURES | NEED_BY_TYPE,
	.write = html_write,
};
