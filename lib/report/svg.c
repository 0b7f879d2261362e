/*
 * report/svg.c - a flame graph of the paths that stands still: for pages that take pictures alone.
 * The root is on top; titles of boxes show the whole name, bytes and share.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/text.h"
#include "report/flame.h"
#include "report/put.h"
#include "report/report.h"

enum { WIDTH = 1200, ROW = 17, TOP = 40, MARGIN = 8, CHARACTER = 7, NAME_MAX_SHOWN = 1000 };
static const double narrow = 0.4; /* pixels: what is narrower is not drawn */

struct picture {
	const struct rp_profile *p;
	FILE *out;
	uint64_t total;
	bool in_bytes;
};

/* Calm blues and greens, the same for a name wherever it stands; as html/page.js has it. */
static void put_colour(FILE *out, const char *name)
{
	uint32_t h = 0;

	for (; *name; name++)
		h = h * 31 + (uint8_t)*name;
	fprintf(out, "hsl(%" PRIu32 ",%" PRIu32 "%%,%" PRIu32 "%%)", 170 + h % 80, 30 + h / 80 % 20,
		74 + h / 1600 % 10);
}

static void put_amount(const struct picture *f, uint64_t n)
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

	text_add_escaped(&t, name, strnlen(name, 4 * max + 4));
	s = text_str(&t);
	for (size_t used = 0; s[n] && used < max; used++)
		for (n++; (s[n] & 0xc0) == 0x80;)
			n++;
	text_cut(&t, n);
	put_escaped_markup(out, max ? text_str(&t) : "");
	text_fini(&t);
}

static void put_box(const struct picture *f, const char *name, uint64_t start, uint64_t value,
		    unsigned depth)
{
	double scale = (double)(WIDTH - 2 * MARGIN) / (double)f->total;
	double x = MARGIN + (double)start * scale, width = (double)value * scale;
	unsigned y = TOP + ROW * depth;

	if (width < narrow)
		return;
	fputs("<g><title>", f->out);
	put_name(f->out, name, NAME_MAX_SHOWN);
	fputs(": ", f->out);
	put_amount(f, value);
	if (value && (double)value < 0.0005 * (double)f->total) /* what is there is never "0.0%" */
		fputs(", &lt;0.1%", f->out);
	else
		fprintf(f->out, ", %.1f%%", 100 * (double)value / (double)f->total);
	fprintf(f->out,
		"</title><rect x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"%d\" rx=\"1\" "
		"fill=\"",
		x, y, width, ROW - 1);
	put_colour(f->out, name);
	fprintf(f->out, "\"/><text x=\"%.1f\" y=\"%u\">", x + 3, y + ROW - 5);
	put_label(f->out, name, width - 6);
	fputs("</text></g>\n", f->out);
}

struct place {
	uint64_t start, next; /* where its next child begins */
	unsigned depth;
};

/* Each box begins where its last sibling ended, the first where the one above it begins. */
static struct err *put_boxes(const struct picture *f, const struct flame *t)
{
	_free_ struct place *at = calloc(t->n + 1, sizeof(*at));
	uint64_t top = 0;

	if (!at)
		return &err_nomem;
	put_box(f, "all", 0, f->total, 0);
	for (size_t i = 0; i < t->n; i++) {
		const struct flame_row *row = &t->rows[i];
		uint64_t value = row->values[f->p->main_value];
		uint64_t *next = row->parent == FLAME_TOP ? &top : &at[row->parent].next;

		at[i].depth = row->parent == FLAME_TOP ? 1 : at[row->parent].depth + 1;
		at[i].start = at[i].next = *next;
		*next += value;
		put_box(f, flame_name(f->p, row->location), at[i].start, value, at[i].depth);
	}
	return NULL;
}

static void put_head(const struct picture *f, const struct report *r, unsigned depth)
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
	struct picture f = { .p = p, .out = out };
	_cleanup_(flame_fini) struct flame t = {};
	struct err *err;

	(void)opt; /* boxes too narrow to be seen are left out, no others */
	if (!p)
		return err_new(ERR_UNSUPPORTED, "svg: this report has no paths");
	err = flame_build(p, &t);
	if (err)
		return err;
	f.in_bytes = !strcmp(p->values[p->main_value].unit, "bytes");
	for (size_t i = 0; i < t.n; i++)
		if (t.rows[i].parent == FLAME_TOP)
			f.total += t.rows[i].values[p->main_value];
	put_head(&f, r, t.depth + 1);
	err = f.total ? put_boxes(&f, &t) : NULL;
	if (err)
		return err;
	fputs("</svg>\n", out);
	return put_end(out, "svg");
}

const struct writer_ops svg_writer = {
	.name = "svg",
	.extension = "svg",
	.needs = 1u << PROFILE_PATHS,
	.write = svg_write,
};
