/* report/import_paths.c - "example.org/team/app/cache.Name" as "cache.Name". */
#include "report/import_paths.h"

#include <ctype.h>
#include <string.h>

static bool is_path_char(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("._-~%", c));
}

/* "v2": says nothing without the element before it. */
static bool is_version(const char *s, size_t n)
{
	return n > 1 && s[0] == 'v' && strspn(s + 1, "0123456789") >= n - 1;
}

/* Bytes at s that are an import path, up to its last element; 0: there is none. */
static size_t path_bytes(const char *s)
{
	const char *last = NULL, *before = NULL, *p = s, *name;

	while (is_path_char(*p))
		p++;
	if (*p != '/' || !isalnum((unsigned char)*s) || !memchr(s, '.', (size_t)(p - s)))
		return 0;
	while (*p == '/' && is_path_char(p[1])) {
		before = last;
		last = p++;
		while (is_path_char(*p))
			p++;
	}
	if (!last || *p == '/')
		return 0;
	name = memchr(last + 1, '.', (size_t)(p - last - 1));
	if (!name || (!isalnum((unsigned char)name[1]) && name[1] != '(' && name[1] != '_'))
		return 0; /* no package's name and what it declares */
	if (is_version(last + 1, (size_t)(name - last - 1)))
		last = before;
	return last ? (size_t)(last + 1 - s) : 0;
}

void import_paths_add_short(struct text *t, const char *s)
{
	bool begins = true;

	while (*s) {
		size_t skip = begins ? path_bytes(s) : 0;

		if (skip) {
			s += skip;
			begins = false;
			continue;
		}
		begins = strchr(" [](){}*,:&", *s) != NULL;
		text_add_n(t, s++, 1);
	}
}
