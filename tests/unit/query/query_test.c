/*
 * Queries over a small graph: what tables hold, what bounds leave, and that nothing is computed
 * which a query does not ask for.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_graph.h"
#include "query/query.h"
#include "unit_env.h"

/* Counts what it is asked for. */
struct world {
	struct graph *graph;
	struct facts facts;
	struct report report;
	unsigned facts_asked;
	unsigned parts_asked[QUERY_PARTS];
	bool fails;
	struct query *query;
	/* rows, as "1|0x10|text;" */
	struct query_sink sink;
	char out[2000];
};

static struct err *need_facts(void *ctx, unsigned facts)
{
	struct world *w = ctx;

	w->facts_asked |= facts;
	if (w->fails)
		return err_new(ERR_LIMIT, "too little memory for it: --memory");
	return facts_compute(&env, w->graph, facts, &w->facts);
}

static struct err *need_report(void *ctx, enum query_part part)
{
	((struct world *)ctx)->parts_asked[part]++;
	return NULL;
}

static void read_block(void *ctx, node_id node, struct query_block *ret)
{
	(void)ctx;
	*ret = (struct query_block){ .usable = 8 + node, .allocator = "fake", .arena = 0xa0 };
}

static bool is_filler(void *ctx, node_id node)
{
	(void)ctx;
	return node == 2; /* c: the graph has no pointer to or from it */
}

static void add(struct world *w, const char *fmt, ...) PRINTF(2, 3);
static void add(struct world *w, const char *fmt, ...)
{
	size_t n = strlen(w->out);
	va_list args;

	va_start(args, fmt);
	vsnprintf(w->out + n, sizeof(w->out) - n, fmt, args);
	va_end(args);
}

static struct err *on_begin(struct query_sink *sink, const char *const *columns, size_t n)
{
	(void)sink;
	(void)columns;
	assert_true(n > 0);
	return NULL;
}

static struct err *on_row(struct query_sink *sink, const struct query_value *v, size_t n)
{
	struct world *w = (struct world *)((char *)sink - offsetof(struct world, sink));

	for (size_t i = 0; i < n; i++) {
		add(w, i ? "|" : "");
		if (v[i].kind == QUERY_INT)
			add(w, "%" PRId64, v[i].i);
		else if (v[i].kind == QUERY_ADDRESS)
			add(w, "0x%" PRIx64, v[i].address);
		else if (v[i].kind == QUERY_REAL)
			add(w, "%g", v[i].d);
		else if (v[i].kind == QUERY_TEXT)
			add(w, "%s", v[i].text);
	}
	add(w, ";");
	return NULL;
}

static struct err *on_end(struct query_sink *sink)
{
	(void)sink;
	return NULL;
}

/*
 * a and e are roots; a -> b -> d, b -> a, e ~> d; f hangs on nothing, g on f.  Nodes are 16 bytes
 * each from 0x1000 on; c is a filler.
 */
static void open_world(struct world *w)
{
	struct query_source source = { .facts = &w->facts,
				       .report = &w->report,
				       .need_facts = need_facts,
				       .need_report = need_report,
				       .block = read_block,
				       .is_filler = is_filler,
				       .ctx = w };

	memset(w, 0, sizeof(*w));
	w->graph = fake_graph(&env, 7, "a->b b->a b->d e~>d f->g", "a e");
	w->sink = (struct query_sink){ on_begin, on_row, on_end };
	source.graph = w->graph;
	assert_null(query_open(&env, &source, &w->query));
}

static void close_world(struct world *w)
{
	query_close(w->query);
	facts_fini(&w->facts);
	report_fini(&w->report);
	graph_free(w->graph);
}

static void test_rows(void **state)
{
	static const struct {
		const char *sql, *rows;
	} cases[] = {
		{ "select id, address, size from blocks",
		  "0|0x1000|16;1|0x1010|16;3|0x1030|16;4|0x1040|16;5|0x1050|16;6|0x1060|16;" },
		{ "select id from blocks where id = 3", "3;" },
		{ "select id from blocks where id = 2", "" },
		{ "select id from blocks where id = 7", "" },
		{ "select id from blocks where id = -1", "" },
		{ "select id from blocks where id > 4", "5;6;" },
		{ "select id from blocks where id >= 1 and id < 4", "1;3;" },
		{ "select id from blocks where id between 9223372036854775806 and 9223372036854775807", "" },
		{ "select id from blocks where id > 4.5 and id < 5.5", "5;" },
		{ "select id from blocks where address = 0x1040", "4;" },
		{ "select id from blocks where address = 0x1041", "" },
		{ "select id from blocks where address > 0x1030 and address <= 0x1050", "4;5;" },
		{ "select id from blocks where address < 0x1000", "" },
		{ "select id from blocks where address = '0x1040'", "" },
		{ "select id from blocks where id in (6, 2, 0) order by id", "0;6;" },
		{ "select id from blocks order by address desc limit 1", "6;" },
		{ "select block_at(0x1047), block_at(0xfff), block_at('x'), hex_address(4096)",
		  "4|||0x1000;" },
		{ "select src, dst, interior from edges", "0|1|0;1|0|0;1|3|0;4|3|1;5|6|0;" },
		{ "select src, interior from edges where dst = 3", "1|0;4|1;" },
		{ "select dst from edges where src = 1", "0;3;" },
		{ "select src from edges where dst = 4", "" },
		{ "select src from edges where dst = 99", "" },
		{ "select dst from edges where src between 2 and 4", "3;" },
		{ "select src from edges where src > 5", "" },
		{ "select e.src from blocks b join edges e on e.dst = b.id where b.address = 0x1030",
		  "1;4;" },
		{ "select id, reach from blocks where state = 'used' and id <> 0",
		  "1|reachable;3|reachable;4|reachable;5|definitely-lost;6|indirectly-lost;" },
		{ "select id, retained, idom from blocks where id in (0, 1, 3, 5)",
		  "0|32|;1|16|0;3|16|;5|32|;" },
		{ "select id, parent, root from blocks where id in (0, 1, 3, 5)",
		  "0||0;1|0|;3|1|;5||;" },
		{ "select usable, allocator, arena, \"where\" from blocks where id = 1", "9|fake|0xa0|;" },
		{ "select id, kind, block, interior from roots", "0|global|0|0;1|global|4|0;" },
		{ "select id from roots where id = 1", "1;" },
		{ "select count(*) from suspects", "0;" },
		{ "select count(*), sum(size) from blocks group by state", "6|96;" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct world w;

		open_world(&w);
		assert_null(query_run(w.query, cases[i].sql, &w.sink));
		assert_string_equal(w.out, cases[i].rows);
		close_world(&w);
	}
}

static void test_asks_only_for_what_is_read(void **state)
{
	static const struct {
		const char *sql;
		unsigned facts, description, findings;
	} cases[] = {
		{ "select id, address, size, state, type, usable from blocks", 0, 0, 0 },
		{ "select reach from blocks", FACT_REACH, 0, 0 },
		{ "select retained from blocks", FACT_DOM, 0, 0 },
		{ "select idom, parent from blocks", FACT_DOM | FACT_PARENT, 0, 0 },
		{ "select id from blocks where reach = 'reachable'", FACT_REACH, 0, 0 },
		{ "select * from edges where src = 1", 0, 0, 0 },
		{ "select * from edges where dst = 1", FACT_REVERSE, 0, 0 },
		{ "select id, kind from roots", 0, 0, 0 },
		{ "select thread from roots", 0, 1, 0 },
		{ "select * from threads", 0, 1, 0 },
		{ "select * from suspects", 0, 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct world w;

		open_world(&w);
		assert_null(query_run(w.query, cases[i].sql, &w.sink));
		assert_int_equal(w.facts_asked, cases[i].facts);
		assert_int_equal(w.parts_asked[PART_DESCRIPTION] > 0, cases[i].description);
		assert_int_equal(w.parts_asked[PART_FINDINGS] > 0, cases[i].findings);
		close_world(&w);
	}
}

/* A failure inside a scan is the caller's own error, not SQLite's words for it. */
static void test_failures(void **state)
{
	struct world w;
	struct err *err;

	(void)state;
	open_world(&w);
	w.fails = true;
	err = query_run(w.query, "select reach from blocks", &w.sink);
	assert_non_null(err);
	assert_int_equal(err->kind, ERR_LIMIT);
	assert_non_null(strstr(err->message, "--memory"));
	err_free(err);
	w.fails = false;
	assert_null(query_run(w.query, "select reach from blocks where id = 0", &w.sink));
	assert_string_equal(w.out, "reachable;");
	err = query_run(w.query, "select nope from blocks", &w.sink);
	assert_non_null(err);
	assert_int_equal(err->kind, ERR_USAGE);
	err_free(err);
	close_world(&w);
}

static void test_names(void **state)
{
	struct world w;
	size_t n = 0;

	(void)state;
	open_world(&w);
	assert_string_equal(query_table_name(w.query, 0), "blocks");
	assert_string_equal(query_column_name(w.query, 0, 1), "address");
	while (query_table_name(w.query, n))
		assert_non_null(query_column_name(w.query, n++, 0));
	assert_true(n >= 17);
	assert_null(query_column_name(w.query, 0, 99));
	assert_null(query_column_name(w.query, n, 0));
	assert_true(query_is_complete("select 1;"));
	assert_false(query_is_complete("select ';"));
	close_world(&w);
}

/* `|` is where the word ends that is completed. */
static void test_completion(void **state)
{
	static const struct {
		const char *statement, *names;
	} cases[] = {
		{ "select blo|", "block blocks " },
		{ "select * from blo|", "blocks " },
		{ "select * from heaps, BLO|", "blocks " },
		{ "select * from heaps join cycle|", "cycle_members cycles " },
		{ "select 'from ' || blo|", "block blocks " },
		{ "select ti|", "tid title " },
		{ "select ti| from threads", "tid " },
		{ "select ti|, 'x from suspects' from threads", "tid " },
		{ "select * from threads where ti|", "tid " },
		{ "select * from threads t join suspects s on t.ti|", "tid title " },
		{ "select threads.ti|", "tid " },
		{ "select threads.blo|", "" },
		{ "select blocks.reta| from threads", "retained " },
		{ "select * from threads where (select 1 from goro|", "goroutines " },
		{ "select * from nowhere where ti|", "tid title " },
		{ "select * from blocks where where_|", "" },
		{ "select 'ti|", "tid title " },
		{ "goro|", "goroutine goroutines " },
	};
	struct world w;

	(void)state;
	open_world(&w);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char statement[200], out[200] = "";
		size_t end = (size_t)(strrchr(cases[i].statement, '|') - cases[i].statement);
		size_t start = end, n;
		const char **names;

		snprintf(statement, sizeof(statement), "%.*s%s", (int)end, cases[i].statement,
			 cases[i].statement + end + 1);
		while (start && strchr(" .'", statement[start - 1]) == NULL)
			start--;
		names = query_complete(w.query, statement, start, end, &n);
		assert_non_null(names);
		for (size_t k = 0; k < n; k++) {
			strcat(out, names[k]);
			strcat(out, " ");
		}
		assert_string_equal(out, cases[i].names);
		free(names);
	}
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_asks_only_for_what_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_completion, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
