/*
 * gate/apply.c - a report against its gates: suppressions first, then what the baseline knows, then
 * limits, then --fail-on.
 *
 * What is suppressed or known no longer counts for --fail-on; limits on rules do not count what is
 * suppressed, but do what is known: a limit is on all there is.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/vec.h"
#include "gate/gate.h"

/* ---- words */

static const char *const kind_words[LIMIT_KINDS] = {
	"memory", "heap", "category", "rule", "type", "root",
};

static void add_amount(struct text *t, uint64_t n, bool is_bytes)
{
	if (is_bytes)
		text_add_bytes(t, n);
	else
		text_add_count(t, n);
}

/* As it stands in the file. */
static void add_limit_name(struct text *t, const struct limit *l)
{
	text_printf(t, "%s %s", l->is_growth ? "growth" : "max", kind_words[l->of]);
	if (l->pattern) {
		bool quoted = strpbrk(l->pattern, " \t#\"");

		text_printf(t, quoted ? " \"%s\"" : " %s", l->pattern);
	}
	text_add(t, " ");
	if (l->unit == UNIT_PERCENT)
		text_printf(t, "%g%%", l->percent);
	else
		add_amount(t, l->value, l->unit == UNIT_BYTES);
	text_add(t, l->unit == UNIT_COUNT ? " blocks" : "");
}

static struct err *add_check(struct report *r, struct rp_check *c, struct text *name,
			     struct text *message)
{
	c->name = arena_strdup(&r->mem, text_str(name));
	c->message = arena_strdup(&r->mem, text_str(message));
	c->file = arena_strdup(&r->mem, c->file);
	return name->bad || message->bad || !c->name || !c->message || !vec_push(&r->checks, c) ?
		       &err_nomem :
		       NULL;
}

/* ---- suppressions */

static bool root_matches(const char *pattern, const struct rp_root *root)
{
	const char *const names[] = { root->symbol, root->function, root->source, root->kind };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i] && text_matches(pattern, names[i]))
			return true;
	return false;
}

static bool chain_matches(const char *pattern, const struct rp_chain *chain)
{
	struct text t = TEXT_INIT;
	bool is_match;

	chain_print(chain, &t);
	is_match = text_matches(pattern, text_str(&t));
	text_fini(&t);
	return is_match;
}

static bool suppresses(const struct suppression *x, const struct rp_suspect *s)
{
	if (!text_matches(x->rule, s->rule) ||
	    (x->signature && x->signature != suspect_fingerprint(s)) ||
	    (x->type && !text_matches(x->type, s->type ? s->type : "")))
		return false;
	if (x->root && !(s->has_chain && root_matches(x->root, &s->chain.root)))
		return false;
	return !x->chain || (s->has_chain && chain_matches(x->chain, &s->chain));
}

static struct err *tell_expired(const struct gates *g, const struct suppression *x, uint64_t n,
				struct report *r)
{
	struct rp_check c = { .gate = "suppressions", .file = g->suppressions_path,
			      .line = x->line, .result = CHECK_NOTE };
	struct text name = TEXT_INIT, message = TEXT_INIT;
	struct err *err;

	text_printf(&name, "suppress %s until %s", x->rule, x->until_text);
	text_printf(&message, "expired on %s and no longer suppresses %" PRIu64 " suspect%s: %s",
		    x->until_text, n, n == 1 ? "" : "s", x->reason);
	err = add_check(r, &c, &name, &message);
	text_fini(&name);
	text_fini(&message);
	return err;
}

static struct err *suppress(const struct gates *g, const struct suppression *x, int64_t today,
			    struct report *r)
{
	bool is_over = today > x->until;
	uint64_t n = 0;

	for (size_t i = 0; i < r->suspects.n; i++) {
		struct rp_suspect *s = &r->suspects.v[i];

		if (!suppresses(x, s))
			continue;
		n++;
		if (is_over || s->suppressed)
			continue;
		s->suppressed = arena_strdup(&r->mem, x->reason);
		s->suppressed_until = arena_strdup(&r->mem, x->until_text);
		if (!s->suppressed || !s->suppressed_until)
			return &err_nomem;
	}
	return is_over ? tell_expired(g, x, n, r) : NULL;
}

/* Totals without a suspect of their own: suppressed with their rule alone. */
static bool finding_is_suppressed(const struct gates *g, const struct rp_finding *f, int64_t today)
{
	for (size_t i = 0; i < g->suppressions.n; i++) {
		const struct suppression *x = &g->suppressions.v[i];

		if (today <= x->until && !x->type && !x->root && !x->chain && !x->signature &&
		    text_matches(x->rule, f->rule))
			return true;
	}
	return false;
}

/* ---- the baseline */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool knows_suspect(const struct baseline *b, uint64_t signature)
{
	return b->signatures.n && bsearch(&signature, b->signatures.v, b->signatures.n,
					  sizeof(signature), by_value);
}

static bool knows_rule(const struct baseline *b, const char *rule)
{
	for (size_t i = 0; b && i < b->rules.n; i++)
		if (!strcmp(b->rules.v[i], rule))
			return true;
	return false;
}

static struct err *tell_new(const struct baseline *b, const struct rp_suspect *s, struct report *r)
{
	struct rp_check c = { .gate = "baseline", .file = b->path, .result = CHECK_BREACHED,
			      .is_bytes = true, .has_values = true, .actual = s->retained };
	struct text name = TEXT_INIT, message = TEXT_INIT;
	struct err *err;

	text_printf(&name, "new %s %016" PRIx64, s->rule, suspect_fingerprint(s));
	text_printf(&message, "new: %s: %s, ", s->rule, s->title);
	text_add_bytes(&message, s->retained);
	text_printf(&message, " that %s does not know", b->path);
	err = add_check(r, &c, &name, &message);
	text_fini(&name);
	text_fini(&message);
	return err;
}

/* Notes are for people to look at: they are new, but no breach. */
static struct err *hold_against(const struct baseline *b, struct report *r)
{
	struct err *err = NULL;

	for (size_t i = 0; i < r->suspects.n && !err; i++) {
		struct rp_suspect *s = &r->suspects.v[i];

		s->baseline = knows_suspect(b, suspect_fingerprint(s)) ? BASELINE_KNOWN :
									 BASELINE_NEW;
		if (suspect_counts(s) && rule_get(s->rule)->severity >= SEV_WARNING)
			err = tell_new(b, s, r);
	}
	return err;
}

/* ---- limits */

struct sum {
	uint64_t bytes, count;
	bool is_known;
};

static uint64_t plus(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static struct sum sum_of(const struct limit *l, const struct amount *v, size_t n)
{
	struct sum sum = {};

	for (size_t i = 0; i < n; i++) {
		if (v[i].of != l->of || (l->pattern && !text_matches(l->pattern, v[i].name)))
			continue;
		sum.bytes = plus(sum.bytes, v[i].bytes);
		sum.count = plus(sum.count, v[i].count);
		sum.is_known = true;
	}
	return sum;
}

static uint64_t percent_of(double percent, uint64_t n)
{
	double part = percent / 100 * (double)n;

	return part < 0x1p63 ? (uint64_t)part : INT64_MAX;
}

static void add_limit_message(struct text *t, const struct limit *l, const struct rp_check *c,
			      const struct sum *old, const struct sum *now)
{
	bool is_count = l->unit == UNIT_COUNT;

	if (l->is_growth) {
		text_add(t, "from ");
		add_amount(t, is_count ? old->count : old->bytes, c->is_bytes);
		text_add(t, " to ");
		add_amount(t, is_count ? now->count : now->bytes, c->is_bytes);
		text_add(t, ", +");
	}
	add_amount(t, c->actual, c->is_bytes);
	text_add(t, is_count ? " blocks" : "");
	if (c->result == CHECK_BREACHED) {
		text_add(t, ", ");
		add_amount(t, c->actual - c->limit, c->is_bytes);
		text_add(t, " over the limit of ");
		add_amount(t, c->limit, c->is_bytes);
	} else {
		text_add(t, " of ");
		add_amount(t, c->limit, c->is_bytes);
	}
	if (l->unit == UNIT_PERCENT)
		text_printf(t, " (%g%%)", l->percent);
}

static struct err *add_finding(struct report *r, const struct rp_check *c)
{
	struct rp_finding f = { .rule = "budget/exceeded", .suspect = -1 };

	f.message = arena_printf(&r->mem, "%s: %s", c->name, c->message);
	return f.message && vec_push(&r->findings, &f) ? NULL : &err_nomem;
}

static struct err *check_limit(const struct gates *g, const struct limit *l,
			       const struct baseline *b, const struct amounts *a, struct report *r)
{
	struct rp_check c = { .gate = "budget", .file = g->budget_path, .line = l->line,
			      .has_values = true, .is_bytes = l->unit != UNIT_COUNT };
	struct sum now = sum_of(l, a->list.v, a->list.n), old = {};
	struct text name = TEXT_INIT, message = TEXT_INIT;
	struct err *err;

	if (l->is_growth)
		old = sum_of(l, b->amounts.v, b->amounts.n);
	c.actual = l->unit == UNIT_COUNT ? now.count : now.bytes;
	c.limit = l->value;
	if (l->unit == UNIT_PERCENT)
		c.limit = percent_of(l->percent, l->is_growth ? old.bytes : report_heap_bytes(r));
	if (l->is_growth) {
		uint64_t before = l->unit == UNIT_COUNT ? old.count : old.bytes;

		c.actual = c.actual > before ? c.actual - before : 0;
	}
	c.result = c.actual > c.limit ? CHECK_BREACHED : CHECK_OK;
	add_limit_name(&name, l);
	add_limit_message(&message, l, &c, &old, &now);
	/* A name that is not there may be misspelt: 0 bytes are no proof that all is well. */
	if (!now.is_known && !old.is_known) {
		c.result = CHECK_NOTE;
		text_reset(&message);
		text_printf(&message, "nothing here by that name, nothing to measure");
	}
	err = add_check(r, &c, &name, &message);
	if (!err && c.result == CHECK_BREACHED)
		err = add_finding(r, &r->checks.v[r->checks.n - 1]);
	text_fini(&name);
	text_fini(&message);
	return err;
}

static struct err *check_limits(const struct gates *g, const struct baseline *b, struct report *r)
{
	struct amounts a = {};
	struct err *err = amounts_of(r, &r->mem, &a);

	for (size_t i = 0; i < g->limits.n && !err; i++)
		err = check_limit(g, &g->limits.v[i], b, &a, r);
	free(a.list.v);
	return err;
}

/* ---- --fail-on */

static bool is_word(const char *list, size_t len, const char *word)
{
	return strlen(word) == len && !strncmp(list, word, len);
}

struct err *gates_check_fail_on(const char *list)
{
	for (const char *p = list; p && *p;) {
		size_t len = strcspn(p, ",");
		bool known = false;

		for (unsigned s = SEV_NOTE; s <= SEV_ERROR; s++)
			known |= is_word(p, len, severity_name(s));
		for (size_t i = 0; i < n_rules; i++)
			known |= is_word(p, len, rules[i].id);
		if (!known)
			return err_new(ERR_USAGE, "--fail-on: no such rule or severity: %.*s",
				       (int)len, p);
		p += len + (p[len] == ',');
	}
	return NULL;
}

static bool fail_on_names(const char *list, const struct rule *rule)
{
	for (const char *p = list; *p;) {
		size_t len = strcspn(p, ",");

		if (is_word(p, len, rule->id))
			return true;
		for (unsigned s = SEV_NOTE; s <= rule->severity; s++)
			if (is_word(p, len, severity_name(s)))
				return true;
		p += len + (p[len] == ',');
	}
	return false;
}

static bool finding_counts(const struct gates *g, const struct baseline *b, int64_t today,
			   const struct rp_finding *f, const struct report *r)
{
	if (f->suspect >= 0 && (size_t)f->suspect < r->suspects.n)
		return suspect_counts(&r->suspects.v[f->suspect]);
	return !finding_is_suppressed(g, f, today) && !knows_rule(b, f->rule);
}

static struct err *check_findings(const struct gates *g, const struct baseline *b, int64_t today,
				  struct report *r)
{
	struct err *err = NULL;

	for (size_t i = 0; i < r->findings.n && !err; i++) {
		const struct rp_finding *f = &r->findings.v[i];
		struct rp_check c = { .gate = "fail-on", .result = CHECK_BREACHED };
		struct text name = TEXT_INIT, message = TEXT_INIT;

		/* An exceeded limit is a breach of its own already. */
		if (!fail_on_names(g->fail_on, rule_get(f->rule)) ||
		    !strcmp(f->rule, "budget/exceeded") || !finding_counts(g, b, today, f, r))
			continue;
		text_add(&name, f->rule);
		text_printf(&message, "%s: %s", f->rule, f->message);
		err = add_check(r, &c, &name, &message);
		text_fini(&name);
		text_fini(&message);
	}
	return err;
}

struct err *gates_apply(const struct gates *g, const struct baseline *b, int64_t today,
			struct report *r)
{
	struct err *err = NULL;

	if (!b && gates_need_growth(g))
		return err_new(ERR_USAGE, "%s: growth against what? --baseline names it",
			       g->budget_path);
	for (size_t i = 0; i < g->suppressions.n && !err; i++)
		err = suppress(g, &g->suppressions.v[i], today, r);
	if (!err && b)
		err = hold_against(b, r);
	if (!err && g->limits.n)
		err = check_limits(g, b, r);
	if (!err && g->fail_on)
		err = check_findings(g, b, today, r);
	return err;
}
