/* graph/edge_rows.c - rows against a plain sum: runs of nodes with as many edges each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "graph/graph.h"

enum { RUNS = 8 };

static const struct {
	const char *name;
	struct {
		uint32_t nodes;
		uint64_t edges; /* of each */
	} runs[RUNS];
	uint64_t wide; /* groups */
} cases[] = {
	{ "no nodes", {}, 0 },
	{ "one node, no edges", { { 1, 0 } }, 0 },
	{ "one node", { { 1, 7 } }, 0 },
	{ "a whole group", { { 16, 17 } }, 0 },
	{ "255 before the last of a group", { { 15, 17 }, { 1, 1000 }, { 1, 1 } }, 0 },
	{ "256 before the last of a group", { { 14, 17 }, { 1, 18 }, { 1, 0 }, { 16, 1 } }, 1 },
	{ "the last node of all", { { 100, 2 }, { 1, 1 << 20 } }, 1 },
	{ "the last node ends a group", { { 111, 2 }, { 1, 1 << 20 } }, 0 },
	{ "2^20 edges first in a group", { { 16, 1 }, { 1, 1 << 20 }, { 30, 1 } }, 1 },
	{ "2^20 edges inside a group", { { 20, 1 }, { 1, 1 << 20 }, { 30, 0 } }, 1 },
	{ "2^20 edges end a group", { { 31, 1 }, { 1, 1 << 20 }, { 30, 3 } }, 0 },
	{ "wide groups in a row", { { 64, 100 }, { 5, 0 }, { 64, 18 } }, 7 },
	{ "empty rows around a block's border", { { 65530, 1 }, { 12, 0 }, { 70000, 2 } }, 0 },
	{ "wide at a block's border", { { 65535, 1 }, { 1, 1 << 20 }, { 1, 1 << 20 }, { 9, 0 } }, 1 },
	{ "exactly a block", { { 65536, 1 } }, 0 },
	{ "only empty ones", { { 200000, 0 } }, 0 },
	{ "2^31 - 1 edges before a group", { { 15, 0 }, { 1, 0x7fffffff }, { 40, 1 } }, 2 },
	{ "2^31 edges before a group", { { 15, 0 }, { 1, 0x80000000 }, { 40, 1 } }, 3 },
	{ "2^40 edges of one node", { { 70000, 3 }, { 1, 1ull << 40 }, { 9, 1 } }, 1 },
	{ "2^40 edges, then another block", { { 65535, 3 }, { 1, 1ull << 40 }, { 70000, 1 } }, 0 },
};

struct world {
	struct env env;
	uint64_t n, *start; /* n + 1 */
	struct edge_row_cols cols;
};

static void make_starts(struct world *w, size_t i)
{
	uint64_t at = 0, node = 0;

	for (unsigned k = 0; k < RUNS; k++)
		w->n += cases[i].runs[k].nodes;
	w->start = calloc(w->n + 1, sizeof(*w->start));
	assert_non_null(w->start);
	for (unsigned k = 0; k < RUNS; k++)
		for (uint32_t m = 0; m < cases[i].runs[k].nodes; m++, at += cases[i].runs[k].edges)
			w->start[node++] = at;
	w->start[w->n] = at;
}

/* As two threads do: the second half first, from zero, its bases mended in the end. */
static void fill(struct world *w, uint64_t border)
{
	uint64_t from = border <= w->n ? w->start[border] : 0;

	assert_null(edge_rows_open(&w->env, w->n, &w->cols));
	for (uint64_t i = border; i < w->n; i++)
		assert_null(edge_rows_begin(&w->cols, (node_id)i, w->start[i] - from));
	for (uint64_t i = 0; i < border && i < w->n; i++)
		assert_null(edge_rows_begin(&w->cols, (node_id)i, w->start[i]));
	for (uint64_t i = border; i < w->n; i += 1u << ROW_BLOCK_SHIFT)
		((uint64_t *)w->cols.base.base)[i >> ROW_BLOCK_SHIFT] += from;
	assert_null(edge_rows_begin(&w->cols, (node_id)w->n, w->start[w->n]));
}

static void check(struct world *w)
{
	struct edge_rows rows = edge_rows_of(&w->cols);

	for (uint64_t i = 0; i <= w->n; i++)
		assert_int_equal(edge_rows_start(&rows, (node_id)i), w->start[i]);
	for (uint64_t i = 0; i < w->n; i += 64) {
		unsigned n = w->n - i < 64 ? (unsigned)(w->n - i) : 64;
		uint64_t want = 0;

		for (unsigned k = 0; k < n; k++)
			want |= (uint64_t)(w->start[i + k + 1] > w->start[i + k]) << k;
		assert_int_equal(edge_rows_used(&rows, (node_id)i, n), want);
	}
}

static void test_starts(void **state)
{
	static const uint64_t borders[] = { UINT64_MAX, 1 << ROW_BLOCK_SHIFT };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned k = 0; k < 2; k++) {
			struct world w = {};

			print_message("%s\n", cases[i].name);
			env_init(&w.env);
			make_starts(&w, i);
			fill(&w, borders[k]);
			check(&w);
			assert_int_equal(w.cols.wide.n, cases[i].wide);
			edge_rows_close(&w.cols);
			free(w.start);
			assert_int_equal(w.env.mem_used, 0);
			env_fini(&w.env);
		}
	}
}

static void test_no_memory(void **state)
{
	struct edge_row_cols cols = {};
	struct env env;
	struct err *err;

	(void)state;
	env_init(&env);
	assert_null(edge_rows_open(&env, 100, &cols));
	env.mem_budget = env.mem_used;
	env.disk_budget = 0;
	assert_null(edge_rows_begin(&cols, 0, 0));
	err = edge_rows_begin(&cols, 1, 1 << 20); /* no room for wide starts */
	assert_non_null(err);
	assert_int_equal(err->kind, ERR_LIMIT);
	err_free(err);
	edge_rows_close(&cols);
	env_fini(&env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starts),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
