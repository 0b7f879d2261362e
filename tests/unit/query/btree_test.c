/*
 * B-trees filled page by page, as SQLite itself finds them: whole by its own check, with every row
 * in order and found by key, for pages of all sizes, trees of up to four levels and rows that
 * continue on pages of their own.
 */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/guard.h"
#include "query/btree.h"

enum { ROW_MAX = 1 << 18 };

struct world {
	char path[32];
	sqlite3 *db;
	uint32_t table, index;
	uint8_t *record;
};

static int64_t ask(struct world *w, const char *sql, int64_t arg)
{
	sqlite3_stmt *s;
	int64_t ret;

	assert_int_equal(sqlite3_prepare_v2(w->db, sql, -1, &s, NULL), SQLITE_OK);
	sqlite3_bind_int64(s, 1, arg);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	ret = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return ret;
}

static void open_world(struct world *w, unsigned page_size)
{
	char sql[256];

	strcpy(w->path, "/tmp/heapfx-btree-XXXXXX");
	close(mkstemp(w->path));
	w->record = malloc(ROW_MAX + 64);
	assert_int_equal(sqlite3_open(w->path, &w->db), SQLITE_OK);
	snprintf(sql, sizeof(sql), "PRAGMA page_size = %u; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
		 "CREATE TABLE t(k INTEGER, s TEXT); CREATE INDEX i ON t(k)", page_size);
	assert_int_equal(sqlite3_exec(w->db, sql, NULL, NULL, NULL), SQLITE_OK);
	w->table = (uint32_t)ask(w, "SELECT rootpage FROM sqlite_schema WHERE name = 't'", 0);
	w->index = (uint32_t)ask(w, "SELECT rootpage FROM sqlite_schema WHERE name = 'i'", 0);
	sqlite3_close(w->db);
}

static void close_world(struct world *w)
{
	sqlite3_close(w->db);
	unlink(w->path);
	free(w->record);
}

/* What SQLite would write: the key, and a text of that many letters. */
static size_t make_record(uint8_t *to, int64_t key, size_t letters)
{
	uint8_t number[8];
	unsigned n, head;

	to[1] = (uint8_t)record_int(key, number, &n);
	head = 2 + varint_put(to + 2, RECORD_TEXT + 2 * letters);
	to[0] = (uint8_t)head;
	memcpy(to + head, number, n);
	memset(to + head + n, 'a' + (int)(key & 15), letters);
	return head + n + letters;
}

/* Of every width that a record knows, ascending. */
static int64_t key_of(int64_t i, int64_t n)
{
	static const int64_t from[] = { 0, 1, 100, 1 << 14, 1 << 22, 1ll << 30, 1ll << 46, 1ll << 60 };

	return from[i * 8 / n] + i;
}

static void fill(struct world *w, int64_t n, size_t (*letters)(int64_t i))
{
	struct btree_file *f;
	struct btree *t;

	assert_null(btree_file_open(w->path, &f));
	assert_null(btree_new(f, BTREE_TABLE, w->table, &t));
	for (int64_t i = 0; i < n; i++)
		assert_null(btree_add_row(t, 3 * i, w->record,
					  make_record(w->record, key_of(i, n), letters(i))));
	assert_null(btree_end(t));
	btree_free(t);
	assert_null(btree_new(f, BTREE_INDEX, w->index, &t));
	for (int64_t i = 0; i < n; i++)
		assert_null(btree_add_key(t, key_of(i, n), 3 * i));
	assert_null(btree_end(t));
	btree_free(t);
	assert_null(btree_file_end(f));
	btree_file_close(f);
}

static void check(struct world *w, int64_t n, size_t (*letters)(int64_t i))
{
	int64_t bytes = 0;

	for (int64_t i = 0; i < n; i++)
		bytes += (int64_t)letters(i);
	assert_int_equal(sqlite3_open(w->path, &w->db), SQLITE_OK);
	assert_int_equal(ask(w, "SELECT integrity_check = 'ok' FROM pragma_integrity_check", 0), 1);
	assert_int_equal(ask(w, "SELECT count(*) FROM t NOT INDEXED", 0), n);
	assert_int_equal(ask(w, "SELECT ifnull(sum(length(s)), 0) FROM t", 0), bytes);
	assert_int_equal(ask(w, "SELECT count(*) FROM t WHERE s <> substr(replace(hex(zeroblob(length(s))),"
				"'0', char(97 + (k & 15))), 1, length(s))", 0), 0);
	for (int64_t i = 0; i < n; i += n / 50 + 1) {
		assert_int_equal(ask(w, "SELECT rowid FROM t INDEXED BY i WHERE k = ?", key_of(i, n)), 3 * i);
		assert_int_equal(ask(w, "SELECT k FROM t WHERE rowid = ?", 3 * i), key_of(i, n));
	}
	/* and it is a database that can be written to */
	assert_int_equal(sqlite3_exec(w->db, "PRAGMA synchronous = OFF; INSERT INTO t VALUES(7, 'x');"
				      "DELETE FROM t WHERE rowid < 9",
				      NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(ask(w, "SELECT integrity_check = 'ok' FROM pragma_integrity_check", 0), 1);
}

static size_t few_letters(int64_t i)
{
	return (size_t)(i % 7);
}

/* At every length around what a page can hold, of any size, and some far past it. */
static size_t any_letters(int64_t i)
{
	return (size_t)(i % 13 ? i * 37 % 1500 : i % (ROW_MAX - 1) * 97 % ROW_MAX);
}

static void test_sizes(void **state)
{
	static const unsigned page_sizes[] = { 512, 1024, 4096, 1 << 16 };
	static const int64_t counts[] = { 0, 1, 2, 3, 50, 1000, 30000 };

	(void)state;
	for (size_t p = 0; p < ARRAY_SIZE(page_sizes); p++) {
		for (size_t c = 0; c < ARRAY_SIZE(counts); c++) {
			struct world w;

			open_world(&w, page_sizes[p]);
			fill(&w, counts[c], few_letters);
			check(&w, counts[c], few_letters);
			close_world(&w);
		}
	}
}

/* Where the last page of a level begins with its last entries: each count in turn. */
static void test_every_count(void **state)
{
	(void)state;
	for (int64_t n = 0; n < 4000; n += n < 200 || n > 3900 ? 1 : 37) {
		struct world w;

		open_world(&w, 512);
		fill(&w, n, few_letters);
		check(&w, n, few_letters);
		close_world(&w);
	}
}

static void test_long_rows(void **state)
{
	static const unsigned page_sizes[] = { 512, 4096, 1 << 16 };

	(void)state;
	for (size_t p = 0; p < ARRAY_SIZE(page_sizes); p++) {
		struct world w;

		open_world(&w, page_sizes[p]);
		fill(&w, 400, any_letters);
		check(&w, 400, any_letters);
		close_world(&w);
	}
}

/* Section 2.1 of the format, by example. */
static void test_numbers(void **state)
{
	static const struct {
		int64_t v;
		unsigned type;
		const char *bytes; /* in hex */
	} cases[] = {
		{ 0, 8, "" },		    { 1, 9, "" },
		{ -1, 1, "ff" },	    { 127, 1, "7f" },
		{ 128, 2, "0080" },	    { -129, 2, "ff7f" },
		{ 32768, 3, "008000" },	    { 8388608, 4, "00800000" },
		{ 1ll << 31, 5, "000080000000" }, { 1ll << 47, 6, "0000800000000000" },
		{ INT64_MIN, 6, "8000000000000000" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t bytes[8];
		char hex[20] = "";
		unsigned n;

		assert_int_equal(record_int(cases[i].v, bytes, &n), cases[i].type);
		for (unsigned k = 0; k < n; k++)
			snprintf(hex + 2 * k, 3, "%02x", bytes[k]);
		assert_string_equal(hex, cases[i].bytes);
	}
}

static void test_what_is_no_database(void **state)
{
	char path[] = "/tmp/heapfx-btree-XXXXXX";
	struct btree_file *f;
	struct err *err;
	int fd = mkstemp(path);

	(void)state;
	err = btree_file_open(path, &f);
	assert_non_null(err);
	err_free(err);
	assert_int_equal(ftruncate(fd, 4096), 0);
	err = btree_file_open(path, &f);
	assert_non_null(err);
	assert_int_equal(err->kind, ERR_UNSUPPORTED);
	err_free(err);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),	    cmocka_unit_test(test_every_count),
		cmocka_unit_test(test_long_rows),   cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_what_is_no_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
