/*
 * query/query.c - the tables as SQLite virtual tables, and statements run over them.
 *
 * One module serves every table (sqlite.org/vtab.html).  What xBestIndex finds usable is only a
 * narrower scan: SQLite checks each row again, so that a coarse bound is still exact.
 */
#include "query/query.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "query/table.h"

struct vtab {
	sqlite3_vtab base;
	struct query *q;
	const struct table *table;
};

struct vtab_cursor {
	sqlite3_vtab_cursor base;
	struct scan scan;
};

/* How a scan is narrowed: idxNum is the column + 1 and, in higher bits, which bounds are given. */
enum {
	PLAN_COLUMN = 0xff,
	PLAN_EQ = 0x100,
	PLAN_LOW = 0x200,
	PLAN_HIGH = 0x400,
	PLAN_GROUP_SHIFT = 12, /* from there on, bits of columns that rows are to be grouped by */
};

/* ---- declaring */

static const char *sql_type(enum query_kind kind)
{
	switch (kind) {
	case QUERY_ADDRESS:
		return "ADDRESS INTEGER";
	case QUERY_INT:
		return "INTEGER";
	case QUERY_REAL:
		return "REAL";
	case QUERY_TEXT:
	case QUERY_NULL:
		break;
	}
	return "TEXT";
}

/* CREATE TABLE "blocks"("id" INTEGER PRIMARY KEY, ...); empty: out of memory. */
static void declaration(const struct table *t, struct text *ret)
{
	text_printf(ret, "CREATE TABLE \"%s\"(", t->name);
	for (size_t i = 0; i < t->n_columns; i++)
		text_printf(ret, "%s\"%s\" %s%s", i ? ", " : "", t->columns[i].name,
			    sql_type(t->columns[i].kind),
			    !i && t->first_is_row ? " PRIMARY KEY" : "");
	text_add(ret, ")");
}

static int vtab_connect(sqlite3 *db, void *arg, int argc, const char *const *argv,
			sqlite3_vtab **ret, char **ret_message)
{
	struct query *q = arg;
	struct text sql = TEXT_INIT;
	struct vtab *v;
	int rc;

	(void)argc;
	(void)ret_message;
	v = calloc(1, sizeof(*v));
	if (!v)
		return SQLITE_NOMEM;
	v->q = q;
	for (size_t i = 0; i < q->n_tables; i++)
		if (!strcmp(q->tables[i].name, argv[2]))
			v->table = &q->tables[i];
	if (!v->table) {
		free(v);
		return SQLITE_ERROR;
	}
	declaration(v->table, &sql);
	rc = sql.bad ? SQLITE_NOMEM : sqlite3_declare_vtab(db, text_str(&sql));
	text_fini(&sql);
	if (rc != SQLITE_OK) {
		free(v);
		return rc;
	}
	*ret = &v->base;
	return SQLITE_OK;
}

static int vtab_disconnect(sqlite3_vtab *base)
{
	free(base);
	return SQLITE_OK;
}

/* ---- planning */

static int plan_of(unsigned char op)
{
	switch (op) {
	case SQLITE_INDEX_CONSTRAINT_EQ:
		return PLAN_EQ;
	case SQLITE_INDEX_CONSTRAINT_GT:
	case SQLITE_INDEX_CONSTRAINT_GE:
		return PLAN_LOW;
	case SQLITE_INDEX_CONSTRAINT_LT:
	case SQLITE_INDEX_CONSTRAINT_LE:
		return PLAN_HIGH;
	}
	return 0;
}

/* The bounds that usable constraints give on one column; an equality says all. */
static int bounds_on(const sqlite3_index_info *info, int column)
{
	int plan = 0;

	for (int i = 0; i < info->nConstraint; i++)
		if (info->aConstraint[i].usable && info->aConstraint[i].iColumn == column)
			plan |= plan_of(info->aConstraint[i].op);
	return plan & PLAN_EQ ? PLAN_EQ : plan;
}

static void take_arguments(sqlite3_index_info *info, int column, int plan)
{
	int n = 0;

	for (int bound = PLAN_EQ; bound <= PLAN_HIGH; bound <<= 1) {
		for (int i = 0; i < info->nConstraint && plan & bound; i++) {
			const struct sqlite3_index_constraint *c = &info->aConstraint[i];

			if (!c->usable || c->iColumn != column || plan_of(c->op) != bound)
				continue;
			info->aConstraintUsage[i].argvIndex = ++n;
			break;
		}
	}
}

/* GROUP BY and DISTINCT need rows alike one after the other: without that SQLite sorts them all. */
static int groups_of(const struct table *t, sqlite3_index_info *info)
{
	int distinct = info->nOrderBy ? sqlite3_vtab_distinct(info) : 0;
	unsigned columns = 0;

	for (int i = 0; i < info->nOrderBy && (distinct == 1 || distinct == 2); i++) {
		int c = info->aOrderBy[i].iColumn;

		if (c < 0 || !((t->groups | t->groups_alone) >> c & 1))
			return 0;
		columns |= 1u << c;
	}
	if (columns & t->groups_alone && columns & (columns - 1))
		return 0;
	return (int)(columns << PLAN_GROUP_SHIFT);
}

static int vtab_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
	const struct vtab *v = (const struct vtab *)base;
	const struct table *t = v->table;
	double rows = t->estimate(v->q, t, -1, false);
	int by = -1, plan = 0;

	for (int c = 0; c < (int)t->n_columns; c++) {
		int p = t->keys & 1u << c ? bounds_on(info, c) : 0;
		double n = p ? t->estimate(v->q, t, c, p == PLAN_EQ) : rows;

		if (!p || n >= rows)
			continue;
		rows = n;
		by = c;
		plan = p;
	}
	if (by >= 0)
		take_arguments(info, by, plan);
	info->idxNum = (by + 1) | plan;
	info->estimatedRows = (sqlite3_int64)rows;
	info->estimatedCost = rows + 1;
	if (plan == PLAN_EQ && rows <= 1)
		info->idxFlags |= SQLITE_INDEX_SCAN_UNIQUE;
	if (info->nOrderBy == 1 && !info->aOrderBy[0].desc && info->aOrderBy[0].iColumn >= 0)
		info->orderByConsumed = (t->sorted >> info->aOrderBy[0].iColumn & 1) != 0 &&
					(by < 0 || t->sorted >> by & 1);
	if (by < 0 && !info->orderByConsumed && groups_of(t, info)) {
		info->idxNum = groups_of(t, info);
		info->orderByConsumed = 1;
	}
	/* Columns are asked for one by one; what a plan may use is told to open(). */
	info->idxStr = sqlite3_mprintf("%llx", (unsigned long long)info->colUsed);
	info->needToFreeIdxStr = 1;
	return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

/* ---- scanning */

static int vtab_open(sqlite3_vtab *base, sqlite3_vtab_cursor **ret)
{
	struct vtab_cursor *c = calloc(1, sizeof(*c));

	if (!c)
		return SQLITE_NOMEM;
	c->scan.table = ((struct vtab *)base)->table;
	c->scan.text = (struct text)TEXT_INIT;
	*ret = &c->base;
	return SQLITE_OK;
}

static int vtab_close(sqlite3_vtab_cursor *base)
{
	struct vtab_cursor *c = (struct vtab_cursor *)base;

	text_fini(&c->scan.text);
	col_close(&c->scan.order);
	free(c);
	return SQLITE_OK;
}

/* Fractions are rounded away from the rows that count; what is no number leaves the bound open. */
static void narrow(struct bounds *b, int bound, sqlite3_value *arg)
{
	int64_t low, high;

	if (sqlite3_value_type(arg) == SQLITE_INTEGER) {
		low = high = sqlite3_value_int64(arg);
	} else if (sqlite3_value_type(arg) == SQLITE_FLOAT) {
		double d = sqlite3_value_double(arg);

		if (!(fabs(d) < 9e18))
			return;
		low = (int64_t)floor(d);
		high = (int64_t)ceil(d);
	} else {
		return;
	}
	if (bound != PLAN_HIGH)
		b->low = low;
	if (bound != PLAN_LOW)
		b->high = high;
}

static int vtab_filter(sqlite3_vtab_cursor *base, int plan, const char *used, int argc,
		       sqlite3_value **argv)
{
	struct vtab_cursor *c = (struct vtab_cursor *)base;
	struct query *q = ((struct vtab *)base->pVtab)->q;
	struct bounds b = { (plan & PLAN_COLUMN) - 1, INT64_MIN, INT64_MAX,
			    (unsigned)plan >> PLAN_GROUP_SHIFT };
	struct text text = c->scan.text;
	struct err *err;
	int n = 0;

	for (int bound = PLAN_EQ; bound <= PLAN_HIGH; bound <<= 1)
		if (plan & bound && n < argc)
			narrow(&b, bound, argv[n++]);
	col_close(&c->scan.order);
	c->scan = (struct scan){ .table = c->scan.table, .text = text };
	err = c->scan.table->open(q, &b, strtoull(used ? used : "0", NULL, 16), &c->scan);
	if (!err)
		return SQLITE_OK;
	if (q->err)
		err_free(err);
	else
		q->err = err;
	return SQLITE_ABORT;
}

static int vtab_next(sqlite3_vtab_cursor *base)
{
	struct vtab_cursor *c = (struct vtab_cursor *)base;

	c->scan.table->next(((struct vtab *)base->pVtab)->q, &c->scan);
	return SQLITE_OK;
}

static int vtab_eof(sqlite3_vtab_cursor *base)
{
	const struct scan *s = &((struct vtab_cursor *)base)->scan;

	return s->at >= s->end;
}

/* A database's text is UTF-8, and its readers print it: a name of anything else comes escaped. */
static void result_text(sqlite3_context *ctx, const char *s, sqlite3_destructor_type life)
{
	struct text t = TEXT_INIT;
	const char *p = s;

	while (*p >= ' ' && *p <= '~')
		p++;
	if (!*p) {
		sqlite3_result_text(ctx, s, (int)(p - s), life);
		return;
	}
	text_add_escaped(&t, s, strlen(s));
	sqlite3_result_text(ctx, text_str(&t), -1, SQLITE_TRANSIENT);
	text_fini(&t);
}

static int vtab_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int column)
{
	struct vtab_cursor *c = (struct vtab_cursor *)base;
	struct query *q = ((struct vtab *)base->pVtab)->q;
	struct query_value value = { .kind = QUERY_NULL };

	c->scan.table->value(q, &c->scan, (unsigned)column, &value);
	if (q->err)
		return SQLITE_ABORT;
	switch (value.kind) {
	case QUERY_NULL:
		break;
	case QUERY_INT:
		sqlite3_result_int64(ctx, value.i);
		break;
	case QUERY_ADDRESS:
		sqlite3_result_int64(ctx, (sqlite3_int64)value.address);
		break;
	case QUERY_REAL:
		sqlite3_result_double(ctx, value.d);
		break;
	case QUERY_TEXT:
		/* Names live as long as the graph and the report; only a scan's own text does not. */
		result_text(ctx, value.text,
			    value.text == text_str(&c->scan.text) ? SQLITE_TRANSIENT :
								    SQLITE_STATIC);
		break;
	}
	return SQLITE_OK;
}

static int vtab_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret)
{
	*ret = (sqlite3_int64)((struct vtab_cursor *)base)->scan.at;
	return SQLITE_OK;
}

static const sqlite3_module vtab_module = {
	.xCreate = vtab_connect,
	.xConnect = vtab_connect,
	.xBestIndex = vtab_best_index,
	.xDisconnect = vtab_disconnect,
	.xDestroy = vtab_disconnect,
	.xOpen = vtab_open,
	.xClose = vtab_close,
	.xFilter = vtab_filter,
	.xNext = vtab_next,
	.xEof = vtab_eof,
	.xColumn = vtab_column,
	.xRowid = vtab_rowid,
};

/* ---- functions: block_at(ADDRESS), hex_address(ADDRESS) */

static void sql_block_at(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const struct query *q = sqlite3_user_data(ctx);
	node_id id;

	(void)argc;
	if (sqlite3_value_type(argv[0]) != SQLITE_INTEGER)
		return;
	id = graph_node_at(q->src.graph, (uint64_t)sqlite3_value_int64(argv[0]));
	if (id != NODE_NONE)
		sqlite3_result_int64(ctx, id);
}

static void sql_hex_address(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	char s[24];

	(void)argc;
	if (sqlite3_value_type(argv[0]) != SQLITE_INTEGER)
		return;
	snprintf(s, sizeof(s), "0x%llx", (unsigned long long)sqlite3_value_int64(argv[0]));
	sqlite3_result_text(ctx, s, -1, SQLITE_TRANSIENT);
}

/* ---- opening */

static struct err *sql_err(struct query *q, const char *what)
{
	int code = sqlite3_errcode(q->db), os = sqlite3_system_errno(q->db);
	struct err *err = q->err;

	q->err = NULL;
	if (err)
		return err;
	if (code == SQLITE_NOMEM)
		return &err_nomem;
	/* of a write that was cut short there is no error number */
	if (code == SQLITE_FULL || code == SQLITE_IOERR)
		return err_os(os ? os : code == SQLITE_FULL ? ENOSPC : EIO, "%s: %s", what,
			      sqlite3_errmsg(q->db));
	return err_new(ERR_USAGE, "%s: %s", what, sqlite3_errmsg(q->db));
}

static struct err *add_tables(struct query *q)
{
	static const struct table *const columns[] = { &blocks_table, &edges_table, &roots_table };
	size_t n = ARRAY_SIZE(columns);

	while (report_tables[n - ARRAY_SIZE(columns)])
		n++;
	q->tables = calloc(n, sizeof(*q->tables));
	if (!q->tables)
		return &err_nomem;
	for (q->n_tables = 0; q->n_tables < n; q->n_tables++)
		q->tables[q->n_tables] = q->n_tables < ARRAY_SIZE(columns) ?
						 *columns[q->n_tables] :
						 *report_tables[q->n_tables - ARRAY_SIZE(columns)];
	return NULL;
}

static int create_tables(struct query *q)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < q->n_tables && rc == SQLITE_OK; i++) {
		char *sql = sqlite3_mprintf("CREATE VIRTUAL TABLE \"%w\" USING heapfx",
					    q->tables[i].name);

		rc = sql ? sqlite3_exec(q->db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
		sqlite3_free(sql);
	}
	return rc;
}

static void guard_query(struct query **q)
{
	query_close(*q);
}

struct err *query_open(struct env *env, const struct query_source *source, struct query **ret)
{
	enum { FLAGS = SQLITE_UTF8 | SQLITE_DETERMINISTIC };
	_cleanup_(guard_query) struct query *q = calloc(1, sizeof(*q));
	struct err *err;

	if (!q)
		return &err_nomem;
	q->env = env;
	q->src = *source;
	q->slots.src = NODE_NONE;
	err = add_tables(q);
	if (err)
		return err;
	if (sqlite3_open(":memory:", &q->db) != SQLITE_OK)
		return q->db ? sql_err(q, "SQLite") : &err_nomem;
	if (sqlite3_create_module(q->db, "heapfx", &vtab_module, q) != SQLITE_OK ||
	    sqlite3_create_function(q->db, "block_at", 1, FLAGS, q, sql_block_at, NULL, NULL) ||
	    sqlite3_create_function(q->db, "hex_address", 1, FLAGS, q, sql_hex_address, NULL,
				    NULL) ||
	    create_tables(q) != SQLITE_OK)
		return sql_err(q, "SQLite");
	*ret = take(&q);
	return NULL;
}

void query_close(struct query *q)
{
	if (!q)
		return;
	sqlite3_close(q->db);
	for (size_t i = 0; i < q->n_tables; i++)
		free(q->tables[i].cells);
	free(q->tables);
	free(q->slots.v);
	arena_fini(&q->mem);
	err_free(q->err);
	free(q);
}

/* ---- running */

static void result_value(sqlite3_stmt *stmt, int i, struct query_value *ret)
{
	const char *type = sqlite3_column_decltype(stmt, i);

	*ret = (struct query_value){ .kind = QUERY_NULL };
	switch (sqlite3_column_type(stmt, i)) {
	case SQLITE_INTEGER:
		if (type && !strcmp(type, sql_type(QUERY_ADDRESS)))
			give_address(ret, (uint64_t)sqlite3_column_int64(stmt, i));
		else
			give_int(ret, (uint64_t)sqlite3_column_int64(stmt, i));
		break;
	case SQLITE_FLOAT:
		ret->kind = QUERY_REAL;
		ret->d = sqlite3_column_double(stmt, i);
		break;
	case SQLITE_TEXT:
	case SQLITE_BLOB:
		give_text(ret, (const char *)sqlite3_column_text(stmt, i));
		break;
	}
}

static struct err *run_rows(struct query *q, sqlite3_stmt *stmt, struct query_sink *sink)
{
	int n = sqlite3_column_count(stmt), rc;
	_free_ const char **names = calloc((size_t)n + 1, sizeof(*names));
	_free_ struct query_value *values = calloc((size_t)n + 1, sizeof(*values));
	struct err *err = NULL;

	if (!names || !values)
		return &err_nomem;
	for (int i = 0; i < n; i++)
		names[i] = sqlite3_column_name(stmt, i);
	rc = sqlite3_step(stmt); /* before begin(): a query that fails at once prints no head */
	if (n && (rc == SQLITE_ROW || rc == SQLITE_DONE))
		err = sink->begin(sink, names, (size_t)n);
	while (!err && rc == SQLITE_ROW) {
		for (int i = 0; i < n; i++)
			result_value(stmt, i, &values[i]);
		err = sink->row(sink, values, (size_t)n);
		if (!err)
			rc = sqlite3_step(stmt);
	}
	if (err)
		return err;
	if (rc != SQLITE_DONE)
		return sql_err(q, "query");
	return n ? sink->end(sink) : NULL;
}

struct err *query_run(struct query *q, const char *sql, struct query_sink *sink)
{
	while (*sql) {
		sqlite3_stmt *stmt;
		struct err *err;

		if (sqlite3_prepare_v2(q->db, sql, -1, &stmt, &sql) != SQLITE_OK)
			return sql_err(q, "query");
		if (!stmt)
			continue; /* a comment, or nothing but space */
		err = run_rows(q, stmt, sink);
		sqlite3_finalize(stmt);
		if (err)
			return err;
	}
	return NULL;
}

bool query_is_complete(const char *sql)
{
	return sqlite3_complete(sql) != 0;
}

void query_interrupt(struct query *q)
{
	sqlite3_interrupt(q->db);
}

/* ---- saving */

static struct err *save_table(struct query *q, const struct table *t)
{
	const char *sorted_index = !strcmp(t->name, "blocks") ? "block_address ON blocks(address)" :
				   !strcmp(t->name, "edges")  ? "edge_src ON edges(src)" :
								NULL;
	struct text sql = TEXT_INIT, create = TEXT_INIT;
	struct err *err = NULL;

	declaration(t, &create);
	text_add(&sql, "CREATE TABLE saved.");
	text_add(&sql, text_str(&create) + strlen("CREATE TABLE "));
	/* Of a column whose values ascend: each new entry is the last one, and nothing is sorted. */
	if (sorted_index)
		text_printf(&sql, "; CREATE INDEX saved.%s", sorted_index);
	text_printf(&sql, "; INSERT INTO saved.\"%s\" SELECT * FROM main.\"%s\"", t->name, t->name);
	if (sql.bad || create.bad)
		err = &err_nomem;
	else if (sqlite3_exec(q->db, text_str(&sql), NULL, NULL, NULL) != SQLITE_OK)
		err = sql_err(q, t->name);
	text_fini(&sql);
	text_fini(&create);
	return err;
}

struct err *query_save(struct query *q, const char *path)
{
	static const char indexes[] = "CREATE INDEX saved.edge_dst ON edges(dst)";
	char *attach = sqlite3_mprintf("ATTACH %Q AS saved; PRAGMA saved.journal_mode = OFF;"
				       "PRAGMA saved.synchronous = OFF;"
				       /* of what is sorted for an index, too */
				       "PRAGMA main.cache_size = -65536", path);
	struct err *err = NULL;

	if (!attach)
		return &err_nomem;
	if (sqlite3_exec(q->db, attach, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(q->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		err = sql_err(q, path);
	sqlite3_free(attach);
	for (size_t i = 0; i < q->n_tables && !err; i++)
		err = save_table(q, &q->tables[i]);
	if (!err && (sqlite3_exec(q->db, indexes, NULL, NULL, NULL) != SQLITE_OK ||
		     sqlite3_exec(q->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK))
		err = sql_err(q, path);
	if (err)
		sqlite3_exec(q->db, "ROLLBACK", NULL, NULL, NULL);
	if (sqlite3_exec(q->db, "DETACH saved", NULL, NULL, NULL) != SQLITE_OK && !err)
		err = sql_err(q, path);
	return err;
}

/* ---- names */

const char *query_table_name(const struct query *q, size_t table)
{
	return table < q->n_tables ? q->tables[table].name : NULL;
}

const char *query_column_name(const struct query *q, size_t table, size_t column)
{
	if (table >= q->n_tables || column >= q->tables[table].n_columns)
		return NULL;
	return q->tables[table].columns[column].name;
}
