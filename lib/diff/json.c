/* diff/json.c - the comparison as JSON: every row, with its value in each dump. */
#include <string.h>

#include "base/version.h"
#include "diff/diff.h"
#include "report/json_out.h"

static const char *status(const struct diff_row *row, unsigned n)
{
	if (!row->at[0].is_there)
		return row->at[n - 1].is_there ? "appeared" : "passing";
	if (!row->at[n - 1].is_there)
		return "gone";
	return row->grown > 0 ? "grew" : row->grown < 0 ? "shrank" : "same";
}

/* A chain's, its root first. */
static void put_names(struct json *j, const char *key)
{
	static const char between[] = { DIFF_BETWEEN, 0 };

	json_list(j, "chain");
	for (const char *s = key; *s;) {
		size_t n = strcspn(s, between);
		struct text name = TEXT_INIT;

		text_add_n(&name, s, n);
		json_text(j, NULL, text_str(&name));
		text_fini(&name);
		s += n + (s[n] != 0);
	}
	json_end_list(j);
}

static void put_row(struct json *j, const struct diff *d, const struct diff_row *row)
{
	json_map(j, NULL);
	if (row->section == DIFF_CHAINS)
		put_names(j, row->key);
	else if (row->section == DIFF_SUSPECTS)
		json_text(j, "title", row->label);
	else if (row->section == DIFF_TYPES || row->section == DIFF_POOLS)
		json_text(j, "name", row->label);
	else
		json_text(j, "category", row->key);
	if (row->section == DIFF_SUSPECTS)
		json_text(j, "signature", row->key);
	json_text(j, "rule", row->rule);
	json_text(j, "status", status(row, d->n));
	json_int(j, "growth", row->grown);
	if (row->section != DIFF_MEMORY)
		json_int(j, "count_growth", row->more);
	if (d->rate_hours > 0)
		json_int(j, "growth_per_hour", (int64_t)((double)row->grown / d->rate_hours));
	if (d->n > 2)
		json_bool(j, "monotone", row->is_monotone);
	json_list(j, "values");
	for (unsigned i = 0; i < d->n; i++) {
		json_map(j, NULL);
		if (row->section != DIFF_MEMORY)
			json_uint(j, "count", row->at[i].count);
		json_uint(j, row->rule ? "retained" : "bytes", row->at[i].bytes);
		json_end_map(j);
	}
	json_end_list(j);
	json_end_map(j);
}

static void put_inputs(struct json *j, const struct diff *d)
{
	json_list(j, "inputs");
	for (unsigned i = 0; i < d->n; i++) {
		json_map(j, NULL);
		json_text(j, "path", d->inputs[i].path);
		json_text(j, "command", d->inputs[i].command);
		if (d->inputs[i].pid)
			json_uint(j, "pid", d->inputs[i].pid);
		json_uint(j, "memory", d->inputs[i].memory);
		json_uint(j, "heap_used", d->inputs[i].heap);
		json_end_map(j);
	}
	json_end_list(j);
}

struct err *diff_write_json(const struct diff *d, FILE *out)
{
	struct json *j;
	struct err *err = json_open(out, JSON_INDENTED, &j);

	if (err)
		return err;
	json_map(j, NULL);
	json_map(j, "tool");
	json_text(j, "name", "heapfx");
	json_text(j, "version", HEAPFX_VERSION);
	json_uint(j, "schema", 1);
	json_end_map(j);
	put_inputs(j, d);
	if (d->hours > 0)
		json_ratio(j, "hours", d->hours);
	if (d->hours > 0)
		json_text(j, "clock", diff_clock_name(d->clock));
	for (unsigned s = 0; s < DIFF_SECTIONS; s++) {
		size_t first, end;

		diff_rows(d, s, &first, &end);
		json_list(j, diff_section_name(s));
		for (size_t i = first; i < end; i++)
			put_row(j, d, &d->rows.v[i]);
		json_end_list(j);
	}
	json_end_map(j);
	return json_close(j, "json");
}
