/*
 * report/svg.c - a flame graph of the paths that stands still: for pages that take pictures alone.
 * The root is on top; titles of boxes show the whole name, bytes and share.
 *
 * Samples are sorted by their steps from the root, so that what shares a beginning lies together;
 * one pass over them opens and closes boxes (as B. Gregg's flamegraph.pl does).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/text.h"
#include "base/vec.h"
#include "report/put.h"
#include "report/report.h"

enum { WIDTH = 1200, ROW = 17, TOP = 40, MARGIN = 8, CHARACTER = 7, DEPTH_MAX = 200 };
static const double narrow = 0.4; /* pixels: what is narrower is not drawn */

/* A sample that counts, by its steps from the root. */
struct stack {
	const struct rp_sample *sample;
	uint64_t value;
};

struct box {
	const char *name;
	uint64_t start; /* of what came before it */
};

struct flame {
	const struct rp_profile *p;
	FILE *out;
	uint64_t total, done;
	struct box open[DEPTH_MAX];
	unsigned depth;
	bool in_bytes;
};

static uint32_t step(const struct stack *s, size_t k) /* k-th from the root */
{
	return s->sample->locations[s->sample->n_locations - 1 - k];
}

static int by_steps(const void *a, const void *b)
{
	const struct stack *x = a, *y = b;
	size_t n = x->sample->n_locations, m = y->sample->n_locations;

	for (size_t k = 0; k < n && k < m; k++)
		if (step(x, k) != step(y, k))
			return step(x, k) < step(y, k) ? -1 : 1;
	return n < m ? -1 : n > m;
}

static const char *name_of(const struct rp_profile *p, uint32_t location)
{
	const struct rp_location *l = &p->locations[location];

	return l->n_lines && l->lines[0].function ? l->lines[0].function : "?";
}

static unsigned hue(const char *name) /* as html/page.js has it */
{
	uint32_t h = 0;

	for (; *name; name++)
		h = h * 31 + (uint8_t)*name;
	return h % 360;
}

static void put_amount(const struct flame *f, uint64_t n)
{
	if (f->in_bytes)
		put_bytes(f->out, n);
	else
		put_count(f->out, n);
}

/* As much of the name as fits: bytes of a character stay together. */
static void put_label(FILE *out, const char *name, double width)
{
	struct text t = TEXT_INIT;
	size_t max = width > 2 * CHARACTER ? (size_t)(width / CHARACTER) : 0, n = 0;
	const char *s;

	text_add_escaped(&t, name, strlen(name));
	s = text_str(&t);
	for (size_t used = 0; s[n] && used < max; used++)
		for (n++; (s[n] & 0xc0) == 0x80;)
			n++;
	text_cut(&t, n);
	put_escaped_markup(out, max ? text_str(&t) : "");
	text_fini(&t);
}

static void close_box(struct flame *f)
{
	const struct box *b = &f->open[--f->depth];
	uint64_t value = f->done - b->start;
	double scale = (double)(WIDTH - 2 * MARGIN) / (double)f->total;
	double x = MARGIN + (double)b->start * scale, width = (double)value * scale;
	unsigned y = TOP + ROW * f->depth;

	if (width < narrow)
		return;
	fputs("<g><title>", f->out);
	put_markup(f->out, b->name);
	fputs(": ", f->out);
	put_amount(f, value);
	fprintf(f->out,
		", %.1f%%</title><rect x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"%d\" rx=\"1\" "
		"fill=\"hsl(%u,45%%,78%%)\"/><text x=\"%.1f\" y=\"%u\">",
		100 * (double)value / (double)f->total, x, y, width, ROW - 1, hue(b->name), x + 3,
		y + ROW - 5);
	put_label(f->out, b->name, width - 6);
	fputs("</text></g>\n", f->out);
}

static void open_box(struct flame *f, const char *name)
{
	f->open[f->depth++] = (struct box){ name, f->done };
}

/* What the two share from the root on stays open. */
static size_t shared(const struct stack *a, const struct stack *b)
{
	size_t k = 0;

	while (a && k < a->sample->n_locations && k < b->sample->n_locations &&
	       step(a, k) == step(b, k))
		k++;
	return k;
}

static void put_boxes(struct flame *f, const struct stack *v, size_t n)
{
	open_box(f, "all");
	for (size_t i = 0; i < n; i++) {
		size_t keep = shared(i ? &v[i - 1] : NULL, &v[i]) + 1;

		while (f->depth > keep)
			close_box(f);
		for (size_t k = f->depth - 1; k < v[i].sample->n_locations; k++)
			if (f->depth < DEPTH_MAX)
				open_box(f, name_of(f->p, step(&v[i], k)));
		f->done += v[i].value;
	}
	while (f->depth)
		close_box(f);
}

static void put_head(const struct flame *f, const struct report *r, unsigned depth)
{
	const char *path = r->input.path ? r->input.path : "-", *slash = strrchr(path, '/');
	unsigned height = TOP + ROW * depth + MARGIN;

	fprintf(f->out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%u\" "
		"viewBox=\"0 0 %d %u\" font-family=\"monospace\" font-size=\"11\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n"
		"<text x=\"%d\" y=\"24\" font-size=\"15\">",
		WIDTH, height, WIDTH, height, MARGIN);
	put_markup(f->out, slash && slash[1] ? slash + 1 : path);
	fputs(": ", f->out);
	put_markup(f->out, f->p->values[f->p->main_value].type);
	fputs(" by path, ", f->out);
	put_amount(f, f->total);
	fputs("</text>\n", f->out);
}

static struct err *svg_write(const struct report *r, const struct writer_options *opt, FILE *out)
{
	const struct rp_profile *p = r->profiles[PROFILE_PATHS];
	struct flame f = { .p = p, .out = out };
	_free_ struct stack *v = NULL;
	size_t n = 0, depth = 0;

	(void)opt; /* boxes too narrow to be seen are left out, no others */
	if (!p)
		return err_new(ERR_UNSUPPORTED, "svg: this report has no paths");
	v = calloc(p->n_samples + 1, sizeof(*v));
	if (!v)
		return &err_nomem;
	f.in_bytes = !strcmp(p->values[p->main_value].unit, "bytes");
	for (size_t i = 0; i < p->n_samples; i++) {
		int64_t value = p->samples[i].values[p->main_value];

		if (value <= 0)
			continue;
		v[n++] = (struct stack){ &p->samples[i], (uint64_t)value };
		f.total += (uint64_t)value;
		depth = p->samples[i].n_locations > depth ? p->samples[i].n_locations : depth;
	}
	if (n)
		qsort(v, n, sizeof(*v), by_steps);
	depth = depth + 1 < DEPTH_MAX ? depth + 1 : DEPTH_MAX;
	put_head(&f, r, (unsigned)depth);
	if (f.total)
		put_boxes(&f, v, n);
	fputs("</svg>\n", out);
	return put_end(out, "svg");
}

const struct writer_ops svg_writer = {
	.name = "svg",
	.extension = "svg",
	.needs = 1u << PROFILE_PATHS,
	.write = svg_write,
};
