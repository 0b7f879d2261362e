/* report/put.c - sizes, counts and names on a stream. */
#include "report/put.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

void put_bytes(FILE *out, uint64_t n)
{
	struct text t = TEXT_INIT;

	text_add_bytes(&t, n);
	fputs(text_str(&t), out);
	text_fini(&t);
}

void put_count(FILE *out, uint64_t n)
{
	struct text t = TEXT_INIT;

	text_add_count(&t, n);
	fputs(text_str(&t), out);
	text_fini(&t);
}

void put_escaped_markup(FILE *out, const char *escaped)
{
	for (const char *p = escaped; *p; p++)
		switch (*p) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*p, out);
		}
}

/* Made UTF-8 without control characters first: XML has no way to write those. */
void put_markup(FILE *out, const char *name)
{
	struct text t = TEXT_INIT;

	text_add_escaped(&t, name, strlen(name));
	put_escaped_markup(out, text_str(&t));
	text_fini(&t);
}

void put_escaped_name(FILE *out, const char *escaped, size_t max)
{
	struct text t = TEXT_INIT;
	size_t at = 0;

	for (size_t k = 0; k < max && escaped[at]; k++)
		for (at++; (escaped[at] & 0xc0) == 0x80;)
			at++;
	text_add_n(&t, escaped, at);
	put_escaped_markup(out, text_str(&t));
	if (escaped[at])
		fputs("\xe2\x80\xa6", out);
	text_fini(&t);
}

void put_name(FILE *out, const char *name, size_t max)
{
	struct text t = TEXT_INIT;

	/* no character is longer than four bytes */
	text_add_escaped(&t, name, strnlen(name, 4 * max + 4));
	put_escaped_name(out, text_str(&t), max);
	text_fini(&t);
}

struct err *put_end(FILE *out, const char *what)
{
	fflush(out);
	return ferror(out) ? err_os(errno, "writing %s", what) : NULL;
}
