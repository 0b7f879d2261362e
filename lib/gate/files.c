/*
 * gate/files.c - the lines of a budget and of suppressions (docs/ci.md has them for people):
 *
 *	max WHAT [PATTERN] AMOUNT		growth WHAT [PATTERN] AMOUNT
 *	suppress RULE [type|root|chain PATTERN]... [signature HEX] until DATE because REASON
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "gate/gate.h"
#include "gate/words.h"

void gates_fini(struct gates *g)
{
	free(g->limits.v);
	free(g->suppressions.v);
	arena_fini(&g->mem);
	memset(g, 0, sizeof(*g));
}

bool gates_need_growth(const struct gates *g)
{
	for (size_t i = 0; i < g->limits.n; i++)
		if (g->limits.v[i].is_growth)
			return true;
	return false;
}

bool gates_need_roots(const struct gates *g)
{
	for (size_t i = 0; i < g->limits.n; i++)
		if (g->limits.v[i].of == LIMIT_ROOT)
			return true;
	return false;
}

/* ---- budgets */

static const char *const limit_words[LIMIT_KINDS] = {
	[LIMIT_MEMORY] = "memory", [LIMIT_HEAP] = "heap", [LIMIT_CATEGORY] = "category",
	[LIMIT_RULE] = "rule",	   [LIMIT_TYPE] = "type", [LIMIT_ROOT] = "root",
};

/* A pattern for names that are known beforehand has to match one of them. */
static bool names_something(enum limit_of of, const char *pattern)
{
	if (of == LIMIT_CATEGORY)
		for (unsigned i = 0; i < CAT_COUNT; i++)
			if (text_matches(pattern, category_name(i)))
				return true;
	if (of == LIMIT_RULE)
		for (size_t i = 0; i < n_rules; i++)
			if (text_matches(pattern, rules[i].id))
				return true;
	return of == LIMIT_TYPE || of == LIMIT_ROOT;
}

static bool is_unit_of_count(const char *s)
{
	return !strcmp(s, "count") || !strcmp(s, "blocks") || !strcmp(s, "objects");
}

/* "64M", "10%", "10000 count": the words from `at` on. */
static struct err *read_amount(const struct words *w, size_t at, struct limit *l)
{
	char *end;

	if (at >= w->n)
		return words_err(w, "an amount is missing");
	if (w->n - at == 2 && is_unit_of_count(w->v[at + 1])) {
		l->unit = UNIT_COUNT;
		l->value = strtoull(w->v[at], &end, 10);
		if (*w->v[at] < '0' || *w->v[at] > '9' || *end || l->value > INT64_MAX)
			return words_err(w, "no count: %s", w->v[at]);
		if (l->of == LIMIT_MEMORY || l->of == LIMIT_HEAP || l->of == LIMIT_ROOT)
			return words_err(w, "%s is not counted in blocks", limit_words[l->of]);
		return NULL;
	}
	if (w->n - at > 1)
		return words_err(w, "a word too many: %s", w->v[at + 1]);
	if (text_parse_size(w->v[at], &l->value))
		return NULL;
	l->unit = UNIT_PERCENT;
	l->percent = strtod(w->v[at], &end);
	if (*w->v[at] < '0' || *w->v[at] > '9' || strcmp(end, "%") || !(l->percent < 1e9))
		return words_err(w, "no amount: %s", w->v[at]);
	if (!l->is_growth && (l->of == LIMIT_MEMORY || l->of == LIMIT_HEAP))
		return words_err(w, "a share of what? max %s takes bytes", limit_words[l->of]);
	return NULL;
}

static struct err *read_limit(const struct words *w, struct limit *l)
{
	unsigned of = 0;

	*l = (struct limit){ .line = w->line, .is_growth = !strcmp(w->v[0], "growth") };
	if (!l->is_growth && strcmp(w->v[0], "max"))
		return words_err(w, "a line begins with max or growth, not %s", w->v[0]);
	while (of < LIMIT_KINDS && (w->n < 2 || strcmp(w->v[1], limit_words[of])))
		of++;
	if (of == LIMIT_KINDS)
		return words_err(w, "%s of memory, heap, category, rule, type or root, not %s",
				 w->v[0], w->n < 2 ? "nothing" : w->v[1]);
	l->of = of;
	if (of == LIMIT_MEMORY || of == LIMIT_HEAP)
		return read_amount(w, 2, l);
	if (w->n < 3)
		return words_err(w, "which %s?", limit_words[of]);
	l->pattern = w->v[2];
	if (!names_something(of, l->pattern))
		return words_err(w, "no such %s: %s", limit_words[of], l->pattern);
	return read_amount(w, 3, l);
}

struct err *gates_read_budget(struct gates *g, const char *path, const void *bytes, size_t n)
{
	struct words w = words_of(path, bytes, n, &g->mem);
	struct limit l;
	struct err *err;

	g->budget_path = path;
	while (!(err = words_next(&w)) && w.n) {
		err = read_limit(&w, &l);
		if (!err && !vec_push(&g->limits, &l))
			err = &err_nomem;
		if (err)
			return err;
	}
	return err;
}

/* ---- suppressions */

static bool is_leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* "2026-12-31" as days since 1970-01-01, of the proleptic Gregorian calendar. */
static bool parse_date(const char *s, int64_t *ret)
{
	static const char form[] = "0000-00-00";
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned year, month, day;
	int64_t n = 0;

	for (size_t i = 0; i < sizeof(form); i++)
		if (form[i] == '0' ? s[i] < '0' || s[i] > '9' : s[i] != form[i])
			return false;
	year = (unsigned)strtoul(s, NULL, 10);
	month = (unsigned)strtoul(s + 5, NULL, 10);
	day = (unsigned)strtoul(s + 8, NULL, 10);
	if (year < 1970 || !month || month > 12 || !day ||
	    day > (unsigned)days[month - 1] + (month == 2 && is_leap(year)))
		return false;
	for (unsigned y = 1970; y < year; y++)
		n += 365 + is_leap(y);
	for (unsigned m = 1; m < month; m++)
		n += days[m - 1] + (m == 2 && is_leap(year));
	*ret = n + day - 1;
	return true;
}

static struct err *read_signature(const struct words *w, const char *s, uint64_t *ret)
{
	char *end;

	*ret = strtoull(s, &end, 16);
	if (strlen(s) != 16 || strspn(s, "0123456789abcdef") != 16 || !*ret)
		return words_err(w, "a signature is 16 hexadecimal digits, not %s", s);
	return NULL;
}

/* A word and its value. */
static struct err *read_condition(const struct words *w, size_t at, struct suppression *s)
{
	const char *word = w->v[at], *value = at + 1 < w->n ? w->v[at + 1] : NULL;

	if (!value)
		return words_err(w, "%s needs a word after it", word);
	if (!strcmp(word, "signature"))
		return read_signature(w, value, &s->signature);
	if (!strcmp(word, "until")) {
		s->until_text = value;
		return parse_date(value, &s->until) ?
			       NULL :
			       words_err(w, "no date (2026-12-31): %s", value);
	}
	if (!strcmp(word, "because"))
		s->reason = value;
	else if (!strcmp(word, "type"))
		s->type = value;
	else if (!strcmp(word, "root"))
		s->root = value;
	else if (!strcmp(word, "chain"))
		s->chain = value;
	else
		return words_err(w, "type, root, chain, signature, until or because, not %s", word);
	return NULL;
}

static struct err *read_suppression(const struct words *w, struct suppression *s)
{
	struct err *err = NULL;

	*s = (struct suppression){ .line = w->line, .rule = w->n > 1 ? w->v[1] : "" };
	if (strcmp(w->v[0], "suppress"))
		return words_err(w, "a line begins with suppress, not %s", w->v[0]);
	if (!names_something(LIMIT_RULE, s->rule))
		return words_err(w, "no such rule: %s", s->rule);
	for (size_t at = 2; at < w->n && !err; at += 2)
		err = read_condition(w, at, s);
	if (err)
		return err;
	if (!s->until_text)
		return words_err(w, "until which day? (until 2026-12-31)");
	if (!s->reason || !*s->reason)
		return words_err(w, "why? (because \"...\")");
	return NULL;
}

struct err *gates_read_suppressions(struct gates *g, const char *path, const void *bytes, size_t n)
{
	struct words w = words_of(path, bytes, n, &g->mem);
	struct suppression s;
	struct err *err;

	g->suppressions_path = path;
	while (!(err = words_next(&w)) && w.n) {
		err = read_suppression(&w, &s);
		if (!err && !vec_push(&g->suppressions, &s))
			err = &err_nomem;
		if (err)
			return err;
	}
	return err;
}
