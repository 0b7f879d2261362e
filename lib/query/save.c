/*
 * query/save.c - the long tables of a database: the graph's own.
 *
 * Their millions of rows come in order and are written page by page (btree.h), to the file that
 * SQLite has made with the schema and the short tables: it would take ten times as long itself.
 */
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/vec.h"
#include "query/btree.h"
#include "query/table.h"

/* ---- rows as records */

enum { TEXTS = 1 << 12, HEAD_MAX = 128, SLACK = 16 };

/* Names come again and again: where they lie tells how long they are. */
struct known_text {
	const char *s;
	size_t n;
};

struct encoder {
	struct known_text known[TEXTS];
	struct text escaped;
	uint8_t *bytes; /* the head of a record ends at HEAD_MAX, where its body begins */
	size_t cap;
};

static void guard_encoder(struct encoder **e)
{
	if (!*e)
		return;
	text_fini(&(*e)->escaped);
	free((*e)->bytes);
	free(*e);
}

static bool has_room(struct encoder *e, size_t n)
{
	if (n + SLACK <= e->cap)
		return true;
	return vec_grow((void **)&e->bytes, &e->cap, n + SLACK, 1);
}

static bool is_plain(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] < ' ' || s[i] > '~')
			return false;
	return true;
}

/* What a database has of a text: its readers print it, so that anything unusual comes escaped. */
static struct known_text text_of(struct encoder *e, const char *s, bool stays)
{
	struct known_text *at = &e->known[((uintptr_t)s ^ (uintptr_t)s >> 12) % TEXTS], text;

	if (stays && at->s == s)
		return *at;
	text = (struct known_text){ s, strlen(s) };
	if (!is_plain(s, text.n)) {
		text_reset(&e->escaped);
		text_add_escaped(&e->escaped, s, text.n);
		return (struct known_text){ text_str(&e->escaped), e->escaped.n };
	}
	if (stays)
		*at = text;
	return text;
}

/* The record of the row that the scan is at, in e->bytes; its first byte. */
static struct err *encode_row(struct query *q, const struct table *t, struct scan *s,
			      struct encoder *e, const uint8_t **ret, size_t *ret_n)
{
	uint8_t head[HEAD_MAX];
	unsigned n_head = 1, some;
	size_t n = HEAD_MAX;

	for (unsigned c = 0; c < t->n_columns; c++) {
		struct query_value value = { .kind = QUERY_NULL };
		struct known_text text;
		uint64_t real;

		if (c || !t->first_is_row) /* else it is the rowid */
			t->value(q, s, c, &value);
		if (!has_room(e, n + sizeof(uint64_t)))
			return &err_nomem;
		switch (value.kind) {
		case QUERY_NULL:
			head[n_head++] = RECORD_NULL;
			break;
		case QUERY_INT:
		case QUERY_ADDRESS:
			head[n_head++] = (uint8_t)record_int(value.i, e->bytes + n, &some);
			n += some;
			break;
		case QUERY_REAL:
			head[n_head++] = RECORD_REAL;
			memcpy(&real, &value.d, sizeof(real));
			real = __builtin_bswap64(real);
			memcpy(e->bytes + n, &real, sizeof(real));
			n += sizeof(real);
			break;
		case QUERY_TEXT:
			text = text_of(e, value.text, value.text != text_str(&s->text));
			if (e->escaped.bad || !has_room(e, n + text.n))
				return &err_nomem;
			n_head += varint_put(head + n_head, RECORD_TEXT + 2 * (uint64_t)text.n);
			memcpy(e->bytes + n, text.s, text.n);
			n += text.n;
			break;
		}
	}
	head[0] = (uint8_t)n_head;
	memcpy(e->bytes + HEAD_MAX - n_head, head, n_head);
	*ret = e->bytes + HEAD_MAX - n_head;
	*ret_n = n - (HEAD_MAX - n_head);
	return q->err ? take(&q->err) : NULL;
}

/* ---- long tables */

static const struct bounds all_rows = { .by = -1, .low = INT64_MIN, .high = INT64_MAX };

static void guard_tree(struct btree **t)
{
	btree_free(*t);
}

static void guard_file(struct btree_file **f)
{
	btree_file_close(*f);
}

static struct err *fill_table(struct query *q, struct btree_file *f, const struct table *t,
			      uint32_t root)
{
	_cleanup_(guard_encoder) struct encoder *e = calloc(1, sizeof(*e));
	_cleanup_(guard_tree) struct btree *tree = NULL;
	struct scan s = { .table = t, .text = TEXT_INIT };
	struct err *err = e ? btree_new(f, BTREE_TABLE, root, &tree) : &err_nomem;
	int64_t rowid = 0;
	const uint8_t *record;
	size_t n;

	if (!err)
		e->escaped = (struct text)TEXT_INIT;
	if (!err)
		err = t->open(q, &all_rows, UINT64_MAX, &s);
	for (; !err && s.at < s.end; t->next(q, &s)) {
		rowid = t->first_is_row ? (int64_t)s.at : rowid + 1;
		err = encode_row(q, t, &s, e, &record, &n);
		if (!err)
			err = btree_add_row(tree, rowid, record, n);
	}
	text_fini(&s.text);
	return err ? err : btree_end(tree);
}

static struct err *fill_ascending(struct query *q, const struct long_index *index, struct btree *tree)
{
	const struct table *t = index->table;
	struct scan s = { .table = t, .text = TEXT_INIT };
	struct err *err = t->open(q, &all_rows, 1u << index->column, &s);
	int64_t rowid = 0;

	for (; !err && s.at < s.end; t->next(q, &s)) {
		struct query_value value = {};

		rowid = t->first_is_row ? (int64_t)s.at : rowid + 1;
		t->value(q, &s, index->column, &value);
		err = btree_add_key(tree, value.i, rowid);
	}
	text_fini(&s.text);
	return err;
}

/* Edges by where they lead to: a counting sort of their numbers. */
static struct err *fill_incoming(struct query *q, struct btree *tree)
{
	const struct graph *g = q->src.graph;
	struct col first_col = {}, order_col = {};
	struct err *err = col_fixed(q->env, 8, (uint64_t)g->n + 1, "index of edges", &first_col);
	uint64_t *first = first_col.base, at = 0;
	edge_id *order;

	if (!err)
		err = col_fixed(q->env, sizeof(edge_id), g->m + 1, "index of edges", &order_col);
	order = order_col.base;
	for (edge_id e = 0; !err && e < g->m; e++)
		first[EDGE_NODE(g->dst[e]) + 1]++;
	for (node_id i = 0; !err && i < g->n; i++)
		first[i + 1] += first[i];
	for (edge_id e = 0; !err && e < g->m; e++)
		order[first[EDGE_NODE(g->dst[e])]++] = e;
	/* now first[i] is where the entries of i end */
	for (node_id i = 0; !err && i < g->n; i++)
		for (; !err && at < first[i]; at++)
			err = btree_add_key(tree, i, (int64_t)order[at] + 1);
	col_close(&first_col);
	col_close(&order_col);
	return err;
}

static struct err *fill_index(struct query *q, struct btree_file *f, const struct long_index *index,
			      uint32_t root)
{
	_cleanup_(guard_tree) struct btree *tree = NULL;
	struct err *err = btree_new(f, BTREE_INDEX, root, &tree);

	if (!err)
		err = index->ascends ? fill_ascending(q, index, tree) : fill_incoming(q, tree);
	return err ? err : btree_end(tree);
}

/* ---- all of them */

const struct table *const long_tables[LONG_TABLES] = { &blocks_table, &edges_table };
const struct long_index long_indexes[LONG_INDEXES] = {
	{ "block_address", &blocks_table, 1, true },
	{ "edge_src", &edges_table, 0, true },
	{ "edge_dst", &edges_table, 1, false },
};

struct err *save_long(struct query *q, const char *path, const uint32_t *roots)
{
	_cleanup_(guard_file) struct btree_file *f = NULL;
	struct err *err = btree_file_open(path, &f);

	for (size_t i = 0; i < LONG_TABLES && !err; i++)
		err = fill_table(q, f, long_tables[i], *roots++);
	for (size_t i = 0; i < LONG_INDEXES && !err; i++)
		err = fill_index(q, f, &long_indexes[i], *roots++);
	return err ? err : btree_file_end(f);
}
