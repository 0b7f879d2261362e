/*
 * report/github.c - suspects as workflow commands, which GitHub Actions shows as annotations:
 * "::error title=...::message".
 */
#include <string.h>

#include "base/text.h"
#include "report/put.h"
#include "report/report.h"

/* Percent signs and line ends in a message; in a property colons and commas, too. */
static void put_escaped(FILE *out, const char *s, bool property)
{
	for (; *s; s++)
		if (*s == '%' || *s == '\r' || *s == '\n' || (property && (*s == ':' || *s == ',')))
			fprintf(out, "%%%02X", (unsigned char)*s);
		else
			fputc(*s, out);
}

static void add_name(struct text *t, const char *name)
{
	text_add_escaped(t, name, strlen(name));
}

static void put_place(FILE *out, const char *file, unsigned line)
{
	struct text t = TEXT_INIT;

	add_name(&t, file);
	fputs("file=", out);
	put_escaped(out, text_str(&t), true);
	if (line)
		fprintf(out, ",line=%u", line);
	fputc(',', out);
	text_fini(&t);
}

static void put_suspect(FILE *out, const struct rp_suspect *s)
{
	const struct rp_root *root = s->has_chain ? &s->chain.root : NULL;
	enum severity severity = rule_get(s->rule)->severity;
	struct text t = TEXT_INIT;

	add_name(&t, s->title);
	text_add(&t, ": ");
	text_add_bytes(&t, s->retained);
	text_add(&t, "; ");
	if (s->has_chain) {
		chain_print(&s->chain, &t);
		text_add(&t, "; ");
	}
	add_name(&t, s->advice ? s->advice : rule_get(s->rule)->advice);
	/* GitHub's word for a note is notice. */
	fprintf(out, "::%s ", severity == SEV_NOTE ? "notice" : severity_name(severity));
	if (root && root->file)
		put_place(out, root->file, root->line);
	fputs("title=", out);
	put_escaped(out, s->rule, true);
	fputs("::", out);
	put_escaped(out, text_str(&t), false);
	fputc('\n', out);
	text_fini(&t);
}

/* At the line of the file that says so, where there is one. */
static void put_check(FILE *out, const struct rp_check *c)
{
	struct text t = TEXT_INIT;

	fprintf(out, "::%s ", c->result == CHECK_BREACHED ? "error" : "notice");
	if (c->file && c->line)
		put_place(out, c->file, c->line);
	fprintf(out, "title=%s::", c->gate);
	add_name(&t, c->name);
	text_add(&t, ": ");
	add_name(&t, c->message);
	put_escaped(out, text_str(&t), false);
	fputc('\n', out);
	text_fini(&t);
}

static void put_verdict(FILE *out, const char *verdict)
{
	struct text t = TEXT_INIT;

	add_name(&t, verdict);
	fputs("::notice title=heapfx::", out);
	put_escaped(out, text_str(&t), false);
	fputc('\n', out);
	text_fini(&t);
}

static struct err *github_write(const struct report *r, const struct writer_options *opt, FILE *out)
{
	size_t told = 0;

	for (size_t i = 0; i < r->checks.n; i++)
		if (r->checks.v[i].result != CHECK_OK)
			put_check(out, &r->checks.v[i]);
	for (size_t i = 0; i < r->suspects.n && told < opt->top; i++) {
		if (!suspect_counts(&r->suspects.v[i]))
			continue;
		put_suspect(out, &r->suspects.v[i]);
		told++;
	}
	if (r->verdict)
		put_verdict(out, r->verdict);
	return put_end(out, "annotations");
}

const struct writer_ops github_writer = {
	.name = "github",
	.extension = "txt",
	.write = github_write,
};
