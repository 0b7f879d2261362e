/* gate/baseline.c - the totals of a report, and what of it is kept to hold another one against. */
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "gate/gate.h"

void baseline_fini(struct baseline *b)
{
	free(b->signatures.v);
	free(b->rules.v);
	free(b->amounts.v);
	arena_fini(&b->mem);
	memset(b, 0, sizeof(*b));
}

static struct err *add(struct amounts *a, struct arena *mem, enum limit_of of, const char *name,
		       uint64_t bytes, uint64_t count)
{
	struct amount amount = { of, arena_strdup(mem, name), bytes, count };

	return (name && !amount.name) || !vec_push(&a->list, &amount) ? &err_nomem : NULL;
}

static struct err *add_rules(const struct report *r, struct arena *mem, struct amounts *a)
{
	struct err *err = NULL;

	for (size_t i = 0; i < n_rules && !err; i++) {
		uint64_t bytes = 0, count = 0;

		for (size_t k = 0; k < r->suspects.n; k++) {
			const struct rp_suspect *s = &r->suspects.v[k];

			if (s->suppressed || strcmp(s->rule, rules[i].id))
				continue;
			bytes += s->retained;
			count += s->count;
		}
		err = add(a, mem, LIMIT_RULE, rules[i].id, bytes, count);
	}
	return err;
}

/* The value of a profile that says how many bytes there are. */
static size_t space_value(const struct rp_profile *p)
{
	size_t i = 0;

	while (i + 1 < p->n_values && strcmp(p->values[i].type, "inuse_space"))
		i++;
	return i;
}

/* The outermost step of each way is its root. */
static struct err *add_roots(const struct rp_profile *p, struct arena *mem, struct amounts *a)
{
	size_t value = space_value(p);
	struct err *err = NULL;

	for (size_t i = 0; i < p->n_samples && !err; i++) {
		const struct rp_sample *s = &p->samples[i];
		const struct rp_location *at;

		if (!s->n_locations || s->values[value] <= 0)
			continue;
		at = &p->locations[s->locations[s->n_locations - 1]];
		if (at->n_lines && *at->lines[0].function != '(') /* "(lost)", "(free)" */
			err = add(a, mem, LIMIT_ROOT, at->lines[0].function,
				  (uint64_t)s->values[value], 0);
	}
	return err;
}

struct err *amounts_of(const struct report *r, struct arena *mem, struct amounts *a)
{
	struct err *err = add(a, mem, LIMIT_MEMORY, NULL, report_memory_bytes(r), 0);

	if (!err)
		err = add(a, mem, LIMIT_HEAP, NULL, report_heap_bytes(r), 0);
	for (unsigned i = 0; i < CAT_COUNT && !err; i++)
		if (r->categories[i].known)
			err = add(a, mem, LIMIT_CATEGORY, category_name(i), r->categories[i].bytes,
				  r->categories[i].count);
	if (!err)
		err = add_rules(r, mem, a);
	for (size_t i = 0; i < r->types.n && !err; i++)
		err = add(a, mem, LIMIT_TYPE, r->types.v[i].name, r->types.v[i].bytes,
			  r->types.v[i].count);
	if (!err && r->profiles[PROFILE_PATHS])
		err = add_roots(r->profiles[PROFILE_PATHS], mem, a);
	return err;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

struct err *baseline_take(struct baseline *b, const struct report *r)
{
	struct amounts amounts = {};
	struct err *err;

	b->path = arena_strdup(&b->mem, r->input.path ? r->input.path : "-");
	if (!b->path)
		return &err_nomem;
	for (size_t i = 0; i < r->suspects.n; i++) {
		uint64_t signature = suspect_fingerprint(&r->suspects.v[i]);

		if (!vec_push(&b->signatures, &signature))
			return &err_nomem;
	}
	if (b->signatures.n)
		qsort(b->signatures.v, b->signatures.n, sizeof(*b->signatures.v), by_value);
	for (size_t i = 0; i < r->findings.n; i++) {
		const char *rule = rule_get(r->findings.v[i].rule)->id;

		if (r->findings.v[i].suspect < 0 && !vec_push(&b->rules, &rule))
			return &err_nomem;
	}
	err = amounts_of(r, &b->mem, &amounts);
	b->amounts.v = amounts.list.v;
	b->amounts.n = amounts.list.n;
	b->amounts.cap = amounts.list.cap;
	return err;
}
