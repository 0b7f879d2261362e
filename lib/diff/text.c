/* diff/text.c - what grew, on one screen: the verdict, then the rows that changed most. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "diff/diff.h"
#include "report/import_paths.h"

enum { NAME_WIDTH = 46, WIDTH = 100 };

static void add_name(struct text *t, const char *s)
{
	text_add_escaped(t, s, strlen(s));
}

static unsigned columns(const char *s)
{
	unsigned n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

/* The bytes before a column. */
static size_t bytes_before(const char *s, unsigned column)
{
	size_t n = 0;

	for (; s[n]; n++)
		if ((s[n] & 0xc0) != 0x80 && !column--)
			break;
	return n;
}

/* At most `max` columns; of what is longer the middle goes: chains alike differ at their ends. */
static void put_cut(FILE *out, const char *s, unsigned max)
{
	unsigned n = columns(s), head = (max - 1) / 2;

	if (n <= max)
		fprintf(out, "%s%*s", s, (int)(max - n), "");
	else
		fprintf(out, "%.*s…%s", (int)bytes_before(s, head), s,
			s + bytes_before(s, n - (max - 1 - head)));
}

static void put_bytes(FILE *out, uint64_t n, unsigned width)
{
	struct text t = TEXT_INIT;

	text_add_bytes(&t, n);
	fprintf(out, "%*s", (int)width, text_str(&t));
	text_fini(&t);
}

static void put_signed(FILE *out, int64_t n, unsigned width)
{
	struct text t = TEXT_INIT;

	text_add(&t, n < 0 ? "-" : "+");
	text_add_bytes(&t, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
	fprintf(out, "%*s", (int)width, text_str(&t));
	text_fini(&t);
}

static const char *status(const struct diff_row *row, unsigned n)
{
	if (!row->at[0].is_there)
		return "new";
	if (!row->at[n - 1].is_there)
		return "gone";
	return row->is_monotone ? "each time" : "";
}

static void put_row(FILE *out, const struct diff *d, const struct diff_row *row)
{
	struct text name = TEXT_INIT, shorter = TEXT_INIT;

	add_name(&name, row->label);
	if (columns(text_str(&name)) > NAME_WIDTH)
		import_paths_add_short(&shorter, text_str(&name));
	fputs("  ", out);
	put_cut(out, text_str(shorter.n ? &shorter : &name), NAME_WIDTH);
	put_bytes(out, row->at[0].bytes, 12);
	put_bytes(out, row->at[d->n - 1].bytes, 12);
	put_signed(out, row->grown, 13);
	fprintf(out, "%s%s\n", *status(row, d->n) ? "  " : "", status(row, d->n));
	text_fini(&name);
	text_fini(&shorter);
}

static struct err *put_section(FILE *out, const struct diff *d, enum diff_section section,
			       const char *title, unsigned top)
{
	const struct diff_row **rows;
	size_t first, end, n;

	diff_rows(d, section, &first, &end);
	if (first == end && (section == DIFF_POOLS || section == DIFF_CHAINS))
		return NULL; /* most programs have none */
	rows = diff_changes(d, section, &n);
	if (!rows)
		return &err_nomem;
	fprintf(out, "\n%-*s%12s%12s%13s\n", NAME_WIDTH + 2, title, "old", "new", "growth");
	for (size_t i = 0; i < n && i < top; i++)
		put_row(out, d, rows[i]);
	if (!n)
		fputs("  nothing changed\n", out);
	else if (n > top)
		fprintf(out, "  and %zu more: --top %zu\n", n - top, n);
	free(rows);
	return NULL;
}

/* Broken between words; later lines begin at `indent`. */
static void put_wrapped(FILE *out, const char *s, unsigned indent)
{
	unsigned used = indent;

	while (*s) {
		size_t n = strcspn(s, " ");
		struct text word = TEXT_INIT;

		text_add_n(&word, s, n);
		if (used > indent && used + 1 + columns(text_str(&word)) > WIDTH) {
			fprintf(out, "\n%*s", (int)indent, "");
			used = indent;
		} else if (used > indent) {
			fputc(' ', out);
			used++;
		}
		fputs(text_str(&word), out);
		used += columns(text_str(&word));
		text_fini(&word);
		s += n;
		s += strspn(s, " ");
	}
	fputc('\n', out);
}

static void put_verdict(FILE *out, const struct diff *d)
{
	struct text t = TEXT_INIT;

	diff_verdict(d, &t);
	fputs("\nVERDICT  ", out);
	put_wrapped(out, text_str(&t), 9);
	text_fini(&t);
}

struct err *diff_write_text(const struct diff *d, unsigned top, FILE *out)
{
	static const char *const titles[DIFF_SECTIONS] = {
		"WHERE IT WENT", "KEPT WITHOUT USE", "TYPES", "POOLS", "SUSPECTS (retained)",
		"CHAINS",
	};
	struct err *err = NULL;

	for (unsigned i = 0; i < d->n; i++) {
		struct text t = TEXT_INIT;

		add_name(&t, d->inputs[i].path);
		fprintf(out, "%s ", !i ? "old" : i + 1 == d->n ? "new" : "   ");
		put_cut(out, text_str(&t), NAME_WIDTH + 8);
		put_bytes(out, d->inputs[i].memory, 12);
		fputs(" of memory,", out);
		put_bytes(out, d->inputs[i].heap, 12);
		fputs(" used\n", out);
		text_fini(&t);
	}
	put_verdict(out, d);
	for (unsigned s = 0; s < DIFF_SECTIONS && !err; s++)
		err = put_section(out, d, s, titles[s], s == DIFF_CHAINS ? (top + 1) / 2 : top);
	if (err)
		return err;
	fflush(out);
	return ferror(out) ? err_os(errno, "writing the comparison") : NULL;
}
