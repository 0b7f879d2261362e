/* report/gitlab.c - suspects as a GitLab code quality report (the Code Climate issue format). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "report/json_out.h"
#include "report/report.h"

static const char *level_of(enum severity severity)
{
	static const char *const names[] = { "info", "minor", "major" };

	return names[severity];
}

/* One of each: two results of one fingerprint are one issue. */
static void put_fingerprint(struct json *j, const struct report *r, size_t i)
{
	uint64_t own = suspect_fingerprint(&r->suspects.v[i]);
	unsigned before = 0;
	char s[32];

	for (size_t k = 0; k < i; k++)
		before += suspect_fingerprint(&r->suspects.v[k]) == own;
	snprintf(s, sizeof(s), before ? "%016" PRIx64 "-%u" : "%016" PRIx64, own, before);
	json_text(j, "fingerprint", s);
}

static void put_issue(struct json *j, const struct report *r, size_t i)
{
	const struct rp_suspect *s = &r->suspects.v[i];
	struct text t = TEXT_INIT;

	text_add_escaped(&t, s->title, strlen(s->title));
	text_add(&t, ": ");
	text_add_bytes(&t, s->retained);
	json_map(j, NULL);
	json_plain(j, "description", text_str(&t));
	json_text(j, "check_name", s->rule);
	put_fingerprint(j, r, i);
	json_text(j, "severity", level_of(rule_get(s->rule)->severity));
	json_map(j, "location");
	json_text(j, "path", r->input.path ? r->input.path : "-");
	json_map(j, "lines");
	json_uint(j, "begin", 1);
	json_end_map(j);
	json_end_map(j);
	json_end_map(j);
	text_fini(&t);
}

enum { ISSUES_MAX = 1000 };

/* The line of the budget that is exceeded; other breaches are issues of suspects already. */
static void put_check(struct json *j, const struct rp_check *c)
{
	struct text t = TEXT_INIT;
	char fingerprint[24];

	text_add(&t, c->name);
	text_add(&t, ": ");
	text_add(&t, c->message);
	snprintf(fingerprint, sizeof(fingerprint), "%016" PRIx64, text_hash(c->name));
	json_map(j, NULL);
	json_text(j, "description", text_str(&t));
	json_text(j, "check_name", "budget/exceeded");
	json_text(j, "fingerprint", fingerprint);
	json_text(j, "severity", "major");
	json_map(j, "location");
	json_text(j, "path", c->file ? c->file : "-");
	json_map(j, "lines");
	json_uint(j, "begin", c->line ? c->line : 1);
	json_end_map(j);
	json_end_map(j);
	json_end_map(j);
	text_fini(&t);
}

static struct err *gitlab_write(const struct report *r, const struct writer_options *opt, FILE *out)
{
	struct json *j;
	struct err *err = json_open(out, JSON_INDENTED, &j);

	(void)opt; /* every suspect is an issue */
	if (err)
		return err;
	json_list(j, NULL);
	for (size_t i = 0; i < r->checks.n; i++)
		if (r->checks.v[i].result == CHECK_BREACHED &&
		    !strcmp(r->checks.v[i].gate, "budget"))
			put_check(j, &r->checks.v[i]);
	for (size_t i = 0; i < r->suspects.n && i < ISSUES_MAX; i++)
		if (!r->suspects.v[i].suppressed)
			put_issue(j, r, i);
	json_end_list(j);
	return json_close(j, "the code quality report");
}

const struct writer_ops gitlab_writer = {
	.name = "gitlab",
	.extension = "json",
	.write = gitlab_write,
};
