/*
 * completion.c - which names may stand where a word of a statement is typed.  The statement is not
 * parsed: of its words, the keyword before the place and the tables that follow FROM and JOIN count.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/vec.h"
#include "query/query.h"

enum { NO_TABLE = 64 }; /* tables are bits of one word */

struct place {
	bool wants_table;
	size_t owner;	/* the table of "table."; NO_TABLE: none */
	uint64_t named; /* by the statement, as bits */
};

struct names {
	const char **v;
	size_t n, cap;
	bool bad;
};

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static bool is_one_of(const char *const *words, size_t n_words, const char *s, size_t n)
{
	for (size_t i = 0; i < n_words; i++)
		if (strlen(words[i]) == n && !strncasecmp(words[i], s, n))
			return true;
	return false;
}

static size_t table_of(const struct query *q, const char *s, size_t n)
{
	const char *name;

	for (size_t i = 0; i < NO_TABLE && (name = query_table_name(q, i)); i++)
		if (is_one_of(&name, 1, s, n))
			return i;
	return NO_TABLE;
}

/* The start of the next word, past what is quoted; the end of the string: none. */
static const char *next_word(const char *s)
{
	while (*s && !is_word(*s)) {
		const char *end = *s == '\'' || *s == '"' ? strchr(s + 1, *s) : s;

		s = end ? end + 1 : s + strlen(s);
	}
	return s;
}

static void look_around(const struct query *q, const char *statement, size_t start,
			struct place *ret)
{
	static const char *const tables_follow[] = { "from", "join" };
	static const char *const others_follow[] = { "select", "where", "on",	  "using", "group",
						     "order",  "limit", "having", "set" };
	const char *at = statement + start;
	bool wants_table = false;

	*ret = (struct place){ .owner = NO_TABLE };
	for (const char *s = next_word(statement); *s; s = next_word(s)) {
		size_t n = 1, table;

		while (is_word(s[n]))
			n++;
		if (is_one_of(tables_follow, ARRAY_SIZE(tables_follow), s, n))
			wants_table = true;
		else if (is_one_of(others_follow, ARRAY_SIZE(others_follow), s, n))
			wants_table = false;
		table = table_of(q, s, n);
		if (wants_table && table != NO_TABLE && s != at)
			ret->named |= 1ULL << table;
		if (s < at)
			ret->wants_table = wants_table;
		if (s + n + 1 == at && s[n] == '.')
			ret->owner = table;
		s += n;
	}
	if (start && at[-1] == '.')
		ret->wants_table = false;
}

static void offer(struct names *names, const char *name, const char *word, size_t n)
{
	if (!strncasecmp(name, word, n) && !vec_push(names, &name))
		names->bad = true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort_unique(struct names *names)
{
	size_t n = 0;

	if (names->n)
		qsort(names->v, names->n, sizeof(*names->v), by_name);
	for (size_t i = 0; i < names->n; i++)
		if (!n || strcmp(names->v[n - 1], names->v[i]))
			names->v[n++] = names->v[i];
	names->n = n;
}

const char **query_complete(const struct query *q, const char *statement, size_t start, size_t end,
			    size_t *ret_n)
{
	struct names names = {};
	struct place place;
	const char *word = statement + start, *name;
	bool is_member = start && word[-1] == '.';

	look_around(q, statement, start, &place);
	if (place.owner != NO_TABLE)
		place.named = 1ULL << place.owner;
	for (size_t t = 0; t < NO_TABLE && (name = query_table_name(q, t)); t++) {
		if (!is_member)
			offer(&names, name, word, end - start);
		if (place.wants_table || (place.named && !(place.named >> t & 1)))
			continue;
		for (size_t c = 0; (name = query_column_name(q, t, c)); c++)
			offer(&names, name, word, end - start);
	}
	sort_unique(&names);
	if (!names.bad && !names.v)
		names.v = malloc(sizeof(*names.v)); /* none, which is no failure */
	if (names.bad) {
		free(names.v);
		names.v = NULL;
	}
	*ret_n = names.v ? names.n : 0;
	return names.v;
}
