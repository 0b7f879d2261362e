/*
 * query/query.h - a dump's graph, facts and report as SQL tables, read where they lie: no copy.
 *
 * `blocks`, `edges` and `roots` are the graph's columns, with ids and addresses as indexes; the
 * other tables are the report's lists.  What a query does not ask for is not computed: facts and the
 * report are asked of the caller when a table or column that needs them is first read.  Addresses
 * are integers in SQL (write 0x7f10 without quotes); sinks are told which columns hold them.
 */
#ifndef HEAPFX_QUERY_QUERY_H
#define HEAPFX_QUERY_QUERY_H

#include "fact/fact.h"
#include "graph/graph.h"
#include "report/report.h"

/* What only the producer of the nodes knows of one. */
struct query_block {
	uint64_t usable;   /* bytes the program may use */
	const char *where; /* of free ones: "tcache"; NULL for used; literals */
	const char *allocator;
	uint64_t arena;	   /* address of its structure; 0: none */
	bool filler;	   /* no block: a header or gap between blocks */
};

/* What of the report a table reads. */
enum query_part {
	PART_DESCRIPTION, /* input, threads, modules, heaps, problems, the runtime's own tree */
	PART_FINDINGS,	  /* what the analyses add */
	PART_SEGMENTS,	  /* the generic tables of that name, which no report shows otherwise */
	PART_FRAMES,
	PART_POOLS,
	PART_EDGES, /* the graph's columns: nothing to make, but they are about to be read */
	PART_ROOTS,
	QUERY_PARTS
};

struct query_source {
	const struct graph *graph;
	const struct facts *facts;
	const struct report *report;
	/* Add facts (enum fact bits) to `facts`, a part to `report`: called whenever one is needed. */
	struct err *(*need_facts)(void *ctx, unsigned facts);
	struct err *(*need_report)(void *ctx, enum query_part part);
	void (*block)(void *ctx, node_id node, struct query_block *ret);
	bool (*is_filler)(void *ctx, node_id node); /* block()'s, alone: asked of every node */
	void *ctx;
};

enum query_kind { QUERY_NULL, QUERY_INT, QUERY_ADDRESS, QUERY_REAL, QUERY_TEXT };
struct query_value {
	enum query_kind kind;
	union {
		int64_t i;	  /* QUERY_INT */
		uint64_t address; /* QUERY_ADDRESS */
		double d;
		const char *text; /* bytes of the dump, not escaped; until the next row */
	};
};

/* Takes the rows of each statement that has columns, in turn. */
struct query_sink {
	struct err *(*begin)(struct query_sink *sink, const char *const *columns, size_t n);
	struct err *(*row)(struct query_sink *sink, const struct query_value *values, size_t n);
	struct err *(*end)(struct query_sink *sink);
};

struct query;
/* The source's members stay the caller's, and must outlive it. */
struct err *query_open(struct env *env, const struct query_source *source,
		       struct query **ret) MUST_CHECK;
void query_close(struct query *q); /* NULL is fine */
/* Every statement of `sql`, in order.  ERR_USAGE, with SQLite's words, for what it refuses. */
struct err *query_run(struct query *q, const char *sql, struct query_sink *sink) MUST_CHECK;
/* All tables as an ordinary database at `path`, which must be empty or absent. */
struct err *query_save(struct query *q, const char *path) MUST_CHECK;
/* Whether `sql` ends with a whole statement: a shell reads on when it does not. */
bool query_is_complete(const char *sql);

/* Ends the statement that runs, which is then "interrupted".  For signal handlers too. */
void query_interrupt(struct query *q);

/* For help: tables by their order, then columns; NULL past the last. */
const char *query_table_name(const struct query *q, size_t table);
const char *query_column_name(const struct query *q, size_t table, size_t column);
/*
 * completion.c: the tables and columns that begin with what is typed between `start` and `end` of
 * `statement`, sorted, each once.  Tables alone after FROM and JOIN; columns of the tables that the
 * statement names, or of all while it names none; after `table.` its columns.  malloc'd, of
 * borrowed names; NULL: out of memory.
 */
const char **query_complete(const struct query *q, const char *statement, size_t start, size_t end,
			    size_t *ret_n) MUST_CHECK;

#endif
