/* diff/diff.c - rows of all dumps, sorted by what they are matched by, and joined. */
#include "diff/diff.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"

const char *diff_section_name(enum diff_section section)
{
	static const char *const names[DIFF_SECTIONS] = { "memory", "categories", "types", "pools",
						     "suspects", "chains" };

	return names[section];
}

/* A row of this dump alone; joined by diff_finish(). */
static struct err *add(struct diff *d, enum diff_section section, const char *key, const char *label,
		       const char *rule, uint64_t count, uint64_t bytes)
{
	struct diff_row row = {
		.section = section,
		.key = arena_strdup(&d->mem, key),
		.label = arena_strdup(&d->mem, label),
		.rule = rule,
	};

	row.at[d->n] = (struct diff_value){ true, count, bytes };
	return row.key && row.label && vec_push(&d->rows, &row) ? NULL : &err_nomem;
}

static struct err *add_suspects(struct diff *d, const struct report *r)
{
	struct err *err = NULL;

	for (size_t i = 0; i < r->suspects.n && !err; i++) {
		const struct rp_suspect *s = &r->suspects.v[i];
		struct text key = TEXT_INIT;

		text_printf(&key, "%016llx", (unsigned long long)suspect_fingerprint(s));
		err = key.bad ? &err_nomem :
				add(d, DIFF_SUSPECTS, text_str(&key), s->title, rule_get(s->rule)->id,
				    s->count, s->retained);
		text_fini(&key);
	}
	return err;
}

static struct err *add_pools(struct diff *d, const struct rp_pool_group *g)
{
	struct text name = TEXT_INIT;
	struct err *err;

	text_printf(&name, "%s %s", g->kind, g->path);
	err = name.bad ? &err_nomem :
			 add(d, DIFF_POOLS, text_str(&name), text_str(&name), NULL, g->pools, g->bytes);
	text_fini(&name);
	return err;
}

/* ---- types: names that compilers number stand for what they look like */

/* Where a number begins that says nothing to people: "func3", "lambda#2", "{unnamed type#1}". */
static bool begins_number(const char *name, const char *at)
{
	static const char *const before[] = { ".func", "#", "lambda", "unnamed", "closure_env_" };

	for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++) {
		size_t n = strlen(before[i]);

		if ((size_t)(at - name) >= n && !memcmp(at - n, before[i], n))
			return true;
	}
	return false;
}

/* The name, or for an anonymous type the name without its numbers, and its size. */
static void type_key(const struct rp_type *t, struct text *ret)
{
	bool is_anonymous = false;

	for (const char *s = t->name; *s; s++) {
		if (*s >= '0' && *s <= '9' && begins_number(t->name, s)) {
			is_anonymous = true;
			s += strspn(s, "0123456789") - 1;
			text_add(ret, "*");
		} else {
			text_add_n(ret, s, 1);
		}
	}
	if (is_anonymous && t->count)
		text_printf(ret, " of %llu bytes", (unsigned long long)(t->bytes / t->count));
}

static struct err *add_types(struct diff *d, const struct report *r)
{
	struct err *err = NULL;

	for (size_t i = 0; i < r->types.n && !err; i++) {
		const struct rp_type *t = &r->types.v[i];
		struct text key = TEXT_INIT;

		type_key(t, &key);
		err = key.bad ? &err_nomem :
				add(d, DIFF_TYPES, text_str(&key), t->name, NULL, t->count, t->bytes);
		text_fini(&key);
	}
	return err;
}

/* ---- chains */

static size_t value_named(const struct rp_profile *p, const char *name)
{
	size_t i = 0;

	while (i < p->n_values && strcmp(p->values[i].type, name))
		i++;
	return i;
}

/* "->next struct node", which says itself that it comes from what is before it. */
static bool is_step(const struct rp_profile *p, size_t location)
{
	const struct rp_location *at = &p->locations[location];
	const char *name = at->n_lines ? at->lines[0].function : "?";

	return !strncmp(name, "->", 2) || *name == '.' || *name == '[';
}

static struct err *add_chain(struct diff *d, const struct rp_profile *p, const struct rp_sample *s)
{
	static const char between[] = { DIFF_BETWEEN, 0 };
	size_t space = value_named(p, "inuse_space"), count = value_named(p, "inuse_objects");
	struct text key = TEXT_INIT, label = TEXT_INIT;
	struct err *err = NULL;

	for (size_t i = s->n_locations; i--;) {
		const struct rp_location *at = &p->locations[s->locations[i]];
		const char *name = at->n_lines ? at->lines[0].function : "?";

		text_add(&key, name);
		text_add(&key, i ? between : "");
		text_add(&label, name);
		text_add(&label, !i ? "" : is_step(p, s->locations[i - 1]) ? " " : " -> ");
	}
	if (key.bad || label.bad)
		err = &err_nomem;
	else if (space < p->n_values && s->values[space] > 0)
		err = add(d, DIFF_CHAINS, text_str(&key), text_str(&label), NULL,
			  count < p->n_values ? (uint64_t)s->values[count] : 0,
			  (uint64_t)s->values[space]);
	text_fini(&key);
	text_fini(&label);
	return err;
}

static struct err *add_chains(struct diff *d, const struct rp_profile *p)
{
	struct err *err = NULL;

	for (size_t i = 0; p && i < p->n_samples && !err; i++)
		err = add_chain(d, p, &p->samples[i]);
	return err;
}

struct err *diff_add(struct diff *d, const struct report *r, struct diff_time time)
{
	struct diff_input *in = &d->inputs[d->n];
	struct err *err = NULL;

	if (d->n == DIFF_MAX)
		return err_new(ERR_USAGE, "diff: more than %d dumps", DIFF_MAX);
	in->path = arena_strdup(&d->mem, r->input.path ? r->input.path : "-");
	in->command = arena_strdup(&d->mem, r->input.command);
	in->pid = r->input.pid;
	in->time = time;
	in->captured = r->input.captured;
	if (!in->path)
		return &err_nomem;
	for (size_t i = 0; i < r->heaps.n; i++)
		in->heap += r->heaps.v[i].used;
	for (size_t i = 0; i < r->breakdown.n && !err; i++) {
		const struct rp_breakdown *b = &r->breakdown.v[i];

		if (!breakdown_is_memory(b))
			continue;
		in->memory += b->bytes;
		err = add(d, DIFF_MEMORY, b->category, b->label, NULL, 0, b->bytes);
	}
	for (unsigned i = 0; i < CAT_COUNT && !err; i++)
		if (r->categories[i].known)
			err = add(d, DIFF_CATEGORIES, category_name(i), category_name(i), NULL,
				  r->categories[i].count, r->categories[i].bytes);
	if (!err)
		err = add_types(d, r);
	for (size_t i = 0; i < r->pool_groups.n && !err; i++)
		err = add_pools(d, &r->pool_groups.v[i]);
	if (!err)
		err = add_suspects(d, r);
	if (!err)
		err = add_chains(d, r->profiles[PROFILE_PATHS]);
	d->n++;
	return err;
}

static int by_key(const void *a, const void *b)
{
	const struct diff_row *x = a, *y = b;

	if (x->section != y->section)
		return x->section < y->section ? -1 : 1;
	return strcmp(x->key, y->key);
}

/* Of one key the largest first: its label is the one that stays. */
static int by_key_then_bytes(const void *a, const void *b)
{
	const struct diff_row *x = a, *y = b;
	int order = by_key(a, b);

	for (unsigned i = DIFF_MAX; i-- && !order;)
		if (x->at[i].bytes != y->at[i].bytes)
			order = x->at[i].bytes < y->at[i].bytes ? 1 : -1;
	return order ? order : strcmp(x->label, y->label);
}

static int by_growth(const void *a, const void *b)
{
	const struct diff_row *x = a, *y = b;

	if (x->section != y->section)
		return x->section < y->section ? -1 : 1;
	if (x->grown != y->grown)
		return x->grown < y->grown ? 1 : -1;
	return strcmp(x->key, y->key);
}

static void join(struct diff_row *to, const struct diff_row *from, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		to->at[i].is_there |= from->at[i].is_there;
		to->at[i].count += from->at[i].count;
		to->at[i].bytes += from->at[i].bytes;
	}
}

static void measure(struct diff_row *row, unsigned n)
{
	const struct diff_value *first = &row->at[0], *last = &row->at[n - 1];

	row->grown = (int64_t)(last->bytes - first->bytes);
	row->more = (int64_t)(last->count - first->count);
	row->is_monotone = n > 2;
	for (unsigned i = 1; i < n; i++)
		row->is_monotone = row->is_monotone && row->at[i].bytes > row->at[i - 1].bytes;
}

enum {
	CAPTURES_APART_S = 10, /* they are told to the second */
	FILES_APART_S = 60,    /* less than this between two files says nothing */
};

/*
 * What grows in seconds, as a program starts or a request is served, says nothing of an hour: a rate
 * is told of a span that goes into an hour six times at most.
 */
#define RATE_LEAST_HOURS (10.0 / 60)

static bool apart(int64_t from, int64_t to, int64_t seconds)
{
	return from > 0 && to > from && to - from >= seconds * 1000000000;
}

/*
 * When the dumps were made is best known to who made them; a runtime's clock is how late it was at
 * least; a file's time is worth a guess where it is far off.
 */
static void find_hours(struct diff *d)
{
	const struct diff_input *first = &d->inputs[0], *last = &d->inputs[d->n - 1];
	const struct diff_time *from = &first->time, *to = &last->time;
	bool have_clocks = from->clock > 0 && to->clock > 0 && first->pid && first->pid == last->pid;

	if (apart(first->captured, last->captured, CAPTURES_APART_S)) {
		d->hours = (double)(last->captured - first->captured) / 3600e9;
		d->clock = DIFF_CAPTURES;
	} else if (have_clocks && to->clock > from->clock) {
		d->hours = (double)(to->clock - from->clock) / 3600e9;
		d->clock = DIFF_RUNTIME;
	} else if (!have_clocks && apart(from->file, to->file, FILES_APART_S)) {
		d->hours = (double)(to->file - from->file) / 3600e9;
		d->clock = DIFF_FILES;
	}
}

struct err *diff_finish(struct diff *d)
{
	size_t kept = 0;

	if (d->n < 2)
		return err_new(ERR_USAGE, "diff: two dumps or more");
	if (d->rows.n)
		qsort(d->rows.v, d->rows.n, sizeof(*d->rows.v), by_key_then_bytes);
	for (size_t i = 0; i < d->rows.n; i++) {
		if (kept && !by_key(&d->rows.v[kept - 1], &d->rows.v[i]))
			join(&d->rows.v[kept - 1], &d->rows.v[i], d->n);
		else
			d->rows.v[kept++] = d->rows.v[i];
	}
	d->rows.n = kept;
	for (size_t i = 0; i < kept; i++)
		measure(&d->rows.v[i], d->n);
	if (kept)
		qsort(d->rows.v, kept, sizeof(*d->rows.v), by_growth);
	find_hours(d);
	d->rate_hours = d->hours >= RATE_LEAST_HOURS ? d->hours : 0;
	return NULL;
}

const char *diff_clock_name(enum diff_clock clock)
{
	static const char *const names[] = {
		[DIFF_CAPTURES] = "captures", [DIFF_RUNTIME] = "runtime", [DIFF_FILES] = "files",
	};

	return names[clock];
}

const char *diff_clock_words(const struct diff *d)
{
	static const char *const words[] = {
		[DIFF_CAPTURES] = "by the times of the captures",
		[DIFF_RUNTIME] = "by the program's own clock",
		[DIFF_FILES] = "by the times of the files",
	};

	return words[d->clock];
}

void diff_span(const struct diff *d, struct text *ret)
{
	static const struct {
		double hours; /* below this */
		double unit;
		const char *words;
	} units[] = {
		{ 2.0 / 60, 1.0 / 3600, "seconds" }, { 2, 1.0 / 60, "minutes" }, { 48, 1, "hours" }, { 0, 24, "days" },
	};
	size_t i = 0;

	while (units[i].hours > 0 && d->hours >= units[i].hours)
		i++;
	text_printf(ret, units[i].unit < 1 ? "%.0f %s" : "%.1f %s", d->hours / units[i].unit, units[i].words);
}

void diff_fini(struct diff *d)
{
	free(d->rows.v);
	arena_fini(&d->mem);
	memset(d, 0, sizeof(*d));
}

void diff_rows(const struct diff *d, enum diff_section section, size_t *ret_first, size_t *ret_end)
{
	size_t i = 0;

	while (i < d->rows.n && d->rows.v[i].section < section)
		i++;
	*ret_first = i;
	while (i < d->rows.n && d->rows.v[i].section == section)
		i++;
	*ret_end = i;
}

static int by_change(const void *a, const void *b)
{
	const struct diff_row *const *x = a, *const *y = b;
	uint64_t cx = (*x)->grown < 0 ? 0 - (uint64_t)(*x)->grown : (uint64_t)(*x)->grown;
	uint64_t cy = (*y)->grown < 0 ? 0 - (uint64_t)(*y)->grown : (uint64_t)(*y)->grown;

	if (cx != cy)
		return cx < cy ? 1 : -1;
	return *x < *y ? -1 : *x > *y; /* as they stand: by key */
}

const struct diff_row **diff_changes(const struct diff *d, enum diff_section section, size_t *ret_n)
{
	const struct diff_row **rows;
	size_t first, end, n = 0;

	diff_rows(d, section, &first, &end);
	rows = calloc(end - first + 1, sizeof(*rows));
	if (!rows)
		return NULL;
	for (size_t i = first; i < end; i++)
		if (d->rows.v[i].grown)
			rows[n++] = &d->rows.v[i];
	if (n)
		qsort(rows, n, sizeof(*rows), by_change);
	*ret_n = n;
	return rows;
}

/* The type and the suspect that grew most: what changed, and who holds it. */
static const struct diff_row *most(const struct diff *d, enum diff_section section)
{
	size_t first, end;

	diff_rows(d, section, &first, &end);
	return first < end && d->rows.v[first].grown > 0 ? &d->rows.v[first] : NULL;
}

void diff_verdict(const struct diff *d, struct text *ret)
{
	const struct diff_row *type = most(d, DIFF_TYPES), *suspect = most(d, DIFF_SUSPECTS);
	int64_t grown = (int64_t)(d->inputs[d->n - 1].memory - d->inputs[0].memory);

	text_add(ret, grown < 0 ? "memory shrank by " :
		      grown	? "memory grew by " :
				  "memory is the same");
	if (grown)
		text_add_bytes(ret, grown < 0 ? 0 - (uint64_t)grown : (uint64_t)grown);
	if (d->hours > 0) {
		text_add(ret, grown ? " in " : " after ");
		diff_span(d, ret);
		text_add(ret, " (");
		if (d->rate_hours > 0 && grown > 0) {
			text_add_bytes(ret, (uint64_t)((double)grown / d->rate_hours));
			text_add(ret, " an hour, ");
		}
		text_printf(ret, "%s)", diff_clock_words(d));
	}
	if (type) {
		text_add(ret, "; most of it is ");
		text_add_escaped(ret, type->label, strlen(type->label));
		text_add(ret, ", +");
		text_add_bytes(ret, (uint64_t)type->grown);
	}
	if (suspect) {
		text_add(ret, suspect->at[0].is_there ? "; what grew most: " : "; new: ");
		text_add_escaped(ret, suspect->label, strlen(suspect->label));
	}
	text_add(ret, ".");
}
