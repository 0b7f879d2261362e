/*
 * base/text.c - growing text with a limit; escaping of hostile bytes; sizes and counts for people.
 */
#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"

void text_fini(struct text *t)
{
	free(t->s);
	*t = (struct text){ .max = t->max };
}

void text_cut(struct text *t, size_t n)
{
	if (n >= t->n)
		return;
	t->n = n;
	t->s[n] = '\0';
}

void text_reset(struct text *t)
{
	t->n = 0;
	t->bad = false;
	if (t->s)
		t->s[0] = 0;
}

const char *text_str(const struct text *t)
{
	return t->s ? t->s : "";
}

/* Room for n more bytes and the terminator. */
static bool grow(struct text *t, size_t n)
{
	size_t want, cap = t->cap ? t->cap : 64;
	char *s;

	if (t->bad || n > t->max || t->n > t->max - n) {
		t->bad = true;
		return false;
	}
	want = t->n + n + 1;
	if (want <= t->cap)
		return true;
	while (cap < want)
		cap *= 2;
	s = realloc(t->s, cap);
	if (!s) {
		t->bad = true;
		return false;
	}
	t->s = s;
	t->cap = cap;
	return true;
}

void text_add_n(struct text *t, const char *s, size_t n)
{
	if (!grow(t, n))
		return;
	memcpy(t->s + t->n, s, n);
	t->n += n;
	t->s[t->n] = 0;
}

void text_add(struct text *t, const char *s)
{
	text_add_n(t, s, strlen(s));
}

void text_printf(struct text *t, const char *fmt, ...)
{
	va_list args, again;
	int n;

	va_start(args, fmt);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0)
		t->bad = true;
	else if (grow(t, (size_t)n)) {
		vsnprintf(t->s + t->n, (size_t)n + 1, fmt, again);
		t->n += (size_t)n;
	}
	va_end(again);
}

/* Length of the valid UTF-8 sequence at s (shortest form, no surrogates), 0 if there is none. */
static unsigned utf8_decode(const unsigned char *s, size_t n, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned len = s[0] < 0x80     ? 1 :
		       s[0] >> 5 == 6  ? 2 :
		       s[0] >> 4 == 14 ? 3 :
		       s[0] >> 3 == 30 ? 4 :
					 0;
	uint32_t c;

	if (!len || len > n)
		return 0;
	c = len == 1 ? s[0] : s[0] & (0x7f >> len);
	for (unsigned i = 1; i < len; i++) {
		if (s[i] >> 6 != 2)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return len;
}

static bool is_hex(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Not so: controls, and what moves, hides or reverses the text around it. */
static bool is_printable(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x180e)
		return false;
	if ((c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2060 && c <= 0x206f))
		return false;
	return c != 0xfeff && !(c >= 0xfff0 && c <= 0xfffb) && !(c >= 0xe0000 && c <= 0xe0fff) &&
	       c != 0x61c;
}

/* Bytes of what was escaped before, "\\\\", "\\x1b" or "\\u{202e}"; 0: it is none of these. */
static size_t escape_length(const unsigned char *p, size_t n)
{
	size_t i = 3;

	if (n >= 2 && p[1] == '\\')
		return 2;
	if (n >= 4 && p[1] == 'x' && is_hex(p[2]) && is_hex(p[3]))
		return 4;
	if (n < 5 || p[1] != 'u' || p[2] != '{')
		return 0;
	while (i < n && i < 9 && is_hex(p[i]))
		i++;
	return i > 3 && i < n && p[i] == '}' ? i + 1 : 0;
}

static void add_unprintable(struct text *t, uint32_t c)
{
	if (c < 0x100)
		text_printf(t, "\\x%02x", (unsigned)c);
	else
		text_printf(t, "\\u{%04x}", (unsigned)c);
}

void text_add_printable(struct text *t, const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;

	for (size_t i = 0; i < n;) {
		uint32_t c = p[i];
		size_t len = utf8_decode(p + i, n - i, &c);

		if (len && is_printable(c))
			text_add_n(t, s + i, len);
		else
			add_unprintable(t, c);
		i += len ? len : 1;
	}
}

void text_add_escaped(struct text *t, const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		const char *slash = memchr(s + i, '\\', n - i);
		size_t plain = slash ? (size_t)(slash - s) - i : n - i, escape;

		text_add_printable(t, s + i, plain);
		i += plain;
		if (i == n)
			return;
		escape = escape_length((const unsigned char *)s + i, n - i);
		text_add(t, escape ? "" : "\\");
		text_add_n(t, s + i, escape ? escape : 1);
		i += escape ? escape : 1;
	}
}

void text_add_bytes(struct text *t, uint64_t n)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)n;
	unsigned u = 0;

	while (v >= 1023.95 && u < 6) {
		v /= 1024;
		u++;
	}
	if (u)
		text_printf(t, "%.1f %s", v, units[u]);
	else
		text_printf(t, "%" PRIu64 " B", n);
}

void text_add_count(struct text *t, uint64_t n)
{
	char digits[32];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			text_add_n(t, ",", 1);
		text_add_n(t, digits + i, 1);
	}
}

void text_add_duration(struct text *t, uint64_t ns)
{
	static const struct {
		uint64_t ns;
		const char *name, *names;
	} units[] = {
		{ 86400000000000, "day", "days" }, { 3600000000000, "h", "h" },
		{ 60000000000, "min", "min" },	   { 1000000000, "s", "s" },
		{ 1000000, "ms", "ms" },
	};
	size_t i = 0;
	uint64_t n, rest;

	while (i < ARRAY_SIZE(units) - 1 && ns < units[i].ns)
		i++;
	n = ns / units[i].ns;
	text_printf(t, "%" PRIu64 " %s", n, n == 1 ? units[i].name : units[i].names);
	if (i > 1)
		return;
	rest = ns % units[i].ns / units[i + 1].ns;
	if (rest)
		text_printf(t, " %" PRIu64 " %s", rest, units[i + 1].name);
}

char *text_format(const char *fmt, ...)
{
	va_list args;
	char *s;

	va_start(args, fmt);
	if (vasprintf(&s, fmt, args) < 0)
		s = NULL;
	va_end(args);
	return s;
}

bool text_begins(const char *s, const char *word)
{
	size_t n = strlen(word);

	return !strncmp(s, word, n) && s[n] == ' ';
}

/* A star takes as little as it can; only the last one is ever tried again. */
bool text_matches(const char *pattern, const char *s)
{
	const char *star = NULL, *tried = NULL;

	while (*s) {
		if (*pattern == '*') {
			star = ++pattern;
			tried = s;
		} else if (*pattern == '?' || *pattern == *s) {
			pattern++;
			s++;
		} else if (star) {
			pattern = star;
			s = ++tried;
		} else {
			return false;
		}
	}
	return !pattern[strspn(pattern, "*")];
}

bool text_parse_size(const char *s, uint64_t *ret)
{
	static const char letters[] = "KMGTPE";
	const char *at;
	char *end;
	double v;
	unsigned shift = 0;

	if (*s < '0' || *s > '9')
		return false;
	v = strtod(s, &end);
	if ((*end & ~0x20) && (at = strchr(letters, *end & ~0x20))) {
		shift = 10 * (unsigned)(at - letters + 1);
		end++;
		if (*end == 'i')
			end++;
	}
	if (*end == 'B' || *end == 'b')
		end++;
	v *= (double)(1ull << shift);
	if (*end || !(v < 0x1p63))
		return false;
	*ret = (uint64_t)v;
	return true;
}
