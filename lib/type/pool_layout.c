/*
 * type/pool_layout.c - the text of a pool layout (type/rule_text.h).  One table says which keys there
 * are.
 */
#include "type/pool_layout.h"

#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/vec.h"
#include "type/rule_text.h"

enum {
	ENOUGH_PROOF = 2, /* what a layout must be able to show of each pool */
};

enum key_kind {
	KEY_OFFSET, /* of a word in the head or the chunk's header */
	KEY_COUNT,  /* a number above 0 */
	KEY_NEED,
	KEY_FIND,
	KEY_MAGIC,
	KEY_CODE,
	KEY_SPARE,
	KEY_LARGE_BYTES,
};

struct key {
	const char *name;
	enum key_kind kind;
	uint16_t field;	 /* in struct pool_layout */
	uint16_t second; /* KEY_OFFSET: field of a second number that may follow; 0: none */
	uint8_t proof;	 /* how much it shows when it fits (type/pools_layout.c) */
};

#define AT(field) offsetof(struct pool_layout, field)

static const struct key keys[] = {
	{ "needs.symbol", KEY_NEED, NEED_SYMBOL },
	{ "needs.module", KEY_NEED, NEED_MODULE },
	{ "needs.call", KEY_NEED, NEED_CALL },
	{ "needs.text", KEY_NEED, NEED_TEXT },
	{ "find", KEY_FIND },
	{ "head.size", KEY_COUNT, AT(head.size) },
	{ "head.magic", KEY_MAGIC },
	{ "head.code", KEY_CODE, 0, 0, 1 },
	{ "head.self", KEY_OFFSET, AT(head.self), 0, 2 },
	{ "head.place", KEY_OFFSET, AT(head.place), 0, 2 },
	{ "head.ref", KEY_OFFSET, AT(head.ref), 0, 2 },
	{ "head.mapped", KEY_OFFSET, AT(head.mapped) },
	{ "head.room", KEY_OFFSET, AT(head.room), AT(head.room_max), 2 },
	{ "head.name", KEY_OFFSET, AT(head.name) },
	{ "head.text", KEY_OFFSET, AT(head.text), AT(head.text_max) },
	{ "head.parent", KEY_OFFSET, AT(head.parent) },
	{ "head.child", KEY_OFFSET, AT(head.child) },
	{ "head.sibling", KEY_OFFSET, AT(head.sibling) },
	{ "head.first", KEY_OFFSET, AT(head.first) },
	{ "head.current", KEY_OFFSET, AT(head.current), 0, 1 },
	{ "head.avail", KEY_OFFSET, AT(head.avail) },
	{ "head.limit", KEY_OFFSET, AT(head.limit), 0, 1 },
	{ "head.total", KEY_OFFSET, AT(head.total), 0, 2 },
	{ "head.large", KEY_OFFSET, AT(head.large), AT(head.more) },
	{ "chunk.size", KEY_COUNT, AT(chunk.size) },
	{ "chunk.next", KEY_OFFSET, AT(chunk.next) },
	{ "chunk.prev", KEY_OFFSET, AT(chunk.prev) },
	{ "chunk.ref", KEY_OFFSET, AT(chunk.ref), 0, 2 },
	{ "chunk.owner", KEY_OFFSET, AT(chunk.owner), 0, 2 },
	{ "chunk.end", KEY_OFFSET, AT(chunk.end), 0, 1 },
	{ "chunk.avail", KEY_OFFSET, AT(chunk.avail) },
	{ "chunk.bytes", KEY_OFFSET, AT(chunk.bytes), AT(chunk.bytes_more), 1 },
	{ "chunk.fixed", KEY_COUNT, AT(chunk.fixed), 0, 1 },
	{ "head.spare", KEY_SPARE },
	{ "spare.owner", KEY_OFFSET, AT(spare_owner) },
	{ "large.next", KEY_OFFSET, AT(large.next) },
	{ "large.data", KEY_OFFSET, AT(large.data) },
	{ "large.bytes", KEY_LARGE_BYTES },
};

struct parser {
	const char *file;
	unsigned line;
	struct pool_layouts *to;
	struct pool_layout *now; /* NULL before the first */
};

static uint32_t *field(struct pool_layout *l, uint16_t at)
{
	return (uint32_t *)((char *)l + at);
}

#define wrong(p, ...) wrong_at((p), (p)->line, __VA_ARGS__)
static struct err *wrong_at(const struct parser *p, unsigned line, const char *what,
			    const char *arg)
{
	return rule_wrong(p->file, line, what, arg);
}

/* ---- values */

static struct err *parse_below(const struct parser *p, const char *s, uint32_t *ret)
{
	uint64_t n;

	if (!rule_number(s, &n))
		return wrong(p, "this is no number", s);
	if (n > LAYOUT_STRUCT_MAX)
		return wrong(p, "this is more than the 65536 bytes that a structure may have", s);
	*ret = (uint32_t)n;
	return NULL;
}

static const char *copy(struct parser *p, const char *s)
{
	return arena_strdup(&p->to->mem, s);
}

/* ---- keys; words[0] is the key, n of them in all */

static struct err *parse_need(struct parser *p, enum layout_need kind, const struct rule_line *line)
{
	struct pool_layout *l = p->now;
	char name[RULE_LINE_MAX];

	if (line->n < 2 || (line->n > 2 && kind != NEED_TEXT))
		return wrong(p, "one name belongs here", line->v[0]);
	if (l->n_needs == LAYOUT_LIST_MAX)
		return wrong(p, "four of these are enough", line->v[0]);
	rule_join(line, 1, line->n, name);
	l->needs[l->n_needs].kind = kind;
	l->needs[l->n_needs].name = copy(p, name);
	return l->needs[l->n_needs++].name ? NULL : &err_nomem;
}

static struct err *parse_find(struct parser *p, char *const *words, unsigned n)
{
	static const char *const places[] = {
		[PLACE_BLOCK] = "block",       [PLACE_PAGE] = "page",
		[PLACE_ANYWHERE] = "anywhere", [PLACE_OUTSIDE] = "outside",
		[PLACE_POINTER] = "pointer",   [PLACE_VARIABLE] = "variable",
	};
	struct pool_layout *l = p->now;
	unsigned place = 0;

	while (n > 1 && place < ARRAY_SIZE(places) && strcmp(words[1], places[place]))
		place++;
	if (n < 2 || place == ARRAY_SIZE(places))
		return wrong(p,
			     "heads are found in a block, a page, anywhere, outside of heaps, by a "
			     "pointer or as a variable",
			     "find");
	if (l->n_finds == LAYOUT_LIST_MAX)
		return wrong(p, "four of these are enough", words[0]);
	l->finds[l->n_finds].place = place;
	if (place == PLACE_POINTER || place == PLACE_VARIABLE) {
		if (n != 3)
			return wrong(p, "the name of a variable belongs here", words[1]);
		l->finds[l->n_finds].symbol = copy(p, words[2]);
		return l->finds[l->n_finds++].symbol ? NULL : &err_nomem;
	}
	if (n > 3 || (n == 3 && place > PLACE_PAGE))
		return wrong(p, "this line has too many words", words[0]);
	if (n == 3) {
		struct err *err = parse_below(p, words[2], &l->finds[l->n_finds].offset);

		if (err)
			return err;
	}
	l->n_finds++;
	return NULL;
}

static struct err *parse_magic(struct parser *p, char *const *words, unsigned n)
{
	struct pool_layout *l = p->now;
	unsigned k = l->n_magics;
	struct err *err;

	if (n != 4 || (strcmp(words[2], "u32") && strcmp(words[2], "u64")))
		return wrong(p, "an offset, u32 or u64, and a value belong here", words[0]);
	if (k == LAYOUT_LIST_MAX)
		return wrong(p, "four of these are enough", words[0]);
	err = parse_below(p, words[1], &l->magics[k].offset);
	if (err)
		return err;
	l->magics[k].width = !strcmp(words[2], "u32") ? 4 : 8;
	if (!rule_number(words[3], &l->magics[k].value) ||
	    (l->magics[k].width == 4 && l->magics[k].value > UINT32_MAX))
		return wrong(p, "this is no number of that size", words[3]);
	if (!l->magics[k].value)
		return wrong(p, "a magic of 0 is everywhere", words[0]);
	l->n_magics++;
	return NULL;
}

static struct err *parse_code(struct parser *p, char *const *words, unsigned n)
{
	struct pool_layout *l = p->now;

	if (n != 2)
		return wrong(p, "one offset belongs here", words[0]);
	if (l->n_codes == LAYOUT_LIST_MAX)
		return wrong(p, "four of these are enough", words[0]);
	return parse_below(p, words[1], &l->codes[l->n_codes++]);
}

static struct err *parse_spare(struct parser *p, char *const *words, unsigned n)
{
	struct pool_layout *l = p->now;
	struct err *err;

	if (n != 4)
		return wrong(p, "an offset, where its lists are, and how many, belong here",
			     words[0]);
	err = parse_below(p, words[1], &l->head.spare);
	if (!err)
		err = parse_below(p, words[2], &l->head.spare_lists);
	if (!err)
		err = parse_below(p, words[3], &l->head.n_spare_lists);
	return err;
}

static struct err *parse_large_bytes(struct parser *p, char *const *words, unsigned n)
{
	static const char *const widths[] = { "u16", "u32", "u64" };
	struct pool_layout *l = p->now;
	unsigned i = 0;

	while (n == 3 && i < ARRAY_SIZE(widths) && strcmp(words[2], widths[i]))
		i++;
	if (n != 3 || i == ARRAY_SIZE(widths))
		return wrong(p, "an offset, and u16, u32 or u64, belong here", words[0]);
	l->large.width = 2u << i;
	return parse_below(p, words[1], &l->large.bytes);
}

static struct err *parse_offset(struct parser *p, const struct key *key, char *const *words, unsigned n)
{
	uint32_t *at = field(p->now, key->field);
	struct err *err;

	if (n < 2 || n > 2u + !!key->second)
		return wrong(p,
			     key->second ? "an offset, and perhaps one number more, belong here" :
					   "one number belongs here",
			     words[0]);
	if (*at != (key->kind == KEY_COUNT ? 0 : LAYOUT_ABSENT))
		return wrong(p, "this was said before", words[0]);
	err = parse_below(p, words[1], at);
	if (!err && n == 3)
		err = parse_below(p, words[2], field(p->now, key->second));
	if (!err && key->kind == KEY_COUNT && !*at)
		return wrong(p, "0 is too small", words[0]);
	return err;
}

/* ---- layouts */

static struct err *begin(struct parser *p, const struct rule_line *line)
{
	struct pool_layout l = { .line = p->line };
	char name[RULE_LINE_MAX];

	if (line->n < 2)
		return wrong(p, "a name belongs here", line->v[0]);
	if (p->to->n == LAYOUTS_MAX)
		return wrong(p, "64 layouts are enough", line->v[0]);
	rule_join(line, 1, line->n, name);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].kind == KEY_OFFSET)
			*field(&l, keys[i].field) = LAYOUT_ABSENT;
	l.head.spare = l.head.room_max = l.head.more = l.large.bytes = LAYOUT_ABSENT;
	l.name = copy(p, name);
	if (!l.name || !vec_push(p->to, &l))
		return &err_nomem;
	p->now = &p->to->v[p->to->n - 1];
	return NULL;
}

/* Every word lies in its structure, and they can prove something. */
static struct err *check_keys(const struct parser *p, struct pool_layout *l)
{
	unsigned proof = 0;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct key *key = &keys[i];
		bool of_head = !strncmp(key->name, "head.", 5);
		uint32_t size = of_head ? l->head.size : l->chunk.size;
		uint32_t at;

		if (key->kind != KEY_COUNT && key->kind != KEY_OFFSET)
			continue;
		at = *field(l, key->field);
		if (at == (key->kind == KEY_COUNT ? 0 : LAYOUT_ABSENT))
			continue;
		proof += key->proof;
		if (key->kind == KEY_OFFSET && strncmp(key->name, "large.", 6) &&
		    strncmp(key->name, "spare.", 6) && (size < 8 || at > size - 8))
			return wrong_at(p, l->line, "this lies outside of its structure",
					key->name);
	}
	for (unsigned i = 0; i < l->n_magics; i++) {
		if (l->head.size < l->magics[i].width ||
		    l->magics[i].offset > l->head.size - l->magics[i].width)
			return wrong_at(p, l->line, "this lies outside of its structure",
					"head.magic");
		proof += l->magics[i].width / 4;
	}
	for (unsigned i = 0; i < l->n_codes; i++) {
		if (l->head.size < 8 || l->codes[i] > l->head.size - 8)
			return wrong_at(p, l->line, "this lies outside of its structure",
					"head.code");
		proof++;
	}
	for (unsigned i = 0; i < l->n_finds; i++)
		proof += l->finds[i].symbol ? 2 : 0;
	if (proof < ENOUGH_PROOF)
		return wrong_at(p, l->line,
				"nothing here proves that memory is such a pool: give a magic, "
				"self, ref, total, chunk.owner or the name of a variable",
				l->name);
	return NULL;
}

static struct err *end(const struct parser *p)
{
	struct pool_layout *l = p->now;
	bool begins = false, looks = false;

	if (!l)
		return NULL;
	if (!l->head.size)
		return wrong_at(p, l->line, "its head has no size (head.size)", l->name);
	if (!l->n_finds)
		l->n_finds = 1; /* PLACE_BLOCK at 0 */
	for (unsigned i = 0; i < l->n_finds; i++) {
		begins |= l->finds[i].place <= PLACE_PAGE;
		looks |= l->finds[i].place == PLACE_ANYWHERE || l->finds[i].place == PLACE_OUTSIDE;
	}
	if (!begins && l->head.first == LAYOUT_ABSENT)
		return wrong_at(p, l->line, "nothing leads to its chunks (head.first)", l->name);
	if (looks && !l->n_magics && l->head.first == LAYOUT_ABSENT)
		return wrong_at(p, l->line, "to find it anywhere takes a magic or head.first",
				l->name);
	if ((l->head.text != LAYOUT_ABSENT) != (l->head.text_max != 0))
		return wrong_at(p, l->line, "an offset and a length belong to head.text", l->name);
	if (l->head.spare != LAYOUT_ABSENT &&
	    (l->head.size < 8 || l->head.spare > l->head.size - 8 ||
	     l->chunk.next == LAYOUT_ABSENT))
		return wrong_at(p, l->line, "head.spare lies in the head, and needs chunk.next",
				l->name);
	if ((l->head.large != LAYOUT_ABSENT) !=
	    (l->large.data != LAYOUT_ABSENT || l->large.bytes != LAYOUT_ABSENT))
		return wrong_at(p, l->line, "head.large and large.data or large.bytes belong together",
				l->name);
	if (l->head.more != LAYOUT_ABSENT && l->head.more > l->head.size - 8)
		return wrong_at(p, l->line, "this lies outside of its structure", "head.large");
	return check_keys(p, l);
}

static struct err *parse_line(void *arg, const struct rule_line *line)
{
	struct parser *p = arg;
	const struct key *key = keys;
	char *const *words = line->v;
	unsigned n = line->n;

	p->line = line->no;
	if (!strcmp(words[0], "pool")) {
		struct err *err = end(p);

		return err ? err : begin(p, line);
	}
	if (!p->now)
		return wrong(p, "a layout begins with `pool NAME`, not with", words[0]);
	while (key < keys + ARRAY_SIZE(keys) && strcmp(key->name, words[0]))
		key++;
	if (key == keys + ARRAY_SIZE(keys))
		return wrong(p, "there is no such key", words[0]);
	switch (key->kind) {
	case KEY_NEED:
		return parse_need(p, key->field, line);
	case KEY_FIND:
		return parse_find(p, words, n);
	case KEY_MAGIC:
		return parse_magic(p, words, n);
	case KEY_CODE:
		return parse_code(p, words, n);
	case KEY_SPARE:
		return parse_spare(p, words, n);
	case KEY_LARGE_BYTES:
		return parse_large_bytes(p, words, n);
	case KEY_OFFSET:
	case KEY_COUNT:
		break;
	}
	return parse_offset(p, key, words, n);
}

struct err *pool_layouts_parse(const char *file, const char *text, size_t n,
			       struct pool_layouts *ret)
{
	struct parser p = { .file = file, .to = ret };
	struct err *err = rule_text_each(file, text, n, parse_line, &p);

	return err ? err : end(&p);
}

void pool_layouts_fini(struct pool_layouts *l)
{
	free(l->v);
	arena_fini(&l->mem);
	*l = (struct pool_layouts){};
}
