/* report/json_out.c - yajl does what JSON itself needs; text of a dump is made UTF-8 before. */
#include "report/json_out.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_gen.h>

#include "base/text.h"

struct json {
	yajl_gen gen;
	FILE *out;
	struct text scratch;
	bool bad;
};

static void print_out(void *out, const char *s, size_t n)
{
	fwrite(s, 1, n, out); /* ferror() is looked at once, at the end */
}

struct err *json_open(FILE *out, enum json_layout layout, struct json **ret)
{
	struct json *j = calloc(1, sizeof(*j));

	if (!j)
		return &err_nomem;
	j->out = out;
	j->scratch = (struct text)TEXT_INIT;
	j->gen = yajl_gen_alloc(NULL);
	if (!j->gen) {
		free(j);
		return &err_nomem;
	}
	if (layout == JSON_INDENTED) {
		yajl_gen_config(j->gen, yajl_gen_beautify, 1);
		yajl_gen_config(j->gen, yajl_gen_indent_string, "  ");
	}
	yajl_gen_config(j->gen, yajl_gen_print_callback, print_out, out);
	*ret = j;
	return NULL;
}

struct err *json_close(struct json *j, const char *what)
{
	bool bad = j->bad || j->scratch.bad;
	FILE *out = j->out;

	yajl_gen_free(j->gen);
	text_fini(&j->scratch);
	free(j);
	if (bad)
		return err_new(ERR_FORMAT, "%s: a value could not be written", what);
	fflush(out);
	return ferror(out) ? err_os(errno, "writing %s", what) : NULL;
}

static void check(struct json *j, yajl_gen_status status)
{
	j->bad = j->bad || status != yajl_gen_status_ok;
}

static void raw(struct json *j, const char *s)
{
	check(j, yajl_gen_string(j->gen, (const unsigned char *)s, strlen(s)));
}

static void put_key(struct json *j, const char *key)
{
	if (key)
		raw(j, key);
}

void json_map(struct json *j, const char *key)
{
	put_key(j, key);
	check(j, yajl_gen_map_open(j->gen));
}

void json_end_map(struct json *j)
{
	check(j, yajl_gen_map_close(j->gen));
}

void json_list(struct json *j, const char *key)
{
	put_key(j, key);
	check(j, yajl_gen_array_open(j->gen));
}

void json_end_list(struct json *j)
{
	check(j, yajl_gen_array_close(j->gen));
}

void json_short(struct json *j, const char *key, const char *s, size_t max)
{
	size_t n = s ? strnlen(s, max + 1) : 0;

	if (!s)
		return;
	if (n > max) /* not in the middle of a character */
		for (n = max; n && (s[n] & 0xc0) == 0x80;)
			n--;
	text_reset(&j->scratch);
	text_add_escaped(&j->scratch, s, n);
	text_add(&j->scratch, s[n] ? "\xe2\x80\xa6" : "");
	json_plain(j, key, text_str(&j->scratch));
}

void json_text(struct json *j, const char *key, const char *s)
{
	json_short(j, key, s, JSON_TEXT_MAX);
}

void json_plain(struct json *j, const char *key, const char *s)
{
	put_key(j, key);
	raw(j, s);
}

/* yajl's integers are signed: past INT64_MAX the digits go out as they are. */
void json_uint(struct json *j, const char *key, uint64_t n)
{
	char digits[24];

	put_key(j, key);
	snprintf(digits, sizeof(digits), "%" PRIu64, n);
	check(j, yajl_gen_number(j->gen, digits, strlen(digits)));
}

void json_int(struct json *j, const char *key, int64_t n)
{
	put_key(j, key);
	check(j, yajl_gen_integer(j->gen, n));
}

void json_bool(struct json *j, const char *key, bool b)
{
	put_key(j, key);
	check(j, yajl_gen_bool(j->gen, b));
}

void json_ratio(struct json *j, const char *key, double d)
{
	char digits[32];

	put_key(j, key);
	snprintf(digits, sizeof(digits), "%.4f", d);
	check(j, yajl_gen_number(j->gen, digits, strlen(digits)));
}

void json_addr(struct json *j, const char *key, uint64_t addr)
{
	char s[24];

	put_key(j, key);
	snprintf(s, sizeof(s), "0x%" PRIx64, addr);
	raw(j, s);
}
