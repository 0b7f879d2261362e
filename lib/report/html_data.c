/*
 * report/html_data.c - what the page's charts are drawn from, as JSON in the page.
 *
 * Trees are columns by row: parent (-1: none), name (place in `names`), amounts.  In the text "<"
 * is \u003c, so that nothing can end its element.  Names are cut so that all of them together have
 * a bound; a chart is cut to its largest rows, and the page says so.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/text.h"
#include "base/vec.h"
#include "report/flame.h"
#include "report/html.h"
#include "report/json_out.h"
#include "report/put.h"

enum {
	PATH_TABLE = 30,
	PATH_STEPS = 12,
	ARENAS_SHOWN = 400,
	RANGES = 1024,
	LEVELS = 9,
	NAME = 100
};

/* ---- names, each once */

struct names {
	struct {
		const char **v;
		size_t n, cap;
	} list;
	uint32_t *slots; /* place + 1; 0: empty */
	size_t n_slots;
	bool bad;
};

static void names_fini(struct names *t)
{
	free(t->list.v);
	free(t->slots);
}

static uint32_t *name_slot(const struct names *t, const char *s)
{
	uint64_t h = 0xcbf29ce484222325;
	size_t i;

	for (const char *p = s; *p; p++)
		h = (h ^ (uint8_t)*p) * 0x100000001b3;
	for (i = (h ^ h >> 32) & (t->n_slots - 1); t->slots[i]; i = (i + 1) & (t->n_slots - 1))
		if (!strcmp(t->list.v[t->slots[i] - 1], s))
			break;
	return &t->slots[i];
}

static bool names_room(struct names *t)
{
	uint32_t *old = t->slots;

	if (2 * (t->list.n + 1) < t->n_slots)
		return true;
	t->slots = calloc(t->n_slots ? 2 * t->n_slots : 4096, sizeof(*t->slots));
	if (!t->slots) {
		t->slots = old;
		return false;
	}
	t->n_slots = t->n_slots ? 2 * t->n_slots : 4096;
	for (size_t i = 0; i < t->list.n; i++)
		*name_slot(t, t->list.v[i]) = (uint32_t)i + 1;
	free(old);
	return true;
}

static uint32_t name_id(struct names *t, const char *s)
{
	uint32_t *slot;

	if (!names_room(t)) {
		t->bad = true;
		return 0;
	}
	slot = name_slot(t, s);
	if (!*slot) {
		if (!vec_push(&t->list, &s)) {
			t->bad = true;
			return 0;
		}
		*slot = (uint32_t)t->list.n;
	}
	return *slot - 1;
}

/* As many characters of each as let all of them fit. */
static void put_names(struct json *j, const struct names *t)
{
	static const size_t cuts[] = { 240, 120, 60, 30 };
	size_t cut = 0;

	for (; cut + 1 < sizeof(cuts) / sizeof(*cuts); cut++) {
		size_t sum = 0;

		for (size_t i = 0; i < t->list.n; i++)
			sum += strnlen(t->list.v[i], cuts[cut]) + 3;
		if (sum <= HTML_NAMES)
			break;
	}
	json_list(j, "names");
	for (size_t i = 0; i < t->list.n; i++)
		json_short(j, NULL, t->list.v[i], cuts[cut]);
	json_end_list(j);
}

/* ---- trees */

/* Rows of a flame graph that are shown, by number: where each is in the page, or FLAME_TOP. */
static struct err *largest_paths(const struct flame *t, const struct rp_profile *p, uint32_t **ret,
				 size_t *ret_n)
{
	_free_ struct rp_tree_row *rows = calloc(t->n + 1, sizeof(*rows));
	uint32_t *at = calloc(t->n + 1, sizeof(*at));
	uint64_t least;
	struct err *err = rows && at ? NULL : &err_nomem;

	for (size_t i = 0; i < t->n && !err; i++)
		for (size_t v = 0; v < p->n_values; v++)
			if (!strcmp(p->values[v].unit, "bytes") &&
			    strcmp(p->values[v].type, "retained_space") != 0)
				rows[i].total += t->rows[i].values[v];
	if (!err)
		err = tree_least(rows, t->n, HTML_PATHS, &least);
	if (err) {
		free(at);
		return err;
	}
	*ret_n = 0;
	for (size_t i = 0; i < t->n; i++) {
		uint32_t parent = t->rows[i].parent;

		at[i] = FLAME_TOP;
		if (rows[i].total >= least && (parent == FLAME_TOP || at[parent] != FLAME_TOP))
			at[i] = (uint32_t)(*ret_n)++;
	}
	*ret = at;
	return NULL;
}

static void put_parent(struct json *j, uint32_t parent)
{
	json_int(j, NULL, parent == UINT32_MAX ? -1 : (int64_t)parent);
}

static struct err *put_path_rows(struct json *j, struct names *names, const struct rp_profile *p,
				 const struct flame *t)
{
	_free_ uint32_t *at = NULL;
	size_t n = 0;
	struct err *err = largest_paths(t, p, &at, &n);

	if (err)
		return err;
	json_uint(j, "told", n);
	json_uint(j, "rows", t->n);
	json_list(j, "parent");
	for (size_t i = 0; i < t->n; i++)
		if (at[i] != FLAME_TOP)
			put_parent(j, t->rows[i].parent == FLAME_TOP ? FLAME_TOP :
								       at[t->rows[i].parent]);
	json_end_list(j);
	json_list(j, "name");
	for (size_t i = 0; i < t->n; i++)
		if (at[i] != FLAME_TOP)
			json_uint(j, NULL, name_id(names, flame_name(p, t->rows[i].location)));
	json_end_list(j);
	json_list(j, "amounts");
	for (size_t v = 0; v < p->n_values; v++) {
		if (!strcmp(p->values[v].type, "retained_space"))
			continue; /* that of a path is no sum of those below it */
		json_map(j, NULL);
		json_text(j, "type", p->values[v].type);
		json_text(j, "unit", p->values[v].unit);
		json_list(j, "total");
		for (size_t i = 0; i < t->n; i++)
			if (at[i] != FLAME_TOP)
				json_uint(j, NULL, t->rows[i].values[v]);
		json_end_list(j);
		json_end_map(j);
	}
	json_end_list(j);
	return NULL;
}

static struct err *put_paths(struct json *j, struct names *names, const struct rp_profile *p)
{
	_cleanup_(flame_fini) struct flame t = {};
	struct err *err = flame_build(p, &t);

	if (err)
		return err;
	json_map(j, "paths");
	json_text(j, "main", p->values[p->main_value].type);
	err = put_path_rows(j, names, p, &t);
	json_end_map(j);
	return err;
}

static void put_tree(struct json *j, struct names *names, const char *key, const struct rp_tree *t)
{
	bool addresses = false;

	json_map(j, key);
	json_list(j, "parent");
	for (size_t i = 0; i < t->n; i++) {
		put_parent(j, t->rows[i].parent);
		addresses |= t->rows[i].address != 0;
	}
	json_end_list(j);
	json_list(j, "name");
	for (size_t i = 0; i < t->n; i++)
		json_uint(j, NULL, name_id(names, t->rows[i].name));
	json_end_list(j);
	json_list(j, "count");
	for (size_t i = 0; i < t->n; i++)
		json_uint(j, NULL, t->rows[i].count);
	json_end_list(j);
	json_list(j, "total");
	for (size_t i = 0; i < t->n; i++)
		json_uint(j, NULL, t->rows[i].total);
	json_end_list(j);
	if (addresses) {
		json_list(j, "address");
		for (size_t i = 0; i < t->n; i++)
			if (t->rows[i].address)
				json_addr(j, NULL, t->rows[i].address);
			else
				json_uint(j, NULL, 0);
		json_end_list(j);
	}
	json_end_map(j);
}

/* ---- heaps and what of them is free */

static void put_box(struct json *j, const char *name, const char *state, uint64_t bytes)
{
	if (!bytes)
		return;
	json_map(j, NULL);
	json_short(j, "name", name, NAME);
	json_text(j, "state", state);
	json_uint(j, "self", bytes);
	json_end_map(j);
}

static void put_lists(struct json *j, const struct rp_heap *h)
{
	uint64_t named = 0;

	json_map(j, NULL);
	json_text(j, "name", "free");
	json_list(j, "kids");
	for (size_t k = 0; k < h->n_wheres && k < HTML_ROWS; k++) {
		put_box(j, h->wheres[k].where, "free", h->wheres[k].bytes);
		named += h->wheres[k].bytes;
	}
	put_box(j, "elsewhere", "free", h->free > named ? h->free - named : 0);
	json_end_list(j);
	json_end_map(j);
}

static void put_arenas(struct json *j, const struct rp_heap *h)
{
	char name[64];

	for (size_t k = 0; k < h->n_arenas && k < ARENAS_SHOWN; k++) {
		const struct rp_arena *a = &h->arenas[k];

		snprintf(name, sizeof(name), "%.20s arena at 0x%" PRIx64, a->kind ? a->kind : "",
			 a->addr);
		json_map(j, NULL);
		json_text(j, "name", name);
		json_list(j, "kids");
		put_box(j, "used", "used", a->used);
		put_box(j, "top", "free", a->top < a->free ? a->top : 0);
		put_box(j, "free", "free", a->top < a->free ? a->free - a->top : a->free);
		put_box(j, "overhead", "own", a->overhead);
		json_end_list(j);
		json_end_map(j);
	}
}

/* By list of free blocks, or by arena. */
static void put_heaps(struct json *j, const struct report *r, const char *key, bool by_arena)
{
	json_map(j, key);
	json_text(j, "name", "heaps");
	json_list(j, "kids");
	for (size_t i = 0; i < r->heaps.n && i < HTML_HEAPS; i++) {
		const struct rp_heap *h = &r->heaps.v[i];

		json_map(j, NULL);
		json_short(j, "name", h->allocator ? h->allocator : "unknown allocator", NAME);
		json_list(j, "kids");
		if (by_arena) {
			put_arenas(j, h);
		} else {
			put_box(j, "used", "used", h->used);
			put_lists(j, h);
			put_box(j, "overhead", "own", h->overhead);
		}
		put_box(j, "idle", "free", h->idle);
		json_end_list(j);
		json_end_map(j);
	}
	json_end_list(j);
	json_end_map(j);
}

/* ---- the heap map */

/* 0: nothing, 1..LEVELS: some to all. */
static char level(uint64_t part, uint64_t bucket)
{
	uint64_t n = part ? 1 + part * (LEVELS - 1) / bucket : 0;

	return (char)('0' + (n < LEVELS ? n : LEVELS));
}

static struct err *put_space(struct json *j, const struct report *r)
{
	json_list(j, "space");
	for (size_t i = 0; i < r->space.n && i < RANGES; i++) {
		const struct rp_space *s = &r->space.v[i];
		_free_ char *used = malloc(s->n_buckets + 1), *vacant = malloc(s->n_buckets + 1);

		if (!used || !vacant)
			return &err_nomem;
		if (!s->n_buckets)
			continue;
		for (size_t k = 0; k < s->n_buckets; k++) {
			used[k] = level(s->buckets[k].used, s->bucket);
			vacant[k] = level(s->buckets[k].free, s->bucket);
		}
		used[s->n_buckets] = vacant[s->n_buckets] = '\0';
		json_map(j, NULL);
		json_short(j, "name", s->name ? s->name : "heap", NAME);
		json_addr(j, "start", s->start);
		json_addr(j, "end", s->end);
		json_uint(j, "bucket", s->bucket);
		json_uint(j, "used", s->used);
		json_uint(j, "free", s->free);
		json_uint(j, "largest", s->largest_free);
		json_plain(j, "use", used);
		json_plain(j, "vacant", vacant);
		json_end_map(j);
	}
	json_end_list(j);
	return NULL;
}

/* ---- together */

static struct err *put_all(struct json *j, const struct report *r)
{
	_cleanup_(names_fini) struct names names = {};
	struct err *err = NULL;

	json_map(j, NULL);
	if (r->profiles[PROFILE_PATHS])
		err = put_paths(j, &names, r->profiles[PROFILE_PATHS]);
	if (r->by_type && r->by_type->n)
		put_tree(j, &names, "types", r->by_type);
	if (r->dominators && r->dominators->n)
		put_tree(j, &names, "dominators", r->dominators);
	put_heaps(j, r, "lists", false);
	put_heaps(j, r, "arenas", true);
	if (!err)
		err = put_space(j, r);
	put_names(j, &names);
	json_end_map(j);
	return err ? err : names.bad ? &err_nomem : NULL;
}

static struct err *make_data(const struct report *r, FILE *out)
{
	struct json *j;
	struct err *err = json_open(out, JSON_PLAIN, &j), *end;

	if (err)
		return err;
	err = put_all(j, r);
	end = json_close(j, "the data of charts");
	if (!err)
		return end;
	err_free(end);
	return err;
}

struct err *html_data(FILE *out, const struct report *r)
{
	_free_ char *data = NULL;
	size_t n = 0;
	FILE *memory = open_memstream(&data, &n);
	struct err *err;

	if (!memory)
		return &err_nomem;
	err = make_data(r, memory);
	fclose(memory);
	if (err)
		return err;
	fputs("<script type=\"application/json\" id=\"data\">", out);
	for (size_t i = 0; i < n; i++)
		if (data[i] == '<')
			fputs("\\u003c", out);
		else
			fputc(data[i], out);
	fputs("</script>\n", out);
	return NULL;
}

/* ---- paths as a table */

static int largest_sample(const void *pa, const void *pb)
{
	const struct rp_sample *const *a = pa, *const *b = pb;
	int64_t x = (*a)->values[1], y = (*b)->values[1]; /* inuse_space */

	if (x != y)
		return x < y ? 1 : -1;
	return *a < *b ? -1 : *a > *b;
}

static void put_path(FILE *out, const struct rp_profile *p, const struct rp_sample *s)
{
	size_t n = s->n_locations;

	fputs("<tr>", out);
	html_bytes_cell(out, (uint64_t)s->values[1]);
	html_count_cell(out, (uint64_t)s->values[0]);
	fputs("<td><code>", out);
	for (size_t i = 0; i < n; i++) {
		if (n > PATH_STEPS && i == PATH_STEPS / 2) {
			fputs(" \xe2\x80\xba \xe2\x80\xa6", out);
			i = n - PATH_STEPS / 2;
		}
		fputs(i ? " \xe2\x80\xba " : "", out);
		put_name(out, flame_name(p, s->locations[n - 1 - i]), HTML_NAME);
	}
	fputs("</code></td></tr>\n", out);
}

void html_paths(FILE *out, const struct report *r)
{
	const struct rp_profile *p = r->profiles[PROFILE_PATHS];
	_free_ const struct rp_sample **order = p ? calloc(p->n_samples + 1, sizeof(*order)) : NULL;

	if (!p || !p->n_samples || !order)
		return;
	for (size_t i = 0; i < p->n_samples; i++)
		order[i] = &p->samples[i];
	qsort(order, p->n_samples, sizeof(*order), largest_sample);
	fputs("<section><h2 id=\"held\">Memory by path from its root</h2>\n<p class=\"small\">What "
	      "each root and each step below it keeps, by the shortest chain; each byte counts "
	      "once.",
	      out);
	for (size_t i = 1; i < p->n_comments; i++) { /* the first is who made it */
		if (!strncmp(p->comments[i], "build id", strlen("build id")))
			continue;
		fputs(" ", out);
		put_name(out, p->comments[i], HTML_TITLE);
		fputs(".", out);
	}
	fputs("</p>\n<div class=\"picture\" id=\"paths\"></div>\n"
	      "<noscript><p>Charts need JavaScript; the tables do not.</p></noscript>\n"
	      "<details class=\"astable\"><summary>The largest as a table</summary>\n",
	      out);
	html_table(out, "sort", "#bytes|#blocks|path");
	for (size_t i = 0; i < p->n_samples && i < PATH_TABLE; i++)
		put_path(out, p, order[i]);
	html_table_end(out);
	fputs("</details></section>\n", out);
}
