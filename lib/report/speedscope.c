/*
 * report/speedscope.c - the paths in speedscope's own format (file-format-schema.json of speedscope
 * 1.25): one sampled profile for each kind of value that is not all zero.
 */
#include <string.h>

#include "base/version.h"
#include "report/json_out.h"
#include "report/report.h"

/* Locations of paths are steps of one line each. */
static void put_frames(struct json *j, const struct rp_profile *p)
{
	json_map(j, "shared");
	json_list(j, "frames");
	for (size_t i = 0; i < p->n_locations; i++) {
		json_map(j, NULL);
		json_text(j, "name", p->locations[i].lines[0].function);
		json_end_map(j);
	}
	json_end_list(j);
	json_end_map(j);
}

static void put_profile(struct json *j, const struct rp_profile *p, size_t value,
			int64_t total)
{
	bool bytes = !strcmp(p->values[value].unit, "bytes");

	json_map(j, NULL);
	json_text(j, "type", "sampled");
	json_text(j, "name", p->values[value].type);
	json_text(j, "unit", bytes ? "bytes" : "none");
	json_int(j, "startValue", 0);
	json_int(j, "endValue", total);
	json_list(j, "samples");
	for (size_t i = 0; i < p->n_samples; i++) {
		const struct rp_sample *s = &p->samples[i];

		if (!s->values[value])
			continue;
		json_list(j, NULL);
		for (size_t k = s->n_locations; k--;)
			json_int(j, NULL, s->locations[k]);
		json_end_list(j);
		}
	json_end_list(j);
	json_list(j, "weights");
	for (size_t i = 0; i < p->n_samples; i++)
		if (p->samples[i].values[value])
			json_int(j, NULL, p->samples[i].values[value]);
	json_end_list(j);
	json_end_map(j);
}

static void put_profiles(struct json *j, const struct rp_profile *p)
{
	bool any = false;

	json_list(j, "profiles");
	for (size_t i = 0; i < p->n_values; i++) {
		size_t value = i ? i - (i <= p->main_value) : p->main_value; /* that one first */
		int64_t total = 0;

		for (size_t k = 0; k < p->n_samples; k++)
			total += p->samples[k].values[value];
		if (total || (!any && i + 1 == p->n_values))
			put_profile(j, p, value, total);
		any = any || total;
	}
	json_end_list(j);
}

static struct err *speedscope_write(const struct report *r, const struct writer_options *opt,
				    FILE *out)
{
	const struct rp_profile *p = r->profiles[PROFILE_PATHS];
	struct err *err;
	struct json *j;

	(void)opt; /* nothing to choose */
	if (!p)
		return err_new(ERR_UNSUPPORTED, "speedscope: this report has no paths");
	err = json_open(out, JSON_PLAIN, &j);
	if (err)
		return err;
	json_map(j, NULL);
	json_text(j, "$schema", "https://www.speedscope.app/file-format-schema.json");
	put_frames(j, p);
	put_profiles(j, p);
	json_int(j, "activeProfileIndex", 0);
	json_text(j, "exporter", "heapfx " HEAPFX_VERSION);
	json_text(j, "name", r->input.path);
	json_end_map(j);
	fputc('\n', out);
	return json_close(j, "speedscope's JSON");
}

const struct writer_ops speedscope_writer = {
	.name = "speedscope",
	.extension = "speedscope.json",
	.needs = 1u << PROFILE_PATHS,
	.write = speedscope_write,
};
