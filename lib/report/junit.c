/*
 * report/junit.c - the report as JUnit XML: a test suite a dump, a test case a rule and one a gate.
 * Rules of severity error that found something fail; what others found is their output, and what is
 * suppressed or known already, too.
 */
#include <string.h>

#include "base/text.h"
#include "report/put.h"
#include "report/report.h"

/* Suspects of a rule; those that count alone. */
static size_t count_of(const struct report *r, const char *rule, bool counts)
{
	size_t n = 0;

	for (size_t i = 0; i < r->suspects.n; i++)
		n += !strcmp(r->suspects.v[i].rule, rule) &&
		     (!counts || suspect_counts(&r->suspects.v[i]));
	return n;
}

static bool fails(const struct report *r, const struct rule *rule)
{
	return rule->severity == SEV_ERROR && count_of(r, rule->id, true);
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
		if (s->suppressed) {
			fprintf(out, "; suppressed until %s: ", s->suppressed_until);
			put_markup(out, s->suppressed);
		} else if (s->baseline == BASELINE_KNOWN) {
			fputs("; known", out);
		}
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
	size_t n = count_of(r, rule->id, false);
	const char *wrap = fails(r, rule) ? "failure" : "system-out";

	fprintf(out, "    <testcase classname=\"heapfx\" name=\"%s\"", rule->id);
	if (!n) {
		fputs("/>\n", out);
		return;
	}
	fprintf(out, ">\n      <%s", wrap);
	if (fails(r, rule)) {
		fputs(" message=\"", out);
		put_escaped_markup(out, rule->means);
		fputs("\" type=\"heapfx\"", out);
	}
	fputs(">", out);
	put_suspects(out, r, rule->id);
	fprintf(out, "</%s>\n    </testcase>\n", wrap);
}

static void put_check(FILE *out, const struct rp_check *c)
{
	const char *wrap = c->result == CHECK_BREACHED ? "failure" : "system-out";

	fprintf(out, "    <testcase classname=\"heapfx.%s\" name=\"", c->gate);
	put_markup(out, c->name);
	fprintf(out, "\">\n      <%s", wrap);
	if (c->result == CHECK_BREACHED) {
		fputs(" message=\"", out);
		put_markup(out, c->message);
		fputs("\" type=\"heapfx\"", out);
	}
	fputs(">", out);
	if (c->file) {
		put_markup(out, c->file);
		if (c->line)
			fprintf(out, ":%u", c->line);
		fputs(": ", out);
	}
	put_markup(out, c->message);
	fprintf(out, "</%s>\n    </testcase>\n", wrap);
}

static struct err *junit_write(const struct report *r, const struct writer_options *opt,
			       FILE *out)
{
	size_t failures = report_breaches(r);

	(void)opt; /* every suspect is told */
	for (size_t i = 0; i < n_rules; i++)
		failures += fails(r, &rules[i]);
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
		"  <testsuite tests=\"%zu\" failures=\"%zu\" errors=\"0\" name=\"",
		n_rules + r->checks.n, failures);
	put_markup(out, r->input.path ? r->input.path : "-");
	fputs("\">\n", out);
	for (size_t i = 0; i < n_rules; i++)
		put_case(out, r, &rules[i]);
	for (size_t i = 0; i < r->checks.n; i++)
		put_check(out, &r->checks.v[i]);
	fputs("  </testsuite>\n</testsuites>\n", out);
	return put_end(out, "junit");
}

const struct writer_ops junit_writer = {
	.name = "junit",
	.extension = "xml",
	.write = junit_write,
};
