/* sql.h - what `heapfx sql` is made of: cmd_sql.c, sql_tables.c, shell.c. */
#ifndef HEAPFX_CMD_SQL_H
#define HEAPFX_CMD_SQL_H

#include "pipeline.h"
#include "query/query.h"

/* sql_tables.c: tables of the report that no writer shows. */
struct err *sql_add_segments(struct run *run) MUST_CHECK;
struct err *sql_add_frames(struct run *run) MUST_CHECK;
struct err *sql_add_pools(struct run *run) MUST_CHECK;

/* cmd_sql.c: the tables of a run that is analysed as a database. */
struct err *sql_write_database(struct run *run, FILE *out) MUST_CHECK;

/*
 * shell.c: statements and dot commands from standard input until it ends; with line editing,
 * history and completion when that is a terminal, where a failure is told and reading goes on.
 * Otherwise the first failure ends it.
 */
struct err *sql_shell(struct run *run, struct query *query, const char *format,
		      FILE *out) MUST_CHECK;

#endif
