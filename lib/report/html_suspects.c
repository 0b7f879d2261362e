/*
 * report/html_suspects.c - suspects with their chains: the first open, the others a click away.
 *
 * Of a long chain the middle is folded; where it is very long the page says how much it leaves out.
 */
#include <inttypes.h>

#include "report/html.h"
#include "report/put.h"

enum { HOPS_FIRST = 5, HOPS_LAST = 3, HOPS_FOLDED = 40, EVIDENCE_SHOWN = 16, OPEN = 3 };

static void put_hop(FILE *out, const struct rp_hop *hop)
{
	fprintf(out, "<li data-at=\"0x%" PRIx64 "\"><code>", hop->address);
	if (hop->via_name)
		put_name(out, hop->via_name, HTML_NAME);
	else if (hop->via_offset)
		fprintf(out, "+0x%" PRIx64, hop->via_offset);
	fputs(hop->via_name || hop->via_offset ? " " : "", out);
	put_name(out, hop->type ? hop->type : "block", HTML_NAME);
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

static void put_folded(FILE *out, const struct rp_hop *hops, size_t n)
{
	fprintf(out, "<li class=\"fold\"><details><summary>%zu more steps</summary><ol>\n", n);
	for (size_t i = 0; i < n && i < HOPS_FOLDED; i++)
		put_hop(out, &hops[i]);
	if (n > HOPS_FOLDED)
		fprintf(out, "<li class=\"small\">and %zu that are not shown</li>\n",
			n - HOPS_FOLDED);
	fputs("</ol></details></li>\n", out);
}

static void put_chain(FILE *out, const struct rp_chain *c)
{
	struct rp_chain root = { .root = c->root };
	struct text t = TEXT_INIT;
	size_t folded =
		c->n_hops > HOPS_FIRST + HOPS_LAST + 1 ? c->n_hops - HOPS_FIRST - HOPS_LAST : 0;

	chain_print(&root, &t);
	fputs("<ol class=\"chain\">\n<li class=\"root\"><code>", out);
	put_escaped_name(out, text_str(&t), HTML_NAME);
	fputs("</code></li>\n", out);
	for (size_t i = 0; i < c->n_hops; i++) {
		if (folded && i == HOPS_FIRST) {
			put_folded(out, &c->hops[i], folded);
			i += folded;
		}
		put_hop(out, &c->hops[i]);
	}
	fputs("</ol>\n", out);
	text_fini(&t);
}

static void put_facts(FILE *out, const struct rp_suspect *s)
{
	fprintf(out, "<p class=\"facts\"><code class=\"rule %s\">%s</code> ",
		severity_name(rule_get(s->rule)->severity), s->rule);
	fputs("count ", out); /* of what: the title says */
	put_count(out, s->count);
	fputs(", ", out);
	put_bytes(out, s->bytes);
	fputs(" of their own, ", out);
	put_bytes(out, s->retained);
	fputs(" with all they hold", out);
	if (s->type) {
		fputs("; type <code>", out);
		put_name(out, s->type, HTML_NAME);
		fputs("</code>", out);
	}
	fprintf(out, "; confidence: %s", confidence_name(s->confidence));
	for (size_t i = 0; i < s->n_addresses; i++)
		fprintf(out, "%s<code>0x%" PRIx64 "</code>", i ? " " : "; at ", s->addresses[i]);
	fputs("</p>\n", out);
}

static void put_evidence(FILE *out, const struct rp_suspect *s)
{
	if (!s->n_evidence)
		return;
	fputs("<dl class=\"evidence\">\n", out);
	for (size_t i = 0; i < s->n_evidence && i < EVIDENCE_SHOWN; i++) {
		fputs("<dt>", out);
		put_name(out, s->evidence[i].what, HTML_NAME);
		fputs("</dt><dd>", out);
		put_name(out, s->evidence[i].value, HTML_TITLE);
		fputs("</dd>\n", out);
	}
	fputs("</dl>\n", out);
}

static void put_suspect(FILE *out, const struct report *r, size_t no)
{
	const struct rp_suspect *s = &r->suspects.v[no];
	uint64_t of = report_heap_bytes(r);

	fprintf(out,
		"<details class=\"suspect %s\"%s id=\"%s\"><summary><span class=\"rank\">%zu"
		"</span><span class=\"title\">",
		severity_name(rule_get(s->rule)->severity), no < OPEN ? " open" : "",
		s->id ? s->id : "", no + 1);
	put_name(out, s->title, HTML_TITLE);
	fputs("</span>", out);
	html_size_and_part(out, s->retained, of);
	fputs("</summary>\n<div class=\"body\">\n", out);
	put_facts(out, s);
	if (s->has_chain)
		put_chain(out, &s->chain);
	put_evidence(out, s);
	fputs("<p class=\"advice\">", out);
	put_name(out, s->advice ? s->advice : rule_get(s->rule)->advice, HTML_TITLE);
	fputs("</p></div></details>\n", out);
}

void html_suspects(FILE *out, const struct report *r)
{
	fputs("<section><h2 id=\"suspects\">Suspects</h2>\n", out);
	if (!r->suspects.n)
		fputs("<p>None.</p>\n", out);
	else
		fputs("<p class=\"small\">Worst first: bytes that would go if each went, and their "
		      "share of the heap.</p>\n",
		      out);
	for (size_t i = 0; i < r->suspects.n && i < HTML_SUSPECTS; i++)
		put_suspect(out, r, i);
	html_more(out, r->suspects.n, HTML_SUSPECTS, "suspects, smaller than these");
	fputs("</section>\n", out);
}
