/*
 * report/sarif.c - suspects as results of SARIF 2.1.0 (docs.oasis-open.org/sarif), which code
 * scanning services read.  A chain is a code flow; the fingerprint is its signature, so that
 * the same leak of two runs is one.  A result stands at the source of its root where debug
 * information tells that, else at the dump; an exceeded limit at its line of the budget.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/version.h"
#include "report/json_out.h"
#include "report/report.h"

enum { RESULTS_MAX = 5000, STEPS_MAX = 1000 }; /* what services take: 25,000 and 10,000 at most */

static void add_name(struct text *t, const char *name)
{
	text_add_escaped(t, name, strlen(name));
}

static void put_message(struct json *j, const char *key, const char *escaped)
{
	json_map(j, key);
	json_plain(j, "text", escaped);
	json_end_map(j);
}

/* The page of a rule: docs/rules/lost-definite.md.  SARIF wants helpUri absolute: none is. */
static void put_help(struct json *j, const struct rule *rule)
{
	struct text page = TEXT_INIT, t = TEXT_INIT;

	text_printf(&page, "docs/rules/%s.md", rule->id);
	for (char *s = page.s ? page.s + strlen("docs/rules/") : NULL; s && *s; s++)
		*s = *s == '/' ? '-' : *s;
	json_map(j, "help");
	text_printf(&t, "%s. What to do: %s. %s has the evidence, how to check it by hand, how to "
		    "fix it, and what is no defect.", rule->means, rule->advice, text_str(&page));
	json_plain(j, "text", text_str(&t));
	text_reset(&t);
	text_printf(&t, "%s.\n\n**What to do:** %s.\n\n[The rule's page](%s)", rule->means,
		    rule->advice, text_str(&page));
	json_plain(j, "markdown", text_str(&t));
	json_end_map(j);
	text_fini(&page);
	text_fini(&t);
}

static void put_rules(struct json *j)
{
	json_list(j, "rules");
	for (size_t i = 0; i < n_rules; i++) {
		json_map(j, NULL);
		json_text(j, "id", rules[i].id);
		put_message(j, "shortDescription", rules[i].means);
		put_message(j, "fullDescription", rules[i].means);
		put_help(j, &rules[i]);
		json_map(j, "defaultConfiguration");
		json_text(j, "level", severity_name(rules[i].severity));
		json_end_map(j);
		json_end_map(j);
	}
	json_end_list(j);
}

/* A path as a URI reference; what is absolute is a file of the machine that built or ran it. */
static void put_uri(struct json *j, const char *path)
{
	struct text uri = TEXT_INIT;

	text_add(&uri, *path == '/' ? "file://" : "");
	for (const char *s = path; *s; s++)
		if (strchr("%?#[]@!$&'()*+,;=: \"<>\\^`{|}", *s) || (unsigned char)*s < 0x21 ||
		    (unsigned char)*s > 0x7e)
			text_printf(&uri, "%%%02X", (unsigned char)*s);
		else
			text_add_n(&uri, s, 1);
	json_map(j, "artifactLocation");
	json_text(j, "uri", text_str(&uri));
	json_end_map(j);
	text_fini(&uri);
}

static void put_source(struct json *j, const char *file, unsigned line)
{
	json_map(j, "physicalLocation");
	put_uri(j, file);
	json_map(j, "region");
	json_uint(j, "startLine", line ? line : 1);
	json_end_map(j);
	json_end_map(j);
}

/* The last part of the path: what the dump is called on the reader's side. */
static void put_artifact(struct json *j, const struct report *r)
{
	const char *path = r->input.path ? r->input.path : "-", *slash = strrchr(path, '/');

	json_map(j, "physicalLocation");
	put_uri(j, slash && slash[1] ? slash + 1 : path);
	json_map(j, "region"); /* all of it */
	json_uint(j, "byteOffset", 0);
	json_uint(j, "byteLength", r->input.bytes);
	json_end_map(j);
	json_end_map(j);
}

/* Where the root stands in the source, else the dump. */
static void put_place(struct json *j, const struct report *r, const struct rp_root *root)
{
	if (root && root->file)
		put_source(j, root->file, root->line);
	else
		put_artifact(j, r);
}

/*
 * A leak of no root that has a place stands where its type is declared; of Go, whose programs do
 * not tell that, where a method of it begins: near it, which the related location says.
 */
static void put_result_place(struct json *j, const struct report *r, const struct rp_suspect *s)
{
	if (s->type_file && !(s->has_chain && s->chain.root.file))
		put_source(j, s->type_file, s->type_line);
	else
		put_place(j, r, s->has_chain ? &s->chain.root : NULL);
}

static void put_type_place(struct json *j, const struct rp_suspect *s)
{
	struct text t = TEXT_INIT;

	if (!s->type_file)
		return;
	if (s->type_method) {
		add_name(&t, s->type_method);
		text_add(&t, ", a method of ");
	} else {
		text_add(&t, "declares ");
	}
	add_name(&t, s->type);
	json_list(j, "relatedLocations");
	json_map(j, NULL);
	put_source(j, s->type_file, s->type_line);
	put_message(j, "message", text_str(&t));
	json_end_map(j);
	json_end_list(j);
	text_fini(&t);
}

static void put_logical(struct json *j, const struct rp_root *root)
{
	const char *name = root->symbol ? root->symbol :
			   root->function ? root->function : root->source;

	if (!name)
		return;
	json_list(j, "logicalLocations");
	json_map(j, NULL);
	json_text(j, "fullyQualifiedName", name);
	json_text(j, "kind", root->symbol ? "variable" : root->function ? "function" : NULL);
	json_end_map(j);
	json_end_list(j);
}

static void put_step(struct json *j, const struct report *r, const struct rp_root *root,
		     const char *text)
{
	json_map(j, NULL);
	json_map(j, "location");
	put_place(j, r, root);
	put_message(j, "message", text);
	json_end_map(j);
	json_end_map(j);
}

static void put_flow(struct json *j, const struct report *r, const struct rp_chain *c)
{
	struct rp_chain step = { .root = c->root };
	struct text t = TEXT_INIT;

	json_list(j, "codeFlows");
	json_map(j, NULL);
	json_list(j, "threadFlows");
	json_map(j, NULL);
	json_list(j, "locations");
	chain_print(&step, &t); /* the root alone */
	put_step(j, r, &c->root, text_str(&t));
	for (size_t i = 0; i < c->n_hops && i < STEPS_MAX; i++) {
		const struct rp_hop *hop = &c->hops[i];

		text_reset(&t);
		text_printf(&t, "0x%" PRIx64 ", %" PRIu64 " bytes", hop->address, hop->size);
		text_add(&t, hop->type ? ", " : "");
		add_name(&t, hop->type ? hop->type : "");
		text_add(&t, hop->via_name ? " by " : "");
		add_name(&t, hop->via_name ? hop->via_name : "");
		if (hop->repeat > 1)
			text_printf(&t, ", and %" PRIu64 " more like it", hop->repeat - 1);
		put_step(j, r, NULL, text_str(&t));
	}
	json_end_list(j);
	json_end_map(j);
	json_end_list(j);
	json_end_map(j);
	json_end_list(j);
	text_fini(&t);
}

static size_t rule_index(const char *id)
{
	return (size_t)(rule_get(id) - rules);
}

static void put_suppression(struct json *j, const struct rp_suspect *s)
{
	struct text t = TEXT_INIT;

	if (!s->suppressed)
		return;
	text_add_escaped(&t, s->suppressed, strlen(s->suppressed));
	text_add(&t, " (until ");
	text_add_escaped(&t, s->suppressed_until, strlen(s->suppressed_until));
	text_add(&t, ")");
	json_list(j, "suppressions");
	json_map(j, NULL);
	json_text(j, "kind", "external");
	json_text(j, "status", "accepted");
	json_plain(j, "justification", text_str(&t));
	json_end_map(j);
	json_end_list(j);
	text_fini(&t);
}

static void put_result(struct json *j, const struct report *r, const struct rp_suspect *s)
{
	struct text t = TEXT_INIT;
	char fingerprint[24];

	json_map(j, NULL);
	json_text(j, "ruleId", s->rule);
	json_uint(j, "ruleIndex", rule_index(s->rule));
	json_text(j, "level", severity_name(rule_get(s->rule)->severity));
	add_name(&t, s->title);
	text_add(&t, ": ");
	text_add_bytes(&t, s->retained);
	text_add(&t, ". ");
	add_name(&t, s->advice ? s->advice : rule_get(s->rule)->advice);
	put_message(j, "message", text_str(&t));
	json_list(j, "locations");
	json_map(j, NULL);
	put_result_place(j, r, s);
	if (s->has_chain)
		put_logical(j, &s->chain.root);
	json_end_map(j);
	json_end_list(j);
	put_type_place(j, s);
	json_text(j, "baselineState", baseline_state_name(s->baseline));
	put_suppression(j, s);
	snprintf(fingerprint, sizeof(fingerprint), "%016" PRIx64, suspect_fingerprint(s));
	json_map(j, "partialFingerprints");
	json_text(j, "heapfxChain/v1", fingerprint);
	json_end_map(j);
	if (s->has_chain && s->chain.root.kind)
		put_flow(j, r, &s->chain);
	json_map(j, "properties");
	json_uint(j, "count", s->count);
	json_uint(j, "bytes", s->bytes);
	json_uint(j, "retained", s->retained);
	json_text(j, "confidence", confidence_name(s->confidence));
	json_end_map(j);
	json_end_map(j);
	text_fini(&t);
}

/* A limit of the budget that is exceeded; other breaches are suspects, which are results. */
static void put_breach(struct json *j, const struct rp_check *c)
{
	struct text t = TEXT_INIT;
	char fingerprint[24];

	json_map(j, NULL);
	json_text(j, "ruleId", "budget/exceeded");
	json_uint(j, "ruleIndex", rule_index("budget/exceeded"));
	json_text(j, "level", "error");
	add_name(&t, c->name);
	text_add(&t, ": ");
	add_name(&t, c->message);
	put_message(j, "message", text_str(&t));
	json_list(j, "locations");
	json_map(j, NULL);
	put_source(j, c->file ? c->file : "-", c->line);
	json_end_map(j);
	json_end_list(j);
	snprintf(fingerprint, sizeof(fingerprint), "%016" PRIx64, text_hash(c->name));
	json_map(j, "partialFingerprints");
	json_text(j, "heapfxLimit/v1", fingerprint);
	json_end_map(j);
	json_map(j, "properties");
	json_uint(j, "limit", c->limit);
	json_uint(j, "actual", c->actual);
	json_text(j, "unit", c->is_bytes ? "bytes" : "blocks");
	json_end_map(j);
	json_end_map(j);
	text_fini(&t);
}

static void put_exit(struct json *j, const struct report *r)
{
	size_t breaches = report_breaches(r);
	struct text t = TEXT_INIT;

	text_printf(&t, "%zu of %zu gates breached", breaches, r->checks.n);
	json_uint(j, "exitCode", breaches ? 1 : 0);
	json_plain(j, "exitCodeDescription", text_str(&t));
	text_fini(&t);
}

static void put_invocation(struct json *j, const struct report *r)
{
	const struct diags *d = r->problems;

	json_list(j, "invocations");
	json_map(j, NULL);
	json_bool(j, "executionSuccessful", true);
	if (r->checks.n)
		put_exit(j, r);
	json_list(j, "toolExecutionNotifications");
	for (size_t i = 0; d && i < d->n; i++) {
		json_map(j, NULL);
		json_text(j, "level", "warning");
		json_map(j, "message");
		json_text(j, "text", d->list[i].message ? d->list[i].message : d->list[i].code);
		json_end_map(j);
		json_end_map(j);
	}
	json_end_list(j);
	json_end_map(j);
	json_end_list(j);
}

static struct err *sarif_write(const struct report *r, const struct writer_options *opt,
			       FILE *out)
{
	struct json *j;
	struct err *err = json_open(out, JSON_INDENTED, &j);

	(void)opt; /* every suspect is a result */
	if (err)
		return err;
	json_map(j, NULL);
	json_text(j, "$schema", "https://json.schemastore.org/sarif-2.1.0.json");
	json_text(j, "version", "2.1.0");
	json_list(j, "runs");
	json_map(j, NULL);
	json_map(j, "tool");
	json_map(j, "driver");
	json_text(j, "name", "heapfx");
	json_text(j, "version", HEAPFX_VERSION);
	put_rules(j);
	json_end_map(j);
	json_end_map(j);
	put_invocation(j, r);
	json_list(j, "results");
	for (size_t i = 0; i < r->checks.n; i++)
		if (r->checks.v[i].result == CHECK_BREACHED &&
		    !strcmp(r->checks.v[i].gate, "budget"))
			put_breach(j, &r->checks.v[i]);
	for (size_t i = 0; i < r->suspects.n && i < RESULTS_MAX; i++)
		put_result(j, r, &r->suspects.v[i]);
	json_end_list(j);
	json_text(j, "columnKind", "unicodeCodePoints");
	json_end_map(j);
	json_end_list(j);
	json_end_map(j);
	return json_close(j, "sarif");
}

const struct writer_ops sarif_writer = {
	.name = "sarif",
	.extension = "sarif",
	.write = sarif_write,
};
