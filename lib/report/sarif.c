/*
 * report/sarif.c - suspects as results of SARIF 2.1.0 (docs.oasis-open.org/sarif), which code
 * scanning services read.  A chain is a code flow; the fingerprint is its signature, so that
 * the same leak of two runs is one.
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

static void put_rules(struct json *j)
{
	json_list(j, "rules");
	for (size_t i = 0; i < n_rules; i++) {
		json_map(j, NULL);
		json_text(j, "id", rules[i].id);
		put_message(j, "shortDescription", rules[i].means);
		put_message(j, "fullDescription", rules[i].means);
		put_message(j, "help", rules[i].advice);
		json_map(j, "defaultConfiguration");
		json_text(j, "level", severity_name(rules[i].severity));
		json_end_map(j);
		json_end_map(j);
	}
	json_end_list(j);
}

/* The last part of the path as a URI: what the dump is called on the reader's side. */
static void put_artifact(struct json *j, const struct report *r)
{
	const char *path = r->input.path ? r->input.path : "-", *slash = strrchr(path, '/');
	struct text uri = TEXT_INIT;

	for (const char *s = slash && slash[1] ? slash + 1 : path; *s; s++)
		if (strchr("%?#[]@!$&'()*+,;=:/ \"<>\\^`{|}", *s) || (unsigned char)*s < 0x21 ||
		    (unsigned char)*s > 0x7e)
			text_printf(&uri, "%%%02X", (unsigned char)*s);
		else
			text_add_n(&uri, s, 1);
	json_map(j, "physicalLocation");
	json_map(j, "artifactLocation");
	json_text(j, "uri", text_str(&uri));
	json_end_map(j);
	json_map(j, "region"); /* all of it */
	json_uint(j, "byteOffset", 0);
	json_uint(j, "byteLength", r->input.bytes);
	json_end_map(j);
	json_end_map(j);
	text_fini(&uri);
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

static void put_step(struct json *j, const struct report *r, const char *text)
{
	json_map(j, NULL);
	json_map(j, "location");
	put_artifact(j, r);
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
	put_step(j, r, text_str(&t));
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
		put_step(j, r, text_str(&t));
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
	put_artifact(j, r);
	if (s->has_chain)
		put_logical(j, &s->chain.root);
	json_end_map(j);
	json_end_list(j);
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

static void put_problems(struct json *j, const struct diags *d)
{
	json_list(j, "invocations");
	json_map(j, NULL);
	json_bool(j, "executionSuccessful", true);
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
	put_problems(j, r->problems);
	json_list(j, "results");
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
