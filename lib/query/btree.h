/*
 * query/btree.h - fills empty tables and indexes of an SQLite database, of entries that come in
 * order: page after page at the end of the file, without a search, a sort or a page read again.
 *
 * SQLite itself makes the file, its schema and the root pages.  The format is promised to stay:
 * sqlite.org/fileformat2.html.
 */
#ifndef HEAPFX_QUERY_BTREE_H
#define HEAPFX_QUERY_BTREE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct btree_file;
/* A database that nobody else has open, without free pages; `path` is borrowed, for messages too. */
struct err *btree_file_open(const char *path, struct btree_file **ret) MUST_CHECK;
/* What is left is written, and how many pages there are: before that it is no valid database. */
struct err *btree_file_end(struct btree_file *f) MUST_CHECK;
void btree_file_close(struct btree_file *f); /* NULL is fine */

enum btree_kind { BTREE_TABLE, BTREE_INDEX };
struct btree;
/* `root`: the page that SQLite made for it, of no entry yet.  Several may be filled in turn. */
struct err *btree_new(struct btree_file *f, enum btree_kind kind, uint32_t root,
		      struct btree **ret) MUST_CHECK;
void btree_free(struct btree *t); /* NULL is fine */
/* The next row: rowids ascend.  `record`: n < 2^31 bytes in SQLite's record format. */
struct err *btree_add_row(struct btree *t, int64_t rowid, const uint8_t *record,
			  size_t n) MUST_CHECK;
/* The next entry of an index of one column: ascending by key, then by rowid. */
struct err *btree_add_key(struct btree *t, int64_t key, int64_t rowid) MUST_CHECK;
struct err *btree_end(struct btree *t) MUST_CHECK;

/* ---- records: what a row or an entry says */

enum { VARINT_MAX = 9, RECORD_NULL = 0, RECORD_REAL = 7, RECORD_TEXT = 13 };
/* 1 to 9 bytes at `to`; how many. */
unsigned varint_put(uint8_t *to, uint64_t v);
/* The serial type of a number; its bytes go to `to`, which has room for 8; how many in *ret_n. */
unsigned record_int(int64_t v, uint8_t *to, unsigned *ret_n);

#endif
