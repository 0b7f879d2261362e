/*
 * query/table.h - one table of a query: its columns, and a scan over its rows.
 *
 * Knows nothing of SQL: query.c makes a virtual table of each.
 */
#ifndef HEAPFX_QUERY_TABLE_H
#define HEAPFX_QUERY_TABLE_H

#include "query/query.h"

struct column {
	const char *name;
	enum query_kind kind; /* never QUERY_NULL */
};

enum { COLUMNS_MAX = 24 };

/*
 * What of a table is wanted: rows where low <= columns[by] <= high; by < 0: all.  `grouped`, only with
 * those: 1 << column; rows alike in all of these have to come together, in any order.
 */
struct bounds {
	int by;
	int64_t low, high;
	uint64_t grouped;
};

/* A scan.  Each table uses what it needs. */
struct scan {
	const struct table *table;
	uint64_t at, end;     /* rows [at, end) are still to come */
	struct grains_iter grains;
	struct col order;     /* blocks: their ids, when they come in groups; else empty */
	uint64_t near;
	node_id src, dst;
	bool incoming;	      /* edges: `at` is in the reverse rows of dst */
	struct text text;     /* of the last value that was made */
	struct query_block block; /* blocks: of row block_of - 1; 0: of none yet */
	uint64_t block_of;
};

struct table {
	const char *name;
	const struct column *columns;
	size_t n_columns;
	bool first_is_row; /* the first column numbers the rows, ascending */
	unsigned keys;	 /* 1 << column: open() narrows by these */
	unsigned sorted; /* 1 << column: rows come in their order */
	unsigned groups; /* 1 << column: open() can bring rows alike in these together */
	unsigned groups_alone; /* the same, but each of these alone */
	/* About how many rows a bound leaves; by < 0: all. */
	double (*estimate)(const struct query *q, const struct table *t, int by, bool one);
	/* At the first row. `used`: 1 << column for what will be asked; narrowing may be coarse. */
	struct err *(*open)(struct query *q, const struct bounds *b, uint64_t used, struct scan *s);
	void (*next)(struct query *q, struct scan *s);
	/* ret->kind is QUERY_NULL when it is called. */
	void (*value)(struct query *q, struct scan *s, unsigned column, struct query_value *ret);
	/* Of rows that are made from the report: */
	enum query_part part;
	struct err *(*fill)(struct query *q, struct table *t);
	struct query_value *cells; /* n_rows * n_columns */
	size_t n_rows, cap_rows;
	bool is_filled;
};

/* Where a block points at others: of one block, the first slot for each. */
struct slots {
	node_id src; /* NODE_NONE: of none */
	struct slot {
		node_id dst;
		uint64_t offset;
	} *v; /* by dst */
	size_t n, cap;
};

struct query {
	struct env *env;
	struct query_source src;
	struct table *tables; /* a copy of each */
	size_t n_tables;
	struct arena mem;  /* cells' texts */
	struct slots slots; /* of the block whose edges were asked for last */
	struct sqlite3 *db;
	struct err *err;   /* the first failure inside a scan */
};

extern const struct table blocks_table, edges_table, roots_table; /* columns.c */
extern const struct table *const report_tables[];		  /* rows.c; NULL-terminated */

static inline void give_int(struct query_value *ret, uint64_t i)
{
	ret->kind = QUERY_INT;
	ret->i = (int64_t)i;
}
static inline void give_address(struct query_value *ret, uint64_t address)
{
	ret->kind = QUERY_ADDRESS;
	ret->address = address;
}
static inline void give_text(struct query_value *ret, const char *text) /* NULL: unknown */
{
	ret->kind = text ? QUERY_TEXT : QUERY_NULL;
	ret->text = text;
}

#endif
