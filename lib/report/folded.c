/*
 * report/folded.c - collapsed stacks: a line a path from its root, and the bytes at its end.
 *
 * What flamegraph.pl, inferno and speedscope read.  Free memory has its paths beside the live ones.
 * A semicolon parts names: in a name it becomes a colon, and so does a blank before a last number.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "report/report.h"

/* A line has some hundred names. */
enum { NAME_MAX_BYTES = 2000 };

static void add_name(struct text *t, const char *name)
{
	size_t at = t->n;

	text_add_escaped(t, name, strnlen(name, NAME_MAX_BYTES));
	for (; at < t->n; at++)
		if (t->s[at] == ';')
			t->s[at] = ':';
}

static void add_path(struct text *t, const struct rp_profile *p, const struct rp_sample *s)
{
	for (size_t i = s->n_locations; i--;) {
		const struct rp_location *l = &p->locations[s->locations[i]];

		for (size_t k = l->n_lines; k--;) {
			text_add(t, t->n ? ";" : "");
			add_name(t, l->lines[k].function);
		}
	}
}

/* Readers take a number at the end of the names for a second amount: "size class 64" ends ":64". */
static void part_from_amount(struct text *t)
{
	size_t at = t->n;

	while (at && ((t->s[at - 1] >= '0' && t->s[at - 1] <= '9') || t->s[at - 1] == '.'))
		at--;
	if (at && at < t->n && t->s[at - 1] == ' ')
		t->s[at - 1] = ':';
}

/* What of a sample's values is memory that somebody has now: in use, or free and not given back. */
static uint64_t bytes_of(const struct rp_profile *p, const struct rp_sample *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < p->n_values; i++)
		if (!strcmp(p->values[i].type, "inuse_space") ||
		    !strcmp(p->values[i].type, "free_space"))
			n += (uint64_t)s->values[i];
	return n;
}

static struct err *folded_write(const struct report *r, const struct writer_options *opt, FILE *out)
{
	const struct rp_profile *p = r->profiles[PROFILE_PATHS];
	struct text line = TEXT_INIT;
	bool bad = false;

	(void)opt; /* nothing to choose */
	if (!p)
		return err_new(ERR_UNSUPPORTED, "folded: this report has no paths");
	for (size_t i = 0; i < p->n_samples && !bad; i++) {
		uint64_t bytes = bytes_of(p, &p->samples[i]);

		if (!bytes)
			continue;
		text_reset(&line);
		add_path(&line, p, &p->samples[i]);
		part_from_amount(&line);
		bad = line.bad;
		fprintf(out, "%s %" PRIu64 "\n", text_str(&line), bytes);
	}
	text_fini(&line);
	if (bad)
		return &err_nomem;
	fflush(out);
	return ferror(out) ? err_os(errno, "writing folded stacks") : NULL;
}

const struct writer_ops folded_writer = {
	.name = "folded",
	.extension = "folded",
	.needs = 1u << PROFILE_PATHS,
	.write = folded_write,
};
