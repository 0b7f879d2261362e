/* diff/pprof.c - what each chain grew by, as the profile that report/pprof.c writes. */
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "diff/diff.h"

/* Each name is one place; samples refer to it by number. */
struct names {
	struct arena mem;
	struct {
		const char **v;
		size_t n, cap;
	} list; /* sorted, each once */
};

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void names_fini(struct names *n)
{
	free(n->list.v);
	arena_fini(&n->mem);
}

static size_t part_length(const char *s)
{
	static const char between[] = { DIFF_BETWEEN, 0 };

	return strcspn(s, between);
}

static struct err *take_names(struct names *names, const char *key)
{
	for (const char *s = key; *s;) {
		size_t n = part_length(s);
		const char *name = arena_strndup(&names->mem, s, n);

		if (!name || !vec_push(&names->list, &name))
			return &err_nomem;
		s += n + (s[n] != 0);
	}
	return NULL;
}

static void sort_names(struct names *names)
{
	size_t kept = 0;

	if (names->list.n)
		qsort(names->list.v, names->list.n, sizeof(*names->list.v), by_name);
	for (size_t i = 0; i < names->list.n; i++)
		if (!kept || strcmp(names->list.v[kept - 1], names->list.v[i]))
			names->list.v[kept++] = names->list.v[i];
	names->list.n = kept;
}

static size_t count_parts(const char *key)
{
	size_t n = 1;

	for (; *key; key++)
		n += *key == DIFF_BETWEEN;
	return n;
}

/* Innermost first. */
static struct err *make_sample(struct names *names, const struct diff_row *row,
			       struct rp_sample *ret)
{
	size_t n = count_parts(row->key), left = n;
	uint32_t *places = arena_alloc(&names->mem, n * sizeof(*places));

	if (!places)
		return &err_nomem;
	for (const char *s = row->key; *s && left;) {
		size_t len = part_length(s);
		const char *name = arena_strndup(&names->mem, s, len);

		if (!name)
			return &err_nomem;
		places[--left] = (uint32_t)partition_point(names->list.n, i,
							    strcmp(names->list.v[i], name) < 0);
		s += len + (s[len] != 0);
	}
	*ret = (struct rp_sample){ .locations = places + left, .n_locations = n - left,
				   .values = { row->more, row->grown } };
	return NULL;
}

static struct err *make_profile(const struct diff *d, struct names *names, struct rp_profile *p)
{
	size_t first, end, n = 0;
	struct rp_location *places;
	struct rp_sample *samples;
	struct err *err = NULL;

	diff_rows(d, DIFF_CHAINS, &first, &end);
	for (size_t i = first; i < end && !err; i++)
		err = d->rows.v[i].grown ? take_names(names, d->rows.v[i].key) : NULL;
	if (err)
		return err;
	sort_names(names);
	places = arena_alloc(&names->mem, (names->list.n + 1) * sizeof(*places));
	samples = arena_alloc(&names->mem, (end - first + 1) * sizeof(*samples));
	if (!places || !samples)
		return &err_nomem;
	for (size_t i = 0; i < names->list.n; i++) {
		struct rp_line *line = arena_alloc(&names->mem, sizeof(*line));

		if (!line)
			return &err_nomem;
		line->function = names->list.v[i];
		places[i] = (struct rp_location){ .lines = line, .n_lines = 1 };
	}
	for (size_t i = first; i < end && !err; i++)
		if (d->rows.v[i].grown)
			err = make_sample(names, &d->rows.v[i], &samples[n++]);
	*p = (struct rp_profile){
		.values = { { "inuse_objects", "count" }, { "inuse_space", "bytes" } },
		.n_values = 2, .main_value = 1,
		.locations = places, .n_locations = names->list.n,
		.samples = samples, .n_samples = n,
		.comments = { "growth from the first dump to the last" }, .n_comments = 1,
	};
	return err;
}

struct err *diff_write_pprof(const struct diff *d, FILE *out)
{
	_cleanup_(names_fini) struct names names = {};
	struct writer_options opt = {};
	struct rp_profile p;
	struct report r = {};
	struct err *err = make_profile(d, &names, &p);

	if (err)
		return err;
	r.profiles[PROFILE_PATHS] = &p;
	r.input.path = d->inputs[d->n - 1].path;
	return writer_by_name("pprof")->write(&r, &opt, out);
}
