/*
 * report/speedscope.c - the paths in speedscope's own format (file-format-schema.json of speedscope
 * 1.25): one sampled profile for each kind of value that is not all zero.
 */
#include <errno.h>
#include <string.h>
#include <yajl/yajl_gen.h>

#include "base/version.h"
#include "report/report.h"

struct speedscope {
	yajl_gen gen;
	struct text scratch;
	FILE *out;
	bool bad;
};

static void check(struct speedscope *j, yajl_gen_status status)
{
	j->bad = j->bad || status != yajl_gen_status_ok;
}

/* What is finished goes out, so that no profile stands in memory twice. */
static void flush_text(struct speedscope *j)
{
	const unsigned char *s;
	size_t n;

	check(j, yajl_gen_get_buf(j->gen, &s, &n));
	fwrite(s, 1, n, j->out);
	yajl_gen_clear(j->gen);
}

static void put(struct speedscope *j, const char *s)
{
	check(j, yajl_gen_string(j->gen, (const unsigned char *)s, strlen(s)));
}

static void put_pair(struct speedscope *j, const char *key, const char *value)
{
	put(j, key);
	text_reset(&j->scratch);
	text_add_escaped(&j->scratch, value, strlen(value));
	put(j, text_str(&j->scratch));
}

static void put_number(struct speedscope *j, const char *key, int64_t n)
{
	if (key)
		put(j, key);
	check(j, yajl_gen_integer(j->gen, n));
}

static void open_list(struct speedscope *j, const char *key)
{
	put(j, key);
	check(j, yajl_gen_array_open(j->gen));
}

static void open_map(struct speedscope *j)
{
	check(j, yajl_gen_map_open(j->gen));
}

static void close_list(struct speedscope *j)
{
	check(j, yajl_gen_array_close(j->gen));
}

static void close_map(struct speedscope *j)
{
	check(j, yajl_gen_map_close(j->gen));
}

/* Locations of paths are steps of one line each. */
static void put_frames(struct speedscope *j, const struct rp_profile *p)
{
	put(j, "shared");
	open_map(j);
	open_list(j, "frames");
	for (size_t i = 0; i < p->n_locations; i++) {
		open_map(j);
		put_pair(j, "name", p->locations[i].lines[0].function);
		close_map(j);
	}
	close_list(j);
	close_map(j);
	flush_text(j);
}

static void put_profile(struct speedscope *j, const struct rp_profile *p, size_t value,
			int64_t total)
{
	bool bytes = !strcmp(p->values[value].unit, "bytes");

	open_map(j);
	put_pair(j, "type", "sampled");
	put_pair(j, "name", p->values[value].type);
	put_pair(j, "unit", bytes ? "bytes" : "none");
	put_number(j, "startValue", 0);
	put_number(j, "endValue", total);
	open_list(j, "samples");
	for (size_t i = 0; i < p->n_samples; i++) {
		const struct rp_sample *s = &p->samples[i];

		if (!s->values[value])
			continue;
		check(j, yajl_gen_array_open(j->gen));
		for (size_t k = s->n_locations; k--;)
			put_number(j, NULL, s->locations[k]);
		close_list(j);
		flush_text(j);
	}
	close_list(j);
	open_list(j, "weights");
	for (size_t i = 0; i < p->n_samples; i++)
		if (p->samples[i].values[value])
			put_number(j, NULL, p->samples[i].values[value]);
	close_list(j);
	close_map(j);
	flush_text(j);
}

static void put_profiles(struct speedscope *j, const struct rp_profile *p)
{
	bool any = false;

	open_list(j, "profiles");
	for (size_t i = 0; i < p->n_values; i++) {
		size_t value = i ? i - (i <= p->main_value) : p->main_value; /* that one first */
		int64_t total = 0;

		for (size_t k = 0; k < p->n_samples; k++)
			total += p->samples[k].values[value];
		if (total || (!any && i + 1 == p->n_values))
			put_profile(j, p, value, total);
		any = any || total;
	}
	close_list(j);
}

static struct err *speedscope_write(const struct report *r, const struct writer_options *opt,
				    FILE *out)
{
	const struct rp_profile *p = r->profiles[PROFILE_PATHS];
	struct speedscope j = { .scratch = TEXT_INIT, .out = out };

	(void)opt; /* nothing to choose */
	if (!p)
		return err_new(ERR_UNSUPPORTED, "speedscope: this report has no paths");
	j.gen = yajl_gen_alloc(NULL);
	if (!j.gen)
		return &err_nomem;
	open_map(&j);
	put_pair(&j, "$schema", "https://www.speedscope.app/file-format-schema.json");
	put_frames(&j, p);
	put_profiles(&j, p);
	put_number(&j, "activeProfileIndex", 0);
	put_pair(&j, "exporter", "heapfx " HEAPFX_VERSION);
	if (r->input.path)
		put_pair(&j, "name", r->input.path);
	close_map(&j);
	flush_text(&j);
	fputc('\n', out);
	yajl_gen_free(j.gen);
	text_fini(&j.scratch);
	if (j.bad || j.scratch.bad)
		return &err_nomem;
	fflush(out);
	return ferror(out) ? err_os(errno, "writing speedscope's JSON") : NULL;
}

const struct writer_ops speedscope_writer = {
	.name = "speedscope",
	.extension = "speedscope.json",
	.needs = 1u << PROFILE_PATHS,
	.write = speedscope_write,
};
