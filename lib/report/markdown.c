/* report/markdown.c - the report for an issue, a chat or a step summary: GitHub's Markdown. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "report/put.h"
#include "report/report.h"

enum { LINES_MAX = 12, TYPES_MAX = 10, EVIDENCE_MAX = 8 };

/* Characters that would begin or end markup, also in a table's cell. */
static void put(FILE *out, const char *s)
{
	struct text t = TEXT_INIT;

	text_add_escaped(&t, s, strlen(s));
	for (const char *p = text_str(&t); *p; p++) {
		if (strchr("\\`*_{}[]<>()#+-.!|~&@", *p) && (*p != '.' && *p != '-' && *p != '+'))
			fputc('\\', out);
		fputc(*p, out);
	}
	text_fini(&t);
}

/* A line of code: the fence is longer than any run of backticks in it. */
static void put_code(FILE *out, const char *s)
{
	size_t longest = 0, run = 0;
	char fence[32];

	for (const char *p = s; *p; p++) {
		run = *p == '`' ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	longest = longest < 3 ? 3 : longest + 1 < sizeof(fence) ? longest + 1 : sizeof(fence) - 1;
	memset(fence, '`', longest);
	fence[longest] = '\0';
	fprintf(out, "\n%s\n%s\n%s\n", fence, s, fence);
}

static void put_where(FILE *out, const struct report *r)
{
	fputs("\n## Where it went\n\n| what | bytes |\n|---|---:|\n", out);
	for (size_t i = 0, n = 0; i < r->breakdown.n && n < LINES_MAX; i++) {
		if (!r->breakdown.v[i].bytes)
			continue;
		n++;
		fputs("| ", out);
		put(out, r->breakdown.v[i].label);
		fputs(" | ", out);
		put_bytes(out, r->breakdown.v[i].bytes);
		fputs(" |\n", out);
	}
}

static void put_checks(FILE *out, const struct report *r)
{
	if (!r->checks.n)
		return;
	fprintf(out, "\n## Gates\n\n%zu of %zu breached\n\n| gate | | |\n|---|---|---|\n",
		report_breaches(r), r->checks.n);
	for (size_t i = 0; i < r->checks.n; i++) {
		const struct rp_check *c = &r->checks.v[i];

		fputs(c->result == CHECK_BREACHED ? "| **breached** | " : "| ", out);
		if (c->result != CHECK_BREACHED)
			fprintf(out, "%s | ", check_result_name(c->result));
		put(out, c->name);
		fputs(" | ", out);
		put(out, c->message);
		fputs(" |\n", out);
	}
}

static void put_suspect(FILE *out, const struct rp_suspect *s, size_t rank)
{
	struct text chain = TEXT_INIT;

	fprintf(out, "\n### %zu. ", rank);
	put(out, s->title);
	fputs("\n\n", out);
	put_bytes(out, s->retained);
	fputs(" retained, count ", out); /* of what: the title says */
	put_count(out, s->count);
	fprintf(out, "; rule `%s` (%s%s%s)\n", s->rule,
		severity_name(rule_get(s->rule)->severity), s->baseline ? ", " : "",
		!s->baseline ? "" : s->baseline == BASELINE_NEW ? "new" : "known");
	if (s->has_chain) {
		chain_print(&s->chain, &chain);
		put_code(out, text_str(&chain));
	}
	for (size_t i = 0; i < s->n_evidence && i < EVIDENCE_MAX; i++) {
		fputs(i ? "- " : "\n- ", out);
		put(out, s->evidence[i].what);
		fputs(": ", out);
		put(out, s->evidence[i].value);
		fputc('\n', out);
	}
	fputs("\nWhat to do: ", out);
	put(out, s->advice ? s->advice : rule_get(s->rule)->advice);
	fputc('\n', out);
	text_fini(&chain);
}

static void put_suspects(FILE *out, const struct report *r, unsigned top)
{
	size_t told = 0, suppressed = 0;

	if (r->suspects.n)
		fputs("\n## Suspects\n", out);
	for (size_t i = 0; i < r->suspects.n; i++) {
		suppressed += r->suspects.v[i].suppressed != NULL;
		if (!r->suspects.v[i].suppressed && told < top)
			put_suspect(out, &r->suspects.v[i], ++told);
	}
	if (r->suspects.n - suppressed > told)
		fprintf(out, "\nAnd %zu more.\n", r->suspects.n - suppressed - told);
	if (suppressed)
		fprintf(out, "\n%zu suppressed.\n", suppressed);
}

static void put_types(FILE *out, const struct report *r)
{
	if (!r->types.n)
		return;
	fputs("\n## Types\n\n| type | bytes | count | retained |\n|---|---:|---:|---:|\n", out);
	for (size_t i = 0; i < r->types.n && i < TYPES_MAX; i++) {
		fputs("| ", out);
		put(out, r->types.v[i].name);
		fputs(" | ", out);
		put_bytes(out, r->types.v[i].bytes);
		fputs(" | ", out);
		put_count(out, r->types.v[i].count);
		fputs(" | ", out);
		if (r->types.v[i].knows_retained)
			put_bytes(out, r->types.v[i].retained);
		fputs(" |\n", out);
	}
}

static void put_problems(FILE *out, const struct diags *d)
{
	if (!d || !d->n)
		return;
	fputs("\n## Problems\n\n", out);
	for (size_t i = 0; i < d->n; i++) {
		fprintf(out, "- `%s` ", d->list[i].code);
		put(out, d->list[i].message ? d->list[i].message : "");
		if (d->list[i].count > 1)
			fprintf(out, " (%" PRIu64 " times)", d->list[i].count);
		fputc('\n', out);
	}
}

static struct err *markdown_write(const struct report *r, const struct writer_options *opt,
				  FILE *out)
{
	const char *path = r->input.path ? r->input.path : "-", *slash = strrchr(path, '/');

	fputs("# ", out);
	put(out, slash && slash[1] ? slash + 1 : path);
	fputs("\n\n**", out);
	put(out, r->verdict ? r->verdict : "nothing to say");
	fputs("**\n", out);
	put_checks(out, r);
	put_where(out, r);
	put_suspects(out, r, opt->top);
	put_types(out, r);
	put_problems(out, r->problems);
	return put_end(out, "markdown");
}

const struct writer_ops markdown_writer = {
	.name = "markdown",
	.extension = "md",
	.write = markdown_write,
};
