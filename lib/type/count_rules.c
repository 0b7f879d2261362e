/*
 * type/count_rules.c - the text of count rules: one table says which keys there are.
 */
#include "type/count_rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/vec.h"
#include "type/rule_text.h"

struct parser {
	const char *file;
	const struct rule_line *line;
	struct count_rules *to;
	struct count_rule *now; /* NULL before the first */
};

static struct err *wrong(const struct parser *p, const char *what, const char *arg)
{
	return rule_wrong(p->file, p->line->no, what, arg);
}

static struct err *begin(struct parser *p)
{
	struct count_rule rule = { .line = p->line->no };
	char name[RULE_LINE_MAX];

	if (p->line->n < 2)
		return wrong(p, "a name belongs here", p->line->v[0]);
	if (p->to->n == COUNT_RULES_MAX)
		return wrong(p, "64 rules are enough", p->line->v[0]);
	rule_join(p->line, 1, p->line->n, name);
	rule.name = arena_strdup(&p->to->mem, name);
	rule.strong.mask = rule.weak.mask = UINT64_MAX;
	if (!rule.name || !vec_push(p->to, &rule))
		return &err_nomem;
	p->now = &p->to->v[p->to->n - 1];
	return NULL;
}

static struct err *end(const struct parser *p)
{
	const struct count_rule *r = p->now;

	if (r && !r->n_types)
		return rule_wrong(p->file, r->line, "nothing says what has the count (type)",
				  r->name);
	if (r && !r->strong.given)
		return rule_wrong(p->file, r->line, "nothing says where the count is (strong)",
				  r->name);
	return NULL;
}

/* ---- values */

/* A field's name, or an offset. */
static struct err *parse_where(struct parser *p, const char *s, const char **ret_field,
			       uint32_t *ret_offset)
{
	uint64_t n;

	*ret_field = NULL;
	if (*s < '0' || *s > '9') {
		*ret_field = arena_strdup(&p->to->mem, s);
		return *ret_field ? NULL : &err_nomem;
	}
	if (!rule_number(s, &n))
		return wrong(p, "this is no number", s);
	if (n > COUNT_OFFSET_MAX)
		return wrong(p, "this is more than the 65536 bytes that a structure may have", s);
	*ret_offset = (uint32_t)n;
	return NULL;
}

static struct err *parse_place(struct parser *p, struct count_place *at)
{
	static const struct {
		const char *name;
		uint8_t bytes;
	} widths[] = { { "u8", 1 }, { "u16", 2 }, { "u32", 4 }, { "u64", 8 } };
	char *const *v = p->line->v;
	struct err *err;

	if (p->line->n < 2 || p->line->n > 3)
		return wrong(p, "a field, or an offset and u8, u16, u32 or u64, belong here", v[0]);
	if (at->given)
		return wrong(p, "this was said before", v[0]);
	err = parse_where(p, v[1], &at->field, &at->offset);
	for (size_t i = 0; !err && p->line->n == 3 && i < ARRAY_SIZE(widths); i++)
		if (!strcmp(v[2], widths[i].name))
			at->width = widths[i].bytes;
	if (!err && !at->width && (!at->field || p->line->n == 3))
		return wrong(p, "u8, u16, u32 or u64 belongs behind an offset", v[1]);
	at->given = true;
	return err;
}

static struct err *parse_part(struct parser *p, struct count_place *at, const char *part)
{
	const char *s = p->line->n == 2 ? p->line->v[1] : "";
	bool minus = !strcmp(part, "bias") && *s == '-';
	uint64_t n;

	if (p->line->n != 2 || !rule_number(s + minus, &n))
		return wrong(p, "one number belongs here", p->line->v[0]);
	if (!strcmp(part, "mask")) {
		at->mask = n;
		return n ? NULL : wrong(p, "0 is too small", p->line->v[0]);
	}
	if (!strcmp(part, "shift")) {
		at->shift = (uint8_t)n;
		return n < 64 ? NULL : wrong(p, "this is more than a word has", s);
	}
	at->bias = minus ? -(int64_t)n : (int64_t)n;
	return n <= INT32_MAX ? NULL : wrong(p, "no count is that far off", s);
}

static struct err *parse_type(struct parser *p)
{
	struct count_rule *r = p->now;
	char name[RULE_LINE_MAX];

	if (p->line->n < 2)
		return wrong(p, "a type's name belongs here", p->line->v[0]);
	if (r->n_types == COUNT_LIST_MAX)
		return wrong(p, "32 of these are enough", p->line->v[0]);
	rule_join(p->line, 1, p->line->n, name);
	r->types[r->n_types] = arena_strdup(&p->to->mem, name);
	return r->types[r->n_types++] ? NULL : &err_nomem;
}

static struct err *parse_ref(struct parser *p, enum count_ref_kind kind)
{
	struct count_rule *r = p->now;
	struct count_ref ref = { .kind = (uint8_t)kind };
	char name[RULE_LINE_MAX];
	struct err *err;

	if (p->line->n < 3)
		return wrong(p, "a type's name, and a field's or an offset, belong here",
			     p->line->v[0]);
	if (r->n_refs == COUNT_LIST_MAX)
		return wrong(p, "32 of these are enough", p->line->v[0]);
	rule_join(p->line, 1, p->line->n - 1, name);
	if (!strcmp(name, "struct") || !strcmp(name, "union") || !strcmp(name, "class"))
		return wrong(p, "a field's name, or an offset, belongs behind the type", p->line->v[0]);
	ref.type = arena_strdup(&p->to->mem, name);
	if (!ref.type)
		return &err_nomem;
	err = parse_where(p, p->line->v[p->line->n - 1], &ref.field, &ref.offset);
	r->refs[r->n_refs++] = ref;
	r->is_listed |= kind == COUNT_REF;
	return err;
}

static struct err *parse_line(void *arg, const struct rule_line *line)
{
	struct parser *p = arg;
	const char *key = line->v[0];

	p->line = line;
	if (!strcmp(key, "count")) {
		struct err *err = end(p);

		return err ? err : begin(p);
	}
	if (!p->now)
		return wrong(p, "a rule begins with `count NAME`, not with", key);
	if (!strcmp(key, "type"))
		return parse_type(p);
	if (!strcmp(key, "strong"))
		return parse_place(p, &p->now->strong);
	if (!strcmp(key, "weak"))
		return parse_place(p, &p->now->weak);
	if (!strcmp(key, "ref"))
		return parse_ref(p, COUNT_REF);
	if (!strcmp(key, "ref.weak"))
		return parse_ref(p, COUNT_REF_WEAK);
	if (!strcmp(key, "ref.none"))
		return parse_ref(p, COUNT_REF_NONE);
	for (unsigned i = 0; i < 2; i++) {
		struct count_place *at = i ? &p->now->weak : &p->now->strong;
		const char *part = strchr(key, '.');

		if (!part || strncmp(key, i ? "weak" : "strong", (size_t)(part - key)) ||
		    (size_t)(part - key) != (i ? 4 : 6))
			continue;
		part++;
		if (!strcmp(part, "bias") || !strcmp(part, "shift") || !strcmp(part, "mask"))
			return parse_part(p, at, part);
	}
	return wrong(p, "there is no such key", key);
}

struct err *count_rules_parse(const char *file, const char *text, size_t n, struct count_rules *ret)
{
	struct parser p = { .file = file, .to = ret };
	struct err *err = rule_text_each(file, text, n, parse_line, &p);

	return err ? err : end(&p);
}

void count_rules_fini(struct count_rules *r)
{
	free(r->v);
	arena_fini(&r->mem);
	*r = (struct count_rules){};
}

bool count_rule_names(const char *pattern, const char *name)
{
	while (name) {
		while (*pattern == ' ')
			pattern++;
		while (*name == ' ')
			name++;
		if (*pattern == '*' && !pattern[1])
			return true;
		if (*pattern != *name)
			return false;
		if (!*pattern)
			return true;
		pattern++;
		name++;
	}
	return false;
}

bool count_place_value(const struct count_place *p, uint64_t word, uint64_t *ret)
{
	uint64_t n = word >> p->shift & p->mask;

	if (p->bias < 0 && n < (uint64_t)-p->bias)
		return false;
	*ret = n + (uint64_t)p->bias;
	return true;
}
