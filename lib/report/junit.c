/*
 * report/junit.c - the report as JUnit XML: a test suite a dump, a test case a rule.  Rules of
 * severity error that found something fail; what others found is their output.
 */
#include <string.h>

#include "base/text.h"
#include "report/put.h"
#include "report/report.h"

static size_t count_of(const struct report *r, const char *rule)
{
	size_t n = 0;

	for (size_t i = 0; i < r->suspects.n; i++)
		n += !strcmp(r->suspects.v[i].rule, rule);
	return n;
}

static void put_suspects(FILE *out, const struct report *r, const char *rule)
{
	for (size_t i = 0; i < r->suspects.n; i++) {
		const struct rp_suspect *s = &r->suspects.v[i];
		struct text t = TEXT_INIT;

		if (strcmp(s->rule, rule))
			continue;
		put_markup(out, s->title);
		fputs(": ", out);
		text_add_bytes(&t, s->retained);
		put_escaped_markup(out, text_str(&t));
		text_reset(&t);
		if (s->has_chain) {
			fputs("\n  ", out);
			chain_print(&s->chain, &t);
			put_escaped_markup(out, text_str(&t));
		}
		fputc('\n', out);
		text_fini(&t);
	}
}

static void put_case(FILE *out, const struct report *r, const struct rule *rule)
{
	size_t n = count_of(r, rule->id);
	const char *wrap = rule->severity == SEV_ERROR ? "failure" : "system-out";

	fprintf(out, "    <testcase classname=\"heapfx\" name=\"%s\"", rule->id);
	if (!n) {
		fputs("/>\n", out);
		return;
	}
	fprintf(out, ">\n      <%s", wrap);
	if (rule->severity == SEV_ERROR) {
		fputs(" message=\"", out);
		put_escaped_markup(out, rule->means);
		fputs("\" type=\"heapfx\"", out);
	}
	fputs(">", out);
	put_suspects(out, r, rule->id);
	fprintf(out, "</%s>\n    </testcase>\n", wrap);
}

static struct err *junit_write(const struct report *r, const struct writer_options *opt,
			       FILE *out)
{
	size_t failures = 0;

	(void)opt; /* every suspect is told */
	for (size_t i = 0; i < n_rules; i++)
		failures += rules[i].severity == SEV_ERROR && count_of(r, rules[i].id);
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
		"  <testsuite tests=\"%zu\" failures=\"%zu\" errors=\"0\" name=\"",
		n_rules, failures);
	put_markup(out, r->input.path ? r->input.path : "-");
	fputs("\">\n", out);
	for (size_t i = 0; i < n_rules; i++)
		put_case(out, r, &rules[i]);
	fputs("  </testsuite>\n</testsuites>\n", out);
	return put_end(out, "junit");
}

const struct writer_ops junit_writer = {
	.name = "junit",
	.extension = "xml",
	.write = junit_write,
};
